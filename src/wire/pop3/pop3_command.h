// SPDX-License-Identifier: Apache-2.0
//
// POP3 commands from bytes to structs and responses back (RFC 1939, CAPA 2449, STLS 2595, AUTH
// 5034, UTF8 and LANG 6856). Which command is allowed when is the session's business, helped by
// `states`. Lines come from wire/line.h. Pure; any thread.
#ifndef WIRE_POP3_POP3_COMMAND_H
#define WIRE_POP3_POP3_COMMAND_H

#include "base/buf.h"
#include "base/err.h"

#define POP3_LINE_BYTES_MAX      255   // CR LF counted (RFC 2449 section 4)
#define POP3_AUTH_LINE_BYTES_MAX 12288 // a SASL response (RFC 5034 section 4)
#define POP3_RESPONSE_BYTES_MAX  512   // the first line, CR LF counted

#define POP3_STATE_AUTHORIZATION 1u
#define POP3_STATE_TRANSACTION   2u

enum pop3_command_id {
    POP3_USER,
    POP3_PASS,
    POP3_AUTH,
    POP3_STLS,
    POP3_CAPA,
    POP3_UTF8,
    POP3_LANG,
    POP3_STAT,
    POP3_LIST,
    POP3_UIDL,
    POP3_RETR,
    POP3_TOP,
    POP3_DELE,
    POP3_NOOP,
    POP3_RSET,
    POP3_QUIT,
    POP3_COMMAND__COUNT
};

struct pop3_command {
    enum pop3_command_id id;
    struct span text;    // USER, PASS (spaces in it count), LANG (p NULL: list), AUTH's mechanism
                         // (p NULL: list, an old custom)
    struct span initial; // AUTH: base64 as sent, "=" an empty response; p NULL: none
    uint32_t number;     // LIST, UIDL (0: all), RETR, TOP, DELE: of the message, from 1
    uint32_t lines;      // TOP
};

// `line` without its end. ERR_INVALID or ERR_UNSUPPORTED (no such command) set *out_why: what to
// say after "-ERR ", a static text.
enum err pop3_parse(struct span line, struct pop3_command *out, const char **out_why);

const char *pop3_command_name(enum pop3_command_id id);
unsigned pop3_command_states(enum pop3_command_id id); // mask of POP3_STATE_

// "+OK text" or "-ERR [code] text"; `code` is "IN-USE", "SYS/TEMP", "AUTH" (RFC 2449, 3206) or
// NULL. Controls become "?", and bytes above 127 unless `utf8`; cut at POP3_RESPONSE_BYTES_MAX.
void pop3_ok_put(struct buf *out, struct span text, bool utf8);
void pop3_err_put(struct buf *out, const char *code, struct span text, bool utf8);

// TOP: lets the header, the empty line and `lines` lines of the body through. What is left of each
// piece goes to a dot_writer (DOT_MEND). A line ends at LF.
struct pop3_top {
    uint64_t lines; // still to come
    bool in_body, in_line, done, cr_only;
};

void pop3_top_begin(struct pop3_top *t, uint32_t lines);
// The front of `piece` that belongs to the answer; t->done: nothing more will.
struct span pop3_top_take(struct pop3_top *t, struct span piece);

#endif
