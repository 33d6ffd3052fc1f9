// SPDX-License-Identifier: Apache-2.0
//
// queue list, show, retry, hold, release, remove; pause, resume, destinations: mail that waits to
// leave.
#include <stdlib.h>

#include "admin/history/admin_trace.h"
#include "base/clock.h"
#include "base/map.h"
#include "delivery/delivery.h"
#include "delivery/notice.h"
#include "queue/queue.h"

#include "base/banned.h"

// ---- which recipients ---------------------------------------------------------------------------

struct queue_wanted {
    queue_id id; // 0: any
    struct span to, from, state;
};

// "anna@example.net" itself, everybody at "example.net", or "<>", the null path.
static bool address_fits(struct span wanted, struct span address)
{
    if (wanted.n == 0 || span_eq_nocase(wanted, address)) {
        return true;
    }
    if (span_eq(wanted, SPAN("<>"))) {
        return address.n == 0;
    }
    return span_find_byte(wanted, '@') == wanted.n &&
           span_eq_nocase(span_skip(address, span_find_byte(address, '@') + 1), wanted);
}

static const char *const state_names[] = {
    [QUEUE_WAITING] = "waiting",
    [QUEUE_HELD] = "held",
    [QUEUE_FAILED] = "failed",
    [QUEUE_DELIVERED] = "delivered",
};

static bool is_wanted(const struct queue_wanted *w, const struct queue_message *m,
                      const struct queue_recipient *r)
{
    return (address_fits(w->to, r->address) || span_eq_nocase(w->to, r->destination)) &&
           address_fits(w->from, m->sender) &&
           (w->state.n == 0 || span_eq(w->state, span_from_str(state_names[r->state])));
}

static enum err wanted_args(struct admin_call *c, struct queue_wanted *out)
{
    struct span id = admin_text(c, "id");

    *out = (struct queue_wanted){
        .to = admin_text(c, "to"), .from = admin_text(c, "from"), .state = admin_text(c, "state")};
    if (!c->admin->queue) {
        return admin_fail(c, ERR_UNAVAILABLE, "There is no queue here.");
    }
    if (id.n > 0 && !queue_id_read(id, &out->id)) {
        return admin_fail(c, ERR_INVALID,
                          "\"%.*s\" is no message of the queue: an id has 16 characters, as in "
                          "mailkeep queue list.",
                          SPAN_ARG(id));
    }
    return ERR_OK;
}

static enum err queue_failed(struct admin_call *c, enum err e, queue_id id)
{
    if (e == ERR_NOT_FOUND && id != 0) {
        return admin_fail(c, e,
                          "The queue has no message %s: it was delivered, or given up, or removed. "
                          "`mailkeep trace %s` says which.",
                          queue_id_text(id).s, queue_id_text(id).s);
    }
    return admin_fail_store(c, e, "Reading the queue");
}

// ---- destinations -------------------------------------------------------------------------------

struct destination {
    bool is_paused;
    int64_t paused_ms, back_off_until_ms;
    unsigned running, failures;
    struct span name, reason;
};

struct destinations {
    struct map by_name;
    struct arena *arena;
    bool failed;
};

static struct destination *destination_need(struct destinations *d, struct span name)
{
    struct destination *x = map_get(&d->by_name, name);

    if (x) {
        return x;
    }
    x = arena_zalloc(d->arena, 1, sizeof(*x));
    if (x) {
        x->name = arena_dup(d->arena, name);
    }
    if (!x || !x->name.p || map_put(&d->by_name, x->name, x, NULL) != ERR_OK) {
        d->failed = true;
        return NULL;
    }
    return x;
}

static void add_status(void *arg, const struct queue_destination_status *s)
{
    struct destination *x = destination_need(arg, s->name);

    if (x) {
        x->is_paused |= s->is_paused;
        x->back_off_until_ms = s->back_off_until_ms;
        x->running = s->running;
        x->failures = s->failures;
    }
}

