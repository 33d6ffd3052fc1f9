// SPDX-License-Identifier: Apache-2.0
//
// GETMETADATA and SETMETADATA (RFC 5464 sections 4.2, 4.3, 5). The options stand before the mailbox
// in the RFC's grammar and behind it in its examples: both are taken.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

#define TOO_MANY "there are over 100 entries"

// An empty string is the server.
static enum err take_place(struct imap_cursor *c, struct span *out)
{
    size_t from = c->at;

    if (imap_peek(c) == '"' || imap_peek(c) == '{') {
        TRY(imap_take_string(c, "expected a mailbox name", out));
        if (!out->n) {
            return ERR_OK;
        }
        c->at = from;
    }
    return imap_take_mailbox(c, false, out);
}

// ---- GETMETADATA --------------------------------------------------------------------------------

static bool is_at_options(const struct imap_cursor *c)
{
    return imap_looking_at(c, SPAN("(MAXSIZE ")) || imap_looking_at(c, SPAN("(DEPTH "));
}

static enum err take_option(struct imap_cursor *c, struct imap_metadata_get *out)
{
    static const struct imap_word depths[] = {
        {"0", IMAP_METADATA_DEPTH_0},
        {"1", IMAP_METADATA_DEPTH_1},
        {"INFINITY", IMAP_METADATA_INFINITY},
        {NULL, 0},
    };
    uint32_t depth;
    uint64_t bytes;

    if (imap_take_word(c, SPAN("MAXSIZE"))) {
        TRY(imap_take_space(c, "expected a space after MAXSIZE"));
        TRY(imap_take_number(c, 0, UINT32_MAX, "expected a number of bytes", &bytes));
        out->has_maxsize = true;
        out->maxsize = (uint32_t)bytes;
        return ERR_OK;
    }
    if (!imap_take_word(c, SPAN("DEPTH"))) {
        return imap_expected(c, "expected MAXSIZE or DEPTH");
    }
    TRY(imap_take_space(c, "expected a space after DEPTH"));
    TRY(imap_take_table_word(c, depths, "expected 0, 1 or infinity", &depth));
    out->depth = (enum imap_metadata_depth)depth;
    return ERR_OK;
}

static enum err take_options(struct imap_cursor *c, struct imap_metadata_get *out)
{
    bool end = false;

    c->at++;
    while (!end) {
        TRY(take_option(c, out));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the option", &end));
    }
    return imap_take_space(c, "expected a space after the options");
}

static enum err take_entries(struct imap_cursor *c, struct imap_metadata_get *out)
{
    struct imap_list_builder entries;
    bool open = imap_take(c, '('), end = false;

    imap_list_begin(&entries, sizeof(struct span), IMAP_METADATA_ENTRIES_MAX);
    while (!end) {
        void *item;

        TRY(imap_list_add(c, &entries, TOO_MANY, &item));
        TRY(imap_take_astring(c, "expected an entry such as /shared/comment", item));
        end = true;
        if (open) {
            TRY(imap_take_next_or_close(c, "expected a space or \")\" after the entry", &end));
        }
    }
    out->entries = entries.items;
    out->n = entries.n;
    return ERR_OK;
}

enum err imap_take_metadata(struct imap_cursor *c, struct imap_metadata_get *out)
{
    if (is_at_options(c)) {
        TRY(take_options(c, out));
    }
    return take_entries(c, out);
}

enum err imap_parse_getmetadata(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_metadata_get *get = &out->getmetadata;

    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    if (imap_peek(c) == '(') {
        TRY(take_options(c, get));
    }
    TRY(take_place(c, &get->mailbox));
    TRY(imap_take_space(c, "expected a space after the mailbox name"));
    return imap_take_metadata(c, get);
}

// ---- SETMETADATA --------------------------------------------------------------------------------

enum err imap_parse_setmetadata(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_list_builder values;
    bool end = false;

    imap_list_begin(&values, sizeof(struct imap_pair), IMAP_METADATA_ENTRIES_MAX);
    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    TRY(take_place(c, &out->setmetadata.mailbox));
    TRY(imap_take_space(c, "expected a space after the mailbox name"));
    TRY(imap_take_byte(c, '(', "expected \"(\" before the entries"));
    while (!end) {
        struct imap_pair *pair;
        void *item;

        TRY(imap_list_add(c, &values, TOO_MANY, &item));
        pair = item;
        TRY(imap_take_astring(c, "expected an entry such as /shared/comment", &pair->name));
        TRY(imap_take_space(c, "expected a space after the entry"));
        TRY(imap_take_nstring8(c, "expected a value as a string or NIL", &pair->value));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the value", &end));
    }
    out->setmetadata.values = values.items;
    out->setmetadata.n = values.n;
    return ERR_OK;
}
