// SPDX-License-Identifier: Apache-2.0
//
// One connection: head, body, answer, and again. An idle one owns no buffers.
#include "gate/http/http_session.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/count/gate_count.h"
#include "gate/http/http.h"
#include "wire/http/http_form.h"

#include "base/banned.h"

#define BODY_MAX    16384        // of a request; whoever sets up a mail program sends 1 KB
#define ANSWER_MAX  (128u << 10) // of a response's body
#define TOLD_MAX    (96u << 10)  // what keep may have to say to it
#define ARENA_BYTES (128u << 10) // path, query, host, and what a resource makes of them
#define OUT_MAX     16384        // of answers nobody has read: no more requests are taken then

enum http_variant { HTTP_PUBLIC, HTTP_ADMIN };

static bool is_admin(const struct dialogue *d)
{
    return d->protocol->variant == HTTP_ADMIN;
}

// ---- answers ------------------------------------------------------------------------------------

// For pages that load nothing and are nobody's part.
#define CONTENT_POLICY                                                                             \
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

static const struct http_field common_fields[] = {
    {{"Cache-Control", 13}, {"no-store", 8}},
    {{"Content-Security-Policy", 23}, {CONTENT_POLICY, sizeof(CONTENT_POLICY) - 1}},
    {{"Referrer-Policy", 15}, {"no-referrer", 11}},
    {{"X-Content-Type-Options", 22}, {"nosniff", 7}},
};
#define POLICY_FIELD  1
#define COMMON_FIELDS (sizeof(common_fields) / sizeof(common_fields[0]))

static void put_response_with(struct buf *out, bool is_admin, struct http_response *r,
                              const struct http_field *more, size_t more_n, struct span policy)
{
    struct http_field fields[COMMON_FIELDS + HTTP_REPLY_FIELDS_MAX];

    ASSERT(more_n <= HTTP_REPLY_FIELDS_MAX);
    memcpy(fields, common_fields, sizeof(common_fields));
    if (policy.n) {
        fields[POLICY_FIELD].value = policy;
    }
    r->fields = fields;
    r->field_n = COMMON_FIELDS;
    for (size_t i = 0; i < more_n; i++) {
        fields[r->field_n++] = more[i];
    }
    r->now_s = clock_real_s();
    gate_count_http(is_admin, r->status);
    http_response_put(out, r);
}

static void put_response(struct buf *out, bool is_admin, struct http_response *r,
                         const struct http_field *more, size_t more_n)
{
    put_response_with(out, is_admin, r, more, more_n, SPAN(""));
}

void http_session_put(struct dialogue *d, struct http_response *r, const struct http_field *more,
                      size_t more_n)
{
    put_response(&d->out, is_admin(d), r, more, more_n);
}

// A page that says what the status says.
static void put_page(struct buf *out, bool is_admin, unsigned status, const char *text,
                     bool is_head, bool is_closed, const struct http_field *more)
{
    struct buf body;

    buf_init(&body, 1024);
    buf_printf(&body,
               "<!DOCTYPE html>\n<html lang=\"en\"><head><title>%u %s</title></head>\n"
               "<body><h1>%u %s</h1>%s%s%s</body></html>\n",
               status, http_status_text(status), status, http_status_text(status),
               text ? "<p>" : "", text ? text : "", text ? "</p>" : "");
    struct http_response r = {
        .status = status,
        .type = status == 204 ? SPAN("") : SPAN("text/html; charset=utf-8"),
        .body = status == 204 ? SPAN("") : buf_span(&body),
        .is_head = is_head,
        .is_closed = is_closed,
    };

    put_response(out, is_admin, &r, more, more != NULL);
    buf_finish(&body);
}

void http_session_request_end(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    if (s->body_text.p) {
        OPENSSL_cleanse(s->body_text.p, s->body_text.cap); // may hold a password
    }
    http_api_finish(&s->api);
    buf_release(&s->body_text);
    s->body_text.max = BODY_MAX;
    buf_release(&s->told);
    arena_finish(&s->arena);
    s->phase = AT_HEAD;
    s->scan = (struct http_scan){0};
    s->is_begun = false;
    d->progress++;
    if (s->is_closed) {
        dialogue_close(d);
    }
}

