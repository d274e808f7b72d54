/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/metadata.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define DEPTH_MAX     32
#define DIGEST_MAX    256

void metadata_done(Metadata *metadata) {
        free(metadata->user);
        free(metadata->group);
        free(metadata->working_directory);
        free(metadata->digest);
        strv_free(metadata->env);
        strv_free(metadata->entrypoint);
        strv_free(metadata->command);
        *metadata = (Metadata){};
}

static int wrong_type(const char *path, const char *member, const char *expected) {
        return log_error_errno(EBADMSG, "%s: member '%s' is not %s", path, member, expected);
}

/* A string's copy; null and absence say nothing. A NUL inside would end it early, and mean something else. */
static int get_string(json_object *object, const char *path, const char *member, char **ret) {
        json_object *value;
        const char *s;

        if (!json_object_object_get_ex(object, member, &value) || !value)
                return 0;
        if (!json_object_is_type(value, json_type_string))
                return wrong_type(path, member, "a string");
        s = json_object_get_string(value);
        if (strlen(s) != (size_t) json_object_get_string_len(value))
                return wrong_type(path, member, "a string without NUL bytes");
        if (*s == '\0')
                return 0;
        free(*ret);
        return (*ret = strdup(s)) ? 0 : log_oom();
}

static int get_strings(json_object *object, const char *path, const char *member, char ***ret) {
        json_object *value;

        if (!json_object_object_get_ex(object, member, &value) || !value)
                return 0;
        if (!json_object_is_type(value, json_type_array))
                return wrong_type(path, member, "an array of strings");
        for (size_t i = 0; i < json_object_array_length(value); i++) {
                json_object *word = json_object_array_get_idx(value, i);

                if (!json_object_is_type(word, json_type_string) ||
                    strlen(json_object_get_string(word)) != (size_t) json_object_get_string_len(word))
                        return wrong_type(path, member, "an array of strings");
                if (strv_append(ret, json_object_get_string(word)) < 0)
                        return log_oom();
        }
        return 0;
}

/* "SIGTERM", "TERM", "15", "SIGRTMIN+3" */
static int parse_signal(const char *s, int *ret) {
        const char *name = startswith(s, "SIG"), *offset;
        uint32_t number;

        name = name ? name : s;
        if (parse_uint32(s, &number) >= 0 && number > 0 && number < _NSIG) {
                *ret = (int) number;
                return 0;
        }
        offset = startswith(name, "RTMIN+");
        if (offset && parse_uint32(offset, &number) >= 0 && SIGRTMIN + (int) number <= SIGRTMAX) {
                *ret = SIGRTMIN + (int) number;
                return 0;
        }
        for (int i = 1; i < _NSIG; i++)
                if (sigabbrev_np(i) && streq(sigabbrev_np(i), name)) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

static int get_stop_signal(json_object *config, const char *path, int *ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = get_string(config, path, "StopSignal", &text);
        if (r < 0 || !text)
                return r;
        return parse_signal(text, ret) < 0 ? wrong_type(path, "StopSignal", "the name or number of a signal")
                                           : 0;
}

/* It stands in state files and stamps, and is compared: "sha256:" and hex digits, or the like. */
static int get_digest(json_object *root, const char *path, char **ret) {
        int r = get_string(root, path, "digest", ret);
        size_t n;

        if (r < 0 || !*ret)
                return r;
        n = strspn(*ret, "abcdefghijklmnopqrstuvwxyz0123456789");
        if (n == 0 || (*ret)[n] != ':' || strlen(*ret) > DIGEST_MAX ||
            (*ret)[n + 1 + strspn(*ret + n + 1, "abcdef0123456789")] != '\0' || (*ret)[n + 1] == '\0')
                return wrong_type(path, "digest", "a digest (sha256: and hex digits)");
        return 0;
}

/* "USER" or "USER:GROUP" */
static int split_user(Metadata *metadata) {
        char *colon = metadata->user ? strchr(metadata->user, ':') : NULL;

        if (!colon)
                return 0;
        *colon = '\0';
        return (metadata->group = strdup(colon + 1)) ? 0 : log_oom();
}

static int check_env(const char *path, char *const *env) {
        for (size_t i = 0; env && env[i]; i++)
                if (env[i][0] == '=' || !strchr(env[i], '='))
                        return wrong_type(path, "Env", "an array of NAME=VALUE");
        return 0;
}

static int read_config(json_object *root, const char *path, Metadata *metadata) {
        json_object *config;
        int r;

        r = get_digest(root, path, &metadata->digest);
        if (r >= 0)
                r = get_string(root, path, "user", &metadata->user);
        if (r >= 0)
                r = get_string(root, path, "workdir", &metadata->working_directory);
        if (r < 0 || !json_object_object_get_ex(root, "config", &config) || !config)
                return r < 0 ? r : split_user(metadata);
        if (!json_object_is_type(config, json_type_object))
                return wrong_type(path, "config", "an object");
        r = get_string(config, path, "User", &metadata->user);
        if (r >= 0)
                r = get_string(config, path, "WorkingDir", &metadata->working_directory);
        if (r >= 0)
                r = get_strings(config, path, "Env", &metadata->env);
        if (r >= 0)
                r = check_env(path, metadata->env);
        if (r >= 0)
                r = get_strings(config, path, "Entrypoint", &metadata->entrypoint);
        if (r >= 0)
                r = get_strings(config, path, "Cmd", &metadata->command);
        if (r >= 0)
                r = get_stop_signal(config, path, &metadata->stop_signal);
        return r < 0 ? r : split_user(metadata);
}

static int parse_text(const char *text, size_t size, const char *path, Metadata *metadata) {
        json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        json_object *root;
        int r;

        if (!tokener)
                return log_oom();
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        root = json_tokener_parse_ex(tokener, text, (int) size);
        if (json_tokener_get_error(tokener) != json_tokener_success)
                r = log_error_errno(EBADMSG, "%s: not JSON: %s", path,
                                    json_tokener_error_desc(json_tokener_get_error(tokener)));
        else if (!json_object_is_type(root, json_type_object))
                r = log_error_errno(EBADMSG, "%s: not a JSON object", path);
        else
                r = read_config(root, path, metadata);
        json_object_put(root);
        json_tokener_free(tokener);
        return r;
}

int metadata_read(int dir_fd, const char *file, const char *path, Metadata *ret) {
        _cleanup_metadata_ Metadata metadata = {};
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = read_file_at(dir_fd, file, FILE_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r == -EFBIG)
                return log_error_errno(r, "%s: over 1 MiB", path);
        if (r < 0)
                return log_error_errno(r, "cannot read '%s': %m", path);
        r = parse_text(text, size, path, &metadata);
        if (r < 0)
                return r;
        *ret = metadata;
        metadata = (Metadata){};
        return 0;
}
