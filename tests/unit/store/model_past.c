// SPDX-License-Identifier: Apache-2.0
//
// The change log, undone: from now back to a remembered moment, entry by entry.
#include "model.h"

// ---- the log, undone ----------------------------------------------------------------------------

void past_free(struct past *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->boxes[i].p);
    }
    p->n = 0;
}

void past_take(const struct model *m, struct past *out)
{
    out->n = 0;
    out->version = m->version;
    for (size_t i = 0; i < BOXES; i++) {
        const struct box *x = &m->boxes[i];

        if (!x->used || x->no_select) {
            continue;
        }
        struct past_box *b = &out->boxes[out->n++];

        b->id = x->id;
        snprintf(b->name, sizeof(b->name), "%s", x->name);
        b->n = x->n;
        b->p = malloc((x->n + 1) * sizeof(*b->p));
        for (size_t k = 0; k < x->n; k++) {
            b->p[k] =
                (struct past_place){x->p[k].uid, x->p[k].flags, x->p[k].keywords, x->p[k].message};
        }
    }
}

static struct past_box *past_box(struct past *p, mailbox_id id)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->boxes[i].id == id) {
            return &p->boxes[i];
        }
    }
    return NULL;
}

static size_t past_find(const struct past_box *b, uint32_t uid)
{
    size_t i = 0;

    while (i < b->n && b->p[i].uid < uid) {
        i++;
    }
    return i;
}

static void past_remove(struct past_box *b, uint32_t uid)
{
    size_t i = past_find(b, uid);

    assert_true(i < b->n && b->p[i].uid == uid);
    memmove(&b->p[i], &b->p[i + 1], (b->n - i - 1) * sizeof(*b->p));
    b->n--;
}

static struct past_place *past_insert(struct past_box *b, uint32_t uid)
{
    size_t i = past_find(b, uid);

    b->p = realloc(b->p, (b->n + 1) * sizeof(*b->p));
    memmove(&b->p[i + 1], &b->p[i], (b->n - i) * sizeof(*b->p));
    b->n++;
    b->p[i] = (struct past_place){.uid = uid};
    return &b->p[i];
}

static keyword_bits memory_keywords(mailbox_id mailbox, const struct change_flags *f)
{
    const struct keyword_memory *k = memory_of(mailbox);
    keyword_bits bits = 0;

    assert_int_equal(k->mailbox, mailbox);
    for (unsigned i = 0; i < 64; i++) {
        if (f->keywords >> i & 1) {
            assert_true(i < k->n);
            bits |= k->bits[i];
        }
    }
    for (unsigned i = 0; i < f->more_count; i++) {
        assert_true(f->more[i] < k->n);
        bits |= k->bits[f->more[i]];
    }
    return bits;
}

// Goes through the UIDs of a record with their flags and messages.
static void undo_uids(struct past_box *b, const struct change *c)
{
    struct span flags = c->flags_before, messages = c->messages;
    struct change_flags run = {0};
    message_id last = 0, id = 0;
    uint64_t ids = 0;
    size_t n = set_size(&c->uids);

    for (size_t i = 0; i < n; i++) {
        uint32_t uid = set_at(&c->uids, i);

        if (flags.n && run.count == 0) {
            assert_true(change_flags_next(&flags, &run));
        }
        if (messages.n && ids == 0) {
            assert_true(change_messages_next(&messages, &last, &id, &ids));
        }
        if (c->kind == CHANGE_EXPUNGED || c->kind == CHANGE_MOVED_OUT) {
            struct past_place *p = past_insert(b, uid);

            p->message = id;
            p->flags = run.flags;
            p->keywords = memory_keywords(b->id, &run);
        } else if (c->kind == CHANGE_FLAGS) {
            struct past_place *p = &b->p[past_find(b, uid)];

            assert_int_equal(p->uid, uid);
            p->flags = run.flags;
            p->keywords = memory_keywords(b->id, &run);
        } else {
            size_t at = past_find(b, uid);

            assert_int_equal(b->p[at].message, id);
            past_remove(b, uid);
        }
        run.count -= run.count > 0;
        id++;
        ids -= ids > 0;
    }
}

