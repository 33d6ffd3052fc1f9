// SPDX-License-Identifier: Apache-2.0
//
// SEARCH (RFC 9051 section 6.4.4). The keys nest, the parser does not: what is open is a small
// stack, and a node is closed when its last operand is read.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

enum argument {
    ARG_NONE,
    ARG_FLAG,     // the row's `bit`; and none from the client
    ARG_NOT_FLAG, // the same, turned round
    ARG_NEW,
    ARG_TEXT,
    ARG_KEYWORD,
    ARG_NOT_KEYWORD,
    ARG_HEADER,
    ARG_DATE,
    ARG_NUMBER,
    ARG_SECONDS,
    ARG_UID,
    ARG_SET,
    ARG_MODSEQ,
    ARG_OBJECT,
    ARG_FILTER,
};

static const struct key_row {
    const char *name;
    enum imap_search_key key;
    enum argument argument;
    uint32_t bit;
} rows[] = {
    {"ALL", IMAP_SEARCH_ALL, ARG_NONE, 0},
    {"ANSWERED", IMAP_SEARCH_FLAG, ARG_FLAG, IMAP_FLAG_ANSWERED},
    {"BCC", IMAP_SEARCH_BCC, ARG_TEXT, 0},
    {"BEFORE", IMAP_SEARCH_BEFORE, ARG_DATE, 0},
    {"BODY", IMAP_SEARCH_BODY, ARG_TEXT, 0},
    {"CC", IMAP_SEARCH_CC, ARG_TEXT, 0},
    {"DELETED", IMAP_SEARCH_FLAG, ARG_FLAG, IMAP_FLAG_DELETED},
    {"DRAFT", IMAP_SEARCH_FLAG, ARG_FLAG, IMAP_FLAG_DRAFT},
    {"EMAILID", IMAP_SEARCH_EMAILID, ARG_OBJECT, 0},
    {"FILTER", IMAP_SEARCH_FILTER, ARG_FILTER, 0},
    {"FLAGGED", IMAP_SEARCH_FLAG, ARG_FLAG, IMAP_FLAG_FLAGGED},
    {"FROM", IMAP_SEARCH_FROM, ARG_TEXT, 0},
    {"HEADER", IMAP_SEARCH_HEADER, ARG_HEADER, 0},
    {"KEYWORD", IMAP_SEARCH_KEYWORD, ARG_KEYWORD, 0},
    {"LARGER", IMAP_SEARCH_LARGER, ARG_NUMBER, 0},
    {"MODSEQ", IMAP_SEARCH_MODSEQ, ARG_MODSEQ, 0},
    {"NEW", IMAP_SEARCH_AND, ARG_NEW, 0},
    {"OLD", IMAP_SEARCH_FLAG, ARG_NOT_FLAG, IMAP_FLAG_RECENT},
    {"OLDER", IMAP_SEARCH_OLDER, ARG_SECONDS, 0},
    {"ON", IMAP_SEARCH_ON, ARG_DATE, 0},
    {"RECENT", IMAP_SEARCH_FLAG, ARG_FLAG, IMAP_FLAG_RECENT},
    {"SAVEDATESUPPORTED", IMAP_SEARCH_SAVEDATESUPPORTED, ARG_NONE, 0},
    {"SAVEDBEFORE", IMAP_SEARCH_SAVEDBEFORE, ARG_DATE, 0},
    {"SAVEDON", IMAP_SEARCH_SAVEDON, ARG_DATE, 0},
    {"SAVEDSINCE", IMAP_SEARCH_SAVEDSINCE, ARG_DATE, 0},
    {"SEEN", IMAP_SEARCH_FLAG, ARG_FLAG, IMAP_FLAG_SEEN},
    {"SENTBEFORE", IMAP_SEARCH_SENTBEFORE, ARG_DATE, 0},
    {"SENTON", IMAP_SEARCH_SENTON, ARG_DATE, 0},
    {"SENTSINCE", IMAP_SEARCH_SENTSINCE, ARG_DATE, 0},
    {"SINCE", IMAP_SEARCH_SINCE, ARG_DATE, 0},
    {"SMALLER", IMAP_SEARCH_SMALLER, ARG_NUMBER, 0},
    {"SUBJECT", IMAP_SEARCH_SUBJECT, ARG_TEXT, 0},
    {"TEXT", IMAP_SEARCH_TEXT, ARG_TEXT, 0},
    {"THREADID", IMAP_SEARCH_THREADID, ARG_OBJECT, 0},
    {"TO", IMAP_SEARCH_TO, ARG_TEXT, 0},
    {"UID", IMAP_SEARCH_UID, ARG_SET, 0},
    {"UIDAFTER", IMAP_SEARCH_UIDAFTER, ARG_UID, 0},
    {"UIDBEFORE", IMAP_SEARCH_UIDBEFORE, ARG_UID, 0},
    {"UNANSWERED", IMAP_SEARCH_FLAG, ARG_NOT_FLAG, IMAP_FLAG_ANSWERED},
    {"UNDELETED", IMAP_SEARCH_FLAG, ARG_NOT_FLAG, IMAP_FLAG_DELETED},
    {"UNDRAFT", IMAP_SEARCH_FLAG, ARG_NOT_FLAG, IMAP_FLAG_DRAFT},
    {"UNFLAGGED", IMAP_SEARCH_FLAG, ARG_NOT_FLAG, IMAP_FLAG_FLAGGED},
    {"UNKEYWORD", IMAP_SEARCH_KEYWORD, ARG_NOT_KEYWORD, 0},
    {"UNSEEN", IMAP_SEARCH_FLAG, ARG_NOT_FLAG, IMAP_FLAG_SEEN},
    {"YOUNGER", IMAP_SEARCH_YOUNGER, ARG_SECONDS, 0},
};

