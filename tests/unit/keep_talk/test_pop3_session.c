// SPDX-License-Identifier: Apache-2.0
//
// POP3 after login. I-19 of the list of cases: nothing is deleted without QUIT, ids stay, TOP with
// any number, two sessions, lines of dots.
#include "../test.h"
#include "keep/pop3/pop3_session.h"
#include "talk_driver.h"

static struct talk_world world;
static struct pop3_server *server;

static int open_world(void **state)
{
    struct pop3_server_options o;

    (void)state;
    talk_world_open(&world);
    pop3_server_options_default(&o);
    assert_int_equal(pop3_server_create(world.store, &o, &server), ERR_OK);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    pop3_server_destroy(server);
    talk_world_close(&world);
    return 0;
}

static void add_three(void)
{
    talk_add(&world, SPAN("Subject: a\r\n\r\none\r\n.\r\n..two\r\nthree\r\n"));
    talk_add(&world, SPAN("Subject: b\n\nbare\rlines")); // as some programs append them
    talk_add(&world, SPAN("Subject: c\r\n\r\n"));
}

#define A_SENT "Subject: a\r\n\r\none\r\n..\r\n...two\r\nthree\r\n"
#define B_SENT "Subject: b\r\n\r\nbare\r\nlines\r\n"

static void open_session(struct talk *t)
{
    talk_open(t, &world, &pop3_session_protocol, server);
    assert_string_equal(talk_heard(t), "+OK Logged in\r\n");
}

#define SAY(t, text, answer) assert_string_equal(talk_say(t, SPAN(text)), answer)

static void test_a_day(void **state)
{
    struct talk t;

    (void)state;
    add_three();
    open_session(&t);
    SAY(&t, "STAT\r\n", "+OK 3 77\r\n");
    SAY(&t, "LIST\r\n", "+OK Sizes follow\r\n1 36\r\n2 27\r\n3 14\r\n.\r\n");
    SAY(&t, "list 2\r\n", "+OK 2 27\r\n");
    SAY(&t, "RETR 1\r\n", "+OK 36 octets\r\n" A_SENT ".\r\n");
    SAY(&t, "RETR 2\r\n", "+OK 27 octets\r\n" B_SENT ".\r\n");
    SAY(&t, "RETR 3\r\n", "+OK 14 octets\r\nSubject: c\r\n\r\n.\r\n");
    SAY(&t, "TOP 1 0\r\n", "+OK The top follows\r\nSubject: a\r\n\r\n.\r\n");
    SAY(&t, "TOP 1 2\r\n", "+OK The top follows\r\nSubject: a\r\n\r\none\r\n..\r\n.\r\n");
    SAY(&t, "TOP 1 4294967295\r\n", "+OK The top follows\r\n" A_SENT ".\r\n");
    SAY(&t, "NOOP\r\n", "+OK\r\n");
    SAY(&t, "DELE 1\r\n", "+OK Deleted when you say QUIT\r\n");
    SAY(&t, "DELE 1\r\n", "-ERR That message is marked as deleted\r\n");
    SAY(&t, "STAT\r\n", "+OK 2 41\r\n");
    SAY(&t, "LIST\r\n", "+OK Sizes follow\r\n2 27\r\n3 14\r\n.\r\n");
    SAY(&t, "RSET\r\n", "+OK Nothing is marked as deleted\r\n");
    SAY(&t, "STAT\r\nDELE 2\r\n", "+OK 3 77\r\n+OK Deleted when you say QUIT\r\n");
    SAY(&t, "QUIT\r\n", "+OK Goodbye\r\n");
    assert_true(t.wait.closed);
    talk_close(&t);
    assert_int_equal(talk_exists(&world, "INBOX"), 2);
}

static void test_refusals(void **state)
{
    static const char *const lines[] = {"RETR 0",  "RETR 4",  "RETR",   "TOP 1", "LIST 4",
                                        "UIDL 99", "DELE -1", "USER x", "STLS",  "AUTH",
                                        "FOO",     "",        "UTF8"};
    struct talk t;

    (void)state;
    add_three();
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        open_session(&t);
        talk_say(&t, span_from_str(lines[i]));
        const char *heard = talk_say(&t, SPAN("\r\n"));

        if (strncmp(heard, "-ERR ", 5) != 0 || t.wait.closed) {
            fail_msg("\"%s\" was answered with \"%s\"", lines[i], heard);
        }
        talk_close(&t);
    }
}

