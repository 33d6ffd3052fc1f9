// SPDX-License-Identifier: Apache-2.0
//
// API keys that come without a name (Authorization: Bearer): app passwords of administrators. Whose
// one is, is looked up among those who have a role; whether it is good is for auth to say.
#ifndef KEEP_LOGIN_API_KEY_H
#define KEEP_LOGIN_API_KEY_H

#include "store/store.h"

#define API_KEY_MECHANISM "BEARER" // of an AUTH_REQUEST with a password and no user

// The address of the administrator who has a device with this app password, whatever its state, in
// the arena; empty when there is none, or it has not the shape of one. May block on the disk.
enum err api_key_owner(struct store *s, struct span key, struct arena *a, struct span *out_name);

#endif
