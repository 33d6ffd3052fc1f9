// SPDX-License-Identifier: Apache-2.0
//
// Authentication-Results: written, read, forged; and the small parts below (names, tags, the memo).
#include "../test.h"
#include "senderauth/auth_results.h"
#include "senderauth/domain_name.h"
#include "senderauth/resolver.h"
#include "senderauth/tag_list.h"

static void test_write(void **state)
{
    const struct auth_property mail[] = {
        {SPAN("smtp"), SPAN("mailfrom"), SPAN("jo@example.org")},
        {SPAN("smtp"), SPAN("helo"), SPAN("")},
    };
    const struct auth_property odd[] = {
        {SPAN("header"), SPAN("d"), SPAN("x;\r\nEvil: \"y\\")},
        {SPAN("header"), SPAN("i"), SPAN("@example.org")},
        {SPAN("header"), SPAN("f"), SPAN("\xc3\xbc@example.org")},
        {SPAN("he ader"), SPAN("s"), SPAN("\xff")},
    };
    const struct auth_result list[] = {
        {SPAN("spf"), SPAN("pass"), SPAN("it is \"good\"\n"), mail, 2},
        {SPAN("dkim"), SPAN("fa;il"), SPAN(""), odd, 4},
    };
    const struct auth_results all = {SPAN("mx.example.net"), list, 2};
    const struct auth_results none = {SPAN("mx.example.net"), NULL, 0};
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    assert_ok(auth_results_put_field(&b, &all, true));
    assert_span(buf_span(&b),
                "Authentication-Results: mx.example.net;\r\n"
                "\tspf=pass\r\n\t\treason=\"it is \\\"good\\\" \"\r\n"
                "\t\tsmtp.mailfrom=jo@example.org;\r\n"
                "\tdkim=unknown\r\n\t\theader.d=\"x;  Evil: \\\"y\\\\\"\r\n"
                "\t\theader.i=@example.org\r\n\t\theader.f=\"\xc3\xbc@example.org\"\r\n"
                "\t\tunknown.s=\"?\"\r\n");
    buf_clear(&b);
    assert_ok(auth_results_put(&b, &all, false));
    assert_true(span_find(buf_span(&b), SPAN("header.f=\"?@example.org\"")) < b.n);
    buf_clear(&b);
    assert_ok(auth_results_put(&b, &none, false));
    assert_span(buf_span(&b), "mx.example.net; none");
    buf_finish(&b);
    buf_init(&b, 20);
    assert_err(auth_results_put(&b, &all, false), ERR_LIMIT);
    buf_finish(&b);
}

static void dump(struct buf *out, const struct auth_results *r)
{
    buf_put(out, r->id);
    for (size_t i = 0; i < r->n; i++) {
        buf_printf(out, "|%.*s=%.*s", SPAN_ARG(r->results[i].method),
                   SPAN_ARG(r->results[i].result));
        if (r->results[i].reason.n) {
            buf_printf(out, "(%.*s)", SPAN_ARG(r->results[i].reason));
        }
        for (size_t k = 0; k < r->results[i].n; k++) {
            const struct auth_property *p = &r->results[i].properties[k];

            buf_printf(out, ",%.*s.%.*s=%.*s", SPAN_ARG(p->type), SPAN_ARG(p->name),
                       SPAN_ARG(p->value));
        }
    }
}

