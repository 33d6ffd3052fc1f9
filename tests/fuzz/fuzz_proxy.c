// SPDX-License-Identifier: Apache-2.0
//
// PROXY headers: an answer comes once, at one length, and does not depend on what follows.
#include "fuzz.h"
#include "wire/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct proxy_header h;
    size_t bytes = 0, first = 0;
    enum err e = ERR_AGAIN;
    struct span in = span_of(data, n);

    while (first <= n && first < 5000) {
        e = proxy_read(span_first(in, first), &h, &bytes);
        if (e != ERR_AGAIN) {
            break;
        }
        first++;
    }
    enum err whole = proxy_read(in, &h, &bytes);

    if (whole == ERR_OK) {
        CHECK(e == ERR_OK && bytes <= first && bytes <= PROXY_HEADER_BYTES_MAX);
        CHECK(h.version == 1 || h.version == 2);
        CHECK(h.authority.n == 0 || (h.authority.p >= in.p && h.authority.p < in.p + bytes));
    } else {
        CHECK(e == whole);
    }
    return 0;
}
