// SPDX-License-Identifier: Apache-2.0
//
// One telling is: what left the mailbox, then what came, then whose flags changed, all as of one
// view. What does not fit into a batch is told in further ones, each with a view of its own. So
// that nothing is missed the marks (told, told_gone) move only when a kind is finished, and then to
// the version of the view in which it was begun; what changed meanwhile is told once more.
//
// The client's HIGHESTMODSEQ must never pass an expunge it was not told of, or it would miss it
// after a QRESYNC. So while expunges may not be told, flags are not told either to a session that
// has QRESYNC; new messages are (EXISTS has no MODSEQ). What its own STORE and FETCH say has one:
// then it is told how far it really is (RFC 7162 section 6).
#include "keep/imap/imap_updates.h"

#include "keep/imap/imap_context.h"
#include "keep/imap/imap_line.h"
#include "keep/imap/imap_notify.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_recent.h"
#include "store/change.h"

#include "base/banned.h"

#define VANISHED_RANGES_A_LINE 500
#define GONE_A_STEP            2000 // where contexts have to be told, too
#define OWN_RECORDS_MAX        1000

modseq imap_updates_modseq(const struct imap_session *s)
{
    return s->selected->highest ? s->selected->highest : 1;
}

// The system flags among `flags` (of the store), each with a blank before it but the first.
static void put_flags(struct buf *out, uint16_t flags)
{
    static const struct {
        uint16_t flag;
        const char *name;
    } names[] = {{FLAG_ANSWERED, "\\Answered"},
                 {FLAG_FLAGGED, "\\Flagged"},
                 {FLAG_DELETED, "\\Deleted"},
                 {FLAG_SEEN, "\\Seen"},
                 {FLAG_DRAFT, "\\Draft"}};
    const char *before = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (flags & names[i].flag) {
            buf_put_str(out, before);
            buf_put_str(out, names[i].name);
            before = " ";
        }
    }
}

static void put_keywords(struct buf *out, const struct span *keywords, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (imap_keyword_is_valid(keywords[i])) {
            buf_put_byte(out, ' ');
            buf_put(out, keywords[i]);
        }
    }
}

void imap_updates_flags_line(struct imap_session *s, const struct span *keywords, size_t n)
{
    struct imap_selected *sel = s->selected;

    OUT(s, "* FLAGS (");
    put_flags(s->out, imap_flags_allowed(ACL_ALL));
    put_keywords(s->out, keywords, n);
    OUT(s, ")\r\n* OK [PERMANENTFLAGS (");
    if (sel->is_read_only) {
        OUT(s, ")] Read-only\r\n");
    } else {
        put_flags(s->out, imap_flags_allowed(sel->rights));
        if (sel->rights & ACL_WRITE) {
            put_keywords(s->out, keywords, n);
            buf_put_str(s->out, n < KEYWORDS_PER_MAILBOX_MAX ? " \\*" : "");
        }
        OUT(s, ")] These are kept\r\n");
    }
    sel->keywords_told = (uint32_t)n;
}

// ---- what left ----------------------------------------------------------------------------------

static void tell_vanished(struct imap_session *s, struct uid_set gone)
{
    for (size_t i = 0; i < gone.count; i++) {
        bool first = i % VANISHED_RANGES_A_LINE == 0;

        buf_put_str(s->out, first ? "* VANISHED " : ",");
        buf_put_u64(s->out, gone.ranges[i].first);
        if (gone.ranges[i].last > gone.ranges[i].first) {
            buf_put_byte(s->out, ':');
            buf_put_u64(s->out, gone.ranges[i].last);
        }
        if ((i + 1) % VANISHED_RANGES_A_LINE == 0 || i + 1 == gone.count) {
            OUT(s, "\r\n");
        }
    }
}

// From the highest number down, so that no number changes under the next; as many as fit. Those
// told are left in `gone`.
static void tell_expunged(struct imap_session *s, struct uid_set *gone)
{
    const struct uid_map *map = &s->selected->map;
    size_t i = gone->count;

    while (i && !imap_batch_is_full(s)) {
        struct uid_range *r = &gone->ranges[--i];
        uint32_t seq = uid_map_seq(map, r->last), left = r->last - r->first + 1;

        for (; left && !imap_batch_is_full(s); left--, seq--) {
            OUT(s, "* ");
            buf_put_u64(s->out, seq);
            OUT(s, " EXPUNGE\r\n");
        }
        r->first += left;
    }
    gone->ranges += i;
    gone->count -= i;
}

