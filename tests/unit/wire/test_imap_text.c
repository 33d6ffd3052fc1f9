// SPDX-License-Identifier: Apache-2.0
//
// Modified UTF-7, dates, flags and mailbox names.
#include "../test.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "wire/imap/imap_date.h"
#include "wire/imap/imap_flag.h"
#include "wire/imap/imap_mailbox.h"
#include "wire/imap/imap_utf7.h"

static void test_utf7_both_ways(void **state)
{
    static const struct {
        const char *utf7, *utf8;
    } rows[] = {
        {"", ""},
        {"INBOX", "INBOX"},
        {"&-", "&"},
        {"a&-b&-", "a&b&"},
        {"&-&-", "&&"},
        {"&AOk-", "\xc3\xa9"},
        {"&AOk-&-&AOk-", "\xc3\xa9&\xc3\xa9"},
        {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
        {"&U,BTFw-", "\xe5\x8f\xb0\xe5\x8c\x97"},
        {"&ZeVnLIqe-", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
        {"&2D3eAA-", "\xf0\x9f\x98\x80"},
        {"&2D3eANg93gE-", "\xf0\x9f\x98\x80\xf0\x9f\x98\x81"},
        {"&2,,f,w-", "\xf4\x8f\xbf\xbf"},
        {"&AOkA6QDpAOkA6Q-", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"},
        {"&AIA-", "\xc2\x80"},
        {"-", "-"},
        {"&AOk--", "\xc3\xa9-"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 1000);
        assert_ok(imap_utf7_decode(&b, span_from_str(rows[i].utf7)));
        assert_span(buf_span(&b), rows[i].utf8);
        buf_clear(&b);
        assert_ok(imap_utf7_encode(&b, span_from_str(rows[i].utf8)));
        assert_span(buf_span(&b), rows[i].utf7);
        buf_finish(&b);
    }
}

static void test_utf7_refuses_every_second_spelling(void **state)
{
    static const char *const rows[] = {
        "&",          // unfinished
        "&AOk",       // unfinished
        "a&",         //
        "&AOk&-",     // no end
        "&!-",        // no base64
        "&AO k-",     //
        "&AOk=-",     // padding
        "&A-",        // less than a character
        "&AA-",       //
        "&AOkA-",     // six bits too many
        "&AOl-",      // bits left over
        "&AGE-",      // "a" stands for itself
        "&ACY-",      // so does "&"
        "&AC8-",      // and "/"
        "&AH4-",      // "~"
        "&AAA-",      // NUL
        "&AAo-",      // LF
        "&AH8-",      // DEL
        "&2AA-",      // a high surrogate alone
        "&3AA-",      // a low one
        "&2ADYAA-",   // two high
        "&3ADYAA-",   // in the wrong order
        "&2ADpAA-",   // high, then a character
        "&AOkAYQ-",   // ASCII within a shift
        "&AOk-&AOk-", // one shift would do
        "\x01",       "\x7f", "\xc3\xa9", "a\tb",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 1000);
        if (imap_utf7_decode(&b, span_from_str(rows[i])) != ERR_INVALID) {
            fail_msg("row %zu \"%s\"", i, rows[i]);
        }
        buf_finish(&b);
    }
}

static void test_utf7_refuses_what_is_not_utf8(void **state)
{
    static const char *const rows[] = {"\xff", "\xc3", "\xed\xa0\x80", "a\nb", "\x7f"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 1000);
        assert_err(imap_utf7_encode(&b, span_from_str(rows[i])), ERR_INVALID);
        buf_finish(&b);
    }
}

// Every character alone, and between letters.
static void test_utf7_round_trip_of_all_characters(void **state)
{
    struct buf utf8, utf7, back;

    (void)state;
    buf_init(&utf8, 100);
    buf_init(&utf7, 100);
    buf_init(&back, 100);
    for (uint32_t c = 0x20; c <= 0x10ffff; c++) {
        if (c == 0x7f || (c >= 0xd800 && c < 0xe000)) {
            continue;
        }
        buf_clear(&utf8);
        buf_clear(&utf7);
        buf_clear(&back);
        buf_put_byte(&utf8, 'a');
        utf8_put(&utf8, c);
        utf8_put(&utf8, 0x10ffff - c / 2 < 0xe000 ? 0xe9 : 0x10ffff - c / 2);
        assert_ok(imap_utf7_encode(&utf7, buf_span(&utf8)));
        assert_true(utf8_is_ascii(buf_span(&utf7)));
        assert_ok(imap_utf7_decode(&back, buf_span(&utf7)));
        assert_true(span_eq(buf_span(&back), buf_span(&utf8)));
    }
    buf_finish(&utf8);
    buf_finish(&utf7);
    buf_finish(&back);
}

// ---- dates --------------------------------------------------------------------------------------

static void test_days_of_all_years(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t days = -719162;

    (void)state;
    assert_int_equal(imap_days_from_date(1970, 1, 1), 0);
    for (int y = 1; y <= 9999; y++) {
        bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

        for (int m = 1; m <= 12; m++) {
            int length = lengths[m - 1] + (m == 2 && leap);

            for (int d = 1; d <= length; d++, days++) {
                int year, month, day;

                imap_date_from_days(days, &year, &month, &day);
                if (imap_days_from_date(y, m, d) != days || year != y || month != m || day != d) {
                    fail_msg("%d-%d-%d", y, m, d);
                }
            }
        }
    }
}

static void test_dates(void **state)
{
    static const struct {
        const char *in;
        const char *want; // NULL: refused
    } rows[] = {
        {"1-Feb-1994", "1-Feb-1994"},
        {"01-feb-1994", "1-Feb-1994"},
        {"31-DEC-9999", "31-Dec-9999"},
        {"29-Feb-2000", "29-Feb-2000"},
        {"1-Jan-0001", "1-Jan-0001"},
        {"29-Feb-1900", NULL},
        {"0-Feb-1994", NULL},
        {"32-Jan-1994", NULL},
        {"1-Feb-0000", NULL},
        {"1-Feb-94", NULL},
        {"1-Feb-19940", NULL},
        {" 1-Feb-1994", NULL},
        {"001-Feb-1994", NULL},
        {"1-Foo-1994", NULL},
        {"1-Feb", NULL},
        {"", NULL},
        {"1 Feb 1994", NULL},
        {"-1-Feb-1994", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;
        int32_t days;
        enum err e = imap_date_parse(span_from_str(rows[i].in), &days);

        buf_init(&b, 100);
        if (!e) {
            imap_date_write(&b, days);
        }
        if (e ? rows[i].want != NULL
              : !rows[i].want || !span_eq(buf_span(&b), span_from_str(rows[i].want))) {
            fail_msg("row %zu %s", i, rows[i].in);
        }
        buf_finish(&b);
    }
}

static void test_date_times(void **state)
{
    static const struct {
        const char *in;
        int64_t seconds;
        int zone;
        bool ok;
    } rows[] = {
        {"17-Jul-1996 02:44:25 -0700", 837596665, -420, true},
        {" 1-Jan-1970 00:00:00 +0000", 0, 0, true},
        {" 1-Jan-1970 00:00:00 +0100", -3600, 60, true},
        {"31-Dec-1969 23:59:59 +0000", -1, 0, true},
        {" 1-Jan-0001 00:00:00 +0000", -62135596800, 0, true},
        {"31-Dec-9999 23:59:59 -2359", 253402300799 + 86340, -1439, true},
        {"30-Jun-2015 23:59:60 +0000", 1435708800, 0, true},
        {"1-Jan-1970 00:00:00 +0000", 0, 0, false},
        {"17-Jul-1996 24:00:00 +0000", 0, 0, false},
        {"17-Jul-1996 00:60:00 +0000", 0, 0, false},
        {"17-Jul-1996 00:00:61 +0000", 0, 0, false},
        {"17-Jul-1996 00:00:00 +2400", 0, 0, false},
        {"17-Jul-1996 00:00:00 +0060", 0, 0, false},
        {"17-Jul-1996 00:00:00 0000", 0, 0, false},
        {"17-Jul-1996 00:00:00", 0, 0, false},
        {"17-Jul-1996 00:00:00 +0000 ", 0, 0, false},
        {"31-Jun-1996 00:00:00 +0000", 0, 0, false},
        {"", 0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct imap_date_time t = {0};
        enum err e = imap_date_time_parse(span_from_str(rows[i].in), &t);

        if ((e == ERR_OK) != rows[i].ok ||
            (!e && (t.seconds != rows[i].seconds || t.zone_minutes != rows[i].zone))) {
            fail_msg("row %zu %s: %lld %d", i, rows[i].in, (long long)t.seconds, t.zone_minutes);
        }
        if (!e && i != 6) { // a leap second does not come back as one
            struct buf b;

            buf_init(&b, 100);
            imap_date_time_write(&b, t);
            assert_span(buf_span(&b), rows[i].in);
            buf_finish(&b);
        }
    }
}

static void test_date_times_round_trip(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (int64_t s = -62135596800 + 90000; s < 253402300799 - 90000; s += 86400 * 13 + 12345) {
        struct imap_date_time t = {s, (int16_t)(s % 1440)}, back;

        buf_clear(&b);
        imap_date_time_write(&b, t);
        assert_int_equal(b.n, IMAP_DATE_TIME_BYTES);
        assert_ok(imap_date_time_parse(buf_span(&b), &back));
        assert_true(back.seconds == t.seconds && back.zone_minutes == t.zone_minutes);
    }
    // Out of all calendars: still a date.
    for (int i = 0; i < 2; i++) {
        struct imap_date_time back;

        buf_clear(&b);
        imap_date_time_write(&b, (struct imap_date_time){i ? INT64_MAX : INT64_MIN, 0});
        assert_ok(imap_date_time_parse(buf_span(&b), &back));
    }
    buf_finish(&b);
}

// ---- flags and names ----------------------------------------------------------------------------

static void test_flags(void **state)
{
    const struct span keywords[] = {SPAN("$Forwarded"), SPAN("bad word"), SPAN("x\r\n* BYE"),
                                    SPAN(""), SPAN("ok")};
    struct imap_flags flags = {IMAP_FLAG_SEEN | IMAP_FLAG_RECENT, keywords, 5};
    struct buf b;
    uint32_t bit;

    (void)state;
    buf_init(&b, 1000);
    imap_flags_write(&b, &flags, false);
    assert_span(buf_span(&b), "(\\Seen \\Recent $Forwarded ok)");
    buf_clear(&b);
    imap_flags_write(&b, &(struct imap_flags){.n = 0}, true);
    assert_span(buf_span(&b), "(\\*)");
    buf_clear(&b);
    imap_attributes_write(&b, IMAP_ATTR_HAS_NO_CHILDREN | IMAP_USE_SENT | IMAP_ATTR_SUBSCRIBED);
    assert_span(buf_span(&b), "(\\HasNoChildren \\Subscribed \\Sent)");
    buf_finish(&b);
    assert_true(imap_flag_from_name(SPAN("\\SEEN"), false, &bit));
    assert_int_equal(bit, IMAP_FLAG_SEEN);
    assert_false(imap_flag_from_name(SPAN("\\Recent"), false, &bit));
    assert_true(imap_flag_from_name(SPAN("\\Recent"), true, &bit));
    assert_false(imap_flag_from_name(SPAN("Seen"), true, &bit));
    assert_true(imap_special_use_from_name(SPAN("\\junk"), &bit));
    assert_false(imap_special_use_from_name(SPAN("\\Seen"), &bit));
    assert_null(imap_flag_name(3));
}

static void test_names_are_checked_without_a_parser(void **state)
{
    static const struct {
        const char *name;
        enum err want;
    } rows[] = {
        {"a", ERR_OK},
        {"a.b", ERR_OK},
        {"a/...", ERR_OK},
        {" a ", ERR_OK},
        {"", ERR_INVALID},
        {"/", ERR_INVALID},
        {"a/", ERR_INVALID},
        {"a//b", ERR_INVALID},
        {"..", ERR_INVALID},
        {"a/../b", ERR_INVALID},
        {"a\nb", ERR_INVALID},
        {"\xff", ERR_INVALID},
        {"\xc2\x85", ERR_INVALID},
        {"\xe2\x80\xa8", ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why = NULL;
        enum err e = imap_mailbox_check(span_from_str(rows[i].name), '/', &why);

        if (e != rows[i].want || (e && !why)) {
            fail_msg("row %zu", i);
        }
    }
    const char *why;

    assert_ok(imap_mailbox_check(SPAN("a/b"), '.', &why));
    assert_err(imap_mailbox_check(SPAN("a..b"), '.', &why), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf7_both_ways),
        cmocka_unit_test(test_utf7_refuses_every_second_spelling),
        cmocka_unit_test(test_utf7_refuses_what_is_not_utf8),
        cmocka_unit_test(test_utf7_round_trip_of_all_characters),
        cmocka_unit_test(test_days_of_all_years),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_date_times),
        cmocka_unit_test(test_date_times_round_trip),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_names_are_checked_without_a_parser),
    };

    return cmocka_run_group_tests_name("imap_text", tests, NULL, NULL);
}