static void add_pause(void *arg, struct span name, int64_t since_ms, struct span reason)
{
    struct destinations *d = arg;
    struct destination *x = destination_need(d, name);

    if (x) {
        x->is_paused = true;
        x->paused_ms = since_ms;
        x->reason = arena_dup(d->arena, reason);
    }
}

static enum err destinations_load(struct admin_call *c, struct destinations *d)
{
    *d = (struct destinations){.arena = &c->arena};
    map_init(&d->by_name);
    queue_destinations(c->admin->queue, add_status, d);
    enum err e = queue_pauses(c->admin->queue, add_pause, d);

    return e == ERR_OK && d->failed ? ERR_NOMEM : e;
}

// ---- in words -----------------------------------------------------------------------------------

struct why {
    char text[700];
    const char *advice; // may be NULL
    int64_t next_ms;    // 0: nothing is planned
};

static const char *time_words(int64_t ms, char room[32])
{
    json_t *j = json_object();

    admin_json_time(j, "t", ms / 1000);
    snprintf(room, 32, "%s", json_string_value(json_object_get(j, "t")));
    json_decref(j);
    return room;
}

static void why_waiting(struct why *w, const struct queue_recipient *r, const struct destination *d,
                        int64_t now_ms)
{
    const char *what = "";
    struct span first = span_trim(r->reply);

    w->next_ms = r->due_ms;
    if (d && d->back_off_until_ms > w->next_ms) {
        w->next_ms = d->back_off_until_ms;
    }
    if (d && d->is_paused) {
        snprintf(w->text, sizeof(w->text), "Mail to %.*s is paused%s%.*s.",
                 SPAN_ARG(r->destination), d->reason.n > 0 ? ": " : "", SPAN_ARG(d->reason));
        w->advice = "To go on: mailkeep queue resume DESTINATION";
        w->next_ms = 0;
    } else if (r->attempts > 0 || first.n > 0) {
        if (first.n > 0) {
            notice_explain(first, &what, &w->advice);
        }
        snprintf(w->text, sizeof(w->text), "Not delivered yet. %s", what);
    } else if (r->due_ms > now_ms) {
        snprintf(w->text, sizeof(w->text), "It is not to leave before its time.");
    } else if (d && d->back_off_until_ms > now_ms) {
        snprintf(w->text, sizeof(w->text),
                 "The servers of %.*s could not be reached (%u times in a row).",
                 SPAN_ARG(r->destination), d->failures);
    } else if (d && d->running > 0) {
        snprintf(w->text, sizeof(w->text), "It is on its way, or next.");
    } else {
        snprintf(w->text, sizeof(w->text), "It has not been tried yet.");
    }
}

static void why_of(struct why *w, const struct queue_recipient *r, const struct destination *d,
                   int64_t now_ms)
{
    const char *what = "";

    *w = (struct why){.advice = NULL};
    switch (r->state) {
    case QUEUE_WAITING:
        why_waiting(w, r, d, now_ms);
        break;
    case QUEUE_HELD:
        snprintf(w->text, sizeof(w->text), "It is held back until somebody releases it.");
        w->advice = "To let it go: mailkeep queue release ID";
        break;
    case QUEUE_FAILED:
        notice_explain(r->reply, &what, &w->advice);
        snprintf(w->text, sizeof(w->text), "Given up; the sender is about to be told. %s", what);
        break;
    case QUEUE_DELIVERED:
        snprintf(w->text, sizeof(w->text),
                 "Delivered; the sender has asked to be told, and is about to be.");
        break;
    }
}

static void set_text(json_t *j, const char *name, struct span s)
{
    if (s.n > 0) {
        json_object_set_new(j, name, admin_json_text(s));
    }
}

static json_t *recipient_json(const struct queue_message *m, const struct queue_recipient *r,
                              struct destinations *all, int64_t now_ms)
{
    struct why w;

