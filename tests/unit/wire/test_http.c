// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1: heads and bodies that a server must read in one way only, cut at every place; limits;
// responses.
#include "../test.h"
#include "wire/http/http_body.h"
#include "wire/http/http_response.h"

#define GET "GET / HTTP/1.1\r\nHost: a.example\r\n"

// What a server does with `in`: the first request of it, as text.
static const struct {
    const char *in, *want;
} rows[] = {
    // the request line
    {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET / host=a.example keep"},
    {"\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET / host=a.example keep"},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "400"},
    {"HEAD /a/b?c=d&e HTTP/1.1\r\nhost:A.Example:8443\r\n\r\n",
     "HEAD /a/b query=c=d&e host=A.Example keep"},
    {"GET /? HTTP/1.1\r\nHost: a.example.\r\n\r\n", "GET / query= host=a.example keep"},
    {"GET / HTTP/1.0\r\n\r\n", "GET / host= close"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / host= close"},
    {"GET / HTTP/1.7\r\nHost: a\r\n\r\n", "GET / host=a keep"},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400"},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET /\r\nHost: a\r\n\r\n", "400"},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", "400"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "BREW / host=a keep"},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * host=a keep"},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
    {"GET https://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /x host=b.example keep"},
    {"GET https:///x HTTP/1.1\r\nHost: a.example\r\n\r\n", "400"},
    {"GET https://u@b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "400"},
    // Host
    {"GET / HTTP/1.1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "GET / host=a keep"},
    {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", "GET / host=[2001:db8::1] keep"},
    {"GET / HTTP/1.1\r\nHost: [2001:db8::1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", "400"},
    // fields
    {GET "X : y\r\n\r\n", "400"},
    {GET " X: y\r\n\r\n", "400"},
    {GET "X: y\r\n folded\r\n\r\n", "400"},
    {GET "X: y\r\n\tfolded\r\n\r\n", "400"},
    {GET "X\r\n\r\n", "400"},
    {GET ": y\r\n\r\n", "400"},
    {GET "X: a\x01\r\n\r\n", "400"},
    {GET "X:\r\n\r\n", "GET / host=a.example keep"},
    {GET "X: \xc3\xa4\t b \r\n\r\n", "GET / host=a.example keep"},
    {GET "Connection: TE , Close\r\n\r\n", "GET / host=a.example close"},
    {GET "Connection: closed\r\n\r\n", "GET / host=a.example keep"},
    // line ends
    {"GET / HTTP/1.1\nHost: a\n\n", "400"},
    {GET "X: y\n\r\n", "400"},
    {GET "X: y\rz\r\n\r\n", "400"},
    {GET "X: y\r\r\n\r\n", "400"},
    // framing: W07, no two readings
    {GET "Content-Length: 3\r\n\r\nabcGET", "GET / host=a.example keep body=abc"},
    {GET "Content-Length: 0\r\n\r\n", "GET / host=a.example keep"},
    {GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
    {GET "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "400"},
    {GET "Content-Length: 3, 3\r\n\r\nabc", "400"},
    {GET "Content-Length: +3\r\n\r\nabc", "400"},
    {GET "Content-Length: -3\r\n\r\nabc", "400"},
    {GET "Content-Length: 0x3\r\n\r\nabc", "400"},
    {GET "Content-Length:\r\n\r\nabc", "400"},
    {GET "Content-Length: 9223372036854775808\r\n\r\nabc", "400"},
    {GET "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {GET "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"},
    {GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {GET "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
    {GET "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501"},
    {GET "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
    {GET "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
    {GET "Transfer-Encoding:\x0b"
         "chunked\r\n\r\n0\r\n\r\n",
     "400"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {GET "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "GET / host=a.example keep body="},
    {GET "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
     "GET / host=a.example keep body=abc0123456789"},
    {GET "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
     "GET / host=a.example keep body=a"},
    {GET "Transfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", "broken body"},
    {GET "Transfer-Encoding: chunked\r\n\r\n1;\x01\r\na\r\n0\r\n\r\n", "broken body"},
    // Expect
    {GET "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
     "GET / host=a.example keep continue body=a"},
    {GET "Expect: 100-continue\r\n\r\n", "GET / host=a.example keep"},
    {GET "Expect: tea\r\n\r\n", "417"},
};

static void describe(const struct http_request *r, struct buf *out)
{
    buf_put(out, r->method_text);
    buf_put_str(out, " ");
    buf_put(out, r->path);
    if (r->has_query) {
        buf_put_str(out, " query=");
        buf_put(out, r->query);
    }
    buf_put_str(out, " host=");
    buf_put(out, r->host);
    buf_put_str(out, r->keeps_alive ? " keep" : " close");
    buf_put_str(out, r->expects_continue ? " continue" : "");
}

struct reading {
    struct http_scan scan;
    struct http_request request;
    struct http_body body;
    bool has_head;
    size_t dropped;
};

// Reads on with `in`; false: more input is needed.
static bool read_on(struct reading *r, struct span in, struct buf *out)
{
    struct span head, data;
    size_t bytes;
    unsigned status = 0;
    enum err e;

    if (!r->has_head) {
        e = http_scan_head(&r->scan, in, &head, &bytes, &status);
        if (e == ERR_AGAIN) {
            return false;
        }
        if (e != ERR_OK || http_parse_head(head, &r->request, &status) != ERR_OK) {
            buf_put_u64(out, status);
            return true;
        }
        describe(&r->request, out);
        buf_put_str(out, r->request.framing == HTTP_NO_BODY ? "" : " body=");
        http_body_init(&r->body, &r->request);
        r->has_head = true;
        r->dropped = bytes;
    }
    while ((e = http_body_next(&r->body, span_skip(in, r->dropped), &data, &bytes)) == ERR_OK) {
        buf_put(out, data);
        r->dropped += bytes;
    }
    if (e == ERR_INVALID) {
        buf_clear(out);
        buf_put_str(out, "broken body");
    }
    return e != ERR_AGAIN;
}

static void test_w07_a_request_is_read_in_one_way_only(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span in = span_from_str(rows[i].in);

        for (size_t step = 1; step <= in.n; step++) {
            struct reading r = {0};
            size_t n = 0;

            buf_clear(&out);
            do {
                n = n + step < in.n ? n + step : in.n;
            } while (!read_on(&r, span_first(in, n), &out) && n < in.n);
            if (!span_eq(buf_span(&out), span_from_str(rows[i].want))) {
                fail_msg("row %zu, %zu bytes at a time: got \"%.*s\", want \"%s\"", i, step,
                         SPAN_ARG(buf_span(&out)), rows[i].want);
            }
        }
    }
    buf_finish(&out);
}

// ---- limits -------------------------------------------------------------------------------------

// `lead`, then `unit` so many times, then `tail`.
static unsigned status_of(const char *lead, const char *unit, size_t times, const char *tail)
{
    struct http_scan scan = {0};
    struct http_request r;
    struct span head;
    size_t bytes;
    unsigned status = 0;
    struct buf in;

    buf_init(&in, 1u << 24);
    buf_put_str(&in, lead);
    for (size_t i = 0; i < times; i++) {
        buf_put_str(&in, unit);
    }
    buf_put_str(&in, tail);
    enum err e = http_scan_head(&scan, buf_span(&in), &head, &bytes, &status);

    if (e == ERR_OK) {
        e = http_parse_head(head, &r, &status);
    }
    assert_true(e != ERR_AGAIN);
    buf_finish(&in);
    return e == ERR_OK ? 200 : status;
}

static void test_w07_limits_of_a_head(void **state)
{
    const size_t line = HTTP_LINE_BYTES_MAX - strlen("GET / HTTP/1.1\r\n");
    const size_t field = HTTP_HEAD_BYTES_MAX - strlen(GET "X: \r\n\r\n");
    const char *end = " HTTP/1.1\r\nHost: a\r\n\r\n";

    (void)state;
    assert_int_equal(status_of("GET /", "a", line, end), 200);
    assert_int_equal(status_of("GET /", "a", line + 1, end), 414);
    assert_int_equal(status_of("", "a", 1u << 20, ""), 414);
    assert_int_equal(status_of(GET "X: ", "a", field, "\r\n\r\n"), 200);
    assert_int_equal(status_of(GET "X: ", "a", field + 1, "\r\n\r\n"), 431);
    assert_int_equal(status_of(GET, "X: y\r\n", HTTP_FIELDS_MAX - 1, "\r\n"), 200);
    assert_int_equal(status_of(GET, "X: y\r\n", HTTP_FIELDS_MAX, "\r\n"), 431);
    assert_int_equal(status_of(GET, "X: y\r\n", 10000, "\r\n"), 431);
}

static enum err body_of(const char *lead, const char *unit, size_t times, const char *tail)
{
    const struct http_request r = {.framing = HTTP_CHUNKED};
    struct http_body body;
    struct span rest, data;
    size_t bytes;
    struct buf in;
    enum err e;

    http_body_init(&body, &r);
    buf_init(&in, 1u << 24);
    buf_put_str(&in, lead);
    for (size_t i = 0; i < times; i++) {
        buf_put_str(&in, unit);
    }
    buf_put_str(&in, tail);
    rest = buf_span(&in);
    while ((e = http_body_next(&body, rest, &data, &bytes)) == ERR_OK) {
        rest = span_skip(rest, bytes);
    }
    buf_finish(&in);
    return e;
}

static void test_w07_chunk_extensions_are_bounded(void **state)
{
    (void)state;
    assert_err(body_of("1;", "x", HTTP_CHUNK_LINE_BYTES_MAX - 4, "\r\na\r\n0\r\n\r\n"), ERR_EOF);
    assert_err(body_of("1;", "x", HTTP_CHUNK_LINE_BYTES_MAX - 3, "\r\na\r\n0\r\n\r\n"),
               ERR_INVALID);
    assert_err(body_of("1;", "x", 1u << 20, ""), ERR_INVALID);
    assert_err(body_of("", "1;xxxxxxx\r\na\r\n", HTTP_CHUNK_EXTRA_MAX / 8, "0\r\n\r\n"), ERR_EOF);
    assert_err(body_of("", "1;xxxxxxx\r\na\r\n", HTTP_CHUNK_EXTRA_MAX / 8 + 1, "0\r\n\r\n"),
               ERR_INVALID);
    assert_err(body_of("0\r\n", "X: y\r\n", 1000, "\r\n"), ERR_EOF);
    assert_err(body_of("0\r\n", "X: y\r\n", HTTP_TRAILER_BYTES_MAX / 6 + 1, "\r\n"), ERR_INVALID);
}

// ---- paths and queries --------------------------------------------------------------------------

static void test_w07_a_path_has_one_spelling(void **state)
{
    static const struct {
        const char *in, *want; // NULL: refused
    } paths[] = {
        {"/", "/"},
        {"/a%20b", "/a b"},
        {"/%2e%2e%2fetc", NULL},
        {"/%2e%2e/etc", NULL},
        {"/a/../b", NULL},
        {"/a/./b", NULL},
        {"/..", NULL},
        {"/a%2fb", NULL},
        {"/a%2Fb", NULL},
        {"/%00", NULL},
        {"/%0d%0a", NULL},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%zz", NULL},
        {"/a%5cb", NULL},
        {"/a\\b", NULL},
        {"/...", "/..."},
        {"/%252e%252e", "/%2e%2e"},
        {"/.a/b..", "/.a/b.."},
        {"/%7f", NULL},
    };
    struct arena a;
    struct span got;

    (void)state;
    arena_init(&a, 65536);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        enum err e = http_path_decode(span_from_str(paths[i].in), &a, &got);

        assert_err(e, paths[i].want ? ERR_OK : ERR_INVALID);
        if (paths[i].want) {
            assert_span(got, paths[i].want);
        }
    }
    arena_finish(&a);
}

static void test_a_query_gives_its_values(void **state)
{
    const struct span query = SPAN("a=1&emailaddress=anna%40x.example&b=c+d&e&f%20=g&bad=%0");
    struct arena a;
    struct span got;

    (void)state;
    arena_init(&a, 65536);
    assert_ok(http_query_value(query, SPAN("emailaddress"), &a, &got));
    assert_span(got, "anna@x.example");
    assert_ok(http_query_value(query, SPAN("b"), &a, &got));
    assert_span(got, "c d");
    assert_ok(http_query_value(query, SPAN("e"), &a, &got));
    assert_span(got, "");
    assert_ok(http_query_value(query, SPAN("f "), &a, &got));
    assert_span(got, "g");
    assert_err(http_query_value(query, SPAN("bad"), &a, &got), ERR_INVALID);
    assert_err(http_query_value(query, SPAN("z"), &a, &got), ERR_NOT_FOUND);
    arena_finish(&a);
}

// ---- responses ----------------------------------------------------------------------------------

static void test_a_response_is_whole(void **state)
{
    static const struct http_field fields[] = {{{"X-A", 3}, {"b", 1}}};
    struct http_response r = {.status = 200,
                              .type = SPAN("text/plain"),
                              .body = SPAN("hello"),
                              .fields = fields,
                              .field_n = 1,
                              .now_s = 784111777};
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    http_response_put(&out, &r);
    assert_span(buf_span(&out), "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                "Content-Length: 5\r\nContent-Type: text/plain\r\nX-A: b\r\n"
                                "Connection: keep-alive\r\n\r\nhello");
    buf_clear(&out);
    r.is_head = r.is_closed = true;
    r.field_n = 0;
    http_response_put(&out, &r);
    assert_span(buf_span(&out), "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                "Content-Length: 5\r\nContent-Type: text/plain\r\n"
                                "Connection: close\r\n\r\n");
    buf_clear(&out);
    http_response_put(&out, &(struct http_response){.status = 204, .now_s = 0});
    assert_span(buf_span(&out), "HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                "Connection: keep-alive\r\n\r\n");
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_w07_a_request_is_read_in_one_way_only),
        cmocka_unit_test(test_w07_limits_of_a_head),
        cmocka_unit_test(test_w07_chunk_extensions_are_bounded),
        cmocka_unit_test(test_w07_a_path_has_one_spelling),
        cmocka_unit_test(test_a_query_gives_its_values),
        cmocka_unit_test(test_a_response_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
