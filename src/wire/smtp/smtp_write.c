// SPDX-License-Identifier: Apache-2.0
#include "wire/smtp/smtp_write.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "wire/smtp/smtp_xtext.h"

#include "base/banned.h"

// Ends the command that begins at `start`, or takes it back.
static enum err finish(struct buf *out, size_t start, enum err e)
{
    if (e) {
        out->n = start;
        return e;
    }
    buf_put(out, SPAN("\r\n"));
    return buf_result(out);
}

static bool is_one_word(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i]) || s.p[i] == ' ') {
            return false;
        }
    }
    return s.n > 0;
}

enum err smtp_helo_put(struct buf *out, enum smtp_command_id id, struct span name)
{
    size_t start = out->n;
    struct smtp_domain domain;
    const char *why;
    enum err e = smtp_domain_parse(name, &domain, &why);

    buf_printf(out, "%s ", smtp_command_name(id));
    buf_put(out, name);
    return finish(out, start, e);
}

static enum err put_path(struct buf *out, const char *word, const struct smtp_address *address)
{
    buf_put_str(out, word);
    enum err e = smtp_address_put(out, address);

    buf_put_byte(out, '>');
    return e;
}

static void put_text(struct buf *out, const char *name, struct span xtext)
{
    buf_put_str(out, name);
    smtp_xtext_put(out, xtext);
}

static enum err put_auth(struct buf *out, const struct smtp_address *auth)
{
    struct buf text;
    enum err e;

    if (auth->local.n == 0) {
        buf_put_str(out, " AUTH=<>");
        return ERR_OK;
    }
    buf_init(&text, 1024);
    e = smtp_address_put(&text, auth);
    put_text(out, " AUTH=", buf_span(&text));
    buf_finish(&text);
    return e;
}

static uint32_t needed(const struct smtp_mail *m)
{
    return (m->utf8 || m->from.utf8 ? SMTP_EXT_SMTPUTF8 : 0) |
           (m->requiretls ? SMTP_EXT_REQUIRETLS : 0) |
           (m->body == SMTP_BODY_BINARYMIME ? SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING : 0);
}

static void put_mail_flags(struct buf *out, const struct smtp_mail *m, uint32_t extensions)
{
    static const char *const bodies[] = {"", "7BIT", "8BITMIME", "BINARYMIME"};

    if (m->has_size && extensions & SMTP_EXT_SIZE) {
        buf_put_str(out, " SIZE=");
        buf_put_u64(out, m->size);
    }
    if (m->body && extensions & (SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME)) {
        buf_printf(out, " BODY=%s", bodies[m->body]);
    }
    buf_put_str(out, m->utf8 || m->from.utf8 ? " SMTPUTF8" : "");
    buf_put_str(out, m->requiretls ? " REQUIRETLS" : "");
    if (m->has_priority && extensions & SMTP_EXT_MT_PRIORITY) {
        buf_printf(out, " MT-PRIORITY=%d", m->priority);
    }
    if (m->hold == SMTP_HOLD_FOR && extensions & SMTP_EXT_FUTURERELEASE) {
        buf_printf(out, " HOLDFOR=%lld", (long long)m->hold_value);
    }
}

enum err smtp_mail_put(struct buf *out, const struct smtp_mail *mail, uint32_t extensions)
{
    size_t start = out->n;

    if (needed(mail) & ~extensions) {
        return ERR_UNSUPPORTED;
    }
    enum err e = put_path(out, "MAIL FROM:<", &mail->from);

    put_mail_flags(out, mail, extensions);
    if (extensions & SMTP_EXT_DSN) {
        buf_put_str(out, mail->ret == SMTP_RET_FULL   ? " RET=FULL"
                         : mail->ret == SMTP_RET_HDRS ? " RET=HDRS"
                                                      : "");
        if (mail->envid.p) {
            put_text(out, " ENVID=", mail->envid);
        }
    }
    if (!e && mail->has_auth && extensions & SMTP_EXT_AUTH) {
        e = put_auth(out, &mail->auth);
    }
    return finish(out, start, e);
}

static void put_notify(struct buf *out, uint32_t notify)
{
    static const char *const names[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
    const char *before = " NOTIFY=";

    for (unsigned i = 0; i < 4; i++) {
        if (notify >> i & 1) {
            buf_printf(out, "%s%s", before, names[i]);
            before = ",";
        }
    }
}

static enum err put_orcpt(struct buf *out, const struct smtp_rcpt *r, bool utf8)
{
    bool utf8_type = span_eq_nocase(r->orcpt_type, SPAN("utf-8"));

    if (!is_one_word(r->orcpt_type) || !utf8_is_valid(r->orcpt)) {
        return ERR_INVALID;
    }
    buf_put_str(out, " ORCPT=");
    buf_put(out, r->orcpt_type);
    buf_put_byte(out, ';');
    if (utf8_type) {
        smtp_utf8_addr_put(out, r->orcpt, utf8);
    } else {
        smtp_xtext_put(out, r->orcpt);
    }
    return ERR_OK;
}

enum err smtp_rcpt_put(struct buf *out, const struct smtp_rcpt *rcpt, uint32_t extensions,
                       bool utf8)
{
    size_t start = out->n;

    if (rcpt->to.utf8 && !utf8) {
        return ERR_UNSUPPORTED;
    }
    enum err e = rcpt->to.local.n ? put_path(out, "RCPT TO:<", &rcpt->to) : ERR_INVALID;

    if (!e && extensions & SMTP_EXT_DSN) {
        put_notify(out, rcpt->notify);
        e = rcpt->orcpt_type.p ? put_orcpt(out, rcpt, utf8) : ERR_OK;
    }
    return finish(out, start, e);
}

void smtp_bdat_put(struct buf *out, uint64_t bytes, bool last)
{
    buf_put_str(out, "BDAT ");
    buf_put_u64(out, bytes);
    buf_put_str(out, last ? " LAST\r\n" : "\r\n");
}

enum err smtp_auth_put(struct buf *out, struct span mechanism, struct span initial)
{
    size_t start = out->n;

    buf_put_str(out, "AUTH ");
    buf_put(out, mechanism);
    if (initial.p && initial.n == 0) {
        buf_put_str(out, " =");
    } else if (initial.p) {
        buf_put_byte(out, ' ');
        base64_encode(out, initial);
    }
    return finish(out, start, is_one_word(mechanism) ? ERR_OK : ERR_INVALID);
}

void smtp_simple_put(struct buf *out, enum smtp_command_id id)
{
    buf_printf(out, "%s\r\n", smtp_command_name(id));
}
