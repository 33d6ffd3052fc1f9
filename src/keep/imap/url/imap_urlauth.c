// SPDX-License-Identifier: Apache-2.0
//
// GENURLAUTH and RESETKEY (RFC 4467 section 7), and the mechanism INTERNAL: the token is 01 (this
// way of making it) and HMAC-SHA-256 of the URL's text up to ":INTERNAL:" under the key that the
// URL's user has for the mailbox. A URL is made by its user alone.
#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/random.h"
#include "keep/imap/url/imap_url_internal.h"
#include "store/directory.h"

#include "base/banned.h"

#define TOKEN_VERSION 1

// ---- tokens -------------------------------------------------------------------------------------

void imap_url_token(const char key[URL_KEY_BYTES], struct span rump, char out[IMAP_TOKEN_BYTES])
{
    unsigned n = 0;

    out[0] = TOKEN_VERSION;
    memset(out + 1, 0, IMAP_TOKEN_BYTES - 1);
    if (!HMAC(EVP_sha256(), key, URL_KEY_BYTES, (const unsigned char *)rump.p, rump.n,
              (unsigned char *)out + 1, &n)) {
        random_bytes(out + 1, IMAP_TOKEN_BYTES - 1); // fits nothing
    }
}

bool imap_url_token_fits(const char expected[IMAP_TOKEN_BYTES], struct span hex)
{
    char room[2 * IMAP_TOKEN_BYTES];
    bool fits = false;
    struct buf said;

    if (hex.n != sizeof(room)) {
        return false;
    }
    buf_init_secret(&said, sizeof(room));
    fits = hex_decode(&said, hex) == ERR_OK && said.n == IMAP_TOKEN_BYTES &&
           CRYPTO_memcmp(said.p, expected, IMAP_TOKEN_BYTES) == 0;
    buf_finish(&said);
    return fits;
}

// ---- whose URL ----------------------------------------------------------------------------------

enum err imap_url_user(struct imap_session *s, struct span user, struct imap_who *out)
{
    struct account account;
    const char *why;
    struct span address;
    enum err e = directory_name_check(&s->arena, user, SPAN(""), &address, &why);

    e = e == ERR_INVALID ? ERR_NOT_FOUND : e;
    e = e ? e : directory_account_by_name(s->server->store, address, &s->arena, &account);
    if (!e && account.state != ACCOUNT_ACTIVE) {
        e = ERR_NOT_FOUND;
    }
    if (!e) {
        *out = (struct imap_who){.account = account.id, .address = account.name};
    }
    return e;
}

struct url_key_of imap_url_key_of(const struct imap_place *p)
{
    return (struct url_key_of){
        .owner = p->is_own ? 0 : p->account, .mailbox = p->mailbox->id, .name = p->full};
}

// ---- GENURLAUTH ---------------------------------------------------------------------------------

static bool is_internal(struct span mechanism)
{
    return span_eq_nocase(mechanism, SPAN("INTERNAL"));
}

// Why this can be no URL that is made good for others; NULL: it can.
static const char *rump_refused(const struct imap_url *url, struct span text)
{
    if (!url->has_server || !url->user.p) {
        return "expected imap://, a user, \"@\" and a server";
    }
    if (!url->uid) {
        return "expected a URL of a message";
    }
    if (!url->access) {
        return "expected an access identifier in URLAUTH";
    }
    return url->mechanism.n || url->rump.n != text.n ? "expected no token yet" : NULL;
}

static enum imap_step refuse_url(struct imap_session *s, const char *why)
{
    return imap_answer(s, IMAP_BAD, (struct span){0}, imap_text(s, "Not such a URL: %s", why));
}

// The key of the mailbox that the URL names, which the user must be able to read.
static enum err key_for(struct imap_session *s, const struct imap_url *url, char key[URL_KEY_BYTES])
{
    const struct imap_who who = imap_place_who(s);
    struct actor by = imap_actor(s);
    struct imap_who owner;
    struct imap_place p;
    enum err e = imap_url_user(s, url->user, &owner);

