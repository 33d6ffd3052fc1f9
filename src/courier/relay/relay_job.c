// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/relay_job.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define KEEP_TIMEOUT_MS 60000 // keep is on this machine
#define LOOK_ROUND_MS   500
#define ARENA_BYTES_MAX (8u << 20)

// As in queue/queue.h; the queue is keep's, so its header is not for us.
enum { SMTPUTF8 = 1, EIGHT_BIT = 2, BINARY = 4, REQUIRETLS = 8, RET_FULL = 16, RET_HDRS = 32 };
enum { NOTIFY_SUCCESS = 1, NOTIFY_FAILURE = 2, NOTIFY_DELAY = 4, NOTIFY_NEVER = 8 };

// ---- frames, blocking ---------------------------------------------------------------------------

static enum err wait_for(const struct relay_job *j, short events, int64_t until)
{
    struct pollfd p = {.fd = j->fd, .events = events};

    for (;;) {
        int64_t stop = atomic_load(j->stop_at_ms);
        int64_t left = (stop < until ? stop : until) - clock_monotonic_ms();

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

// Exactly the bytes that are missing of one frame: what follows stays in the socket.
static enum err read_frame(struct relay_job *j, struct ipc_frame *out)
{
    int64_t until = clock_monotonic_ms() + KEEP_TIMEOUT_MS;
    enum err e;

    buf_clear(&j->in);
    while ((e = ipc_frame_next(buf_span(&j->in), out)) == ERR_AGAIN) {
        size_t total = j->in.n < IPC_HEADER_BYTES ? IPC_HEADER_BYTES
                                                  : (size_t)(unsigned char)j->in.p[0] |
                                                        (size_t)(unsigned char)j->in.p[1] << 8 |
                                                        (size_t)(unsigned char)j->in.p[2] << 16 |
                                                        (size_t)(unsigned char)j->in.p[3] << 24;

        total += j->in.n < IPC_HEADER_BYTES ? 0 : 4;
        char *at = buf_reserve(&j->in, total - j->in.n);
        ssize_t n = at ? recv(j->fd, at, total - j->in.n, MSG_DONTWAIT) : 0;

        if (!at || n == 0) {
            return at ? ERR_EOF : ERR_LIMIT;
        }
        if (n > 0) {
            j->in.n += (size_t)n;
        } else {
            e = errno == EAGAIN || errno == EINTR ? wait_for(j, POLLIN, until) : ERR_IO;
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    return e == ERR_OK && out->fds ? ERR_INVALID : e;
}

static enum err write_all(struct relay_job *j, struct span bytes)
{
    int64_t until = clock_monotonic_ms() + KEEP_TIMEOUT_MS;

    while (bytes.n) {
        ssize_t n = send(j->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            bytes = span_skip(bytes, (size_t)n);
            continue;
        }
        enum err e =
            n < 0 && (errno == EAGAIN || errno == EINTR) ? wait_for(j, POLLOUT, until) : ERR_EOF;
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

// ---- reading ------------------------------------------------------------------------------------

static enum err next_piece(void *arg, struct span *out, bool *out_last)
{
    struct relay_job *j = arg;
    struct ipc_frame frame;
    struct ipc_relay_body m;
    enum err e = read_frame(j, &frame);

    if (e == ERR_OK) {
        e = frame.type == IPC_RELAY_BODY ? ipc_relay_body_decode(frame.fields, &m) : ERR_INVALID;
    }
    if (e == ERR_OK) {
        *out = m.bytes;
        *out_last = m.last;
    }
    return e;
}

static void take_envelope(struct relay_job *j, const struct ipc_relay_job *m)
{
    struct smtp_mail *mail = &j->message.mail;

    mail->has_size = true;
    mail->size = j->message.bytes = m->bytes;
    mail->body = m->flags & BINARY      ? SMTP_BODY_BINARYMIME
                 : m->flags & EIGHT_BIT ? SMTP_BODY_8BITMIME
                                        : SMTP_BODY_NONE;
    mail->utf8 = m->flags & SMTPUTF8;
    mail->requiretls = j->destination.requiretls = m->flags & REQUIRETLS;
    mail->ret = m->flags & RET_FULL   ? SMTP_RET_FULL
                : m->flags & RET_HDRS ? SMTP_RET_HDRS
                                      : SMTP_RET_NONE;
    if (m->envid.n) {
        mail->envid = arena_dup(&j->arena, m->envid);
    }
}

static enum err take_job(struct relay_job *j, struct span fields)
{
    struct ipc_relay_job m;
    const char *why;
    enum err e = ipc_relay_job_decode(fields, &m);

    if (e != ERR_OK || m.recipients == 0 || m.recipients > RELAY_JOB_RCPTS_MAX || m.route_tls > 2) {
        return ERR_INVALID;
    }
    j->id = m.id;
    j->destination = (struct hop_destination){.domain = arena_dup(&j->arena, m.destination),
                                              .route_host = arena_dup(&j->arena, m.route_host),
                                              .route_port = m.route_port,
                                              .route_tls = (enum ipc_relay_tls)m.route_tls,
                                              .helo = arena_dup(&j->arena, m.helo)};
    j->user = arena_dup(&j->arena, m.route_user);
    j->password = arena_dup(&j->arena, m.route_password);
    j->sender = arena_dup(&j->arena, m.sender);
    take_envelope(j, &m);
    j->message.rcpt_n = m.recipients;
    j->message.rcpts = arena_zalloc(&j->arena, m.recipients, sizeof(*j->message.rcpts));
    if (!j->message.rcpts || !j->sender.p) {
        return ERR_NOMEM;
    }
    return j->sender.n ? smtp_mailbox_parse(j->sender, &j->arena, &j->message.mail.from, &why)
                       : ERR_OK;
}

static void take_orcpt(struct relay_job *j, struct span orcpt, struct smtp_rcpt *r)
{
    size_t semicolon = span_find_byte(orcpt, ';');

    if (semicolon < orcpt.n) {
        orcpt = arena_dup(&j->arena, orcpt);
        if (orcpt.p) {
            r->orcpt_type = span_first(orcpt, semicolon);
            r->orcpt = span_skip(orcpt, semicolon + 1);
        }
    }
}

static enum err take_rcpt(struct relay_job *j, struct span fields, struct hop_rcpt *r)
{
    static const unsigned notify[][2] = {{NOTIFY_SUCCESS, SMTP_NOTIFY_SUCCESS},
                                         {NOTIFY_FAILURE, SMTP_NOTIFY_FAILURE},
                                         {NOTIFY_DELAY, SMTP_NOTIFY_DELAY},
                                         {NOTIFY_NEVER, SMTP_NOTIFY_NEVER}};
    struct ipc_relay_rcpt m;
    const char *why;
    enum err e = ipc_relay_rcpt_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    struct span address = arena_dup(&j->arena, m.address);

    if (!address.p) {
        return ERR_NOMEM;
    }
    e = smtp_mailbox_parse(address, &j->arena, &r->rcpt.to, &why);
    if (e == ERR_INVALID) {
        r->unfit = "5.1.3 This is no address";
    }
    for (size_t i = 0; i < 4; i++) {
        r->rcpt.notify |= m.notify & notify[i][0] ? notify[i][1] : 0;
    }
    take_orcpt(j, m.orcpt, &r->rcpt);
    return e == ERR_INVALID ? ERR_OK : e;
}

enum err relay_job_read(struct relay_job *j, int fd, const _Atomic(int64_t) *stop_at_ms)
{
    struct ipc_frame frame;

    *j = (struct relay_job){.fd = fd, .stop_at_ms = stop_at_ms};
    buf_init(&j->in, IPC_FRAME_BYTES_MAX);
    arena_init(&j->arena, ARENA_BYTES_MAX);
    j->message.next = next_piece;
    j->message.arg = j;
    enum err e = read_frame(j, &frame);

    if (e == ERR_OK) {
        e = frame.type == IPC_RELAY_JOB ? take_job(j, frame.fields) : ERR_INVALID;
    }
    if (j->in.p) {
        explicit_bzero(j->in.p, j->in.n); // the password of a route
    }
    for (size_t i = 0; e == ERR_OK && i < j->message.rcpt_n; i++) {
        e = read_frame(j, &frame);
        if (e == ERR_OK) {
            e = frame.type == IPC_RELAY_RCPT ? take_rcpt(j, frame.fields, &j->message.rcpts[i])
                                             : ERR_INVALID;
        }
    }
    return e;
}

// ---- answering ----------------------------------------------------------------------------------

static struct span text_of(const char *p, size_t size)
{
    return span_of(p, strnlen(p, size));
}

static enum err put_note(const struct tls_note *n, const char *domain, struct buf *frames)
{
    const struct ipc_relay_session m = {.domain = span_from_str(domain),
                                        .policy = (uint8_t)n->policy,
                                        .policy_text = text_of(n->text, sizeof(n->text)),
                                        .result = (uint8_t)n->result,
                                        .host = text_of(n->host, sizeof(n->host)),
                                        .address = text_of(n->address, sizeof(n->address)),
                                        .source = text_of(n->source, sizeof(n->source)),
                                        .reason = text_of(n->reason, sizeof(n->reason))};

    return ipc_relay_session_encode(&m, 0, frames);
}

enum err relay_job_answer(struct relay_job *j, const struct tls_notes *notes, const char *domain,
                          const char *tls, const char *problem)
{
    struct buf frames;
    enum err e = ERR_OK;

    buf_init(&frames, IPC_FRAME_BYTES_MAX * 2);
    for (size_t i = 0; i < j->message.rcpt_n && e == ERR_OK; i++) {
        const struct hop_rcpt *r = &j->message.rcpts[i];
        struct ipc_relay_result m = {.recipient = (uint32_t)i,
                                     .outcome = (uint8_t)r->outcome,
                                     .host = span_from_str(r->host),
                                     .reply = span_from_str(r->reply)};

        ASSERT(r->is_done);
        e = ipc_relay_result_encode(&m, 0, &frames);
    }
    struct ipc_relay_end end = {.tls = span_from_str(tls), .problem = span_from_str(problem)};

    for (size_t i = 0; i < notes->n && i < TLS_NOTES_MAX && e == ERR_OK; i++) {
        e = put_note(&notes->all[i], domain, &frames);
    }
    e = e == ERR_OK ? ipc_relay_end_encode(&end, 0, &frames) : e;
    e = e == ERR_OK ? write_all(j, buf_span(&frames)) : e;
    buf_finish(&frames);
    return e;
}

void relay_job_finish(struct relay_job *j)
{
    if (j->password.n) {
        explicit_bzero((void *)(uintptr_t)j->password.p, j->password.n);
    }
    close(j->fd);
    buf_finish(&j->in);
    arena_finish(&j->arena);
}
