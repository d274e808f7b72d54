/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/translate.h"

/* Boot=yes: a whole system, which systemd-nspawn runs. A drop-in gives systemd-nspawn@NAME.service the manifest's
 * command line, and NAME.service stands for it, so that systemctl and machinectl mean the same. Hides which keys have
 * a meaning there and what nspawn calls them. */

/* Does the manifest ask for it? */
bool boot_wanted(const Manifest *m);

/* Has Boot= a wrong value? Then a container of ours may be running, or a system of nspawn, and a slip must loosen
 * neither: there are the ordinary unit and the drop-in as well, which both tell the error. */
bool boot_doubtful(const Manifest *m);

/* Adds that drop-in, of a manifest with errors. unit is NAME.service. */
int boot_keep(Manifest *m, const World *world, const char *unit, Further *further);

/* What translate() is for other manifests. */
int boot_translate(Manifest *m, const World *world, Service *ret);
