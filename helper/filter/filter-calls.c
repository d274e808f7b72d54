/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/filter/filter-calls.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <unistd.h>

#include "helper/filter/filter-shorten.h"

/* The numbers that are the same on every architecture (since 5.1): what this libseccomp may not know by name. */
static const struct {
        const char *name;
        int number;
} newer[] = {
        { "clone3", 435 },
        { "openat2", 437 },
        { "pidfd_getfd", 438 },
        { "faccessat2", 439 },
        { "process_madvise", 440 },
        { "epoll_pwait2", 441 },
        { "mount_setattr", 442 },
        { "quotactl_fd", 443 },
        { "landlock_create_ruleset", 444 },
        { "landlock_add_rule", 445 },
        { "landlock_restrict_self", 446 },
        { "process_mrelease", 448 },
        { "futex_waitv", 449 },
        { "set_mempolicy_home_node", 450 },
        { "cachestat", 451 },
        { "fchmodat2", 452 },
        { "map_shadow_stack", 453 },
        { "futex_wake", 454 },
        { "futex_wait", 455 },
        { "futex_requeue", 456 },
        { "statmount", 457 },
        { "listmount", 458 },
        { "lsm_get_self_attr", 459 },
        { "lsm_set_self_attr", 460 },
        { "lsm_list_modules", 461 },
        { "mseal", 462 },
        { "setxattrat", 463 },
        { "getxattrat", 464 },
        { "listxattrat", 465 },
        { "removexattrat", 466 },
        { "open_tree_attr", 467 },
        { "file_getattr", 468 },
        { "file_setattr", 469 },
};

int filter_call_number(const char *name) {
        int number = seccomp_syscall_resolve_name(name);

        for (size_t i = 0; number == __NR_SCMP_ERROR && i < ARRAY_LEN(newer); i++)
                if (streq(newer[i].name, name))
                        number = newer[i].number;
        return number;
}

const char *filter_call_newer(size_t i) {
        return i < ARRAY_LEN(newer) ? newer[i].name : NULL;
}

static int add_architectures(scmp_filter_ctx filter) {
        switch (seccomp_arch_native()) {
        case SCMP_ARCH_X86_64:
                return seccomp_arch_add(filter, SCMP_ARCH_X86);
        case SCMP_ARCH_AARCH64:
                return seccomp_arch_add(filter, SCMP_ARCH_ARM);
        default:
                return 0; /* one architecture */
        }
}

void build_done(Build *build) {
        if (build->library)
                seccomp_release(build->library);
        *build = (Build){};
}

int build_begin(Build *build, uint32_t default_action) {
        int r;

        *build = (Build){ .library = seccomp_init(default_action) };
        if (!build->library)
                return -ENOMEM;
        r = seccomp_attr_set(build->library, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
        if (r >= 0)
                r = seccomp_attr_set(build->library, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
        return r < 0 ? r : add_architectures(build->library);
}

/* Does the library know the number? One that it does not it cannot translate for the second architecture. */
static bool is_late(int number) {
        char *name = number >= 0 ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number) : NULL;

        free(name);
        return number >= 0 && !name;
}

int build_add(Build *build, uint32_t action, int number, const struct scmp_arg_cmp *args, unsigned n) {
        int r;

        if (is_late(number)) {
                if (n > 0)
                        return -EOPNOTSUPP;
                for (size_t i = 0; i < build->n_late; i++)
                        if (build->late[i].number == number)
                                return build->late[i].action == action ? 0 : -EEXIST;
                if (build->n_late == FILTER_LATE_MAX)
                        return -E2BIG;
                build->late[build->n_late].number = number;
                build->late[build->n_late++].action = action;
                return 0;
        }
        r = seccomp_rule_add_array(build->library, action, number, n, args);
        return r == -EDOM ? 0 : r; /* the library has no such call on the second architecture */
}

/* 0x40000000 marks x32, which libseccomp sees to. socketcall(2) of the 32-bit architecture, with socket (1) or socketpair
 * (8) as its first argument, hides the family from a filter: it does not exist, so that programs use socket itself. libseccomp
 * would answer it as it does socket, and the wrong family is what the program would hear of. */
static const struct sock_filter head[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, FILTER_LAST_KNOWN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
#ifdef __x86_64__
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 102, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
#endif
};

/* The numbers are the same on every architecture: it need not be looked at. */
static size_t write_late(const Build *build, struct sock_filter *to) {
        struct sock_filter *start = to;

        if (build->n_late > 0)
                *to++ = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                      offsetof(struct seccomp_data, nr));
        for (size_t i = 0; i < build->n_late; i++) {
                *to++ = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                      (uint32_t) build->late[i].number, 0, 1);
                *to++ = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, build->late[i].action);
        }
        return (size_t) (to - start);
}

/* The kernel takes the program as it comes from the library; a shorter one is loaded faster. */
static void shorten(struct sock_filter **program, size_t *n) {
        struct sock_filter *shorter;

        if (filter_shorten(*program, *n, seccomp_arch_native(), &shorter, n) >= 0) {
                free(*program);
                *program = shorter;
        }
}

int build_export(const Build *build, void **ret, size_t *ret_size) {
        struct sock_filter late[1 + 2 * FILTER_LATE_MAX];
        const size_t n_late = write_late(build, late), n_own = ARRAY_LEN(head) + n_late;
        _cleanup_free_ struct sock_filter *program = NULL;
        FILE *f = tmpfile();
        long size = -1;
        size_t n;
        int r;

        if (!f)
                return -errno;
        r = seccomp_export_bpf(build->library, fileno(f));
        if (r >= 0 && (fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0))
                r = -errno;
        rewind(f);
        if (r >= 0) {
                program = malloc(n_own * sizeof(*program) + (size_t) size);
                r = !program                                                       ? -ENOMEM
                    : fread(program + n_own, 1, (size_t) size, f) == (size_t) size ? 0
                                                                                   : -EIO;
        }
        fclose(f);
        if (r < 0)
                return r;
        memcpy(program, head, sizeof(head));
        memcpy(program + ARRAY_LEN(head), late, n_late * sizeof(*late));
        n = n_own + (size_t) size / sizeof(*program);
        shorten(&program, &n);
        if (n > BPF_MAXINSNS)
                return -E2BIG;
        *ret = TAKE_PTR(program);
        *ret_size = n * sizeof(*program);
        return 0;
}
