// SPDX-License-Identifier: Apache-2.0
//
// What conversation scripts cannot see: memory, slow and vanishing clients, wakeups, a store that
// fails.
#include "../test.h"
#include "engine/memory/memory.h"
#include "keep/imap/imap_session.h"
#include "session_driver.h"
#include "store/placement.h"

static struct driver_world world;

static int open_world(void **unused)
{
    (void)unused;
    driver_world_open(&world, 20);
    return 0;
}

static int open_forgetful_world(void **unused)
{
    world.changes_keep = 10;
    return open_world(unused);
}

static int close_world(void **unused)
{
    (void)unused;
    driver_world_close(&world);
    world.changes_keep = 0;
    return 0;
}

static void say(struct driver *d, const char *text)
{
    driver_send(d, span_from_str(text));
}

// The answers since the last call hold this text; they are well-formed.
static void expect(struct driver *d, const char *wanted)
{
    struct buf copy;
    size_t at = 0;

    buf_init(&copy, 1u << 30);
    struct span heard = driver_heard(d, &copy);

    if (!driver_is_well_formed(heard, &at)) {
        print_error("not well-formed: %.*s\n", SPAN_ARG(span_first(span_skip(heard, at), 200)));
        fail();
    }
    if (span_find(heard, span_from_str(wanted)) == heard.n) {
        print_error("no \"%s\" in: %.*s\n", wanted, SPAN_ARG(span_first(heard, 2000)));
        fail();
    }
    buf_finish(&copy);
}

// What an IDLE has been told of takes no memory afterwards, however long it lasts.
static void idle_does_not_grow(const char *asks)
{
    struct driver watcher, other;
    size_t before = 0;

    driver_open(&watcher, &world);
    driver_open(&other, &world);
    say(&watcher, "a SELECT INBOX\r\n");
    say(&watcher, asks);
    say(&watcher, "c IDLE\r\n");
    expect(&watcher, "+ idling");
    for (int i = 0; i < 400; i++) {
        say(&other, "d APPEND INBOX {16+}\r\nSubject: x\r\n\r\nx\r\n");
        driver_run(&watcher);
        expect(&watcher, "BODY[HEADER.FIELDS (SUBJECT)]");
        if (i == 20) {
            before = imap_session_memory(watcher.session);
        }
    }
    assert_in_range(imap_session_memory(watcher.session), 1, before + 8192);
    driver_close(&watcher);
    driver_close(&other);
}

static void idle_with_notify_does_not_grow(void **unused)
{
    (void)unused;
    idle_does_not_grow("b NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
                       " MessageExpunge))\r\n");
}

static void idle_with_update_does_not_grow(void **unused)
{
    (void)unused;
    idle_does_not_grow("b UID SEARCH RETURN (UPDATE (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])) "
                       "ALL\r\n");
}

static void idle_session_is_small(void **unused)
{
    struct driver d;

    (void)unused;
    driver_open(&d, &world);
    expect(&d, "login OK [CAPABILITY ");
    say(&d, "a SELECT INBOX\r\nb FETCH 1:* (FLAGS ENVELOPE)\r\n");
    expect(&d, "b OK ");
    assert_true(imap_session_memory(d.session) < 2048);
    say(&d, "c IDLE\r\n");
    expect(&d, "+ idling");
    assert_true(imap_session_memory(d.session) < 4096);
    assert_int_equal(d.in.n, 0);
    driver_close(&d);
}

static void changes_wake_once(void **unused)
{
    struct driver watcher, other;

    (void)unused;
    driver_open(&watcher, &world);
    driver_open(&other, &world);
    say(&watcher, "a SELECT INBOX\r\n");
    say(&other, "a SELECT INBOX\r\nb STORE 1 +FLAGS.SILENT (\\Flagged)\r\n");
    assert_int_equal(watcher.wakes, 0); // nobody waits: the next command tells
    say(&watcher, "b IDLE\r\n");
    expect(&watcher, "* 1 FETCH (FLAGS (\\Flagged");
    say(&other, "c STORE 2 +FLAGS.SILENT (\\Flagged)\r\nd STORE 3 +FLAGS.SILENT (\\Flagged)\r\n");
    assert_int_equal(watcher.wakes, 1); // one for both
    driver_run(&watcher);
    expect(&watcher, "* 3 FETCH (FLAGS (\\Flagged");
    say(&other, "e STORE 1:3 -FLAGS.SILENT (\\Flagged)\r\n");
    assert_int_equal(watcher.wakes, 2);
    say(&watcher, "DONE\r\n");
    expect(&watcher, "b OK ");
    driver_close(&watcher);
    driver_close(&other);
}

