// SPDX-License-Identifier: Apache-2.0
//
// A person's own page at /account: its requests become questions to keep, and keep's fields become
// the page (http_account_page.c). The browser has a session's text in a cookie, keep knows what it
// is worth. A form counts only from a page that this browser got while it was in that session.
#include "gate/http/http_account.h"

#include "base/banned.h"

#define HTML "text/html; charset=utf-8"
#define POLICY                                                                                     \
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "           \
    "base-uri 'none'"

// What a form asks for, and the question that it becomes.
static const struct {
    const char *does, *question;
} acts[] = {
    {"sign-in", "account sign-in"}, {"sign-out", "account sign-out"},
    {"block", "account block"},     {"add", "account add"},
    {"factor", "account factor"},   {"confirm", "account confirm"},
};

static struct span field(const struct http_call *call, const char *name)
{
    return http_form_get(call->form, name);
}

static const char *question_of(const struct http_call *call)
{
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (span_eq(field(call, "do"), span_from_str(acts[i].does))) {
            return acts[i].question;
        }
    }
    return NULL;
}

static struct span session_of(const struct http_call *call)
{
    return http_oauth_cookie_of(call->cookie, SPAN(HTTP_ACCOUNT_COOKIE));
}

// What a form is bound to: the page, and the session that it is of, so that one of before a sign-in
// is worth nothing behind it.
static struct span form_of(const struct http_call *call, struct span session)
{
    struct buf b;

    buf_init_secret(&b, 64);
    buf_printf(&b, "/account %.*s", SPAN_ARG(session));
    struct span form = arena_dup(call->arena, buf_span(&b));

    buf_finish(&b);
    return form.p ? form : SPAN("");
}

static unsigned begin(struct http_call *call)
{
    unsigned status = http_oauth_begin_form(call);
    struct span session = session_of(call);

    if (status) {
        return status;
    }
    if (call->method != HTTP_POST) {
        call->question = "account look";
        call->asks = session.n > 0;
        return 0;
    }
    call->is_stale = !http_oauth_guard_holds(call, form_of(call, session), field(call, "guard"));
    const char *question = call->is_stale ? "account look" : question_of(call);

    if (!question) {
        return 400;
    }
    call->question = question;
    call->asks = session.n > 0 || span_eq(field(call, "do"), SPAN("sign-in"));
    return 0;
}

static void ask(const struct http_call *call, struct buf *request)
{
    static const char *const names[] = {"user", "password",  "second_code", "device",
                                        "name", "read_only", "code",        "everywhere"};

    http_oauth_put_question(request, call);
    http_oauth_put_member(request, "session", session_of(call));
    http_oauth_put_member(request, "server", call->server);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (field(call, names[i]).n) {
            http_oauth_put_member(request, names[i], field(call, names[i]));
        }
    }
    buf_put_str(request, "}}");
}

// ---- cookies ------------------------------------------------------------------------------------

// Sets it, or with an empty value takes it away.
static void set_session(const struct http_call *call, struct http_reply *r, struct span value)
{
    struct buf b;

    buf_init_secret(&b, 200);
    buf_printf(&b, HTTP_ACCOUNT_COOKIE "=%.*s; Path=/; Secure; HttpOnly; SameSite=Strict%s",
               SPAN_ARG(value), value.n ? "" : "; Max-Age=0");
    struct span text = arena_dup(call->arena, buf_span(&b));

    if (text.p) {
        r->fields[r->field_n++] = (struct http_field){SPAN("Set-Cookie"), text};
    }
    buf_finish(&b);
}

// The mark of the forms on the page, and the browser's own cookie where it has none.
static bool prepare(const struct http_call *call, struct http_reply *r, struct span session,
                    struct http_account_page *p)
{
    char *cookie = arena_alloc(call->arena, 128), *guard = arena_alloc(call->arena, 128);
    static const char rest[] = "; Path=/; Secure; HttpOnly; SameSite=Strict";
    bool is_new;

    if (!cookie || !guard) {
        return false;
    }
    memcpy(cookie, HTTP_OAUTH_COOKIE "=", sizeof(HTTP_OAUTH_COOKIE));
    char *value = cookie + sizeof(HTTP_OAUTH_COOKIE);

    http_oauth_cookie(call, value, &is_new);
    http_oauth_guard(value, form_of(call, session), guard);
    memcpy(value + HTTP_OAUTH_COOKIE_CHARS, rest, sizeof(rest));
    if (is_new) {
        r->fields[r->field_n++] = (struct http_field){SPAN("Set-Cookie"), span_from_str(cookie)};
    }
    p->call = call;
    p->guard = span_of(guard, HTTP_OAUTH_GUARD_CHARS);
    return true;
}

// ---- answers ------------------------------------------------------------------------------------

static void answer_away(struct http_reply *r)
{
    r->status = 503;
    http_oauth_put_message(&r->body, "Not now",
                           SPAN("The server cannot answer at this moment. Try again in a minute."));
}

static void answer_sign_in(const struct http_call *call, struct http_reply *r,
                           const struct http_form *told)
{
    struct http_account_page p = {.told = told};
    bool was_in = session_of(call).n > 0;

    if (was_in) {
        set_session(call, r, SPAN(""));
    }
    if (!prepare(call, r, SPAN(""), &p)) {
        answer_away(r);
        return;
    }
    if (call->is_stale) {
        p.wrong_field = SPAN("user");
        p.wrong =
            SPAN("This page was too old, or your browser takes no cookies; sign in once more");
    } else if (told && http_form_get(told, "refused").n) {
        p.wrong_field = http_form_get(told, "refused_at");
        p.wrong = http_form_get(told, "refused");
    }
    r->status = p.wrong.n ? 422 : 200;
    http_account_put_sign_in(&r->body, &p);
}

// A session that keep has begun; nothing that would break out of a field.
static struct span fresh_session(const struct http_form *told)
{
    struct span text = told ? http_form_get(told, "session") : SPAN("");

    for (size_t i = 0; i < text.n; i++) {
        if (!byte_is_alnum(text.p[i])) {
            return SPAN("");
        }
    }
    return text.n == HTTP_OAUTH_COOKIE_CHARS ? text : SPAN("");
}

static void respond(struct http_call *call, struct http_reply *r)
{
    const struct http_form *told = call->asks ? http_oauth_told(call) : NULL;
    struct http_account_page p = {.told = told};
    struct span fresh = fresh_session(told);
    struct span session = fresh.n ? fresh : session_of(call);

    r->type = HTML;
    r->policy = SPAN(POLICY);
    if (call->asks && (!told || http_form_get(told, "error").n)) {
        answer_away(r);
        return;
    }
    if (!told || http_form_get(told, "signed_out").n || !http_form_get(told, "user").n) {
        answer_sign_in(call, r, told);
        return;
    }
    if (fresh.n) {
        set_session(call, r, fresh);
    }
    if (!prepare(call, r, session, &p)) {
        answer_away(r);
        return;
    }
    p.wrong_field = call->is_stale ? SPAN("page") : http_form_get(told, "refused_at");
    p.wrong = call->is_stale ? SPAN("That page was too old: nothing was done. Try once more")
                             : http_form_get(told, "refused");
    r->status = p.wrong.n ? 422 : 200;
    http_account_put(&r->body, &p);
}

const struct http_resource http_account_resource = {
    .path = "/account",
    .methods = 1u << HTTP_GET | 1u << HTTP_POST,
    .type = HTML,
    .begin = begin,
    .ask = ask,
    .respond = respond,
};
