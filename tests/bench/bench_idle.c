// SPDX-License-Identifier: Apache-2.0
//
// Idle connections: the memory each costs the server, and how long after the OK to an APPEND each
// watcher of that mailbox is told.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

struct idle_run {
    struct conn **watchers;
    int n, ep;
    long late, early;
    struct samples delay;
};

static void open_watchers(struct idle_run *r)
{
    for (int i = 0; i < r->n; i++) {
        struct conn *c = r->watchers[i] = conn_open(opt.first_user + i % opt.users);
        conn_must(c, "SELECT INBOX");
        conn_idle(c);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(r->ep, EPOLL_CTL_ADD, c->fd, &e) < 0)
            fail("epoll");
    }
}

// Reads what came within `ms`; each watcher that was told of new mail leaves a sample.
static int hear(struct idle_run *r, int ms, double since)
{
    struct epoll_event events[256];
    int n = epoll_wait(r->ep, events, 256, ms), told = 0;
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        double at = now();
        c->seen.exists = 0;
        if (conn_read(c, false) < 0)
            fail("a watcher was cut off");
        if (!c->seen.exists || c->status != ST_OPEN)
            continue;
        told++;
        sample(&r->delay, since ? at - since : 0);
    }
    return told;
}

static void trial(struct idle_run *r, struct conn *writer, int user, long number)
{
    int expected = 0;
    for (int i = 0; i < r->n; i++)
        expected += i % opt.users == user;
    struct text m = {0}, out = {0};
    message_make(&m, number, opt.size);
    append_command(writer, &out, "INBOX", "", &m);
    conn_send(writer, out.p, out.n);
    // The writer's OK and the notices race on purpose; those before the OK count as 0.
    int told = 0;
    double ok = 0, limit = now() + 10;
    while ((told < expected || !ok) && now() < limit) {
        if (!ok) {
            conn_read(writer, false);
            if (writer->status == ST_OK)
                ok = now();
            else if (writer->status != ST_OPEN)
                fail("APPEND: %s", writer->last);
        }
        told += hear(r, ok ? 100 : 0, ok);
    }
    r->late += expected - told;
    free(m.p);
    free(out.p);
}

void measure_idle(void)
{
    struct idle_run r = {.n = opt.watchers, .ep = epoll_create1(EPOLL_CLOEXEC)};
    r.watchers = calloc((size_t)r.n, sizeof *r.watchers);
    int writers = opt.trials < opt.users ? opt.trials : opt.users;
    struct conn **w = calloc((size_t)writers, sizeof *w);
    for (int i = 0; i < writers; i++)
        w[i] = conn_open(opt.first_user + i);
    usleep((useconds_t)opt.settle_ms * 1000);
    double before = server_memory();
    open_watchers(&r);
    usleep((useconds_t)opt.settle_ms * 1000);
    double after = server_memory();
    char name[60];
    snprintf(name, sizeof name, "idle_memory_%dx%d", r.n, opt.users);
    if (before >= 0)
        row_value(name, "B", (after - before) / r.n);
    struct row row = row_begin();
    for (int t = 0; t < opt.trials; t++) {
        trial(&r, w[t % writers], t % writers, 5000 + t);
        while (hear(&r, 20, now()) > 0)
            r.early++; // told twice: counted, and reported as wrong
    }
    const char *wrong = r.late    ? wrong_text("%ld notices did not come in 10 s", r.late)
                        : r.early ? "watchers were told twice"
                                  : NULL;
    snprintf(name, sizeof name, "idle_notice_p50_%dx%d", r.n, opt.users);
    row_end(&row, name, "s", percentile(&r.delay, .5), &r.delay, wrong);
    snprintf(name, sizeof name, "idle_notice_p99_%dx%d", r.n, opt.users);
    row_end(&row, name, "s", percentile(&r.delay, .99), &r.delay, wrong);
    for (int i = 0; i < writers; i++)
        conn_close(w[i]);
    for (int i = 0; i < r.n; i++)
        conn_free(r.watchers[i]);
}
