// SPDX-License-Identifier: Apache-2.0
//
// Families of tokens and their devices: what comes of a refresh token that is used twice, late, by
// another client, or at the same time; apps and the addresses they come back to.
#include "base/clock.h"
#include "store/access/oauth_client.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;

#define FAR 5000000000

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

// A digest that is told from others by its letter.
static struct span digest(char letter)
{
    char *p = arena_alloc(&b->arena, OAUTH_DIGEST_BYTES);

    memset(p, letter, OAUTH_DIGEST_BYTES);
    return span_of(p, OAUTH_DIGEST_BYTES);
}

static enum err add(uint64_t id, uint32_t *device)
{
    struct device d = {
        .scope = DEVICE_MAIL, .name = SPAN("Thunderbird"), .until = FAR, .secret = digest('s')};
    struct oauth_family f = {.id = id,
                             .client = SPAN("thunderbird"),
                             .until = FAR,
                             .refresh = digest('1'),
                             .access_count = 1,
                             .access = {{.until = FAR, .digest = digest('a')}}};

    return oauth_family_add(b->store, b->account, &tester, &d, &f, device);
}

static struct oauth_rotation rotation(uint64_t id, uint32_t generation, char presented, char next)
{
    return (struct oauth_rotation){.id = id,
                                   .generation = generation,
                                   .client = SPAN("thunderbird"),
                                   .presented = digest(presented),
                                   .refresh = digest(next),
                                   .access = {.until = FAR, .digest = digest(next)},
                                   .until = FAR + 1};
}

static enum oauth_rotated rotate(struct oauth_rotation r)
{
    enum oauth_rotated what = OAUTH_REFUSED;
    uint32_t device = 0;

    assert_ok(oauth_family_rotate(b->store, b->account, &tester, &r, &what, &device));
    return what;
}

static struct device device_of(uint32_t id)
{
    struct device d;

    assert_ok(device_get(b->store, b->account, id, &b->arena, &d));
    return d;
}

static void test_each_authorisation_is_a_device(void **state)
{
    struct oauth_family f;
    uint32_t one, two;

    (void)state;
    assert_ok(add(10, &one));
    assert_ok(add(20, &two));
    assert_err(add(20, &two), ERR_EXISTS);
    assert_true(span_eq(device_of(one).name, SPAN("Thunderbird")));
    assert_true(span_eq(device_of(two).name, SPAN("Thunderbird 2")));
    bench_reopen(b);
    assert_ok(oauth_family_get(b->store, b->account, 20, &b->arena, &f));
    assert_int_equal(f.device, two);
    assert_int_equal(f.generation, 1);
    assert_true(span_eq(f.client, SPAN("thunderbird")) && f.until == FAR && f.created > 0);
    assert_ok(device_remove(b->store, b->account, &tester, two));
    assert_err(oauth_family_get(b->store, b->account, 20, &b->arena, &f), ERR_NOT_FOUND);
    assert_ok(oauth_family_get(b->store, b->account, 10, &b->arena, &f));
}

static void test_what_is_no_family(void **state)
{
    uint32_t id;

    (void)state;
    assert_err(add(0, &id), ERR_INVALID);
    assert_err(add(OAUTH_FAMILY_MAX + 1, &id), ERR_INVALID);
    assert_err(oauth_family_end(b->store, b->account, &tester, 5), ERR_NOT_FOUND);
    assert_int_equal(rotate(rotation(5, 1, '1', '2')), OAUTH_REFUSED);
}

