// SPDX-License-Identifier: Apache-2.0
//
// Exports: what mail_source reads of what mail_target wrote is the same mail, whatever the
// mailboxes are called; and nothing is written over.
#include <sys/stat.h>
#include <sys/wait.h>

#include "../test.h"
#include "mailfile/line_end.h"
#include "mailfile/mail_source.h"
#include "mailfile/mail_target.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/mailtargetXXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        execlp("rm", "rm", "-rf", root, (char *)NULL);
        _exit(1);
    }
    return child < 0 || waitpid(child, NULL, 0) != child ? -1 : 0;
}

static const char *const mailboxes[] = {
    "INBOX",         "Sent", "Work", "Work/New ideas", "a.b",     "a\\b", "R&D", "R&D ü",
    "Entwürfe",      "100%", "%2E",  "x.mbox",         "y.sbd/z", ".dot", "..x", "&AGE-",
    "日本語/メール", "a~b",  "\\2e", "z.EML",          "con/aux", "-rf",  "new",
};
#define MAILBOXES (sizeof(mailboxes) / sizeof(mailboxes[0]))

static const char *const messages[] = {
    "A: 1\r\n\r\nFrom x\r\n>From y\r\n\r\n\r\n",
    "A: 2\r\n\r\nx\r\r\ny\r\n",
    "A: 3\r\n\r\nlone\rcr\r\n",
};
#define MESSAGES (sizeof(messages) / sizeof(messages[0]))

static struct mail_meta meta_of(size_t i)
{
    struct mail_meta m = {
        .flags = (uint16_t)(i * 7 % 32), .has_date = true, .date = 1000000000 + (int64_t)i};

    if (i % 2) {
        mail_meta_add_keyword(&m, SPAN("$Forwarded"));
        mail_meta_add_keyword(&m, SPAN("$Label1"));
    }
    return m;
}

static void put_message(struct mail_target *t, struct spool *s, const char *text,
                        const struct mail_meta *meta)
{
    struct line_end_watch w = {.after_cr = false};

    spool_clear(s);
    assert_true(spool_write(s, span_from_str(text)));
    line_end_watch(&w, span_from_str(text));
    assert_ok(mail_target_message(t, s, w.is_irregular, meta));
}

static void write_all(const char *path, enum mail_target_format format, bool crlf)
{
    struct mail_target_options o = {.format = format, .keep_crlf = crlf};
    struct mail_target *t;
    struct spool *s;
    const char *reason;

    assert_ok(mail_target_create(path, &o, &t, &reason));
    assert_ok(spool_create(4096, &s));
    for (size_t b = 0; b < MAILBOXES; b++) {
        assert_ok(mail_target_mailbox(t, span_from_str(mailboxes[b]), b != 2));
        for (size_t i = 0; i < MESSAGES; i++) {
            struct mail_meta m = meta_of(b * MESSAGES + i);

            put_message(t, s, messages[i], &m);
        }
    }
    assert_ok(mail_target_finish(t));
    mail_target_destroy(t);
    spool_destroy(s);
}

static void on_skip(void *arg, enum mail_skip why, struct span path)
{
    (void)arg;
    print_error("skipped %d: %.*s\n", why, SPAN_ARG(path));
    fail();
}

static void check_folder(struct mail_source *s, struct spool *spool, size_t b)
{
    struct mail_item item;

    for (size_t i = 0; i < MESSAGES; i++) {
        struct mail_meta m = meta_of(b * MESSAGES + i);

        assert_ok(mail_source_next(s, spool, &item));
        assert_span(spool_front(spool), messages[i]);
        assert_int_equal(item.meta.flags, m.flags);
        assert_int_equal(item.meta.date, m.date);
        assert_int_equal(item.meta.keyword_count, m.keyword_count);
    }
    assert_err(mail_source_next(s, spool, &item), ERR_NOT_FOUND);
}

