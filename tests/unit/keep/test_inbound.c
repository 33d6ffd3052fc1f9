// SPDX-License-Identifier: Apache-2.0
//
// Mail that the gate hands over; the test plays the gate over a socket pair.
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "../store/support.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/random.h"
#include "keep/inbound/inbound.h"
#include "keep/inbound/send_rate.h"
#include "keep/inbound/sender_right.h"
#include "keep/inbound/submission.h"
#include "store/route.h"
#include "store/rules.h"

#define MESSAGE_MAX (1u << 20)

static struct bench bench;
static struct bench *const b = &bench;
static struct queue *queue;
static struct delivery *delivery;
static struct keep_sessions *sessions;
static struct inbound *inbound;
static char dir[] = "/tmp/mk-inbound-XXXXXX";
static struct inbound_limits limits;
static struct buf stream;  // of frames, not sent yet
static struct buf answers; // read, not taken yet

static void open_inbound(void)
{
    struct inbound_options o = {.store = b->store,
                                .delivery = delivery,
                                .sessions = sessions,
                                .server = SPAN("mail.example.org"),
                                .separators = SPAN("+"),
                                .default_domain = SPAN("example.org"),
                                .dir = span_from_str(dir),
                                .threads = 4,
                                .connections_max = 100};

    assert_ok(inbound_create(&o, &limits, &inbound));
}

static void close_inbound(void)
{
    inbound_stop(inbound, 10000);
    inbound_destroy(inbound);
}

static account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN("$"), true, &id));
    return id;
}

