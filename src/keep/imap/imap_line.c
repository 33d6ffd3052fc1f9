// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_line.h"

#include "wire/imap/imap_flag.h"

#include "base/banned.h"

enum err imap_keywords_of(struct view *v, mailbox_id mailbox, struct imap_keywords *out)
{
    return view_keywords(v, mailbox, &out->names, &out->n);
}

void imap_line_begin(struct buf *out, uint32_t seq)
{
    buf_put(out, SPAN("* "));
    buf_put_u64(out, seq);
    buf_put(out, SPAN(" FETCH ("));
}

void imap_line_begin_uid(struct buf *out, uint32_t uid)
{
    buf_put(out, SPAN("* "));
    buf_put_u64(out, uid);
    buf_put(out, SPAN(" UIDFETCH ("));
}

// The store's five flags in every combination: found by index, copied in one go.
// clang-format off
#define S "\\Seen "
#define A "\\Answered "
#define F "\\Flagged "
#define X "\\Deleted "
#define D "\\Draft "
#define T(text) {text, sizeof(text) - 1}
static const struct span system_flags[32] = {
    T(""), T(S), T(A), T(A S), T(F), T(F S), T(A F), T(A F S),
    T(X), T(X S), T(A X), T(A X S), T(F X), T(F X S), T(A F X), T(A F X S),
    T(D), T(S D), T(A D), T(A S D), T(F D), T(F S D), T(A F D), T(A F S D),
    T(X D), T(X S D), T(A X D), T(A X S D), T(F X D), T(F X S D),
    T(A F X D), T(A F X S D),
};
#undef T
#undef S
#undef A
#undef F
#undef X
#undef D
// clang-format on

static void put_keyword(struct buf *out, const struct imap_keywords *keywords, size_t number)
{
    // What is no atom could break the response; the store refuses such names, imports included.
    if (number < keywords->n && imap_keyword_is_valid(keywords->names[number])) {
        buf_put(out, keywords->names[number]);
        buf_put_byte(out, ' ');
    }
}

void imap_line_flags(struct buf *out, const struct placement *p, bool is_recent,
                     const struct imap_keywords *keywords)
{
    buf_put(out, SPAN("FLAGS ("));
    size_t start = out->n;

    buf_put(out, system_flags[p->flags & 31]);
    if (is_recent) {
        buf_put(out, SPAN("\\Recent "));
    }
    for (uint64_t left = p->keywords; left; left &= left - 1) {
        put_keyword(out, keywords, (size_t)__builtin_ctzll(left));
    }
    for (size_t i = 0; i < p->more_keyword_count; i++) {
        put_keyword(out, keywords, p->more_keywords[i]);
    }
    if (out->n > start) {
        out->n--; // the last blank
    }
    buf_put_byte(out, ')');
}

void imap_line_uid(struct buf *out, uint32_t uid)
{
    buf_put(out, SPAN("UID "));
    buf_put_u64(out, uid);
}

void imap_line_modseq(struct buf *out, modseq m)
{
    buf_put(out, SPAN("MODSEQ ("));
    buf_put_u64(out, m);
    buf_put_byte(out, ')');
}

void imap_line_end(struct buf *out)
{
    buf_put(out, SPAN(")\r\n"));
}
