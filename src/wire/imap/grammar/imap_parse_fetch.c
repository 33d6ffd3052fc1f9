// SPDX-License-Identifier: Apache-2.0
//
// FETCH (RFC 9051 section 6.4.5, RFC 3516, RFC 7162 section 3.1.4, RFC 8970) and STORE (6.4.6).
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

#define PEEK 0x100u // in a table's value: does not set \Seen

static const struct imap_word simple_items[] = {
    {"FLAGS", IMAP_FETCH_FLAGS | PEEK},
    {"UID", IMAP_FETCH_UID | PEEK},
    {"INTERNALDATE", IMAP_FETCH_INTERNALDATE | PEEK},
    {"RFC822.SIZE", IMAP_FETCH_RFC822_SIZE | PEEK},
    {"ENVELOPE", IMAP_FETCH_ENVELOPE | PEEK},
    {"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE | PEEK},
    {"MODSEQ", IMAP_FETCH_MODSEQ | PEEK},
    {"EMAILID", IMAP_FETCH_EMAILID | PEEK},
    {"THREADID", IMAP_FETCH_THREADID | PEEK},
    {"SAVEDATE", IMAP_FETCH_SAVEDATE | PEEK},
    {"PREVIEW", IMAP_FETCH_PREVIEW | PEEK},
    {"BODY", IMAP_FETCH_BODY | PEEK},
    {"RFC822", IMAP_FETCH_RFC822},
    {"RFC822.HEADER", IMAP_FETCH_RFC822_HEADER | PEEK},
    {"RFC822.TEXT", IMAP_FETCH_RFC822_TEXT},
    {NULL, 0},
};

static const struct imap_word section_items[] = {
    {"BODY", IMAP_FETCH_BODY_SECTION},
    {"BODY.PEEK", IMAP_FETCH_BODY_SECTION | PEEK},
    {"BINARY", IMAP_FETCH_BINARY},
    {"BINARY.PEEK", IMAP_FETCH_BINARY | PEEK},
    {"BINARY.SIZE", IMAP_FETCH_BINARY_SIZE | PEEK},
    {NULL, 0},
};

// The list being built, and which simple items it has.
struct fetch_builder {
    struct imap_list_builder items;
    uint32_t seen;
};

static bool find_word(const struct imap_word *table, struct span name, uint32_t *out)
{
    for (; table->name; table++) {
        if (span_eq_nocase(span_from_str(table->name), name)) {
            *out = table->value;
            return true;
        }
    }
    return false;
}

// A simple item named twice is answered once.
static enum err add_simple(struct imap_cursor *c, struct fetch_builder *b, uint32_t value,
                           bool lazy)
{
    struct imap_fetch_item *item;
    void *place;
    uint32_t type = value & 0xff;

    if (b->seen & 1u << type) {
        return ERR_OK;
    }
    b->seen |= 1u << type;
    TRY(imap_list_add(c, &b->items, "FETCH has over 1000 items", &place));
    item = place;
    item->type = (enum imap_fetch_type)type;
    item->peek = value & PEEK;
    item->lazy = lazy;
    return ERR_OK;
}

// "1.2.3" before "]" or a word; *out_word: a dot and a word follow.
static enum err take_part(struct imap_cursor *c, struct imap_section *s, bool *out_word)
{
    struct imap_list_builder numbers;

    imap_list_begin(&numbers, sizeof(uint32_t), IMAP_PART_DEPTH_MAX);
    *out_word = false;
    do {
        uint64_t v;
        void *item;

        if (!byte_is_digit(imap_peek(c))) {
            *out_word = true;
            break;
        }
        TRY(imap_take_number(c, 1, UINT32_MAX, "expected a part number of 1 or more", &v));
        TRY(imap_list_add(c, &numbers, "a part number has over 100 levels", &item));
        *(uint32_t *)item = (uint32_t)v;
    } while (imap_take(c, '.'));
    s->part = numbers.items;
    s->part_n = numbers.n;
    return ERR_OK;
}

// "(FROM TO)" after HEADER.FIELDS.
static enum err take_fields(struct imap_cursor *c, struct imap_section *s)
{
    struct imap_list_builder fields;
    bool end = false;

    imap_list_begin(&fields, sizeof(struct span), SIZE_MAX);
    TRY(imap_take_space(c, "expected a space and the names of header fields"));
    TRY(imap_take_byte(c, '(', "expected \"(\" before the names of header fields"));
    while (!end) {
        void *item;

        TRY(imap_list_add(c, &fields, "", &item));
        TRY(imap_take_astring(c, "expected the name of a header field", item));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the field's name", &end));
    }
    s->fields = fields.items;
    s->field_n = fields.n;
    return ERR_OK;
}

static enum err take_section_text(struct imap_cursor *c, struct imap_section *s)
{
    static const struct imap_word words[] = {
        {"HEADER", IMAP_SECTION_HEADER},
        {"HEADER.FIELDS", IMAP_SECTION_HEADER_FIELDS},
        {"HEADER.FIELDS.NOT", IMAP_SECTION_HEADER_FIELDS_NOT},
        {"TEXT", IMAP_SECTION_TEXT},
        {"MIME", IMAP_SECTION_MIME},
        {NULL, 0},
    };
    size_t from = c->at;
    uint32_t text;

    TRY(imap_take_table_word(c, words, "expected HEADER, HEADER.FIELDS, TEXT or MIME", &text));
    s->text = (enum imap_section_text)text;
    if (text == IMAP_SECTION_MIME && s->part_n == 0) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "MIME needs a part number before it");
    }
    if (text == IMAP_SECTION_HEADER_FIELDS || text == IMAP_SECTION_HEADER_FIELDS_NOT) {
        return take_fields(c, s);
    }
    return ERR_OK;
}

