// SPDX-License-Identifier: Apache-2.0
//
// Domains and accounts. Names and ids are in account 0; what an account says of itself (state,
// password, quota) is in the account, so that its own change log has every change of it.
// docs/format/store.md, "Account 0", tells how an account is made and removed in several commits.
#include "store/directory.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "store/rules_internal.h"

#include "base/banned.h"

// ---- names --------------------------------------------------------------------------------------

#define LOCAL_BYTES_MAX 64
#define LABEL_BYTES_MAX 63

static utf8proc_int32_t code_point_lower(utf8proc_int32_t c, void *arg)
{
    (void)arg;
    return utf8proc_tolower(c);
}

static enum err text_fold(struct arena *a, struct span s, struct span *out)
{
    utf8proc_uint8_t *folded = NULL;
    utf8proc_ssize_t n = utf8proc_map_custom(
        (const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &folded,
        (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE), code_point_lower, NULL);

    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *out = arena_dup(a, span_of(folded, (size_t)n));
    free(folded);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static bool is_outside_ascii(char c)
{
    return (unsigned char)c >= 128;
}

// A dot-atom (RFC 5321 4.1.2, RFC 6531): quoted local parts are not given out.
static const char *local_check(struct span s)
{
    if (s.n == 0 || s.n > LOCAL_BYTES_MAX) {
        return s.n ? "the part before @ is too long" : "the part before @ is missing";
    }
    if (s.p[0] == '.' || s.p[s.n - 1] == '.' || span_find(s, SPAN("..")) < s.n) {
        return "the part before @ has a dot at an end, or two in a row";
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!byte_is_alnum(c) && !is_outside_ascii(c) && !memchr("!#$%&'*+-/=?^_`{|}~.", c, 20)) {
            return "the part before @ has a character that is not allowed";
        }
    }
    return NULL;
}

static const char *label_check(struct span s)
{
    if (s.n == 0 || s.n > LABEL_BYTES_MAX) {
        return s.n ? "a part of the domain is too long" : "the domain has an empty part";
    }
    if (s.p[0] == '-' || s.p[s.n - 1] == '-') {
        return "a part of the domain starts or ends with '-'";
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '-' && !is_outside_ascii(s.p[i])) {
            return "the domain has a character that is not allowed";
        }
    }
    return NULL;
}

static const char *domain_check(struct span s)
{
    const char *reason = NULL;

    if (s.n == 0 || s.n > DOMAIN_BYTES_MAX) {
        return s.n ? "the domain is too long" : "the domain is missing";
    }
    while (!reason) {
        size_t n = span_find_byte(s, '.');

        reason = label_check(span_first(s, n));
        if (n == s.n) {
            break;
        }
        s = span_skip(s, n + 1);
    }
    return reason;
}

static enum err refuse(const char *reason, const char **out_reason)
{
    if (out_reason) {
        *out_reason = reason;
    }
    return ERR_INVALID;
}

static enum err name_join(struct arena *a, struct span local, struct span domain, struct span *out)
{
    char *p = arena_alloc(a, local.n + domain.n + 1);

    if (!p) {
        return ERR_NOMEM;
    }
    memcpy(p, local.p, local.n);
    p[local.n] = '@';
    memcpy(p + local.n + 1, domain.p, domain.n);
    *out = span_of(p, local.n + domain.n + 1);
    return ERR_OK;
}

enum err directory_name_check(struct arena *a, struct span name, struct span default_domain,
                              struct span *out, const char **out_reason)
{
    struct span whole = name;
    enum err e = ERR_OK;

    if (name.n > 2 * ADDRESS_BYTES_MAX || !utf8_is_valid(name)) {
        return refuse("the name is too long or not valid UTF-8", out_reason);
    }
    if (span_find_byte(name, '@') == name.n && default_domain.n) {
        e = name_join(a, name, default_domain, &whole);
    }
    e = e != ERR_OK ? e : text_fold(a, whole, &whole);
    if (e != ERR_OK) {
        return e == ERR_INVALID ? refuse("the name is not valid UTF-8", out_reason) : e;
    }
    size_t at = span_find_byte(whole, '@');
    const char *reason = at == whole.n ? "the name has no @" : local_check(span_first(whole, at));

    reason = reason ? reason : domain_check(span_skip(whole, at + 1));
    if (!reason && whole.n > ADDRESS_BYTES_MAX) {
        reason = "the name is too long";
    }
    if (reason) {
        return refuse(reason, out_reason);
    }
    *out = whole;
    return ERR_OK;
}

static struct span name_domain(struct span name)
{
    return span_skip(name, span_find_byte(name, '@') + 1);
}

