/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/lookup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/manifests.h"
#include "common/names.h"
#include "common/strv.h"
#include "generator/lines.h"

void lookup_done(Lookup *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->list[i].name);
                free(l->list[i].path);
        }
        free(l->list);
        for (size_t i = 0; i < l->n_directories; i++)
                close_fd(l->directories[i]);
        free(l->directories);
        strv_free(l->units);
        dropins_done(&l->dropins);
        close_fd(l->root_fd);
        *l = (Lookup){ .root_fd = -EBADF };
}

static bool room_for_source(Lookup *l) {
        Source *grown = l->list;

        if ((l->n & (l->n + 1)) == 0)
                grown = reallocarray(l->list, (l->n + 1) * 2, sizeof(Source));
        if (!grown)
                return false;
        l->list = grown;
        return true;
}

/* Adds the source of that number once more, by another name. */
static int add_copy(Lookup *l, size_t number, const char *name) {
        Source s;

        if (!room_for_source(l))
                return -ENOMEM;
        s = l->list[number];
        s.name = strdup(name);
        s.path = strdup(s.path);
        if (!s.name || !s.path) {
                free(s.name);
                free(s.path);
                return -ENOMEM;
        }
        l->list[l->n++] = s;
        return 0;
}

/* Adds a source, of which it takes the strings' copies. */
static int add_source(Lookup *l, int dir_fd, const char *directory, const struct dirent *entry) {
        Source s = { .directory = l->n_directories - 1, .regular = entry->d_type == DT_REG };

        s.state = !s.regular && manifests_is_mask(dir_fd, entry->d_name) ? SOURCE_MASKED : SOURCE_MANIFEST;

        if (!room_for_source(l))
                return -ENOMEM;
        s.name = strndup(entry->d_name, strlen(entry->d_name) - strlen(MANIFEST_SUFFIX));
        if (!s.name)
                return -ENOMEM;
        if (asprintf(&s.path, "%s/%s", directory, entry->d_name) < 0) {
                free(s.name);
                return -ENOMEM;
        }
        l->list[l->n++] = s;
        return 0;
}

/* Sorts one entry of a manifest directory in. Names that begin with a dot are editors' and not looked at. */
static int add_entry(Lookup *l, int dir_fd, const char *directory, const struct dirent *entry) {
        const char *name = entry->d_name;

        if (name[0] == '.')
                return 0;
        if (endswith(name, MANIFEST_SUFFIX))
                return add_source(l, dir_fd, directory, entry);
        if (dropins_name_fits(name))
                return dropins_add(&l->dropins, l->root_fd, directory, l->n_directories - 1, name);
        return 0;
}

/* Takes fd. */
static int read_manifest_directory(int fd, const char *path, void *userdata) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        Lookup *l = userdata;
        int r, k, *grown;

        grown = reallocarray(l->directories, l->n_directories + 1, sizeof(int));
        if (!grown) {
                close_fd(fd);
                return -ENOMEM;
        }
        l->directories = grown;
        l->directories[l->n_directories++] = fd;
        k = directory_open(fd, ".", 0, &dir);
        while (k >= 0 && (k = directory_next(dir, &entry)) > 0) {
                r = add_entry(l, fd, path, entry);
                if (r < 0)
                        return r;
        }
        if (k < 0)
                (void) log_error_errno(k, "cannot read the directory '%s': %m", path);
        return 0;
}

/* Unit names while they are read. */
typedef struct Names {
        char **list;
        size_t n, room;
        struct {
                dev_t device;
                ino_t inode;
        } seen[16]; /* directories: /lib is /usr/lib on most systems */
        size_t n_seen;
} Names;

/* Was that directory read already? */
static bool names_seen(Names *names, int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return false;
        for (size_t i = 0; i < names->n_seen; i++)
                if (names->seen[i].device == st.st_dev && names->seen[i].inode == st.st_ino)
                        return true;
        if (names->n_seen < ARRAY_LEN(names->seen)) {
                names->seen[names->n_seen].device = st.st_dev;
                names->seen[names->n_seen++].inode = st.st_ino;
        }
        return false;
}

/* Appends without counting: a system has hundreds of units. */
static int names_add(Names *names, const char *s) {
        if (names->n + 1 >= names->room) {
                size_t room = names->room > 0 ? names->room * 2 : 512;
                char **grown = reallocarray(names->list, room, sizeof(char *));

                if (!grown)
                        return -ENOMEM;
                names->list = grown;
                names->room = room;
        }
        names->list[names->n] = strdup(s);
        if (!names->list[names->n])
                return -ENOMEM;
        names->list[++names->n] = NULL;
        return 0;
}

