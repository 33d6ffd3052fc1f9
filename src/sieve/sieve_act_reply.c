// SPDX-License-Identifier: Apache-2.0
//
// Actions that write a message of their own: vacation (RFC 5230, RFC 6131) and notify (RFC 5435,
// RFC 5436), with :fcc (RFC 8580). The message is made by the delivery; here it is decided.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/encode.h"
#include "sieve/sieve_mail.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define DAY 86400u

struct span sieve_hash(struct run *r, const struct span *list, size_t n)
{
    struct buf room, hex;
    XXH128_canonical_t canonical;

    buf_init(&room, SIEVE_SCRATCH_BYTES);
    for (size_t i = 0; i < n; i++) {
        buf_put_u64(&room, list[i].n); // so that no two lists look the same
        buf_put_byte(&room, ':');
        buf_put(&room, list[i]);
    }
    sieve_spend(r, room.n / 8);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(room.n ? room.p : "", room.n));
    buf_init(&hex, 64);
    hex_encode(&hex, span_of(&canonical, sizeof(canonical)));
    struct span out = sieve_keep_span(r, buf_span(&hex));

    if (room.failed || hex.failed) {
        sieve_fail_memory(r);
    }
    buf_finish(&hex);
    buf_finish(&room);
    return out;
}

static void set_fcc(struct run *r, const struct sieve_call *call, struct sieve_target *out)
{
    struct span name = sieve_expand_arg(r, sieve_call_tag(call, TAG_FCC));
    const struct sieve_arg *flags = sieve_call_tag(call, TAG_FLAGS);

    if (!name.p || !sieve_act_target(r, call, name, out)) {
        return;
    }
    if (flags) {
        out->flags = sieve_flags_list(r, sieve_expand_list(r, flags));
        out->has_flags = true;
    }
}

// A ":from" that is no address is an error of the script (RFC 5230 section 4.3).
static struct span checked_from(struct run *r, const struct sieve_call *call)
{
    struct span text = sieve_expand_arg(r, sieve_call_tag(call, TAG_FROM)), address;

    if (!text.p) {
        return text;
    }
    if (sieve_mail_address(&r->scratch, text, &address) != ERR_OK) {
        sieve_fail(r, "\"%.*s\" after \":from\" is no mail address", SHOWN(text));
        return SPAN("");
    }
    return sieve_keep_span(r, span_trim(text));
}

static struct sieve_strings keep_list(struct run *r, struct sieve_strings words)
{
    struct span *list = arena_zalloc(r->out, words.n, sizeof(*list));

    if (!list) {
        sieve_fail_memory(r);
        return (struct sieve_strings){NULL, 0};
    }
    for (size_t i = 0; i < words.n; i++) {
        list[i] = sieve_keep_span(r, words.list[i]);
    }
    return (struct sieve_strings){list, words.n};
}

static uint64_t period(const struct run *r, const struct sieve_call *call)
{
    const struct sieve_arg *days = sieve_call_tag(call, TAG_DAYS);
    const struct sieve_arg *seconds = sieve_call_tag(call, TAG_SECONDS);
    uint64_t min = r->env->vacation_days_min ? r->env->vacation_days_min : 1;
    uint64_t max = r->env->vacation_days_max ? r->env->vacation_days_max : 30;

    if (seconds) { // 0 is allowed: answer each message (RFC 6131 section 2)
        return seconds->number < max * DAY ? seconds->number : max * DAY;
    }
    uint64_t n = days ? days->number : 7;

    return (n < min ? min : n > max ? max : n) * DAY;
}

// What tells this reply from others when the script does not name it: its arguments as they are
// written, before variables (RFC 5230 section 4.2).
static struct span default_handle(struct run *r, const struct sieve_call *call)
{
    static const struct sieve_string none = {.text = {"", 0}};
    const struct sieve_arg *subject = sieve_call_tag(call, TAG_SUBJECT);
    const struct sieve_arg *from = sieve_call_tag(call, TAG_FROM);
    struct span list[] = {
        (subject ? subject->strings : &none)->text,
        (from ? from->strings : &none)->text,
        sieve_call_tag(call, TAG_MIME_ENTITY) ? SPAN("mime") : SPAN(""),
        call->args[0].strings[0].text,
    };

    return sieve_hash(r, list, sizeof(list) / sizeof(list[0]));
}

static const struct sieve_vacation *make_vacation(struct run *r, const struct sieve_call *call)
{
    struct sieve_vacation *v = arena_zalloc(r->out, 1, sizeof(*v));
    const struct sieve_arg *handle = sieve_call_tag(call, TAG_HANDLE);

    if (!v) {
        sieve_fail_memory(r);
        return NULL;
    }
    v->seconds = period(r, call);
    v->handle = handle ? sieve_keep_span(r, sieve_expand_arg(r, handle)) : default_handle(r, call);
    v->subject = sieve_keep_span(r, sieve_expand_arg(r, sieve_call_tag(call, TAG_SUBJECT)));
    v->from = checked_from(r, call);
    v->reason = sieve_keep_span(r, sieve_expand(r, &call->args[0].strings[0]));
    v->is_mime = sieve_call_tag(call, TAG_MIME_ENTITY) != NULL;
    v->addresses = keep_list(r, sieve_expand_list(r, sieve_call_tag(call, TAG_ADDRESSES)));
    set_fcc(r, call, &v->fcc);
    return v;
}

