// SPDX-License-Identifier: Apache-2.0
//
// What a stranger says before login, apart from how it is carried: bytes go in, bytes come out, and
// a step says what the owner is to do next. No sockets, no clock, no keep, so a test or a fuzzer
// drives it as the gate does. What holds for every protocol is here: when TLS may start and that
// nothing said in the clear survives it, when a password may be said, how often one may fail, which
// last words there are. A protocol is a row of functions (struct dialogue_protocol). One thread at
// a time; nothing blocks.
//
// The owner (gate/client.c):
//     dialogue_init, dialogue_greet;
//     append what was read to d->in and call dialogue_go_on; send d->out; do what the step says.
#ifndef GATE_DIALOGUE_DIALOGUE_H
#define GATE_DIALOGUE_DIALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/settings.h"

// What the owner does once d->out has been sent.
enum dialogue_step {
    DIALOGUE_READ,      // read more into d->in, then dialogue_go_on
    DIALOGUE_ASK,       // put d->question to keep, then dialogue_refused or hand over
    DIALOGUE_START_TLS, // shake hands, then dialogue_tls_started
    DIALOGUE_CLOSE,     // all is said: close so that it arrives
    DIALOGUE_DROP,      // not a word more: close
};

// Why a connection is ended from our side.
enum dialogue_end {
    DIALOGUE_STOPPING,
    DIALOGUE_TIMEOUT,
    DIALOGUE_TOO_MANY_CLIENTS,
    DIALOGUE_TOO_MANY_FROM_ADDRESS,
    DIALOGUE_LINE_TOO_LONG,
    DIALOGUE_LITERAL_TOO_BIG,
    DIALOGUE_BAD_COMMANDS,
    DIALOGUE_LOGIN_FAILURES,
    DIALOGUE_OTHER_PROTOCOL, // HTTP, most likely a browser that was tricked
};

// How keep answered, when not with yes.
enum dialogue_refusal {
    DIALOGUE_BAD_PASSWORD, // no such user or wrong password, never said which
    DIALOGUE_UNAVAILABLE,  // could not be checked now
    DIALOGUE_TOO_MANY,     // too many connections or failures
};

struct dialogue_question {
    const char *mechanism; // static
    struct span authzid, user, password;
    struct span tag;       // of the command, for the answer
    struct span client_id; // what the client said of itself, in its protocol's form
};

struct dialogue;

struct dialogue_protocol {
    const char *alpn;   // also the service that TLS tickets are bound to
    size_t state_bytes; // of d->state; cleared before begin
    // Most unread input that can be of use: the longest command with its literals.
    size_t (*input_max)(const struct settings *s);
    void (*begin)(struct dialogue *d); // at the start and anew once TLS is up; says nothing
    void (*finish)(struct dialogue *d);
    void (*greet)(struct dialogue *d);
    bool greets_after_starttls; // ManageSieve does (RFC 5804 section 2.2)
    // Takes the next complete thing off d->in and answers it; false when it needs more bytes.
    // Called while the step is DIALOGUE_READ.
    bool (*take)(struct dialogue *d);
    void (*refused)(struct dialogue *d, enum dialogue_refusal why, struct span text);
    // One whole line (or what the protocol has for it) that ends the connection.
    void (*last_words)(struct buf *out, enum dialogue_end why, const char *text);
};

struct dialogue {
    const struct dialogue_protocol *protocol;
    const struct settings *settings; // the owner's
    bool has_tls;
    bool has_certificate; // so TLS could be started
    bool is_loopback;     // the peer is this machine
    struct buf in, out;
    enum dialogue_step step;
    struct dialogue_question question; // with DIALOGUE_ASK; see dialogue_forget_password
    unsigned failures;                 // logins; TLS does not forgive them
    unsigned bad;                      // commands that made no sense
    struct buf secret;                 // the question's texts
    void *state;                       // the protocol's
};

// ---- for the owner ------------------------------------------------------------------------------

// Prepares a dialogue in the caller's memory; `settings` must outlive it. ERR_NOMEM.
enum err dialogue_init(struct dialogue *d, const struct dialogue_protocol *p,
                       const struct settings *settings);
void dialogue_finish(struct dialogue *d); // also after a failed init
void dialogue_greet(struct dialogue *d);
// Takes what is complete from d->in. Bytes behind a command that starts TLS make it DIALOGUE_DROP.
void dialogue_go_on(struct dialogue *d);
// The question has been sent: user and password are wiped, tag and client_id stay.
void dialogue_forget_password(struct dialogue *d);
// Says no (`text`, when not empty, says why) and goes on with what was sent behind the question.
void dialogue_refused(struct dialogue *d, enum dialogue_refusal why, struct span text);
// The handshake is done: all that was said before is forgotten.
void dialogue_tls_started(struct dialogue *d);
// Whatever the step: says why and ends. After STARTTLS was granted no word may be said any more.
void dialogue_end(struct dialogue *d, enum dialogue_end why);
// The line alone, for a connection that gets no dialogue.
void dialogue_last_words(const struct dialogue_protocol *p, enum dialogue_end why, struct buf *out);

// ---- for the protocol ---------------------------------------------------------------------------

// Drops input; what was read may be a password and is wiped.
void dialogue_consume(struct dialogue *d, size_t n);
// Passwords may be said: TLS, or loopback where the setting allows it.
bool dialogue_is_private(const struct dialogue *d);
bool dialogue_can_start_tls(const struct dialogue *d);
// Texts are copied but tag and client_id, which stay the protocol's.
void dialogue_ask(struct dialogue *d, const struct dialogue_question *q);
void dialogue_start_tls(struct dialogue *d); // after the line that grants it
void dialogue_close(struct dialogue *d);     // after the protocol's own goodbye
// A web browser, or something that makes one speak to this port for it.
bool dialogue_is_http(struct span line);
// One more command that made no sense; too many end the dialogue.
void dialogue_count_bad(struct dialogue *d);

#endif
