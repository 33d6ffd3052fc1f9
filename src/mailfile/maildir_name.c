// SPDX-License-Identifier: Apache-2.0
#include "mailfile/maildir_name.h"

#include "base/utf8.h"
#include "wire/imap/imap_utf7.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 4096

static const struct {
    char letter;
    uint16_t flag;
} letters_of_flags[] = {
    {'D', MAIL_DRAFT},    {'F', MAIL_FLAGGED}, {'P', 0},
    {'R', MAIL_ANSWERED}, {'S', MAIL_SEEN},    {'T', MAIL_DELETED},
};
#define FLAG_LETTERS (sizeof(letters_of_flags) / sizeof(letters_of_flags[0]))

// Where the info begins, or the length of the name.
static size_t info_start(struct span name)
{
    for (size_t i = name.n; i >= 3; i--) {
        const char *p = name.p + i - 3;

        if ((p[0] == ':' || p[0] == ';' || p[0] == '!') && p[1] == '2' && p[2] == ',') {
            return i;
        }
    }
    return name.n;
}

uint16_t maildir_name_flags(struct span name, uint32_t *out_letters, bool *out_forwarded)
{
    struct span info = span_skip(name, info_start(name));
    uint16_t flags = 0;

    *out_letters = 0;
    *out_forwarded = false;
    for (size_t i = 0; i < info.n && info.p[i] != ','; i++) {
        char c = info.p[i];

        if (c >= 'a' && c <= 'z') {
            *out_letters |= 1u << (c - 'a');
        }
        *out_forwarded = *out_forwarded || c == 'P';
        for (size_t f = 0; f < FLAG_LETTERS; f++) {
            flags |= letters_of_flags[f].letter == c ? letters_of_flags[f].flag : 0;
        }
    }
    return flags;
}

void maildir_name_put_flags(struct buf *out, uint16_t flags, uint32_t letters, bool forwarded)
{
    for (size_t f = 0; f < FLAG_LETTERS; f++) {
        if ((flags & letters_of_flags[f].flag) ||
            (letters_of_flags[f].letter == 'P' && forwarded)) {
            buf_put_byte(out, letters_of_flags[f].letter);
        }
    }
    for (int i = 0; i < MAILDIR_LETTERS; i++) {
        if (letters & (1u << i)) {
            buf_put_byte(out, (char)('a' + i));
        }
    }
}

// ---- folders ------------------------------------------------------------------------------------

// "\2e" and "\5c" within a level, as written by maildir_folder_from_mailbox and by Dovecot.
static void unescape(struct span level, struct buf *out)
{
    while (level.n > 0) {
        if (level.n >= 3 && level.p[0] == '\\' && byte_hex(level.p[1]) >= 0 &&
            byte_hex(level.p[2]) >= 0) {
            buf_put_byte(out, (char)(byte_hex(level.p[1]) << 4 | byte_hex(level.p[2])));
            level = span_skip(level, 3);
        } else {
            buf_put_byte(out, level.p[0]);
            level = span_skip(level, 1);
        }
    }
}

// UTF-8 without what a mailbox name cannot have.
static void put_clean(struct span level, struct buf *out)
{
    if (span_eq(level, SPAN(".")) || span_eq(level, SPAN(".."))) {
        buf_put_str(out, level.n == 1 ? "_" : "__");
        return;
    }
    while (level.n > 0) {
        uint32_t c;

        if (!utf8_next(&level, &c) || c < ' ' || (c >= 0x7f && c < 0xa0) || c == '/' ||
            c == 0x2028 || c == 0x2029) {
            c = '_';
        }
        utf8_put(out, c);
    }
}

