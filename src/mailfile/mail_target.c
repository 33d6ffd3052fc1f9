// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mail_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "mailfile/mail_target_internal.h"

#include "base/banned.h"

#define FILE_BUFFER_BYTES   (256u << 10)
#define FILE_WRITE_BYTES    (128u << 10)
#define SUBSCRIPTIONS_BYTES (64u << 20)
#define LEVEL_BYTES_MAX     240

// ---- files --------------------------------------------------------------------------------------

void out_file_init(struct out_file *f)
{
    *f = (struct out_file){.fd = -1};
    buf_init(&f->buf, FILE_BUFFER_BYTES);
}

enum err out_file_create(struct out_file *f, int dir, const char *name)
{
    out_file_close(f);
    return file_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, &f->fd);
}

enum err out_file_flush(struct out_file *f)
{
    if (f->result == ERR_OK && f->buf.n > 0) {
        f->result = file_write_at(f->fd, f->buf.p, f->buf.n, f->at);
        f->at += f->buf.n;
    }
    buf_clear(&f->buf);
    return f->result;
}

static bool out_file_write(void *arg, struct span bytes)
{
    struct out_file *f = arg;

    while (bytes.n > 0 && f->result == ERR_OK) {
        struct span piece = span_first(bytes, FILE_WRITE_BYTES);

        buf_put(&f->buf, piece);
        if (f->buf.failed) {
            f->result = ERR_NOMEM;
        } else if (f->buf.n >= FILE_WRITE_BYTES) {
            out_file_flush(f);
        }
        bytes = span_skip(bytes, piece.n);
    }
    return f->result == ERR_OK;
}

struct mail_sink out_file_sink(struct out_file *f)
{
    return (struct mail_sink){out_file_write, f};
}

void out_file_close(struct out_file *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    buf_clear(&f->buf);
    f->fd = -1;
    f->at = 0;
    f->result = ERR_OK;
}

// ---- names --------------------------------------------------------------------------------------

void target_name_shorten(struct buf *name, size_t start, struct span whole)
{
    uint32_t sum = 2166136261u; // FNV-1a: the same name gets the same number in every export

    if (name->failed || name->n - start <= LEVEL_BYTES_MAX) {
        return;
    }
    for (size_t i = 0; i < whole.n; i++) {
        sum = (sum ^ (unsigned char)whole.p[i]) * 16777619u;
    }
    name->n = start + LEVEL_BYTES_MAX - 12;
    while (name->n > start && ((unsigned char)name->p[name->n] & 0xc0) == 0x80) {
        name->n--; // not within a character
    }
    buf_printf(name, "~%08x", (unsigned)sum);
}

static bool ends_like_mail(struct span s)
{
    return (s.n >= 5 && span_eq_nocase(span_skip(s, s.n - 5), SPAN(".mbox"))) ||
           (s.n >= 4 && (span_eq_nocase(span_skip(s, s.n - 4), SPAN(".sbd")) ||
                         span_eq_nocase(span_skip(s, s.n - 4), SPAN(".eml"))));
}

void mail_target_level(struct span level, struct buf *out)
{
    bool is_ascii = utf8_is_ascii(level), ends = ends_like_mail(level);
    size_t start = out->n, last_dot = level.n;

    for (size_t i = 0; i < level.n; i++) {
        last_dot = level.p[i] == '.' ? i : last_dot;
    }
    for (size_t i = 0; i < level.n; i++) {
        char c = level.p[i];

        if (c == '\\') {
            buf_put_str(out, "\\5c");
        } else if (c == '&' && is_ascii) {
            buf_put_str(out, "&-");
        } else if (c == '%' || c == '/' || byte_is_ctl(c) || (c == '.' && i == 0) ||
                   (ends && i == last_dot)) {
            buf_printf(out, "%%%02X", (unsigned char)c);
        } else {
            buf_put_byte(out, c);
        }
    }
    target_name_shorten(out, start, level);
}

// ---- the target ---------------------------------------------------------------------------------

static const char *reason_of(enum err e)
{
    switch (e) {
    case ERR_EXISTS:
        return "there is something already; an export writes over nothing. Give another name, or "
               "an empty folder";
    case ERR_NOT_FOUND:
        return "the folder it would be in does not exist";
    case ERR_DENIED:
        return "you may not write there";
    case ERR_NOSPACE:
        return "the disk is full";
    default:
        return "it cannot be made";
    }
}

