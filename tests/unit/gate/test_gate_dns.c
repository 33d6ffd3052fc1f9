// SPDX-License-Identifier: Apache-2.0
//
// Questions to the DNS by way of the courier, which the test plays: in any order, too many, too
// slow, lost, forgotten; and the records of an answer.
#include "../test.h"
#include "gate/dns/dns_desk.h"
#include "gate/dns/dns_record.h"

#define ASKED_MAX 64

struct world {
    struct loop *loop;
    struct dns_desk *desk;
    struct loop_task stop;
    uint64_t ids[ASKED_MAX]; // as the courier got them
    char names[ASKED_MAX][256];
    unsigned asked;
    bool is_away;
};

struct asker {
    struct dns_client client;
    struct world *w;
    unsigned answers;
    char names[16][32];
    enum dns_status status[16];
    char data[64];
    bool asks_again; // at each answer
    struct asker *forgets;
};

static enum err play_courier(void *arg, struct span bytes, int fd)
{
    struct world *w = arg;
    struct ipc_frame frame;
    struct ipc_dns_ask m;

    assert_int_equal(fd, -1);
    if (w->is_away) {
        return ERR_UNAVAILABLE;
    }
    assert_ok(ipc_frame_next(bytes, &frame));
    assert_int_equal(frame.type, IPC_DNS_ASK);
    assert_ok(ipc_dns_ask_decode(frame.fields, &m));
    assert_true(w->asked < ASKED_MAX);
    w->ids[w->asked] = m.id;
    snprintf(w->names[w->asked++], 256, "%.*s", SPAN_ARG(m.name));
    return ERR_OK;
}

static void world_open(struct world *w, unsigned open_max, unsigned waiting_max, int64_t timeout_ms)
{
    memset(w, 0, sizeof(*w));
    assert_ok(loop_create(&w->loop));
    struct dns_desk_options o = {.loop = w->loop,
                                 .id_first = 3,
                                 .id_step = 64,
                                 .send = play_courier,
                                 .arg = w,
                                 .open_max = open_max,
                                 .waiting_max = waiting_max,
                                 .timeout_ms = timeout_ms};
    assert_ok(dns_desk_create(&o, &w->desk));
}

static void world_close(struct world *w)
{
    dns_desk_destroy(w->desk);
    loop_destroy(w->loop);
}

static void on_answer(struct dns_client *c, struct span name, enum dns_type type,
                      const struct dns_answer *a)
{
    struct asker *me = LIST_ITEM(c, struct asker, client);
    unsigned i = me->answers++;

    (void)type;
    assert_true(i < 16);
    snprintf(me->names[i], 32, "%.*s", SPAN_ARG(name));
    me->status[i] = a->status;
    if (a->n) {
        snprintf(me->data, sizeof(me->data), "%.*s", SPAN_ARG(a->records[0].data));
    }
    if (me->forgets) {
        dns_client_forget(&me->forgets->client);
    }
    if (me->asks_again) {
        me->asks_again = false;
        assert_ok(dns_desk_ask(me->w->desk, c, SPAN("again.example"), DNS_TXT));
    }
}

static void asker_init(struct asker *a, struct world *w)
{
    memset(a, 0, sizeof(*a));
    a->w = w;
    a->client.answered = on_answer;
    dns_client_init(&a->client);
}

static void on_stop(struct loop_task *t)
{
    loop_stop(LIST_ITEM(t, struct world, stop)->loop);
}

// Works off what other threads have posted.
static void work_off(struct world *w)
{
    w->stop.run = on_stop;
    loop_post(w->loop, &w->stop);
    loop_run(w->loop);
}

static void answer(struct world *w, unsigned asked, const char *txt)
{
    char records[256];
    size_t n = strlen(txt);

    records[0] = (char)n;
    records[1] = 0;
    memcpy(records + 2, txt, n);
    struct ipc_dns_answer m = {
        .id = w->ids[asked], .status = IPC_DNS_OK, .records = span_of(records, n + 2)};

    dns_desk_answer(w->desk, &m);
}

