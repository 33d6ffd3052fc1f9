// SPDX-License-Identifier: Apache-2.0
//
// Making mailboxes, their names, subscriptions and special uses. Deleting and renaming, which touch
// whole trees, are in mailbox_tree.c; looking at them is in mailbox_view.c.
#include "store/mailbox.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "store/belongings_internal.h"
#include "store/store_internal.h"

#include "base/banned.h"

// ---- names --------------------------------------------------------------------------------------

static bool is_forbidden(uint32_t c)
{
    // Controls, and the two separators that Net-Unicode (RFC 5198) leaves out.
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static const char *characters_check(struct span name)
{
    uint32_t c;

    if (!utf8_is_valid(name)) {
        return "the name is not valid UTF-8";
    }
    while (utf8_next(&name, &c)) {
        if (is_forbidden(c)) {
            return "the name contains a control character";
        }
    }
    return NULL;
}

static const char *levels_check(struct span name)
{
    size_t levels = 0;

    do {
        size_t n = span_find_byte(name, '/');
        struct span level = span_first(name, n);

        if (++levels > NAME_LEVELS_MAX) {
            return "the name has too many levels";
        }
        if (n == 0) {
            return "the name has an empty level";
        }
        if (n > NAME_LEVEL_BYTES_MAX) {
            return "a level of the name is too long";
        }
        if (span_eq(level, SPAN(".")) || span_eq(level, SPAN(".."))) {
            return "the name has a level \".\" or \"..\"";
        }
        if (n == name.n) {
            return NULL;
        }
        name = span_skip(name, n + 1);
    } while (true);
}

// NFC; ASCII is that already.
static enum err name_compose(struct arena *a, struct span name, struct span *out)
{
    if (utf8_is_ascii(name)) {
        *out = arena_dup(a, name);
        return out->p ? ERR_OK : ERR_NOMEM;
    }
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)name.p, (utf8proc_ssize_t)name.n, &composed,
                     (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));

    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *out = arena_dup(a, span_of(composed, (size_t)n));
    free(composed);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err name_refuse(const char *reason, const char **out_reason)
{
    if (out_reason) {
        *out_reason = reason;
    }
    return ERR_INVALID;
}

enum err mailbox_name_check(struct arena *a, struct span name, struct span *out,
                            const char **out_reason)
{
    struct span composed;

    if (name.n == 0 || name.n > 4 * NAME_BYTES_MAX) {
        return name_refuse(name.n ? "the name is too long" : "the name is empty", out_reason);
    }
    const char *reason = characters_check(name);

    if (reason) {
        return name_refuse(reason, out_reason);
    }
    enum err e = name_compose(a, name, &composed);

    if (e != ERR_OK) {
        return e == ERR_INVALID ? name_refuse("the name is not valid UTF-8", out_reason) : e;
    }
    reason = composed.n > NAME_BYTES_MAX ? "the name is too long" : levels_check(composed);
    if (reason) {
        return name_refuse(reason, out_reason);
    }
    if (span_eq_nocase(span_first(composed, span_find_byte(composed, '/')), mailbox_inbox)) {
        char *p = arena_str(a, composed);

        if (!p) {
            return ERR_NOMEM;
        }
        memcpy(p, mailbox_inbox.p, mailbox_inbox.n);
        composed.p = p;
    }
    *out = composed;
    return ERR_OK;
}

// ---- making -------------------------------------------------------------------------------------

enum err edit_put_name(struct edit *ed, struct span name, mailbox_id id)
{
    struct key k = key_name(KEY_NAME, name);
    char room[MAILBOX_ID_BYTES];

    return edit_put(ed, &k, mailbox_id_encode(id, room));
}

enum err edit_take_orphan(struct edit *ed, struct span name, bool *out_was_subscribed)
{
    struct key k = key_name(KEY_SUBSCRIPTION, name);
    struct span value;
    enum err e = view_get(&ed->view, &k, &value);

    *out_was_subscribed = e == ERR_OK;
    return e == ERR_OK ? edit_delete(ed, &k) : e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err edit_put_orphan(struct edit *ed, struct span name)
{
    struct key k = key_name(KEY_SUBSCRIPTION, name);
    char room[STR_BYTES_MAX];

    return edit_put(ed, &k, str_encode(name, room));
}

// Also sees what this edit has made.
enum err edit_name_lookup(struct edit *ed, struct span name, mailbox_id *out)
{
    for (struct edit_mailbox *m = ed->mailboxes; m; m = m->next) {
        if (span_eq(m->record.is.name, name)) {
            *out = m->record.is.id;
            return ERR_OK;
        }
    }
    return view_name_lookup(&ed->view, name, out);
}

static enum err make_record(struct edit *ed, struct span name, struct edit_mailbox **out)
{
    struct edit_mailbox *m = arena_zalloc(&ed->view.arena, 1, sizeof(*m));

