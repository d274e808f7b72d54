/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/subverbs.h"

/* The verbs of "berth image". Each returns the exit status of the program. */

int image_import(const SubverbCall *call);
int image_list(const SubverbCall *call);
int image_inspect(const SubverbCall *call);
int image_verify(const SubverbCall *call);
int image_remove(const SubverbCall *call);
int image_prune(const SubverbCall *call);
