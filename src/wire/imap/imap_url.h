// SPDX-License-Identifier: Apache-2.0
//
// IMAP URLs (RFC 5092) with the additions of URLAUTH (RFC 4467): what CATENATE, GENURLAUTH and
// URLFETCH name a message or a part of it by. A URL is absolute ("imap://user@host/..."), a network
// path ("//host/...") or an absolute path ("/INBOX/;UID=20"); relative paths are not taken (RFC
// 5092 section 7.2), and nothing is resolved: there is nothing above "/". Pure; any thread.
#ifndef WIRE_IMAP_IMAP_URL_H
#define WIRE_IMAP_IMAP_URL_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/imap/imap_fetch.h"

#define IMAP_URL_BYTES_MAX       8192
#define IMAP_URL_TOKEN_BYTES_MIN 32 // hexadecimal digits

enum imap_url_access {
    IMAP_URL_OPEN, // no URLAUTH
    IMAP_URL_SUBMIT,
    IMAP_URL_USER,
    IMAP_URL_AUTHUSER,
    IMAP_URL_ANONYMOUS,
};

struct imap_url {
    bool has_server;              // with "imap://" or "//"
    struct span user, auth, host; // of the server: decoded; p NULL where it is not there
    uint16_t port;                // 0: none was given

    struct span mailbox;  // decoded, UTF-8 as it claims; empty: the URL names a server only
    uint32_t uidvalidity; // 0: not given
    bool has_search;      // "?...": a list of messages
    uint32_t uid;         // 0: the mailbox itself
    struct imap_section section;
    bool has_partial;
    uint64_t offset, length; // of PARTIAL; length 0: to the end. Each below 2^63

    bool has_expire;
    int64_t expire; // seconds since 1970: good up to and with this one
    enum imap_url_access access;
    struct span access_user; // of SUBMIT and USER: decoded
    struct span rump;        // URLAUTH: the URL up to ":mechanism:token"; else empty
    struct span mechanism;   // empty: a rump only
    struct span token;       // hexadecimal digits
};

// The arguments of URLFETCH, and of GENURLAUTH with a mechanism each: as written.
#define IMAP_URLS_MAX 100
struct imap_url_word {
    struct span url, mechanism;
};
struct imap_urls {
    const struct imap_url_word *words;
    size_t n;
};

// What is not in `url` lives in the arena. ERR_INVALID: it is none, `*out_why` says what was
// expected (static, a sentence without capital and full stop); ERR_LIMIT: it is too long or too
// deep; ERR_NOMEM.
enum err imap_url_parse(struct span url, struct arena *arena, struct imap_url *out,
                        const char **out_why);

#endif
