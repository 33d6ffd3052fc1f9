// SPDX-License-Identifier: Apache-2.0
//
// Devices of an account: names, ids, limits, what the change log says, rows that are damaged.
#include "store/access/device.h"
#include "store/mailbox.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static const char secret[DEVICE_DIGEST_BYTES] = "0123456789abcdef0123456789abcde";

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

static struct device device_of(const char *name)
{
    return (struct device){.scope = DEVICE_MAIL,
                           .name = span_from_str(name),
                           .secret = span_of(secret, sizeof(secret))};
}

static enum err add(const char *name, uint32_t *id)
{
    struct device d = device_of(name);

    return device_add(b->store, b->account, &tester, &d, id);
}

static void test_ids_are_never_given_twice(void **state)
{
    uint32_t one, two, three;
    struct device d;

    (void)state;
    assert_ok(add("phone", &one));
    assert_ok(add("laptop", &two));
    assert_ok(device_remove(b->store, b->account, &tester, two));
    bench_reopen(b);
    assert_ok(add("laptop", &three));
    assert_int_equal(one, 1);
    assert_int_equal(two, 2);
    assert_int_equal(three, 3);
    assert_err(device_get(b->store, b->account, two, &b->arena, &d), ERR_NOT_FOUND);
    assert_ok(device_get(b->store, b->account, three, &b->arena, &d));
    assert_true(span_eq(d.name, SPAN("laptop")) && d.state == DEVICE_ACTIVE && d.created > 0);
}

static void test_what_is_no_device(void **state)
{
    static const char *const names[] = {"", " phone", "phone ", "a\nb", "\xff"};
    char long_name[DEVICE_NAME_BYTES_MAX + 2] = "";
    struct span network = SPAN("192.0.2.0/33");
    struct device bad[] = {device_of("x"), device_of("x"), device_of("x"), device_of("x")};
    uint32_t id;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_err(add(names[i], &id), ERR_INVALID);
    }
    memset(long_name, 'a', DEVICE_NAME_BYTES_MAX + 1);
    assert_err(add(long_name, &id), ERR_INVALID);
    bad[0].scope = 0;
    bad[1].scope = DEVICE_READ_ONLY; // of nothing
    bad[2].scope = 1u << 20;
    bad[3].networks = &network;
    bad[3].network_count = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_err(device_add(b->store, b->account, &tester, &bad[i], &id), ERR_INVALID);
    }
    assert_ok(add("phone", &id));
    assert_err(add("phone", &id), ERR_EXISTS);
    assert_err(device_set_state(b->store, b->account, &tester, 77, DEVICE_BLOCKED), ERR_NOT_FOUND);
    assert_err(device_remove(b->store, 0, &tester, 1), ERR_NOT_FOUND);
}

static void test_there_are_so_many_at_most(void **state)
{
    char name[20];
    uint32_t id;

    (void)state;
    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        snprintf(name, sizeof(name), "device %u", i);
        assert_ok(add(name, &id));
    }
    assert_err(add("one more", &id), ERR_LIMIT);
    assert_ok(device_remove(b->store, b->account, &tester, 5));
    assert_ok(add("one more", &id));
}

static void test_changes_keep_what_is_not_theirs(void **state)
{
    struct span networks[] = {SPAN("192.0.2.0/24"), SPAN("2001:db8::/32")};
    struct device d = device_of("phone");
    uint32_t id, other;

    (void)state;
    assert_ok(device_add(b->store, b->account, &tester, &d, &id));
    assert_ok(add("laptop", &other));
    assert_ok(device_set_state(b->store, b->account, &tester, id, DEVICE_BLOCKED));
    d = (struct device){.id = id,
                        .name = SPAN("old phone"),
                        .scope = DEVICE_IMAP | DEVICE_READ_ONLY,
                        .until = 5000000000,
                        .networks = networks,
                        .network_count = 2};
    assert_ok(device_change(b->store, b->account, &tester, &d));
    d.name = SPAN("laptop");
    assert_err(device_change(b->store, b->account, &tester, &d), ERR_EXISTS);
    bench_reopen(b);
    assert_ok(device_by_name(b->store, b->account, SPAN("old phone"), &b->arena, &d));
    assert_int_equal(d.id, id);
    assert_int_equal(d.state, DEVICE_BLOCKED);
    assert_true(d.blocked > 0 && d.until == 5000000000);
    assert_int_equal(d.scope, DEVICE_IMAP | DEVICE_READ_ONLY);
    assert_memory_equal(d.secret.p, secret, sizeof(secret));
    assert_int_equal(d.network_count, 2);
    assert_true(span_eq(d.networks[1], networks[1]));
}

// Entries of both layouts stand beside each other.
static void test_the_log_says_which_device(void **state)
{
    struct actor by = {.kind = ACTOR_USER, .device = SPAN("phone"), .device_id = 7};
    uint32_t of_device = 0, of_others = 0;
    struct change_scan *scan;
    struct change c;
    struct view *v;
    mailbox_id id;

    (void)state;
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("One"), 0, &id));
    assert_ok(mailbox_create(b->store, b->account, &by, SPAN("Two"), 0, &id));
    bench_reopen(b);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(change_scan_open(v, 0, false, &scan));
    while (change_next(scan, &c) == ERR_OK) {
        if (c.kind == CHANGE_MAILBOX_CREATED && span_eq(c.after, SPAN("Two"))) {
            assert_int_equal(c.by.device_id, 7);
            assert_true(span_eq(c.by.device, SPAN("phone")));
            of_device++;
        } else {
            assert_int_equal(c.by.device_id, 0);
            of_others++;
        }
    }
    change_scan_close(scan);
    view_close(v);
    assert_int_equal(of_device, 1);
    assert_true(of_others > 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_ids_are_never_given_twice), T(test_what_is_no_device),
        T(test_there_are_so_many_at_most), T(test_changes_keep_what_is_not_theirs),
        T(test_the_log_says_which_device),
    };

    return BENCH_RUN("store-device", tests);
}
