// SPDX-License-Identifier: Apache-2.0
//
// Carries out what an account's rules decided. What leaves goes into the queue before the store's
// commit, so that it is not lost; when it is done again the queue knows it (deliver_once.c).
// Answers go after it, so that they are left out rather than sent for nothing.
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "delivery/delivery_internal.h"
#include "delivery/rules/rules_reply.h"
#include "mime/mime_header.h"
#include "store/rules.h"

#include "base/banned.h"

#define WORDS_BYTES_MAX  900
#define REPLY_TEXT_MAX   480 // of a refusal, so that the queue holds it with its codes
#define DELIVERED_TO_MAX DELIVERY_HOPS_MAX

// ---- words for the change log -------------------------------------------------------------------

static void say(struct deliver_part *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct deliver_part *p, const char *fmt, ...)
{
    char line[WORDS_BYTES_MAX];
    struct buf all;
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);

    va_end(ap);
    buf_init(&all, 4096);
    if (n > 0 && p->words.n < WORDS_BYTES_MAX) {
        buf_put(&all, p->words);
        buf_put_str(&all, p->words.n ? "; " : "");
        utf8_sanitize(&all, span_from_str(line));
        struct span words = arena_dup(&p->arena, buf_span(&all));

        p->words = words.p ? words : p->words;
    }
    buf_finish(&all);
}

static struct span shown_sender(const struct run *r)
{
    return r->env->sender.n ? span_first(r->env->sender, 200) : SPAN("<>");
}

static void say_failure(const struct run *r, struct deliver_part *p)
{
    const struct sieve_result *s = &p->decision.result;
    struct span script = s->error_script.n ? s->error_script : p->decision.script;

    log_warn("the rules of %s (%s) stopped at line %u: %s", log_text(p->target->address).s,
             log_text(script).s, s->error_line, log_text(s->error_text).s);
    say(p, "the rules \"%.*s\" stopped at line %u: %.*s; a message from %.*s is kept",
        SPAN_ARG(span_first(script, 100)), s->error_line, SPAN_ARG(span_first(s->error_text, 300)),
        SPAN_ARG(shown_sender(r)));
}

// ---- copies -------------------------------------------------------------------------------------

static bool same_place(const struct delivery_copy *c, const struct rules_place *place)
{
    return c->mailbox == place->mailbox && (c->mailbox || span_eq(c->name, place->name));
}

static struct delivery_copy *copy_for(struct deliver_part *p, const struct rules_place *place)
{
    struct delivery_target *t = p->to;

    for (size_t i = 0; i < t->copy_count; i++) {
        if (same_place(&t->copies[i], place)) {
            return &t->copies[i];
        }
    }
    return &t->copies[t->copy_count++];
}

static enum err set_version(struct run *r, struct deliver_part *p, const struct sieve_version *v,
                            struct delivery_copy *c)
{
    c->message = NULL;
    if (!v) {
        return ERR_OK;
    }
    enum err e = deliver_take_in(r, true, v, &p->versions[p->version_count]);

    if (e == ERR_OK) {
        c->message = p->versions[p->version_count++];
    }
    return e;
}

static enum err add_copy(struct run *r, struct deliver_part *p, const struct sieve_version *v,
                         const struct rules_place *place)
{
    struct delivery_copy *c = copy_for(p, place);

    *c = (struct delivery_copy){.mailbox = place->mailbox,
                                .name = place->name,
                                .is_created = place->is_created,
                                .special_use = place->special_use,
                                .flags = place->flags,
                                .keywords = place->keywords,
                                .keyword_count = place->keyword_count};
    return set_version(r, p, v, c);
}

// ---- sending on ---------------------------------------------------------------------------------

static unsigned hops(struct span header)
{
    struct mime_field f;
    unsigned n = 0;

    while (mime_header_next(&header, &f)) {
        n += span_eq_nocase(f.name, SPAN("Received")) ||
             span_eq_nocase(f.name, SPAN("Delivered-To"));
    }
    return n;
}

// Why this is not sent on, or NULL.
static const char *obstacle(struct run *r, const struct deliver_part *p, struct span to)
{
    const struct resolve_target *t = p->target;

    if (span_eq_nocase(to, t->address) || span_eq_nocase(to, t->wanted)) {
        return "it is the same mailbox";
    }
    if (deliver_has_passed(p->decision.header, t->address) ||
        hops(p->decision.header) > DELIVERED_TO_MAX) {
        return "it has gone round in circles";
    }
    if (r->redirects_left == 0) {
        return "too many are sent on at once";
    }
    return NULL;
}

