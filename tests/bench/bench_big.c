// SPDX-License-Identifier: Apache-2.0
//
// One mailbox with very many messages: what it takes to open, list, search, change and resync it.
// Every answer is counted, and the counts are known from the way the messages are made.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define REPEATS 7

static bool wanted(const char *part)
{
    const char *p = opt.only;
    for (size_t n = strlen(part); p && (p = strstr(p, part)); p++)
        if ((p == opt.only || p[-1] == ',') && (p[n] == 0 || p[n] == ','))
            return true;
    return !opt.only;
}

// The server fresh, and with --drop-caches its files only on the disk.
static void make_cold(void)
{
    if (opt.restart_command && system(opt.restart_command) != 0)
        fail("restart failed: %s", opt.restart_command);
    if (!opt.drop_caches)
        return;
    sync();
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
    if (fd < 0 || write(fd, "3", 1) != 1)
        fail("cannot drop the caches: %s", strerror(errno));
    close(fd);
}

static struct conn *open_box(void)
{
    struct conn *c = conn_open(opt.first_user);
    conn_must(c, "SELECT %s", opt.box);
    if (c->seen.exists != opt.count)
        fail("%s holds %ld messages, %ld expected", opt.box, c->seen.exists, opt.count);
    return c;
}

// Runs a command once and prints its time, when `got` (a counter of c->seen) is as expected.
static void timed(struct conn *c, const char *name, const char *line, const long *got, long want)
{
    struct row r = row_begin();
    enum status st = conn_command(c, "%s", line);
    double took = now() - r.t0;
    const char *wrong = NULL;
    if (st != ST_OK)
        wrong = wrong_text("refused: %.200s", c->last);
    else if (got && *got != want)
        wrong = wrong_text("%ld answers, %ld expected", *got, want);
    row_end(&r, name, "s", took, NULL, wrong);
}

static void load(void)
{
    struct conn *c = conn_open(opt.first_user);
    long have =
        conn_command(c, "STATUS %s (MESSAGES)", opt.box) == ST_OK ? conn_note(c, "MESSAGES ") : -1;
    if (have != opt.count) {
        conn_command(c, "DELETE %s", opt.box);
        conn_must(c, "CREATE %s", opt.box);
        struct row r = row_begin();
        load_messages(c, opt.box, 0, opt.count);
        double took = now() - r.t0;
        conn_must(c, "STATUS %s (MESSAGES)", opt.box);
        row_end(&r, "big_load", "msg/s", (double)opt.count / took, NULL,
                conn_note(c, "MESSAGES ") == opt.count ? NULL : "not all messages are there");
    }
    conn_close(c);
}

static void open_rows(void)
{
    char line[200];
    snprintf(line, sizeof line, "SELECT %s", opt.box);
    make_cold();
    struct conn *c = conn_open(opt.first_user);
    timed(c, "big_select_cold", line, &c->seen.exists, opt.count);
    conn_close(c);
    struct samples select = {0}, status = {0};
    struct row r = row_begin();
    for (int i = 0; i < REPEATS; i++) {
        c = conn_open(opt.first_user);
        double t = now();
        conn_must(c, "%s", line);
        sample(&select, now() - t);
        conn_close(c);
    }
    row_end(&r, "big_select_warm", "s", percentile(&select, .5), NULL, NULL);
    c = conn_open(opt.first_user);
    r = row_begin();
    bool good = true;
    for (int i = 0; i < REPEATS; i++) {
        double t = now();
        conn_must(c, "STATUS %s (MESSAGES UNSEEN UIDNEXT)", opt.box);
        sample(&status, now() - t);
        good &= conn_note(c, "MESSAGES ") == opt.count;
    }
    row_end(&r, "big_status", "s", percentile(&status, .5), NULL, good ? NULL : "wrong count");
    conn_close(c);
}

// Untimed: 200 messages spread over the mailbox must come back byte for byte.
static const char *bodies_differ(struct conn *c)
{
    struct text m = {0};
    const char *wrong = NULL;
    c->hash_literals = true;
    for (long i = 0; i < 200 && !wrong; i++) {
        long number = i * (opt.count - 1) / 199;
        m.n = 0;
        message_make(&m, number, opt.size);
        conn_must(c, "FETCH %ld (BODY.PEEK[])", number + 1);
        if (c->seen.literals != 1 || c->seen.literal_hash != hash_bytes(HASH_START, m.p, m.n))
            wrong = wrong_text("message %ld is not what was sent", number + 1);
    }
    c->hash_literals = false;
    free(m.p);
    return wrong;
}

static long long bodies_size(long n)
{
    struct text m = {0};
    long long sum = 0;
    for (long i = 0; i < n; i++) {
        m.n = 0;
        message_make(&m, i, opt.size);
        sum += (long long)m.n;
    }
    free(m.p);
    return sum;
}

