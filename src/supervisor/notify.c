// SPDX-License-Identifier: Apache-2.0
//
// The notify protocol of systemd (sd_notify(3)), without its library: one datagram to the socket
// that NOTIFY_SOCKET names.
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

void notify_systemd(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;

    if (n < 2 || n >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(sa.sun_path, path, n);
    if (path[0] == '@') {
        sa.sun_path[0] = '\0'; // the abstract namespace
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        ssize_t ignored =
            sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/')));

        (void)ignored; // nobody listens: nothing to do about it
        close(fd);
    }
}

int64_t notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t n;

    if (pid && (!span_to_u64(span_from_str(pid), INT32_MAX, &n) || n != (uint64_t)getpid())) {
        return 0;
    }
    return usec && span_to_u64(span_from_str(usec), INT64_MAX, &n) ? (int64_t)(n / 1000) : 0;
}
