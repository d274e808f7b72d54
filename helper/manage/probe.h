/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/bus.h"

/* What a host can do, found out by doing it where that leaves nothing behind. Functions of one shape, for the rows of
 * berth doctor: 1 yes, 0 no, or negative errno where it cannot be told. What was found goes to *ret, a string of the
 * caller's, where there is something to say. word: of the row. */

typedef struct Probe {
        sd_bus *bus; /* NULL: none */
        int data_fd; /* where Berth keeps its data, or would: the nearest directory there is */
        const char *data_path;
} Probe;

int probe_root(const Probe *probe, const char *word, char **ret);
int probe_kernel(const Probe *probe, const char *word, char **ret);     /* word: the least version */
int probe_systemd(const Probe *probe, const char *word, char **ret);    /* word: the least version */
int probe_cgroup(const Probe *probe, const char *word, char **ret);     /* there is a unified hierarchy */
int probe_controller(const Probe *probe, const char *word, char **ret); /* word: cpu, memory, ... */
int probe_path(const Probe *probe, const char *word, char **ret);       /* word: what has to exist */
int probe_user_namespaces(const Probe *probe, const char *word, char **ret);
int probe_file_system(const Probe *probe, const char *word, char **ret);   /* word: overlay, erofs, ... */
int probe_id_maps(const Probe *probe, const char *word, char **ret);       /* of mounts of the data */
int probe_reflink(const Probe *probe, const char *word, char **ret);       /* of files of the data */
int probe_project_quota(const Probe *probe, const char *word, char **ret); /* of layers */
int probe_nftables(const Probe *probe, const char *word, char **ret);
int probe_program(const Probe *probe, const char *word, char **ret); /* word: its name */
int probe_unit(const Probe *probe, const char *word, char **ret);
int probe_bus_name(const Probe *probe, const char *word,
                   char **ret); /* somebody has it, or would be started */
int probe_no_firewall(const Probe *probe, const char *word, char **ret); /* 0: others than ours, and which */
int probe_no_open_ports(const Probe *probe, const char *word,
                        char **ret); /* 0: TCP on every address, and which */
