// SPDX-License-Identifier: Apache-2.0
#include "gate/http/http_resource.h"

#include "gate/http/http_account.h"
#include "publish/publish.h"

#include "base/banned.h"

#define XML "text/xml; charset=utf-8"

static struct publish_account account_of(const struct http_call *call)
{
    return (struct publish_account){.settings = call->settings,
                                    .server = call->server,
                                    .domain = call->domain,
                                    .address = call->address};
}

// The host without the label that belongs to the service. False: it has none.
static bool cut_label(struct span host, struct span label, struct span *out)
{
    if (!span_starts_nocase(host, label)) {
        return false;
    }
    *out = span_skip(host, label.n);
    return out->n > 0;
}

// ---- the policy of MTA-STS (RFC 8461 section 3.2) -----------------------------------------------

static unsigned sts_begin(struct http_call *call)
{
    return cut_label(call->host, SPAN("mta-sts."), &call->domain) ? 0 : 404;
}

static void sts_answer(const struct http_call *call, struct buf *body)
{
    publish_sts_policy(body, call->settings, call->server, call->domain);
}

// ---- mail programs ------------------------------------------------------------------------------

// The address in the query, as Thunderbird sends it. 0, 404 (none) or 400.
static unsigned take_address(struct http_call *call, struct span *out_domain)
{
    enum err e = http_query_value(call->query, SPAN("emailaddress"), call->arena, &call->address);

    if (e == ERR_NOT_FOUND) {
        return 404;
    }
    return e == ERR_NOMEM                                                 ? 503
           : e == ERR_OK && publish_is_address(call->address, out_domain) ? 0
                                                                          : 400;
}

// The domain is that of the host, but under our own name that of the address.
static unsigned autoconfig_begin(struct http_call *call)
{
    if (cut_label(call->host, SPAN("autoconfig."), &call->domain)) {
        return 0;
    }
    if (span_eq_nocase(call->host, call->server)) {
        return take_address(call, &call->domain);
    }
    call->domain = call->host;
    return 0;
}

static void autoconfig_answer(const struct http_call *call, struct buf *body)
{
    struct publish_account a = account_of(call);

    if (conf_value_bool(call->settings, SETTING_OAUTH_SERVER)) {
        a.oauth_issuer = http_oauth_issuer(call);
    }
    publish_autoconfig(body, &a);
}

static unsigned autodiscover_begin(struct http_call *call)
{
    enum err e = publish_autodiscover_address(call->body, call->arena, &call->address);

    if (e != ERR_OK) {
        return e == ERR_NOMEM ? 503 : 400;
    }
    return publish_is_address(call->address, &call->domain) ? 0 : 400;
}

static void autodiscover_answer(const struct http_call *call, struct buf *body)
{
    struct publish_account a = account_of(call);

    publish_autodiscover(body, &a);
}

static unsigned apple_begin(struct http_call *call)
{
    unsigned status = take_address(call, &call->domain);

    return status == 404 ? 400 : status; // the profile is somebody's
}

static void apple_answer(const struct http_call *call, struct buf *body)
{
    struct publish_account a = account_of(call);

    publish_apple_profile(body, &a);
}

// ---- whoever watches us -------------------------------------------------------------------------

// Any domain will do: an answer shows that keep is there and can read.
static unsigned health_begin(struct http_call *call)
{
    call->domain = call->server;
    return 0;
}

static void health_answer(const struct http_call *call, struct buf *body)
{
    (void)call;
    buf_put_str(body, "ok\n");
}

// ---- the table ----------------------------------------------------------------------------------

static const struct http_resource resources[] = {
    {.path = "/.well-known/mta-sts.txt",
     .methods = 1u << HTTP_GET,
     .type = "text/plain",
     .begin = sts_begin,
     .answer = sts_answer},
    {.path = "/mail/config-v1.1.xml",
     .methods = 1u << HTTP_GET,
     .type = XML,
     .begin = autoconfig_begin,
     .answer = autoconfig_answer},
    {.path = "/.well-known/autoconfig/mail/config-v1.1.xml",
     .methods = 1u << HTTP_GET,
     .type = XML,
     .begin = autoconfig_begin,
     .answer = autoconfig_answer},
    {.path = "/autodiscover/autodiscover.xml",
     .ignores_case = true,
     .methods = 1u << HTTP_POST,
     .type = XML,
     .begin = autodiscover_begin,
     .answer = autodiscover_answer},
    {.path = "/mail/apple.mobileconfig",
     .is_attachment = true,
     .methods = 1u << HTTP_GET,
     .type = "application/x-apple-aspen-config",
     .begin = apple_begin,
     .answer = apple_answer},
    {.path = "/healthz",
     .is_for_all = true,
     .methods = 1u << HTTP_GET,
     .type = "text/plain",
     .begin = health_begin,
     .answer = health_answer},
    {.path = "/healthz",
     .is_for_all = true,
     .is_admin = true,
     .methods = 1u << HTTP_GET,
     .type = "text/plain",
     .begin = health_begin,
     .answer = health_answer},
    {.path = "/metrics",
     .is_admin = true,
     .command = "{\"version\":1,\"command\":\"metrics\"}",
     .methods = 1u << HTTP_GET,
     .type = "text/plain; version=0.0.4; charset=utf-8",
     .begin = http_metrics_begin,
     .answer = http_metrics_answer},
};

static const struct http_resource *find_oauth(struct span path)
{
    for (const struct http_resource *r = http_oauth_resources; r->path; r++) {
        if (span_eq(path, span_from_str(r->path))) {
            return r;
        }
    }
    return NULL;
}

const struct http_resource *http_resource_find(struct span path, bool is_admin)
{
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        struct span own = span_from_str(resources[i].path);

        if (resources[i].is_admin != is_admin) {
            continue;
        }
        if (resources[i].ignores_case ? span_eq_nocase(path, own) : span_eq(path, own)) {
            return &resources[i];
        }
    }
    if (is_admin) {
        return NULL;
    }
    if (span_eq(path, span_from_str(http_account_resource.path))) {
        return &http_account_resource;
    }
    return http_scim_is(path) ? &http_scim_resource : find_oauth(path);
}
