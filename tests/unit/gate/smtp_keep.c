// SPDX-License-Identifier: Apache-2.0
#include "smtp_keep.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ipc/message.h"

void smtp_keep_open(struct smtp_keep *k, bool is_lmtp)
{
    memset(k, 0, sizeof(*k));
    k->is_lmtp = is_lmtp;
    buf_init(&k->log, 1u << 22);
    buf_init(&k->bytes, 1u << 28);
    buf_init(&k->prefix, 1u << 16);
    buf_init(&k->owed, 1u << 22);
}

void smtp_keep_close(struct smtp_keep *k)
{
    buf_finish(&k->log);
    buf_finish(&k->bytes);
    buf_finish(&k->prefix);
    buf_finish(&k->owed);
}

static void answer(struct smtp_keep *k, uint32_t recipient, unsigned code, const char *enhanced,
                   const char *text)
{
    struct ipc_mail_answer a = {.recipient = recipient,
                                .code = (uint16_t)code,
                                .enhanced = span_from_str(enhanced),
                                .text = span_from_str(text)};

    ASSERT(ipc_mail_answer_encode(&a, 0, &k->owed) == ERR_OK);
}

static void copy(char *to, size_t bytes, struct span from)
{
    ASSERT(from.n < bytes);
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
}

static void got_from(struct smtp_keep *k, struct span fields)
{
    struct ipc_mail_from m;

    ASSERT(ipc_mail_from_decode(fields, &m) == ERR_OK && !k->in_mail);
    k->in_mail = true;
    k->is_ended = false;
    k->rcpts = k->accepted_n = 0;
    buf_clear(&k->bytes);
    k->flags = m.flags;
    k->size = m.bytes;
    k->hold_until_ms = m.hold_until_ms;
    copy(k->helo, sizeof(k->helo), m.helo);
    copy(k->envid, sizeof(k->envid), m.envid);
    buf_printf(&k->log, "FROM %.*s\n", SPAN_ARG(m.sender));
    if (span_starts(m.sender, SPAN("bad"))) {
        answer(k, IPC_MAIL_ALL, 550, "5.7.1", "Not from you");
    } else {
        answer(k, IPC_MAIL_ALL, 250, "2.1.0", "Go on");
    }
}

static void got_rcpt(struct smtp_keep *k, struct span fields)
{
    struct ipc_mail_rcpt m;

    ASSERT(ipc_mail_rcpt_decode(fields, &m) == ERR_OK && k->in_mail && m.address.n);
    buf_printf(&k->log, "RCPT %.*s\n", SPAN_ARG(m.address));
    copy(k->orcpt, sizeof(k->orcpt), m.orcpt);
    k->notify = m.notify;
    if (span_starts(m.address, SPAN("no"))) {
        answer(k, k->rcpts, 550, "5.1.1", "No such user");
    } else if (span_starts(m.address, SPAN("later"))) {
        answer(k, k->rcpts, 452, "4.2.2", "The mailbox is full");
    } else {
        k->accepted[k->accepted_n++] = k->rcpts;
        answer(k, k->rcpts, 250, "2.1.5", "Welcome");
    }
    k->rcpts++;
}

static void got_data(struct smtp_keep *k, struct span fields)
{
    struct ipc_mail_data m;

    ASSERT(ipc_mail_data_decode(fields, &m) == ERR_OK && k->in_mail && k->accepted_n);
    ASSERT(m.bytes.n > 0);
    buf_put(&k->bytes, m.bytes);
}

// "RESET", and what the client was told where the message is refused.
static void got_reset(struct smtp_keep *k, struct span fields)
{
    struct ipc_mail_reset m;

    ASSERT(ipc_mail_reset_decode(fields, &m) == ERR_OK);
    buf_put_str(&k->log, "RESET");
    if (m.code) {
        buf_printf(&k->log, " %u %.*s", m.code, SPAN_ARG(m.enhanced));
    }
    buf_put_str(&k->log, "\n");
}

