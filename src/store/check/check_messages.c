// SPDX-License-Identifier: Apache-2.0
//
// Checks messages and what refers to them, the thread index, and the change log.
#include <stdlib.h>

#include "store/check/check_internal.h"
#include "store/placement/sort_scan.h"

#include "base/banned.h"

// Bodies are read in pieces of this size.
#define BODY_PIECE (1u << 20)

// ---- lists of ids -------------------------------------------------------------------------------

void id_list_add(struct id_list *l, uint64_t id, bool *out_failed)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 1024;
        uint64_t *p = reallocarray(l->p, cap, sizeof(*p));

        if (!p) {
            *out_failed = true;
            return;
        }
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = id;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

void id_list_sort(struct id_list *l)
{
    if (l->n) {
        qsort(l->p, l->n, sizeof(*l->p), by_number);
    }
}

size_t id_list_count(const struct id_list *l, size_t *at, uint64_t id)
{
    size_t n = 0;

    while (*at < l->n && l->p[*at] < id) {
        ++*at;
    }
    while (*at < l->n && l->p[*at] == id) {
        ++*at;
        n++;
    }
    return n;
}

// ---- messages -----------------------------------------------------------------------------------

struct messages_pass {
    struct check *c;
    size_t at; // in c->placed
};

static enum err check_body(struct check *c, message_id id, const struct message_record *m)
{
    struct body_info info;
    enum err e = body_info(c->v->snapshot, m->body, &info);

    if (e == ERR_NOT_FOUND || (e == ERR_OK && info.uses == 0)) {
        check_problem(c, false, "message %llu: its body %llu does not exist",
                      (unsigned long long)id, (unsigned long long)m->body);
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    if (info.bytes != m->bytes) {
        check_problem(c, false, "message %llu: its size is %llu, its body has %llu bytes",
                      (unsigned long long)id, (unsigned long long)m->bytes,
                      (unsigned long long)info.bytes);
    }
    return ERR_OK;
}

static enum err read_body(struct check *c, message_id id, const struct message_record *m)
{
    struct buf piece;
    struct span summary;
    uint64_t at = 0;
    enum err e = ERR_OK;

    buf_init(&piece, BODY_PIECE + 1);
    while (at < m->bytes && e == ERR_OK) {
        buf_clear(&piece);
        e = body_read(c->v->snapshot, m->body, at, BODY_PIECE, &piece);
        at += piece.n;
        if (e == ERR_OK && piece.n == 0) {
            break; // its size was told before
        }
    }
    buf_finish(&piece);
    e = e != ERR_OK ? e : body_summary(c->v->snapshot, m->body, &summary);
    if (e == ERR_CORRUPT || e == ERR_NOT_FOUND || e == ERR_IO) {
        check_problem(c, false, "message %llu: its body %llu cannot be read",
                      (unsigned long long)id, (unsigned long long)m->body);
        e = ERR_OK;
    }
    return e;
}

// A restorable message and its entry by time.
static enum err check_restorable(struct check *c, message_id id, const struct message_record *m)
{
    struct key k = key_expunged(m->expunged_at, id);
    char version = SCHEMA_VERSION;
    struct span value;
    enum err e = view_get(c->v, &k, &value);

    c->counted.expunged++;
    c->counted.expunged_bytes += m->bytes;
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    check_problem(c, true, "message %llu is restorable, but not in the list of these",
                  (unsigned long long)id);
    return c->ed ? edit_put(c->ed, &k, span_of(&version, 1)) : ERR_OK;
}

static enum err check_placement_count(struct check *c, message_id id, struct message_record *m,
                                      size_t counted)
{
    if (m->placements == counted) {
        return m->placements ? ERR_OK : check_restorable(c, id, m);
    }
    check_problem(c, true, "message %llu has %zu placements, its record says %u",
                  (unsigned long long)id, counted, m->placements);
    if (counted == 0) { // nobody knows where it was: restored to INBOX if anybody asks
        m->expunged_at = c->ed ? edit_now_s(c->ed) : 0;
        m->from_name = mailbox_inbox;
        m->internal_date = m->sent;
    }
    m->placements = (uint32_t)counted;
    if (!c->ed) {
        return ERR_OK;
    }
    enum err e = edit_put_message(c->ed, id, m);

    return e == ERR_OK && counted == 0 ? check_restorable(c, id, m) : e;
}

// Sort keys can be made again from the message; without `read_bodies` they need only be readable.
static enum err check_sort_keys(struct check *c, message_id id, struct message_record *m)
{
    struct buf lines, right;
    struct sort_keys keys;
    bool is_wrong = false;
    enum err e = m->sort_keys.n ? sort_keys_unpack(m->sort_keys, &keys) : ERR_UNSUPPORTED;

