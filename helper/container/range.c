/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/range.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"

#define RANGE_FIRST  UINT32_C(524288)
#define RANGE_END    UINT32_C(1878982656)
#define RANGE_COUNT  ((RANGE_END - RANGE_FIRST) / RANGE_SIZE)
#define RESERVATIONS BERTH_RUNTIME_DIR "/ranges"
#define GIVEN        "given" /* below it: NAME of a container with PrivateUsers=BASE:SIZE -> BASE:SIZE */
#define MACHINES     "/run/systemd/machines"

#define CLAIMS_SIZE_MAX ((size_t) 1024 * 1024)

/* FNV-1a, 32 bits: any stable hash does, it only has to spread names. */
static uint32_t hash_name(const char *name) {
        uint32_t h = 2166136261U;

        for (; *name; name++)
                h = (h ^ (unsigned char) *name) * 16777619U;
        return h;
}

static bool overlaps(uint32_t base, uint64_t first, uint64_t count) {
        return first <= base ? base - first < count : first - base < RANGE_SIZE;
}

/* subuid(5): NAME:FIRST:COUNT. A line that is not of this form claims nothing. */
static bool listed_in(const char *text, uint32_t base) {
        for (const char *line = text; line && *line;
             line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                unsigned long long first, count;

                if (sscanf(line, "%*[^:\n]:%llu:%llu", &first, &count) == 2 && overlaps(base, first, count))
                        return true;
        }
        return false;
}

/* Does the leader of a machine of machined's (nspawn, ...) use host ids of the range? */
static bool used_by_machine(int dir_fd, const char *machine, uint32_t base) {
        _cleanup_free_ char *text = NULL, *map = NULL;
        unsigned long long inside, host, count;
        char path[64];
        const char *p;
        int pid, n;

        if (read_file_at(dir_fd, machine, 65536, &text, NULL) < 0)
                return false;
        p = strstr(text, "\nLEADER=");
        if (!p || sscanf(p, "\nLEADER=%d", &pid) != 1)
                return false;
        snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
        if (read_file_at(AT_FDCWD, path, 65536, &map, NULL) < 0)
                return false; /* gone */
        for (p = map; sscanf(p, "%llu %llu %llu%n", &inside, &host, &count, &n) == 3; p += n)
                if (count < UINT32_MAX && overlaps(base, host, count))
                        return true;
        return false;
}

static int by_name(const void *a, const void *b) {
        const char *const *x = a, *const *y = b;

        return strcmp(*x, *y);
}

/* What machined calls our own containers, sorted: of an instance the '@' is a '-' there (name_to_machine()). */
static int list_own(char ***ret) {
        int r = directory_names(AT_FDCWD, BERTH_CONTAINER_DIR, 0, NULL, ret);
        bool instances = false;

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (char **name = *ret; name && *name; name++) {
                char *at = strchr(*name, '@');

                if (at) {
                        *at = '-';
                        instances = true;
                }
        }
        if (instances)
                qsort(*ret, strv_length(*ret), sizeof(char *), by_name);
        return 0;
}

/* 1 or 0, or negative errno. The reservations of our own containers, which are machines too, are looked at elsewhere; to
 * look at each of hundreds here would cost what a launch does. */
static int used_by_machines(uint32_t base) {
        _cleanup_directory_ DIR *dir = NULL;
        _cleanup_strv_ char **own = NULL;
        const struct dirent *entry;
        size_t n_own;
        int r, k;

        r = directory_open(AT_FDCWD, MACHINES, 0, &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        k = list_own(&own);
        if (k < 0)
                return k;
        n_own = strv_length(own);
        while ((r = directory_next(dir, &entry)) > 0) {
                const char *machine = entry->d_name;

                if (entry->d_type == DT_REG &&
                    (n_own == 0 || !bsearch(&machine, own, n_own, sizeof(char *), by_name)) &&
                    used_by_machine(dirfd(dir), machine, base))
                        return 1;
        }
        return r;
}

/* 1: it was the reservation of name, and is given back. */
static int release(int dir_fd, uint32_t base, const char *name) {
        char link[16], owner[256];
        ssize_t n;

        snprintf(link, sizeof(link), "%u", base);
        n = readlinkat(dir_fd, link, owner, sizeof(owner) - 1);
        if (n < 0)
                return 0;
        owner[n] = '\0';
        if (!streq(owner, name))
                return 0;
        return unlinkat(dir_fd, link, 0) < 0 && errno != ENOENT ? -errno : 1;
}

/* A link is made whole or not at all, so that two launches at once cannot both win: 1 if base is ours now. */
static int reserve(int dir_fd, uint32_t base, const char *name) {
        char link[16], owner[256];
        ssize_t n;

        snprintf(link, sizeof(link), "%u", base);
        if (symlinkat(name, dir_fd, link) == 0)
                return 1;
        if (errno != EEXIST)
                return -errno;
        n = readlinkat(dir_fd, link, owner, sizeof(owner) - 1);
        if (n < 0)
                return errno == ENOENT ? 0 : -errno;
        owner[n] = '\0';
        return streq(owner, name); /* ours from a launch that was killed */
}

/* What an administrator has given another container, which need not be whole ranges: 1 if part of it is base's. */
static int is_given(int dir_fd, uint32_t base, const char *name) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r = directory_open(dir_fd, GIVEN, O_NOFOLLOW, &dir);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while ((r = directory_next(dir, &entry)) > 0) {
                unsigned long long first, count;
                char text[64];
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, text, sizeof(text) - 1);

                if (n < 0) /* just given back */
                        continue;
                text[n] = '\0';
                if (!streq(entry->d_name, name) && sscanf(text, "%llu:%llu", &first, &count) == 2 &&
                    overlaps(base, first, count))
                        return 1;
        }
        return r;
}

