// SPDX-License-Identifier: Apache-2.0
//
// An event of the trail, told to somebody who is no mail expert.
#include <stdio.h>

#include "admin/history/admin_trace.h"
#include "delivery/notice.h"

#include "base/banned.h"

#define TEXT_BYTES_MAX   4096
#define SHOWN_RECIPIENTS 10

static const char *const names[] = {
    [TRAIL_TAKEN_IN] = "taken in",   [TRAIL_WRITTEN] = "written here",
    [TRAIL_REFUSED] = "refused",     [TRAIL_HERE] = "delivered here",
    [TRAIL_LEFT_OUT] = "left out",   [TRAIL_NOT_KEPT] = "not kept",
    [TRAIL_QUEUED] = "queued",       [TRAIL_DELIVERED] = "delivered",
    [TRAIL_PUT_OFF] = "put off",     [TRAIL_FAILED] = "failed",
    [TRAIL_NOT_TRIED] = "not tried", [TRAIL_EXPIRED] = "expired",
    [TRAIL_HELD] = "held",           [TRAIL_RELEASED] = "released",
    [TRAIL_TO_TRY] = "to be tried",  [TRAIL_REMOVED] = "removed",
    [TRAIL_GIVEN_UP] = "given up",   [TRAIL_TOLD] = "sender told",
    [TRAIL_ANSWERED] = "answered",
};

static struct span text_of(const struct trail_event *e, enum trail_what what)
{
    return e->texts[what].p ? e->texts[what] : SPAN("");
}

// ---- pieces -------------------------------------------------------------------------------------

static void put_sender(struct buf *b, const struct trail_event *e)
{
    struct span sender = text_of(e, TRAIL_SENDER);

    if (sender.n) {
        buf_put(b, sender);
    } else {
        buf_put_str(b, "<> (nobody: a notice)");
    }
}

static void put_recipients(struct buf *b, const struct trail_event *e)
{
    for (size_t i = 0; i < e->recipient_count && i < SHOWN_RECIPIENTS; i++) {
        buf_put_str(b, i ? ", " : "");
        buf_put(b, e->recipients[i]);
    }
    if (e->recipient_count > SHOWN_RECIPIENTS) {
        buf_printf(b, " and %zu others", e->recipient_count - SHOWN_RECIPIENTS);
    }
}

// "before TEXT after", or nothing.
static void put_if(struct buf *b, const char *before, struct span s, const char *after)
{
    if (s.n) {
        buf_put_str(b, before);
        buf_put(b, s);
        buf_put_str(b, after);
    }
}

static void put_client(struct buf *b, const struct trail_event *e)
{
    put_if(b, " by ", text_of(e, TRAIL_HOW), "");
    put_if(b, ", from the account ", text_of(e, TRAIL_USER), "");
    put_if(b, " (device ", text_of(e, TRAIL_DEVICE), "");
    put_if(b, ", number ", text_of(e, TRAIL_DEVICE_ID), ")");
    put_if(b, ", from ", text_of(e, TRAIL_CLIENT), "");
    put_if(b, " (which calls itself ", text_of(e, TRAIL_HELO), ")");
    if (e->texts[TRAIL_TLS].p) {
        put_if(b, ", over ", text_of(e, TRAIL_TLS), "");
    } else if (e->texts[TRAIL_CLIENT].p) {
        buf_put_str(b, ", without TLS");
    }
}

static void put_leads(struct buf *b, const struct trail_event *e)
{
    struct span to = text_of(e, TRAIL_LEADS_TO), way = text_of(e, TRAIL_BY_WAY);

    put_recipients(b, e);
    if (e->recipient_count == 1 && to.n && !span_eq_nocase(e->recipients[0], to)) {
        put_if(b, ", which leads to ", to, "");
    }
    if (way.n && (!e->recipient_count || !span_eq_nocase(e->recipients[0], way))) {
        put_if(b, " by way of ", way, "");
    }
}

// ---- sentences ----------------------------------------------------------------------------------

static void say_coming_in(struct buf *b, const struct trail_event *e)
{
    if (e->kind == TRAIL_TAKEN_IN) {
        buf_put_str(b, "Taken in from ");
        put_sender(b, e);
        put_client(b, e);
        buf_printf(b, "; %llu bytes.", (unsigned long long)e->number);
    } else if (e->kind == TRAIL_WRITTEN) {
        put_if(b, "Written here: ", text_of(e, TRAIL_WORDS), "");
        buf_printf(b, "; %llu bytes.", (unsigned long long)e->number);
    } else {
        buf_put_str(b, "Refused: mail from ");
        put_sender(b, e);
        if (e->recipient_count) {
            buf_put_str(b, " for ");
            put_recipients(b, e);
        }
        put_client(b, e);
        put_if(b, ". The answer was: ", text_of(e, TRAIL_REPLY), "");
    }
}

