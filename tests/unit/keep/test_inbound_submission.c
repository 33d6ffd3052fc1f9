// SPDX-License-Identifier: Apache-2.0
//
// Mail that our own users send.
#include "inbound_world.h"

// ---- submission ---------------------------------------------------------------------------------

static void test_a_user_sends(void **state)
{
    (void)state;
    int fd = connect_user("u1@example.org");

    put_message("u1@example.org", "x@elsewhere.example",
                "From: U1 <u1+tag@example.org>\r\nBcc: secret@example.net,\r\n more@example.net\r\n"
                "Subject: x\r\nbcc: third@example.net\r\n\r\nBcc: in the text\r\n");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(queued(), 1);
    struct span text = newest();

    assert_false(has(text, "secret"));
    assert_false(has(text, "more@"));
    assert_false(has(text, "third"));
    assert_true(span_starts(text, SPAN("Received: from client\r\nDate: ")));
    assert_true(has(text, "@mail.example.org>\r\nFrom: U1 <u1+tag@example.org>\r\nSubject: x\r\n"
                          "\r\nBcc: in the text\r\n"));
    // What is there is left as it is.
    put_message("u1@example.org", "u2@example.org",
                "Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_span(newest(),
                "Return-Path: <u1@example.org>\r\nReceived: from client\r\nFrom: u1@example.org\r\n"
                "Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n");
    close(fd);
}

static void try_from(int fd, const char *sender, const char *from, const char *want)
{
    char text[512];

    snprintf(text, sizeof(text), "%s\r\n\r\nx\r\n", from);
    put_message(sender, "u2@example.org", text);
    send_stream(fd);
    if (strcmp(want, "all 550 5.7.1 sender") == 0) {
        EXPECT(fd, "all 550 5.7.1");
        EXPECT(fd, "1 503 5.5.1");
        EXPECT(fd, "all 503 5.5.1");
        return;
    }
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, want);
}

