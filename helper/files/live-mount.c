/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/command.h"
#include "helper/container/enter.h"
#include "helper/container/image.h"
#include "helper/container/known.h"
#include "helper/container/live.h"
#include "helper/container/mount.h"
#include "helper/exec/inside.h"
#include "helper/launch/idmap.h"
#include "helper/launch/namespaces.h"
#include "helper/launch/plan-mount.h"
#include "helper/launch/target.h"
#include "helper/launch/volume.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth mount and berth umount: what [Mount] does, while the container runs. The source is opened, mapped and bounded
 * by us on the host; a process that has joined the container, and looks up nothing but the target there, attaches it to
 * a descriptor. */

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U /* since Linux 6.8, statx(2) */
#endif

/* Of the process inside, beside those over files. */
#define MOUNT_CAPABILITY (UINT64_C(1) << CAP_SYS_ADMIN)

#define MOUNTINFO_MAX (16 * 1024 * 1024)
#define FIND_TRIES    256

typedef struct Request { /* borrows from argv */
        const char *name, *source, *target;
        const char *type, *subpath, *file_type, *options;
        char **idmap;
        bool read_only, recursive, create, json;
        size_t n_operands;
} Request;

/* What the process inside tells. */
typedef struct Result {
        int error;
        LiveMount mount; /* without its fields */
} Result;

/* -- words -- */

static int take_operand(Request *request, const char *value) {
        const char **const places[] = { &request->name, &request->source, &request->target };

        if (request->n_operands == ARRAY_LEN(places))
                return log_error_errno(EINVAL, "mount takes a name, a source and a target: %s is one more",
                                       value);
        *places[request->n_operands++] = value;
        return 0;
}

static int take_option(Request *request, int option, const char *value) {
        switch ((MountOption) option) {
        case MOUNT_OPTION_TYPE:
                request->type = value;
                return 0;
        case MOUNT_OPTION_SUBPATH:
                request->subpath = value;
                return 0;
        case MOUNT_OPTION_FILE_TYPE:
                request->file_type = value;
                return 0;
        case MOUNT_OPTION_OPTIONS:
                request->options = value;
                return 0;
        case MOUNT_OPTION_IDMAP:
                return strv_append(&request->idmap, value) < 0 ? log_oom() : 0;
        case MOUNT_OPTION_READ_ONLY:
                request->read_only = true;
                return 0;
        case MOUNT_OPTION_RECURSIVE:
                request->recursive = true;
                return 0;
        case MOUNT_OPTION_CREATE:
                request->create = true;
                return 0;
        case MOUNT_OPTION_JSON:
                request->json = true;
                return 0;
        case _MOUNT_OPTION_MAX:
        default:
                return -EINVAL;
        }
}

/* A tmpfs has no source; a path is bound, and anything else is a volume. */
static int complete(Request *request) {
        if (!request->name)
                return log_error_errno(EINVAL,
                                       "mount needs the name of a container, see berth mount --help");
        if (request->n_operands == 1)
                return 0;
        if (request->n_operands == 2) {
                if (request->type && !streq(request->type, "tmpfs"))
                        return log_error_errno(EINVAL,
                                               "mount needs a source and a target, see berth mount --help");
                request->type = "tmpfs";
                request->target = request->source;
                request->source = NULL;
        }
        if (!request->type)
                request->type = request->source[0] == '/' ? "bind" : "volume";
        return 0;
}

static int parse_words(char *argv[], Request *request) {
        OptionParser parser = { .options = mount_options, .argv = argv };
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP) {
                        verb_help("mount");
                        return 1;
                }
                if (r == OPTIONS_OPERAND)
                        r = take_operand(request, value);
                else if (r >= 0)
                        r = take_option(request, r, value);
                if (r < 0)
                        return r;
        }
        return complete(request);
}

/* One field of --mount=, see common/contract.h. */
static void print_field(FILE *f, const char *key, const char *value) {
        if (!value)
                return;
        fprintf(f, ",%s=", key);
        for (; *value; value++) {
                if (*value == ',' || *value == '\\')
                        fputc('\\', f);
                fputc(*value, f);
        }
}

