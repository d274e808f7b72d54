/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/details.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/capability.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/parse.h"
#include "helper/container/mount.h"
#include "helper/manage/process.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"

#define MOUNTINFO_MAX (16 * 1024 * 1024)
#define DEVICES_MAX   4096
#define DEVICES_DEPTH 3

static void add_text(json_object *object, const char *name, const char *s) {
        _cleanup_free_ char *text = NULL;

        if (printable(s, strlen(s), &text) >= 0)
                json_add_string(object, name, text);
}

static void append(json_object *array, const char *s) {
        json_object_array_add(array, json_object_new_string(s));
}

static json_object *add_array(json_object *object, const char *name) {
        json_object *array = json_object_new_array();

        json_object_object_add(object, name, array);
        return array;
}

static json_object *add_member(json_object *object, const char *name) {
        json_object *member = json_object_new_object();

        json_object_object_add(object, name, member);
        return member;
}

/* "36 35 98:0 /root /target rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static void add_mount(json_object *mounts, char *line) {
        enum { ID, PARENT, DEVICE, ROOT, TARGET, OPTIONS, _FIELDS };
        json_object *mount = json_object_new_object(), *options;
        char *fields[_FIELDS], *type, *source;
        size_t n = 0;

        while (n < _FIELDS && (fields[n] = strsep(&line, " ")))
                n++;
        do
                type = strsep(&line, " ");
        while (type && !streq(type, "-"));
        type = strsep(&line, " ");
        source = strsep(&line, " ");
        if (n < _FIELDS || !type || !source) {
                json_object_put(mount);
                return;
        }
        mount_unescape(fields[ROOT]);
        mount_unescape(fields[TARGET]);
        mount_unescape(source);
        add_text(mount, "target", fields[TARGET]);
        add_text(mount, "type", type);
        add_text(mount, "source", source);
        add_text(mount, "root", fields[ROOT]);
        options = add_array(mount, "options");
        for (char *option; (option = strsep(&fields[OPTIONS], ","));)
                append(options, option);
        json_object_array_add(mounts, mount);
}

static int add_mounts(json_object *object, int proc_fd) {
        _cleanup_free_ char *text = NULL;
        json_object *mounts = add_array(object, "mounts");
        char *rest, *line;
        int r;

        r = read_file_at(proc_fd, "mountinfo", MOUNTINFO_MAX, &text, NULL);
        for (rest = text; r >= 0 && (line = strsep(&rest, "\n"));)
                if (*line)
                        add_mount(mounts, line);
        return r;
}

static void add_device(json_object *devices, const char *path, const struct stat *st) {
        json_object *device = json_object_new_object();
        char number[32], mode[8];

        snprintf(number, sizeof(number), "%u:%u", major(st->st_rdev), minor(st->st_rdev));
        snprintf(mode, sizeof(mode), "%04o", st->st_mode & 07777);
        add_text(device, "path", path);
        json_add_string(device, "type", S_ISCHR(st->st_mode) ? "char" : "block");
        json_add_string(device, "number", number);
        json_add_string(device, "mode", mode);
        json_object_array_add(devices, device);
}

/* The container may have made what it likes there: no link is followed, and there is an end. */
static void walk_devices(json_object *devices, int dir_fd, const char *path, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;

        if (directory_open(dir_fd, ".", 0, &dir) < 0)
                return;
        while (json_object_array_length(devices) < DEVICES_MAX && directory_next(dir, &entry) > 0) {
                _cleanup_free_ char *below = NULL;
                struct stat st;

                if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
                    asprintf(&below, "%s/%s", path, entry->d_name) < 0)
                        continue;
                if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                        add_device(devices, below, &st);
                else if (S_ISDIR(st.st_mode) && depth > 0) {
                        _cleanup_close_ int child_fd = open_beneath(dir_fd, entry->d_name,
                                                                    O_RDONLY | O_DIRECTORY | O_NONBLOCK);

                        if (child_fd >= 0)
                                walk_devices(devices, child_fd, below, depth - 1);
                }
        }
}

