// SPDX-License-Identifier: Apache-2.0
//
// What an account's owner wants done with arriving mail: Sieve scripts, one of them active, and a
// plain forwarding; and what the rules remember (whom an absence note was sent to, which messages
// were seen). Scripts are kept as text: whoever stores one has checked it. Threads and blocking:
// see store.h.
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "store/store.h"

#define SCRIPT_NAME_BYTES_MAX 255 // UTF-8, no controls (RFC 5804 1.6); "" is no name
#define SCRIPT_BYTES_MAX      (1000u << 10)
#define SCRIPTS_MAX           32 // of an account
#define FORWARD_TARGETS_MAX   20

struct script {
    struct span name, text; // text only where said
    int64_t changed;        // seconds since 1970
    uint64_t bytes;
    bool is_active;
};

// Stores or replaces. ERR_INVALID (the name), ERR_LIMIT (too large, too many).
enum err script_put(struct store *s, account_id account, const struct actor *by, struct span name,
                    struct span text);
// With its text, in the arena. ERR_NOT_FOUND. An empty name: the active one.
enum err script_get(struct store *s, account_id account, struct span name, struct arena *a,
                    struct script *out);
typedef bool script_list_fn(void *arg, const struct script *script); // without text; false: stop
enum err script_list(struct store *s, account_id account, script_list_fn *fn, void *arg);
// An empty name: none is active. ERR_NOT_FOUND.
enum err script_activate(struct store *s, account_id account, const struct actor *by,
                         struct span name);
enum err script_remove(struct store *s, account_id account, const struct actor *by,
                       struct span name); // ERR_DENIED: it is active (RFC 5804 2.10)
// ERR_EXISTS, ERR_NOT_FOUND. An active one stays so.
enum err script_rename(struct store *s, account_id account, const struct actor *by,
                       struct span from, struct span to);

struct forwarding {
    bool keeps_copy;
    const struct span *targets;
    size_t count; // 0: mail is not forwarded
};
enum err forwarding_set(struct store *s, account_id account, const struct actor *by,
                        const struct forwarding *f);
enum err forwarding_get(struct store *s, account_id account, struct arena *a,
                        struct forwarding *out);

// Remembers a thing until a time, if it is not remembered: *out_new says so. One commit when new.
// `what` is hashed: the kind of rule, a handle, an address, put together by the caller. `words` is
// for the change log: "told bob@example.net of the absence".
enum err rules_remember(struct store *s, account_id account, struct span what, struct span words,
                        int64_t until_s, bool *out_new);
enum err rules_is_remembered(struct store *s, account_id account, struct span what, bool *out);
// Upkeep: drops what is past its time; how many.
enum err rules_forget(struct store *s, account_id account, uint64_t *out);

#endif
