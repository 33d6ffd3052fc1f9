// SPDX-License-Identifier: Apache-2.0
//
// SMTP replies (RFC 5321 section 4.2, enhanced codes of RFC 2034 and 3463): written by a server,
// read by a client that trusts nobody. Pure; any thread, one reader on one at a time.
#ifndef WIRE_SMTP_SMTP_REPLY_H
#define WIRE_SMTP_SMTP_REPLY_H

#include "base/buf.h"
#include "wire/line.h"
#include "wire/smtp/smtp_extension.h"

#define SMTP_REPLY_LINE_BYTES_MAX 512   // CR LF counted (RFC 5321 section 4.5.3.1.5)
#define SMTP_REPLY_BYTES_MAX      65536 // of all lines together

// Appends a whole reply. `enhanced`: "5.7.1" or NULL. `text` may have several lines (LF between
// them); long ones are broken. Bytes that have no place in a reply become "?", bytes above 127 too
// unless `utf8` (then broken UTF-8 only). `code` is 200 .. 599.
void smtp_reply_put(struct buf *out, unsigned code, const char *enhanced, struct span text,
                    bool utf8);

struct smtp_reply {
    unsigned code;                   // 200 .. 599
    bool has_enhanced;               // of the first line; its class is the code's first digit
    unsigned klass, subject, detail; // 5.7.1
    struct span text; // without codes, lines separated by LF, clean: no controls, valid UTF-8
    size_t lines;
};

struct smtp_reply_reader {
    struct line_reader line;
    struct buf text;
    struct smtp_reply reply;
    size_t bytes; // raw, of the reply so far
};

void smtp_reply_reader_init(struct smtp_reply_reader *r);
void smtp_reply_reader_finish(struct smtp_reply_reader *r);

// Takes lines off the front of *in, which must keep what was not taken. ERR_OK: *out is a whole
// reply, its text valid until the next call. ERR_AGAIN: more must come. ERR_INVALID: that is no
// reply (no code, two codes, CR or NUL in it); ERR_LIMIT: a line or the whole is too long. After
// these two the connection is of no use: treat it as a temporary failure. A bare LF ends a line.
enum err smtp_reply_read(struct smtp_reply_reader *r, struct span *in, struct smtp_reply *out);

#define SMTP_MECHANISMS_MAX 32 // of AUTH; more are left out

// What a server said it can do. The spans point into the reply's text.
struct smtp_capabilities {
    struct span name;    // of the server, as it says
    uint32_t extensions; // enum smtp_extension
    uint64_t size_max;   // SIZE; 0: no limit was named
    struct span mechanisms[SMTP_MECHANISMS_MAX];
    size_t mechanism_n;
    uint64_t hold_seconds_max;                    // FUTURERELEASE
    struct span hold_until_max;                   // a date, as written
    uint64_t rcpt_max, rcpt_domain_max, mail_max; // LIMITS (RFC 9422); 0: not named
};

// Reads the reply to EHLO or LHLO (code 250). Unknown lines and broken arguments are passed over.
void smtp_capabilities_read(const struct smtp_reply *reply, struct smtp_capabilities *out);

#endif
