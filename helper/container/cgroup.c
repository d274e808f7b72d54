/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/directory.h"
#include "common/fs.h"
#include "helper/container/mount.h"

/* A process in an uninterruptible sleep can outlast KILL for as long as its disk does. */
#define KILLED_MS   30000
#define LAUNCHER_MS 10000

int cgroup_open_mount(void) {
        /* systemd's two layouts: unified, and "hybrid" with the controllers elsewhere */
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
                int fd = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

                if (fd >= 0 && mount_is(fd, CGROUP2_SUPER_MAGIC))
                        return fd;
                close_fd(fd);
        }
        return -EMEDIUMTYPE;
}

static int read_path(const char *file, char **ret) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(AT_FDCWD, file, 65536, &text, NULL);
        if (r < 0)
                return r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                const char *path = startswith(line, "0::");

                if (path)
                        return (*ret = strdup(path)) ? 0 : -ENOMEM;
        }
        return -EMEDIUMTYPE;
}

int cgroup_self(char **ret) {
        return read_path("/proc/self/cgroup", ret);
}

int cgroup_of(pid_t pid, char **ret) {
        char file[32];

        snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
        return read_path(file, ret);
}

int cgroup_open(const char *path) {
        _cleanup_close_ int mount_fd = -EBADF;
        int fd;

        mount_fd = cgroup_open_mount();
        if (mount_fd < 0)
                return mount_fd;
        path += strspn(path, "/");
        fd = openat(mount_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int cgroup_open_parent(const char *path) {
        const char *slash = path ? strrchr(path, '/') : NULL;
        _cleanup_free_ char *parent = NULL;

        if (!slash || path[0] != '/' || strstr(path, "/.."))
                return -EBADMSG;
        parent = strndup(path, (size_t) (slash - path));
        return parent ? cgroup_open(parent) : -ENOMEM;
}

static bool has_word(const char *text, const char *word) {
        size_t n = strlen(word);

        for (const char *p = text; *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
                if (strncmp(p, word, n) == 0 && strchr(" \n", p[n]))
                        return true;
        return false;
}

int cgroup_has_controller(int cgroup_fd, const char *name) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(cgroup_fd, "cgroup.controllers", 4096, &text, NULL);
        return r < 0 ? r : has_word(text, name);
}

int cgroup_make(int cgroup_fd, const char *name) {
        int fd;

        if (mkdirat(cgroup_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(cgroup_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

void cgroup_count_children(int cgroup_fd) {
        static const char *const controllers[] = { "+memory", "+pids", "+io" };

        const uint64_t deadline = monotonic_ms() + LAUNCHER_MS;

        /* Right after the start the launcher may still be there, which is in the way (EBUSY), and about to end. */
        for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
                while (write_string_at(cgroup_fd, "cgroup.subtree_control", controllers[i]) == -EBUSY &&
                       monotonic_ms() < deadline)
                        (void) usleep(5000);
}

/* The kernel announces the change of cgroup.events by POLLPRI (cgroups(7)). */
int cgroup_wait_empty(int cgroup_fd, uint64_t timeout_ms) {
        uint64_t deadline = monotonic_ms() + timeout_ms;
        _cleanup_close_ int fd = -EBADF;

        fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENODEV ? 1 : -errno;
        for (;;) {
                struct pollfd wait = { .fd = fd, .events = POLLPRI };
                uint64_t now = monotonic_ms();
                char text[128];
                ssize_t n;

                n = pread(fd, text, sizeof(text) - 1, 0);
                if (n < 0)
                        return errno == ENODEV ? 1 : -errno;
                text[n] = '\0';
                if (strstr(text, "populated 0"))
                        return 1;
                if (now >= deadline)
                        return 0;
                if (poll(&wait, 1, (int) (deadline - now)) < 0 && errno != EINTR)
                        return -errno;
        }
}

int cgroup_kill(int cgroup_fd) {
        int r = write_string_at(cgroup_fd, "cgroup.kill", "1");

        if (r < 0)
                return r == -ENOENT || r == -ENODEV ? 0 : r; /* removed: nothing was in it */
        r = cgroup_wait_empty(cgroup_fd, KILLED_MS);
        return r < 0 ? r : r == 0 ? -ETIME : 0;
}

int cgroup_remove(int cgroup_fd, const char *name) {
        char self[NAME_MAX + sizeof("../")];
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        snprintf(self, sizeof(self), "../%s", name);
        (void) unlinkat(cgroup_fd, CGROUP_PAYLOAD, AT_REMOVEDIR);
        if (unlinkat(cgroup_fd, self, AT_REMOVEDIR) == 0)
                return 0;
        r = directory_open(cgroup_fd, ".", 0, &dir);
        if (r < 0)
                return r;
        while (directory_next(dir, &entry) > 0)
                if (entry->d_type == DT_DIR)
                        (void) unlinkat(cgroup_fd, entry->d_name, AT_REMOVEDIR);
        return unlinkat(cgroup_fd, self, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* A file that one of the two does not have is of a controller that nobody asked for: systemd has enabled it for the
 * unit, we have not for its child. */
static int copy_setting(int from_fd, int to_fd, const char *file) {
        _cleanup_free_ char *value = NULL;
        int r;

        r = read_file_at(from_fd, file, 4096, &value, NULL);
        if (r >= 0)
                r = write_string_at(to_fd, file, value);
        return r == -ENOENT ? 0 : r;
}

int cgroup_delegate(int cgroup_fd, int child_fd, const char *aside, char *const controllers[]) {
        static const char *const settings[] = {
                "memory.max", "memory.high", "memory.swap.max", "cpu.max", "pids.max",
        };
        _cleanup_close_ int aside_fd = -EBADF;
        int r;

        aside_fd = cgroup_make(cgroup_fd, aside);
        if (aside_fd < 0)
                return aside_fd;
        r = write_string_at(aside_fd, "cgroup.procs", "0"); /* 0: the writer */
        if (r < 0)
                return r;
        for (size_t i = 0; controllers[i]; i++) {
                char enable[64];

                snprintf(enable, sizeof(enable), "+%s", controllers[i]);
                r = write_string_at(cgroup_fd, "cgroup.subtree_control", enable);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
                r = copy_setting(cgroup_fd, child_fd, settings[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}
