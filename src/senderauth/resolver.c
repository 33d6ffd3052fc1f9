// SPDX-License-Identifier: Apache-2.0
#include "senderauth/resolver.h"

#include <stdlib.h>

#include "base/arena.h"
#include "senderauth/domain_name.h"

#include "base/banned.h"

struct entry {
    struct span name;
    enum dns_type type;
    bool is_handed_out, is_answered;
    struct dns_answer answer;
};

struct dns_memo {
    struct arena arena;
    struct entry entries[DNS_MEMO_QUESTIONS_MAX];
    size_t n, next;
    bool is_over;
};

static const struct dns_answer tempfail = {DNS_TEMPFAIL, false, 0, NULL, 0};
static const struct dns_answer nxdomain = {DNS_NXDOMAIN, false, 0, NULL, 0};

enum err dns_memo_create(struct dns_memo **out_memo)
{
    struct dns_memo *m = calloc(1, sizeof(*m));

    if (!m) {
        return ERR_NOMEM;
    }
    arena_init(&m->arena, DNS_MEMO_BYTES_MAX);
    *out_memo = m;
    return ERR_OK;
}

void dns_memo_destroy(struct dns_memo *m)
{
    if (m) {
        arena_finish(&m->arena);
        free(m);
    }
}

static struct entry *find(struct dns_memo *m, struct span name, enum dns_type type)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->entries[i].type == type && span_eq_nocase(m->entries[i].name, name)) {
            return &m->entries[i];
        }
    }
    return NULL;
}

static struct entry *add(struct dns_memo *m, struct span name, enum dns_type type)
{
    if (m->n == DNS_MEMO_QUESTIONS_MAX) {
        return NULL;
    }
    struct span copy = arena_dup(&m->arena, name);

    if (!copy.p) {
        return NULL;
    }
    m->entries[m->n] = (struct entry){.name = copy, .type = type};
    return &m->entries[m->n++];
}

static enum err memo_ask(void *context, struct span name, enum dns_type type,
                         const struct dns_answer **out_answer)
{
    struct dns_memo *m = context;
    struct entry *e = find(m, name, type);

    if (e && e->is_answered) {
        *out_answer = &e->answer;
        return ERR_OK;
    }
    if (m->is_over || (!e && !add(m, name, type))) {
        *out_answer = &tempfail;
        return ERR_OK;
    }
    return ERR_AGAIN;
}

struct resolver dns_memo_resolver(struct dns_memo *m)
{
    return (struct resolver){memo_ask, m};
}

bool dns_memo_next(struct dns_memo *m, struct dns_question *out)
{
    while (m->next < m->n) {
        struct entry *e = &m->entries[m->next++];

        if (!e->is_handed_out && !e->is_answered) {
            e->is_handed_out = true;
            *out = (struct dns_question){e->name, e->type};
            return true;
        }
    }
    return false;
}

// A copy of the records, or NULL without room.
static struct dns_record *copy_records(struct dns_memo *m, const struct dns_answer *a, size_t n)
{
    struct dns_record *list = arena_zalloc(&m->arena, n, sizeof(*list));

    for (size_t i = 0; list && i < n; i++) {
        list[i].preference = a->records[i].preference;
        list[i].data = arena_dup(&m->arena, a->records[i].data);
        if (!list[i].data.p) {
            return NULL;
        }
    }
    return list;
}

enum err dns_memo_answer(struct dns_memo *m, struct span name, enum dns_type type,
                         const struct dns_answer *answer)
{
    struct entry *e = find(m, name, type);

    if (!e) {
        e = add(m, name, type);
    }
    if (!e) {
        return ERR_NOMEM;
    }
    if (e->is_answered) {
        return ERR_OK;
    }
    size_t n = answer->n < DNS_MEMO_RECORDS_MAX ? answer->n : DNS_MEMO_RECORDS_MAX;

    e->is_answered = true;
    e->answer = *answer;
    e->answer.records = NULL;
    e->answer.n = 0;
    if (answer->status != DNS_OK) {
        return ERR_OK;
    }
    if (n == 0) {
        e->answer.status = DNS_NODATA;
        return ERR_OK;
    }
    e->answer.records = copy_records(m, answer, n);
    if (!e->answer.records) {
        e->answer = tempfail;
        return ERR_OK;
    }
    e->answer.n = n;
    return ERR_OK;
}

void dns_memo_give_up(struct dns_memo *m)
{
    m->is_over = true;
}

enum err resolver_ask(const struct resolver *r, struct span name, enum dns_type type,
                      const struct dns_answer **out_answer)
{
    struct domain_name d;
    enum err e = ERR_OK;

    if (domain_name_parse(name, &d) != ERR_OK) {
        *out_answer = &nxdomain;
        return ERR_OK;
    }
    e = r->ask(r->context, domain_name_span(&d), type, out_answer);
    if (e != ERR_OK && e != ERR_AGAIN) {
        *out_answer = &tempfail;
        return ERR_OK;
    }
    return e;
}
