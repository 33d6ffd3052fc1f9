// SPDX-License-Identifier: Apache-2.0
//
// What the queue tells the trail: each step of a message is an event of the same commit.
#include "support.h"

struct world {
    struct bench b;
    struct trail *trail;
    struct trail_found seen[40]; // without the texts, which are gone
    char words[40][400];         // recipients, host, reply and protection of each
    size_t n;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    bench_start(&w->b);
    assert_ok(trail_open(w->b.engine, &w->trail));
    w->b.options.trail = w->trail;
    w->b.options.delay_notice_s = 0;
    bench_reopen(&w->b);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    queue_close(w->b.queue);
    w->b.queue = NULL;
    trail_close(w->trail);
    bench_stop(&w->b);
    free(w);
    return 0;
}

static bool see(void *arg, const struct trail_found *f)
{
    struct world *w = arg;
    char *words = w->words[w->n];
    int at = 0;

    assert_in_range(w->n, 0, 39);
    for (size_t i = 0; i < f->is.recipient_count; i++) {
        at += snprintf(words + at, 400 - (size_t)at, "%s%.*s", i ? "," : "",
                       SPAN_ARG(f->is.recipients[i]));
    }
    snprintf(words + at, 400 - (size_t)at, "|%.*s|%.*s%s%.*s", SPAN_ARG(f->is.texts[TRAIL_HOST]),
             SPAN_ARG(f->is.texts[TRAIL_REPLY]), f->is.texts[TRAIL_PROTECTION].n ? "|" : "",
             SPAN_ARG(f->is.texts[TRAIL_PROTECTION]));
    w->seen[w->n++] = *f;
    return true;
}

// What is told of the message now.
static void look(struct world *w, queue_id id)
{
    trail_id mail;
    size_t n = 0;

    w->n = 0;
    assert_ok(trail_find(w->trail, TRAIL_BY_QUEUE, span_of(&id, sizeof(id)), 0, &mail, 1, &n));
    assert_int_equal(n, 1);
    assert_ok(trail_each(w->trail, mail, see, w));
}

static void expect(struct world *w, size_t i, enum trail_kind kind, const char *words)
{
    assert_in_range(i, 0, w->n - 1);
    assert_int_equal(w->seen[i].is.kind, kind);
    assert_string_equal(w->words[i], words);
}

static struct queue_job *take(struct world *w, int64_t now_ms)
{
    struct queue_job *job;
    int64_t next;

    assert_ok(queue_take(w->b.queue, now_ms, &job, &next));
    return job;
}

static void test_each_try_is_told(void **state)
{
    struct world *w = *state;
    struct queue_recipient r[] = {to("a@x.example", "x.example"), to("b@x.example", "x.example"),
                                  to("c@x.example", "x.example")};
    queue_id id = submit(&w->b, "", r, 3);
    struct queue_result results[3] = {
        {.outcome = QUEUE_OUT_DELIVERED,
         .host = SPAN("mx"),
         .reply = SPAN("250 ok"),
         .protection = SPAN("DANE")},
        {.outcome = QUEUE_OUT_DEFERRED, .host = SPAN("mx"), .reply = SPAN("451 later")},
        {.outcome = QUEUE_OUT_DEFERRED, .host = SPAN("mx"), .reply = SPAN("451 later")}};

    look(w, id);
    assert_int_equal(w->n, 1);
    expect(w, 0, TRAIL_QUEUED, "a@x.example,b@x.example,c@x.example||");
    assert_ok(queue_done(w->b.queue, take(w, NOW), results, NOW));
    look(w, id);
    assert_int_equal(w->n, 3);
    expect(w, 1, TRAIL_DELIVERED, "a@x.example|mx|250 ok|DANE");
    expect(w, 2, TRAIL_PUT_OFF, "b@x.example,c@x.example|mx|451 later");
    assert_int_equal(w->seen[2].is.number, 1);
    assert_true(w->seen[2].is.next_ms > NOW);
}