// Something whose end has not come yet.
struct open_node {
    uint32_t node;
    uint32_t operands_left; // of OR; 0: a list, which ")" or the end of the command closes
};

struct search_builder {
    struct imap_list_builder nodes;
    struct open_node open[IMAP_SEARCH_DEPTH_MAX];
    size_t depth;
    bool uses_modseq, uses_filters;
};

static struct imap_search_node *node_at(struct search_builder *b, size_t i)
{
    return (struct imap_search_node *)b->nodes.items + i;
}

// The pointer holds until the next node is added.
static enum err add_node(struct imap_cursor *c, struct search_builder *b, enum imap_search_key key,
                         bool negated, struct imap_search_node **out)
{
    void *place;

    TRY(imap_list_add(c, &b->nodes, "SEARCH has over 4096 keys", &place));
    *out = place;
    **out = (struct imap_search_node){.key = key, .negated = negated, .size = 1};
    return ERR_OK;
}

static enum err open_node(struct imap_cursor *c, struct search_builder *b, enum imap_search_key key,
                          bool negated)
{
    struct imap_search_node *node;

    if (b->depth == IMAP_SEARCH_DEPTH_MAX) {
        return imap_fail(c, IMAP_FAULT_LIMIT, c->at, "SEARCH is nested over 50 deep");
    }
    TRY(add_node(c, b, key, negated, &node));
    b->open[b->depth++] = (struct open_node){.node = (uint32_t)b->nodes.n - 1,
                                             .operands_left = key == IMAP_SEARCH_OR ? 2 : 0};
    return ERR_OK;
}

static void close_node(struct search_builder *b)
{
    struct open_node *top = &b->open[--b->depth];

    node_at(b, top->node)->size = (uint32_t)b->nodes.n - top->node;
}

// ---- one key ------------------------------------------------------------------------------------

static enum err take_search_date(struct imap_cursor *c, int32_t *out)
{
    static const char expected[] = "expected a date such as 1-Feb-1994";
    size_t from = c->at;
    struct span text;

    if (imap_peek(c) == '"') {
        TRY(imap_take_string(c, expected, &text));
    } else {
        TRY(imap_take_atom(c, expected, &text));
    }
    return imap_date_parse(text, out) ? imap_fail(c, IMAP_FAULT_SYNTAX, from, expected) : ERR_OK;
}

static enum err take_header_key(struct imap_cursor *c, struct imap_search_node *node)
{
    struct imap_search_header *header = arena_zalloc(c->arena, 1, sizeof(*header));

    if (!header) {
        return imap_fail_memory(c);
    }
    TRY(imap_take_astring(c, "expected the name of a header field", &header->field));
    TRY(imap_take_space(c, "expected a space after the field's name"));
    TRY(imap_take_astring(c, "expected a text to search for", &header->text));
    node->header = header;
    return ERR_OK;
}

static enum err take_set_key(struct imap_cursor *c, struct imap_search_node *node)
{
    struct imap_seqset *set = arena_zalloc(c->arena, 1, sizeof(*set));

    if (!set) {
        return imap_fail_memory(c);
    }
    node->set = set;
    return imap_take_seqset(c, set);
}

