// SPDX-License-Identifier: Apache-2.0
#include "store/undo/undo.h"

#include "store/undo/undo_internal.h"

#include "base/banned.h"

static void say(struct undo_work *w, const struct undo_note *n)
{
    if (n->is_left) {
        w->out->left += n->count;
    } else {
        w->out->done += n->count;
    }
    if (!w->fn(w->arg, n)) {
        w->out->is_stopped = true;
    }
}

void undo_say(struct undo_work *w, enum undo_kind kind, struct span mailbox, struct span other,
              uint64_t count)
{
    struct undo_note n = {.kind = kind, .mailbox = mailbox, .other = other, .count = count};

    if (count) {
        say(w, &n);
    }
}

void undo_say_left(struct undo_work *w, enum undo_kind kind, struct span mailbox, struct span other,
                   uint64_t count, const char *why)
{
    struct undo_note n = {.kind = kind,
                          .is_left = true,
                          .mailbox = mailbox,
                          .other = other,
                          .count = count,
                          .why = why};

    say(w, &n);
}

typedef enum err phase_fn(struct undo_work *w, struct undo_plan *p);

static phase_fn *const phases[] = {undo_boxes_back, undo_places_back, undo_flags_back,
                                   undo_rules_back, undo_boxes_away};
// One thing may make room for another: a mailbox they made has the name of one that they renamed.
#define ROUNDS_MAX 20
#define PHASES     (sizeof(phases) / sizeof(phases[0]))

static void say_all_left(struct undo_work *w, struct undo_plan *p)
{
    undo_boxes_left(w, p);
    undo_messages_left(w, p);
    undo_rules_left(w, p);
    if (p->sent_copies) {
        undo_say_left(w, UNDO_OTHER, SPAN(""), SPAN(""), p->sent_copies,
                      "what was sent stays sent, and its copy stays");
    }
    if (p->others) {
        undo_say_left(w, UNDO_OTHER, SPAN(""), SPAN(""), p->others,
                      "passwords, devices, quota and who else may use a mailbox are not undone: "
                      "see the history");
    }
}

static enum err run_phase(struct undo_work *w, phase_fn *fn)
{
    struct undo_plan p;
    enum err e = undo_plan_begin(&p, w->store, w->account, w->what, &w->out->is_cut);

    if (e == ERR_OK) {
        e = fn(w, &p);
        undo_plan_end(&p);
    }
    return e;
}

// All with one plan: nothing changes meanwhile.
static enum err trial(struct undo_work *w, struct undo_plan *p)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < PHASES && e == ERR_OK; i++) {
        e = phases[i](w, p);
    }
    if (e == ERR_OK) {
        say_all_left(w, p);
    }
    return e;
}

static enum err left(struct undo_work *w, struct undo_plan *p)
{
    say_all_left(w, p);
    return ERR_OK;
}

enum err undo_run(struct store *s, account_id account, const struct actor *by,
                  const struct undo_what *what, bool is_trial, undo_fn *fn, void *arg,
                  struct undo_result *out)
{
    struct undo_work w = {.store = s,
                          .account = account,
                          .by = by,
                          .what = what,
                          .is_trial = is_trial,
                          .fn = fn,
                          .arg = arg,
                          .out = out};
    enum err e = ERR_OK;

    *out = (struct undo_result){.done = 0};
    if (is_trial) {
        return run_phase(&w, trial);
    }
    for (unsigned round = 0; round < ROUNDS_MAX && e == ERR_OK && !out->is_stopped; round++) {
        uint64_t before = out->done;

        for (size_t i = 0; i < PHASES && e == ERR_OK && !out->is_stopped; i++) {
            e = run_phase(&w, phases[i]);
        }
        if (out->done == before && w.is_one_by_one) {
            break;
        }
        w.is_one_by_one = out->done == before;
    }
    return e == ERR_OK && !out->is_stopped ? run_phase(&w, left) : e;
}
