// SPDX-License-Identifier: Apache-2.0
//
// What a report comes packed in: never more than the limit comes out, and the same in any pieces.
#include "fuzz.h"
#include "report/report_unpack.h"

struct sum {
    uint64_t n, hash;
};

static enum err on_bytes(void *arg, struct span bytes)
{
    struct sum *s = arg;

    s->n += bytes.n;
    for (size_t i = 0; i < bytes.n; i += 1) {
        s->hash = s->hash * 31 + (unsigned char)bytes.p[i];
    }
    return ERR_OK;
}

static enum err unpack(struct span in, size_t step, struct sum *s)
{
    struct report_unpack *u;
    enum err e = report_unpack_create(on_bytes, s, &u);

    CHECK(e == ERR_OK);
    while (in.n && e == ERR_OK) {
        e = report_unpack_feed(u, span_first(in, step));
        in = span_skip(in, step);
    }
    e = e == ERR_OK ? report_unpack_end(u) : e;
    report_unpack_destroy(u);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sum whole = {0}, pieces = {0};
    enum err e = unpack(span_of(data, n), n ? n : 1, &whole);

    CHECK(whole.n <= REPORT_INFLATED_BYTES_MAX);
    CHECK(unpack(span_of(data, n), n % 7 + 1, &pieces) == e);
    CHECK(e != ERR_OK || (whole.n == pieces.n && whole.hash == pieces.hash));
    return 0;
}
