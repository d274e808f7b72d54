/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Which names are containers at all, running or not: told without systemd, from what is on the disk. */

/* Is there a manifest of that name, or of the template that it is an instance of? Not where it is masked, or systemd has a unit of that
 * name: such a manifest makes none. */
bool known_manifest(const char *name);

/* Has it a kept layer? */
bool known_layer(const char *name);

/* Is there a container of that name: one that runs or has just run, that has a manifest, or a kept layer? */
bool known_container(const char *name);

/* Which of names may be meant by one that is not there, or NULL. Short names are near to each other, so only one that begins
 * alike. */
const char *known_nearest(const char *name, char *const *names);

/* Logs that there is no container of that name, or that it is no name at all, and what may have been
 * meant: an image, or the name of another; not to users of the gate, who may not know of them. EXIT_NO_SUCH. */
int known_refuse(const char *name);

/* What a list of what name has exits with, if that is nothing: EXIT_DONE, or EXIT_NO_SUCH, logged. */
int known_check(const char *name);
