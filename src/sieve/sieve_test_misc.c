// SPDX-License-Identifier: Apache-2.0
//
// Tests that ask the world around the message: size, strings, mailboxes and their annotations
// (RFC 5490, RFC 8579, RFC 9042), duplicates (RFC 7352), environment (RFC 5183), filter verdicts
// (RFC 5235).
#include <stdio.h>

#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define TRACK_SECONDS_DEFAULT (7u * 86400)
#define TRACK_SECONDS_MAX     (90u * 86400)

bool sieve_test_size(struct run *r, const struct sieve_call *call)
{
    uint64_t size = sieve_mail_size(r->mail);
    const struct sieve_arg *over = sieve_call_tag(call, TAG_OVER);
    const struct sieve_arg *under = sieve_call_tag(call, TAG_UNDER);

    NOTE(r, "the message has %llu bytes", (unsigned long long)size);
    return over ? size > over->number : under && size < under->number;
}

bool sieve_test_string(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings values = sieve_expand_list(r, &call->args[0]);
    struct matcher m;

    sieve_match_begin(&m, r, call, &call->args[1]);
    for (size_t i = 0; i < values.n && !m.hit; i++) {
        if (call->match != MATCH_COUNT || values.list[i].n) { // empty ones are not counted
            sieve_match_value(&m, values.list[i]);
        }
    }
    return sieve_match_end(&m);
}

// What a callback said: yes, no, or an error that ends the delivery.
static bool is_yes(struct run *r, enum err e)
{
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        r->error = e;
    }
    return e == ERR_OK;
}

static bool has_mailbox(struct run *r, bool is_id, struct span name)
{
    enum err (*ask)(void *, struct span) =
        is_id ? r->env->mailbox_id_exists : r->env->mailbox_exists;

    if (!sieve_spend(r, 200)) {
        return false;
    }
    return ask && name.n && is_yes(r, ask(r->env->context, name));
}

bool sieve_test_mailbox(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings names = sieve_expand_list(r, &call->args[0]);

    for (size_t i = 0; i < names.n; i++) {
        bool is_there = has_mailbox(r, call->spec->id == ID_MAILBOXIDEXISTS, names.list[i]);

        NOTE(r, "the mailbox \"%.*s\" %s", SHOWN(names.list[i]),
             is_there ? "is there" : "is not there, or is not yours to store in");
        if (!is_there) {
            return false;
        }
    }
    return true;
}

bool sieve_test_special_use(struct run *r, const struct sieve_call *call)
{
    struct span mailbox = sieve_expand_arg(r, &call->args[0]);
    struct sieve_strings uses = sieve_expand_list(r, &call->args[1]);

    for (size_t i = 0; i < uses.n; i++) {
        bool is_there =
            r->env->special_use_exists && sieve_spend(r, 200) &&
            is_yes(r, r->env->special_use_exists(r->env->context, mailbox, uses.list[i]));

        NOTE(r, "%s mailbox is used for \"%.*s\"", is_there ? "a" : "no", SHOWN(uses.list[i]));
        if (!is_there) {
            return false;
        }
    }
    return true;
}

static bool get_metadata(struct run *r, struct span mailbox, struct span entry, struct span *out)
{
    return r->env->metadata && sieve_spend(r, 200) &&
           is_yes(r, r->env->metadata(r->env->context, mailbox, entry, &r->scratch, out));
}

bool sieve_test_metadata(struct run *r, const struct sieve_call *call)
{
    bool is_server =
        call->spec->id == ID_SERVERMETADATA || call->spec->id == ID_SERVERMETADATAEXISTS;
    bool is_exists =
        call->spec->id == ID_METADATAEXISTS || call->spec->id == ID_SERVERMETADATAEXISTS;
    struct span mailbox = is_server ? (struct span){NULL, 0} : sieve_expand_arg(r, &call->args[0]);
    const struct sieve_arg *entries = &call->args[!is_server];
    struct sieve_strings names = sieve_expand_list(r, entries);
    struct span value;
    struct matcher m;

    if (is_exists) {
        bool is_there = names.n > 0;

        for (size_t i = 0; i < names.n && is_there; i++) {
            is_there = get_metadata(r, mailbox, names.list[i], &value);
            NOTE(r, "the annotation \"%.*s\" is %s", SHOWN(names.list[i]),
                 is_there ? "there" : "not there");
        }
        return is_there;
    }
    sieve_match_begin(&m, r, call, entries + 1);
    if (names.n && get_metadata(r, mailbox, names.list[0], &value)) {
        sieve_match_value(&m, value);
    }
    return sieve_match_end(&m);
}

// The text by which the message is known; p NULL: it has none, and is no duplicate.
static struct span unique_id(struct run *r, const struct sieve_call *call)
{
    const struct sieve_arg *unique = sieve_call_tag(call, TAG_UNIQUEID);
    const struct sieve_arg *header = sieve_call_tag(call, TAG_HEADER);
    struct span block = r->mail->version.header;
    struct mime_field f;
    struct buf text;

