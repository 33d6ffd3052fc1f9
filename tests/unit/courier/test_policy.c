// SPDX-License-Identifier: Apache-2.0
//
// The texts that policies are made of: MTA-STS records and policies, TLSA, and records of the DNS.
#include "../test.h"
#include "courier/dns/lookup_record.h"
#include "courier/policy/sts_policy.h"
#include "courier/policy/tlsa.h"
#include "net/address.h"

static void test_sts_record(void **state)
{
    static const struct {
        const char *text;
        enum err e;
        const char *id;
    } cases[] = {
        {"v=STSv1; id=20160831085700Z;", ERR_OK, "20160831085700Z"},
        {"v=STSv1;id=1", ERR_OK, "1"},
        {"v=STSv1; x=y; id=1; id=2;", ERR_OK, "1"},
        {"v=STSv1 ; id=1 ;", ERR_OK, "1"},
        {"v=STSv1;", ERR_INVALID, ""},
        {"v=STSv1; id=;", ERR_INVALID, ""},
        {"v=STSv1; id=a-b;", ERR_INVALID, ""},
        {"v=STSv1; id=123456789012345678901234567890123;", ERR_INVALID, ""},
        {"v=STSv2; id=1;", ERR_NOT_FOUND, ""},
        {"id=1; v=STSv1;", ERR_NOT_FOUND, ""},
        {" v=STSv1; id=1;", ERR_NOT_FOUND, ""},
        {"v=spf1 -all", ERR_NOT_FOUND, ""},
        {"", ERR_NOT_FOUND, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span id = SPAN("");

        assert_err(sts_record_read(span_from_str(cases[i].text), &id), cases[i].e);
        assert_span(id, cases[i].id);
    }
}

#define GOOD "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmx: *.example.net\r\n"

static void test_sts_policy(void **state)
{
    static const struct {
        const char *text;
        bool good;
        enum sts_mode mode;
        unsigned age;
    } cases[] = {
        {GOOD "max_age: 604800\r\n", true, STS_ENFORCE, 604800},
        {GOOD "max_age: 604800", true, STS_ENFORCE, 604800},
        {"version: STSv1\nmode: testing\nmax_age:1\nmx:a\n\nmore: x\n", true, STS_TESTING, 1},
        {"version: STSv1\nmode: none\nmax_age: 86400\n", true, STS_NONE, 86400},
        {GOOD "max_age: 9999999999\n", true, STS_ENFORCE, STS_AGE_S_MAX},
        {GOOD "max_age: 5\nmax_age: 6\nmode: none\n", true, STS_ENFORCE, 5},
        {GOOD, false, 0, 0},
        {GOOD "max_age: -1\n", false, 0, 0},
        {GOOD "max_age: 99999999999999999999\n", false, 0, 0},
        {"version: STSv1\nmode: enforce\nmax_age: 1\n", false, 0, 0},
        {"version: STSv2\nmode: none\nmax_age: 1\n", false, 0, 0},
        {"version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1\n", false, 0, 0},
        {"mode: none\nmax_age: 1\n", false, 0, 0},
        {GOOD "max_age: 1\nmx: *\n", false, 0, 0},
        {GOOD "max_age: 1\nmx: a.*.b\n", false, 0, 0},
        {GOOD "max_age: 1\nno colon\n", false, 0, 0},
        {"<html>", false, 0, 0},
        {"", false, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sts_policy p;
        enum err e = sts_policy_read(span_from_str(cases[i].text), &p);

        assert_int_equal(e == ERR_OK, cases[i].good);
        if (e == ERR_OK) {
            assert_int_equal(p.mode, cases[i].mode);
            assert_int_equal(p.max_age_s, cases[i].age);
            sts_policy_finish(&p);
        }
    }
}

static void test_sts_hosts(void **state)
{
    struct sts_policy p;

    (void)state;
    assert_ok(sts_policy_read(SPAN(GOOD "max_age: 1\n"), &p));
    assert_true(sts_policy_allows(&p, SPAN("mx.example.org")));
    assert_true(sts_policy_allows(&p, SPAN("MX.Example.Org")));
    assert_true(sts_policy_allows(&p, SPAN("a.example.net")));
    assert_false(sts_policy_allows(&p, SPAN("example.net")));
    assert_false(sts_policy_allows(&p, SPAN("a.b.example.net")));
    assert_false(sts_policy_allows(&p, SPAN(".example.net")));
    assert_false(sts_policy_allows(&p, SPAN("mx.example.org.evil.test")));
    assert_false(sts_policy_allows(&p, SPAN("")));
    sts_policy_finish(&p);
}

static void test_tlsa(void **state)
{
    struct tlsa t;
    char record[3 + 64] = {3, 1, 1};

    (void)state;
    assert_ok(tlsa_read(span_of(record, 3 + 32), &t));
    assert_true(tlsa_is_usable(&t));
    assert_ok(tlsa_read(span_of(record, 3 + 31), &t));
    assert_false(tlsa_is_usable(&t));
    record[2] = 2;
    assert_ok(tlsa_read(span_of(record, 3 + 64), &t));
    assert_true(tlsa_is_usable(&t));
    for (int usage = 0; usage < 6; usage++) {
        record[0] = (char)usage;
        assert_ok(tlsa_read(span_of(record, 3 + 64), &t));
        assert_int_equal(tlsa_is_usable(&t), usage == 2 || usage == 3);
    }
    assert_err(tlsa_read(span_of(record, 3), &t), ERR_INVALID);
}

static void test_records(void **state)
{
    static const struct {
        uint16_t type;
        struct span rdata;
        const char *want; // NULL: refused
        size_t skip;
    } cases[] = {
        {DNS_MX, {"\0\x0a\x02MX\x01x\0", 8}, "mx.x", 2},
        {DNS_MX, {"\0\0\0", 3}, "", 2},
        {DNS_MX, {"\0\x0a\x02MX\x01x\0z", 9}, NULL, 0},
        {DNS_MX, {"\0\x0a\xc0\x0c", 4}, NULL, 0},
        {DNS_MX, {"\0", 1}, NULL, 0},
        {DNS_CNAME,
         {"\x03"
          "a.b\x01_\0",
          7},
         "a\\046b._",
         0},
        {DNS_PTR,
         {"\x05"
          "a",
          2},
         NULL,
         0},
        {DNS_TXT,
         {"\x03"
          "abc\0\x02"
          "de",
          8},
         "abcde",
         0},
        {DNS_TXT,
         {"\x04"
          "abc",
          4},
         NULL,
         0},
        {DNS_A, {"1234", 4}, "1234", 0},
        {DNS_A, {"12345", 5}, NULL, 0},
        {DNS_AAAA, {"1234", 4}, NULL, 0},
        {DNS_TLSA, {"xyz", 3}, "xyz", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b;
        struct span record, rest;

        buf_init(&b, 4096);
        enum err e = lookup_record_put(&b, cases[i].type, cases[i].rdata);

        assert_err(e, cases[i].want ? ERR_OK : ERR_INVALID);
        rest = buf_span(&b);
        assert_int_equal(lookup_record_next(&rest, &record), cases[i].want != NULL);
        if (cases[i].want) {
            assert_span(span_skip(record, cases[i].skip), cases[i].want);
        } else {
            assert_int_equal(b.n, 0);
        }
        buf_finish(&b);
    }
}

static void test_public_addresses(void **state)
{
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        {"8.8.8.8:25", true},
        {"10.1.2.3:25", false},
        {"127.9.9.9:25", false},
        {"172.15.0.1:25", true},
        {"172.16.0.1:25", false},
        {"172.32.0.1:25", true},
        {"192.168.0.1:25", false},
        {"169.254.1.1:25", false},
        {"100.64.0.1:25", false},
        {"0.0.0.0:25", false},
        {"224.0.0.1:25", false},
        {"255.255.255.255:25", false},
        {"[::1]:25", false},
        {"[::]:25", false},
        {"[fe80::1]:25", false},
        {"[fd00::1]:25", false},
        {"[2606:4700::1]:25", true},
        {"[2001:db8::1]:25", false},
        {"[::ffff:10.0.0.1]:25", false},
        {"[::ffff:8.8.8.8]:25", true},
        {"[64:ff9b::7f00:1]:25", false},
        {"[64:ff9b::808:808]:25", true},
        {"[2002:a00:1::]:25", false},
        {"[ff02::1]:25", false},
        {"[::7f00:1]:25", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;

        assert_ok(address_parse(span_from_str(cases[i].text), &a));
        if (address_is_public(&a) != cases[i].is_public) {
            print_error("%s\n", cases[i].text);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sts_record), cmocka_unit_test(test_sts_policy),
        cmocka_unit_test(test_sts_hosts),  cmocka_unit_test(test_tlsa),
        cmocka_unit_test(test_records),    cmocka_unit_test(test_public_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