    if (e == ERR_UNSUPPORTED) { // of an older or a newer program
        return ERR_OK;
    }
    buf_init(&lines, BODY_PIECE);
    buf_init(&right, SORT_KEYS_BYTES_MAX);
    is_wrong = e != ERR_OK;
    e = is_wrong || c->read_bodies ? sort_keys_of_body(c->v, m->body, &lines, &right) : ERR_OK;
    if (e == ERR_OK && c->read_bodies) {
        is_wrong = is_wrong || !span_eq(m->sort_keys, buf_span(&right));
    }
    if (is_wrong) {
        check_problem(c, true, "message %llu: its sort keys are not those of its header",
                      (unsigned long long)id);
        m->sort_keys = e == ERR_OK ? buf_span(&right) : (struct span){0};
    }
    e = is_wrong && c->ed ? edit_put_message(c->ed, id, m) : ERR_OK;
    m->sort_keys = is_wrong ? (struct span){0} : m->sort_keys;
    buf_finish(&lines);
    buf_finish(&right);
    return e;
}

static enum err check_message(void *arg, struct span key, struct span value)
{
    struct messages_pass *p = arg;
    struct check *c = p->c;
    struct message_record m;
    message_id id;

    if (!key_read_u64(key, &id)) {
        check_problem(c, false, "a key of a message has the wrong size");
        return ERR_OK;
    }
    c->totals->messages++;
    c->message_max = id > c->message_max ? id : c->message_max;
    if (message_decode(value, &m) != ERR_OK) {
        check_problem(c, false, "the record of message %llu cannot be read",
                      (unsigned long long)id);
        id_list_count(&c->placed, &p->at, id);
        return ERR_OK;
    }
    if (m.thread == 0 || m.thread > id) {
        check_problem(c, false, "message %llu is in thread %llu, which is younger",
                      (unsigned long long)id, (unsigned long long)m.thread);
    }
    for (uint32_t i = 0; i < m.thread_key_count; i++) {
        id_list_add(&c->hashes, m.thread_keys[i], &c->failed);
    }
    enum err e = check_placement_count(c, id, &m, id_list_count(&c->placed, &p->at, id));

    e = e != ERR_OK ? e : check_body(c, id, &m);
    e = e != ERR_OK ? e : check_sort_keys(c, id, &m);
    return e == ERR_OK && c->read_bodies ? read_body(c, id, &m) : e;
}

// The value that says nothing: of a key that is all there is to know.
static enum err check_version_byte(struct check *c, struct span key, struct span value)
{
    char version = SCHEMA_VERSION;

    if (value.n && value.p[0] == SCHEMA_VERSION) {
        return ERR_OK;
    }
    check_problem(c, true, "the list of restorable messages has an entry of an unknown layout");
    return c->ed ? batch_put(c->ed->batch, key, span_of(&version, 1)) : ERR_OK;
}

static enum err check_expunged_key(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct message_record m;
    message_id id;
    int64_t when;

    bool right = key_read_expunged(key, &when, &id) &&
                 view_message_record(c->v, id, &m) == ERR_OK && m.placements == 0 &&
                 m.expunged_at == when;

    if (right) {
        return check_version_byte(c, key, value);
    }
    check_problem(c, true, "the list of restorable messages has an entry without such a message");
    return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
}

enum err check_messages(struct check *c)
{
    struct messages_pass p = {.c = c};
    struct key messages = key_plain(KEY_MESSAGE), expunged = key_plain(KEY_EXPUNGED);

    id_list_sort(&c->placed);
    enum err e = view_each(c->v, &messages, check_message, &p);

    if (c->placed.n && c->placed.p[c->placed.n - 1] > c->message_max) {
        c->message_max = c->placed.p[c->placed.n - 1];
    }
    return e != ERR_OK ? e : view_each(c->v, &expunged, check_expunged_key, c);
}

// ---- threads ------------------------------------------------------------------------------------

struct threads_pass {
    struct check *c;
    size_t at; // in c->hashes
};

static enum err mend_thread(struct check *c, struct span key, const struct thread_record *t)
{
    char room[THREAD_BYTES_MAX];

