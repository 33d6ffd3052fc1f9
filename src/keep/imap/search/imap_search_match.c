// SPDX-License-Identifier: Apache-2.0
//
// Does a message match? The tree is evaluated with what is at hand (the placement), then with the
// summary, then with the text: each time the answer may already be known whatever the rest says.
#include "base/clock.h"
#include "keep/imap/imap_objectid.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/search/imap_search_internal.h"
#include "mime/mime_charset.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define DAY_S         86400
#define HEADER_BYTES  (1u << 20)
#define NEEDLE_FACTOR 16 // folding may lengthen text

enum answer { NO, YES, UNKNOWN };

// ---- compiling ----------------------------------------------------------------------------------

static bool is_text_key(enum imap_search_key key)
{
    return key == IMAP_SEARCH_BODY || key == IMAP_SEARCH_TEXT;
}

static struct span header_of(const struct imap_search_node *node)
{
    switch (node->key) {
    case IMAP_SEARCH_BCC:
        return SPAN("Bcc");
    case IMAP_SEARCH_CC:
        return SPAN("Cc");
    case IMAP_SEARCH_FROM:
        return SPAN("From");
    case IMAP_SEARCH_SUBJECT:
        return SPAN("Subject");
    case IMAP_SEARCH_TO:
        return SPAN("To");
    case IMAP_SEARCH_HEADER:
        return node->header->field;
    default:
        return (struct span){0};
    }
}

static enum err fold_needle(struct imap_session *s, struct arena *a, struct span charset,
                            struct span text, struct span *out)
{
    struct buf utf8, folded;

