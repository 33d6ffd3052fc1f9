// SPDX-License-Identifier: Apache-2.0
//
// SCIM 2.0 (RFC 7644) as identity providers see it, at /scim/v2: requests are read here, filters,
// paths and JSON held to their limits and brought into one spelling, and keep decides
// (keep/scim/keep_scim.h). Whatever is wrong with a request is said only to whoever has a token.
#include <openssl/crypto.h>
#include <stdlib.h>

#include "gate/http/http_json.h"
#include "gate/http/http_resource.h"
#include "wire/http/http_response.h"
#include "wire/scim/scim.h"

#include "base/banned.h"

#define PREFIX      "/scim/v2"
#define BODY_MAX    (48u << 10)
#define FILTER_MAX  1800 // its one spelling may be a little longer
#define TOKEN_MAX   256
#define MATCH_MAX   2000
#define NO_VERSION  "\"\"" // an entity tag that nothing has
#define NAMES_MAX   100    // of attributes
#define REQUEST_MAX (112u << 10)
#define HEAD_LINE   400 // of keep's answer
#define NUMBER_MAX  1000000000

struct http_scim {
    struct span host, if_match, if_none_match;
    bool is_too_long;        // one of these
    struct span allow;       // with an error 405
    struct scim_error error; // status 0: nothing is wrong
    struct span request;     // to keep, in the arena
};

bool http_scim_is(struct span path)
{
    return span_eq(path, SPAN(PREFIX)) || span_starts(path, SPAN(PREFIX "/"));
}

// A condition (RFC 9110 section 13.1): a list of versions, or empty when there is none. One that
// names no version is met by none, and must not be taken for one that is not there.
static struct span condition_of(struct http_call *call, struct span name)
{
    const struct http_request *r = call->head;
    struct span found = SPAN("");
    struct buf list;
    bool is_there = false;

    buf_init(&list, MATCH_MAX + 2);
    for (size_t i = 0; i < r->field_n; i++) {
        if (span_eq_nocase(r->fields[i].name, name)) {
            buf_put_str(&list, is_there ? "," : "");
            buf_put(&list, r->fields[i].value);
            is_there = true;
        }
    }
    if (is_there) {
        call->scim->is_too_long |= list.failed;
        found = list.n > 0 ? arena_dup(call->arena, buf_span(&list)) : SPAN(NO_VERSION);
    }
    buf_finish(&list);
    return found;
}

static bool note(struct http_call *call)
{
    struct http_scim *s = arena_zalloc(call->arena, 1, sizeof(*s));

    if (!s) {
        return false;
    }
    s->host = arena_dup(call->arena, http_field_of(call->head, SPAN("Host")));
    call->scim = s;
    s->if_match = condition_of(call, SPAN("If-Match"));
    s->if_none_match = condition_of(call, SPAN("If-None-Match"));
    return s->host.p && s->if_match.p && s->if_none_match.p;
}

static enum err fail_syntax(struct http_call *call, const char *words)
{
    return scim_fail(&call->scim->error, 400, "invalidSyntax", "%s", words);
}

// ---- where --------------------------------------------------------------------------------------

#define BIT(m) (1u << (m))

// What there is. `question` by method: GET, then the others.
static const struct place {
    const char *path; // below the prefix
    bool has_id;      // and one more segment
    const char *get, *post, *put, *patch, *delete;
} places[] = {
    {.path = "/ServiceProviderConfig", .get = "config"},
    {.path = "/ResourceTypes", .get = "types"},
    {.path = "/ResourceTypes/", .has_id = true, .get = "types"},
    {.path = "/Schemas", .get = "schemas"},
    {.path = "/Schemas/", .has_id = true, .get = "schemas"},
    {.path = "/.search", .post = "list"},
    {.path = "/Users", .get = "list", .post = "create"},
    {.path = "/Users/.search", .post = "list"},
    {.path = "/Users/",
     .has_id = true,
     .get = "get",
     .put = "replace",
     .patch = "patch",
     .delete = "delete"},
};

