/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/specifier.h"

#include "generator/text.h"

#define SPECIFIERS      "aAbBCdEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY"
#define PATH_SPECIFIERS "CdEfhLsStTVyY"

bool specifier_check(const char *s, char *ret) {
        for (s = strchr(s, '%'); s; s = strchr(s + 2, '%'))
                if (s[1] == '\0' || !strchr(SPECIFIERS "%", s[1])) {
                        if (ret)
                                *ret = s[1];
                        return false;
                }
        return true;
}

bool specifier_present(const char *s) {
        for (s = strchr(s, '%'); s && s[1] != '\0'; s = strchr(s + 2, '%'))
                if (s[1] != '%')
                        return true;
        return false;
}

int specifier_fill(const char *s, const char *plain, char **ret) {
        _cleanup_text_ Text t = { 0 };

        for (;;) {
                size_t n = strcspn(s, "%");

                text_add_bytes(&t, s, n);
                s += n;
                if (*s == '\0')
                        return text_take(&t, ret, NULL);
                text_add(&t, s[1] == '%' ? "%" : strchr(PATH_SPECIFIERS, s[1]) ? "/x" : plain);
                s += 2;
        }
}

int specifier_sample(const char *s, char **ret) {
        return specifier_fill(s, "x", ret);
}

int specifier_expand(const char *s, const char *unit, char **ret) {
        _cleanup_text_ Text t = { 0 };
        size_t whole = (size_t) (strrchr(unit, '.') - unit), prefix = MIN(strcspn(unit, "@"), whole),
               dash = prefix;

        while (dash > 0 && unit[dash - 1] != '-')
                dash--;
        for (;;) {
                size_t n = strcspn(s, "%");

                text_add_bytes(&t, s, n);
                s += n;
                if (*s == '\0')
                        return text_take(&t, ret, NULL);
                if (s[1] == '%')
                        text_add(&t, "%");
                else if (s[1] == 'n')
                        text_add(&t, unit);
                else if (s[1] == 'N')
                        text_add_bytes(&t, unit, whole);
                else if (s[1] == 'p')
                        text_add_bytes(&t, unit, prefix);
                else if (s[1] == 'i')
                        text_add_bytes(&t, unit + MIN(prefix + 1, whole), whole - MIN(prefix + 1, whole));
                else if (s[1] == 'j')
                        text_add_bytes(&t, unit + dash, prefix - dash);
                else
                        return -EINVAL;
                s += 2;
        }
}

/* A part of a unit's name, which of ours holds no escape but the dash (systemd.unit(5)). */
static void add_part(Text *t, const char *s, size_t n, bool unescape) {
        for (size_t i = 0; i < n; i++)
                text_add_bytes(t, unescape && s[i] == '-' ? "/" : &s[i], 1);
}

int specifier_bind(const char *s, const char *unit, char **ret) {
        size_t whole = (size_t) (strrchr(unit, '.') - unit), prefix = MIN(strcspn(unit, "@"), whole),
               from = MIN(prefix + 1, whole), dash = prefix;
        bool template = prefix < whole && from == whole;
        _cleanup_text_ Text t = { 0 };

        while (dash > 0 && unit[dash - 1] != '-')
                dash--;
        for (;; s += 2) {
                size_t n = strcspn(s, "%");

                text_add_bytes(&t, s, n);
                s += n;
                if (*s == '\0')
                        return text_take(&t, ret, NULL);
                if ((s[1] == 'n' || s[1] == 'N')) {
                        text_add_bytes(&t, unit, whole);
                        text_add(&t, template ? "%i" : "");
                        text_add(&t, s[1] == 'n' ? unit + whole : "");
                } else if (s[1] == 'p' || s[1] == 'P')
                        add_part(&t, unit, prefix, s[1] == 'P');
                else if (s[1] == 'j' || s[1] == 'J')
                        add_part(&t, unit + dash, prefix - dash, s[1] == 'J');
                else if ((s[1] == 'i' || s[1] == 'I') && !template)
                        add_part(&t, unit + from, whole - from, s[1] == 'I');
                else
                        text_add_bytes(&t, s, 2);
        }
}
