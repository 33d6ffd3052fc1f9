// SPDX-License-Identifier: Apache-2.0
//
// Keys for SCRAM-SHA-256 (wire/sasl/scram.h) of an account's credentials, under the one salt and
// count that an account has (store/access/scram_salt.h). Any thread; computing keys takes some 30
// milliseconds, and the disk may block.
//
// App passwords always get keys: they are random, so that nothing is won by guessing at keys that
// are cheaper to try than an Argon2id hash. An account's own password is what somebody has thought
// of: whoever steals the store tries a thousand times as many guesses against SCRAM keys as against
// the hash, so it gets them only where a setting asks for it (auth_scram = all).
#ifndef AUTH_SCRAM_CREDENTIALS_H
#define AUTH_SCRAM_CREDENTIALS_H

#include "store/access/scram_salt.h"
#include "store/directory.h"

#define SCRAM_ROUNDS 65536 // of new accounts; what is said of names that are not there, too

// What an account of that (canonical) name is given, and what is said of one that has nothing yet
// or is not there. Always the same for one name on one server.
enum err scram_salt_of_name(struct store *s, struct span name, struct scram_salt *out);

// Keys of an app password as it is shown. ERR_NOT_FOUND: no such account.
enum err scram_device_keys(struct store *s, const struct account *account, struct span password,
                           char out[SCRAM_KEY_PAIR_BYTES]);

// The account's own password was right, and its hash has that mark (auth_mark): it has keys
// afterwards. Quick when it has them already. ERR_INVALID: SASLprep refuses the password.
enum err scram_own_keys(struct store *s, const struct account *account, struct span password,
                        uint64_t mark);

// The account has another password, which is that, or empty: known by its hash only. Those of the
// one before are forgotten; new ones are made where they are `wanted`. What goes wrong is logged:
// an old key is good for nothing any more in any case.
void scram_password_changed(struct store *s, account_id account, struct span password, bool wanted);

#endif
