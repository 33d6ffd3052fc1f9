// SPDX-License-Identifier: Apache-2.0
//
// IMAP URLs, each as one line of what was understood.
#include "../test.h"
#include "wire/imap/imap_url.h"

#define BAD NULL

static void dump(struct buf *out, const struct imap_url *u)
{
    static const char *const texts[] = {"", "HEADER", "FIELDS", "NOT", "TEXT", "MIME"};
    static const char *const access[] = {"", "submit", "user", "authuser", "anonymous"};

    if (u->has_server) {
        buf_printf(out, "[%.*s|%.*s|%.*s|%u] ", SPAN_ARG(u->user), SPAN_ARG(u->auth),
                   SPAN_ARG(u->host), u->port);
    }
    buf_printf(out, "<%.*s>", SPAN_ARG(u->mailbox));
    if (u->uidvalidity) {
        buf_printf(out, " v%u", u->uidvalidity);
    }
    if (u->uid) {
        buf_printf(out, " %u ", u->uid);
    }
    for (size_t i = 0; i < u->section.part_n; i++) {
        buf_printf(out, "%u.", u->section.part[i]);
    }
    buf_put_str(out, texts[u->section.text]);
    for (size_t i = 0; i < u->section.field_n; i++) {
        buf_printf(out, "(%.*s)", SPAN_ARG(u->section.fields[i]));
    }
    if (u->has_partial) {
        buf_printf(out, " %llu+%llu", (unsigned long long)u->offset, (unsigned long long)u->length);
    }
    if (u->has_search) {
        buf_put_str(out, " search");
    }
    if (u->has_expire) {
        buf_printf(out, " until %lld", (long long)u->expire);
    }
    if (u->access) {
        buf_printf(out, " %s(%.*s) %zu %.*s %.*s", access[u->access], SPAN_ARG(u->access_user),
                   u->rump.n, SPAN_ARG(u->mechanism), SPAN_ARG(span_first(u->token, 4)));
    }
}

#define TOKEN "0123456789abcdef0123456789ABCDEF"

