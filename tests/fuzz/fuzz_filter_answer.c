// SPDX-License-Identifier: Apache-2.0
//
// What a filter says about a message: rspamd's JSON, or (first byte even) a milter's fields and
// replies, cut at 0xff. Whatever it is, only whole header fields, one line of Subject, and a clean
// answer come of it.
#include "courier/filter/rspamd_answer.h"
#include "fuzz.h"
#include "mime/mime_header.h"

static void check_line(struct span s, bool is_ascii)
{
    for (size_t i = 0; i < s.n; i++) {
        CHECK(!byte_is_ctl(s.p[i]) && (!is_ascii || (unsigned char)s.p[i] < 127));
    }
}

static void check_fields(struct span lines)
{
    struct mime_field f;

    while (lines.n) {
        CHECK(mime_header_next(&lines, &f) && f.name.n);
        CHECK(span_ends(f.line, SPAN("\r\n")));
        for (size_t i = 0; i < f.line.n; i++) {
            CHECK(f.line.p[i] != '\0');
            CHECK(f.line.p[i] != '\n' || (i && f.line.p[i - 1] == '\r'));
            CHECK(f.line.p[i] != '\r' || (i + 1 < f.line.n && f.line.p[i + 1] == '\n'));
        }
    }
}

static void be_milter(struct span rest, struct filter_result *r)
{
    struct span name = span_split(&rest, (char)0xff), value = span_split(&rest, (char)0xff);

    filter_result_add(r, name, value);
    filter_result_add(r, value, name);
    filter_result_subject(r, value);
    filter_result_set(r, IPC_FILTER_TEMPORARY, name);
    filter_result_set(r, IPC_FILTER_REJECT, rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct filter f;
    struct filter_result r;

    if (n == 0) {
        return 0;
    }
    CHECK(filter_parse(SPAN("rspamd http://127.0.0.1:1"), &f) == ERR_OK);
    filter_result_init(&r);
    if (data[0] % 2) {
        rspamd_answer_read(span_of(data + 1, n - 1), &f, &r);
    } else {
        be_milter(span_of(data + 1, n - 1), &r);
        filter_result_say(&r, &f, span_of(data + 1, n - 1));
    }
    check_fields(buf_span(&r.lines));
    check_line(buf_span(&r.subject), true);
    check_line(buf_span(&r.words), true);
    check_line(span_from_str(r.text), true);
    CHECK(r.code == 0 || (r.code >= 400 && r.code < 600 && r.text[0] && r.enhanced[0]));
    filter_result_finish(&r);
    return 0;
}
