// SPDX-License-Identifier: Apache-2.0
//
// The table of our own authorization server: which path takes what, what becomes a question to
// keep, and what its answer becomes. Pages are in http_oauth_page.c.
#include "gate/http/http_oauth.h"

#include "base/banned.h"

#define JSON "application/json"
#define HTML "text/html; charset=utf-8"
#define FORM "application/x-www-form-urlencoded"

#define PAGE_POLICY(form)                                                                          \
    "default-src 'none'; style-src 'self'; form-action 'self'" form                                \
    "; frame-ancestors 'none'; base-uri 'none'"

// ---- where we are -------------------------------------------------------------------------------

struct span http_oauth_issuer(const struct http_call *call)
{
    struct span set = conf_value_text(call->settings, SETTING_OAUTH_ISSUER);

    if (set.n) {
        return set;
    }
    char *p = arena_alloc(call->arena, 8 + call->server.n);

    if (!p) {
        return (struct span){NULL, 0};
    }
    memcpy(p, "https://", 8);
    memcpy(p + 8, call->server.p, call->server.n);
    return span_of(p, 8 + call->server.n);
}

struct span http_oauth_issuer_host(struct span issuer)
{
    size_t at = span_find(issuer, SPAN("://"));
    struct span host = span_skip(issuer, at < issuer.n ? at + 3 : 0);

    host = span_first(host, span_find_byte(host, '/'));
    size_t from = host.n && host.p[0] == '[' ? span_find_byte(host, ']') : 0;

    return span_first(host, from + span_find_byte(span_skip(host, from), ':'));
}

// ---- what all have ------------------------------------------------------------------------------

// As in the settings file, but nothing that breaks out of a line of JSON.
static bool is_issuer(struct span issuer)
{
    for (size_t i = 0; i < issuer.n; i++) {
        if (byte_is_ctl(issuer.p[i]) || strchr("\"\\ <>?#", issuer.p[i])) {
            return false;
        }
    }
    return span_starts(issuer, SPAN("https://")) ||
           span_starts(issuer, SPAN("http://localhost:")) ||
           span_starts(issuer, SPAN("http://127.0.0.1:"));
}

// Only under the name that apps know it by, and only where passwords may be said.
static unsigned begin_any(const struct http_call *call)
{
    struct span issuer;

    if (!conf_value_bool(call->settings, SETTING_OAUTH_SERVER)) {
        return 404;
    }
    issuer = http_oauth_issuer(call);
    if (!issuer.p) {
        return 503;
    }
    if (!is_issuer(issuer)) {
        return 404;
    }
    return span_eq_nocase(http_oauth_issuer_host(issuer), call->host) ? 0 : 421;
}

static bool is_form(struct span content_type)
{
    return span_eq_nocase(span_trim(span_split(&content_type, ';')), SPAN(FORM));
}

// The fields of the body, or of the query of a GET. 0, or the status.
static unsigned read_form(struct http_call *call)
{
    bool is_post = call->method == HTTP_POST;

    call->form = arena_zalloc(call->arena, 1, sizeof(*call->form));
    if (!call->form) {
        return 503;
    }
    if (is_post && !is_form(call->content_type)) {
        return 415;
    }
    enum err e = http_form_read(is_post ? call->body : call->query, call->arena, call->form);

    return e == ERR_OK ? 0 : e == ERR_NOMEM ? 503 : 400;
}

unsigned http_oauth_begin_form(struct http_call *call)
{
    unsigned status = begin_any(call);

    if (!status && !call->is_private) {
        status = 403;
    }
    return status ? status : read_form(call);
}

static struct span field(const struct http_call *call, const char *name)
{
    return http_form_get(call->form, name);
}

// ---- questions to keep --------------------------------------------------------------------------

static void put_json_text(struct buf *b, struct span text)
{
    buf_put_byte(b, '"');
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (byte_is_ctl(c)) {
            buf_printf(b, "\\u%04x", (unsigned)(unsigned char)c);
        } else {
            if (c == '"' || c == '\\') {
                buf_put_byte(b, '\\');
            }
            buf_put_byte(b, c);
        }
    }
    buf_put_byte(b, '"');
}

