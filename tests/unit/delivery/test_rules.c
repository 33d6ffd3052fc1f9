// SPDX-License-Identifier: Apache-2.0
//
// What accounts' rules do with arriving mail: into mailboxes, on to others, refused, answered.
// Cases of tests/oracle's table have their id in the name.
#include "../store/support.h"
#include "base/clock.h"
#include "delivery/delivery.h"
#include "engine/memory/memory.h"
#include "mime/mime_header.h"
#include "store/route.h"
#include "store/rules.h"

static struct bench bench;
static struct bench *const b = &bench;
static struct queue *queue;
static struct delivery *delivery;
static struct arena texts;
static account_id anna, bob;
static struct buf mail;
static struct delivery_recipient to[8];
static struct delivery_envelope env;

#define HEAD                                                                                       \
    "Received: by x\r\nFrom: Me <me@example.net>\r\nTo: anna@example.org, bob@example.org\r\n"     \
    "Subject: hello\r\nMessage-ID: <1@example.net>\r\n"

static account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN("$"), true, &id));
    return id;
}

static void letter(const char *text)
{
    buf_clear(&mail);
    buf_put_str(&mail, text);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    delivery_destroy(delivery);
    queue_close(queue);
    arena_finish(&texts);
    buf_finish(&mail);
    bench_close(b);
    return 0;
}

static void rules(account_id of, const char *text)
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

static void run(unsigned count, const char *const *recipients)
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
#define RUN(...)                                                                                   \
    run(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

// Each mailbox that holds something: "INBOX 1:F Lists 2:" with the flags of its messages.
static const char *kept(account_id of)
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
static struct span content(account_id of, const char *mailbox)
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
static struct queue_message last_message;
static struct queue_recipient last_recipient;
static unsigned list_count;

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
    buf_printf(&listed, "%.*s>%.*s(%.*s)%s;", SPAN_ARG(span_first(m->sender, 5)),
               SPAN_ARG(r->address), SPAN_ARG(r->destination),
               r->state == QUEUE_FAILED      ? "failed"
               : r->state == QUEUE_DELIVERED ? "delivered"
                                             : "");
    return true;
}

