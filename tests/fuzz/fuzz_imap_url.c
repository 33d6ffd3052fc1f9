// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as an IMAP URL: what is taken is within the URL's bounds, and is taken again when the
// token is cut off.
#include "fuzz.h"
#include "wire/imap/imap_url.h"

static void check_url(struct span text, struct arena *arena, const struct imap_url *url)
{
    struct imap_url rump;
    const char *why;

    CHECK(text.n <= IMAP_URL_BYTES_MAX);
    CHECK(url->mailbox.n <= text.n && span_find_byte(url->mailbox, '\0') == url->mailbox.n);
    CHECK(!url->uid || url->mailbox.n);
    CHECK(!url->uidvalidity || url->mailbox.n);
    CHECK(url->offset <= INT64_MAX && url->length <= INT64_MAX);
    CHECK(url->section.part_n <= IMAP_PART_DEPTH_MAX);
    CHECK(!url->user.p || url->has_server);
    CHECK((url->access != IMAP_URL_OPEN) == (url->rump.n > 0));
    CHECK(!url->mechanism.n == !url->token.n);
    CHECK(!url->token.n || url->token.n >= IMAP_URL_TOKEN_BYTES_MIN);
    if (!url->rump.n) {
        CHECK(!url->token.n);
        return;
    }
    CHECK(span_starts(text, url->rump));
    CHECK(url->rump.n == text.n - (url->token.n ? url->mechanism.n + url->token.n + 2 : 0));
    CHECK(imap_url_parse(url->rump, arena, &rump, &why) == ERR_OK);
    CHECK(!rump.token.n && rump.access == url->access && rump.uid == url->uid);
    CHECK(span_eq(rump.mailbox, url->mailbox) && span_eq(rump.access_user, url->access_user));
    CHECK(rump.expire == url->expire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span text = span_of(data, n);
    struct imap_url url;
    struct arena arena;
    const char *why = NULL;

    arena_init(&arena, 4u << 20);
    enum err e = imap_url_parse(text, &arena, &url, &why);

    if (!e) {
        check_url(text, &arena, &url);
    } else {
        CHECK(why && (e == ERR_INVALID || e == ERR_LIMIT || e == ERR_NOMEM));
    }
    arena_finish(&arena);
    return 0;
}
