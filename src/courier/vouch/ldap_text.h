// SPDX-License-Identifier: Apache-2.0
//
// What a client says, made harmless for a directory: the filter that looks somebody up, the one
// that looks up their groups, the name to bind as; and what a directory says of a quota. Pure.
#ifndef COURIER_VOUCH_LDAP_TEXT_H
#define COURIER_VOUCH_LDAP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

// Appends `text` as an assertion value: NUL, "*", "(", ")", "\" and all bytes that are no printable
// ASCII as \HH (RFC 4515 section 3).
void ldap_escape_put(struct buf *out, struct span text);

// Appends the filter with %n, %u, %d of `name` (an address) put in, escaped; "%%" is a percent
// sign. ERR_INVALID: another letter behind a "%", or `name` is no address.
enum err ldap_filter_put(struct buf *out, struct span pattern, struct span name);

// The same for a filter that looks up groups, with %D: the name of the person's entry.
enum err ldap_group_filter_put(struct buf *out, struct span pattern, struct span name,
                               struct span dn);
// The same for the name of an entry, escaped as RFC 4514 section 2.4 has it (base/dn.h).
enum err ldap_dn_put(struct buf *out, struct span pattern, struct span name);

// "1073741824", "500 MB", "5g": bytes, or with a unit (1 KB: 1,024 bytes); "none" is UINT64_MAX.
// The case of letters is not looked at. ERR_INVALID: anything else, 0, and what is too large.
enum err ldap_quota_read(struct span text, uint64_t *out);

// Does `value`, as an attribute has it, name that address? "smtp:" in front (Active Directory's
// proxyAddresses) and the case of letters are not looked at.
bool ldap_mail_is(struct span value, struct span name);

#endif
