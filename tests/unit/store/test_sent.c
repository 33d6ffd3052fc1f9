// SPDX-License-Identifier: Apache-2.0
//
// The server's copy of what was sent, and the mail program's: one of them in the end, in either
// order and at the same moment.
#include <pthread.h>

#include "support.h"

static const char message[] = "From: a@example.org\r\nSubject: Hello\r\nMessage-ID: <1@x>\r\n\r\n"
                              "with our lines in front\r\n";
static const char own[] = "Subject: Hello\r\nMessage-ID:\r\n <1@x>\r\n\r\nthe program's\r\n";
static const char other[] = "Subject: Other\r\nMessage-ID: <2@x>\r\n\r\nother\r\n";
static const char unnamed[] = "Subject: Hello\r\n\r\nnobody knows which\r\n";

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

static enum err try_file(struct bench *b, const char *text, enum sent_outcome *out)
{
    struct incoming *m = bench_incoming(b->store, span_from_str(text));
    enum err e = sent_file(b->store, b->account, &tester, m, out);

    incoming_destroy(m);
    return e;
}

static enum sent_outcome file(struct bench *b, const char *text)
{
    enum sent_outcome outcome = SENT_NO_MAILBOX;

    assert_ok(try_file(b, text, &outcome));
    return outcome;
}

// Whether the log has words with this in them.
static unsigned logged(struct bench *b, enum change_kind kind, const char *words)
{
    struct change_scan *scan;
    struct change c;
    struct view *v;
    unsigned n = 0;

    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(change_scan_open(v, 0, false, &scan));
    while (change_next(scan, &c) == ERR_OK) {
        n += c.kind == kind && span_find(c.after, span_from_str(words)) < c.after.n;
    }
    change_scan_close(scan);
    view_close(v);
    return n;
}

static void test_filed(void **state)
{
    struct bench *b = *state;

    assert_int_equal(file(b, message), SENT_FILED);
    assert_string_equal(bench_list(b, "Sent"), "1:1");
    assert_int_equal(bench_mailbox_get(b, "Sent").unseen, 0);
    assert_int_equal(logged(b, CHANGE_ARRIVED, "filed by the server"), 1);
    assert_int_equal(file(b, other), SENT_FILED);
    bench_reopen(b);
    assert_int_equal(file(b, message), SENT_THERE); // sent again, its answer was lost
    assert_string_equal(bench_list(b, "Sent"), "1:1 2:1");
    // Without a Message-ID each is one of its own.
    assert_int_equal(file(b, unnamed), SENT_FILED);
    assert_int_equal(file(b, unnamed), SENT_FILED);
    assert_string_equal(bench_list(b, "Sent"), "1:1 2:1 3:1 4:1");
}

static void test_program_comes_second(void **state)
{
    struct bench *b = *state;

    assert_int_equal(file(b, message), SENT_FILED);
    assert_int_equal(bench_append(b, "Sent", other, FLAG_SEEN), 2);
    bench_reopen(b);
    assert_int_equal(bench_append(b, "Sent", own, FLAG_SEEN), 3);
    assert_string_equal(bench_list(b, "Sent"), "2:1 3:1");
    assert_int_equal(bench_mailbox_get(b, "Sent").bytes, strlen(other) + strlen(own));
    assert_int_equal(logged(b, CHANGE_SENT, "made way"), 1);
    // The next one by the program is its own matter.
    assert_int_equal(bench_append(b, "Sent", own, FLAG_SEEN), 4);
    assert_string_equal(bench_list(b, "Sent"), "2:1 3:1 4:1");
}

static void test_program_comes_first(void **state)
{
    struct bench *b = *state;

    assert_int_equal(bench_append(b, "Sent", own, 0), 1);
    assert_int_equal(file(b, message), SENT_THERE);
    assert_string_equal(bench_list(b, "Sent"), "1:0");
    assert_int_equal(file(b, other), SENT_FILED);
}

static void test_what_was_done_to_it_stays(void **state)
{
    struct bench *b = *state;
    const struct span keyword = SPAN("Important");
    struct flag_request r = {.how = FLAGS_ADD,
                             .flags = FLAG_FLAGGED | FLAG_DELETED,
                             .keywords = &keyword,
                             .keyword_count = 1,
                             .unchanged_since = UINT64_MAX};
    struct placement_scan *scan;
    struct flag_result result;
    struct placement p;
    struct view *v;

    assert_int_equal(file(b, message), SENT_FILED);
    r.mailbox = bench_mailbox(b, "Sent");
    r.uids = bench_set(b, 1, 1);
    assert_ok(placement_flags(b->store, b->account, &tester, &r, &b->arena, &result));
    assert_int_equal(bench_append(b, "Sent", own, 0), 2);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(placement_scan_open(v, r.mailbox, 1, 10, 0, &scan));
    assert_ok(placement_next(scan, &p));
    assert_int_equal(p.uid, 2);
    assert_int_equal(p.flags, FLAG_SEEN | FLAG_FLAGGED);
    assert_int_equal(p.keywords, 1);
    assert_err(placement_next(scan, &p), ERR_NOT_FOUND);
    placement_scan_close(scan);
    view_close(v);
}

