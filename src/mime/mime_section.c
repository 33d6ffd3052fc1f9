// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_section.h"

#include "base/banned.h"

static enum err message_entry(const void *context, uint32_t index, struct mime_entry *out)
{
    const struct mime_message *m = context;

    if (index >= m->part_count) {
        return ERR_NOT_FOUND;
    }
    const struct mime_part *p = &m->parts[index];

    *out = (struct mime_entry){
        .header_offset = p->header_offset,
        .header_size = p->header_size,
        .body_offset = p->body_offset,
        .body_size = p->body_size,
        .body_lines = p->body_lines,
        .child_first = p->child_count ? (uint32_t)(p->children - m->parts) : 0,
        .child_count = p->child_count,
        .kind = p->kind,
        .encoding = p->encoding,
    };
    return ERR_OK;
}

struct mime_table mime_section_table(const struct mime_message *m)
{
    return (struct mime_table){message_entry, m};
}

static enum err child(struct mime_table table, struct mime_entry *e, uint32_t number)
{
    if (number == 0 || number > e->child_count) {
        return ERR_NOT_FOUND;
    }
    return table.entry(table.context, e->child_first + number - 1, e);
}

// One number of the path. A message inside a part is stepped into first; what is no multipart has
// one part, itself.
static enum err step(struct mime_table table, struct mime_entry *e, uint32_t number,
                     bool is_numbered)
{
    bool is_message = e->kind == MIME_MESSAGE && is_numbered;

    if (is_message) {
        enum err r = child(table, e, 1);

        if (r != ERR_OK) {
            return r;
        }
    }
    if (e->kind == MIME_MULTIPART) {
        return child(table, e, number);
    }
    return number == 1 && (is_message || !is_numbered) ? ERR_OK : ERR_NOT_FOUND;
}

static void set_header(struct mime_range *out, const struct mime_entry *e)
{
    out->offset = e->header_offset;
    out->size = e->header_size;
}

static void set_body(struct mime_range *out, const struct mime_entry *e)
{
    out->offset = e->body_offset;
    out->size = e->body_size;
}

static enum err whole_message(const struct mime_entry *e, enum mime_section_text text,
                              struct mime_range *out)
{
    switch (text) {
    case MIME_SECTION_ALL:
        out->offset = e->header_offset;
        out->size = e->header_size + e->body_size;
        return ERR_OK;
    case MIME_SECTION_HEADER:
        set_header(out, e);
        return ERR_OK;
    case MIME_SECTION_TEXT:
        set_body(out, e);
        return ERR_OK;
    case MIME_SECTION_MIME:
        break;
    }
    return ERR_INVALID;
}

static enum err numbered_part(struct mime_table table, struct mime_entry *e,
                              enum mime_section_text text, struct mime_range *out)
{
    bool is_leaf = e->kind == MIME_LEAF || e->kind == MIME_TEXT;

    if (text == MIME_SECTION_ALL) {
        set_body(out, e);
        out->encoding = is_leaf ? e->encoding : MIME_7BIT;
        return ERR_OK;
    }
    if (text == MIME_SECTION_MIME) {
        set_header(out, e);
        return ERR_OK;
    }
    if (e->kind != MIME_MESSAGE) {
        return ERR_NOT_FOUND;
    }
    enum err r = child(table, e, 1);

    return r == ERR_OK ? whole_message(e, text, out) : r;
}

enum err mime_section_find(struct mime_table table, const struct mime_section *section,
                           struct mime_range *out)
{
    struct mime_entry e;
    enum err r = table.entry(table.context, 0, &e);

    for (size_t i = 0; r == ERR_OK && i < section->path_n; i++) {
        r = step(table, &e, section->path[i], i > 0);
    }
    if (r != ERR_OK) {
        return r;
    }
    struct mime_range range = {.encoding = MIME_7BIT, .kind = e.kind};

    r = section->path_n ? numbered_part(table, &e, section->text, &range)
                        : whole_message(&e, section->text, &range);
    if (r == ERR_OK) {
        *out = range;
    }
    return r;
}

struct mime_range mime_section_partial(struct mime_range range, uint64_t offset, uint64_t count)
{
    if (offset > range.size) {
        offset = range.size;
    }
    range.offset += offset;
    range.size -= offset;
    if (range.size > count) {
        range.size = count;
    }
    return range;
}
