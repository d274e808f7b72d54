/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <linux/capability.h>
#include <signal.h>

#include "common/capability.h"
#include "common/parse.h"
#include "common/signals.h"

static void capabilities_have_the_kernels_numbers(void **state _unused_) {
        static const struct {
                const char *name;
                unsigned number;
        } rows[] = {
                { "CAP_CHOWN", CAP_CHOWN },           { "CAP_SETFCAP", CAP_SETFCAP },
                { "CAP_SYS_ADMIN", CAP_SYS_ADMIN },   { "CAP_NET_ADMIN", CAP_NET_ADMIN },
                { "CAP_MKNOD", CAP_MKNOD },           { "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE },
                { "CAP_AUDIT_READ", CAP_AUDIT_READ }, { "CAP_BPF", CAP_BPF },
        };
        static const char *const bad[] = {
                "", "NET_ADMIN", "cap_net_admin", "CAP_", "CAP_NET_ADMIN ", "21"
        };
        unsigned number;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                assert_int_equal(capability_parse(rows[i].name, &number), 0);
                assert_int_equal(number, rows[i].number);
                assert_string_equal(capability_name(number), rows[i].name);
        }
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                assert_int_equal(capability_parse(bad[i], &number), -EINVAL);
        assert_null(capability_name(CAP_LAST_CAP + 64));
        assert_string_equal(capability_suggest("net_admin"), "CAP_NET_ADMIN");
        assert_string_equal(capability_suggest("cap_Sys_Ptrace"), "CAP_SYS_PTRACE");
        assert_null(capability_suggest("root"));
}

static void the_default_set_is_what_is_documented(void **state _unused_) {
        static const unsigned has[] = {
                CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,           CAP_FSETID,     CAP_KILL,    CAP_SETGID,
                CAP_SETUID, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_SETFCAP,
        };
        uint64_t set = 0;

        for (size_t i = 0; i < ARRAY_LEN(has); i++)
                set |= UINT64_C(1) << has[i];
        assert_true(capability_default_set() == set);
}

static void signals_are_read_in_every_spelling_and_written_in_one(void **state _unused_) {
        static const struct {
                const char *word;
                int number;
                const char *name;
        } rows[] = {
                { "SIGTERM", SIGTERM, "SIGTERM" }, { "TERM", SIGTERM, "SIGTERM" },
                { "15", SIGTERM, "SIGTERM" },      { "SIGQUIT", SIGQUIT, "SIGQUIT" },
                { "IO", SIGIO, "SIGIO" },          { "SIGPOLL", SIGIO, "SIGIO" },
                { "SIGCHLD", SIGCHLD, "SIGCHLD" },
        };
        static const char *const bad[] = {
                "",   "SIG",        "term",        "0",       "-1",    "65",    "32",
                "33", "SIGRTMIN-1", "SIGRTMIN+31", "RTMAX+1", "SIG15", "TERM ",
        };
        char name[SIGNAL_NAME_SIZE];
        int number;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                ROW(i, rows[i].word, signal_parse(rows[i].word, &number) == 0);
                assert_int_equal(number, rows[i].number);
                signal_format(number, name);
                assert_string_equal(name, rows[i].name);
        }
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                ROW(i, bad[i], signal_parse(bad[i], &number) == -EINVAL);
        assert_int_equal(signal_parse("RTMIN+3", &number), 0);
        assert_int_equal(number, SIGRTMIN + 3);
        signal_format(number, name);
        assert_string_equal(name, "SIGRTMIN+3");
        assert_int_equal(signal_parse("SIGRTMAX", &number), 0);
        assert_int_equal(number, SIGRTMAX);
        assert_int_equal(signal_parse("RTMAX-2", &number), 0);
        assert_int_equal(number, SIGRTMAX - 2);
}

static void rates_are_of_1000_and_modes_are_octal(void **state _unused_) {
        uint64_t rate;
        mode_t mode;

        assert_int_equal(parse_rate("10M", &rate), 0);
        assert_true(rate == 10000000);
        assert_int_equal(parse_rate("1.5G", &rate), 0);
        assert_true(rate == 1500000000);
        assert_int_equal(parse_rate("64", &rate), 0);
        assert_true(rate == 64);
        assert_int_equal(parse_rate("1T", &rate), -EINVAL);
        assert_int_equal(parse_rate("1k", &rate), -EINVAL);
        assert_int_equal(parse_rate("1.5", &rate), -EINVAL);
        assert_int_equal(parse_rate("99999999999999G", &rate), -ERANGE);
        assert_int_equal(parse_mode("0077", &mode), 0);
        assert_int_equal(mode, 0077);
        assert_int_equal(parse_mode("777", &mode), 0);
        assert_int_equal(parse_mode("1777", &mode), -ERANGE);
        assert_int_equal(parse_mode("77", &mode), -EINVAL);
        assert_int_equal(parse_mode("0o22", &mode), -EINVAL);
        assert_int_equal(parse_mode("", &mode), -EINVAL);
}

RUN(TEST(capabilities_have_the_kernels_numbers), TEST(the_default_set_is_what_is_documented),
    TEST(signals_are_read_in_every_spelling_and_written_in_one), TEST(rates_are_of_1000_and_modes_are_octal))
