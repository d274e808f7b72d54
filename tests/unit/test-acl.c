/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <linux/posix_acl.h>

#include "helper/storage/acl.h"
#include "tests/unit/check.h"

#define VERSION         2, 0, 0, 0
#define LINE(tag, perm) tag, 0, perm, 0, 0xff, 0xff, 0xff, 0xff
#define LINE_OF(tag, perm, id) \
        tag, 0, perm, 0, (id) &0xff, (id) >> 8 & 0xff, (id) >> 16 & 0xff, (id) >> 24 & 0xff

static void is_the_same_again(void **state _unused_) {
        static const unsigned char whole[] = {
                VERSION,
                LINE(ACL_USER_OBJ, 7),
                LINE_OF(ACL_USER, 6, 0),
                LINE_OF(ACL_USER, 4, 4000000000U),
                LINE(ACL_GROUP_OBJ, 5),
                LINE_OF(ACL_GROUP, 2, 70000U),
                LINE(ACL_MASK, 6),
                LINE(ACL_OTHER, 0),
        };
        static const char *const names[] = { ACL_ACCESS, ACL_DEFAULT };

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                struct archive_entry *entry = archive_entry_new();
                char value[ACL_SIZE_MAX];
                size_t size = 0;

                archive_entry_set_mode(entry, S_IFREG | 0760);
                assert_int_equal(acl_pack(entry, names[i], whole, sizeof(whole)), 0);
                assert_int_equal(acl_unpack(entry, names[1 - i], value, &size), 0);
                assert_int_equal(size, 0);
                assert_int_equal(acl_unpack(entry, names[i], value, &size), 0);
                assert_int_equal(size, sizeof(whole));
                assert_memory_equal(value, whole, size);
                archive_entry_free(entry);
        }
}

static void leaves_out_whom_nobody_knows(void **state _unused_) {
        static const unsigned char some[] = {
                VERSION,           LINE(ACL_USER_OBJ, 7), LINE(ACL_USER, 6), LINE(ACL_GROUP_OBJ, 5),
                LINE(ACL_MASK, 7), LINE(ACL_OTHER, 0),
        };
        struct archive_entry *entry = archive_entry_new();
        char value[ACL_SIZE_MAX];
        size_t size = 0;

        archive_entry_set_mode(entry, S_IFREG | 0770);
        assert_int_equal(acl_pack(entry, ACL_ACCESS, some, sizeof(some)), 1);
        assert_int_equal(archive_entry_acl_add_entry(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 7,
                                                     ARCHIVE_ENTRY_ACL_USER, -1, "alice"),
                         ARCHIVE_OK);
        assert_int_equal(acl_unpack(entry, ACL_ACCESS, value, &size), 1);
        assert_int_equal(size, sizeof(some) - 8);
        archive_entry_free(entry);
}

static void refuses_what_is_no_list(void **state _unused_) {
        static const unsigned char version[] = { 1, 0, 0, 0, LINE(ACL_USER_OBJ, 7) },
                                   tag[] = { VERSION, LINE(0x40, 7) },
                                   cut[] = { VERSION, LINE(ACL_USER_OBJ, 7) };
        struct archive_entry *entry = archive_entry_new();

        assert_int_equal(acl_pack(entry, ACL_ACCESS, version, sizeof(version)), -EINVAL);
        assert_int_equal(acl_pack(entry, ACL_ACCESS, tag, sizeof(tag)), -EINVAL);
        for (size_t n = 0; n < sizeof(cut); n++)
                assert_int_equal(acl_pack(entry, ACL_ACCESS, cut, n), n == 4 ? 0 : -EINVAL);
        assert_int_equal(acl_reduce(cut, sizeof(cut) - 1, 0), -EINVAL);
        archive_entry_free(entry);
}

static void takes_away_and_gives_nothing(void **state _unused_) {
        static const struct {
                unsigned char group, mask;
                mode_t before, after;
        } rows[] = {
                { 7, 7, 0770, 0770 },   { 4, 7, 0770, 0740 }, { 7, 4, 0740, 0740 },
                { 0, 7, 02771, 02701 }, { 6, 3, 0630, 0620 },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const unsigned char value[] = { VERSION, LINE(ACL_USER_OBJ, 6),
                                                LINE(ACL_GROUP_OBJ, rows[i].group),
                                                LINE(ACL_MASK, rows[i].mask), LINE(ACL_OTHER, 0) };

                assert_int_equal(acl_reduce(value, sizeof(value), rows[i].before), rows[i].after);
        }
}

RUN(TEST(is_the_same_again), TEST(leaves_out_whom_nobody_knows), TEST(refuses_what_is_no_list),
    TEST(takes_away_and_gives_nothing))