static void say_here(struct buf *b, const struct trail_event *e)
{
    if (e->kind == TRAIL_HERE) {
        put_if(b, "Delivered into the mailbox ", text_of(e, TRAIL_MAILBOX), " for ");
        put_leads(b, e);
        put_if(b, ", by the rules of its script ", text_of(e, TRAIL_BY), "");
        buf_put_str(b, e->is_junk ? "; the checks take it for junk." : ".");
    } else if (e->kind == TRAIL_LEFT_OUT) {
        buf_put_str(b, "Left out for ");
        put_leads(b, e);
        buf_put_str(b, ": the same message had been delivered before, and came again.");
    } else {
        buf_put_str(b, "Not kept for ");
        put_leads(b, e);
        buf_put_str(b, ": the account's rules say so.");
    }
}

static void say_queued(struct buf *b, const struct trail_event *e)
{
    buf_printf(b, "Put into the queue (%s) for ", queue_id_text(e->queue).s);
    put_leads(b, e);
    put_if(b, ": ", text_of(e, TRAIL_WORDS), "");
    buf_put_str(b, ".");
}

static void put_host(struct buf *b, const struct trail_event *e)
{
    put_if(b, " by ", text_of(e, TRAIL_HOST), "");
    put_if(b, " (", text_of(e, TRAIL_PROTECTION), ")");
    put_if(b, ": ", text_of(e, TRAIL_REPLY), "");
}

static void say_tried(struct buf *b, const struct trail_event *e)
{
    static const char *const words[] = {
        [TRAIL_DELIVERED] = "Delivered for ",
        [TRAIL_PUT_OFF] = "Put off for ",
        [TRAIL_FAILED] = "Failed for ",
        [TRAIL_NOT_TRIED] = "No server could be reached for ",
        [TRAIL_EXPIRED] = "Given up after too long a time for ",
    };

    if (e->kind == TRAIL_DELIVERED && !e->texts[TRAIL_HOST].p) {
        buf_put_str(b, "Delivered from the queue here for ");
        put_recipients(b, e);
        buf_put_str(b, ".");
        return;
    }
    buf_put_str(b, words[e->kind]);
    put_recipients(b, e);
    if (e->kind == TRAIL_DELIVERED) {
        put_if(b, ": taken by ", text_of(e, TRAIL_HOST), "");
        put_if(b, " (", text_of(e, TRAIL_PROTECTION), ")");
        put_if(b, ", which said: ", text_of(e, TRAIL_REPLY), "");
    } else {
        put_host(b, e);
    }
}

static void say_rest(struct buf *b, const struct trail_event *e)
{
    static const char *const words[] = {
        [TRAIL_HELD] = "Held back",
        [TRAIL_RELEASED] = "Released",
        [TRAIL_TO_TRY] = "To be tried at once",
        [TRAIL_REMOVED] = "Removed from the queue",
        [TRAIL_GIVEN_UP] = "Given up",
    };

    if (e->kind == TRAIL_TOLD) {
        buf_put_str(b, "The sender ");
        put_sender(b, e);
        buf_put_str(b, " is told what became of it, by a notice about ");
        put_recipients(b, e);
        buf_put_str(b, ".");
    } else if (e->kind == TRAIL_ANSWERED) {
        buf_put_str(b, "An answer or notification was sent to ");
        put_recipients(b, e);
        buf_put_str(b, ".");
    } else if (e->kind <= TRAIL_KIND_LAST) {
        buf_put_str(b, words[e->kind]);
        put_if(b, " by ", text_of(e, TRAIL_BY), "");
        buf_put_str(b, " for ");
        put_recipients(b, e);
        buf_put_str(b, ".");
    } else {
        buf_put_str(b, "Something that only a newer Mailkeep knows.");
    }
}

static void say(struct buf *b, const struct trail_event *e)
{
    if (e->kind <= TRAIL_REFUSED) {
        say_coming_in(b, e);
    } else if (e->kind <= TRAIL_NOT_KEPT) {
        say_here(b, e);
    } else if (e->kind == TRAIL_QUEUED) {
        say_queued(b, e);
    } else if (e->kind <= TRAIL_EXPIRED) {
        say_tried(b, e);
    } else {
        say_rest(b, e);
    }
}

// Why, and what can be done: of the checks, of rules, of another server's answer.
static void set_why(json_t *j, const struct trail_event *e)
{
    struct span verdict = text_of(e, TRAIL_VERDICT), words = text_of(e, TRAIL_WORDS),
                reply = text_of(e, TRAIL_REPLY);
    const char *what, *advice;

    if (e->kind <= TRAIL_REFUSED && verdict.n) {
        json_object_set_new(j, "why", admin_json_text(verdict));
    } else if (e->kind != TRAIL_QUEUED && e->kind != TRAIL_WRITTEN && words.n) {
        json_object_set_new(j, "why", admin_json_text(words));
    } else if (e->kind > TRAIL_DELIVERED && e->kind <= TRAIL_EXPIRED && reply.n) {
        notice_explain(reply, &what, &advice);
        json_object_set_new(j, "why", json_string(what));
        json_object_set_new(j, "advice", json_string(advice));
    }
}

