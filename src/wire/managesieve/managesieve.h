// SPDX-License-Identifier: Apache-2.0
//
// ManageSieve (RFC 5804): where a command ends, what it says, and responses. Whether a script is
// good Sieve, and which command is allowed when, is for others. Pure; any thread.
#ifndef WIRE_MANAGESIEVE_MANAGESIEVE_H
#define WIRE_MANAGESIEVE_MANAGESIEVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define MANAGESIEVE_NAME_BYTES_MAX 512 // 128 characters (RFC 5804 section 1.6)

struct managesieve_limits {
    size_t line_bytes;    // of the lines of a command together, literals not counted
    size_t literal_bytes; // of its literals together
    uint64_t skip_bytes;  // a larger literal than this is not waited for
};

extern const struct managesieve_limits managesieve_limits_before_login; // 8 KiB, 8 KiB
extern const struct managesieve_limits managesieve_limits_after_login;  // 8 KiB, 1 MiB

enum managesieve_frame_kind {
    MANAGESIEVE_MORE,    // not whole: call again with the same bytes and more behind them
    MANAGESIEVE_COMMAND, // *out_text is the command without its end; drop *out_bytes
    MANAGESIEVE_SKIP,    // drop *out_bytes (of a literal too large) and call again
    MANAGESIEVE_TOO_BIG, // drop *out_bytes; the command was too large: answer NO, go on
    MANAGESIEVE_BROKEN,  // CR, LF or NUL in a line, a line too long, a literal that waits ({n}
                         // without "+") or is far too large: answer BYE and close
};

struct managesieve_framer {
    const struct managesieve_limits *limits;
    size_t at, line_start, line_bytes, literal_bytes; // private
    uint64_t literal_left, skip_left;
    bool skipping;
};

void managesieve_framer_init(struct managesieve_framer *f, const struct managesieve_limits *limits);
enum managesieve_frame_kind managesieve_frame(struct managesieve_framer *f, struct span input,
                                              struct span *out_text, size_t *out_bytes);

enum managesieve_command_id {
    MANAGESIEVE_AUTHENTICATE,
    MANAGESIEVE_STARTTLS,
    MANAGESIEVE_LOGOUT,
    MANAGESIEVE_CAPABILITY,
    MANAGESIEVE_HAVESPACE,
    MANAGESIEVE_PUTSCRIPT,
    MANAGESIEVE_LISTSCRIPTS,
    MANAGESIEVE_SETACTIVE,
    MANAGESIEVE_GETSCRIPT,
    MANAGESIEVE_DELETESCRIPT,
    MANAGESIEVE_RENAMESCRIPT,
    MANAGESIEVE_CHECKSCRIPT,
    MANAGESIEVE_NOOP,
    MANAGESIEVE_UNAUTHENTICATE,
    MANAGESIEVE_COMMAND__COUNT
};

struct managesieve_command {
    enum managesieve_command_id id;
    struct span name;    // of a script (SETACTIVE: "" for none); AUTHENTICATE's mechanism; NOOP's
                         // tag (p NULL: none)
    struct span to;      // RENAMESCRIPT
    struct span content; // PUTSCRIPT, CHECKSCRIPT; AUTHENTICATE's base64 (p NULL: none)
    uint32_t bytes;      // HAVESPACE
};

// `text`: of MANAGESIEVE_COMMAND. Spans point into it or live in the arena. ERR_INVALID and
// ERR_UNSUPPORTED (no such command) set *out_why, what to say after NO; ERR_NOMEM too.
enum err managesieve_parse(struct span text, struct arena *arena, struct managesieve_command *out,
                           const char **out_why);

// A client's answer within AUTHENTICATE: one string (base64, or "*" to give up).
enum err managesieve_parse_response(struct span text, struct arena *arena, struct span *out);

const char *managesieve_command_name(enum managesieve_command_id id);

// A string as the server writes it: quoted, or "{n}" CR LF and the bytes (which may be anything).
void managesieve_string_put(struct buf *out, struct span value);
// "{n}" CR LF; the caller sends n bytes and CR LF.
void managesieve_literal_head_put(struct buf *out, uint64_t bytes);

enum managesieve_result { MANAGESIEVE_OK, MANAGESIEVE_NO, MANAGESIEVE_BYE };

// "NO (QUOTA/MAXSIZE) "text"". `code`: "QUOTA/MAXSIZE", "NONEXISTENT" or NULL. `argument`: of the
// code, as in (TAG "x") and (SASL "x"); p NULL: none. `text` may be empty.
void managesieve_result_put(struct buf *out, enum managesieve_result result, const char *code,
                            struct span argument, struct span text);

#endif
