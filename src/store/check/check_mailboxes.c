// SPDX-License-Identifier: Apache-2.0
//
// Checks mailboxes, their names and keywords, and recounts their placements.
#include "base/log.h"
#include "store/check/check_internal.h"

#include "base/banned.h"

#define TEXT(span) log_text(span).s

struct check_mailbox *check_mailbox_find(struct check *c, mailbox_id id)
{
    size_t from = 0, to = c->mailbox_count;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (c->mailboxes[mid].record.is.id < id) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from < c->mailbox_count && c->mailboxes[from].record.is.id == id ? &c->mailboxes[from]
                                                                            : NULL;
}

static enum err mend_mailbox(struct check *c, const struct check_mailbox *m)
{
    struct key k = key_u32(KEY_MAILBOX, m->record.is.id);

    return c->ed ? edit_put(c->ed, &k, mailbox_encode(&m->record, c->ed->room)) : ERR_OK;
}

static enum err mend_delete(struct check *c, struct span key)
{
    return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
}

// ---- records ------------------------------------------------------------------------------------

static enum err load_one(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    mailbox_id id;

    if (!key_read_u32(key, &id)) {
        check_problem(c, false, "a key of a mailbox has the wrong size");
        return ERR_OK;
    }
    if ((c->mailbox_count & (c->mailbox_count - 1)) == 0) { // a power of two: full
        size_t cap = c->mailbox_count ? c->mailbox_count * 2 : 1;
        struct check_mailbox *all = arena_zalloc(&c->v->arena, cap, sizeof(*all));

        if (!all) {
            return ERR_NOMEM;
        }
        if (c->mailbox_count) {
            memcpy(all, c->mailboxes, c->mailbox_count * sizeof(*all));
        }
        c->mailboxes = all;
    }
    struct check_mailbox *m = &c->mailboxes[c->mailbox_count++];

    *m = (struct check_mailbox){0};
    m->is_broken = mailbox_decode(id, value, &m->record) != ERR_OK;
    m->record.is.id = id;
    if (m->is_broken) {
        check_problem(c, false, "the record of mailbox %u cannot be read", id);
    }
    c->mailbox_max = id;
    c->counted.mailboxes++;
    return ERR_OK;
}

static enum err check_name_entry(struct check *c, const struct check_mailbox *m)
{
    const struct mailbox *b = &m->record.is;
    struct key k = key_name(KEY_NAME, b->name);
    struct span value;
    mailbox_id id;
    enum err e = view_get(c->v, &k, &value);

    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    if (e == ERR_NOT_FOUND || mailbox_id_decode(value, &id) != ERR_OK ||
        !check_mailbox_find(c, id)) {
        check_problem(c, true, "mailbox %u is not found by its name \"%s\"", b->id, TEXT(b->name));
        return c->ed ? edit_put_name(c->ed, b->name, b->id) : ERR_OK;
    }
    const struct check_mailbox *other = check_mailbox_find(c, id);

    if (id == b->id) {
        return ERR_OK;
    }
    if (!other->is_broken && span_eq(other->record.is.name, b->name)) {
        check_problem(c, false, "mailboxes %u and %u are both named \"%s\"", b->id, id,
                      TEXT(b->name));
        return ERR_OK;
    }
    check_problem(c, true, "the name \"%s\" leads to mailbox %u instead of %u", TEXT(b->name), id,
                  b->id);
    return c->ed ? edit_put_name(c->ed, b->name, b->id) : ERR_OK;
}

static enum err check_parent(struct check *c, const struct check_mailbox *m)
{
    struct span parent = mailbox_name_parent(m->record.is.name);
    struct edit_mailbox *made;
    mailbox_id id;

    if (!parent.n) {
        return ERR_OK;
    }
    enum err e = view_name_lookup(c->v, parent, &id);

