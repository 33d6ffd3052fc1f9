// SPDX-License-Identifier: Apache-2.0
#include "wire/smtp/smtp_command.h"

#include "base/utf8.h"
#include "wire/smtp/smtp_parse_internal.h"

#include "base/banned.h"

// ---- what the parsers share ---------------------------------------------------------------------

enum err smtp_refuse(struct smtp_cursor *c, unsigned code, const char *enhanced, const char *why)
{
    c->error->code = code;
    c->error->enhanced = enhanced;
    c->error->why = why;
    c->error->position = c->at;
    return ERR_INVALID;
}

enum err smtp_refuse_argument(struct smtp_cursor *c, const char *why)
{
    return smtp_refuse(c, 501, "5.5.4", why);
}

enum err smtp_refuse_memory(struct smtp_cursor *c)
{
    smtp_refuse(c, 452, "4.3.1", "the command needs too much memory");
    return ERR_NOMEM;
}

void smtp_skip_spaces(struct smtp_cursor *c)
{
    while (c->at < c->text.n && c->text.p[c->at] == ' ') {
        c->at++;
    }
}

struct span smtp_take_word(struct smtp_cursor *c)
{
    struct span rest = span_skip(c->text, c->at);
    struct span word = span_first(rest, span_find_byte(rest, ' '));

    c->at += word.n;
    smtp_skip_spaces(c);
    return word;
}

enum err smtp_take_end(struct smtp_cursor *c)
{
    smtp_skip_spaces(c);
    return c->at == c->text.n ? ERR_OK : smtp_refuse_argument(c, "expected the end of the command");
}

// ---- the commands with little to say ------------------------------------------------------------

static enum err parse_none(struct smtp_cursor *c, struct smtp_command *out)
{
    (void)out;
    return smtp_take_end(c);
}

static enum err parse_text(struct smtp_cursor *c, struct smtp_command *out)
{
    out->text = span_skip(c->text, c->at);
    return ERR_OK;
}

static enum err parse_helo(struct smtp_cursor *c, struct smtp_command *out)
{
    size_t from = c->at;
    const char *why = "";

    out->helo.name = smtp_take_word(c);
    if (out->helo.name.n == 0) {
        return smtp_refuse_argument(c, "expected the name of your host");
    }
    TRY(smtp_take_end(c));
    if (smtp_domain_parse(out->helo.name, &out->helo.domain, &why)) {
        c->at = from;
        return smtp_refuse_argument(c, why);
    }
    return ERR_OK;
}

// "1000", "1000 LAST". Whatever is wrong with it, a chunk of unknown length follows.
static enum err parse_bdat(struct smtp_cursor *c, struct smtp_command *out)
{
    struct span size = smtp_take_word(c);

    c->error->out_of_step = true;
    if (!span_to_u64(size, UINT64_MAX, &out->chunk.bytes)) {
        c->at = c->at - size.n > 0 ? c->at - size.n : 0;
        return smtp_refuse_argument(c, "expected the size of the chunk");
    }
    struct span last = smtp_take_word(c);

    out->chunk.last = last.n > 0;
    if (last.n && !span_eq_nocase(last, SPAN("LAST"))) {
        return smtp_refuse_argument(c, "expected LAST or nothing after the size");
    }
    TRY(smtp_take_end(c));
    c->error->out_of_step = false;
    return ERR_OK;
}

static bool is_mechanism(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!byte_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_') {
            return false;
        }
    }
    return name.n > 0 && name.n <= 20;
}

static enum err parse_auth(struct smtp_cursor *c, struct smtp_command *out)
{
    out->auth.mechanism = smtp_take_word(c);
    if (!is_mechanism(out->auth.mechanism)) {
        return smtp_refuse_argument(c, "expected the name of a mechanism");
    }
    out->auth.initial = smtp_take_word(c);
    out->auth.has_initial = out->auth.initial.n > 0;
    return smtp_take_end(c);
}

static enum err parse_verify(struct smtp_cursor *c, struct smtp_command *out)
{
    const struct span word = SPAN(" SMTPUTF8");
    struct span text = span_trim(span_skip(c->text, c->at));

    if (text.n > word.n && span_eq_nocase(span_skip(text, text.n - word.n), word)) {
        out->verify.utf8 = true;
        text = span_trim(span_first(text, text.n - word.n));
    }
    if (text.n == 0) {
        return smtp_refuse_argument(c, "expected a name or an address");
    }
    if (!utf8_is_ascii(text) && !(out->verify.utf8 && utf8_is_valid(text))) {
        return smtp_refuse(c, 553, "5.6.7", "characters above 127 need SMTPUTF8");
    }
    out->verify.text = text;
    return ERR_OK;
}

// ---- the table ----------------------------------------------------------------------------------

