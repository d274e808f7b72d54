/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/notify-relay.h"
#include "tests/unit/check.h"

#define BYTES(s) s, sizeof(s) - 1

static void passes_on_what_is_harmless_and_nothing_else(void **state _unused_) {
        static const struct {
                const char *text;
                size_t n;
                const char *kept;
        } rows[] = {
                { BYTES("READY=1"), "READY=1" },
                { BYTES("READY=1\n"), "READY=1" },
                { BYTES("READY=1\0"), "READY=1" },
                { BYTES("READY=1\nSTATUS=up\nERRNO=2\nEXTEND_TIMEOUT_USEC=500"),
                  "READY=1\nSTATUS=up\nERRNO=2\nEXTEND_TIMEOUT_USEC=500" },
                { BYTES("RELOADING=1\nMONOTONIC_USEC=18446744073709551615"),
                  "RELOADING=1\nMONOTONIC_USEC=18446744073709551615" },
                { BYTES("WATCHDOG=1\nSTOPPING=1"), "WATCHDOG=1\nSTOPPING=1" },
                { BYTES("WATCHDOG=trigger"), "WATCHDOG=trigger" },
                { BYTES("STATUS="), "STATUS=" },
                { BYTES("MAINPID=1"), "" },
                { BYTES("MAINPID=1\nREADY=1\nFDSTORE=1\nFDNAME=x"), "READY=1" },
                { BYTES("FDSTOREREMOVE=1\nMAINPIDFDID=7\nNOTIFYACCESS=all\nBARRIER=1\nBUSERROR=x\nEXIT_STATUS=3"),
                  "" },
                { BYTES("WATCHDOG_USEC=1\nX_READY=1\nREADY = 1\n READY=1\nready=1"), "" },
                { BYTES("READY=2\nREADY=\nREADY=10\nREADY\nSTOPPING=0"), "" },
                { BYTES("ERRNO=\nERRNO=-1\nERRNO=1x\nERRNO=111111111111111111111"), "" },
                { BYTES("WATCHDOG=triggers\nWATCHDOG=0"), "" },
                { BYTES("READY=1\0MAINPID=1"), "" },
                { BYTES(""), "" },
                { BYTES("\n\n\n"), "" },
                { BYTES("STATUS=a\033[31mb\tc\x7f"), "STATUS=a?[31mb\tc?" },
                { BYTES("STATUS=\xc2\x9b"
                        "31m\xc3\xa9\xc2"),
                  "STATUS=??31m\xc3\xa9\xc2" },
                { BYTES("STATUS=a\rMAINPID=1"), "STATUS=a?MAINPID=1" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[NOTIFY_SIZE_MAX];
                size_t n;

                memcpy(text, rows[i].text, rows[i].n);
                n = notify_filter(text, rows[i].n);
                ROW(i, rows[i].text, n == strlen(rows[i].kept) && memcmp(text, rows[i].kept, n) == 0);
        }
}

RUN(TEST(passes_on_what_is_harmless_and_nothing_else))
