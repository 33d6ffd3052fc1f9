// SPDX-License-Identifier: Apache-2.0
//
// Codes that have been given away and wait to be exchanged for tokens: authorization codes (a
// minute) and device codes (ten). Kept in memory, bounded, by the SHA-256 of the code: who restarts
// the server in between lets an app ask again. Any thread; does not block.
#ifndef KEEP_OAUTH_PENDING_H
#define KEEP_OAUTH_PENDING_H

#include "auth/grant.h"
#include "auth/oauth/oauth_rules.h"
#include "auth/oauth/oauth_token.h"
#include "store/access/oauth_client.h"

#define OAUTH_CODE_MS           60000
#define OAUTH_DEVICE_CODE_MS    600000
#define OAUTH_POLL_MS           5000 // what an app waits before it asks again
#define OAUTH_PENDING_MAX       5000
#define OAUTH_PENDING_PER_PLACE 20 // device codes that one address may have waiting

enum oauth_pending_state {
    OAUTH_WAITING, // a device code of which nobody has decided
    OAUTH_ALLOWED,
    OAUTH_DENIED,
    OAUTH_TAKEN, // it has been exchanged: kept to know it again
};

// What a code stands for.
struct oauth_pending_item {
    bool is_device;
    enum oauth_pending_state state;
    char client[OAUTH_CLIENT_BYTES_MAX + 1];
    char redirect[OAUTH_REDIRECT_BYTES_MAX + 1]; // of an authorization code
    char challenge[OAUTH_CHALLENGE_BYTES + 1];   // the same
    char remote[64];                             // who asked for a device code
    char user_code[OAUTH_USER_CODE_CHARS];       // of a device code
    unsigned scope;
    struct auth_grant grant; // when it is allowed
    uint64_t family;         // when it is taken; 0: no tokens came of it
};

struct oauth_pending;
enum err oauth_pending_create(struct oauth_pending **out);
void oauth_pending_destroy(struct oauth_pending *p); // NULL is allowed

// Keeps it under a code's digest. ERR_LIMIT: too many wait, from that address or at all;
// ERR_EXISTS: the user code is another's; ERR_NOMEM.
enum err oauth_pending_add(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                           const struct oauth_pending_item *item);
// Takes an authorization code for good, whatever comes of it. ERR_NOT_FOUND: unknown or over;
// ERR_EXISTS: it was taken before, and `out` says by what family.
enum err oauth_pending_take(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                            struct oauth_pending_item *out);
// The same for a device code of this client, which may be asked about often. ERR_AGAIN: nobody has
// decided; ERR_LIMIT: the same, and it is asked too often; ERR_DENIED: the person said no.
enum err oauth_pending_poll(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                            struct span client, struct oauth_pending_item *out);
// Notes what came of a code that was taken. True: it has come a second time meanwhile.
bool oauth_pending_came_of(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                           uint64_t family);

// A device code by what the person types. ERR_NOT_FOUND: unknown, over or decided.
enum err oauth_pending_find(struct oauth_pending *p, const char code[OAUTH_USER_CODE_CHARS],
                            struct oauth_pending_item *out);
// The person has decided; `grant` NULL: no. The scope may have become less. ERR_NOT_FOUND.
enum err oauth_pending_decide(struct oauth_pending *p, const char code[OAUTH_USER_CODE_CHARS],
                              const struct auth_grant *grant, unsigned scope);

#endif
