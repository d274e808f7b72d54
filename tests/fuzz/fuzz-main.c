/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replays the files of directories through a fuzz target: what makes every input that was ever of interest a
 * normal test, with any compiler. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fs.h"
#include "tests/fuzz/fuzz.h"

static int replay(const char *path) {
        struct dirent **entries;
        int n = scandir(path, &entries, NULL, alphasort), done = 0;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (n < 0 || fd < 0)
                return -1;
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *data = NULL;
                size_t size;

                if (entries[i]->d_name[0] != '.' &&
                    read_file_at(fd, entries[i]->d_name, 64 << 20, &data, &size) >= 0) {
                        LLVMFuzzerTestOneInput((const uint8_t *) data, size);
                        done++;
                }
                free(entries[i]);
        }
        free(entries);
        close_fd(fd);
        return done;
}

int main(int argc, char *argv[]) {
        for (int i = 1; i < argc; i++) {
                int n = replay(argv[i]);

                printf("%s: %d inputs\n", argv[i], n);
                if (n <= 0)
                        return 1;
        }
        return argc < 2;
}