void http_oauth_put_member(struct buf *b, const char *name, struct span value)
{
    buf_put_byte(b, ',');
    put_json_text(b, span_from_str(name));
    buf_put_byte(b, ':');
    put_json_text(b, value);
}

void http_oauth_put_question(struct buf *b, const struct http_call *call)
{
    buf_put_str(b, "{\"version\":1,\"command\":\"oauth\",\"args\":{\"question\":");
    put_json_text(b, span_from_str(call->question));
    http_oauth_put_member(b, "remote", call->remote);
}

// All fields that keep may want; it takes what it knows.
static void ask(const struct http_call *call, struct buf *request)
{
    static const char *const names[] = {
        "client_id",     "redirect_uri",   "response_type",
        "response_mode", "request",        "request_uri",
        "scope",         "code_challenge", "code_challenge_method",
        "user",          "password",       "second_code",
        "read_only",     "grant_type",     "code",
        "code_verifier", "refresh_token",  "device_code",
        "user_code",     "token",
    };

    http_oauth_put_question(request, call);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct span value = field(call, names[i]);

        if (value.n) {
            http_oauth_put_member(request, names[i], value);
        }
    }
    buf_put_str(request, "}}");
}

static void ask_for(struct http_call *call, const char *question)
{
    call->question = question;
    call->asks = true;
}

struct http_form *http_oauth_told(const struct http_call *call)
{
    struct http_form *f = arena_zalloc(call->arena, 1, sizeof(*f));

    return f && !call->keep_failed && http_form_read(call->told, call->arena, f) == ERR_OK ? f
                                                                                           : NULL;
}

// ---- answers ------------------------------------------------------------------------------------

static void set_field(struct http_reply *r, struct span name, struct span value)
{
    r->fields[r->field_n++] = (struct http_field){name, value};
}

static void answer_message(struct http_reply *r, unsigned status, const char *heading,
                           struct span sentence)
{
    r->status = status;
    r->type = HTML;
    r->policy = SPAN(PAGE_POLICY(""));
    http_oauth_put_message(&r->body, heading, sentence);
}

static void answer_away(struct http_reply *r)
{
    answer_message(r, 503, "Not now",
                   SPAN("The server cannot answer at this moment. Try again in a minute."));
}

// A form on a page: cookie and guard are made here.
static bool prepare_page(const struct http_call *call, struct http_reply *r,
                         struct http_oauth_page *p)
{
    char *cookie = arena_alloc(call->arena, 128), *guard = arena_alloc(call->arena, 128);
    bool is_new;

    if (!cookie || !guard) {
        return false;
    }
    memcpy(cookie, HTTP_OAUTH_COOKIE "=", sizeof(HTTP_OAUTH_COOKIE));
    char *value = cookie + sizeof(HTTP_OAUTH_COOKIE);
    static const char rest[] = "; Path=/; Secure; HttpOnly; SameSite=Strict";

    http_oauth_cookie(call, value, &is_new);
    http_oauth_guard(value, call->path, guard);
    memcpy(value + HTTP_OAUTH_COOKIE_CHARS, rest, sizeof(rest));
    if (is_new) {
        set_field(r, SPAN("Set-Cookie"), span_from_str(cookie));
    }
    p->call = call;
    p->guard = span_of(guard, HTTP_OAUTH_GUARD_CHARS);
    r->type = HTML;
    r->policy = SPAN(PAGE_POLICY(""));
    return true;
}

static void answer_json_error(struct http_reply *r, unsigned status, struct span error,
                              struct span words)
{
    r->status = status;
    r->type = JSON;
    buf_put_str(&r->body, "{\"error\":");
    put_json_text(&r->body, error);
    http_oauth_put_member(&r->body, "error_description", words);
    buf_put_str(&r->body, "}\n");
}

