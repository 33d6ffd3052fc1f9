// SPDX-License-Identifier: Apache-2.0
//
// FETCH and UID FETCH (RFC 9051 section 6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162).
#include "keep/imap/message/imap_fetch.h"

#include "base/log.h"
#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_updates.h"
#include "store/change.h"

#include "base/banned.h"

// \Seen is set ahead of sending, for at most so many messages and bytes: a client that goes away
// in the middle of FETCH 1:* BODY[] leaves no more than these marked and not read.
#define SEEN_AHEAD_MESSAGES 64
#define SEEN_AHEAD_BYTES    (1u << 20)
// A gap of UIDs up to this is walked through; beyond it the scan starts anew behind the gap.
#define GAP_WALKED 512

// ---- the plan -----------------------------------------------------------------------------------

static void plan_item(struct imap_session *s, struct imap_fetcher *f,
                      const struct imap_fetch_item *item)
{
    bool *simple[] = {
        [IMAP_FETCH_FLAGS] = &f->flags,       [IMAP_FETCH_UID] = &f->uid,
        [IMAP_FETCH_INTERNALDATE] = &f->date, [IMAP_FETCH_RFC822_SIZE] = &f->size,
        [IMAP_FETCH_MODSEQ] = &f->modseq_,    [IMAP_FETCH_EMAILID] = &f->emailid,
        [IMAP_FETCH_THREADID] = &f->threadid, [IMAP_FETCH_SAVEDATE] = &f->savedate,
    };

    if (item->type < sizeof(simple) / sizeof(*simple) && simple[item->type]) {
        *simple[item->type] = true;
        return;
    }
    bool is_summary = item->type == IMAP_FETCH_ENVELOPE || item->type == IMAP_FETCH_BODY ||
                      item->type == IMAP_FETCH_BODYSTRUCTURE || item->type == IMAP_FETCH_PREVIEW;
    struct imap_plan_item *plan =
        is_summary ? &f->summary_items[f->summary_n++] : &f->sections[f->section_n++];
    struct buf name;

    buf_init(&name, 1u << 20);
    imap_write_fetch_item(&name, item, imap_is_utf8(s));
    buf_put_byte(&name, ' ');
    plan->item = item;
    plan->name = arena_dup(&s->arena, buf_span(&name));
    buf_finish(&name);
    f->sets_seen |= !is_summary && !item->peek && item->type != IMAP_FETCH_BINARY_SIZE &&
                    item->type != IMAP_FETCH_RFC822_HEADER;
}

struct imap_fetcher *imap_fetcher_create(struct imap_session *s,
                                         const struct imap_fetch_request *request)
{
    struct imap_fetcher *f = arena_zalloc(&s->arena, 1, sizeof(*f));
    size_t n = request->n ? request->n : 1;

    if (!f) {
        return NULL;
    }
    f->request = *request;
    f->summary_items = arena_zalloc(&s->arena, n, sizeof(*f->summary_items));
    f->sections = arena_zalloc(&s->arena, n, sizeof(*f->sections));
    if (!f->summary_items || !f->sections) {
        return NULL;
    }
    buf_init(&f->scratch, 8u << 20);
    for (size_t i = 0; i < request->n; i++) {
        plan_item(s, f, &request->items[i]);
    }
    // The UID is in front of a UIDFETCH response: once more only for who asks for it.
    f->uid |= request->say_uid && !imap_is_uid_only(s);
    f->sets_seen &= !s->selected->is_read_only && !session_is_reader(&s->device) &&
                    (s->selected->rights & ACL_SEEN);
    f->next = request->uids.count ? request->uids.ranges[0].first : 0;
    return f;
}

void imap_fetcher_finish(struct imap_fetcher *f)
{
    if (f) {
        buf_finish(&f->scratch);
    }
}

void imap_fetch_problem(struct imap_fetcher *f, const char *code, const char *text)
{
    if (!f->problem) {
        f->problem_code = span_from_str(code);
        f->problem = text;
    }
}

// ---- walking ------------------------------------------------------------------------------------

