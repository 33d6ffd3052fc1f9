// SPDX-License-Identifier: Apache-2.0
//
// An SMTP command from bytes to structs, on the server's side: RFC 5321, LMTP (RFC 2033) and the
// extensions listed in docs/protocol/smtp.md. Opens nothing and knows no mailbox; in which order
// commands may come is the session's business. Everything lives in the arena or points into the
// line, so both must outlive the command. Pure; any thread.
//
// Lines come from wire/line.h, which refuses CR, LF and NUL; this parser refuses all other control
// characters outside the free text of NOOP and HELP.
#ifndef WIRE_SMTP_SMTP_COMMAND_H
#define WIRE_SMTP_SMTP_COMMAND_H

#include "wire/smtp/smtp_address.h"
#include "wire/smtp/smtp_extension.h"

// What a server takes at least (RFC 5321 section 4.5.3.1.4) and takes here with extensions; AUTH
// carries base64 of up to 12,288 bytes (RFC 4954 section 4).
#define SMTP_LINE_BYTES_MIN   512
#define SMTP_LINE_BYTES       2048
#define SMTP_AUTH_LINE_BYTES  12288
#define SMTP_ENVID_BYTES_MAX  100 // as xtext
#define SMTP_ORCPT_BYTES_MAX  500 // as xtext, its type counted
#define SMTP_HOLD_SECONDS_MAX 999999999
#define SMTP_ARENA_BYTES      65536 // enough for any command of SMTP_LINE_BYTES

enum smtp_command_id {
    SMTP_HELO,
    SMTP_EHLO,
    SMTP_LHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_NOOP,
    SMTP_QUIT,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_HELP,
    SMTP_AUTH,
    SMTP_STARTTLS,
    SMTP_XCLIENT,
    SMTP_COMMAND__COUNT
};

enum smtp_body { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

enum smtp_hold { SMTP_HOLD_NONE, SMTP_HOLD_FOR, SMTP_HOLD_UNTIL };

struct smtp_mail {
    struct smtp_address from; // both parts empty: <>
    bool has_size;
    uint64_t size; // bytes the client announces; UINT64_MAX stands for anything above
    enum smtp_body body;
    bool utf8, requiretls;
    enum smtp_ret ret;
    struct span envid; // decoded; p is NULL when not given
    bool has_auth;
    struct smtp_address auth; // AUTH=<> gives the null path
    enum smtp_hold hold;
    int64_t hold_value; // seconds from now, or since 1970-01-01 UTC
    bool has_priority;
    int priority; // -9 .. 9
};

enum smtp_notify {
    SMTP_NOTIFY_NEVER = 1u << 0,
    SMTP_NOTIFY_SUCCESS = 1u << 1,
    SMTP_NOTIFY_FAILURE = 1u << 2,
    SMTP_NOTIFY_DELAY = 1u << 3,
};

struct smtp_rcpt {
    struct smtp_address to; // domain.kind SMTP_DOMAIN_NONE: "postmaster" alone
    uint32_t notify;        // enum smtp_notify; 0: not given
    struct span orcpt_type; // "rfc822", "utf-8"; p is NULL when not given
    struct span orcpt;      // decoded, without control characters
};

struct smtp_chunk {
    uint64_t bytes;
    bool last;
};

struct smtp_auth {
    struct span mechanism;
    bool has_initial;
    struct span initial; // base64 as sent; "=" stands for an empty response
};

struct smtp_verify { // VRFY and EXPN
    struct span text;
    bool utf8;
};

enum smtp_xclient_name {
    SMTP_XCLIENT_NAME,
    SMTP_XCLIENT_ADDR,
    SMTP_XCLIENT_PORT,
    SMTP_XCLIENT_PROTO,
    SMTP_XCLIENT_HELO,
    SMTP_XCLIENT_LOGIN,
    SMTP_XCLIENT_DESTADDR,
    SMTP_XCLIENT_DESTPORT,
    SMTP_XCLIENT__COUNT
};

// Whom to believe is the caller's business. A value not given has p NULL; [UNAVAILABLE] and
// [TEMPUNAVAIL] are empty. Values are decoded; addresses and ports are checked, addresses come
// without "IPV6:".
struct smtp_xclient {
    struct span values[SMTP_XCLIENT__COUNT];
    uint32_t temporary; // 1 << name: [TEMPUNAVAIL]
};

struct smtp_command {
    enum smtp_command_id id;
    union {
        struct {
            struct span name; // of HELO, EHLO and LHLO, as written
            struct smtp_domain domain;
        } helo;
        struct smtp_mail mail;
        struct smtp_rcpt rcpt;
        struct smtp_chunk chunk;
        struct smtp_auth auth;
        struct smtp_verify verify;
        struct smtp_xclient xclient;
        struct span text; // NOOP, HELP
    };
};

struct smtp_parse_options {
    uint32_t offers; // enum smtp_extension: what this listener offers now; other use is refused
    bool utf8;       // the transaction was begun with SMTPUTF8 (for RCPT)
    bool lmtp;       // LHLO instead of HELO and EHLO
};

// The reply to a command that could not be read: "501 5.1.7 <why>".
struct smtp_parse_error {
    unsigned code;        // 500 .. 555
    const char *enhanced; // "5.1.7"
    const char *why;      // a sentence without capital and full stop, static text
    size_t position;      // byte offset in the line
    bool out_of_step;     // a BDAT without a size that can be believed: bytes of unknown number
                          // follow, so the connection must end
};

// `line` without its end. ERR_INVALID sets *error; ERR_NOMEM sets it too (452 4.3.1).
enum err smtp_parse(struct span line, struct arena *arena, const struct smtp_parse_options *options,
                    struct smtp_command *out, struct smtp_parse_error *error);

// "MAIL"; never NULL.
const char *smtp_command_name(enum smtp_command_id id);

#endif
