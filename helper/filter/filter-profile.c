/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>
#include <stdio.h>

#include "common/capability.h"
#include "common/log.h"
#include "helper/filter/filter-source.h"

#define DEPTH_MAX 16
#define ARGS_MAX  6 /* of a system call */

typedef struct Profile {
        const char *path; /* for messages */
        const FilterHost *host;
        Build *build;
        uint32_t default_action;
} Profile;

static int wrong(const Profile *profile, const char *what, const char *value) {
        return log_error_errno(EINVAL, "SeccompProfile='%s': %s '%s'", profile->path, what, value);
}

static const char *text_of(json_object *object, const char *name) {
        json_object *value;

        return json_object_object_get_ex(object, name, &value) &&
                                               json_object_is_type(value, json_type_string)
                               ? json_object_get_string(value)
                               : NULL;
}

/* Only members that are known, each of its type: what is misread may be what protects. */
typedef struct Member {
        const char *name;
        json_type type;
} Member;

static int check_members(const Profile *profile, json_object *object, const char *what,
                         const Member *members, size_t n) {
        if (!json_object_is_type(object, json_type_object))
                return wrong(profile, "not an object:", what);
        json_object_object_foreach(object, name, value) {
                size_t i = 0;

                while (i < n && !streq(members[i].name, name))
                        i++;
                if (i == n)
                        return log_error_errno(EINVAL, "SeccompProfile='%s': unknown member '%s' of %s",
                                               profile->path, name, what);
                if (value && !json_object_is_type(value, members[i].type))
                        return log_error_errno(
                                        EINVAL, "SeccompProfile='%s': member '%s' of %s is not of type %s",
                                        profile->path, name, what, json_type_to_name(members[i].type));
        }
        return 0;
}

static int parse_error(const Profile *profile, json_object *object, const char *name, uint16_t *ret) {
        json_object *value;
        int64_t number;

        if (!json_object_object_get_ex(object, name, &value) || !value)
                return 0;
        number = json_object_get_int64(value);
        if (number < 0 || number > 4095)
                return wrong(profile, "no error number:", json_object_get_string(value));
        *ret = (uint16_t) number;
        return 0;
}