static void test_too_many_bad_commands(void **state)
{
    struct talk t;

    (void)state;
    open_session(&t);
    for (int i = 0; i < 19; i++) {
        talk_say(&t, SPAN("FOO\r\n"));
        assert_false(t.wait.closed);
    }
    talk_say(&t, SPAN("FOO\r\n"));
    assert_true(t.wait.closed);
    talk_close(&t);
}

static void test_bad_lines_end_it(void **state)
{
    static const struct span lines[] = {{"NOOP\n", 5}, {"NO\rOP\r\n", 7}, {"NOOP\0\r\n", 7}};
    struct talk t;
    char longest[300];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        open_session(&t);
        assert_int_equal(strncmp(talk_say(&t, lines[i]), "-ERR ", 5), 0);
        assert_true(t.wait.closed);
        talk_close(&t);
    }
    memset(longest, 'x', sizeof(longest));
    open_session(&t);
    assert_int_equal(strncmp(talk_say(&t, span_of(longest, sizeof(longest))), "-ERR ", 5), 0);
    assert_true(t.wait.closed);
    talk_close(&t);
}

// I-19
static void test_nothing_is_deleted_without_quit(void **state)
{
    struct talk t;

    (void)state;
    add_three();
    open_session(&t);
    talk_say(&t, SPAN("DELE 1\r\nDELE 2\r\n"));
    t.is_gone = true;
    talk_run(&t);
    assert_true(t.wait.closed);
    talk_close(&t);
    open_session(&t);
    talk_say(&t, SPAN("DELE 1\r\n"));
    t.stop = SESSION_STOP_SERVER;
    SAY(&t, "", "-ERR [SYS/TEMP] The server is stopping; come back in a moment\r\n");
    assert_true(t.wait.closed);
    talk_close(&t);
    assert_int_equal(talk_exists(&world, "INBOX"), 3);
}

// I-19
static void test_two_sessions(void **state)
{
    struct talk a, b, c;

    (void)state;
    add_three();
    open_session(&a);
    open_session(&b);
    talk_add(&world, SPAN("Subject: d\r\n\r\nnew\r\n"));
    talk_say(&a, SPAN("DELE 1\r\nDELE 3\r\nQUIT\r\n"));
    talk_close(&a);
    assert_int_equal(talk_exists(&world, "INBOX"), 2);
    SAY(&b, "STAT\r\n", "+OK 3 77\r\n"); // its moment
    SAY(&b, "RETR 1\r\n", "-ERR Another program has removed that message meanwhile\r\n");
    SAY(&b, "RETR 2\r\n", "+OK 27 octets\r\n" B_SENT ".\r\n");
    SAY(&b, "DELE 1\r\nDELE 2\r\nQUIT\r\n",
        "+OK Deleted when you say QUIT\r\n+OK Deleted when you say QUIT\r\n+OK Goodbye\r\n");
    talk_close(&b);
    open_session(&c); // what came after b's moment is not touched
    SAY(&c, "STAT\r\n", "+OK 1 19\r\n");
    talk_close(&c);
}

// I-19
static void test_ids_stay(void **state)
{
    struct talk a, b;
    char before[200], one[100];

    (void)state;
    add_three();
    open_session(&a);
    snprintf(before, sizeof(before), "%s", talk_say(&a, SPAN("UIDL\r\n")));
    assert_int_equal(strncmp(before, "+OK Unique ids follow\r\n1 00000001", 33), 0);
    snprintf(one, sizeof(one), "%s", talk_say(&a, SPAN("UIDL 3\r\n")));
    assert_non_null(strstr(before, strchr(one, '3'))); // "3 id" and the line's end
    talk_say(&a, SPAN("DELE 1\r\nQUIT\r\n"));
    talk_close(&a);
    open_session(&b); // message 3 is number 2 now, with the same id
    const char *now = talk_say(&b, SPAN("UIDL 2\r\n"));

    assert_string_equal(strchr(now, '2') + 1, strchr(one, '3') + 1);
    talk_close(&b);
}

static bool is_seen(uint32_t uid)
{
    struct placement_scan *scan;
    struct placement p;
    struct view *v;

    assert_int_equal(view_open(world.store, world.account, &v), ERR_OK);
    assert_int_equal(placement_scan_open(v, world.inbox, uid, uid, 0, &scan), ERR_OK);
    assert_int_equal(placement_next(scan, &p), ERR_OK);
    placement_scan_close(scan);
    view_close(v);
    return p.flags & FLAG_SEEN;
}

