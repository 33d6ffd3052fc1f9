// SPDX-License-Identifier: Apache-2.0
//
// Access control lists of mailboxes (RFC 4314): who besides the owner may do what with one, and
// which accounts share something with somebody. A list belongs to its mailbox (row `g`), goes with
// it when it is renamed, and is inherited by mailboxes that are made below it. The owner of the
// account has all rights, always, and stands in no list. Threads and blocking: see store.h.
#ifndef STORE_ACL_H
#define STORE_ACL_H

#include "store/mailbox.h"

// RFC 4314 section 2.1, in the order in which they are written.
enum acl_right {
    ACL_LOOKUP = 1 << 0,         // l
    ACL_READ = 1 << 1,           // r
    ACL_SEEN = 1 << 2,           // s
    ACL_WRITE = 1 << 3,          // w
    ACL_INSERT = 1 << 4,         // i
    ACL_POST = 1 << 5,           // p
    ACL_CREATE = 1 << 6,         // k
    ACL_DELETE_MAILBOX = 1 << 7, // x
    ACL_DELETE_MESSAGE = 1 << 8, // t
    ACL_EXPUNGE = 1 << 9,        // e
    ACL_ADMINISTER = 1 << 10,    // a
    ACL_ALL = (1 << 11) - 1,
};

// "lrswi..." to rights; "c" is k and x, "d" is t and e (section 2.1.1). ERR_INVALID: a letter that
// is none.
enum err acl_rights_parse(struct span text, uint32_t *out);
#define ACL_RIGHTS_BYTES_MAX 16
// The letters, with "c" and "d" where one of theirs is there (the section wants that). `room` has
// ACL_RIGHTS_BYTES_MAX.
struct span acl_rights_format(uint32_t rights, char *room);

enum acl_kind {
    ACL_ACCOUNT = 1, // one account, by its id: it may be renamed
    ACL_ANYONE,      // every account of the owner's domain
    ACL_GROUP,       // whoever is a member of a group (group.h), by its number
};
struct acl_who {
    enum acl_kind kind;
    uint64_t id; // of the account or the group; 0 of anyone
};
// What is given and what is taken away again ("-anna@example.org") stand apart.
struct acl_entry {
    struct acl_who who;
    uint32_t given, taken;
};
#define ACL_ENTRIES_MAX 1000
struct acl {
    struct acl_entry *entries;
    size_t n;
};

// The mailbox's list, in the arena; empty when there is none. ERR_CORRUPT.
enum err view_acl(struct view *v, mailbox_id mailbox, struct arena *a, struct acl *out);
// What somebody who is not the owner may do: all that is given, less all that is taken. Where it is
// not known whether they are a member of a group, nothing is given and what is taken is taken.
struct acl_groups;
uint32_t acl_rights(const struct acl *acl, account_id reader, bool is_same_domain,
                    const struct acl_groups *groups);
// The same of a mailbox; 0 also for one that is not there or whose list cannot be read.
uint32_t view_acl_rights(struct view *v, mailbox_id mailbox, account_id reader,
                         bool is_same_domain);

enum acl_how { ACL_SET, ACL_ADD, ACL_REMOVE };
struct acl_change {
    mailbox_id mailbox;
    struct acl_who who;
    struct span name; // of whom, for the history
    bool is_negative;
    enum acl_how how;
    uint32_t rights; // 0 with ACL_SET: the entry goes
};
// One commit. ERR_NOT_FOUND: no such mailbox; ERR_LIMIT: too many entries; ERR_INVALID: the owner.
enum err acl_set(struct store *s, account_id account, const struct actor *by,
                 const struct acl_change *c);

// ---- who shares with whom -----------------------------------------------------------------------

// Accounts that have a mailbox with an entry for `reader`, a group of theirs, or anyone of the
// domain; each once, ascending, without `reader` itself; in the arena. What the entry says is the
// list's to say.
enum err acl_owners(struct store *s, account_id reader, struct span domain, struct arena *a,
                    account_id **out, size_t *out_count);
// Watches for changes of that, and of who is a member of groups, whoever's they are; see
// store_watch_add.
enum err acl_owners_watch(struct store *s, store_watch_fn *fn, void *arg, struct store_watch **out);
// Writes anew who shares with whom for this account: after it got another domain, and for
// `mailkeep check --repair`.
enum err acl_reindex(struct store *s, account_id account);

// A row of docs/format/store.md, for the check. ERR_CORRUPT.
enum err acl_decode(struct span value, struct arena *a, struct acl *out);

#endif
