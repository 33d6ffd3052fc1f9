// SPDX-License-Identifier: Apache-2.0
#include "ipc/data_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

#include "base/banned.h"

#define LOCK_NAME     "server.lock" // the engine has a lock of its own, on `lock`
#define LOOK_EVERY_NS 20000000

static int read_owner(int fd)
{
    char text[24] = "";
    uint64_t pid;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    return n > 0 && span_to_u64(span_trim(span_of(text, (size_t)n)), INT32_MAX, &pid) ? (int)pid
                                                                                      : 0;
}

bool data_lock_is_taken(const char *data_dir, int *out_pid)
{
    int dir CLEANUP_FD = -1;
    int fd CLEANUP_FD = -1;

    if (file_open_dir(AT_FDCWD, data_dir, false, &dir) != ERR_OK ||
        file_open(dir, LOCK_NAME, O_RDONLY, &fd) != ERR_OK) {
        return false;
    }
    // Shared, and only for this moment: who takes it for long tries more than once.
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        return false;
    }
    *out_pid = read_owner(fd);
    return true;
}

static enum err take(const char *data_dir, int *out_fd, int *out_pid)
{
    int dir CLEANUP_FD = -1;
    int fd;
    char text[24];
    enum err e = file_open_dir(AT_FDCWD, data_dir, false, &dir);

    if (e == ERR_OK) {
        e = file_open(dir, LOCK_NAME, O_RDWR | O_CREAT, &fd);
    }
    if (e != ERR_OK) {
        return e;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        bool taken = errno == EWOULDBLOCK;

        if (taken) {
            *out_pid = read_owner(fd);
        }
        close(fd);
        return taken ? ERR_EXISTS : ERR_IO;
    }
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    // The number is a courtesy to whoever finds the lock taken; the lock holds without it.
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) < 0) {
        *out_pid = 0;
    }
    *out_fd = fd;
    return ERR_OK;
}

enum err data_lock_take(const char *data_dir, int64_t patience_ms, int *out_fd, int *out_pid)
{
    int64_t until = clock_monotonic_ms() + patience_ms;
    enum err e = take(data_dir, out_fd, out_pid);

    while (e == ERR_EXISTS && clock_monotonic_ms() < until) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
        e = take(data_dir, out_fd, out_pid);
    }
    return e;
}
