// SPDX-License-Identifier: Apache-2.0
//
// A configuration profile: a property list with one mail account, without its password.
#include <openssl/evp.h>

#include "publish/publish.h"

#include "base/banned.h"

static void put_text(struct buf *out, const char *key, struct span text)
{
    buf_printf(out, "<key>%s</key><string>", key);
    publish_put_xml(out, text);
    buf_put_str(out, "</string>\n");
}

static void put_true(struct buf *out, const char *key)
{
    buf_printf(out, "<key>%s</key><true/>\n", key);
}

// An id that follows from the texts (RFC 9562 section 5.8, version 8).
static void put_uuid(struct buf *out, const char *what, struct span address)
{
    unsigned char d[EVP_MAX_MD_SIZE] = {0};
    struct buf text;

    buf_init(&text, 1024);
    buf_printf(&text, "mailkeep %s %.*s", what, SPAN_ARG(address));
    EVP_Digest(text.p ? text.p : "", text.n, d, NULL, EVP_sha256(), NULL);
    buf_finish(&text);
    d[6] = (unsigned char)(0x80 | (d[6] & 0x0f));
    d[8] = (unsigned char)(0x80 | (d[8] & 0x3f));
    buf_put_str(out, "<key>PayloadUUID</key><string>");
    for (int i = 0; i < 16; i++) {
        buf_printf(out, "%s%02X", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", d[i]);
    }
    buf_put_str(out, "</string>\n");
}

static void put_payload(struct buf *out, const char *type, const char *what, struct span address)
{
    put_text(out, "PayloadType", span_from_str(type));
    buf_put_str(out, "<key>PayloadVersion</key><integer>1</integer>\n<key>PayloadIdentifier</key>"
                     "<string>mailkeep.");
    buf_printf(out, "%s.", what);
    publish_put_xml(out, address);
    buf_put_str(out, "</string>\n");
    put_uuid(out, what, address);
}

static void put_server(struct buf *out, const struct publish_account *a,
                       const struct publish_service *s)
{
    const char *way = s->kind == PUBLISH_SMTP ? "Outgoing" : "Incoming";

    buf_printf(out, "<key>%sMailServerHostName</key><string>", way);
    publish_put_xml(out, a->server);
    buf_printf(out,
               "</string>\n<key>%sMailServerPortNumber</key><integer>%u</integer>\n"
               "<key>%sMailServerUseSSL</key><true/>\n<key>%sMailServerAuthentication</key>"
               "<string>EmailAuthPassword</string>\n<key>%sMailServerUsername</key><string>",
               way, s->port, way, way, way);
    publish_put_xml(out, a->address);
    buf_put_str(out, "</string>\n");
}

// The first of the kind, or of the other kind that also reads mail.
static const struct publish_service *find(const struct publish_service *services, size_t n,
                                          bool sends)
{
    for (size_t i = 0; i < n; i++) {
        if ((services[i].kind == PUBLISH_SMTP) == sends) {
            return &services[i];
        }
    }
    return NULL;
}

static void put_account(struct buf *out, const struct publish_account *a)
{
    struct publish_service services[PUBLISH_SERVICES_MAX];
    size_t n = publish_services(a->settings, services);
    const struct publish_service *in = find(services, n, false), *away = find(services, n, true);
    bool is_pop = in && in->kind == PUBLISH_POP3;

    put_text(out, "EmailAccountType", is_pop ? SPAN("EmailTypePOP") : SPAN("EmailTypeIMAP"));
    put_text(out, "EmailAccountDescription", a->address);
    put_text(out, "EmailAddress", a->address);
    if (in) {
        put_server(out, a, in);
    }
    if (away) {
        put_server(out, a, away);
        put_true(out, "OutgoingPasswordSameAsIncomingPassword");
    }
}

void publish_apple_profile(struct buf *out, const struct publish_account *a)
{
    buf_put_str(out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
                "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
                "<plist version=\"1.0\">\n<dict>\n<key>PayloadContent</key>\n<array>\n<dict>\n");
    put_payload(out, "com.apple.mail.managed", "account", a->address);
    put_text(out, "PayloadDisplayName", a->address);
    put_account(out, a);
    buf_put_str(out, "</dict>\n</array>\n");
    put_payload(out, "Configuration", "profile", a->address);
    put_text(out, "PayloadDisplayName", a->address);
    put_text(out, "PayloadOrganization", a->domain);
    buf_put_str(out, "</dict>\n</plist>\n");
}
