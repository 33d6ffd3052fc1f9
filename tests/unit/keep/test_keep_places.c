// SPDX-License-Identifier: Apache-2.0
//
// keep's questions about places: what is asked, what is remembered, and what becomes of nonsense,
// silence and a courier that is away (L59). The courier is played by this test.
#include "../test.h"
#include "base/clock.h"
#include "keep/login/keep_places.h"

static struct {
    struct keep_places *places;
    unsigned asked;
    char address[64];
    struct ipc_place_answer answer; // to be given at once
    bool is_silent, is_lost, is_late;
    enum err sent;
} w;

static void answer(uint64_t id)
{
    struct buf b;
    struct ipc_frame frame;

    w.answer.id = id;
    buf_init(&b, 4096);
    assert_ok(ipc_place_answer_encode(&w.answer, 0, &b));
    assert_ok(ipc_frame_next(buf_span(&b), &frame));
    assert_ok(keep_places_answer(w.places, frame.fields));
    buf_finish(&b);
}

static enum err on_send(void *arg, struct span bytes)
{
    struct ipc_frame frame;
    struct ipc_place_ask m;

    (void)arg;
    w.asked++;
    assert_ok(ipc_frame_next(bytes, &frame));
    assert_int_equal(frame.type, IPC_PLACE_ASK);
    assert_ok(ipc_place_ask_decode(frame.fields, &m));
    snprintf(w.address, sizeof(w.address), "%.*s", SPAN_ARG(m.address));
    if (w.is_lost) {
        keep_places_lost(w.places);
    } else if (w.is_late) {
        answer(m.id - 1);
    } else if (!w.is_silent && w.sent == ERR_OK) {
        answer(m.id);
    }
    return w.sent;
}

static int set_up(void **state)
{
    const struct keep_places_options o = {.send = on_send, .timeout_ms = 30};

    (void)state;
    memset(&w, 0, sizeof(w));
    w.answer = (struct ipc_place_answer){.result = IPC_PLACE_KNOWN,
                                         .country = SPAN("FR"),
                                         .name = SPAN("France"),
                                         .has_position = 1,
                                         .latitude = 9000 + 4885,
                                         .longitude = 18000 - 235,
                                         .radius_km = 20};
    assert_ok(keep_places_create(&o, &w.places));
    keep_places_set(w.places, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keep_places_destroy(w.places);
    return 0;
}

static bool find(const char *network, struct signin_place *p)
{
    return keep_places_find(w.places, span_from_str(network), p);
}

static void asks_and_remembers(void **state)
{
    struct signin_place p = {.name_n = 0};

    (void)state;
    assert_true(find("2.1.0.0/24", &p));
    assert_string_equal(w.address, "2.1.0.0");
    assert_memory_equal(p.code, "FR", 2);
    assert_span(signin_place_name(&p), "France");
    assert_int_equal(p.latitude, 4885);
    assert_int_equal(p.longitude, -235);
    assert_int_equal(p.radius_km, 20);
    assert_true(find("2.1.0.0/24", &p));
    assert_int_equal(w.asked, 1);
    assert_true(find("2a01:c000:1::/48", &p));
    assert_string_equal(w.address, "2a01:c000:1::");
    w.answer.result = IPC_PLACE_NONE; // is remembered, too
    assert_false(find("2.2.0.0/24", &p));
    assert_false(find("2.2.0.0/24", &p));
    assert_int_equal(w.asked, 3);
    keep_places_set(w.places, true);         // another file, maybe
    w.answer.result = IPC_PLACE_UNAVAILABLE; // is not
    assert_false(find("2.1.0.0/24", &p));
    assert_false(find("2.1.0.0/24", &p));
    assert_int_equal(w.asked, 5);
    keep_places_set(w.places, false);
    assert_false(find("2.1.0.0/24", &p));
    assert_int_equal(w.asked, 5);
}

// What can be no host of the Internet is not asked about.
static void private_networks(void **state)
{
    static const char *const networks[] = {"10.1.2.0/24",
                                           "192.168.0.0/24",
                                           "127.0.0.0/24",
                                           "172.20.1.0/24",
                                           "169.254.0.0/24",
                                           "100.64.1.0/24",
                                           "192.0.2.0/24",
                                           "fd00:1::/48",
                                           "fe80::/48",
                                           "::/48",
                                           "",
                                           "somewhere",
                                           "2001:db8::/48",
                                           "/24",
                                           "999.1.1.1/24"};
    struct signin_place p;

    (void)state;
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
        assert_false(find(networks[i], &p));
    }
    assert_int_equal(w.asked, 0);
}

static void nonsense(void **state)
{
    struct signin_place p = {.name_n = 0};
    struct ipc_place_answer good = w.answer;

    (void)state;
    w.answer.country = SPAN("F"); // no code: nothing is known
    assert_false(find("2.1.0.0/24", &p));
    w.answer.country = SPAN("f\n");
    assert_false(find("2.2.0.0/24", &p));
    w.answer = good;
    w.answer.name = SPAN("Fra\nnce");
    assert_true(find("2.3.0.0/24", &p));
    assert_int_equal(p.name_n, 0);
    w.answer.name = SPAN("Fr\xffnce");
    assert_true(find("2.4.0.0/24", &p));
    assert_int_equal(p.name_n, 0);
    w.answer.latitude = 18001;
    assert_true(find("2.5.0.0/24", &p));
    assert_false(p.has_position);
    assert_err(keep_places_answer(w.places, SPAN("x")), ERR_INVALID);
    answer(12345); // nobody waits
}

static void silence(void **state)
{
    struct signin_place p;

    (void)state;
    w.is_silent = true;
    assert_false(find("2.1.0.0/24", &p));
    assert_false(find("2.1.0.0/24", &p)); // and nobody waits again
    assert_false(find("2.2.0.0/24", &p));
    assert_int_equal(w.asked, 1);
    keep_places_set(w.places, true);
    w.is_late = true; // an answer to another question
    assert_false(find("2.1.0.0/24", &p));
    keep_places_set(w.places, true);
    w.is_late = w.is_silent = false;
    w.is_lost = true;
    assert_false(find("2.1.0.0/24", &p));
    keep_places_set(w.places, true);
    w.is_lost = false;
    w.sent = ERR_UNAVAILABLE;
    assert_false(find("2.1.0.0/24", &p));
    w.sent = ERR_OK;
    keep_places_set(w.places, true);
    assert_true(find("2.1.0.0/24", &p));
    assert_int_equal(w.asked, 5);
    keep_places_end(w.places);
    assert_false(find("2.1.0.0/24", &p));
    assert_int_equal(w.asked, 5);
}

int main(void)
{
#define ONE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(asks_and_remembers),
        ONE(private_networks),
        ONE(nonsense),
        ONE(silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
