// SPDX-License-Identifier: Apache-2.0
//
// What a stranger says to the gate, apart from how it is carried: bytes go in, bytes come out, and
// a step says what the owner is to do next. No sockets, no keep, so a test or a fuzzer drives it as
// the gate does. What holds for every protocol is here: when TLS may start and that nothing said in
// the clear survives it, when a password may be said, how often one may fail, which last words
// there are. A protocol is a row of functions (struct dialogue_protocol). One thread at a time;
// nothing blocks.
//
// Most protocols end here with the login, and the session goes to keep. One that stays (SMTP) talks
// with keep meanwhile, over a pair of its own: frames in d->pair, both ways.
//
// The owner (gate/client.c):
//     dialogue_init, dialogue_greet;
//     append what was read to d->in and call dialogue_go_on; send d->out; do what the step says;
//     open d->pair when it is wanted; send d->pair.out, append what keep says to d->pair.in, and
//     call dialogue_pair_moved after either.
#ifndef GATE_DIALOGUE_DIALOGUE_H
#define GATE_DIALOGUE_DIALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/settings.h"
#include "gate/dialogue/dialogue_check.h"

// What the owner does once d->out has been sent.
enum dialogue_step {
    DIALOGUE_READ,       // read more into d->in, then dialogue_go_on
    DIALOGUE_WAIT,       // for keep to speak, or to take d->pair.out; then dialogue_pair_moved; or,
                         // with d->hold_until_ms, for that moment; then dialogue_resume
    DIALOGUE_ASK,        // put d->question to keep, then dialogue_refused or dialogue_accepted
    DIALOGUE_ASK_DOMAIN, // ask keep about d->domain, then dialogue_domain_known
    DIALOGUE_START_TLS,  // shake hands, then dialogue_tls_started
    DIALOGUE_ADMIT,      // it has heard that we know its secret, too: as if keep had just let it in
    DIALOGUE_RENAME,     // the peer speaks for d->claim; then dialogue_renamed
    DIALOGUE_CLOSE,      // all is said: close so that it arrives
    DIALOGUE_DROP,       // not a word more: close
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
    DIALOGUE_SPOKE_FIRST,    // before the greeting
    DIALOGUE_TOO_FAST,       // new connections or messages
    DIALOGUE_NOT_FROM_THERE, // the service is not for this address
    DIALOGUE_END__COUNT
};

// How keep answered, when not with yes.
enum dialogue_refusal {
    DIALOGUE_BAD_PASSWORD, // no such user or wrong password, never said which; with a text the
                           // password was right, and that is in the way
    DIALOGUE_UNAVAILABLE,  // could not be checked now
    DIALOGUE_TOO_MANY,     // too many connections or failures
};

// What keep knows of a domain.
enum dialogue_domain {
    DIALOGUE_DOMAIN_OURS,
    DIALOGUE_DOMAIN_OTHER,
    DIALOGUE_DOMAIN_UNKNOWN, // it could not be asked now
};

struct dialogue_question {
    const char *mechanism; // static
    struct span authzid, user, password;
    struct span message,
        binding;           // of SCRAM and EXTERNAL, instead of a password; see ipc/message_table.h
    bool is_response;      // `message` answers what keep said to the one before
    struct span tag;       // of the command, for the answer
    struct span client_id; // what the client said of itself, in its protocol's form
};

enum dialogue_pair_kind {
    DIALOGUE_PAIR_MAIL,
    DIALOGUE_PAIR_FIGURES,   // for /metrics
    DIALOGUE_PAIR_OPERATION, // of whoever d->ticket was given to
    DIALOGUE_PAIR_OAUTH,     // what our own authorization server is asked
    DIALOGUE_PAIR_SCIM,      // what an identity provider asks for
};

// The conversation with keep beside the client's, for a protocol that stays in the gate.
struct dialogue_pair {
    bool is_wanted;               // set by the protocol
    bool is_open;                 // set by the owner
    enum dialogue_pair_kind kind; // set by the protocol: what it is for
    bool is_spent; // the one that is open is of no use any more: to be closed before another
    struct buf in, out;
};

// Whom we speak with, as far as the owner knows, or as a trusted front says.
struct dialogue_peer {
    char address[64]; // without port
    uint16_t port, local_port;
    char tls_text[96]; // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty in the clear
    bool may_relay;    // the settings let it send to other servers without a login
    bool may_rename;   // a front: it may say for whom it speaks
    bool is_known;     // one of ours: not measured by how much and how fast it sends
};

// What binds a sign-in to the TLS connection; of no bytes where the connection has none.
struct dialogue_channel {
    unsigned char exporter[32], server_point[64]; // RFC 9266, RFC 5929 section 4
    size_t exporter_n, server_point_n;
};

// The client's certificate, when it is one to sign in by: the addresses in it; none: it is not.
#define DIALOGUE_CERTIFICATE_NAMES 8
struct dialogue_certificate {
    unsigned char digest[32];
    size_t name_count;
    struct span names[DIALOGUE_CERTIFICATE_NAMES]; // the owner's
};

struct dialogue;
struct dialogue_sasl;