    why_of(&w, r, map_get(&all->by_name, r->destination), now_ms);
    json_t *j = json_pack("{s:s, s:I, s:o, s:o, s:s, s:o, s:I, s:I, s:s}", "id",
                          queue_id_text(m->id).s, "recipient", (json_int_t)r->number, "from",
                          admin_json_text(m->sender), "to", admin_json_text(r->address), "state",
                          state_names[r->state], "destination", admin_json_text(r->destination),
                          "bytes", (json_int_t)(m->body_bytes + m->prefix.n), "attempts",
                          (json_int_t)r->attempts, "why", w.text);

    if (!j) {
        return NULL;
    }
    admin_json_time(j, "since", m->accepted_ms / 1000);
    admin_json_time(j, "expires", m->expires_ms / 1000);
    if (w.next_ms > 0) {
        admin_json_time(j, "next_try", w.next_ms / 1000);
    }
    if (r->tried_ms > 0) {
        admin_json_time(j, "last_try", r->tried_ms / 1000);
    }
    if (w.advice) {
        json_object_set_new(j, "advice", json_string(w.advice));
    }
    set_text(j, "message_id", m->message_id);
    set_text(j, "host", r->host);
    set_text(j, "reply", r->reply);
    return j;
}

// ---- list and show ------------------------------------------------------------------------------

struct queue_lister {
    struct queue_wanted wanted;
    struct destinations destinations;
    json_t *items;
    int64_t now_ms;
    bool failed;
    struct admin_call *call; // for the history of each; NULL: not wanted
};

// What was tried so far. False: no memory, or the trail cannot be read.
static bool add_history(struct queue_lister *l, const struct queue_message *m,
                        const struct queue_recipient *r, json_t *j)
{
    json_t *history = l->call ? json_array() : NULL;

    if (!l->call) {
        return true;
    }
    return trace_queue_history(l->call, m->mail, m->id, r->address, history) == ERR_OK &&
           json_object_set_new(j, "history", history) == 0;
}

static bool list_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct queue_lister *l = arg;

    if (is_wanted(&l->wanted, m, r)) {
        json_t *j = recipient_json(m, r, &l->destinations, l->now_ms);

        l->failed |= !add_history(l, m, r, j) || json_array_append_new(l->items, j) != 0;
    }
    return !l->failed;
}

static enum err send_items(struct admin_call *c, struct queue_lister *l, uint64_t *count)
{
    enum err e = l->failed ? ERR_NOMEM : ERR_OK;

    for (size_t i = 0; i < json_array_size(l->items) && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(l->items, i)));
    }
    *count += json_array_size(l->items);
    json_array_clear(l->items);
    return e;
}

enum err admin_queue_list(struct admin_call *c)
{
    struct queue_lister l = {.now_ms = clock_real_ms()};
    queue_id after = 0, last = 0;
    uint64_t count = 0;
    enum err e = wanted_args(c, &l.wanted);

    if (e != ERR_OK) {
        return e;
    }
    l.call = admin_bool(c, "history") ? c : NULL;
    e = destinations_load(c, &l.destinations);
    l.items = json_array();
    // A page holds few messages: one may have thousands of recipients.
    while (e == ERR_OK && !admin_is_cancelled(c)) {
        e = queue_list_after(c->admin->queue, after, 16, list_one, &l, &last);
        e = e == ERR_OK ? send_items(c, &l, &count) : admin_fail_store(c, e, "Reading the queue");
        if (last == after) {
            break;
        }
        after = last;
    }
    json_decref(l.items);
    map_finish(&l.destinations.by_name);
    c->outcome->result = json_pack("{s:I}", "recipients", (json_int_t)count);
    return e;
}

struct queue_shower {
    struct queue_lister lister; // first: list_one gets it
    json_t *message;
    account_id submitter;
};

