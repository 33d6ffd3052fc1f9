// SPDX-License-Identifier: Apache-2.0
//
// Forms: what is read, what is refused, and that what is written is read back.
#include "../test.h"
#include "wire/http/http_form.h"

static const struct {
    const char *in;
    enum err e;
    size_t n;
    const char *a; // the value of "a"
} rows[] = {
    {"", ERR_OK, 0, ""},
    {"a=1", ERR_OK, 1, "1"},
    {"a=1&b=2", ERR_OK, 2, "1"},
    {"b=2&a=", ERR_OK, 2, ""},
    {"a", ERR_OK, 1, ""},
    {"&&a=1&", ERR_OK, 1, "1"},
    {"a=b=c", ERR_OK, 1, "b=c"},
    {"a=x+y%20z", ERR_OK, 1, "x y z"},
    {"a=%2B%26%3D", ERR_OK, 1, "+&="},
    {"%61=1", ERR_OK, 1, "1"},
    {"a=%C3%A4", ERR_OK, 1, "\xc3\xa4"},
    {"a=1&a=2", ERR_INVALID, 0, ""},
    {"a=1&%61=2", ERR_INVALID, 0, ""},
    {"a=%", ERR_INVALID, 0, ""},
    {"a=%4", ERR_INVALID, 0, ""},
    {"a=%4g", ERR_INVALID, 0, ""},
    {"a=%00", ERR_INVALID, 0, ""},
    {"a=%FF", ERR_INVALID, 0, ""},
    {"%C3=1", ERR_INVALID, 0, ""},
    {"a=\xc3", ERR_INVALID, 0, ""},
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_form f;
        struct arena a;

        arena_init(&a, 10000);
        assert_err(http_form_read(span_from_str(rows[i].in), &a, &f), rows[i].e);
        if (rows[i].e == ERR_OK) {
            assert_int_equal(f.n, rows[i].n);
            assert_true(span_eq(http_form_get(&f, "a"), span_from_str(rows[i].a)));
        }
        arena_finish(&a);
    }
}

static void test_so_many_fields_at_most(void **state)
{
    struct http_form f;
    struct arena a;
    struct buf b;

    (void)state;
    arena_init(&a, 100000);
    buf_init(&b, 10000);
    for (unsigned i = 0; i <= HTTP_FORM_FIELDS_MAX; i++) {
        assert_int_equal(http_form_read(buf_span(&b), &a, &f), ERR_OK);
        buf_printf(&b, "%sx%u=1", i ? "&" : "", i);
    }
    assert_err(http_form_read(buf_span(&b), &a, &f), ERR_LIMIT);
    buf_finish(&b);
    arena_finish(&a);
}

static void test_written_is_read_back(void **state)
{
    static const char every[] = "\x01\t\r\n !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\xc3\xa4";
    struct http_form f;
    struct arena a;
    struct buf b;

    (void)state;
    arena_init(&a, 10000);
    buf_init(&b, 1000);
    http_form_put(&b, "a", span_of(every, sizeof(every) - 1));
    http_form_put(&b, "b&=", SPAN("2"));
    assert_ok(http_form_read(buf_span(&b), &a, &f));
    assert_int_equal(f.n, 2);
    assert_true(span_eq(http_form_get(&f, "a"), span_of(every, sizeof(every) - 1)));
    assert_true(span_eq(http_form_get(&f, "b&="), SPAN("2")));
    for (size_t i = 0; i < b.n; i++) { // nothing that could end a header line
        assert_true((unsigned char)b.p[i] > 32 && (unsigned char)b.p[i] < 127);
    }
    buf_finish(&b);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_so_many_fields_at_most),
        cmocka_unit_test(test_written_is_read_back),
    };

    return cmocka_run_group_tests_name("http form", tests, NULL, NULL);
}
