// SPDX-License-Identifier: Apache-2.0
//
// Slows guessers down (docs/decisions/0008-lock-out.md). Different wrong passwords are counted
//
//   for one name from one network (an IPv4 /24, an IPv6 /64): so many, and nobody is let in to it
//     from there for a while, twice as long each time;
//   for one network over all names: a larger number, then nobody is let in from there whose name
//     has not been signed in to from there before;
//   for one name over all networks: when several guess, a network from which nobody has signed in
//     to it gets very few tries. A right password is never refused for it.
//
// A name that has been signed in to from an address has a count of its own there, and a larger one,
// so that its neighbours' guessing does not keep it out. The same wrong password counts once, so
// that a phone that keeps trying an old one locks nobody out. Names that do not exist are treated
// alike. Kept in memory, bounded. Any thread; does not block.
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "net/network.h"

#define THROTTLE_LOCK_MAX_MS  (24 * 3600 * 1000)
#define THROTTLE_NAMES_MAX    50000 // counts of each kind remembered; the oldest go first
#define THROTTLE_KNOWN_MAX    50000 // names and where they have been signed in from; the same
#define THROTTLE_KNOWN_FACTOR 10    // how many times more an address that is known may fail
#define THROTTLE_WATCHED_MAX  2     // what a strange network may fail for a name that is guessed at
#define THROTTLE_TRUSTED      2     // lists of networks

struct throttle_limits {
    unsigned failures_max; // of one name from one network, at least 1
    unsigned network_max;  // of one network, at least 1
    int64_t time_ms;       // failures further apart do not add up; also how long the first lock is
    struct network_list trusted[THROTTLE_TRUSTED]; // never locked out, and not counted
};

struct throttle;
enum err throttle_create(const struct throttle_limits *limits, struct throttle **out);
void throttle_destroy(struct throttle *t); // NULL is allowed
void throttle_set_limits(struct throttle *t, const struct throttle_limits *limits);

// `name` is canonical, `remote` the text of an address, `now_ms` is of clock_monotonic_ms.
// Milliseconds until it may be tried again; 0: now.
int64_t throttle_wait(struct throttle *t, struct span name, struct span remote, int64_t now_ms);
// A password was wrong. True when this one has locked the name out there, or the network.
bool throttle_failed(struct throttle *t, struct span name, struct span remote, struct span password,
                     int64_t now_ms);
// A password was right: what was wrong before for this name from there is forgotten, and the
// address and its network are known for the name from now on.
void throttle_passed(struct throttle *t, struct span name, struct span remote);

// Who goes first when many wait.
enum throttle_rank {
    THROTTLE_KNOWN,   // the name has been signed in to from this network
    THROTTLE_CLEAN,   // nobody has failed there lately
    THROTTLE_SUSPECT, // somebody has, or the name is guessed at from many networks
    THROTTLE_RANKS
};
enum throttle_rank throttle_rank(struct throttle *t, struct span name, struct span remote,
                                 int64_t now_ms);

// ---- what is locked -----------------------------------------------------------------------------

enum throttle_kind {
    THROTTLE_PAIR,    // one name from one network or address
    THROTTLE_NETWORK, // a network, for all names not known there
    THROTTLE_NAME,    // a name, for all networks not known for it: few tries, no lock
    THROTTLE_KINDS
};

struct throttle_ban {
    enum throttle_kind kind;
    struct span name;    // empty: THROTTLE_NETWORK
    struct span network; // "192.0.2.0/24", "2001:db8::/64" or an IPv4 address; empty: THROTTLE_NAME
    int64_t left_ms;     // until it ends
    int64_t length_ms;   // of the whole
    unsigned failures;   // that led to it
    unsigned times;      // how often in a row
};

// All that hold at `now_ms`, the texts in the arena too, in no order. ERR_NOMEM.
enum err throttle_bans(struct throttle *t, int64_t now_ms, struct arena *a,
                       struct throttle_ban **out, size_t *out_n);
// Forgets bans and what was counted: of this name, of this network (text of an address, with or
// without "/bits", which is not looked at), of both; both empty: all. Returns how many bans ended.
unsigned throttle_lift(struct throttle *t, struct span name, struct span network, int64_t now_ms);

#endif
