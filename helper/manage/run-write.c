/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/launch/run-remove.h"
#include "helper/manage/run.h"

/* The manifest of a run and its drop-in, and the unit that berth-manifest makes of them. */

#define UNIT_SIZE_MAX (16 * 1024 * 1024)
/* Where drop-ins for all containers stand: an administrator's rules hold here, too. */
#define MANIFEST_DIRS "/etc/berth:/run/berth:/usr/local/lib/berth:/usr/lib/berth"
/* "~" comes behind every name that somebody has thought of: what the command line says goes last. */
#define OWN_DROPIN    "~run.conf"
#define LEADER_DROPIN "~leader.conf"
#define GENERATOR_DIR "/run/systemd/generator" /* systemd.generator(7) */

/* Links the drop-ins beside the manifest: they are part of it. */
static int link_dropins(const char *manifest, int to_fd) {
        char path[PATH_MAX + sizeof(".d")];
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        snprintf(path, sizeof(path), "%s.d", manifest);
        r = directory_open(AT_FDCWD, path, 0, &dir);
        if (r == -ENOENT)
                return 0;
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                char from[PATH_MAX + NAME_MAX + 4];

                if (!endswith(entry->d_name, ".conf"))
                        continue;
                snprintf(from, sizeof(from), "%s/%s", path, entry->d_name);
                if (symlinkat(from, to_fd, entry->d_name) < 0)
                        return log_error_errno(errno, "cannot link '%s': %m", from);
        }
        return r < 0 ? log_error_errno(r, "cannot read '%s': %m", path) : 0;
}

static int write_manifest(const Run *run, int dir_fd, int dropin_fd) {
        char file[NAME_LENGTH_MAX + sizeof(".berth")], path[PATH_MAX];
        int r;

        snprintf(file, sizeof(file), "%s.berth", run->name);
        if (!run->manifest) {
                r = write_file_at(dir_fd, file, "", 0, 0600);
                return r < 0 ? log_error_errno(r, "cannot write '%s': %m", file) : 0;
        }
        if (!realpath(run->manifest, path))
                return log_error_errno(errno, "cannot find manifest '%s': %m", run->manifest);
        if (symlinkat(path, dir_fd, file) < 0)
                return log_error_errno(errno, "cannot link '%s': %m", path);
        return link_dropins(path, dropin_fd);
}

/* A leader that idles, or runs another command than the manifest's: it tells nobody that it is ready, and a job would be
 * ready when it has ended. Goes before the next one, in which the caller may say otherwise. */
static int write_leader(const Run *run, int dropin_fd) {
        static const char text[] = "[Container]\nNotify=no\n[Service]\nType=notify\n";
        int r;

        if (run->detach && !run->command)
                return 0;
        r = write_file_at(dropin_fd, LEADER_DROPIN, text, strlen(text), 0600);
        return r < 0 ? log_error_errno(r, "cannot write '%s': %m", LEADER_DROPIN) : 0;
}

/* The drop-in: a container that is over is forgotten, and an OOM kill inside is told by whoever ran the command. */
static int write_dropin(const Run *run, const char *bind, int dropin_fd) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return log_oom();
        fputs("[Unit]\nCollectMode=inactive-or-failed\n", f);
        if (bind)
                fprintf(f, "BindsTo=%s\nAfter=%s\n[Service]\nOOMPolicy=continue\n", bind, bind);
        fputs("[Service]\nRestart=no\n", f);
        for (char **line = run->settings; line && *line; line++)
                fprintf(f, "%s\n", *line);
        if (fclose(f) != 0)
                return log_oom();
        r = write_file_at(dropin_fd, OWN_DROPIN, text, size, 0600);
        return r < 0 ? log_error_errno(r, "cannot write '%s': %m", OWN_DROPIN) : 0;
}

/* What "berth preview" prints of it. What is wrong with the manifest it says itself. */
static int preview(const Run *run, char **ret) {
        _cleanup_close_ int from_fd = -EBADF, to_fd = -EBADF;
        int fds[2], status = 0, r;
        char where[512];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        from_fd = fds[0];
        to_fd = fds[1];
        snprintf(where, sizeof(where), "--manifest-path=" RUN_DIR "/%s:" MANIFEST_DIRS, run->name);
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0) {
                if (dup2(to_fd, STDOUT_FILENO) >= 0)
                        (void) execl(BERTH_LIBEXECDIR "/berth-manifest", "berth-manifest", "preview", where,
                                     run->name, NULL);
                (void) log_error_errno(errno, "cannot execute %s: %m", BERTH_LIBEXECDIR "/berth-manifest");
                _exit(EXIT_BERTH);
        }
        to_fd = close_fd(to_fd);
        r = read_fd(from_fd, UNIT_SIZE_MAX, ret, NULL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                return log_error_errno(r, "cannot read what berth-manifest says: %m");
        return status == 0 ? 0 : -EINVAL;
}

