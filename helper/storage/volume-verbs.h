/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/storage/volume-lock.h"
#include "helper/verbs/subverbs.h"

/* The verbs of "berth volume". */

int volume_verb_list(const SubverbCall *call);
int volume_verb_create(const SubverbCall *call);
int volume_verb_remove(const SubverbCall *call);
int volume_verb_backup(const SubverbCall *call);
int volume_verb_restore(const SubverbCall *call);

/* With --json names the volume for which it was done. Returns EXIT_DONE. */
int volume_verb_done(const SubverbCall *call, const Volume *volume);
