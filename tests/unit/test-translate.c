/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/contract.h"
#include "generator/text.h"
#include "generator/translate.h"

#define IMAGE "[Container]\nImage=a\n"

static bool exists(void *data _unused_, const char *name) {
        return streq(name, "db") || streq(name, "cache@") || streq(name, "one@x");
}

static bool foreign(void *data _unused_, const char *unit) {
        return streq(unit, "ssh.service");
}

static const char *take(void *data _unused_, const char *alias, const char *name _unused_) {
        return streq(alias, "taken.service") ? "other" : NULL;
}

static const char *machine(void *data _unused_, const char *name) {
        return streq(name, "twin@1") ? "twin-1" : NULL;
}

static const World world = { NULL, exists, foreign, take, machine, NULL };

typedef struct Case {
        Manifest m;
        Service s;
} Case;

static void build(Case *c, const char *name, const char *text) {
        _cleanup_free_ char *copy = strdup(text), *path = NULL;

        assert_non_null(copy);
        assert_true(asprintf(&path, "/etc/berth/%s.berth", name) > 0);
        assert_int_equal(manifest_init(&c->m, name, path), 0);
        assert_int_equal(manifest_parse(&c->m, &(Fragment){ .data = copy, .size = strlen(copy) }, 1), 0);
        assert_int_equal(translate(&c->m, &world, &c->s), 0);
}

static void case_done(Case *c) {
        manifest_done(&c->m);
        service_done(&c->s);
}
#define _cleanup_case_ _cleanup_(case_done)

static void the_unit_of_a_plain_manifest_is_the_one_of_the_design(void **state _unused_) {
        _cleanup_case_ Case c = { 0 };

        build(&c, "web", IMAGE);
        assert_string_equal(c.s.unit, "web.service");
        assert_string_equal(
                        c.s.text,
                        "# Written by berth-generator from /etc/berth/web.berth. Edit that file, then run: "
                        "systemctl daemon-reload\n"
                        "[Unit]\n"
                        "Description=web (berth)\n"
                        "SourcePath=/etc/berth/web.berth\n"
                        "RequiresMountsFor=/var/lib/berth\n"
                        "[Service]\n"
                        "Type=notify\n"
                        "NotifyAccess=main\n"
                        "Delegate=yes\n"
                        "KillMode=mixed\n"
                        "SuccessExitStatus=143 130\n"
                        "OOMPolicy=stop\n"
                        "TimeoutStopSec=30\n"
                        "Slice=machine.slice\n"
                        "DevicePolicy=closed\n"
                        "SyslogIdentifier=web\n"
                        "ExecStart=:" BERTH_BINDIR "/berth launch \"--name=web\" \"--image=a\"\n"
                        "ExecStopPost=:" BERTH_BINDIR "/berth cleanup \"--name=web\"\n"
                        "[X-Berth]\n"
                        "Format=1\n");
        assert_int_equal(c.s.links.n, 0);
}

/* The line of the unit that begins so, or NULL. */
static char *line_of(const Case *c, const char *begin) {
        for (const char *s = c->s.text; *s; s += strcspn(s, "\n") + 1)
                if (startswith(s, begin))
                        return strndup(s, strcspn(s, "\n"));
        return NULL;
}

