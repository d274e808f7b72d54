/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs at build time: compiles the system call filters with libseccomp and prints them as C. One row per system call
 * that a container may not make; "filter-compile --page" puts them into the man page.
 *
 * What the kernel refuses anyway to a process without the capability is listed all the same: a user namespace gives
 * every capability to its root, and a bug behind a call is out of reach only if the call is. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/netlink.h>
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
#include "helper/filter/filter-calls.h"

#define RARE                                                                                                            \
        "rare families of sockets: the kernel would load their modules for whoever asks, and *AF_VSOCK* reaches the "   \
        "hypervisor past the network namespace. Left are *AF_UNIX*, *AF_INET*, *AF_INET6*, *AF_NETLINK*, *AF_PACKET*, " \
        "*AF_KEY*, *AF_PPPOX*, *AF_CAN* and *AF_BLUETOOTH*"

#define OLD_NETWORKS                                                                                                   \
        "*SIOCGIFBR*, *SIOCSIFBR*, *SIOCGIFVLAN*, *SIOCSIFVLAN*, *SIOCBRADDBR* and *SIOCBRDELBR* load the bridge and " \
        "VLANs for whoever asks; programs speak netlink"
#define RARE_INTERNET \
        "L2TP and SMC (protocols 115 and 256 of *AF_INET* and *AF_INET6*), which the kernel would load for whoever asks"
#define RARE_NETLINK                                                                                                       \
        "rare protocols of *AF_NETLINK*, which the kernel would load for whoever asks: *NETLINK_ISCSI*, "                  \
        "*NETLINK_DNRTMSG*, *NETLINK_SCSITRANSPORT*, *NETLINK_ECRYPTFS*, *NETLINK_RDMA*, *NETLINK_CRYPTO*, *NETLINK_SMC* " \
        "and all beyond"

/* include/uapi/linux/in.h: newer headers have them, or others in the place of netinet/in.h */
#define IPPROTO_L2TP_ 115
#define IPPROTO_SMC_  256

/* Refuse where argument `arg` masked by `mask` is `value`; mask 0: always. */
typedef struct Rule {
        const char *name;
        const char *why;
        bool floor; /* also below a profile that takes the default's place */
        int error;
        unsigned arg;
        uint64_t mask, value;
        uint64_t protocols, protocol; /* of a socket: mask and value of the third argument, as well */
} Rule;

#define ANY(n, w, e) \
        { .name = n, .why = w, .error = e }
#define FLOOR(n, w, e) \
        { .name = n, .why = w, .error = e, .floor = true }
#define FLAG(n, a, bit, w) \
        { .name = n, .why = w, .error = EPERM, .arg = a, .mask = bit, .value = bit }
#define EQUAL(n, a, v, w, e) \
        { .name = n, .why = w, .error = e, .arg = a, .mask = UINT32_MAX, .value = v }
/* socketpair(2) of a family that has none loads its module all the same. */
#define FAMILIES(v, more)                                                                                   \
        { .name = "socket", .why = RARE, .error = EAFNOSUPPORT, .mask = UINT32_MAX & ~(more), .value = v }, \
        {                                                                                                   \
                .name = "socketpair", .why = RARE, .error = EAFNOSUPPORT, .mask = UINT32_MAX & ~(more),     \
                .value = v                                                                                  \
        }
/* Requests v and v + 1. */
#define TWO(n, v, w) \
        { .name = n, .why = w, .error = EPERM, .arg = 1, .mask = UINT32_MAX & ~1U, .value = v }
#define PROTOCOLS_OF(n, w, f, few, p, more)                                                             \
        {                                                                                               \
                .name = n, .why = w, .error = EPROTONOSUPPORT, .mask = UINT32_MAX & ~(few), .value = f, \
                .protocols = UINT32_MAX & ~(more), .protocol = p                                        \
        }
/* Protocol p of family f; few and more as above. */
#define PROTOCOLS(w, f, few, p, more) \
        PROTOCOLS_OF("socket", w, f, few, p, more), PROTOCOLS_OF("socketpair", w, f, few, p, more)
