// SPDX-License-Identifier: Apache-2.0
#include "gate/dns/dns_desk.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "gate/dns/dns_cache.h"
#include "gate/dns/dns_record.h"
#include "senderauth/domain_name.h"

#include "base/banned.h"

#define RECORDS_ARENA_BYTES (64u << 10) // the list of an answer; its data stays where it came

// All have the same time, so `open` and `waiting` together are in the order of their deadlines.
struct ask {
    struct dns_desk *desk;
    struct dns_client *client;
    struct list link; // of the desk: open or waiting
    struct list mine; // of its client
    uint64_t id;      // 0: still waiting
    int64_t until_ms;
    enum dns_type type;
    size_t n;
    char name[DOMAIN_BYTES_MAX];
};

// What another thread has for this one.
struct news {
    struct news *next;
    bool is_lost; // the courier is; else an answer:
    struct ipc_dns_answer answer;
    char records[];
};

struct dns_desk {
    struct dns_desk_options o;
    struct list open, waiting;
    unsigned open_n, waiting_n, losses;
    struct map by_id; // 8 bytes -> struct ask
    struct dns_cache *cache;
    uint64_t last;
    struct timer timer;
    struct loop_task task;

    struct lock lock; // guards the rest
    struct news *first, *last_news;
    bool is_posted;
};

static const struct dns_answer no_answer = {.status = DNS_TEMPFAIL};

static void on_news(struct loop_task *t);
static void on_time(struct timer *t);

enum err dns_desk_create(const struct dns_desk_options *o, struct dns_desk **out)
{
    struct dns_desk *d = calloc(1, sizeof(*d));

    if (!d || dns_cache_create(&d->cache) != ERR_OK) {
        free(d);
        return ERR_NOMEM;
    }
    d->o = *o;
    list_init(&d->open);
    list_init(&d->waiting);
    map_init(&d->by_id);
    d->timer.fire = on_time;
    d->task.run = on_news;
    lock_init(&d->lock, LOCK_LEAF);
    *out = d;
    return ERR_OK;
}

static struct ask *ask_of(struct list *link)
{
    return LIST_ITEM(link, struct ask, link);
}

static void ask_remove(struct dns_desk *d, struct ask *a)
{
    list_remove(&a->link);
    list_remove(&a->mine);
    if (a->id) {
        map_remove(&d->by_id, span_of(&a->id, sizeof(a->id)));
        d->open_n--;
    } else {
        d->waiting_n--;
    }
}

void dns_desk_destroy(struct dns_desk *d)
{
    if (!d) {
        return;
    }
    struct list *lists[] = {&d->open, &d->waiting};

    for (size_t i = 0; i < 2; i++) {
        while (!list_is_empty(lists[i])) {
            struct ask *a = ask_of(lists[i]->next);

            ask_remove(d, a);
            free(a);
        }
    }
    while (d->first) {
        struct news *n = d->first;

        d->first = n->next;
        free(n);
    }
    loop_timer_cancel(d->o.loop, &d->timer);
    map_finish(&d->by_id);
    dns_cache_destroy(d->cache);
    lock_finish(&d->lock);
    free(d);
}

unsigned dns_desk_open(const struct dns_desk *d)
{
    return d->open_n + d->waiting_n;
}

unsigned dns_desk_losses(const struct dns_desk *d)
{
    return d->losses;
}

void dns_client_init(struct dns_client *c)
{
    list_init(&c->asks);
}

enum err dns_desk_send(struct dns_desk *d, struct span frame, int fd)
{
    return d->o.send(d->o.arg, frame, fd);
}

// ---- asking -------------------------------------------------------------------------------------

static void arm(struct dns_desk *d)
{
    int64_t at = INT64_MAX;
    struct list *lists[] = {&d->open, &d->waiting};

    for (size_t i = 0; i < 2; i++) {
        if (!list_is_empty(lists[i]) && ask_of(lists[i]->next)->until_ms < at) {
            at = ask_of(lists[i]->next)->until_ms;
        }
    }
    if (at == INT64_MAX) {
        loop_timer_cancel(d->o.loop, &d->timer);
    } else {
        loop_timer_set(d->o.loop, &d->timer, at); // room was made with the first ask
    }
}

// Hands it to the courier. It is in no list of the desk's.
static enum err send_ask(struct dns_desk *d, struct ask *a)
{
    uint64_t id = (d->last + 1) * d->o.id_step + d->o.id_first;
    struct ipc_dns_ask m = {.id = id, .type = (uint16_t)a->type, .name = span_of(a->name, a->n)};
    struct span key = span_of(&id, sizeof(id));
    struct buf frame;
    enum err e = map_put(&d->by_id, key, a, NULL);

    if (e != ERR_OK) {
        return e;
    }
    buf_init(&frame, 4096);
    e = ipc_dns_ask_encode(&m, 0, &frame);
    e = e == ERR_OK ? dns_desk_send(d, buf_span(&frame), -1) : e;
    buf_finish(&frame);
    if (e != ERR_OK) {
        map_remove(&d->by_id, key);
        return e;
    }
    d->last++;
    a->id = id;
    d->open_n++;
    list_append(&d->open, &a->link);
    return ERR_OK;
}

enum err dns_desk_ask(struct dns_desk *d, struct dns_client *c, struct span name,
                      enum dns_type type)
{
    bool waits = d->open_n >= d->o.open_max || d->waiting_n > 0;
    struct ask *a;

