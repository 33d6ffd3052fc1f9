// SPDX-License-Identifier: Apache-2.0
//
// Alerts to the administrator's webhook, by way of the courier: one at a time, in the order of
// accounts; what was not taken is tried again later and later, and given up after three days.
#include <jansson.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "ipc/message.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/directory.h"

#include "base/banned.h"

#define ANSWER_MS     60000 // until a courier that says nothing is taken to have lost it
#define BACKOFF_FIRST 1000
#define BACKOFF_MAX   900000
#define GIVE_UP_MS    (3ll * 86400000)
#define BODY_MAX      32768
#define FRAME_MAX     65536
#define AT_ONCE       64

// ---- what is sent -------------------------------------------------------------------------------

static json_t *text_of(struct span s)
{
    struct buf clean;
    json_t *j;

    buf_init(&clean, 4 * ALERT_TEXT_BYTES_MAX + 4096);
    utf8_sanitize(&clean, s);
    j = json_stringn(clean.n ? clean.p : "", clean.n);
    buf_finish(&clean);
    return j;
}

static json_t *json_of(const struct alert_watch *w, const struct alert *a, struct span address)
{
    struct buf sentence;
    char id[80];

    alert_id_put(a, id, sizeof(id));
    buf_init(&sentence, 8192);
    alert_sentence_put(&sentence, a);
    json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id",
                          id, "kind", alert_kind_name(a->kind), "server", text_of(w->o.server),
                          "account", text_of(address), "when_ms", (json_int_t)a->when_ms,
                          "sentence", text_of(buf_span(&sentence)), "count",
                          (json_int_t)(a->count < INT64_MAX ? a->count : INT64_MAX), "not_told",
                          (json_int_t)(a->not_told < INT64_MAX ? a->not_told : INT64_MAX),
                          "network", text_of(a->network), "client", text_of(a->client), "device",
                          text_of(a->device), "by", text_of(a->by), "words", text_of(a->words));

    buf_finish(&sentence);
    return j;
}

// "t=SECONDS,v1=HEX": HMAC-SHA-256 of the seconds, a dot and the body, so that an old one cannot be
// said again later.
static bool sign(const struct alert_watch *w, const char *body, char out[160])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct buf text;
    int used = snprintf(out, 160, "t=%lld,v1=", (long long)clock_real_s());

    buf_init(&text, BODY_MAX + 64);
    buf_printf(&text, "%lld.", (long long)clock_real_s());
    buf_put_str(&text, body);
    bool ok = !text.failed && HMAC(EVP_sha256(), w->hook.key.p, (int)w->hook.key.n,
                                   (const unsigned char *)text.p, text.n, mac, &n) != NULL;

    for (unsigned i = 0; ok && i < n; i++) {
        used += snprintf(out + used, 160 - (size_t)used, "%02x", mac[i]);
    }
    buf_finish(&text);
    return ok;
}

static enum err post(struct alert_watch *w, const struct alert *a, struct span address)
{
    json_t *j = json_of(w, a, address);
    char *body = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    char signature[160];
    struct buf frame;
    enum err e = ERR_NOMEM;

    json_decref(j);
    buf_init(&frame, FRAME_MAX);
    if (body && sign(w, body, signature)) {
        const struct ipc_alert_post m = {
            .id = w->hook.id, .signature = span_from_str(signature), .body = span_from_str(body)};

        e = ipc_alert_post_encode(&m, 0, &frame);
        e = e == ERR_OK ? w->hook.send(w->hook.arg, buf_span(&frame)) : e;
    }
    free(body);
    buf_finish(&frame);
    return e;
}

// ---- one after the other ------------------------------------------------------------------------

// What is due is due no more.
static enum err settle(struct alert_watch *w, struct alert_row *row, unsigned more)
{
    struct batch *b;
    enum err e = batch_create(ALERT_ACCOUNT, &b);

    if (e == ERR_OK) {
        row->state = (row->state & ~(unsigned)ALERT_HOOK_DUE) | more;
        e = alert_row_put(b, row);
        e = e == ERR_OK ? engine_commit(store_engine(w->o.store), b, ENGINE_ANY_VERSION) : e;
        batch_destroy(b);
    }
    return e;
}

static void settle_open(struct alert_watch *w, unsigned more)
{
    struct alert_row row;
    struct arena arena;

    arena_init(&arena, 65536);
    if (alert_row_get(store_engine(w->o.store), &w->hook.open, &arena, &row) == ERR_OK) {
        settle(w, &row, more);
    }
    arena_finish(&arena);
}

