// SPDX-License-Identifier: Apache-2.0
//
// A small line server on the connection pool, and clients that are quick, slow, silent and rude.
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "../test.h"
#include "base/clock.h"
#include "net/task_conn.h"

struct session {
    _Atomic int running; // workers inside: never above 1
    _Atomic int runs, woken, timeouts, closed, ended, stopping;
    _Atomic unsigned reasons;
    size_t to_send; // of a BIG answer
    bool started, keep_on_eof;
    struct task_conn *conn;
};

static void answer(struct task_conn *c, struct session *s)
{
    static const char block[8192] = {'x'};

    while (s->to_send && !conn_output_full(c)) {
        size_t n = s->to_send < sizeof(block) ? s->to_send : sizeof(block);

        buf_put(conn_output(c), span_of(block, n));
        s->to_send -= n;
    }
}

static void line_of(struct task_conn *c, struct session *s, struct span line)
{
    uint64_t n;

    if (span_eq(line, SPAN("BYE"))) {
        buf_put_str(conn_output(c), "bye\n");
        conn_close(c);
    } else if (span_eq(line, SPAN("ABORT"))) {
        conn_abort(c);
    } else if (span_eq(line, SPAN("WAIT"))) {
        conn_set_deadline(c, clock_monotonic_ms() + 30);
    } else if (span_starts(line, SPAN("BIG ")) && span_to_u64(span_skip(line, 4), 1u << 30, &n)) {
        s->to_send = n;
    } else {
        buf_put(conn_output(c), line);
        buf_put_byte(conn_output(c), '\n');
    }
}

static void read_lines(struct task_conn *c, struct session *s)
{
    enum err e;

    for (;;) {
        struct span in = conn_input(c);
        size_t end = span_find_byte(in, '\n');

        if (s->to_send || conn_output_full(c)) {
            return;
        }
        if (end < in.n) {
            line_of(c, s, span_first(in, end));
            conn_consume(c, end + 1);
            answer(c, s);
            continue;
        }
        e = conn_read(c);
        if (e == ERR_EOF && !s->keep_on_eof) {
            conn_close(c);
        }
        if (e != ERR_OK) {
            return;
        }
    }
}

static void on_run(struct task_conn *c, void *arg, unsigned reasons)
{
    struct session *s = arg;

    assert_int_equal(atomic_fetch_add(&s->running, 1), 0);
    assert_true(reasons != 0);
    atomic_fetch_add(&s->runs, 1);
    atomic_fetch_or(&s->reasons, reasons);
    s->woken += (reasons & CONN_WOKEN) != 0;
    s->timeouts += (reasons & CONN_TIMEOUT) != 0;
    s->closed += (reasons & CONN_CLOSED) != 0;
    s->stopping += (reasons & CONN_STOPPING) != 0;
    if (reasons & CONN_TIMEOUT) {
        buf_put_str(conn_output(c), "timeout\n");
    }
    if (reasons & CONN_STOPPING) {
        buf_put_str(conn_output(c), "stopping\n");
        conn_close(c);
    }
    answer(c, s);
    read_lines(c, s);
    atomic_fetch_sub(&s->running, 1);
}

static void on_end(struct task_conn *c, void *arg)
{
    struct session *s = arg;

    (void)c;
    assert_int_equal(atomic_load(&s->running), 0);
    atomic_fetch_add(&s->ended, 1);
}

static const struct conn_handler handler = {on_run, on_end};

static const struct conn_pool_options options = {
    .thread_name = "test",
    .threads = 4,
    .connections_max = 600,
    .input_max = 65536,
    .output_soft = 65536,
    .output_hard = 1 << 20,
    .write_timeout_ms = 400,
};

static struct conn_pool *pool;

static int setup(void **state)
{
    (void)state;
    return conn_pool_create(&options, &pool) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    conn_pool_stop(pool, 100);
    conn_pool_destroy(pool);
    return 0;
}

static int open_pair(struct session *s, const char *input)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_ok(conn_open(pool, fds[1], span_from_str(input), &handler, s, &s->conn));
    return fds[0];
}

static void wait_until(_Atomic int *value, int at_least)
{
    for (int i = 0; i < 5000 && atomic_load(value) < at_least; i++) {
        usleep(1000);
    }
    assert_true(atomic_load(value) >= at_least);
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect(int fd, const char *text)
{
    char got[256] = "";
    size_t n = strlen(text), at = 0;

    while (at < n) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&p, 1, 5000), 1);
        ssize_t k = recv(fd, got + at, n - at, 0);

        assert_true(k > 0);
        at += (size_t)k;
    }
    assert_memory_equal(got, text, n);
}

static void expect_end(int fd)
{
    char c;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_true(recv(fd, &c, 1, 0) <= 0);
    close(fd);
}

