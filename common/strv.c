/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/strv.h"

#include <stdarg.h>
#include <stdio.h>

char **strv_free(char **v) {
        for (size_t i = 0; v && v[i]; i++)
                free(v[i]);
        free(v);
        return NULL;
}

size_t strv_length(char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

bool strv_contains(char *const *v, const char *s) {
        for (size_t i = 0; v && v[i]; i++)
                if (streq(v[i], s))
                        return true;
        return false;
}

int strv_consume(char ***v, char *s) {
        size_t n = strv_length(*v);
        char **grown;

        if (!s)
                return -ENOMEM;
        /* Capacity is the power of two that holds the strings and the NULL: appending n strings then costs
         * O(n) reallocations' worth of copying, without a length to carry about. */
        if ((n & (n + 1)) == 0) {
                grown = reallocarray(*v, (n + 1) * 2, sizeof(char *));
                if (!grown) {
                        free(s);
                        return -ENOMEM;
                }
                *v = grown;
        }
        (*v)[n] = s;
        (*v)[n + 1] = NULL;
        return 0;
}

int strv_append(char ***v, const char *s) {
        return strv_consume(v, strdup(s));
}

int strv_appendf(char ***v, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : strv_consume(v, s);
}

int strv_copy(char *const *v, char ***ret) {
        _cleanup_strv_ char **copy = NULL;
        int r;

        for (size_t i = 0; v && v[i]; i++) {
                r = strv_append(&copy, v[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

int strv_env_set(char ***env, const char *assignment) {
        const char *eq = strchr(assignment, '=');
        size_t n;

        assert(eq);
        n = (size_t) (eq - assignment) + 1;
        for (size_t i = 0; *env && (*env)[i]; i++)
                if (strncmp((*env)[i], assignment, n) == 0) {
                        char *copy = strdup(assignment);

                        if (!copy)
                                return -ENOMEM;
                        free((*env)[i]);
                        (*env)[i] = copy;
                        return 0;
                }
        return strv_append(env, assignment);
}

const char *strv_env_get(char *const *env, const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; env && env[i]; i++)
                if (strncmp(env[i], name, n) == 0 && env[i][n] == '=')
                        return env[i] + n + 1;
        return NULL;
}