// NOTIFY reads the change log, which goes back only so far (RFC 5465 section 5.8).
static void notify_says_what_it_cannot_tell(void **unused)
{
    struct driver watcher, other;

    (void)unused;
    driver_open(&watcher, &world);
    driver_open(&other, &world);
    say(&watcher, "a NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))\r\n");
    expect(&watcher, "a OK ");
    say(&other, "a SELECT INBOX\r\n");
    for (int i = 0; i < 100; i++) {
        say(&other, i % 2 ? "b STORE 1 -FLAGS.SILENT (\\Flagged)\r\n"
                          : "b STORE 1 +FLAGS.SILENT (\\Flagged)\r\n");
    }
    assert_int_equal(watcher.wakes, 1);
    driver_run(&watcher);
    expect(&watcher, "* OK [NOTIFICATIONOVERFLOW] ");
    say(&other, "c STORE 2 +FLAGS.SILENT (\\Flagged)\r\n"); // nobody watches any more
    assert_int_equal(watcher.wakes, 1);
    say(&watcher, "b NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))\r\n");
    expect(&watcher, "b OK ");
    say(&other, "d STORE 2 -FLAGS.SILENT (\\Flagged)\r\n");
    driver_run(&watcher);
    expect(&watcher, "* STATUS INBOX (");
    driver_close(&watcher);
    driver_close(&other);
}

#define BIG_BYTES (5u << 20)

static void append_big(struct driver *d, struct buf *body)
{
    char head[64];
    int n = snprintf(head, sizeof(head), "big APPEND INBOX {%u+}\r\n", BIG_BYTES);

    buf_init(body, BIG_BYTES + 1);
    buf_put_str(body, "Subject: big\r\n\r\n");
    for (unsigned i = 0; body->n < BIG_BYTES; i++) {
        buf_put_byte(body, i % 78 == 77 ? '\n' : (char)('a' + i % 26));
    }
    driver_send(d, span_of(head, (size_t)n));
    driver_send(d, buf_span(body));
    say(d, "\r\n");
    expect(d, "big OK [APPENDUID ");
}

// While its client is slow the message that is being fetched goes: nobody is told that it came.
static void gone_while_fetched_is_not_told(void **unused)
{
    struct driver watcher, other;
    struct buf body, copy;

    (void)unused;
    driver_open(&watcher, &world);
    driver_open(&other, &world);
    say(&watcher, "a SELECT INBOX\r\n"
                  "b UID SEARCH RETURN (UPDATE (UID BODY.PEEK[])) ALL\r\nc IDLE\r\n");
    expect(&watcher, "+ idling");
    watcher.is_stuck = true;
    append_big(&other, &body);
    driver_run(&watcher);
    say(&other, "e SELECT INBOX\r\nf UID STORE 21 +FLAGS (\\Deleted)\r\ng UID EXPUNGE 21\r\n");
    expect(&other, "g OK ");
    watcher.is_stuck = false;
    driver_run(&watcher);
    buf_init(&copy, 1u << 30);
    struct span heard = driver_heard(&watcher, &copy);

    assert_true(span_find(heard, SPAN("UID 21 BODY[] {")) < heard.n);
    assert_true(span_find(heard, SPAN("* 21 EXPUNGE")) < heard.n);
    assert_int_equal(span_find(heard, SPAN("ADDTO")), heard.n);
    buf_finish(&copy);
    buf_finish(&body);
    driver_close(&watcher);
    driver_close(&other);
}

static void stuck_reader_costs_little(void **unused)
{
    struct driver d;
    struct buf body, copy;

    (void)unused;
    driver_open(&d, &world);
    append_big(&d, &body);
    say(&d, "a SELECT INBOX\r\n");
    expect(&d, "a OK ");
    d.out_most = 0;
    d.is_stuck = true;
    say(&d, "b FETCH * (BODY.PEEK[])\r\nc NOOP\r\n");
    driver_run(&d);
    assert_true(d.out_most < (512u << 10));
    d.is_stuck = false;
    driver_run(&d);
    buf_init(&copy, 1u << 30);
    struct span heard = driver_heard(&d, &copy);
    size_t at = span_find(heard, SPAN("}\r\n")) + 3;

    assert_true(at + BIG_BYTES < heard.n);
    assert_memory_equal(heard.p + at, body.p, BIG_BYTES);
    assert_true(span_find(heard, SPAN("\r\nc OK ")) < heard.n);
    say(&d, "d STORE * +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\n");
    expect(&d, "e OK ");
    buf_finish(&copy);
    buf_finish(&body);
    driver_close(&d);
}

static void vanishing_client_leaves_nothing(void **unused)
{
    struct driver d;

    (void)unused;
    driver_open(&d, &world);
    say(&d, "a STATUS INBOX (MESSAGES)\r\n");
    expect(&d, "(MESSAGES 20)");
    say(&d, "b APPEND INBOX {100+}\r\nSubject: half a mess");
    d.is_gone = true;
    driver_run(&d);
    assert_true(d.wait.closed);
    driver_close(&d);
    driver_open(&d, &world);
    say(&d, "a STATUS INBOX (MESSAGES)\r\n");
    expect(&d, "(MESSAGES 20)");
    driver_close(&d);
}