/* Is that the name of a unit of a kind that manifests make? */
static bool is_unit(const char *name) {
        return endswith(name, ".service") || endswith(name, ".socket") || endswith(name, ".timer");
}

/* Takes fd. Masks are no units: "systemctl mask" of ours must not look like a conflict. */
static int read_unit_directory(int fd, const char *path, void *userdata) {
        _cleanup_close_ int own_fd = fd;
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        Names *names = userdata;
        int r, k;

        if (names_seen(names, own_fd))
                return 0;
        k = directory_open(own_fd, ".", 0, &dir);
        while (k >= 0 && (k = directory_next(dir, &entry)) > 0) {
                if (!is_unit(entry->d_name) ||
                    (entry->d_type != DT_REG && manifests_is_mask(own_fd, entry->d_name)))
                        continue;
                r = names_add(names, entry->d_name);
                if (r < 0)
                        return r;
        }
        if (k < 0)
                (void) log_error_errno(k, "cannot read the directory '%s': %m", path);
        return 0;
}

static int compare_sources(const void *a, const void *b) {
        const Source *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : x->directory < y->directory ? -1 : x->directory > y->directory;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The first of that name among the first n. */
static const Source *find(const Lookup *l, size_t n, const char *name) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(l->list[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < n && streq(l->list[low].name, name) ? &l->list[low] : NULL;
}

static void mark_sources(Lookup *l) {
        for (size_t i = 1; i < l->n; i++)
                if (streq(l->list[i].name, l->list[i - 1].name))
                        l->list[i].state = SOURCE_SHADOWED;
}

/* Drop-ins NAME@INSTANCE.berth.d of a template without a file for the instance: it gets one here, from the template.
 * systemd would start what the template alone says. */
static int add_instances(Lookup *l) {
        size_t n = l->n; /* those added here are no templates */
        int r;

        for (size_t i = 0; i < l->dropins.n; i++) {
                const char *directory = l->dropins.list[i].name, *at = strchr(directory, '@');
                const char *suffix = endswith(directory, MANIFEST_SUFFIX ".d");
                _cleanup_free_ char *name = NULL, *template = NULL;
                const Source *source;

                if (!suffix || !at || (i > 0 && streq(directory, l->dropins.list[i - 1].name)))
                        continue;
                name = strndup(directory, (size_t) (suffix - directory));
                template = strndup(directory, (size_t) (at - directory) + 1);
                if (!name || !template)
                        return -ENOMEM;
                source = name_valid(name, false) ? find(l, n, template) : NULL;
                if (!source || source->state != SOURCE_MANIFEST || find(l, n, name))
                        continue;
                r = add_copy(l, (size_t) (source - l->list), name);
                if (r < 0)
                        return r;
        }
        if (l->n > n)
                qsort(l->list, l->n, sizeof(Source), compare_sources);
        return 0;
}

int lookup_open(Lookup *l, const char *root, const char *manifest_path, const char *unit_path) {
        Names units = { 0 };
        int r;

        *l = (Lookup){ .root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };
        if (l->root_fd < 0)
                return log_error_errno(errno, "cannot open the root directory '%s': %m", root);
        r = manifests_each_directory(l->root_fd, manifest_path, read_manifest_directory, l);
        if (r < 0)
                return r;
        r = manifests_each_directory(l->root_fd, unit_path, read_unit_directory, &units);
        l->units = units.list;
        l->n_units = units.n;
        if (r < 0)
                return r;
        if (l->n > 1)
                qsort(l->list, l->n, sizeof(Source), compare_sources);
        if (l->n_units > 1)
                qsort(l->units, l->n_units, sizeof(char *), compare_strings);
        dropins_sort(&l->dropins);
        mark_sources(l);
        return add_instances(l);
}

const Source *lookup_find(const Lookup *l, const char *name) {
        return find(l, l->n, name);
}

static bool units_contain(const Lookup *l, const char *unit) {
        size_t low = 0, high = l->n_units;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = strcmp(l->units[middle], unit);

                if (r == 0)
                        return true;
                if (r < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return false;
}

bool lookup_foreign(const Lookup *l, const char *unit) {
        const char *at = strchr(unit, '@');
        char template[256 + 16];

        if (units_contain(l, unit))
                return true;
        if (!at || at[1] == '.' || strlen(unit) >= 256)
                return false;
        /* A file for one instance would take the place of what the system's template makes. */
        snprintf(template, sizeof(template), "%.*s%s", (int) (at - unit) + 1, unit, strrchr(unit, '.'));
        return units_contain(l, template);
}

/* Reads a file at once, if it is as small as most are: what comes short ends there. false, with nothing done, for all
 * that is larger, or no file: a FIFO or a terminal has no place to read from. */
static bool read_small(int fd, char **ret, size_t *ret_size) {
        char buffer[4096], *data;
        ssize_t n = pread(fd, buffer, sizeof(buffer), 0);

        if (n < 0 || (size_t) n == sizeof(buffer))
                return false;
        data = malloc((size_t) n + 1);
        if (!data)
                return false;
        memcpy(data, buffer, (size_t) n);
        data[n] = '\0';
        *ret_size = (size_t) n;
        *ret = data;
        return true;
}

/* Reads a file whose size is known in one call. */
static int read_sized(int fd, char **ret, size_t *ret_size, const char **reterr) {
        _cleanup_free_ char *data = NULL;
        struct stat st;
        ssize_t n;

        *reterr = "cannot be read";
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                *reterr = "is a directory, not a manifest; rename or remove it";
        else if (!S_ISREG(st.st_mode))
                *reterr = "is no regular file; rename or remove it";
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > LINES_FILE_MAX) {
                *reterr = "is larger than 4 MiB, which no manifest is; remove it";
                return -EFBIG;
        }
        /* One byte more than there should be: if it comes, the file grows under our hands. */
        data = malloc((size_t) st.st_size + 2);
        if (!data)
                return -ENOMEM;
        n = read(fd, data, (size_t) st.st_size + 1);
        if (n < 0)
                return -errno;
        if (n > st.st_size) {
                *reterr = "changed while it was read; reload again";
                return -EAGAIN;
        }
        data[n] = '\0';
        *ret_size = (size_t) n;
        *ret = TAKE_PTR(data);
        return 0;
}

/* The words for what open_regular_in_root() could not open. */
static const char *describe(int error) {
        switch (error) {
        case -ENOENT:
                return "is a link to nothing; mend or remove it";
        case -ELOOP:
                return "is a link that leads in a circle; mend or remove it";
        case -EACCES:
        case -EPERM:
                return "may not be read; change its mode";
        case -EINVAL:
        case -EISDIR:
                return "is no regular file; rename or remove it";
        default:
                return "cannot be opened";
        }
}

/* Opens a manifest that is no plain file, if it leads to one: looked at through O_PATH first, since opening a
 * device or a FIFO can act or block. */
static int open_odd(const Lookup *l, const Source *source, const char *name, const char **reterr) {
        struct stat st;
        int fd;

        if (fstatat(l->directories[source->directory], name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
            S_ISDIR(st.st_mode)) {
                *reterr = "is a directory, not a manifest; rename or remove it";
                return -EISDIR;
        }
        fd = open_regular_in_root(l->root_fd, source->path);
        if (fd < 0)
                *reterr = describe(fd);
        return fd;
}

int lookup_read(const Lookup *l, const Source *source, char **ret, size_t *ret_size, const char **reterr) {
        _cleanup_close_ int fd = -EBADF;
        const char *name = strrchr(source->path, '/') + 1;

        if (source->regular) {
                /* O_NONBLOCK for what may have taken its place since */
                fd = openat(l->directories[source->directory], name,
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (fd < 0) {
                        fd = -errno;
                        *reterr = describe(fd);
                } else if (read_small(fd, ret, ret_size))
                        return 0;
        } else
                fd = open_odd(l, source, name, reterr);
        return fd < 0 ? fd : read_sized(fd, ret, ret_size, reterr);
}

int lookup_read_dropin(const Lookup *l, const DropIn *dropin, char **ret, size_t *ret_size,
                       const char **reterr) {
        _cleanup_close_ int fd = -EBADF;

        if (dropin->error) {
                *reterr = dropin->error;
                return -EINVAL;
        }
        fd = open_regular_in_root(l->root_fd, dropin->path);
        if (fd < 0)
                *reterr = describe(fd);
        return fd < 0 ? fd : read_sized(fd, ret, ret_size, reterr);
}

int lookup_read_path(const char *path, char **ret, size_t *ret_size, const char **reterr) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (stat(path, &st) < 0) {
                *reterr = errno == ENOENT ? "does not exist" : describe(-errno);
                return -errno;
        }
        if (!S_ISREG(st.st_mode)) {
                *reterr = describe(-EINVAL);
                return -EINVAL;
        }
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0) {
                *reterr = describe(-errno);
                return -errno;
        }
        return read_sized(fd, ret, ret_size, reterr);
}
