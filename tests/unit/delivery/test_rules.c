// SPDX-License-Identifier: Apache-2.0
//
// What accounts' rules do with arriving mail: into mailboxes, on to others, refused. Cases
// of bad input and faults have their id in the name.
#include "rules_world.h"

// ---- into mailboxes -----------------------------------------------------------------------------

static void test_keep_and_fileinto(void **state)
{
    (void)state;
    rules(anna, "require [\"fileinto\",\"copy\",\"imap4flags\",\"mailbox\"];"
                "if header :contains \"subject\" \"hello\" {"
                "  fileinto :copy :flags [\"\\\\Seen\",\"work\"] :create \"Lists/Deep\";"
                "  addflag \"\\\\Flagged\"; }");
    RUN("anna@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:F Lists/Deep 1:Swork");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(queued(), "");
    assert_true(span_starts(content(anna, "Lists/Deep"),
                            SPAN("Return-Path: <me@example.net>\r\nX-Trace: yes\r\nReceived:")));
    // One message in two mailboxes, one entry of the log.
    struct span one = content(anna, "INBOX"), two = content(anna, "Lists/Deep");

    assert_true(span_eq(one, two));
}

static void test_one_commit(void **state)
{
    struct view *v;

    (void)state;
    rules(anna, "require [\"fileinto\",\"mailbox\"]; keep; fileinto :create \"A\";"
                "fileinto \"Archive\";");
    assert_ok(view_open(b->store, anna, &v));
    modseq before = view_modseq(v);

    view_close(v);
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: A 1: Archive 1:");
    assert_ok(view_open(b->store, anna, &v));
    assert_int_equal(view_modseq(v), before + 1);
    view_close(v);
}

static void test_missing_mailbox_is_inbox(void **state)
{
    (void)state;
    rules(anna, "require \"fileinto\"; fileinto \"Nowhere\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    rules(anna, "require [\"fileinto\",\"mailbox\"]; fileinto :create \"a//b\";");
    letter(HEAD "\r\nother\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2:");
}

static void test_special_use_and_id(void **state)
{
    char script[256];

    (void)state;
    rules(anna, "require [\"fileinto\",\"special-use\",\"mailbox\"];"
                "if specialuse_exists \"\\\\Archive\" {"
                " fileinto :specialuse \"\\\\Archive\" \"Nowhere\"; }"
                "if not mailboxexists \"Nowhere\" { fileinto \"Sent\"; }");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1: Sent 1:");
    struct account a;
    struct view *v;
    const struct mailbox *m;

    assert_ok(directory_account_by_id(b->store, anna, &b->arena, &a));
    assert_ok(view_open(b->store, anna, &v));
    assert_ok(view_mailbox_by_name(v, SPAN("Trash"), &m));
    snprintf(script, sizeof(script),
             "require [\"fileinto\",\"mailboxid\"]; fileinto :mailboxid \"b%u\" \"INBOX\";", m->id);
    view_close(v);
    rules(anna, script);
    letter(HEAD "\r\nother\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1: Sent 1: Trash 1:");
}

static void test_discard(void **state)
{
    (void)state;
    rules(anna, "discard;");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "");
    assert_string_equal(said(anna), "the rules threw a message from me@example.net away");
}

static void test_editheader(void **state)
{
    (void)state;
    rules(anna, "require [\"editheader\",\"fileinto\"]; fileinto \"Archive\";"
                "addheader \"X-Seen\" \"yes\"; deleteheader \"X-Trace\"; keep;");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: Archive 1:");
    struct span one = content(anna, "INBOX");

    assert_true(has(one, "Return-Path: <me@example.net>\r\nX-Seen: yes\r\n"));
    assert_false(has(one, "X-Trace"));
    assert_true(span_ends(one, SPAN("\r\n\r\nhello\r\n")));
    assert_false(has(content(anna, "Archive"), "X-Seen"));
}