static void add_devices(json_object *object, int proc_fd) {
        json_object *devices = add_array(object, "devices");
        _cleanup_close_ int root_fd = openat(proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int dev_fd = -EBADF;

        if (root_fd >= 0)
                dev_fd = open_in_root(root_fd, "/dev", O_RDONLY | O_DIRECTORY);
        if (dev_fd >= 0)
                walk_devices(devices, dev_fd, "/dev", DEVICES_DEPTH);
}

static void add_names(json_object *capabilities, const char *name, uint64_t set) {
        json_object *names = add_array(capabilities, name);

        for (unsigned n = 0; n < 64; n++)
                if (set & (UINT64_C(1) << n)) {
                        char number[16];

                        snprintf(number, sizeof(number), "%u", n);
                        append(names, capability_name(n) ? capability_name(n) : number);
                }
}

static int add_capabilities(json_object *object, int proc_fd) {
        static const struct {
                const char *name, *key;
        } sets[] = {
                { "bounding", "CapBnd" },    { "permitted", "CapPrm" }, { "effective", "CapEff" },
                { "inheritable", "CapInh" }, { "ambient", "CapAmb" },
        };
        json_object *capabilities = add_member(object, "capabilities");

        for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
                _cleanup_free_ char *text = NULL;
                int r = process_read_status(proc_fd, sets[i].key, &text);

                if (r < 0)
                        return r;
                add_names(capabilities, sets[i].name, strtoull(text, NULL, 16));
        }
        return 0;
}

/* proc_pid_status(5): Seccomp is 0, 1 or 2. */
static int add_filter(json_object *object, int proc_fd) {
        static const char *const modes[] = { "none", "strict", "filter" };
        _cleanup_free_ char *mode = NULL, *count = NULL, *no_new_privs = NULL;
        json_object *filter = add_member(object, "filter");
        uint32_t number;
        int r;

        r = process_read_status(proc_fd, "Seccomp", &mode);
        if (r >= 0)
                r = process_read_status(proc_fd, "NoNewPrivs", &no_new_privs);
        if (r < 0)
                return r;
        if (parse_uint32(mode, &number) >= 0 && number < ARRAY_LEN(modes))
                json_add_string(filter, "mode", modes[number]);
        if (process_read_status(proc_fd, "Seccomp_filters", &count) >= 0 &&
            parse_uint32(count, &number) >= 0)
                json_object_object_add(filter, "filters", json_object_new_int64(number));
        json_object_object_add(object, "no_new_privileges",
                               json_object_new_boolean(streq(no_new_privs, "1")));
        return 0;
}

/* user_namespaces(7): inside, outside, length. */
static int add_map(json_object *ids, int proc_fd, const char *file) {
        json_object *ranges = add_array(ids, file);
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(proc_fd, file, 65536, &text, NULL);
        for (rest = text; r >= 0 && (line = strsep(&rest, "\n"));) {
                unsigned inside, outside, count;
                json_object *range;

                if (sscanf(line, "%u %u %u", &inside, &outside, &count) != 3)
                        continue;
                range = json_object_new_object();
                json_object_object_add(range, "inside", json_object_new_int64(inside));
                json_object_object_add(range, "outside", json_object_new_int64(outside));
                json_object_object_add(range, "count", json_object_new_int64(count));
                json_object_array_add(ranges, range);
        }
        return r;
}

static int add_ids(json_object *object, int proc_fd) {
        json_object *ids = add_member(object, "ids");
        int r = add_map(ids, proc_fd, "uid_map");

        return r < 0 ? r : add_map(ids, proc_fd, "gid_map");
}

const char *const details_namespaces[] = { "user", "pid", "mnt", "net", "ipc", "uts", "cgroup", NULL };

