// SPDX-License-Identifier: Apache-2.0
//
// Scripts that want too much: size, nesting, numbers of things, time and memory. A script that is
// too large is refused with a line; one that asks for too much work is stopped, the message kept.
#include "../test.h"
#include "sieve_driver.h"

static struct buf script, out, message;

static int begin(void **state)
{
    (void)state;
    buf_init(&script, 16 << 20);
    buf_init(&out, 4 << 20);
    buf_init(&message, 64 << 20);
    buf_put_str(&message, "From: a@example.com\r\nSubject: aaaaaaaaaaaaaaaaaaaa\r\n\r\nhi\r\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_finish(&message);
    buf_finish(&out);
    buf_finish(&script);
    return 0;
}

static void repeat(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&script, text);
    }
}

static enum err run(uint64_t steps)
{
    struct world w;

    world_init(&w);
    w.env.message = buf_span(&message);
    buf_clear(&out);
    return world_run(&w, buf_span(&script), steps, false, &out);
}

static void assert_starts(const char *want)
{
    if (!span_starts(buf_span(&out), span_from_str(want))) {
        print_error("got \"%.*s\"\n", SPAN_ARG(span_first(buf_span(&out), 300)));
        fail();
    }
}

// V01
static void test_nested(void **state)
{
    static const char *const deep[] = {
        "if true {", "not ", "if not anyof(", "if header [", "/* ", "if allof(true,", "{", "("};

    (void)state;
    for (size_t i = 0; i < sizeof(deep) / sizeof(deep[0]); i++) {
        buf_clear(&script);
        repeat(i == 1 ? "if not " : "", 1);
        repeat(deep[i], 100000);
        assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
        assert_starts("1:");
    }
}

static void test_depth_that_is_allowed(void **state)
{
    (void)state;
    repeat("if true {", 15);
    repeat("keep;", 1);
    repeat("}", 15);
    assert_ok(run(SIEVE_STEPS_DEFAULT));
    assert_starts("keep");
}

static void test_size(void **state)
{
    (void)state;
    repeat("#", (1 << 20) - 6);
    repeat("\nkeep;", 1);
    assert_ok(run(SIEVE_STEPS_DEFAULT));
    assert_starts("keep");
    repeat(" ", 1);
    assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
    assert_starts("1:1: the script is larger");
}

static void test_numbers_of_things(void **state)
{
    (void)state;
    repeat("keep;", 16384);
    assert_ok(run(SIEVE_STEPS_DEFAULT));
    repeat("keep;", 1);
    assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
    assert_starts("1:81921: the script has too many");

    buf_clear(&script);
    repeat("if header \"a\" [\"x\"", 1);
    repeat(",\"x\"", 4096);
    repeat("] { }", 1);
    assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
    assert_starts("1:16400: this list is too long");

    buf_clear(&script);
    repeat("require \"variables\";", 1);
    for (int i = 0; i < 300; i++) {
        buf_printf(&script, "set \"v%d\" \"x\";\n", i);
    }
    assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
    assert_starts("257:5: the script uses more than 256 variables");
}

static void test_not_text(void **state)
{
    (void)state;
    buf_put(&script, SPAN("keep;\nkeep\0;"));
    assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
    assert_starts("2:5: this is no text");
    buf_clear(&script);
    buf_put(&script, SPAN("keep;\n# \xff"));
    assert_err(run(SIEVE_STEPS_DEFAULT), ERR_INVALID);
    assert_starts("2:3: this is no text");
}

// Encoded characters and references that do not end cost nothing more than their length.
static void test_open_references(void **state)
{
    (void)state;
    repeat("require [\"variables\",\"encoded-character\",\"fileinto\"]; fileinto \"x", 1);
    repeat("${hex:${unicode: 40 40 40 ${a", 30000);
    repeat("\";", 1);
    assert_ok(run(SIEVE_STEPS_DEFAULT));
    assert_starts("fileinto \"x${hex:");
}

