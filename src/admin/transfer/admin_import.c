// SPDX-License-Identifier: Apache-2.0
//
// import: takes messages from the asker into an account's mailboxes.
//
//     asker  {"op":"mailbox","name":..,"role":..,"subscribed":true}   where what follows belongs
//     we     {"mailbox":..,"created":bool,"messages":n}  or  {"refused":"why"}
//     asker  {"op":"message","bytes":n,"hash":..,"flags":n,"keywords":[..],"date":n,"zone":n}
//     we     {"want":bool}, with {"problems":[..]} when earlier messages were refused
//     asker  its bytes, when they are wanted
//     asker  {"op":"end"}
//     we     {"problems":[..]}, and the result {"added":n,"there":n,"refused":n}
//
// Messages are added in groups: one commit for many. A group that is refused as a whole is tried
// message by message, so that one bad message does not keep others out.
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "admin/transfer/import_index_internal.h"
#include "base/encode.h"
#include "mailfile/mailfile.h"
#include "store/append.h"
#include "store/quota.h"

#include "base/banned.h"

#define GROUP_MESSAGES 128
#define GROUP_BYTES    (8u << 20) // a group is added when it has so many
#define PROBLEMS_MAX   20         // told one by one in one answer; the rest is counted

struct import_message {
    struct incoming *incoming;
    uint64_t bytes, received;
    unsigned char hash[IMPORT_HASH_BYTES];
    struct append_item item;
    struct span keywords[MAIL_KEYWORDS_MAX]; // in the group's arena
};

struct import {
    struct admin_call *call;
    account_id account;
    bool is_dry;
    mailbox_id mailbox; // 0: none so far, or one that a dry run does not make
    struct span mailbox_name;
    struct import_index *index;
    struct arena group_arena;
    struct import_message *group;
    size_t group_count;
    uint64_t group_bytes;
    json_t *problems;
    uint64_t added, there, refused, keywords_dropped;
};

static void group_clear(struct import *m)
{
    for (size_t i = 0; i < m->group_count; i++) {
        incoming_destroy(m->group[i].incoming);
    }
    m->group_count = 0;
    m->group_bytes = 0;
    arena_reset(&m->group_arena);
}

static void problem_add(struct import *m, const char *text, const struct import_message *message)
{
    struct buf hex;

    m->refused++;
    if (json_array_size(m->problems) >= PROBLEMS_MAX) {
        return;
    }
    buf_init(&hex, IMPORT_HASH_BYTES * 2);
    hex_encode(&hex, span_of(message->hash, IMPORT_HASH_BYTES));
    json_array_append_new(m->problems, json_pack("{s:s, s:o, s:I}", "problem", text, "hash",
                                                 admin_json_text(buf_span(&hex)), "bytes",
                                                 (json_int_t)message->bytes));
    buf_finish(&hex);
}

// ---- adding a group -----------------------------------------------------------------------------

// What concerns one message only, in words; NULL: nothing more can be added at all.
static const char *refusal(enum err e)
{
    switch (e) {
    case ERR_LIMIT:
        return "it is over a limit of the server (size, or number of mailboxes or keywords)";
    case ERR_INVALID:
        return "the server cannot store it";
    case ERR_QUOTA:
        return "the account's quota is used up";
    default:
        return NULL;
    }
}

static enum err add_one(struct import *m, struct import_message *message)
{
    struct actor by = admin_actor(m->call, ACTOR_IMPORT);
    struct append_result result;
    enum err e = store_append(m->call->admin->store, m->account, &by, m->mailbox, &message->item, 1,
                              &result);

    // A mailbox can have so many keywords; the message matters more than its labels.
    if (e == ERR_LIMIT && message->item.keyword_count > 0) {
        message->item.keyword_count = 0;
        e = store_append(m->call->admin->store, m->account, &by, m->mailbox, &message->item, 1,
                         &result);
        m->keywords_dropped += e == ERR_OK;
    }
    if (e == ERR_OK) {
        m->added++;
    } else if (refusal(e)) {
        import_index_forget(m->index, message->hash);
        problem_add(m, refusal(e), message);
        e = ERR_OK;
    }
    return e;
}

static enum err group_add(struct import *m)
{
    struct actor by = admin_actor(m->call, ACTOR_IMPORT);
    struct append_item items[GROUP_MESSAGES];
    struct append_result result;

