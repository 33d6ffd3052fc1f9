// SPDX-License-Identifier: Apache-2.0
//
// Random operations on the store against a model that keeps everything in plain arrays: after each
// the results are compared, every so often the whole account, and the change log is undone from now
// back to remembered moments. Commits fail and conflict on purpose. MK_MODEL_SEED and MK_MODEL_OPS
// choose the run; a failing run prints its seed.
#include "model.h"

// ---- comparing ----------------------------------------------------------------------------------

static void compare_box(struct model *m, struct view *v, struct box *x)
{
    const struct mailbox *r;
    struct placement_scan *scan;
    struct placement p;
    struct message_info info;
    uint32_t unseen = 0, deleted = 0;
    uint64_t bytes = 0;

    assert_ok(view_mailbox_by_name(v, span_from_str(x->name), &r));
    assert_int_equal(r->id, x->id);
    assert_int_equal(r->uid_validity, x->validity);
    assert_int_equal(r->uid_next, x->next);
    assert_int_equal(r->exists, x->n);
    assert_int_equal(r->special_use, x->use);
    assert_int_equal(r->is_subscribed, x->subscribed);
    assert_int_equal(r->is_no_select, x->no_select);
    assert_true(r->highest_modseq == x->highest);
    assert_ok(placement_scan_open(v, x->id, 1, UINT32_MAX, 0, &scan));
    for (size_t i = 0; i < x->n; i++) {
        const struct place *q = &x->p[i];
        const struct letter *l = letter_of(m, q->message);

        assert_ok(placement_next(scan, &p));
        assert_int_equal(p.uid, q->uid);
        assert_int_equal(p.flags, q->flags);
        assert_int_equal(p.message, q->message);
        assert_int_equal(p.bytes, l->size);
        assert_int_equal(p.internal_date, l->date);
        assert_int_equal(p.saved, q->saved);
        assert_true(p.changed == q->changed);
        assert_true(keywords_read(v, x->id, p.keywords, p.more_keywords, p.more_keyword_count) ==
                    q->keywords);
        assert_ok(view_message(v, p.message, &info));
        assert_int_equal(info.thread, l->thread);
        assert_true(info.body == p.body);
        unseen += !(q->flags & FLAG_SEEN);
        deleted += !!(q->flags & FLAG_DELETED);
        bytes += l->size;
    }
    assert_err(placement_next(scan, &p), ERR_NOT_FOUND);
    placement_scan_close(scan);
    assert_int_equal(r->unseen, unseen);
    assert_int_equal(r->deleted, deleted);
    assert_int_equal(r->bytes, bytes);
}

static void compare_changed_since(struct model *m, struct view *v, struct box *x)
{
    modseq since = rnd(m, m->version + 1);
    uint32_t first = 1 + (uint32_t)rnd(m, x->next), last = first + (uint32_t)rnd(m, x->next);
    struct placement_scan *scan;
    struct placement p;

    assert_ok(placement_scan_open(v, x->id, first, last, since, &scan));
    for (size_t i = 0; i < x->n; i++) {
        if (x->p[i].uid >= first && x->p[i].uid <= last && x->p[i].changed > since) {
            assert_ok(placement_next(scan, &p));
            assert_int_equal(p.uid, x->p[i].uid);
        }
    }
    assert_err(placement_next(scan, &p), ERR_NOT_FOUND);
    placement_scan_close(scan);
}

static bool count_expunged(void *arg, const struct expunged *e)
{
    struct model *m = arg;
    const struct letter *l = letter_of(m, e->message);

    assert_true(l->alive && l->placements == 0);
    assert_int_equal(l->expunged_at, e->expunged_at);
    assert_span(e->mailbox_name, l->from_name);
    m->random++; // counts; put back by the caller
    return true;
}

static void compare_all(struct model *m)
{
    struct view *v;
    const struct mailbox *const *all;
    const struct span *orphans;
    size_t n, used = 0, expunged = 0;
    struct quota q;
    uint64_t random = m->random;

    assert_ok(view_open(m->b.store, m->b.account, &v));
    assert_true(view_modseq(v) == m->version);
    for (size_t i = 0; i < BOXES; i++) {
        if (m->boxes[i].used) {
            used++;
            compare_box(m, v, &m->boxes[i]);
            compare_changed_since(m, v, &m->boxes[i]);
        }
    }
    assert_ok(view_mailboxes(v, &all, &n));
    assert_int_equal(n, used);
    assert_span(all[0]->name, "INBOX");
    assert_ok(view_orphan_subscriptions(v, &orphans, &n));
    assert_int_equal(n, m->orphan_count);
    assert_ok(view_quota(v, &q));
    assert_int_equal(q.bytes, m->bytes);
    assert_int_equal(q.messages, m->messages);
    for (message_id id = 1; id < m->next_message; id++) {
        expunged += letter_of(m, id)->alive && letter_of(m, id)->placements == 0;
    }
    uint64_t before = m->random;

    assert_ok(expunged_list(v, count_expunged, m));
    assert_int_equal(m->random - before, expunged);
    m->random = random; // the operations stay the same however often this is called
    view_close(v);
}

