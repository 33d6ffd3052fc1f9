// SPDX-License-Identifier: Apache-2.0
//
// Envelope addresses: all forms of S10 and S11, one spelling for what is equal, and back to text.
#include "../test.h"
#include "smtp_dump.h"
#include "wire/smtp/smtp_xtext.h"

#define A16 "aaaaaaaaaaaaaaaa"
#define A63 A16 A16 A16 "aaaaaaaaaaaaaaa"

static const struct {
    const char *in, *want; // the dump, or "at: why"
} paths[] = {
    {"<a@b.example>", "(a|b.example|name)"},
    {"<a.b+c@x>rest", "(a.b+c|x|name)"},
    {"<\"a b\"@x>", "(a b|x|name)"},
    {"<\"a\\\"\\\\\\b\"@x>", "(a\"\\b|x|name)"},
    {"<\"a@b\"@x>", "(a@b|x|name)"},
    {"<\"a>b\"@x>", "(a>b|x|name)"},
    {"<user%host@x>", "(user%host|x|name)"},
    {"<host!user@x>", "(host!user|x|name)"},
    {"<|/bin/sh@x>", "(|/bin/sh|x|name)"},
    {"<$(id)@x>", "2: the address has no @ and domain"},
    {"<\"$(id)\"@x>", "($(id)|x|name)"},
    {"<../../etc@x>", "1: expected a local part, as in user@example.org"},
    {"<a/../b@x>", "4: expected a local part, as in user@example.org"},
    {"<\"../x\"@x>", "(../x|x|name)"},
    {"<@a,@b:c@d>", "(c|d|name)"},
    {"<@a:c@d>", "(c|d|name)"},
    {"<@a>", "3: the source route is broken"},
    {"<@a,b:c@d>", "4: the source route is broken"},
    {"<@:c@d>", "2: the domain is empty"},
    {"<a@[192.0.2.1]>", "(a|192.0.2.1|ipv4)"},
    {"<a@[IPv6:::1]>", "(a|IPv6:::1|ipv6)"},
    {"<a@[ipv6:2001:db8::1]>", "(a|ipv6:2001:db8::1|ipv6)"},
    {"<a@[x-tag:abc!]>", "(a|x-tag:abc!|general)"},
    {"<a@[x:<b>]>", "3: the address in brackets is broken"},
    {"<a@[::1]>", "3: the address in brackets is broken"},
    {"<a@[1.2.3.4>", "3: the address in brackets is broken"},
    {"<a@[1.2.3.256]>", "3: the address in brackets is broken"},
    {"<a@[IPv6:1.2.3.4]>", "3: the IPv6 address in brackets is broken"},
    {"<a@[]>", "3: the address in brackets is broken"},
    {"<a@[1.2.3.4]b>", "12: expected > after the address"},
    {"<\"\"@x>", "3: the local part is empty"},
    {"<@x>", "3: the source route is broken"},
    {"<a@>", "3: the domain is empty"},
    {"<a@x..y>", "3: the domain has an empty label"},
    {"<a@.x>", "3: the domain has an empty label"},
    {"<a@x.>", "3: the domain ends with a dot"},
    {"<a@-x>", "3: a label of the domain begins or ends with a hyphen"},
    {"<a@x-.y>", "3: a label of the domain begins or ends with a hyphen"},
    {"<a@b@c>", "3: the domain has a character that is not allowed"},
    {"<a@b c>", "3: the domain has a character that is not allowed"},
    {"<.a@x>", "1: expected a local part, as in user@example.org"},
    {"<a..b@x>", "3: expected a local part, as in user@example.org"},
    {"<a.@x>", "3: expected a local part, as in user@example.org"},
    {"<a b@x>", "2: the address has no @ and domain"},
    {"<\"a@x>", "6: the quoted local part is not closed"},
    {"<\"a\\", "4: the quoted local part is not closed"},
    {"<\"a\tb\"@x>", "3: the quoted local part has a character that is not allowed"},
    {"<\"a\"b@x>", "4: the address has no @ and domain"},
    {"<\"\\\xc3\xa9\"@x>", "3: the quoted local part has a character that is not allowed"},
    {"<\"\xc3\xa9 \"@x>", "(\xc3\xa9 |x|name utf8)"},
    {"<a@\xc3\xa9.example>", "(a|\xc3\xa9.example|name utf8)"},
    {"<a@\xc3.example>", "3: the domain is not valid UTF-8"},
    {"<a@x\xe2\x80\xaey>", "3: the domain has a hidden character"},
    {"<a\xc2\x85@x>", "2: the address has a hidden character"},
    {"<>", "(||none)"},
    {"<POSTMASTER>", "(POSTMASTER||none)"},
    {"<<a@b>>", "1: expected a local part, as in user@example.org"},
    {"a@b", "0: expected an address in angle brackets"},
    {"", "0: expected an address in angle brackets"},
    {"<" A63 "a@x>", "(" A63 "a|x|name)"},
    {"<" A63 "aa@x>", "1: the local part is longer than 64 bytes"},
    {"<a@" A63 "." A63 "." A63 "." A63 ">", "(a|" A63 "." A63 "." A63 "." A63 "|name)"},
    {"<a@" A63 "." A63 "." A63 "." A63 ".a>", "3: the domain is longer than 255 bytes"},
    {"<a@" A63 "a.x>", "3: a label of the domain is longer than 63 bytes"},
};