enum err imap_take_section(struct imap_cursor *c, bool words, struct imap_section *s)
{
    bool word = imap_peek(c) != ']';

    if (byte_is_digit(imap_peek(c))) {
        TRY(take_part(c, s, &word));
    }
    if (word && !words) {
        return imap_expected(c, "expected a part number or \"]\"");
    }
    if (word) {
        TRY(take_section_text(c, s));
    }
    return imap_take_byte(c, ']', "expected \"]\" at the end of the section");
}

// "<0.1024>"
static enum err take_partial(struct imap_cursor *c, struct imap_fetch_item *item)
{
    if (!imap_take(c, '<')) {
        return ERR_OK;
    }
    TRY(imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected the first byte's offset", &item->offset));
    TRY(imap_take_byte(c, '.', "expected \".\" after the offset"));
    TRY(imap_take_number(c, 1, IMAP_NUMBER_MAX, "expected a length of 1 or more", &item->length));
    item->partial = true;
    return imap_take_byte(c, '>', "expected \">\" after the length");
}

// A word and "[" have been read.
static enum err take_section_item(struct imap_cursor *c, struct fetch_builder *b, struct span name)
{
    struct imap_fetch_item item = {.type = IMAP_FETCH_BODY_SECTION};
    uint32_t value;
    void *place;

    if (!find_word(section_items, name, &value)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, c->at - 1, "this item has no section");
    }
    item.type = (enum imap_fetch_type)(value & 0xff);
    item.peek = value & PEEK;
    TRY(imap_take_section(c, item.type == IMAP_FETCH_BODY_SECTION, &item.section));
    if (item.type != IMAP_FETCH_BINARY_SIZE) {
        TRY(take_partial(c, &item));
    }
    TRY(imap_list_add(c, &b->items, "FETCH has over 1000 items", &place));
    *(struct imap_fetch_item *)place = item;
    return ERR_OK;
}

// " (LAZY)" after PREVIEW; other parentheses belong to the command.
static enum err take_lazy(struct imap_cursor *c, bool *out)
{
    *out = imap_looking_at(c, SPAN(" (LAZY"));
    if (!*out) {
        return ERR_OK;
    }
    c->at += SPAN(" (LAZY").n;
    return imap_take_byte(c, ')', "expected \")\" after LAZY");
}

// A name's characters: an atom's, but "[" and "<" end it.
static struct span take_item_name(struct imap_cursor *c)
{
    size_t from = c->at;

    while (!imap_at_end(c) && (byte_is_alnum(imap_peek(c)) || imap_peek(c) == '.')) {
        c->at++;
    }
    return span_of(c->text.p + from, c->at - from);
}

static enum err take_item(struct imap_cursor *c, struct fetch_builder *b)
{
    size_t from = c->at;
    struct span name = take_item_name(c);
    uint32_t value;
    bool lazy = false;

    if (name.n && imap_take(c, '[')) {
        return take_section_item(c, b, name);
    }
    if (!find_word(simple_items, name, &value)) {
        return find_word(section_items, name, &value)
                   ? imap_expected(c, "expected \"[\" and a section")
                   : imap_fail(c, IMAP_FAULT_SYNTAX, from, "expected a FETCH item such as FLAGS");
    }
    if ((value & 0xff) == IMAP_FETCH_PREVIEW) {
        TRY(take_lazy(c, &lazy));
    }
    return add_simple(c, b, value, lazy);
}

// ALL, FAST and FULL, which stand alone; *out: there was one.
static enum err take_macro(struct imap_cursor *c, struct fetch_builder *b, bool *out)
{
    static const uint32_t items[] = {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE,
                                     IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE, IMAP_FETCH_BODY};
    size_t n = imap_take_word(c, SPAN("FAST"))   ? 3
               : imap_take_word(c, SPAN("ALL"))  ? 4
               : imap_take_word(c, SPAN("FULL")) ? 5
                                                 : 0;

