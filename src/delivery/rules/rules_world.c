// SPDX-License-Identifier: Apache-2.0
#include "delivery/rules/rules_world.h"

#include <time.h>

#include "store/placement.h"
#include "store/rules.h"

#include "base/banned.h"

// ---- mailboxes ----------------------------------------------------------------------------------

// A script writes names as the owner's mail program shows them.
static enum err name_in(struct rules_world *w, struct span text, struct span *out)
{
    char shown = w->about->hierarchy;
    struct span copy = arena_dup(w->arena, text);
    const char *why;

    if (!copy.p) {
        return ERR_NOMEM;
    }
    char *p = (char *)(uintptr_t)copy.p;

    for (size_t i = 0; i < copy.n && shown != '/'; i++) {
        p[i] = p[i] == shown ? '/' : p[i] == '/' ? shown : p[i];
    }
    return mailbox_name_check(w->arena, copy, out, &why);
}

static enum err by_name(struct rules_world *w, struct span text, const struct mailbox **out)
{
    struct span name;
    enum err e = name_in(w, text, &name);

    e = e == ERR_OK ? view_mailbox_by_name(w->view, name, out) : e;
    e = e == ERR_OK && (*out)->is_no_select ? ERR_NOT_FOUND : e;
    return e == ERR_INVALID ? ERR_NOT_FOUND : e;
}

// A MAILBOXID as IMAP shows it (keep/imap/imap_objectid.h).
static enum err by_id(struct rules_world *w, struct span id, const struct mailbox **out)
{
    uint64_t n;

    if (id.n < 2 || id.p[0] != 'b' || !span_to_u64(span_skip(id, 1), UINT32_MAX, &n)) {
        return ERR_NOT_FOUND;
    }
    enum err e = view_mailbox(w->view, (mailbox_id)n, out);

    return e == ERR_OK && (*out)->is_no_select ? ERR_NOT_FOUND : e;
}

static uint8_t use_bit(struct span use)
{
    static const struct {
        const char *name;
        uint8_t bit;
    } uses[] = {{"\\All", USE_ALL},         {"\\Archive", USE_ARCHIVE},    {"\\Drafts", USE_DRAFTS},
                {"\\Flagged", USE_FLAGGED}, {"\\Junk", USE_JUNK},          {"\\Sent", USE_SENT},
                {"\\Trash", USE_TRASH},     {"\\Important", USE_IMPORTANT}};

    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        if (span_eq_nocase(span_from_str(uses[i].name), use)) {
            return uses[i].bit;
        }
    }
    return 0;
}

static enum err by_use(struct rules_world *w, uint8_t bit, const struct mailbox **out)
{
    const struct mailbox *const *all;
    size_t n;
    enum err e = view_mailboxes(w->view, &all, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (all[i]->special_use & bit && !all[i]->is_no_select) {
            *out = all[i];
            return ERR_OK;
        }
    }
    return e == ERR_OK ? ERR_NOT_FOUND : e;
}

static enum err env_mailbox(void *context, struct span name)
{
    const struct mailbox *m;

    return by_name(context, name, &m);
}

static enum err env_mailbox_id(void *context, struct span id)
{
    const struct mailbox *m;

    return by_id(context, id, &m);
}

static enum err env_special_use(void *context, struct span name, struct span use)
{
    struct rules_world *w = context;
    uint8_t bit = use_bit(use);
    const struct mailbox *m;
    enum err e = !bit ? ERR_NOT_FOUND : name.p ? by_name(w, name, &m) : by_use(w, bit, &m);

    return e == ERR_OK && !(m->special_use & bit) ? ERR_NOT_FOUND : e;
}

// ---- places -------------------------------------------------------------------------------------

static enum err set_flags(struct rules_world *w, struct sieve_strings flags,
                          struct rules_place *out)
{
    static const struct {
        const char *name;
        uint16_t bit;
    } flag_names[] = {{"\\Seen", FLAG_SEEN},
                      {"\\Answered", FLAG_ANSWERED},
                      {"\\Flagged", FLAG_FLAGGED},
                      {"\\Deleted", FLAG_DELETED},
                      {"\\Draft", FLAG_DRAFT}};
    struct span *keywords = arena_zalloc(w->arena, flags.n ? flags.n : 1, sizeof(*keywords));

    if (!keywords) {
        return ERR_NOMEM;
    }
    out->keywords = keywords;
    for (size_t i = 0; i < flags.n; i++) {
        uint16_t bit = 0;

        for (size_t k = 0; k < sizeof(flag_names) / sizeof(flag_names[0]); k++) {
            bit |= span_eq_nocase(flags.list[i], span_from_str(flag_names[k].name))
                       ? flag_names[k].bit
                       : 0;
        }
        out->flags |= bit;
        if (!bit && flags.list[i].n && flags.list[i].p[0] != '\\' &&
            out->keyword_count < KEYWORDS_PER_MESSAGE_MAX) {
            keywords[out->keyword_count++] = flags.list[i];
        }
    }
    return ERR_OK;
}

// The mailbox that is there, tried in the order of struct sieve_target.
static enum err find(struct rules_world *w, const struct sieve_target *t,
                     const struct mailbox **out)
{
    uint8_t bit = t->special_use.p ? use_bit(t->special_use) : 0;
    enum err e = t->id.p ? by_id(w, t->id, out) : ERR_NOT_FOUND;

    e = e == ERR_NOT_FOUND && bit ? by_use(w, bit, out) : e;
    return e == ERR_NOT_FOUND && t->name.p ? by_name(w, t->name, out) : e;
}

static enum err find_junk(struct rules_world *w, struct rules_place *out)
{
    const struct mailbox *m;
    enum err e = by_use(w, USE_JUNK, &m);

