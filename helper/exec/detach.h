/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/exec/request.h"

/* The same exec without anybody who waits for it: as a unit of systemd, which runs "berth exec". */

/* What a job's unit is called: JOB_UNIT_PREFIX NAME-ID .service; NAME-ID is the job's name. */
#define JOB_UNIT_PREFIX "berth-job-"
#define JOB_ID_LENGTH   8 /* hex digits */

/* Its variables, in the container's state directory: JOB_FILE_PREFIX ID. */
#define JOB_FILE_PREFIX "job-"

/* Executes berth-manage job-start with the request's words; env: its variables, which go by a file, as anybody can
 * read the words of a unit. Returns only on failure, logged. */
int detach_execute(const Request *request, char *const *env);
