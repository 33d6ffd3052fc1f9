// SPDX-License-Identifier: Apache-2.0
#include "fake_mx.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "../test.h"
#include "ipc/channel.h"
#include "ipc/sandbox.h"
#include "net/loop.h"
#include "net/tls.h"

#define PATIENCE_MS 60000

char test_ca_file[64];
unsigned char test_spki[32];
static char key_file[64];

// ---- bytes --------------------------------------------------------------------------------------

void say_raw(struct fake_talk *t, const char *bytes, size_t n)
{
    while (n) {
        ssize_t r = t->ssl ? SSL_write(t->ssl, bytes, (int)n) : send(t->fd, bytes, n, MSG_NOSIGNAL);

        if (r <= 0) {
            return;
        }
        bytes += r;
        n -= (size_t)r;
    }
}

void say(struct fake_talk *t, const char *text)
{
    char line[5000];
    int n = snprintf(line, sizeof(line), "%s\r\n", text);

    say_raw(t, line, (size_t)n);
}

bool hear(struct fake_talk *t)
{
    size_t n = 0;
    char c;

    while (n < sizeof(t->line) - 1) {
        ssize_t r = t->ssl ? SSL_read(t->ssl, &c, 1) : recv(t->fd, &c, 1, 0);

        if (r <= 0) {
            return false;
        }
        if (c == '\n') {
            break;
        }
        t->line[n++] = c;
    }
    n -= n && t->line[n - 1] == '\r';
    t->line[n] = '\0';
    pthread_mutex_lock(&t->mx->lock);
    buf_put_str(&t->mx->heard, t->line);
    buf_put_byte(&t->mx->heard, '\n');
    pthread_mutex_unlock(&t->mx->lock);
    return true;
}

bool hear_data(struct fake_talk *t)
{
    while (hear(t)) {
        if (strcmp(t->line, ".") == 0) {
            return true;
        }
    }
    return false;
}

bool start_tls(struct fake_talk *t)
{
    t->ssl = SSL_new(t->mx->ctx);
    SSL_set_fd(t->ssl, t->fd);
    return SSL_accept(t->ssl) == 1;
}

void stay_silent(struct fake_talk *t)
{
    char c[512];

    while (recv(t->fd, c, sizeof(c), 0) > 0) {
    }
}

void answer_ehlo(struct fake_talk *t, const char *ehlo)
{
    char line[512];

    say(t, "250-mx.test");
    while (*ehlo) {
        size_t n = strcspn(ehlo, " ");

        snprintf(line, sizeof(line), "250-%.*s", (int)n, ehlo);
        for (char *p = line; *p; p++) {
            *p = *p == '_' ? ' ' : *p;
        }
        say(t, line);
        ehlo += n + (ehlo[n] == ' ');
    }
    say(t, "250 HELP");
}

void be_good(struct fake_talk *t, const char *ehlo)
{
    say(t, "220 mx.test ESMTP");
    while (hear(t)) {
        if (strncmp(t->line, "EHLO", 4) == 0) {
            answer_ehlo(t, ehlo);
        } else if (strcmp(t->line, "STARTTLS") == 0) {
            say(t, "220 go");
            if (!start_tls(t)) {
                return;
            }
        } else if (strcmp(t->line, "DATA") == 0) {
            say(t, "354 go");
            if (!hear_data(t)) {
                return;
            }
            say(t, "250 2.0.0 taken");
        } else if (strncmp(t->line, "BDAT", 4) == 0) {
            char c;

            for (long n = strtol(t->line + 5, NULL, 10); n > 0; n--) {
                if (recv(t->fd, &c, 1, 0) != 1) {
                    return;
                }
                pthread_mutex_lock(&t->mx->lock);
                buf_put_byte(&t->mx->heard, c);
                pthread_mutex_unlock(&t->mx->lock);
            }
            say(t, "250 2.0.0 chunk");
        } else if (strcmp(t->line, "QUIT") == 0) {
            say(t, "221 bye");
            return;
        } else {
            say(t, "250 2.1.0 ok");
        }
    }
}

// ---- the server ---------------------------------------------------------------------------------

struct connection {
    struct fake_talk talk;
    struct fake_mx *mx;
};

static void *serve(void *arg)
{
    struct fake_mx *mx = arg;
    int fd;

    // One connection after the other: what tests need.
    while ((fd = accept(mx->listen_fd, NULL, NULL)) >= 0) {
        struct fake_talk t = {.mx = mx, .fd = fd, .number = atomic_fetch_add(&mx->connections, 1)};

        mx->script(&t);
        SSL_free(t.ssl);
        close(fd);
    }
    return NULL;
}

