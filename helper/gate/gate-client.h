/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What berth does for a user who is not root: it asks the gate, which asks polkit and runs the verb as root, with this
 * process's standard input, output and error. */

/* argv[0] is the verb. true: done, *ret_status is what to exit with; false: there is no gate, or it is nothing for
 * it. */
bool gate_client_run(char *argv[], int *ret_status);
