// SPDX-License-Identifier: Apache-2.0
//
// L70: what a device did is taken back, what others did stays. Two stores go through the same
// random days; in the second the device does nothing. After the undo both must look the same.
#include "store/placement.h"
#include "store/rules.h"
#include "store/undo/undo.h"
#include "support.h"

static const struct actor phone = {
    .kind = ACTOR_USER, .device = {"phone", 5}, .origin = {"192.0.2.7", 9}, .device_id = 1};
static const struct actor laptop = {
    .kind = ACTOR_USER, .device = {"laptop", 6}, .origin = {"192.0.2.8", 9}, .device_id = 2};
static const struct actor undoer = {
    .kind = ACTOR_ADMIN, .device = {"undo 1", 6}, .origin = {"root", 4}};
static const struct actor undoer_2 = {
    .kind = ACTOR_ADMIN, .device = {"undo 2", 6}, .origin = {"root", 4}};
static const struct undo_what by_phone = {.device_id = 1, .until_ms = INT64_MAX};
static const struct undo_what by_undoer = {.name = {"undo 1", 6}, .until_ms = INT64_MAX};

static struct bench both, alone; // with the phone, and without
static struct bench *const b = &both;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(&both);
    bench_open(&alone);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(&both);
    bench_check(&alone);
    bench_close(&both);
    bench_close(&alone);
    return 0;
}

// ---- acting -------------------------------------------------------------------------------------

// A message is known by its internal date, which it keeps wherever it goes.
#define DATE 1000000

static void append(struct bench *w, const struct actor *by, const char *mailbox, unsigned id)
{
    char text[200];
    struct append_result r;

    snprintf(text, sizeof(text), "Subject: %u\r\nMessage-ID: <%u@example.org>\r\n\r\nBody.\r\n", id,
             id);
    struct append_item item = {.message = bench_incoming(w->store, span_from_str(text)),
                               .internal_date = DATE + id};

    assert_ok(store_append(w->store, w->account, by, bench_mailbox(w, mailbox), &item, 1, &r));
    incoming_destroy(item.message);
}

static mailbox_id create(struct bench *w, const struct actor *by, const char *name)
{
    mailbox_id id = 0;

    assert_ok(mailbox_create(w->store, w->account, by, span_from_str(name), 0, &id));
    return id;
}

struct found {
    mailbox_id mailbox;
    uint32_t uid;
};

static bool is_copies(struct span name)
{
    return name.n > 6 && span_eq(span_skip(name, name.n - 6), SPAN("copies"));
}

// Where it is, copies aside.
static bool find(struct bench *w, unsigned id, struct found *out)
{
    const struct mailbox *const *all;
    struct view *v;
    size_t n;

    *out = (struct found){.uid = 0};
    assert_ok(view_open(w->store, w->account, &v));
    assert_ok(view_mailboxes(v, &all, &n));
    for (size_t i = 0; i < n && !out->uid; i++) {
        struct placement_scan *scan;
        struct placement p;

        if (is_copies(all[i]->name)) {
            continue;
        }
        assert_ok(placement_scan_open(v, all[i]->id, 1, UINT32_MAX, 0, &scan));
        while (placement_next(scan, &p) == ERR_OK) {
            if (p.internal_date == DATE + (int64_t)id) {
                *out = (struct found){all[i]->id, p.uid};
            }
        }
        placement_scan_close(scan);
    }
    view_close(v);
    return out->uid;
}

static void flag(struct bench *w, const struct actor *by, struct found f, enum flag_change how,
                 uint16_t flags, const char *keyword)
{
    struct span name = span_from_str(keyword ? keyword : "");
    struct flag_request r = {.mailbox = f.mailbox,
                             .uids = bench_set(w, f.uid, f.uid),
                             .how = how,
                             .flags = flags,
                             .keywords = &name,
                             .keyword_count = keyword != NULL,
                             .unchanged_since = UINT64_MAX};
    struct flag_result out;

    assert_ok(placement_flags(w->store, w->account, by, &r, &w->arena, &out));
}

static enum err put(struct bench *w, const struct actor *by, struct found f, mailbox_id to,
                    bool move)
{
    struct copy_result out;
    bool missing;

    return placement_copy(w->store, w->account, by, f.mailbox, bench_set(w, f.uid, f.uid), to, move,
                          &w->arena, &out, &missing);
}

