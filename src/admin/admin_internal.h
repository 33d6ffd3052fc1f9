// SPDX-License-Identifier: Apache-2.0
//
// What the operations share: one running operation, its arguments, its answers, accounts by name.
#ifndef ADMIN_ADMIN_INTERNAL_H
#define ADMIN_ADMIN_INTERNAL_H

#include "admin/admin.h"
#include "store/directory.h"
#include "store/directory/role.h"
#include "store/mailbox.h"

struct admin_call {
    const struct admin *admin;
    const struct admin_io *io;
    json_t *args; // an object
    struct admin_outcome *outcome;
    struct arena arena;         // for the operation
    struct admin_reader reader; // what the asker sends
    struct buf out;             // records not sent yet
    // Who asks, of admin_right.c.
    const struct admin_caller *by;
    enum err lost;                  // not ERR_OK: they may not go on, for this reason
    char lost_text[ADMIN_TEXT_MAX]; //
    bool may_everything;            // local root as itself
    bool only_looks;                // admin_caller's
    bool wants_factor;              // who asks must have a second factor: whoever is not local root
    account_id caller;              // otherwise whose roles count
    struct span caller_name;        // address
    struct role_holder roles;       //
    struct arena caller_arena;      // of these
    uint32_t right;                 // that the operation takes
    char origin[128];               // for the change log
};

typedef enum err admin_fn(struct admin_call *c);

// What an operation is done to, and so over what the caller must have the right.
enum admin_object {
    ON_SERVER = 1, // all domains
    ON_DOMAIN,     // the argument is a domain; missing: all domains
    ON_LIST,       // the same, but missing: over any; what is told is what admin_sees
    ON_ADDRESS,    // the argument is an address: its domain
    ON_ACCOUNT,    // the same; and nobody changes an account that may do more than they
    ON_ANY,        // over any domain: the operation asks admin_sees or admin_allowed itself
    ON_SELF,       // any one of the rights, over any domain: about the caller alone
};
struct admin_need {
    uint32_t rights; // all of these
    enum admin_object on;
    const char *arg; // NULL: none
};
struct admin_operation {
    const char *name;
    admin_fn *run;
    struct admin_need need;
};
extern const struct admin_operation admin_operations[]; // admin_operations.c; ends with no name

