/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* capabilities(7) by name. The list is the kernel's; a set is a bit for each number. */

/* What a container's processes may have where the manifest says nothing: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID
 * SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP. */
uint64_t capability_default_set(void);

/* "CAP_NET_ADMIN", spelt as the kernel does. 0 and its number, or -EINVAL. */
int capability_parse(const char *name, unsigned *ret);

/* The name of a number, or NULL beyond the last. */
const char *capability_name(unsigned number);

/* The name that was likely meant by one that is none ("net_admin"), or NULL. */
const char *capability_suggest(const char *name);