    if (e != ERR_NOT_FOUND) {
        return e == ERR_CORRUPT ? ERR_OK : e;
    }
    check_problem(c, true, "mailbox \"%s\" has no mailbox above it", TEXT(m->record.is.name));
    e = c->ed ? edit_make_mailbox(c->ed, parent, 0, false, &made) : ERR_OK;
    return e == ERR_EXISTS ? ERR_OK : e; // made for its sibling
}

static void check_mailbox_fields(struct check *c, struct check_mailbox *m, bool *out_mend)
{
    struct mailbox *b = &m->record.is;
    struct span checked;
    const char *reason;

    if (mailbox_name_check(&c->v->arena, b->name, &checked, &reason) != ERR_OK ||
        !span_eq(checked, b->name)) {
        check_problem(c, false, "mailbox %u has a name that is not allowed: \"%s\"", b->id,
                      TEXT(b->name));
    }
    if (b->uid_validity == 0) {
        check_problem(c, false, "mailbox \"%s\" has UIDVALIDITY 0", TEXT(b->name));
    }
    if (b->uid_validity > c->uid_validity_max) {
        c->uid_validity_max = b->uid_validity;
    }
    if (b->highest_modseq > c->v->version) {
        check_problem(c, true, "mailbox \"%s\" has MODSEQ %llu, above the account's %llu",
                      TEXT(b->name), (unsigned long long)b->highest_modseq,
                      (unsigned long long)c->v->version);
        b->highest_modseq = c->v->version;
        *out_mend = true;
    }
    if (m->record.gone_modseq > b->highest_modseq) {
        check_problem(c, true, "mailbox \"%s\" lost a message after its last change",
                      TEXT(b->name));
        m->record.gone_modseq = b->highest_modseq;
        *out_mend = true;
    }
}

static enum err check_special_uses(struct check *c)
{
    uint8_t taken = 0;

    for (size_t i = 0; i < c->mailbox_count; i++) {
        const struct mailbox *b = &c->mailboxes[i].record.is;

        if (b->special_use & taken) {
            check_problem(c, false, "mailbox \"%s\" has a special use that another has",
                          TEXT(b->name));
        }
        taken |= b->special_use;
    }
    return ERR_OK;
}

// ---- names and subscriptions --------------------------------------------------------------------

static enum err check_name_key(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    mailbox_id id;
    const struct check_mailbox *m = NULL;

    if (mailbox_id_decode(value, &id) == ERR_OK) {
        m = check_mailbox_find(c, id);
    }
    if (m && m->is_broken) {
        return ERR_OK;
    }
    if (m) {
        struct key k = key_name(KEY_NAME, m->record.is.name);

        if (span_eq(key_span(&k), key)) {
            return ERR_OK;
        }
    }
    check_problem(c, true, "the name \"%s\" leads to no mailbox of that name",
                  TEXT(span_skip(key, 1)));
    // When a mailbox has this name, check_name_entry has put the right entry into the batch.
    for (size_t i = 0; i < c->mailbox_count; i++) {
        struct key k = key_name(KEY_NAME, c->mailboxes[i].record.is.name);

        if (!c->mailboxes[i].is_broken && span_eq(key_span(&k), key)) {
            return ERR_OK;
        }
    }
    return mend_delete(c, key);
}

static enum err check_subscription(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span name;
    mailbox_id id;

    if (str_decode(value, NAME_BYTES_MAX, &name) != ERR_OK) {
        check_problem(c, true, "a subscription cannot be read");
        return mend_delete(c, key);
    }
    struct key k = key_name(KEY_SUBSCRIPTION, name);

    if (!span_eq(key_span(&k), key)) {
        check_problem(c, true, "a subscription is filed under another name");
        return mend_delete(c, key);
    }
    if (view_name_lookup(c->v, name, &id) == ERR_OK) {
        check_problem(c, true, "\"%s\" is subscribed as missing, but there is such a mailbox",
                      TEXT(name));
        return mend_delete(c, key);
    }
    return ERR_OK;
}

