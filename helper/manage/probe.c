/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/probe.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "common/fs.h"
#include "common/parse.h"
#include "helper/container/cgroup.h"
#include "helper/container/mount.h"
#include "helper/launch/layer-quota.h"
#include "helper/launch/namespaces.h"

static int say(char **ret, const char *s) {
        return (*ret = strdup(s)) ? 0 : -ENOMEM;
}

int probe_root(const Probe *probe _unused_, const char *word _unused_, char **ret _unused_) {
        return geteuid() == 0;
}

int probe_kernel(const Probe *probe _unused_, const char *word, char **ret) {
        unsigned major, minor, least_major, least_minor;
        struct utsname name;

        if (uname(&name) < 0)
                return -errno;
        if (sscanf(name.release, "%u.%u", &major, &minor) != 2 ||
            sscanf(word, "%u.%u", &least_major, &least_minor) != 2)
                return -EBADMSG;
        if (say(ret, name.release) < 0)
                return -ENOMEM;
        return major > least_major || (major == least_major && minor >= least_minor);
}

int probe_systemd(const Probe *probe, const char *word, char **ret) {
        int r;

        if (!probe->bus)
                return -ENOTCONN;
        r = bus_get_version(probe->bus, ret);
        /* "252.39-1~deb12u1", "v257" */
        return r < 0 ? r : strtoul(**ret == 'v' ? *ret + 1 : *ret, NULL, 10) >= strtoul(word, NULL, 10);
}

int probe_cgroup(const Probe *probe _unused_, const char *word _unused_, char **ret _unused_) {
        _cleanup_close_ int fd = cgroup_open_mount();

        return fd == -EMEDIUMTYPE ? 0 : fd < 0 ? fd : 1;
}

int probe_controller(const Probe *probe _unused_, const char *word, char **ret _unused_) {
        _cleanup_close_ int fd = cgroup_open("/");

        return fd == -EMEDIUMTYPE ? 0 : fd < 0 ? fd : cgroup_has_controller(fd, word);
}

int probe_path(const Probe *probe _unused_, const char *word, char **ret _unused_) {
        return access(word, F_OK) == 0;
}

int probe_user_namespaces(const Probe *probe _unused_, const char *word _unused_, char **ret) {
        uint64_t number;
        int r;

        r = read_file_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", 64, ret, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        (*ret)[strcspn(*ret, "\n")] = '\0';
        return parse_uint64(*ret, &number) >= 0 && number > 0;
}

/* filesystems(5): lines "nodev\tproc" and "\text4". One whose module is not loaded yet is loaded by its first use, but
 * is not listed: it is looked for among the modules. */
int probe_file_system(const Probe *probe _unused_, const char *word, char **ret _unused_) {
        _cleanup_free_ char *text = NULL, *modules = NULL;
        char line[64], path[128], file[64];
        struct utsname name;
        int r;

        r = read_file_at(AT_FDCWD, "/proc/filesystems", 65536, &text, NULL);
        if (r < 0)
                return r;
        snprintf(line, sizeof(line), "\t%s\n", word);
        if (strstr(text, line))
                return 1;
        if (uname(&name) < 0)
                return -errno;
        snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", name.release);
        snprintf(file, sizeof(file), "/%s.ko", word);
        return read_file_at(AT_FDCWD, path, 16 * 1024 * 1024, &modules, NULL) >= 0 && strstr(modules, file);
}

int probe_id_maps(const Probe *probe, const char *word _unused_, char **ret) {
        IdRange range = { .users = true, .groups = true, .host = 0, .container = 0, .count = 1 };
        _cleanup_close_ int mount_fd = -EBADF, userns_fd = -EBADF;
        int r;

        if (say(ret, probe->data_path) < 0)
                return -ENOMEM;
        mount_fd = mount_clone(probe->data_fd, "");
        if (mount_fd < 0)
                return mount_fd;
        userns_fd = namespaces_for_mount(&range, 1, 0, UINT32_MAX);
        if (userns_fd < 0)
                return userns_fd;
        r = mount_map_ids(mount_fd, userns_fd);
        return r == -EINVAL || r == -EOPNOTSUPP ? 0 : r < 0 ? r : 1;
}