    if (!c->ed) {
        return ERR_OK;
    }
    return t->uses ? batch_put(c->ed->batch, key, thread_encode(t, room))
                   : batch_delete(c->ed->batch, key);
}

static enum err check_thread(void *arg, struct span key, struct span value)
{
    struct threads_pass *p = arg;
    struct check *c = p->c;
    struct thread_record t;
    uint64_t hash;

    if (!key_read_u64(key, &hash) || thread_decode(value, &t) != ERR_OK) {
        check_problem(c, false, "an entry of the thread index cannot be read");
        return ERR_OK;
    }
    if (p->at < c->hashes.n && c->hashes.p[p->at] < hash) {
        check_problem(c, false, "a message is not in the thread index");
    }
    uint64_t uses = id_list_count(&c->hashes, &p->at, hash);

    if (t.uses == uses) {
        return ERR_OK;
    }
    check_problem(c, true, "an entry of the thread index has %llu uses, counted %llu",
                  (unsigned long long)t.uses, (unsigned long long)uses);
    t.uses = uses;
    return mend_thread(c, key, &t);
}

enum err check_threads(struct check *c)
{
    struct threads_pass p = {.c = c};
    struct key prefix = key_plain(KEY_THREAD);

    id_list_sort(&c->hashes);
    enum err e = view_each(c->v, &prefix, check_thread, &p);

    if (e == ERR_OK && p.at < c->hashes.n) {
        check_problem(c, false, "a message is not in the thread index");
    }
    return e;
}

// ---- the change log -----------------------------------------------------------------------------

// The keys alone: that every number from "known since" on is there, with all its parts.
struct log_pass {
    struct check *c;
    modseq next;
    uint16_t part;
};

static enum err check_log_key(void *arg, struct span key, struct span value)
{
    struct log_pass *p = arg;
    modseq number;
    uint16_t part;

    (void)value;
    if (!key_read_change(key, &number, &part)) {
        check_problem(p->c, false, "a key of the change log has the wrong size");
        return ERR_OK;
    }
    if (number <= p->c->v->header.known_since) {
        check_problem(p->c, true, "entry %llu of the change log should have been removed",
                      (unsigned long long)number);
        return p->c->ed ? batch_delete(p->c->ed->batch, key) : ERR_OK;
    }
    if (number == p->next - 1 && part == p->part + 1) {
        p->part = part;
        return ERR_OK;
    }
    if (number != p->next || part != 0) {
        check_problem(p->c, false, "the change log goes from entry %llu part %u to %llu part %u",
                      (unsigned long long)(p->next - 1), p->part, (unsigned long long)number, part);
    }
    p->next = number + 1;
    p->part = part;
    p->c->totals->changes++;
    return ERR_OK;
}

static enum err check_log_records(struct check *c)
{
    struct change_scan *scan;
    struct change change;
    enum err e = change_scan_open(c->v, c->v->header.known_since, false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &change)) == ERR_OK) {
        mailbox_id max =
            change.mailbox > change.other_mailbox ? change.mailbox : change.other_mailbox;

        if (max >= c->v->header.next_mailbox && max > c->mailbox_max) {
            // Mended by check_header: the next id goes above it.
            check_problem(c, true, "entry %llu of the change log speaks of mailbox %u",
                          (unsigned long long)change.number, max);
        }
        c->mailbox_max = max > c->mailbox_max ? max : c->mailbox_max;
    }
    change_scan_close(scan);
    if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        check_problem(c, false, "the change log cannot be read to its end");
        e = ERR_NOT_FOUND;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err check_log(struct check *c)
{
    struct log_pass p = {.c = c, .next = c->v->header.known_since + 1};
    struct key prefix = key_plain(KEY_CHANGE);
    enum err e = view_each(c->v, &prefix, check_log_key, &p);

    if (e == ERR_OK && p.next != c->v->version + 1) {
        check_problem(c, false, "the change log ends with entry %llu, the account is at %llu",
                      (unsigned long long)(p.next - 1), (unsigned long long)c->v->version);
    }
    return e != ERR_OK ? e : check_log_records(c);
}