    if (m->group_count == 0) {
        return ERR_OK;
    }
    for (size_t i = 0; i < m->group_count; i++) {
        items[i] = m->group[i].item;
    }
    enum err e = store_append(m->call->admin->store, m->account, &by, m->mailbox, items,
                              m->group_count, &result);

    if (e == ERR_OK) {
        m->added += m->group_count;
    } else if (refusal(e)) {
        e = ERR_OK;
        for (size_t i = 0; i < m->group_count && e == ERR_OK; i++) {
            e = add_one(m, &m->group[i]);
        }
    }
    group_clear(m);
    if (e == ERR_NOT_FOUND) {
        return admin_fail(m->call, e,
                          "The mailbox \"%.*s\" was deleted while mail was being imported into it. "
                          "Run the import again: what is there is not added twice.",
                          SPAN_ARG(m->mailbox_name));
    }
    return e == ERR_OK ? e : admin_fail_store(m->call, e, "Adding the messages");
}

// ---- op: mailbox --------------------------------------------------------------------------------

static const struct {
    const char *role;
    uint8_t use;
} roles[] = {
    {"Archive", USE_ARCHIVE}, {"Drafts", USE_DRAFTS}, {"Junk", USE_JUNK},
    {"Sent", USE_SENT},       {"Trash", USE_TRASH},
};

static uint8_t role_use(struct span role)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (span_eq(role, span_from_str(roles[i].role))) {
            return roles[i].use;
        }
    }
    return 0;
}

// Looks for the mailbox with the special use, then for the name. `*out_name` is the one to make
// when there is none.
static enum err mailbox_find(struct import *m, struct span name, uint8_t use, mailbox_id *out_id,
                             struct span *out_name)
{
    const struct mailbox *const *boxes, *box;
    struct view *v;
    size_t count;
    enum err e = view_open(m->call->admin->store, m->account, &v);

    if (e != ERR_OK) {
        return e;
    }
    *out_id = 0;
    *out_name = name;
    e = view_mailboxes(v, &boxes, &count);
    for (size_t i = 0; use && e == ERR_OK && i < count && *out_id == 0; i++) {
        if (boxes[i]->special_use & use) {
            *out_id = boxes[i]->id;
            *out_name = arena_dup(&m->call->arena, boxes[i]->name);
        }
    }
    if (e == ERR_OK && *out_id == 0) {
        e = view_mailbox_by_name(v, name, &box);
        *out_id = e == ERR_OK && !box->is_no_select ? box->id : 0;
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    view_close(v);
    return e == ERR_OK && !out_name->p ? ERR_NOMEM : e;
}

static enum err mailbox_make(struct import *m, struct span name, uint8_t use, bool subscribed)
{
    struct actor by = admin_actor(m->call, ACTOR_IMPORT);
    enum err e = mailbox_create(m->call->admin->store, m->account, &by, name, use, &m->mailbox);

    // Somebody else's client may have been quicker.
    if (e == ERR_EXISTS) {
        e = mailbox_find(m, name, 0, &m->mailbox, &name);
    }
    if (e == ERR_OK && subscribed) {
        e = mailbox_subscribe(m->call->admin->store, m->account, &by, name, true);
    }
    return e;
}

static enum err index_open(struct import *m)
{
    import_index_destroy(m->index);
    m->index = NULL;
    return m->mailbox
               ? import_index_create(m->call->admin->store, m->account, m->mailbox, &m->index)
               : import_index_create_empty(&m->index);
}

static enum err refuse_mailbox(struct import *m, const char *reason)
{
    enum err e = admin_item(m->call, json_pack("{s:s}", "refused", reason));

    m->mailbox = 0;
    import_index_destroy(m->index);
    m->index = NULL;
    return e == ERR_OK ? admin_flush(m->call) : e;
}

static struct span item_text(const json_t *item, const char *name)
{
    const json_t *v = json_object_get(item, name);

    return span_of(json_string_value(v), json_string_length(v));
}

static enum err op_mailbox(struct import *m, const json_t *item)
{
    uint8_t use = role_use(item_text(item, "role"));
    const char *reason = "it is not a name a mailbox can have";
    struct span name;
    mailbox_id id;
    enum err e = group_add(m);