// The examples of RFC 8601 appendix B, and junk; "" for what cannot be read.
static void test_read(void **state)
{
    static const struct {
        const char *body, *want;
    } rows[] = {
        {" example.org 1; none", "example.org"},
        {" example.com;\r\n spf=pass smtp.mailfrom=example.net",
         "example.com|spf=pass,smtp.mailfrom=example.net"},
        {" example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n"
         " spf=pass smtp.mailfrom=example.net",
         "example.com|auth=pass,smtp.auth=sender@example.net|spf=pass,smtp.mailfrom=example.net"},
        {" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait "
         "for "
         "it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = "
         "(as I wasn't expecting it) 1362471462",
         "foo.example.net|dkim=fail,policy.expired=1362471462"},
        {" a; dkim=fail reason=\"bad \\\"x\\\"\" header.i=@b",
         "a|dkim=fail(bad \"x\"),header.i=@b"},
        {" a; spf=pass smtp.mailfrom=\"jo e\"@b.c", "a|spf=pass,smtp.mailfrom=jo e@b.c"},
        {" \"a b\"; none", "a b"},
        {" a;", "a"},
        {" a", "a"},
        {"", ""},
        {" ; none", ""},
        {" a 2; none", ""},
        {" a; spf", ""},
        {" a; spf=", ""},
        {" a; spf=pass smtp", ""},
        {" a; spf=pass smtp.x", ""},
        {" a; spf=pass (open", ""},
        {" a; spf=pass x=\"open", ""},
        {" a b; none", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_results r;
        struct arena arena;
        struct buf b;

        arena_init(&arena, 1 << 20);
        buf_init(&b, 10000);
        if (auth_results_parse(&arena, span_from_str(rows[i].body), &r) == ERR_OK) {
            dump(&b, &r);
        }
        if (!span_eq(buf_span(&b), span_from_str(rows[i].want))) {
            print_error("row %zu: got \"%.*s\"\n", i, SPAN_ARG(buf_span(&b)));
            fail();
        }
        buf_finish(&b);
        arena_finish(&arena);
    }
}

static void test_forged(void **state)
{
    struct span block = SPAN("Authentication-Results: mx.us.net; spf=pass\r\n x.y=z\r\n"
                             "Subject: hello\r\n"
                             "AUTHENTICATION-RESULTS:(c)MX.us.NET (x) 1;dkim=pass\r\n"
                             "Authentication-Results: other.net; spf=pass\r\n"
                             "Authentication-Results: mx.us.net.evil.org; spf=pass\r\n"
                             "Authentication-Results: (broken\r\n"
                             "Authentication-Results: \"mx.us.net\"; spf=pass\r\n"
                             "X: y\r\n\r\n");
    static const char *const starts[] = {
        "Authentication-Results: mx.us.net; spf=pass\r\n x.y=z\r\n", "AUTHENTICATION-RESULTS:(c)",
        "Authentication-Results: (broken\r\n",
        "Authentication-Results: \"mx.us.net\"; spf=pass\r\n"};
    struct auth_cut cut;
    struct buf b;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(auth_results_next_forged(block, SPAN("mx.us.net"), &at, &cut));
        assert_true(span_starts(span_skip(block, cut.offset), span_from_str(starts[i])));
        assert_true(block.p[cut.offset + cut.n - 1] == '\n');
    }
    assert_false(auth_results_next_forged(block, SPAN("mx.us.net"), &at, &cut));
    assert_true(auth_results_is_forged(SPAN(" b\xc3\xbc"
                                            "cher.example; none"),
                                       SPAN("xn--bcher-kva.example")));
    buf_init(&b, 1000);
    assert_ok(auth_results_join(&b, block, SPAN("mx.us.net")));
    assert_span(buf_span(&b), "mx.us.net;\r\n\tspf=pass\r\n x.y=z;\r\n\tdkim=pass;\r\n\tspf=pass");
    assert_err(auth_results_join(&b, block, SPAN("nobody.net")), ERR_NOT_FOUND);
    buf_finish(&b);
}

static void test_names(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"Example.ORG.", "example.org"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "CHER.example",
         "xn--bcher-kva.example"},
        {"stra\xc3\x9f"
         "e.example",
         "xn--strae-oqa.example"},
        {"_dmarc.x", "_dmarc.x"},
        {"", ""},
        {".", ""},
        {"a..b", ""},
        {".a", ""},
        {"a\r\nb.c", ""},
        {"\xff.example", ""},
        {"a1234567890123456789012345678901234567890123456789012345678901234.x", ""},
    };
    struct domain_name d;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err e = domain_name_parse(span_from_str(rows[i].in), &d);

        assert_err(e, *rows[i].want ? ERR_OK : ERR_INVALID);
        if (e == ERR_OK) {
            assert_span(domain_name_span(&d), rows[i].want);
        }
    }
    assert_true(domain_name_is_within(SPAN("a.b"), SPAN("b")));
    assert_false(domain_name_is_within(SPAN("ab"), SPAN("b")));
    assert_false(domain_name_is_within(SPAN("b"), SPAN("a.b")));
    assert_ok(domain_name_parse(SPAN("a.b.example.co.uk"), &d));
    assert_span(domain_name_organization(&d), "example.co.uk");
    assert_ok(domain_name_parse(SPAN("co.uk"), &d));
    assert_span(domain_name_organization(&d), "co.uk");
    assert_ok(domain_name_parse(SPAN("mail.host.internal"), &d));
    assert_span(domain_name_organization(&d), "host.internal");
}

