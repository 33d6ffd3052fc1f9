// SPDX-License-Identifier: Apache-2.0
//
// The checker is tested by planting damage: each kind must be told, and what can be derived must be
// mended so that a second check finds nothing. Damage is put in by an edit with a proper change log
// entry, so that nothing but the damage is wrong.
#include "store/store_internal.h"
#include "support.h"

struct found {
    uint64_t problems;
    char first[200];
};

static void remember(void *arg, account_id account, const char *problem, bool repaired)
{
    struct found *f = arg;

    (void)account;
    (void)repaired;
    if (problem && f->problems++ == 0) {
        snprintf(f->first, sizeof(f->first), "%s", problem);
    }
}

static uint64_t check(struct bench *b, bool repair, struct found *f)
{
    struct check_options o = {.read_bodies = true, .repair = repair};
    struct check_totals totals;

    *f = (struct found){0};
    assert_ok(store_check(b->store, &o, remember, f, &totals));
    assert_int_equal(totals.differences, f->problems);
    return totals.differences - totals.repaired;
}

// ---- the account that gets hurt -----------------------------------------------------------------

static const char *const texts[] = {
    "Subject: one\r\nMessage-ID: <1@x>\r\n\r\nfirst\r\n",
    "Subject: Re: one\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n\r\nsecond\r\n",
    "Subject: two\r\nMessage-ID: <3@x>\r\n\r\nthird\r\n",
};

static void populate(struct bench *b)
{
    struct span keyword = SPAN("work");
    struct uid_set gone;
    struct flag_result r;
    modseq version;
    mailbox_id id;

    for (int i = 0; i < 60; i++) {
        bench_append(b, "INBOX", texts[i % 3], i % 2 ? FLAG_SEEN : 0);
    }
    bench_append(b, "Sent", texts[0], FLAG_SEEN);
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("a/b"), 0, &id));
    struct flag_request q = {.mailbox = bench_mailbox(b, "INBOX"),
                             .uids = bench_set(b, 5, 9),
                             .how = FLAGS_ADD,
                             .keywords = &keyword,
                             .keyword_count = 1,
                             .unchanged_since = UINT64_MAX};

    assert_ok(placement_flags(b->store, b->account, &tester, &q, &b->arena, &r));
    q.uids = bench_set(b, 20, 22);
    assert_ok(placement_expunge(b->store, b->account, &tester, q.mailbox, &q.uids, true, &b->arena,
                                &gone, &version));
    assert_ok(mailbox_subscribe(b->store, b->account, &tester, SPAN("a/b"), true));
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("a/b")));
    bench_check(b);
}

static struct edit_mailbox *box(struct edit *ed, const char *name)
{
    struct edit_mailbox *m;
    mailbox_id id;

    assert_ok(view_name_lookup(&ed->view, span_from_str(name), &id));
    assert_ok(edit_mailbox(ed, id, &m));
    m->is_dirty = true;
    return m;
}

static void put(struct edit *ed, struct key k, struct span value)
{
    assert_ok(edit_put(ed, &k, value));
}

static void drop(struct edit *ed, struct key k)
{
    assert_ok(edit_delete(ed, &k));
}

// The first chunk of INBOX, its placements changed by `change`.
static void with_chunk(struct edit *ed, void (*change)(struct chunk *c))
{
    mailbox_id id = box(ed, "INBOX")->record.is.id;
    struct chunk_walk w;
    struct chunk_view v;
    struct chunk c;
    struct span value;
    uint32_t uid;

    chunk_walk_begin(&w, &ed->view, id, &uid_set_all);
    assert_ok(chunk_walk_next(&w, &uid, &value, &v));
    assert_ok(chunk_load(&c, uid, value));
    chunk_walk_end(&w);
    change(&c);
    put(ed, key_chunk(id, uid), chunk_encode(&c, ed->room));
}

static struct message_record letter(struct edit *ed, message_id id)
{
    struct message_record m;

    assert_ok(view_message_record(&ed->view, id, &m));
    return m;
}

// ---- kinds of damage ----------------------------------------------------------------------------

