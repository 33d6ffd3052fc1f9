// SPDX-License-Identifier: Apache-2.0
//
// What accounts' rules say by themselves, what becomes of mail when they fail or run once more, and
// notices. Cases of bad input and faults have their id in the name.
#include "rules_world.h"

// ---- answers ------------------------------------------------------------------------------------

#define AWAY "require [\"vacation\",\"vacation-seconds\",\"fcc\",\"mailbox\"];"

static void test_vacation(void **state)
{
    (void)state;
    rules(anna, AWAY "vacation :subject \"Weg \xe2\x80\x93 bis Montag\" :fcc \"Sent\""
                     " \"Ich bin weg.\nGr\xc3\xbc\xc3\x9f"
                     "e\";");
    letter("Received: by x\r\nFrom: me@example.net\r\nTo: anna@example.org\r\nSubject: hello\r\n"
           "References: <0@example.net>\r\nMessage-ID: <1@example.net>\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: Sent 1:");
    assert_string_equal(queued(), ">me@example.net(example.net);");
    assert_int_equal(last_message.sender.n, 0);
    struct span s = leaving();

    assert_true(has(s, "\r\nFrom: <anna@example.org>\r\n"));
    assert_true(has(s, "\r\nTo: me@example.net\r\n"));
    assert_true(has(s, "\r\nSubject: =?UTF-8?"));
    assert_true(has(s, "\r\nIn-Reply-To: <1@example.net>\r\n"));
    assert_true(has(s, "\r\nReferences: <0@example.net> <1@example.net>\r\n"));
    assert_true(has(s, "\r\nAuto-Submitted: auto-replied (vacation)\r\n"));
    assert_true(has(s, "\r\n\r\nIch bin weg.\r\nGr=C3=BC=C3=9Fe\r\n"));
    assert_string_equal(said(anna), "me@example.net was told of the absence");
}

static void answered(const char *header, unsigned answers)
{
    buf_clear(&mail);
    buf_put_str(&mail, header);
    buf_put_str(&mail, "\r\nhello\r\n");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    queued();
    assert_int_equal(list_count, answers);
}

#define TO_ANNA "From: me@example.net\r\nTo: Anna <anna@example.org>\r\n"

static void test_V03_vacation_never_answers(void **state)
{
    static const char *const headers[] = {
        TO_ANNA "Auto-Submitted: auto-replied\r\n",
        TO_ANNA "Auto-Submitted: auto-generated; x\r\n",
        TO_ANNA "List-Id: <l.example.net>\r\n",
        TO_ANNA "List-Unsubscribe: <mailto:x@y>\r\n",
        TO_ANNA "Precedence: bulk\r\n",
        TO_ANNA "Precedence: list\r\n",
        TO_ANNA "Precedence: junk\r\n",
        TO_ANNA "X-Auto-Response-Suppress: All\r\n",
        TO_ANNA "Content-Type: multipart/report; boundary=x\r\n",
        "From: me@example.net\r\nTo: undisclosed-recipients:;\r\n",
        "From: me@example.net\r\nTo: other@example.org\r\n"};
    static const char *const senders[] = {"",
                                          "MAILER-DAEMON@example.net",
                                          "owner-list@example.net",
                                          "list-request@example.net",
                                          "bounces+1@example.net",
                                          "no-reply@example.net",
                                          "anna@example.org"};

    (void)state;
    rules(anna, AWAY "vacation :seconds 0 \"away\";");
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        answered(headers[i], 0);
    }
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        env.sender = span_from_str(senders[i]);
        answered(TO_ANNA, 0);
    }
    env.sender = SPAN("me@example.net");
    env.is_suspect = true;
    answered(TO_ANNA, 0);
    env.is_suspect = false;
    answered(TO_ANNA "Auto-Submitted: no\r\n", 1); // a person
}

static void test_V03_vacation_once_in_seven_days(void **state)
{
    int64_t day = 86400;

    (void)state;
    clock_test_fix_real(1800000000);
    rules(anna, AWAY "vacation \"away\";");
    answered(TO_ANNA "X: 1\r\n", 1);
    answered(TO_ANNA "X: 2\r\n", 1);
    clock_test_fix_real(1800000000 + 7 * day - 1);
    answered(TO_ANNA "X: 3\r\n", 1);
    env.sender = SPAN("another@example.net");
    answered(TO_ANNA "X: 4\r\n", 2);
    env.sender = SPAN("Me@Example.net");
    answered(TO_ANNA "X: 5\r\n", 2);
    clock_test_fix_real(1800000000 + 7 * day);
    answered(TO_ANNA "X: 6\r\n", 3);
    // Another text is another answer (RFC 5230 section 4.2).
    rules(anna, AWAY "vacation \"still away\";");
    answered(TO_ANNA "X: 7\r\n", 4);
    clock_test_fix_real(-1);
}

