/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/numbers.h"

struct NumbersSlot {
        uint64_t number;
        char *value;
        bool used;
};

void numbers_done(Numbers *numbers) {
        for (size_t i = 0; i < numbers->room; i++)
                free(numbers->slots[i].value);
        free(numbers->slots);
        *numbers = (Numbers){};
}

/* The mixing step of splitmix64: inode numbers come in rows, slots should not. */
static uint64_t mix(uint64_t x) {
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        return x ^ (x >> 31);
}

/* The slot of number, or the free one where it would stand. There is always a free one. */
static struct NumbersSlot *find(struct NumbersSlot *slots, size_t room, uint64_t number) {
        size_t i = mix(number) & (room - 1);

        while (slots[i].used && slots[i].number != number)
                i = (i + 1) & (room - 1);
        return &slots[i];
}

static int grow(Numbers *numbers) {
        size_t room = numbers->room > 0 ? numbers->room * 2 : 64;
        struct NumbersSlot *slots = calloc(room, sizeof(struct NumbersSlot));

        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < numbers->room; i++)
                if (numbers->slots[i].used)
                        *find(slots, room, numbers->slots[i].number) = numbers->slots[i];
        free(numbers->slots);
        numbers->slots = slots;
        numbers->room = room;
        return 0;
}

static int put(Numbers *numbers, uint64_t number, const char *value, bool replace) {
        struct NumbersSlot *slot;
        char *copy = NULL;

        if (numbers->n + numbers->n / 2 >= numbers->room && grow(numbers) < 0)
                return -ENOMEM;
        slot = find(numbers->slots, numbers->room, number);
        if (slot->used && !replace)
                return 0;
        if (value && !(copy = strdup(value)))
                return -ENOMEM;
        numbers->n += !slot->used;
        free(slot->value);
        *slot = (struct NumbersSlot){ .number = number, .value = copy, .used = true };
        return 0;
}

int numbers_add(Numbers *numbers, uint64_t number, const char *value) {
        return put(numbers, number, value, /* replace= */ false);
}

int numbers_set(Numbers *numbers, uint64_t number, const char *value) {
        return put(numbers, number, value, /* replace= */ true);
}

bool numbers_contains(const Numbers *numbers, uint64_t number) {
        return numbers->room > 0 && find(numbers->slots, numbers->room, number)->used;
}

const char *numbers_get(const Numbers *numbers, uint64_t number) {
        return numbers->room > 0 ? find(numbers->slots, numbers->room, number)->value : NULL;
}

uint64_t numbers_of_inode(dev_t device, ino_t inode) {
        const uint64_t both[2] = { device, inode };

        return numbers_hash((const char *) both, sizeof(both));
}

uint64_t numbers_hash(const char *s, size_t n) {
        uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ n;

        while (n >= sizeof(uint64_t)) {
                uint64_t part;

                memcpy(&part, s, sizeof(part));
                hash = mix(hash ^ part);
                s += sizeof(part);
                n -= sizeof(part);
        }
        if (n > 0) {
                uint64_t part = 0;

                memcpy(&part, s, n);
                hash = mix(hash ^ part ^ (UINT64_C(1) << 63));
        }
        return hash;
}