// In the words of the resource.
static void put_own_error(struct dialogue *d, unsigned status, const struct http_field *more)
{
    const struct http_session *s = http_session_of(d);
    struct buf body;

    buf_init(&body, 1024);
    s->resource->put_error(status, &body);
    struct http_response r = {.status = status,
                              .type = span_from_str(s->resource->error_type),
                              .body = buf_span(&body),
                              .is_head = s->is_head,
                              .is_closed = s->is_closed};

    put_response(&d->out, is_admin(d), &r, more, more != NULL);
    buf_finish(&body);
}

static void answer_page(struct dialogue *d, unsigned status, const struct http_field *more)
{
    struct http_session *s = http_session_of(d);

    if (s->resource && s->resource->put_error) {
        put_own_error(d, status, more);
        http_session_request_end(d);
        return;
    }
    put_page(&d->out, is_admin(d), status, NULL, s->is_head, s->is_closed, more);
    http_session_request_end(d);
}

// An answer before all of the request was read: where the next one begins is not known any more.
static void refuse(struct dialogue *d, unsigned status)
{
    http_session_of(d)->is_closed = true;
    answer_page(d, status, NULL);
}

static void answer_reply(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_reply reply = {.status = 200, .type = s->resource->type};

    buf_init_secret(&reply.body, ANSWER_MAX);
    s->resource->respond(&s->call, &reply);
    struct http_response r = {.status = reply.status,
                              .type = span_from_str(reply.type ? reply.type : ""),
                              .body = buf_span(&reply.body),
                              .is_head = s->is_head,
                              .is_closed = s->is_closed};

    if (reply.body.failed) {
        refuse(d, 503);
    } else {
        put_response_with(&d->out, is_admin(d), &r, reply.fields, reply.field_n, reply.policy);
        http_session_request_end(d);
    }
    buf_finish(&reply.body);
}

static void answer_resource(struct dialogue *d)
{
    static const struct http_field attachment = {{"Content-Disposition", 19}, {"attachment", 10}};
    struct http_session *s = http_session_of(d);
    struct buf body;

    if (s->resource->respond) {
        answer_reply(d);
        return;
    }
    buf_init(&body, ANSWER_MAX);
    s->resource->answer(&s->call, &body);
    struct http_response r = {.status = 200,
                              .type = span_from_str(s->resource->type),
                              .body = buf_span(&body),
                              .is_head = s->is_head,
                              .is_closed = s->is_closed};

    if (body.failed) {
        refuse(d, 503);
    } else {
        http_session_put(d, &r, &attachment, s->resource->is_attachment);
        http_session_request_end(d);
    }
    buf_finish(&body);
}

// ---- the head -----------------------------------------------------------------------------------

static bool is_allowed(const struct http_resource *r, enum http_method m)
{
    unsigned bit = 1u << (m == HTTP_HEAD ? HTTP_GET : m);

    return m != HTTP_METHOD_OTHER && (r->methods & bit);
}

static void answer_not_allowed(struct dialogue *d, const struct http_resource *r)
{
    struct buf b;

    buf_init(&b, 64);
    http_allow_put(&b, r->methods);
    const struct http_field allow = {SPAN("Allow"), buf_span(&b)};

    answer_page(d, 405, &allow);
    buf_finish(&b);
}

static size_t body_max(const struct http_session *s)
{
    return s->resource && s->resource->body_max ? s->resource->body_max : BODY_MAX;
}

