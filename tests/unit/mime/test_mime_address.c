// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "mime/mime_address.h"

// One line: name|route|local|domain for a mailbox, {name for a group's begin, } for its end.
static void describe(struct buf *out, struct span body)
{
    struct mime_address_reader r;
    struct mime_address a;

    mime_address_begin(&r, body);
    while (mime_address_next(&r, &a)) {
        buf_put_str(out, out->n ? " " : "");
        if (a.kind == MIME_GROUP_END) {
            buf_put_str(out, "}");
        } else if (a.kind == MIME_GROUP_BEGIN) {
            buf_printf(out, "{%.*s", SPAN_ARG(a.name));
        } else {
            buf_printf(out, "%.*s|%.*s|%.*s|%.*s", SPAN_ARG(a.name), SPAN_ARG(a.route),
                       SPAN_ARG(a.local), SPAN_ARG(a.domain));
        }
    }
    mime_address_finish(&r);
}

static const struct {
    const char *in, *want;
} lists[] = {
    {"", ""},
    {" \r\n ", ""},
    {",,, ,", ""},
    {"joe@example.org", "||joe|example.org"},
    {"<joe@example.org>", "||joe|example.org"},
    {"Joe <joe@example.org>", "Joe||joe|example.org"},
    {"Joe<joe@example.org>", "Joe||joe|example.org"},
    {"  Joe \r\n\tQ.   Public  <joe@example.org>  ", "Joe Q. Public||joe|example.org"},
    {"\"Public, Joe\" <joe@example.org>", "Public, Joe||joe|example.org"},
    {"\"a \\\"b\\\\ c\" <joe@example.org>", "a \"b\\ c||joe|example.org"},
    {"joe@example.org (Joe Q. (inner) \\) Public)", "Joe Q. (inner) ) Public||joe|example.org"},
    {"<joe@example.org> (Joe)", "Joe||joe|example.org"},
    {"(Joe) <joe@example.org>", "Joe||joe|example.org"},
    {"(one) joe (two) @ (three) example (four) . (five) org", "one||joe|example.org"},
    {"joe . q . public @ example . org", "||joe.q.public|example.org"},
    {"\"joe public\"@example.org", "||joe public|example.org"},
    {"joe.\"q public\"@example.org", "||joe.q public|example.org"},
    {"joe@[127.0.0.1]", "||joe|[127.0.0.1]"},
    {"joe@[IPv6:::1], ann@b", "||joe|[IPv6:::1] ||ann|b"},
    {"Joe <@a.org,@b.org:joe@example.org>", "Joe|@a.org,@b.org|joe|example.org"},
    {"<@example.org>", "|||example.org"},
    {"a@b, c@d ,e@f", "||a|b ||c|d ||e|f"},
    {"a@b; c@d", "||a|b ||c|d"},
    {"Group: a@b, Bob <c@d>;", "{Group ||a|b Bob||c|d }"},
    {"undisclosed-recipients:;", "{undisclosed-recipients }"},
    {"undisclosed recipients: ;, a@b", "{undisclosed recipients } ||a|b"},
    {"Group: a@b, c@d", "{Group ||a|b ||c|d }"},
    {"A: x@y;, B: z@w;", "{A ||x|y } {B ||z|w }"},
    // What people's mailers write.
    {"joe@example.org <joe@example.org>", "joe@example.org||joe|example.org"},
    {"Joe, Public <joe@example.org>", "||Joe| Public||joe|example.org"},
    {"Joe <joe@example.org, Ann <ann@example.org>", "Joe||joe|example.org Ann||ann|example.org"},
    {"Joe <joe@example.org> Ann <ann@example.org>", "Joe||joe|example.org Ann||ann|example.org"},
    {"Joe <joe@example.org> junk, ann@b", "Joe||joe|example.org ||ann|b"},
    {"Joe <joe@example.org>>, ann@b", "Joe||joe|example.org ||ann|b"},
    {"Joe Public joe@example.org", "Joe Public||joe|example.org"},
    {"joe", "||joe|"},
    {"Deal Shopper", "||Deal Shopper|"},
    {"<joe>", "||joe|"},
    {"Joe <>", "Joe|||"},
    {"\"\" <>", ""},
    {"<>", ""},
    {"(just a comment)", ""},
    {"a@b@c", "||a@b|c"},
    {"\"Joe <joe@example.org>", "Joe||joe|example.org"},
    {"Joe (unclosed <joe@example.org>", "Joe unclosed||joe|example.org"},
    {"((((((((((", ""},
    {"joe@example.org (", "||joe|example.org"},
    {"<Undisclosed:;@example.org>", "||Undisclosed:;|example.org"},
    {"a@b\\", "||a|b\\"},
    {"\\", "||\\|"},
    {"J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc.de>", "J\xc3\xbcrgen||j\xc3\xbc|b\xc3\xbc.de"},
    {"=?utf-8?q?J=C3=BC?= <a@b>", "=?utf-8?q?J=C3=BC?=||a|b"},
    {"Joe [x] <a@b>", "Joe [x]||a|b"},
    {"a@b:c@d", "||a@b:c|d"},
};