static const char *question_of(const struct place *p, enum http_method m)
{
    switch (m) {
    case HTTP_GET:
    case HTTP_HEAD:
        return p->get;
    case HTTP_POST:
        return p->post;
    case HTTP_PUT:
        return p->put;
    case HTTP_PATCH:
        return p->patch;
    case HTTP_DELETE:
        return p->delete;
    default:
        return NULL;
    }
}

static struct span allow_of(const struct place *p, struct arena *a)
{
    unsigned methods = 0;
    struct buf b;

    for (unsigned m = 0; m < HTTP_METHOD_OTHER; m++) {
        methods |= question_of(p, (enum http_method)m) ? 1u << m : 0;
    }
    buf_init(&b, 64);
    http_allow_put(&b, methods);
    struct span out = arena_dup(a, buf_span(&b));

    buf_finish(&b);
    return out.p ? out : SPAN("");
}

// The id, when there is one, is what stands behind the last slash.
static const struct place *find_place(struct span path, struct span *out_id)
{
    *out_id = SPAN("");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct span own = span_from_str(places[i].path);

        if (!places[i].has_id && span_eq(path, own)) {
            return &places[i];
        }
        if (places[i].has_id && span_starts(path, own)) {
            *out_id = span_skip(path, own.n);
            if (out_id->n > 0 && span_find_byte(*out_id, '/') == out_id->n) {
                return &places[i];
            }
        }
    }
    return NULL;
}

static enum err find_question(struct http_call *call, struct span *out_id)
{
    struct span path = span_skip(call->path, sizeof(PREFIX) - 1);
    struct scim_error *error = &call->scim->error;
    const struct place *p = find_place(path, out_id);

    if (span_eq(path, SPAN("/Bulk")) || span_eq(path, SPAN("/Me"))) {
        return scim_fail(error, 501, NULL, "This is not done here.");
    }
    if (!p) {
        return scim_fail(error, 404, NULL, "There is nothing of this name here.");
    }
    call->question = question_of(p, call->method);
    if (call->question) {
        return ERR_OK;
    }
    call->scim->allow = allow_of(p, call->arena);
    return scim_fail(error, 405, NULL, "This cannot be done there.");
}

// ---- what is said -------------------------------------------------------------------------------

static enum err put_text(json_t *args, const char *name, struct span text)
{
    if (text.n == 0) {
        return ERR_OK;
    }
    json_t *v = json_stringn(text.p, text.n); // NULL: no UTF-8

    return v && json_object_set_new(args, name, v) == 0 ? ERR_OK : ERR_INVALID;
}

static enum err put_number(struct http_call *call, json_t *args, const char *name, const char *said,
                           struct span text)
{
    bool is_below = text.n > 0 && text.p[0] == '-';
    uint64_t n;

    if (text.n == 0) {
        return ERR_OK;
    }
    if (!span_to_u64(span_skip(text, is_below), NUMBER_MAX, &n)) {
        return scim_fail(&call->scim->error, 400, "invalidValue", "\"%s\" must be a number.", said);
    }
    return json_object_set_new(args, name, json_integer(is_below ? -1 : (json_int_t)n)) == 0
               ? ERR_OK
               : ERR_NOMEM;
}

// Names with commas between them.
static enum err put_names(struct http_call *call, json_t *args, const char *name, struct span text)
{
    json_t *list = json_array();
    enum err e = list && json_object_set_new(args, name, list) == 0 ? ERR_OK : ERR_NOMEM;

    while (text.n > 0 && e == ERR_OK) {
        struct span one = span_trim(span_split(&text, ','));

        if (json_array_size(list) == NAMES_MAX) {
            return scim_fail(&call->scim->error, 400, "invalidValue", "Too many attributes.");
        }
        if (one.n > 0 && json_array_append_new(list, json_stringn(one.p, one.n)) != 0) {
            e = ERR_INVALID;
        }
    }
    return e;
}

static enum err put_filter(struct http_call *call, json_t *args, struct span text)
{
    const struct scim_filter *f;
    struct buf b;

