/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs at build time: compiles the system call filter with libseccomp and prints it as C. One row per system call
 * that a container may not make; "filter-compile --list" prints them for the man page.
 *
 * What the kernel refuses anyway to a process without the capability is listed all the same: a user namespace gives
 * every capability to its root, and a bug behind a call is out of reach only if the call is. */

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base.h"

/* Refuse where argument `arg` masked by `mask` is `value`; mask 0: always. */
typedef struct Rule {
        const char *name;
        const char *why;
        int error;
        unsigned arg;
        uint64_t mask, value;
} Rule;

#define ANY(n, w, e) \
        { .name = n, .why = w, .error = e }
#define FLAG(n, a, bit, w) \
        { .name = n, .why = w, .error = EPERM, .arg = a, .mask = bit, .value = bit }
#define EQUAL(n, a, v, w, e) \
        { .name = n, .why = w, .error = e, .arg = a, .mask = UINT32_MAX, .value = v }

/* clang-format off */
static const Rule rules[] = {
        ANY("mount", "mounts", EPERM), ANY("umount", "mounts", EPERM), ANY("umount2", "mounts", EPERM),
        ANY("move_mount", "mounts", EPERM), ANY("open_tree", "mounts", EPERM), ANY("fsopen", "mounts", EPERM),
        ANY("fsconfig", "mounts", EPERM), ANY("fsmount", "mounts", EPERM), ANY("fspick", "mounts", EPERM),
        ANY("mount_setattr", "mounts", EPERM), ANY("pivot_root", "mounts", EPERM),
        ANY("open_by_handle_at", "opens files by number, past every root", EPERM),
        ANY("init_module", "kernel modules", EPERM), ANY("finit_module", "kernel modules", EPERM),
        ANY("delete_module", "kernel modules", EPERM), ANY("create_module", "kernel modules", EPERM),
        ANY("reboot", "the machine", EPERM), ANY("kexec_load", "the machine", EPERM),
        ANY("kexec_file_load", "the machine", EPERM), ANY("swapon", "the machine", EPERM),
        ANY("swapoff", "the machine", EPERM), ANY("acct", "the machine", EPERM),
        ANY("settimeofday", "the machine's clock", EPERM), ANY("stime", "the machine's clock", EPERM),
        ANY("clock_settime", "the machine's clock", EPERM), ANY("clock_settime64", "the machine's clock", EPERM),
        ANY("ioperm", "ports of the hardware", EPERM), ANY("iopl", "ports of the hardware", EPERM),
        ANY("quotactl", "quotas of the host", EPERM), ANY("quotactl_fd", "quotas of the host", EPERM),
        ANY("syslog", "the kernel's log", EPERM), ANY("vhangup", "the host's terminals", EPERM),
        ANY("add_key", "keyrings, which no namespace parts", EPERM),
        ANY("request_key", "keyrings, which no namespace parts", EPERM),
        ANY("keyctl", "keyrings, which no namespace parts", EPERM),
        ANY("bpf", "code in the kernel", EPERM), ANY("perf_event_open", "side channels", EPERM),
        ANY("userfaultfd", "makes races in the kernel winnable", EPERM),
        ANY("kcmp", "addresses of kernel objects", EPERM), ANY("lookup_dcookie", "kernel profiling", EPERM),
        ANY("vm86", "old and unaudited", ENOSYS), ANY("vm86old", "old and unaudited", ENOSYS),
        ANY("uselib", "old and unaudited", ENOSYS), ANY("nfsservctl", "old and unaudited", ENOSYS),
        ANY("_sysctl", "old and unaudited", ENOSYS), ANY("sysfs", "old and unaudited", ENOSYS),
        ANY("io_uring_setup", "a second way to most system calls, past this filter", ENOSYS),
        ANY("io_uring_enter", "a second way to most system calls, past this filter", ENOSYS),
        ANY("io_uring_register", "a second way to most system calls, past this filter", ENOSYS),
        ANY("setns", "other namespaces", EPERM),
        FLAG("unshare", 0, CLONE_NEWUSER, "user namespaces: all capabilities anew"),
        FLAG("clone", 0, CLONE_NEWUSER, "user namespaces: all capabilities anew"),
        ANY("clone3", "its flags cannot be seen by a filter; programs fall back to clone", ENOSYS),
        EQUAL("ioctl", 1, TIOCSTI, "types into the terminal of whoever reads it", EPERM),
        EQUAL("ioctl", 1, TIOCLINUX, "pastes into the console", EPERM),
        EQUAL("socket", 0, AF_VSOCK, "reaches the hypervisor past the network namespace", EAFNOSUPPORT),
        EQUAL("socketcall", 0, 1, "hides the family of a socket from this filter; programs use socket", ENOSYS),
};

static const Rule suid_sgid_rules[] = {
        FLAG("chmod", 1, S_ISUID, "set-uid"), FLAG("chmod", 1, S_ISGID, "set-gid"),
        FLAG("fchmod", 1, S_ISUID, "set-uid"), FLAG("fchmod", 1, S_ISGID, "set-gid"),
        FLAG("fchmodat", 2, S_ISUID, "set-uid"), FLAG("fchmodat", 2, S_ISGID, "set-gid"),
        FLAG("fchmodat2", 2, S_ISUID, "set-uid"), FLAG("fchmodat2", 2, S_ISGID, "set-gid"),
        FLAG("mkdir", 1, S_ISGID, "set-gid"), FLAG("mkdirat", 2, S_ISGID, "set-gid"),
        FLAG("mknod", 1, S_ISUID, "set-uid"), FLAG("mknod", 1, S_ISGID, "set-gid"),
        FLAG("mknodat", 2, S_ISUID, "set-uid"), FLAG("mknodat", 2, S_ISGID, "set-gid"),
        FLAG("creat", 1, S_ISUID, "set-uid"), FLAG("creat", 1, S_ISGID, "set-gid"),
        ANY("openat2", "its mode cannot be seen by a filter; programs fall back to openat", ENOSYS),
};
/* clang-format on */