    if (e == ERR_OK) {
        out->mailbox = m->id;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err rules_junk(struct store *s, account_id account, mailbox_id *out)
{
    struct rules_world w = {.about = NULL};
    struct rules_place place = {.mailbox = 0};
    enum err e = view_open(s, account, &w.view);

    if (e != ERR_OK) {
        return e;
    }
    e = find_junk(&w, &place);
    view_close(w.view);
    *out = place.mailbox;
    return e;
}

enum err rules_world_inbox(struct rules_world *w, const struct sieve_target *t,
                           struct rules_place *out)
{
    struct rules_place p = {.name = SPAN("")};
    enum err e = set_flags(w, t->flags, &p);

    e = e == ERR_OK && w->about->is_suspect ? find_junk(w, &p) : e;
    if (e == ERR_OK) {
        *out = p;
    }
    return e;
}

enum err rules_world_place(struct rules_world *w, const struct sieve_target *t,
                           struct rules_place *out)
{
    struct rules_place p = {.name = SPAN("")};
    const struct mailbox *m;
    enum err e = set_flags(w, t->flags, &p);

    e = e == ERR_OK ? find(w, t, &m) : e;
    if (e == ERR_OK) {
        p.mailbox = m->id;
    } else if (e == ERR_NOT_FOUND) {
        e = name_in(w, t->name, &p.name);
        p.is_created = e == ERR_OK && t->is_created;
        p.special_use = t->special_use.p ? use_bit(t->special_use) : 0;
    }
    if (e == ERR_INVALID) {
        p.name = SPAN("");
        e = ERR_OK;
    }
    if (e == ERR_OK) {
        *out = p;
    }
    return e;
}

// ---- other things -------------------------------------------------------------------------------

void rules_duplicate_key(struct buf *out, struct span key)
{
    buf_put_str(out, "duplicate ");
    buf_put(out, key);
}

void rules_answer_key(struct buf *out, struct span handle, struct span sender)
{
    buf_printf(out, "vacation %zu ", handle.n);
    buf_put(out, handle);
    buf_put_byte(out, ' ');
    for (size_t i = 0; i < sender.n; i++) {
        buf_put_byte(out, byte_lower(sender.p[i]));
    }
}

static enum err env_duplicate(void *context, struct span key)
{
    const struct rules_world *w = context;
    bool known = false;
    struct buf what;

    buf_init(&what, 1024);
    rules_duplicate_key(&what, key);
    enum err e = buf_result(&what);

    e = e == ERR_OK
            ? rules_is_remembered(w->about->store, w->about->account, buf_span(&what), &known)
            : e;
    buf_finish(&what);
    return e == ERR_OK && !known ? ERR_NOT_FOUND : e;
}

static enum err env_script(void *context, bool is_global, struct span name, struct arena *arena,
                           struct span *out)
{
    const struct rules_world *w = context;
    account_id of = is_global ? RULES_GLOBAL_ACCOUNT : w->about->account;
    struct script s;
    enum err e = name.n ? script_get(w->about->store, of, name, arena, &s) : ERR_NOT_FOUND;

    if (e == ERR_OK) {
        *out = s.text;
    }
    return e;
}

static struct span domain_of(struct span host)
{
    size_t dot = span_find_byte(host, '.');

    return dot < host.n ? span_skip(host, dot + 1) : host;
}

// RFC 5183 section 4.1.
static enum err env_item(void *context, struct span name, struct arena *arena, struct span *out)
{
    const struct rules_world *w = context;
    const struct rules_case *c = w->about;
    struct span value = span_eq(name, SPAN("domain"))      ? domain_of(c->server)
                        : span_eq(name, SPAN("host"))      ? c->server
                        : span_eq(name, SPAN("location"))  ? SPAN("MDA")
                        : span_eq(name, SPAN("phase"))     ? SPAN("during")
                        : span_eq(name, SPAN("remote-ip")) ? c->remote_ip
                                                           : SPAN("");

    if (value.n == 0) {
        return ERR_NOT_FOUND;
    }
    *out = arena_dup(arena, value);
    return out->p ? ERR_OK : ERR_NOMEM;
}

// Nobody has told us where the owner lives: the server's zone.
static int zone_minutes(int64_t now_s)
{
    time_t t = (time_t)now_s;
    struct tm tm;

    return localtime_r(&t, &tm) ? (int)(tm.tm_gmtoff / 60) : 0;
}

void rules_world_env(struct rules_world *w, struct span text, uint64_t more_bytes,
                     struct sieve_env *out)
{
    const struct rules_case *c = w->about;

    w->addresses[0] = c->owner;
    w->addresses[1] = c->recipient;
    *out = (struct sieve_env){
        .context = w,
        .message = text,
        .more_bytes = more_bytes,
        .envelope_from = c->sender.p ? c->sender : SPAN(""),
        .envelope_to = c->recipient.n ? c->recipient : c->owner,
        .dsn_notify = c->dsn_notify,
        .dsn_orcpt = c->dsn_orcpt,
        .dsn_ret = c->dsn_ret,
        .dsn_envid = c->dsn_envid,
        .now = c->now_s,
        .zone_minutes = zone_minutes(c->now_s),
        .addresses = {w->addresses, c->recipient.n ? 2 : 1},
        .address_separator = c->detail,
        .spam = {.is_tested = c->is_suspect, .level = c->is_suspect ? 100 : 0},
        .mailbox_exists = env_mailbox,
        .mailbox_id_exists = env_mailbox_id,
        .special_use_exists = env_special_use,
        .duplicate = env_duplicate,
        .script = env_script,
        .item = env_item,
    };
}
