// SPDX-License-Identifier: Apache-2.0
//
// mailbox list.
#include "admin/admin_internal.h"

#include "base/banned.h"

static json_t *special_json(uint8_t special_use)
{
    static const struct {
        enum special_use bit;
        const char *name;
    } uses[] = {
        {USE_ALL, "All"},         {USE_ARCHIVE, "Archive"},     {USE_DRAFTS, "Drafts"},
        {USE_FLAGGED, "Flagged"}, {USE_JUNK, "Junk"},           {USE_SENT, "Sent"},
        {USE_TRASH, "Trash"},     {USE_IMPORTANT, "Important"},
    };
    json_t *out = json_array();

    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        if (special_use & uses[i].bit) {
            json_array_append_new(out, json_string(uses[i].name));
        }
    }
    return out;
}

static json_t *mailbox_json(const struct mailbox *m)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:b, s:b, s:I, s:I, s:I, s:s}", "mailbox",
                     admin_json_text(m->name), "messages", (json_int_t)m->exists, "unseen",
                     (json_int_t)m->unseen, "bytes", (json_int_t)m->bytes, "special_use",
                     special_json(m->special_use), "subscribed", m->is_subscribed, "no_select",
                     m->is_no_select, "uid_validity", (json_int_t)m->uid_validity, "uid_next",
                     (json_int_t)m->uid_next, "highest_modseq", (json_int_t)m->highest_modseq,
                     "seen", m->seen_since ? "own" : "shared");
}

enum err admin_mailbox_list(struct admin_call *c)
{
    const struct mailbox *const *boxes;
    struct account account;
    struct view *v;
    size_t count = 0;
    json_t *items = json_array();
    enum err e = admin_account(c, &account);

    if (e == ERR_OK) {
        e = view_open(c->admin->store, account.id, &v);
    }
    if (e == ERR_OK) {
        e = view_mailboxes(v, &boxes, &count);
        for (size_t i = 0; i < count && e == ERR_OK; i++) {
            e = json_array_append_new(items, mailbox_json(boxes[i])) == 0 ? ERR_OK : ERR_NOMEM;
        }
        view_close(v);
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(items, i)));
    }
    json_decref(items);
    c->outcome->result = json_pack("{s:I}", "mailboxes", (json_int_t)count);
    return e;
}