static void test_tags(void **state)
{
    static const struct {
        const char *text;
        enum err want;
        size_t n;
    } rows[] = {
        {"a=1", ERR_OK, 1},          {" a = 1 2 ;\r\n b=;", ERR_OK, 2},
        {"a=1;;", ERR_INVALID, 0},   {"a=1; ;b=2", ERR_INVALID, 0},
        {"a=1;a=2", ERR_INVALID, 0}, {"a=1;A=2", ERR_OK, 2},
        {"1=a", ERR_INVALID, 0},     {"=a", ERR_INVALID, 0},
        {"a", ERR_INVALID, 0},       {"", ERR_INVALID, 0},
        {"a=\x01", ERR_INVALID, 0},
    };
    struct tag_list list;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_err(tag_list_parse(span_from_str(rows[i].text), &list), rows[i].want);
        assert_true(rows[i].want != ERR_OK || list.n == rows[i].n);
    }
    assert_true(tag_has_item(SPAN("a : B:c"), SPAN("b")));
    assert_false(tag_has_item(SPAN("ab:c"), SPAN("b")));
}

static void test_memo(void **state)
{
    const struct dns_record records[] = {{SPAN("x"), 5}};
    const struct dns_answer yes = {DNS_OK, true, 60, records, 1}, no = {DNS_NXDOMAIN};
    const struct dns_answer *got = NULL;
    struct dns_memo *m = NULL;
    struct dns_question q;

    (void)state;
    assert_ok(dns_memo_create(&m));
    struct resolver r = dns_memo_resolver(m);

    assert_err(resolver_ask(&r, SPAN("A.b"), DNS_TXT, &got), ERR_AGAIN);
    assert_err(resolver_ask(&r, SPAN("a.b"), DNS_TXT, &got), ERR_AGAIN);
    assert_err(resolver_ask(&r, SPAN("a.b"), DNS_A, &got), ERR_AGAIN);
    assert_true(dns_memo_next(m, &q));
    assert_span(q.name, "a.b");
    assert_int_equal(q.type, DNS_TXT);
    assert_true(dns_memo_next(m, &q));
    assert_int_equal(q.type, DNS_A);
    assert_false(dns_memo_next(m, &q));
    assert_ok(dns_memo_answer(m, SPAN("a.b"), DNS_TXT, &yes));
    assert_ok(dns_memo_answer(m, SPAN("a.b"), DNS_TXT, &no)); // too late
    assert_ok(resolver_ask(&r, SPAN("a.b."), DNS_TXT, &got));
    assert_true(got->status == DNS_OK && got->is_validated && got->n == 1);
    assert_span(got->records[0].data, "x");
    assert_ok(resolver_ask(&r, SPAN("a..b"), DNS_TXT, &got)); // no name: not asked
    assert_int_equal(got->status, DNS_NXDOMAIN);
    dns_memo_give_up(m);
    assert_ok(resolver_ask(&r, SPAN("a.b"), DNS_A, &got));
    assert_int_equal(got->status, DNS_TEMPFAIL);
    assert_ok(resolver_ask(&r, SPAN("new.b"), DNS_A, &got));
    assert_int_equal(got->status, DNS_TEMPFAIL);
    dns_memo_destroy(m);
}

static void test_memo_is_full(void **state)
{
    const struct dns_answer *got = NULL;
    struct dns_memo *m = NULL;
    char name[20];

    (void)state;
    assert_ok(dns_memo_create(&m));
    struct resolver r = dns_memo_resolver(m);

    for (int i = 0; i <= DNS_MEMO_QUESTIONS_MAX; i++) {
        snprintf(name, sizeof(name), "n%d.x", i);
        enum err e = resolver_ask(&r, span_from_str(name), DNS_A, &got);

        assert_err(e, i < DNS_MEMO_QUESTIONS_MAX ? ERR_AGAIN : ERR_OK);
    }
    assert_int_equal(got->status, DNS_TEMPFAIL);
    dns_memo_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),        cmocka_unit_test(test_read),
        cmocka_unit_test(test_forged),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_tags),         cmocka_unit_test(test_memo),
        cmocka_unit_test(test_memo_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