static void expunge(struct bench *w, const struct actor *by, struct found f)
{
    struct uid_set set = bench_set(w, f.uid, f.uid), gone;
    modseq version;

    assert_ok(placement_expunge(w->store, w->account, by, f.mailbox, &set, true, &w->arena, &gone,
                                &version));
}

// ---- looking ------------------------------------------------------------------------------------

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void put_placement(struct view *v, const struct mailbox *m, const struct placement *p,
                          struct buf *out)
{
    const struct span *names;
    size_t n;

    buf_printf(out, "%lld", (long long)p->internal_date - DATE);
    if (is_copies(m->name)) {
        return; // it has the flags that the message had when it was copied
    }
    buf_printf(out, ":%u", p->flags);
    assert_ok(view_keywords(v, m->id, &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (p->keywords >> i & 1) {
            buf_printf(out, ",%.*s", SPAN_ARG(names[i]));
        }
    }
}

static void put_mailbox(struct bench *w, struct view *v, const struct mailbox *m, struct buf *out)
{
    static char room[2000][80];
    static char *lines[2000];
    struct placement_scan *scan;
    struct placement p;
    size_t n = 0;

    buf_printf(out, "%.*s%s%s use %u\n", SPAN_ARG(m->name), m->is_subscribed ? " subscribed" : "",
               m->is_no_select ? " level" : "", m->special_use);
    assert_ok(placement_scan_open(v, m->id, 1, UINT32_MAX, 0, &scan));
    while (placement_next(scan, &p) == ERR_OK) {
        struct buf line = {.p = room[n], .cap = 79, .max = 79};

        put_placement(v, m, &p, &line);
        room[n][line.n] = '\0';
        lines[n] = room[n];
        assert_true(++n < 2000);
    }
    placement_scan_close(scan);
    qsort(lines, n, sizeof(*lines), by_text);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "  %s\n", lines[i]);
    }
    (void)w;
}

static bool put_script(void *arg, const struct script *s)
{
    buf_printf(arg, "script %.*s %llu%s\n", SPAN_ARG(s->name), (unsigned long long)s->bytes,
               s->is_active ? " active" : "");
    return true;
}

// All that people see of an account, but for UIDs and what MODSEQs there are.
static const char *look(struct bench *w)
{
    const struct mailbox *const *all;
    const struct span *orphans;
    struct forwarding f;
    struct buf out;
    struct view *v;
    size_t n;

    buf_init(&out, 4u << 20);
    assert_ok(view_open(w->store, w->account, &v));
    assert_ok(view_mailboxes(v, &all, &n));
    for (size_t i = 0; i < n; i++) {
        put_mailbox(w, v, all[i], &out);
    }
    assert_ok(view_orphan_subscriptions(v, &orphans, &n));
    for (size_t i = 0; i < n; i++) {
        buf_printf(&out, "subscribed without mailbox: %.*s\n", SPAN_ARG(orphans[i]));
    }
    view_close(v);
    assert_ok(script_list(w->store, w->account, put_script, &out));
    assert_ok(forwarding_get(w->store, w->account, &w->arena, &f));
    for (size_t i = 0; i < f.count; i++) {
        buf_printf(&out, "forward %d %.*s\n", f.keeps_copy, SPAN_ARG(f.targets[i]));
    }
    char *text = arena_str(&w->arena, buf_span(&out));

    assert_non_null(text);
    buf_finish(&out);
    return text;
}

// ---- undoing ------------------------------------------------------------------------------------

struct heard {
    unsigned done, left, stop_after; // 0: never
    uint64_t counts[UNDO_OTHER + 1], left_counts[UNDO_OTHER + 1];
    const char *why;
};

static bool hear(void *arg, const struct undo_note *n)
{
    struct heard *h = arg;

    if (n->is_left) {
        h->left++;
        h->left_counts[n->kind] += n->count;
        h->why = n->why;
        return true;
    }
    h->counts[n->kind] += n->count;
    return ++h->done != h->stop_after;
}

static struct undo_result undo(struct bench *w, const struct actor *by,
                               const struct undo_what *what, bool trial, struct heard *h)
{
    struct undo_result r;

    assert_ok(undo_run(w->store, w->account, by, what, trial, hear, h, &r));
    return r;
}

