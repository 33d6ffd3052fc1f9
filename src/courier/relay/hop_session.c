// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/hop_session.h"

#include <stdio.h>

#include "base/encode.h"
#include "base/log.h"
#include "ipc/message.h"
#include "wire/smtp/smtp_write.h"

#include "base/banned.h"

static enum err greeting(struct hop *h)
{
    struct smtp_reply reply;
    enum err e = hop_reply(h, h->limits.command_ms, &reply);

    return e != ERR_OK ? e : reply.code == 220 ? ERR_OK : ERR_DENIED;
}

// ---- EHLO ---------------------------------------------------------------------------------------

static void take_capabilities(struct hop *h, const struct smtp_reply *reply)
{
    struct smtp_capabilities c;

    smtp_capabilities_read(reply, &c);
    h->can = (struct hop_can){
        .extensions = c.extensions, .size_max = c.size_max, .rcpt_max = c.rcpt_max};
    for (size_t i = 0; i < c.mechanism_n; i++) {
        h->can.auth_plain |= span_eq_nocase(c.mechanisms[i], SPAN("PLAIN"));
        h->can.auth_login |= span_eq_nocase(c.mechanisms[i], SPAN("LOGIN"));
    }
}

// EHLO, and HELO where that is not known (RFC 5321 section 3.2).
static enum err hello(struct hop *h, struct span helo)
{
    struct smtp_reply reply;
    enum err e = smtp_helo_put(&h->out, SMTP_EHLO, helo);

    e = e == ERR_OK ? hop_ask(h, &reply) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (reply.code == 250) {
        take_capabilities(h, &reply);
        return ERR_OK;
    }
    if (reply.code / 100 != 5) {
        return ERR_DENIED;
    }
    h->can = (struct hop_can){.extensions = 0};
    e = smtp_helo_put(&h->out, SMTP_HELO, helo);
    e = e == ERR_OK ? hop_ask(h, &reply) : e;
    return e != ERR_OK ? e : reply.code == 250 ? ERR_OK : ERR_DENIED;
}

// ---- STARTTLS -----------------------------------------------------------------------------------

// Nothing may come between the server's reply and its side of the handshake: whoever put it there
// in the clear is not the server (RFC 3207 section 4.2).
static enum err check_nothing_injected(struct hop *h)
{
    if (h->in.n > 0) {
        h->is_broken = true;
        hop_say(h, "%s sent something in the clear after its reply to STARTTLS", h->host);
        return ERR_INVALID;
    }
    return ERR_OK;
}

static enum err start_tls(struct hop_tls *tls, struct hop *h, const struct hop_policy *p)
{
    struct smtp_reply reply;

    smtp_simple_put(&h->out, SMTP_STARTTLS);
    enum err e = hop_ask(h, &reply);

    if (e == ERR_OK && reply.code != 220) {
        h->tls_result = IPC_TLS_STARTTLS_NOT_SUPPORTED;
        snprintf(h->tls_reason, sizeof(h->tls_reason), "%u", h->code);
        e = ERR_UNSUPPORTED;
    }
    e = e == ERR_OK ? check_nothing_injected(h) : e;
    return e == ERR_OK ? hop_tls_start(tls, h, p) : e;
}

// Sets *out_retry when another connection, in the clear, may be tried.
static enum err secure(struct hop_tls *tls, struct hop *h, const struct hop_policy *p,
                       struct span helo, bool *out_retry)
{
    enum err e;

    if (!h->ssl && !(h->can.extensions & SMTP_EXT_STARTTLS)) {
        h->tls_result = IPC_TLS_STARTTLS_NOT_SUPPORTED;
    }
    if (h->ssl || (p->level == HOP_TRY && !(h->can.extensions & SMTP_EXT_STARTTLS))) {
        return ERR_OK;
    }
    if (!(h->can.extensions & SMTP_EXT_STARTTLS)) {
        hop_say(h, "%s does not offer TLS, which %s demands", h->host, p->demand);
        return ERR_DENIED;
    }
    e = start_tls(tls, h, p);
    if (e == ERR_UNSUPPORTED && p->level == HOP_TRY) {
        return h->is_broken ? ERR_DENIED : ERR_OK; // it thought better of it; goes on in the clear
    }
    if (e == ERR_OK) {
        e = hello(h, helo); // what was said in the clear counts no more (section 4.2)
    }
    *out_retry = e != ERR_OK && p->level == HOP_TRY;
    return e;
}