// A10a (the envelope), A10b (From), A10c (Sender), A10d (Resent-From), A10e (aliases), A10f
// (groups) and A10g (two authors).
static void test_senders_are_ones_own(void **state)
{
    static const struct {
        const char *sender, *from, *want;
    } rows[] = {
        {"u1@example.org", "From: u1@example.org", "all 250 2.0.0"},
        {"U1+x@Example.org", "From: \"u1\"@example.org", "all 250 2.0.0"},
        {"sales@example.org", "From: Sales <sales@example.org>", "all 250 2.0.0"},
        {"", "From: u1@example.org", "all 250 2.0.0"},
        {"u2@example.org", "From: u1@example.org", "all 550 5.7.1 sender"},
        {"u1@elsewhere.example", "From: u1@example.org", "all 550 5.7.1 sender"},
        {"postmaster@example.org", "From: u1@example.org", "all 550 5.7.1 sender"},
        {"nobody@example.org", "From: u1@example.org", "all 550 5.7.1 sender"},
        {"no address", "From: u1@example.org", "all 550 5.7.1 sender"},
        {"u1@example.org", "From: u2@example.org", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org, u2@example.org", "all 550 5.7.1"},
        {"u1@example.org", "From: ceo@bank.example", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org <ceo@bank.example>", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.\001org", "all 550 5.7.1"},
        {"u1@example.org", "From: u\0331@example.org", "all 550 5.7.1"},
        {"u1@example.org", " , ceo@bank.example\r\nMessage-ID: <1@x>", "all 554 5.6.0"},
        {"u1@example.org", "\t<ceo@bank.example>", "all 554 5.6.0"},
        {"u1@example.org", "From: nobody:;", "all 554 5.6.0"},
        {"u1@example.org", "From: u1@example.org\r\nFrom: ceo@bank.example", "all 554 5.6.0"},
        {"u1@example.org", "Date: x\r\nDate: y", "all 554 5.6.0"},
        // Groups are looked into, wherever they stand.
        {"u1@example.org", "From: team: u1@example.org, sales@example.org;", "all 250 2.0.0"},
        {"u1@example.org", "From: team: u1@example.org, u2@example.org;", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org, team: ceo@bank.example;", "all 550 5.7.1"},
        {"u1@example.org", "From: team: u1@example.org;, ceo@bank.example", "all 550 5.7.1"},
        // Several authors, in any order and spelling.
        {"u1@example.org", "From: u1@example.org, Sales <sales@example.org>", "all 250 2.0.0"},
        {"u1@example.org", "From: u2@example.org, u1@example.org", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org,\r\n ceo@bank.example", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org (x), <u2@example.org>", "all 550 5.7.1"},
        {"u1@example.org", "FROM : u2@example.org", "all 550 5.7.1"},
        // An alias that leads to others, too, is an address of each of them; a stranger's is not.
        {"u1@example.org", "From: SALES@example.org\r\nSender: u1@example.org", "all 250 2.0.0"},
        {"u1@example.org", "From: u1@example.org\r\nSender: sales+x@example.org", "all 250 2.0.0"},
        {"u1@example.org", "From: u1@example.org\r\nSender: u2@example.org", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org\r\nSender: ceo@bank.example", "all 550 5.7.1"},
        {"u1@example.org", "Sender: ceo@bank.example", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org\r\nsender: g: ceo@bank.example;", "all 550 5.7.1"},
        {"u1@example.org", "From: u1@example.org\r\nSender: nobody:;", "all 554 5.6.0"},
        {"u1@example.org", "From: u1@example.org\r\nSender:", "all 554 5.6.0"},
        {"u1@example.org",
         "From: u1@example.org\r\nSender: u1@example.org\r\nSender: u1@example.org",
         "all 554 5.6.0"},
        // Sent once more; each time of it counts.
        {"u1@example.org",
         "Resent-From: u1@example.org\r\nResent-Sender: u1@example.org\r\nFrom: u1@example.org",
         "all 250 2.0.0"},
        {"u1@example.org", "Resent-From: ceo@bank.example\r\nFrom: u1@example.org",
         "all 550 5.7.1"},
        {"u1@example.org", "Resent-Sender: u2@example.org\r\nFrom: u1@example.org",
         "all 550 5.7.1"},
        {"u1@example.org",
         "Resent-From: u1@example.org\r\nResent-From: u2@example.org\r\nFrom: u1@example.org",
         "all 550 5.7.1"},
        {"u1@example.org", "Resent-From: u1@example.org\r\nFrom: ceo@bank.example",
         "all 550 5.7.1"},
    };

    (void)state;
    limits.recipients_per_hour = 1000;
    inbound_set_limits(inbound, &limits);
    int fd = connect_user("u1@example.org");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        try_from(fd, rows[i].sender, rows[i].from, rows[i].want);
    }
    limits.check_from = false;
    inbound_set_limits(inbound, &limits);
    try_from(fd, "u1@example.org", "From: ceo@bank.example", "all 250 2.0.0");
    try_from(fd, "u1@example.org", "From: u1@example.org\r\nSender: ceo@bank.example",
             "all 250 2.0.0");
    close(fd);
}

static void test_a_header_of_senders_only(void **state)
{
    struct buf fields;

    (void)state;
    buf_init(&fields, 8192);
    int fd = connect_user("u1@example.org");

    for (int n = 20; n <= 21; n++) {
        buf_clear(&fields);
        buf_put_str(&fields, "From: u1@example.org");
        for (int i = 1; i < n; i++) {
            buf_put_str(&fields, "\r\nResent-From: u1@example.org");
        }
        buf_put(&fields, SPAN("\r\n\r\nx\r\n\0"));
        put_message("u1@example.org", "u2@example.org", fields.p);
        send_stream(fd);
        EXPECT(fd, "all 250 2.1.0");
        EXPECT(fd, "1 250 2.1.5");
        EXPECT(fd, n == 20 ? "all 250 2.0.0" : "all 554 5.6.0");
    }
    buf_finish(&fields);
    close(fd);
}

static void test_recipients_within_an_hour(void **state)
{
    (void)state;
    int fd = connect_user("u1@example.org");

    for (int round = 0; round < 2; round++) { // what was reset does not count
        put_from("u1@example.org");
        for (int i = 0; i < 6; i++) {
            put_rcpt("x@elsewhere.example");
        }
        put_reset();
        send_stream(fd);
        EXPECT(fd, "all 250 2.1.0");
        for (int i = 0; i < 5; i++) {
            assert_non_null(strstr(answer(fd), "250"));
        }
        EXPECT(fd, "6 450 4.7.1");
    }
    int other = connect_user("u2@example.org");

    put_from("u2@example.org");
    put_rcpt("x@elsewhere.example");
    send_stream(other);
    EXPECT(other, "all 250 2.1.0");
    EXPECT(other, "1 250 2.1.5");
    close(fd);
    close(other);
}

static void test_rate_over_time(void **state)
{
    struct send_rate *r;

    (void)state;
    assert_ok(send_rate_create(&r));
    for (int i = 0; i < 10; i++) {
        assert_true(send_rate_take(r, 1, 10, 1000));
    }
    assert_false(send_rate_take(r, 1, 10, 1000));
    assert_true(send_rate_take(r, 2, 10, 1000));
    assert_false(send_rate_take(r, 1, 10, 1000 + 359999));
    assert_true(send_rate_take(r, 1, 10, 1000 + 360000)); // a tenth of an hour: one more
    assert_false(send_rate_take(r, 1, 10, 1000 + 360000));
    assert_true(send_rate_take(r, 1, 10, 1000 + 4 * 3600000));
    send_rate_give(r, 1, 100);
    for (account_id a = 0; a < 3000; a++) {
        assert_true(send_rate_take(r, a, 10, 20000000 + (int64_t)a * 10000));
    }
    send_rate_destroy(r);
}

static void test_sending_is_held(void **state)
{
    struct queue_job *job;
    int64_t next, until = clock_real_ms() + 7200000;

    (void)state;
    limits.undo_ms = 3600000;
    inbound_set_limits(inbound, &limits);
    int fd = connect_user("u1@example.org");

    put_message("u1@example.org", "u2@example.org", small);
    put_from_with("u1@example.org", 0, (uint64_t)until);
    put_rcpt("x@elsewhere.example");
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(messages("u2@example.org"), 0);
    assert_err(queue_take(queue, clock_real_ms() + 3000000, &job, &next), ERR_NOT_FOUND);
    assert_ok(queue_take(queue, clock_real_ms() + 3700000, &job, &next));
    assert_span(job->recipients[0].address, "u2@example.org");
    queue_abandon(queue, job);
    close(fd);
    // A stranger's wish to be held is nobody's.
    fd = connect_smtp();
    put_from_with("me@example.net", 0, (uint64_t)until);
    put_rcpt("u1@example.org");
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(messages("u1@example.org"), 1);
    close(fd);
}

// ---- copies of what was sent --------------------------------------------------------------------

// How many messages the mailbox has, and the text of the newest, in the test's arena.
static uint32_t look(const char *name, const char *mailbox, struct span *out)
{
    struct account a;
    const struct mailbox *m;
    struct placement_scan *scan;
    struct placement p;
    struct view *v;
    struct buf text;

    buf_init(&text, 1u << 20);
    assert_ok(directory_account_by_name(b->store, span_from_str(name), &b->arena, &a));
    assert_ok(view_open(b->store, a.id, &v));
    assert_ok(view_mailbox_by_name(v, span_from_str(mailbox), &m));
    uint32_t n = m->exists;

    assert_ok(placement_scan_open(v, m->id, 1, UINT32_MAX, 0, &scan));
    while (placement_next(scan, &p) == ERR_OK) {
        buf_clear(&text);
        assert_ok(body_read(view_snapshot(v), p.body, 0, 1u << 20, &text));
        assert_int_equal(p.flags, strcmp(mailbox, "Sent") == 0 ? FLAG_SEEN : 0);
    }
    placement_scan_close(scan);
    view_close(v);
    *out = arena_dup(&b->arena, buf_span(&text));
    buf_finish(&text);
    return n;
}

static uint32_t sent(const char *name)
{
    struct span text;

    return look(name, "Sent", &text);
}

static uint64_t bodies(void)
{
    struct engine_status status;

    engine_status(b->engine, &status);
    return status.bodies;
}

static void send_one(int fd, const char *sender, const char *to, const char *text)
{
    put_message(sender, to, text);
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
}

static void file_copies(bool on)
{
    limits.copy_in_sent = on;
    limits.recipients_per_hour = 1000;
    inbound_set_limits(inbound, &limits);
}

static void test_a_copy_in_sent(void **state)
{
    struct span text;

    (void)state;
    int fd = connect_user("u1@example.org");

    send_one(fd, "u1@example.org", "u2@example.org", small); // not asked for
    assert_int_equal(sent("u1@example.org"), 0);
    file_copies(true);
    uint64_t before = bodies();

    // What leaves and what is filed are the same bytes: stored once.
    send_one(fd, "u1@example.org", "x@elsewhere.example", "Message-ID: <1@x>\r\n\r\none\r\n");
    assert_int_equal(look("u1@example.org", "Sent", &text), 1);
    assert_int_equal(bodies(), before + 1);
    assert_true(span_starts(text, SPAN("Received: from client\r\nDate: ")));
    assert_true(has(text, "Message-ID: <1@x>\r\n\r\none\r\n"));
    send_one(fd, "u1@example.org", "u2@example.org", "Message-ID: <2@x>\r\n\r\ntwo\r\n");
    assert_int_equal(sent("u1@example.org"), 2);
    assert_int_equal(bodies(), before + 2);
    // By another address of the account: into the account that has logged in.
    send_one(fd, "sales@example.org", "x@elsewhere.example",
             "From: sales@example.org\r\n\r\nx\r\n");
    assert_int_equal(sent("u1@example.org"), 3);
    // Sent again: the first copy stands for it.
    send_one(fd, "u1@example.org", "x@elsewhere.example", "Message-ID: <1@x>\r\n\r\none\r\n");
    assert_int_equal(sent("u1@example.org"), 3);
    // What programs answer is not what a user sent; nor is what strangers and LMTP bring.
    send_one(fd, "", "x@elsewhere.example", "From: u1@example.org\r\n\r\nread\r\n");
    assert_int_equal(sent("u1@example.org"), 3);
    close(fd);
    fd = connect_smtp();
    send_one(fd, "u1@example.org", "u2@example.org", small);
    close(fd);
    fd = connect_as(IPC_LMTP, true, &nobody);
    put_message("u1@example.org", "u2@example.org", small);
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "1 250 2.0.0");
    close(fd);
    assert_int_equal(sent("u1@example.org"), 3);
    assert_int_equal(sent("u2@example.org"), 0);
}

static void test_the_copy_has_the_bcc(void **state)
{
    struct span text;

    (void)state;
    file_copies(true);
    int fd = connect_user("u1@example.org");

    send_one(fd, "u1@example.org", "u2@example.org",
             "Bcc: secret@example.net,\r\n more@example.net\r\nSubject: x\r\n\r\nhello\r\n");
    assert_int_equal(look("u1@example.org", "Sent", &text), 1);
    assert_true(has(text, "\r\nBcc: secret@example.net,\r\n more@example.net\r\nSubject: x\r\n\r\n"
                          "hello\r\n"));
    assert_true(has(text, "\r\nMessage-ID: <"));
    assert_int_equal(look("u2@example.org", "INBOX", &text), 1);
    assert_false(has(text, "secret@"));
    assert_true(has(text, "\r\nSubject: x\r\n\r\nhello\r\n"));
    close(fd);
}

static void test_the_copy_is_there_while_it_is_held(void **state)
{
    (void)state;
    limits.undo_ms = 3600000;
    file_copies(true);
    int fd = connect_user("u1@example.org");

    send_one(fd, "u1@example.org", "u2@example.org", small);
    assert_int_equal(messages("u2@example.org"), 0);
    assert_int_equal(sent("u1@example.org"), 1);
    close(fd);
}

// Mail goes whether or not there is room for a copy.
static void test_no_room_for_the_copy(void **state)
{
    struct keep_link_login login = login_of("u1@example.org");

    (void)state;
    file_copies(true);
    assert_ok(quota_set(b->store, login.grant.account, &tester, 1, UINT64_MAX));
    int fd = connect_user("u1@example.org");

    send_one(fd, "u1@example.org", "u2@example.org", small);
    assert_int_equal(sent("u1@example.org"), 0);
    assert_int_equal(messages("u2@example.org"), 1);
    // Nor does it go when nobody takes it.
    put_message("u1@example.org", "nobody@example.org", small);
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 550 5.1.1");
    EXPECT(fd, "all 554 5.5.1");
    assert_ok(quota_set(b->store, login.grant.account, &tester, UINT64_MAX, UINT64_MAX));
    put_message("u1@example.org", "nobody@example.org", small);
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 550 5.1.1");
    EXPECT(fd, "all 554 5.5.1");
    assert_int_equal(sent("u1@example.org"), 0);
    close(fd);
}

// ---- logins -------------------------------------------------------------------------------------

static void expect_closed(int fd)
{
    put_message("u1@example.org", "u2@example.org", small);
    send_stream(fd);
    EXPECT(fd, "all 421 4.7.0");
    EXPECT(fd, "1 503 5.5.1");
    EXPECT(fd, "all 503 5.5.1");
    close(fd);
}

// A connection that was closed counts until its worker has heard of it.
static void wait_for_no_sessions(void)
{
    struct keep_session_counts counts;

    do {
        usleep(1000);
        keep_sessions_count(sessions, &counts);
    } while (counts.sessions > 0);
}

static void test_logins_that_are_not_good(void **state)
{
    struct keep_link_login login = {.is_void = true};
    static const struct keep_session_limits one = {
        .per_user = 1, .per_user_and_address = 1, .all = 10};

    (void)state;
    expect_closed(connect_as(IPC_SUBMISSION, false, &login));
    login = login_of("u1@example.org");
    login.grant.mark++; // the password has been changed meanwhile
    expect_closed(connect_as(IPC_SUBMISSION, false, &login));
    wait_for_no_sessions();
    keep_sessions_set_limits(sessions, &one);
    int fd = connect_user("u1@example.org");

    put_from("u1@example.org");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    expect_closed(connect_user("u1@example.org"));
    // An administrator ends what there is.
    login = login_of("u1@example.org");
    assert_ok(
        directory_account_set_state(b->store, &tester, login.grant.account, ACCOUNT_SUSPENDED));
    assert_int_equal(keep_sessions_end(sessions, login.grant.account, KEEP_SESSIONS_ALL,
                                       SESSION_SUSPENDED, 5000),
                     1);
    buf_clear(&answers);
    EXPECT(fd, "end");
    close(fd);
    expect_closed(connect_as(IPC_SUBMISSION, false, &login));
    assert_int_equal(messages("u2@example.org"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_user_sends),
        T(test_senders_are_ones_own),
        T(test_a_header_of_senders_only),
        T(test_recipients_within_an_hour),
        T(test_rate_over_time),
        T(test_sending_is_held),
        T(test_logins_that_are_not_good),
        T(test_a_copy_in_sent),
        T(test_the_copy_has_the_bcc),
        T(test_the_copy_is_there_while_it_is_held),
        T(test_no_room_for_the_copy),
    };

    if (!mkdtemp(dir)) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    rmdir(dir);
    return failed;
}
