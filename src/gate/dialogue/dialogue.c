// SPDX-License-Identifier: Apache-2.0
//
// The rules that no protocol may have its own version of.
#include "gate/dialogue/dialogue.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/log.h"
#include "gate/dialogue/dialogue_sasl.h"

#include "base/banned.h"

#define OUTPUT_MAX   (256u << 10) // many times what one read can cause; beyond it is a bug
#define SECRET_MAX   (256u << 10) // more than a line and its literals
#define PAIR_IN_MAX  (64u << 10)  // answers of keep that were not looked at
#define PAIR_OUT_MAX (512u << 10) // a protocol stops reading long before

static const char *const end_texts[DIALOGUE_END__COUNT] = {
    [DIALOGUE_STOPPING] = "Mailkeep is stopping",
    [DIALOGUE_TIMEOUT] = "You took too long to log in",
    [DIALOGUE_TOO_MANY_CLIENTS] = "Too many clients are logging in; try again in a moment",
    [DIALOGUE_TOO_MANY_FROM_ADDRESS] = "Too many connections from your address are not logged in",
    [DIALOGUE_LINE_TOO_LONG] = "The line is too long",
    [DIALOGUE_LITERAL_TOO_BIG] = "The literal is too big for a client that has not logged in",
    [DIALOGUE_BAD_COMMANDS] = "Too many commands that make no sense",
    [DIALOGUE_LOGIN_FAILURES] = "Too many failed logins",
    [DIALOGUE_OTHER_PROTOCOL] = "This is a mail server",
    [DIALOGUE_SPOKE_FIRST] = "You spoke before you were greeted",
    [DIALOGUE_TOO_FAST] = "Too many connections in a short time; try again later",
    [DIALOGUE_NOT_FROM_THERE] = "This service is not for your address",
};

// ---- for the owner ------------------------------------------------------------------------------

enum err dialogue_init(struct dialogue *d, const struct dialogue_protocol *p,
                       const struct settings *settings)
{
    *d = (struct dialogue){.protocol = p, .settings = settings};
    // Passwords come in and, when they are new ones of the server's making, go out.
    buf_init_secret(&d->in, p->input_max(settings));
    buf_init_secret(&d->out, OUTPUT_MAX);
    buf_init_secret(&d->secret, SECRET_MAX);
    buf_init_secret(&d->pair.in, PAIR_IN_MAX);
    buf_init_secret(&d->pair.out, PAIR_OUT_MAX);
    d->state = calloc(1, p->state_bytes);
    if (!d->state) {
        return ERR_NOMEM;
    }
    p->begin(d);
    return ERR_OK;
}

void dialogue_finish(struct dialogue *d)
{
    if (d->state) {
        d->protocol->finish(d);
        free(d->state);
        d->state = NULL;
    }
    buf_release(&d->in);
    buf_release(&d->secret);
    buf_release(&d->out);
    buf_release(&d->pair.in);
    buf_release(&d->pair.out);
}

void dialogue_greet(struct dialogue *d)
{
    d->protocol->greet(d);
}

void dialogue_go_on(struct dialogue *d)
{
    while (d->step == DIALOGUE_READ && d->protocol->take(d)) {
    }
    if (d->step == DIALOGUE_START_TLS && d->in.n) {
        // Said by somebody in between, or by a client that does not wait as it must.
        d->step = DIALOGUE_DROP;
    }
    if (d->out.failed || d->pair.out.failed) {
        d->step = DIALOGUE_DROP; // part of what was said is missing
    }
}

void dialogue_forget_password(struct dialogue *d)
{
    buf_release(&d->secret);
    d->question.authzid = d->question.user = d->question.password = SPAN("");
    d->question.message = d->question.binding = SPAN("");
}

void dialogue_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    ASSERT(d->step == DIALOGUE_ASK || d->step == DIALOGUE_ADMIT);
    dialogue_forget_password(d);
    d->step = DIALOGUE_READ;
    d->protocol->refused(d, why, text);
    if (why == DIALOGUE_BAD_PASSWORD &&
        ++d->failures >= conf_value_count(d->settings, SETTING_LOGIN_FAILURES_MAX)) {
        dialogue_end(d, DIALOGUE_LOGIN_FAILURES);
    }
    dialogue_go_on(d);
}

