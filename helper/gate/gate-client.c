/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/gate-client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/descriptors.h"
#include "helper/gate/frames.h"
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

static int send_request(int socket_fd, const GateWords *words) {
        _cleanup_free_ char *payload = malloc(FRAME_PAYLOAD_MAX);
        int fds[FRAME_FDS_MAX] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO }, r;
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

static int attend(int socket_fd, int signals_fd, uint32_t *ret_status) {
        _cleanup_frame_reader_ FrameReader reader = {};
        struct pollfd fds[] = { { .fd = socket_fd, .events = POLLIN },
                                { .fd = signals_fd, .events = POLLIN } };
        Frame frame;
        int r;

        for (;;) {
                if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
                        return log_error_errno(errno, "cannot wait for the gate: %m");
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
        _cleanup_close_ int signals_fd = -EBADF;
        struct termios before;
        bool terminal;
        int r;

        signals_fd = open_signals();
        if (signals_fd < 0)
                return log_error_errno(signals_fd, "cannot wait for signals: %m");
        /* Whoever made it raw may be killed before it is made well again. */
        terminal = tcgetattr(STDIN_FILENO, &before) == 0;
        r = send_request(socket_fd, words);
        if (r >= 0)
                r = attend(socket_fd, signals_fd, ret_status);
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
