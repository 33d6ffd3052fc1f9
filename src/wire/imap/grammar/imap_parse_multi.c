// SPDX-License-Identifier: Apache-2.0
//
// ESEARCH, the search of several mailboxes (RFC 7377), with the names of mailboxes as RFC 5465
// section 6 writes them.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

// "INBOX" or "(INBOX Sent)".
static enum err take_names(struct imap_cursor *c, struct imap_source *out)
{
    struct imap_list_builder names;
    bool end = false, open;
    void *item;

    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    open = imap_take(c, '(');
    imap_list_begin(&names, sizeof(struct span), IMAP_SOURCE_NAMES_MAX);
    while (!end) {
        TRY(imap_list_add(c, &names, "the command names over 1000 mailboxes", &item));
        TRY(imap_take_mailbox(c, false, item));
        end = true;
        if (open) {
            TRY(imap_take_next_or_close(c, "expected a space or \")\" after the name", &end));
        }
    }
    out->names = names.items;
    out->n = names.n;
    return ERR_OK;
}

static enum err take_source(struct imap_cursor *c, struct imap_source *out)
{
    static const struct imap_word kinds[] = {
        {"SELECTED", IMAP_SOURCE_SELECTED},   {"INBOXES", IMAP_SOURCE_INBOXES},
        {"PERSONAL", IMAP_SOURCE_PERSONAL},   {"SUBSCRIBED", IMAP_SOURCE_SUBSCRIBED},
        {"SUBTREE", IMAP_SOURCE_SUBTREE},     {"SUBTREE-ONE", IMAP_SOURCE_SUBTREE_ONE},
        {"MAILBOXES", IMAP_SOURCE_MAILBOXES}, {NULL, 0},
    };
    uint32_t kind;

    TRY(imap_take_table_word(c, kinds, "expected a source such as personal or subtree", &kind));
    out->kind = (enum imap_source_kind)kind;
    return kind >= IMAP_SOURCE_SUBTREE ? take_names(c, out) : ERR_OK;
}

// "IN (selected subtree (a b)) ". Options for the scope would follow in parentheses; there are
// none, and unknown ones change what is searched.
static enum err take_sources(struct imap_cursor *c, struct imap_multi *out)
{
    struct imap_list_builder sources;
    bool end = false;
    void *item;

    TRY(imap_take_space(c, "expected a space after IN"));
    TRY(imap_take_byte(c, '(', "expected \"(\" after IN"));
    imap_list_begin(&sources, sizeof(struct imap_source), IMAP_SOURCES_MAX);
    while (!end) {
        if (sources.n && imap_peek(c) == '(') {
            return imap_expected(c, "there are no options for the scope of a search");
        }
        TRY(imap_list_add(c, &sources, "the command has over 100 sources", &item));
        TRY(take_source(c, item));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the source", &end));
    }
    out->sources = sources.items;
    out->n = sources.n;
    return imap_take_space(c, "expected a space after the sources");
}

enum err imap_parse_esearch(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a search key"));
    if (imap_take_word(c, SPAN("IN"))) {
        TRY(take_sources(c, &out->multi));
    }
    out->uid = true; // its answers are UIDs
    return imap_take_search(c, &out->multi.search);
}