    buf_init(&utf8, text.n * 4 + 64);
    buf_init(&folded, text.n * 4 * NEEDLE_FACTOR + 64);
    if (charset.n) {
        mime_charset_convert(&utf8, charset, text);
    } else {
        mime_charset_guess(&utf8, text);
    }
    collate(&folded, s->collation, buf_span(&utf8));
    *out = folded.failed || utf8.failed ? (struct span){0} : arena_dup(a, buf_span(&folded));
    buf_finish(&utf8);
    buf_finish(&folded);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum search_cost cost_of(enum imap_search_key key)
{
    if (is_text_key(key)) {
        return COST_TEXT;
    }
    switch (key) {
    case IMAP_SEARCH_BCC:
    case IMAP_SEARCH_CC:
    case IMAP_SEARCH_FROM:
    case IMAP_SEARCH_SUBJECT:
    case IMAP_SEARCH_TO:
    case IMAP_SEARCH_HEADER:
    case IMAP_SEARCH_SENTBEFORE:
    case IMAP_SEARCH_SENTON:
    case IMAP_SEARCH_SENTSINCE:
    case IMAP_SEARCH_THREADID:
        return COST_SUMMARY;
    default:
        return COST_PLACEMENT;
    }
}

static enum err compile_set(struct imap_session *s, struct arena *a,
                            const struct imap_search_node *node, struct search_key *key)
{
    struct imap_seqset inside = *node->set;
    bool by_uid = node->key == IMAP_SEARCH_UID;

    // A number that no message has matches nothing; the set is cut to those there are.
    if (!by_uid) {
        while (inside.n && inside.ranges[inside.n - 1].first > s->selected->map.exists) {
            inside.n--;
        }
        if (inside.n && inside.ranges[inside.n - 1].last > s->selected->map.exists) {
            struct imap_range *cut = arena_zalloc(a, inside.n, sizeof(*cut));

            if (!cut) {
                return ERR_NOMEM;
            }
            memcpy(cut, inside.ranges, inside.n * sizeof(*cut));
            cut[inside.n - 1].last = s->selected->map.exists;
            inside.ranges = cut;
        }
    }
    return imap_selected_uids(s->selected, &inside, by_uid, a, &key->uids);
}

static enum err compile_side(struct imap_session *s, struct arena *a,
                             const struct imap_search_node *node, struct search_key *key)
{
    uint32_t uid = (uint32_t)node->number;
    struct uid_range range = {1, uid - 1};

    if (node->key == IMAP_SEARCH_UIDAFTER) {
        range = (struct uid_range){uid == UINT32_MAX ? uid : uid + 1, UINT32_MAX};
    }
    return range.first > range.last
               ? ERR_OK
               : uid_map_known(&s->selected->map, (struct uid_set){&range, 1}, a, &key->uids);
}

bool search_is_set(enum imap_search_key key)
{
    return key == IMAP_SEARCH_SET || key == IMAP_SEARCH_UID || key == IMAP_SEARCH_UIDAFTER ||
           key == IMAP_SEARCH_UIDBEFORE;
}

static enum err compile_key(struct imap_session *s, struct arena *a,
                            const struct imap_search *search, const struct imap_search_node *node,
                            struct search_key *key)
{
    key->node = node;
    key->cost = cost_of(node->key);
    key->field_name = header_of(node);
    if (key->field_name.n) {
        struct span text = node->key == IMAP_SEARCH_HEADER ? node->header->text : node->text;

        key->field = mime_fields_bit(key->field_name);
        return fold_needle(s, a, search->charset, text, &key->needle);
    }
    switch (node->key) {
    case IMAP_SEARCH_BODY:
    case IMAP_SEARCH_TEXT:
        return fold_needle(s, a, search->charset, node->text, &key->needle);
    case IMAP_SEARCH_SET:
    case IMAP_SEARCH_UID:
        return compile_set(s, a, node, key);
    case IMAP_SEARCH_UIDAFTER:
    case IMAP_SEARCH_UIDBEFORE:
        return compile_side(s, a, node, key);
    case IMAP_SEARCH_FLAG:
        key->flag = imap_flags_to_store(node->flag);
        return ERR_OK;
    case IMAP_SEARCH_EMAILID:
        imap_objectid_read(node->text, imap_owner(s, s->selected->account), OBJECT_EMAIL,
                           &key->object);
        return ERR_OK;
    case IMAP_SEARCH_THREADID:
        imap_objectid_read(node->text, imap_owner(s, s->selected->account), OBJECT_THREAD,
                           &key->object);
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

enum err search_compile(struct imap_session *s, struct arena *a, const struct imap_search *search,
                        struct search_program *out)
{
    *out = (struct search_program){
        .nodes = search->nodes, .n = search->n, .collation = s->collation, .now = clock_real_s()};
    if (search->charset.n && !mime_charset_is_known(search->charset)) {
        return ERR_UNSUPPORTED;
    }
    out->keys = arena_zalloc(a, search->n, sizeof(*out->keys));
    out->body_needles = arena_zalloc(a, search->n, sizeof(*out->body_needles));
    out->text_needles = arena_zalloc(a, search->n, sizeof(*out->text_needles));
    if (!out->keys || !out->body_needles || !out->text_needles) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < search->n; i++) {
        enum err e = compile_key(s, a, search, &search->nodes[i], &out->keys[i]);

        if (e) {
            return e;
        }
        if (is_text_key(search->nodes[i].key)) {
            out->has_text = true;
            (search->nodes[i].key == IMAP_SEARCH_BODY ? out->body_needles : out->text_needles)[i]
                .folded = out->keys[i].needle;
        }
    }
    return ERR_OK;
}

void search_bind(struct search_program *p, const struct imap_keywords *keywords)
{
    if (p->bound == keywords->n + 1) { // numbers never change, and names are only added
        return;
    }
    p->bound = keywords->n + 1;
    for (size_t i = 0; i < p->n; i++) {
        if (p->nodes[i].key != IMAP_SEARCH_KEYWORD) {
            continue;
        }
        p->keys[i].keyword = UINT64_MAX;
        for (size_t k = 0; k < keywords->n; k++) {
            if (span_eq_nocase(keywords->names[k], p->nodes[i].text)) {
                p->keys[i].keyword = k;
            }
        }
    }
}

// ---- what is read -------------------------------------------------------------------------------

static bool get_summary(struct search_message *m)
{
    struct span bytes;

    if (!m->has_summary) {
        m->has_summary = true;
        m->summary_error = body_summary(view_snapshot(m->v), m->placement->body, &bytes);
        if (!m->summary_error) {
            m->summary_error = mime_summary_open(bytes, &m->summary);
        }
    }
    return m->summary_error == ERR_OK;
}

// The whole header block, read once for each message and only for fields the summary lacks.
static struct span get_header(struct search_message *m)
{
    struct mime_summary_facts facts = {.header_size = HEADER_BYTES};

