// SPDX-License-Identifier: Apache-2.0
#include "imap_dump.h"

#include "wire/imap/imap_write.h"

static void put_text(struct buf *out, struct span s)
{
    if (!s.p) {
        buf_put_str(out, "NIL");
        return;
    }
    buf_put_byte(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f || c == '\'' || c == '\\') {
            buf_printf(out, "\\%02x", c);
        } else {
            buf_put_byte(out, (char)c);
        }
    }
    buf_put_byte(out, '\'');
}

static void put_set(struct buf *out, const struct imap_seqset *set)
{
    buf_put_byte(out, ' ');
    imap_seqset_write(out, set);
}

static void put_flags(struct buf *out, const struct imap_flags *flags)
{
    buf_put_byte(out, ' ');
    imap_flags_write(out, flags, false);
}

static void dump_select(struct buf *out, const struct imap_select *s)
{
    put_text(out, s->mailbox);
    buf_put_str(out, s->condstore ? " condstore" : "");
    if (s->has_qresync) {
        buf_printf(out, " qresync %u %llu", s->qresync.uidvalidity,
                   (unsigned long long)s->qresync.modseq);
        put_set(out, &s->qresync.known_uids);
        put_set(out, &s->qresync.match_seqs);
        put_set(out, &s->qresync.match_uids);
    }
}

static void dump_list(struct buf *out, const struct imap_list *l)
{
    buf_printf(out, "ext=%d sel=%x ret=%x status=%x ", l->extended, l->selection, l->returns,
               l->status_items);
    put_text(out, l->reference);
    for (size_t i = 0; i < l->n; i++) {
        buf_put_byte(out, ' ');
        put_text(out, l->patterns[i]);
    }
}

static void dump_partial(struct buf *out, const struct imap_partial *p)
{
    buf_printf(out, "partial %s%u:%u", p->from_end ? "-" : "", p->first, p->last);
}

static void dump_fetch(struct buf *out, const struct imap_fetch *f)
{
    put_set(out, &f->set);
    for (size_t i = 0; i < f->n; i++) {
        buf_put_byte(out, ' ');
        imap_write_fetch_item(out, &f->items[i], true);
        buf_put_str(out, f->items[i].peek ? "" : "!");
        if (f->items[i].partial) {
            buf_printf(out, "+%llu", (unsigned long long)f->items[i].length);
        }
        buf_put_str(out, f->items[i].lazy ? " lazy" : "");
    }
    if (f->has_changedsince) {
        buf_printf(out, " since %llu%s", (unsigned long long)f->changedsince,
                   f->vanished ? " vanished" : "");
    }
    if (f->has_partial) {
        buf_put_byte(out, ' ');
        dump_partial(out, &f->partial);
    }
}

static void dump_store(struct buf *out, const struct imap_store *s)
{
    static const char *const actions[] = {"=", "+", "-"};

    put_set(out, &s->set);
    buf_printf(out, " %s%s", actions[s->action], s->silent ? "silent" : "");
    if (s->has_unchangedsince) {
        buf_printf(out, " unchanged %llu", (unsigned long long)s->unchangedsince);
    }
    put_flags(out, &s->flags);
}

// ---- SEARCH -------------------------------------------------------------------------------------

