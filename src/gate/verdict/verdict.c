// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/verdict.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "gate/verdict/filter_link.h"
#include "gate/verdict/header_filter.h"
#include "gate/verdict/verdict_policy.h"
#include "gate/verdict/verdict_report.h"
#include "gate/verdict/verdict_words.h"
#include "senderauth/auth_message.h"

#include "base/banned.h"

#define FIELDS_BYTES_MAX  32768 // of what the checks found; the rest of `lines` is for filters
#define FILTER_GRACE_MS   10000 // the courier keeps to filter_timeout, mostly
#define TEXTS_ARENA_BYTES 16384 // copies of the envelope
#define CHECK_ARENA_BYTES (16u << 20) // one evaluation

enum phase {
    PHASE_READING, // the message comes; answers for SPF may come meanwhile
    PHASE_ASKING,  // it is whole
    PHASE_WAITING, // judged, but for the filters
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

    struct filter_link *link; // NULL: no filters, or they have said what they say
    uint64_t fed;             // bytes they got
    struct {
        enum ipc_filter_action action;
        unsigned code;
        struct buf enhanced, text, lines, subject, words;
        bool has_subject;
    } filter_result;

    enum verdict_action judged; // without filters
    struct buf fields;          // Authentication-Results ...
    struct buf lines, words, text, enhanced, report;
    struct verdict_result result;
};

enum { MAIL_OFF, MAIL_OBSERVE, MAIL_ENFORCE }; // check_mail
enum { AWAY_ACCEPT, AWAY_DEFER };              // filter_away

static void on_time(struct timer *t);
static void on_filter_result(void *arg, const struct ipc_filter_result *r);
static void on_filter_room(void *arg);
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

static void set_codes(struct verdict *v, unsigned code, struct span enhanced)
{
    v->result.code = code;
    buf_clear(&v->enhanced);
    buf_put(&v->enhanced, enhanced);
}

static void buffers_init(struct verdict *v)
{
    buf_init(&v->fields, FIELDS_BYTES_MAX);
    buf_init(&v->lines, VERDICT_LINES_BYTES_MAX);
    buf_init(&v->words, VERDICT_WORDS_BYTES_MAX);
    buf_init(&v->report, REPORT_FRAME_BYTES_MAX);
    buf_init(&v->text, VERDICT_TEXT_BYTES_MAX);
    buf_init(&v->enhanced, 16);
    buf_init(&v->filter_result.enhanced, 16);
    buf_init(&v->filter_result.text, VERDICT_TEXT_BYTES_MAX);
    buf_init(&v->filter_result.lines, 16384);
    buf_init(&v->filter_result.subject, 4096);
    buf_init(&v->filter_result.words, 512);
}

static void buffers_finish(struct verdict *v)
{
    buf_finish(&v->fields);
    buf_finish(&v->lines);
    buf_finish(&v->words);
    buf_finish(&v->report);
    buf_finish(&v->text);
    buf_finish(&v->enhanced);
    buf_finish(&v->filter_result.enhanced);
    buf_finish(&v->filter_result.text);
    buf_finish(&v->filter_result.lines);
    buf_finish(&v->filter_result.subject);
    buf_finish(&v->filter_result.words);
}

// Their result is the same as that of filters that are away.
static void filters_away(struct verdict *v)
{
    v->filter_result.action = IPC_FILTER_AWAY;
    buf_put_str(&v->filter_result.words, "filters are away");
}

