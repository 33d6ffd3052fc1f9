// SPDX-License-Identifier: Apache-2.0
#include "../store/support.h"
#include "base/clock.h"
#include "delivery/delivery.h"
#include "engine/memory/memory.h"
#include "store/route.h"
#include "store/rules.h"

static struct bench bench;
static struct bench *const b = &bench;
static struct queue *queue;
static struct delivery *delivery;
static const char *text;
static bool one_answer;
static int64_t hold_until_ms;

static account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN("$"), true, &id));
    return id;
}

static void forward(account_id id, bool keep, const char *to)
{
    struct span t = span_from_str(to);
    struct forwarding f = {keep, &t, 1};

    assert_ok(forwarding_set(b->store, id, &tester, &f));
}

static int setup(void **state)
{
    struct queue_options qo;
    struct delivery_options o = {
        .server = SPAN("mail.example.org"), .separators = SPAN("+"), .expire_s = 432000};
    struct span team[] = {SPAN("anna@example.org"), SPAN("bob@example.org"),
                          SPAN("x@elsewhere.example")};

    one_answer = false;
    hold_until_ms = 0;
    bench_choose(state);
    bench_open(b);
    queue_options_default(&qo);
    assert_ok(queue_open(b->engine, &qo, &queue));
    assert_ok(delivery_create(b->store, queue, &o, &delivery));
    account("anna@example.org");
    account("bob@example.org");
    forward(account("away@example.org"), false, "away@elsewhere.example");
    assert_ok(route_alias_set(b->store, &tester, SPAN("team@example.org"), team, 3));
    text = "Received: by x\r\nSubject: hello\r\nMessage-ID: <1@example.net>\r\n\r\nhello\r\n";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    delivery_destroy(delivery);
    queue_close(queue);
    bench_close(b);
    return 0;
}

static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    (void)arg;
    buf_put(out, span_first(span_skip(span_from_str(text), offset), n < 7 ? n : 7)); // in pieces
    return ERR_OK;
}

static struct delivery_recipient to[8];
static void run(const char *sender, bool remote, unsigned count, const char *const *recipients)
{
    struct delivery_envelope env = {.sender = span_from_str(sender),
                                    .allow_remote = remote,
                                    .one_answer = one_answer,
                                    .hold_until_ms = hold_until_ms,
                                    .recipients = to,
                                    .count = count};
    struct span all = span_from_str(text);
    struct delivery_message m = {.prefix = SPAN("X-Trace: yes\r\n"),
                                 .read = read_text,
                                 .bytes = all.n,
                                 .header = span_first(all, span_find(all, SPAN("\r\n\r\n")) + 2)};

    for (unsigned i = 0; i < count; i++) {
        to[i] = (struct delivery_recipient){.address = span_from_str(recipients[i])};
    }
    delivery_run(delivery, &env, &m);
}
#define RUN(sender, remote, ...)                                                                   \
    run(sender, remote, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                    \
        (const char *[]){__VA_ARGS__})

static uint32_t messages(const char *address, const char *mailbox)
{
    struct account a;
    struct view *v;
    const struct mailbox *m;

    assert_ok(directory_account_by_name(b->store, span_from_str(address), &b->arena, &a));
    assert_ok(view_open(b->store, a.id, &v));
    assert_ok(view_mailbox_by_name(v, span_from_str(mailbox), &m));
    uint32_t n = m->exists;

    view_close(v);
    return n;
}

static struct buf listed;

static bool list_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    (void)arg;
    buf_printf(&listed, "%.*s>%.*s(%.*s)[%.*s];", SPAN_ARG(m->sender), SPAN_ARG(r->address),
               SPAN_ARG(r->destination), SPAN_ARG(m->prefix));
    return true;
}

static const char *queued(void)
{
    buf_init(&listed, 8192);
    assert_ok(queue_list(queue, 0, list_one, NULL));
    const char *out = arena_str(&b->arena, buf_span(&listed));

    buf_finish(&listed);
    return out;
}

// The whole of the one message in a mailbox.
static struct span content(const char *address)
{
    struct account a;
    struct view *v;
    struct buf out;
    struct body_info info;
    body_id id = 0;

    assert_ok(directory_account_by_name(b->store, span_from_str(address), &b->arena, &a));
    assert_ok(view_open(b->store, a.id, &v));
    while (snapshot_next_body(view_snapshot(v), id + 1, &id) == ERR_OK) {
        assert_ok(body_info(view_snapshot(v), id, &info));
        buf_init(&out, 1 << 16);
        assert_ok(body_read(view_snapshot(v), id, 0, info.bytes, &out));
    }
    struct span s = arena_dup(&b->arena, buf_span(&out));

    buf_finish(&out);
    view_close(v);
    return s;
}

