// SPDX-License-Identifier: Apache-2.0
//
// Transfer encodings, charsets, encoded words.
#include "../test.h"
#include "base/utf8.h"
#include "mime/mime_charset.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_word.h"

static const struct {
    enum mime_encoding encoding;
    const char *in, *want;
} bodies[] = {
    {MIME_7BIT, "a=20b\r\n", "a=20b\r\n"},
    {MIME_BASE64, "aGVsbG8=", "hello"},
    {MIME_BASE64, "aGVs\r\nbG8=\r\n", "hello"},
    {MIME_BASE64, "a G!V\xffs-b_G8", "hello"},
    {MIME_BASE64, "aGVsbG8", "hello"},
    {MIME_BASE64, "aGVsbA", "hell"},
    {MIME_BASE64, "aGVsb", "hel"},
    {MIME_BASE64, "=aGVs=bG8=", "hello"},
    {MIME_BASE64, "aGVsbA==\r\n-- \r\nfooter of a list", "hell"},
    {MIME_BASE64, "", ""},
    {MIME_BASE64, "====", ""},
    {MIME_QP, "a=20b=3D", "a b="},
    {MIME_QP, "=c3=A9", "\xc3\xa9"},
    {MIME_QP, "soft=\r\n break=\nagain= \t\r\nend", "soft breakagainend"},
    {MIME_QP, "blanks  \t\r\nnext \nlast  ", "blanks\r\nnext\nlast"},
    {MIME_QP, "a=zz=4=4g=", "a=zz=4=4g"},
    {MIME_QP, "a=\rb", "a=\rb"},
    {MIME_QP, "==41", "=A"},
    {MIME_QP, "a \rb\r\r\nc", "a \rb\r\r\nc"},
    {MIME_QP, "a=4\r\nb", "a=4\r\nb"},
    {MIME_QP, "a=", "a"},
    {MIME_QP, "a=4", "a=4"},
    {MIME_ENCODING_OTHER, "begin 644 x\n", "begin 644 x\n"},
};

static void check_body(size_t row, size_t piece)
{
    struct span in = span_from_str(bodies[row].in), want = span_from_str(bodies[row].want);
    struct mime_decoder d;
    struct buf got;

    buf_init(&got, 4096);
    mime_decode_begin(&d, bodies[row].encoding);
    for (size_t at = 0; at < in.n; at += piece) {
        mime_decode_feed(&d, &got, span_first(span_skip(in, at), piece));
    }
    mime_decode_finish(&d, &got);
    if (!span_eq(buf_span(&got), want)) {
        print_error("row %zu, pieces of %zu: \"%.*s\"\n", row, piece, SPAN_ARG(buf_span(&got)));
        fail();
    }
    assert_int_equal(d.has_8bit, !utf8_is_ascii(want));
    buf_finish(&got);
}

static void test_bodies_are_decoded_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        for (size_t piece = 1; piece < 12; piece++) {
            check_body(i, piece);
        }
    }
}

static void test_nul_and_the_cap_are_told(void **state)
{
    struct mime_decoder d;
    struct buf got;

    (void)state;
    buf_init(&got, 4);
    mime_decode_begin(&d, MIME_BASE64);
    mime_decode_feed(&d, &got, SPAN("YQBiYw=="));
    assert_true(d.has_nul);
    assert_int_equal(got.n, 4);
    assert_ok(buf_result(&got));
    assert_err(mime_decode(&got, MIME_BASE64, SPAN("YQ==")), ERR_LIMIT);
    buf_finish(&got);
}

