/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/names.h"
#include "common/strv.h"

#define FILE_NAME     "variables"
#define FILE_SIZE_MAX (1024 * 1024)

static int open_directory(const char *name) {
        char path[sizeof(BERTH_CONTAINER_DIR) + NAME_LENGTH_MAX + 1];
        int fd;

        assert(name_valid(name, false));
        snprintf(path, sizeof(path), "%s/%s", BERTH_CONTAINER_DIR, name);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int load(int dir_fd, char ***env) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = read_file_at(dir_fd, FILE_NAME, FILE_SIZE_MAX, &text, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (size > 0 && text[size - 1] != '\0')
                return -EBADMSG;
        for (const char *p = text; p < text + size; p += strlen(p) + 1) {
                if (!strchr(p, '='))
                        return -EBADMSG;
                r = strv_env_set(env, p);
                if (r < 0)
                        return r;
        }
        return 0;
}

int kept_load(const char *name, char ***env) {
        _cleanup_close_ int fd = open_directory(name);

        return fd < 0 ? fd : load(fd, env);
}

static void forget(char **env, const char *name) {
        size_t n = strlen(name), to = 0;

        for (size_t i = 0; env && env[i]; i++)
                if (strncmp(env[i], name, n) == 0 && env[i][n] == '=')
                        free(env[i]);
                else
                        env[to++] = env[i];
        if (env)
                env[to] = NULL;
}

int kept_change(const char *name, char *const *set, char *const *unset) {
        _cleanup_close_ int fd = open_directory(name);
        _cleanup_strv_ char **env = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX) < 0) /* of the directory: the file is replaced */
                return -errno;
        r = load(fd, &env);
        for (; r >= 0 && set && *set; set++)
                r = strv_env_set(&env, *set);
        if (r < 0)
                return r;
        for (; unset && *unset; unset++)
                forget(env, *unset);
        for (size_t i = 0; env && env[i]; i++)
                size += strlen(env[i]) + 1;
        if (size > FILE_SIZE_MAX)
                return -E2BIG;
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0, at = 0; env && env[i]; at += strlen(env[i]) + 1, i++)
                strcpy(text + at, env[i]);
        return write_file_at(fd, FILE_NAME, text, size, 0600);
}