static void test_a_refresh_token_is_good_once(void **state)
{
    struct oauth_family f;
    uint32_t device;

    (void)state;
    assert_ok(add(10, &device));
    assert_int_equal(rotate(rotation(10, 1, '1', '2')), OAUTH_ROTATED);
    assert_int_equal(rotate(rotation(10, 2, '2', '3')), OAUTH_ROTATED);
    bench_reopen(b);
    assert_ok(oauth_family_get(b->store, b->account, 10, &b->arena, &f));
    assert_int_equal(f.generation, 3);
    assert_int_equal(f.access_count, 2); // the newest and the one before
    assert_true(span_eq(f.access[1].digest, digest('3')) && f.until == FAR + 1);
    assert_int_equal(device_of(device).until, FAR + 1);
    // L43: somebody else has a copy of an old one.
    assert_int_equal(rotate(rotation(10, 1, '1', 'x')), OAUTH_REUSED);
    assert_int_equal(device_of(device).state, DEVICE_BLOCKED);
    assert_ok(oauth_family_get(b->store, b->account, 10, &b->arena, &f));
    assert_true(f.refresh.n == 0 && f.access_count == 0);
    assert_int_equal(rotate(rotation(10, 3, '3', '4')), OAUTH_REFUSED);
}

static void test_what_was_never_given_away_ends_nothing(void **state)
{
    struct oauth_rotation other = rotation(10, 1, '1', '2');
    uint32_t device;

    (void)state;
    assert_ok(add(10, &device));
    assert_int_equal(rotate(rotation(10, 1, 'x', '2')), OAUTH_REFUSED);
    assert_int_equal(rotate(rotation(10, 9, '1', '2')), OAUTH_REFUSED);
    other.client = SPAN("another");
    assert_int_equal(rotate(other), OAUTH_REFUSED);
    assert_int_equal(device_of(device).state, DEVICE_ACTIVE);
    assert_int_equal(rotate(rotation(10, 1, '1', '2')), OAUTH_ROTATED);
}

static void test_a_blocked_or_late_one_gets_none(void **state)
{
    uint32_t device;

    (void)state;
    assert_ok(add(10, &device));
    assert_ok(device_set_state(b->store, b->account, &tester, device, DEVICE_BLOCKED));
    assert_int_equal(rotate(rotation(10, 1, '1', '2')), OAUTH_REFUSED);
    assert_ok(device_set_state(b->store, b->account, &tester, device, DEVICE_ACTIVE));
    clock_test_fix_real(FAR);
    assert_int_equal(rotate(rotation(10, 1, '1', '2')), OAUTH_REFUSED);
    clock_test_fix_real(FAR - 1);
    assert_int_equal(rotate(rotation(10, 1, '1', '2')), OAUTH_ROTATED);
    clock_test_fix_real(-1);
}

static void test_an_end_that_the_owner_set_stays(void **state)
{
    struct device d;
    uint32_t device;

    (void)state;
    assert_ok(add(10, &device));
    d = device_of(device);
    d.until = FAR - 5;
    assert_ok(device_change(b->store, b->account, &tester, &d));
    assert_int_equal(rotate(rotation(10, 1, '1', '2')), OAUTH_ROTATED);
    assert_int_equal(device_of(device).until, FAR - 5);
}

// ---- apps ---------------------------------------------------------------------------------------

