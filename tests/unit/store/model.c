// SPDX-License-Identifier: Apache-2.0
//
// What the model is made of: mailboxes, messages, keywords, sets of UIDs, and chance.
#include "model.h"

void set_faults(struct model *m, const struct engine_memory_faults *faults)
{
    if (!m->b.is_local) {
        engine_memory_set_faults(m->b.engine, faults);
    }
}

uint64_t rnd(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (m->random >> 11) % below;
}

// ---- model: mailboxes ---------------------------------------------------------------------------

struct box *box_by_name(struct model *m, const char *name)
{
    for (size_t i = 0; i < BOXES; i++) {
        if (m->boxes[i].used && strcmp(m->boxes[i].name, name) == 0) {
            return &m->boxes[i];
        }
    }
    return NULL;
}

struct box *box_any(struct model *m)
{
    while (true) {
        struct box *x = &m->boxes[rnd(m, BOXES)];

        if (x->used) {
            return x;
        }
    }
}

bool box_is_under(const struct box *x, const char *parent)
{
    size_t n = strlen(parent);

    return x->used && strncmp(x->name, parent, n) == 0 && x->name[n] == '/';
}

bool take_orphan(struct model *m, const char *name)
{
    for (size_t i = 0; i < m->orphan_count; i++) {
        if (strcmp(m->orphans[i], name) == 0) {
            memmove(m->orphans[i], m->orphans[--m->orphan_count], sizeof(m->orphans[i]));
            return true;
        }
    }
    return false;
}

struct box *box_make(struct model *m, const char *name)
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

void box_make_above(struct model *m, const char *name)
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

struct letter *letter_of(struct model *m, message_id id)
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

struct place *place_add(struct model *m, struct box *x, message_id id)
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

void place_take(struct model *m, struct box *x, size_t i)
{
    m->bytes -= letter_of(m, x->p[i].message)->size;
    m->messages--;
    memmove(&x->p[i], &x->p[i + 1], (x->n - i - 1) * sizeof(*x->p));
    x->n--;
    x->highest = m->version;
}

void letter_join(struct model *m, message_id id)
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

void expunge_place(struct model *m, struct box *x, size_t i)
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

size_t keyword_names(keyword_bits bits, struct span *out, char (*room)[8])
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

keyword_bits keywords_random(struct model *m)
{
    keyword_bits bits = 0;

    if (rnd(m, 3) == 0) {
        for (uint64_t n = 1 + rnd(m, 4); n; n--) {
            bits |= (keyword_bits)1 << rnd(m, KEYWORDS);
        }
    }
    return bits;
}

keyword_bits keywords_read(struct view *v, mailbox_id mailbox, uint64_t low, const uint16_t *more,
                           unsigned more_count)
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
static struct keyword_memory memory[4096];

const struct keyword_memory *memory_of(mailbox_id mailbox)
{
    return &memory[mailbox % 4096];
}

void memory_learn(struct model *m)
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
struct uid_set set_random(struct model *m, const struct box *x)
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

bool set_has(const struct uid_set *s, uint32_t uid)
{
    for (size_t i = 0; i < s->count; i++) {
        if (uid >= s->ranges[i].first && uid <= s->ranges[i].last) {
            return true;
        }
    }
    return false;
}

// The n-th UID of a set.
uint32_t set_at(const struct uid_set *s, size_t n)
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

size_t set_size(const struct uid_set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        n += s->ranges[i].last - s->ranges[i].first + 1;
    }
    return n;
}
