// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tls_internal.h"

#include "base/banned.h"

void stream_init(struct stream *s, int fd)
{
    *s = (struct stream){.fd = fd, .handshaken = true};
}

void stream_finish(struct stream *s)
{
    if (s->ssl) {
        stream_shutdown(s);
        SSL_free(s->ssl);
        tls_context_unref(s->tls);
        s->ssl = NULL;
        s->tls = NULL;
    }
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

int stream_release_fd(struct stream *s)
{
    int fd = s->fd;

    ASSERT(!s->ssl);
    s->fd = -1;
    return fd;
}

enum err stream_start_tls(struct stream *s, struct tls_context *t)
{
    SSL *ssl = tls_context_session(t);

    ASSERT(!s->ssl);
    if (!ssl || SSL_set_fd(ssl, s->fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return ERR_NOMEM;
    }
    SSL_set_accept_state(ssl);
    s->ssl = ssl;
    s->tls = tls_context_ref(t);
    s->handshaken = false;
    return ERR_OK;
}

// What the return value of an OpenSSL call means. `reading`: which direction was asked for.
static enum err ssl_result(struct stream *s, int r, bool reading)
{
    enum err e;

    switch (SSL_get_error(s->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        s->write_wants_read = !reading;
        e = ERR_AGAIN;
        break;
    case SSL_ERROR_WANT_WRITE:
        s->read_wants_write = reading;
        e = ERR_AGAIN;
        break;
    case SSL_ERROR_ZERO_RETURN:
        e = ERR_EOF;
        break;
    default:
        e = ERR_IO; // also the end of the socket without a close_notify: it may be a forgery
        SSL_set_quiet_shutdown(s->ssl, 1);
        break;
    }
    ERR_clear_error();
    return e;
}

enum err stream_handshake(struct stream *s)
{
    if (s->handshaken) {
        return ERR_OK;
    }
    ERR_clear_error();
    s->read_wants_write = s->write_wants_read = false;
    int r = SSL_accept(s->ssl);

    if (r == 1) {
        s->handshaken = true;
        return ERR_OK;
    }
    return ssl_result(s, r, true) == ERR_AGAIN ? ERR_AGAIN : ERR_INVALID;
}

static enum err clear_read(struct stream *s, char *at, size_t n, size_t *out_n)
{
    ssize_t k;

    do {
        k = recv(s->fd, at, n, MSG_DONTWAIT);
    } while (k < 0 && errno == EINTR);
    if (k > 0) {
        *out_n = (size_t)k;
        return ERR_OK;
    }
    return k == 0 ? ERR_EOF : errno == EAGAIN ? ERR_AGAIN : ERR_IO;
}

enum err stream_read(struct stream *s, struct buf *into, size_t max)
{
    size_t room = into->max - into->n, got = 0;
    enum err e;

    if (room > max) {
        room = max;
    }
    char *at = room ? buf_reserve(into, room) : NULL;

    if (!at) {
        return ERR_LIMIT;
    }
    if (!s->ssl) {
        e = clear_read(s, at, room, &got);
    } else {
        ERR_clear_error();
        s->read_wants_write = false;
        int r = SSL_read_ex(s->ssl, at, room, &got);

        e = r == 1 ? ERR_OK : ssl_result(s, r, true);
    }
    into->n += e == ERR_OK ? got : 0;
    return e;
}

static enum err clear_write(struct stream *s, struct span bytes, size_t *out_taken)
{
    ssize_t k;

    do {
        k = send(s->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (k < 0 && errno == EINTR);
    if (k >= 0) {
        *out_taken = (size_t)k;
        return ERR_OK;
    }
    return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
}

enum err stream_write(struct stream *s, struct span bytes, size_t *out_taken)
{
    if (!bytes.n) {
        *out_taken = 0;
        return ERR_OK;
    }
    if (!s->ssl) {
        return clear_write(s, bytes, out_taken);
    }
    size_t taken = 0;

    ERR_clear_error();
    s->write_wants_read = false;
    int r = SSL_write_ex(s->ssl, bytes.p, bytes.n, &taken);
    enum err e = r == 1 ? ERR_OK : ssl_result(s, r, false);

    if (e == ERR_OK) {
        *out_taken = taken;
    }
    return e == ERR_EOF ? ERR_IO : e;
}

void stream_shutdown(struct stream *s)
{
    if (s->ssl && s->handshaken) {
        ERR_clear_error();
        SSL_shutdown(s->ssl);
        ERR_clear_error();
    }
    if (s->fd >= 0) {
        shutdown(s->fd, SHUT_WR);
    }
}

enum err stream_drain(int fd, size_t *budget)
{
    char bin[4096];

    while (*budget) {
        ssize_t n = recv(fd, bin, sizeof(bin), MSG_DONTWAIT);

        if (n > 0) {
            *budget -= (size_t)n < *budget ? (size_t)n : *budget;
        } else if (n == 0) {
            return ERR_EOF;
        } else if (errno != EINTR) {
            return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
        }
    }
    return ERR_LIMIT;
}

void stream_acknowledge(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one)); // no TCP: no matter
}

bool stream_has_pending(const struct stream *s)
{
    return s->ssl && SSL_has_pending(s->ssl);
}

uint32_t stream_events(const struct stream *s, bool want_read, bool want_write)
{
    if (!s->handshaken) {
        return s->read_wants_write ? EPOLLOUT : EPOLLIN;
    }
    bool in = (want_read && !s->read_wants_write) || (want_write && s->write_wants_read);
    bool out = (want_write && !s->write_wants_read) || (want_read && s->read_wants_write);

    return (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u);
}

struct stream_tls_text stream_tls_text(const struct stream *s)
{
    struct stream_tls_text t = {""};

    if (s->ssl && s->handshaken) {
        snprintf(t.s, sizeof(t.s), "%s %s", SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl));
    }
    return t;
}
