// SPDX-License-Identifier: Apache-2.0
//
// Which commands, and which parts of them, are of a capability that the session goes without. Those
// that only promise something (LITERAL+, CHILDREN, APPENDLIMIT) are not announced, and that is all.
#include "keep/imap/imap_without.h"

#include "keep/imap/imap_session_internal.h"
#include "store/access/imap_without.h"

#include "base/banned.h"

// ---- finding out --------------------------------------------------------------------------------

// What cannot be read takes nothing away.
void imap_without_load(struct imap_session *s)
{
    const struct span *names;
    size_t n = 0;

    if (imap_without_get(s->server->store, s->account, &s->arena, &names, &n)) {
        n = 0;
    }
    s->account_without = (struct imap_without){0};
    for (size_t i = 0; i < n; i++) {
        imap_without_add(&s->account_without, names[i]);
    }
    imap_without_refresh(s);
}

bool imap_without_refresh(struct imap_session *s)
{
    struct imap_without before = s->without;

    s->without = s->account_without;
    lock_take(&s->server->lock);
    imap_clients_add(s->server->clients, span_of(s->client, s->client_n), &s->without);
    lock_release(&s->server->lock);
    s->is_without = !imap_without_is_empty(&s->without);
    return memcmp(&before, &s->without, sizeof(before)) != 0;
}

bool imap_is_without(const struct imap_session *s, const char *name)
{
    struct span capability;

    if (!s->is_without) {
        return false;
    }
    for (size_t i = 0; imap_capability_at(i, &capability); i++) {
        if (span_eq(capability, span_from_str(name))) {
            return imap_without_has(&s->without, i);
        }
    }
    return false;
}

// ---- commands -----------------------------------------------------------------------------------

// Whole commands.
static const struct {
    enum imap_command_id id;
    const char *name;
} commands[] = {
    {IMAP_COMPARATOR, "I18NLEVEL=2"},
    {IMAP_DELETEACL, "ACL"},
    {IMAP_ESEARCH, "MULTISEARCH"},
    {IMAP_ENABLE, "ENABLE"},
    {IMAP_GETACL, "ACL"},
    {IMAP_GETMETADATA, "METADATA"},
    {IMAP_GETQUOTA, "QUOTA"},
    {IMAP_GETQUOTAROOT, "QUOTA"},
    {IMAP_IDLE, "IDLE"},
    {IMAP_LANGUAGE, "LANGUAGE"},
    {IMAP_LISTRIGHTS, "ACL"},
    {IMAP_MOVE, "MOVE"},
    {IMAP_MYRIGHTS, "ACL"},
    {IMAP_NAMESPACE, "NAMESPACE"},
    {IMAP_REPLACE, "REPLACE"},
    {IMAP_SETACL, "ACL"},
    {IMAP_SETMETADATA, "METADATA"},
    {IMAP_SETQUOTA, "QUOTA"},
    {IMAP_SORT, "SORT"},
    {IMAP_UNSELECT, "UNSELECT"},
};

// The first of these that is used and that the session goes without.
struct use {
    bool is_used;
    const char *name;
};

static const char *first(const struct imap_session *s, const struct use *uses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (uses[i].is_used && imap_is_without(s, uses[i].name)) {
            return uses[i].name;
        }
    }
    return NULL;
}
#define FIRST(s, ...)                                                                              \
    first(s, (const struct use[]){__VA_ARGS__},                                                    \
          sizeof((const struct use[]){__VA_ARGS__}) / sizeof(struct use))

static const char *of_list(const struct imap_session *s, const struct imap_list *list)
{
    return FIRST(
        s, {list->extended, "LIST-EXTENDED"}, {list->returns & IMAP_RETURN_STATUS, "LIST-STATUS"},
        {list->returns & IMAP_RETURN_MYRIGHTS, "LIST-MYRIGHTS"},
        {list->returns & IMAP_RETURN_METADATA, "LIST-METADATA"},
        {(list->returns & IMAP_RETURN_SPECIAL_USE) || (list->selection & IMAP_LIST_SPECIAL_USE),
         "SPECIAL-USE"});
}

static const char *of_status(const struct imap_session *s, uint32_t items)
{
    return FIRST(s, {items & IMAP_STATUS_SIZE, "STATUS=SIZE"},
                 {items & IMAP_STATUS_HIGHESTMODSEQ, "CONDSTORE"},
                 {items & IMAP_STATUS_MAILBOXID, "OBJECTID"});
}

static const char *of_search_key(enum imap_search_key key)
{
    switch (key) {
    case IMAP_SEARCH_OLDER:
    case IMAP_SEARCH_YOUNGER:
        return "WITHIN";
    case IMAP_SEARCH_EMAILID:
    case IMAP_SEARCH_THREADID:
        return "OBJECTID";
    case IMAP_SEARCH_SAVEDBEFORE:
    case IMAP_SEARCH_SAVEDON:
    case IMAP_SEARCH_SAVEDSINCE:
    case IMAP_SEARCH_SAVEDATESUPPORTED:
        return "SAVEDATE";
    case IMAP_SEARCH_FILTER:
        return "FILTERS";
    default:
        return NULL;
    }
}

