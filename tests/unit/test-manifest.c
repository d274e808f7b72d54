/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/manifests.h"

#include "generator/keys.h"
#include "generator/text.h"

static void wrong_values_are_told_with_what_was_expected(void **state _unused_) {
        static const Bad rows[] = {
                { IMAGE "ReadOnly=ture\n", 3,
                  "ReadOnly= is 'ture': expected yes, no, true, false, on, off, 1 or 0" },
                { IMAGE "ReadOnly=\n", 3, "ReadOnly= is empty: expected yes" },
                { IMAGE "Init=maybe\n", 3, "Init= is 'maybe': expected" },
                { "[Container]\nImage=Nginx\n", 2, "Image= is 'Nginx': expected an image's id" },
                { "[Container]\nImage=../x\n", 2, "Image= is '../x': expected" },
                { "[Container]\nImage=/a/../b\n", 2, "Image=: '/a/../b' has a component" },
                { "[Container]\nImage=docker.io/nginx\n", 2, "Image= is 'docker.io/nginx': expected" },
                { IMAGE "User=a:b\n", 3, "User= is 'a:b': expected" },
                { IMAGE "User=4294967295\n", 3, "User= is '4294967295': expected" },
                { IMAGE "Group=-1\n", 3, "Group= is '-1': expected" },
                { IMAGE "WorkingDirectory=srv\n", 3, "WorkingDirectory=: 'srv' is no absolute path" },
                { IMAGE "EnvironmentFile=-/etc/x\n", 3, "EnvironmentFile=: '-/etc/x' is no absolute path" },
                { IMAGE "Environment=A=b C\n", 3, "Environment=: 'C' has no '='" },
                { IMAGE "Environment=1A=b\n", 3,
                  "Environment=: '1A=b' does not begin with a variable's name" },
                { IMAGE "Environment==b\n", 3, "Environment=: '=b' does not begin" },
                { IMAGE "Exec=a 'b\n", 3, "Exec=: a quote is not closed" },
                { IMAGE "Exec=a \\q\n", 3, "Exec=: unknown escape" },
                { IMAGE "Exec=date +%F\n", 3,
                  "Exec=: '%' in '+%F' begins no unit specifier (systemd.unit(5)); a "
                  "literal percent is written '%%'" },
                { IMAGE "Exec=50%\n", 3, "Exec=: a '%' ends '50%'" },
                { IMAGE "Environment=U=http://h/a%20b\n", 3, "Environment=: '%' in 'U=http://h/a%20b'" },
                { IMAGE "Hostname=a_b\n", 3, "Hostname= is 'a_b': expected" },
                { IMAGE "Hostname=-a\n", 3, "Hostname= is '-a': expected" },
                { IMAGE "PrivateUsers=yes\n", 3,
                  "PrivateUsers= is 'yes': expected pick, identity, no or BASE:SIZE" },
                { IMAGE "PrivateUsers=4294967295:1\n", 3, "PrivateUsers=: '4294967295:1' leaves" },
                { IMAGE "PrivateUsers=1:0\n", 3, "PrivateUsers=: '1:0' leaves" },
                { IMAGE "[Network]\nMode=bridge\n", 4,
                  "Mode= is 'bridge': expected private, none, host or" },
                { IMAGE "[Network]\nMode=join:d_b\n", 4,
                  "Mode=: 'join:d_b' does not end in a container's name" },
                { IMAGE "[Limits]\nMemory=lots\n", 4, "Memory= is 'lots': expected a size" },
                { IMAGE "[Limits]\nMemory=0\n", 4, "Memory= is '0': expected a size above 0" },
                { IMAGE "[Limits]\nMemory=18446744073709551615\n", 4, "Memory= is '1844" },
                { IMAGE "[Limits]\nMemory=infinity\n", 4, "Memory= is 'infinity'" },
                { IMAGE "[Limits]\nCPUs=0\n", 4, "CPUs= is '0': expected" },
                { IMAGE "[Limits]\nTasks=0\n", 4, "Tasks= is '0': expected a number above 0" },
                { IMAGE "[Limits]\nRuntime=0\n", 4, "Runtime= is '0': expected a time above 0" },
                { IMAGE "[Limits]\nRuntime=soon\n", 4, "Runtime= is 'soon': expected" },
        };

        check_bad(rows, ARRAY_LEN(rows));
}