// keep's answer as fields when it is no error; else NULL, and the error is the answer.
static struct http_form *told_or_error(const struct http_call *call, struct http_reply *r)
{
    struct http_form *f = http_oauth_told(call);
    struct span error = f ? http_form_get(f, "error") : SPAN("temporarily_unavailable");

    if (!f || span_eq(error, SPAN("temporarily_unavailable"))) {
        answer_json_error(r, 503, SPAN("temporarily_unavailable"),
                          SPAN("The server cannot do this now"));
        set_field(r, SPAN("Retry-After"), SPAN("30"));
        return NULL;
    }
    if (error.n) {
        answer_json_error(r, 400, error, http_form_get(f, "error_description"));
        return NULL;
    }
    return f;
}

// ---- the authorization endpoint -----------------------------------------------------------------

static const char *const authorize_hidden[] = {
    "client_id", "redirect_uri",   "response_type",         "scope",
    "state",     "code_challenge", "code_challenge_method", NULL};

// What of the form is missing; NULL: nothing.
static const char *missing(const struct http_call *call)
{
    return !field(call, "user").n ? "user" : !field(call, "password").n ? "password" : NULL;
}

static bool does(const struct http_call *call, const char *what)
{
    return span_eq(field(call, "do"), span_from_str(what));
}

static unsigned authorize_begin(struct http_call *call)
{
    unsigned status = http_oauth_begin_form(call);

    if (status) {
        return status;
    }
    call->is_stale = call->method == HTTP_POST &&
                     !http_oauth_guard_holds(call, call->path, field(call, "guard"));
    bool is_sent = call->method == HTTP_POST && !call->is_stale && does(call, "allow");

    ask_for(call, is_sent && !missing(call) ? "allow" : "look");
    return 0;
}

static struct span text_of(const struct http_call *call, struct buf *b)
{
    struct span text = arena_dup(call->arena, buf_span(b));

    return b->failed || !text.p ? SPAN("") : text;
}

// Back to the app (RFC 6749 section 4.1.2, RFC 9207), with what is in `b`.
static void answer_redirect(const struct http_call *call, struct http_reply *r, const char *name,
                            struct span value, struct span words)
{
    struct span to = field(call, "redirect_uri"), state = field(call, "state");
    struct span issuer = http_oauth_issuer(call);
    struct buf query, b;

    buf_init_secret(&query, 40000);
    buf_init_secret(&b, 50000);
    http_form_put(&query, name, value);
    if (words.n) {
        http_form_put(&query, "error_description", words);
    }
    if (state.n) {
        http_form_put(&query, "state", state);
    }
    http_form_put(&query, "iss", issuer);
    buf_put(&b, to);
    buf_put_byte(&b, span_find_byte(to, '?') < to.n ? '&' : '?');
    buf_put(&b, buf_span(&query));
    struct span location = text_of(call, &b);

    if (query.failed || !location.n) {
        answer_away(r);
    } else {
        r->status = 303;
        r->type = NULL;
        set_field(r, SPAN("Location"), location);
    }
    buf_finish(&query);
    buf_finish(&b);
}

// The form may lead back to the app, and some browsers hold redirects against the policy, too.
static struct span page_policy(const struct http_call *call)
{
    struct span to = field(call, "redirect_uri");
    struct span scheme = span_first(to, span_find_byte(to, ':'));
    struct buf b;

    buf_init(&b, 1024);
    buf_printf(&b, PAGE_POLICY(" %.*s:"), SPAN_ARG(scheme));
    struct span policy = text_of(call, &b);

    buf_finish(&b);
    return policy;
}

// keep has compared it with those of the app; that it breaks out of no field is seen to here, too.
static bool can_go_back(const struct http_call *call)
{
    struct span to = field(call, "redirect_uri");
    size_t colon = span_find_byte(to, ':');

    for (size_t i = 0; i < to.n; i++) {
        if (to.p[i] <= ' ' || to.p[i] >= 127 ||
            (i < colon && !byte_is_alnum(to.p[i]) && !memchr("+-.", to.p[i], 3))) {
            return false;
        }
    }
    return colon > 0 && colon < to.n;
}

