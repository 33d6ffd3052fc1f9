// SPDX-License-Identifier: Apache-2.0
//
// One transaction in an open conversation: MAIL, RCPT, DATA or BDAT (RFC 5321 section 3.3), with
// what the server offers (SIZE, 8BITMIME, SMTPUTF8, BINARYMIME, REQUIRETLS, DSN, PIPELINING).
// Blocks (in a worker thread).
#ifndef COURIER_RELAY_HOP_SEND_H
#define COURIER_RELAY_HOP_SEND_H

#include "courier/relay/hop.h"
#include "ipc/message.h"
#include "wire/smtp/smtp_command.h"

struct hop_rcpt {
    struct smtp_rcpt rcpt;
    const char *unfit; // why it can go nowhere (no address); NULL: it can
    // The result, once there is one.
    bool is_done, is_accepted;
    enum ipc_relay_outcome outcome;
    char host[HOP_HOST_BYTES_MAX];
    char reply[HOP_WORDS_BYTES_MAX];
};

struct hop_message {
    struct smtp_mail mail;
    uint64_t bytes;
    struct hop_rcpt *rcpts;
    size_t rcpt_n;
    // The next piece of the body; *out_last with the last one. Anything but ERR_OK: it cannot be
    // had, and the transaction is broken off.
    enum err (*next)(void *arg, struct span *out, bool *out_last);
    void *arg;
    bool is_body_begun; // pieces were taken: the message cannot be sent to another host any more
};

// ERR_OK: every recipient has a result. Anything else: those without one were not tried, because of
// the server or the connection (the words in `h` say it), and another host may be asked.
// h->is_broken says whether the conversation can be used again; then no transaction is open in it.
enum err hop_send(struct hop *h, struct hop_message *m);

// Gives all recipients that have no result this one.
void hop_settle(struct hop_message *m, enum ipc_relay_outcome outcome, const char *host,
                const char *reply);

#endif
