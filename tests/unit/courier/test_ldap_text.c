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

// L58: a name of an entry from a template.
static void test_l58_names_of_entries(void **state)
{
    static const struct {
        const char *pattern, *name, *want; // NULL: refused
    } rows[] = {
        {"uid=%u,dc=x", "anna@x.example", "uid=anna,dc=x"},
        {"mail=%n,ou=%d,dc=x", "anna@x.example", "mail=anna@x.example,ou=x.example,dc=x"},
        {"uid=%u,dc=x", "anna,ou=y@x.example", "uid=anna\\2cou\\3dy,dc=x"},
        {"uid=%u,dc=x", "anna+uid=b@x.example", "uid=anna\\2buid\\3db,dc=x"},
        {"uid=%u,dc=x", "#anna @x.example", "uid=\\23anna\\20,dc=x"},
        {"uid=%u,dc=x", "a\\2cb@x.example", "uid=a\\5c2cb,dc=x"},
        {"uid=%u,dc=x", "\xc3\xa4@x.example", "uid=\\c3\\a4,dc=x"},
        {"uid=%D,dc=x", "anna@x.example", NULL},
        {"uid=%s,dc=x", "anna@x.example", NULL},
        {"uid=%u,dc=x", "anna", NULL},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        assert_err(ldap_dn_put(&b, span_from_str(rows[i].pattern), span_from_str(rows[i].name)),
                   rows[i].want ? ERR_OK : ERR_INVALID);
        if (rows[i].want) {
            assert_span(buf_span(&b), rows[i].want);
        }
    }
    buf_finish(&b);
}

static void test_filters_of_groups(void **state)
{
    const struct span name = SPAN("anna@x.example"), dn = SPAN("cn=A\\2c (b)*,dc=x");
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_ok(ldap_group_filter_put(&b, SPAN("(&(member=%D)(uid=%u))"), name, dn));
    assert_span(buf_span(&b), "(&(member=cn=A\\5c2c \\28b\\29\\2a,dc=x)(uid=anna))");
    assert_err(ldap_filter_put(&b, SPAN("(member=%D)"), name), ERR_INVALID);
    buf_finish(&b);
}

static void test_quotas(void **state)
{
    static const struct {
        const char *text;
        uint64_t want; // 0: refused
    } rows[] = {
        {"1", 1},
        {"1073741824", 1u << 30},
        {" 500 MB ", 500ull << 20},
        {"5g", 5ull << 30},
        {"5GB", 5ull << 30},
        {"7K", 7 << 10},
        {"2 tb", 2ull << 40},
        {"12b", 12},
        {"none", UINT64_MAX},
        {"NONE", UINT64_MAX},
        {"8388607T", 8388607ull << 40},
        {"8388608T", 0}, // above 2^63
        {"18446744073709551616", 0},
        {"99999999999999999999999", 0},
        {"0", 0},
        {"", 0},
        {"MB", 0},
        {"-1", 0},
        {"1.5 GB", 0},
        {"5 GBx", 0},
        {"5 x", 0},
        {"5 5", 0},
        {"5KiB", 0},
        {"nonesuch", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t got = 0;

        assert_err(ldap_quota_read(span_from_str(rows[i].text), &got),
                   rows[i].want ? ERR_OK : ERR_INVALID);
        assert_true(got == rows[i].want);
    }
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
        cmocka_unit_test(test_l58_names_of_entries),
        cmocka_unit_test(test_filters_of_groups),
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
