// SPDX-License-Identifier: Apache-2.0
#include "rules_world.h"

static struct bench bench;
struct bench *const b = &bench;
static struct queue *queue;
struct delivery *delivery;
struct arena texts;
account_id anna, bob;
struct buf mail;
struct delivery_recipient to[8];
struct delivery_envelope env;

account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN("$"), true, &id));
    return id;
}

void letter(const char *text)
{
    buf_clear(&mail);
    buf_put_str(&mail, text);
}

int setup(void **state)
{
    struct queue_options qo;
    struct delivery_options o = {.server = SPAN("mail.example.org"),
                                 .separators = SPAN("+"),
                                 .expire_s = 432000,
                                 .hierarchy = '/',
                                 .duplicates_s = 3600};

    bench_choose(state);
    bench_open(b);
    queue_options_default(&qo);
    assert_ok(queue_open(b->engine, &qo, &queue));
    assert_ok(delivery_create(b->store, queue, &o, &delivery));
    anna = account("anna@example.org");
    bob = account("bob@example.org");
    arena_init(&texts, 1 << 20);
    buf_init(&mail, 64 << 20);
    letter(HEAD "\r\nhello\r\n");
    env = (struct delivery_envelope){
        .sender = SPAN("me@example.net"), .origin = SPAN("192.0.2.7"), .texts = &texts};
    return 0;
}

static void tell(void *arg, account_id of, const char *problem, bool repaired)
{
    (void)arg;
    (void)repaired;
    if (problem) {
        print_error("account %llu: %s\n", (unsigned long long)of, problem);
    }
}

// The store's own check finds nothing: every body has its uses, in accounts and in the queue.
static void check(void)
{
    struct check_options o = {.read_bodies = true, .other_bodies = queue_bodies};
    struct check_totals totals;

    assert_ok(store_check(b->store, &o, tell, NULL, &totals));
    assert_int_equal(totals.differences, 0);
}

int teardown(void **state)
{
    (void)state;
    check();
    delivery_destroy(delivery);
    queue_close(queue);
    arena_finish(&texts);
    buf_finish(&mail);
    bench_close(b);
    return 0;
}

void rules(account_id of, const char *text)
{
    assert_ok(script_put(b->store, of, &tester, SPAN("main"), span_from_str(text)));
    assert_ok(script_activate(b->store, of, &tester, SPAN("main")));
}

static enum err read_mail(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    (void)arg;
    buf_put(out, span_first(span_skip(buf_span(&mail), offset), n < 7000 ? n : 7000));
    return ERR_OK;
}

void run(unsigned count, const char *const *recipients)
{
    struct span all = buf_span(&mail);
    struct delivery_message m = {.prefix = SPAN("X-Trace: yes\r\n"),
                                 .read = read_mail,
                                 .bytes = all.n,
                                 .header = span_first(all, span_find(all, SPAN("\r\n\r\n")) + 2)};

    for (unsigned i = 0; i < count; i++) {
        to[i] = (struct delivery_recipient){.address = span_from_str(recipients[i]),
                                            .notify = to[i].notify};
    }
    env.recipients = to;
    env.count = count;
    delivery_run(delivery, &env, &m);
    memset(&to[0].notify, 0, sizeof(to[0].notify));
}

// Each mailbox that holds something: "INBOX 1:F Lists 2:" with the flags of its messages.
const char *kept(account_id of)
{
    static const char letters[] = "SAFDr";
    const struct mailbox *const *all;
    struct placement_scan *scan;
    struct placement p;
    struct buf out;
    struct view *v;
    size_t n;

    buf_init(&out, 8192);
    assert_ok(view_open(b->store, of, &v));
    assert_ok(view_mailboxes(v, &all, &n));
    for (size_t i = 0; i < n; i++) {
        const struct span *names;
        size_t name_n;

        if (!all[i]->exists) {
            continue;
        }
        buf_printf(&out, "%s%.*s %u:", out.n ? " " : "", SPAN_ARG(all[i]->name), all[i]->exists);
        assert_ok(view_keywords(v, all[i]->id, &names, &name_n));
        assert_ok(placement_scan_open(v, all[i]->id, 1, UINT32_MAX, 0, &scan));
        while (placement_next(scan, &p) == ERR_OK) {
            for (unsigned k = 0; k < 5; k++) {
                buf_printf(&out, "%.*s", p.flags >> k & 1, &letters[k]);
            }
            for (size_t k = 0; k < name_n; k++) {
                if (p.keywords >> k & 1) {
                    buf_put(&out, names[k]);
                }
            }
        }
        placement_scan_close(scan);
    }
    view_close(v);
    const char *s = arena_str(&b->arena, buf_span(&out));

    buf_finish(&out);
    return s;
}

// The newest message of a mailbox.
struct span content(account_id of, const char *mailbox)
{
    struct placement_scan *scan;
    const struct mailbox *m;
    struct placement p;
    struct buf out;
    struct view *v;

