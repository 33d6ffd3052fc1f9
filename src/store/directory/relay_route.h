// SPDX-License-Identifier: Apache-2.0
//
// By which way mail leaves for other servers, where that is not simply the way the DNS says (MX):
// through a host that takes it (a smart host), or not at all. By where it goes or by who sends it.
// Kept in account 0. Threads and blocking: see store.h.
#ifndef STORE_DIRECTORY_RELAY_ROUTE_H
#define STORE_DIRECTORY_RELAY_ROUTE_H

#include "store/store.h"

#define RELAY_ROUTES_MAX           10000
#define RELAY_PATTERN_BYTES_MAX    254
#define RELAY_HOST_BYTES_MAX       253
#define RELAY_CREDENTIAL_BYTES_MAX 1024 // user; password
#define RELAY_WORDS_BYTES_MAX      200

enum relay_route_kind {
    RELAY_BY_HOST = 1,
    RELAY_BY_MX,  // as the DNS says, whatever a more general route wants
    RELAY_REFUSE, // `words` say why
};
enum relay_route_tls { // the numbers of enum ipc_relay_tls
    RELAY_ROUTE_OPPORTUNISTIC = 0,
    RELAY_ROUTE_REQUIRED = 1, // STARTTLS, certificate checked
    RELAY_ROUTE_IMPLICIT = 2, // TLS from the first byte, certificate checked
};

struct relay_route {
    // For whom, lower case: "example.net" a destination, ".example.net" all below one, "*" all;
    // "anna@example.org" a sender, "@example.org" all senders of a domain.
    struct span pattern;
    enum relay_route_kind kind;
    enum relay_route_tls tls;
    uint16_t port;        // 0: the usual one
    struct span host;     // a name or an address
    struct span user;     // empty: nobody signs in
    struct span password; // a secret: only from relay_route_find
    bool has_password;
    struct span words;
    int64_t changed; // seconds since 1970; set by relay_route_set
};

// Folds and checks a pattern; in the arena. ERR_INVALID with a reason.
enum err relay_pattern_check(struct arena *a, struct span pattern, struct span *out,
                             const char **out_reason);
// Sets or replaces the route of its pattern. ERR_LIMIT: too many, or a text is too long;
// ERR_INVALID.
enum err relay_route_set(struct store *s, const struct actor *by, const struct relay_route *route);
enum err relay_route_remove(struct store *s, const struct actor *by, struct span pattern);
// False: stop.
typedef bool relay_route_fn(void *arg, const struct relay_route *route);
// In order of the pattern, without passwords.
enum err relay_route_list(struct store *s, relay_route_fn *fn, void *arg);

// The route for a message; in the arena, wipe the password after use. The first of: the
// destination, the nearest domain above it, the sender, the account's address, the sender's domain,
// the account's domain, "*". `sender` (the path) may be empty, `account` 0. ERR_NOT_FOUND: none
// fits.
enum err relay_route_find(struct store *s, struct span destination, struct span sender,
                          account_id account, struct arena *a, struct relay_route *out);

#endif
