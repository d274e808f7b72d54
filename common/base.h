/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The words every file speaks: owners that clean up after themselves, hand-over of ownership, and lengths.
 * Header only, libc only. */

#define _cleanup_(f)       __attribute__((__cleanup__(f)))
#define _printf_(fmt, arg) __attribute__((__format__(__printf__, fmt, arg)))
#define _unused_           __attribute__((__unused__))
#define _warn_unused_      __attribute__((__warn_unused_result__))

/* Refuses a pointer, so that it cannot answer 8 for a char *. */
#define ARRAY_LEN(a)                                                                               \
        (sizeof(a) / sizeof((a)[0]) +                                                              \
         0 * sizeof(struct {                                                                       \
                 _Static_assert(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])), \
                                "ARRAY_LEN needs an array");                                       \
                 int unused;                                                                       \
         }))

/* Hands a local owner's value on, so that its cleanup finds nothing to free. */
#define TAKE_PTR(p)                                      \
        ({                                               \
                __typeof__(p) *_take_from = &(p);        \
                __typeof__(p) _take_value = *_take_from; \
                *_take_from = NULL;                      \
                _take_value;                             \
        })
#define TAKE_FD(fd)                            \
        ({                                     \
                int *_take_from = &(fd);       \
                int _take_value = *_take_from; \
                *_take_from = -EBADF;          \
                _take_value;                   \
        })

/* Of ASCII, whatever the locale. */
static inline bool ascii_alnum(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* How many bytes at s are ASCII letters, digits or one of others. As strspn(3), which makes a table of so long a
 * set at each call. */
static inline size_t span_alnum(const char *s, const char *others) {
        size_t n = 0;

        while (ascii_alnum(s[n]) || (s[n] != '\0' && strchr(others, s[n])))
                n++;
        return n;
}

/* What is taken is evaluated twice: no call goes in here that does something, or gives another value next time. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Closes fd and returns -EBADF, keeping errno. Negative values are "no descriptor"; a stale one is our bug. */
static inline int close_fd(int fd) {
        int saved = errno;

        if (fd >= 0 && close(fd) < 0)
                assert(errno != EBADF);
        errno = saved;
        return -EBADF;
}

static inline void close_fdp(int *fd) {
        *fd = close_fd(*fd);
}

static inline void freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_free_  _cleanup_(freep)

/* Declares a cleanup for TYPE * whose destructor FUNC takes NULL as well. */
#define DEFINE_CLEANUP(type, func)             \
        static inline void func##p(type **p) { \
                func(*p);                      \
                *p = NULL;                     \
        }

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* Returns what follows prefix in s, or NULL. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* Returns where suffix begins in s, or NULL. */
static inline const char *endswith(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && streq(s + n - m, suffix) ? s + n - m : NULL;
}
