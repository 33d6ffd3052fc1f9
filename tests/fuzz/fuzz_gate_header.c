// SPDX-License-Identifier: Apache-2.0
//
// The header of an incoming message as it streams through the gate's filter: whatever the pieces,
// the same goes on, nothing of it is a forged result, and nothing else is missing.
#include "fuzz.h"
#include "gate/verdict/header_filter.h"
#include "mime/mime_header.h"
#include "senderauth/auth_results.h"

#define OURS SPAN("mx.example.net")

static void filter(struct span in, size_t piece, struct header_filter *f, struct buf *out)
{
    header_filter_init(f, OURS);
    f->takes_subject = in.n % 2;
    buf_init(out, 1 << 22);
    while (in.n) {
        CHECK(header_filter_feed(f, span_first(in, piece), out) == ERR_OK);
        in = span_skip(in, piece);
    }
    CHECK(header_filter_end(f, out) == ERR_OK);
}

// The lines up to the first empty one.
static struct span header_of(struct span all)
{
    size_t at = 0;

    while (at < all.n) {
        struct span rest = span_skip(all, at);

        if (rest.p[0] == '\n' || span_starts(rest, SPAN("\r\n"))) {
            break;
        }
        at += span_find_byte(rest, '\n') + 1;
    }
    return span_first(all, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct header_filter one, two;
    struct buf whole, pieces;
    struct auth_cut cut;
    size_t at = 0;

    if (n < 1 || n > HEADER_FIELD_BYTES_MAX) {
        return 0;
    }
    struct span in = span_of(data + 1, n - 1);

    filter(in, in.n + 1, &one, &whole);
    filter(in, data[0] % 32 + 1u, &two, &pieces);
    CHECK(span_eq(buf_span(&whole), buf_span(&pieces)));
    CHECK(one.removed == two.removed);
    CHECK(span_eq(buf_span(&one.subject), buf_span(&two.subject)));
    CHECK(!auth_results_next_forged(header_of(buf_span(&whole)), OURS, &at, &cut));
    CHECK(one.removed || whole.n + one.subject.n == in.n);
    if (one.subject.n) {
        struct span rest = buf_span(&one.subject);
        struct mime_field f;

        CHECK(mime_header_next(&rest, &f) && rest.n == 0 &&
              span_eq_nocase(f.name, SPAN("Subject")));
    }
    header_filter_finish(&one);
    header_filter_finish(&two);
    buf_finish(&whole);
    buf_finish(&pieces);
    return 0;
}
