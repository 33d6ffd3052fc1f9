// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/hop.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/smtp/smtp_write.h"

#include "base/banned.h"

#define READ_BYTES    16384
#define IN_BYTES_MAX  (SMTP_REPLY_BYTES_MAX + READ_BYTES)
#define OUT_BYTES_MAX (1u << 20)
#define LOOK_ROUND_MS 500 // how often a waiting thread looks whether all is to stop

// ---- words --------------------------------------------------------------------------------------

// Cut where a character begins, so that what is left is still UTF-8.
static void put_words(struct span s, char *out, size_t n)
{
    size_t room = HOP_WORDS_BYTES_MAX - 1 - n;

    if (s.n > room) {
        while (room && ((unsigned char)s.p[room] & 0xc0) == 0x80) {
            room--;
        }
        s.n = room;
    }
    for (size_t i = 0; i < s.n; i++) {
        out[n++] = s.p[i] == '\n' ? ' ' : s.p[i];
    }
    out[n] = '\0';
}

void hop_reply_words(const struct smtp_reply *reply, char out[HOP_WORDS_BYTES_MAX])
{
    int n = reply->has_enhanced ? snprintf(out, HOP_WORDS_BYTES_MAX, "%u %u.%u.%u ", reply->code,
                                           reply->klass, reply->subject, reply->detail)
                                : snprintf(out, HOP_WORDS_BYTES_MAX, "%u ", reply->code);

    put_words(reply->text, out, (size_t)n);
}

void hop_say(struct hop *h, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(h->words, sizeof(h->words), fmt, args);
    va_end(args);
    h->code = 0;
}

// ---- waiting ------------------------------------------------------------------------------------

enum err hop_wait(const struct hop *h, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = h->fd, .events = events};

    for (;;) {
        int64_t stop = atomic_load(h->limits.stop_at_ms), now = clock_monotonic_ms();
        int64_t left = (stop < deadline_ms ? stop : deadline_ms) - now;

        if (left <= 0) {
            return ERR_TIMEOUT;
        }
        int r = poll(&p, 1, left < LOOK_ROUND_MS ? (int)left : LOOK_ROUND_MS);

        if (r > 0) {
            return ERR_OK;
        }
        if (r < 0 && errno != EINTR) {
            return ERR_IO;
        }
    }
}

// ---- connecting ---------------------------------------------------------------------------------

// A connection to one of our own addresses comes from that very address. Private ones are only here
// because somebody allowed or wanted them.
static bool is_to_ourselves(const struct hop *h)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    struct address own;

    return address_is_public(&h->address) && getsockname(h->fd, (struct sockaddr *)&ss, &n) == 0 &&
           address_from_sockaddr((struct sockaddr *)&ss, n, &own) == ERR_OK &&
           address_same_host(&own, &h->address);
}

static enum err wait_connected(struct hop *h)
{
    int problem = 0;
    socklen_t n = sizeof(problem);
    enum err e = hop_wait(h, POLLOUT, clock_monotonic_ms() + h->limits.connect_ms);

    if (e == ERR_OK && getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &problem, &n) == 0 && problem) {
        errno = problem;
        e = ERR_IO;
    }
    return e;
}

static void set_source(struct hop *h)
{
    struct address us = {.n = sizeof(us.u)};

    if (getsockname(h->fd, &us.u.sa, &us.n) == 0) {
        snprintf(h->source, sizeof(h->source), "%s", address_host_text(&us).s);
    }
}

enum err hop_connect(struct hop *h, const struct address *a, struct span host,
                     const struct hop_limits *limits)
{
    int one = 1;
    enum err e = ERR_OK;

    *h =
        (struct hop){.fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                     .limits = *limits,
                     .address = *a};
    snprintf(h->host, sizeof(h->host), "%.*s [%s]", SPAN_ARG(span_first(host, 255)),
             address_host_text(a).s);
    buf_init(&h->in, IN_BYTES_MAX);
    buf_init(&h->out, OUT_BYTES_MAX);
    smtp_reply_reader_init(&h->reader);
    if (h->fd < 0) {
        hop_say(h, "no socket could be made for %s", h->host);
        return ERR_LIMIT;
    }
    if (connect(h->fd, &a->u.sa, a->n) < 0) {
        e = errno == EINPROGRESS ? wait_connected(h) : ERR_IO;
    }
    if (e == ERR_OK) {
        set_source(h);
    }
    if (e == ERR_OK && is_to_ourselves(h)) {
        hop_say(h, "%s is this server itself", h->host);
        return ERR_DENIED;
    }
    if (e != ERR_OK) {
        hop_say(h, "%s cannot be reached: %s", h->host,
                e == ERR_TIMEOUT ? "no answer" : strerrordesc_np(errno));
        return e;
    }
    setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return ERR_OK;
}

void hop_close(struct hop *h)
{
    SSL_free(h->ssl);
    h->ssl = NULL;
    if (h->fd >= 0) {
        close(h->fd);
    }
    h->fd = -1;
    buf_finish(&h->in);
    buf_finish(&h->out);
    smtp_reply_reader_finish(&h->reader);
}

