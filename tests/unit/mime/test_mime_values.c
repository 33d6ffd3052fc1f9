// SPDX-License-Identifier: Apache-2.0
//
// Dates, message identifiers, base subjects, parameters.
#include "../test.h"
#include "mime/mime_date.h"
#include "mime/mime_msgid.h"
#include "mime/mime_param.h"
#include "mime/mime_subject.h"

#define NONE INT64_MIN

static const struct {
    const char *in;
    int64_t want;
    int zone;
    bool has_zone;
} dates[] = {
    {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360, true},
    {" 21 Nov 1997 09:55:06 -0600 (CST)", 880127706, -360, true},
    {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360, true},
    {"21 Nov 97 09:55 GMT", 880106100, 0, true},
    {"Thu, 1 Jan 1970 00:00:00 +0000", 0, 0, true},
    {"Thu, 1 Jan 1970 00:00:00 -0000", 0, 0, false},
    {"1 Jan 1970 01:00:00 +0100", 0, 60, true},
    {"1 Jan 1970 05:30:00 +05:30", 0, 330, true},
    {"Wed, 31 Dec 1969 19:00:00 EST", 0, -300, true},
    {"Tue, 29 Feb 2000 12:00:00 +0000", 951825600, 0, true},
    {"Tue, 29 Feb 2001 12:00:00 +0000", NONE, 0, false},
    {"Mon, 31 Dec 2018 23:59:60 +0000", 1546300800, 0, true},
    {"Sun, 07 Feb 2106 06:28:16 +0000", 4294967296, 0, true},
    {"Sat, 1 Jan 0102 00:00:00 +0000", 1009843200, 0, true},
    {"1 Jan 102 00:00:00 +0000", 1009843200, 0, true},
    {"1 Jan 02 00:00:00 +0000", 1009843200, 0, true},
    {"1 Jan 49 00:00:00 Z", 2493072000, 0, true},
    {"1 Jan 50 00:00:00 Z", -631152000, 0, true},
    {"Fri Nov 21 09:55:06 1997", 880106106, 0, false},
    {"Fri Nov 21 09:55:06 GMT 1997", 880106106, 0, true},
    {"Friday, 21-Nov-97 09:55:06 GMT", 880106106, 0, true},
    {"21-November-1997 9:55:06 PST", 880134906, -480, true},
    {"1997-11-21 09:55:06 +0000", 880106106, 0, true},
    {"1997-11-21T09:55:06.123Z", 880106106, 0, true},
    {"28 Jun 01 10:05:15 PM", 993765915, 0, false},
    {"28 Jun 01 12:05:15 AM", 993686715, 0, false},
    {"Thu, 29 Aug 2002 15:36:58 +-0500", 1030653418, -300, true},
    {"Fri, 02 Aug 2002 23:37:59 0530", 1028311679, 330, true},
    {"21 Nov 1997", 880070400, 0, false},
    {"Nov 21, 1997 09:55", 880106100, 0, false},
    {"21 Nov 1997 09:55:06 +9999", 880106106, 0, false},
    {"", NONE, 0, false},
    {"tomorrow", NONE, 0, false},
    {"32 Jan 1997 00:00:00 +0000", NONE, 0, false},
    {"21 Nov 1997 25:00:00 +0000", NONE, 0, false},
    {"21 Nov 1997 09:61:00 +0000", NONE, 0, false},
    {"21 Nov 99999999999999999999 09:00:00 +0000", NONE, 0, false},
    {"11/21/1997 09:00", NONE, 0, false},
    {"((((", NONE, 0, false},
};

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        struct mime_date d = {NONE, 0, false};
        bool ok = mime_date_parse(span_from_str(dates[i].in), &d);

        if (ok != (dates[i].want != NONE) || d.unix_seconds != dates[i].want ||
            d.zone_minutes != dates[i].zone || d.has_zone != dates[i].has_zone) {
            fail_msg("row %zu \"%s\": got %d %lld %d", i, dates[i].in, ok,
                     (long long)d.unix_seconds, d.zone_minutes);
        }
    }
}

static void test_dates_are_written_and_read_back(void **state)
{
    (void)state;
    for (int64_t t = -2000000000; t < 5000000000; t += 12345678) {
        struct buf b;
        struct mime_date d;
        int zone = (int)(t % 13) * 60 + 30;

        buf_init(&b, 64);
        mime_date_put(&b, t, zone);
        assert_true(mime_date_parse(buf_span(&b), &d));
        assert_int_equal(d.unix_seconds, t);
        assert_int_equal(d.zone_minutes, zone);
        buf_finish(&b);
    }
    struct buf b;

    buf_init(&b, 64);
    mime_date_put(&b, 880127706, -360);
    assert_span(buf_span(&b), "Fri, 21 Nov 1997 09:55:06 -0600");
    buf_finish(&b);
}

