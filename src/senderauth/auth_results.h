// SPDX-License-Identifier: Apache-2.0
//
// Authentication-Results (RFC 8601): what we found, written so that no name or address from a
// stranger can break out of its place; the same read back; and which such fields of an incoming
// message claim to be ours and must go. Pure; any thread; linear.
#ifndef SENDERAUTH_AUTH_RESULTS_H
#define SENDERAUTH_AUTH_RESULTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define AUTH_RESULTS_MAX    64 // results of a field
#define AUTH_PROPERTIES_MAX 16 // properties of a result

struct auth_property {
    struct span type; // "smtp", "header", "policy", "body"
    struct span name; // "mailfrom", "d"
    struct span value;
};

struct auth_result {
    struct span method; // "spf"
    struct span result; // "pass"
    struct span reason; // for reason="..."; empty: none
    const struct auth_property *properties;
    size_t n;
};

struct auth_results {
    struct span id;                    // whose results (authserv-id)
    const struct auth_result *results; // n 0: "none"
    size_t n;
};

// Appends "id; spf=pass reason=\"...\" smtp.mailfrom=...;..." folded, CRLF between lines, none at
// the end: the body of a field, and what arc_seal wants. Values that are no token are quoted;
// control characters become blanks. Bytes above 127 stay as they are only with `is_utf8`, else each
// character becomes '?'. Properties with an empty value are left out. ERR_LIMIT at the cap.
enum err auth_results_put(struct buf *out, const struct auth_results *r, bool is_utf8);

// Appends the whole field with its CRLF.
enum err auth_results_put_field(struct buf *out, const struct auth_results *r, bool is_utf8);

// Reads a field body. Comments are passed over. ERR_INVALID: it breaks the grammar, or a version
// other than 1; ERR_LIMIT; ERR_NOMEM. Everything lives in `arena`.
enum err auth_results_parse(struct arena *arena, struct span body, struct auth_results *out);

// Whether the field's authserv-id is `ours` (in any case and script), or it cannot be read.
bool auth_results_is_forged(struct span body, struct span ours);

struct auth_cut {
    size_t offset, n; // bytes of the block, the field's line ends included
};

// Walks the Authentication-Results fields of an incoming header block that have to be removed
// (RFC 8601 section 5). Begin with `*at` 0; false at the end. Ours are not among them yet.
bool auth_results_next_forged(struct span block, struct span ours, size_t *at,
                              struct auth_cut *out);

// Appends "id; result; result" of all fields of `block` whose authserv-id is `ours`, as they stand:
// for an ARC seal where our results were written before. ERR_NOT_FOUND: there is none.
enum err auth_results_join(struct buf *out, struct span block, struct span ours);

#endif
