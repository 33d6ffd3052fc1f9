// SPDX-License-Identifier: Apache-2.0
//
// A DMARC report's XML: the same in any pieces; all that is kept of it is clean text, and its rows
// add up.
#include "base/utf8.h"
#include "fuzz.h"
#include "report/report_read.h"

struct rows {
    uint64_t n, good, bad;
};

static void check_texts(const struct span *texts)
{
    for (unsigned i = 0; i < REPORT_TEXTS; i++) {
        CHECK(texts[i].n <= REPORT_TEXT_BYTES_MAX && utf8_is_valid(texts[i]));
        for (size_t k = 0; k < texts[i].n; k++) {
            CHECK(!byte_is_ctl(texts[i].p[k]));
        }
    }
}

static enum err on_row(void *arg, const struct report_row *w)
{
    struct rows *r = arg;

    check_texts(w->texts);
    CHECK(w->count <= REPORT_COUNT_MAX && w->texts[REPORT_SOURCE].n);
    r->n++;
    *(w->is_dkim_pass || w->is_spf_pass ? &r->good : &r->bad) += w->count;
    return ERR_OK;
}

static enum err read(struct span in, size_t step, struct rows *rows, struct arena *a,
                     struct report *out)
{
    const struct report_sink sink = {on_row, rows};
    struct dmarc_reader *r;
    enum err e = dmarc_reader_create(&sink, &r);

    CHECK(e == ERR_OK);
    while (in.n && e == ERR_OK) {
        e = dmarc_reader_feed(r, span_first(in, step));
        in = span_skip(in, step);
    }
    e = e == ERR_OK ? dmarc_reader_end(r, a, out) : e;
    dmarc_reader_destroy(r);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rows whole = {0}, pieces = {0};
    struct report report = {.rows = 0};
    struct arena a;

    arena_init(&a, 1u << 20);
    enum err e = read(span_of(data, n), n ? n : 1, &whole, &a, &report);

    if (e == ERR_OK) {
        check_texts(report.texts);
        CHECK(report.rows == whole.n && report.good == whole.good && report.bad == whole.bad);
        CHECK(report.texts[REPORT_DOMAIN].n && report.begin_s >= 0);
    }
    CHECK((read(span_of(data, n), n % 5 + 1, &pieces, &a, &report) == ERR_OK) == (e == ERR_OK));
    CHECK(e != ERR_OK || pieces.n == whole.n);
    arena_finish(&a);
    return 0;
}