// Nothing is left to do, and nothing changes.
static void check_nothing_more(struct bench *w, const struct actor *by,
                               const struct undo_what *what)
{
    struct heard h = {0};
    struct view *v;
    modseq before;

    assert_ok(view_open(w->store, w->account, &v));
    before = view_modseq(v);
    view_close(v);
    assert_int_equal(undo(w, by, what, false, &h).done, 0);
    assert_int_equal(h.done, 0);
    assert_ok(view_open(w->store, w->account, &v));
    assert_int_equal(view_modseq(v), before);
    view_close(v);
}

// ---- cases --------------------------------------------------------------------------------------

static struct found at(struct bench *w, unsigned id)
{
    struct found f;

    assert_true(find(w, id, &f));
    return f;
}

static void test_a_day_of_the_phone(void **state)
{
    struct heard h = {0};

    (void)state;
    create(b, &laptop, "Work");
    create(b, &laptop, "Old");
    for (unsigned i = 1; i <= 6; i++) {
        append(b, &laptop, i < 5 ? "INBOX" : "Work", i);
    }
    flag(b, &laptop, at(b, 1), FLAGS_ADD, FLAG_SEEN, "mine");
    flag(b, &laptop, at(b, 2), FLAGS_ADD, FLAG_DELETED, NULL);
    const char *before = look(b);

    flag(b, &phone, at(b, 1), FLAGS_SET, FLAG_FLAGGED, "theirs");
    expunge(b, &phone, at(b, 1));
    expunge(b, &phone, at(b, 2));
    assert_ok(put(b, &phone, at(b, 3), bench_mailbox(b, "Work"), true));
    assert_ok(put(b, &phone, at(b, 4), bench_mailbox(b, "Work"), false));
    append(b, &phone, "INBOX", 100);
    assert_ok(mailbox_delete(b->store, b->account, &phone, SPAN("Work")));
    assert_ok(mailbox_rename(b->store, b->account, &phone, SPAN("Old"), SPAN("New/Deep/Old")));
    assert_ok(mailbox_subscribe(b->store, b->account, &phone, SPAN("INBOX"), true));
    create(b, &phone, "Junk mail");
    const char *after = look(b);

    assert_string_not_equal(before, after);
    assert_true(undo(b, &undoer, &by_phone, true, &h).done > 0);
    assert_string_equal(look(b), after); // that was a trial
    h = (struct heard){0};
    assert_int_equal(undo(b, &undoer, &by_phone, false, &h).left, 0);
    assert_string_equal(look(b), before);
    assert_int_equal(h.counts[UNDO_NAME], 1);
    assert_int_equal(h.counts[UNDO_MADE], 1);
    assert_int_equal(h.counts[UNDO_REMOVED], 1); // the copy went with its mailbox
    check_nothing_more(b, &undoer, &by_phone);
    // And that is undone as well.
    assert_int_equal(undo(b, &undoer_2, &by_undoer, false, &h).left, 0);
    assert_string_equal(look(b), after);
}

static void test_what_others_changed_since_stays(void **state)
{
    struct heard h = {0};

    (void)state;
    create(b, &laptop, "Work");
    for (unsigned i = 1; i <= 4; i++) {
        append(b, &laptop, "INBOX", i);
    }
    flag(b, &phone, at(b, 1), FLAGS_ADD, FLAG_SEEN | FLAG_FLAGGED, NULL);
    flag(b, &laptop, at(b, 1), FLAGS_REMOVE, FLAG_SEEN, NULL); // as before: nothing to say
    flag(b, &laptop, at(b, 2), FLAGS_ADD, FLAG_SEEN, NULL);
    flag(b, &phone, at(b, 2), FLAGS_REMOVE, FLAG_SEEN, NULL);
    flag(b, &laptop, at(b, 2), FLAGS_ADD, FLAG_SEEN, NULL);
    assert_ok(put(b, &phone, at(b, 3), bench_mailbox(b, "Work"), true));
    assert_ok(put(b, &laptop, at(b, 3), bench_mailbox(b, "Archive"), true));
    append(b, &phone, "INBOX", 100);
    flag(b, &laptop, at(b, 100), FLAGS_ADD, FLAG_FLAGGED, NULL);
    assert_ok(mailbox_rename(b->store, b->account, &phone, SPAN("Work"), SPAN("A")));
    assert_ok(mailbox_rename(b->store, b->account, &laptop, SPAN("A"), SPAN("B")));
    undo(b, &undoer, &by_phone, false, &h);
    assert_int_equal(h.counts[UNDO_FLAGS], 1); // \Flagged of 1
    assert_int_equal(h.counts[UNDO_MOVED] + h.counts[UNDO_REMOVED] + h.counts[UNDO_NAME], 0);
    assert_int_equal(h.left_counts[UNDO_MOVED], 2); // 3 is in Archive, 100 is flagged
    assert_int_equal(h.left_counts[UNDO_NAME], 1);
    assert_int_equal(h.left_counts[UNDO_FLAGS], 0);
    assert_true(bench_mailbox(b, "B") != 0);
    assert_int_equal(at(b, 3).mailbox, bench_mailbox(b, "Archive"));
    check_nothing_more(b, &undoer, &by_phone);
}

