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

static int teardown(void **state)
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

// ---- on to others -------------------------------------------------------------------------------

static void test_redirect(void **state)
{
    (void)state;
    rules(anna, "require \"copy\"; redirect \"x@elsewhere.example\";"
                "redirect :copy \"bob@example.org\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "");
    assert_string_equal(queued(), "SRS0=>x@elsewhere.example(elsewhere.example);"
                                  "SRS0=>bob@example.org(local:);");
    assert_true(span_starts(leaving(), SPAN("Delivered-To: anna@example.org\r\nX-Trace: yes\r\n")));
    assert_string_equal(said(anna), "a message from me@example.net was sent on to "
                                    "x@elsewhere.example; a message from me@example.net was sent "
                                    "on to bob@example.org");
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(span_starts(content(bob, "INBOX"), SPAN("Return-Path: <SRS0=")));
}

static void test_redirect_edited_and_enclosed(void **state)
{
    (void)state;
    rules(anna, "require \"editheader\"; addheader \"X-Way\" \"anna\"; redirect \"x@y.example\";");
    RUN("anna@example.org");
    assert_string_equal(queued(), "SRS0=>x@y.example(y.example);");
    struct span s = leaving();

    assert_true(has(s, "\r\nX-Way: anna\r\n"));
    assert_true(span_ends(s, SPAN("\r\n\r\nhello\r\n")));
    assert_false(has(s, "Return-Path"));
}

// RFC 6009.
static void test_redirect_dsn(void **state)
{
    (void)state;
    rules(anna, "require [\"redirect-dsn\",\"copy\"];"
                "redirect :notify \"FAILURE,DELAY\" :ret \"FULL\" \"x@y.example\";");
    RUN("anna@example.org");
    queued();
    assert_int_equal(last_recipient.notify, QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY);
    assert_true(last_message.flags & QUEUE_RET_FULL);
}

static void test_V03_redirect_to_self_is_kept(void **state)
{
    (void)state;
    rules(anna, "redirect \"Anna@Example.org\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), "");
}

static void test_V03_redirect_in_circles(void **state)
{
    (void)state;
    rules(anna, "redirect \"bob@example.org\";");
    rules(bob, "redirect \"anna@example.org\";");
    RUN("anna@example.org");
    for (int i = 0; i < 10 && work_here(); i++) {
    }
    assert_string_equal(queued(), "");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "");
    assert_true(has(span_from_str(said(anna)), "it has gone round in circles"));
}

static void test_V03_many_hops_are_not_sent_on(void **state)
{
    (void)state;
    buf_clear(&mail);
    for (int i = 0; i < 30; i++) {
        buf_put_str(&mail, "Received: by x\r\n");
        buf_printf(&mail, "Delivered-To: u%d@example.net\r\n", i);
    }
    buf_put_str(&mail, "Subject: x\r\n\r\nx\r\n");
    rules(anna, "redirect \"x@elsewhere.example\";");
    RUN("anna@example.org");
    assert_string_equal(queued(), "");
    assert_string_equal(kept(anna), "INBOX 1:");
}

static void test_V03_four_redirects(void **state)
{
    (void)state;
    rules(anna, "redirect \"a@y.example\"; redirect \"b@y.example\"; redirect \"c@y.example\";"
                "redirect \"d@y.example\";");
    RUN("anna@example.org");
    queued();
    assert_int_equal(list_count, 4);
    rules(bob, "redirect \"a@y.example\"; redirect \"b@y.example\"; redirect \"c@y.example\";"
               "redirect \"d@y.example\"; redirect \"e@y.example\";");
    RUN("bob@example.org");
    queued();
    assert_int_equal(list_count, 4);
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(has(span_from_str(said(bob)), "more than 4 times"));
}

// ---- refusing -----------------------------------------------------------------------------------

static void test_reject_in_session(void **state)
{
    (void)state;
    rules(anna, "require \"reject\"; reject \"No, thank you.\r\nReally.\";");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.outcome, DELIVERY_REFUSED);
    assert_int_equal(to[0].answer.code, 550);
    assert_string_equal(to[0].answer.text, "No, thank you.  Really.");
    assert_string_equal(kept(anna), "");
    assert_string_equal(queued(), "");
    env.one_answer = true;
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 550);
    env.texts = NULL;
    RUN("anna@example.org");
    assert_string_equal(to[0].answer.text, "The recipient does not want this message");
}