// Folds and checks; for calls that have no one to tell a reason.
static enum err domain_fold(struct arena *a, struct span domain, struct span *out)
{
    if (domain.n == 0 || domain.n > DOMAIN_BYTES_MAX || !utf8_is_valid(domain)) {
        return ERR_INVALID;
    }
    enum err e = text_fold(a, domain, out);

    return e == ERR_OK && domain_check(*out) ? ERR_INVALID : e;
}

// ---- domains ------------------------------------------------------------------------------------

static enum err domain_get(struct view *v, struct span domain, struct domain_record *out)
{
    struct key k = key_text(KEY_DOMAIN, domain);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : domain_decode(value, out);
}

static enum err domain_put(struct edit *ed, struct span domain, const struct domain_record *d)
{
    struct key k = key_text(KEY_DOMAIN, domain);
    char room[DOMAIN_RECORD_BYTES_MAX];

    return edit_put(ed, &k, domain_encode(d, room));
}

// One more or one fewer account.
static enum err domain_count(struct edit *ed, struct span domain, bool up)
{
    struct domain_record d;
    enum err e = domain_get(&ed->view, domain, &d);

    if (e == ERR_OK) {
        d.accounts = up ? d.accounts + 1 : d.accounts - (d.accounts > 0);
        e = domain_put(ed, domain, &d);
    }
    return e;
}

// The words of a change to the directory.
static enum err note(struct edit *ed, const char *what, struct span name)
{
    struct buf b;
    struct change c = {.kind = CHANGE_ACCOUNT};

    buf_init(&b, ADDRESS_BYTES_MAX + 128);
    buf_put_str(&b, what);
    buf_put(&b, name);
    c.after = buf_span(&b);
    enum err e = change_put(ed, &c);

    buf_finish(&b);
    return e;
}

struct domain_args {
    struct span domain;
};

static enum err domain_add_edit(struct edit *ed, void *arg)
{
    const struct domain_args *a = arg;
    struct domain_record d = {.created = edit_now_s(ed)};
    bool is_alias;
    enum err e = domain_get(&ed->view, a->domain, &(struct domain_record){0});

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = route_is_domain_alias(&ed->view, a->domain, &is_alias);
    if (e != ERR_OK || is_alias) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = domain_put(ed, a->domain, &d);
    return e != ERR_OK ? e : note(ed, "domain added: ", a->domain);
}

static enum err domain_remove_edit(struct edit *ed, void *arg)
{
    const struct domain_args *a = arg;
    struct key k = key_text(KEY_DOMAIN, a->domain);
    struct domain_record d;
    bool used = false;
    enum err e = domain_get(&ed->view, a->domain, &d);

    e = e == ERR_OK ? route_domain_used(&ed->view, a->domain, &used) : e;
    if (e == ERR_OK && (d.accounts || used)) {
        e = ERR_DENIED;
    }
    e = e != ERR_OK ? e : edit_delete(ed, &k);
    return e != ERR_OK ? e : note(ed, "domain removed: ", a->domain);
}

static enum err domain_edit(struct store *s, const struct actor *by, struct span domain,
                            edit_fn *fn)
{
    struct arena arena;
    struct domain_args a;

    arena_init(&arena, 64 << 10);
    enum err e = domain_fold(&arena, domain, &a.domain);

    e = e != ERR_OK ? e : store_edit(s, 0, by, fn, &a, NULL);
    arena_finish(&arena);
    return e;
}

enum err directory_domain_add(struct store *s, const struct actor *by, struct span domain)
{
    return domain_edit(s, by, domain, domain_add_edit);
}

enum err directory_domain_remove(struct store *s, const struct actor *by, struct span domain)
{
    return domain_edit(s, by, domain, domain_remove_edit);
}

struct domain_list_args {
    directory_domain_fn *fn;
    void *arg;
};

static enum err domain_list_one(void *arg, struct span key, struct span value)
{
    const struct domain_list_args *l = arg;
    struct domain_record d;
    enum err e = domain_decode(value, &d);

    if (e != ERR_OK) {
        return e;
    }
    return l->fn(l->arg, span_skip(key, 1), d.accounts) ? ERR_OK : ERR_EOF;
}

enum err directory_domain_list(struct store *s, directory_domain_fn *fn, void *arg)
{
    struct domain_list_args l = {.fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_DOMAIN);
    struct view v;
    enum err e = view_begin(&v, s, 0);

    if (e == ERR_OK) {
        e = view_each(&v, &prefix, domain_list_one, &l);
        view_end(&v);
    }
    return e;
}

// ---- looking accounts up ------------------------------------------------------------------------

static enum err entry_get(struct view *v, account_id id, struct entry_record *out)
{
    struct key k = key_u64(KEY_ACCOUNT_ID, id);
    struct span value;
    enum err e = snapshot_get(v->snapshot, 0, key_span(&k), &value);

    return e != ERR_OK ? e : entry_decode(value, out);
}

