/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/profile.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/mount.h"
#include "helper/launch/plan-mount.h"

#define UNIX_SOCKETS     "/proc/net/unix"
#define UNIX_SOCKETS_MAX (16 * 1024 * 1024)

/* What programs look for in /etc: no names of people, no keys. */
static const char *const etc_names[] = {
        "alternatives",  "bash.bashrc",     "ca-certificates", "debian_version",
        "fonts",         "gai.conf",        "host.conf",       "inputrc",
        "java",          "ld.so.cache",     "ld.so.conf",      "ld.so.conf.d",
        "locale.alias",  "locale.conf",     "localtime",       "magic",
        "mime.types",    "nsswitch.conf",   "os-release",      "perl",
        "pki/tls/certs", "profile",         "profile.d",       "protocols",
        "python3",       "services",        "shells",          "skel",
        "ssl/certs",     "ssl/openssl.cnf", "terminfo",        "timezone",
        "vim",           "xattr.conf",
};

/* Top directories that are the container's own, or nobody's business. */
static const char *const hidden[] = { "dev", "home", "lost+found", "proc", "root", "run", "sys", "tmp" };

void profile_root_done(ProfileRoot *root) {
        for (size_t i = 0; i < root->n_binds; i++) {
                free(root->binds[i].path);
                close_fd(root->binds[i].fd);
        }
        free(root->binds);
        close_fd(root->fd);
        *root = PROFILE_ROOT_NONE;
}

static int add_bind(ProfileRoot *root, const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        _cleanup_close_ int fd = mount_clone_tree(AT_FDCWD, path);
        ProfileBind *grown;
        int r = fd;

        if (r >= 0)
                r = mount_set_tree(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (r < 0)
                return log_error_errno(r, "'%s' of the host cannot be bound: %m", path);
        grown = reallocarray(root->binds, root->n_binds + 1, sizeof(ProfileBind));
        if (!copy || !grown)
                return log_oom();
        root->binds = grown;
        grown[root->n_binds++] = (ProfileBind){ .path = TAKE_PTR(copy), .fd = TAKE_FD(fd) };
        return 0;
}

/* Has the container what is at path of the host: a link is made again, all else bound; what is missing is left out. */
static int add_path(ProfileRoot *root, const char *path) {
        _cleanup_close_ int parent_fd = -EBADF;
        _cleanup_free_ char *parent = strdup(path);
        char target[PATH_MAX];
        struct stat st;
        ssize_t n;

        if (!parent)
                return log_oom();
        if (lstat(path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : log_error_errno(errno, "'%s': %m", path);
        if (!S_ISLNK(st.st_mode))
                return S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ? add_bind(root, path) : 0;
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return log_error_errno(errno, "'%s': %m", path);
        target[n] = '\0';
        *strrchr(parent, '/') = '\0';
        parent_fd = *parent ? make_path(root->fd, parent + 1, 0755) : fcntl(root->fd, F_DUPFD_CLOEXEC, 3);
        if (parent_fd < 0 || symlinkat(target, parent_fd, strrchr(path, '/') + 1) < 0)
                return log_error_errno(parent_fd < 0 ? parent_fd : errno,
                                       "cannot make '%s' in the container: %m", path);
        return 0;
}

/* /usr, and the names that lead into it, or that are still directories beside it. */
static int add_programs(ProfileRoot *root) {
        static const char *const paths[] = { "/usr",   "/bin",    "/lib",    "/lib32",
                                             "/lib64", "/libx32", "/libo32", "/sbin" };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(paths); i++)
                r = add_path(root, paths[i]);
        return r;
}

static int add_etc(ProfileRoot *root) {
        char path[PATH_MAX];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(etc_names); i++) {
                snprintf(path, sizeof(path), "/etc/%s", etc_names[i]);
                r = add_path(root, path);
        }
        return r;
}

static bool is_hidden(const char *name) {
        for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
                if (streq(hidden[i], name))
                        return true;
        return false;
}

static bool is_shown(const char *name) {
        return name[0] != '.' && !is_hidden(name);
}

static int add_all(ProfileRoot *root) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = directory_names(AT_FDCWD, "/", 0, is_shown, &names);
        if (r < 0)
                return log_error_errno(r, "cannot read the host's root directory: %m");
        for (char **name = names; r >= 0 && name && *name; name++) {
                char path[NAME_MAX + 2];

                snprintf(path, sizeof(path), "/%s", *name);
                r = add_path(root, path);
        }
        return r;
}

static int add_file(int dir_fd, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        return fd < 0 ? -errno : write_fd(fd, text, strlen(text));
}

