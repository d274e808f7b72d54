/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/store.h"

#include <iniparser/dictionary.h>

#define KEY_MAX 256

/* A key that was set. Kept beside the dictionary, which takes long to say that it has no such key. */
typedef struct Head {
        unsigned hash;
        int count; /* of the values that hold */
        char *name;
} Head;

struct Store {
        dictionary *values;
        unsigned n; /* all that was ever added */
        Head *heads;
        size_t n_heads;
        uint64_t maybe[4]; /* a bit for each key that was set: nearly all questions are about others */
        unsigned total;    /* what is in the parts too */
        Store **parts; /* of sections with a number, by that; the bits for what they have are here as well */
        size_t n_parts;
};

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        if (s->values)
                dictionary_del(s->values);
        for (size_t i = 0; i < s->n_heads; i++)
                free(s->heads[i].name);
        free(s->heads);
        for (size_t i = 0; i < s->n_parts; i++)
                store_free(s->parts[i]);
        free(s->parts);
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

/* The store that has what is in a section, or NULL. */
static const Store *find_part(const Store *s, const char *section) {
        const char *number = strchr(section, ' ');
        size_t i;

        if (!number)
                return s;
        i = strtoul(number + 1, NULL, 10);
        return i < s->n_parts ? s->parts[i] : NULL;
}

