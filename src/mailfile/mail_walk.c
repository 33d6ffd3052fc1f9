// SPDX-License-Identifier: Apache-2.0
//
// Finds the mailboxes below a folder. A folder with cur/ in it is a Maildir; the dotted folders in
// it are its Maildir++ folders, other folders are folders of a tree ("fs" layout). Elsewhere a file
// that begins with "From " is an mbox, and files that end in .eml make the folder a mailbox.
// Thunderbird's "Work.sbd" holds what is below "Work", Apple's "Work.mbox/mbox" is "Work".
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "mailfile/mail_source_internal.h"

#include "base/banned.h"

#define MAILBOX_BYTES_MAX       4096
#define SUBSCRIPTIONS_BYTES_MAX (4u << 20)

// A folder being looked at.
struct place {
    int fd;
    struct span path, mailbox; // both empty at the root
    unsigned depth;
};

static struct span join(struct mail_source *s, struct span a, struct span b)
{
    char *p = arena_alloc(&s->arena, a.n + b.n + 1);

    if (!p) {
        return (struct span){NULL, 0};
    }
    if (a.n > 0) {
        memcpy(p, a.p, a.n);
        p[a.n] = '/';
        memcpy(p + a.n + 1, b.p, b.n);
        return span_of(p, a.n + 1 + b.n);
    }
    memcpy(p, b.p, b.n);
    return span_of(p, b.n);
}

static enum err folder_add(struct mail_source *s, enum folder_kind kind, struct span path,
                           struct span mailbox, uint64_t weight)
{
    if (s->count == MAIL_SOURCE_FOLDERS_MAX || !path.p || !mailbox.p) {
        return ERR_LIMIT;
    }
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct mail_folder *folders = realloc(s->folders, cap * sizeof(*folders));

        s->folders = folders ? folders : s->folders;
        struct source_folder *details =
            folders ? realloc(s->details, cap * sizeof(*details)) : NULL;

        s->details = details ? details : s->details;
        if (!details) {
            return ERR_NOMEM;
        }
        s->cap = cap;
    }
    s->folders[s->count] = (struct mail_folder){.mailbox = mailbox, .path = path, .weight = weight};
    s->details[s->count++] = (struct source_folder){.kind = kind};
    return ERR_OK;
}

// A mailbox name made of a level's name on disk, below `parent`. p is NULL when there is none.
static struct span mailbox_below(struct mail_source *s, struct span parent, struct span level)
{
    struct buf name;
    struct span out = {NULL, 0};

    buf_init(&name, MAILBOX_BYTES_MAX);
    mail_level_put(level, &name);
    if (!name.failed && name.n > 0) {
        if (parent.n == 0 && span_eq_nocase(buf_span(&name), SPAN("inbox"))) {
            out = SPAN("INBOX");
        } else {
            out = join(s, parent, buf_span(&name));
        }
    }
    buf_finish(&name);
    return out;
}

// "%2E" in names of files that an export wrote.
static struct span percent_decode(struct arena *a, struct span name)
{
    char *p = arena_alloc(a, name.n + 1);
    size_t n = 0;

    for (size_t i = 0; p && i < name.n; i++) {
        if (name.p[i] == '%' && i + 2 < name.n && byte_hex(name.p[i + 1]) >= 0 &&
            byte_hex(name.p[i + 2]) >= 0) {
            p[n++] = (char)(byte_hex(name.p[i + 1]) << 4 | byte_hex(name.p[i + 2]));
            i += 2;
        } else {
            p[n++] = name.p[i];
        }
    }
    return span_of(p, n);
}

static struct span without_ending(struct span name, struct span ending)
{
    if (name.n > ending.n && span_eq_nocase(span_skip(name, name.n - ending.n), ending)) {
        name.n -= ending.n;
    }
    return name;
}

static struct span mbox_level(struct mail_source *s, struct span file_name)
{
    return percent_decode(&s->arena, without_ending(file_name, SPAN(".mbox")));
}

