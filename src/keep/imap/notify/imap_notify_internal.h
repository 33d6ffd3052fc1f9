// SPDX-License-Identifier: Apache-2.0
//
// What a client asked NOTIFY for, and how far it was told. Only files of this folder.
//
// The change logs are read, from where the client was told up to: telling costs what changed, and
// nothing is kept for a mailbox of the user's own. Of what others share is remembered what the user
// could see of it: what is given and taken away again shows only in the difference.
#ifndef KEEP_IMAP_NOTIFY_INTERNAL_H
#define KEEP_IMAP_NOTIFY_INTERNAL_H

#include "keep/imap/imap_notify.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/message/imap_fetch.h"
#include "store/change.h"

// Everything of one NOTIFY together, what is seen of others' mailboxes not counted.
#define NOTIFY_BYTES_MAX    (4u << 20)
#define NOTIFY_ACCOUNTS_MAX 500
#define NOTIFY_SEEN_BYTES   (1u << 20) // of one other account
// Records of a change log read in one step.
#define NOTIFY_RECORDS_MAX 1000

#define NOTIFY_EVENTS                                                                              \
    (IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE | IMAP_EVENT_FLAG_CHANGE |                \
     IMAP_EVENT_MAILBOX_NAME | IMAP_EVENT_SUBSCRIPTION_CHANGE |                                    \
     IMAP_EVENT_MAILBOX_METADATA_CHANGE | IMAP_EVENT_SERVER_METADATA_CHANGE)

struct notify_group {
    enum imap_notify_filter filter;
    uint32_t events;
    struct span *names; // as the user knows them, ascending by span_cmp
    size_t n;
};

// A mailbox of somebody else's that the user can see.
struct notify_seen {
    mailbox_id id;
    struct span name; // full
    bool can_read;
};
struct notify_seen_all {
    struct arena arena;
    struct notify_seen *items; // ascending by id
    size_t n;
};

struct notify_account {
    account_id id; // 0: the server, of which only its metadata is told
    struct span address;
    bool is_same_domain;
    struct store_watch *watch;
    modseq told;
    struct notify_seen_all seen; // empty for the user's own
};

struct imap_notify {
    struct arena arena; // what was asked for
    uint32_t selected;
    bool is_delayed;
    const struct imap_fetch_item *items; // of messages that come into the selected mailbox
    size_t item_n;
    struct notify_group *groups;
    size_t group_n;
    bool asks_others; // a name below "Other Users", or SUBSCRIBED
    bool asks_server; // ServerMetadataChange

    struct notify_account *accounts; // the user's own first; malloc
    size_t account_n;
    struct store_watch *owners_watch;
    modseq owners_told;
    uint64_t groups_told; // groups_mark of the user

    struct uid_map fresh; // told as EXISTS, still to be fetched
    struct imap_fetcher *fetcher;
    struct actor_entries own;
};

// ---- imap_notify_match.c: which events are wanted -----------------------------------------------

// The events wanted of a mailbox by its name as the user knows it.
uint32_t notify_events_of(const struct imap_notify *n, struct span full, bool is_own,
                          bool is_subscribed);
// The user is subscribed to a name; `own`: a view of the user's own account.
bool notify_is_subscribed(struct view *own, struct span full);
// May any of somebody's mailboxes be meant? `prefix`: "Other Users/anna@example.org".
bool notify_reaches(const struct imap_notify *n, struct view *own, struct span prefix);

// ---- imap_notify_accounts.c: whose mailboxes ----------------------------------------------------

// The user's own account, watched from now. ERR_NOMEM and what views give.
enum err notify_accounts_begin(struct imap_session *s, struct imap_notify *n);
// Whoever shares something that was asked for: comes in, with nothing seen yet, or goes again.
// `is_first`: what can be seen now is no news. ERR_LIMIT: too many.
enum err notify_accounts_refresh(struct imap_session *s, struct imap_notify *n, bool is_first);
void notify_accounts_finish(struct imap_notify *n);
// What the user can see of the account now.
enum err notify_look(struct imap_session *s, const struct notify_account *a, struct view *v,
                     struct notify_seen_all *out);

// ---- imap_notify_tell.c: the responses ----------------------------------------------------------

// The next batch of what changed in an account. `*out_more`: there is more.
// ERR_LIMIT: the log does not reach back so far.
enum err notify_tell(struct imap_session *s, struct imap_notify *n, struct notify_account *a,
                     bool *out_more);
// STATUS for a mailbox of which these events are wanted (RFC 5465 section 3.1). `is_first`: that of
// the indicator, which has UIDVALIDITY always.
void notify_status(struct imap_session *s, struct view *v, const struct mailbox *mailbox,
                   struct span full, uint32_t events);
// "* LIST (...) name" with what is true of it now, `old` as its OLDNAME. `v`: of the account.
void notify_list(struct imap_session *s, struct view *v, bool is_own, struct view *own,
                 struct span name, struct span full, struct span old, bool no_access);
// What was seen of an account before and is seen now, as LIST.
void notify_difference(struct imap_session *s, struct imap_notify *n,
                       const struct notify_account *a, struct view *v, struct view *own,
                       const struct notify_seen_all *before, const struct notify_seen_all *now);

#endif
