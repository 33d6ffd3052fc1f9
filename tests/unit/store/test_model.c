// SPDX-License-Identifier: Apache-2.0
//
// Random operations on the store against a model that keeps everything in plain arrays: after each
// the results are compared, every so often the whole account, and the change log is undone from now
// back to remembered moments. Commits fail and conflict on purpose. MK_MODEL_SEED and MK_MODEL_OPS
// choose the run; a failing run prints its seed.
#include "base/clock.h"
#include "engine/memory/memory.h"
#include "support.h"

#define BOXES    64
#define KEYWORDS 90
#define MSGIDS   40
#define SUBJECTS 3

__extension__ typedef unsigned __int128 keyword_bits;

struct place {
    uint32_t uid;
    uint16_t flags;
    keyword_bits keywords;
    message_id message;
    modseq changed;
    int64_t saved;
};

struct box {
    bool used, subscribed, no_select;
    char name[64];
    mailbox_id id;
    uint32_t validity, next;
    uint8_t use;
    modseq highest;
    struct place *p;
    size_t n, cap;
};

struct letter {
    bool alive;
    uint32_t size, placements;
    thread_id thread;
    int64_t date, sent;
    unsigned keys[4], key_count; // msgid * SUBJECTS + subject
    int64_t expunged_at;
    mailbox_id from;
    char from_name[64];
    uint16_t flags;
    keyword_bits keywords;
};

struct model {
    struct bench b;
    uint64_t random;
    struct box boxes[BOXES];
    struct letter *letters; // by message id
    size_t letter_cap;
    message_id next_message;
    char orphans[BOXES][64];
    size_t orphan_count;
    thread_id threads[MSGIDS * SUBJECTS];
    unsigned thread_uses[MSGIDS * SUBJECTS];
    uint64_t bytes, messages, bytes_max, messages_max;
    modseq version;
    int64_t now;
    bool armed; // the next commit fails with ERR_NOSPACE
    uint64_t done, refused, failed;
};

static void set_faults(struct model *m, const struct engine_memory_faults *faults)
{
    if (!m->b.is_local) {
        engine_memory_set_faults(m->b.engine, faults);
    }
}

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (m->random >> 11) % below;
}

static const char *const names[] = {"INBOX", "a",   "b",     "c",       "d",    "a/x",  "a/y",
                                    "a/x/z", "b/x", "b/x/q", "INBOX/k", "Sent", "Trash"};
#define NAMES (sizeof(names) / sizeof(names[0]))

// ---- model: mailboxes ---------------------------------------------------------------------------

static struct box *box_by_name(struct model *m, const char *name)
{
    for (size_t i = 0; i < BOXES; i++) {
        if (m->boxes[i].used && strcmp(m->boxes[i].name, name) == 0) {
            return &m->boxes[i];
        }
    }
    return NULL;
}

static struct box *box_any(struct model *m)
{
    while (true) {
        struct box *x = &m->boxes[rnd(m, BOXES)];

        if (x->used) {
            return x;
        }
    }
}

static bool box_is_under(const struct box *x, const char *parent)
{
    size_t n = strlen(parent);

    return x->used && strncmp(x->name, parent, n) == 0 && x->name[n] == '/';
}

static bool take_orphan(struct model *m, const char *name)
{
    for (size_t i = 0; i < m->orphan_count; i++) {
        if (strcmp(m->orphans[i], name) == 0) {
            memmove(m->orphans[i], m->orphans[--m->orphan_count], sizeof(m->orphans[i]));
            return true;
        }
    }
    return false;
}

static struct box *box_make(struct model *m, const char *name)
{
    struct box *old = box_by_name(m, name), *x = old;

    for (size_t i = 0; i < BOXES && !x; i++) {
        x = m->boxes[i].used ? NULL : &m->boxes[i];
    }
    assert_non_null(x);
    bool subscribed = (old && old->subscribed) || take_orphan(m, name);
    const struct mailbox real = bench_mailbox_get(&m->b, name);

