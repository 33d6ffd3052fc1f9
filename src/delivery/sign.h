// SPDX-License-Identifier: Apache-2.0
//
// Signs what leaves: DKIM with every active key of the author's domain (RFC 6376; RSA and Ed25519
// both, RFC 8463 section 3), and an ARC seal for what is forwarded (RFC 8617). The message is read
// once, in pieces; memory is its header block and some KB. Any thread, several at a time; blocks on
// the disk only.
#ifndef DELIVERY_SIGN_H
#define DELIVERY_SIGN_H

#include "base/buf.h"
#include "delivery/delivery.h"
#include "senderauth/arc.h"

#define SIGN_LINES_BYTES_MAX (32u << 10) // what two signatures and a seal need at most

struct signer;

// The store stays the caller's and must outlive it. ERR_NOMEM only.
enum err signer_create(struct store *s, struct signer **out);
void signer_destroy(struct signer *s); // NULL is allowed; clears the keys

// Appends a DKIM-Signature field for each active key of `domain`, or of the nearest domain above it
// that has some; `domain` empty: the domain of From. Nothing is appended when nobody has a key. The
// signatures cover m->prefix and the message as m->read gives it; they go in front of both. A line
// that ends in LF alone is signed as the CRLF it will be. What cannot be signed may leave unsigned:
// ERR_LIMIT (the header is over 1 MiB, or no room in `out`), ERR_NOT_FOUND (no single domain in
// From), ERR_CORRUPT (a key), the errors of m->read; then `out` is as it was.
enum err sign_message(struct signer *s, struct span domain, const struct delivery_message *m,
                      struct buf *out);

// Appends an ARC set in the name of `domain` (its RSA key if it has one, for every verifier knows
// RSA): it tells the next server what `server` found when the message came, as written in its own
// Authentication-Results fields in m->prefix. As sign_message; nothing is appended when there are
// no such results, when nobody has a key, or when the chain of seals is over. The chain's state is
// the "arc" result among them; a message that has seals and no such result is not sealed.
enum err sign_seal(struct signer *s, struct span domain, struct span server,
                   const struct delivery_message *m, struct buf *out);

#endif
