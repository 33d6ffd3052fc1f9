// SPDX-License-Identifier: Apache-2.0
//
// XCLIENT NAME=value ... (Postfix, XCLIENT_README): whom a trusted proxy speaks for.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/utf8.h"
#include "wire/smtp/smtp_parse_internal.h"
#include "wire/smtp/smtp_xtext.h"

#include "base/banned.h"

static const char *const names[SMTP_XCLIENT__COUNT] = {
    [SMTP_XCLIENT_NAME] = "NAME",         [SMTP_XCLIENT_ADDR] = "ADDR",
    [SMTP_XCLIENT_PORT] = "PORT",         [SMTP_XCLIENT_PROTO] = "PROTO",
    [SMTP_XCLIENT_HELO] = "HELO",         [SMTP_XCLIENT_LOGIN] = "LOGIN",
    [SMTP_XCLIENT_DESTADDR] = "DESTADDR", [SMTP_XCLIENT_DESTPORT] = "DESTPORT",
};

static bool is_ip(struct span *text)
{
    const struct span six = SPAN("IPV6:");
    bool v6 = span_starts_nocase(*text, six);
    char copy[INET6_ADDRSTRLEN];
    unsigned char ip[16];
    struct span plain = span_skip(*text, v6 ? six.n : 0);

    if (plain.n == 0 || plain.n >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, plain.p, plain.n);
    copy[plain.n] = '\0';
    *text = plain;
    return inet_pton(v6 ? AF_INET6 : AF_INET, copy, ip) == 1;
}

static bool value_holds(size_t name, struct span *value)
{
    uint64_t port;

    switch (name) {
    case SMTP_XCLIENT_ADDR:
    case SMTP_XCLIENT_DESTADDR:
        return is_ip(value);
    case SMTP_XCLIENT_PORT:
    case SMTP_XCLIENT_DESTPORT:
        return span_to_u64(*value, UINT16_MAX, &port);
    case SMTP_XCLIENT_PROTO:
        return span_eq_nocase(*value, SPAN("SMTP")) || span_eq_nocase(*value, SPAN("ESMTP")) ||
               span_eq_nocase(*value, SPAN("LMTP"));
    default:
        return utf8_is_valid(*value);
    }
}

static enum err take_attribute(struct smtp_cursor *c, struct smtp_xclient *out)
{
    size_t i = 0, from = c->at;
    struct span value = smtp_take_word(c), name = span_split(&value, '=');

    while (i < SMTP_XCLIENT__COUNT && !span_eq_nocase(name, span_from_str(names[i]))) {
        i++;
    }
    if (i == SMTP_XCLIENT__COUNT || out->values[i].p) {
        c->at = from;
        return smtp_refuse_argument(c, "this attribute is not known or given twice");
    }
    bool temporary = span_eq_nocase(value, SPAN("[TEMPUNAVAIL]"));

    if (temporary || span_eq_nocase(value, SPAN("[UNAVAILABLE]"))) {
        out->values[i] = SPAN("");
        out->temporary |= (uint32_t)temporary << i;
        return ERR_OK;
    }
    enum err e = smtp_xtext_decode(value, c->arena, &value);

    if (e == ERR_NOMEM) {
        return smtp_refuse_memory(c);
    }
    if (e || value.n == 0 || !value_holds(i, &value)) {
        c->at = from;
        return smtp_refuse_argument(c, "the value of this attribute is broken");
    }
    out->values[i] = value;
    return ERR_OK;
}

enum err smtp_parse_xclient(struct smtp_cursor *c, struct smtp_command *out)
{
    out->xclient = (struct smtp_xclient){.temporary = 0};
    if (c->at == c->text.n) {
        return smtp_refuse_argument(c, "expected attributes like ADDR=192.0.2.1");
    }
    while (c->at < c->text.n) {
        TRY(take_attribute(c, &out->xclient));
    }
    return ERR_OK;
}
