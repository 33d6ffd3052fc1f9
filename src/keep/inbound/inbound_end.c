// SPDX-License-Identifier: Apache-2.0
//
// A message that is whole: made ready, delivered, answered.
#include "base/clock.h"
#include "base/log.h"
#include "keep/count/keep_count.h"
#include "keep/inbound/inbound_internal.h"
#include "keep/inbound/submission.h"

#include "base/banned.h"

#define HEADER_BYTES_MAX (1u << 20) // the gate lets no larger one pass
#define LINES_BYTES_MAX  4096       // fields that are added
#define PREFIX_BYTES_MAX (65536 + LINES_BYTES_MAX)

static const struct mail_reply no_recipients = {554, "5.5.1", "No recipient was accepted"},
                               trouble = {451, "4.3.0", "Trouble here; try again later"},
                               no_space = {452, "4.3.1", "No space here; try again later"},
                               too_large = {552, "5.3.4",
                                            "The message is larger than allowed here"},
                               header_too_large = {554, "5.6.0",
                                                   "The header of the message is too large"},
                               begins_folded = {554, "5.6.0",
                                                "The message begins with a continuation line"},
                               not_yours = {550, "5.7.1",
                                            "The message names a sender that is not an address of "
                                            "yours"};

// ---- the bytes ----------------------------------------------------------------------------------

// What is delivered: the spool, without what is cut out of it.
struct content {
    struct spool *spool;
    struct submission changes;
    uint64_t bytes;     // of it all
    struct buf header;  // only used when it does not lie in the spool's memory
    struct span fields; // the header, without the empty line
    bool is_header_whole;
};

static uint64_t spooled(const struct content *c)
{
    return c->spool ? spool_bytes(c->spool) : 0;
}

// The piece of the spool that holds the content's byte `*offset`, which becomes the spool's; how
// many bytes from there on are one piece.
static uint64_t piece_at(const struct content *c, uint64_t *offset)
{
    for (size_t i = 0; i < c->changes.cut_count; i++) {
        if (*offset < c->changes.cuts[i].from) {
            return c->changes.cuts[i].from - *offset;
        }
        *offset += c->changes.cuts[i].bytes;
    }
    return spooled(c) - *offset;
}

static enum err read_content(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    const struct content *c = arg;
    enum err e = ERR_OK;

    while (n && offset < c->bytes && e == ERR_OK) {
        uint64_t at = offset, piece = piece_at(c, &at);
        size_t now = piece < n ? (size_t)piece : n;

        e = spool_read(c->spool, at, now, out);
        offset += now;
        n -= now;
    }
    return e;
}

// Where the header ends in `text`, its last line break included; text.n + 1: not there.
static size_t header_end(struct span text)
{
    if (span_starts(text, SPAN("\r\n"))) {
        return 0;
    }
    size_t at = span_find(text, SPAN("\r\n\r\n"));

    return at < text.n ? at + 2 : text.n + 1;
}

static enum err find_header(struct content *c)
{
    struct span front = c->spool ? spool_front(c->spool) : SPAN("");
    size_t end = header_end(front);
    enum err e = ERR_OK;

    if (end > front.n && front.n < spooled(c)) {
        e = spool_read(c->spool, 0, HEADER_BYTES_MAX + 4, &c->header);
        front = buf_span(&c->header);
        end = header_end(front);
    }
    c->is_header_whole = end <= front.n || front.n == spooled(c);
    c->fields = span_first(front, end);
    return e;
}

// ---- submitted mail -----------------------------------------------------------------------------

static enum err prepare_submitted(struct mail_session *s, struct content *c, struct buf *prefix,
                                  struct mail_reply *out)
{
    struct submission_facts f = {.store = s->in->options.store,
                                 .separators = s->in->options.separators,
                                 .server = s->in->options.server,
                                 .account = s->login.grant.account,
                                 .user = span_from_str(s->user),
                                 .check_from = s->t.limits.check_from,
                                 .now_ms = clock_real_ms()};
    const char *why = "";

    if (!c->is_header_whole) {
        *out = header_too_large;
        return ERR_INVALID;
    }
    enum err e = submission_prepare(&f, c->fields, prefix, &c->changes, &why);

    if (e == ERR_DENIED) {
        *out = not_yours;
    } else if (e == ERR_INVALID) {
        *out = (struct mail_reply){554, "5.6.0", why};
    }
    for (size_t i = 0; e == ERR_OK && i < c->changes.cut_count; i++) {
        c->bytes -= c->changes.cuts[i].bytes;
    }
    return e;
}

// ---- delivering ---------------------------------------------------------------------------------

static enum err deliver(struct mail_session *s, struct content *c, const struct ipc_mail_end *m,
                        struct mail_reply *out)
{
    struct delivery_message message = {.read = read_content, .arg = c}, written;
    struct content whole = {.spool = c->spool}; // with its Bcc
    struct delivery_envelope *env = &s->t.env;
    struct buf prefix;
    enum err e = find_header(c);

