// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../test.h"
#include "base/clock.h"
#include "base/list.h"
#include "ipc/channel.h"
#include "ipc/data_lock.h"

static void test_messages_round_trip(void **state)
{
    struct ipc_auth_request m = {
        .conversation = 0x1122334455667788,
        .protocol = IPC_IMAP,
        .tls = 1,
        .local_port = 993,
        .mechanism = SPAN("PLAIN"),
        .user = SPAN("u@example.org"),
        .password = SPAN("a\0b"),
        .remote = SPAN("::1"),
    };
    struct ipc_auth_request got;
    struct ipc_frame frame;
    struct buf b;

    (void)state;
    buf_init(&b, IPC_FRAME_BYTES_MAX);
    assert_ok(ipc_auth_request_encode(&m, 0, &b));
    assert_ok(ipc_frame_next(buf_span(&b), &frame));
    assert_int_equal(frame.type, IPC_AUTH_REQUEST);
    assert_int_equal(frame.bytes, b.n);
    assert_ok(ipc_auth_request_decode(frame.fields, &got));
    assert_true(got.conversation == m.conversation && got.local_port == 993 && got.tls == 1);
    assert_span(got.user, "u@example.org");
    assert_int_equal(got.password.n, 3);
    for (size_t i = 0; i < b.n; i++) {
        assert_err(ipc_frame_next(span_first(buf_span(&b), i), &frame), ERR_AGAIN);
    }
    buf_finish(&b);
}

static void test_bad_frames_are_refused(void **state)
{
    struct ipc_ready m = {.pid = 7};
    struct ipc_auth_result r = {.text = SPAN("x")}, got;
    struct ipc_frame frame;
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_ok(ipc_ready_encode(&m, 0, &b));
    static const struct {
        size_t at;
        char value;
    } changes[] = {{0, 0}, {3, 0x7f}, {4, 99}, {5, 0}, {5, 99}, {7, 1}};

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        char saved = b.p[changes[i].at];

        b.p[changes[i].at] = changes[i].value;
        if (ipc_frame_next(buf_span(&b), &frame) != ERR_INVALID) {
            fail_msg("row %zu", i);
        }
        b.p[changes[i].at] = saved;
    }
    buf_clear(&b);
    assert_ok(ipc_auth_result_encode(&r, 0, &b));
    struct span fields = span_skip(buf_span(&b), IPC_HEADER_BYTES);

    assert_ok(ipc_auth_result_decode(fields, &got));
    for (size_t i = 0; i < fields.n; i++) {
        assert_err(ipc_auth_result_decode(span_first(fields, i), &got), ERR_INVALID);
    }
    buf_put_byte(&b, 'x'); // a byte too many
    assert_err(ipc_auth_result_decode(span_skip(buf_span(&b), IPC_HEADER_BYTES), &got),
               ERR_INVALID);
    static char long_text[600];

    buf_clear(&b);
    r.text = span_of(long_text, sizeof(long_text));
    assert_err(ipc_auth_result_encode(&r, 0, &b), ERR_LIMIT);
    assert_int_equal(b.n, 0);
    buf_finish(&b);
}

// ---- channels -----------------------------------------------------------------------------------

struct end {
    struct loop *loop;
    struct channel *channel;
    int messages, fds, stop_at;
    bool close_in_message;
    enum err ended;
    uint64_t next;
};

static enum err on_message(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    struct end *e = arg;
    struct ipc_ping m;

    if (frame->type != IPC_PING) {
        return ERR_INVALID;
    }
    assert_ok(ipc_ping_decode(frame->fields, &m));
    assert_true(m.number == e->next);
    e->next++;
    e->messages++;
    for (unsigned i = 0; i < frame->fds; i++) {
        char text[16] = "";

        assert_true(pread(fds[i], text, sizeof(text), 0) > 0);
        char want[16];

        snprintf(want, sizeof(want), "%llu", (unsigned long long)m.number);
        assert_string_equal(text, want); // the descriptor belongs to this message
        close(fds[i]);
        e->fds++;
    }
    if (e->close_in_message) {
        channel_close(c);
        e->channel = NULL;
        loop_stop(e->loop);
        return ERR_OK;
    }
    if (e->messages == e->stop_at) {
        loop_stop(e->loop);
    }
    return ERR_OK;
}

static void on_ended(struct channel *c, void *arg, enum err err)
{
    struct end *e = arg;

    e->ended = err;
    channel_close(c);
    e->channel = NULL;
    loop_stop(e->loop);
}

static const struct channel_handler handler = {on_message, on_ended};

static int numbered_file(uint64_t n)
{
    char path[] = "/tmp/mk-ipc-XXXXXX";
    int fd = mkstemp(path);

    unlink(path);
    assert_true(dprintf(fd, "%llu", (unsigned long long)n) > 0);
    return fd;
}