static void test_lines_and_input_given_along(void **state)
{
    struct session s = {0};

    (void)state;
    int fd = open_pair(&s, "first\nsec");

    expect(fd, "first\n");
    send_text(fd, "ond\nthird\n");
    expect(fd, "second\nthird\n");
    assert_true(atomic_load(&s.reasons) & CONN_START);
    send_text(fd, "BYE\n");
    expect(fd, "bye\n");
    expect_end(fd);
    wait_until(&s.ended, 1);
}

static void test_end_of_input_and_abort(void **state)
{
    struct session s = {0}, t = {0};

    (void)state;
    int fd = open_pair(&s, "");

    send_text(fd, "x\n");
    shutdown(fd, SHUT_WR);
    expect(fd, "x\n");
    expect_end(fd);
    wait_until(&s.ended, 1);
    fd = open_pair(&t, "ABORT\n");
    expect_end(fd);
    wait_until(&t.ended, 1);
}

// What was written before a sudden close is still seen.
static void test_input_before_hangup_is_read(void **state)
{
    struct session s = {0};

    (void)state;
    int fd = open_pair(&s, "");

    wait_until(&s.runs, 1);
    send_text(fd, "BIG 10\n");
    close(fd);
    wait_until(&s.ended, 1);
    assert_int_equal(s.to_send, 0);
}

static void test_a_session_that_ignores_the_end_is_ended(void **state)
{
    struct session s = {.keep_on_eof = true};

    (void)state;
    int fd = open_pair(&s, "");

    close(fd);
    wait_until(&s.ended, 1);
    assert_int_equal(s.closed, 1);
    assert_true(s.runs < 10);
}

// 20 MB to a client that reads slowly: memory stays at the soft limit, every byte arrives.
static void test_large_output_waits_for_the_client(void **state)
{
    enum { BYTES = 20 << 20 };
    struct session s = {0};
    static char bin[100000];
    size_t got = 0;

    (void)state;
    int fd = open_pair(&s, "BIG 20971520\nafter\n");

    usleep(20000);
    while (got < BYTES) {
        ssize_t n = recv(fd, bin, got + sizeof(bin) < BYTES ? sizeof(bin) : BYTES - got, 0);

        assert_true(n > 0);
        got += (size_t)n;
    }
    expect(fd, "after\n");
    assert_true(atomic_load(&s.reasons) & CONN_WRITABLE);
    close(fd);
    wait_until(&s.ended, 1);
}

// ---- a client that reads just while the session gives up ----------------------------------------

struct racer {
    int peer;
    size_t left;
    _Atomic int runs, ended;
};

static void racer_run(struct task_conn *c, void *arg, unsigned reasons)
{
    struct racer *r = arg;
    static const char block[8192] = {'x'};
    static char bin[1 << 20];

    atomic_fetch_add(&r->runs, 1);
    if (reasons & CONN_CLOSED) {
        return;
    }
    while (r->left && !conn_output_full(c)) {
        buf_put(conn_output(c), span_of(block, sizeof(block)));
        r->left -= sizeof(block);
    }
    while (recv(r->peer, bin, sizeof(bin), MSG_DONTWAIT) > 0) {
    } // so the flush after this run gets everything out, and no event follows
    if (!r->left) {
        conn_close(c);
    }
}

static void racer_end(struct task_conn *c, void *arg)
{
    struct racer *r = arg;

    (void)c;
    atomic_fetch_add(&r->ended, 1);
}

static void test_a_continuation_is_not_lost_when_the_client_catches_up(void **state)
{
    static const struct conn_handler racer_handler = {racer_run, racer_end};
    struct racer r = {.left = 8192 * 1000};
    struct task_conn *c;
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    r.peer = fds[0];
    assert_ok(conn_open(pool, fds[1], SPAN(""), &racer_handler, &r, &c));
    wait_until(&r.ended, 1);
    assert_int_equal(r.left, 0);
    close(fds[0]);
}

static void test_a_client_that_never_reads_is_dropped(void **state)
{
    struct session s = {0};
    int64_t start = clock_monotonic_ms();

    (void)state;
    int fd = open_pair(&s, "BIG 20000000\n");

    wait_until(&s.ended, 1);
    assert_true(clock_monotonic_ms() - start >= 390);
    assert_int_equal(s.closed, 1);
    close(fd);
}

static int open_tcp(struct session *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, n), 0);
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    close(listener);
    assert_ok(conn_open(pool, server, SPAN(""), &handler, s, &s->conn));
    return fd;
}

