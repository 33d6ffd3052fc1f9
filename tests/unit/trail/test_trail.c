// SPDX-License-Identifier: Apache-2.0
//
// The trail of mail on an engine in memory: what is told is found again, what is too old goes, and
// who is refused often fills nothing.
#include <stdio.h>

#include "../test.h"
#include "base/clock.h"
#include "engine/memory/memory.h"
#include "trail/trail.h"
#include "trail/trail_schema_internal.h"

#define NOW_S 1800000000
#define NOW   (NOW_S * 1000ll)
#define DAY_S 86400

struct world {
    struct engine *engine;
    struct trail *trail;
    unsigned wakes;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    clock_test_fix_real(NOW_S);
    assert_ok(engine_memory_open(&w->engine));
    assert_ok(trail_open(w->engine, &w->trail));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    trail_close(w->trail);
    engine_close(w->engine);
    clock_test_fix_real(-1);
    free(w);
    return 0;
}

static struct trail_event event_of(enum trail_kind kind, const char *sender, const char *id)
{
    struct trail_event e = {.kind = kind};

    e.texts[TRAIL_SENDER] = span_from_str(sender);
    if (id) {
        e.texts[TRAIL_MESSAGE_ID] = span_from_str(id);
    }
    return e;
}

static void add(struct world *w, trail_id mail, const struct trail_event *e)
{
    struct batch *b;

    assert_ok(trail_batch(&b));
    assert_ok(trail_add(w->trail, b, mail, e));
    assert_ok(engine_commit(w->engine, b, ENGINE_ANY_VERSION));
    batch_destroy(b);
}

// A message to one recipient, as it is told when it is taken in.
static trail_id take_in(struct world *w, const char *id, const char *from, const char *to)
{
    trail_id mail = trail_number(w->trail);
    struct trail_event taken = event_of(TRAIL_TAKEN_IN, from, id);
    struct span recipient = span_from_str(to);
    struct trail_event here = {.kind = TRAIL_HERE, .recipients = &recipient, .recipient_count = 1};

    add(w, mail, &taken);
    add(w, mail, &here);
    return mail;
}

static size_t find(struct world *w, enum trail_by by, const char *text, trail_id *out)
{
    trail_id ids[100];
    size_t n = 0;

    assert_ok(trail_find(w->trail, by, span_from_str(text), 0, ids, 100, &n));
    if (n) {
        *out = ids[0];
    }
    return n;
}

static void no_problem(void *arg, const char *problem)
{
    (void)arg;
    printf("# %s\n", problem);
}

static uint64_t problems(struct world *w)
{
    uint64_t n = UINT64_MAX;

    assert_ok(trail_check(w->engine, no_problem, NULL, &n));
    return n;
}

static bool count_one(void *arg, const struct trail_found *f)
{
    (void)f;
    ++*(size_t *)arg;
    return true;
}

static size_t events(struct world *w, trail_id mail)
{
    size_t n = 0;

    assert_ok(trail_each(w->trail, mail, count_one, &n));
    return n;
}

// ---- found again --------------------------------------------------------------------------------

static void test_found_by_everything(void **state)
{
    struct world *w = *state;
    trail_id a = take_in(w, "<one@example.net>", "X@Example.net", "anna@example.org");
    trail_id b = take_in(w, "<two@example.net>", "x@example.net", "bert@example.org"), found = 0;

    assert_int_equal(find(w, TRAIL_BY_MESSAGE_ID, "<one@example.net>", &found), 1);
    assert_true(found == a);
    assert_int_equal(find(w, TRAIL_BY_MESSAGE_ID, " two@example.net", &found), 1);
    assert_true(found == b);
    // The newest first; letters in any case.
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "x@EXAMPLE.net", &found), 2);
    assert_true(found == b);
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "Anna@example.org", &found), 1);
    assert_true(found == a);
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "one@example.net", &found), 0);
    assert_int_equal(find(w, TRAIL_BY_MESSAGE_ID, "anna@example.org", &found), 0);
    assert_int_equal(events(w, a), 2);
    assert_int_equal(problems(w), 0);
}

