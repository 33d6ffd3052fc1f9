// SPDX-License-Identifier: Apache-2.0
//
// L25: what a client says never becomes more of a filter than a value.
#include "../test.h"
#include "courier/vouch/ldap_text.h"

static void test_l25_escaped(void **state)
{
    static const struct {
        const char *in;
        size_t n;
        const char *want;
    } rows[] = {
        {"anna", 4, "anna"},
        {"*", 1, "\\2a"},
        {"*)(uid=*", 8, "\\2a\\29\\28uid=\\2a"},
        {"a\\b", 3, "a\\5cb"},
        {"a\0b", 3, "a\\00b"},
        {"\x7f\x1f\xff", 3, "\\7f\\1f\\ff"},
        {"\xc3\xa4", 2, "\\c3\\a4"},
        {"a b=c,d+e", 9, "a b=c,d+e"},
        {"", 0, ""},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        ldap_escape_put(&b, span_of(rows[i].in, rows[i].n));
        assert_span(buf_span(&b), rows[i].want);
    }
    // Every byte: what is left as it is has no meaning in a filter.
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;

        buf_clear(&b);
        ldap_escape_put(&b, span_of(&byte, 1));
        assert_true(b.n == 3 ? b.p[0] == '\\' : b.n == 1 && c >= 0x20 && c < 0x7f);
        assert_true(b.n == 3 || !strchr("*()\\", (int)c));
    }
    buf_finish(&b);
}

static void test_filters(void **state)
{
    static const struct {
        const char *pattern, *name, *want; // NULL: refused
    } rows[] = {
        {"(mail=%n)", "anna@x.example", "(mail=anna@x.example)"},
        {"(|(uid=%u)(mail=%n)(o=%d))", "a*@x.example",
         "(|(uid=a\\2a)(mail=a\\2a@x.example)(o=x.example))"},
        {"(mail=100%%)", "anna@x.example", "(mail=100%)"},
        {"(uid=%u)", "%n@x.example", "(uid=%n)"}, // what is put in is not looked at again
        {"(uid=%u)", "a@b@x.example", "(uid=a)"},
        {"(uid=%s)", "anna@x.example", NULL},
        {"(uid=%", "anna@x.example", NULL},
        {"(uid=%u)", "anna", NULL},
        {"(uid=%u)", "@x.example", NULL},
        {"(uid=%u)", "", NULL},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        enum err e =
            ldap_filter_put(&b, span_from_str(rows[i].pattern), span_from_str(rows[i].name));

        assert_err(e, rows[i].want ? ERR_OK : ERR_INVALID);
        if (rows[i].want) {
            assert_span(buf_span(&b), rows[i].want);
        }
    }
    buf_finish(&b);
    buf_init(&b, 8);
    assert_err(ldap_filter_put(&b, SPAN("(mail=%n)"), SPAN("anna@x.example")), ERR_LIMIT);
    buf_finish(&b);
}

static void test_addresses(void **state)
{
    const struct span name = SPAN("anna@x.example");

    (void)state;
    assert_true(ldap_mail_is(SPAN("anna@x.example"), name));
    assert_true(ldap_mail_is(SPAN("Anna@X.Example"), name));
    assert_true(ldap_mail_is(SPAN("SMTP:anna@x.example"), name));
    assert_false(ldap_mail_is(SPAN("anna@y.example"), name));
    assert_false(ldap_mail_is(SPAN("anna@x.example2"), name));
    assert_false(ldap_mail_is(SPAN("smtp:"), name));
    assert_false(ldap_mail_is(SPAN(""), name));
    assert_false(ldap_mail_is(span_of("anna@x.example\0", 15), name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_l25_escaped),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
