// SPDX-License-Identifier: Apache-2.0
//
// SELECT and EXAMINE (RFC 9051 section 6.3.2) with CONDSTORE and QRESYNC (RFC 7162), CLOSE and
// UNSELECT.
#include "keep/imap/imap_notify.h"
#include "keep/imap/imap_objectid.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_recent.h"
#include "keep/imap/imap_updates.h"
#include "keep/imap/mailbox/imap_list.h"
#include "keep/imap/message/imap_fetch.h"

#include "base/banned.h"

// RFC 3501's [UNSEEN n] may be left out; it is when the first unseen message lies deeper than this.
#define UNSEEN_LOOKED_AT 4096

static void on_change(void *arg, account_id account, modseq version)
{
    (void)account;
    (void)version;
    imap_session_changed(arg);
}

void imap_forget_selected(struct imap_session *s, bool say_closed)
{
    if (!s->selected) {
        return;
    }
    imap_notify_forget_selected(s);
    imap_selected_destroy(s->selected);
    s->selected = NULL;
    if (say_closed && (imap_is_rev2(s) || imap_is_enabled(s, IMAP_ENABLE_QRESYNC))) {
        OUT(s, "* OK [CLOSED] The mailbox before is closed\r\n");
    }
}

// ---- what SELECT says ---------------------------------------------------------------------------

static void say_number(struct imap_session *s, const char *before, uint64_t n, const char *after)
{
    buf_put_str(s->out, before);
    buf_put_u64(s->out, n);
    buf_put_str(s->out, after);
}

static enum err find_recent(struct imap_session *s, struct view *v, const struct mailbox *mailbox)
{
    struct imap_selected *sel = s->selected;
    uint32_t first = imap_recent_first(s->server->recent, v, sel->mailbox, mailbox->uid_next,
                                       !sel->is_read_only);
    struct uid_range range = {first, mailbox->uid_next - 1};
    struct uid_set recent = {0};

    if (range.first > range.last) {
        return ERR_OK;
    }
    enum err e = uid_map_known(&sel->map, (struct uid_set){&range, 1}, &s->arena, &recent);

    return e ? e : uid_map_set(&sel->recent, recent);
}

static void say_first_unseen(struct imap_session *s, struct view *v, const struct mailbox *mailbox)
{
    struct placement_scan *scan;
    struct placement p;
    uint32_t seq = 0, unseen;

    if (view_unseen(v, mailbox, &unseen) || !unseen ||
        placement_scan_open(v, mailbox->id, 1, UINT32_MAX, 0, &scan)) {
        return;
    }
    while (seq++ < UNSEEN_LOOKED_AT && !placement_next(scan, &p)) {
        if (!(p.flags & FLAG_SEEN)) {
            say_number(s, "* OK [UNSEEN ", seq, "] The first message not seen\r\n");
            break;
        }
    }
    placement_scan_close(scan);
}

static void say_mailbox(struct imap_session *s, const struct imap_place *p,
                        const struct imap_keywords *keywords)
{
    const struct mailbox *mailbox = p->mailbox;

    imap_updates_flags_line(s, keywords->names, keywords->n);
    say_number(s, "* ", s->selected->map.exists, " EXISTS\r\n");
    if (!imap_is_rev2(s)) {
        say_number(s, "* ", s->selected->recent.exists, " RECENT\r\n");
        if (!imap_is_uid_only(s)) { // it is a message number
            say_first_unseen(s, p->view, mailbox);
        }
    }
    say_number(s, "* OK [UIDVALIDITY ", mailbox->uid_validity, "] UIDs valid\r\n");
    say_number(s, "* OK [UIDNEXT ", mailbox->uid_next, "] The next UID\r\n");
    say_number(s, "* OK [HIGHESTMODSEQ ", imap_updates_modseq(s), "] The newest change\r\n");
    OUT(s, "* OK [MAILBOXID (");
    imap_objectid_write(s->out, imap_owner(s, s->selected->account), OBJECT_MAILBOX, mailbox->id);
    OUT(s, ")] The mailbox's identifier\r\n");
    if (!imap_is_without(s, "URLAUTH")) { // RFC 4467 section 7.1
        OUT(s, "* OK [URLMECH INTERNAL] How URLs are authorized\r\n");
    }
    if (imap_is_rev2(s)) {
        imap_list_one(s, mailbox, p->full);
    }
}

