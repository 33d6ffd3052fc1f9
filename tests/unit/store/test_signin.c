// SPDX-License-Identifier: Apache-2.0
//
// The sign-in history: what adds up, what is bounded, what goes first, and what stays untouched.
#include "store/access/signin.h"
#include "store/mailbox.h"
#include "store/rules_internal.h"
#include "support.h"

#define DAY  86400ll
#define BASE (20000 * DAY)

static int set_up(void **state)
{
    struct bench *b = malloc(sizeof(*b));

    bench_choose(state);
    bench_open(b);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench_check(*state);
    bench_close(*state);
    free(*state);
    return 0;
}

static struct signin one(int64_t when, const char *network, const char *client, uint64_t count,
                         uint64_t failures)
{
    return (struct signin){.service = SIGNIN_IMAP,
                           .network = span_from_str(network),
                           .client = span_from_str(client),
                           .first = when,
                           .last = when,
                           .count = count,
                           .failures = failures};
}

static void record(struct bench *b, struct signin i, int64_t keep_from)
{
    assert_ok(signin_record(b->store, b->account, &i, 1, keep_from));
}

struct seen {
    struct buf text;
    size_t rows, failed_rows;
    uint64_t count, failures;
};

static bool see(void *arg, const struct signin *i)
{
    struct seen *s = arg;

    s->rows++;
    s->failed_rows += i->count == 0;
    s->count += i->count;
    s->failures += i->failures;
    if (s->rows <= 5) {
        buf_printf(&s->text, "%lld-%lld %.*s/%.*s %llu+%llu;", (long long)(i->first - BASE),
                   (long long)(i->last - BASE), SPAN_ARG(i->network), SPAN_ARG(i->client),
                   (unsigned long long)i->count, (unsigned long long)i->failures);
    }
    return true;
}

static struct seen look(struct bench *b, int64_t since)
{
    struct seen s = {.rows = 0};

    buf_init(&s.text, 4096);
    assert_ok(signin_list(b->store, b->account, since, see, &s));
    buf_put_byte(&s.text, '\0');
    return s;
}

static size_t rows_of(struct bench *b)
{
    struct seen s = look(b, 0);

    buf_finish(&s.text);
    return s.rows;
}

static void assert_rows(struct bench *b, int64_t since, const char *want)
{
    struct seen s = look(b, since);

    assert_string_equal(s.text.p, want);
    buf_finish(&s.text);
}

static void test_adds_up(void **state)
{
    struct bench *b = *state;
    uint64_t before = bench_mailbox_get(b, "INBOX").highest_modseq;

    record(b, one(BASE + 100, "192.0.2.0/24", "Thunderbird", 1, 0), 0);
    record(b, one(BASE + 50, "192.0.2.0/24", "Thunderbird", 2, 1), 0);
    record(b, one(BASE + 200, "192.0.2.0/24", "", 1, 0), 0);
    record(b, one(BASE + DAY + 7, "192.0.2.0/24", "Thunderbird", 1, 0), 0);
    bench_reopen(b);
    assert_rows(b, 0,
                "200-200 192.0.2.0/24/ 1+0;50-100 192.0.2.0/24/Thunderbird 3+1;"
                "86407-86407 192.0.2.0/24/Thunderbird 1+0;");
    assert_rows(b, BASE + DAY, "86407-86407 192.0.2.0/24/Thunderbird 1+0;");
    assert_int_equal(bench_mailbox_get(b, "INBOX").highest_modseq, before);
}

// What spans midnight counts on the day it ended.
static void test_midnight(void **state)
{
    struct bench *b = *state;
    struct signin i = one(BASE + DAY + 5, "192.0.2.0/24", "", 2, 0);

    i.first = BASE + DAY - 5;
    record(b, i, 0);
    assert_rows(b, 0, "86405-86405 192.0.2.0/24/ 2+0;");
}

static void test_forgotten(void **state)
{
    struct bench *b = *state;

    for (int day = 0; day < 4; day++) {
        record(b, one(BASE + day * DAY, "192.0.2.0/24", "", 1, 0), 0);
    }
    // A row that is there already makes nothing go; a new one does.
    record(b, one(BASE + 3 * DAY + 9, "192.0.2.0/24", "", 1, 0), BASE + DAY + 5);
    assert_int_equal(rows_of(b), 4);
    record(b, one(BASE + 4 * DAY, "192.0.2.0/24", "", 1, 0), BASE + DAY + 5);
    assert_int_equal(rows_of(b), 4);
    assert_ok(signin_forget(b->store, b->account, BASE + 3 * DAY));
    assert_rows(b, 0, "259200-259209 192.0.2.0/24/ 2+0;345600-345600 192.0.2.0/24/ 1+0;");
    assert_int_equal(signin_forget(b->store, 4711, BASE), ERR_NOT_FOUND);
}

