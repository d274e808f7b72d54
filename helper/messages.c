/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/messages.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "common/fs.h"
#include "common/log.h"

#define TEXT_MAX (1024 * 1024)

int messages_begin(Messages *ret) {
        Messages messages = MESSAGES_NONE;
        int r;

        messages.file_fd = memfd_create("messages", MFD_CLOEXEC);
        if (messages.file_fd < 0)
                return -errno;
        messages.stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (messages.stderr_fd < 0 || dup2(messages.file_fd, STDERR_FILENO) < 0) {
                r = -errno;
                close_fd(messages.file_fd);
                close_fd(messages.stderr_fd);
                return r;
        }
        *ret = messages;
        return 0;
}

void messages_pause(const Messages *messages) {
        if (messages->file_fd >= 0)
                (void) dup2(messages->stderr_fd, STDERR_FILENO);
}

void messages_resume(const Messages *messages) {
        if (messages->file_fd >= 0)
                (void) dup2(messages->file_fd, STDERR_FILENO);
}

void messages_end(Messages *messages, char **ret_error) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;

        if (ret_error)
                *ret_error = NULL;
        if (messages->file_fd < 0)
                return;
        messages_pause(messages);
        messages->stderr_fd = close_fd(messages->stderr_fd);
        if (lseek(messages->file_fd, 0, SEEK_SET) == 0)
                (void) read_fd(messages->file_fd, TEXT_MAX, &text, NULL);
        messages->file_fd = close_fd(messages->file_fd);
        for (rest = text; (line = strsep(&rest, "\n"));) {
                int level;

                /* as log.c writes it where standard error is no terminal: "<3>text" */
                if (line[0] != '<' || line[1] < '0' || line[1] > '7' || line[2] != '>')
                        continue;
                level = line[1] - '0';
                (void) log_full(level, 0, "%s", line + 3);
                if (level <= LOG_ERR && ret_error && !*ret_error)
                        *ret_error = strdup(line + 3);
        }
}
