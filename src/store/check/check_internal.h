// SPDX-License-Identifier: Apache-2.0
//
// The check of one account, in eight files: store_check.c (what is looked at, the directory, the
// bodies), check_mailboxes.c (mailboxes, names, keywords, placements), check_messages.c (messages,
// restorable ones, threads, the change log), check_rules.c (aliases, scripts, forwarding, devices,
// sign-ins), check_shares.c (who else may use it), check_groups.c (who is a member of which group),
// check_metadata.c, check_seen.c. Only these include this.
//
// With `ed` the same code mends as it goes: the whole account is checked in one edit, and what can
// be derived is put into its batch.
#ifndef STORE_CHECK_CHECK_INTERNAL_H
#define STORE_CHECK_CHECK_INTERNAL_H

#include "store/check/store_check.h"
#include "store/store_internal.h"

struct id_list {
    uint64_t *p;
    size_t n, cap;
};
void id_list_add(struct id_list *l, uint64_t id, bool *out_failed);
void id_list_sort(struct id_list *l);
// How many times `id` is in the sorted list at *at or after; moves *at behind it. Asked ascending.
size_t id_list_count(const struct id_list *l, size_t *at, uint64_t id);

struct check_mailbox {
    struct mailbox_record record;
    bool is_broken;  // the record cannot be read
    bool has_switch; // there is an entry METADATA_SEEN
    size_t keyword_count;
    // recounted
    uint32_t exists, unseen, deleted, last_uid, last_key;
    uint64_t bytes;
    modseq highest;
};

struct check {
    struct view *v;
    struct edit *ed; // NULL: only look
    account_id account;
    bool read_bodies;
    struct check_totals *totals;
    struct buf lines; // each: '+' repaired or '-' not, text, NUL
    size_t lines_left_out;
    uint64_t problems;
    bool failed;                     // no memory
    struct check_mailbox *mailboxes; // by id
    size_t mailbox_count;
    struct id_list placed; // message of every placement
    struct id_list hashes; // thread keys of every message
    struct header counted; // bytes, messages, mailboxes, expunged, metadata and their bytes
    mailbox_id mailbox_max;
    message_id message_max;
    uint32_t device_max;
    uint32_t uid_validity_max;
};

// One difference, in plain words. `can_repair`: the caller mends it when c->ed is set.
void check_problem(struct check *c, bool can_repair, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct check_mailbox *check_mailbox_find(struct check *c, mailbox_id id);

enum err check_mailboxes(struct check *c);
enum err check_placements(struct check *c);
enum err check_messages(struct check *c);
enum err check_threads(struct check *c);
enum err check_log(struct check *c);
enum err check_routes(struct check *c); // of account 0
enum err check_groups(struct check *c);
enum err check_roles(struct check *c);
enum err check_rules(struct check *c);
enum err check_signins(struct check *c);
enum err check_shares(struct check *c);
enum err check_metadata(struct check *c);
enum err check_seen(struct check *c);

#endif