static void filters_begin(struct verdict *v)
{
    struct filter_link_listener l = {on_filter_result, on_filter_room, v};
    struct address_text remote = address_host_text(v->o.client);
    struct ipc_filter_begin begin = {.server_name = v->o.server_name,
                                     .remote = span_from_str(remote.s),
                                     .remote_port = address_port(v->o.client),
                                     .helo = v->o.helo,
                                     .sender = v->o.sender};
    enum err e = v->o.desk ? filter_link_open(v->o.loop, v->o.desk, &begin, v->o.recipients,
                                              v->o.recipient_count, &l, &v->link)
                           : ERR_UNAVAILABLE;

    v->filter.takes_subject = true;
    if (e != ERR_OK) {
        filters_away(v);
    }
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
    buffers_init(v);
    dns_client_init(&v->client);
    v->client.answered = on_answer;
    v->timer.fire = on_time;
    set_codes(v, 250, SPAN("2.0.0"));
    v->is_checked = o->is_checked && conf_value_choice(o->settings, SETTING_CHECK_MAIL) != MAIL_OFF;
    enum err e = keep_texts(v);

    header_filter_init(&v->filter, v->o.server_name);
    if (e == ERR_OK && v->is_checked) {
        e = checks_begin(v);
    }
    if (e == ERR_OK && o->is_checked && conf_value_list_size(o->settings, SETTING_FILTERS)) {
        filters_begin(v);
    }
    if (e != ERR_OK) {
        verdict_destroy(v);
        return e;
    }
    v->o.client = NULL; // the caller's
    v->o.recipients = NULL;
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
    buffers_finish(v);
    filter_link_close(v->link);
    arena_finish(&v->arena);
    arena_finish(&v->texts);
    settings_unref(v->o.settings);
    free(v);
}

// ---- the message --------------------------------------------------------------------------------

// A message that is too large is not shown to them.
static void filters_feed(struct verdict *v, struct span bytes)
{
    if (!v->link || bytes.n == 0) {
        return;
    }
    v->fed += bytes.n;
    if (v->fed <= conf_value_bytes(v->o.settings, SETTING_FILTER_MESSAGE_MAX)) {
        filter_link_feed(v->link, bytes);
        return;
    }
    filter_link_close(v->link);
    v->link = NULL;
    buf_put_str(&v->filter_result.words, "too large for filters");
}

// What has been appended to `out` from `before` on goes to the filters, too, and Subject, wherever
// it stood among the fields.
static void filters_follow(struct verdict *v, bool had_subject, const struct buf *out,
                           size_t before)
{
    if (!had_subject) {
        filters_feed(v, buf_span(&v->filter.subject));
    }
    filters_feed(v, span_skip(buf_span(out), before));
}

enum err verdict_feed(struct verdict *v, struct span bytes, struct buf *out)
{
    ASSERT(v->phase == PHASE_READING);
    size_t before = out->n;
    bool had_subject = v->filter.subject.n > 0;
    enum err e = header_filter_feed(&v->filter, bytes, out);

    if (e == ERR_OK && v->message) {
        e = auth_message_feed(v->message, bytes);
    }
    if (e == ERR_OK) {
        filters_follow(v, had_subject, out, before);
    }
    return e;
}

bool verdict_is_full(const struct verdict *v)
{
    return v->link && filter_link_is_full(v->link);
}

static void on_filter_room(void *arg)
{
    struct verdict *v = arg;

    if (v->o.go_on) {
        v->o.go_on(v->o.arg);
    }
}

enum err verdict_finish(struct verdict *v, struct buf *out)
{
    ASSERT(v->phase == PHASE_READING);
    size_t before = out->n;
    bool had_subject = v->filter.subject.n > 0;
    enum err e = header_filter_end(&v->filter, out);

    if (e == ERR_OK && v->message) {
        e = auth_message_finish(v->message);
    }
    if (e != ERR_OK) {
        return e;
    }
    filters_follow(v, had_subject, out, before);
    if (v->link) {
        filter_link_end(v->link);
    }
    v->until_ms = clock_monotonic_ms() + conf_value_ms(v->o.settings, SETTING_CHECK_TIMEOUT);
    v->phase = PHASE_ASKING;
    // Soon, but not from within this call.
    return loop_timer_set(v->o.loop, &v->timer, loop_now_ms(v->o.loop));
}

// ---- questions ----------------------------------------------------------------------------------

