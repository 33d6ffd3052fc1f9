// SPDX-License-Identifier: Apache-2.0
//
// Which prepared keys the DNS lets sign.
#include "../store/support.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "delivery/sign_keys.h"
#include "store/secret.h"

#define RECORD "v=DKIM1; k=rsa; p=QUJD"

static struct bench bench;
static struct bench *const b = &bench;
static const char *zone[4][3]; // name and up to two records
static enum err answer;
static unsigned asked;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    memset(zone, 0, sizeof(zone));
    answer = ERR_OK;
    asked = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_close(b);
    return 0;
}

static void add_to(const char *domain, const char *selector, unsigned algorithm)
{
    struct signing_key k = {.domain = span_from_str(domain),
                            .selector = span_from_str(selector),
                            .algorithm = algorithm,
                            .pem = SPAN("secret"),
                            .record = SPAN(RECORD)};

    assert_ok(signing_key_add(b->store, &tester, &k));
}

static void add(const char *selector, unsigned algorithm)
{
    add_to("example.org", selector, algorithm);
}

static enum err ask(void *arg, struct span name, struct arena *a, struct span *out_records)
{
    struct buf out;

    (void)arg;
    asked++;
    buf_init(&out, 4096);
    for (size_t i = 0; i < 4 && answer == ERR_OK; i++) {
        for (size_t k = 1; zone[i][0] && span_eq(name, span_from_str(zone[i][0])) && k < 3; k++) {
            char n[2];

            if (zone[i][k]) {
                put_le16(n, (uint16_t)strlen(zone[i][k]));
                buf_put(&out, span_of(n, 2));
                buf_put_str(&out, zone[i][k]);
            }
        }
    }
    *out_records = arena_dup(a, buf_span(&out));
    buf_finish(&out);
    return answer;
}

static void assert_activates(unsigned wanted)
{
    unsigned n = 99;

    assert_ok(sign_keys_follow(b->store, ask, NULL, &n));
    assert_int_equal(n, wanted);
}

static char states[64];

static bool note(void *arg, const struct signing_key *k)
{
    size_t n = strlen(states);

    (void)arg;
    snprintf(states + n, sizeof(states) - n, "%.*s=%c ", SPAN_ARG(k->selector), "?par"[k->state]);
    return true;
}

static const char *all_states(void)
{
    states[0] = '\0';
    assert_ok(signing_key_list(b->store, SPAN(""), note, NULL));
    return states;
}

static void test_only_what_is_shown_signs(void **state)
{
    (void)state;
    add("one", 1);
    add("two", 2);
    assert_activates(0);
    assert_int_equal(asked, 2);
    assert_string_equal(all_states(), "one=p two=p ");
    zone[0][0] = "two._domainkey.example.org";
    zone[0][1] = "p = QU JD"; // as a person may have typed it
    assert_activates(1);
    assert_string_equal(all_states(), "one=p two=a ");
    asked = 0;
    assert_activates(0); // nobody asks for what signs
    assert_int_equal(asked, 1);
}

static void test_what_is_not_the_key(void **state)
{
    static const char *const records[][2] = {
        {"v=DKIM1; p=QUJE"},   {"v=DKIM1; p="},     {"v=DKIM1; p=QUJDRA"}, {"p=QUI"},
        {"no record of ours"}, {RECORD, "another"}, {RECORD, RECORD},      {""},
    };

    (void)state;
    add("one", 1);
    zone[0][0] = "one._domainkey.example.org";
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        zone[0][1] = records[i][0];
        zone[0][2] = records[i][1];
        assert_activates(0);
    }
    zone[0][1] = RECORD;
    zone[0][2] = NULL;
    answer = ERR_AGAIN; // nobody could say
    assert_activates(0);
    assert_string_equal(all_states(), "one=p ");
    answer = ERR_OK;
    assert_activates(1);
}

// A change of keys: the new one signs, the old one no more.
static void test_the_one_before_is_retired(void **state)
{
    (void)state;
    add("new", 1);
    add("old", 1);
    assert_ok(
        signing_key_set_state(b->store, &tester, SPAN("example.org"), SPAN("old"), SIGNING_ACTIVE));
    zone[0][0] = "new._domainkey.example.org";
    zone[0][1] = RECORD;
    assert_activates(1);
    assert_string_equal(all_states(), "new=a old=r ");
}

// A retired key is forgotten a week later, when its record is gone, and when somebody can say so.
static void test_a_retired_one_is_forgotten(void **state)
{
    (void)state;
    clock_test_fix_real(1800000000);
    add("old", 1);
    add("on", 2);
    assert_ok(
        signing_key_set_state(b->store, &tester, SPAN("example.org"), SPAN("on"), SIGNING_ACTIVE));
    assert_ok(signing_key_set_state(b->store, &tester, SPAN("example.org"), SPAN("old"),
                                    SIGNING_RETIRED));
    clock_test_fix_real(1800000000 + 7 * 86400 - 1);
    assert_activates(0);
    assert_int_equal(asked, 0);
    clock_test_fix_real(1800000000 + 7 * 86400);
    zone[0][0] = "old._domainkey.example.org";
    zone[0][1] = RECORD;
    assert_activates(0);
    zone[0][0] = NULL;
    answer = ERR_AGAIN;
    assert_activates(0);
    assert_int_equal(asked, 2);
    assert_string_equal(all_states(), "old=r on=a ");
    answer = ERR_OK;
    assert_activates(0);
    assert_string_equal(all_states(), "on=a ");
    clock_test_fix_real(-1);
}

// Those whom nobody publishes keep no one else from signing.
static void test_many_that_wait(void **state)
{
    char domain[32], selector[8];

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        snprintf(domain, sizeof(domain), "d%u.example", i / 30);
        snprintf(selector, sizeof(selector), "k%u", i % 30);
        add_to(domain, selector, 1);
    }
    add_to("last.example", "z", 1);
    zone[0][0] = "z._domainkey.last.example";
    zone[0][1] = RECORD;
    assert_activates(1);
    assert_int_equal(asked, 301);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_is_shown_signs),
        TEST(test_what_is_not_the_key),
        TEST(test_the_one_before_is_retired),
        TEST(test_a_retired_one_is_forgotten),
        TEST(test_many_that_wait),
    };

    return BENCH_RUN("sign-keys", tests);
}
