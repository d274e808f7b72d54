/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/directives.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/signals.h"

static void add_number(Text *t, const char *key, const char *digits, const char *unit) {
        text_add(t, key);
        text_add(t, "=");
        text_add(t, digits);
        text_add(t, unit);
        text_add(t, "\n");
}

/* A time in microseconds. */
static void add_span(Text *t, const char *key, const char *usec) {
        unsigned long long v = strtoull(usec, NULL, 10);

        if (streq(usec, "infinity"))
                add_number(t, key, usec, "");
        else if (v % 1000000 == 0)
                text_addf(t, "%s=%llu\n", key, v / 1000000);
        else
                add_number(t, key, usec, "us");
}

static void add_cpus(Text *t, const char *cpus) {
        unsigned long long per_mille = strtoull(cpus, NULL, 10);

        if (per_mille % 10 == 0)
                text_addf(t, "CPUQuota=%llu%%\n", per_mille / 10);
        else
                text_addf(t, "CPUQuota=%llu.%llu%%\n", per_mille / 10, per_mille % 10);
}

static const Directive directives[] = {
        { "Limits", "MemoryHigh", "MemoryHigh" },
        { "Limits", "Tasks", "TasksMax" },
        { "Limits", "IOWeight", "IOWeight" },
        { "Limits", "IORead", "IOReadBandwidthMax" },
        { "Limits", "IOWrite", "IOWriteBandwidthMax" },
        { "Limits", "OpenFiles", "LimitNOFILE" },
        { "Container", "LimitCPU", "LimitCPU" },
        { "Container", "LimitFSIZE", "LimitFSIZE" },
        { "Container", "LimitDATA", "LimitDATA" },
        { "Container", "LimitSTACK", "LimitSTACK" },
        { "Container", "LimitCORE", "LimitCORE" },
        { "Container", "LimitRSS", "LimitRSS" },
        { "Container", "LimitNOFILE", "LimitNOFILE" },
        { "Container", "LimitAS", "LimitAS" },
        { "Container", "LimitNPROC", "LimitNPROC" },
        { "Container", "LimitMEMLOCK", "LimitMEMLOCK" },
        { "Container", "LimitLOCKS", "LimitLOCKS" },
        { "Container", "LimitSIGPENDING", "LimitSIGPENDING" },
        { "Container", "LimitMSGQUEUE", "LimitMSGQUEUE" },
        { "Container", "LimitNICE", "LimitNICE" },
        { "Container", "LimitRTPRIO", "LimitRTPRIO" },
        { "Container", "LimitRTTIME", "LimitRTTIME" },
        { "Container", "Device", "DeviceAllow", .beside = true },
        { "Container", "KillSignal", "KillSignal" },
};

const Directive *directive_at(size_t i) {
        return i < ARRAY_LEN(directives) ? &directives[i] : NULL;
}

static void add_directives(const Store *s, Text *t) {
        StoreValue v;

        for (size_t i = 0; i < ARRAY_LEN(directives); i++)
                for (unsigned j = 0; store_get(s, directives[i].section, directives[i].key, j, &v); j++)
                        text_addf(t, "%s=%s\n", directives[i].name, v.text);
}

void directives_add(const Manifest *m, Text *text) {
        const Store *s = m->store;
        const char *cpus = store_text(s, "Limits", "CPUs"), *memory = store_text(s, "Limits", "Memory"),
                   *swap = store_text(s, "Limits", "Swap"), *runtime = store_text(s, "Limits", "Runtime"),
                   *stop = store_text(s, "Container", "StopTimeout");

        if (cpus)
                add_cpus(text, cpus);
        if (memory)
                add_number(text, "MemoryMax", memory, "");
        if (swap || memory)
                add_number(text, "MemorySwapMax", swap ? swap : "0", "");
        add_directives(s, text);
        /* systemd.service(5): RuntimeMaxSec= has no effect on a oneshot, which is "starting" while it runs. */
        if (runtime)
                add_span(text, manifest_oneshot(m) ? "TimeoutStartSec" : "RuntimeMaxSec", runtime);
        if (stop)
                add_span(text, "TimeoutStopSec", stop);
}

void directives_success(const Manifest *m, Text *text) {
        const char *name = store_text(m->store, "Container", "KillSignal");
        int number;

        text_add(text, "SuccessExitStatus=143 130");
        /* Asked to end by a signal, a command may well end by it: the init says 128 and its number, without an init
         * the command itself dies of it. */
        if (name && signal_parse(name, &number) >= 0 && number != 15 && number != 2)
                text_addf(text, " %d %s", EXIT_SIGNAL_BASE + number, name);
        text_add(text, "\n");
}

/* Does [Service] say where the credential of that name, n bytes, comes from? */
static bool is_credential(const Store *s, const char *name, size_t n) {
        static const char *const sources[] = { "LoadCredential=", "LoadCredentialEncrypted=",
                                               "SetCredential=", "SetCredentialEncrypted=" };
        StoreValue v;

        for (unsigned i = 0; store_get(s, "Service", "*", i, &v); i++)
                for (size_t j = 0; j < ARRAY_LEN(sources); j++) {
                        const char *value = startswith(v.text, sources[j]);

                        if (value && strncmp(value, name, n) == 0 && (value[n] == ':' || value[n] == '\0'))
                                return true;
                }
        return false;
}

void directives_credentials(const Manifest *m, Text *text) {
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, "Container", "Secret", i, &v); i++)
                for (const char *word = v.text; *word; word += strcspn(word, " "), word += *word == ' ') {
                        size_t n = strcspn(word, ": ");

                        if (!is_credential(m->store, word, n))
                                text_addf(text, "LoadCredential=%.*s\n", (int) n, word);
                }
}
