// SPDX-License-Identifier: Apache-2.0
//
// The Received field that a message gets here (RFC 5321 section 4.4; protocol names of RFC 3848 and
// 6531 section 4.3). Every text in it has been through a parser that knows no control characters;
// what is left is written so that it cannot end the field or a comment. Pure.
#ifndef GATE_SMTP_SMTP_RECEIVED_H
#define GATE_SMTP_SMTP_RECEIVED_H

#include <stdint.h>

#include "base/buf.h"

struct smtp_received {
    struct span helo;     // as the client said it
    struct span address;  // the client's; empty: none (a socket of this machine)
    struct span host;     // ours
    struct span tls;      // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty in the clear
    struct span id;       // of the transaction
    struct span for_path; // the one recipient; empty: several
    int64_t unix_seconds;
    bool is_lmtp, is_extended, is_utf8, is_logged_in;
    bool hides_client; // no "from": where our user is, and what the device is called, is private
};

void smtp_received_put(struct buf *out, const struct smtp_received *r);

#endif
