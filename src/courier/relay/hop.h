// SPDX-License-Identifier: Apache-2.0
//
// A connection to the next server (the hop): bytes with a limit of time for everything, TLS,
// replies. The socket does not block; who waits does so in poll, in the relay's worker threads. One
// thread at a time.
#ifndef COURIER_RELAY_HOP_H
#define COURIER_RELAY_HOP_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/address.h"
#include "wire/smtp/smtp_reply.h"

#define HOP_HOST_BYTES_MAX  320
#define HOP_WORDS_BYTES_MAX 512
#define HOP_TLS_BYTES_MAX   200

// Times a server has, in milliseconds (RFC 5321 section 4.5.3.2).
struct hop_limits {
    int64_t connect_ms;
    int64_t command_ms; // greeting, replies to commands, and each block of data
    int64_t data_ms;    // from the last byte to the reply
    // Everybody's conversations end at this moment (monotonic); INT64_MAX: not known yet.
    const _Atomic(int64_t) *stop_at_ms;
};

// What a server said it can do, and what we may say to it.
struct hop_can {
    uint32_t extensions; // enum smtp_extension
    uint64_t size_max;   // 0: not named
    uint64_t rcpt_max;   // 0: not named
    bool auth_plain, auth_login;
};

struct hop {
    int fd;
    SSL *ssl; // NULL in the clear
    struct hop_limits limits;
    struct buf in, out;
    struct smtp_reply_reader reader;
    struct hop_can can;
    struct address address;
    char host[HOP_HOST_BYTES_MAX];   // "mx.example.org [192.0.2.1]"
    char tls[HOP_TLS_BYTES_MAX];     // what protects it, in words; empty: nothing
    uint8_t tls_result;              // enum ipc_tls_result
    char tls_reason[256];            // of a failure
    char source[64];                 // our address
    char words[HOP_WORDS_BYTES_MAX]; // the last reply or problem, one clean line
    unsigned code;                   // of the last reply; 0: a problem of ours
    bool is_broken;                  // no use for another message
    unsigned messages;               // sent so far
    int64_t idle_since_ms;           // while nobody uses it
};

// Connects. ERR_TIMEOUT, ERR_IO, or ERR_DENIED: that is ourselves. The words are set in any case.
enum err hop_connect(struct hop *h, const struct address *a, struct span host,
                     const struct hop_limits *limits);
// Closes without a word. Allowed after a failed hop_connect.
void hop_close(struct hop *h);
// Says QUIT if that takes no waiting, and closes.
void hop_quit(struct hop *h);

// Sends what is in h->out and clears it.
enum err hop_flush(struct hop *h);
// The same while the message is on its way: ERR_CONFLICT when the server speaks (too early)
// instead.
enum err hop_flush_data(struct hop *h);
// Reads a whole reply; the text lives until the next call. Words and code are set from it. On an
// error the words say what was wrong, the code is 0, and the connection is broken.
enum err hop_reply(struct hop *h, int64_t timeout_ms, struct smtp_reply *out);
// Sends h->out and reads one reply.
enum err hop_ask(struct hop *h, struct smtp_reply *out);
// Has the server said something that nobody asked for (or closed)?
bool hop_has_input(const struct hop *h);

// Sets words of ours (code 0).
void hop_say(struct hop *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// One clean line of a reply: "550 5.1.1 No such user", cut at a character's end.
void hop_reply_words(const struct smtp_reply *reply, char out[HOP_WORDS_BYTES_MAX]);

// For hop_tls.c: waits for POLLIN or POLLOUT. ERR_TIMEOUT also when everything is stopped.
enum err hop_wait(const struct hop *h, short events, int64_t deadline_ms);

#endif
