// SPDX-License-Identifier: Apache-2.0
//
// The control socket: server and client in one process.
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../test.h"
#include "ipc/control_client.h"
#include "ipc/control_server.h"

static char dir[] = "/tmp/mk-control-XXXXXX";
static struct loop *loop;
static struct control_server *server;
static pthread_t loop_thread;
static _Atomic int waiting_calls; // inside run_wait

static void run_echo(struct control_call *c, void *arg)
{
    const char *text = control_arg_text(c, "text");

    (void)arg;
    if (!text) {
        control_fail(c, ERR_INVALID, "text is missing");
        return;
    }
    control_progress(c, 1, 2, "half");
    control_reply(c, json_pack("{s:s, s:b}", "text", text, "flag", control_arg_bool(c, "flag")));
}

static void run_sum(struct control_call *c, void *arg)
{
    struct buf in;
    json_int_t total = 0;
    enum err e;

    (void)arg;
    buf_init(&in, CONTROL_CHUNK_BYTES * 2);
    while ((e = control_read_chunk(c, &in)) == ERR_OK) {
        total += (json_int_t)in.n;
        buf_clear(&in);
    }
    buf_finish(&in);
    if (e != ERR_EOF) {
        control_fail(c, e, "the data ended too early");
        return;
    }
    static char block[300000];

    control_write_chunk(c, span_of(block, sizeof(block)));
    control_reply(c, json_pack("{s:I}", "bytes", total));
}

static void run_forget(struct control_call *c, void *arg)
{
    (void)c;
    (void)arg;
}

static void run_wait(struct control_call *c, void *arg)
{
    (void)arg;
    atomic_fetch_add(&waiting_calls, 1);
    while (!control_cancelled(c)) {
        usleep(1000);
    }
    atomic_fetch_sub(&waiting_calls, 1);
    control_fail(c, ERR_UNAVAILABLE, "stopped");
}

static const struct control_command commands[] = {
    {"echo", run_echo}, {"sum", run_sum}, {"forget", run_forget}, {"wait", run_wait}, {0},
};

static void *loop_main(void *arg)
{
    (void)arg;
    loop_run(loop);
    return NULL;
}

static int setup(void **state)
{
    int fd;

    (void)state;
    if (!mkdtemp(dir) || loop_create(&loop) != ERR_OK || control_socket_open(dir, &fd) != ERR_OK ||
        control_server_create(loop, fd, commands, NULL, &server) != ERR_OK) {
        return -1;
    }
    return pthread_create(&loop_thread, NULL, loop_main, NULL);
}

static int teardown(void **state)
{
    char path[64];

    (void)state;
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    control_server_destroy(server);
    loop_destroy(loop);
    snprintf(path, sizeof(path), "%s/%s", dir, CONTROL_SOCKET_NAME);
    unlink(path);
    rmdir(dir);
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    return 0;
}

static void count_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    int *n = arg;

    assert_true(done == 1 && total == 2);
    assert_string_equal(text, "half");
    ++*n;
}

static void test_a_command_and_its_answer(void **state)
{
    json_t *args = json_pack("{s:s, s:b}", "text", "h\xc3\xa9", "flag", 1), *answer = NULL;
    int progress = 0;

    (void)state;
    assert_ok(control_call_simple(dir, "echo", args, count_progress, &progress, &answer));
    assert_string_equal(json_string_value(json_object_get(answer, "text")), "h\xc3\xa9");
    assert_true(json_is_true(json_object_get(answer, "flag")));
    assert_int_equal(progress, 1);
    json_decref(answer);
    json_decref(args);
}

static void test_errors_come_with_a_code_and_words(void **state)
{
    static const struct {
        const char *command, *code;
    } rows[] = {{"echo", "invalid input"}, {"nonsense", "unsupported"}, {"forget", "unavailable"}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        json_t *answer = NULL;

        assert_err(control_call_simple(dir, rows[i].command, NULL, NULL, NULL, &answer),
                   ERR_INVALID);
        assert_non_null(json_string_value(json_object_get(answer, "code")));
        assert_true(strlen(json_string_value(json_object_get(answer, "text"))) > 5);
        json_decref(answer);
    }
}

static void test_data_goes_both_ways(void **state)
{
    static char data[1000003];
    struct control_client *c;
    struct control_event e;
    size_t got = 0;

    (void)state;
    assert_ok(control_connect(dir, &c));
    assert_ok(control_request(c, "sum", NULL));
    assert_ok(control_send_chunk(c, span_of(data, sizeof(data))));
    assert_ok(control_send_end(c));
    for (;;) {
        assert_ok(control_next(c, &e));
        if (e.kind != CONTROL_CHUNK) {
            break;
        }
        got += e.chunk.n;
    }
    assert_int_equal(e.kind, CONTROL_RESULT);
    assert_int_equal(got, 300000);
    assert_int_equal(json_integer_value(json_object_get(e.json, "bytes")), sizeof(data));
    assert_err(control_next(c, &e), ERR_EOF);
    control_disconnect(c);
}

static int raw_connect(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, CONTROL_SOCKET_NAME);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