static void undo(struct past *p, const struct change *c)
{
    struct past_box *b = past_box(p, c->mailbox);

    switch (c->kind) {
    case CHANGE_ARRIVED:
    case CHANGE_COPIED:
    case CHANGE_MOVED_IN:
    case CHANGE_RESTORED:
    case CHANGE_MOVED_OUT:
    case CHANGE_EXPUNGED:
    case CHANGE_FLAGS:
        assert_non_null(b);
        undo_uids(b, c);
        break;
    case CHANGE_MAILBOX_CREATED:
        assert_non_null(b);
        assert_int_equal(b->n, 0);
        free(b->p);
        *b = p->boxes[--p->n];
        break;
    case CHANGE_MAILBOX_DELETED:
        if (!b) { // it may have been \NoSelect before, which the past does not keep
            b = &p->boxes[p->n++];
            *b = (struct past_box){.id = c->mailbox};
            snprintf(b->name, sizeof(b->name), "%.*s", SPAN_ARG(c->before));
        }
        break;
    case CHANGE_MAILBOX_RENAMED:
        if (b) {
            snprintf(b->name, sizeof(b->name), "%.*s", SPAN_ARG(c->before));
        }
        break;
    default:
        break;
    }
}

static void past_compare(struct past *got, struct past *want)
{
    for (size_t i = 0; i < want->n; i++) {
        struct past_box *w = &want->boxes[i], *g = past_box(got, w->id);

        assert_non_null(g);
        assert_string_equal(g->name, w->name);
        assert_int_equal(g->n, w->n);
        for (size_t k = 0; k < w->n; k++) {
            assert_int_equal(g->p[k].uid, w->p[k].uid);
            assert_int_equal(g->p[k].flags, w->p[k].flags);
            assert_int_equal(g->p[k].message, w->p[k].message);
            assert_true(g->p[k].keywords == w->p[k].keywords);
        }
    }
    for (size_t i = 0; i < got->n; i++) { // \NoSelect levels that were deleted are empty
        assert_true(past_box(want, got->boxes[i].id) || got->boxes[i].n == 0);
    }
}

// One record with copies of what it points to.
static struct change keep(struct model *m, const struct change *c)
{
    struct change k = *c;

    k.before = arena_dup(&m->b.arena, c->before);
    k.flags_before = arena_dup(&m->b.arena, c->flags_before);
    k.messages = arena_dup(&m->b.arena, c->messages);
    struct span ranges =
        arena_dup(&m->b.arena, span_of(c->uids.ranges, c->uids.count * sizeof(*c->uids.ranges)));

    k.uids.ranges = (struct uid_range *)(uintptr_t)ranges.p;
    return k;
}

// From now back to `then`, entry by entry; records of an entry are undone last first.
void compare_log(struct model *m, struct past *then)
{
    struct past now;
    struct view *v;
    struct change_scan *scan;
    struct change c, entry[64];
    size_t n = 0;
    enum err e;
    modseq next = m->version;

    memory_learn(m);
    past_take(m, &now);
    assert_ok(view_open(m->b.store, m->b.account, &v));
    assert_ok(change_scan_open(v, then->version, true, &scan));
    do {
        e = change_next(scan, &c);
        if (n && (e != ERR_OK || c.number != entry[0].number)) {
            assert_true(entry[0].number == next--); // one entry a commit, none missing
            while (n) {
                undo(&now, &entry[--n]);
            }
        }
        if (e == ERR_OK) {
            assert_true(n < 64);
            entry[n++] = keep(m, &c);
        }
    } while (e == ERR_OK);
    assert_err(e, ERR_NOT_FOUND);
    assert_true(next == then->version);
    change_scan_close(scan);
    view_close(v);
    past_compare(&now, then);
    past_free(&now);
}

// UIDs gone since a moment: those of then that are not there now, and those that came and went.
void compare_vanished(struct model *m, struct past *then)
{
    struct view *v;

    assert_ok(view_open(m->b.store, m->b.account, &v));
    for (size_t i = 0; i < then->n; i++) {
        struct past_box *w = &then->boxes[i];
        struct box *x = NULL;
        struct uid_set gone;

        for (size_t k = 0; k < BOXES; k++) {
            x = m->boxes[k].used && m->boxes[k].id == w->id && !m->boxes[k].no_select ? &m->boxes[k]
                                                                                      : x;
        }
        if (!x) {
            continue;
        }
        assert_ok(view_vanished(v, w->id, then->version, NULL, &m->b.arena, &gone));
        for (size_t k = 0; k < x->n; k++) {
            assert_false(set_has(&gone, x->p[k].uid));
        }
        for (size_t k = 0; k < w->n; k++) {
            bool there = false;

            for (size_t n = 0; n < x->n; n++) {
                there |= x->p[n].uid == w->p[k].uid;
            }
            assert_int_equal(set_has(&gone, w->p[k].uid), !there);
        }
    }
    view_close(v);
}
