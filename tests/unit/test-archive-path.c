/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/archive-path.h"
#include "tests/unit/check.h"

static void keeps_what_leads_downwards(void **state _unused_) {
        static const struct {
                const char *name, *path;
        } rows[] = {
                { "a", "a" },           { "a/b", "a/b" }, { "./a", "a" },       { "././a", "a" },
                { "/a", "a" },          { "/./a", "a" },  { "a/", "a" },        { "a//b", "a/b" },
                { "a/./b/.", "a/b" },   { ".", "." },     { "./", "." },        { "/", "." },
                { "..a", "..a" },       { "...", "..." }, { "a../b", "a../b" }, { " ", " " },
                { "\n\x1b", "\n\x1b" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char path[PATH_MAX];

                ROW(i, rows[i].name, archive_path_normalise(rows[i].name, path) == NULL);
                ROW(i, rows[i].name, streq(path, rows[i].path));
        }
}

static void refuses_what_leads_elsewhere(void **state _unused_) {
        static const char *const rows[] = { "",    "..",   "../a", "a/..", "a/../b",
                                            "/..", "./..", "//a",  "//",   "a/b/../../.." };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char path[PATH_MAX];

                ROW(i, rows[i], archive_path_normalise(rows[i], path) != NULL);
        }
}

/* n parts of the letter, each of length m, and all but the last followed by a slash. */
static char *make_parts(size_t n, size_t m) {
        char *name = malloc(n * (m + 1) + 1), *to = name;

        assert_non_null(name);
        for (size_t i = 0; i < n; i++) {
                memset(to, 'a', m);
                to += m;
                *to++ = '/';
        }
        to[-1] = '\0';
        return name;
}

static void knows_its_limits(void **state _unused_) {
        static const struct {
                size_t parts, length;
                bool valid;
        } rows[] = {
                { 1, 255, true },   { 1, 256, false }, { 512, 1, true },
                { 513, 1, false },  { 16, 255, true }, /* 4095 bytes */
                { 17, 255, false },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *name = make_parts(rows[i].parts, rows[i].length);
                char path[PATH_MAX];

                ROW(i, "limits", (archive_path_normalise(name, path) == NULL) == rows[i].valid);
                if (rows[i].valid)
                        ROW(i, "limits", streq(name, path));
        }
}

static void tells_whiteouts(void **state _unused_) {
        static const struct {
                const char *leaf;
                Whiteout whiteout;
                const char *name;
        } rows[] = {
                { "a", WHITEOUT_NONE, NULL },
                { ".wh", WHITEOUT_NONE, NULL },
                { "a.wh.b", WHITEOUT_NONE, NULL },
                { ".wh.a", WHITEOUT_NAME, "a" },
                { ".wh..a", WHITEOUT_NAME, ".a" },
                { ".wh....", WHITEOUT_NAME, "..." },
                { ".wh..wh..opq", WHITEOUT_OPAQUE, NULL },
                { ".wh..wh..opqx", WHITEOUT_IGNORED, NULL },
                { ".wh..wh.plnk", WHITEOUT_IGNORED, NULL },
                { ".wh.", WHITEOUT_INVALID, NULL },
                { ".wh..", WHITEOUT_INVALID, NULL },
                { ".wh...", WHITEOUT_INVALID, NULL },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *name = NULL;

                ROW(i, rows[i].leaf, archive_path_whiteout(rows[i].leaf, &name) == rows[i].whiteout);
                ROW(i, rows[i].leaf, rows[i].name ? name && streq(name, rows[i].name) : !name);
        }
}

RUN(TEST(keeps_what_leads_downwards), TEST(refuses_what_leads_elsewhere), TEST(knows_its_limits),
    TEST(tells_whiteouts))