void mail_level_put(struct span level, struct buf *out)
{
    struct buf plain, decoded;

    buf_init(&plain, NAME_BYTES_MAX);
    buf_init(&decoded, NAME_BYTES_MAX);
    unescape(level, &plain);
    if (plain.failed) {
        out->failed = true;
    } else if (imap_utf7_decode(&decoded, buf_span(&plain)) == ERR_OK) {
        put_clean(buf_span(&decoded), out);
    } else {
        put_clean(buf_span(&plain), out);
    }
    buf_finish(&plain);
    buf_finish(&decoded);
}

enum err maildir_folder_to_mailbox(struct span name, struct buf *out)
{
    if (name.n < 2 || name.p[0] != '.') {
        return ERR_INVALID;
    }
    struct span rest = span_skip(name, 1);

    if (rest.p[rest.n - 1] == '.') {
        return ERR_INVALID;
    }
    for (bool first = true; rest.n > 0; first = false) {
        struct span level = span_split(&rest, '.');

        if (level.n == 0) {
            return ERR_INVALID;
        }
        if (!first) {
            buf_put_byte(out, '/');
        }
        mail_level_put(level, out);
    }
    return buf_result(out);
}

// A level with its dots and backslashes written so that they separate nothing.
static void level_escape(struct span level, struct buf *out)
{
    for (size_t i = 0; i < level.n; i++) {
        if (level.p[i] == '.') {
            buf_put_str(out, "\\2e");
        } else if (level.p[i] == '\\') {
            buf_put_str(out, "\\5c");
        } else {
            buf_put_byte(out, level.p[i]);
        }
    }
}

enum err maildir_folder_from_mailbox(struct span mailbox, struct buf *out)
{
    struct buf encoded;
    enum err e = mailbox.n > 0 ? ERR_OK : ERR_INVALID;

    buf_init(&encoded, NAME_BYTES_MAX);
    while (e == ERR_OK && mailbox.n > 0) {
        struct span level = span_split(&mailbox, '/');

        buf_clear(&encoded);
        e = level.n > 0 ? imap_utf7_encode(&encoded, level) : ERR_INVALID;
        buf_put_byte(out, '.');
        level_escape(buf_span(&encoded), out);
    }
    buf_finish(&encoded);
    return e == ERR_OK ? buf_result(out) : e;
}

// ---- the files beside ---------------------------------------------------------------------------

void maildir_keywords_parse(struct span text, struct span out[MAILDIR_LETTERS])
{
    for (int i = 0; i < MAILDIR_LETTERS; i++) {
        out[i] = (struct span){NULL, 0};
    }
    while (text.n > 0) {
        struct span line = span_trim(span_split(&text, '\n'));
        struct span number = span_split(&line, ' ');
        uint64_t index;

        if (line.n > 0 && span_to_u64(number, MAILDIR_LETTERS - 1, &index)) {
            out[index] = line;
        }
    }
}

// One line's name, levels separated by `separator`; an "INBOX" in front of others (Courier) goes.
static bool subscription_line(struct span line, char separator, maildir_subscription_fn *fn,
                              void *arg)
{
    struct buf name;
    bool go_on = true;

    if (line.n > 6 && span_starts(line, SPAN("INBOX")) && line.p[5] == separator) {
        line = span_skip(line, 6);
    }
    buf_init(&name, NAME_BYTES_MAX);
    while (line.n > 0) {
        struct span level = span_split(&line, separator);

        mail_level_put(level, &name);
        if (line.n > 0) {
            buf_put_byte(&name, '/');
        }
    }
    if (!name.failed && name.n > 0) {
        go_on = fn(arg, buf_span(&name));
    }
    buf_finish(&name);
    return go_on;
}

void maildir_subscriptions_parse(struct span text, maildir_subscription_fn *fn, void *arg)
{
    char separator = '.';

    if (span_starts(text, SPAN("V\t2\n"))) {
        separator = '\t';
        span_split(&text, '\n');
    }
    while (text.n > 0) {
        struct span line = span_split(&text, '\n');

        if (line.n > 0 && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        if (line.n > 0 && !subscription_line(line, separator, fn, arg)) {
            return;
        }
    }
}