static int add_namespaces(json_object *object, int proc_fd) {
        json_object *namespaces = add_member(object, "namespaces");

        for (size_t i = 0; details_namespaces[i]; i++) {
                char own_path[32], path[32];
                struct stat own, st;

                snprintf(path, sizeof(path), "ns/%s", details_namespaces[i]);
                snprintf(own_path, sizeof(own_path), "/proc/self/ns/%s", details_namespaces[i]);
                if (fstatat(proc_fd, path, &st, 0) < 0 || stat(own_path, &own) < 0)
                        return -errno;
                json_add_string(namespaces, details_namespaces[i],
                                st.st_dev == own.st_dev && st.st_ino == own.st_ino ? "host" : "own");
        }
        return 0;
}

/* Two lines of heading, then "  eth0: 123 ...". */
static int add_interfaces(json_object *object, int proc_fd) {
        json_object *interfaces = add_array(object, "interfaces");
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(proc_fd, "net/dev", 1024 * 1024, &text, NULL);
        for (rest = text; r >= 0 && (line = strsep(&rest, "\n"));) {
                char *colon = strchr(line, ':');

                if (!colon || strchr(line, '|'))
                        continue;
                *colon = '\0';
                append(interfaces, line + strspn(line, " "));
        }
        return r;
}

const char *details_get(json_object *object, const char *name) {
        json_object *value;

        return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : "";
}

json_object *details_get_array(json_object *object, const char *name) {
        json_object *value;

        return json_object_object_get_ex(object, name, &value) ? value : NULL;
}

bool details_array_has(json_object *array, const char *word) {
        for (size_t i = 0; array && i < json_object_array_length(array); i++)
                if (streq(json_object_get_string(json_object_array_get_idx(array, i)), word))
                        return true;
        return false;
}

/* What is there of the kernel itself, and not of somebody's files. */
static bool is_kernel_mount(json_object *mount) {
        static const char *const types[] = { "proc", "sysfs", "cgroup2", "devpts", "mqueue" };

        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if (streq(details_get(mount, "type"), types[i]))
                        return true;
        return streq(details_get(mount, "target"), "/dev") ||
               startswith(details_get(mount, "target"), "/proc/") ||
               startswith(details_get(mount, "target"), "/sys/") ||
               startswith(details_get(mount, "target"), "/dev/");
}

static void appendf(json_object *array, const char *format, ...) _printf_(2, 3);
static void appendf(json_object *array, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n >= 0)
                append(array, text);
        else
                text = NULL;
}

static void add_can_files(json_object *can, json_object *object) {
        json_object *readable = add_array(can, "read"), *writable = add_array(can, "write");
        json_object *mounts = details_get_array(object, "mounts");

        for (size_t i = 0; mounts && i < json_object_array_length(mounts); i++) {
                json_object *mount = json_object_array_get_idx(mounts, i);
                const char *type = details_get(mount, "type");
                bool memory = streq(type, "tmpfs");

                if (is_kernel_mount(mount))
                        continue;
                appendf(details_array_has(details_get_array(mount, "options"), "ro") ? readable : writable,
                        "%s (%s%s%s)", details_get(mount, "target"), memory ? "memory" : type,
                        memory ? "" : " ", memory ? "" : details_get(mount, "root"));
        }
}

static void add_can_reach(json_object *can, json_object *object) {
        json_object *reach = add_array(can, "reach"), *namespaces,
                    *interfaces = details_get_array(object, "interfaces"),
                    *sockets = details_get_array(object, "sockets");

        (void) json_object_object_get_ex(object, "namespaces", &namespaces);
        if (streq(details_get(namespaces, "net"), "host"))
                append(reach, "whatever the host reaches, and the host's own sockets");
        for (size_t i = 0;
             streq(details_get(namespaces, "net"), "own") && i < json_object_array_length(interfaces); i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(interfaces, i));

                if (streq(name, "lo"))
                        append(reach, "itself, through lo");
                else
                        appendf(reach, "a network, through %s", name);
        }
        for (size_t i = 0; sockets && i < json_object_array_length(sockets); i++)
                appendf(reach, "whoever connects to %s",
                        json_object_get_string(json_object_array_get_idx(sockets, i)));
        if (streq(details_get(namespaces, "pid"), "host"))
                append(reach, "processes of the host");
        if (streq(details_get(namespaces, "ipc"), "host"))
                append(reach, "shared memory and queues of the host");
}

