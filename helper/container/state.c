/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/sha256.h"
#include "common/strv.h"

#define STATE_FORMAT    "1"
#define UNPUBLISHED     "state.starting"
#define STATE_SIZE_MAX  (4 * 1024 * 1024)
#define FILTER_SIZE_MAX 65536

void state_done(State *state) {
        free(state->name);
        free(state->unit);
        free(state->invocation_id);
        free(state->cgroup);
        free(state->image);
        free(state->image_digest);
        free(state->user);
        free(state->groups);
        free(state->working_directory);
        free(state->hostname);
        free(state->apparmor);
        free(state->filter);
        strv_free(state->labels);
        strv_free(state->env);
        strv_free(state->argv);
        *state = (State){};
}

/* Opens (and makes) /run/berth/containers/NAME, 0700. */
static int open_directory(const char *name) {
        char path[sizeof(BERTH_CONTAINER_DIR) + NAME_LENGTH_MAX + 2];
        _cleanup_close_ int all_fd = -EBADF;

        assert(name_valid(name, false));
        /* /run/berth is for everyone to see, containers/NAME for root alone (SURFACE: 0755, 0700) */
        all_fd = make_path(AT_FDCWD, BERTH_CONTAINER_DIR, 0755);
        if (all_fd < 0)
                return all_fd;
        snprintf(path, sizeof(path), "%s", name);
        return make_path(all_fd, path, 0700);
}

/* One row per line of the file: it is written and read by the same table. */
typedef enum FieldType { FIELD_STRING, FIELD_U64, FIELD_U32, FIELD_BOOL } FieldType;

/* clang-format off */
static const struct Field {
        const char *key;
        FieldType type;
        size_t offset;
        bool optional;
} fields[] = {
        { "Unit",             FIELD_STRING, offsetof(State, unit), true },
        { "InvocationID",     FIELD_STRING, offsetof(State, invocation_id), true },
        { "Pid",              FIELD_U32,    offsetof(State, pid), false },
        { "StartTime",        FIELD_U64,    offsetof(State, start_time), false },
        { "PidNs",            FIELD_U64,    offsetof(State, pid_ns), false },
        { "UserNs",           FIELD_U64,    offsetof(State, user_ns), false },
        { "Cgroup",           FIELD_STRING, offsetof(State, cgroup), false },
        { "UidBase",          FIELD_U32,    offsetof(State, uid_base), false },
        { "UidCount",         FIELD_U32,    offsetof(State, uid_count), false },
        { "Image",            FIELD_STRING, offsetof(State, image), false },
        { "ImageDigest",      FIELD_STRING, offsetof(State, image_digest), true },
        { "User",             FIELD_STRING, offsetof(State, user), false },
        { "Uid",              FIELD_U32,    offsetof(State, uid), false },
        { "Gid",              FIELD_U32,    offsetof(State, gid), false },
        { "WorkingDirectory", FIELD_STRING, offsetof(State, working_directory), false },
        { "Hostname",         FIELD_STRING, offsetof(State, hostname), false },
        { "Capabilities",     FIELD_U64,    offsetof(State, capabilities), false },
        { "AmbientCapabilities", FIELD_U64, offsetof(State, ambient), true },
        { "UMask",            FIELD_U32,    offsetof(State, umask), true },
        { "NoNewPrivileges",  FIELD_BOOL,   offsetof(State, no_new_privs), false },
        { "RestrictSUIDSGID", FIELD_BOOL,   offsetof(State, restrict_suid_sgid), false },
        { "FilterReplaces",   FIELD_BOOL,   offsetof(State, filter_replaces), true },
        { "AppArmorProfile",  FIELD_STRING, offsetof(State, apparmor), true },
        { "Init",             FIELD_BOOL,   offsetof(State, init), false },
        { "HostPids",         FIELD_BOOL,   offsetof(State, host_pids), true },
        { "Created",          FIELD_U64,    offsetof(State, created_usec), false },
};
/* clang-format on */