    buf_init(&prefix, PREFIX_BYTES_MAX);
    buf_put(&prefix, m->prefix);
    if (e == ERR_OK && c->fields.n && (c->fields.p[0] == ' ' || c->fields.p[0] == '\t')) {
        *out = begins_folded; // it would go on with a field of ours: who sent it, what was checked
        e = ERR_INVALID;
    }
    if (e == ERR_OK && s->login.grant.account) {
        e = prepare_submitted(s, c, &prefix, out);
    }
    e = e == ERR_OK ? buf_result(&prefix) : e;
    if (e == ERR_OK) {
        message.prefix = buf_span(&prefix);
        message.bytes = c->bytes;
        message.header = c->fields;
        env->is_suspect = m->is_suspect;
        env->verdict = m->verdict;
        env->recipients = s->t.accepted;
        env->count = s->t.count;
        if (s->t.limits.copy_in_sent && s->protocol == IPC_SUBMISSION && env->sender.n) {
            whole.bytes = spooled(c);
            written = message;
            written.arg = &whole;
            written.bytes = whole.bytes;
            env->sent_copy = c->changes.cut_count ? &written : &message;
        }
        delivery_run(s->in->options.delivery, env, &message); // the answers say how it went
    }
    env->sent_copy = NULL;
    buf_finish(&prefix);
    return e;
}

static struct mail_reply reply_of(const struct delivery_answer *a)
{
    if (a->outcome == DELIVERY_ACCEPTED) {
        return (struct mail_reply){250, "2.0.0", "Ok"};
    }
    return (struct mail_reply){a->code, a->enhanced, a->text};
}

// One for all: as long as anything has to be tried again by the client it hears that.
static struct mail_reply reply_for_all(const struct mail_transaction *t)
{
    const struct delivery_answer *all = &t->accepted[0].answer;

    for (size_t i = 0; i < t->count; i++) {
        const struct delivery_answer *a = &t->accepted[i].answer;

        if (a->outcome == DELIVERY_TEMPORARY) {
            return reply_of(a);
        }
        all = a->outcome == DELIVERY_ACCEPTED ? a : all;
    }
    return reply_of(all);
}

static enum err answer_all(struct mail_session *s, const struct mail_reply *r)
{
    enum err e = ERR_OK;

    if (s->protocol != IPC_LMTP) {
        return mail_answer(s, IPC_MAIL_ALL, r);
    }
    for (size_t i = 0; i < s->t.count && e == ERR_OK; i++) {
        e = mail_answer(s, s->t.places[i], r);
    }
    return e;
}

static void note_refused(struct mail_session *s, const struct delivery_recipient *to, size_t count,
                         const struct mail_reply *r)
{
    struct mail_refusal why = mail_refusal_of(r);

    if (r->code >= 400) {
        why.verdict = s->t.env.verdict;
        mail_refused(s, to, count, &why);
    }
}

static enum err answer_each(struct mail_session *s)
{
    enum err e = ERR_OK;

    if (s->protocol != IPC_LMTP) {
        struct mail_reply r = reply_for_all(&s->t);

        note_refused(s, s->t.accepted, s->t.count, &r);
        keep_count_mail_in(s->protocol, r.code);
        return mail_answer(s, IPC_MAIL_ALL, &r);
    }
    for (size_t i = 0; i < s->t.count && e == ERR_OK; i++) {
        struct mail_reply r = reply_of(&s->t.accepted[i].answer);

        note_refused(s, &s->t.accepted[i], 1, &r);
        keep_count_mail_in(s->protocol, r.code);
        e = mail_answer(s, s->t.places[i], &r);
    }
    return e;
}

static void log_message(const struct mail_session *s, uint64_t bytes)
{
    struct mail_reply a =
        s->protocol == IPC_LMTP ? reply_of(&s->t.accepted[0].answer) : reply_for_all(&s->t);

    log_info("message from %s by %s%s%s for %s%s: %llu bytes, %u %s %s",
             s->t.env.sender.n ? log_text(s->t.env.sender).s : "<>",
             s->remote[0] ? s->remote : "a socket", s->user[0] ? ", " : "",
             log_text(span_from_str(s->user)).s, log_text(s->t.accepted[0].address).s,
             s->t.count > 1 ? " and others" : "", (unsigned long long)bytes, a.code, a.enhanced,
             a.text);
}

static struct mail_reply reply_of_error(enum err e)
{
    return e == ERR_LIMIT ? too_large : e == ERR_NOSPACE ? no_space : trouble;
}

enum err mail_end(struct mail_session *s, const struct ipc_mail_end *m)
{
    struct content c = {.spool = s->t.spool};
    struct mail_reply reply = {.code = 0};
    enum err e = s->t.content;

    if (s->t.count == 0) {
        return s->protocol == IPC_LMTP ? ERR_OK : mail_answer(s, IPC_MAIL_ALL, &no_recipients);
    }
    conn_flush(s->conn); // what was answered need not wait for the disk
    c.bytes = spooled(&c);
    buf_init(&c.header, HEADER_BYTES_MAX + 4);
    e = e == ERR_OK ? deliver(s, &c, m, &reply) : e;
    if (e == ERR_OK) {
        log_message(s, c.bytes);
        e = answer_each(s);
    } else {
        reply = reply.code ? reply : reply_of_error(e);
        note_refused(s, s->t.accepted, s->t.count, &reply);
        keep_count_mail_in(s->protocol, reply.code);
        e = answer_all(s, &reply);
    }
    buf_finish(&c.header);
    return e;
}