    x->used = true;
    x->subscribed = subscribed;
    x->no_select = false;
    x->use = 0;
    snprintf(x->name, sizeof(x->name), "%s", name);
    for (size_t i = 0; i < BOXES; i++) { // strictly new
        assert_true(!m->boxes[i].used || m->boxes[i].id != real.id || &m->boxes[i] == x);
        assert_true(real.uid_validity > m->boxes[i].validity || &m->boxes[i] == x ||
                    !m->boxes[i].used || m->boxes[i].validity == 0);
    }
    assert_true(x->id < real.id || x->validity < real.uid_validity);
    x->id = real.id;
    x->validity = real.uid_validity;
    x->next = 1;
    x->n = 0;
    x->highest = m->version;
    return x;
}

static void box_make_above(struct model *m, const char *name)
{
    char level[64];

    snprintf(level, sizeof(level), "%s", name);
    for (char *p = level; (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (!box_by_name(m, level)) {
            box_make(m, level);
        }
        *p = '/';
    }
}

// ---- model: messages ----------------------------------------------------------------------------

static struct letter *letter_of(struct model *m, message_id id)
{
    if (id >= m->letter_cap) {
        size_t cap = (id + 1) * 2;

        m->letters = realloc(m->letters, cap * sizeof(*m->letters));
        assert_non_null(m->letters);
        memset(m->letters + m->letter_cap, 0, (cap - m->letter_cap) * sizeof(*m->letters));
        m->letter_cap = cap;
    }
    return &m->letters[id];
}

static struct place *place_add(struct model *m, struct box *x, message_id id)
{
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 16;
        x->p = realloc(x->p, x->cap * sizeof(*x->p));
        assert_non_null(x->p);
    }
    struct place *p = &x->p[x->n++];

    *p = (struct place){.uid = x->next++, .message = id, .changed = m->version, .saved = m->now};
    x->highest = m->version;
    m->bytes += letter_of(m, id)->size;
    m->messages++;
    return p;
}

static void place_take(struct model *m, struct box *x, size_t i)
{
    m->bytes -= letter_of(m, x->p[i].message)->size;
    m->messages--;
    memmove(&x->p[i], &x->p[i + 1], (x->n - i - 1) * sizeof(*x->p));
    x->n--;
    x->highest = m->version;
}

static void letter_join(struct model *m, message_id id)
{
    struct letter *l = letter_of(m, id);

    l->thread = id;
    for (unsigned i = 0; i < l->key_count; i++) {
        if (m->thread_uses[l->keys[i]] && m->threads[l->keys[i]] < l->thread) {
            l->thread = m->threads[l->keys[i]];
        }
    }
    for (unsigned i = 0; i < l->key_count; i++) {
        if (m->thread_uses[l->keys[i]]++ == 0) {
            m->threads[l->keys[i]] = l->thread;
        }
    }
}

static void expunge_place(struct model *m, struct box *x, size_t i)
{
    struct place p = x->p[i];
    struct letter *l = letter_of(m, p.message);

    if (--l->placements == 0) {
        l->expunged_at = m->now;
        l->from = x->id;
        snprintf(l->from_name, sizeof(l->from_name), "%s", x->name);
        l->flags = p.flags;
        l->keywords = p.keywords;
    }
    place_take(m, x, i);
}

// ---- model: keywords ----------------------------------------------------------------------------

static size_t keyword_names(keyword_bits bits, struct span *out, char (*room)[8])
{
    size_t n = 0;

    for (unsigned i = 0; i < KEYWORDS; i++) {
        if (bits >> i & 1) {
            snprintf(room[n], sizeof(room[n]), "kw%u", i);
            out[n] = span_from_str(room[n]);
            n++;
        }
    }
    return n;
}

static keyword_bits keyword_of(struct span name)
{
    uint64_t n;

    assert_true(span_to_u64(span_skip(name, 2), KEYWORDS - 1, &n));
    return (keyword_bits)1 << n;
}

static keyword_bits keywords_random(struct model *m)
{
    keyword_bits bits = 0;

    if (rnd(m, 3) == 0) {
        for (uint64_t n = 1 + rnd(m, 4); n; n--) {
            bits |= (keyword_bits)1 << rnd(m, KEYWORDS);
        }
    }
    return bits;
}

static keyword_bits keywords_read(struct view *v, mailbox_id mailbox, uint64_t low,
                                  const uint16_t *more, unsigned more_count)
{
    const struct span *table;
    size_t n;
    keyword_bits bits = 0;

    assert_ok(view_keywords(v, mailbox, &table, &n));
    for (size_t i = 0; i < n && i < 64; i++) {
        bits |= low >> i & 1 ? keyword_of(table[i]) : 0;
    }
    for (unsigned i = 0; i < more_count; i++) {
        assert_true(more[i] >= 64 && more[i] < n);
        bits |= keyword_of(table[more[i]]);
    }
    return bits;
}

