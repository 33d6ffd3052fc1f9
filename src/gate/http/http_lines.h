// SPDX-License-Identifier: Apache-2.0
//
// JSON lines that strangers send with a request, as records for keep (admin/admin_record.h): each
// line is an object, {"data":"<base64>"} is bytes of what the last one announced. Pure; one thread
// at a time.
#ifndef GATE_HTTP_HTTP_LINES_H
#define GATE_HTTP_HTTP_LINES_H

#include "base/buf.h"
#include "base/err.h"
#include "gate/http/http_json.h"

#define HTTP_LINE_MAX (128u << 10) // its end not counted

struct http_lines {
    struct buf line; // what has come of one
    uint64_t items;  // that were taken
};

void http_lines_init(struct http_lines *l);
void http_lines_finish(struct http_lines *l); // also of a struct of zeros

// Takes one line off the front of `input`, or what there is of one: *out_bytes are to be dropped.
// ERR_OK: a line was whole, and is a frame in `out` (unless it was empty, or data and not wanted).
// ERR_AGAIN: more input is needed. ERR_INVALID, ERR_LIMIT: `why` says what is wrong with it.
enum err http_lines_take(struct http_lines *l, struct span input, bool wants_data,
                         size_t *out_bytes, struct buf *out, char why[HTTP_JSON_WHY_MAX]);
// The same for what stands behind the last line end.
enum err http_lines_end(struct http_lines *l, bool wants_data, struct buf *out,
                        char why[HTTP_JSON_WHY_MAX]);
// A record of bytes as a frame.
enum err http_lines_put_data(struct buf *out, struct span bytes);

#endif
