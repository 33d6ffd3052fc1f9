// SPDX-License-Identifier: Apache-2.0
//
// Many clients at once: durable APPEND, logins, and a mixed day.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"

// ---- APPEND -------------------------------------------------------------------------------------

struct append_run {
    struct text *messages;
    long next, total, refused;
    long *given; // per connection
    struct samples latency;
};

static bool append_next(struct swarm *s, int k)
{
    struct append_run *a = s->arg;
    if (a->next == a->total)
        return false;
    struct text out = {0};
    append_command(s->conns[k], &out, opt.box, "", &a->messages[a->next++]);
    a->given[k]++;
    conn_send(s->conns[k], out.p, out.n);
    free(out.p);
    return true;
}

static void append_done(struct swarm *s, int k, double seconds)
{
    struct append_run *a = s->arg;
    sample(&a->latency, seconds);
    if (s->conns[k]->status != ST_OK)
        fail("APPEND: %s", s->conns[k]->last);
}

// Each mailbox must hold what was put there, and give back the last message byte for byte.
static const char *append_check(struct swarm *s, const long *before, long last_number)
{
    struct append_run *a = s->arg;
    bool last_found = false;
    uint64_t want = hash_bytes(HASH_START, a->messages[last_number].p, a->messages[last_number].n);
    for (int k = 0; k < s->n; k++) {
        struct conn *c = s->conns[k];
        conn_must(c, "SELECT %s", opt.box);
        if (c->seen.exists != before[k] + a->given[k])
            return wrong_text("%ld messages in the mailbox, %ld expected", c->seen.exists,
                              before[k] + a->given[k]);
        if (!c->seen.exists)
            continue;
        c->hash_literals = true;
        conn_must(c, "FETCH %ld (BODY.PEEK[])", c->seen.exists);
        last_found |= c->seen.literal_hash == want;
    }
    return last_found ? NULL : "the last message does not come back as it was sent";
}

void measure_append(void)
{
    struct append_run a = {.total = opt.count};
    int n = opt.connections;
    struct swarm s = {.conns = calloc((size_t)n, sizeof *s.conns),
                      .n = n,
                      .next = append_next,
                      .done = append_done,
                      .arg = &a};
    a.messages = calloc((size_t)opt.count, sizeof *a.messages);
    a.given = calloc((size_t)n, sizeof *a.given);
    long *before = calloc((size_t)n, sizeof *before);
    for (long i = 0; i < opt.count; i++)
        message_make(&a.messages[i], i, opt.size);
    for (int k = 0; k < n; k++) {
        s.conns[k] = conn_open(opt.first_user + k);
        if (strcmp(opt.box, "INBOX") != 0)
            conn_command(s.conns[k], "CREATE %s", opt.box);
        conn_must(s.conns[k], "STATUS %s (MESSAGES)", opt.box);
        before[k] = conn_note(s.conns[k], "MESSAGES ");
    }
    struct row r = row_begin();
    swarm_run(&s);
    double took = now() - r.t0;
    struct row counted = r;
    const char *wrong = NULL;
    char name[40];
    snprintf(name, sizeof name, "append_c%d", n);
    // The time and CPU of the check are not the row's.
    double client = client_cpu(), server = server_cpu();
    wrong = append_check(&s, before, a.total - 1);
    counted.t0 += now() - r.t0 - took;
    counted.client0 += client_cpu() - client;
    counted.server0 += server_cpu() - server;
    row_end(&counted, name, "msg/s", (double)a.total / took, &a.latency, wrong);
    for (int k = 0; k < n; k++)
        conn_close(s.conns[k]);
}

// ---- LOGIN --------------------------------------------------------------------------------------

struct login_run {
    long begun, total, done;
    int *stage; // 0 waits for the greeting, 1 for LOGIN's answer, 2 for LOGOUT's
    double *since;
    struct samples latency;
};

