// SPDX-License-Identifier: Apache-2.0
//
// Accounts made, changed and removed. Names and ids are in account 0; what an account says of
// itself (state, password, quota) is in the account, so that its own change log has every change of
// it. docs/format/store.md, "Account 0", tells how an account is made and removed in several
// commits.
#include <stdio.h>
#include <time.h>

#include "base/utf8.h"
#include "store/belongings_internal.h"
#include "store/directory/directory_internal.h"
#include "store/share/group.h"

#include "base/banned.h"

#define NOTE_BYTES_MAX 512

// ---- making -------------------------------------------------------------------------------------

struct add_args {
    struct span name, password_hash;
    bool standard_mailboxes;
    account_id id;
};

static enum err entry_put(struct edit *ed, account_id id, const struct entry_record *entry)
{
    struct key k = key_u64(KEY_ACCOUNT_ID, id);
    char room[ENTRY_BYTES_MAX];

    return edit_put(ed, &k, entry_encode(entry, room));
}

static enum err address_put(struct edit *ed, struct span name, account_id id)
{
    struct key k = key_text(KEY_ADDRESS, name);
    char room[ACCOUNT_ID_BYTES];

    return edit_put(ed, &k, account_id_encode(id, room));
}

static enum err pending_put(struct edit *ed, account_id id)
{
    struct key k = key_u64(KEY_PENDING, id);
    char version = SCHEMA_VERSION;

    return edit_put(ed, &k, span_of(&version, 1));
}

static enum err pending_clear(struct edit *ed, account_id id)
{
    struct key k = key_u64(KEY_PENDING, id);

    return edit_delete(ed, &k);
}

// First step: the name is taken, the id given.
static enum err add_reserve(struct edit *ed, void *arg)
{
    struct add_args *a = arg;
    struct entry_record entry = {
        .state = ENTRY_MAKING, .standard_mailboxes = a->standard_mailboxes, .address = a->name};
    account_id taken;
    bool is_alias;
    enum err e = directory_name_to_id(&ed->view, a->name, &taken);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = route_name_taken(&ed->view, a->name, &is_alias);
    if (e != ERR_OK || is_alias) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    a->id = ed->header.next_account++;
    ed->header.accounts++;
    e = directory_domain_count(ed, directory_name_domain(a->name), true);
    e = e != ERR_OK ? e : address_put(ed, a->name, a->id);
    e = e != ERR_OK ? e : entry_put(ed, a->id, &entry);
    e = e != ERR_OK ? e : pending_put(ed, a->id);
    return e != ERR_OK ? e : directory_note(ed, "account being made: ", a->name);
}

static enum err account_put(struct edit *ed, const struct account_record *a)
{
    struct key k = key_plain(KEY_ACCOUNT);

    _Static_assert(ACCOUNT_BYTES_MAX <= CHUNK_BYTES_MAX, "an account record fits the room");
    return edit_put(ed, &k, account_encode(a, ed->room));
}

// Second step: the account itself.
static enum err add_fill(struct edit *ed, void *arg)
{
    static const struct {
        const char *name;
        uint8_t use;
    } standard[] = {{"INBOX", 0},       {"Drafts", USE_DRAFTS}, {"Sent", USE_SENT},
                    {"Junk", USE_JUNK}, {"Trash", USE_TRASH},   {"Archive", USE_ARCHIVE}};
    const struct add_args *a = arg;
    struct account_record record = {
        .state = ACCOUNT_ACTIVE, .created = edit_now_s(ed), .password_hash = a->password_hash};
    size_t count = a->standard_mailboxes ? sizeof(standard) / sizeof(standard[0]) : 1;
    enum err e = directory_note(ed, "account made: ", a->name);

    e = e != ERR_OK ? e : account_put(ed, &record);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct edit_mailbox *m;

        e = edit_make_mailbox(ed, span_from_str(standard[i].name), standard[i].use, true, &m);
    }
    return e;
}

// Last step: it is there.
static enum err add_finish(struct edit *ed, void *arg)
{
    const struct add_args *a = arg;
    struct entry_record entry = {
        .state = ENTRY_THERE, .standard_mailboxes = a->standard_mailboxes, .address = a->name};
    enum err e = pending_clear(ed, a->id);

    e = e != ERR_OK ? e : entry_put(ed, a->id, &entry);
    return e != ERR_OK ? e : directory_note(ed, "account made: ", a->name);
}

