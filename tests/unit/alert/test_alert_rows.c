// SPDX-License-Identifier: Apache-2.0
//
// Where alerts are kept, on an engine in memory.
#include "../test.h"
#include "alert/rows/alert_rows.h"
#include "alert/rows/alert_rows_internal.h"
#include "engine/memory/memory.h"

static int setup(void **state)
{
    return engine_memory_open((struct engine **)state) == ERR_OK ? 0 : 1;
}

static int teardown(void **state)
{
    engine_close(*state);
    return 0;
}

static void commit(struct engine *e, struct batch *b)
{
    assert_ok(engine_commit(e, b, ENGINE_ANY_VERSION));
    batch_destroy(b);
}

static void put(struct engine *e, const struct alert_row *row)
{
    struct batch *b;

    assert_ok(batch_create(ALERT_ACCOUNT, &b));
    assert_ok(alert_row_put(b, row));
    commit(e, b);
}

static struct alert_row row_of(uint64_t account, uint64_t trigger, unsigned state)
{
    return (struct alert_row){.is = {.account = account,
                                     .trigger = trigger,
                                     .kind = ALERT_MAIL_OUT,
                                     .salt = 7,
                                     .when_ms = (int64_t)trigger * 1000,
                                     .count = 3,
                                     .not_told = 2,
                                     .network = SPAN("192.0.2.0/24"),
                                     .client = SPAN("Mail"),
                                     .device = SPAN("phone"),
                                     .by = SPAN("root"),
                                     .words = SPAN("x@example.net")},
                              .state = state};
}

struct listed {
    uint64_t triggers[10];
    size_t n;
};

static bool on_row(void *arg, const struct alert_row *row)
{
    struct listed *l = arg;

    l->triggers[l->n++] = row->is.trigger;
    return l->n < 10;
}

static struct listed list(struct engine *e, uint64_t account)
{
    struct listed l = {.n = 0};

    assert_ok(alert_rows_each(e, account, on_row, &l));
    return l;
}

static size_t due(struct engine *e, const struct alert_due *after, struct alert_due *out)
{
    size_t n = 99;

    assert_ok(alert_due_list(e, after, out, 2, &n));
    return n;
}

static void on_problem(void *arg, const char *problem)
{
    (void)problem;
    ++*(unsigned *)arg;
}

static uint64_t problems(struct engine *e)
{
    uint64_t n = 99;
    unsigned told = 0;

    assert_ok(alert_check(e, on_problem, &told, &n));
    assert_int_equal(n, told);
    return n;
}

static void rows(void **state)
{
    struct engine *e = *state;
    struct alert_due first = {.account = 0}, got[2];
    struct alert_row row = row_of(5, 10, ALERT_LETTER_DUE | ALERT_HOOK_DUE), read;
    struct arena a;

    put(e, &row);
    row = row_of(5, 9, ALERT_HELD_BACK);
    put(e, &row);
    row = row_of(6, 1, ALERT_HOOK_DUE);
    put(e, &row);
    row = row_of(4, 2, ALERT_LETTER_DUE);
    put(e, &row);
    assert_int_equal(list(e, 0).n, 4);
    assert_int_equal(list(e, 5).n, 2);
    assert_int_equal(list(e, 5).triggers[0], 9);
    assert_int_equal(list(e, 7).n, 0);
    assert_int_equal(problems(e), 0);
    assert_int_equal(due(e, &first, got), 2);
    assert_int_equal(got[0].account, 4);
    assert_int_equal(got[1].account, 5);
    arena_init(&a, 65536);
    assert_ok(alert_row_get(e, &got[1], &a, &read));
    assert_int_equal(read.is.trigger, 10);
    assert_int_equal(read.is.salt, 7);
    assert_int_equal(read.is.kind, ALERT_MAIL_OUT);
    assert_int_equal(read.is.count, 3);
    assert_int_equal(read.is.not_told, 2);
    assert_int_equal(read.is.when_ms, 10000);
    assert_span(read.is.network, "192.0.2.0/24");
    assert_span(read.is.client, "Mail");
    assert_span(read.is.device, "phone");
    assert_span(read.is.by, "root");
    assert_span(read.is.words, "x@example.net");
    assert_int_equal(due(e, &got[1], got), 1);
    assert_int_equal(got[0].account, 6);
    read.state = 0;
    put(e, &read);
    arena_finish(&a);
    assert_int_equal(due(e, &first, got), 2);
    assert_int_equal(got[1].account, 6);
    assert_ok(alert_forget(e, 6));
    assert_ok(alert_forget(e, 77));
    assert_int_equal(due(e, &first, got), 1);
    assert_int_equal(list(e, 0).n, 3);
    // What is due stays, whatever its age.
    assert_ok(alert_rows_forget(e, 10000));
    assert_int_equal(list(e, 0).n, 2);
    assert_int_equal(problems(e), 0);
}

