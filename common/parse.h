/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Text to values, strictly: no leading blanks, no signs, no trailing bytes, nothing out of range. All return 0,
 * or -EINVAL for a wrong form and -ERANGE for a value that does not fit; *ret is untouched on failure. */

/* yes no true false on off 1 0, nothing else. */
int parse_bool(const char *s, bool *ret);

/* Decimal digits only. */
int parse_uint64(const char *s, uint64_t *ret);
int parse_uint32(const char *s, uint32_t *ret);

/* A numeric user or group id: 0..4294967294 (4294967295 means "no change" to the kernel, see setresuid(2)). */
int parse_id(const char *s, uint32_t *ret);

/* UID[:GID], numbers; without GID it is the same. -EINVAL, -ERANGE or -ENOMEM. */
int parse_owner(const char *s, uint32_t *ret_uid, uint32_t *ret_gid);

/* Bytes: digits with an optional K, M, G or T of 1024, a fraction allowed before a suffix ("1.5G"). */
int parse_size(const char *s, uint64_t *ret);

/* Bits a second: the same with K, M and G of 1000. */
int parse_rate(const char *s, uint64_t *ret);

/* Permission bits, three or four octal digits up to 0777. */
int parse_mode(const char *s, mode_t *ret);

/* A number of CPUs ("2", "1.5", "0.25") as per mille of one CPU; at least 10, for the kernel's least quota. */
int parse_cpus(const char *s, uint64_t *ret_per_mille);

/* systemd.time(7) time span ("90", "5min 20s", "1.5h"; a bare number is seconds) in microseconds. "infinity"
 * gives UINT64_MAX. */
int parse_timespan(const char *s, uint64_t *ret_usec);

/* [u:|g:|b:]HOST:CONTAINER:RANGE, one entry of IDMap=. */
typedef struct IdRange {
        bool users, groups;
        uint32_t host;      /* id on disk */
        uint32_t container; /* id inside */
        uint32_t count;
} IdRange;

int parse_id_range(const char *s, IdRange *ret);

/* Do the two claim an id on the same side for the same kind? */
bool id_range_overlap(const IdRange *a, const IdRange *b);