// ---- running ------------------------------------------------------------------------------------

typedef void op_fn(struct model *m);
static const struct {
    op_fn *fn;
    unsigned weight;
} ops[] = {{op_append, 30}, {op_flags, 25},  {op_copy, 12},  {op_expunge, 10},
           {op_create, 4},  {op_delete, 3},  {op_rename, 3}, {op_subscribe, 2},
           {op_quota, 2},   {op_restore, 6}, {op_forget, 1}, {op_deliver, 5}};

static void step(struct model *m)
{
    struct engine_memory_faults faults = {0};
    unsigned total = 0, i = 0;

    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        total += ops[k].weight;
    }
    uint64_t pick = rnd(m, total);

    while (pick >= ops[i].weight) {
        pick -= ops[i++].weight;
    }
    m->now += (int64_t)rnd(m, 3);
    clock_test_fix_real(m->now);
    uint64_t fault = m->b.is_local ? 20 : rnd(m, 20);

    m->armed = fault == 0;
    if (fault < 3) {
        faults.commit_after = 1;
        faults.commit_error = m->armed ? ERR_NOSPACE : ERR_CONFLICT;
    }
    set_faults(m, &faults);
    if (getenv("MK_MODEL_EVERY")) {
        print_message("operation of kind %u\n", i);
    }
    ops[i].fn(m);
    set_faults(m, &(struct engine_memory_faults){0});
    m->armed = false;
}

static void model_start(struct model *m, uint64_t seed)
{
    struct view *v;
    const struct mailbox *const *all;
    size_t n;

    *m = (struct model){.random = seed * 2654435761u + 88172645463325252ull,
                        .bytes_max = UINT64_MAX,
                        .messages_max = UINT64_MAX,
                        .next_message = 1,
                        .now = 1800000000};
    clock_test_fix_real(m->now);
    bench_open(&m->b);
    assert_ok(view_open(m->b.store, m->b.account, &v));
    m->version = view_modseq(v);
    assert_ok(view_mailboxes(v, &all, &n));
    for (size_t i = 0; i < n; i++) {
        struct box *x = &m->boxes[i];

        *x = (struct box){.used = true,
                          .subscribed = true,
                          .id = all[i]->id,
                          .validity = all[i]->uid_validity,
                          .next = 1,
                          .use = all[i]->special_use,
                          .highest = all[i]->highest_modseq};
        snprintf(x->name, sizeof(x->name), "%.*s", SPAN_ARG(all[i]->name));
    }
    view_close(v);
}

static void model_end(struct model *m)
{
    for (size_t i = 0; i < BOXES; i++) {
        free(m->boxes[i].p);
    }
    free(m->letters);
    bench_close(&m->b);
    clock_test_fix_real(-1);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    uint64_t v;

    return s && span_to_u64(span_from_str(s), UINT64_MAX, &v) ? v : otherwise;
}

static void test_model(void **state)
{
    bench_choose(state);
    uint64_t seed = setting("MK_MODEL_SEED", 1),
             count = setting("MK_MODEL_OPS", bench_use_local ? 2000 : 6000);
    uint64_t every = setting("MK_MODEL_EVERY", 25); // 1 finds the operation that went wrong
    struct model *m = malloc(sizeof(*m));
    struct past *then = calloc(1, sizeof(*then));

    model_start(m, seed);
    past_take(m, then);
    for (uint64_t i = 1; i <= count; i++) {
        step(m);
        if (i % every == 0) {
            memory_learn(m);
            compare_all(m);
        }
        if (i % 200 == 0) {
            compare_log(m, then);
            compare_vanished(m, then);
            past_free(then);
            past_take(m, then);
            arena_reset(&m->b.arena);
        }
        if (i % 1000 == 0) {
            bench_reopen(&m->b);
            bench_check(&m->b);
        }
    }
    compare_all(m);
    bench_check(&m->b);
    print_message("model: seed %llu, %llu changes, %llu refused, %llu failed on purpose\n",
                  (unsigned long long)seed, (unsigned long long)m->done,
                  (unsigned long long)m->refused, (unsigned long long)m->failed);
    past_free(then);
    free(then);
    model_end(m);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

    return BENCH_RUN("model", tests);
}
