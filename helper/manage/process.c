/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/parse.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"
#include "helper/text/printable.h"

#define FILE_MAX      (1024 * 1024) /* status has all supplementary groups, of which there can be 65536 */
#define NETWORK_MAX   (1024 * 1024)
#define CGROUP_DEPTH  64 /* systemd's own units go that deep at most; a container may nest on */
#define COMMAND_SHOWN 4096

/* A process that ends is ESRCH from its files, and ENOENT for those that are not yet open. */
static int read_file(int proc_fd, const char *file, char **ret) {
        int r = read_file_at(proc_fd, file, FILE_MAX, ret, NULL);

        return r == -ENOENT ? -ESRCH : r;
}

int process_read_status(int proc_fd, const char *key, char **ret) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file(proc_fd, "status", &text);
        if (r < 0)
                return r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                const char *value = startswith(line, key);

                if (value && *value == ':')
                        return (*ret = strdup(value + 1 + strspn(value + 1, " \t"))) ? 0 : -ENOMEM;
        }
        return -ENODATA;
}

/* Two lines of heading, then "  eth0: 123 ...". */
static bool has_interface(char *text) {
        char *line;

        while ((line = strsep(&text, "\n"))) {
                line += strspn(line, " ");
                if (strchr(line, ':') && !strchr(line, '|') && !startswith(line, "lo:"))
                        return true;
        }
        return false;
}

int process_read_network(int proc_fd, const char **ret) {
        _cleanup_free_ char *text = NULL;
        struct stat own, its;
        int r;

        if (stat("/proc/self/ns/net", &own) < 0)
                return -errno;
        if (fstatat(proc_fd, "ns/net", &its, 0) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        if (own.st_dev == its.st_dev && own.st_ino == its.st_ino) {
                *ret = "host";
                return 0;
        }
        r = read_file_at(proc_fd, "net/dev", NETWORK_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        *ret = has_interface(text) ? "private" : "none";
        return 0;
}

int process_read_ids(int proc_fd, ProcessIds *ret) {
        _cleanup_free_ char *pids = NULL, *uids = NULL;
        ProcessIds ids = {};
        int r;

        r = process_read_status(proc_fd, "NSpid", &pids);
        if (r >= 0)
                r = process_read_status(proc_fd, "Uid", &uids);
        if (r < 0)
                return r;
        for (char *rest = pids, *word; (word = strsep(&rest, "\t ")) && ids.n_pids < PROCESS_LEVELS_MAX;) {
                uint32_t number;

                if (parse_uint32(word, &number) >= 0)
                        ids.pids[ids.n_pids++] = (pid_t) number;
        }
        uids[strcspn(uids, "\t ")] = '\0';
        if (ids.n_pids == 0 || parse_uint32(uids, &ids.uid) < 0)
                return -EBADMSG;
        *ret = ids;
        return 0;
}

int process_read_figures(int proc_fd, ProcessFigures *ret) {
        _cleanup_free_ char *stat = NULL, *statm = NULL;
        uint64_t user, system, pages;
        const char *behind;
        int r;

        r = read_file(proc_fd, "stat", &stat);
        if (r >= 0)
                r = read_file(proc_fd, "statm", &statm);
        if (r < 0)
                return r;
        /* proc_pid_stat(5): the name, in parentheses, may hold anything; utime and stime are fields 14 and 15 */
        behind = strrchr(stat, ')');
        if (!behind ||
            sscanf(behind, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64, &user,
                   &system) != 2 ||
            sscanf(statm, "%*s %" SCNu64, &pages) != 1)
                return -EBADMSG;
        ret->cpu_usec = (user + system) * 1000000 / (uint64_t) sysconf(_SC_CLK_TCK);
        ret->memory_bytes = pages * (uint64_t) sysconf(_SC_PAGESIZE);
        return 0;
}

int process_read_command(int proc_fd, char **ret) {
        _cleanup_close_ int fd = openat(proc_fd, "cmdline", O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *name = NULL, *bracketed = NULL;
        char text[COMMAND_SHOWN];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        int r;

        if (n < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        while (n > 0 && text[n - 1] == '\0')
                n--;
        for (ssize_t i = 0; i < n; i++)
                if (text[i] == '\0')
                        text[i] = ' ';
        if (n > 0)
                return printable(text, (size_t) n, ret);
        r = read_file(proc_fd, "comm", &name);
        if (r < 0)
                return r;
        name[strcspn(name, "\n")] = '\0';
        return asprintf(&bracketed, "[%s]", name) < 0 ? -ENOMEM
                                                      : printable(bracketed, strlen(bracketed), ret);
}

int process_in_container(int proc_fd, const char *unit) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file(proc_fd, "cgroup", &text);
        if (r < 0)
                return r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                const char *own = startswith(line, "0::"), *below = own ? startswith(own, unit) : NULL;

                if (own)
                        return below &&
                               (startswith(below, "/" CGROUP_PAYLOAD "/") ||
                                streq(below, "/" CGROUP_PAYLOAD) || startswith(below, "/" ENTER_PREFIX));
        }
        return 0;
}

static int for_each_here(int cgroup_fd, int (*function)(int, pid_t, void *), void *userdata) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(cgroup_fd, "cgroup.procs", 16 * 1024 * 1024, &text, NULL);
        if (r < 0)
                return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                _cleanup_close_ int proc_fd = -EBADF;
                uint32_t pid;
                char path[32];

                if (parse_uint32(line, &pid) < 0 || pid == 0)
                        continue;
                snprintf(path, sizeof(path), "/proc/%u", pid);
                proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (proc_fd < 0)
                        continue;
                r = function(proc_fd, (pid_t) pid, userdata);
                if (r != 0 && r != -ESRCH)
                        return r;
        }
        return 0;
}

static int for_each(int cgroup_fd, unsigned depth, int (*function)(int, pid_t, void *), void *userdata) {
        int r = for_each_here(cgroup_fd, function, userdata);
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;

        if (r != 0 || depth == 0)
                return r;
        r = directory_open(cgroup_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                _cleanup_close_ int child_fd = -EBADF;

                if (entry->d_type != DT_DIR)
                        continue;
                child_fd = openat(cgroup_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (child_fd < 0)
                        continue;
                r = for_each(child_fd, depth - 1, function, userdata);
                if (r != 0)
                        return r;
        }
        return r == -ENOENT ? 0 : r; /* a control group that is removed has no processes */
}

int process_for_each(int cgroup_fd, int (*function)(int proc_fd, pid_t pid, void *userdata),
                     void *userdata) {
        return for_each(cgroup_fd, CGROUP_DEPTH, function, userdata);
}
