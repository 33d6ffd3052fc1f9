// SPDX-License-Identifier: Apache-2.0
//
// Who is this: a claim in (a name and a password), a grant or a refusal out (grant.h). Runs in keep
// only. A password of the shape of an app password is a device's, any other the account's own.
//
// Hashes are slow and large on purpose, so a bounded number runs at a time and a bounded number
// waits; a client that opens ten connections with one password pays for one hash, because answers
// are remembered for a short time and equal questions that arrive meanwhile share one answer. An
// unknown name costs the same work and gets the same answer as a wrong password. Who waits goes by
// rank (throttle.h): guessers have half of the places at most, and those who have signed in from
// where they are one that nobody else takes.
//
// A hash of another kind or cost than new ones have (password.h) is replaced when the password has
// been right, while everybody who asks the same waits, so that all get the mark of the new one. A
// wrong password for a hash brought from elsewhere costs that hash and one of ours: a fast kind
// cannot be told from an unknown name by the clock, a slow one (bcrypt) could until it is
// replaced, which is why the gate holds every no until a whole delay is over.
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/grant.h"
#include "auth/password.h"
#include "auth/throttle.h"
#include "auth/vouch.h"
#include "store/directory.h"

// Looks up claim->password, a token that has the shape of our own (bearer.h); the name is not
// looked at. ERR_DENIED: there is none like it, or something is in the way that out->why says.
typedef enum err auth_own_token_fn(struct store *s, const struct auth_claim *claim,
                                   struct auth_grant *out);

struct auth_options {
    struct password_params params;
    struct span default_domain; // added to a name without a domain; empty: none
    unsigned hashes_max;        // running at a time
    unsigned waiting_max;       // of each rank, waiting for their turn; more come back later
    int64_t remember_ms;        // how long a right answer is remembered
    unsigned remember_max;      // answers remembered
    struct throttle_limits throttle;
    auth_own_token_fn *own_token; // NULL: we issue none
    struct auth_vouch vouch;
    unsigned vouch_max; // questions to it at a time; guessers have half of them at most
    bool reads_as;      // who has a role for it may open another's account (read_as.h)
    bool scram_own;     // keys for SCRAM are made of accounts' own passwords, and good
};
void auth_options_default(struct auth_options *o);

struct auth;
enum err auth_create(struct store *s, const struct auth_options *o, struct auth **out);
void auth_destroy(struct auth *a);

// New parameters, limits and times; hashes_max, default_domain, own_token, vouch and vouch_max stay
// what they were. Hashes once when the parameters are new: blocks for as long. ERR_NOMEM,
// ERR_INVALID: nothing has changed.
enum err auth_set_options(struct auth *a, const struct auth_options *o);

// Checks a claim. Too many wrong passwords from the network of claim->remote lock the name out
// there; a right app password is let in all the same. Blocks for as long as hashing and waiting
// take; any thread. ERR_OK: `*out` is the grant. ERR_DENIED (wrong, unknown or suspended: not to be
// told apart by the client; out->why is set when the secret was right and something else is in the
// way); ERR_LIMIT (locked out); ERR_UNAVAILABLE (too many waiting, or the store cannot be read
// now).
enum err auth_password(struct auth *a, const struct auth_claim *claim, struct auth_grant *out);

// Asks whoever vouches for people. As struct auth_vouch's ask; ERR_UNAVAILABLE also when there is
// nobody to ask.
enum err auth_ask(struct auth *a, enum throttle_rank rank, const struct auth_vouch_question *q,
                  struct arena *arena, struct auth_vouch_answer *out);

// The rank that a sign-in with this name from this address (as text) has now. Does not block; any
// thread.
enum throttle_rank auth_rank(struct auth *a, struct span name, struct span remote);

// What is locked, and what lifts it: never NULL, the auth's own.
struct throttle *auth_throttle(struct auth *a);

// Hashes computed since the start: what logins have really cost. Any thread.
uint64_t auth_hashes(struct auth *a);

#endif