static void set_wrong(const struct http_call *call, struct http_oauth_page *p)
{
    const char *none = call->method == HTTP_POST ? missing(call) : NULL;

    if (call->is_stale) {
        p->wrong_field = SPAN("user");
        p->wrong = SPAN("This page was too old, or your browser takes no cookies; sign in once "
                        "more");
    } else if (http_form_get(p->told, "refused").n) {
        p->wrong_field = http_form_get(p->told, "refused_at");
        p->wrong = http_form_get(p->told, "refused");
    } else if (none) {
        p->wrong_field = span_from_str(none);
        p->wrong = strcmp(none, "user") == 0 ? SPAN("The address is missing")
                                             : SPAN("The password is missing");
    }
}

static void answer_consent(const struct http_call *call, struct http_reply *r,
                           const struct http_form *f, const char *const *hidden)
{
    struct http_oauth_page p = {
        .told = f, .action = hidden == authorize_hidden ? "/oauth/authorize" : "/oauth/device"};

    if (!prepare_page(call, r, &p)) {
        answer_away(r);
        return;
    }
    set_wrong(call, &p);
    r->status = p.wrong.n ? 422 : 200;
    http_oauth_put_consent(&r->body, &p, hidden);
}

static void authorize_respond(struct http_call *call, struct http_reply *r)
{
    const struct http_form *f = http_oauth_told(call);
    struct span error = f ? http_form_get(f, "error") : SPAN("");
    bool is_denied = !call->is_stale && call->method == HTTP_POST && does(call, "deny");

    if (!f) {
        answer_away(r);
    } else if (http_form_get(f, "page").n || !can_go_back(call)) {
        answer_message(r, 400, "This does not work",
                       span_eq(error, SPAN("invalid_client"))
                           ? SPAN("The app that sent you here is not known to this server. Whoever "
                                  "runs the server can add it.")
                           : SPAN("The app that sent you here wants you to come back to an address "
                                  "that is not its own. Nothing was done."));
    } else if (error.n) {
        answer_redirect(call, r, "error", error, http_form_get(f, "error_description"));
    } else if (is_denied) {
        answer_redirect(call, r, "error", SPAN("access_denied"), SPAN(""));
    } else if (http_form_get(f, "code").n) {
        answer_redirect(call, r, "code", http_form_get(f, "code"), SPAN(""));
    } else {
        answer_consent(call, r, f, authorize_hidden);
        r->policy = page_policy(call).n ? page_policy(call) : r->policy;
    }
}

// ---- the page for devices (RFC 8628 section 3.3) ------------------------------------------------

static const char *const device_hidden[] = {"user_code", NULL};

static unsigned device_begin(struct http_call *call)
{
    unsigned status = http_oauth_begin_form(call);

    if (status || call->method != HTTP_POST) {
        return status;
    }
    call->is_stale = !http_oauth_guard_holds(call, call->path, field(call, "guard"));
    if (!call->is_stale && field(call, "user_code").n) {
        ask_for(call, does(call, "deny")                      ? "device deny"
                      : does(call, "allow") && !missing(call) ? "device allow"
                                                              : "device look");
    }
    return 0;
}

static void answer_code_entry(const struct http_call *call, struct http_reply *r,
                              const struct http_form *f)
{
    struct http_oauth_page p = {.told = f, .action = "/oauth/device"};

    if (!prepare_page(call, r, &p)) {
        answer_away(r);
        return;
    }
    p.wrong_field = SPAN("user_code");
    if (call->is_stale) {
        p.wrong = SPAN("This page was too old, or your browser takes no cookies; try once more");
    } else if (f) {
        p.wrong = http_form_get(f, "refused");
    } else if (call->method == HTTP_POST) {
        p.wrong = SPAN("The code is missing");
    }
    r->status = p.wrong.n ? 422 : 200;
    http_oauth_put_code_entry(&r->body, &p);
}

