/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/command.h"
#include "helper/container/known.h"
#include "helper/exec/place.h"
#include "helper/storage/arrive.h"
#include "helper/storage/pack.h"
#include "helper/storage/spool.h"
#include "helper/text/hold.h"
#include "helper/text/printable.h"
#include "helper/text/progress.h"
#include "helper/verbs/verbs.h"

/* berth cp: one process reads, with the rights that reading takes where it reads, another writes, and what passes
 * between them is a tar archive. Of a stream the caller has the other end of the pipe. Where the caller is not root, the
 * process at a container's end is another "berth cp", of a stream, which asks the gate; what is the host's is
 * reached with the caller's own rights. */

#define TOP "content" /* what is copied, in the archive */

typedef enum EndKind { END_HOST, END_CONTAINER, END_STREAM } EndKind;

typedef struct End {
        EndKind kind;
        char *name; /* of the container */
        const char *path;
} End;

typedef struct Copy {
        End from, to;
        char *leaf;   /* what is copied is called so; NULL: what is in it is copied, or all of a stream */
        bool relayed; /* the caller is not root: another berth is at a container's end */
        bool json;
        bool owned;
        uid_t uid;
        gid_t gid;
        ExtractLimits limits;
        int pipe_fds[2], word_fds[2];
} Copy;

static void copy_done(Copy *copy) {
        free(copy->from.name);
        free(copy->to.name);
        free(copy->leaf);
        close_fd(copy->pipe_fds[0]);
        close_fd(copy->pipe_fds[1]);
        close_fd(copy->word_fds[0]);
        close_fd(copy->word_fds[1]);
}

/* -- words -- */

/* A name in front of a colon is a container's: a file that is called so is "./NAME:...". */
static int parse_end(const char *word, End *ret) {
        const char *colon = strchr(word, ':');

        *ret = (End){ .kind = streq(word, "-") ? END_STREAM : END_HOST, .path = word };
        if (!colon || memchr(word, '/', (size_t) (colon - word)))
                return 0;
        ret->name = strndup(word, (size_t) (colon - word));
        if (!ret->name)
                return log_oom();
        if (!name_valid(ret->name, false))
                return log_error_errno(EINVAL, "'%s': '%s' is not a container's name; of the host: ./%s",
                                       word, ret->name, word);
        ret->kind = END_CONTAINER;
        ret->path = colon + 1;
        if (ret->path[0] != '/')
                return log_error_errno(EINVAL, "'%s': '%s' is not absolute; paths inside begin with '/'",
                                       word, ret->path);
        return 0;
}

/* What is copied keeps its name where it is put into a directory; "DIR/." and "/" are what is in them. */
static int find_leaf(Copy *copy) {
        const char *path = copy->from.path;
        size_t end = strlen(path), start;

        if (copy->from.kind == END_STREAM)
                return 0; /* --top= has said it */
        while (end > 0 && path[end - 1] == '/')
                end--;
        for (start = end; start > 0 && path[start - 1] != '/'; start--)
                ;
        if (end == start || (end - start == 1 && path[start] == '.'))
                return 0;
        copy->leaf = strndup(path + start, end - start);
        if (!copy->leaf)
                return log_oom();
        return streq(copy->leaf, "..") ? log_error_errno(EINVAL, "'%s' ends with '..'", path) : 0;
}

static int take_owner(const char *value, Copy *copy) {
        copy->owned = true;
        return parse_owner(value, &copy->uid, &copy->gid) < 0
                               ? log_error_errno(EINVAL, "--owner=%s: expected UID or UID:GID, numbers",
                                                 value)
                               : 0;
}

static int parse_top(const char *value, Copy *copy) {
        free(copy->leaf);
        copy->leaf = strdup(value);
        if (!copy->leaf)
                return log_oom();
        if (*value == '\0' || strchr(value, '/') || streq(value, ".") || streq(value, ".."))
                return log_error_errno(EINVAL, "--top=%s: expected the name of a file or directory", value);
        return 0;
}