static void test_address_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct buf got;

        buf_init(&got, 4096);
        describe(&got, span_from_str(lists[i].in));
        if (!span_eq(buf_span(&got), span_from_str(lists[i].want))) {
            print_error("row %zu \"%s\": got \"%.*s\", want \"%s\"\n", i, lists[i].in,
                        SPAN_ARG(buf_span(&got)), lists[i].want);
            fail();
        }
        buf_finish(&got);
    }
}

static void test_nul_in_an_address_is_a_byte(void **state)
{
    struct mime_address_reader r;
    struct mime_address a;

    (void)state;
    mime_address_begin(&r, span_of("a\0b@c", 5));
    assert_true(mime_address_next(&r, &a));
    assert_int_equal(a.local.n, 3);
    assert_false(mime_address_next(&r, &a));
    mime_address_finish(&r);
}

static void test_list_in_an_arena_is_capped(void **state)
{
    struct arena arena;
    struct mime_address *list;
    size_t n;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_ok(mime_address_list(&arena, SPAN("A <a@b>, G: c@d;, e@f"), 5, &list, &n));
    assert_int_equal(n, 5);
    assert_span(list[0].name, "A");
    assert_int_equal(list[1].kind, MIME_GROUP_BEGIN);
    assert_span(list[2].domain, "d");
    assert_int_equal(list[3].kind, MIME_GROUP_END);
    assert_span(list[4].local, "e");
    assert_err(mime_address_list(&arena, SPAN("a@b, c@d"), 1, &list, &n), ERR_LIMIT);
    arena_finish(&arena);
    arena_init(&arena, 64);
    assert_err(mime_address_list(&arena, SPAN("a@b, c@d, e@f"), 9, &list, &n), ERR_NOMEM);
    arena_finish(&arena);
}

static void test_address_is_written_safely(void **state)
{
    static const struct {
        struct span local, domain;
        const char *want;
    } rows[] = {
        {{"joe", 3}, {"example.org", 11}, "joe@example.org"},
        {{"joe.q", 5}, {"a", 1}, "joe.q@a"},
        {{".joe", 4}, {"a", 1}, "\".joe\"@a"},
        {{"j..e", 4}, {"a", 1}, "\"j..e\"@a"},
        {{"a b", 3}, {"c", 1}, "\"a b\"@c"},
        {{"a\"\\", 3}, {"c", 1}, "\"a\\\"\\\\\"@c"},
        {{"", 0}, {"c", 1}, "\"\"@c"},
        {{"a\r\nb", 4}, {"c\r\nBcc: d", 9}, "\"ab\"@cBcc: d"},
        {{"joe", 3}, {"", 0}, "joe"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 100);
        mime_address_put(&b, rows[i].local, rows[i].domain);
        assert_span(buf_span(&b), rows[i].want);
        buf_finish(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_lists),
        cmocka_unit_test(test_nul_in_an_address_is_a_byte),
        cmocka_unit_test(test_list_in_an_arena_is_capped),
        cmocka_unit_test(test_address_is_written_safely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
