// SPDX-License-Identifier: Apache-2.0
//
// One request of an identity provider, for the files that answer it.
#ifndef KEEP_SCIM_INTERNAL_H
#define KEEP_SCIM_INTERNAL_H

#include "base/lock.h"
#include "ipc/control_server.h"
#include "keep/scim/keep_scim.h"
#include "store/access/provisioned.h"
#include "store/directory/scim_token.h"
#include "wire/scim/scim.h"

#define SCIM_PAGE_MAX         100         // users in one answer
#define SCIM_ANSWER_BYTES_MAX (90u << 10) // the gate takes 96 KiB
#define SCIM_VERSION_BYTES    24          // W/"0123456789abcdef"

struct keep_scim {
    struct keep_scim_options options;
    struct control_server *server;
    struct lock lock; // one change at a time, so that what If-Match saw is what is changed
};

struct scim_call {
    struct keep_scim *scim;
    struct control_call *call;
    struct admin admin;
    struct arena arena;
    struct scim_token token;
    struct admin_provisioner provisioner;
    struct admin_caller caller;
    // The answer.
    unsigned status;
    struct buf body;
    char version[SCIM_VERSION_BYTES]; // of the resource in it; empty: none
    struct span location;             // below /scim/v2; empty: none
    struct scim_error error;          // with ERR_INVALID
};

// Answers a question: sets status and body. ERR_INVALID with `error` set; other errors say what
// went wrong in the store.
typedef enum err scim_fn(struct scim_call *c);

struct span scim_arg(const struct scim_call *c, const char *name); // empty: missing
json_t *scim_arg_json(const struct scim_call *c, const char *name);
enum err scim_put_json(struct scim_call *c, const json_t *j);

// ---- scim_user.c --------------------------------------------------------------------------------

struct scim_user {
    struct account account;
    struct provisioned said;
};

bool scim_user_is_deleted(const struct scim_user *u);
// Also one that is deleted. ERR_NOT_FOUND: none of that id, or not in the token's domains.
enum err scim_user_load_any(struct scim_call *c, account_id id, struct scim_user *out);
enum err scim_user_load(struct scim_call *c, account_id id, struct scim_user *out);
// The one of the argument "id".
enum err scim_user_arg(struct scim_call *c, struct scim_user *out);
account_id scim_user_id(struct span text); // 0: it is none
// The resource; a new reference, NULL without memory. `version` (may be NULL) gets its own.
json_t *scim_user_json(struct scim_call *c, const struct scim_user *u,
                       char version[SCIM_VERSION_BYTES]);
// The user as the answer.
enum err scim_answer_user(struct scim_call *c, unsigned status, account_id id);
// Do the conditions of the request (If-Match) hold? ERR_INVALID: 412.
enum err scim_check_match(struct scim_call *c, const char *version);
// "Anna Müller" in the arena, of the parts that are there. p is NULL without memory.
struct span scim_join_name(struct scim_call *c, struct span given, struct span family);

// ---- scim_wanted.c: what a resource asks for ----------------------------------------------------

struct scim_wanted {
    struct span address; // folded, in a domain of the token's
    struct span display, external_id, given, family;
    struct span password; // p is NULL: it stays
    bool is_active;
    size_t alias_count;
    const struct span *aliases; // folded, each once, in domains of the token's
};
// `before` has what there is (of somebody new: nothing). ERR_INVALID: what cannot be.
enum err scim_wanted_read(struct scim_call *c, const json_t *resource,
                          const struct scim_user *before, struct scim_wanted *out);

// ---- the answers --------------------------------------------------------------------------------

scim_fn scim_get;                                           // scim_user.c
scim_fn scim_list;                                          // scim_list.c
scim_fn scim_create, scim_replace, scim_patch, scim_delete; // scim_change.c
scim_fn scim_config, scim_types, scim_schemas;              // scim_schema.c

#endif