    if (!m) {
        return ERR_NOMEM;
    }
    m->record = (struct mailbox_record){.is = {.id = ed->header.next_mailbox,
                                               .name = name,
                                               .uid_validity = edit_uid_validity(ed),
                                               .uid_next = 1,
                                               .highest_modseq = ed->modseq},
                                        .created_modseq = ed->modseq};
    ed->header.next_mailbox++;
    m->has_keywords = m->is_dirty = true;
    m->keywords.mailbox = m->record.is.id;
    m->next = ed->mailboxes;
    ed->mailboxes = m;
    *out = m;
    return ERR_OK;
}

static enum err make_one(struct edit *ed, struct span name, struct edit_mailbox **out)
{
    struct edit_mailbox *m;
    bool was_subscribed;

    if (ed->header.mailboxes >= atomic_load(&ed->store->mailboxes_max) ||
        ed->header.next_mailbox == UINT32_MAX) {
        return ERR_LIMIT;
    }
    enum err e = make_record(ed, name, &m);

    e = e != ERR_OK ? e : edit_take_orphan(ed, name, &was_subscribed);
    e = e != ERR_OK ? e : edit_put_name(ed, name, m->record.is.id);
    e = e != ERR_OK ? e : acl_edit_inherit(ed, m->record.is.id, name);
    e = e != ERR_OK ? e : seen_edit_inherit(ed, m);
    if (e != ERR_OK) {
        return e;
    }
    m->record.is.is_subscribed = was_subscribed;
    ed->header.mailboxes++;
    struct change c = {.kind = CHANGE_MAILBOX_CREATED, .mailbox = m->record.is.id, .after = name};

    *out = m;
    return change_put(ed, &c);
}

// A \NoSelect level gives way to a new mailbox of that name, with an id of its own: it is not the
// mailbox that once was there.
static enum err make_instead(struct edit *ed, mailbox_id old, struct edit_mailbox **out)
{
    struct edit_mailbox *m;
    enum err e = edit_mailbox(ed, old, &m);

    if (e != ERR_OK) {
        return e;
    }
    if (!m->record.is.is_no_select) {
        return ERR_EXISTS;
    }
    struct key k = key_u32(KEY_MAILBOX, old);
    struct span name = m->record.is.name;
    bool was_subscribed = m->record.is.is_subscribed;