// `[SP entry-name SP entry-type] SP number`: RFC 7162 section 3.1.5. Mod-sequences are kept per
// message here, so the entry makes no difference.
static enum err take_modseq_key(struct imap_cursor *c, struct imap_search_node *node)
{
    static const struct imap_word kinds[] = {{"priv", 1}, {"shared", 1}, {"all", 1}, {NULL, 0}};
    struct span entry;
    uint32_t kind;

    if (imap_peek(c) == '"') {
        TRY(imap_take_string(c, "expected an entry name", &entry));
        TRY(imap_take_space(c, "expected a space after the entry name"));
        TRY(imap_take_table_word(c, kinds, "expected priv, shared or all", &kind));
        TRY(imap_take_space(c, "expected a space after the entry's kind"));
    }
    return imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected a mod-sequence", &node->number);
}

static enum err take_keyword_key(struct imap_cursor *c, struct imap_search_node *node)
{
    size_t from = c->at;
    struct span rest;

    // Some clients write KEYWORD \Seen; a system flag is one too.
    if (imap_take(c, '\\')) {
        TRY(imap_take_atom(c, "expected a flag's name after the backslash", &rest));
        if (!imap_flag_from_name(span_of(rest.p - 1, rest.n + 1), true, &node->flag)) {
            return imap_fail(c, IMAP_FAULT_SYNTAX, from, "there is no such system flag");
        }
        node->key = IMAP_SEARCH_FLAG;
        return ERR_OK;
    }
    return imap_take_atom(c, "expected a keyword", &node->text);
}

// filter-name of RFC 5466 section 4.
static enum err take_filter_key(struct imap_cursor *c, struct imap_search_node *node)
{
    size_t from = c->at;

    TRY(imap_take_atom(c, "expected the name of a filter", &node->text));
    return span_find_byte(node->text, '/') < node->text.n
               ? imap_fail(c, IMAP_FAULT_SYNTAX, from, "the name of a filter has no \"/\"")
               : ERR_OK;
}

static enum err take_argument(struct imap_cursor *c, struct search_builder *b,
                              const struct key_row *row, struct imap_search_node *node)
{
    TRY(imap_take_space(c, "expected a space after the search key"));
    switch (row->argument) {
    case ARG_TEXT:
        return imap_take_astring(c, "expected a text to search for", &node->text);
    case ARG_OBJECT:
        return imap_take_astring(c, "expected an object's id", &node->text);
    case ARG_FILTER:
        b->uses_filters = true;
        return take_filter_key(c, node);
    case ARG_KEYWORD:
    case ARG_NOT_KEYWORD:
        return take_keyword_key(c, node);
    case ARG_HEADER:
        return take_header_key(c, node);
    case ARG_DATE:
        return take_search_date(c, &node->day);
    case ARG_NUMBER:
        return imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected a number", &node->number);
    case ARG_SECONDS:
        return imap_take_number(c, 1, UINT32_MAX, "expected a number of seconds", &node->number);
    case ARG_UID:
        return imap_take_number(c, 1, UINT32_MAX, "expected a UID", &node->number);
    case ARG_SET:
        return take_set_key(c, node);
    case ARG_MODSEQ:
        b->uses_modseq = true;
        return take_modseq_key(c, node);
    default:
        return ERR_OK;
    }
}

// NEW is (RECENT UNSEEN).
static enum err add_new(struct imap_cursor *c, struct search_builder *b, bool negated)
{
    struct imap_search_node *node;

    TRY(add_node(c, b, IMAP_SEARCH_AND, negated, &node));
    node->size = 3;
    TRY(add_node(c, b, IMAP_SEARCH_FLAG, false, &node));
    node->flag = IMAP_FLAG_RECENT;
    TRY(add_node(c, b, IMAP_SEARCH_FLAG, true, &node));
    node->flag = IMAP_FLAG_SEEN;
    return ERR_OK;
}

static enum err add_row(struct imap_cursor *c, struct search_builder *b, const struct key_row *row,
                        bool negated)
{
    struct imap_search_node *node;
    bool inverse = row->argument == ARG_NOT_FLAG || row->argument == ARG_NOT_KEYWORD;

    if (row->argument == ARG_NEW) {
        return add_new(c, b, negated);
    }
    TRY(add_node(c, b, row->key, negated != inverse, &node));
    if (row->argument == ARG_FLAG || row->argument == ARG_NOT_FLAG) {
        node->flag = row->bit;
        return ERR_OK;
    }
    return row->argument == ARG_NONE ? ERR_OK : take_argument(c, b, row, node);
}

