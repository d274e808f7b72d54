/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/secrets.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/mount.h"

#define SECRET_MAX (1024 * 1024) /* systemd.exec(5): 1M, of all of them together */

static void wipe(Secret *secret) {
        if (secret->data)
                explicit_bzero(secret->data, secret->size);
        free(secret->data);
        secret->data = NULL;
}

void secrets_done(Secrets *secrets) {
        secrets_forget(secrets);
        free(secrets->list);
        close_fd(secrets->fd);
        *secrets = SECRETS_NONE;
}

int secrets_add(Secrets *secrets, const char *text) {
        size_t n = span_alnum(text, "._-");
        const char *variable = text[n] == '\0' ? NULL : startswith(text + n, ":env=");
        Secret *grown;

        if (n == 0 || text[0] == '.' || n > NAME_MAX || (text[n] != '\0' && !variable))
                return -EINVAL;
        if (variable && (*variable == '\0' || (*variable >= '0' && *variable <= '9') ||
                         variable[span_alnum(variable, "_")] != '\0'))
                return -EINVAL;
        grown = reallocarray(secrets->list, secrets->n + 1, sizeof(Secret));
        if (!grown)
                return -ENOMEM;
        secrets->list = grown;
        grown[secrets->n++] = (Secret){ .name = text, .variable = variable };
        return 0;
}

/* The name ends where ":env=" begins; the text is an argument and stays as it is. */
static void name_of(const Secret *secret, char ret[static NAME_MAX + 1]) {
        snprintf(ret, NAME_MAX + 1, "%.*s", (int) strcspn(secret->name, ":"), secret->name);
}

/* In one piece: a buffer that grows leaves what was in it behind. */
static int read_all(Secret *secret, int fd, size_t size) {
        if (size > SECRET_MAX)
                return -EFBIG;
        secret->data = malloc(size + 1);
        if (!secret->data)
                return -ENOMEM;
        while (secret->size < size) {
                ssize_t n = read(fd, secret->data + secret->size, size - secret->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO; /* shorter than it was */
                secret->size += (size_t) n;
        }
        return 0;
}

static int read_one(Secret *secret, int dir_fd) {
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_MAX + 1];
        struct stat st;
        int r;

        name_of(secret, name);
        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return log_error_errno(ENOENT,
                                       "secret '%s': systemd has passed none of that name; put it into "
                                       "/etc/credstore/%s, or set LoadCredential=%s:PATH in [Service]",
                                       name, name, name);
        if (fd < 0)
                return log_error_errno(errno, "secret '%s': cannot be opened: %m", name);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return log_error_errno(EINVAL, "secret '%s': is not a file", name);
        r = read_all(secret, fd, (size_t) st.st_size);
        return r < 0 ? log_error_errno(r, "secret '%s': cannot be read: %m", name) : 0;
}

/* Never to a disk where the kernel can promise it (since 6.4). */
static int make_tmpfs(size_t n) {
        char inodes[48], size[48];
        const char *options[] = { "mode=0500", size, inodes, "noswap", NULL };
        const uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        int fd;

        snprintf(inodes, sizeof(inodes), "nr_inodes=%zu", n + 2);
        snprintf(size, sizeof(size), "size=%zu", (n + 1) * (size_t) SECRET_MAX);
        fd = mount_new("tmpfs", options, attributes);
        if (fd == -EINVAL) {
                options[3] = NULL;
                fd = mount_new("tmpfs", options, attributes);
        }
        return fd;
}

int secrets_read(Secrets *secrets) {
        const char *path = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_close_ int dir_fd = -EBADF;

        if (secrets->n == 0)
                return 0;
        dir_fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        if (path && dir_fd < 0)
                return log_error_errno(errno, "'%s', where systemd has put the secrets: %m", path);
        for (size_t i = 0; i < secrets->n; i++) {
                int r = read_one(&secrets->list[i], dir_fd);

                if (r < 0)
                        return r;
        }
        secrets->fd = make_tmpfs(secrets->n);
        return secrets->fd < 0 ? log_error_errno(secrets->fd, "cannot make a tmpfs for secrets: %m") : 0;
}

/* Not by printf(3), whose buffers grow. */
static char *make_word(const char *variable, const char *data, size_t size) {
        size_t n = strlen(variable);
        char *word = malloc(n + 1 + size + 1);

        if (!word)
                return NULL;
        memcpy(word, variable, n);
        word[n] = '=';
        memcpy(word + n + 1, data, size);
        word[n + 1 + size] = '\0';
        return word;
}

int secrets_set(const Secrets *secrets, char ***env) {
        for (size_t i = 0; i < secrets->n; i++) {
                const Secret *secret = &secrets->list[i];
                size_t size = secret->size;
                char *word;
                int r;

                if (!secret->variable)
                        continue;
                if (memchr(secret->data, '\0', size))
                        return log_error_errno(
                                        EINVAL,
                                        "secret '%.*s': holds a NUL byte, which no variable can; leave ':env=%s' out",
                                        (int) strcspn(secret->name, ":"), secret->name, secret->variable);
                if (size > 0 && secret->data[size - 1] == '\n')
                        size--; /* an editor's */
                word = make_word(secret->variable, secret->data, size);
                r = word ? strv_env_set(env, word) : -ENOMEM;
                if (word)
                        explicit_bzero(word, strlen(word));
                free(word);
                if (r < 0)
                        return log_oom();
        }
        return 0;
}

void secrets_forget(Secrets *secrets) {
        for (size_t i = 0; i < secrets->n; i++)
                wipe(&secrets->list[i]);
}

static int fill_one(const Secrets *secrets, const Secret *secret, uid_t uid, gid_t gid) {
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_MAX + 1];

        name_of(secret, name);
        fd = openat(secrets->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
        if (fd < 0)
                return errno == EEXIST ? 0 : -errno; /* one that two variables hold */
        if (fchown(fd, uid, gid) < 0)
                return -errno;
        return write_fd(fd, secret->data, secret->size);
}

int secrets_fill(Secrets *secrets, uid_t uid, gid_t gid) {
        int r = 0;

        if (secrets->n == 0)
                return 0;
        for (size_t i = 0; r >= 0 && i < secrets->n; i++)
                r = fill_one(secrets, &secrets->list[i], uid, gid);
        if (r >= 0 && fchownat(secrets->fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                r = -errno;
        if (r >= 0)
                r = mount_set(secrets->fd, MOUNT_ATTR_RDONLY);
        secrets_forget(secrets);
        return r < 0 ? log_error_errno(r, "cannot give the secrets to the container: %m") : 0;
}