    if (name.n > sizeof(a->name)) {
        return ERR_INVALID;
    }
    if (waits && d->waiting_n >= d->o.waiting_max) {
        return ERR_LIMIT;
    }
    a = calloc(1, sizeof(*a));
    if (!a || loop_timer_set(d->o.loop, &d->timer, loop_now_ms(d->o.loop)) != ERR_OK) {
        free(a); // without a timer it could stay for ever
        return ERR_NOMEM;
    }
    a->desk = d;
    a->client = c;
    a->until_ms = clock_monotonic_ms() + d->o.timeout_ms;
    a->type = type;
    a->n = name.n;
    memcpy(a->name, name.p, name.n);
    enum err e = ERR_OK;

    if (waits) {
        list_append(&d->waiting, &a->link);
        d->waiting_n++;
    } else {
        e = send_ask(d, a);
    }
    if (e == ERR_OK) {
        list_append(&c->asks, &a->mine);
    } else {
        free(a);
    }
    arm(d);
    return e;
}

bool dns_desk_known(struct dns_desk *d, struct span name, enum dns_type type, struct arena *arena,
                    struct dns_answer *out)
{
    const struct ipc_dns_answer *a = dns_cache_get(d->cache, name, type, clock_monotonic_ms());

    return a && dns_record_read(a, type, arena, out) == ERR_OK;
}

void dns_client_forget(struct dns_client *c)
{
    struct dns_desk *d = NULL;

    while (!list_is_empty(&c->asks)) {
        struct ask *a = LIST_ITEM(c->asks.next, struct ask, mine);

        d = a->desk;
        ask_remove(d, a);
        free(a);
    }
    if (d && d->waiting_n) { // their turn, but not from within somebody's call
        loop_timer_set(d->o.loop, &d->timer, loop_now_ms(d->o.loop));
    }
}

// ---- answers ------------------------------------------------------------------------------------

static void answer_ask(struct dns_desk *d, struct ask *a, const struct dns_answer *answer)
{
    ask_remove(d, a);
    a->client->answered(a->client, span_of(a->name, a->n), a->type, answer);
    free(a);
}

// Those whose time is over, then those whose turn it is.
static void move_on(struct dns_desk *d)
{
    int64_t now = clock_monotonic_ms();
    struct list *lists[] = {&d->open, &d->waiting};

    for (size_t i = 0; i < 2; i++) {
        while (!list_is_empty(lists[i]) && ask_of(lists[i]->next)->until_ms <= now) {
            answer_ask(d, ask_of(lists[i]->next), &no_answer);
        }
    }
    while (d->open_n < d->o.open_max && d->waiting_n) {
        struct ask *a = ask_of(d->waiting.next);

        list_remove(&a->link);
        d->waiting_n--;
        if (send_ask(d, a) != ERR_OK) {
            list_append(&d->waiting, &a->link); // as ask_remove wants it
            d->waiting_n++;
            answer_ask(d, a, &no_answer);
        }
    }
    arm(d);
}

static void on_time(struct timer *t)
{
    move_on(LIST_ITEM(t, struct dns_desk, timer));
}

static void take_answer(struct dns_desk *d, const struct news *n)
{
    struct ask *a = map_get(&d->by_id, span_of(&n->answer.id, sizeof(n->answer.id)));
    struct dns_answer answer;
    struct arena arena;

    if (!a) {
        return; // too late, or nobody wants to know any more
    }
    dns_cache_put(d->cache, span_of(a->name, a->n), a->type, &n->answer, clock_monotonic_ms());
    arena_init(&arena, RECORDS_ARENA_BYTES);
    if (dns_record_read(&n->answer, a->type, &arena, &answer) != ERR_OK) {
        answer = no_answer;
    }
    answer_ask(d, a, &answer);
    arena_finish(&arena);
}

// Only what the lost one was asked: a new one may have been asked meanwhile.
static void take_loss(struct dns_desk *d)
{
    uint64_t last = d->last * d->o.id_step + d->o.id_first;

    d->losses++;
    while (!list_is_empty(&d->open) && ask_of(d->open.next)->id <= last) {
        answer_ask(d, ask_of(d->open.next), &no_answer);
    }
}

static void on_news(struct loop_task *t)
{
    struct dns_desk *d = LIST_ITEM(t, struct dns_desk, task);

    lock_take(&d->lock);
    struct news *first = d->first;

    d->first = d->last_news = NULL;
    d->is_posted = false;
    lock_release(&d->lock);
    while (first) {
        struct news *n = first;

        first = n->next;
        if (n->is_lost) {
            take_loss(d);
        } else {
            take_answer(d, n);
        }
        free(n);
    }
    move_on(d);
}

// ---- other threads ------------------------------------------------------------------------------

static void post(struct dns_desk *d, struct news *n)
{
    lock_take(&d->lock);
    bool was_posted = d->is_posted;

    if (d->first) {
        d->last_news->next = n;
    } else {
        d->first = n;
    }
    d->last_news = n;
    d->is_posted = true;
    lock_release(&d->lock);
    if (!was_posted) {
        loop_post(d->o.loop, &d->task);
    }
}

void dns_desk_answer(struct dns_desk *d, const struct ipc_dns_answer *answer)
{
    struct news *n = malloc(sizeof(*n) + answer->records.n);

    if (!n) {
        return; // the question's time runs out
    }
    *n = (struct news){.answer = *answer};
    if (answer->records.n) {
        memcpy(n->records, answer->records.p, answer->records.n);
    }
    n->answer.records = span_of(n->records, answer->records.n);
    post(d, n);
}

void dns_desk_lost(struct dns_desk *d)
{
    struct news *n = calloc(1, sizeof(*n));

    if (n) {
        n->is_lost = true;
        post(d, n);
    }
}