static void test_retrieved_is_read(void **state)
{
    struct pop3_server_options o;
    struct talk t;

    (void)state;
    add_three();
    open_session(&t);
    talk_say(&t, SPAN("RETR 1\r\nTOP 2 1\r\n"));
    t.is_gone = true; // also without QUIT
    talk_run(&t);
    talk_close(&t);
    assert_true(is_seen(1));
    assert_false(is_seen(2));
    pop3_server_options_default(&o);
    o.mark_seen = false;
    pop3_server_set_options(server, &o);
    open_session(&t);
    talk_say(&t, SPAN("RETR 3\r\nQUIT\r\n"));
    talk_close(&t);
    assert_false(is_seen(3));
}

static void test_delete_to_trash(void **state)
{
    struct pop3_server_options o;
    struct talk t;

    (void)state;
    add_three();
    pop3_server_options_default(&o);
    o.delete_to_trash = true;
    pop3_server_set_options(server, &o);
    for (uint32_t i = 1; i <= 2; i++) {
        open_session(&t);
        SAY(&t, "DELE 1\r\nQUIT\r\n", "+OK Deleted when you say QUIT\r\n+OK Goodbye\r\n");
        talk_close(&t);
        assert_int_equal(talk_exists(&world, "Trash"), i);
        assert_int_equal(talk_exists(&world, "INBOX"), 3 - i);
    }
}

// A client that reads nothing holds a buffer of bounded size; later it gets all of the message.
static void test_slow_reader(void **state)
{
    struct talk t;
    struct buf message;

    (void)state;
    buf_init(&message, 16u << 20);
    buf_put(&message, SPAN("Subject: big\r\n\r\n"));
    for (int i = 0; i < 400000; i++) {
        buf_put(&message, SPAN(".a line of a large message\r\n"));
    }
    talk_add(&world, buf_span(&message));
    open_session(&t);
    t.is_stuck = true;
    talk_say(&t, SPAN("RETR 1\r\nNOOP\r\n"));
    assert_in_range(t.out.n, 60000, 300000);
    assert_in_range(t.out_most, 60000, 300000);
    t.is_stuck = false;
    const char *all = talk_say(&t, SPAN(""));

    assert_in_range(t.out_most, 60000, 300000);
    assert_int_equal(t.heard.n, strlen("+OK 11200016 octets\r\n") + message.n + 400000 +
                                    strlen(".\r\n+OK\r\n"));
    assert_int_equal(strncmp(all, "+OK 11200016 octets\r\n", 21), 0);
    assert_string_equal(all + t.heard.n - 8, ".\r\n+OK\r\n");
    talk_close(&t);
    buf_finish(&message);
}

static void test_ended_by_an_administrator(void **state)
{
    struct talk t;

    (void)state;
    open_session(&t);
    t.stop = SESSION_STOP_SUSPENDED;
    SAY(&t, "", "-ERR [AUTH] This account has been suspended\r\n");
    assert_true(t.wait.closed);
    talk_close(&t);
}

static void test_capa_and_lang(void **state)
{
    struct talk t;

    (void)state;
    open_session(&t);
    const char *capa = talk_say(&t, SPAN("CAPA\r\n"));

    assert_non_null(strstr(capa, "\r\nUIDL\r\n"));
    assert_non_null(strstr(capa, "\r\nEXPIRE NEVER\r\n"));
    assert_null(strstr(capa, "STLS"));
    assert_null(strstr(capa, "SASL"));
    SAY(&t, "LANG\r\n", "+OK Languages follow\r\nen English\r\n.\r\n");
    SAY(&t, "LANG *\r\n", "+OK en English it is\r\n");
    assert_int_equal(strncmp(talk_say(&t, SPAN("LANG xx\r\n")), "-ERR ", 5), 0);
    talk_close(&t);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(test_a_day),
        TEST(test_refusals),
        TEST(test_too_many_bad_commands),
        TEST(test_bad_lines_end_it),
        TEST(test_nothing_is_deleted_without_quit),
        TEST(test_two_sessions),
        TEST(test_ids_stay),
        TEST(test_retrieved_is_read),
        TEST(test_delete_to_trash),
        TEST(test_slow_reader),
        TEST(test_ended_by_an_administrator),
        TEST(test_capa_and_lang),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
