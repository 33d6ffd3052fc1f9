// SPDX-License-Identifier: Apache-2.0
//
// Who has mail here: domains and accounts, kept in the engine's account 0. Names are addresses
// (local@domain), folded to lower case and NFC; at most 254 bytes. Threads and blocking: see
// store.h.
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "store/store.h"

enum account_state { ACCOUNT_ACTIVE = 1, ACCOUNT_SUSPENDED, ACCOUNT_REMOVED };

// How an account is suspended. Nobody gets in, in any case.
struct account_suspension {
    bool takes_mail;   // what comes for it is still delivered, and forwarded; otherwise refused
    bool is_team;      // a team's: who may post to its INBOX (acl.h) sends as it; takes mail, too
    int64_t remove_at; // seconds since 1970, 0: never
};

struct account {
    account_id id;
    struct span name; // address
    struct span display_name;
    struct span password_hash; // see auth/password.h; empty: no password sign-in
    enum account_state state;
    struct account_suspension suspension; // when it is suspended
    int64_t created;                      // seconds since 1970
    uint64_t quota_bytes_max;             // UINT64_MAX: none
    uint64_t quota_messages_max;
};

// Lower case, NFC, local@domain with sane parts; a name without domain gets `default_domain` when
// that is not empty. ERR_INVALID with a reason.
enum err directory_name_check(struct arena *a, struct span name, struct span default_domain,
                              struct span *out, const char **out_reason);

enum err directory_domain_add(struct store *s, const struct actor *by, struct span domain);
// ERR_DENIED while it still has accounts, aliases or other names (route.h).
enum err directory_domain_remove(struct store *s, const struct actor *by, struct span domain);
typedef bool directory_domain_fn(void *arg, struct span domain, uint64_t accounts); // false: stop
enum err directory_domain_list(struct store *s, directory_domain_fn *fn, void *arg);

// Makes the account with INBOX and, with `standard_mailboxes`, Drafts, Sent, Junk, Trash, Archive
// (special use set, subscribed). ERR_NOT_FOUND: no such domain. ERR_EXISTS.
enum err directory_account_add(struct store *s, const struct actor *by, struct span name,
                               struct span password_hash, bool standard_mailboxes, account_id *out);
// Spans live in the arena. ERR_NOT_FOUND.
enum err directory_account_by_name(struct store *s, struct span name, struct arena *a,
                                   struct account *out);
enum err directory_account_by_id(struct store *s, account_id id, struct arena *a,
                                 struct account *out);
// The id alone, also of an account whose own records cannot be read. ERR_NOT_FOUND.
enum err directory_id_by_name(struct store *s, struct span name, account_id *out);
typedef bool directory_account_fn(void *arg, const struct account *account); // false: stop
// Accounts in order of name; `domain` empty: all.
enum err directory_account_list(struct store *s, struct span domain, directory_account_fn *fn,
                                void *arg);
enum err directory_account_rename(struct store *s, const struct actor *by, account_id id,
                                  struct span name);
enum err directory_account_set_password(struct store *s, const struct actor *by, account_id id,
                                        struct span password_hash);
#define DISPLAY_NAME_BYTES_MAX 255
// What people call its owner; empty: nothing. UTF-8 without control characters, else ERR_INVALID.
enum err directory_account_set_display_name(struct store *s, const struct actor *by, account_id id,
                                            struct span name);
// The same password under a new hash, on condition that `before` is still its hash.
// ERR_CONFLICT: it is not; nothing has changed.
enum err directory_account_renew_hash(struct store *s, const struct actor *by, account_id id,
                                      struct span before, struct span password_hash);
enum err directory_account_set_state(struct store *s, const struct actor *by, account_id id,
                                     enum account_state state);
// Suspends it, or a suspended one in another way.
enum err directory_account_suspend(struct store *s, const struct actor *by, account_id id,
                                   const struct account_suspension *how);
// Writes a line into the account's history and changes nothing. At most 512 bytes.
enum err directory_account_note(struct store *s, const struct actor *by, account_id id,
                                struct span words);
// Removes the account and everything in it, for good.
enum err directory_account_remove(struct store *s, const struct actor *by, account_id id);

#endif
