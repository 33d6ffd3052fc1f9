// SPDX-License-Identifier: Apache-2.0
//
// HTTP requests, one after the other as on a connection: the answer does not depend on how the
// bytes come in, and whoever reads a request strictly finds its end where we do.
#include "base/buf.h"
#include "fuzz.h"
#include "wire/http/http_body.h"

static bool is_within(struct span part, struct span all)
{
    return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void check_path(struct span path)
{
    struct arena a;
    struct span decoded;

    arena_init(&a, 1u << 20);
    if (http_path_decode(path, &a, &decoded) == ERR_OK) {
        CHECK(decoded.n <= path.n && span_find(decoded, SPAN("/../")) == decoded.n);
        CHECK(span_find_byte(decoded, '\0') == decoded.n && !span_ends(decoded, SPAN("/..")));
    }
    arena_finish(&a);
}

static void check_request(const struct http_request *r, struct span head)
{
    size_t lengths = 0;

    CHECK(r->field_n <= HTTP_FIELDS_MAX && r->minor <= 1);
    CHECK(is_within(r->path, head) && is_within(r->query, head) && is_within(r->host, head));
    CHECK(r->host.n || r->minor == 0);
    for (size_t i = 0; i < r->field_n; i++) {
        CHECK(http_is_token(r->fields[i].name) && http_is_field_value(r->fields[i].value));
        CHECK(is_within(r->fields[i].name, head) && is_within(r->fields[i].value, head));
        lengths += span_eq_nocase(r->fields[i].name, SPAN("Content-Length")) ||
                   span_eq_nocase(r->fields[i].name, SPAN("Transfer-Encoding"));
    }
    CHECK(lengths <= 1 && (lengths || r->framing == HTTP_NO_BODY));
    check_path(r->path);
}

struct result {
    unsigned status; // 0: read well, 1: not whole
    size_t bytes;    // of head and body
    struct buf body;
};

// A request off the front, `step` bytes more at a time.
static void read_request(struct span in, size_t step, struct result *out)
{
    struct http_scan scan = {0};
    struct http_request r;
    struct http_body body;
    struct span head, data;
    size_t n = 0, bytes;
    enum err e;

    out->status = 1;
    do {
        n = in.n - n > step ? n + step : in.n;
        e = http_scan_head(&scan, span_first(in, n), &head, &out->bytes, &out->status);
    } while (e == ERR_AGAIN && n < in.n);
    if (e != ERR_OK || http_parse_head(head, &r, &out->status) != ERR_OK) {
        CHECK(e == ERR_AGAIN || out->status >= 400);
        return;
    }
    CHECK(out->bytes <= HTTP_HEAD_BYTES_MAX && out->bytes <= n);
    check_request(&r, head);
    http_body_init(&body, &r);
    for (;;) {
        e = http_body_next(&body, span_skip(span_first(in, n), out->bytes), &data, &bytes);
        if (e == ERR_OK) {
            CHECK(bytes > 0 && is_within(data, in));
            buf_put(&out->body, data);
            out->bytes += bytes;
        } else if (e == ERR_AGAIN && n < in.n) {
            n = in.n - n > step ? n + step : in.n;
        } else {
            break;
        }
    }
    CHECK(e != ERR_EOF || r.framing != HTTP_LENGTH || out->body.n == r.length);
    out->status = e == ERR_EOF ? 0 : e == ERR_AGAIN ? 1 : 400;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of(data, n);
    struct result whole, cut;

    do {
        buf_init(&whole.body, 1u << 20);
        buf_init(&cut.body, 1u << 20);
        read_request(in, in.n + 1, &whole);
        read_request(in, n % 7 + 1, &cut);
        CHECK(whole.status == cut.status);
        CHECK(whole.status ||
              (whole.bytes == cut.bytes && span_eq(buf_span(&whole.body), buf_span(&cut.body))));
        buf_finish(&whole.body);
        buf_finish(&cut.body);
        in = span_skip(in, whole.bytes);
    } while (whole.status == 0 && in.n);
    return 0;
}
