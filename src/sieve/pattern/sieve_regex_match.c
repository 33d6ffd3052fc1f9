// SPDX-License-Identifier: Apache-2.0
//
// All threads of the automaton move over the text together; a place of the program is entered once
// a character, by the thread that came first. So a character costs at most the program's length.
#include <utf8proc.h>

#include "sieve/pattern/sieve_regex_internal.h"

#include "base/banned.h"

#define NO_PLACE SIZE_MAX

struct threads {
    uint32_t *list;  // instructions, first come first
    uint32_t *where; // of an instruction in the list
    size_t *slots;   // saved places, `slot_n` for each in the list
    uint32_t n;
};

// Work to do while following jumps: an instruction to enter, or a slot to set back.
struct todo {
    uint32_t insn;
    uint32_t slot; // UINT32_MAX: enter insn
    size_t old;
};

struct machine {
    const struct sieve_regex *regex;
    struct span text;
    uint64_t *steps;
    uint32_t slot_n;
    struct threads now, next;
    struct todo *todo;
    size_t *slots; // of the thread that is being followed
    size_t *best;  // of the best match so far; best[0] NO_PLACE: none
};

static bool spend(struct machine *m, uint64_t n)
{
    if (*m->steps < n) {
        *m->steps = 0;
        return false;
    }
    *m->steps -= n;
    return true;
}

static bool is_in(const struct threads *t, uint32_t insn)
{
    return t->where[insn] < t->n && t->list[t->where[insn]] == insn;
}

static void enter(struct machine *m, struct threads *t, uint32_t insn)
{
    t->where[insn] = t->n;
    t->list[t->n] = insn;
    memcpy(t->slots + (size_t)t->n * m->slot_n, m->slots, m->slot_n * sizeof(size_t));
    t->n++;
}

// Enters `start` and all that is reached from it without a character.
static void follow(struct machine *m, struct threads *t, uint32_t start, size_t at)
{
    const struct regex_insn *code = m->regex->code;
    size_t n = 0;

    m->todo[n++] = (struct todo){start, UINT32_MAX, 0};
    while (n) {
        struct todo job = m->todo[--n];

        if (job.slot != UINT32_MAX) {
            m->slots[job.slot] = job.old;
            continue;
        }
        uint32_t pc = job.insn;

        if (is_in(t, pc)) {
            continue;
        }
        enter(m, t, pc);
        switch (code[pc].op) {
        case REGEX_JUMP:
            m->todo[n++] = (struct todo){code[pc].x, UINT32_MAX, 0};
            break;
        case REGEX_SPLIT:
            m->todo[n++] = (struct todo){code[pc].y, UINT32_MAX, 0};
            m->todo[n++] = (struct todo){code[pc].x, UINT32_MAX, 0};
            break;
        case REGEX_SAVE:
            m->todo[n++] = (struct todo){0, code[pc].x, m->slots[code[pc].x]};
            m->slots[code[pc].x] = at;
            m->todo[n++] = (struct todo){pc + 1, UINT32_MAX, 0};
            break;
        case REGEX_START:
            if (at == 0) {
                m->todo[n++] = (struct todo){pc + 1, UINT32_MAX, 0};
            }
            break;
        case REGEX_END:
            if (at == m->text.n) {
                m->todo[n++] = (struct todo){pc + 1, UINT32_MAX, 0};
            }
            break;
        default:
            break;
        }
    }
}

static bool has_range(const struct regex_set *set, uint32_t code)
{
    for (uint32_t i = 0; i < set->n; i++) {
        if (code >= set->ranges[i].low && code <= set->ranges[i].high) {
            return true;
        }
    }
    return false;
}

static bool is_letter(uint32_t code)
{
    if (code < 128 || code > 0x10ffff) {
        return false;
    }
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);

    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool set_has(const struct sieve_regex *regex, const struct regex_set *set, uint32_t code)
{
    bool is_member = has_range(set, code) || (set->has_letters && is_letter(code));

    if (!is_member && regex->is_nocase) {
        uint32_t upper = code < 128         ? (uint32_t)(unsigned char)byte_upper((char)code)
                         : code <= 0x10ffff ? (uint32_t)utf8proc_toupper((utf8proc_int32_t)code)
                                            : code;

        is_member = has_range(set, regex_fold(code)) || has_range(set, upper);
    }
    return is_member != set->is_not;
}

static bool accepts(const struct sieve_regex *regex, const struct regex_insn *insn, uint32_t code)
{
    switch (insn->op) {
    case REGEX_CHAR:
        return insn->x == (regex->is_nocase ? regex_fold(code) : code);
    case REGEX_ANY:
        return true;
    case REGEX_SET:
        return set_has(regex, insn->set, code);
    default:
        return false;
    }
}

