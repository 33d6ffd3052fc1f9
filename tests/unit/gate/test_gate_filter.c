// SPDX-License-Identifier: Apache-2.0
//
// Filters: from the gate's checks over the pair to the courier's threads, a milter and an rspamd of
// the test's, and back to what the message becomes.
#include "fake_filter.h"
#include "supervisor/supervisor_internal.h"
#include "verdict_world.h"

#define PLAIN   "From: Ann <ann@example.org>\r\nSubject: hello\r\nX:\r\n y\r\n\r\nHi.\r\n"
#define PLAIN_S "From: Ann <ann@example.org>\r\nX:\r\n y\r\n\r\nHi.\r\n" // without Subject

static struct fake_filter fake;

static int setup(void **state)
{
    memset(&fake, 0, sizeof(fake));
    return world_setup(state);
}

// As the supervisor does for the courier.
static enum err ask_connection(void *arg, uint8_t place, int fd)
{
    (void)arg;
    socket_hand_out(w->settings, place, fd);
    return ERR_OK;
}

static void courier_open(const char *first, const char *second, int64_t timeout_ms)
{
    struct span list[] = {span_from_str(first), span_from_str(second)};
    struct courier_filter_options o = {.loop = w->loop,
                                       .filters = list,
                                       .filter_count = second ? 2 : 1,
                                       .threads = 2,
                                       .timeout_ms = timeout_ms,
                                       .message_max = 1 << 20,
                                       .memory_max = 2 << 20,
                                       .ask_connection = ask_connection};

    assert_ok(courier_filter_create(&o, &w->filter));
}

// A fake filter that says `script`; settings for the gate.
static const char *fake_open(bool is_http, const char *script, size_t n)
{
    static char conf[200];
    char filter[100];

    fake.is_http = is_http;
    fake.script = script;
    fake.script_n = n;
    fake_filter_open(&fake);
    snprintf(filter, sizeof(filter),
             is_http ? "rspamd http://127.0.0.1:%u/" : "milter 127.0.0.1:%u", fake.port);
    snprintf(conf, sizeof(conf), "filters = [\"%s\"]\nfilter_message_max = 65536\n", filter);
    courier_open(filter, NULL, 20000);
    return conf;
}

static void check_one(const char *conf)
{
    check(conf, "192.0.2.1", "x@bounce.example.org", SPAN(PLAIN));
}

static void fake_close(void)
{
    courier_filter_destroy(w->filter); // its threads hang up
    w->filter = NULL;
    fake_filter_close(&fake);
}

#define SCRIPT(s) s, sizeof(s) - 1

// ---- milter -------------------------------------------------------------------------------------

static void put_packet(struct buf *script, struct span packet)
{
    buf_put_byte(script, (char)packet.n);
    buf_put(script, packet);
}

static void test_milter_adds(void **state)
{
    struct buf script;

    (void)state;
    buf_init(&script, 1024);
    put_packet(&script, SPAN("hX-A\0a\nb\r\n\nc\0"));
    put_packet(&script, SPAN("i\0\0\0\1X-B\0bbb\0"));
    put_packet(&script, SPAN("m\0\0\0\1Subject\0other\0"));
    put_packet(&script, SPAN("m\0\0\0\1From\0other\0"));
    put_packet(&script, SPAN("hX: y\0zz\0"));
    put_packet(&script, SPAN("p"));
    put_packet(&script, SPAN("a"));
    const char *conf = fake_open(false, script.p, script.n);

    check_one(conf);
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->lines, "\r\nX-A: a\r\n\tb\r\n\tc\r\nX-B: bbb\r\nSubject: other\r\n");
    assert_null(strstr(w->lines, "zz")); // no field's name
    assert_span(buf_span(&w->out), PLAIN_S);
    assert_has(w->words, "another subject");
    assert_has(w->words, "a change of the header that is not done");
    fake_close();
    buf_finish(&script);
}

static void test_milter_hears(void **state)
{
    const char *conf = fake_open(false, SCRIPT("\1c"));

    (void)state;
    check_one(conf);
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->lines, "\r\nSubject: hello\r\n"); // as it came
    courier_filter_destroy(w->filter);
    w->filter = NULL;
    static const char *const want[] = {"C[192.0.2.1]",
                                       "Hmail.example.org",
                                       "M<x@bounce.example.org>",
                                       "R<b@example.net>",
                                       "R<c@example.net>",
                                       "LFrom",
                                       "LSubject",
                                       "LX",
                                       "\n y",
                                       "|N|BHi.\r\n|E|"};

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        if (span_find(buf_span(&fake.heard), span_from_str(want[i])) == fake.heard.n) {
            print_error("the milter did not hear \"%s\"\n", want[i]);
            fail();
        }
    }
    fake_filter_close(&fake);
}

