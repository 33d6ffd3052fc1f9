// SPDX-License-Identifier: Apache-2.0
//
// A TLS report's JSON: whatever it is, what is kept of it is clean text, and rows add up to no more
// than the sums.
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
    CHECK(w->count <= REPORT_COUNT_MAX);
    r->n++;
    *(w->is_good ? &r->good : &r->bad) += w->count;
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rows rows = {0};
    const struct report_sink sink = {on_row, &rows};
    struct report report;
    struct arena a;

    arena_init(&a, 1u << 20);
    if (tls_report_read(span_of(data, n), &sink, &a, &report) == ERR_OK) {
        check_texts(report.texts);
        CHECK(report.rows == rows.n && rows.good <= report.good && rows.bad <= report.bad);
        CHECK(report.texts[REPORT_DOMAIN].n && report.begin_s >= 0);
    }
    arena_finish(&a);
    return 0;
}
