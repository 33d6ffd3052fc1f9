// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mail_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "mailfile/mail_source_internal.h"

#include "base/banned.h"

#define ARENA_BYTES_MAX (256u << 20)
#define PATH_BYTES_MAX  (32u << 10)

const char *mail_skip_text(enum mail_skip why)
{
    static const char *const texts[MAIL_SKIP__COUNT] = {
        [MAIL_SKIP_LINK] = "symbolic links (never followed)",
        [MAIL_SKIP_NOT_FILE] = "not plain files",
        [MAIL_SKIP_NOT_MAIL] = "not mail",
        [MAIL_SKIP_UNREADABLE] = "could not be read",
        [MAIL_SKIP_GONE] = "disappeared meanwhile",
        [MAIL_SKIP_EMPTY] = "empty files",
        [MAIL_SKIP_TOO_LARGE] = "larger than the server accepts",
        [MAIL_SKIP_DELETED] = "deleted in Thunderbird",
        [MAIL_SKIP_INTERNAL] = "a mail program's own notes",
        [MAIL_SKIP_TOO_DEEP] = "folders nested too deep",
        [MAIL_SKIP_BAD_NAME] = "folders with an unusable name",
    };

    return why < MAIL_SKIP__COUNT ? texts[why] : "unknown";
}

void mail_source_skip(struct mail_source *s, enum mail_skip why, struct span path)
{
    if (s->options.skipped) {
        s->options.skipped(s->options.arg, why, path);
    }
}

static const char *reason_of(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return "there is no such file or folder";
    case ERR_DENIED:
        return "you may not read it";
    case ERR_INVALID:
        return "there is no mail in it that this program can read (mbox, Maildir, .eml)";
    case ERR_LIMIT:
        return "it has too many folders";
    case ERR_NOMEM:
        return "there is not enough memory";
    default:
        return "it cannot be read";
    }
}

enum err mail_source_open(const char *path, const struct mail_source_options *o,
                          struct mail_source **out, const char **out_reason)
{
    struct mail_source *s = calloc(1, sizeof(*s));
    struct stat st;
    enum err e = ERR_OK;

    *out_reason = reason_of(ERR_NOMEM);
    if (!s) {
        return ERR_NOMEM;
    }
    *s = (struct mail_source){.options = *o, .dir = -1, .dir_new = -1, .file = -1};
    arena_init(&s->arena, ARENA_BYTES_MAX);
    file_list_init(&s->files);
    buf_init(&s->keywords_text, 64u << 10);
    buf_init(&s->item_path, PATH_BYTES_MAX);
    // The path itself is the person's own word: a link there is followed.
    s->root = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (s->root < 0 || fstat(s->root, &st) != 0) {
        e = err_from_errno(errno);
    } else {
        s->is_file = !S_ISDIR(st.st_mode);
        e = mail_walk(s, path);
    }
    if (e != ERR_OK) {
        *out_reason = reason_of(e);
        mail_source_close(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void mail_source_close(struct mail_source *s)
{
    if (s) {
        mail_folder_close(s);
        if (s->root >= 0) {
            close(s->root);
        }
        arena_finish(&s->arena);
        buf_finish(&s->item_path);
        free(s->folders);
        free(s->details);
        free(s->subscriptions);
        free(s);
    }
}

size_t mail_source_folders(const struct mail_source *s, const struct mail_folder **out)
{
    *out = s->folders;
    return s->count;
}

const char *mail_source_kind(const struct mail_source *s)
{
    bool seen[3] = {false, false, false};

    for (size_t i = 0; i < s->count; i++) {
        seen[s->details[i].kind] = true;
    }
    if (seen[FOLDER_MAILDIR]) {
        return seen[FOLDER_MBOX] || seen[FOLDER_EML] ? "a folder of Maildirs and other mail"
                                                     : "Maildir";
    }
    if (seen[FOLDER_MBOX]) {
        return seen[FOLDER_EML] ? "a folder of mbox and .eml files" : "mbox";
    }
    return ".eml files";
}

enum err mail_source_begin(struct mail_source *s, size_t folder)
{
    mail_folder_close(s);
    return mail_folder_open(s, folder);
}

enum err mail_source_next(struct mail_source *s, struct spool *into, struct mail_item *out)
{
    return mail_folder_next(s, into, out);
}