static int parse_words(char *argv[], Copy *copy) {
        OptionParser parser = { .options = cp_options, .argv = argv };
        const char *words[2] = {}, *value;
        size_t n = 0;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP) {
                        verb_help("cp");
                        return 1;
                }
                if (r == CP_OWNER)
                        r = take_owner(value, copy);
                else if (r == CP_MAX_SIZE)
                        r = parse_size(value, &copy->limits.bytes) < 0 || copy->limits.bytes > INT64_MAX
                                            ? log_error_errno(EINVAL, "--max-size=%s: expected bytes", value)
                                            : 0;
                else if (r == CP_TOP)
                        r = parse_top(value, copy);
                else if (r == CP_JSON) {
                        copy->json = true;
                        r = 0;
                } else if (r == OPTIONS_OPERAND && n < ARRAY_LEN(words)) {
                        words[n++] = value;
                        r = 0;
                } else if (r == OPTIONS_OPERAND)
                        r = log_error_errno(EINVAL, "cp takes two paths: %s is a third", value);
                if (r < 0)
                        return r;
        }
        if (n < ARRAY_LEN(words))
                return log_error_errno(EINVAL, "cp needs two paths: berth cp [NAME:]SOURCE [NAME:]TARGET");
        r = parse_end(words[0], &copy->from);
        if (r >= 0)
                r = parse_end(words[1], &copy->to);
        if (r < 0)
                return r;
        if (copy->leaf && copy->from.kind != END_STREAM)
                return log_error_errno(EINVAL, "--top= is for what a stream brings along");
        r = find_leaf(copy);
        if (r < 0)
                return r;
        if (copy->from.kind != END_CONTAINER && copy->to.kind != END_CONTAINER)
                return log_error_errno(EINVAL, "neither '%s' nor '%s' is of a container: NAME:/PATH",
                                       words[0], words[1]);
        if (copy->json && copy->to.kind == END_STREAM)
                return log_error_errno(EINVAL, "--json and an archive cannot both be standard output");
        if (copy->owned && copy->from.kind == END_STREAM)
                return log_error_errno(EINVAL, "--owner= is not for what a stream brings along");
        return 0;
}

/* -- both processes -- */

/* A container that does not run, or is none, has a status of its own. */
static int enter_failed(int r) {
        return r == -ENOENT ? EXIT_NO_SUCH : r == -ESRCH ? EXIT_NOT_RUNNING : EXIT_FAILED;
}

static int failed(const End *end, int error) {
        if (error == -EREMOTE)
                log_error("container '%s': " PLACE_MOUNTED, end->name, shown(end->path).text);
        else
                (void) log_error_errno(error, "%s%s%s: %m", end->name ? end->name : "", end->name ? ":" : "",
                                       shown(end->path).text);
        return EXIT_FAILED;
}

/* Of the host: path's directory, which becomes all that is there. Links of the caller's host are his. */
static int open_host(const char *path, bool follow, Inside *ret_inside, Place *ret) {
        _cleanup_free_ char *real = follow ? realpath(path, NULL) : NULL, *directory = NULL;
        const char *at = real ? real : path, *slash;
        _cleanup_close_ int fd = -EBADF;
        size_t n = strlen(at);
        int r;

        while (n > 1 && at[n - 1] == '/')
                n--;
        slash = memrchr(at, '/', n);
        directory = !slash ? strdup(".") : slash == at ? strdup("/") : strndup(at, (size_t) (slash - at));
        if (!directory)
                return -ENOMEM;
        slash = slash ? slash + 1 : at;
        if (at + n - slash > NAME_MAX)
                return -ENAMETOOLONG;
        snprintf(ret->name, sizeof(ret->name), "%.*s", (int) (at + n - slash), slash);
        if (ret->name[0] == '\0')
                strcpy(ret->name, ".");
        if (streq(ret->name, ".."))
                return -EINVAL;
        fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = inside_enter_host(fd, ret_inside);
        if (r < 0)
                return r;
        ret->dir_fd = TAKE_FD(fd);
        return 0;
}

/* -- the process that reads -- */