// ---- opening ------------------------------------------------------------------------------------

static enum err fill_selected(struct imap_session *s, struct view *v, const struct mailbox *mailbox,
                              struct imap_keywords *keywords)
{
    struct imap_selected *sel = s->selected;
    struct uid_set uids;
    enum err e = view_uids(v, mailbox->id, &s->arena, &uids);

    e = e ? e : uid_map_set(&sel->map, uids);
    e = e ? e : imap_keywords_of(v, mailbox->id, keywords);
    if (!e && !imap_is_rev2(s)) {
        e = find_recent(s, v, mailbox);
    }
    return e;
}

// What makes a mailbox more than readable (RFC 4314 section 5.2).
#define RIGHTS_TO_CHANGE (ACL_SEEN | ACL_WRITE | ACL_INSERT | ACL_DELETE_MESSAGE | ACL_EXPUNGE)

static enum err open_selected(struct imap_session *s, const struct imap_place *p)
{
    struct imap_selected *sel = imap_selected_create();
    const struct mailbox *mailbox = p->mailbox;
    struct imap_keywords keywords;

    if (!sel) {
        return ERR_NOMEM;
    }
    s->selected = sel;
    sel->account = p->account;
    sel->rights = p->rights;
    sel->is_same_domain = p->is_same_domain;
    sel->mailbox = mailbox->id;
    sel->uid_validity = mailbox->uid_validity;
    sel->is_read_only =
        s->command.id == IMAP_EXAMINE || s->device.is_read_only || !(p->rights & RIGHTS_TO_CHANGE);
    sel->condstore = imap_is_enabled(s, IMAP_ENABLE_CONDSTORE);
    sel->told = sel->told_gone = view_modseq(p->view);
    sel->highest = mailbox->highest_modseq;
    enum err e = store_watch_add(s->server->store, p->account, on_change, s, &sel->watch);

    if (!e && !p->is_own) {
        e = acl_owners_watch(s->server->store, on_change, s, &sel->sharing_watch);
    }
    e = e ? e : fill_selected(s, p->view, mailbox, &keywords);
    if (e) {
        imap_selected_destroy(sel);
        s->selected = NULL;
        return e;
    }
    say_mailbox(s, p, &keywords);
    s->is_fresh = true;
    return ERR_OK;
}

// ---- QRESYNC ------------------------------------------------------------------------------------

// The client names some messages by number and UID that it had. Where a pair still holds, nothing
// below it can have left (RFC 7162 section 3.2.5.2). Gives the highest such UID, or 0.
static uint32_t still_matching(struct imap_session *s, const struct imap_qresync *q)
{
    size_t seqs = 0, uids = 0;
    uint32_t seq = 0, uid = 0, good = 0;

    for (;;) {
        seq = imap_seqset_next(&q->match_seqs, &seqs, seq);
        uid = imap_seqset_next(&q->match_uids, &uids, uid);
        if (!seq || !uid || uid_map_uid(&s->selected->map, seq) != uid) {
            return good;
        }
        good = uid;
    }
}

// The UIDs the client asks about: those it names, or all there ever were.
static enum err known_uids(struct imap_session *s, const struct imap_qresync *q, uint32_t uid_next,
                           struct uid_set *out)
{
    struct uid_set_builder b;
    enum err e = ERR_OK;

    uid_set_builder_init(&b, &s->arena);
    for (size_t i = 0; !e && i < q->known_uids.n; i++) {
        e = uid_set_add(&b, q->known_uids.ranges[i].first, q->known_uids.ranges[i].last);
    }
    if (!e && !q->known_uids.n && uid_next > 1) {
        e = uid_set_add(&b, 1, uid_next - 1);
    }
    *out = b.set;
    return e;
}