static void device_respond(struct http_call *call, struct http_reply *r)
{
    const struct http_form *f = call->asks ? http_oauth_told(call) : NULL;

    if (!call->asks) {
        answer_code_entry(call, r, NULL);
    } else if (!f || http_form_get(f, "error").n) {
        answer_away(r);
    } else if (span_eq(http_form_get(f, "refused_at"), SPAN("user_code"))) {
        answer_code_entry(call, r, f);
    } else if (http_form_get(f, "done").n) {
        answer_message(r, 200, does(call, "deny") ? "Not allowed" : "Done",
                       does(call, "deny")
                           ? SPAN("The device was not let in. You can close this page.")
                           : SPAN("The device is let in. Go back to it; you can close this page."));
    } else {
        if (does(call, "look")) {
            call->method = HTTP_GET; // nothing of the next page has been sent yet
        }
        answer_consent(call, r, f, device_hidden);
    }
}

// ---- apps ---------------------------------------------------------------------------------------

static unsigned app_begin(struct http_call *call)
{
    unsigned status = begin_any(call);

    if (!status && !call->is_private) {
        status = 403;
    }
    if (status) {
        return status;
    }
    status = read_form(call);
    if (!status && !call->authorization.n) {
        bool is_token = span_eq(call->path, SPAN("/oauth/token"));

        ask_for(call, is_token                                     ? "token"
                      : span_eq(call->path, SPAN("/oauth/revoke")) ? "revoke"
                                                                   : "device begin");
    }
    return status == 503 ? status : 0; // what is wrong with it is said in JSON
}

// What has not been asked. False: it has.
static bool answer_bad_request(const struct http_call *call, struct http_reply *r)
{
    if (call->asks) {
        return false;
    }
    if (call->authorization.n) {
        answer_json_error(r, 401, SPAN("invalid_client"),
                          SPAN("Apps here have no secrets: say client_id in the body"));
        set_field(r, SPAN("WWW-Authenticate"), SPAN("Basic realm=\"none\""));
    } else {
        answer_json_error(r, 400, SPAN("invalid_request"),
                          SPAN("The body is a form, each field once"));
    }
    return true;
}

static void put_json_number(struct buf *b, const char *name, struct span digits)
{
    uint64_t number = 0;

    buf_put_byte(b, ',');
    put_json_text(b, span_from_str(name));
    buf_put_byte(b, ':');
    buf_put_u64(b, span_to_u64(digits, UINT32_MAX, &number) ? number : 0);
}

static void token_respond(struct http_call *call, struct http_reply *r)
{
    const struct http_form *f = answer_bad_request(call, r) ? NULL : told_or_error(call, r);

    if (!f) {
        return;
    }
    r->type = JSON;
    buf_put_str(&r->body, "{\"token_type\":\"Bearer\"");
    http_oauth_put_member(&r->body, "access_token", http_form_get(f, "access_token"));
    http_oauth_put_member(&r->body, "refresh_token", http_form_get(f, "refresh_token"));
    put_json_number(&r->body, "expires_in", http_form_get(f, "expires_in"));
    http_oauth_put_member(&r->body, "scope", http_form_get(f, "scope"));
    buf_put_str(&r->body, "}\n");
}

static void revoke_respond(struct http_call *call, struct http_reply *r)
{
    if (!answer_bad_request(call, r) && told_or_error(call, r)) {
        r->type = NULL;
    }
}

static void device_code_respond(struct http_call *call, struct http_reply *r)
{
    const struct http_form *f = answer_bad_request(call, r) ? NULL : told_or_error(call, r);
    struct span issuer = http_oauth_issuer(call);
    struct buf uri;

    if (!f) {
        return;
    }
    r->type = JSON;
    buf_init(&uri, 1024);
    buf_printf(&uri, "%.*s/oauth/device", SPAN_ARG(issuer));
    buf_put_str(&r->body, "{\"device_code\":");
    put_json_text(&r->body, http_form_get(f, "device_code"));
    http_oauth_put_member(&r->body, "user_code", http_form_get(f, "user_code"));
    http_oauth_put_member(&r->body, "verification_uri", buf_span(&uri));
    buf_put_str(&uri, "?user_code=");
    buf_put(&uri, http_form_get(f, "user_code"));
    http_oauth_put_member(&r->body, "verification_uri_complete", buf_span(&uri));
    put_json_number(&r->body, "expires_in", http_form_get(f, "expires_in"));
    put_json_number(&r->body, "interval", http_form_get(f, "interval"));
    buf_put_str(&r->body, "}\n");
    buf_finish(&uri);
}

