// SPDX-License-Identifier: Apache-2.0
//
// Names in a Maildir: flags, folders, keywords, subscriptions; roles of mailboxes; line ends.
#include "../test.h"
#include "mailfile/line_end.h"
#include "mailfile/mail_role.h"
#include "mailfile/maildir_name.h"

static void test_flags(void **state)
{
    static const struct {
        const char *name;
        unsigned flags, letters;
        bool forwarded;
    } cases[] = {
        {"123.M1P2.host:2,", 0, 0, false},
        {"123.M1P2.host", 0, 0, false},
        {"123.M1P2.host:2,S", MAIL_SEEN, 0, false},
        {"123.host,S=1,W=2:2,DFPRST",
         MAIL_SEEN | MAIL_DRAFT | MAIL_FLAGGED | MAIL_ANSWERED | MAIL_DELETED, 0, true},
        {"123.host:2,Sac", MAIL_SEEN, 5, false},
        {"123.host;2,S", MAIL_SEEN, 0, false},
        {"123.host!2,S", MAIL_SEEN, 0, false},
        {"123.host:1,S", 0, 0, false},
        {"123:2,F.host:2,S", MAIL_SEEN, 0, false},
        {"123.host:2,S,F", MAIL_SEEN, 0, false},
        {":2,", 0, 0, false},
        {"2,S", 0, 0, false},
        {"", 0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t letters;
        bool forwarded;
        unsigned flags = maildir_name_flags(span_from_str(cases[i].name), &letters, &forwarded);

        if (flags != cases[i].flags || letters != cases[i].letters ||
            forwarded != cases[i].forwarded) {
            print_error("case %zu (%s): %x %x %d\n", i, cases[i].name, flags, letters, forwarded);
            fail();
        }
    }
}

static void test_put_flags(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 64);
    maildir_name_put_flags(&b, MAIL_SEEN | MAIL_DRAFT | MAIL_ANSWERED, 1 | 1 << 25, true);
    assert_span(buf_span(&b), "DPRSaz");
    buf_finish(&b);
}

static void test_folder(void **state)
{
    static const struct {
        const char *folder, *mailbox; // mailbox NULL: invalid
        bool is_exact;                // the way back gives the same
    } cases[] = {
        {".Sent", "Sent", true},
        {".Work.Projects", "Work/Projects", true},
        {".Entw&APw-rfe", "Entwürfe", true},
        {".a&-b", "a&b", true},
        {".a\\2eb", "a.b", true},
        {".a\\5cb", "a\\b", true},
        {".&AGE-", "&AGE-", false},
        {".Entw\xc3\xbcrfe", "Entwürfe", false},
        {".a\x01"
         "b",
         "a_b", false},
        {".\\2e\\2e", "__", false},
        {".a\\2fb", "a_b", false},
        {".a\xff", "a_", false},
        {".", NULL, false},
        {"..", NULL, false},
        {".a..b", NULL, false},
        {".a.", NULL, false},
        {"Sent", NULL, false},
        {"", NULL, false},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&b);
        enum err e = maildir_folder_to_mailbox(span_from_str(cases[i].folder), &b);

        if ((e == ERR_OK) != (cases[i].mailbox != NULL)) {
            print_error("case %zu: %s\n", i, err_name(e));
            fail();
        }
        if (e != ERR_OK) {
            continue;
        }
        assert_span(buf_span(&b), cases[i].mailbox);
        if (cases[i].is_exact) {
            buf_clear(&b);
            assert_ok(maildir_folder_from_mailbox(span_from_str(cases[i].mailbox), &b));
            assert_span(buf_span(&b), cases[i].folder);
        }
    }
    buf_finish(&b);
}

static void test_keywords(void **state)
{
    struct span k[MAILDIR_LETTERS];

    (void)state;
    maildir_keywords_parse(SPAN("0 $Forwarded\n2 Junk\nx y\n26 z\n25 last\n3\n"), k);
    assert_span(k[0], "$Forwarded");
    assert_int_equal(k[1].n, 0);
    assert_span(k[2], "Junk");
    assert_int_equal(k[3].n, 0);
    assert_span(k[25], "last");
}

