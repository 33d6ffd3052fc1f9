// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mbox_fields.h"

#include "base/banned.h"

#define MOZILLA_READ    0x0001u
#define MOZILLA_REPLIED 0x0002u
#define MOZILLA_MARKED  0x0004u
#define MOZILLA_GONE    0x0008u

static const struct {
    const char *name;
    enum mbox_field field;
} names[] = {
    {"Status", MBOX_FIELD_STATUS},
    {"X-Status", MBOX_FIELD_X_STATUS},
    {"X-Keywords", MBOX_FIELD_KEYWORDS},
    {"X-Mozilla-Keys", MBOX_FIELD_KEYWORDS},
    {"X-Mozilla-Status", MBOX_FIELD_MOZILLA},
    {"X-Mozilla-Status2", MBOX_FIELD_IGNORED},
    {"Content-Length", MBOX_FIELD_LENGTH},
    {"X-IMAP", MBOX_FIELD_IMAP},
    {"X-IMAPbase", MBOX_FIELD_IGNORED},
    {"X-UID", MBOX_FIELD_IGNORED},
};

enum mbox_field mbox_field_find(struct span line)
{
    struct span name = span_first(line, span_find_byte(line, ':'));

    if (name.n == line.n) {
        return MBOX_FIELD_NONE;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_eq_nocase(name, span_from_str(names[i].name))) {
            return names[i].field;
        }
    }
    return MBOX_FIELD_NONE;
}

bool mbox_field_is_kept(struct span line)
{
    const struct span kept = SPAN(MBOX_KEPT);

    if (!span_starts(line, kept)) {
        return false;
    }
    while (span_starts(line, kept)) {
        line = span_skip(line, kept.n);
    }
    return mbox_field_find(line) != MBOX_FIELD_NONE;
}

// Status: R read, O old (seen by a program, not by the person). X-Status: the others.
static void status_read(struct mail_meta *m, struct span letters)
{
    for (size_t i = 0; i < letters.n; i++) {
        switch (letters.p[i]) {
        case 'R':
            m->flags |= MAIL_SEEN;
            break;
        case 'A':
            m->flags |= MAIL_ANSWERED;
            break;
        case 'F':
            m->flags |= MAIL_FLAGGED;
            break;
        case 'D':
            m->flags |= MAIL_DELETED;
            break;
        case 'T':
            m->flags |= MAIL_DRAFT;
            break;
        default:
            break;
        }
    }
}

static void keywords_read(struct mail_meta *m, struct span words, struct arena *a)
{
    while (words.n > 0) {
        size_t n = 0;

        while (n < words.n && !byte_is_space(words.p[n])) {
            n++;
        }
        struct span word = span_first(words, n);

        words = span_skip(words, n + 1);
        if (word.n > 0 && word.n <= MAIL_KEYWORD_BYTES_MAX &&
            m->keyword_count < MAIL_KEYWORDS_MAX) {
            struct span copy = arena_dup(a, word);

            if (copy.p) {
                mail_meta_add_keyword(m, copy);
            }
        }
    }
}

static void mozilla_read(struct mbox_fields *f, struct span hex)
{
    unsigned v = 0;

    for (size_t i = 0; i < hex.n; i++) {
        if (byte_hex(hex.p[i]) < 0 || i == 4) {
            return;
        }
        v = v << 4 | (unsigned)byte_hex(hex.p[i]);
    }
    f->meta.flags |=
        (uint16_t)((v & MOZILLA_READ ? MAIL_SEEN : 0) | (v & MOZILLA_REPLIED ? MAIL_ANSWERED : 0) |
                   (v & MOZILLA_MARKED ? MAIL_FLAGGED : 0));
    f->is_gone = f->is_gone || (v & MOZILLA_GONE);
}

void mbox_field_read(struct mbox_fields *f, enum mbox_field field, struct span line,
                     struct arena *a)
{
    struct span value = span_trim(span_skip(line, span_find_byte(line, ':') + 1));

    switch (field) {
    case MBOX_FIELD_STATUS:
    case MBOX_FIELD_X_STATUS:
        status_read(&f->meta, value);
        break;
    case MBOX_FIELD_KEYWORDS:
        keywords_read(&f->meta, value, a);
        break;
    case MBOX_FIELD_MOZILLA:
        mozilla_read(f, value);
        break;
    case MBOX_FIELD_LENGTH:
        f->has_length = span_to_u64(value, UINT64_MAX / 4, &f->length);
        break;
    case MBOX_FIELD_IMAP:
        f->has_imap = true;
        break;
    case MBOX_FIELD_NONE:
    case MBOX_FIELD_IGNORED:
        break;
    }
}
