// SPDX-License-Identifier: Apache-2.0
//
// The rules of alerts: what each fires at, and what it does not (L31, L33, L60, L61).
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

// ---- places -------------------------------------------------------------------------------------

#define PARIS  4885, 235
#define LYON   4576, 484
#define BERLIN 5252, 1340
#define SAO    -2355, -4663
#define TEXAS  3278, -9680

static struct alert_signin at(struct alert_signin row, const char *country, int latitude,
                              int longitude, unsigned radius)
{
    row.country = span_from_str(country);
    row.country_name = SPAN("");
    row.has_position = true;
    row.latitude = latitude;
    row.longitude = longitude;
    row.radius_km = radius;
    return row;
}

static void distances(void **state)
{
    const struct alert_signin none = {.count = 1};
    struct alert_signin paris = at(none, "FR", PARIS, 0), sao = at(none, "BR", SAO, 0);
    struct alert_signin east = at(none, "X", 0, 17999, 0), west = at(none, "X", 0, -17999, 0);
    struct alert_signin north = at(none, "X", 9000, 0, 0), south = at(none, "X", -9000, 0, 0);

    (void)state;
    assert_in_range(alert_apart_km(&paris, &sao), 9380, 9420);
    assert_int_equal(alert_apart_km(&paris, &paris), 0);
    assert_in_range(alert_apart_km(&east, &west), 0, 3); // over the date line
    assert_in_range(alert_apart_km(&north, &south), 20000, 20020);
    paris.radius_km = 400;
    sao.radius_km = 1000;
    assert_in_range(alert_apart_km(&paris, &sao), 7980, 8020);
    sao.radius_km = UINT32_MAX;
    assert_int_equal(alert_apart_km(&paris, &sao), 0);
}

static void new_countries(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    struct alert_signin rows[] = {
        at(row("81.2.69.0/24", LONG, 5, 0, 10), "GB", PARIS, 20),
        at(row("2.1.0.0/24", NOW - DAY, 5, 0, 11), "FR", PARIS, 20),
        at(row("177.1.0.0/24", NOW, 1, 0, SEEN + 1), "BR", SAO, 20),
    };
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 1); // a day is enough to get there, and it is told of once
    assert_int_equal(f.list[0].kind, ALERT_NEW_COUNTRY);
    assert_span(f.list[0].words, "BR");
    assert_span(f.list[0].network, "177.1.0.0/24");
    rows[2].country_name = SPAN("Brazil");
    f = LOOK(&o, rows, 0);
    assert_span(f.list[0].words, "Brazil");
    // Known: its network is what is new.
    rows[0].country = SPAN("BR");
    f = LOOK(&o, rows, 0);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.list[0].kind, ALERT_NEW_NETWORK);
    assert_span(f.list[0].words, "Brazil");
    rows[0].country = SPAN("GB");
    rows[1].country = SPAN("BR"); // who failed was not there
    rows[1].count = 0;
    rows[1].failures = 5;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    rows[1] = at(row("2.1.0.0/24", NOW - DAY, 5, 0, 11), "FR", PARIS, 20);
    // Off, by a limited device, or without a country: the network is left.
    o.off = 1u << ALERT_NEW_COUNTRY;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    o.off = 0;
    rows[2].is_limited = true;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    rows[2].is_limited = false;
    rows[2].country = SPAN("");
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    // Countries are learnt from the first one on that is known, networks from the first sign-in.
    rows[2].country = SPAN("BR");
    rows[0].country = rows[1].country = SPAN("");
    rows[0].has_position = rows[1].has_position = false;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    rows[1].country = SPAN("FR"); // a day ago
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    o.learn_s = DAY / 2;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    assert_int_equal(LOOK(&o, rows, NOW + 1).n, 0); // alerts began later than that
}

