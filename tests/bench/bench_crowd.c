// SPDX-License-Identifier: Apache-2.0
//
// A crowd: --watchers in IDLE and --notify connections with NOTIFY, over --users accounts with
// --boxes mailboxes beside INBOX each, while --connections writers deliver --count messages. Each
// watcher of an account leaves a sample a message: from the writer's OK to the line that tells of
// it (one line may tell of several).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

struct watcher {
    struct conn *c;
    int account;
    bool is_notify;
    long told; // messages
};

struct crowd {
    struct watcher *watchers;
    struct conn **writers; // one an account; at most --connections of them are busy
    double **ok;           // [account][message]: when the writer had its OK; 0: not yet
    long *answered;        // [account]: messages of which the OK is here
    int *watched;          // [account]: by so many
    bool *busy;
    int ep, notices_left;
    struct samples idle, notify;
};

static const char *box_name(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "Box/%d", i);
    return name;
}

static void open_all(struct crowd *w)
{
    int all = opt.watchers + opt.notify;
    w->watchers = calloc((size_t)all, sizeof *w->watchers);
    for (int i = 0; i < all; i++) {
        struct watcher *x = &w->watchers[i];
        x->account = i % opt.users;
        x->is_notify = i >= opt.watchers;
        w->watched[x->account]++;
        x->c = conn_open(opt.first_user + x->account);
        if (x->is_notify) {
            conn_must(x->c, "NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))");
            x->c->status = ST_OPEN; // it hears without a command
        } else {
            conn_must(x->c, "SELECT INBOX");
            conn_idle(x->c);
        }
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = x};
        if (epoll_ctl(w->ep, EPOLL_CTL_ADD, x->c->fd, &e) < 0)
            fail("epoll");
    }
}

static void open_writers(struct crowd *w)
{
    w->writers = calloc((size_t)opt.users, sizeof *w->writers);
    w->ok = calloc((size_t)opt.users, sizeof *w->ok);
    w->answered = calloc((size_t)opt.users, sizeof *w->answered);
    w->watched = calloc((size_t)opt.users, sizeof *w->watched);
    w->busy = calloc((size_t)opt.users, sizeof *w->busy);
    for (int a = 0; a < opt.users; a++) {
        w->writers[a] = conn_open(opt.first_user + a);
        w->ok[a] = calloc((size_t)opt.count + 1, sizeof **w->ok);
        for (int i = 0; i < opt.boxes; i++)
            conn_must(w->writers[a], "CREATE %s", box_name(i));
    }
}

// The last "MESSAGES n" that came.
static long messages_told(struct conn *c)
{
    long n = -1;
    for (const char *p = c->notes; (p = strstr(p, "STATUS INBOX")); p++) {
        const char *m = strstr(p, "MESSAGES ");
        n = m ? atol(m + 9) : n;
    }
    c->notes_n = 0;
    c->notes[0] = 0;
    return n;
}

static void hear(struct crowd *w, struct watcher *x)
{
    double at = now();
    x->c->seen.exists = 0;
    if (conn_read(x->c, false) < 0)
        fail("a watcher was cut off");
    long n = x->is_notify ? messages_told(x->c) : x->c->seen.exists;
    for (; x->told < n; x->told++) {
        double ok = w->ok[x->account][x->told];
        sample(x->is_notify ? &w->notify : &w->idle, ok && at > ok ? at - ok : 0);
        w->notices_left--;
    }
}

static void give(struct crowd *w, int account, long number)
{
    struct text m = {0}, out = {0};
    message_make(&m, number, opt.size);
    append_command(w->writers[account], &out, "INBOX", "", &m);
    conn_send(w->writers[account], out.p, out.n);
    w->busy[account] = true;
    w->notices_left += w->watched[account];
    free(m.p);
    free(out.p);
}

static void answer(struct crowd *w, int account)
{
    struct conn *c = w->writers[account];
    conn_read(c, false);
    if (c->status == ST_OPEN)
        return;
    if (c->status != ST_OK)
        fail("APPEND: %s", c->last);
    w->ok[account][w->answered[account]++] = now();
    w->busy[account] = false;
}

static void run(struct crowd *w)
{
    int next = 0, busy = 0;
    long given = 0;
    double limit = now() + 60;
    for (int a = 0; a < opt.users; a++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)a << 1 | 1};
        if (epoll_ctl(w->ep, EPOLL_CTL_ADD, w->writers[a]->fd, &e) < 0)
            fail("epoll");
    }
    while ((given < opt.count || busy || w->notices_left > 0) && now() < limit) {
        for (int tried = 0; busy < opt.connections && given < opt.count && tried < opt.users;
             tried++, next = (next + 1) % opt.users)
            if (!w->busy[next]) {
                give(w, next, given++);
                busy++;
                limit = now() + 30; // for the last notice
            }
        struct epoll_event events[256];
        int n = epoll_wait(w->ep, events, 256, 1000);
        for (int i = 0; i < n; i++) {
            if (!(events[i].data.u64 & 1)) {
                hear(w, events[i].data.ptr);
                continue;
            }
            int account = (int)(events[i].data.u64 >> 1);
            bool was = w->busy[account];
            answer(w, account);
            busy -= was && !w->busy[account];
        }
    }
}

