// SPDX-License-Identifier: Apache-2.0
//
// Every key and value of the trail, as bytes and as structs (docs/format/trail.md). Pure; any
// thread. Only trail/ includes this.
#ifndef TRAIL_TRAIL_SCHEMA_INTERNAL_H
#define TRAIL_TRAIL_SCHEMA_INTERNAL_H

#include "base/pack.h"
#include "trail/trail.h"

#define TRAIL_SCHEMA_VERSION 1
#define TRAIL_KEY_EVENT      'e'
#define TRAIL_KEY_INDEX      'i'
// Of reports (report/), whose numbers are the trail's, too.
#define TRAIL_KEY_REPORT 'R'
#define TRAIL_KEY_LETTER 'P'
#define TRAIL_HASHES_MAX (TRAIL_RECIPIENTS_MAX + 4)

struct trail_key {
    size_t n;
    char p[24];
};
static inline struct span trail_key_span(const struct trail_key *k)
{
    return span_of(k->p, k->n);
}
struct trail_key trail_key_event(trail_id mail, trail_id event);
struct trail_key trail_key_index(uint32_t day, uint64_t hash, trail_id mail);
bool trail_key_read_event(struct span key, trail_id *out_mail, trail_id *out_event);
bool trail_key_read_index(struct span key, uint32_t *out_day, uint64_t *out_hash,
                          trail_id *out_mail);
uint32_t trail_day(trail_id mail);

uint64_t trail_hash(enum trail_by by, struct span text);
// What an event is found by, each once.
size_t trail_hashes(const struct trail_event *e, uint64_t out[TRAIL_HASHES_MAX]);

// Bytes of the value at most.
size_t trail_event_bound(const struct trail_event *e);
// At most TRAIL_RECIPIENTS_MAX recipients. `room` has trail_event_bound bytes.
struct span trail_event_encode(const struct trail_event *e, char *room);
// Spans point into the value, `recipients` to `out`.
enum err trail_event_decode(struct span value, struct trail_found *out);

#endif
