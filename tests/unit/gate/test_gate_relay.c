// SPDX-License-Identifier: Apache-2.0
//
// The relay between a client and keep's end of the pair.
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <time.h>

#include "gate/relay.h"
#include "gate_world.h"

static struct gate_world w;

struct start {
    struct loop_task task;
    int client_fd, pair_fd;
    sem_t done;
};

static void start_run(struct loop_task *t)
{
    struct start *s = LIST_ITEM(t, struct start, task);
    struct stream stream;

    stream_init(&stream, s->client_fd);
    assert_ok(relay_start(w.worker, &stream, s->pair_fd));
    sem_post(&s->done);
}

// The client's end, and keep's.
static int relay_open(int *out_keep)
{
    struct start s = {.task.run = start_run};
    int pair[2], client = gate_world_pair(&w, &s.client_fd), small = 4096;

    // So that a client that does not read is felt soon.
    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    setsockopt(s.client_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    s.pair_fd = pair[0];
    sem_init(&s.done, 0, 0);
    loop_post(w.worker->loop, &s.task);
    sem_wait(&s.done);
    sem_destroy(&s.done);
    *out_keep = pair[1];
    return client;
}

static void test_both_ways_and_the_clients_end(void **state)
{
    int keep;

    (void)state;
    gate_world_open(&w, "");
    int fd = relay_open(&keep);

    say(fd, "a NOOP\r\n");
    hear(keep, "a NOOP\r\n");
    say(keep, "a OK\r\n");
    hear(fd, "a OK\r\n");
    say(fd, "b LOGOUT\r\n");
    shutdown(fd, SHUT_WR);
    assert_string_equal(hear_all(keep), "b LOGOUT\r\n");
    say(keep, "* BYE\r\nb OK\r\n"); // half an end is no end
    close(keep);
    assert_string_equal(hear_all(fd), "* BYE\r\nb OK\r\n");
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

// Keep says why and hangs up over unread input, while the client goes on talking.
static void test_last_words_of_keep_arrive(void **state)
{
    static char flood[8193];
    int keep;

    (void)state;
    memset(flood, 'x', sizeof(flood) - 1);
    gate_world_open(&w, "");
    for (int round = 0; round < 20; round++) {
        int fd = relay_open(&keep);

        say(fd, flood);
        hear(keep, "x");
        say(keep, "* BYE enough\r\n");
        say(fd, flood);
        close(keep);
        for (int i = 0; i < 10; i++) {
            say(fd, flood);
        }
        assert_string_equal(hear_all(fd), "* BYE enough\r\n");
        say(fd, flood);
        close(fd);
    }
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static int64_t thread_us(pthread_t t)
{
    clockid_t id;
    struct timespec at;

    assert_int_equal(pthread_getcpuclockid(t, &id), 0);
    assert_int_equal(clock_gettime(id, &at), 0);
    return at.tv_sec * 1000000LL + at.tv_nsec / 1000;
}

// Keep hangs up while the client does not read: nobody spins, and the client may still read it all.
static void test_hang_up_on_a_client_that_does_not_read(void **state)
{
    static char block[65536];
    size_t said = 0, heard = 0;
    int keep, idle = 0;
    ssize_t n;

    (void)state;
    gate_world_open(&w, "");
    int fd = relay_open(&keep);

    while (idle < 50) {
        n = send(keep, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
        said += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        usleep(2000);
    }
    close(keep);
    int64_t before = thread_us(w.worker->thread);

    usleep(400000);
    assert_true(thread_us(w.worker->thread) - before < 20000);
    while ((n = recv(fd, block, sizeof(block), 0)) > 0) {
        heard += (size_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(heard, said);
    close(fd);
    gate_world_wait(&w, 0);
    gate_world_close(&w);
}

static void test_a_client_that_is_gone(void **state)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    int keep;

    (void)state;
    gate_world_open(&w, "");
    int fd = relay_open(&keep);

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd); // a reset
    assert_string_equal(hear_all(keep), "");
    gate_world_wait(&w, 0);
    close(keep);
    gate_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_and_the_clients_end),
        cmocka_unit_test(test_last_words_of_keep_arrive),
        cmocka_unit_test(test_hang_up_on_a_client_that_does_not_read),
        cmocka_unit_test(test_a_client_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