static const char *queued(void)
{
    list_count = 0;
    buf_init(&listed, 8192);
    assert_ok(queue_list(queue, 0, list_one, NULL));
    const char *out = arena_str(&b->arena, buf_span(&listed));

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
static struct span leaving(void)
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
static unsigned work_here(void)
{
    struct queue_job *job;
    unsigned n = 0;
    int64_t next;

    while (queue_take(queue, clock_real_ms() + 1000, &job, &next) == ERR_OK) {
        struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];

        if (!span_eq(job->recipients[0].destination, SPAN(DELIVERY_HERE))) {
            assert_ok(queue_act(queue, job->message.id, UINT32_MAX, QUEUE_HOLD, &n));
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
static const char *said(account_id of)
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

static bool has(struct span s, const char *what)
{
    return span_find(s, span_from_str(what)) < s.n;
}

// ---- into mailboxes -----------------------------------------------------------------------------

static void test_keep_and_fileinto(void **state)
{
    (void)state;
    rules(anna, "require [\"fileinto\",\"copy\",\"imap4flags\",\"mailbox\"];"
                "if header :contains \"subject\" \"hello\" {"
                "  fileinto :copy :flags [\"\\\\Seen\",\"work\"] :create \"Lists/Deep\";"
                "  addflag \"\\\\Flagged\"; }");
    RUN("anna@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:F Lists/Deep 1:Swork");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(queued(), "");
    assert_true(span_starts(content(anna, "Lists/Deep"),
                            SPAN("Return-Path: <me@example.net>\r\nX-Trace: yes\r\nReceived:")));
    // One message in two mailboxes, one entry of the log.
    struct span one = content(anna, "INBOX"), two = content(anna, "Lists/Deep");

    assert_true(span_eq(one, two));
}

static void test_one_commit(void **state)
{
    struct view *v;

    (void)state;
    rules(anna, "require [\"fileinto\",\"mailbox\"]; keep; fileinto :create \"A\";"
                "fileinto \"Archive\";");
    assert_ok(view_open(b->store, anna, &v));
    modseq before = view_modseq(v);

    view_close(v);
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: A 1: Archive 1:");
    assert_ok(view_open(b->store, anna, &v));
    assert_int_equal(view_modseq(v), before + 1);
    view_close(v);
}

static void test_missing_mailbox_is_inbox(void **state)
{
    (void)state;
    rules(anna, "require \"fileinto\"; fileinto \"Nowhere\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    rules(anna, "require [\"fileinto\",\"mailbox\"]; fileinto :create \"a//b\";");
    letter(HEAD "\r\nother\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2:");
}

static void test_special_use_and_id(void **state)
{
    char script[256];

    (void)state;
    rules(anna, "require [\"fileinto\",\"special-use\",\"mailbox\"];"
                "if specialuse_exists \"\\\\Archive\" {"
                " fileinto :specialuse \"\\\\Archive\" \"Nowhere\"; }"
                "if not mailboxexists \"Nowhere\" { fileinto \"Sent\"; }");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1: Sent 1:");
    struct account a;
    struct view *v;
    const struct mailbox *m;

    assert_ok(directory_account_by_id(b->store, anna, &b->arena, &a));
    assert_ok(view_open(b->store, anna, &v));
    assert_ok(view_mailbox_by_name(v, SPAN("Trash"), &m));
    snprintf(script, sizeof(script),
             "require [\"fileinto\",\"mailboxid\"]; fileinto :mailboxid \"b%u\" \"INBOX\";", m->id);
    view_close(v);
    rules(anna, script);
    letter(HEAD "\r\nother\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1: Sent 1: Trash 1:");
}

static void test_discard(void **state)
{
    (void)state;
    rules(anna, "discard;");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "");
    assert_string_equal(said(anna), "the rules threw a message from me@example.net away");
}

static void test_editheader(void **state)
{
    (void)state;
    rules(anna, "require [\"editheader\",\"fileinto\"]; fileinto \"Archive\";"
                "addheader \"X-Seen\" \"yes\"; deleteheader \"X-Trace\"; keep;");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: Archive 1:");
    struct span one = content(anna, "INBOX");

    assert_true(has(one, "Return-Path: <me@example.net>\r\nX-Seen: yes\r\n"));
    assert_false(has(one, "X-Trace"));
    assert_true(span_ends(one, SPAN("\r\n\r\nhello\r\n")));
    assert_false(has(content(anna, "Archive"), "X-Seen"));
}

// The body is not in memory for a script that looks at the header only.
static void test_large_message(void **state)
{
    (void)state;
    letter(HEAD "\r\n");
    for (int i = 0; i < 40000; i++) {
        buf_put_str(&mail, "a line of the body that is not looked at by rules\r\n");
    }
    buf_put_str(&mail, "the end\r\n");
    rules(anna, "require [\"editheader\",\"fileinto\"]; addheader \"X-Seen\" \"yes\";"
                "if size :over 1M { fileinto \"Archive\"; }");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1:");
    struct span s = content(anna, "Archive");

    assert_true(span_ends(s, SPAN("by rules\r\nthe end\r\n")));
    assert_true(has(s, "X-Seen: yes\r\n"));
    assert_int_equal(s.n, mail.n + strlen("Return-Path: <me@example.net>\r\nX-Trace: yes\r\n"
                                          "X-Seen: yes\r\n"));
    rules(anna, "require [\"body\",\"fileinto\"]; if body :contains \"the end\" { fileinto "
                "\"Trash\"; }");
    buf_put_str(&mail, "x\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1: Trash 1:");
}

static void test_suspect_is_kept_in_junk(void **state)
{
    (void)state;
    env.is_suspect = true;
    rules(anna,
          "require [\"fileinto\",\"spamtestplus\",\"relational\",\"comparator-i;ascii-numeric\"];"
          "if spamtest :percent :value \"ge\" :comparator \"i;ascii-numeric\" \"90\""
          " { keep; }");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Junk 1:");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_keep_and_fileinto),
        T(test_one_commit),
        T(test_missing_mailbox_is_inbox),
        T(test_special_use_and_id),
        T(test_discard),
        T(test_editheader),
        T(test_large_message),
        T(test_suspect_is_kept_in_junk),
    };

    (void)leaving;
    (void)work_here;
    (void)queued;
    return BENCH_RUN("delivery-rules", tests);
}
