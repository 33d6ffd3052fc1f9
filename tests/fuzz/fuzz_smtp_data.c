// SPDX-License-Identifier: Apache-2.0
//
// DATA, cut by its first two bytes, beside the model; then the content through both dot writers
// and back.
#include "../unit/wire/smtp_data_model.h"
#include "fuzz.h"
#include "wire/dot.h"

static void write_and_read_back(struct span text, enum dot_mode mode, size_t cut)
{
    struct dot_writer w;
    struct data_outcome got;
    struct text_scan scan = {0};
    struct buf out;

    text_scan_put(&scan, text);
    text_scan_end(&scan);
    buf_init(&out, dot_room(text.n) + 16);
    dot_writer_init(&w, mode);
    enum err e = dot_write(&w, span_first(text, cut), &out);

    e = e ? e : dot_write(&w, span_skip(text, cut), &out);
    e = e ? e : dot_write_end(&w, &out);
    CHECK(e == (mode == DOT_STRICT && scan.faults ? ERR_INVALID : ERR_OK));
    if (!e) {
        data_outcome_init(&got);
        data_read_piece(&got, buf_span(&out));
        CHECK(got.e == ERR_EOF && got.rest == 0 && got.data.scan.faults == 0);
        CHECK(got.content.n == w.content_bytes);
        if (mode == DOT_STRICT) {
            CHECK(span_starts(buf_span(&got.content), text) && got.content.n <= text.n + 2);
        }
        data_outcome_finish(&got);
    }
    buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t ends = 0;

    if (n < 2) {
        return 0;
    }
    struct span text = span_of(data + 2, n - 2);
    size_t cut = text.n ? data[0] % (text.n + 1) : 0, step = 1 + data[1] % 16;

    CHECK(data_differs_from_model(text, cut, step, &ends) == NULL);
    write_and_read_back(text, DOT_STRICT, cut);
    write_and_read_back(text, DOT_MEND, cut);
    return 0;
}
