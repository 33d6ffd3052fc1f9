// SPDX-License-Identifier: Apache-2.0
//
// Mail coming in by SMTP or LMTP: messages over some connections, each to some recipients. What
// counts is when all of it lies in the mailboxes, which IMAP is asked; when the server said yes to
// the last one is a row of its own.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum stage { GREETING, HELLO, ENVELOPE, BODY, OVER };

struct smtp_conn {
    int fd;
    enum stage stage;
    int awaited; // replies still to come in this stage
    long message;
    double since;
    char line[1024];
    size_t line_n;
};

struct smtp_run {
    struct smtp_conn *conns;
    struct text *messages;
    long next, total, accepted;
    struct samples latency;
};

static int smtp_connect(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.smtp_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, opt.host, &a.sin_addr) != 1)
        fail("--host wants an address, not %s", opt.host);
    if (opt.from) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        if (inet_pton(AF_INET, opt.from, &own.sin_addr) != 1 ||
            bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
            fail("--from %s: %s", opt.from, strerror(errno));
    }
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        fail("port %d: %s", opt.smtp_port, strerror(errno));
    return fd;
}

static void smtp_send(struct smtp_conn *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            fail("SMTP: %s", strerror(errno));
        p += sent;
        n -= (size_t)sent;
    }
}

// Recipient r of message i.
static int recipient(long i, int r)
{
    return opt.first_user + (int)((i * opt.recipients + r) % opt.users);
}

static void envelope_send(struct smtp_run *run, struct smtp_conn *c)
{
    struct text out = {0};
    if (run->next == run->total) {
        text_print(&out, "QUIT\r\n");
        c->stage = OVER;
        c->awaited = 1;
    } else {
        text_print(&out, "MAIL FROM:<sender@bench.test>\r\n");
        c->message = run->next++;
        for (int r = 0; r < opt.recipients; r++)
            text_print(&out, "RCPT TO:<u%d%s>\r\n", recipient(c->message, r), opt.domain);
        text_print(&out, "DATA\r\n");
        c->stage = ENVELOPE;
        c->awaited = opt.recipients + 2;
    }
    c->since = now();
    smtp_send(c, out.p, out.n);
    free(out.p);
}

// The answers of this stage are all here and good: says what comes next.
static void go_on(struct smtp_run *run, struct smtp_conn *c)
{
    const char *hello = opt.lmtp ? "LHLO bench.test\r\n" : "EHLO bench.test\r\n";
    switch (c->stage) {
    case GREETING:
        smtp_send(c, hello, strlen(hello));
        c->stage = HELLO;
        c->awaited = 1;
        break;
    case ENVELOPE: {
        struct text *m = &run->messages[c->message];
        smtp_send(c, m->p, m->n);
        c->stage = BODY;
        c->awaited = opt.lmtp ? opt.recipients : 1;
        break;
    }
    case BODY:
        sample(&run->latency, now() - c->since);
        run->accepted++;
        envelope_send(run, c);
        break;
    case HELLO:
        envelope_send(run, c);
        break;
    case OVER:
        close(c->fd);
        c->fd = -1;
        break;
    }
}

static void reply_line(struct smtp_run *run, struct smtp_conn *c)
{
    if (c->line_n < 4 || (c->line[0] != '2' && c->line[0] != '3'))
        fail("SMTP: %.*s", (int)c->line_n, c->line);
    if (c->line[3] != '-' && --c->awaited == 0)
        go_on(run, c);
}

static void smtp_read(struct smtp_run *run, struct smtp_conn *c)
{
    char in[8192];
    ssize_t n = recv(c->fd, in, sizeof in, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
        fail("SMTP: the connection is lost");
    for (ssize_t i = 0; i < n && c->fd >= 0; i++) {
        if (in[i] == '\n') {
            reply_line(run, c);
            c->line_n = 0;
        } else if (c->line_n < sizeof c->line) {
            c->line[c->line_n++] = in[i];
        }
    }
}

// Clients beside those that count: each sends a byte a second of a command that never ends.
struct slow {
    int *fds;
    double next;
    long lost;
};

static void slow_start(struct slow *s)
{
    s->fds = calloc((size_t)opt.slow + 1, sizeof *s->fds);
    if (!s->fds)
        fail("out of memory");
    for (int i = 0; i < opt.slow; i++)
        s->fds[i] = smtp_connect();
    s->next = now();
}

static void slow_go_on(struct slow *s)
{
    if (now() < s->next)
        return;
    s->next += 1;
    for (int i = 0; i < opt.slow; i++)
        if (s->fds[i] >= 0 && send(s->fds[i], "N", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
            errno != EAGAIN) {
            close(s->fds[i]);
            s->fds[i] = -1;
            s->lost++;
        }
}

static void slow_end(struct slow *s)
{
    for (int i = 0; i < opt.slow; i++)
        if (s->fds[i] >= 0)
            close(s->fds[i]);
    free(s->fds);
    if (opt.slow)
        row_value("smtp_slow_sent_away", "1", (double)s->lost);
}

static void smtp_run_all(struct smtp_run *run, struct slow *slow)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), open = opt.connections;
    double heard = now();
    for (int k = 0; k < opt.connections; k++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)k};
        run->conns[k] = (struct smtp_conn){.fd = smtp_connect(), .awaited = 1};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, run->conns[k].fd, &e) < 0)
            fail("epoll: %s", strerror(errno));
    }
    while (open > 0) {
        struct epoll_event events[64];
        int n = epoll_wait(ep, events, 64, 1000);
        slow_go_on(slow);
        heard = n > 0 ? now() : heard;
        if (now() > heard + 60)
            fail("SMTP: no answer for 60 s");
        for (int i = 0; i < n; i++) {
            struct smtp_conn *c = &run->conns[events[i].data.u32];
            smtp_read(run, c);
            open -= c->fd < 0;
        }
    }
    close(ep);
}

