// SPDX-License-Identifier: Apache-2.0
//
// A copy of what a user has sent, in the mailbox of the account for it (store/sent.h): as the
// user's program sent it, Bcc and all, behind the lines that say when and how it came.
#include "base/log.h"
#include "keep/inbound/inbound_internal.h"
#include "mime/mime_header.h"
#include "store/sent.h"

#include "base/banned.h"

#define PIECE_BYTES 65536

static enum err copy_spool(struct spool *spool, struct incoming *to)
{
    uint64_t bytes = spool_bytes(spool);
    struct buf piece;
    enum err e = ERR_OK;

    buf_init(&piece, PIECE_BYTES);
    for (uint64_t at = 0; at < bytes && e == ERR_OK; at += PIECE_BYTES) {
        uint64_t left = bytes - at;

        buf_clear(&piece);
        e = spool_read(spool, at, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &piece);
        e = e == ERR_OK ? incoming_write(to, buf_span(&piece)) : e;
    }
    buf_finish(&piece);
    return e;
}

static enum err file(struct mail_session *s, struct span prefix, struct span msgid)
{
    struct store *store = s->in->options.store;
    struct actor by = {.kind = ACTOR_USER,
                       .device = span_first(s->t.env.device, 64),
                       .origin = span_from_str(s->remote)};
    struct incoming *m;
    enum err e = incoming_begin(store, &m);

    if (e != ERR_OK) {
        return e;
    }
    e = incoming_write(m, prefix);
    e = e == ERR_OK ? copy_spool(s->t.spool, m) : e;
    e = e == ERR_OK ? incoming_finish(m) : e;
    e = e == ERR_OK ? sent_file(store, s->login.account, &by, m, msgid) : e;
    incoming_destroy(m);
    return e;
}

static bool is_taken(const struct mail_transaction *t)
{
    bool is_any = false;

    for (size_t i = 0; i < t->count; i++) {
        if (t->accepted[i].answer.outcome == DELIVERY_TEMPORARY) {
            return false; // the client sends it again
        }
        is_any |= t->accepted[i].answer.outcome == DELIVERY_ACCEPTED;
    }
    return is_any;
}

void mail_file_sent(struct mail_session *s, struct span prefix, struct span header)
{
    struct span id = mime_header_get(header, SPAN("Message-ID"));

    if (!s->t.limits.copy_in_sent || s->login.account == 0 || !s->t.spool ||
        s->t.env.sender.n == 0 || !is_taken(&s->t)) {
        return;
    }
    id = id.n ? id : mime_header_get(prefix, SPAN("Message-ID"));
    enum err e = file(s, prefix, id);

    if (e != ERR_OK) {
        log_warn("the copy of a message that %s sent could not be put into the mailbox for sent "
                 "mail: %s",
                 log_text(span_from_str(s->user)).s,
                 e == ERR_QUOTA ? "the account is full" : err_name(e));
    }
}
