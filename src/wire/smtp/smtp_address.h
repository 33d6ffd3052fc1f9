// SPDX-License-Identifier: Apache-2.0
//
// Addresses of an SMTP envelope (RFC 5321 section 4.1.2 and 4.1.3, RFC 6531 section 3.3): strict
// grammar, quoting taken off and put on again, one spelling for what is equal. A local part may
// hold any printable byte, "/", "|" and "%" among them: it is never a path or a command. Pure; any
// thread.
#ifndef WIRE_SMTP_SMTP_ADDRESS_H
#define WIRE_SMTP_SMTP_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SMTP_LOCAL_BYTES_MAX  64  // quoting taken off
#define SMTP_DOMAIN_BYTES_MAX 255 // as written; an A-label form may be no longer either
#define SMTP_LABEL_BYTES_MAX  63

enum smtp_domain_kind {
    SMTP_DOMAIN_NONE, // a null path, or "postmaster" without one
    SMTP_DOMAIN_NAME,
    SMTP_DOMAIN_IPV4,    // [192.0.2.1]
    SMTP_DOMAIN_IPV6,    // [IPv6:2001:db8::1]
    SMTP_DOMAIN_GENERAL, // [tag:content]
};

struct smtp_domain {
    enum smtp_domain_kind kind;
    struct span text;     // as written, without the brackets
    unsigned char ip[16]; // in network order; IPv4: the first four bytes
};

// Both parts empty: the null path "<>".
struct smtp_address {
    struct span local; // without quotes and backslashes
    struct smtp_domain domain;
    bool utf8; // a byte above 127 in either part
};

// A host name ("mail.example.org", U-labels included) or an address literal; whole span. Labels of
// letters, digits, "-" and "_" (seen in the wild); ERR_INVALID sets *out_why, a static text.
enum err smtp_domain_parse(struct span text, struct smtp_domain *out, const char **out_why);

// local@domain; whole span. Errors: ERR_INVALID and *out_why; ERR_NOMEM.
enum err smtp_mailbox_parse(struct span text, struct arena *arena, struct smtp_address *out,
                            const char **out_why);

// "<...>" at the front of `text`: a path, its source route ignored; "<>"; and "<postmaster>" in any
// case. *out_bytes is its length, or with ERR_INVALID where it goes wrong.
enum err smtp_path_parse(struct span text, struct arena *arena, struct smtp_address *out,
                         size_t *out_bytes, const char **out_why);

// The one spelling: local part in NFC (its case stays: only its owner may fold it), domain as
// lower-case U-labels, literals in their shortest form. Two addresses are equal when their
// canonical forms are equal byte by byte. ERR_INVALID: no such name in IDNA2008 (a hidden
// character, a false A-label). The result may point into `in` and lives in the arena.
enum err smtp_address_canonical(const struct smtp_address *in, struct arena *arena,
                                struct smtp_address *out);

// A domain name in A-labels (for DNS, for hops without SMTPUTF8) or U-labels, lower case both.
// ERR_INVALID as above.
enum err smtp_domain_to_ascii(struct span name, struct arena *arena, struct span *out);
enum err smtp_domain_to_unicode(struct span name, struct arena *arena, struct span *out);

// Appends local@domain, quoted where needed, or nothing for the null path. ERR_INVALID, with
// nothing appended, when the address could not have come from the parsers above (a control
// character in it); ERR_LIMIT.
enum err smtp_address_put(struct buf *out, const struct smtp_address *address);

#endif
