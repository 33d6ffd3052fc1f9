// SPDX-License-Identifier: Apache-2.0
#include "ipc/control_frame.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

#include "base/banned.h"

#define HEADER_BYTES 5

static enum err wait_for(int fd, short events, int64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();

        if (left <= 0) {
            return ERR_TIMEOUT;
        }
        int r = poll(&p, 1, left > 60000 ? 60000 : (int)left);

        if (r > 0) {
            return ERR_OK;
        }
        if (r < 0 && errno != EINTR) {
            return ERR_IO;
        }
    }
}

static enum err write_all(int fd, struct span bytes, int64_t until_ms)
{
    while (bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            bytes = span_skip(bytes, (size_t)n);
        } else if (errno == EAGAIN) {
            enum err e = wait_for(fd, POLLOUT, until_ms);

            if (e != ERR_OK) {
                return e;
            }
        } else if (errno != EINTR) {
            return errno == EPIPE || errno == ECONNRESET ? ERR_EOF : ERR_IO;
        }
    }
    return ERR_OK;
}

static enum err read_all(int fd, char *at, size_t n, int64_t until_ms)
{
    while (n) {
        ssize_t k = recv(fd, at, n, MSG_DONTWAIT);

        if (k > 0) {
            at += k;
            n -= (size_t)k;
        } else if (k == 0) {
            return ERR_EOF;
        } else if (errno == EAGAIN) {
            enum err e = wait_for(fd, POLLIN, until_ms);

            if (e != ERR_OK) {
                return e;
            }
        } else if (errno != EINTR) {
            return errno == ECONNRESET ? ERR_EOF : ERR_IO;
        }
    }
    return ERR_OK;
}

enum err control_frame_write(int fd, enum control_kind kind, struct span payload,
                             int64_t timeout_ms)
{
    char header[HEADER_BYTES];
    int64_t until = clock_monotonic_ms() + timeout_ms;

    if (payload.n >= CONTROL_FRAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    put_le32(header, (uint32_t)payload.n + 1);
    header[4] = (char)kind;
    enum err e = write_all(fd, span_of(header, sizeof(header)), until);

    return e == ERR_OK ? write_all(fd, payload, until) : e;
}

enum err control_frame_read(int fd, int64_t timeout_ms, struct buf *into,
                            enum control_kind *out_kind)
{
    char header[HEADER_BYTES];
    int64_t until = clock_monotonic_ms() + timeout_ms;

    buf_clear(into);
    enum err e = read_all(fd, header, sizeof(header), until);

    if (e != ERR_OK) {
        return e;
    }
    uint32_t length = get_le32(header);

    if (length < 1 || length > CONTROL_FRAME_BYTES_MAX || header[4] < CONTROL_REQUEST ||
        header[4] > CONTROL_ERROR) {
        return ERR_INVALID;
    }
    size_t n = length - 1;

    if (n && !buf_reserve(into, n)) {
        return ERR_LIMIT;
    }
    e = n ? read_all(fd, into->p, n, until) : ERR_OK;
    if (e == ERR_OK) {
        into->n = n;
        *out_kind = (enum control_kind)header[4];
    }
    return e;
}