/* The numbers that are the same on every architecture (since 5.1): what this libseccomp may not know by name. */
static const struct {
        const char *name;
        int number;
} newer[] = { { "quotactl_fd", 443 }, { "fchmodat2", 452 }, { "clone3", 435 } };

/* The last system call that this filter has an opinion on; later ones do not exist for a container until someone
 * has looked at them (mseal is 462, open_tree_attr 467). */
#define LAST_KNOWN 462

static int number_of(const char *name) {
        int number = seccomp_syscall_resolve_name(name);

        for (size_t i = 0; number == __NR_SCMP_ERROR && i < ARRAY_LEN(newer); i++)
                if (streq(newer[i].name, name))
                        number = newer[i].number;
        return number;
}

static int add_rule(scmp_filter_ctx filter, const Rule *rule) {
        const struct scmp_arg_cmp compare = {
                .arg = rule->arg,
                .op = SCMP_CMP_MASKED_EQ,
                .datum_a = rule->mask,
                .datum_b = rule->value,
        };
        int number = number_of(rule->name);
        int r;

        if (number == __NR_SCMP_ERROR) {
                fprintf(stderr, "filter-compile: libseccomp does not know the system call '%s'\n",
                        rule->name);
                return -EINVAL;
        }
        r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint16_t) rule->error), number,
                                   rule->mask ? 1 : 0, &compare);
        /* of another architecture only (vm86, stime): fine */
        return r == -EDOM || r == -EEXIST ? 0 : r;
}

/* open(2) with O_CREAT or O_TMPFILE takes a mode, else its third argument means nothing. */
static int add_open_rules(scmp_filter_ctx filter) {
        static const struct {
                const char *name;
                unsigned flags, mode;
        } calls[] = { { "open", 1, 2 }, { "openat", 2, 3 } };
        static const uint64_t makers[] = { O_CREAT, O_TMPFILE & ~O_DIRECTORY },
                              bits[] = { S_ISUID, S_ISGID };
        int r;

        for (size_t i = 0; i < ARRAY_LEN(calls); i++)
                for (size_t j = 0; j < ARRAY_LEN(makers) * ARRAY_LEN(bits); j++) {
                        const struct scmp_arg_cmp compare[2] = {
                                SCMP_CMP64(calls[i].flags, SCMP_CMP_MASKED_EQ, makers[j / 2], makers[j / 2]),
                                SCMP_CMP64(calls[i].mode, SCMP_CMP_MASKED_EQ, bits[j % 2], bits[j % 2]),
                        };

                        r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number_of(calls[i].name),
                                                   2, compare);
                        if (r < 0 && r != -EDOM)
                                return r;
                }
        return 0;
}

static int add_architectures(scmp_filter_ctx filter) {
        int r = 0;

        switch (seccomp_arch_native()) {
        case SCMP_ARCH_X86_64:
                r = seccomp_arch_add(filter, SCMP_ARCH_X86);
                break;
        case SCMP_ARCH_AARCH64:
                r = seccomp_arch_add(filter, SCMP_ARCH_ARM);
                break;
        default:
                break; /* one architecture; others are refused below */
        }
        return r;
}

/* What libseccomp made, behind our own look at the number: 0x40000000 marks x32, which libseccomp sees to. */
static int print_program(scmp_filter_ctx filter, const char *name) {
        const struct sock_filter head[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        };
        struct sock_filter code;
        FILE *f = tmpfile();
        int r;

        if (!f)
                return -errno;
        r = seccomp_export_bpf(filter, fileno(f));
        if (r < 0)
                return r;
        rewind(f);
        printf("static const struct sock_filter %s[] = {\n", name);
        for (size_t i = 0; i < ARRAY_LEN(head); i++)
                printf("        { 0x%02x, %u, %u, 0x%08x },\n", head[i].code, head[i].jt, head[i].jf,
                       head[i].k);
        while (fread(&code, sizeof(code), 1, f) == 1)
                printf("        { 0x%02x, %u, %u, 0x%08x },\n", code.code, code.jt, code.jf, code.k);
        printf("};\n\n");
        fclose(f);
        return 0;
}

static int compile(const char *name, bool restrict_suid_sgid) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r;

        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
        if (r >= 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
        if (r >= 0)
                r = add_architectures(filter);
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(rules); i++)
                r = add_rule(filter, &rules[i]);
        for (size_t i = 0; r >= 0 && restrict_suid_sgid && i < ARRAY_LEN(suid_sgid_rules); i++)
                r = add_rule(filter, &suid_sgid_rules[i]);
        if (r >= 0 && restrict_suid_sgid)
                r = add_open_rules(filter);
        if (r >= 0)
                r = print_program(filter, name);
        seccomp_release(filter);
        return r;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc == 2 && streq(argv[1], "--list")) {
                for (size_t i = 0; i < ARRAY_LEN(rules); i++)
                        printf("%s\t%s\n", rules[i].name, rules[i].why);
                return 0;
        }
        printf("/* Made by filter-compile. */\n\n");
        r = compile("filter_default", false);
        if (r >= 0)
                r = compile("filter_restrict_suid_sgid", true);
        if (r < 0)
                fprintf(stderr, "filter-compile: %s\n", strerror(-r));
        return r < 0;
}