static void unknown_words_are_told_with_what_was_meant(void **state _unused_) {
        static const Bad rows[] = {
                { IMAGE "Imgae=b\n", 3, "unknown key 'Imgae' in [Container] (did you mean 'Image'?)" },
                { IMAGE "readonly=yes\n", 3,
                  "unknown key 'readonly' in [Container] (did you mean 'ReadOnly'?)" },
                { IMAGE "Frobnicate=1\n", 3, "unknown key 'Frobnicate' in [Container]; remove it" },
                { IMAGE "Memory=1G\n", 3, "unknown key 'Memory' in [Container]; it belongs in [Limits]" },
                { IMAGE "Publish=80:80\n", 3,
                  "unknown key 'Publish' in [Container]; it belongs in [Network]" },
                { IMAGE "[Servce]\nX=y\nUser=1\n", 3, "unknown section [Servce] (did you mean [Service]?)" },
                { IMAGE "[Pod]\nUser=1\n", 3, "unknown section [Pod]; remove it" },
                { IMAGE "[Container x]\nUser=1\n", 3,
                  "unknown section [Container x] (did you mean [Container]?)" },
                { IMAGE "[container]\nUser=1\n", 3,
                  "unknown section [container] (did you mean [Container]?)" },
                { "Image=a\n" IMAGE, 1, "'Image' stands before any section" },
                { IMAGE "A B=c\n", 3, "'A B' is no key" },
                { IMAGE "[Service]\n[X]Exec=c\n", 4, "'[X]Exec=c' is no section" },
                { IMAGE "[Service\nReadOnly=yes\nUser=x\n[Limits]\nTasks=5\n", 3,
                  "'[Service' is no section" },
                { IMAGE "[Service]\nNice\x01=1\n", 4, "'Nice\x01' is no key" },
                { "[Network]\nMode=none\n", 0, "there is no Image= in [Container]" },
                { "", 0, "there is no Image= in [Container]" },
                { IMAGE "Image=b\n", 3, "Image= stands on line 2 already; give it once" },
                { IMAGE "ReadOnly=yes\nReadOnly=no\n", 4, "ReadOnly= stands on line 3 already" },
                { IMAGE "[Install]\nWantdBy=a.target\n", 4,
                  "unknown key 'WantdBy' in [Install] (did you mean 'WantedBy'?)" },
        };

        check_bad(rows, ARRAY_LEN(rows));
}