#define FLOOR_EQUAL(n, a, v, w, e) \
        { .name = n, .why = w, .error = e, .floor = true, .arg = a, .mask = UINT32_MAX, .value = v }

/* clang-format off */
static const Rule rules[] = {
        ANY("mount", "mounts", EPERM), ANY("umount", "mounts", EPERM), ANY("umount2", "mounts", EPERM),
        ANY("move_mount", "mounts", EPERM), ANY("open_tree", "mounts", EPERM), ANY("fsopen", "mounts", EPERM),
        ANY("fsconfig", "mounts", EPERM), ANY("fsmount", "mounts", EPERM), ANY("fspick", "mounts", EPERM),
        ANY("mount_setattr", "mounts", EPERM), ANY("pivot_root", "mounts", EPERM),
        FLOOR("open_by_handle_at", "opens files by number, past every root", EPERM),
        FLOOR("init_module", "kernel modules", EPERM), FLOOR("finit_module", "kernel modules", EPERM),
        FLOOR("delete_module", "kernel modules", EPERM), FLOOR("create_module", "kernel modules", EPERM),
        ANY("reboot", "the end of the container, past its init", EPERM), FLOOR("kexec_load", "the machine", EPERM),
        FLOOR("kexec_file_load", "the machine", EPERM), FLOOR("swapon", "the machine", EPERM),
        FLOOR("swapoff", "the machine", EPERM), FLOOR("acct", "the machine", EPERM),
        ANY("settimeofday", "the machine's clock", EPERM), ANY("stime", "the machine's clock", EPERM),
        ANY("clock_settime", "the machine's clock", EPERM), ANY("clock_settime64", "the machine's clock", EPERM),
        FLOOR("ioperm", "ports of the hardware", EPERM), FLOOR("iopl", "ports of the hardware", EPERM),
        ANY("quotactl", "quotas of the host", EPERM), ANY("quotactl_fd", "quotas of the host", EPERM),
        ANY("syslog", "the kernel's log", EPERM), ANY("vhangup", "the host's terminals", EPERM),
        ANY("add_key", "keyrings, which no namespace parts", EPERM),
        ANY("request_key", "keyrings, which no namespace parts", EPERM),
        ANY("keyctl", "keyrings, which no namespace parts", EPERM),
        ANY("bpf", "code in the kernel", EPERM), ANY("perf_event_open", "side channels", EPERM),
        ANY("userfaultfd", "makes races in the kernel winnable", EPERM),
        ANY("kcmp", "addresses of kernel objects", EPERM), FLOOR("lookup_dcookie", "kernel profiling", EPERM),
        FLOOR("vm86", "old and unaudited", ENOSYS), FLOOR("vm86old", "old and unaudited", ENOSYS),
        FLOOR("uselib", "old and unaudited", ENOSYS), FLOOR("nfsservctl", "old and unaudited", ENOSYS),
        FLOOR("_sysctl", "old and unaudited", ENOSYS), FLOOR("sysfs", "old and unaudited", ENOSYS),
        ANY("io_uring_setup", "a second way to most system calls, past this filter", ENOSYS),
        ANY("io_uring_enter", "a second way to most system calls, past this filter", ENOSYS),
        ANY("io_uring_register", "a second way to most system calls, past this filter", ENOSYS),
        ANY("setns", "other namespaces", EPERM),
        FLAG("unshare", 0, CLONE_NEWUSER, "*CLONE_NEWUSER* makes a user namespace, with all capabilities anew"),
        FLAG("clone", 0, CLONE_NEWUSER, "*CLONE_NEWUSER* makes a user namespace, with all capabilities anew"),
        ANY("clone3", "its flags cannot be seen by a filter; programs fall back to clone", ENOSYS),
        FLOOR("file_setattr", "gives a file to another project, as *FS_IOC_FSSETXATTR*; programs fall back to ioctl", ENOSYS),
        FLOOR_EQUAL("ioctl", 1, TIOCSTI, "*TIOCSTI* types into the terminal of whoever reads it", EPERM),
        FLOOR_EQUAL("ioctl", 1, TIOCLINUX, "*TIOCLINUX* pastes into the console", EPERM),
        FLOOR_EQUAL("ioctl", 1, FS_IOC_FSSETXATTR, "*FS_IOC_FSSETXATTR* gives a file to another project, whose quota it then takes", EPERM),
        /* linux/sockios.h */
        TWO("ioctl", 0x8940, OLD_NETWORKS) /* SIOCGIFBR, SIOCSIFBR */,
        TWO("ioctl", 0x8982, OLD_NETWORKS) /* SIOCGIFVLAN, SIOCSIFVLAN */,
        TWO("ioctl", 0x89a0, OLD_NETWORKS) /* SIOCBRADDBR, SIOCBRDELBR */,
        EQUAL("ioctl", 1, TIOCSETD, "*TIOCSETD* loads a line discipline, code of few users, for whoever asks", EPERM),
        { .name = "socket", .why = "*SOCK_DCCP* loads a protocol of few users for whoever asks",
          .error = EAFNOSUPPORT, .arg = 1, .mask = 15, .value = SOCK_DCCP },
        /* one rule for neighbours: the numbers that differ in the bits of the second argument alone */
        FAMILIES(AF_AX25, 0), FAMILIES(AF_IPX, 3) /* to AF_BRIDGE */, FAMILIES(AF_ATMPVC, 1) /* AF_X25 */,
        FAMILIES(AF_ROSE, 0), FAMILIES(AF_DECnet, 1) /* AF_NETBEUI */, FAMILIES(AF_ASH, 1) /* AF_ECONET */,
        FAMILIES(AF_ATMSVC, 3) /* AF_RDS to AF_IRDA */, FAMILIES(AF_LLC, 0), FAMILIES(AF_TIPC, 0),
        FAMILIES(AF_IUCV, 15) /* AF_RXRPC, AF_ALG, AF_VSOCK, AF_SMC and all others up to 47 */,
        PROTOCOLS(RARE_INTERNET, AF_INET, 8 /* AF_INET6 */, IPPROTO_L2TP_, 0),
        PROTOCOLS(RARE_INTERNET, AF_INET, 8 /* AF_INET6 */, IPPROTO_SMC_, 0),
        PROTOCOLS(RARE_NETLINK, AF_NETLINK, 0, NETLINK_ISCSI, 0),
        PROTOCOLS(RARE_NETLINK, AF_NETLINK, 0, NETLINK_DNRTMSG, 0),
        PROTOCOLS(RARE_NETLINK, AF_NETLINK, 0, NETLINK_SCSITRANSPORT, 1) /* NETLINK_ECRYPTFS */,
        PROTOCOLS(RARE_NETLINK, AF_NETLINK, 0, NETLINK_RDMA, 3) /* NETLINK_CRYPTO, NETLINK_SMC, 23 */,
        PROTOCOLS(RARE_NETLINK, AF_NETLINK, 0, 24, 7) /* all others */,
};