// The message as DATA wants it: dots doubled, and the end. Each is one of its kind, or a server
// would be right to take it for one that it has already.
static void data_make(struct text *out, long i)
{
    struct text m = {0};
    text_print(out, "X-Bench: %.9f\r\n", now());
    message_make(&m, i, opt.size);
    for (size_t at = 0; at < m.n;) {
        char *lf = memchr(m.p + at, '\n', m.n - at);
        size_t n = lf ? (size_t)(lf - (m.p + at)) + 1 : m.n - at;
        if (m.p[at] == '.')
            text_add(out, ".", 1);
        text_add(out, m.p + at, n);
        at += n;
    }
    text_print(out, ".\r\n");
    free(m.p);
}

static void smtp_run_make(struct smtp_run *run)
{
    *run = (struct smtp_run){.total = opt.count};
    run->messages = calloc((size_t)opt.count, sizeof *run->messages);
    run->conns = calloc((size_t)opt.connections, sizeof *run->conns);
    if (!run->messages || !run->conns)
        fail("out of memory");
    for (long i = 0; i < opt.count; i++)
        data_make(&run->messages[i], i);
}

void smtp_give_all(void)
{
    struct smtp_run run;
    struct slow none = {0};
    smtp_run_make(&run);
    smtp_run_all(&run, &none);
    for (long i = 0; i < opt.count; i++)
        free(run.messages[i].p);
    free(run.messages);
    free(run.conns);
}

static long in_mailboxes(struct conn **readers)
{
    long all = 0;
    for (int u = 0; u < opt.users; u++) {
        conn_must(readers[u], "STATUS INBOX (MESSAGES)");
        all += conn_note(readers[u], "MESSAGES ");
    }
    return all;
}

// Waits until all is there; the reason when it is not, or too much.
static const char *wait_for_all(struct conn **readers, long want, double *out_at)
{
    long got = 0;
    for (double end = now() + 120; now() < end; usleep(2000)) {
        got = in_mailboxes(readers);
        if (got >= want)
            break;
    }
    *out_at = now();
    return got == want ? NULL
                       : wrong_text("%ld messages in the mailboxes, %ld expected", got, want);
}

void measure_smtp(void)
{
    struct smtp_run run;
    struct conn **readers = calloc((size_t)opt.users, sizeof *readers);
    if (!readers)
        fail("out of memory");
    smtp_run_make(&run);
    for (int u = 0; u < opt.users; u++)
        readers[u] = conn_open(opt.first_user + u);
    long before = in_mailboxes(readers);
    struct slow slow = {0};
    slow_start(&slow);
    struct row r = row_begin();
    double all_at;
    smtp_run_all(&run, &slow);
    double accepted_at = now();
    const char *wrong = wait_for_all(readers, before + opt.count * opt.recipients, &all_at);
    const char *kind = opt.lmtp ? "lmtp" : "smtp";
    char name[80], beside[30] = "";
    if (opt.slow)
        snprintf(beside, sizeof beside, "_slow%d", opt.slow);
    snprintf(name, sizeof name, "%s_c%d_r%d%s", kind, opt.connections, opt.recipients, beside);
    row_end(&r, name, "msg/s", (double)opt.count / (all_at - r.t0), &run.latency, wrong);
    slow_end(&slow);
    snprintf(name, sizeof name, "%s_yes_c%d_r%d%s", kind, opt.connections, opt.recipients, beside);
    row_value(name, "msg/s", (double)opt.count / (accepted_at - r.t0));
    for (int u = 0; u < opt.users; u++)
        conn_close(readers[u]);
}
