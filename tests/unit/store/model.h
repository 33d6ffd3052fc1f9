// SPDX-License-Identifier: Apache-2.0
//
// The model that the store is tested against (test_model.c): an account in plain arrays, which
// model.c keeps, model_ops.c changes together with the store, and model_past.c takes back along the
// change log. Only these include this.
#ifndef TESTS_STORE_MODEL_H
#define TESTS_STORE_MODEL_H

#include "base/clock.h"
#include "engine/memory/memory.h"
#include "support.h"

#define BOXES    64
#define KEYWORDS 90
#define MSGIDS   40
#define SUBJECTS 3

__extension__ typedef unsigned __int128 keyword_bits;

struct place {
    uint32_t uid;
    uint16_t flags;
    keyword_bits keywords;
    message_id message;
    modseq changed;
    int64_t saved;
};

struct box {
    bool used, subscribed, no_select;
    char name[64];
    mailbox_id id;
    uint32_t validity, next;
    uint8_t use;
    modseq highest;
    struct place *p;
    size_t n, cap;
};

struct letter {
    bool alive;
    uint32_t size, placements;
    thread_id thread;
    int64_t date, sent;
    unsigned keys[4], key_count; // msgid * SUBJECTS + subject
    int64_t expunged_at;
    mailbox_id from;
    char from_name[64];
    uint16_t flags;
    keyword_bits keywords;
};

struct model {
    struct bench b;
    uint64_t random;
    struct box boxes[BOXES];
    struct letter *letters; // by message id
    size_t letter_cap;
    message_id next_message;
    char orphans[BOXES][64];
    size_t orphan_count;
    thread_id threads[MSGIDS * SUBJECTS];
    unsigned thread_uses[MSGIDS * SUBJECTS];
    uint64_t bytes, messages, bytes_max, messages_max;
    modseq version;
    int64_t now;
    bool armed; // the next commit fails with ERR_NOSPACE
    uint64_t done, refused, failed;
};

struct keyword_memory {
    mailbox_id mailbox;
    keyword_bits bits[KEYWORDS];
    size_t n;
};

// What the log can give back: names, and per message flags, keywords and identity.
struct past_place {
    uint32_t uid;
    uint16_t flags;
    keyword_bits keywords;
    message_id message;
};
struct past_box {
    mailbox_id id;
    char name[64];
    struct past_place *p;
    size_t n;
};
struct past {
    modseq version;
    struct past_box boxes[BOXES];
    size_t n;
};

// model.c
void set_faults(struct model *m, const struct engine_memory_faults *faults);
uint64_t rnd(struct model *m, uint64_t below);
struct box *box_by_name(struct model *m, const char *name);
struct box *box_any(struct model *m);
bool box_is_under(const struct box *x, const char *parent);
bool take_orphan(struct model *m, const char *name);
struct box *box_make(struct model *m, const char *name);
void box_make_above(struct model *m, const char *name);
struct letter *letter_of(struct model *m, message_id id);
struct place *place_add(struct model *m, struct box *x, message_id id);
void place_take(struct model *m, struct box *x, size_t i);
void letter_join(struct model *m, message_id id);
void expunge_place(struct model *m, struct box *x, size_t i);
size_t keyword_names(keyword_bits bits, struct span *out, char (*room)[8]);
keyword_bits keywords_random(struct model *m);
keyword_bits keywords_read(struct view *v, mailbox_id mailbox, uint64_t low, const uint16_t *more,
                           unsigned more_count);
void memory_learn(struct model *m);
const struct keyword_memory *memory_of(mailbox_id mailbox);
struct uid_set set_random(struct model *m, const struct box *x);
bool set_has(const struct uid_set *s, uint32_t uid);
uint32_t set_at(const struct uid_set *s, size_t n);
size_t set_size(const struct uid_set *s);

// model_ops.c
void op_append(struct model *m);
void op_deliver(struct model *m);
void op_flags(struct model *m);
void op_copy(struct model *m);
void op_expunge(struct model *m);
void op_create(struct model *m);
void op_delete(struct model *m);
void op_rename(struct model *m);
void op_subscribe(struct model *m);
void op_quota(struct model *m);
void op_restore(struct model *m);
void op_forget(struct model *m);

// model_past.c
void past_free(struct past *p);
void past_take(const struct model *m, struct past *out);
void compare_log(struct model *m, struct past *then);
void compare_vanished(struct model *m, struct past *then);

#endif