    if (e != ERR_OK) {
        return e;
    }
    e = mailbox_name_check(&m->call->arena, item_text(item, "name"), &name, &reason);
    if (e == ERR_INVALID) {
        return refuse_mailbox(m, reason);
    }
    if (e == ERR_OK) {
        e = mailbox_find(m, name, use, &id, &name);
    }
    if (e != ERR_OK) {
        return admin_fail_store(m->call, e, "Looking for the mailbox");
    }
    bool is_new = id == 0;

    m->mailbox = id;
    m->mailbox_name = name;
    if (is_new && !m->is_dry) {
        e = mailbox_make(m, name, use, json_is_true(json_object_get(item, "subscribed")));
        if (e == ERR_LIMIT || e == ERR_INVALID) {
            return refuse_mailbox(m, "the account has as many mailboxes as it may have, or their "
                                     "levels are too many");
        }
    }
    if (e == ERR_OK) {
        e = index_open(m);
    }
    if (e != ERR_OK) {
        return admin_fail_store(m->call, e, "Making the mailbox");
    }
    e = admin_item(m->call,
                   json_pack("{s:o, s:b, s:I}", "mailbox", admin_json_text(name), "created", is_new,
                             "messages", (json_int_t)import_index_messages(m->index)));
    return e == ERR_OK ? admin_flush(m->call) : e;
}

// ---- op: message --------------------------------------------------------------------------------

// What the asker says about a message, into the next place of the group.
static enum err message_read(struct import *m, const json_t *item, struct import_message *out)
{
    struct mail_meta meta = {.flags = 0};
    const json_t *keywords = json_object_get(item, "keywords"), *date;
    struct span hash = item_text(item, "hash");
    struct buf raw = {.p = (char *)out->hash, .cap = sizeof(out->hash), .max = sizeof(out->hash)};
    json_int_t zone = json_integer_value(json_object_get(item, "zone"));

    *out = (struct import_message){
        .bytes = (uint64_t)json_integer_value(json_object_get(item, "bytes"))};
    if (hash.n != IMPORT_HASH_BYTES * 2 || hex_decode(&raw, hash) != ERR_OK) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(keywords); i++) {
        const json_t *k = json_array_get(keywords, i);

        mail_meta_add_keyword(&meta, arena_dup(&m->group_arena, span_of(json_string_value(k),
                                                                        json_string_length(k))));
    }
    memcpy(out->keywords, meta.keywords, meta.keyword_count * sizeof(meta.keywords[0]));
    date = json_object_get(item, "date");
    out->item = (struct append_item){
        .flags = (uint16_t)(json_integer_value(json_object_get(item, "flags")) & 0x1f),
        .keywords = out->keywords,
        .keyword_count = meta.keyword_count,
        .internal_date = json_is_integer(date) ? json_integer_value(date) : INT64_MIN,
        .zone_minutes = (int16_t)(zone > -1440 && zone < 1440 ? zone : 0)};
    return ERR_OK;
}

// The bytes, as many as were announced.
static enum err message_bytes(struct import *m, struct import_message *message)
{
    enum err e = incoming_begin(m->call->admin->store, &message->incoming), kept;

    kept = e;
    while (message->received < message->bytes) {
        enum admin_record_type type;
        struct span bytes;
        enum err got = admin_receive(m->call, &type, &bytes);

        if (got != ERR_OK || type != ADMIN_DATA || bytes.n > message->bytes - message->received) {
            return got == ERR_OK || got == ERR_EOF ? ERR_INVALID : got;
        }
        message->received += bytes.n;
        if (kept == ERR_OK) {
            kept = incoming_write(message->incoming, bytes);
        }
    }
    return kept == ERR_OK ? incoming_finish(message->incoming) : kept;
}

// Sends the answer to a message, with the problems there were meanwhile.
static enum err answer(struct import *m, bool want)
{
    json_t *j = json_pack("{s:b}", "want", want);

    if (json_array_size(m->problems) > 0) {
        json_object_set(j, "problems", m->problems);
        json_array_clear(m->problems);
    }
    enum err e = admin_item(m->call, j);

    return e == ERR_OK ? admin_flush(m->call) : e;
}

static enum err take_message(struct import *m, struct import_message *message)
{
    enum err e = message_bytes(m, message);