static unsigned notify_bits(struct span words)
{
    static const struct {
        const char *word;
        unsigned bit;
    } bits[] = {{"SUCCESS", QUEUE_NOTIFY_SUCCESS},
                {"FAILURE", QUEUE_NOTIFY_FAILURE},
                {"DELAY", QUEUE_NOTIFY_DELAY},
                {"NEVER", QUEUE_NOTIFY_NEVER}};
    unsigned out = 0;

    while (words.n) {
        struct span word = span_trim(span_split(&words, ','));

        for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
            out |= span_eq_nocase(word, span_from_str(bits[i].word)) ? bits[i].bit : 0;
        }
    }
    return out;
}

static unsigned redirect_flags(const struct run *r, const struct sieve_action *a)
{
    unsigned flags = r->env->flags | QUEUE_SENT_ON;

    if (a->dsn_ret.p) {
        flags &= ~(unsigned)(QUEUE_RET_FULL | QUEUE_RET_HDRS);
        flags |= span_eq_nocase(a->dsn_ret, SPAN("FULL")) ? QUEUE_RET_FULL : QUEUE_RET_HDRS;
    }
    return flags;
}

static enum err send_on(struct run *r, struct deliver_part *p, const struct sieve_action *a)
{
    const struct delivery_recipient *to = delivery_recipient_of(r, p->target);
    struct queue_recipient q = {.address = a->address,
                                .orcpt = to->orcpt,
                                .notify = a->dsn_notify.p ? notify_bits(a->dsn_notify)
                                          : to->notify & QUEUE_NOTIFY_NEVER
                                              ? QUEUE_NOTIFY_NEVER
                                              : to->notify & ~(unsigned)QUEUE_NOTIFY_SUCCESS};
    struct deliver_letter l = {.sender = r->env->sender,
                               .forwarder = p->target->address,
                               .flags = redirect_flags(r, a),
                               .content = a->message ? NULL : r->message,
                               .words = "by the account's rules",
                               .why = "rules",
                               .nth = (unsigned)(a - p->decision.result.actions)};
    struct incoming *own = NULL;
    enum err e = a->message ? deliver_take_in(r, false, a->message, &own) : deliver_need_leaving(r);

    l.body = own ? own : r->leaving;
    e = e == ERR_OK ? deliver_destination(r, a->address, &q.destination) : e;
    e = e == ERR_OK ? deliver_submit(r, &l, &q, 1) : e;
    incoming_destroy(own);
    if (e == ERR_OK) {
        r->redirects_left--;
        p->is_sent_on = true;
        say(p, "a message from %.*s was sent on to %.*s", SPAN_ARG(shown_sender(r)),
            SPAN_ARG(a->address));
    }
    return e;
}

static enum err redirect(struct run *r, struct deliver_part *p, const struct sieve_action *a)
{
    const char *why = obstacle(r, p, a->address);

    if (!why) {
        return send_on(r, p, a);
    }
    p->has_skipped = true;
    say(p, "a message from %.*s was not sent on to %.*s: %s", SPAN_ARG(shown_sender(r)),
        SPAN_ARG(a->address), why);
    return ERR_OK;
}

// ---- refusing -----------------------------------------------------------------------------------

// The client can be told in its session, and will tell the sender (RFC 5429 section 2.1.1).
static bool can_refuse(const struct run *r, const struct sieve_action *a)
{
    bool hears = !r->env->one_answer || r->env->count == 1;
    bool is_sayable = utf8_is_ascii(a->reason) || r->env->flags & QUEUE_SMTPUTF8;

    return hears && r->to.count == 1 && !r->is_retry && !r->env->is_ours &&
           (is_sayable || a->kind == SIEVE_EREJECT);
}

// The reason in the caller's arena: one line, as a C string.
static const char *refusal_text(struct run *r, const struct sieve_action *a)
{
    static const char *const general = "The recipient does not want this message";
    struct span reason = span_trim(span_first(a->reason, REPLY_TEXT_MAX));
    bool sayable =
        utf8_is_valid(reason) && (utf8_is_ascii(reason) || r->env->flags & QUEUE_SMTPUTF8);
    char *s = r->env->texts && reason.n && sayable ? arena_str(r->env->texts, reason) : NULL;

    for (size_t i = 0; s && i < reason.n; i++) {
        s[i] = byte_is_ctl(s[i]) ? ' ' : s[i];
    }
    return s ? s : general;
}