    if (!m->has_header) {
        m->has_header = true;
        if (get_summary(m)) {
            mime_summary_facts(&m->summary, &facts);
        }
        size_t n = facts.header_size < HEADER_BYTES ? (size_t)facts.header_size : HEADER_BYTES;

        buf_clear(m->header);
        if (n && body_read(view_snapshot(m->v), m->placement->body, 0, n, m->header)) {
            buf_clear(m->header);
        }
    }
    return buf_span(m->header);
}

static bool has_needle(enum collation collation, struct search_message *m, struct span body,
                       struct span needle)
{
    if (!needle.n) {
        return true;
    }
    buf_clear(m->scratch);
    mime_header_text(m->scratch, body);
    buf_clear(m->folded);
    collate(m->folded, collation, buf_span(m->scratch));
    return m->folded->n >= needle.n &&
           memmem(m->folded->p, m->folded->n, needle.p, needle.n) != NULL;
}

static bool in_header(enum collation collation, const struct search_key *key,
                      struct search_message *m)
{
    struct span block, rest;
    struct mime_field field;
    struct buf lines;
    bool found = false;

    buf_init(&lines, HEADER_BYTES);
    if (key->field && get_summary(m) && !mime_summary_fields(&m->summary, key->field, &lines)) {
        block = buf_span(&lines);
    } else {
        block = get_header(m);
    }
    rest = block;
    while (!found && mime_header_find(&rest, key->field_name, &field)) {
        found = has_needle(collation, m, field.body, key->needle);
    }
    buf_finish(&lines);
    return found;
}

// ---- one key ------------------------------------------------------------------------------------

static int64_t day_of(int64_t seconds)
{
    return seconds >= 0 ? seconds / DAY_S : -((-seconds + DAY_S - 1) / DAY_S);
}

// The Date field's day as written there; of a message without one, the day it came.
static int64_t sent_day(struct search_message *m)
{
    const struct placement *p = m->placement;
    struct mime_summary_facts facts = {0};

    if (get_summary(m) && !mime_summary_facts(&m->summary, &facts) && facts.has_sent) {
        return day_of(facts.sent_seconds + (int64_t)facts.zone_minutes * 60);
    }
    return day_of(p->internal_date + (int64_t)p->zone_minutes * 60);
}

static bool compare_day(int64_t day, int32_t wanted, unsigned relation)
{
    return relation == 0 ? day < wanted : relation == 1 ? day == wanted : day >= wanted;
}

static bool match_date(const struct imap_search_node *node, struct search_message *m)
{
    const struct placement *p = m->placement;

    if (node->key >= IMAP_SEARCH_SAVEDBEFORE) {
        return compare_day(day_of(p->saved), node->day, node->key - IMAP_SEARCH_SAVEDBEFORE);
    }
    if (node->key >= IMAP_SEARCH_SENTBEFORE) {
        return compare_day(sent_day(m), node->day, node->key - IMAP_SEARCH_SENTBEFORE);
    }
    return compare_day(day_of(p->internal_date + (int64_t)p->zone_minutes * 60), node->day,
                       node->key - IMAP_SEARCH_BEFORE);
}

static bool has_keyword(const struct placement *p, uint64_t number)
{
    if (number < 64) {
        return p->keywords >> number & 1;
    }
    for (size_t i = 0; i < p->more_keyword_count; i++) {
        if (p->more_keywords[i] == number) {
            return true;
        }
    }
    return false;
}

static bool in_thread(const struct search_key *key, struct search_message *m)
{
    struct message_info info;

    return key->object && !view_message(m->v, m->placement->message, &info) &&
           info.thread == key->object;
}

static bool match_number(const struct search_program *program, const struct search_key *key,
                         const struct placement *p)
{
    uint64_t number = key->node->number;
    int64_t age = program->now - p->internal_date;

    switch (key->node->key) {
    case IMAP_SEARCH_LARGER:
        return p->bytes > number;
    case IMAP_SEARCH_SMALLER:
        return p->bytes < number;
    case IMAP_SEARCH_OLDER:
        return age >= 0 && (uint64_t)age >= number;
    case IMAP_SEARCH_YOUNGER:
        return age < 0 || (uint64_t)age <= number;
    default:
        return p->changed >= number;
    }
}

static bool match_key(const struct search_program *program, size_t i, struct search_message *m)
{
    const struct search_key *key = &program->keys[i];
    const struct placement *p = m->placement;

    switch (key->node->key) {
    case IMAP_SEARCH_ALL:
    case IMAP_SEARCH_SAVEDATESUPPORTED:
        return true;
    case IMAP_SEARCH_SET:
    case IMAP_SEARCH_UID:
    case IMAP_SEARCH_UIDAFTER:
    case IMAP_SEARCH_UIDBEFORE:
        return uid_set_has(key->uids, p->uid);
    case IMAP_SEARCH_FLAG:
        return key->flag ? (p->flags & key->flag) != 0 : m->is_recent;
    case IMAP_SEARCH_KEYWORD:
        return has_keyword(p, key->keyword);
    case IMAP_SEARCH_EMAILID:
        return key->object && p->message == key->object;
    case IMAP_SEARCH_THREADID:
        return in_thread(key, m);
    case IMAP_SEARCH_BODY:
        return program->body_needles[i].found;
    case IMAP_SEARCH_TEXT:
        return program->text_needles[i].found;
    case IMAP_SEARCH_LARGER:
    case IMAP_SEARCH_SMALLER:
    case IMAP_SEARCH_OLDER:
    case IMAP_SEARCH_YOUNGER:
    case IMAP_SEARCH_MODSEQ:
        return match_number(program, key, p);
    default:
        return key->field_name.n ? in_header(program->collation, key, m) : match_date(key->node, m);
    }
}

// ---- the tree -----------------------------------------------------------------------------------

static enum answer evaluate(const struct search_program *p, size_t i, struct search_message *m,
                            enum search_cost at_hand)
{
    const struct imap_search_node *node = &p->nodes[i];
    enum answer result;