static void test_milter_decides(void **state)
{
    static const struct {
        const char *script;
        size_t n;
        enum verdict_action action;
        unsigned code;
        const char *enhanced, *text;
    } cases[] = {
        {SCRIPT("\1r"), VERDICT_REJECT, 550, "5.7.1", "The message is refused by a content filter"},
        {SCRIPT("\1t"), VERDICT_TEMPORARY, 451, "4.7.1",
         "The message is not taken now. Try again later"},
        {SCRIPT("\x13y554 5.6.0 no\xff way\0"), VERDICT_REJECT, 554, "5.6.0", "no? way"},
        {SCRIPT("\x0dy450 later\r\n\0"), VERDICT_TEMPORARY, 450, "4.7.1", "later"},
        {SCRIPT("\1d"), VERDICT_JUNK, 250, "2.0.0", ""},
        {SCRIPT("\5qbad\0\1c"), VERDICT_JUNK, 250, "2.0.0", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *conf = fake_open(false, cases[i].script, cases[i].n);

        check_one(conf);
        assert_int_equal(w->action, cases[i].action);
        assert_int_equal(w->code, cases[i].code);
        assert_string_equal(w->enhanced, cases[i].enhanced);
        assert_string_equal(w->text, cases[i].text);
        fake_close();
        memset(&fake, 0, sizeof(fake));
    }
}

// What it does not want to hear it is not told, and what it leaves unanswered is not waited for.
static void test_milter_negotiates(void **state)
{
    const char *conf;

    (void)state;
    fake.steps = 0x01 | 0x02 | 0x10 | 0x40; // no connection, HELO, body, end of headers
    fake.rcpt_answer = 'r';
    conf = fake_open(false, SCRIPT("\1c"));
    check_one(conf);
    assert_int_equal(w->action, VERDICT_REJECT);
    courier_filter_destroy(w->filter);
    w->filter = NULL;
    assert_true(span_find(buf_span(&fake.heard), SPAN("|M<")) < 20); // after the negotiation
    fake_filter_close(&fake);
}

// Filters that want what we do not do, or talk nonsense, are away.
static void test_milter_away(void **state)
{
    static const struct {
        const char *script;
        size_t n;
        uint32_t actions, steps;
    } cases[] = {
        {SCRIPT("\1c"), 0x02, 0},       // replaces bodies
        {SCRIPT("\1c"), 0, 0x80000000}, // no such step
        {SCRIPT("\3bxx\1c"), 0, 0},     // replaces it all the same
        {SCRIPT("\1Z"), 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake.actions = cases[i].actions;
        fake.steps = cases[i].steps;
        check_one(fake_open(false, cases[i].script, cases[i].n));
        assert_int_equal(w->action, VERDICT_TEMPORARY);
        assert_int_equal(w->code, 451);
        assert_string_equal(w->enhanced, "4.3.0");
        fake_close();
        memset(&fake, 0, sizeof(fake));
    }
}

static void test_time_is_up(void **state)
{
    char filter[64], conf[160];

    (void)state;
    fake.is_mute = true;
    fake_filter_open(&fake);
    snprintf(filter, sizeof(filter), "milter 127.0.0.1:%u", fake.port);
    snprintf(conf, sizeof(conf), "filters = [\"%s\"]\nfilter_away = accept\n", filter);
    courier_open(filter, NULL, 50);
    check_one(conf);
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->words, "away (");
    assert_has(w->lines, "Subject: hello\r\n");
    fake_close();
}

static void test_nobody_listens(void **state)
{
    (void)state;
    courier_open("milter 127.0.0.1:1", "rspamd http://127.0.0.1:1", 20000);
    check_one("filters = [\"milter 127.0.0.1:1\"]\n");
    assert_int_equal(w->action, VERDICT_TEMPORARY);
    check_one("filters = [\"milter 127.0.0.1:1\"]\nfilter_away = accept\n");
    assert_int_equal(w->action, VERDICT_ACCEPT);
}

// ---- Unix sockets -------------------------------------------------------------------------------

static char unix_dir[32], unix_path[64], unix_conf[120];

static void unix_setup(void)
{
    char filter[100];

    snprintf(unix_dir, sizeof(unix_dir), "/tmp/mk-filter-XXXXXX");
    assert_non_null(mkdtemp(unix_dir));
    snprintf(unix_path, sizeof(unix_path), "%s/milter.sock", unix_dir);
    snprintf(filter, sizeof(filter), "milter unix:%s", unix_path);
    snprintf(unix_conf, sizeof(unix_conf), "filters = [\"%s\"]\n", filter);
    courier_open(filter, NULL, 20000);
}

static void unix_teardown(void)
{
    unlink(unix_path);
    assert_int_equal(rmdir(unix_dir), 0);
}

static void test_milter_at_a_path(void **state)
{
    (void)state;
    unix_setup();
    check_one(unix_conf); // nothing is there
    assert_int_equal(w->action, VERDICT_TEMPORARY);
    assert_string_equal(w->enhanced, "4.3.0");
    fake.path = unix_path;
    fake.script = "\1r";
    fake.script_n = 2;
    fake_filter_open(&fake);
    check_one(unix_conf); // it has come meanwhile
    assert_int_equal(w->action, VERDICT_REJECT);
    fake_close();
    unix_teardown();
}

static void test_nobody_at_a_path(void **state)
{
    char conf[160];

    (void)state;
    unix_setup();
    fake.path = unix_path;
    fake_filter_open(&fake);
    fake_filter_close(&fake); // the socket stays behind
    snprintf(conf, sizeof(conf), "%sfilter_away = accept\n", unix_conf);
    check_one(conf);
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->words, "away (");
    unix_teardown();
}

