// SPDX-License-Identifier: Apache-2.0
#include "inbound_world.h"

static struct bench bench;
struct bench *const b = &bench;
struct queue *queue;
struct trail *trail;
struct reports *reports;
static struct delivery *delivery;
struct keep_sessions *sessions;
struct inbound *inbound;
char dir[] = "/tmp/mk-inbound-XXXXXX";
struct inbound_limits limits;
const char *const small = "Subject: x\r\n\r\nhello\r\n";
struct buf stream;  // of frames, not sent yet
struct buf answers; // read, not taken yet

void open_inbound(void)
{
    struct inbound_options o = {.store = b->store,
                                .delivery = delivery,
                                .sessions = sessions,
                                .trail = trail,
                                .server = SPAN("mail.example.org"),
                                .separators = SPAN("+"),
                                .default_domain = SPAN("example.org"),
                                .dir = span_from_str(dir),
                                .threads = 4,
                                .connections_max = 100};

    assert_ok(inbound_create(&o, &limits, &inbound));
}

void close_inbound(void)
{
    inbound_stop(inbound, 10000);
    inbound_destroy(inbound);
}

account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN("$"), true, &id));
    return id;
}

int setup(void **state)
{
    struct queue_options qo;
    struct delivery_options o = {
        .server = SPAN("mail.example.org"), .separators = SPAN("+"), .expire_s = 432000};
    struct span sales[] = {SPAN("u1@example.org"), SPAN("u2@example.org")};

    (void)state;
    bench_use_local = false;
    bench_open(b);
    queue_options_default(&qo);
    assert_ok(trail_open(b->engine, &trail));
    assert_ok(reports_open(b->engine, trail, &reports));
    assert_ok(queue_open(b->engine, &qo, &queue));
    o.trail = trail;
    o.reports = reports;
    o.report_address = SPAN("reports");
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

int teardown(void **state)
{
    (void)state;
    close_inbound();
    keep_sessions_destroy(sessions);
    delivery_destroy(delivery);
    queue_close(queue);
    reports_close(reports);
    trail_close(trail);
    bench_close(b);
    buf_finish(&stream);
    buf_finish(&answers);
    return 0;
}

// ---- the gate's part ----------------------------------------------------------------------------

const struct keep_link_login nobody = {0};

int connect_as(unsigned protocol, bool trusted, const struct keep_link_login *login)
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

int connect_smtp(void)
{
    return connect_as(IPC_SMTP, false, &nobody);
}

struct keep_link_login login_of(const char *name)
{
    struct account a;

    assert_ok(directory_account_by_name(b->store, span_from_str(name), &b->arena, &a));
    return (struct keep_link_login){.grant = {.account = a.id, .mark = auth_mark(&a)}};
}

int connect_user(const char *name)
{
    struct keep_link_login login = login_of(name);

    return connect_as(IPC_SUBMISSION, false, &login);
}

void put_from_with(const char *sender, uint64_t bytes, uint64_t hold_ms)
{
    struct ipc_mail_from m = {.helo = SPAN("client.example"),
                              .sender = span_from_str(sender),
                              .envid = SPAN(""),
                              .bytes = bytes,
                              .hold_until_ms = hold_ms};

    assert_ok(ipc_mail_from_encode(&m, 0, &stream));
}

void put_from(const char *sender)
{
    put_from_with(sender, 0, 0);
}

void put_rcpt(const char *address)
{
    struct ipc_mail_rcpt m = {.address = span_from_str(address), .orcpt = SPAN("")};

    assert_ok(ipc_mail_rcpt_encode(&m, 0, &stream));
}

void put_data(struct span bytes)
{
    while (bytes.n) {
        struct ipc_mail_data m = {.bytes = span_first(bytes, 65536)};

        assert_ok(ipc_mail_data_encode(&m, 0, &stream));
        bytes = span_skip(bytes, m.bytes.n);
    }
}

void put_end(void)
{
    struct ipc_mail_end m = {.prefix = SPAN("Received: from client\r\n"), .verdict = SPAN("fine")};

    assert_ok(ipc_mail_end_encode(&m, 0, &stream));
}

void put_reset(void)
{
    struct ipc_mail_reset m = {.code = 0};

    assert_ok(ipc_mail_reset_encode(&m, 0, &stream));
}

void put_message(const char *sender, const char *to, const char *text)
{
    put_from(sender);
    put_rcpt(to);
    put_data(span_from_str(text));
    put_end();
}

// False: the other side has gone.
bool send_bytes(int fd, struct span bytes)
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

void send_stream(int fd)
{
    assert_true(send_bytes(fd, buf_span(&stream)));
    buf_clear(&stream);
}

// The next answer as "place code enhanced"; "end" when the other side has closed.
const char *answer(int fd)
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

uint32_t messages(const char *name)
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
struct span newest(void)
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

bool has(struct span text, const char *what)
{
    return span_find(text, span_from_str(what)) < text.n;
}

uint64_t queued(void)
{
    struct queue_counts c;

    queue_count(queue, &c);
    return c.recipients;
}
