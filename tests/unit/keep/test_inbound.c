// SPDX-License-Identifier: Apache-2.0
//
// Mail from the world: envelopes, sizes, and conversations that go wrong.
#include "inbound_world.h"

// ---- envelopes ----------------------------------------------------------------------------------

static void test_one_message(void **state)
{
    (void)state;
    int fd = connect_smtp();

    put_message("me@example.net", "u1@example.org", "Subject: x\r\n\r\nhello\r\n");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(messages("u1@example.org"), 1);
    assert_span(newest(), "Return-Path: <me@example.net>\r\nReceived: from client\r\n"
                          "Subject: x\r\n\r\nhello\r\n");
    // The next over the same connection has nothing of this one.
    put_from("you@example.net");
    put_data(SPAN("x"));
    put_end();
    put_from("");
    put_rcpt("u2+x@example.org");
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "all 554 5.5.1");
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(messages("u1@example.org"), 1);
    assert_int_equal(messages("u2@example.org"), 1);
    assert_span(newest(), "Return-Path: <>\r\nReceived: from client\r\n");
    close(fd);
}

static void test_recipients(void **state)
{
    (void)state;
    int fd = connect_smtp();

    put_from("me@example.net");
    put_rcpt("nobody@example.org");
    put_rcpt("x@elsewhere.example");
    put_rcpt("u1@example.org");
    put_rcpt("Postmaster");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 550 5.1.1");
    EXPECT(fd, "2 550 5.7.1");
    EXPECT(fd, "3 250 2.1.5");
    EXPECT(fd, "4 250 2.1.5");
    put_data(SPAN("Subject: x\r\n\r\n"));
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(messages("u1@example.org"), 1);
    assert_int_equal(messages("postmaster@example.org"), 1);
    close(fd);
}

static void test_lmtp_answers_each(void **state)
{
    (void)state;
    int fd = connect_as(IPC_LMTP, false, &nobody);

    assert_ok(quota_set(b->store, b->account, &tester, 100, UINT64_MAX));
    put_from("me@example.net");
    put_rcpt("u2@example.org");
    put_rcpt("nobody@example.org");
    put_rcpt("u1@example.org");
    put_rcpt("sales@example.org");
    put_data(SPAN("Subject: x\r\n\r\n"));
    for (int i = 0; i < 10; i++) {
        put_data(SPAN("more than fits into the quota\r\n"));
    }
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "2 550 5.1.1");
    EXPECT(fd, "3 250 2.1.5");
    EXPECT(fd, "4 250 2.1.5");
    EXPECT(fd, "1 250 2.0.0");
    EXPECT(fd, "3 452 4.2.2");
    EXPECT(fd, "4 452 4.2.2"); // leads only to where others lead, and one of them is full
    assert_int_equal(messages("u2@example.org"), 1);
    assert_int_equal(queued(), 0);
    put_from("me@example.net");
    put_rcpt("nobody@example.org");
    put_end();
    put_from("me@example.net");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 550 5.1.1");
    EXPECT(fd, "all 250 2.1.0"); // nobody was accepted, nobody is answered
    close(fd);
}

// Its first line would go on with the last field that is put in front: Received, or the results of
// the checks.
static void test_s18_message_that_begins_folded(void **state)
{
    static const char *const texts[] = {" dkim=pass\r\nSubject: x\r\n\r\nx\r\n", "\tx\r\n\r\n",
                                        "  \r\nSubject: x\r\n\r\n", " "};

    (void)state;
    int smtp = connect_smtp(), lmtp = connect_as(IPC_LMTP, false, &nobody);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (int n = 0; n < 2; n++) {
            int fd = n ? lmtp : smtp;

            buf_clear(&answers);
            put_message("a@x.example", "u1@example.org", texts[i]);
            send_stream(fd);
            EXPECT(fd, "all 250 2.1.0");
            EXPECT(fd, "1 250 2.1.5");
            EXPECT(fd, n ? "1 554 5.6.0" : "all 554 5.6.0");
        }
    }
    assert_int_equal(messages("u1@example.org"), 0);
    put_message("a@x.example", "u1@example.org", "\r\n begins with its text\r\n");
    send_stream(smtp);
    EXPECT(smtp, "all 250 2.1.0");
    EXPECT(smtp, "1 250 2.1.5");
    EXPECT(smtp, "all 250 2.0.0");
    close(smtp);
    close(lmtp);
}