static void header_bytes(struct edit *ed)
{
    ed->header.bytes += 7;
}
static void header_messages(struct edit *ed)
{
    ed->header.messages--;
}
static void header_mailboxes(struct edit *ed)
{
    ed->header.mailboxes++;
}
static void header_expunged(struct edit *ed)
{
    ed->header.expunged++;
}
static void header_expunged_bytes(struct edit *ed)
{
    ed->header.expunged_bytes = 1;
}
static void header_next_message(struct edit *ed)
{
    ed->header.next_message = 5;
}
static void header_next_mailbox(struct edit *ed)
{
    ed->header.next_mailbox = 3;
}
static void header_uid_validity(struct edit *ed)
{
    ed->header.uid_validity_max = 1;
}
static void header_known_since(struct edit *ed)
{
    ed->header.known_since = ed->modseq + 5;
}
static void box_exists(struct edit *ed)
{
    box(ed, "INBOX")->record.is.exists++;
}
static void box_unseen(struct edit *ed)
{
    box(ed, "INBOX")->record.is.unseen = 0;
}
static void box_deleted(struct edit *ed)
{
    box(ed, "INBOX")->record.is.deleted = 3;
}
static void box_bytes(struct edit *ed)
{
    box(ed, "Sent")->record.is.bytes = 0;
}
static void box_uid_next(struct edit *ed)
{
    box(ed, "INBOX")->record.is.uid_next = 60;
}
static void box_modseq_high(struct edit *ed)
{
    box(ed, "INBOX")->record.is.highest_modseq = ed->modseq + 1000;
}
static void box_modseq_low(struct edit *ed)
{
    struct edit_mailbox *m = box(ed, "INBOX");

    m->record.is.highest_modseq = m->record.gone_modseq = 2;
}
static void box_tail(struct edit *ed)
{
    box(ed, "INBOX")->record.tail = 3;
}
static void box_validity(struct edit *ed)
{
    box(ed, "INBOX")->record.is.uid_validity = 0;
}
static void box_no_select(struct edit *ed)
{
    box(ed, "Sent")->record.is.is_no_select = true;
}
static void box_name_bad(struct edit *ed)
{
    struct edit_mailbox *m = box(ed, "Junk");

    drop(ed, key_name(KEY_NAME, SPAN("Junk")));
    m->record.is.name = SPAN("Ju\nnk");
    assert_ok(edit_put_name(ed, m->record.is.name, m->record.is.id));
}
static void box_name_twice(struct edit *ed)
{
    box(ed, "Junk")->record.is.name = SPAN("Trash");
}
static void box_broken(struct edit *ed)
{
    struct edit_mailbox *m = box(ed, "Junk");

    m->is_dirty = false;
    put(ed, key_u32(KEY_MAILBOX, m->record.is.id), SPAN("\x01\x80"));
}
static void box_lost(struct edit *ed)
{
    struct edit_mailbox *m = box(ed, "Sent");

    m->is_dirty = false;
    drop(ed, key_u32(KEY_MAILBOX, m->record.is.id));
}
static void inbox_lost(struct edit *ed)
{
    struct edit_mailbox *m = box(ed, "INBOX");

    m->record.is.name = SPAN("elsewhere");
    drop(ed, key_name(KEY_NAME, SPAN("INBOX")));
    assert_ok(edit_put_name(ed, m->record.is.name, m->record.is.id));
}
static void parent_lost(struct edit *ed)
{
    struct edit_mailbox *m = box(ed, "Junk");

    m->record.is.name = SPAN("x/y");
    drop(ed, key_name(KEY_NAME, SPAN("Junk")));
    assert_ok(edit_put_name(ed, m->record.is.name, m->record.is.id));
}
static void use_twice(struct edit *ed)
{
    box(ed, "INBOX")->record.is.special_use = USE_SENT;
}
static void name_lost(struct edit *ed)
{
    drop(ed, key_name(KEY_NAME, SPAN("Sent")));
}
static void name_elsewhere(struct edit *ed)
{
    assert_ok(edit_put_name(ed, SPAN("Sent"), box(ed, "Trash")->record.is.id));
}
static void name_stale(struct edit *ed)
{
    assert_ok(edit_put_name(ed, SPAN("nothing"), 77));
}
static void orphan_with_mailbox(struct edit *ed)
{
    assert_ok(edit_put_orphan(ed, SPAN("Sent")));
}
static void orphan_misfiled(struct edit *ed)
{
    char room[STR_BYTES_MAX];

    put(ed, key_name(KEY_SUBSCRIPTION, SPAN("x")), str_encode(SPAN("y"), room));
}
static void keywords_of_nobody(struct edit *ed)
{
    put(ed, key_u32(KEY_KEYWORDS, 99), SPAN("\x01\x01\x01x"));
}
static void keywords_lost(struct edit *ed)
{
    drop(ed, key_u32(KEY_KEYWORDS, box(ed, "INBOX")->record.is.id));
}
static void keywords_twice(struct edit *ed)
{
    put(ed, key_u32(KEY_KEYWORDS, box(ed, "INBOX")->record.is.id),
        SPAN("\x01\x02\x04work\x04WORK"));
}
static void chunk_lost(struct edit *ed)
{
    drop(ed, key_chunk(box(ed, "Sent")->record.is.id, 1));
}
static void chunk_broken(struct edit *ed)
{
    put(ed, key_chunk(box(ed, "Sent")->record.is.id, 1), SPAN("\x01\x05xxxxxxxxxxxxxxxx"));
}
static void chunk_of_nobody(struct edit *ed)
{
    struct key k = key_chunk(box(ed, "Sent")->record.is.id, 1);
    struct span value;

    assert_ok(view_get(&ed->view, &k, &value));
    put(ed, key_chunk(98, 1), value);
}
static void chunk_head(struct edit *ed)
{
    struct key k = key_chunk(box(ed, "Sent")->record.is.id, 1);
    struct span value;

    assert_ok(view_get(&ed->view, &k, &value));
    memcpy(ed->room, value.p, value.n);
    ed->room[8]++; // highest MODSEQ
    put(ed, k, span_of(ed->room, value.n));
}
static void swap_uids(struct chunk *c)
{
    struct placement p, q;

    chunk_get(c, 2, &p);
    chunk_get(c, 3, &q);
    q.uid = p.uid;
    chunk_set(c, 3, &q);
}
static void uid_twice(struct edit *ed)
{
    with_chunk(ed, swap_uids);
}
static void raise_modseq(struct chunk *c)
{
    struct placement p;

    chunk_get(c, 1, &p);
    p.changed += 100000;
    chunk_set(c, 1, &p);
}
static void modseq_in_future(struct edit *ed)
{
    with_chunk(ed, raise_modseq);
}
static void take_message(struct chunk *c)
{
    struct placement p;

    chunk_get(c, 1, &p);
    p.message = 999;
    chunk_set(c, 1, &p);
}
static void message_unknown(struct edit *ed)
{
    with_chunk(ed, take_message);
}
static void take_body(struct chunk *c)
{
    struct placement p;

    chunk_get(c, 1, &p);
    p.body++;
    chunk_set(c, 1, &p);
}
static void placement_body(struct edit *ed)
{
    with_chunk(ed, take_body);
}
static void flip_flag(struct chunk *c)
{
    struct placement p;

    chunk_get(c, 1, &p);
    p.flags ^= FLAG_SEEN;
    chunk_set(c, 1, &p);
}
static void flag_flipped(struct edit *ed)
{
    with_chunk(ed, flip_flag);
}
static void message_lost(struct edit *ed)
{
    drop(ed, key_u64(KEY_MESSAGE, 2));
}
static void message_broken(struct edit *ed)
{
    put(ed, key_u64(KEY_MESSAGE, 2), SPAN("\x01\xff"));
}
static void message_placements(struct edit *ed)
{
    struct message_record m = letter(ed, 2);

    m.placements = 4;
    assert_ok(edit_put_message(ed, 2, &m));
}
static void message_body(struct edit *ed)
{
    struct message_record m = letter(ed, 2);

    m.body = 123456;
    assert_ok(edit_put_message(ed, 2, &m));
}
static void message_bytes(struct edit *ed)
{
    struct message_record m = letter(ed, 2);

    m.bytes++;
    assert_ok(edit_put_message(ed, 2, &m));
}
static void message_thread(struct edit *ed)
{
    struct message_record m = letter(ed, 2);

    m.thread = 50;
    assert_ok(edit_put_message(ed, 2, &m));
}
static void sort_keys_broken(struct edit *ed)
{
    struct message_record m = letter(ed, 2);

    m.sort_keys = SPAN("\x01\x00\x05");
    assert_ok(edit_put_message(ed, 2, &m));
}
static void sort_keys_wrong(struct edit *ed)
{
    struct message_record m = letter(ed, 2), other = letter(ed, 3);

    m.sort_keys = other.sort_keys;
    assert_ok(edit_put_message(ed, 2, &m));
}
static void message_too_many(struct edit *ed)
{
    struct message_record m = letter(ed, 2);

    assert_ok(edit_put_message(ed, ed->header.next_message++, &m));
}
static void restorable_unlisted(struct edit *ed)
{
    struct message_record m = letter(ed, 20);

    drop(ed, key_expunged(m.expunged_at, 20));
}
static void restorable_extra(struct edit *ed)
{
    put(ed, key_expunged(5, 20), SPAN("\x01"));
}
static void restorable_layout(struct edit *ed)
{
    put(ed, key_expunged(letter(ed, 20).expunged_at, 20), SPAN("\x41"));
}
static void thread_uses(struct edit *ed)
{
    struct message_record m = letter(ed, 1);
    struct thread_record t = {.thread = 1, .uses = 1};
    char room[THREAD_BYTES_MAX];

    put(ed, key_u64(KEY_THREAD, m.thread_keys[0]), thread_encode(&t, room));
}
static void thread_lost(struct edit *ed)
{
    drop(ed, key_u64(KEY_THREAD, letter(ed, 1).thread_keys[0]));
}
static void log_gap(struct edit *ed)
{
    drop(ed, key_change(10, 0));
}
static void log_broken(struct edit *ed)
{
    put(ed, key_change(10, 0), SPAN("\x01\x01\x02\x01"));
}
static void log_future(struct edit *ed)
{
    struct key k = key_change(10, 0);
    struct span value;

    assert_ok(view_get(&ed->view, &k, &value));
    put(ed, key_change(ed->modseq + 3, 0), value);
}
static void log_mailbox(struct edit *ed)
{
    struct change c = {.kind = CHANGE_EXPUNGED, .mailbox = 5000};

    assert_ok(change_put(ed, &c));
}
static void account_lost(struct edit *ed)
{
    drop(ed, key_plain(KEY_ACCOUNT));
}
static void key_unknown(struct edit *ed)
{
    put(ed, key_u64('z', 1), SPAN("\x01"));
}
static void body_dropped(struct edit *ed)
{
    assert_ok(batch_drop_body(ed->batch, letter(ed, 3).body));
}
static void body_used(struct edit *ed)
{
    assert_ok(batch_use_body(ed->batch, letter(ed, 3).body));
}

