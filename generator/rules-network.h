/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"

/* The rules of [Network], for rules.c. */

#define RULES_PORTS_MAX 512 /* compared with each other */

/* 0 or -ENOMEM. */
int rules_check_network(Manifest *m);
