// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_directory.h"

#include <stdlib.h>

#include "auth/password.h"
#include "base/log.h"
#include "keep/keep_chore.h"
#include "store/directory.h"
#include "store/quota.h"

#include "base/banned.h"

#define NAMES_BYTES_MAX  (256u << 20)
#define ANSWER_BYTES_MAX 262144
#define MANY             10 // as many at once, and more than half of all, are a mistake

static const struct actor by_us = {.kind = ACTOR_SYSTEM};

struct keep_directory {
    struct keep_directory_options o;
    struct keep_chore *chore; // NULL: none
};

// An account whose password is the directory's.
struct person {
    struct person *next;
    account_id id;
    struct span name;
    bool is_away; // as the store has it
    bool is_gone; // as the directory has it
};

struct people {
    struct arena arena;
    struct person *first;
    bool is_full;
};

static bool take_person(void *arg, const struct account *account)
{
    struct people *p = arg;
    bool is_away = password_is_nobodys(account->password_hash);

    if (!is_away && !password_is_directorys(account->password_hash)) {
        return true;
    }
    struct person *one = arena_zalloc(&p->arena, 1, sizeof(*one));

    if (one) {
        one->name = arena_dup(&p->arena, account->name);
    }
    if (!one || !one->name.p) {
        p->is_full = true;
        return false;
    }
    one->id = account->id;
    one->is_away = is_away;
    one->next = p->first;
    p->first = one;
    return true;
}

// ---- asking -------------------------------------------------------------------------------------

static enum err look_up(struct keep_directory *d, struct person *p)
{
    const struct auth_vouch_question q = {.kind = AUTH_VOUCH_STILL_THERE, .name = p->name};
    struct auth_vouch_answer answer;
    struct arena arena;

    arena_init(&arena, ANSWER_BYTES_MAX);
    enum err e = d->o.vouch.ask(d->o.vouch.arg, &q, &arena, &answer);

    p->is_gone = e == ERR_DENIED;
    if (p->is_gone != p->is_away && e != ERR_UNAVAILABLE) {
        log_info("directory: %s: %s", log_text(p->name).s, log_text(answer.words).s);
    }
    arena_finish(&arena);
    return e == ERR_DENIED ? ERR_OK : e;
}

static enum err look_up_all(struct keep_directory *d, struct people *all,
                            struct admin_directory_counts *out)
{
    enum err e = ERR_OK;

    for (struct person *p = all->first; p && e == ERR_OK; p = p->next) {
        e = d->chore && keep_chore_is_stopping(d->chore) ? ERR_UNAVAILABLE : look_up(d, p);
        if (e == ERR_OK) {
            out->asked++;
            out->gone += p->is_gone && !p->is_away;
            out->back += !p->is_gone && p->is_away;
        } else {
            p->is_gone = p->is_away; // nobody knows: as it was, and so for those behind
        }
    }
    return e;
}

// ---- what comes of it ---------------------------------------------------------------------------

static void change(struct keep_directory *d, const struct person *p)
{
    struct span before = p->is_away ? SPAN(PASSWORD_OF_NOBODY) : SPAN(PASSWORD_OF_DIRECTORY);
    struct span after = p->is_away ? SPAN(PASSWORD_OF_DIRECTORY) : SPAN(PASSWORD_OF_NOBODY);
    enum err e = directory_account_renew_hash(d->o.store, &by_us, p->id, before, after);

    if (e == ERR_OK) {
        log_info("directory: %s %s", log_text(p->name).s,
                 p->is_away ? "is known again and may come in" : "is not known any more: out");
        directory_account_note(d->o.store, &by_us, p->id,
                               p->is_away ? SPAN("the directory knows this person again")
                                          : SPAN("the directory does not know this person any "
                                                 "more: nobody gets in"));
    } else if (e != ERR_CONFLICT && e != ERR_NOT_FOUND) { // else it was changed meanwhile
        log_error("directory: %s could not be put %s: %s", log_text(p->name).s,
                  p->is_away ? "in again" : "out", err_name(e));
    }
    if (!p->is_away) {
        d->o.end_sessions(d->o.arg, p->id);
    }
}

static enum err apply(struct keep_directory *d, const struct people *all, bool force,
                      const struct admin_directory_counts *n)
{
    bool is_mistake = !force && n->gone >= MANY && n->gone > n->asked / 2;

    if (is_mistake) {
        log_error("directory: %u of %u people are not found any more, which looks like a mistake "
                  "in the settings or there: nobody is put out. If it is none: mailkeep directory "
                  "sync --force",
                  n->gone, n->asked);
    }
    for (const struct person *p = all->first; p; p = p->next) {
        if (p->is_gone != p->is_away && !(p->is_gone && is_mistake)) {
            change(d, p);
        }
    }
    return is_mistake ? ERR_DENIED : ERR_OK;
}

enum err keep_directory_sync(struct keep_directory *d, bool force,
                             struct admin_directory_counts *out)
{
    struct people all = {.first = NULL};

    *out = (struct admin_directory_counts){0};
    arena_init(&all.arena, NAMES_BYTES_MAX);
    enum err e = directory_account_list(d->o.store, SPAN(""), take_person, &all);

    if (all.is_full) {
        log_error("directory: there are too many people to look up");
    }
    e = e == ERR_OK ? look_up_all(d, &all, out) : e;
    if (e == ERR_OK || e == ERR_UNAVAILABLE) {
        enum err done = apply(d, &all, force, out);

        e = done != ERR_OK ? done : e;
    }
    arena_finish(&all.arena);
    return e;
}

static void on_turn(void *arg)
{
    struct keep_directory *d = arg;
    struct admin_directory_counts counts;
    enum err e = keep_directory_sync(d, false, &counts);

    if (e != ERR_OK && e != ERR_DENIED && !keep_chore_is_stopping(d->chore)) {
        log_warn("directory: whether people are still there could not be looked up (%s); all stays "
                 "as it is",
                 err_name(e));
    }
}

// ---- a first sign-in ----------------------------------------------------------------------------

enum err keep_directory_make(struct keep_directory *d, struct span name)
{
    account_id id;
    enum err e =
        directory_account_add(d->o.store, &by_us, name, SPAN(PASSWORD_OF_DIRECTORY), true, &id);

    if (e == ERR_OK) {
        log_info("directory: %s has an account from now on", log_text(name).s);
        e = quota_set(d->o.store, id, &by_us, d->o.quota_bytes, d->o.quota_messages);
    }
    return e;
}

// ---- start and end ------------------------------------------------------------------------------

enum err keep_directory_start(const struct keep_directory_options *o, struct keep_directory **out)
{
    struct keep_directory *d = calloc(1, sizeof(*d));
    const struct keep_chore_options chore = {
        .name = "keep-directory", .run = on_turn, .arg = d, .interval_ms = o->interval_ms};

    if (!d) {
        return ERR_NOMEM;
    }
    d->o = *o;
    enum err e = o->interval_ms ? keep_chore_start(&chore, &d->chore) : ERR_OK;

    if (e != ERR_OK) {
        free(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

void keep_directory_stop(struct keep_directory *d)
{
    if (d) {
        keep_chore_stop(d->chore);
        free(d);
    }
}