static void body_row(struct conn *c, const char *name, long n, long long want)
{
    struct row r = row_begin();
    enum status st = conn_command(c, "FETCH 1:%ld (BODY.PEEK[])", n);
    double took = now() - r.t0;
    long long got = (long long)c->seen.literal_bytes;
    row_end(&r, name, "s", took, NULL,
            st != ST_OK   ? wrong_text("refused: %.200s", c->last)
            : got != want ? wrong_text("%lld bytes, %lld expected", got, want)
                          : NULL);
}

#define LIST_ITEMS "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"

static void env_row(struct conn *c, const char *name)
{
    c->word = "@bench.example";
    timed(c, name, "FETCH 1:* " LIST_ITEMS, &c->seen.fetches, opt.count);
    if (c->seen.words < opt.count)
        fail("ENVELOPE without addresses");
    c->word = NULL;
}

static void fetch_rows(void)
{
    struct conn *c = open_box();
    const char *wrong = bodies_differ(c);
    if (wrong)
        fail("%s", wrong);
    timed(c, "big_fetch_flags", "FETCH 1:* (FLAGS)", &c->seen.fetches, opt.count);
    timed(c, "big_fetch_flags2", "FETCH 1:* (FLAGS)", &c->seen.fetches, opt.count);
    timed(c, "big_uid_fetch", "UID FETCH 1:* (UID FLAGS)", &c->seen.fetches, opt.count);
    conn_close(c);
    make_cold();
    c = open_box();
    env_row(c, "big_envelope_cold");
    env_row(c, "big_envelope");
    for (int i = 0; i < 2; i++) {
        c->word = "ubject: ";
        timed(c, i ? "big_headers2" : "big_headers",
              "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT)])", &c->seen.literals,
              opt.count);
        c->word = NULL;
    }
    conn_close(c);
    long n = opt.range;
    long long want = bodies_size(n);
    make_cold();
    c = open_box();
    body_row(c, "big_bodies_cold", n, want);
    body_row(c, "big_bodies", n, want);
    conn_close(c);
}

static void search_row(struct conn *c, const char *name, const char *line, bool (*hit)(long, long),
                       long arg)
{
    long want = 0;
    for (long i = 0; i < opt.count; i++)
        want += hit(i, arg);
    timed(c, name, line, &c->seen.hits, want);
}

static bool hit_subject(long i, long arg)
{
    return message_subject(i) == (unsigned)arg;
}
static bool hit_sender(long i, long arg)
{
    return message_sender(i) == (unsigned)arg;
}
static bool hit_number(long i, long arg)
{
    return i == arg;
}
static bool hit_mark(long i, long arg)
{
    unsigned which;
    return message_marked(i, &which) && which == (unsigned)arg;
}
static bool hit_since(long i, long arg)
{
    return message_time(i) / 86400 >= message_time(arg) / 86400;
}

static void search_rows(void)
{
    struct conn *c = open_box();
    char line[300], date[40];
    long late = opt.count / 10 * 9, id = opt.count / 3;
    // RFC 3501: an empty "* SEARCH" has no blank; each hit has one before it.
    search_row(c, "big_search_subject", "SEARCH SUBJECT job00077", hit_subject, 77);
    search_row(c, "big_search_subject2", "SEARCH SUBJECT job00078", hit_subject, 78);
    search_row(c, "big_search_from", "SEARCH FROM \"person77@bench.example\"", hit_sender, 77);
    snprintf(line, sizeof line, "SEARCH HEADER Message-ID \"<n%ld@bench.example>\"", id);
    search_row(c, "big_search_header", line, hit_number, id);
    message_date(late, date);
    snprintf(line, sizeof line, "SEARCH UNSEEN SINCE %.11s", date);
    search_row(c, "big_search_unseen_since", line, hit_since, late);
    search_row(c, "big_search_body", "SEARCH BODY marker0017", hit_mark, 17);
    search_row(c, "big_search_body2", "SEARCH BODY marker0018", hit_mark, 18);
    search_row(c, "big_search_text", "SEARCH TEXT marker0019", hit_mark, 19);
    conn_close(c);
}

// Each twice: the first time nobody has asked for it since the server came up.
static void sort_rows(void)
{
    static const struct {
        const char *name, *line;
    } rows[] = {
        {"big_sort_arrival", "UID SORT (REVERSE ARRIVAL) UTF-8 ALL"},
        {"big_sort_date", "UID SORT (REVERSE DATE) UTF-8 ALL"},
        {"big_sort_size", "UID SORT (SIZE) UTF-8 ALL"},
        {"big_sort_subject", "UID SORT (SUBJECT) UTF-8 ALL"},
        {"big_sort_from", "UID SORT (FROM DATE) UTF-8 ALL"},
        {"big_thread_references", "UID THREAD REFERENCES UTF-8 ALL"},
        {"big_thread_subject", "UID THREAD ORDEREDSUBJECT UTF-8 ALL"},
    };
    make_cold();
    struct conn *c = open_box();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char again[60];
        snprintf(again, sizeof again, "%s2", rows[i].name);
        timed(c, rows[i].name, rows[i].line, &c->seen.hits, opt.count);
        timed(c, again, rows[i].line, &c->seen.hits, opt.count);
    }
    conn_close(c);
}