void measure_crowd(void)
{
    struct crowd w = {.ep = epoll_create1(EPOLL_CLOEXEC)};
    char name[60];
    open_writers(&w);
    usleep((useconds_t)opt.settle_ms * 1000);
    double before = server_memory();
    open_all(&w);
    usleep((useconds_t)opt.settle_ms * 1000);
    double after = server_memory();
    int all = opt.watchers + opt.notify;
    if (before >= 0)
        row_value("crowd_memory", "B", (after - before) / all);
    struct row row = row_begin();
    double begun = now();
    run(&w);
    double seconds = now() - begun;
    const char *wrong =
        w.notices_left ? wrong_text("%d notices did not come", w.notices_left) : NULL;
    row_end(&row, "crowd_delivered", "msg/s", (double)opt.count / seconds, NULL, wrong);
    for (int k = 0; k < 2; k++) {
        struct samples *s = k ? &w.notify : &w.idle;
        snprintf(name, sizeof name, "crowd_%s_p50", k ? "notify" : "idle");
        row_end(&row, name, "s", percentile(s, .5), s, wrong);
        snprintf(name, sizeof name, "crowd_%s_p99", k ? "notify" : "idle");
        row_end(&row, name, "s", percentile(s, .99), s, wrong);
    }
    for (int a = 0; a < opt.users; a++)
        conn_close(w.writers[a]);
    for (int i = 0; i < all; i++)
        conn_free(w.watchers[i].c);
}

// ---- one account, many mailboxes ----------------------------------------------------------------

struct told {
    struct conn **conns;
    int n, ep;
    struct samples delay;
};

// Reads what came; how many were told of this mailbox.
static int told_of(struct told *t, const char *line, double since)
{
    struct epoll_event events[256];
    int n = epoll_wait(t->ep, events, 256, 100), told = 0;
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        double at = now();
        if (conn_read(c, false) < 0)
            fail("a watcher was cut off");
        if (strstr(c->notes, line)) {
            c->notes_n = 0;
            c->notes[0] = 0;
            told++;
            sample(&t->delay, since && at > since ? at - since : 0);
        }
    }
    return told;
}

static long one_notice(struct told *t, struct conn *writer, const char *box, long number)
{
    struct text m = {0}, out = {0};
    char line[64];
    int told = 0;
    double ok = 0, limit = now() + 3; // six times what the slower peer waits on purpose
    snprintf(line, sizeof line, "STATUS %s (", box);
    message_make(&m, number, opt.size);
    append_command(writer, &out, box, "", &m);
    conn_send(writer, out.p, out.n);
    while ((told < t->n || !ok) && now() < limit) {
        if (!ok) {
            conn_read(writer, false);
            if (writer->status == ST_OK)
                ok = now();
            else if (writer->status != ST_OPEN)
                fail("APPEND: %s", writer->last);
        }
        told += told_of(t, line, ok);
    }
    free(m.p);
    free(out.p);
    return t->n - told;
}

void measure_notify(void)
{
    struct told t = {.n = opt.notify, .ep = epoll_create1(EPOLL_CLOEXEC)};
    struct conn *writer = conn_open(opt.first_user);
    char name[60];
    long late = 0;
    for (int i = 0; i < opt.boxes; i++)
        conn_must(writer, "CREATE %s", box_name(i));
    t.conns = calloc((size_t)t.n, sizeof *t.conns);
    double before = server_memory();
    for (int i = 0; i < t.n; i++) {
        struct conn *c = t.conns[i] = conn_open(opt.first_user);
        conn_must(c, "NOTIFY SET (personal (MessageNew MessageExpunge))");
        c->status = ST_OPEN;
        c->notes_n = 0;
        c->notes[0] = 0;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(t.ep, EPOLL_CTL_ADD, c->fd, &e) < 0)
            fail("epoll");
    }
    usleep((useconds_t)opt.settle_ms * 1000);
    if (before >= 0)
        row_value("notify_memory", "B", (server_memory() - before) / t.n);
    struct row row = row_begin();
    for (int i = 0; i < opt.trials; i++)
        late += one_notice(&t, writer, box_name(i * 7 % opt.boxes), 6000 + i);
    const char *wrong = late ? wrong_text("%ld notices did not come in 10 s", late) : NULL;
    snprintf(name, sizeof name, "notify_p50_%d", opt.boxes);
    row_end(&row, name, "s", percentile(&t.delay, .5), &t.delay, wrong);
    snprintf(name, sizeof name, "notify_p99_%d", opt.boxes);
    row_end(&row, name, "s", percentile(&t.delay, .99), &t.delay, wrong);
    conn_close(writer);
    for (int i = 0; i < t.n; i++)
        conn_free(t.conns[i]);
}