static void script_broken(struct edit *ed)
{
    put(ed, key_text(KEY_SCRIPT, SPAN("main")), SPAN("\x01\0\x7f"));
}
static void script_active_lost(struct edit *ed)
{
    put(ed, key_plain(KEY_SCRIPT_ACTIVE), SPAN("\x01\x01z"));
}
static void forwarding_broken(struct edit *ed)
{
    put(ed, key_plain(KEY_FORWARD), SPAN("\x01\x09"));
}
static void remembered_broken(struct edit *ed)
{
    put(ed, key_u64(KEY_REMEMBERED, 1), SPAN("\x01"));
}

static void device_broken(struct edit *ed)
{
    put(ed, key_u32(KEY_DEVICE, 1), SPAN("\x01\x01\x01"));
}
static void tokens_broken(struct edit *ed)
{
    put(ed, key_u64(KEY_TOKENS, 1), SPAN("\x01\x01"));
}
static void tokens_of_nobody(struct edit *ed)
{
    put(ed, key_u64(KEY_TOKENS, 1), SPAN("\x01\x07\x01\0\0\0\x01x\0\0"));
}
static void scram_broken(struct edit *ed)
{
    put(ed, key_plain(KEY_SCRAM), SPAN("\x01\x04salt\x80\x20\0\0"));
}
static void url_key_broken(struct edit *ed)
{
    struct key k = key_plain(KEY_URL_KEY);

    memset(k.p + k.n, 1, 12);
    k.n += 12;
    put(ed, k,
        SPAN("\x01\x04"
             "abcd"));
}
static void url_key_of_nothing(struct edit *ed)
{
    struct key k = key_plain(KEY_URL_KEY);

    memset(k.p + k.n, 0, 12);
    k.n += 12;
    put(ed, k,
        SPAN("\x01\x20"
             "0123456789abcdef0123456789abcdef"));
}
static void provisioned_broken(struct edit *ed)
{
    put(ed, key_plain(KEY_PROVISIONED), SPAN("\x01\x02\0\0\0\0\0"));
}
static void device_next_low(struct edit *ed)
{
    static const char device[] = "\x01\x01\x01\0\0\0\x01p\x20"
                                 "0123456789abcdef0123456789abcdef\0";

    put(ed, key_u32(KEY_DEVICE, 7), span_of(device, sizeof(device)));
}

