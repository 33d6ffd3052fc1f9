// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/verdict.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "gate/verdict/header_filter.h"
#include "gate/verdict/verdict_policy.h"
#include "gate/verdict/verdict_words.h"
#include "senderauth/auth_message.h"

#include "base/banned.h"

#define TEXTS_ARENA_BYTES 16384       // copies of the envelope
#define CHECK_ARENA_BYTES (16u << 20) // one evaluation

enum phase {
    PHASE_READING, // the message comes; answers for SPF may come meanwhile
    PHASE_ASKING,  // it is whole
    PHASE_DONE,
};

struct verdict {
    struct verdict_options o;
    struct arena texts;
    struct header_filter filter;
    enum phase phase;
    bool is_checked;
    struct timer timer;
    int64_t until_ms;

    // Checked mail only:
    struct auth_message *message;
    struct sender_question question;
    struct dns_memo *memo;
    struct dns_client client;
    unsigned open; // questions without an answer
    bool is_dns_away;
    unsigned losses;    // of the desk, when it began
    struct arena arena; // of one evaluation

    struct buf lines, words, text;
    struct verdict_result result;
};

static void on_time(struct timer *t);
static void on_answer(struct dns_client *c, struct span name, enum dns_type type,
                      const struct dns_answer *answer);

// ---- begin and end ------------------------------------------------------------------------------

static enum err keep_texts(struct verdict *v)
{
    struct span *all[] = {&v->o.server_name, &v->o.helo, &v->o.sender};

