// SPDX-License-Identifier: Apache-2.0
//
// Wildcards. The stretches of pattern between stars are looked for one after the other, each at the
// first place it fits: that is what "as short as possible" means, and no choice is ever taken back.
// So time is at most pattern times text.
#include "sieve/pattern/sieve_glob.h"

#include <utf8proc.h>

#include "base/utf8.h"
#include "sieve/pattern/sieve_regex_internal.h"

#include "base/banned.h"

#define ANY_ONE  0xfffffffeu
#define ANY_MANY 0xffffffffu

struct glob {
    const uint32_t *items; // of the pattern
    size_t item_n;
    const uint32_t *text;  // characters
    const uint32_t *place; // where each starts in bytes, and the end
    size_t text_n;
    uint64_t *steps;
    bool is_over;
    struct sieve_group_span *groups;
    size_t group_n;
};

void sieve_fold_unicode(struct buf *out, struct span text)
{
    while (text.n) {
        struct span before = text;
        uint32_t c;
        utf8proc_int32_t parts[32];
        int last = 0;

        if (!utf8_next(&text, &c)) {
            buf_put_byte(out, before.p[0]);
            continue;
        }
        if (c < 128) {
            buf_put_byte(out, byte_upper((char)c));
            continue;
        }
        utf8proc_ssize_t n = utf8proc_decompose_char(
            utf8proc_totitle((utf8proc_int32_t)c), parts, 32,
            (utf8proc_option_t)(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), &last);

        for (utf8proc_ssize_t i = 0; i < n && i < 32; i++) {
            utf8_put(out, (uint32_t)parts[i]);
        }
    }
}

static uint32_t next_char(struct span *in, bool is_unicode)
{
    uint32_t c = regex_next(in, !is_unicode);

    return is_unicode ? regex_fold(c) : c; // without Unicode the caller has folded
}

static const uint32_t *read_pattern(struct arena *arena, struct span in, bool is_unicode,
                                    size_t *out_n)
{
    uint32_t *items = arena_zalloc(arena, in.n, sizeof(*items));
    size_t n = 0;

    while (items && in.n) {
        char c = in.p[0];

        if (c == '\\' && in.n > 1) {
            in = span_skip(in, 1);
            items[n++] = next_char(&in, is_unicode);
        } else if (c == '*' || c == '?') {
            in = span_skip(in, 1);
            items[n++] = c == '*' ? ANY_MANY : ANY_ONE;
        } else {
            items[n++] = next_char(&in, is_unicode);
        }
    }
    *out_n = n;
    return items;
}

static bool read_text(struct arena *arena, struct span in, bool is_unicode, struct glob *g)
{
    uint32_t *text = arena_zalloc(arena, in.n, sizeof(*text));
    uint32_t *place = arena_zalloc(arena, in.n + 1, sizeof(*place));
    size_t n = 0, all = in.n;

    if (!text || !place) {
        return false;
    }
    while (in.n) {
        place[n] = (uint32_t)(all - in.n);
        text[n++] = next_char(&in, is_unicode);
    }
    place[n] = (uint32_t)all;
    g->text = text;
    g->place = place;
    g->text_n = n;
    return true;
}

// The stretch of items fits at `at`.
static bool fits(struct glob *g, size_t from, size_t n, size_t at)
{
    size_t i = 0;

    while (i < n && (g->items[from + i] == ANY_ONE || g->items[from + i] == g->text[at + i])) {
        i++;
    }
    if (*g->steps < i / 2 + 1) {
        *g->steps = 0;
        g->is_over = true;
        return false;
    }
    *g->steps -= i / 2 + 1;
    return i == n;
}

static void add_group(struct glob *g, size_t from, size_t to)
{
    if (g->group_n < SIEVE_GROUPS_MAX) {
        g->groups[g->group_n++] = (struct sieve_group_span){g->place[from], g->place[to]};
    }
}

static void add_single(struct glob *g, size_t from, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++) {
        if (g->items[from + i] == ANY_ONE) {
            add_group(g, at + i, at + i + 1);
        }
    }
}

// Where the stretch first fits at or after `at`; SIZE_MAX: nowhere. The last one must end the text.
static size_t find(struct glob *g, size_t from, size_t n, size_t at, bool is_last)
{
    if (n > g->text_n - at) {
        return SIZE_MAX;
    }
    if (is_last) {
        at = g->text_n - n;
        return fits(g, from, n, at) ? at : SIZE_MAX;
    }
    for (; at + n <= g->text_n && !g->is_over; at++) {
        if (fits(g, from, n, at)) {
            return at;
        }
    }
    return SIZE_MAX;
}

static bool run(struct glob *g)
{
    size_t item = 0, at = 0;
    bool has_star = false;

    add_group(g, 0, g->text_n);
    for (;;) {
        size_t n = 0;

        while (item + n < g->item_n && g->items[item + n] != ANY_MANY) {
            n++;
        }
        bool is_last = item + n == g->item_n;
        size_t found;

        if (!has_star) { // at the start of the text
            bool has_room = is_last ? n == g->text_n : n <= g->text_n;

            found = has_room && fits(g, item, n, 0) ? 0 : SIZE_MAX;
        } else {
            found = find(g, item, n, at, is_last);
        }
        if (found == SIZE_MAX) {
            return false;
        }
        if (has_star) {
            add_group(g, at, found);
        }
        add_single(g, item, n, found);
        at = found + n;
        item += n + 1;
        has_star = true;
        if (is_last) {
            return true;
        }
    }
}

enum err sieve_glob(struct span pattern, struct span text, bool is_unicode, struct arena *arena,
                    uint64_t *steps, struct sieve_group_span *out_groups, size_t *out_n)
{
    struct glob g = {.steps = steps, .groups = out_groups};

    g.items = read_pattern(arena, pattern, is_unicode, &g.item_n);
    if (text.n >= UINT32_MAX || !g.items || !read_text(arena, text, is_unicode, &g)) {
        return ERR_NOMEM;
    }
    bool is_hit = run(&g);

    if (g.is_over) {
        return ERR_LIMIT;
    }
    if (is_hit) {
        *out_n = g.group_n;
    }
    return is_hit ? ERR_OK : ERR_NOT_FOUND;
}
