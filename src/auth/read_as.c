// SPDX-License-Identifier: Apache-2.0
#include "auth/read_as.h"

#include <stdio.h>

#include "auth/auth_internal.h"
#include "auth/second_factor.h"
#include "base/log.h"
#include "store/directory/role.h"

#include "base/banned.h"

#define ARENA_BYTES  (1u << 20)
#define ORIGIN_BYTES 400

static const char no_factor[] =
    "To open another's account you must have a second factor, and sign in with an app password";
static const char may_not[] = "You may not open that account";

// The account's own password opens nothing here, and what somebody elsewhere says of a second
// factor is not known.
static enum err check_proof(struct auth *a, struct auth_grant *grant)
{
    bool is_on = false;
    enum err e = second_factor_is_on(auth_store(a), grant->account, &is_on);

    if (e == ERR_OK && !(is_on && grant->device)) {
        grant->why = no_factor;
        return ERR_DENIED;
    }
    return e;
}

// The rights of `reader` over the account's domain; none when it may do what they may not.
static enum err rights_over(struct store *s, account_id reader, const struct account *account,
                            struct arena *arena, uint32_t *out)
{
    struct role_holder who, its = {.count = 0};
    enum err e = role_holder_get(s, reader, arena, &who);
    size_t at = span_find_byte(account->name, '@');
    struct span domain = span_skip(account->name, at < account->name.n ? at + 1 : 0);

    e = e == ERR_OK ? role_holder_get(s, account->id, arena, &its) : e;
    if (e == ERR_OK) {
        *out = role_reaches(&who, &its, domain) ? role_rights_over(&who, domain) : 0;
    }
    return e;
}

// Before anything of it is shown. In the words of the history: "opened the mailbox ...".
static enum err note(struct auth *a, const struct auth_claim *claim, const struct account *reader,
                     const struct auth_grant *grant)
{
    char origin[ORIGIN_BYTES];

    snprintf(origin, sizeof(origin), "%.*s, %.*s", SPAN_ARG(reader->name),
             SPAN_ARG(span_first(claim->remote, 64)));
    const struct actor by = {
        .kind = ACTOR_ADMIN, .device = SPAN(""), .origin = span_from_str(origin)};
    struct span words = claim->service == AUTH_SIEVE ? SPAN("opened the rules by ManageSieve")
                        : grant->is_read_only        ? SPAN("opened the mailbox by IMAP, to read")
                                              : SPAN("opened the mailbox by IMAP, to read and "
                                                     "change");
    enum err e = directory_account_note(auth_store(a), &by, grant->opened, words);

    if (e != ERR_OK) {
        log_warn("%s does not get to read another's account: it could not be written into its "
                 "history: %s",
                 log_text(reader->name).s, err_name(e));
    }
    return e;
}

static uint32_t rights_needed(const struct auth_claim *claim)
{
    return claim->service == AUTH_SIEVE  ? RIGHT_RULES
           : claim->service == AUTH_IMAP ? RIGHT_READ_MAIL
                                         : 0;
}

static enum err open_it(struct auth *a, const struct auth_claim *claim, struct arena *arena,
                        const struct account *account, struct auth_grant *grant)
{
    uint32_t rights = 0, needed = rights_needed(claim);
    struct account reader;
    enum err e = rights_over(auth_store(a), grant->account, account, arena, &rights);

    if (e != ERR_OK || !needed || (needed & ~rights)) {
        return e == ERR_OK ? ERR_DENIED : e;
    }
    if (needed == RIGHT_READ_MAIL) {
        grant->is_read_only |= !(rights & RIGHT_CHANGE_MAIL);
        needed |= grant->is_read_only ? 0 : RIGHT_CHANGE_MAIL;
    }
    grant->opened = account->id;
    grant->opened_with = needed;
    e = directory_account_by_id(auth_store(a), grant->account, arena, &reader);
    return e == ERR_OK ? note(a, claim, &reader, grant) : e;
}

// What is in the way of it is told nobody: whoever may not open accounts learns of none.
static enum err refuse(const struct auth_claim *claim, struct auth_grant *grant)
{
    log_info("%s, with the right password from %s, may not open %s", log_text(claim->name).s,
             log_text(claim->remote).s, log_text(claim->acting_as).s);
    grant->why = may_not;
    grant->opened = 0;
    return ERR_DENIED;
}

static enum err judge(struct auth *a, const struct auth_claim *claim, struct arena *arena,
                      struct auth_grant *grant)
{
    struct account account = {.id = 0};
    struct span name;
    const char *reason;
    enum err e = directory_name_check(arena, claim->acting_as,
                                      auth_fixed_options(a)->default_domain, &name, &reason);

    e = e == ERR_OK ? directory_account_by_name(auth_store(a), name, arena, &account) : e;
    if (e == ERR_OK && account.id == grant->account) {
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_INVALID) {
        return e;
    }
    bool is_there = e == ERR_OK && auth_account_is_open(&account);

    e = auth_reads_as(a) ? check_proof(a, grant) : refuse(claim, grant);
    if (e != ERR_OK) {
        return e;
    }
    e = is_there ? open_it(a, claim, arena, &account, grant) : ERR_DENIED;
    return e == ERR_DENIED || e == ERR_NOT_FOUND ? refuse(claim, grant) : e;
}

enum err auth_read_as(struct auth *a, const struct auth_claim *claim, struct auth_grant *grant)
{
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    enum err e = judge(a, claim, &arena, grant);

    arena_finish(&arena);
    return e == ERR_OK || e == ERR_DENIED ? e : ERR_UNAVAILABLE;
}

enum err auth_reader_holds(struct auth *a, const struct auth_grant *g, struct arena *arena,
                           struct auth_identity *reader, struct auth_identity *opened)
{
    struct auth_grant proof = *g;
    struct account account;
    uint32_t rights = 0;
    enum err e = auth_grant_holds(auth_store(a), g, arena, reader);

    e = e == ERR_OK ? (auth_reads_as(a) ? check_proof(a, &proof) : ERR_DENIED) : e;
    e = e == ERR_OK ? directory_account_by_id(auth_store(a), g->opened, arena, &account) : e;
    if (e == ERR_NOT_FOUND || (e == ERR_OK && !auth_account_is_open(&account))) {
        e = ERR_DENIED;
    }
    e = e == ERR_OK ? rights_over(auth_store(a), g->account, &account, arena, &rights) : e;
    if (e == ERR_OK && (g->opened_with & ~rights)) {
        e = ERR_DENIED;
    }
    if (e == ERR_OK) {
        *opened = (struct auth_identity){.user = account.name, .device_name = SPAN("")};
    }
    return e;
}