static int send_end(const Copy *copy) {
        bool stream = copy->to.kind == END_STREAM || copy->relayed;
        const char *what = copy->from.path, *as = !stream ? TOP : copy->leaf ? copy->leaf : ".";
        Progress progress = {};
        _cleanup_inside_ Inside inside = INSIDE_NONE;
        _cleanup_place_ Place place = PLACE_NONE;
        Pack pack = {
                .inside = &inside,
                .what = what,
                .out_fd = copy->pipe_fds[1],
                /* what gets another owner must not run with the rights of that one */
                .no_set_id = copy->from.kind == END_CONTAINER &&
                             (copy->to.kind != END_STREAM || copy->owned),
                .owner = copy->owned ? &copy->uid : NULL,
                .group = copy->owned ? &copy->gid : NULL,
                .limits = copy->limits,
                .progress = &progress,
        };
        struct stat st;
        int r;

        directory_allow_depth();
        progress_begin(&progress, what, 0);
        if (copy->from.kind == END_CONTAINER) {
                r = inside_enter(copy->from.name, NULL, INSIDE_READ, &inside);
                if (r < 0)
                        return enter_failed(r);
                r = place_find(&inside, what, PLACE_FOLLOW, &place);
        } else
                r = open_host(what, /* follow= */ true, &inside, &place);
        if (r < 0)
                return failed(&copy->from, r);
        if (fstatat(place.dir_fd, place.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(&copy->from, errno);
        if (!copy->leaf && !S_ISDIR(st.st_mode))
                return failed(&copy->from, ENOTDIR);
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
                log_error("%s: is neither a file nor a directory", what);
                return EXIT_FAILED;
        }
        r = pack_tree(&pack, place.dir_fd, place.name, as);
        if (r >= 0 && copy->word_fds[1] >= 0)
                r = write_fd(copy->word_fds[1], "", 1);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* -- the process that writes -- */

/* Where it goes: into the directory that the target is, under its own name, or to the target itself. */
static int settle(const Copy *copy, Place *place) {
        struct stat st;
        int fd;

        if (!copy->leaf)
                return 0;
        if (fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
                size_t n = strlen(copy->to.path);

                return n > 0 && copy->to.path[n - 1] == '/' ? -ENOTDIR : 0;
        }
        fd = openat(place->dir_fd, place->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        place_done(place);
        place->dir_fd = fd;
        snprintf(place->name, sizeof(place->name), "%s", copy->leaf);
        return 0;
}

static int print_count(const ExtractCount *count) {
        printf("{\"entries\":%ju,\"bytes\":%ju}\n", (uintmax_t) count->entries, (uintmax_t) count->bytes);
        return fflush(stdout) == EOF ? EXIT_FAILED : EXIT_DONE;
}

/* A container that keeps a layer may be stopped, and is then locked: neither a stream nor another container is to keep
 * it so. */
static int spool_stream(const Copy *copy) {
        int fd;

        if (copy->from.kind == END_HOST || copy->to.kind != END_CONTAINER ||
            !spool_needed(copy->pipe_fds[0]) || !known_layer(copy->to.name))
                return 0;
        fd = spool_read(copy->pipe_fds[0], copy->limits.bytes,
                        copy->from.kind == END_STREAM ? "standard input" : copy->from.path);
        if (fd < 0)
                return fd;
        if (dup3(fd, copy->pipe_fds[0], O_CLOEXEC) < 0)
                fd = log_error_errno(errno, "cannot exchange descriptors: %m");
        return fd < 0 ? fd : (close_fd(fd), 0);
}

static int receive_end(const Copy *copy) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        Progress progress = {};
        ExtractCount count = {};
        _cleanup_inside_ Inside inside = INSIDE_NONE;
        _cleanup_place_ Place place = PLACE_NONE;
        const Arrival arrival = {
                .what = copy->from.kind == END_STREAM ? "standard input" : copy->from.path,
                .to = copy->to.path,
                .fd = copy->pipe_fds[0],
                .top = copy->from.kind == END_STREAM || copy->relayed ? copy->leaf : TOP,
                .word_fd = copy->word_fds[0],
                .limits = copy->limits,
                .progress = &progress,
                .ret_count = &count,
        };
        struct stat st;
        int r;

        directory_allow_depth();
        if (spool_stream(copy) < 0)
                return EXIT_FAILED;
        if (copy->to.kind == END_CONTAINER) {
                hold_begin(&hold);
                r = inside_enter(copy->to.name, NULL, INSIDE_WRITE, &inside);
                if (r < 0)
                        return enter_failed(r);
                r = place_find(&inside, copy->to.path, PLACE_FOLLOW | PLACE_MAKE, &place);
        } else
                r = open_host(copy->to.path, stat(copy->to.path, &st) == 0, &inside, &place);
        if (r >= 0)
                r = settle(copy, &place);
        if (r < 0)
                return failed(&copy->to, r);
        if (arrive(&arrival, &place) < 0)
                return EXIT_FAILED;
        return copy->json ? print_count(&count) : EXIT_DONE;
}

/* -- the one that waits -- */

static void close_other(int fds[2], int keep) {
        fds[!keep] = close_fd(fds[!keep]);
}

static pid_t start(Copy *copy, int (*end)(const Copy *), int keep) {
        pid_t pid = command_fork();

        if (pid != 0)
                return pid;
        close_other(copy->pipe_fds, keep);
        close_other(copy->word_fds, keep);
        _exit(end(copy));
}

static int wait_for(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILED;
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        log_error("a process of the copy was killed by signal %d", WTERMSIG(status));
        return EXIT_FAILED;
}

/* -- where the caller is not root -- */

static int relay_words(const Copy *copy, bool reads, char ***ret) {
        const End *end = reads ? &copy->from : &copy->to;
        int r = strv_append(ret, "berth");

        if (r >= 0)
                r = strv_append(ret, "cp");
        if (r >= 0)
                r = strv_appendf(ret, "--max-size=%ju", (uintmax_t) copy->limits.bytes);
        if (r >= 0 && reads && copy->owned)
                r = strv_appendf(ret, "--owner=%u:%u", copy->uid, copy->gid);
        if (r >= 0 && !reads && copy->json)
                r = strv_append(ret, "--json");
        if (r >= 0 && !reads && copy->leaf)
                r = strv_appendf(ret, "--top=%s", copy->leaf);
        if (r >= 0)
                r = strv_append(ret, "--");
        if (r >= 0 && !reads)
                r = strv_append(ret, "-");
        if (r >= 0)
                r = strv_appendf(ret, "%s:%s", end->name, end->path);
        return r >= 0 && reads ? strv_append(ret, "-") : r;
}

/* In the place of the process at a container's end: berth again, with the pipe for a stream. */
static int relay(const Copy *copy, bool reads) {
        _cleanup_strv_ char **words = NULL;
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (relay_words(copy, reads, &words) < 0)
                return log_oom(), EXIT_FAILED;
        (void) signal(SIGPIPE, SIG_DFL);
        if (dup2(reads ? null_fd : copy->pipe_fds[0], STDIN_FILENO) >= 0 &&
            (!reads || dup2(copy->pipe_fds[1], STDOUT_FILENO) >= 0))
                execv(BERTH_BINDIR "/berth", words);
        return log_error_errno(errno, "cannot execute '%s': %m", BERTH_BINDIR "/berth"), EXIT_FAILED;
}

static int relay_from(const Copy *copy) {
        return relay(copy, /* reads= */ true);
}

static int relay_to(const Copy *copy) {
        return relay(copy, /* reads= */ false);
}

/* -- */

/* Both ends, with a pipe between them. */
static int run_both(Copy *copy) {
        bool from = copy->relayed && copy->from.kind == END_CONTAINER,
             to = copy->relayed && copy->to.kind == END_CONTAINER;
        pid_t sender, receiver;
        int sent, received;

        sender = start(copy, from ? relay_from : send_end, 1);
        receiver = sender < 0 ? sender : start(copy, to ? relay_to : receive_end, 0);
        if (receiver < 0)
                log_error_errno(receiver, "cannot start a process: %m");
        for (int i = 0; i < 2; i++)
                copy->pipe_fds[i] = close_fd(copy->pipe_fds[i]);
        sent = sender < 0 ? EXIT_FAILED : wait_for(sender);
        if (from && sent == EXIT_DONE) /* it cannot say the word itself */
                (void) write_fd(copy->word_fds[1], "", 1);
        for (int i = 0; i < 2; i++)
                copy->word_fds[i] = close_fd(copy->word_fds[i]);
        received = receiver < 0 ? EXIT_FAILED : wait_for(receiver);
        /* That there is no such container tells more than that the other end was left alone. */
        return MAX(sent, received);
}

static int run(Copy *copy) {
        if (copy->to.kind == END_STREAM) {
                if (isatty(STDOUT_FILENO)) {
                        log_error("standard output is a terminal: redirect it, an archive is not for reading");
                        return EXIT_USAGE;
                }
                copy->pipe_fds[1] = STDOUT_FILENO;
                return send_end(copy);
        }
        if (copy->from.kind == END_STREAM) {
                copy->pipe_fds[0] = STDIN_FILENO;
                return receive_end(copy);
        }
        copy->relayed = geteuid() != 0;
        if (copy->relayed && copy->to.kind == END_HOST && !copy->owned) { /* no other owner can be given */
                copy->owned = true;
                copy->uid = geteuid();
                copy->gid = getegid();
        }
        if (pipe2(copy->pipe_fds, O_CLOEXEC) < 0 || pipe2(copy->word_fds, O_CLOEXEC) < 0) {
                log_error_errno(errno, "cannot make a pipe: %m");
                return EXIT_FAILED;
        }
        return run_both(copy);
}

int verb_cp(int argc _unused_, char *argv[]) {
        _cleanup_(copy_done) Copy copy = {
                .limits = { EXTRACT_ENTRIES_MAX, EXTRACT_BYTES_MAX },
                .pipe_fds = { -EBADF, -EBADF },
                .word_fds = { -EBADF, -EBADF },
        };
        int r;

        r = parse_words(argv, &copy);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        (void) signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an errno */
        return run(&copy);
}
