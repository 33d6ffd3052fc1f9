// SPDX-License-Identifier: Apache-2.0
//
// The store on the local engine, without network or protocol: what a commit, a scan and a change of
// many messages cost. Usage: store-bench [seconds]
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/local/local.h"
#include "store/append.h"
#include "store/change.h"
#include "store/directory.h"

#define ACCOUNTS 64
#define MESSAGE  4096

static struct store *store;
static account_id accounts[ACCOUNTS];
static const struct actor by = {.kind = ACTOR_USER, .device = {"bench", 5}};
static double seconds = 2;

static void must(enum err e, const char *what)
{
    if (e != ERR_OK) {
        fprintf(stderr, "%s: %s\n", what, err_name(e));
        exit(1);
    }
}

static mailbox_id mailbox(account_id a, const char *name)
{
    struct view *v;
    const struct mailbox *m;

    must(view_open(store, a, &v), "view");
    must(view_mailbox_by_name(v, span_from_str(name), &m), name);
    mailbox_id id = m->id;

    view_close(v);
    return id;
}

static struct incoming *message(unsigned n)
{
    static const char line[] =
        "The quick brown fox jumps over the lazy dog, and so it goes on.\r\n";
    char text[MESSAGE];
    int at = snprintf(text, sizeof(text),
                      "From: Ann <a@example.org>\r\nTo: b@example.org\r\nSubject: number %u\r\n"
                      "Date: Mon, 02 Jan 2006 15:04:05 -0700\r\nMessage-ID: <%u.%p@example.org>\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\n\r\n",
                      n, n, (void *)text);
    struct incoming *m;

    while ((size_t)at + sizeof(line) < sizeof(text)) {
        memcpy(text + at, line, sizeof(line) - 1);
        at += (int)sizeof(line) - 1;
    }
    must(incoming_begin(store, &m), "begin");
    must(incoming_write(m, span_of(text, (size_t)at)), "write");
    must(incoming_finish(m), "finish");
    return m;
}

static void append(account_id a, mailbox_id box, unsigned n)
{
    struct append_item item = {.message = message(n), .internal_date = INT64_MIN};
    struct append_result r;

    must(store_append(store, a, &by, box, &item, 1, &r), "append");
    incoming_destroy(item.message);
}

struct worker {
    pthread_t thread;
    account_id account;
    unsigned done;
    int64_t until;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    mailbox_id box = mailbox(w->account, "INBOX");

