// SPDX-License-Identifier: Apache-2.0
//
// Inputs made to cost a careless implementation quadratic time, endless memory or endless
// questions: N01, N04, N06 and N09 of the attack list. Each is done at one size and at four times
// that size. The measure is the processor's count of instructions where it can be had, else
// processor time: linear work takes four times as much, quadratic sixteen; the bound lies between.
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>

#include "../test.h"
#include "senderauth/arc.h"
#include "senderauth/auth_results.h"
#include "senderauth/dmarc.h"
#include "zone.h"

#define FACTOR_MAX 9
#define NOISE      20000000 // instructions or nanoseconds

static struct zone *zone;
static int counter = -1;

static int64_t work_done(void)
{
    int64_t v = 0;
    struct timespec t;

    if (counter >= 0 && read(counter, &v, sizeof(v)) == sizeof(v)) {
        return v;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int setup(void **state)
{
    struct perf_event_attr a = {.type = PERF_TYPE_HARDWARE, .size = sizeof(a)};

    (void)state;
    a.config = PERF_COUNT_HW_INSTRUCTIONS;
    a.exclude_kernel = 1;
    counter = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
    zone = malloc(sizeof(*zone));
    zone_init(zone);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    zone_finish(zone);
    free(zone);
    if (counter >= 0) {
        close(counter);
    }
    return 0;
}

struct big {
    const char *name, *before, *unit, *after;
    int count;
    void (*use)(struct span text);
};

// Everything that is done with a message.
static void use_message(struct span text)
{
    struct auth_message *m = NULL;
    struct resolver r = zone_resolver(zone);
    struct dkim_result *list = NULL;
    struct arc_result chain;
    struct dmarc_result dmarc;
    struct arena arena;
    size_t n = 0;

    arena_init(&arena, 64 << 20);
    assert_ok(auth_message_create(true, &m));
    auth_message_feed(m, text);
    if (auth_message_finish(m) == ERR_OK) {
        assert_ok(dkim_verify(m, &r, 0, &arena, &list, &n));
        assert_ok(arc_verify(m, &r, &arena, &chain));
        struct dmarc_question q = {.message = m, .dkim = list, .dkim_count = n};

        assert_ok(dmarc_check(&q, &r, &arena, &dmarc));
    }
    auth_message_destroy(m);
    arena_finish(&arena);
}

static void use_results(struct span text)
{
    struct auth_results r;
    struct auth_cut cut;
    struct arena arena;
    struct buf out;
    size_t at = 0;

    arena_init(&arena, 64 << 20);
    buf_init(&out, 64 << 20);
    auth_results_parse(&arena, text, &r);
    while (auth_results_next_forged(text, SPAN("mx.example.net"), &at, &cut)) {
    }
    auth_results_join(&out, text, SPAN("mx.example.net"));
    buf_finish(&out);
    arena_finish(&arena);
}

static void use_spf(struct span text)
{
    struct spf_question q = {.helo = SPAN("h.example.org"), .domain = SPAN("big.example.org")};
    struct resolver r = zone_resolver(zone);
    struct spf_result result;
    struct arena arena;

    zone_clear(zone);
    zone_add(zone, SPAN("big.example.org"), SPAN("TXT"), text, 0);
    assert_ok(ip_address_parse(SPAN("2001:db8::1"), &q.ip));
    arena_init(&arena, 64 << 20);
    assert_ok(spf_check(&q, &r, &arena, &result));
    arena_finish(&arena);
}

static void use_dmarc(struct span text)
{
    struct dmarc_record record;
    struct dmarc_address a;
    struct arena arena;

    arena_init(&arena, 64 << 20);
    if (dmarc_record_parse(text, &record) == ERR_OK) {
        while (dmarc_next_address(&arena, &record.aggregate, &a)) {
        }
    }
    arena_finish(&arena);
}

#define SIGNATURE                                                                                  \
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; b=AAAA; "                              \
    "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; h=From"
#define RESULTS "Authentication-Results: mx.example.net; "

static const struct big cases[] = {
    {"names in h=", "From: a@b.org\n" SIGNATURE, ":X", "\n\nbody", 50000, use_message},
    {"signatures", "", SIGNATURE "\n", "\nbody", 1500, use_message},
    {"fields", SIGNATURE ":X:X:X:X\n", "X: y\n", "\nbody", 2400, use_message},
    {"different fields", SIGNATURE "\n", "", "\nbody", 2400, use_message},
    {"folded field", SIGNATURE ":X\nX: a\n", " b\n", "\nbody", 60000, use_message},
    {"blanks in a field", SIGNATURE ":X\nX: a", " ", "b\n\nbody", 200000, use_message},
    {"From addresses", "From: a@b.org", ", a@b.org", "\n\nbody", 20000, use_message},
    {"From fields", "", "From: a@b.org\n", "\nbody", 2400, use_message},
    {"tags", "DKIM-Signature: v=1", "; x", "\n\nbody", 60000, use_message},
    {"a long b=", SIGNATURE "; z=", "A", "\n\nbody", 200000, use_message},
    {"seals", "", "ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a.b; s=s; b=AAAA\n", "\nx", 2400,
     use_message},
    {"results of a chain", "", "ARC-Authentication-Results: i=1; a; none\n", "\nx", 2400,
     use_message},
    {"empty lines", SIGNATURE "; c=relaxed/relaxed\n\n", "\r\n", "x", 500000, use_message},
    {"blank lines", SIGNATURE "; c=relaxed/relaxed\n\n", " \r\n", "", 500000, use_message},
    {"blanks", SIGNATURE "; c=relaxed/relaxed\n\n", " ", "x", 1000000, use_message},
    {"a long line", SIGNATURE "\n\n", "x", "", 1000000, use_message},
    {"CRs", SIGNATURE "\n\n", "\r", "", 1000000, use_message},
    {"result lists", "mx.example.net", "; spf=pass", "", 50000, use_results},
    {"properties", "a; spf=pass", " a.b=c", "", 50000, use_results},
    {"comments", "a; spf=pass", " (", "", 200000, use_results},
    {"closed comments", "a", " (x)", "", 200000, use_results},
    {"quotes", "a; spf=pass", " a.b=\"x\"", "", 50000, use_results},
    {"open quotes", "a; spf=pass a.b=\"", "\\\"", "", 200000, use_results},
    {"forged fields", "", RESULTS "none\n", "\n", 20000, use_results},
    {"SPF terms", "v=spf1", " ip4:1.2.3.4", " -all", 300, use_spf},
    {"SPF macros", "v=spf1 exists:", "%{i}", ".x", 500, use_spf},
    {"SPF parts", "v=spf1 exists:a", ".a", ".x", 1900, use_spf},
    {"SPF record of any size", "v=spf1", " a", "", 16384, use_spf},
    {"DMARC tags", "v=DMARC1; p=none", "; x=y", "", 50000, use_dmarc},
    {"DMARC addresses", "v=DMARC1; p=none; rua=mailto:a@b.c", ",mailto:a@b.c", "", 20000,
     use_dmarc},
};

static int64_t measure(const struct big *c, int count)
{
    struct buf text;

    buf_init(&text, 256 << 20);
    buf_put_str(&text, c->before);
    for (int i = 0; i < count; i++) {
        if (*c->unit) {
            buf_put_str(&text, c->unit);
        } else {
            buf_printf(&text, "X%d: y\n", i);
        }
    }
    buf_put_str(&text, c->after);
    int64_t start = work_done();

    c->use(buf_span(&text));
    start = work_done() - start;
    buf_finish(&text);
    return start;
}

static void test_linear(void **state)
{
    int failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t small = measure(&cases[i], cases[i].count);
        int64_t large = measure(&cases[i], 4 * cases[i].count);

        if (large > FACTOR_MAX * small + NOISE) {
            print_error("%s: %lld, four times as much: %lld\n", cases[i].name, (long long)small,
                        (long long)large);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

static struct spf_result ask_spf(const char *ip)
{
    struct spf_question q = {.helo = SPAN("h.example.org"), .domain = SPAN("example.org")};
    struct resolver r = zone_resolver(zone);
    struct spf_result result;
    static struct arena arena;

    arena_finish(&arena);
    arena_init(&arena, 64 << 20);
    assert_ok(ip_address_parse(span_from_str(ip), &q.ip));
    zone->asked = 0;
    assert_ok(spf_check(&q, &r, &arena, &result));
    assert_true(zone->asked <= SPF_QUERIES_MAX);
    return result;
}

static void test_spf_attacks(void **state)
{
    char name[64], value[128];

    (void)state;
    zone_clear(zone); // a chain of 11 includes
    zone_txt(zone, "example.org", "v=spf1 include:i1.example.org -all");
    for (int i = 1; i < 12; i++) {
        snprintf(name, sizeof(name), "i%d.example.org", i);
        snprintf(value, sizeof(value), "v=spf1 include:i%d.example.org -all", i + 1);
        zone_txt(zone, name, value);
    }
    struct spf_result r = ask_spf("192.0.2.1");

    assert_int_equal(r.status, SPF_PERMERROR);
    assert_true(span_find(r.words, SPAN("more than 10 DNS lookups")) < r.words.n);
    zone_clear(zone);
    zone_txt(zone, "example.org", "v=spf1 include:example.org -all");
    assert_int_equal(ask_spf("192.0.2.1").status, SPF_PERMERROR);
    zone_clear(zone);
    zone_txt(zone, "example.org", "v=spf1 redirect=example.org");
    assert_int_equal(ask_spf("192.0.2.1").status, SPF_PERMERROR);
    zone_clear(zone); // 10 mx of 10 hosts each
    zone_txt(zone, "example.org", "v=spf1 mx:a.x mx:b.x mx:c.x mx:d.x mx:e.x mx:f.x mx:g.x -all");
    for (char c = 'a'; c <= 'g'; c++) {
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "%c.x", c);
            snprintf(value, sizeof(value), "h%d.%c.x", i, c);
            zone_add(zone, span_from_str(name), SPAN("MX"), span_from_str(value), 1);
            zone_add(zone, span_from_str(value), SPAN("A"), SPAN("192.0.2.9"), 0);
        }
    }
    r = ask_spf("192.0.2.1");
    assert_int_equal(r.status, SPF_PERMERROR);
    assert_int_equal(r.queries, SPF_QUERIES_MAX);
    zone_clear(zone); // 1,000 names of one client
    zone_txt(zone, "example.org", "v=spf1 ptr -all");
    for (int i = 0; i < 1000; i++) {
        snprintf(value, sizeof(value), "n%d.example.org", i);
        zone_add(zone, SPAN("1.2.0.192.in-addr.arpa"), SPAN("PTR"), span_from_str(value), 0);
        zone_add(zone, span_from_str(value), SPAN("A"), SPAN("192.0.2.1"), 0);
    }
    r = ask_spf("192.0.2.1");
    assert_int_equal(r.status, SPF_PASS);
    assert_int_equal(r.queries, 2 + SPF_HOSTS_MAX);
}

static void test_smtputf8(void **state)
{
    struct spf_question q = {.helo = SPAN("h.example.org"),
                             .local = SPAN("\xc3\xbc"),
                             .domain = SPAN("b\xc3\xbc"
                                            "cher.example")};
    struct resolver r = zone_resolver(zone);
    struct spf_result result;
    struct arena arena;

    (void)state;
    zone_clear(zone);
    zone_txt(zone, "xn--bcher-kva.example", "v=spf1 exists:%{l}.x ~exists:%{o}.y -all");
    zone_add(zone, SPAN("xn--bcher-kva.example.y"), SPAN("A"), SPAN("127.0.0.1"), 0);
    assert_ok(ip_address_parse(SPAN("192.0.2.1"), &q.ip));
    arena_init(&arena, 1 << 20);
    assert_ok(spf_check(&q, &r, &arena, &result));
    assert_int_equal(result.status, SPF_SOFTFAIL); // %{l} matches nothing, %{o} is the A-label
    arena_finish(&arena);
}

// 50 sets are read, a 51st is one too many, and none is added to 50.
static void test_arc_cap(void **state)
{
    struct dkim_private_key *key = NULL;
    struct resolver r = zone_resolver(zone);
    struct buf message, seal, record;

    (void)state;
    zone_clear(zone);
    assert_ok(dkim_key_generate(DKIM_ED25519_SHA256, 0, &key));
    buf_init(&record, 1000);
    assert_ok(dkim_key_put_record(&record, key));
    zone_add(zone, SPAN("s._domainkey.example.org"), SPAN("TXT"), buf_span(&record), 0);
    buf_init(&message, 4 << 20);
    buf_init(&seal, 4 << 20);
    buf_put_str(&message, "From: a@example.org\r\n\r\nbody\r\n");
    for (int i = 0; i <= ARC_SETS_MAX; i++) {
        struct dkim_signer s = {.domain = SPAN("example.org"), .selector = SPAN("s"), .key = key};
        struct auth_message *m = NULL;
        struct arc_result chain;
        struct arena arena;

        arena_init(&arena, 64 << 20);
        assert_ok(auth_message_create(true, &m));
        assert_ok(auth_message_feed(m, buf_span(&message)));
        assert_ok(auth_message_finish(m));
        assert_ok(arc_verify(m, &r, &arena, &chain));
        assert_int_equal(chain.status, i ? ARC_PASS : ARC_NONE);
        assert_int_equal(chain.n, i);
        buf_clear(&seal);
        assert_err(arc_seal(m, &s, chain.status, SPAN("x; none"), &seal),
                   i < ARC_SETS_MAX ? ERR_OK : ERR_LIMIT);
        buf_put(&seal, buf_span(&message));
        buf_clear(&message);
        buf_put(&message, buf_span(&seal));
        auth_message_destroy(m);
        arena_finish(&arena);
    }
    buf_finish(&message);
    buf_finish(&seal);
    buf_finish(&record);
    dkim_key_destroy(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spf_attacks),
        cmocka_unit_test(test_smtputf8),
        cmocka_unit_test(test_arc_cap),
        cmocka_unit_test(test_linear),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