/* 1: base is ours. First the reservation and then the look at what is given, which does it the other way round: of two
 * at once one sees the other. */
static int take(int dir_fd, uint32_t base, const char *name) {
        int r = reserve(dir_fd, base, name);

        if (r <= 0)
                return r;
        r = is_given(dir_fd, base, name);
        if (r != 0)
                (void) release(dir_fd, base, name);
        return r < 0 ? r : r == 0;
}

/* Without the file nothing is claimed; of one that cannot be read nobody knows what is. */
static int read_claims(const char *path, char **ret) {
        int r = read_file_at(AT_FDCWD, path, CLAIMS_SIZE_MAX, ret, NULL);

        return r < 0 && r != -ENOENT
                               ? log_error_errno(r, "cannot read whose user ids are whose in '%s': %m", path)
                               : 0;
}

int range_pick(const char *name, uint32_t *ret_base) {
        _cleanup_free_ char *subuid = NULL, *subgid = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        uint32_t start = hash_name(name) % RANGE_COUNT;
        int r;

        dir_fd = make_path(AT_FDCWD, RESERVATIONS, 0755);
        if (dir_fd < 0)
                return log_error_errno(dir_fd, "cannot make '%s': %m", RESERVATIONS);
        r = read_claims("/etc/subuid", &subuid);
        if (r >= 0)
                r = read_claims("/etc/subgid", &subgid);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < RANGE_COUNT; i++) {
                uint32_t base = RANGE_FIRST + (start + i) % RANGE_COUNT * RANGE_SIZE;

                if (listed_in(subuid, base) || listed_in(subgid, base) || used_by_machines(base))
                        continue;
                r = take(dir_fd, base, name);
                if (r < 0)
                        return log_error_errno(r, "cannot reserve a range of user ids in '%s': %m",
                                               RESERVATIONS);
                if (r > 0) {
                        *ret_base = base;
                        return 0;
                }
        }
        return log_error_errno(EBUSY, "no free range of %d user ids is left; see %s and /etc/subuid",
                               RANGE_SIZE, RESERVATIONS);
}

/* Has a container picked a range that has one of the ids? Its name goes to owner. */
static int is_picked(int dir_fd, uint32_t first, uint32_t count, const char *name, char owner[static 256]) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r = directory_open(dir_fd, ".", O_NOFOLLOW, &dir);

        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, owner, 255);
                uint32_t base;

                if (n < 0 || parse_id(entry->d_name, &base) < 0 || !overlaps(base, first, count))
                        continue;
                owner[n] = '\0';
                if (!streq(owner, name))
                        return 1;
        }
        return r;
}

int range_give(const char *name, uint32_t base, uint32_t count) {
        _cleanup_close_ int dir_fd = -EBADF, given_fd = -EBADF;
        char text[32], owner[256];
        int r;

        dir_fd = make_path(AT_FDCWD, RESERVATIONS, 0755);
        given_fd = r = dir_fd < 0 ? dir_fd : make_path(dir_fd, GIVEN, 0755);
        snprintf(text, sizeof(text), "%u:%u", base, count);
        if (r >= 0)
                r = unlinkat(given_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
        if (r >= 0)
                r = symlinkat(text, given_fd, name) < 0 ? -errno : 0;
        if (r >= 0)
                r = is_picked(dir_fd, base, count, name, owner);
        if (r < 0)
                return log_error_errno(r, "cannot reserve user ids in '%s': %m", RESERVATIONS);
        if (r == 0)
                return 0;
        (void) unlinkat(given_fd, name, 0);
        return log_error_errno(
                        EBUSY,
                        "PrivateUsers=%s: container '%s' has some of these user ids (PrivateUsers=pick); "
                        "choose others, below %u for one",
                        text, owner, RANGE_FIRST);
}

int range_release(const char *name, uint32_t base) {
        _cleanup_directory_ DIR *dir = NULL;
        _cleanup_free_ char *given = NULL;
        const struct dirent *entry;
        int r = directory_open(AT_FDCWD, RESERVATIONS, O_NOFOLLOW, &dir);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (asprintf(&given, GIVEN "/%s", name) < 0)
                return -ENOMEM;
        if (unlinkat(dirfd(dir), given, 0) == 0)
                return 0;
        if (errno != ENOENT && errno != ENOTDIR)
                return -errno;
        if (base > 0 && (r = release(dirfd(dir), base, name)) != 0)
                return MIN(r, 0);
        while ((r = directory_next(dir, &entry)) > 0) {
                uint32_t other;
                int k = parse_id(entry->d_name, &other) < 0 ? 0 : release(dirfd(dir), other, name);

                if (k < 0)
                        return k;
        }
        return r;
}
