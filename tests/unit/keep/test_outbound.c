// SPDX-License-Identifier: Apache-2.0
//
// The queue's way to the courier; the test plays the courier.
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../store/support.h"
#include "base/clock.h"
#include "ipc/channel.h"
#include "keep/outbound/outbound.h"
#include "store/append.h"
#include "store/directory/relay_route.h"

static struct bench bench;
static struct bench *const b = &bench;
static struct loop *loop;
static pthread_t loop_thread;
static struct queue *queue;
static struct delivery *delivery;
static struct outbound *outbound;
static int courier; // our end of the link
static struct buf frames;

static void *loop_main(void *arg)
{
    (void)arg;
    loop_run(loop);
    return NULL;
}

struct attach {
    struct loop_task task;
    int fd;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
};

static void attach_now(struct loop_task *t)
{
    struct attach *a = (struct attach *)(void *)t;

    assert_ok(outbound_attach(outbound, a->fd));
    pthread_mutex_lock(&a->mutex);
    a->is_done = true;
    pthread_cond_signal(&a->done);
    pthread_mutex_unlock(&a->mutex);
}

static void attach(void)
{
    struct attach a = {.task.run = attach_now};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    courier = pair[1];
    a.fd = pair[0];
    pthread_mutex_init(&a.mutex, NULL);
    pthread_cond_init(&a.done, NULL);
    loop_post(loop, &a.task);
    pthread_mutex_lock(&a.mutex);
    while (!a.is_done) {
        pthread_cond_wait(&a.done, &a.mutex);
    }
    pthread_mutex_unlock(&a.mutex);
}

static void open_outbound(void)
{
    struct outbound_options o = {.loop = loop,
                                 .engine = b->engine,
                                 .store = b->store,
                                 .queue = queue,
                                 .delivery = delivery,
                                 .server = SPAN("mail.example.org"),
                                 .threads = 2,
                                 .jobs_max = 50};

    assert_ok(outbound_create(&o, &outbound));
    assert_int_equal(pthread_create(&loop_thread, NULL, loop_main, NULL), 0);
}

