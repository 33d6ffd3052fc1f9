// SPDX-License-Identifier: Apache-2.0
#include "store/rules.h"

#include <xxhash.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "store/rules_internal.h"

#include "base/banned.h"

#define SCRIPT_VALUE_MAX (SCRIPT_BYTES_MAX + 64)

static enum err note_rules(struct edit *ed, const char *what, struct span name)
{
    struct change c = {.kind = CHANGE_RULES};
    struct buf text;

    buf_init(&text, NAME_BYTES_MAX);
    buf_put_str(&text, what);
    buf_put(&text, name);
    c.after = buf_span(&text);
    enum err e = change_put(ed, &c);

    buf_finish(&text);
    return e;
}

// ---- what was before ----------------------------------------------------------------------------

struct past_rows {
    struct edit *edit;
    size_t excess; // to be deleted, from the oldest
};

static enum err past_delete(void *arg, struct span key, struct span value)
{
    struct past_rows *p = arg;

    (void)value;
    if (p->excess == 0) {
        return ERR_EOF;
    }
    p->excess--;
    return batch_delete(p->edit->batch, key);
}

// One of the rules as it is becomes a row beside this edit's entry of the change log, so that what
// the edit does can be undone. `n`: 0, 1, ... within the edit.
static enum err keep_past(struct edit *ed, uint16_t n, enum rules_part part, struct span name)
{
    struct key prefix = key_plain(KEY_RULES_PAST), k = key_past(ed->modseq, n);
    struct key now = rules_part_key(part, name);
    struct past_rows rows = {.edit = ed};
    size_t there = 0;
    struct span value = SPAN("");
    enum err e = view_get(&ed->view, &now, &value);
    bool has = e == ERR_OK;
    size_t cap = value.n + name.n + 32;
    struct pack p = {.p = arena_alloc(&ed->view.arena, cap), .cap = cap};

    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    if (e == ERR_OK && n == 0) {
        e = view_count(&ed->view, &prefix, &there);
        rows.excess = there > RULES_PAST_MAX ? there - RULES_PAST_MAX : 0;
        e = e == ERR_OK && rows.excess ? view_each(&ed->view, &prefix, past_delete, &rows) : e;
    }
    if (e != ERR_OK || !p.p) {
        return e != ERR_OK ? e : ERR_NOMEM;
    }
    p.p[p.n++] = SCHEMA_VERSION;
    pack_u64(&p, part);
    pack_str(&p, name);
    pack_u64(&p, has);
    pack_str(&p, has ? value : SPAN(""));
    return edit_put(ed, &k, pack_span(&p));
}

struct key rules_part_key(enum rules_part part, struct span name)
{
    return part == RULES_SCRIPT ? key_text(KEY_SCRIPT, name)
                                : key_plain(part == RULES_ACTIVE ? KEY_SCRIPT_ACTIVE : KEY_FORWARD);
}

enum err rules_past_decode(struct span key, struct span value, struct rules_past *out)
{
    uint64_t part, has;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!key_read_past(key, &out->number) || !unpack_u64(&value, RULES_FORWARD, &part) || !part ||
        !unpack_str(&value, SCRIPT_NAME_BYTES_MAX, &out->name) || !unpack_u64(&value, 1, &has) ||
        !unpack_str(&value, ENGINE_VALUE_BYTES_MAX, &out->value) ||
        (part == RULES_SCRIPT) != (out->name.n > 0) || (!has && out->value.n)) {
        return ERR_CORRUPT;
    }
    out->part = (enum rules_part)part;
    out->has = has;
    return ERR_OK;
}

// ---- scripts ------------------------------------------------------------------------------------

static bool name_is_valid(struct span name)
{
    if (name.n == 0 || name.n > SCRIPT_NAME_BYTES_MAX || !utf8_is_valid(name)) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (byte_is_ctl(name.p[i])) {
            return false;
        }
    }
    return true;
}

enum err rules_script_decode(struct span value, struct script *out)
{
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_i64(&value, &out->changed) || !unpack_str(&value, SCRIPT_BYTES_MAX, &out->text)) {
        return ERR_CORRUPT;
    }
    out->bytes = out->text.n;
    return ERR_OK;
}

static enum err script_find(struct view *v, struct span name, struct script *out)
{
    struct key k = key_text(KEY_SCRIPT, name);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e == ERR_OK ? rules_script_decode(value, out) : e;
}

