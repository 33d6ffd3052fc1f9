// SPDX-License-Identifier: Apache-2.0
//
// Actions that decide where the message goes: keep, fileinto, redirect, discard, reject
// (RFC 5228 section 4, RFC 5429, RFC 3894, RFC 5490, RFC 8579, RFC 9042, RFC 6009).
#include "base/utf8.h"
#include "sieve/sieve_mail.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

struct sieve_action *sieve_act_add(struct run *r, enum sieve_action_kind kind)
{
    if (!sieve_is_on(r)) {
        return NULL;
    }
    if (r->action_n >= SIEVE_ACTIONS_MAX) {
        sieve_fail(r, "the script does more than %d things with the message", SIEVE_ACTIONS_MAX);
        return NULL;
    }
    if (r->action_n == r->action_cap) {
        uint32_t cap = r->action_cap ? r->action_cap * 2 : 4;
        struct sieve_action *more = arena_zalloc(r->out, cap, sizeof(*more));

        if (!more) {
            sieve_fail_memory(r);
            return NULL;
        }
        if (r->action_n) {
            memcpy(more, r->actions, r->action_n * sizeof(*more));
        }
        r->actions = more;
        r->action_cap = cap;
    }
    struct sieve_action *a = &r->actions[r->action_n++];

    *a = (struct sieve_action){.kind = kind, .line = r->frame ? r->frame->line : 0};
    return a;
}

static const char *name_of(enum sieve_action_kind kind)
{
    static const char *const names[] = {"keep",    "fileinto", "redirect", "reject",
                                        "ereject", "discard",  "vacation", "notify"};

    return names[kind];
}

static bool is_reject(enum sieve_action_kind kind)
{
    return kind == SIEVE_REJECT || kind == SIEVE_EREJECT;
}

// Refusing a message does not go with delivering or answering it (RFC 5429 section 2.4).
bool sieve_act_conflicts(struct run *r, enum sieve_action_kind kind)
{
    for (uint32_t i = 0; i < r->action_n; i++) {
        const struct sieve_action *a = &r->actions[i];
        bool is_other = a->kind != SIEVE_NOTIFY && a->kind != SIEVE_DISCARD;

        if ((is_reject(kind) && is_other) ||
            (is_reject(a->kind) && kind != SIEVE_NOTIFY && kind != SIEVE_DISCARD)) {
            sieve_fail(r, "\"%s\" cannot be used together with \"%s\" of line %u", name_of(kind),
                       name_of(a->kind), a->line);
            return true;
        }
    }
    return false;
}

// What :flags says, else the internal variable.
static void set_flags(struct run *r, const struct sieve_call *call, struct sieve_target *t)
{
    const struct sieve_arg *arg = sieve_call_tag(call, TAG_FLAGS);

    if (arg) {
        t->flags = sieve_flags_list(r, sieve_expand_list(r, arg));
        t->has_flags = true;
    } else if (r->flags.n) {
        t->flags = sieve_flags_current(r);
        t->has_flags = true;
    }
}

bool sieve_act_target(struct run *r, const struct sieve_call *call, struct span name,
                      struct sieve_target *out)
{
    struct span id = sieve_expand_arg(r, sieve_call_tag(call, TAG_MAILBOXID));
    struct span use = sieve_expand_arg(r, sieve_call_tag(call, TAG_SPECIALUSE));

    if (name.n == 0 || !utf8_is_valid(name) || span_find_byte(name, '\0') < name.n) {
        return sieve_fail(r, "the name of a mailbox is empty or is no text");
    }
    out->name = sieve_keep_span(r, name);
    out->id = sieve_keep_span(r, id);
    out->special_use = sieve_keep_span(r, use);
    out->is_created = sieve_call_tag(call, TAG_CREATE) != NULL;
    return sieve_is_on(r);
}

static bool is_same(const struct sieve_action *a, enum sieve_action_kind kind,
                    const struct sieve_target *t)
{
    if (a->kind == SIEVE_KEEP || kind == SIEVE_KEEP) {
        struct span inbox = a->kind == SIEVE_KEEP ? t->name : a->target.name;

        return a->kind == kind ||
               (span_eq_nocase(inbox, SPAN("INBOX")) && !t->id.p && !t->special_use.p &&
                !a->target.id.p && !a->target.special_use.p);
    }
    return a->kind == kind && span_eq(a->target.name, t->name) && span_eq(a->target.id, t->id) &&
           span_eq(a->target.special_use, t->special_use);
}

// Storing twice in the same mailbox stores once (RFC 5228 section 2.10.3); the later flags and the
// later state of the message count.
static struct sieve_action *find_same(struct run *r, enum sieve_action_kind kind,
                                      const struct sieve_target *t)
{
    for (uint32_t i = 0; i < r->action_n; i++) {
        struct sieve_action *a = &r->actions[i];

        if ((a->kind == SIEVE_KEEP || a->kind == SIEVE_FILEINTO) && is_same(a, kind, t)) {
            return a;
        }
    }
    return NULL;
}

static void store(struct run *r, enum sieve_action_kind kind, const struct sieve_target *t)
{
    const struct sieve_version *version = sieve_mail_version(r, r->mail);
    struct sieve_action *a = find_same(r, kind, t);

    if (a) {
        bool is_created = a->target.is_created || t->is_created;

        NOTE(r, "it is stored there already, since line %u", a->line);
        if (t->has_flags) {
            a->target.flags = t->flags;
            a->target.has_flags = true;
        }
        a->target.is_created = is_created;
        a->message = version;
        return;
    }
    if (sieve_act_conflicts(r, kind)) {
        return;
    }
    a = sieve_act_add(r, kind);
    if (a) {
        a->target = *t;
        a->message = version;
    }
}