static bool is_dir(int fd, const char *name)
{
    struct stat st;

    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_maildir(int fd)
{
    return is_dir(fd, "cur") && (is_dir(fd, "new") || is_dir(fd, "tmp"));
}

static enum err walk(struct mail_source *s, struct place at);

// ---- a file -------------------------------------------------------------------------------------

static bool file_is_mbox(int fd)
{
    char front[256];
    ssize_t n = pread(fd, front, sizeof(front), 0);
    struct span s = span_of(front, n > 0 ? (size_t)n : 0);

    while (s.n > 0 && (s.p[0] == '\n' || s.p[0] == '\r')) {
        s = span_skip(s, 1);
    }
    return span_starts(s, SPAN("From "));
}

static bool format_allows(const struct mail_source *s, enum folder_kind kind)
{
    switch (s->options.format) {
    case MAIL_FORMAT_AUTO:
        return true;
    case MAIL_FORMAT_MAILDIR:
        return kind == FOLDER_MAILDIR;
    case MAIL_FORMAT_EML:
        return kind == FOLDER_EML;
    case MAIL_FORMAT_MBOX:
    case MAIL_FORMAT_MBOXO:
    case MAIL_FORMAT_MBOXCL2:
        break;
    }
    return kind == FOLDER_MBOX;
}

// An mbox becomes a folder, an .eml file is counted, everything else is skipped.
static enum err walk_file(struct mail_source *s, const struct place *at, const char *name,
                          uint64_t *eml_count)
{
    struct span file = span_from_str(name), path = join(s, at->path, file);
    enum mail_skip why = MAIL_SKIP_NOT_MAIL;
    int fd CLEANUP_FD = -1;
    struct stat st;

    if (name_is_eml(file) && format_allows(s, FOLDER_EML)) {
        (*eml_count)++;
        return ERR_OK;
    }
    // An empty file is an empty mailbox when its name says that it is one.
    if (mail_open_file(at->fd, name, &fd, &st, &why) != ERR_OK || !format_allows(s, FOLDER_MBOX) ||
        !(st.st_size > 0 ? file_is_mbox(fd) : without_ending(file, SPAN(".mbox")).n < file.n)) {
        mail_source_skip(s, why, path);
        return ERR_OK;
    }
    struct span mailbox = span_eq_nocase(file, SPAN("mbox")) && at->mailbox.n > 0
                              ? at->mailbox
                              : mailbox_below(s, at->mailbox, mbox_level(s, file));

    if (!mailbox.p) {
        mail_source_skip(s, MAIL_SKIP_BAD_NAME, path);
        return ERR_OK;
    }
    return folder_add(s, FOLDER_MBOX, path, mailbox,
                      (uint64_t)st.st_size / MBOX_BYTES_A_MESSAGE + 1);
}

// ---- a folder -----------------------------------------------------------------------------------

// Maildir++: a dotted folder with cur/ in it; other dotted folders are a program's own business.
static struct span dotted_mailbox(struct mail_source *s, const struct place *at, struct span name)
{
    struct buf mailbox;
    struct span out = {NULL, 0};

    buf_init(&mailbox, MAILBOX_BYTES_MAX);
    if (maildir_folder_to_mailbox(name, &mailbox) == ERR_OK) {
        out = join(s, at->mailbox, buf_span(&mailbox));
        // Courier calls them INBOX.Sent in places; ".INBOX" alone would be the INBOX again.
        if (span_eq_nocase(out, SPAN("INBOX"))) {
            out = SPAN("INBOX");
        }
    }
    buf_finish(&mailbox);
    return out;
}

static enum err walk_dir(struct mail_source *s, const struct place *at, const char *name)
{
    struct span level = span_from_str(name), path = join(s, at->path, level), mailbox;
    int fd CLEANUP_FD = openat(at->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        mail_source_skip(s, MAIL_SKIP_UNREADABLE, path);
        return ERR_OK;
    }
    if (at->depth + 1 >= MAIL_SOURCE_DEPTH_MAX) {
        mail_source_skip(s, MAIL_SKIP_TOO_DEEP, path);
        return ERR_OK;
    }
    if (name[0] == '.') {
        if (!is_maildir(fd)) {
            mail_source_skip(s, MAIL_SKIP_NOT_MAIL, path);
            return ERR_OK;
        }
        mailbox = dotted_mailbox(s, at, level);
    } else {
        level = without_ending(level, SPAN(".sbd"));
        mailbox = mailbox_below(s, at->mailbox, mbox_level(s, level));
    }
    if (!mailbox.p || !path.p) {
        mail_source_skip(s, MAIL_SKIP_BAD_NAME, path);
        return ERR_OK;
    }
    return walk(s, (struct place){fd, path, mailbox, at->depth + 1});
}

static bool name_is_maildirs_own(const char *name)
{
    static const char *const own[] = {"cur",
                                      "new",
                                      "tmp",
                                      "subscriptions",
                                      "maildirfolder",
                                      "maildirsize",
                                      "courierimapsubscribed"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcmp(name, own[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "dovecot", 7) == 0 || strncmp(name, "courier", 7) == 0;
}

static enum err walk_entry(struct mail_source *s, const struct place *at, const char *name,
                           bool in_maildir, uint64_t *eml_count)
{
    struct span path = join(s, at->path, span_from_str(name));
    struct stat st;

    if (in_maildir && name_is_maildirs_own(name)) {
        return ERR_OK;
    }
    if (fstatat(at->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        mail_source_skip(s, MAIL_SKIP_GONE, path);
    } else if (S_ISLNK(st.st_mode)) {
        mail_source_skip(s, MAIL_SKIP_LINK, path);
    } else if (S_ISDIR(st.st_mode)) {
        return walk_dir(s, at, name);
    } else if (!S_ISREG(st.st_mode)) {
        mail_source_skip(s, MAIL_SKIP_NOT_FILE, path);
    } else if (!in_maildir) {
        return walk_file(s, at, name, eml_count);
    }
    return ERR_OK;
}

static bool subscription_add(void *arg, struct span mailbox)
{
    struct mail_source *s = arg;

    if (s->subscription_count == s->subscription_cap) {
        size_t cap = s->subscription_cap ? s->subscription_cap * 2 : 64;
        struct span *items = cap <= MAIL_SOURCE_FOLDERS_MAX * 2
                                 ? realloc(s->subscriptions, cap * sizeof(*items))
                                 : NULL;

        if (!items) {
            return false;
        }
        s->subscriptions = items;
        s->subscription_cap = cap;
    }
    struct span copy = arena_dup(&s->arena, mailbox);

    if (copy.p) {
        s->subscriptions[s->subscription_count++] = copy;
    }
    return copy.p;
}

static void subscriptions_read(struct mail_source *s, int fd)
{
    static const char *const names[] = {"subscriptions", "courierimapsubscribed"};
    struct buf text;

    buf_init(&text, SUBSCRIPTIONS_BYTES_MAX);
    for (size_t i = 0; i < 2; i++) {
        struct stat st;

        // Looked at first: opening a pipe of that name would wait.
        if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            file_read_whole(fd, names[i], &text) == ERR_OK) {
            s->has_subscriptions = true;
            maildir_subscriptions_parse(buf_span(&text), subscription_add, s);
        }
        buf_clear(&text);
    }
    buf_finish(&text);
}

static enum err walk_maildir(struct mail_source *s, const struct place *at)
{
    uint64_t n = file_count(at->fd, "cur") + file_count(at->fd, "new");
    struct span mailbox = at->mailbox.n > 0 ? at->mailbox : SPAN("INBOX");

    if (at->depth == 0) {
        subscriptions_read(s, at->fd);
    }
    return format_allows(s, FOLDER_MAILDIR)
               ? folder_add(s, FOLDER_MAILDIR, at->path.p ? at->path : SPAN(""), mailbox, n)
               : ERR_OK;
}

static enum err walk(struct mail_source *s, struct place at)
{
    bool in_maildir = is_maildir(at.fd);
    uint64_t eml_count = 0;
    struct file_list names;
    enum err e = in_maildir ? walk_maildir(s, &at) : ERR_OK;

    file_list_init(&names);
    if (e == ERR_OK && file_list_read(&names, at.fd, false, true) != ERR_OK) {
        mail_source_skip(s, MAIL_SKIP_UNREADABLE, at.path);
    }
    file_list_sort(&names);
    for (size_t i = 0; i < names.count && e == ERR_OK; i++) {
        e = walk_entry(s, &at, names.items[i].name, in_maildir, &eml_count);
    }
    file_list_finish(&names);
    if (e == ERR_OK && eml_count > 0) {
        e = folder_add(s, FOLDER_EML, at.path.p ? at.path : SPAN(""),
                       at.mailbox.n > 0 ? at.mailbox : SPAN("INBOX"), eml_count);
    }
    return e;
}

// ---- the source itself --------------------------------------------------------------------------

static struct span last_level(const char *path)
{
    struct span s = span_from_str(path);

    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == '/') {
            return span_skip(s, i);
        }
    }
    return s;
}

// The source is one file: an mbox or one message.
static enum err walk_root_file(struct mail_source *s, const char *path)
{
    struct span name = last_level(path);
    struct stat st;

    if (fstat(s->root, &st) != 0 || !S_ISREG(st.st_mode)) {
        return ERR_INVALID;
    }
    bool is_mbox = file_is_mbox(s->root);
    enum folder_kind kind = is_mbox && !(name_is_eml(name) && s->options.format == MAIL_FORMAT_EML)
                                ? FOLDER_MBOX
                                : FOLDER_EML;
    struct span mailbox = SPAN("INBOX");

    if (!format_allows(s, kind) ||
        (kind == FOLDER_EML && !name_is_eml(name) && s->options.format != MAIL_FORMAT_EML)) {
        return ERR_INVALID;
    }
    if (kind == FOLDER_MBOX && !span_eq_nocase(name, SPAN("mbox"))) {
        mailbox = mailbox_below(s, (struct span){NULL, 0}, mbox_level(s, name));
        mailbox = mailbox.p ? mailbox : SPAN("INBOX");
    }
    enum err e =
        folder_add(s, kind, arena_dup(&s->arena, name), mailbox,
                   kind == FOLDER_MBOX ? (uint64_t)st.st_size / MBOX_BYTES_A_MESSAGE + 1 : 1);

    if (e == ERR_OK) {
        s->details[0].is_root_file = true;
    }
    return e;
}

static int folder_compare(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return span_cmp(*x, *y);
}

static void subscriptions_apply(struct mail_source *s)
{
    if (s->subscription_count > 1) {
        qsort(s->subscriptions, s->subscription_count, sizeof(struct span), folder_compare);
    }
    for (size_t i = 0; i < s->count; i++) {
        struct mail_folder *f = &s->folders[i];

        f->is_subscribed = !s->has_subscriptions || span_eq(f->mailbox, SPAN("INBOX")) ||
                           (s->subscription_count > 0 &&
                            bsearch(&f->mailbox, s->subscriptions, s->subscription_count,
                                    sizeof(struct span), folder_compare));
    }
}

enum err mail_walk(struct mail_source *s, const char *path)
{
    enum err e = s->is_file ? walk_root_file(s, path)
                            : walk(s, (struct place){.fd = s->root, .path = {"", 0}});

    if (e == ERR_OK) {
        subscriptions_apply(s);
    }
    return e == ERR_OK && s->count == 0 ? ERR_INVALID : e;
}
