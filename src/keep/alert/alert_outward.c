// SPDX-License-Identifier: Apache-2.0
//
// Where the account's mail is sent to by its owner's wish: the forwarding and what the active
// script redirects to. An address outside of our domains that was not known is found.
#include <xxhash.h>

#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "sieve/sieve.h"
#include "store/route.h"
#include "store/rules.h"

#include "base/banned.h"

#define ADDRESS_MAX 320

struct outward {
    struct look *look;
    uint64_t known[ALERT_KNOWN_MAX]; // what there is now
    size_t known_n;
    struct buf fresh; // addresses that were not known, ", " between them
    struct span names[SCRIPTS_MAX];
    size_t names_n;
    enum err e;
};

static uint64_t hash_of(struct span address)
{
    char lower[ADDRESS_MAX];
    size_t n = address.n < sizeof(lower) ? address.n : sizeof(lower);

    for (size_t i = 0; i < n; i++) {
        lower[i] = byte_lower(address.p[i]);
    }
    return XXH3_64bits(lower, n);
}

static bool has(const uint64_t *list, size_t n, uint64_t hash)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == hash) {
            return true;
        }
    }
    return false;
}

// One that is not ours, or not known before it is used.
static enum err take_text(struct outward *o, struct span text)
{
    const struct alert_cursor *c = &o->look->seen->cursor;
    uint64_t hash = hash_of(text);

    if (has(o->known, o->known_n, hash)) {
        return ERR_OK;
    }
    if (!has(c->known, c->known_n, hash)) {
        buf_put_str(&o->fresh, o->fresh.n ? ", " : "");
        buf_put(&o->fresh, text);
    }
    if (o->known_n < ALERT_KNOWN_MAX) {
        o->known[o->known_n++] = hash;
    }
    return ERR_OK;
}

static enum err take(struct outward *o, struct span address)
{
    struct look *l = o->look;
    size_t at = span_find_byte(address, '@');
    struct span domain;
    bool ours = false;
    enum err e;

    for (domain = span_skip(address, at + 1); (at = span_find_byte(domain, '@')) < domain.n;) {
        domain = span_skip(domain, at + 1); // of a quoted local part with @ in it
    }
    e = domain.n ? route_domain_is_ours(l->w->o.store, domain, l->arena, &ours, NULL) : ERR_OK;
    if (e == ERR_INVALID) { // no domain: nobody's, so outside
        e = ERR_OK;
    }
    return e != ERR_OK || ours ? e : take_text(o, address);
}

static enum err take_forwarding(struct outward *o)
{
    struct look *l = o->look;
    struct forwarding f = {.count = 0};
    enum err e = forwarding_get(l->w->o.store, l->account, l->arena, &f);

    for (size_t i = 0; i < f.count && e == ERR_OK; i++) {
        e = take(o, f.targets[i]);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool take_redirect(void *arg, struct span address, bool is_known)
{
    struct outward *o = arg;

    // What is put together when the script runs may be anybody's.
    o->e =
        is_known ? take(o, address) : take_text(o, SPAN("an address that the rule puts together"));
    return o->e == ERR_OK;
}

// Of a script that does not compile nothing runs.
static enum err take_script(struct outward *o, struct span name, bool *out_includes)
{
    struct look *l = o->look;
    const struct sieve_program *program;
    struct sieve_problems problems;
    struct script script;
    struct arena arena;
    enum err e;

    arena_init(&arena, SIEVE_PROGRAM_BYTES_MAX + SCRIPT_BYTES_MAX + 65536);
    e = script_get(l->w->o.store, l->account, name, &arena, &script);
    if (e == ERR_OK) {
        e = sieve_compile(NULL, script.text, &arena, &program, &problems);
    }
    if (e == ERR_OK) {
        o->e = ERR_OK;
        sieve_program_redirects(program, take_redirect, o);
        *out_includes |= sieve_program_includes(program);
        e = o->e;
    }
    arena_finish(&arena);
    return e == ERR_NOT_FOUND || e == ERR_INVALID ? ERR_OK : e;
}

static bool keep_name(void *arg, const struct script *script)
{
    struct outward *o = arg;

    if (o->names_n < SCRIPTS_MAX) {
        o->names[o->names_n++] = arena_dup(o->look->arena, script->name);
    }
    return true;
}

// The active script; when it includes others, all of them.
static enum err take_scripts(struct outward *o)
{
    struct look *l = o->look;
    bool includes = false, ignored;
    enum err e = take_script(o, SPAN(""), &includes);

    if (e != ERR_OK || !includes) {
        return e;
    }
    e = script_list(l->w->o.store, l->account, keep_name, o);
    for (size_t i = 0; i < o->names_n && e == ERR_OK; i++) {
        e = o->names[i].p ? take_script(o, o->names[i], &ignored) : ERR_NOMEM;
    }
    return e;
}

enum err look_at_outward(struct look *l, bool is_first)
{
    struct outward o = {.look = l};

    buf_init(&o.fresh, ALERT_TEXT_BYTES_MAX);
    enum err e = take_forwarding(&o);

    e = e == ERR_OK ? take_scripts(&o) : e;
    if (e == ERR_OK) {
        memcpy(l->seen->cursor.known, o.known, sizeof(o.known));
        l->seen->cursor.known_n = o.known_n;
        l->seen->is_unsaved = true;
    }
    if (e == ERR_OK && o.fresh.n && !is_first) {
        look_found(l, &(struct alert){.kind = ALERT_MAIL_OUT,
                                      .trigger = l->rules_number,
                                      .when_ms = l->rules_ms,
                                      .by = l->rules_by,
                                      .words = buf_span(&o.fresh)});
    }
    buf_finish(&o.fresh);
    return e;
}
