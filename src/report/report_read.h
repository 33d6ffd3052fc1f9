// SPDX-License-Identifier: Apache-2.0
//
// Reads the two kinds of aggregate reports, which strangers write. What is not known is passed
// over, what is too long is cut; text becomes UTF-8 without control characters and is nothing but
// text. Pure; one thread at a time.
#ifndef REPORT_REPORT_READ_H
#define REPORT_REPORT_READ_H

#include "base/arena.h"
#include "report/report_fields.h"

#define REPORT_DEPTH_MAX      32          // elements within each other
#define REPORT_JSON_BYTES_MAX (4u << 20)  // is held in memory, unlike XML
#define REPORT_TEXTS_MAX      (64u << 10) // bytes of a report's own texts together

// ---- DMARC: XML (RFC 7489 appendix C) -----------------------------------------------------------

struct dmarc_reader;

// ERR_NOMEM only. The sink is copied.
enum err dmarc_reader_create(const struct report_sink *sink, struct dmarc_reader **out);
// ERR_INVALID: no XML, or with a document type (so there are no entities of its own); ERR_LIMIT:
// deeper than REPORT_DEPTH_MAX; ERR_NOMEM; the sink's errors. It ends with the first error.
enum err dmarc_reader_feed(struct dmarc_reader *r, struct span bytes);
// The end: fills kind, times, counts and texts, which live in the arena; `rows` is how many the
// sink was given. ERR_INVALID: not whole, or no report; ERR_NOMEM.
enum err dmarc_reader_end(struct dmarc_reader *r, struct arena *a, struct report *out);
void dmarc_reader_destroy(struct dmarc_reader *r); // NULL is allowed

// ---- TLS: JSON (RFC 8460 section 4) -------------------------------------------------------------

// As dmarc_reader_end, all at once; at most REPORT_JSON_BYTES_MAX.
enum err tls_report_read(struct span json, const struct report_sink *sink, struct arena *a,
                         struct report *out);

// ---- both ---------------------------------------------------------------------------------------

// Copies at most `cap` bytes of `text` to `room` as the texts of a report are: without blanks at
// the ends, control characters as blanks, whole characters; what is no UTF-8 becomes '?'. The
// bytes.
size_t report_clean(struct span text, char *room, size_t cap);

#endif