static void long_texts_are_cut(void **state)
{
    struct engine *e = *state;
    struct alert_row row = row_of(5, 1, ALERT_LETTER_DUE), read;
    struct alert_due name = {5, 1, ALERT_MAIL_OUT, 7};
    char text[2000];
    struct arena a;

    for (size_t i = 0; i + 1 < sizeof(text); i += 2) { // two bytes a character
        memcpy(text + i, "\xC3\xA4", 2);
    }
    row.is.words = span_of(text + 1, sizeof(text) - 1); // one place off: cut within one
    row.is.by = row.is.words;
    put(e, &row);
    arena_init(&a, 65536);
    assert_ok(alert_row_get(e, &name, &a, &read));
    assert_int_equal(read.is.words.n, ALERT_TEXT_BYTES_MAX - 1);
    arena_finish(&a);
}

static void cursors_and_mutes(void **state)
{
    struct engine *e = *state;
    struct alert_cursor c = {.seen = 7,
                             .since = 1800000000,
                             .quota = 80,
                             .known_n = 2,
                             .known = {1, UINT64_MAX}},
                        got;
    struct alert_mute m;
    struct batch *b;
    bool mark;

    assert_err(alert_cursor_get(e, 5, &got), ERR_NOT_FOUND);
    assert_ok(alert_mark_get(e, &mark));
    assert_false(mark);
    assert_ok(batch_create(ALERT_ACCOUNT, &b));
    assert_ok(alert_cursor_put(b, 5, &c));
    assert_ok(alert_mark_put(b));
    commit(e, b);
    assert_ok(alert_mark_get(e, &mark));
    assert_true(mark);
    assert_ok(alert_cursor_get(e, 5, &got));
    assert_int_equal(got.seen, 7);
    assert_int_equal(got.since, 1800000000);
    assert_int_equal(got.quota, 80);
    assert_int_equal(got.known_n, 2);
    assert_true(got.known[1] == UINT64_MAX);
    assert_ok(alert_mute_get(e, 5, &m));
    assert_int_equal(m.kinds, 0);
    assert_ok(alert_mute_put(e, 5, &(struct alert_mute){6, 9}));
    assert_ok(alert_mute_get(e, 5, &m));
    assert_int_equal(m.kinds, 6);
    assert_int_equal(m.until, 9);
    assert_int_equal(problems(e), 0);
    assert_ok(alert_forget(e, 5));
    assert_err(alert_cursor_get(e, 5, &got), ERR_NOT_FOUND);
    assert_ok(alert_mute_get(e, 5, &m));
    assert_int_equal(m.kinds, 0);
}

// Every byte of a value cut off or changed: never more than an error, and the check names it.
static void damage(void **state)
{
    struct engine *e = *state;
    const struct alert_due name = {5, 1, ALERT_MAIL_OUT, 7};
    const struct alert_key row_key = alert_key_of(ALERT_KEY_ROW, &name),
                           due_key = alert_key_of(ALERT_KEY_DUE, &name);
    struct alert_row row = row_of(5, 1, 0), read;
    struct snapshot *s;
    struct span value;
    struct batch *b;
    char copy[300];

    put(e, &row);
    assert_ok(snapshot_open(e, &s));
    assert_ok(snapshot_get(s, ALERT_ACCOUNT, alert_key_span(&row_key), &value));
    assert_true(value.n < sizeof(copy));
    for (size_t n = 0; n < value.n; n++) {
        assert_true(alert_row_decode(alert_key_span(&row_key), span_first(value, n), &read));
        memcpy(copy, value.p, value.n);
        copy[n] = (char)(copy[n] ^ 0xFF);
        alert_row_decode(alert_key_span(&row_key), span_of(copy, value.n), &read);
    }
    snapshot_close(s);
    assert_ok(batch_create(ALERT_ACCOUNT, &b));
    assert_ok(batch_put(b, alert_key_span(&due_key), SPAN("\1")));
    assert_ok(batch_put(b, SPAN("x"), SPAN("\1")));
    commit(e, b);
    assert_int_equal(problems(e), 3); // both sides of what is due, and the stranger
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(cursors_and_mutes, setup, teardown),
        cmocka_unit_test_setup_teardown(damage, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
