/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/filter-own.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "common/fs.h"
#include "common/log.h"

#define COMPILER    FILTER_COMPILER
#define PROFILE_MAX (1024 * 1024)
#define MAKERS_SIZE (FILTER_MAKERS_MAX * sizeof(FilterMaker))
#define PROGRAM_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))

static const char magic[8] = "berthf2";

static int read_profile(const char *path, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0)
                return log_error_errno(errno, "SeccompProfile='%s': cannot be opened: %m", path);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return log_error_errno(EINVAL, "SeccompProfile='%s': is not a file", path);
        r = read_fd(fd, PROFILE_MAX, ret, ret_size);
        return r < 0 ? log_error_errno(r, "SeccompProfile='%s': cannot be read: %m", path) : 0;
}

/* All that the program depends on: the words of the manifest or the profile, behind what else counts. Another version
 * of Berth or of the kernel makes another. */
static int make_source(const Plan *plan, uint64_t capabilities, char **ret, size_t *ret_size) {
        _cleanup_free_ char *profile = NULL;
        struct utsname host;
        size_t size = 0;
        FILE *f;

        if (uname(&host) < 0)
                return log_error_errno(errno, "cannot find out the kernel's version: %m");
        if (plan->seccomp_profile && read_profile(plan->seccomp_profile, &profile, &size) < 0)
                return -EINVAL;
        f = open_memstream(ret, ret_size);
        if (!f)
                return log_oom();
        fprintf(f, "%s\n%s\n%s\n%s\n%" PRIx64 "\n", profile ? "profile" : "calls", BERTH_VERSION,
                host.machine, host.release, profile ? capabilities : 0);
        if (profile)
                fwrite(profile, 1, size, f);
        for (char *const *value = plan->system_call_filters; value && *value; value++)
                fprintf(f, "%s\n", *value);
        return fclose(f) == 0 ? 0 : log_oom();
}

static int open_directory(void) {
        _cleanup_close_ int fd = make_path(AT_FDCWD, BERTH_RUNTIME_DIR, 0755), own_fd = -EBADF;
        char name[] = "filters";
        struct stat st;

        if (fd < 0)
                return log_error_errno(fd, "cannot make '%s': %m", BERTH_RUNTIME_DIR);
        own_fd = make_path(fd, name, 0700);
        if (own_fd < 0 || fstat(own_fd, &st) < 0)
                return log_error_errno(own_fd < 0 ? own_fd : errno, "cannot make '%s': %m", FILTER_DIR);
        if (st.st_uid != 0 || (st.st_mode & 07777) != 0700)
                return log_error_errno(EPERM, "'%s' is not root's alone; remove it", FILTER_DIR);
        return TAKE_FD(own_fd);
}

static bool makers_are_there(const FilterMaker makers[static FILTER_MAKERS_MAX]) {
        for (size_t i = 0; i < FILTER_MAKERS_MAX; i++) {
                char path[FILTER_MAKER_PATH];
                FilterMaker now;

                if (i > 0 && makers[i].path[0] == '\0')
                        continue; /* linked into the first */
                memcpy(path, makers[i].path, sizeof(path));
                path[sizeof(path) - 1] = '\0';
                if (filter_maker_look(path, &now) < 0 || memcmp(&now, &makers[i], sizeof(now)) != 0)
                        return false;
        }
        return true;
}

/* -ENOENT: there is none that may be loaded, whatever is in its place. */
static int take(int dir_fd, const char *name, const uint8_t source[static SHA256_SIZE], State *state) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *data = NULL;
        uint8_t digest[SHA256_SIZE];
        struct stat st;
        FilterHeader header;
        size_t size;

        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -ENOENT;
        if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 07777) != 0600 || st.st_nlink != 1)
                return -ENOENT;
        if (read_fd(fd, sizeof(FilterHeader) + PROGRAM_MAX, &data, &size) < 0 ||
            size <= sizeof(FilterHeader))
                return -ENOENT;
        memcpy(&header, data, sizeof(header));
        size -= sizeof(header);
        sha256(data + sizeof(header), size, digest);
        if (memcmp(header.magic, magic, sizeof(magic)) != 0 ||
            memcmp(header.source, source, SHA256_SIZE) != 0 ||
            memcmp(header.program, digest, SHA256_SIZE) != 0 || size % sizeof(struct sock_filter) != 0 ||
            !makers_are_there(header.makers))
                return -ENOENT;
        memmove(data, data + sizeof(header), size);
        state->filter = TAKE_PTR(data);
        state->filter_size = size;
        return 0;
}

