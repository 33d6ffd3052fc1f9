// SPDX-License-Identifier: Apache-2.0
//
// /admin/api: one operation of admin/ a request (docs/protocol/admin-api.md). Each request says who
// it is from, and keep finds out before anything else of it is looked at. Bodies are read here, and
// what keep gets are the fields of the operation's row, each of its type.
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/log.h"
#include "gate/http/http_credentials.h"
#include "gate/http/http_json.h"
#include "gate/http/http_session.h"

#include "base/banned.h"

#define PREFIX       "/admin/api"
#define BODY_MAX     (256u << 10)
#define ANSWER_SEND  (16u << 10)  // sent when so much is collected
#define PAIR_HIGH    (128u << 10) // to keep, not sent yet: no more lines are taken
#define SCRIPT_PIECE (48u << 10)  // of a text, a record
#define REALM        "Mailkeep administration"
#define JSON         "application/json"
#define JSON_LINES   "application/jsonl"
#define PROBLEM      "application/problem+json"

static const struct http_field challenges[] = {
    {{"WWW-Authenticate", 16}, {"Basic realm=\"" REALM "\", charset=\"UTF-8\"", 54}},
    {{"WWW-Authenticate", 16}, {"Bearer realm=\"" REALM "\"", 38}},
};

static struct http_api *api_of(const struct dialogue *d)
{
    return &http_session_of(d)->api;
}

bool http_api_is(struct span path)
{
    return span_eq(path, SPAN(PREFIX)) || span_starts(path, SPAN(PREFIX "/"));
}

void http_api_finish(struct http_api *a)
{
    http_lines_finish(&a->lines);
    http_answer_finish(&a->answer);
    *a = (struct http_api){.is_api = false};
}

// ---- problems -----------------------------------------------------------------------------------

static void answer_problem(struct dialogue *d, unsigned status, const char *code,
                           struct span detail, const struct http_field *more, size_t more_n)
{
    struct http_session *s = http_session_of(d);
    struct buf body;

    buf_init(&body, 8192);
    http_problem_put(&body, status, code, detail);
    buf_put_str(&body, "\n");
    struct http_response r = {.status = status,
                              .type = SPAN(PROBLEM),
                              .body = buf_span(&body),
                              .is_head = s->is_head,
                              .is_closed = s->is_closed};

    http_session_put(d, &r, more, more_n);
    buf_finish(&body);
    http_session_keep_leave(d);
    http_session_request_end(d);
}

// What is left of the request is not waited for.
static void refuse(struct dialogue *d, unsigned status, const char *detail,
                   const struct http_field *more, size_t more_n)
{
    struct http_session *s = http_session_of(d);

    s->is_closed |= s->api.has_body && s->phase != AT_END && !s->api.is_ended;
    answer_problem(d, status, NULL, span_from_str(detail), more, more_n);
}

static void refuse_busy(struct dialogue *d, const char *detail)
{
    static const struct http_field later = {{"Retry-After", 11}, {"5", 1}};

    refuse(d, 503, detail, &later, 1);
}

static void refuse_stranger(struct dialogue *d, const char *detail)
{
    refuse(d, 401, detail, challenges, 2);
}

// ---- who asks -----------------------------------------------------------------------------------

// A page that somebody looks at here makes no requests for them, whoever they are.
static bool is_from_page(const struct http_request *r)
{
    struct span site = http_field_of(r, SPAN("Sec-Fetch-Site"));

    return http_field_of(r, SPAN("Origin")).p || (site.p && !span_eq(site, SPAN("none")));
}

static void ask_who(struct dialogue *d, const struct http_request *r)
{
    struct span value = http_field_of(r, SPAN("Authorization"));
    struct http_credentials c;
    struct buf room;

    buf_init_secret(&room, HTTP_CREDENTIALS_MAX);
    if (http_credentials_read(value, &room, &c) == ERR_OK) {
        dialogue_ask(d, c.is_key ? "BEARER" : "PLAIN", SPAN(""), c.user, c.password);
    } else {
        refuse_stranger(d, value.p
                               ? "Say Basic with an address and an app password, or Bearer with "
                                 "an app password alone."
                               : "Sign in with an app password whose scope is web.");
    }
    if (room.p) {
        OPENSSL_cleanse(room.p, room.cap);
    }
    buf_finish(&room);
}

// A media type without its parameters.
static bool is_type(struct span value, struct span type)
{
    return span_eq_nocase(span_trim(span_split(&value, ';')), type);
}