static void directives_that_would_break_a_container_are_refused(void **state _unused_) {
        static const Bad rows[] = {
                { IMAGE "[Service]\nExecStart=/bin/x\n", 4,
                  "ExecStart= may not be set in [Service]: use Exec= in" },
                { IMAGE "[Service]\nType=simple\n", 4,
                  "Type= may not be set in [Service]: Berth sets Type=notify; only" },
                { IMAGE "[Service]\nType=\n", 4, "Type= may not be set" },
                { IMAGE "[Service]\nUser=x\n", 4,
                  "User= may not be set in [Service]: use User= in [Container]" },
                { IMAGE "[Service]\n?User=x\n", 4, "User= may not be set" },
                { IMAGE "[Service]\nPrivateUsers=yes\n", 4, "PrivateUsers= may not be set" },
                { IMAGE "[Service]\nPrivateTmp=yes\n", 4, "PrivateTmp= may not be set" },
                { IMAGE "[Service]\nProtectHome=yes\n", 4, "ProtectHome= may not be set" },
                { IMAGE "[Service]\nRootDirectory=/\n", 4, "RootDirectory= may not be set" },
                { IMAGE "[Service]\nReadOnlyDirectories=/\n", 4, "ReadOnlyDirectories= may not be set" },
                { IMAGE "[Service]\nCapabilityBoundingSet=\n", 4, "CapabilityBoundingSet= may not be set" },
                { IMAGE "[Service]\nStateDirectory=x\n", 4, "StateDirectory= may not be set" },
                { IMAGE "[Service]\nDelegate=no\n", 4, "Delegate= may not be set" },
                { IMAGE "[Service]\nDelegateSubgroup=x\n", 4, "DelegateSubgroup= may not be set" },
                { IMAGE "[Service]\nKillMode=process\n", 4, "KillMode= may not be set" },
                { IMAGE "[Service]\nSecureBits=keep-caps\n", 4, "SecureBits= may not be set" },
                { IMAGE "[Unit]\nJoinsNamespaceOf=x.service\n", 4,
                  "JoinsNamespaceOf= may not be set in [Unit]" },
                { IMAGE "[Unit]\nSourcePath=/x\n", 4, "SourcePath= may not be set in [Unit]" },
                { IMAGE "[Service]\nReadOnly=yes\n", 4,
                  "'ReadOnly' is no key of [Service]; it belongs in [Container]" },
                { IMAGE "[Service]\nMemory=1G\n", 4,
                  "'Memory' is no key of [Service]; it belongs in [Limits]" },
                { IMAGE "[Unit]\nImage=x\n", 4, "'Image' is no key of [Unit]; it belongs in [Container]" },
                /* the unit's next line would become part of this one */
                { IMAGE "[Service]\nNice=1\\ \nOOMPolicy=stop\n", 4, "Nice= ends in a backslash" },
                { IMAGE "[Limits]\nMemory=1G\n[Service]\nMemoryMax=2G\n", 6,
                  "MemoryMax= and Memory= of [Limits] on line 4" },
                { IMAGE "[Service]\nCPUQuota=5%\n[Limits]\nCPUs=1\n", 4, "CPUQuota= and CPUs=" },
                { IMAGE "[Service]\nTasksMax=5\n[Limits]\nTasks=1\n", 4, "TasksMax= and Tasks=" },
                { IMAGE "[Service]\nMemorySwapMax=5\n[Limits]\nSwap=1\n", 4, "MemorySwapMax= and Swap=" },
                { IMAGE "[Service]\nRuntimeMaxSec=5\n[Limits]\nRuntime=1\n", 4,
                  "RuntimeMaxSec= and Runtime=" },
                { IMAGE "[Service]\nType=oneshot\nTimeoutStartSec=5\n[Limits]\nRuntime=1\n", 5,
                  "TimeoutStartSec= and" },
        };

        check_bad(rows, ARRAY_LEN(rows));
}

#define BIND "[Mount m]\nType=bind\nSource=/s\nTarget=/t\n"

