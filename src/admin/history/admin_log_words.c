// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_internal.h"
#include "admin/history/admin_log_internal.h"
#include "base/bytes.h"
#include "store/metadata/metadata.h"

#include "base/banned.h"

#define TEXT_BYTES_MAX 4096

struct log_name {
    struct span name;
};

void log_names_learn(struct log_names *n, const struct change *c)
{
    char key[4];

    if (c->kind != CHANGE_MAILBOX_DELETED || c->before.n == 0) {
        return;
    }
    put_be32(key, c->mailbox);
    if (!map_get(&n->gone, span_of(key, sizeof(key)))) {
        struct log_name *name = arena_zalloc(n->arena, 1, sizeof(*name));

        if (name) {
            name->name = arena_dup(n->arena, c->before);
            map_put(&n->gone, span_of(key, sizeof(key)), name, NULL);
        }
    }
}

static struct span name_of(struct log_names *n, mailbox_id id)
{
    const struct mailbox *m;
    char key[4];

    if (id != 0 && view_mailbox(n->view, id, &m) == ERR_OK) {
        return m->name;
    }
    put_be32(key, id);
    const struct log_name *gone = map_get(&n->gone, span_of(key, sizeof(key)));

    return gone && gone->name.p ? gone->name : SPAN("a mailbox deleted since");
}

static uint64_t count_of(struct uid_set uids)
{
    uint64_t n = 0;

    for (size_t i = 0; i < uids.count; i++) {
        n += (uint64_t)uids.ranges[i].last - uids.ranges[i].first + 1;
    }
    return n;
}

static void put_count(struct buf *b, uint64_t n)
{
    buf_printf(b, n == 1 ? "1 message" : "%llu messages", (unsigned long long)n);
}

// ---- flags --------------------------------------------------------------------------------------

static const struct {
    enum message_flag flag;
    const char *name, *added, *removed;
} flag_words[] = {
    {FLAG_SEEN, "read", "marked %s as read", "marked %s as unread"},
    {FLAG_FLAGGED, "flagged", "flagged %s", "took the flag from %s"},
    {FLAG_ANSWERED, "answered", "marked %s as answered", "marked %s as not answered"},
    {FLAG_DELETED, "deleted", "marked %s for deletion", "took the mark for deletion from %s"},
    {FLAG_DRAFT, "draft", "marked %s as a draft", "marked %s as no draft"},
};
#define FLAG_WORDS (sizeof(flag_words) / sizeof(flag_words[0]))

// "read, flagged, $Label1"; false when there is nothing.
static bool put_flag_list(struct buf *b, struct log_names *n, mailbox_id mailbox,
                          const struct change_flags *f)
{
    const struct span *names;
    size_t count = 0, start = b->n;

    for (size_t i = 0; i < FLAG_WORDS; i++) {
        if (f->flags & flag_words[i].flag) {
            buf_printf(b, "%s%s", b->n > start ? ", " : "", flag_words[i].name);
        }
    }
    if (view_keywords(n->view, mailbox, &names, &count) != ERR_OK) {
        count = 0;
    }
    for (size_t i = 0; i < count && i < 64; i++) {
        if (f->keywords & (1ull << i)) {
            buf_printf(b, "%s%.*s", b->n > start ? ", " : "", SPAN_ARG(names[i]));
        }
    }
    for (unsigned i = 0; i < f->more_count; i++) {
        if (f->more[i] < count) {
            buf_printf(b, "%s%.*s", b->n > start ? ", " : "", SPAN_ARG(names[f->more[i]]));
        }
    }
    return b->n > start;
}

// One flag and nothing else has words of its own.
static const char *single_flag_words(const struct change_flags_done *d)
{
    if (d->what.keywords != 0 || d->what.more_count > 0 || d->how == FLAGS_SET) {
        return NULL;
    }
    for (size_t i = 0; i < FLAG_WORDS; i++) {
        if (d->what.flags == flag_words[i].flag) {
            return d->how == FLAGS_ADD ? flag_words[i].added : flag_words[i].removed;
        }
    }
    return NULL;
}

