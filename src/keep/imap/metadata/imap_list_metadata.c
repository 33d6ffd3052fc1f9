// SPDX-License-Identifier: Apache-2.0
//
// RETURN (METADATA (...)) of LIST (RFC 9590): what GETMETADATA would say of each mailbox.
#include "keep/imap/imap_place.h"
#include "keep/imap/metadata/imap_metadata.h"

#include "base/banned.h"

bool imap_list_metadata(struct imap_session *s, const struct imap_list_mailbox *m, void **cursor)
{
    struct metadata_cursor *c = *cursor;
    struct view *v = NULL, *own = NULL;

    if (!imap_place_may_annotate(m->rights)) {
        return true;
    }
    if (!c) {
        c = *cursor = arena_zalloc(&s->arena, 1, sizeof(*c));
    }
    if (c && !imap_view_open(s, m->account, &v) &&
        (m->account == s->account || !imap_view_open(s, s->account, &own))) {
        struct metadata_source from = metadata_source_of(s, v, own ? own : v, m->mailbox);

        if (metadata_write(s, &s->command.list.metadata, &from, m->name, c)) {
            c->is_done = true; // as with STATUS, LIST itself goes on
        }
    } else if (c) {
        c->is_done = true;
    }
    view_close(v);
    view_close(own);
    if (!c || c->is_done) {
        if (c) {
            *c = (struct metadata_cursor){0};
        }
        return true;
    }
    return false;
}

bool imap_list_metadata_is_good(struct imap_session *s)
{
    return metadata_get_check(&s->command.list.metadata) == ERR_OK;
}
