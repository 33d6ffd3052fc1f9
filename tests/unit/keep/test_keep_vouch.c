// SPDX-License-Identifier: Apache-2.0
//
// L28. keep's questions about people: what becomes of them when the courier answers, says nonsense,
// says nothing, is away, goes away, or when too many ask. The courier is played by this test.
#include <pthread.h>
#include <stdatomic.h>

#include "../test.h"
#include "base/clock.h"
#include "keep/login/keep_vouch.h"

#define OPEN_MAX 4

static struct {
    struct keep_vouch *vouch;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct ipc_vouch_ask asks[64];
    char names[64][64], secrets[64][64];
    unsigned n;
    enum err send_result;
} w = {.lock = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER};

static enum err on_send(void *arg, struct span bytes)
{
    struct ipc_frame frame;
    struct ipc_vouch_ask m;

    (void)arg;
    pthread_mutex_lock(&w.lock);
    enum err e = w.send_result;

    if (e == ERR_OK) {
        assert_ok(ipc_frame_next(bytes, &frame));
        assert_int_equal(frame.type, IPC_VOUCH_ASK);
        assert_ok(ipc_vouch_ask_decode(frame.fields, &m));
        assert_true(w.n < 64 && m.name.n < 64 && m.secret.n < 64);
        snprintf(w.names[w.n], 64, "%.*s", SPAN_ARG(m.name));
        snprintf(w.secrets[w.n], 64, "%.*s", SPAN_ARG(m.secret));
        m.name = span_from_str(w.names[w.n]);
        m.secret = span_from_str(w.secrets[w.n]);
        w.asks[w.n++] = m;
        pthread_cond_broadcast(&w.asked);
    }
    pthread_mutex_unlock(&w.lock);
    return e;
}

static void create(int64_t timeout_ms)
{
    const struct keep_vouch_options o = {
        .send = on_send, .timeout_ms = timeout_ms, .open_max = OPEN_MAX};

    w.n = 0;
    w.send_result = ERR_OK;
    assert_ok(keep_vouch_create(&o, &w.vouch));
}

