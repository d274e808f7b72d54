/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said to podman itself: there is no podman, but for much of it a key. */

#include "common/strv.h"
#include "generator/carry.h"

/* What of podman's options has a key with us. */
static const char *argument_hint(const char *word) {
        static const struct {
                const char *option, *key;
        } hints[] = {
                { "--cpus", "CPUs= in [Limits]" },
                { "--cpu-quota", "CPUs= in [Limits]" },
                { "--cpu-shares", "CPUWeight= in [Service]" },
                { "--cpuset-cpus", "AllowedCPUs= in [Service]" },
                { "--memory", "Memory= in [Limits]" },
                { "-m", "Memory= in [Limits]" },
                { "--memory-swap", "Swap= in [Limits]" },
                { "--memory-reservation", "MemoryLow= in [Service]" },
                { "--pids-limit", "Tasks= in [Limits]" },
                { "--privileged", "Capability= and Device= for what it needs; there is no such switch" },
                { "--device", "Device= in [Container]" },
                { "--gpus", "Device= in [Container]" },
                { "--cap-add", "Capability= in [Container]" },
                { "--cap-drop", "DropCapability= in [Container]" },
                { "--security-opt",
                  "SystemCallFilter=, AppArmorProfile= or NoNewPrivileges= in [Container]" },
                { "--network", "Mode= in [Network]" },
                { "--net", "Mode= in [Network]" },
                { "--publish", "Publish= in [Network]" },
                { "-p", "Publish= in [Network]" },
                { "--add-host", "AddHost= in [Container]" },
                { "--dns", "DNS= in [Network]" },
                { "--volume", "Volume= in [Container], or a [Mount NAME]" },
                { "-v", "Volume= in [Container], or a [Mount NAME]" },
                { "--mount", "a [Mount NAME]" },
                { "--tmpfs", "a [Mount NAME] with Type=tmpfs" },
                { "--env", "Environment= in [Container]" },
                { "-e", "Environment= in [Container]" },
                { "--env-file", "EnvironmentFile= in [Container]" },
                { "--hostname", "Hostname= in [Container]" },
                { "--user", "User= in [Container]" },
                { "--userns", "PrivateUsers= in [Container]" },
                { "--init", "Init= in [Container]" },
                { "--pid", "PidNamespace= in [Container]" },
                { "--ipc", "IpcNamespace= in [Container]" },
                { "--restart", "Restart= in [Service]" },
                { "--stop-timeout", "StopTimeout= in [Container]" },
                { "--ulimit", "Limit*= in [Container]" },
                { "--sysctl", "Sysctl= in [Container]" },
                { "--label", "Label= in [Container]" },
                { "--log-driver", "StandardOutput= in [Service]" },
                { "--health-cmd", "Exec= in [Health]" },
                { "--read-only", "ReadOnly= in [Container]" },
                { "--workdir", "WorkingDirectory= in [Container]" },
                { "--entrypoint", "Entrypoint= in [Container]" },
                { "--rm", "nothing: Ephemeral=yes is the default" },
                { "--replace", "nothing: a start replaces what was left" },
                { "--pull", "nothing: a start never pulls" },
        };
        size_t n = strcspn(word, "=");

        for (size_t i = 0; i < ARRAY_LEN(hints); i++)
                if (strlen(hints[i].option) == n && strncmp(hints[i].option, word, n) == 0)
                        return hints[i].key;
        return NULL;
}

/* Every word of what is said to podman itself. */
void carry_arguments(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++) {
                const char *hint = argument_hint(*word);

                carry_warning(c, s, "%s=: '%s' is not carried over: %s%s", s->key, DIAG_CLIP(*word),
                              hint ? "use " : "it is said to podman", hint ? hint : "");
        }
}
