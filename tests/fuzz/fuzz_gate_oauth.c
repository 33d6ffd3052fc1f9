// SPDX-License-Identifier: Apache-2.0
//
// Our own authorization server in the gate: any form, and any fields that keep might answer with.
// What keep is asked is one JSON object; what comes back is a page, JSON, or a way back to the app
// that no field can break out of. The same of the page of one's own account. The first byte chooses
// the resource, the second how it is asked.
#include <jansson.h>

#include "../unit/gate/dialogue_driver.h"
#include "fuzz.h"
#include "gate/http/http.h"
#include "gate/http/http_account.h"

#define HOST   "mail.example.org"
#define COOKIE "00112233445566778899aabbccddeeff"

static bool is_json(struct span text)
{
    json_t *j = json_loadb(text.p, text.n, 0, NULL);
    bool ok = json_is_object(j);

    json_decref(j);
    return ok;
}

// Quotes and tags are ours alone: what others have said stands there escaped.
static void check_page(struct span page)
{
    static const char *const tags[] = {"!DOCTYPE html>",
                                       "html ",
                                       "head>",
                                       "meta ",
                                       "link ",
                                       "title>",
                                       "body>",
                                       "main>",
                                       "h1>",
                                       "h2>",
                                       "p>",
                                       "p ",
                                       "strong>",
                                       "ul>",
                                       "li>",
                                       "form ",
                                       "input ",
                                       "label ",
                                       "button ",
                                       "section ",
                                       "table>",
                                       "caption>",
                                       "thead>",
                                       "tbody>",
                                       "tr>",
                                       "th ",
                                       "td>",
                                       "div ",
                                       "svg ",
                                       "rect ",
                                       "path ",
                                       "time ",
                                       "code "};
    size_t quotes = 0;

    for (size_t i = 0; i < page.n; i++) {
        struct span rest = span_skip(page, i + 1);
        bool is_known = span_starts(rest, SPAN("/"));

        quotes += page.p[i] == '"';
        for (size_t t = 0; page.p[i] == '<' && t < sizeof(tags) / sizeof(tags[0]); t++) {
            is_known |= span_starts(rest, span_from_str(tags[t]));
        }
        CHECK(page.p[i] != '<' || is_known);
    }
    CHECK(quotes % 2 == 0);
}

static void check_reply(const struct http_call *call, const struct http_reply *r)
{
    struct span body = buf_span(&r->body);

    CHECK(r->status >= 200 && r->status < 600 && r->field_n <= HTTP_REPLY_FIELDS_MAX);
    for (size_t i = 0; i < r->field_n; i++) {
        CHECK(http_is_token(r->fields[i].name) && http_is_field_value(r->fields[i].value));
    }
    CHECK(http_is_field_value(r->policy));
    if (r->status == 303) {
        CHECK(span_starts(r->fields[0].value, http_form_get(call->form, "redirect_uri")));
    }
    if (r->type && span_starts(span_from_str(r->type), SPAN("application/json"))) {
        CHECK(is_json(body));
    } else if (r->type && span_starts(span_from_str(r->type), SPAN("text/html"))) {
        check_page(body);
    }
}

static void go(const struct http_resource *resource, struct http_call *call, struct span told)
{
    struct http_reply reply = {.status = 200, .type = resource->type};
    unsigned status = resource->begin(call);
    struct buf b;

    if (status) {
        CHECK(status >= 400 && status < 600);
        return;
    }
    if (call->asks) {
        buf_init(&b, 1u << 20);
        resource->ask(call, &b);
        CHECK(!b.failed && is_json(buf_span(&b)));
        buf_finish(&b);
        call->told = told;
    }
    buf_init(&reply.body, 1u << 20);
    resource->respond(call, &reply);
    CHECK(!reply.body.failed);
    check_reply(call, &reply);
    buf_finish(&reply.body);
}

// With the mark that a form of this browser has.
static struct span with_guard(struct span form, struct span path, struct buf *b)
{
    char guard[HTTP_OAUTH_GUARD_CHARS];

    http_oauth_guard(COOKIE, path, guard);
    buf_put(b, form);
    http_form_put(b, "guard", span_of(guard, sizeof(guard)));
    return buf_span(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct driver driver;
    static size_t resources;
    struct arena arena;
    struct buf b;

    if (!resources) {
        driver_open(&driver, &http_protocol, "oauth_server = yes\n");
        while (http_oauth_resources[resources].path) {
            resources++;
        }
    }
    if (size < 2) {
        return 0;
    }
    size_t chosen = data[0] % (resources + 1);
    bool is_account = chosen == resources, is_in = data[1] & 8;
    const struct http_resource *resource =
        is_account ? &http_account_resource : &http_oauth_resources[chosen];
    struct span told = span_of(data + 2, size - 2), form = span_split(&told, '\n');
    struct http_call call = {
        .settings = driver.d.settings,
        .server = SPAN(HOST),
        .host = SPAN(HOST),
        .path = span_from_str(resource->path),
        .method = data[1] & 1 ? HTTP_POST : HTTP_GET,
        .content_type = SPAN("application/x-www-form-urlencoded"),
        .cookie = is_in ? SPAN(HTTP_OAUTH_COOKIE "=" COOKIE "; " HTTP_ACCOUNT_COOKIE "=" COOKIE)
                        : SPAN(HTTP_OAUTH_COOKIE "=" COOKIE),
        .remote = SPAN("192.0.2.1"),
        .arena = &arena,
        .is_private = true,
        .keep_failed = data[1] & 4};

    if (!(resource->methods & 1u << call.method)) {
        return 0;
    }
    arena_init(&arena, 1u << 20);
    buf_init(&b, 1u << 20);
    struct span page = !is_account ? call.path
                       : is_in     ? SPAN("/account " COOKIE)
                                   : SPAN("/account ");

    form = data[1] & 2 ? with_guard(form, page, &b) : form;
    call.query = call.body = form;
    go(resource, &call, told);
    buf_finish(&b);
    arena_finish(&arena);
    return 0;
}
