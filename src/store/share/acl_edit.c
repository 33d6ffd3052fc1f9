// SPDX-License-Identifier: Apache-2.0
//
// Changing a list, and what becomes of lists when mailboxes are made and deleted. Who shares with
// whom rides with each of these commits.
#include <stdio.h>

#include "store/share/share_internal.h"

#include "base/banned.h"

static bool is_same(struct acl_who a, struct acl_who b)
{
    return a.kind == b.kind && a.id == b.id;
}

// ---- one entry ----------------------------------------------------------------------------------

static uint32_t changed(uint32_t before, enum acl_how how, uint32_t rights)
{
    return how == ACL_ADD ? before | rights : how == ACL_REMOVE ? before & ~rights : rights;
}

// The list with the entry changed, in the edit's arena; `*at` is the entry before and after.
static enum err change_list(struct edit *ed, const struct acl *before, const struct acl_change *c,
                            struct acl *after, uint32_t *was, uint32_t *is)
{
    struct acl_entry found = {.who = c->who};

    after->n = 0;
    after->entries = arena_zalloc(&ed->view.arena, before->n + 1, sizeof(*after->entries));
    if (!after->entries) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < before->n; i++) {
        if (is_same(before->entries[i].who, c->who)) {
            found = before->entries[i];
        } else {
            after->entries[after->n++] = before->entries[i];
        }
    }
    uint32_t *which = c->is_negative ? &found.taken : &found.given;

    *was = *which;
    *is = *which = changed(*which, c->how, c->rights);
    if (found.given || found.taken) {
        after->entries[after->n++] = found;
    }
    return after->n > ACL_ENTRIES_MAX ? ERR_LIMIT : ERR_OK;
}

static enum err put_list(struct edit *ed, mailbox_id mailbox, const struct acl *acl)
{
    struct key k = key_u32(KEY_ACL, mailbox);
    struct span value;

    if (!acl->n) {
        return edit_delete(ed, &k);
    }
    enum err e = acl_encode(acl, &ed->view.arena, &value);

    return e == ERR_OK ? edit_put(ed, &k, value) : e;
}

static enum err words(struct edit *ed, const struct acl_change *c, uint32_t rights,
                      struct span *out)
{
    char letters[ACL_RIGHTS_BYTES_MAX];
    struct span text = acl_rights_format(rights, letters);
    size_t n = c->name.n + text.n + 8;
    char *p = arena_alloc(&ed->view.arena, n);

    if (!p) {
        return ERR_NOMEM;
    }
    *out = span_of(p, (size_t)snprintf(p, n, "%s%.*s %.*s", c->is_negative ? "-" : "",
                                       SPAN_ARG(c->name), SPAN_ARG(text)));
    return ERR_OK;
}

static enum err note(struct edit *ed, const struct acl_change *c, uint32_t was, uint32_t is)
{
    struct change record = {.kind = CHANGE_ACL, .mailbox = c->mailbox};
    enum err e = words(ed, c, was, &record.before);

    e = e == ERR_OK ? words(ed, c, is, &record.after) : e;
    return e == ERR_OK ? change_put(ed, &record) : e;
}

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct acl_change *c = arg;
    struct acl before, after;
    struct edit_mailbox *m;
    uint32_t was = 0, is = 0;
    enum err e = edit_mailbox_with_messages(ed, c->mailbox, &m);

    e = e == ERR_OK ? view_acl(&ed->view, c->mailbox, &ed->view.arena, &before) : e;
    e = e == ERR_OK ? change_list(ed, &before, c, &after, &was, &is) : e;
    if (e != ERR_OK || was == is) {
        return e;
    }
    e = put_list(ed, c->mailbox, &after);
    e = e == ERR_OK ? acl_edit_index(ed, c->mailbox, &before, &after) : e;
    return e == ERR_OK ? note(ed, c, was, is) : e;
}

enum err acl_set(struct store *s, account_id account, const struct actor *by,
                 const struct acl_change *c)
{
    struct acl_change copy = *c;

    if ((c->who.kind == ACL_ACCOUNT && c->who.id == account) ||
        (c->who.kind == ACL_ANYONE) != !c->who.id || c->rights & ~(uint32_t)ACL_ALL) {
        return ERR_INVALID;
    }
    return account ? store_edit(s, account, by, set_edit, &copy, NULL) : ERR_NOT_FOUND;
}

// ---- mailboxes that come and go -----------------------------------------------------------------

enum err acl_edit_inherit(struct edit *ed, mailbox_id mailbox, struct span name)
{
    struct acl none = {0}, acl = {0};
    mailbox_id above;
    enum err e;

    // Levels that this edit makes have what the nearest one has that was there before.
    do {
        name = mailbox_name_parent(name);
        e = name.n ? view_name_lookup(&ed->view, name, &above) : ERR_OK;
    } while (e == ERR_NOT_FOUND);
    if (e != ERR_OK || !name.n) {
        return e;
    }
    e = view_acl(&ed->view, above, &ed->view.arena, &acl);
    if (e != ERR_OK || !acl.n) { // a list that cannot be read gives nobody anything
        return e == ERR_CORRUPT || e == ERR_UNSUPPORTED ? ERR_OK : e;
    }
    e = put_list(ed, mailbox, &acl);
    return e == ERR_OK ? acl_edit_index(ed, mailbox, &none, &acl) : e;
}

enum err acl_edit_forget(struct edit *ed, mailbox_id mailbox)
{
    struct key k = key_u32(KEY_ACL, mailbox);
    struct acl none = {0}, acl;
    enum err e = view_acl(&ed->view, mailbox, &ed->view.arena, &acl);

    if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        return edit_delete(ed, &k);
    }
    if (e != ERR_OK || !acl.n) {
        return e;
    }
    e = edit_delete(ed, &k);
    return e == ERR_OK ? acl_edit_index(ed, mailbox, &acl, &none) : e;
}