/* error: what SCMP_ACT_ERRNO and SCMP_ACT_TRACE carry. */
static int parse_action(const Profile *profile, const char *name, uint16_t error, uint32_t *ret) {
        const struct {
                const char *name;
                uint32_t action;
        } actions[] = {
                { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
                { "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(error) },
                { "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
                { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
                { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
                { "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
                { "SCMP_ACT_TRACE", SCMP_ACT_TRACE(error) },
                { "SCMP_ACT_LOG", SCMP_ACT_LOG },
        };

        if (!name)
                return log_error_errno(EINVAL, "SeccompProfile='%s': an action is missing", profile->path);
        for (size_t i = 0; i < ARRAY_LEN(actions); i++)
                if (streq(actions[i].name, name)) {
                        *ret = actions[i].action;
                        return 0;
                }
        return wrong(profile,
                     streq(name, "SCMP_ACT_NOTIFY") ? "nobody would answer, as there is no daemon:"
                                                    : "no action:",
                     name);
}

/* Is one of the strings of list, or are all of them, what the test says? */
static bool any_is(json_object *list, bool (*test)(const Profile *profile, const char *word),
                   const Profile *profile, bool all) {
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++)
                if (test(profile, json_object_get_string(json_object_array_get_idx(list, i))) != all)
                        return !all;
        return all;
}

static bool has_capability(const Profile *profile, const char *word) {
        unsigned number;

        return capability_parse(word, &number) >= 0 && (profile->host->capabilities & UINT64_C(1) << number);
}

static bool is_architecture(const Profile *profile _unused_, const char *word) {
#if defined(__x86_64__)
        return streq(word, "amd64") || streq(word, "x86") || streq(word, "SCMP_ARCH_X86_64");
#elif defined(__aarch64__)
        return streq(word, "arm64") || streq(word, "arm") || streq(word, "SCMP_ARCH_AARCH64");
#else
        return seccomp_arch_resolve_name(word) == seccomp_arch_native();
#endif
}

/* "5.10": is this kernel as new as that? */
static bool is_kernel(const Profile *profile, const char *least) {
        unsigned major = 0, minor = 0, own_major = 0, own_minor = 0;

        if (sscanf(least, "%u.%u", &major, &minor) != 2 ||
            sscanf(profile->host->release, "%u.%u", &own_major, &own_minor) != 2)
                return false;
        return own_major != major ? own_major > major : own_minor >= minor;
}

/* Do the conditions of a rule hold? Of "includes" all must, of "excludes" one is enough (the engines' rule). */
static int conditions_hold(const Profile *profile, json_object *rule, bool includes, bool *ret) {
        static const Member members[] = { { "caps", json_type_array },
                                          { "arches", json_type_array },
                                          { "minKernel", json_type_string } };
        const char *name = includes ? "includes" : "excludes", *least;
        json_object *conditions, *caps = NULL, *arches = NULL;
        bool hold[3] = { includes, includes, includes };

        *ret = includes;
        if (!json_object_object_get_ex(rule, name, &conditions) || !conditions)
                return 0;
        if (check_members(profile, conditions, name, members, ARRAY_LEN(members)) < 0)
                return -EINVAL;
        if (json_object_object_get_ex(conditions, "caps", &caps) && json_object_array_length(caps) > 0)
                hold[0] = any_is(caps, has_capability, profile, includes);
        if (json_object_object_get_ex(conditions, "arches", &arches) && json_object_array_length(arches) > 0)
                hold[1] = any_is(arches, is_architecture, profile, false);
        least = text_of(conditions, "minKernel");
        if (least)
                hold[2] = is_kernel(profile, least);
        *ret = includes ? hold[0] && hold[1] && hold[2] : hold[0] || hold[1] || hold[2];
        return 0;
}

static int parse_arg(const Profile *profile, json_object *arg, struct scmp_arg_cmp *ret) {
        static const Member members[] = { { "index", json_type_int },
                                          { "value", json_type_int },
                                          { "valueTwo", json_type_int },
                                          { "op", json_type_string } };
        static const struct {
                const char *name;
                enum scmp_compare op;
        } ops[] = {
                { "SCMP_CMP_NE", SCMP_CMP_NE },
                { "SCMP_CMP_LT", SCMP_CMP_LT },
                { "SCMP_CMP_LE", SCMP_CMP_LE },
                { "SCMP_CMP_EQ", SCMP_CMP_EQ },
                { "SCMP_CMP_GE", SCMP_CMP_GE },
                { "SCMP_CMP_GT", SCMP_CMP_GT },
                { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
        };
        json_object *index, *value = NULL, *second = NULL;
        const char *name;

        if (check_members(profile, arg, "an argument", members, ARRAY_LEN(members)) < 0)
                return -EINVAL;
        (void) json_object_object_get_ex(arg, "value", &value);
        (void) json_object_object_get_ex(arg, "valueTwo", &second);
        if (!json_object_object_get_ex(arg, "index", &index) || json_object_get_int64(index) < 0 ||
            json_object_get_int64(index) >= ARGS_MAX)
                return wrong(profile, "an argument's index is not 0 to 5:",
                             index ? json_object_get_string(index) : "");
        name = text_of(arg, "op");
        for (size_t i = 0; i < ARRAY_LEN(ops); i++)
                if (name && streq(ops[i].name, name)) {
                        *ret = (struct scmp_arg_cmp){ .arg = (unsigned) json_object_get_int(index),
                                                      .op = ops[i].op,
                                                      .datum_a = json_object_get_uint64(value),
                                                      .datum_b = json_object_get_uint64(second) };
                        return 0;
                }
        return wrong(profile, "no comparison:", name ? name : "");
}

/* A rule for one call. The specification has all arguments of a rule hold at once; of one argument that is named twice
 * each is a rule of its own, as runtimes do it. */
static int add_call(const Profile *profile, const char *name, uint32_t action,
                    const struct scmp_arg_cmp *args, unsigned n) {
        int number = filter_call_number(name), r = 0;
        bool twice = false;

        if (number == __NR_SCMP_ERROR) {
                if (profile->default_action != SCMP_ACT_ALLOW)
                        return 0; /* it is refused by default */
                return log_error_errno(
                                EINVAL,
                                "SeccompProfile='%s': there is no system call '%s' that could be refused",
                                profile->path, name);
        }
        for (unsigned i = 0; i < n; i++)
                for (unsigned j = 0; j < i; j++)
                        twice |= args[i].arg == args[j].arg;
        if (!twice)
                r = build_add(profile->build, action, number, args, n);
        for (unsigned i = 0; twice && r >= 0 && i < n; i++)
                r = build_add(profile->build, action, number, &args[i], 1);
        /* What is allowed beside a refusal and is not had is refused by default. */
        if (r == -EEXIST && action == SCMP_ACT_ALLOW && profile->default_action != SCMP_ACT_ALLOW)
                return 0;
        if (r == -EEXIST)
                return log_error_errno(
                                r,
                                "SeccompProfile='%s': a rule for '%s' is lost beside another with a different action; "
                                "give both the same action and errnoRet, or leave one out",
                                profile->path, name);
        return r >= 0 ? 0
                      : log_error_errno(r, "SeccompProfile='%s': the rule for '%s' cannot be had: %m",
                                        profile->path, name);
}

static int add_rule(const Profile *profile, json_object *rule) {
        static const Member members[] = {
                { "names", json_type_array },     { "name", json_type_string },
                { "action", json_type_string },   { "errnoRet", json_type_int },
                { "errno", json_type_string },    { "args", json_type_array },
                { "includes", json_type_object }, { "excludes", json_type_object },
                { "comment", json_type_string },
        };
        struct scmp_arg_cmp args[ARGS_MAX];
        json_object *list = NULL, *names = NULL;
        bool included, excluded;
        uint16_t error = EPERM;
        unsigned n = 0;
        uint32_t action;
        int r;

        r = check_members(profile, rule, "a rule", members, ARRAY_LEN(members));
        if (r >= 0)
                r = parse_error(profile, rule, "errnoRet", &error);
        if (r >= 0)
                r = parse_action(profile, text_of(rule, "action"), error, &action);
        if (r >= 0)
                r = conditions_hold(profile, rule, true, &included);
        if (r >= 0)
                r = conditions_hold(profile, rule, false, &excluded);
        if (r < 0)
                return r;
        if (!included || excluded || action == profile->default_action)
                return 0;
        if (json_object_object_get_ex(rule, "args", &list) && list)
                for (; n < json_object_array_length(list); n++) {
                        if (n == ARGS_MAX)
                                return wrong(profile, "more than 6 arguments in a rule:", "args");
                        if (parse_arg(profile, json_object_array_get_idx(list, n), &args[n]) < 0)
                                return -EINVAL;
                }
        if (text_of(rule, "name"))
                return add_call(profile, text_of(rule, "name"), action, args, n);
        (void) json_object_object_get_ex(rule, "names", &names);
        if (!names || json_object_array_length(names) == 0)
                return wrong(profile, "a rule without", "names");
        for (size_t i = 0; r >= 0 && i < json_object_array_length(names); i++)
                r = add_call(profile, json_object_get_string(json_object_array_get_idx(names, i)), action,
                             args, n);
        return r;
}

static int check_flags(const Profile *profile, json_object *root) {
        json_object *flags;

        if (!json_object_object_get_ex(root, "flags", &flags) || !flags)
                return 0;
        for (size_t i = 0; i < json_object_array_length(flags); i++) {
                const char *flag = json_object_get_string(json_object_array_get_idx(flags, i));

                /* one thread is all that there is when it is loaded */
                if (!streq(flag, "SECCOMP_FILTER_FLAG_TSYNC"))
                        return wrong(profile, "this flag is not supported:", flag);
        }
        return 0;
}

static int add_profile(Profile *profile, json_object *root) {
        static const Member members[] = {
                { "defaultAction", json_type_string }, { "defaultErrnoRet", json_type_int },
                { "architectures", json_type_array },  { "archMap", json_type_array },
                { "flags", json_type_array },          { "syscalls", json_type_array },
                { "defaultErrno", json_type_string },
        };
        uint16_t error = EPERM;
        json_object *rules = NULL;
        int r;

        r = check_members(profile, root, "the profile", members, ARRAY_LEN(members));
        if (r >= 0)
                r = check_flags(profile, root);
        if (r >= 0)
                r = parse_error(profile, root, "defaultErrnoRet", &error);
        if (r >= 0)
                r = parse_action(profile, text_of(root, "defaultAction"), error, &profile->default_action);
        if (r < 0)
                return r;
        r = build_begin(profile->build, profile->default_action);
        if (r < 0)
                return log_error_errno(r, "SeccompProfile='%s': cannot be made a filter of: %m",
                                       profile->path);
        (void) json_object_object_get_ex(root, "syscalls", &rules);
        for (size_t i = 0; r >= 0 && rules && i < json_object_array_length(rules); i++)
                r = add_rule(profile, json_object_array_get_idx(rules, i));
        return r;
}

int filter_from_profile(const char *path, const char *text, size_t size, const FilterHost *host,
                        Build *build) {
        json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        Profile profile = { .path = path, .host = host, .build = build };
        json_object *root;
        int r;

        if (!tokener)
                return log_oom();
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        root = json_tokener_parse_ex(tokener, text, (int) size);
        if (json_tokener_get_error(tokener) != json_tokener_success) {
                r = log_error_errno(EINVAL, "SeccompProfile='%s': is not JSON: %s (at byte %zu)", path,
                                    json_tokener_error_desc(json_tokener_get_error(tokener)),
                                    json_tokener_get_parse_end(tokener));
                json_tokener_free(tokener);
                return r;
        }
        json_tokener_free(tokener);
        r = add_profile(&profile, root);
        (void) json_object_put(root);
        return r;
}