// A thread has matched up to `at`: better when it starts earlier, or ends later.
static void match(struct machine *m, const size_t *slots, size_t at)
{
    if (m->best[0] != NO_PLACE &&
        (slots[0] > m->best[0] || (slots[0] == m->best[0] && at <= m->best[1]))) {
        return;
    }
    memcpy(m->best, slots, m->slot_n * sizeof(size_t));
    m->best[1] = at;
}

static void settle(struct machine *m, size_t at)
{
    for (uint32_t i = 0; i < m->now.n; i++) {
        if (m->regex->code[m->now.list[i]].op == REGEX_MATCH) {
            match(m, m->now.slots + (size_t)i * m->slot_n, at);
        }
    }
}

// Moves all threads over one character that ends at `at`.
static void move(struct machine *m, uint32_t code, size_t at)
{
    m->next.n = 0;
    for (uint32_t i = 0; i < m->now.n; i++) {
        uint32_t pc = m->now.list[i];
        const size_t *slots = m->now.slots + (size_t)i * m->slot_n;

        if (m->best[0] != NO_PLACE && slots[0] > m->best[0]) {
            continue; // starts later than what has matched
        }
        if (accepts(m->regex, &m->regex->code[pc], code)) {
            memcpy(m->slots, slots, m->slot_n * sizeof(size_t));
            follow(m, &m->next, pc + 1, at);
        }
    }
    struct threads t = m->now;

    m->now = m->next;
    m->next = t;
}

static void start(struct machine *m, size_t at)
{
    for (uint32_t i = 0; i < m->slot_n; i++) {
        m->slots[i] = NO_PLACE;
    }
    m->slots[0] = at;
    follow(m, &m->now, 0, at);
}

static enum err simulate(struct machine *m)
{
    struct span rest = m->text;

    for (;;) {
        size_t at = m->text.n - rest.n;

        if (m->best[0] == NO_PLACE) {
            start(m, at);
        }
        settle(m, at);
        if (rest.n == 0 || (m->now.n == 0 && m->best[0] != NO_PLACE)) {
            return ERR_OK;
        }
        if (!spend(m, 4 + (uint64_t)m->now.n * (4 + m->slot_n / 4))) {
            return ERR_LIMIT;
        }
        uint32_t code = regex_next(&rest, m->regex->is_octet);

        move(m, code, m->text.n - rest.n);
    }
}

static bool make_threads(struct arena *arena, uint32_t n, uint32_t slot_n, struct threads *out)
{
    out->list = arena_zalloc(arena, n, sizeof(uint32_t));
    out->where = arena_zalloc(arena, n, sizeof(uint32_t));
    out->slots = arena_zalloc(arena, (size_t)n * slot_n, sizeof(size_t));
    out->n = 0;
    return out->list && out->where && out->slots;
}

enum err sieve_regex_match(const struct sieve_regex *regex, struct span text, struct arena *arena,
                           uint64_t *steps, struct sieve_group_span *out_groups, size_t *out_n)
{
    struct machine m = {.regex = regex, .text = text, .steps = steps, .slot_n = regex->groups * 2};

    if (!spend(&m, 100 + (uint64_t)regex->n * m.slot_n / 2)) { // the memory is cleared
        return ERR_LIMIT;
    }
    m.todo = arena_zalloc(arena, (size_t)regex->n * 3 + 4, sizeof(*m.todo));
    m.slots = arena_zalloc(arena, m.slot_n, sizeof(size_t));
    m.best = arena_zalloc(arena, m.slot_n, sizeof(size_t));
    if (!m.todo || !m.slots || !m.best || !make_threads(arena, regex->n, m.slot_n, &m.now) ||
        !make_threads(arena, regex->n, m.slot_n, &m.next)) {
        return ERR_NOMEM;
    }
    m.best[0] = NO_PLACE;
    enum err e = simulate(&m);

    if (e != ERR_OK) {
        return e;
    }
    if (m.best[0] == NO_PLACE) {
        return ERR_NOT_FOUND;
    }
    for (uint32_t i = 0; i < regex->groups; i++) {
        bool is_set = m.best[i * 2] != NO_PLACE && m.best[i * 2 + 1] != NO_PLACE;

        out_groups[i] = is_set ? (struct sieve_group_span){m.best[i * 2], m.best[i * 2 + 1]}
                               : (struct sieve_group_span){NO_PLACE, NO_PLACE};
    }
    *out_n = regex->groups;
    return ERR_OK;
}