static void login_end(struct swarm *s, int k)
{
    struct login_run *l = s->arg;
    // Without this 28,000 local ports would be used up by connections that linger.
    struct linger hard = {1, 0};
    setsockopt(s->conns[k]->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    conn_free(s->conns[k]);
    s->conns[k] = NULL;
    sample(&l->latency, now() - l->since[k]);
    l->done++;
}

static bool login_next(struct swarm *s, int k)
{
    struct login_run *l = s->arg;
    if (s->conns[k] && l->stage[k] == 2) {
        login_end(s, k);
        l->stage[k] = -1;
    }
    if (!s->conns[k]) {
        if (l->begun == l->total)
            return false;
        l->begun++;
        l->since[k] = now();
        s->conns[k] = conn_start();
        s->fresh[k] = true;
        l->stage[k] = 0;
        return true;
    }
    struct text out = {0};
    conn_begin(s->conns[k], &out);
    if (++l->stage[k] == 1)
        text_print(&out, "LOGIN %s%d %s\r\n", opt.user,
                   opt.first_user + (int)(l->begun % opt.users), opt.password);
    else
        text_print(&out, "LOGOUT\r\n");
    conn_send(s->conns[k], out.p, out.n);
    free(out.p);
    return true;
}

static void login_done(struct swarm *s, int k, double seconds)
{
    (void)seconds;
    if (s->conns[k]->status != ST_OK)
        fail("login: %s", s->conns[k]->last);
}

void measure_login(void)
{
    int n = opt.connections;
    struct login_run l = {.total = opt.count,
                          .stage = calloc((size_t)n, sizeof(int)),
                          .since = calloc((size_t)n, sizeof(double))};
    struct swarm s = {.conns = calloc((size_t)n, sizeof *s.conns),
                      .n = n,
                      .next = login_next,
                      .done = login_done,
                      .arg = &l};
    struct row r = row_begin();
    swarm_run(&s);
    char name[40];
    snprintf(name, sizeof name, "login_c%d", n);
    row_end(&r, name, "login/s", (double)l.done / (now() - r.t0), &l.latency,
            l.done == l.total ? NULL : "not all logins were answered");
}

// ---- a mixed day --------------------------------------------------------------------------------

#define MIXED_START 200

struct mixed_client {
    unsigned long long dice;
    int what;
    long exists, asked, appended, expunged;
    bool expunge_now;
    struct text message;
};
struct mixed_run {
    struct mixed_client *clients;
    double stop;
    long commands;
    const char *wrong;
    struct samples latency;
};
enum {
    MIX_APPEND,
    MIX_BODY,
    MIX_LIST,
    MIX_STORE,
    MIX_SEARCH,
    MIX_DELETE,
    MIX_NOOP,
    MIX_SELECT,
    MIX_EXPUNGE
};

static unsigned roll(struct mixed_client *m, unsigned sides)
{
    m->dice = m->dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->dice >> 33) % sides;
}

static int choose(struct mixed_client *m)
{
    static const unsigned char weight[] = {20, 25, 15, 20, 8, 4, 6, 2};
    if (m->expunge_now)
        return MIX_EXPUNGE;
    if (m->exists < 40)
        return MIX_APPEND;
    unsigned x = roll(m, 100);
    for (int i = 0; i < 8; i++) {
        if (x < weight[i])
            return i;
        x -= weight[i];
    }
    return MIX_NOOP;
}

static void mixed_text(struct mixed_client *m, struct conn *c, int k, struct text *out)
{
    long at = 1 + (long)roll(m, (unsigned)(m->exists ? m->exists : 1)), to = at + m->asked - 1;
    switch (m->what) {
    case MIX_APPEND:
        m->message.n = 0;
        message_make(&m->message, k * 100000L + m->appended, opt.size);
        append_command(c, out, "mixed", "", &m->message);
        return;
    case MIX_BODY:
        text_print(out, "FETCH %ld (UID BODY.PEEK[])\r\n", at);
        return;
    case MIX_LIST:
        at = at + 19 > m->exists ? m->exists - 19 : at;
        text_print(out, "FETCH %ld:%ld (UID FLAGS ENVELOPE RFC822.SIZE)\r\n", at, at + 19);
        return;
    case MIX_STORE:
        text_print(out, "STORE %ld %cFLAGS (%s)\r\n", at, "+-"[roll(m, 2)],
                   roll(m, 3) ? "\\Seen" : "\\Flagged");
        return;
    case MIX_SEARCH:
        text_print(out, roll(m, 2) ? "SEARCH SUBJECT job000\r\n" : "SEARCH UNSEEN LARGER 3000\r\n");
        return;
    case MIX_DELETE:
        to = at + 4 > m->exists ? m->exists : at + 4;
        m->asked = to - at + 1;
        text_print(out, "STORE %ld:%ld +FLAGS (\\Deleted)\r\n", at, to);
        return;
    default:
        text_print(out, m->what == MIX_EXPUNGE  ? "EXPUNGE\r\n"
                        : m->what == MIX_SELECT ? "SELECT mixed\r\n"
                                                : "NOOP\r\n");
    }
}