/* The same, made where it is missing. */
static int make_part(Store *s, const char *section, Store **ret) {
        const char *number = strchr(section, ' ');
        Store **grown;
        size_t i;

        if (!number) {
                *ret = s;
                return 0;
        }
        i = strtoul(number + 1, NULL, 10);
        if (i >= s->n_parts) {
                grown = reallocarray(s->parts, i + 1, sizeof(Store *));
                if (!grown)
                        return -ENOMEM;
                memset(grown + s->n_parts, 0, (i + 1 - s->n_parts) * sizeof(Store *));
                s->parts = grown;
                s->n_parts = i + 1;
        }
        if (!s->parts[i] && store_new(&s->parts[i]) < 0)
                return -ENOMEM;
        *ret = s->parts[i];
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

/* Writes the dictionary's key. By hand, since this is most of what the store does. */
static void make_key(char ret[static KEY_MAX], const char *section, const char *key, unsigned number) {
        char digits[DIGITS_MAX], *end = ret + KEY_MAX - 1, *at = append_lower(ret, end, section);

        at = append_lower(at, end, ":");
        at = append_lower(at, end, key);
        at = append_lower(at, end, ":");
        at = append_lower(at, end, format_number(number, digits));
        assert(at < end); /* names come from our own tables, never from a manifest */
        *at = '\0';
}

/* Tells most names apart, and quickly. Upper and lower case need not be one here, since names come from one table. */
static unsigned bit_of(const char *section, const char *key) {
        const unsigned char *s = (const unsigned char *) section, *k = (const unsigned char *) key;

        return (s[0] * 5U + k[0] * 37U + k[1] * 11U + (k[1] != '\0' ? k[2] * 3U : 0)) % 256;
}

static bool maybe_set(const Store *s, unsigned bit) {
        return s->maybe[bit / 64] >> bit % 64 & 1;
}

static void note_maybe(Store *s, unsigned bit) {
        s->maybe[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* The same for those that are left. */
static unsigned hash_of(const char *section, size_t n, const char *key, size_t k) {
        assert(n > 0 && k > 0);
        return (unsigned) n << 26 ^ (unsigned) k << 20 ^ (unsigned char) section[0] << 16 ^
               (unsigned char) section[n - 1] << 10 ^ (unsigned char) key[0] << 5 ^
               (unsigned char) key[k - 1] ^ (unsigned char) key[k / 2] << 13;
}

static Head *find_head(const Store *s, const char *section, const char *key) {
        size_t n, k;
        unsigned hash;

        if (!maybe_set(s, bit_of(section, key)))
                return NULL;
        n = strlen(section);
        k = strlen(key);
        hash = hash_of(section, n, key, k);
        for (size_t i = 0; i < s->n_heads; i++) {
                Head *h = &s->heads[i];

                if (h->hash == hash && strncmp(h->name, section, n) == 0 && h->name[n] == ':' &&
                    streq(h->name + n + 1, key))
                        return h;
        }
        return NULL;
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

static int set_head(Store *s, const char *section, const char *key, int count) {
        Head *head = find_head(s, section, key), *grown = s->heads;
        size_t n = strlen(section), k = strlen(key);
        char *name;

        if (head) {
                head->count = count;
                return 0;
        }
        if ((s->n_heads & (s->n_heads + 1)) == 0) /* room is the power of two above n */
                grown = reallocarray(s->heads, (s->n_heads + 1) * 2, sizeof(Head));
        if (!grown)
                return -ENOMEM;
        s->heads = grown;
        name = malloc(n + k + 2);
        if (!name)
                return -ENOMEM;
        memcpy(name, section, n);
        name[n] = ':';
        memcpy(name + n + 1, key, k + 1);
        s->heads[s->n_heads++] = (Head){ hash_of(section, n, key, k), count, name };
        note_maybe(s, bit_of(section, key));
        return 0;
}

int store_add(Store *s, const char *section, const char *key, const char *text, unsigned line,
              unsigned column) {
        _cleanup_free_ char *value = NULL;
        char name[KEY_MAX];
        Head *head;
        Store *part;
        int count;

        if (make_part(s, section, &part) < 0)
                return -ENOMEM;
        if (part->n >= STORE_VALUES_MAX || s->total >= STORE_TOTAL_MAX)
                return -E2BIG;
        head = find_head(part, section, key);
        count = head ? head->count : 0;
        if (make_value(text, line, column, &value) < 0)
                return -ENOMEM;
        make_key(name, section, key, (unsigned) count);
        if (dictionary_set(part->values, name, value) != 0)
                return -ENOMEM;
        part->n++;
        s->total++;
        note_maybe(s, bit_of(section, key));
        return set_head(part, section, key, count + 1);
}

int store_reset(Store *s, const char *section, const char *key, unsigned line, unsigned column) {
        _cleanup_free_ char *value = NULL;
        char name[KEY_MAX];
        Store *part;

        /* Values already there stay, unseen: the count says how many hold. Number 0 keeps the place. */
        if (make_part(s, section, &part) < 0 || make_value("", line, column, &value) < 0)
                return -ENOMEM;
        make_key(name, section, key, 0);
        if (dictionary_set(part->values, name, value) != 0)
                return -ENOMEM;
        note_maybe(s, bit_of(section, key));
        return set_head(part, section, key, 0);
}

/* The value of that number, which is there. */
static const char *get_value(const Store *s, const char *section, const char *key, unsigned number) {
        const char *value;
        char name[KEY_MAX];

        make_key(name, section, key, number);
        value = dictionary_get(find_part(s, section)->values, name, NULL);
        assert(value);
        return value;
}

unsigned store_place(const Store *s, const char *section, const char *key) {
        if (store_count(s, section, key) == -ENOENT)
                return 0;
        return (unsigned) strtoul(get_value(s, section, key, 0), NULL, 10);
}

int store_count(const Store *s, const char *section, const char *key) {
        const Store *part = maybe_set(s, bit_of(section, key)) ? find_part(s, section) : NULL;
        const Head *head = part ? find_head(part, section, key) : NULL;

        return head ? head->count : -ENOENT;
}

/* Takes a number and the colon behind it, as make_value() wrote them. */
static unsigned take_number(const char **s) {
        unsigned v = 0;

        for (; **s != ':'; ++*s)
                v = v * 10 + (unsigned) (**s - '0');
        ++*s;
        return v;
}

bool store_get(const Store *s, const char *section, const char *key, unsigned number, StoreValue *ret) {
        const char *value;

        if (store_count(s, section, key) <= (int) number)
                return false;
        value = get_value(s, section, key, number);
        ret->line = take_number(&value);
        ret->column = take_number(&value);
        ret->text = value;
        return true;
}

const char *store_text(const Store *s, const char *section, const char *key) {
        StoreValue v;

        return store_get(s, section, key, 0, &v) ? v.text : NULL;
}
