/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <archive_entry.h>

#include "common/base.h"

/* Access control lists, acl(5), as the kernel gives them (linux/posix_acl_xattr.h) and as a tar archive has them
 * (SCHILY.acl.access and .default, what GNU tar and bsdtar read). Whom they name is a number, as it counts for the
 * process that asks the kernel; -1 is a user whom its namespace has no number for. */

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* Of which the kernel takes no more. */
#define ACL_SIZE_MAX 65536

bool acl_is(const char *attribute);

/* Adds what attribute's value is to entry. Lines for users and groups without a number are left out; returns how many,
 * or -EINVAL. */
int acl_pack(struct archive_entry *entry, const char *attribute, const void *value, size_t size);

/* The permission bits that a file with that access list has when the list is taken away, none of them more than before:
 * those of mode, but of the owning group what it really has. -EINVAL: no such list. */
int acl_reduce(const void *value, size_t size, mode_t mode);

/* The value of attribute for what entry says; *ret_size is 0 if it says nothing. Lines for those that it does not know
 * by number are left out; returns how many, or -E2BIG. */
int acl_unpack(struct archive_entry *entry, const char *attribute, char value[static ACL_SIZE_MAX],
               size_t *ret_size);
