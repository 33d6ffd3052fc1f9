// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_control.h"

#include <stdlib.h>

#include "base/lock.h"

#include "base/banned.h"

struct keep_control {
    struct lock lock;
    struct admin admin; // under the lock; its settings are referred to. Each command takes a copy
    struct control_server *server;
    struct control_command *commands; // a row for each operation, ended by an empty one
};

static enum err io_read(void *arg, struct buf *into)
{
    return control_read_chunk(arg, into);
}

static enum err io_write(void *arg, struct span bytes)
{
    return control_write_chunk(arg, bytes);
}

static void io_progress(void *arg, uint64_t done, uint64_t total, const char *text)
{
    control_progress(arg, done, total, text);
}

static bool io_cancelled(void *arg)
{
    return control_cancelled(arg);
}

// A reload may come while it is used.
void keep_control_lend(struct keep_control *k, struct admin *out)
{
    lock_take(&k->lock);
    *out = k->admin;
    settings_ref(out->settings);
    lock_release(&k->lock);
}

void keep_control_run(struct keep_control *k, struct control_call *call,
                      const struct admin_caller *by)
{
    struct admin_io io = {.read = io_read,
                          .write = io_write,
                          .progress = io_progress,
                          .cancelled = io_cancelled,
                          .arg = call};
    struct admin_outcome outcome = {0};
    struct admin admin;

    keep_control_lend(k, &admin);
    admin_run(&admin, by, control_command_name(call), control_args(call), &io, &outcome);
    settings_unref(admin.settings);
    if (outcome.code == ERR_OK) {
        control_reply(call, outcome.result);
    } else {
        control_fail(call, outcome.code, "%s", outcome.text);
    }
}

static void command_run(struct control_call *call, void *arg)
{
    keep_control_run(arg, call, &admin_local_root);
}

void keep_control_set(struct keep_control *k, const struct admin *admin)
{
    struct settings *before;

    settings_ref(admin->settings);
    lock_take(&k->lock);
    before = k->admin.settings;
    k->admin = *admin;
    lock_release(&k->lock);
    settings_unref(before);
}

void keep_control_stop(struct keep_control *k)
{
    if (k) {
        control_server_destroy(k->server);
        settings_unref(k->admin.settings);
        lock_finish(&k->lock);
        free(k->commands);
        free(k);
    }
}

enum err keep_control_start(struct loop *l, int fd, const struct admin *admin,
                            struct keep_control **out)
{
    const char *const *names = admin_names();
    struct keep_control *k = calloc(1, sizeof(*k));
    size_t n = 0;

    if (!k) {
        return ERR_NOMEM;
    }
    while (names[n]) {
        n++;
    }
    lock_init(&k->lock, LOCK_LEAF);
    k->admin = *admin;
    settings_ref(k->admin.settings);
    k->commands = calloc(n + 1, sizeof(*k->commands));
    for (size_t i = 0; k->commands && i < n; i++) {
        k->commands[i] = (struct control_command){.name = names[i], .run = command_run};
    }
    enum err e = k->commands ? control_server_create(l, fd, k->commands, k, &k->server) : ERR_NOMEM;

    if (e != ERR_OK) {
        keep_control_stop(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}
