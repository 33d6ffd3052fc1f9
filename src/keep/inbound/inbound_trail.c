// SPDX-License-Identifier: Apache-2.0
//
// What the trail is told of mail that is not taken in.
#include <stdlib.h>

#include "keep/inbound/inbound_internal.h"
#include "mime/mime_header.h"
#include "report/report_seen.h"

#include "base/banned.h"

static struct span or_none(struct span s)
{
    return s.n ? s : (struct span){NULL, 0};
}

struct span mail_how(const struct mail_session *s)
{
    return s->protocol == IPC_LMTP         ? SPAN("LMTP")
           : s->protocol == IPC_SUBMISSION ? SPAN("submission")
                                           : SPAN("SMTP");
}

// Of what has come of the message.
static struct span known_message_id(const struct mail_session *s)
{
    struct span front = s->t.spool ? spool_front(s->t.spool) : SPAN("");

    front = span_first(front, span_find(front, SPAN("\r\n\r\n")));
    return mime_header_get(front, SPAN("Message-ID"));
}

// With what its sender's domain is told of a message that was refused for good.
static void note(struct mail_session *s, const struct trail_event *e)
{
    struct span key = SPAN(""), value = SPAN("");
    char *room = NULL;

    if (s->t.env.seen && e->number >= 500 && (room = malloc(REPORT_SEEN_BYTES_MAX)) &&
        delivery_tells(s->in->options.delivery, s->t.accepted, s->t.count)) {
        report_seen_row(s->t.env.seen, s->t.env.mail, room, &key, &value);
    }
    trail_refused_with(s->in->options.trail, s->t.env.mail, e, key, value);
    free(room);
}

void mail_refused(struct mail_session *s, const struct delivery_recipient *to, size_t count,
                  const struct mail_refusal *why)
{
    struct span addresses[TRAIL_RECIPIENTS_MAX], reply;
    const struct delivery_envelope *env = &s->t.env;
    struct trail_event e = {.kind = TRAIL_REFUSED,
                            .account = s->login.grant.account,
                            .number = why->code,
                            .recipients = addresses};
    struct buf words;
    char device_id[TRAIL_DIGITS];

    if (!s->in->options.trail || !s->t.env.mail) {
        return;
    }
    while (e.recipient_count < count && e.recipient_count < TRAIL_RECIPIENTS_MAX) {
        addresses[e.recipient_count] = to[e.recipient_count].address;
        e.recipient_count++;
    }
    buf_init(&words, TRAIL_REPLY_MAX + 32);
    buf_printf(&words, "%u %.*s ", why->code, SPAN_ARG(why->enhanced));
    buf_put(&words, span_first(why->text, TRAIL_REPLY_MAX));
    reply = buf_span(&words);
    e.texts[TRAIL_SENDER] = env->sender.p ? env->sender : SPAN("");
    e.texts[TRAIL_MESSAGE_ID] = or_none(known_message_id(s));
    e.texts[TRAIL_CLIENT] = or_none(env->origin);
    e.texts[TRAIL_HELO] = or_none(env->helo);
    e.texts[TRAIL_TLS] = or_none(env->tls);
    e.texts[TRAIL_USER] = or_none(env->user);
    trail_put_device(&e, env->device, env->device_id, device_id);
    e.texts[TRAIL_HOW] = env->how;
    e.texts[TRAIL_VERDICT] = or_none(why->verdict);
    e.texts[TRAIL_REPLY] = reply;
    note(s, &e);
    buf_finish(&words);
}