static int setup(void **state)
{
    (void)state;
    create(60000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    keep_vouch_destroy(w.vouch);
    return 0;
}

static void wait_for_asks(unsigned n)
{
    pthread_mutex_lock(&w.lock);
    while (w.n < n) {
        pthread_cond_wait(&w.asked, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
}

static void answer(const struct ipc_vouch_answer *m)
{
    struct buf b;
    struct ipc_frame frame;

    buf_init(&b, IPC_FRAME_BYTES_MAX);
    assert_ok(ipc_vouch_answer_encode(m, 0, &b));
    assert_ok(ipc_frame_next(buf_span(&b), &frame));
    assert_ok(keep_vouch_answer(w.vouch, frame.fields));
    buf_finish(&b);
}

struct asker {
    pthread_t thread;
    struct auth_vouch_question q;
    struct arena arena;
    struct auth_vouch_answer answer;
    enum err e;
};

static void *asker_main(void *arg)
{
    struct asker *a = arg;

    a->e = keep_vouch_ask(w.vouch, &a->q, &a->arena, &a->answer);
    return NULL;
}

static void asker_start(struct asker *a, enum auth_vouch_kind kind, const char *name,
                        const char *secret)
{
    *a = (struct asker){.q = {.kind = kind,
                              .name = span_from_str(name),
                              .secret = span_from_str(secret),
                              .remote = SPAN("192.0.2.1")}};
    arena_init(&a->arena, 1 << 20);
    assert_int_equal(pthread_create(&a->thread, NULL, asker_main, a), 0);
}

static enum err asker_join(struct asker *a)
{
    pthread_join(a->thread, NULL);
    return a->e;
}

static void test_yes_and_no(void **state)
{
    struct asker a;

    (void)state;
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    wait_for_asks(1);
    assert_int_equal(w.asks[0].kind, IPC_VOUCH_PASSWORD);
    assert_span(w.asks[0].name, "anna@x.example");
    assert_span(w.asks[0].secret, "pw");
    assert_int_equal(w.asks[0].timeout_ms, 60000);
    answer(&(struct ipc_vouch_answer){.id = w.asks[0].id,
                                      .result = IPC_VOUCH_YES,
                                      .name = SPAN("a@x.example"),
                                      .display_name = SPAN("Anna"),
                                      .valid_until_ms = UINT64_MAX,
                                      .quota = 7,
                                      .groups = SPAN("one\ntwo"),
                                      .words = SPAN("words")});
    assert_ok(asker_join(&a));
    assert_span(a.answer.name, "a@x.example");
    assert_span(a.answer.display_name, "Anna");
    assert_true(a.answer.valid_until_ms == INT64_MAX);
    assert_int_equal(a.answer.quota, 7);
    assert_span(a.answer.groups, "one\ntwo");
    assert_span(a.answer.words, "words");
    arena_finish(&a.arena);

    asker_start(&a, AUTH_VOUCH_STILL_THERE, "anna@x.example", "");
    wait_for_asks(2);
    answer(&(struct ipc_vouch_answer){.id = w.asks[1].id, .result = IPC_VOUCH_NO});
    assert_err(asker_join(&a), ERR_DENIED);
    arena_finish(&a.arena);
}

// Whatever is no clear word is "nobody can say".
static void test_what_is_no_answer(void **state)
{
    static const uint8_t results[] = {IPC_VOUCH_UNAVAILABLE, 3, 255};
    struct asker a;

    (void)state;
    for (unsigned i = 0; i < sizeof(results); i++) {
        asker_start(&a, AUTH_VOUCH_TOKEN, "", "token");
        wait_for_asks(i + 1);
        answer(&(struct ipc_vouch_answer){.id = w.asks[i].id, .result = results[i]});
        assert_err(asker_join(&a), ERR_UNAVAILABLE);
        arena_finish(&a.arena);
    }
    assert_err(keep_vouch_answer(w.vouch, SPAN("x")), ERR_INVALID);
    answer(&(struct ipc_vouch_answer){.id = 4711, .result = IPC_VOUCH_YES}); // of nobody
    // A yes whose texts do not fit is none.
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    wait_for_asks(4);
    arena_finish(&a.arena);
    arena_init(&a.arena, 1);
    answer(&(struct ipc_vouch_answer){
        .id = w.asks[3].id, .result = IPC_VOUCH_YES, .name = SPAN("anna@x.example")});
    assert_err(asker_join(&a), ERR_UNAVAILABLE);
    assert_int_equal(a.answer.name.n, 0);
    arena_finish(&a.arena);
}

static void test_answers_find_their_askers(void **state)
{
    struct asker a[OPEN_MAX];
    char name[32];

    (void)state;
    for (int round = 0; round < 8; round++) {
        for (unsigned i = 0; i < OPEN_MAX; i++) {
            asker_start(&a[i], AUTH_VOUCH_PASSWORD, i % 2 ? "odd@x.example" : "even@x.example", "");
        }
        wait_for_asks(OPEN_MAX);
        for (unsigned i = OPEN_MAX; i-- > 0;) {
            snprintf(name, sizeof(name), "of-%s", w.names[i]);
            answer(&(struct ipc_vouch_answer){
                .id = w.asks[i].id, .result = IPC_VOUCH_YES, .name = span_from_str(name)});
        }
        for (unsigned i = 0; i < OPEN_MAX; i++) {
            assert_ok(asker_join(&a[i]));
            assert_span(a[i].answer.name, i % 2 ? "of-odd@x.example" : "of-even@x.example");
            arena_finish(&a[i].arena);
        }
        w.n = 0;
    }
}

static void test_too_many(void **state)
{
    struct asker a[OPEN_MAX], more;

    (void)state;
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        asker_start(&a[i], AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    }
    wait_for_asks(OPEN_MAX);
    asker_start(&more, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    assert_err(asker_join(&more), ERR_UNAVAILABLE);
    arena_finish(&more.arena);
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        answer(&(struct ipc_vouch_answer){.id = w.asks[i].id, .result = IPC_VOUCH_NO});
    }
    for (unsigned i = 0; i < OPEN_MAX; i++) { // in whatever order they asked
        assert_err(asker_join(&a[i]), ERR_DENIED);
        arena_finish(&a[i].arena);
    }
    // And there is room again.
    asker_start(&more, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    wait_for_asks(OPEN_MAX + 1);
    answer(&(struct ipc_vouch_answer){.id = w.asks[OPEN_MAX].id, .result = IPC_VOUCH_YES});
    assert_ok(asker_join(&more));
    arena_finish(&more.arena);
}

static void test_the_courier_is_away_or_goes(void **state)
{
    struct asker a, b;

    (void)state;
    w.send_result = ERR_UNAVAILABLE;
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    assert_err(asker_join(&a), ERR_UNAVAILABLE);
    arena_finish(&a.arena);

    w.send_result = ERR_OK;
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    wait_for_asks(1);
    keep_vouch_lost(w.vouch);
    assert_err(asker_join(&a), ERR_UNAVAILABLE);
    answer(&(struct ipc_vouch_answer){.id = w.asks[0].id, .result = IPC_VOUCH_YES}); // too late
    arena_finish(&a.arena);

    asker_start(&b, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw"); // the next courier's
    wait_for_asks(2);
    answer(&(struct ipc_vouch_answer){.id = w.asks[1].id, .result = IPC_VOUCH_YES});
    assert_ok(asker_join(&b));
    arena_finish(&b.arena);
}

static void test_nobody_waits_for_ever(void **state)
{
    struct asker a;
    char secret[10000];

    (void)state;
    keep_vouch_destroy(w.vouch);
    create(1);
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    assert_err(asker_join(&a), ERR_UNAVAILABLE);
    arena_finish(&a.arena);
    // What cannot be sent at all is a no, and nobody waits for it.
    memset(secret, 'x', sizeof(secret) - 1);
    secret[sizeof(secret) - 1] = '\0';
    asker_start(&a, AUTH_VOUCH_TOKEN, "", secret);
    assert_err(asker_join(&a), ERR_DENIED);
    arena_finish(&a.arena);
    keep_vouch_destroy(w.vouch);
    create(60000);
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    wait_for_asks(1);
    keep_vouch_end(w.vouch);
    assert_err(asker_join(&a), ERR_UNAVAILABLE);
    arena_finish(&a.arena);
    asker_start(&a, AUTH_VOUCH_PASSWORD, "anna@x.example", "pw");
    assert_err(asker_join(&a), ERR_UNAVAILABLE);
    assert_int_equal(w.n, 1);
    arena_finish(&a.arena);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_yes_and_no),
        TEST(test_what_is_no_answer),
        TEST(test_answers_find_their_askers),
        TEST(test_too_many),
        TEST(test_the_courier_is_away_or_goes),
        TEST(test_nobody_waits_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