    m->is_dirty = false;
    m->record.is.name = SPAN("");
    ed->header.mailboxes--;
    e = edit_delete(ed, &k);
    e = e != ERR_OK ? e : make_one(ed, name, out);
    if (e == ERR_OK) {
        (*out)->record.is.is_subscribed |= was_subscribed;
    }
    return e;
}

static enum err make_levels_above(struct edit *ed, struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        struct edit_mailbox *m;
        mailbox_id id;

        if (name.p[i] != '/') {
            continue;
        }
        struct span level = span_first(name, i);
        enum err e = edit_name_lookup(ed, level, &id);

        e = e == ERR_NOT_FOUND ? make_one(ed, level, &m) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

enum err edit_make_mailbox(struct edit *ed, struct span name, uint8_t special_use, bool subscribed,
                           struct edit_mailbox **out)
{
    mailbox_id old;
    struct edit_mailbox *m;
    enum err e = edit_name_lookup(ed, name, &old);

    if (e == ERR_OK) {
        e = make_instead(ed, old, &m);
    } else if (e == ERR_NOT_FOUND) {
        e = make_levels_above(ed, name);
        e = e != ERR_OK ? e : make_one(ed, name, &m);
    }
    if (e != ERR_OK) {
        return e;
    }
    m->record.is.special_use = special_use;
    m->record.is.is_subscribed |= subscribed;
    *out = m;
    return ERR_OK;
}

enum err edit_use_check(struct edit *ed, uint8_t special_use, mailbox_id except)
{
    const struct mailbox *const *all;
    size_t n;

    if (!special_use) {
        return ERR_OK;
    }
    enum err e = view_mailboxes(&ed->view, &all, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (all[i]->id != except && (all[i]->special_use & special_use)) {
            e = ERR_INVALID;
        }
    }
    return e;
}

struct create_args {
    struct span name;
    uint8_t special_use;
    mailbox_id out;
};

static enum err create_edit(struct edit *ed, void *arg)
{
    struct create_args *a = arg;
    struct edit_mailbox *m;
    mailbox_id taken;
    enum err e = edit_name_lookup(ed, a->name, &taken);

    if (e == ERR_OK) { // say EXISTS rather than that the use is taken
        e = edit_mailbox(ed, taken, &m);
        e = e == ERR_OK && !m->record.is.is_no_select ? ERR_EXISTS : e;
    } else if (e == ERR_NOT_FOUND) {
        e = ERR_OK;
    }
    e = e != ERR_OK ? e : edit_use_check(ed, a->special_use, 0);
    e = e != ERR_OK ? e : edit_make_mailbox(ed, a->name, a->special_use, false, &m);
    if (e == ERR_OK) {
        a->out = m->record.is.id;
    }
    return e;
}

enum err mailbox_create(struct store *s, account_id account, const struct actor *by,
                        struct span name, uint8_t special_use, mailbox_id *out)
{
    struct create_args a = {.name = name, .special_use = special_use};

    if (name.n == 0 || name.n > NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    enum err e = store_edit(s, account, by, create_edit, &a, NULL);

    if (e == ERR_OK) {
        *out = a.out;
    }
    return e;
}

// ---- subscriptions, special uses ----------------------------------------------------------------

struct subscribe_args {
    struct span name;
    bool subscribed;
};

static enum err unsubscribe_orphan(struct edit *ed, const struct subscribe_args *a)
{
    struct change c = {.kind = CHANGE_SUBSCRIPTION, .after = a->name, .value = 0};
    bool was_subscribed;

    if (a->subscribed) {
        return ERR_NOT_FOUND;
    }
    enum err e = edit_take_orphan(ed, a->name, &was_subscribed);

    return e == ERR_OK && was_subscribed ? change_put(ed, &c) : e;
}

static enum err subscribe_edit(struct edit *ed, void *arg)
{
    const struct subscribe_args *a = arg;
    struct edit_mailbox *m;
    mailbox_id id;
    enum err e = view_name_lookup(&ed->view, a->name, &id);

    if (e == ERR_NOT_FOUND) {
        return unsubscribe_orphan(ed, a);
    }
    e = e != ERR_OK ? e : edit_mailbox(ed, id, &m);
    if (e != ERR_OK || m->record.is.is_subscribed == a->subscribed) {
        return e;
    }
    struct change c = {.kind = CHANGE_SUBSCRIPTION,
                       .mailbox = id,
                       .after = a->name,
                       .value = a->subscribed ? 1 : 0};

    m->record.is.is_subscribed = a->subscribed;
    m->is_dirty = true;
    return change_put(ed, &c);
}

enum err mailbox_subscribe(struct store *s, account_id account, const struct actor *by,
                           struct span name, bool subscribed)
{
    struct subscribe_args a = {.name = name, .subscribed = subscribed};

    return store_edit(s, account, by, subscribe_edit, &a, NULL);
}

static enum err subscribe_other_edit(struct edit *ed, void *arg)
{
    const struct subscribe_args *a = arg;
    struct key k = key_name(KEY_SUBSCRIPTION, a->name);
    struct change c = {.kind = CHANGE_SUBSCRIPTION, .after = a->name, .value = 1};
    struct span value;

    if (!a->subscribed) {
        return unsubscribe_orphan(ed, a);
    }
    enum err e = view_get(&ed->view, &k, &value);

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = edit_put_orphan(ed, a->name);
    return e == ERR_OK ? change_put(ed, &c) : e;
}

enum err mailbox_subscribe_other(struct store *s, account_id account, const struct actor *by,
                                 struct span name, bool subscribed)
{
    struct subscribe_args a = {.name = name, .subscribed = subscribed};

    return name.n > NAME_BYTES_MAX ? ERR_LIMIT
                                   : store_edit(s, account, by, subscribe_other_edit, &a, NULL);
}

struct use_args {
    struct span name;
    uint8_t special_use;
};

static enum err use_edit(struct edit *ed, void *arg)
{
    const struct use_args *a = arg;
    struct edit_mailbox *m;
    mailbox_id id;
    enum err e = view_name_lookup(&ed->view, a->name, &id);

    e = e != ERR_OK ? e : edit_mailbox_with_messages(ed, id, &m);
    e = e != ERR_OK ? e : edit_use_check(ed, a->special_use, id);
    if (e != ERR_OK || m->record.is.special_use == a->special_use) {
        return e;
    }
    struct change c = {.kind = CHANGE_SPECIAL_USE,
                       .mailbox = id,
                       .value = (uint64_t)m->record.is.special_use << 8 | a->special_use};

    m->record.is.special_use = a->special_use;
    m->is_dirty = true;
    return change_put(ed, &c);
}

enum err mailbox_set_special_use(struct store *s, account_id account, const struct actor *by,
                                 struct span name, uint8_t special_use)
{
    struct use_args a = {.name = name, .special_use = special_use};

    return store_edit(s, account, by, use_edit, &a, NULL);
}