static int setup(void **state)
{
    struct queue_options qo;
    struct delivery_options o = {
        .server = SPAN("mail.example.org"), .separators = SPAN("+"), .expire_s = 432000};
    struct span sales[] = {SPAN("u1@example.org"), SPAN("u2@example.org")};

    (void)state;
    bench_use_local = false;
    bench_open(b);
    queue_options_default(&qo);
    assert_ok(queue_open(b->engine, &qo, &queue));
    assert_ok(delivery_create(b->store, queue, &o, &delivery));
    assert_ok(keep_sessions_create(&sessions));
    account("u2@example.org");
    account("postmaster@example.org");
    assert_ok(route_alias_set(b->store, &tester, SPAN("sales@example.org"), sales, 2));
    limits = (struct inbound_limits){
        .message_bytes_max = MESSAGE_MAX, .recipients_per_hour = 5, .check_from = true};
    open_inbound();
    buf_init(&stream, 4u << 20);
    buf_init(&answers, 4u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_inbound();
    keep_sessions_destroy(sessions);
    delivery_destroy(delivery);
    queue_close(queue);
    bench_close(b);
    buf_finish(&stream);
    buf_finish(&answers);
    return 0;
}

// ---- the gate's part ----------------------------------------------------------------------------

static const struct keep_link_login nobody = {.account = 0};

static int connect_as(unsigned protocol, bool trusted, const struct keep_link_login *login)
{
    struct ipc_mail m = {.protocol = (uint8_t)protocol,
                         .is_trusted = trusted,
                         .remote = SPAN("192.0.2.7"),
                         .tls_text = SPAN(""),
                         .ticket = SPAN("")};
    struct timeval patience = {.tv_sec = 30};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_ok(inbound_open(inbound, &m, login, pair[0]));
    buf_clear(&answers);
    return pair[1];
}

static int connect_smtp(void)
{
    return connect_as(IPC_SMTP, false, &nobody);
}

static struct keep_link_login login_of(const char *name)
{
    struct account a;

    assert_ok(directory_account_by_name(b->store, span_from_str(name), &b->arena, &a));
    return (struct keep_link_login){.account = a.id, .mark = auth_mark(&a)};
}

static int connect_user(const char *name)
{
    struct keep_link_login login = login_of(name);

    return connect_as(IPC_SUBMISSION, false, &login);
}

static void put_from_with(const char *sender, uint64_t bytes, uint64_t hold_ms)
{
    struct ipc_mail_from m = {.helo = SPAN("client.example"),
                              .sender = span_from_str(sender),
                              .envid = SPAN(""),
                              .bytes = bytes,
                              .hold_until_ms = hold_ms};

    assert_ok(ipc_mail_from_encode(&m, 0, &stream));
}

static void put_from(const char *sender)
{
    put_from_with(sender, 0, 0);
}

static void put_rcpt(const char *address)
{
    struct ipc_mail_rcpt m = {.address = span_from_str(address), .orcpt = SPAN("")};

    assert_ok(ipc_mail_rcpt_encode(&m, 0, &stream));
}

static void put_data(struct span bytes)
{
    while (bytes.n) {
        struct ipc_mail_data m = {.bytes = span_first(bytes, 65536)};

        assert_ok(ipc_mail_data_encode(&m, 0, &stream));
        bytes = span_skip(bytes, m.bytes.n);
    }
}

static void put_end(void)
{
    struct ipc_mail_end m = {.prefix = SPAN("Received: from client\r\n"), .verdict = SPAN("fine")};

    assert_ok(ipc_mail_end_encode(&m, 0, &stream));
}

static void put_reset(void)
{
    struct ipc_mail_reset m = {.code = 0};

    assert_ok(ipc_mail_reset_encode(&m, 0, &stream));
}

static void put_message(const char *sender, const char *to, const char *text)
{
    put_from(sender);
    put_rcpt(to);
    put_data(span_from_str(text));
    put_end();
}

// False: the other side has gone.
static bool send_bytes(int fd, struct span bytes)
{
    while (bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

        if (n < 0) {
            return false;
        }
        bytes = span_skip(bytes, (size_t)n);
    }
    return true;
}

static void send_stream(int fd)
{
    assert_true(send_bytes(fd, buf_span(&stream)));
    buf_clear(&stream);
}

// The next answer as "place code enhanced"; "end" when the other side has closed.
static const char *answer(int fd)
{
    static char text[128];
    struct ipc_mail_answer m;
    struct ipc_frame f;
    enum err e;

    while ((e = ipc_frame_next(buf_span(&answers), &f)) == ERR_AGAIN) {
        char *at = buf_reserve(&answers, 65536);
        ssize_t n = recv(fd, at, 65536, 0);

        if (n <= 0) {
            assert_true(n == 0);
            return "end";
        }
        answers.n += (size_t)n;
    }
    assert_ok(e);
    assert_int_equal(f.type, IPC_MAIL_ANSWER);
    assert_ok(ipc_mail_answer_decode(f.fields, &m));
    snprintf(text, sizeof(text), "%s%.0u %u %.*s", m.recipient == IPC_MAIL_ALL ? "all" : "",
             m.recipient == IPC_MAIL_ALL ? 0 : m.recipient + 1, m.code, SPAN_ARG(m.enhanced));
    buf_consume(&answers, f.bytes);
    return text;
}

#define EXPECT(fd, want) assert_string_equal(answer(fd), want)

static uint32_t messages(const char *name)
{
    struct account a;
    struct view *v;
    const struct mailbox *m;

    assert_ok(directory_account_by_name(b->store, span_from_str(name), &b->arena, &a));
    assert_ok(view_open(b->store, a.id, &v));
    assert_ok(view_mailbox_by_name(v, SPAN("INBOX"), &m));
    uint32_t n = m->exists;

    view_close(v);
    return n;
}

// The newest body that is stored.
static struct span newest(void)
{
    struct snapshot *s;
    struct body_info info;
    struct buf out;
    body_id id = 0, last = 0;

    assert_ok(snapshot_open(b->engine, &s));
    while (snapshot_next_body(s, id + 1, &id) == ERR_OK) {
        last = id;
    }
    assert_ok(body_info(s, last, &info));
    buf_init(&out, 8u << 20);
    assert_ok(body_read(s, last, 0, info.bytes, &out));
    snapshot_close(s);
    struct span text = arena_dup(&b->arena, buf_span(&out));

    buf_finish(&out);
    return text;
}

static bool has(struct span text, const char *what)
{
    return span_find(text, span_from_str(what)) < text.n;
}

static uint64_t queued(void)
{
    struct queue_counts c;

    queue_count(queue, &c);
    return c.recipients;
}

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

static const char *const small = "Subject: x\r\n\r\nhello\r\n";

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
        {"u1@example.org", "From: nobody:;", "all 554 5.6.0"},
        {"u1@example.org", "From: u1@example.org\r\nFrom: ceo@bank.example", "all 554 5.6.0"},
        {"u1@example.org", "Date: x\r\nDate: y", "all 554 5.6.0"},
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
    login.mark++; // the password has been changed meanwhile
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
    assert_ok(directory_account_set_state(b->store, &tester, login.account, ACCOUNT_SUSPENDED));
    assert_int_equal(keep_sessions_end(sessions, login.account, SESSION_SUSPENDED, 5000), 1);
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
        T(test_one_message),
        T(test_recipients),
        T(test_lmtp_answers_each),
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
        T(test_a_user_sends),
        T(test_senders_are_ones_own),
        T(test_recipients_within_an_hour),
        T(test_rate_over_time),
        T(test_sending_is_held),
        T(test_logins_that_are_not_good),
    };

    if (!mkdtemp(dir)) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    rmdir(dir);
    return failed;
}