static void *send_many(void *arg)
{
    struct channel *c = arg;
    struct buf b;

    buf_init(&b, 4096);
    for (uint64_t i = 0; i < 3000; i++) {
        struct ipc_ping m = {.number = i};
        int fd = i % 3 == 0 ? numbered_file(i) : -1;

        buf_clear(&b);
        assert_ok(ipc_ping_encode(&m, fd >= 0, &b));
        enum err e;

        while ((e = channel_send(c, buf_span(&b), &fd, fd >= 0)) == ERR_LIMIT) {
            usleep(100); // the queue is full: it says so and takes nothing
        }
        assert_ok(e);
        if (fd >= 0) {
            close(fd);
        }
    }
    buf_finish(&b);
    return NULL;
}

static void open_channels(struct end *a, struct end *b)
{
    int fds[2];

    assert_ok(loop_create(&a->loop));
    b->loop = a->loop;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_ok(channel_open(a->loop, fds[0], 4096, &handler, a, &a->channel));
    assert_ok(channel_open(a->loop, fds[1], 4096, &handler, b, &b->channel));
}

static void test_channel_keeps_order_and_descriptors(void **state)
{
    struct end a = {0}, b = {.stop_at = 3000};
    pthread_t t;

    (void)state;
    open_channels(&a, &b);
    pthread_create(&t, NULL, send_many, a.channel);
    loop_run(a.loop);
    pthread_join(t, NULL);
    assert_int_equal(b.messages, 3000);
    assert_int_equal(b.fds, 1000);
    channel_close(a.channel);
    loop_run(a.loop);
    assert_err(b.ended, ERR_EOF);
    loop_destroy(a.loop);
}

static void test_a_bad_message_ends_the_conversation_only(void **state)
{
    struct end a = {0}, b = {0};
    struct buf bytes;

    (void)state;
    open_channels(&a, &b);
    buf_init(&bytes, 4096);
    buf_put(&bytes, SPAN("this is not ours at all, and longer than a header"));
    assert_ok(channel_send(a.channel, buf_span(&bytes), NULL, 0));
    loop_run(a.loop);
    assert_err(b.ended, ERR_INVALID);
    loop_run(a.loop);
    assert_err(a.ended, ERR_EOF);
    loop_destroy(a.loop);
    buf_finish(&bytes);
}

static void test_a_channel_may_close_in_its_handler(void **state)
{
    struct end a = {0}, b = {.close_in_message = true};
    struct buf bytes;
    struct ipc_ping m = {0};

    (void)state;
    open_channels(&a, &b);
    buf_init(&bytes, 4096);
    assert_ok(ipc_ping_encode(&m, 0, &bytes));
    assert_ok(ipc_ping_encode(&m, 0, &bytes)); // a second one, never looked at
    assert_ok(channel_send(a.channel, buf_span(&bytes), NULL, 0));
    loop_run(a.loop);
    assert_int_equal(b.messages, 1);
    channel_close(a.channel);
    loop_destroy(a.loop);
    buf_finish(&bytes);
}

// ---- a channel that answers while its socket is full --------------------------------------------

struct talker {
    struct loop *loop;
    struct channel *channel;
    int peer;
    struct loop_task stop;
    struct timer bound, push;
    bool was_stopped;
};

static void say(struct channel *c, unsigned times)
{
    struct ipc_ping m = {.number = 1};
    struct buf b;

    buf_init(&b, 4096);
    assert_ok(ipc_ping_encode(&m, 0, &b));
    for (unsigned i = 0; i < times; i++) {
        assert_ok(channel_send(c, buf_span(&b), NULL, 0));
    }
    buf_finish(&b);
}

static enum err talk_back(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    (void)arg;
    (void)frame;
    (void)fds;
    say(c, 1);
    return ERR_OK;
}

static const struct channel_handler talk_handler = {talk_back, on_ended};

static void on_stop(struct loop_task *t)
{
    struct talker *k = LIST_ITEM(t, struct talker, stop);

    k->was_stopped = true;
    loop_stop(k->loop);
}

static void on_bound(struct timer *t)
{
    struct talker *k = LIST_ITEM(t, struct talker, bound);

    loop_stop(k->loop); // or the test would hang
}

// It is asked something, its socket has room, it is to be told so, in this order: that is how the
// loop hears of it, since nothing else is ready when a timer fires.
static void on_push(struct timer *t)
{
    struct talker *k = LIST_ITEM(t, struct talker, push);
    char bytes[65536];
    struct buf b;

    buf_init(&b, 4096);
    assert_ok(ipc_ping_encode(&(struct ipc_ping){.number = 2}, 0, &b));
    assert_int_equal(write(k->peer, b.p, b.n), (ssize_t)b.n);
    buf_finish(&b);
    while (read(k->peer, bytes, sizeof(bytes)) > 0) {
    }
    say(k->channel, 1);
    loop_post(k->loop, &k->stop);
}

