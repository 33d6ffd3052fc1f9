// SPDX-License-Identifier: Apache-2.0
//
// Files, whole and in order: every call that writes, syncs or renames what must last goes through
// here, so that this is the one place where tests inject faults and record writes. All functions
// handle EINTR and short transfers. They may block; any thread. Nothing here retries a failed sync:
// after one the kernel may have dropped the pages (see docs/format/).
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"

// Opens relative to `dir_fd` with O_CLOEXEC | O_NOFOLLOW added; files are created with mode 0600.
enum err file_open(int dir_fd, const char *name, int flags, int *out_fd);
// Opens a directory for use as `dir_fd`; with `create` makes it (0700) first when missing.
enum err file_open_dir(int dir_fd, const char *name, bool create, int *out_fd);

// Reads exactly `n` bytes at `offset`; ERR_EOF when the file ends before.
enum err file_read_at(int fd, void *out, size_t n, uint64_t offset);
// Writes everything at `offset`.
enum err file_write_at(int fd, const void *p, size_t n, uint64_t offset);
// Writes all pieces in order at `offset`; `iov` is used up.
enum err file_writev_at(int fd, struct iovec *iov, int count, uint64_t offset);
enum err file_sync_data(int fd); // fdatasync
enum err file_sync(int fd);      // fsync; also for directories
enum err file_rename(int dir_fd, const char *from, const char *to);
enum err file_unlink(int dir_fd, const char *name);
enum err file_truncate(int fd, uint64_t size);
// Makes the file `size` bytes long with blocks for all of it; the new bytes read as zeros.
// ERR_UNSUPPORTED when the file system cannot.
enum err file_allocate(int fd, uint64_t size);
enum err file_size(int fd, uint64_t *out);

// Appends the whole of a small file to `out`; ERR_LIMIT when larger than the buffer's cap.
enum err file_read_whole(int dir_fd, const char *name, struct buf *out);
// Replaces a file's contents durably: temporary, sync, rename, sync of the directory.
enum err file_replace(int dir_fd, const char *name, struct span contents);

// What tests may put in front of the system calls; each returns as the call does (-1 and errno).
// NULL members mean the real call. Set only while no other thread runs.
struct file_hooks {
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t offset);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*fallocate)(int fd, off_t size);
    int (*renameat)(int dir_fd, const char *from, const char *to);
    int (*unlinkat)(int dir_fd, const char *name);
};
void file_set_hooks(const struct file_hooks *hooks); // NULL: none

#endif
