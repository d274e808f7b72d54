/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* berth-gate: one command of a user who is not root. systemd starts it for each connection to /run/berth/control. It
 * learns from the kernel who connected, from polkit whether they may, and then runs berth as root with their standard
 * input, output and error, and nothing else of theirs. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/directory.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/cgroup.h"
#include "helper/gate/authority.h"
#include "helper/gate/frames.h"
#include "helper/gate/gate-fd.h"
#include "helper/gate/gate-words.h"
#include "helper/text/hold.h"

#define CONNECTIONS_PER_UID 16
#define REQUEST_MS          30000
#define ENDING_MS           10000 /* berth exec takes two seconds to end what it started */
#define FIRST_FD            10    /* where the files of a command line stand when it is executed */

typedef struct Gate {
        int socket_fd;
        FrameReader reader;
        Subject subject;
        const char *term; /* borrowed from words_sent */
        char **words_sent;
        GateWords words;
} Gate;

static void gate_done(Gate *gate) {
        frame_reader_done(&gate->reader);
        gate_words_done(&gate->words);
        strv_free(gate->words_sent);
        close_fd(gate->socket_fd);
}

/* Says it to the client and to the journal. Returns -EPERM. */
static int refuse(const Gate *gate, const char *message) {
        log_warning("uid %u: %s", gate->subject.uid, message);
        (void) frame_send_number(gate->socket_fd, FRAME_END,
                                 (uint32_t) (gate->words.row ? gate_exit_status(&gate->words) : EXIT_BERTH),
                                 message);
        return -EPERM;
}

/* systemd calls the units of one socket berth@N-PID-UID.service; MaxConnectionsPerSource= counts users only from
 * version 256 on. */
static int count_connections(uid_t uid, unsigned *ret) {
        _cleanup_directory_ DIR *dir = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        const struct dirent *entry;
        char suffix[32], *slash;
        unsigned n = 0;
        int r;

        r = cgroup_self(&path);
        if (r < 0)
                return r;
        slash = strrchr(path, '/');
        if (!slash || !startswith(slash + 1, "berth@"))
                return -ENODATA;
        *slash = '\0';
        fd = cgroup_open(path);
        if (fd < 0)
                return fd;
        snprintf(suffix, sizeof(suffix), "-%u.service", uid);
        r = directory_open(fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                n += startswith(entry->d_name, "berth@") && endswith(entry->d_name, suffix);
        if (r < 0)
                return r;
        *ret = n;
        return 0;
}

static int understand_request(Gate *gate) {
        int r;

        r = frame_reader_request(&gate->reader, gate->socket_fd, REQUEST_MS, &gate->words_sent);
        if (r == -ETIME)
                return refuse(gate, "no request came in time");
        if (r == -EPIPE) /* it only wanted to see whether somebody is there */
                return r;
        if (r < 0 || strv_length(gate->words_sent) < 3 || !streq(gate->words_sent[0], GATE_VERSION))
                return refuse(gate, "this is no request, or one of another version");
        gate->term = gate->words_sent[1];
        r = gate_words_check(gate->words_sent + 2, FIRST_FD, &gate->words);
        if (r < 0)
                return refuse(gate, r == -EPERM ? "only root may use this verb"
                                                : "the gate does not take these words");
        if (gate->reader.n_fds != 3 + gate->words.n_files)
                return refuse(gate, "the descriptors do not fit the request");
        for (size_t i = 0; i < gate->reader.n_fds; i++)
                if (i < 3 ? !gate_stream_fits(gate->reader.fds[i]) : !gate_file_fits(gate->reader.fds[i]))
                        return refuse(gate, i < 3 ? "the gate takes only pipes and terminals as streams"
                                                  : "the gate takes only files that can be read");
        return 0;
}

/* One question for each container that it is about; one without a name where it is about all. */
static int authorize(const Gate *gate, sd_bus *bus, const char *container) {
        _cleanup_free_ char *action = gate_verb_action(gate->words.row);
        const Question question = {
                .action = action,
                .container = container,
                .user = gate->words.user,
                .volume = gate->words.volume,
                .interactive = isatty(gate->reader.fds[0]) || isatty(gate->reader.fds[2]),
        };
        char message[512];
        Verdict verdict;
        int r;

        if (!action)
                return refuse(gate, "out of memory");
        r = authority_check(bus, &gate->subject, &question, &verdict);
        if (r < 0) {
                snprintf(message, sizeof(message),
                         "polkit does not answer (%s), so that only root may do this", strerror(-r));
                return refuse(gate, message);
        }
        if (verdict == VERDICT_YES)
                return 0;
        snprintf(message, sizeof(message), "you may not: polkit's action %s for %s%s%s%s", action,
                 *container ? "container '" : "all containers", container, *container ? "'" : "",
                 verdict == VERDICT_CHALLENGE ? " takes an administrator; see berth-gate(8)"
                                              : " is refused");
        return refuse(gate, message);
}

static int authorize_all(const Gate *gate) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        int r = 0;

        if (!bus)
                return refuse(gate, "there is no bus to ask polkit over, so that only root may do this");
        if (!gate->words.names)
                return authorize(gate, bus, "");
        for (char **name = gate->words.names; r >= 0 && *name; name++)
                r = authorize(gate, bus, *name);
        return r;
}

