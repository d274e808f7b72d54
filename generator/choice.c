/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/choice.h"

#include "common/log.h"

void choice_done(Choice *c) {
        free(c->name);
        *c = (Choice){ 0 };
}

static int choose_file(const char *argument, const char *base, const char *suffix, Choice *ret) {
        Choice c = { .path = argument };

        if (access(argument, F_OK) < 0 && errno == ENOENT)
                return log_error_errno(ENOENT, "no manifest '%s'", argument);
        c.name = strndup(base, suffix ? (size_t) (suffix - base) : strlen(base));
        if (!c.name)
                return -ENOMEM;
        *ret = c;
        return 0;
}

int choice_make(const Set *set, const char *argument, Choice *ret) {
        const char *slash = strrchr(argument, '/'), *base = slash ? slash + 1 : argument,
                   *suffix = endswith(base, ".berth");
        Choice c = { 0 };

        if (slash || suffix)
                return choose_file(argument, base, suffix, ret);
        c.source = lookup_find(set_lookup(set), argument);
        if (!c.source)
                return log_error_errno(ENOENT, "no manifest '%s'; see berth check without arguments",
                                       argument);
        c.name = strdup(argument);
        if (!c.name)
                return -ENOMEM;
        *ret = c;
        return 0;
}

int choice_wanted(const Set *set, const Choice *c, char **reterr) {
        return c->source ? set_wanted(set, c->source, reterr) : set_name_wanted(set, c->name, reterr);
}
