// SPDX-License-Identifier: Apache-2.0
//
// Letters into INBOX. Not by way of the account's rules: who got in could have made one that throws
// them away. A crash between the delivery and its note is found by the record of the delivery.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/append.h"
#include "store/directory.h"
#include "store/quota.h"

#include "base/banned.h"

#define AT_ONCE      64
#define LETTER_MAX   16384
#define ONCE_SECONDS (30ll * 86400)

struct letter {
    struct alert_row row;
    struct account account;
    char id[64]; // of the alert: its name as text
    struct buf text;
};

void alert_id_put(const struct alert *a, char *out, size_t room)
{
    snprintf(out, room, "%llx.%llx.%u.%x", (unsigned long long)a->account,
             (unsigned long long)a->trigger, (unsigned)a->kind, a->salt);
}

static enum err write_letter(struct alert_watch *w, struct letter *l)
{
    char id[400];
    int n = snprintf(id, sizeof(id), "<alert.%s@%.*s>", l->id,
                     (int)(w->o.server.n < 255 ? w->o.server.n : 255), w->o.server.p);
    const struct alert_letter facts = {.server = w->o.server,
                                       .address = l->account.name,
                                       .message_id = span_of(id, (size_t)n),
                                       .now_ms = clock_real_ms()};

    return alert_letter_put(&l->text, &l->row.is, &facts);
}

static enum err deliver(struct alert_watch *w, struct letter *l)
{
    static const struct span keyword = {ALERT_KEYWORD, sizeof(ALERT_KEYWORD) - 1};
    static const struct actor by = {.kind = ACTOR_SYSTEM, .device = {"alerts", 6}};
    struct delivery_copy copy = {.keywords = &keyword, .keyword_count = 1};
    char once[80];
    int n = snprintf(once, sizeof(once), "alert %s", l->id);
    struct delivery_target target = {.account = l->row.is.account,
                                     .copies = &copy,
                                     .copy_count = 1,
                                     .once = span_of(once, (size_t)n),
                                     .once_until_s = clock_real_s() + ONCE_SECONDS};
    struct incoming *m;
    enum err e = incoming_begin(w->o.store, &m);

    if (e != ERR_OK) {
        return e;
    }
    e = incoming_write(m, buf_span(&l->text));
    e = e == ERR_OK ? incoming_finish(m) : e;
    e = e == ERR_OK ? store_deliver(w->o.store, &by, m, SPAN(""), &target, 1) : e;
    incoming_destroy(m);
    return e != ERR_OK ? e : target.result;
}

// Before the body is written: an account that stays full is tried again and again.
static enum err room_check(struct alert_watch *w, const struct letter *l)
{
    struct quota q;
    struct view *v;
    enum err e = view_open(w->o.store, l->row.is.account, &v);

    if (e != ERR_OK) {
        return e;
    }
    e = view_quota(v, &q);
    view_close(v);
    if (e == ERR_OK && (q.messages >= q.messages_max || q.bytes >= q.bytes_max ||
                        q.bytes_max - q.bytes < l->text.n)) {
        e = ERR_QUOTA;
    }
    return e;
}

static enum err note_told(struct alert_watch *w, struct alert_row *row)
{
    struct batch *b;
    enum err e = batch_create(ALERT_ACCOUNT, &b);

    if (e == ERR_OK) {
        row->state &= ~(unsigned)(ALERT_LETTER_DUE | (w->hook.send ? 0 : ALERT_HOOK_DUE));
        e = alert_row_put(b, row);
        e = e == ERR_OK ? engine_commit(store_engine(w->o.store), b, ENGINE_ANY_VERSION) : e;
        batch_destroy(b);
    }
    return e;
}

static enum err tell(struct alert_watch *w, const struct alert_due *which, struct arena *arena)
{
    struct letter l = {.row.state = 0};
    enum err e = alert_row_get(store_engine(w->o.store), which, arena, &l.row);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if (!(l.row.state & ALERT_LETTER_DUE)) { // to a webhook that is there no more, or not yet
        return w->hook.send ? ERR_OK : note_told(w, &l.row);
    }
    e = directory_account_by_id(w->o.store, which->account, arena, &l.account);
    if (e == ERR_NOT_FOUND) { // removed meanwhile
        return alert_forget(store_engine(w->o.store), which->account);
    }
    alert_id_put(&l.row.is, l.id, sizeof(l.id));
    buf_init(&l.text, LETTER_MAX);
    e = e == ERR_OK ? write_letter(w, &l) : e;
    e = e == ERR_OK ? room_check(w, &l) : e;
    e = e == ERR_OK ? deliver(w, &l) : e;
    buf_finish(&l.text);
    return e == ERR_OK ? note_told(w, &l.row) : e;
}

// A page of them; false: it was the last.
static bool tell_some(struct alert_watch *w, struct alert_due *from)
{
    struct alert_due due[AT_ONCE];
    size_t n = 0;
    enum err e = alert_due_list(store_engine(w->o.store), from, due, AT_ONCE, &n);

    for (size_t i = 0; i < n && e == ERR_OK && !w->is_stopping(w->arg); i++) {
        struct arena arena;

        arena_init(&arena, 1u << 20);
        enum err told = tell(w, &due[i], &arena);

        arena_finish(&arena);
        if (told != ERR_OK && told != ERR_QUOTA && told != ERR_UNAVAILABLE) {
            log_warn("an alert could not be put into the mailbox of account %llu: %s",
                     (unsigned long long)due[i].account, err_name(told));
        }
        *from = due[i];
    }
    return n == AT_ONCE && !w->is_stopping(w->arg);
}

void alert_tell(struct alert_watch *w)
{
    struct alert_due from = {.account = 0};

    while (tell_some(w, &from)) {
    }
}