    if (text.n == 0) {
        return ERR_OK;
    }
    enum err e = text.n > FILTER_MAX ? ERR_LIMIT : scim_filter_read(text, call->arena, &f);

    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return scim_fail(&call->scim->error, 400, "invalidFilter", "This filter %s.",
                         e == ERR_LIMIT ? "is too long or too deep" : "cannot be read");
    }
    buf_init(&b, SCIM_FILTER_BYTES_MAX);
    if (e == ERR_OK) {
        scim_filter_put(&b, f);
        e = b.failed ? ERR_LIMIT : put_text(args, "filter", buf_span(&b));
    }
    buf_finish(&b);
    return e == ERR_LIMIT
               ? scim_fail(&call->scim->error, 400, "invalidFilter", "This filter is too long.")
               : e;
}

// ---- the query ----------------------------------------------------------------------------------

static struct span form_field(const struct http_form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (span_eq_nocase(f->fields[i].name, span_from_str(name))) {
            return f->fields[i].value;
        }
    }
    return SPAN("");
}

static enum err take_query(struct http_call *call, json_t *args)
{
    struct http_form *f = arena_zalloc(call->arena, 1, sizeof(*f));

    if (!f) {
        return ERR_NOMEM;
    }
    enum err e = http_form_read(call->query, call->arena, f);

    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return scim_fail(&call->scim->error, 400, "invalidValue",
                         "The query has a broken escape, or says something twice.");
    }
    e = e == ERR_OK ? put_filter(call, args, form_field(f, "filter")) : e;
    e = e == ERR_OK ? put_number(call, args, "start", "startIndex", form_field(f, "startIndex"))
                    : e;
    e = e == ERR_OK ? put_number(call, args, "count", "count", form_field(f, "count")) : e;
    e = e == ERR_OK ? put_names(call, args, "attributes", form_field(f, "attributes")) : e;
    return e == ERR_OK ? put_names(call, args, "excluded", form_field(f, "excludedAttributes")) : e;
}

// ---- the body -----------------------------------------------------------------------------------

static bool is_json(struct span content_type)
{
    struct span type = span_trim(span_split(&content_type, ';'));

    return span_eq_nocase(type, SPAN(SCIM_CONTENT_TYPE)) ||
           span_eq_nocase(type, SPAN("application/json"));
}

static struct span text_of(const json_t *v)
{
    return span_of(json_string_value(v), json_string_length(v));
}

static enum err search_names(struct http_call *call, const json_t *body, const char *name,
                             json_t *args, const char *to)
{
    json_t *list = scim_member(body, span_from_str(name));

    if (!list || json_is_null(list)) {
        return ERR_OK;
    }
    bool ok = json_is_array(list) && json_array_size(list) <= NAMES_MAX;

    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        ok = json_is_string(json_array_get(list, i));
    }
    return !ok ? fail_syntax(call, "Attributes are a list of names.")
           : json_object_set(args, to, list) == 0 ? ERR_OK
                                                  : ERR_NOMEM;
}

static enum err search_number(struct http_call *call, const json_t *body, const char *name,
                              json_t *args, const char *to)
{
    const json_t *v = scim_member(body, span_from_str(name));

    if (!v || json_is_null(v)) {
        return ERR_OK;
    }
    if (!json_is_integer(v)) {
        return scim_fail(&call->scim->error, 400, "invalidValue", "\"%s\" must be a number.", name);
    }
    json_int_t n = json_integer_value(v);

    n = n < 0 ? -1 : n > NUMBER_MAX ? NUMBER_MAX : n;
    return json_object_set_new(args, to, json_integer(n)) == 0 ? ERR_OK : ERR_NOMEM;
}

// A search by POST (RFC 7644 section 3.4.3).
static enum err take_search(struct http_call *call, const json_t *body, json_t *args)
{
    enum err e = put_filter(call, args, text_of(scim_member(body, SPAN("filter"))));

    e = e == ERR_OK ? search_number(call, body, "startIndex", args, "start") : e;
    e = e == ERR_OK ? search_number(call, body, "count", args, "count") : e;
    e = e == ERR_OK ? search_names(call, body, "attributes", args, "attributes") : e;
    return e == ERR_OK ? search_names(call, body, "excludedAttributes", args, "excluded") : e;
}

static enum err take_patch(struct http_call *call, const json_t *body, json_t *args)
{
    json_t *list;
    enum err e = scim_patch_read(body, call->arena, &list, &call->scim->error);

    if (e == ERR_OK && json_object_set_new(args, "operations", list) != 0) {
        e = ERR_NOMEM;
    }
    return e;
}

