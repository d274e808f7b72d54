/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "helper/manage/call.h"

/* What a running container has and may, as the kernel shows it of its processes, and not as it was asked for. Does
 * not log. */

/* Adds namespaces, ids, capabilities, filter, no_new_privileges, mounts, interfaces, devices; and can, which says it in
 * the reader's words. Text that the container may have chosen is printable. -ESRCH: it has ended meanwhile. */
int details_add(json_object *object, const Running *running);

extern const char *const details_namespaces[]; /* the members of namespaces, NULL-terminated */

/* A member as text, "" where it is not there; as an array, or NULL; has the array the word? */
const char *details_get(json_object *object, const char *name);
json_object *details_get_array(json_object *object, const char *name);
bool details_array_has(json_object *array, const char *word);
