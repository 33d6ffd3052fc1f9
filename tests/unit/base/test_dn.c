// SPDX-License-Identifier: Apache-2.0
//
// L56, L58. Names of entries (RFC 4514): the same one in another spelling, one that is nearly it,
// and what somebody says as a part of one.
#include "../test.h"
#include "base/dn.h"

static void test_one_spelling(void **state)
{
    static const struct {
        const char *dn, *want; // NULL: it is none
    } rows[] = {
        {"cn=a,dc=b", "cn=a,dc=b"},
        {"CN = Help  Desk , OU=Groups;dc=B", "cn=help desk,ou=groups,dc=b"},
        {"cn=help\\20desk\\20,dc=b", "cn=help desk,dc=b"},
        {"cn=\\ help desk\\ ,dc=b", "cn=help desk,dc=b"},
        {"2.5.4.3=a+uid=b,dc=c", "2.5.4.3=a+uid=b,dc=c"},
        {"cn=a\\,b,dc=c", "cn=a\\2cb,dc=c"},
        {"cn=a\\2Cb,dc=c", "cn=a\\2cb,dc=c"},
        {"cn=a\\2bb\\=\\\\\\\"", "cn=a\\2bb\\3d\\5c\\22"},
        {"cn=\\61nna", "cn=anna"},
        {"cn=\\#1,dc=c", "cn=\\231,dc=c"},
        {"cn=#04024869", "cn=#04024869"},
        {"cn=a#b", "cn=a#b"},
        {"cn=M\xc3\xbcller", "cn=m\xc3\xbcller"},
        {"cn=", "cn="},
        {"", NULL},
        {"anna", NULL},
        {"cn", NULL},
        {"=a", NULL},
        {"c n=a", NULL},
        {"cn=a,", NULL},
        {"cn=a,,dc=b", NULL},
        {",cn=a", NULL},
        {"cn=a\\", NULL},
        {"cn=a\\x", NULL},
        {"cn=a\\4", NULL},
        {"cn=\"a\"", NULL},
        {"cn=a<b", NULL},
    };
    struct buf b;

    (void)state;
    buf_init(&b, DN_BYTES_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        assert_err(dn_normal_put(&b, span_from_str(rows[i].dn)),
                   rows[i].want ? ERR_OK : ERR_INVALID);
        if (rows[i].want) {
            assert_span(buf_span(&b), rows[i].want);
        }
    }
    buf_clear(&b);
    assert_err(dn_normal_put(&b, span_of("cn=a\0b", 6)), ERR_INVALID);
    buf_finish(&b);
    buf_init(&b, 8);
    assert_err(dn_normal_put(&b, SPAN("cn=aaaaaaaaaa")), ERR_LIMIT);
    buf_finish(&b);
}

static void test_which_are_the_same(void **state)
{
    (void)state;
    assert_true(dn_eq(SPAN("cn=Help Desk,dc=x"), SPAN("CN=help desk, DC=X")));
    assert_false(dn_eq(SPAN("cn=help desk,dc=x"), SPAN("cn=help desk2,dc=x")));
    assert_false(dn_eq(SPAN("cn=help desk,dc=x"), SPAN("cn=helpdesk,dc=x")));
    assert_false(dn_eq(SPAN("cn=help desk,dc=x"), SPAN("cn=help desk,ou=y,dc=x")));
    assert_false(dn_eq(SPAN("cn=help desk,dc=x"), SPAN("cn=help desk\\,dc=x")));
    assert_false(dn_eq(SPAN("cn=a,dc=x"), SPAN("cn=a+dc=x")));
    assert_false(dn_eq(SPAN("cn=\\#61"), SPAN("cn=#61")));
    assert_false(dn_eq(SPAN(""), SPAN("")));
    assert_false(dn_eq(SPAN("x"), SPAN("x")));
}

// L58: whatever is put in stays one value.
static void test_l58_a_value_stays_one(void **state)
{
    struct buf b, normal;

    (void)state;
    buf_init(&b, DN_BYTES_MAX);
    buf_init(&normal, DN_BYTES_MAX);
    for (unsigned c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'z'};

        buf_clear(&b);
        buf_clear(&normal);
        buf_put_str(&b, "uid=");
        dn_escape_put(&b, span_of(text, 3));
        buf_put_str(&b, ",dc=x");
        assert_err(dn_normal_put(&normal, buf_span(&b)), ERR_OK);
        size_t commas = 0;

        for (size_t i = 0; i < b.n; i++) {
            commas += b.p[i] == ',';
            assert_false(strchr("+;<>\"#", b.p[i]) && b.p[i]);
        }
        assert_int_equal(commas, 1);
        assert_int_equal(b.n, b.p[5] == '\\' ? 14 : 12);
    }
    buf_clear(&b);
    dn_escape_put(&b, SPAN("anna.m-1_x@b.c"));
    assert_span(buf_span(&b), "anna.m-1_x@b.c");
    buf_finish(&b);
    buf_finish(&normal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_which_are_the_same),
        cmocka_unit_test(test_l58_a_value_stays_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
