// SPDX-License-Identifier: Apache-2.0
//
// What the trail is told of a delivery: events that ride with the commits of mailboxes and queue.
// The first commit of a message takes along that it was taken in at all.
#include "delivery/delivery_internal.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define NAMES_BYTES_MAX 1024 // of mailboxes

static struct span or_none(struct span s)
{
    return s.n ? s : (struct span){NULL, 0};
}

struct span deliver_message_id(const struct delivery_message *m)
{
    struct span id = mime_header_get(m->header, SPAN("Message-ID"));

    if (!id.n) {
        id = mime_header_get(m->prefix, SPAN("Message-ID"));
    }
    return span_first(id, TRAIL_MESSAGE_ID_MAX);
}

// ---- the first event ----------------------------------------------------------------------------

static enum err add_first(struct run *r, struct batch *b)
{
    const struct delivery_envelope *env = r->env;
    struct trail_event e = {.kind = env->about || env->written.n ? TRAIL_WRITTEN : TRAIL_TAKEN_IN,
                            .account = env->submitter,
                            .other = env->about,
                            .number = r->message->bytes,
                            .is_junk = env->is_suspect};
    char device_id[TRAIL_DIGITS];

    if (r->is_traced) {
        return ERR_OK;
    }
    e.texts[TRAIL_SENDER] = env->sender.p ? env->sender : SPAN("");
    e.texts[TRAIL_MESSAGE_ID] = or_none(deliver_message_id(r->message));
    e.texts[TRAIL_CLIENT] = or_none(env->origin);
    e.texts[TRAIL_HELO] = or_none(env->helo);
    e.texts[TRAIL_TLS] = or_none(env->tls);
    e.texts[TRAIL_USER] = or_none(env->user);
    trail_put_device(&e, env->device, env->device_id, device_id);
    e.texts[TRAIL_VERDICT] = or_none(env->verdict);
    e.texts[TRAIL_HOW] = or_none(env->how);
    if (env->about || env->written.n) {
        e.texts[TRAIL_WORDS] = env->written.n ? env->written : SPAN("a notice to the sender");
    }
    enum err error = trail_add(r->d->trail, b, r->mail, &e);

    return error == ERR_OK ? deliver_report_seen(r, b) : error;
}

// ---- into the queue -----------------------------------------------------------------------------

// A letter of our own is another mail, which this one has brought forth.
static enum err add_letter(struct run *r, const struct deliver_letter *l,
                           const struct queue_recipient *to, struct queue_message *m)
{
    struct trail_event e = {
        .kind = TRAIL_WRITTEN, .other = r->mail, .number = incoming_bytes(l->body)};
    struct trail_event answered = {
        .kind = TRAIL_ANSWERED, .recipients = &to->address, .recipient_count = 1};

    m->mail = answered.other = trail_number(r->d->trail);
    e.texts[TRAIL_SENDER] = l->sender;
    e.texts[TRAIL_MESSAGE_ID] = or_none(m->message_id);
    e.texts[TRAIL_WORDS] = SPAN("an answer or notification by rules");
    enum err error = trail_add(r->d->trail, m->rider, m->mail, &e);

    return error == ERR_OK ? trail_add(r->d->trail, m->rider, r->mail, &answered) : error;
}

enum err deliver_trail_letter(struct run *r, const struct deliver_letter *l,
                              const struct queue_recipient *recipients, size_t count,
                              struct queue_message *m)
{
    bool is_ours = l->flags & QUEUE_INTERNAL && l->content && l->content != r->message;

    if (!r->d->trail) {
        return ERR_OK;
    }
    m->mail = r->mail;
    m->by_way = l->forwarder;
    m->words = l->words ? span_from_str(l->words) : SPAN("");
    enum err e = trail_batch(&m->rider);

    if (e == ERR_OK && is_ours && count) {
        return add_letter(r, l, recipients, m);
    }
    return e == ERR_OK ? add_first(r, m->rider) : e;
}

// ---- into mailboxes -----------------------------------------------------------------------------

static void put_names(struct buf *out, const struct span *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct span more = names[i];

        if (out->n + more.n + 2 > NAMES_BYTES_MAX) {
            return;
        }
        buf_put_str(out, i ? ", " : "");
        buf_put(out, more);
    }
}

static enum err add_here(const struct deliver_part *p, bool was_there, struct span names,
                         struct batch *b)
{
    struct run *r = p->run;
    const struct resolve_target *to = p->target;
    struct trail_event e = {.kind = was_there ? TRAIL_LEFT_OUT
                                    : names.n ? TRAIL_HERE
                                              : TRAIL_NOT_KEPT,
                            .account = to->account,
                            .is_junk = r->env->is_suspect,
                            .recipients = &to->wanted,
                            .recipient_count = 1};

    e.texts[TRAIL_LEADS_TO] = to->address;
    e.texts[TRAIL_BY_WAY] = or_none(to->forwarded_by);
    e.texts[TRAIL_MAILBOX] = or_none(names);
    e.texts[TRAIL_WORDS] = or_none(was_there ? SPAN("") : p->words);
    if (names.n && p->decision.has_script) {
        e.texts[TRAIL_BY] = p->decision.script;
    }
    return trail_add(r->d->trail, b, r->mail, &e);
}

enum err deliver_trail_ride(void *arg, bool was_there, const struct span *mailboxes, size_t count,
                            struct batch **out)
{
    struct deliver_part *p = arg;
    struct buf names;

    batch_destroy(p->rider); // of a try before
    p->rider = NULL;
    if (p->is_refused_here) { // it is not taken in: who hears the answer tells that
        return ERR_OK;
    }
    buf_init(&names, NAMES_BYTES_MAX);
    put_names(&names, mailboxes, count);
    enum err e = trail_batch(&p->rider);

    e = e == ERR_OK ? add_first(p->run, p->rider) : e;
    e = e == ERR_OK ? add_here(p, was_there, buf_span(&names), p->rider) : e;
    e = e == ERR_OK && !was_there ? deliver_report_ride(p, p->rider) : e;
    buf_finish(&names);
    *out = p->rider;
    return e;
}
