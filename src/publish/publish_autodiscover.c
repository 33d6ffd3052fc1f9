// SPDX-License-Identifier: Apache-2.0
//
// Autodiscover as Outlook asks for it ("POX", [MS-OXDSCLI]): an address in, settings out.
#include "base/utf8.h"
#include "publish/publish.h"

#include "base/banned.h"

#define RESPONSE                                                                                   \
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"                                                 \
    "<Autodiscover "                                                                               \
    "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"          \
    "  <Response "                                                                                 \
    "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n" \
    "    <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n"

// ---- the answer ---------------------------------------------------------------------------------

static void put_protocol(struct buf *out, const struct publish_account *a,
                         const struct publish_service *s)
{
    static const char *const types[] = {
        [PUBLISH_IMAP] = "IMAP", [PUBLISH_POP3] = "POP3", [PUBLISH_SMTP] = "SMTP"};

    buf_printf(out, "      <Protocol>\n        <Type>%s</Type>\n        <Server>", types[s->kind]);
    publish_put_xml(out, a->server);
    buf_printf(out, "</Server>\n        <Port>%u</Port>\n        <LoginName>", s->port);
    publish_put_xml(out, a->address);
    buf_printf(
        out,
        "</LoginName>\n        <DomainRequired>off</DomainRequired>\n"
        "        <SPA>off</SPA>\n        <SSL>on</SSL>\n        <Encryption>%s</Encryption>\n"
        "        <AuthRequired>on</AuthRequired>\n      </Protocol>\n",
        s->has_implicit_tls ? "SSL" : "TLS");
}

void publish_autodiscover(struct buf *out, const struct publish_account *a)
{
    struct publish_service services[PUBLISH_SERVICES_MAX];
    size_t n = publish_services(a->settings, services);

    buf_put_str(out, RESPONSE);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || services[i].kind != services[i - 1].kind) { // Outlook takes one of each
            put_protocol(out, a, &services[i]);
        }
    }
    buf_put_str(out, "    </Account>\n  </Response>\n</Autodiscover>\n");
}

// ---- the question -------------------------------------------------------------------------------

bool publish_is_address(struct span text, struct span *out_domain)
{
    size_t at = span_find_byte(text, '@');
    struct span local = span_first(text, at), domain = span_skip(text, at + 1);

    if (!local.n || local.n > 64 || !domain.n || domain.n > 253 || !utf8_is_valid(text)) {
        return false;
    }
    for (size_t i = 0; i < local.n; i++) {
        if (byte_is_ctl(local.p[i]) || strchr(" <>()[]\"\\,;:&'", local.p[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < domain.n; i++) {
        if (!byte_is_alnum(domain.p[i]) && domain.p[i] != '-' && domain.p[i] != '.' &&
            !((unsigned char)domain.p[i] & 0x80)) {
            return false;
        }
    }
    *out_domain = domain;
    return true;
}

// Cuts up to and with `end` off *rest; false when it is not there.
static bool cut(struct span *rest, const char *end, struct span *out)
{
    size_t at = span_find(*rest, span_from_str(end));

    if (at == rest->n) {
        return false;
    }
    *out = span_first(*rest, at);
    *rest = span_skip(*rest, at + strlen(end));
    return true;
}

// "a:EMailAddress x='y'" is EMailAddress.
static bool is_wanted(struct span tag)
{
    struct span name = span_first(tag, 0);

    while (name.n < tag.n && !byte_is_space(tag.p[name.n])) {
        name.n++;
    }
    return span_eq(
        span_skip(name, span_find_byte(name, ':') < name.n ? span_find_byte(name, ':') + 1 : 0),
        SPAN("EMailAddress"));
}

enum err publish_autodiscover_address(struct span xml, struct arena *a, struct span *out)
{
    struct span text, tag, domain;

    while (cut(&xml, "<", &text)) {
        if (span_starts(xml, SPAN("!--"))) {
            if (!cut(&xml, "-->", &tag)) {
                return ERR_INVALID;
            }
            continue;
        }
        if (span_starts(xml, SPAN("!")) || !cut(&xml, ">", &tag)) { // DOCTYPE, CDATA
            return ERR_INVALID;
        }
        if (is_wanted(tag)) {
            text = span_trim(span_first(xml, span_find_byte(xml, '<')));
            if (!publish_is_address(text, &domain)) {
                return ERR_INVALID;
            }
            *out = arena_dup(a, text);
            return out->p ? ERR_OK : ERR_NOMEM;
        }
    }
    return ERR_INVALID;
}