_Static_assert(sizeof(pid_t) == sizeof(uint32_t) && sizeof(uid_t) == sizeof(uint32_t),
               "FIELD_U32 holds ids");
_Static_assert(ARRAY_LEN(fields) <= 32, "what was seen has a bit for each");

/* One line is one field: a line break in an image's path would forge another. */
static void print_string(FILE *f, const char *key, const char *s) {
        fprintf(f, "%s=", key);
        for (; *s; s++)
                if (*s == '\\' || *s == '\n')
                        fprintf(f, "\\x%02x", (unsigned char) *s);
                else
                        fputc(*s, f);
        fputc('\n', f);
}

static void print_digest(FILE *f, const char *filter, size_t size) {
        uint8_t digest[SHA256_SIZE];
        char hex[SHA256_HEX_SIZE];

        sha256(filter, size, digest);
        sha256_hex(digest, hex);
        fprintf(f, "Filter=%s\n", hex);
}

static void print_field(FILE *f, const struct Field *field, const State *state) {
        const char *at = (const char *) state + field->offset;
        const char *s;

        switch (field->type) {
        case FIELD_STRING:
                s = *(char *const *) (const void *) at;
                if (!s)
                        return;
                print_string(f, field->key, s);
                break;
        case FIELD_U64:
                fprintf(f, "%s=%" PRIu64 "\n", field->key, *(const uint64_t *) (const void *) at);
                break;
        case FIELD_U32:
                fprintf(f, "%s=%" PRIu32 "\n", field->key, *(const uint32_t *) (const void *) at);
                break;
        case FIELD_BOOL:
                fprintf(f, "%s=%s\n", field->key, *(const bool *) (const void *) at ? "yes" : "no");
                break;
        }
}

static int unescape(const char *s, char **ret) {
        char *copy = malloc(strlen(s) + 1), *to = copy;

        if (!copy)
                return -ENOMEM;
        while (*s) {
                unsigned byte;

                if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1) {
                        *to++ = (char) byte;
                        s += 4;
                } else
                        *to++ = *s++;
        }
        *to = '\0';
        *ret = copy;
        return 0;
}

static int read_field(const struct Field *field, const char *value, State *state) {
        char *at = (char *) state + field->offset;

        switch (field->type) {
        case FIELD_STRING:
                free(*(char **) (void *) at);
                *(char **) (void *) at = NULL;
                return unescape(value, (char **) (void *) at);
        case FIELD_U64:
                return parse_uint64(value, (uint64_t *) (void *) at);
        case FIELD_U32:
                return parse_uint32(value, (uint32_t *) (void *) at);
        case FIELD_BOOL:
                return parse_bool(value, (bool *) (void *) at);
        }
        return -EINVAL;
}

/* Not by a file that is renamed: what is written here nobody reads before state_publish(), as until then "state" is not
 * there, or is of a leader that has ended. */
static int write_plain(int dir_fd, const char *file, const char *data, size_t size) {
        _cleanup_close_ int fd =
                        openat(dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : write_fd(fd, data, size);
}

static int write_vector(int dir_fd, const char *file, char *const *v) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        char *to;

        for (size_t i = 0; v && v[i]; i++)
                size += strlen(v[i]) + 1;
        data = to = malloc(size + 1);
        if (!data)
                return -ENOMEM;
        for (size_t i = 0; v && v[i]; i++)
                to = stpcpy(to, v[i]) + 1;
        return write_plain(dir_fd, file, data, size);
}