// Everything about an account, in the snapshot of a view of account 0.
static enum err account_read(struct view *v, account_id id, struct account *out)
{
    struct key header_key = key_plain(KEY_HEADER), account_key = key_plain(KEY_ACCOUNT);
    struct entry_record entry;
    struct account_record a;
    struct header h;
    struct span value;
    enum err e = entry_get(v, id, &entry);

    if (e == ERR_OK && entry.state != ENTRY_THERE) {
        e = ERR_NOT_FOUND;
    }
    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_get(v->snapshot, id, key_span(&account_key), &value);
    e = e != ERR_OK ? e : account_decode(value, &a);
    e = e != ERR_OK ? e : snapshot_get(v->snapshot, id, key_span(&header_key), &value);
    e = e != ERR_OK ? e : header_decode(value, &h);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    *out = (struct account){.id = id,
                            .name = entry.address,
                            .display_name = a.display_name,
                            .password_hash = a.password_hash,
                            .state = a.state,
                            .created = a.created,
                            .quota_bytes_max = h.bytes_max,
                            .quota_messages_max = h.messages_max};
    return ERR_OK;
}

static enum err account_copy(struct arena *a, struct account *out)
{
    out->name = arena_dup(a, out->name);
    out->display_name = arena_dup(a, out->display_name);
    out->password_hash = arena_dup(a, out->password_hash);
    return out->name.p && out->display_name.p && out->password_hash.p ? ERR_OK : ERR_NOMEM;
}

static enum err name_to_id(struct view *v, struct span name, account_id *out)
{
    struct key k = key_text(KEY_ADDRESS, name);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : account_id_decode(value, out);
}

enum err directory_account_by_name(struct store *s, struct span name, struct arena *a,
                                   struct account *out)
{
    struct view v;
    struct span folded;
    struct account found;
    account_id id;
    enum err e = directory_name_check(a, name, SPAN(""), &folded, NULL);

    if (e != ERR_OK) {
        return e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    e = view_begin(&v, s, 0);
    if (e != ERR_OK) {
        return e;
    }
    e = name_to_id(&v, folded, &id);
    e = e != ERR_OK ? e : account_read(&v, id, &found);
    e = e != ERR_OK ? e : account_copy(a, &found);
    view_end(&v);
    if (e == ERR_OK) {
        *out = found;
    }
    return e;
}

enum err directory_id_by_name(struct store *s, struct span name, account_id *out)
{
    struct arena arena;
    struct span folded;
    struct view v;
    enum err e;

    arena_init(&arena, 64 << 10);
    e = directory_name_check(&arena, name, SPAN(""), &folded, NULL);
    e = e == ERR_INVALID ? ERR_NOT_FOUND : e;
    e = e != ERR_OK ? e : view_begin(&v, s, 0);
    if (e == ERR_OK) {
        e = name_to_id(&v, folded, out);
        view_end(&v);
    }
    arena_finish(&arena);
    return e;
}

enum err directory_account_by_id(struct store *s, account_id id, struct arena *a,
                                 struct account *out)
{
    struct view v;
    struct account found;
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    e = account_read(&v, id, &found);
    e = e != ERR_OK ? e : account_copy(a, &found);
    view_end(&v);
    if (e == ERR_OK) {
        *out = found;
    }
    return e;
}

struct account_list_args {
    struct view *view;
    struct span domain;
    directory_account_fn *fn;
    void *arg;
};

static enum err account_list_one(void *arg, struct span key, struct span value)
{
    const struct account_list_args *l = arg;
    struct account account;
    account_id id;

    if (l->domain.n && !span_eq(name_domain(span_skip(key, 1)), l->domain)) {
        return ERR_OK;
    }
    enum err e = account_id_decode(value, &id);

    e = e != ERR_OK ? e : account_read(l->view, id, &account);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e; // being made
    }
    return l->fn(l->arg, &account) ? ERR_OK : ERR_EOF;
}

enum err directory_account_list(struct store *s, struct span domain, directory_account_fn *fn,
                                void *arg)
{
    struct view v;
    struct account_list_args l = {.view = &v, .fn = fn, .arg = arg};
    struct key prefix = key_plain(KEY_ADDRESS);
    enum err e = view_begin(&v, s, 0);

    if (e != ERR_OK) {
        return e;
    }
    if (domain.n) {
        e = domain_fold(&v.arena, domain, &l.domain);
        e = e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    e = e != ERR_OK ? e : view_each(&v, &prefix, account_list_one, &l);
    view_end(&v);
    return e;
}

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
    enum err e = name_to_id(&ed->view, a->name, &taken);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    e = route_name_taken(&ed->view, a->name, &is_alias);
    if (e != ERR_OK || is_alias) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    a->id = ed->header.next_account++;
    ed->header.accounts++;
    e = domain_count(ed, name_domain(a->name), true);
    e = e != ERR_OK ? e : address_put(ed, a->name, a->id);
    e = e != ERR_OK ? e : entry_put(ed, a->id, &entry);
    e = e != ERR_OK ? e : pending_put(ed, a->id);
    return e != ERR_OK ? e : note(ed, "account being made: ", a->name);
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
    enum err e = note(ed, "account made: ", a->name);

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
    return e != ERR_OK ? e : note(ed, "account made: ", a->name);
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
};

