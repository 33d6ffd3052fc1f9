// SPDX-License-Identifier: Apache-2.0
//
// ManageSieve after login. V05 of the list of cases: names that look like paths, long ones, many.
#include "../test.h"
#include "keep/managesieve/managesieve_session.h"
#include "store/rules.h"
#include "talk_driver.h"

static struct talk_world world;
static struct managesieve_server *server;
static struct talk t;

static int open_world(void **state)
{
    struct managesieve_server_options o;

    (void)state;
    talk_world_open(&world);
    managesieve_server_options_default(&o);
    assert_int_equal(managesieve_server_create(world.store, &o, &server), ERR_OK);
    talk_open(&t, &world, &managesieve_session_protocol, server);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    talk_close(&t);
    managesieve_server_destroy(server);
    talk_world_close(&world);
    return 0;
}

#define SAY(text, answer) assert_string_equal(talk_say(&t, SPAN(text)), answer)
#define STARTS(text, answer)                                                                       \
    assert_int_equal(strncmp(talk_say(&t, SPAN(text)), answer, strlen(answer)), 0)

static void test_a_day(void **state)
{
    (void)state;
    assert_string_equal(talk_heard(&t), "OK \"Logged in\"\r\n");
    SAY("HAVESPACE \"a\" 100\r\n", "OK \"There is room\"\r\n");
    SAY("PUTSCRIPT \"a\" {6+}\r\nkeep;\n\r\n", "OK \"Stored\"\r\n");
    SAY("PUTSCRIPT \"b\" \"discard;\"\r\n", "OK \"Stored\"\r\n");
    SAY("LISTSCRIPTS\r\n", "\"a\"\r\n\"b\"\r\nOK\r\n");
    SAY("SETACTIVE \"b\"\r\n", "OK \"Active\"\r\n");
    SAY("LISTSCRIPTS\r\n", "\"a\"\r\n\"b\" ACTIVE\r\nOK\r\n");
    SAY("GETSCRIPT \"a\"\r\n", "{6}\r\nkeep;\n\r\nOK\r\n");
    SAY("RENAMESCRIPT \"b\" \"c\"\r\n", "OK \"Renamed\"\r\n");
    SAY("LISTSCRIPTS\r\n", "\"a\"\r\n\"c\" ACTIVE\r\nOK\r\n");
    STARTS("DELETESCRIPT \"c\"\r\n", "NO (ACTIVE) ");
    SAY("SETACTIVE \"\"\r\n", "OK \"No script is active\"\r\n");
    SAY("DELETESCRIPT \"c\"\r\n", "OK \"Deleted\"\r\n");
    SAY("CHECKSCRIPT \"stop;\"\r\n", "OK \"The script is valid\"\r\n");
    SAY("NOOP \"x\"\r\n", "OK (TAG \"x\") \"Done\"\r\n");
    SAY("NOOP\r\n", "OK \"Done\"\r\n");
    SAY("LOGOUT\r\n", "OK \"Goodbye\"\r\n");
    assert_true(t.wait.closed);
}

static void test_capability(void **state)
{
    (void)state;
    const char *heard = talk_say(&t, SPAN("CAPABILITY\r\n"));

    assert_non_null(strstr(heard, "\"IMPLEMENTATION\" \"Mailkeep\"\r\n"));
    assert_non_null(strstr(heard, "\"OWNER\" \"u@x.example\"\r\n"));
    assert_non_null(strstr(heard, "\"VERSION\" \"1.0\"\r\n"));
    assert_non_null(strstr(heard, " vacation "));
    assert_null(strstr(heard, "STARTTLS"));
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    STARTS("GETSCRIPT \"x\"\r\n", "NO (NONEXISTENT) ");
    STARTS("SETACTIVE \"x\"\r\n", "NO (NONEXISTENT) ");
    STARTS("DELETESCRIPT \"x\"\r\n", "NO (NONEXISTENT) ");
    STARTS("RENAMESCRIPT \"x\" \"y\"\r\n", "NO (NONEXISTENT) ");
    talk_say(&t, SPAN("PUTSCRIPT \"x\" \"keep;\"\r\nPUTSCRIPT \"y\" \"keep;\"\r\n"));
    STARTS("RENAMESCRIPT \"x\" \"y\"\r\n", "NO (ALREADYEXISTS) ");
    STARTS("UNAUTHENTICATE\r\n", "NO ");
    STARTS("STARTTLS\r\n", "NO ");
    STARTS("AUTHENTICATE \"PLAIN\"\r\n", "NO ");
    assert_false(t.wait.closed);
}

static void test_a_script_that_is_not_valid_is_not_stored(void **state)
{
    (void)state;
    const char *heard = talk_say(&t, SPAN("PUTSCRIPT \"a\" \"nonsense\"\r\n"));

    assert_int_equal(strncmp(heard, "NO \"1:", 6), 0);
    STARTS("CHECKSCRIPT \"fileinto \\\"x\\\";\"\r\n", "NO "); // without require
    SAY("LISTSCRIPTS\r\n", "OK\r\n");
}