static void test_here(void **state)
{
    (void)state;
    RUN("me@example.net", false, "anna+x@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 250);
    assert_int_equal(messages("anna@example.org", "INBOX"), 1);
    assert_int_equal(messages("bob@example.org", "INBOX"), 1);
    assert_string_equal(queued(), "");
    assert_true(span_starts(content("bob@example.org"),
                            SPAN("Return-Path: <me@example.net>\r\nX-Trace: yes\r\nReceived: by "
                                 "x\r\nSubject: hello\r\n")));
    assert_true(span_ends(content("bob@example.org"), SPAN("\r\n\r\nhello\r\n")));
}

static void test_elsewhere(void **state)
{
    (void)state;
    RUN("anna@example.org", true, "x@Elsewhere.example", "y@elsewhere.example", "z@other.example");
    assert_string_equal(queued(), "anna@example.org>x@Elsewhere.example(elsewhere.example)[];"
                                  "anna@example.org>y@elsewhere.example(elsewhere.example)[];"
                                  "anna@example.org>z@other.example(other.example)[];");
    assert_int_equal(to[2].answer.code, 250);
    RUN("eve@example.net", false, "x@elsewhere.example");
    assert_int_equal(to[0].answer.code, 550);
    assert_string_equal(to[0].answer.enhanced, "5.7.1");
}

static void test_refused_recipients_do_not_stop_others(void **state)
{
    (void)state;
    RUN("me@example.net", false, "nobody@example.org", "anna@example.org");
    assert_int_equal(to[0].answer.code, 550);
    assert_int_equal(to[1].answer.code, 250);
    assert_int_equal(messages("anna@example.org", "INBOX"), 1);
}

static void test_forwarding_rewrites_the_sender(void **state)
{
    (void)state;
    RUN("me@example.net", false, "away@example.org");
    assert_int_equal(to[0].answer.code, 250);
    const char *q = queued();

    assert_true(strncmp(q, "SRS0=", 5) == 0);
    assert_non_null(strstr(q, "=example.net=me@example.org>away@elsewhere.example("
                              "elsewhere.example)[Delivered-To: away@example.org\r\n];"));
    // Its bounce comes back to the sender, although nobody may relay.
    char bounce[128];

    snprintf(bounce, sizeof(bounce), "%.*s", (int)(strchr(q, '>') - q), q);
    RUN("", false, bounce);
    assert_int_equal(to[0].answer.code, 250);
    assert_non_null(strstr(queued(), ">me@example.net(example.net)[];"));
    bounce[7] = bounce[7] == 'A' ? 'B' : 'A';
    RUN("", false, bounce);
    assert_int_equal(to[0].answer.code, 550);
}

static void test_loops(void **state)
{
    struct buf many;

    (void)state;
    text = "Delivered-To: away@example.org\r\nSubject: x\r\n\r\nx\r\n";
    RUN("me@example.net", false, "away@example.org");
    assert_string_equal(to[0].answer.enhanced, "5.4.6");
    assert_string_equal(queued(), "");
    buf_init(&many, 1 << 16);
    for (int i = 0; i < 51; i++) {
        buf_put_str(&many, "Received: by x\r\n");
    }
    buf_put_str(&many, "\r\nx\r\n");
    buf_put_byte(&many, '\0');
    text = many.p;
    RUN("me@example.net", false, "anna@example.org");
    assert_string_equal(to[0].answer.enhanced, "5.4.6");
    text += 16; // one fewer
    RUN("me@example.net", false, "anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    buf_finish(&many);
}

static void test_suspect_goes_to_junk(void **state)
{
    struct delivery_envelope env = {
        .sender = SPAN("me@example.net"), .is_suspect = true, .recipients = to, .count = 1};
    struct delivery_message m = {
        .prefix = SPAN(""), .read = read_text, .bytes = strlen(text), .header = SPAN("")};

    (void)state;
    to[0] = (struct delivery_recipient){.address = SPAN("anna@example.org")};
    assert_ok(delivery_run(delivery, &env, &m));
    assert_int_equal(messages("anna@example.org", "Junk"), 1);
    assert_int_equal(messages("anna@example.org", "INBOX"), 0);
}

// What could not be delivered at once goes to Junk later, too, and is known as the same message.
static void test_suspect_goes_to_junk_later(void **state)
{
    struct delivery_envelope env = {.sender = SPAN("me@example.net"),
                                    .is_suspect = true,
                                    .hold_until_ms = clock_real_ms() + 1000,
                                    .recipients = to,
                                    .count = 1};
    struct delivery_message m = {
        .prefix = SPAN(""), .read = read_text, .bytes = strlen(text), .header = SPAN("")};
    struct delivery_answer a;
    struct queue_job *job;
    int64_t next;

    (void)state;
    to[0] = (struct delivery_recipient){.address = SPAN("anna@example.org")};
    assert_ok(delivery_run(delivery, &env, &m));
    assert_int_equal(messages("anna@example.org", "Junk"), 0);
    assert_ok(queue_take(queue, clock_real_ms() + 2000, &job, &next));
    assert_true(job->message.flags & QUEUE_SUSPECT);
    delivery_again(delivery, &job->message, SPAN("anna@example.org"), read_text, NULL, &a);
    assert_int_equal(a.outcome, DELIVERY_ACCEPTED);
    queue_abandon(queue, job);
    assert_int_equal(messages("anna@example.org", "Junk"), 1);
    assert_int_equal(messages("anna@example.org", "INBOX"), 0);
}

static void test_check_before_the_message(void **state)
{
    struct delivery_envelope env = {.sender = SPAN("me@example.net")};
    struct delivery_recipient r = {.address = SPAN("u1@example.org")};

    (void)state;
    assert_ok(quota_set(b->store, b->account, &tester, 1000, UINT64_MAX));
    assert_ok(delivery_check(delivery, &env, 900, &r));
    assert_int_equal(r.answer.code, 250);
    assert_ok(delivery_check(delivery, &env, 1100, &r));
    assert_string_equal(r.answer.enhanced, "4.2.2");
    r.address = SPAN("nobody@example.org");
    assert_ok(delivery_check(delivery, &env, 0, &r));
    assert_string_equal(r.answer.enhanced, "5.1.1");
}

static void fail_commits(unsigned after)
{
    struct engine_memory_faults faults = {.commit_after = after, .commit_error = ERR_UNAVAILABLE};

    engine_memory_set_faults(b->engine, &faults);
}

// When one of several cannot be served now and the client hears one answer, the others' copies
// stand and this one waits in the queue.
static void test_one_of_many_fails(void **state)
{
    (void)state;
    if (b->is_local) {
        return;
    }
    one_answer = true;
    fail_commits(2);
    RUN("me@example.net", false, "anna@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 250);
    assert_int_equal(messages("anna@example.org", "INBOX"), 1);
    assert_int_equal(messages("bob@example.org", "INBOX"), 0);
    assert_string_equal(queued(), "me@example.net>bob@example.org(local:)[];");
    // One alone: its client tries again.
    fail_commits(1);
    RUN("me@example.net", false, "bob@example.org");
    assert_int_equal(to[0].answer.code, 451);
}

// A client that hears of each keeps the one, and so does whoever leads to the same mailbox.
static void test_each_has_its_answer(void **state)
{
    (void)state;
    if (b->is_local) {
        return;
    }
    fail_commits(2);
    RUN("me@example.net", false, "anna@example.org", "bob@example.org", "bob+x@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 451);
    assert_int_equal(to[2].answer.code, 451);
    assert_string_equal(queued(), "");
}

// All fail: nobody has anything, and the client keeps all.
static void test_all_of_many_fail(void **state)
{
    (void)state;
    one_answer = true;
    assert_ok(quota_set(b->store, b->account, &tester, 10, UINT64_MAX));
    RUN("me@example.net", false, "u1@example.org", "nobody@example.org");
    assert_int_equal(to[0].answer.code, 452);
    assert_int_equal(to[1].answer.code, 550);
    assert_string_equal(queued(), "");
}

// Found out only now that one does not exist: the message was taken, so the sender is told.
static void test_the_refused_of_many_are_told_of(void **state)
{
    struct delivery_answer a;
    struct queue_message m = {.sender = SPAN("me@example.net"), .body_bytes = strlen(text)};

    (void)state;
    one_answer = true;
    RUN("me@example.net", false, "nobody@example.org", "anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 250);
    assert_int_equal(messages("anna@example.org", "INBOX"), 1);
    assert_string_equal(queued(), "me@example.net>nobody@example.org(local:)[];");
    delivery_again(delivery, &m, SPAN("nobody@example.org"), read_text, NULL, &a);
    assert_int_equal(a.outcome, DELIVERY_REFUSED);
    // What has only been forwarded has nothing to do here a second time.
    delivery_again(delivery, &m, SPAN("away@example.org"), read_text, NULL, &a);
    assert_int_equal(a.outcome, DELIVERY_REFUSED);
}

static void test_held_mail_waits(void **state)
{
    struct queue_job *job;
    int64_t next;

    (void)state;
    hold_until_ms = clock_real_ms() + 3600000;
    RUN("anna@example.org", true, "bob@example.org", "anna@example.org", "x@elsewhere.example");
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(messages("bob@example.org", "INBOX"), 0);
    assert_string_equal(queued(), "anna@example.org>x@elsewhere.example(elsewhere.example)[];"
                                  "anna@example.org>bob@example.org(local:)[];"
                                  "anna@example.org>anna@example.org(local:)[];");
    assert_err(queue_take(queue, clock_real_ms(), &job, &next), ERR_NOT_FOUND);
    assert_ok(queue_take(queue, hold_until_ms + 1, &job, &next));
    queue_abandon(queue, job);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_here),
        T(test_elsewhere),
        T(test_refused_recipients_do_not_stop_others),
        T(test_forwarding_rewrites_the_sender),
        T(test_loops),
        T(test_suspect_goes_to_junk),
        T(test_suspect_goes_to_junk_later),
        T(test_check_before_the_message),
        T(test_one_of_many_fails),
        T(test_each_has_its_answer),
        T(test_all_of_many_fail),
        T(test_the_refused_of_many_are_told_of),
        T(test_held_mail_waits),
    };

    return BENCH_RUN("delivery", tests);
}
