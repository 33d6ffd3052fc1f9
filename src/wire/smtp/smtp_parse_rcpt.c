// SPDX-License-Identifier: Apache-2.0
//
// RCPT TO:<path> and its parameters.
#include "base/utf8.h"
#include "wire/smtp/smtp_parse_internal.h"
#include "wire/smtp/smtp_xtext.h"

#include "base/banned.h"

static uint32_t notify_bit(struct span word)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } words[] = {
        {"NEVER", SMTP_NOTIFY_NEVER},
        {"SUCCESS", SMTP_NOTIFY_SUCCESS},
        {"FAILURE", SMTP_NOTIFY_FAILURE},
        {"DELAY", SMTP_NOTIFY_DELAY},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (span_eq_nocase(word, span_from_str(words[i].name))) {
            return words[i].bit;
        }
    }
    return 0;
}

// RFC 3461 section 4.1: NEVER alone, or any of the others.
static enum err read_notify(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    struct span rest = value;
    uint32_t bits = 0, bit = 1;
    bool comma = value.p[value.n - 1] == ',';

    while (rest.n && bit) {
        bit = notify_bit(span_split(&rest, ','));
        bits |= bit;
    }
    if (!bit || comma || (bits & SMTP_NOTIFY_NEVER && bits != SMTP_NOTIFY_NEVER)) {
        return smtp_refuse_argument(c, "NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY");
    }
    out->rcpt.notify = bits;
    return ERR_OK;
}

static bool is_type(struct span type)
{
    for (size_t i = 0; i < type.n; i++) {
        if (!byte_is_alnum(type.p[i]) && type.p[i] != '-') {
            return false;
        }
    }
    return type.n > 0;
}

// "rfc822;user+40example.org", "utf-8;..." (RFC 6533 section 3).
static enum err read_orcpt(struct smtp_cursor *c, struct span value, struct smtp_command *out)
{
    struct span rest = value, type = span_split(&rest, ';');
    bool utf8 = span_eq_nocase(type, SPAN("utf-8"));

    if (value.n > SMTP_ORCPT_BYTES_MAX || !is_type(type) || rest.n == 0) {
        return smtp_refuse_argument(c, "ORCPT is like rfc822;user@example.org");
    }
    if (!utf8_is_ascii(rest) && !c->options->utf8) {
        return smtp_refuse(c, 553, "5.6.7", "an ORCPT above 127 needs SMTPUTF8");
    }
    enum err e = utf8 ? smtp_utf8_addr_decode(rest, c->arena, &out->rcpt.orcpt)
                      : smtp_xtext_decode(rest, c->arena, &out->rcpt.orcpt);

    if (e) {
        return e == ERR_NOMEM ? smtp_refuse_memory(c)
                              : smtp_refuse_argument(c, "the address in ORCPT is broken");
    }
    out->rcpt.orcpt_type = type;
    return ERR_OK;
}

static const struct smtp_param_row params[] = {
    {"NOTIFY", SMTP_EXT_DSN, true, read_notify},
    {"ORCPT", SMTP_EXT_DSN, true, read_orcpt},
    {NULL, 0, false, NULL},
};

enum err smtp_parse_rcpt(struct smtp_cursor *c, struct smtp_command *out)
{
    size_t from = c->at;

    out->rcpt = (struct smtp_rcpt){.notify = 0};
    TRY(smtp_take_path(c, SPAN("TO:"), "expected TO:<address>", "5.1.3", &out->rcpt.to));
    if (out->rcpt.to.local.n == 0) {
        c->at = from;
        return smtp_refuse(c, 501, "5.1.3", "<> is nobody's address");
    }
    if (out->rcpt.to.utf8 && !c->options->utf8) {
        c->at = from;
        return smtp_refuse(c, 553, "5.6.7", "an address with characters above 127 needs SMTPUTF8");
    }
    return smtp_take_params(c, params, out);
}