/* Who may not set up a network has no use for it. */
static const Rule generic_rules[] = {
        PROTOCOLS("what has a name in generic netlink", AF_NETLINK, 0, NETLINK_GENERIC, 0),
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
        /* rows of the default as well, but a profile takes its place */
        ANY("io_uring_setup", "it opens files past this filter", ENOSYS),
        ANY("io_uring_enter", "it opens files past this filter", ENOSYS),
        ANY("io_uring_register", "it opens files past this filter", ENOSYS),
};
/* clang-format on */

static int add_rule(Build *filter, const Rule *rule) {
        const struct scmp_arg_cmp compare[] = {
                SCMP_CMP64(rule->arg, SCMP_CMP_MASKED_EQ, rule->mask, rule->value),
                SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, rule->protocols, rule->protocol),
        };
        int number = filter_call_number(rule->name);

        if (number == __NR_SCMP_ERROR) {
                fprintf(stderr, "filter-compile: libseccomp does not know the system call '%s'\n",
                        rule->name);
                return -EINVAL;
        }
        return build_add(filter, SCMP_ACT_ERRNO((uint16_t) rule->error), number, compare,
                         rule->protocols ? 2
                         : rule->mask    ? 1
                                         : 0);
}

/* open(2) with O_CREAT or O_TMPFILE takes a mode, else its third argument means nothing. */
static int add_open_rules(Build *filter) {
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

                        r = build_add(filter, SCMP_ACT_ERRNO(EPERM), filter_call_number(calls[i].name),
                                      compare, 2);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int print_program(const Build *filter, const char *name) {
        _cleanup_free_ void *program = NULL;
        const struct sock_filter *code;
        size_t size;
        int r;

        r = build_export(filter, &program, &size);
        if (r < 0)
                return r;
        code = program;
        printf("static const struct sock_filter %s[] = {\n", name);
        for (size_t i = 0; i < size / sizeof(*code); i++)
                printf("        { 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf,
                       code[i].k);
        printf("};\n\n");
        return 0;
}

/* floor: only what no profile opens. generic: with generic netlink. */
static int compile(const char *name, bool floor, bool restrict_suid_sgid, bool generic) {
        _cleanup_build_ Build filter = {};
        int r = build_begin(&filter, SCMP_ACT_ALLOW);

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(rules); i++)
                if (!floor || rules[i].floor)
                        r = add_rule(&filter, &rules[i]);
        for (size_t i = 0; r >= 0 && !generic && i < ARRAY_LEN(generic_rules); i++)
                r = add_rule(&filter, &generic_rules[i]);
        for (size_t i = 0; r >= 0 && restrict_suid_sgid && i < ARRAY_LEN(suid_sgid_rules); i++)
                r = add_rule(&filter, &suid_sgid_rules[i]);
        if (r >= 0 && restrict_suid_sgid)
                r = add_open_rules(&filter);
        if (r >= 0)
                r = print_program(&filter, name);
        return r;
}