// The active script's name, empty when there is none.
enum err rules_active_name(struct view *v, struct span *out)
{
    struct key k = key_plain(KEY_SCRIPT_ACTIVE);
    struct span value;
    enum err e = view_get(v, &k, &value);

    *out = SPAN("");
    return e == ERR_OK          ? str_decode(value, SCRIPT_NAME_BYTES_MAX, out)
           : e == ERR_NOT_FOUND ? ERR_OK
                                : e;
}

static enum err active_put(struct edit *ed, struct span name)
{
    struct key k = key_plain(KEY_SCRIPT_ACTIVE);
    char room[STR_BYTES_MAX];

    return name.n ? edit_put(ed, &k, str_encode(name, room)) : edit_delete(ed, &k);
}

struct script_args {
    struct span name, text, to;
};

static enum err put_text(struct edit *ed, struct span name, int64_t changed, struct span text)
{
    struct key k = key_text(KEY_SCRIPT, name);
    char *room = arena_alloc(&ed->view.arena, SCRIPT_VALUE_MAX);

    if (!room) {
        return ERR_NOMEM;
    }
    struct pack p = pack_record(room, SCRIPT_VALUE_MAX, SCHEMA_VERSION);

    pack_i64(&p, changed);
    pack_str(&p, text);
    return edit_put(ed, &k, pack_span(&p));
}

static enum err put_edit(struct edit *ed, void *arg)
{
    const struct script_args *a = arg;
    struct key prefix = key_plain(KEY_SCRIPT);
    struct script old;
    size_t count = 0;
    enum err e = script_find(&ed->view, a->name, &old);

    if (e == ERR_NOT_FOUND) {
        e = view_count(&ed->view, &prefix, &count);
        e = e == ERR_OK && count >= SCRIPTS_MAX ? ERR_LIMIT : e;
    } else if (e == ERR_OK && span_eq(old.text, a->text)) {
        return ERR_OK;
    }
    e = e == ERR_OK ? keep_past(ed, 0, RULES_SCRIPT, a->name) : e;
    e = e == ERR_OK ? put_text(ed, a->name, edit_now_s(ed), a->text) : e;
    return e == ERR_OK ? note_rules(ed, "script stored: ", a->name) : e;
}

enum err script_put(struct store *s, account_id account, const struct actor *by, struct span name,
                    struct span text)
{
    struct script_args a = {.name = name, .text = text};

    if (!name_is_valid(name)) {
        return ERR_INVALID;
    }
    return text.n > SCRIPT_BYTES_MAX ? ERR_LIMIT : store_edit(s, account, by, put_edit, &a, NULL);
}

enum err script_get(struct store *s, account_id account, struct span name, struct arena *a,
                    struct script *out)
{
    struct script found;
    struct span active;
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = rules_active_name(&v, &active);
    name = name.n ? name : active;
    if (e == ERR_OK && !name_is_valid(name)) {
        e = ERR_NOT_FOUND;
    }
    e = e == ERR_OK ? script_find(&v, name, &found) : e;
    if (e == ERR_OK) {
        found.is_active = span_eq(name, active);
        found.name = arena_dup(a, name);
        found.text = arena_dup(a, found.text);
        e = found.name.p && found.text.p ? ERR_OK : ERR_NOMEM;
    }
    view_end(&v);
    if (e == ERR_OK) {
        *out = found;
    }
    return e;
}

struct list_args {
    struct span active;
    script_list_fn *fn;
    void *arg;
};

static enum err list_one(void *arg, struct span key, struct span value)
{
    const struct list_args *l = arg;
    struct script one = {.name = span_skip(key, 1)};
    enum err e = rules_script_decode(value, &one);

    if (e != ERR_OK) {
        return e;
    }
    one.text = SPAN("");
    one.is_active = span_eq(one.name, l->active);
    return l->fn(l->arg, &one) ? ERR_OK : ERR_EOF;
}

enum err script_list(struct store *s, account_id account, script_list_fn *fn, void *arg)
{
    struct list_args l = {.fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_SCRIPT);
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = rules_active_name(&v, &l.active);
    e = e == ERR_OK ? view_each(&v, &prefix, list_one, &l) : e;
    view_end(&v);
    return e;
}