static void test_found_by_queue_id(void **state)
{
    struct world *w = *state;
    struct span to = SPAN("far@example.com");
    struct trail_event e = {
        .kind = TRAIL_QUEUED, .queue = 0x1234567890abcde3, .recipients = &to, .recipient_count = 1};
    trail_id mail = trail_number(w->trail), found[2];
    size_t n = 0;

    add(w, mail, &e);
    assert_ok(trail_find(w->trail, TRAIL_BY_QUEUE, span_of(&e.queue, 8), 0, found, 2, &n));
    assert_int_equal(n, 1);
    assert_true(found[0] == mail);
}

// One range a day, from the newest back; `since` and `max` end it.
static void test_days_and_limits(void **state)
{
    struct world *w = *state;
    trail_id ids[50], first = 0;
    size_t n = 0;

    for (int day = 0; day < 5; day++) {
        clock_test_fix_real(NOW_S + day * DAY_S * 3);
        first = take_in(w, "<same@example.net>", "x@example.net", "anna@example.org");
    }
    assert_ok(trail_find(w->trail, TRAIL_BY_MESSAGE_ID, SPAN("same@example.net"), 0, ids, 50, &n));
    assert_int_equal(n, 5);
    assert_true(ids[0] == first);
    for (size_t i = 1; i < n; i++) {
        assert_true(ids[i] < ids[i - 1]);
    }
    assert_ok(trail_find(w->trail, TRAIL_BY_MESSAGE_ID, SPAN("same@example.net"), 0, ids, 2, &n));
    assert_int_equal(n, 2);
    assert_ok(trail_find(w->trail, TRAIL_BY_MESSAGE_ID, SPAN("same@example.net"),
                         NOW + 5ll * DAY_S * 1000, ids, 50, &n));
    assert_int_equal(n, 3);
}

static bool check_all_fields(void *arg, const struct trail_found *f)
{
    const struct trail_event *want = arg, *e = &f->is;

    assert_int_equal(e->kind, want->kind);
    assert_int_equal(e->when_ms, NOW);
    assert_int_equal(e->account, want->account);
    assert_true(e->queue == want->queue && e->other == want->other);
    assert_int_equal(e->number, want->number);
    assert_int_equal(e->next_ms, want->next_ms);
    assert_true(e->is_junk);
    for (unsigned i = 0; i < TRAIL_WHATS; i++) {
        assert_true((e->texts[i].p != NULL) == (want->texts[i].p != NULL));
        assert_true(span_eq(e->texts[i], want->texts[i]));
    }
    assert_int_equal(e->recipient_count, want->recipient_count);
    assert_true(span_eq(e->recipients[1], want->recipients[1]));
    return true;
}

static void test_every_field_comes_back(void **state)
{
    struct world *w = *state;
    struct span to[] = {SPAN("a@example.org"), SPAN("b@example.org")};
    struct trail_event e = {.kind = TRAIL_PUT_OFF,
                            .account = 7,
                            .queue = UINT64_MAX,
                            .other = 5,
                            .number = 3,
                            .next_ms = NOW + 1,
                            .is_junk = true,
                            .recipients = to,
                            .recipient_count = 2};

    for (unsigned i = 1; i < TRAIL_WHATS; i++) {
        if (i != TRAIL_RECIPIENT) {
            e.texts[i] = i % 2 ? SPAN("") : SPAN("text");
        }
    }
    add(w, trail_number(w->trail), &e);
    size_t n = 0;
    trail_id mail = trail_number(w->trail) - 2;

    assert_ok(trail_each(w->trail, mail, check_all_fields, &e));
    assert_ok(trail_each(w->trail, mail, count_one, &n));
    assert_int_equal(n, 1);
}