static int read_vector(int dir_fd, const char *file, char ***ret) {
        _cleanup_free_ char *data = NULL;
        _cleanup_strv_ char **v = NULL;
        size_t size;
        int r;

        r = read_file_at(dir_fd, file, STATE_SIZE_MAX, &data, &size);
        if (r < 0)
                return r;
        for (size_t i = 0; i < size; i += strlen(data + i) + 1) {
                r = strv_append(&v, data + i);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(v);
        return 0;
}

int state_write(const State *state, char *const *launch) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        size_t size;
        FILE *f;
        int r;

        dir_fd = open_directory(state->name);
        if (dir_fd < 0)
                return dir_fd;
        f = open_memstream(&text, &size);
        if (!f)
                return -errno;
        fprintf(f, "Format=%s\n", STATE_FORMAT);
        if (state->filter)
                print_digest(f, state->filter, state->filter_size);
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                print_field(f, &fields[i], state);
        for (size_t i = 0; state->labels && state->labels[i]; i++)
                print_string(f, "Label", state->labels[i]);
        fputs("Groups=", f);
        for (size_t i = 0; i < state->n_groups; i++)
                fprintf(f, "%s%u", i > 0 ? " " : "", state->groups[i]);
        fputc('\n', f);
        if (fclose(f) != 0)
                return -ENOMEM;
        /* What was mounted into one that was killed has gone with it. */
        r = remove_tree(dir_fd, "mounts");
        if (r >= 0)
                r = write_vector(dir_fd, "env", state->env);
        if (r >= 0)
                r = write_vector(dir_fd, "argv", state->argv);
        if (r >= 0 && launch)
                r = write_vector(dir_fd, "launch", launch);
        if (r >= 0 && state->filter)
                r = write_plain(dir_fd, "filter", state->filter, state->filter_size);
        if (r >= 0)
                r = write_plain(dir_fd, UNPUBLISHED, text, size);
        return r;
}

int state_publish(const char *name) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir_fd = -EBADF;

        if (asprintf(&path, "%s/%s", BERTH_CONTAINER_DIR, name) < 0)
                return -ENOMEM;
        dir_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return dir_fd < 0 || renameat(dir_fd, UNPUBLISHED, dir_fd, "state") < 0 ? -errno : 0;
}

int state_read_launch(const char *name, char ***ret) {
        _cleanup_close_ int fd = open(BERTH_CONTAINER_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC),
                            dir_fd = -EBADF;

        assert(name_valid(name, false));
        if (fd < 0)
                return -errno;
        dir_fd = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return dir_fd < 0 ? -errno : read_vector(dir_fd, "launch", ret);
}

