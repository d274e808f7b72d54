/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/types.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "generator/diag.h"
#include "generator/mount.h"
#include "generator/specifier.h"
#include "generator/types-words.h"

#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

int type_complain(char **reterr, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(reterr, format, ap);
        va_end(ap);
        if (n >= 0)
                return -EINVAL;
        *reterr = NULL;
        return -ENOMEM;
}

int type_check_specifiers(const char *s, char **reterr) {
        char bad;

        if (specifier_check(s, &bad))
                return 0;
        if (bad == '\0')
                return type_complain(reterr, "a '%%' ends '%s'; a literal percent is written '%%%%'",
                                     DIAG_CLIP(s));
        return type_complain(reterr,
                             "'%%' in '%s' begins no unit specifier (systemd.unit(5)); a literal percent is "
                             "written '%%%%'",
                             DIAG_CLIP(s));
}

static bool holds_control(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 0x7f)
                        return true;
        return false;
}

/* Has the absolute path a component "." or ".."? */
static bool holds_dots(const char *s) {
        for (;;) {
                size_t n;

                s += strspn(s, "/");
                n = strcspn(s, "/");
                if (n == 0)
                        return false;
                if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
                        return true;
                s += n;
        }
}

/* What value may look like once its specifiers are filled in. */
static int make_sample(const char *value, char **ret, char **reterr) {
        int r = type_check_specifiers(value, reterr);

        return r < 0 ? r : specifier_sample(value, ret);
}

int type_check_path(const char *path, char **reterr) {
        _cleanup_free_ char *sample = NULL;
        int r;

        r = make_sample(path, &sample, reterr);
        if (r < 0)
                return r;
        if (sample[0] != '/')
                return type_complain(reterr, "'%s' is no absolute path; begin it with '/'", DIAG_CLIP(path));
        if (holds_dots(sample))
                return type_complain(reterr, "'%s' has a component '.' or '..'; write the path without",
                                     DIAG_CLIP(path));
        if (holds_control(path))
                return type_complain(reterr, "'%s' holds a control character; rename the file",
                                     DIAG_CLIP(path));
        if (strlen(path) >= PATH_MAX)
                return type_complain(reterr, "the path is longer than %d bytes, more than the kernel takes",
                                     PATH_MAX - 1);
        return 0;
}

static int parse_type_bool(const char *value, char **ret, char **reterr _unused_) {
        bool b;

        return parse_bool(value, &b) < 0 ? -EINVAL : type_keep(b ? "yes" : "no", ret);
}

static int parse_path(const char *value, char **ret, char **reterr) {
        int r = type_check_path(value, reterr);

        return r < 0 ? r : type_keep(value, ret);
}

static int parse_text(const char *value, char **ret, char **reterr) {
        int r = type_check_specifiers(value, reterr);

        if (r < 0)
                return r;
        return value[0] == '\0' ? -EINVAL : type_keep(value, ret);
}

/* Takes value if its sample passes the test. */
static int parse_sampled(const char *value, bool (*valid)(const char *), char **ret, char **reterr) {
        _cleanup_free_ char *sample = NULL;
        int r;

        r = make_sample(value, &sample, reterr);
        if (r < 0)
                return r;
        return valid(sample) ? type_keep(value, ret) : -EINVAL;
}

static int parse_image(const char *value, char **ret, char **reterr) {
        _cleanup_free_ char *sample = NULL;
        int r;

        r = make_sample(value, &sample, reterr);
        if (r < 0)
                return r;
        if (sample[0] == '/')
                return parse_path(value, ret, reterr);
        return image_id_valid(sample) ? type_keep(value, ret) : -EINVAL;
}

static int parse_words(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        int r = type_split(value, &words, reterr);

        return r < 0 ? r : type_keep(value, ret);
}

static bool variable_name_valid(const char *s, size_t n) {
        return n > 0 && !strchr(DIGITS, s[0]) && strspn(s, UPPER LOWER DIGITS "_") == n;
}

static int parse_environment(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = type_split(value, &words, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; words && words[i]; i++) {
                size_t n = strcspn(words[i], "=");

                if (words[i][n] != '=')
                        return type_complain(
                                        reterr,
                                        "'%s' has no '='; write NAME=VALUE, and quotes around a value with "
                                        "blanks: \"NAME=a b\"",
                                        DIAG_CLIP(words[i]));
                if (!variable_name_valid(words[i], n))
                        return type_complain(
                                        reterr,
                                        "'%s' does not begin with a variable's name: letters, digits and "
                                        "'_', no digit first",
                                        DIAG_CLIP(words[i]));
        }
        return type_keep(value, ret);
}

static bool user_valid(const char *s) {
        uint32_t id;

        if (s[0] != '\0' && strspn(s, DIGITS) == strlen(s)) /* digits only is always a number */
                return parse_id(s, &id) >= 0;
        return s[0] != '\0' && s[0] != '-' && strlen(s) <= 256 &&
               strspn(s, UPPER LOWER DIGITS "._-$") == strlen(s);
}

static int parse_user(const char *value, char **ret, char **reterr) {
        return parse_sampled(value, user_valid, ret, reterr);
}

