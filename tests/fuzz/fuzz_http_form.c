// SPDX-License-Identifier: Apache-2.0
//
// Forms: what is read can be written, and is then read the same.
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/http/http_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_form one, two;
    struct arena a;
    struct buf b;

    arena_init(&a, 16u << 20);
    buf_init(&b, 16u << 20);
    if (http_form_read(span_of(data, size), &a, &one) == ERR_OK) {
        CHECK(one.n <= HTTP_FORM_FIELDS_MAX);
        for (size_t i = 0; i < one.n; i++) {
            CHECK(utf8_is_valid(one.fields[i].name) && utf8_is_valid(one.fields[i].value));
            CHECK(span_find_byte(one.fields[i].value, '\0') == one.fields[i].value.n);
            char *name = arena_str(&a, one.fields[i].name);

            CHECK(name);
            CHECK(span_eq(http_form_get(&one, name), one.fields[i].value));
            http_form_put(&b, name, one.fields[i].value);
        }
        CHECK(http_form_read(buf_span(&b), &a, &two) == ERR_OK && two.n == one.n);
        for (size_t i = 0; i < one.n; i++) {
            CHECK(span_eq(one.fields[i].name, two.fields[i].name));
            CHECK(span_eq(one.fields[i].value, two.fields[i].value));
        }
    }
    buf_finish(&b);
    arena_finish(&a);
    return 0;
}