/* As the words of a launch, so that the same is checked and said. */
static int make_fields(const Request *request, char **ret) {
        size_t size;
        FILE *f = open_memstream(ret, &size);

        if (!f)
                return log_oom();
        fprintf(f, "type=%s", request->type);
        print_field(f, "source", request->source);
        print_field(f, "subpath", request->subpath);
        print_field(f, "target", request->target);
        print_field(f, "read-only", request->read_only ? "yes" : NULL);
        print_field(f, "create", request->create ? "yes" : NULL);
        print_field(f, "recursive", request->recursive ? "yes" : NULL);
        print_field(f, "filetype", request->file_type);
        for (char *const *range = request->idmap; range && *range; range++)
                print_field(f, "idmap", *range);
        print_field(f, "options", request->options);
        return fclose(f) == 0 ? 0 : log_oom();
}

/* -- ids -- */

/* The mount that fd is on, and what is at its root. */
static int identify(int fd, LiveMount *ret) {
        struct statx unique = {}, plain = {};

        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &plain) < 0 ||
            statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &unique) < 0)
                return -errno;
        ret->plain_id = plain.stx_mnt_id;
        ret->id = unique.stx_mask & STATX_MNT_ID_UNIQUE ? unique.stx_mnt_id : plain.stx_mnt_id;
        ret->device = (uint64_t) plain.stx_dev_major << 32 | plain.stx_dev_minor;
        ret->inode = plain.stx_ino;
        return 0;
}

static bool is_mount(int fd, const LiveMount *mount) {
        LiveMount found = {};

        return identify(fd, &found) >= 0 && found.id == mount->id && found.device == mount->device &&
               found.inode == mount->inode;
}

/* -- the process inside -- */

/* What is to be done inside, once only the container is left. */
typedef struct Work {
        const MountSpec *spec;
        int tree_fd; /* negative: a tmpfs */
        const LiveMount *mount;
        int table_fd; /* the leader's mountinfo */
} Work;

static int attach(const Inside *inside, const Work *work, Result *result) {
        _cleanup_close_ int tmpfs_fd = -EBADF, target_fd = -EBADF;
        const MountSpec *spec = work->spec;
        int fd = work->tree_fd, r;
        struct stat st;

        if (fd < 0) {
                fd = tmpfs_fd = target_tmpfs(spec);
                if (fd < 0)
                        return log_error_errno(fd, "mount '%s': tmpfs with options '%s' failed: %m",
                                               spec->target, spec->options ? spec->options : "");
        }
        if (fstat(fd, &st) < 0)
                return log_error_errno(errno, "mount '%s': %m", spec->target);
        target_fd = target_open(inside->root_fd, spec->target, S_ISDIR(st.st_mode));
        if (target_fd < 0)
                return log_error_errno(
                                target_fd,
                                "mount '%s': the target cannot be made in the container: %m; something "
                                "else (a link that leads nowhere, a file, a filled directory) is in the way",
                                spec->target);
        r = mount_attach(fd, target_fd);
        if (r >= 0)
                r = identify(fd, &result->mount);
        return r < 0 ? log_error_errno(r, "mount '%s': cannot be attached: %m", spec->target) : 0;
}

/* By descriptor: our own /proc is not that of the namespaces that we are in. */
static int detach(const Inside *inside, int fd) {
        char name[16];

        snprintf(name, sizeof(name), "%d", fd);
        if (fchdir(inside->process_fd) < 0 || umount2(name, MNT_DETACH) < 0)
                return -errno;
        return 0;
}