static enum err check_keywords(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct keyword_table t;
    mailbox_id id;

    (void)value;
    if (!key_read_u32(key, &id)) {
        check_problem(c, false, "a key of keywords has the wrong size");
        return ERR_OK;
    }
    struct check_mailbox *m = check_mailbox_find(c, id);

    if (!m) {
        check_problem(c, true, "there are keywords of mailbox %u, which does not exist", id);
        return mend_delete(c, key);
    }
    enum err e = keyword_table_load(c->v, id, &t);

    if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        check_problem(c, false, "the keywords of mailbox %u cannot be read", id);
        m->keyword_count = KEYWORDS_PER_MAILBOX_MAX;
        return ERR_OK;
    }
    for (size_t i = 0; i < t.count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (span_eq_nocase(t.names[i], t.names[k])) {
                check_problem(c, false, "mailbox %u has the keyword \"%s\" twice", id,
                              TEXT(t.names[i]));
            }
        }
    }
    m->keyword_count = t.count;
    return e;
}

static enum err check_kind(struct check *c, enum key_kind kind, view_each_fn *fn)
{
    struct key prefix = key_plain(kind);

    return view_each(c->v, &prefix, fn, c);
}

static enum err check_inbox(struct check *c)
{
    struct edit_mailbox *m;
    mailbox_id id;

    if (c->account == 0 || view_name_lookup(c->v, mailbox_inbox, &id) != ERR_NOT_FOUND) {
        return ERR_OK;
    }
    check_problem(c, true, "there is no INBOX");
    enum err e = c->ed ? edit_make_mailbox(c->ed, mailbox_inbox, 0, true, &m) : ERR_OK;

    return e == ERR_EXISTS ? ERR_OK : e;
}

enum err check_mailboxes(struct check *c)
{
    enum err e = check_kind(c, KEY_MAILBOX, load_one);

    if (c->ed) { // what is made here counts on from what is there
        c->ed->header.mailboxes = c->counted.mailboxes;
        if (c->ed->header.next_mailbox <= c->mailbox_max) {
            c->ed->header.next_mailbox = c->mailbox_max + 1;
        }
    }
    for (size_t i = 0; i < c->mailbox_count && e == ERR_OK; i++) {
        struct check_mailbox *m = &c->mailboxes[i];
        bool mend = false;

        if (m->is_broken) {
            continue;
        }
        check_mailbox_fields(c, m, &mend);
        e = check_name_entry(c, m);
        e = e != ERR_OK ? e : check_parent(c, m);
        e = e == ERR_OK && mend ? mend_mailbox(c, m) : e;
    }
    e = e != ERR_OK ? e : check_inbox(c);
    e = e != ERR_OK ? e : check_special_uses(c);
    e = e != ERR_OK ? e : check_kind(c, KEY_NAME, check_name_key);
    e = e != ERR_OK ? e : check_kind(c, KEY_SUBSCRIPTION, check_subscription);
    return e != ERR_OK ? e : check_kind(c, KEY_KEYWORDS, check_keywords);
}

// ---- placements ---------------------------------------------------------------------------------

static void check_keyword_numbers(struct check *c, const struct check_mailbox *m,
                                  const struct placement *p)
{
    unsigned highest = p->keywords ? 63u - (unsigned)__builtin_clzll(p->keywords) : 0;
    bool in_order = true;

    for (unsigned i = 0; i < p->more_keyword_count; i++) {
        in_order &= p->more_keywords[i] >= 64 && (i == 0 || p->more_keywords[i] > highest);
        highest = p->more_keywords[i];
    }
    if (!in_order) {
        check_problem(c, false, "mailbox \"%s\", UID %u: keywords out of order",
                      TEXT(m->record.is.name), p->uid);
    }
    if ((p->keywords || p->more_keyword_count) && highest >= m->keyword_count) {
        check_problem(c, false, "mailbox \"%s\", UID %u: keyword number %u has no name",
                      TEXT(m->record.is.name), p->uid, highest);
    }
}

