// SPDX-License-Identifier: Apache-2.0
//
// Apps that may ask our own authorization server for tokens (RFC 6749 section 2): a built-in list,
// and what administrators add (rows `O` of account 0). All are public clients: an app that people
// install keeps no secret (RFC 8252 section 8.5). Threads and blocking: see store.h.
#ifndef STORE_OAUTH_CLIENT_H
#define STORE_OAUTH_CLIENT_H

#include "store/access/oauth_family.h"

#define OAUTH_CLIENTS_MAX        200
#define OAUTH_CLIENT_NAME_MAX    48 // bytes, so that a device can be named after it
#define OAUTH_REDIRECTS_MAX      16
#define OAUTH_REDIRECT_BYTES_MAX 512

struct oauth_client {
    struct span id, name; // the name is what people are shown
    bool is_builtin;
    int64_t created;       // seconds since 1970; 0 of a built-in one
    size_t redirect_count; // none: it has no browser to come back from (RFC 8628)
    const struct span *redirects;
};

// The built-in ones, from 0; NULL: no more.
const struct oauth_client *oauth_client_builtin(size_t i);

// An address to come back to that may be registered (RFC 8252 section 7): https, a loopback address
// by http, or a private-use scheme with a dot; no fragment, no wildcard.
bool oauth_redirect_is_valid(struct span uri);
// http to this machine: any port is right (RFC 8252 section 7.3).
bool oauth_redirect_is_loopback(struct span uri);
// Is what an app asks for the registered one?
bool oauth_redirect_matches(struct span registered, struct span asked);
bool oauth_client_has_redirect(const struct oauth_client *c, struct span asked);

// ERR_EXISTS, ERR_LIMIT, ERR_INVALID (id, name or an address).
enum err oauth_client_add(struct store *s, const struct actor *by, const struct oauth_client *c);
// ERR_NOT_FOUND; ERR_DENIED: it is built in. Access tokens it has stay good until they end, and it
// gets no others.
enum err oauth_client_remove(struct store *s, const struct actor *by, struct span id);
// Spans live in the arena. ERR_NOT_FOUND.
enum err oauth_client_get(struct store *s, struct span id, struct arena *a,
                          struct oauth_client *out);
typedef bool oauth_client_fn(void *arg, const struct oauth_client *c); // false: stop
// The built-in ones first, then by id.
enum err oauth_client_list(struct store *s, oauth_client_fn *fn, void *arg);

// A row of docs/format/store.md, for the check: spans point into key and value, `redirects` has
// room for OAUTH_REDIRECTS_MAX. ERR_CORRUPT.
enum err oauth_client_decode(struct span key, struct span value, struct span *redirects,
                             struct oauth_client *out);

#endif
