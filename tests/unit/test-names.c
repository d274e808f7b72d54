/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/names.h"

#define TEN   "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void names_are_units_hosts_and_machines(void **state _unused_) {
        static const struct {
                const char *name;
                bool valid, template;
        } rows[] = {
                { "web", true, true },          { "Web", true, true },          { "9", true, true },
                { "a-b-", true, true },         { "web@1", true, true },        { "web@", false, true },
                { SIXTY "abc", true, true },    { SIXTY "abcd", false, false }, { SIXTY "@ab", true, true },
                { SIXTY "@abc", false, false }, { "", false, false },           { "@", false, false },
                { "@x", false, false },         { "-a", false, false },         { "a_b", false, false },
                { "a.b", false, false },        { "a/b", false, false },        { "a b", false, false },
                { "a@b@c", false, false },      { "a@b_c", false, false },      { "\xc3\xa4", false, false },
                { "a\nb", false, false },       { "..", false, false },         { "web@-", false, false },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                ROW(i, rows[i].name, name_valid(rows[i].name, false) == rows[i].valid);
                ROW(i, rows[i].name, name_valid(rows[i].name, true) == (rows[i].valid || rows[i].template));
        }
}

static void what_the_system_needs_is_reserved(void **state _unused_) {
        static const char *const reserved[] = { "berth", "berth-", "berth-x", "berth@x", "systemd-journald",
                                                "dbus",  "dbus@",  "init",    "init@1" };
        static const char *const open[] = { "berths", "dbus2", "my-berth", "initrd", "systemd", "web" };

        for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
                ROW(i, reserved[i], name_reserved(reserved[i]));
        for (size_t i = 0; i < ARRAY_LEN(open); i++)
                ROW(i, open[i], !name_reserved(open[i]));
}

static void what_is_suggested_is_valid(void **state _unused_) {
        static const char *const rows[][2] = {
                { "my_app", "my-app" }, { "a..b", "a-b" },
                { "_x_", "x" },         { "a b", "a-b" },
                { "___", "" },          { "b\xc3\xa4r", "b-r" },
                { "dbus.", "my-dbus" }, { SIXTY "abcdef", SIXTY "abc" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char name[NAME_LENGTH_MAX + 1];

                name_suggest(rows[i][0], name);
                assert_string_equal(name, rows[i][1]);
                ROW(i, rows[i][0], name[0] == '\0' || (name_valid(name, false) && !name_reserved(name)));
        }
}

static void an_instance_has_a_machine(void **state _unused_) {
        char machine[NAME_LENGTH_MAX + 1];

        name_to_machine("web@1", machine);
        assert_string_equal(machine, "web-1");
        name_to_machine("web", machine);
        assert_string_equal(machine, "web");
}

static void images_and_volumes_have_names(void **state _unused_) {
        assert_true(image_id_valid("nginx-1.27_a"));
        assert_true(image_id_valid("0"));
        assert_false(image_id_valid("Nginx"));
        assert_false(image_id_valid("-x"));
        assert_false(image_id_valid(".x"));
        assert_false(image_id_valid("a/b"));
        assert_false(image_id_valid(""));
        assert_true(image_id_valid(SIXTY SIXTY "abcdefgh"));
        assert_false(image_id_valid(SIXTY SIXTY "abcdefghi"));
        assert_true(volume_name_valid("Data.1"));
        assert_false(volume_name_valid(".."));
        assert_false(volume_name_valid("a:b"));
        assert_false(volume_name_valid(""));
}

RUN(TEST(names_are_units_hosts_and_machines), TEST(what_the_system_needs_is_reserved),
    TEST(what_is_suggested_is_valid), TEST(an_instance_has_a_machine), TEST(images_and_volumes_have_names))