static void test_trusted_hosts_may_send_on(void **state)
{
    (void)state;
    int fd = connect_as(IPC_SMTP, true, &nobody);

    put_message("app@example.net", "x@elsewhere.example", "Subject: x\r\n\r\n");
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(queued(), 1);
    close(fd);
}

static void test_a_reset_forgets(void **state)
{
    (void)state;
    int fd = connect_smtp();

    put_reset();
    put_from("me@example.net");
    put_rcpt("u1@example.org");
    put_data(SPAN("Subject: x\r\n"));
    put_reset();
    put_from("you@example.net");
    put_rcpt("u2@example.org");
    put_data(SPAN("Subject: y\r\n"));
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_int_equal(messages("u1@example.org"), 0);
    assert_false(has(newest(), "Subject: x"));
    close(fd);
}

// ---- sizes --------------------------------------------------------------------------------------

static void put_lines(struct buf *out, size_t bytes)
{
    buf_put_str(out, "Subject: large\r\n\r\n");
    for (unsigned i = 0; out->n + 80 < bytes; i++) {
        buf_printf(out, "line %u of a long message\r\n", i);
    }
    while (out->n + 2 < bytes) {
        buf_put_byte(out, 'x');
    }
    buf_put_str(out, "\r\n");
}

static void try_size(int fd, size_t bytes, const char *want)
{
    struct buf text;

    buf_init(&text, 4u << 20);
    put_lines(&text, bytes);
    put_from("me@example.net");
    put_rcpt("u1@example.org");
    put_data(buf_span(&text));
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, want);
    if (strstr(want, "250")) {
        assert_true(span_ends(newest(), buf_span(&text)));
    }
    buf_finish(&text);
}

static void test_sizes(void **state)
{
    (void)state;
    int fd = connect_smtp();

    try_size(fd, 1000, "all 250 2.0.0");
    try_size(fd, (256u << 10) - 1, "all 250 2.0.0");
    try_size(fd, 256u << 10, "all 250 2.0.0");
    try_size(fd, (256u << 10) + 1, "all 250 2.0.0");
    try_size(fd, MESSAGE_MAX, "all 250 2.0.0");
    try_size(fd, MESSAGE_MAX + 1, "all 552 5.3.4");
    try_size(fd, 3u << 20, "all 552 5.3.4");
    try_size(fd, 1000, "all 250 2.0.0");
    put_from_with("me@example.net", MESSAGE_MAX + 1, 0);
    put_rcpt("u1@example.org");
    put_data(SPAN("x"));
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 552 5.3.4");
    EXPECT(fd, "1 503 5.5.1");
    EXPECT(fd, "all 503 5.5.1");
    try_size(fd, 1000, "all 250 2.0.0");
    close(fd);
}

static void test_without_room_for_large_messages(void **state)
{
    struct buf text;

    (void)state;
    int fd = connect_smtp();

    buf_init(&text, 1u << 20);
    put_lines(&text, 512u << 10);
    assert_int_equal(rmdir(dir), 0);
    put_from("me@example.net");
    put_rcpt("u1@example.org");
    put_data(buf_span(&text));
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 451 4.3.0");
    assert_int_equal(mkdir(dir, 0700), 0);
    buf_finish(&text);
    try_size(fd, 512u << 10, "all 250 2.0.0");
    close(fd);
}

// ---- the conversation ---------------------------------------------------------------------------

