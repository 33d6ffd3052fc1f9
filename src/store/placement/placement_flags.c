// SPDX-License-Identifier: Apache-2.0
//
// Changing flags and keywords of many messages in one commit.
#include "store/belongings_internal.h"

#include "base/banned.h"

struct flags_args {
    const struct flag_request *request;
    struct arena *arena;
    struct flag_result out;
};

struct flags_run {
    struct edit *ed;
    const struct flag_request *request;
    struct edit_mailbox *mailbox;
    struct keyword_set keywords; // asked for
    // Where \Seen is the reader's own it is taken out of the request and changed beside the rest.
    struct flag_request others;
    bool has_seen, seen;
    struct change_draft seen_log;
    struct change_draft log[2]; // [1]: of messages whose \Seen a FLAGS_SET has to keep
    struct uid_builder refused;
    struct chunk chunk; // the one being changed
};

// What the message's flags and keywords become. ERR_LIMIT: too many keywords.
static enum err flags_apply(const struct flags_run *f, struct placement *p, struct keyword_set *k)
{
    const struct flag_request *r = f->request;
    enum err e = ERR_OK;

    keyword_set_of(p, k);
    switch (r->how) {
    case FLAGS_SET:
        p->flags = r->flags | (p->flags & r->keep);
        *k = r->keep_keywords ? *k : f->keywords;
        break;
    case FLAGS_ADD:
        p->flags |= r->flags;
        e = keyword_set_add(k, &f->keywords);
        break;
    case FLAGS_REMOVE:
        p->flags &= (uint16_t)~r->flags;
        keyword_set_remove(k, &f->keywords);
        break;
    }
    return e;
}

// A count below zero would be damage that store_check finds; it does not stop anybody here.
static void step(uint32_t *count, bool up)
{
    if (up) {
        ++*count;
    } else if (*count) {
        --*count;
    }
}

static void flags_recount(struct mailbox *b, uint16_t before, uint16_t after)
{
    if ((before ^ after) & FLAG_SEEN) {
        step(&b->unseen, !(after & FLAG_SEEN));
    }
    if ((before ^ after) & FLAG_DELETED) {
        step(&b->deleted, after & FLAG_DELETED);
    }
}

// What a record says was done is all that was done.
static struct change_draft *log_of(struct flags_run *f, uint16_t before)
{
    const struct flag_request *r = f->request;

    return &f->log[r->how == FLAGS_SET && r->keep & before & FLAG_SEEN];
}

static bool change_seen(struct flags_run *f, uint32_t uid)
{
    if (!f->has_seen || !seen_edit_put(f->ed, f->mailbox, uid, f->seen)) {
        return false;
    }
    change_draft_add(&f->seen_log, uid, 0, NULL);
    return true;
}

static enum err flags_one(struct flags_run *f, struct chunk *c, unsigned i, bool *out_changed)
{
    struct placement before, after;
    struct keyword_set k, k_before;

    chunk_get(c, i, &before);
    if (before.changed > f->request->unchanged_since) {
        uid_builder_add(&f->refused, before.uid, before.uid);
        return ERR_OK;
    }
    after = before;
    enum err e = flags_apply(f, &after, &k);

    if (e != ERR_OK) {
        return e;
    }
    keyword_set_of(&before, &k_before);
    bool is_other = after.flags != before.flags || !keyword_set_eq(&k, &k_before);

    if (!change_seen(f, before.uid) && !is_other) {
        return ERR_OK;
    }
    if (is_other) {
        change_draft_add(log_of(f, before.flags), before.uid, 0, &before);
        flags_recount(&f->mailbox->record.is, before.flags, after.flags);
    }
    after.changed = f->ed->modseq;
    keyword_set_to(&k, &after);
    chunk_set(c, i, &after);
    *out_changed = true;
    return ERR_OK;
}

// The same for a message without keywords beyond the first 64, when none of those is asked for.
static void flags_quick(struct flags_run *f, struct chunk *c, unsigned i,
                        const struct chunk_flags *before, bool *out_changed)
{
    const struct flag_request *r = f->request;
    struct chunk_flags after = *before;

    if (before->changed > r->unchanged_since) {
        uid_builder_add(&f->refused, before->uid, before->uid);
        return;
    }
    switch (r->how) {
    case FLAGS_SET:
        after.flags = r->flags | (before->flags & r->keep);
        after.keywords = r->keep_keywords ? before->keywords : f->keywords.low;
        break;
    case FLAGS_ADD:
        after.flags |= r->flags;
        after.keywords |= f->keywords.low;
        break;
    case FLAGS_REMOVE:
        after.flags &= (uint16_t)~r->flags;
        after.keywords &= ~f->keywords.low;
        break;
    }
    bool is_other = after.flags != before->flags || after.keywords != before->keywords;

    if (!change_seen(f, before->uid) && !is_other) {
        return;
    }
    if (is_other) {
        struct placement was = {.flags = before->flags, .keywords = before->keywords};

        change_draft_add(log_of(f, before->flags), before->uid, 0, &was);
        flags_recount(&f->mailbox->record.is, before->flags, after.flags);
    }
    after.changed = f->ed->modseq;
    chunk_flags_set(c, i, &after);
    *out_changed = true;
}

