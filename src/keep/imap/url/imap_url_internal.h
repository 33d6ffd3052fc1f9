// SPDX-License-Identifier: Apache-2.0
//
// URLs that are good for others (URLAUTH, RFC 4467): what the files of this folder share. Who makes
// a URL, whose mail it names, and who may use it are three: the user in the URL made it, what it
// names is what that user may read at the time it is used, and the access identifier says who uses
// it.
#ifndef KEEP_IMAP_URL_INTERNAL_H
#define KEEP_IMAP_URL_INTERNAL_H

#include "keep/imap/message/imap_source.h"
#include "store/urlauth/url_key.h"

#define IMAP_TOKEN_BYTES 33 // how it was made, and HMAC-SHA-256

void imap_url_token(const char key[URL_KEY_BYTES], struct span rump, char out[IMAP_TOKEN_BYTES]);
// Compared in the same time wherever they differ.
bool imap_url_token_fits(const char expected[IMAP_TOKEN_BYTES], struct span hex);

// The account of a URL's user, by address; ERR_NOT_FOUND also for one that is suspended.
enum err imap_url_user(struct imap_session *s, struct span user, struct imap_who *out);
// The key's place for a mailbox of whoever opened it.
struct url_key_of imap_url_key_of(const struct imap_place *p);

#endif
