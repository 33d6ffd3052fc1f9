// SPDX-License-Identifier: Apache-2.0
//
// Codes of an app, against the values that RFC 4226 appendix D and RFC 6238 appendix B print; the
// window; what is typed; the URI of the QR code; recovery codes.
#include "auth/readable.h"
#include "auth/totp.h"
#include "unit/test.h"

static const struct span rfc_secret = {"12345678901234567890", 20};

// RFC 4226 appendix D: counters 0 to 9.
static void test_hotp_vectors(void **state)
{
    static const uint32_t want[] = {755224, 287082, 359152, 969429, 338314,
                                    254676, 287922, 162583, 399871, 520489};

    (void)state;
    for (uint64_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        uint32_t code;

        assert_ok(hotp_code(rfc_secret, i, 6, &code));
        assert_int_equal(code, want[i]);
    }
}

// RFC 6238 appendix B, the rows of SHA-1; their codes have eight digits.
static void test_totp_vectors(void **state)
{
    static const struct {
        int64_t time;
        uint64_t step;
        uint32_t code;
    } rows[] = {
        {59, 0x1, 94287082},
        {1111111109, 0x23523EC, 7081804},
        {1111111111, 0x23523ED, 14050471},
        {1234567890, 0x273EF07, 89005924},
        {2000000000, 0x3F940AA, 69279037},
        {20000000000, 0x27BC86AA, 65353130},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t code;
        uint64_t step;

        assert_int_equal(totp_step(rows[i].time), rows[i].step);
        assert_ok(hotp_code(rfc_secret, rows[i].step, 8, &code));
        assert_int_equal(code, rows[i].code);
        // Six digits are the last six of the eight.
        assert_ok(
            totp_find(rfc_secret, rows[i].code % 1000000, rows[i].time, TOTP_WINDOW, 0, &step));
        assert_int_equal(step, rows[i].step);
    }
    assert_int_equal(totp_step(-5), 0);
}

// L14: a clock may be off by a step, and not by two.
// A08c
static void test_window(void **state)
{
    int64_t now = 1234567890;
    uint64_t at = totp_step(now), step;

    (void)state;
    for (int off = -3; off <= 3; off++) {
        uint32_t code;

        assert_ok(hotp_code(rfc_secret, at + (uint64_t)off, 6, &code));
        enum err e = totp_find(rfc_secret, code, now, TOTP_WINDOW, 0, &step);

        assert_err(e, off >= -1 && off <= 1 ? ERR_OK : ERR_NOT_FOUND);
        assert_true(e != ERR_OK || step == at + (uint64_t)off);
        assert_ok(totp_find(rfc_secret, code, now, 3, 0, &step));
    }
}

// L10: a step that was used is not there any more, nor what came before it.
static void test_used_steps(void **state)
{
    int64_t now = 1234567890;
    uint64_t at = totp_step(now), step;
    uint32_t before, code, after;

    (void)state;
    assert_ok(hotp_code(rfc_secret, at - 1, 6, &before));
    assert_ok(hotp_code(rfc_secret, at, 6, &code));
    assert_ok(hotp_code(rfc_secret, at + 1, 6, &after));
    assert_err(totp_find(rfc_secret, code, now, TOTP_WINDOW, at, &step), ERR_NOT_FOUND);
    assert_err(totp_find(rfc_secret, before, now, TOTP_WINDOW, at, &step), ERR_NOT_FOUND);
    assert_ok(totp_find(rfc_secret, after, now, TOTP_WINDOW, at, &step));
    assert_err(totp_find(rfc_secret, after, now, TOTP_WINDOW, at + 1, &step), ERR_NOT_FOUND);
    assert_err(totp_find(rfc_secret, after, now, TOTP_WINDOW, UINT64_MAX, &step), ERR_NOT_FOUND);
}

static void test_the_first_minute(void **state)
{
    uint32_t code;
    uint64_t step;

    (void)state;
    assert_ok(hotp_code(rfc_secret, 1, 6, &code));
    assert_ok(totp_find(rfc_secret, code, 0, TOTP_WINDOW, 0, &step)); // nothing runs below zero
    assert_int_equal(step, 1);
    assert_ok(hotp_code(rfc_secret, 0, 6, &code));
    assert_err(totp_find(rfc_secret, code, 0, TOTP_WINDOW, 0, &step), ERR_NOT_FOUND);
}

