// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/undo share: what the log says of each thing, read anew for every phase.
// A thing is "theirs" while the last change of it is one that is to be undone; `base` is how
// somebody else left it before.
#ifndef STORE_UNDO_UNDO_INTERNAL_H
#define STORE_UNDO_UNDO_INTERNAL_H

#include "base/map.h"
#include "store/rules_internal.h"
#include "store/undo/undo.h"

#define UNDO_TRACKS_MAX  2000000u
#define UNDO_ARENA_BYTES (1024u << 20)
#define UNDO_AT_ONCE     2000 // messages of a commit

struct undo_keyword {
    struct undo_keyword *next;
    struct span name;
    bool base, is_theirs, is_left;
};

// One message in one place, wherever it has gone since.
struct undo_track {
    struct undo_track *next;                         // all, newest first
    struct undo_track *next_gone;                    // of the same message
    mailbox_id mailbox;                              // where it is, or was when it went
    uint32_t uid;                                    // 0: it is gone
    message_id message;                              // 0: not known
    mailbox_id base_mailbox;                         // 0: it was not there
    bool place_is_theirs, place_is_left, is_touched; // is_touched: by others, anything
    uint16_t base_flags, their_flags, left_flags;
    uint16_t gone_flags; // when it went
    struct undo_keyword *keywords;
    size_t gone_keyword_count;
    struct span *gone_keywords; // NULL: not known
    mailbox_id target;          // while planning
};

// A mailbox that the log names.
struct undo_box {
    struct undo_box *next;
    mailbox_id id, successor; // successor: made under its name after it was deleted
    bool is_gone, is_dead;    // dead: gone, or only a level of the hierarchy
    struct span name;         // as the log has it last
    size_t keyword_count;     // that it had when it was deleted
    struct span *keywords;
    // life
    bool life_is_theirs, base_exists;
    // name
    bool name_is_theirs, name_is_left;
    struct span base_name;
    // special uses
    bool use_is_theirs, use_is_left;
    uint8_t base_use;
};

struct undo_subscription {
    struct undo_subscription *next;
    mailbox_id mailbox; // 0: by name
    struct span name;
    bool base, is_theirs, is_left;
};

struct undo_rule {
    struct undo_rule *next;
    struct rules_past base;
    bool is_theirs, is_left;
};

struct undo_uid { // of a move being read
    uint32_t uid;
    message_id message;
};
struct undo_uids {
    struct undo_uid *p;
    size_t n, cap;
};

struct undo_plan {
    const struct undo_what *what;
    struct view *view;
    struct arena arena;
    struct map at, gone; // tracks by mailbox and UID; by message
    struct undo_track *tracks;
    size_t track_count;
    struct undo_box *boxes;
    struct undo_subscription *subscriptions;
    struct undo_rule *rules;
    uint64_t sent_copies, others, unknown_keywords, past_gone;
    // the entry being read
    modseq number;
    bool is_theirs, has_rules, has_renamed;
    mailbox_id moved_from, moved_to;
    struct undo_uids out, in;
};
// Reads the log. ERR_NOT_FOUND: no account.
enum err undo_plan_begin(struct undo_plan *p, struct store *s, account_id account,
                         const struct undo_what *what, bool *out_is_cut);
void undo_plan_end(struct undo_plan *p);

struct undo_box *undo_box_get(struct undo_plan *p, mailbox_id id); // NULL: no memory
// The box that is there for one that may have been deleted; with `is_dead` when none is.
struct undo_box *undo_box_now(struct undo_plan *p, mailbox_id id);
// Remembers the keywords of one that was deleted.
enum err undo_box_learn(struct undo_plan *p, const struct change *c);
// A keyword by its number; false: nobody knows.
bool undo_box_keyword(struct undo_plan *p, mailbox_id id, size_t n, struct span *out);
enum err undo_read_box(struct undo_plan *p, const struct change *c, bool theirs);
enum err undo_read_rules(struct undo_plan *p, modseq number, bool theirs);

// One run: what all phases know.
struct undo_work {
    struct store *store;
    account_id account;
    const struct actor *by;
    const struct undo_what *what;
    bool is_trial, is_one_by_one; // the second: names that are blocked do not block others
    undo_fn *fn;
    void *arg;
    struct undo_result *out;
};
void undo_say(struct undo_work *w, enum undo_kind kind, struct span mailbox, struct span other,
              uint64_t count);
void undo_say_left(struct undo_work *w, enum undo_kind kind, struct span mailbox, struct span other,
                   uint64_t count, const char *why);
// Names of a mailbox of the plan, as it is or was.
struct span undo_box_name(struct undo_plan *p, mailbox_id id);

// The phases, in this order, each with a plan of its own (in a trial: all with one).
enum err undo_boxes_back(struct undo_work *w, struct undo_plan *p);  // names, deleted ones
enum err undo_places_back(struct undo_work *w, struct undo_plan *p); // where messages are
enum err undo_flags_back(struct undo_work *w, struct undo_plan *p);
enum err undo_rules_back(struct undo_work *w, struct undo_plan *p);
enum err undo_boxes_away(struct undo_work *w,
                         struct undo_plan *p); // uses, subscriptions, made ones
// What stays, from a plan made after all of it.
void undo_boxes_left(struct undo_work *w, struct undo_plan *p);
void undo_messages_left(struct undo_work *w, struct undo_plan *p);
void undo_rules_left(struct undo_work *w, struct undo_plan *p);

// All of these at once. ERR_EXISTS: a name is taken; ERR_NOT_FOUND: one is not called so any more.
struct undo_name {
    mailbox_id mailbox;
    struct span from, to;
};
enum err undo_names(struct store *s, account_id account, const struct actor *by,
                    const struct undo_name *names, size_t count);

// Messages to be brought back into one mailbox, in one commit, in order of message. `is_missing` is
// set for those whose time was up.
struct undo_item {
    message_id message;
    mailbox_id from; // where it was
    uint16_t flags;
    bool has_keywords; // else those kept with the message count
    const struct span *keywords;
    size_t keyword_count;
    bool is_missing;
    int64_t date; // of the restoration's own
    int16_t zone_minutes;
};
enum err undo_restore(struct store *s, account_id account, const struct actor *by, mailbox_id to,
                      struct undo_item *items, size_t count);

#endif