// The request as far as its head tells. 0, or the status that answers it.
static unsigned call_begin(struct dialogue *d, const struct http_request *r)
{
    struct http_session *s = http_session_of(d);

    s->call = (struct http_call){
        .settings = d->settings,
        .server = d->host,
        .host = arena_dup(&s->arena, r->host),
        .query = arena_dup(&s->arena, r->query),
        .arena = &s->arena,
        .is_loopback = d->is_loopback,
        .is_private = dialogue_is_private(d),
        .method = r->method,
        .content_type = arena_dup(&s->arena, http_field_of(r, SPAN("Content-Type"))),
        .cookie = arena_dup(&s->arena, http_field_of(r, SPAN("Cookie"))),
        .authorization = arena_dup(&s->arena, http_field_of(r, SPAN("Authorization"))),
        .remote = span_from_str(d->peer.address),
    };
    s->resource = NULL;
    if (!s->call.host.p || !s->call.query.p) {
        return 503;
    }
    enum err e = http_path_decode(r->path, &s->arena, &s->call.path);

    if (e != ERR_OK) {
        return e == ERR_NOMEM ? 503 : 400;
    }
    if (is_admin(d) && http_api_is(s->call.path)) {
        return 0;
    }
    s->resource = http_resource_find(s->call.path, is_admin(d));
    if (!s->resource) {
        return r->method == HTTP_METHOD_OTHER ? 501 : 404;
    }
    if (!is_allowed(s->resource, r->method)) {
        return 405;
    }
    s->call.head = r;
    bool is_noted = !s->resource->note || s->resource->note(&s->call);

    s->call.head = NULL; // it is in the input, which goes
    return is_noted ? 0 : 503;
}