// The body is not in memory for a script that looks at the header only.
static void test_large_message(void **state)
{
    (void)state;
    letter(HEAD "\r\n");
    for (int i = 0; i < 40000; i++) {
        buf_put_str(&mail, "a line of the body that is not looked at by rules\r\n");
    }
    buf_put_str(&mail, "the end\r\n");
    rules(anna, "require [\"editheader\",\"fileinto\"]; addheader \"X-Seen\" \"yes\";"
                "if size :over 1M { fileinto \"Archive\"; }");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1:");
    struct span s = content(anna, "Archive");

    assert_true(span_ends(s, SPAN("by rules\r\nthe end\r\n")));
    assert_true(has(s, "X-Seen: yes\r\n"));
    assert_int_equal(s.n, mail.n + strlen("Return-Path: <me@example.net>\r\nX-Trace: yes\r\n"
                                          "X-Seen: yes\r\n"));
    rules(anna, "require [\"body\",\"fileinto\"]; if body :contains \"the end\" { fileinto "
                "\"Trash\"; }");
    buf_put_str(&mail, "x\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1: Trash 1:");
}

static void test_suspect_is_kept_in_junk(void **state)
{
    (void)state;
    env.is_suspect = true;
    rules(anna,
          "require [\"fileinto\",\"spamtestplus\",\"relational\",\"comparator-i;ascii-numeric\"];"
          "if spamtest :percent :value \"ge\" :comparator \"i;ascii-numeric\" \"90\""
          " { keep; }");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Junk 1:");
}

// ---- on to others -------------------------------------------------------------------------------

static void test_redirect(void **state)
{
    (void)state;
    rules(anna, "require \"copy\"; redirect \"x@elsewhere.example\";"
                "redirect :copy \"bob@example.org\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "");
    assert_string_equal(queued(), "SRS0=>bob@example.org(local:);"
                                  "SRS0=>x@elsewhere.example(elsewhere.example);");
    assert_true(span_starts(leaving(), SPAN("Delivered-To: anna@example.org\r\nX-Trace: yes\r\n")));
    assert_string_equal(said(anna), "a message from me@example.net was sent on to "
                                    "x@elsewhere.example; a message from me@example.net was sent "
                                    "on to bob@example.org");
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(span_starts(content(bob, "INBOX"), SPAN("Return-Path: <SRS0=")));
}

static void test_redirect_edited_and_enclosed(void **state)
{
    (void)state;
    rules(anna, "require \"editheader\"; addheader \"X-Way\" \"anna\"; redirect \"x@y.example\";");
    RUN("anna@example.org");
    assert_string_equal(queued(), "SRS0=>x@y.example(y.example);");
    struct span s = leaving();

    assert_true(has(s, "\r\nX-Way: anna\r\n"));
    assert_true(span_ends(s, SPAN("\r\n\r\nhello\r\n")));
    assert_false(has(s, "Return-Path"));
}

// RFC 6009.
static void test_redirect_dsn(void **state)
{
    (void)state;
    rules(anna, "require [\"redirect-dsn\",\"copy\"];"
                "redirect :notify \"FAILURE,DELAY\" :ret \"FULL\" \"x@y.example\";");
    RUN("anna@example.org");
    queued();
    assert_int_equal(last_recipient.notify, QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY);
    assert_true(last_message.flags & QUEUE_RET_FULL);
}

static void test_V03_redirect_to_self_is_kept(void **state)
{
    (void)state;
    rules(anna, "redirect \"Anna@Example.org\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), "");
}

static void test_V03_redirect_in_circles(void **state)
{
    (void)state;
    rules(anna, "redirect \"bob@example.org\";");
    rules(bob, "redirect \"anna@example.org\";");
    RUN("anna@example.org");
    for (int i = 0; i < 10 && work_here(); i++) {
    }
    assert_string_equal(queued(), "");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "");
    assert_true(has(span_from_str(said(anna)), "it has gone round in circles"));
}

static void test_V03_many_hops_are_not_sent_on(void **state)
{
    (void)state;
    buf_clear(&mail);
    for (int i = 0; i < 30; i++) {
        buf_put_str(&mail, "Received: by x\r\n");
        buf_printf(&mail, "Delivered-To: u%d@example.net\r\n", i);
    }
    buf_put_str(&mail, "Subject: x\r\n\r\nx\r\n");
    rules(anna, "redirect \"x@elsewhere.example\";");
    RUN("anna@example.org");
    assert_string_equal(queued(), "");
    assert_string_equal(kept(anna), "INBOX 1:");
}

static void test_V03_four_redirects(void **state)
{
    (void)state;
    rules(anna, "redirect \"a@y.example\"; redirect \"b@y.example\"; redirect \"c@y.example\";"
                "redirect \"d@y.example\";");
    RUN("anna@example.org");
    queued();
    assert_int_equal(list_count, 4);
    rules(bob, "redirect \"a@y.example\"; redirect \"b@y.example\"; redirect \"c@y.example\";"
               "redirect \"d@y.example\"; redirect \"e@y.example\";");
    RUN("bob@example.org");
    queued();
    assert_int_equal(list_count, 4);
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(has(span_from_str(said(bob)), "more than 4 times"));
}

// ---- refusing -----------------------------------------------------------------------------------

static void test_reject_in_session(void **state)
{
    (void)state;
    rules(anna, "require \"reject\"; reject \"No, thank you.\r\nReally.\";");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.outcome, DELIVERY_REFUSED);
    assert_int_equal(to[0].answer.code, 550);
    assert_string_equal(to[0].answer.text, "No, thank you.  Really.");
    assert_string_equal(kept(anna), "");
    assert_string_equal(queued(), "");
    env.one_answer = true;
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 550);
    env.texts = NULL;
    RUN("anna@example.org");
    assert_string_equal(to[0].answer.text, "The recipient does not want this message");
}