    if (e != ERR_OK) {
        incoming_destroy(message->incoming);
        message->incoming = NULL;
        if (!refusal(e) || message->received < message->bytes) {
            return e == ERR_INVALID ? admin_fail(m->call, e, "The import was cut off.") : e;
        }
        import_index_forget(m->index, message->hash);
        problem_add(m, refusal(e), message);
        return ERR_OK;
    }
    message->item.message = message->incoming;
    m->group_count++;
    m->group_bytes += message->bytes;
    return m->group_count == GROUP_MESSAGES || m->group_bytes >= GROUP_BYTES ? group_add(m)
                                                                             : ERR_OK;
}

static enum err op_message(struct import *m, const json_t *item)
{
    struct import_message *message = &m->group[m->group_count];
    bool want;

    if (!m->index || message_read(m, item, message) != ERR_OK) {
        return admin_fail(m->call, ERR_INVALID,
                          "The import made no sense: a message without a "
                          "mailbox or hash.");
    }
    if (message->bytes > m->call->admin->message_bytes_max) {
        problem_add(m, "it is larger than the server accepts (the setting message_max)", message);
        return answer(m, false);
    }
    enum err e = import_index_want(m->index, message->bytes, message->hash, &want);

    if (e != ERR_OK) {
        return admin_fail_store(m->call, e, "Looking for messages that are there already");
    }
    m->there += !want;
    e = answer(m, want);
    if (e != ERR_OK || !want) {
        return e;
    }
    if (m->is_dry) {
        m->added++;
        return ERR_OK;
    }
    return take_message(m, message);
}

static enum err op_end(struct import *m)
{
    enum err e = group_add(m);

    if (e == ERR_OK) {
        e = answer(m, false);
    }
    m->call->outcome->result = json_pack(
        "{s:I, s:I, s:I, s:I}", "added", (json_int_t)m->added, "there", (json_int_t)m->there,
        "refused", (json_int_t)m->refused, "keywords_dropped", (json_int_t)m->keywords_dropped);
    return e;
}

// ---- the conversation ---------------------------------------------------------------------------

static enum err step(struct import *m, struct span text, bool *out_end)
{
    json_t *item = json_loadb(text.p, text.n, 0, NULL);
    struct span op = item_text(item, "op");
    enum err e;

    *out_end = false;
    if (span_eq(op, SPAN("message"))) {
        e = op_message(m, item);
    } else if (span_eq(op, SPAN("mailbox"))) {
        e = op_mailbox(m, item);
    } else if (span_eq(op, SPAN("end"))) {
        *out_end = true;
        e = op_end(m);
    } else {
        e = admin_fail(m->call, ERR_INVALID, "The import made no sense: \"%.*s\".",
                       SPAN_ARG(span_first(op, 40)));
    }
    json_decref(item);
    return e;
}

static enum err converse(struct import *m)
{
    bool is_end = false;
    enum err e = ERR_OK;

    while (e == ERR_OK && !is_end) {
        enum admin_record_type type;
        struct span text;

        e = admin_receive(m->call, &type, &text);
        if (e == ERR_OK) {
            e = type == ADMIN_ITEM ? step(m, text, &is_end) : ERR_INVALID;
        }
        if (e == ERR_OK && admin_is_cancelled(m->call)) {
            e = admin_fail(m->call, ERR_UNAVAILABLE,
                           "The server is stopping. Run the import again later: what is there is "
                           "not added twice.");
        }
    }
    return e;
}

enum err admin_import(struct admin_call *c)
{
    struct import m = {.call = c, .is_dry = admin_bool(c, "dry_run")};
    struct account account;
    enum err e = admin_account(c, &account);

    if (e != ERR_OK) {
        return e;
    }
    m.account = account.id;
    m.group = calloc(GROUP_MESSAGES, sizeof(*m.group));
    m.problems = json_array();
    arena_init(&m.group_arena, GROUP_MESSAGES * MAIL_KEYWORDS_MAX * (MAIL_KEYWORD_BYTES_MAX + 32));
    e = m.group && m.problems ? converse(&m) : ERR_NOMEM;
    // What was received whole is worth keeping, also when the asker is gone.
    if (m.group && (e == ERR_EOF || e == ERR_IO)) {
        group_add(&m);
    }
    if (m.group) {
        group_clear(&m);
    }
    free(m.group);
    arena_finish(&m.group_arena);
    json_decref(m.problems);
    import_index_destroy(m.index);
    return e;
}