static void head_judged(struct dialogue *d, const struct http_request *r, unsigned status)
{
    struct http_session *s = http_session_of(d);
    bool has_body = r->framing != HTTP_NO_BODY;

    s->is_closed |= status && has_body; // it is not waited for
    if (status == 405) {
        answer_not_allowed(d, s->resource);
    } else if (status) {
        answer_page(d, status, NULL);
    } else if (!s->resource) {
        http_api_head(d, r);
    } else if (r->framing == HTTP_LENGTH && r->length > body_max(s)) {
        refuse(d, 413);
    } else {
        if (r->expects_continue) {
            buf_put_str(&d->out, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        http_body_init(&s->body, r);
        s->body_text.max = body_max(s);
        s->phase = AT_BODY;
    }
}

static bool take_head(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_request r;
    struct span head;
    size_t bytes;
    unsigned status = 0;

    if (!s->is_begun && d->in.n) {
        s->is_begun = true;
        d->progress++;
    }
    enum err e = http_scan_head(&s->scan, buf_span(&d->in), &head, &bytes, &status);

    if (e == ERR_AGAIN) {
        return false;
    }
    s->is_head = false;
    if (e != ERR_OK || http_parse_head(head, &r, &status) != ERR_OK) {
        refuse(d, status);
        return true;
    }
    s->is_head = r.method == HTTP_HEAD;
    s->is_closed = !r.keeps_alive || d->out.n > OUT_MAX ||
                   ++s->requests >= conf_value_count(d->settings, SETTING_HTTP_REQUESTS_MAX);
    status = call_begin(d, &r);
    head_judged(d, &r, status);
    dialogue_consume(d, bytes);
    return true;
}

// ---- the body and the end -----------------------------------------------------------------------

static bool take_body(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct span piece;
    size_t bytes;
    enum err e = http_body_next(&s->body, buf_span(&d->in), &piece, &bytes);

    if (e == ERR_AGAIN) {
        return false;
    }
    if (e == ERR_EOF) {
        s->phase = AT_END;
        return true;
    }
    if (e != ERR_OK) {
        refuse(d, 400);
        return true;
    }
    buf_put(&s->body_text, piece);
    dialogue_consume(d, bytes);
    if (s->body_text.failed) {
        refuse(d, 413);
    }
    return true;
}

// False: it is too large.
static bool put_question(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct buf request;

    buf_init_secret(&request, ANSWER_MAX);
    if (s->resource->ask) {
        s->resource->ask(&s->call, &request);
    } else {
        buf_put_str(&request, s->resource->command);
    }
    http_keep_put(&d->pair.out, CONTROL_REQUEST, buf_span(&request));
    bool ok = !request.failed && !d->pair.out.failed;

    if (request.p) {
        OPENSSL_cleanse(request.p, request.cap); // there may be a password in it
    }
    buf_finish(&request);
    return ok;
}

static void keep_ask(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    s->phase = AT_KEEP;
    s->keep = (struct http_keep){0};
    s->is_held = false;
    s->asked_ms = clock_monotonic_ms();
    if (!put_question(d)) {
        buf_release(&d->pair.out);
        s->call.keep_failed = true;
        answer_resource(d);
        return;
    }
    d->pair.is_wanted = true;
    d->pair.kind = s->resource->is_scim ? DIALOGUE_PAIR_SCIM
                   : s->resource->ask   ? DIALOGUE_PAIR_OAUTH
                                        : DIALOGUE_PAIR_FIGURES;
    d->step = DIALOGUE_WAIT;
}

void http_session_keep_leave(struct dialogue *d)
{
    d->pair.is_wanted = false;
    d->pair.is_spent |= d->pair.is_open;
    buf_release(&d->pair.in);
    buf_release(&d->pair.out);
}

// Has a sign-in on a page been refused?
static bool is_refused(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_form form;

    return s->resource->ask && !s->keep.has_failed && !s->told.failed && s->told.n &&
           http_form_read(buf_span(&s->told), &s->arena, &form) == ERR_OK &&
           http_form_get(&form, "refused").n;
}

// It is answered late, in whole delays since it was asked, as by every other protocol: guessing is
// slow, holds no thread, and the moment tells nothing. False: it may be answered now.
static bool hold(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    int64_t delay = conf_value_ms(d->settings, SETTING_LOGIN_FAILURE_DELAY);

    if (delay <= 0) {
        return false;
    }
    d->hold_until_ms = s->asked_ms + ((clock_monotonic_ms() - s->asked_ms) / delay + 1) * delay;
    d->step = DIALOGUE_WAIT;
    return true;
}

static bool take_told(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    if (!s->keep.is_over) {
        d->step = DIALOGUE_WAIT;
        return false;
    }
    if (d->hold_until_ms) { // something else has moved
        d->step = DIALOGUE_WAIT;
        return false;
    }
    if (!s->is_held && is_refused(d)) {
        s->is_held = true;
        http_session_keep_leave(d);
        if (hold(d)) {
            return false;
        }
    }
    http_session_keep_leave(d);
    s->call.keep_failed = s->keep.has_failed || s->told.failed;
    s->call.told = s->call.keep_failed ? SPAN("") : buf_span(&s->told);
    answer_resource(d);
    return true;
}

static enum err session_heard(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    enum err e = ERR_OK;

    if (s->api.is_api) {
        return http_api_heard(d);
    }
    if (s->phase != AT_KEEP) {
        return ERR_INVALID; // it was not asked
    }
    while (e == ERR_OK && d->pair.in.n && !s->keep.is_over) {
        struct span piece;
        size_t bytes;

        e = http_keep_next(&s->keep, buf_span(&d->pair.in), &piece, &bytes);
        if (e == ERR_OK && s->keep.kind == CONTROL_CHUNK) {
            buf_put(&s->told, piece);
        }
        if (e == ERR_OK) {
            buf_consume(&d->pair.in, bytes);
        }
    }
    return e == ERR_AGAIN ? ERR_OK : e;
}

static void session_lost(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    if (s->api.is_api) {
        http_api_lost(d);
    } else if (s->phase == AT_KEEP && !s->keep.is_over) {
        s->keep.is_over = s->keep.has_failed = true;
    }
}

static bool take_end(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    s->call.body = buf_span(&s->body_text);
    unsigned status = s->resource->begin(&s->call);

    if (status) {
        answer_page(d, status, NULL);
    } else if (s->resource->command || s->call.asks) {
        keep_ask(d);
    } else if (s->resource->respond) {
        answer_resource(d);
    } else {
        dialogue_ask_domain(d, s->call.domain);
    }
    return true;
}

static bool session_take(struct dialogue *d)
{
    const struct http_session *s = http_session_of(d);

    if (s->phase != AT_HEAD && s->api.is_api) {
        return http_api_take(d);
    }
    switch (s->phase) {
    case AT_HEAD:
        return take_head(d);
    case AT_BODY:
        return take_body(d);
    case AT_END:
        return take_end(d);
    case AT_KEEP:
        return take_told(d);
    }
    return false;
}

static void session_domain_known(struct dialogue *d, enum dialogue_domain is)
{
    static const struct http_field later = {{"Retry-After", 11}, {"30", 2}};
    struct http_session *s = http_session_of(d);

    if (is == DIALOGUE_DOMAIN_UNKNOWN) {
        answer_page(d, 503, &later);
    } else if (is == DIALOGUE_DOMAIN_OURS || s->resource->is_for_all) {
        answer_resource(d);
    } else {
        answer_page(d, 404, NULL);
    }
}

// ---- start and end ------------------------------------------------------------------------------

static size_t session_input_max(const struct settings *s)
{
    (void)s;
    return HTTP_HEAD_BYTES_MAX + 8192; // room to find out that it is too long, and to read
}

static void session_begin(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    arena_init_secret(&s->arena, ARENA_BYTES);
    buf_init_secret(&s->body_text, BODY_MAX);
    buf_init_secret(&s->told, TOLD_MAX);
}

static void session_finish(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    arena_finish(&s->arena);
    http_api_finish(&s->api);
    buf_finish(&s->body_text);
    buf_finish(&s->told);
}

static void session_greet(struct dialogue *d)
{
    (void)d; // the client speaks first
}

static void session_last_words(struct buf *out, enum dialogue_end why, const char *text)
{
    static const unsigned statuses[DIALOGUE_END__COUNT] = {
        [DIALOGUE_STOPPING] = 503,         [DIALOGUE_TIMEOUT] = 408,
        [DIALOGUE_TOO_MANY_CLIENTS] = 503, [DIALOGUE_TOO_MANY_FROM_ADDRESS] = 429,
        [DIALOGUE_LINE_TOO_LONG] = 431,    [DIALOGUE_TOO_FAST] = 429,
        [DIALOGUE_NOT_FROM_THERE] = 403,
    };
    const char *own = why == DIALOGUE_TIMEOUT                 ? "You took too long."
                      : why == DIALOGUE_TOO_MANY_CLIENTS      ? "Too many clients; try again later."
                      : why == DIALOGUE_TOO_MANY_FROM_ADDRESS ? "Too many connections."
                                                              : text;

    put_page(out, false, statuses[why] ? statuses[why] : 400, own, false, true, NULL);
}

// A request that has begun must come to its end in one time, however slowly its bytes come.
static int64_t session_patience_ms(const struct dialogue *d)
{
    return conf_value_ms(d->settings, http_session_of(d)->is_begun ? SETTING_HTTP_TIMEOUT
                                                                   : SETTING_HTTP_IDLE_TIMEOUT);
}

// Both hear of keep; what is public has no command for it.
#define HTTP_PROTOCOL(variant_)                                                                    \
    {                                                                                              \
        .alpn = "http/1.1", .variant = (variant_), .bad_max = SETTING_LOGIN_BAD_COMMANDS_MAX,      \
        .state_bytes = sizeof(struct http_session), .input_max = session_input_max,                \
        .begin = session_begin, .finish = session_finish, .greet = session_greet,                  \
        .take = session_take, .refused = http_api_refused, .accepted = http_api_accepted,          \
        .last_words = session_last_words, .domain_known = session_domain_known,                    \
        .heard = session_heard, .lost = session_lost, .patience_ms = session_patience_ms,          \
        .keeps_place = true, .is_private_here = (variant_) == HTTP_ADMIN,                          \
    }

const struct dialogue_protocol http_protocol = HTTP_PROTOCOL(HTTP_PUBLIC);
const struct dialogue_protocol http_admin_protocol = HTTP_PROTOCOL(HTTP_ADMIN);