static bool collect(void *arg, struct span name)
{
    buf_put(arg, name);
    buf_put_byte(arg, ';');
    return true;
}

static void test_subscriptions(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"Sent\nWork.Projects\nINBOX\n", "Sent;Work/Projects;INBOX;"},
        {"V\t2\n\nSent\nWork\tPro.jects\n", "Sent;Work/Pro.jects;"},
        {"INBOX.Sent\r\nINBOX.Work.x", "Sent;Work/x;"},
        {"Entw&APw-rfe\n", "Entwürfe;"},
        {"", ""},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&b);
        maildir_subscriptions_parse(span_from_str(cases[i].text), collect, &b);
        assert_span(buf_span(&b), cases[i].want);
    }
    buf_finish(&b);
}

static void test_roles(void **state)
{
    (void)state;
    assert_span(mail_role_of_name(SPAN("Sent Items")), "Sent");
    assert_span(mail_role_of_name(SPAN("sent")), "Sent");
    assert_span(mail_role_of_name(SPAN("[Gmail]/Spam")), "Junk");
    assert_span(mail_role_of_name(SPAN("INBOX/Trash")), "Trash");
    assert_span(mail_role_of_name(SPAN("Gelöschte Elemente")), "Trash");
    assert_int_equal(mail_role_of_name(SPAN("Work/Sent")).n, 0);
    assert_int_equal(mail_role_of_name(SPAN("INBOX")).n, 0);
}

// ---- line ends ----------------------------------------------------------------------------------

static bool to_buf(void *arg, struct span s)
{
    buf_put(arg, s);
    return true;
}

static void test_line_ends(void **state)
{
    static const struct {
        const char *in, *crlf, *lf; // `lf`: of the CRLF form
        bool is_irregular;          // of the CRLF form
    } cases[] = {
        {"a\nb\n", "a\r\nb\r\n", "a\nb\n", false},
        {"a\r\nb", "a\r\nb", "a\nb", false},
        {"\n\n", "\r\n\r\n", "\n\n", false},
        {"a\rb\r", "a\rb\r", "a\rb\r", false},
        {"a\r\r\nb", "a\r\r\nb", "a\r\nb", true},
        {"\r\r\r", "\r\r\r", "\r\r\r", false},
        {"", "", "", false},
    };
    struct buf crlf, lf;

    (void)state;
    buf_init(&crlf, 4096);
    buf_init(&lf, 4096);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step < 4; step++) {
            struct span in = span_from_str(cases[i].in);
            struct crlf_maker to_crlf = {.to = {to_buf, &crlf}};
            struct lf_maker to_lf = {.to = {to_buf, &lf}};
            struct line_end_watch watch = {.after_cr = false};

            buf_clear(&crlf);
            buf_clear(&lf);
            for (size_t at = 0; at < in.n; at += step) {
                crlf_make(&to_crlf, span_first(span_skip(in, at), step));
            }
            assert_span(buf_span(&crlf), cases[i].crlf);
            for (size_t at = 0; at < crlf.n; at += step) {
                struct span piece = span_first(span_skip(buf_span(&crlf), at), step);

                line_end_watch(&watch, piece);
                lf_make(&to_lf, piece);
            }
            lf_make_end(&to_lf);
            assert_span(buf_span(&lf), cases[i].lf);
            assert_int_equal(watch.is_irregular, cases[i].is_irregular);
        }
    }
    struct line_end_watch bare = {.after_cr = false};

    line_end_watch(&bare, SPAN("a\nb"));
    assert_true(bare.is_irregular);
    buf_finish(&crlf);
    buf_finish(&lf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),     cmocka_unit_test(test_put_flags),
        cmocka_unit_test(test_folder),    cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_roles),     cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_line_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