// Cut anywhere, it is the same conversation.
static void test_split_at_every_byte(void **state)
{
    (void)state;
    put_message("me@example.net", "u1@example.org", small);
    for (size_t cut = 1; cut < stream.n; cut++) {
        int fd = connect_smtp();

        send_bytes(fd, span_first(buf_span(&stream), cut));
        if (cut % 3 == 0) {
            sched_yield();
        }
        send_bytes(fd, span_skip(buf_span(&stream), cut));
        EXPECT(fd, "all 250 2.1.0");
        EXPECT(fd, "1 250 2.1.5");
        EXPECT(fd, "all 250 2.0.0");
        assert_int_equal(messages("u1@example.org"), cut);
        close(fd);
    }
}

// One byte at a time.
static void test_byte_by_byte(void **state)
{
    (void)state;
    int fd = connect_smtp();

    put_message("me@example.net", "u1@example.org", small);
    for (size_t i = 0; i < stream.n; i++) {
        send_bytes(fd, span_first(span_skip(buf_span(&stream), i), 1));
    }
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    close(fd);
}

// The gate goes, wherever they are: nothing is delivered of what is not whole.
static void test_closed_at_every_byte(void **state)
{
    (void)state;
    put_message("me@example.net", "u1@example.org", small);
    for (size_t cut = 0; cut < stream.n; cut++) {
        int fd = connect_smtp();

        send_bytes(fd, span_first(buf_span(&stream), cut));
        if (cut % 2) {
            shutdown(fd, SHUT_WR);
            while (strcmp(answer(fd), "end") != 0) {
            }
        }
        close(fd);
    }
    close_inbound(); // and all have ended
    assert_int_equal(messages("u1@example.org"), 0);
    open_inbound();
}

// keep stops, wherever they are: what was not answered was not delivered, or was whole.
static void test_stopped_in_every_state(void **state)
{
    size_t ends[8], n = 0;

    (void)state;
    ends[n++] = stream.n;
    put_from("me@example.net");
    ends[n++] = stream.n;
    put_rcpt("u1@example.org");
    ends[n++] = stream.n;
    ends[n++] = stream.n + 5;
    put_data(span_from_str(small));
    ends[n++] = stream.n;
    put_end();
    for (size_t i = 0; i < n; i++) {
        int fd = connect_smtp();

        send_bytes(fd, span_first(buf_span(&stream), ends[i]));
        if (i >= 1) {
            EXPECT(fd, "all 250 2.1.0"); // it is in the middle of it
        }
        close_inbound();
        while (strcmp(answer(fd), "end") != 0) {
        }
        close(fd);
        open_inbound();
    }
    assert_int_equal(messages("u1@example.org"), 0);
}

// A message that is whole when keep stops is either answered or not; when it is, it is there.
static void test_stopped_while_delivering(void **state)
{
    unsigned good = 0;

    (void)state;
    put_message("me@example.net", "u1@example.org", small);
    for (int i = 0; i < 30; i++) {
        int fd = connect_smtp();
        const char *a;

        send_bytes(fd, buf_span(&stream));
        close_inbound();
        while (strcmp(a = answer(fd), "end") != 0) {
            good += strcmp(a, "all 250 2.0.0") == 0;
        }
        close(fd);
        open_inbound();
    }
    assert_true(messages("u1@example.org") >= good);
}

