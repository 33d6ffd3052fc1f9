// SPDX-License-Identifier: Apache-2.0
#include "cli/server/cli_process.h"

#include <string.h>
#include <sys/prctl.h>

#include "base/span.h"
#include "courier/courier.h"
#include "gate/gate.h"
#include "keep/keep.h"

#include "base/banned.h"

static const struct {
    const char *argument, *title;
    int (*main)(int supervisor_fd);
} processes[] = {
    {"--process=gate", "mailkeep-gate", gate_main},
    {"--process=keep", "mailkeep-keep", keep_main},
    {"--process=courier", "mailkeep-courier", courier_main}, // 15 bytes of it are shown
};

bool cli_process(int argc, char **argv, int *out_status)
{
    const struct span prefix = SPAN("--channel=");
    uint64_t fd;

    for (size_t i = 0; argc == 3 && i < sizeof(processes) / sizeof(processes[0]); i++) {
        struct span channel = span_from_str(argv[2]);

        if (strcmp(argv[1], processes[i].argument) == 0 && span_starts(channel, prefix) &&
            span_to_u64(span_skip(channel, prefix.n), 1023, &fd)) {
            prctl(PR_SET_NAME, processes[i].title, 0, 0, 0);
            *out_status = processes[i].main((int)fd);
            return true;
        }
    }
    return false;
}
