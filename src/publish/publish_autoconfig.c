// SPDX-License-Identifier: Apache-2.0
//
// Mozilla's autoconfig: what Thunderbird, and many after it, fetch from autoconfig.<domain>.
#include "publish/publish.h"

#include "base/banned.h"

static void put_service(struct buf *out, const struct publish_account *a,
                        const struct publish_service *s)
{
    static const char *const types[] = {
        [PUBLISH_IMAP] = "imap", [PUBLISH_POP3] = "pop3", [PUBLISH_SMTP] = "smtp"};
    const char *element = s->kind == PUBLISH_SMTP ? "outgoingServer" : "incomingServer";

    buf_printf(out, "    <%s type=\"%s\">\n      <hostname>", element, types[s->kind]);
    publish_put_xml(out, a->server);
    buf_printf(out,
               "</hostname>\n      <port>%u</port>\n      <socketType>%s</socketType>\n"
               "      <username>%%EMAILADDRESS%%</username>\n"
               "      <authentication>password-cleartext</authentication>\n",
               s->port, s->has_implicit_tls ? "SSL" : "STARTTLS");
    if (a->oauth_issuer.n) { // second: who knows no server but the great ones takes the first
        buf_put_str(out, "      <authentication>OAuth2</authentication>\n");
    }
    buf_printf(out, "    </%s>\n", element);
}

static void put_element(struct buf *out, const char *name, struct span text)
{
    buf_printf(out, "    <%s>", name);
    publish_put_xml(out, text);
    buf_printf(out, "</%s>\n", name);
}

// Where a program lets people sign in (section "OAuth2" of the format).
static void put_oauth(struct buf *out, struct span issuer)
{
    static const struct {
        const char *element, *path;
    } urls[] = {{"issuer", ""}, {"authURL", "/oauth/authorize"}, {"tokenURL", "/oauth/token"}};

    buf_put_str(out, "  <oAuth2>\n");
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        buf_printf(out, "    <%s>", urls[i].element);
        publish_put_xml(out, issuer);
        buf_printf(out, "%s</%s>\n%s", urls[i].path, urls[i].element,
                   i == 0 ? "    <scope>mail</scope>\n" : "");
    }
    buf_put_str(out, "  </oAuth2>\n");
}

void publish_autoconfig(struct buf *out, const struct publish_account *a)
{
    struct publish_service services[PUBLISH_SERVICES_MAX];
    size_t n = publish_services(a->settings, services);

    buf_put_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<clientConfig version=\"1.1\">\n  <emailProvider id=\"");
    publish_put_xml(out, a->domain);
    buf_put_str(out, "\">\n");
    put_element(out, "domain", a->domain);
    put_element(out, "displayName", a->domain);
    put_element(out, "displayShortName", a->domain);
    for (size_t i = 0; i < n; i++) {
        put_service(out, a, &services[i]);
    }
    buf_put_str(out, "  </emailProvider>\n");
    if (a->oauth_issuer.n) {
        put_oauth(out, a->oauth_issuer);
    }
    buf_put_str(out, "</clientConfig>\n");
}