static void ask(struct asker *a, const char *name)
{
    assert_ok(dns_desk_ask(a->w->desk, &a->client, span_from_str(name), DNS_TXT));
}

static void test_answers_in_any_order(void **state)
{
    struct world w;
    struct asker a, b;

    (void)state;
    world_open(&w, 10, 10, 60000);
    asker_init(&a, &w);
    asker_init(&b, &w);
    ask(&a, "one.example");
    ask(&a, "two.example");
    ask(&b, "one.example");
    assert_int_equal(w.asked, 3);
    assert_int_equal(w.ids[0] % 64, 3);
    answer(&w, 2, "for b");
    answer(&w, 1, "second");
    answer(&w, 1, "a second time");
    assert_int_equal(b.answers, 0); // not before the worker's thread has it
    work_off(&w);
    assert_int_equal(b.answers, 1);
    assert_string_equal(b.data, "for b");
    assert_int_equal(a.answers, 1);
    assert_string_equal(a.names[0], "two.example");
    assert_int_equal(dns_desk_open(w.desk), 1);
    dns_client_forget(&a.client);
    answer(&w, 0, "too late");
    work_off(&w);
    assert_int_equal(a.answers, 1);
    assert_int_equal(dns_desk_open(w.desk), 0);
    world_close(&w);
}

static void test_waits_its_turn(void **state)
{
    struct world w;
    struct asker a;

    (void)state;
    world_open(&w, 2, 2, 60000);
    asker_init(&a, &w);
    ask(&a, "1.example");
    ask(&a, "2.example");
    ask(&a, "3.example");
    ask(&a, "4.example");
    assert_err(dns_desk_ask(w.desk, &a.client, SPAN("5.example"), DNS_TXT), ERR_LIMIT);
    assert_int_equal(w.asked, 2);
    answer(&w, 1, "x");
    work_off(&w);
    assert_int_equal(w.asked, 3);
    assert_string_equal(w.names[2], "3.example");
    answer(&w, 0, "x");
    answer(&w, 2, "x");
    work_off(&w);
    assert_int_equal(w.asked, 4);
    answer(&w, 3, "x");
    work_off(&w);
    assert_int_equal(a.answers, 4);
    world_close(&w);
}

static void test_forgotten_makes_room(void **state)
{
    struct world w;
    struct asker a, b;

    (void)state;
    world_open(&w, 1, 9, 60000);
    asker_init(&a, &w);
    asker_init(&b, &w);
    ask(&a, "1.example");
    ask(&b, "2.example");
    dns_client_forget(&a.client);
    assert_int_equal(w.asked, 1); // not from within somebody's call
    work_off(&w);
    assert_int_equal(w.asked, 2);
    world_close(&w);
}

static void test_courier_away(void **state)
{
    struct world w;
    struct asker a;

    (void)state;
    world_open(&w, 2, 10, 60000);
    asker_init(&a, &w);
    ask(&a, "1.example");
    ask(&a, "2.example");
    ask(&a, "3.example");
    w.is_away = true;
    dns_desk_lost(w.desk);
    work_off(&w);
    assert_int_equal(a.answers, 3);
    assert_int_equal(a.status[0], DNS_TEMPFAIL);
    assert_int_equal(a.status[2], DNS_TEMPFAIL);
    assert_err(dns_desk_ask(w.desk, &a.client, SPAN("4.example"), DNS_TXT), ERR_UNAVAILABLE);
    assert_int_equal(dns_desk_open(w.desk), 0);
    world_close(&w);
}

// What waits goes to the new courier; an answer that asks on does, too.
static void test_courier_anew(void **state)
{
    struct world w;
    struct asker a;

    (void)state;
    world_open(&w, 1, 10, 60000);
    asker_init(&a, &w);
    a.asks_again = true;
    ask(&a, "1.example");
    ask(&a, "2.example");
    dns_desk_lost(w.desk);
    work_off(&w);
    assert_int_equal(a.answers, 1);
    assert_int_equal(w.asked, 2);
    assert_string_equal(w.names[1], "2.example");
    answer(&w, 1, "x");
    work_off(&w);
    assert_string_equal(w.names[2], "again.example");
    world_close(&w);
}

