// SPDX-License-Identifier: Apache-2.0
//
// COMPRESS (RFC 4978), GENURLAUTH, URLFETCH and RESETKEY (RFC 4467).
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

enum err imap_parse_compress(struct imap_cursor *c, struct imap_command *out)
{
    (void)out;
    TRY(imap_take_space(c, "expected a space after COMPRESS"));
    return imap_take_word(c, SPAN("DEFLATE")) ? ERR_OK : imap_expected(c, "expected DEFLATE");
}

static enum err take_urls(struct imap_cursor *c, bool mechanisms, struct imap_urls *out)
{
    struct imap_list_builder words;

    imap_list_begin(&words, sizeof(struct imap_url_word), IMAP_URLS_MAX);
    TRY(imap_take_space(c, "expected a space and a URL"));
    do {
        struct imap_url_word *word;
        void *item;

        TRY(imap_list_add(c, &words, "there are over 100 URLs", &item));
        word = item;
        TRY(imap_take_astring(c, "expected a URL", &word->url));
        if (mechanisms) {
            TRY(imap_take_space(c, "expected a space and a mechanism"));
            TRY(imap_take_atom(c, "expected a mechanism such as INTERNAL", &word->mechanism));
        }
    } while (imap_take(c, ' ') && !imap_at_end(c));
    out->words = words.items;
    out->n = words.n;
    return ERR_OK;
}

enum err imap_parse_genurlauth(struct imap_cursor *c, struct imap_command *out)
{
    return take_urls(c, true, &out->urls);
}

enum err imap_parse_urlfetch(struct imap_cursor *c, struct imap_command *out)
{
    return take_urls(c, false, &out->urls);
}

enum err imap_parse_resetkey(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_resetkey *r = &out->resetkey;
    struct imap_list_builder words;

    imap_list_begin(&words, sizeof(struct span), IMAP_WORDS_MAX);
    if (!imap_take(c, ' ') || imap_at_end(c)) {
        return ERR_OK;
    }
    r->has_mailbox = true;
    TRY(imap_take_mailbox(c, false, &r->mailbox));
    while (imap_take(c, ' ') && !imap_at_end(c)) {
        void *item;

        TRY(imap_list_add(c, &words, "there are over 100 mechanisms", &item));
        TRY(imap_take_atom(c, "expected a mechanism such as INTERNAL", item));
    }
    r->mechanisms = (struct imap_words){.words = words.items, .n = words.n};
    return ERR_OK;
}