// ---- rspamd -------------------------------------------------------------------------------------

#define HTTP(json) SCRIPT("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" json)

static void test_rspamd(void **state)
{
    static const struct {
        const char *script;
        size_t n;
        enum verdict_action action;
        unsigned code;
        const char *text, *lines;
    } cases[] = {
        {HTTP("{\"action\":\"no action\",\"score\":1.5,\"required_score\":15}"), VERDICT_ACCEPT,
         250, "", "X-Spam-Score: 1.50 / 15.00\r\nSubject: hello\r\n"},
        {HTTP("{\"action\":\"add header\",\"score\":1e300}"), VERDICT_JUNK, 250, "",
         "X-Spam-Score: 0.00 / 0.00\r\nX-Spam: Yes\r\n"},
        {HTTP("{\"action\":\"rewrite subject\",\"subject\":\"*** hello\"}"), VERDICT_ACCEPT, 250,
         "", "X-Spam: Yes\r\nSubject: *** hello\r\n"},
        {HTTP("{\"action\":\"rewrite subject\",\"subject\":\"\\u00e4\\r\\nBcc: x\"}"),
         VERDICT_ACCEPT, 250, "", "Subject: =?"},
        {HTTP("{\"action\":\"reject\",\"messages\":{\"smtp_message\":\"5.7.0 spam\"}}"),
         VERDICT_REJECT, 550, "spam", ""},
        {HTTP("{\"action\":\"soft reject\"}"), VERDICT_TEMPORARY, 451,
         "The message is not taken now. Try again later", ""},
        {HTTP("{\"action\":\"discard\"}"), VERDICT_JUNK, 250, "", "X-Spam: Yes\r\n"},
        {HTTP("{\"action\":\"no action\",\"milter\":{\"add_headers\":{\"X-One\":\"1\",\"X-Two\":"
              "{\"value\":\"2\\nEvil: 3\",\"order\":0},\"X-Three\":[\"a\",{\"value\":\"b\"},7],"
              "\"no name\":\"x\"}}}"),
         VERDICT_ACCEPT, 250, "",
         "X-One: 1\r\nX-Two: 2\r\n\tEvil: 3\r\nX-Three: a\r\nX-Three: b\r\nSubject: hello\r\n"},
        {HTTP("{\"action\":\"dance\"}"), VERDICT_TEMPORARY, 451,
         "The message cannot be checked now. Try again later", ""},
        {HTTP("[1]"), VERDICT_TEMPORARY, 451, "The message cannot be checked now. Try again later",
         ""},
        {SCRIPT("HTTP/1.1 404 No\r\nConnection: close\r\n\r\n{\"action\":\"no action\"}"),
         VERDICT_TEMPORARY, 451, "The message cannot be checked now. Try again later", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_one(fake_open(true, cases[i].script, cases[i].n));
        assert_int_equal(w->action, cases[i].action);
        assert_int_equal(w->code, cases[i].code);
        assert_string_equal(w->text, cases[i].text);
        assert_has(w->lines, cases[i].lines);
        fake_close();
        memset(&fake, 0, sizeof(fake));
    }
}

static void test_rspamd_hears(void **state)
{
    const char *conf = fake_open(true, HTTP("{\"action\":\"no action\"}"));
    static const char *const want[] = {
        "POST /checkv2 HTTP/1.1\r\n",     "IP: 192.0.2.1\r\n",       "Helo: mail.example.org\r\n",
        "From: x@bounce.example.org\r\n", "Rcpt: b@example.net\r\n", "Rcpt: c@example.net\r\n",
        "\r\nSubject: hello\r\n",         "\r\n\r\nHi.\r\n"};

    (void)state;
    // Results that claim to be ours are not shown to filters, either.
    check(conf, "192.0.2.1", "x@bounce.example.org",
          SPAN("Authentication-Results: mx.example.net; dmarc=pass\r\n" PLAIN));
    courier_filter_destroy(w->filter);
    w->filter = NULL;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        if (span_find(buf_span(&fake.heard), span_from_str(want[i])) == fake.heard.n) {
            print_error("rspamd did not hear \"%s\"\n", want[i]);
            fail();
        }
    }
    assert_int_equal(span_find(buf_span(&fake.heard), SPAN("dmarc=pass")), fake.heard.n);
    fake_filter_close(&fake);
}

