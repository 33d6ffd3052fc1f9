// SPDX-License-Identifier: Apache-2.0
#include "ipc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

#define READ_BYTES     65536
#define READS_A_ROUND  16
#define FDS_QUEUED_MAX 256 // received and not yet claimed by a frame

// Frames that wait to be sent, with their descriptors (duplicates of our own).
struct parcel {
    struct parcel *next;
    size_t n, sent;
    unsigned fd_n;
    int fds[IPC_FDS_MAX];
    char bytes[];
};

struct channel {
    struct loop *loop;
    struct loop_source source;
    struct loop_task want_write; // posted when a parcel had to wait
    const struct channel_handler *handler;
    void *arg;
    struct buf in;
    int fds[FDS_QUEUED_MAX]; // received, in order
    unsigned fd_n;
    bool ended; // the handler has been told

    struct lock lock; // guards the rest
    struct parcel *first, *last;
    size_t queued, queue_max;
    bool broken, write_posted;
};

static void wipe_free(struct parcel *p)
{
    for (unsigned i = 0; i < p->fd_n; i++) {
        close(p->fds[i]);
    }
    explicit_bzero(p->bytes, p->n);
    free(p);
}

// One sendmsg; descriptors go with the first byte. ERR_AGAIN when the socket is full.
static enum err send_some(int fd, struct span bytes, const int *fds, unsigned fd_n, size_t *out_n)
{
    struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
    } control = {.space = {0}};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (fd_n) {
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_n);
    }
    do {
        n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *out_n = (size_t)n;
        return ERR_OK;
    }
    // ETOOMANYREFS: too many descriptors are on their way; they get fewer when the peer reads.
    return errno == EAGAIN || errno == ETOOMANYREFS ? ERR_AGAIN
           : errno == EPIPE || errno == ECONNRESET  ? ERR_EOF
                                                    : ERR_IO;
}

static void take_fds(struct msghdr *msg, int *fds, unsigned *n, unsigned max)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (*n < max) {
                fds[(*n)++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

// One recvmsg to the buffer's end. ERR_LIMIT when descriptors were lost for want of room.
static enum err receive_some(int fd, struct buf *in, int *fds, unsigned *fd_n, unsigned fd_max)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * 253)];
    } control;
    size_t room = in->max - in->n < READ_BYTES ? in->max - in->n : READ_BYTES;
    char *at = room ? buf_reserve(in, room) : NULL;
    struct iovec iov = {at, room};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    ssize_t n;

    if (!at) {
        return ERR_LIMIT;
    }
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? ERR_AGAIN : errno == ECONNRESET ? ERR_EOF : ERR_IO;
    }
    unsigned before = *fd_n;

    take_fds(&msg, fds, fd_n, fd_max);
    if ((msg.msg_flags & MSG_CTRUNC) || (n == 0 && *fd_n != before)) {
        return ERR_LIMIT;
    }
    in->n += (size_t)n;
    return n ? ERR_OK : ERR_EOF;
}

static void end_channel(struct channel *c, enum err e)
{
    lock_take(&c->lock);
    c->broken = true;
    lock_release(&c->lock);
    if (!c->ended) {
        c->ended = true;
        loop_remove(&c->source);
        c->handler->ended(c, c->arg, e);
    }
}

// Hands all whole frames to the handler. False when the channel has ended or may be gone.
static bool deliver(struct channel *c, bool *closed)
{
    size_t at = 0;
    struct ipc_frame frame;
    enum err e;

    while ((e = ipc_frame_next(span_skip(buf_span(&c->in), at), &frame)) == ERR_OK) {
        if (frame.fds > c->fd_n) {
            e = ERR_INVALID; // descriptors come with the frame's first byte or never
            break;
        }
        int fds[IPC_FDS_MAX];

        memcpy(fds, c->fds, frame.fds * sizeof(int));
        c->fd_n -= frame.fds;
        memmove(c->fds, c->fds + frame.fds, c->fd_n * sizeof(int));
        e = c->handler->message(c, c->arg, &frame, fds);
        if (*closed) {
            return false;
        }
        explicit_bzero(c->in.p + at, frame.bytes);
        at += frame.bytes;
        if (e != ERR_OK) {
            break;
        }
    }
    buf_consume(&c->in, at);
    if (c->in.n == 0) {
        buf_release(&c->in);
    }
    if (e != ERR_AGAIN) {
        end_channel(c, ERR_INVALID);
        return false;
    }
    return true;
}

