// SPDX-License-Identifier: Apache-2.0
//
// Signing in by SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677): two messages of the client,
// and a grant in the end as auth_password gives it. An exchange is one client's, between its two
// messages; the caller keeps it, bounds how many there are, and for how long. One thread at a time
// for one exchange; both steps may block on the disk, and neither hashes slowly.
//
// A name that is not there gets the first answer, too, with the salt and count that an account of
// that name would have, and its proof is tried against a key that nobody has. What was wrong (name,
// proof, channel, nonce) is not to be told apart.
#ifndef AUTH_AUTH_SCRAM_H
#define AUTH_AUTH_SCRAM_H

#include "auth/auth.h"
#include "base/buf.h"

struct auth_scram;

// `claim` has no password; its name is the one in the message. `binding` are the bytes of the
// channel of the kind that the message names, or empty. Whether the message is right for the
// connection is checked by whoever knows that (scram_first_check). ERR_INVALID: it is no such
// message; ERR_DENIED: it wants to act for another; ERR_NOMEM; ERR_UNAVAILABLE.
enum err auth_scram_begin(struct auth *a, const struct auth_claim *claim, struct span client_first,
                          struct span binding, struct auth_scram **out);
// What is said to that; the exchange's.
struct span auth_scram_challenge(const struct auth_scram *x);
// Who wants in; the texts are the exchange's.
const struct auth_claim *auth_scram_claim(const struct auth_scram *x);
// ERR_OK: the grant, and the proof that the server knows the secret, too, is appended to `out`.
// Else as auth_password; ERR_INVALID: it is no such message. Once for an exchange.
enum err auth_scram_end(struct auth *a, struct auth_scram *x, struct span client_final,
                        struct buf *out, struct auth_grant *grant);
void auth_scram_destroy(struct auth_scram *x); // NULL is allowed

#endif
