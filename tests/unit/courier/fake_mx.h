// SPDX-License-Identifier: Apache-2.0
//
// A mail server that does what a test says, in a thread, on a loopback port of its own; and the
// test's side of the courier: a relay, and keep's part of a transaction.
#ifndef TESTS_UNIT_COURIER_FAKE_MX_H
#define TESTS_UNIT_COURIER_FAKE_MX_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "courier/relay/courier_relay.h"

// ---- the server ---------------------------------------------------------------------------------

struct fake_mx;

struct fake_talk {
    struct fake_mx *mx;
    int fd;
    SSL *ssl;
    unsigned number; // of the connection, from 0
    char line[4096];
};

// Runs one connection; returning closes it.
typedef void fake_script(struct fake_talk *t);

struct fake_mx {
    int listen_fd;
    uint16_t port;
    fake_script *script;
    SSL_CTX *ctx; // with the certificate of setup
    pthread_t thread;
    atomic_uint connections;
    pthread_mutex_t lock;
    struct buf heard; // every line the server read, with LF; the bodies too
    int kind;         // for scripts with variants
};

void fake_mx_start(struct fake_mx *mx, fake_script *script, int kind);
void fake_mx_stop(struct fake_mx *mx);
// Did it read a line that begins so?
bool fake_mx_heard(struct fake_mx *mx, const char *start);

void say(struct fake_talk *t, const char *text); // CR LF is added
void say_raw(struct fake_talk *t, const char *bytes, size_t n);
bool hear(struct fake_talk *t); // one line into t->line; false: closed
bool hear_data(struct fake_talk *t);
bool start_tls(struct fake_talk *t);
void stay_silent(struct fake_talk *t); // until the client goes

// A server that accepts everything; `ehlo` are the extensions, a line each.
void be_good(struct fake_talk *t, const char *ehlo);
void answer_ehlo(struct fake_talk *t, const char *ehlo);

// ---- the certificate of the servers -------------------------------------------------------------

extern char test_ca_file[64];       // its file, for clients that trust it
extern unsigned char test_spki[32]; // SHA-256 of its public key
void test_certificate_make(const char *names);
void test_certificate_remove(void);

// ---- the courier --------------------------------------------------------------------------------

struct test_courier {
    struct loop *loop;
    pthread_t thread;
    struct lookup *lookup;
    struct courier_relay *relay;
};

struct test_courier_options {
    const char *dns;    // "127.0.0.1:5353"; NULL: nobody answers
    const char *anchor; // file; NULL: no DNSSEC
    uint16_t port, sts_port;
    bool forbid_private, no_ca, sandboxed;
    int64_t timeout_ms, keep_open_ms;
};
void test_courier_start(struct test_courier *c, const struct test_courier_options *o);
void test_courier_stop(struct test_courier *c);

// ---- keep's part --------------------------------------------------------------------------------

#define TEST_RCPTS_MAX 8
struct test_mail {
    const char *destination, *route_host;
    uint16_t route_port;
    unsigned route_tls;
    const char *user, *password;
    unsigned flags;
    const char *sender, *envid;
    const char *to[TEST_RCPTS_MAX], *orcpt[TEST_RCPTS_MAX];
    unsigned notify[TEST_RCPTS_MAX];
    const char *body; // NULL: a short one
    size_t body_n;    // 0: strlen(body)
    // Results.
    int outcome[TEST_RCPTS_MAX]; // -1: none came
    char host[TEST_RCPTS_MAX][321], reply[TEST_RCPTS_MAX][513];
    char tls[256], problem[513];
    char sessions[2000]; // "policy result host reason;" of each RELAY_SESSION
    bool ended;          // RELAY_END came
};
void test_send(struct test_courier *c, struct test_mail *m);

#endif