static void put_flags(struct buf *b, struct log_names *n, const struct change *c)
{
    struct change_flags_done done;
    struct span name = name_of(n, c->mailbox);
    uint64_t count = count_of(c->uids);
    char messages[64], list_bytes[1024];
    struct buf list = {.p = list_bytes, .cap = sizeof(list_bytes), .max = sizeof(list_bytes)};
    struct buf words = {.p = messages, .cap = sizeof(messages), .max = sizeof(messages)};

    put_count(&words, count);
    buf_put_byte(&words, '\0');
    if (!change_flags_done(c->after, &done)) {
        buf_printf(b, "changed the flags of %s in %.*s", messages, SPAN_ARG(name));
        return;
    }
    const char *single = single_flag_words(&done);

    if (single) {
        buf_printf(b, single, messages);
        buf_printf(b, " in %.*s", SPAN_ARG(name));
        return;
    }
    if (!put_flag_list(&list, n, c->mailbox, &done.what)) {
        buf_printf(b, "took all flags from %s in %.*s", messages, SPAN_ARG(name));
        return;
    }
    buf_printf(b,
               done.how == FLAGS_SET   ? "set %s in %.*s to: %.*s"
               : done.how == FLAGS_ADD ? "marked %s in %.*s: %.*s"
                                       : "took from %s in %.*s: %.*s",
               messages, SPAN_ARG(name), SPAN_ARG(buf_span(&list)));
}

// ---- records ------------------------------------------------------------------------------------

// "did something to N messages in X".
static void put_messages(struct buf *b, struct log_names *n, const struct change *c,
                         const char *verb, const char *where)
{
    buf_printf(b, "%s ", verb);
    put_count(b, count_of(c->uids));
    buf_printf(b, " %s %.*s", where, SPAN_ARG(name_of(n, c->mailbox)));
}

static void put_from_to(struct buf *b, struct log_names *n, const struct change *c,
                        const char *verb)
{
    buf_printf(b, "%s ", verb);
    put_count(b, count_of(c->uids));
    buf_printf(b, " from %.*s to %.*s", SPAN_ARG(name_of(n, c->other_mailbox)),
               SPAN_ARG(name_of(n, c->mailbox)));
}

static void put_arrived(struct buf *b, struct log_names *n, const struct change *c)
{
    put_messages(b, n, c,
                 c->by.kind == ACTOR_IMPORT     ? "imported"
                 : c->by.kind == ACTOR_DELIVERY ? "delivered"
                                                : "saved",
                 c->by.kind == ACTOR_IMPORT     ? "into"
                 : c->by.kind == ACTOR_DELIVERY ? "to"
                                                : "in");
    if (c->after.n) {
        buf_printf(b, ": %.*s", SPAN_ARG(c->after));
    }
}

static void put_mailbox(struct buf *b, struct log_names *n, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_MAILBOX_CREATED:
        buf_printf(b, "created the mailbox %.*s",
                   SPAN_ARG(c->after.n > 0 ? c->after : name_of(n, c->mailbox)));
        break;
    case CHANGE_MAILBOX_DELETED:
        buf_printf(b, "deleted the mailbox %.*s", SPAN_ARG(c->before));
        break;
    case CHANGE_MAILBOX_RENAMED:
        buf_printf(b, "renamed the mailbox %.*s to %.*s", SPAN_ARG(c->before), SPAN_ARG(c->after));
        break;
    case CHANGE_SUBSCRIPTION:
        buf_printf(b, "%s %.*s", c->value ? "subscribed to" : "unsubscribed from",
                   SPAN_ARG(c->after));
        break;
    default:
        buf_printf(b, "changed what the mailbox %.*s is for", SPAN_ARG(name_of(n, c->mailbox)));
        break;
    }
}

// "anna@example.org lrs" has the rights behind the name, or none.
static void put_acl(struct buf *b, struct log_names *n, const struct change *c)
{
    if (!c->mailbox) {
        buf_put(b, c->after);
        return;
    }
    buf_printf(b, "changed who may use the mailbox %.*s: %.*s", SPAN_ARG(name_of(n, c->mailbox)),
               SPAN_ARG(c->after));
    buf_put_str(b, span_ends(c->after, SPAN(" ")) ? "no rights" : "");
    buf_printf(b, " (before: %.*s", SPAN_ARG(c->before));
    buf_put_str(b, span_ends(c->before, SPAN(" ")) ? "no rights)" : ")");
}