static void test_reject_by_notice(void **state)
{
    (void)state;
    env.one_answer = true;
    rules(anna, "require \"ereject\"; ereject \"Not today.\";");
    RUN("anna@example.org", "bob@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(kept(anna), "");
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)failed;");
    assert_true(has(last_recipient.reply, "550 5.7.1 Not today."));
    // Nobody is told where nobody wants to hear of it.
    env.sender = SPAN("");
    letter(HEAD "\r\nfrom nobody\r\n");
    RUN("anna@example.org", "bob@example.org");
    queued();
    assert_int_equal(list_count, 1);
    env.sender = SPAN("me@example.net");
    letter(HEAD "\r\nNEVER\r\n");
    to[0].notify = QUEUE_NOTIFY_NEVER;
    RUN("anna@example.org", "bob@example.org");
    queued();
    assert_int_equal(list_count, 1);
}

// Words that the client cannot hear go by a notice (RFC 5429 section 2.2).
static void test_reject_in_other_letters(void **state)
{
    (void)state;
    rules(anna, "require \"reject\"; reject \"Kein Bedarf, \xc3\xbc"
                "brigens\";");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)failed;");
    env.flags = QUEUE_SMTPUTF8;
    RUN("anna@example.org");
    assert_string_equal(to[0].answer.text, "Kein Bedarf, \xc3\xbc"
                                           "brigens");
}

// ---- answers ------------------------------------------------------------------------------------

#define AWAY "require [\"vacation\",\"vacation-seconds\",\"fcc\",\"mailbox\"];"

static void test_vacation(void **state)
{
    (void)state;
    rules(anna, AWAY "vacation :subject \"Weg \xe2\x80\x93 bis Montag\" :fcc \"Sent\""
                     " \"Ich bin weg.\nGr\xc3\xbc\xc3\x9f"
                     "e\";");
    letter("Received: by x\r\nFrom: me@example.net\r\nTo: anna@example.org\r\nSubject: hello\r\n"
           "References: <0@example.net>\r\nMessage-ID: <1@example.net>\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: Sent 1:");
    assert_string_equal(queued(), ">me@example.net(example.net);");
    assert_int_equal(last_message.sender.n, 0);
    struct span s = leaving();

    assert_true(has(s, "\r\nFrom: <anna@example.org>\r\n"));
    assert_true(has(s, "\r\nTo: me@example.net\r\n"));
    assert_true(has(s, "\r\nSubject: =?UTF-8?"));
    assert_true(has(s, "\r\nIn-Reply-To: <1@example.net>\r\n"));
    assert_true(has(s, "\r\nReferences: <0@example.net> <1@example.net>\r\n"));
    assert_true(has(s, "\r\nAuto-Submitted: auto-replied (vacation)\r\n"));
    assert_true(has(s, "\r\n\r\nIch bin weg.\r\nGr=C3=BC=C3=9Fe\r\n"));
    assert_string_equal(said(anna), "me@example.net was told of the absence");
}

static void answered(const char *header, unsigned answers)
{
    buf_clear(&mail);
    buf_put_str(&mail, header);
    buf_put_str(&mail, "\r\nhello\r\n");
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    queued();
    assert_int_equal(list_count, answers);
}

#define TO_ANNA "From: me@example.net\r\nTo: Anna <anna@example.org>\r\n"

