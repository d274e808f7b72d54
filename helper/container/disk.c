/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/disk.h"

#include <endian.h>
#include <stdio.h>

#include "common/log.h"
#include "helper/container/loop.h"
#include "helper/container/mount.h"

#define SECTOR         512
#define PARTITIONS_MAX 128
#define MAGIC_MAX      8

#if defined(__x86_64__)
#define ROOT_TYPE "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#elif defined(__aarch64__)
#define ROOT_TYPE "b921b045-1df0-41c3-af44-4c6f280d3fae"
#elif defined(__riscv) && __riscv_xlen == 64
#define ROOT_TYPE "72ec70a6-cf74-40e6-bd49-4bda08e8f224"
#else
#define ROOT_TYPE ""
#endif

static int read_at(int fd, void *data, size_t size, uint64_t offset) {
        ssize_t n;

        if (offset > INT64_MAX)
                return -EBADMSG;
        do
                n = pread(fd, data, size, (off_t) offset);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : (size_t) n == size ? 0 : -EMEDIUMTYPE;
}

/* The file system that begins at offset, or NULL: what its first blocks say. */
static const char *file_system_at(int fd, uint64_t offset) {
        static const struct {
                const char *type;
                unsigned offset;
                const char *magic;
                size_t size;
        } rows[] = {
                { "squashfs", 0, "hsqs", 4 },
                { "erofs", 1024, "\xe2\xe1\xf5\xe0", 4 },
                { "ext4", 1024 + 56, "\x53\xef", 2 }, /* also of ext2 and ext3, which it mounts as well */
                { "xfs", 0, "XFSB", 4 },
                { "btrfs", 65536 + 64, "_BHRfS_M", 8 },
        };
        char magic[MAGIC_MAX];

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (read_at(fd, magic, rows[i].size, offset + rows[i].offset) >= 0 &&
                    memcmp(magic, rows[i].magic, rows[i].size) == 0)
                        return rows[i].type;
        return NULL;
}

/* UEFI specification, 5.3: what of a partition table is read here. Everything in it may be wrong. */
typedef struct GptHeader {
        char signature[8];
        uint8_t other[64];
        uint64_t entries_lba;
        uint32_t n_entries, entry_size, crc;
} __attribute__((packed)) GptHeader;

typedef struct GptEntry {
        uint32_t type1;
        uint16_t type2, type3;
        uint8_t type4[8];
        uint8_t id[16];
        uint64_t first, last; /* sectors, the last one included */
        uint8_t other[80];
} __attribute__((packed)) GptEntry;

_Static_assert(sizeof(GptHeader) == 92 && sizeof(GptEntry) == 128, "as on disk");

static bool is_root(const GptEntry *entry) {
        const uint8_t *rest = entry->type4;
        char type[37];

        snprintf(type, sizeof(type), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                 le32toh(entry->type1), le16toh(entry->type2), le16toh(entry->type3), rest[0], rest[1],
                 rest[2], rest[3], rest[4], rest[5], rest[6], rest[7]);
        return streq(type, ROOT_TYPE);
}

static bool is_used(const GptEntry *entry) {
        static const GptEntry none = {};

        return memcmp(entry, &none, offsetof(GptEntry, id)) != 0 && le64toh(entry->first) > 0 &&
               le64toh(entry->first) <= le64toh(entry->last) && le64toh(entry->last) < INT64_MAX / SECTOR;
}

static int find_partition(int fd, GptEntry *ret) {
        GptEntry entry, found = {};
        unsigned n_used = 0;
        GptHeader header;
        uint32_t n;
        int r;

        r = read_at(fd, &header, sizeof(header), SECTOR);
        if (r < 0 || memcmp(header.signature, "EFI PART", sizeof(header.signature)) != 0)
                return r < 0 ? r : -EMEDIUMTYPE;
        n = le32toh(header.n_entries);
        if (le32toh(header.entry_size) != sizeof(GptEntry) || n > PARTITIONS_MAX ||
            le64toh(header.entries_lba) > INT64_MAX / SECTOR / 2)
                return -EMEDIUMTYPE;
        for (uint32_t i = 0; i < n; i++) {
                r = read_at(fd, &entry, sizeof(entry),
                            le64toh(header.entries_lba) * SECTOR + i * sizeof(entry));
                if (r < 0)
                        return r;
                if (!is_used(&entry))
                        continue;
                found = entry;
                n_used++;
                if (is_root(&entry)) {
                        n_used = 1;
                        break;
                }
        }
        if (n_used != 1)
                return n_used > 1 ? -ENOTUNIQ : -EMEDIUMTYPE;
        *ret = found;
        return 0;
}

int disk_look(int file_fd, Disk *ret) {
        Disk disk = { .type = file_system_at(file_fd, 0) };
        GptEntry partition;
        int r;

        if (!disk.type) {
                r = find_partition(file_fd, &partition);
                if (r < 0)
                        return r;
                disk.offset = le64toh(partition.first) * SECTOR;
                disk.size = (le64toh(partition.last) - le64toh(partition.first) + 1) * SECTOR;
                disk.type = file_system_at(file_fd, disk.offset);
                if (!disk.type)
                        return -EMEDIUMTYPE;
        }
        *ret = disk;
        return 0;
}

/* The journal of a file system that was not unmounted cannot be replayed on what is read-only. */
static const char *hint(const Disk *disk, int error) {
        if (error == -ENODEV)
                return "; this kernel does not know it, is its module there?";
        if (error == -EROFS || error == -EUCLEAN)
                return "; it was not unmounted cleanly, repair it first (e2fsck, xfs_repair)";
        if (error == -EBUSY || error == -EEXIST)
                return streq(disk->type, "btrfs")
                                       ? "; one btrfs cannot be mounted twice, use another file system"
                                       : "";
        return "";
}

int disk_mount(int file_fd, const Disk *disk, const char *name) {
        const Loop loop = { .offset = disk->offset, .size = disk->size };
        _cleanup_close_ int loop_fd = -EBADF;
        const char *options[4] = { NULL, "ro", NULL, NULL };
        char source[48];
        int number, fd;

        number = loop_attach(file_fd, &loop, name, &loop_fd);
        if (number < 0)
                return number;
        snprintf(source, sizeof(source), "source=/dev/loop%d", number);
        options[0] = source;
        if (streq(disk->type, "xfs")) /* several containers mount copies of one identity */
                options[2] = "nouuid";
        fd = mount_new(disk->type, options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        return fd < 0 ? log_error_errno(fd, "image '%s': its %s cannot be mounted: %m%s", name, disk->type,
                                        hint(disk, fd))
                      : fd;
}