// From the second step on; also after a crash, when the second may have been done.
static enum err add_complete(struct store *s, const struct actor *by, struct add_args *a)
{
    enum err e = store_edit_new(s, a->id, by, add_fill, a);

    if (e == ERR_OK || e == ERR_EXISTS) {
        e = store_edit(s, 0, by, add_finish, a, NULL);
    }
    return e;
}

enum err directory_account_add(struct store *s, const struct actor *by, struct span name,
                               struct span password_hash, bool standard_mailboxes, account_id *out)
{
    struct arena arena;
    struct add_args a = {.password_hash = password_hash, .standard_mailboxes = standard_mailboxes};

    if (password_hash.n > HASH_BYTES_MAX) {
        return ERR_LIMIT;
    }
    arena_init(&arena, 64 << 10);
    enum err e = directory_name_check(&arena, name, SPAN(""), &a.name, NULL);

    e = e != ERR_OK ? e : store_edit(s, 0, by, add_reserve, &a, NULL);
    e = e != ERR_OK ? e : add_complete(s, by, &a);
    arena_finish(&arena);
    if (e == ERR_OK) {
        *out = a.id;
    }
    return e;
}

// ---- changing -----------------------------------------------------------------------------------

struct rename_args {
    account_id id;
    struct span name;
    bool is_more; // aliases have been changed, and the edit is to be run again
};

static enum err rename_edit(struct edit *ed, void *arg)
{
    struct rename_args *a = arg;
    struct entry_record entry;
    account_id taken;
    bool is_alias;
    enum err e = directory_entry_get(&ed->view, a->id, &entry);

    if (e == ERR_OK && entry.state != ENTRY_THERE) {
        e = ERR_NOT_FOUND;
    }
    if (e != ERR_OK || span_eq(entry.address, a->name)) {
        return e;
    }
    e = directory_name_to_id(&ed->view, a->name, &taken);
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = route_name_taken(&ed->view, a->name, &is_alias);
    if (e != ERR_OK || is_alias) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    struct span old_domain = directory_name_domain(entry.address),
                new_domain = directory_name_domain(a->name);
    struct key old = key_text(KEY_ADDRESS, entry.address);

    // Aliases and groups name the person: whoever gets the old address is not meant.
    e = group_edit_leave(ed, entry.address, a->name, &a->is_more);
    if (e != ERR_OK || a->is_more) {
        return e;
    }
    e = directory_domain_get(&ed->view, new_domain, &(struct domain_record){0});
    if (e == ERR_OK && !span_eq(old_domain, new_domain)) {
        e = directory_domain_count(ed, old_domain, false);
        e = e != ERR_OK ? e : directory_domain_count(ed, new_domain, true);
    }
    e = e != ERR_OK ? e : edit_delete(ed, &old);
    e = e != ERR_OK ? e : address_put(ed, a->name, a->id);
    entry.address = a->name;
    e = e != ERR_OK ? e : entry_put(ed, a->id, &entry);
    return e != ERR_OK ? e : directory_note(ed, "account renamed: ", a->name);
}

static enum err note_rename(struct edit *ed, void *arg)
{
    const struct rename_args *a = arg;

    return directory_note(ed, "account renamed: ", a->name);
}

enum err directory_account_rename(struct store *s, const struct actor *by, account_id id,
                                  struct span name)
{
    struct arena arena;
    struct rename_args a = {.id = id};

    arena_init(&arena, 64 << 10);
    enum err e = directory_name_check(&arena, name, SPAN(""), &a.name, NULL);

    do {
        a.is_more = false;
        e = e != ERR_OK ? e : store_edit(s, 0, by, rename_edit, &a, NULL);
    } while (e == ERR_OK && a.is_more);
    // The directory is what counts; the account's own log gets a note besides.
    e = e != ERR_OK ? e : store_edit(s, id, by, note_rename, &a, NULL);
    // What is shared with anyone of the domain is now shared with another one.
    e = e != ERR_OK ? e : acl_reindex(s, id);
    arena_finish(&arena);
    return e;
}

struct set_args {
    bool set_password, set_state, set_name, renew;
    struct span display_name;
    struct span password_hash;
    struct span hash_before; // of a renewal
    enum account_state state;
    struct account_suspension suspension;
};