    while (clock_monotonic_us() < w->until) {
        append(w->account, box, w->done++);
    }
    return NULL;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void bench_append(unsigned writers)
{
    struct worker w[ACCOUNTS] = {0};
    int64_t start = clock_monotonic_us();
    double cpu = cpu_us();
    unsigned total = 0;

    for (unsigned i = 0; i < writers; i++) {
        w[i].account = accounts[i];
        w[i].until = start + (int64_t)(seconds * 1e6);
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (unsigned i = 0; i < writers; i++) {
        pthread_join(w[i].thread, NULL);
        total += w[i].done;
    }
    double took = (double)(clock_monotonic_us() - start) / 1e6;

    printf("append, %2u accounts: %8.0f/s, %.1f us of CPU each\n", writers, total / took,
           (cpu_us() - cpu) / total);
}

static int64_t clock_start;

static void lap(const char *what, unsigned n)
{
    int64_t now = clock_monotonic_us();

    printf("%-44s %10.2f ms  (%u)\n", what, (double)(now - clock_start) / 1e3, n);
    clock_start = clock_monotonic_us();
}

static unsigned scan(account_id a, mailbox_id box, modseq since)
{
    struct view *v;
    struct placement_scan *s;
    struct placement p;
    unsigned n = 0;

    must(view_open(store, a, &v), "view");
    must(placement_scan_open(v, box, 1, UINT32_MAX, since, &s), "scan");
    while (placement_next(s, &p) == ERR_OK) {
        n += p.uid > 0;
    }
    placement_scan_close(s);
    view_close(v);
    return n;
}

static void bench_large(account_id a, unsigned count)
{
    mailbox_id inbox = mailbox(a, "INBOX"), sent = mailbox(a, "Sent");
    struct arena arena;
    struct incoming *m = message(1);
    struct append_item items[1000];
    struct append_result r;
    struct uid_range all = {1, UINT32_MAX}, some = {1000, 1999};
    struct flag_result fr;
    struct copy_result cr;
    struct uid_set gone;
    modseq version;
    bool missing;

    arena_init(&arena, 64u << 20);
    for (unsigned i = 0; i < 1000; i++) {
        items[i] = (struct append_item){.message = m, .internal_date = INT64_MIN};
    }
    clock_start = clock_monotonic_us();
    for (unsigned n = 0; n < count; n += 1000) {
        must(store_append(store, a, &by, inbox, items, 1000, &r), "append many");
    }
    lap("append in batches of 1,000", count);
    engine_local_checkpoint(store_engine(store));
    clock_start = clock_monotonic_us();
    lap("scan all", scan(a, inbox, 0));
    lap("scan all again", scan(a, inbox, 0));
    lap("scan changed since the last append", scan(a, inbox, r.version - 1));
    struct flag_request q = {.mailbox = inbox,
                             .uids = {&all, 1},
                             .how = FLAGS_ADD,
                             .flags = FLAG_SEEN,
                             .unchanged_since = UINT64_MAX};

    clock_start = clock_monotonic_us();
    must(placement_flags(store, a, &by, &q, &arena, &fr), "flags");
    lap("flag all", count);
    q.uids.ranges = &some;
    q.flags = FLAG_FLAGGED;
    must(placement_flags(store, a, &by, &q, &arena, &fr), "flags");
    lap("flag 1,000", 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        struct uid_range one = {1 + i * 97 % count, 1 + i * 97 % count};

        q.uids.ranges = &one;
        q.flags = FLAG_ANSWERED;
        must(placement_flags(store, a, &by, &q, &arena, &fr), "flags");
    }
    lap("flag one, 1,000 times", 1000);
    must(placement_copy(store, a, &by, inbox, (struct uid_set){&some, 1}, sent, false, &arena, &cr,
                        &missing),
         "copy");
    lap("copy 1,000", 1000);
    must(placement_copy(store, a, &by, inbox, (struct uid_set){&some, 1}, sent, true, &arena, &cr,
                        &missing),
         "move");
    lap("move 1,000", 1000);
    some = (struct uid_range){5000, 14999};
    must(placement_expunge(store, a, &by, inbox, &(struct uid_set){&some, 1}, true, &arena, &gone,
                           &version),
         "expunge");
    lap("expunge 10,000", 10000);
    arena_finish(&arena);
    incoming_destroy(m);
}

static void bench_mailboxes(account_id a)
{
    struct view *v;
    const struct mailbox *const *all;
    size_t n;
    mailbox_id id;

    clock_start = clock_monotonic_us();
    for (unsigned i = 0; i < 9990; i++) {
        char name[64];

        snprintf(name, sizeof(name), "folder %u/sub %u", i / 100, i);
        if (mailbox_create(store, a, &by, span_from_str(name), 0, &id) != ERR_OK) {
            break;
        }
    }
    lap("create mailboxes", 9990);
    must(view_open(store, a, &v), "view");
    must(view_mailboxes(v, &all, &n), "mailboxes");
    view_close(v);
    lap("list mailboxes", (unsigned)n);
    mailbox_id inbox = mailbox(a, "INBOX");

    clock_start = clock_monotonic_us();
    for (unsigned i = 0; i < 200; i++) {
        append(a, inbox, i);
    }
    lap("append with that many mailboxes", 200);
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/mailkeep-store-bench-XXXXXX", command[128];
    struct engine_local_options o = ENGINE_LOCAL_DEFAULTS;
    struct store_options so;
    struct engine *e;
    struct buf why;

    if (argc > 1) {
        seconds = strtod(argv[1], NULL);
    }
    buf_init(&why, 4096);
    if (!mkdtemp(path)) {
        return 1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY);

    must(engine_local_open(fd, &o, &e, &why), "engine");
    store_options_default(&so);
    must(store_open(e, &so, &store), "store");
    must(directory_domain_add(store, &by, SPAN("example.org")), "domain");
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char name[64];

        snprintf(name, sizeof(name), "u%u@example.org", i);
        must(directory_account_add(store, &by, span_from_str(name), SPAN(""), true, &accounts[i]),
             "account");
    }
    bench_append(1);
    bench_append(16);
    bench_append(64);
    bench_large(accounts[60], 100000);
    bench_mailboxes(accounts[61]);
    store_close(store);
    engine_close(e);
    buf_finish(&why);
    snprintf(command, sizeof(command), "rm -r %s", path);
    fflush(stdout);
    return execl("/bin/sh", "sh", "-c", command, (char *)NULL);
}