static void test_a_long_run_of_blanks_in_quoted_printable(void **state)
{
    char text[1000];
    struct buf a, b;
    struct mime_decoder d;

    (void)state;
    memset(text, ' ', sizeof(text));
    text[0] = 'x';
    text[999] = 'y';
    buf_init(&a, 2000);
    buf_init(&b, 2000);
    assert_ok(mime_decode(&a, MIME_QP, span_of(text, sizeof(text))));
    assert_int_equal(a.n, 1000);
    mime_decode_begin(&d, MIME_QP);
    for (size_t i = 0; i < sizeof(text); i++) {
        mime_decode_feed(&d, &b, span_of(text + i, 1));
    }
    mime_decode_finish(&d, &b);
    assert_true(span_eq(buf_span(&a), buf_span(&b)));
    buf_finish(&a);
    buf_finish(&b);
}

static void test_encoding_names(void **state)
{
    static const struct {
        const char *in;
        enum mime_encoding want;
    } rows[] = {
        {"", MIME_7BIT},
        {"7bit", MIME_7BIT},
        {" BASE64 ", MIME_BASE64},
        {"base64 (yes)", MIME_BASE64},
        {"(no) Base64", MIME_BASE64},
        {"\"quoted-printable\"", MIME_QP},
        {"8bit;", MIME_8BIT},
        {"binary", MIME_BINARY},
        {"x-uuencode", MIME_ENCODING_OTHER},
        {"base64x", MIME_ENCODING_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (mime_encoding_parse(span_from_str(rows[i].in)) != rows[i].want) {
            fail_msg("row %zu", i);
        }
    }
}

static const struct {
    const char *charset, *in, *want;
} texts[] = {
    {"utf-8", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"UTF-8", "\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"utf-8", "a\xc3", "a\xef\xbf\xbd"},
    {"utf-8", "\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx"},
    {"utf-8", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"iso-8859-1", "\xe9\x80", "\xc3\xa9\xe2\x82\xac"},
    {"windows-1252", "\x93hi\x94", "\xe2\x80\x9chi\xe2\x80\x9d"},
    {"us-ascii", "\xe9", "\xc3\xa9"},
    {"", "\xc3\xa9\xe9", "\xc3\xa9\xc3\xa9"},
    {"", "\xc3", "\xc3\x83"},
    {"iso-8859-15", "\xa4", "\xe2\x82\xac"},
    {"koi8-r", "\xf0\xd2\xc9", "\xd0\x9f\xd1\x80\xd0\xb8"},
    {"gb2312", "\xc4\xe3\xba\xc3", "\xe4\xbd\xa0\xe5\xa5\xbd"},
    {"iso-2022-jp", "\x1b$B%\"\x1b(Ba",
     "\xe3\x82\xa2"
     "a"},
    {"shift_jis", "\x83\x41\x83", "\xe3\x82\xa2\xef\xbf\xbd"},
    {"euc-kr", "\xb0\xa1", "\xea\xb0\x80"},
    {"big5", "\xa7\x41", "\xe4\xbd\xa0"},
    {"utf-7", "+AOk-a",
     "\xc3\xa9"
     "a"},
    {"x-no-such", "\xc3\xa9", "\xc3\xa9"},
    {"utf-8//IGNORE", "\xe9", "\xc3\xa9"},
};

static void test_charsets_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t piece = 1; piece < 5; piece++) {
            struct span in = span_from_str(texts[i].in);
            struct mime_charset c;
            struct buf got;

            buf_init(&got, 1000);
            mime_charset_begin(&c, span_from_str(texts[i].charset));
            for (size_t at = 0; at < in.n; at += piece) {
                mime_charset_feed(&c, &got, span_first(span_skip(in, at), piece));
            }
            mime_charset_finish(&c, &got);
            if (!span_eq(buf_span(&got), span_from_str(texts[i].want))) {
                print_error("row %zu, pieces of %zu: \"%.*s\"\n", i, piece,
                            SPAN_ARG(buf_span(&got)));
                fail();
            }
            buf_finish(&got);
        }
    }
}

