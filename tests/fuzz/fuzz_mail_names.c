// SPDX-License-Identifier: Apache-2.0
//
// What mail programs write beside messages: "From " lines, the header fields of mbox, names and
// small files of a Maildir. The first byte chooses which.
#include "base/buf.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "mailfile/mail_date.h"
#include "mailfile/maildir_name.h"
#include "mailfile/mbox_fields.h"
#include "mailfile/mbox_from.h"

static void check_from(struct span text)
{
    struct mbox_from f, again;
    struct buf line;

    if (!mbox_from_parse(text, &f)) {
        CHECK(!span_starts(text, SPAN("From ")) || text.n > MBOX_FROM_BYTES_MAX);
        return;
    }
    CHECK(f.sender.n <= text.n);
    if (!f.has_date) {
        return;
    }
    CHECK(f.zone_minutes >= -24 * 60 && f.zone_minutes <= 24 * 60);
    buf_init(&line, 4096);
    mbox_from_put(&line, f.sender, f.date);
    if (!line.failed) {
        CHECK(line.p[line.n - 1] == '\n' && memchr(line.p, '\n', line.n) == line.p + line.n - 1);
        CHECK(mbox_from_parse(span_first(buf_span(&line), line.n - 1), &again));
        CHECK(again.has_date);
        CHECK(again.date == f.date || f.date < 0);
    }
    buf_finish(&line);
}

static void check_fields(struct span text)
{
    struct mbox_fields f = {0};
    struct arena arena;

    arena_init(&arena, 64u << 10);
    while (text.n) {
        struct span line = span_split(&text, '\n');
        enum mbox_field field = mbox_field_find(line);

        if (field != MBOX_FIELD_NONE) {
            mbox_field_read(&f, field, line, &arena);
        }
    }
    CHECK(f.meta.keyword_count <= MAIL_KEYWORDS_MAX);
    for (size_t i = 0; i < f.meta.keyword_count; i++) {
        CHECK(f.meta.keywords[i].n > 0 && f.meta.keywords[i].n <= MAIL_KEYWORD_BYTES_MAX);
    }
    arena_finish(&arena);
}

static void check_file_name(struct span text)
{
    uint32_t letters = 0, letters_again;
    bool forwarded = false, forwarded_again;
    struct buf name;
    uint16_t flags = maildir_name_flags(text, &letters, &forwarded);

    buf_init(&name, 256);
    buf_put_str(&name, "1.a:2,");
    maildir_name_put_flags(&name, flags, letters, forwarded);
    CHECK(!name.failed);
    CHECK(maildir_name_flags(buf_span(&name), &letters_again, &forwarded_again) == flags);
    CHECK(letters_again == letters && forwarded_again == forwarded);
    buf_finish(&name);
}

static void check_mailbox(struct span name)
{
    CHECK(name.n > 0 && name.p[0] != '/' && name.p[name.n - 1] != '/');
    CHECK(utf8_is_valid(name));
    for (size_t i = 0; i < name.n; i++) {
        CHECK((unsigned char)name.p[i] >= 32 && name.p[i] != 127);
        CHECK(name.p[i] != '/' || name.p[i + 1] != '/');
    }
}

// A folder's mailbox can be written as a folder again, which is for the same mailbox.
static void check_folder_name(struct span text)
{
    struct buf mailbox, folder, again;

    buf_init(&mailbox, 4096);
    buf_init(&folder, 16384);
    buf_init(&again, 4096);
    if (text.n && text.p[0] == '.' && maildir_folder_to_mailbox(text, &mailbox) == ERR_OK) {
        check_mailbox(buf_span(&mailbox));
        if (maildir_folder_from_mailbox(buf_span(&mailbox), &folder) == ERR_OK) {
            CHECK(folder.p[0] == '.' && !memchr(folder.p, '/', folder.n));
            CHECK(maildir_folder_to_mailbox(buf_span(&folder), &again) == ERR_OK);
            CHECK(span_eq(buf_span(&mailbox), buf_span(&again)));
        }
    }
    buf_finish(&mailbox);
    buf_finish(&folder);
    buf_finish(&again);
}

static bool on_subscription(void *arg, struct span mailbox)
{
    size_t *count = arg;

    CHECK(mailbox.n > 0 && utf8_is_valid(mailbox));
    return ++*count < 1000;
}

static void check_small_files(struct span text)
{
    struct span keywords[MAILDIR_LETTERS] = {0};
    size_t count = 0;

    maildir_keywords_parse(text, keywords);
    for (size_t i = 0; i < MAILDIR_LETTERS; i++) {
        CHECK(keywords[i].n <= text.n);
    }
    maildir_subscriptions_parse(text, on_subscription, &count);
    CHECK(count <= 1000);
}

static void check_date(struct span text)
{
    struct mail_meta m = {0};

    CHECK(mail_date_guess(text, &m) == m.has_date);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const checks[])(struct span) = {
        check_from, check_fields, check_file_name, check_folder_name, check_small_files, check_date,
    };

    if (n > 0) {
        checks[data[0] % (sizeof(checks) / sizeof(checks[0]))](span_of(data + 1, n - 1));
    }
    return 0;
}
