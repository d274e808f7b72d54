/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/result.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/json-text.h"
#include "common/log.h"
#include "common/signals.h"
#include "common/utf8.h"

static int put_string(const char *s, size_t n, bool base64) {
        _cleanup_free_ char *text = malloc(base64 ? JSON_BASE64_MAX(n) : JSON_TEXT_MAX(n));

        if (!text)
                return -ENOMEM;
        fwrite(text, 1, base64 ? json_base64(s, n, text) : json_text(s, n, text), stdout);
        return 0;
}

static void put_figure(const char *key, uint64_t value) {
        if (value == FIGURE_NONE)
                printf(",\"%s\":null", key);
        else
                printf(",\"%s\":%" PRIu64, key, value);
}

/* Which limit has ended the command, or stood in its way. */
static const char *find_limit(const GuardReport *report) {
        const Figures *figures = &report->figures;

        if (figures->oom_kills != FIGURE_NONE && figures->oom_kills > 0)
                return "\"memory\"";
        if (report->timed_out)
                return "\"runtime\"";
        if (figures->pids_refused != FIGURE_NONE && figures->pids_refused > 0)
                return "\"pids\"";
        return "null";
}

static void put_end(const Result *result) {
        const GuardReport *report = result->report;
        bool ran = report->started && !result->failure.stage;
        char name[SIGNAL_NAME_SIZE];

        if (ran && report->signal == 0)
                printf("{\"exit_code\":%d", report->status);
        else
                printf("{\"exit_code\":null");
        if (ran && report->signal > 0) {
                signal_format(report->signal, name);
                printf(",\"signal\":\"%s\"", name + strlen("SIG"));
        } else
                printf(",\"signal\":null");
        printf(",\"timed_out\":%s,\"limit\":%s", report->timed_out ? "true" : "false", find_limit(report));
}

static int put_streams(const Result *result) {
        static const char *const names[] = { "stdout", "stderr" };
        Captured captured[COLLECT_STREAMS] = {};
        bool base64 = false;
        int r = 0;

        for (size_t i = 0; r >= 0 && result->collect && i < COLLECT_STREAMS; i++) {
                r = capture_take(&result->collect->streams[i].capture, &captured[i]);
                if (r >= 0 && utf8_valid_prefix(captured[i].text, captured[i].size) != captured[i].size)
                        base64 = true;
        }
        for (size_t i = 0; r >= 0 && i < COLLECT_STREAMS; i++) {
                printf(",\"%s\":", names[i]);
                r = put_string(captured[i].text ? captured[i].text : "", captured[i].size, base64);
        }
        printf(",\"encoding\":\"%s\",\"omitted\":{", base64 ? "base64" : "utf-8");
        for (size_t i = 0; i < COLLECT_STREAMS; i++) {
                printf("%s\"%s\":{\"bytes\":%" PRIu64 ",\"lines\":%" PRIu64 "}", i > 0 ? "," : "", names[i],
                       captured[i].omitted_bytes, captured[i].omitted_lines);
                captured_done(&captured[i]);
        }
        printf("}");
        return r;
}

static int put_failure(const Result *result) {
        const Failure *failure = &result->failure;
        const char *name = failure->error != 0 ? strerrorname_np(abs(failure->error)) : NULL;
        const char *message = result->message ? result->message : "";
        size_t n = strlen(message);

        if (!failure->stage)
                return printf(",\"error\":null"), 0;
        printf(",\"error\":{\"stage\":\"%s\",\"errno\":", failure->stage);
        printf(name ? "\"%s\"" : "null", name);
        printf(",\"message\":");
        n = utf8_valid_prefix(message, n); /* it may hold words of the command line */
        if (put_string(message, n, /* base64= */ false) < 0)
                return -ENOMEM;
        printf("}");
        return 0;
}

int result_print(const Result *result) {
        const Figures *figures = &result->report->figures;
        int r;

        put_end(result);
        r = put_streams(result);
        if (r < 0)
                return log_oom();
        printf(",\"duration_ms\":%" PRIu64, result->duration_usec / 1000);
        put_figure("cpu_usec", figures->cpu_usec);
        put_figure("memory_peak_bytes", figures->memory_peak);
        put_figure("io_read_bytes", figures->io_read);
        put_figure("io_write_bytes", figures->io_write);
        r = put_failure(result);
        if (r < 0)
                return log_oom();
        printf("}\n");
        if (fflush(stdout) != 0 || ferror(stdout))
                return log_error_errno(errno, "cannot write the result to standard output: %m");
        return 0;
}
