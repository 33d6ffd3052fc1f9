// SPDX-License-Identifier: Apache-2.0
#include "courier/filter/milter_stream.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/channel.h"

#include "base/banned.h"

#define SLICE_MS      200 // then it is looked whether all stops
#define READ_BYTES    16384
#define OUT_BYTES_MAX (2u << 20)
#define OPEN_MS_MAX   5000 // to connect
#define BUSY_MS       50   // between tries while a Unix socket's queue is full

static enum err wait_for(struct milter_stream *s, short events, int64_t until_ms)
{
    struct pollfd p = {.fd = s->fd, .events = events};

    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();

        if (atomic_load(s->limits->is_stopping) || left <= 0) {
            return ERR_TIMEOUT;
        }
        int n = poll(&p, 1, (int)(left < SLICE_MS ? left : SLICE_MS));

        if (n > 0) {
            return ERR_OK;
        }
        if (n < 0 && errno != EINTR) {
            return ERR_IO;
        }
    }
}

static enum err finish_connect(struct milter_stream *s)
{
    int64_t soon = clock_monotonic_ms() + OPEN_MS_MAX;
    int error = 0;
    socklen_t n = sizeof(error);
    enum err e = wait_for(s, POLLOUT, soon < s->limits->until_ms ? soon : s->limits->until_ms);

    if (e == ERR_OK && (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error)) {
        e = ERR_UNAVAILABLE;
    }
    return e;
}

static enum err open_tcp(struct milter_stream *s, const struct address *to)
{
    s->fd = socket(to->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0) {
        return ERR_UNAVAILABLE;
    }
    if (connect(s->fd, &to->u.sa, to->n) < 0) {
        return errno == EINPROGRESS ? finish_connect(s) : ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

// What the supervisor says to a request. ERR_AGAIN: the filter's queue is full.
static enum err hear_supervisor(struct milter_stream *s, int fd)
{
    struct ipc_connected m = {.problem = EIO};
    int fds[IPC_FDS_MAX];
    struct ipc_frame frame;
    struct buf bytes;

    buf_init(&bytes, 4096);
    enum err e = channel_receive_blocking(fd, OPEN_MS_MAX, &bytes, &frame, fds);

    if (e == ERR_OK && (frame.type != IPC_CONNECTED || frame.fds > 1 ||
                        ipc_connected_decode(frame.fields, &m) != ERR_OK)) {
        m.problem = EIO;
    }
    for (unsigned i = 0; e == ERR_OK && i < frame.fds; i++) {
        if (i == 0 && m.problem == 0) {
            s->fd = fds[0];
        } else {
            close(fds[i]);
        }
    }
    buf_finish(&bytes);
    return s->fd >= 0 ? ERR_OK : e == ERR_OK && m.problem == EAGAIN ? ERR_AGAIN : ERR_UNAVAILABLE;
}

static enum err ask_supervisor(struct milter_stream *s, uint8_t place)
{
    int pair[2];

    if (!s->limits->ask_connection ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return ERR_UNAVAILABLE;
    }
    enum err e = s->limits->ask_connection(s->limits->arg, place, pair[0]);

    close(pair[0]);
    e = e == ERR_OK ? hear_supervisor(s, pair[1]) : ERR_UNAVAILABLE;
    close(pair[1]);
    return e;
}

static enum err open_unix(struct milter_stream *s, uint8_t place)
{
    int64_t soon = clock_monotonic_ms() + OPEN_MS_MAX;
    int64_t until = soon < s->limits->until_ms ? soon : s->limits->until_ms;
    enum err e;

    while ((e = ask_supervisor(s, place)) == ERR_AGAIN) {
        if (atomic_load(s->limits->is_stopping) || clock_monotonic_ms() >= until) {
            return ERR_TIMEOUT;
        }
        (void)poll(NULL, 0, BUSY_MS);
    }
    return e;
}

enum err milter_stream_open(struct milter_stream *s, const struct filter *to,
                            const struct filter_limits *limits)
{
    *s = (struct milter_stream){.fd = -1, .limits = limits};
    buf_init(&s->in, MILTER_PACKET_BYTES_MAX + READ_BYTES);
    buf_init(&s->out, OUT_BYTES_MAX);
    return to->is_unix ? open_unix(s, to->place) : open_tcp(s, &to->address);
}

void milter_stream_close(struct milter_stream *s)
{
    if (s->fd >= 0) {
        close(s->fd);
    }
    buf_finish(&s->in);
    buf_finish(&s->out);
}

enum err milter_stream_flush(struct milter_stream *s)
{
    struct span rest = buf_span(&s->out);

    if (s->out.failed) {
        return ERR_LIMIT;
    }
    while (rest.n) {
        ssize_t n = send(s->fd, rest.p, rest.n, MSG_NOSIGNAL);

        if (n > 0) {
            rest = span_skip(rest, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        enum err e = n < 0 && errno == EAGAIN ? wait_for(s, POLLOUT, s->limits->until_ms) : ERR_IO;

        if (e != ERR_OK) {
            return e;
        }
    }
    buf_clear(&s->out);
    return ERR_OK;
}

static enum err read_some(struct milter_stream *s)
{
    char *at = buf_reserve(&s->in, READ_BYTES);
    ssize_t n = at ? recv(s->fd, at, READ_BYTES, 0) : 0;

    if (!at) {
        return ERR_LIMIT;
    }
    if (n > 0) {
        s->in.n += (size_t)n;
        return ERR_OK;
    }
    if (n == 0) {
        return ERR_EOF;
    }
    return errno == EINTR    ? ERR_OK
           : errno == EAGAIN ? wait_for(s, POLLIN, s->limits->until_ms)
                             : ERR_IO;
}

enum err milter_stream_next(struct milter_stream *s, struct milter_reply *out)
{
    enum err e;

    buf_consume(&s->in, s->used);
    s->used = 0;
    while ((e = milter_read(buf_span(&s->in), out, &s->used)) == ERR_AGAIN) {
        e = read_some(s);
        if (e != ERR_OK) {
            return e;
        }
    }
    return e;
}