/* In the child. Returns only if it fails. */
static void become_berth(const Gate *gate) {
        _cleanup_free_ char *term = NULL;
        char caller[sizeof(HOLD_CALLER) + 16];
        char *env[] = {
                (char *) (uintptr_t) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                caller, NULL, NULL
        };
        size_t n = gate->reader.n_fds;
        int away[FRAME_FDS_MAX];
        sigset_t none;

        if (*gate->term && asprintf(&term, "TERM=%s", gate->term) >= 0)
                env[2] = term;
        snprintf(caller, sizeof(caller), HOLD_CALLER "=%u", gate->subject.uid);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL); /* systemd ignores it for services (IgnoreSIGPIPE=) */
        (void) setsid();
        umask(022);
        if (chdir("/") < 0)
                return;
        /* First out of the way of their new places, then there. */
        for (size_t i = 0; i < n; i++)
                if ((away[i] = fcntl(gate->reader.fds[i], F_DUPFD_CLOEXEC, FIRST_FD + FRAME_FDS_MAX)) < 0)
                        return;
        for (size_t i = 0; i < n; i++)
                if (dup2(away[i], i < 3 ? (int) i : FIRST_FD + (int) i - 3) < 0)
                        return;
        if (syscall(SYS_close_range, 3, FIRST_FD - 1, 0) < 0 ||
            syscall(SYS_close_range, FIRST_FD + n - 3, ~0U, 0) < 0)
                return;
        execve(BERTH_BINDIR "/berth", gate->words.argv, env);
        (void) log_error_errno(errno, "cannot execute '%s': %m", BERTH_BINDIR "/berth");
}

static pid_t start(const Gate *gate, int *ret_pidfd) {
        pid_t pid = fork();

        if (pid == 0) {
                become_berth(gate);
                _exit(EXIT_BERTH);
        }
        if (pid > 0)
                *ret_pidfd = pidfd_open(pid, 0);
        return pid;
}

static void pass_signal(const Frame *frame, int pidfd) {
        static const int passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };
        uint32_t number;

        if (frame->type != FRAME_SIGNAL || frame_number(frame, &number) < 0)
                return;
        for (size_t i = 0; i < ARRAY_LEN(passed); i++)
                if ((uint32_t) passed[i] == number)
                        (void) pidfd_send_signal(pidfd, passed[i], NULL, 0);
}

/* false: the client has gone, or speaks nonsense. */
static bool attend_client(Gate *gate, int pidfd) {
        Frame frame;
        int r;

        r = frame_reader_receive(&gate->reader, gate->socket_fd);
        while (r >= 0 && (r = frame_reader_next(&gate->reader, &frame)) > 0)
                pass_signal(&frame, pidfd);
        return r >= 0;
}

