// SPDX-License-Identifier: Apache-2.0
//
// One message between two places: small ones in memory, larger ones in a file without a name, so
// that a message of any allowed size needs a bounded amount of memory. Knows its size and SHA-256.
// One thread at a time; may block on the disk.
#ifndef MAILFILE_SPOOL_H
#define MAILFILE_SPOOL_H

#include "base/buf.h"
#include "mailfile/mailfile.h"

#define SPOOL_MEMORY_BYTES (1u << 20)
#define SPOOL_HASH_BYTES   32

struct spool;

// `bytes_max`: what is beyond is counted and thrown away.
enum err spool_create(uint64_t bytes_max, struct spool **out);

struct spool_options {
    uint64_t bytes_max;
    size_t memory_bytes; // 1 to SPOOL_MEMORY_BYTES stay in memory
    const char *dir;     // for the file; must stay. NULL: where temporary files go
    bool without_hash;   // spool_hash is not asked
};
enum err spool_create_with(const struct spool_options *o, struct spool **out);
void spool_destroy(struct spool *s); // NULL is allowed
void spool_clear(struct spool *s);   // empty again, as created

// False when the temporary file cannot be written (spool_result says why). A message over the limit
// is no failure here.
bool spool_write(struct spool *s, struct span bytes);
struct mail_sink spool_sink(struct spool *s);
// ERR_OK, ERR_LIMIT (over bytes_max), or what failed.
enum err spool_result(const struct spool *s);

uint64_t spool_bytes(const struct spool *s); // also counts what was thrown away
// After the last write.
void spool_hash(struct spool *s, unsigned char out[SPOOL_HASH_BYTES]);
// The first bytes, as many as are in memory: at most memory_bytes.
struct span spool_front(const struct spool *s);
// Appends [offset, offset + n), fewer at its end. ERR_* as spool_result says, and those of reading.
enum err spool_read(const struct spool *s, uint64_t offset, size_t n, struct buf *out);
// Hands everything to the sink, in pieces of at most 64 KiB. ERR_IO also when the sink said stop.
enum err spool_send(struct spool *s, struct mail_sink to);

#endif
