/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/sysctl.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

#define SYSCTL_NAME_MAX 200 /* bytes; the longest of the kernel's own are half of it */

bool sysctl_name_valid(const char *key) {
        if (strlen(key) > SYSCTL_NAME_MAX || !strchr(key, '.'))
                return false;
        for (;;) {
                size_t n = strspn(key, LETTERS);

                if (n == 0 || (key[n] != '\0' && key[n] != '.'))
                        return false;
                if (key[n] == '\0')
                        return true;
                key += n + 1;
        }
}

SysctlScope sysctl_scope(const char *key) {
        /* ipc/ipc_sysctl.c of the kernel; what else is in kernel.* is the host's */
        static const char *const ipc[] = {
                "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
        };

        if (!sysctl_name_valid(key))
                return _SYSCTL_SCOPE_INVALID;
        if (startswith(key, "net."))
                return SYSCTL_NETWORK;
        if (startswith(key, "fs.mqueue."))
                return SYSCTL_IPC;
        for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
                if (streq(ipc[i], key))
                        return SYSCTL_IPC;
        return _SYSCTL_SCOPE_INVALID;
}