static void check_all(const char *path, bool has_subscriptions)
{
    struct mail_source_options o = {.skipped = on_skip};
    const struct mail_folder *folders;
    struct mail_source *s;
    struct spool *spool;
    const char *reason;
    size_t found = 0;

    assert_ok(spool_create(4096, &spool));
    assert_ok(mail_source_open(path, &o, &s, &reason));
    assert_int_equal(mail_source_folders(s, &folders), MAILBOXES);
    for (size_t i = 0; i < MAILBOXES; i++) {
        size_t b = 0;

        while (b < MAILBOXES && !span_eq(folders[i].mailbox, span_from_str(mailboxes[b]))) {
            b++;
        }
        if (b == MAILBOXES) {
            print_error("unknown mailbox \"%.*s\"\n", SPAN_ARG(folders[i].mailbox));
            fail();
        }
        assert_int_equal(folders[i].is_subscribed, !has_subscriptions || b != 2);
        assert_ok(mail_source_begin(s, i));
        check_folder(s, spool, b);
        found++;
    }
    assert_int_equal(found, MAILBOXES);
    mail_source_close(s);
    spool_destroy(spool);
}

static void test_round_trip(void **state)
{
    char path[100];

    (void)state;
    for (int crlf = 0; crlf < 2; crlf++) {
        snprintf(path, sizeof(path), "%s/maildir%d", root, crlf);
        write_all(path, MAIL_TARGET_MAILDIR, crlf);
        check_all(path, true);
        snprintf(path, sizeof(path), "%s/mbox%d", root, crlf);
        write_all(path, MAIL_TARGET_MBOX, crlf);
        check_all(path, false);
    }
}

static void test_writes_over_nothing(void **state)
{
    static const struct {
        const char *name;
        enum mail_target_format format;
        bool single;
        enum err want;
    } cases[] = {
        {"full", MAIL_TARGET_MAILDIR, false, ERR_EXISTS},
        {"full", MAIL_TARGET_MBOX, false, ERR_EXISTS},
        {"full", MAIL_TARGET_MBOX, true, ERR_EXISTS},
        {"full/file", MAIL_TARGET_MBOX, true, ERR_EXISTS},
        {"full/file", MAIL_TARGET_MAILDIR, false, ERR_EXISTS},
        {"none/x", MAIL_TARGET_MAILDIR, false, ERR_NOT_FOUND},
        {"empty", MAIL_TARGET_MAILDIR, false, ERR_OK},
        {"fresh", MAIL_TARGET_MBOX, true, ERR_OK},
    };
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s/full", root);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/empty", root);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/full/file", root);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fclose(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mail_target_options o = {.format = cases[i].format, .is_single = cases[i].single};
        struct mail_target *t = NULL;
        const char *reason;

        snprintf(path, sizeof(path), "%s/%s", root, cases[i].name);
        enum err e = mail_target_create(path, &o, &t, &reason);

        if (e != cases[i].want) {
            print_error("case %zu: %s\n", i, err_name(e));
            fail();
        }
        if (e == ERR_OK) {
            mail_target_destroy(t);
        }
    }
}

// More keywords than letters, and a name longer than a file name may be.
static void test_limits(void **state)
{
    struct mail_target_options o = {.format = MAIL_TARGET_MAILDIR};
    char path[100], name[1000];
    struct mail_meta meta = {.flags = 0};
    struct mail_target *t;
    struct spool *s;
    const char *reason;
    char words[30][16];

    (void)state;
    snprintf(path, sizeof(path), "%s/limits", root);
    assert_ok(mail_target_create(path, &o, &t, &reason));
    assert_ok(spool_create(4096, &s));
    for (int i = 0; i < 30; i++) {
        snprintf(words[i], sizeof(words[i]), "k%d", i);
        mail_meta_add_keyword(&meta, span_from_str(words[i]));
    }
    for (int i = 0; i < 2; i++) {
        memset(name, 'x', sizeof(name));
        name[998] = (char)('a' + i);
        name[100] = '/';
        assert_ok(mail_target_mailbox(t, span_of(name, 999), true));
        put_message(t, s, "A: 1\r\n\r\n", &meta);
    }
    assert_int_equal(mail_target_keywords_dropped(t), 8);
    assert_ok(mail_target_finish(t));
    mail_target_destroy(t);
    spool_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writes_over_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