static json_t *message_json(const struct queue_message *m)
{
    static const struct {
        enum queue_message_flag flag;
        const char *name;
    } flags[] = {
        {QUEUE_SMTPUTF8, "smtputf8"},     {QUEUE_8BITMIME, "8bitmime"},
        {QUEUE_BINARYMIME, "binarymime"}, {QUEUE_REQUIRETLS, "requiretls"},
        {QUEUE_INTERNAL, "our own"},      {QUEUE_SUSPECT, "thought to be junk"},
    };
    json_t *names = json_array();
    json_t *j =
        json_pack("{s:s, s:o, s:I, s:I}", "id", queue_id_text(m->id).s, "from",
                  admin_json_text(m->sender), "bytes", (json_int_t)(m->body_bytes + m->prefix.n),
                  "recipients_left", (json_int_t)m->recipients);

    if (!j) {
        json_decref(names);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (m->flags & flags[i].flag) {
            json_array_append_new(names, json_string(flags[i].name));
        }
    }
    json_object_set_new(j, "flags", names);
    admin_json_time(j, "since", m->accepted_ms / 1000);
    admin_json_time(j, "expires", m->expires_ms / 1000);
    set_text(j, "message_id", m->message_id);
    set_text(j, "device", m->device);
    set_text(j, "origin", m->origin);
    set_text(j, "envelope_id", m->envid);
    return j;
}

static bool show_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct queue_shower *s = arg;

    if (!s->message) {
        s->message = message_json(m);
        s->submitter = m->submitter;
    }
    return list_one(&s->lister, m, r) && s->message;
}

static void set_submitter(struct admin_call *c, account_id id, json_t *message)
{
    struct account account;

    if (id != 0 && directory_account_by_id(c->admin->store, id, &c->arena, &account) == ERR_OK) {
        json_object_set_new(message, "account", admin_json_text(account.name));
    }
}

enum err admin_queue_show(struct admin_call *c)
{
    struct queue_shower s = {.lister.now_ms = clock_real_ms(), .lister.call = c};
    uint64_t count = 0;
    enum err e = wanted_args(c, &s.lister.wanted);

    if (e == ERR_OK && s.lister.wanted.id == 0) {
        e = admin_fail(c, ERR_INVALID, "Which message? Give its id, as in mailkeep queue list.");
    }
    if (e != ERR_OK) {
        return e;
    }
    e = destinations_load(c, &s.lister.destinations);
    s.lister.items = json_array();
    if (e == ERR_OK) {
        e = queue_list(c->admin->queue, s.lister.wanted.id, show_one, &s);
        e = e == ERR_OK ? send_items(c, &s.lister, &count) : queue_failed(c, e, s.lister.wanted.id);
    }
    json_decref(s.lister.items);
    map_finish(&s.lister.destinations.by_name);
    if (e == ERR_OK && s.message) {
        set_submitter(c, s.submitter, s.message);
        c->outcome->result = s.message;
        return ERR_OK;
    }
    json_decref(s.message);
    return e == ERR_OK ? queue_failed(c, ERR_NOT_FOUND, s.lister.wanted.id) : e;
}

// ---- acting -------------------------------------------------------------------------------------

struct picked {
    queue_id id;
    uint32_t number;
};

struct picker {
    const struct queue_wanted *wanted;
    struct picked *p;
    size_t n, cap;
    bool failed;
};

static bool pick_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct picker *k = arg;

    if (!is_wanted(k->wanted, m, r)) {
        return true;
    }
    if (k->n == k->cap) {
        size_t cap = k->cap ? k->cap * 2 : 256;
        struct picked *p = realloc(k->p, cap * sizeof(*p));

        k->failed = !p;
        if (!p) {
            return false;
        }
        k->p = p;
        k->cap = cap;
    }
    k->p[k->n++] = (struct picked){m->id, r->number};
    return true;
}

struct acting {
    struct admin_call *call;
    enum queue_action action;
    uint64_t recipients, messages;
    queue_id last;
};

static enum err act_one(struct acting *a, queue_id id, uint32_t number)
{
    uint32_t changed = 0;
    enum err e = queue_act(a->call->admin->queue, id, number, a->action, &changed);

    a->recipients += changed;
    a->messages += changed > 0 && id != a->last;
    a->last = changed > 0 ? id : a->last;
    return e;
}

