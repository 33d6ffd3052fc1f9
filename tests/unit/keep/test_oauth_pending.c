// SPDX-License-Identifier: Apache-2.0
//
// Codes that wait: each is taken once, whoever comes at the same time; a device code goes from
// waiting to allowed or denied once; there is room for so many from one place.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../test.h"
#include "keep/oauth/oauth_pending.h"

#define THREADS 8

static struct oauth_pending *p;
static char digest[OAUTH_DIGEST_BYTES] = "one";

static int setup(void **state)
{
    (void)state;
    assert_ok(oauth_pending_create(&p));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    oauth_pending_destroy(p);
    return 0;
}

static struct oauth_pending_item code(void)
{
    return (struct oauth_pending_item){
        .state = OAUTH_ALLOWED, .client = "app", .scope = DEVICE_IMAP, .grant = {.account = 5}};
}

static struct oauth_pending_item device(const char *user_code, const char *remote)
{
    struct oauth_pending_item i = {.is_device = true, .client = "app", .scope = DEVICE_MAIL};

    memcpy(i.user_code, user_code, sizeof(i.user_code));
    snprintf(i.remote, sizeof(i.remote), "%s", remote);
    return i;
}

// L42
static void test_a_code_is_taken_once(void **state)
{
    struct oauth_pending_item i = code(), got = {0};
    char other[OAUTH_DIGEST_BYTES] = "two";

    (void)state;
    assert_ok(oauth_pending_add(p, digest, &i));
    assert_err(oauth_pending_take(p, other, &got), ERR_NOT_FOUND);
    assert_err(oauth_pending_poll(p, digest, SPAN("app"), &got), ERR_NOT_FOUND); // of another kind
    assert_ok(oauth_pending_take(p, digest, &got));
    assert_true(got.grant.account == 5 && got.scope == DEVICE_IMAP);
    assert_false(oauth_pending_came_of(p, digest, 77));
    assert_err(oauth_pending_take(p, digest, &got), ERR_EXISTS);
    assert_int_equal(got.family, 77);
    // It came again before it was known what came of it.
    assert_true(oauth_pending_came_of(p, digest, 77));
}

static atomic_int taken;

static void *take(void *arg)
{
    struct oauth_pending_item got;

    (void)arg;
    atomic_fetch_add(&taken, oauth_pending_take(p, digest, &got) == ERR_OK);
    return NULL;
}

static void test_of_many_at_once_one_gets_it(void **state)
{
    struct oauth_pending_item i = code();
    pthread_t threads[THREADS];

    (void)state;
    taken = 0;
    assert_ok(oauth_pending_add(p, digest, &i));
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, take, NULL), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    assert_int_equal(taken, 1);
}

static void test_a_device_is_decided_once(void **state)
{
    struct oauth_pending_item i = device("BCDFGHJK", "192.0.2.1"), got;
    struct auth_grant grant = {.account = 9};

    (void)state;
    assert_ok(oauth_pending_add(p, digest, &i));
    assert_err(oauth_pending_poll(p, digest, SPAN("other"), &got), ERR_NOT_FOUND);
    assert_err(oauth_pending_poll(p, digest, SPAN("app"), &got), ERR_AGAIN);
    assert_err(oauth_pending_poll(p, digest, SPAN("app"), &got), ERR_LIMIT); // too soon
    assert_err(oauth_pending_find(p, "XXXXXXXX", &got), ERR_NOT_FOUND);
    assert_ok(oauth_pending_find(p, "BCDFGHJK", &got));
    assert_ok(oauth_pending_decide(p, "BCDFGHJK", &grant, DEVICE_IMAP));
    assert_err(oauth_pending_find(p, "BCDFGHJK", &got), ERR_NOT_FOUND);
    assert_err(oauth_pending_decide(p, "BCDFGHJK", NULL, 0), ERR_NOT_FOUND);
    assert_ok(oauth_pending_poll(p, digest, SPAN("app"), &got));
    assert_true(got.grant.account == 9 && got.scope == DEVICE_IMAP);
    assert_err(oauth_pending_poll(p, digest, SPAN("app"), &got), ERR_EXISTS);
}

static void test_a_denied_device_stays_denied(void **state)
{
    struct oauth_pending_item i = device("BCDFGHJK", "192.0.2.1"), got;

    (void)state;
    assert_ok(oauth_pending_add(p, digest, &i));
    assert_ok(oauth_pending_decide(p, "BCDFGHJK", NULL, 0));
    assert_err(oauth_pending_poll(p, digest, SPAN("app"), &got), ERR_DENIED);
    assert_err(oauth_pending_poll(p, digest, SPAN("app"), &got), ERR_DENIED);
}

// L49
static void test_there_is_room_for_so_many(void **state)
{
    char user_code[OAUTH_USER_CODE_CHARS + 8];
    struct oauth_pending_item i;

    (void)state;
    for (int n = 0; n < OAUTH_PENDING_PER_PLACE; n++) {
        snprintf(user_code, sizeof(user_code), "BCDF%04d", n);
        i = device(user_code, "192.0.2.1");
        digest[0] = (char)n;
        assert_ok(oauth_pending_add(p, digest, &i));
    }
    digest[0] = 'x';
    assert_err(oauth_pending_add(p, digest, &i), ERR_LIMIT);
    i = device(user_code, "192.0.2.2");
    assert_err(oauth_pending_add(p, digest, &i), ERR_EXISTS); // the code of another
    i = device("BCDFGHJK", "192.0.2.2");
    assert_ok(oauth_pending_add(p, digest, &i));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_code_is_taken_once),      T(test_of_many_at_once_one_gets_it),
        T(test_a_device_is_decided_once),  T(test_a_denied_device_stays_denied),
        T(test_there_is_room_for_so_many),
    };

    return cmocka_run_group_tests_name("oauth pending", tests, NULL, NULL);
}