/* Where the leader's mount table has the mount; its file is written anew for whoever reads it from the start. */
static int find_path(int table_fd, uint64_t id, char **ret) {
        _cleanup_free_ char *table = NULL;
        char *rest, *line;
        int r;

        r = lseek(table_fd, 0, SEEK_SET) < 0 ? -errno : read_fd(table_fd, MOUNTINFO_MAX, &table, NULL);
        if (r < 0)
                return r;
        for (rest = table; (line = strsep(&rest, "\n"));) {
                _cleanup_free_ char *where = NULL;
                uint64_t found;

                if (sscanf(line, "%" SCNu64 " %*s %*s %*s %ms", &found, &where) != 2 || found != id)
                        continue;
                mount_unescape(where);
                *ret = TAKE_PTR(where);
                return 0;
        }
        return -ENOENT;
}

/* The container may have renamed what it stands on, and may do so again while we look. */
static int find_and_detach(const Inside *inside, const Work *work, Result *result _unused_) {
        for (unsigned i = 0; i < FIND_TRIES; i++) {
                _cleanup_free_ char *path = NULL;
                _cleanup_close_ int fd = -EBADF;
                int r;

                r = find_path(work->table_fd, work->mount->plain_id, &path);
                if (r < 0)
                        return r;
                fd = open_in_root(inside->root_fd, path, O_PATH | O_NOFOLLOW);
                if (fd >= 0 && is_mount(fd, work->mount))
                        return detach(inside, fd);
        }
        return -EBUSY;
}

static int run_inside(Enter *enter, int (*work_on)(const Inside *, const Work *, Result *), const Work *work,
                      Result *result) {
        int fds[2];
        pid_t pid;
        ssize_t n;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        pid = command_fork();
        if (pid == 0) {
                _cleanup_inside_ Inside inside = INSIDE_NONE;

                result->error = inside_join(enter, MOUNT_CAPABILITY, &inside);
                if (result->error >= 0)
                        result->error = work_on(&inside, work, result);
                _exit(write_fd(fds[1], result, sizeof(*result)) < 0 ? EXIT_FAILED : EXIT_DONE);
        }
        close_fd(fds[1]);
        if (pid < 0) {
                close_fd(fds[0]);
                return log_error_errno(pid, "cannot start a process: %m");
        }
        do
                n = read(fds[0], result, sizeof(*result));
        while (n < 0 && errno == EINTR);
        close_fd(fds[0]);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return n == (ssize_t) sizeof(*result)
                               ? result->error
                               : log_error_errno(ECHILD, "the process inside of container '%s' has died",
                                                 enter->state.name);
}

/* -- mount -- */

/* A set-uid file that the container makes where the host sees it would hold there: the container's filter forbids to
 * make one, but only if its manifest had such a mount. */
static int check_rights(const Enter *enter, const MountSpec *spec) {
        if (spec->type != MOUNT_BIND || spec->read_only || enter->state.restrict_suid_sgid)
                return 0;
        return log_error_errno(
                        EPERM,
                        "a bind that can be written to is for containers whose manifest has one: container "
                        "'%s' was started with the right to make set-uid files, which would hold on the host; "
                        "use --read-only, or a volume",
                        enter->state.name);
}

/* Opens the source with the ids that the container is to see. */
static int open_source(const Enter *enter, MountSpec *spec) {
        const State *state = &enter->state;
        _cleanup_image_ Image image = IMAGE_NONE;
        _cleanup_close_ int tree_fd = -EBADF, userns_fd = -EBADF;
        int r;

        r = spec->type == MOUNT_VOLUME ? image_open(state->image, &image) : 0;
        if (r < 0)
                return r;
        tree_fd = volume_open(state->name, spec, image.fd);
        if (tree_fd < 0)
                return tree_fd;
        if (idmap_shifts(state)) {
                userns_fd = r = namespaces_open_user(state->pid);
                /* by number: still his? */
                if (r >= 0 && pidfd_send_signal(enter->leader_fd, 0, NULL, 0) < 0)
                        r = -errno;
                if (r < 0)
                        return log_error_errno(r, "container '%s': cannot open its user namespace: %m",
                                               state->name);
        }
        r = idmap_mount(spec, state, tree_fd, userns_fd);
        return r < 0 ? r : TAKE_FD(tree_fd);
}