// ---- AUTH ---------------------------------------------------------------------------------------

static enum err auth_plain(struct hop *h, const struct hop_login *l, struct smtp_reply *reply)
{
    struct buf initial;

    buf_init(&initial, 8192);
    buf_put_byte(&initial, '\0');
    buf_put(&initial, l->user);
    buf_put_byte(&initial, '\0');
    buf_put(&initial, l->password);
    enum err e = buf_result(&initial);

    e = e == ERR_OK ? smtp_auth_put(&h->out, SPAN("PLAIN"), buf_span(&initial)) : e;
    if (initial.p) {
        explicit_bzero(initial.p, initial.n);
    }
    buf_finish(&initial);
    return e == ERR_OK ? hop_ask(h, reply) : e;
}

static enum err auth_login(struct hop *h, const struct hop_login *l, struct smtp_reply *reply)
{
    const struct span answers[] = {l->user, l->password};
    enum err e = smtp_auth_put(&h->out, SPAN("LOGIN"), span_of(NULL, 0));

    e = e == ERR_OK ? hop_ask(h, reply) : e;
    for (size_t i = 0; i < 2 && e == ERR_OK && reply->code == 334; i++) {
        base64_encode(&h->out, answers[i]);
        buf_put_str(&h->out, "\r\n");
        e = hop_ask(h, reply);
    }
    return e;
}

static enum err log_in(struct hop *h, const struct hop_login *l)
{
    struct smtp_reply reply;
    enum err e;

    if (l->user.n == 0) {
        return ERR_OK;
    }
    if (!h->ssl) {
        hop_say(h, "%s offers no TLS: the password is not sent in the clear", h->host);
        return ERR_DENIED;
    }
    if (!h->can.auth_plain && !h->can.auth_login) {
        hop_say(h, "%s knows no way to sign in that we do (PLAIN, LOGIN)", h->host);
        return ERR_DENIED;
    }
    e = h->can.auth_plain ? auth_plain(h, l, &reply) : auth_login(h, l, &reply);
    return e != ERR_OK ? e : reply.code == 235 ? ERR_OK : ERR_DENIED;
}

// ---- all of it ----------------------------------------------------------------------------------

static enum err converse(struct hop_tls *tls, const struct hop_policy *p, struct span helo,
                         const struct hop_login *login, struct hop *h, bool *out_retry)
{
    enum err e = p->is_implicit ? hop_tls_start(tls, h, p) : ERR_OK;

    e = e == ERR_OK ? greeting(h) : e;
    e = e == ERR_OK ? hello(h, helo) : e;
    e = e == ERR_OK ? secure(tls, h, p, helo, out_retry) : e;
    return e == ERR_OK ? log_in(h, login) : e;
}

// What became of TLS is remembered.
static enum err again_in_the_clear(struct hop *h, const struct address *a, struct span host,
                                   const struct hop_limits *limits, struct span helo)
{
    uint8_t result = h->tls_result;
    char reason[sizeof(h->tls_reason)];

    memcpy(reason, h->tls_reason, sizeof(reason));
    hop_close(h);
    enum err e = hop_connect(h, a, host, limits);

    h->tls_result = result;
    memcpy(h->tls_reason, reason, sizeof(reason));
    e = e == ERR_OK ? greeting(h) : e;
    return e == ERR_OK ? hello(h, helo) : e;
}

enum err hop_open(struct hop_tls *tls, const struct address *a, struct span host,
                  const struct hop_limits *limits, const struct hop_policy *policy,
                  struct span helo, const struct hop_login *login, struct hop *h)
{
    bool retry = false;
    enum err e = hop_connect(h, a, host, limits);

    if (e == ERR_OK) {
        e = converse(tls, policy, helo, login, h, &retry);
    }
    if (retry && login->user.n == 0) {
        log_info("%s; it is tried without TLS, which nobody forbids",
                 log_text(span_from_str(h->words)).s);
        e = again_in_the_clear(h, a, host, limits, helo);
    }
    if (e != ERR_OK) {
        hop_quit(h);
    }
    return e;
}
