// SPDX-License-Identifier: Apache-2.0
//
// The rules of alerts: what each fires at, and what it does not (L31, L33).
#include "../test.h"
#include "alert/alert.h"

#define DAY  86400
#define NOW  (20000ll * DAY + 3600)
#define LONG (NOW - 60ll * DAY)
#define SEEN 100
#define MAX  8

struct finds {
    struct alert list[MAX];
    size_t n;
};

static void on_found(void *arg, const struct alert *a)
{
    struct finds *f = arg;

    assert_true(f->n < MAX);
    f->list[f->n++] = *a;
}

static struct alert_signin row(const char *network, int64_t when, uint64_t count, uint64_t failures,
                               uint64_t changed)
{
    return (struct alert_signin){.network = span_from_str(network),
                                 .client = SPAN(""),
                                 .first = when,
                                 .last = when,
                                 .count = count,
                                 .failures = failures,
                                 .changed = changed};
}

static struct finds look(const struct alert_settings *o, const struct alert_signin *rows, size_t n,
                         int64_t since)
{
    struct finds f = {.n = 0};

    alert_signins(o, rows, n, SEEN, since, on_found, &f);
    return f;
}

#define LOOK(o, rows, since) look(o, rows, sizeof(rows) / sizeof((rows)[0]), since)

static void new_networks(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    const struct alert_signin rows[] = {
        row("192.0.2.0/24", LONG, 5, 0, 10), row("198.51.100.0/24", NOW, 1, 0, SEEN + 1),
        row("192.0.77.0/24", NOW, 1, 0, SEEN + 2), // the same /16 as the first
    };
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 1);
    assert_int_equal(f.list[0].kind, ALERT_NEW_NETWORK);
    assert_int_equal(f.list[0].trigger, SEEN + 1);
    assert_span(f.list[0].network, "198.51.100.0/24");
    assert_int_equal(f.list[0].when_ms, NOW * 1000);
    o.exact_networks = true;
    f = LOOK(&o, rows, 0);
    assert_int_equal(f.n, 2);
    assert_int_not_equal(f.list[0].salt, f.list[1].salt);
}

static void networks_of_six(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    const struct alert_signin rows[] = {
        row("2001:db8:1::/48", LONG, 1, 0, 10),
        row("2001:db8:ffff::/48", NOW, 1, 0, SEEN + 1),
        row("2001:db9:1::/48", NOW, 1, 0, SEEN + 1),
    };
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 1);
    assert_span(f.list[0].network, "2001:db9:1::/48");
    assert_false(alert_same_network(SPAN("192.0.2.0/24"), SPAN("2001:db8:1::/48"), false));
    assert_false(alert_same_network(SPAN(""), SPAN("192.0.2.0/24"), false));
}

// Not news: what is being learnt, what was there before alerts were, what failed, what was seen.
static void no_wolf(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    const struct alert_signin learning[] = {
        row("192.0.2.0/24", NOW - 6 * DAY, 1, 0, 10),
        row("198.51.100.0/24", NOW, 1, 0, SEEN + 1),
    };
    const struct alert_signin very_first[] = {row("192.0.2.0/24", NOW, 1, 0, SEEN + 1)};
    const struct alert_signin failing[] = {
        row("192.0.2.0/24", LONG, 1, 0, 10),
        row("198.51.100.0/24", NOW, 0, 500, SEEN + 1),
    };
    const struct alert_signin seen[] = {
        row("192.0.2.0/24", LONG, 1, 0, 10),
        row("198.51.100.0/24", NOW, 1, 0, SEEN),
    };
    const struct alert_signin twice[] = {
        row("192.0.2.0/24", LONG, 1, 0, 10),
        row("198.51.100.0/24", NOW - DAY, 1, 0, SEEN),
        row("198.51.100.0/24", NOW, 1, 0, SEEN + 1),
    };
    const struct alert_signin many_others[] = {
        row("192.0.2.0/24", LONG, 1, 0, 10),
        row("", NOW, 1, 50, SEEN + 1),
    };

    assert_int_equal(LOOK(&o, learning, 0).n, 0);
    assert_int_equal(LOOK(&o, failing, 0).n, 0);
    assert_int_equal(LOOK(&o, seen, 0).n, 0);
    assert_int_equal(LOOK(&o, twice, 0).n, 0);
    assert_int_equal(LOOK(&o, many_others, 0).n, 0);
    o.learn_s = 0;
    assert_int_equal(LOOK(&o, very_first, 0).n, 0);
    assert_int_equal(LOOK(&o, learning, 0).n, 1);
    assert_int_equal(LOOK(&o, learning, NOW + 1).n, 0); // alerts began later than that
    assert_int_equal(look(&o, NULL, 0, 0).n, 0);
}