// Says what vanished and makes the fetcher that says what changed.
static enum err resync_begin(struct imap_session *s, struct view *v, const struct mailbox *mailbox)
{
    static const struct imap_fetch_item items[] = {
        {.type = IMAP_FETCH_UID}, {.type = IMAP_FETCH_FLAGS}, {.type = IMAP_FETCH_MODSEQ}};
    const struct imap_qresync *q = &s->command.select.qresync;
    struct imap_fetch_request r = {.items = items, .n = 3, .changed_since = q->modseq};
    struct uid_set known, asked;
    enum err e = known_uids(s, q, mailbox->uid_next, &known);
    uint32_t good = still_matching(s, q);
    struct uid_range below = {1, good};

    asked = known;
    if (!e && good) {
        e = uid_set_without(known, (struct uid_set){&below, 1}, &s->arena, &asked);
    }
    e = e ? e : imap_fetch_vanished(s, v, q->modseq, asked);
    e = e ? e : uid_map_known(&s->selected->map, known, &s->arena, &r.uids);
    if (!e) {
        s->state = imap_fetcher_create(s, &r);
        e = s->state ? ERR_OK : ERR_NOMEM;
    }
    return e;
}

static void select_cleanup(void *state)
{
    imap_fetcher_finish(state);
}

// ---- the command --------------------------------------------------------------------------------

static enum imap_step select_done(struct imap_session *s)
{
    bool is_examine = s->command.id == IMAP_EXAMINE;

    return imap_answer(s, IMAP_OK,
                       s->selected->is_read_only ? SPAN("READ-ONLY") : SPAN("READ-WRITE"),
                       is_examine ? SPAN("EXAMINE completed") : SPAN("SELECT completed"));
}

static enum err select_in_view(struct imap_session *s, const struct imap_place *p)
{
    const struct imap_select *select = &s->command.select;
    const struct mailbox *mailbox = p->mailbox;
    enum err e = open_selected(s, p);

    if (!e && select->has_qresync && select->qresync.uidvalidity == mailbox->uid_validity &&
        select->qresync.modseq < mailbox->highest_modseq) {
        e = resync_begin(s, p->view, mailbox);
    }
    if (e) {
        imap_forget_selected(s, false);
    }
    return e;
}

static enum imap_step select_begin(struct imap_session *s)
{
    const struct imap_select *select = &s->command.select;
    struct imap_place p;
    const char *why;

    if (select->has_qresync && !imap_is_enabled(s, IMAP_ENABLE_QRESYNC)) {
        return imap_answer_bad(s, "QRESYNC needs ENABLE QRESYNC");
    }
    imap_forget_selected(s, true);
    if (select->condstore || select->has_qresync) {
        imap_condstore_enable(s);
    }
    enum err e = imap_place_open(s, select->mailbox, ACL_READ, false, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    e = select_in_view(s, &p);
    imap_place_close(&p);
    if (e) {
        return imap_place_refuse(s, e, "", false);
    }
    s->cleanup = s->state ? select_cleanup : NULL;
    return s->state ? STEP_MORE : select_done(s);
}

enum imap_step imap_run_select(struct imap_session *s)
{
    if (!s->state) {
        return select_begin(s);
    }
    enum imap_step step = imap_fetcher_step(s, s->state);

    return step == STEP_DONE ? select_done(s) : step;
}

// CLOSE takes out the deleted messages without saying which (RFC 9051 section 6.4.1).
enum imap_step imap_run_close(struct imap_session *s)
{
    struct imap_selected *sel = s->selected;
    struct actor by = imap_actor_in(s, sel->account);
    struct uid_set gone;
    modseq version;

    // Another's messages go when somebody says so (EXPUNGE), not by the way.
    if (!sel->is_read_only && !session_is_reader(&s->device) && (sel->rights & ACL_EXPUNGE)) {
        enum err e = placement_expunge(s->server->store, sel->account, &by, sel->mailbox, NULL,
                                       false, &s->arena, &gone, &version);

        if (e && e != ERR_NOT_FOUND) {
            return imap_answer_err(s, e);
        }
    }
    imap_forget_selected(s, false);
    return imap_answer_ok(s, "CLOSE completed");
}

enum imap_step imap_run_unselect(struct imap_session *s)
{
    imap_forget_selected(s, false);
    return imap_answer_ok(s, "UNSELECT completed");
}
