// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "wire/sasl/sasl_bearer.h"

struct row {
    const char *in;
    enum err want;
    const char *name, *token;
};

static void check_rows(const struct row *rows, size_t n, bool is_xoauth2)
{
    for (size_t i = 0; i < n; i++) {
        struct sasl_credentials c;
        struct arena arena;
        struct span in = span_from_str(rows[i].in);

        arena_init(&arena, 4096);
        enum err e =
            is_xoauth2 ? sasl_xoauth2_parse(in, &c) : sasl_oauthbearer_parse(in, &arena, &c);

        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
        if (e == ERR_OK) {
            assert_span(c.authzid, "");
            assert_span(c.authcid, rows[i].name);
            assert_span(c.password, rows[i].token);
        }
        arena_finish(&arena);
    }
}

static void test_oauthbearer_messages(void **state)
{
    static const struct row rows[] = {
        // RFC 7628 section 4.1
        {"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9dft4qmTc2Nvb3R"
         "lckBhbHRhdmlzdGEuY29tCg==\1\1",
         ERR_OK, "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="},
        {"n,,\1auth=Bearer abc\1\1", ERR_OK, "", "abc"},
        {"y,,\1auth=bEARER  a.b-c_d~e+f/\1\1", ERR_OK, "", "a.b-c_d~e+f/"},
        {"n,a=a=2Cb=3D,\1auth=Bearer abc\1\1", ERR_OK, "a,b=", "abc"},
        {"n,a=a=2cb,\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,a=,\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,b=x,\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"p=tls-exporter,,\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,,auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer abc\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer abc\1\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer abc\1\1x", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer abc\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Basic abc\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer \1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer ==\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer a=b\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=Bearer a b\1\1", ERR_INVALID, "", ""},
        {"n,,\1auth=\1\1", ERR_INVALID, "", ""},
        {"n,,\1host=x\1\1", ERR_INVALID, "", ""},
        {"n,,\1ho st=x\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,,\1=x\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,,\1host=\x02\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"n,a=\xff,\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"\1", ERR_INVALID, "", ""},
        {"", ERR_INVALID, "", ""},
    };

    (void)state;
    check_rows(rows, sizeof(rows) / sizeof(rows[0]), false);
}

static void test_xoauth2_messages(void **state)
{
    static const struct row rows[] = {
        {"user=anna@example.org\1auth=Bearer abc==\1\1", ERR_OK, "anna@example.org", "abc=="},
        {"user=\1auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"auth=Bearer abc\1\1", ERR_INVALID, "", ""},
        {"user=anna\1auth=Bearer abc\1", ERR_INVALID, "", ""},
        {"user=anna\1\1", ERR_INVALID, "", ""},
        {"user=anna", ERR_INVALID, "", ""},
        {"", ERR_INVALID, "", ""},
    };

    (void)state;
    check_rows(rows, sizeof(rows) / sizeof(rows[0]), true);
}

static void test_parts_have_limits(void **state)
{
    struct buf message;
    struct sasl_credentials c;

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        buf_init(&message, 16384);
        buf_put_str(&message, "user=a\1auth=Bearer ");
        for (size_t i = 0; i < SASL_TOKEN_BYTES_MAX + extra; i++) {
            buf_put_byte(&message, 'x');
        }
        buf_put_str(&message, "\1\1");
        assert_err(sasl_xoauth2_parse(buf_span(&message), &c), extra ? ERR_LIMIT : ERR_OK);
        buf_clear(&message);
        buf_put_str(&message, "user=");
        for (size_t i = 0; i < SASL_NAME_BYTES_MAX + extra; i++) {
            buf_put_byte(&message, 'x');
        }
        buf_put_str(&message, "\1auth=Bearer abc\1\1");
        assert_err(sasl_xoauth2_parse(buf_span(&message), &c), extra ? ERR_LIMIT : ERR_OK);
        buf_finish(&message);
    }
}

static void test_errors_are_json(void **state)
{
    static const struct {
        bool is_xoauth2;
        const char *scope, *issuer, *want;
    } rows[] = {
        {false, "", "", "{\"status\":\"invalid_token\"}"},
        {false, "mail", "https://id.example.org/",
         "{\"status\":\"invalid_token\",\"scope\":\"mail\",\"openid-configuration\":"
         "\"https://id.example.org/.well-known/openid-configuration\"}"},
        {true, "mail", "", "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}"},
        {false, "a\"b", "https://x\\y", "{\"status\":\"invalid_token\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;

        buf_init(&out, 4096);
        sasl_bearer_error_put(&out, rows[i].is_xoauth2, span_from_str(rows[i].scope),
                              span_from_str(rows[i].issuer));
        assert_span(buf_span(&out), rows[i].want);
        buf_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oauthbearer_messages),
        cmocka_unit_test(test_xoauth2_messages),
        cmocka_unit_test(test_parts_have_limits),
        cmocka_unit_test(test_errors_are_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
