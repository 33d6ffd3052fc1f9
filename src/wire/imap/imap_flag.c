// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_flag.h"

#include "wire/imap/imap_class_internal.h"

#include "base/banned.h"

struct name_of_bit {
    const char *name;
    uint32_t bit;
};

static const struct name_of_bit flags[] = {
    {"\\Answered", IMAP_FLAG_ANSWERED},
    {"\\Flagged", IMAP_FLAG_FLAGGED},
    {"\\Deleted", IMAP_FLAG_DELETED},
    {"\\Seen", IMAP_FLAG_SEEN},
    {"\\Draft", IMAP_FLAG_DRAFT},
    {"\\Recent", IMAP_FLAG_RECENT},
    {NULL, 0},
};

static const struct name_of_bit special_uses[] = {
    {"\\All", IMAP_USE_ALL},
    {"\\Archive", IMAP_USE_ARCHIVE},
    {"\\Drafts", IMAP_USE_DRAFTS},
    {"\\Flagged", IMAP_USE_FLAGGED},
    {"\\Junk", IMAP_USE_JUNK},
    {"\\Sent", IMAP_USE_SENT},
    {"\\Trash", IMAP_USE_TRASH},
    {"\\Important", IMAP_USE_IMPORTANT},
    {NULL, 0},
};

static const struct name_of_bit attributes[] = {
    {"\\Noselect", IMAP_ATTR_NOSELECT},
    {"\\NonExistent", IMAP_ATTR_NONEXISTENT},
    {"\\Noinferiors", IMAP_ATTR_NOINFERIORS},
    {"\\HasChildren", IMAP_ATTR_HAS_CHILDREN},
    {"\\HasNoChildren", IMAP_ATTR_HAS_NO_CHILDREN},
    {"\\Marked", IMAP_ATTR_MARKED},
    {"\\Unmarked", IMAP_ATTR_UNMARKED},
    {"\\Subscribed", IMAP_ATTR_SUBSCRIBED},
    {"\\Remote", IMAP_ATTR_REMOTE},
    {"\\NoAccess", IMAP_ATTR_NO_ACCESS},
    {NULL, 0},
};

static bool find_name(const struct name_of_bit *table, struct span name, uint32_t *out_bit)
{
    for (; table->name; table++) {
        if (span_eq_nocase(span_from_str(table->name), name)) {
            *out_bit = table->bit;
            return true;
        }
    }
    return false;
}

// Appends the names of all bits that are set, separated by spaces; *any: one stands before.
static void write_names(struct buf *out, const struct name_of_bit *table, uint32_t bits, bool *any)
{
    for (; table->name; table++) {
        if (bits & table->bit) {
            if (*any) {
                buf_put_byte(out, ' ');
            }
            buf_put_str(out, table->name);
            *any = true;
        }
    }
}

bool imap_flag_from_name(struct span name, bool recent, uint32_t *out_bit)
{
    uint32_t bit;

    if (!find_name(flags, name, &bit) || (bit == IMAP_FLAG_RECENT && !recent)) {
        return false;
    }
    *out_bit = bit;
    return true;
}

const char *imap_flag_name(uint32_t bit)
{
    for (size_t i = 0; flags[i].name; i++) {
        if (flags[i].bit == bit) {
            return flags[i].name;
        }
    }
    return NULL;
}

bool imap_keyword_is_valid(struct span keyword)
{
    if (keyword.n == 0 || keyword.n > IMAP_KEYWORD_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < keyword.n; i++) {
        if (!imap_is_atom_char(keyword.p[i])) {
            return false;
        }
    }
    return true;
}

void imap_flags_write(struct buf *out, const struct imap_flags *f, bool any_keyword)
{
    bool any = false;

    buf_put_byte(out, '(');
    write_names(out, flags, f->bits, &any);
    for (size_t i = 0; i < f->n; i++) {
        if (imap_keyword_is_valid(f->keywords[i])) {
            if (any) {
                buf_put_byte(out, ' ');
            }
            buf_put(out, f->keywords[i]);
            any = true;
        }
    }
    if (any_keyword) {
        buf_put_str(out, any ? " \\*" : "\\*");
    }
    buf_put_byte(out, ')');
}

bool imap_special_use_from_name(struct span name, uint32_t *out_bit)
{
    return find_name(special_uses, name, out_bit);
}

void imap_attributes_write(struct buf *out, uint32_t bits)
{
    bool any = false;

    buf_put_byte(out, '(');
    write_names(out, attributes, bits, &any);
    write_names(out, special_uses, bits, &any);
    buf_put_byte(out, ')');
}
