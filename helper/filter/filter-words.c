/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/log.h"
#include "common/parse.h"
#include "helper/filter/filter-groups.h"
#include "helper/filter/filter-source.h"

#define ERROR_MAX 4095 /* the kernel's MAX_ERRNO */

/* What becomes of a call; else an error number. */
#define ALLOW (-1)
#define KILL  (-2)

typedef struct Entry {
        int number;
        int action;
} Entry;

typedef struct Words {
        bool allow; /* what is listed is allowed, all else is not; else the other way round */
        Entry *entries;
        size_t n, room;
} Words;

static void words_done(Words *words) {
        free(words->entries);
}

int filter_parse_errno(const char *s, int *ret) {
        uint32_t value;

        if (parse_uint32(s, &value) >= 0) {
                *ret = (int) value;
                return value <= ERROR_MAX ? 0 : -EINVAL;
        }
        for (int i = 1; i < 134; i++)
                if (strerrorname_np(i) && streq(strerrorname_np(i), s)) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

static Entry *find(const Words *words, int number) {
        for (size_t i = 0; i < words->n; i++)
                if (words->entries[i].number == number)
                        return &words->entries[i];
        return NULL;
}

static int put(Words *words, int number, int action) {
        Entry *entry = find(words, number);

        if (entry) {
                entry->action = action;
                return 0;
        }
        if (words->n == words->room) {
                size_t room = words->room > 0 ? 2 * words->room : 256;

                entry = reallocarray(words->entries, room, sizeof(Entry));
                if (!entry)
                        return log_oom();
                words->entries = entry;
                words->room = room;
        }
        words->entries[words->n++] = (Entry){ number, action };
        return 0;
}

static void take_away(Words *words, int number) {
        Entry *entry = find(words, number);

        if (entry)
                *entry = words->entries[--words->n];
}

/* systemd.exec(5): what is of the kind of the first value is listed, what is of the other kind is taken from the list.
 * A call that an allowing filter refuses with an error of its own stays listed, with that. */
static int apply(Words *words, int number, bool inverted, int error) {
        if (!inverted)
                return words->allow ? put(words, number, ALLOW) : (take_away(words, number), 0);
        if (words->allow && error == KILL)
                return take_away(words, number), 0;
        return put(words, number, error);
}

/* Every number up to the last that we know, also those without a name of theirs in our tables. */
static int apply_known(Words *words, bool inverted, int error) {
        for (int number = 0; number <= FILTER_LAST_KNOWN; number++) {
                char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
                int r = name ? apply(words, number, inverted, error) : 0;

                free(name);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; filter_call_newer(i); i++) {
                int r = apply(words, filter_call_number(filter_call_newer(i)), inverted, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int apply_group(Words *words, const char *name, bool inverted, int error) {
        const FilterGroup *group = filter_group_find(name);
        _cleanup_free_ char *calls = NULL;
        char *rest, *word;
        int r = 0;

        if (streq(name, "@known"))
                return apply_known(words, inverted, error);
        if (!group)
                return log_error_errno(EINVAL,
                                       "SystemCallFilter=: there is no group '%s', see systemd.exec(5)",
                                       name);
        calls = rest = strdup(group->calls);
        if (!calls)
                return log_oom();
        while (r >= 0 && (word = strsep(&rest, " "))) {
                int number;

                if (word[0] == '@') {
                        r = apply_group(words, word, inverted, error);
                        continue;
                }
                number = filter_call_number(word);
                if (number !=
                    __NR_SCMP_ERROR) /* else it is newer than the library, and has its own number nowhere */
                        r = apply(words, number, inverted, error);
        }
        return r;
}

static int apply_word(Words *words, char *word, bool inverted) {
        char *colon = strchr(word, ':');
        int error = KILL, number;

        if (colon) {
                *colon = '\0';
                if (!inverted)
                        return log_error_errno(
                                        EINVAL,
                                        "SystemCallFilter=: '%s' is allowed, and so has no error ('%s'); write it "
                                        "in a line that begins with '~'",
                                        word, colon + 1);
                if (!streq(colon + 1, "kill") && filter_parse_errno(colon + 1, &error) < 0)
                        return log_error_errno(
                                        EINVAL,
                                        "SystemCallFilter=: '%s' behind '%s' is no error; write a name such as "
                                        "EPERM, a number up to %d, or kill",
                                        colon + 1, word, ERROR_MAX);
        }
        if (word[0] == '@')
                return apply_group(words, word, inverted, error);
        number = filter_call_number(word);
        return number == __NR_SCMP_ERROR
                               ? log_error_errno(EINVAL, "SystemCallFilter=: there is no system call '%s'",
                                                 word)
                               : apply(words, number, inverted, error);
}

static int add_entry(Build *filter, const Words *words, const Entry *entry) {
        uint32_t action = entry->action == ALLOW  ? SCMP_ACT_ALLOW
                          : entry->action == KILL ? SCMP_ACT_KILL_PROCESS
                                                  : SCMP_ACT_ERRNO((uint16_t) entry->action);
        int r;

        if (action == (words->allow ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW))
                return 0;
        r = build_add(filter, action, entry->number, NULL, 0);
        if (r == -EEXIST) {
                char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, entry->number);

                log_error("SystemCallFilter=: '%s' cannot have another error than 'socketcall', which is the same call "
                          "for 32-bit programs; give both the same, or name '@network-io' as a whole",
                          name ? name : "?");
                free(name);
        }
        return r;
}

/* A program that tries a new call first goes on without it if it does not exist; it cannot if it is killed. */
static int add_newer(Build *filter, const Words *words) {
        int r = 0;

        for (size_t i = 0; r >= 0 && words->allow && filter_call_newer(i); i++) {
                int number = filter_call_number(filter_call_newer(i));

                if (!find(words, number))
                        r = build_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, NULL, 0);
        }
        return r;
}

int filter_from_words(char *text, Build *build) {
        _cleanup_(words_done) Words words = {};
        bool first = true;
        char *line;
        int r;

        while ((line = strsep(&text, "\n"))) {
                bool inverted = line[0] == '~';
                char *rest = line + inverted, *word;

                if (*line == '\0')
                        continue;
                if (first) {
                        words.allow = !inverted;
                        r = words.allow ? apply_group(&words, "@default", false, KILL) : 0;
                        if (r < 0)
                                return r;
                        first = false;
                }
                while ((word = strsep(&rest, " ")))
                        if (*word && apply_word(&words, word, inverted) < 0)
                                return -EINVAL;
        }
        r = build_begin(build, words.allow ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW);
        for (size_t i = 0; r >= 0 && i < words.n; i++)
                r = add_entry(build, &words, &words.entries[i]);
        if (r >= 0)
                r = add_newer(build, &words);
        if (r < 0 && r != -EEXIST) /* which has been told */
                log_error_errno(r, "SystemCallFilter=: cannot be made a filter of: %m");
        return MIN(r, 0);
}