// Of account 0.
static void oauth_client_broken(struct edit *ed)
{
    put(ed, key_text(KEY_OAUTH_CLIENT, SPAN("app")), SPAN("\x01\x01\0\x01x\x01\x03x:y"));
}
static void scim_token_broken(struct edit *ed)
{
    put(ed, key_text(KEY_SCIM_TOKEN, SPAN("okta")), SPAN("\x01\x01\0\0\x01x\x00"));
}
static void scim_token_of_no_domain(struct edit *ed)
{
    put(ed, key_text(KEY_SCIM_TOKEN, SPAN("okta")),
        SPAN("\x01\x01\0\0\x20"
             "0123456789abcdef0123456789abcdef\x01\x03"
             "b.c"));
}
static void domain_count_wrong(struct edit *ed)
{
    struct domain_record d = {.accounts = 9};
    char room[DOMAIN_RECORD_BYTES_MAX];

    put(ed, key_text(KEY_DOMAIN, SPAN("example.org")), domain_encode(&d, room));
}
static void domain_lost(struct edit *ed)
{
    drop(ed, key_text(KEY_DOMAIN, SPAN("example.org")));
}
static void address_lost(struct edit *ed)
{
    drop(ed, key_text(KEY_ADDRESS, SPAN("u1@example.org")));
}
static void address_stale(struct edit *ed)
{
    char room[ACCOUNT_ID_BYTES];

    put(ed, key_text(KEY_ADDRESS, SPAN("u9@example.org")), account_id_encode(9, room));
}
static void next_account_low(struct edit *ed)
{
    ed->header.next_account = 1;
}
static void accounts_wrong(struct edit *ed)
{
    ed->header.accounts = 0;
}
static void alias_of_nobody(struct edit *ed)
{
    put(ed, key_text(KEY_ALIAS, SPAN("a@nowhere.example")), SPAN("\x01\0"));
}
static void alias_broken(struct edit *ed)
{
    put(ed, key_text(KEY_ALIAS, SPAN("a@example.org")), SPAN("\x01\x05"));
}
static void alias_and_account(struct edit *ed)
{
    put(ed, key_text(KEY_ALIAS, SPAN("u1@example.org")), SPAN("\x01\0"));
}
static void domain_alias_of_nobody(struct edit *ed)
{
    put(ed, key_text(KEY_DOMAIN_ALIAS, SPAN("a.example")), SPAN("\x01\x01z"));
}
static void relay_route_broken(struct edit *ed)
{
    put(ed, key_text(KEY_RELAY, SPAN("a.example")), SPAN("\x01\x01\x01"));
}
static void account_pending(struct edit *ed)
{
    put(ed, key_u64(KEY_PENDING, 1), SPAN("\x01"));
}

