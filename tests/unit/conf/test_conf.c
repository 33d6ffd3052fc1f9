// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "conf/conf.h"

static struct conf_report report;

static struct settings *parse(const char *text)
{
    struct settings *s = NULL;
    enum err e = conf_parse(span_from_str(text), &report, &s);

    if (e != ERR_OK && report.count) {
        print_message("# %u:%u %s\n", report.problems[0].line, report.problems[0].column,
                      report.problems[0].text);
    }
    return e == ERR_OK ? s : NULL;
}

static void test_defaults_are_valid(void **state)
{
    (void)state;
    struct settings *s = parse("");

    assert_non_null(s);
    assert_span(conf_value_text(s, SETTING_DATA_DIR), "/var/lib/mailkeep");
    assert_int_equal(conf_value_bytes(s, SETTING_MESSAGE_MAX), 50 << 20);
    assert_int_equal(conf_value_ms(s, SETTING_LOGIN_FAILURE_DELAY), 1500);
    assert_false(conf_value_bool(s, SETTING_CLEAR_LOGIN_LOOPBACK));
    assert_int_equal(conf_value_list_size(s, SETTING_LISTEN_IMAPS), 1);
    assert_span(conf_value_list_item(s, SETTING_LISTEN_IMAPS, 0), "*:993");
    assert_span(conf_value_choice_text(s, SETTING_LOG_LEVEL), "info");
    assert_int_equal(conf_value_line(s, SETTING_LOG_LEVEL), 0);
    settings_unref(s);
}

static void test_values_are_read(void **state)
{
    (void)state;
    struct settings *s = parse("# a comment\n"
                               "data_dir = \"/a \\\"b\\\" # c\"   # real comment\r\n"
                               "  message_max=10MB\n"
                               "log_level = debug\n"
                               "clear_login_loopback = yes\n"
                               "listen_imap = 127.0.0.1:24143, [::1]:24143 # two\n"
                               "listen_imaps = [\n  \"*:24993\", # one\n\n  127.0.0.2:24993\n]\n"
                               "[imap]\n"
                               "idle_timeout = 2 h\n"
                               "[]\n"
                               "hierarchy_separator = .");

    assert_non_null(s);
    assert_span(conf_value_text(s, SETTING_DATA_DIR), "/a \"b\" # c");
    assert_int_equal(conf_value_bytes(s, SETTING_MESSAGE_MAX), 10 << 20);
    assert_int_equal(conf_value_choice(s, SETTING_LOG_LEVEL), 3);
    assert_true(conf_value_bool(s, SETTING_CLEAR_LOGIN_LOOPBACK));
    assert_int_equal(conf_value_list_size(s, SETTING_LISTEN_IMAP), 2);
    assert_span(conf_value_list_item(s, SETTING_LISTEN_IMAP, 1), "[::1]:24143");
    assert_int_equal(conf_value_list_size(s, SETTING_LISTEN_IMAPS), 2);
    assert_span(conf_value_list_item(s, SETTING_LISTEN_IMAPS, 1), "127.0.0.2:24993");
    assert_int_equal(conf_value_ms(s, SETTING_IMAP_IDLE_TIMEOUT), 7200000);
    assert_span(conf_value_choice_text(s, SETTING_HIERARCHY_SEPARATOR), ".");
    assert_int_equal(conf_value_line(s, SETTING_MESSAGE_MAX), 3);
    settings_unref(s);
}

