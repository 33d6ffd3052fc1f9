// SPDX-License-Identifier: Apache-2.0
//
// The mailbox access keys of URLAUTH (RFC 4467 section 2.3): for each user and each mailbox they
// have made a URL for, their own or another's, one secret from which the tokens of such URLs are
// made. A key goes when its user renews it, when they drop all of theirs, with a mailbox of their
// own, and with the account. Rows `z`. Threads and blocking: see store.h.
#ifndef STORE_URL_KEY_H
#define STORE_URL_KEY_H

#include "store/mailbox.h"

#define URL_KEY_BYTES 32
#define URL_KEYS_MAX  1000 // of one user

// Whose mailbox: `owner` 0 is the user's own.
struct url_key_of {
    account_id owner;
    mailbox_id mailbox;
    struct span name; // for the user's history
};

// ERR_NOT_FOUND: there is none. The caller wipes what it was given.
enum err url_key_get(struct store *s, account_id user, const struct url_key_of *of,
                     char out[URL_KEY_BYTES]);
// The same, and makes one when there is none. ERR_LIMIT: the user has too many.
enum err url_key_need(struct store *s, account_id user, const struct actor *by,
                      const struct url_key_of *of, char out[URL_KEY_BYTES]);
// A new key: URLs made with the one before are worth nothing any more. ERR_LIMIT.
enum err url_key_renew(struct store *s, account_id user, const struct actor *by,
                       const struct url_key_of *of);
// No keys any more.
enum err url_key_drop_all(struct store *s, account_id user, const struct actor *by);

// A row of docs/format/store.md, for the check. ERR_CORRUPT, ERR_UNSUPPORTED.
enum err url_key_decode(struct span key, struct span value, struct url_key_of *out);

#endif