static const char *of_search(const struct imap_session *s, const struct imap_search *search)
{
    for (size_t i = 0; i < search->n; i++) {
        const char *name = of_search_key(search->nodes[i].key);

        if (name && imap_is_without(s, name)) {
            return name;
        }
    }
    return FIRST(s, {search->extended, "ESEARCH"},
                 {search->returns & IMAP_SEARCH_RETURN_SAVE, "SEARCHRES"},
                 {search->returns & IMAP_SEARCH_RETURN_PARTIAL, "PARTIAL"},
                 {search->uses_modseq, "CONDSTORE"});
}

static const char *of_sort(const struct imap_session *s, const struct imap_sort *sort)
{
    for (size_t i = 0; i < sort->n; i++) {
        bool is_display = sort->criteria[i].key == IMAP_SORT_DISPLAYFROM ||
                          sort->criteria[i].key == IMAP_SORT_DISPLAYTO;

        if (is_display && imap_is_without(s, "SORT=DISPLAY")) {
            return "SORT=DISPLAY";
        }
    }
    return sort->search.extended && imap_is_without(s, "ESORT") ? "ESORT"
                                                                : of_search(s, &sort->search);
}

static const char *of_thread(const struct imap_session *s, const struct imap_thread *thread)
{
    static const char *const names[] = {
        [IMAP_THREAD_ORDEREDSUBJECT] = "THREAD=ORDEREDSUBJECT",
        [IMAP_THREAD_REFERENCES] = "THREAD=REFERENCES",
        [IMAP_THREAD_REFS] = "THREAD=REFS",
    };
    const char *name = names[thread->algorithm];

    return imap_is_without(s, name) ? name : of_search(s, &thread->search);
}

static const char *of_fetch(const struct imap_session *s, const struct imap_fetch *fetch)
{
    static const char *const names[] = {
        [IMAP_FETCH_MODSEQ] = "CONDSTORE",  [IMAP_FETCH_EMAILID] = "OBJECTID",
        [IMAP_FETCH_THREADID] = "OBJECTID", [IMAP_FETCH_SAVEDATE] = "SAVEDATE",
        [IMAP_FETCH_PREVIEW] = "PREVIEW",   [IMAP_FETCH_BINARY] = "BINARY",
        [IMAP_FETCH_BINARY_SIZE] = "BINARY"};

    for (size_t i = 0; i < fetch->n; i++) {
        const char *name = fetch->items[i].type < sizeof(names) / sizeof(*names)
                               ? names[fetch->items[i].type]
                               : NULL;

        if (name && imap_is_without(s, name)) {
            return name;
        }
    }
    return FIRST(s, {fetch->has_changedsince, "CONDSTORE"}, {fetch->vanished, "QRESYNC"},
                 {fetch->has_partial, "PARTIAL"});
}

// Parts of commands.
static const char *of_command(const struct imap_session *s)
{
    const struct imap_command *c = &s->command;

    switch (c->id) {
    case IMAP_APPEND:
        return FIRST(s, {c->append.first.literal8 && !c->append.first.utf8, "BINARY"},
                     {c->append.first.utf8, "UTF8=ACCEPT"});
    case IMAP_CREATE:
        return FIRST(s, {c->create.special_use, "CREATE-SPECIAL-USE"});
    case IMAP_EXPUNGE:
        return FIRST(s, {c->uid, "UIDPLUS"});
    case IMAP_FETCH:
        return of_fetch(s, &c->fetch);
    case IMAP_LIST:
        return of_list(s, &c->list);
    case IMAP_ESEARCH:
        return of_search(s, &c->multi.search);
    case IMAP_SEARCH:
        return of_search(s, &c->search);
    case IMAP_SELECT:
    case IMAP_EXAMINE:
        return FIRST(s, {c->select.condstore, "CONDSTORE"}, {c->select.has_qresync, "QRESYNC"});
    case IMAP_SORT:
        return of_sort(s, &c->sort);
    case IMAP_STATUS:
        return of_status(s, c->status.items);
    case IMAP_STORE:
        return FIRST(s, {c->store.has_unchangedsince, "CONDSTORE"});
    case IMAP_THREAD:
        return of_thread(s, &c->thread);
    default:
        return NULL;
    }
}

// What cannot be enabled is passed over as a name that nobody knows (RFC 5161 section 3.1).
static void leave_out(const struct imap_session *s, uint32_t *enable)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {IMAP_ENABLE_CONDSTORE, "CONDSTORE"},
        {IMAP_ENABLE_QRESYNC, "QRESYNC"},
        {IMAP_ENABLE_UTF8_ACCEPT, "UTF8=ACCEPT"},
        {IMAP_ENABLE_IMAP4REV2, "IMAP4rev2"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (imap_is_without(s, names[i].name)) {
            *enable &= ~names[i].bit;
        }
    }
}

const char *imap_without_refusal(struct imap_session *s)
{
    if (!s->is_without) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (commands[i].id == s->command.id && imap_is_without(s, commands[i].name)) {
            return commands[i].name;
        }
    }
    if (s->command.id == IMAP_ENABLE) {
        leave_out(s, &s->command.enable);
    }
    return of_command(s);
}