/* Waits for its end. A client that has gone is a terminal that was hung up. */
static int attend(Gate *gate, int pidfd) {
        int64_t kill_at = 0;

        for (;;) {
                struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
                                        { .fd = kill_at ? -1 : gate->socket_fd, .events = POLLIN } };
                int64_t now = kill_at ? (int64_t) monotonic_ms() : 0;
                int left = kill_at ? (int) MAX(kill_at - now, 0) : -1;
                int r = poll(fds, ARRAY_LEN(fds), left);

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r < 0)
                        continue;
                if (fds[0].revents)
                        return 0;
                if (r == 0) {
                        (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
                        kill_at = (int64_t) monotonic_ms() + ENDING_MS; /* it ends now */
                } else if (!attend_client(gate, pidfd)) {
                        (void) pidfd_send_signal(pidfd, SIGHUP, NULL, 0);
                        kill_at = (int64_t) monotonic_ms() + ENDING_MS;
                }
        }
}

/* "berth file read web", with no word of the user's but names. */
static void log_start(const Gate *gate) {
        const GateVerb *row = gate->words.row;
        char **names = gate->words.names;

        log_info("uid %u, pid %d: berth %s%s%s%s%s%s%s", gate->subject.uid, gate->subject.pid, row->name,
                 row->subverb ? " " : "", row->subverb ? row->subverb : "", names ? " " : "",
                 names ? names[0] : "", gate->words.volume ? ":" : "",
                 gate->words.volume ? gate->words.volume : "");
}

static int run(Gate *gate) {
        _cleanup_close_ int pidfd = -EBADF;
        siginfo_t info = {};
        pid_t pid;
        int r;

        log_start(gate);
        pid = start(gate, &pidfd);
        if (pid < 0 || pidfd < 0)
                return refuse(gate, "berth cannot be started");
        for (size_t i = 0; i < gate->reader.n_fds; i++) /* so that the readers of these see their end */
                close_fd(gate->reader.fds[i]);
        gate->reader.n_fds = 0;
        r = attend(gate, pidfd);
        if (r >= 0 && waitid(P_PID, (id_t) pid, &info, WEXITED) < 0)
                r = -errno;
        if (r < 0)
                return refuse(gate, "cannot wait for the end of the command");
        (void) frame_send_number(gate->socket_fd, FRAME_END,
                                 info.si_code == CLD_EXITED ? (uint32_t) info.si_status
                                                            : (uint32_t) (EXIT_SIGNAL_BASE + info.si_status),
                                 "");
        return 0;
}

/* polkit may have asked somebody for a password meanwhile. */
static bool client_is_there(const Gate *gate) {
        struct pollfd pollfd = { .fd = gate->socket_fd, .events = POLLRDHUP };

        return poll(&pollfd, 1, 0) == 0;
}

static int serve(Gate *gate) {
        unsigned connections = 0;
        int r;

        r = subject_of_peer(gate->socket_fd, &gate->subject);
        if (r == -ESRCH) /* whoever it was has gone already */
                return r;
        if (r < 0)
                return refuse(gate, "cannot tell who has connected");
        r = count_connections(gate->subject.uid, &connections);
        if (r < 0)
                return refuse(gate, "cannot count connections: this is no service of systemd's socket");
        if (connections > CONNECTIONS_PER_UID)
                return refuse(gate, "too many connections of yours at once: 16 are allowed");
        r = understand_request(gate);
        if (r >= 0)
                r = authorize_all(gate);
        if (r >= 0 && !client_is_there(gate)) {
                log_info("uid %u: has gone before anything was done", gate->subject.uid);
                return -EPIPE;
        }
        return r < 0 ? r : run(gate);
}

int main(int argc, char *argv[]) {
        _cleanup_(gate_done) Gate gate = { .socket_fd = -EBADF };

        if (argc == 2 && (streq(argv[1], "--help") || streq(argv[1], "-h"))) {
                puts("berth-gate\n\nRuns one command of a user, as systemd's berth@.service. See berth-gate(8).");
                return EXIT_DONE;
        }
        if (sd_listen_fds(true) != 1 ||
            sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 0, NULL, 0) <= 0) {
                log_error("berth-gate is started by berth.socket, see berth-gate(8)");
                return EXIT_USAGE;
        }
        gate.socket_fd = SD_LISTEN_FDS_START;
        /* Refusals are the client's affair; only what is wrong with the gate itself fails. */
        (void) serve(&gate);
        return EXIT_DONE;
}
