// SPDX-License-Identifier: Apache-2.0
//
// alert list, test, mute: what owners were warned of (docs/alerts.md).
#include <stdio.h>

#include "admin/admin_internal.h"
#include "alert/rows/alert_rows.h"
#include "base/clock.h"

#include "base/banned.h"

#define SINCE_DEFAULT_S (30ll * 86400)
#define LIST_MAX        10000
#define WORDS_MAX       4096

// ---- list ---------------------------------------------------------------------------------------

struct list {
    struct admin_call *call;
    json_t *items; // collected under the snapshot, sent after it
    int64_t since_ms;
    account_id account; // named last
    bool sees;
    struct arena arena; // of its name
    struct span name;
};

static const char *state_name(unsigned state)
{
    return state & ALERT_MUTED        ? "muted"
           : state & ALERT_HELD_BACK  ? "held back"
           : state & ALERT_LETTER_DUE ? "due"
                                      : "told";
}

static void put_texts(json_t *into, const struct alert *a)
{
    const struct {
        const char *name;
        struct span text;
    } texts[] = {{"network", a->network},
                 {"client", a->client},
                 {"device", a->device},
                 {"by", a->by},
                 {"words", a->words}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].text.n) {
            json_object_set_new(into, texts[i].name, admin_json_text(texts[i].text));
        }
    }
}

static json_t *item_of(const struct list *l, const struct alert_row *row)
{
    const struct alert *a = &row->is;
    struct buf sentence;
    char id[80];

    snprintf(id, sizeof(id), "%llx.%llx.%u.%x", (unsigned long long)a->account,
             (unsigned long long)a->trigger, (unsigned)a->kind, a->salt);
    buf_init(&sentence, WORDS_MAX);
    alert_sentence_put(&sentence, a);
    json_t *j = json_pack("{s:s, s:o, s:s, s:I, s:s, s:o, s:I, s:b}", "id", id, "account",
                          admin_json_text(l->name), "kind", alert_kind_name(a->kind), "when_ms",
                          (json_int_t)a->when_ms, "state", state_name(row->state), "sentence",
                          admin_json_text(buf_span(&sentence)), "count", (json_int_t)a->count,
                          "webhook_due", (row->state & ALERT_HOOK_DUE) != 0);

    buf_finish(&sentence);
    if (j) {
        admin_json_time(j, "when", a->when_ms / 1000);
        put_texts(j, a);
    }
    return j;
}

// Rows of one account stand together.
static void name_account(struct list *l, account_id id)
{
    struct account account;

    if (id == l->account) {
        return;
    }
    l->account = id;
    arena_finish(&l->arena);
    arena_init(&l->arena, 64u << 10);
    l->sees = directory_account_by_id(l->call->admin->store, id, &l->arena, &account) == ERR_OK &&
              admin_sees(l->call, account.name);
    l->name = l->sees ? account.name : SPAN("");
}

static bool collect(void *arg, const struct alert_row *row)
{
    struct list *l = arg;

    name_account(l, row->is.account);
    if (!l->sees || row->is.when_ms < l->since_ms) {
        return true;
    }
    return json_array_append_new(l->items, item_of(l, row)) == 0 &&
           json_array_size(l->items) < LIST_MAX;
}

static enum err send_all(struct admin_call *c, json_t *items)
{
    enum err e = ERR_OK;
    size_t n = json_array_size(items);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(items, i)));
    }
    c->outcome->result = json_pack("{s:I}", "alerts", (json_int_t)n);
    return e;
}

enum err admin_alert_list(struct admin_call *c)
{
    struct list l = {.call = c, .since_ms = (clock_real_s() - SINCE_DEFAULT_S) * 1000};
    struct account account = {.id = 0};
    uint64_t since_ms;
    enum err e = admin_text(c, "account").n ? admin_account(c, &account) : ERR_OK;

