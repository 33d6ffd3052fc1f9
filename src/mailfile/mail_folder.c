// SPDX-License-Identifier: Apache-2.0
//
// Reads the messages of one folder that mail_walk.c has found.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "mailfile/line_end.h"
#include "mailfile/mail_date.h"
#include "mailfile/mail_source_internal.h"

#include "base/banned.h"

#define PIECE_BYTES        (64u << 10)
#define KEYWORDS_BYTES_MAX (64u << 10)

static enum err read_file_at(void *arg, uint64_t offset, void *out, size_t n, size_t *out_n)
{
    const struct mail_source *s = arg;
    ssize_t got;

    do {
        got = pread(s->file, out, n, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return err_from_errno(errno);
    }
    *out_n = (size_t)got;
    return ERR_OK;
}

static enum err open_mbox(struct mail_source *s, int dir, const char *name)
{
    enum mbox_dialect dialect = s->options.format == MAIL_FORMAT_MBOXO     ? MBOX_O
                                : s->options.format == MAIL_FORMAT_MBOXCL2 ? MBOX_CL2
                                                                           : MBOX_RD;
    enum mail_skip why = MAIL_SKIP_NOT_MAIL;
    struct stat st;

    if (s->is_file) {
        s->file = fcntl(s->root, F_DUPFD_CLOEXEC, 3);
    } else if (mail_open_file(dir, name, &s->file, &st, &why) != ERR_OK) {
        s->file = -1;
    }
    enum err e = s->file < 0 ? ERR_IO : mbox_reader_create(read_file_at, s, dialect, &s->mbox);

    if (e != ERR_OK && e != ERR_EOF) {
        mail_source_skip(s, why, s->folders[s->current].path);
    }
    return e == ERR_OK ? ERR_OK : ERR_NOT_FOUND; // ERR_EOF: there is nothing in it
}

static enum err open_maildir(struct mail_source *s, int dir)
{
    enum err e = ERR_OK;
    struct stat st;

    s->dir = openat(dir, "cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    s->dir_new = openat(dir, "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->dir >= 0) {
        e = file_list_read(&s->files, s->dir, false, false);
    }
    if (e == ERR_OK && s->dir_new >= 0) {
        e = file_list_read(&s->files, s->dir_new, true, false);
    }
    if (fstatat(dir, "dovecot-keywords", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        file_read_whole(dir, "dovecot-keywords", &s->keywords_text) == ERR_OK) {
        maildir_keywords_parse(buf_span(&s->keywords_text), s->keywords);
    }
    return e;
}

static enum err open_eml(struct mail_source *s, int dir)
{
    size_t kept = 0;

    s->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
    enum err e = s->dir < 0 ? ERR_LIMIT : file_list_read(&s->files, s->dir, false, false);

    for (size_t i = 0; i < s->files.count; i++) {
        if (name_is_eml(span_from_str(s->files.items[i].name))) {
            s->files.items[kept++] = s->files.items[i];
        }
    }
    s->files.count = kept;
    return e;
}

// The folder's own directory, and for an mbox the name in it.
static struct span path_split(struct span path, struct span *out_name)
{
    size_t slash = path.n;

    while (slash > 0 && path.p[slash - 1] != '/') {
        slash--;
    }
    *out_name = span_skip(path, slash);
    return span_first(path, slash > 0 ? slash - 1 : 0);
}

enum err mail_folder_open(struct mail_source *s, size_t folder)
{
    enum folder_kind kind = s->details[folder].kind;
    struct span path = s->folders[folder].path, name = {"", 0};
    char file[NAME_MAX + 1];
    int dir = -1;

    s->current = folder;
    if (s->is_file) {
        return kind == FOLDER_MBOX ? open_mbox(s, -1, "") : ERR_OK;
    }
    struct span dir_path = kind == FOLDER_MBOX ? path_split(path, &name) : path;
    enum err e = name.n > NAME_MAX ? ERR_INVALID : mail_open_beneath(s->root, dir_path, &dir);

    if (e == ERR_OK) {
        memcpy(file, name.p, name.n);
        file[name.n] = '\0';
        e = kind == FOLDER_MBOX      ? open_mbox(s, dir, file)
            : kind == FOLDER_MAILDIR ? open_maildir(s, dir)
                                     : open_eml(s, dir);
        close(dir);
        file_list_sort(&s->files);
        return e;
    }
    mail_source_skip(s, MAIL_SKIP_UNREADABLE, path);
    return ERR_NOT_FOUND;
}

void mail_folder_close(struct mail_source *s)
{
    int *const fds[] = {&s->dir, &s->dir_new, &s->file};

    for (size_t i = 0; i < 3; i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
        }
        *fds[i] = -1;
    }
    mbox_reader_destroy(s->mbox);
    s->mbox = NULL;
    file_list_finish(&s->files);
    s->file_at = 0;
    buf_release(&s->keywords_text);
    memset(s->keywords, 0, sizeof(s->keywords));
}

// ---- a message of an mbox -----------------------------------------------------------------------

static enum err next_in_mbox(struct mail_source *s, struct spool *into, struct mail_item *out)
{
    struct mbox_message m;
    enum err e;