enum dialect { SMTP_ONLY = 1, LMTP_ONLY = 2, BOTH = 3 };

static const struct row {
    const char *name;
    smtp_arguments_fn *arguments;
    uint32_t needs; // the extension; 0: none
    enum dialect dialect;
} rows[SMTP_COMMAND__COUNT] = {
    [SMTP_HELO] = {"HELO", parse_helo, 0, SMTP_ONLY},
    [SMTP_EHLO] = {"EHLO", parse_helo, 0, SMTP_ONLY},
    [SMTP_LHLO] = {"LHLO", parse_helo, 0, LMTP_ONLY},
    [SMTP_MAIL] = {"MAIL", smtp_parse_mail, 0, BOTH},
    [SMTP_RCPT] = {"RCPT", smtp_parse_rcpt, 0, BOTH},
    [SMTP_DATA] = {"DATA", parse_none, 0, BOTH},
    [SMTP_BDAT] = {"BDAT", parse_bdat, SMTP_EXT_CHUNKING, BOTH},
    [SMTP_RSET] = {"RSET", parse_none, 0, BOTH},
    [SMTP_NOOP] = {"NOOP", parse_text, 0, BOTH},
    [SMTP_QUIT] = {"QUIT", parse_none, 0, BOTH},
    [SMTP_VRFY] = {"VRFY", parse_verify, 0, BOTH},
    [SMTP_EXPN] = {"EXPN", parse_verify, 0, BOTH},
    [SMTP_HELP] = {"HELP", parse_text, 0, BOTH},
    [SMTP_AUTH] = {"AUTH", parse_auth, SMTP_EXT_AUTH, BOTH},
    [SMTP_STARTTLS] = {"STARTTLS", parse_none, SMTP_EXT_STARTTLS, BOTH},
    [SMTP_XCLIENT] = {"XCLIENT", smtp_parse_xclient, SMTP_EXT_XCLIENT, BOTH},
};

// Real commands that nobody is to have: they hand mail out, or to whom connects.
static const char *const never_done[] = {"ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML"};

const char *smtp_command_name(enum smtp_command_id id)
{
    return id < SMTP_COMMAND__COUNT ? rows[id].name : "?";
}

static enum err refuse_unknown(struct smtp_cursor *c, struct span name)
{
    c->at = 0;
    for (size_t i = 0; i < sizeof(never_done) / sizeof(never_done[0]); i++) {
        if (span_eq_nocase(name, span_from_str(never_done[i]))) {
            return smtp_refuse(c, 502, "5.5.1", "this command is not done here");
        }
    }
    return smtp_refuse(c, 500, "5.5.2", "unknown command");
}

static const struct row *find_row(struct span name, bool lmtp)
{
    for (size_t i = 0; i < SMTP_COMMAND__COUNT; i++) {
        if (span_eq_nocase(name, span_from_str(rows[i].name)) &&
            rows[i].dialect & (lmtp ? LMTP_ONLY : SMTP_ONLY)) {
            return &rows[i];
        }
    }
    return NULL;
}

// Control characters have no place in any argument, and would reach logs and other servers.
static enum err check_bytes(struct smtp_cursor *c, enum smtp_command_id id)
{
    if (id == SMTP_NOOP || id == SMTP_HELP) {
        return ERR_OK;
    }
    for (size_t i = c->at; i < c->text.n; i++) {
        if (byte_is_ctl(c->text.p[i])) {
            c->at = i;
            return smtp_refuse(c, 501, "5.5.2", "a control character in the command");
        }
    }
    return ERR_OK;
}

static enum err parse(struct smtp_cursor *c, struct smtp_command *out)
{
    struct span name = smtp_take_word(c);
    const struct row *row = find_row(name, c->options->lmtp);

    c->error->out_of_step = span_eq_nocase(name, SPAN("BDAT"));
    if (!row) {
        return refuse_unknown(c, name);
    }
    if (row->needs && !(c->options->offers & row->needs)) {
        c->at = 0;
        return smtp_refuse(c, 502, "5.5.1", "this command is not offered now");
    }
    out->id = (enum smtp_command_id)(row - rows);
    TRY(check_bytes(c, out->id));
    c->error->out_of_step = false;
    return row->arguments(c, out);
}

enum err smtp_parse(struct span line, struct arena *arena, const struct smtp_parse_options *options,
                    struct smtp_command *out, struct smtp_parse_error *error)
{
    struct smtp_parse_error why = {.code = 0};
    struct smtp_command got = {.id = SMTP_NOOP};
    struct smtp_cursor c = {.text = line, .arena = arena, .options = options, .error = &why};

    enum err e = parse(&c, &got);

    if (e) {
        *error = why;
    } else {
        *out = got;
    }
    return e;
}