// ---- as JSON ------------------------------------------------------------------------------------

json_t *trace_number_json(trail_id mail)
{
    return json_sprintf("%016llx", (unsigned long long)mail);
}

static void set_texts(json_t *j, const struct trail_event *e)
{
    static const char *const fields[TRAIL_WHATS] = {
        [TRAIL_SENDER] = "from",
        [TRAIL_MESSAGE_ID] = "message_id",
        [TRAIL_CLIENT] = "client",
        [TRAIL_HELO] = "helo",
        [TRAIL_TLS] = "tls",
        [TRAIL_USER] = "account",
        [TRAIL_VERDICT] = "verdict",
        [TRAIL_MAILBOX] = "mailbox",
        [TRAIL_LEADS_TO] = "leads_to",
        [TRAIL_BY_WAY] = "by_way_of",
        [TRAIL_HOST] = "host",
        [TRAIL_REPLY] = "reply",
        [TRAIL_PROTECTION] = "protection",
        [TRAIL_WORDS] = "words",
        [TRAIL_BY] = "by",
        [TRAIL_HOW] = "how",
        [TRAIL_DEVICE] = "device",
    };
    json_t *to = json_array();

    for (unsigned i = 0; i < TRAIL_WHATS; i++) {
        if (fields[i] && e->texts[i].p) {
            json_object_set_new(j, fields[i], admin_json_text(e->texts[i]));
        }
    }
    for (size_t i = 0; i < e->recipient_count; i++) {
        json_array_append_new(to, admin_json_text(e->recipients[i]));
    }
    json_object_set_new(j, "to", to);
}

static void set_numbers(json_t *j, const struct trail_event *e)
{
    const char *number = e->kind == TRAIL_REFUSED ? "code"
                         : e->kind < TRAIL_HERE   ? "bytes"
                                                  : "attempts";

    uint64_t device;

    if (span_to_u64(text_of(e, TRAIL_DEVICE_ID), UINT32_MAX, &device)) {
        json_object_set_new(j, "device_id", json_integer((json_int_t)device));
    }
    if (e->account) {
        json_object_set_new(j, "account_id", json_integer((json_int_t)e->account));
    }
    if (e->queue) {
        json_object_set_new(j, "queue", json_string(queue_id_text(e->queue).s));
    }
    if (e->other) {
        json_object_set_new(j, e->kind == TRAIL_WRITTEN ? "about" : "brought_forth",
                            trace_number_json(e->other));
    }
    if (e->number) {
        json_object_set_new(j, number, json_integer((json_int_t)e->number));
    }
    if (e->next_ms > e->when_ms) {
        admin_json_time(j, e->kind == TRAIL_QUEUED ? "not_before" : "next_try", e->next_ms / 1000);
    }
    if (e->is_junk) {
        json_object_set_new(j, "junk", json_true());
    }
}

json_t *trace_event_json(const struct trail_found *f)
{
    char bytes[TEXT_BYTES_MAX];
    struct buf text = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
    bool known = f->is.kind <= TRAIL_KIND_LAST && names[f->is.kind];
    json_t *j = json_pack("{s:o, s:s}", "mail", trace_number_json(f->mail), "event",
                          known ? names[f->is.kind] : "unknown");

    if (!j) {
        return NULL;
    }
    say(&text, &f->is);
    admin_json_time(j, "time", f->is.when_ms / 1000);
    json_object_set_new(j, "text", admin_json_text(buf_span(&text)));
    set_why(j, &f->is);
    set_texts(j, &f->is);
    set_numbers(j, &f->is);
    return j;
}

// ---- of the queue -------------------------------------------------------------------------------

struct history {
    queue_id id;
    struct span address;
    json_t *into;
    bool failed;
};

static bool concerns(const struct trail_event *e, struct span address)
{
    bool found = address.n == 0;

    for (size_t i = 0; i < e->recipient_count && !found; i++) {
        found = span_eq(e->recipients[i], address);
    }
    return found;
}

static bool add_to_history(void *arg, const struct trail_found *f)
{
    struct history *h = arg;

    if (f->is.queue == h->id && concerns(&f->is, h->address)) {
        h->failed |= json_array_append_new(h->into, trace_event_json(f)) != 0;
    }
    return !h->failed;
}

enum err trace_queue_history(struct admin_call *c, trail_id mail, queue_id id, struct span address,
                             json_t *into)
{
    struct history h = {id, address, into, false};
    enum err e = c->admin->trail ? trail_each(c->admin->trail, mail, add_to_history, &h) : ERR_OK;

    return e == ERR_OK && h.failed ? ERR_NOMEM : e;
}
