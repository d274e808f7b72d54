/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/store.h"

#include <ctype.h>
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

/* Writes the dictionary's key. number < 0: that of the head, which holds the count. */
static void make_key(char ret[static KEY_MAX], const char *section, const char *key, int number) {
        int n;

        if (number < 0)
                n = snprintf(ret, KEY_MAX, "%s:%s", section, key);
        else
                n = snprintf(ret, KEY_MAX, "%s:%s:%d", section, key, number);
        assert(n > 0 && n < KEY_MAX); /* names come from our own tables, never from a manifest */
        for (char *p = ret; *p; p++)
                *p = (char) tolower((unsigned char) *p);
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
