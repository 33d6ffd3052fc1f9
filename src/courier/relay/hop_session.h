// SPDX-License-Identifier: Apache-2.0
//
// From an address to a conversation in which MAIL can be said: greeting, EHLO, TLS as the policy
// wants, AUTH. Blocks (in a worker thread).
#ifndef COURIER_RELAY_HOP_SESSION_H
#define COURIER_RELAY_HOP_SESSION_H

#include "courier/relay/hop_tls.h"

struct hop_login {
    struct span user, password; // empty: none
};

// Opens a conversation. On an error nothing is open any more, and h->host, words and code say why.
// Under HOP_TRY a failed handshake is followed by another connection in the clear.
enum err hop_open(struct hop_tls *tls, const struct address *a, struct span host,
                  const struct hop_limits *limits, const struct hop_policy *policy,
                  struct span helo, const struct hop_login *login, struct hop *h);

#endif
