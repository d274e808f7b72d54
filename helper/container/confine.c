/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/confine.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "common/fs.h"

#define BIT(capability) (UINT64_C(1) << (capability))

/* What is inheritable is ambient and nothing else: a file's inheritable bits would give back what was dropped. */
static int set_capabilities(uint64_t permitted, uint64_t ambient) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {
                { (uint32_t) permitted, (uint32_t) permitted, (uint32_t) ambient },
                { (uint32_t) (permitted >> 32), (uint32_t) (permitted >> 32), (uint32_t) (ambient >> 32) },
        };

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int raise_ambient(uint64_t ambient) {
        for (unsigned long capability = 0; capability < 64; capability++)
                if ((ambient & BIT(capability)) &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
                        return -errno;
        return 0;
}

int confine_bounding(uint64_t keep) {
        for (unsigned long capability = 0; capability < 64; capability++)
                if (!(keep & BIT(capability)) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
                        return errno == EINVAL ? 0 : -errno; /* EINVAL: beyond the kernel's last */
        return 0;
}

int confine_apparmor(int proc_fd, const char *profile) {
        _cleanup_free_ char *text = NULL;
        struct statfs fs;

        if (!profile)
                return 0;
        /* aa_change_onexec(2): written to another file than the kernel's own it would be lost without a word */
        if (fstatfs(proc_fd, &fs) < 0)
                return -errno;
        if (fs.f_type != PROC_SUPER_MAGIC)
                return -EUCLEAN;
        if (asprintf(&text, "exec %s", profile) < 0)
                return -ENOMEM;
        return write_string_at(proc_fd, "thread-self/attr/apparmor/exec", text);
}

int confine_apply(const Confinement *confinement) {
        const User *user = confinement->user;
        /* Root keeps through exec what the bounding set has; for another user exec would clear them as well,
         * but nothing between here and there needs any. */
        uint64_t permitted = user->uid == 0 ? confinement->capabilities : confinement->ambient;
        int r;

        assert(user->n_groups > 0);

        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        /* The bounding set while CAP_SETPCAP is still here; the ids while CAP_SETGID and CAP_SETUID are. */
        r = confinement->bounded ? 0 : confine_bounding(confinement->capabilities);
        if (r < 0)
                return r;
        /* Permitted capabilities stay through the change of ids, until they are set below; exec(2) resets this. */
        if ((confinement->ambient || !confinement->no_new_privs) && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        if (setgroups(user->n_groups, user->groups) < 0)
                return -errno;
        if (setresgid(user->gid, user->gid, user->gid) < 0)
                return -errno;
        if (setresuid(user->uid, user->uid, user->uid) < 0)
                return -errno;
        /* Our callers are unreadable from before they enter the container, or another process of the user could have one
         * without a filter. A change of ids undoes it where fs.suid_dumpable is 1, see proc(5). exec(2) does as well. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        /* seccomp(2): without no_new_privs a filter takes CAP_SYS_ADMIN. It is not in the bounding set and not ambient,
         * so that exec ends it, of root as of others. */
        if (!confinement->no_new_privs)
                permitted |= BIT(CAP_SYS_ADMIN);
        r = set_capabilities(permitted, confinement->ambient);
        if (r >= 0)
                r = raise_ambient(confinement->ambient);
        if (r < 0 || !confinement->no_new_privs)
                return r;
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int confine_seal(const Confinement *confinement) {
        return filter_load(&confinement->filter);
}

int confine_init(uint64_t keep) {
        int r;

        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        r = confine_bounding(keep);
        if (r < 0)
                return r;
        r = set_capabilities(keep, 0);
        if (r < 0)
                return r;
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int confine_keyring(void) {
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
                return -errno;
        return 0;
}

int confine_descriptors(int first) {
        return syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}
