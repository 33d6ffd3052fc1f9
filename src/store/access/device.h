// SPDX-License-Identifier: Apache-2.0
//
// Devices: credentials with a name, of an account beside its own password. Each has an app password
// that is made by Mailkeep and of which only digests are kept, and says what it is good for. Its id
// stands in the change log with whatever is done with it. Threads and blocking: see store.h.
#ifndef STORE_DEVICE_H
#define STORE_DEVICE_H

#include "store/store.h"

#define DEVICES_MAX              100 // of an account
#define DEVICE_NAME_BYTES_MAX    64  // UTF-8, no controls
#define DEVICE_NETWORKS_MAX      16
#define DEVICE_NETWORK_BYTES_MAX 64
#define DEVICE_DIGEST_BYTES      32 // SHA-256

enum device_state { DEVICE_ACTIVE = 1, DEVICE_BLOCKED };

// What a device may be used for.
enum device_scope {
    DEVICE_IMAP = 1,
    DEVICE_SUBMISSION = 2,
    DEVICE_POP3 = 4,
    DEVICE_SIEVE = 8,
    DEVICE_JMAP = 16,
    DEVICE_WEB = 32,
    DEVICE_MAIL = DEVICE_IMAP | DEVICE_SUBMISSION | DEVICE_POP3 | DEVICE_SIEVE | DEVICE_JMAP,
    DEVICE_READ_ONLY = 256, // changes nothing, sends nothing
    DEVICE_SCOPES = DEVICE_MAIL | DEVICE_WEB | DEVICE_READ_ONLY,
};

struct device {
    uint32_t id; // from 1; never used twice in an account
    enum device_state state;
    unsigned scope;         // enum device_scope
    int64_t created;        // seconds since 1970
    int64_t until;          // not good from then on; 0: no end
    int64_t blocked;        // since when, while it is; else 0
    struct span name;       // unique in the account
    struct span secret;     // SHA-256 of the app password
    struct span scram_keys; // StoredKey and ServerKey (RFC 5802) under the account's salt; or empty
    size_t network_count;   // 0: it may come from anywhere
    const struct span *networks; // "192.0.2.0/24", "2001:db8::/32"
};

// Adds one (all but id, state, created, blocked); `*out_id` is its id. ERR_EXISTS: the name is
// taken; ERR_LIMIT: too many; ERR_INVALID: the name, the scope or a network is none.
enum err device_add(struct store *s, account_id account, const struct actor *by,
                    const struct device *d, uint32_t *out_id);
// Spans live in the arena. ERR_NOT_FOUND.
enum err device_get(struct store *s, account_id account, uint32_t id, struct arena *a,
                    struct device *out);
enum err device_by_name(struct store *s, account_id account, struct span name, struct arena *a,
                        struct device *out);
typedef bool device_fn(void *arg, const struct device *d); // false: stop
// In order of id, under one snapshot.
enum err device_list(struct store *s, account_id account, device_fn *fn, void *arg);
// Blocks it or lets it in again. ERR_NOT_FOUND.
enum err device_set_state(struct store *s, account_id account, const struct actor *by, uint32_t id,
                          enum device_state state);
// Name, scope, time and networks of `d` for the device of its id. ERR_NOT_FOUND, ERR_EXISTS,
// ERR_INVALID.
enum err device_change(struct store *s, account_id account, const struct actor *by,
                       const struct device *d);
// Forgets its credential; the history keeps what it did. ERR_NOT_FOUND.
enum err device_remove(struct store *s, account_id account, const struct actor *by, uint32_t id);

// A row of docs/format/store.md, for the check: spans point into the value, `networks` has room for
// DEVICE_NETWORKS_MAX. ERR_CORRUPT.
enum err device_decode(struct span key, struct span value, struct span *networks,
                       struct device *out);

bool device_name_is_valid(struct span name);
// Is that what networks of a device look like?
bool device_network_is_valid(struct span network);

#endif
