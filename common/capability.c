/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/capability.h"

#include <strings.h>

/* include/uapi/linux/capability.h: the index is the number. Spelt out, since headers are older than kernels. */
static const char *const names[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};

uint64_t capability_default_set(void) {
        /* CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, SETPCAP 8, NET_BIND_SERVICE 10,
         * SYS_CHROOT 18, SETFCAP 31 */
        return UINT64_C(0x800405fb);
}

int capability_parse(const char *name, unsigned *ret) {
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
                if (streq(names[i], name)) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

const char *capability_name(unsigned number) {
        return number < ARRAY_LEN(names) ? names[number] : NULL;
}

const char *capability_suggest(const char *name) {
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
                if (strcasecmp(names[i], name) == 0 || strcasecmp(names[i] + strlen("CAP_"), name) == 0)
                        return names[i];
        return NULL;
}
