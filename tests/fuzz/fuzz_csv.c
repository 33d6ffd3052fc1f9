// SPDX-License-Identifier: Apache-2.0
//
// A list as a spreadsheet saves it. What comes out, written with every field in quotes, comes out
// the same again.
#include "cli/account/csv.h"
#include "fuzz.h"

static void put_field(struct buf *out, struct span s)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        buf_put_byte(out, s.p[i]);
        if (s.p[i] == '"') {
            buf_put_byte(out, '"');
        }
    }
    buf_put_byte(out, '"');
}

static void again(const struct csv *r)
{
    struct buf text;
    struct csv two;

    buf_init(&text, 64u << 20);
    for (size_t i = 0; i < r->count; i++) {
        if (i) {
            buf_put_byte(&text, ',');
        }
        put_field(&text, r->fields[i]);
    }
    csv_init(&two, buf_span(&text));
    CHECK(csv_next(&two) == ERR_OK && two.count == r->count && two.line == 1);
    for (size_t i = 0; i < r->count; i++) {
        CHECK(span_eq(two.fields[i], r->fields[i]));
    }
    CHECK(csv_next(&two) == ERR_EOF);
    csv_finish(&two);
    buf_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned long line = 0;
    struct csv r;
    enum err e;

    csv_init(&r, span_of(data, size));
    while ((e = csv_next(&r)) != ERR_EOF) {
        CHECK(r.line > line && r.line <= size + 1);
        line = r.line;
        CHECK(e == ERR_OK ? r.count >= 1 && r.count <= CSV_FIELDS_MAX : r.problem && !r.count);
        if (e == ERR_OK) {
            again(&r);
        }
    }
    csv_finish(&r);
    return 0;
}