    while ((e = mbox_reader_next(s->mbox, spool_sink(into), &m)) == ERR_OK) {
        *out = (struct mail_item){.meta = m.meta,
                                  .path = s->folders[s->current].path,
                                  .offset = m.offset,
                                  .done = mbox_reader_offset(s->mbox) / MBOX_BYTES_A_MESSAGE};
        if (!m.is_internal && !m.is_gone && spool_result(into) == ERR_OK) {
            return ERR_OK;
        }
        mail_source_skip(s,
                         m.is_internal ? MAIL_SKIP_INTERNAL
                         : m.is_gone   ? MAIL_SKIP_DELETED
                                       : MAIL_SKIP_TOO_LARGE,
                         out->path);
        spool_clear(into);
    }
    return e == ERR_IO && spool_result(into) != ERR_OK ? spool_result(into) : e;
}

// ---- a message in a file ------------------------------------------------------------------------

// Through the line ends into the spool. ERR_IO and the like: reading failed; spool_result tells of
// the other side.
static enum err file_to_spool(int fd, struct spool *into)
{
    char piece[PIECE_BYTES];
    struct crlf_maker maker = {.to = spool_sink(into)};

    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? err_from_errno(errno) : ERR_OK;
        }
        if (!crlf_make(&maker, span_of(piece, (size_t)n)) || spool_result(into) != ERR_OK) {
            return ERR_OK;
        }
    }
}

static void maildir_meta(struct mail_source *s, const struct file_name *f, struct mail_meta *m)
{
    uint32_t letters;
    bool forwarded;

    m->flags = maildir_name_flags(span_from_str(f->name), &letters, &forwarded);
    if (forwarded) {
        mail_meta_add_keyword(m, SPAN("$Forwarded"));
    }
    for (int i = 0; i < MAILDIR_LETTERS; i++) {
        if (letters & (1u << i)) {
            mail_meta_add_keyword(m, s->keywords[i]);
        }
    }
}

// What can be read of one open file. False: skipped.
static bool file_read(struct mail_source *s, int fd, const struct stat *st, struct spool *into,
                      struct mail_item *out)
{
    enum err e = file_to_spool(fd, into);

    if (e != ERR_OK || spool_bytes(into) == 0 || spool_result(into) == ERR_LIMIT) {
        mail_source_skip(s,
                         e != ERR_OK              ? MAIL_SKIP_UNREADABLE
                         : spool_bytes(into) == 0 ? MAIL_SKIP_EMPTY
                                                  : MAIL_SKIP_TOO_LARGE,
                         out->path);
        return false;
    }
    bool is_maildir = s->details[s->current].kind == FOLDER_MAILDIR;

    // A Maildir keeps the date of arrival as the file's; a copied .eml file has any date there.
    if (is_maildir || !mail_date_guess(spool_front(into), &out->meta)) {
        out->meta.has_date = true;
        out->meta.date = st->st_mtim.tv_sec;
    }
    return true;
}

static void item_path(struct mail_source *s, const struct file_name *f, struct mail_item *out)
{
    bool is_maildir = s->details[s->current].kind == FOLDER_MAILDIR;

    buf_clear(&s->item_path);
    buf_put(&s->item_path, s->folders[s->current].path);
    if (s->item_path.n > 0) {
        buf_put_byte(&s->item_path, '/');
    }
    if (is_maildir) {
        buf_put_str(&s->item_path, f->is_new ? "new/" : "cur/");
    }
    buf_put_str(&s->item_path, f->name);
    out->path = buf_span(&s->item_path);
}

static enum err next_in_files(struct mail_source *s, struct spool *into, struct mail_item *out)
{
    while (s->file_at < s->files.count) {
        const struct file_name *f = &s->files.items[s->file_at++];
        enum mail_skip why;
        struct stat st;
        int fd;

        *out = (struct mail_item){.done = s->file_at};
        spool_clear(into);
        item_path(s, f, out);
        if (mail_open_file(f->is_new ? s->dir_new : s->dir, f->name, &fd, &st, &why) != ERR_OK) {
            mail_source_skip(s, why, out->path);
            continue;
        }
        if (s->details[s->current].kind == FOLDER_MAILDIR) {
            maildir_meta(s, f, &out->meta);
        }
        bool is_read = file_read(s, fd, &st, into, out);

        close(fd);
        if (spool_result(into) != ERR_OK && spool_result(into) != ERR_LIMIT) {
            return spool_result(into);
        }
        if (is_read) {
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

// The source is one .eml file.
static enum err next_root_file(struct mail_source *s, struct spool *into, struct mail_item *out)
{
    struct stat st;

    if (s->file_at > 0 || fstat(s->root, &st) != 0) {
        return ERR_NOT_FOUND;
    }
    s->file_at = 1;
    *out = (struct mail_item){.done = 1, .path = s->folders[0].path};
    if (!file_read(s, s->root, &st, into, out)) {
        return ERR_NOT_FOUND;
    }
    return spool_result(into);
}

enum err mail_folder_next(struct mail_source *s, struct spool *into, struct mail_item *out)
{
    spool_clear(into);
    if (s->mbox) {
        return next_in_mbox(s, into, out);
    }
    return s->is_file ? next_root_file(s, into, out) : next_in_files(s, into, out);
}
