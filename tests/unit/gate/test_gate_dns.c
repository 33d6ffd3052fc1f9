// SPDX-License-Identifier: Apache-2.0
//
// Questions to the DNS by way of the courier, which the test plays: in any order, too many, too
// slow, lost, forgotten; and the records of an answer.
#include "../test.h"
#include "gate/dns/dns_cache.h"
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

// ---- what is known
// --------------------------------------------------------------------------------

static void test_known_is_not_asked_again(void **state)
{
    struct world w;
    struct asker a;
    struct dns_answer known;
    struct arena arena;

    (void)state;
    world_open(&w, 10, 10, 60000);
    asker_init(&a, &w);
    arena_init(&arena, 65536);
    assert_false(dns_desk_known(w.desk, SPAN("one.example"), DNS_TXT, &arena, &known));
    ask(&a, "one.example");
    struct ipc_dns_answer m = {.id = w.ids[0],
                               .status = IPC_DNS_OK,
                               .secure = 1,
                               .ttl = 60,
                               .records = span_of("\3\0abc", 5)};

    dns_desk_answer(w.desk, &m);
    work_off(&w);
    assert_true(dns_desk_known(w.desk, SPAN("one.example"), DNS_TXT, &arena, &known));
    assert_int_equal(known.status, DNS_OK);
    assert_true(known.is_validated);
    assert_int_equal(known.n, 1);
    assert_span(known.records[0].data, "abc");
    assert_false(dns_desk_known(w.desk, SPAN("one.example"), DNS_A, &arena, &known));
    ask(&a, "two.example");
    dns_desk_lost(w.desk); // says nothing about the DNS
    work_off(&w);
    assert_false(dns_desk_known(w.desk, SPAN("two.example"), DNS_TXT, &arena, &known));
    arena_finish(&arena);
    world_close(&w);
}

static void keep(struct dns_cache *c, const char *name, uint8_t status, uint32_t ttl)
{
    struct ipc_dns_answer m = {.status = status, .ttl = ttl};

    if (status == IPC_DNS_OK) {
        m.records = span_of("\3\0abc", 5);
    }
    dns_cache_put(c, span_from_str(name), DNS_TXT, &m, 1000);
}

static bool has(struct dns_cache *c, const char *name, int64_t now_ms)
{
    return dns_cache_get(c, span_from_str(name), DNS_TXT, now_ms) != NULL;
}

// RFC 1035 section 3.2.1; RFC 9520 section 3.2.
static void test_cache_time(void **state)
{
    struct dns_cache *c;

    (void)state;
    assert_ok(dns_cache_create(&c));
    keep(c, "ten", IPC_DNS_OK, 10);
    assert_int_equal(dns_cache_get(c, SPAN("ten"), DNS_TXT, 3500)->ttl, 7);
    assert_true(has(c, "ten", 10999));
    assert_false(has(c, "ten", 11000));
    keep(c, "never", IPC_DNS_OK, 0);
    assert_false(has(c, "never", 1000));
    keep(c, "long", IPC_DNS_NO_NAME, 86400);
    assert_true(has(c, "long", 1000 + 1000 * DNS_CACHE_TTL_S - 1));
    assert_false(has(c, "long", 1000 + 1000 * DNS_CACHE_TTL_S));
    keep(c, "down", IPC_DNS_TEMPORARY, 0);
    keep(c, "false", IPC_DNS_BOGUS, 3600);
    assert_true(has(c, "down", 1999));
    assert_true(has(c, "false", 1999));
    assert_false(has(c, "down", 2000));
    assert_false(has(c, "false", 2000));
    keep(c, "again", IPC_DNS_NO_DATA, 5);
    keep(c, "again", IPC_DNS_OK, 50); // in place of the one before
    assert_int_equal(dns_cache_get(c, SPAN("again"), DNS_TXT, 20000)->status, IPC_DNS_OK);
    dns_cache_destroy(c);
}

static void test_cache_is_bounded(void **state)
{
    static char large[DNS_CACHE_RECORDS_MAX + 1];
    struct dns_cache *c;
    struct ipc_dns_answer m = {.status = IPC_DNS_OK, .ttl = 60};
    char name[32];

    (void)state;
    assert_ok(dns_cache_create(&c));
    keep(c, "first", IPC_DNS_OK, 60);
    keep(c, "second", IPC_DNS_OK, 60);
    for (int i = 0; i < DNS_CACHE_ENTRIES_MAX - 1; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_true(has(c, "first", 1000)); // used, so others go before it
        keep(c, name, IPC_DNS_OK, 60);
    }
    assert_true(has(c, "first", 1000));
    assert_false(has(c, "second", 1000));
    assert_true(has(c, "n0", 1000));
    m.records = span_of(large, DNS_CACHE_RECORDS_MAX);
    for (size_t i = 0; i < DNS_CACHE_BYTES_MAX / DNS_CACHE_RECORDS_MAX; i++) {
        snprintf(name, sizeof(name), "l%zu", i);
        dns_cache_put(c, span_from_str(name), DNS_TXT, &m, 1000);
    }
    assert_false(has(c, "n5", 1000));
    assert_false(has(c, "l0", 1000)); // all of them and their names are more than fits
    assert_true(has(c, "l9", 1000));
    m.records = span_of(large, sizeof(large));
    dns_cache_put(c, SPAN("too large"), DNS_TXT, &m, 1000);
    assert_false(has(c, "too large", 1000));
    dns_cache_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_any_order),
        cmocka_unit_test(test_waits_its_turn),
        cmocka_unit_test(test_forgotten_makes_room),
        cmocka_unit_test(test_courier_away),
        cmocka_unit_test(test_courier_anew),
        cmocka_unit_test(test_too_slow),
        cmocka_unit_test(test_ends_with_questions),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_known_is_not_asked_again),
        cmocka_unit_test(test_cache_time),
        cmocka_unit_test(test_cache_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
