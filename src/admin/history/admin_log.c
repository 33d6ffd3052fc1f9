// SPDX-License-Identifier: Apache-2.0
//
// log: an account's change log in plain words, oldest first; with "follow" also what comes.
//
// Two passes: from the newest entry back to where to begin (learning the names of mailboxes deleted
// since), then forward, a bounded number of records under each view.
#include <time.h>

#include "admin/admin_internal.h"
#include "admin/history/admin_log_internal.h"

#include "base/banned.h"

#define LAST_DEFAULT   50
#define RECORDS_A_VIEW 256
#define POLL_MS        200

struct log_call {
    struct admin_call *call;
    account_id account;
    struct log_names names;
    bool is_by_device;
    struct undo_what whose; // when it is
    uint64_t records;
};

static bool is_wanted(const struct log_call *l, const struct change *c)
{
    return l->is_by_device ? undo_concerns(&l->whose, c) : c->when_ms <= l->whose.until_ms;
}

// The number of the entry before the first one to show.
static enum err find_start(struct log_call *l, int64_t since_ms, uint64_t last, modseq *out)
{
    struct change_scan *scan;
    struct change c;
    struct view *v;
    modseq oldest_shown = 0;
    uint64_t shown = 0;
    enum err e = view_open(l->call->admin->store, l->account, &v);

    if (e != ERR_OK) {
        return e;
    }
    oldest_shown = view_modseq(v) + 1;
    e = change_scan_open(v, 0, true, &scan);
    if (e == ERR_OK) {
        while ((e = change_next(scan, &c)) == ERR_OK && c.when_ms >= since_ms) {
            log_names_learn(&l->names, &c);
            if (!is_wanted(l, &c)) {
                continue;
            }
            if (c.number != oldest_shown && ++shown > last) {
                break;
            }
            oldest_shown = c.number;
        }
        change_scan_close(scan);
    }
    view_close(v);
    *out = oldest_shown > 0 ? oldest_shown - 1 : 0;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// Some records after `*since`, which moves on. `*out_more`: there are others.
static enum err send_some(struct log_call *l, modseq *since, bool *out_more)
{
    json_t *items = json_array();
    struct change_scan *scan;
    struct change c;
    size_t records = 0;
    enum err e = view_open(l->call->admin->store, l->account, &l->names.view);

    *out_more = false;
    if (e != ERR_OK) {
        json_decref(items);
        return e;
    }
    e = change_scan_open(l->names.view, *since, false, &scan);
    if (e == ERR_OK) {
        while ((e = change_next(scan, &c)) == ERR_OK) {
            // Records of one entry stay together.
            if (records >= RECORDS_A_VIEW && c.number != *since) {
                *out_more = true;
                break;
            }
            log_names_learn(&l->names, &c);
            json_t *j = is_wanted(l, &c) ? log_record_json(&l->names, &c) : NULL;

            if (j) {
                json_array_append_new(items, j);
            }
            *since = c.number;
            records++;
        }
        change_scan_close(scan);
    }
    view_close(l->names.view);
    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    for (size_t i = 0; i < json_array_size(items) && e == ERR_OK; i++) {
        e = admin_item(l->call, json_incref(json_array_get(items, i)));
        l->records++;
    }
    json_decref(items);
    return e == ERR_OK ? admin_flush(l->call) : e;
}

static enum err send_all(struct log_call *l, modseq *since)
{
    bool more = true;
    enum err e = ERR_OK;

    while (more && e == ERR_OK && !admin_is_cancelled(l->call)) {
        e = send_some(l, since, &more);
    }
    return e;
}

static void on_change(void *arg, account_id account, modseq version)
{
    // store_watch_version is asked instead: nobody needs this log within microseconds.
    (void)arg;
    (void)account;
    (void)version;
}

static enum err follow(struct log_call *l, struct store_watch *w, modseq *since)
{
    enum err e = ERR_OK;

    while (e == ERR_OK && !admin_is_cancelled(l->call)) {
        if (store_watch_version(w) > *since) {
            modseq before = *since;

            e = admin_still_allowed(l->call);
            e = e == ERR_OK ? send_all(l, since) : e;
            // The hint came before the view could show it.
            if (*since != before) {
                continue;
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return e;
}

enum err admin_log(struct admin_call *c)
{
    struct log_call l = {.call = c};
    struct account account = {.id = 0};
    struct store_watch *w = NULL;
    uint64_t since_ms = 0, last;
    bool since_given = admin_number(c, "since_ms", &since_ms);
    modseq since = 0;
    // Domains, aliases and the like are kept in account 0, which is nobody's.
    enum err e = admin_bool(c, "server") ? ERR_OK : admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    if (!admin_number(c, "last", &last)) {
        last = since_given ? UINT64_MAX : LAST_DEFAULT;
    }
    l.account = account.id;
    l.is_by_device = admin_text(c, "device").n > 0;
    e = log_whose(c, account.id, &l.whose);
    if (e != ERR_OK) {
        return e;
    }
    l.names.arena = &c->arena;
    map_init(&l.names.gone);
    if (admin_bool(c, "follow")) {
        e = store_watch_add(c->admin->store, account.id, on_change, NULL, &w);
    }
    if (e == ERR_OK) {
        e = find_start(&l, (int64_t)since_ms, last, &since);
    }
    if (e == ERR_OK) {
        e = send_all(&l, &since);
    }
    if (e == ERR_OK && w) {
        e = follow(&l, w, &since);
    }
    store_watch_remove(w);
    map_finish(&l.names.gone);
    c->outcome->result = json_pack("{s:I}", "records", (json_int_t)l.records);
    return e;
}
