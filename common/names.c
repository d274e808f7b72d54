/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/names.h"

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define LETTERS LOWER UPPER DIGITS

/* Is all of s, n bytes, one part of a name? Its first byte is a letter or digit. */
static bool part_valid(const char *s, size_t n, const char *others, size_t max) {
        return n > 0 && n <= max && ascii_alnum(s[0]) && span_alnum(s, others) >= n;
}

bool name_valid(const char *name, bool template_ok) {
        const char *at = strchr(name, '@');
        size_t n = at ? (size_t) (at - name) : strlen(name);

        if (!part_valid(name, n, "-", NAME_LENGTH_MAX))
                return false;
        if (!at)
                return true;
        if (at[1] == '\0')
                return template_ok;
        /* NAME-INSTANCE is the machine's name, and 64 is the most that machined and the kernel take. */
        return strlen(name) <= NAME_LENGTH_MAX && part_valid(at + 1, strlen(at + 1), "-", NAME_LENGTH_MAX);
}

bool name_reserved(const char *name) {
        size_t n = strcspn(name, "@");

        if (startswith(name, "berth-") || startswith(name, "systemd-"))
                return true;
        return (n == 5 && startswith(name, "berth")) || (n == 4 && startswith(name, "dbus")) ||
               (n == 4 && startswith(name, "init"));
}

void name_suggest(const char *name, char ret[static NAME_LENGTH_MAX + 1]) {
        size_t n = 0;

        for (; *name && n < NAME_LENGTH_MAX; name++) {
                if (strchr(LETTERS, *name))
                        ret[n++] = *name;
                else if (n > 0 && ret[n - 1] != '-')
                        ret[n++] = '-';
        }
        while (n > 0 && ret[n - 1] == '-')
                n--;
        ret[n] = '\0';
        if (name_reserved(ret) && n + 4 <= NAME_LENGTH_MAX) {
                memmove(ret + 3, ret, n + 1);
                memcpy(ret, "my-", 3);
        }
}

void name_to_machine(const char *name, char ret[static NAME_LENGTH_MAX + 1]) {
        char *at;

        assert(strlen(name) <= NAME_LENGTH_MAX);
        strcpy(ret, name);
        at = strchr(ret, '@');
        if (at)
                *at = '-';
}

bool image_id_valid(const char *id) {
        size_t n = strlen(id);

        return n > 0 && n <= 128 && strchr(LOWER DIGITS, id[0]) && strspn(id, LOWER DIGITS "._-") == n;
}

bool image_is_disk(const char *image) {
        return endswith(image, ".raw") || endswith(image, ".squashfs") || endswith(image, ".erofs");
}

bool volume_name_valid(const char *name) {
        return part_valid(name, strlen(name), "._-", 128);
}
