// SPDX-License-Identifier: Apache-2.0
//
// The body of a request as it comes in, in pieces of any size: by its length, or in chunks (RFC
// 9112 section 7.1). Chunk extensions and trailers are held to limits and dropped. Pure; any
// thread, one body on one at a time.
#ifndef WIRE_HTTP_HTTP_BODY_H
#define WIRE_HTTP_HTTP_BODY_H

#include "wire/http/http_request.h"

#define HTTP_CHUNK_LINE_BYTES_MAX 256  // size, extensions, CR LF
#define HTTP_CHUNK_EXTRA_MAX      4096 // bytes of all extensions of one body
#define HTTP_TRAILER_BYTES_MAX    8192

enum http_body_step {
    HTTP_BODY_SIZE,  // at the line of a chunk
    HTTP_BODY_DATA,  // within a chunk, or the body
    HTTP_BODY_BREAK, // at the CR LF behind a chunk
    HTTP_BODY_TRAILER,
    HTTP_BODY_DONE,
};

struct http_body { // private
    enum http_body_step step;
    bool is_chunked;
    uint64_t left;         // of the chunk or the body
    size_t scanned;        // of a line that is not whole yet
    size_t extra, trailer; // bytes so far
};

void http_body_init(struct http_body *b, const struct http_request *r);

// Takes what can be taken off the front of `input`. ERR_OK: *out_data (perhaps empty) is the next
// piece of the body, and lies in the input. ERR_EOF: that was the end; nothing is taken any more.
// ERR_AGAIN: more input is needed. ERR_INVALID: the grammar or a limit was broken, answer 400 and
// close. *out_bytes are to be dropped, with ERR_OK only; each call makes at least one step.
enum err http_body_next(struct http_body *b, struct span input, struct span *out_data,
                        size_t *out_bytes);

#endif
