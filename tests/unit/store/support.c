// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include "engine/memory/memory.h"

const struct actor tester = {.kind = ACTOR_USER, .device = {"test", 4}, .origin = {"127.0.0.1", 9}};

static void store_start(struct bench *b)
{
    struct store_options o;

    store_options_default(&o);
    assert_ok(store_open(b->engine, &o, &b->store));
}

void bench_open(struct bench *b)
{
    *b = (struct bench){0};
    arena_init(&b->arena, 256u << 20);
    assert_ok(engine_memory_open(&b->engine));
    store_start(b);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.org")));
    assert_ok(directory_account_add(b->store, &tester, SPAN("u1@example.org"), SPAN("$hash"), true,
                                    &b->account));
}

void bench_reopen(struct bench *b)
{
    store_close(b->store);
    store_start(b);
}

void bench_close(struct bench *b)
{
    store_close(b->store);
    engine_close(b->engine);
    arena_finish(&b->arena);
}

static void tell(void *arg, account_id account, const char *problem, bool repaired)
{
    (void)arg;
    if (problem) {
        print_error("account %llu: %s%s\n", (unsigned long long)account, problem,
                    repaired ? " (repaired)" : "");
    }
}

void bench_check(struct bench *b)
{
    struct check_options o = {.read_bodies = true};
    struct check_totals totals;

    assert_ok(store_check(b->store, &o, tell, NULL, &totals));
    assert_int_equal(totals.differences, 0);
}

mailbox_id bench_mailbox(struct bench *b, const char *name)
{
    struct view *v;
    const struct mailbox *m;
    mailbox_id id = 0;

    assert_ok(view_open(b->store, b->account, &v));
    if (view_mailbox_by_name(v, span_from_str(name), &m) == ERR_OK) {
        id = m->id;
    }
    view_close(v);
    return id;
}

struct mailbox bench_mailbox_get(struct bench *b, const char *name)
{
    struct view *v;
    const struct mailbox *m;
    struct mailbox out;

    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_mailbox_by_name(v, span_from_str(name), &m));
    out = *m;
    out.name = arena_dup(&b->arena, m->name);
    view_close(v);
    return out;
}

struct incoming *bench_incoming(struct store *s, struct span text)
{
    struct incoming *m;

    assert_ok(incoming_begin(s, &m));
    assert_ok(incoming_write(m, text));
    assert_ok(incoming_finish(m));
    return m;
}

uint32_t bench_append(struct bench *b, const char *mailbox, const char *text, uint16_t flags)
{
    struct incoming *m = bench_incoming(b->store, span_from_str(text));
    struct append_item item = {.message = m, .flags = flags, .internal_date = 1700000000};
    struct append_result r;

    assert_ok(store_append(b->store, b->account, &tester, bench_mailbox(b, mailbox), &item, 1, &r));
    incoming_destroy(m);
    return r.first_uid;
}

struct uid_set bench_set(struct bench *b, uint32_t first, uint32_t last)
{
    struct uid_range *r = arena_alloc(&b->arena, sizeof(*r));

    *r = (struct uid_range){first, last};
    return (struct uid_set){r, 1};
}

const char *bench_list(struct bench *b, const char *mailbox)
{
    struct view *v;
    const struct mailbox *m;
    struct placement_scan *scan;
    struct placement p;
    struct buf out;
    enum err e;

    buf_init(&out, 1 << 20);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_mailbox_by_name(v, span_from_str(mailbox), &m));
    assert_ok(placement_scan_open(v, m->id, 1, UINT32_MAX, 0, &scan));
    while ((e = placement_next(scan, &p)) == ERR_OK) {
        buf_printf(&out, "%s%u:%x", out.n ? " " : "", p.uid, p.flags);
    }
    assert_err(e, ERR_NOT_FOUND);
    placement_scan_close(scan);
    view_close(v);
    const char *text = arena_str(&b->arena, buf_span(&out));

    buf_finish(&out);
    return text;
}

const char *bench_set_text(struct bench *b, const struct uid_set *set)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < set->count; i++) {
        buf_printf(&out, "%s%u", i ? "," : "", set->ranges[i].first);
        if (set->ranges[i].last != set->ranges[i].first) {
            buf_printf(&out, ":%u", set->ranges[i].last);
        }
    }
    const char *text = arena_str(&b->arena, buf_span(&out));

    buf_finish(&out);
    return text;
}