static enum err refuse_by_notice(struct run *r, struct deliver_part *p,
                                 const struct sieve_action *a)
{
    struct buf reply;

    buf_init(&reply, QUEUE_REPLY_BYTES_MAX);
    buf_put_str(&reply, "550 5.7.1 ");
    for (size_t i = 0; i < a->reason.n && i < REPLY_TEXT_MAX; i++) {
        buf_put_byte(&reply, byte_is_ctl(a->reason.p[i]) ? ' ' : a->reason.p[i]);
    }
    while (reply.n && !utf8_is_valid(buf_span(&reply))) {
        reply.n--; // a character cut in two
    }
    enum err e =
        deliver_tell(r, p->target->recipient, QUEUE_FAILED, SPAN(DELIVERY_HERE), buf_span(&reply));

    buf_finish(&reply);
    return e;
}

static enum err refuse(struct run *r, struct deliver_part *p, const struct sieve_action *a)
{
    p->is_refused = true;
    p->to->once = SPAN(""); // who tries again is refused again
    say(p, "the rules refused a message from %.*s", SPAN_ARG(shown_sender(r)));
    if (!can_refuse(r, a)) {
        return refuse_by_notice(r, p, a);
    }
    p->is_refused_here = true;
    delivery_recipient_of(r, p->target)->answer =
        (struct delivery_answer){DELIVERY_REFUSED, 550, "5.7.1", refusal_text(r, a)};
    return ERR_OK;
}

// ---- before the store ---------------------------------------------------------------------------

static struct span optional(struct span s)
{
    return s.n ? s : (struct span){NULL, 0};
}

static struct span notify_text(unsigned notify)
{
    static const char *const texts[16] = {
        [1] = "SUCCESS",       [2] = "FAILURE",       [3] = "SUCCESS,FAILURE",       [4] = "DELAY",
        [5] = "SUCCESS,DELAY", [6] = "FAILURE,DELAY", [7] = "SUCCESS,FAILURE,DELAY", [8] = "NEVER"};

    return notify < 16 && texts[notify] ? span_from_str(texts[notify]) : (struct span){NULL, 0};
}

static void fill_case(struct run *r, struct deliver_part *p, struct rules_case *out)
{
    const struct delivery_recipient *to = delivery_recipient_of(r, p->target);

    *out = (struct rules_case){
        .store = r->d->store,
        .account = p->target->account,
        .owner = p->target->address,
        .recipient = p->target->wanted,
        .sender = r->env->sender,
        .dsn_notify = notify_text(to->notify),
        .dsn_orcpt = optional(to->orcpt),
        .dsn_ret = r->env->flags & QUEUE_RET_FULL   ? SPAN("FULL")
                   : r->env->flags & QUEUE_RET_HDRS ? SPAN("HDRS")
                                                    : (struct span){NULL, 0},
        .dsn_envid = optional(r->env->envid),
        .server = span_from_str(r->d->server),
        .remote_ip = r->env->origin,
        .detail = r->d->separators[0],
        .hierarchy = r->d->hierarchy,
        .is_suspect = r->env->is_suspect,
        .now_s = clock_real_s(),
        .budget = &r->budget,
        .show = deliver_show,
        .arg = r,
    };
}

// What was done once, and whose client did not hear of it, is not sent on again.
static enum err was_done(struct run *r, struct deliver_part *p, bool *out)
{
    *out = false;
    return p->to->once.n ? rules_is_remembered(r->d->store, p->target->account, p->to->once, out)
                         : ERR_OK;
}

static enum err carry_out(struct run *r, struct deliver_part *p, size_t i)
{
    const struct sieve_action *a = &p->decision.result.actions[i];

    switch (a->kind) {
    case SIEVE_KEEP:
    case SIEVE_FILEINTO:
        return add_copy(r, p, a->message, &p->decision.places[i]);
    case SIEVE_REDIRECT:
        return redirect(r, p, a);
    case SIEVE_REJECT:
    case SIEVE_EREJECT:
        return refuse(r, p, a);
    case SIEVE_DISCARD:
    case SIEVE_VACATION:
    case SIEVE_NOTIFY:
        break;
    }
    return ERR_OK;
}

static enum err set_memories(struct deliver_part *p)
{
    const struct sieve_result *s = &p->decision.result;
    struct delivery_memory *m = arena_zalloc(&p->arena, s->track_n ? s->track_n : 1, sizeof(*m));
    enum err e = m ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < s->track_n && e == ERR_OK; i++) {
        struct buf key;

        buf_init(&key, 1024);
        rules_duplicate_key(&key, s->tracks[i].key);
        m[i].what = arena_dup(&p->arena, buf_span(&key));
        m[i].until_s = clock_real_s() + (int64_t)s->tracks[i].seconds;
        m[i].is_prolonged = s->tracks[i].is_last;
        e = m[i].what.p ? ERR_OK : ERR_NOMEM;
        buf_finish(&key);
    }
    p->to->memories = m;
    p->to->memory_count = s->track_n;
    return e;
}

