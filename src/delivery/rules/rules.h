// SPDX-License-Identifier: Apache-2.0
//
// What the owner of an account wants done with a message: runs the account's Sieve script in the
// world of that account. Decides only; delivery/ carries out. Any thread; reads the store, may
// block on the disk, never on the network.
#ifndef DELIVERY_RULES_RULES_H
#define DELIVERY_RULES_RULES_H

#include "sieve/sieve_run.h"
#include "store/store.h"

// How much of a message's body rules see that look into it; of a larger one the beginning.
#define RULES_SHOWN_BYTES_MAX (16u << 20)

// The account whose scripts are everybody's: `include :global` (RFC 6609).
#define RULES_GLOBAL_ACCOUNT 0

struct rules_case {
    struct store *store;
    account_id account;
    struct span owner;     // the account's address
    struct span recipient; // as the envelope has it; empty: the owner
    struct span sender;    // empty: the null path
    // RFC 3461, decoded; p NULL: not said.
    struct span dsn_notify, dsn_orcpt, dsn_ret, dsn_envid;
    struct span server;      // our name
    struct span remote_ip;   // the client's address; empty: none
    char detail;             // starts a detail in an address; '\0': nothing does
    char hierarchy;          // between the levels of a mailbox name in scripts: '/' or '.'
    bool is_suspect;         // INBOX is Junk for this message
    int64_t now_s;           // since 1970
    struct span script_name; // instead of the active script; empty: that one
    struct sieve_budget *budget;

    // The message as rules see it: the header block whole, and with `whole` of the body up to
    // RULES_SHOWN_BYTES_MAX. *out_more: the bytes that follow. The span must live as long as the
    // decision.
    enum err (*show)(void *arg, bool whole, struct span *out, uint64_t *out_more);
    void (*trace)(void *arg, const struct sieve_trace *t); // NULL: nobody listens
    void *arg;
};

// Where an action's message is stored.
struct rules_place {
    mailbox_id mailbox; // 0: by name
    struct span name;   // as the store has names; empty: INBOX
    bool is_created;
    uint8_t special_use; // that the mailbox is made with
    uint16_t flags;
    const struct span *keywords;
    size_t keyword_count;
};

struct rules_decision {
    bool has_script;
    struct span script;         // its name
    struct sieve_result result; // with a script
    // For each action: where KEEP and FILEINTO store, and where VACATION and NOTIFY keep a copy.
    const struct rules_place *places;
    struct span header; // of the message, as shown
};

// In the arena (its cap: SIEVE_RESULT_BYTES_MAX). ERR_OK also when the script failed or cannot be
// compiled: then the result says so and keeps the message. ERR_NOT_FOUND: no such account, or no
// script of that name; others: try the delivery again.
enum err rules_decide(const struct rules_case *c, struct arena *a, struct rules_decision *out);

// The mailbox for suspect mail; 0: there is none.
enum err rules_junk(struct store *s, account_id account, mailbox_id *out);

// What is remembered (store/rules.h) of a duplicate test, of an answer to `sender`. Appends.
void rules_duplicate_key(struct buf *out, struct span key);
void rules_answer_key(struct buf *out, struct span handle, struct span sender);

#endif