static void test_what_is_typed(void **state)
{
    static const struct {
        const char *typed;
        bool is_code;
        uint32_t code;
    } rows[] = {
        {"123456", true, 123456},
        {"000001", true, 1},
        {"123 456", true, 123456},
        {" 12-34-56 ", true, 123456},
        {"12345", false, 0},
        {"1234567", false, 0},
        {"", false, 0},
        {"12345a", false, 0},
        {"12345\n6", false, 0},
        {"-12345", false, 0},
        {"+12345", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t code = 0;
        bool is_code = totp_read(span_from_str(rows[i].typed), &code);

        assert_int_equal(is_code, rows[i].is_code);
        assert_true(!is_code || code == rows[i].code);
    }
    uint32_t code;

    assert_false(totp_read(span_of("12345\0006", 7), &code));
}

// RFC 4648 section 10, without the padding.
static void test_base32(void **state)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {{"", ""},
                {"f", "MY"},
                {"fo", "MZXQ"},
                {"foo", "MZXW6"},
                {"foob", "MZXW6YQ"},
                {"fooba", "MZXW6YTB"},
                {"foobar", "MZXW6YTBOI"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 100);
        totp_secret_text(&b, span_from_str(rows[i].bytes));
        assert_span(buf_span(&b), rows[i].text);
        buf_finish(&b);
    }
}

static void test_uri(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    totp_uri(&b, rfc_secret, SPAN("j\xc3\xb6rg&co@example.org"), SPAN("mail.example.org"));
    assert_span(buf_span(&b), "otpauth://totp/mail.example.org:j%C3%B6rg%26co%40example.org"
                              "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=mail.example.org"
                              "&algorithm=SHA1&digits=6&period=30");
    buf_finish(&b);
}

static void test_secrets_differ(void **state)
{
    unsigned char one[TOTP_SECRET_BYTES], two[TOTP_SECRET_BYTES];

    (void)state;
    totp_secret_make(one);
    totp_secret_make(two);
    assert_memory_not_equal(one, two, sizeof(one));
}

static void test_recovery_codes(void **state)
{
    char text[RECOVERY_TEXT_BYTES], typed[RECOVERY_TEXT_BYTES];
    unsigned char digest[32], again[32], other[32];

    (void)state;
    assert_ok(recovery_code_make(text, digest));
    assert_int_equal(text[4], '-');
    assert_int_equal(text[14], '-');
    assert_ok(recovery_code_read(span_of(text, sizeof(text)), again));
    assert_memory_equal(digest, again, sizeof(digest));
    for (size_t i = 0; i < sizeof(text); i++) { // as somebody else would write it
        char c = text[i];

        typed[i] = c == '0' ? 'O' : c == '1' ? 'l' : c == '-' ? ' ' : c >= 'a' ? (char)(c - 32) : c;
    }
    assert_ok(recovery_code_read(span_of(typed, sizeof(typed)), again));
    assert_memory_equal(digest, again, sizeof(digest));
    assert_err(recovery_code_read(span_of(text, sizeof(text) - 1), again), ERR_INVALID);
    assert_err(recovery_code_read(SPAN("123456"), again), ERR_INVALID);
    assert_err(recovery_code_read(SPAN(""), again), ERR_INVALID);
    assert_err(recovery_code_read(SPAN("uuuu-uuuu-uuuu-uuuu"), again), ERR_INVALID); // no such sign
    assert_ok(recovery_code_make(text, other));
    assert_memory_not_equal(digest, other, sizeof(digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hotp_vectors),     cmocka_unit_test(test_totp_vectors),
        cmocka_unit_test(test_window),           cmocka_unit_test(test_used_steps),
        cmocka_unit_test(test_the_first_minute), cmocka_unit_test(test_what_is_typed),
        cmocka_unit_test(test_base32),           cmocka_unit_test(test_uri),
        cmocka_unit_test(test_secrets_differ),   cmocka_unit_test(test_recovery_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
