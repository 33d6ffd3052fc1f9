// SPDX-License-Identifier: Apache-2.0
//
// trace: the whole way of a message by its Message-ID or its id in the queue, or the latest mail of
// an address.
#include "admin/history/admin_trace.h"

#include <stdlib.h>

#include "base/banned.h"

#define LIMIT_DEFAULT  20
#define LIMIT_MAX      1000
#define SAME_ID_MAX    50 // mails with one Message-ID that are told of, and what they brought forth
#define EVENTS_AT_ONCE 5000 // of one mail; a mailing with more has the rest left out

struct tracer {
    struct admin_call *call;
    struct span what;
    json_t *items; // of the mail being read
    trail_id *todo;
    size_t n;
    bool fits, failed; // what was found is what was asked for
    bool is_ours;      // the mail is by somebody whom the asker looks after
    uint64_t told;     // mails
};

// ---- whose mail ---------------------------------------------------------------------------------

// Whoever looks after some domains is told of mail that their people have sent (having logged in: a
// sender can be forged), and of mail for their people what concerns nobody else.

static bool is_by_ours(const struct tracer *t, const struct trail_event *e)
{
    return e->texts[TRAIL_USER].n > 0 && admin_sees(t->call, e->texts[TRAIL_USER]);
}

static bool is_for_ours_alone(const struct tracer *t, const struct trail_event *e)
{
    for (size_t i = 0; i < e->recipient_count; i++) {
        if (!admin_sees(t->call, e->recipients[i])) {
            return false;
        }
    }
    return true;
}

static bool look_whose(void *arg, const struct trail_found *f)
{
    struct tracer *t = arg;

    t->is_ours |= is_by_ours(t, &f->is);
    for (size_t i = 0; i < f->is.recipient_count; i++) {
        t->fits |= admin_sees(t->call, f->is.recipients[i]);
    }
    return true;
}

// ---- whole ways ---------------------------------------------------------------------------------

static void want(struct tracer *t, trail_id mail)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->todo[i] == mail) {
            return;
        }
    }
    if (t->n < SAME_ID_MAX) {
        t->todo[t->n++] = mail;
    }
}

static bool tell_one(void *arg, const struct trail_found *f)
{
    struct tracer *t = arg;

    if (!t->is_ours && !is_for_ours_alone(t, &f->is)) {
        return true;
    }
    if (f->is.other && (f->is.kind == TRAIL_TOLD || f->is.kind == TRAIL_ANSWERED)) {
        want(t, f->is.other);
    }
    t->failed |= json_array_append_new(t->items, trace_event_json(f)) != 0;
    return !t->failed && json_array_size(t->items) < EVENTS_AT_ONCE;
}

static enum err send_items(struct tracer *t)
{
    enum err e = t->failed ? ERR_NOMEM : ERR_OK;

    for (size_t i = 0; i < json_array_size(t->items) && e == ERR_OK; i++) {
        e = admin_item(t->call, json_incref(json_array_get(t->items, i)));
    }
    json_array_clear(t->items);
    return e;
}

// The mails in `todo`, and those that came of them.
static enum err tell_all(struct tracer *t)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < t->n && e == ERR_OK; i++) {
        t->is_ours = t->fits = admin_sees_all(t->call);
        e = t->is_ours ? e : trail_each(t->call->admin->trail, t->todo[i], look_whose, t);
        if (e == ERR_OK && (t->is_ours || t->fits)) {
            e = trail_each(t->call->admin->trail, t->todo[i], tell_one, t);
            e = e == ERR_OK ? send_items(t) : e;
            t->told++;
        }
    }
    return e;
}

static void oldest_first(trail_id *ids, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        trail_id other = ids[i];

        ids[i] = ids[n - 1 - i];
        ids[n - 1 - i] = other;
    }
}

// ---- the latest of an address -------------------------------------------------------------------

// What became of a mail, as far as it is known.
struct outcome {
    struct tracer *tracer;
    json_t *item, *to;
    uint64_t delivered, waiting, failed, refused, left_out, not_kept;
    bool from_here, is_here, is_away;
    bool is_ours; // as the tracer's
};

static bool is_about(const struct trail_event *e, struct span address)
{
    bool yes = (e->texts[TRAIL_SENDER].p && span_eq_nocase(e->texts[TRAIL_SENDER], address)) ||
               (e->texts[TRAIL_LEADS_TO].p && span_eq_nocase(e->texts[TRAIL_LEADS_TO], address));

    for (size_t i = 0; i < e->recipient_count && !yes; i++) {
        yes = span_eq_nocase(e->recipients[i], address);
    }
    return yes;
}