static void test_V03_vacation_never_answers(void **state)
{
    static const char *const headers[] = {
        TO_ANNA "Auto-Submitted: auto-replied\r\n",
        TO_ANNA "Auto-Submitted: auto-generated; x\r\n",
        TO_ANNA "List-Id: <l.example.net>\r\n",
        TO_ANNA "List-Unsubscribe: <mailto:x@y>\r\n",
        TO_ANNA "Precedence: bulk\r\n",
        TO_ANNA "Precedence: list\r\n",
        TO_ANNA "Precedence: junk\r\n",
        TO_ANNA "X-Auto-Response-Suppress: All\r\n",
        TO_ANNA "Content-Type: multipart/report; boundary=x\r\n",
        "From: me@example.net\r\nTo: undisclosed-recipients:;\r\n",
        "From: me@example.net\r\nTo: other@example.org\r\n"};
    static const char *const senders[] = {"",
                                          "MAILER-DAEMON@example.net",
                                          "owner-list@example.net",
                                          "list-request@example.net",
                                          "bounces+1@example.net",
                                          "no-reply@example.net",
                                          "anna@example.org"};

    (void)state;
    rules(anna, AWAY "vacation :seconds 0 \"away\";");
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        answered(headers[i], 0);
    }
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        env.sender = span_from_str(senders[i]);
        answered(TO_ANNA, 0);
    }
    env.sender = SPAN("me@example.net");
    env.is_suspect = true;
    answered(TO_ANNA, 0);
    env.is_suspect = false;
    answered(TO_ANNA "Auto-Submitted: no\r\n", 1); // a person
}

static void test_V03_vacation_once_in_seven_days(void **state)
{
    int64_t day = 86400;

    (void)state;
    clock_test_fix_real(1800000000);
    rules(anna, AWAY "vacation \"away\";");
    answered(TO_ANNA "X: 1\r\n", 1);
    answered(TO_ANNA "X: 2\r\n", 1);
    clock_test_fix_real(1800000000 + 7 * day - 1);
    answered(TO_ANNA "X: 3\r\n", 1);
    env.sender = SPAN("another@example.net");
    answered(TO_ANNA "X: 4\r\n", 2);
    env.sender = SPAN("Me@Example.net");
    answered(TO_ANNA "X: 5\r\n", 2);
    clock_test_fix_real(1800000000 + 7 * day);
    answered(TO_ANNA "X: 6\r\n", 3);
    // Another text is another answer (RFC 5230 section 4.2).
    rules(anna, AWAY "vacation \"still away\";");
    answered(TO_ANNA "X: 7\r\n", 4);
    clock_test_fix_real(-1);
}

// Two who are both away: one answer each way, and none to an answer.
static void test_V03_vacation_to_vacation(void **state)
{
    (void)state;
    rules(anna, AWAY "vacation :seconds 0 \"away\";");
    rules(bob, AWAY "vacation :seconds 0 \"away, too\";");
    letter("From: bob@example.org\r\nTo: anna@example.org\r\n\r\nhello\r\n");
    env.sender = SPAN("bob@example.org");
    RUN("anna@example.org");
    assert_string_equal(queued(), ">bob@example.org(local:);");
    while (work_here()) {
    }
    assert_string_equal(queued(), "");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "INBOX 1:");
}

static void test_vacation_mime(void **state)
{
    (void)state;
    rules(anna, AWAY "vacation :mime text:\r\nContent-Type: text/html; charset=utf-8\r\n"
                     "From: eve@example.net\r\nBcc: all@example.net\r\n\r\n<b>away</b>\r\n.\r\n;");
    letter(TO_ANNA "\r\nhello\r\n");
    RUN("anna@example.org");
    queued();
    struct span s = leaving();

    assert_true(has(s, "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>"));
    assert_false(has(s, "eve@"));
    assert_false(has(s, "Bcc"));
}