static void test_paths(void **state)
{
    struct buf got;
    size_t wrong = 0;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct arena arena;
        struct smtp_address a;
        const char *why = "";
        size_t bytes = 0;

        arena_init(&arena, 4096);
        buf_clear(&got);
        if (smtp_path_parse(span_from_str(paths[i].in), &arena, &a, &bytes, &why)) {
            buf_printf(&got, "%zu: %s", bytes, why);
        } else {
            smtp_dump_address(&got, &a);
            assert_int_equal(paths[i].in[bytes - 1], '>');
        }
        if (!span_eq(buf_span(&got), span_from_str(paths[i].want))) {
            print_error("row %zu %s\n    got  %.*s\n    want %s\n", i, paths[i].in,
                        SPAN_ARG(buf_span(&got)), paths[i].want);
            wrong++;
        }
        arena_finish(&arena);
    }
    buf_finish(&got);
    assert_int_equal(wrong, 0);
}

static const struct {
    const char *in, *want; // NULL: no such name
} spellings[] = {
    {"Anna@Example.ORG", "Anna@example.org"},
    {"\"anna\"@example.org", "anna@example.org"},
    {"\"an\\na\"@example.org", "anna@example.org"},
    {"\"a b\"@x", "\"a b\"@x"},
    {"\"a..b\"@x", "\"a..b\"@x"},
    {"\"a\\\"\"@x", "\"a\\\"\"@x"},
    {"a@[IPV6:2001:0DB8:0:0::1]", "a@[IPv6:2001:db8::1]"},
    {"a@[192.0.2.1]", "a@[192.0.2.1]"},
    {"a@[Tag:ABC]", "a@[tag:abc]"},
    {"a@b\xc3\xbc"
     "cher.example",
     "a@b\xc3\xbc"
     "cher.example"},
    {"a@xn--bcher-kva.example", "a@b\xc3\xbc"
                                "cher.example"},
    {"a@XN--BCHER-KVA.EXAMPLE", "a@b\xc3\xbc"
                                "cher.example"},
    {"a@B\xc3\x9c"
     "CHER.example",
     "a@b\xc3\xbc"
     "cher.example"},
    {"a@bu\xcc\x88"
     "cher.example",
     "a@b\xc3\xbc"
     "cher.example"}, // NFD
    {"bu\xcc\x88@x", "b\xc3\xbc@x"},
    {"a@fa\xc3\x9f.example", "a@fa\xc3\x9f.example"}, // not fass
    {"a@example\xe3\x80\x82org", "a@example.org"},    // an ideographic full stop
    {"a@x\xef\xbc\x8fy.example", NULL},               // a wide slash
    {"a@x\xe2\x80\x8dy.example", NULL},               // ZWJ out of place
    {"a@xn--a.example", NULL},
    {"a@\xe2\x84\x80.example", NULL}, // a/c
};

