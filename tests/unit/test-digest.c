/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/digest.h"
#include "tests/unit/check.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void hashes_what_it_is_given(void **state _unused_) {
        _cleanup_hash_ Hash *hash = hash_new();
        char text[DIGEST_TEXT_SIZE];
        Digest digest, again;

        assert_non_null(hash);
        hash_finish(hash, &digest);
        digest_format(&digest, text);
        assert_string_equal(text, EMPTY);
        /* it starts anew by itself */
        hash_update(hash, "a", 1);
        hash_update(hash, "bc", 2);
        hash_finish(hash, &digest);
        digest_format(&digest, text);
        assert_string_equal(text, ABC);
        assert_int_equal(digest_parse(ABC, &again), 0);
        assert_true(digest_equal(&digest, &again));
        again.bytes[DIGEST_SIZE - 1] ^= 1;
        assert_false(digest_equal(&digest, &again));
}

static void takes_nothing_but_lower_case_hex_of_sha256(void **state _unused_) {
        static const struct {
                const char *text;
                int error;
        } rows[] = {
                { "", -EINVAL },
                { "sha256", -EINVAL },
                { "sha256:", -EINVAL },
                { EMPTY "0", -EINVAL },
                { "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", -EINVAL },
                { "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", -EINVAL },
                { "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", -EINVAL },
                { "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", -EINVAL },
                { "sha256:../../../../../../../../../../../../../../../../etc/passwd.......", -EINVAL },
                { "sha256:+3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", -EINVAL },
                { "sha512:0", -EOPNOTSUPP },
                { "sha384:0", -EOPNOTSUPP },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                Digest digest = { { 42 } };

                ROW(i, rows[i].text, digest_parse(rows[i].text, &digest) == rows[i].error);
                ROW(i, rows[i].text, digest.bytes[0] == 42);
        }
}

RUN(TEST(hashes_what_it_is_given), TEST(takes_nothing_but_lower_case_hex_of_sha256))