static enum err activate_edit(struct edit *ed, void *arg)
{
    const struct script_args *a = arg;
    struct script found;
    struct span active;
    enum err e = rules_active_name(&ed->view, &active);

    if (e == ERR_OK && a->name.n) {
        e = script_find(&ed->view, a->name, &found);
    }
    if (e != ERR_OK || span_eq(active, a->name)) {
        return e;
    }
    e = keep_past(ed, 0, RULES_ACTIVE, SPAN(""));
    e = e == ERR_OK ? active_put(ed, a->name) : e;
    if (e != ERR_OK) {
        return e;
    }
    return a->name.n ? note_rules(ed, "script active: ", a->name)
                     : note_rules(ed, "no script is active; it was ", active);
}

enum err script_activate(struct store *s, account_id account, const struct actor *by,
                         struct span name)
{
    struct script_args a = {.name = name};

    return name.n && !name_is_valid(name) ? ERR_NOT_FOUND
                                          : store_edit(s, account, by, activate_edit, &a, NULL);
}

static enum err remove_edit(struct edit *ed, void *arg)
{
    const struct script_args *a = arg;
    struct key k = key_text(KEY_SCRIPT, a->name);
    struct script found;
    struct span active;
    enum err e = script_find(&ed->view, a->name, &found);

    e = e == ERR_OK ? rules_active_name(&ed->view, &active) : e;
    if (e == ERR_OK && span_eq(active, a->name)) {
        e = ERR_DENIED;
    }
    e = e == ERR_OK ? keep_past(ed, 0, RULES_SCRIPT, a->name) : e;
    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    return e == ERR_OK ? note_rules(ed, "script removed: ", a->name) : e;
}

enum err script_remove(struct store *s, account_id account, const struct actor *by,
                       struct span name)
{
    struct script_args a = {.name = name};

    return name_is_valid(name) ? store_edit(s, account, by, remove_edit, &a, NULL) : ERR_NOT_FOUND;
}

static enum err rename_edit(struct edit *ed, void *arg)
{
    const struct script_args *a = arg;
    struct key k = key_text(KEY_SCRIPT, a->name);
    struct script found, other;
    struct span active;
    enum err e = script_find(&ed->view, a->name, &found);

    e = e == ERR_OK ? script_find(&ed->view, a->to, &other) : e;
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = script_find(&ed->view, a->name, &found);
    e = e == ERR_OK ? rules_active_name(&ed->view, &active) : e;
    e = e == ERR_OK ? keep_past(ed, 0, RULES_SCRIPT, a->name) : e;
    e = e == ERR_OK ? keep_past(ed, 1, RULES_SCRIPT, a->to) : e;
    if (e == ERR_OK && span_eq(active, a->name)) {
        e = keep_past(ed, 2, RULES_ACTIVE, SPAN(""));
    }
    e = e == ERR_OK ? put_text(ed, a->to, found.changed, found.text) : e;
    e = e == ERR_OK ? edit_delete(ed, &k) : e;
    if (e == ERR_OK && span_eq(active, a->name)) {
        e = active_put(ed, a->to);
    }
    return e == ERR_OK ? note_rules(ed, "script renamed to ", a->to) : e;
}

enum err script_rename(struct store *s, account_id account, const struct actor *by,
                       struct span from, struct span to)
{
    struct script_args a = {.name = from, .to = to};

    if (!name_is_valid(from)) {
        return ERR_NOT_FOUND;
    }
    return name_is_valid(to) ? store_edit(s, account, by, rename_edit, &a, NULL) : ERR_INVALID;
}

// ---- forwarding ---------------------------------------------------------------------------------

static enum err forwarding_edit(struct edit *ed, void *arg)
{
    const struct forwarding *f = arg;
    struct key k = key_plain(KEY_FORWARD);
    char room[FORWARD_TARGETS_MAX * (ADDRESS_BYTES_MAX + 2) + 32];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);
    enum err e = keep_past(ed, 0, RULES_FORWARD, SPAN(""));

    if (e != ERR_OK) {
        return e;
    }
    if (f->count == 0) {
        e = edit_delete(ed, &k);
        return e == ERR_OK ? note_rules(ed, "mail is not forwarded any more", SPAN("")) : e;
    }
    pack_u64(&p, f->keeps_copy);
    pack_u64(&p, f->count);
    for (size_t i = 0; i < f->count; i++) {
        pack_str(&p, f->targets[i]);
    }
    e = edit_put(ed, &k, pack_span(&p));
    for (size_t i = 0; i < f->count && e == ERR_OK; i++) {
        e = note_rules(ed,
                       f->keeps_copy ? "mail is kept, and forwarded to " : "mail is forwarded to ",
                       f->targets[i]);
    }
    return e;
}

