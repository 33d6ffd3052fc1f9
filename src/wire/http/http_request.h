// SPDX-License-Identifier: Apache-2.0
//
// The head of an HTTP/1.1 request (RFC 9112 sections 2 to 6): found in what a client has sent, held
// to its limits while it comes in, and read into a struct. Strict, because two readers that differ
// about where a request ends can be played against each other: what RFC 9112 lets a server bear (a
// LF alone, a folded line, blanks before a colon, two lengths) is refused here. How the bytes come
// in never changes the answer. Pure; any thread, one reader on one at a time.
#ifndef WIRE_HTTP_HTTP_REQUEST_H
#define WIRE_HTTP_HTTP_REQUEST_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

#define HTTP_LINE_BYTES_MAX 8192  // the request line, CR LF counted
#define HTTP_HEAD_BYTES_MAX 65536 // all of a head, the empty line counted
#define HTTP_FIELDS_MAX     100

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_METHOD_OTHER, // a method all the same; see http_request.method_text
};

struct http_field {
    struct span name, value; // as sent, without blanks around the value
};

enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH,  // http_request.length bytes follow
    HTTP_CHUNKED, // wire/http/http_body.h
};

// All spans point into the input, so they last as long as it does.
struct http_request {
    enum http_method method;
    struct span method_text;
    unsigned minor; // of HTTP/1.minor: 0 or 1
    // The path as sent, beginning with "/" (or "*" for OPTIONS), and what follows "?"; `has_query`
    // tells an empty one from none.
    struct span path, query;
    bool has_query;
    // Of an absolute target, else of the Host field: without port, without the dot at its end,
    // empty with HTTP/1.0 only. Letters may be in either case.
    struct span host;
    enum http_framing framing;
    uint64_t length;
    bool keeps_alive;      // the client will send more over this connection
    bool expects_continue; // it waits for 100 before it sends the body
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t field_n;
};

// Finds the end of a head while it comes in. Starts as a struct of zeros, for each request.
struct http_scan {
    size_t at, line; // bytes that were looked at; where the line that is begun starts
    unsigned lines;  // that have ended
    bool skipped;    // an empty line before the request
};

// `input`: everything that was not dropped yet, so the same bytes and more at each call; no byte is
// looked at twice. ERR_AGAIN: not whole yet. ERR_OK: *out_head is the head with its empty line and
// *out_bytes what is to be dropped for it. Otherwise *out_status is the answer that ends the
// connection: 400, 414 or 431 (ERR_INVALID).
enum err http_scan_head(struct http_scan *s, struct span input, struct span *out_head,
                        size_t *out_bytes, unsigned *out_status);

// Reads a head that http_scan_head gave. ERR_INVALID: it breaks the grammar or asks for what no
// request may; *out_status is the answer that ends the connection: 400, 417, 431, 501 or 505.
enum err http_parse_head(struct span head, struct http_request *out, unsigned *out_status);

// The value of the first field of that name (case is ignored); p is NULL when there is none.
struct span http_field_of(const struct http_request *r, struct span name);

// The path with its %-escapes undone, in the arena. ERR_INVALID for what has no place in a path
// here: a broken escape, an escaped "/", NUL or other control, a segment "." or ".." in whatever
// spelling. ERR_NOMEM.
enum err http_path_decode(struct span path, struct arena *a, struct span *out);

// The value of `name` in a query ("a=1&b=2"), escapes and "+" undone, in the arena. ERR_NOT_FOUND;
// ERR_INVALID: a broken escape or a NUL; ERR_NOMEM.
enum err http_query_value(struct span query, struct span name, struct arena *a, struct span *out);

// tchar of RFC 9110 section 5.6.2: what tokens, methods and names of fields are made of.
bool http_is_token(struct span s);
// What may stand in a field's value (RFC 9110 section 5.5): no control but the tab.
bool http_is_field_value(struct span s);
// Reads "name: value" without its line end. ERR_INVALID.
enum err http_parse_field(struct span line, struct http_field *out);

#endif
