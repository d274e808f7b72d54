/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/translate.h"

/* Boot=yes: a whole system, which systemd-nspawn runs. A drop-in gives systemd-nspawn@NAME.service the manifest's
 * command line, and NAME.service stands for it, so that systemctl and machinectl mean the same. Hides which keys have
 * a meaning there and what nspawn calls them. */

/* Does the manifest ask for it? A wrong value does too: a slip must not loosen a system that runs. */
bool boot_wanted(const Manifest *m);

/* What translate() is for other manifests. */
int boot_translate(Manifest *m, const World *world, Service *ret);
