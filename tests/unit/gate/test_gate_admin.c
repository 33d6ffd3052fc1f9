// SPDX-License-Identifier: Apache-2.0
//
// HTTP for administrators in the gate, without sockets: what keep is asked over the pair, and what
// becomes of what it says, cut at every place.
#include "../test.h"
#include "base/bytes.h"
#include "dialogue_driver.h"
#include "gate/http/http.h"
#include "gate/http/http_keep.h"

#define METRICS "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define REQUEST "{\"version\":1,\"command\":\"metrics\"}"

static struct driver r;
static struct buf told; // what keep says

static int setup(void **state)
{
    (void)state;
    driver_open(&r, &http_admin_protocol, "");
    r.d.host = SPAN("mail.example.org");
    r.d.is_loopback = true;
    dialogue_greet(&r.d);
    buf_init(&told, 4u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    driver_close(&r);
    buf_finish(&told);
    return 0;
}

static bool said(const char *text)
{
    struct span s = buf_span(&r.said);

    return span_find(s, span_from_str(text)) < s.n;
}

// The pair is opened, takes what there is to say, and is closed when it is spent, as the owner does
// it.
static void pair_opened(void)
{
    assert_true(r.d.pair.is_wanted);
    assert_int_equal(r.d.step, DIALOGUE_WAIT);
    assert_true(r.d.pair.out.n == 5 + sizeof(REQUEST) - 1);
    assert_int_equal(get_le32(r.d.pair.out.p), sizeof(REQUEST));
    assert_int_equal(r.d.pair.out.p[4], CONTROL_REQUEST);
    assert_span(span_skip(buf_span(&r.d.pair.out), 5), REQUEST);
    buf_clear(&r.d.pair.out);
    r.d.pair.is_open = true;
    dialogue_pair_moved(&r.d);
    assert_int_equal(r.d.step, DIALOGUE_WAIT);
}

static void keep_says(struct span bytes, size_t piece)
{
    while (bytes.n && r.d.pair.is_open && !r.d.pair.is_spent) {
        buf_put(&r.d.pair.in, span_first(bytes, piece));
        bytes = span_skip(bytes, piece);
        dialogue_pair_moved(&r.d);
    }
    if (!r.d.pair.is_wanted || r.d.pair.is_spent) {
        r.d.pair.is_open = r.d.pair.is_spent = false;
    }
}

static void test_what_keep_says_follows_ours_cut_anywhere(void **state)
{
    (void)state;
    http_keep_put(&told, CONTROL_PROGRESS, SPAN("{}"));
    http_keep_put(&told, CONTROL_CHUNK, SPAN("keep_says 1\n"));
    http_keep_put(&told, CONTROL_CHUNK, SPAN(""));
    http_keep_put(&told, CONTROL_CHUNK, SPAN("keep_says 2\n"));
    http_keep_put(&told, CONTROL_RESULT, SPAN("{}"));
    for (size_t piece = 1; piece <= told.n; piece++) {
        driver_send(&r, SPAN(METRICS), 0);
        pair_opened();
        keep_says(buf_span(&told), piece);
        assert_int_equal(r.d.step, DIALOGUE_READ);
        assert_false(r.d.pair.is_wanted);
        driver_hear(&r);
        assert_true(said("HTTP/1.1 200 OK\r\n") && said("mailkeep_keep_up 1\n"));
        assert_true(said("keep_says 1\nkeep_says 2\n"));
        if (r.d.step == DIALOGUE_CLOSE || piece % 90 == 0) { // http_requests_max
            teardown(NULL);
            setup(NULL);
            http_keep_put(&told, CONTROL_CHUNK, SPAN("keep_says 1\nkeep_says 2\n"));
            http_keep_put(&told, CONTROL_RESULT, SPAN("{}"));
        }
    }
}

static void test_without_keep_the_gates_own_are_given(void **state)
{
    static const unsigned char wrong[][5] = {{0, 0, 0, 0, CONTROL_CHUNK},
                                             {255, 255, 255, 255, CONTROL_CHUNK},
                                             {1, 0, 0, 0, CONTROL_REQUEST},
                                             {1, 0, 0, 0, 99},
                                             {1, 0, 0, 0, CONTROL_ERROR}};

    (void)state;
    driver_send(&r, SPAN(METRICS), 0);
    dialogue_pair_lost(&r.d); // could not be opened
    driver_hear(&r);
    assert_true(said("mailkeep_keep_up 0\n") && said("mailkeep_gate_connections{"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        buf_clear(&r.said);
        driver_send(&r, SPAN(METRICS), 0);
        pair_opened();
        keep_says(span_of(wrong[i], 5), 5);
        assert_int_equal(r.d.step, DIALOGUE_READ);
        driver_hear(&r);
        assert_true(said("mailkeep_keep_up 0\n"));
    }
}

static void test_more_than_there_is_room_for_is_no_answer(void **state)
{
    char much[32768];

    (void)state;
    memset(much, '#', sizeof(much));
    for (int i = 0; i < 8; i++) {
        http_keep_put(&told, CONTROL_CHUNK, span_of(much, sizeof(much)));
    }
    http_keep_put(&told, CONTROL_RESULT, SPAN("{}"));
    driver_send(&r, SPAN(METRICS), 0);
    pair_opened();
    keep_says(buf_span(&told), 16384);
    driver_hear(&r);
    assert_true(said("200 OK") && said("mailkeep_keep_up 0\n") && !said("###"));
}

static void test_only_this_machine_under_its_names(void **state)
{
    static const struct {
        const char *host;
        bool is_loopback;
        const char *want;
    } rows[] = {
        {"127.0.0.1:8025", false, " 403 "},
        {"evil.example", true, " 421 "},
        {"1.evil.example", true, " 421 "},
        {"localhost.evil", true, " 421 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];

        teardown(NULL);
        setup(NULL);
        r.d.is_loopback = rows[i].is_loopback;
        snprintf(text, sizeof(text), "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].host);
        driver_send(&r, span_from_str(text), 0);
        assert_false(r.d.pair.is_wanted);
        driver_hear(&r);
        assert_true(said(rows[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_keep_says_follows_ours_cut_anywhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_without_keep_the_gates_own_are_given, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_there_is_room_for_is_no_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_only_this_machine_under_its_names, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
