/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/text/hold.h"

#define SPOOL_DIR "/var/tmp" /* file-hierarchy(7): for what is large */

bool spool_needed(int fd) {
        struct stat st;

        return hold_for_user() || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
}

int spool_read(int fd, uint64_t max, const char *what) {
        _cleanup_close_ int spool_fd = open(SPOOL_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        const uint64_t most = max > UINT64_MAX / 4 ? UINT64_MAX : 2 * max + (UINT64_C(64) << 20);
        char data[65536];
        uint64_t size = 0;
        ssize_t n;
        int r;

        if (spool_fd < 0)
                return log_error_errno(errno, "cannot make a file in '%s': %m", SPOOL_DIR);
        while ((n = read(fd, data, sizeof(data))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return log_error_errno(errno, "%s cannot be read: %m", what);
                size += (uint64_t) n;
                if (size > most)
                        return log_error_errno(EFBIG, "%s is more than %llu bytes (--max-size=)", what,
                                               (unsigned long long) max);
                r = write_fd(spool_fd, data, (size_t) n);
                if (r < 0)
                        return log_error_errno(r, "cannot write to '%s': %m", SPOOL_DIR);
        }
        if (lseek(spool_fd, 0, SEEK_SET) < 0)
                return log_error_errno(errno, "cannot write to '%s': %m", SPOOL_DIR);
        return TAKE_FD(spool_fd);
}