static void put_metadata(struct buf *b, struct log_names *n, const struct change *c)
{
    struct metadata_changed m;

    if (!metadata_change_read(c, &m)) {
        return;
    }
    buf_printf(b, "changed the metadata %.*s", SPAN_ARG(m.name));
    if (m.where.owner) {
        buf_put_str(b, " kept on somebody else's mailbox");
    } else if (m.where.mailbox) {
        buf_printf(b, " of the mailbox %.*s", SPAN_ARG(name_of(n, m.where.mailbox)));
    }
    if (m.was_there) {
        buf_printf(b, " (before: %llu bytes)", (unsigned long long)m.before_bytes);
    }
}

static void put_seen(struct buf *b, struct log_names *n, const struct change *c)
{
    if (!c->value) {
        put_messages(b, n, c, "gave one \\Seen for all to", "in");
        return;
    }
    bool is_seen = c->after.n && c->after.p[0];

    put_messages(b, n, c, "marked", "in");
    buf_put_str(b, is_seen ? " as read for themselves" : " as unread for themselves");
}

static void put_account(struct buf *b, const struct change *c)
{
    if (span_starts(c->after, SPAN("opened the "))) { // auth/read_as.c
        buf_put(b, c->after);
    } else {
        buf_printf(b, "changed the account: %.*s", SPAN_ARG(c->after));
    }
}

static void put_what(struct buf *b, struct log_names *n, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_ARRIVED:
        put_arrived(b, n, c);
        break;
    case CHANGE_FLAGS:
        put_flags(b, n, c);
        break;
    case CHANGE_COPIED:
        put_from_to(b, n, c, "copied");
        break;
    case CHANGE_MOVED_IN:
        put_from_to(b, n, c, "moved");
        break;
    case CHANGE_EXPUNGED:
        put_messages(b, n, c, "removed", "from");
        break;
    case CHANGE_RESTORED:
        put_messages(b, n, c, "brought back", "into");
        break;
    case CHANGE_MAILBOX_CREATED:
    case CHANGE_MAILBOX_DELETED:
    case CHANGE_MAILBOX_RENAMED:
    case CHANGE_SUBSCRIPTION:
    case CHANGE_SPECIAL_USE:
        put_mailbox(b, n, c);
        break;
    case CHANGE_QUOTA:
        buf_put_str(b, "changed the quota");
        break;
    case CHANGE_ACCOUNT:
        put_account(b, c);
        break;
    case CHANGE_FORGOTTEN:
        buf_put_str(b, "dropped for good ");
        put_count(b, c->value);
        buf_put_str(b, " removed long ago");
        break;
    case CHANGE_REPAIRED:
        buf_printf(b, "repaired the store: %.*s", SPAN_ARG(c->after));
        break;
    case CHANGE_ROUTE:
        buf_printf(b, "changed where mail goes: %.*s", SPAN_ARG(c->after));
        break;
    case CHANGE_RULES:
        buf_printf(b, "changed the rules: %.*s", SPAN_ARG(c->after));
        break;
    case CHANGE_SENT:
        buf_printf(b, "sent mail: %.*s", SPAN_ARG(c->after));
        break;
    case CHANGE_DEVICE:
        buf_printf(b, "changed who gets in: %.*s", SPAN_ARG(c->after));
        break;
    case CHANGE_ACL:
        put_acl(b, n, c);
        break;
    case CHANGE_METADATA:
        put_metadata(b, n, c);
        break;
    case CHANGE_SEEN:
        put_seen(b, n, c);
        break;
    case CHANGE_MOVED_OUT: // said with where to
        break;
    }
}

