// SPDX-License-Identifier: Apache-2.0
//
// A disk that remembers: this program's own write, sync, rename and unlink calls (and those of the
// libraries linked to it) pass through here, and what they do to files below one folder is
// recorded. From the record, images are built of what the medium could hold after a power cut at
// any moment: everything up to the last sync, and any part of what came after it, page by page.
//
// The same calls can be made to fail.
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Starts recording below `root` (an absolute path without a trailing slash). What is there counts
// as durable.
void disk_record(const char *root);
// Stops; the record stays until the next disk_record.
void disk_stop(void);
// The number of events so far: the moment's name. A note of the caller's own gets one, too.
size_t disk_moment(void);

// How many of them only say what was there when recording started.
size_t disk_loaded(void);

// Makes the n-th writing or syncing call (counted from 1) fail with `errnum`, once or for ever.
// Only calls of the given kinds count. A failed sync also loses what it was to sync, the way the
// kernel does: the file keeps showing it, the medium does not have it.
enum { DISK_WRITES = 1, DISK_SYNCS = 2, DISK_GROWS = 4 };
void disk_fail(unsigned n, unsigned kinds, int errnum, bool forever);
// How many such calls were made since; and whether the failure has happened.
unsigned disk_calls(void);
bool disk_failed(void);

// How much of what was not synced is in the image.
enum disk_luck { DISK_NOTHING, DISK_EVERYTHING, DISK_SOME, DISK_MOST, DISK_TORN };

// Walks the record to `moment` (never back) ...
void disk_replay_begin(void);
void disk_replay_to(size_t moment);
// ... and writes an image into the folder `path`, which must exist and have the same subfolders.
void disk_image(const char *path, enum disk_luck luck, uint64_t seed);
void disk_replay_end(void);

#endif