static bool is_empty_dir(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    bool empty = true;

    if (!d) {
        if (copy >= 0) {
            close(copy);
        }
        return false;
    }
    while (empty && (entry = readdir(d))) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    closedir(d);
    return empty;
}

static enum err make_root(struct mail_target *t, const char *path)
{
    if (t->options.format == MAIL_TARGET_MBOX && t->options.is_single) {
        return out_file_create(&t->file, AT_FDCWD, path);
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return err_from_errno(errno);
    }
    t->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->root < 0) {
        return errno == ENOTDIR ? ERR_EXISTS : err_from_errno(errno);
    }
    return is_empty_dir(t->root) ? ERR_OK : ERR_EXISTS;
}

enum err mail_target_create(const char *path, const struct mail_target_options *o,
                            struct mail_target **out, const char **out_reason)
{
    struct mail_target *t = calloc(1, sizeof(*t));

    *out_reason = reason_of(ERR_NOMEM);
    if (!t) {
        return ERR_NOMEM;
    }
    *t = (struct mail_target){.options = *o, .root = -1, .folder = -1};
    out_file_init(&t->file);
    buf_init(&t->subscriptions, SUBSCRIPTIONS_BYTES);
    buf_init(&t->letters, MAILDIR_LETTERS * (MAIL_KEYWORD_BYTES_MAX + 8));
    enum err e = make_root(t, path);

    if (e != ERR_OK) {
        *out_reason = reason_of(e);
        mail_target_destroy(t);
        return e;
    }
    *out = t;
    return ERR_OK;
}

void mail_target_destroy(struct mail_target *t)
{
    if (t) {
        out_file_close(&t->file);
        buf_finish(&t->file.buf);
        buf_finish(&t->subscriptions);
        buf_finish(&t->letters);
        if (t->folder >= 0) {
            close(t->folder);
        }
        if (t->root >= 0) {
            close(t->root);
        }
        free(t);
    }
}

static void note_subscription(struct mail_target *t, struct span name, bool is_subscribed)
{
    struct buf folder;

    if (!is_subscribed) {
        t->any_unsubscribed = true;
        return;
    }
    buf_init(&folder, 8192);
    if (maildir_folder_from_mailbox(name, &folder) == ERR_OK) {
        buf_put(&t->subscriptions, span_skip(buf_span(&folder), 1));
        buf_put_byte(&t->subscriptions, '\n');
    }
    buf_finish(&folder);
}

enum err mail_target_mailbox(struct mail_target *t, struct span name, bool is_subscribed)
{
    if (t->options.format == MAIL_TARGET_MBOX) {
        return target_mbox_mailbox(t, name);
    }
    note_subscription(t, name, is_subscribed);
    enum err e = target_maildir_end(t);

    return e == ERR_OK ? target_maildir_mailbox(t, name) : e;
}

enum err mail_target_message(struct mail_target *t, struct spool *bytes, bool is_irregular,
                             const struct mail_meta *meta)
{
    bool keep_crlf = t->options.keep_crlf || is_irregular;

    t->messages++;
    return t->options.format == MAIL_TARGET_MBOX
               ? target_mbox_message(t, bytes, keep_crlf, meta)
               : target_maildir_message(t, bytes, keep_crlf, meta);
}

enum err mail_target_finish(struct mail_target *t)
{
    enum err e = ERR_OK;

    if (t->options.format == MAIL_TARGET_MAILDIR) {
        e = target_maildir_end(t);
        if (e == ERR_OK && !t->options.is_single) {
            e = file_replace(t->root, "subscriptions", buf_span(&t->subscriptions));
        }
    } else if (t->file.fd >= 0) {
        e = out_file_flush(&t->file);
        if (e == ERR_OK) {
            e = file_sync(t->file.fd);
        }
    }
    // One call for all files: a sync for each would make an export of many take hours.
    if (e == ERR_OK && t->root >= 0 && syncfs(t->root) != 0) {
        e = err_from_errno(errno);
    }
    return e;
}

uint64_t mail_target_keywords_dropped(const struct mail_target *t)
{
    return t->keywords_dropped;
}
