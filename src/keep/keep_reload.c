// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_reload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/utf8.h"

#include "base/banned.h"

#define LOOK_EVERY_MS 200 // whether who asked is still there

// Somebody who waits; on that thread's stack.
struct waiter {
    struct list entry;
    uint64_t number;
    json_t *report; // set when it has come; NULL and `done`: there was no memory for it
    bool done;
};

struct keep_reload {
    keep_reload_ask_fn *ask;
    void *arg;
    json_t *building; // what has been told since the last end; the loop's thread only
    struct lock lock; // guards the rest
    pthread_cond_t changed;
    struct list waiters;
    uint64_t last; // number that was asked with
    bool stopping;
};

// ---- the report ---------------------------------------------------------------------------------

// Bytes that are no UTF-8 become U+FFFD: paths and values may be anything.
static json_t *text_json(struct span s)
{
    struct buf clean;

    buf_init(&clean, s.n * 3 + 1);
    utf8_sanitize(&clean, s);
    json_t *out = json_stringn(clean.n ? clean.p : "", clean.n);

    buf_finish(&clean);
    return out;
}

static const char *state_word(uint8_t state)
{
    static const char *const words[] = {[IPC_RELOAD_USES_NEW] = "new",
                                        [IPC_RELOAD_USES_OLD] = "old",
                                        [IPC_RELOAD_SILENT] = "silent",
                                        [IPC_RELOAD_STARTING] = "starting"};

    return state <= IPC_RELOAD_STARTING ? words[state] : "?";
}

static const char *result_word(uint8_t result)
{
    static const char *const words[] = {
        [IPC_RELOAD_DONE] = "done",
        [IPC_RELOAD_BAD_SETTINGS] = "bad settings",
        [IPC_RELOAD_BAD_CERTIFICATE] = "bad certificate",
        [IPC_RELOAD_REFUSED] = "refused",
        [IPC_RELOAD_LATE] = "late",
        [IPC_RELOAD_FAILED] = "failed",
    };

    return result <= IPC_RELOAD_FAILED ? words[result] : "?";
}

static json_t *item_json(const struct ipc_reload_item *m)
{
    switch (m->kind) {
    case IPC_RELOAD_CHANGE:
        return json_pack("{s:o, s:o, s:o}", "name", text_json(m->name), "was", text_json(m->was),
                         "now", text_json(m->now));
    case IPC_RELOAD_RESTART:
        return json_pack("{s:o, s:o, s:o}", "name", text_json(m->name), "in_use", text_json(m->was),
                         "wanted", text_json(m->now));
    case IPC_RELOAD_PROBLEM:
        return json_pack("{s:o, s:I, s:I, s:o}", "file", text_json(m->name), "line",
                         (json_int_t)m->line, "column", (json_int_t)m->column, "text",
                         text_json(m->text));
    case IPC_RELOAD_PROCESS:
        return json_pack("{s:o, s:s, s:o}", "process", text_json(m->name), "uses",
                         state_word(m->state), "text", text_json(m->text));
    case IPC_RELOAD_CERTIFICATE:
        return json_pack("{s:o, s:b, s:o}", "file", text_json(m->name), "new", m->state == 1,
                         "valid_until", text_json(m->now));
    case IPC_RELOAD_WARNING:
        return text_json(m->text);
    default:
        return NULL;
    }
}

static json_t *report_new(void)
{
    return json_pack("{s:[], s:[], s:[], s:[], s:[], s:[]}", "changed", "restart", "problems",
                     "certificates", "processes", "warnings");
}

void keep_reload_item(struct keep_reload *k, const struct ipc_reload_item *m)
{
    static const char *const lists[] = {
        [IPC_RELOAD_CHANGE] = "changed",    [IPC_RELOAD_RESTART] = "restart",
        [IPC_RELOAD_PROBLEM] = "problems",  [IPC_RELOAD_CERTIFICATE] = "certificates",
        [IPC_RELOAD_PROCESS] = "processes", [IPC_RELOAD_WARNING] = "warnings"};

    if (!k->building) {
        k->building = report_new();
    }
    if (m->kind <= IPC_RELOAD_WARNING) {
        json_array_append_new(json_object_get(k->building, lists[m->kind]), item_json(m));
    }
}

