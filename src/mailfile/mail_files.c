// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "mailfile/mail_source_internal.h"

#include "base/banned.h"

#define NAMES_BYTES_MAX (1024u << 20)

enum err mail_open_beneath(int root, struct span path, int *out_fd)
{
    int fd = fcntl(root, F_DUPFD_CLOEXEC, 3);

    while (fd >= 0 && path.n > 0) {
        char name[NAME_MAX + 1];
        struct span level = span_split(&path, '/');

        if (level.n == 0 || level.n > NAME_MAX || span_eq(level, SPAN(".."))) {
            close(fd);
            return ERR_INVALID;
        }
        memcpy(name, level.p, level.n);
        name[level.n] = '\0';
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        close(fd);
        fd = next;
    }
    if (fd < 0) {
        return err_from_errno(errno);
    }
    *out_fd = fd;
    return ERR_OK;
}

static enum mail_skip skip_of_errno(int errnum)
{
    switch (errnum) {
    case ELOOP:
        return MAIL_SKIP_LINK;
    case ENOENT:
        return MAIL_SKIP_GONE;
    case ENXIO: // a socket, or a pipe without a writer
        return MAIL_SKIP_NOT_FILE;
    default:
        return MAIL_SKIP_UNREADABLE;
    }
}

enum err mail_open_file(int dir, const char *name, int *out_fd, struct stat *out_stat,
                        enum mail_skip *out_why)
{
    // O_NONBLOCK: opening a pipe somebody left there must not wait for its other end.
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) {
        *out_why = skip_of_errno(errno);
        return ERR_NOT_FOUND;
    }
    if (fstat(fd, out_stat) != 0 || !S_ISREG(out_stat->st_mode)) {
        *out_why = MAIL_SKIP_NOT_FILE;
        close(fd);
        return ERR_NOT_FOUND;
    }
    *out_fd = fd;
    return ERR_OK;
}

void file_list_init(struct file_list *l)
{
    *l = (struct file_list){.items = NULL};
    arena_init(&l->arena, NAMES_BYTES_MAX);
}

void file_list_finish(struct file_list *l)
{
    free(l->items);
    arena_finish(&l->arena);
    file_list_init(l);
}

static enum err file_list_add(struct file_list *l, const char *name, bool is_new)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct file_name *items =
            cap <= MAIL_SOURCE_FILES_MAX * 2 ? realloc(l->items, cap * sizeof(*items)) : NULL;

        if (!items) {
            return ERR_LIMIT;
        }
        l->items = items;
        l->cap = cap;
    }
    const char *copy = arena_str(&l->arena, span_from_str(name));

    if (!copy || l->count == MAIL_SOURCE_FILES_MAX) {
        return ERR_LIMIT;
    }
    l->items[l->count++] = (struct file_name){copy, is_new};
    return ERR_OK;
}

enum err file_list_read(struct file_list *l, int dir, bool is_new, bool dots)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    enum err e = ERR_OK;
    struct dirent *entry;

    if (!d) {
        e = err_from_errno(errno);
        if (fd >= 0) {
            close(fd);
        }
        return e;
    }
    while (e == ERR_OK && (errno = 0, entry = readdir(d))) {
        const char *name = entry->d_name;

        if (name[0] != '.' || (dots && name[1] != '\0' && strcmp(name, "..") != 0)) {
            e = file_list_add(l, name, is_new);
        }
    }
    if (e == ERR_OK && errno != 0) {
        e = err_from_errno(errno);
    }
    closedir(d);
    return e;
}

static int name_compare(const void *a, const void *b)
{
    const struct file_name *x = a, *y = b;

    return strcmp(x->name, y->name);
}

void file_list_sort(struct file_list *l)
{
    if (l->count > 1) {
        qsort(l->items, l->count, sizeof(l->items[0]), name_compare);
    }
}

uint64_t file_count(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t n = 0;
    struct dirent *entry;

    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return 0;
    }
    while ((entry = readdir(d))) {
        n += entry->d_name[0] != '.';
    }
    closedir(d);
    return n;
}
