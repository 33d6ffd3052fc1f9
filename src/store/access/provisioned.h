// SPDX-License-Identifier: Apache-2.0
//
// What an identity provider has said of an account by SCIM and is told again (row `q` of the
// account, docs/protocol/scim.md): its own id for the person, the parts of the name, which aliases
// it has made, and that it has deleted the person. Nothing here opens or closes anything: state,
// password and name are the account's. Threads and blocking: see store.h.
#ifndef STORE_PROVISIONED_H
#define STORE_PROVISIONED_H

#include "store/directory.h"

#define PROVISIONED_TEXT_MAX    255
#define PROVISIONED_ALIASES_MAX 50

struct provisioned {
    bool is_deleted;           // by the provider; the account is suspended and waits for its end
    int64_t changed;           // seconds since 1970: when the provider changed the account last
    struct span external_id;   // these may be empty
    struct span given, family; // parts of the name
    size_t alias_count;
    const struct span *aliases; // addresses, folded
};

// Spans live in the arena. An account without the row has one of zeros. ERR_NOT_FOUND: no account.
enum err provisioned_get(struct store *s, account_id account, struct arena *a,
                         struct provisioned *out);
// `changed` is set to now. ERR_INVALID: a text has control characters or is no UTF-8; ERR_LIMIT.
enum err provisioned_set(struct store *s, account_id account, const struct actor *by,
                         const struct provisioned *p);
bool provisioned_text_is_valid(struct span text);

// A row of docs/format/store.md, for the check: spans point into the value, `aliases` has room for
// PROVISIONED_ALIASES_MAX. ERR_CORRUPT.
enum err provisioned_decode(struct span value, struct span *aliases, struct provisioned *out);

#endif
