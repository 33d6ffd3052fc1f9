// SPDX-License-Identifier: Apache-2.0
#include "wire/http/http_response.h"

#include <time.h>

#include "base/banned.h"

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {303, "See Other"},
        {304, "Not Modified"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status) {
            return rows[i].text;
        }
    }
    return "";
}

void http_allow_put(struct buf *out, unsigned methods)
{
    static const struct {
        enum http_method method;
        const char *text;
    } names[] = {{HTTP_GET, "GET, HEAD"},
                 {HTTP_POST, "POST"},
                 {HTTP_PUT, "PUT"},
                 {HTTP_PATCH, "PATCH"},
                 {HTTP_DELETE, "DELETE"}};
    const char *between = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (methods & 1u << names[i].method) {
            buf_printf(out, "%s%s", between, names[i].text);
            between = ", ";
        }
    }
}

void http_date_put(struct buf *out, int64_t seconds)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&t, &tm)) {
        buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
}

static void put_field(struct buf *out, struct span name, struct span value)
{
    buf_put(out, name);
    buf_put(out, SPAN(": "));
    buf_put(out, value);
    buf_put(out, SPAN("\r\n"));
}

void http_response_put(struct buf *out, const struct http_response *r)
{
    bool has_body = r->status >= 200 && r->status != 204 && r->status != 304;

    buf_printf(out, "HTTP/1.1 %u %s\r\nDate: ", r->status, http_status_text(r->status));
    http_date_put(out, r->now_s);
    buf_put(out, SPAN("\r\n"));
    if (r->has_later_body) {
        buf_put_str(out, r->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
        has_body = false;
    }
    if (has_body) {
        buf_put(out, SPAN("Content-Length: "));
        buf_put_u64(out, r->body.n);
        buf_put(out, SPAN("\r\n"));
    }
    if (r->type.n) {
        put_field(out, SPAN("Content-Type"), r->type);
    }
    for (size_t i = 0; i < r->field_n; i++) {
        put_field(out, r->fields[i].name, r->fields[i].value);
    }
    put_field(out, SPAN("Connection"), r->is_closed ? SPAN("close") : SPAN("keep-alive"));
    buf_put(out, SPAN("\r\n"));
    if (has_body && !r->is_head) {
        buf_put(out, r->body);
    }
}