void fake_mx_start(struct fake_mx *mx, fake_script *script, int kind)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t n = sizeof(sa);

    *mx = (struct fake_mx){.script = script, .kind = kind};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    mx->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(mx->listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(mx->listen_fd, 50), 0);
    getsockname(mx->listen_fd, (struct sockaddr *)&sa, &n);
    mx->port = ntohs(sa.sin_port);
    pthread_mutex_init(&mx->lock, NULL);
    buf_init(&mx->heard, 64u << 20);
    mx->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(mx->ctx, test_ca_file, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(mx->ctx, key_file, SSL_FILETYPE_PEM), 1);
    assert_int_equal(pthread_create(&mx->thread, NULL, serve, mx), 0);
}

void fake_mx_stop(struct fake_mx *mx)
{
    shutdown(mx->listen_fd, SHUT_RDWR);
    pthread_join(mx->thread, NULL);
    close(mx->listen_fd);
    SSL_CTX_free(mx->ctx);
    buf_finish(&mx->heard);
    pthread_mutex_destroy(&mx->lock);
}

bool fake_mx_heard(struct fake_mx *mx, const char *start)
{
    bool found = false;

    pthread_mutex_lock(&mx->lock);
    struct span rest = buf_span(&mx->heard);

    while (rest.n && !found) {
        found = span_starts(span_split(&rest, '\n'), span_from_str(start));
    }
    pthread_mutex_unlock(&mx->lock);
    return found;
}

// ---- the certificate ----------------------------------------------------------------------------

