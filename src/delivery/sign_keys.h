// SPDX-License-Identifier: Apache-2.0
//
// Keys begin to sign when the DNS shows them: not before, for a signature that nobody can verify is
// worse than none. They are forgotten when they have long been retired and their record is gone.
// Any thread; blocks as long as the DNS takes and for one commit a key.
#ifndef DELIVERY_SIGN_KEYS_H
#define DELIVERY_SIGN_KEYS_H

#include "store/store.h"

// The TXT records of a name: one after the other, each u16 length (little-endian) and its text, in
// the arena. ERR_OK and none: there are none. Other errors: nobody could say.
typedef enum err sign_keys_ask(void *arg, struct span name, struct arena *a,
                               struct span *out_records);

// Activates each prepared key (store/secret.h) that the DNS shows under its name as the only
// record; whichever was active before it is retired. The number of them. Forgets each that has been
// retired for SIGNING_RETIRED_S and has no record any more. An error of the store ends
// the round; what the DNS does not say is asked the next time.
enum err sign_keys_follow(struct store *s, sign_keys_ask *ask, void *arg, unsigned *out_activated);

#endif
