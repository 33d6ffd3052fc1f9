// SPDX-License-Identifier: Apache-2.0
//
// What a session leaves behind: one commit for what was read, one for what was deleted. Both name
// UIDs, so a message that another program has removed meanwhile, or one that came since, is not
// touched.
#include "base/log.h"
#include "keep/pop3/pop3_session_internal.h"

#include "base/banned.h"

#define ARENA_BYTES (64u << 20) // a million messages' UIDs, as far apart as can be

static enum err mark_seen(struct pop3_session *s, struct uid_set uids, struct arena *a)
{
    struct actor by = pop3_actor(s);
    struct flag_request r = {.mailbox = s->list.mailbox,
                             .uids = uids,
                             .how = FLAGS_ADD,
                             .flags = FLAG_SEEN,
                             .unchanged_since = UINT64_MAX};
    struct flag_result result;

    return placement_flags(s->server->store, s->account, &by, &r, a, &result);
}

static enum err find_trash(struct pop3_session *s, mailbox_id *out)
{
    const struct mailbox *const *boxes;
    const struct mailbox *found = NULL;
    size_t n;
    struct view *v;
    enum err e = view_open(s->server->store, s->account, &v);

    if (e) {
        return e;
    }
    e = view_mailboxes(v, &boxes, &n);
    for (size_t i = 0; !e && i < n; i++) {
        bool named = !found && !boxes[i]->is_no_select && span_eq(boxes[i]->name, SPAN("Trash"));

        if (named || (boxes[i]->special_use & USE_TRASH)) {
            found = boxes[i];
        }
    }
    if (!e && found) {
        *out = found->id;
    }
    view_close(v);
    return e ? e : found ? ERR_OK : ERR_NOT_FOUND;
}

static enum err open_trash(struct pop3_session *s, mailbox_id *out)
{
    struct actor by = pop3_actor(s);
    enum err e = find_trash(s, out);

    if (e == ERR_NOT_FOUND) {
        e = mailbox_create(s->server->store, s->account, &by, SPAN("Trash"), USE_TRASH, out);
        e = e == ERR_EXISTS ? find_trash(s, out) : e;
    }
    return e;
}

static enum err delete_to_trash(struct pop3_session *s, struct uid_set uids, struct arena *a)
{
    struct actor by = pop3_actor(s);
    struct copy_result result;
    bool missing_target;
    mailbox_id trash;
    enum err e = open_trash(s, &trash);

    return e ? e
             : placement_copy(s->server->store, s->account, &by, s->list.mailbox, uids, trash, true,
                              a, &result, &missing_target);
}

static enum err delete_all(struct pop3_session *s, struct uid_set uids, struct arena *a)
{
    struct actor by = pop3_actor(s);
    struct uid_set gone;
    modseq version;

    if (pop3_options_of(s).delete_to_trash) {
        return delete_to_trash(s, uids, a);
    }
    return placement_expunge(s->server->store, s->account, &by, s->list.mailbox, &uids, true, a,
                             &gone, &version);
}

typedef enum err change_fn(struct pop3_session *s, struct uid_set uids, struct arena *a);

static enum err with_marked(struct pop3_session *s, enum pop3_mark mark, change_fn *change)
{
    struct arena arena;
    struct uid_set uids;

    arena_init(&arena, ARENA_BYTES);
    enum err e = pop3_list_uids(&s->list, mark, &arena, &uids);

    if (!e && uids.count) {
        e = change(s, uids, &arena);
    }
    arena_finish(&arena);
    return e;
}

void pop3_update_seen(struct pop3_session *s)
{
    if (s->device.is_read_only || !pop3_options_of(s).mark_seen) {
        return;
    }
    enum err e = with_marked(s, POP3_RETRIEVED, mark_seen);

    if (e) {
        log_warn("pop3: %s: what was retrieved could not be marked as read: %s", s->user,
                 err_name(e));
    }
    for (uint32_t i = 0; i < s->list.n; i++) {
        s->list.items[i].marks &= ~(uint32_t)POP3_RETRIEVED;
    }
}

enum err pop3_update(struct pop3_session *s)
{
    pop3_update_seen(s);
    return with_marked(s, POP3_DELETED, delete_all);
}
