// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/hop_send.h"

#include <stdio.h>

#include "base/clock.h"
#include "wire/dot.h"
#include "wire/smtp/smtp_write.h"

#include "base/banned.h"

#define PIPELINED_MAX    50   // commands whose replies are awaited together: neither side blocks
#define SLOWEST_BYTES_S  2000 // a server that takes less of the body is given up
#define SLOWEST_GRACE_MS 600000
#define BLOCK_BYTES      65536

// ---- results ------------------------------------------------------------------------------------

static void settle_one(struct hop_rcpt *r, enum ipc_relay_outcome outcome, const char *host,
                       const char *reply)
{
    if (!r->is_done) {
        r->is_done = true;
        r->outcome = outcome;
        snprintf(r->host, sizeof(r->host), "%.*s", HOP_HOST_BYTES_MAX - 1, host);
        snprintf(r->reply, sizeof(r->reply), "%.*s", HOP_WORDS_BYTES_MAX - 1, reply);
    }
}

void hop_settle(struct hop_message *m, enum ipc_relay_outcome outcome, const char *host,
                const char *reply)
{
    for (size_t i = 0; i < m->rcpt_n; i++) {
        settle_one(&m->rcpts[i], outcome, host, reply);
    }
}

// What a reply means for whom it is about; codes that have no place here are no verdict.
static enum ipc_relay_outcome outcome_of(unsigned code)
{
    return code / 100 == 2   ? IPC_RELAY_DELIVERED
           : code / 100 == 5 ? IPC_RELAY_FAILED
                             : IPC_RELAY_DEFERRED;
}

static void settle_by_reply(struct hop *h, struct hop_message *m)
{
    hop_settle(m, outcome_of(h->code), h->host, h->words);
}

// ---- can it go there? ---------------------------------------------------------------------------

static enum err unfit(struct hop *h, struct hop_message *m, const char *why)
{
    char words[HOP_WORDS_BYTES_MAX];

    snprintf(words, sizeof(words), "%s", why);
    hop_settle(m, IPC_RELAY_FAILED, h->host, words);
    return ERR_OK;
}

static bool needs_utf8(const struct hop_message *m)
{
    return m->mail.utf8 || m->mail.from.utf8;
}

// What the message needs and the server lacks is told now and in words, rather than found out by
// an error, or worse, not at all.
static const char *lacks(const struct hop *h, const struct hop_message *m)
{
    uint32_t has = h->can.extensions;

    if (m->mail.requiretls && (!h->ssl || !(has & SMTP_EXT_REQUIRETLS))) {
        return "5.7.30 The next server does not promise what the sender demands (REQUIRETLS)";
    }
    if (needs_utf8(m) && !(has & SMTP_EXT_SMTPUTF8)) {
        return "5.6.7 The next server does not take addresses beyond ASCII (SMTPUTF8)";
    }
    if (m->mail.body == SMTP_BODY_8BITMIME && !(has & SMTP_EXT_8BITMIME)) {
        return "5.6.3 The next server does not take messages of 8 bits (8BITMIME)";
    }
    if (m->mail.body == SMTP_BODY_BINARYMIME && (has & (SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING)) !=
                                                    (SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING)) {
        return "5.6.3 The next server does not take binary messages (BINARYMIME)";
    }
    if (h->can.size_max && m->bytes > h->can.size_max) {
        return "5.3.4 The message is larger than what the next server takes";
    }
    return NULL;
}

// ---- the envelope -------------------------------------------------------------------------------

// The conversation is lost or ending (421) in the envelope: nothing was given yet.
static enum err lost_early(const struct hop *h, enum err e)
{
    return e != ERR_OK ? e : h->code == 421 ? ERR_UNAVAILABLE : ERR_OK;
}

// MAIL was answered. *out_refused: everybody has a result, or will when this returns an error.
static enum err take_mail_reply(struct hop *h, struct hop_message *m, bool *out_refused)
{
    struct smtp_reply reply;
    enum err e = hop_reply(h, h->limits.command_ms, &reply);

    e = lost_early(h, e);
    if (e != ERR_OK) {
        return e;
    }
    *out_refused = reply.code != 250;
    if (*out_refused) {
        settle_by_reply(h, m);
        for (size_t i = 0; i < m->rcpt_n; i++) {
            if (m->rcpts[i].outcome == IPC_RELAY_DELIVERED) {
                m->rcpts[i].outcome = IPC_RELAY_DEFERRED; // 2xx, but not what MAIL can get
            }
        }
    }
    return ERR_OK;
}

static enum err take_rcpt_reply(struct hop *h, struct hop_rcpt *r)
{
    struct smtp_reply reply;
    enum err e = hop_reply(h, h->limits.command_ms, &reply);

    e = lost_early(h, e);
    if (e == ERR_OK && (reply.code == 250 || reply.code == 251)) {
        r->is_accepted = true;
    } else if (e == ERR_OK) {
        // 552 for too many recipients means "later" (RFC 5321 section 4.5.3.1.10).
        enum ipc_relay_outcome o = reply.code == 552 ? IPC_RELAY_DEFERRED : outcome_of(reply.code);

        settle_one(r, o == IPC_RELAY_DELIVERED ? IPC_RELAY_DEFERRED : o, h->host, h->words);
    }
    return e;
}