// Whatever is sent, the server drops that conversation and serves the next.
static void test_bad_frames_end_one_conversation(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"\xff\xff\xff\xff\x01", 5}, {"\0\0\0\0\x01", 5},      {"\x03\0\0\0\x01{}", 7},
        {"\x03\0\0\0\x02{}", 7},     {"\x03\0\0\0\x63{}", 7},  {"\x05\0\0\0\x01[[[[", 9},
        {"\x01\0\0\0\x01", 5},       {"\x10\0\0\0\x01{\"", 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = raw_connect();
        char bin[512];

        assert_int_equal(write(fd, rows[i].bytes, rows[i].n), rows[i].n);
        shutdown(fd, SHUT_WR);
        while (recv(fd, bin, sizeof(bin), 0) > 0) {
        }
        close(fd);
        test_a_command_and_its_answer(state);
    }
}

// The reason of a refusal reaches a client that sends after the server hung up.
static void test_a_refusal_is_heard_after_the_hang_up(void **state)
{
    int pair[2];
    struct control_client *c;
    struct control_event e;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_ok(control_frame_write(pair[1], CONTROL_ERROR, SPAN("{\"text\":\"too many\"}"), 1000));
    close(pair[1]);
    assert_ok(control_client_adopt(pair[0], &c));
    assert_ok(control_request(c, "sum", NULL));
    assert_ok(control_send_chunk(c, SPAN("data")));
    assert_ok(control_send_end(c));
    assert_ok(control_next(c, &e));
    assert_int_equal(e.kind, CONTROL_ERROR);
    assert_string_equal(json_string_value(json_object_get(e.json, "text")), "too many");
    control_disconnect(c);
}

static int start_waiting(void)
{
    static const char request[] = "\x22\0\0\0\x01{\"version\":1,\"command\":\"wait\"   }";
    int fd = raw_connect();

    send(fd, request, 5 + 0x21,
         MSG_NOSIGNAL); // fails when the server has refused and closed already
    return fd;
}

static void until_waiting(int n)
{
    while (atomic_load(&waiting_calls) != n) {
        usleep(1000);
    }
}

// Every thread is busy before the queue fills: else the last call might find a place in it, and
// wait.
static void test_many_at_once_are_refused_politely(void **state)
{
    enum { THREADS = 8, MANY = 60 };
    int fds[MANY];
    json_t *answer;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        fds[i] = start_waiting();
        until_waiting(i < THREADS ? i + 1 : THREADS);
    }
    assert_err(control_call_simple(dir, "echo", NULL, NULL, NULL, &answer), ERR_INVALID);
    assert_string_equal(json_string_value(json_object_get(answer, "code")),
                        err_name(ERR_UNAVAILABLE));
    json_decref(answer);
    for (int i = 0; i < MANY; i++) {
        close(fds[i]); // the handlers see it and end
    }
    while (control_call_simple(dir, "echo", NULL, NULL, NULL, &answer) == ERR_INVALID &&
           strcmp(json_string_value(json_object_get(answer, "code")), err_name(ERR_UNAVAILABLE)) ==
               0) {
        json_decref(answer); // not all have ended
        usleep(1000);
    }
    json_decref(answer);
    test_a_command_and_its_answer(state);
}

static void test_a_client_need_not_wait_for_ever(void **state)
{
    struct control_client *c;
    struct control_event e;

    (void)state;
    assert_ok(control_connect(dir, &c));
    assert_ok(control_request(c, "wait", NULL));
    until_waiting(1);
    control_patience(c, 1);
    assert_err(control_next(c, &e), ERR_TIMEOUT);
    control_disconnect(c);
    until_waiting(0);
}

static void test_stopping_ends_running_calls(void **state)
{
    int fd = start_waiting();
    char answer[256] = "";

    until_waiting(1);
    teardown(state); // does not end before the call does
    assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 5);
    assert_non_null(strstr(answer + 5, "stopped"));
    close(fd);
    assert_int_equal(setup(state), 0);
}

static void test_the_socket_is_private_and_absence_is_said(void **state)
{
    char path[64];
    struct stat st;
    struct control_client *c;

    (void)state;
    snprintf(path, sizeof(path), "%s/%s", dir, CONTROL_SOCKET_NAME);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_err(control_connect("/nonexistent", &c), ERR_UNAVAILABLE);
    assert_err(control_connect("/tmp", &c), ERR_UNAVAILABLE);
}

int main(void)
{
#define CONTROL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CONTROL_TEST(test_a_command_and_its_answer),
        CONTROL_TEST(test_errors_come_with_a_code_and_words),
        CONTROL_TEST(test_data_goes_both_ways),
        CONTROL_TEST(test_bad_frames_end_one_conversation),
        CONTROL_TEST(test_a_refusal_is_heard_after_the_hang_up),
        CONTROL_TEST(test_many_at_once_are_refused_politely),
        CONTROL_TEST(test_a_client_need_not_wait_for_ever),
        CONTROL_TEST(test_stopping_ends_running_calls),
        CONTROL_TEST(test_the_socket_is_private_and_absence_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
