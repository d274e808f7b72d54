/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/image-source.h"
#include "helper/storage/numbers.h"
#include "helper/storage/store.h"
#include "helper/text/printable.h"
#include "helper/text/progress.h"
#include "tests/unit/check.h"

static void what_is_shown_is_printable_and_bounded(void **state _unused_) {
        char all[256], long_name[5000];

        for (unsigned i = 0; i < 255; i++)
                all[i] = (char) (i + 1);
        all[255] = '\0';
        for (const char *p = shown(all).text; *p; p++)
                assert_true(*p >= ' ' && *p < 0x7f);
        assert_string_equal(shown("a\n\x1b\\ b\xc3\xa9").text, "a\\x0a\\x1b\\x5c b\\xc3\\xa9");
        for (size_t n = 0; n < sizeof(long_name) - 1; n++) {
                memset(long_name, n % 3 == 0 ? '\n' : 'a', n);
                long_name[n] = '\0';
                assert_true(strlen(shown(long_name).text) < sizeof(Shown));
        }
}

static void numbers_hold_what_was_added(void **state _unused_) {
        _cleanup_numbers_ Numbers numbers = {};
        char value[32];

        assert_false(numbers_contains(&numbers, 0));
        assert_null(numbers_get(&numbers, 7));
        for (uint64_t i = 0; i < 5000; i++) {
                snprintf(value, sizeof(value), "%u", (unsigned) i);
                assert_int_equal(numbers_add(&numbers, i * 4096, i % 2 ? value : NULL), 0);
        }
        assert_int_equal(numbers_add(&numbers, 4096, "other"), 0);
        assert_int_equal(numbers.n, 5000);
        for (uint64_t i = 0; i < 5000; i++) {
                assert_true(numbers_contains(&numbers, i * 4096));
                assert_false(numbers_contains(&numbers, i * 4096 + 1));
        }
        assert_string_equal(numbers_get(&numbers, 4096), "1");
        assert_null(numbers_get(&numbers, 2 * 4096));
        assert_true(numbers_hash("a", 1) != numbers_hash("a\0", 2));
        assert_true(numbers_hash("12345678", 8) != numbers_hash("12345678\0", 9));
        assert_true(numbers_hash("abcdefgh1", 9) != numbers_hash("abcdefgh2", 9));
}

static void sources_are_what_they_say(void **state _unused_) {
        static const struct {
                const char *text, *path, *reference, *id;
                ImageSourceKind kind;
        } rows[] = {
                { "-", "standard input", NULL, NULL, IMAGE_SOURCE_STDIN },
                { "/srv/Nginx.tar.zst", "/srv/Nginx.tar.zst", NULL, "nginx", IMAGE_SOURCE_PATH },
                { "root", "root", NULL, "root", IMAGE_SOURCE_PATH },
                { "/srv/root//", "/srv/root//", NULL, "root", IMAGE_SOURCE_PATH },
                { "a.tgz", "a.tgz", NULL, "a", IMAGE_SOURCE_PATH },
                { ".tar", ".tar", NULL, NULL, IMAGE_SOURCE_PATH },
                { "/", "/", NULL, NULL, IMAGE_SOURCE_PATH },
                { ".", ".", NULL, NULL, IMAGE_SOURCE_PATH },
                { "a b", "a b", NULL, NULL, IMAGE_SOURCE_PATH },
                { "a.json", "a.json", NULL, NULL, IMAGE_SOURCE_PATH },
                { "oci:a:b:1", "a", "b:1", "a", IMAGE_SOURCE_PATH },
                { "oci:/tmp", "/tmp", NULL, "tmp", IMAGE_SOURCE_PATH },
                { "docker-archive:/tmp:x", "/tmp", "x", "tmp", IMAGE_SOURCE_PATH },
                { "docker://nginx", "docker://nginx", NULL, "nginx", IMAGE_SOURCE_REGISTRY },
                { "docker://h:5000/a/b:1.27@sha256:0", "docker://h:5000/a/b:1.27@sha256:0", NULL, "b",
                  IMAGE_SOURCE_REGISTRY },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_image_source_ ImageSource source = {};

                ROW(i, rows[i].text, image_source_parse(rows[i].text, &source) == 0);
                ROW(i, rows[i].text, source.kind == rows[i].kind && streq(source.path, rows[i].path));
                ROW(i, rows[i].text,
                    source.reference ? rows[i].reference && streq(source.reference, rows[i].reference)
                                     : !rows[i].reference);
                ROW(i, rows[i].text, source.id ? rows[i].id && streq(source.id, rows[i].id) : !rows[i].id);
        }
}

static void a_source_without_a_path_is_none(void **state _unused_) {
        static const char *const rows[] = { "", "oci:", "oci::a", "docker-archive:" };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                ImageSource source = {};

                ROW(i, rows[i], image_source_parse(rows[i], &source) == -EINVAL && !source.path);
        }
}

static void sizes_are_rounded_down(void **state _unused_) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } rows[] = {
                { 0, "0" },
                { 1023, "1023" },
                { 1024, "1.0K" },
                { 1535, "1.4K" },
                { 1048575, "1023.9K" },
                { 1048576, "1.0M" },
                { UINT64_C(64) << 30, "64.0G" },
                { UINT64_MAX, "15.9E" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[16];

                format_bytes(rows[i].bytes, text);
                ROW(i, rows[i].text, streq(text, rows[i].text));
        }
}

static void an_id_is_no_other_files_name(void **state _unused_) {
        static const char *const good[] = { "a", "nginx", "a.b_c-1", "json", "a.jsonx", "1.27" };
        static const char *const bad[] = { "", ".", "a.json", "a.env", ".json", "A", "a/b" };

        for (size_t i = 0; i < ARRAY_LEN(good); i++)
                ROW(i, good[i], store_id_valid(good[i]));
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                ROW(i, bad[i], !store_id_valid(bad[i]));
}

RUN(TEST(what_is_shown_is_printable_and_bounded), TEST(numbers_hold_what_was_added),
    TEST(sources_are_what_they_say), TEST(a_source_without_a_path_is_none), TEST(sizes_are_rounded_down),
    TEST(an_id_is_no_other_files_name))
