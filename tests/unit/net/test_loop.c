// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "../test.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/worker_pool.h"

// ---- timers -------------------------------------------------------------------------------------

static void test_timer_heap_is_ordered(void **state)
{
    enum { N = 500 };
    static struct timer timers[N];
    struct timer_heap h;
    unsigned seed = 7, left = 0;

    (void)state;
    timer_heap_init(&h);
    for (int i = 0; i < N * 4; i++) {
        struct timer *t = &timers[(seed = seed * 1103515245u + 12345u) / 7 % N];

        if (i % 5 == 4) {
            timer_cancel(&h, t);
        } else {
            assert_ok(timer_set(&h, t, (int64_t)(seed % 1000)));
        }
    }
    for (int i = 0; i < N; i++) {
        left += timers[i].place != 0;
    }
    int64_t last = -1;

    for (struct timer *t; (t = timer_first(&h)); left--) {
        assert_true(t->at_ms >= last);
        last = t->at_ms;
        timer_cancel(&h, t);
        assert_int_equal(t->place, 0);
    }
    assert_int_equal(left, 0);
    timer_heap_finish(&h);
}

// ---- loop ---------------------------------------------------------------------------------------

struct ticker {
    struct timer timer;
    struct loop *loop;
    int left;
};

static void on_tick(struct timer *t)
{
    struct ticker *k = LIST_ITEM(t, struct ticker, timer);

    if (--k->left == 0) {
        loop_stop(k->loop);
    } else {
        loop_timer_set(k->loop, t, loop_now_ms(k->loop) + 2);
    }
}

static void test_timers_fire_in_the_loop(void **state)
{
    struct ticker k = {.timer.fire = on_tick, .left = 5};
    int64_t start = clock_monotonic_ms();

    (void)state;
    assert_ok(loop_create(&k.loop));
    assert_ok(loop_timer_set(k.loop, &k.timer, start + 5));
    loop_run(k.loop);
    assert_true(clock_monotonic_ms() - start >= 5 + 4 * 2);
    loop_destroy(k.loop);
}

struct counted_task {
    struct loop_task task;
    struct loop *loop;
    int *count;
    int stop_at;
};

static void on_task(struct loop_task *t)
{
    struct counted_task *c = LIST_ITEM(t, struct counted_task, task);

    if (++*c->count == c->stop_at) {
        loop_stop(c->loop);
    }
    free(c);
}

static void *post_many(void *arg)
{
    struct counted_task *model = arg;

    for (int i = 0; i < 1000; i++) {
        struct counted_task *c = malloc(sizeof(*c));

        *c = *model;
        loop_post(c->loop, &c->task);
    }
    return NULL;
}

static void test_posts_from_threads_all_run(void **state)
{
    int count = 0;
    struct counted_task model = {.task.run = on_task, .count = &count, .stop_at = 4000};
    pthread_t threads[4];

    (void)state;
    assert_ok(loop_create(&model.loop));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &model), 0);
    }
    loop_run(model.loop);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(count, 4000);
    loop_destroy(model.loop);
}

struct pair_source {
    struct loop_source source;
    struct pair_source *other;
    int *calls;
};

// Two sources become ready in one round; whoever is first removes and frees both.
static void on_pair(struct loop_source *s, uint32_t events)
{
    struct pair_source *p = LIST_ITEM(s, struct pair_source, source);
    struct loop *l = s->loop;

    (void)events;
    ++*p->calls;
    loop_remove(&p->other->source);
    loop_remove(s);
    close(p->other->source.fd);
    close(s->fd);
    free(p->other);
    free(p);
    loop_stop(l);
}

static void test_a_source_may_free_another(void **state)
{
    int fds[2], calls = 0;
    struct loop *l;

    (void)state;
    assert_ok(loop_create(&l));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct pair_source *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

    *a = (struct pair_source){{.fd = fds[0], .ready = on_pair}, b, &calls};
    *b = (struct pair_source){{.fd = fds[1], .ready = on_pair}, a, &calls};
    assert_int_equal(write(fds[0], "x", 1), 1);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_ok(loop_add(l, &a->source, EPOLLIN));
    assert_ok(loop_add(l, &b->source, EPOLLIN));
    loop_run(l);
    assert_int_equal(calls, 1);
    loop_destroy(l);
}

// ---- worker pool --------------------------------------------------------------------------------

static _Atomic int ran;
static _Atomic bool hold;

static void on_work(struct worker_task *t)
{
    (void)t;
    while (atomic_load(&hold)) {
        usleep(1000);
    }
    atomic_fetch_add(&ran, 1);
}

static void test_worker_queue_is_bounded_and_emptied(void **state)
{
    struct worker_pool *p;
    struct worker_task tasks[16];
    int taken = 0;

    (void)state;
    atomic_store(&ran, 0);
    atomic_store(&hold, true);
    assert_ok(worker_pool_create("test", 2, 8, &p));
    for (int i = 0; i < 16; i++) {
        tasks[i].run = on_work;
        taken += worker_pool_submit(p, &tasks[i]) == ERR_OK;
    }
    assert_true(taken >= 8 && taken <= 10);
    atomic_store(&hold, false);
    worker_pool_destroy(p);
    assert_int_equal(atomic_load(&ran), taken);
}