// It answers while it is still to be told to write: it stands once among the loop's tasks all the
// same, and what stands behind it is run.
static void test_a_channel_is_told_to_write_once(void **state)
{
    struct talker k = {
        .stop = {.run = on_stop}, .bound = {.fire = on_bound}, .push = {.fire = on_push}};
    int fds[2], small = 1;

    (void)state;
    assert_ok(loop_create(&k.loop));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    k.peer = fds[1];
    assert_ok(channel_open(k.loop, fds[0], 1u << 20, &talk_handler, &k, &k.channel));
    say(k.channel, 5000); // far more than the socket takes
    loop_post(k.loop, &k.stop);
    loop_run(k.loop);
    k.was_stopped = false;
    loop_timer_set(k.loop, &k.push, clock_monotonic_ms() + 20);
    loop_timer_set(k.loop, &k.bound, clock_monotonic_ms() + 10000);
    loop_run(k.loop);
    assert_true(k.was_stopped);
    loop_timer_cancel(k.loop, &k.bound);
    channel_close(k.channel);
    loop_post(k.loop, &k.stop); // it is freed by its task, if that still stands there
    loop_run(k.loop);
    loop_destroy(k.loop);
    close(fds[1]);
}

static void test_blocking_receive_takes_one_frame(void **state)
{
    int fds[2], got[IPC_FDS_MAX];
    struct buf bytes, in;
    struct ipc_frame frame;
    struct ipc_ping m = {.number = 5};
    char c;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    buf_init(&bytes, 4096);
    buf_init(&in, IPC_FRAME_BYTES_MAX);
    assert_err(channel_receive_blocking(fds[1], 10, &in, &frame, got), ERR_TIMEOUT);
    int file = numbered_file(5);

    assert_ok(ipc_ping_encode(&m, 1, &bytes));
    assert_ok(channel_send_blocking(fds[0], buf_span(&bytes), &file, 1));
    assert_ok(channel_send_blocking(fds[0], SPAN("rest"), NULL, 0));
    close(file);
    assert_ok(channel_receive_blocking(fds[1], 1000, &in, &frame, got));
    assert_int_equal(frame.fds, 1);
    assert_int_equal(pread(got[0], &c, 1, 0), 1);
    assert_int_equal(c, '5');
    close(got[0]);
    assert_int_equal(recv(fds[1], &c, 1, 0), 1);
    assert_int_equal(c, 'r');
    close(fds[0]);
    buf_clear(&in);
    recv(fds[1], bytes.p, 3, 0);
    assert_err(channel_receive_blocking(fds[1], 1000, &in, &frame, got), ERR_EOF);
    close(fds[1]);
    buf_finish(&bytes);
    buf_finish(&in);
}

static void test_data_lock_has_one_owner(void **state)
{
    char dir[] = "/tmp/mk-lock-XXXXXX", path[64];
    int fd, other, pid = 0;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/server.lock", dir);
    assert_false(data_lock_is_taken(dir, &pid));
    assert_int_equal(access(path, F_OK), -1); // to look makes nothing
    assert_ok(data_lock_take(dir, 0, &fd, &pid));
    assert_true(data_lock_is_taken(dir, &pid));
    assert_int_equal(pid, getpid());
    pid = 0;
    assert_err(data_lock_take(dir, 0, &other, &pid), ERR_EXISTS);
    assert_err(data_lock_take(dir, 50, &other, &pid), ERR_EXISTS); // patience has an end
    assert_int_equal(pid, getpid());
    close(fd);
    assert_ok(data_lock_take(dir, 0, &fd, &pid));
    close(fd);
    assert_false(data_lock_is_taken(dir, &pid));
    unlink(path);
    rmdir(dir);
    assert_err(data_lock_take(dir, 0, &fd, &pid), ERR_NOT_FOUND);
    assert_false(data_lock_is_taken(dir, &pid));
}

// The one before ends while the next waits.
static void test_data_lock_is_waited_for(void **state)
{
    char dir[] = "/tmp/mk-lock-XXXXXX", path[64], byte;
    int fd, pid = 0, ready[2];

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();

    if (child == 0) {
        bool has = data_lock_take(dir, 0, &fd, &pid) == ERR_OK && write(ready[1], "y", 1) == 1;

        usleep(100000);
        _exit(has ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_err(data_lock_take(dir, 0, &fd, &pid), ERR_EXISTS);
    assert_ok(data_lock_take(dir, 60000, &fd, &pid));
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(fd);
    close(ready[0]);
    close(ready[1]);
    snprintf(path, sizeof(path), "%s/server.lock", dir);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_round_trip),
        cmocka_unit_test(test_bad_frames_are_refused),
        cmocka_unit_test(test_channel_keeps_order_and_descriptors),
        cmocka_unit_test(test_a_bad_message_ends_the_conversation_only),
        cmocka_unit_test(test_a_channel_may_close_in_its_handler),
        cmocka_unit_test(test_a_channel_is_told_to_write_once),
        cmocka_unit_test(test_blocking_receive_takes_one_frame),
        cmocka_unit_test(test_data_lock_has_one_owner),
        cmocka_unit_test(test_data_lock_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