// Writes the RCPT; false when the recipient got its result instead.
static bool put_rcpt(struct hop *h, const struct hop_message *m, struct hop_rcpt *r)
{
    if (r->is_done) {
        return false;
    }
    enum err e = smtp_rcpt_put(&h->out, &r->rcpt, h->can.extensions, needs_utf8(m));

    if (e == ERR_UNSUPPORTED) {
        settle_one(r, IPC_RELAY_FAILED, h->host,
                   "5.6.7 The address is beyond ASCII and the message may not say so");
    } else if (e != ERR_OK) {
        settle_one(r, IPC_RELAY_FAILED, h->host, "5.1.3 The address cannot be written in SMTP");
    }
    return e == ERR_OK;
}

// How far the envelope is.
struct envelope {
    size_t at; // recipients that had their turn
    bool is_pipelined;
    bool is_data_wanted; // the message goes by DATA
    bool is_data_asked;  // and that is said already; its reply is still to come
    bool is_refused;     // MAIL was: everybody has a result
};

static bool anybody_accepted(const struct hop_message *m)
{
    for (size_t i = 0; i < m->rcpt_n; i++) {
        if (m->rcpts[i].is_accepted && !m->rcpts[i].is_done) {
            return true;
        }
    }
    return false;
}

// Some recipients' commands, then their replies. `mail`: the reply to MAIL comes first. DATA may be
// the last of a group (RFC 2920 section 3.1), which saves waiting once more.
static enum err envelope_part(struct hop *h, struct hop_message *m, struct envelope *v,
                              unsigned max, bool mail)
{
    struct hop_rcpt *asked[PIPELINED_MAX];
    unsigned n = 0;
    enum err e;

    for (; v->at < m->rcpt_n && n < max; v->at++) {
        if (put_rcpt(h, m, &m->rcpts[v->at])) {
            asked[n++] = &m->rcpts[v->at];
        }
    }
    if (v->is_pipelined && v->is_data_wanted && v->at == m->rcpt_n && (n || anybody_accepted(m))) {
        smtp_simple_put(&h->out, SMTP_DATA);
        v->is_data_asked = true;
    }
    e = h->out.n ? hop_flush(h) : ERR_OK;
    if (e == ERR_OK && mail) {
        e = take_mail_reply(h, m, &v->is_refused);
    }
    for (unsigned i = 0; i < n && e == ERR_OK; i++) {
        e = take_rcpt_reply(h, asked[i]);
    }
    return e;
}

static enum err envelope(struct hop *h, struct hop_message *m, struct envelope *v)
{
    enum err e = smtp_mail_put(&h->out, &m->mail, h->can.extensions);

    if (e != ERR_OK) {
        unfit(h, m, "5.1.7 The sender's address cannot be written in SMTP");
        v->is_refused = true;
        return ERR_OK;
    }
    if (h->in.n > 0) {
        h->is_broken = true;
        hop_say(h, "%s spoke before it was asked", h->host);
        return ERR_INVALID;
    }
    e = envelope_part(h, m, v, v->is_pipelined ? PIPELINED_MAX : 0, true);
    while (e == ERR_OK && !v->is_refused && v->at < m->rcpt_n) {
        e = envelope_part(h, m, v, v->is_pipelined ? PIPELINED_MAX : 1, false);
    }
    return e;
}

// ---- the message --------------------------------------------------------------------------------

// What came first: a reply where none may be, or the end.
static void heard_early(struct hop *h, struct hop_message *m)
{
    struct smtp_reply reply;

    if (hop_reply(h, h->limits.command_ms, &reply) == ERR_OK && reply.code / 100 == 2) {
        hop_say(h, "%s accepted the message before all of it was sent", h->host);
    }
    h->is_broken = true;
    settle_by_reply(h, m);
}

// A failure in the middle: the connection must not be used, nobody has the message.
static void broken_off(struct hop *h, struct hop_message *m, enum ipc_relay_outcome outcome,
                       const char *why)
{
    h->is_broken = true;
    hop_settle(m, outcome, h->host, why);
}

// One piece of the body into h->out.
static enum err put_piece(struct hop *h, struct dot_writer *w, bool bdat, struct span piece,
                          bool last)
{
    if (bdat) {
        smtp_bdat_put(&h->out, piece.n, last);
        buf_put(&h->out, piece);
        return buf_result(&h->out);
    }
    enum err e = dot_write(w, piece, &h->out);

    return e == ERR_OK && last ? dot_write_end(w, &h->out) : e;
}

static enum err take_chunk_reply(struct hop *h, struct hop_message *m)
{
    struct smtp_reply reply;
    enum err e = hop_reply(h, h->limits.command_ms, &reply);

    if (e != ERR_OK || reply.code / 100 != 2) {
        settle_by_reply(h, m);
        return ERR_CONFLICT;
    }
    return ERR_OK;
}

