// SPDX-License-Identifier: Apache-2.0
#include "keep/admin/keep_api.h"

#include <stdlib.h>

#include "ipc/control_server.h"

#include "base/banned.h"

#define METRICS_WAITING_MAX 16
#define METRICS_BYTES_MAX   (128u << 10)

struct keep_api {
    struct keep_metrics metrics;
    struct control_server *metrics_server;
};

static void metrics_run(struct control_call *call, void *arg)
{
    const struct keep_api *a = arg;
    struct buf text;

    buf_init(&text, METRICS_BYTES_MAX);
    keep_metrics_put(&a->metrics, &text);
    enum err e = buf_result(&text);

    if (e == ERR_OK) {
        e = control_write_chunk(call, buf_span(&text));
    }
    if (e == ERR_OK) {
        control_reply(call, NULL);
    } else {
        control_fail(call, e, "The figures could not be written: %s", err_name(e));
    }
    buf_finish(&text);
}

enum err keep_api_create(const struct keep_metrics *metrics, struct keep_api **out)
{
    static const struct control_command metrics_commands[] = {{"metrics", metrics_run},
                                                              {NULL, NULL}};
    struct keep_api *a = calloc(1, sizeof(*a));

    if (!a) {
        return ERR_NOMEM;
    }
    a->metrics = *metrics;
    enum err e =
        control_server_create_bare(1, METRICS_WAITING_MAX, metrics_commands, a, &a->metrics_server);

    if (e != ERR_OK) {
        free(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

enum err keep_api_take(struct keep_api *a, const struct ipc_api *m, int fd)
{
    if (m->kind != IPC_API_METRICS) {
        return ERR_UNSUPPORTED;
    }
    control_server_take(a->metrics_server, fd);
    return ERR_OK;
}

void keep_api_destroy(struct keep_api *a)
{
    if (a) {
        control_server_destroy(a->metrics_server);
        free(a);
    }
}
