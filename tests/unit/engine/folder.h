// SPDX-License-Identifier: Apache-2.0
//
// A folder for a store under test, and hands to spoil what is in it.
#ifndef TESTS_UNIT_ENGINE_FOLDER_H
#define TESTS_UNIT_ENGINE_FOLDER_H

#include "../test.h"
#include "engine/local/local.h"

struct folder {
    char path[64];
    int fd;
};

void folder_make(struct folder *f);
void folder_remove(struct folder *f);
// Options for small stores without background work of its own: the test says when.
struct engine_local_options folder_options(void);
enum err folder_open(struct folder *f, const struct engine_local_options *o, struct engine **out,
                     struct buf *why);
// Opens with folder_options; fails the test otherwise.
struct engine *folder_open_ok(struct folder *f);

// The names in journal/ that end in `suffix`, sorted; at most `max`.
size_t folder_files(struct folder *f, const char *suffix, char names[][32], size_t max);
// A file of journal/ as a descriptor for reading and writing.
int folder_file(struct folder *f, const char *name);
void folder_flip(struct folder *f, const char *name, uint64_t offset, unsigned char mask);
// A copy of the whole folder, which must be closed.
void folder_copy(struct folder *from, struct folder *to);

// Commits a body with one use; its id.
body_id folder_deliver(struct engine *e, account_id account, struct span bytes,
                       struct span summary);
enum err folder_put(struct engine *e, account_id account, const char *key, struct span value);

#endif