static const char *const key_names[] = {
    [IMAP_SEARCH_AND] = "and",
    [IMAP_SEARCH_OR] = "or",
    [IMAP_SEARCH_ALL] = "all",
    [IMAP_SEARCH_SET] = "set",
    [IMAP_SEARCH_UID] = "uid",
    [IMAP_SEARCH_FLAG] = "flag",
    [IMAP_SEARCH_KEYWORD] = "keyword",
    [IMAP_SEARCH_BCC] = "bcc",
    [IMAP_SEARCH_CC] = "cc",
    [IMAP_SEARCH_FROM] = "from",
    [IMAP_SEARCH_SUBJECT] = "subject",
    [IMAP_SEARCH_TO] = "to",
    [IMAP_SEARCH_BODY] = "body",
    [IMAP_SEARCH_TEXT] = "text",
    [IMAP_SEARCH_HEADER] = "header",
    [IMAP_SEARCH_BEFORE] = "before",
    [IMAP_SEARCH_ON] = "on",
    [IMAP_SEARCH_SINCE] = "since",
    [IMAP_SEARCH_SENTBEFORE] = "sentbefore",
    [IMAP_SEARCH_SENTON] = "senton",
    [IMAP_SEARCH_SENTSINCE] = "sentsince",
    [IMAP_SEARCH_SAVEDBEFORE] = "savedbefore",
    [IMAP_SEARCH_SAVEDON] = "savedon",
    [IMAP_SEARCH_SAVEDSINCE] = "savedsince",
    [IMAP_SEARCH_SAVEDATESUPPORTED] = "savedatesupported",
    [IMAP_SEARCH_LARGER] = "larger",
    [IMAP_SEARCH_SMALLER] = "smaller",
    [IMAP_SEARCH_OLDER] = "older",
    [IMAP_SEARCH_YOUNGER] = "younger",
    [IMAP_SEARCH_MODSEQ] = "modseq",
    [IMAP_SEARCH_EMAILID] = "emailid",
    [IMAP_SEARCH_THREADID] = "threadid",
    [IMAP_SEARCH_UIDAFTER] = "uidafter",
    [IMAP_SEARCH_UIDBEFORE] = "uidbefore",
};

static void dump_key_argument(struct buf *out, const struct imap_search_node *n)
{
    switch (n->key) {
    case IMAP_SEARCH_SET:
    case IMAP_SEARCH_UID:
        put_set(out, n->set);
        break;
    case IMAP_SEARCH_FLAG:
        buf_printf(out, " %s", imap_flag_name(n->flag));
        break;
    case IMAP_SEARCH_HEADER:
        put_text(out, n->header->field);
        put_text(out, n->header->text);
        break;
    case IMAP_SEARCH_LARGER:
    case IMAP_SEARCH_SMALLER:
    case IMAP_SEARCH_OLDER:
    case IMAP_SEARCH_YOUNGER:
    case IMAP_SEARCH_MODSEQ:
    case IMAP_SEARCH_UIDAFTER:
    case IMAP_SEARCH_UIDBEFORE:
        buf_printf(out, " %llu", (unsigned long long)n->number);
        break;
    case IMAP_SEARCH_AND:
    case IMAP_SEARCH_OR:
    case IMAP_SEARCH_ALL:
    case IMAP_SEARCH_SAVEDATESUPPORTED:
        break;
    default:
        if (n->key >= IMAP_SEARCH_BEFORE && n->key <= IMAP_SEARCH_SAVEDSINCE) {
            buf_put_byte(out, ' ');
            imap_date_write(out, n->day);
        } else {
            put_text(out, n->text);
        }
    }
}

// Prefix order with the ends of the subtrees as ")". Depth is bounded by the parser.
static void dump_search(struct buf *out, const struct imap_search *s)
{
    size_t ends[IMAP_SEARCH_DEPTH_MAX + 2], depth = 0;

    if (s->extended) {
        buf_printf(out, "return=%x ", s->returns);
    }
    if (s->item_n) {
        buf_printf(out, "items=%zu ", s->item_n);
    }
    if (s->returns & IMAP_SEARCH_RETURN_PARTIAL) {
        dump_partial(out, &s->partial);
        buf_put_byte(out, ' ');
    }
    if (s->charset.n) {
        buf_put_str(out, "charset ");
        put_text(out, s->charset);
        buf_put_byte(out, ' ');
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct imap_search_node *n = &s->nodes[i];

        buf_put_str(out, n->negated ? "!" : "");
        buf_put_str(out, key_names[n->key]);
        dump_key_argument(out, n);
        if (n->key == IMAP_SEARCH_AND || n->key == IMAP_SEARCH_OR) {
            buf_put_byte(out, '(');
            ends[depth++] = i + n->size;
        }
        while (depth && ends[depth - 1] == i + 1) {
            buf_put_byte(out, ')');
            depth--;
        }
        buf_put_str(out, i + 1 < s->n && n->size == 1 ? " " : "");
    }
    buf_put_str(out, depth ? " UNBALANCED" : "");
    buf_put_str(out, s->uses_modseq ? " uses-modseq" : "");
}