// ---- what there is (RFC 8414) -------------------------------------------------------------------

static unsigned metadata_begin(struct http_call *call)
{
    return begin_any(call);
}

static void put_endpoint(struct buf *b, struct span issuer, const char *name, const char *path)
{
    buf_printf(b, ",\n\"%s\":\"%.*s%s\"", name, SPAN_ARG(issuer), path);
}

static void metadata_respond(struct http_call *call, struct http_reply *r)
{
    struct span issuer = http_oauth_issuer(call);
    struct buf *b = &r->body;

    buf_printf(b, "{\"issuer\":\"%.*s\"", SPAN_ARG(issuer));
    put_endpoint(b, issuer, "authorization_endpoint", "/oauth/authorize");
    put_endpoint(b, issuer, "token_endpoint", "/oauth/token");
    put_endpoint(b, issuer, "revocation_endpoint", "/oauth/revoke");
    put_endpoint(b, issuer, "device_authorization_endpoint", "/oauth/device_authorization");
    buf_put_str(b,
                ",\n\"response_types_supported\":[\"code\"],\n\"response_modes_supported\":"
                "[\"query\"],\n\"grant_types_supported\":[\"authorization_code\",\"refresh_token\","
                "\"urn:ietf:params:oauth:grant-type:device_code\"],\n"
                "\"code_challenge_methods_supported\":[\"S256\"],\n"
                "\"token_endpoint_auth_methods_supported\":[\"none\"],\n"
                "\"revocation_endpoint_auth_methods_supported\":[\"none\"],\n"
                "\"scopes_supported\":[\"imap\",\"smtp\",\"pop3\",\"sieve\",\"jmap\",\"mail\","
                "\"read-only\"],\n\"authorization_response_iss_parameter_supported\":true,\n"
                "\"ui_locales_supported\":[\"en\"]}\n");
}

static void style_respond(struct http_call *call, struct http_reply *r)
{
    (void)call;
    buf_put_str(&r->body, http_oauth_style);
}

// ---- the table ----------------------------------------------------------------------------------

#define GET  (1u << HTTP_GET)
#define POST (1u << HTTP_POST)
#define APP(at, answer)                                                                            \
    {                                                                                              \
        .path = (at), .methods = POST, .type = JSON, .begin = app_begin, .ask = ask,               \
        .respond = (answer)                                                                        \
    }

const struct http_resource http_oauth_resources[] = {
    {.path = "/.well-known/oauth-authorization-server",
     .methods = GET,
     .type = JSON,
     .begin = metadata_begin,
     .respond = metadata_respond},
    {.path = "/.well-known/openid-configuration",
     .methods = GET,
     .type = JSON,
     .begin = metadata_begin,
     .respond = metadata_respond},
    {.path = "/oauth/style.css",
     .methods = GET,
     .type = "text/css; charset=utf-8",
     .begin = metadata_begin,
     .respond = style_respond},
    {.path = "/oauth/authorize",
     .methods = GET | POST,
     .type = HTML,

     .begin = authorize_begin,
     .ask = ask,
     .respond = authorize_respond},
    {.path = "/oauth/device",
     .methods = GET | POST,
     .type = HTML,

     .begin = device_begin,
     .ask = ask,
     .respond = device_respond},
    APP("/oauth/token", token_respond),
    APP("/oauth/revoke", revoke_respond),
    APP("/oauth/device_authorization", device_code_respond),
    {.path = NULL},
};
