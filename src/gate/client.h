// SPDX-License-Identifier: Apache-2.0
//
// A connection before login: its stream, its buffers, its deadline, and the question it has put to
// keep. What is said on it is the protocol's business (imap_login.c). Lives on one worker's loop;
// all functions on that thread. A client is freed by itself, never by its protocol.
#ifndef GATE_CLIENT_H
#define GATE_CLIENT_H

#include "gate/gate_internal.h"
#include "gate/worker.h"
#include "ipc/message.h"
#include "net/stream.h"

struct client;

struct client_protocol {
    size_t state_bytes; // of what client_state returns; cleared at the start
    uint8_t ipc_protocol;
    void (*start)(struct client *c);  // the state is cleared; write the greeting
    void (*finish)(struct client *c); // free what the state owns
    // Bytes have come, or may go on after an answer: take what is complete from client_input. Ends
    // when it needs more or after client_ask, client_start_tls or client_close.
    void (*input)(struct client *c);
    // The answer to client_ask, when it is not yes: say so. With `too_often` the connection is
    // closed after.
    void (*refused)(struct client *c, enum ipc_auth why, struct span text, bool too_often);
    // Say that the time is over, or that the server stops; the connection is closed after.
    void (*goodbye)(struct client *c, const char *text);
};

// Takes over `fd`. The client is in no list of the caller's; it frees itself at its end.
void client_start(struct gate_worker *w, int fd, const struct address *peer, bool implicit_tls,
                  const struct client_protocol *protocol);

void *client_state(struct client *c);
const struct settings *client_settings(const struct client *c);
struct span client_input(const struct client *c);
void client_consume(struct client *c, size_t n);
struct buf *client_output(struct client *c);
// False once the connection ends or waits for keep: stop taking input.
bool client_may_go_on(const struct client *c);

bool client_has_tls(const struct client *c);
bool client_can_start_tls(const struct client *c);
// Passwords may be said on this connection: TLS, or loopback where the setting allows it.
bool client_is_private(const struct client *c);

// Asks keep about a password. With yes the connection goes to keep together with `tag`, `client_id`
// and the input that is left; otherwise protocol->refused is called, later.
struct client_question {
    const char *mechanism;
    struct span authzid, user, password;
    struct span tag;       // copied
    struct span client_id; // copied
};
void client_ask(struct client *c, const struct client_question *q);

// After what is in the output: TLS. The state starts anew after the handshake, without a greeting.
void client_start_tls(struct client *c);
// After what is in the output: the end.
void client_close(struct client *c);

#endif
