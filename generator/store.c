/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/store.h"

#include <iniparser/dictionary.h>

#define KEY_MAX 256

struct Store {
        dictionary *values;
        unsigned n;        /* all that was ever added */
        uint64_t maybe[4]; /* a bit for each key that was set, by its hash: most questions are about others */
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

/* Writes v in decimal at the end of digits; returns where it begins. */
#define DIGITS_MAX 16
static char *format_number(unsigned v, char digits[static DIGITS_MAX]) {
        char *at = digits + DIGITS_MAX - 1;

        *at = '\0';
        do
                *--at = (char) ('0' + v % 10);
        while ((v /= 10) > 0);
        return at;
}

/* Writes the dictionary's key. number < 0: that of the head, which holds the count. By hand, since this is most
 * of what the store does. */
static void make_key(char ret[static KEY_MAX], const char *section, const char *key, int number) {
        char digits[DIGITS_MAX], *end = ret + KEY_MAX - 1, *at = append_lower(ret, end, section);

        at = append_lower(at, end, ":");
        at = append_lower(at, end, key);
        if (number >= 0) {
                at = append_lower(at, end, ":");
                at = append_lower(at, end, format_number((unsigned) number, digits));
        }
        assert(at < end); /* names come from our own tables, never from a manifest */
        *at = '\0';
}

/* The bit of a key. Upper and lower case need not be one here: the names come from one table. */
static unsigned bit_of(const char *section, const char *key) {
        unsigned h = 5381;

        for (; *section; section++)
                h = h * 33 + (unsigned char) *section;
        for (; *key; key++)
                h = h * 33 + (unsigned char) *key;
        return (h ^ h >> 8 ^ h >> 16) % 256;
}

/* "LINE:COLUMN:TEXT" */
static int make_value(const char *text, unsigned line, unsigned column, char **ret) {
        char digits[2][DIGITS_MAX],
                        *at[2] = { format_number(line, digits[0]), format_number(column, digits[1]) };
        size_t n = strlen(text), n0 = strlen(at[0]), n1 = strlen(at[1]);
        char *value = malloc(n0 + n1 + n + 3);

        if (!value)
                return -ENOMEM;
        memcpy(value, at[0], n0);
        value[n0] = ':';
        memcpy(value + n0 + 1, at[1], n1);
        value[n0 + 1 + n1] = ':';
        memcpy(value + n0 + n1 + 2, text, n + 1);
        *ret = value;
        return 0;
}

static int set_head(Store *s, const char *section, const char *key, unsigned count) {
        char name[KEY_MAX], text[DIGITS_MAX];

        make_key(name, section, key, -1);
        if (dictionary_set(s->values, name, format_number(count, text)) != 0)
                return -ENOMEM;
        s->maybe[bit_of(section, key) / 64] |= UINT64_C(1) << bit_of(section, key) % 64;
        return 0;
}

int store_add(Store *s, const char *section, const char *key, const char *text, unsigned line,
              unsigned column) {
        _cleanup_free_ char *value = NULL;
        int count = MAX(store_count(s, section, key), 0);
        char name[KEY_MAX];

        if (s->n >= STORE_VALUES_MAX)
                return -E2BIG;
        if (make_value(text, line, column, &value) < 0)
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
        if (make_value("", line, column, &value) < 0)
                return -ENOMEM;
        make_key(name, section, key, 0);
        if (dictionary_set(s->values, name, value) != 0)
                return -ENOMEM;
        return set_head(s, section, key, 0);
}

unsigned store_place(const Store *s, const char *section, const char *key) {
        const char *value;
        char name[KEY_MAX];

        if (store_count(s, section, key) == -ENOENT)
                return 0;
        make_key(name, section, key, 0);
        value = dictionary_get(s->values, name, NULL);
        assert(value);
        return (unsigned) strtoul(value, NULL, 10);
}

int store_count(const Store *s, const char *section, const char *key) {
        unsigned bit = bit_of(section, key);
        const char *count;
        char name[KEY_MAX];

        if (!(s->maybe[bit / 64] >> bit % 64 & 1))
                return -ENOENT;
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
