// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_directory.h"

#include <stdlib.h>

#include "auth/password.h"
#include "base/log.h"
#include "keep/keep_chore.h"
#include "keep/keep_directory_person.h"
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
    struct directory_rules *rules;
};

// An account whose password is the directory's.
struct person {
    struct person *next;
    account_id id;
    struct span name;
    bool is_away; // as the store has it
    bool is_gone; // as the directory has it
    bool is_known, knows_groups, has_role, loses_role;
    uint64_t rules; // of its groups
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
    p->is_known = e == ERR_OK || e == ERR_DENIED;
    p->knows_groups = p->is_gone || (e == ERR_OK && answer.knows_groups);
    p->rules = p->is_gone ? 0 : directory_rules_of(d->rules, answer.groups);
    if (e == ERR_OK) {
        directory_person_take(d->o.store, p->id, &answer);
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

static bool is_many(unsigned n, unsigned of, bool force)
{
    return !force && n >= MANY && n > of / 2;
}

static enum err apply(struct keep_directory *d, const struct people *all, bool force,
                      const struct admin_directory_counts *n)
{
    bool is_mistake = is_many(n->gone, n->asked, force);

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

// Roles by groups. Whoever is gone and was not put out, since many were, keeps them.
static bool has_roles_to_set(const struct person *p, bool many_gone)
{
    return p->is_known && p->knows_groups && !(p->is_gone && many_gone);
}

static enum err count_losing(struct keep_directory *d, struct people *all, bool many_gone,
                             struct admin_directory_counts *n, unsigned *out_had)
{
    enum err e = ERR_OK;

    *out_had = 0;
    for (struct person *p = all->first; p && e == ERR_OK; p = p->next) {
        e = directory_person_loses(d->o.store, d->rules, p->id, p->rules, &p->has_role,
                                   &p->loses_role);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        p->loses_role &= has_roles_to_set(p, many_gone);
        *out_had += p->has_role;
        n->losing += p->loses_role;
    }
    return e;
}

static enum err apply_roles(struct keep_directory *d, struct people *all, bool force,
                            bool many_gone, struct admin_directory_counts *n)
{
    unsigned had;
    enum err e = count_losing(d, all, many_gone, n, &had);
    bool is_mistake = is_many(n->losing, had, force);

    if (e == ERR_OK && is_mistake) {
        log_error("directory: %u of %u people would lose the roles their groups give them, which "
                  "looks like a mistake in the settings or there: nobody does. If it is none: "
                  "mailkeep directory sync --force",
                  n->losing, had);
    }
    for (const struct person *p = all->first; p && e == ERR_OK; p = p->next) {
        bool changed = false;

        if (has_roles_to_set(p, many_gone) && !(p->loses_role && is_mistake)) {
            e = directory_person_set_roles(d->o.store, d->rules, p->id, p->rules, &changed);
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
            n->roles += changed;
        }
        if (e == ERR_LIMIT) {
            log_warn("directory: %s has too many roles; those by groups stay as they are",
                     log_text(p->name).s);
            e = ERR_OK;
        }
    }
    e = e == ERR_OK ? directory_rules_release(d->o.store, &n->roles) : e;
    return e == ERR_OK && is_mistake ? ERR_DENIED : e;
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
        enum err roles = apply_roles(d, &all, force, done == ERR_DENIED, out);

        done = done == ERR_OK ? roles : done;
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

// ---- at each sign-in ----------------------------------------------------------------------------

void keep_directory_said(struct keep_directory *d, struct span name,
                         const struct auth_vouch_answer *answer)
{
    account_id id;
    bool changed;
    enum err e = directory_id_by_name(d->o.store, name, &id);

    if (e != ERR_OK) {
        return;
    }
    directory_person_take(d->o.store, id, answer);
    if (answer->knows_groups && !directory_rules_are_none(d->rules)) {
        e = directory_person_set_roles(d->o.store, d->rules, id,
                                       directory_rules_of(d->rules, answer->groups), &changed);
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_error("directory: the roles of %s could not be set: %s", log_text(name).s, err_name(e));
    }
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
    enum err e = directory_rules_create(o->store, o->roles, o->role_count, &d->rules);

    if (e == ERR_OK) {
        enum err held = directory_rules_enforce(o->store, d->rules);

        if (held != ERR_OK) { // the next turn tries again
            log_error("directory: roles that ldap_roles does not give any more could not be taken "
                      "away: %s",
                      err_name(held));
        }
        e = o->interval_ms ? keep_chore_start(&chore, &d->chore) : ERR_OK;
    }
    if (e != ERR_OK) {
        directory_rules_destroy(d->rules);
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
        directory_rules_destroy(d->rules);
        free(d);
    }
}
