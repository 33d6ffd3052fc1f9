// SPDX-License-Identifier: Apache-2.0
//
// Letters and what is made of them: noting, reading, forgetting.
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "report/report_internal.h"
#include "report/report_message.h"

#include "base/banned.h"

#define DAY_MS        86400000
#define TRIM_KEYS_MAX 2000 // in one commit; a report goes whole

enum err reports_open(struct engine *e, struct trail *t, struct reports **out)
{
    struct reports *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->engine = e;
    r->trail = t;
    *out = r;
    return ERR_OK;
}

void reports_close(struct reports *r)
{
    free(r);
}

// ---- letters ------------------------------------------------------------------------------------

enum err report_letter_add(struct reports *r, struct batch *rider, const struct report_letter *l)
{
    struct report_key k = report_key_of(REPORT_KEY_LETTER, trail_number(r->trail));
    char *room = malloc(REPORT_VALUE_BYTES_MAX);

    if (!room) {
        return ERR_NOMEM;
    }
    enum err e = batch_put(rider, report_key_span(&k), report_letter_encode(l, room));

    free(room);
    return e;
}

void reports_set_wake(struct reports *r, void (*fn)(void *arg), void *arg)
{
    r->wake = fn;
    r->wake_arg = arg;
}

void reports_wake(struct reports *r)
{
    if (r->wake) {
        r->wake(r->wake_arg);
    }
}

// ---- reading a letter ---------------------------------------------------------------------------

struct letter_reading {
    struct reports *reports;
    uint64_t number;
    struct report_letter letter;
    struct snapshot *snapshot;
    struct arena arena; // what the letter and its report say
    struct batch *batch;
    uint64_t rows, left_out;
    char room[REPORT_VALUE_BYTES_MAX];
};