static int print_mount(const Request *request, uint64_t id) {
        if (request->json)
                printf("{\"id\":%" PRIu64 "}\n", id);
        else
                printf("%" PRIu64 "\n", id);
        return 0;
}

static int mount_one(const Request *request, Enter *enter, const char *fields, MountSpec *spec) {
        _cleanup_close_ int tree_fd = -EBADF;
        Work work = { .spec = spec, .tree_fd = -EBADF };
        Result result = {};
        LiveMount mount;
        int r;

        r = check_rights(enter, spec);
        if (r < 0)
                return r;
        if (spec->type != MOUNT_TMPFS) {
                tree_fd = work.tree_fd = open_source(enter, spec);
                if (tree_fd < 0)
                        return tree_fd;
        }
        r = run_inside(enter, attach, &work, &result);
        if (r < 0)
                return r;
        mount = result.mount;
        mount.fields = (char *) (uintptr_t) fields;
        r = live_mount_note(request->name, &mount);
        if (r < 0)
                return log_error_errno(r, "container '%s': what was mounted at '%s' cannot be noted: %m",
                                       request->name, spec->target);
        return print_mount(request, mount.id);
}

static int status_of(const char *name, int r) {
        if (r >= 0)
                return EXIT_DONE;
        if (r == -ESRCH || (r == -ENOENT && known_container(name)))
                return EXIT_NOT_RUNNING;
        return r == -ENOENT ? EXIT_NO_SUCH : EXIT_FAILED;
}

static json_object *to_json(const LiveMount *mount, const MountSpec *spec) {
        json_object *object = json_object_new_object();

        json_object_object_add(object, "id", json_object_new_uint64(mount->id));
        json_add_string(object, "type", mount_type_to_string(spec->type));
        json_add_string(object, "source", spec->source);
        json_add_string(object, "target", spec->target);
        json_object_object_add(object, "read_only", json_object_new_boolean(spec->read_only));
        return object;
}

static int list(const Request *request) {
        _cleanup_live_mounts_ LiveMounts mounts = {};
        _cleanup_json_ json_object *array = request->json ? json_object_new_array() : NULL;
        int r = live_mounts_read(request->name, &mounts);

        if (r < 0)
                return log_error_errno(r, "container '%s': cannot read what was mounted: %m", request->name);
        for (size_t i = 0; i < mounts.n; i++) {
                _cleanup_plan_ Plan plan = {};

                if (mount_spec_add(&plan, mounts.items[i].fields) < 0)
                        continue; /* logged */
                if (array)
                        json_object_array_add(array, to_json(&mounts.items[i], &plan.mounts[0]));
                else
                        printf("%" PRIu64 "  %s\n", mounts.items[i].id, mounts.items[i].fields);
        }
        if (array)
                print_json(array);
        return 0;
}

static int run_mount(const Request *request) {
        _cleanup_enter_ Enter enter = ENTER_NONE;
        _cleanup_plan_ Plan plan = {};
        _cleanup_free_ char *fields = NULL;
        int r;

        if (request->target && (make_fields(request, &fields) < 0 || mount_spec_add(&plan, fields) < 0))
                return EXIT_USAGE;
        r = enter_open(request->name, &enter);
        if (r < 0)
                return status_of(request->name, r);
        r = fields ? mount_one(request, &enter, fields, &plan.mounts[0]) : list(request);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int verb_mount(int argc _unused_, char *argv[]) {
        Request request = {};
        int r = parse_words(argv, &request);

        r = r < 0 ? EXIT_USAGE : r > 0 ? EXIT_DONE : run_mount(&request);
        strv_free(request.idmap);
        return r;
}

/* -- umount -- */

typedef struct Umount {
        const char *name, *what;
        bool json;
} Umount;

static int parse_umount(char *argv[], Umount *ret) {
        OptionParser parser = { .options = umount_options, .argv = argv };
        const char *words[2] = {}, *value;
        size_t n = 0;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP) {
                        verb_help("umount");
                        return 1;
                }
                if (r < 0)
                        return r;
                if (r == UMOUNT_JSON) {
                        ret->json = true;
                        continue;
                }
                if (n == ARRAY_LEN(words))
                        return log_error_errno(EINVAL,
                                               "umount takes a name and a target or id: %s is one more",
                                               value);
                words[n++] = value;
        }
        if (n < ARRAY_LEN(words))
                return log_error_errno(
                                EINVAL,
                                "umount needs a name and a target or id: berth umount NAME TARGET|ID");
        ret->name = words[0];
        ret->what = words[1];
        return 0;
}

