// SPDX-License-Identifier: Apache-2.0
//
// Finds where an IMAP command ends in a stream of bytes (RFC 9051 section 2.2 and 4.3, RFC 7888,
// RFC 3516, RFC 3502). It looks at line ends and literal announcements only; what a command means
// is imap_command.h's. Whoever owns a connection owns one framer and an input buffer; the framer
// keeps no bytes, only how far it has looked, so any way of cutting the input costs the same.
//
// How to use it: append what was read to the input buffer and call imap_framer_next until it says
// IMAP_FRAME_MORE. After every other kind except IMAP_FRAME_CONTINUE drop frame.bytes from the
// front of the buffer before the next call.
//
// The messages of APPEND are not buffered. IMAP_FRAME_APPEND_HEAD gives the text up to and with the
// literal's announcement; the owner then (if frame.sync) sends a continuation, takes
// frame.literal_bytes from the connection itself, calls imap_framer_literal_done, and goes on:
// IMAP_FRAME_APPEND_NEXT announces a further message (RFC 3502), IMAP_FRAME_APPEND_END is the end.
// An owner that wants to refuse the command at a synchronizing literal answers with a tagged NO
// instead of the continuation and calls imap_framer_refuse; at a non-synchronizing one the bytes
// come anyway and it must take (and drop) them, and go on to IMAP_FRAME_APPEND_END, before it
// answers. IMAP_FRAME_LITERAL_TOO_BIG instead of APPEND_NEXT ends the whole APPEND. A head that the
// parser refuses (a NUL in it, say) is framed as usual.
//
// A line may end in a bare LF; a NUL or a CR elsewhere in a line is IMAP_FRAME_BAD_LINE.
#ifndef WIRE_IMAP_IMAP_FRAMER_H
#define WIRE_IMAP_IMAP_FRAMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct imap_framer_limits {
    uint32_t line_bytes;    // a command's text, its literals not counted
    uint32_t literal_bytes; // all literals of a command together, APPEND's messages not counted
    uint64_t nonsync_bytes; // one "{n+}" literal, messages too (LITERAL-: 4096)
    uint64_t message_bytes; // one message of an APPEND
    bool stream_append;     // false before login: APPEND is then a command like any other
};

extern const struct imap_framer_limits imap_framer_limits_before_login; // 8 KiB, 4 KiB
extern const struct imap_framer_limits imap_framer_limits_after_login;  // 64 KiB, 128 KiB, 50 MB

// The longest line accepted as an answer within AUTHENTICATE (RFC 9051 section 6.2.2 wants 12288).
#define IMAP_AUTH_LINE_BYTES_MAX 12288

enum imap_frame_kind {
    IMAP_FRAME_MORE,     // no whole command yet: read more
    IMAP_FRAME_CONTINUE, // send "+ OK\r\n", read more; nothing to drop
    IMAP_FRAME_COMMAND,  // frame.text is a whole command without its last line end
    IMAP_FRAME_APPEND_HEAD,
    IMAP_FRAME_APPEND_NEXT,
    IMAP_FRAME_APPEND_END,
    IMAP_FRAME_LINE,            // imap_framer_line: frame.text is the line without its end
    IMAP_FRAME_TOO_LONG,        // line_bytes passed: answer BYE and close
    IMAP_FRAME_LITERAL_TOO_BIG, // sync: tagged NO [TOOBIG] and go on; not sync: BYE and close
    IMAP_FRAME_BAD_LINE,        // a NUL or a bare CR: tagged BAD and go on
};

struct imap_frame {
    enum imap_frame_kind kind;
    size_t bytes;           // to drop from the front of the input; see imap_framer_refuse
    struct span text;       // points into the input; valid until those bytes are dropped
    uint64_t literal_bytes; // of the message or the refused literal (UINT64_MAX: did not fit)
    bool sync;              // that literal waits for a continuation
    bool literal8;          // it was announced with "~{"
};

struct imap_framer {
    const struct imap_framer_limits *limits;
    size_t at;           // everything before this offset of the input has been looked at
    size_t line_start;   // where the line being read starts
    size_t literal_left; // bytes of a buffered literal still to come
    uint32_t text_bytes, literal_bytes; // of this command so far
    uint8_t mode;                       // enum imap_framer_mode, private
    bool bad;                           // a NUL or bare CR was seen in this command
};

// Prepares a framer in the caller's memory. `limits` must outlive it.
void imap_framer_init(struct imap_framer *f, const struct imap_framer_limits *limits);

// After login; call it between commands only.
void imap_framer_set_limits(struct imap_framer *f, const struct imap_framer_limits *limits);

// Looks at `input`: every byte received and not dropped yet. Cost: the bytes not looked at before.
void imap_framer_next(struct imap_framer *f, struct span input, struct imap_frame *out);

// The same for one raw line: IDLE's DONE, an answer within AUTHENTICATE (where "*" cancels). Says
// IMAP_FRAME_LINE, IMAP_FRAME_MORE, IMAP_FRAME_TOO_LONG (over `max_bytes`), IMAP_FRAME_BAD_LINE.
void imap_framer_line(struct imap_framer *f, struct span input, size_t max_bytes,
                      struct imap_frame *out);

// The message announced by the last APPEND_HEAD or APPEND_NEXT has been taken off the connection.
void imap_framer_literal_done(struct imap_framer *f);

// The command was answered (NO, BAD) at a synchronizing literal, of APPEND after its frame or of
// any command at IMAP_FRAME_CONTINUE (then frame.bytes are to be dropped): the next byte starts a
// command.
void imap_framer_refuse(struct imap_framer *f);

// Nothing of a command has been seen yet: the input up to here is empty and all commands are done.
bool imap_framer_is_idle(const struct imap_framer *f);

#endif