static void take(uint64_t *from, uint64_t n)
{
    *from -= n < *from ? n : *from;
}

static void count(struct outcome *o, const struct trail_event *e)
{
    uint64_t n = e->recipient_count ? e->recipient_count : 1;

    switch (e->kind) {
    case TRAIL_REFUSED:
        o->refused += n;
        break;
    case TRAIL_HERE:
        o->is_here = true;
        o->delivered += n;
        break;
    case TRAIL_LEFT_OUT:
        o->left_out += n;
        break;
    case TRAIL_NOT_KEPT:
        o->not_kept += n;
        break;
    case TRAIL_QUEUED:
        o->waiting += n;
        break;
    case TRAIL_DELIVERED:
        take(&o->waiting, n);
        o->is_away |= e->texts[TRAIL_HOST].p != NULL;
        o->delivered += e->texts[TRAIL_HOST].p ? n : 0; // into a mailbox: counted there
        break;
    case TRAIL_FAILED:
    case TRAIL_EXPIRED:
    case TRAIL_REMOVED:
    case TRAIL_GIVEN_UP:
        take(&o->waiting, n);
        o->failed += n;
        break;
    default:
        break;
    }
}

// The envelope's recipients; not those that a copy is sent on to.
static void add_recipients(struct outcome *o, const struct trail_event *e)
{
    if (e->kind < TRAIL_REFUSED || e->kind > TRAIL_QUEUED) {
        return;
    }
    for (size_t i = 0; i < e->recipient_count && json_array_size(o->to) < LIMIT_DEFAULT; i++) {
        // Whoever looks after some domains learns no addresses of others that got it, too.
        if (!o->is_ours && !admin_sees(o->tracer->call, e->recipients[i])) {
            continue;
        }
        json_t *text = admin_json_text(e->recipients[i]);
        size_t k = 0;

        while (k < json_array_size(o->to) && !json_equal(text, json_array_get(o->to, k))) {
            k++;
        }
        if (k == json_array_size(o->to)) {
            json_array_append(o->to, text);
        }
        json_decref(text);
    }
}

static void set_first(struct outcome *o, const struct trail_found *f, enum trail_what what,
                      const char *name)
{
    if (f->is.texts[what].p && !json_object_get(o->item, name)) {
        json_object_set_new(o->item, name, admin_json_text(f->is.texts[what]));
    }
}

static bool sum_up(void *arg, const struct trail_found *f)
{
    struct outcome *o = arg;

    if (!json_object_get(o->item, "time")) {
        admin_json_time(o->item, "time", f->is.when_ms / 1000);
    }
    o->tracer->fits |= is_about(&f->is, o->tracer->what);
    o->from_here |= f->is.kind == TRAIL_WRITTEN || f->is.texts[TRAIL_USER].p;
    o->is_ours |= admin_sees_all(o->tracer->call) || is_by_ours(o->tracer, &f->is);
    set_first(o, f, TRAIL_SENDER, "from");
    set_first(o, f, TRAIL_MESSAGE_ID, "message_id");
    set_first(o, f, TRAIL_REPLY, "reply");
    if (f->is.queue && !json_object_get(o->item, "queue")) {
        json_object_set_new(o->item, "queue", json_string(queue_id_text(f->is.queue).s));
    }
    add_recipients(o, &f->is);
    count(o, &f->is);
    return true;
}

static void put_count(struct buf *b, uint64_t n, const char *words)
{
    if (n) {
        buf_printf(b, "%s%s", b->n ? ", " : "", words);
        if (n > 1) {
            buf_printf(b, " (%llu)", (unsigned long long)n);
        }
    }
}

static void set_outcome(struct outcome *o)
{
    char bytes[200];
    struct buf b = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};

    put_count(&b, o->delivered, "delivered");
    put_count(&b, o->waiting, "waiting");
    put_count(&b, o->failed, "failed");
    put_count(&b, o->refused, "refused");
    put_count(&b, o->left_out, "had come before");
    put_count(&b, o->not_kept, "not kept by rules");
    json_object_set_new(o->item, "result", admin_json_text(buf_span(&b)));
    json_object_set_new(o->item, "direction",
                        json_string(!o->from_here               ? "in"
                                    : o->is_here && !o->is_away ? "local"
                                                                : "out"));
    json_object_set(o->item, "to", o->to);
}

static enum err list_one(struct tracer *t, trail_id mail)
{
    struct outcome o = {.tracer = t, .item = json_object(), .to = json_array()};

    t->fits = false;
    json_object_set_new(o.item, "mail", trace_number_json(mail));
    enum err e = trail_each(t->call->admin->trail, mail, sum_up, &o);

