// SPDX-License-Identifier: Apache-2.0
//
// What a domain tells the world about its mail server, as text: the MTA-STS policy for other mail
// servers, and for mail programs the settings they ask for when all they have is an address. Made
// of the settings alone. Pure; any thread.
#ifndef PUBLISH_PUBLISH_H
#define PUBLISH_PUBLISH_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/settings.h"

// The policy of a domain (RFC 8461 section 3.2), lines with CR LF. `server` is our name.
void publish_sts_policy(struct buf *out, const struct settings *s, struct span server,
                        struct span domain);

// ---- for mail programs --------------------------------------------------------------------------

// One way to reach the mail of an account, or to send.
struct publish_service {
    enum publish_kind { PUBLISH_IMAP, PUBLISH_POP3, PUBLISH_SMTP } kind;
    uint16_t port;
    bool has_implicit_tls; // else STARTTLS
};
#define PUBLISH_SERVICES_MAX 6

// Those that the settings listen for, the better way of each kind first.
size_t publish_services(const struct settings *s, struct publish_service out[PUBLISH_SERVICES_MAX]);

struct publish_account {
    const struct settings *settings;
    struct span server, domain; // "mail.example.org", "example.org"
    struct span address;        // whose account; empty where the form does without
    struct span oauth_issuer;   // our own authorization server, as its URL; empty: there is none
};

// Mozilla's autoconfig, version 1.1 (config-v1.1.xml; draft-ietf-mailmaint-autoconfig). Does
// without address.
void publish_autoconfig(struct buf *out, const struct publish_account *a);
// Outlook's answer to a "plain old XML" request of autodiscover.
void publish_autodiscover(struct buf *out, const struct publish_account *a);
// A configuration profile for devices of Apple, not signed. The same account has the same ids each
// time, so that a device replaces what it had.
void publish_apple_profile(struct buf *out, const struct publish_account *a);

// The address in an autodiscover request, in the arena. Nothing else of the document is looked at;
// one with a document type (the way to entities) is refused. ERR_INVALID, ERR_NOMEM.
enum err publish_autodiscover_address(struct span xml, struct arena *a, struct span *out);

// Is it an address as people have them: one @, no controls, blanks, quotes or brackets, a host name
// behind? *out_domain is the part behind the @.
bool publish_is_address(struct span text, struct span *out_domain);

// Text of an element or an attribute; what XML 1.0 cannot hold becomes "?".
void publish_put_xml(struct buf *out, struct span text);

#endif
