/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/strv.h"
#include "helper/gate/gate-words.h"
#include "helper/verbs/verbs.h"

/* "exec web -- a" as a vector. */
static char **split(const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *word;
        char **v = NULL;

        while ((word = strsep(&rest, " ")))
                assert_int_equal(strv_append(&v, word), 0);
        return v;
}

static char *join(char *const *v) {
        char *text = strdup("");

        for (; v && *v; v++) {
                char *longer;

                assert_true(asprintf(&longer, "%s%s%s", text, *text ? " " : "", *v) >= 0);
                free(text);
                text = longer;
        }
        return text;
}

/* What is wrong with a user's words is said on standard error, which the test's reader has no use for. */
static void hush(void) {
        assert_true(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) >= 0);
}

static void both_sides_say_the_same(void **state) {
        static const struct {
                const char *said, *sent, *executed, *names, *user;
        } rows[] = {
                { "exec web id", "berth exec web -- id", "berth exec web -- id", "web", NULL },
                { "exec -u ann web -- sh -c x", "berth exec --user=ann web -- sh -c x",
                  "berth exec --user=ann web -- sh -c x", "web", "ann" },
                { "exec web -tu ann --user root -- -u", "berth exec --tty --user=ann --user=root web -- -u",
                  "berth exec --tty --user=ann --user=root web -- -u", "web", "root" },
                { "exec --json web --json=stream ls", "berth exec --json --json=stream web -- ls",
                  "berth exec --json --json=stream web -- ls", "web", NULL },
                { "exec web --input=/x --env-file /y --input - a",
                  "berth exec --input=fd:0 --env-file=fd:1 --input=- web -- a",
                  "berth exec --input=/proc/self/fd/10 --env-file=/proc/self/fd/11 --input=- web -- a",
                  "web", NULL },
                { "exec -e A -e B=2 -e C web a", "berth exec --env=A=1 --env=B=2 web -- a",
                  "berth exec --env=A=1 --env=B=2 web -- a", "web", NULL },
                { "shell w@1", "berth shell -- w@1", "berth shell -- w@1", "w@1", NULL },
                { "list --json", "berth list --json", "berth list --json", "", NULL },
                { "stats a b --watch a", "berth stats --watch -- a b a", "berth stats --watch -- a b a",
                  "a b", NULL },
                { "stats", "berth stats", "berth stats", "", NULL },
                { "kill web 12 -s HUP", "berth kill --signal=HUP -- web 12",
                  "berth kill --signal=HUP -- web 12", "web", NULL },
                { "logs web -fn 5", "berth logs --follow --lines=5 -- web",
                  "berth logs --follow --lines=5 -- web", "web", NULL },
                { "exec --session s web cd /", "berth exec --session=s web -- cd /",
                  "berth exec --session=s web -- cd /", "web", NULL },
                { "exec --detach -u a web x", "berth exec --detach --user=a web -- x",
                  "berth exec --detach --user=a web -- x", "web", "a" },
                { "file read -u a web -- --json", "berth file read --user=a -- web --json",
                  "berth file read --user=a -- web --json", "web", "a" },
                { "file move web /a /b -f", "berth file move --force -- web /a /b",
                  "berth file move --force -- web /a /b", "web", NULL },
                { "job list", "berth job list", "berth job list", "", NULL },
                { "job stop a-b-0123abcd a-b-00000000 c@1-00000000",
                  "berth job stop -- a-b-0123abcd a-b-00000000 c@1-00000000",
                  "berth job stop -- a-b-0123abcd a-b-00000000 c@1-00000000", "a-b c@1", NULL },
                { "env set web A=1 -- -x", "berth env set -- web A=1 -x", "berth env set -- web A=1 -x",
                  "web", NULL },
                { "cp web:/a:b -", "berth cp -- web:/a:b -", "berth cp -- web:/a:b -", "web", NULL },
                { "cp --owner=1 - web:/", "berth cp --owner=1 -- - web:/", "berth cp --owner=1 -- - web:/",
                  "web", NULL },
                { "snapshot create web", "berth snapshot create -- web", "berth snapshot create -- web",
                  "web", NULL },
                { "volume restore web:v /x", "berth volume restore -- web:v fd:0",
                  "berth volume restore -- web:v /proc/self/fd/10", "web", NULL },
                { "volume restore web:v -", "berth volume restore -- web:v -",
                  "berth volume restore -- web:v -", "web", NULL },
                { "volume backup web:v -", "berth volume backup -- web:v -",
                  "berth volume backup -- web:v -", "web", NULL },
        };

        (void) state;
        setenv("A", "1", 1);
        unsetenv("C");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_strv_ char **said = split(rows[i].said);
                _cleanup_gate_words_ GateWords asked = {}, checked = {};
                _cleanup_free_ char *sent = NULL, *executed = NULL, *names = NULL;

                ROW(i, rows[i].said, gate_words_ask(said, &asked) == 0);
                sent = join(asked.argv);
                ROW(i, sent, streq(sent, rows[i].sent));
                ROW(i, sent, gate_words_check(asked.argv + 1, 10, &checked) == 0);
                executed = join(checked.argv);
                ROW(i, executed, streq(executed, rows[i].executed));
                names = join(checked.names);
                ROW(i, names, streq(names, rows[i].names));
                ROW(i, rows[i].said,
                    rows[i].user ? checked.user && streq(checked.user, rows[i].user) : !checked.user);
                ROW(i, rows[i].said, checked.n_files == strv_length(asked.files));
        }
}

