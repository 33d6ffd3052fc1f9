// SPDX-License-Identifier: Apache-2.0
//
// The table of commands, and those that change nothing in keep.
#include "base/clock.h"
#include "gate/smtp/smtp_session_internal.h"
#include "mime/mime_date.h"

#include "base/banned.h"

// ---- what is offered ----------------------------------------------------------------------------

// Whoever has signed in in the clear stays there: what was said so far would have to be forgotten.
static uint32_t offers_of_tls(const struct dialogue *d)
{
    if (d->has_tls) {
        return SMTP_EXT_REQUIRETLS;
    }
    return dialogue_can_start_tls(d) && !smtp_of(d)->is_logged_in ? SMTP_EXT_STARTTLS : 0;
}

static uint32_t offers_of_submission(const struct dialogue *d)
{
    bool may_log_in = dialogue_is_private(d) && !smtp_of(d)->is_logged_in;

    return SMTP_EXT_FUTURERELEASE | (may_log_in ? SMTP_EXT_AUTH : 0);
}

uint32_t smtp_offers(const struct dialogue *d)
{
    uint32_t offers = SMTP_EXT_SIZE | SMTP_EXT_PIPELINING | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |
                      SMTP_EXT_CHUNKING | SMTP_EXT_BINARYMIME | SMTP_EXT_DSN | SMTP_EXT_ENHANCED |
                      SMTP_EXT_LIMITS | offers_of_tls(d);

    if (smtp_variant_of(d) == SMTP_SUBMISSION) {
        offers |= offers_of_submission(d);
    }
    return offers | (d->peer.may_rename ? SMTP_EXT_XCLIENT : 0);
}

static void put_limits(struct buf *b, const struct dialogue *d)
{
    buf_printf(b, "\nLIMITS RCPTMAX=%llu", (unsigned long long)smtp_recipients_max(d));
    if (!d->peer.is_known && smtp_variant_of(d) != SMTP_LMTP) {
        buf_printf(b, " MAILMAX=%llu",
                   (unsigned long long)conf_value_count(d->settings, SETTING_SMTP_MESSAGES_MAX));
    }
}

// RFC 4865 section 3: seconds from now, and the date that is.
static void put_hold(struct buf *b, const struct dialogue *d)
{
    int64_t seconds = conf_value_ms(d->settings, SETTING_SUBMISSION_HOLD_MAX) / 1000;
    struct mime_civil c = mime_date_to_civil(clock_real_s() + seconds);

    buf_printf(b, "\nFUTURERELEASE %lld %04d-%02d-%02dT%02d:%02d:%02dZ", (long long)seconds, c.year,
               c.month, c.day, c.hour, c.minute, c.second);
}

static void put_offers(struct buf *b, const struct dialogue *d)
{
    static const struct {
        uint32_t extension;
        const char *line;
    } plain[] = {
        {SMTP_EXT_PIPELINING, "\nPIPELINING"},
        {SMTP_EXT_8BITMIME, "\n8BITMIME"},
        {SMTP_EXT_SMTPUTF8, "\nSMTPUTF8"},
        {SMTP_EXT_CHUNKING, "\nCHUNKING"},
        {SMTP_EXT_BINARYMIME, "\nBINARYMIME"},
        {SMTP_EXT_DSN, "\nDSN"},
        {SMTP_EXT_ENHANCED, "\nENHANCEDSTATUSCODES"},
        {SMTP_EXT_STARTTLS, "\nSTARTTLS"},
        {SMTP_EXT_REQUIRETLS, "\nREQUIRETLS"},
        {SMTP_EXT_XCLIENT, "\nXCLIENT ADDR PORT DESTPORT"},
    };
    uint32_t offers = smtp_offers(d);

    buf_printf(b, "\nSIZE %llu",
               (unsigned long long)conf_value_bytes(d->settings, SETTING_MESSAGE_MAX));
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (offers & plain[i].extension) {
            buf_put_str(b, plain[i].line);
        }
    }
    if (offers & SMTP_EXT_AUTH) {
        buf_put_str(b, "\nAUTH");
        dialogue_sasl_put_names(d, " ", b);
    }
    if (offers & SMTP_EXT_FUTURERELEASE) {
        put_hold(b, d);
    }
    put_limits(b, d);
}

// ---- greetings ----------------------------------------------------------------------------------

static void keep_name(struct dialogue *d, const struct smtp_command *c)
{
    struct smtp_session *s = smtp_of(d);

    smtp_transaction_reset(d, true);
    buf_clear(&s->helo);
    buf_put(&s->helo, c->helo.name);
    s->is_extended = c->id != SMTP_HELO;
}

static void do_helo(struct dialogue *d, const struct smtp_command *c)
{
    keep_name(d, c);
    smtp_reply_put(&d->out, 250, NULL, d->host, false);
}

static void do_ehlo(struct dialogue *d, const struct smtp_command *c)
{
    struct buf text;

    keep_name(d, c);
    buf_init(&text, 4096);
    buf_put(&text, d->host);
    put_offers(&text, d);
    smtp_reply_put(&d->out, 250, NULL, buf_span(&text), false);
    buf_finish(&text);
}

// ---- TLS, logins, fronts ------------------------------------------------------------------------

static void do_starttls(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_say(d, 220, "2.0.0", "Begin TLS now");
    dialogue_start_tls(d);
}

