/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/container/state.h"

/* What the health checks of a running container have found: /run/berth/containers/NAME/health, written by the last
 * one, believed while its leader is the container's. Does not log. */

#define HEALTH_OUTPUT_MAX 4096

typedef enum HealthStatus {
        HEALTH_STARTING, /* none has succeeded yet, and not enough have failed */
        HEALTH_HEALTHY,
        HEALTH_UNHEALTHY,
        _HEALTH_STATUS_MAX,
} HealthStatus;

const char *health_status_to_string(HealthStatus status);

typedef struct Health { /* owns its output */
        HealthStatus status;
        uint32_t failures;     /* in a row, that count */
        uint64_t checked_usec; /* CLOCK_REALTIME of the last one */
        uint32_t exit_status;  /* of the last one; 124: its time was over */
        char *output;          /* its end, lines of visible characters */
} Health;

void health_done(Health *health);
#define _cleanup_health_ _cleanup_(health_done)

/* -ENOENT: no check of this run of the container was made; -EBADMSG: damaged. */
int health_read(const State *state, Health *ret);

/* -ENOENT: the container has ended, and what was its is removed. */
int health_write(const State *state, const Health *health);
