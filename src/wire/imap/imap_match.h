// SPDX-License-Identifier: Apache-2.0
//
// LIST patterns (RFC 9051 section 6.3.9): "*" is any text, "%" any text without the hierarchy
// separator. A pattern is compiled once and then costs, for each name, its bytes times the
// pattern's length / 64: no pattern makes it slow. Pure; any thread once compiled.
#ifndef WIRE_IMAP_IMAP_MATCH_H
#define WIRE_IMAP_IMAP_MATCH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct imap_pattern;

// What imap_pattern_match answers, or'ed.
#define IMAP_MATCH_YES      1u // the name matches
#define IMAP_MATCH_CHILDREN 2u // some name below it could match (a walk may stop without this)

// Compiles a pattern of canonical UTF-8 (imap_command.h has decoded it). It lives in the arena.
// ERR_NOMEM only.
enum err imap_pattern_compile(struct span pattern, char separator, struct arena *arena,
                              struct imap_pattern **out);

// `name` is canonical UTF-8. A first level INBOX matches in any case.
unsigned imap_pattern_match(const struct imap_pattern *p, struct span name);

// Reference and pattern as one pattern in the arena: joined as they stand, but a pattern that
// starts with the separator ignores the reference. p is NULL without memory.
struct span imap_pattern_join(struct span reference, struct span pattern, char separator,
                              struct arena *arena);

#endif
