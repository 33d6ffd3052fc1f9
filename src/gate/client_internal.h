// SPDX-License-Identifier: Apache-2.0
//
// Inside of a client, shared by client.c (events, TLS, the end), client_login.c (logins) and
// client_pair.c (mail).
#ifndef GATE_CLIENT_INTERNAL_H
#define GATE_CLIENT_INTERNAL_H

#include "gate/client.h"
#include "net/loop.h"
#include "net/stream_client.h"

enum client_phase {
    CLIENT_HANDSHAKE,
    CLIENT_FRONT, // a front is to say whom it speaks for
    CLIENT_QUIET, // before the greeting: whoever speaks now is sent away
    CLIENT_DIALOGUE,
    CLIENT_ASKING,   // keep has been asked
    CLIENT_HELD,     // keep has refused; the answer waits
    CLIENT_ENDING,   // the last words are on their way
    CLIENT_DRAINING, // they are said; what still comes is dropped, so that they arrive
    CLIENT_GONE,     // freed at the end of the event
};

struct client {
    struct list link;
    struct gate_worker *worker;
    int64_t asked_ms; // when keep was asked about a password
    struct gate_config *config;
    const struct service *service;
    struct dialogue dialogue;
    struct stream stream;
    struct loop_source source;
    struct stream pair; // to keep, while the dialogue's is open
    struct loop_source pair_source;
    struct timer timer;
    struct address peer;
    bool is_counted; // among those who wait to log in
    bool greets;     // TLS from the first byte: a greeting follows the handshake
    bool was_late;   // keep was given more time once
    enum client_phase phase;
    int64_t login_until_ms;
    uint64_t progress_seen; // of the dialogue, when the deadline was set
    bool was_waiting;       // for keep, then
    size_t drain_budget;
    uint64_t conversation;            // 0: none
    bool has_exchange;                // keep waits for the client's next message in it
    struct stream_client certificate; // whose names the dialogue knows
    struct buf ticket;                // of a login that is told once the client has heard our proof
    struct buf front;                 // the PROXY header so far
    struct buf held_text;             // of the refusal that waits
};

// ---- client.c -----------------------------------------------------------------------------------

void client_deadline(struct client *c, int64_t at_ms);
// Back to the dialogue, with the time that is left to log in.
void client_dialogue_begin(struct client *c);
// Among those who wait to log in it is no more.
void client_uncount(struct client *c);
// The dialogue has moved: does what its step says.
void client_step(struct client *c);
// The end of every event: send, start TLS, wait for the right things, or free it.
void client_settle(struct client *c);

// A place for it, by its address and how often that comes; false, and *out_why.
bool client_admit(struct client *c, enum dialogue_end *out_why);
// It is known whom it is from: TLS or the greeting may begin, or it is sent away.
void client_welcome(struct client *c);

// ---- client_front.c -----------------------------------------------------------------------------

void client_know_peer(struct client *c); // what follows from c->peer
bool client_is_front(const struct client *c);
void client_front_begin(struct client *c);
void client_front_go_on(struct client *c);
void client_rename(struct client *c); // the dialogue's claim

// ---- client_check.c -----------------------------------------------------------------------------

extern const struct dialogue_checker client_checker;
// As much as keep takes at once of what is to be said to it.
void client_pair_say_rest(struct client *c);

// ---- client_pair.c ------------------------------------------------------------------------------

// Opens, closes and sends as the dialogue wants it, and lets it go on.
void client_pair_go_on(struct client *c);
enum err client_pair_watch(struct client *c); // waits for what is to be waited for
void client_pair_close(struct client *c);     // allowed when it is not open

// ---- client_login.c -----------------------------------------------------------------------------

void client_ask(struct client *c); // the dialogue's question
void client_ask_domain(struct client *c);
void client_admit_proven(struct client *c); // the dialogue has come to DIALOGUE_ADMIT
// Keep will not answer what it was asked.
void client_unanswered(struct client *c);
void client_forget_question(struct client *c);
void client_refused(struct client *c, enum dialogue_refusal why, struct span text);

#endif