static enum err take_named_key(struct imap_cursor *c, struct search_builder *b, bool negated)
{
    size_t from = c->at;
    struct span name;

    TRY(imap_take_atom(c, "expected a search key such as UNSEEN", &name));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (span_eq_nocase(span_from_str(rows[i].name), name)) {
            return add_row(c, b, &rows[i], negated);
        }
    }
    return imap_fail(c, IMAP_FAULT_SYNTAX, from, "unknown search key");
}

static enum err take_bare_set(struct imap_cursor *c, struct search_builder *b, bool negated)
{
    struct imap_search_node *node;

    TRY(imap_check_numbers(c, c->at));
    TRY(add_node(c, b, IMAP_SEARCH_SET, negated, &node));
    return take_set_key(c, node);
}

// ---- the tree -----------------------------------------------------------------------------------

// "OR " has been read. OR within OR is one OR with an operand more: clients build long chains.
static enum err begin_or(struct imap_cursor *c, struct search_builder *b, bool negated)
{
    struct open_node *top = &b->open[b->depth - 1];

    TRY(imap_take_space(c, "expected a space after OR"));
    if (top->operands_left && !negated) {
        top->operands_left++;
        return ERR_OK;
    }
    return open_node(c, b, IMAP_SEARCH_OR, negated);
}

// Reads one key, or what opens one: then *out_complete is false.
static enum err take_key(struct imap_cursor *c, struct search_builder *b, bool *out_complete)
{
    bool negated = false;

    while (imap_take_word(c, SPAN("NOT"))) {
        TRY(imap_take_space(c, "expected a space after NOT"));
        negated = !negated;
    }
    *out_complete = false;
    if (imap_take(c, '(')) {
        return open_node(c, b, IMAP_SEARCH_AND, negated);
    }
    if (imap_take_word(c, SPAN("OR"))) {
        return begin_or(c, b, negated);
    }
    *out_complete = true;
    if (byte_is_digit(imap_peek(c)) || imap_peek(c) == '*' || imap_peek(c) == '$') {
        return take_bare_set(c, b, negated);
    }
    return take_named_key(c, b, negated);
}

// A key is complete: closes all that is complete with it, and takes the space before the next key.
// *out_end: the command is at its end.
static enum err after_key(struct imap_cursor *c, struct search_builder *b, bool *out_end)
{
    *out_end = false;
    for (;;) {
        struct open_node *top = &b->open[b->depth - 1];

        if (top->operands_left) {
            if (--top->operands_left) {
                return imap_take_space(c, "expected a space and another operand of OR");
            }
            close_node(b);
        } else if (b->depth > 1) {
            if (!imap_take(c, ')')) {
                return imap_take_space(c, "expected a space or \")\" after the search key");
            }
            close_node(b);
        } else {
            *out_end = !imap_take(c, ' ') || imap_at_end(c);
            return ERR_OK;
        }
    }
}

enum err imap_take_search_keys(struct imap_cursor *c, struct imap_search *out)
{
    struct search_builder b = {.depth = 0};
    bool complete, end = false;

    imap_list_begin(&b.nodes, sizeof(struct imap_search_node), IMAP_SEARCH_KEYS_MAX);
    TRY(open_node(c, &b, IMAP_SEARCH_AND, false));
    while (!end) {
        TRY(take_key(c, &b, &complete));
        if (complete) {
            TRY(after_key(c, &b, &end));
        }
    }
    close_node(&b);
    out->nodes = b.nodes.items;
    out->n = b.nodes.n;
    out->uses_modseq = b.uses_modseq;
    out->uses_filters = b.uses_filters;
    return ERR_OK;
}

enum err imap_parse_search(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a search key"));
    return imap_take_search(c, &out->search);
}

enum err imap_take_search(struct imap_cursor *c, struct imap_search *s)
{
    TRY(imap_take_search_returns(c, s));
    size_t from = c->at;

    if (imap_take_word(c, SPAN("CHARSET"))) {
        if (c->utf8) {
            return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                             "CHARSET is not allowed once UTF8=ACCEPT is enabled");
        }
        TRY(imap_take_space(c, "expected a space after CHARSET"));
        TRY(imap_take_astring(c, "expected a charset", &s->charset));
        TRY(imap_take_space(c, "expected a space after the charset"));
    }
    return imap_take_search_keys(c, s);
}