/* The last one that was mounted there; its target goes to *ret_target. */
static const LiveMount *choose(const LiveMounts *mounts, const char *what, char **ret_target) {
        const LiveMount *found = NULL;
        uint64_t id = 0;
        bool by_id = parse_uint64(what, &id) >= 0;

        for (size_t i = 0; i < mounts->n; i++) {
                _cleanup_plan_ Plan plan = {};

                if (mount_spec_add(&plan, mounts->items[i].fields) < 0)
                        continue; /* logged */
                if (by_id ? mounts->items[i].id != id : !streq(plan.mounts[0].target, what))
                        continue;
                found = &mounts->items[i];
                free(*ret_target);
                *ret_target = TAKE_PTR(plan.mounts[0].target);
        }
        return *ret_target ? found : NULL;
}

static int umount_one(Enter *enter, const LiveMount *mount, const char *target) {
        const char *name = enter->state.name;
        _cleanup_close_ int table_fd = -EBADF;
        Work work = { .tree_fd = -EBADF, .mount = mount };
        Result result = {};
        char path[64];
        int r;

        snprintf(path, sizeof(path), "/proc/%d/mountinfo", enter->state.pid);
        work.table_fd = table_fd = open(path, O_RDONLY | O_CLOEXEC);
        /* by number: still his? */
        if (table_fd < 0 || pidfd_send_signal(enter->leader_fd, 0, NULL, 0) < 0)
                return log_error_errno(errno, "container '%s': cannot read its mounts: %m", name);
        r = run_inside(enter, find_and_detach, &work, &result);
        if (r == -EBUSY)
                return log_error_errno(
                                r,
                                "container '%s': something else is mounted over '%s', or the container keeps "
                                "moving it",
                                name, target);
        if (r == -ENOENT)
                log_warning("container '%s': the mount at '%s' was gone already", name, target);
        else if (r < 0)
                return log_error_errno(r, "container '%s': '%s' cannot be unmounted: %m", name, target);
        r = live_mount_forget(name, mount->id);
        return r < 0 ? log_error_errno(r, "container '%s': cannot forget the mount: %m", name) : 0;
}

static int run_umount(const Umount *umount) {
        const char *name = umount->name, *what = umount->what;
        _cleanup_live_mounts_ LiveMounts mounts = {};
        _cleanup_enter_ Enter enter = ENTER_NONE;
        _cleanup_free_ char *target = NULL;
        const LiveMount *mount;
        int r;

        r = enter_open(name, &enter);
        if (r < 0)
                return status_of(name, r);
        r = live_mounts_read(name, &mounts);
        if (r < 0) {
                log_error_errno(r, "container '%s': cannot read what was mounted: %m", name);
                return EXIT_FAILED;
        }
        mount = choose(&mounts, what, &target);
        if (!mount) {
                log_error("container '%s': '%s' is nothing that berth mount has mounted, see berth mount %s",
                          name, what, name);
                return EXIT_FAILED;
        }
        if (umount_one(&enter, mount, target) < 0)
                return EXIT_FAILED;
        if (umount->json) {
                _cleanup_json_ json_object *object = json_object_new_object();

                json_object_object_add(object, "id", json_object_new_uint64(mount->id));
                json_add_string(object, "target", target);
                print_json(object);
        }
        return EXIT_DONE;
}

int verb_umount(int argc _unused_, char *argv[]) {
        Umount umount = {};
        int r = parse_umount(argv, &umount);

        return r < 0 ? EXIT_USAGE : r > 0 ? EXIT_DONE : run_umount(&umount);
}
