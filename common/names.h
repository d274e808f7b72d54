/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What containers, images and volumes may be called. One place, because a name becomes a unit, a path, a host
 * name and a machine name. */

#define NAME_LENGTH_MAX 63

/* [A-Za-z0-9][A-Za-z0-9-]{0,62}, optionally "@INSTANCE" of the same alphabet; what systemd-machined and
 * hostname(7) both take; 63 bytes in all. "NAME@" is a template and valid only if template_ok. */
bool name_valid(const char *name, bool template_ok);

/* berth, berth-*, systemd-*, dbus, init: names that would shadow what the machine needs. */
bool name_reserved(const char *name);

/* The nearest valid name, for error messages ("my_app" -> "my-app"). Empty if there is none. */
void name_suggest(const char *name, char ret[static NAME_LENGTH_MAX + 1]);

/* The machine name of a container: NAME, or NAME-INSTANCE. name is valid. */
void name_to_machine(const char *name, char ret[static NAME_LENGTH_MAX + 1]);

/* [a-z0-9][a-z0-9._-]{0,127} */
bool image_id_valid(const char *id);

/* Does the name of an image, ID or path, say that it is a disk image: .raw, .squashfs or .erofs at its end? The unit
 * of such a one is allowed loop devices, and the generator has nothing but the name to go by. */
bool image_is_disk(const char *image);

/* A volume's name, of the alphabet of image ids but upper case allowed as well. */
bool volume_name_valid(const char *name);