enum err forwarding_set(struct store *s, account_id account, const struct actor *by,
                        const struct forwarding *f)
{
    struct span targets[FORWARD_TARGETS_MAX];
    struct forwarding folded = {f->keeps_copy, targets, f->count};
    struct arena arena;
    enum err e = f->count > FORWARD_TARGETS_MAX ? ERR_LIMIT : ERR_OK;

    arena_init(&arena, 64 << 10);
    for (size_t i = 0; i < f->count && e == ERR_OK; i++) {
        e = directory_name_check(&arena, f->targets[i], SPAN(""), &targets[i], NULL);
    }
    e = e == ERR_OK ? store_edit(s, account, by, forwarding_edit, &folded, NULL) : e;
    arena_finish(&arena);
    return e;
}

enum err rules_forwarding_decode(struct span value, struct arena *a, struct forwarding *out)
{
    uint64_t keeps, count;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, 1, &keeps) || !unpack_u64(&value, FORWARD_TARGETS_MAX, &count)) {
        return ERR_CORRUPT;
    }
    struct span *targets = arena_zalloc(a, count ? count : 1, sizeof(*targets));

    for (size_t i = 0; targets && i < count; i++) {
        struct span one;

        if (!unpack_str(&value, ADDRESS_BYTES_MAX, &one)) {
            return ERR_CORRUPT;
        }
        targets[i] = arena_dup(a, one);
        targets = targets[i].p ? targets : NULL;
    }
    *out = (struct forwarding){keeps, targets, count};
    return targets ? ERR_OK : ERR_NOMEM;
}

enum err forwarding_get(struct store *s, account_id account, struct arena *a,
                        struct forwarding *out)
{
    struct key k = key_plain(KEY_FORWARD);
    struct forwarding f = {.keeps_copy = true};
    struct span value;
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = view_get(&v, &k, &value);
    e = e == ERR_OK ? rules_forwarding_decode(value, a, &f) : e == ERR_NOT_FOUND ? ERR_OK : e;
    view_end(&v);
    if (e == ERR_OK) {
        *out = f;
    }
    return e;
}

// ---- as it was ----------------------------------------------------------------------------------

struct put_back {
    enum rules_part part;
    struct span name, value;
    bool has;
};

// May what is active be this? A script that is not there cannot be.
static enum err put_back_check(struct edit *ed, const struct put_back *b)
{
    struct script found;
    struct span active;

    if (b->part == RULES_ACTIVE && b->has) {
        enum err e = str_decode(b->value, SCRIPT_NAME_BYTES_MAX, &active);

        return e == ERR_OK ? script_find(&ed->view, active, &found) : e;
    }
    if (b->part == RULES_SCRIPT && !b->has) {
        enum err e = rules_active_name(&ed->view, &active);

        return e == ERR_OK && span_eq(active, b->name) ? ERR_DENIED : e;
    }
    return ERR_OK;
}

static enum err put_back_edit(struct edit *ed, void *arg)
{
    const struct put_back *b = arg;
    struct key k = rules_part_key(b->part, b->name);
    struct span now = SPAN("");
    enum err e = view_get(&ed->view, &k, &now);

    if ((e == ERR_OK) == b->has && span_eq(now, b->value)) {
        return ERR_OK;
    }
    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    e = e == ERR_OK ? put_back_check(ed, b) : e;
    e = e == ERR_OK ? keep_past(ed, 0, b->part, b->name) : e;
    if (e == ERR_OK) {
        e = b->has ? edit_put(ed, &k, b->value) : edit_delete(ed, &k);
    }
    if (e != ERR_OK) {
        return e;
    }
    switch (b->part) {
    case RULES_SCRIPT:
        return note_rules(
            ed, b->has ? "script put back as it was: " : "script taken away again: ", b->name);
    case RULES_ACTIVE:
        return note_rules(ed, "the active script put back as it was", SPAN(""));
    case RULES_FORWARD:
        break;
    }
    return note_rules(ed, "forwarding put back as it was", SPAN(""));
}