static enum err rename_edit(struct edit *ed, void *arg)
{
    const struct rename_args *a = arg;
    struct entry_record entry;
    account_id taken;
    enum err e = entry_get(&ed->view, a->id, &entry);

    if (e == ERR_OK && entry.state != ENTRY_THERE) {
        e = ERR_NOT_FOUND;
    }
    if (e != ERR_OK || span_eq(entry.address, a->name)) {
        return e;
    }
    e = name_to_id(&ed->view, a->name, &taken);
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    struct span old_domain = name_domain(entry.address), new_domain = name_domain(a->name);
    struct key old = key_text(KEY_ADDRESS, entry.address);

    e = domain_get(&ed->view, new_domain, &(struct domain_record){0});
    if (e == ERR_OK && !span_eq(old_domain, new_domain)) {
        e = domain_count(ed, old_domain, false);
        e = e != ERR_OK ? e : domain_count(ed, new_domain, true);
    }
    e = e != ERR_OK ? e : edit_delete(ed, &old);
    e = e != ERR_OK ? e : address_put(ed, a->name, a->id);
    entry.address = a->name;
    e = e != ERR_OK ? e : entry_put(ed, a->id, &entry);
    return e != ERR_OK ? e : note(ed, "account renamed: ", a->name);
}

static enum err note_rename(struct edit *ed, void *arg)
{
    const struct rename_args *a = arg;

    return note(ed, "account renamed: ", a->name);
}

enum err directory_account_rename(struct store *s, const struct actor *by, account_id id,
                                  struct span name)
{
    struct arena arena;
    struct rename_args a = {.id = id};

    arena_init(&arena, 64 << 10);
    enum err e = directory_name_check(&arena, name, SPAN(""), &a.name, NULL);

    e = e != ERR_OK ? e : store_edit(s, 0, by, rename_edit, &a, NULL);
    // The directory is what counts; the account's own log gets a note besides.
    e = e != ERR_OK ? e : store_edit(s, id, by, note_rename, &a, NULL);
    arena_finish(&arena);
    return e;
}

struct set_args {
    bool set_password, set_state;
    struct span password_hash;
    enum account_state state;
};

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct set_args *a = arg;
    struct key k = key_plain(KEY_ACCOUNT);
    struct account_record record;
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    e = e != ERR_OK ? e : account_decode(value, &record);
    if (e != ERR_OK || (a->set_state && record.state == a->state)) {
        return e;
    }
    if (a->set_password) {
        record.password_hash = a->password_hash;
        e = note(ed, "password set", SPAN(""));
    } else {
        record.state = a->state;
        e = note(ed, a->state == ACCOUNT_SUSPENDED ? "suspended" : "active again", SPAN(""));
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

// ---- removing -----------------------------------------------------------------------------------

static enum err remove_begin(struct edit *ed, void *arg)
{
    const account_id *id = arg;
    struct entry_record entry;
    enum err e = entry_get(&ed->view, *id, &entry);

    if (e != ERR_OK || entry.state == ENTRY_REMOVING) {
        return e;
    }
    struct key name = key_text(KEY_ADDRESS, entry.address);

    entry.state = ENTRY_REMOVING;
    ed->header.accounts--;
    e = domain_count(ed, name_domain(entry.address), false);
    e = e != ERR_OK ? e : edit_delete(ed, &name);
    e = e != ERR_OK ? e : entry_put(ed, *id, &entry);
    e = e != ERR_OK ? e : pending_put(ed, *id);
    return e != ERR_OK ? e : note(ed, "account being removed: ", entry.address);
}

static enum err remove_finish(struct edit *ed, void *arg)
{
    const account_id *id = arg;
    struct key k = key_u64(KEY_ACCOUNT_ID, *id);
    struct entry_record entry;
    enum err e = entry_get(&ed->view, *id, &entry);

    e = e != ERR_OK ? e : pending_clear(ed, *id);
    e = e != ERR_OK ? e : edit_delete(ed, &k);
    return e != ERR_OK ? e : note(ed, "account removed: ", entry.address);
}

enum err directory_account_remove(struct store *s, const struct actor *by, account_id id)
{
    enum err e = id ? store_edit(s, 0, by, remove_begin, &id, NULL) : ERR_NOT_FOUND;

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
    e = entry_get(&v, id, &entry);
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
