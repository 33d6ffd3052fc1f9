// SPDX-License-Identifier: Apache-2.0
//
// The courier may make no Unix socket: a filter that listens on one is connected to here, and the
// descriptor handed over. So it reaches the paths of the settings, and no other socket of this
// machine. The last part of a path must be a socket itself: whoever may write in its folder could
// else point a link at a socket that is none of his.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conf/settings.h"
#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

#define PATH_BYTES_MAX 300

// "milter unix:/run/x.sock". False: it is none of these.
static bool read_path(struct span filter, char path[PATH_BYTES_MAX + 1])
{
    struct span rest = span_trim(filter);
    struct span kind = span_split(&rest, ' ');

    rest = span_trim(rest);
    if (!span_eq(kind, SPAN("milter")) || !span_starts(rest, SPAN("unix:/"))) {
        return false;
    }
    rest = span_skip(rest, 5);
    if (rest.n > PATH_BYTES_MAX || span_find_byte(rest, '\0') < rest.n) {
        return false;
    }
    snprintf(path, PATH_BYTES_MAX + 1, "%.*s", SPAN_ARG(rest));
    return true;
}

// By its descriptor: what was looked at is what is connected to, and its path may be long. An errno
// in *problem, or 0.
static int connect_to(const char *path, uint32_t *problem)
{
    int found CLEANUP_FD = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;

    if (found < 0 || fstat(found, &st) < 0) {
        *problem = (uint32_t)errno;
        return -1;
    }
    if (!S_ISSOCK(st.st_mode)) {
        *problem = ENOTSOCK;
        return -1;
    }
    snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", found);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        *problem = (uint32_t)errno;
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    *problem = 0;
    return fd;
}

void socket_hand_out(const struct settings *settings, uint8_t filter, int fd)
{
    char path[PATH_BYTES_MAX + 1];
    struct ipc_connected m = {.problem = EACCES};
    int got = -1;
    struct buf frame;

    if (filter < conf_value_list_size(settings, SETTING_FILTERS) &&
        read_path(conf_value_list_item(settings, SETTING_FILTERS, filter), path)) {
        got = connect_to(path, &m.problem);
    }
    buf_init(&frame, 64);
    if (ipc_connected_encode(&m, got >= 0, &frame) == ERR_OK) {
        (void)channel_send_now(fd, buf_span(&frame), &got, got >= 0); // without it it is away
    }
    buf_finish(&frame);
    if (got >= 0) {
        close(got);
    }
}