    if (!e && owner.account != s->account) {
        e = ERR_NOT_FOUND;
    }
    e = e ? e : imap_source_place(s, &who, url, &p);
    if (e) {
        return e;
    }
    struct url_key_of of = imap_url_key_of(&p);

    imap_place_close(&p);
    return url_key_need(s->server->store, s->account, &by, &of, key);
}

static enum imap_step write_one(struct imap_session *s, const struct imap_url_word *word,
                                struct buf *out)
{
    char key[URL_KEY_BYTES], token[IMAP_TOKEN_BYTES];
    struct imap_url url;
    struct buf text;
    const char *why;
    enum err e = imap_url_parse(word->url, &s->arena, &url, &why);

    if (e == ERR_INVALID || e == ERR_LIMIT) {
        return refuse_url(s, why);
    }
    why = e ? NULL : rump_refused(&url, word->url);
    if (why) {
        return refuse_url(s, why);
    }
    if (!is_internal(word->mechanism)) {
        return refuse_url(s, "INTERNAL is the only mechanism");
    }
    e = e ? e : key_for(s, &url, key);
    if (e == ERR_NOT_FOUND) {
        return refuse_url(s, "there is no such mailbox of yours");
    }
    if (e) {
        return imap_answer_err(s, e);
    }
    imap_url_token(key, url.rump, token);
    OPENSSL_cleanse(key, sizeof(key));
    buf_init_secret(&text, 2 * IMAP_URL_BYTES_MAX);
    buf_put(&text, word->url);
    buf_put_str(&text, ":INTERNAL:");
    hex_encode(&text, span_of(token, sizeof(token)));
    buf_put_byte(out, ' ');
    imap_write_string(out, buf_span(&text), imap_is_utf8(s));
    buf_finish(&text);
    return STEP_MORE;
}

// All of them or none (section 7): nothing is said before the last is made.
enum imap_step imap_run_genurlauth(struct imap_session *s)
{
    const struct imap_urls *urls = &s->command.urls;
    enum imap_step step = STEP_MORE;
    struct buf line;

    // A URL would be good when the right to read the account is gone.
    if (session_is_reader(&s->device)) {
        return imap_answer_no(s, "NOPERM", "Only the owner of an account makes URLs of it");
    }
    buf_init_secret(&line, 2u << 20);
    for (size_t i = 0; step == STEP_MORE && i < urls->n; i++) {
        step = write_one(s, &urls->words[i], &line);
    }
    if (step == STEP_MORE && line.failed) {
        step = imap_answer_err(s, ERR_LIMIT);
    }
    if (step == STEP_MORE) {
        OUT(s, "* GENURLAUTH");
        buf_put(s->out, buf_span(&line));
        OUT(s, "\r\n");
        step = imap_answer_ok(s, "GENURLAUTH completed");
    }
    buf_finish(&line);
    return step;
}

// ---- RESETKEY -----------------------------------------------------------------------------------

enum imap_step imap_run_resetkey(struct imap_session *s)
{
    const struct imap_resetkey *r = &s->command.resetkey;
    struct actor by = imap_actor(s);
    struct imap_place p;
    const char *why = "";

    if (session_is_reader(&s->device)) {
        return imap_answer_no(s, "NOPERM", "Only the owner of an account renews its keys");
    }
    if (!r->has_mailbox) {
        enum err e = url_key_drop_all(s->server->store, s->account, &by);

        return e ? imap_answer_err(s, e) : imap_answer_ok(s, "All keys are gone");
    }
    for (size_t i = 0; i < r->mechanisms.n; i++) {
        if (!is_internal(r->mechanisms.words[i])) {
            return imap_answer_bad(s, "INTERNAL is the only mechanism");
        }
    }
    enum err e = imap_place_open(s, r->mailbox, ACL_READ, false, &p, &why);

    if (e) {
        return imap_place_refuse(s, e, why, false);
    }
    struct url_key_of of = imap_url_key_of(&p);

    imap_place_close(&p);
    e = url_key_renew(s->server->store, s->account, &by, &of);
    return e ? imap_answer_err(s, e)
             : imap_answer(s, IMAP_OK, SPAN("URLMECH INTERNAL"), SPAN("RESETKEY completed"));
}