static bool mixed_next(struct swarm *s, int k)
{
    struct mixed_run *run = s->arg;
    struct mixed_client *m = &run->clients[k];
    if ((now() > run->stop && !m->expunge_now) || run->wrong)
        return false;
    m->what = choose(m);
    struct text out = {0};
    if (m->what != MIX_APPEND)
        conn_begin(s->conns[k], &out);
    if (m->what != MIX_EXPUNGE)
        m->asked = 1;
    mixed_text(m, s->conns[k], k, &out);
    conn_send(s->conns[k], out.p, out.n);
    free(out.p);
    return true;
}

static const char *mixed_wrong(struct mixed_client *m, struct conn *c)
{
    struct counters *n = &c->seen;
    if (c->status != ST_OK)
        return wrong_text("refused: %.200s", c->last);
    if (m->what == MIX_BODY && (n->literals != 1 || n->literal_bytes < 500))
        return "FETCH of a body gave none";
    if (m->what == MIX_LIST && n->fetches < 20)
        return "FETCH of 20 envelopes gave fewer";
    // A plain STORE may change nothing, and then a server may stay silent; \Deleted is always new.
    if (m->what == MIX_DELETE && n->fetches < m->asked)
        return "STORE did not tell the flags";
    if (m->what == MIX_EXPUNGE && n->expunges != m->asked)
        return wrong_text("EXPUNGE of %ld took %ld", m->asked, n->expunges);
    return NULL;
}

static void mixed_done(struct swarm *s, int k, double seconds)
{
    struct mixed_run *run = s->arg;
    struct mixed_client *m = &run->clients[k];
    struct counters *n = &s->conns[k]->seen;
    const char *wrong = mixed_wrong(m, s->conns[k]);
    if (wrong && !run->wrong)
        run->wrong = wrong;
    m->appended += m->what == MIX_APPEND;
    m->expunged += n->expunges;
    m->exists = n->exists ? n->exists : m->exists - n->expunges;
    m->expunge_now = m->what == MIX_DELETE;
    run->commands++;
    sample(&run->latency, seconds);
}

static void mixed_prepare(struct swarm *s, struct mixed_run *run, int k)
{
    struct conn *c = s->conns[k] = conn_open(opt.first_user + k);
    conn_command(c, "DELETE mixed");
    conn_must(c, "CREATE mixed");
    load_messages(c, "mixed", k * 1000L, MIXED_START);
    conn_must(c, "SELECT mixed");
    run->clients[k].exists = c->seen.exists;
    run->clients[k].dice = 77 + (unsigned)k;
}

void measure_mixed(void)
{
    int n = opt.connections;
    struct mixed_run run = {.clients = calloc((size_t)n, sizeof *run.clients)};
    struct swarm s = {.conns = calloc((size_t)n, sizeof *s.conns),
                      .n = n,
                      .next = mixed_next,
                      .done = mixed_done,
                      .arg = &run};
    for (int k = 0; k < n; k++)
        mixed_prepare(&s, &run, k);
    struct row r = row_begin();
    run.stop = r.t0 + opt.seconds;
    swarm_run(&s);
    double took = now() - r.t0;
    for (int k = 0; k < n && !run.wrong; k++) {
        struct mixed_client *m = &run.clients[k];
        conn_must(s.conns[k], "SELECT mixed");
        long want = MIXED_START + m->appended - m->expunged;
        if (s.conns[k]->seen.exists != want)
            run.wrong =
                wrong_text("%ld messages at the end, %ld expected", s.conns[k]->seen.exists, want);
    }
    row_end(&r, "mixed", "cmd/s", (double)run.commands / took, &run.latency, run.wrong);
    for (int k = 0; k < n; k++)
        conn_close(s.conns[k]);
}