static void mounts_that_cannot_be_meant_are_refused(void **state _unused_) {
        static const Bad rows[] = {
                { IMAGE "Volume=/srv:/x\n", 3,
                  "Volume=: '/srv:/x' is a path, not a volume; to mount a path of the host use a section [Mount NAME] with Type=bind" },
                { IMAGE "Volume=data\n", 3, "Volume=: 'data' has no volume or no target" },
                { IMAGE "Volume=:/x\n", 3, "Volume=: ':/x' has no volume" },
                { IMAGE "Volume=data:x\n", 3, "Volume=: 'data:x' has no volume or no target" },
                { IMAGE "Volume=data:/\n", 3, "Volume=: the target is '/'" },
                { IMAGE "Volume=data:/a/../b\n", 3, "Volume=: '/a/../b' has a component" },
                { IMAGE "Volume=a/b:/x\n", 3, "Volume=: 'a/b' is no name of a volume" },
                { IMAGE "Volume=..:/x\n", 3, "Volume=: '..' is no name of a volume" },
                { IMAGE "Volume=my_db:data:/x\n", 3,
                  "Volume=: 'my_db:data' does not begin with a container's name" },
                { IMAGE "Volume=data:/x:rw\n", 3, "Volume=: ':rw' behind the target is unknown" },
                { IMAGE "Volume=data:/x:roo\n", 3, "Volume=: ':roo' behind the target" },
                { IMAGE "Volume=data:/x:ro:nosuid\n", 3, "Volume=: ':nosuid' behind the target" },
                { IMAGE "Volume=data:/x:idmap=\n", 3, "Volume=: '' is no id map" },
                { IMAGE "Volume=data:/x:idmap=0:0\n", 3, "Volume=: '0:0' is no range of ids" },
                { IMAGE "Volume=data:/x:idmap=0:0:5 4:9:1\n", 3, "Volume=: '4:9:1' overlaps" },
                { IMAGE "Volume=%q:/x\n", 3, "Volume=: '%q' can be any text" },
                { IMAGE "Volume=a:/x\nVolume=b:/x\n", 4, "the target '/x' is taken by line 3 already" },
                { IMAGE "Volume=a:/x\nVolume=b://x/\n", 4, "the target '//x/' is taken by line 3" },
                { IMAGE "Volume=a:/t\n" BIND, 4, "the target '/t' is taken by line 3" },
                { IMAGE "[Mount]\nType=bind\n", 3, "'' is no name of a mount" },
                { IMAGE "[Mount a/b]\nType=bind\n", 3, "'a/b' is no name of a mount" },
                { IMAGE "[Mount m]\nSource=/s\nTarget=/t\n", 3, "[Mount m] has no Type=" },
                { IMAGE "[Mount m]\nType=nfs\nSource=/s\nTarget=/t\n", 4,
                  "Type= is 'nfs': expected volume, bind, assets, pointer, backup or tmpfs" },
                { IMAGE "[Mount m]\nType=assets\nSource=/s\nTarget=/t\n", 5,
                  "Source=: '/s' is a path, not a volume" },
                { IMAGE "[Mount m]\nType=bind\nSource=/s\n", 3, "[Mount m] has no Target=" },
                { IMAGE "[Mount m]\nType=bind\nTarget=/t\n", 3, "[Mount m] has no Source=" },
                { IMAGE "[Mount m]\nType=bind\nSource=s\nTarget=/t\n", 5,
                  "Source=: 's' is no absolute path" },
                { IMAGE "[Mount m]\nType=volume\nSource=/s\nTarget=/t\n", 5,
                  "Source=: '/s' is a path, not a volume" },
                { IMAGE "[Mount m]\nType=tmpfs\nSource=/s\nTarget=/t\n", 5,
                  "Source= has no meaning with Type=tmpfs" },
                { IMAGE "[Mount m]\nType=tmpfs\nIDMap=auto\nTarget=/t\n", 5,
                  "IDMap= has no meaning with Type=tmpfs" },
                { IMAGE "[Mount m]\nType=tmpfs\nOptions=size=x\nTarget=/t\n", 5,
                  "Options=: 'size=x': expected" },
                { IMAGE "[Mount m]\nType=tmpfs\nOptions=exec\nTarget=/t\n", 5,
                  "Options=: unknown option 'exec'" },
                { IMAGE "[Mount m]\nType=tmpfs\nOptions=uid=1,uid=2\nTarget=/t\n", 5,
                  "Options=: 'uid=' stands twice" },
                { IMAGE BIND "Options=size=1M\n", 7, "Options= has no meaning with Type=bind" },
                { IMAGE BIND "IDMap=0:0:5\nIDMap=3:9:1\n", 7, "IDMap=: '3:9:1' overlaps" },
                { IMAGE BIND "IDMap=0:0:5\nIDMap=auto\n", 7, "IDMap=: 'auto' is no range" },
                { IMAGE BIND "FileType=socket\n", 7, "FileType= is 'socket': expected" },
                { IMAGE BIND "Target=/u\n", 7, "Target= stands on line 6 already" },
                { IMAGE BIND "[Mount m]\nTarget=/u\n", 8, "Target= stands on line 6 already" },
        };

        check_bad(rows, ARRAY_LEN(rows));
}

