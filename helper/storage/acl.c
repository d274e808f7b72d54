/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/acl.h"

#include <archive.h>
#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

typedef struct posix_acl_xattr_header Header;
typedef struct posix_acl_xattr_entry Line;

/* In the order in which the kernel wants them. */
static const struct {
        uint16_t kernel;
        int archive;
} tags[] = {
        { ACL_USER_OBJ, ARCHIVE_ENTRY_ACL_USER_OBJ },   { ACL_USER, ARCHIVE_ENTRY_ACL_USER },
        { ACL_GROUP_OBJ, ARCHIVE_ENTRY_ACL_GROUP_OBJ }, { ACL_GROUP, ARCHIVE_ENTRY_ACL_GROUP },
        { ACL_MASK, ARCHIVE_ENTRY_ACL_MASK },           { ACL_OTHER, ARCHIVE_ENTRY_ACL_OTHER },
};

bool acl_is(const char *attribute) {
        return streq(attribute, ACL_ACCESS) || streq(attribute, ACL_DEFAULT);
}

static int type_of(const char *attribute) {
        return streq(attribute, ACL_DEFAULT) ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT
                                             : ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
}

static bool names_someone(uint16_t tag) {
        return tag == ACL_USER || tag == ACL_GROUP;
}

/* Takes the next line off the value. 0 at its end. */
static int next_line(const char **value, size_t *size, Line *ret) {
        if (*size == 0)
                return 0;
        if (*size < sizeof(Line))
                return -EINVAL;
        memcpy(ret, *value, sizeof(Line));
        *ret = (Line){ le16toh(ret->e_tag), le16toh(ret->e_perm), le32toh(ret->e_id) };
        *value += sizeof(Line);
        *size -= sizeof(Line);
        return 1;
}

static int check_header(const char **value, size_t *size) {
        Header header;

        if (*size < sizeof(header))
                return -EINVAL;
        memcpy(&header, *value, sizeof(header));
        if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
                return -EINVAL;
        *value += sizeof(header);
        *size -= sizeof(header);
        return 0;
}

static int archive_tag(uint16_t tag) {
        for (size_t i = 0; i < ARRAY_LEN(tags); i++)
                if (tags[i].kernel == tag)
                        return tags[i].archive;
        return -EINVAL;
}

int acl_pack(struct archive_entry *entry, const char *attribute, const void *value, size_t size) {
        const char *at = value;
        int r, left_out = 0;
        Line line;

        r = check_header(&at, &size);
        while (r >= 0 && (r = next_line(&at, &size, &line)) > 0) {
                bool named = names_someone(line.e_tag);

                if (named && line.e_id == (uint32_t) ACL_UNDEFINED_ID) {
                        left_out++;
                        continue;
                }
                r = archive_tag(line.e_tag);
                if (r >= 0 && archive_entry_acl_add_entry(entry, type_of(attribute), line.e_perm & 7, r,
                                                          named ? (int) line.e_id : -1, NULL) != ARCHIVE_OK)
                        r = -EINVAL;
        }
        return r < 0 ? r : left_out;
}

int acl_reduce(const void *value, size_t size, mode_t mode) {
        const char *at = value;
        mode_t group = 7, mask = 7;
        Line line;
        int r;

        r = check_header(&at, &size);
        while (r >= 0 && (r = next_line(&at, &size, &line)) > 0) {
                if (line.e_tag == ACL_GROUP_OBJ)
                        group = line.e_perm;
                else if (line.e_tag == ACL_MASK)
                        mask = line.e_perm;
        }
        return r < 0 ? r : (int) ((mode & ~(mode_t) 070) | (mode & (group & mask) << 3));
}

/* Goes through all lines of the entry that have the tag. */
static int unpack_tag(struct archive_entry *entry, int type, size_t tag, char *value, size_t *size) {
        int found, permissions, is, id, left_out = 0;
        const char *name;

        (void) archive_entry_acl_reset(entry, type);
        while (archive_entry_acl_next(entry, type, &found, &permissions, &is, &id, &name) == ARCHIVE_OK) {
                bool named = names_someone(tags[tag].kernel);
                Line line;

                if (found != type || is != tags[tag].archive)
                        continue;
                if (named && id == -1) {
                        left_out++;
                        continue;
                }
                if (*size + sizeof(line) > ACL_SIZE_MAX)
                        return -E2BIG;
                line.e_tag = htole16(tags[tag].kernel);
                line.e_perm = htole16((uint16_t) (permissions & 7));
                line.e_id = htole32(named ? (uint32_t) id : (uint32_t) ACL_UNDEFINED_ID);
                memcpy(value + *size, &line, sizeof(line));
                *size += sizeof(line);
        }
        return left_out;
}

int acl_unpack(struct archive_entry *entry, const char *attribute, char value[static ACL_SIZE_MAX],
               size_t *ret_size) {
        const Header header = { .a_version = htole32(POSIX_ACL_XATTR_VERSION) };
        int type = type_of(attribute), left_out = 0;
        size_t size = sizeof(header);

        if ((archive_entry_acl_types(entry) & type) == 0) {
                *ret_size = 0;
                return 0;
        }
        memcpy(value, &header, sizeof(header));
        for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
                int r = unpack_tag(entry, type, i, value, &size);

                if (r < 0)
                        return r;
                left_out += r;
        }
        *ret_size = size;
        return left_out;
}