struct damage {
    const char *name;
    void (*plant)(struct edit *ed);
    bool in_directory;
    bool mends; // wholly: the next check finds nothing
};
#define OF(name, mends)                                                                            \
    {                                                                                              \
#name, name, false, mends                                                                  \
    }
#define OF_DIRECTORY(name, mends)                                                                  \
    {                                                                                              \
#name, name, true, mends                                                                   \
    }

static const struct damage damages[] = {
    OF(header_bytes, true),
    OF(header_messages, true),
    OF(header_mailboxes, true),
    OF(header_expunged, true),
    OF(header_expunged_bytes, true),
    OF(header_next_message, true),
    OF(header_next_mailbox, true),
    OF(header_uid_validity, true),
    OF(header_known_since, false),
    OF(box_exists, true),
    OF(box_unseen, true),
    OF(box_deleted, true),
    OF(box_bytes, true),
    OF(box_uid_next, true),
    OF(box_modseq_high, true),
    OF(box_modseq_low, true),
    OF(box_tail, true),
    OF(box_validity, false),
    OF(box_no_select, true),
    OF(box_name_bad, false),
    OF(box_name_twice, false),
    OF(box_broken, false),
    OF(box_lost, false),
    OF(inbox_lost, true),
    OF(parent_lost, true),
    OF(use_twice, false),
    OF(name_lost, true),
    OF(name_elsewhere, true),
    OF(name_stale, true),
    OF(orphan_with_mailbox, true),
    OF(orphan_misfiled, true),
    OF(keywords_of_nobody, true),
    OF(keywords_lost, false),
    OF(keywords_twice, false),
    OF(chunk_lost, true),
    OF(chunk_broken, false),
    OF(chunk_of_nobody, false),
    OF(chunk_head, true),
    OF(uid_twice, false),
    OF(modseq_in_future, false),
    OF(message_unknown, false),
    OF(placement_body, false),
    OF(flag_flipped, true),
    OF(message_lost, false),
    OF(message_broken, false),
    OF(message_placements, true),
    OF(message_body, false),
    OF(message_bytes, false),
    OF(message_thread, false),
    OF(message_too_many, false),
    OF(sort_keys_broken, true),
    OF(sort_keys_wrong, true),
    OF(restorable_unlisted, true),
    OF(restorable_extra, true),
    OF(restorable_layout, true),
    OF(thread_uses, true),
    OF(thread_lost, false),
    OF(log_gap, false),
    OF(log_broken, false),
    OF(log_future, false),
    OF(log_mailbox, true),
    OF(account_lost, false),
    OF(key_unknown, false),
    OF(body_dropped, false),
    OF(body_used, false),
    OF(script_broken, false),
    OF(script_active_lost, true),
    OF(forwarding_broken, false),
    OF(remembered_broken, true),
    OF(device_broken, false),
    OF(tokens_broken, true),
    OF(tokens_of_nobody, true),
    OF(scram_broken, false),
    OF(provisioned_broken, false),
    OF(url_key_broken, true),
    OF(url_key_of_nothing, true),
    OF(device_next_low, true),
    OF_DIRECTORY(oauth_client_broken, false),
    OF_DIRECTORY(scim_token_broken, false),
    OF_DIRECTORY(scim_token_of_no_domain, false),
    OF_DIRECTORY(domain_count_wrong, true),
    OF_DIRECTORY(domain_lost, true),
    OF_DIRECTORY(alias_of_nobody, false),
    OF_DIRECTORY(alias_broken, false),
    OF_DIRECTORY(alias_and_account, false),
    OF_DIRECTORY(domain_alias_of_nobody, false),
    OF_DIRECTORY(relay_route_broken, false),
    OF_DIRECTORY(address_lost, true),
    OF_DIRECTORY(address_stale, true),
    OF_DIRECTORY(next_account_low, true),
    OF_DIRECTORY(accounts_wrong, true),
    OF_DIRECTORY(account_pending, false),
};
#define DAMAGES (sizeof(damages) / sizeof(damages[0]))

