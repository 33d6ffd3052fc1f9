// SPDX-License-Identifier: Apache-2.0
//
// The operations: each is done to the store and to the model, and what the store answers is
// compared with what the model says it must.
#include "model.h"

// The mailboxes there may be.
static const char *const names[] = {"INBOX", "a",   "b",     "c",       "d",    "a/x",  "a/y",
                                    "a/x/z", "b/x", "b/x/q", "INBOX/k", "Sent", "Trash"};
#define NAMES (sizeof(names) / sizeof(names[0]))

// ---- operations ---------------------------------------------------------------------------------

// What an operation returned: true when it happened and the model follows.
static bool happened(struct model *m, enum err got, enum err want, bool changes)
{
    if (m->armed && want == ERR_OK && changes) {
        assert_err(got, ERR_NOSPACE);
        m->failed++;
        return false;
    }
    assert_err(got, want);
    if (got != ERR_OK) {
        m->refused++;
        return false;
    }
    m->version += changes;
    m->done += changes;
    return true;
}

static struct incoming *letter_write(struct model *m, struct letter *out)
{
    struct buf text;
    unsigned subject = (unsigned)rnd(m, SUBJECTS), refs = (unsigned)rnd(m, 3);

    buf_init(&text, 1 << 20);
    *out = (struct letter){.alive = true};
    out->sent = 1000000000 + (int64_t)rnd(m, 1000);
    buf_printf(&text, "Subject: %ss%u\r\n", rnd(m, 2) ? "Re: " : "", subject);
    for (unsigned i = 0; i <= refs; i++) {
        unsigned id = (unsigned)rnd(m, MSGIDS), key = id * SUBJECTS + subject;
        bool is_double = false;

        buf_printf(&text, "%s<%u@x>",
                   i == 0   ? "Message-ID: "
                   : i == 1 ? "\r\nReferences: "
                            : " ",
                   id);
        for (unsigned k = 0; k < out->key_count; k++) {
            is_double |= out->keys[k] == key;
        }
        if (!is_double) {
            out->keys[out->key_count++] = key;
        }
    }
    buf_put_str(&text, "\r\n\r\n");
    for (uint64_t n = rnd(m, 200); n; n--) {
        buf_put_byte(&text, 'x');
    }
    out->size = (uint32_t)text.n;
    struct incoming *in = bench_incoming(m->b.store, buf_span(&text));

    buf_finish(&text);
    return in;
}

static bool quota_allows(const struct model *m, uint64_t bytes, uint64_t messages)
{
    return m->bytes + bytes <= m->bytes_max && m->messages + messages <= m->messages_max;
}

