/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/user.h"

#include <fcntl.h>

#include "common/fs.h"
#include "common/parse.h"
#include "common/strv.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define LINE_MAX_LEN  4096
#define GROUPS_MAX    65536 /* NGROUPS_MAX, setgroups(2) */

void user_done(User *user) {
        free(user->groups);
        free(user->name);
        free(user->home);
        free(user->shell);
        *user = (User){};
}

static int read_database(int root_fd, const char *path, char **ret) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = open_regular_in_root(root_fd, path);
        if (fd == -ENOENT || fd == -ENOTDIR) {
                *ret = NULL; /* an image of one static program needs no passwd */
                return 0;
        }
        if (fd < 0)
                return fd == -EINVAL ? -ENOTSUP : fd;
        r = read_fd(fd, FILE_SIZE_MAX, ret, NULL);
        return r == -EFBIG ? -EMSGSIZE : r;
}

/* Splits the next line of *text in place at its colons. Returns false at the end. Lines that are too long or have
 * another number of fields give n_fields 0: they are nobody's entry. */
static bool next_entry(char **text, char **fields, size_t wanted, size_t *ret_n) {
        char *line = *text, *end;
        size_t n = 0;

        if (!line || *line == '\0')
                return false;
        end = strchrnul(line, '\n');
        *text = *end ? end + 1 : end;
        *end = '\0';
        *ret_n = 0;
        if (end - line > LINE_MAX_LEN)
                return true;
        for (char *p = line; p; n++) {
                char *colon = strchr(p, ':');

                if (n < wanted)
                        fields[n] = p;
                if (colon)
                        *colon++ = '\0';
                p = colon;
        }
        *ret_n = n == wanted ? n : 0;
        return true;
}

