// SPDX-License-Identifier: Apache-2.0
//
// A pattern is a chain of states: state i says that the first i tokens (a byte, "%" or "*") are
// matched. All states that are possible are held as bits and moved on together for each byte of the
// name, so there is nothing to go back over. After runs of wildcards are collapsed no two stand
// side by side, and skipping a wildcard is one shift.
#include "wire/imap/imap_match.h"

#include "wire/imap/imap_mailbox.h"

#include "base/banned.h"

#define WORD_BITS 64
// More literal bytes than a name can have never match; between any two is at most one wildcard.
#define STATES_MAX (2 * IMAP_MAILBOX_BYTES_MAX + 2)
#define WORDS_MAX  ((STATES_MAX + WORD_BITS - 1) / WORD_BITS)

struct imap_pattern {
    size_t tokens, words;
    bool never; // longer than any name
    char separator;
    uint64_t *stars, *percents, *wild; // bit i: token i is such
    uint8_t class_of[256];             // row of `moves` for a byte; 0: occurs nowhere
    uint64_t *moves;                   // row k, bit i: token i is this byte
};

// Appends a token, "*" swallowing a "%" beside it. Returns the new length.
static size_t put_token(char *tokens, size_t n, char c)
{
    bool wild = c == '*' || c == '%';

    if (wild && n && (tokens[n - 1] == '*' || tokens[n - 1] == '%')) {
        if (c == '*') {
            tokens[n - 1] = '*';
        }
        return n;
    }
    tokens[n] = c;
    return n + 1;
}

static void set_bit(uint64_t *words, size_t bit)
{
    words[bit / WORD_BITS] |= (uint64_t)1 << (bit % WORD_BITS);
}

// Gives each byte that occurs its row and returns how many rows there are, row 0 counted.
static size_t number_classes(struct imap_pattern *p, struct span tokens)
{
    size_t rows = 1;

    for (size_t i = 0; i < tokens.n; i++) {
        unsigned char c = (unsigned char)tokens.p[i];

        if (c != '*' && c != '%' && !p->class_of[c]) {
            p->class_of[c] = (uint8_t)rows++;
        }
    }
    return rows;
}

static enum err build(struct imap_pattern *p, struct span tokens, struct arena *arena)
{
    p->tokens = tokens.n;
    p->words = tokens.n / WORD_BITS + 1;
    size_t rows = number_classes(p, tokens);
    uint64_t *all = arena_zalloc(arena, (rows + 3) * p->words, sizeof(*all));

    if (!all) {
        return ERR_NOMEM;
    }
    p->stars = all;
    p->percents = all + p->words;
    p->wild = all + 2 * p->words;
    p->moves = all + 3 * p->words;
    for (size_t i = 0; i < tokens.n; i++) {
        unsigned char c = (unsigned char)tokens.p[i];

        if (c == '*' || c == '%') {
            set_bit(c == '*' ? p->stars : p->percents, i);
            set_bit(p->wild, i);
        } else {
            set_bit(p->moves + p->class_of[c] * p->words, i);
        }
    }
    return ERR_OK;
}

enum err imap_pattern_compile(struct span pattern, char separator, struct arena *arena,
                              struct imap_pattern **out)
{
    char tokens[STATES_MAX];
    size_t n = 0;
    struct imap_pattern *p = arena_zalloc(arena, 1, sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    p->separator = separator;
    for (size_t i = 0; i < pattern.n && !p->never; i++) {
        n = put_token(tokens, n, pattern.p[i]);
        p->never = n == STATES_MAX;
    }
    if (!p->never) {
        enum err e = build(p, span_of(tokens, n), arena);

        if (e) {
            return e;
        }
    }
    *out = p;
    return ERR_OK;
}

// Moves all states over byte `c`; where `other` differs from it, that byte will do as well. False
// when no state is left.
static bool step(const struct imap_pattern *p, uint64_t *states, char c, char other)
{
    const uint64_t *move = p->moves + p->class_of[(unsigned char)c] * p->words;
    const uint64_t *move_other = p->moves + p->class_of[(unsigned char)other] * p->words;
    uint64_t carry = 0, skip_carry = 0, any = 0;

    for (size_t w = 0; w < p->words; w++) {
        uint64_t was = states[w];
        uint64_t moved = was & (move[w] | move_other[w]);
        uint64_t stay = was & (p->stars[w] | (c == p->separator ? 0 : p->percents[w]));
        uint64_t now = moved << 1 | carry | stay;

        carry = moved >> (WORD_BITS - 1);
        // A state before a wildcard may also stand behind it.
        uint64_t skip = (now | skip_carry) & p->wild[w];

        states[w] = now | skip_carry | skip << 1;
        skip_carry = skip >> (WORD_BITS - 1);
        any |= states[w];
    }
    return any != 0;
}

// How many bytes of the name are compared without regard to case: INBOX at the first level.
static size_t inbox_bytes(struct span name, char separator)
{
    return span_starts_nocase(name, SPAN("INBOX")) && (name.n == 5 || name.p[5] == separator) ? 5
                                                                                              : 0;
}

unsigned imap_pattern_match(const struct imap_pattern *p, struct span name)
{
    uint64_t states[WORDS_MAX] = {1};
    unsigned answer = 0;
    size_t nocase = inbox_bytes(name, p->separator);

    if (p->never) {
        return 0;
    }
    if (p->wild[0] & 1) {
        states[0] = 3;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!step(p, states, c,
                  i >= nocase          ? c
                  : c == byte_lower(c) ? byte_upper(c)
                                       : byte_lower(c))) {
            return 0;
        }
    }
    if (states[p->tokens / WORD_BITS] >> (p->tokens % WORD_BITS) & 1) {
        answer |= IMAP_MATCH_YES;
    }
    return step(p, states, p->separator, p->separator) ? answer | IMAP_MATCH_CHILDREN : answer;
}

struct span imap_pattern_join(struct span reference, struct span pattern, char separator,
                              struct arena *arena)
{
    if (reference.n == 0 || (pattern.n && pattern.p[0] == separator)) {
        return arena_dup(arena, pattern);
    }
    char *p = arena_alloc(arena, reference.n + pattern.n);

    if (!p) {
        return (struct span){NULL, 0};
    }
    memcpy(p, reference.p, reference.n);
    if (pattern.n) {
        memcpy(p + reference.n, pattern.p, pattern.n);
    }
    return span_of(p, reference.n + pattern.n);
}