// Some messages under one snapshot, then what is to be done to them. What went away in between is
// none of our business.
static enum err act_page(struct acting *a, const struct queue_wanted *w, queue_id after,
                         queue_id *out_last)
{
    struct picker k = {.wanted = w};
    enum err e =
        queue_list_after(a->call->admin->queue, after, QUEUE_PAGE_MAX, pick_one, &k, out_last);

    e = e == ERR_OK && k.failed ? ERR_NOMEM : e;
    for (size_t i = 0; i < k.n && e == ERR_OK; i++) {
        e = act_one(a, k.p[i].id, w->to.n == 0 && w->state.n == 0 ? UINT32_MAX : k.p[i].number);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        while (w->to.n == 0 && w->state.n == 0 && i + 1 < k.n && k.p[i + 1].id == k.p[i].id) {
            i++; // done with the whole message
        }
    }
    free(k.p);
    return e;
}

static enum err act_all(struct acting *a, const struct queue_wanted *w)
{
    queue_id after = 0, last = 0;
    enum err e = ERR_OK;

    while (e == ERR_OK && !admin_is_cancelled(a->call)) {
        e = act_page(a, w, after, &last);
        if (last == after) {
            break;
        }
        after = last;
    }
    return e;
}

// The recipients of one message, all or those that fit "to".
static enum err act_message(struct acting *a, const struct queue_wanted *w)
{
    struct picker k = {.wanted = w};

    if (w->to.n == 0) {
        return act_one(a, w->id, UINT32_MAX);
    }
    enum err e = queue_list(a->call->admin->queue, w->id, pick_one, &k);

    e = e == ERR_OK && k.failed ? ERR_NOMEM : e;
    for (size_t i = 0; i < k.n && e == ERR_OK; i++) {
        e = act_one(a, w->id, k.p[i].number);
    }
    if (e == ERR_OK && k.n == 0) {
        e = admin_fail(a->call, ERR_NOT_FOUND, "The message %s has no recipient \"%.*s\".",
                       queue_id_text(w->id).s, SPAN_ARG(w->to));
    }
    free(k.p);
    return e;
}

static enum err act(struct admin_call *c, enum queue_action action)
{
    struct acting a = {.call = c, .action = action};
    struct queue_wanted w;
    enum err e = wanted_args(c, &w);

    if (e != ERR_OK) {
        return e;
    }
    if (w.id == 0 && w.to.n == 0 && w.from.n == 0 && !admin_bool(c, "all")) {
        return admin_fail(c, ERR_INVALID,
                          "Which mail? Give an id, an address or a domain of the sender or the "
                          "recipient, or say that all of it is meant.");
    }
    e = w.id != 0 ? act_message(&a, &w) : act_all(&a, &w);
    if (e != ERR_OK && c->outcome->text[0] == '\0') {
        return queue_failed(c, e, w.id);
    }
    c->outcome->result = json_pack("{s:I, s:I}", "messages", (json_int_t)a.messages, "recipients",
                                   (json_int_t)a.recipients);
    return e;
}

enum err admin_queue_retry(struct admin_call *c)
{
    return act(c, QUEUE_RETRY);
}

enum err admin_queue_hold(struct admin_call *c)
{
    return act(c, QUEUE_HOLD);
}

enum err admin_queue_release(struct admin_call *c)
{
    return act(c, QUEUE_RELEASE);
}

enum err admin_queue_remove(struct admin_call *c)
{
    return act(c, admin_bool(c, "notify") ? QUEUE_FAIL : QUEUE_REMOVE);
}

// ---- pausing ------------------------------------------------------------------------------------

static enum err destination_arg(struct admin_call *c, struct span *out)
{
    struct span given = admin_text(c, "destination");
    char *p = arena_alloc(&c->arena, given.n + 1);

