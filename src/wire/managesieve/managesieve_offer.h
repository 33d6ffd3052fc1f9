// SPDX-License-Identifier: Apache-2.0
//
// What ManageSieve says of itself before and after login (RFC 5804 section 1.7). Pure; any thread.
#ifndef WIRE_MANAGESIEVE_MANAGESIEVE_OFFER_H
#define WIRE_MANAGESIEVE_MANAGESIEVE_OFFER_H

#include "wire/managesieve/managesieve.h"

struct managesieve_offer {
    struct span extensions; // of Sieve, separated by blanks
    unsigned redirects_max;
    bool has_starttls;
    struct span mechanisms; // of SASL, here and now, separated by blanks; may be empty
    struct span owner;      // who has logged in; p NULL: nobody
};

// The lines; the response that ends them (OK) is the caller's.
void managesieve_capabilities_put(struct buf *out, const struct managesieve_offer *offer);

#endif