// UIDs of the map that are there no more.
static enum err find_gone(struct imap_session *s, struct view *v, struct uid_set *out)
{
    struct imap_selected *sel = s->selected;
    struct uid_set gone;
    enum err e = view_vanished(v, sel->mailbox, sel->told_gone, NULL, &s->tell_arena, &gone);

    return e ? e : uid_map_known(&sel->map, gone, &s->tell_arena, out);
}

// As many from the top as go out in one step.
static enum err cut_gone(struct imap_session *s, struct uid_set *gone)
{
    uint64_t left = GONE_A_STEP;
    size_t i = gone->count;
    uint32_t first = 0;

    if (uid_set_size(*gone) <= left) {
        return ERR_OK;
    }
    while (i && left) {
        struct uid_range r = gone->ranges[--i];
        uint64_t here = (uint64_t)r.last - r.first + 1;

        first = here > left ? r.last - (uint32_t)left + 1 : r.first;
        left -= here < left ? here : left;
    }
    return uid_set_from(*gone, first, &s->tell_arena, gone);
}

static enum err tell_gone(struct imap_session *s, struct view *v, enum imap_telling telling,
                          bool *out_held, bool *out_more)
{
    struct imap_selected *sel = s->selected;
    struct uid_set gone = {0};
    enum err e = find_gone(s, v, &gone);

    *out_held = false;
    if (e || !gone.count) {
        sel->told_gone = e ? sel->told_gone : view_modseq(v);
        return e;
    }
    if (telling == TELL_NO_GONE) {
        *out_held = true;
        return ERR_OK;
    }
    uint64_t all = uid_set_size(gone);

    e = sel->contexts ? cut_gone(s, &gone) : ERR_OK;
    if (e) {
        return e;
    }
    imap_contexts_gone(s, gone);
    if (imap_is_enabled(s, IMAP_ENABLE_QRESYNC | IMAP_ENABLE_UIDONLY)) {
        tell_vanished(s, gone);
    } else {
        tell_expunged(s, &gone);
    }
    e = uid_map_remove(&sel->map, gone);
    e = e ? e : uid_map_remove(&sel->recent, gone);
    *out_more = uid_set_size(gone) < all || imap_batch_is_full(s);
    if (!e && uid_set_size(gone) == all) {
        sel->told_gone = view_modseq(v);
    }
    return e;
}

// ---- what came ----------------------------------------------------------------------------------

static enum err take_recent(struct imap_session *s, struct view *v, uint32_t first, uint32_t last)
{
    struct imap_selected *sel = s->selected;
    uint32_t from = imap_recent_first(s->server->recent, v, sel->mailbox, last + 1,
                                      !sel->is_read_only && !session_is_reader(&s->device));
    struct uid_set fresh;
    struct uid_range range = {from > first ? from : first, last};
    enum err e = ERR_OK;

    if (range.first <= last) {
        e = uid_map_known(&sel->map, (struct uid_set){&range, 1}, &s->tell_arena, &fresh);
        for (size_t i = 0; !e && i < fresh.count; i++) {
            e = uid_map_append(&sel->recent, fresh.ranges[i].first, fresh.ranges[i].last);
        }
    }
    return e;
}

static enum err tell_arrived(struct imap_session *s, struct view *v)
{
    struct imap_selected *sel = s->selected;
    struct placement_scan *scan;
    struct placement p;
    uint32_t before = sel->map.exists, last = uid_map_last(&sel->map), first = 0;

    if (last == UINT32_MAX) {
        return ERR_OK;
    }
    enum err e = placement_scan_open(v, sel->mailbox, last + 1, UINT32_MAX, 0, &scan);

