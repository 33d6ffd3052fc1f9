// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <dirent.h>

#include "engine/local/local.h"
#include "engine/memory/memory.h"

const struct actor tester = {.kind = ACTOR_USER, .device = {"test", 4}, .origin = {"127.0.0.1", 9}};

bool bench_use_local;

// Small segments and short intervals, so that checkpoints and compaction happen meanwhile.
static void engine_start(struct bench *b)
{
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct buf why;

    if (!b->is_local) {
        assert_ok(engine_memory_open(&b->engine));
        return;
    }
    o.segment_bytes = 8u << 20;
    o.reserve_bytes = 1u << 20;
    o.map_bytes = 1u << 30;
    o.checkpoint_ms = 50;
    o.compact_ms = 100;
    o.compress_after_s = 0;
    buf_init(&why, 4096);
    enum err e = engine_local_open(b->dir_fd, &o, &b->engine, &why);

    if (e != ERR_OK) {
        print_error("%.*s\n", (int)why.n, why.p);
    }
    buf_finish(&why);
    assert_ok(e);
}

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
    b->is_local = bench_use_local;
    if (b->is_local) {
        snprintf(b->dir, sizeof(b->dir), "/tmp/mailkeep-store-XXXXXX");
        assert_non_null(mkdtemp(b->dir));
        b->dir_fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(b->dir_fd >= 0);
    }
    engine_start(b);
    store_start(b);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.org")));
    assert_ok(directory_account_add(b->store, &tester, SPAN("u1@example.org"), SPAN("$hash"), true,
                                    &b->account));
}

account_id bench_account(struct bench *b, const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN(""), true, &id));
    return id;
}

void bench_reopen(struct bench *b)
{
    store_close(b->store);
    if (b->is_local) {
        engine_close(b->engine);
        engine_start(b);
    }
    store_start(b);
}

static void folder_remove(const char *path)
{
    DIR *d = opendir(path);
    char name[512];

    for (struct dirent *f; d && (f = readdir(d));) {
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0) {
            snprintf(name, sizeof(name), "%s/%s", path, f->d_name);
            if (unlink(name) != 0) {
                folder_remove(name);
            }
        }
    }
    if (d) {
        closedir(d);
    }
    rmdir(path);
}

void bench_close(struct bench *b)
{
    store_close(b->store);
    engine_close(b->engine);
    arena_finish(&b->arena);
    if (b->is_local) {
        close(b->dir_fd);
        folder_remove(b->dir);
    }
}

int bench_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    static char names[128][96];
    struct CMUnitTest all[128];

    assert_true(count <= 64);
    for (size_t i = 0; i < 2 * count; i++) {
        bool local = i >= count;

        all[i] = tests[i % count];
        snprintf(names[i], sizeof(names[i]), "%s (%s)", all[i].name, local ? "local" : "memory");
        all[i].name = names[i];
        all[i].initial_state = local ? &bench_use_local : NULL;
    }
    return _cmocka_run_group_tests(name, all, 2 * count, NULL, NULL);
}

void bench_choose(void *const *state)
{
    bench_use_local = *state != NULL;
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
