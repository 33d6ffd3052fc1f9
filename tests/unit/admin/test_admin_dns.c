// SPDX-License-Identifier: Apache-2.0
//
// domain dns: what is to be published, and what is said of what the DNS has.
#include "admin_driver.h"

static struct admin_bench bench;
static struct admin_bench *const b = &bench;

// The test's DNS: records as the courier sends them.
static struct {
    const char *name;
    uint16_t type;
    struct span data;
} zone[40];
static size_t zone_n;
static bool is_away;

static void publish(const char *name, uint16_t type, struct span data)
{
    zone[zone_n].name = arena_str(&b->store.arena, span_from_str(name));
    zone[zone_n].type = type;
    zone[zone_n++].data = arena_dup(&b->store.arena, data);
}

static enum err ask(void *arg, struct span name, uint16_t type, struct arena *a,
                    struct span *out_records)
{
    struct buf answer;

    (void)arg;
    buf_init(&answer, 65536);
    for (size_t i = 0; i < zone_n; i++) {
        if (zone[i].type == type && span_eq(name, span_from_str(zone[i].name))) {
            buf_put_byte(&answer, (char)(zone[i].data.n & 255));
            buf_put_byte(&answer, (char)(zone[i].data.n >> 8));
            buf_put(&answer, zone[i].data);
        }
    }
    *out_records = arena_dup(a, buf_span(&answer));
    buf_finish(&answer);
    return is_away ? ERR_AGAIN : ERR_OK;
}

static int setup(void **state)
{
    bench_choose(state);
    admin_bench_open(b);
    b->admin.server = SPAN("mail.example.org");
    b->admin.dns_ask = ask;
    zone_n = 0;
    is_away = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    admin_bench_close(b);
    return 0;
}

static json_int_t check(void)
{
    assert_ok(admin_bench_run(b, "domain dns",
                              json_pack("{s:s, s:b}", "domain", "example.org", "check", 1)));
    return admin_bench_number(b, -1, "wrong");
}

// The state and, in *out_advice, the advice of the row whose value starts so.
static const char *state_of(const char *value, const char **out_advice)
{
    for (size_t i = 0; i < json_array_size(b->items); i++) {
        if (strncmp(admin_bench_text(b, (int)i, "value"), value, strlen(value)) == 0) {
            *out_advice = admin_bench_text(b, (int)i, "advice");
            return admin_bench_text(b, (int)i, "state");
        }
    }
    *out_advice = "";
    return "no such row";
}

#define assert_row(value, state, words)                                                            \
    do {                                                                                           \
        const char *advice_;                                                                       \
        assert_string_equal(state_of(value, &advice_), state);                                     \
        assert_non_null(strstr(advice_, words));                                                   \
    } while (0)

static void make_key(void)
{
    assert_ok(admin_bench_run(b, "dkim create",
                              json_pack("{s:s, s:s, s:s}", "domain", "example.org", "algorithm",
                                        "ed25519", "selector", "one")));
}

// What is printed, published word by word, is found to be right.
static void publish_all(void)
{
    static const unsigned char srv[] = {0, 0, 0, 1};

    for (size_t i = 0; i < json_array_size(b->items); i++) {
        const char *type = admin_bench_text(b, (int)i, "type");
        const char *name = admin_bench_text(b, (int)i, "name");
        const char *value = admin_bench_text(b, (int)i, "value");
        struct buf data;

        buf_init(&data, 4096);
        if (strcmp(type, "TXT") == 0) {
            publish(name, 16, span_from_str(value));
        } else if (strcmp(type, "A") == 0) {
            publish(name, 28, SPAN("0123456789abcdef")); // AAAA will do
        } else if (strcmp(type, "MX") == 0) {
            publish(name, 15, SPAN("\x0a\0mail.example.org"));
        } else {
            unsigned port = 0;

            assert_int_equal(sscanf(value, "0 1 %u mail.example.org.", &port), 1);
            buf_put(&data, span_of(srv, sizeof(srv)));
            buf_put_byte(&data, (char)(port >> 8));
            buf_put_byte(&data, (char)(port & 255));
            buf_put(&data, SPAN("\4mail\7example\3org\0"));
            publish(name, 33, buf_span(&data));
        }
        buf_finish(&data);
    }
}