static const struct {
    const char *url, *want; // BAD: refused, and why
    const char *why;
} rows[] = {
    {"/INBOX/;UID=20", "<INBOX> 20 ", 0},
    {"/INBOX;UIDVALIDITY=785799047/;UID=113330/;section=1.5.9", "<INBOX> v785799047 113330 1.5.9.",
     0},
    {"/a/b/c/;uid=1/;Section=HEADER", "<a/b/c> 1 HEADER", 0},
    {"/a;UIDVALIDITY=7", "<a> v7", 0},
    {"/a/", "<a/>", 0},
    {"/", "<>", 0},
    {"/a/;UID=1/;SECTION=HEADER.FIELDS%20(DATE%20%22FROM%22)", "<a> 1 FIELDS(DATE)(FROM)", 0},
    {"/a/;UID=1/;SECTION=1.2.MIME/;PARTIAL=0.1024", "<a> 1 1.2.MIME 0+1024", 0},
    {"/a/;UID=1/;PARTIAL=5", "<a> 1  5+0", 0},
    {"/%E6%97%A5%e6%9c%ac%2f@:&=/;UID=1", "<\xe6\x97\xa5\xe6\x9c\xac/@:&=> 1 ", 0},
    {"/gray%20council?SUBJECT%20shadows", "<gray council> search", 0},
    {"//h/a/;UID=1", "[||h|0] <a> 1 ", 0},
    {"imap://joe@example.com/INBOX/;uid=20", "[joe||example.com|0] <INBOX> 20 ", 0},
    {"imap://joe%40b;AUTH=*@example.com:1143/", "[joe@b|*|example.com|1143] <>", 0},
    {"imap://;AUTH=GSSAPI@[2001:db8::1]:143", "[|GSSAPI|2001:db8::1|143] <>", 0},
    {"IMAP://h:", "[||h|0] <>", 0},
    {"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:"
     "91354a473744909de610943775f92038",
     "[joe||example.com|0] <INBOX> 20 1.2. submit(fred) 69 internal 9135", 0},
    {"/a/;UID=1;URLAUTH=anonymous", "<a> 1  anonymous() 27  ", 0},
    {"/a/;UID=1/;PARTIAL=1.2;EXPIRE=2026-11-27T18:00:00Z;URLAUTH=user+a%40b:X-1.2:" TOKEN,
     "<a> 1  1+2 until 1795802400 user(a@b) 69 X-1.2 0123", 0},
    {"/a/;UID=1;EXPIRE=2026-11-27t19:30:60.123+01:30;URLAUTH=authuser",
     "<a> 1  until 1795802459 authuser() 63  ", 0},
    {"/a/;UID=1;EXPIRE=1969-12-31T23:59:59-00:00;URLAUTH=authuser",
     "<a> 1  until -1 authuser() 59  ", 0},
    // What is none.
    {"", BAD, "absolute"},
    {"INBOX/;UID=1", BAD, "absolute"},
    {";UID=1", BAD, "absolute"},
    {"imap:/INBOX/;UID=1", BAD, "absolute"},
    {"imaps://h/INBOX/;UID=1", BAD, "absolute"},
    {"http://h/INBOX/;UID=1", BAD, "absolute"},
    {"imap://", BAD, "host"},
    {"imap://@h/", BAD, "user"},
    {"imap://a;AUTH=@h/", BAD, "mechanism"},
    {"imap://a b@h/", BAD, "character"},
    {"imap://h:65536/", BAD, "number"},
    {"imap://h:1x/", BAD, "host"},
    {"imap://[::1/a", BAD, "host"},
    {"imap://h;x/a", BAD, "host"},
    {"/;UID=1", BAD, "\"/\""},
    {"//;UID=1", BAD, "host"},
    {"/a;UID=1", BAD, "\"/\""},
    {"/a/;UID=0", BAD, "number"},
    {"/a/;UID=4294967296", BAD, "number"},
    {"/a/;UID=", BAD, "number"},
    {"/a/;UID=1/", BAD, "end"},
    {"/a/;UID=1x", BAD, "end"},
    {"/a;UIDVALIDITY=0/;UID=1", BAD, "number"},
    {"/a;UIDVALIDITY=1;UID=1", BAD, "\"/\""},
    {"/a b/;UID=1", BAD, "end"},
    {"/a\xc3\xa9/;UID=1", BAD, "end"},
    {"/a%/;UID=1", BAD, "hexadecimal"},
    {"/a%4/;UID=1", BAD, "hexadecimal"},
    {"/a%00/;UID=1", BAD, "hexadecimal"},
    {"/a/;UID=1%41", BAD, "end"},
    {"/a?", BAD, "search"},
    {"/a/;UID=1/;SECTION=", BAD, "section"},
    {"/a/;UID=1/;SECTION=1.2.", BAD, "HEADER"},
    {"/a/;UID=1/;SECTION=MIME", BAD, "MIME"},
    {"/a/;UID=1/;SECTION=0", BAD, "part number"},
    {"/a/;UID=1/;SECTION=TEXT%5DTEXT", BAD, "end of the section"},
    {"/a/;UID=1/;SECTION=HEADER.FIELDS%20(A", BAD, "field's name"},
    {"/a/;UID=1/;SECTION=1;PARTIAL=1", BAD, "\"/\""},
    {"/a/;UID=1/;PARTIAL=1.0", BAD, "number"},
    {"/a/;UID=1/;PARTIAL=x", BAD, "number"},
    {"/a/;UID=1/;PARTIAL=9223372036854775808", BAD, "number"},
    {"/a/;UID=1/;PARTIAL=1/;SECTION=1", BAD, "end"},
    {"/a;URLAUTH=authuser", BAD, "end"},
    {"/a/;UID=1;URLAUTH=", BAD, "submit"},
    {"/a/;UID=1;URLAUTH=user+", BAD, "user name"},
    {"/a/;UID=1;URLAUTH=authuserx", BAD, "end"},
    {"/a/;UID=1;URLAUTH=authuser:", BAD, "mechanism"},
    {"/a/;UID=1;URLAUTH=authuser:INTERNAL", BAD, "token"},
    {"/a/;UID=1;URLAUTH=authuser:INTERNAL:0123456789abcdef0123456789abcde", BAD, "32"},
    {"/a/;UID=1;URLAUTH=authuser:INTERNAL:" TOKEN "x", BAD, "end"},
    {"/a/;UID=1;EXPIRE=2026-11-27T18:00:00Z", BAD, "URLAUTH"},
    {"/a/;UID=1;EXPIRE=2026-11-27;URLAUTH=authuser", BAD, "time"},
    {"/a/;UID=1;EXPIRE=2026-02-29T18:00:00Z;URLAUTH=authuser", BAD, "time"},
    {"/a/;UID=1;EXPIRE=2026-13-01T18:00:00Z;URLAUTH=authuser", BAD, "time"},
    {"/a/;UID=1;EXPIRE=2026-11-27T24:00:00Z;URLAUTH=authuser", BAD, "time"},
    {"/a/;UID=1;EXPIRE=2026-11-27T18:00:00;URLAUTH=authuser", BAD, "time"},
    {"/a/;UID=1;EXPIRE=2026-11-27T18:00:00.Z;URLAUTH=authuser", BAD, "time"},
    {"/a/;UID=1;EXPIRE=2026-11-27T18:00:00+24:00;URLAUTH=authuser", BAD, "time"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct imap_url url;
        struct arena arena;
        const char *why = "";
        struct buf got;

        arena_init(&arena, 1 << 20);
        buf_init(&got, 1 << 20);
        enum err e = imap_url_parse(span_from_str(rows[i].url), &arena, &url, &why);

        if (rows[i].want == BAD) {
            if (e != ERR_INVALID || !strstr(why, rows[i].why)) {
                fail_msg("%s: %s, not %s", rows[i].url, e ? why : "taken", rows[i].why);
            }
        } else if (e) {
            fail_msg("%s: %s", rows[i].url, why);
        } else {
            dump(&got, &url);
            assert_span(buf_span(&got), rows[i].want);
        }
        buf_finish(&got);
        arena_finish(&arena);
    }
}

static void test_limits(void **state)
{
    struct imap_url url;
    struct arena arena;
    const char *why;
    struct buf text;

    (void)state;
    arena_init(&arena, 1 << 20);
    buf_init(&text, 1 << 20);
    buf_put_byte(&text, '/');
    while (text.n < IMAP_URL_BYTES_MAX - 7) {
        buf_put_byte(&text, 'a');
    }
    buf_put_str(&text, "/;UID=1");
    assert_int_equal(imap_url_parse(buf_span(&text), &arena, &url, &why), ERR_OK);
    buf_put_str(&text, "1");
    assert_int_equal(imap_url_parse(buf_span(&text), &arena, &url, &why), ERR_LIMIT);
    buf_clear(&text);
    buf_put_str(&text, "/a/;UID=1/;SECTION=1");
    for (int i = 0; i < 100; i++) {
        buf_put_str(&text, ".1");
    }
    assert_int_equal(imap_url_parse(buf_span(&text), &arena, &url, &why), ERR_LIMIT);
    buf_finish(&text);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_limits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
