// SPDX-License-Identifier: Apache-2.0
//
// Users by filter, in pages (RFC 7644 section 3.4.2): those of the token's domains, in order of
// domain and address. How many there are is counted anew for each page.
#include <stdio.h>
#include <stdlib.h>

#include "keep/scim/scim_internal.h"

#include "base/banned.h"

#define PAGE_BYTES_MAX (64u << 10) // of users in an answer, and one more
#define LOOK_BYTES_MAX (8u << 20)  // of the arena, for one user

struct ids {
    account_id *list;
    size_t n, cap;
    bool failed;
};

static bool ids_add(struct ids *l, account_id id)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        account_id *list = realloc(l->list, cap * sizeof(*list));

        if (!list) {
            l->failed = true;
            return false;
        }
        l->list = list;
        l->cap = cap;
    }
    l->list[l->n++] = id;
    return true;
}

static bool collect(void *arg, const struct account *account)
{
    return ids_add(arg, account->id);
}

// Does the filter itself name the only one who can fit it? `*out` is 0 when it is nobody.
static bool names_one(struct scim_call *c, const struct scim_filter *f, account_id *out)
{
    if (f->node == SCIM_AND) {
        return names_one(c, f->a, out) || names_one(c, f->b, out);
    }
    if (f->node != SCIM_COMPARE || f->op != SCIM_EQ || f->value.type != SCIM_TEXT ||
        f->attr.sub.n > 0) {
        return false;
    }
    *out = 0;
    if (span_eq_nocase(f->attr.name, SPAN("id"))) {
        *out = scim_user_id(f->value.text);
        return true;
    }
    return span_eq_nocase(f->attr.name, SPAN("userName")) &&
           directory_id_by_name(c->admin.store, f->value.text, out) != ERR_IO;
}

static enum err candidates(struct scim_call *c, const struct scim_filter *f, struct ids *out)
{
    account_id only;
    enum err e = ERR_OK;

    if (f && names_one(c, f, &only)) {
        return only == 0 || ids_add(out, only) ? ERR_OK : ERR_NOMEM;
    }
    for (size_t i = 0; i < c->token.domain_count && e == ERR_OK; i++) {
        e = directory_account_list(c->admin.store, c->token.domains[i], collect, out);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    return out->failed ? ERR_NOMEM : e;
}

// ---- a page -------------------------------------------------------------------------------------

struct page {
    struct scim_call *call;
    const struct scim_filter *filter;
    int64_t start, count;
    json_t *items;
    int64_t total;
    size_t bytes;
};

static int64_t number_arg(const struct scim_call *c, const char *name, int64_t fallback)
{
    const json_t *v = scim_arg_json(c, name);

    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

static enum err page_add(struct page *p, const struct scim_user *u)
{
    struct scim_call *c = p->call;
    json_t *j = scim_user_json(c, u, NULL);
    enum err e = j ? ERR_OK : ERR_NOMEM;

    if (j && (!p->filter || scim_match(p->filter, j, SPAN(SCIM_URN_USER)))) {
        p->total++;
        if (p->total >= p->start && (int64_t)json_array_size(p->items) < p->count &&
            p->bytes < PAGE_BYTES_MAX) {
            scim_project(j, scim_arg_json(c, "attributes"), scim_arg_json(c, "excluded"));
            p->bytes += json_dumpb(j, NULL, 0, JSON_COMPACT);
            e = json_array_append(p->items, j) == 0 ? ERR_OK : ERR_NOMEM;
        }
    }
    json_decref(j);
    return e;
}

// Whoever went since the list was made is not there any more; nothing is wrong.
static enum err page_fill(struct page *p, const struct ids *ids)
{
    struct arena own = p->call->arena;
    enum err e = ERR_OK;

    arena_init(&p->call->arena, LOOK_BYTES_MAX); // what is looked up of one is not needed for long
    for (size_t i = 0; i < ids->n && e == ERR_OK; i++) {
        struct scim_user u;

        if (control_cancelled(p->call->call)) {
            e = ERR_UNAVAILABLE;
            break;
        }
        e = scim_user_load(p->call, ids->list[i], &u);
        e = e == ERR_OK ? page_add(p, &u) : e;
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        arena_reset(&p->call->arena);
    }
    arena_finish(&p->call->arena);
    p->call->arena = own;
    return e;
}

static enum err page_put(const struct page *p)
{
    json_t *j = json_pack("{s:[s], s:I, s:I, s:I, s:O}", "schemas", SCIM_URN_LIST, "totalResults",
                          (json_int_t)p->total, "startIndex", (json_int_t)p->start, "itemsPerPage",
                          (json_int_t)json_array_size(p->items), "Resources", p->items);
    enum err e = j ? scim_put_json(p->call, j) : ERR_NOMEM;

    json_decref(j);
    return e;
}

enum err scim_list(struct scim_call *c)
{
    struct page p = {.call = c,
                     .start = number_arg(c, "start", 1),
                     .count = number_arg(c, "count", SCIM_PAGE_MAX)};
    struct span text = scim_arg(c, "filter");
    struct ids ids = {.n = 0};
    enum err e = text.n > 0 ? scim_filter_read(text, &c->arena, &p.filter) : ERR_OK;

    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return scim_fail(&c->error, 400, "invalidFilter", "This filter cannot be read.");
    }
    p.start = p.start < 1 ? 1 : p.start;
    p.count = p.count < 0 ? 0 : p.count > SCIM_PAGE_MAX ? SCIM_PAGE_MAX : p.count;
    p.items = json_array();
    e = e == ERR_OK ? candidates(c, p.filter, &ids) : e;
    e = e == ERR_OK ? page_fill(&p, &ids) : e;
    c->status = 200;
    e = e == ERR_OK ? page_put(&p) : e;
    json_decref(p.items);
    free(ids.list);
    return e;
}