static void test_reject_by_notice(void **state)
{
    (void)state;
    env.one_answer = true;
    rules(anna, "require \"ereject\"; ereject \"Not today.\";");
    RUN("anna@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(kept(anna), "");
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)failed;");
    assert_true(has(last_recipient.reply, "550 5.7.1 Not today."));
    // Nobody is told where nobody wants to hear of it.
    env.sender = SPAN("");
    letter(HEAD "\r\nfrom nobody\r\n");
    RUN("anna@example.org", "bob@example.org");
    queued();
    assert_int_equal(list_count, 1);
    env.sender = SPAN("me@example.net");
    letter(HEAD "\r\nNEVER\r\n");
    to[0].notify = QUEUE_NOTIFY_NEVER;
    RUN("anna@example.org", "bob@example.org");
    queued();
    assert_int_equal(list_count, 1);
}

// Words that the client cannot hear go by a notice (RFC 5429 section 2.2).
// What was refused was not delivered, whatever else the sender wanted to hear of; nor thrown away.
static void test_reject_is_no_success(void **state)
{
    (void)state;
    env.one_answer = true;
    rules(anna, "require \"ereject\"; ereject \"Not today.\";");
    to[0].notify = QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE;
    RUN("anna@example.org", "bob@example.org");
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)failed;");
    assert_true(has(span_from_str(said(anna)), "refused a message"));
    assert_false(has(span_from_str(said(anna)), "threw"));
}

static void test_reject_in_other_letters(void **state)
{
    (void)state;
    rules(anna, "require \"reject\"; reject \"Kein Bedarf, \xc3\xbc"
                "brigens\";");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)failed;");
    env.flags = QUEUE_SMTPUTF8;
    RUN("anna@example.org");
    assert_string_equal(to[0].answer.text, "Kein Bedarf, \xc3\xbc"
                                           "brigens");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_keep_and_fileinto),
        T(test_one_commit),
        T(test_missing_mailbox_is_inbox),
        T(test_special_use_and_id),
        T(test_discard),
        T(test_editheader),
        T(test_large_message),
        T(test_suspect_is_kept_in_junk),
        T(test_redirect),
        T(test_redirect_edited_and_enclosed),
        T(test_redirect_dsn),
        T(test_V03_redirect_to_self_is_kept),
        T(test_V03_redirect_in_circles),
        T(test_V03_many_hops_are_not_sent_on),
        T(test_V03_four_redirects),
        T(test_reject_in_session),
        T(test_reject_by_notice),
        T(test_reject_is_no_success),
        T(test_reject_in_other_letters),
    };

    return BENCH_RUN("delivery-rules", tests);
}