static enum err read_body(struct http_call *call, json_t **out)
{
    char why[HTTP_JSON_WHY_MAX] = "";

    if (!is_json(call->content_type)) {
        return scim_fail(&call->scim->error, 415, NULL,
                         "The body must be JSON (" SCIM_CONTENT_TYPE ").");
    }
    enum err e = http_json_object(call->body, out, why);

    return e == ERR_INVALID || e == ERR_LIMIT ? fail_syntax(call, why) : e;
}

static enum err take_body(struct http_call *call, json_t *args)
{
    bool is_put = call->method == HTTP_PUT, is_patch = call->method == HTTP_PATCH;
    json_t *body;

    if (call->method != HTTP_POST && !is_put && !is_patch) {
        return ERR_OK;
    }
    enum err e = read_body(call, &body);

    if (e != ERR_OK) {
        return e;
    }
    if (is_patch) {
        e = take_patch(call, body, args);
    } else if (!is_put && strcmp(call->question, "list") == 0) {
        e = take_search(call, body, args);
    } else {
        e = json_object_set(args, "body", body) == 0 ? ERR_OK : ERR_NOMEM;
    }
    json_decref(body);
    return e;
}

// ---- the question to keep -----------------------------------------------------------------------

static struct span token_of(struct span authorization)
{
    struct span scheme = span_split(&authorization, ' ');
    struct span token = span_trim(authorization);

    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] <= ' ' || token.p[i] >= 127) {
            return SPAN("");
        }
    }
    return span_eq_nocase(scheme, SPAN("Bearer")) && token.n <= TOKEN_MAX ? token : SPAN("");
}

static struct span base_of(const struct http_call *call)
{
    struct span host = call->scim->host.n > 0 ? call->scim->host : call->host;
    struct buf b;

    buf_init(&b, 400);
    buf_put_str(&b, "https://");
    buf_put(&b, host);
    buf_put_str(&b, PREFIX);
    struct span base = arena_dup(call->arena, buf_span(&b));

    buf_finish(&b);
    return base.p ? base : SPAN("");
}

static enum err make_args(struct http_call *call, json_t *args)
{
    const struct http_scim *s = call->scim;
    struct span id;
    enum err e = find_question(call, &id);

    if (e == ERR_OK && s->is_too_long) {
        e = fail_syntax(call, "The list of versions is too long.");
    }
    e = e == ERR_OK ? put_text(args, "id", id) : e;
    e = e == ERR_OK ? put_text(args, "if_match", s->if_match) : e;
    e = e == ERR_OK ? put_text(args, "if_none_match", s->if_none_match) : e;
    e = e == ERR_OK ? put_text(args, "base", base_of(call)) : e;
    e = e == ERR_OK ? take_query(call, args) : e;
    return e == ERR_OK ? take_body(call, args) : e;
}

// In the arena. Keep hears of the token in any case, so that who has none is told nothing else.
static enum err make_request(struct http_call *call, struct span token)
{
    json_t *args = json_object();
    enum err e = args ? make_args(call, args) : ERR_NOMEM;

    if (e == ERR_INVALID && call->scim->error.status == 0) {
        fail_syntax(call, "Something of this is no UTF-8.");
    }
    if (e == ERR_INVALID) {
        json_decref(args);
        args = json_object();
        call->question = "check";
        e = args ? ERR_OK : ERR_NOMEM;
    }
    e = e == ERR_OK ? put_text(args, "token", token) : e;
    e = e == ERR_OK ? put_text(args, "remote", call->remote) : e;
    e = e == ERR_OK ? put_text(args, "question", span_from_str(call->question)) : e;
    json_t *request = json_pack("{s:i, s:s, s:o*}", "version", 1, "command", "scim", "args", args);
    char *text = e == ERR_OK && request ? json_dumps(request, JSON_COMPACT) : NULL;

    json_decref(request);
    if (!text) {
        return ERR_NOMEM;
    }
    size_t n = strlen(text);

    call->scim->request =
        n <= REQUEST_MAX ? arena_dup(call->arena, span_of(text, n)) : (struct span){NULL, 0};
    OPENSSL_cleanse(text, n); // may hold a password
    free(text);
    return call->scim->request.p ? ERR_OK : ERR_NOMEM;
}

