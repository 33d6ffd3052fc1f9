// SPDX-License-Identifier: Apache-2.0
//
// keep says anything at all over the pair of an administrator's request. The gate answers once, and
// the connection takes the next request.
#include "../unit/gate/dialogue_driver.h"
#include "fuzz.h"
#include "gate/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct driver r;
    struct span in = span_of(data, n);
    size_t piece = n ? data[0] + 1u : 1;

    driver_open(&r, &http_admin_protocol, "");
    r.d.host = SPAN("mail.example.org");
    r.d.is_loopback = true;
    driver_send(&r, SPAN("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), 0);
    CHECK(r.d.step == DIALOGUE_WAIT && r.d.pair.is_wanted);
    r.d.pair.is_open = true;
    while (in.n && !r.d.pair.is_spent) {
        CHECK(r.d.step == DIALOGUE_WAIT);
        buf_put(&r.d.pair.in, span_first(in, piece));
        in = span_skip(in, piece);
        dialogue_pair_moved(&r.d);
    }
    if (!r.d.pair.is_spent) {
        dialogue_pair_lost(&r.d);
    }
    CHECK(r.d.step == DIALOGUE_READ && !r.d.pair.is_wanted && r.d.pair.in.n == 0);
    CHECK(span_starts(driver_hear(&r), SPAN("HTTP/1.1 200 OK\r\n")));
    driver_close(&r);
    return 0;
}