static void print_plain(const char *s) {
        for (; *s; s++)
                printf(*s == '_' ? "\\_" : "%c", *s);
}

/* Does the name of row j stand in a row from i on that is before it? */
static bool is_listed(size_t i, size_t j) {
        for (size_t k = i; k < j; k++)
                if (streq(rules[k].name, rules[j].name))
                        return true;
        return false;
}

/* As scdoc(5) wants it, in the place of a line "@CALLS@": a term for each reason, in the order of the table. */
static void print_calls(void) {
        for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
                bool first = true, told = false;

                for (size_t j = 0; j < i; j++)
                        told |= streq(rules[j].why, rules[i].why);
                if (told)
                        continue;
                for (size_t j = i; j < ARRAY_LEN(rules); j++)
                        if (streq(rules[j].why, rules[i].why) && !is_listed(i, j)) {
                                printf("%s*", first ? "" : ", ");
                                print_plain(rules[j].name);
                                printf("*");
                                if (rules[j].mask)
                                        printf(" (some)");
                                first = false;
                        }
                printf("\n\t%c", toupper(rules[i].why[0]));
                print_plain(rules[i].why + 1);
                printf(". Error: %s.%s\n\n", strerrorname_np(rules[i].error),
                       rules[i].floor ? " Always." : "");
        }
}

/* The man page: what stands in the template, and the calls out of the table. */
static int print_page(const char *template) {
        FILE *f = fopen(template, "re");
        char line[4096];

        if (!f) {
                fprintf(stderr, "filter-compile: %s: %s\n", template, strerror(errno));
                return 1;
        }
        while (fgets(line, sizeof(line), f))
                if (streq(line, "@CALLS@\n"))
                        print_calls();
                else
                        fputs(line, stdout);
        fclose(f);
        return 0;
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                bool floor, restrict_suid_sgid, generic;
        } programs[] = {
                { "filter_default", false, false, false }, { "filter_default_restrict", false, true, false },
                { "filter_network", false, false, true },  { "filter_network_restrict", false, true, true },
                { "filter_floor", true, false, true },     { "filter_floor_restrict", true, true, true },
        };
        int r = 0;

        if (argc == 3 && streq(argv[1], "--page"))
                return print_page(argv[2]);
        printf("/* Made by filter-compile. */\n\n");
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(programs); i++)
                r = compile(programs[i].name, programs[i].floor, programs[i].restrict_suid_sgid,
                            programs[i].generic);
        if (r < 0)
                fprintf(stderr, "filter-compile: %s\n", strerror(-r));
        return r < 0;
}
