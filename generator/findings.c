/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/findings.h"

#include <stdio.h>

#include "common/utf8.h"
#include "generator/diag.h"

void findings_done(Findings *f) {
        for (size_t i = 0; i < f->n; i++) {
                free(f->list[i].path);
                free(f->list[i].message);
        }
        free(f->list);
        *f = (Findings){ 0 };
}

const char *finding_level_to_string(FindingLevel level) {
        return level == FINDING_NOTE ? "note" : level == FINDING_WARNING ? "warning" : "error";
}

static bool known(const Findings *f, const Finding *finding) {
        for (size_t i = 0; i < f->n; i++)
                if (f->list[i].line == finding->line && f->list[i].level == finding->level &&
                    streq(f->list[i].path, finding->path) && streq(f->list[i].message, finding->message))
                        return true;
        return false;
}

void findings_clean(char *s) {
        utf8_disarm(s, strlen(s));
        for (size_t n = strlen(s), i; (i = utf8_valid_prefix(s, n)) < n;)
                s[i] = '?';
}

static void keep(Findings *f, Finding *finding) {
        Finding *grown = f->list;

        if (f->n >= FINDINGS_KEPT_MAX || known(f, finding))
                return;
        if ((f->n & (f->n + 1)) == 0)
                grown = reallocarray(f->list, (f->n + 1) * 2, sizeof(Finding));
        if (!grown) {
                f->failed = true;
                return;
        }
        f->list = grown;
        f->list[f->n++] = *finding;
        *finding = (Finding){ 0 };
        switch (f->list[f->n - 1].level) {
        case FINDING_NOTE:
                f->notes++;
                break;
        case FINDING_WARNING:
                f->warnings++;
                break;
        case FINDING_ERROR:
                f->errors++;
                break;
        }
}

void finding_add(Findings *f, FindingLevel level, const char *path, unsigned line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        finding_addv(f, level, path, line, format, ap);
        va_end(ap);
}

void finding_addv(Findings *f, FindingLevel level, const char *path, unsigned line, const char *format,
                  va_list ap) {
        Finding finding = { .level = level, .line = line };
        char message[DIAG_MESSAGE_MAX];
        int n;

        n = vsnprintf(message, sizeof(message), format, ap);
        if (n >= (int) sizeof(message)) {
                size_t end = utf8_valid_prefix(message, sizeof(message) - 4);

                memcpy(message + end, "...", 4);
        }
        findings_clean(message);
        finding.path = strdup(path);
        finding.message = strdup(message);
        if (finding.path && finding.message) {
                findings_clean(finding.path);
                keep(f, &finding);
        } else
                f->failed = true;
        free(finding.path);
        free(finding.message);
}
