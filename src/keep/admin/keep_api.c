// SPDX-License-Identifier: Apache-2.0
#include "keep/admin/keep_api.h"

#include <stdlib.h>

#include "auth/grant.h"

#include "base/banned.h"

#define METRICS_WAITING_MAX 16
#define METRICS_BYTES_MAX   (128u << 10)
#define ADMIN_THREADS       8
#define ADMIN_WAITING_MAX   32

struct keep_api {
    struct keep_api_options options;
    struct control_server *metrics_server, *admin_server;
    struct control_command *commands; // a row for each operation, ended by an empty one
};

// Who has logged in, until the operation runs.
struct asker {
    struct auth_grant grant;
    char address[64];
    size_t address_n;
};

// For `still`.
struct running {
    struct store *store;
    const struct asker *who;
};

static void metrics_run(struct control_call *call, void *arg)
{
    const struct keep_api *a = arg;
    struct buf text;

    buf_init(&text, METRICS_BYTES_MAX);
    keep_metrics_put(&a->options.metrics, &text);
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

// An operation that goes on for long asks this again and again: what the device may at its start it
// must still be allowed.
static enum err still(void *arg)
{
    const struct running *r = arg;
    const struct auth_grant *g = &r->who->grant;
    const struct auth_claim claim = {.remote = span_of(r->who->address, r->who->address_n),
                                     .service = AUTH_WEB};
    struct auth_identity identity;
    struct device d;
    struct arena a;

    arena_init(&a, 16384);
    enum err e = auth_grant_holds(r->store, g, &a, &identity);

    if (e == ERR_OK && g->device) {
        e = device_get(r->store, g->account, g->device, &a, &d);
        if (e == ERR_NOT_FOUND ||
            (e == ERR_OK && (auth_device_obstacle(&d, &claim) ||
                             ((d.scope & DEVICE_READ_ONLY) && !g->is_read_only)))) {
            e = ERR_DENIED;
        }
    }
    arena_finish(&a);
    return e;
}

// The grant is looked at again: a device blocked since the password was checked counts.
static void operation_run(struct control_call *call, void *arg)
{
    const struct keep_api *a = arg;
    const struct asker *who = control_who(call);
    struct auth_identity identity;
    struct arena arena;

    arena_init(&arena, 16384);
    enum err e = auth_grant_holds(a->options.store, &who->grant, &arena, &identity);

    if (e == ERR_OK) {
        struct running running = {a->options.store, who};
        struct admin_caller by = {
            .account = who->grant.account,
            .proof = who->grant.device > 0 ? ADMIN_BY_APP_PASSWORD
                     : who->grant.by_code  ? ADMIN_BY_PASSWORD_AND_CODE
                                           : ADMIN_BY_PASSWORD,
            .only_looks = who->grant.is_read_only,
            .address = span_of(who->address, who->address_n),
            .still = still,
            .arg = &running,
        };

        a->options.run(a->options.run_arg, call, &by);
    } else {
        control_fail(call, e, "%s",
                     e == ERR_DENIED ? "This app password is not good any more."
                                     : "The account cannot be looked up now; try again.");
    }
    arena_finish(&arena);
}

static enum err servers_create(struct keep_api *a)
{
    static const struct control_command metrics_commands[] = {{"metrics", metrics_run},
                                                              {NULL, NULL}};
    const char *const *names = admin_names();
    size_t n = 0;

    while (names[n]) {
        n++;
    }
    a->commands = calloc(n + 1, sizeof(*a->commands));
    if (!a->commands) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        a->commands[i] = (struct control_command){.name = names[i], .run = operation_run};
    }
    enum err e =
        control_server_create_bare(1, METRICS_WAITING_MAX, metrics_commands, a, &a->metrics_server);

    return e == ERR_OK ? control_server_create_bare(ADMIN_THREADS, ADMIN_WAITING_MAX, a->commands,
                                                    a, &a->admin_server)
                       : e;
}

enum err keep_api_create(const struct keep_api_options *o, struct keep_api **out)
{
    struct keep_api *a = calloc(1, sizeof(*a));

    if (!a) {
        return ERR_NOMEM;
    }
    a->options = *o;
    enum err e = servers_create(a);

    if (e != ERR_OK) {
        keep_api_destroy(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

static enum err take_operation(struct keep_api *a, const struct ipc_api *m,
                               const struct keep_link_login *login, int fd)
{
    struct asker *who;

    if (login->is_void || login->grant.account == 0) {
        return ERR_DENIED;
    }
    who = calloc(1, sizeof(*who));
    if (!who) {
        return ERR_NOMEM;
    }
    who->grant = login->grant;
    who->address_n = m->remote.n < sizeof(who->address) ? m->remote.n : 0;
    if (who->address_n > 0) {
        memcpy(who->address, m->remote.p, who->address_n);
    }
    control_server_take_for(a->admin_server, fd, who);
    return ERR_OK;
}

enum err keep_api_take(struct keep_api *a, const struct ipc_api *m,
                       const struct keep_link_login *login, int fd)
{
    if (m->kind == IPC_API_ADMIN) {
        return take_operation(a, m, login, fd);
    }
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
        control_server_destroy(a->admin_server);
        free(a->commands);
        free(a);
    }
}