static bool hostname_valid(const char *s) {
        size_t n = strlen(s);

        return n > 0 && n <= 64 && strspn(s, UPPER LOWER DIGITS ".-") == n && !strchr(".-", s[0]) &&
               !strchr(".-", s[n - 1]) && !strstr(s, "..");
}

static int parse_hostname(const char *value, char **ret, char **reterr) {
        return parse_sampled(value, hostname_valid, ret, reterr);
}

static int parse_private_users(const char *value, char **ret, char **reterr) {
        static const char *const words[] = { "pick", "identity", "no", NULL };
        _cleanup_free_ char *base = NULL;
        const char *colon = strchr(value, ':');
        uint32_t first, count;

        if (!colon)
                return type_one_of(value, words, ret);
        base = strndup(value, (size_t) (colon - value));
        if (!base)
                return -ENOMEM;
        if (parse_uint32(base, &first) < 0 || parse_uint32(colon + 1, &count) < 0)
                return -EINVAL;
        if (count == 0 || (uint64_t) first + count > UINT32_MAX)
                return type_complain(reterr, "'%s' leaves the range of ids 0 to 4294967294, or is empty",
                                     DIAG_CLIP(value));
        return type_keep(value, ret);
}

static int parse_file_type(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "file", "directory", "infer", NULL };

        return type_one_of(value, words, ret);
}

static int parse_mount_type(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = {
                "volume", "bind", "assets", "pointer", "backup", "tmpfs", NULL
        };

        return type_one_of(value, words, ret);
}

static int parse_volume(const char *value, char **ret, char **reterr) {
        _cleanup_(mount_done) Mount mount = { 0 };
        int r = mount_parse_volume(value, &mount, reterr);

        return r < 0 ? r : type_keep(value, ret);
}

static int parse_type_cpus(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        return parse_cpus(value, &v) < 0 ? -EINVAL : type_keep_number(v, ret);
}

/* The kernel's counters are signed and systemd takes 2^64-1 for "no limit": nothing so large is a limit. */
#define LIMIT_MAX ((uint64_t) INT64_MAX)

static int parse_type_size(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        return parse_size(value, &v) < 0 || v == 0 || v > LIMIT_MAX ? -EINVAL : type_keep_number(v, ret);
}

static int parse_size_or_zero(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        return parse_size(value, &v) < 0 || v > LIMIT_MAX ? -EINVAL : type_keep_number(v, ret);
}

static int parse_count(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        return parse_uint64(value, &v) < 0 || v == 0 || v > LIMIT_MAX ? -EINVAL : type_keep_number(v, ret);
}

static int parse_span(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        if (parse_timespan(value, &v) < 0 || v == 0) /* systemd reads 0 as infinity */
                return -EINVAL;
        return v == UINT64_MAX ? type_keep("infinity", ret) : type_keep_number(v, ret);
}

static int parse_template(const char *value, char **ret, char **reterr _unused_) {
        size_t n = strlen(value);

        return n == 0 || n > 64 || strspn(value, UPPER LOWER DIGITS "_-") != n ? -EINVAL
                                                                               : type_keep(value, ret);
}

/* clang-format off */
const Type type_bool = { "yes, no, true, false, on, off, 1 or 0", parse_type_bool };
const Type type_image = { "an image's id ([a-z0-9][a-z0-9._-]*, at most 128) or an absolute path", parse_image };
const Type type_words = { "words", parse_words };
const Type type_user = { "a name ([A-Za-z0-9._-]) or a number from 0 to 4294967294", parse_user };
const Type type_path = { "an absolute path", parse_path };
const Type type_environment = { "words NAME=VALUE", parse_environment };
const Type type_hostname = { "letters, digits, '-' and '.', at most 64", parse_hostname };
const Type type_template = { "a name of letters, digits, '-' and '_'", parse_template };
const Type type_private_users = { "pick, identity, no or BASE:SIZE", parse_private_users };
const Type type_volume = { "VOLUME:/target[:ro][:idmap=...]", parse_volume };
const Type type_mount_type = { "volume, bind, assets, pointer, backup or tmpfs", parse_mount_type };
const Type type_text = { "something", parse_text };
const Type type_file_type = { "file, directory or infer", parse_file_type };
const Type type_id_map = { "auto, or [u:|g:|b:]HOST:CONTAINER:RANGE ...", mount_parse_id_map };
const Type type_mount_options = { "size=, mode=, nr_inodes=, uid= and gid=, commas between them",
                                  mount_parse_options };
const Type type_cpus = { "a number of CPUs such as 2, 1.5 or 0.25, at least 0.01", parse_type_cpus };
const Type type_size = { "a size above 0 in bytes, or with K, M, G or T (of 1024)", parse_type_size };
const Type type_size_or_zero = { "a size in bytes, or with K, M, G or T (of 1024)", parse_size_or_zero };
const Type type_count = { "a number above 0", parse_count };
const Type type_span = { "a time above 0 such as 90, 5min or 1h 30min (systemd.time(7)), or infinity", parse_span };
/* clang-format on */