static enum err keep_at_least(struct run *r, struct deliver_part *p)
{
    static const struct rules_place inbox = {.name = {"", 0}};

    if (p->to->copy_count || p->is_refused || p->is_sent_on) {
        return ERR_OK;
    }
    if (p->has_skipped) {
        return add_copy(r, p, NULL, &inbox);
    }
    say(p, "the rules threw a message from %.*s away", SPAN_ARG(shown_sender(r)));
    return ERR_OK;
}

static enum err carry_out_all(struct run *r, struct deliver_part *p)
{
    const struct sieve_result *s = &p->decision.result;
    size_t n = s->action_n + 1; // and what is kept when nothing else is
    enum err e = ERR_OK;

    p->to->copies = arena_zalloc(&p->arena, n, sizeof(*p->to->copies));
    p->versions = arena_zalloc(&p->arena, n, sizeof(struct incoming *));
    if (!p->to->copies || !p->versions) {
        return ERR_NOMEM;
    }
    if (s->has_error) {
        say_failure(r, p);
    }
    for (size_t i = 0; i < s->action_n && e == ERR_OK; i++) {
        e = carry_out(r, p, i);
    }
    e = e == ERR_OK ? keep_at_least(r, p) : e;
    e = e == ERR_OK ? set_memories(p) : e;
    p->to->words = p->words;
    return e;
}

// Without rules: INBOX, or Junk.
static enum err keep_plainly(struct run *r, struct deliver_part *p)
{
    struct rules_place place = {.mailbox = 0};
    enum err e =
        r->env->is_suspect ? rules_junk(r->d->store, p->target->account, &place.mailbox) : ERR_OK;

    p->to->mailbox = place.mailbox;
    return e;
}

enum err deliver_rules_before(struct run *r, struct deliver_part *p)
{
    struct rules_case c;
    bool done;

    fill_case(r, p, &c);
    enum err e = rules_decide(&c, &p->arena, &p->decision);

    if (e != ERR_OK) {
        return e;
    }
    if (!p->decision.has_script) {
        return keep_plainly(r, p);
    }
    e = was_done(r, p, &done);
    return e != ERR_OK || done ? e : carry_out_all(r, p);
}

// ---- after it -----------------------------------------------------------------------------------

static void fill_reply(struct run *r, const struct deliver_part *p, struct rules_reply *out,
                       char id[320])
{
    int n = snprintf(id, 320, "<%016llx%016llx@%s>", (unsigned long long)random_u64(),
                     (unsigned long long)random_u64(), r->d->server);

    *out = (struct rules_reply){.owner = p->target->address,
                                .recipient = p->target->wanted,
                                .sender = r->env->sender,
                                .header = p->decision.header,
                                .message_id = span_of(id, (size_t)n),
                                .now_s = clock_real_s()};
}

static enum err write_body(struct run *r, struct span text, struct incoming **out)
{
    struct incoming *m;
    enum err e = incoming_begin(r->d->store, &m);

