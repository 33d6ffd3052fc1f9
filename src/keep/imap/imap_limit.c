// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_limit.h"

#include "base/banned.h"

enum err imap_limit_cut(struct imap_session *s, struct uid_set *uids)
{
    uint64_t max = s->options.messages_max, left = max;
    size_t i = uids->count;

    if (!max || uid_set_size(*uids) <= max) {
        return ERR_OK;
    }
    while (i && left) {
        struct uid_range r = uids->ranges[--i];
        uint64_t here = (uint64_t)r.last - r.first + 1;

        s->limited_at = here > left ? r.last - (uint32_t)left + 1 : r.first;
        left -= here < left ? here : left;
    }
    return uid_set_from(*uids, s->limited_at, &s->arena, uids);
}

static struct span limit_code(struct imap_session *s)
{
    return imap_text(s, "MESSAGELIMIT %u %u", s->options.messages_max, s->limited_at);
}

bool imap_limit_allows(struct imap_session *s, struct uid_set uids)
{
    imap_limit_cut(s, &uids); // only to know where; without memory that is known, too
    if (!s->limited_at) {
        return true;
    }
    imap_answer(s, IMAP_NO, limit_code(s), SPAN("Too many messages for one command"));
    s->limited_at = 0;
    return false;
}

enum imap_step imap_limit_refuse(struct imap_session *s)
{
    return imap_answer(s, IMAP_NO, imap_text(s, "MESSAGELIMIT %u", s->options.messages_max),
                       SPAN("Too many messages for one command"));
}

void imap_limit_tell(struct imap_session *s)
{
    struct imap_result *r = &s->result;

    if (!s->limited_at) {
        return;
    }
    if (r->condition == IMAP_OK && !r->code.n) {
        r->code = limit_code(s);
        r->text = SPAN("Done for the newest of the messages");
    } else if (r->condition == IMAP_OK || span_eq(r->code, SPAN("EXPUNGEISSUED"))) {
        imap_write_status_line(s->out, (struct span){0}, IMAP_NO, limit_code(s),
                               SPAN("Done for the newest of the messages"));
    }
}
