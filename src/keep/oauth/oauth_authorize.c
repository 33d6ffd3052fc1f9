// SPDX-License-Identifier: Apache-2.0
//
// The authorization endpoint (RFC 6749 section 4.1, RFC 7636): what an app asks for, and what its
// person says to it.
#include "keep/oauth/oauth_internal.h"

#include "base/banned.h"

struct request {
    struct oauth_client client;
    struct span redirect, challenge;
    unsigned scope;
};

// Nobody may be sent anywhere unless client and address belong together (section 4.1.2.1): then the
// field "page" says that it is an error for the person to see.
static bool check_client(struct oauth_call *c, struct request *r)
{
    if (!oauth_call_client(c, &r->client)) {
        oauth_put_str(c, "page", "1");
        return false;
    }
    r->redirect = oauth_arg(c, "redirect_uri");
    if (!oauth_client_has_redirect(&r->client, r->redirect)) {
        oauth_error(c, "invalid_request", "The redirect_uri is none of this app's");
        oauth_put_str(c, "page", "1");
        return false;
    }
    return true;
}

static bool check_rest(struct oauth_call *c, struct request *r)
{
    struct span type = oauth_arg(c, "response_type"), mode = oauth_arg(c, "response_mode");

    r->challenge = oauth_arg(c, "code_challenge");
    if (!span_eq(type, SPAN("code"))) {
        oauth_error(c, type.n ? "unsupported_response_type" : "invalid_request",
                    "The response_type is code");
        return false;
    }
    if (mode.n && !span_eq(mode, SPAN("query"))) {
        oauth_error(c, "invalid_request", "The response_mode is query");
        return false;
    }
    if (!span_eq(oauth_arg(c, "code_challenge_method"), SPAN("S256")) ||
        !oauth_challenge_is_valid(r->challenge)) {
        oauth_error(c, "invalid_request", "PKCE with code_challenge_method S256 is required");
        return false;
    }
    if (oauth_arg(c, "request").n || oauth_arg(c, "request_uri").n) {
        oauth_error(
            c, oauth_arg(c, "request").n ? "request_not_supported" : "request_uri_not_supported",
            "Only plain parameters are taken");
        return false;
    }
    return oauth_call_scope(c, &r->scope);
}

static bool check(struct oauth_call *c, struct request *r)
{
    return check_client(c, r) && check_rest(c, r);
}

static void put_request(struct oauth_call *c, const struct request *r)
{
    oauth_put(c, "client_name", r->client.name);
    oauth_put_scope(c, r->scope);
}

void oauth_look(struct oauth_call *c)
{
    struct request r;

    if (check(c, &r)) {
        put_request(c, &r);
    }
}

static void give_code(struct oauth_call *c, const struct request *r, const struct auth_grant *grant)
{
    char code[OAUTH_CODE_TEXT_BYTES], digest[OAUTH_DIGEST_BYTES];
    struct oauth_pending_item item = {.state = OAUTH_ALLOWED, .scope = r->scope, .grant = *grant};

    span_copy_text(r->client.id, item.client, sizeof(item.client));
    span_copy_text(r->redirect, item.redirect, sizeof(item.redirect));
    span_copy_text(r->challenge, item.challenge, sizeof(item.challenge));
    oauth_code_make('c', code);
    oauth_digest(span_of(code, sizeof(code)), digest);
    enum err e = oauth_pending_add(c->oauth->pending, digest, &item);

    if (e == ERR_OK) {
        oauth_put(c, "code", span_of(code, sizeof(code)));
    } else {
        oauth_trouble(c, e);
    }
}

void oauth_allow(struct oauth_call *c)
{
    struct auth_grant grant;
    struct request r;

    if (!check(c, &r)) {
        return;
    }
    put_request(c, &r); // as it was asked: the page that shows it again has the box
    if (oauth_arg(c, "read_only").n) {
        r.scope = (r.scope & ~(unsigned)DEVICE_SUBMISSION) | DEVICE_READ_ONLY;
        if (!(r.scope & DEVICE_MAIL)) {
            oauth_error(c, "access_denied", "The person let it read only, and it asked to send");
            return;
        }
    }
    if (oauth_sign_in(c, &grant)) {
        give_code(c, &r, &grant);
    }
}
