// SPDX-License-Identifier: Apache-2.0
//
// Copying and moving messages: all or none, one commit (RFC 3501 6.4.7, RFC 6851).
#include <stdlib.h>

#include "store/belongings_internal.h"

#include "base/banned.h"

struct copy_run {
    struct edit *ed;
    struct edit_mailbox *from, *to;
    bool move, takes_keywords;
    uint16_t flags; // that go along
    struct uid_cursor wanted;
    struct keyword_map keywords;
    struct placer placer;
    struct remover remover;
    struct change_draft log_in, log_out;
    struct uid_builder uids_from, uids_to;
    message_id *messages; // of a copy: each gets one more placement
    size_t message_count, message_cap;
};

static enum err message_note(struct copy_run *c, message_id id)
{
    if (c->message_count == c->message_cap) {
        size_t cap = c->message_cap ? c->message_cap * 2 : 16;
        message_id *messages = arena_alloc(&c->ed->view.arena, cap * sizeof(*messages));

        if (!messages) {
            return ERR_NOMEM;
        }
        if (c->message_count) {
            memcpy(messages, c->messages, c->message_count * sizeof(*messages));
        }
        c->messages = messages;
        c->message_cap = cap;
    }
    c->messages[c->message_count++] = id;
    return ERR_OK;
}

// What goes along is the owner's \Seen and that of who copies. A mailbox with one for all gets the
// latter: who copies gives it to everybody, as with any flag. True: it is theirs alone there.
static bool carry_seen(struct copy_run *c, const struct placement *p, struct placement *there)
{
    bool seen = p->flags & FLAG_SEEN;

    if (seen_edit_is_own(c->ed, c->from)) {
        seen = seen_edit_has(c->ed, c->from, p->uid);
    }
    if (seen_edit_is_own(c->ed, c->to)) {
        return seen;
    }
    there->flags = (uint16_t)((p->flags & ~FLAG_SEEN) | (seen ? FLAG_SEEN : 0));
    return false;
}

static enum err copy_one(struct copy_run *c, const struct placement *p)
{
    struct placement there = *p;
    struct keyword_set k;
    bool is_mine = carry_seen(c, p, &there);
    enum err e = ERR_OK;

    there.saved = edit_now_s(c->ed);
    there.flags &= c->flags;
    if (!c->takes_keywords) {
        there.keywords = 0;
        there.more_keyword_count = 0;
    } else if (p->keywords || p->more_keyword_count) {
        e = keyword_map_translate(&c->keywords, c->ed, p, &k);
        keyword_set_to(&k, &there);
    }
    e = e != ERR_OK ? e : placer_add(&c->placer, &there);
    if (e != ERR_OK) {
        return e;
    }
    if (is_mine && c->flags & FLAG_SEEN) {
        (void)seen_edit_put(c->ed, c->to, there.uid, true);
    }
    uid_builder_add(&c->uids_from, p->uid, p->uid);
    uid_builder_add(&c->uids_to, there.uid, there.uid);
    change_draft_add(&c->log_in, there.uid, p->message, NULL);
    if (!c->move) {
        return message_note(c, p->message);
    }
    change_draft_add(&c->log_out, p->uid, p->message, p);
    placement_uncount(c->ed, c->from, p);
    return ERR_OK;
}

static enum err copy_chunk(struct copy_run *c, uint32_t key_uid, struct span value, bool adjacent)
{
    struct chunk chunk;
    unsigned kept = 0;
    enum err e = chunk_load(&chunk, key_uid, value);

    for (unsigned i = 0; i < chunk.count && e == ERR_OK; i++) {
        struct placement p;

        chunk_get(&chunk, i, &p);
        if (uid_cursor_has(&c->wanted, p.uid)) {
            e = copy_one(c, &p);
            continue;
        }
        if (kept != i) {
            chunk_set(&chunk, kept, &p);
        }
        kept++;
    }
    if (e != ERR_OK || !c->move || kept == chunk.count) {
        remover_pass(&c->remover);
        return e;
    }
    chunk_truncate(&chunk, kept);
    return remover_chunk(&c->remover, &chunk, adjacent);
}

static enum err copy_walk(struct copy_run *c)
{
    struct chunk_walk w;
    struct chunk_view view;
    struct span value;
    uint32_t key_uid;
    enum err e;

