// SPDX-License-Identifier: Apache-2.0
//
// Counts the entries of the account's metadata again. One that cannot be read is not mended: what
// it said is for people to say, and writing it anew mends it. One of a mailbox that is not there
// goes; on mailboxes of others such a one is no damage (metadata/metadata.h).
#include "store/check/check_internal.h"
#include "store/metadata/metadata.h"

#include "base/banned.h"

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
    c->counted.metadata++;
    c->counted.metadata_bytes += metadata_entry_bytes(&entry);
    return ERR_OK;
}

enum err check_metadata(struct check *c)
{
    struct key rows = key_plain(KEY_METADATA);

    return view_each(c->v, &rows, check_entry, c);
}