static int open_memory(const char *text, size_t size) {
        _cleanup_close_ int fd = memfd_create("berth-filter", MFD_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = write_fd(fd, text, size);
        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? r : TAKE_FD(fd);
}

static void run_compiler(const char *profile, int in_fd, int out_fd) {
        const char *argv[] = { COMPILER, profile, NULL };

        if (dup2(in_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0)
                _exit(EXIT_BERTH);
        execv(COMPILER, (char *const *) (uintptr_t) argv);
        log_error_errno(errno, "cannot execute '%s', which compiles filters: %m", COMPILER);
        _exit(EXIT_BERTH);
}

/* The compiler reads the source from its standard input and writes who made it, and the program; what is wrong it tells
 * by itself. */
static int compile(const Plan *plan, const char *source, size_t size, char **ret, size_t *ret_size) {
        _cleanup_close_ int in_fd = open_memory(source, size), out_fd = open_memory("", 0);
        int status, r;
        pid_t pid;

        if (in_fd < 0 || out_fd < 0)
                return log_error_errno(in_fd < 0 ? in_fd : out_fd, "cannot make a file in memory: %m");
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0)
                run_compiler(plan->seccomp_profile, in_fd, out_fd);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot wait for '%s': %m", COMPILER);
        if (WIFSIGNALED(status))
                return log_error_errno(EPROTO, "'%s' died of signal %d", COMPILER, WTERMSIG(status));
        if (WEXITSTATUS(status) != 0)
                return -EINVAL;
        if (lseek(out_fd, 0, SEEK_SET) < 0)
                return log_error_errno(errno, "cannot read the filter: %m");
        r = read_fd(out_fd, MAKERS_SIZE + PROGRAM_MAX, ret, ret_size);
        if (r >= 0 && *ret_size <= MAKERS_SIZE)
                return log_error_errno(EPROTO, "'%s' wrote no filter; is it of this version?", COMPILER);
        return r < 0 ? log_error_errno(r, "cannot read the filter: %m") : 0;
}

/* made: as the compiler has written it. */
static int keep(int dir_fd, const char *name, const uint8_t source[static SHA256_SIZE], const char *made,
                size_t size) {
        const char *program = made + MAKERS_SIZE;
        _cleanup_free_ char *data = malloc(sizeof(FilterHeader) + size - MAKERS_SIZE);
        FilterHeader header;

        if (!data)
                return -ENOMEM;
        size -= MAKERS_SIZE;
        memcpy(header.makers, made, MAKERS_SIZE);
        memcpy(header.magic, magic, sizeof(magic));
        memcpy(header.source, source, SHA256_SIZE);
        sha256(program, size, header.program);
        memcpy(data, &header, sizeof(header));
        memcpy(data + sizeof(header), program, size);
        return write_file_at(dir_fd, name, data, sizeof(header) + size, 0600);
}

int filter_own_prepare(const Plan *plan, State *state) {
        _cleanup_free_ char *source = NULL, *program = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        uint8_t digest[SHA256_SIZE];
        char name[SHA256_HEX_SIZE];
        size_t size;
        int r;

        if (!plan->system_call_filters && !plan->seccomp_profile)
                return 0;
        state->filter_replaces = plan->seccomp_profile != NULL;
        r = make_source(plan, state->capabilities, &source, &size);
        if (r < 0)
                return r;
        sha256(source, size, digest);
        sha256_hex(digest, name);
        dir_fd = open_directory();
        if (dir_fd < 0)
                return dir_fd;
        if (take(dir_fd, name, digest, state) >= 0)
                return 0;
        r = compile(plan, source, size, &program, &size);
        if (r < 0)
                return r;
        r = keep(dir_fd, name, digest, program, size);
        if (r >= 0)
                r = take(dir_fd, name, digest, state);
        return r < 0 ? log_error_errno(r, "cannot keep the filter in '%s/%s': %m", FILTER_DIR, name) : 0;
}
