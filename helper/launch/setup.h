/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/launch/plan.h"

/* [Setup]: commands that are run once in a new kept layer, each in a container of its own over it, before the first
 * start. argv: of the launch, from the verb on.
 *
 * A layer in which they are at work holds a mark; one that is found with it was left by somebody who was killed, and
 * is made anew. After a failure nothing of it is kept. Logs. */
int setup_run(const Plan *plan, char *argv[]);
