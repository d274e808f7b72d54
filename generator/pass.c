/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/pass.h"

#include "common/names.h"
#include "generator/policy.h"
#include "generator/specifier.h"
#include "generator/unit.h"

int pass_manifest_exists(const Pass *p, const char *name) {
        _cleanup_free_ char *sample = NULL, *template = NULL;
        const char *instance = strchr(name, '@');
        size_t n = instance ? (size_t) (instance - name) : strlen(name);
        int r;

        if (!specifier_check(name, NULL) || memchr(name, '%', n))
                return 0;
        r = specifier_sample(name, &sample);
        if (r < 0)
                return r;
        if (!name_valid(sample, true))
                return 0;
        if (p->world->manifest_exists(p->world->data, name))
                return 1;
        if (!instance || instance[1] == '\0')
                return 0;
        template = strndup(name, n + 1);
        return !template ? -ENOMEM : p->world->manifest_exists(p->world->data, template);
}

/* Adds a word of a list of units, of n bytes: "db.berth" becomes "db.service". 0 or -ENOMEM. */
static int add_reference(Pass *p, const char *directive, const char *word, const StoreValue *at,
                         Text *line) {
        const char *suffix = endswith(word, ".berth");
        _cleanup_free_ char *name = NULL;
        int r;

        if (!suffix) {
                text_addf(line, "%s%s", line->size > 0 ? " " : "", word);
                return 0;
        }
        name = strndup(word, (size_t) (suffix - word));
        if (!name)
                return -ENOMEM;
        r = pass_manifest_exists(p, name);
        if (r < 0)
                return r;
        if (r > 0)
                text_addf(line, "%s%s.service", line->size > 0 ? " " : "", name);
        else
                diag_error(&p->m->diags, at->line, at->column,
                           "%s= names '%s', but there is no such manifest; add it, or name a unit",
                           directive, DIAG_CLIP(word));
        return 0;
}

/* Passes a list of units on. Only one that names a manifest is written anew; in others nothing is touched, since
 * systemd keeps the backslashes of unit names. */
static int pass_references(Pass *p, const char *directive, const char *value, const StoreValue *at) {
        _cleanup_text_ Text line = { 0 };
        _cleanup_free_ char *text = NULL;
        int r;

        if (!strstr(value, ".berth"))
                return unit_line(p->text, directive, value);
        if (strpbrk(value, "\"'")) {
                diag_error(&p->m->diags, at->line, at->column,
                           "%s= has quotes beside a manifest; names of units and "
                           "manifests need none",
                           directive);
                return 0;
        }
        for (const char *s = value + strspn(value, " \t"); *s; s += strspn(s, " \t")) {
                _cleanup_free_ char *word = strndup(s, strcspn(s, " \t"));

                if (!word)
                        return -ENOMEM;
                r = add_reference(p, directive, word, at, &line);
                if (r < 0)
                        return r;
                s += strlen(word);
        }
        if (line.size == 0 && !line.failed)
                return 0;
        r = text_take(&line, &text, NULL);
        return r < 0 ? r : unit_line(p->text, directive, text);
}

/* Is a directive emptied from there on? */
static bool emptied(const Pass *p, const char *section, const char *directive, unsigned from) {
        size_t n = strlen(directive);
        StoreValue v;

        for (; store_get(p->m->store, section, "*", from, &v); from++)
                if (strncmp(v.text, directive, n) == 0 && v.text[n] == '=' && v.text[n + 1] == '\0')
                        return true;
        return false;
}

/* systemd takes an empty assignment of dependencies for none at all (systemd.unit(5)), so that here what it empties is
 * left out. */
static bool emptied_here(const Pass *p, const char *directive, unsigned from) {
        return (policy_references(directive) || streq(directive, "RequiresMountsFor")) &&
               emptied(p, "Unit", directive, from);
}

/* r as unit_line() has it. 0 or -ENOMEM. */
static int complain(Pass *p, const char *directive, int r, const StoreValue *at) {
        if (r < 0 && r != -ENOMEM)
                diag_error(&p->m->diags, at->line, at->column,
                           "%s= makes a line that systemd does not read; shorten it", directive);
        return r == -ENOMEM ? r : 0;
}

int pass_commands(Pass *p, const char *directive) {
        size_t n = strlen(directive);
        StoreValue v;
        int r = 0;

        for (unsigned i = 0; r >= 0 && store_get(p->m->store, "Service", "*", i, &v); i++)
                if (strncmp(v.text, directive, n) == 0 && v.text[n] == '=' &&
                    !emptied(p, "Service", directive, i))
                        r = complain(p, directive, unit_line(p->text, directive, v.text + n + 1), &v);
        return r;
}

int pass_section(Pass *p, const char *section, const char *but) {
        StoreValue v;

        for (unsigned i = 0; store_get(p->m->store, section, "*", i, &v); i++) {
                size_t n = strcspn(v.text, "=");
                _cleanup_free_ char *directive = strndup(v.text, n);
                int r;

                if (!directive)
                        return -ENOMEM;
                if ((but && streq(directive, but)) ||
                    (streq(section, "Unit") && emptied_here(p, directive, i)))
                        continue;
                /* Newer than 252, which warns of it at every reload; the link is what counts. */
                if (streq(section, "Install") && streq(directive, "UpheldBy"))
                        continue;
                if (streq(section, "Unit") && policy_references(directive))
                        r = pass_references(p, directive, v.text + n + 1, &v);
                else
                        r = unit_line(p->text, directive, v.text + n + 1);
                r = complain(p, directive, r, &v);
                if (r < 0)
                        return r;
        }
        return 0;
}

void pass_name(Text *t, const Manifest *m, const char *before, const char *after) {
        text_add(t, before);
        text_add(t, m->name);
        text_add(t, endswith(m->name, "@") ? "%i" : "");
        text_add(t, after);
}

int pass_head(Pass *p, const char *description) {
        text_add(p->text, "# Written by berth-generator from ");
        text_add(p->text, p->m->path);
        text_add(p->text, ". Edit that file, then run: systemctl daemon-reload\n");
        for (size_t i = 1; p->m->diags.files[i]; i++)
                text_addf(p->text, "# with %s\n", p->m->diags.files[i]);
        unit_section(p->text, "Unit");
        if (description) {
                pass_name(p->text, p->m, "Description=", description);
                text_add(p->text, "\n");
        }
        return unit_literal(p->text, "SourcePath", p->m->path);
}