    if (e) {
        return e;
    }
    while (!(e = placement_next(scan, &p))) {
        first = first ? first : p.uid;
        e = uid_map_append(&sel->map, p.uid, p.uid);
        e = e ? e : imap_notify_arrived(s, &p);
        if (e) {
            break;
        }
    }
    placement_scan_close(scan);
    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    if (sel->map.exists == before) {
        return e;
    }
    if (!e && !imap_is_rev2(s)) {
        e = take_recent(s, v, first, uid_map_last(&sel->map));
    }
    OUT(s, "* ");
    buf_put_u64(s->out, sel->map.exists);
    OUT(s, " EXISTS\r\n");
    if (!imap_is_rev2(s)) {
        OUT(s, "* ");
        buf_put_u64(s->out, sel->recent.exists);
        OUT(s, " RECENT\r\n");
    }
    return e;
}

// ---- whose flags changed ------------------------------------------------------------------------

static void tell_flags_of(struct imap_session *s, const struct placement *p, uint32_t seq,
                          const struct imap_keywords *keywords)
{
    struct imap_selected *sel = s->selected;

    bool is_uid_only = imap_is_uid_only(s);

    if (is_uid_only) {
        imap_line_begin_uid(s->out, p->uid);
    } else {
        imap_line_begin(s->out, seq);
    }
    // RFC 7162 section 3.2.4 wants the UID with CONDSTORE, RFC 5465 section 5.1 with NOTIFY.
    if (sel->condstore || s->notify || (!is_uid_only && (s->command.uid || imap_is_rev2(s)))) {
        imap_line_uid(s->out, p->uid);
        buf_put_byte(s->out, ' ');
    }
    imap_line_flags(s->out, p, sel->recent.exists && uid_map_seq(&sel->recent, p->uid), keywords);
    if (sel->condstore) {
        buf_put_byte(s->out, ' ');
        imap_line_modseq(s->out, p->changed);
    }
    imap_line_end(s->out);
}

