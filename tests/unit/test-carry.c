/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/carry.h"

#include "tests/unit/check.h"

#define IMAGE "[Container]\nImage=docker.io/library/app\n"

/* What comes of one container; NULL if it is not converted. findings may be NULL. */
static char *convert(const char *text, Findings *findings) {
        _cleanup_quadlets_ Quadlets all = { 0 };
        Findings own = { 0 };
        char *manifest;
        Quadlet *q;

        assert_int_equal(quadlets_add(&all, "/q/web.container", "/q", true, &q), 0);
        assert_int_equal(quadlet_read(q, q->path, strdup(text), strlen(text)), 0);
        quadlets_name(&all);
        assert_int_equal(carry_container(&all, q, &manifest, findings ? findings : &own), 0);
        findings_done(&own);
        return manifest;
}

static bool says(const Findings *findings, FindingLevel level, unsigned line, const char *message) {
        for (size_t i = 0; i < findings->n; i++)
                if (findings->list[i].level == level && findings->list[i].line == line &&
                    streq(findings->list[i].message, message))
                        return true;
        return false;
}

static void keys_become_keys(void **state _unused_) {
        static const struct {
                const char *from, *to;
        } rows[] = {
                { "Exec=a 'b c'\n", "\nExec=a \"b c\"\n" },
                { "Exec=$$HOME\n", "\nExec=$HOME\n" },
                { "Exec=\n", "\nImage=app\n" },
                { "Entrypoint=\n", "\nEntrypoint=\n" },
                { "Entrypoint=[\"a\",\"b c\"]\n", "\nEntrypoint=a \"b c\"\n" },
                { "Entrypoint=[\"a\", 1]\n", "\nEntrypoint=\"[\\\"a\\\", 1]\"\n" },
                { "WorkingDir=/srv\n", "\nWorkingDirectory=/srv\n" },
                { "Environment=A=1 'B=2 3'\n", "\nEnvironment=A=1\nEnvironment=\"B=2 3\"\n" },
                { "Environment=A=100%%\n", "\nEnvironment=A=100%%\n" },
                { "Environment=A=%n\n", "\nEnvironment=A=%n\n" },
                { "Environment=A=5%\n", "\nEnvironment=A=5%%\n" },
                { "EnvironmentFile=x/../y.env\n", "\nImage=app\n" },
                { "EnvironmentFile=y.env\n", "\nEnvironmentFile=/q/y.env\n" },
                { "EnvironmentFile=./../y.env\n", "\nImage=app\n" },
                { "User=1:2\n", "\nUser=1\nGroup=2\n" },
                { "ReadOnly=true\nReadOnlyTmpfs=0\n", "\nReadOnly=yes\n" },
                { "RunInit=no\n", "\nInit=no\n" },
                { "UserNS=host\n", "\nPrivateUsers=no\n" },
                { "UIDMap=0:100:5 5:105:5\n", "\nPrivateUsers=100:10\n" },
                { "Memory=1.5g\n", "\nMemory=1.5G\n" },
                { "Memory=100b\n", "\nMemory=100\n" },
                { "Memory=64MB\n", "\nMemory=64M\n" },
                { "PidsLimit=7\n", "\nTasks=7\n" },
                { "Network=host\n", "\nMode=host\n" },
                { "Network=none\n", "\nMode=none\n" },
                { "Volume=a:/b\n", "\nVolume=a:/b\n" },
                { "Volume=a:/b:ro,Z\n", "\nVolume=a:/b:ro\n" },
                { "Volume=a:/b:U\n", "\nVolume=a:/b:idmap=auto\n" },
                { "Volume=../x:/b\n", "\nImage=app\n" },
                { "Volume=/a,b:/b\n", "\n[Mount b]\nType=bind\nSource=/a,b\nTarget=/b\n" },
                { "Tmpfs=/t:size=1g,mode=700\n",
                  "\n[Mount t]\nType=tmpfs\nTarget=/t\nOptions=size=1G,mode=700\n" },
                { "Mount=type=bind,source=/a,\"target=/b,c\"\n",
                  "\nImage=app\n" }, /* podman's quotes are systemd's */
                { "Mount=type=bind,source=/a,\\\"target=/b,c\\\"\n", "\nTarget=/b,c\n" },
                { "Mount=target=/b,source=v\n", "\nVolume=v:/b\n" },
                { "HostName='h'\n", "\nHostname=h\n" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *text = NULL, *manifest = NULL;

                assert_true(asprintf(&text, IMAGE "%s", rows[i].from) > 0);
                manifest = convert(text, NULL);
                ROW(i, rows[i].from, manifest && strstr(manifest, rows[i].to));
        }
}

static void what_is_lost_is_told_with_its_place(void **state _unused_) {
        static const struct {
                const char *text;
                unsigned line;
                const char *message;
        } rows[] = {
                { IMAGE "PodmanArgs=--a 'b c'\n", 3,
                  "PodmanArgs=: 'b c' is not carried over: it is said to podman" },
                { IMAGE "PodmanArgs=--cpus=2\n", 3,
                  "PodmanArgs=: '--cpus=2' is not carried over: use CPUs= in [Limits]" },
                { IMAGE "Exec=${A}\n", 3,
                  "Exec=: systemd replaces '${A}' for podman; Berth takes it as it stands, write the value" },
                { IMAGE "Exec=a\\q\n", 3,
                  "Exec=: '\\q' is no escape, and podman drops the whole key for it; the backslash is taken literally" },
                { IMAGE "Environment=A\n", 3,
                  "Environment=A is not carried over: it takes the variable of podman's service; write its value" },
                { IMAGE "Environment=A=5%\n", 3,
                  "Environment=: '%' in 'A=5%' begins no specifier of systemd, which refuses podman's unit for it; it is "
                  "taken literally" },
                { IMAGE "Memory=x\n", 3, "Memory= is not carried over: 'x' is no size" },
                { IMAGE "ReadOnly=ture\n", 3,
                  "ReadOnly= is 'ture', which podman takes for no; it is no yes or no, and is left out" },
                { IMAGE "Volume=a:/b\nTmpfs=/b/\n", 4,
                  "Tmpfs= is not carried over: something is mounted at '/b/' already" },
                { IMAGE "Volume=a:/b/c\nVolume=d:/b//c\n", 4,
                  "Volume= is not carried over: something is mounted at '/b//c' already" },
                { IMAGE "Volume=a:b\n", 3,
                  "Volume= is not carried over: 'b' is no absolute path; begin it with '/'" },
                { IMAGE "Volume=-:/b\n", 3,
                  "Volume= is not carried over: '-' is no name of a volume: letters, digits, '.', '_' and '-', a letter "
                  "or digit first, at most 128" },
                { IMAGE "User=a b\n", 3,
                  "User= is not carried over: User= does not take 'a b': expected a name ([A-Za-z0-9._-]) or a number "
                  "from 0 to 4294967294" },
                { IMAGE "[Service]\nUser=x\n", 4,
                  "User= of [Service] is not carried over: use User= in [Container]" },
                { IMAGE "[Install]\nAlias=x\n", 4,
                  "Alias=x is not carried over: it is no name of a service" },
                { IMAGE "[Unit]\nA.b=x\n", 4,
                  "'A.b' of [Unit] is not carried over: it is no name of a setting" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                Findings findings = { 0 };
                _cleanup_free_ char *manifest = convert(rows[i].text, &findings);

                ROW(i, rows[i].text,
                    manifest && says(&findings, FINDING_WARNING, rows[i].line, rows[i].message));
                ROW(i, manifest,
                    strstr(manifest, "\n# Not carried over:\n") && strstr(manifest, rows[i].message));
                findings_done(&findings);
        }
}

static void what_podman_refuses_is_not_converted(void **state _unused_) {
        static const struct {
                const char *text;
                unsigned line;
                const char *message;
        } rows[] = {
                { "[Container]\n", 0, "there is no Image= in [Container], and no Rootfs=" },
                { IMAGE "Imag=x\n", 3,
                  "'Imag' is no key of [Container], and podman refuses the file for it" },
                { IMAGE "[Quadlet]\nX=1\n", 4,
                  "'X' is no key of [Quadlet], and podman refuses the file for it" },
                { IMAGE "Exec='x\n", 3,
                  "Exec=: a quote is not closed; close it, or write \\\" or \\' for a plain one" },
                { IMAGE "Exec=\\x0\n", 3,
                  "Exec=: an escape is cut short or out of range; write \\xHH, \\NNN (octal, at most \\377), \\uXXXX or "
                  "\\UXXXXXXXX in full" },
                { IMAGE "Group=1\n", 3, "Group= stands without User=, which podman refuses; add it" },
                { IMAGE "Rootfs=/x\n", 3, "Rootfs= stands beside Image= on line 2; remove one of them" },
                { IMAGE "Pod=x\n", 3, "Pod= is 'x', which is no .pod file, and podman refuses that" },
                { IMAGE "Network=x.network\n", 3,
                  "Network= names 'x.network', which is not there; name it as well, or put it beside this file" },
                { IMAGE "Mount=type=bind,target=/x\n", 3,
                  "Mount= has no source=, which type=bind must have" },
                { IMAGE "[Service]\nType=exec\n", 4,
                  "Type=exec cannot be, with podman neither; only oneshot and notify can" },
                { "[Container]\nImage=dir:/x\n", 2,
                  "Image= is 'dir:/x', which is no name of an image; import it, and name it by its id" },
                { "[Container]\nImage=///\n", 2,
                  "Image= is '///', which is no name of an image; import it, and name it by its id" },
                { "[Container]\nImage=%\n", 0,
                  "its image has no name that Berth takes; import it, and write Image=" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                Findings findings = { 0 };
                _cleanup_free_ char *manifest = convert(rows[i].text, &findings);

                ROW(i, rows[i].text,
                    !manifest && says(&findings, FINDING_ERROR, rows[i].line, rows[i].message));
                findings_done(&findings);
        }
}

static void images_have_ids(void **state _unused_) {
        static const struct {
                const char *reference, *id, *import;
        } rows[] = {
                { "nginx", "nginx", "docker://nginx --name nginx" },
                { "docker.io/library/nginx:1.27-alpine", "nginx-1.27-alpine",
                  "docker://docker.io/library/nginx:1.27-alpine --name nginx-1.27-alpine" },
                { "reg:5000/Team/App:latest", "app", "docker://reg:5000/Team/App:latest --name app" },
                { "x/app@sha256:0123456789abcdef", "app-0123456789ab",
                  "docker://x/app@sha256:0123456789abcdef --name app-0123456789ab" },
                { "x/app:2@sha256:00", "app-2", "docker://x/app:2@sha256:00 --name app-2" },
                { "docker://x/app", "app", "docker://x/app --name app" },
                { "localhost/mine", "mine",
                  "podman save --format oci-archive -o mine.tar localhost/mine && berth image import mine.tar --name "
                  "mine" },
                { "x/app:%i", "app-%i", "docker://x/app:%i --name app-%i" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *text = NULL, *manifest = NULL, *key = NULL;

                assert_true(asprintf(&text, "[Container]\nImage=%s\n", rows[i].reference) > 0);
                assert_true(asprintf(&key, "\nImage=%s\n", rows[i].id) > 0);
                manifest = convert(text, NULL);
                ROW(i, rows[i].reference,
                    manifest && strstr(manifest, key) && strstr(manifest, rows[i].import));
        }
}

static void every_key_of_quadlet_has_a_row(void **state _unused_) {
        /* podman-systemd.unit(5) of podman 5 and 6, [Container] */
        static const char *const keys[] = {
                "AddCapability",
                "AddDevice",
                "AddHost",
                "Annotation",
                "AppArmor",
                "AutoUpdate",
                "CgroupsMode",
                "ContainerName",
                "ContainersConfModule",
                "DNS",
                "DNSOption",
                "DNSSearch",
                "DropCapability",
                "Entrypoint",
                "Environment",
                "EnvironmentFile",
                "EnvironmentHost",
                "Exec",
                "ExposeHostPort",
                "GIDMap",
                "GlobalArgs",
                "Group",
                "GroupAdd",
                "HealthCmd",
                "HealthInterval",
                "HealthLogDestination",
                "HealthMaxLogCount",
                "HealthMaxLogSize",
                "HealthOnFailure",
                "HealthRetries",
                "HealthStartPeriod",
                "HealthStartupCmd",
                "HealthStartupInterval",
                "HealthStartupRetries",
                "HealthStartupSuccess",
                "HealthStartupTimeout",
                "HealthTimeout",
                "HostName",
                "HttpProxy",
                "IP",
                "IP6",
                "Image",
                "Label",
                "LogDriver",
                "LogOpt",
                "Mask",
                "Memory",
                "Mount",
                "Network",
                "NetworkAlias",
                "NoNewPrivileges",
                "Notify",
                "PidsLimit",
                "Pod",
                "PodmanArgs",
                "PublishPort",
                "Pull",
                "ReadOnly",
                "ReadOnlyTmpfs",
                "ReloadCmd",
                "ReloadSignal",
                "RemapGid",
                "RemapUid",
                "RemapUidSize",
                "RemapUsers",
                "Retry",
                "RetryDelay",
                "Rootfs",
                "RunInit",
                "SeccompProfile",
                "Secret",
                "SecurityLabelDisable",
                "SecurityLabelFileType",
                "SecurityLabelLevel",
                "SecurityLabelNested",
                "SecurityLabelType",
                "ServiceName",
                "ShmSize",
                "StartWithPod",
                "StopSignal",
                "StopTimeout",
                "SubGIDMap",
                "SubUIDMap",
                "Sysctl",
                "Timezone",
                "Tmpfs",
                "UIDMap",
                "Ulimit",
                "Unmask",
                "User",
                "UserNS",
                "VolatileTmp",
                "Volume",
                "WorkingDir",
        };

        assert_int_equal(ARRAY_LEN(keys), 94);
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
                ROW(i, keys[i], carry_known(QUADLET_CONTAINER, keys[i], NULL));
}

RUN(TEST(keys_become_keys), TEST(what_is_lost_is_told_with_its_place),
    TEST(what_podman_refuses_is_not_converted), TEST(images_have_ids), TEST(every_key_of_quadlet_has_a_row))
