// SPDX-License-Identifier: Apache-2.0
//
// Reading as another: whoever has signed in names another account as authorization identity (RFC
// 4422 section 3.4.1), and it is opened to them when a role of theirs reaches it. Off unless
// struct auth_options says so. By IMAP it takes the right read-mail, and is for reading only
// without change-mail; by ManageSieve the right rules. Who asks has a second factor and has shown
// an app password or a token of our own. Before it is opened the account's history says so. Runs in
// keep; any thread; blocks on the disk.
#ifndef AUTH_READ_AS_H
#define AUTH_READ_AS_H

#include "auth/auth.h"

// Is it allowed at all, at this moment? Does not block.
bool auth_reads_as(struct auth *a);

// Opens the account claim->acting_as to whoever has got `grant`: sets its opened, opened_with and
// is_read_only. With the name of one's own account nothing changes. ERR_DENIED: grant->why says it,
// in the same words whether there is such an account or not. ERR_UNAVAILABLE: it could not be
// looked up, or not be written into the history.
enum err auth_read_as(struct auth *a, const struct auth_claim *claim, struct auth_grant *grant);

// auth_grant_holds for a grant that opens another's account: is all of it still so? `reader` is who
// reads, `opened` (its user only) whose account. As there.
enum err auth_reader_holds(struct auth *a, const struct auth_grant *g, struct arena *arena,
                           struct auth_identity *reader, struct auth_identity *opened);

#endif
