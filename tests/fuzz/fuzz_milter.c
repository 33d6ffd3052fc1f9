// SPDX-License-Identifier: Apache-2.0
//
// A filter's answers, packet after packet; the texts in them go out again as packets.
#include "fuzz.h"
#include "wire/milter/milter.h"

static void check_inside(struct span all, struct span s)
{
    CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span rest = span_of(data, n);
    struct milter_reply r;
    size_t bytes = 0;
    struct buf b;

    buf_init(&b, 1 << 20);
    while (milter_read(rest, &r, &bytes) == ERR_OK) {
        struct span strings[] = {r.name, r.value};

        CHECK(bytes >= 5 && bytes <= rest.n);
        check_inside(rest, r.text);
        check_inside(rest, r.params);
        check_inside(rest, r.name);
        check_inside(rest, r.value);
        CHECK(r.answer != MILTER_REPLY || (r.code >= 400 && r.code < 600));
        buf_clear(&b);
        CHECK(milter_strings_put(&b, MILTER_HEADER, strings, 2) == ERR_OK);
        CHECK(milter_read(span_first(rest, bytes - 1), &r, &bytes) == ERR_AGAIN);
        rest = span_skip(rest, bytes);
    }
    buf_finish(&b);
    return 0;
}
