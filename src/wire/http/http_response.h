// SPDX-License-Identifier: Apache-2.0
//
// An HTTP/1.1 response (RFC 9112 sections 4 and 6), its length known. Pure; any thread.
#ifndef WIRE_HTTP_HTTP_RESPONSE_H
#define WIRE_HTTP_HTTP_RESPONSE_H

#include "base/buf.h"
#include "wire/http/http_request.h"

struct http_response {
    unsigned status;
    struct span type; // Content-Type; empty: none
    struct span body;
    const struct http_field *fields; // more of them; values are ours and hold no line end
    size_t field_n;
    int64_t now_s;  // since 1970, for Date
    bool is_head;   // to HEAD: the length of the body, and no body
    bool is_closed; // the connection ends with it
    // The body comes later: in chunks, or until the connection ends. `body` is not looked at.
    bool has_later_body, is_chunked;
};

// Appends it whole, or marks `out` failed.
void http_response_put(struct buf *out, const struct http_response *r);

// "Not Found"; "" for a status that is not known here.
const char *http_status_text(unsigned status);

// The value of an Allow field (RFC 9110 section 10.2.1): "GET, HEAD, POST". `methods` are bits
// 1 << enum http_method; HEAD comes with GET.
void http_allow_put(struct buf *out, unsigned methods);

// IMF-fixdate of RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
void http_date_put(struct buf *out, int64_t seconds);

#endif