static bool is_lines_type(struct span value)
{
    return is_type(value, SPAN(JSON_LINES)) || is_type(value, SPAN("application/x-ndjson"));
}

static bool accepts_lines(struct span accept)
{
    while (accept.n > 0) {
        if (is_lines_type(span_split(&accept, ','))) {
            return true;
        }
    }
    return false;
}

static void note_head(struct http_session *s, const struct http_request *r)
{
    struct http_api *a = &s->api;
    struct span type = http_field_of(r, SPAN("Content-Type"));

    http_api_finish(a);
    *a = (struct http_api){
        .is_api = true,
        .method = arena_dup(&s->arena, r->method_text),
        .wants_lines = accepts_lines(http_field_of(r, SPAN("Accept"))),
        .is_typed = type.p && is_type(type, SPAN(JSON)),
        .is_lines_typed = type.p && is_lines_type(type),
        .has_body = r->framing == HTTP_CHUNKED || (r->framing == HTTP_LENGTH && r->length > 0),
        .length = r->framing == HTTP_LENGTH ? r->length : 0,
        .expects_continue = r->expects_continue,
        .is_chunking = r->minor >= 1,
    };
    http_body_init(&s->body, r);
}

void http_api_head(struct dialogue *d, const struct http_request *r)
{
    struct http_session *s = http_session_of(d);

    note_head(s, r);
    if (!s->api.method.p) {
        refuse_busy(d, "There is not enough memory.");
    } else if (is_from_page(r)) {
        refuse(d, 403, "Requests of web pages are refused.", NULL, 0);
    } else if (d->is_loopback && !d->has_tls && !http_host_is_ours(&s->call)) {
        refuse(d, 421, "This is not the server of that name.", NULL, 0);
    } else if (!dialogue_is_private(d)) {
        refuse(d, 403, "Passwords are said over TLS only.", NULL, 0);
    } else {
        ask_who(d, r);
    }
}

void http_api_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    struct http_session *s = http_session_of(d);
    static const struct http_field later = {{"Retry-After", 11}, {"60", 2}};

    s->is_closed = true; // whoever guesses comes anew each time, and is counted
    if (why == DIALOGUE_TOO_MANY) {
        answer_problem(d, 429, NULL, SPAN("Too many wrong passwords; try again later."), &later, 1);
    } else if (why == DIALOGUE_UNAVAILABLE) {
        refuse_busy(d, "Nobody can be let in now; try again.");
    } else if (text.n > 0) {
        answer_problem(d, 403, NULL, text, NULL, 0);
    } else {
        refuse_stranger(d, "There is no such account, or the app password is wrong.");
    }
}

// ---- what is asked for --------------------------------------------------------------------------

static void refuse_method(struct dialogue *d)
{
    struct http_api *a = api_of(d);
    const struct http_field allow = {SPAN("Allow"), span_from_str(a->match.allow)};

    if (a->match.others > 0) {
        refuse(d, 405, "This cannot be done there.", &allow, 1);
    } else {
        refuse(d, 404, "There is no such operation.", NULL, 0);
    }
}

static bool takes_query(const struct operation *o)
{
    return o->kind == OPERATION_LINES_IN || strcmp(o->method, "GET") == 0 ||
           strcmp(o->method, "DELETE") == 0;
}

// 0, or the status that refuses the body.
static unsigned judge_body(const struct http_api *a)
{
    const struct operation *o = a->operation;

    if (o->kind == OPERATION_LINES_IN) {
        return a->is_lines_typed ? 0 : 415;
    }
    if (!a->has_body) {
        return 0;
    }
    if (takes_query(o)) {
        return 400;
    }
    return !a->is_typed ? 415 : a->length > BODY_MAX ? 413 : 0;
}

static const char *body_trouble(const struct http_api *a, unsigned status)
{
    return status == 400   ? "This takes no body."
           : status == 413 ? "The body is too large."
           : a->operation->kind == OPERATION_LINES_IN
               ? "The body must be JSON lines (application/jsonl)."
               : "The body must be JSON (application/json).";
}

// Query and path; what a body says comes later. ERR_INVALID: `why` says what is wrong.
static enum err make_args(struct http_session *s, json_t *args, char why[HTTP_JSON_WHY_MAX])
{
    const struct http_api *a = &s->api;
    enum err e = ERR_OK;

