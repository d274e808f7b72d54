/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gate-print: polkit's file of actions, and the tables of the manual page, out of the table of the gate's verbs. It runs
 * while Berth is built. */

#include <ctype.h>
#include <stdio.h>

#include "helper/gate/gate-verbs.h"
#include "helper/verbs/verbs.h"

static void print_action(const GateVerb *row) {
        _cleanup_free_ char *action = gate_verb_action(row);
        const char *help = gate_verb_help(row);

        printf("\n        <action id=\"%s\">\n"
               "                <description>%s</description>\n"
               "                <message>Authentication is required to %c%s.</message>\n"
               "                <defaults>\n"
               "                        <allow_any>auth_admin</allow_any>\n"
               "                        <allow_inactive>auth_admin</allow_inactive>\n"
               "                        <allow_active>%s</allow_active>\n"
               "                </defaults>\n"
               "        </action>\n",
               action, help, tolower(help[0]), help + 1, row->active ? "yes" : "auth_admin");
}

static void print_actions(void) {
        puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<!DOCTYPE policyconfig PUBLIC \"-//freedesktop//DTD polkit Policy Configuration 1.0//EN\"\n"
             "        \"https://www.freedesktop.org/software/polkit/policyconfig-1.dtd\">\n"
             "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n"
             "<!-- What users who are not root may do with containers; an action for each verb of berth-gate(8). -->\n"
             "<policyconfig>");
        for (const GateVerb *row = gate_verbs; row->name; row++)
                if (!row->root && !row->open)
                        print_action(row);
        puts("</policyconfig>");
}

static uint64_t options_of(const Verb *verb, const char *subverb) {
        for (const Subverb *s = verb->subverbs; subverb && s && s->name; s++)
                if (streq(s->name, subverb))
                        return s->options;
        return UINT64_MAX;
}

/* Another row of the same verb is what takes it. */
static bool taken(const GateVerb *row, uint64_t bit) {
        for (const GateVerb *other = gate_verbs; other->name; other++)
                if (other != row && streq(other->name, row->name) && (other->with & bit))
                        return true;
        return false;
}

/* A row of the table: the words, the action, and which options are for root. */
static void print_row(const GateVerb *row) {
        _cleanup_free_ char *action = gate_verb_action(row);
        const Verb *verb = verb_find(row->name);
        uint64_t all = options_of(verb, row->subverb);
        const char *before = "";

        printf("|  *%s%s%s", row->name, row->subverb ? " " : "", row->subverb ? row->subverb : "");
        if (row->with)
                printf(" --%s", verb->options[__builtin_ctzll(row->with)].name);
        if (streq(row->operands, "is") || streq(row->operands, "si"))
                printf(row->operands[0] == 'i' ? "* _NAME_:_SOURCE_ _TARGET_"
                                               : "* _SOURCE_ _NAME_:_TARGET_");
        else
                printf("*");
        printf("\n:  %s\n:  ", action);
        for (unsigned i = 0; verb->options && i < 64 && verb->options[i].name; i++)
                if ((all & (UINT64_C(1) << i)) && !(row->options & (UINT64_C(1) << i)) &&
                    !taken(row, UINT64_C(1) << i)) {
                        printf("%s*--%s*", before, verb->options[i].name);
                        before = ", ";
                }
        puts("");
}

static void print_rows(void) {
        puts("[[ *Verb*\n:< *Action*\n:< *For root alone*");
        for (const GateVerb *row = gate_verbs; row->name; row++)
                if (!row->root && !row->open)
                        print_row(row);
}

/* Those for which there is the same reason stand together. */
static void print_reasons(void) {
        for (const GateVerb *row = gate_verbs; row->name; row++) {
                if (!row->root || (row > gate_verbs && row[-1].root && streq(row[-1].root, row->root)))
                        continue;
                for (const GateVerb *same = row; same->root && streq(same->root, row->root); same++)
                        printf("%s*%s*", same == row ? "" : ", ", same->name);
                printf("\n\t%c%s.\n", toupper(row->root[0]), row->root + 1);
        }
}

/* What stands in the template, with the tables in the place of "@VERBS@" and "@REASONS@". */
static int print_page(const char *template) {
        FILE *f = fopen(template, "re");
        char line[4096];

        if (!f) {
                fprintf(stderr, "gate-print: %s: %s\n", template, strerror(errno));
                return 1;
        }
        while (fgets(line, sizeof(line), f))
                if (streq(line, "@VERBS@\n"))
                        print_rows();
                else if (streq(line, "@REASONS@\n"))
                        print_reasons();
                else
                        fputs(line, stdout);
        fclose(f);
        return 0;
}

int main(int argc, char *argv[]) {
        if (argc == 3 && streq(argv[1], "--page"))
                return print_page(argv[2]);
        print_actions();
        return 0;
}