static const struct {
    const char *in, *want; // identifiers, each followed by a semicolon
} msgids[] = {
    {"<a@b>", "a@b;"},
    {" <a@b>\r\n\t<c@d><e@f>", "a@b;c@d;e@f;"},
    {"Your message of Monday <a@b> from joe@example.org", "a@b;"},
    {"< a@b >", "a@b;"},
    {"<a@b <c@d>", "a@b;c@d;"},
    {"<a@b", "a@b;"},
    {"<>", ""},
    {"<><a@b>", "a@b;"},
    {"a@b c@d, e@f nothing", "a@b;c@d;e@f;"},
    {"<no-at>", "no-at;"},
    {"", ""},
    {"nothing", ""},
};

static void test_msgids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(msgids) / sizeof(msgids[0]); i++) {
        struct span rest = span_from_str(msgids[i].in), id;
        struct buf got;

        buf_init(&got, 1000);
        while (mime_msgid_next(&rest, &id)) {
            buf_put(&got, id);
            buf_put_byte(&got, ';');
        }
        if (!span_eq(buf_span(&got), span_from_str(msgids[i].want))) {
            fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_span(&got)));
        }
        buf_finish(&got);
    }
}

static const struct {
    const char *in, *want;
    bool is_reply;
} subjects[] = {
    {"hello", "hello", false},
    {"Re: hello", "hello", true},
    {"RE : hello", "hello", true},
    {"re: Fwd: FW: hello", "hello", true},
    {"Re[2]: hello", "hello", true},
    {"Re: [list] hello", "hello", true},
    {"[list] Re: hello", "hello", true},
    {"[list] [other] hello", "hello", false},
    {"[list]", "[list]", false},
    {"[list] ", "[list]", false},
    {"hello (fwd)", "hello", true},
    {"hello (fwd) (fwd) ", "hello", true},
    {"[fwd: hello]", "hello", true},
    {"[Fwd: Re: [x] hello (fwd)]", "hello", true},
    {"  a \t b\r\n c ", "a b c", false},
    {"Research: x", "Research: x", false},
    {"Re", "Re", false},
    {"Re:", "", true},
    {"", "", false},
    {"[[x]] hello", "[[x]] hello", false},
    {"[x", "[x", false},
};

static void test_base_subjects(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        struct buf got;
        bool is_reply = !subjects[i].is_reply;

        buf_init(&got, 1000);
        mime_subject_base(&got, span_from_str(subjects[i].in), &is_reply);
        if (!span_eq(buf_span(&got), span_from_str(subjects[i].want)) ||
            is_reply != subjects[i].is_reply) {
            fail_msg("row %zu: \"%.*s\" %d", i, SPAN_ARG(buf_span(&got)), is_reply);
        }
        buf_finish(&got);
    }
}

static const struct {
    const char *in, *want; // value|name=value|...
} params[] = {
    {"text/plain", "text/plain"},
    {"", ""},
    {" text/plain ; charset = utf-8 ", "text/plain|charset=utf-8"},
    {"text/plain; charset=\"utf-8\"; format=flowed", "text/plain|charset=utf-8|format=flowed"},
    {"a/b; x=\"a\\\"b\\\\c\"", "a/b|x=a\"b\\c"},
    {"a/b; x=\"a;b\"; y=c", "a/b|x=a;b|y=c"},
    {"a/b; x=\"\"", "a/b|x="},
    {"a/b; x=", "a/b|x="},
    {"a/b;;; x=y;;", "a/b|x=y"},
    {"a/b; x", "a/b"},
    {"a/b; x; y=z", "a/b|y=z"},
    {"(c) a/b (d); (e) x=y (f)", "a/b|x=y"},
    {"a/b; x=my file.txt; y=z", "a/b|x=my file.txt|y=z"},
    {"a/b; x=my file (1).pdf", "a/b|x=my file (1).pdf"},
    {"a/b; x=us-ascii (plain text)", "a/b|x=us-ascii"},
    {"a/b; x=\"open; y=z", "a/b|x=open|y=z"},
    {"a/b; x=\"a\" y=\"b\"", "a/b|x=a|y=b"},
    {"a/b;\r\n\tx=\"a\r\n b\"", "a/b|x=a b"},
    // RFC 2231
    {"a/b; t*=us-ascii'en-us'This%20is", "a/b|t*=us-ascii'en-us'This%20is"},
    {"a/b; u*0=\"ftp://\"; u*1=\"example.org\"", "a/b|u=ftp://example.org"},
    {"a/b; u*1=b; u*0=a; v=w", "a/b|u=ab|v=w"},
    {"a/b; t*0*=us-ascii'en'This%20is; t*1*=%20even; t*2=\" more %!\"",
     "a/b|t*=us-ascii'en'This%20is%20even%20more%20%25!"},
    {"a/b; t*0=plain; t*1*=%41", "a/b|t*=''plain%41"},
    {"a/b; u*0=a; u*2=c", "a/b|u=a"},
    {"a/b; u*1=b; u*2=c", "a/b"},
    {"a/b; u*0=a; u*0=x; u*1=b", "a/b|u=ab"},
    {"a/b; U*0=a; u*1=b", "a/b|U=ab"},
    {"a/b; n=x; n*=utf-8''y", "a/b|n=x|n*=utf-8''y"},
    {"a/b; ((((", "a/b"},
    {"a/b; x=((((", "a/b|x=(((("},
};