struct dialogue_protocol {
    const char *alpn;        // also the service that TLS tickets are bound to
    size_t state_bytes;      // of d->state; cleared before begin
    int variant;             // for protocols that share their functions
    enum setting_id bad_max; // commands that make no sense
    // Most unread input that can be of use: the longest command with its literals.
    size_t (*input_max)(const struct settings *s);
    void (*begin)(struct dialogue *d); // at the start and anew once TLS is up; says nothing
    void (*finish)(struct dialogue *d);
    void (*greet)(struct dialogue *d);
    // One line that says yes or no, where such a line needs no more than its text; else NULL.
    void (*say)(struct dialogue *d, bool is_yes, const char *text);
    bool greets_after_starttls; // ManageSieve does (RFC 5804 section 2.2)
    bool has_no_login;          // and has never had the SASL mechanism LOGIN
    // Takes the next complete thing off d->in and answers it; false when it needs more bytes, or
    // has set another step. Called while the step is DIALOGUE_READ.
    bool (*take)(struct dialogue *d);
    // Sets tag and client_id of a question; NULL: there are none.
    void (*identify)(struct dialogue *d, struct dialogue_question *q);
    void (*refused)(struct dialogue *d, enum dialogue_refusal why, struct span text);
    struct dialogue_sasl *(*sasl)(struct dialogue *d); // NULL: there is no SASL
    bool says_last_with_yes; // what a mechanism says last goes with the OK (RFC 5804 section 2.1)
    // One whole line (or what the protocol has for it) that ends the connection.
    void (*last_words)(struct buf *out, enum dialogue_end why, const char *text);

    // For a protocol that stays in the gate; all NULL for those that are handed over.
    void (*accepted)(struct dialogue *d, struct span ticket); // keep let the user in
    bool is_private_here; // it speaks in the clear with this machine, also passwords
    bool keeps_place;     // a login does not end its being counted: there is one for each request
    // Takes the whole frames off d->pair.in. ERR_INVALID: keep broke the rules, the pair is lost.
    enum err (*heard)(struct dialogue *d);
    void (*lost)(struct dialogue *d); // the pair could not be opened, or has ended; it is closed
    // Answers a claim; when it was believed, begin was called before.
    void (*renamed)(struct dialogue *d, bool is_believed);
    void (*checked)(struct dialogue *d, const struct dialogue_check_result *r);
    void (*domain_known)(struct dialogue *d, enum dialogue_domain is);
    // Milliseconds in which d->progress must grow; negative: the time to log in is the limit.
    int64_t (*patience_ms)(const struct dialogue *d);
    size_t (*read_bytes)(const struct dialogue *d); // worth reading at once
};

struct dialogue {
    const struct dialogue_protocol *protocol;
    const struct settings *settings; // the owner's
    struct span host;                // our name; the owner's
    bool has_tls;
    bool has_certificate; // so TLS could be started
    bool is_loopback;     // the peer is this machine
    struct dialogue_peer peer;
    struct dialogue_channel channel;         // with TLS; the owner's
    struct dialogue_certificate certificate; // with TLS
    struct buf in, out;
    struct dialogue_pair pair;
    enum dialogue_step step;
    struct dialogue_question question; // with DIALOGUE_ASK; see dialogue_forget_password
    struct span domain;                // with DIALOGUE_ASK_DOMAIN; the protocol's
    int64_t hold_until_ms;             // with DIALOGUE_WAIT: of clock_monotonic_ms; 0: nothing
    char ticket[64];                   // of the login, for who opens the pair
    size_t ticket_bytes;
    struct dialogue_peer claim;             // with DIALOGUE_RENAME: address and ports only
    unsigned failures;                      // logins; TLS does not forgive them
    unsigned bad;                           // commands that made no sense
    uint64_t progress;                      // grows with each whole command and piece of a message
    struct buf secret;                      // the question's texts
    void *state;                            // the protocol's
    const struct dialogue_checker *checker; // of messages; the owner's, NULL: they go unchecked
    // May a message be begun now, as far as the owner counts them? NULL: yes.
    bool (*admit_message)(struct dialogue *d);
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
// Says yes and goes on; for protocols that stay in the gate (the others are handed over).
void dialogue_accepted(struct dialogue *d, struct span ticket);
// Keep has something to say to the client's message. `is_last`: nothing more to ask; once the
// client has heard it, the step is DIALOGUE_ADMIT.
void dialogue_challenged(struct dialogue *d, struct span bytes, bool is_last);
// The answer about d->domain, and on with what was sent behind the question.
void dialogue_domain_known(struct dialogue *d, enum dialogue_domain is);
// The handshake is done: all that was said before is forgotten.
void dialogue_tls_started(struct dialogue *d);
// d->peer is the new one when it `is_believed`, and all that was said before is forgotten.
void dialogue_renamed(struct dialogue *d, bool is_believed);
// What the checker found. Not from within one of its functions.
void dialogue_checked(struct dialogue *d, const struct dialogue_check_result *r);
// Whatever a dialogue in DIALOGUE_WAIT waits for may have come.
void dialogue_resume(struct dialogue *d);
// Keep has said something, or taken something.
void dialogue_pair_moved(struct dialogue *d);
// The pair has ended, or there is none to be had.
void dialogue_pair_lost(struct dialogue *d);
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
// May this user in? The texts are copied.
void dialogue_ask(struct dialogue *d, const char *mechanism, struct span authzid, struct span user,
                  struct span password);
// The same for a whole question; mechanism, texts and is_response are the caller's.
void dialogue_ask_with(struct dialogue *d, const struct dialogue_question *q);
// Is the domain ours? The text must last until the answer.
void dialogue_ask_domain(struct dialogue *d, struct span domain);
void dialogue_start_tls(struct dialogue *d); // after the line that grants it
void dialogue_close(struct dialogue *d);     // after the protocol's own goodbye
// A web browser, or something that makes one speak to this port for it.
bool dialogue_is_http(struct span line);
// With protocol->say: answers a command that made no sense, and counts it.
void dialogue_say_bad(struct dialogue *d, const char *text);
// With protocol->say: answers the command that starts TLS, and starts it.
void dialogue_answer_starttls(struct dialogue *d);
// It may be otherwise in a while: a client had better come again later.
bool dialogue_end_is_busy(enum dialogue_end why);
// One more command that made no sense; too many end the dialogue.
void dialogue_count_bad(struct dialogue *d);

#endif
