// SPDX-License-Identifier: Apache-2.0
//
// A stranger says anything at all to the gate's HTTP. What comes back is whole responses, as many
// as requests were read, and no more is said behind one that closes the connection.
#include "../unit/gate/dialogue_driver.h"
#include "fuzz.h"
#include "gate/http/http.h"

#define STEPS_MAX 200

// Takes one response off the front; false: it is not whole. HEAD's has no body: `*out_length` says
// how much may follow.
static bool take_head(struct span *rest, uint64_t *out_length, bool *out_closed)
{
    size_t end = span_find(*rest, SPAN("\r\n\r\n"));
    struct span head = span_first(*rest, end);
    size_t at = span_find(head, SPAN("\r\nContent-Length: "));

    if (end == rest->n || !span_starts(head, SPAN("HTTP/1.1 "))) {
        return false;
    }
    *out_length = 0;
    if (at < head.n) {
        struct span line = span_skip(head, at + 18);

        CHECK(span_to_u64(span_first(line, span_find_byte(line, '\r')), 100000, out_length));
    }
    *out_closed = span_find(head, SPAN("\r\nConnection: close")) < head.n;
    *rest = span_skip(*rest, end + 4);
    return true;
}

static void check_said(struct span said)
{
    uint64_t length;
    bool is_closed;

    while (said.n) {
        CHECK(take_head(&said, &length, &is_closed));
        if (said.n && !span_starts(said, SPAN("HTTP/1.1 "))) { // else it answered HEAD
            CHECK(length <= said.n);
            said = span_skip(said, (size_t)length);
        }
        CHECK(!is_closed || said.n == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct driver r;
    struct span in = span_of(data, n);

    driver_open(&r, &http_protocol, "");
    r.d.host = SPAN("mail.example.org");
    for (int i = 0; i < STEPS_MAX && r.d.step != DIALOGUE_CLOSE; i++) {
        if (r.d.step == DIALOGUE_ASK_DOMAIN) {
            dialogue_domain_known(&r.d, (enum dialogue_domain)(r.d.domain.n % 3));
            continue;
        }
        size_t taken = driver_send(&r, in, n % 5);

        CHECK(r.d.step == DIALOGUE_READ || r.d.step == DIALOGUE_CLOSE ||
              r.d.step == DIALOGUE_ASK_DOMAIN);
        in = span_skip(in, taken);
        if (taken == 0) {
            break;
        }
    }
    check_said(driver_hear(&r));
    driver_close(&r);
    return 0;
}