static enum err scan_flags(struct imap_session *s, struct view *v,
                           const struct imap_keywords *keywords, uint32_t last, bool *out_more)
{
    struct imap_selected *sel = s->selected;
    struct placement_scan *scan;
    struct placement p;
    struct uid_cursor cursor = {0};
    enum err e = placement_scan_open(v, sel->mailbox, sel->pass_uid + 1, last, sel->told, &scan);

    *out_more = false;
    if (e) {
        return e;
    }
    while (!*out_more && !(e = placement_next(scan, &p))) {
        uint32_t seq = uid_map_seq_at(&sel->map, &cursor, p.uid);

        if (seq) {
            tell_flags_of(s, &p, seq, keywords);
        }
        sel->pass_uid = p.uid;
        *out_more = imap_batch_is_full(s);
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err tell_flags(struct imap_session *s, struct view *v, uint32_t last_before,
                           bool *out_more)
{
    struct imap_selected *sel = s->selected;
    struct imap_keywords keywords;

    *out_more = false;
    if (!sel->pass_goal) {
        sel->pass_goal = view_modseq(v);
        sel->pass_uid = 0;
    }
    enum err e = imap_keywords_of(v, sel->mailbox, &keywords);

    if (!e && keywords.n != sel->keywords_told) {
        imap_updates_flags_line(s, keywords.names, keywords.n);
    }
    if (!e && last_before > sel->pass_uid) {
        e = scan_flags(s, v, &keywords, last_before, out_more);
    }
    if (!e && !*out_more) {
        sel->told = sel->pass_goal;
        sel->pass_goal = 0;
    }
    return e;
}

// ---- all together -------------------------------------------------------------------------------

static enum err tell(struct imap_session *s, struct view *v, enum imap_telling telling,
                     bool *out_more, bool *out_behind)
{
    struct imap_selected *sel = s->selected;
    const struct mailbox *mailbox;
    bool held = false;
    enum err e = view_mailbox(v, sel->mailbox, &mailbox);

    if (e == ERR_NOT_FOUND || (!e && mailbox->is_no_select)) {
        sel->is_gone = true;
        return ERR_OK;
    }
    imap_place_refresh(s, v);
    if (sel->is_gone) {
        return ERR_OK;
    }
    if (!e && mailbox->highest_modseq <= sel->told && mailbox->highest_modseq <= sel->told_gone &&
        !sel->pass_goal && imap_contexts_are_told(sel, mailbox->highest_modseq)) {
        imap_contexts_pass(sel, view_modseq(v));
        sel->told = sel->told_gone = view_modseq(v);
        sel->highest = mailbox->highest_modseq;
        return ERR_OK;
    }
    modseq highest = e ? 0 : mailbox->highest_modseq;
    uint32_t wanted = imap_notify_selected(s);

    // What the session took out itself is told whatever it wants to be told by itself.
    if (!(wanted & IMAP_EVENT_MESSAGE_EXPUNGE) && telling != TELL_OWN_GONE) {
        telling = TELL_NO_GONE;
    }
    e = e ? e : tell_gone(s, v, telling, &held, out_more);
    if (*out_more) {
        return e;
    }
    uint32_t last_before = uid_map_last(&sel->map);

    if (wanted & IMAP_EVENT_MESSAGE_NEW) {
        e = e ? e : tell_arrived(s, v);
    }
    if (wanted & IMAP_EVENT_FLAG_CHANGE && !e &&
        !(held && imap_is_enabled(s, IMAP_ENABLE_QRESYNC))) {
        e = tell_flags(s, v, last_before, out_more);
    }
    if (!e && !*out_more) {
        imap_contexts_step(s, v, out_more);
    }
    // Who is not told everything has not seen everything.
    *out_behind = held || !(wanted & IMAP_EVENT_FLAG_CHANGE);
    if (!e && !*out_more && !*out_behind) {
        sel->highest = highest;
    }
    return e;
}

// The client may not pass what it has not been told with the MODSEQs it has just heard.
static void say_how_far(struct imap_session *s)
{
    OUT(s, "* OK [HIGHESTMODSEQ ");
    buf_put_u64(s->out, imap_updates_modseq(s));
    OUT(s, "] Not all is told yet\r\n");
}

enum imap_step imap_updates_step(struct imap_session *s, enum imap_telling telling)
{
    struct imap_selected *sel = s->selected;
    bool more = false, behind = false, qresync = imap_is_enabled(s, IMAP_ENABLE_QRESYNC);
    struct view *v;

    if (imap_contexts_are_inside(sel)) {
        return imap_contexts_fetch(s);
    }
    // The watcher's number is a hint that may lag behind a commit just acknowledged to somebody
    // else. It is good enough between FETCHes; where all may be told the store itself is asked.
    // With QRESYNC it is not: who hears a MODSEQ must know of the expunges before it.
    if (sel->is_gone || (telling == TELL_NO_GONE && !sel->pass_goal && !qresync &&
                         sel->told >= store_watch_version(sel->watch) &&
                         imap_contexts_are_told(sel, store_watch_version(sel->watch)))) {
        return STEP_DONE;
    }
    if (imap_view_open(s, s->selected->account, &v)) {
        if (qresync) {
            say_how_far(s);
        }
        return STEP_DONE; // told at the next occasion
    }
    arena_init(&s->tell_arena, IMAP_COMMAND_BYTES);
    enum err e = tell(s, v, telling, &more, &behind);

    view_close(v);
    arena_finish(&s->tell_arena);
    more = !e && more;
    if (qresync && (behind || e) && !more) {
        say_how_far(s);
    }
    return more ? STEP_MORE : STEP_DONE;
}

// ---- own changes --------------------------------------------------------------------------------

// Did anybody else change flags in the mailbox between what was told and `version`?
static bool others_changed(struct imap_session *s, struct view *v, modseq version)
{
    struct imap_selected *sel = s->selected;
    struct change_scan *scan;
    struct change c;
    bool found = false;
    int left = OWN_RECORDS_MAX;

    if (change_scan_open(v, sel->told, false, &scan)) {
        return true;
    }
    while (!found && !change_next(scan, &c) && c.number < version) {
        found = (c.mailbox == sel->mailbox && (c.kind == CHANGE_FLAGS || c.kind == CHANGE_SEEN)) ||
                --left == 0;
    }
    change_scan_close(scan);
    return found;
}

void imap_updates_own(struct imap_session *s, modseq version)
{
    struct imap_selected *sel = s->selected;
    struct view *v;

    if (sel->pass_goal || version <= sel->told) {
        return;
    }
    if (version == sel->told + 1) { // nothing at all happened between
        if (sel->told_gone == sel->told) {
            sel->told_gone = sel->highest = version;
        }
        sel->told = version;
        return;
    }
    if (imap_view_open(s, s->selected->account, &v)) {
        return;
    }
    if (!others_changed(s, v, version)) {
        sel->told = version;
    }
    view_close(v);
}
