// SPDX-License-Identifier: Apache-2.0
//
// GETMETADATA (RFC 5464 section 4.2). What one may see is asked for anew in each step.
#include "keep/imap/imap_place.h"
#include "keep/imap/metadata/imap_metadata.h"

#include "base/banned.h"

static enum imap_step refuse_name(struct imap_session *s)
{
    return imap_answer_bad(s, "That cannot be an entry: expected a name such as /shared/comment");
}

static enum imap_step answer(struct imap_session *s, const struct metadata_cursor *c)
{
    if (!c->longest) {
        return imap_answer_ok(s, "GETMETADATA completed");
    }
    struct span code = imap_text(s, "METADATA LONGENTRIES %llu", (unsigned long long)c->longest);

    return imap_answer(s, IMAP_OK, code, SPAN("GETMETADATA completed"));
}

static enum err read_server(struct imap_session *s, struct metadata_cursor *c)
{
    const struct imap_metadata_get *get = &s->command.getmetadata;
    struct metadata_source from = {0};
    enum err e = imap_view_open(s, s->account, &from.own);

    e = e ? e : imap_view_open(s, 0, &from.shared);
    e = e ? e : metadata_write(s, get, &from, SPAN(""), c);
    view_close(from.own);
    view_close(from.shared);
    return e;
}

static enum err read_mailbox(struct imap_session *s, const struct imap_place *p,
                             struct metadata_cursor *c)
{
    const struct imap_metadata_get *get = &s->command.getmetadata;
    struct view *own = p->view;
    enum err e = p->is_own ? ERR_OK : imap_view_open(s, s->account, &own);

    if (e) {
        return e;
    }
    struct metadata_source from = metadata_source_of(s, p->view, own, p->mailbox->id);

    e = metadata_write(s, get, &from, p->full, c);
    if (!p->is_own) {
        view_close(own);
    }
    return e;
}

enum imap_step imap_run_getmetadata(struct imap_session *s)
{
    const struct imap_metadata_get *get = &s->command.getmetadata;
    struct metadata_cursor *c = s->state;
    struct imap_place p;
    const char *why = NULL;
    enum err e;

    if (!c) {
        if (metadata_get_check(get)) {
            return refuse_name(s);
        }
        c = imap_state(s, sizeof(*c));
        if (!c) {
            return imap_answer_err(s, ERR_NOMEM);
        }
    }
    if (get->mailbox.n) {
        e = imap_place_annotate(s, get->mailbox, false, &p, &why);
        if (e) {
            return imap_place_refuse(s, e, why, false);
        }
        e = read_mailbox(s, &p, c);
        imap_place_close(&p);
    } else {
        e = read_server(s, c);
    }
    if (e) {
        return imap_answer_err(s, e);
    }
    return c->is_done ? answer(s, c) : STEP_MORE;
}