// Sends the body. ERR_OK: all of it. Otherwise everybody has a result.
static enum err body(struct hop *h, struct hop_message *m, bool bdat)
{
    struct dot_writer w;
    int64_t end =
        clock_monotonic_ms() + SLOWEST_GRACE_MS + (int64_t)(m->bytes / SLOWEST_BYTES_S) * 1000;
    bool last = false;
    struct span piece;

    dot_writer_init(&w, DOT_STRICT);
    m->is_body_begun = true;
    while (!last) {
        enum err e = m->next(m->arg, &piece, &last);

        if (e != ERR_OK) {
            broken_off(h, m, IPC_RELAY_DEFERRED, "4.3.0 The message could not be read here");
            return e;
        }
        if (put_piece(h, &w, bdat, piece, last) != ERR_OK) {
            broken_off(h, m, IPC_RELAY_FAILED,
                       "5.6.0 The message has line ends that SMTP forbids (a bare CR or LF), or a "
                       "NUL");
            return ERR_INVALID;
        }
        e = hop_flush_data(h);
        if (e == ERR_OK && clock_monotonic_ms() > end) {
            hop_say(h, "%s takes the message too slowly", h->host);
            e = ERR_TIMEOUT;
        }
        if (e == ERR_CONFLICT) {
            heard_early(h, m);
        } else if (e != ERR_OK) {
            broken_off(h, m, IPC_RELAY_DEFERRED, h->words);
        } else if (bdat && !last) {
            e = take_chunk_reply(h, m);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static void take_final_reply(struct hop *h, struct hop_message *m)
{
    struct smtp_reply reply;

    if (hop_reply(h, h->limits.data_ms, &reply) != ERR_OK) {
        char words[HOP_WORDS_BYTES_MAX + 64];

        // It may have the message: whoever asks again risks sending it twice, which is the lesser
        // evil (RFC 5321 section 4.5.4.1, RFC 1047).
        snprintf(words, sizeof(words), "%s after the whole message", h->words);
        broken_off(h, m, IPC_RELAY_DEFERRED, words);
        return;
    }
    settle_by_reply(h, m);
}

// DATA, unless it was said with the envelope, and its 354. Not *out_go: everybody has a result.
static enum err begin_data(struct hop *h, struct hop_message *m, bool is_asked, bool *out_go)
{
    struct smtp_reply reply;
    enum err e = ERR_OK;

    if (!is_asked) {
        smtp_simple_put(&h->out, SMTP_DATA);
        e = hop_flush(h);
    }
    e = e == ERR_OK ? hop_reply(h, h->limits.command_ms, &reply) : e;
    e = lost_early(h, e);
    *out_go = e == ERR_OK && reply.code == 354;
    if (e == ERR_OK && !*out_go) {
        if (reply.code / 100 == 2 || reply.code / 100 == 3) {
            hop_say(h, "%s did not answer DATA as it should", h->host);
            h->is_broken = true;
        }
        settle_by_reply(h, m);
    }
    return e;
}

// DATA was said before it was known that nobody is accepted. A server that wants the message all
// the same gets no more of this conversation.
static void refuse_data(struct hop *h)
{
    struct smtp_reply reply;

    if (hop_reply(h, h->limits.command_ms, &reply) == ERR_OK && reply.code / 100 <= 3) {
        h->is_broken = true;
    }
}

static void reset(struct hop *h)
{
    struct smtp_reply reply;

    if (!h->is_broken) {
        char words[HOP_WORDS_BYTES_MAX];
        unsigned code = h->code;

        snprintf(words, sizeof(words), "%s", h->words);
        smtp_simple_put(&h->out, SMTP_RSET);
        h->is_broken |= hop_ask(h, &reply) != ERR_OK || reply.code != 250;
        snprintf(h->words, sizeof(h->words), "%s", words);
        h->code = code;
    }
}

enum err hop_send(struct hop *h, struct hop_message *m)
{
    const char *lack = lacks(h, m);
    bool bdat = m->mail.body == SMTP_BODY_BINARYMIME, go = true;
    struct envelope v = {.is_pipelined = h->can.extensions & SMTP_EXT_PIPELINING,
                         .is_data_wanted = !bdat};

    for (size_t i = 0; i < m->rcpt_n; i++) {
        m->rcpts[i].is_accepted = false;
        if (m->rcpts[i].unfit) {
            settle_one(&m->rcpts[i], IPC_RELAY_FAILED, "", m->rcpts[i].unfit);
        }
    }
    if (lack) {
        return unfit(h, m, lack);
    }
    enum err e = envelope(h, m, &v);

    if (e == ERR_OK && (v.is_refused || !anybody_accepted(m))) {
        if (v.is_data_asked) {
            refuse_data(h);
        }
        reset(h);
        return ERR_OK;
    }
    e = e == ERR_OK && !bdat ? begin_data(h, m, v.is_data_asked, &go) : e;
    if (e != ERR_OK) {
        h->is_broken = true;
        return e;
    }
    h->messages++;
    if (!go) {
        reset(h);
    } else if (body(h, m, bdat) == ERR_OK) {
        take_final_reply(h, m);
    }
    return ERR_OK;
}