static void guessed(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    struct alert_signin rows[] = {
        row("192.0.2.0/24", LONG, 1, 0, 10),
        row("198.51.100.0/24", NOW - 60, 0, 9, SEEN),
        row("198.51.100.0/24", NOW, 1, 0, SEEN + 1),
    };
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 1);
    assert_int_equal(f.list[0].kind, ALERT_NEW_NETWORK);
    rows[1].failures = 10;
    f = LOOK(&o, rows, 0);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.list[0].kind, ALERT_GUESSED);
    assert_int_equal(f.list[0].count, 10);
    // From a network that had signed in before: a program with the old password.
    rows[0].network = SPAN("198.51.7.0/24");
    assert_int_equal(LOOK(&o, rows, 0).n, 0);
    // Elsewhere, or long ago: the owner has nothing to do with it.
    rows[0].network = SPAN("192.0.2.0/24");
    rows[1].network = SPAN("203.0.113.0/24");
    rows[2].network = SPAN("192.0.2.0/24");
    assert_int_equal(LOOK(&o, rows, 0).n, 0);
    rows[1] = row("198.51.100.0/24", NOW - 2 * DAY, 0, 99, SEEN);
    rows[2] = row("198.51.100.0/24", NOW, 1, 0, SEEN + 1);
    f = LOOK(&o, rows, 0);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.list[0].kind, ALERT_NEW_NETWORK);
}

static void meters(void **state)
{
    struct alert_meter m = {0};
    const int64_t hour = 3600000, start = 1000 * hour;

    (void)state;
    assert_int_equal(alert_meter_add(&m, hour, start, 4), 4);
    assert_int_equal(alert_meter_add(&m, hour, start + hour / 2, 3), 7);
    assert_int_equal(alert_meter_add(&m, hour, start + hour - 1, 1), 8);
    assert_int_equal(alert_meter_add(&m, hour, start + hour, 1), 5);      // the 4 are too old
    assert_int_equal(alert_meter_add(&m, hour, start + hour / 4, 1), 6);  // a clock set back
    assert_int_equal(alert_meter_add(&m, hour, start + 10 * hour, 2), 2); // long after
    assert_int_equal(alert_meter_add(&m, hour, INT64_MAX, 1), 1);
    assert_int_equal(alert_meter_add(&m, 1, 0, 1), 2);
    alert_meter_clear(&m);
    assert_int_equal(alert_meter_add(&m, hour, 0, 5), 5);
}

static void quota_levels(void **state)
{
    (void)state;
    assert_int_equal(alert_quota_level(79, 100, 0), 0);
    assert_int_equal(alert_quota_level(80, 100, 0), 80);
    assert_int_equal(alert_quota_level(94, 100, 80), 80);
    assert_int_equal(alert_quota_level(95, 100, 80), 95);
    assert_int_equal(alert_quota_level(90, 100, 95), 95); // to and fro is one
    assert_int_equal(alert_quota_level(89, 100, 95), 80);
    assert_int_equal(alert_quota_level(75, 100, 80), 80);
    assert_int_equal(alert_quota_level(74, 100, 80), 0);
    assert_int_equal(alert_quota_level(UINT64_MAX - 1, UINT64_MAX, 0), 0);
    assert_int_equal(alert_quota_level(UINT64_MAX / 2, UINT64_MAX - 1, 0), 0);
    assert_int_equal(alert_quota_level(UINT64_MAX - 2, UINT64_MAX - 1, 0), 95);
    assert_int_equal(alert_quota_level(0, 0, 0), 0);
    assert_int_equal(alert_quota_level(7, 10, 0), 0);
    assert_int_equal(alert_quota_level(8, 10, 0), 80);
    assert_int_equal(alert_quota_level(0, 1, 0), 0);
    assert_int_equal(alert_quota_level(500, 100, 0), 95);
}

