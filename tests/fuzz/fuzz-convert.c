/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of Quadlet to manifests. Input is files, each "NAME" and, behind the end of that line, its bytes; a byte 0x1e
 * between them. Whatever they hold: each container gives a manifest or an error; a manifest is one that our own reader
 * takes. */

#include <stdio.h>

#include "generator/carry.h"
#include "generator/translate.h"
#include "tests/fuzz/fuzz.h"

static bool exists(void *data _unused_, const char *name _unused_) {
        return true;
}

static bool foreign(void *data _unused_, const char *unit _unused_) {
        return false;
}

static const char *take(void *data _unused_, const char *alias _unused_, const char *name _unused_) {
        return NULL;
}

static const char *machine(void *data _unused_, const char *name _unused_) {
        return NULL;
}

/* Errors that a converted manifest may have: those that only its unit shows. */
static bool excused(const char *message) {
        static const char *const excuses[] = {
                "DefaultInstance= ", /* its length, with the name, is not looked at */
                "Alias= has '",      /* of a template, or what the system has */
                "longer than",       /* a unit's line, a word for the kernel */
        };

        for (size_t i = 0; i < ARRAY_LEN(excuses); i++)
                if (strstr(message, excuses[i]))
                        return true;
        return false;
}

static void check_manifest(const Quadlet *q, const char *text) {
        static const World world = { NULL, exists, foreign, take, machine, NULL };
        _cleanup_free_ char *copy = strdup(text);
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        Fragment fragment = { .path = "x.berth", .data = copy, .size = strlen(text) };

        assert(copy && name_valid(q->name, true) && !name_reserved(q->name));
        assert(manifest_init(&m, q->name, "x.berth") == 0);
        assert(manifest_parse(&m, &fragment, 1) == 0);
        assert(translate(&m, &world, &service) == 0);
        for (size_t i = 0; i < m.diags.n; i++)
                if (m.diags.list[i].level == DIAG_ERROR && !excused(m.diags.list[i].message)) {
                        fprintf(stderr, "%s\n%s\n", text, m.diags.list[i].message);
                        abort();
                }
}

static void convert(const Quadlets *all, const Quadlet *q) {
        Findings findings = { 0 };
        _cleanup_free_ char *text = NULL;

        if (q->kind == QUADLET_CONTAINER)
                assert(carry_container(all, q, &text, &findings) == 0);
        else
                assert(carry_other(all, q, &findings) == 0);
        assert((q->kind != QUADLET_CONTAINER) || (text != NULL) == (findings.errors == 0));
        for (size_t i = 0; i < findings.n; i++)
                assert(findings.list[i].message[0] != '\0' && !strchr(findings.list[i].message, '\n'));
        if (text)
                check_manifest(q, text);
        findings_done(&findings);
}

/* Adds one file. Names that no directory has are left out. */
static void add(Quadlets *all, const char *data, size_t size) {
        const char *newline = memchr(data, '\n', size);
        char path[128] = "/q/";
        size_t n = newline ? (size_t) (newline - data) : 0;
        Quadlet *q;
        char *copy;

        if (n == 0 || n > 100 || memchr(data, '\0', n) || memchr(data, '/', n))
                return;
        memcpy(path + 3, data, n);
        path[3 + n] = '\0';
        if (quadlet_kind_from_name(path) == _QUADLET_INVALID)
                return;
        for (size_t i = 0; i < all->n; i++)
                if (streq(all->list[i]->path, path))
                        return;
        assert(quadlets_add(all, path, "/q", true, &q) == 0);
        size -= n + 1;
        copy = malloc(size + 1);
        assert(copy);
        memcpy(copy, newline + 1, size);
        copy[size] = '\0';
        assert(quadlet_read(q, path, copy, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_quadlets_ Quadlets all = { 0 };
        const char *s = (const char *) data, *end = s + size;

        while (s < end) {
                const char *next = memchr(s, 0x1e, (size_t) (end - s));

                next = next ? next : end;
                add(&all, s, (size_t) (next - s));
                s = next + 1;
        }
        quadlets_name(&all);
        for (size_t i = 0; i < all.n; i++)
                convert(&all, all.list[i]);
        return 0;
}
