/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include <json-c/json.h>

#include "helper/verbs/subverbs.h"

/* The verbs of "berth image". Each returns the exit status of the program. */

int image_import(const SubverbCall *call);
int image_list(const SubverbCall *call);
int image_inspect(const SubverbCall *call);
int image_verify(const SubverbCall *call);
int image_remove(const SubverbCall *call);
int image_prune(const SubverbCall *call);

/* The same as image_import(), of a source that the record calls said. base: what the image is to say of itself; its
 * digest and time are set. */
int image_import_tree(const SubverbCall *call, const char *said, json_object *base);

/* "berth commit". */
int verb_commit(int argc, char *argv[]);