static void limits(void **state)
{
    struct alert_settings o;
    const int64_t now = NOW * 1000;

    (void)state;
    alert_settings_default(&o);
    assert_true(alert_may_be_told(&o, ALERT_FOLDERS, now, 0, 0));
    assert_false(alert_may_be_told(&o, ALERT_FOLDERS, now, now - o.pause_ms + 1, 1));
    assert_true(alert_may_be_told(&o, ALERT_FOLDERS, now, now - o.pause_ms, 1));
    assert_false(alert_may_be_told(&o, ALERT_FOLDERS, now, now - 2 * o.pause_ms, o.per_day));
    assert_true(alert_may_be_told(&o, ALERT_FOLDERS, now, now + 2000ll * DAY, 1)); // a wrong clock
    assert_true(alert_may_be_told(&o, ALERT_TEST, now, now, 1000));
}

static void names(void **state)
{
    enum alert_kind kind;

    (void)state;
    for (unsigned i = 1; i < ALERT_KINDS; i++) {
        assert_true(alert_kind_parse(span_from_str(alert_kind_name((enum alert_kind)i)), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(alert_kind_parse(SPAN(""), &kind));
    assert_null(alert_kind_name((enum alert_kind)99));
    assert_null(alert_kind_name((enum alert_kind)0));
}

// Whatever is in the texts: lines end in CR LF and are short, no header field is added, nothing
// turns the text around.
static void letters(void **state)
{
    const struct alert_letter l = {.server = SPAN("mail.example.org"),
                                   .address = SPAN("anna@example.org"),
                                   .message_id = SPAN("<x@mail.example.org>"),
                                   .now_ms = NOW * 1000};

    (void)state;
    for (unsigned i = 1; i < ALERT_KINDS; i++) {
        struct span evil = SPAN("a\r\nBcc: x@y\r\n\r\nhttp\x01 \xE2\x80\xAE\xFF\x9B<b>");
        const struct alert a = {.kind = (enum alert_kind)i,
                                .count = 95,
                                .not_told = 3,
                                .when_ms = NOW * 1000,
                                .network = SPAN("192.0.2.0/24"),
                                .client = evil,
                                .device = evil,
                                .by = evil,
                                .words = evil};
        struct buf out;

        buf_init(&out, 65536);
        assert_ok(alert_letter_put(&out, &a, &l));
        struct span rest = buf_span(&out);

        assert_true(span_find(rest, SPAN("\nBcc")) == rest.n);
        assert_true(span_find(rest, SPAN("\xE2\x80\xAE")) == rest.n);
        assert_true(span_find(rest, SPAN("Mailkeep-Alert: ")) < rest.n);
        assert_true(span_find(rest, SPAN("3 more of this kind")) < rest.n);
        while (rest.n) {
            struct span line = span_split(&rest, '\n');

            assert_true(line.n >= 1 && line.n < 200);
            assert_int_equal(line.p[line.n - 1], '\r');
            assert_true(span_find_byte(span_first(line, line.n - 1), '\r') == line.n - 1);
        }
        buf_finish(&out);
    }
}

static void sentences(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    alert_sentence_put(&out, &(struct alert){.kind = ALERT_DOWNLOAD,
                                             .count = 3ull << 30,
                                             .network = SPAN("192.0.2.0/24")});
    assert_span(buf_span(&out), "Much of your mail was read in a short time: 3072 MB, from "
                                "192.0.2.0/24.");
    buf_clear(&out);
    alert_sentence_put(&out, &(struct alert){.kind = ALERT_DEVICE,
                                             .device = SPAN("phone"),
                                             .by = SPAN("the administrator")});
    assert_span(buf_span(&out), "A password for a new device was made for your account: \"phone\" "
                                "(done by the administrator).");
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_networks), cmocka_unit_test(networks_of_six),
        cmocka_unit_test(no_wolf),      cmocka_unit_test(guessed),
        cmocka_unit_test(meters),       cmocka_unit_test(quota_levels),
        cmocka_unit_test(limits),       cmocka_unit_test(names),
        cmocka_unit_test(letters),      cmocka_unit_test(sentences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