    if (s->call.query.n > 0 && !takes_query(a->operation)) {
        snprintf(why, HTTP_JSON_WHY_MAX, "The fields of this operation stand in its body.");
        return ERR_INVALID;
    }
    e = http_json_query(a->operation, s->call.query, &s->arena, args, why);
    for (size_t i = 0; i < a->match.value_n && e == ERR_OK; i++) {
        struct span name = a->match.names[i], value = a->match.values[i];
        json_t *v = json_stringn(value.p, value.n);

        if (!v) {
            snprintf(why, HTTP_JSON_WHY_MAX, "The path is no UTF-8.");
            return ERR_INVALID;
        }
        e = json_object_setn_new(args, name.p, name.n, v) == 0 ? ERR_OK : ERR_NOMEM;
    }
    return e;
}

static void refuse_fields(struct dialogue *d, enum err e, const char *why)
{
    if (e == ERR_INVALID || e == ERR_LIMIT) {
        refuse(d, 422, why, NULL, 0);
    } else {
        refuse_busy(d, "There is not enough memory.");
    }
}

static void put_frame(struct dialogue *d, enum control_kind kind, const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);

    if (text) {
        http_keep_put(&d->pair.out, kind, span_from_str(text));
        OPENSSL_cleanse(text, strlen(text)); // may hold a password
    } else {
        d->pair.out.failed = true;
    }
    free(text);
}

// The field "text" goes as data.
static void put_script(struct dialogue *d, const json_t *text)
{
    struct span rest = span_of(json_string_value(text), json_string_length(text));

    while (rest.n > 0) {
        struct span piece = span_first(rest, SCRIPT_PIECE);

        if (http_lines_put_data(&d->pair.out, piece) != ERR_OK) {
            d->pair.out.failed = true;
        }
        rest = span_skip(rest, piece.n);
    }
    http_keep_put(&d->pair.out, CONTROL_END, SPAN(""));
}

// Keep is asked; takes the reference.
static void ask_keep(struct dialogue *d, json_t *args)
{
    struct http_session *s = http_session_of(d);
    struct http_api *a = &s->api;
    bool is_script = a->operation->kind == OPERATION_TEXT_IN;
    json_t *text = is_script ? json_incref(json_object_get(args, "text")) : NULL;

    json_object_del(args, "text");
    json_t *request = json_pack("{s:i, s:s, s:o}", "version", CONTROL_VERSION, "command",
                                a->operation->name, "args", args);

    s->keep = (struct http_keep){0};
    http_answer_begin(&a->answer, a->operation->kind,
                      a->wants_lines || a->operation->kind >= OPERATION_LINES_IN);
    d->pair.is_wanted = true;
    d->pair.kind = DIALOGUE_PAIR_OPERATION;
    put_frame(d, CONTROL_REQUEST, request);
    if (text) {
        put_script(d, text);
    }
    json_decref(text);
    json_decref(request);
}

// All fields are known but those of a body.
static void begin_lines(struct dialogue *d)
{
    char why[HTTP_JSON_WHY_MAX] = "";
    struct http_session *s = http_session_of(d);
    json_t *args = json_object();
    enum err e = args ? make_args(s, args, why) : ERR_NOMEM;

    e = e == ERR_OK ? http_json_complete(s->api.operation, args, why) : e;
    if (e != ERR_OK) {
        json_decref(args);
        refuse_fields(d, e, why);
        return;
    }
    http_lines_init(&s->api.lines);
    s->api.is_dry = json_is_true(json_object_get(args, "dry_run"));
    ask_keep(d, args);
}