// A channel that is closed while it delivers says so through this (loop thread only).
static _Thread_local struct {
    struct channel *channel;
    bool *closed;
} delivering;

static bool deliver_guarded(struct channel *c)
{
    bool closed = false;

    delivering.channel = c;
    delivering.closed = &closed;
    bool going_on = deliver(c, &closed);

    delivering.channel = NULL;
    return going_on;
}

// Sends what waits, as far as the socket takes it; the lock is held.
static enum err send_waiting(struct channel *c)
{
    while (c->first) {
        struct parcel *p = c->first;
        size_t n;
        enum err e = send_some(c->source.fd, span_of(p->bytes + p->sent, p->n - p->sent), p->fds,
                               p->sent ? 0 : p->fd_n, &n);

        if (e != ERR_OK) {
            return e;
        }
        p->sent += n;
        c->queued -= n;
        if (p->sent == p->n) {
            c->first = p->next;
            wipe_free(p);
        }
    }
    return ERR_OK;
}

// Sends on and waits for more room in the socket, or no longer does.
static bool write_on(struct channel *c)
{
    lock_take(&c->lock);
    enum err e = c->broken ? ERR_EOF : send_waiting(c);

    lock_release(&c->lock);
    if (e != ERR_OK && e != ERR_AGAIN) {
        end_channel(c, e);
        return false;
    }
    loop_change(&c->source, e == ERR_AGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

static void on_want_write(struct loop_task *t)
{
    struct channel *c = LIST_ITEM(t, struct channel, want_write);

    // Only here, where the task is out of the loop's list: room in the socket comes to be known by
    // an event, too, and then the task may still stand there.
    lock_take(&c->lock);
    c->write_posted = false;
    lock_release(&c->lock);
    if (!c->ended) {
        write_on(c);
    }
}

static void on_ready(struct loop_source *s, uint32_t events)
{
    struct channel *c = LIST_ITEM(s, struct channel, source);
    enum err e = ERR_AGAIN;

    if ((events & EPOLLOUT) && !write_on(c)) {
        return;
    }
    for (int i = 0; i < READS_A_ROUND; i++) {
        e = receive_some(c->source.fd, &c->in, c->fds, &c->fd_n, FDS_QUEUED_MAX);
        if (e != ERR_OK || !deliver_guarded(c)) {
            break;
        }
    }
    if (e != ERR_OK && e != ERR_AGAIN) {
        end_channel(c, e);
    }
}

enum err channel_open(struct loop *l, int fd, size_t queue_max, const struct channel_handler *h,
                      void *arg, struct channel **out)
{
    struct channel *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->loop = l;
    c->handler = h;
    c->arg = arg;
    c->queue_max = queue_max;
    c->source = (struct loop_source){.fd = fd, .ready = on_ready};
    c->want_write.run = on_want_write;
    buf_init_secret(&c->in, IPC_FRAME_BYTES_MAX + READ_BYTES);
    lock_init(&c->lock, LOCK_LEAF);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    enum err e = loop_add(l, &c->source, EPOLLIN);

    if (e != ERR_OK) {
        lock_finish(&c->lock);
        free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

static void free_channel(struct loop_task *t)
{
    struct channel *c = LIST_ITEM(t, struct channel, want_write);

    lock_finish(&c->lock);
    free(c);
}

void channel_close(struct channel *c)
{
    if (!c) {
        return;
    }
    if (delivering.channel == c) {
        *delivering.closed = true;
    }
    loop_remove(&c->source);
    close(c->source.fd);
    for (unsigned i = 0; i < c->fd_n; i++) {
        close(c->fds[i]);
    }
    if (c->in.p) {
        explicit_bzero(c->in.p, c->in.n);
    }
    buf_finish(&c->in);
    lock_take(&c->lock);
    c->broken = true;
    c->ended = true;
    while (c->first) {
        struct parcel *p = c->first;

        c->first = p->next;
        wipe_free(p);
    }
    bool posted = c->write_posted;

    c->want_write.run = free_channel;
    lock_release(&c->lock);
    if (!posted) {
        free_channel(&c->want_write);
    } // else the posted task frees it when its turn comes
}

// What the socket did not take becomes a parcel; the lock is held.
static enum err keep_rest(struct channel *c, struct span rest, const int *fds, unsigned fd_n)
{
    if (rest.n > c->queue_max - c->queued) {
        return ERR_LIMIT;
    }
    struct parcel *p = malloc(sizeof(*p) + rest.n);

    if (!p) {
        return ERR_LIMIT;
    }
    *p = (struct parcel){.n = rest.n};
    memcpy(p->bytes, rest.p, rest.n);
    for (; p->fd_n < fd_n; p->fd_n++) {
        p->fds[p->fd_n] = fcntl(fds[p->fd_n], F_DUPFD_CLOEXEC, 3);
        if (p->fds[p->fd_n] < 0) {
            wipe_free(p);
            return ERR_LIMIT;
        }
    }
    if (c->first) {
        c->last->next = p;
    } else {
        c->first = p;
    }
    c->last = p;
    c->queued += rest.n;
    return ERR_OK;
}

enum err channel_send(struct channel *c, struct span frames, const int *fds, unsigned n_fds)
{
    size_t n = 0;
    enum err e = ERR_AGAIN;
    bool post = false;

    ASSERT(n_fds <= IPC_FDS_MAX && frames.n > 0);
    lock_take(&c->lock);
    if (c->broken) {
        e = ERR_EOF;
    } else if (!c->first) {
        e = send_some(c->source.fd, frames, fds, n_fds, &n);
    }
    if (e == ERR_AGAIN || (e == ERR_OK && n < frames.n)) {
        bool started = e == ERR_OK;

        e = keep_rest(c, span_skip(frames, n), fds, started ? 0 : n_fds);
        c->broken |= started && e != ERR_OK; // half a frame cannot be taken back
        post = e == ERR_OK && !c->write_posted;
        c->write_posted |= post;
    } else if (e != ERR_OK) {
        c->broken = true;
    }
    lock_release(&c->lock);
    if (post) {
        loop_post(c->loop, &c->want_write);
    }
    return e;
}

// ---- without a loop -----------------------------------------------------------------------------

static enum err wait_for(int fd, short events, int64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = until_ms - clock_monotonic_ms();
    int r = left > 0 ? poll(&p, 1, (int)left) : 0;

    return r > 0 || (r < 0 && errno == EINTR) ? ERR_OK : r == 0 ? ERR_TIMEOUT : ERR_IO;
}

enum err channel_receive_blocking(int fd, int64_t timeout_ms, struct buf *into,
                                  struct ipc_frame *out, int *fds)
{
    int64_t until = clock_monotonic_ms() + timeout_ms;
    unsigned fd_n = 0;
    enum err e;

    // Byte by byte would do; a frame at a time keeps what follows for the loop's reader.
    while ((e = ipc_frame_next(buf_span(into), out)) == ERR_AGAIN) {
        size_t want = into->n < IPC_HEADER_BYTES ? IPC_HEADER_BYTES - into->n : 0;

        if (!want) {
            uint32_t length;

            memcpy(&length, into->p, sizeof(length));
            want = (size_t)le32toh(length) + 4 - into->n;
        }
        size_t max = into->max;

        e = wait_for(fd, POLLIN, until);
        if (e == ERR_OK) {
            into->max = into->n + want < max ? into->n + want : max;
            e = receive_some(fd, into, fds, &fd_n, IPC_FDS_MAX);
            into->max = max;
        }
        if (e != ERR_OK && e != ERR_AGAIN) {
            break;
        }
    }
    if (e == ERR_OK && out->fds != fd_n) {
        e = ERR_INVALID;
    }
    for (unsigned i = 0; e != ERR_OK && i < fd_n; i++) {
        close(fds[i]);
    }
    return e;
}

enum err channel_send_blocking(int fd, struct span frames, const int *fds, unsigned n_fds)
{
    int64_t until = clock_monotonic_ms() + 10000;
    size_t n = 0, sent = 0;
    enum err e = ERR_OK;

    while (sent < frames.n && (e == ERR_OK || e == ERR_AGAIN)) {
        e = send_some(fd, span_skip(frames, sent), fds, sent ? 0 : n_fds, &n);
        if (e == ERR_OK) {
            sent += n;
        } else if (e == ERR_AGAIN) {
            enum err waited = wait_for(fd, POLLOUT, until);

            e = waited == ERR_OK ? ERR_AGAIN : waited;
        }
    }
    return e;
}

enum err channel_send_now(int fd, struct span frame, const int *fds, unsigned n_fds)
{
    size_t n = 0;
    enum err e = send_some(fd, frame, fds, n_fds, &n);

    return e == ERR_OK && n < frame.n ? ERR_AGAIN : e;
}