#define CHANGED 90

static void resync_rows(void)
{
    struct conn *c = conn_open(opt.first_user);
    conn_must(c, "ENABLE QRESYNC");
    conn_must(c, "SELECT %s", opt.box);
    long validity = conn_note(c, "UIDVALIDITY "), modseq = conn_note(c, "HIGHESTMODSEQ ");
    for (long i = 0; i < CHANGED; i++)
        conn_must(c, "STORE %ld +FLAGS.SILENT (\\Flagged)", 1 + i * 997 % (opt.count / 2));
    for (long i = 0; i < 10; i++)
        conn_must(c, "STORE %ld +FLAGS.SILENT (\\Deleted)", opt.count - 50 + i);
    conn_must(c, "EXPUNGE");
    conn_close(c);
    struct samples times = {0};
    const char *wrong = NULL;
    struct row r = row_begin();
    for (int i = 0; i < REPEATS; i++) {
        c = conn_open(opt.first_user);
        conn_must(c, "ENABLE QRESYNC");
        double t = now();
        conn_must(c, "SELECT %s (QRESYNC (%ld %ld))", opt.box, validity, modseq);
        sample(&times, now() - t);
        if (c->seen.fetches != CHANGED || c->seen.vanished != 10)
            wrong = wrong_text("%ld changed and %ld vanished, %d and 10 expected", c->seen.fetches,
                               c->seen.vanished, CHANGED);
        if (i < REPEATS - 1)
            conn_close(c);
    }
    row_end(&r, "big_qresync", "s", percentile(&times, .5), NULL, wrong);
    char line[120];
    snprintf(line, sizeof line, "FETCH 1:* (FLAGS) (CHANGEDSINCE %ld)", modseq);
    timed(c, "big_changedsince", line, &c->seen.fetches, CHANGED);
    conn_close(c);
    opt.count -= 10;
}

static const char *status_differs(struct conn *c, const char *box, const char *item, long want)
{
    conn_must(c, "STATUS %s (%s)", box, item);
    char word[40];
    snprintf(word, sizeof word, "%s ", item);
    long got = conn_note(c, word);
    return got == want ? NULL : wrong_text("%s of %s is %ld, %ld expected", item, box, got, want);
}

static void must_agree(struct conn *other, const char *box, const char *item, long want)
{
    const char *wrong = status_differs(other, box, item, want);
    if (wrong)
        fail("%s", wrong);
}

static void change_rows(void)
{
    struct conn *c = open_box(), *other = conn_open(opt.first_user);
    static const char *const boxes[] = {"bench-copy", "bench-move"};
    char line[200];
    for (int i = 0; i < 2; i++) {
        conn_command(other, "DELETE %s", boxes[i]);
        conn_must(other, "CREATE %s", boxes[i]);
    }
    timed(c, "big_store_all", "STORE 1:* +FLAGS (\\Seen)", &c->seen.fetches, opt.count);
    must_agree(other, opt.box, "UNSEEN", 0);
    timed(c, "big_store_silent", "STORE 1:* -FLAGS.SILENT (\\Seen)", NULL, 0);
    must_agree(other, opt.box, "UNSEEN", opt.count);
    snprintf(line, sizeof line, "COPY 1:%d bench-copy", opt.range);
    timed(c, "big_copy", line, NULL, 0);
    must_agree(other, "bench-copy", "MESSAGES", opt.range);
    snprintf(line, sizeof line, "MOVE 1:%d bench-move", opt.range);
    timed(c, "big_move", line, &c->seen.expunges, opt.range);
    must_agree(other, "bench-move", "MESSAGES", opt.range);
    must_agree(other, opt.box, "MESSAGES", opt.count - opt.range);
    conn_must(c, "STORE 1:%d +FLAGS.SILENT (\\Deleted)", opt.range);
    timed(c, "big_expunge", "EXPUNGE", &c->seen.expunges, opt.range);
    must_agree(other, opt.box, "MESSAGES", opt.count - 2 * opt.range);
    for (int i = 0; i < 2; i++)
        conn_must(other, "DELETE %s", boxes[i]);
    conn_close(c);
    conn_close(other);
}

void measure_big(void)
{
    if (strcmp(opt.box, "INBOX") == 0)
        opt.box = "big";
    if (opt.range > opt.count / 5)
        opt.range = (int)(opt.count / 5);
    load();
    if (wanted("open"))
        open_rows();
    if (wanted("fetch"))
        fetch_rows();
    if (wanted("search"))
        search_rows();
    if (wanted("sort"))
        sort_rows();
    if (wanted("resync"))
        resync_rows();
    if (wanted("change"))
        change_rows();
}
