// SPDX-License-Identifier: Apache-2.0
//
// Keep's questions about people (ipc VOUCH_ASK): each goes to the authority for its kind (a
// directory, issuers of tokens), which answers in a thread of a bounded pool (docs/decisions/0010).
// Each authority has a pool of its own, so that one that is slow holds up nobody else's questions.
#ifndef COURIER_VOUCH_VOUCH_H
#define COURIER_VOUCH_VOUCH_H

#include <stdatomic.h>

#include "base/arena.h"
#include "ipc/message.h"
#include "net/loop.h"

#define VOUCH_KINDS       4 // enum ipc_vouch_kind, from 1
#define VOUCH_WORDS_BYTES 1024
#define VOUCH_ARENA_BYTES (256u << 10) // for the answer's texts

struct vouch_question {
    enum ipc_vouch_kind kind;
    struct span name, secret, remote; // as in VOUCH_ASK
    int64_t until_ms;                 // monotonic: nobody waits longer
    const atomic_bool *is_stopping;
};

// Spans live in the arena that comes with the question.
struct vouch_answer {
    enum ipc_vouch result;
    struct span name, display_name, groups; // as in VOUCH_ANSWER
    uint64_t valid_until_ms, quota;
    bool knows_groups;
    char words[VOUCH_WORDS_BYTES];
};

// Fills `out`, which comes as IPC_VOUCH_UNAVAILABLE without texts. May block until q->until_ms; any
// number of threads at a time.
struct vouch_authority {
    void (*answer)(void *arg, const struct vouch_question *q, struct arena *a,
                   struct vouch_answer *out);
    void *arg;
    unsigned threads, waiting_max;
};

struct vouch;
enum err vouch_create(struct loop *l, struct vouch **out);
// Who answers questions of these kinds (bit n: kind n). A kind is given away once. Before the first
// question; starts threads, so inside the sandbox.
enum err vouch_set(struct vouch *v, unsigned kinds, const struct vouch_authority *authority);
// Questions that run end as soon as they can; those that wait are answered as unavailable.
void vouch_stop(struct vouch *v);
// On the loop's thread, which has stopped. Waits for those that run. NULL is allowed.
void vouch_destroy(struct vouch *v);

// Answers at once or later, always on the loop's thread, always once unless vouch_destroy comes
// first; then `done` is called with NULL. `m` lives until `done` returns. On the loop's thread.
typedef void vouch_done_fn(void *arg, const struct ipc_vouch_answer *m);
void vouch_ask(struct vouch *v, const struct ipc_vouch_ask *ask, vouch_done_fn *done, void *arg);

#endif