// The next message of the set at or after f->next. ERR_NOT_FOUND: the end. `*scan` is opened anew
// where the set has a large gap.
static enum err next_message(struct imap_session *s, const struct imap_fetch_request *r,
                             struct view *v, struct placement_scan **scan, size_t *range,
                             uint32_t *next, struct placement *out)
{
    const struct uid_set *set = &r->uids;

    while (*range < set->count) {
        if (!*scan) {
            enum err e =
                placement_scan_open(v, s->selected->mailbox, *next,
                                    set->ranges[set->count - 1].last, r->changed_since, scan);

            if (e) {
                return e;
            }
        }
        enum err e = placement_next(*scan, out);

        if (e) {
            return e;
        }
        while (*range < set->count && set->ranges[*range].last < out->uid) {
            ++*range;
        }
        if (*range == set->count) {
            break;
        }
        if (set->ranges[*range].first <= out->uid) {
            *next = out->uid == UINT32_MAX ? out->uid : out->uid + 1;
            return ERR_OK;
        }
        *next = set->ranges[*range].first;
        if (*next - out->uid > GAP_WALKED) {
            placement_scan_close(*scan);
            *scan = NULL;
        }
    }
    return ERR_NOT_FOUND;
}

// ---- \Seen --------------------------------------------------------------------------------------

static enum err find_unseen(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                            struct uid_set_builder *unseen)
{
    struct placement_scan *scan = NULL;
    struct placement p;
    size_t range = f->range;
    uint32_t next = f->next, messages = 0;
    uint64_t bytes = 0;
    enum err e;

