// SPDX-License-Identifier: Apache-2.0
//
// What sessions rest on and that ends by itself: tokens of issuers elsewhere (keep_tokens.h), and
// the time of a device (session_over.h). Looked at on a thread of its own.
#ifndef KEEP_KEEP_PROOFS_H
#define KEEP_KEEP_PROOFS_H

#include "conf/settings.h"
#include "keep/login/keep_tokens.h"

struct keep_proofs_options {
    const struct settings *settings;
    struct store *store;
    struct auth *auth;
    struct keep_sessions *sessions;
    int64_t patience_ms; // until a session that is told to end is dropped
};

struct keep_proofs;
enum err keep_proofs_start(const struct keep_proofs_options *o, struct keep_proofs **out);
// NULL: the settings name no issuer of tokens.
struct keep_tokens *keep_proofs_tokens(const struct keep_proofs *p);
// Ends the thread; sessions may still be there. NULL is allowed.
void keep_proofs_stop(struct keep_proofs *p);
// When they have gone. NULL is allowed.
void keep_proofs_destroy(struct keep_proofs *p);

#endif