static void what_a_client_may_not_send(void **state) {
        static const char *const rows[] = {
                "launch --name=web",
                "cleanup --name=web",
                "image list",
                "exec --cap-add=CAP_KILL web id",
                "exec --scope web id",
                "exec --scope -p MemoryMax=infinity web id",
                "exec --detach --scope web id",
                "exec --detach --cap-add=CAP_KILL web id",
                "exec --detach --input=- web id",
                "shell --cap-add=CAP_KILL web",
                "exec --env-file=/etc/shadow web id",
                "exec --input=/etc/shadow web id",
                "exec --input=fd:1 web id",
                "exec --input=fd:0 --input=fd:0 web id",
                "exec --input=fd:00 web id",
                "exec --env=HOME web id",
                "exec ../web id",
                "exec web",
                "exec",
                "exec --help",
                "status",
                "status web web2",
                "status -- --json",
                "kill web -- -1",
                "kill web x",
                "kill web 1 2",
                "freeze web --force",
                "list web",
                "stats a ../b",
                "nonsense",
                "run --image=x id",
                "mount web / /mnt",
                "umount web /mnt",
                "commit web x",
                "remove web",
                "clean",
                "doctor",
                "check",
                "image import /x",
                "file",
                "file frobnicate web /x",
                "file read",
                "file read web",
                "file read web /a /b",
                "file read ../web /a",
                "file list web /a --mode=0600",
                "job logs web",
                "job logs web-0123abc",
                "job logs web-0123abcg",
                "job logs ../x-0123abcd",
                "job logs web-0123abcd web-0123abcd",
                "job stop",
                "job list ../web",
                "env set web",
                "session list a b",
                "cp /etc/shadow web:/x",
                "cp web:/x /etc/shadow",
                "cp web:x -",
                "cp - -",
                "cp - ../web:/x",
                "cp web:/a other:/b",
                "cp - web:/x web:/y",
                "snapshot create ../web",
                "volume backup web:v",
                "volume backup web:v /x",
                "volume backup --freeze web:v -",
                "volume remove --force web:v",
                "volume remove web:../x",
                "volume remove web",
                "volume restore web:v /etc/shadow",
                "volume restore web:v fd:1",
                "volume list web:v",
                "",
        };

        (void) state;
        hush();
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_strv_ char **sent = split(rows[i]);
                _cleanup_gate_words_ GateWords words = {};

                ROW(i, rows[i], gate_words_check(sent, 10, &words) < 0 && !words.argv);
        }
}

static void what_is_told_to_a_user_at_once(void **state) {
        static const struct {
                const char *said;
                int error;
        } rows[] = {
                { "exec --cap-add=CAP_KILL web id", -EPERM },
                { "exec --detach --cap-add=CAP_KILL web id", -EPERM },
                { "exec --scope web id", -EPERM },
                { "exec --property=MemoryMax=1 web id", -EPERM },
                { "exec --detach --input=x web id", -EPERM },
                { "run --image=x id", -EPERM },
                { "run --help", 1 },
                { "image", 1 },
                { "image --help", 1 },
                { "image frobnicate", 1 },
                { "image list", -EPERM },
                { "image list --help", 1 },
                { "mount web", -EPERM },
                { "volume remove --force web:v", -EPERM },
                { "volume list --force", 1 },
                { "volume backup web:v /x", -EPERM },
                { "volume backup web:v", -EPERM },
                { "volume backup", 1 },
                { "file", 1 },
                { "file read", 1 },
                { "file read --frobnicate web /x", -EINVAL },
                { "cp a web:/b", 1 },
                { "check", 1 },
                { "exec --frobnicate web id", -EINVAL },
                { "exec web", 1 },
                { "exec --help", 1 },
                { "exec ../x id", 1 },
                { "status", 1 },
                { "kill web x", 1 },
        };

        (void) state;
        hush();
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_strv_ char **said = split(rows[i].said);
                _cleanup_gate_words_ GateWords words = {};

                ROW(i, rows[i].said, gate_words_ask(said, &words) == rows[i].error);
        }
}

/* Each verb and each of their verbs, once or more; and nothing that is none. */
static void every_verb_has_its_row(void **state) {
        (void) state;
        for (const Verb *verb = verbs; verb->name; verb++) {
                const Subverb none[] = { {}, {} }, *subverb = verb->subverbs ? verb->subverbs : none;

                do {
                        unsigned n = 0, names = 0;

                        for (const GateVerb *row = gate_verbs; row->name; row++) {
                                names += streq(row->name, verb->name);
                                n += streq(row->name, verb->name) &&
                                     (!row->subverb ||
                                      (subverb->name && streq(row->subverb, subverb->name)));
                        }
                        ROW(0, verb->name, verb->internal ? names == 0 : n > 0);
                } while (subverb->name && (++subverb)->name);
        }
        for (const GateVerb *row = gate_verbs; row->name; row++) {
                const Verb *verb = verb_find(row->name);
                bool found = !row->subverb;

                for (const Subverb *s = verb ? verb->subverbs : NULL; s && row->subverb && s->name; s++)
                        found |= streq(s->name, row->subverb);
                ROW(row - gate_verbs, row->name, verb && found);
                ROW(row - gate_verbs, row->name, !!row->operands == !(row->root || row->open));
        }
}

RUN(TEST(every_verb_has_its_row), TEST(both_sides_say_the_same), TEST(what_a_client_may_not_send),
    TEST(what_is_told_to_a_user_at_once))
