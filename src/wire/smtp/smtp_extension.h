// SPDX-License-Identifier: Apache-2.0
//
// The extensions of SMTP that are known here, as a mask: what a server offers, what a command may
// use. The registry is "SMTP Service Extensions" at IANA.
#ifndef WIRE_SMTP_SMTP_EXTENSION_H
#define WIRE_SMTP_SMTP_EXTENSION_H

enum smtp_extension {
    SMTP_EXT_SIZE = 1u << 0,           // RFC 1870
    SMTP_EXT_PIPELINING = 1u << 1,     // RFC 2920
    SMTP_EXT_8BITMIME = 1u << 2,       // RFC 6152
    SMTP_EXT_SMTPUTF8 = 1u << 3,       // RFC 6531
    SMTP_EXT_STARTTLS = 1u << 4,       // RFC 3207
    SMTP_EXT_AUTH = 1u << 5,           // RFC 4954
    SMTP_EXT_CHUNKING = 1u << 6,       // RFC 3030
    SMTP_EXT_BINARYMIME = 1u << 7,     // RFC 3030
    SMTP_EXT_DSN = 1u << 8,            // RFC 3461
    SMTP_EXT_ENHANCED = 1u << 9,       // RFC 2034: ENHANCEDSTATUSCODES
    SMTP_EXT_REQUIRETLS = 1u << 10,    // RFC 8689
    SMTP_EXT_FUTURERELEASE = 1u << 11, // RFC 4865
    SMTP_EXT_MT_PRIORITY = 1u << 12,   // RFC 6710
    SMTP_EXT_LIMITS = 1u << 13,        // RFC 9422
    SMTP_EXT_DELIVERBY = 1u << 14,     // RFC 2852
    SMTP_EXT_XCLIENT = 1u << 15,       // Postfix, XCLIENT_README
    SMTP_EXT_VRFY = 1u << 16,
    SMTP_EXT_HELP = 1u << 17,
    SMTP_EXT_ETRN = 1u << 18, // RFC 1985
};

#endif
