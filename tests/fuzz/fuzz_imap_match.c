// SPDX-License-Identifier: Apache-2.0
//
// LIST patterns against a plain table of all prefixes: pattern, line end, name.
#include "base/buf.h"
#include "fuzz.h"
#include "wire/imap/imap_match.h"

#define BYTES_MAX 200

// row[i]: the first i bytes of the pattern match what has been read of the name.
static void close_wildcards(struct span pattern, bool *row)
{
    for (size_t i = 0; i < pattern.n; i++) {
        if (row[i] && (pattern.p[i] == '*' || pattern.p[i] == '%')) {
            row[i + 1] = true;
        }
    }
}

static bool advance(struct span pattern, bool *row, char c, bool nocase)
{
    bool any = false;
    bool next[BYTES_MAX + 1] = {false};

    for (size_t i = 0; i < pattern.n; i++) {
        char p = pattern.p[i];

        if (!row[i]) {
            continue;
        }
        if (p == '*' || (p == '%' && c != '/')) {
            next[i] = true;
        } else if (p != '%' && (p == c || (nocase && byte_lower(p) == byte_lower(c)))) {
            next[i + 1] = true;
        }
    }
    close_wildcards(pattern, next);
    for (size_t i = 0; i <= pattern.n; i++) {
        row[i] = next[i];
        any |= next[i];
    }
    return any;
}

static unsigned expected(struct span pattern, struct span name)
{
    bool row[BYTES_MAX + 1] = {true};
    bool inbox = span_starts_nocase(name, SPAN("INBOX")) && (name.n == 5 || name.p[5] == '/');

    close_wildcards(pattern, row);
    for (size_t i = 0; i < name.n; i++) {
        advance(pattern, row, name.p[i], inbox && i < 5);
    }
    unsigned yes = row[pattern.n] ? IMAP_MATCH_YES : 0;

    return yes | (advance(pattern, row, '/', false) ? IMAP_MATCH_CHILDREN : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span name = span_of(data, n), pattern = span_split(&name, '\n');
    struct imap_pattern *p;
    struct arena arena;

    if (pattern.n > BYTES_MAX || name.n > BYTES_MAX) {
        return 0;
    }
    arena_init(&arena, 1 << 20);
    CHECK(imap_pattern_compile(pattern, '/', &arena, &p) == ERR_OK);
    CHECK(imap_pattern_match(p, name) == expected(pattern, name));
    arena_finish(&arena);
    return 0;
}