void sieve_act_keep(struct run *r, const struct sieve_call *call)
{
    struct sieve_target t = {.name = SPAN("INBOX")};

    set_flags(r, call, &t);
    TOLD_ACTION(r, "the message is kept in the inbox");
    store(r, SIEVE_KEEP, &t);
    r->is_kept = false;
}

void sieve_act_implicit_keep(struct run *r)
{
    struct sieve_target t = {.name = SPAN("INBOX")};

    if (!r->is_kept || !sieve_is_on(r)) {
        return;
    }
    if (r->flags.n) {
        t.flags = sieve_flags_current(r);
        t.has_flags = true;
    }
    store(r, SIEVE_KEEP, &t);
}

void sieve_act_failed_keep(struct run *r)
{
    static const struct sieve_action keep = {.kind = SIEVE_KEEP};
    struct sieve_action *a = arena_zalloc(r->out, 1, sizeof(*a));

    // At the arena's cap there still is a first action to write over.
    if (!a && !r->actions) {
        r->error = ERR_NOMEM;
        return;
    }
    r->actions = a ? a : r->actions;
    r->actions[0] = keep;
    r->actions[0].target.name = SPAN("INBOX");
    r->action_n = 1;
    r->track_n = 0;
}

void sieve_act_fileinto(struct run *r, const struct sieve_call *call)
{
    struct sieve_target t = {.name = SPAN("")};

    if (!sieve_act_target(r, call, sieve_expand(r, &call->args[0].strings[0]), &t)) {
        return;
    }
    set_flags(r, call, &t);
    TOLD_ACTION(r, "the message is stored in \"%.*s\"%s", SHOWN(t.name),
                sieve_call_tag(call, TAG_COPY) ? " (a copy)" : "");
    store(r, SIEVE_FILEINTO, &t);
    r->is_kept &= sieve_call_tag(call, TAG_COPY) != NULL;
}

void sieve_act_discard(struct run *r, const struct sieve_call *call)
{
    (void)call;
    TOLD_ACTION(r, "the message is discarded, unless something else keeps it");
    if (!sieve_act_conflicts(r, SIEVE_DISCARD)) {
        sieve_act_add(r, SIEVE_DISCARD);
    }
    r->is_kept = false;
}

// A word of a list, in upper case; false when it is none of them.
static bool is_dsn_word(struct span s, const char *const *words, struct buf *out)
{
    for (size_t i = 0; words[i]; i++) {
        if (span_eq_nocase(s, span_from_str(words[i]))) {
            buf_put_str(out, out->n ? "," : "");
            buf_put_str(out, words[i]);
            return true;
        }
    }
    return false;
}

static struct span dsn_words(struct run *r, const struct sieve_arg *arg, const char *const *words)
{
    struct span rest = sieve_expand_arg(r, arg);
    struct buf out;
    bool is_valid = rest.n > 0;

    if (!arg) {
        return (struct span){NULL, 0};
    }
    buf_init(&out, 200);
    while (rest.n && is_valid) {
        is_valid = is_dsn_word(span_trim(span_split(&rest, ',')), words, &out);
    }
    struct span copy = is_valid ? sieve_keep_span(r, buf_span(&out)) : SPAN("");

    buf_finish(&out);
    if (!is_valid) {
        sieve_fail(r, "\":%s\" has a value that is not known", sieve_tags[arg->tag].name);
    }
    return copy;
}

void sieve_act_redirect(struct run *r, const struct sieve_call *call)
{
    static const char *const notify[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY", NULL};
    static const char *const ret[] = {"FULL", "HDRS", NULL};
    struct span text = sieve_expand(r, &call->args[0].strings[0]), address;

    if (sieve_mail_address(r->out, text, &address) != ERR_OK) {
        sieve_fail(r, "\"%.*s\" is no mail address to redirect to", SHOWN(text));
        return;
    }
    TOLD_ACTION(r, "the message is sent on to %.*s", SHOWN(address));
    r->is_kept &= sieve_call_tag(call, TAG_COPY) != NULL;
    for (uint32_t i = 0; i < r->action_n; i++) {
        if (r->actions[i].kind == SIEVE_REDIRECT && span_eq(r->actions[i].address, address)) {
            NOTE(r, "it is sent there already, since line %u", r->actions[i].line);
            return;
        }
    }
    if (++r->redirect_n > r->limits->redirects_max) {
        sieve_fail(r, "the script redirects the message more than %u times",
                   r->limits->redirects_max);
        return;
    }
    if (sieve_act_conflicts(r, SIEVE_REDIRECT)) {
        return;
    }
    struct span words = dsn_words(r, sieve_call_tag(call, TAG_NOTIFY), notify);
    struct span what = dsn_words(r, sieve_call_tag(call, TAG_RET), ret);
    const struct sieve_version *version =
        sieve_mail_version(r, r->unenclosed ? r->unenclosed : r->mail);
    struct sieve_action *a = sieve_act_add(r, SIEVE_REDIRECT);

    if (a) {
        a->address = address;
        a->dsn_notify = words;
        a->dsn_ret = what;
        a->message = version;
    }
}

void sieve_act_reject(struct run *r, const struct sieve_call *call)
{
    enum sieve_action_kind kind = call->spec->id == ID_REJECT ? SIEVE_REJECT : SIEVE_EREJECT;
    struct span reason = sieve_expand(r, &call->args[0].strings[0]);

    TOLD_ACTION(r, "the message is refused: \"%.*s\"", SHOWN(reason));
    if (sieve_act_conflicts(r, kind)) {
        return;
    }
    struct sieve_action *a = sieve_act_add(r, kind);

    if (a) {
        a->reason = sieve_keep_span(r, reason);
    }
    r->is_kept = false;
}