int probe_reflink(const Probe *probe, const char *word _unused_, char **ret) {
        _cleanup_close_ int from_fd = -EBADF, to_fd = -EBADF;
        static const char data[4096];

        if (say(ret, probe->data_path) < 0)
                return -ENOMEM;
        from_fd = openat(probe->data_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        to_fd = openat(probe->data_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (from_fd < 0 || to_fd < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        if (write(from_fd, data, sizeof(data)) != sizeof(data))
                return -EIO;
        if (ioctl(to_fd, FICLONE, from_fd) == 0)
                return 1;
        return errno == EOPNOTSUPP || errno == EINVAL || errno == ENOTTY ? 0 : -errno;
}

int probe_project_quota(const Probe *probe, const char *word _unused_, char **ret) {
        _cleanup_close_ int fd = openat(probe->data_fd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (say(ret, probe->data_path) < 0)
                return -ENOMEM;
        return layer_quota_in_force(fd >= 0 ? fd : probe->data_fd);
}

/* Asks the kernel for the number of its rule set, which changes nothing; its module comes by itself. */
int probe_nftables(const Probe *probe _unused_, const char *word _unused_, char **ret _unused_) {
        struct {
                struct nlmsghdr header;
                struct nfgenmsg message;
        } request = { .header = { .nlmsg_len = sizeof(request),
                                  .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
                                  .nlmsg_flags = NLM_F_REQUEST } };
        struct nlmsghdr answer[128];
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        ssize_t n;

        if (fd < 0)
                return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? 0 : -errno;
        if (send(fd, &request, sizeof(request), 0) < 0)
                return -errno;
        n = recv(fd, answer, sizeof(answer), 0);
        if (n < (ssize_t) sizeof(answer[0]))
                return n < 0 ? -errno : -EBADMSG;
        return answer[0].nlmsg_type != NLMSG_ERROR;
}

int probe_program(const Probe *probe _unused_, const char *word, char **ret) {
        static const char *const places[] = { "/usr/sbin",      "/usr/bin", "/usr/local/sbin",
                                              "/usr/local/bin", "/sbin",    "/bin" };

        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
                char path[128];

                snprintf(path, sizeof(path), "%s/%s", places[i], word);
                if (access(path, X_OK) == 0)
                        return say(ret, path) < 0 ? -ENOMEM : 1;
        }
        return 0;
}

int probe_bus_name(const Probe *probe, const char *word, char **ret _unused_) {
        return probe->bus ? bus_has_name(probe->bus, word) : -ENOTCONN;
}

int probe_unit(const Probe *probe, const char *word, char **ret _unused_) {
        _cleanup_unit_status_ UnitStatus status = {};
        int r = bus_get_unit(probe->bus, word, &status);

        return r < 0 ? r : unit_status_busy(&status);
}

int probe_no_firewall(const Probe *probe, const char *word _unused_, char **ret) {
        static const char *const units[] = { "firewalld.service",
                                             "ufw.service",
                                             "nftables.service",
                                             "docker.service",
                                             "netfilter-persistent.service",
                                             "iptables.service" };
        char text[256] = "";

        if (!probe->bus)
                return -ENOTCONN;
        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
                _cleanup_unit_status_ UnitStatus status = {};
                size_t n = strlen(text);

                if (bus_get_unit(probe->bus, units[i], &status) >= 0 && unit_status_busy(&status))
                        snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "", units[i]);
        }
        return *text ? (say(ret, text) < 0 ? -ENOMEM : 0) : 1;
}

/* proc_net_tcp: "0: 00000000:0016 00000000:0000 0A", 0A being LISTEN; an address of noughts is every one. */
static void add_ports(const char *file, const char *any, char *text, size_t size) {
        _cleanup_free_ char *table = NULL;
        char *rest, *line;

        if (read_file_at(AT_FDCWD, file, 16 * 1024 * 1024, &table, NULL) < 0)
                return;
        for (rest = table; (line = strsep(&rest, "\n"));) {
                char address[40], word[16];
                unsigned port, state;
                size_t n = strlen(text);

                if (sscanf(line, " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", address, &port, &state) != 3 ||
                    state != 0x0a || !streq(address, any))
                        continue;
                snprintf(word, sizeof(word), " %u ", port);
                if (!strstr(text, word) && n + sizeof(word) < size)
                        snprintf(text + n, size - n, "%s%u ", n > 0 ? "" : " ", port);
        }
}

int probe_no_open_ports(const Probe *probe _unused_, const char *word _unused_, char **ret) {
        char text[512] = "";

        add_ports("/proc/net/tcp", "00000000", text, sizeof(text));
        add_ports("/proc/net/tcp6", "00000000000000000000000000000000", text, sizeof(text));
        if (!*text)
                return 1;
        text[strlen(text) - 1] = '\0';
        return say(ret, text + 1) < 0 ? -ENOMEM : 0;
}