/* What stands beside the service in what berth preview prints: units and links. Nothing of it is installed here, and
 * what a command does not need is left out: timers, checks. Not what the service requires: sockets, proxies for ports,
 * and what resolves names under a policy; nor of one that goes on without us what watches over it. */
static bool may_be_left_out(const Run *run, const char *unit) {
        if (startswith(unit, "berth-"))
                return !run->detach && startswith(unit, "berth-health");
        return endswith(unit, ".timer");
}

static int leave_out(const Run *run, char *rest) {
        static const char heading[] = "\n# " GENERATOR_DIR "/";

        while ((rest = strstr(rest, heading))) {
                char *unit = rest + strlen(heading);

                rest = unit + strcspn(unit, "\n");
                if (memmem(unit, (size_t) (rest - unit), " -> ", strlen(" -> ")))
                        continue; /* [Install] */
                if (*rest)
                        *rest++ = '\0';
                if (!may_be_left_out(run, unit))
                        return log_error_errno(
                                        ENOTSUP,
                                        "a container that is only run cannot have '%s' beside it; "
                                        "leave out what makes it, or install the manifest in /etc/berth",
                                        unit);
                if (endswith(unit, ".timer")) /* a check has a service as well */
                        log_warning("without '%s': a container that is only run has no units beside it",
                                    unit);
        }
        return 0;
}

/* The text of the service behind its heading. */
static int only_unit(const Run *run, char *text, const char **ret) {
        char heading[128], *more;
        size_t n;
        int r;

        n = (size_t) snprintf(heading, sizeof(heading), "# " GENERATOR_DIR "/%s.service\n", run->name);
        if (!startswith(text, heading))
                return log_error_errno(EINVAL, "cannot make a unit of '%s': berth preview says: %.200s",
                                       run->name, text);
        more = strstr(text + n, "\n# " GENERATOR_DIR "/");
        if (more) {
                r = leave_out(run, more);
                if (r < 0)
                        return r;
                more[1] = '\0';
        }
        *ret = text + n;
        return 0;
}

static int write_unit(const Run *run, const char *text) {
        _cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), dir_fd = -EBADF;
        char file[NAME_LENGTH_MAX + sizeof(".service")];
        int r;

        if (root_fd < 0)
                return -errno;
        snprintf(file, sizeof(file), "%s.service", run->name);
        dir_fd = r = make_path(root_fd, &RUN_UNIT_DIR[1], 0755);
        if (r >= 0)
                r = write_file_at(dir_fd, file, text, strlen(text), 0644);
        return r < 0 ? log_error_errno(r, "cannot write '%s/%s': %m", RUN_UNIT_DIR, file) : 0;
}

int run_write(const Run *run, const char *bind) {
        _cleanup_close_ int dir_fd = -EBADF, dropin_fd = -EBADF;
        char dropins[NAME_LENGTH_MAX + sizeof(".berth.d")];
        _cleanup_free_ char *text = NULL;
        const char *unit = NULL;
        int r;

        snprintf(dropins, sizeof(dropins), "%s.berth.d", run->name);
        dir_fd = r = run_claim(run->name, getpid());
        if (r == -EEXIST)
                return log_error_errno(
                                r,
                                "container '%s' is run already, or was and left '%s/%s', which berth clean removes",
                                run->name, RUN_DIR, run->name);
        if (r >= 0 && run->nameless)
                r = write_file_at(dir_fd, RUN_FORGET, "", 0, 0600);
        if (r >= 0)
                dropin_fd = r = make_path(dir_fd, dropins, 0700);
        if (r < 0)
                return log_error_errno(r, "cannot make '%s/%s': %m", RUN_DIR, run->name);
        r = write_manifest(run, dir_fd, dropin_fd);
        if (r >= 0)
                r = write_leader(run, dropin_fd);
        if (r >= 0)
                r = write_dropin(run, bind, dropin_fd);
        if (r >= 0)
                r = preview(run, &text);
        if (r >= 0)
                r = only_unit(run, text, &unit);
        return r < 0 ? r : write_unit(run, unit);
}
