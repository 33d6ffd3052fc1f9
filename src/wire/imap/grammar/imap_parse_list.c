// SPDX-License-Identifier: Apache-2.0
//
// LIST in both its forms (RFC 9051 section 6.3.9, RFC 5258, 5819, 6154) and LSUB.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

// "(SUBSCRIBED RECURSIVEMATCH)"
static enum err take_selection(struct imap_cursor *c, struct imap_list *list)
{
    static const struct imap_word options[] = {
        {"SUBSCRIBED", IMAP_LIST_SUBSCRIBED},
        {"REMOTE", IMAP_LIST_REMOTE},
        {"RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH},
        {"SPECIAL-USE", IMAP_LIST_SPECIAL_USE},
        {NULL, 0},
    };
    size_t from = c->at++;
    bool end = imap_take(c, ')');

    while (!end) {
        uint32_t bit;

        TRY(imap_take_table_word(c, options, "expected a selection option such as SUBSCRIBED",
                                 &bit));
        list->selection |= bit;
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the option", &end));
    }
    // RFC 5258 section 3.1: it says how another option matches.
    if ((list->selection & IMAP_LIST_RECURSIVEMATCH) &&
        !(list->selection & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE))) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                         "RECURSIVEMATCH needs another selection option");
    }
    list->extended = true;
    return ERR_OK;
}

// "(%.x INBOX)" or one pattern.
static enum err take_patterns(struct imap_cursor *c, bool many, struct imap_list *list)
{
    struct imap_list_builder names;
    bool open = many && imap_take(c, '('), end = false;

    imap_list_begin(&names, sizeof(struct span), IMAP_LIST_NAMES_MAX);
    while (!end) {
        void *item;

        TRY(imap_list_add(c, &names, "LIST has over 1000 patterns", &item));
        TRY(imap_take_pattern(c, true, item));
        end = true;
        if (open) {
            TRY(imap_take_next_or_close(c, "expected a space or \")\" after the pattern", &end));
        }
    }
    list->extended |= open;
    list->patterns = names.items;
    list->n = names.n;
    return ERR_OK;
}

static enum err take_return_option(struct imap_cursor *c, struct imap_list *list)
{
    static const struct imap_word options[] = {
        {"SUBSCRIBED", IMAP_RETURN_SUBSCRIBED},
        {"CHILDREN", IMAP_RETURN_CHILDREN},
        {"SPECIAL-USE", IMAP_RETURN_SPECIAL_USE},
        {"STATUS", IMAP_RETURN_STATUS},
        {"MYRIGHTS", IMAP_RETURN_MYRIGHTS},
        {"METADATA", IMAP_RETURN_METADATA},
        {NULL, 0},
    };
    uint32_t bit;

    TRY(imap_take_table_word(c, options, "expected a return option such as CHILDREN", &bit));
    list->returns |= bit;
    if (bit == IMAP_RETURN_METADATA) { // RFC 9590
        TRY(imap_take_space(c, "expected a space after METADATA"));
        return imap_take_metadata(c, &list->metadata);
    }
    if (bit != IMAP_RETURN_STATUS) {
        return ERR_OK;
    }
    TRY(imap_take_space(c, "expected a space after STATUS"));
    return imap_take_status_items(c, &list->status_items);
}

// "RETURN (CHILDREN STATUS (UNSEEN))"
static enum err take_returns(struct imap_cursor *c, struct imap_list *list)
{
    if (!imap_take_word(c, SPAN("RETURN"))) {
        return imap_expected(c, "expected RETURN or the end of the command");
    }
    TRY(imap_take_space(c, "expected a space after RETURN"));
    TRY(imap_take_byte(c, '(', "expected \"(\" after RETURN"));
    bool end = imap_take(c, ')');

    while (!end) {
        TRY(take_return_option(c, list));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the option", &end));
    }
    list->extended = true;
    return ERR_OK;
}

enum err imap_parse_list(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_list *list = &out->list;
    bool extended = out->id == IMAP_LIST;

    TRY(imap_take_space(c, "expected a space and a reference name"));
    if (extended && imap_peek(c) == '(') {
        TRY(take_selection(c, list));
        TRY(imap_take_space(c, "expected a space after the selection options"));
    }
    TRY(imap_take_pattern(c, false, &list->reference));
    TRY(imap_take_space(c, "expected a space after the reference name"));
    TRY(take_patterns(c, extended, list));
    if (!extended || !imap_take(c, ' ') || imap_at_end(c)) {
        return ERR_OK;
    }
    return take_returns(c, list);
}
