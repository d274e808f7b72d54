/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/detach.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/capability.h"
#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"

#define FILE_SIZE_MAX (1024 * 1024) /* as environment_load() reads */

/* The file of variables for a job, which ends with the container's state. */
static int write_variables(const char *name, const char *path, char *const *env) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return log_oom();
        for (; *env; env++) {
                if (strchr(*env, '\n')) {
                        fclose(f);
                        return log_error_errno(
                                        EINVAL,
                                        "--env=%.*s: a value with a line break cannot go with --detach",
                                        (int) strcspn(*env, "="), *env);
                }
                fprintf(f, "%s\n", *env);
        }
        if (fclose(f) != 0)
                return log_oom();
        if (size > FILE_SIZE_MAX)
                return log_error_errno(E2BIG, "--env, --env-file: over 1 MiB in all");
        r = write_file_at(AT_FDCWD, path, text, size, 0600);
        if (r < 0)
                return log_error_errno(r,
                                       "cannot write the variables of a job of container '%s' to '%s': %m",
                                       name, path);
        return 0;
}

/* A unit runs in "/". */
static int add_absolute(char ***words, const char *option, const char *path) {
        _cleanup_free_ char *here = NULL;

        if (*path == '/')
                return strv_appendf(words, "%s=%s", option, path);
        here = getcwd(NULL, 0);
        return here ? strv_appendf(words, "%s=%s/%s", option, here, path) : -errno;
}

/* The words of the same exec in the foreground, its variables but for the file. */
static int add_words(const Request *request, char ***words) {
        int r = 0;

        if (request->user)
                r = strv_appendf(words, "--user=%s", request->user);
        if (r >= 0 && request->directory)
                r = strv_appendf(words, "--workdir=%s", request->directory);
        if (r >= 0 && request->timeout_usec > 0)
                r = strv_appendf(words, "--timeout=%" PRIu64 "us", request->timeout_usec);
        if (r >= 0 && request->input && !streq(request->input, "-"))
                r = add_absolute(words, "--input", request->input);
        if (r >= 0 && request->scope)
                r = strv_append(words, "--scope");
        for (char **property = request->properties; r >= 0 && property && *property; property++)
                r = strv_appendf(words, "--property=%s", *property);
        for (unsigned n = 0; r >= 0 && n < 64; n++)
                if (request->capabilities & (UINT64_C(1) << n))
                        r = strv_appendf(words, "--cap-add=%s", capability_name(n));
        if (r >= 0)
                r = strv_append(words, "--");
        for (char **word = request->command; r >= 0 && *word; word++)
                r = strv_append(words, *word);
        return r;
}

/* All the words for berth-manage; path: of the file of variables, or NULL. */
static int make_words(const Request *request, const char *id, const char *path, char ***words) {
        int r = strv_append(words, "berth-manage");

        if (r >= 0)
                r = strv_append(words, "job-start");
        if (r >= 0)
                r = strv_appendf(words, "--name=%s", request->name);
        if (r >= 0)
                r = strv_appendf(words, "--id=%s", id);
        if (r >= 0)
                r = strv_append(words, "--");
        if (r >= 0)
                r = strv_append(words, request->name);
        if (r >= 0 && path)
                r = strv_appendf(words, "--env-file=%s", path);
        return r < 0 ? r : add_words(request, words);
}

int detach_execute(const Request *request, char *const *env) {
        char path[sizeof(BERTH_CONTAINER_DIR) + 2 * 256], id[JOB_ID_LENGTH + 1];
        bool variables = env && *env;
        _cleanup_strv_ char **words = NULL;
        uint32_t number;
        int r;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        snprintf(id, sizeof(id), "%08x", number);
        snprintf(path, sizeof(path), "%s/%s/" JOB_FILE_PREFIX "%s", BERTH_CONTAINER_DIR, request->name, id);
        r = make_words(request, id, variables ? path : NULL, &words);
        if (r < 0)
                return log_error_errno(r, "cannot put together the words of a job: %m");
        if (variables) {
                r = write_variables(request->name, path, env);
                if (r < 0)
                        return r;
        }
        execv(BERTH_LIBEXECDIR "/berth-manage", words);
        r = log_error_errno(errno, "cannot execute %s, which --detach needs: %m",
                            BERTH_LIBEXECDIR "/berth-manage");
        (void) unlink(path);
        return r;
}
