/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the generator and the helper agree on: where things are, how a launch is spelt, how programs exit. The
 * unit's ExecStart= line is the only thing that passes between them; tests/contract feeds every generated one
 * to "berth launch --dry-run".
 *
 *   berth launch --name=NAME --image=IMAGE [OPTION...] [-- WORD...]
 *
 *   --entrypoint=WORD          one word of Entrypoint=, repeated in order; a single empty word is "no entrypoint"
 *   -- WORD...                 the words of Exec=; "--" with none is Exec= set empty: an idle leader
 *   --user=USER --group=GROUP  a name of the container's own files, or digits
 *   --working-directory=DIR
 *   --env=NAME=VALUE           repeated in order, later wins
 *   --env-file=PATH            read by the helper, repeated in order, below --env=
 *   --hostname=NAME
 *   --init=BOOL --read-only=BOOL --ephemeral=BOOL
 *   --private-users=pick|identity|no|BASE:SIZE
 *   --mount=FIELD,FIELD...     one mount, repeated in order
 *   --network=none|host|private
 *   --sockets=BOOL             what systemd passes (sd_listen_fds(3)) goes on to the command; none is an error
 *   --require-controller=NAME  a cgroup controller without which the start is refused, repeated
 *
 * A mount is fields KEY=VALUE joined by commas; inside VALUE a comma or a backslash is preceded by a backslash:
 *   type=volume|bind|tmpfs     first
 *   source=...                 volume: NAME or OTHER:NAME; bind: absolute path; tmpfs: absent
 *   target=...                 absolute path inside
 *   read-only=BOOL create=BOOL filetype=file|directory|infer
 *   idmap=[u:|g:|b:]HOST:CONTAINER:RANGE   repeated; or idmap=auto
 *   options=...                tmpfs: size=, mode=, nr_inodes=, uid=, gid=, comma-joined (and so escaped)
 *
 *   berth refuse --name=NAME -- MESSAGE...   logs each message as an error and exits 125: what the unit of a bad
 *                                            manifest runs in the place of launch
 *   berth health --name=NAME [--interval=TIME] [--timeout=TIME] [--retries=N] [--start-period=TIME]
 *           [--on-failure=none|restart|stop] -- WORD...     one health check: what berth-health@NAME.service runs
 *   berth cleanup --name=NAME                ExecStopPost=: releases what lives outside of the leader
 */

/* Exit statuses of launch, exec, shell, run (as chroot(1), env(1), timeout(1) have them). */
#define EXIT_TIMED_OUT      124
#define EXIT_BERTH          125 /* Berth itself failed, wrong usage included */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127
#define EXIT_SIGNAL_BASE    128

/* Exit statuses of all other verbs. */
#define EXIT_DONE        0
#define EXIT_FAILED      1
#define EXIT_USAGE       2
#define EXIT_NO_SUCH     3
#define EXIT_NOT_RUNNING 4

/* Not configurable: a container's data must be found by every version of every program. */
#define BERTH_DATA_DIR      "/var/lib/berth"
#define BERTH_RUNTIME_DIR   "/run/berth"
#define BERTH_CONTAINER_DIR BERTH_RUNTIME_DIR "/containers"
#define MACHINES_DIR        "/var/lib/machines"

/* execve(2): one argument string longer than this fails with E2BIG (MAX_ARG_STRLEN, NUL included). */
#define ARGUMENT_MAX 131071
