// SPDX-License-Identifier: Apache-2.0
//
// Every key and value of reports, as bytes and as structs (docs/format/reports.md). Pure; any
// thread. Only report/ includes this.
#ifndef REPORT_REPORT_SCHEMA_INTERNAL_H
#define REPORT_REPORT_SCHEMA_INTERNAL_H

#include "base/pack.h"
#include "report/report_session.h"

#define REPORT_SCHEMA_VERSION  1
#define REPORT_KEY_LETTER      'P'
#define REPORT_KEY_REPORT      'R'
#define REPORT_KEY_ROW         'W'
#define REPORT_KEY_KNOWN       'X'
#define REPORT_KEY_SEEN        'O'
#define REPORT_KEY_SENT        'S'
#define REPORT_VALUE_BYTES_MAX (REPORT_TEXTS * (REPORT_TEXT_BYTES_MAX + 8) + 128)

struct report_key {
    size_t n;
    char p[16];
};
static inline struct span report_key_span(const struct report_key *k)
{
    return span_of(k->p, k->n);
}
// A letter, a report, or what is known by a hash.
struct report_key report_key_of(char kind, uint64_t number);
struct report_key report_key_row(uint64_t number, uint32_t row);
bool report_key_read(struct span key, char kind, uint64_t *out_number);
bool report_key_read_row(struct span key, uint64_t *out_number, uint32_t *out_row);

// By what a report is known that comes again.
uint64_t report_hash(const struct report *r);

// `room` has REPORT_VALUE_BYTES_MAX bytes. Texts of a letter are cut to REPORT_TEXT_BYTES_MAX.
struct span report_letter_encode(const struct report_letter *l, char *room);
struct span report_encode(const struct report *r, char *room);
struct span report_row_encode(const struct report_row *w, char *room);
struct span report_known_encode(uint64_t number, char *room);
// Spans point into the value. ERR_CORRUPT; ERR_UNSUPPORTED: written by a newer version.
enum err report_letter_decode(struct span value, struct report_letter *out);
enum err report_decode(struct span value, struct report *out);
enum err report_row_decode(struct span value, struct report_row *out);
enum err report_known_decode(struct span value, uint64_t *out);

// ---- what others are owed (report_seen.h has report_seen_row) -----------------------------------

struct report_day_key {
    size_t n;
    char p[6 + REPORT_DOMAIN_BYTES_MAX + 1 + 8];
};
// SEEN or SENT. With a domain it ends in the zero byte behind it, without one in the day.
struct report_day_key report_day_key_of(char letter, enum report_kind kind, uint32_t day,
                                        struct span domain);
bool report_seen_key_read(struct span key, enum report_kind *out_kind, uint32_t *out_day,
                          struct span *out_domain, uint64_t *out_number);
bool report_sent_key_read(struct span key);
// `domain` is not in it.
enum err report_seen_decode(struct span value, struct report_seen *out);
struct span report_sent_encode(int64_t when_ms, uint64_t messages, uint64_t mail, char *room);
enum err report_sent_decode(struct span value, uint64_t *out_messages);
enum err report_session_decode(struct span value, struct report_session *out);
// The observations of a day's domain (report_seen.c).
enum err report_day_scan(struct snapshot *s, const struct report_owed *o, struct scan **out);

#endif