    for (size_t i = 0; i < 3; i++) {
        *all[i] = arena_dup(&v->texts, *all[i]);
        if (!all[i]->p) {
            return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

static void ip_of(const struct address *a, struct ip_address *out)
{
    *out = (struct ip_address){.is_ip6 = a->u.sa.sa_family == AF_INET6};
    if (out->is_ip6) {
        memcpy(out->bytes, &a->u.in6.sin6_addr, 16);
    } else {
        memcpy(out->bytes, &a->u.in4.sin_addr, 4);
    }
}

static void question_init(struct verdict *v)
{
    struct sender_question *q = &v->question;
    struct span sender = v->o.sender;
    size_t at = sender.n;

    while (at && sender.p[at - 1] != '@') { // a quoted local part may have others
        at--;
    }
    *q = (struct sender_question){.helo = v->o.helo,
                                  .local = span_first(sender, at ? at - 1 : 0),
                                  .domain = span_skip(sender, at),
                                  .receiver = v->o.server_name,
                                  .now_s = clock_real_s(),
                                  .sample = (unsigned)(random_u64() % 100),
                                  .asks_name = true};
    ip_of(v->o.client, &q->ip);
}

static enum err checks_begin(struct verdict *v)
{
    question_init(v);
    v->losses = v->o.desk ? dns_desk_losses(v->o.desk) : 0;
    enum err e = auth_message_create(false, &v->message);

    v->question.message = v->message;
    return e == ERR_OK ? dns_memo_create(&v->memo) : e;
}

static void ask_early(struct verdict *v);

enum err verdict_begin(const struct verdict_options *o, struct verdict **out)
{
    struct verdict *v = calloc(1, sizeof(*v));

    if (!v) {
        return ERR_NOMEM;
    }
    v->o = *o;
    settings_ref(o->settings);
    arena_init(&v->texts, TEXTS_ARENA_BYTES);
    arena_init(&v->arena, CHECK_ARENA_BYTES);
    buf_init(&v->lines, VERDICT_LINES_BYTES_MAX);
    buf_init(&v->words, VERDICT_WORDS_BYTES_MAX);
    buf_init(&v->text, VERDICT_TEXT_BYTES_MAX);
    dns_client_init(&v->client);
    v->client.answered = on_answer;
    v->timer.fire = on_time;
    v->is_checked = o->is_checked && conf_value_choice(o->settings, SETTING_CHECK_MAIL) != 0;
    enum err e = keep_texts(v);

    header_filter_init(&v->filter, v->o.server_name);
    if (e == ERR_OK && v->is_checked) {
        e = checks_begin(v);
    }
    if (e != ERR_OK) {
        verdict_destroy(v);
        return e;
    }
    v->o.client = NULL; // the caller's; all of it is in the question
    if (v->is_checked) {
        ask_early(v);
    }
    *out = v;
    return ERR_OK;
}

void verdict_destroy(struct verdict *v)
{
    if (!v) {
        return;
    }
    dns_client_forget(&v->client);
    loop_timer_cancel(v->o.loop, &v->timer);
    auth_message_destroy(v->message);
    dns_memo_destroy(v->memo);
    header_filter_finish(&v->filter);
    buf_finish(&v->lines);
    buf_finish(&v->words);
    buf_finish(&v->text);
    arena_finish(&v->arena);
    arena_finish(&v->texts);
    settings_unref(v->o.settings);
    free(v);
}

// ---- the message --------------------------------------------------------------------------------

enum err verdict_feed(struct verdict *v, struct span bytes, struct buf *out)
{
    ASSERT(v->phase == PHASE_READING);
    enum err e = header_filter_feed(&v->filter, bytes, out);

    if (e == ERR_OK && v->message) {
        e = auth_message_feed(v->message, bytes);
    }
    return e;
}

bool verdict_is_full(const struct verdict *v)
{
    (void)v;
    return false;
}

enum err verdict_finish(struct verdict *v, struct buf *out)
{
    ASSERT(v->phase == PHASE_READING);
    enum err e = header_filter_end(&v->filter, out);

    if (e == ERR_OK && v->message) {
        e = auth_message_finish(v->message);
    }
    v->until_ms = clock_monotonic_ms() + conf_value_ms(v->o.settings, SETTING_CHECK_TIMEOUT);
    v->phase = PHASE_ASKING;
    // Soon, but not from within this call.
    return e == ERR_OK ? loop_timer_set(v->o.loop, &v->timer, loop_now_ms(v->o.loop)) : e;
}

// ---- questions ----------------------------------------------------------------------------------

// Hands out what the memo wants to know; what cannot be asked is answered at once. False when
// nothing is open then: the evaluation can be run again.
static bool ask(struct verdict *v)
{
    static const struct dns_answer no_answer = {.status = DNS_TEMPFAIL};
    struct dns_question q;

    while (dns_memo_next(v->memo, &q)) {
        enum err e =
            v->o.desk ? dns_desk_ask(v->o.desk, &v->client, q.name, q.type) : ERR_UNAVAILABLE;

        v->is_dns_away |= e == ERR_UNAVAILABLE;
        if (e == ERR_OK) {
            v->open++;
        } else if (dns_memo_answer(v->memo, q.name, q.type, &no_answer) != ERR_OK) {
            dns_memo_give_up(v->memo);
        }
    }
    return v->open > 0;
}

// While the message still comes. What is found is not kept: it is found again at the end.
static void ask_early(struct verdict *v)
{
    struct resolver r = dns_memo_resolver(v->memo);
    struct sender_result ignored;
    enum err e;

    do {
        memset(&ignored, 0, sizeof(ignored));
        e = sender_check_client(&v->question, &r, &v->arena, &ignored);
        arena_reset(&v->arena);
    } while (e == ERR_AGAIN && !ask(v));
}

// ---- the end ------------------------------------------------------------------------------------

static void set_codes(struct verdict *v, unsigned code, struct span enhanced)
{
    v->result.code = code;
    v->result.enhanced = enhanced;
}

static void done(struct verdict *v, enum verdict_action action)
{
    v->phase = PHASE_DONE;
    loop_timer_cancel(v->o.loop, &v->timer);
    dns_client_forget(&v->client);
    v->result.action = action;
    v->result.text = buf_span(&v->text);
    v->result.lines = buf_span(&v->lines);
    v->result.words = buf_span(&v->words);
    v->o.done(v->o.arg, &v->result); // which may end v
}

// The checks could not be made: not the message's fault.
static void done_unchecked(struct verdict *v, const char *why)
{
    buf_clear(&v->lines);
    buf_clear(&v->words);
    buf_put_str(&v->words, "put off: ");
    buf_put_str(&v->words, why);
    buf_put_str(&v->text, "The message cannot be checked now. Try again later");
    set_codes(v, 451, SPAN("4.3.0"));
    done(v, VERDICT_TEMPORARY);
}

static void set_answer(struct verdict *v, const struct sender_result *s,
                       const struct policy_decision *d)
{
    if (d->action == VERDICT_REJECT) {
        // RFC 7372 section 3.2 has a code for SPF; RFC 7489 section 10.3 leaves DMARC at 5.7.1.
        set_codes(v, 550, d->cause == CAUSE_SPF ? SPAN("5.7.23") : SPAN("5.7.1"));
    } else if (d->action == VERDICT_TEMPORARY) {
        set_codes(v, 451, SPAN("4.7.1"));
    } else {
        set_codes(v, 250, SPAN("2.0.0"));
        return;
    }
    words_put_answer(&v->text, &v->question, s, d);
}

static void judge(struct verdict *v, const struct sender_result *s)
{
    const struct settings *settings = v->o.settings;
    struct policy_decision d;

    policy_decide(settings, s, auth_message_header(v->message), &v->arena, &d);
    enum err e = words_put_fields(&v->lines, &v->question, s,
                                  conf_value_bool(settings, SETTING_CHECK_RECEIVED_SPF),
                                  v->o.is_utf8, &v->arena);

    if (e != ERR_OK) {
        done_unchecked(v, "no memory");
        return;
    }
    words_put_log(&v->words, s, &d);
    set_answer(v, s, &d);
    done(v, d.action);
}

// The courier was, at some time; then what it did not answer says nothing about the sender.
static bool was_dns_away(const struct verdict *v)
{
    return v->is_dns_away || (v->o.desk && dns_desk_losses(v->o.desk) != v->losses);
}

// One round: until all is known, or something is being asked.
static void evaluate(struct verdict *v)
{
    struct resolver r = dns_memo_resolver(v->memo);
    struct sender_result s;
    enum err e;

    do {
        arena_reset(&v->arena);
        e = sender_check(&v->question, &r, &v->arena, &s);
    } while (e == ERR_AGAIN && !ask(v));
    if (e == ERR_AGAIN) {
        if (loop_timer_set(v->o.loop, &v->timer, v->until_ms) != ERR_OK) {
            done_unchecked(v, "no memory");
        }
    } else if (e != ERR_OK) {
        done_unchecked(v, e == ERR_NOMEM ? "no memory" : "it cannot be read");
    } else if (was_dns_away(v) && conf_value_choice(v->o.settings, SETTING_CHECK_MAIL) == 2) {
        done_unchecked(v, "the courier, which asks the DNS, is away");
    } else {
        judge(v, &s);
    }
}

static void on_time(struct timer *t)
{
    struct verdict *v = LIST_ITEM(t, struct verdict, timer);

    if (!v->is_checked) {
        set_codes(v, 250, SPAN("2.0.0"));
        done(v, VERDICT_ACCEPT);
        return;
    }
    if (clock_monotonic_ms() >= v->until_ms) {
        dns_client_forget(&v->client);
        v->open = 0;
        dns_memo_give_up(v->memo);
    }
    if (v->open == 0) {
        evaluate(v);
    } else if (loop_timer_set(v->o.loop, t, v->until_ms) != ERR_OK) {
        done_unchecked(v, "no memory");
    }
}

static void on_answer(struct dns_client *c, struct span name, enum dns_type type,
                      const struct dns_answer *answer)
{
    struct verdict *v = LIST_ITEM(c, struct verdict, client);

    v->open--;
    if (dns_memo_answer(v->memo, name, type, answer) != ERR_OK) {
        dns_memo_give_up(v->memo);
    }
    if (v->open > 0) {
        return;
    }
    if (v->phase == PHASE_READING) {
        ask_early(v);
    } else {
        evaluate(v);
    }
}
