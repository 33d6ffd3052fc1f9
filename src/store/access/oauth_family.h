// SPDX-License-Identifier: Apache-2.0
//
// Tokens that an app has of our own authorization server (RFC 6749): what came of one authorisation
// is a family, which belongs to a device of the account (device.h) made for it. Only digests are
// kept. A refresh token is good once; when one comes a second time, somebody has copied it, and the
// whole family ends with its device blocked (RFC 9700 section 4.14). Threads and blocking: see
// store.h.
#ifndef STORE_OAUTH_FAMILY_H
#define STORE_OAUTH_FAMILY_H

#include "store/access/device.h"

#define OAUTH_DIGEST_BYTES     32                 // SHA-256
#define OAUTH_ACCESS_MAX       2                  // the newest and the one before
#define OAUTH_CLIENT_BYTES_MAX 64                 // of a client's id
#define OAUTH_FAMILY_MAX       ((1ULL << 48) - 1) // ids
#define OAUTH_GENERATION_MAX   ((uint32_t)INT32_MAX)

struct oauth_access {
    int64_t until;      // seconds since 1970; not good from then on
    struct span digest; // SHA-256 of the token
};

struct oauth_family {
    uint64_t id; // from 1; chosen at random by whoever makes it
    uint32_t device;
    uint32_t generation; // of the refresh token, from 1
    int64_t created;     // seconds since 1970
    int64_t changed;     // the same: when it got its latest tokens, or lost them
    int64_t until;       // the same: the refresh token is not good from then on
    struct span client;  // id
    struct span refresh; // SHA-256 of the refresh token; empty: all tokens were withdrawn
    size_t access_count; // oldest first
    struct oauth_access access[OAUTH_ACCESS_MAX];
};

bool oauth_client_id_is_valid(struct span id);

// Adds a device named after `d->name` ("Thunderbird 2" when it has one of that name) and its
// family, in one commit. Of `d` name, scope, secret, until and networks count, of `f` id, client,
// until, refresh and access. ERR_EXISTS: there is a family of that id; ERR_LIMIT: too many devices;
// ERR_INVALID. *out_device is the device's id.
enum err oauth_family_add(struct store *s, account_id account, const struct actor *by,
                          const struct device *d, const struct oauth_family *f,
                          uint32_t *out_device);

// Spans live in the arena. ERR_NOT_FOUND.
enum err oauth_family_get(struct store *s, account_id account, uint64_t id, struct arena *a,
                          struct oauth_family *out);

struct oauth_rotation {
    uint64_t id;
    uint32_t generation;   // that the refresh token says it is of
    struct span client;    // who brings it
    struct span presented; // SHA-256 of what was brought
    struct span refresh;   // SHA-256 of the next one, of generation + 1
    struct oauth_access access;
    int64_t until; // of the next refresh token; the device goes on as long when it ended with it
};
enum oauth_rotated {
    OAUTH_ROTATED,
    OAUTH_REFUSED, // unknown, over, another client's, or its device is blocked: nothing has changed
    OAUTH_REUSED,  // it was used before: the family has ended, and its device is blocked
};
// The next generation, when the refresh token is the present one. With ERR_OK *out says what became
// of it, and *out_device is the device's id unless it was refused.
enum err oauth_family_rotate(struct store *s, account_id account, const struct actor *by,
                             const struct oauth_rotation *r, enum oauth_rotated *out,
                             uint32_t *out_device);

// Withdraws all of its tokens and blocks its device. ERR_NOT_FOUND.
enum err oauth_family_end(struct store *s, account_id account, const struct actor *by, uint64_t id);

// A row of docs/format/store.md, for the check: spans point into the value. ERR_CORRUPT.
enum err oauth_family_decode(struct span key, struct span value, struct oauth_family *out);

#endif
