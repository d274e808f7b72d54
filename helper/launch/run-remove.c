/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/run-remove.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/names.h"

#define CLIENT_LENGTH_MAX sizeof("client-2147483647")
#define RUN_PATH_MAX      (sizeof(RUN_DIR) + 1 + NAME_LENGTH_MAX + 1 + CLIENT_LENGTH_MAX)

/* Below RUN_DIR/NAME, until it is released. */
static void client_file(pid_t client, char ret[static CLIENT_LENGTH_MAX]) {
        snprintf(ret, CLIENT_LENGTH_MAX, "client-%d", client);
}

/* Below RUN_DIR, until it has its name. */
static void new_directory(pid_t client, char ret[static CLIENT_LENGTH_MAX]) {
        snprintf(ret, CLIENT_LENGTH_MAX, ".new-%d", client);
}

/* Who looks whose a name is, and then makes or removes something of it, is alone meanwhile. The directory is root's, so
 * nobody else can hold it. */
static int lock(int fd) {
        return flock(fd, LOCK_EX) < 0 ? -errno : 0;
}

bool run_exists(const char *name) {
        char path[sizeof(RUN_DIR) + NAME_LENGTH_MAX + 1];

        assert(name_valid(name, false));
        snprintf(path, sizeof(path), RUN_DIR "/%s", name);
        return access(path, F_OK) == 0;
}

/* Its kept layer and its volumes: nobody could ask for them again. */
static int forget(const char *name) {
        static const char *const kinds[] = { "layers", "volumes" };
        _cleanup_close_ int data_fd = open(BERTH_DATA_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = 0;

        if (data_fd < 0)
                return errno == ENOENT ? 0 : -errno;
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(kinds); i++) {
                _cleanup_close_ int fd = open_beneath(data_fd, kinds[i], O_RDONLY | O_DIRECTORY);

                r = fd == -ENOENT ? 0 : fd < 0 ? fd : remove_tree(fd, name);
        }
        return r;
}

int run_claim(const char *name, pid_t client) {
        _cleanup_close_ int root_fd = -EBADF, own_fd = -EBADF, lock_fd = -EBADF, fd = -EBADF;
        char file[CLIENT_LENGTH_MAX], new[CLIENT_LENGTH_MAX];
        int r;

        root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        own_fd = r = make_path(root_fd, &BERTH_RUNTIME_DIR[1], 0755);
        if (r >= 0)
                lock_fd = r = make_path(own_fd, "run", 0700);
        if (r >= 0)
                r = lock(lock_fd);
        if (r < 0)
                return r;
        /* Never without what says whose it is, wherever a kill comes. No container's name begins with a dot. */
        new_directory(client, new);
        if (mkdirat(lock_fd, new, 0700) < 0)
                return -errno;
        fd = open_beneath(lock_fd, new, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        client_file(client, file);
        r = write_file_at(fd, file, "", 0, 0600);
        if (r < 0)
                return r;
        if (renameat2(lock_fd, new, lock_fd, name, RENAME_NOREPLACE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void client_path(const char *name, pid_t client, char ret[static RUN_PATH_MAX]) {
        char file[CLIENT_LENGTH_MAX];

        client_file(client, file);
        snprintf(ret, RUN_PATH_MAX, RUN_DIR "/%s/%s", name, file);
}

int run_release(const char *name, pid_t client) {
        char path[RUN_PATH_MAX];

        client_path(name, client, path);
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

bool run_is_of(const char *name, pid_t client) {
        char path[RUN_PATH_MAX];

        client_path(name, client, path);
        return access(path, F_OK) == 0;
}

static int remove_all(int run_fd, const char *name) {
        char path[sizeof(RUN_UNIT_DIR) + NAME_LENGTH_MAX + sizeof(".service")];

        snprintf(path, sizeof(path), RUN_UNIT_DIR "/%s.service", name);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        return remove_tree(run_fd, name);
}

int run_remove(const char *name, pid_t client) {
        _cleanup_close_ int fd = -EBADF;
        char path[RUN_PATH_MAX];
        int r;

        fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (client > 0) {
                char new[CLIENT_LENGTH_MAX];

                new_directory(client, new);
                r = remove_tree(fd, new);
                if (r < 0)
                        return r;
        }
        if (client > 0 ? !run_is_of(name, client) : !run_exists(name))
                return 0;
        snprintf(path, sizeof(path), RUN_DIR "/%s/" RUN_FORGET, name);
        if (access(path, F_OK) == 0) { /* before the lock: it may take long */
                r = forget(name);
                if (r < 0)
                        return r;
        }
        r = lock(fd);
        if (r >= 0 && (client == 0 || run_is_of(name, client)))
                r = remove_all(fd, name);
        return r;
}