static void dump_sources(struct buf *out, const struct imap_multi *m)
{
    static const char *const kinds[] = {"selected", "inboxes",     "personal", "subscribed",
                                        "subtree",  "subtree-one", "mailboxes"};

    for (size_t i = 0; i < m->n; i++) {
        buf_put_str(out, kinds[m->sources[i].kind]);
        for (size_t k = 0; k < m->sources[i].n; k++) {
            put_text(out, m->sources[i].names[k]);
        }
        buf_put_byte(out, ' ');
    }
}

// ---- the rest -----------------------------------------------------------------------------------

void imap_dump_append(struct buf *out, const struct imap_append_message *m)
{
    imap_flags_write(out, &m->flags, false);
    if (m->has_date) {
        buf_put_byte(out, ' ');
        imap_date_time_write(out, m->date);
    }
    if (m->is_catenate || m->is_continued) {
        buf_put_str(out, m->is_continued ? " more(" : " catenate(");
        for (size_t i = 0; i < m->url_n; i++) {
            put_text(out, m->urls[i]);
        }
        buf_put_str(out, m->next == IMAP_APPEND_WHOLE  ? ") rest "
                         : m->next == IMAP_APPEND_TEXT ? " text"
                                                       : " url");
    }
    if (m->next == IMAP_APPEND_WHOLE) {
        put_text(out, m->rest);
        return;
    }
    buf_printf(out, " %llu%s%s%s", (unsigned long long)m->bytes, m->sync ? "" : "+",
               m->literal8 ? " literal8" : "", m->utf8 ? " utf8" : "");
}

static void dump_pairs(struct buf *out, const struct imap_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i ? " " : "");
        put_text(out, pairs[i].name);
        buf_put_byte(out, '=');
        put_text(out, pairs[i].value);
    }
}

static void dump_sort(struct buf *out, const struct imap_sort *sort)
{
    for (size_t i = 0; i < sort->n; i++) {
        buf_printf(out, "%s%d ", sort->criteria[i].reverse ? "-" : "", (int)sort->criteria[i].key);
    }
    dump_search(out, &sort->search);
}

static void dump_words(struct buf *out, const struct imap_words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        put_text(out, w->words[i]);
    }
}

static void dump_notify(struct buf *out, const struct imap_notify_request *r)
{
    buf_put_str(out, r->is_set ? r->status ? "SET STATUS" : "SET" : "NONE");
    for (size_t i = 0; i < r->n; i++) {
        const struct imap_event_group *g = &r->groups[i];

        buf_printf(out, " (%d", (int)g->filter);
        for (size_t k = 0; k < g->name_n; k++) {
            put_text(out, g->names[k]);
        }
        buf_printf(out, " %x", g->events);
        for (size_t k = 0; k < g->item_n; k++) {
            buf_put_byte(out, ' ');
            imap_write_fetch_item(out, &g->items[k], true);
        }
        buf_put_byte(out, ')');
    }
}

static void dump_setquota(struct buf *out, const struct imap_setquota *q)
{
    put_text(out, q->root);
    for (size_t i = 0; i < q->n; i++) {
        buf_put_byte(out, ' ');
        put_text(out, q->limits[i].resource);
        buf_printf(out, "=%llu", (unsigned long long)q->limits[i].limit);
    }
}