static void test_a_message_that_was_there_twice(void **state)
{
    struct heard h = {0};

    (void)state;
    append(b, &laptop, "INBOX", 1);
    assert_ok(put(b, &laptop, at(b, 1), bench_mailbox(b, "INBOX"), false));
    assert_ok(put(b, &laptop, at(b, 1), bench_mailbox(b, "Archive"), false));
    const char *before = look(b);
    struct uid_set set = bench_set(b, 1, 2), gone;
    modseq version;

    assert_ok(placement_expunge(b->store, b->account, &phone, bench_mailbox(b, "INBOX"), &set, true,
                                &b->arena, &gone, &version));
    assert_int_equal(undo(b, &undoer, &by_phone, false, &h).left, 0);
    assert_int_equal(h.counts[UNDO_BROUGHT], 2);
    assert_string_equal(look(b), before);
    bench_check(b);
    // And when none is left anywhere.
    expunge(b, &phone, at(b, 1));
    expunge(b, &phone, at(b, 1));
    expunge(b, &phone, at(b, 1));
    undo(b, &undoer, &by_phone, false, &h);
    assert_string_equal(look(b), before);
}

static void test_the_window(void **state)
{
    struct heard h = {0};
    struct undo_what early = {.device_id = 1, .until_ms = 0},
                     other = {.device_id = 7, .until_ms = INT64_MAX};
    struct undo_what later = {.device_id = 1, .since_ms = INT64_MAX - 1, .until_ms = INT64_MAX};

    (void)state;
    append(b, &laptop, "INBOX", 1);
    flag(b, &phone, at(b, 1), FLAGS_ADD, FLAG_SEEN, NULL);
    assert_int_equal(undo(b, &undoer, &early, false, &h).done, 0);
    assert_int_equal(undo(b, &undoer, &later, false, &h).done, 0);
    assert_int_equal(undo(b, &undoer, &other, false, &h).done, 0);
    // By name, only what is of no device: a program's name is nobody's proof.
    struct undo_what named = {.name = phone.device, .until_ms = INT64_MAX};

    assert_int_equal(undo(b, &undoer, &named, false, &h).done, 0);
    assert_int_equal(undo(b, &undoer, &by_phone, false, &h).done, 1);
}

static void test_what_is_forgotten_and_what_does_not_fit(void **state)
{
    struct heard h = {0};
    struct undo_result r;
    bool more;

    (void)state;
    append(b, &laptop, "INBOX", 1);
    append(b, &laptop, "INBOX", 2);
    expunge(b, &phone, at(b, 1));
    assert_ok(expunged_forget(b->store, b->account, INT64_MAX, 100, &more));
    expunge(b, &phone, at(b, 2));
    assert_ok(quota_set(b->store, b->account, &tester, 1, UINT64_MAX));
    assert_err(undo_run(b->store, b->account, &undoer, &by_phone, false, hear, &h, &r), ERR_QUOTA);
    assert_ok(quota_set(b->store, b->account, &tester, UINT64_MAX, UINT64_MAX));
    h = (struct heard){0};
    r = undo(b, &undoer, &by_phone, false, &h);
    assert_int_equal(h.counts[UNDO_BROUGHT], 1);
    assert_int_equal(h.left_counts[UNDO_BROUGHT], 1);
    assert_string_equal(h.why, "it was removed too long ago");
    assert_int_equal(at(b, 2).mailbox, bench_mailbox(b, "INBOX"));
}