static const char *const kind_names[] = {
    [CHANGE_ARRIVED] = "arrived",
    [CHANGE_FLAGS] = "flags",
    [CHANGE_COPIED] = "copied",
    [CHANGE_MOVED_IN] = "moved",
    [CHANGE_EXPUNGED] = "removed",
    [CHANGE_RESTORED] = "restored",
    [CHANGE_MAILBOX_CREATED] = "mailbox created",
    [CHANGE_MAILBOX_DELETED] = "mailbox deleted",
    [CHANGE_MAILBOX_RENAMED] = "mailbox renamed",
    [CHANGE_SUBSCRIPTION] = "subscription",
    [CHANGE_SPECIAL_USE] = "special use",
    [CHANGE_QUOTA] = "quota",
    [CHANGE_ACCOUNT] = "account",
    [CHANGE_FORGOTTEN] = "forgotten",
    [CHANGE_REPAIRED] = "repaired",
    [CHANGE_ROUTE] = "route",
    [CHANGE_RULES] = "rules",
    [CHANGE_SENT] = "sent",
    [CHANGE_DEVICE] = "device",
    [CHANGE_ACL] = "sharing",
    [CHANGE_METADATA] = "metadata",
    [CHANGE_SEEN] = "seen",
};

// "Thunderbird (192.0.2.7)", "the administrator".
static void put_who(struct buf *b, const struct actor *by)
{
    static const char *const words[] = {
        [ACTOR_SYSTEM] = "Mailkeep",          [ACTOR_USER] = "A mail program",
        [ACTOR_DELIVERY] = "Delivery",        [ACTOR_ADMIN] = "The administrator",
        [ACTOR_IMPORT] = "The administrator",
    };

    if (by->kind == ACTOR_USER && by->device.n > 0) {
        buf_put(b, by->device);
    } else {
        buf_put_str(b, by->kind <= ACTOR_IMPORT ? words[by->kind] : "Somebody");
    }
    if (by->kind == ACTOR_ADMIN && span_starts(by->device, SPAN("undo "))) {
        buf_printf(b, ", %.*s", SPAN_ARG(by->device));
    }
    if (by->origin.n > 0) {
        buf_printf(b, by->kind == ACTOR_DELIVERY ? " (from %.*s)" : " (%.*s)",
                   SPAN_ARG(by->origin));
    }
}

json_t *log_record_json(struct log_names *n, const struct change *c)
{
    char who_bytes[512], what_bytes[TEXT_BYTES_MAX];
    struct buf who = {.p = who_bytes, .cap = sizeof(who_bytes), .max = sizeof(who_bytes)};
    struct buf what = {.p = what_bytes, .cap = sizeof(what_bytes), .max = sizeof(what_bytes)};

    if (c->kind == CHANGE_MOVED_OUT) {
        return NULL;
    }
    put_who(&who, &c->by);
    put_what(&what, n, c);
    json_t *j = json_pack("{s:I, s:I, s:o, s:o}", "number", (json_int_t)c->number, "when_ms",
                          (json_int_t)c->when_ms, "who", admin_json_text(buf_span(&who)), "what",
                          admin_json_text(buf_span(&what)));

    if (!j) {
        return NULL;
    }
    admin_json_time(j, "time", c->when_ms / 1000);
    if (c->kind < sizeof(kind_names) / sizeof(kind_names[0]) && kind_names[c->kind]) {
        json_object_set_new(j, "kind", json_string(kind_names[c->kind]));
    }
    if (c->by.device.n > 0) {
        json_object_set_new(j, "device", admin_json_text(c->by.device));
    }
    if (c->by.device_id) {
        json_object_set_new(j, "device_id", json_integer((json_int_t)c->by.device_id));
    }
    if (c->by.origin.n > 0) {
        json_object_set_new(j, "origin", admin_json_text(c->by.origin));
    }
    if (c->kind == CHANGE_ARRIVED && c->after.n > 0) {
        json_object_set_new(j, "verdict", admin_json_text(c->after));
    }
    if (c->mailbox != 0) {
        json_object_set_new(j, "mailbox", admin_json_text(name_of(n, c->mailbox)));
    }
    if (c->other_mailbox != 0) {
        json_object_set_new(j, "other_mailbox", admin_json_text(name_of(n, c->other_mailbox)));
    }
    if (c->uids.count > 0) {
        json_object_set_new(j, "messages", json_integer((json_int_t)count_of(c->uids)));
    }
    return j;
}
