/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/program.h"
#include "helper/verbs/verbs.h"

/* berth-manage: the verbs that ask systemd and print JSON, apart from those that must start fast. "berth VERB"
 * executes it. */

/* clang-format off */
static const ProgramVerb functions[] = {
        { "list",               verb_list },
        { "status",             verb_status },
        { "inspect",            verb_inspect },
        { "stats",              verb_stats },
        { "top",                verb_top },
        { "kill",               verb_kill },
        { "logs",               verb_logs },
        { "freeze",             verb_freeze },
        { "thaw",               verb_thaw },
        { "doctor",             verb_doctor },
        { "clean",              verb_clean },
        { "remove",             verb_remove },
        { "session",            verb_session },
        { "env",                verb_env },
        { "job",                verb_job },
        { "run",                verb_run },
        { "run-end",            verb_run_end },
        { "job-start",          verb_job_start },
        { "scope-start",        verb_scope_start },
        { "health",             verb_health },
        { "dns",                verb_dns },
        { "proxy",              verb_proxy },
        { "machine-register",   verb_machine_register },
        { "machine-unregister", verb_machine_unregister },
};
/* clang-format on */

int main(int argc, char *argv[]) {
        return program_run("berth-manage", functions, ARRAY_LEN(functions), argc, argv);
}