static void script(struct bench *w, const struct actor *by, const char *name, const char *text)
{
    assert_ok(script_put(w->store, w->account, by, span_from_str(name), span_from_str(text)));
}

static void test_rules(void **state)
{
    struct span evil = SPAN("evil@example.net"), good = SPAN("bob@example.net");
    struct forwarding f = {.keeps_copy = true, .targets = &good, .count = 1};
    struct heard h = {0};

    (void)state;
    script(b, &laptop, "main", "keep;");
    assert_ok(script_activate(b->store, b->account, &laptop, SPAN("main")));
    assert_ok(forwarding_set(b->store, b->account, &laptop, &f));
    const char *before = look(b);

    f.targets = &evil;
    assert_ok(forwarding_set(b->store, b->account, &phone, &f));
    script(b, &phone, "main", "discard;    ");
    script(b, &phone, "evil", "redirect \"evil@example.net\";");
    assert_ok(script_activate(b->store, b->account, &phone, SPAN("evil")));
    assert_ok(script_remove(b->store, b->account, &phone, SPAN("main")));
    assert_ok(script_rename(b->store, b->account, &phone, SPAN("evil"), SPAN("worse")));
    const char *after = look(b);

    assert_int_equal(undo(b, &undoer, &by_phone, false, &h).left, 0);
    assert_string_equal(look(b), before);
    check_nothing_more(b, &undoer, &by_phone);
    assert_int_equal(undo(b, &undoer_2, &by_undoer, false, &h).left, 0);
    assert_string_equal(look(b), after);
}

static void test_rules_that_others_changed_and_a_past_that_has_gone(void **state)
{
    struct heard h = {0};
    char text[40];

    (void)state;
    script(b, &laptop, "main", "keep;");
    script(b, &phone, "main", "discard;");
    script(b, &laptop, "main", "fileinto \"x\";");
    undo(b, &undoer, &by_phone, false, &h);
    assert_int_equal(h.counts[UNDO_RULES], 0);
    assert_int_equal(h.left_counts[UNDO_RULES], 1);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "keep; # %d", i);
        script(b, &laptop, "other", text);
    }
    h = (struct heard){0};
    undo(b, &undoer, &by_phone, false, &h);
    assert_int_equal(h.left_counts[UNDO_RULES], 1);
    assert_string_equal(h.why, "what was before is not kept any more");
}

// ---- random days --------------------------------------------------------------------------------

static uint64_t seed;

static unsigned roll(unsigned below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % below;
}

#define MESSAGES 40
#define DAYS     40

static void each_world(void (*fn)(struct bench *w, unsigned n), unsigned n)
{
    fn(&both, n);
    fn(&alone, n);
}

static void begin_world(struct bench *w, unsigned n)
{
    static const char *const names[] = {"Open", "P1",       "P2",      "P2/below",
                                        "O1",   "P copies", "O copies"};

    (void)n;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        create(w, &tester, names[i]);
    }
    for (unsigned i = 0; i < MESSAGES; i++) {
        append(w, &tester, i % 4 == 0 ? "P1" : i % 4 == 1 ? "P2/below" : "INBOX", i);
    }
}

// The laptop's: messages with odd numbers, \Seen and its keyword of all, mailboxes O...
static void laptop_acts(unsigned n)
{
    static const char *const names[] = {"INBOX", "Open", "O1", "Archive"};
    unsigned what = roll(6), id = roll(MESSAGES), where = roll(4), on = roll(2);
    struct found here, there;
    char name[40];

    if (what == 5) {
        snprintf(name, sizeof(name), "O new %u", n);
        create(&both, &laptop, name);
        create(&alone, &laptop, name);
        return;
    }
    if (!find(&both, id, &here) || !find(&alone, id, &there)) {
        return; // the phone has removed it
    }
    if (what < 3) {
        flag(&both, &laptop, here, on ? FLAGS_ADD : FLAGS_REMOVE, FLAG_SEEN, "laptop");
        flag(&alone, &laptop, there, on ? FLAGS_ADD : FLAGS_REMOVE, FLAG_SEEN, "laptop");
    } else if (what == 3 && id % 2) {
        assert_ok(put(&both, &laptop, here, bench_mailbox(&both, names[where]), true));
        assert_ok(put(&alone, &laptop, there, bench_mailbox(&alone, names[where]), true));
    } else if (what == 4) {
        assert_ok(put(&both, &laptop, here, bench_mailbox(&both, "O copies"), false));
        assert_ok(put(&alone, &laptop, there, bench_mailbox(&alone, "O copies"), false));
    }
}