// Keywords in the log are numbers of their mailbox; its table may be gone with it by now, so the
// test keeps every name a number ever had.
struct keyword_memory {
    mailbox_id mailbox;
    keyword_bits bits[KEYWORDS];
    size_t n;
};
static struct keyword_memory memory[4096];

static void memory_learn(struct model *m)
{
    struct view *v;
    const struct span *table;

    assert_ok(view_open(m->b.store, m->b.account, &v));
    for (size_t i = 0; i < BOXES; i++) {
        if (m->boxes[i].used && !m->boxes[i].no_select) {
            struct keyword_memory *k = &memory[m->boxes[i].id % 4096];

            k->mailbox = m->boxes[i].id;
            assert_ok(view_keywords(v, k->mailbox, &table, &k->n));
            for (size_t n = 0; n < k->n; n++) {
                k->bits[n] = keyword_of(table[n]);
            }
        }
    }
    view_close(v);
}

// ---- sets ---------------------------------------------------------------------------------------

// Some UIDs, some of which have no message.
static struct uid_set set_random(struct model *m, const struct box *x)
{
    struct uid_range *r = arena_alloc(&m->b.arena, 8 * sizeof(*r));
    size_t n = 0;
    uint32_t at = 0;

    if (rnd(m, 6) == 0) {
        r[0] = (struct uid_range){1, UINT32_MAX};
        return (struct uid_set){r, 1};
    }
    while (n < 8 && at < x->next) {
        uint32_t first = at + 1 + (uint32_t)rnd(m, x->next / 4 + 2);
        uint32_t last = first + (rnd(m, 2) ? 0 : (uint32_t)rnd(m, x->next / 6 + 2));

        r[n++] = (struct uid_range){first, last};
        at = last + 1;
    }
    return (struct uid_set){r, n};
}

static bool set_has(const struct uid_set *s, uint32_t uid)
{
    for (size_t i = 0; i < s->count; i++) {
        if (uid >= s->ranges[i].first && uid <= s->ranges[i].last) {
            return true;
        }
    }
    return false;
}

// The n-th UID of a set.
static uint32_t set_at(const struct uid_set *s, size_t n)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t here = s->ranges[i].last - s->ranges[i].first + 1;

        if (n < here) {
            return s->ranges[i].first + (uint32_t)n;
        }
        n -= here;
    }
    fail();
    return 0;
}

static size_t set_size(const struct uid_set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        n += s->ranges[i].last - s->ranges[i].first + 1;
    }
    return n;
}

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

static void op_append(struct model *m)
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
static void op_deliver(struct model *m)
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

static void op_flags(struct model *m)
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

static void op_copy(struct model *m)
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

static void op_expunge(struct model *m)
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

static void op_create(struct model *m)
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

static void op_delete(struct model *m)
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

static void op_rename(struct model *m)
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

static void op_subscribe(struct model *m)
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

static void op_quota(struct model *m)
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

static void op_restore(struct model *m)
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

static void op_forget(struct model *m)
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

// ---- comparing ----------------------------------------------------------------------------------