// Many networks that guess are many rows up to a number, and one row beyond it; nothing is lost.
static void test_guessers(void **state)
{
    struct bench *b = *state;
    struct signin items[SIGNIN_AT_ONCE];
    char names[SIGNIN_AT_ONCE][32];

    for (int from = 0; from < 4; from++) {
        for (int i = 0; i < SIGNIN_AT_ONCE; i++) {
            snprintf(names[i], sizeof(names[i]), "10.%d.%d.0/24", from, i);
            items[i] = one(BASE + from, names[i], "", 0, 3);
        }
        assert_ok(signin_record(b->store, b->account, items, SIGNIN_AT_ONCE, 0));
    }
    struct seen s = look(b, 0);

    assert_int_equal(s.rows, SIGNIN_FAILED_ROWS_MAX + 1);
    assert_int_equal(s.failures, 3 * 4 * SIGNIN_AT_ONCE);
    buf_finish(&s.text);
    s = look(b, 0);
    assert_memory_equal(s.text.p, "1-3 / 0+468;", 12);
    buf_finish(&s.text);
}

static void test_bounded(void **state)
{
    struct bench *b = *state;
    struct signin items[SIGNIN_AT_ONCE];
    char names[SIGNIN_AT_ONCE][32];
    int n = 0;

    record(b, one(BASE, "198.51.100.0/24", "", 1, 0), 0);
    record(b, one(BASE, "203.0.113.0/24", "", 0, 1), 0);
    while (n < SIGNIN_ROWS_MAX - 2) {
        int k = 0;

        for (; k < SIGNIN_AT_ONCE && n < SIGNIN_ROWS_MAX - 2; k++, n++) {
            snprintf(names[k], sizeof(names[k]), "10.%d.%d.0/24", n / 256, n % 256);
            items[k] = one(BASE + DAY, names[k], "", 1, 0);
        }
        assert_ok(signin_record(b->store, b->account, items, (size_t)k, 0));
    }
    assert_int_equal(rows_of(b), SIGNIN_ROWS_MAX);
    record(b, one(BASE + 2 * DAY, "10.200.0.0/24", "", 1, 0), 0);
    struct seen s = look(b, 0);

    // The one that had only failed went, the older one that had not stays.
    assert_int_equal(s.rows, SIGNIN_ROWS_MAX);
    assert_int_equal(s.failed_rows, 0);
    assert_memory_equal(s.text.p, "0-0 198.51.100.0/24/ 1+0;", 25);
    buf_finish(&s.text);
    record(b, one(BASE + 2 * DAY, "10.200.1.0/24", "", 1, 0), 0);
    s = look(b, 0);
    assert_int_equal(s.rows, SIGNIN_ROWS_MAX);
    assert_memory_not_equal(s.text.p, "0-0 ", 4);
    buf_finish(&s.text);
}

// A row of day 0 whose times stand `days` later: a day is 32 bits in the key, a time is not.
static enum err decode_with(int64_t days, uint64_t count)
{
    static const char key[] = "l\0\0\0\0\0\0\0\0\001net\0client";
    char room[64];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);
    struct signin out;

    pack_i64(&p, days * DAY + 1);
    pack_i64(&p, days * DAY + 2);
    pack_u64(&p, count);
    pack_u64(&p, 0);
    pack_u64(&p, 7);
    return signin_decode(span_of(key, sizeof(key) - 1), pack_span(&p), &out);
}

static void test_damaged(void **state)
{
    (void)state;
    assert_ok(decode_with(0, 1));
    assert_int_equal(decode_with(1, 1), ERR_CORRUPT);
    assert_int_equal(decode_with(-1, 1), ERR_CORRUPT);
    assert_int_equal(decode_with((int64_t)UINT32_MAX + 1, 1), ERR_CORRUPT);
    assert_int_equal(decode_with(0, UINT64_MAX), ERR_CORRUPT);
}

static bool keep_place(void *arg, const struct signin *i)
{
    *(struct signin *)arg = *i;
    return true;
}

static struct signin the_row(struct bench *b)
{
    struct signin got = {.count = 0};

    assert_ok(signin_list(b->store, b->account, 0, keep_place, &got));
    return got;
}

// Where it was: of the last that was known, and nothing in rows of before.
static void places(void **state)
{
    struct bench *b = *state;
    struct signin i = one(BASE, "2.1.0.0/24", "x", 1, 0);

    record(b, i, 0);
    assert_int_equal(the_row(b).place.code[0], 0);
    i.place = (struct signin_place){.code = {'F', 'R'},
                                    .name_n = 6,
                                    .name_text = "France",
                                    .has_position = true,
                                    .latitude = -9000,
                                    .longitude = 18000,
                                    .radius_km = UINT32_MAX - 1};
    record(b, i, 0);
    i.place = (struct signin_place){.name_n = 0};
    record(b, i, 0); // not known this time
    struct signin got = the_row(b);

    assert_int_equal(got.count, 3);
    assert_memory_equal(got.place.code, "FR", 2);
    assert_span(signin_place_name(&got.place), "France");
    assert_true(got.place.has_position);
    assert_int_equal(got.place.latitude, -9000);
    assert_int_equal(got.place.longitude, 18000);
    assert_int_equal(got.place.radius_km, UINT32_MAX - 1);
    i.place = (struct signin_place){.code = {'C', 'H'}};
    record(b, i, 0);
    got = the_row(b);
    assert_memory_equal(got.place.code, "CH", 2);
    assert_int_equal(got.place.name_n, 0);
    assert_false(got.place.has_position);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_adds_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_midnight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_guessers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test(test_damaged),
    };

    return BENCH_RUN("store-signin", tests);
}
