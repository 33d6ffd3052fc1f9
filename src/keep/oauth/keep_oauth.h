// SPDX-License-Identifier: Apache-2.0
//
// Our own authorization server (RFC 6749, 7009, 7636, 8628): what is decided. The gate reads
// requests and writes pages; each of its questions is one conversation of the control protocol over
// an API pair, the command "oauth" with the fields of a form, answered by fields in the same
// notation (docs/protocol/oauth.md). Run on threads of its own, where it may block on hashes and on
// the disk.
#ifndef KEEP_OAUTH_H
#define KEEP_OAUTH_H

#include "auth/auth.h"
#include "keep/login/session.h"
#include "keep/login/signin_log.h"

struct keep_oauth_options {
    struct store *store;
    struct auth *auth;
    struct signin_log *signins; // NULL: none
    // Ends the sessions of a device, or of the account's own password (0); of one that is blocked
    // what it has sent is held, too. NULL: there are none.
    void (*end_sessions)(void *arg, account_id account, uint32_t device, enum session_end why);
    void *arg;
};

struct keep_oauth;
enum err keep_oauth_create(const struct keep_oauth_options *o, struct keep_oauth **out);
// Ends what runs and waits for it. NULL is allowed.
void keep_oauth_destroy(struct keep_oauth *k);
// How long tokens given away from now on are good. Any thread.
void keep_oauth_set_lives(struct keep_oauth *k, int64_t access_s, int64_t refresh_s);
// Serves one conversation; the descriptor is taken over. The loop's thread.
void keep_oauth_take(struct keep_oauth *k, int fd);

#endif
