/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* berth-filter [PATH]: what helper/launch/filter-own.c runs. Reads what a filter is to be made from on its standard input,
 * and writes which files make it, and the program, struct sock_filter after struct sock_filter, to its standard output. */

#include <link.h>
#include <stdio.h>
#include <unistd.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "helper/filter/filter-groups.h"
#include "helper/filter/filter-source.h"
#include "helper/launch/filter-makers.h"

#define SOURCE_MAX (4 * 1024 * 1024)

/* What a test compares with systemd's own. */
static int dump_groups(void) {
        for (const FilterGroup *group = filter_groups; group->name; group++)
                printf("%s %s\n", group->name, group->calls);
        return 0;
}

static int make(const char *path, char *text, size_t size, Build *build) {
        enum { KIND, VERSION, MACHINE, RELEASE, CAPABILITIES, N };
        char *lines[N], *rest = text, *end;
        FilterHost host;

        for (int i = 0; i < N; i++) {
                lines[i] = strsep(&rest, "\n");
                if (!rest)
                        return log_error_errno(EINVAL, "berth-filter: the source is cut off");
        }
        host.release = lines[RELEASE];
        host.capabilities = strtoull(lines[CAPABILITIES], &end, 16);
        if (*end != '\0')
                return log_error_errno(EINVAL, "berth-filter: '%s' is no set of capabilities",
                                       lines[CAPABILITIES]);
        if (streq(lines[KIND], "calls"))
                return filter_from_words(rest, build);
        return filter_from_profile(path, rest, size - (size_t) (rest - text), &host, build);
}

static int look_at_library(struct dl_phdr_info *info, size_t size _unused_, void *userdata) {
        const char *slash = strrchr(info->dlpi_name, '/');

        return slash && startswith(slash + 1, "libseccomp.so") ? filter_maker_look(info->dlpi_name, userdata)
                                                               : 0;
}

static int look_at_makers(FilterMaker ret[static FILTER_MAKERS_MAX]) {
        int r = filter_maker_look(FILTER_COMPILER, &ret[0]);

        return r < 0 ? r : dl_iterate_phdr(look_at_library, &ret[1]);
}

int main(int argc, char *argv[]) {
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ void *program = NULL;
        _cleanup_build_ Build build = {};
        FilterMaker makers[FILTER_MAKERS_MAX] = {};
        size_t size;
        int r;

        if (argc == 2 && streq(argv[1], "--groups"))
                return dump_groups();
        r = read_fd(STDIN_FILENO, SOURCE_MAX, &text, &size);
        if (r < 0) {
                log_error_errno(r, "berth-filter: cannot read the source: %m");
                return EXIT_BERTH;
        }
        r = look_at_makers(makers);
        if (r < 0) {
                log_error_errno(r, "berth-filter: cannot look at its own files: %m");
                return EXIT_BERTH;
        }
        if (make(argc > 1 ? argv[1] : "", text, size, &build) < 0)
                return EXIT_BERTH;
        r = build_export(&build, &program, &size);
        if (r == -E2BIG)
                log_error("the filter is longer than the kernel takes (4096 instructions); allow or refuse fewer calls");
        else if (r < 0)
                log_error_errno(r, "berth-filter: cannot make the program: %m");
        if (r >= 0)
                r = write_fd(STDOUT_FILENO, makers, sizeof(makers));
        if (r >= 0)
                r = write_fd(STDOUT_FILENO, program, size);
        return r < 0 ? EXIT_BERTH : 0;
}