static void keys_become_lines(void **state _unused_) {
        static const struct {
                const char *text, *line;
        } rows[] = {
                { "[Limits]\nMemory=256M\n", "MemoryMax=268435456" },
                { "[Limits]\nMemory=256M\n", "MemorySwapMax=0" },
                { "[Limits]\nMemory=256M\nSwap=1K\n", "MemorySwapMax=1024" },
                { "[Limits]\nSwap=0\n", "MemorySwapMax=0" },
                { "[Limits]\nCPUs=1.5\n", "CPUQuota=150%" },
                { "[Limits]\nCPUs=0.255\n", "CPUQuota=25.5%" },
                { "[Limits]\nTasks=100\n", "TasksMax=100" },
                { "[Limits]\nRuntime=2min\n", "RuntimeMaxSec=120" },
                { "[Limits]\nRuntime=1500ms\n", "RuntimeMaxSec=1500000us" },
                { "[Limits]\nRuntime=infinity\n", "RuntimeMaxSec=infinity" },
                { "[Limits]\nRuntime=60\n[Service]\nType=oneshot\n", "TimeoutStartSec=60" },
                { "[Service]\nType=oneshot\n", "Type=oneshot" },
                { "[Service]\nTimeoutStopSec=5\n", "TimeoutStopSec=5" },
                { "[Service]\nSlice=a.slice\n", "Slice=a.slice" },
                { "[Service]\nFooBar=%i \"x\\\\\n", "FooBar=%i \"x\\\\" },
                { "[Unit]\nDescription=50%% off\n", "Description=50%% off" },
                { "[Unit]\nAfter=db.berth a\\x2db.service cache@%i.berth cache@1.berth\n",
                  "After=db.service a\\x2db.service cache@%i.service cache@1.service" },
                { "[Unit]\nRequires=one@x.berth\n", "Requires=one@x.service" },
                { "[Mount m]\nType=bind\nSource=/s p/\"q\\\\\"\nTarget=/t\n",
                  "RequiresMountsFor=\"/s p/\\\"q\\\\\\\\\\\"\"" },
                { "[Mount m]\nType=bind\nSource=/srv/%i\nTarget=/t\n", "RequiresMountsFor=/srv/%i" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_case_ Case c = { 0 };
                _cleanup_free_ char *text = NULL, *want = NULL;

                assert_true(asprintf(&text, IMAGE "%s", rows[i].text) > 0);
                assert_true(asprintf(&want, "\n%s\n", rows[i].line) > 0);
                build(&c, "web", text);
                ROW(i, rows[i].text, c.m.diags.errors == 0);
                if (!strstr(c.s.text, want))
                        fail_msg("row %zu: no line '%s' in:\n%s", i, rows[i].line, c.s.text);
        }
}

static void a_default_that_the_manifest_sets_does_not_stand_twice(void **state _unused_) {
        _cleanup_case_ Case c = { 0 };

        build(&c, "web",
              IMAGE
              "[Service]\nSlice=a.slice\nDevicePolicy=strict\nOOMPolicy=kill\n[Unit]\nDescription=x\n");
        assert_null(strstr(c.s.text, "machine.slice"));
        assert_null(strstr(c.s.text, "closed"));
        assert_null(strstr(c.s.text, "OOMPolicy=stop"));
        assert_null(strstr(c.s.text, "(berth)"));
}

static void keys_become_options_in_the_order_of_the_contract(void **state _unused_) {
        static const struct {
                const char *text, *options;
        } rows[] = {
                { "Exec=a \"b c\" '' ;\n", " -- \"a\" \"b c\" \"\" \";\"" },
                { "Exec=\n", " --" },
                { "Exec=\"\"\n", " -- \"\"" },
                { "Entrypoint=a b\n", " \"--entrypoint=a\" \"--entrypoint=b\"" },
                { "Entrypoint=\n", " \"--entrypoint=\"" },
                { "Exec=echo 100%% %i $X\n", " -- \"echo\" \"100%%\" \"%i\" \"$X\"" },
                { "Environment=A=b \"C=d e\"\nEnvironment=A=%%\n",
                  " \"--env=A=b\" \"--env=C=d e\" \"--env=A=%%\"" },
                { "EnvironmentFile=/a b\n", " \"--env-file=/a b\"" },
                { "User=0\nGroup=www\nWorkingDirectory=/x\n",
                  " \"--user=0\" \"--group=www\" \"--working-directory=/x\"" },
                { "Init=no\nReadOnly=1\nEphemeral=off\nHostname=h\nPrivateUsers=100:200\n",
                  " \"--hostname=h\" \"--init=no\" \"--read-only=yes\" \"--ephemeral=no\" \"--private-users=100:200\"" },
                { "[Network]\nMode=none\n", " \"--network=none\"" },
                { "[Limits]\nMemory=1G\nSwap=1\nTasks=5\nCPUs=1\nRuntime=1\n",
                  " \"--require-controller=cpu\" \"--require-controller=memory\" \"--require-controller=pids\"" },
                { "[Limits]\nSwap=1\n", " \"--require-controller=memory\"" },
                { "Volume=o:v:/t:ro:idmap=auto\n",
                  " \"--mount=type=volume,source=o:v,target=/t,read-only=yes,idmap=auto\"" },
                { "[Mount m]\nType=bind\nSource=/a,b\\c\nTarget=/t\nReadOnly=no\nCreate=yes\nFileType=file\nIDMap=u:1:2:3 g:1:2:3\n",
                  " \"--mount=type=bind,source=/a\\\\,b\\\\\\\\c,target=/t,read-only=no,create=yes,filetype=file,"
                  "idmap=u:1:2:3,idmap=g:1:2:3\"" },
                { "[Mount m]\nType=tmpfs\nTarget=/t\nOptions=size=1M,mode=0700,uid=5\n",
                  " \"--mount=type=tmpfs,target=/t,options=size=1048576\\\\,mode=0700\\\\,uid=5\"" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_case_ Case c = { 0 };
                _cleanup_free_ char *text = NULL, *line = NULL, *want = NULL;

                assert_true(asprintf(&text, IMAGE "%s", rows[i].text) > 0);
                assert_true(asprintf(&want,
                                     "ExecStart=:" BERTH_BINDIR
                                     "/berth launch \"--name=web\" \"--image=a\"%s",
                                     rows[i].options) > 0);
                build(&c, "web", text);
                line = line_of(&c, "ExecStart=");
                assert_string_equal(line, want);
        }
}

static void a_template_has_its_instance(void **state _unused_) {
        _cleanup_case_ Case c = { 0 }, instance = { 0 };

        build(&c, "web@", IMAGE);
        assert_string_equal(c.s.unit, "web@.service");
        assert_non_null(strstr(c.s.text, "\nDescription=web@%i (berth)\n"));
        assert_non_null(strstr(c.s.text, " launch \"--name=web@%i\" "));
        assert_non_null(strstr(c.s.text, " cleanup \"--name=web@%i\"\n"));
        build(&instance, "web@1", IMAGE);
        assert_string_equal(instance.s.unit, "web@1.service");
        assert_non_null(strstr(instance.s.text, " launch \"--name=web@1\" "));
}

static void a_bad_manifest_keeps_all_but_its_command(void **state _unused_) {
        _cleanup_case_ Case c = { 0 };
        _cleanup_free_ char *start = NULL, *stop = NULL;

        build(&c, "web",
              "[Container]\nImage=a\nReadOnly=ture \"50%\" \\\\\n[Limits]\nMemory=1G\n[Service]\nDevicePolicy=strict\n"
              "Nice=5\nUser=x\n[Install]\nWantedBy=a.target\n");
        start = line_of(&c, "ExecStart=");
        assert_string_equal(
                        start,
                        "ExecStart=:" BERTH_BINDIR "/berth refuse \"--name=web\" -- "
                        "\"/etc/berth/web.berth:3: ReadOnly= is 'ture \\\"50%%\\\" \\\\\\\\': expected yes, no, true, "
                        "false, on, off, 1 or 0\" "
                        "\"/etc/berth/web.berth:9: User= may not be set in [Service]: use User= in "
                        "[Container]\"");
        assert_non_null(strstr(c.s.text, "\nMemoryMax=1073741824\n"));
        assert_non_null(strstr(c.s.text, "\nMemorySwapMax=0\n"));
        assert_non_null(strstr(c.s.text, "\nDevicePolicy=strict\n"));
        assert_non_null(strstr(c.s.text, "\nNice=5\n"));
        assert_null(strstr(c.s.text, "\nUser="));
        stop = line_of(&c, "ExecStopPost=");
        assert_string_equal(stop, "ExecStopPost=:" BERTH_BINDIR "/berth cleanup \"--name=web\"");
        assert_int_equal(c.s.links.n, 1);
}

static void nothing_that_is_passed_on_takes_our_cleanup_back(void **state _unused_) {
        _cleanup_case_ Case c = { 0 };
        const char *cleanup;

        build(&c, "web", IMAGE "[Service]\nExecStopPost=/bin/a\nExecStopPost=\nExecStopPost=/bin/b\n");
        assert_null(strstr(c.s.text, "\nExecStopPost=\n"));
        assert_null(strstr(c.s.text, "/bin/a"));
        cleanup = strstr(c.s.text, "\nExecStopPost=:" BERTH_BINDIR "/berth cleanup");
        assert_non_null(cleanup);
        assert_non_null(strstr(cleanup, "\nExecStopPost=/bin/b\n"));
}

static void many_errors_are_cut_and_counted(void **state _unused_) {
        _cleanup_case_ Case c = { 0 };
        _cleanup_free_ char *text = NULL, *start = NULL;
        Text t = { 0 };

        text_add(&t, IMAGE);
        for (int i = 0; i < 300; i++)
                text_addf(&t, "Bad%d=%0900d\n", i, 1);
        assert_int_equal(text_take(&t, &text, NULL), 0);
        build(&c, "web", text);
        start = line_of(&c, "ExecStart=");
        assert_int_equal(c.m.diags.errors, 300);
        assert_non_null(strstr(start, "\"/etc/berth/web.berth: and 250 more; run: berth check web\""));
        assert_true(strlen(start) < 51 * 900);
}

static void words_longer_than_the_kernel_takes_are_told_with_their_line(void **state _unused_) {
        static const struct {
                size_t length;
                bool percent, good;
        } rows[] = { { ARGUMENT_MAX, false, true },
                     { ARGUMENT_MAX + 1, false, false },
                     { ARGUMENT_MAX, true, true } };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_case_ Case c = { 0 };
                _cleanup_free_ char *text = NULL;
                Text t = { 0 };

                text_add(&t, IMAGE "Exec=x ");
                for (size_t j = 0; j < rows[i].length; j++)
                        text_add(&t, rows[i].percent ? "%%" : "x");
                text_add(&t, "\n");
                assert_int_equal(text_take(&t, &text, NULL), 0);
                build(&c, "web", text);
                assert_int_equal(c.m.diags.errors, rows[i].good ? 0 : 1);
                if (!rows[i].good) {
                        assert_int_equal(c.m.diags.list[0].line, 3);
                        assert_non_null(strstr(c.m.diags.list[0].message, "longer than 131071 bytes"));
                }
        }
}

static void a_command_longer_than_systemd_reads_is_told_with_its_line(void **state _unused_) {
        _cleanup_case_ Case c = { 0 };
        _cleanup_free_ char *text = NULL;
        Text t = { 0 };

        text_add(&t, IMAGE);
        for (int i = 0; i < 20; i++)
                text_addf(&t, "Environment=A%d=%060000d\n", i, 0);
        assert_int_equal(text_take(&t, &text, NULL), 0);
        build(&c, "web", text);
        assert_int_equal(c.m.diags.errors, 1);
        assert_int_equal(c.m.diags.list[0].line, 20); /* the eighteenth makes it too long */
        assert_non_null(strstr(c.m.diags.list[0].message, "longer than 1 MiB"));
}

typedef struct LinkRow {
        const char *name, *install, *links;
} LinkRow;

static void install_becomes_links(void **state _unused_) {
        static const LinkRow rows[] = {
                { "web", "WantedBy=a.target b.target\n",
                  "a.target.wants/web.service>../web.service "
                  "b.target.wants/web.service>../web.service " },
                { "web", "RequiredBy=a.target\nUpheldBy=b.service\n",
                  "a.target.requires/web.service>../web.service "
                  "b.service.upholds/web.service>../web.service " },
                { "web", "WantedBy=a.target a.target\n", "a.target.wants/web.service>../web.service " },
                { "web", "WantedBy=a.target\nWantedBy=\nWantedBy=b.target\n",
                  "b.target.wants/web.service>../web.service " },
                { "web", "Alias=www.service \"w2.service\" web.service\n",
                  "www.service>web.service w2.service>web.service " },
                { "web", "Alias=%N-x.service\n", "web-x.service>web.service " },
                { "web@", "WantedBy=a.target\n", "" },
                { "web@", "DefaultInstance=x\nWantedBy=a.target\n",
                  "a.target.wants/web@x.service>../web@.service " },
                { "web@1", "WantedBy=%i.target\n", "1.target.wants/web@1.service>../web@1.service " },
                { "web@", "Alias=w@.service\n", "w@.service>web@.service " },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_case_ Case c = { 0 };
                _cleanup_text_ Text links = { 0 };
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, IMAGE "[Install]\n%s", rows[i].install) > 0);
                build(&c, rows[i].name, text);
                ROW(i, rows[i].install, c.m.diags.errors == 0);
                text_add(&links, "");
                for (size_t j = 0; j < c.s.links.n; j++)
                        text_addf(&links, "%s>%s ", c.s.links.list[j].path, c.s.links.list[j].target);
                assert_string_equal(links.data, rows[i].links);
        }
}

