// SPDX-License-Identifier: Apache-2.0
//
// What POP3 says of itself before and after login alike: CAPA (RFC 2449) and LANG (RFC 6856 section
// 3). Pure; any thread.
#ifndef WIRE_POP3_POP3_OFFER_H
#define WIRE_POP3_POP3_OFFER_H

#include "base/buf.h"

struct pop3_offer {
    bool has_stls; // TLS can be started
    // " PLAIN LOGIN": passwords are taken here and now, by USER and these. Empty: they are not.
    struct span mechanisms;
};

// The whole answer to CAPA.
void pop3_capa_put(struct buf *out, const struct pop3_offer *offer);

// The answer to LANG; `tag` with p NULL asks for the list. English is all there is.
void pop3_lang_put(struct buf *out, struct span tag);

#endif