static enum err first_letter(struct letter_reading *g)
{
    struct report_key from = report_key_of(REPORT_KEY_LETTER, 0),
                      to = report_key_of(REPORT_KEY_LETTER, UINT64_MAX);
    struct snapshot *s;
    struct scan *scan;
    struct span key, value;
    enum err e = snapshot_open(g->reports->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(s, TRAIL_ACCOUNT, report_key_span(&from), report_key_span(&to), false, &scan);
    if (e == ERR_OK) {
        e = scan_next(scan, &key, &value);
        if (e == ERR_OK && !report_key_read(key, REPORT_KEY_LETTER, &g->number)) {
            e = ERR_CORRUPT;
        } else if (e == ERR_OK && report_letter_decode(value, &g->letter) == ERR_OK) {
            g->letter.sender = arena_dup(&g->arena, g->letter.sender);
            g->letter.recipient = arena_dup(&g->arena, g->letter.recipient);
        } else if (e == ERR_OK) {
            g->letter = (struct report_letter){.attempts = REPORT_ATTEMPTS}; // damaged: it goes
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e;
}

static enum err commit_letter(struct letter_reading *g, bool is_over)
{
    struct report_key k = report_key_of(REPORT_KEY_LETTER, g->number);
    enum err e = is_over ? batch_delete(g->batch, report_key_span(&k))
                         : batch_put(g->batch, report_key_span(&k),
                                     report_letter_encode(&g->letter, g->room));

    return e == ERR_OK ? engine_commit(g->reports->engine, g->batch, ENGINE_ANY_VERSION) : e;
}

// Written before it is read: a letter that brings the process down is not read for ever.
static enum err begin_attempt(struct letter_reading *g)
{
    enum err e = trail_batch(&g->batch);

    g->letter.attempts++;
    e = e == ERR_OK ? commit_letter(g, false) : e;
    batch_destroy(g->batch);
    g->batch = NULL;
    return e;
}

static enum err read_body(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    struct letter_reading *g = arg;

    return body_read(g->snapshot, g->letter.body, offset, n, out);
}

static enum err keep_row(void *arg, const struct report_row *row)
{
    struct letter_reading *g = arg;
    struct report_key k = report_key_row(g->number, (uint32_t)g->rows);

    if (g->rows == REPORT_ROWS_MAX) {
        g->left_out++;
        return ERR_OK;
    }
    g->rows++;
    return batch_put(g->batch, report_key_span(&k), report_row_encode(row, g->room));
}

static enum err read_letter(struct letter_reading *g, struct report *out)
{
    const struct report_bytes bytes = {.read = read_body, .arg = g};
    const struct report_sink sink = {.row = keep_row, .arg = g};
    struct body_info info;
    enum err e = snapshot_open(g->reports->engine, &g->snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = body_info(g->snapshot, g->letter.body, &info);
    if (e == ERR_NOT_FOUND) {
        e = ERR_EOF; // nobody keeps it any more
    }
    e = e == ERR_OK ? report_message_read(&bytes, &sink, &g->arena, out) : e;
    snapshot_close(g->snapshot);
    return e;
}

// ---- keeping what it says -----------------------------------------------------------------------

static enum err is_known(struct letter_reading *g, const struct report *r, bool *out)
{
    struct report_key k = report_key_of(REPORT_KEY_KNOWN, report_hash(r));
    struct snapshot *s;
    struct span value;
    enum err e = snapshot_open(g->reports->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_get(s, TRAIL_ACCOUNT, report_key_span(&k), &value);
    snapshot_close(s);
    *out = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool is_above_day(struct reports *r)
{
    int64_t day = clock_real_ms() / DAY_MS;

    if (r->day != day) {
        r->day = day;
        r->kept = 0;
    }
    return r->kept >= REPORT_DAY_MAX;
}

static enum err put_report(struct letter_reading *g, const struct report *r)
{
    struct report_key k = report_key_of(REPORT_KEY_REPORT, g->number),
                      known = report_key_of(REPORT_KEY_KNOWN, report_hash(r));
    enum err e = batch_put(g->batch, report_key_span(&k), report_encode(r, g->room));

    return e == ERR_OK ? batch_put(g->batch, report_key_span(&known),
                                   report_known_encode(g->number, g->room))
                       : e;
}

static const char *why_not(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return "it has no report attached";
    case ERR_EOF:
        return "nobody kept the message";
    case ERR_LIMIT:
        return "what is attached is larger than any report";
    case ERR_INVALID:
        return "what is attached is broken, or no report";
    default:
        return err_name(e);
    }
}

static void say(struct letter_reading *g, struct report_read_result *out, const char *why)
{
    snprintf(out->words, sizeof(out->words), "the letter of %.*s to %.*s is not read: %s",
             SPAN_ARG(g->letter.sender), SPAN_ARG(g->letter.recipient), why);
}

// Fills the batch with what is kept of the letter; ERR_OK also when that is nothing.
static enum err make_report(struct letter_reading *g, struct report_read_result *out)
{
    struct report *r = &out->report;
    bool known = false;
    enum err e = read_letter(g, r);

    if (e == ERR_IO || e == ERR_NOMEM || e == ERR_UNAVAILABLE) {
        return e;
    }
    if (e != ERR_OK) {
        say(g, out, why_not(e));
        return ERR_OK;
    }
    r->received_ms = (int64_t)(g->number / 1000);
    r->mail = g->letter.mail;
    r->rows = g->rows;
    r->rows_left_out = g->left_out;
    r->texts[REPORT_SENDER] = g->letter.sender;
    e = is_known(g, r, &known);
    if (e == ERR_OK && (known || is_above_day(g->reports))) {
        say(g, out, known ? "the same report came before" : "too many reports came today");
        return ERR_OK;
    }
    e = e == ERR_OK ? put_report(g, r) : e;
    out->is_kept = e == ERR_OK;
    return e;
}

static enum err run_letter(struct letter_reading *g, struct report_read_result *out)
{
    bool given_up = g->letter.attempts >= REPORT_ATTEMPTS;
    enum err e = given_up ? ERR_OK : begin_attempt(g);

    e = e == ERR_OK ? trail_batch(&g->batch) : e;
    if (given_up) {
        say(g, out, "it is damaged, or reading it never came to its end");
    } else if (e == ERR_OK) {
        e = make_report(g, out);
    }
    if (e == ERR_OK && !out->is_kept) { // nothing of its rows, either
        batch_destroy(g->batch);
        g->batch = NULL;
        e = trail_batch(&g->batch);
    }
    return e == ERR_OK ? commit_letter(g, true) : e;
}

enum err reports_read_next(struct reports *r, struct report_read_result *out)
{
    struct letter_reading *g = calloc(1, sizeof(*g));

    if (!g) {
        return ERR_NOMEM;
    }
    g->reports = r;
    *out = (struct report_read_result){.is_kept = false};
    arena_init(&g->arena, REPORT_MESSAGE_ARENA_MAX);
    enum err e = first_letter(g);

    e = e == ERR_OK ? run_letter(g, out) : e;
    if (e == ERR_OK && out->is_kept) {
        r->kept++;
        snprintf(out->words, sizeof(out->words), "%.*s reports on %.*s",
                 SPAN_ARG(span_first(out->report.texts[REPORT_ORGANIZATION], 200)),
                 SPAN_ARG(span_first(out->report.texts[REPORT_DOMAIN], 255)));
    }
    memset(out->report.texts, 0, sizeof(out->report.texts)); // they end with the arena
    batch_destroy(g->batch);
    arena_finish(&g->arena);
    free(g);
    return e;
}

// ---- forgetting ---------------------------------------------------------------------------------

struct forgetting {
    struct snapshot *snapshot;
    struct batch *batch;
    size_t keys;
};

static enum err forget_rows(struct forgetting *g, uint64_t number)
{
    struct report_key from = report_key_row(number, 0), to = report_key_row(number, UINT32_MAX);
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(g->snapshot, TRAIL_ACCOUNT, report_key_span(&from), report_key_span(&to),
                           false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && (e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = batch_delete(g->batch, key);
        g->keys++;
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err forget(struct forgetting *g, struct span key, struct span value)
{
    struct report r;
    uint64_t number;
    enum err e = batch_delete(g->batch, key);

    if (e == ERR_OK && report_decode(value, &r) == ERR_OK) {
        struct report_key known = report_key_of(REPORT_KEY_KNOWN, report_hash(&r));

        e = batch_delete(g->batch, report_key_span(&known));
    }
    g->keys += 2;
    return e == ERR_OK && report_key_read(key, REPORT_KEY_REPORT, &number) ? forget_rows(g, number)
                                                                           : e;
}

static enum err forget_before(struct forgetting *g, uint64_t before)
{
    struct report_key from = report_key_of(REPORT_KEY_REPORT, 0),
                      to = report_key_of(REPORT_KEY_REPORT, before);
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(g->snapshot, TRAIL_ACCOUNT, report_key_span(&from), report_key_span(&to),
                           false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && g->keys < TRIM_KEYS_MAX &&
           (e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = forget(g, key, value);
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err reports_trim(struct reports *r, int64_t before_ms, bool *out_more)
{
    struct forgetting g = {.keys = 0};
    enum err e = trail_batch(&g.batch);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_open(r->engine, &g.snapshot);
    if (e == ERR_OK) {
        e = before_ms > 0 ? forget_before(&g, (uint64_t)before_ms * 1000) : ERR_OK;
        snapshot_close(g.snapshot);
    }
    if (e == ERR_OK && g.keys) {
        e = engine_commit(r->engine, g.batch, ENGINE_ANY_VERSION);
    }
    batch_destroy(g.batch);
    if (e == ERR_OK) {
        *out_more = g.keys >= TRIM_KEYS_MAX;
    }
    return e;
}