static mailbox_id some_of(struct bench *w, unsigned which)
{
    static const char *const names[] = {"INBOX", "Open", "P1", "P2", "P2/below", "P new"};

    return bench_mailbox(w, names[which % 6]);
}

static void phone_changes_a_mailbox(unsigned n)
{
    static const char *const names[] = {"P1", "P2", "P2/below", "P new", "P new/deep"};
    struct span one = span_from_str(names[roll(5)]), two = span_from_str(names[roll(5)]);
    struct bench *w = &both;
    mailbox_id made;
    char name[40];

    switch (roll(5)) {
    case 0:
        mailbox_create(w->store, w->account, &phone, one, 0, &made);
        break;
    case 1:
        mailbox_delete(w->store, w->account, &phone, one);
        break;
    case 2:
        mailbox_rename(w->store, w->account, &phone, one, two);
        break;
    case 3:
        mailbox_subscribe(w->store, w->account, &phone, one, roll(2));
        break;
    default:
        snprintf(name, sizeof(name), "script %u", n % 3);
        script(w, &phone, name, roll(2) ? "keep;" : "discard;");
        script_activate(w->store, w->account, &phone, span_from_str(name));
        break;
    }
}

// The phone's: messages with even numbers, \Flagged and its keyword of all, mailboxes P...
static void phone_acts(unsigned n)
{
    unsigned what = roll(8), id = roll(MESSAGES);
    struct bench *w = &both;
    struct found f;
    mailbox_id to = some_of(w, roll(6));

    if (what == 7) {
        phone_changes_a_mailbox(n);
        return;
    }
    if (what == 6) {
        append(w, &phone, roll(2) ? "INBOX" : "Open", 1000 + n);
        return;
    }
    if (!find(w, id, &f)) {
        return;
    }
    if (what < 3) {
        flag(w, &phone, f, roll(2) ? FLAGS_ADD : FLAGS_REMOVE, FLAG_FLAGGED, "phone");
    } else if (what == 3 && id % 2 == 0 && to) {
        put(w, &phone, f, to, true); // it may be a level only
    } else if (what == 4) {
        assert_ok(put(w, &phone, f, bench_mailbox(w, "P copies"), false));
    } else if (what == 5 && id % 2 == 0) {
        flag(w, &phone, f, FLAGS_ADD, FLAG_DELETED, NULL);
        expunge(w, &phone, f);
    }
}

// Ended at any place, and begun again.
static void undo_in_pieces(struct bench *w)
{
    struct undo_result r;
    unsigned rounds = 0;

    do {
        struct heard h = {.stop_after = 1 + roll(3)};

        r = undo(w, &undoer, &by_phone, false, &h);
        bench_check(w);
        assert_true(++rounds < 1000);
    } while (r.is_stopped);
}

static void test_random_days(void **state)
{
    (void)state;
    for (unsigned day = 0; day < DAYS; day++) {
        if (day > 0) {
            bench_close(&both);
            bench_close(&alone);
            bench_open(&both);
            bench_open(&alone);
        }
        seed = day + 1;
        each_world(begin_world, 0);
        for (unsigned n = 0; n < 150; n++) {
            if (roll(2)) {
                phone_acts(n);
            } else {
                laptop_acts(n);
            }
        }
        const char *wanted = look(&alone);

        undo_in_pieces(&both);
        if (strcmp(look(&both), wanted) != 0) {
            fprintf(stderr, "day %u, wanted:\n%s\nbut:\n%s\n", day, wanted, look(&both));
        }
        assert_string_equal(look(&both), wanted);
        check_nothing_more(&both, &undoer, &by_phone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_day_of_the_phone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_others_changed_since_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_that_was_there_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_forgotten_and_what_does_not_fit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules_that_others_changed_and_a_past_that_has_gone,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_days, setup, teardown),
    };

    return BENCH_RUN("store-undo", tests);
}