static void test_wildcards_cost(void **state)
{
    (void)state;
    buf_put_str(&message, "");
    buf_clear(&message);
    buf_put_str(&message, "Subject: ");
    for (int i = 0; i < 200000; i++) {
        buf_put_byte(&message, 'a');
    }
    buf_put_str(&message, "\r\n\r\n");
    repeat("require \"variables\"; if header :matches \"subject\" \"*", 1);
    for (int i = 0; i < 20; i++) {
        repeat("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 20);
        repeat("b*", 1);
    }
    repeat("\" { discard; }", 1);
    assert_ok(run(1000000));
    assert_starts("over budget 1: the script used too much time\nimplicit keep");
}

static void test_regex_cost(void **state)
{
    (void)state;
    repeat("require [\"regex\"]; if header :regex \"subject\" \"(a?){250}(a*)*(a+)+b\" {discard;}",
           1);
    assert_ok(run(20000));
    assert_starts("over budget 1: the script used too much time\nimplicit keep");
}

// The budget is one for all: what one script used the next does not have.
static void test_one_budget(void **state)
{
    struct sieve_budget budget = {3000};
    struct world w;
    struct arena programs, results;
    struct sieve_result result;
    const struct sieve_program *program;
    struct sieve_problems problems;
    unsigned runs = 0;

    (void)state;
    world_init(&w);
    w.env.message = buf_span(&message);
    arena_init(&programs, 1 << 20);
    arena_init(&results, 1 << 20);
    assert_ok(sieve_compile(NULL, SPAN("if header :contains \"subject\" \"aaa\" { keep; }"),
                            &programs, &program, &problems));
    do {
        assert_ok(sieve_run(program, &w.env, &budget, &results, &result));
        assert_true(++runs < 1000);
    } while (!result.has_error);
    assert_true(runs > 3 && result.is_over_budget && budget.steps_left == 0);
    assert_true(result.action_n == 1 && result.actions[0].kind == SIEVE_KEEP);
    arena_finish(&results);
    arena_finish(&programs);
}

static void test_parts_times_headers(void **state)
{
    (void)state;
    buf_clear(&message);
    buf_put_str(&message, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 9000; i++) {
        buf_put_str(&message, "--b\r\nContent-Type: text/plain\r\nX: y\r\n\r\nz\r\n");
    }
    repeat("require [\"foreverypart\",\"mime\"]; foreverypart { foreverypart { if header :mime "
           ":anychild :contains \"x\" \"n\" { discard; } } if header :mime :anychild "
           ":contains [\"x\",\"x\",\"x\",\"x\"] [\"n\",\"n\",\"n\"] { discard; } }",
           1);
    assert_ok(run(400000));
    assert_starts("over budget 1: the script used too much time\nimplicit keep");
}

static void test_memory(void **state)
{
    (void)state;
    repeat("require [\"variables\",\"fileinto\",\"editheader\"];", 1);
    repeat("set \"a\" \"0123456789\";", 1);
    repeat("set \"a\" \"${a}${a}${a}${a}${a}${a}${a}${a}\";", 5);
    repeat("addheader \"X-A\" \"${a} ${a}\";", 300);
    assert_ok(run(SIEVE_STEPS_DEFAULT));
    assert_starts("error 1: the value of \"X-A\" has a word that is too long");
    buf_clear(&script);
    repeat("require [\"editheader\"];", 1);
    repeat("addheader \"X-A\" \"a\";", 300);
    assert_ok(run(SIEVE_STEPS_DEFAULT));
    assert_starts("error 1: the script changes the message more than 256 times\nimplicit keep");
}

// With little memory for the result the message is kept all the same.
static void test_little_memory(void **state)
{
    static const char *const scripts[] = {
        ("require [\"fileinto\"]; fileinto \"a\"; fileinto \"b\"; fileinto \"c\"; fileinto \"d\";"
         "fileinto \"e\"; redirect \"a@example.com\";"),
        "require [\"enclose\"]; enclose \"x\"; enclose \"y\";",
        "require [\"vacation\", \"enotify\"]; vacation \"x\"; notify \"mailto:a@example.com\";",
        "require [\"replace\",\"foreverypart\"]; replace \"x\"; foreverypart { replace \"y\"; }",
    };
    unsigned failures = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        for (size_t room = 0; room < 9000; room += 128) {
            struct world w;
            struct arena programs, results;
            struct sieve_budget budget = {SIEVE_STEPS_DEFAULT};
            struct sieve_result result;
            const struct sieve_program *program;
            struct sieve_problems problems;

            world_init(&w);
            w.env.message = buf_span(&message);
            arena_init(&programs, 1 << 20);
            arena_init(&results, room);
            assert_ok(
                sieve_compile(NULL, span_from_str(scripts[i]), &programs, &program, &problems));
            enum err e = sieve_run(program, &w.env, &budget, &results, &result);

            assert_true(e == ERR_OK || e == ERR_NOMEM);
            if (e == ERR_OK && result.has_error) {
                failures++;
                assert_true(result.is_over_budget && result.action_n == 1 &&
                            result.actions[0].kind == SIEVE_KEEP && !result.actions[0].message);
            }
            arena_finish(&results);
            arena_finish(&programs);
        }
    }
    assert_true(failures > 0);
}

static void test_callback_errors(void **state)
{
    static const char *const scripts[] = {
        "require [\"mailbox\"]; if mailboxexists \"a\" { discard; }",
        "require [\"mailboxid\"]; if mailboxidexists \"a\" { discard; }",
        "require [\"special-use\"]; if specialuse_exists \"a\" { discard; }",
        "require [\"mboxmetadata\"]; if metadataexists \"a\" \"b\" { discard; }",
        "require [\"duplicate\"]; if duplicate :uniqueid \"a\" { discard; }",
        "require [\"include\"]; include :optional \"a\";",
        "require [\"environment\"]; if environment \"host\" \"a\" { discard; }",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct world w;

        world_init(&w);
        w.failure = ERR_UNAVAILABLE;
        w.env.message = buf_span(&message);
        buf_clear(&out);
        assert_err(world_run(&w, span_from_str(scripts[i]), SIEVE_STEPS_DEFAULT, false, &out),
                   ERR_UNAVAILABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nested, begin, end),
        cmocka_unit_test_setup_teardown(test_depth_that_is_allowed, begin, end),
        cmocka_unit_test_setup_teardown(test_size, begin, end),
        cmocka_unit_test_setup_teardown(test_numbers_of_things, begin, end),
        cmocka_unit_test_setup_teardown(test_not_text, begin, end),
        cmocka_unit_test_setup_teardown(test_open_references, begin, end),
        cmocka_unit_test_setup_teardown(test_wildcards_cost, begin, end),
        cmocka_unit_test_setup_teardown(test_regex_cost, begin, end),
        cmocka_unit_test_setup_teardown(test_one_budget, begin, end),
        cmocka_unit_test_setup_teardown(test_parts_times_headers, begin, end),
        cmocka_unit_test_setup_teardown(test_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_little_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_callback_errors, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
