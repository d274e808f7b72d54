/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/environment.h"

#include <fcntl.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"

#define FILE_SIZE_MAX (1024 * 1024)

/* environ(7) wants no "=" in a name and POSIX (XBD 8.1) no digit first; blanks are a typo for sure. */
static bool key_valid(const char *line, size_t n) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
        static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";

        return n > 0 && strchr(letters, line[0]) && strspn(line, rest) >= n;
}

bool environment_name_valid(const char *assignment) {
        size_t n = strcspn(assignment, "=");

        return key_valid(assignment, n);
}

int environment_load(const char *path, char ***env) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        unsigned number = 0;
        size_t size;
        int r;

        r = read_file_at(AT_FDCWD, path, FILE_SIZE_MAX, &text, &size);
        if (r < 0)
                return log_error_errno(r, "cannot read environment file '%s': %m", path);
        if (strlen(text) != size)
                return log_error_errno(EINVAL, "%s: holds a NUL byte; an environment cannot", path);
        for (rest = text; (line = strsep(&rest, "\n"));) {
                size_t n = strcspn(line, "=");

                number++;
                if (line[0] == '\0' || line[0] == '#')
                        continue;
                if (line[n] != '=' || !key_valid(line, n))
                        return log_error_errno(EINVAL,
                                               "%s:%u: expected KEY=VALUE, or '#' first for a comment", path,
                                               number);
                if (strv_env_set(env, line) < 0)
                        return log_oom();
        }
        return 0;
}