// Commands with an argument of their own shape.
static void dump_arguments(struct buf *out, const struct imap_command *cmd)
{
    switch (cmd->id) {
    case IMAP_REPLACE:
    case IMAP_APPEND:
        if (cmd->id == IMAP_REPLACE) {
            imap_seqset_write(out, &cmd->append.replaced);
            buf_put_byte(out, ' ');
        }
        put_text(out, cmd->append.mailbox);
        buf_put_byte(out, ' ');
        imap_dump_append(out, &cmd->append.first);
        break;
    case IMAP_AUTHENTICATE:
        put_text(out, cmd->authenticate.mechanism);
        if (cmd->authenticate.has_initial) {
            buf_put_byte(out, ' ');
            put_text(out, cmd->authenticate.initial);
        }
        break;
    case IMAP_CREATE:
        put_text(out, cmd->create.mailbox);
        buf_put_byte(out, ' ');
        imap_attributes_write(out, cmd->create.special_use);
        break;
    case IMAP_LOGIN:
        put_text(out, cmd->login.user);
        put_text(out, cmd->login.password);
        break;
    case IMAP_RENAME:
        put_text(out, cmd->rename.from);
        put_text(out, cmd->rename.to);
        break;
    case IMAP_STATUS:
        put_text(out, cmd->status.mailbox);
        buf_printf(out, " %x", cmd->status.items);
        break;
    case IMAP_COPY:
    case IMAP_MOVE:
        put_set(out, &cmd->copy.set);
        put_text(out, cmd->copy.mailbox);
        break;
    default:
        break;
    }
}

static void dump_more_arguments(struct buf *out, const struct imap_command *cmd)
{
    switch (cmd->id) {
    case IMAP_DELETE:
    case IMAP_SUBSCRIBE:
    case IMAP_UNSUBSCRIBE:
    case IMAP_GETQUOTAROOT:
        put_text(out, cmd->mailbox);
        break;
    case IMAP_GETQUOTA:
        put_text(out, cmd->root);
        break;
    case IMAP_ENABLE:
        buf_printf(out, "%x", cmd->enable);
        break;
    case IMAP_EXPUNGE:
        if (cmd->uid) {
            put_set(out, &cmd->expunge);
        }
        break;
    case IMAP_FETCH:
        dump_fetch(out, &cmd->fetch);
        break;
    case IMAP_ID:
        dump_pairs(out, cmd->identity.pairs, cmd->identity.n);
        break;
    case IMAP_LIST:
    case IMAP_LSUB:
        dump_list(out, &cmd->list);
        break;
    case IMAP_ESEARCH:
        dump_sources(out, &cmd->multi);
        dump_search(out, &cmd->multi.search);
        break;
    case IMAP_SEARCH:
        dump_search(out, &cmd->search);
        break;
    case IMAP_SORT:
        dump_sort(out, &cmd->sort);
        break;
    case IMAP_THREAD:
        buf_printf(out, "%d ", (int)cmd->thread.algorithm);
        dump_search(out, &cmd->thread.search);
        break;
    case IMAP_CANCELUPDATE:
    case IMAP_COMPARATOR:
    case IMAP_LANGUAGE:
        dump_words(out, &cmd->words);
        break;
    case IMAP_NOTIFY:
        dump_notify(out, &cmd->notify);
        break;
    case IMAP_SELECT:
    case IMAP_EXAMINE:
        dump_select(out, &cmd->select);
        break;
    case IMAP_SETQUOTA:
        dump_setquota(out, &cmd->setquota);
        break;
    case IMAP_STORE:
        dump_store(out, &cmd->store);
        break;
    default:
        break;
    }
}

void imap_dump_command(struct buf *out, const struct imap_command *cmd)
{
    buf_put(out, cmd->tag);
    buf_printf(out, "%s %s ", cmd->uid ? " UID" : "", imap_command_name(cmd->id));
    dump_arguments(out, cmd);
    dump_more_arguments(out, cmd);
}