static void compare_box(struct model *m, struct view *v, struct box *x)
{
    const struct mailbox *r;
    struct placement_scan *scan;
    struct placement p;
    struct message_info info;
    uint32_t unseen = 0, deleted = 0;
    uint64_t bytes = 0;

    assert_ok(view_mailbox_by_name(v, span_from_str(x->name), &r));
    assert_int_equal(r->id, x->id);
    assert_int_equal(r->uid_validity, x->validity);
    assert_int_equal(r->uid_next, x->next);
    assert_int_equal(r->exists, x->n);
    assert_int_equal(r->special_use, x->use);
    assert_int_equal(r->is_subscribed, x->subscribed);
    assert_int_equal(r->is_no_select, x->no_select);
    assert_true(r->highest_modseq == x->highest);
    assert_ok(placement_scan_open(v, x->id, 1, UINT32_MAX, 0, &scan));
    for (size_t i = 0; i < x->n; i++) {
        const struct place *q = &x->p[i];
        const struct letter *l = letter_of(m, q->message);

        assert_ok(placement_next(scan, &p));
        assert_int_equal(p.uid, q->uid);
        assert_int_equal(p.flags, q->flags);
        assert_int_equal(p.message, q->message);
        assert_int_equal(p.bytes, l->size);
        assert_int_equal(p.internal_date, l->date);
        assert_int_equal(p.saved, q->saved);
        assert_true(p.changed == q->changed);
        assert_true(keywords_read(v, x->id, p.keywords, p.more_keywords, p.more_keyword_count) ==
                    q->keywords);
        assert_ok(view_message(v, p.message, &info));
        assert_int_equal(info.thread, l->thread);
        assert_true(info.body == p.body);
        unseen += !(q->flags & FLAG_SEEN);
        deleted += !!(q->flags & FLAG_DELETED);
        bytes += l->size;
    }
    assert_err(placement_next(scan, &p), ERR_NOT_FOUND);
    placement_scan_close(scan);
    assert_int_equal(r->unseen, unseen);
    assert_int_equal(r->deleted, deleted);
    assert_int_equal(r->bytes, bytes);
}

static void compare_changed_since(struct model *m, struct view *v, struct box *x)
{
    modseq since = rnd(m, m->version + 1);
    uint32_t first = 1 + (uint32_t)rnd(m, x->next), last = first + (uint32_t)rnd(m, x->next);
    struct placement_scan *scan;
    struct placement p;

    assert_ok(placement_scan_open(v, x->id, first, last, since, &scan));
    for (size_t i = 0; i < x->n; i++) {
        if (x->p[i].uid >= first && x->p[i].uid <= last && x->p[i].changed > since) {
            assert_ok(placement_next(scan, &p));
            assert_int_equal(p.uid, x->p[i].uid);
        }
    }
    assert_err(placement_next(scan, &p), ERR_NOT_FOUND);
    placement_scan_close(scan);
}

static bool count_expunged(void *arg, const struct expunged *e)
{
    struct model *m = arg;
    const struct letter *l = letter_of(m, e->message);

    assert_true(l->alive && l->placements == 0);
    assert_int_equal(l->expunged_at, e->expunged_at);
    assert_span(e->mailbox_name, l->from_name);
    m->random++; // counts; put back by the caller
    return true;
}

static void compare_all(struct model *m)
{
    struct view *v;
    const struct mailbox *const *all;
    const struct span *orphans;
    size_t n, used = 0, expunged = 0;
    struct quota q;
    uint64_t random = m->random;

    assert_ok(view_open(m->b.store, m->b.account, &v));
    assert_true(view_modseq(v) == m->version);
    for (size_t i = 0; i < BOXES; i++) {
        if (m->boxes[i].used) {
            used++;
            compare_box(m, v, &m->boxes[i]);
            compare_changed_since(m, v, &m->boxes[i]);
        }
    }
    assert_ok(view_mailboxes(v, &all, &n));
    assert_int_equal(n, used);
    assert_span(all[0]->name, "INBOX");
    assert_ok(view_orphan_subscriptions(v, &orphans, &n));
    assert_int_equal(n, m->orphan_count);
    assert_ok(view_quota(v, &q));
    assert_int_equal(q.bytes, m->bytes);
    assert_int_equal(q.messages, m->messages);
    for (message_id id = 1; id < m->next_message; id++) {
        expunged += letter_of(m, id)->alive && letter_of(m, id)->placements == 0;
    }
    uint64_t before = m->random;

    assert_ok(expunged_list(v, count_expunged, m));
    assert_int_equal(m->random - before, expunged);
    m->random = random; // the operations stay the same however often this is called
    view_close(v);
}

// ---- the log, undone ----------------------------------------------------------------------------

// What the log can give back: names, and per message flags, keywords and identity.
struct past_place {
    uint32_t uid;
    uint16_t flags;
    keyword_bits keywords;
    message_id message;
};
struct past_box {
    mailbox_id id;
    char name[64];
    struct past_place *p;
    size_t n;
};
struct past {
    modseq version;
    struct past_box boxes[BOXES];
    size_t n;
};

static void past_free(struct past *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->boxes[i].p);
    }
    p->n = 0;
}

static void past_take(const struct model *m, struct past *out)
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
    const struct keyword_memory *k = &memory[mailbox % 4096];
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
static void compare_log(struct model *m, struct past *then)
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
static void compare_vanished(struct model *m, struct past *then)
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

