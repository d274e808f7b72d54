/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/descriptors.h"

/* What the command line of exec or shell asks for. */

typedef enum JsonMode {
        JSON_NO,
        JSON_OBJECT,
        JSON_STREAM, /* what comes, as it comes; then the object */
} JsonMode;

typedef struct Request { /* strings borrow from argv, vectors are its own */
        const char *name;
        char **command;   /* NULL: the user's login shell */
        const char *user; /* NULL: the leader's */
        const char *directory;
        char **env, **env_files;
        const char *input; /* NULL: our standard input */
        TtyMode tty;
        bool size_given;
        struct winsize size;
        uint64_t timeout_usec; /* 0: none */
        uint64_t capabilities; /* more of them, a bit each */
        bool detach;
        const char *session; /* NULL: none */
        bool scope;
        char **properties; /* of the scope, "NAME=VALUE" */
        JsonMode json;
        bool max_output_given;
        uint64_t max_output; /* bytes of each stream */
} Request;

void request_done(Request *request);
#define _cleanup_request_ _cleanup_(request_done)

/* 0, 1 after --help, or -EINVAL, logged; what was read until then stands in *ret all the same, for its json. */
int request_parse(char *argv[], bool shell, Request *ret);

/* The variables that are asked for, files first, as a vector of the caller's. Logs. */
int request_environment(const Request *request, char ***ret);

/* Does the command get a terminal? */
bool request_wants_tty(const Request *request);
