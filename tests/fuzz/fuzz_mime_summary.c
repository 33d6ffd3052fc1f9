// SPDX-License-Identifier: Apache-2.0
//
// Bytes read as a summary: whatever they are, no read leaves them and every walk ends.
#include "fuzz.h"
#include "mime/mime_section.h"
#include "mime/mime_summary.h"

static void use_table(const struct mime_summary *s)
{
    struct mime_table table;
    uint32_t path[6];

    if (mime_summary_table(s, &table) != ERR_OK) {
        return;
    }
    for (uint32_t i = 0; i < 729; i++) {
        for (uint32_t k = 0, v = i; k < 6; k++, v /= 3) {
            path[k] = v % 3 + 1;
        }
        struct mime_section section = {path, i % 7, (enum mime_section_text)(i % 4)};
        struct mime_range r;

        (void)mime_section_find(table, &section, &r);
    }
}

static void use_spans(const struct mime_summary *s, struct buf *out)
{
    enum err (*const all[])(const struct mime_summary *, struct span *) = {
        mime_summary_envelope, mime_summary_body, mime_summary_bodystructure, mime_summary_preview};
    struct span piece;

    for (size_t i = 0; i < 4; i++) {
        if (all[i](s, &piece) == ERR_OK) {
            buf_put(out, piece);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mime_summary s;
    struct mime_summary_facts facts;
    struct buf out;

    if (mime_summary_open(span_of(data, size), &s) != ERR_OK) {
        return 0;
    }
    buf_init(&out, 16 << 20);
    (void)mime_summary_facts(&s, &facts);
    use_spans(&s, &out);
    use_table(&s);
    (void)mime_summary_fields(&s, UINT64_MAX, &out);
    (void)mime_summary_fields(&s, 5, &out);
    buf_finish(&out);
    return 0;
}