static enum err plant(struct edit *ed, void *arg)
{
    const struct damage *d = arg;
    struct change c = {.kind = CHANGE_ACCOUNT, .after = SPAN("damage")};

    if (d->plant) {
        d->plant(ed);
    }
    return change_put(ed, &c);
}

static void test_damage(void **state)
{
    struct damage none = {.name = "none"};
    unsigned bad = 0;
    struct found f, again;

    bench_choose(state);
    for (size_t i = 0; i <= DAMAGES; i++) {
        struct damage d = i ? damages[i - 1] : none;
        struct bench b;

        bench_open(&b);
        populate(&b);
        assert_ok(store_edit(b.store, d.in_directory ? 0 : b.account, &tester, plant, &d, NULL));
        check(&b, false, &f);
        bool told = f.problems > 0;
        uint64_t left = check(&b, true, &again);

        if (told != (i > 0)) {
            print_error("%s: told %s\n", d.name, told ? f.first : "nothing");
            bad++;
        }
        if (d.mends && (left || check(&b, false, &again))) {
            print_error("%s: after repair: %s\n", d.name, again.first);
            bad++;
        }
        bench_close(&b);
    }
    assert_int_equal(bad, 0);
    print_message("check: %zu kinds of damage told\n", DAMAGES);
}

// Repair is a change like others and leaves a store that works.
static void test_repaired_works(void **state)
{
    struct bench b;
    struct found f;
    struct damage d = {"inbox_lost", inbox_lost, false, true};

    bench_choose(state);
    bench_open(&b);
    populate(&b);
    assert_ok(store_edit(b.store, b.account, &tester, plant, &d, NULL));
    check(&b, true, &f);
    assert_int_equal(bench_append(&b, "INBOX", texts[0], 0), 1);
    assert_int_equal(bench_append(&b, "elsewhere", texts[0], 0), 61);
    bench_check(&b);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_repaired_works)};

    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