// Two who are both away: one answer each way, and none to an answer.
static void test_V03_vacation_to_vacation(void **state)
{
    (void)state;
    rules(anna, AWAY "vacation :seconds 0 \"away\";");
    rules(bob, AWAY "vacation :seconds 0 \"away, too\";");
    letter("From: bob@example.org\r\nTo: anna@example.org\r\n\r\nhello\r\n");
    env.sender = SPAN("bob@example.org");
    RUN("anna@example.org");
    assert_string_equal(queued(), ">bob@example.org(local:);");
    while (work_here()) {
    }
    assert_string_equal(queued(), "");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "INBOX 1:");
}

static void test_vacation_mime(void **state)
{
    (void)state;
    rules(anna, AWAY "vacation :mime text:\r\nContent-Type: text/html; charset=utf-8\r\n"
                     "From: eve@example.net\r\nBcc: all@example.net\r\n\r\n<b>away</b>\r\n.\r\n;");
    letter(TO_ANNA "\r\nhello\r\n");
    RUN("anna@example.org");
    queued();
    struct span s = leaving();

    assert_true(has(s, "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>"));
    assert_false(has(s, "eve@"));
    assert_false(has(s, "Bcc"));
}

static void test_notify(void **state)
{
    (void)state;
    rules(anna, "require [\"enotify\",\"variables\"];"
                "if header :matches \"subject\" \"*\" { set \"s\" \"${1}\"; }"
                "notify :importance \"1\" :message \"You have mail: ${s}\""
                " \"mailto:phone@y.example?X-Sort=7\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), ">phone@y.example(y.example);");
    struct span s = leaving();

    assert_true(has(s, "\r\nSubject: You have mail: hello\r\n"));
    assert_true(has(s, "\r\nX-Sort: 7\r\n"));
    assert_true(has(s, "\r\nImportance: high\r\n"));
    assert_true(has(s, "\r\nAuto-Submitted: auto-notified; owner-email=\"anna@example.org\"\r\n"));
    assert_true(has(s, "\r\n\r\nA message has arrived from Me <me@example.net>.\r\n"));
    letter(TO_ANNA "Auto-Submitted: auto-notified; x\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    queued();
    assert_int_equal(list_count, 1);
}

// ---- what fails ---------------------------------------------------------------------------------

static void test_V02_budget_is_shared_over_all_recipients(void **state)
{
    struct buf script;

    (void)state;
    // Of all that a script can do with what is in a variable, compiling it costs the most steps.
    buf_init(&script, 900000);
    buf_put_str(&script, "require [\"variables\", \"regex\"]; set \"a\" \"x\";");
    for (int i = 0; i < 8; i++) {
        buf_put_str(&script, "if string :regex \"b\" [");
        for (int k = 0; k < 4000; k++) {
            buf_put_str(&script, k ? ",\"${a}\"" : "\"${a}\"");
        }
        buf_put_str(&script, "] {stop;}\n");
    }
    buf_put_byte(&script, '\0');
    rules(anna, script.p);
    buf_finish(&script);
    rules(bob, "require \"fileinto\"; fileinto \"Archive\";");
    RUN("anna@example.org", "bob@example.org");
    // Anna's rules take all there is; Bob's get nothing, and his mail is kept.
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(has(span_from_str(said(anna)), "the rules \"main\" stopped at line "));
    assert_true(has(span_from_str(said(bob)), "too much"));
    letter(HEAD "\r\nanother delivery\r\n");
    RUN("bob@example.org");
    assert_string_equal(kept(bob), "INBOX 1: Archive 1:");
}

static void test_error_keeps_and_is_told(void **state)
{
    (void)state;
    rules(anna, "require [\"ihave\",\"fileinto\"]; fileinto \"Archive\";\nerror \"broken\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_true(has(span_from_str(said(anna)), "the rules \"main\" stopped at line 2: "));
    assert_true(has(span_from_str(said(anna)), "broken"));
    // A script that no version can read.
    rules(bob, "this is no script");
    RUN("bob@example.org");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(has(span_from_str(said(bob)), "stopped at line 1: "));
}

// V04: names are the owner's own, however they are written.
static void test_V04_no_way_to_others(void **state)
{
    (void)state;
    rules(anna, "require [\"fileinto\",\"mailbox\",\"vacation\",\"fcc\"];"
                "fileinto \"/bob@example.org/INBOX\"; fileinto \"../bob\";"
                "fileinto :create \"user/bob\"; fileinto \"Other Users/bob/INBOX\";"
                "vacation :fcc \"../../bob/INBOX\" \"x\";");
    letter(TO_ANNA "\r\nhello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(bob), "");
    assert_string_equal(kept(anna), "INBOX 2: user/bob 1:");
}

static void test_V07_headers_cannot_be_forged(void **state)
{
    (void)state;
    rules(anna, "require [\"editheader\",\"encoded-character\"];"
                "addheader \"X-A\" \"one${hex:0d 0a}Bcc: eve@example.net\";"
                "deleteheader \"Received\"; deleteheader \"Delivered-To\"; keep;");
    letter("Received: by x\r\nDelivered-To: old@example.org\r\nSubject: x\r\n\r\nx\r\n");
    RUN("anna@example.org");
    struct span s = content(anna, "INBOX");

    assert_false(has(s, "\nBcc:"));
    assert_true(has(s, "\r\nReceived: by x\r\n"));
    assert_true(has(s, "\r\nDelivered-To: old@example.org\r\n"));
}

static void test_include(void **state)
{
    (void)state;
    assert_ok(script_put(b->store, anna, &tester, SPAN("mine"),
                         SPAN("require [\"fileinto\",\"body\"];"
                              "if body :contains \"hello\" { fileinto \"Archive\"; }")));
    assert_ok(script_put(b->store, 0, &tester, SPAN("all"),
                         SPAN("require [\"imap4flags\"]; addflag \"\\\\Flagged\";")));
    assert_ok(script_put(b->store, bob, &tester, SPAN("mine"), SPAN("discard;")));
    rules(anna, "require \"include\"; include :global \"all\"; include :personal \"mine\";"
                "include :optional \"nothing\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1:F");
    // A name is never a path, nor another's.
    rules(anna, "require \"include\"; include :optional \"../bob/mine\";");
    letter(HEAD "\r\nother\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: Archive 1:F");
    assert_true(has(span_from_str(said(anna)), "cannot be the name of a script"));
}

static void test_environment_and_envelope(void **state)
{
    (void)state;
    rules(anna,
          "require [\"environment\",\"envelope\",\"subaddress\",\"fileinto\",\"envelope-dsn\"];"
          "if allof(environment \"remote-ip\" \"192.0.2.7\", environment \"location\" \"MDA\","
          " environment \"host\" \"mail.example.org\","
          " envelope :detail \"to\" \"bills\", envelope \"from\" \"me@example.net\","
          " envelope \"notify\" \"DELAY\") { fileinto \"Archive\"; }");
    to[0].notify = QUEUE_NOTIFY_DELAY;
    RUN("anna+bills@example.org");
    assert_string_equal(kept(anna), "Archive 1:");
}

// ---- the same once more -------------------------------------------------------------------------

static void test_duplicate_test(void **state)
{
    (void)state;
    rules(anna, "require [\"duplicate\",\"fileinto\"]; if duplicate { fileinto \"Trash\"; }");
    RUN("anna@example.org");
    letter(HEAD "X: another way\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    letter("Message-ID: <2@example.net>\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2: Trash 1:");
}

static void test_D12_second_try_is_left_out(void **state)
{
    (void)state;
    rules(bob, "require \"copy\"; redirect :copy \"x@y.example\";");
    for (int i = 0; i < 3; i++) {
        RUN("anna@example.org", "bob@example.org");
        assert_int_equal(to[0].answer.code, 250);
        assert_int_equal(to[1].answer.code, 250);
    }
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(queued(), "SRS0=>x@y.example(y.example);");
    assert_string_equal(said(anna), "a second copy of a message was left out");
    // Anything else is another message: body, sender, address, verdict; or no Message-ID.
    letter(HEAD "\r\nHello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2:");
    env.sender = SPAN("you@example.net");
    RUN("anna@example.org");
    RUN("anna+x@example.org");
    assert_string_equal(kept(anna), "INBOX 4:");
    env.is_suspect = true;
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 4: Junk 1:");
    env.is_suspect = false;
    letter("Subject: no id\r\n\r\nx\r\n");
    RUN("anna@example.org");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 6: Junk 1:");
}

static void test_D12_only_for_a_time(void **state)
{
    (void)state;
    clock_test_fix_real(1800000000);
    RUN("anna@example.org");
    clock_test_fix_real(1800000000 + 3599);
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    clock_test_fix_real(1800000000 + 3600);
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2:");
    clock_test_fix_real(-1);
}

// What is remembered and what is stored is one commit: one that fails leaves neither.
static void test_D12_with_a_failing_commit(void **state)
{
    struct engine_memory_faults faults = {.commit_after = 1, .commit_error = ERR_UNAVAILABLE};

    (void)state;
    if (b->is_local) {
        return;
    }
    engine_memory_set_faults(b->engine, &faults);
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 451);
    faults = (struct engine_memory_faults){0};
    engine_memory_set_faults(b->engine, &faults);
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:");
}

// What leaves is in the queue before the mailbox has its copy: when that fails, or we end in
// between, all is done again, and nothing leaves twice.
static void test_D12_what_left_does_not_leave_again(void **state)
{
    struct engine_memory_faults faults = {.commit_error = ERR_UNAVAILABLE, .commit_forever = true};
    struct span other = SPAN("y@elsewhere.example");
    struct forwarding away = {.targets = &other, .count = 1};

    (void)state;
    if (b->is_local) {
        return;
    }
    rules(anna,
          "require \"copy\"; redirect :copy \"x@y.example\"; redirect :copy \"z@y.example\";");
    assert_ok(forwarding_set(b->store, bob, &tester, &away));
    for (unsigned i = 1; i <= 4; i++) { // each time gets one commit farther: what left is known
        faults.commit_after = i < 3 ? i : 2;
        engine_memory_set_faults(b->engine, &faults);
        RUN("anna@example.org", "bob@example.org");
        assert_int_equal(to[0].answer.code, 451);
    }
    faults = (struct engine_memory_faults){0};
    engine_memory_set_faults(b->engine, &faults);
    RUN("anna@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:");
    queued();
    assert_int_equal(list_count, 3);
}

// Nor when the mailbox gets its copy from the queue later.
static void test_D12_what_waits_here_does_not_leave_again(void **state)
{
    struct engine_memory_faults faults = {.commit_after = 2, .commit_error = ERR_UNAVAILABLE};

    (void)state;
    if (b->is_local) {
        return;
    }
    rules(anna, "require \"copy\"; redirect :copy \"x@y.example\";");
    env.one_answer = true;
    engine_memory_set_faults(b->engine, &faults);
    RUN("anna@example.org", "bob@example.org");
    faults = (struct engine_memory_faults){0};
    engine_memory_set_faults(b->engine, &faults);
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(queued(), "SRS0=>x@y.example(y.example);me@ex>anna@example.org(local:);");
    RUN("anna@example.org", "bob@example.org"); // whose client did not hear
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), "SRS0=>x@y.example(y.example);");
}