static void put_off(struct alert_watch *w, const char *why)
{
    struct alert_hook *h = &w->hook;

    h->is_open = false;
    h->wait_ms = h->wait_ms ? h->wait_ms * 2 : BACKOFF_FIRST;
    h->wait_ms = h->wait_ms < BACKOFF_MAX ? h->wait_ms : BACKOFF_MAX;
    h->next_ms = clock_monotonic_ms() + h->wait_ms;
    log_warn("an alert could not be sent to alert_webhook (%s); it is tried again in %lld s",
             log_text(span_from_str(why)).s, (long long)(h->wait_ms / 1000));
    w->wake(w->arg, h->wait_ms);
}

static void take_answer(struct alert_watch *w)
{
    struct alert_hook *h = &w->hook;
    char words[sizeof(h->words)];

    lock_take(&w->lock);
    int answer = h->answer_id == h->id ? h->answer : 0;
    bool is_lost = h->is_lost;

    h->answer = 0;
    h->is_lost = false;
    memcpy(words, h->words, sizeof(words));
    lock_release(&w->lock);
    if (h->is_open && answer == IPC_ALERT_TAKEN) {
        settle_open(w, 0);
        h->is_open = false;
        h->wait_ms = h->next_ms = 0;
    } else if (h->is_open && answer) {
        put_off(w, words);
    } else if (h->is_open && is_lost) { // it may have been taken all the same: it has an id
        put_off(w, "the courier has ended");
    } else if (h->is_open && clock_monotonic_ms() >= h->next_ms) {
        put_off(w, "no answer");
    }
}

// True: it is on its way, or nobody can be asked now; false: the next one.
static bool try_one(struct alert_watch *w, const struct alert_due *which, struct arena *arena)
{
    struct alert_hook *h = &w->hook;
    struct alert_row row;
    struct account account;

    if (alert_row_get(store_engine(w->o.store), which, arena, &row) != ERR_OK ||
        !(row.state & ALERT_HOOK_DUE)) {
        return false;
    }
    if (clock_real_ms() - row.is.when_ms > GIVE_UP_MS) {
        log_warn("an alert was not taken by alert_webhook for three days, and is given up");
        settle(w, &row, ALERT_GIVEN_UP);
        return false;
    }
    if (directory_account_by_id(w->o.store, which->account, arena, &account) != ERR_OK) {
        return false; // removed: what tells letters forgets it
    }
    h->open = *which;
    h->id++;
    h->is_open = true;
    h->next_ms = clock_monotonic_ms() + ANSWER_MS;
    enum err e = post(w, &row.is, account.name);

    if (e != ERR_OK) {
        put_off(w, e == ERR_UNAVAILABLE ? "the courier is away" : err_name(e));
    }
    return true;
}

void alert_hook_turn(struct alert_watch *w)
{
    struct alert_due due[AT_ONCE], from = {.account = 0};
    size_t n = AT_ONCE;

    if (!w->hook.send) {
        return;
    }
    take_answer(w);
    int64_t left_ms = w->hook.next_ms - clock_monotonic_ms();

    if (w->hook.is_open || left_ms > 0) {
        // This turn was for something else, and may have taken the place of the one to come.
        w->wake(w->arg, left_ms > 0 ? left_ms : 0);
        return;
    }
    while (n == AT_ONCE && !w->is_stopping(w->arg)) {
        if (alert_due_list(store_engine(w->o.store), &from, due, AT_ONCE, &n) != ERR_OK) {
            return;
        }
        for (size_t i = 0; i < n; i++) {
            struct arena arena;

            arena_init(&arena, 1u << 20);
            bool is_end = try_one(w, &due[i], &arena);

            arena_finish(&arena);
            if (is_end) {
                return;
            }
            from = due[i];
        }
    }
}

void alert_watch_lost(struct alert_watch *w)
{
    lock_take(&w->lock);
    w->hook.is_lost = true;
    lock_release(&w->lock);
    w->wake(w->arg, 0);
}

enum err alert_watch_posted(struct alert_watch *w, struct span fields)
{
    struct ipc_alert_result m;
    enum err e = ipc_alert_result_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    lock_take(&w->lock);
    w->hook.answer_id = m.id;
    w->hook.answer = m.outcome == IPC_ALERT_TAKEN ? IPC_ALERT_TAKEN : IPC_ALERT_NOT_TAKEN;
    span_copy_text(m.words, w->hook.words, sizeof(w->hook.words));
    lock_release(&w->lock);
    w->wake(w->arg, 0);
    return ERR_OK;
}
