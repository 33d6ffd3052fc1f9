// SPDX-License-Identifier: Apache-2.0
//
// What is looked at for alerts, over a store: sign-ins with their places, what was read, folders,
// deletion; what is found once, and what becomes of it (L31, L60, L61, L62, L63).
#include "../store/support.h"
#include "alert/rows/alert_rows.h"
#include "base/clock.h"
#include "keep/alert/alert_watch.h"
#include "store/access/device.h"
#include "store/access/signin.h"
#include "store/mailbox.h"

#define MIB (1u << 20)

struct world {
    struct bench b;
    struct alert_watch *watch;
    struct alert_watch_options o;
    unsigned woken;
    int64_t later_s; // of sign-ins: what was before alerts were is no news
};

static void wake(void *arg, int64_t delay_ms)
{
    struct world *w = arg;

    (void)delay_ms;
    w->woken++;
}

static bool is_stopping(void *arg)
{
    (void)arg;
    return false;
}

static void watch_open(struct world *w)
{
    assert_ok(alert_watch_create(&w->o, &w->watch));
    store_watch_all(w->b.store, alert_watch_note, w->watch);
    alert_watch_turn(w->watch);
}

static void watch_close(struct world *w)
{
    store_watch_all(w->b.store, NULL, NULL);
    alert_watch_destroy(w->watch);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    bench_use_local = false;
    bench_open(&w->b);
    w->o = (struct alert_watch_options){.store = w->b.store,
                                        .server = SPAN("mail.example.org"),
                                        .is_on = true,
                                        .keep_ms = 90ll * 86400000,
                                        .wake = wake,
                                        .is_stopping = is_stopping,
                                        .arg = w};
    alert_settings_default(&w->o.rules);
    w->o.rules.learn_s = 0;
    w->o.rules.pause_ms = 0;
    w->o.rules.per_day = 100;
    watch_open(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    watch_close(w);
    bench_check(&w->b);
    bench_close(&w->b);
    free(w);
    return 0;
}

static void with_rules(struct world *w)
{
    alert_watch_set(w->watch, &w->o);
}

struct listing {
    struct buf text;
};

static bool list_one(void *arg, const struct alert_row *row)
{
    struct listing *l = arg;

    buf_printf(&l->text, "%s %.*s%s%.*s|", alert_kind_name(row->is.kind), SPAN_ARG(row->is.network),
               row->is.words.n || row->is.device.n || row->is.by.n ? " " : "",
               SPAN_ARG(row->is.words.n    ? row->is.words
                        : row->is.device.n ? row->is.device
                                           : row->is.by));
    return true;
}

// All that was found, after a look: "new-country 177.1.0.0/24 Brazil|".
static const char *found(struct world *w)
{
    struct listing l;

    alert_watch_turn(w->watch);
    buf_init(&l.text, 65536);
    assert_ok(alert_rows_each(store_engine(w->b.store), w->b.account, list_one, &l));
    struct span kept = arena_dup(&w->b.arena, buf_span(&l.text));
    char *text = arena_zalloc(&w->b.arena, kept.n + 1, 1);

    memcpy(text, kept.p, kept.n);
    buf_finish(&l.text);
    return text;
}

static uint32_t letters(struct world *w)
{
    return bench_mailbox_get(&w->b, "INBOX").exists;
}

static struct signin_place place_at(const char *code, const char *name, int32_t latitude,
                                    int32_t longitude)
{
    struct signin_place p = {.code = {code[0], code[1]},
                             .name_n = (uint8_t)strlen(name),
                             .has_position = true,
                             .latitude = latitude,
                             .longitude = longitude,
                             .radius_km = 20};

    memcpy(p.name_text, name, strlen(name));
    return p;
}

static void sign_in(struct world *w, int64_t ago_s, const char *network, uint32_t device,
                    const struct signin_place *place)
{
    int64_t now = clock_real_s() + w->later_s - ago_s;
    struct signin i = {.device = device,
                       .service = SIGNIN_IMAP,
                       .network = span_from_str(network),
                       .client = SPAN("mutt"),
                       .first = now,
                       .last = now,
                       .count = 1};

    if (place) {
        i.place = *place;
    }
    assert_ok(signin_record(w->b.store, w->b.account, &i, 1, 0));
}

static void places(void **state)
{
    struct world *w = *state;
    const struct signin_place paris = place_at("FR", "France", 4885, 235),
                              sao = place_at("BR", "Brazil", -2355, -4663),
                              durban = place_at("ZA", "", -2985, 3103);

    w->later_s = 86400 * 4;
    sign_in(w, 86400 * 3, "2.1.0.0/24", 0, &paris);
    assert_string_equal(found(w), "");
    sign_in(w, 3600, "2.1.0.0/24", 0, &paris);
    sign_in(w, 1800, "177.1.0.0/24", 0, &sao);
    const char *all = found(w);

    assert_non_null(strstr(all, "travel 177.1.0.0/24 France and Brazil, at least 9"));
    assert_null(strstr(all, "new-"));
    assert_int_equal(letters(w), 1);
    // Later nothing but the country would be new of it: that is the same news.
    sign_in(w, 0, "177.1.0.0/24", 0, &sao);
    assert_string_equal(found(w), all);
    // A device that may come from there only.
    const struct span there = SPAN("41.1.0.0/24");
    const struct device d = {.name = SPAN("fetcher"),
                             .scope = DEVICE_MAIL,
                             .secret = SPAN("0123456789abcdef0123456789abcdef"),
                             .network_count = 1,
                             .networks = &there};
    uint32_t id;

    assert_ok(device_add(w->b.store, w->b.account, &tester, &d, &id));
    sign_in(w, 0, "41.1.0.0/24", id, &durban);
    assert_non_null(strstr(found(w), "new-network 41.1.0.0/24 ZA|"));
    sign_in(w, 0, "41.99.0.0/24", 0, &durban); // by then the country is known, and the place
    assert_non_null(strstr(found(w), "new-network 41.99.0.0/24 ZA|"));
    assert_int_equal(letters(w), 4); // and one of the device
    // What was found stays found, whoever looks.
    all = found(w);
    watch_close(w);
    watch_open(w);
    sign_in(w, 0, "177.1.0.0/24", 0, &sao);
    assert_string_equal(found(w), all);
}

static void read_some(struct world *w, const char *remote, const char *client, uint32_t device,
                      uint64_t bytes)
{
    const struct alert_read r = {.account = w->b.account,
                                 .device = device,
                                 .client = span_from_str(client),
                                 .remote = span_from_str(remote),
                                 .bytes = bytes};

    alert_watch_read(w->watch, &r);
}

// Fills the account with about so many KiB.
static void fill(struct world *w, unsigned kib)
{
    char *text = malloc(10241);

    memset(text, 'x', 10240);
    memcpy(text, "Subject: x\r\n\r\n", 14);
    text[10240] = '\0';
    for (unsigned i = 0; i < kib / 10; i++) {
        bench_append(&w->b, "Archive", text, 0);
    }
    free(text);
}

static void downloads(void **state)
{
    struct world *w = *state;

    w->o.rules.download = 10 * MIB;
    with_rules(w);
    fill(w, 1000);
    assert_string_equal(found(w), "");
    read_some(w, "192.0.2.7", "mutt", 0, 700 << 10); // three quarters are 750 KiB
    assert_string_equal(found(w), "");
    read_some(w, "192.0.2.7", "thief", 0, 700 << 10);   // another program
    read_some(w, "198.51.100.7", "mutt", 0, 700 << 10); // and another network
    assert_string_equal(found(w), "");
    w->woken = 0;
    read_some(w, "192.0.99.7", "mutt", 0, 60 << 10); // the same /16
    assert_int_equal(w->woken, 1);
    assert_string_equal(found(w), "download 192.0.2.0/24|");
    assert_int_equal(letters(w), 1);
    for (int i = 0; i < 5; i++) { // told of once
        read_some(w, "192.0.2.7", "mutt", 0, 20 * MIB);
        assert_string_equal(found(w), "download 192.0.2.0/24|");
    }
    read_some(w, "192.0.2.7", "thief", 0, 100 << 10);
    assert_string_equal(found(w), "download 192.0.2.0/24|download 192.0.2.0/24|");
    // Nothing is written for what does not matter.
    modseq before, after;
    struct view *v;

    assert_ok(view_open(w->b.store, w->b.account, &v));
    before = view_modseq(v);
    view_close(v);
    for (int i = 0; i < 1000; i++) {
        read_some(w, "203.0.113.7", "mutt", 0, 10);
    }
    assert_ok(view_open(w->b.store, w->b.account, &v));
    after = view_modseq(v);
    view_close(v);
    assert_int_equal(before, after);
}

// A large mailbox: the setting counts, not the share. A tiny one: a fiftieth of the setting.
static void download_limits(void **state)
{
    struct world *w = *state;

    w->o.rules.download = MIB;
    with_rules(w);
    fill(w, 20); // 15 KiB are less than a fiftieth
    found(w);
    read_some(w, "192.0.2.7", "mutt", 0, MIB / 50 - 1);
    assert_string_equal(found(w), "");
    read_some(w, "192.0.2.7", "mutt", 0, 1);
    assert_string_equal(found(w), "download 192.0.2.0/24|");
    fill(w, 3000);
    read_some(w, "192.0.2.7", "large", 0, MIB - 1);
    assert_string_equal(found(w), "download 192.0.2.0/24|");
    read_some(w, "192.0.2.7", "large", 0, 1);
    assert_string_equal(found(w), "download 192.0.2.0/24|download 192.0.2.0/24|");
}

static void downloads_that_are_no_news(void **state)
{
    struct world *w = *state;
    const struct device d = {.name = SPAN("phone"),
                             .scope = DEVICE_MAIL,
                             .secret = SPAN("0123456789abcdef0123456789abcdef")};
    uint32_t id;

    w->o.rules.download = MIB;
    with_rules(w);
    fill(w, 1000);
    assert_ok(device_add(w->b.store, w->b.account, &tester, &d, &id));
    assert_string_equal(found(w), "device  phone|");
    read_some(w, "192.0.2.7", "mutt", id, 5 * MIB); // on its first day
    assert_string_equal(found(w), "device  phone|");
    sign_in(w, 3600, "192.0.2.0/24", 0, NULL);
    w->o.rules.learn_s = 7200;
    with_rules(w);
    read_some(w, "192.0.2.7", "mutt", 0, 5 * MIB); // the account is new
    assert_string_equal(found(w), "device  phone|");
    w->o.rules.learn_s = 1800;
    with_rules(w);
    read_some(w, "192.0.2.7", "mutt", 0, 5 * MIB);
    assert_string_equal(found(w), "device  phone|download 192.0.2.0/24|");
    // An administrator is told of, however new the account is.
    w->o.rules.learn_s = 7200;
    with_rules(w);
    const struct alert_read r = {
        .account = w->b.account, .by = SPAN("the administrator hilde"), .bytes = 5 * MIB};

    alert_watch_read(w->watch, &r);
    assert_non_null(strstr(found(w), "download  the administrator hilde|"));
    w->o.rules.off = 1u << ALERT_DOWNLOAD;
    with_rules(w);
    read_some(w, "192.0.2.7", "other", 0, 5 * MIB);
    assert_null(strstr(found(w), "other"));
}

// More programs than are counted: what is there goes on, nothing grows, and nobody is held up.
static void very_many_readers(void **state)
{
    struct world *w = *state;
    char client[32];

    w->o.rules.download = MIB;
    with_rules(w);
    for (unsigned i = 0; i < 6000; i++) {
        snprintf(client, sizeof(client), "program %u", i);
        read_some(w, "192.0.2.7", client, 0, 1);
    }
    read_some(w, "192.0.2.7", "program 0", 0, 5 * MIB);
    read_some(w, "192.0.2.7", "program 5999", 0, 5 * MIB); // one too many
    assert_string_equal(found(w), "download 192.0.2.0/24|");
}

static bool make_old(void *arg, const struct alert_row *row)
{
    struct world *w = arg;
    struct alert_row old = *row;
    struct batch *b;

    old.is.when_ms -= 3 * 86400000ll;
    assert_ok(batch_create(ALERT_ACCOUNT, &b));
    assert_ok(alert_row_put(b, &old));
    assert_ok(engine_commit(store_engine(w->b.store), b, ENGINE_ANY_VERSION));
    batch_destroy(b);
    return false;
}

// A backup that reads everything each night.
static void every_night(void **state)
{
    struct world *w = *state;

    w->o.rules.download = MIB;
    with_rules(w);
    read_some(w, "192.0.2.7", "backup", 0, 5 * MIB);
    assert_string_equal(found(w), "download 192.0.2.0/24|");
    assert_ok(alert_rows_each(store_engine(w->b.store), w->b.account, make_old, w));
    read_some(w, "192.0.2.7", "backup", 0, 5 * MIB);
    assert_string_equal(found(w), "download 192.0.2.0/24|");
}

static void folders_and_deletion(void **state)
{
    struct world *w = *state;
    const struct actor user = {.kind = ACTOR_USER, .device = SPAN("mutt")};
    char name[16];

    w->o.rules.folders = 3;
    w->o.rules.deleted = 5;
    with_rules(w);
    for (int i = 0; i < 3; i++) {
        mailbox_id id;

        snprintf(name, sizeof(name), "f%d", i);
        assert_ok(mailbox_create(w->b.store, w->b.account, &user, span_from_str(name), 0, &id));
        assert_string_equal(found(w), "");
        assert_ok(mailbox_delete(w->b.store, w->b.account, &user, span_from_str(name)));
    }
    assert_string_equal(found(w), "folders  f2|");
    watch_close(w); // what was counted is counted again from the log
    watch_open(w);
    for (int i = 0; i < 2; i++) {
        mailbox_id id;

        snprintf(name, sizeof(name), "g%d", i);
        assert_ok(mailbox_create(w->b.store, w->b.account, &user, span_from_str(name), 0, &id));
        assert_ok(mailbox_delete(w->b.store, w->b.account, &user, span_from_str(name)));
    }
    assert_string_equal(found(w), "folders  f2|");
    assert_int_equal(letters(w), 1);
}

int main(void)
{
#define ONE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(places),
        ONE(downloads),
        ONE(download_limits),
        ONE(downloads_that_are_no_news),
        ONE(very_many_readers),
        ONE(every_night),
        ONE(folders_and_deletion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
