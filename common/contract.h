/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the generator and the helper agree on: where things are, how a launch is spelt, how programs exit. The
 * unit's ExecStart= line is the only thing that passes between them; tests/contract feeds every generated one
 * to "berth launch --dry-run".
 *
 *   berth launch --name=NAME --image=IMAGE [OPTION...] [-- WORD...]
 *
 *   --profile=minimal|standard|full   in the place of --image=
 *   --read-path=PATH --write-path=PATH   with --profile=, repeated
 *   --entrypoint=WORD          one word of Entrypoint=, repeated in order; a single empty word is "no entrypoint"
 *   -- WORD...                 the words of Exec=; "--" with none is Exec= set empty: an idle leader
 *   --user=USER --group=GROUP  a name of the container's own files, or digits
 *   --supplementary-group=GROUP  a name or digits, repeated
 *   --working-directory=DIR
 *   --umask=OCTAL
 *   --env=NAME=VALUE           repeated in order, later wins
 *   --env-file=PATH            read by the helper, repeated in order, below --env=
 *   --secret=NAME[:env=VAR]    repeated
 *   --hostname=NAME
 *   --timezone=ZONE            a name of tzdata, or "local"
 *   --init=BOOL --read-only=BOOL --ephemeral=BOOL
 *   --notify=yes|no|healthy
 *   --kill-signal=SIGNAL       what a SIGTERM to the init is for the command; the unit has the same KillSignal=
 *   --private-users=pick|identity|no|BASE:SIZE
 *   --pid-namespace=private|host --ipc-namespace=private|host
 *   --capability=CAP --drop-capability=CAP|all   to and from the default set (capability.h), repeated
 *   --ambient-capability=CAP   one of the set that a command without root has as well, repeated
 *   --no-new-privileges=BOOL
 *   --system-call-filter=[~]WORD WORD...   a value of SystemCallFilter=, repeated in order
 *   --seccomp-profile=PATH --apparmor-profile=NAME
 *   --device=PATH ACCESS       a node below /dev and some of r, w and m, repeated; the unit has DeviceAllow= of it
 *   --sysctl=KEY=VALUE         of the container's own namespaces (sysctl.h), the key with dots, repeated in order
 *   --shm-size=BYTES --shared-run=BOOL
 *   --mount=FIELD,FIELD...     one mount, repeated in order
 *   --read-only-path=[-]PATH --inaccessible-path=[-]PATH   inside, "-": it may be missing; repeated
 *   --resolv-conf=auto|off|copy-host
 *   --add-host=NAME:ADDRESS    repeated in order; IPv6 without brackets
 *   --label=KEY=VALUE          repeated, later wins
 *   --network=none|host|private|join:OTHER
 *   --publish=[ADDR:]HOST[-HOST]:CONTAINER[-CONTAINER][/udp|sctp]   canonical (network.h), as all of these; repeated
 *   --policy=allow-all|deny-all|custom   absent where the manifest says nothing
 *   --policy-default=allow|deny          of custom, always
 *   --allow-domain=[*.]NAME --allow-cidr=ADDR/LENGTH --deny-cidr=ADDR/LENGTH --allow=ADDR:PORT/PROTO
 *   --protocol=tcp|udp|icmp --dns=ADDR --link=OTHER[:PORT] --allow-host=PORT   repeated
 *   --bandwidth=BITS --bandwidth-up=BITS --address=ADDR --ipv6=BOOL
 *   --sockets=BOOL             what systemd passes (sd_listen_fds(3)) goes on to the command; none is an error
 *   --require-controller=NAME  a cgroup controller without which the start is refused, repeated
 *   --disk=BYTES
 *   --hook-network-up=WORD --hook-network-down=WORD --hook-policy-changed=WORD
 *                              the words of a command of the host, repeated in order
 *   --setup=WORD --setup-word=WORD   a command's first word and its further ones; --setup= begins the next
 *   --setup-network=BOOL
 *
 * What of these launch does not do yet (unsupported.h), it refuses at the start and never leaves out.
 *
 * A mount is fields KEY=VALUE joined by commas; inside VALUE a comma or a backslash is preceded by a backslash:
 *   type=volume|bind|assets|pointer|backup|tmpfs   first
 *   source=...                 volume, backup: NAME or OTHER:NAME; pointer: OTHER:NAME; assets: NAME; bind: an
 *                              absolute path; tmpfs: absent
 *   subpath=...                relative, below the source
 *   target=...                 absolute path inside
 *   read-only=BOOL create=BOOL recursive=BOOL filetype=file|directory|infer
 *   idmap=[u:|g:|b:]HOST:CONTAINER:RANGE   repeated; or idmap=auto
 *   options=...                tmpfs: size=, mode=, nr_inodes=, uid=, gid=, comma-joined (and so escaped)
 *
 *   berth refuse --name=NAME -- MESSAGE...   logs each message as an error and exits 125: what the unit of a bad
 *                                            manifest runs in the place of launch
 *   berth proxy --name=NAME --to=PORT        becomes systemd-socket-proxyd in the container's network, as nobody
 *   berth dns --name=NAME [--allow-domain=[*.]NAME...] [--dns=ADDR...]   what berth-dns@NAME.service runs
 *   berth health --name=NAME [--interval=TIME] [--timeout=TIME] [--retries=N] [--start-period=TIME]
 *           [--notify=BOOL] [--on-failure=none|restart|stop] -- WORD...
 *                                            one health check: what berth-health@NAME.service runs; notify: its first
 *                                            success is the service's READY=1
 *   berth reload --name=NAME --signal=SIGNAL   ExecReload= with ReloadSignal=: sends it to the leader
 *   berth unheard --name=NAME --signal=SIGNAL   ExecStop= with Init=no: ends a leader that the signal, which systemd sends
 *                                            next, would end if it were not the first process of its pid namespace
 *   berth cleanup --name=NAME [--hook-error=WORD...]   ExecStopPost=: releases what lives outside of the leader; then, if
 *                                            the service has failed, runs the words as a command of the host
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
#define BERTH_MANIFEST_PATH "/etc/berth:/run/berth:/usr/local/lib/berth:/usr/lib/berth" /* highest first */
#define MACHINES_DIR        "/var/lib/machines"

/* execve(2): one argument string longer than this fails with E2BIG (MAX_ARG_STRLEN, NUL included). */
#define ARGUMENT_MAX 131071
