// SPDX-License-Identifier: Apache-2.0
//
// STORE and UID STORE (RFC 9051 section 6.4.6) with UNCHANGEDSINCE (RFC 7162 section 3.1.3).
#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_updates.h"
#include "keep/imap/message/imap_fetch.h"

#include "base/banned.h"

struct store_state {
    struct imap_fetcher *fetcher; // says the new flags; NULL: nothing to say
    struct span modified;         // the response code, or empty
};

static void store_cleanup(void *state)
{
    struct store_state *st = state;

    imap_fetcher_finish(st->fetcher);
}

// The messages refused by UNCHANGEDSINCE, as the client named them.
static struct span modified_code(struct imap_session *s, struct uid_set modified)
{
    struct imap_seqset_writer w;
    struct buf code;

    if (!modified.count) {
        return (struct span){0};
    }
    buf_init(&code, 16u << 20);
    buf_put_str(&code, "MODIFIED ");
    imap_seqset_writer_init(&w, &code);
    for (size_t i = 0; i < modified.count; i++) {
        for (uint64_t uid = modified.ranges[i].first; uid <= modified.ranges[i].last; uid++) {
            uint32_t seq = uid_map_seq(&s->selected->map, (uint32_t)uid);

            if (seq) {
                imap_seqset_writer_put(&w, s->command.uid ? (uint32_t)uid : seq);
            }
        }
    }
    imap_seqset_writer_end(&w);
    struct span text = code.failed ? (struct span){0} : arena_dup(&s->arena, buf_span(&code));

    buf_finish(&code);
    return text;
}

static void tell_keywords(struct imap_session *s)
{
    struct imap_keywords keywords;
    struct view *v;

    if (imap_view_open(s, s->selected->account, &v)) {
        return;
    }
    if (!imap_keywords_of(v, s->selected->mailbox, &keywords)) {
        imap_updates_flags_line(s, keywords.names, keywords.n);
    }
    view_close(v);
}

// What is said of the messages: their flags, unless .SILENT; with CONDSTORE their new MODSEQ and
// their UID (RFC 7162 section 3.2.4).
static enum err plan_answer(struct imap_session *s, struct store_state *st, struct uid_set uids,
                            const struct flag_result *result)
{
    static const struct imap_fetch_item items[] = {{.type = IMAP_FETCH_MODSEQ},
                                                   {.type = IMAP_FETCH_FLAGS}};
    bool silent = s->command.store.silent, condstore = s->selected->condstore;
    struct imap_fetch_request r = {.say_uid = s->command.uid || condstore};

    if (silent && !condstore) {
        return ERR_OK;
    }
    r.items = condstore ? items : items + 1;
    r.n = silent ? 1 : condstore ? 2 : 1;
    r.only_version = silent ? result->version : 0;
    if (silent && !result->changed) {
        return ERR_OK;
    }
    enum err e = uid_set_without(uids, result->modified, &s->arena, &r.uids);

    if (!e) {
        st->fetcher = imap_fetcher_create(s, &r);
        e = st->fetcher ? ERR_OK : ERR_NOMEM;
    }
    return e;
}

// RFC 4314 section 4: of the flags those are changed that one may change; it is refused when none
// of them is.
static bool keep_to_rights(uint32_t rights, struct flag_request *r)
{
    const uint16_t all = imap_flags_allowed(ACL_ALL), allowed = imap_flags_allowed(rights);
    bool asks_nothing = !r->flags && !r->keyword_count && r->how != FLAGS_SET;

    r->flags &= allowed;
    if (!(rights & ACL_WRITE)) {
        r->keyword_count = 0;
        r->keep_keywords = true;
    }
    r->keep = all & (uint16_t)~allowed;
    return asks_nothing || (r->how == FLAGS_SET ? allowed != 0 : r->flags || r->keyword_count);
}

static enum err change_flags(struct imap_session *s, struct store_state *st, struct uid_set uids)
{
    const struct imap_store *store = &s->command.store;
    static const enum flag_change how[] = {[IMAP_STORE_SET] = FLAGS_SET,
                                           [IMAP_STORE_ADD] = FLAGS_ADD,
                                           [IMAP_STORE_REMOVE] = FLAGS_REMOVE};
    struct flag_request r = {
        .mailbox = s->selected->mailbox,
        .uids = uids,
        .how = how[store->action],
        .flags = imap_flags_to_store(store->flags.bits),
        .keywords = store->flags.keywords,
        .keyword_count = store->flags.n,
        .unchanged_since = store->has_unchangedsince ? store->unchangedsince : UINT64_MAX,
    };
    struct flag_result result = {0};
    struct actor by = imap_actor_in(s, s->selected->account);

    if (!keep_to_rights(s->selected->rights, &r)) {
        return ERR_DENIED;
    }
    enum err e =
        placement_flags(s->server->store, s->selected->account, &by, &r, &s->arena, &result);

    if (e) {
        return e;
    }
    if (result.changed) {
        imap_updates_own(s, result.version);
    }
    if (result.new_keywords) {
        tell_keywords(s);
    }
    st->modified = modified_code(s, result.modified);
    return plan_answer(s, st, uids, &result);
}

static enum imap_step store_begin(struct imap_session *s)
{
    const struct imap_store *store = &s->command.store;
    struct store_state *st = imap_state(s, sizeof(*st));
    struct uid_set uids;

    if (!st) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    s->cleanup = store_cleanup;
    if (s->selected->is_read_only) {
        return imap_answer_no(s, "READ-ONLY", "The mailbox was opened for reading only");
    }
    enum err e = imap_selected_uids(s->selected, &store->set, s->command.uid, &s->arena, &uids);

    if (e == ERR_INVALID) {
        return imap_answer_bad(s, "There is no message of that number");
    }
    if (!e && store->has_unchangedsince) {
        imap_condstore_enable(s);
    }
    e = e ? e : imap_limit_cut(s, &uids);
    e = e || !uids.count ? e : change_flags(s, st, uids);
    return e ? imap_place_refuse(s, e, "", false) : STEP_MORE;
}

static enum imap_step store_done(struct imap_session *s, const struct store_state *st)
{
    const struct imap_fetcher *f = st->fetcher;

    if (f && f->problem) {
        return imap_answer(s, IMAP_NO, f->problem_code, span_from_str(f->problem));
    }
    if (st->modified.n) {
        return imap_answer(s, IMAP_OK, st->modified, SPAN("Some were changed meanwhile"));
    }
    if (f && !s->command.uid && f->found < uid_set_size(f->request.uids)) {
        return imap_answer_no(s, "EXPUNGEISSUED", "Some of the messages are gone");
    }
    return imap_answer_ok(s, "STORE completed");
}

enum imap_step imap_run_store(struct imap_session *s)
{
    struct store_state *st = s->state;

    if (!st) {
        return store_begin(s);
    }
    enum imap_step step = st->fetcher ? imap_fetcher_step(s, st->fetcher) : STEP_DONE;

    return step == STEP_DONE ? store_done(s, st) : step;
}