static void test_too_slow(void **state)
{
    struct world w;
    struct asker a, b;

    (void)state;
    world_open(&w, 1, 10, 1);
    asker_init(&a, &w);
    asker_init(&b, &w);
    ask(&a, "1.example");
    ask(&a, "2.example");
    ask(&b, "3.example");
    a.forgets = &b; // within its own answer
    while (dns_desk_open(w.desk)) {
        work_off(&w);
    }
    assert_int_equal(a.answers, 2);
    assert_int_equal(b.answers, 0);
    assert_int_equal(a.status[1], DNS_TEMPFAIL);
    world_close(&w);
}

static void test_ends_with_questions(void **state)
{
    struct world w;
    struct asker a;

    (void)state;
    world_open(&w, 1, 10, 60000);
    asker_init(&a, &w);
    ask(&a, "1.example");
    ask(&a, "2.example");
    answer(&w, 0, "never read");
    world_close(&w);
    assert_int_equal(a.answers, 0);
}

static void test_records(void **state)
{
    static const struct {
        enum dns_type type;
        const char *bytes;
        size_t n;
        uint8_t status;
        enum dns_status want;
        size_t want_n;
    } cases[] = {
        {DNS_A, "\4\0\300\0\2\1\4\0\300\0\2\2", 12, IPC_DNS_OK, DNS_OK, 2},
        {DNS_A, "\3\0\300\0\2\4\0\300\0\2\2", 11, IPC_DNS_OK, DNS_OK, 1}, // the first is none
        {DNS_A, "\3\0\300\0\2", 5, IPC_DNS_OK, DNS_NODATA, 0},
        {DNS_AAAA, "\4\0\300\0\2\1", 6, IPC_DNS_OK, DNS_NODATA, 0},
        {DNS_TXT, "\3\0abc\0\0", 7, IPC_DNS_OK, DNS_OK, 2},
        {DNS_TXT, "\3\0abc\377\377x", 8, IPC_DNS_OK, DNS_OK, 1}, // the second is cut
        {DNS_TXT, "\3", 1, IPC_DNS_OK, DNS_NODATA, 0},
        {DNS_TXT, "\3\0abc", 5, IPC_DNS_BOGUS, DNS_TEMPFAIL, 0},
        {DNS_TXT, "", 0, IPC_DNS_NO_NAME, DNS_NXDOMAIN, 0},
        {DNS_TXT, "", 0, IPC_DNS_NO_DATA, DNS_NODATA, 0},
        {DNS_TXT, "", 0, 77, DNS_TEMPFAIL, 0},
        {DNS_MX, "\1\0x", 3, IPC_DNS_OK, DNS_NODATA, 0},
    };
    struct dns_answer a;
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipc_dns_answer m = {.status = cases[i].status,
                                   .secure = 1,
                                   .ttl = 60,
                                   .records = span_of(cases[i].bytes, cases[i].n)};

        assert_ok(dns_record_read(&m, cases[i].type, &arena, &a));
        assert_int_equal(a.status, cases[i].want);
        assert_int_equal(a.n, cases[i].want_n);
        assert_true(a.is_validated);
    }
    struct ipc_dns_answer mx = {.status = IPC_DNS_OK, .records = span_of("\6\0\12\1m.ex", 8)};

    assert_ok(dns_record_read(&mx, DNS_MX, &arena, &a));
    assert_int_equal(a.records[0].preference, 266);
    assert_span(a.records[0].data, "m.ex");
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_any_order), cmocka_unit_test(test_waits_its_turn),
        cmocka_unit_test(test_forgotten_makes_room), cmocka_unit_test(test_courier_away),
        cmocka_unit_test(test_courier_anew),         cmocka_unit_test(test_too_slow),
        cmocka_unit_test(test_ends_with_questions),  cmocka_unit_test(test_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
