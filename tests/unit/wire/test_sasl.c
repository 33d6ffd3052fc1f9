// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "wire/sasl/sasl.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static void test_plain_messages(void **state)
{
    static const struct {
        struct span in;
        enum err want;
        const char *authzid, *authcid, *password;
    } rows[] = {
        {BYTES("\0tim\0tanstaaftanstaaf"), ERR_OK, "", "tim", "tanstaaftanstaaf"},
        {BYTES("Ursel\0Kurt\0xipj3plmq"), ERR_OK, "Ursel", "Kurt", "xipj3plmq"},
        {BYTES("\0\xc3\xa9\0\xc3\xa9"), ERR_OK, "", "\xc3\xa9", "\xc3\xa9"},
        {BYTES(""), ERR_INVALID, "", "", ""},
        {BYTES("tim\0pass"), ERR_INVALID, "", "", ""},
        {BYTES("\0tim\0pass\0"), ERR_INVALID, "", "", ""},
        {BYTES("\0tim\0"), ERR_INVALID, "", "", ""},
        {BYTES("\0\0pass"), ERR_INVALID, "", "", ""},
        {BYTES("\0\0"), ERR_INVALID, "", "", ""},
        {BYTES("\0t\xff\0pass"), ERR_INVALID, "", "", ""},
        {BYTES("\xff\0tim\0pass"), ERR_INVALID, "", "", ""},
        {BYTES("\0tim\0p\xed\xa0\x80"), ERR_INVALID, "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sasl_credentials c;
        enum err e = sasl_plain_parse(rows[i].in, &c);

        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
        if (!e) {
            assert_span(c.authzid, rows[i].authzid);
            assert_span(c.authcid, rows[i].authcid);
            assert_span(c.password, rows[i].password);
        }
    }
}

static void test_plain_has_limits(void **state)
{
    char message[2000];
    struct sasl_credentials c;

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        memset(message, 'x', sizeof(message));
        message[0] = message[1 + 255 + extra] = '\0';
        assert_err(sasl_plain_parse(span_of(message, 300), &c), extra ? ERR_LIMIT : ERR_OK);
        memset(message, 'x', sizeof(message));
        message[0] = message[2] = '\0';
        assert_err(sasl_plain_parse(span_of(message, 3 + 1024 + extra), &c),
                   extra ? ERR_LIMIT : ERR_OK);
    }
}

static void test_plain_dialogue(void **state)
{
    struct arena arena;
    struct sasl_dialogue d;
    struct sasl_credentials c;
    struct span challenge, message = BYTES("\0tim\0secret");

    (void)state;
    arena_init(&arena, 65536);
    sasl_begin(&d, SASL_PLAIN, &arena);
    assert_int_equal(sasl_step(&d, NULL, &challenge, &c), SASL_CHALLENGE);
    assert_span(challenge, "");
    assert_int_equal(sasl_step(&d, &message, &challenge, &c), SASL_COMPLETE);
    assert_span(c.authcid, "tim");
    assert_true(c.password.p != message.p + 5); // a copy, which may be wiped
    struct span password = c.password;

    sasl_wipe(&c);
    assert_int_equal(password.p[0], 0);
    sasl_begin(&d, SASL_PLAIN, &arena); // with the initial response
    assert_int_equal(sasl_step(&d, &message, &challenge, &c), SASL_COMPLETE);
    sasl_begin(&d, SASL_PLAIN, &arena);
    assert_int_equal(sasl_step(&d, &SPAN("junk"), &challenge, &c), SASL_MALFORMED);
    arena_finish(&arena);
}

static void test_login_dialogue(void **state)
{
    struct arena arena;
    struct sasl_dialogue d;
    struct sasl_credentials c;
    struct span challenge, empty = SPAN("");

    (void)state;
    arena_init(&arena, 65536);
    sasl_begin(&d, SASL_LOGIN, &arena);
    assert_int_equal(sasl_step(&d, NULL, &challenge, &c), SASL_CHALLENGE);
    assert_span(challenge, "Username:");
    assert_int_equal(sasl_step(&d, &SPAN("tim"), &challenge, &c), SASL_CHALLENGE);
    assert_span(challenge, "Password:");
    assert_int_equal(sasl_step(&d, &SPAN("secret"), &challenge, &c), SASL_COMPLETE);
    assert_span(c.authzid, "");
    assert_span(c.authcid, "tim");
    assert_span(c.password, "secret");
    sasl_begin(&d, SASL_LOGIN, &arena); // the name as initial response
    assert_int_equal(sasl_step(&d, &SPAN("tim"), &challenge, &c), SASL_CHALLENGE);
    assert_span(challenge, "Password:");
    assert_int_equal(sasl_step(&d, &empty, &challenge, &c), SASL_MALFORMED);
    sasl_begin(&d, SASL_LOGIN, &arena);
    assert_int_equal(sasl_step(&d, &empty, &challenge, &c), SASL_MALFORMED);
    arena_finish(&arena);
}

static void test_base64_of_responses(void **state)
{
    static const struct {
        const char *in;
        bool initial;
        enum err want;
        const char *text;
    } rows[] = {
        {"dGlt", false, ERR_OK, "tim"},
        {"", false, ERR_OK, ""},
        {"=", true, ERR_OK, ""},
        {"=", false, ERR_INVALID, ""},
        {"dGl", false, ERR_INVALID, ""},
        {"dGlt=", false, ERR_INVALID, ""},
        {"dG t", false, ERR_INVALID, ""},
        {"dGk=", false, ERR_OK, "ti"},
        {"dGl=", false, ERR_INVALID, ""},
        {"d===", false, ERR_INVALID, ""},
        {"dA==dA==", false, ERR_INVALID, ""},
    };
    static char large[16384];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, SASL_MESSAGE_BYTES_MAX);
        enum err e = sasl_decode(span_from_str(rows[i].in), rows[i].initial, &b);

        if (e != rows[i].want || (!e && !span_eq(buf_span(&b), span_from_str(rows[i].text)))) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
        buf_finish(&b);
    }
    struct buf b;

    buf_init(&b, SASL_MESSAGE_BYTES_MAX);
    memset(large, 'A', sizeof(large));
    assert_ok(sasl_decode(span_of(large, 12288), false, &b));
    assert_int_equal(b.n, SASL_MESSAGE_BYTES_MAX);
    buf_clear(&b);
    assert_err(sasl_decode(span_of(large, 12292), false, &b), ERR_LIMIT);
    buf_finish(&b);
}

static void test_mechanisms_by_name(void **state)
{
    enum sasl_mechanism m;

    (void)state;
    assert_ok(sasl_mechanism_from_name(SPAN("plain"), &m));
    assert_int_equal(m, SASL_PLAIN);
    assert_ok(sasl_mechanism_from_name(SPAN("LOGIN"), &m));
    assert_err(sasl_mechanism_from_name(SPAN("CRAM-MD5"), &m), ERR_UNSUPPORTED);
    assert_err(sasl_mechanism_from_name(SPAN(""), &m), ERR_UNSUPPORTED);
    assert_string_equal(sasl_mechanism_name(SASL_LOGIN), "LOGIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_messages),      cmocka_unit_test(test_plain_has_limits),
        cmocka_unit_test(test_plain_dialogue),      cmocka_unit_test(test_login_dialogue),
        cmocka_unit_test(test_base64_of_responses), cmocka_unit_test(test_mechanisms_by_name),
    };

    return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