int state_remove(const char *name) {
        _cleanup_close_ int fd = open(BERTH_CONTAINER_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert(name_valid(name, false));
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return remove_tree(fd, name);
}

static int read_groups(char *value, State *state) {
        char *word, *rest = value;

        state->groups = calloc(strlen(value) / 2 + 1, sizeof(gid_t));
        if (!state->groups)
                return -ENOMEM;
        while ((word = strsep(&rest, " "))) {
                int r = parse_id(word, &state->groups[state->n_groups]);

                if (r < 0)
                        return r;
                state->n_groups++;
        }
        return 0;
}

/* Only the very program whose digest the state names is the leader's. */
static int read_filter(int dir_fd, const char *expected, State *state) {
        char hex[SHA256_HEX_SIZE];
        uint8_t digest[SHA256_SIZE];
        int r;

        if (!expected)
                return state->filter_replaces ? -EBADMSG : 0;
        r = read_file_at(dir_fd, "filter", FILTER_SIZE_MAX, &state->filter, &state->filter_size);
        if (r < 0)
                return -EBADMSG;
        sha256(state->filter, state->filter_size, digest);
        sha256_hex(digest, hex);
        return streq(hex, expected) ? 0 : -EBADMSG;
}

static int read_line(char *line, State *state, uint32_t *seen) {
        char *value = strchr(line, '=');

        if (!value)
                return -EBADMSG;
        *value++ = '\0';
        if (streq(line, "Groups"))
                return state->groups ? -EBADMSG : read_groups(value, state);
        if (streq(line, "Label")) {
                char *label;
                int r = unescape(value, &label);

                return r < 0 ? r : strv_consume(&state->labels, label);
        }
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                if (streq(line, fields[i].key)) {
                        *seen |= UINT32_C(1) << i;
                        return read_field(&fields[i], value, state);
                }
        return 0; /* of a later version */
}

int state_read(const char *name, State *ret) {
        _cleanup_free_ char *text = NULL, *path = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        _cleanup_state_ State state = { .umask = 0022 };
        const char *filter = NULL;
        uint32_t seen = 0;
        char *rest, *line;
        int r;

        if (!name_valid(name, false))
                return -ENOENT;
        if (asprintf(&path, "%s/%s", BERTH_CONTAINER_DIR, name) < 0)
                return -ENOMEM;
        dir_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir_fd < 0)
                return errno == ENOTDIR ? -ENOENT : -errno; /* nothing of ours */
        r = read_file_at(dir_fd, "state", STATE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        rest = text;
        line = strsep(&rest, "\n");
        if (!line || !streq(line, "Format=" STATE_FORMAT))
                return -EBADMSG;
        while ((line = strsep(&rest, "\n")) && *line)
                if (startswith(line, "Filter="))
                        filter = startswith(line, "Filter=");
                else if (read_line(line, &state, &seen) < 0)
                        return -EBADMSG;
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                if (!fields[i].optional && !(seen & (UINT32_C(1) << i)))
                        return -EBADMSG;
        if (!state.groups || state.pid <= 1)
                return -EBADMSG;
        r = read_vector(dir_fd, "env", &state.env);
        if (r >= 0)
                r = read_filter(dir_fd, filter, &state);
        if (r < 0)
                return r;
        state.name = strdup(name);
        if (!state.name)
                return -ENOMEM;
        *ret = state;
        state = (State){};
        return 0;
}

int state_start_time(pid_t pid, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64], *p;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        r = read_file_at(AT_FDCWD, path, 65536, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        /* proc(5): the command, field 2, stands in parentheses and may hold some itself; 22 is starttime */
        p = strrchr(text, ')');
        for (unsigned field = 2; p && field < 22; field++) {
                p = strchr(p, ' ');
                p = p ? p + 1 : NULL;
        }
        if (!p)
                return -EBADMSG;
        p[strcspn(p, " ")] = '\0';
        return parse_uint64(p, ret);
}

int state_namespace(pid_t pid, const char *which, uint64_t *ret) {
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, which);
        if (stat(path, &st) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        *ret = st.st_ino;
        return 0;
}

/* By its own start and a clock that nobody sets. */
uint64_t state_age_usec(const State *state) {
        uint64_t ticks = (uint64_t) sysconf(_SC_CLK_TCK), now = clock_usec(CLOCK_BOOTTIME), began;

        began = state->start_time / ticks * 1000000 +
                state->start_time % ticks * 1000000 / ticks; /* proc_pid_stat(5) */
        return now > began ? now - began : 0;
}

int state_open_leader(const State *state) {
        _cleanup_close_ int fd = -EBADF;
        struct pollfd wait = { .events = POLLIN };
        uint64_t start_time, pid_ns, user_ns;
        int r;

        /* First the descriptor, then the look: what is seen afterwards is of this process or of none. */
        fd = pidfd_open(state->pid, 0);
        if (fd < 0)
                return errno == EINVAL ? -ESRCH : -errno;
        r = state_start_time(state->pid, &start_time);
        if (r >= 0)
                r = state_namespace(state->pid, "pid", &pid_ns);
        if (r >= 0)
                r = state_namespace(state->pid, "user", &user_ns);
        if (r < 0)
                return r;
        if (start_time != state->start_time || pid_ns != state->pid_ns || user_ns != state->user_ns)
                return -ESRCH;
        /* An ended leader that systemd has not reaped yet still has all of these; its pidfd reads as ended. */
        wait.fd = fd;
        if (poll(&wait, 1, 0) != 0)
                return -ESRCH;
        return TAKE_FD(fd);
}

static bool is_container(const char *name) {
        return name_valid(name, false);
}

int state_list(char ***ret) {
        int r = directory_names(AT_FDCWD, BERTH_CONTAINER_DIR, 0, is_container, ret);

        if (r == -ENOENT) {
                *ret = NULL;
                return 0;
        }
        return r;
}
