/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Unit specifiers, "%i" and its kin: which there are (systemd.unit(5) "Specifiers", version 252), and what they
 * may turn into. Values are written to units so that systemd expands them. */

/* Is every "%" of s followed by a specifier of systemd 252 or a second "%"? If not, *ret is the byte behind the
 * first wrong one, '\0' at the end of s. ret may be NULL. */
bool specifier_check(const char *s, char *ret);

/* Does s hold a specifier? "%%" is none. */
bool specifier_present(const char *s);

/* What s could become, for checks of its form: "/x" for a specifier that is a path, "x" for another, "%" for
 * "%%". s has passed specifier_check(). 0 or -ENOMEM. */
int specifier_sample(const char *s, char **ret);

/* The same with plain for a specifier that is no path: a digit where a number is meant. */
int specifier_fill(const char *s, const char *plain, char **ret);

/* Replaces the specifiers that follow from the unit's name, %n %N %p %P %i %I %j %J, by what they are in unit; where
 * that is a template, its instance stays "%i" or "%I". For values of one unit that move to another. 0 or -ENOMEM. */
int specifier_bind(const char *s, const char *unit, char **ret);

/* Expands the specifiers of [Install] that follow from the unit's name alone, %n %N %p %i %j, and "%%".
 * unit is a name with suffix, "web@x.service". 0; -EINVAL for another specifier; -ENOMEM. */
int specifier_expand(const char *s, const char *unit, char **ret);