static void test_many_recipients_are_several_events(void **state)
{
    struct world *w = *state;
    char names[250][24];
    struct span to[250];
    struct trail_event e = {.kind = TRAIL_QUEUED, .queue = 9, .recipients = to};
    trail_id mail = trail_number(w->trail), found;

    for (size_t i = 0; i < 250; i++) {
        int n = snprintf(names[i], sizeof(names[i]), "u%zu@example.org", i);

        to[i] = span_of(names[i], (size_t)n);
    }
    e.recipient_count = 250;
    add(w, mail, &e);
    assert_int_equal(events(w, mail), 3);
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "u249@example.org", &found), 1);
    assert_int_equal(problems(w), 0);
}

// The first event rides with every batch of a group, and is one.
static void test_the_first_event_is_one(void **state)
{
    struct world *w = *state;
    trail_id mail = trail_number(w->trail);
    struct trail_event e = event_of(TRAIL_TAKEN_IN, "", "<a@b>");

    add(w, mail, &e);
    add(w, mail, &e);
    assert_int_equal(events(w, mail), 1);
}

static void test_long_texts_are_cut(void **state)
{
    struct world *w = *state;
    char *much = calloc(1, 100000);

    memset(much, 'x', 100000);
    struct span long_text = span_of(much, 100000), to = long_text;
    struct trail_event e = {.kind = TRAIL_REFUSED, .recipients = &to, .recipient_count = 1};
    trail_id mail = trail_number(w->trail), found;

    for (unsigned i = 1; i < TRAIL_WHATS; i++) {
        e.texts[i] = i == TRAIL_RECIPIENT ? e.texts[i] : long_text;
    }
    add(w, mail, &e);
    assert_int_equal(events(w, mail), 1);
    much[320] = '\0';
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, much, &found), 1);
    assert_int_equal(problems(w), 0);
    free(much);
}

static void test_numbers_never_come_twice(void **state)
{
    struct world *w = *state;
    trail_id last = trail_number(w->trail), mail = take_in(w, "<a@b>", "x@y", "z@y");

    assert_true(mail > last);
    trail_close(w->trail);
    clock_test_fix_real(NOW_S - 1000); // set back
    assert_ok(trail_open(w->engine, &w->trail));
    assert_true(trail_number(w->trail) > mail + 1);
}

// ---- refusals -----------------------------------------------------------------------------------

static void on_wake(void *arg)
{
    ++((struct world *)arg)->wakes;
}

static void refuse(struct world *w, const char *client)
{
    struct trail_event e = event_of(TRAIL_REFUSED, "spam@example.net", NULL);

    e.texts[TRAIL_CLIENT] = span_from_str(client);
    trail_refused(w->trail, trail_number(w->trail), &e);
}

static void test_refusals_wait_for_a_flush(void **state)
{
    struct world *w = *state;
    trail_id found;

    trail_set_wake(w->trail, on_wake, w);
    refuse(w, "192.0.2.1");
    refuse(w, "192.0.2.1");
    assert_int_equal(w->wakes, 1);
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "spam@example.net", &found), 0);
    assert_ok(trail_flush(w->trail));
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "spam@example.net", &found), 2);
    assert_ok(trail_flush(w->trail));
    refuse(w, "192.0.2.1");
    assert_int_equal(w->wakes, 2);
}

static size_t written(struct world *w)
{
    trail_id *ids = calloc(200000, sizeof(*ids));
    size_t n = 0;

    assert_ok(trail_find(w->trail, TRAIL_BY_ADDRESS, SPAN("spam@example.net"), 0, ids, 200000, &n));
    free(ids);
    return n;
}

static bool has_words(void *arg, const struct trail_found *f)
{
    *(bool *)arg =
        f->is.texts[TRAIL_WORDS].p &&
        span_eq(f->is.texts[TRAIL_WORDS], SPAN("40 refusals before it were only counted"));
    return true;
}

