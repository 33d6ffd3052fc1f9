// SPDX-License-Identifier: Apache-2.0
//
// The milter protocol, version 6, as a mail server speaks it to a filter (libmilter's side is the
// filter). A packet: four bytes of length in network order, a letter, data; strings end with NUL.
// Written and read here; what to send when is the caller's business. Pure; any thread.
#ifndef WIRE_MILTER_MILTER_H
#define WIRE_MILTER_MILTER_H

#include "base/buf.h"
#include "base/err.h"

#define MILTER_VERSION          6
#define MILTER_BODY_BYTES_MAX   65535   // of one body packet
#define MILTER_PACKET_BYTES_MAX 1048576 // of a filter's answer

// What is sent.
enum milter_command {
    MILTER_NEGOTIATE = 'O',
    MILTER_MACROS = 'D',
    MILTER_CONNECT = 'C',
    MILTER_HELO = 'H',
    MILTER_MAIL = 'M',
    MILTER_RCPT = 'R',
    MILTER_DATA = 'T',
    MILTER_HEADER = 'L',
    MILTER_END_OF_HEADERS = 'N',
    MILTER_BODY = 'B',
    MILTER_END = 'E',
    MILTER_ABORT = 'A',
    MILTER_QUIT = 'Q',
    MILTER_QUIT_NEXT = 'K', // this message's end, another connection comes
    MILTER_UNKNOWN = 'U',
};

enum milter_family {
    MILTER_NO_ADDRESS = 'U',
    MILTER_UNIX = 'L',
    MILTER_IPV4 = '4',
    MILTER_IPV6 = '6'
};

// A packet of strings ('H', 'M', 'R', 'L', 'U', or 'D' behind its letter), each ended by NUL. A NUL
// within one is ERR_INVALID, with nothing appended.
enum err milter_strings_put(struct buf *out, enum milter_command command,
                            const struct span *strings, size_t n);
// Names and values, alternating, for the command that follows.
enum err milter_macros_put(struct buf *out, enum milter_command about, const struct span *strings,
                           size_t n);
enum err milter_connect_put(struct buf *out, struct span host, enum milter_family family,
                            uint16_t port, struct span address);
void milter_negotiate_put(struct buf *out, uint32_t actions, uint32_t steps);
// A piece of the body, at most MILTER_BODY_BYTES_MAX; longer is ERR_LIMIT.
enum err milter_body_put(struct buf *out, struct span piece);
// A packet without data: 'T', 'N', 'E', 'A', 'Q', 'K'.
void milter_simple_put(struct buf *out, enum milter_command command);

// What comes back.
enum milter_answer {
    MILTER_ADD_RCPT = '+',
    MILTER_DELETE_RCPT = '-',
    MILTER_ADD_RCPT_PARAMS = '2',
    MILTER_CHANGE_FROM = 'e',
    MILTER_REPLACE_BODY = 'b',
    MILTER_ACCEPT = 'a',
    MILTER_CONTINUE = 'c',
    MILTER_DISCARD = 'd',
    MILTER_ADD_HEADER = 'h',
    MILTER_INSERT_HEADER = 'i',
    MILTER_CHANGE_HEADER = 'm',
    MILTER_PROGRESS = 'p',
    MILTER_QUARANTINE = 'q',
    MILTER_REJECT = 'r',
    MILTER_SKIP = 's',
    MILTER_TEMPFAIL = 't',
    MILTER_REPLY = 'y',
    MILTER_CONNECTION_FAIL = '4',
    MILTER_SHUTDOWN = 'f',
    MILTER_NEGOTIATED = 'O',
};

struct milter_reply {
    enum milter_answer answer;
    struct span text;        // recipient, sender, reason, body, or the text of MILTER_REPLY
    struct span params;      // of '2' and 'e'; empty when none
    struct span name, value; // of a header field; an empty value in 'm' deletes it
    uint32_t index;          // 'i', 'm'
    uint32_t version, actions, steps; // 'O'
    unsigned code;                    // 'y': 400 .. 599
};

// The packet at the front of `input`. ERR_AGAIN: not whole. ERR_LIMIT: longer than
// MILTER_PACKET_BYTES_MAX. ERR_INVALID: not one of these. Spans point into the input; strings hold
// no NUL, but may hold line ends: whoever puts them into a message judges that.
enum err milter_read(struct span input, struct milter_reply *out, size_t *out_bytes);

#endif
