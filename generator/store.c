/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/store.h"

#include <iniparser/dictionary.h>
#include <stdio.h>

#define KEY_MAX 256

struct Store {
        dictionary *values;
        unsigned n; /* all that was ever added */
};

Store *store_free(Store *s) {
        if (s && s->values)
                dictionary_del(s->values);
        free(s);
        return NULL;
}

int store_new(Store **ret) {
        _cleanup_store_ Store *s = NULL;

        s = calloc(1, sizeof(Store));
        if (!s)
                return -ENOMEM;
        s->values = dictionary_new(0);
        if (!s->values)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

static char *append_lower(char *at, const char *end, const char *s) {
        for (; *s && at < end; s++)
                *at++ = (char) (*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
        return at;
}

/* Writes the dictionary's key. number < 0: that of the head, which holds the count. By hand: it is most of what
 * the store does. */
static void make_key(char ret[static KEY_MAX], const char *section, const char *key, int number) {
        char digits[16], *end = ret + KEY_MAX - 1, *at = append_lower(ret, end, section);
        size_t n = sizeof(digits);

        at = append_lower(at, end, ":");
        at = append_lower(at, end, key);
        if (number >= 0) {
                digits[--n] = '\0';
                do
                        digits[--n] = (char) ('0' + number % 10);
                while ((number /= 10) > 0);
                at = append_lower(at, end, ":");
                at = append_lower(at, end, digits + n);
        }
        assert(at < end); /* names come from our own tables, never from a manifest */
        *at = '\0';
}

static int set_head(Store *s, const char *section, const char *key, unsigned count) {
        char name[KEY_MAX], text[16];

        make_key(name, section, key, -1);
        snprintf(text, sizeof(text), "%u", count);
        return dictionary_set(s->values, name, text) == 0 ? 0 : -ENOMEM;
}

int store_add(Store *s, const char *section, const char *key, const char *text, unsigned line,
              unsigned column) {
        _cleanup_free_ char *value = NULL;
        int count = MAX(store_count(s, section, key), 0);
        char name[KEY_MAX];

        if (s->n >= STORE_VALUES_MAX)
                return -E2BIG;
        if (asprintf(&value, "%u:%u:%s", line, column, text) < 0)
                return -ENOMEM;
        make_key(name, section, key, count);
        if (dictionary_set(s->values, name, value) != 0)
                return -ENOMEM;
        s->n++;
        return set_head(s, section, key, (unsigned) count + 1);
}

int store_reset(Store *s, const char *section, const char *key, unsigned line, unsigned column) {
        _cleanup_free_ char *value = NULL;
        char name[KEY_MAX];

        /* Values already there stay, unseen: the count says how many hold. Number 0 keeps the place. */
        if (asprintf(&value, "%u:%u:", line, column) < 0)
                return -ENOMEM;
        make_key(name, section, key, 0);
        if (dictionary_set(s->values, name, value) != 0)
                return -ENOMEM;
        return set_head(s, section, key, 0);
}

int store_count(const Store *s, const char *section, const char *key) {
        const char *count;
        char name[KEY_MAX];

        make_key(name, section, key, -1);
        count = dictionary_get(s->values, name, NULL);
        return count ? atoi(count) : -ENOENT; /* written by set_head() */
}

bool store_get(const Store *s, const char *section, const char *key, unsigned number, StoreValue *ret) {
        const char *value;
        char name[KEY_MAX], *end;

        if (store_count(s, section, key) <= (int) number)
                return false;
        make_key(name, section, key, (int) number);
        value = dictionary_get(s->values, name, NULL);
        assert(value);
        ret->line = (unsigned) strtoul(value, &end, 10);
        ret->column = (unsigned) strtoul(end + 1, &end, 10);
        ret->text = end + 1;
        return true;
}

const char *store_text(const Store *s, const char *section, const char *key) {
        StoreValue v;

        return store_get(s, section, key, 0, &v) ? v.text : NULL;
}