static void test_known_charsets(void **state)
{
    struct mime_charset c;
    struct buf none;

    (void)state;
    mime_charset_preload();
    mime_charset_preload();
    buf_init(&none, 10);
    assert_true(mime_charset_is_known(SPAN(" KOI8-R ")));
    assert_false(mime_charset_is_known(SPAN("ISO-2022-CN-EXT")));
    assert_false(mime_charset_begin(&c, SPAN("ISO-2022-CN-EXT")));
    mime_charset_finish(&c, &none);
    assert_true(mime_charset_begin(&c, SPAN("")));
    mime_charset_finish(&c, &none);
    buf_finish(&none);
}

static const struct {
    const char *in, *want;
} words[] = {
    {"plain", "plain"},
    {"=?utf-8?q?a=C3=A9_b?=", "a\xc3\xa9 b"},
    {"=?UTF-8?B?w6k=?=", "\xc3\xa9"},
    {"=?iso-8859-1?Q?=A1Hola?=", "\xc2\xa1Hola"},
    {"=?us-ascii*en?q?hi?=", "hi"},
    {"a =?utf-8?q?b?= c", "a b c"},
    {"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?=\r\n\t=?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
    {"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\xc3\xa9"},
    {"=?utf-8?b?w6k=?= =?utf-8?q?x?=", "\xc3\xa9x"},
    {"=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "a\xc3\xa9"},
    {"glued=?utf-8?q?_word?=too", "glued wordtoo"},
    {"=?utf-8?q?with blank?=", "with blank"},
    {"=?x?q?=0D=0A=00Bcc:?=", "   Bcc:"},
    {"=?no-such?q?=C3=A9?=", "\xc3\xa9"},
    {"=?no-such?q?=E9?=", "\xc3\xa9"},
    {"=?utf-8?q?\?=", ""},
    {"=?utf-8?q?=?=", "="},
    {"=?utf-8?q?=4?=", "=4"},
    {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
    {"=?utf-8?q?a", "=?utf-8?q?a"},
    {"=?utf-8?q?a =?utf-8?q?b?=", "=?utf-8?q?a b"},
    {"=?=?=", "=?=?="},
    {"=?", "=?"},
    {"?==?", "?==?"},
    {"caf\xe9", "caf\xc3\xa9"},
    {"caf\xc3\xa9", "caf\xc3\xa9"},
    {"a\r\n b\tc\x01", "a b c "},
    {"=?utf-8?b?####?=", ""},
};

static void test_words_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct buf got;

        buf_init(&got, 1000);
        mime_word_decode(&got, span_from_str(words[i].in));
        if (!span_eq(buf_span(&got), span_from_str(words[i].want))) {
            fail_msg("row %zu \"%s\": \"%.*s\"", i, words[i].in, SPAN_ARG(buf_span(&got)));
        }
        buf_finish(&got);
    }
}

static void test_words_are_encoded_and_read_back(void **state)
{
    static const char *const rows[] = {
        "plain text",
        "caf\xc3\xa9",
        "looks =?like?= one",
        "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5"
        "\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd",
        "mostly plain words but one umlaut \xc3\xbc, and so long that it needs several words to "
        "fit",
        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f"
        "\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf coded, back;

        buf_init(&coded, 4000);
        buf_init(&back, 4000);
        mime_word_encode(&coded, span_from_str(rows[i]));
        assert_true(utf8_is_ascii(buf_span(&coded)));
        for (struct span rest = buf_span(&coded); i && rest.n;) {
            assert_true(span_split(&rest, ' ').n <= 75);
        }
        mime_word_decode(&back, buf_span(&coded));
        assert_span(buf_span(&back), rows[i]);
        buf_finish(&coded);
        buf_finish(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_are_decoded_in_any_pieces),
        cmocka_unit_test(test_nul_and_the_cap_are_told),
        cmocka_unit_test(test_a_long_run_of_blanks_in_quoted_printable),
        cmocka_unit_test(test_encoding_names),
        cmocka_unit_test(test_charsets_in_any_pieces),
        cmocka_unit_test(test_known_charsets),
        cmocka_unit_test(test_words_are_decoded),
        cmocka_unit_test(test_words_are_encoded_and_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