// Is the message there, and is it the same?
static enum err check_message_of(struct check *c, const struct check_mailbox *m,
                                 const struct placement *p)
{
    struct message_record r;
    enum err e = view_message_record(c->v, p->message, &r);

    if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        return ERR_OK; // told with the messages
    }
    if (e == ERR_NOT_FOUND) {
        check_problem(c, true, "mailbox \"%s\", UID %u: message %llu does not exist",
                      TEXT(m->record.is.name), p->uid, (unsigned long long)p->message);
        if (!c->ed) {
            return ERR_OK;
        }
        // What the placement knows is enough; check_messages counts the placements in the batch's
        // stead, since the view does not have the record.
        r = (struct message_record){.body = p->body,
                                    .thread = p->message,
                                    .bytes = p->bytes,
                                    .sent = p->internal_date,
                                    .placements = 1};
        return edit_put_message(c->ed, p->message, &r);
    }
    if (e == ERR_OK && (r.body != p->body || r.bytes != p->bytes)) {
        check_problem(c, false, "mailbox \"%s\", UID %u: body or size is not that of message %llu",
                      TEXT(m->record.is.name), p->uid, (unsigned long long)p->message);
    }
    return e;
}

static enum err check_placement(struct check *c, struct check_mailbox *m, const struct placement *p)
{
    struct mailbox *b = &m->record.is;

    if (p->uid <= m->last_uid) {
        check_problem(c, false, "mailbox \"%s\": UID %u follows UID %u", TEXT(b->name), p->uid,
                      m->last_uid);
    }
    if (p->changed > c->v->version || p->changed == 0) {
        check_problem(c, false, "mailbox \"%s\", UID %u: MODSEQ %llu, the account's is %llu",
                      TEXT(b->name), p->uid, (unsigned long long)p->changed,
                      (unsigned long long)c->v->version);
    }
    m->last_uid = p->uid > m->last_uid ? p->uid : m->last_uid;
    m->highest = p->changed > m->highest ? p->changed : m->highest;
    m->exists++;
    m->unseen += !(p->flags & FLAG_SEEN);
    m->deleted += !!(p->flags & FLAG_DELETED);
    m->bytes += p->bytes;
    c->totals->placements++;
    id_list_add(&c->placed, p->message, &c->failed);
    check_keyword_numbers(c, m, p);
    return check_message_of(c, m, p);
}

static enum err mend_chunk(struct check *c, mailbox_id mailbox, uint32_t key_uid, struct span value)
{
    struct key k = key_chunk(mailbox, key_uid);
    struct chunk chunk;

    if (!c->ed || chunk_load(&chunk, key_uid, value) != ERR_OK) {
        return ERR_OK;
    }
    return edit_put(c->ed, &k, chunk_encode(&chunk, c->ed->room));
}

static enum err check_chunk_head(struct check *c, struct check_mailbox *m, uint32_t key_uid,
                                 const struct chunk_view *v, struct span value)
{
    modseq highest = 0;
    uint32_t last = chunk_view_uid(v, v->count - 1);

    for (unsigned i = 0; i < v->count; i++) {
        modseq n = chunk_view_modseq(v, i);

        highest = n > highest ? n : highest;
    }
    if (key_uid > chunk_view_uid(v, 0) || key_uid <= m->last_uid) {
        check_problem(c, false, "mailbox \"%s\": the chunk at UID %u is filed in the wrong place",
                      TEXT(m->record.is.name), key_uid);
    }
    if (highest == v->highest && last == v->last_uid) {
        return ERR_OK;
    }
    check_problem(c, true, "mailbox \"%s\": the head of the chunk at UID %u is wrong",
                  TEXT(m->record.is.name), key_uid);
    return mend_chunk(c, m->record.is.id, key_uid, value);
}

