// SPDX-License-Identifier: Apache-2.0
//
// Accounts whose password is the directory's (docs/directories.md): made at a first sign-in, and
// looked up again every so often. Whoever the directory does not know any more gets out by every
// credential, and in again when they are back; when it cannot be asked nothing changes. What it
// says of a person besides is taken over at both times (keep_directory_person.h).
#ifndef KEEP_KEEP_DIRECTORY_H
#define KEEP_KEEP_DIRECTORY_H

#include "admin/admin.h"
#include "auth/vouch.h"
#include "store/store.h"

struct keep_directory;

struct keep_directory_options {
    struct store *store;
    struct auth_vouch vouch;              // ask
    uint64_t quota_bytes, quota_messages; // of accounts that are made
    int64_t interval_ms;                  // 0: no looking up
    const struct span *roles;             // the items of ldap_roles; copied
    size_t role_count;
    // Ends all sessions of the account, whom the directory does not know any more. May block.
    void (*end_sessions)(void *arg, account_id account);
    void *arg;
};

enum err keep_directory_start(const struct keep_directory_options *o, struct keep_directory **out);
void keep_directory_stop(struct keep_directory *d); // NULL is allowed

// For struct auth_vouch, with the keep_directory as `arg`. Any thread; blocks on the disk.
enum err keep_directory_make(struct keep_directory *d, struct span name);
void keep_directory_said(struct keep_directory *d, struct span name,
                         const struct auth_vouch_answer *answer);

// Looks all of them up now. Where ten or more, and more than half of all, would be put out at once,
// nobody is unless `force`: a wrong filter is likelier. The same for the directory's roles.
// ERR_UNAVAILABLE: the directory could not be asked about all of them; what was found out before
// that is in force. ERR_DENIED: too many would be put out (out->gone), or would lose roles
// (out->losing); what concerns nobody of these is done.
// `*out` is set in any case. Any thread; blocks for long.
enum err keep_directory_sync(struct keep_directory *d, bool force,
                             struct admin_directory_counts *out);

#endif
