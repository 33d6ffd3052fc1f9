// SPDX-License-Identifier: Apache-2.0
//
// What a client says, made harmless for a directory: the filter that looks somebody up. Pure.
#ifndef COURIER_VOUCH_LDAP_TEXT_H
#define COURIER_VOUCH_LDAP_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

// Appends `text` as an assertion value: NUL, "*", "(", ")", "\" and all bytes that are no printable
// ASCII as \HH (RFC 4515 section 3).
void ldap_escape_put(struct buf *out, struct span text);

// Appends the filter with %n, %u, %d of `name` (an address) put in, escaped; "%%" is a percent
// sign. ERR_INVALID: another letter behind a "%", or `name` is no address.
enum err ldap_filter_put(struct buf *out, struct span pattern, struct span name);

// Does `value`, as an attribute has it, name that address? "smtp:" in front (Active Directory's
// proxyAddresses) and the case of letters are not looked at.
bool ldap_mail_is(struct span value, struct span name);

#endif