// ---- both, and none -----------------------------------------------------------------------------

static void test_dmarc_comes_first(void **state)
{
    const char *conf = fake_open(true, HTTP("{\"action\":\"no action\"}"));

    (void)state;
    zone_txt(&w->zone, "_dmarc.example.org", "v=DMARC1; p=reject");
    check(conf, "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_REJECT);
    assert_has(w->text, "Refused as the DMARC policy");
    fake_close();
}

static void test_large(void **state)
{
    const char *conf = fake_open(true, HTTP("{\"action\":\"reject\"}"));
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_put_str(&b, PLAIN);
    for (int i = 0; i < 2000; i++) {
        buf_put_str(&b, "A line of the body that is 40 bytes.\r\n");
    }
    check(conf, "192.0.2.1", "x@bounce.example.org", buf_span(&b)); // above filter_message_max
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->words, "too large for filters");
    assert_int_equal(w->out.n, b.n - strlen("Subject: hello\r\n"));
    assert_has(w->lines, "Subject: hello\r\n");
    begin(conf, "192.0.2.1", "x@bounce.example.org", false);
    finish(buf_span(&b)); // not from outside: not shown
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_int_equal(w->out.n, b.n);
    buf_finish(&b);
    fake_close();
}

static void test_courier_without_filters(void **state)
{
    (void)state;
    begin("filters = [\"milter 127.0.0.1:1\"]\n", "192.0.2.1", "x@bounce.example.org", true);
    finish(SPAN(PLAIN)); // the other end was closed
    assert_int_equal(w->action, VERDICT_TEMPORARY);
}

static void test_goes_early(void **state)
{
    const char *conf = fake_open(true, HTTP("{\"action\":\"no action\"}"));

    (void)state;
    begin(conf, "192.0.2.1", "x@bounce.example.org", true);
    assert_ok(verdict_feed(w->verdict, SPAN(PLAIN), &w->out));
    verdict_destroy(w->verdict);
    w->verdict = NULL;
    check_one(conf); // and the next one is served
    assert_int_equal(w->action, VERDICT_ACCEPT);
    fake_close();
}

static void test_addresses(void **state)
{
    static const char *const good[] = {
        "milter 127.0.0.1:8891", "milter [::1]:8891", "milter unix:/run/x y/milter.sock",
        "rspamd http://127.0.0.1:11333", "rspamd http://[::1]:11333/"};
    static const char *const bad[] = {"",
                                      "milter",
                                      "milter localhost:8891",
                                      "milter 127.0.0.1",
                                      "milter unix:",
                                      "milter unix:/",
                                      "milter unix:milter.sock",
                                      "milter unix:/run/\x01",
                                      "rspamd unix:/run/x.sock",
                                      "rspamd 127.0.0.1:11333",
                                      "rspamd https://127.0.0.1:11333",
                                      "rspamd http://127.0.0.1:11333/x",
                                      "clamav 127.0.0.1:3310"};
    struct filter f;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_ok(filter_parse(span_from_str(good[i]), &f));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_err(filter_parse(span_from_str(bad[i]), &f), ERR_INVALID);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_milter_adds),       TEST(test_milter_hears), TEST(test_milter_decides),
        TEST(test_milter_negotiates), TEST(test_milter_away),  TEST(test_time_is_up),
        TEST(test_nobody_listens),    TEST(test_rspamd),       TEST(test_rspamd_hears),
        TEST(test_dmarc_comes_first), TEST(test_large),        TEST(test_courier_without_filters),
        TEST(test_goes_early),        TEST(test_addresses),    TEST(test_milter_at_a_path),
        TEST(test_nobody_at_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
