// SPDX-License-Identifier: Apache-2.0
//
// Takes a report out of what it came in: gzip (RFC 1952), the first file of a zip archive, or
// nothing. Streams: fed in pieces, hands on in pieces, holds some KB. What comes out is bounded, so
// that few bytes never become very many. Names in an archive are passed over: no file is ever made.
// Pure; one thread at a time.
#ifndef REPORT_REPORT_UNPACK_H
#define REPORT_REPORT_UNPACK_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define REPORT_INFLATED_BYTES_MAX (20u << 20)

struct report_unpack;

// Takes what comes out; an error ends the unpacking and is its result.
typedef enum err report_bytes_fn(void *arg, struct span bytes);

// ERR_NOMEM only.
enum err report_unpack_create(report_bytes_fn *fn, void *arg, struct report_unpack **out);
// ERR_INVALID: broken, encrypted, or packed in a way that nobody uses for reports; ERR_LIMIT: more
// than REPORT_INFLATED_BYTES_MAX came out; ERR_NOMEM. What follows the report is passed over.
enum err report_unpack_feed(struct report_unpack *u, struct span bytes);
// ERR_INVALID: it ended too early.
enum err report_unpack_end(struct report_unpack *u);
void report_unpack_destroy(struct report_unpack *u); // NULL is allowed

#endif