static void put_name(struct span name, const char *begins)
{
    struct buf b;

    buf_init(&b, 16384);
    buf_printf(&b, "PUTSCRIPT {%zu+}\r\n", name.n);
    buf_put(&b, name);
    buf_put(&b, SPAN(" \"keep;\"\r\n"));
    assert_int_equal(strncmp(talk_say(&t, buf_span(&b)), begins, strlen(begins)), 0);
    buf_finish(&b);
}

// V05: a name is a key of the store and never a path.
static void test_names(void **state)
{
    char longest[5000];

    (void)state;
    memset(longest, 'n', sizeof(longest));
    put_name(SPAN("../../x"), "OK");
    put_name(SPAN("a/b"), "OK");
    put_name(SPAN("\xe2\x80\xae"
                  "evil"),
             "OK");                   // right to left
    put_name(SPAN("\xc3\xa9"), "OK"); // two ways to write one letter: two names
    put_name(SPAN("e\xcc\x81"), "OK");
    put_name(SPAN(""), "NO ");
    put_name(SPAN("a\tb"), "NO ");
    put_name(SPAN("\xff"), "NO ");
    put_name(span_of(longest, 255), "OK");
    put_name(span_of(longest, 256), "NO ");
    put_name(span_of(longest, 4096), "NO ");
    const char *heard = talk_say(&t, SPAN("LISTSCRIPTS\r\n"));

    assert_non_null(strstr(heard, "\"../../x\"\r\n"));
    assert_non_null(strstr(heard, "\"a/b\"\r\n"));
}

// V05
static void test_quota(void **state)
{
    char line[100];

    (void)state;
    for (int i = 0; i < SCRIPTS_MAX; i++) {
        int n = snprintf(line, sizeof(line), "PUTSCRIPT \"s%d\" \"keep;\"\r\n", i);

        assert_string_equal(talk_say(&t, span_of(line, (size_t)n)), "OK \"Stored\"\r\n");
    }
    STARTS("PUTSCRIPT \"more\" \"keep;\"\r\n", "NO (QUOTA/MAXSCRIPTS) ");
    STARTS("HAVESPACE \"more\" 10\r\n", "NO (QUOTA/MAXSCRIPTS) ");
    STARTS("HAVESPACE \"s1\" 10\r\n", "OK"); // in the place of what is there
    STARTS("HAVESPACE \"s1\" 4000000000\r\n", "NO (QUOTA/MAXSIZE) ");
}

static void test_large_scripts(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 8u << 20);
    buf_printf(&b, "PUTSCRIPT \"big\" {%u+}\r\n", SCRIPT_BYTES_MAX);
    for (size_t i = 0; i < SCRIPT_BYTES_MAX / 8; i++) {
        buf_put(&b, SPAN("# sixty\n"));
    }
    buf_put(&b, SPAN("\r\n"));
    assert_string_equal(talk_say(&t, buf_span(&b)), "OK \"Stored\"\r\n");
    const char *heard = talk_say(&t, SPAN("GETSCRIPT \"big\"\r\n"));

    assert_int_equal(strncmp(heard, "{1024000}\r\n# sixty\n", 19), 0);
    buf_clear(&b);
    buf_put(&b, SPAN("PUTSCRIPT \"big\" {4000000+}\r\n"));
    for (size_t i = 0; i < 500000; i++) {
        buf_put(&b, SPAN("# sixty\n"));
    }
    buf_put(&b, SPAN("\r\nNOOP\r\n"));
    heard = talk_say(&t, buf_span(&b));
    assert_int_equal(strncmp(heard, "NO (QUOTA/MAXSIZE) ", 19), 0);
    assert_non_null(strstr(heard, "OK \"Done\"\r\n"));
    buf_finish(&b);
    STARTS("PUTSCRIPT \"a\" {100000000+}\r\n", "BYE ");
    assert_true(t.wait.closed);
}

static void test_bad_commands_end_it(void **state)
{
    (void)state;
    for (int i = 0; i < 19; i++) {
        STARTS("FOO\r\n", "NO ");
    }
    assert_non_null(strstr(talk_say(&t, SPAN("FOO\r\n")), "BYE "));
    assert_true(t.wait.closed);
}

static void test_ended_by_an_administrator(void **state)
{
    (void)state;
    t.stop = SESSION_STOP_PASSWORD;
    SAY("", "BYE \"The password has been changed; sign in with the new one\"\r\n");
    assert_true(t.wait.closed);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(test_a_day),
        TEST(test_capability),
        TEST(test_what_is_not_there),
        TEST(test_a_script_that_is_not_valid_is_not_stored),
        TEST(test_names),
        TEST(test_quota),
        TEST(test_large_scripts),
        TEST(test_bad_commands_end_it),
        TEST(test_ended_by_an_administrator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
