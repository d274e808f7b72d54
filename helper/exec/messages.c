/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/messages.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"

#define TEXT_MAX (1024 * 1024)

enum { OF_FILE, OF_STDERR };

/* Has standard error lead to fd. Each line that goes to the journal has its level in front, and to the file too, which
 * is made to look like it. */
static void lead_to(const Messages *messages, int fd, unsigned which) {
        if (messages->file_fd < 0)
                return;
        (void) dup2(fd, STDERR_FILENO);
        if (messages->journal[which])
                (void) setenv("JOURNAL_STREAM", messages->journal[which], 1);
        else
                (void) unsetenv("JOURNAL_STREAM");
}

void messages_pause(const Messages *messages) {
        lead_to(messages, messages->stderr_fd, OF_STDERR);
}

void messages_resume(const Messages *messages) {
        lead_to(messages, messages->file_fd, OF_FILE);
}

static void messages_done(Messages *messages) {
        messages->file_fd = close_fd(messages->file_fd);
        messages->stderr_fd = close_fd(messages->stderr_fd);
        for (size_t i = 0; i < ARRAY_LEN(messages->journal); i++)
                freep(&messages->journal[i]);
        *messages = MESSAGES_NONE;
}

int messages_begin(Messages *ret) {
        _cleanup_(messages_done) Messages messages = MESSAGES_NONE;
        const char *journal = getenv("JOURNAL_STREAM");
        struct stat st;

        messages.file_fd = memfd_create("messages", MFD_CLOEXEC);
        if (messages.file_fd < 0 || fstat(messages.file_fd, &st) < 0)
                return -errno;
        messages.stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (messages.stderr_fd < 0)
                return -errno;
        if (asprintf(&messages.journal[OF_FILE], "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino) <
                            0 ||
            (journal && !(messages.journal[OF_STDERR] = strdup(journal))))
                return -ENOMEM;
        messages_resume(&messages);
        *ret = messages;
        messages = MESSAGES_NONE;
        return 0;
}

void messages_end(Messages *messages, char **ret_error) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;

        if (ret_error)
                *ret_error = NULL;
        if (messages->file_fd < 0)
                return;
        messages_pause(messages);
        if (lseek(messages->file_fd, 0, SEEK_SET) == 0)
                (void) read_fd(messages->file_fd, TEXT_MAX, &text, NULL);
        messages_done(messages);
        for (rest = text; (line = strsep(&rest, "\n"));) {
                /* as log.c writes it for the journal: "<3>text"; a program of ours that writes plain lines writes
                 * errors */
                bool own = line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>';
                int level = own ? line[1] - '0' : LOG_ERR;

                line += own ? 3 : 0;
                if (*line == '\0')
                        continue;
                (void) log_full(level, 0, "%s", line);
                if (level <= LOG_ERR && ret_error && !*ret_error)
                        *ret_error = strdup(line);
        }
}