void dialogue_accepted(struct dialogue *d, struct span ticket)
{
    ASSERT((d->step == DIALOGUE_ASK || d->step == DIALOGUE_ADMIT) && d->protocol->accepted);
    dialogue_forget_password(d);
    d->step = DIALOGUE_READ;
    d->protocol->accepted(d, ticket);
    dialogue_go_on(d);
}

void dialogue_challenged(struct dialogue *d, struct span bytes, bool is_last)
{
    ASSERT(d->step == DIALOGUE_ASK && d->protocol->sasl);
    dialogue_forget_password(d);
    d->step = DIALOGUE_READ;
    dialogue_sasl_challenged(d, d->protocol->sasl(d), bytes, is_last);
    dialogue_go_on(d);
}

void dialogue_domain_known(struct dialogue *d, enum dialogue_domain is)
{
    ASSERT(d->step == DIALOGUE_ASK_DOMAIN && d->protocol->domain_known);
    d->step = DIALOGUE_READ;
    d->domain = SPAN("");
    d->protocol->domain_known(d, is);
    dialogue_go_on(d);
}

static void pair_drop(struct dialogue *d)
{
    d->pair.is_wanted = false;
    d->pair.is_spent |= d->pair.is_open;
    buf_release(&d->pair.in);
    buf_release(&d->pair.out);
}

static void forget(struct dialogue *d)
{
    d->protocol->finish(d);
    memset(d->state, 0, d->protocol->state_bytes);
    d->ticket_bytes = 0;
    pair_drop(d); // what keep was told goes with it
    d->step = DIALOGUE_READ;
    d->protocol->begin(d);
}

void dialogue_tls_started(struct dialogue *d)
{
    ASSERT(d->step == DIALOGUE_START_TLS && d->in.n == 0);
    d->has_tls = true;
    forget(d);
    if (d->protocol->greets_after_starttls) {
        d->protocol->greet(d);
    }
}

void dialogue_renamed(struct dialogue *d, bool is_believed)
{
    ASSERT(d->step == DIALOGUE_RENAME);
    d->step = DIALOGUE_READ;
    if (is_believed) {
        forget(d);
    }
    d->protocol->renamed(d, is_believed);
    dialogue_go_on(d);
}

void dialogue_resume(struct dialogue *d)
{
    if (d->step == DIALOGUE_WAIT) {
        d->step = DIALOGUE_READ;
        dialogue_go_on(d);
    }
}

void dialogue_checked(struct dialogue *d, const struct dialogue_check_result *r)
{
    if (d->step != DIALOGUE_CLOSE && d->step != DIALOGUE_DROP) {
        d->protocol->checked(d, r);
        dialogue_resume(d);
    }
}

void dialogue_pair_moved(struct dialogue *d)
{
    if (d->pair.in.n && d->protocol->heard(d) != ERR_OK) {
        dialogue_pair_lost(d);
        return;
    }
    dialogue_resume(d);
}

void dialogue_pair_lost(struct dialogue *d)
{
    pair_drop(d);
    if (d->step == DIALOGUE_CLOSE || d->step == DIALOGUE_DROP || d->step == DIALOGUE_START_TLS) {
        return;
    }
    d->protocol->lost(d);
    dialogue_resume(d);
}

void dialogue_end(struct dialogue *d, enum dialogue_end why)
{
    if (d->step == DIALOGUE_CLOSE || d->step == DIALOGUE_DROP) {
        return;
    }
    if (d->step == DIALOGUE_START_TLS) {
        d->step = DIALOGUE_DROP;
        return;
    }
    dialogue_last_words(d->protocol, why, &d->out);
    d->step = DIALOGUE_CLOSE;
}

void dialogue_last_words(const struct dialogue_protocol *p, enum dialogue_end why, struct buf *out)
{
    p->last_words(out, why, end_texts[why]);
}

