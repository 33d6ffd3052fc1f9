// SPDX-License-Identifier: Apache-2.0
#include "sieve/sieve_words.h"

#include "base/utf8.h"

#include "base/banned.h"

#define SHOWN_BYTES_MAX 200 // of one value

const char *sieve_action_name(const struct sieve_action *a)
{
    static const char *const names[] = {"keep",    "fileinto", "redirect", "reject",
                                        "ereject", "discard",  "vacation", "notify"};

    return names[a->kind];
}

// One line, whatever is in it.
static void put_value(struct buf *out, struct span value)
{
    struct span s = span_first(value, SHOWN_BYTES_MAX);
    uint32_t c;

    while (s.n) {
        c = utf8_next(&s, &c) ? c : UTF8_REPLACEMENT;
        utf8_put(out, c < 32 || c == 127 ? ' ' : c);
    }
    buf_put_str(out, value.n > SHOWN_BYTES_MAX ? "..." : "");
}

static void put_flags(struct buf *out, const struct sieve_target *t)
{
    for (size_t i = 0; i < t->flags.n; i++) {
        buf_put_str(out, i ? " " : ", marked ");
        put_value(out, t->flags.list[i]);
    }
}

static void put_target(struct buf *out, const struct sieve_target *t)
{
    buf_put_str(out, "the mailbox \"");
    put_value(out, t->name);
    buf_put_str(out, "\"");
    if (t->special_use.p) {
        buf_put_str(out, " (or the one for ");
        put_value(out, t->special_use);
        buf_put_str(out, ")");
    }
    if (t->id.p) {
        buf_put_str(out, " (or the one with the id ");
        put_value(out, t->id);
        buf_put_str(out, ")");
    }
    buf_put_str(out, t->is_created ? ", which is made if it is missing" : "");
    put_flags(out, t);
}

static void put_list(struct buf *out, struct sieve_strings list)
{
    for (size_t i = 0; i < list.n; i++) {
        buf_put_str(out, i ? ", " : "");
        put_value(out, list.list[i]);
    }
}

static void put_period(struct buf *out, uint64_t seconds)
{
    if (seconds == 0) {
        buf_put_str(out, ", each time");
    } else if (seconds % 86400 == 0) {
        buf_printf(out, ", to the same person once in %llu day%s",
                   (unsigned long long)(seconds / 86400), seconds == 86400 ? "" : "s");
    } else {
        buf_printf(out, ", to the same person once in %llu seconds", (unsigned long long)seconds);
    }
}

static void put_vacation(struct buf *out, const struct sieve_vacation *v)
{
    buf_put_str(out, "the sender gets the answer \"");
    put_value(out, v->reason);
    buf_put_str(out, "\", if a person wrote to this address");
    put_period(out, v->seconds);
}

void sieve_action_words(struct buf *out, const struct sieve_action *a)
{
    switch (a->kind) {
    case SIEVE_KEEP:
        buf_put_str(out, "kept in INBOX");
        put_flags(out, &a->target);
        break;
    case SIEVE_FILEINTO:
        buf_put_str(out, "stored in ");
        put_target(out, &a->target);
        break;
    case SIEVE_REDIRECT:
        buf_put_str(out, "sent on to ");
        put_value(out, a->address);
        break;
    case SIEVE_REJECT:
    case SIEVE_EREJECT:
        buf_put_str(out, "refused with the words \"");
        put_value(out, a->reason);
        buf_put_str(out, "\"");
        break;
    case SIEVE_DISCARD:
        buf_put_str(out, "thrown away");
        break;
    case SIEVE_VACATION:
        put_vacation(out, a->vacation);
        break;
    case SIEVE_NOTIFY:
        buf_put_str(out, "a notification goes to ");
        put_list(out, a->notify->to);
        break;
    }
    buf_put_str(out, a->message ? ", as the script has changed it" : "");
}