// ---- notices ------------------------------------------------------------------------------------

static void test_notice_of_success(void **state)
{
    struct span team[] = {SPAN("anna@example.org"), SPAN("x@elsewhere.example")};

    (void)state;
    to[0].notify = QUEUE_NOTIFY_SUCCESS;
    RUN("anna@example.org");
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)delivered;");
    assert_ok(route_alias_set(b->store, &tester, SPAN("team@example.org"), team, 2));
    letter(HEAD "\r\nto all\r\n");
    to[0].notify = QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE;
    RUN("team@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_non_null(strstr(queued(), ">team@example.org(group:)delivered;"));
    assert_non_null(strstr(queued(), ">x@elsewhere.example(elsewhere.example);"));
    assert_int_equal(list_count, 3);
}

// A notice to a full mailbox waits (Q03's sender hears of it when there is room).
static void test_notice_to_a_full_mailbox_waits(void **state)
{
    (void)state;
    assert_ok(quota_set(b->store, anna, &tester, 10, UINT64_MAX));
    env.sender = SPAN("");
    env.is_ours = true;
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(queued(), ">anna@example.org(local:);");
    assert_ok(quota_set(b->store, anna, &tester, UINT64_MAX, UINT64_MAX));
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), "");
}

// Mail that waited meets the rules when it is delivered, with the detail it was sent to.
static void test_rules_run_on_what_waited(void **state)
{
    (void)state;
    rules(anna, "require [\"envelope\",\"subaddress\",\"fileinto\"];"
                "if envelope :detail \"to\" \"bills\" { fileinto \"Archive\"; }");
    env.hold_until_ms = clock_real_ms() + 500;
    RUN("anna+bills@example.org");
    assert_string_equal(queued(), "me@ex>anna+bills@example.org(local:);");
    assert_string_equal(kept(anna), "");
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(anna), "Archive 1:");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_vacation),
        T(test_V03_vacation_never_answers),
        T(test_V03_vacation_once_in_seven_days),
        T(test_V03_vacation_to_vacation),
        T(test_vacation_mime),
        T(test_notify),
        T(test_V02_budget_is_shared_over_all_recipients),
        T(test_error_keeps_and_is_told),
        T(test_V04_no_way_to_others),
        T(test_V07_headers_cannot_be_forged),
        T(test_include),
        T(test_environment_and_envelope),
        T(test_duplicate_test),
        T(test_D12_second_try_is_left_out),
        T(test_D12_only_for_a_time),
        T(test_D12_with_a_failing_commit),
        T(test_D12_what_left_does_not_leave_again),
        T(test_D12_what_waits_here_does_not_leave_again),
        T(test_notice_of_success),
        T(test_notice_to_a_full_mailbox_waits),
        T(test_rules_run_on_what_waited),
    };

    return BENCH_RUN("delivery-rules-answers", tests);
}