static void what_stands_against_others_is_refused_with_its_line(void **state _unused_) {
        static const struct {
                const char *name, *text;
                unsigned line;
                const char *message;
        } rows[] = {
                { "web", "[Unit]\nAfter=dbb.berth\n", 4,
                  "After= names 'dbb.berth', but there is no such manifest" },
                { "web", "[Unit]\nAfter=%p.berth\n", 4, "After= names '%p.berth'" },
                { "web", "[Unit]\nAfter=cache@a/b.berth\n", 4, "After= names 'cache@a/b.berth'" },
                { "web", "[Unit]\nAfter=cache@%k.berth\n", 4, "After= names 'cache@%k.berth'" },
                { "web", "[Unit]\nAfter=\"db.berth\"\n", 4, "After= has quotes" },
                { "web", "[Install]\nAlias=ssh.service\n", 4, "Alias= has 'ssh.service', which would take" },
                { "web", "[Install]\nAlias=dbus.service\n", 4,
                  "Alias= has 'dbus.service', which would take" },
                { "web", "[Install]\nAlias=systemd-logind.service\n", 4,
                  "Alias= has 'systemd-logind.service'" },
                { "web", "[Install]\nAlias=db.service\n", 4,
                  "Alias= has 'db.service', which the manifest 'db' has" },
                { "web", "[Install]\nAlias=taken.service\n", 4,
                  "Alias= has 'taken.service', which the manifest 'other'" },
                { "web", "[Install]\nAlias=x.socket\n", 4, "Alias= has 'x.socket', which is no name" },
                { "web", "[Install]\nAlias=../x.service\n", 4, "Alias= has '../x.service'" },
                { "web@", "[Install]\nAlias=x.service\n", 4,
                  "Alias= has 'x.service', which is no name of a template" },
                { "web", "[Install]\nWantedBy=../../x.target\n", 4, "WantedBy= has '../../x.target'" },
                { "web", "[Install]\nWantedBy=multi-user\n", 4, "WantedBy= has 'multi-user'" },
                { "web", "[Install]\nWantedBy=%H.target\n", 4, "WantedBy= has '%H.target', but only" },
                { "web", "[Install]\nDefaultInstance=x\n", 4,
                  "DefaultInstance= has a meaning in a template only" },
                { "web@", "[Install]\nDefaultInstance=a_b\n", 4, "DefaultInstance= is 'a_b': expected" },
                { "twin@1", "", 0, "the manifest 'twin-1' makes a machine of the same name" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_case_ Case c = { 0 };
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, IMAGE "%s", rows[i].text) > 0);
                build(&c, rows[i].name, text);
                ROW(i, rows[i].text, c.m.diags.errors == 1);
                if (!startswith(c.m.diags.list[0].message, rows[i].message))
                        fail_msg("row %zu: '%s'", i, c.m.diags.list[0].message);
                ROW(i, rows[i].text, c.m.diags.list[0].line == rows[i].line);
                ROW(i, rows[i].text, strstr(c.s.text, "/berth refuse "));
        }
}

RUN(TEST(the_unit_of_a_plain_manifest_is_the_one_of_the_design), TEST(keys_become_lines),
    TEST(a_default_that_the_manifest_sets_does_not_stand_twice),
    TEST(keys_become_options_in_the_order_of_the_contract), TEST(a_template_has_its_instance),
    TEST(a_bad_manifest_keeps_all_but_its_command), TEST(nothing_that_is_passed_on_takes_our_cleanup_back),
    TEST(many_errors_are_cut_and_counted), TEST(words_longer_than_the_kernel_takes_are_told_with_their_line),
    TEST(a_command_longer_than_systemd_reads_is_told_with_its_line), TEST(install_becomes_links),
    TEST(what_stands_against_others_is_refused_with_its_line))