// ---- for the protocol ---------------------------------------------------------------------------

void dialogue_consume(struct dialogue *d, size_t n)
{
    buf_consume(&d->in, n);
}

bool dialogue_is_private(const struct dialogue *d)
{
    return d->has_tls ||
           (d->is_loopback && (d->protocol->is_private_here ||
                               conf_value_bool(d->settings, SETTING_CLEAR_LOGIN_LOOPBACK)));
}

bool dialogue_can_start_tls(const struct dialogue *d)
{
    return !d->has_tls && d->has_certificate;
}

static struct span keep_text(struct buf *b, struct span s)
{
    size_t at = b->n;

    buf_put(b, s);
    return span_of(b->p + at, b->n - at);
}

void dialogue_ask_with(struct dialogue *d, const struct dialogue_question *q)
{
    size_t n = q->authzid.n + q->user.n + q->password.n + q->message.n + q->binding.n;

    ASSERT(d->step == DIALOGUE_READ && dialogue_is_private(d));
    buf_release(&d->secret);
    if (!buf_reserve(&d->secret, n + 1)) { // at once: growing would leave copies behind
        d->protocol->refused(d, DIALOGUE_UNAVAILABLE, SPAN(""));
        return;
    }
    d->step = DIALOGUE_ASK;
    d->question = (struct dialogue_question){
        .mechanism = q->mechanism,
        .authzid = keep_text(&d->secret, q->authzid),
        .user = keep_text(&d->secret, q->user),
        .password = keep_text(&d->secret, q->password),
        .message = keep_text(&d->secret, q->message),
        .binding = keep_text(&d->secret, q->binding),
        .is_response = q->is_response,
        .tag = SPAN(""),
        .client_id = SPAN(""),
    };
    if (d->protocol->identify) {
        d->protocol->identify(d, &d->question);
    }
}

void dialogue_ask(struct dialogue *d, const char *mechanism, struct span authzid, struct span user,
                  struct span password)
{
    struct dialogue_question q = {
        .mechanism = mechanism, .authzid = authzid, .user = user, .password = password};

    dialogue_ask_with(d, &q);
}

void dialogue_ask_domain(struct dialogue *d, struct span domain)
{
    ASSERT(d->step == DIALOGUE_READ);
    d->step = DIALOGUE_ASK_DOMAIN;
    d->domain = domain;
}

void dialogue_start_tls(struct dialogue *d)
{
    ASSERT(d->step == DIALOGUE_READ && dialogue_can_start_tls(d));
    d->step = DIALOGUE_START_TLS;
}

void dialogue_close(struct dialogue *d)
{
    if (d->step != DIALOGUE_DROP) {
        d->step = DIALOGUE_CLOSE;
    }
}

bool dialogue_is_http(struct span line)
{
    static const char *const verbs[] = {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT "};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (span_starts(line, span_from_str(verbs[i])) && span_find(line, SPAN("HTTP/")) < line.n) {
            return true;
        }
    }
    return false;
}

void dialogue_count_bad(struct dialogue *d)
{
    if (++d->bad >= conf_value_count(d->settings, d->protocol->bad_max)) {
        dialogue_end(d, DIALOGUE_BAD_COMMANDS);
    }
}

void dialogue_say_bad(struct dialogue *d, const char *text)
{
    d->protocol->say(d, false, text);
    dialogue_count_bad(d);
}

void dialogue_answer_starttls(struct dialogue *d)
{
    if (d->has_tls) {
        dialogue_say_bad(d, "TLS is on already");
    } else if (!dialogue_can_start_tls(d)) {
        d->protocol->say(d, false, "The server has no certificate; TLS cannot be started");
    } else {
        d->protocol->say(d, true, "Begin TLS now");
        dialogue_start_tls(d);
    }
}

bool dialogue_end_is_busy(enum dialogue_end why)
{
    return why == DIALOGUE_TOO_MANY_CLIENTS || why == DIALOGUE_STOPPING ||
           why == DIALOGUE_TOO_MANY_FROM_ADDRESS;
}
