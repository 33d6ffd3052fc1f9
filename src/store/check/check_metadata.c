// SPDX-License-Identifier: Apache-2.0
//
// Counts the entries of the account's metadata again. One that cannot be read is not mended: what
// it said is for people to say, and writing it anew mends it. One of a mailbox that is not there
// goes; on mailboxes of others such a one is no damage (metadata/metadata.h).
#include "store/belongings_internal.h"
#include "store/check/check_internal.h"
#include "store/metadata/metadata.h"

#include "base/banned.h"

static void count_in(struct check *c, const struct metadata_entry *entry)
{
    c->counted.metadata++;
    c->counted.metadata_bytes += metadata_entry_bytes(entry);
}

// The entry says what the mailbox is; where they differ the mailbox is right.
static enum err mend_switch(struct check *c, struct metadata_entry *entry)
{
    const struct check_mailbox *m = check_mailbox_find(c, entry->where.mailbox);

    check_problem(c, true, "mailbox \"%.*s\": \"%s\" is not what the mailbox does",
                  SPAN_ARG(m->record.is.name), METADATA_SEEN);
    if (!c->ed) {
        return ERR_OK;
    }
    entry->name = SPAN(METADATA_SEEN);
    entry->value = m->record.is.seen_since ? SPAN(METADATA_SEEN_OWN) : SPAN(METADATA_SEEN_SHARED);
    return metadata_edit_seen(c->ed, entry->where.mailbox, entry->value);
}

static enum err check_switch(struct check *c, struct metadata_entry *entry)
{
    struct check_mailbox *m = NULL;
    enum err e = ERR_OK;

    if (!entry->where.owner && entry->where.mailbox && metadata_name_is_seen(entry->name)) {
        m = check_mailbox_find(c, entry->where.mailbox);
    }
    if (m && !m->is_broken) {
        m->has_switch = true;
        if ((m->record.is.seen_since != 0) != span_eq(entry->value, SPAN(METADATA_SEEN_OWN))) {
            e = mend_switch(c, entry);
        }
    }
    count_in(c, entry);
    return e;
}

static enum err check_entry(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct metadata_entry entry;

    if (metadata_decode(key, value, &entry) != ERR_OK || entry.changed > c->v->version) {
        check_problem(c, false, "an entry of the metadata cannot be read");
        return ERR_OK;
    }
    if (!entry.where.owner && entry.where.mailbox && !check_mailbox_find(c, entry.where.mailbox)) {
        check_problem(c, true, "the metadata %.*s is of a mailbox that is not there",
                      SPAN_ARG(entry.name));
        if (c->ed) {
            return batch_delete(c->ed->batch, key);
        }
    }
    return check_switch(c, &entry);
}

enum err check_metadata(struct check *c)
{
    struct key rows = key_plain(KEY_METADATA);

    enum err e = view_each(c->v, &rows, check_entry, c);

    for (size_t i = 0; i < c->mailbox_count && e == ERR_OK; i++) {
        struct check_mailbox *m = &c->mailboxes[i];
        struct metadata_entry entry = {.where = {.mailbox = m->record.is.id}};

        if (!m->is_broken && m->record.is.seen_since && !m->has_switch) {
            e = mend_switch(c, &entry);
            if (c->ed) {
                count_in(c, &entry);
            }
        }
    }
    return e;
}