// "suspended; mail still arrives; removed on 2027-01-31".
static enum err note_suspension(struct edit *ed, const struct account_suspension *how)
{
    char words[100];
    time_t t = (time_t)how->remove_at;
    struct tm tm;
    size_t n = (size_t)snprintf(words, sizeof(words), "suspended%s",
                                how->is_team      ? "; a team's, mail still arrives"
                                : how->takes_mail ? "; mail still arrives"
                                                  : "");

    if (how->remove_at && gmtime_r(&t, &tm)) {
        n += strftime(words + n, sizeof(words) - n, "; removed on %Y-%m-%d %H:%M UTC", &tm);
    }
    return directory_note(ed, "", span_of(words, n));
}

static bool is_as_wanted(const struct account_record *record, const struct set_args *a)
{
    return record->state == a->state && record->suspension.takes_mail == a->suspension.takes_mail &&
           record->suspension.is_team == a->suspension.is_team &&
           record->suspension.remove_at == a->suspension.remove_at;
}

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct set_args *a = arg;
    struct key k = key_plain(KEY_ACCOUNT);
    struct account_record record;
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    e = e != ERR_OK ? e : account_decode(value, &record);
    if (e != ERR_OK || (a->set_state && is_as_wanted(&record, a)) ||
        (a->set_name && span_eq(record.display_name, a->display_name))) {
        return e;
    }
    if (a->renew && !span_eq(record.password_hash, a->hash_before)) {
        return ERR_EXISTS; // not CONFLICT, for which the edit is run again
    }
    if (a->set_password) {
        record.password_hash = a->password_hash;
        e = directory_note(ed, a->renew ? "password the same, its hash made anew" : "password set",
                           SPAN(""));
    } else if (a->set_name) {
        record.display_name = a->display_name;
        e = directory_note(ed, "name: ", a->display_name);
    } else {
        record.state = a->state;
        record.suspension = a->suspension;
        e = a->state == ACCOUNT_SUSPENDED ? note_suspension(ed, &a->suspension)
                                          : directory_note(ed, "active again", SPAN(""));
    }
    return e != ERR_OK ? e : account_put(ed, &record);
}

enum err directory_account_set_password(struct store *s, const struct actor *by, account_id id,
                                        struct span password_hash)
{
    struct set_args a = {.set_password = true, .password_hash = password_hash};

    if (id == 0) {
        return ERR_NOT_FOUND;
    }
    return password_hash.n > HASH_BYTES_MAX ? ERR_LIMIT : store_edit(s, id, by, set_edit, &a, NULL);
}

enum err directory_account_set_display_name(struct store *s, const struct actor *by, account_id id,
                                            struct span name)
{
    struct set_args a = {.set_name = true, .display_name = name};

    if (id == 0) {
        return ERR_NOT_FOUND;
    }
    if (name.n > DISPLAY_NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (byte_is_ctl(name.p[i])) {
            return ERR_INVALID;
        }
    }
    return utf8_is_valid(name) ? store_edit(s, id, by, set_edit, &a, NULL) : ERR_INVALID;
}

enum err directory_account_renew_hash(struct store *s, const struct actor *by, account_id id,
                                      struct span before, struct span password_hash)
{
    struct set_args a = {
        .set_password = true, .renew = true, .password_hash = password_hash, .hash_before = before};

    if (id == 0) {
        return ERR_NOT_FOUND;
    }
    if (password_hash.n > HASH_BYTES_MAX) {
        return ERR_LIMIT;
    }
    enum err e = store_edit(s, id, by, set_edit, &a, NULL);

    return e == ERR_EXISTS ? ERR_CONFLICT : e;
}

enum err directory_account_set_state(struct store *s, const struct actor *by, account_id id,
                                     enum account_state state)
{
    struct set_args a = {.set_state = true, .state = state};

    if (id == 0) {
        return ERR_NOT_FOUND;
    }
    return state == ACCOUNT_ACTIVE || state == ACCOUNT_SUSPENDED
               ? store_edit(s, id, by, set_edit, &a, NULL)
               : ERR_INVALID;
}

enum err directory_account_suspend(struct store *s, const struct actor *by, account_id id,
                                   const struct account_suspension *how)
{
    struct set_args a = {.set_state = true, .state = ACCOUNT_SUSPENDED, .suspension = *how};

    return id ? store_edit(s, id, by, set_edit, &a, NULL) : ERR_NOT_FOUND;
}

static enum err note_edit(struct edit *ed, void *arg)
{
    const struct span *words = arg;
    struct change c = {.kind = CHANGE_ACCOUNT, .after = *words};

    return change_put(ed, &c);
}

