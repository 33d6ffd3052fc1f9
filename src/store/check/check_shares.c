// SPDX-License-Identifier: Apache-2.0
//
// Checks who else may use the account's mailboxes. A list that cannot be read is not mended: it
// gives nobody anything, and what it said is for people to say. Who is to find what is shared with
// them can be derived.
#include "store/belongings_internal.h"
#include "store/check/check_internal.h"
#include "store/share/acl.h"
#include "store/urlauth/url_key.h"

#include "base/banned.h"

static enum err check_acl(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    mailbox_id mailbox;
    struct acl acl;

    if (!key_read_u32(key, &mailbox) || !check_mailbox_find(c, mailbox)) {
        check_problem(c, true, "a list of rights is of a mailbox that is not there");
        return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
    }
    if (acl_decode(value, &c->v->arena, &acl) != ERR_OK) {
        check_problem(c, false, "the list of rights of mailbox %u cannot be read", mailbox);
        return ERR_OK;
    }
    for (size_t i = 0; i < acl.n; i++) {
        bool is_found;
        enum err e = acl_is_found(c->v, &acl.entries[i].who, &is_found);

        if (e != ERR_OK) {
            return e;
        }
        if (is_found) {
            continue;
        }
        check_problem(c, true, "somebody does not find mailbox %u, which is shared with them",
                      mailbox);
        e = c->ed ? acl_edit_found(c->ed, &acl.entries[i].who) : ERR_OK;
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

// A key for URLs that cannot be read makes none; its user renews it. One of another's mailbox may
// outlive that mailbox.
static enum err check_url_key(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct url_key_of of;

    if (url_key_decode(key, value, &of) != ERR_OK) {
        check_problem(c, true, "a key for URLs cannot be read");
        return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
    }
    if (!of.owner && !check_mailbox_find(c, of.mailbox)) {
        check_problem(c, true, "a key for URLs is of a mailbox that is not there");
        return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
    }
    return ERR_OK;
}

enum err check_shares(struct check *c)
{
    struct key lists = key_plain(KEY_ACL), url_keys = key_plain(KEY_URL_KEY);
    enum err e = view_each(c->v, &lists, check_acl, c);

    return e == ERR_OK ? view_each(c->v, &url_keys, check_url_key, c) : e;
}
