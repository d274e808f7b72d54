/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands, which podman takes as a string, as a JSON array of words or as a line for a shell. */

#include "common/strv.h"
#include "generator/carry.h"

/* podman takes a JSON array, or a whole string as one word; set empty there is none. */
void carry_entrypoint(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *text = NULL;
        _cleanup_strv_ char **list = NULL;
        _cleanup_text_ Text line = { 0 };

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        if (text[0] != '\0' && !carry_json_words(c, text, &list)) {
                if (strpbrk(text, " \t"))
                        carry_warning(c, s,
                                      "Entrypoint=: podman takes '%s' as one word, and so does this; remove the quotes if "
                                      "they are words",
                                      DIAG_CLIP(text));
                carry_word(&line, text);
        }
        for (char **word = list; word && *word; word++)
                carry_word(&line, *word);
        if (line.failed)
                c->failed = true;
        else
                carry_put(c, s, row->out, row->to, line.size > 0 ? line.data : "");
}

/* A string is for a shell, a JSON array is words, "none" is none. */
void carry_health_command(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *text = NULL;
        _cleanup_strv_ char **list = NULL;
        _cleanup_text_ Text line = { 0 };
        const char *shell = NULL;
        char **word;

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        if (strcasecmp(text, "none") == 0)
                return;
        if (!carry_json_words(c, text, &list))
                shell = startswith(text, "CMD-SHELL ") ? text + strlen("CMD-SHELL ") : text;
        word = list;
        if (word && *word && streq(*word, "CMD"))
                word++;
        else if (word && *word && streq(*word, "CMD-SHELL"))
                shell = *++word ? *word : "";
        if (shell) {
                text_add(&line, "/bin/sh -c");
                carry_word(&line, shell);
        }
        for (; !shell && word && *word; word++)
                carry_word(&line, *word);
        if (line.failed)
                c->failed = true;
        else if (line.size > 0)
                carry_put(c, s, row->out, row->to, line.data);
}