// The session is over at once; the client, which goes on talking, gets an orderly end, no reset.
static void test_last_words_arrive_at_a_client_that_talks_on(void **state)
{
    static struct session sessions[20];
    char c;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct session *s = &sessions[i];
        int fd = open_tcp(s);

        send_text(fd, "BYE\n");
        wait_until(&s->ended, 1);
        conn_wake(s->conn); // a late one does not cut the last words off
        for (int k = 0; k < 50; k++) {
            send_text(fd, "and more\n");
        }
        expect(fd, "bye\n");
        assert_int_equal(recv(fd, &c, 1, 0), 0);
        send_text(fd, "and more\n");
        close(fd);
    }
    for (int i = 0; i < 5000 && conn_pool_count(pool); i++) {
        usleep(1000);
    }
    assert_int_equal(conn_pool_count(pool), 0);
}

static void test_deadlines(void **state)
{
    struct session s = {0};

    (void)state;
    int64_t start = clock_monotonic_ms();
    int fd = open_pair(&s, "WAIT\n");

    expect(fd, "timeout\n");
    assert_true(clock_monotonic_ms() - start >= 29);
    send_text(fd, "WAIT\n");
    expect(fd, "timeout\n");
    assert_int_equal(s.timeouts, 2);
    close(fd);
    wait_until(&s.ended, 1);
}

static void *wake_often(void *arg)
{
    struct session *s = arg;

    for (int i = 0; i < 20000; i++) {
        conn_wake(s->conn);
    }
    return NULL;
}

static void test_wakeups_from_threads_are_not_lost(void **state)
{
    struct session s = {0};
    pthread_t threads[3];

    (void)state;
    int fd = open_pair(&s, "");

    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, wake_often, &s);
    }
    for (int i = 0; i < 300; i++) {
        send_text(fd, "ping\n");
        expect(fd, "ping\n");
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    int before = atomic_load(&s.woken);

    assert_true(before > 0);
    usleep(20000);
    before = atomic_load(&s.woken);
    conn_wake(s.conn);
    wait_until(&s.woken, before + 1);
    close(fd);
    wait_until(&s.ended, 1);
    conn_wake(s.conn); // after the end: harmless
}

static void test_many_connections_at_once(void **state)
{
    enum { N = 400 };
    static struct session sessions[N];
    int fds[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        fds[i] = open_pair(&sessions[i], "hello\n");
    }
    assert_int_equal(conn_pool_count(pool), N);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++) {
            send_text(fds[i], "a\nbc\n");
        }
        for (int i = 0; i < N; i++) {
            conn_wake(sessions[i].conn);
        }
    }
    for (int i = 0; i < N; i++) {
        expect(fds[i], "hello\na\nbc\na\nbc\na\nbc\na\nbc\na\nbc\n");
    }
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    for (int i = 0; i < N; i++) {
        wait_until(&sessions[i].ended, 1);
    }
    for (int i = 0; i < 1000 && conn_pool_count(pool); i++) {
        usleep(1000);
    }
    assert_int_equal(conn_pool_count(pool), 0);
}

static void test_the_pool_has_a_limit(void **state)
{
    static struct session sessions[601];
    int fds[601], pair[2];
    unsigned n = 0;

    (void)state;
    for (; n < 600; n++) {
        fds[n] = open_pair(&sessions[n], "");
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_err(conn_open(pool, pair[1], SPAN(""), &handler, &sessions[600], &sessions[600].conn),
               ERR_LIMIT);
    close(pair[0]);
    close(pair[1]);
    while (n--) {
        close(fds[n]);
        wait_until(&sessions[n].ended, 1);
    }
}

static void test_stopping_says_goodbye(void **state)
{
    struct session s = {0}, stuck = {0};

    (void)state;
    int fd = open_pair(&s, ""), never = open_pair(&stuck, "BIG 20000000\n");
    int64_t start = clock_monotonic_ms();

    conn_pool_stop(pool, 200);
    assert_true(clock_monotonic_ms() - start < 2000);
    expect(fd, "stopping\n");
    expect_end(fd);
    assert_int_equal(s.ended, 1);
    assert_int_equal(stuck.ended, 1);
    close(never);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_err(conn_open(pool, pair[1], SPAN(""), &handler, &s, &s.conn), ERR_UNAVAILABLE);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
#define CONN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CONN_TEST(test_lines_and_input_given_along),
        CONN_TEST(test_end_of_input_and_abort),
        CONN_TEST(test_input_before_hangup_is_read),
        CONN_TEST(test_a_session_that_ignores_the_end_is_ended),
        CONN_TEST(test_large_output_waits_for_the_client),
        CONN_TEST(test_a_continuation_is_not_lost_when_the_client_catches_up),
        CONN_TEST(test_a_client_that_never_reads_is_dropped),
        CONN_TEST(test_last_words_arrive_at_a_client_that_talks_on),
        CONN_TEST(test_deadlines),
        CONN_TEST(test_wakeups_from_threads_are_not_lost),
        CONN_TEST(test_many_connections_at_once),
        CONN_TEST(test_the_pool_has_a_limit),
        CONN_TEST(test_stopping_says_goodbye),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