    if (!c->admin->queue) {
        return admin_fail(c, ERR_UNAVAILABLE, "There is no queue here.");
    }
    if (given.n == 0 || given.n > QUEUE_DESTINATION_MAX || memchr(given.p, '@', given.n) ||
        memchr(given.p, ' ', given.n)) {
        return admin_fail(c, ERR_INVALID,
                          "Which destination? Give a domain, like example.net, or one of: mailkeep "
                          "queue destinations");
    }
    if (!p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < given.n; i++) {
        p[i] = byte_lower(given.p[i]);
    }
    *out = span_of(p, given.n);
    return ERR_OK;
}

static enum err destination_done(struct admin_call *c, enum err e, struct span name)
{
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Changing the destination");
    }
    c->outcome->result = json_pack("{s:o}", "destination", admin_json_text(name));
    return ERR_OK;
}

enum err admin_queue_pause(struct admin_call *c)
{
    struct span name, reason = admin_text(c, "reason");
    enum err e = destination_arg(c, &name);

    return e == ERR_OK
               ? destination_done(
                     c, queue_pause(c->admin->queue, name, reason.p ? reason : SPAN("")), name)
               : e;
}

enum err admin_queue_resume(struct admin_call *c)
{
    struct destinations all;
    struct span name;
    enum err e = destination_arg(c, &name);

    if (e != ERR_OK) {
        return e;
    }
    e = destinations_load(c, &all);
    const struct destination *d = e == ERR_OK ? map_get(&all.by_name, name) : NULL;
    bool paused = d && d->is_paused;

    map_finish(&all.by_name);
    if (e == ERR_OK && !paused) {
        return admin_fail(c, ERR_NOT_FOUND, "Mail to \"%.*s\" is not paused.", SPAN_ARG(name));
    }
    return destination_done(c, e == ERR_OK ? queue_resume(c->admin->queue, name) : e, name);
}

static int by_name(const void *a, const void *b)
{
    const struct destination *const *x = a, *const *y = b;

    return span_cmp((*x)->name, (*y)->name);
}

static json_t *destination_json(const struct destination *d, int64_t now_ms)
{
    bool waits = d->back_off_until_ms > now_ms && !d->is_paused;
    char when[32], words[600];

    if (d->is_paused) {
        snprintf(words, sizeof(words), "paused%s%.*s", d->reason.n > 0 ? ": " : "",
                 SPAN_ARG(d->reason));
    } else if (waits) {
        snprintf(words, sizeof(words), "could not be reached (%u times in a row); next try %s",
                 d->failures, time_words(d->back_off_until_ms, when));
    } else {
        snprintf(words, sizeof(words), d->running ? "being sent" : "waiting");
    }
    json_t *j = json_pack("{s:o, s:b, s:I, s:I, s:o}", "destination", admin_json_text(d->name),
                          "paused", d->is_paused, "running", (json_int_t)d->running, "failures",
                          (json_int_t)d->failures, "why", admin_json_text(span_from_str(words)));

    if (j && d->is_paused) {
        admin_json_time(j, "paused_since", d->paused_ms / 1000);
    }
    if (j && waits) {
        admin_json_time(j, "next_try", d->back_off_until_ms / 1000);
    }
    return j;
}

enum err admin_queue_destinations(struct admin_call *c)
{
    struct destinations all;
    size_t cursor = 0, n = 0;
    struct span name;
    void *value;

    if (!c->admin->queue) {
        return admin_fail(c, ERR_UNAVAILABLE, "There is no queue here.");
    }
    enum err e = destinations_load(c, &all);
    const struct destination **sorted = calloc(all.by_name.n + 1, sizeof(const void *));

    e = e == ERR_OK && !sorted ? ERR_NOMEM : e;
    while (e == ERR_OK && map_next(&all.by_name, &cursor, &name, &value)) {
        sorted[n++] = value;
    }
    if (n > 0) {
        qsort(sorted, n, sizeof(const void *), by_name);
    }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = admin_item(c, destination_json(sorted[i], clock_real_ms()));
    }
    free(sorted);
    map_finish(&all.by_name);
    c->outcome->result = json_pack("{s:I}", "destinations", (json_int_t)n);
    return e;
}