static void set_faults(const struct engine_memory_faults *faults)
{
    engine_memory_set_faults(world.engine, faults);
}

static void failing_store_leaves_the_session(void **unused)
{
    static const struct engine_memory_faults none = {.commit_after = 0};
    static const struct {
        enum err e;
        const char *code;
    } rows[] = {
        {ERR_NOSPACE, "NO [UNAVAILABLE] The disk is full"},
        {ERR_UNAVAILABLE, "NO [UNAVAILABLE] "},
        {ERR_IO, "NO [UNAVAILABLE] "},
    };
    static const char *const commands[] = {
        "x APPEND INBOX {4+}\r\nbody\r\n",
        "x STORE 1 FLAGS (\\Draft)\r\n",
        "x COPY 1 Trash\r\n",
        "x MOVE 1 Trash\r\n",
        "x CREATE New\r\n",
        "x DELETE Trash\r\n",
        "x RENAME Trash New\r\n",
        "x UNSUBSCRIBE Trash\r\n",
    };
    struct driver d;

    (void)unused;
    driver_open(&d, &world);
    say(&d, "a SELECT INBOX\r\n");
    expect(&d, "a OK ");
    for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
        for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++) {
            struct engine_memory_faults faults = {
                .commit_after = 1, .commit_error = rows[r].e, .commit_forever = true};

            set_faults(&faults);
            say(&d, commands[c]);
            expect(&d, rows[r].code);
            // Reading goes on, and \Seen that cannot be set keeps nobody from it.
            say(&d, "y FETCH 1 (BODY[1])\r\n");
            expect(&d, "y OK ");
            set_faults(&none);
            say(&d, "z NOOP\r\n");
            expect(&d, "z OK ");
        }
    }
    driver_close(&d);
}

static void failing_reads_are_answered(void **unused)
{
    static const char *const commands[] = {
        "x FETCH 1:* (ENVELOPE BODY[1])\r\n",
        "x SEARCH TEXT one\r\n",
        "x SELECT INBOX\r\n",
        "x LIST \"\" * RETURN (STATUS (MESSAGES))\r\n",
        "x STATUS Trash (MESSAGES)\r\n",
        "x UID STORE 1:* +FLAGS (\\Seen)\r\n",
        "x UID COPY 1:* Trash\r\n",
        "x NOOP\r\n",
    };

    (void)unused;
    for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++) {
        for (unsigned after = 1; after < 60; after += 3) {
            struct engine_memory_faults faults = {.read_after = after, .read_error = ERR_CORRUPT};
            static const struct engine_memory_faults none = {.read_after = 0};
            struct driver d;

            set_faults(&none);
            driver_open(&d, &world);
            say(&d, "a SELECT INBOX\r\n");
            expect(&d, "a OK ");
            set_faults(&faults);
            say(&d, commands[c]);
            set_faults(&none);
            if (!d.wait.closed) { // closed: a literal could not be finished
                say(&d, "y NOOP\r\n");
                expect(&d, "\r\ny OK ");
            }
            driver_close(&d);
        }
    }
}

static void stopping_says_bye(void **unused)
{
    struct driver d;

    (void)unused;
    driver_open(&d, &world);
    say(&d, "a SELECT INBOX\r\nb IDLE\r\n");
    expect(&d, "+ idling");
    d.stop = SESSION_STOP_SERVER;
    driver_run(&d);
    expect(&d, "* BYE [UNAVAILABLE] The server is stopping; come back in a moment");
    assert_true(d.wait.closed);
    driver_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idle_with_notify_does_not_grow, open_world, close_world),
        cmocka_unit_test_setup_teardown(idle_with_update_does_not_grow, open_world, close_world),
        cmocka_unit_test_setup_teardown(gone_while_fetched_is_not_told, open_world, close_world),
        cmocka_unit_test_setup_teardown(idle_session_is_small, open_world, close_world),
        cmocka_unit_test_setup_teardown(changes_wake_once, open_world, close_world),
        cmocka_unit_test_setup_teardown(notify_says_what_it_cannot_tell, open_forgetful_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(stuck_reader_costs_little, open_world, close_world),
        cmocka_unit_test_setup_teardown(vanishing_client_leaves_nothing, open_world, close_world),
        cmocka_unit_test_setup_teardown(failing_store_leaves_the_session, open_world, close_world),
        cmocka_unit_test_setup_teardown(failing_reads_are_answered, open_world, close_world),
        cmocka_unit_test_setup_teardown(stopping_says_bye, open_world, close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