void http_api_accepted(struct dialogue *d, struct span ticket)
{
    struct http_session *s = http_session_of(d);
    struct http_api *a = &s->api;
    struct span below = span_skip(s->call.path, sizeof(PREFIX) - 1);
    bool is_head = span_eq(a->method, SPAN("HEAD"));

    d->ticket_bytes = ticket.n <= sizeof(d->ticket) ? ticket.n : 0;
    memcpy(d->ticket, ticket.p, d->ticket_bytes);
    operation_find(is_head ? SPAN("GET") : a->method, below, &a->match);
    a->operation = a->match.operation;
    if (!a->operation) {
        refuse_method(d);
        return;
    }
    unsigned status = judge_body(a);

    if (status) {
        refuse(d, status, body_trouble(a, status), NULL, 0);
        return;
    }
    if (a->has_body && a->expects_continue) {
        buf_put_str(&d->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    s->phase = AT_BODY;
    s->body_text.max = BODY_MAX;
    if (a->operation->kind == OPERATION_LINES_IN) {
        begin_lines(d);
    }
}

// ---- the body -----------------------------------------------------------------------------------

static void ask_with_body(struct dialogue *d)
{
    char why[HTTP_JSON_WHY_MAX] = "";
    struct http_session *s = http_session_of(d);
    json_t *args = NULL;
    enum err e = ERR_OK;

    if (s->body_text.n > 0) {
        e = http_json_object(buf_span(&s->body_text), &args, why);
        if (e == ERR_INVALID || e == ERR_LIMIT) {
            refuse(d, 400, why, NULL, 0);
            return;
        }
        e = e == ERR_OK ? http_json_check(s->api.operation, args, why) : e;
    } else {
        args = json_object();
        e = args ? ERR_OK : ERR_NOMEM;
    }
    e = e == ERR_OK ? make_args(s, args, why) : e;
    e = e == ERR_OK ? http_json_complete(s->api.operation, args, why) : e;
    if (e != ERR_OK) {
        json_decref(args);
        refuse_fields(d, e, why);
        return;
    }
    ask_keep(d, args);
}

static bool wants_data(const struct http_api *a)
{
    return !a->answer.is_unwanted && !a->is_dry;
}

static bool body_ended(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    s->api.is_ended = true;
    if (s->api.operation->kind == OPERATION_LINES_IN) {
        char why[HTTP_JSON_WHY_MAX] = "";
        enum err e = http_lines_end(&s->api.lines, wants_data(&s->api), &d->pair.out, why);

        if (e == ERR_OK) {
            http_keep_put(&d->pair.out, CONTROL_END, SPAN(""));
            s->phase = AT_KEEP;
        } else {
            http_answer_fail(&s->api.answer, e, why);
            s->phase = AT_KEEP;
        }
        return true;
    }
    s->phase = AT_END;
    ask_with_body(d);
    if (d->pair.is_wanted) {
        s->phase = AT_KEEP;
    }
    return true;
}

// Each item is answered before the next is taken.
static bool must_wait(const struct dialogue *d)
{
    const struct http_api *a = api_of(d);

    return a->operation->kind == OPERATION_LINES_IN &&
           (d->pair.out.n > PAIR_HIGH || a->lines.items > a->answer.items);
}

// ERR_AGAIN: all of the piece is taken, or an item waits for its answer.
static enum err take_lines(struct dialogue *d, struct span piece, size_t *out_taken)
{
    struct http_api *a = api_of(d);
    char why[HTTP_JSON_WHY_MAX] = "";
    enum err e = ERR_OK;

    *out_taken = 0;
    while (e == ERR_OK && *out_taken < piece.n && !must_wait(d)) {
        size_t bytes;

        e = http_lines_take(&a->lines, span_skip(piece, *out_taken), wants_data(a), &bytes,
                            &d->pair.out, why);
        *out_taken += bytes;
    }
    if (e != ERR_OK && e != ERR_AGAIN) {
        http_answer_fail(&a->answer, e, why);
    }
    return e;
}

static bool take_piece(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_body before = s->body;
    struct span piece;
    size_t bytes, taken;
    enum err e = http_body_next(&s->body, buf_span(&d->in), &piece, &bytes);

    if (e == ERR_EOF) {
        return body_ended(d);
    }
    if (e == ERR_AGAIN) {
        return false;
    }
    if (e != ERR_OK) {
        s->is_closed = true;
        refuse(d, 400, "The body is broken.", NULL, 0);
        return true;
    }
    if (s->api.operation->kind != OPERATION_LINES_IN) {
        buf_put(&s->body_text, piece);
        dialogue_consume(d, bytes);
        if (s->body_text.failed) {
            refuse(d, 413, "The body is too large.", NULL, 0);
        }
        return true;
    }
    e = take_lines(d, piece, &taken);
    if (taken < piece.n && (e == ERR_OK || e == ERR_AGAIN)) { // the rest later
        s->body = before;
        s->body.left -= taken;
        bytes = taken;
    }
    dialogue_consume(d, bytes);
    d->progress++;
    return true;
}

// ---- the answer ---------------------------------------------------------------------------------

static struct span answer_type(const struct http_api *a)
{
    return a->answer.is_lines ? SPAN(JSON_LINES) : SPAN(JSON);
}

static void send_head(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_response r = {.status = 200,
                              .type = answer_type(&s->api),
                              .has_later_body = true,
                              .is_chunked = s->api.is_chunking,
                              .is_head = s->is_head};

    s->is_closed |= !s->api.is_chunking || !s->api.is_ended; // its end is the connection's
    r.is_closed = s->is_closed;
    http_session_put(d, &r, NULL, 0);
    s->api.is_answering = true;
}

static void send_some(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct buf *text = &s->api.answer.text;

    if (!s->api.is_answering) {
        send_head(d);
    }
    if (text->n > 0 && !s->is_head) {
        if (s->api.is_chunking) {
            buf_printf(&d->out, "%zx\r\n", text->n);
        }
        buf_put(&d->out, buf_span(text));
        buf_put_str(&d->out, s->api.is_chunking ? "\r\n" : "");
    }
    buf_clear(text);
}

static void answer_failed(struct dialogue *d)
{
    static const struct http_field later = {{"Retry-After", 11}, {"5", 1}};
    struct http_session *s = http_session_of(d);
    struct http_answer *a = &s->api.answer;
    unsigned status = http_answer_status(a->code);
    char why[sizeof(a->why)];

    memcpy(why, a->why, sizeof(why));
    s->is_closed |= s->api.has_body && !s->api.is_ended;
    answer_problem(d, status, err_name(a->code), span_from_str(why), &later, status == 503);
}

// What was said of it is not all: only the end of the connection says so.
static void answer_torn(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    s->is_closed = true;
    http_session_keep_leave(d);
    http_session_request_end(d);
}

static void answer_done(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_answer *a = &s->api.answer;

    if (!s->api.is_answering) {
        struct http_response r = {.status = 200,
                                  .type = answer_type(&s->api),
                                  .body = buf_span(&a->text),
                                  .is_head = s->is_head};

        r.is_closed = s->is_closed |= s->api.has_body && !s->api.is_ended;
        http_session_put(d, &r, NULL, 0);
    } else {
        send_some(d);
        buf_put_str(&d->out, s->api.is_chunking && !s->is_head ? "0\r\n\r\n" : "");
    }
    http_session_keep_leave(d);
    http_session_request_end(d);
}

// Keep has said its last word, or the body of the request was no good.
static void answer_end(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    const struct http_answer *a = &s->api.answer;

    if (!a->has_failed) {
        answer_done(d);
    } else if (!s->api.is_answering && a->text.n == 0) {
        answer_failed(d);
    } else if (a->is_lines && a->header_n == 0) {
        answer_done(d); // the error is the last line
    } else if (!s->api.is_answering) {
        answer_failed(d); // nobody has seen any of it
    } else {
        answer_torn(d);
    }
}

bool http_api_take(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);

    if (s->api.answer.is_over) {
        answer_end(d);
        return true;
    }
    if (s->phase == AT_BODY && !must_wait(d)) {
        return take_piece(d);
    }
    d->step = DIALOGUE_WAIT;
    return false;
}

enum err http_api_heard(struct dialogue *d)
{
    struct http_session *s = http_session_of(d);
    struct http_answer *a = &s->api.answer;
    enum err e = ERR_OK;

    if (!s->api.operation || !d->pair.is_wanted) {
        return ERR_INVALID; // it was not asked
    }
    while (e == ERR_OK && d->pair.in.n && !a->is_over) {
        struct span piece;
        size_t bytes;

        e = http_keep_next(&s->keep, buf_span(&d->pair.in), &piece, &bytes);
        if (e == ERR_OK && piece.n > 0) {
            e = http_answer_put(a, s->keep.kind, piece);
        }
        if (e == ERR_OK && s->keep.header_n == 0) {
            e = http_answer_frame_end(a, s->keep.kind);
        }
        if (e == ERR_OK) {
            buf_consume(&d->pair.in, bytes);
        }
    }
    d->progress++; // it is at work
    if (a->is_over && d->step == DIALOGUE_READ) {
        d->step = DIALOGUE_WAIT; // the rest of the request is not needed for the answer
    }
    if (e == ERR_OK && !a->is_over && (a->text.n >= ANSWER_SEND || (a->is_lines && a->text.n))) {
        send_some(d);
    }
    return e == ERR_AGAIN ? ERR_OK : e;
}

void http_api_lost(struct dialogue *d)
{
    struct http_api *a = api_of(d);

    if (a->operation && !a->answer.is_over) {
        http_answer_fail(&a->answer, ERR_UNAVAILABLE,
                         "The server could not finish this now, and nobody knows how far it came; "
                         "look, and try again.");
        d->step = d->step == DIALOGUE_READ ? DIALOGUE_WAIT : d->step;
    }
}