// Ends with an error: sets the sentence, returns `code`.
enum err admin_fail(struct admin_call *c, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// The same with the usual words for what the store says about `what` ("the account is full").
enum err admin_fail_store(struct admin_call *c, enum err code, const char *what);

// Arguments. Text: empty when missing; `p` NULL too.
struct span admin_text(struct admin_call *c, const char *name);
bool admin_bool(struct admin_call *c, const char *name);
// False when missing or no whole number >= 0.
bool admin_number(struct admin_call *c, const char *name, uint64_t *out);

// Sends an item (takes the reference). Collected; admin_flush sends. ERR_IO: the asker is gone.
enum err admin_item(struct admin_call *c, json_t *item);
enum err admin_data(struct admin_call *c, struct span bytes);
enum err admin_flush(struct admin_call *c);
// The next record from the asker; waits. ERR_EOF: it has ended.
enum err admin_receive(struct admin_call *c, enum admin_record_type *out_type,
                       struct span *out_payload);
bool admin_is_cancelled(struct admin_call *c); // also when it is allowed no more
void admin_progress(struct admin_call *c, uint64_t done, uint64_t total, const char *text);

json_t *admin_json_text(struct span s); // bytes that are no UTF-8 become U+FFFD
json_t *admin_json_limit(uint64_t max); // null for "none"
void admin_json_time(json_t *into, const char *name, int64_t seconds); // RFC 3339, UTC

// Who makes the changes of this call; lives as long as the call.
struct actor admin_actor(struct admin_call *c, enum actor_kind kind);

// admin_right.c
// Sets who asks. An error's sentence is set.
enum err admin_caller_set(struct admin_call *c, const struct admin_caller *by);
// May the caller do this, with the arguments as they are? ERR_DENIED with a sentence.
enum err admin_allowed(struct admin_call *c, const struct admin_operation *op);
enum err admin_allowed_named(struct admin_call *c, const char *operation);
// The right that the operation takes is the caller's over this domain (of an address: its domain).
bool admin_sees(const struct admin_call *c, struct span domain_or_address);
bool admin_sees_all(const struct admin_call *c);
// For operations that go on for long: is it still allowed? Sets the sentence; from then on the
// answer stays no. Asked by admin_flush, admin_receive and admin_is_cancelled, so between batches.
enum err admin_still_allowed(struct admin_call *c);
// Writes into the account's history that its mail is read, by whom and for what reason (argument
// "reason"). Local root needs no reason and is not kept from it by a disk that is full.
enum err admin_note_reading(struct admin_call *c, account_id account, const char *operation);

// admin_names.c
// The argument `name` as an address in its one spelling. Without a domain it gets the only domain
// there is. On an error the sentence is set.
enum err admin_address(struct admin_call *c, const char *name, struct span *out);
// The domain that an address given without one gets; empty: there are none or several.
struct span admin_only_domain(struct admin_call *c);
// The argument `name` as a domain, in the spelling the directory keeps. On an error the sentence is
// set.
enum err admin_domain(struct admin_call *c, const char *name, struct span *out);
enum err admin_domain_check(struct admin_call *c, struct span given, struct span *out);
// Sets the sentence about an account that is not there, with the nearest name.
enum err admin_no_account(struct admin_call *c, struct span name);
// The account of the argument "account"; a name that is nearly one is suggested.
enum err admin_account(struct admin_call *c, struct account *out);
// Sets the sentence about a mailbox that is not there, with the nearest name.
enum err admin_no_mailbox(struct admin_call *c, struct view *v, struct span name);
// Steps from one text to the other (insert, drop, replace, swap), at most `max` + 1. Names longer
// than 254 bytes are max + 1 apart.
unsigned admin_distance(struct span a, struct span b, unsigned max);

// admin_account.c: may the argument "password" or "password_hash" be the one of this account? On an
// error the sentence is set. `*out_hash`: of the argument, in memory the call's arguments own.
enum err admin_password_check(struct admin_call *c, struct span address, struct span *out_hash);
// Can an account of that name be made? On an error the sentence is set.
enum err admin_account_free(struct admin_call *c, struct span name);

// admin_route.c: adds "forward" and "forward_keeps_copy" when its mail is forwarded.
void admin_json_forwarding(struct admin_call *c, account_id account, json_t *into);

// admin_factor.c: what is required of the account may be new, or its second factor is gone: if it
// may not sign in so, its sessions end. Their number.
unsigned admin_factor_enforce(struct admin_call *c, account_id account, struct span name);

// admin_role.c: adds "roles" when it has some.
void admin_json_roles(struct admin_call *c, account_id account, json_t *into);

// admin_dkim.c: a line of a zone file, without its line end, the text in strings of 255 bytes.
void admin_put_zone_txt(struct buf *out, struct span name, struct span text);
// Forgets the keys of a domain that is no longer here.
void admin_dkim_forget(struct admin_call *c, struct span domain);

// The operations, one file each noun.
admin_fn admin_alert_list, admin_alert_test, admin_alert_mute;
admin_fn admin_ban_list, admin_ban_lift;
admin_fn admin_oauth_client_add, admin_oauth_client_list, admin_oauth_client_remove;
admin_fn admin_scim_token_add, admin_scim_token_list, admin_scim_token_remove;
admin_fn admin_directory_test, admin_directory_sync;
admin_fn admin_role_list, admin_role_show, admin_role_grant, admin_role_revoke, admin_role_add,
    admin_role_remove, admin_role_can;
admin_fn admin_domain_add, admin_domain_list, admin_domain_remove, admin_domain_alias_add,
    admin_domain_alias_list, admin_domain_alias_remove, admin_domain_catch_all, admin_domain_dns;
admin_fn admin_alias_add, admin_alias_list, admin_alias_remove, admin_account_forward;
admin_fn admin_route_add, admin_route_list, admin_route_remove, admin_route_show; // admin_relay.c
admin_fn admin_account_add, admin_account_batch, admin_account_import, admin_account_list,
    admin_account_name, admin_account_show, admin_account_passwd, admin_account_rename,
    admin_account_suspend, admin_account_resume, admin_account_remove, admin_account_hand_over,
    admin_account_quota, admin_account_signins;
admin_fn admin_device_add, admin_device_list, admin_device_set, admin_device_block,
    admin_device_unblock, admin_device_remove;
admin_fn admin_account_imap_without;             // admin_imap.c
admin_fn admin_domain_factor, admin_role_factor; // admin_factor.c
admin_fn admin_totp_add, admin_totp_confirm, admin_totp_show, admin_totp_remove, admin_totp_codes;
admin_fn admin_dkim_create, admin_dkim_list, admin_dkim_activate, admin_dkim_retire,
    admin_dkim_remove;
admin_fn admin_queue_list, admin_queue_show, admin_queue_retry, admin_queue_hold,
    admin_queue_release, admin_queue_remove, admin_queue_pause, admin_queue_resume,
    admin_queue_destinations;
admin_fn admin_sieve_list, admin_sieve_show, admin_sieve_put, admin_sieve_activate,
    admin_sieve_remove, admin_sieve_run;
admin_fn admin_mailbox_list, admin_mailbox_seen, admin_mailbox_share, admin_mailbox_shares,
    admin_import, admin_export, admin_check, admin_status, admin_reload, admin_log, admin_undo,
    admin_trace, admin_reports_list, admin_reports_show;

#endif