// True when it was answered before, and the memo has that.
static bool is_known(struct verdict *v, const struct dns_question *q)
{
    struct dns_answer answer;
    struct arena arena;

    arena_init(&arena, CHECK_ARENA_BYTES);
    bool known = v->o.desk && dns_desk_known(v->o.desk, q->name, q->type, &arena, &answer) &&
                 dns_memo_answer(v->memo, q->name, q->type, &answer) == ERR_OK;

    arena_finish(&arena);
    return known;
}

// Hands out what the memo wants to know; what cannot be asked is answered at once. False when
// nothing is open then: the evaluation can be run again.
static bool ask(struct verdict *v)
{
    static const struct dns_answer no_answer = {.status = DNS_TEMPFAIL};
    struct dns_question q;

    while (dns_memo_next(v->memo, &q)) {
        if (is_known(v, &q)) {
            continue;
        }
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

static void done(struct verdict *v, enum verdict_action action)
{
    v->phase = PHASE_DONE;
    loop_timer_cancel(v->o.loop, &v->timer);
    dns_client_forget(&v->client);
    filter_link_close(v->link);
    v->link = NULL;
    v->result.action = action;
    v->result.enhanced = buf_span(&v->enhanced);
    v->result.text = buf_span(&v->text);
    v->result.lines = buf_span(&v->lines);
    v->result.words = buf_span(&v->words);
    v->result.report = buf_span(&v->report);
    v->o.done(v->o.arg, &v->result); // which may end v
}

// The checks could not be made: not the message's fault.
static void done_unchecked(struct verdict *v, const char *why)
{
    buf_clear(&v->lines);
    buf_clear(&v->words);
    buf_clear(&v->text);
    buf_clear(&v->report);
    buf_put_str(&v->words, "put off: ");
    buf_put_str(&v->words, why);
    buf_put_str(&v->text, "The message cannot be checked now. Try again later");
    set_codes(v, 451, SPAN("4.3.0"));
    done(v, VERDICT_TEMPORARY);
}

static bool is_refusal(enum verdict_action a)
{
    return a == VERDICT_REJECT || a == VERDICT_TEMPORARY;
}

// What the filters want on top of what was judged.
static enum verdict_action add_filters(struct verdict *v)
{
    enum ipc_filter_action a = v->filter_result.action;

    if (is_refusal(v->judged)) {
        return v->judged;
    }
    if (a == IPC_FILTER_REJECT || a == IPC_FILTER_TEMPORARY) {
        set_codes(v, v->filter_result.code, buf_span(&v->filter_result.enhanced));
        buf_put(&v->text, buf_span(&v->filter_result.text));
        return a == IPC_FILTER_REJECT ? VERDICT_REJECT : VERDICT_TEMPORARY;
    }
    if (a == IPC_FILTER_AWAY &&
        conf_value_choice(v->o.settings, SETTING_FILTER_AWAY) == AWAY_DEFER) {
        set_codes(v, 451, SPAN("4.3.0"));
        buf_put_str(&v->text, "The message cannot be checked now. Try again later");
        return VERDICT_TEMPORARY;
    }
    return a == IPC_FILTER_JUNK ? VERDICT_JUNK : v->judged;
}

static void put_lines(struct verdict *v)
{
    buf_put(&v->lines, buf_span(&v->fields));
    buf_put(&v->lines, buf_span(&v->filter_result.lines));
    if (v->filter_result.has_subject) {
        buf_put_str(&v->lines, "Subject: ");
        buf_put(&v->lines, buf_span(&v->filter_result.subject));
        buf_put_str(&v->lines, "\r\n");
    } else {
        buf_put(&v->lines, buf_span(&v->filter.subject));
    }
}

static const char *filter_words(enum verdict_action a)
{
    static const char *const words[] = {"", " Filters: junk", " Filters: refused",
                                        " Filters: put off"};

    return words[a];
}

// Both the checks and the filters are through, or the filters no longer matter.
static void conclude(struct verdict *v)
{
    enum verdict_action action = add_filters(v);

    if (v->filter_result.words.n) {
        buf_put_str(&v->words, action != v->judged ? filter_words(action) : " Filters");
        buf_put_str(&v->words, ": ");
        buf_put(&v->words, buf_span(&v->filter_result.words));
    }
    put_lines(v);
    if (v->lines.failed) {
        done_unchecked(v, "no memory");
    } else {
        done(v, action);
    }
}

static void judged(struct verdict *v, enum verdict_action action)
{
    int64_t ms = conf_value_ms(v->o.settings, SETTING_FILTER_TIMEOUT) + FILTER_GRACE_MS;

    v->judged = action;
    if (!v->link || is_refusal(action)) {
        conclude(v);
        return;
    }
    v->phase = PHASE_WAITING;
    if (loop_timer_set(v->o.loop, &v->timer, clock_monotonic_ms() + ms) != ERR_OK) {
        done_unchecked(v, "no memory");
    }
}

static void on_filter_result(void *arg, const struct ipc_filter_result *r)
{
    struct verdict *v = arg;

    if (r) {
        v->filter_result.action = (enum ipc_filter_action)r->action;
        v->filter_result.code = r->code;
        v->filter_result.has_subject = r->has_subject == 1;
        buf_put(&v->filter_result.enhanced, r->enhanced);
        buf_put(&v->filter_result.text, r->text);
        buf_put(&v->filter_result.lines, r->lines);
        buf_put(&v->filter_result.subject, r->subject);
        buf_put(&v->filter_result.words, r->words);
    } else {
        filters_away(v);
    }
    filter_link_close(v->link); // and with it what `r` points to
    v->link = NULL;
    if (v->phase == PHASE_WAITING) {
        conclude(v);
    } else {
        on_filter_room(v); // whoever waits for room need not any more
    }
}

static void set_answer(struct verdict *v, const struct sender_result *s,
                       const struct policy_decision *d)
{
    if (d->action == VERDICT_REJECT) {
        // RFC 7372 section 3.2 has a code for SPF; RFC 7489 section 10.3 leaves DMARC at 5.7.1.
        set_codes(v, 550, d->cause == CAUSE_SPF ? SPAN("5.7.23") : SPAN("5.7.1"));
    } else if (d->action == VERDICT_TEMPORARY) {
        set_codes(v, 451, SPAN("4.7.1"));
    }
    if (is_refusal(d->action)) {
        words_put_answer(&v->text, &v->question, s, d);
    }
}

static void judge(struct verdict *v, const struct sender_result *s)
{
    const struct settings *settings = v->o.settings;
    struct policy_decision d;
    bool is_spf = conf_value_bool(settings, SETTING_CHECK_RECEIVED_SPF);

    policy_decide(settings, s, auth_message_header(v->message), &v->arena, &d);
    if (words_put_fields(&v->fields, &v->question, s, is_spf, v->o.is_utf8, &v->arena) != ERR_OK) {
        done_unchecked(v, "no memory");
        return;
    }
    words_put_log(&v->words, s, &d);
    set_answer(v, s, &d);
    if (conf_value_bool(settings, SETTING_DMARC_REPORTS)) {
        report_put(&v->report, &v->question, s, &d);
    }
    judged(v, d.action);
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
    } else if (was_dns_away(v) &&
               conf_value_choice(v->o.settings, SETTING_CHECK_MAIL) == MAIL_ENFORCE) {
        done_unchecked(v, "the courier, which asks the DNS, is away");
    } else {
        judge(v, &s);
    }
}

static void on_time(struct timer *t)
{
    struct verdict *v = LIST_ITEM(t, struct verdict, timer);

    if (v->phase == PHASE_WAITING) {
        filters_away(v);
        conclude(v);
        return;
    }
    if (!v->is_checked) {
        judged(v, VERDICT_ACCEPT);
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