static void test_what_is_printed_is_what_is_wanted(void **state)
{
    (void)state;
    make_key();
    assert_int_equal(check(), 12);
    assert_row("v=spf1", "missing", "Put the record");
    assert_row("v=DKIM1", "missing", "Put the record");
    publish_all();
    assert_int_equal(check(), 0);
    assert_row("v=STSv1", "ok", "");
    const char *id = strstr(admin_bench_text(b, 5, "value"), "id=");

    assert_non_null(id);
    assert_int_equal(strspn(id + 3, "0123456789abcdef"), 16);
    assert_non_null(strstr(admin_bench_text(b, -1, "policy"), "mx: mail.example.org\r\n"));
}

static void test_what_differs(void **state)
{
    (void)state;
    make_key();
    publish("example.org", 15, SPAN("\x05\0mx.other.example"));
    publish("example.org", 16, SPAN("google-site-verification=1"));
    publish("example.org", 16, SPAN("v=spf1 ip4:192.0.2.1 -all"));
    publish("one._domainkey.example.org", 16, SPAN("v=DKIM1; k=ed25519; p=AAAA"));
    publish("_dmarc.example.org", 16, SPAN("v=DMARC1; p=none"));
    publish("_smtp._tls.example.org", 16, SPAN("something else"));
    publish("_imaps._tcp.example.org", 33, SPAN("\0\0\0\1\3\xe1\2mx\5other\7example\0"));
    check();
    assert_row("10 mail.example.org.", "differs", "goes elsewhere");
    assert_row("v=spf1", "differs", "add mx");
    assert_row("v=DKIM1", "differs", "Another key");
    assert_row("v=DMARC1", "ok", "only watches");
    assert_row("v=TLSRPTv1", "missing", "");
    assert_row("0 1 993", "differs", "sent elsewhere");
    publish("example.org", 16, SPAN("v=spf1 mx -all"));
    publish("example.org", 15, SPAN("\x0a\0MAIL.example.org"));
    publish("_dmarc.example.org", 16, SPAN("v=DMARC1; p=reject"));
    check();
    assert_row("v=spf1", "differs", "only one record");
    assert_row("10 mail.example.org.", "ok", "Other servers");
    assert_row("v=DMARC1", "differs", "only one record");
}

// RFC 7208 section 2.4: of mail without a sender the server's own name is asked.
static void test_the_servers_own_name(void **state)
{
    (void)state;
    check();
    assert_row("v=spf1 a -all", "missing", "Put the record");
    publish("mail.example.org", 16, SPAN("something else"));
    publish("mail.example.org", 16, SPAN("v=spf1 -all"));
    check();
    assert_row("v=spf1 a -all", "differs", "add a");
    publish("mail.example.org", 16, SPAN("v=spf1 +a -all"));
    check();
    assert_row("v=spf1 a -all", "differs", "only one record");
}

static void test_the_servers_own_name_by_address(void **state)
{
    (void)state;
    publish("mail.example.org", 16, SPAN("v=spf1 ip4:192.0.2.1 -all"));
    check();
    assert_row("v=spf1 a -all", "ok", "");
}

static void test_records_that_are_cut_or_strange(void **state)
{
    (void)state;
    publish("example.org", 15, SPAN("\x05"));
    publish("_imaps._tcp.example.org", 33, SPAN("\0\0"));
    publish("_sieve._tcp.example.org", 33, SPAN("\0\0\0\1\3\xe1\x3fmx"));
    publish("example.org", 16, SPAN(""));
    check();
    assert_row("10 mail.example.org.", "differs", "");
    assert_row("0 1 993", "differs", "");
    assert_row("0 1 4190", "differs", "");
}

static void test_a_dns_that_does_not_answer(void **state)
{
    (void)state;
    is_away = true;
    assert_int_equal(check(), 11);
    assert_row("v=spf1", "unknown", "could not be asked");
    b->admin.dns_ask = NULL;
    assert_err(admin_bench_run(b, "domain dns",
                               json_pack("{s:s, s:b}", "domain", "example.org", "check", 1)),
               ERR_UNAVAILABLE);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_printed_is_what_is_wanted),
        TEST(test_what_differs),
        TEST(test_the_servers_own_name),
        TEST(test_the_servers_own_name_by_address),
        TEST(test_records_that_are_cut_or_strange),
        TEST(test_a_dns_that_does_not_answer),
    };

    return BENCH_RUN("admin-dns", tests);
}