// ---- addresses and listeners --------------------------------------------------------------------

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *want; // NULL: invalid
        bool loopback;
    } rows[] = {
        {"127.0.0.1:143", "127.0.0.1:143", true},
        {"127.9.9.9:1", "127.9.9.9:1", true},
        {"[::1]:993", "[::1]:993", true},
        {"*:993", "[::]:993", false},
        {"10.0.0.1:65535", "10.0.0.1:65535", false},
        {"10.0.0.1:65536", NULL, false},
        {"10.0.0.1", NULL, false},
        {"::1:143", NULL, false},
        {"localhost:1", NULL, false},
        {":1", NULL, false},
        {"", NULL, false},
        {"[::1:1", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address a;
        bool ok = address_parse(span_from_str(rows[i].text), &a) == ERR_OK;

        if (ok != (rows[i].want != NULL) || (ok && (strcmp(address_text(&a).s, rows[i].want) != 0 ||
                                                    address_is_loopback(&a) != rows[i].loopback))) {
            fail_msg("row %zu", i);
        }
    }
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
    struct address a, b;

    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    mapped.sin6_addr.s6_addr[12] = 127;
    mapped.sin6_addr.s6_addr[15] = 1;
    assert_ok(address_from_sockaddr((struct sockaddr *)&mapped, sizeof(mapped), &a));
    assert_string_equal(address_text(&a).s, "127.0.0.1:5");
    assert_true(address_is_loopback(&a));
    assert_ok(address_parse(SPAN("[2001:db8::1]:1"), &a));
    assert_ok(address_parse(SPAN("[2001:db8::ffff:1]:2"), &b));
    struct address_key ka = address_key(&a), kb = address_key(&b);

    assert_memory_equal(ka.b, kb.b, sizeof(ka.b)); // one /64
}

struct accepted {
    struct loop *loop;
    int fds[64], n, stop_at;
};

static void on_accepted(void *arg, int fd, const struct address *peer)
{
    struct accepted *a = arg;

    assert_true(address_is_loopback(peer));
    a->fds[a->n++] = fd;
    if (a->n == a->stop_at) {
        loop_stop(a->loop);
    }
}

static int client_of(int listen_fd)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&sa, &n), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0);
    return fd;
}

static void on_enough(struct timer *t)
{
    loop_stop(LIST_ITEM(t, struct ticker, timer)->loop);
}

// With no descriptor left the newcomers are hung up on and the loop sleeps in between.
static void test_accepting_without_descriptors(void **state)
{
    struct address a;
    struct accepted got = {.stop_at = -1};
    struct listener *listener;
    struct rlimit before, low;
    struct rusage used_before, used;
    int fd, clients[12];
    char byte;

    (void)state;
    assert_ok(loop_create(&got.loop));
    assert_ok(address_parse(SPAN("127.0.0.1:0"), &a));
    assert_ok(listener_socket(&a, &fd));
    for (int i = 0; i < 12; i++) {
        clients[i] = client_of(fd);
    }
    assert_ok(listener_create(got.loop, fd, on_accepted, &got, &listener));
    int next = dup(0);

    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    low = (struct rlimit){(rlim_t)next + 4, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    struct ticker k = {.timer.fire = on_enough, .loop = got.loop};

    getrusage(RUSAGE_SELF, &used_before);
    loop_timer_set(got.loop, &k.timer, clock_monotonic_ms() + 700);
    loop_run(got.loop);
    getrusage(RUSAGE_SELF, &used);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(got.n, 4); // these got through
    long busy = (used.ru_utime.tv_usec - used_before.ru_utime.tv_usec + used.ru_stime.tv_usec -
                 used_before.ru_stime.tv_usec) /
                    1000 +
                (used.ru_utime.tv_sec - used_before.ru_utime.tv_sec + used.ru_stime.tv_sec -
                 used_before.ru_stime.tv_sec) *
                    1000;

    assert_true(busy < 200);
    assert_int_equal(recv(clients[4], &byte, 1, 0), 0); // hung up on, not left waiting
    got.stop_at = 11 - 3;                               // the others are served now
    loop_timer_set(got.loop, &k.timer, clock_monotonic_ms() + 2000);
    loop_run(got.loop);
    assert_true(got.n >= 8);
    listener_destroy(listener);
    loop_timer_cancel(got.loop, &k.timer);
    loop_destroy(got.loop);
    for (int i = 0; i < got.n; i++) {
        close(got.fds[i]);
    }
    for (int i = 0; i < 12; i++) {
        close(clients[i]);
    }
}

static void test_an_address_in_use_is_said(void **state)
{
    struct address a;
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd, other;

    (void)state;
    assert_ok(address_parse(SPAN("127.0.0.1:0"), &a));
    assert_ok(listener_socket(&a, &fd));
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    assert_ok(address_from_sockaddr((struct sockaddr *)&sa, n, &a));
    assert_err(listener_socket(&a, &other), ERR_EXISTS);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_heap_is_ordered),
        cmocka_unit_test(test_timers_fire_in_the_loop),
        cmocka_unit_test(test_posts_from_threads_all_run),
        cmocka_unit_test(test_a_source_may_free_another),
        cmocka_unit_test(test_worker_queue_is_bounded_and_emptied),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_accepting_without_descriptors),
        cmocka_unit_test(test_an_address_in_use_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
