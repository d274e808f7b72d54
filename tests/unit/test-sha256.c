/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/sha256.h"
#include "tests/unit/check.h"

/* The vectors of FIPS 180-4's examples, and lengths around those at which the padding takes a block of its own. */
static void hashes_as_the_standard_does(void **state _unused_) {
        static const struct {
                size_t n; /* times 'a'; 0: the text */
                const char *text, *hex;
        } rows[] = {
                { 0, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { 0, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { 0, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
                { 55, NULL, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
                { 56, NULL, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a" },
                { 63, NULL, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34" },
                { 64, NULL, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
                { 65, NULL, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0" },
                { 1000000, NULL, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *many = malloc(rows[i].n + 1);
                char hex[SHA256_HEX_SIZE];
                uint8_t digest[SHA256_SIZE];

                assert_non_null(many);
                memset(many, 'a', rows[i].n);
                sha256(rows[i].text ? rows[i].text : many, rows[i].text ? strlen(rows[i].text) : rows[i].n,
                       digest);
                sha256_hex(digest, hex);
                assert_string_equal(hex, rows[i].hex);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hashes_as_the_standard_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