static bool all_digits(const char *s) {
        return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

static int set_string(char **field, const char *value, const char *fallback) {
        free(*field);
        *field = strdup(*value ? value : fallback);
        return *field ? 0 : -ENOMEM;
}

/* Finds the first passwd entry of that name, or of that uid where name is NULL. */
static int find_user(char *passwd, const char *name, User *user) {
        char *f[7];
        size_t n;
        int r;

        while (next_entry(&passwd, f, ARRAY_LEN(f), &n)) {
                uid_t uid;
                gid_t gid;

                if (n == 0 || parse_id(f[2], &uid) < 0 || parse_id(f[3], &gid) < 0)
                        continue;
                if (name ? !streq(f[0], name) : uid != user->uid)
                        continue;
                user->uid = uid;
                user->gid = gid;
                r = set_string(&user->name, f[0], "");
                if (r >= 0)
                        r = set_string(&user->home, f[5], "/");
                if (r >= 0)
                        r = set_string(&user->shell, f[6], "/bin/sh");
                return r;
        }
        return -ESRCH;
}

static int add_group(User *user, gid_t gid) {
        for (size_t i = 0; i < user->n_groups; i++)
                if (user->groups[i] == gid)
                        return 0;
        if (user->n_groups >= GROUPS_MAX)
                return -E2BIG;
        if ((user->n_groups & (user->n_groups - 1)) == 0) {
                gid_t *grown = reallocarray(user->groups, MAX(user->n_groups * 2, (size_t) 1),
                                            sizeof(gid_t));

                if (!grown)
                        return -ENOMEM;
                user->groups = grown;
        }
        user->groups[user->n_groups++] = gid;
        return 0;
}

static int by_number(const void *a, const void *b) {
        gid_t left = *(const gid_t *) a, right = *(const gid_t *) b;

        return left < right ? -1 : left > right;
}

/* The user's own and those listed, each once. Sorted, as a hostile file may list as many as there can be. */
static int set_groups(User *user, gid_t *listed, size_t n) {
        size_t room = 1;
        gid_t *groups;

        while (room < n + 1) /* add_group() goes by powers of two */
                room *= 2;
        groups = calloc(room, sizeof(gid_t));
        if (!groups)
                return -ENOMEM;
        if (n > 0)
                qsort(listed, n, sizeof(gid_t), by_number);
        free(user->groups);
        user->groups = groups;
        user->n_groups = 0;
        groups[user->n_groups++] = user->gid;
        for (size_t i = 0; i < n; i++)
                if (listed[i] != user->gid && (i == 0 || listed[i] != listed[i - 1]))
                        groups[user->n_groups++] = listed[i];
        return user->n_groups > GROUPS_MAX ? -E2BIG : 0;
}

static bool list_contains(const char *list, const char *name) {
        size_t n = strlen(name);

        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
                if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0'))
                        return true;
        return false;
}

/* One pass over group: the wanted group's number (if it is a name), and every group that lists the user. */
static int find_groups(char *text, const char *group, User *user) {
        _cleanup_free_ gid_t *listed = NULL;
        size_t n_listed = 0, room = 0, n;
        bool found = !group;
        char *f[4];

        while (next_entry(&text, f, ARRAY_LEN(f), &n)) {
                gid_t gid;

                if (n == 0 || parse_id(f[2], &gid) < 0)
                        continue;
                if (!found && streq(f[0], group)) {
                        user->gid = gid;
                        found = true;
                }
                if (!user->name || !list_contains(f[3], user->name) || n_listed >= GROUPS_MAX)
                        continue;
                if (n_listed == room) {
                        gid_t *grown = reallocarray(listed, room > 0 ? room * 2 : 16, sizeof(gid_t));

                        if (!grown)
                                return -ENOMEM;
                        listed = grown;
                        room = room > 0 ? room * 2 : 16;
                }
                listed[n_listed++] = gid;
        }
        if (!found)
                return -ENXIO;
        return set_groups(user, listed, n_listed);
}

int user_find(int root_fd, const char *user, User *ret) {
        _cleanup_free_ char *passwd = NULL;
        _cleanup_user_ User u = {};
        bool number = !user || all_digits(user);
        int r;

        if (user && (*user == '\0' || (number && parse_id(user, &u.uid) < 0)))
                return -EINVAL;
        r = read_database(root_fd, "etc/passwd", &passwd);
        if (r < 0)
                return r;
        r = find_user(passwd, number ? NULL : user, &u);
        if (r == -ESRCH && number) {
                u.gid = u.uid;
                r = 0;
        }
        if (r < 0)
                return r;
        if (!u.home && !(u.home = strdup("/")))
                return -ENOMEM;
        if (!u.shell && !(u.shell = strdup("/bin/sh")))
                return -ENOMEM;
        *ret = u;
        u = (User){};
        return 0;
}

int user_resolve(int root_fd, const char *user, const char *group, User *ret) {
        _cleanup_free_ char *groups = NULL;
        _cleanup_user_ User u = {};
        bool group_number = group && all_digits(group);
        gid_t gid = 0;
        int r;

        if (group && (*group == '\0' || (group_number && parse_id(group, &gid) < 0)))
                return -EINVAL;
        r = user_find(root_fd, user, &u);
        if (r >= 0)
                r = read_database(root_fd, "etc/group", &groups);
        if (r < 0)
                return r;
        if (group_number)
                u.gid = gid;
        r = find_groups(groups, group_number ? NULL : group, &u);
        if (r < 0)
                return r;
        *ret = u;
        u = (User){};
        return 0;
}

int user_add_group(int root_fd, const char *group, User *user) {
        _cleanup_free_ char *text = NULL;
        char *rest, *f[4];
        gid_t gid;
        size_t n;
        int r;

        if (*group == '\0')
                return -EINVAL;
        if (all_digits(group))
                return parse_id(group, &gid) < 0 ? -EINVAL : add_group(user, gid);
        r = read_database(root_fd, "etc/group", &text);
        if (r < 0)
                return r;
        for (rest = text; next_entry(&rest, f, ARRAY_LEN(f), &n);)
                if (n > 0 && streq(f[0], group) && parse_id(f[2], &gid) >= 0)
                        return add_group(user, gid);
        return -ENXIO;
}

const char *user_strerror(int error) {
        switch (abs(error)) {
        case ESRCH:
                return "no such user in the container's /etc/passwd; give a name that stands there, or a number";
        case ENXIO:
                return "no such group in the container's /etc/group; give a name that stands there, or a number";
        case EINVAL:
                return "not a user or group: expected a name, or a number from 0 to 4294967294";
        case EMSGSIZE:
                return "the container's /etc/passwd or /etc/group is over 1 MiB";
        case ENOTSUP:
                return "the container's /etc/passwd or /etc/group is no regular file";
        case ELOOP:
                return "the container's /etc/passwd or /etc/group is reached by a link that leads nowhere safe";
        default:
                return strerror(abs(error));
        }
}

int user_fill_env(const User *user, char ***env) {
        const struct {
                const char *name, *value;
        } rows[] = {
                { "HOME", user->home },
                { "USER", user->name },
                { "LOGNAME", user->name },
                { "SHELL", user->shell },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                int r;

                if (!rows[i].value || strv_env_get(*env, rows[i].name))
                        continue;
                r = strv_appendf(env, "%s=%s", rows[i].name, rows[i].value);
                if (r < 0)
                        return r;
        }
        return 0;
}
