// SPDX-License-Identifier: Apache-2.0
//
// Threads of messages: REFERENCES and ORDEREDSUBJECT (RFC 5256, "THREAD Command"), and REFS, which
// is REFERENCES without the gathering of subjects, the threads in order of their newest message
// (draft-ietf-morg-inthread). Message-IDs and subjects come as hashes of 64
// bits. Pure; one thread at a time; n log n in the worst case, whatever the references say.
//
// Begin with threader_add for every message in order of the mailbox, then threader_step until it
// says that all is done; `tokens` is then the answer.
#ifndef ORDER_THREADER_H
#define ORDER_THREADER_H

#include "order/sorter.h"

enum thread_algorithm { THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS, THREAD__COUNT };

// A token of the answer is a UID or one of these.
#define THREAD_OPEN           0u
#define THREAD_CLOSE          UINT32_MAX

#define THREAD_REFERENCES_MAX 1000 // of one message

struct thread_message {
    uint64_t id;      // hash of its Message-ID; read with has_id
    uint64_t subject; // hash of its base subject; 0: the subject is empty
    int64_t date;     // sent
    uint32_t uid;
    uint32_t references; // the first of them in the threader's pool
    uint16_t reference_count;
    bool has_id;
    bool is_reply; // or a forward, by its subject
};

enum thread_phase {
    THREAD_PHASE_LINK,
    THREAD_PHASE_SORT,
    THREAD_PHASE_TREE,
    THREAD_PHASE_WRITE,
    THREAD_PHASE_DONE,
};

// Which node has a Message-ID, or a subject: open addressing.
struct thread_slots {
    uint32_t *slots;
    size_t count, used; // count: a power of two, or 0
};

struct thread_splay {
    uint32_t up, child[2];
};

// Nodes are 1 to n (message i is node i + 1), then the dummies.
struct threader {
    enum thread_algorithm algorithm;
    enum thread_phase phase;
    struct thread_message *messages;
    size_t n, cap;
    uint64_t *pool; // references of all messages
    size_t pool_n, pool_cap;
    uint64_t *dummies; // Message-IDs of the dummies
    size_t dummy_n, dummy_cap;
    uint32_t *parents; // of each node, 0: none
    size_t node_cap;
    struct thread_slots ids;
    struct thread_splay *splays; // made when a thread grows very deep
    struct sorter sorter;        // by date; entries carry the node
    uint32_t *children, *siblings;
    size_t at; // message or entry to go on at
    uint32_t *tokens;
    size_t token_n, token_cap;
};

void threader_init(struct threader *t, enum thread_algorithm algorithm);
void threader_finish(struct threader *t);
size_t threader_memory(const struct threader *t);

// `references` are hashes, 8 bytes little-endian each; the oldest first. m->references and
// m->reference_count are set here. ERR_NOMEM, ERR_LIMIT (more than 2^31 messages or references).
enum err threader_add(struct threader *t, const struct thread_message *m, struct span references);

// ERR_OK: done; ERR_AGAIN: call again; ERR_NOMEM. One call looks at about `budget` messages; the
// making of the tree is one call.
enum err threader_step(struct threader *t, size_t budget);

#endif