void op_append(struct model *m)
{
    struct box *x = box_any(m);
    struct append_item items[4];
    struct letter letters[4];
    keyword_bits keywords[4];
    struct span spans[4][8];
    char room[4][8][8];
    struct append_result r;
    size_t n = rnd(m, 5) == 0 ? 1 + rnd(m, 4) : 1;
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        keywords[i] = keywords_random(m);
        items[i] =
            (struct append_item){.message = letter_write(m, &letters[i]),
                                 .flags = (uint16_t)rnd(m, 32),
                                 .keywords = spans[i],
                                 .keyword_count = keyword_names(keywords[i], spans[i], room[i]),
                                 .internal_date = (int64_t)rnd(m, 2000000000)};
        bytes += letters[i].size;
    }
    enum err want = x->no_select ? ERR_NOT_FOUND : quota_allows(m, bytes, n) ? ERR_OK : ERR_QUOTA;
    enum err e = store_append(m->b.store, m->b.account, &tester, x->id, items, n, &r);

    if (happened(m, e, want, true)) {
        assert_int_equal(r.first_uid, x->next);
        assert_int_equal(r.uid_validity, x->validity);
        assert_true(r.version == m->version);
        for (size_t i = 0; i < n; i++) {
            message_id id = m->next_message++;

            *letter_of(m, id) = letters[i];
            letter_of(m, id)->placements = 1;
            letter_of(m, id)->date = items[i].internal_date;
            letter_join(m, id);
            struct place *p = place_add(m, x, id);

            p->flags = items[i].flags;
            p->keywords = keywords[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        incoming_destroy(items[i].message);
    }
}

// What became of one target with `copies` copies, the second of them in `second`.
static void delivered(struct model *m, const struct delivery_target *t, const struct letter *l,
                      struct box *first, struct box *second)
{
    unsigned copies = second ? 2 : 1;
    enum err want = quota_allows(m, l->size * copies, copies) ? ERR_OK : ERR_QUOTA;

    if (happened(m, t->result, want, true)) {
        message_id id = m->next_message++;

        *letter_of(m, id) = *l;
        letter_of(m, id)->placements = copies;
        letter_of(m, id)->date = m->now;
        letter_join(m, id);
        place_add(m, first, id)->flags = t->flags;
        assert_int_equal(t->uid, first->next - 1);
        if (second) {
            place_add(m, second, id);
            assert_int_equal(t->copies[1].uid, second->next - 1);
            assert_int_equal(t->copies[1].stored, second->id);
        }
    }
}

// The same message twice to one account, perhaps with a second copy there, and once to nobody. What
// can't be put where it should go is in INBOX.
void op_deliver(struct model *m)
{
    struct box *x = box_any(m), *inbox = box_by_name(m, "INBOX");
    struct letter l;
    struct incoming *in = letter_write(m, &l);
    bool twice = rnd(m, 2);
    struct delivery_copy copies[2] = {{.flags = FLAG_FLAGGED}, {.name = span_from_str(x->name)}};
    struct delivery_target t[3] = {{.account = m->b.account, .mailbox = x->id},
                                   {.account = 999},
                                   {.account = m->b.account,
                                    .flags = FLAG_FLAGGED,
                                    .copies = twice ? copies : NULL,
                                    .copy_count = 2}};

    // With a conflict on purpose the two would come in the other order.
    set_faults(m, &(struct engine_memory_faults){0});
    if (!m->armed) {
        x = x->no_select ? inbox : x;
        store_deliver(m->b.store, &tester, in, SPAN(""), t, 3);
        assert_err(t[1].result, ERR_NOT_FOUND);
        delivered(m, &t[0], &l, x, NULL);
        delivered(m, &t[2], &l, inbox, twice ? x : NULL);
    }
    incoming_destroy(in);
}

void op_flags(struct model *m)
{
    struct box *x = box_any(m);
    keyword_bits keywords = keywords_random(m);
    struct span spans[8];
    char room[8][8];
    struct flag_result r;
    struct flag_request q = {.mailbox = x->id,
                             .uids = set_random(m, x),
                             .how = (enum flag_change)rnd(m, 3),
                             .flags = (uint16_t)(rnd(m, 32) & rnd(m, 32)),
                             .keywords = spans,
                             .keyword_count = keyword_names(keywords, spans, room),
                             .unchanged_since = rnd(m, 3) ? UINT64_MAX : rnd(m, m->version + 2)};
    struct place *after = malloc((x->n + 1) * sizeof(*after));
    bool changes = false;

    for (size_t i = 0; i < x->n; i++) {
        struct place *p = &after[i];

        *p = x->p[i];
        if (!set_has(&q.uids, p->uid) || p->changed > q.unchanged_since) {
            continue;
        }
        if (q.how == FLAGS_SET) {
            p->flags = q.flags;
            p->keywords = keywords;
        } else if (q.how == FLAGS_ADD) {
            p->flags |= q.flags;
            p->keywords |= keywords;
        } else {
            p->flags &= (uint16_t)~q.flags;
            p->keywords &= ~keywords;
        }
        if (p->flags != x->p[i].flags || p->keywords != x->p[i].keywords) {
            p->changed = m->version + 1;
            changes = true;
        }
    }
    enum err e = placement_flags(m->b.store, m->b.account, &tester, &q, &m->b.arena, &r);

    if (happened(m, e, x->no_select ? ERR_NOT_FOUND : ERR_OK, changes)) {
        assert_true(r.version == m->version);
        for (size_t i = 0; i < x->n; i++) {
            bool refused = set_has(&q.uids, x->p[i].uid) && x->p[i].changed > q.unchanged_since;

            assert_int_equal(set_has(&r.modified, x->p[i].uid), refused);
        }
        if (changes) {
            memcpy(x->p, after, x->n * sizeof(*after));
            x->highest = m->version;
        }
    }
    free(after);
}

void op_copy(struct model *m)
{
    struct box *from = box_any(m), *to = rnd(m, 8) ? box_any(m) : from;
    struct uid_set set = set_random(m, from);
    struct copy_result r;
    bool move = rnd(m, 2), missing;
    uint64_t bytes = 0, n = 0;
    struct place *source = malloc((from->n + 1) * sizeof(*source));

    for (size_t i = 0; i < from->n; i++) {
        if (set_has(&set, from->p[i].uid)) {
            bytes += letter_of(m, from->p[i].message)->size;
            source[n++] = from->p[i];
        }
    }
    enum err want = from->no_select || to->no_select ? ERR_NOT_FOUND : ERR_OK;

    if (want == ERR_OK && !move && n && !quota_allows(m, bytes, n)) {
        want = ERR_QUOTA;
    }
    enum err e = placement_copy(m->b.store, m->b.account, &tester, from->id, set, to->id, move,
                                &m->b.arena, &r, &missing);

    if (e == ERR_NOT_FOUND) {
        assert_int_equal(missing, !from->no_select);
    }
    if (happened(m, e, want, n > 0)) {
        assert_int_equal(set_size(&r.from), n);
        assert_int_equal(set_size(&r.to), n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(set_at(&r.from, i), source[i].uid);
            assert_int_equal(set_at(&r.to, i), to->next);
            struct place *p = place_add(m, to, source[i].message);

            p->flags = source[i].flags;
            p->keywords = source[i].keywords;
            letter_of(m, source[i].message)->placements += !move;
            for (size_t k = 0; move && k < from->n; k++) {
                if (from->p[k].uid == source[i].uid) {
                    place_take(m, from, k);
                    break;
                }
            }
        }
    }
    free(source);
}

void op_expunge(struct model *m)
{
    struct box *x = box_any(m);
    struct uid_set set = set_random(m, x), gone;
    bool any = rnd(m, 4) == 0, all = rnd(m, 3) == 0;
    modseq version;
    size_t n = 0;

    for (size_t i = 0; i < x->n; i++) {
        n += (all || set_has(&set, x->p[i].uid)) && (any || (x->p[i].flags & FLAG_DELETED));
    }
    enum err e = placement_expunge(m->b.store, m->b.account, &tester, x->id, all ? NULL : &set, any,
                                   &m->b.arena, &gone, &version);

    if (happened(m, e, x->no_select ? ERR_NOT_FOUND : ERR_OK, n > 0)) {
        assert_int_equal(set_size(&gone), n);
        assert_true(version == m->version);
        for (size_t i = 0; i < x->n;) {
            if (set_has(&gone, x->p[i].uid)) {
                expunge_place(m, x, i);
            } else {
                i++;
            }
        }
    }
}

void op_create(struct model *m)
{
    const char *name = names[rnd(m, NAMES)];
    struct box *old = box_by_name(m, name);
    uint8_t use = (uint8_t)(rnd(m, 4) ? 0 : 1u << rnd(m, 8));
    mailbox_id id;
    enum err want = old && !old->no_select ? ERR_EXISTS : ERR_OK;

    for (size_t i = 0; i < BOXES && want == ERR_OK; i++) {
        want = m->boxes[i].used && (m->boxes[i].use & use) ? ERR_INVALID : want;
    }
    enum err e = mailbox_create(m->b.store, m->b.account, &tester, span_from_str(name), use, &id);

    if (happened(m, e, want, true)) {
        box_make_above(m, name);
        struct box *x = box_make(m, name);

        x->use = use;
        assert_int_equal(x->id, id);
    }
}

void op_delete(struct model *m)
{
    struct box *x = box_any(m);
    bool parent = false;
    char name[64];

    memory_learn(m); // its keyword table goes with it
    snprintf(name, sizeof(name), "%s", x->name);
    for (size_t i = 0; i < BOXES; i++) {
        parent |= box_is_under(&m->boxes[i], name);
    }
    enum err want = strcmp(name, "INBOX") == 0 || (parent && x->no_select) ? ERR_DENIED : ERR_OK;
    enum err e = mailbox_delete(m->b.store, m->b.account, &tester, span_from_str(name));

    if (!happened(m, e, want, true)) {
        return;
    }
    while (x->n) {
        expunge_place(m, x, 0);
    }
    x->use = 0;
    if (parent) {
        x->no_select = true;
        return;
    }
    if (x->subscribed) {
        snprintf(m->orphans[m->orphan_count++], sizeof(m->orphans[0]), "%s", name);
    }
    x->used = false;
}

static void rename_inbox(struct model *m, const char *to)
{
    struct box *inbox = box_by_name(m, "INBOX"), *x;

    box_make_above(m, to);
    x = box_make(m, to);
    while (inbox->n) {
        struct place old = inbox->p[0], *p;

        place_take(m, inbox, 0);
        p = place_add(m, x, old.message);
        p->flags = old.flags;
        p->keywords = old.keywords;
    }
}

void op_rename(struct model *m)
{
    struct box *x = box_any(m);
    const char *to = names[rnd(m, NAMES)];
    char from[64];
    size_t n = strlen(x->name);
    enum err want = box_by_name(m, to) ? ERR_EXISTS : ERR_OK;

    snprintf(from, sizeof(from), "%s", x->name);
    if (want == ERR_OK && strcmp(from, "INBOX") != 0 && strncmp(to, from, n) == 0 && to[n] == '/') {
        want = ERR_INVALID;
    }
    enum err e =
        mailbox_rename(m->b.store, m->b.account, &tester, span_from_str(from), span_from_str(to));

    if (!happened(m, e, want, true)) {
        return;
    }
    if (strcmp(from, "INBOX") == 0) {
        rename_inbox(m, to);
        return;
    }
    for (size_t i = 0; i < BOXES; i++) {
        struct box *y = &m->boxes[i];

        if (y == x || box_is_under(y, from)) {
            char moved[64];

            snprintf(moved, sizeof(moved), "%s%s", to, y->name + n);
            snprintf(y->name, sizeof(y->name), "%s", moved);
            y->subscribed |= take_orphan(m, moved);
        }
    }
    box_make_above(m, to);
}

void op_subscribe(struct model *m)
{
    const char *name = names[rnd(m, NAMES)];
    struct box *x = box_by_name(m, name);
    bool on = rnd(m, 2), orphan = false;

    for (size_t i = 0; i < m->orphan_count; i++) {
        orphan |= strcmp(m->orphans[i], name) == 0;
    }
    bool changes = x ? x->subscribed != on : orphan;
    enum err e = mailbox_subscribe(m->b.store, m->b.account, &tester, span_from_str(name), on);

    if (happened(m, e, !x && on ? ERR_NOT_FOUND : ERR_OK, changes)) {
        if (x) {
            x->subscribed = on;
        } else {
            take_orphan(m, name);
        }
    }
}

void op_quota(struct model *m)
{
    uint64_t bytes = rnd(m, 3) ? UINT64_MAX : rnd(m, 200000),
             messages = rnd(m, 3) ? UINT64_MAX : rnd(m, 900);
    bool changes = bytes != m->bytes_max || messages != m->messages_max;

    if (happened(m, quota_set(m->b.store, m->b.account, &tester, bytes, messages), ERR_OK,
                 changes)) {
        m->bytes_max = bytes;
        m->messages_max = messages;
    }
}

void op_restore(struct model *m)
{
    message_id id = 1 + rnd(m, m->next_message);
    struct letter *l = letter_of(m, id);
    struct box *to = NULL;
    char missing[64];
    enum err want = l->alive && l->placements == 0 && id < m->next_message ? ERR_OK : ERR_NOT_FOUND;

    if (want == ERR_OK) {
        for (size_t i = 0; i < BOXES; i++) {
            to = m->boxes[i].used && m->boxes[i].id == l->from && !m->boxes[i].no_select
                     ? &m->boxes[i]
                     : to;
        }
        if (!to) {
            to = box_by_name(m, l->from_name);
            to = to && to->no_select ? NULL : to;
        }
        want = quota_allows(m, l->size, 1) ? ERR_OK : ERR_QUOTA;
    }
    enum err e = expunged_restore(m->b.store, m->b.account, &tester, &id, 1, 0);

    if (!happened(m, e, want, true)) {
        return;
    }
    if (!to) {
        snprintf(missing, sizeof(missing), "%s", l->from_name);
        box_make_above(m, missing);
        to = box_make(m, missing);
    }
    l = letter_of(m, id);
    struct place *p = place_add(m, to, id);

    l->placements = 1;
    p->flags = l->flags & (uint16_t)~FLAG_DELETED;
    p->keywords = l->keywords;
}

void op_forget(struct model *m)
{
    int64_t before = m->now - (int64_t)rnd(m, 100);
    size_t n = 0;
    bool more;

    for (message_id id = 1; id < m->next_message; id++) {
        struct letter *l = letter_of(m, id);

        n += l->alive && l->placements == 0 && l->expunged_at < before;
    }
    if (!happened(m, expunged_forget(m->b.store, m->b.account, before, 10000, &more), ERR_OK,
                  n > 0)) {
        return;
    }
    assert_false(more);
    for (message_id id = 1; id < m->next_message; id++) {
        struct letter *l = letter_of(m, id);

        if (l->alive && l->placements == 0 && l->expunged_at < before) {
            l->alive = false;
            for (unsigned i = 0; i < l->key_count; i++) {
                m->thread_uses[l->keys[i]]--;
            }
        }
    }
}
