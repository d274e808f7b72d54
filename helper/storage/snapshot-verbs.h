/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/verbs/subverbs.h"

/* The verbs of "berth snapshot". Each returns the exit status of the program. */

int snapshot_verb_create(const SubverbCall *call);
int snapshot_verb_list(const SubverbCall *call);
int snapshot_verb_restore(const SubverbCall *call);
int snapshot_verb_remove(const SubverbCall *call);