static void append_as(struct bench *b, enum actor_kind kind, const char *mailbox)
{
    struct actor by = {.kind = kind};
    struct incoming *m = bench_incoming(b->store, span_from_str(own));
    struct append_item item = {.message = m, .internal_date = INT64_MIN};
    struct append_result r;

    assert_ok(store_append(b->store, b->account, &by, bench_mailbox(b, mailbox), &item, 1, &r));
    incoming_destroy(m);
}

static void test_only_the_servers_is_replaced(void **state)
{
    struct bench *b = *state;
    struct copy_result copied;
    bool missing;
    mailbox_id sent = bench_mailbox(b, "Sent"), archive = bench_mailbox(b, "Archive");

    // Not by what comes elsewhere, nor by an import.
    assert_int_equal(file(b, message), SENT_FILED);
    append_as(b, ACTOR_USER, "Archive");
    append_as(b, ACTOR_IMPORT, "Sent");
    assert_string_equal(bench_list(b, "Sent"), "1:1 2:0");
    // A copy of it, or it after a move there and back, is the owner's.
    assert_ok(placement_copy(b->store, b->account, &tester, sent, bench_set(b, 1, 1), sent, false,
                             &b->arena, &copied, &missing));
    assert_ok(placement_copy(b->store, b->account, &tester, sent, bench_set(b, 1, 1), archive, true,
                             &b->arena, &copied, &missing));
    assert_ok(placement_copy(b->store, b->account, &tester, archive, copied.to, sent, true,
                             &b->arena, &copied, &missing));
    append_as(b, ACTOR_USER, "Sent");
    assert_string_equal(bench_list(b, "Sent"), "2:0 3:1 4:1 5:0");
    assert_int_equal(logged(b, CHANGE_SENT, "made way"), 0);
}

static void test_many_at_once(void **state)
{
    struct bench *b = *state;
    struct append_item items[4];
    struct append_result r;
    static const char *const texts[] = {own, unnamed, own, other};

    for (int i = 0; i < 100; i++) { // more than one chunk
        bench_append(b, "Sent", unnamed, 0);
    }
    assert_int_equal(file(b, other), SENT_FILED);
    assert_int_equal(file(b, message), SENT_FILED);
    for (size_t i = 0; i < 4; i++) {
        items[i] =
            (struct append_item){.message = bench_incoming(b->store, span_from_str(texts[i]))};
    }
    assert_ok(store_append(b->store, b->account, &tester, bench_mailbox(b, "Sent"), items, 4, &r));
    for (size_t i = 0; i < 4; i++) {
        incoming_destroy(items[i].message);
    }
    assert_int_equal(r.first_uid, 103);
    assert_int_equal(bench_mailbox_get(b, "Sent").exists, 104);
    assert_string_equal(bench_list(b, "Sent") + strlen(bench_list(b, "Sent")) - 29,
                        "100:0 103:1 104:0 105:1 106:1");
    bench_append(b, "Sent", unnamed, 0);
}

static void test_where(void **state)
{
    struct bench *b = *state;
    const struct actor *by = &tester;
    mailbox_id id;

    // By its use, whatever it is called.
    assert_ok(mailbox_set_special_use(b->store, b->account, by, SPAN("Sent"), 0));
    assert_ok(mailbox_create(b->store, b->account, by, SPAN("Post/Gesendet"), USE_SENT, &id));
    assert_int_equal(file(b, message), SENT_FILED);
    assert_string_equal(bench_list(b, "Post/Gesendet"), "1:1");
    assert_string_equal(bench_list(b, "Sent"), "");
    // One that is only called so is not for that.
    assert_ok(mailbox_set_special_use(b->store, b->account, by, SPAN("Post/Gesendet"), 0));
    assert_int_equal(file(b, other), SENT_NO_MAILBOX);
    assert_int_equal(logged(b, CHANGE_SENT, "no mailbox is for sent mail"), 1);
    assert_string_equal(bench_list(b, "Sent"), "");
    // It is made where there is none.
    assert_ok(mailbox_delete(b->store, b->account, by, SPAN("Sent")));
    assert_int_equal(file(b, other), SENT_FILED);
    assert_string_equal(bench_list(b, "Sent"), "1:1");
    assert_int_equal(bench_mailbox_get(b, "Sent").special_use, USE_SENT);
    assert_true(bench_mailbox_get(b, "Sent").is_subscribed);
}

static void test_no_room(void **state)
{
    struct bench *b = *state;
    enum sent_outcome outcome;
    size_t size = strlen(message);

    assert_ok(quota_set(b->store, b->account, &tester, size, UINT64_MAX));
    assert_int_equal(file(b, message), SENT_FILED);
    assert_err(try_file(b, other, &outcome), ERR_QUOTA);
    assert_string_equal(bench_list(b, "Sent"), "1:1");
    assert_int_equal(logged(b, CHANGE_SENT, "the mailbox is full"), 1);
    // The program's copy takes the room of the one that goes.
    assert_int_equal(bench_append(b, "Sent", own, 0), 2);
    assert_string_equal(bench_list(b, "Sent"), "2:1");
    // A refused one leaves the server's where it is.
    assert_ok(quota_set(b->store, b->account, &tester, size + strlen(own) - 1, UINT64_MAX));
    assert_err(try_file(b, message, &outcome), ERR_OK); // it is there: the program's
    assert_int_equal(outcome, SENT_THERE);
}