// ---- running ------------------------------------------------------------------------------------

typedef void op_fn(struct model *m);
static const struct {
    op_fn *fn;
    unsigned weight;
} ops[] = {{op_append, 30}, {op_flags, 25},  {op_copy, 12},  {op_expunge, 10},
           {op_create, 4},  {op_delete, 3},  {op_rename, 3}, {op_subscribe, 2},
           {op_quota, 2},   {op_restore, 6}, {op_forget, 1}, {op_deliver, 5}};

static void step(struct model *m)
{
    struct engine_memory_faults faults = {0};
    unsigned total = 0, i = 0;

    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        total += ops[k].weight;
    }
    uint64_t pick = rnd(m, total);

    while (pick >= ops[i].weight) {
        pick -= ops[i++].weight;
    }
    m->now += (int64_t)rnd(m, 3);
    clock_test_fix_real(m->now);
    uint64_t fault = m->b.is_local ? 20 : rnd(m, 20);

    m->armed = fault == 0;
    if (fault < 3) {
        faults.commit_after = 1;
        faults.commit_error = m->armed ? ERR_NOSPACE : ERR_CONFLICT;
    }
    set_faults(m, &faults);
    if (getenv("MK_MODEL_EVERY")) {
        print_message("operation of kind %u\n", i);
    }
    ops[i].fn(m);
    set_faults(m, &(struct engine_memory_faults){0});
    m->armed = false;
}

static void model_start(struct model *m, uint64_t seed)
{
    struct view *v;
    const struct mailbox *const *all;
    size_t n;

    *m = (struct model){.random = seed * 2654435761u + 88172645463325252ull,
                        .bytes_max = UINT64_MAX,
                        .messages_max = UINT64_MAX,
                        .next_message = 1,
                        .now = 1800000000};
    clock_test_fix_real(m->now);
    bench_open(&m->b);
    assert_ok(view_open(m->b.store, m->b.account, &v));
    m->version = view_modseq(v);
    assert_ok(view_mailboxes(v, &all, &n));
    for (size_t i = 0; i < n; i++) {
        struct box *x = &m->boxes[i];

        *x = (struct box){.used = true,
                          .subscribed = true,
                          .id = all[i]->id,
                          .validity = all[i]->uid_validity,
                          .next = 1,
                          .use = all[i]->special_use,
                          .highest = all[i]->highest_modseq};
        snprintf(x->name, sizeof(x->name), "%.*s", SPAN_ARG(all[i]->name));
    }
    view_close(v);
}

static void model_end(struct model *m)
{
    for (size_t i = 0; i < BOXES; i++) {
        free(m->boxes[i].p);
    }
    free(m->letters);
    bench_close(&m->b);
    clock_test_fix_real(-1);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    uint64_t v;

    return s && span_to_u64(span_from_str(s), UINT64_MAX, &v) ? v : otherwise;
}

static void test_model(void **state)
{
    bench_choose(state);
    uint64_t seed = setting("MK_MODEL_SEED", 1),
             count = setting("MK_MODEL_OPS", bench_use_local ? 2000 : 6000);
    uint64_t every = setting("MK_MODEL_EVERY", 25); // 1 finds the operation that went wrong
    struct model *m = malloc(sizeof(*m));
    struct past *then = calloc(1, sizeof(*then));

    model_start(m, seed);
    past_take(m, then);
    for (uint64_t i = 1; i <= count; i++) {
        step(m);
        if (i % every == 0) {
            memory_learn(m);
            compare_all(m);
        }
        if (i % 200 == 0) {
            compare_log(m, then);
            compare_vanished(m, then);
            past_free(then);
            past_take(m, then);
            arena_reset(&m->b.arena);
        }
        if (i % 1000 == 0) {
            bench_reopen(&m->b);
            bench_check(&m->b);
        }
    }
    compare_all(m);
    bench_check(&m->b);
    print_message("model: seed %llu, %llu changes, %llu refused, %llu failed on purpose\n",
                  (unsigned long long)seed, (unsigned long long)m->done,
                  (unsigned long long)m->refused, (unsigned long long)m->failed);
    past_free(then);
    free(then);
    model_end(m);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

    return BENCH_RUN("model", tests);
}
