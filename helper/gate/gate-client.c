/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/gate-client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/descriptors.h"
#include "helper/container/relay.h"
#include "helper/gate/frames.h"
#include "helper/gate/gate-fd.h"
#include "helper/gate/gate-words.h"
#include "helper/verbs/verbs.h"

static int connect_gate(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = GATE_SOCKET };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int append_word(char *payload, size_t *size, const char *word) {
        size_t n = strlen(word) + 1;

        if (n > FRAME_PAYLOAD_MAX - *size)
                return log_error_errno(E2BIG,
                                       "the command line is too long for the gate, which takes %d bytes",
                                       FRAME_PAYLOAD_MAX);
        memcpy(payload + *size, word, n);
        *size += n;
        return 0;
}

static int send_request(int socket_fd, const GateWords *words, const int streams[static 3]) {
        _cleanup_free_ char *payload = malloc(FRAME_PAYLOAD_MAX);
        int fds[FRAME_FDS_MAX] = { streams[0], streams[1], streams[2] }, r;
        const char *term = getenv("TERM");
        size_t n = 3, size = 0;

        if (!payload)
                return log_oom();
        r = append_word(payload, &size, GATE_VERSION);
        if (r >= 0)
                r = append_word(payload, &size, term ? term : "");
        for (char **word = words->argv + 1; r >= 0 && *word; word++) /* without "berth" */
                r = append_word(payload, &size, *word);
        for (char **file = words->files; r >= 0 && file && *file; file++)
                if (n == FRAME_FDS_MAX)
                        r = log_error_errno(E2BIG, "more than %d files", FRAME_FDS_MAX - 3);
                else if ((fds[n] = open(*file, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0)
                        r = log_error_errno(errno, "cannot open '%s': %m", *file);
                else
                        n++;
        if (r >= 0) {
                r = frame_send(socket_fd, FRAME_REQUEST, payload, size, fds, n);
                if (r == -EPIPE) /* who is refused before he has asked is told why all the same */
                        r = 0;
                if (r < 0)
                        r = log_error_errno(r, "cannot send the request to the gate: %m");
        }
        while (n > 3)
                close_fd(fds[--n]);
        return r;
}

/* What ends or concerns the command is passed on: this process is but the hand that holds its terminal. */
static int open_signals(void) {
        static const int passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(passed); i++)
                sigaddset(&set, passed[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return signalfd(-1, &set, SFD_CLOEXEC);
}

static void pass_signal(int socket_fd, int signals_fd) {
        struct signalfd_siginfo info;

        if (read(signals_fd, &info, sizeof(info)) == sizeof(info))
                (void) frame_send_number(socket_fd, FRAME_SIGNAL, info.ssi_signo, "");
}

/* What stands in the place of our standard input, output and error where these are nothing that the gate takes: pipes,
 * with what goes through them copied by us, with our own rights. */
typedef struct Streams {
        Relay relay;
        int fds[3]; /* 0, 1, 2 themselves, or owned */
} Streams;

#define STREAMS_NONE                                    \
        (Streams) {                                     \
                .relay = RELAY_NONE, .fds = { 0, 1, 2 } \
        }

static void streams_close_others(Streams *streams) {
        if (streams->fds[2] == streams->fds[1])
                streams->fds[2] = 2;
        for (int i = 0; i < 3; i++) {
                if (streams->fds[i] > 2)
                        close_fd(streams->fds[i]);
                streams->fds[i] = i;
        }
}

static void streams_done(Streams *streams) {
        streams_close_others(streams);
        relay_done(&streams->relay);
}
#define _cleanup_streams_ _cleanup_(streams_done)

static bool same_file(int a, int b) {
        struct stat st, other;

        return fstat(a, &st) >= 0 && fstat(b, &other) >= 0 && st.st_dev == other.st_dev &&
               st.st_ino == other.st_ino;
}

static int open_streams(Streams *streams) {
        for (int i = 0; i < 3; i++) {
                int pipe_fds[2], r;

                if (gate_stream_fits(i))
                        continue;
                if (i == 2 && streams->fds[1] != 1 &&
                    same_file(1, 2)) { /* in the order in which they were said */
                        streams->fds[2] = streams->fds[1];
                        continue;
                }
                if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                        return -errno;
                streams->fds[i] = pipe_fds[i > 0];
                r = i == 0 ? relay_add(&streams->relay, 0, pipe_fds[1], false, true, true)
                           : relay_add(&streams->relay, pipe_fds[0], i, true, false, false);
                if (r < 0)
                        return close_fd(pipe_fds[i == 0]), r;
        }
        return 0;
}

/* The command has ended: what it has written is still on its way, for as long as nobody interrupts. */
static int drain(Relay *relay) {
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        relay_drain(relay, -1);
        return relay->error < 0 ? log_error_errno(relay->error, "cannot write what was to be written: %m")
                                : 0;
}

static int attend(int socket_fd, int signals_fd, Relay *relay, uint32_t *ret_status) {
        _cleanup_frame_reader_ FrameReader reader = {};
        struct pollfd fds[2 + 2 * RELAY_STREAMS] = { { .fd = socket_fd, .events = POLLIN },
                                                     { .fd = signals_fd, .events = POLLIN } };
        Frame frame;
        int r;

        for (;;) {
                size_t n = relay_prepare(relay, fds + 2);

                if (poll(fds, 2 + n, -1) < 0) {
                        if (errno != EINTR)
                                return log_error_errno(errno, "cannot wait for the gate: %m");
                        continue;
                }
                relay_run(relay, fds + 2, n);
                if (fds[1].revents)
                        pass_signal(socket_fd, signals_fd);
                if (!fds[0].revents)
                        continue;
                r = frame_reader_receive(&reader, socket_fd);
                if (r >= 0)
                        r = frame_reader_next(&reader, &frame);
                if (r < 0)
                        return log_error_errno(
                                        r,
                                        "the gate has ended before the command, see journalctl -t berth-gate");
                if (r == 0)
                        continue;
                if (frame.type != FRAME_END || frame_number(&frame, ret_status) < 0)
                        return log_error_errno(EBADMSG, "the gate speaks another version");
                if (frame.size > 4)
                        log_error("%.*s", (int) frame.size - 4, frame.payload + 4);
                return 0;
        }
}

static int run(int socket_fd, const GateWords *words, uint32_t *ret_status) {
        _cleanup_streams_ Streams streams = STREAMS_NONE;
        _cleanup_close_ int signals_fd = -EBADF;
        struct termios before;
        bool terminal;
        int r;

        signals_fd = open_signals();
        if (signals_fd < 0)
                return log_error_errno(signals_fd, "cannot wait for signals: %m");
        /* Whoever made it raw may be killed before it is made well again. */
        terminal = tcgetattr(STDIN_FILENO, &before) == 0;
        r = open_streams(&streams);
        if (r < 0)
                return log_error_errno(r, "cannot make a pipe: %m");
        r = send_request(socket_fd, words, streams.fds);
        streams_close_others(&streams);
        if (r >= 0)
                r = attend(socket_fd, signals_fd, &streams.relay, ret_status);
        if (r >= 0)
                r = drain(&streams.relay);
        if (terminal)
                (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        return r;
}

bool gate_client_run(char *argv[], int *ret_status) {
        _cleanup_gate_words_ GateWords words = {};
        _cleanup_close_ int socket_fd = -EBADF;
        uint32_t status = 0;
        int r;

        if (!gate_has_verb(argv[0]) || access(GATE_SOCKET, F_OK) < 0 || stdio_fill() < 0)
                return false; /* the verb says that it takes root */
        r = gate_words_ask(argv, &words);
        if (r > 0)
                return false;
        if (r < 0) {
                const Verb *verb = verb_find(argv[0]);

                *ret_status = r == -EINVAL      ? verb_usage_status(verb)
                              : verb->container ? EXIT_BERTH
                                                : EXIT_FAILED;
                return true;
        }
        socket_fd = connect_gate();
        if (socket_fd < 0)
                return false;
        *ret_status = run(socket_fd, &words, &status) < 0 ? gate_exit_status(&words) : (int) status;
        return true;
}
