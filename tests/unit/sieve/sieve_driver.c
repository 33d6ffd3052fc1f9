// SPDX-License-Identifier: Apache-2.0
#include "sieve_driver.h"

#include <stdio.h>
#include <string.h>

static enum err find(const struct span *list, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(list[i], name)) {
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err mailbox_exists(void *context, struct span name)
{
    struct world *w = context;

    return w->failure ? w->failure : find(w->mailboxes, w->mailbox_n, name);
}

static enum err mailbox_id_exists(void *context, struct span id)
{
    struct world *w = context;

    return w->failure ? w->failure : find(w->ids, w->id_n, id);
}

static enum err special_use_exists(void *context, struct span name, struct span use)
{
    struct world *w = context;

    for (size_t i = 0; i < w->use_n; i++) {
        if (span_eq_nocase(w->uses[i].name, use) && (!name.p || span_eq(w->uses[i].value, name))) {
            return ERR_OK;
        }
    }
    return w->failure ? w->failure : ERR_NOT_FOUND;
}

static enum err metadata(void *context, struct span name, struct span entry, struct arena *arena,
                         struct span *out)
{
    struct world *w = context;

    (void)arena;
    for (size_t i = 0; i < w->metadata_n; i++) {
        struct span rest = w->metadata[i].name;
        struct span mailbox = span_split(&rest, '|');

        if (span_eq(rest, entry) && (name.p ? span_eq(mailbox, name) : mailbox.n == 0)) {
            *out = w->metadata[i].value;
            return ERR_OK;
        }
    }
    return w->failure ? w->failure : ERR_NOT_FOUND;
}

static enum err duplicate(void *context, struct span key)
{
    struct world *w = context;

    (void)key;
    return w->failure ? w->failure : w->is_seen ? ERR_OK : ERR_NOT_FOUND;
}

static enum err script(void *context, bool is_global, struct span name, struct arena *arena,
                       struct span *out)
{
    struct world *w = context;

    (void)arena;
    for (size_t i = 0; i < w->script_n; i++) {
        struct span rest = w->scripts[i].name;
        struct span where = span_split(&rest, ' ');

        if (span_eq(rest, name) && span_eq(where, is_global ? SPAN("global") : SPAN("personal"))) {
            *out = w->scripts[i].value;
            return ERR_OK;
        }
    }
    return w->failure ? w->failure : ERR_NOT_FOUND;
}

static enum err item(void *context, struct span name, struct arena *arena, struct span *out)
{
    struct world *w = context;