// From the null path nobody hears of a failure; the trail does.
static void test_how_it_ends(void **state)
{
    struct world *w = *state;
    struct queue_recipient r[] = {to("a@x.example", "x.example"), to("b@x.example", "x.example")};
    queue_id id = submit(&w->b, "", r, 2);
    struct queue_result failed[2] = {
        {.outcome = QUEUE_OUT_FAILED, .host = SPAN("mx"), .reply = SPAN("550 no")},
        {.outcome = QUEUE_OUT_UNTRIED, .host = SPAN(""), .reply = SPAN("4.4.1 away")}};
    int64_t now = NOW;

    assert_ok(queue_done(w->b.queue, take(w, now), failed, now));
    for (int i = 0; i < 2; i++) {
        now += 6 * DAYS;
        assert_ok(queue_done(w->b.queue, take(w, now), &failed[1], now));
    }
    look(w, id);
    assert_int_equal(w->n, 5);
    expect(w, 1, TRAIL_FAILED, "a@x.example|mx|550 no");
    expect(w, 2, TRAIL_NOT_TRIED, "b@x.example||4.4.1 away");
    expect(w, 3, TRAIL_NOT_TRIED, "b@x.example||4.4.1 away");
    expect(w, 4, TRAIL_EXPIRED, "b@x.example||4.4.1 away");
    struct queue_counts counts;

    queue_count(w->b.queue, &counts);
    assert_int_equal(counts.messages, 0);
}

static void test_what_a_person_does_is_told(void **state)
{
    struct world *w = *state;
    struct queue_recipient r[] = {to("a@x.example", "x.example"), to("b@x.example", "x.example")};
    queue_id id = submit(&w->b, "me@y.example", r, 2);
    uint32_t changed;

    assert_ok(queue_act(w->b.queue, id, UINT32_MAX, QUEUE_HOLD, &changed));
    assert_ok(queue_act(w->b.queue, id, UINT32_MAX, QUEUE_HOLD, &changed)); // changes nothing
    assert_ok(queue_act(w->b.queue, id, 1, QUEUE_RELEASE, &changed));
    assert_ok(queue_act(w->b.queue, id, 1, QUEUE_RETRY, &changed));
    assert_ok(queue_act(w->b.queue, id, 0, QUEUE_REMOVE, &changed));
    assert_ok(queue_act(w->b.queue, id, 1, QUEUE_FAIL, &changed));
    look(w, id);
    assert_int_equal(w->n, 6);
    expect(w, 1, TRAIL_HELD, "a@x.example,b@x.example||");
    expect(w, 2, TRAIL_RELEASED, "b@x.example||");
    expect(w, 3, TRAIL_TO_TRY, "b@x.example||");
    expect(w, 4, TRAIL_REMOVED, "a@x.example||");
    expect(w, 5, TRAIL_GIVEN_UP, "b@x.example||");

    struct queue_job *job;

    assert_ok(queue_notice_take(w->b.queue, &job));
    job->told = 77;
    assert_ok(queue_notice_done(w->b.queue, job, true));
    look(w, id);
    expect(w, 6, TRAIL_TOLD, "b@x.example||");
    assert_true(w->seen[6].is.other == 77);
}

// Events of the submitter's go along in the same commit, and its number stays.
static void test_a_lent_rider(void **state)
{
    struct world *w = *state;
    struct queue_recipient r = to("a@x.example", "x.example");
    struct queue_message m = {.expires_ms = NOW + DAYS, .sender = SPAN("me@y.example")};
    struct trail_event taken = {.kind = TRAIL_TAKEN_IN};
    struct body_writer *writer;
    queue_id id;

    taken.texts[TRAIL_MESSAGE_ID] = SPAN("<m@y.example>");
    m.mail = trail_number(w->trail);
    assert_ok(trail_batch(&m.rider));
    assert_ok(trail_add(w->trail, m.rider, m.mail, &taken));
    assert_ok(body_begin(w->b.engine, &writer));
    assert_ok(body_finish(writer, SPAN(""), &m.body));
    assert_ok(queue_submit(w->b.queue, &m, &r, 1, &id));
    body_writer_destroy(writer);
    batch_destroy(m.rider);
    look(w, id);
    assert_int_equal(w->n, 2);
    assert_int_equal(w->seen[0].is.kind, TRAIL_TAKEN_IN);
    assert_true(w->seen[1].mail == m.mail);

    struct queue_job *job = take(w, NOW);

    assert_true(job->message.mail == m.mail);
    queue_abandon(w->b.queue, job);
    look(w, id);
    assert_int_equal(w->n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_try_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_how_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_person_does_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_lent_rider, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
