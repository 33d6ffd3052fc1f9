// SPDX-License-Identifier: Apache-2.0
//
// Locks guessers out: after so many wrong passwords for one name from one network (an IPv4 /24, an
// IPv6 /64) nobody is let in there for a while, twice as long each time. The same wrong password
// counts once, so that a phone that keeps trying an old one locks nobody out. Names that do not
// exist are treated alike. Kept in memory, bounded. Any thread; does not block.
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define THROTTLE_LOCK_MAX_MS (24 * 3600 * 1000)
#define THROTTLE_NAMES_MAX   50000 // pairs of name and network remembered; the oldest go first

struct throttle_limits {
    unsigned failures_max; // at least 1
    int64_t time_ms;       // failures further apart do not add up; also how long the first lock is
};

struct throttle;
enum err throttle_create(const struct throttle_limits *limits, struct throttle **out);
void throttle_destroy(struct throttle *t); // NULL is allowed
void throttle_set_limits(struct throttle *t, const struct throttle_limits *limits);

// `name` is canonical, `remote` the text of an address, `now_ms` is of clock_monotonic_ms.
// Milliseconds until it may be tried again; 0: now.
int64_t throttle_wait(struct throttle *t, struct span name, struct span remote, int64_t now_ms);
// A password was wrong. True when this one has locked it.
bool throttle_failed(struct throttle *t, struct span name, struct span remote, struct span password,
                     int64_t now_ms);
// A password was right: what was wrong before is forgotten.
void throttle_passed(struct throttle *t, struct span name, struct span remote);

#endif