void hop_quit(struct hop *h)
{
    static const char quit[] = "QUIT\r\n";

    if (h->fd >= 0 && !h->is_broken) {
        ssize_t ignored;

        if (h->ssl) {
            ERR_clear_error();
            ignored = SSL_write(h->ssl, quit, sizeof(quit) - 1);
            SSL_shutdown(h->ssl);
        } else {
            ignored = send(h->fd, quit, sizeof(quit) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        (void)ignored; // it is a courtesy
    }
    hop_close(h);
}

// ---- bytes --------------------------------------------------------------------------------------

// One step of reading or writing: ERR_AGAIN sets what to wait for.
static enum err ssl_result(const struct hop *h, int r, short *out_events)
{
    switch (SSL_get_error(h->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        *out_events = POLLIN;
        return ERR_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *out_events = POLLOUT;
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_EOF;
    default:
        return ERR_IO;
    }
}

static enum err read_some(struct hop *h, short *out_events)
{
    char *at = buf_reserve(&h->in, READ_BYTES);
    ssize_t n;

    if (!at) {
        return ERR_LIMIT;
    }
    *out_events = POLLIN;
    if (h->ssl) {
        ERR_clear_error();
        n = SSL_read(h->ssl, at, READ_BYTES);
        if (n <= 0) {
            return ssl_result(h, (int)n, out_events);
        }
    } else {
        n = recv(h->fd, at, READ_BYTES, 0);
        if (n <= 0) {
            return n == 0 ? ERR_EOF : errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_IO;
        }
    }
    h->in.n += (size_t)n;
    return ERR_OK;
}

static enum err write_some(struct hop *h, struct span bytes, size_t *out_n, short *out_events)
{
    ssize_t n;

    *out_events = POLLOUT;
    if (h->ssl) {
        ERR_clear_error();
        n = SSL_write(h->ssl, bytes.p, (int)(bytes.n < READ_BYTES ? bytes.n : READ_BYTES));
        if (n <= 0) {
            return ssl_result(h, (int)n, out_events);
        }
    } else {
        n = send(h->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_IO;
        }
    }
    *out_n = (size_t)n;
    return ERR_OK;
}

static enum err lost(struct hop *h, enum err e, const char *when)
{
    h->is_broken = true;
    if (e == ERR_TIMEOUT) {
        hop_say(h, "%s did not answer in time%s", h->host, when);
    } else {
        hop_say(h, "%s closed the connection%s", h->host, when);
    }
    return e;
}

bool hop_has_input(const struct hop *h)
{
    struct pollfd p = {.fd = h->fd, .events = POLLIN};

    return h->in.n > 0 || (h->ssl && SSL_pending(h->ssl) > 0) || poll(&p, 1, 0) > 0;
}

// Under TLS what can be read may be a session ticket only: looks whether it says something.
static bool speaks(struct hop *h)
{
    short events;

    if (!hop_has_input(h)) {
        return false;
    }
    return h->in.n > 0 || read_some(h, &events) != ERR_AGAIN;
}

static enum err flush(struct hop *h, bool is_data)
{
    struct span rest = buf_span(&h->out);
    int64_t deadline = clock_monotonic_ms() + h->limits.command_ms;
    enum err e = h->out.failed ? ERR_LIMIT : ERR_OK;
    short events;

    while (rest.n && e == ERR_OK) {
        size_t n = 0;

        e = is_data && speaks(h) ? ERR_CONFLICT : write_some(h, rest, &n, &events);
        if (e == ERR_AGAIN) {
            // A server that speaks while it should listen is heard, too.
            e = hop_wait(h, (short)(events | (is_data ? POLLIN : 0)), deadline);
        }
        rest = span_skip(rest, n);
    }
    buf_clear(&h->out);
    if (e != ERR_OK && e != ERR_CONFLICT) {
        return lost(h, e, is_data ? " while the message was sent" : "");
    }
    return e;
}

enum err hop_flush(struct hop *h)
{
    return flush(h, false);
}

enum err hop_flush_data(struct hop *h)
{
    return flush(h, true);
}

// ---- replies ------------------------------------------------------------------------------------

enum err hop_reply(struct hop *h, int64_t timeout_ms, struct smtp_reply *out)
{
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    enum err e;
    short events;

    for (;;) {
        struct span in = buf_span(&h->in);

        e = smtp_reply_read(&h->reader, &in, out);
        buf_consume(&h->in, h->in.n - in.n);
        if (e != ERR_AGAIN) {
            break;
        }
        e = read_some(h, &events);
        if (e == ERR_AGAIN) {
            e = hop_wait(h, events, deadline);
        } else if (e == ERR_OK && clock_monotonic_ms() > deadline) {
            e = ERR_TIMEOUT; // it speaks and speaks
        }
        if (e != ERR_OK) {
            return lost(h, e, "");
        }
    }
    if (e != ERR_OK) {
        h->is_broken = true;
        hop_say(h, "%s answered what is no reply of SMTP", h->host);
        return e;
    }
    hop_reply_words(out, h->words);
    h->code = out->code;
    h->is_broken |= out->code == 421;
    return ERR_OK;
}

enum err hop_ask(struct hop *h, struct smtp_reply *out)
{
    if (hop_has_input(h) && speaks(h)) {
        h->is_broken = true;
        struct smtp_reply early;

        // What it says may be a 421 before it goes; otherwise it is out of step.
        if (hop_reply(h, h->limits.command_ms, &early) == ERR_OK && early.code != 421) {
            hop_say(h, "%s spoke before it was asked", h->host);
        }
        h->is_broken = true;
        return ERR_INVALID;
    }
    enum err e = hop_flush(h);

    return e == ERR_OK ? hop_reply(h, h->limits.command_ms, out) : e;
}
