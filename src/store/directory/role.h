// SPDX-License-Identifier: Apache-2.0
//
// What administrators may do: rights, roles (named sets of rights) and who has which role over
// which domains. Kept in account 0 (docs/format/store.md); nobody has a role until somebody gives
// it. What takes which right is admin/'s table. Threads and blocking: see store.h.
#ifndef STORE_DIRECTORY_ROLE_H
#define STORE_DIRECTORY_ROLE_H

#include "store/store.h"

#define ROLE_NAME_BYTES_MAX  64
#define ROLE_WORDS_BYTES_MAX 200
#define ROLE_SETS_MAX        200 // made by administrators
#define ROLE_GRANTS_MAX      20  // of one account
#define ROLE_DOMAINS_MAX     100 // of one account, all its roles together

// The numbers are stored.
enum role_right {
    RIGHT_SEE = 1 << 0,          // what there is: accounts and their sizes, domains, aliases, state
    RIGHT_PASSWORDS = 1 << 1,    // reset passwords, make, change and block devices
    RIGHT_ACCOUNTS = 1 << 2,     // make, rename, suspend and remove accounts, their quota
    RIGHT_ADDRESSES = 1 << 3,    // aliases, groups, catch-alls, forwarding
    RIGHT_KEYS = 1 << 4,         // keys that sign mail (DKIM)
    RIGHT_RULES = 1 << 5,        // filter scripts: read and change them
    RIGHT_TRACE = 1 << 6,        // the way of messages: who wrote to whom, when
    RIGHT_REPORTS = 1 << 7,      // what others report (DMARC, TLS)
    RIGHT_HISTORY = 1 << 8,      // an account's history
    RIGHT_QUEUE = 1 << 9,        // hold, release and remove mail that waits
    RIGHT_SERVER = 1 << 10,      // domains, routes, settings, check
    RIGHT_READ_MAIL = 1 << 11,   // other people's mail
    RIGHT_CHANGE_MAIL = 1 << 12, // the same, to change it: import, rules run on what is there
    RIGHT_ROLES = 1 << 13,       // give and take roles, as far as one's own rights go
};
#define ROLE_RIGHTS      14
#define ROLE_RIGHTS_ALL  ((1u << ROLE_RIGHTS) - 1)
#define ROLE_RIGHTS_LOOK (RIGHT_SEE | RIGHT_TRACE | RIGHT_REPORTS | RIGHT_HISTORY)

// "read-mail" and the like; NULL: no such bit.
const char *role_right_name(unsigned bit);
// 0: no such name.
uint32_t role_right_by_name(struct span name);

// ---- roles --------------------------------------------------------------------------------------

struct role {
    struct span name;  // lower case letters, digits and '-'
    struct span words; // what it is for
    uint32_t rights;
    bool is_builtin;
};

// The built-in ones: owner, domain-admin, help-desk, auditor. NULL: the end.
const struct role *role_builtin(size_t i);
bool role_name_is_good(struct span name);
// Spans in the arena. ERR_NOT_FOUND.
enum err role_find(struct store *s, struct span name, struct arena *a, struct role *out);
typedef bool role_fn(void *arg, const struct role *role); // false: stop
// The built-in ones, then the others in order of their names.
enum err role_list(struct store *s, role_fn *fn, void *arg);
// A set of rights under a new name. ERR_EXISTS; ERR_INVALID: no such name is possible, or no right
// is in it; ERR_LIMIT: too many, or a text is too long.
enum err role_add(struct store *s, const struct actor *by, const struct role *role);
// ERR_NOT_FOUND; ERR_DENIED: somebody has it; ERR_INVALID: it is built in.
enum err role_remove(struct store *s, const struct actor *by, struct span name);

// ---- who has them -------------------------------------------------------------------------------

struct role_grant {
    struct span role;
    uint32_t rights; // that the role gives now; 0: there is no such role any more
    bool is_everywhere;
    const struct span *domains; // unless everywhere; at least one
    size_t domain_count;
    int64_t since;     // when it was given, seconds since 1970
    bool by_directory; // a group in the directory gives it (docs/directories.md), nobody by hand
};

struct role_holder {
    account_id account;
    const struct role_grant *grants;
    size_t count;
};

// What an account holds; in the arena. Somebody without roles, and an account that is not there,
// has a count of 0.
enum err role_holder_get(struct store *s, account_id account, struct arena *a,
                         struct role_holder *out);
typedef bool role_holder_fn(void *arg, const struct role_holder *holder); // false: stop
enum err role_holder_list(struct store *s, role_holder_fn *fn, void *arg);

// The rights over one domain (as the directory spells it), over all domains, and over any.
uint32_t role_rights_over(const struct role_holder *h, struct span domain);
uint32_t role_rights_everywhere(const struct role_holder *h);
uint32_t role_rights_anywhere(const struct role_holder *h);
// Everything `b` may do, `a` may do as well.
bool role_covers(const struct role_holder *a, const struct role_holder *b);
// May `who` change or open an account of the domain that has the roles `its`? Nobody reaches one
// that may do more than they, or the same: that would be a way up, or one administrator locking out
// the other. Who gives roles away reaches their equals.
bool role_reaches(const struct role_holder *who, const struct role_holder *its, struct span domain);

// Gives a role over domains that are here, or over all (`count` 0, also of those to come). Domains
// are added to those there are. ERR_NOT_FOUND: no such account, role or domain; `*out_what` (may be
// NULL) says which: "account", "role", "domain". ERR_EXISTS: it has that already. ERR_LIMIT.
enum err role_grant(struct store *s, const struct actor *by, account_id account, struct span role,
                    const struct span *domains, size_t count, const char **out_what);
// Takes it back, over these domains or altogether (`count` 0). ERR_NOT_FOUND: the account does not
// have it; ERR_INVALID: some domains cannot be taken from a role over all.
enum err role_revoke(struct store *s, const struct actor *by, account_id account, struct span role,
                     const struct span *domains, size_t count);

// ---- what groups in a directory give ------------------------------------------------------------

// The account has of the directory these roles (`role`, `is_everywhere` and `domains` of each
// count), and no others; what was given by hand stays. Roles and domains that are not here are left
// out, and a role whose domains are all not here is none. `*out_changed`: whether anything was.
// ERR_NOT_FOUND: no such account; ERR_LIMIT.
enum err role_directory_set(struct store *s, const struct actor *by, account_id account,
                            const struct role_grant *grants, size_t count, bool *out_changed);
// Would that take anything away? As far as `h` tells, and `grants` are here.
bool role_directory_loses(const struct role_holder *h, const struct role_grant *grants,
                          size_t count);

#endif
