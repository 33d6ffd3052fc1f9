// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/random.h"

#include "base/banned.h"

static struct file_hooks hook;

void file_set_hooks(const struct file_hooks *hooks)
{
    hook = hooks ? *hooks : (struct file_hooks){0};
}

static enum err file_result(int r)
{
    return r == 0 ? ERR_OK : err_from_errno(errno);
}

enum err file_open(int dir_fd, const char *name, int flags, int *out_fd)
{
    int fd;

    do {
        fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    *out_fd = fd;
    return ERR_OK;
}

enum err file_open_dir(int dir_fd, const char *name, bool create, int *out_fd)
{
    if (create && mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST) {
        return err_from_errno(errno);
    }
    return file_open(dir_fd, name, O_RDONLY | O_DIRECTORY, out_fd);
}

enum err file_read_at(int fd, void *out, size_t n, uint64_t offset)
{
    char *at = out;

    while (n) {
        ssize_t k = pread(fd, at, n, (off_t)offset);

        if (k == 0) {
            return ERR_EOF;
        }
        if (k < 0) {
            if (errno == EINTR) {
                continue;
            }
            return err_from_errno(errno);
        }
        at += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return ERR_OK;
}

enum err file_write_at(int fd, const void *p, size_t n, uint64_t offset)
{
    struct iovec one = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};

    return file_writev_at(fd, &one, 1, offset);
}

enum err file_writev_at(int fd, struct iovec *iov, int count, uint64_t offset)
{
    while (count) {
        int batch = count < 1024 ? count : 1024; // IOV_MAX
        ssize_t k = hook.pwritev ? hook.pwritev(fd, iov, batch, (off_t)offset)
                                 : pwritev(fd, iov, batch, (off_t)offset);

        if (k < 0) {
            if (errno == EINTR) {
                continue;
            }
            return err_from_errno(errno);
        }
        offset += (uint64_t)k;
        size_t done = (size_t)k;

        while (count && done >= iov->iov_len) {
            done -= iov->iov_len;
            iov++;
            count--;
        }
        if (count) {
            iov->iov_base = (char *)iov->iov_base + done;
            iov->iov_len -= done;
        }
    }
    return ERR_OK;
}

enum err file_sync_data(int fd)
{
    return file_result(hook.fdatasync ? hook.fdatasync(fd) : fdatasync(fd));
}

enum err file_sync(int fd)
{
    return file_result(hook.fsync ? hook.fsync(fd) : fsync(fd));
}

enum err file_rename(int dir_fd, const char *from, const char *to)
{
    return file_result(hook.renameat ? hook.renameat(dir_fd, from, to)
                                     : renameat(dir_fd, from, dir_fd, to));
}

enum err file_unlink(int dir_fd, const char *name)
{
    return file_result(hook.unlinkat ? hook.unlinkat(dir_fd, name) : unlinkat(dir_fd, name, 0));
}

enum err file_truncate(int fd, uint64_t size)
{
    return file_result(hook.ftruncate ? hook.ftruncate(fd, (off_t)size)
                                      : ftruncate(fd, (off_t)size));
}

enum err file_allocate(int fd, uint64_t size)
{
    int r;

    do {
        r = hook.fallocate ? hook.fallocate(fd, (off_t)size) : fallocate(fd, 0, 0, (off_t)size);
    } while (r < 0 && errno == EINTR);
    return r < 0 && errno == EOPNOTSUPP ? ERR_UNSUPPORTED : file_result(r);
}

enum err file_size(int fd, uint64_t *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return err_from_errno(errno);
    }
    *out = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err file_read_whole(int dir_fd, const char *name, struct buf *out)
{
    int fd CLEANUP_FD = -1;
    enum err e = file_open(dir_fd, name, O_RDONLY, &fd);

    while (e == ERR_OK) {
        char *at = buf_reserve(out, 1);

        if (!at) {
            return ERR_LIMIT;
        }
        ssize_t k = read(fd, at, out->cap - out->n);

        if (k == 0) {
            return ERR_OK;
        }
        if (k < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        out->n += k > 0 ? (size_t)k : 0;
    }
    return e;
}

enum err file_replace(int dir_fd, const char *name, struct span contents)
{
    char temporary[64];
    int fd CLEANUP_FD = -1;

    snprintf(temporary, sizeof(temporary), ".tmp-%016llx", (unsigned long long)random_u64());
    enum err e = file_open(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL, &fd);

    if (e != ERR_OK) {
        return e;
    }
    e = file_write_at(fd, contents.p, contents.n, 0);
    if (e == ERR_OK) {
        e = file_sync(fd);
    }
    if (e == ERR_OK) {
        e = file_rename(dir_fd, temporary, name);
    }
    if (e != ERR_OK) {
        file_unlink(dir_fd, temporary);
        return e;
    }
    return file_sync(dir_fd);
}