static void test_nonsense_ends_it(void **state)
{
    static const struct {
        const char *words; // F from, R rcpt, D data, E end, X reset, ? nonsense
        unsigned answers;
    } rows[] = {
        {"R", 0},  {"D", 0},   {"E", 0},    {"FF", 1},       {"FRF", 2},
        {"?", 0},  {"FDR", 1}, {"FRDR", 2}, {"FRDEE", 3},    {"FRDER", 3},
        {"F?", 1}, {"XR", 0},  {"FRXE", 2}, {"FRDEFRE?", 6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = connect_smtp();
        unsigned seen = 0;

        for (const char *w = rows[i].words; *w; w++) {
            switch (*w) {
            case 'F':
                put_from("me@example.net");
                break;
            case 'R':
                put_rcpt("u1@example.org");
                break;
            case 'D':
                put_data(span_from_str(small));
                break;
            case 'E':
                put_end();
                break;
            case 'X':
                put_reset();
                break;
            default:
                buf_put(&stream, SPAN("\x08\0\0\0\xff\xff\xff\xff rubbish"));
            }
        }
        send_stream(fd);
        while (strcmp(answer(fd), "end") != 0) {
            seen++;
        }
        if (seen != rows[i].answers) {
            fail_msg("%s: %u answers", rows[i].words, seen);
        }
        close(fd);
    }
}

// Any words in any order: each gets as many answers as its state allows, or the conversation ends.
static void test_random_words(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        bool lmtp = random_u64() % 2, ends = false;
        int fd = connect_as(lmtp ? IPC_LMTP : IPC_SMTP, false, &nobody);
        enum { IDLE, ENVELOPE, CONTENT } at = IDLE;
        unsigned want = 0, accepted = 0, seen = 0;

        for (unsigned i = 0; i < 30 && !ends; i++) {
            bool good = random_u64() % 2;

            switch (random_u64() % 12) {
            case 0:
            case 1:
            case 2:
                put_from("me@example.net");
                ends = at != IDLE;
                want += !ends;
                at = ENVELOPE;
                accepted = 0;
                break;
            case 3:
            case 4:
            case 5:
            case 6:
                put_rcpt(good ? "u1@example.org" : "nobody@example.org");
                ends = at != ENVELOPE;
                want += !ends;
                accepted += good;
                break;
            case 7:
            case 8:
                put_data(span_from_str(small));
                ends = at == IDLE;
                at = CONTENT;
                break;
            case 9:
            case 10:
                put_end();
                ends = at == IDLE;
                want += ends ? 0 : lmtp ? accepted : 1;
                at = IDLE;
                break;
            default:
                put_reset();
                at = IDLE;
            }
        }
        send_bytes(fd, buf_span(&stream));
        buf_clear(&stream);
        shutdown(fd, SHUT_WR);
        while (strcmp(answer(fd), "end") != 0) {
            seen++;
        }
        assert_int_equal(seen, want);
        close(fd);
    }
    bench_check(b);
}

struct sender {
    pthread_t thread;
    int fd;
    unsigned good;
};

static void *send_many(void *arg)
{
    struct sender *s = arg;
    char piece[4096];
    struct ipc_frame f;
    struct ipc_mail_answer m;
    struct buf in;

    buf_init(&in, 1u << 20);
    for (int i = 0; i < 50; i++) {
        send(s->fd, stream.p, stream.n, MSG_NOSIGNAL);
        for (int n = 0; n < 3;) {
            if (ipc_frame_next(buf_span(&in), &f) == ERR_OK) {
                s->good +=
                    n == 2 && ipc_mail_answer_decode(f.fields, &m) == ERR_OK && m.code == 250;
                n++;
                buf_consume(&in, f.bytes);
                continue;
            }
            ssize_t got = recv(s->fd, piece, sizeof(piece), 0);

            if (got <= 0) {
                break;
            }
            buf_put(&in, span_of(piece, (size_t)got));
        }
    }
    buf_finish(&in);
    return NULL;
}

static void test_many_at_once(void **state)
{
    struct sender senders[8];

    (void)state;
    put_message("me@example.net", "u1@example.org", small);
    for (int i = 0; i < 8; i++) {
        senders[i] = (struct sender){.fd = connect_smtp()};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].good, 50);
        close(senders[i].fd);
    }
    assert_int_equal(messages("u1@example.org"), 400);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_message),
        T(test_recipients),
        T(test_lmtp_answers_each),
        T(test_s18_message_that_begins_folded),
        T(test_trusted_hosts_may_send_on),
        T(test_a_reset_forgets),
        T(test_sizes),
        T(test_without_room_for_large_messages),
        T(test_split_at_every_byte),
        T(test_byte_by_byte),
        T(test_closed_at_every_byte),
        T(test_stopped_in_every_state),
        T(test_stopped_while_delivering),
        T(test_nonsense_ends_it),
        T(test_random_words),
        T(test_many_at_once),
    };

    if (!mkdtemp(dir)) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    rmdir(dir);
    return failed;
}