static void travel(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    struct alert_signin rows[] = {
        at(row("2.1.0.0/24", LONG, 5, 0, 10), "FR", PARIS, 20),
        at(row("2.1.0.0/24", NOW - 3600, 5, 0, 11), "FR", PARIS, 20),
        at(row("177.1.0.0/24", NOW, 1, 0, SEEN + 1), "BR", SAO, 50),
        {.count = 0, .network = SPAN(""), .client = SPAN("")},
    };
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 1); // and nothing else of the same sign-in
    assert_int_equal(f.list[0].kind, ALERT_TRAVEL);
    assert_in_range(f.list[0].count, 9300, 9350);
    assert_int_equal(f.list[0].trigger, SEEN + 1);
    // Just possible; not quite.
    o.speed = 9300;
    rows[1].last = rows[1].first = NOW - 3600;
    rows[2].radius_km = 200;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    o.speed = 9100;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_TRAVEL);
    o.speed = 1000;
    // Whichever came first, and by any of the times that are known.
    rows[1].last = NOW + 7200;
    rows[1].first = NOW - 8 * 3600;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_TRAVEL);
    rows[1].first = rows[1].last = NOW - 3600;
    // Within 500 km, both radii deducted; an address that may be anywhere.
    rows[2] = at(row("5.1.0.0/24", NOW, 1, 0, SEEN + 1), "FR", LYON, 5);
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    rows[2] = at(row("5.1.0.0/24", NOW, 1, 0, SEEN + 1), "DE", BERLIN, 5);
    rows[1].first = rows[1].last = NOW - 60;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_TRAVEL); // 876 km
    rows[2].radius_km = 400;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    rows[2] = at(row("177.1.0.0/24", NOW, 1, 0, SEEN + 1), "BR", SAO, 50);
    // Off; by a device that may come from some networks only, here or there; who only failed.
    o.off = 1u << ALERT_TRAVEL;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    o.off = 0;
    rows[1].is_limited = true;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    rows[1].is_limited = false;
    rows[1].count = 0;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    rows[1].count = 5;
    rows[1].has_position = false;
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    rows[1].has_position = true;
    // The place was signed in from before, from another network of it.
    rows[3] = at(row("179.1.0.0/24", LONG, 1, 0, 9), "BR", SAO, 50);
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_NETWORK);
    rows[3].changed = SEEN + 1; // at the same time: that is the same news
    rows[3].first = rows[3].last = NOW;
    f = LOOK(&o, rows, 0);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.list[0].kind, ALERT_TRAVEL);
    assert_int_equal(f.list[1].kind, ALERT_TRAVEL);
}

// Two places that are one: nobody travels, whichever was first.
static void near_places(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    const struct alert_signin rows[] = {
        at(row("81.2.69.0/24", LONG, 5, 0, 10), "US", TEXAS, 20),
        at(row("2.1.0.0/24", NOW, 1, 0, SEEN + 1), "FR", PARIS, 5),
        at(row("5.1.0.0/24", NOW, 1, 0, SEEN + 1), "FR", LYON, 5),
    };
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 2);
    assert_int_equal(f.list[0].kind, ALERT_NEW_COUNTRY);
    assert_int_equal(f.list[1].kind, ALERT_NEW_COUNTRY);
}

// Accounts that are in two places at once anyway: a VPN, a service that fetches their mail.
static void leaps_anyway(void **state)
{
    struct alert_settings o;

    (void)state;
    alert_settings_default(&o);
    struct alert_signin rows[] = {
        at(row("2.1.0.0/24", LONG, 5, 0, 10), "FR", PARIS, 20),
        at(row("12.1.0.0/24", LONG + 60, 5, 0, 10), "US", TEXAS, 20),
        at(row("12.1.0.0/24", NOW - 60, 5, 0, 12), "US", TEXAS, 20),
        at(row("5.1.0.0/24", NOW, 1, 0, SEEN + 1), "DE", BERLIN, 5), // a journey by train
    };

    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_NEW_COUNTRY);
    rows[1] = at(row("12.1.0.0/24", LONG + 5 * DAY, 5, 0, 10), "US", TEXAS, 20); // flew there
    assert_int_equal(LOOK(&o, rows, 0).list[0].kind, ALERT_TRAVEL);
    // What leaps is the new place itself: that is the news, not the habit; and it is told once.
    rows[0] = at(row("5.2.0.0/24", NOW - 90, 5, 0, SEEN + 1), "DE", BERLIN, 20);
    struct finds f = LOOK(&o, rows, 0);

    assert_int_equal(f.n, 2);
    assert_int_equal(f.list[0].kind, ALERT_TRAVEL);
    assert_int_equal(f.list[1].kind, ALERT_NEW_NETWORK);
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
        cmocka_unit_test(distances),    cmocka_unit_test(new_countries),
        cmocka_unit_test(travel),       cmocka_unit_test(leaps_anyway),
        cmocka_unit_test(near_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
