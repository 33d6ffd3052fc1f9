// SPDX-License-Identifier: Apache-2.0
//
// Whose mailbox a name means, and what this user may do there: the one way from a name of the wire
// to a mailbox of the store, and the one place where access control lists (RFC 4314) are asked.
//
// What is one's own has the names it has. What others share lies below "Other Users" (RFC 2342), a
// level for each of their addresses:
//   Other Users/anna@example.org/INBOX/Team
// Where somebody has no right at all that would let them know of a mailbox, it is for them as if it
// was not there: the same error as for a name that nobody has.
#ifndef KEEP_IMAP_PLACE_H
#define KEEP_IMAP_PLACE_H

#include "keep/imap/imap_session_internal.h"
#include "store/share/acl.h"

#define IMAP_OTHERS "Other Users"
// Each of these lets somebody know that a mailbox is there (RFC 4314 section 4 for MYRIGHTS).
#define IMAP_RIGHTS_KNOWN                                                                          \
    (ACL_LOOKUP | ACL_READ | ACL_INSERT | ACL_CREATE | ACL_DELETE_MAILBOX | ACL_ADMINISTER)

// Somebody who may do something with mailboxes: the user of this session, or of a URL.
struct imap_who {
    account_id account;
    struct span address;
    bool is_reader; // an administrator who reads the account, and not what others share with it
};

struct imap_place {
    account_id account;
    struct span name;              // in the account's tree; in the arena
    struct span full;              // as this user knows it
    struct view *view;             // of the account; open until imap_place_close
    bool is_same_domain;           // the account's and the user's
    bool is_own;                   // the user's own account
    uint32_t rights;               // enum acl_right; all of them for one's own
    const struct mailbox *mailbox; // NULL: there is none of that name, or nobody may know
};

// Finds whom and what a name means and opens a view of that account. ERR_INVALID: it can be no
// name, with the reason. ERR_NOT_FOUND: no such account (or no such level). A mailbox that is not
// there is no error: see `mailbox`. Everything else as view_open.
enum err imap_place_find(struct imap_session *s, struct span wire, struct imap_place *out,
                         const char **out_why);
void imap_place_close(struct imap_place *p); // also after an error

// The same for a mailbox that must be there, with all rights of `needs`. ERR_NOT_FOUND: there is
// none that one may know of (or it is \NoSelect, unless `any`); ERR_DENIED: it is there and a right
// is missing. With an error nothing is left open.
enum err imap_place_open(struct imap_session *s, struct span wire, uint32_t needs, bool any,
                         struct imap_place *out, const char **out_why);

// The same for somebody else than the session's user, whose names mean theirs: for URLs that are
// good for others (RFC 4467), and for nothing else. `full` of the place is not to be used then.
struct imap_who imap_place_who(const struct imap_session *s);
enum err imap_place_open_for(struct imap_session *s, const struct imap_who *who, struct span wire,
                             uint32_t needs, bool any, struct imap_place *out,
                             const char **out_why);
// The same for a mailbox whose metadata one may read (RFC 5464 section 3.3), or with `shared` set
// what all see of it; \NoSelect or not.
enum err imap_place_annotate(struct imap_session *s, struct span wire, bool shared,
                             struct imap_place *out, const char **out_why);
// Do the rights let one read it?
bool imap_place_may_annotate(uint32_t rights);

// "Other Users", and what is below it in the user's own tree: nothing new is made there.
bool imap_place_is_reserved(struct span name);

// The answer for an error of the two: NONEXISTENT (or TRYCREATE), NOPERM, CANNOT ...
enum imap_step imap_place_refuse(struct imap_session *s, enum err e, const char *why,
                                 bool try_create);

// What one may do in the nearest mailbox above a name, as CREATE and RENAME ask; all for one's own,
// 0 at the top of somebody else's tree.
uint32_t imap_place_rights_above(const struct imap_session *s, const struct imap_place *p);

// The name a mailbox of that account has for this user; in the arena; p NULL without memory.
struct span imap_place_name(struct imap_session *s, account_id account, struct span address,
                            struct span name);

// Looks anew at what one may do in the selected mailbox. Before each command and each telling.
void imap_place_refresh(struct imap_session *s, struct view *v);

// Who makes a change in an account: in somebody else's it is the user, by address.
struct actor imap_actor_in(const struct imap_session *s, account_id account);

// 0 for one's own account, else its id: what object identifiers name besides.
static inline account_id imap_owner(const struct imap_session *s, account_id account)
{
    return account == s->account ? 0 : account;
}

// The flags of the store that these rights let somebody set and clear.
uint16_t imap_flags_allowed(uint32_t rights);

// imap_acl.c: "* MYRIGHTS name rights".
void imap_myrights_write(struct imap_session *s, struct span shown, uint32_t rights);

#endif