static void write_file(char *path, const char *template, struct span text)
{
    snprintf(path, 64, "%s", template);
    int fd = mkstemp(path);

    assert_true(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
    close(fd);
}

void test_certificate_make(const char *names)
{
    struct buf cert, key;

    signal(SIGPIPE, SIG_IGN);
    buf_init(&cert, 65536);
    buf_init(&key, 65536);
    assert_ok(tls_self_signed(span_from_str(names), &cert, &key));
    write_file(test_ca_file, "/tmp/mk-courier-ca-XXXXXX", buf_span(&cert));
    write_file(key_file, "/tmp/mk-courier-key-XXXXXX", buf_span(&key));
    BIO *bio = BIO_new_mem_buf(cert.p, (int)cert.n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);

    SHA256(der, (size_t)n, test_spki);
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(bio);
    buf_finish(&cert);
    buf_finish(&key);
}

void test_certificate_remove(void)
{
    unlink(test_ca_file);
    unlink(key_file);
}

// ---- the courier --------------------------------------------------------------------------------

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

void test_courier_start(struct test_courier *c, const struct test_courier_options *o)
{
    struct span server = span_from_str(o->dns ? o->dns : "127.0.0.1:1");
    struct lookup_options lookup = {.servers = &server,
                                    .server_n = 1,
                                    .trust_anchor = o->anchor,
                                    .dnssec =
                                        o->anchor ? LOOKUP_DNSSEC_REQUIRED : LOOKUP_DNSSEC_OFF,
                                    .open_max = 100,
                                    .timeout_ms = 20000};
    int64_t timeout = o->timeout_ms ? o->timeout_ms : 20000;

    assert_ok(lookup_create(&lookup, &c->lookup));
    struct courier_relay_options relay = {.lookup = c->lookup,
                                          .threads = 4,
                                          .port = o->port,
                                          .sts_port = o->sts_port,
                                          .allow_private = !o->forbid_private,
                                          .ca_file = o->no_ca ? "" : test_ca_file,
                                          .connect_ms = timeout,
                                          .command_ms = timeout,
                                          .data_ms = timeout,
                                          .keep_open_ms = o->keep_open_ms};

    assert_ok(courier_relay_create(&relay, &c->relay));
    if (o->sandboxed) {
        assert_ok(sandbox_enter(SANDBOX_COURIER, NULL));
    }
    assert_ok(loop_create(&c->loop));
    assert_ok(lookup_start(c->lookup, c->loop));
    assert_ok(courier_relay_start(c->relay));
    assert_int_equal(pthread_create(&c->thread, NULL, run_loop, c->loop), 0);
}

void test_courier_stop(struct test_courier *c)
{
    lookup_stop(c->lookup);
    courier_relay_destroy(c->relay);
    loop_stop(c->loop);
    pthread_join(c->thread, NULL);
    lookup_destroy(c->lookup);
    loop_destroy(c->loop);
}

// ---- keep's part --------------------------------------------------------------------------------

static struct span text_or(const char *s, const char *otherwise)
{
    return span_from_str(s ? s : otherwise);
}

static void put_body(struct buf *out, struct span body)
{
    do {
        struct span piece = span_first(body, 65536);

        body = span_skip(body, piece.n);
        struct ipc_relay_body m = {.last = body.n == 0, .bytes = piece};

        assert_ok(ipc_relay_body_encode(&m, 0, out));
    } while (body.n);
}

static void put_job(struct test_mail *m, unsigned rcpts, size_t bytes, struct buf *out)
{
    struct ipc_relay_job job = {.id = 0x1234,
                                .destination = text_or(m->destination, "example.test"),
                                .route_host = text_or(m->route_host, ""),
                                .route_port = m->route_port,
                                .route_tls = (uint8_t)m->route_tls,
                                .route_user = text_or(m->user, ""),
                                .route_password = text_or(m->password, ""),
                                .helo = SPAN("out.example.org"),
                                .sender = text_or(m->sender, "anna@example.org"),
                                .flags = m->flags,
                                .bytes = bytes,
                                .envid = text_or(m->envid, ""),
                                .recipients = rcpts};

    assert_ok(ipc_relay_job_encode(&job, 0, out));
    for (unsigned i = 0; i < rcpts; i++) {
        struct ipc_relay_rcpt r = {.address = text_or(m->to[i], ""),
                                   .orcpt = text_or(m->orcpt[i], ""),
                                   .notify = (uint8_t)m->notify[i]};

        assert_ok(ipc_relay_rcpt_encode(&r, 0, out));
    }
}

static void take_frame(struct test_mail *m, const struct ipc_frame *frame)
{
    struct ipc_relay_result r;
    struct ipc_relay_end end;

    if (frame->type == IPC_RELAY_END) {
        assert_ok(ipc_relay_end_decode(frame->fields, &end));
        snprintf(m->tls, sizeof(m->tls), "%.*s", SPAN_ARG(end.tls));
        snprintf(m->problem, sizeof(m->problem), "%.*s", SPAN_ARG(end.problem));
        m->ended = true;
        return;
    }
    if (frame->type == IPC_RELAY_SESSION) {
        struct ipc_relay_session s;
        size_t n = strlen(m->sessions);

        assert_ok(ipc_relay_session_decode(frame->fields, &s));
        snprintf(m->sessions + n, sizeof(m->sessions) - n, "%u %u %.*s %.*s;", s.policy, s.result,
                 SPAN_ARG(s.host), SPAN_ARG(s.reason));
        return;
    }
    assert_int_equal(frame->type, IPC_RELAY_RESULT);
    assert_ok(ipc_relay_result_decode(frame->fields, &r));
    assert_true(r.recipient < TEST_RCPTS_MAX && m->outcome[r.recipient] == -1);
    m->outcome[r.recipient] = r.outcome;
    snprintf(m->host[r.recipient], sizeof(m->host[0]), "%.*s", SPAN_ARG(r.host));
    snprintf(m->reply[r.recipient], sizeof(m->reply[0]), "%.*s", SPAN_ARG(r.reply));
}

struct feeder {
    int fd;
    struct buf frames;
};

static void *feed(void *arg)
{
    struct feeder *f = arg;
    struct span rest = buf_span(&f->frames);

    while (rest.n) {
        ssize_t n = send(f->fd, rest.p, rest.n, MSG_NOSIGNAL);

        if (n <= 0) {
            break; // the rest is not wanted
        }
        rest = span_skip(rest, (size_t)n);
    }
    return NULL;
}

void test_send(struct test_courier *c, struct test_mail *m)
{
    static const char text[] = "Subject: hello\r\n\r\n.a line with a dot\r\nbye\r\n";
    struct span body = m->body_n ? span_of(m->body, m->body_n) : text_or(m->body, text);
    struct feeder f;
    pthread_t thread;
    int pair[2];
    unsigned rcpts = 0;

    memset(m->outcome, 0xff, sizeof(m->outcome));
    m->ended = false;
    m->tls[0] = m->problem[0] = '\0';
    if (!m->to[0]) {
        m->to[0] = "ben@example.test";
    }
    while (rcpts < TEST_RCPTS_MAX && m->to[rcpts]) {
        rcpts++;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    buf_init(&f.frames, 256u << 20);
    put_job(m, rcpts, body.n, &f.frames);
    put_body(&f.frames, body);
    f.fd = pair[0];
    assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
    courier_relay_take(c->relay, pair[1]);
    for (;;) {
        struct buf in;
        struct ipc_frame frame;
        int fds[IPC_FDS_MAX];

        buf_init(&in, IPC_FRAME_BYTES_MAX);
        enum err e = channel_receive_blocking(pair[0], PATIENCE_MS, &in, &frame, fds);

        if (e == ERR_OK) {
            take_frame(m, &frame);
        }
        buf_finish(&in);
        if (e != ERR_OK) {
            break;
        }
    }
    shutdown(pair[0], SHUT_RDWR);
    pthread_join(thread, NULL);
    close(pair[0]);
    buf_finish(&f.frames);
}
