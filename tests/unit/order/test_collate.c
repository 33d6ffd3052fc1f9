// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "order/collate.h"

static const struct {
    enum collation collation;
    const char *in, *want;
} rows[] = {
    {COLLATE_UNICODE_CASEMAP, "", ""},
    {COLLATE_UNICODE_CASEMAP, "Lunch {|}~ @[`", "LUNCH {|}~ @[`"},
    {COLLATE_UNICODE_CASEMAP, "az\x7f", "AZ\x7f"},
    // RFC 5051 section 2: the title case of U+01C4 is U+01C5, taken apart.
    {COLLATE_UNICODE_CASEMAP, "\xc7\x84", "Dz\xcc\x8c"},
    {COLLATE_UNICODE_CASEMAP, "\xc7\x86", "Dz\xcc\x8c"},
    {COLLATE_UNICODE_CASEMAP, "\xc3\xa9t\xc3\xa9", "E\xcc\x81TE\xcc\x81"},
    {COLLATE_UNICODE_CASEMAP, "\xc3\x9f", "\xc3\x9f"},                 // sharp s: no title case
    {COLLATE_UNICODE_CASEMAP, "\xcf\x82\xcf\x83", "\xce\xa3\xce\xa3"}, // both sigmas
    {COLLATE_UNICODE_CASEMAP, "\xef\xac\x81", "fi"}, // ligature: no title case, taken apart
    {COLLATE_UNICODE_CASEMAP, "\xef\xbc\xa1", "A"},  // full width
    // What is not UTF-8 is compared as it is.
    {COLLATE_UNICODE_CASEMAP, "abc\xff", "abc\xff"},
    {COLLATE_UNICODE_CASEMAP, "a\xc3\xa9\xed\xa0\x80", "a\xc3\xa9\xed\xa0\x80"},
    {COLLATE_ASCII_CASEMAP, "az{\xc3\xa9", "AZ{\xc3\xa9"},
    {COLLATE_OCTET, "aZ\xff", "aZ\xff"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buf out;

        buf_init(&out, 1000);
        buf_put_str(&out, "before");
        collate(&out, rows[i].collation, span_from_str(rows[i].in));
        assert_span(span_skip(buf_span(&out), 6), rows[i].want);
        buf_finish(&out);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_span(collation_name(COLLATE_UNICODE_CASEMAP), "i;unicode-casemap");
    assert_span(collation_name(COLLATE_ASCII_CASEMAP), "i;ascii-casemap");
    assert_span(collation_name(COLLATE_OCTET), "i;octet");
}

static void test_cap(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4);
    collate(&out, COLLATE_UNICODE_CASEMAP, SPAN("12345678"));
    assert_true(out.failed);
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
