/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/sockets.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/launch/streams.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */
#define N_MAX 1024

static int check(int fd) {
        int flags = fcntl(fd, F_GETFL), r;
        struct stat st;

        if (flags < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "systemd says that it has passed descriptor %d, but: %m", fd);
        /* OpenFile= of systemd.service(5) opens directories too: from one the host's root is not far */
        if (S_ISDIR(st.st_mode))
                return log_error_errno(
                                EISDIR,
                                "systemd has passed a directory (descriptor %d), which would be a way out of "
                                "the container; mount it",
                                fd);
        /* what OpenFile= opens to be read could be opened anew, by whom it belongs to */
        r = S_ISREG(st.st_mode) && st.st_nlink > 0 && (flags & O_ACCMODE) == O_RDONLY
                            ? stream_make_read_only(fd)
                            : 0;
        if (r < 0)
                return log_error_errno(
                                r,
                                "the file of descriptor %d cannot be made read-only for the container: %m",
                                fd);
        return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int sockets_take(Sockets *ret) {
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        Sockets sockets = { .names = getenv("LISTEN_FDNAMES") };
        uint32_t value;

        if (!pid || !n || parse_uint32(pid, &value) < 0 || value != (uint32_t) getpid() ||
            parse_uint32(n, &value) < 0 || value == 0)
                return log_error_errno(
                                ENOENT,
                                "systemd has passed no sockets; start the socket unit, then the service");
        if (value > N_MAX)
                return log_error_errno(E2BIG, "systemd has passed %u sockets, more than %d", value, N_MAX);
        sockets.n = value;
        for (unsigned i = 0; i < sockets.n; i++) {
                int r = check(FIRST + (int) i);

                if (r < 0)
                        return r;
        }
        *ret = sockets;
        return 0;
}

int sockets_give(const Sockets *sockets, char ***env) {
        _cleanup_strv_ char **words = NULL;
        int r = 0;

        if (sockets->n == 0)
                return 0;
        for (unsigned i = 0; i < sockets->n; i++)
                if (fcntl(FIRST + (int) i, F_SETFD, 0) < 0)
                        return -errno;
        r = strv_appendf(&words, "LISTEN_PID=%d", getpid()); /* as the container counts */
        if (r >= 0)
                r = strv_appendf(&words, "LISTEN_FDS=%u", sockets->n);
        if (r >= 0 && sockets->names)
                r = strv_appendf(&words, "LISTEN_FDNAMES=%s", sockets->names);
        for (size_t i = 0; r >= 0 && words[i]; i++)
                r = strv_env_set(env, words[i]);
        return r;
}