    if (e != ERR_OK) {
        return e;
    }
    e = incoming_write(m, text);
    e = e == ERR_OK ? incoming_finish(m) : e;
    if (e != ERR_OK) {
        incoming_destroy(m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

// A copy of what is sent (RFC 8580). One whose mailbox is not there is left out.
static enum err keep_copy(struct run *r, struct deliver_part *p, const struct rules_place *place,
                          struct incoming *m)
{
    struct actor by = {.kind = ACTOR_DELIVERY, .device = SPAN(""), .origin = SPAN("rules")};
    struct delivery_copy c = {.mailbox = place->mailbox,
                              .name = place->name,
                              .is_created = place->is_created,
                              .special_use = place->special_use,
                              .flags = place->flags,
                              .keywords = place->keywords,
                              .keyword_count = place->keyword_count};
    struct delivery_target t = {.account = p->target->account, .copies = &c, .copy_count = 1};

    return place->mailbox || place->is_created ? store_deliver(r->d->store, &by, m, SPAN(""), &t, 1)
                                               : ERR_OK;
}

// For delivery_message.read; `arg` is the text.
static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    const struct span *text = arg;
    struct span rest = span_skip(*text, offset < text->n ? (size_t)offset : text->n);

    buf_put(out, span_first(rest, n));
    return buf_result(out);
}

// From the null path, so that nothing ever comes of it. NEVER: nobody is told of a failure.
static enum err send_letter(struct run *r, struct incoming *m, struct span text,
                            const struct sieve_strings *to, size_t lists)
{
    struct delivery_message content = {
        .prefix = SPAN(""), .read = read_text, .arg = &text, .bytes = text.n, .header = text};
    struct deliver_letter l = {.body = m,
                               .sender = SPAN(""),
                               .flags = QUEUE_INTERNAL | QUEUE_SENT_ON,
                               .content = &content};
    enum err e = ERR_OK;

    for (size_t k = 0; k < lists; k++) {
        for (size_t i = 0; i < to[k].n && e == ERR_OK; i++) {
            struct queue_recipient q = {.address = to[k].list[i], .notify = QUEUE_NOTIFY_NEVER};

            e = deliver_destination(r, q.address, &q.destination);
            e = e == ERR_OK ? deliver_submit(r, &l, &q, 1) : e;
        }
    }
    return e;
}

static enum err send_text(struct run *r, struct deliver_part *p, size_t action,
                          const struct sieve_target *fcc, struct span text,
                          const struct sieve_strings *to, size_t lists)
{
    struct incoming *m = NULL;
    enum err e = write_body(r, text, &m);

    e = e == ERR_OK ? send_letter(r, m, text, to, lists) : e;
    if (e == ERR_OK && fcc->name.p) {
        e = keep_copy(r, p, &p->decision.places[action], m);
    }
    incoming_destroy(m);
    return e;
}

// Remembers first: a crash in between leaves an answer out, never sends two.
static enum err is_due(struct run *r, struct deliver_part *p, const struct sieve_vacation *v,
                       bool *out)
{
    struct buf key, words;

    *out = true;
    if (v->seconds == 0) {
        return ERR_OK;
    }
    buf_init(&key, 20000);
    buf_init(&words, 512);
    rules_answer_key(&key, v->handle, r->env->sender);
    buf_printf(&words, "%.*s was told of the absence", SPAN_ARG(span_first(r->env->sender, 320)));
    enum err e = rules_remember(r->d->store, p->target->account, buf_span(&key), buf_span(&words),
                                clock_real_s() + (int64_t)v->seconds, out);

    buf_finish(&key);
    buf_finish(&words);
    return e;
}

static enum err answer(struct run *r, struct deliver_part *p, size_t i)
{
    const struct sieve_vacation *v = p->decision.result.actions[i].vacation;
    struct sieve_strings to = {&r->env->sender, 1};
    struct rules_reply reply;
    const char *why;
    struct buf text;
    char id[320];
    bool due;

    fill_reply(r, p, &reply, id);
    if (r->env->is_suspect || !rules_may_answer(&reply, v, &why)) {
        return ERR_OK;
    }
    enum err e = is_due(r, p, v, &due);

    if (e != ERR_OK || !due) {
        return e;
    }
    buf_init(&text, RULES_REPLY_BYTES_MAX);
    e = rules_answer_write(&reply, v, &text);
    e = e == ERR_OK ? send_text(r, p, i, &v->fcc, buf_span(&text), &to, 1) : e;
    buf_finish(&text);
    return e;
}

static enum err notify(struct run *r, struct deliver_part *p, size_t i)
{
    const struct sieve_notify *n = p->decision.result.actions[i].notify;
    struct sieve_strings to[] = {n->to, n->cc};
    struct rules_reply reply;
    struct buf text;
    char id[320];

    fill_reply(r, p, &reply, id);
    if (r->env->is_suspect || !rules_may_notify(&reply)) {
        return ERR_OK;
    }
    buf_init(&text, RULES_REPLY_BYTES_MAX);
    enum err e = rules_notify_write(&reply, n, &text);

    e = e == ERR_OK ? send_text(r, p, i, &n->fcc, buf_span(&text), to, 2) : e;
    buf_finish(&text);
    return e;
}

void deliver_rules_after(struct run *r, struct deliver_part *p)
{
    const struct sieve_result *s = &p->decision.result;

    for (size_t i = 0; p->decision.has_script && i < s->action_n; i++) {
        enum err e = s->actions[i].kind == SIEVE_VACATION ? answer(r, p, i)
                     : s->actions[i].kind == SIEVE_NOTIFY ? notify(r, p, i)
                                                          : ERR_OK;

        if (e != ERR_OK) {
            log_warn("the rules of %s could not send their message: %s",
                     log_text(p->target->address).s, err_name(e));
        }
    }
}

void deliver_rules_finish(struct deliver_part *p)
{
    for (size_t i = 0; i < p->version_count; i++) {
        incoming_destroy(p->versions[i]);
    }
    batch_destroy(p->rider);
    arena_finish(&p->arena);
}