static void test_problems_are_named_with_line_and_column(void **state)
{
    static const struct {
        const char *text, *says;
        unsigned line, column;
    } rows[] = {
        {"data_dri = /x", "did you mean data_dir?", 1, 1},
        {"\n  zzzzzzzzzz = 1", "there is no setting zzzzzzzzzz", 2, 3},
        {"message_max = 50 QB", "wants a size", 1, 15},
        {"message_max = 1 KB", "must be between", 1, 15},
        {"sessions_max = 0", "0 does not mean unlimited", 1, 16},
        {"sessions_max = -1", "wants a number", 1, 16},
        {"sessions_max = 99999999999999999999", "wants a number", 1, 16},
        {"message_max = 18446744073709551615 TB", "wants a size", 1, 15},
        {"log_level = loud", "{error warning info debug}", 1, 13},
        {"clear_login_loopback = maybe", "yes or no", 1, 24},
        {"listen_imap = 127.0.0.1", "wants addresses", 1, 15},
        {"listen_imap = 127.0.0.1:99999", "wants addresses", 1, 15},
        {"listen_imap = *:1, foo:2", "wants addresses", 1, 20},
        {"listen_imap = *:1,,*:2", "an item is missing", 1, 19},
        {"listen_imap = [*:1\n*:2]", "a comma or ] is missing", 2, 1},
        {"listen_imap = [*:1,\n\n", "is not closed", 1, 15},
        {"data_dir = \"abc\n", "not closed on its line", 1, 12},
        {"data_dir = \"a\\n\"", "after a backslash", 1, 15},
        {"data_dir = \"a\" b", "nothing may follow", 1, 16},
        {"data_dir /x", "an = is missing", 1, 10},
        {"data_dir =", "between 1 and", 1, 11},
        {"= 3", "a line is `name = value`", 1, 1},
        {"[imap\n", "a section is written", 1, 1},
        {"user = a\nuser = b", "the first is in line 1", 2, 8},
        {"login_timeout = 5 s\ntls_timeout = 6 s", "may not be larger", 2, 15},
        {"listen_imap =\nlisten_imaps = []\nlisten_pop3=\nlisten_pop3s=\nlisten_sieve=\n"
         "listen_smtp=\nlisten_submission=\nlisten_submissions=",
         "are empty: nobody", 0, 0},
        {"listen_imap = *:993", "listened on twice", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct settings *s = parse(rows[i].text);

        if (s || report.count != 1 || !strstr(report.problems[0].text, rows[i].says) ||
            (rows[i].line && (report.problems[0].line != rows[i].line ||
                              report.problems[0].column != rows[i].column))) {
            fail_msg("row %zu: %zu problems, %u:%u \"%s\"", i, report.count,
                     report.problems[0].line, report.problems[0].column, report.problems[0].text);
        }
    }
}

static void test_all_problems_are_named_and_counted(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    for (int i = 0; i < 30; i++) {
        buf_put_str(&b, "wrong_name = 1\n");
    }
    buf_put_byte(&b, '\0');
    assert_null(parse(b.p));
    assert_int_equal(report.count, CONF_PROBLEMS_MAX);
    assert_int_equal(report.dropped, 10);
    assert_int_equal(report.problems[3].line, 4);
    buf_finish(&b);
}

static void note_change(void *arg, const struct setting_row *row, struct span now, struct span next)
{
    buf_printf(arg, "%s: %.*s -> %.*s\n", row->name, SPAN_ARG(now), SPAN_ARG(next));
}

static void test_written_settings_read_back(void **state)
{
    struct buf a, b;

    (void)state;
    buf_init(&a, 100000);
    buf_init(&b, 100000);
    struct settings *s = parse("data_dir = \"/a \\\\ \\\" b\"\nmessage_max = 1234567\n"
                               "listen_imap = [*:1, [::1]:2]\nlisten_imaps=\n"
                               "auth_cache_time = 0\nlogin_failure_delay = 1001 ms");

    assert_non_null(s);
    conf_write(s, &a);
    buf_put_byte(&a, '\0');
    struct settings *t = parse(a.p);

    assert_non_null(t);
    conf_write(t, &b);
    buf_put_byte(&b, '\0');
    assert_string_equal(a.p, b.p);
    assert_int_equal(conf_value_list_size(t, SETTING_LISTEN_IMAPS), 0);
    assert_int_equal(conf_value_ms(t, SETTING_LOGIN_FAILURE_DELAY), 1001);
    buf_clear(&a);
    conf_changes(s, t, note_change, &a);
    assert_int_equal(a.n, 0);
    settings_unref(s);
    settings_unref(t);
    buf_finish(&a);
    buf_finish(&b);
}

static void test_a_reload_keeps_what_takes_a_restart(void **state)
{
    struct settings *now = parse("data_dir = /a\nlisten_imap = [*:1, *:2]\nmessage_max = 20 MB");
    struct settings *next =
        parse("data_dir = /b\nlisten_imap =\nmessage_max = 30 MB\nimap_idle_timeout = 5 min");
    struct buf changes;

    (void)state;
    buf_init(&changes, 10000);
    conf_changes(now, next, note_change, &changes);
    assert_span(buf_span(&changes), "data_dir: \"/a\" -> \"/b\"\n"
                                    "listen_imap: [\"*:1\", \"*:2\"] -> []\n"
                                    "message_max: 20 MB -> 30 MB\n"
                                    "imap_idle_timeout: 30 min -> 5 min\n");
    assert_ok(conf_keep_start_values(now, next));
    settings_unref(now); // the values are copies
    assert_string_equal(conf_value_text(next, SETTING_DATA_DIR).p, "/a");
    assert_int_equal(conf_value_list_size(next, SETTING_LISTEN_IMAP), 2);
    assert_span(conf_value_list_item(next, SETTING_LISTEN_IMAP, 1), "*:2");
    assert_int_equal(conf_value_bytes(next, SETTING_MESSAGE_MAX), 30 << 20);
    assert_int_equal(conf_value_ms(next, SETTING_IMAP_IDLE_TIMEOUT), 300000);
    settings_unref(next);
    buf_finish(&changes);
}

// The default file, its comment marks taken off, is the default.
static void test_default_file_is_the_default(void **state)
{
    struct buf text, plain, empty;

    (void)state;
    buf_init(&text, 1 << 18);
    buf_init(&plain, 1 << 18);
    buf_init(&empty, 1000);
    conf_write_default(&text);
    assert_ok(buf_result(&text));
    struct span rest = buf_span(&text);

    while (rest.n) {
        struct span line = span_split(&rest, '\n');

        if (span_starts(line, SPAN("#")) && !span_starts(line, SPAN("# "))) {
            buf_put(&plain, span_skip(line, 1));
            buf_put_byte(&plain, '\n');
        }
    }
    buf_put_byte(&plain, '\0');
    struct settings *s = parse(plain.p), *d = parse("");

    assert_non_null(s);
    conf_changes(s, d, note_change, &empty);
    assert_int_equal(empty.n, 0);
    for (unsigned i = 0; i < SETTING__COUNT; i++) {
        assert_true(conf_value_line(s, (enum setting_id)i) > 0);
    }
    settings_unref(s);
    settings_unref(d);
    buf_clear(&text);
    conf_write_manual(&text);
    assert_ok(buf_result(&text));
    assert_true(span_find(buf_span(&text), SPAN(".B login_timeout")) < text.n);
    buf_finish(&text);
    buf_finish(&plain);
    buf_finish(&empty);
}

// To find a server whose file is being mended.
static void test_a_file_with_problems_gives_what_it_can(void **state)
{
    char path[] = "/tmp/mk-conf-XXXXXX";
    struct settings *s;
    int fd = mkstemp(path);
    static const char text[] = "message_max = soon\ndata_dir = \"/srv/mail\"\nno_such = 1\n";

    (void)state;
    assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
    close(fd);
    assert_err(conf_load(path, &report, &s), ERR_INVALID);
    assert_ok(conf_load_partly(path, &report, &s));
    assert_int_equal(report.count, 2);
    assert_int_equal(report.problems[1].line, 3);
    assert_span(conf_value_text(s, SETTING_DATA_DIR), "/srv/mail");
    assert_int_equal(conf_value_line(s, SETTING_DATA_DIR), 2);
    assert_int_equal(conf_value_column(s, SETTING_DATA_DIR), 12);
    assert_int_equal(conf_value_bytes(s, SETTING_MESSAGE_MAX), 50 << 20);
    settings_unref(s);
    unlink(path);
    assert_ok(conf_load_partly(path, &report, &s));
    assert_int_equal(report.count, 1);
    assert_int_equal(conf_value_column(s, SETTING_DATA_DIR), 0);
    settings_unref(s);
}

static void test_missing_file_is_said(void **state)
{
    struct settings *s;

    (void)state;
    assert_err(conf_load("/nonexistent/mailkeep.conf", &report, &s), ERR_NOT_FOUND);
    assert_int_equal(report.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_valid),
        cmocka_unit_test(test_values_are_read),
        cmocka_unit_test(test_problems_are_named_with_line_and_column),
        cmocka_unit_test(test_all_problems_are_named_and_counted),
        cmocka_unit_test(test_written_settings_read_back),
        cmocka_unit_test(test_a_reload_keeps_what_takes_a_restart),
        cmocka_unit_test(test_default_file_is_the_default),
        cmocka_unit_test(test_a_file_with_problems_gives_what_it_can),
        cmocka_unit_test(test_missing_file_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