static void test_one_spelling(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct arena arena;
        struct smtp_address a, c, again;
        const char *why;

        arena_init(&arena, 16384);
        if (smtp_mailbox_parse(span_from_str(spellings[i].in), &arena, &a, &why)) {
            fail_msg("row %zu: %s", i, why);
        }
        enum err e = smtp_address_canonical(&a, &arena, &c);

        if (e != (spellings[i].want ? ERR_OK : ERR_INVALID)) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
        if (!e) {
            buf_clear(&got);
            assert_ok(smtp_address_put(&got, &c));
            assert_span(buf_span(&got), spellings[i].want);
            assert_ok(smtp_mailbox_parse(buf_span(&got), &arena, &a, &why));
            assert_ok(smtp_address_canonical(&a, &arena, &again));
            assert_true(span_eq(again.local, c.local) && span_eq(again.domain.text, c.domain.text));
        }
        arena_finish(&arena);
    }
    buf_finish(&got);
}

static void test_domains_for_dns(void **state)
{
    struct arena arena;
    struct span out;

    (void)state;
    arena_init(&arena, 65536);
    assert_ok(smtp_domain_to_ascii(SPAN("B\xc3\xbc"
                                        "cher.Example"),
                                   &arena, &out));
    assert_span(out, "xn--bcher-kva.example");
    assert_ok(smtp_domain_to_ascii(SPAN("_mta.Example"), &arena, &out));
    assert_span(out, "_mta.example");
    assert_err(smtp_domain_to_ascii(SPAN("a..b"), &arena, &out), ERR_INVALID);
    assert_err(smtp_domain_to_ascii(SPAN("a\xe2\x80\x8b"), &arena, &out), ERR_INVALID);
    arena_finish(&arena);
}

static void test_writing_refuses_what_is_no_address(void **state)
{
    struct buf b;
    struct smtp_address bad = {.local = SPAN("a\r\nRCPT TO:<b@c>"),
                               .domain = {.kind = SMTP_DOMAIN_NAME, .text = SPAN("x")}};

    (void)state;
    buf_init(&b, 1000);
    assert_err(smtp_address_put(&b, &bad), ERR_INVALID);
    bad.local = SPAN("a");
    bad.domain.text = SPAN("x>\n");
    assert_err(smtp_address_put(&b, &bad), ERR_INVALID);
    assert_int_equal(b.n, 0);
    buf_finish(&b);
}

static void test_xtext_there_and_back(void **state)
{
    struct arena arena;
    struct buf b;
    struct span out;

    (void)state;
    arena_init(&arena, 4096);
    buf_init(&b, 1000);
    smtp_xtext_put(&b, SPAN("a +=\xc3\xa9"));
    assert_span(buf_span(&b), "a+20+2B+3D+C3+A9");
    assert_ok(smtp_xtext_decode(buf_span(&b), &arena, &out));
    assert_span(out, "a +=\xc3\xa9");
    buf_clear(&b);
    smtp_utf8_addr_put(&b, SPAN("\xc3\xa9 +\\@x"), false);
    assert_span(buf_span(&b), "\\x{E9}\\x{20}\\x{2B}\\x{5C}@x");
    assert_ok(smtp_utf8_addr_decode(buf_span(&b), &arena, &out));
    assert_span(out, "\xc3\xa9 +\\@x");
    buf_clear(&b);
    smtp_utf8_addr_put(&b, SPAN("\xc3\xa9@x"), true);
    assert_span(buf_span(&b), "\xc3\xa9@x");
    buf_finish(&b);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_domains_for_dns),
        cmocka_unit_test(test_writing_refuses_what_is_no_address),
        cmocka_unit_test(test_xtext_there_and_back),
    };

    return cmocka_run_group_tests_name("smtp_address", tests, NULL, NULL);
}
