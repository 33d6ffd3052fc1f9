// SPDX-License-Identifier: Apache-2.0
//
// The file that says where networks are (geo_database) is opened here and handed to the courier,
// which may open none there. It is only opened: whatever is in it is the courier's to read.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

// -1: it cannot be had, and that is logged.
static int open_file(struct span path)
{
    // Not waiting, should it be a pipe.
    int fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        return fd;
    }
    log_error("geo_database = %s: %s. Sign-ins are written down without a country until it is "
              "there and Mailkeep is reloaded",
              log_text(path).s, fd < 0 ? strerrordesc_np(errno) : "it is no file");
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

void places_hand_out(struct process *courier)
{
    struct supervisor *s = courier->supervisor;
    struct span path = conf_value_text(s->settings, SETTING_GEO_DATABASE);
    bool is_news = path.n || s->has_places;
    int fd CLEANUP_FD = path.n ? open_file(path) : -1;
    struct ipc_places m = {.is_set = path.n > 0};
    struct buf frame;

    s->has_places = path.n > 0;
    buf_init(&frame, 64);
    if (courier->channel && is_news && ipc_places_encode(&m, fd >= 0, &frame) == ERR_OK &&
        channel_send(courier->channel, buf_span(&frame), &fd, fd >= 0) != ERR_OK) {
        log_warn("the courier cannot be told where networks are");
    }
    buf_finish(&frame);
}
