/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/manage/transient.h"

/* Gives a scope what the unit of its container has of limits, devices and rules for the network, as they are now, but for
 * what properties ("NAME=VALUE", or NULL) say otherwise. -ENOTSUP, logged: the unit has something that no scope can
 * have. */
int scope_add_walls(sd_bus *bus, Transient *transient, const char *unit, char *const *properties);