/* What every container has. */
static bool is_usual_device(const char *path) {
        static const char *const usual[] = { "/dev/null",    "/dev/zero", "/dev/full",    "/dev/random",
                                             "/dev/urandom", "/dev/tty",  "/dev/console", "/dev/ptmx" };

        for (size_t i = 0; i < ARRAY_LEN(usual); i++)
                if (streq(path, usual[i]))
                        return true;
        return startswith(path, "/dev/pts/");
}

static void add_can_do(json_object *can, json_object *object) {
        json_object *acts = add_array(can, "do"), *capabilities, *bounding, *namespaces, *devices,
                    *filter = NULL;

        (void) json_object_object_get_ex(object, "capabilities", &capabilities);
        (void) json_object_object_get_ex(object, "namespaces", &namespaces);
        (void) json_object_object_get_ex(object, "filter", &filter);
        bounding = details_get_array(capabilities, "bounding");
        devices = details_get_array(object, "devices");
        if (streq(details_get(namespaces, "user"), "host"))
                append(acts, "be root of the host: it has no user ids of its own");
        for (size_t i = 0; i < json_object_array_length(bounding); i++)
                appendf(acts, "%s", json_object_get_string(json_object_array_get_idx(bounding, i)));
        for (size_t i = 0; i < json_object_array_length(devices); i++) {
                json_object *device = json_object_array_get_idx(devices, i);

                if (!is_usual_device(details_get(device, "path")))
                        appendf(acts, "use %s (%s %s)", details_get(device, "path"),
                                details_get(device, "type"), details_get(device, "number"));
        }
        if (filter && !streq(details_get(filter, "mode"), "filter"))
                append(acts, "call everything that the kernel has: there is no filter");
        if (streq(details_get(object, "no_new_privileges"), "false"))
                append(acts, "gain rights by set-uid programs");
}

/* The process to look at: the command, which is the init's first child, or the leader where it is the command.
 * -ESRCH: there is none, in a container for execs alone. */
static int open_command(const Running *running, int *ret) {
        char path[64];
        _cleanup_free_ char *children = NULL;
        int fd, r;

        if (!running->item.state.init) {
                fd = openat(running->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                return fd < 0 ? -errno : (*ret = fd, 0);
        }
        snprintf(path, sizeof(path), "task/%d/children", running->item.state.pid);
        r = read_file_at(running->proc_fd, path, 1024 * 1024, &children, NULL);
        if (r < 0)
                return r;
        children[strcspn(children, " \n")] = '\0';
        if (*children == '\0')
                return -ESRCH;
        snprintf(path, sizeof(path), "/proc/%.20s", children);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        r = process_in_container(fd, running->unit);
        if (r <= 0) /* its number was given to another meanwhile */
                return close_fd(fd), r < 0 ? r : -ESRCH;
        *ret = fd;
        return 0;
}

static int add_rights(json_object *object, const Running *running) {
        _cleanup_close_ int proc_fd = -EBADF;
        int r;

        r = open_command(running, &proc_fd);
        if (r == -ESRCH) {
                json_object *capabilities = add_member(object, "capabilities");

                add_names(capabilities, "bounding", running->item.state.capabilities);
                return 0;
        }
        if (r >= 0)
                r = add_capabilities(object, proc_fd);
        return r < 0 ? r : add_filter(object, proc_fd);
}

int details_add(json_object *object, const Running *running) {
        json_object *can;
        int r;

        r = add_namespaces(object, running->proc_fd);
        if (r >= 0)
                r = add_ids(object, running->proc_fd);
        if (r >= 0)
                r = add_rights(object, running);
        if (r >= 0)
                r = add_mounts(object, running->proc_fd);
        if (r >= 0)
                r = add_interfaces(object, running->proc_fd);
        if (r < 0)
                return r;
        add_devices(object, running->proc_fd);
        can = add_member(object, "can");
        add_can_files(can, object);
        add_can_reach(can, object);
        add_can_do(can, object);
        return 0;
}
