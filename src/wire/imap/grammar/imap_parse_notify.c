// SPDX-License-Identifier: Apache-2.0
//
// NOTIFY (RFC 5465 section 8). What the section forbids in words is refused here, too.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

static const struct imap_word events[] = {
    {"MessageNew", IMAP_EVENT_MESSAGE_NEW},
    {"MessageExpunge", IMAP_EVENT_MESSAGE_EXPUNGE},
    {"FlagChange", IMAP_EVENT_FLAG_CHANGE},
    {"AnnotationChange", IMAP_EVENT_ANNOTATION_CHANGE},
    {"MailboxName", IMAP_EVENT_MAILBOX_NAME},
    {"SubscriptionChange", IMAP_EVENT_SUBSCRIPTION_CHANGE},
    {"MailboxMetadataChange", IMAP_EVENT_MAILBOX_METADATA_CHANGE},
    {"ServerMetadataChange", IMAP_EVENT_SERVER_METADATA_CHANGE},
    {NULL, 0},
};

void imap_events_write(struct buf *out, uint32_t bits)
{
    const char *before = "";

    for (const struct imap_word *w = events; w->name; w++) {
        if (bits & w->value) {
            buf_put_str(out, before);
            buf_put_str(out, w->name);
            before = " ";
        }
    }
}

static uint32_t event_of(struct span name)
{
    for (const struct imap_word *w = events; w->name; w++) {
        if (span_eq_nocase(span_from_str(w->name), name)) {
            return w->value;
        }
    }
    return IMAP_EVENT_OTHER;
}

static bool is_selected(const struct imap_event_group *g)
{
    return g->filter == IMAP_NOTIFY_SELECTED || g->filter == IMAP_NOTIFY_SELECTED_DELAYED;
}

// ---- which mailboxes ----------------------------------------------------------------------------

static enum err take_names(struct imap_cursor *c, struct imap_event_group *g)
{
    struct imap_list_builder names;
    bool is_list, end = true;

    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    imap_list_begin(&names, sizeof(struct span), IMAP_NOTIFY_NAMES_MAX);
    is_list = imap_take(c, '(');
    do {
        void *name;

        TRY(imap_list_add(c, &names, "too many mailboxes", &name));
        TRY(imap_take_mailbox(c, false, name));
        if (is_list) {
            TRY(imap_take_next_or_close(c, "expected a space or \")\" after the mailbox", &end));
        }
    } while (!end);
    g->names = names.items;
    g->name_n = names.n;
    return ERR_OK;
}

static enum err take_filter(struct imap_cursor *c, struct imap_event_group *g)
{
    static const struct imap_word filters[] = {
        {"SELECTED", IMAP_NOTIFY_SELECTED},     {"SELECTED-DELAYED", IMAP_NOTIFY_SELECTED_DELAYED},
        {"INBOXES", IMAP_NOTIFY_INBOXES},       {"PERSONAL", IMAP_NOTIFY_PERSONAL},
        {"SUBSCRIBED", IMAP_NOTIFY_SUBSCRIBED}, {"SUBTREE", IMAP_NOTIFY_SUBTREE},
        {"MAILBOXES", IMAP_NOTIFY_MAILBOXES},   {NULL, 0},
    };
    uint32_t value;

    TRY(imap_take_table_word(c, filters, "expected mailboxes such as SELECTED or PERSONAL",
                             &value));
    g->filter = (enum imap_notify_filter)value;
    return g->filter == IMAP_NOTIFY_SUBTREE || g->filter == IMAP_NOTIFY_MAILBOXES ? take_names(c, g)
                                                                                  : ERR_OK;
}

// ---- which events -------------------------------------------------------------------------------

static enum err take_event(struct imap_cursor *c, struct imap_event_group *g)
{
    size_t from = c->at;
    struct span name;

    TRY(imap_take_atom(c, "expected an event such as MessageNew", &name));
    uint32_t event = event_of(name);

    if (is_selected(g) && !(event & (IMAP_EVENTS_MESSAGE | IMAP_EVENT_OTHER))) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                         "only events of messages go with the selected mailbox");
    }
    g->events |= event;
    if (event != IMAP_EVENT_MESSAGE_NEW || !imap_looking_at(c, SPAN(" ("))) {
        return ERR_OK;
    }
    if (!is_selected(g)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, c->at,
                         "items to fetch go with the selected mailbox only");
    }
    c->at++;
    return imap_take_fetch_items(c, &g->items, &g->item_n);
}

// RFC 5465 section 5.
static enum err check_events(struct imap_cursor *c, size_t from, uint32_t e)
{
    const uint32_t both = IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE;

    if (e & IMAP_EVENTS_MESSAGE && (e & both) != both) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                         "events of messages need both MessageNew and MessageExpunge");
    }
    return ERR_OK;
}

static enum err take_events(struct imap_cursor *c, struct imap_event_group *g)
{
    size_t from = c->at;
    bool end = false;

    if (imap_take_word(c, SPAN("NONE"))) {
        return ERR_OK;
    }
    TRY(imap_take_byte(c, '(', "expected \"(\" and events, or NONE"));
    while (!end) {
        TRY(take_event(c, g));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the event", &end));
    }
    return check_events(c, from, g->events);
}

// ---- the command --------------------------------------------------------------------------------

static enum err take_group(struct imap_cursor *c, struct imap_list_builder *groups,
                           bool *has_selected)
{
    size_t from = c->at;
    void *item;

    TRY(imap_take_byte(c, '(', "expected \"(\" and an event group"));
    TRY(imap_list_add(c, groups, "too many event groups", &item));
    struct imap_event_group *g = item;

    TRY(take_filter(c, g));
    if (is_selected(g) && *has_selected) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "the selected mailbox may stand once only");
    }
    *has_selected |= is_selected(g);
    TRY(imap_take_space(c, "expected a space and the events"));
    TRY(take_events(c, g));
    return imap_take_byte(c, ')', "expected \")\" after the events");
}

enum err imap_parse_notify(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_notify_request *r = &out->notify;
    struct imap_list_builder groups;
    bool has_selected = false;

    TRY(imap_take_space(c, "expected a space and SET or NONE"));
    if (imap_take_word(c, SPAN("NONE"))) {
        return ERR_OK;
    }
    if (!imap_take_word(c, SPAN("SET"))) {
        return imap_expected(c, "expected SET or NONE");
    }
    r->is_set = true;
    TRY(imap_take_space(c, "expected a space and event groups"));
    if (imap_take_word(c, SPAN("STATUS"))) {
        r->status = true;
        TRY(imap_take_space(c, "expected a space and event groups"));
    }
    imap_list_begin(&groups, sizeof(struct imap_event_group), IMAP_NOTIFY_GROUPS_MAX);
    do {
        TRY(take_group(c, &groups, &has_selected));
    } while (imap_looking_at(c, SPAN(" (")) && imap_take(c, ' '));
    r->groups = groups.items;
    r->n = groups.n;
    return ERR_OK;
}
