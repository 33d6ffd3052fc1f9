// SPDX-License-Identifier: Apache-2.0
//
// A DNS for tests: records said one by one or read from the files of tests/data/senderauth. It
// answers at once, or (`is_lazy`) each question only when it is asked again, as a memo does.
#ifndef TESTS_UNIT_SENDERAUTH_ZONE_H
#define TESTS_UNIT_SENDERAUTH_ZONE_H

#include "base/arena.h"
#include "senderauth/resolver.h"

#define ZONE_LINES_MAX 4000

struct zone_line {
    struct span name;
    enum dns_type type; // 0: CNAME
    struct dns_record record;
    bool is_timeout; // of whatever the name has no record for
};

struct zone {
    struct arena arena;
    struct zone_line lines[ZONE_LINES_MAX];
    size_t n;
    unsigned asked;
};

void zone_init(struct zone *z);
void zone_finish(struct zone *z);
void zone_clear(struct zone *z);

// `type` is "TXT", "A", "AAAA", "MX", "PTR" or "CNAME"; `preference` counts for MX.
void zone_add(struct zone *z, struct span name, struct span type, struct span value,
              unsigned preference);
void zone_txt(struct zone *z, const char *name, const char *value);
void zone_timeout(struct zone *z, struct span name);

struct resolver zone_resolver(struct zone *z);

// Answers all questions a memo has; false when it had none.
bool zone_feed(struct zone *z, struct dns_memo *m);

// The file `name` of the test data; NULL-terminated memory from malloc.
struct span zone_read_file(const char *name, char **out_memory);

// One line of such a file as fields, escapes taken off (into the arena). Returns their number.
size_t zone_fields(struct arena *arena, struct span line, struct span *fields, size_t max);

// A line that says "zone" or "timeout" is added; false for others.
bool zone_take_line(struct zone *z, const struct span *fields, size_t n);

#endif
