// SPDX-License-Identifier: Apache-2.0
//
// Letters to the address for reports are noted with their delivery, to be read later (report/).
#include <stdlib.h>

#include "delivery/delivery_internal.h"

#include "base/banned.h"

// The setting is a whole address, or a name that every domain here has. A detail behind it does no
// harm.
static bool is_for_reports(const struct delivery *d, struct span wanted)
{
    struct span address = span_from_str(d->report_address);
    size_t at = span_find_byte(wanted, '@'), name_n = span_find_byte(address, '@'), plain = 0;
    struct span name = span_first(address, name_n), domain = span_skip(address, name_n);

    while (plain < at && !strchr(d->separators, wanted.p[plain])) {
        plain++;
    }
    return name.n &&
           (span_eq_nocase(span_first(wanted, at), name) ||
            span_eq_nocase(span_first(wanted, plain), name)) &&
           (!domain.n || span_eq_nocase(span_skip(wanted, at), domain));
}

// The message as it is kept: rules may have changed it. NULL: they kept nothing.
static const struct incoming *kept_of(const struct deliver_part *p)
{
    const struct delivery_target *to = p->to;

    if (!to->copies) {
        return p->run->incoming;
    }
    return !to->copy_count         ? NULL
           : to->copies[0].message ? to->copies[0].message
                                   : p->run->incoming;
}

enum err deliver_report_ride(const struct deliver_part *p, struct batch *b)
{
    struct run *r = p->run;
    const struct incoming *kept = kept_of(p);
    struct report_letter letter = {
        .mail = r->mail, .sender = r->env->sender, .recipient = p->target->wanted};

    // What was thought to be forged or junk is nobody's report.
    if (!r->d->reports || !kept || r->env->is_suspect || !is_for_reports(r->d, p->target->wanted)) {
        return ERR_OK;
    }
    letter.body = incoming_body(kept);
    letter.bytes = incoming_bytes(kept);
    return report_letter_add(r->d->reports, b, &letter);
}

bool delivery_tells(const struct delivery *d, const struct delivery_recipient *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_for_reports(d, to[i].address)) {
            return false;
        }
    }
    return true;
}

enum err deliver_report_seen(struct run *r, struct batch *b)
{
    const struct delivery_envelope *env = r->env;
    struct span key, value;
    enum err e = ERR_OK;

    if (!env->seen || !delivery_tells(r->d, env->recipients, env->count)) {
        return ERR_OK;
    }
    char *room = malloc(REPORT_SEEN_BYTES_MAX);

    if (!room) {
        return ERR_NOMEM;
    }
    if (report_seen_row(env->seen, r->mail, room, &key, &value)) {
        e = batch_put(b, key, value);
    }
    free(room);
    return e;
}

void deliver_report_done(const struct deliver_part *p)
{
    struct run *r = p->run;

    if (r->d->reports && is_for_reports(r->d, p->target->wanted)) {
        reports_wake(r->d->reports);
    }
}
