// SPDX-License-Identifier: Apache-2.0
//
// Figures for whoever watches the server: counted with atomics where things happen, written in the
// text format of Prometheus (exposition format 0.0.4: HELP and TYPE, then a line for each sample).
// Adding is for any thread and never blocks; writing too, and shows each figure as it is at that
// moment.
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE };

// One label and the values it can have; the texts are static and need no escapes.
struct metrics_label {
    const char *name;
    const char *const *words;
    size_t count;
};

// A family of samples: one for each pair of words of its labels. Static; `values` has room for all.
struct metrics_family {
    const char *name, *help; // "mailkeep_gate_connections"; help: a sentence, one line
    enum metrics_type type;
    struct metrics_label a, b; // name NULL: not there
    _Atomic int64_t *values;
};

// `a`, `b`: places among the words, 0 where there is no label. What is out of range is not counted.
void metrics_add(const struct metrics_family *f, size_t a, size_t b, int64_t by);
// Appends the family.
void metrics_put(struct buf *out, const struct metrics_family *f);

// The same for figures that are not counted here. `label` may be NULL; the text of its value is
// escaped.
void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help);
void metrics_put_sample(struct buf *out, const char *name, const char *label, const char *word,
                        uint64_t value);
// Head and the only sample.
void metrics_put_one(struct buf *out, const char *name, enum metrics_type type, const char *help,
                     uint64_t value);

// How long something takes: buckets from 100 us to 10 s.
#define METRICS_BUCKETS 11
struct metrics_times {
    _Atomic uint64_t counts[METRICS_BUCKETS + 1]; // the last: longer than all of them
    _Atomic uint64_t sum_us;
};
void metrics_time(struct metrics_times *t, int64_t us);
void metrics_put_times(struct buf *out, const char *name, const char *help,
                       struct metrics_times *t);

#endif
