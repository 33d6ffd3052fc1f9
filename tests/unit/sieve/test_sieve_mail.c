// SPDX-License-Identifier: Apache-2.0
//
// What may be answered without a person, addresses and URIs of a script.
#include "../test.h"
#include "sieve/sieve.h"
#include "sieve/sieve_mail.h"

static void test_automatic(void **state)
{
    static const struct {
        const char *header;
        enum sieve_automatic want;
    } table[] = {
        {"From: a@example.com\r\n\r\n", SIEVE_PERSONAL},
        {"Auto-Submitted: no\r\n\r\n", SIEVE_PERSONAL},
        {"Auto-Submitted: No ; x=y\r\n\r\n", SIEVE_PERSONAL},
        {"Auto-Submitted: auto-replied\r\n\r\n", SIEVE_AUTO_SUBMITTED},
        {"auto-submitted:\r\n auto-notified; owner-email=\"x\"\r\n\r\n", SIEVE_AUTO_SUBMITTED},
        {"Auto-Submitted:\r\n\r\n", SIEVE_AUTO_SUBMITTED},
        {"X-Auto-Response-Suppress: OOF\r\n\r\n", SIEVE_AUTO_SUBMITTED},
        {"List-Id: <a.example.com>\r\n\r\n", SIEVE_LIST},
        {"List-Unsubscribe: <mailto:a@example.com>\n\n", SIEVE_LIST},
        {"Precedence: BULK\n\n", SIEVE_LIST},
        {"Precedence: first-class\n\n", SIEVE_PERSONAL},
        {"Content-Type: multipart/report; report-type=delivery-status\n\n", SIEVE_REPORT},
        {"Return-Path: <>\n\n", SIEVE_REPORT},
        {"Return-Path: <a@example.com>\n\nAuto-Submitted: auto-replied\n", SIEVE_PERSONAL},
        {"", SIEVE_PERSONAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (sieve_mail_automatic(span_from_str(table[i].header)) != table[i].want) {
            print_error("%s\n", table[i].header);
            fail();
        }
    }
}

static void test_robots(void **state)
{
    static const char *const robots[] = {"",
                                         "MAILER-DAEMON@example.com",
                                         "owner-x@example.com",
                                         "x-request@example.com",
                                         "LISTSERV@example.com",
                                         "majordomo",
                                         "noreply@example.com",
                                         "@example.com",
                                         "bounces+a=b@example.com"};
    static const char *const people[] = {"tim@example.com", "request@example.com",
                                         "postmaster@example.com", "ownership@example.com"};

    (void)state;
    for (size_t i = 0; i < sizeof(robots) / sizeof(robots[0]); i++) {
        assert_true(sieve_mail_is_robot(span_from_str(robots[i])));
    }
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
        assert_false(sieve_mail_is_robot(span_from_str(people[i])));
    }
}

static void test_names(void **state)
{
    struct span own[] = {SPAN("owner@example.org")}, more[] = {SPAN("Other@Example.org")};
    struct sieve_strings lists[] = {{own, 1}, {more, 1}};

    (void)state;
    assert_true(sieve_mail_names(SPAN("To: x <OWNER@example.org>\n\n"), lists, 2));
    assert_true(sieve_mail_names(SPAN("Cc: a@b.c, other@example.org\n\n"), lists, 2));
    assert_true(sieve_mail_names(SPAN("Resent-To: g: a@b.c, other@example.org;\n\n"), lists, 2));
    assert_false(sieve_mail_names(SPAN("Cc: a@b.c, other@example.org\n\n"), lists, 1));
    assert_false(sieve_mail_names(SPAN("From: owner@example.org\n\n"), lists, 2));
    assert_false(sieve_mail_names(SPAN("To: \"owner@example.org\" <a@b.c>\n\n"), lists, 2));
    assert_false(sieve_mail_names(SPAN("Subject: x\n\nTo: owner@example.org\n"), lists, 2));
}

static void test_addresses(void **state)
{
    static const struct {
        const char *in, *want; // NULL: none
    } table[] = {
        {"a@example.com", "a@example.com"},
        {" <a@example.com> ", "a@example.com"},
        {"Tim <a@example.com>", "a@example.com"},
        {"\"a b\"@example.com", "\"a b\"@example.com"},
        {"ü@exämple.com", "ü@exämple.com"},
        {"a@[127.0.0.1]", "a@[127.0.0.1]"},
        {"", NULL},
        {"a", NULL},
        {"@example.com", NULL},
        {"a@", NULL},
        {"a@b@c", NULL},
        {"a@example..com", NULL},
        {"a@exa mple.com", NULL},
        {"a b@example.com", NULL},
        {"a@example.com, b@example.com", NULL},
        {"g: a@example.com;", NULL},
        {"<@x,@y:a@example.com>", NULL},
        {"a@example.com\r\nRCPT TO:<b@example.com>", NULL},
        {"a@example.com>", NULL},
        {"a@exam|ple.com", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct arena arena;
        struct span out = SPAN("");

        arena_init(&arena, 100000);
        enum err e = sieve_mail_address(&arena, span_from_str(table[i].in), &out);

        if (e != (table[i].want ? ERR_OK : ERR_INVALID)) {
            print_error("\"%s\" gives \"%.*s\"\n", table[i].in, SPAN_ARG(out));
            fail();
        }
        if (table[i].want) {
            assert_span(out, table[i].want);
        }
        arena_finish(&arena);
    }
}

static void test_extensions(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4000);
    sieve_extensions_put(&b);
    assert_true(span_starts(buf_span(&b), SPAN("fileinto reject ereject envelope ")));
    assert_true(span_find(buf_span(&b), SPAN("imapsieve")) == b.n);
    assert_true(span_find(buf_span(&b), SPAN("  ")) == b.n);
    assert_true(span_ends(buf_span(&b), SPAN(" comparator-i;unicode-casemap")));
    buf_finish(&b);
}

static void test_script_names(void **state)
{
    char longest[SIEVE_NAME_BYTES_MAX + 1];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    assert_true(sieve_script_name_is_valid(SPAN("my rules")));
    assert_true(sieve_script_name_is_valid(SPAN("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"))); // RTL
    assert_true(sieve_script_name_is_valid(span_of(longest, SIEVE_NAME_BYTES_MAX)));
    assert_false(sieve_script_name_is_valid(span_of(longest, SIEVE_NAME_BYTES_MAX + 1)));
    assert_false(sieve_script_name_is_valid(SPAN("")));
    assert_false(sieve_script_name_is_valid(SPAN("a/b")));
    assert_false(sieve_script_name_is_valid(SPAN("../../x")));
    assert_false(sieve_script_name_is_valid(SPAN("..")));
    assert_false(sieve_script_name_is_valid(SPAN("a\nb")));
    assert_false(sieve_script_name_is_valid(SPAN("a\0b")));
    assert_false(sieve_script_name_is_valid(SPAN("\xe2\x80\xa8"))); // line separator
    assert_false(sieve_script_name_is_valid(SPAN("\xff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_automatic),  cmocka_unit_test(test_robots),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_extensions), cmocka_unit_test(test_script_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