    f->seen_to = UINT32_MAX;
    while (!(e = next_message(s, &f->request, v, &scan, &range, &next, &p))) {
        if (!(p.flags & FLAG_SEEN)) {
            e = uid_set_add(unseen, p.uid, p.uid);
        }
        bytes += p.bytes;
        if (e || ++messages == SEEN_AHEAD_MESSAGES || bytes > SEEN_AHEAD_BYTES) {
            f->seen_to = p.uid;
            break;
        }
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// Marks the messages sent next. A store that takes no changes now does not keep people from
// reading.
static void see_ahead(struct imap_session *s, struct imap_fetcher *f)
{
    struct uid_set_builder unseen;
    struct flag_request r = {.mailbox = s->selected->mailbox,
                             .how = FLAGS_ADD,
                             .flags = FLAG_SEEN,
                             .unchanged_since = UINT64_MAX};
    struct flag_result result;
    struct actor by = imap_actor_in(s, s->selected->account);
    struct view *v;

    uid_set_builder_init(&unseen, &s->arena);
    if (imap_view_open(s, s->selected->account, &v)) {
        f->seen_to = UINT32_MAX;
        return;
    }
    enum err e = find_unseen(s, f, v, &unseen);

    view_close(v);
    f->fresh_seen = (struct uid_set){0};
    if (e || !unseen.set.count) {
        return;
    }
    r.uids = unseen.set;
    if (!placement_flags(s->server->store, s->selected->account, &by, &r, &s->arena, &result)) {
        f->fresh_seen = unseen.set;
        if (result.changed) {
            imap_updates_own(s, result.version);
        }
    }
}

// ---- steps --------------------------------------------------------------------------------------

static enum err write_message(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                              const struct placement *p, const struct imap_keywords *keywords)
{
    uint32_t seq = uid_map_seq_at(&s->selected->map, &f->numbers, p->uid);

    f->found++;
    if (!seq || (f->request.only_version && p->changed != f->request.only_version)) {
        return ERR_OK;
    }
    if (f->summary_n || f->section_n) {
        imap_part(s);
    }
    enum err e = imap_fetch_head(s, f, v, p, seq, keywords);

    if (e || !f->section_n) {
        imap_line_end(s->out);
        return e;
    }
    f->is_inside = true;
    f->section = 0;
    f->uid_now = p->uid;
    f->body = p->body;
    f->bytes = p->bytes;
    return imap_fetch_sections(s, f, v);
}

static enum err write_batch(struct imap_session *s, struct imap_fetcher *f, struct view *v)
{
    struct imap_keywords keywords = {0};
    struct placement_scan *scan = NULL;
    struct placement p;
    enum err e = f->is_inside ? imap_fetch_sections(s, f, v) : ERR_OK;

    e = e ? e : imap_keywords_of(v, s->selected->mailbox, &keywords);
    if (!e && f->flags && keywords.n > s->selected->keywords_told) {
        imap_updates_flags_line(s, keywords.names, keywords.n);
    }
    while (!e) {
        if (imap_batch_is_full(s) || (f->sets_seen && f->next > f->seen_to)) {
            e = ERR_AGAIN;
            break;
        }
        e = next_message(s, &f->request, v, &scan, &f->range, &f->next, &p);
        e = e ? e : write_message(s, f, v, &p, &keywords);
    }
    placement_scan_close(scan);
    return e;
}

enum imap_step imap_fetcher_step(struct imap_session *s, struct imap_fetcher *f)
{
    struct view *v;

    if (!f->request.uids.count) {
        return STEP_DONE;
    }
    if (f->sets_seen && !f->is_inside && f->next > f->seen_to) {
        see_ahead(s, f);
    }
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (!e) {
        imap_place_refresh(s, v); // what may be read no more ends between two messages
        e = s->selected->is_gone && !f->is_inside ? ERR_NOT_FOUND : write_batch(s, f, v);
        view_close(v);
    }
    if (e == ERR_AGAIN) {
        return STEP_MORE;
    }
    if (f->is_inside) {
        log_error("imap: %s: the rest of a message could not be read: %s", s->user, err_name(e));
        return STEP_CLOSE;
    }
    if (e && e != ERR_NOT_FOUND) {
        imap_answer_err(s, e);
        f->problem_code = s->result.code;
        f->problem = s->result.text.p;
    }
    return STEP_DONE;
}

// ---- the command --------------------------------------------------------------------------------

static enum err vanished_among(struct imap_session *s, struct view *v, struct uid_set *out)
{
    struct uid_set_builder b;
    struct imap_seqset all;
    const struct mailbox *mailbox;
    enum err e = view_mailbox(v, s->selected->mailbox, &mailbox);

    e = e ? e : imap_seqset_resolve(&s->command.fetch.set, mailbox->uid_next - 1, &s->arena, &all);
    uid_set_builder_init(&b, &s->arena);
    for (size_t i = 0; !e && i < all.n; i++) {
        e = uid_set_add(&b, all.ranges[i].first, all.ranges[i].last);
    }
    if (!e) {
        *out = b.set;
    }
    return e;
}

enum err imap_fetch_vanished(struct imap_session *s, struct view *v, modseq since,
                             struct uid_set among)
{
    struct uid_set gone, known;
    enum err e = view_vanished(v, s->selected->mailbox, since, &among, &s->arena, &gone);

    // What the client still has numbers for is told later, as VANISHED without EARLIER.
    e = e ? e : uid_map_known(&s->selected->map, gone, &s->arena, &known);
    e = e ? e : uid_set_without(gone, known, &s->arena, &gone);
    if (e || !gone.count) {
        return e;
    }
    OUT(s, "* VANISHED (EARLIER) ");
    imap_seqset_write(
        s->out,
        &(struct imap_seqset){.ranges = (const struct imap_range *)gone.ranges, .n = gone.count});
    OUT(s, "\r\n");
    return ERR_OK;
}

static enum err say_vanished(struct imap_session *s)
{
    struct uid_set among;
    struct view *v;
    enum err e = imap_view_open(s, s->selected->account, &v);

    if (e) {
        return e;
    }
    e = vanished_among(s, v, &among);
    e = e ? e : imap_fetch_vanished(s, v, s->command.fetch.changedsince, among);
    view_close(v);
    return e;
}

static void fetch_cleanup(void *state)
{
    imap_fetcher_finish(state);
}

static bool asks_modseq(const struct imap_fetch *fetch)
{
    for (size_t i = 0; i < fetch->n; i++) {
        if (fetch->items[i].type == IMAP_FETCH_MODSEQ) {
            return true;
        }
    }
    return fetch->has_changedsince;
}

// The UIDs of a range of the messages, counted from the first or from the last (RFC 9394 section
// 3.3). With CHANGEDSINCE it is a range of those that have changed, which only the store knows.
static enum err take_partial(const struct imap_partial *p, struct arena *a, struct uid_set *uids)
{
    uint64_t low = p->first < p->last ? p->first : p->last;
    uint64_t high = p->first < p->last ? p->last : p->first, n = uid_set_size(*uids), before = 0;
    struct uid_set_builder b;
    enum err e = ERR_OK;

    high = high < n ? high : n;
    if (p->from_end && low <= high) {
        uint64_t from = n - high + 1;

        high = n - low + 1;
        low = from;
    }
    uid_set_builder_init(&b, a);
    for (size_t i = 0; !e && low <= high && i < uids->count && before < high; i++) {
        struct uid_range r = uids->ranges[i];
        uint64_t here = (uint64_t)r.last - r.first + 1;
        uint64_t from = low > before ? low - before : 1;
        uint64_t to = high - before < here ? high - before : here;

        if (from <= to) {
            e = uid_set_add(&b, r.first + (uint32_t)(from - 1), r.first + (uint32_t)(to - 1));
        }
        before += here;
    }
    *uids = b.set;
    return e;
}

static enum err changed_uids(struct imap_session *s, struct view *v, modseq since,
                             struct uid_set *uids)
{
    struct uid_set_builder b;
    enum err e = ERR_OK;

    uid_set_builder_init(&b, &s->arena);
    for (size_t i = 0; !e && i < uids->count; i++) {
        struct placement_scan *scan;
        struct placement p;

        e = placement_scan_open(v, s->selected->mailbox, uids->ranges[i].first,
                                uids->ranges[i].last, since, &scan);
        while (!e && !(e = placement_next(scan, &p))) {
            e = uid_set_add(&b, p.uid, p.uid);
        }
        placement_scan_close(scan);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    *uids = b.set;
    return e;
}

static bool exceeds_limit(const struct imap_session *s, const struct imap_partial *p)
{
    uint64_t n = (p->first < p->last ? p->last - p->first : p->first - p->last) + 1ull;

    return s->options.messages_max && n > s->options.messages_max;
}

// To what PARTIAL and MESSAGELIMIT leave of it: of what has changed, when that is asked for.
static enum err narrow(struct imap_session *s, struct uid_set *uids)
{
    const struct imap_fetch *fetch = &s->command.fetch;
    struct view *v;
    enum err e = ERR_OK;

    if (fetch->changedsince) {
        e = imap_view_open(s, s->selected->account, &v);
        if (!e) {
            e = changed_uids(s, v, fetch->changedsince, uids);
            view_close(v);
        }
    }
    if (!e && fetch->has_partial) {
        e = take_partial(&fetch->partial, &s->arena, uids);
    }
    return e ? e : imap_limit_cut(s, uids);
}

static enum imap_step fetch_begin(struct imap_session *s)
{
    const struct imap_fetch *fetch = &s->command.fetch;
    struct imap_fetch_request r = {.items = fetch->items,
                                   .n = fetch->n,
                                   .changed_since = fetch->changedsince,
                                   .say_uid = s->command.uid};

    if (fetch->vanished && !imap_is_enabled(s, IMAP_ENABLE_QRESYNC)) {
        return imap_answer_bad(s, "VANISHED needs ENABLE QRESYNC");
    }
    enum err e = imap_selected_uids(s->selected, &fetch->set, s->command.uid, &s->arena, &r.uids);

    if (e == ERR_INVALID) {
        return imap_answer_bad(s, "There is no message of that number");
    }
    if (!e && fetch->has_partial && exceeds_limit(s, &fetch->partial)) {
        return imap_limit_refuse(s);
    }
    if (!e && (fetch->has_partial || s->options.messages_max)) {
        e = narrow(s, &r.uids);
    }
    if (!e && asks_modseq(fetch)) {
        imap_condstore_enable(s);
    }
    if (!e && fetch->vanished) {
        e = say_vanished(s);
    }
    struct imap_fetcher *f = e ? NULL : imap_fetcher_create(s, &r);

    if (!f) {
        return imap_answer_err(s, e ? e : ERR_NOMEM);
    }
    f->modseq_ |= fetch->has_changedsince;
    s->state = f;
    s->cleanup = fetch_cleanup;
    return STEP_MORE;
}

enum imap_step imap_run_fetch(struct imap_session *s)
{
    struct imap_fetcher *f = s->state;

    if (!f) {
        return fetch_begin(s);
    }
    enum imap_step step = imap_fetcher_step(s, f);

    if (step != STEP_DONE) {
        return step;
    }
    if (f->problem) {
        return imap_answer(s, IMAP_NO, f->problem_code, span_from_str(f->problem));
    }
    if (!s->command.uid && !f->request.changed_since && f->found < uid_set_size(f->request.uids)) {
        return imap_answer_no(s, "EXPUNGEISSUED", "Some of the messages are gone");
    }
    return imap_answer_ok(s, "FETCH completed");
}