enum err rules_put_back(struct store *s, account_id account, const struct actor *by,
                        const struct rules_past *past)
{
    struct put_back b = {
        .part = past->part, .name = past->name, .value = past->value, .has = past->has};

    return store_edit(s, account, by, put_back_edit, &b, NULL);
}

// ---- what is remembered -------------------------------------------------------------------------

static struct key remembered_key(struct span what)
{
    return key_u64(KEY_REMEMBERED, XXH3_64bits(what.p, what.n));
}

static enum err remembered_until(struct view *v, const struct key *k, int64_t *out)
{
    struct span value;
    enum err e = view_get(v, k, &value);

    *out = INT64_MIN;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = unpack_version(&value);
    return e != ERR_OK ? e : unpack_i64(&value, out) ? ERR_OK : ERR_CORRUPT;
}

enum err rules_edit_is_remembered(struct edit *ed, struct span what, bool *out)
{
    struct key k = remembered_key(what);
    int64_t until;
    enum err e = remembered_until(&ed->view, &k, &until);

    if (e == ERR_OK) {
        *out = until > edit_now_s(ed);
    }
    return e;
}

static enum err put_remembered(struct edit *ed, const struct key *k, int64_t until_s)
{
    char room[16];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_i64(&p, until_s);
    return edit_put(ed, k, pack_span(&p));
}

enum err rules_edit_remember(struct edit *ed, struct span what, int64_t until_s)
{
    struct key k = remembered_key(what);

    return put_remembered(ed, &k, until_s);
}

enum err rules_edit_note(struct edit *ed, struct span words)
{
    return note_rules(ed, "", span_first(words, NAME_BYTES_MAX));
}

struct remember {
    struct key key;
    struct span words;
    int64_t until;
    bool is_new;
};

static enum err remember_edit(struct edit *ed, void *arg)
{
    struct remember *r = arg;
    int64_t until;
    enum err e = remembered_until(&ed->view, &r->key, &until);

    r->is_new = e == ERR_OK && until <= edit_now_s(ed);
    if (!r->is_new) {
        return e;
    }
    e = put_remembered(ed, &r->key, r->until);
    return e == ERR_OK ? note_rules(ed, "", r->words) : e;
}

enum err rules_remember(struct store *s, account_id account, struct span what, struct span words,
                        int64_t until_s, bool *out_new)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM};
    struct remember r = {.key = remembered_key(what), .words = words, .until = until_s};
    enum err e = store_edit(s, account, &by, remember_edit, &r, NULL);

    if (e == ERR_OK) {
        *out_new = r.is_new;
    }
    return e;
}

enum err rules_is_remembered(struct store *s, account_id account, struct span what, bool *out)
{
    struct key k = remembered_key(what);
    int64_t until;
    struct view v;
    enum err e = view_begin(&v, s, account);

    if (e != ERR_OK) {
        return e;
    }
    e = remembered_until(&v, &k, &until);
    view_end(&v);
    if (e == ERR_OK) {
        *out = until > clock_real_s();
    }
    return e;
}

struct forget {
    struct edit *edit;
    uint64_t count;
};

static enum err forget_one(void *arg, struct span key, struct span value)
{
    struct forget *f = arg;
    int64_t until;
    enum err e = unpack_version(&value);

    if (e != ERR_OK || !unpack_i64(&value, &until)) {
        return e == ERR_OK ? ERR_CORRUPT : e;
    }
    if (until > edit_now_s(f->edit)) {
        return ERR_OK;
    }
    f->count++;
    return batch_delete(f->edit->batch, key);
}

static enum err forget_edit(struct edit *ed, void *arg)
{
    struct key prefix = key_plain(KEY_REMEMBERED);
    struct forget f = {.edit = ed};
    enum err e = view_each(&ed->view, &prefix, forget_one, &f);

    *(uint64_t *)arg = f.count;
    if (e == ERR_OK && f.count) {
        e = note_rules(ed, "forgot what was long ago", SPAN(""));
    }
    return e;
}

enum err rules_forget(struct store *s, account_id account, uint64_t *out)
{
    static const struct actor by = {.kind = ACTOR_SYSTEM};

    return store_edit(s, account, &by, forget_edit, out, NULL);
}
