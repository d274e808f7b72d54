/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a manifest is made of, and its last test: our own reader. A line that excludes another or has no meaning beside
 * it is taken out again and told, so that what is written is what the generator takes. */

#include "generator/carry.h"

#include "generator/lint.h"
#include "generator/manifest.h"

#define ROUNDS_MAX 64 /* each takes a line out */

const char *carry_section(CarryOut out) {
        static const char *const names[_CARRY_OUT_MAX] = {
                [CARRY_UNIT] = "Unit",       [CARRY_CONTAINER] = "Container", [CARRY_MOUNTS] = "Mount",
                [CARRY_NETWORK] = "Network", [CARRY_LIMITS] = "Limits",       [CARRY_HEALTH] = "Health",
                [CARRY_SERVICE] = "Service", [CARRY_INSTALL] = "Install",
        };

        return names[out];
}

void carry_lines_done(CarryLines *lines) {
        for (size_t i = 0; i < lines->n; i++)
                free(lines->list[i].text);
        free(lines->list);
        *lines = (CarryLines){ 0 };
}

void carry_line(Carry *c, CarryOut out, const QuadletSetting *s, Text *text) {
        CarryLines *lines = &c->out[out];
        CarryLine line = { .s = s };

        if (text_take(text, &line.text, NULL) < 0) {
                c->failed = true;
                return;
        }
        if ((lines->n & (lines->n + 1)) == 0) {
                CarryLine *grown = reallocarray(lines->list, (lines->n + 1) * 2, sizeof(CarryLine));

                if (!grown) {
                        free(line.text);
                        c->failed = true;
                        return;
                }
                lines->list = grown;
        }
        lines->list[lines->n++] = line;
}

static bool empty(const CarryLines *lines) {
        for (size_t i = 0; i < lines->n; i++)
                if (lines->list[i].text)
                        return false;
        return true;
}

/* Adds the sections. If find is not 0, *ret_found is the line that the manifest's line of that number belongs to, or
 * the first of its section if it is the section's own, which *ret_section says. */
static void add_body(const Carry *c, Text *t, unsigned find, CarryLine **ret_found, CarryOut *ret_out,
                     bool *ret_section) {
        unsigned at = 0;

        for (CarryOut out = 0; out < _CARRY_OUT_MAX; out++) {
                const CarryLines *lines = &c->out[out];
                bool header = out != CARRY_MOUNTS, first = true;

                if (empty(lines))
                        continue;
                if (header)
                        text_addf(t, "\n[%s]\n", carry_section(out));
                at += header ? 2 : 0;
                for (size_t i = 0; i < lines->n; i++) {
                        CarryLine *line = &lines->list[i];
                        unsigned before = at;

                        if (!line->text)
                                continue;
                        text_add(t, header ? "" : "\n");
                        text_add(t, line->text);
                        at += !header;
                        for (const char *s = line->text; *s; s++)
                                at += *s == '\n';
                        if (ret_found && !*ret_found && find > 0 && find <= at && (find > before || first)) {
                                *ret_found = line;
                                *ret_out = out;
                                *ret_section = header && find <= before;
                        }
                        first = false;
                }
        }
}

static void drop(CarryLine *line) {
        free(line->text);
        line->text = NULL;
}

/* Takes the line of an error out, or all of a section that is wrong as a whole. */
static void take_out(Carry *c, unsigned number, const char *message) {
        _cleanup_text_ Text unused = { 0 };
        CarryLine *line = NULL;
        bool section = false;
        CarryOut out = 0;

        add_body(c, &unused, number, &line, &out, &section);
        if (!line) {
                carry_error(c, NULL, "the manifest would be wrong: %s", message);
                return;
        }
        carry_warning(c, line->s, "%s%s%s is not carried over: %s", section ? "[" : "",
                      section ? carry_section(out) : line->s->key, section ? "]" : "=", message);
        if (!section)
                drop(line);
        for (size_t i = 0; section && i < c->out[out].n; i++)
                drop(&c->out[out].list[i]);
}

/* What this version does not do yet. */
static void note_lint(Carry *c, Manifest *m) {
        size_t before = m->diags.n;

        lint_manifest(m);
        for (size_t i = 0; before < m->diags.n && i < m->diags.n; i++) {
                const Diag *d = &m->diags.list[i];
                _cleanup_text_ Text unused = { 0 };
                CarryLine *line = NULL;
                bool section = false;
                CarryOut out = 0;

                if (d->level == DIAG_WARNING) {
                        add_body(c, &unused, place_line(d->line), &line, &out, &section);
                        carry_note(c, line ? line->s : NULL, "%s", d->message);
                }
        }
}

/* One reading: 1 if something was taken out, 0 if all is well, -ENOMEM. */
static int check_once(Carry *c) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_free_ char *data = NULL;
        _cleanup_text_ Text t = { 0 };
        Fragment fragment = { .path = "the manifest" };
        int r;

        add_body(c, &t, 0, NULL, NULL, NULL);
        r = text_take(&t, &data, &fragment.size);
        if (r < 0)
                return r;
        fragment.data = data;
        r = manifest_init(&m, c->q->name, fragment.path);
        if (r >= 0)
                r = manifest_parse(&m, &fragment, 1);
        if (r < 0)
                return r;
        diags_sort(&m.diags);
        for (size_t i = m.diags.n; i > 0; i--) /* the last is the one that came too late */
                if (m.diags.list[i - 1].level == DIAG_ERROR) {
                        take_out(c, place_line(m.diags.list[i - 1].line), m.diags.list[i - 1].message);
                        return 1;
                }
        note_lint(c, &m);
        return m.diags.failed ? -ENOMEM : 0;
}

int carry_check(Carry *c) {
        int r = 1;

        for (unsigned i = 0; r > 0 && i < ROUNDS_MAX && c->findings->errors == 0; i++)
                r = check_once(c);
        if (r > 0 && c->findings->errors == 0)
                carry_error(c, NULL, "too much of it cannot be carried over; write the manifest anew");
        return r < 0 ? r : 0;
}

void carry_body(const Carry *c, Text *t) {
        add_body(c, t, 0, NULL, NULL, NULL);
}