static void got_end(struct smtp_keep *k, struct span fields)
{
    struct ipc_mail_end m;
    unsigned code = k->end_code ? k->end_code : 250;

    ASSERT(ipc_mail_end_decode(fields, &m) == ERR_OK && k->in_mail && k->accepted_n);
    buf_clear(&k->prefix);
    buf_put(&k->prefix, m.prefix);
    buf_printf(&k->log, "END %zu\n", k->bytes.n);
    k->messages++;
    k->in_mail = false;
    for (uint32_t i = 0; k->is_lmtp && i < k->accepted_n; i++) {
        answer(k, k->accepted[i], code, code < 300 ? "2.0.0" : "4.3.0", "Kept or not");
    }
    if (!k->is_lmtp) {
        answer(k, IPC_MAIL_ALL, code, code < 300 ? "2.0.0" : "4.3.0", "Kept or not");
    }
}

// "DMARC" and the domain that wants to be told.
static void got_dmarc(struct smtp_keep *k, struct span fields)
{
    struct ipc_mail_dmarc m;

    ASSERT(ipc_mail_dmarc_decode(fields, &m) == ERR_OK && k->in_mail);
    buf_printf(&k->log, "DMARC %.*s\n", SPAN_ARG(m.domain));
}

static void got(struct smtp_keep *k, const struct ipc_frame *f)
{
    switch (f->type) {
    case IPC_MAIL_FROM:
        got_from(k, f->fields);
        break;
    case IPC_MAIL_RCPT:
        got_rcpt(k, f->fields);
        break;
    case IPC_MAIL_DATA:
        got_data(k, f->fields);
        break;
    case IPC_MAIL_END:
        got_end(k, f->fields);
        break;
    case IPC_MAIL_DMARC:
        got_dmarc(k, f->fields);
        break;
    case IPC_MAIL_RESET:
        ASSERT(k->in_mail);
        k->in_mail = false;
        got_reset(k, f->fields);
        break;
    default:
        log_panic("a frame of type %d for keep", (int)f->type);
    }
}

// A new pair knows nothing of the old one's.
static bool open_anew(struct smtp_keep *k, struct dialogue *d)
{
    if (d->pair.is_open && (d->pair.is_spent || !d->pair.is_wanted)) {
        d->pair.is_open = d->pair.is_spent = false;
        buf_clear(&k->owed);
        k->in_mail = false;
    }
    if (d->pair.is_wanted && !d->pair.is_open) {
        d->pair.is_open = true;
        buf_printf(&k->log, "MAIL%s%.*s\n", d->ticket_bytes ? " " : "", (int)d->ticket_bytes,
                   d->ticket);
        return true;
    }
    return false;
}

bool smtp_keep_play(struct smtp_keep *k, struct dialogue *d)
{
    struct ipc_frame f;
    bool moved = open_anew(k, d);
    size_t at = 0;

    if (!d->pair.is_open) {
        return moved;
    }
    while (ipc_frame_next(span_skip(buf_span(&d->pair.out), at), &f) == ERR_OK) {
        got(k, &f);
        at += f.bytes;
    }
    ASSERT(at == d->pair.out.n); // only whole frames
    buf_clear(&d->pair.out);
    moved |= at > 0;
    if (k->owed.n && !k->is_silent) {
        buf_put(&d->pair.in, buf_span(&k->owed));
        buf_clear(&k->owed);
        moved = true;
    }
    if (moved) {
        dialogue_pair_moved(d);
    }
    return moved;
}

size_t smtp_keep_send(struct smtp_keep *k, struct driver *r, struct span bytes, size_t piece)
{
    size_t sent = 0, n;

    do {
        n = driver_send(r, span_skip(bytes, sent), piece);
        sent += n;
    } while (smtp_keep_play(k, &r->d) || (n && sent < bytes.n));
    return sent;
}
