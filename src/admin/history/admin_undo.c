// SPDX-License-Identifier: Apache-2.0
//
// account undo: takes back what a device did in an account since some moment; and whose changes a
// call about the log means.
#include <stdio.h>

#include "admin/admin_internal.h"
#include "admin/history/admin_log_internal.h"
#include "store/access/device.h"

#include "base/banned.h"

// ---- whose --------------------------------------------------------------------------------------

// A device that was removed: the number of the newest change by one of that name.
static enum err find_removed(struct admin_call *c, account_id account, struct span name,
                             uint32_t *out)
{
    struct change_scan *scan;
    struct change change;
    struct view *v;
    enum err e = view_open(c->admin->store, account, &v);

    *out = 0;
    if (e != ERR_OK) {
        return e;
    }
    e = change_scan_open(v, 0, true, &scan);
    if (e == ERR_OK) {
        while ((e = change_next(scan, &change)) == ERR_OK) {
            if (span_eq(change.by.device, name)) {
                *out = change.by.device_id;
                break;
            }
        }
        change_scan_close(scan);
    }
    view_close(v);
    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "Nothing in the history is by \"%.*s\". The devices: mailkeep account "
                          "device list ADDRESS",
                          SPAN_ARG(name));
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Reading the history");
}

static enum err find_device(struct admin_call *c, account_id account, struct undo_what *out)
{
    struct device d;
    uint64_t id;
    enum err e;

    if (out->name.n > 1 && out->name.p[0] == '#' &&
        span_to_u64(span_skip(out->name, 1), UINT32_MAX, &id) && id > 0) {
        out->device_id = (uint32_t)id;
        return ERR_OK;
    }
    e = device_by_name(c->admin->store, account, out->name, &c->arena, &d);
    if (e == ERR_OK) {
        out->device_id = d.id;
        return ERR_OK;
    }
    return e == ERR_NOT_FOUND ? find_removed(c, account, out->name, &out->device_id)
                              : admin_fail_store(c, e, "Looking up the device");
}

enum err log_whose(struct admin_call *c, account_id account, struct undo_what *out)
{
    uint64_t since = 0, until = INT64_MAX;

    admin_number(c, "since_ms", &since);
    admin_number(c, "until_ms", &until);
    *out = (struct undo_what){.name = admin_text(c, "device"),
                              .since_ms = since < INT64_MAX ? (int64_t)since : INT64_MAX,
                              .until_ms = until < INT64_MAX ? (int64_t)until : INT64_MAX};
    return out->name.n > 0 ? find_device(c, account, out) : ERR_OK;
}

// ---- undoing ------------------------------------------------------------------------------------

static const char *const kinds[] = {
    [UNDO_FLAGS] = "flags",
    [UNDO_MOVED] = "moved",
    [UNDO_BROUGHT] = "restored",
    [UNDO_REMOVED] = "removed",
    [UNDO_NAME] = "mailbox renamed",
    [UNDO_MADE] = "mailbox created",
    [UNDO_DELETED] = "mailbox deleted",
    [UNDO_USE] = "special use",
    [UNDO_SUBSCRIPTION] = "subscription",
    [UNDO_RULES] = "rules",
    [UNDO_OTHER] = "other",
};

struct undoing {
    struct admin_call *call;
    enum err failed; // of the way to the asker
};

static bool on_note(void *arg, const struct undo_note *n)
{
    struct undoing *u = arg;
    json_t *j = json_pack("{s:s, s:b, s:I}", "kind", kinds[n->kind], "left", n->is_left, "count",
                          (json_int_t)n->count);

    if (j && n->mailbox.n) {
        json_object_set_new(j, "mailbox", admin_json_text(n->mailbox));
    }
    if (j && n->other.n) {
        json_object_set_new(j, "other", admin_json_text(n->other));
    }
    if (j && n->why) {
        json_object_set_new(j, "why", json_string(n->why));
    }
    u->failed = j ? admin_item(u->call, j) : ERR_NOMEM;
    u->failed = u->failed == ERR_OK ? admin_flush(u->call) : u->failed;
    return u->failed == ERR_OK && !admin_is_cancelled(u->call);
}

// "undo 1203": by this name the log tells it, and it can be undone in its turn.
static enum err name_it(struct admin_call *c, account_id account, char *into, size_t size)
{
    struct view *v;
    enum err e = view_open(c->admin->store, account, &v);

    if (e == ERR_OK) {
        snprintf(into, size, "undo %llu", (unsigned long long)view_modseq(v) + 1);
        view_close(v);
    }
    return e;
}

static enum err run(struct admin_call *c, const struct account *account,
                    const struct undo_what *what)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct undoing u = {.call = c};
    struct undo_result r;
    char name[40];
    bool trial = admin_bool(c, "dry_run");
    enum err e = name_it(c, account->id, name, sizeof(name));

    by.device = span_from_str(name);
    e = e == ERR_OK ? undo_run(c->admin->store, account->id, &by, what, trial, on_note, &u, &r) : e;
    if (e == ERR_QUOTA) {
        return admin_fail(c, e,
                          "What is to be brought back does not fit: the account is full. What was "
                          "undone so far stays undone. Give it more room and run this again: "
                          "mailkeep account quota %.*s SIZE",
                          SPAN_ARG(account->name));
    }
    if (e == ERR_LIMIT) {
        return admin_fail(c, e,
                          "That is too much at once. Undo it in pieces: the newest first, "
                          "with a later --since.");
    }
    if (e != ERR_OK || u.failed != ERR_OK) {
        return admin_fail_store(c, e != ERR_OK ? e : u.failed, "Undoing");
    }
    c->outcome->result =
        json_pack("{s:o, s:o, s:s, s:b, s:I, s:I, s:b}", "account", admin_json_text(account->name),
                  "device", admin_json_text(what->name), "undo", name, "dry_run", trial, "done",
                  (json_int_t)r.done, "left", (json_int_t)r.left, "history_is_cut", r.is_cut);
    return c->outcome->result ? ERR_OK : ERR_NOMEM;
}

enum err admin_undo(struct admin_call *c)
{
    struct account account;
    struct undo_what what;
    uint64_t since;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    if (admin_text(c, "device").n == 0) {
        return admin_fail(c, ERR_INVALID, "Say whose changes: the name of a device.");
    }
    if (!admin_number(c, "since_ms", &since)) {
        return admin_fail(c, ERR_INVALID, "Say since when.");
    }
    e = log_whose(c, account.id, &what);
    return e == ERR_OK ? run(c, &account, &what) : e;
}