static unsigned begin(struct http_call *call)
{
    struct span token = token_of(call->authorization);

    if (!conf_value_bool(call->settings, SETTING_SCIM)) {
        return 404;
    }
    if (!call->is_private) {
        return 403;
    }
    if (token.n == 0) {
        scim_fail(&call->scim->error, 401, NULL,
                  "Show a provisioning token: Bearer and the token.");
        return 0;
    }
    call->asks = true;
    return make_request(call, token) == ERR_OK ? 0 : 503;
}

static void ask(const struct http_call *call, struct buf *request)
{
    buf_put(request, call->scim->request);
}

// ---- answers ------------------------------------------------------------------------------------

static void set_field(struct http_reply *r, struct span name, struct span value)
{
    r->fields[r->field_n++] = (struct http_field){name, value};
}

// What comes with a status.
static void set_fields_of(struct http_reply *r)
{
    if (r->status == 401) {
        set_field(r, SPAN("WWW-Authenticate"), SPAN("Bearer realm=\"Mailkeep provisioning\""));
    } else if (r->status == 429 || r->status == 503) {
        set_field(r, SPAN("Retry-After"), r->status == 429 ? SPAN("60") : SPAN("5"));
    }
}

static void answer_error(struct http_reply *r, unsigned status, const char *type, const char *words)
{
    r->status = status;
    r->type = SCIM_CONTENT_TYPE;
    scim_error_put(&r->body, status, type, span_from_str(words));
    set_fields_of(r);
}

// "201 W/"..." /Users/17", of keep's answer. False: it is none.
static bool take_line(struct http_call *call, struct http_reply *r)
{
    struct span rest = call->told, line = span_split(&rest, '\n');
    struct span status = span_split(&line, ' '), version = span_split(&line, ' ');
    uint64_t n;

    if (line.n > HEAD_LINE || !span_to_u64(status, 599, &n) || n < 200) {
        return false;
    }
    r->status = (unsigned)n;
    call->told = rest;
    if (!span_eq(version, SPAN("-")) && version.n > 0) {
        set_field(r, SPAN("ETag"), version);
    }
    if (!span_eq(line, SPAN("-")) && line.n > 0) {
        struct buf b;

        buf_init(&b, 800);
        buf_put(&b, base_of(call));
        buf_put(&b, line);
        struct span location = arena_dup(call->arena, buf_span(&b));

        buf_finish(&b);
        if (location.p) {
            set_field(r, SPAN("Location"), location);
        }
    }
    return true;
}

static void respond(struct http_call *call, struct http_reply *r)
{
    const struct scim_error *own = &call->scim->error;

    if (!call->asks) {
        answer_error(r, own->status, own->type, own->detail);
        return;
    }
    if (call->keep_failed || !take_line(call, r)) {
        r->field_n = 0;
        answer_error(r, 503, NULL, "The server cannot do this now; try again.");
        return;
    }
    if (own->status > 0 && r->status == 204) { // the token was right
        if (own->status == 405) {
            set_field(r, SPAN("Allow"), call->scim->allow);
        }
        answer_error(r, own->status, own->type, own->detail);
        return;
    }
    bool has_body = r->status != 204 && r->status != 304;

    r->type = has_body ? SCIM_CONTENT_TYPE : NULL;
    buf_put(&r->body, has_body ? call->told : SPAN(""));
    set_fields_of(r);
}

static void put_error(unsigned status, struct buf *body)
{
    scim_error_put(body, status, status == 413 ? "tooMany" : NULL,
                   span_from_str(http_status_text(status)));
}

const struct http_resource http_scim_resource = {
    .path = PREFIX,
    .methods = BIT(HTTP_GET) | BIT(HTTP_POST) | BIT(HTTP_PUT) | BIT(HTTP_PATCH) | BIT(HTTP_DELETE),
    .type = SCIM_CONTENT_TYPE,
    .body_max = BODY_MAX,
    .is_scim = true,
    .begin = begin,
    .ask = ask,
    .respond = respond,
    .note = note,
    .put_error = put_error,
    .error_type = SCIM_CONTENT_TYPE,
};