static void do_auth(struct dialogue *d, const struct smtp_command *c)
{
    struct smtp_session *s = smtp_of(d);
    enum sasl_mechanism mechanism;

    if (!s->helo.n) {
        smtp_say_bad(d, 503, "5.5.1", "Say EHLO first");
    } else if (dialogue_sasl_find(d, c->auth.mechanism, &mechanism) != ERR_OK) {
        smtp_say_bad(d, 504, "5.5.4", "There is no such mechanism here");
    } else {
        dialogue_sasl_begin(d, &s->sasl, mechanism, c->auth.has_initial ? &c->auth.initial : NULL);
    }
}

static void copy_port(uint16_t *to, struct span from)
{
    uint64_t port;

    if (span_to_u64(from, UINT16_MAX, &port)) {
        *to = (uint16_t)port;
    }
}

// What a front says about anything but addresses is not used: a login or a name that we have not
// checked ourselves means nothing here.
static void do_xclient(struct dialogue *d, const struct smtp_command *c)
{
    const struct span *v = c->xclient.values;

    if (smtp_of(d)->t.is_open) {
        smtp_say_bad(d, 503, "5.5.1", "Not within a transaction");
        return;
    }
    d->claim = d->peer;
    if (v[SMTP_XCLIENT_ADDR].n) {
        span_copy_text(v[SMTP_XCLIENT_ADDR], d->claim.address, sizeof(d->claim.address));
    }
    copy_port(&d->claim.port, v[SMTP_XCLIENT_PORT]);
    copy_port(&d->claim.local_port, v[SMTP_XCLIENT_DESTPORT]);
    d->step = DIALOGUE_RENAME;
}

// ---- the small ones -----------------------------------------------------------------------------

static void do_rset(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_transaction_reset(d, true);
    smtp_say(d, 250, "2.0.0", "Forgotten");
}

static void do_noop(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_say(d, 250, "2.0.0", "Yes");
}

static void do_quit(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_close_with(d, 221, "2.0.0", "Goodbye");
}

// Who is there is not said to who only asks (RFC 5321 section 7.3).
static void do_vrfy(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_say(d, 252, "2.5.0", "Send a message, and you will see");
}

static void do_expn(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_say_bad(d, 502, "5.5.1", "Lists are not shown");
}

static void do_help(struct dialogue *d, const struct smtp_command *c)
{
    (void)c;
    smtp_say(d, 214, "2.0.0", "This is SMTP as in RFC 5321; write to postmaster here for help");
}

// ---- the table ----------------------------------------------------------------------------------

enum {
    NEEDS_NAME = 1,  // EHLO was said
    NEEDS_LOGIN = 2, // where logins are asked for
    LAST = 4,        // the client waits for the answer (RFC 2920 section 3.1)
    IDLE = 8,        // moves no mail: only so many of these
};

static const struct {
    smtp_command_fn *run;
    unsigned flags;
} commands[SMTP_COMMAND__COUNT] = {
    [SMTP_HELO] = {do_helo, LAST | IDLE},
    [SMTP_EHLO] = {do_ehlo, LAST | IDLE},
    [SMTP_LHLO] = {do_ehlo, LAST | IDLE},
    [SMTP_MAIL] = {smtp_do_mail, NEEDS_NAME | NEEDS_LOGIN | IDLE},
    [SMTP_RCPT] = {smtp_do_rcpt, NEEDS_NAME | NEEDS_LOGIN},
    [SMTP_DATA] = {smtp_do_data, NEEDS_NAME | NEEDS_LOGIN | LAST},
    [SMTP_BDAT] = {smtp_do_bdat, 0}, // whatever is wrong, its bytes are taken
    [SMTP_RSET] = {do_rset, IDLE},
    [SMTP_NOOP] = {do_noop, IDLE},
    [SMTP_QUIT] = {do_quit, 0},
    [SMTP_VRFY] = {do_vrfy, IDLE},
    [SMTP_EXPN] = {do_expn, IDLE},
    [SMTP_HELP] = {do_help, IDLE},
    [SMTP_AUTH] = {do_auth, LAST | IDLE},
    [SMTP_STARTTLS] = {do_starttls, IDLE}, // more behind it ends the dialogue anyway
    [SMTP_XCLIENT] = {do_xclient, LAST | IDLE},
};

void smtp_run(struct dialogue *d, const struct smtp_command *c, bool has_more)
{
    struct smtp_session *s = smtp_of(d);
    unsigned flags = commands[c->id].flags;

    if (flags & IDLE &&
        ++s->idle_commands > conf_value_count(d->settings, SETTING_SMTP_IDLE_COMMANDS_MAX)) {
        smtp_close_with(d, 421, "4.7.0", "Too many commands and no mail");
    } else if (flags & LAST && has_more) {
        smtp_close_with(d, 554, "5.5.0", "Wait for the answer to this command");
    } else if (flags & NEEDS_NAME && !s->helo.n) {
        smtp_say_bad(d, 503, "5.5.1",
                     smtp_variant_of(d) == SMTP_LMTP ? "Say LHLO first" : "Say EHLO first");
    } else if (flags & NEEDS_LOGIN && !smtp_may_mail(d)) {
        smtp_say_bad(d, 530, "5.7.0", "Log in first");
    } else {
        commands[c->id].run(d, c);
    }
}
