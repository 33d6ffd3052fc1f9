// SPDX-License-Identifier: Apache-2.0
//
// URLFETCH (RFC 4467 section 7): the bytes of URLs that were made good for others, with PARTIAL
// (RFC 5550 section 5.7.1). Whatever is wrong with a URL, the answer is NIL, and a token is worked
// out all the same: with a random key where there is none (section 6).
#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "keep/imap/url/imap_url_internal.h"
#include "store/directory.h"

#include "base/banned.h"

struct urlfetch_state {
    size_t next; // of the command's URLs
    bool is_inside;
    struct imap_url_source source;
};

static void urlfetch_cleanup(void *state)
{
    struct urlfetch_state *u = state;

    if (u->is_inside) {
        imap_source_close(&u->source);
    }
}

// ---- may it be used -----------------------------------------------------------------------------

static bool is_user(struct imap_session *s, struct span user)
{
    struct span address;
    const char *why;

    return directory_name_check(&s->arena, user, SPAN(""), &address, &why) == ERR_OK &&
           span_eq(address, span_from_str(s->user));
}

// Nobody here is a server that submits for others, and who reads an account as an administrator is
// not its user.
static bool is_for_me(struct imap_session *s, const struct imap_url *url)
{
    if (session_is_reader(&s->device)) {
        return false;
    }
    switch (url->access) {
    case IMAP_URL_USER:
        return is_user(s, url->access_user);
    case IMAP_URL_AUTHUSER:
    case IMAP_URL_ANONYMOUS:
        return true;
    case IMAP_URL_SUBMIT:
    case IMAP_URL_OPEN:
        break;
    }
    return false;
}

static bool is_good(struct imap_session *s, const struct imap_url *url)
{
    return url->has_server && url->user.p && url->uid && url->token.n &&
           span_eq_nocase(url->mechanism, SPAN("INTERNAL")) && is_for_me(s, url) &&
           !(url->has_expire && clock_real_s() > url->expire);
}

// The mailbox as whoever made the URL has it now, and their key for it. With an error nothing is
// left open.
static enum err find_key(struct imap_session *s, const struct imap_url *url, struct imap_place *out,
                         char key[URL_KEY_BYTES])
{
    struct imap_who who;
    enum err e = imap_url_user(s, url->user, &who);

    e = e ? e : imap_source_place(s, &who, url, out);
    if (e) {
        return e;
    }
    struct url_key_of of = imap_url_key_of(out);

    e = url_key_get(s->server->store, who.account, &of, key);
    if (e) {
        imap_place_close(out);
    }
    return e;
}

// ERR_NOT_FOUND: for whatever reason this is not to be had.
static enum err open_url(struct imap_session *s, struct span text, struct imap_url_source *out)
{
    char key[URL_KEY_BYTES], token[IMAP_TOKEN_BYTES];
    struct imap_url url = {.rump = text};
    struct imap_place p;
    const char *why;
    enum err e = imap_url_parse(text, &s->arena, &url, &why);

    random_bytes(key, sizeof(key));
    e = e == ERR_INVALID || e == ERR_LIMIT || (!e && !is_good(s, &url)) ? ERR_NOT_FOUND : e;
    e = e ? e : find_key(s, &url, &p, key);
    imap_url_token(key, url.rump, token);
    bool fits = imap_url_token_fits(token, url.token);

    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(token, sizeof(token));
    if (e) {
        return e;
    }
    e = fits ? imap_source_open(&p, &url, out) : ERR_NOT_FOUND;
    if (fits && e) {
        imap_source_close(out);
    }
    imap_place_close(&p);
    return e;
}

// ---- sending ------------------------------------------------------------------------------------

static enum err send_some(struct imap_session *s, struct imap_url_source *src)
{
    struct view *v;
    enum err e = imap_view_open(s, src->account, &v);

    if (e) {
        return e;
    }
    while (!e && src->left && !imap_batch_is_full(s)) {
        size_t before = s->out->n;

        e = imap_source_read(src, v, UINT64_MAX, s->out);
        if (e) {
            s->out->n = before;
            break;
        }
        imap_fetch_replace_nul(s->out->p + before, s->out->n - before);
        if (src->account == s->account) {
            session_meter_add(&s->meter, s->out->n - before);
        }
    }
    view_close(v);
    return e;
}

// ERR_OK: on to the next, or more of the same.
static enum err next_url(struct imap_session *s, struct urlfetch_state *u)
{
    struct span text = s->command.urls.words[u->next].url;
    enum err e = open_url(s, text, &u->source);

    if (e && e != ERR_NOT_FOUND) {
        return e;
    }
    imap_part(s);
    OUT(s, "* URLFETCH ");
    imap_write_string(s->out, text, imap_is_utf8(s));
    if (e) {
        OUT(s, " NIL\r\n");
        u->next++;
        return ERR_OK;
    }
    buf_put_byte(s->out, ' ');
    imap_write_literal_head(s->out, u->source.left, false);
    u->is_inside = true;
    return ERR_OK;
}

enum imap_step imap_run_urlfetch(struct imap_session *s)
{
    struct urlfetch_state *u = s->state ? s->state : imap_state(s, sizeof(*u));

    if (!u) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    s->cleanup = urlfetch_cleanup;
    if (!u->is_inside) {
        if (u->next == s->command.urls.n) {
            return imap_answer_ok(s, "URLFETCH completed");
        }
        enum err e = next_url(s, u);

        return e ? imap_answer_err(s, e) : STEP_MORE;
    }
    enum err e = send_some(s, &u->source);

    if (e) { // within a literal nothing true can follow
        log_error("imap: %s: the rest of a URL could not be read: %s", s->user, err_name(e));
        return STEP_CLOSE;
    }
    if (session_meter_is_full(&s->meter)) {
        imap_meter_tell(s);
    }
    if (!u->source.left) {
        imap_source_close(&u->source);
        u->is_inside = false;
        u->next++;
        OUT(s, "\r\n");
    }
    return STEP_MORE;
}