    set_outcome(&o);
    json_decref(o.to);
    if (e == ERR_OK && t->fits) {
        return admin_item(t->call, o.item);
    }
    json_decref(o.item);
    return e;
}

// ---- the operation ------------------------------------------------------------------------------

static enum err find(struct tracer *t, enum trail_by by, struct span text, int64_t since_ms,
                     size_t max)
{
    return trail_find(t->call->admin->trail, by, text, since_ms, t->todo, max, &t->n);
}

static bool is_there(void *arg, const struct trail_found *f)
{
    (void)f;
    *(bool *)arg = true;
    return false;
}

// A mail's own number, as lists of an address show it.
static enum err find_number(struct tracer *t, trail_id mail)
{
    bool there = false;
    enum err e = trail_each(t->call->admin->trail, mail, is_there, &there);

    if (there) {
        want(t, mail);
    }
    return e;
}

static enum err find_message(struct tracer *t, int64_t since_ms)
{
    queue_id id;
    enum err e = ERR_OK;

    if (queue_id_read(t->what, &id)) {
        e = find(t, TRAIL_BY_QUEUE, span_of(&id, sizeof(id)), since_ms, SAME_ID_MAX);
        e = e == ERR_OK && t->n == 0 ? find_number(t, id) : e;
    }
    if (e == ERR_OK && t->n == 0) {
        e = find(t, TRAIL_BY_MESSAGE_ID, t->what, since_ms, SAME_ID_MAX);
    }
    oldest_first(t->todo, t->n);
    return e;
}

static enum err list_address(struct tracer *t, int64_t since_ms, size_t limit)
{
    enum err e = find(t, TRAIL_BY_ADDRESS, t->what, since_ms, limit);

    for (size_t i = 0; i < t->n && e == ERR_OK && !admin_is_cancelled(t->call); i++) {
        e = list_one(t, t->todo[i]);
    }
    return e;
}

static enum err run(struct tracer *t, int64_t since_ms, size_t limit)
{
    struct admin_call *c = t->call;
    bool is_address = admin_bool(c, "address");
    trail_flush(c->admin->trail); // what cannot be written now is no reason not to read
    enum err e = is_address ? ERR_OK : find_message(t, since_ms);

    if (e == ERR_OK && t->n) {
        e = tell_all(t);
        t->n = t->told;
    } else if (e == ERR_OK && admin_sees(c, t->what)) {
        is_address = true;
        e = list_address(t, since_ms, limit);
    }
    if (e != ERR_OK) {
        return e == ERR_IO ? e : admin_fail_store(c, e, "Reading the trail of mail");
    }
    if (t->n == 0 && !admin_sees_all(c)) { // the same whether it is not there or not for these eyes
        return admin_fail(c, ERR_NOT_FOUND,
                          "Nothing is known of %.*s that concerns the domains %.*s looks after.",
                          SPAN_ARG(t->what), SPAN_ARG(c->caller_name));
    }
    if (t->n == 0) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "Nothing is known of %.*s: no message with this Message-ID or id in the "
                          "queue, no mail from or for this address, in the time that is "
                          "remembered (the setting trace_keep).",
                          SPAN_ARG(t->what));
    }
    c->outcome->result = json_pack("{s:s, s:I}", "of", is_address ? "address" : "message", "mails",
                                   (json_int_t)t->n);
    return ERR_OK;
}

enum err admin_trace(struct admin_call *c)
{
    struct tracer t = {.call = c, .what = span_trim(admin_text(c, "what"))};
    uint64_t since_ms = 0, limit = LIMIT_DEFAULT;

    if (!c->admin->trail) {
        return admin_fail(c, ERR_UNAVAILABLE, "There is no trail of mail here.");
    }
    if (t.what.n == 0 || t.what.n > TRAIL_TEXT_BYTES_MAX) {
        return admin_fail(c, ERR_INVALID,
                          "Which mail? Give a Message-ID, an address, or an id in the queue.");
    }
    admin_number(c, "since_ms", &since_ms);
    admin_number(c, "limit", &limit);
    limit = limit < 1 ? 1 : limit > LIMIT_MAX ? LIMIT_MAX : limit;
    t.items = json_array();
    t.todo = calloc(LIMIT_MAX, sizeof(*t.todo));
    enum err e = t.items && t.todo ? run(&t, (int64_t)(since_ms & INT64_MAX), (size_t)limit)
                                   : admin_fail_store(c, ERR_NOMEM, "Reading the trail of mail");

    json_decref(t.items);
    free(t.todo);
    return e;
}