static void test_where_an_app_may_come_back_to(void **state)
{
    static const char *const good[] = {"https://app.example/back?x=1",
                                       "http://127.0.0.1/",
                                       "http://127.0.0.1:8080/a",
                                       "http://[::1]:9/",
                                       "http://localhost",
                                       "com.example.app:/back",
                                       "https://app.example:8443/"};
    static const char *const bad[] = {"",
                                      "https://",
                                      "http://example.org/",
                                      "javascript:alert(1)",
                                      "data:text/html,x",
                                      "app:/back",
                                      "https://a@b.example/",
                                      "http://127.0.0.1:0/",
                                      "http://127.0.0.1:99999/",
                                      "http://127.0.0.1@evil.example/",
                                      "https://a.example/#x",
                                      "http://127.0.0.1.evil.example/",
                                      "https://a.example/*",
                                      "HTTPS://a.example/",
                                      "https://a.example/\r\nX: y",
                                      "http://localhost.evil.example/",
                                      "https:a.example",
                                      "https://a.example/ x",
                                      "https:\\\\a.example/"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(oauth_redirect_is_valid(span_from_str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(oauth_redirect_is_valid(span_from_str(bad[i])));
    }
}

// L41
static void test_only_the_port_of_loopback_is_free(void **state)
{
    static const struct {
        const char *registered, *asked;
        bool matches;
    } cases[] = {
        {"http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true},
        {"http://127.0.0.1/cb", "http://127.0.0.1/cb", true},
        {"http://[::1]/", "http://[::1]:1/", true},
        {"http://localhost", "http://localhost:3", true},
        {"http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/", false},
        {"http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1", false},
        {"http://127.0.0.1/cb", "http://localhost:51004/cb", false},
        {"http://127.0.0.1/cb", "https://127.0.0.1/cb", false},
        {"http://127.0.0.1/cb", "http://127.0.0.1:51004.evil.example/cb", false},
        {"https://a.example/cb", "https://a.example/cb", true},
        {"https://a.example/cb", "https://a.example:444/cb", false},
        {"https://a.example/cb", "https://a.example/cb/../x", false},
        {"https://a.example/cb", "https://A.example/cb", false},
        {"https://localhost", "https://localhost:5", false},
        {"com.example.app:/cb", "com.example.app:/cb", true},
        {"com.example.app:/cb", "com.example.app:/cb2", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(oauth_redirect_matches(span_from_str(cases[i].registered),
                                                span_from_str(cases[i].asked)),
                         cases[i].matches);
    }
}

static bool count(void *arg, const struct oauth_client *c)
{
    (void)c;
    ++*(size_t *)arg;
    return true;
}

static void test_apps_are_added_and_removed(void **state)
{
    struct span redirects[] = {SPAN("https://app.example/back"), SPAN("app.example:/back")};
    struct oauth_client app = {.id = SPAN("calendar-app"),
                               .name = SPAN("Calendar"),
                               .redirect_count = 2,
                               .redirects = redirects};
    struct oauth_client got, bad = app;
    struct span wrong = SPAN("http://example.org/");
    size_t n = 0, before = 0;

    (void)state;
    while (oauth_client_builtin(before)) {
        const struct oauth_client *c = oauth_client_builtin(before++);

        for (size_t i = 0; i < c->redirect_count; i++) {
            assert_true(oauth_redirect_is_valid(c->redirects[i]));
        }
        assert_err(oauth_client_remove(b->store, &tester, c->id), ERR_DENIED);
        bad.id = c->id;
        assert_err(oauth_client_add(b->store, &tester, &bad), ERR_EXISTS);
    }
    assert_ok(oauth_client_add(b->store, &tester, &app));
    assert_err(oauth_client_add(b->store, &tester, &app), ERR_EXISTS);
    bad.id = SPAN("a b");
    assert_err(oauth_client_add(b->store, &tester, &bad), ERR_INVALID);
    bad = app;
    bad.id = SPAN("other");
    bad.redirects = &wrong;
    bad.redirect_count = 1;
    assert_err(oauth_client_add(b->store, &tester, &bad), ERR_INVALID);
    bench_reopen(b);
    assert_ok(oauth_client_get(b->store, SPAN("calendar-app"), &b->arena, &got));
    assert_true(span_eq(got.name, SPAN("Calendar")) && got.redirect_count == 2 && !got.is_builtin);
    assert_true(oauth_client_has_redirect(&got, SPAN("app.example:/back")));
    assert_false(oauth_client_has_redirect(&got, SPAN("app.example:/")));
    assert_ok(oauth_client_list(b->store, count, &n));
    assert_int_equal(n, before + 1);
    assert_ok(oauth_client_remove(b->store, &tester, SPAN("calendar-app")));
    assert_err(oauth_client_remove(b->store, &tester, SPAN("calendar-app")), ERR_NOT_FOUND);
    assert_err(oauth_client_get(b->store, SPAN("calendar-app"), &b->arena, &got), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_authorisation_is_a_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_family, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refresh_token_is_good_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_never_given_away_ends_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_blocked_or_late_one_gets_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_end_that_the_owner_set_stays, setup, teardown),
        cmocka_unit_test(test_where_an_app_may_come_back_to),
        cmocka_unit_test(test_only_the_port_of_loopback_is_free),
        cmocka_unit_test_setup_teardown(test_apps_are_added_and_removed, setup, teardown),
    };

    return BENCH_RUN("store oauth", tests);
}