void sieve_act_vacation(struct run *r, const struct sieve_call *call)
{
    TOLD_ACTION(r, "an automatic answer is sent, if the sender is a person who had none lately");
    for (uint32_t i = 0; i < r->action_n; i++) {
        if (r->actions[i].kind == SIEVE_VACATION) {
            sieve_fail(r, "a second automatic answer (the first is in line %u)",
                       r->actions[i].line);
            return;
        }
    }
    if (sieve_act_conflicts(r, SIEVE_VACATION)) {
        return;
    }
    const struct sieve_vacation *v = make_vacation(r, call);
    struct sieve_action *a = sieve_act_add(r, SIEVE_VACATION);

    if (a) {
        a->vacation = v;
    }
}

static bool is_option(struct span s)
{
    size_t n = 0;

    while (n < s.n && (byte_is_alnum(s.p[n]) || (n && strchr(".-_", s.p[n]) && s.p[n]))) {
        n++;
    }
    return n > 0 && n < s.n && s.p[n] == '=' && span_find_byte(s, '\n') == s.n &&
           span_find_byte(s, '\r') == s.n && span_find_byte(s, '\0') == s.n;
}

static const struct sieve_notify *make_notify(struct run *r, const struct sieve_call *call)
{
    struct sieve_notify *n = arena_zalloc(r->out, 1, sizeof(*n));
    struct span uri = sieve_expand(r, &call->args[0].strings[0]);
    struct span importance = sieve_expand_arg(r, sieve_call_tag(call, TAG_IMPORTANCE));

    if (!n) {
        sieve_fail_memory(r);
        return NULL;
    }
    enum err e = sieve_mail_uri(r->out, uri, n);

    if (e != ERR_OK) {
        if (e == ERR_NOMEM) {
            sieve_fail_memory(r);
        }
        sieve_fail(r, "\"%.*s\" is no way to notify: only \"mailto:\" with an address is known",
                   SHOWN(uri));
        return NULL;
    }
    n->importance = '2';
    if (importance.p) {
        if (importance.n != 1 || importance.p[0] < '1' || importance.p[0] > '3') {
            sieve_fail(r, "\":importance\" is \"1\", \"2\" or \"3\"");
            return NULL;
        }
        n->importance = importance.p[0];
    }
    n->method = sieve_keep_span(r, uri);
    n->from = checked_from(r, call);
    n->message = sieve_keep_span(r, sieve_expand_arg(r, sieve_call_tag(call, TAG_MESSAGE)));
    n->options = keep_list(r, sieve_expand_list(r, sieve_call_tag(call, TAG_OPTIONS)));
    for (size_t i = 0; i < n->options.n; i++) {
        if (!is_option(n->options.list[i])) {
            sieve_fail(r, "an option of \"notify\" is written \"name=value\"");
            return NULL;
        }
    }
    set_fcc(r, call, &n->fcc);
    return n;
}

void sieve_act_notify(struct run *r, const struct sieve_call *call)
{
    const struct sieve_notify *n = make_notify(r, call);

    if (!n || !sieve_is_on(r)) {
        return;
    }
    TOLD_ACTION(r, "a notification is sent to %.*s", SHOWN(n->to.list[0]));
    for (uint32_t i = 0; i < r->action_n; i++) {
        const struct sieve_action *a = &r->actions[i];

        if (a->kind == SIEVE_NOTIFY && span_eq(a->notify->method, n->method) &&
            span_eq(a->notify->message, n->message)) {
            NOTE(r, "the same is sent already, since line %u", a->line);
            return;
        }
    }
    struct sieve_action *a = sieve_act_add(r, SIEVE_NOTIFY);

    if (a) {
        a->notify = n;
        a->message = sieve_mail_version(r, r->mail);
    }
}

bool sieve_test_notify(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings uris = sieve_expand_list(r, &call->args[0]);
    bool is_valid = uris.n > 0;

    for (size_t i = 0; i < uris.n && is_valid; i++) {
        struct sieve_notify n = {.importance = '2'};

        sieve_spend(r, uris.list[i].n * 4);
        is_valid = sieve_mail_uri(&r->scratch, uris.list[i], &n) == ERR_OK;
        NOTE(r, "\"%.*s\" can%s be used", SHOWN(uris.list[i]), is_valid ? "" : "not");
    }
    if (!is_valid || call->spec->id == ID_VALID_NOTIFY_METHOD) {
        return is_valid;
    }
    struct span what = sieve_expand(r, &call->args[1].strings[0]);
    struct matcher m;

    sieve_match_begin(&m, r, call, &call->args[2]);
    if (span_eq_nocase(what, SPAN("online"))) {
        sieve_match_value(&m, SPAN("maybe"));
    }
    return sieve_match_end(&m);
}