    chunk_walk_begin(&w, &c->ed->view, c->from->record.is.id, c->wanted.set);
    while ((e = chunk_walk_next(&w, &key_uid, &value, &view)) == ERR_OK) {
        e = copy_chunk(c, key_uid, value, w.is_adjacent);
        if (e != ERR_OK) {
            break;
        }
    }
    chunk_walk_end(&w);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int by_id(const void *a, const void *b)
{
    const message_id *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

// One message may be copied several times at once: from two places in the mailbox.
static enum err messages_gain(struct copy_run *c)
{
    enum err e = ERR_OK;

    if (c->message_count) {
        qsort(c->messages, c->message_count, sizeof(*c->messages), by_id);
    }
    for (size_t i = 0; i < c->message_count && e == ERR_OK;) {
        struct message_record m;
        size_t n = 1;

        while (i + n < c->message_count && c->messages[i + n] == c->messages[i]) {
            n++;
        }
        e = view_message_record(&c->ed->view, c->messages[i], &m);
        e = e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
        if (e == ERR_OK) {
            m.placements += (uint32_t)n;
            e = edit_put_message(c->ed, c->messages[i], &m);
        }
        i += n;
    }
    return e;
}

// The caller has set ed, from, to, move, wanted and the builders.
static enum err copy_run(struct copy_run *c)
{
    mailbox_id from = c->from->record.is.id, to = c->to->record.is.id;
    enum err e = keyword_map_begin(&c->keywords, c->ed, from, c->to);

    if (e != ERR_OK) {
        return e;
    }
    if (c->move && from == to) {
        placer_begin_fresh(&c->placer, c->ed, c->to);
    } else {
        placer_begin(&c->placer, c->ed, c->to);
    }
    remover_begin(&c->remover, c->ed, c->from);
    change_draft_begin(&c->log_in, c->ed, c->move ? CHANGE_MOVED_IN : CHANGE_COPIED, to, from);
    change_draft_begin(&c->log_out, c->ed, CHANGE_MOVED_OUT, from, to);
    e = copy_walk(c);
    e = e != ERR_OK ? e : remover_finish(&c->remover);
    e = e != ERR_OK ? e : placer_finish(&c->placer);
    e = e != ERR_OK ? e : messages_gain(c);
    if (e == ERR_OK && !c->move && c->uids_to.uids) {
        e = edit_quota_check(c->ed, 0, 0); // the counts have them already
    }
    e = change_draft_end(&c->log_out, e);
    return change_draft_end(&c->log_in, e);
}

enum err edit_move_all(struct edit *ed, struct edit_mailbox *from, struct edit_mailbox *to)
{
    struct copy_run c = {.ed = ed,
                         .from = from,
                         .to = to,
                         .move = true,
                         .flags = UINT16_MAX,
                         .takes_keywords = true,
                         .wanted = {.set = &uid_set_all}};

    uid_builder_init(&c.uids_from, &ed->view.arena);
    uid_builder_init(&c.uids_to, &ed->view.arena);
    return copy_run(&c);
}

// ---- the public call ----------------------------------------------------------------------------

struct copy_args {
    const struct copy_within *is;
    bool missing_target;
    struct arena *arena;
    struct copy_result out;
};

static enum err copy_edit(struct edit *ed, void *arg)
{
    struct copy_args *a = arg;
    struct copy_run c = {.ed = ed,
                         .move = a->is->move,
                         .flags = a->is->flags,
                         .takes_keywords = a->is->keywords,
                         .wanted = {.set = &a->is->uids}};
    enum err e = edit_mailbox_with_messages(ed, a->is->from, &c.from);

    a->missing_target = false;
    if (e != ERR_OK) {
        return e;
    }
    e = edit_mailbox_with_messages(ed, a->is->to, &c.to);
    if (e != ERR_OK) {
        a->missing_target = e == ERR_NOT_FOUND;
        return e;
    }
    uid_builder_init(&c.uids_from, a->arena);
    uid_builder_init(&c.uids_to, a->arena);
    e = copy_run(&c);
    a->out.uid_validity = c.to->record.is.uid_validity;
    e = e != ERR_OK ? e : uid_builder_finish(&c.uids_from, &a->out.from);
    return e != ERR_OK ? e : uid_builder_finish(&c.uids_to, &a->out.to);
}

enum err placement_copy(struct store *s, account_id account, const struct actor *by,
                        mailbox_id from, struct uid_set uids, mailbox_id to, bool move,
                        struct arena *a, struct copy_result *out, bool *out_missing_target)
{
    struct copy_within c = {
        .from = from, .to = to, .uids = uids, .move = move, .flags = UINT16_MAX, .keywords = true};

    return placement_copy_within(s, account, by, &c, a, out, out_missing_target);
}

enum err placement_copy_within(struct store *s, account_id account, const struct actor *by,
                               const struct copy_within *c, struct arena *a,
                               struct copy_result *out, bool *out_missing_target)
{
    struct copy_args args = {.is = c, .arena = a};
    enum err e = store_edit(s, account, by, copy_edit, &args, &args.out.version);

    if (e == ERR_OK) {
        *out = args.out;
    } else {
        *out_missing_target = args.missing_target;
    }
    return e;
}
