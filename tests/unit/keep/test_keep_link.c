// SPDX-License-Identifier: Apache-2.0
//
// The gate asks keep whether a domain is ours, over their link.
#include <pthread.h>
#include <sys/socket.h>

#include "../test.h"
#include "engine/memory/memory.h"
#include "ipc/channel.h"
#include "keep/login/keep_link.h"
#include "store/directory.h"
#include "store/route.h"

#define PATIENCE_MS 20000

static struct {
    struct engine *engine;
    struct store *store;
    struct loop *loop;
    struct keep_link *link;
    pthread_t thread;
    int gate; // our end
    struct buf in;
} w;

static void *run_loop(void *arg)
{
    (void)arg;
    loop_run(w.loop);
    return NULL;
}

static void start_loop(void)
{
    assert_int_equal(pthread_create(&w.thread, NULL, run_loop, NULL), 0);
}

static int setup(void **state)
{
    static const struct actor admin = {.kind = ACTOR_ADMIN};
    struct store_options options;
    int pair[2];

    (void)state;
    store_options_default(&options);
    assert_ok(engine_memory_open(&w.engine));
    assert_ok(store_open(w.engine, &options, &w.store));
    assert_ok(directory_domain_add(w.store, &admin, SPAN("x.example")));
    assert_ok(route_domain_alias_set(w.store, &admin, SPAN("y.example"), SPAN("x.example")));
    assert_ok(loop_create(&w.loop));
    const struct keep_link_options o = {
        .loop = w.loop, .store = w.store, .auth_threads = 1, .auth_queue_max = 1};

    assert_ok(keep_link_create(&o, &w.link));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_ok(keep_link_attach(w.link, pair[1]));
    w.gate = pair[0];
    buf_init(&w.in, IPC_FRAME_BYTES_MAX);
    start_loop();
    return 0;
}

static void stop_loop(void)
{
    loop_stop(w.loop);
    pthread_join(w.thread, NULL);
}

static int teardown(void **state)
{
    (void)state;
    stop_loop();
    keep_link_destroy(w.link);
    loop_destroy(w.loop);
    store_close(w.store);
    engine_close(w.engine);
    buf_finish(&w.in);
    close(w.gate);
    return 0;
}

static void ask(uint64_t conversation, struct span domain)
{
    const struct ipc_domain_request m = {.conversation = conversation, .domain = domain};
    struct buf frame;

    buf_init(&frame, 4096);
    assert_ok(ipc_domain_request_encode(&m, 0, &frame));
    assert_ok(channel_send_blocking(w.gate, buf_span(&frame), NULL, 0));
    buf_finish(&frame);
}

static struct ipc_domain_result hear(void)
{
    struct ipc_domain_result m;
    struct ipc_frame frame;
    int fds[IPC_FDS_MAX];

    assert_ok(channel_receive_blocking(w.gate, PATIENCE_MS, &w.in, &frame, fds));
    assert_int_equal(frame.type, IPC_DOMAIN_RESULT);
    assert_ok(ipc_domain_result_decode(frame.fields, &m));
    buf_consume(&w.in, frame.bytes);
    return m;
}

static void test_a_domain_is_ours_or_not(void **state)
{
    static const struct {
        const char *domain;
        enum ipc_domain want;
    } rows[] = {
        {"x.example", IPC_DOMAIN_OURS},       {"X.Example", IPC_DOMAIN_OURS},
        {"y.example", IPC_DOMAIN_OURS},       {"example", IPC_DOMAIN_OTHER},
        {"mail.x.example", IPC_DOMAIN_OTHER}, {"", IPC_DOMAIN_OTHER},
        {"x.example/..", IPC_DOMAIN_OTHER},   {"\xff", IPC_DOMAIN_OTHER},
        {"a@x.example", IPC_DOMAIN_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask(i + 7, span_from_str(rows[i].domain));
        struct ipc_domain_result m = hear();

        assert_int_equal(m.conversation, i + 7);
        if (m.result != rows[i].want) {
            fail_msg("row %zu: %u", i, m.result);
        }
    }
}

static void test_every_question_has_an_answer(void **state)
{
    uint64_t sum = 0;

    (void)state;
    for (uint64_t i = 1; i <= 500; i++) {
        ask(i, i % 2 ? SPAN("x.example") : SPAN("z.example"));
    }
    for (int i = 0; i < 500; i++) {
        struct ipc_domain_result m = hear();

        assert_int_equal(m.result, m.conversation % 2 ? IPC_DOMAIN_OURS : IPC_DOMAIN_OTHER);
        sum += m.conversation;
    }
    assert_int_equal(sum, 500 * 501 / 2);
}

// The answers find nobody; under the sanitizers this shows that none of them is lost.
static void test_the_gate_goes_while_it_is_answered(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 200; i++) {
        ask(i, SPAN("x.example"));
    }
    shutdown(w.gate, SHUT_RDWR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_domain_is_ours_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_question_has_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_gate_goes_while_it_is_answered, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