    if (e == ERR_OK && account.id && !admin_sees(c, account.name)) {
        e = admin_fail(c, ERR_DENIED,
                       "You may not do this: it takes the right history over that account.");
    }
    if (e != ERR_OK) {
        return e;
    }
    if (admin_number(c, "since_ms", &since_ms)) {
        l.since_ms = since_ms < INT64_MAX ? (int64_t)since_ms : INT64_MAX;
    }
    l.items = json_array();
    arena_init(&l.arena, 64u << 10);
    e = alert_rows_each(store_engine(c->admin->store), account.id, collect, &l);
    arena_finish(&l.arena);
    e = e == ERR_OK ? send_all(c, l.items) : admin_fail_store(c, e, "Reading the alerts");
    json_decref(l.items);
    return e;
}

// ---- test ---------------------------------------------------------------------------------------

enum err admin_alert_test(struct admin_call *c)
{
    struct engine *engine = store_engine(c->admin->store);
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct batch *b;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    struct alert_row row = {.is = {.account = account.id,
                                   .trigger = (uint64_t)clock_real_ms(),
                                   .kind = ALERT_TEST,
                                   .when_ms = clock_real_ms(),
                                   .by = by.device},
                            .state = ALERT_LETTER_DUE | ALERT_HOOK_DUE};

    e = batch_create(ALERT_ACCOUNT, &b);
    if (e == ERR_OK) {
        e = alert_row_put(b, &row);
        e = e == ERR_OK ? engine_commit(engine, b, ENGINE_ANY_VERSION) : e;
        batch_destroy(b);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "The test alert");
    }
    if (c->admin->alerts_wake) {
        c->admin->alerts_wake(c->admin->arg);
    }
    c->outcome->result = json_pack("{s:o, s:b}", "account", admin_json_text(account.name),
                                   "server_runs", c->admin->alerts_wake != NULL);
    return ERR_OK;
}

// ---- mute ---------------------------------------------------------------------------------------

static enum err kinds_of(struct admin_call *c, uint32_t *out)
{
    const json_t *list = json_object_get(c->args, "kinds");
    uint32_t kinds = 0;
    enum alert_kind kind;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (!name || !alert_kind_parse(span_from_str(name), &kind) || kind == ALERT_TEST) {
            return admin_fail(c, ERR_INVALID,
                              "\"%s\" is no kind of alert. There are: new-network, guessed, "
                              "mail-out, folders, deletion, quota, device, second-factor.",
                              name ? name : "");
        }
        if (kind == ALERT_OPENED) {
            return admin_fail(c, ERR_DENIED,
                              "Who opens another's account is always told to its owner; it can be "
                              "turned off for all by the setting alerts_off.");
        }
        kinds |= 1u << kind;
    }
    *out = kinds;
    return ERR_OK;
}

// In the owner's history: whoever silences warnings could have a reason to.
static enum err note_mute(struct admin_call *c, account_id account, const struct alert_mute *m)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    char words[400] = "warnings are not muted any more";
    struct buf b = {.p = words, .cap = sizeof(words), .max = sizeof(words)};

    b.n = m->kinds ? 0 : strlen(words);
    for (unsigned i = 1; i < ALERT_KINDS; i++) {
        if (m->kinds & 1u << i) {
            buf_printf(&b, "%s%s",
                       b.n ? ", " : "warnings muted: ", alert_kind_name((enum alert_kind)i));
        }
    }
    enum err e = directory_account_note(c->admin->store, &by, account, buf_span(&b));

    return e == ERR_OK ? e : admin_fail_store(c, e, "Writing into the account's history");
}

enum err admin_alert_mute(struct admin_call *c)
{
    struct alert_mute m = {0};
    struct account account;
    uint64_t until = 0;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? kinds_of(c, &m.kinds) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (admin_number(c, "until", &until)) {
        m.until = until < INT64_MAX ? (int64_t)until : INT64_MAX;
    }
    if (m.kinds == 0 && !admin_bool(c, "off")) { // no kind said: all
        m.kinds = (1u << ALERT_TEST) - 2;
    } else if (admin_bool(c, "off")) {
        m = (struct alert_mute){0};
    }
    e = note_mute(c, account.id, &m);
    if (e != ERR_OK) {
        return e;
    }
    e = alert_mute_put(store_engine(c->admin->store), account.id, &m);
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Muting");
    }
    c->outcome->result =
        json_pack("{s:o, s:b}", "account", admin_json_text(account.name), "muted", m.kinds != 0);
    return ERR_OK;
}