    if (node->key == IMAP_SEARCH_AND || node->key == IMAP_SEARCH_OR) {
        enum answer decided = node->key == IMAP_SEARCH_AND ? NO : YES;

        result = decided == NO ? YES : NO;
        for (size_t k = i + 1; k < i + node->size; k += p->nodes[k].size) {
            enum answer one = evaluate(p, k, m, at_hand);

            if (one == decided) {
                result = decided;
                break;
            }
            result = one == UNKNOWN ? UNKNOWN : result;
        }
    } else if (p->keys[i].cost > at_hand) {
        return UNKNOWN;
    } else {
        result = match_key(p, i, m) ? YES : NO;
    }
    if (node->negated && result != UNKNOWN) {
        result = result == YES ? NO : YES;
    }
    return result;
}

static void read_text(struct search_program *p, struct search_message *m)
{
    struct search_needle *const sets[] = {p->body_needles, p->text_needles};

    for (int with_header = 0; with_header < 2; with_header++) {
        struct search_window w;

        search_window_init(&w, p->collation, sets[with_header], p->n);
        if (!search_window_is_done(&w)) {
            // What cannot be read does not match.
            (void)search_message_text(m->v, m->placement->body, m->placement->bytes,
                                      with_header == 1, &w);
        }
        search_window_finish(&w);
    }
}

bool search_matches(struct search_program *p, struct search_message *m)
{
    enum answer a = evaluate(p, 0, m, COST_PLACEMENT);

    if (a == UNKNOWN) {
        a = evaluate(p, 0, m, COST_SUMMARY);
    }
    if (a == UNKNOWN) {
        read_text(p, m);
        a = evaluate(p, 0, m, COST_TEXT);
    }
    return a == YES;
}
