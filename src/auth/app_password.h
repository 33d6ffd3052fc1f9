// SPDX-License-Identifier: Apache-2.0
//
// App passwords: what a device signs in with (store/access/device.h). 25 characters in groups of
// five, "k3v9q-...", from an alphabet without look-alikes; 23 of them random (115 bits), the last
// two a check sum. So one is known by its shape: it is never tried as an account's own password,
// and a slow hash is not needed. Pure but for randomness; any thread.
#ifndef AUTH_APP_PASSWORD_H
#define AUTH_APP_PASSWORD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define APP_PASSWORD_CHARS      25
#define APP_PASSWORD_TEXT_BYTES 29 // with the dashes

// Makes one: the text as it is shown, without NUL.
void app_password_make(char out[APP_PASSWORD_TEXT_BYTES]);

// Is it one, as people type it (any case, dashes and blanks or not, O for 0, I or L for 1)? Then
// `out` has its characters in their one spelling.
bool app_password_read(struct span typed, char out[APP_PASSWORD_CHARS]);

// SHA-256 of the characters: what is kept of it. ERR_NOMEM.
enum err app_password_digest(const char chars[APP_PASSWORD_CHARS], unsigned char out[32]);

#endif