enum err directory_account_note(struct store *s, const struct actor *by, account_id id,
                                struct span words)
{
    if (id == 0 || words.n > NOTE_BYTES_MAX) {
        return id ? ERR_LIMIT : ERR_NOT_FOUND;
    }
    return store_edit(s, id, by, note_edit, &words, NULL);
}

// ---- removing -----------------------------------------------------------------------------------

struct remove_args {
    account_id id;
    bool is_more; // as with rename_args
};

static enum err remove_begin(struct edit *ed, void *arg)
{
    struct remove_args *r = arg;
    account_id id = r->id;
    struct entry_record entry;
    enum err e = directory_entry_get(&ed->view, id, &entry);

    if (e != ERR_OK || entry.state == ENTRY_REMOVING) {
        return e;
    }
    // Whoever has the address next is no member of this one's groups.
    e = group_edit_leave(ed, entry.address, SPAN(""), &r->is_more);
    if (e != ERR_OK || r->is_more) {
        return e;
    }
    struct key name = key_text(KEY_ADDRESS, entry.address);

    entry.state = ENTRY_REMOVING;
    ed->header.accounts--;
    e = directory_domain_count(ed, directory_name_domain(entry.address), false);
    e = e != ERR_OK ? e : edit_delete(ed, &name);
    e = e != ERR_OK ? e : role_edit_account_gone(ed, id);
    e = e != ERR_OK ? e : entry_put(ed, id, &entry);
    e = e != ERR_OK ? e : pending_put(ed, id);
    return e != ERR_OK ? e : directory_note(ed, "account being removed: ", entry.address);
}

static enum err remove_finish(struct edit *ed, void *arg)
{
    const account_id *id = arg;
    struct key k = key_u64(KEY_ACCOUNT_ID, *id);
    struct entry_record entry;
    enum err e = directory_entry_get(&ed->view, *id, &entry);

    e = e != ERR_OK ? e : pending_clear(ed, *id);
    e = e != ERR_OK ? e : edit_delete(ed, &k);
    return e != ERR_OK ? e : directory_note(ed, "account removed: ", entry.address);
}

enum err directory_account_remove(struct store *s, const struct actor *by, account_id id)
{
    struct remove_args r = {.id = id};
    enum err e = id ? ERR_OK : ERR_NOT_FOUND;

    do {
        r.is_more = false;
        e = e != ERR_OK ? e : store_edit(s, 0, by, remove_begin, &r, NULL);
    } while (e == ERR_OK && r.is_more);
    e = e != ERR_OK ? e : account_erase(s, id);
    return e != ERR_OK ? e : store_edit(s, 0, by, remove_finish, &id, NULL);
}

// ---- after a crash ------------------------------------------------------------------------------

static enum err resume_one(struct store *s, account_id id, struct arena *arena)
{
    struct actor by = {.kind = ACTOR_SYSTEM};
    struct entry_record entry;
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_entry_get(&v, id, &entry);
    entry.address = e == ERR_OK ? arena_dup(arena, entry.address) : SPAN("");
    view_end(&v);
    if (e != ERR_OK || !entry.address.p) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e != ERR_OK ? e : ERR_NOMEM;
    }
    if (entry.state == ENTRY_REMOVING) {
        return directory_account_remove(s, &by, id);
    }
    // Nobody was told that it exists and its password is not known any more: taken back.
    return entry.state == ENTRY_MAKING ? directory_account_remove(s, &by, id) : ERR_CORRUPT;
}

enum err directory_resume(struct store *s)
{
    struct key prefix = key_plain(KEY_PENDING), after = key_after(&prefix);
    struct arena arena;
    enum err e;

    arena_init(&arena, 1 << 20);
    do { // what is finished leaves the list
        struct view v;
        struct scan *scan;
        struct span key, value;
        account_id id;

        e = view_begin(&v, s, 0);
        if (e != ERR_OK) {
            break;
        }
        e = scan_open(v.snapshot, 0, key_span(&prefix), key_span(&after), false, &scan);
        if (e == ERR_OK) {
            e = scan_next(scan, &key, &value);
            e = e == ERR_OK && !key_read_u64(key, &id) ? ERR_CORRUPT : e;
            scan_close(scan);
        }
        view_end(&v);
        e = e != ERR_OK ? e : resume_one(s, id, &arena);
        arena_reset(&arena);
    } while (e == ERR_OK);
    arena_finish(&arena);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
