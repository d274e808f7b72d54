/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/text/hold.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "common/fs.h"

void hold_begin(Hold *hold) {
        if (!hold_for_user())
                return;
        (void) fflush(stdout);
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
                _cleanup_close_ int memory_fd = memfd_create("berth-said", MFD_CLOEXEC),
                                    stream_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);

                if (memory_fd >= 0 && stream_fd >= 0 && dup2(memory_fd, fd) >= 0)
                        hold->streams[fd - STDOUT_FILENO] = TAKE_FD(stream_fd);
        }
}

static void say(int memory_fd, int stream_fd) {
        char data[4096];
        ssize_t n;

        if (lseek(memory_fd, 0, SEEK_SET) < 0)
                return;
        while ((n = read(memory_fd, data, sizeof(data))) > 0)
                if (write_fd(stream_fd, data, (size_t) n) < 0)
                        return;
}

void hold_end(Hold *hold) {
        (void) fflush(stdout);
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
                _cleanup_close_ int stream_fd = TAKE_FD(hold->streams[fd - STDOUT_FILENO]),
                                    memory_fd = -EBADF;

                if (stream_fd < 0)
                        continue;
                memory_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                (void) dup2(stream_fd, fd);
                say(memory_fd, fd);
        }
}
