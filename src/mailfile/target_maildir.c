// SPDX-License-Identifier: Apache-2.0
//
// Maildir++: INBOX is the folder itself, Work/Projects is .Work.Projects in it. A message is
// written in tmp and moved to cur, its date is the file's, its flags are in its name.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "mailfile/line_end.h"
#include "mailfile/mail_target_internal.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 256

static enum err make_parts(int dir)
{
    static const char *const parts[] = {"cur", "new", "tmp"};

    for (size_t i = 0; i < 3; i++) {
        if (mkdirat(dir, parts[i], 0700) != 0) {
            return err_from_errno(errno);
        }
    }
    return ERR_OK;
}

// The folder's name, with its dot; shortened when no file system would take it.
static enum err folder_name(struct span mailbox, struct buf *out)
{
    enum err e = maildir_folder_from_mailbox(mailbox, out);

    if (e == ERR_OK) {
        target_name_shorten(out, 0, mailbox);
        buf_put_byte(out, '\0');
        e = buf_result(out);
    }
    return e;
}

enum err target_maildir_mailbox(struct mail_target *t, struct span name)
{
    struct buf folder;

    if (t->options.is_single || span_eq(name, SPAN("INBOX"))) {
        t->folder = fcntl(t->root, F_DUPFD_CLOEXEC, 3);
        return t->folder < 0 ? err_from_errno(errno) : make_parts(t->folder);
    }
    buf_init(&folder, 8192);
    enum err e = folder_name(name, &folder);

    if (e == ERR_OK) {
        e = mkdirat(t->root, folder.p, 0700) == 0 ? ERR_OK : err_from_errno(errno);
    }
    if (e == ERR_OK) {
        t->folder = openat(t->root, folder.p, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        e = t->folder < 0 ? err_from_errno(errno) : make_parts(t->folder);
    }
    if (e == ERR_OK) {
        e = file_replace(t->folder, "maildirfolder", SPAN(""));
    }
    buf_finish(&folder);
    return e;
}

enum err target_maildir_end(struct mail_target *t)
{
    enum err e = ERR_OK;

    if (t->folder >= 0) {
        if (t->letter_count > 0) {
            e = file_replace(t->folder, "dovecot-keywords", buf_span(&t->letters));
        }
        close(t->folder);
        t->folder = -1;
    }
    t->letter_count = 0;
    buf_clear(&t->letters);
    return e;
}

// The letter for a keyword in this folder, a new one if need be; -1: there are no more.
static int letter_of(struct mail_target *t, struct span keyword)
{
    for (unsigned i = 0; i < t->letter_count; i++) {
        if (span_eq_nocase(t->letter_names[i], keyword)) {
            return (int)i;
        }
    }
    if (t->letter_count == MAILDIR_LETTERS || keyword.n > MAIL_KEYWORD_BYTES_MAX) {
        return -1;
    }
    unsigned i = t->letter_count++;

    memcpy(t->letter_bytes[i], keyword.p, keyword.n);
    t->letter_names[i] = span_of(t->letter_bytes[i], keyword.n);
    buf_printf(&t->letters, "%u %.*s\n", i, SPAN_ARG(keyword));
    return (int)i;
}

static void put_flags(struct mail_target *t, struct buf *name, const struct mail_meta *meta)
{
    uint32_t letters = 0;
    bool forwarded = false;

    for (size_t i = 0; i < meta->keyword_count; i++) {
        if (span_eq_nocase(meta->keywords[i], SPAN("$Forwarded"))) {
            forwarded = true;
            continue;
        }
        int letter = letter_of(t, meta->keywords[i]);

        if (letter >= 0) {
            letters |= 1u << letter;
        } else {
            t->keywords_dropped++;
        }
    }
    maildir_name_put_flags(name, meta->flags, letters, forwarded);
}

static bool to_lf(void *arg, struct span bytes)
{
    return lf_make(arg, bytes);
}

static enum err write_bytes(struct mail_target *t, struct spool *bytes, bool keep_crlf)
{
    struct lf_maker lf = {.to = out_file_sink(&t->file)};
    enum err e =
        spool_send(bytes, keep_crlf ? out_file_sink(&t->file) : (struct mail_sink){to_lf, &lf});

    if (e == ERR_OK && !lf_make_end(&lf)) {
        e = ERR_IO;
    }
    out_file_flush(&t->file);
    return t->file.result != ERR_OK ? t->file.result : e;
}

enum err target_maildir_message(struct mail_target *t, struct spool *bytes, bool keep_crlf,
                                const struct mail_meta *meta)
{
    int64_t date = meta->has_date ? meta->date : 0;
    const struct timespec times[2] = {{.tv_sec = (time_t)date}, {.tv_sec = (time_t)date}};
    char tmp[64], name_bytes[NAME_BYTES_MAX];
    struct buf name = {.p = name_bytes, .cap = sizeof(name_bytes), .max = sizeof(name_bytes)};

    snprintf(tmp, sizeof(tmp), "tmp/%llu", (unsigned long long)t->messages);
    enum err e = out_file_create(&t->file, t->folder, tmp);

    if (e == ERR_OK) {
        e = write_bytes(t, bytes, keep_crlf);
    }
    if (e == ERR_OK && futimens(t->file.fd, times) != 0) {
        e = err_from_errno(errno);
    }
    // S and W spare other programs a look at the file: its size, and its size with CRLF.
    buf_printf(&name, "cur/%lld.M%lluP%d.mailkeep,S=%llu,W=%llu:2,",
               (long long)(date < 0 ? 0 : date), (unsigned long long)t->messages, (int)getpid(),
               (unsigned long long)t->file.at, (unsigned long long)spool_bytes(bytes));
    put_flags(t, &name, meta);
    buf_put_byte(&name, '\0');
    if (e == ERR_OK) {
        e = name.failed || renameat(t->folder, tmp, t->folder, name.p) != 0 ? ERR_IO : ERR_OK;
    }
    out_file_close(&t->file);
    return e;
}