static void test_one_network_has_its_share(void **state)
{
    struct world *w = *state;
    char client[32];
    trail_id newest;
    bool counted = false;

    for (int i = 0; i < 100; i++) { // the same /24
        snprintf(client, sizeof(client), "192.0.2.%d", i);
        refuse(w, client);
    }
    refuse(w, "198.51.100.1");
    assert_ok(trail_flush(w->trail));
    assert_int_equal(written(w), TRAIL_REFUSED_HOUR_MAX + 1);
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "spam@example.net", &newest), 61);
    assert_ok(trail_each(w->trail, newest, has_words, &counted));
    assert_true(counted);
    clock_test_fix_real(NOW_S + 3600);
    refuse(w, "192.0.2.1");
    assert_ok(trail_flush(w->trail));
    assert_int_equal(written(w), TRAIL_REFUSED_HOUR_MAX + 2);
}

static void test_all_together_have_a_limit(void **state)
{
    struct world *w = *state;
    char client[40];

    for (unsigned i = 0; i < TRAIL_REFUSED_WAIT_MAX + 500; i++) {
        snprintf(client, sizeof(client), "10.%u.%u.1", i >> 8 & 255, i & 255);
        refuse(w, client);
    }
    assert_ok(trail_flush(w->trail));
    assert_int_equal(written(w), TRAIL_REFUSED_WAIT_MAX);
    assert_int_equal(problems(w), 0);
}

// ---- forgetting ---------------------------------------------------------------------------------

static void test_old_mail_goes_whole(void **state)
{
    struct world *w = *state;
    trail_id found;
    bool more = true;
    unsigned rounds = 0;

    for (int i = 0; i < 900; i++) {
        take_in(w, i ? "<old@example.net>" : "<oldest@example.net>", "x@example.net",
                "a@b.example");
    }
    clock_test_fix_real(NOW_S + 10 * DAY_S);
    take_in(w, "<new@example.net>", "x@example.net", "a@b.example");
    while (more) {
        assert_ok(trail_trim(w->trail, NOW + 5ll * DAY_S * 1000, &more));
        assert_int_equal(problems(w), 0);
        rounds++;
    }
    assert_in_range(rounds, 2, 5);
    assert_int_equal(find(w, TRAIL_BY_MESSAGE_ID, "old@example.net", &found), 0);
    assert_int_equal(find(w, TRAIL_BY_MESSAGE_ID, "oldest@example.net", &found), 0);
    assert_int_equal(find(w, TRAIL_BY_MESSAGE_ID, "new@example.net", &found), 1);
    assert_int_equal(find(w, TRAIL_BY_ADDRESS, "a@b.example", &found), 1);
}

// ---- damage -------------------------------------------------------------------------------------

static void change(struct world *w, struct span key, struct span value)
{
    struct batch *b;

    assert_ok(trail_batch(&b));
    assert_ok(value.p ? batch_put(b, key, value) : batch_delete(b, key));
    assert_ok(engine_commit(w->engine, b, ENGINE_ANY_VERSION));
    batch_destroy(b);
}

static void test_the_check_names_damage(void **state)
{
    struct world *w = *state;
    trail_id mail = take_in(w, "<a@b>", "x@y.example", "z@y.example");
    struct trail_key index =
        trail_key_index(trail_day(mail), trail_hash(TRAIL_BY_MESSAGE_ID, SPAN("a@b")), mail);
    struct trail_key lost = trail_key_index(trail_day(mail), 5, mail + 1000);
    struct trail_key event = trail_key_event(mail, mail + 500);

    assert_int_equal(problems(w), 0);
    change(w, trail_key_span(&index), (struct span){NULL, 0});
    assert_int_equal(problems(w), 1);
    change(w, trail_key_span(&lost), SPAN("\x01"));
    assert_int_equal(problems(w), 2);
    change(w, trail_key_span(&event), SPAN("\x01\x01"));
    assert_int_equal(problems(w), 3);
    change(w, SPAN("zzz"), SPAN("\x01"));
    assert_int_equal(problems(w), 4);
    // What can be read is still told.
    assert_int_equal(events(w, mail), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found_by_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_found_by_queue_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_days_and_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_field_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_recipients_are_several_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_first_event_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_never_come_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_wait_for_a_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_network_has_its_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_together_have_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_mail_goes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_check_names_damage, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