static int setup(void **state)
{
    struct queue_options qo;
    struct delivery_options delivery_o = {
        .server = SPAN("mail.example.org"), .separators = SPAN("+"), .expire_s = 432000};

    bench_use_local = false;
    (void)state;
    bench_open(b);
    queue_options_default(&qo);
    assert_ok(queue_open(b->engine, &qo, &queue));
    assert_ok(delivery_create(b->store, queue, &delivery_o, &delivery));
    assert_ok(loop_create(&loop));
    open_outbound();
    attach();
    buf_init(&frames, 8u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    outbound_destroy(outbound, 1000);
    loop_destroy(loop);
    close(courier);
    delivery_destroy(delivery);
    queue_close(queue);
    bench_close(b);
    buf_finish(&frames);
    return 0;
}

// ---- the courier's part -------------------------------------------------------------------------

// The pair of the next job.
static int next_job(void)
{
    struct ipc_frame frame;
    struct buf in;
    int fds[IPC_FDS_MAX];

    buf_init(&in, IPC_FRAME_BYTES_MAX);
    assert_ok(channel_receive_blocking(courier, 10000, &in, &frame, fds));
    assert_int_equal(frame.type, IPC_RELAY);
    assert_int_equal(frame.fds, 1);
    buf_finish(&in);
    return fds[0];
}

// The next frame of a job; `frames` is what was read and not yet taken.
static struct ipc_frame next_frame(int fd, size_t *taken)
{
    struct ipc_frame f;

    buf_consume(&frames, *taken);
    while (ipc_frame_next(buf_span(&frames), &f) == ERR_AGAIN) {
        char *at = buf_reserve(&frames, 65536);
        ssize_t n = recv(fd, at, 65536, 0);

        assert_true(n > 0);
        frames.n += (size_t)n;
    }
    *taken = f.bytes;
    return f;
}

struct seen {
    uint32_t recipients;
    char sender[64], destination[64], route[128];
    struct buf body;
};

static void read_job(int fd, struct seen *s)
{
    struct ipc_relay_job job;
    struct ipc_relay_body body = {0};
    size_t taken = 0;

    buf_clear(&frames);
    buf_init(&s->body, 8u << 20);
    assert_ok(ipc_relay_job_decode(next_frame(fd, &taken).fields, &job));
    s->recipients = job.recipients;
    snprintf(s->sender, sizeof(s->sender), "%.*s", SPAN_ARG(job.sender));
    snprintf(s->destination, sizeof(s->destination), "%.*s", SPAN_ARG(job.destination));
    assert_span(job.helo, "mail.example.org");
    snprintf(s->route, sizeof(s->route), "%.*s:%u:%u:%.*s:%.*s", SPAN_ARG(job.route_host),
             job.route_port, job.route_tls, SPAN_ARG(job.route_user), SPAN_ARG(job.route_password));
    uint64_t bytes = job.bytes;

    for (uint32_t i = 0; i < s->recipients; i++) {
        struct ipc_relay_rcpt rcpt;

        assert_ok(ipc_relay_rcpt_decode(next_frame(fd, &taken).fields, &rcpt));
    }
    while (!body.last) {
        assert_ok(ipc_relay_body_decode(next_frame(fd, &taken).fields, &body));
        buf_put(&s->body, body.bytes);
    }
    assert_int_equal(s->body.n, bytes);
}

static void answer(int fd, uint32_t recipient, unsigned outcome, const char *reply)
{
    struct ipc_relay_result m = {.recipient = recipient,
                                 .outcome = (uint8_t)outcome,
                                 .host = SPAN("mx.example.net"),
                                 .reply = span_from_str(reply)};
    struct buf out;

    buf_init(&out, 65536);
    assert_ok(ipc_relay_result_encode(&m, 0, &out));
    assert_int_equal(send(fd, out.p, out.n, MSG_NOSIGNAL), out.n);
    buf_finish(&out);
}

static void end_job(int fd, const char *problem)
{
    struct ipc_relay_end m = {.tls = SPAN("TLSv1.3"), .problem = span_from_str(problem)};
    struct buf out;

    buf_init(&out, 65536);
    assert_ok(ipc_relay_end_encode(&m, 0, &out));
    send(fd, out.p, out.n, MSG_NOSIGNAL);
    buf_finish(&out);
    close(fd);
}

static void submit(const char *sender, unsigned recipients, struct span body)
{
    static const char *const to[] = {"a@example.net", "b@example.net", "c@example.net"};
    struct queue_recipient r[3];
    struct queue_message m = {.expires_ms = clock_real_ms() + 86400000,
                              .sender = span_from_str(sender),
                              .prefix = SPAN("X-Prefix: 1\r\n")};
    struct incoming *in;
    queue_id id;

    for (unsigned i = 0; i < recipients; i++) {
        r[i] = (struct queue_recipient){.address = span_from_str(to[i]),
                                        .destination = SPAN("example.net")};
    }
    assert_ok(incoming_begin(b->store, &in));
    assert_ok(incoming_write(in, body));
    assert_ok(incoming_finish(in));
    m.body = incoming_body(in);
    m.body_bytes = incoming_bytes(in);
    assert_ok(queue_submit(queue, &m, r, recipients, &id));
    incoming_destroy(in);
}

static bool settled(uint64_t recipients)
{
    struct queue_counts c;

    for (int i = 0; i < 10000; i++) {
        queue_count(queue, &c);
        if (c.recipients == recipients && c.running == 0) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

static struct queue_recipient only;
static queue_id only_id;

static bool look(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    (void)arg;
    only_id = m->id;
    only = *r;
    return true;
}

// ---- tests --------------------------------------------------------------------------------------

static void test_each_recipient_has_its_own_end(void **state)
{
    struct seen s;

    (void)state;
    submit("u1@example.org", 3, SPAN("Subject: hello\r\n\r\nhello\r\n"));
    int fd = next_job();

    read_job(fd, &s);
    assert_string_equal(s.sender, "u1@example.org");
    assert_string_equal(s.destination, "example.net");
    assert_span(buf_span(&s.body), "X-Prefix: 1\r\nSubject: hello\r\n\r\nhello\r\n");
    buf_finish(&s.body);
    answer(fd, 2, IPC_RELAY_FAILED, "550 5.1.1 no such user");
    answer(fd, 0, IPC_RELAY_DELIVERED, "250 ok");
    answer(fd, 1, IPC_RELAY_DEFERRED, "451 4.3.0 later");
    end_job(fd, "");
    assert_true(settled(1)); // one waits; the failed one was told of
    assert_int_equal(bench_mailbox_get(b, "INBOX").exists, 1);
    assert_ok(queue_list(queue, 0, look, NULL));
    assert_span(only.address, "b@example.net");
    assert_int_equal(only.attempts, 1);
}

static void test_large_body(void **state)
{
    struct buf body;
    struct seen s;

    (void)state;
    buf_init(&body, 8u << 20);
    buf_put_str(&body, "Subject: large\r\n\r\n");
    for (int i = 0; i < 100000; i++) {
        buf_printf(&body, "line %d of a long message\r\n", i);
    }
    submit("u1@example.org", 1, buf_span(&body));
    int fd = next_job();

    read_job(fd, &s);
    assert_true(span_eq(span_skip(buf_span(&s.body), 13), buf_span(&body)));
    answer(fd, 0, IPC_RELAY_DELIVERED, "250 ok");
    end_job(fd, "");
    assert_true(settled(0));
    buf_finish(&s.body);
    buf_finish(&body);
}

// A courier that needs no more than the envelope says so and goes, with most of the body unread.
static void test_refused_before_the_body(void **state)
{
    struct ipc_relay_job job;
    struct buf body;
    size_t taken = 0;

    (void)state;
    buf_init(&body, 8u << 20);
    buf_put_str(&body, "Subject: large\r\n\r\n");
    while (body.n < 4u << 20) {
        buf_put_str(&body, "a line of a long message\r\n");
    }
    for (int i = 0; i < 20; i++) {
        submit("u1@example.org", 1, buf_span(&body));
        int fd = next_job();

        buf_clear(&frames);
        taken = 0;
        assert_ok(ipc_relay_job_decode(next_frame(fd, &taken).fields, &job));
        answer(fd, 0, IPC_RELAY_FAILED, "550 5.1.1 no such user");
        end_job(fd, "");
        assert_true(settled(0));
    }
    assert_int_equal(bench_mailbox_get(b, "INBOX").exists, 20); // notices
    buf_finish(&body);
}

static void test_courier_dies(void **state)
{
    (void)state;
    submit("u1@example.org", 1, SPAN("Subject: x\r\n\r\n"));
    close(next_job());
    close(courier);
    for (int i = 0; i < 10000; i++) {
        assert_ok(queue_list(queue, 0, look, NULL));
        if (only.attempts == 1) {
            break;
        }
        usleep(1000);
    }
    assert_span(only.reply, "4.3.0 sending was interrupted here");
    attach();
}

// Three couriers end over the same message: it is held, and others leave.
static void test_q05_couriers_die_of_a_message(void **state)
{
    (void)state;
    submit("u1@example.org", 1, SPAN("Subject: x\r\n\r\n"));
    for (unsigned i = 1; i <= 3; i++) {
        uint32_t changed;

        close(next_job());
        close(courier);
        for (int n = 0; n < 10000; n++) {
            assert_ok(queue_list(queue, 0, look, NULL));
            if (only.attempts == i) {
                break;
            }
            usleep(1000);
        }
        assert_int_equal(only.state, i < 3 ? QUEUE_WAITING : QUEUE_HELD);
        assert_true(i < 3 || span_starts(only.reply, SPAN("4.3.0 set aside")));
        attach();
        assert_ok(queue_act(queue, only_id, UINT32_MAX, QUEUE_RETRY, &changed));
        assert_int_equal(changed, i < 3);
    }
    submit("u1@example.org", 1, SPAN("Subject: y\r\n\r\n"));
    int fd = next_job();

    answer(fd, 0, IPC_RELAY_DELIVERED, "250 2.0.0 Ok");
    end_job(fd, "");
    assert_true(settled(1));
}

static void test_unreachable(void **state)
{
    struct seen s;

    (void)state;
    submit("u1@example.org", 2, SPAN("Subject: x\r\n\r\n"));
    int fd = next_job();

    read_job(fd, &s);
    buf_finish(&s.body);
    end_job(fd, "4.4.1 no server of example.net answers");
    assert_true(settled(2));
    assert_ok(queue_list(queue, 0, look, NULL));
    assert_span(only.reply, "4.4.1 no server of example.net answers");
}

// A changed route counts at once; by default it is as the DNS says.
static void test_routes(void **state)
{
    struct relay_route r = {.pattern = SPAN("@example.org"),
                            .kind = RELAY_BY_HOST,
                            .tls = RELAY_ROUTE_IMPLICIT,
                            .port = 465,
                            .host = SPAN("smart.example.com"),
                            .user = SPAN("us"),
                            .password = SPAN("secret")};
    struct seen s;

    (void)state;
    for (int i = 0; i < 2; i++) {
        submit("u1@example.org", 1, SPAN("Subject: x\r\n\r\n"));
        int fd = next_job();

        read_job(fd, &s);
        buf_finish(&s.body);
        assert_string_equal(s.route, i ? "smart.example.com:465:2:us:secret" : ":0:0::");
        answer(fd, 0, IPC_RELAY_DELIVERED, "250 ok");
        end_job(fd, "");
        assert_true(settled(0));
        assert_ok(relay_route_set(b->store, &tester, &r));
    }
    r = (struct relay_route){
        .pattern = SPAN("example.net"), .kind = RELAY_REFUSE, .words = SPAN("not from here")};
    assert_ok(relay_route_set(b->store, &tester, &r));
    submit("u1@example.org", 2, SPAN("Subject: x\r\n\r\n"));
    assert_true(settled(0));
    assert_int_equal(bench_mailbox_get(b, "INBOX").exists, 1); // the sender was told
}

static void test_nonsense_ends_the_job(void **state)
{
    static const char rubbish[] = "\xff\xff\xff\xff nonsense";
    struct seen s;

    (void)state;
    submit("u1@example.org", 1, SPAN("Subject: x\r\n\r\n"));
    int fd = next_job();

    read_job(fd, &s);
    buf_finish(&s.body);
    send(fd, rubbish, sizeof(rubbish), MSG_NOSIGNAL);
    assert_true(settled(1));
    close(fd);
}

// Stopping leaves in the queue what has no answer yet, as if it had not been tried.
static void test_stop_in_the_middle(void **state)
{
    struct seen s;

    (void)state;
    submit("u1@example.org", 1, SPAN("Subject: x\r\n\r\n"));
    int fd = next_job();

    read_job(fd, &s);
    buf_finish(&s.body);
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    outbound_destroy(outbound, 50);
    assert_ok(queue_list(queue, 0, look, NULL));
    assert_int_equal(only.attempts, 0);
    close(fd);
    open_outbound();
}

struct late_answer {
    pthread_t thread;
    int fd;
};

static void *answer_late(void *arg)
{
    struct late_answer *late = arg;

    usleep(100000); // the stop is under way by now; when not, the test asks less
    answer(late->fd, 0, IPC_RELAY_DELIVERED, "250 ok");
    end_job(late->fd, "");
    return NULL;
}

// What the courier has whole when we stop may be taken by the other server: the result is heard.
static void test_stop_waits_for_results(void **state)
{
    struct late_answer late;
    struct seen s;

    (void)state;
    submit("u1@example.org", 1, SPAN("Subject: x\r\n\r\n"));
    late.fd = next_job();
    read_job(late.fd, &s);
    buf_finish(&s.body);
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    assert_int_equal(pthread_create(&late.thread, NULL, answer_late, &late), 0);
    outbound_destroy(outbound, 20000);
    pthread_join(late.thread, NULL);
    assert_true(settled(0));
    open_outbound();
}

static uint64_t waiting(void)
{
    struct queue_counts c;

    queue_count(queue, &c);
    return c.recipients;
}

// Q06: very many notices are owed at once: mail leaves between them, and the end does not wait for
// them.
static void test_q06_notices_are_no_flood(void **state)
{
    enum { OWED = 400 };
    struct queue_message m = {.expires_ms = clock_real_ms() + 86400000,
                              .sender = SPAN("u1@example.org"),
                              .body_bytes = 14};
    struct queue_recipient failed = {.address = SPAN("a@example.net"),
                                     .destination = SPAN("example.net"),
                                     .state = QUEUE_FAILED,
                                     .reply = SPAN("550 5.1.1 no such user")};
    struct incoming *in;
    queue_id id;

    (void)state;
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    outbound_destroy(outbound, 0);
    assert_ok(incoming_begin(b->store, &in));
    assert_ok(incoming_write(in, SPAN("Subject: x\r\n\r\n")));
    assert_ok(incoming_finish(in));
    m.body = incoming_body(in);
    for (int i = 0; i < OWED; i++) {
        assert_ok(queue_submit(queue, &m, &failed, 1, &id));
    }
    incoming_destroy(in);
    submit("u1@example.org", 1, SPAN("Subject: y\r\n\r\n"));
    close(courier);
    open_outbound();
    attach();
    close(next_job());
    assert_true(waiting() > OWED / 2);
    for (int n = 0; n < 10000 && waiting() > OWED * 3 / 4; n++) {
        usleep(1000); // it goes on
    }
    assert_in_range(waiting(), 1, OWED * 3 / 4);
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    outbound_destroy(outbound, 0);
    assert_true(waiting() > 1);
    open_outbound();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_each_recipient_has_its_own_end),
        T(test_large_body),
        T(test_refused_before_the_body),
        T(test_courier_dies),
        T(test_q05_couriers_die_of_a_message),
        T(test_unreachable),
        T(test_routes),
        T(test_nonsense_ends_the_job),
        T(test_stop_in_the_middle),
        T(test_stop_waits_for_results),
        T(test_q06_notices_are_no_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