    for (size_t i = 0; i < n; i++) {
        TRY(add_simple(c, b, items[i] | PEEK, false));
    }
    *out = n > 0;
    return ERR_OK;
}

static enum err take_items(struct imap_cursor *c, struct fetch_builder *b)
{
    bool macro, end = false;

    TRY(take_macro(c, b, &macro));
    if (macro) {
        return ERR_OK;
    }
    if (!imap_take(c, '(')) {
        return take_item(c, b);
    }
    while (!end) {
        TRY(take_item(c, b));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the item", &end));
    }
    return ERR_OK;
}

// "(CHANGEDSINCE 12 VANISHED)"; 0 is borne and means every message. RFC 7162 section 3.2.6 wants
// VANISHED with UID FETCH and CHANGEDSINCE only.
static enum err take_modifiers(struct imap_cursor *c, bool uid, struct imap_fetch *f)
{
    size_t from = c->at;
    bool end = false;

    TRY(imap_take_byte(c, '(', "expected \"(\" before the modifiers of FETCH"));
    while (!end) {
        if (imap_take_word(c, SPAN("CHANGEDSINCE"))) {
            TRY(imap_take_space(c, "expected a space after CHANGEDSINCE"));
            TRY(imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected a mod-sequence",
                                 &f->changedsince));
            f->has_changedsince = true;
        } else if (imap_take_word(c, SPAN("VANISHED"))) {
            f->vanished = true;
        } else if (!f->has_partial && imap_take_word(c, SPAN("PARTIAL"))) {
            TRY(imap_take_space(c, "expected a space after PARTIAL"));
            TRY(imap_take_partial(c, &f->partial));
            f->has_partial = true;
        } else {
            return imap_expected(c, "expected CHANGEDSINCE, VANISHED or one PARTIAL");
        }
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the modifier", &end));
    }
    if (f->vanished && (!uid || !f->has_changedsince)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "VANISHED needs UID FETCH with CHANGEDSINCE");
    }
    if (f->has_partial && !uid) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "PARTIAL needs UID FETCH");
    }
    return ERR_OK;
}

enum err imap_take_fetch_items(struct imap_cursor *c, const struct imap_fetch_item **out,
                               size_t *out_n)
{
    struct fetch_builder b = {.seen = 0};

    imap_list_begin(&b.items, sizeof(struct imap_fetch_item), IMAP_FETCH_ITEMS_MAX);
    TRY(take_items(c, &b));
    *out = b.items.items;
    *out_n = b.items.n;
    return ERR_OK;
}

enum err imap_parse_fetch(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a sequence set"));
    TRY(imap_take_seqset(c, &out->fetch.set));
    TRY(imap_take_space(c, "expected a space after the sequence set"));
    TRY(imap_take_fetch_items(c, &out->fetch.items, &out->fetch.n));
    if (!imap_take(c, ' ') || imap_at_end(c)) {
        return ERR_OK;
    }
    return take_modifiers(c, out->uid, &out->fetch);
}

// "(UNCHANGEDSINCE 12) " (RFC 7162 section 3.1.3).
static enum err take_store_modifier(struct imap_cursor *c, struct imap_store *s)
{
    c->at++;
    if (!imap_take_word(c, SPAN("UNCHANGEDSINCE"))) {
        return imap_expected(c, "expected UNCHANGEDSINCE");
    }
    TRY(imap_take_space(c, "expected a space after UNCHANGEDSINCE"));
    TRY(imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected a mod-sequence", &s->unchangedsince));
    s->has_unchangedsince = true;
    TRY(imap_take_byte(c, ')', "expected \")\" after the modifier"));
    return imap_take_space(c, "expected a space after the modifier");
}

enum err imap_parse_store(struct imap_cursor *c, struct imap_command *out)
{
    static const struct imap_word words[] = {{"FLAGS", false}, {"FLAGS.SILENT", true}, {NULL, 0}};
    struct imap_store *s = &out->store;
    uint32_t silent;

    TRY(imap_take_space(c, "expected a space and a sequence set"));
    TRY(imap_take_seqset(c, &s->set));
    TRY(imap_take_space(c, "expected a space after the sequence set"));
    if (imap_peek(c) == '(') {
        TRY(take_store_modifier(c, s));
    }
    s->action = imap_take(c, '+')   ? IMAP_STORE_ADD
                : imap_take(c, '-') ? IMAP_STORE_REMOVE
                                    : IMAP_STORE_SET;
    TRY(imap_take_table_word(c, words, "expected FLAGS or FLAGS.SILENT", &silent));
    s->silent = silent;
    TRY(imap_take_space(c, "expected a space and the flags"));
    return imap_take_flags(c, true, &s->flags);
}