static void test_notify(void **state)
{
    (void)state;
    rules(anna, "require [\"enotify\",\"variables\"];"
                "if header :matches \"subject\" \"*\" { set \"s\" \"${1}\"; }"
                "notify :importance \"1\" :message \"You have mail: ${s}\""
                " \"mailto:phone@y.example?X-Sort=7\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), ">phone@y.example(y.example);");
    struct span s = leaving();

    assert_true(has(s, "\r\nSubject: You have mail: hello\r\n"));
    assert_true(has(s, "\r\nX-Sort: 7\r\n"));
    assert_true(has(s, "\r\nImportance: high\r\n"));
    assert_true(has(s, "\r\nAuto-Submitted: auto-notified; owner-email=\"anna@example.org\"\r\n"));
    assert_true(has(s, "\r\n\r\nA message has arrived from Me <me@example.net>.\r\n"));
    letter(TO_ANNA "Auto-Submitted: auto-notified; x\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    queued();
    assert_int_equal(list_count, 1);
}

// ---- what fails ---------------------------------------------------------------------------------

static void test_V02_budget_is_shared_over_all_recipients(void **state)
{
    struct buf script;

    (void)state;
    buf_init(&script, 900000);
    buf_printf(&script, "require \"variables\"; set \"a\" \"%0500d\";", 1);
    for (int i = 0; i < 8; i++) {
        buf_put_str(&script, "set \"a\" \"${a}${a}${a}${a}\";");
    }
    for (int i = 0; i < 8; i++) {
        buf_put_str(&script, "if string :matches \"${a}\" [");
        for (int k = 0; k < 4000; k++) {
            buf_put_str(&script, k ? ",\"*0*0*0*0*2\"" : "\"*0*0*0*0*2\"");
        }
        buf_put_str(&script, "] {stop;}\n");
    }
    buf_put_byte(&script, '\0');
    rules(anna, script.p);
    buf_finish(&script);
    rules(bob, "require \"fileinto\"; fileinto \"Archive\";");
    RUN("anna@example.org", "bob@example.org");
    // Anna's rules take all there is; Bob's get nothing, and his mail is kept.
    assert_int_equal(to[0].answer.code, 250);
    assert_int_equal(to[1].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(has(span_from_str(said(anna)), "the rules \"main\" stopped at line "));
    assert_true(has(span_from_str(said(bob)), "too much"));
    letter(HEAD "\r\nanother delivery\r\n");
    RUN("bob@example.org");
    assert_string_equal(kept(bob), "INBOX 1: Archive 1:");
}

static void test_error_keeps_and_is_told(void **state)
{
    (void)state;
    rules(anna, "require [\"ihave\",\"fileinto\"]; fileinto \"Archive\";\nerror \"broken\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_true(has(span_from_str(said(anna)), "the rules \"main\" stopped at line 2: "));
    assert_true(has(span_from_str(said(anna)), "broken"));
    // A script that no version can read.
    rules(bob, "this is no script");
    RUN("bob@example.org");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_true(has(span_from_str(said(bob)), "stopped at line 1: "));
}

// V04: names are the owner's own, however they are written.
static void test_V04_no_way_to_others(void **state)
{
    (void)state;
    rules(anna, "require [\"fileinto\",\"mailbox\",\"vacation\",\"fcc\"];"
                "fileinto \"/bob@example.org/INBOX\"; fileinto \"../bob\";"
                "fileinto :create \"user/bob\"; fileinto \"Other Users/bob/INBOX\";"
                "vacation :fcc \"../../bob/INBOX\" \"x\";");
    letter(TO_ANNA "\r\nhello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(bob), "");
    assert_string_equal(kept(anna), "INBOX 2: user/bob 1:");
}

static void test_V07_headers_cannot_be_forged(void **state)
{
    (void)state;
    rules(anna, "require [\"editheader\",\"encoded-character\"];"
                "addheader \"X-A\" \"one${hex:0d 0a}Bcc: eve@example.net\";"
                "deleteheader \"Received\"; deleteheader \"Delivered-To\"; keep;");
    letter("Received: by x\r\nDelivered-To: old@example.org\r\nSubject: x\r\n\r\nx\r\n");
    RUN("anna@example.org");
    struct span s = content(anna, "INBOX");

    assert_false(has(s, "\nBcc:"));
    assert_true(has(s, "\r\nReceived: by x\r\n"));
    assert_true(has(s, "\r\nDelivered-To: old@example.org\r\n"));
}

static void test_include(void **state)
{
    (void)state;
    assert_ok(script_put(b->store, anna, &tester, SPAN("mine"),
                         SPAN("require [\"fileinto\",\"body\"];"
                              "if body :contains \"hello\" { fileinto \"Archive\"; }")));
    assert_ok(script_put(b->store, 0, &tester, SPAN("all"),
                         SPAN("require [\"imap4flags\"]; addflag \"\\\\Flagged\";")));
    assert_ok(script_put(b->store, bob, &tester, SPAN("mine"), SPAN("discard;")));
    rules(anna, "require \"include\"; include :global \"all\"; include :personal \"mine\";"
                "include :optional \"nothing\";");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "Archive 1:F");
    // A name is never a path, nor another's.
    rules(anna, "require \"include\"; include :optional \"../bob/mine\";");
    letter(HEAD "\r\nother\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1: Archive 1:F");
    assert_true(has(span_from_str(said(anna)), "cannot be the name of a script"));
}

static void test_environment_and_envelope(void **state)
{
    (void)state;
    rules(anna,
          "require [\"environment\",\"envelope\",\"subaddress\",\"fileinto\",\"envelope-dsn\"];"
          "if allof(environment \"remote-ip\" \"192.0.2.7\", environment \"location\" \"MDA\","
          " environment \"host\" \"mail.example.org\","
          " envelope :detail \"to\" \"bills\", envelope \"from\" \"me@example.net\","
          " envelope \"notify\" \"DELAY\") { fileinto \"Archive\"; }");
    to[0].notify = QUEUE_NOTIFY_DELAY;
    RUN("anna+bills@example.org");
    assert_string_equal(kept(anna), "Archive 1:");
}

// ---- the same once more -------------------------------------------------------------------------

static void test_duplicate_test(void **state)
{
    (void)state;
    rules(anna, "require [\"duplicate\",\"fileinto\"]; if duplicate { fileinto \"Trash\"; }");
    RUN("anna@example.org");
    letter(HEAD "X: another way\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    letter("Message-ID: <2@example.net>\r\n\r\nhello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2: Trash 1:");
}

static void test_D12_second_try_is_left_out(void **state)
{
    (void)state;
    rules(bob, "require \"copy\"; redirect :copy \"x@y.example\";");
    for (int i = 0; i < 3; i++) {
        RUN("anna@example.org", "bob@example.org");
        assert_int_equal(to[0].answer.code, 250);
        assert_int_equal(to[1].answer.code, 250);
    }
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(kept(bob), "INBOX 1:");
    assert_string_equal(queued(), "SRS0=>x@y.example(y.example);");
    assert_string_equal(said(anna), "a second copy of a message was left out");
    // Anything else is another message: body, sender, address, verdict; or no Message-ID.
    letter(HEAD "\r\nHello\r\n");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2:");
    env.sender = SPAN("you@example.net");
    RUN("anna@example.org");
    RUN("anna+x@example.org");
    assert_string_equal(kept(anna), "INBOX 4:");
    env.is_suspect = true;
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 4: Junk 1:");
    env.is_suspect = false;
    letter("Subject: no id\r\n\r\nx\r\n");
    RUN("anna@example.org");
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 6: Junk 1:");
}

static void test_D12_only_for_a_time(void **state)
{
    (void)state;
    clock_test_fix_real(1800000000);
    RUN("anna@example.org");
    clock_test_fix_real(1800000000 + 3599);
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 1:");
    clock_test_fix_real(1800000000 + 3600);
    RUN("anna@example.org");
    assert_string_equal(kept(anna), "INBOX 2:");
    clock_test_fix_real(-1);
}

// What is remembered and what is stored is one commit: one that fails leaves neither.
static void test_D12_with_a_failing_commit(void **state)
{
    struct engine_memory_faults faults = {.commit_after = 1, .commit_error = ERR_UNAVAILABLE};

    (void)state;
    if (b->is_local) {
        return;
    }
    engine_memory_set_faults(b->engine, &faults);
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 451);
    faults = (struct engine_memory_faults){0};
    engine_memory_set_faults(b->engine, &faults);
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(kept(anna), "INBOX 1:");
}

// ---- notices ------------------------------------------------------------------------------------

static void test_notice_of_success(void **state)
{
    struct span team[] = {SPAN("anna@example.org"), SPAN("x@elsewhere.example")};

    (void)state;
    to[0].notify = QUEUE_NOTIFY_SUCCESS;
    RUN("anna@example.org");
    assert_string_equal(queued(), "me@ex>anna@example.org(local:)delivered;");
    assert_ok(route_alias_set(b->store, &tester, SPAN("team@example.org"), team, 2));
    letter(HEAD "\r\nto all\r\n");
    to[0].notify = QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE;
    RUN("team@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_non_null(strstr(queued(), ">team@example.org(group:)delivered;"));
    assert_non_null(strstr(queued(), ">x@elsewhere.example(elsewhere.example);"));
    assert_int_equal(list_count, 3);
}

// A notice to a full mailbox waits (Q03's sender hears of it when there is room).
static void test_notice_to_a_full_mailbox_waits(void **state)
{
    (void)state;
    assert_ok(quota_set(b->store, anna, &tester, 10, UINT64_MAX));
    env.sender = SPAN("");
    env.is_ours = true;
    RUN("anna@example.org");
    assert_int_equal(to[0].answer.code, 250);
    assert_string_equal(queued(), ">anna@example.org(local:);");
    assert_ok(quota_set(b->store, anna, &tester, UINT64_MAX, UINT64_MAX));
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(anna), "INBOX 1:");
    assert_string_equal(queued(), "");
}

// Mail that waited meets the rules when it is delivered, with the detail it was sent to.
static void test_rules_run_on_what_waited(void **state)
{
    (void)state;
    rules(anna, "require [\"envelope\",\"subaddress\",\"fileinto\"];"
                "if envelope :detail \"to\" \"bills\" { fileinto \"Archive\"; }");
    env.hold_until_ms = clock_real_ms() + 500;
    RUN("anna+bills@example.org");
    assert_string_equal(queued(), "me@ex>anna+bills@example.org(local:);");
    assert_string_equal(kept(anna), "");
    assert_int_equal(work_here(), 1);
    assert_string_equal(kept(anna), "Archive 1:");
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
        T(test_redirect),
        T(test_redirect_edited_and_enclosed),
        T(test_redirect_dsn),
        T(test_V03_redirect_to_self_is_kept),
        T(test_V03_redirect_in_circles),
        T(test_V03_many_hops_are_not_sent_on),
        T(test_V03_four_redirects),
        T(test_reject_in_session),
        T(test_reject_by_notice),
        T(test_reject_in_other_letters),
        T(test_vacation),
        T(test_V03_vacation_never_answers),
        T(test_V03_vacation_once_in_seven_days),
        T(test_V03_vacation_to_vacation),
        T(test_vacation_mime),
        T(test_notify),
        T(test_V02_budget_is_shared_over_all_recipients),
        T(test_error_keeps_and_is_told),
        T(test_V04_no_way_to_others),
        T(test_V07_headers_cannot_be_forged),
        T(test_include),
        T(test_environment_and_envelope),
        T(test_duplicate_test),
        T(test_D12_second_try_is_left_out),
        T(test_D12_only_for_a_time),
        T(test_D12_with_a_failing_commit),
        T(test_notice_of_success),
        T(test_notice_to_a_full_mailbox_waits),
        T(test_rules_run_on_what_waited),
    };

    return BENCH_RUN("delivery-rules", tests);
}