    if (unique) {
        return sieve_expand_arg(r, unique);
    }
    struct span name = header ? sieve_expand_arg(r, header) : SPAN("Message-ID");

    if (!sieve_spend(r, block.n / 4) || !mime_header_find(&block, name, &f)) {
        return (struct span){NULL, 0};
    }
    buf_init(&text, f.body.n * 4 + 64);
    mime_header_text(&text, f.body);
    struct span copy = arena_dup(&r->scratch, buf_span(&text));

    if (!copy.p) {
        sieve_fail_memory(r);
    }
    buf_finish(&text);
    return copy;
}

// Remembers the test for when all is carried out; the same test again changes nothing.
static void track(struct run *r, struct sieve_track t)
{
    for (uint32_t i = 0; i < r->track_n; i++) {
        if (span_eq(r->tracks[i].key, t.key)) {
            return;
        }
    }
    if (r->track_n == r->track_cap) {
        uint32_t cap = r->track_cap ? r->track_cap * 2 : 4;
        struct sieve_track *more = cap <= 256 ? arena_zalloc(r->out, cap, sizeof(*more)) : NULL;

        if (!more) {
            sieve_fail(r, "the script makes too many \"duplicate\" tests");
            return;
        }
        if (r->track_n) {
            memcpy(more, r->tracks, r->track_n * sizeof(*more));
        }
        r->tracks = more;
        r->track_cap = cap;
    }
    r->tracks[r->track_n++] = t;
}

bool sieve_test_duplicate(struct run *r, const struct sieve_call *call)
{
    const struct sieve_arg *handle = sieve_call_tag(call, TAG_HANDLE);
    const struct sieve_arg *seconds = sieve_call_tag(call, TAG_UNIQUE_SECONDS);
    struct span id = unique_id(r, call);
    struct sieve_track t = {.seconds = seconds ? seconds->number : TRACK_SECONDS_DEFAULT};

    if (!id.p || !sieve_is_on(r) || t.seconds == 0) {
        NOTE(r, "there is nothing to know the message by");
        return false;
    }
    t.seconds = t.seconds < TRACK_SECONDS_MAX ? t.seconds : TRACK_SECONDS_MAX;
    t.is_last = sieve_call_tag(call, TAG_ADD_LAST) != NULL;
    struct span parts[] = {handle ? sieve_expand_arg(r, handle) : SPAN(""), id};

    t.key = sieve_hash(r, parts, 2);
    track(r, t);
    bool is_seen = sieve_is_on(r) && r->env->duplicate && sieve_spend(r, 200) &&
                   is_yes(r, r->env->duplicate(r->env->context, t.key));

    NOTE(r, "\"%.*s\" was %s", SHOWN(id), is_seen ? "seen before" : "not seen before");
    return is_seen;
}

bool sieve_test_environment(struct run *r, const struct sieve_call *call)
{
    struct span name = sieve_expand(r, &call->args[0].strings[0]), value = {NULL, 0};
    char *lower = arena_str(&r->scratch, span_first(name, 200));
    struct matcher m;

    if (!lower) {
        return sieve_fail_memory(r);
    }
    for (char *p = lower; *p; p++) {
        *p = byte_lower(*p);
    }
    struct span key = span_from_str(lower);

    sieve_match_begin(&m, r, call, &call->args[1]);
    if (span_eq(key, SPAN("name"))) {
        value = SPAN("Mailkeep");
    } else if (span_eq(key, SPAN("version"))) {
        value = SPAN(MAILKEEP_VERSION);
    } else if (r->env->item && sieve_spend(r, 200) &&
               !is_yes(r, r->env->item(r->env->context, key, &r->scratch, &value))) {
        value = (struct span){NULL, 0};
    }
    if (value.p && sieve_is_on(r)) {
        sieve_match_value(&m, value);
    }
    return sieve_match_end(&m);
}

bool sieve_test_verdict(struct run *r, const struct sieve_call *call)
{
    bool is_spam = call->spec->id == ID_SPAMTEST;
    bool is_percent = sieve_call_tag(call, TAG_PERCENT) != NULL;
    struct sieve_verdict v = is_spam ? r->env->spam : r->env->virus;
    unsigned level = v.level < (is_spam ? 100u : 5u) ? v.level : (is_spam ? 100u : 5u);
    char digits[16];
    struct matcher m;

    if (!v.is_tested) {
        level = 0;
    } else if (is_spam && !is_percent) {
        level = 1 + level * 9 / 100; // 1 is clean, 10 certain
    } else if (!is_spam && level == 0) {
        level = 1;
    }
    int n = snprintf(digits, sizeof(digits), "%u", level);

    sieve_match_begin(&m, r, call, &call->args[0]);
    if (call->match != MATCH_COUNT || v.is_tested) {
        sieve_match_value(&m, span_of(digits, (size_t)n));
    }
    return sieve_match_end(&m);
}