/* What every root has. The users of the host are no users of the container. */
static int add_skeleton(int root_fd) {
        static const struct {
                const char *path;
                mode_t mode;
        } directories[] = { { "dev", 0755 },  { "etc", 0755 }, { "home", 0755 }, { "proc", 0555 },
                            { "root", 0700 }, { "run", 0755 }, { "sys", 0555 },  { "tmp", 01777 } };
        _cleanup_close_ int etc_fd = -EBADF;
        int r;

        for (size_t i = 0; i < ARRAY_LEN(directories); i++)
                if (mkdirat(root_fd, directories[i].path, directories[i].mode) < 0)
                        return -errno;
        etc_fd = openat(root_fd, "etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (etc_fd < 0)
                return -errno;
        r = add_file(etc_fd, "passwd",
                     "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        return r < 0 ? r : add_file(etc_fd, "group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
}

int profile_open(const Plan *plan, uid_t uid, ProfileRoot *ret) {
        static int (*const parts[_PROFILE_MAX])(ProfileRoot * root) = {
                [PROFILE_MINIMAL] = add_programs,
                [PROFILE_STANDARD] = add_programs,
                [PROFILE_FULL] = add_all,
        };
        _cleanup_(profile_root_done) ProfileRoot root = PROFILE_ROOT_NONE;
        char uid_option[32], gid_option[32];
        const char *const options[] = { "mode=0755", "size=64M", uid_option, gid_option, NULL };
        int r;

        snprintf(uid_option, sizeof(uid_option), "uid=%u", uid);
        snprintf(gid_option, sizeof(gid_option), "gid=%u", uid);
        root.fd = mount_new("tmpfs", options, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
        if (root.fd < 0)
                return log_error_errno(root.fd, "cannot make a tmpfs for the root: %m");
        /* what is made belongs to the container's root */
        (void) setfsgid(uid);
        (void) setfsuid(uid);
        r = add_skeleton(root.fd);
        if (r < 0)
                log_error_errno(r, "cannot fill the root: %m");
        if (r >= 0)
                r = parts[plan->profile](&root);
        if (r >= 0 && plan->profile == PROFILE_STANDARD)
                r = add_etc(&root);
        (void) setfsuid(0);
        (void) setfsgid(0);
        if (r < 0)
                return r;
        *ret = root;
        root = PROFILE_ROOT_NONE;
        return 0;
}

/* Whom a path is given to, owns it inside, and nobody else is anybody there. */
static int add_given(Plan *plan, const char *path, bool read_only) {
        return mount_spec_append(plan, &(const MountSpec){ .type = MOUNT_BIND,
                                                           .source = (char *) (uintptr_t) path,
                                                           .target = (char *) (uintptr_t) path,
                                                           .read_only = read_only,
                                                           .id_auto = true });
}

static int add_memory(Plan *plan, const char *path) {
        for (size_t i = 0; i < plan->n_mounts; i++)
                if (streq(plan->mounts[i].target, path))
                        return 0;
        return mount_spec_append(plan, &(const MountSpec){ .type = MOUNT_TMPFS,
                                                           .target = (char *) (uintptr_t) path,
                                                           .options = (char *) (uintptr_t) "mode=1777" });
}

/* The list is lines, and what a user calls his socket may look like one. */
static bool is_socket(const char *path) {
        struct stat st;

        return fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) >= 0 &&
               S_ISSOCK(st.st_mode);
}

/* Read-only does not keep anyone from connecting to a socket: each that has a name now is hidden. Those below /run are
 * not there at all. unix(7) has no way to ask for all that will be, nor for the directory that a relative name was bound in. */
static int hide_sockets(Plan *plan) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(AT_FDCWD, UNIX_SOCKETS, UNIX_SOCKETS_MAX, &text, NULL);
        if (r < 0)
                return log_error_errno(r, "cannot read '%s': %m", UNIX_SOCKETS);
        for (rest = text; r >= 0 && (line = strsep(&rest, "\n"));) {
                _cleanup_free_ char *optional = NULL;
                const char *path = strstr(line, " /");

                if (!path || !is_socket(path + 1))
                        continue;
                if (asprintf(&optional, "-%s", path + 1) < 0)
                        return log_oom();
                r = strv_append(&plan->inaccessible_paths, optional) < 0 ? log_oom() : 0;
        }
        return r;
}

int profile_extend(Plan *plan) {
        int r = 0;

        if (!plan->ephemeral)
                return log_error_errno(
                                EINVAL,
                                "Ephemeral=no keeps a layer over an image, and Profile= has none; remove it");
        if (plan->profile == PROFILE_FULL &&
            (plan->private_users == PRIVATE_USERS_NO || plan->private_users == PRIVATE_USERS_IDENTITY ||
             (plan->private_users == PRIVATE_USERS_RANGE && plan->uid_base == 0)))
                return log_error_errno(
                                EINVAL,
                                "Profile=full needs user ids of its own: root would read all that the host's root "
                                "does; use PrivateUsers=pick");
        for (char *const *path = plan->read_paths; r >= 0 && path && *path; path++)
                r = add_given(plan, *path, true);
        for (char *const *path = plan->write_paths; r >= 0 && path && *path; path++)
                r = add_given(plan, *path, false);
        if (r >= 0)
                r = add_memory(plan, "/tmp");
        if (r < 0 || plan->profile != PROFILE_FULL)
                return r < 0 ? log_oom() : 0;
        r = add_memory(plan, "/var/tmp");
        if (r < 0 || strv_append(&plan->inaccessible_paths, "-/var/lib/berth") < 0)
                return log_oom();
        return hide_sockets(plan);
}
