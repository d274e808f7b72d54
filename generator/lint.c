/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/lint.h"

#include "common/unsupported.h"
#include "generator/proxies.h"

#define LINT_ROW(option, section, key, harmless, form, mend) { section, key, harmless, mend },

static const struct Row {
        const char *section, *key, *harmless, *mend;
} rows[] = { UNSUPPORTED_KEYS(LINT_ROW) };

/* Is value one of the harmless, between which '|' stands? */
static bool is_harmless(const char *harmless, const char *value) {
        size_t n = strlen(value);

        for (const char *s = harmless; *s; s += strcspn(s, "|"), s += *s == '|')
                if (strncmp(s, value, n) == 0 && (s[n] == '|' || s[n] == '\0'))
                        return true;
        return false;
}

/* Does a value of Publish= need nothing but proxies? */
static bool only_proxies(const char *value) {
        _cleanup_free_ char *copy = strdup(value);
        char *rest = copy, *word;

        while (copy && (word = strsep(&rest, " ")))
                if (!proxies_has(word))
                        return false;
        return copy != NULL;
}

/* Once for each key, at the first value that is meant. */
static void lint_unsupported(Manifest *m) {
        StoreValue v;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct Row *row = &rows[i];

                if (i > 0 && streq(rows[i - 1].key, row->key) && streq(rows[i - 1].section, row->section))
                        continue;
                for (unsigned j = 0; store_get(m->store, row->section, row->key, j, &v); j++) {
                        if (is_harmless(row->harmless, v.text) ||
                            (streq(row->key, "Publish") && only_proxies(v.text)))
                                continue;
                        diag_warning(&m->diags, v.line, 1,
                                     "%s= in [%s] is not supported yet: this version of Berth (" BERTH_VERSION
                                     ") refuses to start a container with it; %s",
                                     row->key, row->section, row->mend);
                        break;
                }
        }
}

static void lint_rights(Manifest *m) {
        const char *shared = store_text(m->store, "Container", "SharedRun"),
                   *users = store_text(m->store, "Container", "PrivateUsers"),
                   *pids = store_text(m->store, "Container", "PidNamespace");
        StoreValue v;

        if (shared && streq(shared, "yes") && store_get(m->store, "Container", "SharedRun", 0, &v))
                diag_warning(&m->diags, v.line, 1,
                             "SharedRun=yes equals access to the host: its buses and sockets obey whoever reaches "
                             "them");
        if (pids && streq(pids, "host") && store_get(m->store, "Container", "PidNamespace", 0, &v))
                diag_warning(&m->diags, v.line, 1,
                             "PidNamespace=host shows the container all processes of the host, with their command lines");
        for (unsigned i = 0; store_get(m->store, "Container", "Capability", i, &v); i++) {
                if (strstr(v.text, "CAP_SYS_ADMIN"))
                        diag_warning(&m->diags, v.line, 1,
                                     "Capability=CAP_SYS_ADMIN lets the container undo read-only mounts, "
                                     "ReadOnlyPaths= and InaccessiblePaths=");
                if (users && streq(users, "no") && strstr(v.text, "CAP_SYS_PTRACE"))
                        diag_warning(&m->diags, v.line, 1,
                                     "Capability=CAP_SYS_PTRACE with PrivateUsers=no equals access to the host: it lets "
                                     "the container look into berth exec, which holds files of the host");
        }
}

void lint_manifest(Manifest *m) {
        lint_unsupported(m);
        lint_rights(m);
        diags_sort(&m->diags);
}
