/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever the bytes, a string of them is one that json-c reads, and reads as the same bytes; where they are no UTF-8
 * their base64 is as long as it has to be. */

#include <json-c/json.h>

#include "common/base.h"
#include "common/json-text.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *data, size_t size) {
        struct json_tokener *tokener = json_tokener_new_ex(4);
        char *text = malloc(JSON_TEXT_MAX(size)); /* not a byte more */
        struct json_object *object;
        size_t n;

        assert(text && tokener);
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        n = json_text(data, size, text);
        assert(n <= JSON_TEXT_MAX(size));
        object = json_tokener_parse_ex(tokener, text, (int) n);
        assert(object && json_tokener_get_parse_end(tokener) == n);
        assert((size_t) json_object_get_string_len(object) == size);
        assert(memcmp(json_object_get_string(object), data, size) == 0);
        json_object_put(object);
        json_tokener_free(tokener);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *bytes = (const char *) (size > 0 ? (const void *) data : "");
        char *text = malloc(JSON_BASE64_MAX(size));

        assert(text);
        assert(json_base64(bytes, size, text) == JSON_BASE64_MAX(size));
        free(text);
        if (utf8_valid_prefix(bytes, size) == size)
                check_text(bytes, size);
        return 0;
}