    buf_init(&out, 64 << 20);
    assert_ok(view_open(b->store, of, &v));
    assert_ok(view_mailbox_by_name(v, span_from_str(mailbox), &m));
    assert_ok(placement_scan_open(v, m->id, m->uid_next - 1, UINT32_MAX, 0, &scan));
    assert_ok(placement_next(scan, &p));
    assert_ok(body_read(view_snapshot(v), p.body, 0, p.bytes, &out));
    placement_scan_close(scan);
    view_close(v);
    struct span s = arena_dup(&b->arena, buf_span(&out));

    buf_finish(&out);
    return s;
}

static struct buf listed;
struct queue_message last_message;
struct queue_recipient last_recipient;
unsigned list_count;

static bool list_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    (void)arg;
    last_message = *m;
    last_message.sender = arena_dup(&b->arena, m->sender);
    last_message.prefix = arena_dup(&b->arena, m->prefix);
    last_recipient = *r;
    last_recipient.address = arena_dup(&b->arena, r->address);
    last_recipient.reply = arena_dup(&b->arena, r->reply);
    list_count++;
    buf_printf(&listed, "%.*s>%.*s(%.*s)%s;\n", SPAN_ARG(span_first(m->sender, 5)),
               SPAN_ARG(r->address), SPAN_ARG(r->destination),
               r->state == QUEUE_FAILED      ? "failed"
               : r->state == QUEUE_DELIVERED ? "delivered"
                                             : "");
    return true;
}

static int by_text(const void *one, const void *other)
{
    const struct span *x = one, *y = other;

    return span_cmp(*x, *y);
}

// In the order of their texts: in which shard something lies is chance.
const char *queued(void)
{
    struct span rest, lines[64];
    struct buf sorted;

    list_count = 0;
    buf_init(&listed, 8192);
    buf_init(&sorted, 8192);
    assert_ok(queue_list(queue, 0, list_one, NULL));
    assert_true(list_count < 64);
    rest = buf_span(&listed);
    for (unsigned i = 0; i < list_count; i++) {
        lines[i] = span_split(&rest, '\n');
    }
    qsort(lines, list_count, sizeof(*lines), by_text);
    for (unsigned i = 0; i < list_count; i++) {
        buf_put(&sorted, lines[i]);
    }
    const char *out = arena_str(&b->arena, buf_span(&sorted));

    buf_finish(&sorted);
    buf_finish(&listed);
    return out;
}

static enum err read_queued(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    const struct queue_message *m = arg;
    struct snapshot *s;

    if (offset < m->prefix.n) {
        buf_put(out, span_first(span_skip(m->prefix, offset), n));
        return buf_result(out);
    }
    assert_ok(snapshot_open(b->engine, &s));
    enum err e = body_read(s, m->body, offset - m->prefix.n, n, out);

    snapshot_close(s);
    return e;
}

// The last message listed, as it leaves.
struct span leaving(void)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    for (uint64_t at = 0; at < last_message.prefix.n + last_message.body_bytes; at = out.n) {
        assert_ok(read_queued(&last_message, at, 65536, &out));
    }
    struct span s = arena_dup(&b->arena, buf_span(&out));

    buf_finish(&out);
    return s;
}

// Does what keep's outbound does with mail for here. How many it was.
unsigned work_here(void)
{
    struct queue_job *job;
    unsigned n = 0;
    int64_t next;

    while (queue_take(queue, clock_real_ms() + 1000, &job, &next) == ERR_OK) {
        struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];

        if (!span_eq(job->recipients[0].destination, SPAN(DELIVERY_HERE))) {
            uint32_t held;

            assert_ok(queue_act(queue, job->message.id, UINT32_MAX, QUEUE_HOLD, &held));
            queue_abandon(queue, job);
            continue;
        }
        for (size_t i = 0; i < job->count; i++) {
            static const enum queue_outcome outcomes[] = {[DELIVERY_ACCEPTED] = QUEUE_OUT_DELIVERED,
                                                          [DELIVERY_TEMPORARY] = QUEUE_OUT_DEFERRED,
                                                          [DELIVERY_REFUSED] = QUEUE_OUT_FAILED};
            struct delivery_answer a;

            delivery_again(delivery, &job->message, job->recipients[i].address, read_queued,
                           &job->message, &a);
            results[i] =
                (struct queue_result){outcomes[a.outcome], SPAN(""), span_from_str(a.text)};
        }
        assert_ok(queue_done(queue, job, results, clock_real_ms()));
        n++;
    }
    return n;
}

// What the change log says of the rules, the newest first.
const char *said(account_id of)
{
    struct change_scan *scan;
    struct change c;
    struct view *v;
    const char *out = "";

    assert_ok(view_open(b->store, of, &v));
    assert_ok(change_scan_open(v, 0, true, &scan));
    while (change_next(scan, &c) == ERR_OK) {
        if (c.kind == CHANGE_RULES) {
            out = arena_str(&b->arena, c.after);
            break;
        }
    }
    change_scan_close(scan);
    view_close(v);
    return out;
}

bool has(struct span s, const char *what)
{
    return span_find(s, span_from_str(what)) < s.n;
}