static enum err check_chunk(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct chunk_view v;
    mailbox_id id;
    uint32_t key_uid;
    uint16_t more[KEYWORDS_PER_MESSAGE_MAX];

    if (!key_read_chunk(key, &id, &key_uid)) {
        check_problem(c, false, "a key of placements has the wrong size");
        return ERR_OK;
    }
    struct check_mailbox *m = check_mailbox_find(c, id);

    if (!m) {
        check_problem(c, false, "there are placements of mailbox %u, which does not exist", id);
        return ERR_OK;
    }
    if (chunk_open(value, &v) != ERR_OK) {
        check_problem(c, false, "mailbox \"%s\": the chunk at UID %u cannot be read",
                      TEXT(m->record.is.name), key_uid);
        return ERR_OK;
    }
    enum err e = check_chunk_head(c, m, key_uid, &v, value);

    m->last_key = key_uid;
    for (unsigned i = 0; i < v.count && e == ERR_OK; i++) {
        struct placement p;

        if (chunk_view_read(&v, i, more, &p) != ERR_OK) {
            check_problem(c, false, "mailbox \"%s\", UID %u: its keywords cannot be read",
                          TEXT(m->record.is.name), p.uid);
        }
        e = check_placement(c, m, &p);
    }
    return e;
}

// One recounted number; mends the record in memory.
static void check_number(struct check *c, const struct mailbox *b, const char *what, uint64_t kept,
                         uint64_t counted, bool *out_mend)
{
    if (kept != counted) {
        check_problem(c, true, "mailbox \"%s\": %s is %llu, counted %llu", TEXT(b->name), what,
                      (unsigned long long)kept, (unsigned long long)counted);
        *out_mend = true;
    }
}

static enum err check_counts(struct check *c, struct check_mailbox *m)
{
    struct mailbox *b = &m->record.is;
    bool mend = false;

    check_number(c, b, "the number of messages", b->exists, m->exists, &mend);
    check_number(c, b, "the number of unseen messages", b->unseen, m->unseen, &mend);
    check_number(c, b, "the number of deleted messages", b->deleted, m->deleted, &mend);
    check_number(c, b, "the size", b->bytes, m->bytes, &mend);
    b->exists = m->exists;
    b->unseen = m->unseen;
    b->deleted = m->deleted;
    b->bytes = m->bytes;
    if (b->uid_next <= m->last_uid || b->uid_next == 0) {
        check_problem(c, true, "mailbox \"%s\": UIDNEXT is %u, but there is UID %u", TEXT(b->name),
                      b->uid_next, m->last_uid);
        b->uid_next = m->last_uid + 1;
        mend = true;
    }
    if (b->highest_modseq < m->highest && m->highest <= c->v->version) {
        check_problem(c, true, "mailbox \"%s\": HIGHESTMODSEQ is %llu, but a message has %llu",
                      TEXT(b->name), (unsigned long long)b->highest_modseq,
                      (unsigned long long)m->highest);
        b->highest_modseq = m->highest;
        mend = true;
    }
    if (m->record.tail && m->record.tail != m->last_key) {
        check_problem(c, true, "mailbox \"%s\": the last chunk is at UID %u, not %u", TEXT(b->name),
                      m->last_key, m->record.tail);
        m->record.tail = 0;
        mend = true;
    }
    if (b->is_no_select && m->exists) {
        check_problem(c, true, "mailbox \"%s\" is \\NoSelect, but has messages", TEXT(b->name));
        b->is_no_select = false;
        mend = true;
    }
    return mend ? mend_mailbox(c, m) : ERR_OK;
}

enum err check_placements(struct check *c)
{
    enum err e = check_kind(c, KEY_CHUNK, check_chunk);

    for (size_t i = 0; i < c->mailbox_count && e == ERR_OK; i++) {
        struct check_mailbox *m = &c->mailboxes[i];

        c->counted.messages += m->exists;
        c->counted.bytes += m->bytes;
        if (!m->is_broken) {
            e = check_counts(c, m);
        }
    }
    c->totals->mailboxes += c->mailbox_count;
    return e;
}