static void values_are_kept_in_one_form(void **state _unused_) {
        static const struct {
                const char *text, *section, *key, *value;
        } rows[] = {
                { IMAGE "ReadOnly=on\n", "Container", "ReadOnly", "yes" },
                { IMAGE "Init=0\n", "Container", "Init", "no" },
                { IMAGE "[Limits]\nMemory=1.5G\n", "Limits", "Memory", "1610612736" },
                { IMAGE "[Limits]\nCPUs=1.5\n", "Limits", "CPUs", "1500" },
                { IMAGE "[Limits]\nRuntime=1h 30min\n", "Limits", "Runtime", "5400000000" },
                { IMAGE "[Limits]\nRuntime=infinity\n", "Limits", "Runtime", "infinity" },
                { IMAGE "[Limits]\nSwap=0\n", "Limits", "Swap", "0" },
                { IMAGE "User=0\n", "Container", "User", "0" },
                { IMAGE "User=%i\n", "Container", "User", "%i" },
                { "[Container]\nImage=/srv/%i\n", "Container", "Image", "/srv/%i" },
                { "[Container]\nImage=app-%i\n", "Container", "Image", "app-%i" },
                { "[Container]\nImage=%S/x\n", "Container", "Image", "%S/x" },
                { IMAGE "?Init=yes\n", "Container", "Init", "yes" },
                { IMAGE BIND "IDMap= u:0:0:1   g:0:0:1 \n", "Mount 0", "IDMap", "u:0:0:1 g:0:0:1" },
                { IMAGE "[Mount m]\nType=tmpfs\nTarget=/t\nOptions=size=1M,mode=1777\n", "Mount 0",
                  "Options", "size=1048576,mode=1777" },
                { IMAGE "[Mount m]\nType=bind\n[Limits]\n[Mount m]\nSource=/s\nTarget=/t\n", "Mount 0",
                  "Target", "/t" },
                { IMAGE "[Service]\nNice=  5\n", "Service", "*", "Nice=5" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_manifest_ Manifest m = { 0 };

                parse(&m, rows[i].text);
                ROW(i, rows[i].text, m.diags.errors == 0);
                assert_string_equal(store_text(m.store, rows[i].section, rows[i].key), rows[i].value);
        }
}

static void lists_append_and_an_empty_value_empties_them(void **state _unused_) {
        _cleanup_manifest_ Manifest m = { 0 };
        StoreValue v;

        parse(&m, IMAGE "Environment=A=1\nEnvironment=\nEnvironment=B=2\nEnvironment=C=3\n");
        assert_int_equal(m.diags.errors, 0);
        assert_int_equal(store_count(m.store, "Container", "Environment"), 2);
        assert_true(store_get(m.store, "Container", "Environment", 1, &v));
        assert_string_equal(v.text, "C=3");
        assert_int_equal(v.line, 6);
        assert_int_equal(v.column, 13);
        assert_false(store_get(m.store, "Container", "Environment", 2, &v));
        assert_int_equal(store_count(m.store, "Container", "Exec"), -ENOENT);
}

static void what_is_marked_to_be_ignored_is_ignored(void **state _unused_) {
        _cleanup_manifest_ Manifest m = { 0 };

        parse(&m, "[X-Mine]\nExecStart=1\nwhat=1\n" IMAGE "X-Note=a\n?Frobnicate=1\n[Service]\nX-A=1\n");
        assert_int_equal(m.diags.errors, 0);
        assert_int_equal(m.diags.warnings, 1);
        assert_int_equal(m.diags.list[0].line, 7);
        assert_non_null(strstr(m.diags.list[0].message, "'Frobnicate' in [Container] is ignored"));
        assert_int_equal(store_count(m.store, "Service", "*"), -ENOENT);
}

static void all_errors_come_in_order_of_line(void **state _unused_) {
        _cleanup_manifest_ Manifest m = { 0 };

        parse(&m,
              "[Limits]\nMemory=x\n[Service]\nMemoryMax=1\nUser=1\n[Container]\nIamge=x\nInit=2\n\xff\n");
        assert_int_equal(m.diags.errors, 6);
        for (size_t i = 1; i < m.diags.n; i++)
                assert_true(m.diags.list[i - 1].line <= m.diags.list[i].line);
        assert_int_equal(m.diags.list[0].line, 0);
        assert_int_equal(m.diags.list[5].line, 9);
}

static void a_hostile_manifest_stays_within_bounds(void **state _unused_) {
        _cleanup_manifest_ Manifest m = { 0 }, many = { 0 };
        Text text = { 0 };
        char *bytes;

        for (int i = 0; i < 100000; i++)
                text_add(&text, "x\n");
        assert_int_equal(text_take(&text, &bytes, NULL), 0);
        parse(&m, bytes);
        free(bytes);
        assert_int_equal(m.diags.errors, 100001);
        assert_int_equal(m.diags.n, DIAG_KEPT_MAX);

        text_add(&text, IMAGE);
        for (int i = 0; i < 100000; i++)
                text_addf(&text, "Environment=A%d=1\n", i);
        assert_int_equal(text_take(&text, &bytes, NULL), 0);
        parse(&many, bytes);
        free(bytes);
        assert_int_equal(many.diags.errors, 1);
        assert_int_equal(many.diags.list[0].line, STORE_VALUES_MAX + 2);
        assert_non_null(strstr(many.diags.list[0].message, "more than 1024 settings"));
}

static void a_thousand_mounts_are_not_too_many(void **state _unused_) {
        _cleanup_manifest_ Manifest m = { 0 }, many = { 0 };
        Text text = { 0 };
        char *bytes;

        text_add(&text, IMAGE);
        for (int i = 0; i < 1000; i++)
                text_addf(&text,
                          "[Mount m%d]\nType=bind\nSource=/s/%d\nTarget=/t/%d\nReadOnly=yes\nRecursive=yes\n"
                          "FileType=directory\nIDMap=0:0:1\n",
                          i, i, i);
        assert_int_equal(text_take(&text, &bytes, NULL), 0);
        parse(&m, bytes);
        free(bytes);
        assert_int_equal(m.diags.errors, 0);
        assert_int_equal(m.mounts.n, 1000);
        for (size_t i = 0; i < m.mounts.n; i++) {
                char target[32];

                snprintf(target, sizeof(target), "/t/%zu", i);
                assert_string_equal(m.mounts.list[i].target, target);
        }

        text_add(&text, IMAGE);
        for (int i = 0; i < 1000; i++) {
                text_addf(&text, "[Mount m%d]\nType=bind\nSource=/s/%d\nTarget=/t/%d\n", i, i, i);
                for (int j = 0; j < 30; j++)
                        text_addf(&text, "IDMap=%d:%d:1\n", j, j);
        }
        assert_int_equal(text_take(&text, &bytes, NULL), 0);
        parse(&many, bytes);
        free(bytes);
        assert_int_equal(many.diags.errors, 1);
        assert_non_null(strstr(many.diags.list[0].message, "or 16384 with those of [Mount] sections"));
}

static void every_key_has_a_sentence(void **state _unused_) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        keys_print(f);
        assert_int_equal(fclose(f), 0);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                char *key = strchr(line, '\t'), *doc = key ? strchr(key + 1, '\t') : NULL;

                assert_non_null(doc);
                assert_true(strlen(doc) > 20);
                assert_int_equal(doc[strlen(doc) - 1], '.');
        }
}

RUN(TEST(wrong_values_are_told_with_what_was_expected), TEST(unknown_words_are_told_with_what_was_meant),
    TEST(directives_that_would_break_a_container_are_refused), TEST(mounts_that_cannot_be_meant_are_refused),
    TEST(values_are_kept_in_one_form), TEST(lists_append_and_an_empty_value_empties_them),
    TEST(what_is_marked_to_be_ignored_is_ignored), TEST(all_errors_come_in_order_of_line),
    TEST(a_hostile_manifest_stays_within_bounds), TEST(a_thousand_mounts_are_not_too_many),
    TEST(every_key_has_a_sentence))
