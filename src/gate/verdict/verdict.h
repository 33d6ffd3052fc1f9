// SPDX-License-Identifier: Apache-2.0
//
// The checks on one incoming message while it streams through the gate: SPF, DKIM, DMARC, ARC and
// the client's name (iprev), the Authentication-Results field that says so, what filters (milters,
// rspamd, asked by the courier) want, and what follows by policy: accept, to Junk, refuse, or "not
// now".
//
// On one worker's thread; nothing blocks. The order of calls for one message:
//
//     verdict_begin    when DATA (or the first BDAT) has been granted: client, HELO, envelope. The
//                      questions of SPF are asked at once, so that their answers come meanwhile.
//     verdict_feed     every piece of the message as it is to be stored (dots undone, CRLF line
//                      ends). What is to go on to keep is appended to a buffer of the caller's:
//                      the same bytes without the header fields that must go (forged
//                      Authentication-Results; with filters also Subject, which is then among
//                      `lines`). A header field is held back until it is whole, the
//                      body streams. When verdict_is_full says so, feed no more until `go_on`.
//     verdict_finish   the message is whole. `done` is called once, later, never before this
//                      returns: then the client is answered (MAIL_END with lines and words, or the
//                      refusal and MAIL_RESET).
//     verdict_destroy  at any time, also in `done` (then the result is gone, too).
//
// Memory: the header block (AUTH_HEADER_BYTES_MAX) and an index of it, at most; some KB for mail
// that is not checked.
#ifndef GATE_VERDICT_VERDICT_H
#define GATE_VERDICT_VERDICT_H

#include "conf/settings.h"
#include "gate/dns/dns_desk.h"
#include "net/address.h"

#define VERDICT_HELD_BYTES_MAX  102400 // of a header field, while it is not whole
#define VERDICT_WORDS_BYTES_MAX 1024   // MAIL_END's `verdict`
#define VERDICT_LINES_BYTES_MAX 61440  // of MAIL_END's `prefix`; the rest is for Received
#define VERDICT_TEXT_BYTES_MAX  400    // of the answer to the client

struct verdict;

enum verdict_action {
    VERDICT_ACCEPT,
    VERDICT_JUNK,      // accept; MAIL_END says is_suspect
    VERDICT_REJECT,    // answer `code enhanced text`
    VERDICT_TEMPORARY, // the same
};

struct verdict_result {
    enum verdict_action action;
    unsigned code;        // 250, 451, 550
    struct span enhanced; // "2.0.0", "4.7.5", "5.7.1"
    struct span text;     // one clean line of printable ASCII, without codes
    struct span lines;    // for MAIL_END's `prefix`, after Received: whole header fields with CRLF
    struct span words;    // for MAIL_END's `verdict` and the log: one clean line
    struct span report;   // a whole frame MAIL_DMARC, or empty
};

struct verdict_options {
    struct settings *settings; // a reference is kept
    struct loop *loop;         // of this worker
    struct dns_desk *desk;     // the same; NULL: the DNS is away
    // False: mail by our own users (submission) and from trusted networks. Nothing is asked and
    // nothing is judged; only header fields that claim to be our results are taken out.
    bool is_checked;
    struct span server_name; // ours: the authserv-id
    const struct address *client;
    struct span helo;
    struct span sender;            // MAIL FROM without angle brackets; empty: the null path
    bool is_utf8;                  // SMTPUTF8: our lines may be UTF-8
    const struct span *recipients; // those that were accepted; for filters
    size_t recipient_count;

    void (*done)(void *arg, const struct verdict_result *r); // spans live as long as the verdict
    void (*go_on)(void *arg);                                // no longer full; may be NULL
    void *arg;
};

// Texts are copied. ERR_NOMEM only.
enum err verdict_begin(const struct verdict_options *o, struct verdict **out);

// At most bytes.n + VERDICT_HELD_BYTES_MAX are appended. ERR_LIMIT: the header is larger than
// anybody's (552 5.3.4), or `out` has no room; ERR_NOMEM (451 4.3.0). After an error nothing more
// can be fed: destroy it.
enum err verdict_feed(struct verdict *v, struct span bytes, struct buf *out);

// A filter (milter, rspamd) does not keep up: feed no more until `go_on`.
bool verdict_is_full(const struct verdict *v);

// The message is whole. What was held back of one that ended within its header is appended. Errors
// as verdict_feed; then `done` is not called.
enum err verdict_finish(struct verdict *v, struct buf *out);

void verdict_destroy(struct verdict *v); // NULL is allowed

#endif