static void test_params(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        struct arena arena;
        struct span value;
        struct mime_params list;
        struct buf got;

        arena_init(&arena, 1 << 20);
        buf_init(&got, 1000);
        assert_ok(mime_param_parse(&arena, span_from_str(params[i].in), &value, &list));
        buf_put(&got, value);
        for (size_t k = 0; k < list.n; k++) {
            buf_printf(&got, "|%.*s=%.*s", SPAN_ARG(list.list[k].name),
                       SPAN_ARG(list.list[k].value));
        }
        if (!span_eq(buf_span(&got), span_from_str(params[i].want))) {
            fail_msg("row %zu \"%s\": \"%.*s\"", i, params[i].in, SPAN_ARG(buf_span(&got)));
        }
        buf_finish(&got);
        arena_finish(&arena);
    }
}

static const struct {
    const char *in, *want; // of the parameter n
} values[] = {
    {"a; n=x", "x"},
    {"a; n*=utf-8''%e2%82%ac%20rates", "\xe2\x82\xac rates"},
    {"a; n*=iso-8859-1'de'%A3", "\xc2\xa3"},
    {"a; n*=x-unknown''%c3%a9", "\xc3\xa9"},
    {"a; n=plain; n*=utf-8''better", "better"},
    {"a; n*=%41%zz%4", "A%zz%4"},
    {"a; n=\"=?utf-8?q?=C3=A9?=\"", "\xc3\xa9"},
    {"a; n=\"\xe9\"", "\xc3\xa9"},
    {"a; n*0*=utf-8''%e2%82; n*1*=%ac", "\xe2\x82\xac"},
    {"a; n*=utf-8''a%0d%0ab%00c", "a  b c"},
    {"a; m=x", NULL},
};

static void test_param_values_in_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct arena arena;
        struct span value;
        struct mime_params list;
        struct buf got;

        arena_init(&arena, 1 << 20);
        buf_init(&got, 1000);
        assert_ok(mime_param_parse(&arena, span_from_str(values[i].in), &value, &list));
        bool found = mime_param_decode(&got, list, SPAN("N"));

        if (found != (values[i].want != NULL) ||
            !span_eq(buf_span(&got), span_from_str(values[i].want))) {
            fail_msg("row %zu: \"%.*s\"", i, SPAN_ARG(buf_span(&got)));
        }
        buf_finish(&got);
        arena_finish(&arena);
    }
}

static void test_params_are_capped(void **state)
{
    struct arena arena;
    struct buf text;
    struct span value;
    struct mime_params list;

    (void)state;
    arena_init(&arena, 1 << 20);
    buf_init(&text, 16 << 20);
    buf_put_str(&text, "a/b");
    for (int i = 0; i < 100000; i++) {
        buf_printf(&text, "; n*%d=x", i);
    }
    assert_ok(mime_param_parse(&arena, buf_span(&text), &value, &list));
    assert_int_equal(list.list[0].value.n, MIME_SECTIONS_MAX);
    assert_true(list.n <= MIME_PARAMS_MAX);
    buf_finish(&text);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_dates_are_written_and_read_back),
        cmocka_unit_test(test_msgids),
        cmocka_unit_test(test_base_subjects),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_param_values_in_utf8),
        cmocka_unit_test(test_params_are_capped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
