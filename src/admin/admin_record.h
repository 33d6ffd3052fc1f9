// SPDX-License-Identifier: Apache-2.0
//
// Items and bytes in one stream: how both sides of an operation send more than one answer can hold.
//
//     u8 type | u32 length, little-endian | payload      'I' a JSON object   'D' bytes of a message
//
// Pure but for the buffers; one thread at a time.
#ifndef ADMIN_ADMIN_RECORD_H
#define ADMIN_ADMIN_RECORD_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define ADMIN_RECORD_BYTES_MAX (256u << 10) // of a payload
#define ADMIN_RECORD_DATA_MAX  (64u << 10)  // what writers put into one 'D'

enum admin_record_type { ADMIN_ITEM = 'I', ADMIN_DATA = 'D' };

// What has come in and not been taken. Whoever owns it appends to `in`.
struct admin_reader {
    struct buf in;
    size_t at;
};
void admin_reader_init(struct admin_reader *r);
void admin_reader_finish(struct admin_reader *r);
// Takes one record; its payload lives until the next call. ERR_AGAIN: not all of it is there yet.
// ERR_INVALID: no such record.
enum err admin_reader_next(struct admin_reader *r, enum admin_record_type *out_type,
                           struct span *out_payload);

// Appends a record; check the buffer.
void admin_record_put(struct buf *out, enum admin_record_type type, struct span payload);
// Appends an object as an item; the reference stays the caller's. ERR_LIMIT: too large.
enum err admin_record_put_item(struct buf *out, json_t *item);

#endif
