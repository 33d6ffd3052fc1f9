// SPDX-License-Identifier: Apache-2.0
//
// iprev (RFC 8601 section 3): has the client's address a name that leads back to it? Says little
// about a message, but a host without one is seldom a mail server. Like SPF it is run again where
// the resolver says ERR_AGAIN.
#ifndef SENDERAUTH_IPREV_H
#define SENDERAUTH_IPREV_H

#include "senderauth/spf.h"

#define IPREV_NAMES_MAX 10 // names of an address that are looked at

enum iprev_status { IPREV_NONE, IPREV_PASS, IPREV_FAIL, IPREV_TEMPERROR };

struct iprev_result {
    enum iprev_status status; // NONE: it was not asked
    struct domain_name name;  // the first that leads back; n 0 unless PASS
};

const char *iprev_status_name(enum iprev_status s); // "pass"

// ERR_AGAIN only.
enum err iprev_check(const struct ip_address *ip, const struct resolver *r,
                     struct iprev_result *out);

#endif
