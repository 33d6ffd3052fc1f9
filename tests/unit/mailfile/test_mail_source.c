// SPDX-License-Identifier: Apache-2.0
//
// Sources of mail on disk: what is found, what is read, what is left out, and that links lead
// nowhere.
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../test.h"
#include "base/cleanup.h"
#include "mailfile/mail_source.h"

#define D "From a@b Mon Nov 23 10:12:00 2026\n"

static char root[64];

static void put_file(const char *name, const char *text)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void put_dir(const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put_maildir(const char *name)
{
    static const char *const parts[] = {"", "/cur", "/new", "/tmp"};
    char path[40];

    for (size_t i = name[0] ? 0 : 1; i < 4; i++) {
        snprintf(path, sizeof(path), "%s%s", name, parts[i]);
        put_dir(name[0] ? path : path + 1);
    }
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/mailsourceXXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_tree(const char *path)
{
    pid_t child = fork();

    if (child == 0) {
        execlp("rm", "rm", "-rf", path, (char *)NULL);
        _exit(1);
    }
    return child < 0 || waitpid(child, NULL, 0) != child ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return remove_tree(root);
}

static void on_skip(void *arg, enum mail_skip why, struct span path)
{
    buf_printf(arg, "skip %d %.*s\n", why, SPAN_ARG(path));
}

// Everything there is as text: folders, messages with flags and keywords, what was skipped.
static void read_source(const char *path, enum mail_format format, struct buf *out)
{
    struct mail_source_options o = {.format = format, .skipped = on_skip, .arg = out};
    const struct mail_folder *folders;
    struct mail_source *s;
    struct spool *spool;
    const char *reason;

    buf_clear(out);
    enum err e = mail_source_open(path, &o, &s, &reason);

    if (e != ERR_OK) {
        assert_true(strlen(reason) > 5);
        buf_printf(out, "<%s>\n", err_name(e));
        return;
    }
    assert_ok(spool_create(1000, &spool));
    size_t n = mail_source_folders(s, &folders);

    for (size_t i = 0; i < n; i++) {
        struct mail_item m;

        buf_printf(out, "[%.*s%s]\n", SPAN_ARG(folders[i].mailbox),
                   folders[i].is_subscribed ? "" : " unsubscribed");
        e = mail_source_begin(s, i);
        while (e == ERR_OK && (e = mail_source_next(s, spool, &m)) == ERR_OK) {
            buf_printf(out, "%.*s %u %lld", SPAN_ARG(spool_front(spool)), m.meta.flags,
                       (long long)m.meta.date);
            for (size_t k = 0; k < m.meta.keyword_count; k++) {
                buf_printf(out, " %.*s", SPAN_ARG(m.meta.keywords[k]));
            }
            buf_put_byte(out, '\n');
        }
        assert_err(e, ERR_NOT_FOUND);
    }
    spool_destroy(spool);
    mail_source_close(s);
}

static void set_mtime(const char *name, time_t t)
{
    struct timespec times[2] = {{.tv_sec = t}, {.tv_sec = t}};
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_maildir(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    put_maildir("");
    put_maildir(".Sent");
    put_maildir(".Work.Pro");
    put_dir(".hidden");
    put_file("cur/200.x:2,SFa", "two\n");
    put_file("cur/100.x:2,RP", "one\r\n");
    put_file("new/300.x", "three");
    put_file("cur/400.x:2,", "");
    put_file("cur/.dot", "dot");
    put_file("dovecot-keywords", "0 $Label1\n");
    put_file("dovecot-uidlist", "3 V1 N4 G00\n1 :100.x\n");
    put_file("subscriptions", "Sent\n");
    put_file(".Work.Pro/cur/1.y:2,T", "w\n");
    set_mtime("cur/100.x:2,RP", 100);
    set_mtime("cur/200.x:2,SFa", 200);
    set_mtime("new/300.x", 300);
    set_mtime(".Work.Pro/cur/1.y:2,T", 1);
    read_source(root, MAIL_FORMAT_AUTO, &out);
    assert_span(buf_span(&out), "skip 2 .hidden\n"
                                "[INBOX]\none\r\n 2 100 $Forwarded\ntwo\r\n 5 200 $Label1\n"
                                "three 0 300\nskip 5 cur/400.x:2,\n"
                                "[Sent]\n[Work/Pro unsubscribed]\nw\r\n 8 1\n");
    read_source(root, MAIL_FORMAT_MBOX, &out);
    assert_true(span_ends(buf_span(&out), SPAN("<invalid>\n")));
    buf_finish(&out);
}

// Links, pipes and devices, at every level, are named and passed by.
static void test_links(void **state)
{
    char outside[64] = "/tmp/mailoutsideXXXXXX", path[300], target[300];
    struct buf out;

    (void)state;
    assert_non_null(mkdtemp(outside));
    buf_init(&out, 1 << 16);
    put_maildir("");
    put_maildir(".Box");
    snprintf(path, sizeof(path), "%s/cur", outside);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/new", outside);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/.Linked", root);
    assert_int_equal(symlink(outside, path), 0);
    snprintf(path, sizeof(path), "%s/cur/1.x:2,S", root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/cur/2.x:2,S", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/cur/3.x:2,S", root);
    assert_int_equal(mkdir(path, 0700), 0);
    // A folder whose cur is a link: nothing of it is read.
    snprintf(path, sizeof(path), "%s/.Box/cur", root);
    assert_int_equal(rmdir(path), 0);
    snprintf(target, sizeof(target), "%s/cur", outside);
    assert_int_equal(symlink(target, path), 0);
    snprintf(path, sizeof(path), "%s/cur/secret", outside);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs("secret\n", f);
    fclose(f);
    read_source(root, MAIL_FORMAT_AUTO, &out);
    assert_int_equal(span_find(buf_span(&out), SPAN("secret")), out.n);
    assert_int_equal(span_find(buf_span(&out), SPAN("root:")), out.n);
    assert_true(span_find(buf_span(&out), SPAN("skip 0 .Linked\n")) < out.n);
    assert_true(span_find(buf_span(&out), SPAN("skip 0 cur/1.x:2,S\n")) < out.n);
    assert_true(span_find(buf_span(&out), SPAN("skip 1 cur/2.x:2,S\n")) < out.n);
    assert_true(span_find(buf_span(&out), SPAN("skip 1 cur/3.x:2,S\n")) < out.n);
    remove_tree(outside);
    buf_finish(&out);
}

static void test_tree(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    put_file("Inbox", D "A: 1\n\nx\n\n");
    put_file("Inbox.msf", "// not mail\n");
    put_dir("Work.sbd");
    put_file("Work.sbd/a.b", D "A: 2\n\n");
    put_dir("Apple.mbox");
    put_file("Apple.mbox/mbox", D "A: 3\n\n");
    put_file("100%2E.mbox", D "A: 4\n\n");
    put_file("Nothing.mbox", "");
    put_file("nothing", "");
    put_dir("eml");
    put_file("eml/2.eml", "Date: Mon, 23 Nov 2026 10:12:00 +0000\n\nx\n");
    put_file("eml/1.EML", "Received: by x; Mon, 23 Nov 2026 11:12:00 +0100\nDate: Mon, 1 Jan 2024 "
                          "00:00:00 +0000\n\n");
    read_source(root, MAIL_FORMAT_AUTO, &out);
    assert_span(
        buf_span(&out),
        "skip 2 Inbox.msf\nskip 2 nothing\n"
        "[100.]\nA: 4\r\n\r\n 0 1795428720\n"
        "[Apple]\nA: 3\r\n\r\n 0 1795428720\n"
        "[INBOX]\nA: 1\r\n\r\nx\r\n 0 1795428720\n"
        "[Nothing]\n"
        "[Work/a.b]\nA: 2\r\n\r\n 0 1795428720\n"
        "[eml]\nReceived: by x; Mon, 23 Nov 2026 11:12:00 +0100\r\nDate: Mon, 1 Jan 2024 00:00:00 "
        "+0000\r\n\r\n 0 1795428720\nDate: Mon, 23 Nov 2026 10:12:00 +0000\r\n\r\nx\r\n 0 "
        "1795428720\n");
    buf_finish(&out);
}

static void test_one_file(void **state)
{
    char path[300];
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    put_file("Old stuff.mbox", D "A: 1\n\n" D "B: 2\n\n");
    put_file("one.eml", "Date: Mon, 23 Nov 2026 10:12:00 +0000\n\nx\n");
    put_file("text", "hello\n");
    snprintf(path, sizeof(path), "%s/Old stuff.mbox", root);
    read_source(path, MAIL_FORMAT_AUTO, &out);
    assert_span(buf_span(&out),
                "[Old stuff]\nA: 1\r\n\r\n 0 1795428720\nB: 2\r\n\r\n 0 1795428720\n");
    snprintf(path, sizeof(path), "%s/one.eml", root);
    read_source(path, MAIL_FORMAT_AUTO, &out);
    assert_span(buf_span(&out), "[INBOX]\nDate: Mon, 23 Nov 2026 10:12:00 +0000\r\n\r\nx\r\n 0 "
                                "1795428720\n");
    snprintf(path, sizeof(path), "%s/text", root);
    read_source(path, MAIL_FORMAT_AUTO, &out);
    assert_span(buf_span(&out), "<invalid>\n");
    snprintf(path, sizeof(path), "%s/nothing", root);
    read_source(path, MAIL_FORMAT_AUTO, &out);
    assert_span(buf_span(&out), "<not found>\n");
    buf_finish(&out);
}

static void test_limits(void **state)
{
    char deep[300] = "d", big[1100];
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    put_dir(deep);
    for (int i = 1; i < 40; i++) {
        snprintf(deep + strlen(deep), 3, "/d");
        put_dir(deep);
    }
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    put_file("big.eml", big);
    put_file("small.eml", "x\n");
    set_mtime("small.eml", 5);
    read_source(root, MAIL_FORMAT_AUTO, &out);
    assert_true(span_find(buf_span(&out), SPAN("skip 9 d/")) < out.n);
    assert_true(span_ends(buf_span(&out), SPAN("[INBOX]\nskip 6 big.eml\nx\r\n 0 5\n")));
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_maildir, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
