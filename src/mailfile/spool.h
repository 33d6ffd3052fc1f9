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
// The first bytes, as many as are in memory: at most SPOOL_MEMORY_BYTES.
struct span spool_front(const struct spool *s);
// Hands everything to the sink, in pieces of at most 64 KiB. ERR_IO also when the sink said stop.
enum err spool_send(struct spool *s, struct mail_sink to);

#endif