void keep_reload_end(struct keep_reload *k, const struct ipc_reload_end *m)
{
    json_t *report = k->building ? k->building : report_new();

    k->building = NULL;
    if (report) {
        json_object_set_new(report, "result", json_string(result_word(m->result)));
        json_object_set_new(report, "file", text_json(m->file));
    }
    lock_take(&k->lock);
    LIST_EACH(link, &k->waiters)
    {
        struct waiter *w = LIST_ITEM(link, struct waiter, entry);

        if (w->number <= m->number && !w->done) {
            w->done = true;
            w->report = json_deep_copy(report); // counts are no good on several threads
        }
    }
    pthread_cond_broadcast(&k->changed);
    lock_release(&k->lock);
    json_decref(report);
}

// ---- who waits ----------------------------------------------------------------------------------

// With the lock held. False: that was the last time.
static bool wait_a_little(struct keep_reload *k, int64_t until_ms)
{
    int64_t look = clock_monotonic_ms() + LOOK_EVERY_MS;

    lock_cond_wait(&k->changed, &k->lock, look < until_ms ? look : until_ms);
    return clock_monotonic_ms() < until_ms;
}

static enum err wait_for(struct keep_reload *k, struct waiter *w, int64_t until_ms,
                         bool (*cancelled)(void *), void *cancelled_arg)
{
    bool in_time = true, gone = false;

    while (!w->done && !k->stopping && in_time && !gone) {
        in_time = wait_a_little(k, until_ms);
        lock_release(&k->lock);
        gone = cancelled(cancelled_arg);
        lock_take(&k->lock);
    }
    if (w->done) {
        return w->report ? ERR_OK : ERR_NOMEM;
    }
    return k->stopping ? ERR_UNAVAILABLE : gone ? ERR_EOF : ERR_TIMEOUT;
}

enum err keep_reload_run(struct keep_reload *k, int64_t patience_ms, bool (*cancelled)(void *),
                         void *cancelled_arg, json_t **out_report)
{
    struct waiter w = {.report = NULL};
    int64_t until_ms = clock_monotonic_ms() + patience_ms;

    lock_take(&k->lock);
    w.number = ++k->last;
    list_append(&k->waiters, &w.entry);
    lock_release(&k->lock);
    // The numbers may arrive in another order; a higher one stands for all below it.
    enum err e = k->ask(k->arg, w.number) == ERR_OK ? ERR_OK : ERR_UNAVAILABLE;

    lock_take(&k->lock);
    if (e == ERR_OK) {
        e = wait_for(k, &w, until_ms, cancelled, cancelled_arg);
    }
    list_remove(&w.entry);
    lock_release(&k->lock);
    if (e == ERR_OK) {
        *out_report = w.report;
    } else {
        json_decref(w.report);
    }
    return e;
}

void keep_reload_stop(struct keep_reload *k)
{
    if (k) {
        lock_take(&k->lock);
        k->stopping = true;
        pthread_cond_broadcast(&k->changed);
        lock_release(&k->lock);
    }
}

enum err keep_reload_create(keep_reload_ask_fn *ask, void *arg, struct keep_reload **out)
{
    struct keep_reload *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->ask = ask;
    k->arg = arg;
    lock_init(&k->lock, LOCK_LEAF);
    lock_cond_init(&k->changed);
    list_init(&k->waiters);
    *out = k;
    return ERR_OK;
}

void keep_reload_destroy(struct keep_reload *k)
{
    if (k) {
        json_decref(k->building);
        pthread_cond_destroy(&k->changed);
        lock_finish(&k->lock);
        free(k);
    }
}
