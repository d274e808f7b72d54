/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/quadlet.h"

#include "tests/unit/check.h"

static Quadlet *add(Quadlets *all, const char *file, const char *text) {
        char path[128];
        Quadlet *q;

        snprintf(path, sizeof(path), "/q/%s", file);
        assert_int_equal(quadlets_add(all, path, "/q", true, &q), 0);
        assert_int_equal(quadlet_read(q, path, strdup(text), strlen(text)), 0);
        return q;
}

static void kinds_are_known_by_their_suffix(void **state _unused_) {
        static const struct {
                const char *name;
                QuadletKind kind;
        } rows[] = {
                { "web.container", QUADLET_CONTAINER },
                { "/a/b.pod", QUADLET_POD },
                { "x@.volume", QUADLET_VOLUME },
                { "x.network", QUADLET_NETWORK },
                { "x.kube", QUADLET_KUBE },
                { "x.image", QUADLET_IMAGE },
                { "x.build", QUADLET_BUILD },
                { "x.artifact", QUADLET_ARTIFACT },
                { ".container", _QUADLET_INVALID },
                { "/a/.pod", _QUADLET_INVALID },
                { "container", _QUADLET_INVALID },
                { "x.service", _QUADLET_INVALID },
                { "x.container.d", _QUADLET_INVALID },
                { "", _QUADLET_INVALID },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                ROW(i, rows[i].name, quadlet_kind_from_name(rows[i].name) == rows[i].kind);
}

static void the_last_value_counts_and_an_empty_one_resets(void **state _unused_) {
        _cleanup_quadlets_ Quadlets all = { 0 };
        const Quadlet *q = add(
                        &all, "a.container",
                        "[Container]\nOne=1\nOne=2\nNone=x\nNone=\nList=a\nList=\nList=b\nList=c\n[Unit]\nOne=3\n");
        unsigned lists = 0;

        assert_string_equal(quadlet_last(q, "Container", "One")->value, "2");
        assert_int_equal(quadlet_last(q, "Container", "One")->line, 3);
        assert_string_equal(quadlet_last(q, "Unit", "One")->value, "3");
        assert_null(quadlet_last(q, "Container", "None"));
        assert_null(quadlet_last(q, "Container", "Absent"));
        for (size_t i = 0; i < q->n; i++)
                if (streq(q->list[i].key, "List") && quadlet_effective(q, &q->list[i], true)) {
                        ROW(i, q->list[i].value,
                            strchr("bc", q->list[i].value[0]) || q->list[i].value[0] == '\0');
                        lists += q->list[i].value[0] != '\0';
                }
        assert_int_equal(lists, 2);
}

static void lines_continue_as_podman_has_them(void **state _unused_) {
        static const struct {
                const char *text, *value;
        } rows[] = {
                { "[C]\nK=a \\\n  b\n", "a  b" },
                { "[C]\nK=a \\  \n  b\n", "a  b" }, /* systemd would not go on */
                { "[C]\nK=a \\\t\r\n  b\r\n", "a  b" },
                { "[C]\nK=a \\\n# no \\\n  b\n", "a  b" },
                { "[C]\n# no \\  \nK=b\n", "b" },
                { "[C]\nK=a\\\\\n", "a\\\\" },
                { "\xef\xbb\xbf[C]\nK = a ; b \n", "a ; b" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_quadlets_ Quadlets all = { 0 };
                const Quadlet *q = add(&all, "a.container", rows[i].text);
                const QuadletSetting *s = quadlet_last(q, "C", "K");

                ROW(i, rows[i].text, s && streq(s->value, rows[i].value) && q->findings.n == 0);
        }
}

static void what_is_no_line_is_an_error_with_its_place(void **state _unused_) {
        static const struct {
                const char *text;
                unsigned line;
                const char *message;
        } rows[] = {
                { "[C]\nno setting\n", 2,
                  "'no setting' is no setting; write KEY=VALUE, or # before a comment" },
                { "K=1\n", 1, "'K' stands before any section, where podman reads nothing" },
                { "[C]\nK=\xff\n", 2, "the line is not valid UTF-8; save the file as UTF-8" },
                { "[C\nK=1\n", 1, "'[C' is no section; write [NAME]" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_quadlets_ Quadlets all = { 0 };
                const Quadlet *q = add(&all, "a.container", rows[i].text);

                ROW(i, rows[i].text, q->findings.errors >= 1 && q->findings.list[0].line == rows[i].line);
                assert_string_equal(q->findings.list[0].message, rows[i].message);
                assert_string_equal(q->findings.list[0].path, "/q/a.container");
        }
}

static void names_become_valid(void **state _unused_) {
        static const struct {
                const char *file, *text, *name, *message;
        } rows[] = {
                { "web.container", "", "web", NULL },
                { "web@.container", "", "web@", NULL },
                { "web@a.container", "", "web@a", NULL },
                { "my_app.container", "", "my-app",
                  "'my_app' cannot be a container's name (letters, digits and '-'): it is 'my-app' now, and its unit "
                  "my-app.service" },
                { "a.b@c_d.container", "", "a-b@c-d",
                  "'a.b@c_d' cannot be a container's name (letters, digits and '-'): it is 'a-b@c-d' now, and its "
                  "unit a-b@c-d.service" },
                { "dbus.container", "", "my-dbus",
                  "'dbus' cannot be a container's name (letters, digits and '-'): it is 'my-dbus' now, and its unit "
                  "my-dbus.service" },
                { "x.container", "[Container]\nServiceName=other\n", "other", NULL },
                { "___.container", "", "",
                  "'___' cannot be made a container's name (letters, digits and '-'); rename the file" },
                { "a@_.container", "", "",
                  "'a@_' cannot be made a container's name (letters, digits and '-'); rename the file" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_quadlets_ Quadlets all = { 0 };
                const Quadlet *q = add(&all, rows[i].file, rows[i].text);

                quadlets_name(&all);
                ROW(i, q->name, streq(q->name, rows[i].name));
                assert_int_equal(q->findings.n, rows[i].message != NULL);
                if (rows[i].message)
                        assert_string_equal(q->findings.list[0].message, rows[i].message);
        }
}

static void references_find_files_and_templates(void **state _unused_) {
        _cleanup_quadlets_ Quadlets all = { 0 };
        const Quadlet *template = add(&all, "t@.container", ""), *volume = add(&all, "d.volume", "");

        assert_ptr_equal(quadlets_find(&all, "t@.container"), template);
        assert_ptr_equal(quadlets_find(&all, "t@1.container"), template);
        assert_ptr_equal(quadlets_find(&all, "d.volume"), volume);
        assert_null(quadlets_find(&all, "t@1.volume"));
        assert_null(quadlets_find(&all, "d.network"));
        assert_null(quadlets_find(&all, "t.service"));
}

static void a_pod_is_the_first_of_its_containers(void **state _unused_) {
        _cleanup_quadlets_ Quadlets all = { 0 };
        const Quadlet *pod = add(&all, "p.pod", "[Pod]\n"), *lonely = add(&all, "q.pod", "[Pod]\n"), *b;

        add(&all, "a@.container", "[Container]\nPod=p.pod\n");
        add(&all, "c.container", "[Container]\nPod=p.pod\n");
        b = add(&all, "b.container", "[Container]\nPod=p.pod\n");
        add(&all, "a.container", "[Container]\nPod=other.pod\n");
        quadlets_name(&all);
        assert_ptr_equal(quadlets_pod_first(&all, pod), b);
        assert_null(quadlets_pod_first(&all, lonely));
}

static void booleans_are_strict(void **state _unused_) {
        static const struct {
                const char *text;
                int value;
        } rows[] = { { "yes", 1 }, { "True", 1 }, { "on", 1 },     { "1", 1 },          { "no", 0 },
                     { "OFF", 0 }, { "0", 0 },    { "", -EINVAL }, { "ture", -EINVAL }, { "2", -EINVAL } };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                ROW(i, rows[i].text,
                    quadlet_bool(&(QuadletSetting){ .value = rows[i].text }) == rows[i].value);
}

RUN(TEST(kinds_are_known_by_their_suffix), TEST(the_last_value_counts_and_an_empty_one_resets),
    TEST(lines_continue_as_podman_has_them), TEST(what_is_no_line_is_an_error_with_its_place),
    TEST(names_become_valid), TEST(references_find_files_and_templates),
    TEST(a_pod_is_the_first_of_its_containers), TEST(booleans_are_strict))