static enum err flags_chunk(struct flags_run *f, uint32_t key_uid, struct span value,
                            struct uid_cursor *wanted)
{
    struct chunk *c = &f->chunk;
    bool changed = false;
    enum err e = chunk_load(c, key_uid, value);

    for (unsigned i = 0; e == ERR_OK && i < c->count; i++) {
        struct chunk_flags now;

        chunk_flags_get(c, i, &now);
        if (!uid_cursor_has(wanted, now.uid)) {
            continue;
        }
        if (now.has_more || f->keywords.count) {
            e = flags_one(f, c, i, &changed);
        } else {
            flags_quick(f, c, i, &now, &changed);
        }
    }
    if (e != ERR_OK || !changed) {
        return e;
    }
    struct key k = key_chunk(f->mailbox->record.is.id, key_uid);

    f->mailbox->is_dirty = true;
    f->mailbox->record.is.highest_modseq = f->ed->modseq;
    return edit_put(f->ed, &k, chunk_encode(c, f->ed->room));
}

// The record's `after`: what was done.
static struct span flags_describe(const struct flags_run *f, uint16_t kept, char *room, size_t cap)
{
    struct pack p = {.p = room, .cap = cap};

    pack_u64(&p, f->request->how);
    pack_u64(&p, f->request->flags | kept);
    pack_u64(&p, f->keywords.low);
    pack_u64(&p, f->keywords.count);
    for (unsigned i = 0; i < f->keywords.count; i++) {
        pack_u64(&p, f->keywords.more[i]);
    }
    return pack_span(&p);
}

static enum err flags_walk(struct flags_run *f)
{
    const struct flag_request *r = f->request;
    char done[2][(KEYWORDS_PER_MESSAGE_MAX + 4) * 10];
    struct chunk_walk w;
    struct chunk_view view;
    struct uid_cursor wanted = {.set = &r->uids};
    struct span value;
    uint32_t key_uid;
    enum err e;

    for (int i = 0; i < 2; i++) {
        change_draft_begin(&f->log[i], f->ed, CHANGE_FLAGS, r->mailbox, 0);
        f->log[i].is.after = flags_describe(f, i ? FLAG_SEEN : 0, done[i], sizeof(done[i]));
    }
    change_draft_begin(&f->seen_log, f->ed, CHANGE_SEEN, r->mailbox, 0);
    f->seen_log.is.value = f->ed->by->reader;
    f->seen_log.is.after = f->seen ? SPAN("\1") : SPAN("\0");
    chunk_walk_begin(&w, &f->ed->view, r->mailbox, &r->uids);
    while ((e = chunk_walk_next(&w, &key_uid, &value, &view)) == ERR_OK) {
        e = flags_chunk(f, key_uid, value, &wanted);
        if (e != ERR_OK) {
            break;
        }
    }
    chunk_walk_end(&w);
    e = change_draft_end(&f->log[0], e == ERR_NOT_FOUND ? ERR_OK : e);
    e = change_draft_end(&f->log[1], e);
    return change_draft_end(&f->seen_log, e);
}

static void take_seen_out(struct flags_run *f)
{
    const struct flag_request *r = f->request;
    bool is_named = r->flags & FLAG_SEEN;

    if (!seen_edit_is_own(f->ed, f->mailbox)) {
        return;
    }
    f->has_seen = is_named || (r->how == FLAGS_SET && !(r->keep & FLAG_SEEN));
    f->seen = is_named && r->how != FLAGS_REMOVE;
    f->others = *r;
    f->others.flags &= (uint16_t)~FLAG_SEEN;
    f->others.keep |= FLAG_SEEN;
    f->request = &f->others;
}

static enum err flags_edit(struct edit *ed, void *arg)
{
    struct flags_args *a = arg;
    struct flags_run f = {.ed = ed, .request = a->request};
    const struct flag_request *r = a->request;
    enum err e = edit_mailbox_with_messages(ed, r->mailbox, &f.mailbox);

    e = e != ERR_OK ? e
                    : edit_keywords(ed, f.mailbox, r->keywords, r->keyword_count,
                                    r->how != FLAGS_REMOVE, &f.keywords);
    if (e != ERR_OK) {
        return e;
    }
    take_seen_out(&f);
    uid_builder_init(&f.refused, a->arena);
    e = flags_walk(&f);
    a->out.new_keywords = f.mailbox->keywords_dirty && ed->is_changed;
    a->out.changed = ed->is_changed;
    return e != ERR_OK ? e : uid_builder_finish(&f.refused, &a->out.modified);
}

enum err placement_flags(struct store *s, account_id account, const struct actor *by,
                         const struct flag_request *r, struct arena *a, struct flag_result *out)
{
    struct flags_args args = {.request = r, .arena = a};
    enum err e = store_edit(s, account, by, flags_edit, &args, &args.out.version);

    if (e == ERR_OK) {
        *out = args.out;
    }
    return e;
}
