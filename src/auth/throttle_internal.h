// SPDX-License-Identifier: Apache-2.0
//
// What the throttle's files share: its counts and whom it knows.
#ifndef AUTH_THROTTLE_INTERNAL_H
#define AUTH_THROTTLE_INTERNAL_H

#include "auth/throttle.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"

#define THROTTLE_KEY_BYTES    32
#define THROTTLE_SECRET_BYTES 16
#define THROTTLE_SEEN_MAX     16 // wrong passwords that are known again

struct throttle_network {
    unsigned char b[8]; // 3 (IPv4 /24), 4 (IPv4 address), 8 (IPv6 /64); 0: no address
    size_t n;
};

// What is counted together.
struct culprit {
    struct list by_age; // of the last failure
    unsigned char key[THROTTLE_KEY_BYTES];
    enum throttle_kind kind;
    struct throttle_network network;
    int64_t first_ms, last_ms, locked_until_ms, lock_ms;
    unsigned failures; // since first_ms
    unsigned locked_by, times;
    uint64_t seen[THROTTLE_SEEN_MAX];
    size_t name_n;
    char name[];
};

// A name that has been signed in to from a network or an address.
struct known {
    struct list by_age; // of the last sign-in
    unsigned char key[THROTTLE_KEY_BYTES];
};

struct throttle {
    struct lock lock;
    struct throttle_limits limits;
    struct map culprits, known;                       // by key
    struct list by_age[THROTTLE_KINDS], known_by_age; // oldest first
    size_t n[THROTTLE_KINDS];                         // of culprits
    char secret[THROTTLE_SECRET_BYTES];               // of keys and of the marks of passwords
};

// With the lock held.
void throttle_forget(struct throttle *t, struct culprit *c);

#endif