    (void)arena;
    for (size_t i = 0; i < w->item_n; i++) {
        if (span_eq(w->items[i].name, name)) {
            *out = w->items[i].value;
            return ERR_OK;
        }
    }
    return w->failure ? w->failure : ERR_NOT_FOUND;
}

static void trace(void *context, const struct sieve_trace *t)
{
    struct world *w = context;
    const char *kinds[] = {"test", "action", "note"};

    buf_put_str(w->trace, kinds[t->kind]);
    buf_put_byte(w->trace, ' ');
    if (t->script.n) {
        buf_put(w->trace, t->script);
        buf_put_byte(w->trace, ':');
    }
    buf_printf(w->trace, "%u: ", t->line);
    buf_put(w->trace, t->text);
    buf_put_byte(w->trace, '\n');
}

void world_init(struct world *w)
{
    *w = (struct world){.trace = NULL};
    w->env = (struct sieve_env){
        .context = w,
        .envelope_from = SPAN("sender@example.com"),
        .envelope_to = SPAN("owner@example.org"),
        .now = 1183284000, // Sun, 01 Jul 2007 10:00:00 +0000
        .mailbox_exists = mailbox_exists,
        .mailbox_id_exists = mailbox_id_exists,
        .special_use_exists = special_use_exists,
        .metadata = metadata,
        .duplicate = duplicate,
        .script = script,
        .item = item,
    };
}

static void put_text(struct buf *out, const char *name, struct span s)
{
    if (s.p) {
        buf_put_str(out, name);
        buf_put_str(out, "\"");
        for (size_t i = 0; i < s.n; i++) {
            if (s.p[i] == '\n') {
                buf_put_str(out, "\\n");
            } else if (s.p[i] != '\r') {
                buf_put_byte(out, s.p[i]);
            }
        }
        buf_put_str(out, "\"");
    }
}

static void put_list(struct buf *out, const char *name, struct sieve_strings list)
{
    buf_put_str(out, name);
    buf_put_byte(out, '(');
    for (size_t i = 0; i < list.n; i++) {
        buf_put_str(out, i ? " " : "");
        buf_put(out, list.list[i]);
    }
    buf_put_byte(out, ')');
}

static void put_target(struct buf *out, const struct sieve_target *t)
{
    put_text(out, " id=", t->id);
    put_text(out, " use=", t->special_use);
    buf_put_str(out, t->is_created ? " create" : "");
    if (t->has_flags) {
        put_list(out, " flags=", t->flags);
    }
}

static void put_vacation(struct buf *out, const struct sieve_vacation *v)
{
    buf_printf(out, "vacation %llu s", (unsigned long long)v->seconds);
    if (v->handle.n != 32) {
        put_text(out, " handle=", v->handle);
    }
    put_text(out, " subject=", v->subject);
    put_text(out, " from=", v->from);
    if (v->addresses.n) {
        put_list(out, " addresses=", v->addresses);
    }
    buf_put_str(out, v->is_mime ? " mime" : "");
    if (v->fcc.name.p) {
        put_text(out, " fcc=", v->fcc.name);
        put_target(out, &v->fcc);
    }
    put_text(out, " ", v->reason);
}

static void put_notify(struct buf *out, const struct sieve_notify *n)
{
    buf_printf(out, "notify %c", n->importance);
    put_list(out, " to=", n->to);
    if (n->cc.n) {
        put_list(out, " cc=", n->cc);
    }
    put_text(out, " from=", n->from);
    put_text(out, " message=", n->message);
    put_text(out, " subject=", n->subject);
    put_text(out, " body=", n->body);
    if (n->options.n) {
        put_list(out, " options=", n->options);
    }
    for (size_t i = 0; i < n->header_names.n; i++) {
        buf_put_byte(out, ' ');
        buf_put(out, n->header_names.list[i]);
        put_text(out, "=", n->header_values.list[i]);
    }
    if (n->fcc.name.p) {
        put_text(out, " fcc=", n->fcc.name);
        put_target(out, &n->fcc);
    }
}

static void put_message(struct buf *out, struct span s)
{
    while (s.n) {
        struct span line = span_split(&s, '\n');

        line.n -= line.n && line.p[line.n - 1] == '\r';
        buf_put_str(out, "|");
        buf_put_str(out, line.n ? " " : "");
        buf_put(out, line);
        buf_put_byte(out, '\n');
    }
}

static void put_action(struct buf *out, const struct sieve_action *a)
{
    switch (a->kind) {
    case SIEVE_KEEP:
        buf_put_str(out, a->line ? "keep" : "implicit keep");
        put_target(out, &a->target);
        break;
    case SIEVE_FILEINTO:
        put_text(out, "fileinto ", a->target.name);
        put_target(out, &a->target);
        break;
    case SIEVE_REDIRECT:
        buf_put_str(out, "redirect ");
        buf_put(out, a->address);
        put_text(out, " notify=", a->dsn_notify);
        put_text(out, " ret=", a->dsn_ret);
        break;
    case SIEVE_REJECT:
        put_text(out, "reject ", a->reason);
        break;
    case SIEVE_EREJECT:
        put_text(out, "ereject ", a->reason);
        break;
    case SIEVE_DISCARD:
        buf_put_str(out, "discard");
        break;
    case SIEVE_VACATION:
        put_vacation(out, a->vacation);
        break;
    case SIEVE_NOTIFY:
        put_notify(out, a->notify);
        break;
    }
    buf_put_str(out, a->message ? " edited\n" : "\n");
}

void world_put_result(struct buf *out, const struct sieve_result *result, bool shows_message)
{
    if (result->has_error) {
        buf_put_str(out, result->is_over_budget ? "over budget " : "error ");
        if (result->error_script.n) {
            buf_put(out, result->error_script);
            buf_put_byte(out, ':');
        }
        buf_printf(out, "%u: ", result->error_line);
        buf_put(out, result->error_text);
        buf_put_byte(out, '\n');
    }
    for (size_t i = 0; i < result->action_n; i++) {
        const struct sieve_action *a = &result->actions[i];

        put_action(out, a);
        if (shows_message && a->message) {
            put_message(out, a->message->header);
            put_message(out, a->message->body);
        }
    }
    for (size_t i = 0; i < result->track_n; i++) {
        buf_printf(out, "track %llu s%s\n", (unsigned long long)result->tracks[i].seconds,
                   result->tracks[i].is_last ? " last" : "");
    }
}

enum err world_run(struct world *w, struct span script_text, uint64_t steps, bool shows_message,
                   struct buf *out)
{
    struct arena programs, results;
    const struct sieve_program *program = NULL;
    struct sieve_problems problems = {.n = 0};
    struct sieve_result result;
    struct sieve_budget budget = {steps};

    arena_init(&programs, SIEVE_PROGRAM_BYTES_MAX);
    arena_init(&results, SIEVE_RESULT_BYTES_MAX);
    w->env.addresses = (struct sieve_strings){w->addresses, w->address_n};
    w->env.trace = w->trace ? trace : NULL;
    enum err e = sieve_compile(NULL, script_text, &programs, &program, &problems);

    if (e == ERR_INVALID) {
        sieve_problems_put(out, &problems);
    } else if (e == ERR_OK) {
        e = sieve_run(program, &w->env, &budget, &results, &result);
        if (e == ERR_OK) {
            world_put_result(out, &result, shows_message);
        }
    }
    arena_finish(&results);
    arena_finish(&programs);
    return e;
}