static void test_refused_append_changes_nothing(void **state)
{
    struct bench *b = *state;
    struct append_item item = {.message = bench_incoming(b->store, span_from_str(own))};
    struct append_result r;

    assert_int_equal(file(b, message), SENT_FILED);
    assert_ok(quota_set(b->store, b->account, &tester, 1, UINT64_MAX));
    assert_err(store_append(b->store, b->account, &tester, bench_mailbox(b, "Sent"), &item, 1, &r),
               ERR_QUOTA);
    assert_string_equal(bench_list(b, "Sent"), "1:1");
    assert_ok(quota_set(b->store, b->account, &tester, UINT64_MAX, UINT64_MAX));
    assert_ok(store_append(b->store, b->account, &tester, bench_mailbox(b, "Sent"), &item, 1, &r));
    assert_string_equal(bench_list(b, "Sent"), "2:1");
    incoming_destroy(item.message);
}

static void test_long_ids(void **state)
{
    struct bench *b = *state;
    char text[SENT_ID_BYTES_MAX + 100];

    for (int extra = 0; extra < 2; extra++) {
        snprintf(text, sizeof(text), "Message-ID: <%0*d>\r\n\r\nx\r\n", SENT_ID_BYTES_MAX + extra,
                 1);
        assert_int_equal(file(b, text), SENT_FILED);
        assert_int_equal(file(b, text), extra ? SENT_FILED : SENT_THERE);
    }
    assert_string_equal(bench_list(b, "Sent"), "1:1 2:1 3:1");
}

// ---- at the same moment -------------------------------------------------------------------------

#define ROUNDS 60

struct side {
    struct bench *b;
    pthread_barrier_t *start;
    bool is_program;
    enum err failed;
};

static void *run_side(void *arg)
{
    struct side *s = arg;

    for (int i = 0; i < ROUNDS; i++) {
        char text[128];
        enum sent_outcome outcome;
        struct incoming *m;
        struct append_result r;

        snprintf(text, sizeof(text), "Message-ID: <%d@x>\r\n\r\n%s\r\n", i,
                 s->is_program ? "the program's" : "the server's");
        struct span bytes = span_from_str(text);
        enum err e = incoming_begin(s->b->store, &m);

        pthread_barrier_wait(s->start); // both come by here as often, whatever fails
        if (e == ERR_OK) {
            incoming_write(m, bytes);
            e = incoming_finish(m);
            struct append_item item = {.message = m, .internal_date = INT64_MIN};

            if (e == ERR_OK && s->is_program) {
                mailbox_id sent = bench_mailbox(s->b, "Sent");

                e = store_append(s->b->store, s->b->account, &tester, sent, &item, 1, &r);
            } else if (e == ERR_OK) {
                e = sent_file(s->b->store, s->b->account, &tester, m, &outcome);
            }
            incoming_destroy(m);
        }
        s->failed = s->failed == ERR_OK ? e : s->failed;
    }
    return NULL;
}

static void test_at_the_same_moment(void **state)
{
    struct bench *b = *state;
    pthread_barrier_t start;
    struct side server = {.b = b, .start = &start}, program = {.b = b, .start = &start};
    pthread_t threads[2];
    struct placement_scan *scan;
    struct placement p;
    struct view *v;
    struct buf body;

    program.is_program = true;
    pthread_barrier_init(&start, NULL, 2);
    pthread_create(&threads[0], NULL, run_side, &server);
    pthread_create(&threads[1], NULL, run_side, &program);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    pthread_barrier_destroy(&start);
    assert_ok(server.failed);
    assert_ok(program.failed);
    assert_int_equal(bench_mailbox_get(b, "Sent").exists, ROUNDS);
    buf_init(&body, 4096);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(placement_scan_open(v, bench_mailbox_get(b, "Sent").id, 1, UINT32_MAX, 0, &scan));
    while (placement_next(scan, &p) == ERR_OK) {
        buf_clear(&body);
        assert_ok(body_read(view_snapshot(v), p.body, 0, 4096, &body));
        assert_true(span_find(buf_span(&body), SPAN("the program's")) < body.n);
    }
    placement_scan_close(scan);
    view_close(v);
    buf_finish(&body);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_filed),
        T(test_program_comes_second),
        T(test_program_comes_first),
        T(test_what_was_done_to_it_stays),
        T(test_only_the_servers_is_replaced),
        T(test_many_at_once),
        T(test_where),
        T(test_no_room),
        T(test_refused_append_changes_nothing),
        T(test_long_ids),
        T(test_at_the_same_moment),
    };

    return BENCH_RUN("store-sent", tests);
}
