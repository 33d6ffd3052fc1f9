// SPDX-License-Identifier: Apache-2.0
//
// The page of one's own account: who it is, its devices and sign-ins, and what its owner changes.
// Whatever opens the account anew (an app password, a second factor) wants the password once more.
#include <openssl/crypto.h>

#include "auth/app_password.h"
#include "auth/scram_credentials.h"
#include "auth/second_factor.h"
#include "auth/totp.h"
#include "base/clock.h"
#include "base/log.h"
#include "keep/oauth/oauth_internal.h"
#include "store/access/signin.h"

#include "base/banned.h"

#define LIST_BYTES_MAX (24u << 10)
#define SIGNINS_DAYS   30
#define SIGNINS_SHOWN  30
#define RECOVERY_BYTES (RECOVERY_CODES * (RECOVERY_TEXT_BYTES + 1))
#define PAGE_NAME      SPAN("the page of the account")

struct person {
    struct auth_grant grant;
    struct account account;
};

static void refuse(struct oauth_call *c, const char *words, const char *field)
{
    oauth_put_str(c, "refused", words);
    oauth_put_str(c, "refused_at", field);
}

static struct actor actor_of(const struct oauth_call *c)
{
    return (struct actor){
        .kind = ACTOR_USER, .device = PAGE_NAME, .origin = oauth_arg(c, "remote")};
}

// ---- what is shown ------------------------------------------------------------------------------

// One thing a line, its parts with tabs between them. Names have no controls in them.
static void put_device(struct buf *b, const struct device *d)
{
    bool is_over = d->until && d->until <= clock_real_s();

    buf_printf(b, "%u\t%s\t%lld\t%lld\t", d->id,
               d->state == DEVICE_BLOCKED ? "blocked"
               : is_over                  ? "over"
                                          : "active",
               (long long)d->created, (long long)d->until);
    oauth_scope_put(b, d->scope);
    buf_printf(b, "\t%.*s\n", SPAN_ARG(d->name));
}

static bool list_device(void *arg, const struct device *d)
{
    put_device(arg, d);
    return true;
}

struct signins {
    struct span lines[SIGNINS_SHOWN]; // a ring, in the arena
    size_t n;
    struct arena *arena;
};

static bool list_signin(void *arg, const struct signin *i)
{
    static const char *const names[] = {
        [SIGNIN_IMAP] = "IMAP",   [SIGNIN_SUBMISSION] = "sending", [SIGNIN_POP3] = "POP3",
        [SIGNIN_SIEVE] = "rules", [SIGNIN_JMAP] = "JMAP",          [SIGNIN_WEB] = "the web",
    };
    struct signins *s = arg;
    struct span place = signin_place_name(&i->place);
    struct buf b;

    buf_init(&b, 1024);
    buf_printf(&b, "%lld\t%llu\t%llu\t%s\t%.*s\t%.*s\t%u\t%.*s\n", (long long)i->last,
               (unsigned long long)i->count, (unsigned long long)i->failures, names[i->service],
               SPAN_ARG(i->network), SPAN_ARG(place), i->device == SIGNIN_BY_READER ? 0 : i->device,
               SPAN_ARG(i->client));
    s->lines[s->n % SIGNINS_SHOWN] = b.failed ? SPAN("") : arena_dup(s->arena, buf_span(&b));
    s->n++;
    buf_finish(&b);
    return true;
}

static enum err put_signins(struct oauth_call *c, account_id account)
{
    struct signins s = {.arena = &c->arena};
    struct buf b;
    enum err e = signin_list(c->oauth->options.store, account,
                             clock_real_s() - SIGNINS_DAYS * 86400, list_signin, &s);

    buf_init(&b, LIST_BYTES_MAX);
    for (size_t i = 0; i < s.n && i < SIGNINS_SHOWN; i++) { // the newest first
        struct span line = s.lines[(s.n - 1 - i) % SIGNINS_SHOWN];

        buf_put(&b, line.p ? line : SPAN(""));
    }
    oauth_put(c, "signins", buf_span(&b));
    buf_finish(&b);
    return e;
}

static enum err put_factor(struct oauth_call *c, account_id account)
{
    struct totp_row r;
    enum err e = totp_row_get(c->oauth->options.store, account, &r);
    int64_t left = 0;

    if (e == ERR_NOT_FOUND) {
        oauth_put_str(c, "factor", "off");
        return ERR_OK;
    }
    if (e == ERR_OK) {
        for (unsigned i = 0; i < r.code_count; i++) {
            left += r.codes[i].used == 0;
        }
        oauth_put_str(c, "factor", r.state == TOTP_ON ? "on" : "pending");
        oauth_put_number(c, "codes_left", left);
        OPENSSL_cleanse(&r, sizeof(r));
    }
    return e;
}

// All of it, behind whatever came of a change.
static void put_all(struct oauth_call *c, const struct person *p)
{
    struct buf devices;
    enum err e;

    oauth_put(c, "user", p->account.name);
    buf_init(&devices, LIST_BYTES_MAX);
    e = device_list(c->oauth->options.store, p->account.id, list_device, &devices);
    oauth_put(c, "devices", buf_span(&devices));
    buf_finish(&devices);
    e = e == ERR_OK ? put_signins(c, p->account.id) : e;
    e = e == ERR_OK ? put_factor(c, p->account.id) : e;
    if (e != ERR_OK) {
        oauth_trouble(c, e);
    }
}

// ---- who it is ----------------------------------------------------------------------------------

// Still signed in, and all that was shown still holds. False: the answer says that it is over.
static bool is_in(struct oauth_call *c, struct person *p)
{
    struct oauth_sessions *sessions = c->oauth->sessions;
    struct span text = oauth_arg(c, "session");
    struct auth_identity who;
    enum err e = oauth_session_find(sessions, text, &p->grant);

    e = e == ERR_OK ? auth_grant_holds(c->oauth->options.store, &p->grant, &c->arena, &who) : e;
    e = e == ERR_OK ? directory_account_by_id(c->oauth->options.store, p->grant.account, &c->arena,
                                              &p->account)
                    : e;
    if (e == ERR_OK) {
        return true;
    }
    if (e == ERR_NOT_FOUND || e == ERR_DENIED) {
        oauth_session_end(sessions, text);
        oauth_put_str(c, "signed_out", "1");
    } else {
        oauth_trouble(c, e);
    }
    return false;
}

// The password once more, of this very account. The code of the second factor was said when this
// session began, so it is not asked for again.
static bool has_password(struct oauth_call *c, const struct person *p)
{
    struct auth_grant again;

    return oauth_sign_in_as(c, p->account.name, p->grant.by_code, &again) &&
           again.account == p->account.id;
}

void oauth_account_sign_in(struct oauth_call *c)
{
    char text[OAUTH_SESSION_CHARS];
    struct person p;

    if (!oauth_sign_in(c, &p.grant)) {
        return;
    }
    oauth_session_end(c->oauth->sessions, oauth_arg(c, "session")); // what the browser had
    enum err e =
        directory_account_by_id(c->oauth->options.store, p.grant.account, &c->arena, &p.account);

    e = e == ERR_OK ? oauth_session_begin(c->oauth->sessions, &p.grant, text) : e;
    if (e != ERR_OK) {
        oauth_trouble(c, e);
        return;
    }
    oauth_put(c, "session", span_of(text, sizeof(text)));
    OPENSSL_cleanse(text, sizeof(text));
    put_all(c, &p);
}

void oauth_account_look(struct oauth_call *c)
{
    struct person p;

    if (is_in(c, &p)) {
        put_all(c, &p);
    }
}

// This browser, or all of them: what a person does who has left one open somewhere.
void oauth_account_sign_out(struct oauth_call *c)
{
    struct person p;

    if (is_in(c, &p)) {
        if (oauth_arg(c, "everywhere").n) {
            oauth_sessions_end(c->oauth->sessions, p.account.id);
        }
        oauth_session_end(c->oauth->sessions, oauth_arg(c, "session"));
        oauth_put_str(c, "signed_out", "1");
    }
}

// ---- devices ------------------------------------------------------------------------------------

// No password: whoever finds a phone gone is in a hurry, and nothing is opened by it.
void oauth_account_block(struct oauth_call *c)
{
    const struct keep_oauth_options *o = &c->oauth->options;
    struct actor by = actor_of(c);
    struct person p;
    uint64_t id;

    if (!is_in(c, &p)) {
        return;
    }
    enum err e = span_to_u64(oauth_arg(c, "device"), UINT32_MAX, &id) ? ERR_OK : ERR_NOT_FOUND;

    e = e == ERR_OK ? device_set_state(o->store, p.account.id, &by, (uint32_t)id, DEVICE_BLOCKED)
                    : e;
    if (e == ERR_OK && o->end_sessions) {
        o->end_sessions(o->arg, p.account.id, (uint32_t)id, SESSION_BLOCKED);
    }
    if (e == ERR_OK) {
        oauth_put_str(c, "done", "block");
    } else if (e == ERR_NOT_FOUND) {
        refuse(c, "There is no such device any more", "device");
    } else {
        oauth_trouble(c, e);
        return;
    }
    put_all(c, &p);
}

static enum err add_device(struct oauth_call *c, const struct person *p, struct device *d)
{
    char text[APP_PASSWORD_TEXT_BYTES], chars[APP_PASSWORD_CHARS];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    char scram[SCRAM_KEY_PAIR_BYTES];
    struct store *s = c->oauth->options.store;
    struct actor by = actor_of(c);

    app_password_make(text);
    ASSERT(app_password_read(span_of(text, sizeof(text)), chars));
    enum err e = app_password_digest(chars, digest);

    e = e == ERR_OK ? scram_device_keys(s, &p->account, span_of(text, sizeof(text)), scram) : e;
    d->secret = span_of(digest, sizeof(digest));
    d->scram_keys = span_of(scram, sizeof(scram));
    e = e == ERR_OK ? device_add(s, p->account.id, &by, d, &d->id) : e;
    if (e == ERR_OK) {
        oauth_put(c, "app_password", span_of(text, sizeof(text)));
        oauth_put(c, "device_name", d->name);
    }
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(chars, sizeof(chars));
    OPENSSL_cleanse(scram, sizeof(scram));
    return e;
}

void oauth_account_add(struct oauth_call *c)
{
    bool reads = oauth_arg(c, "read_only").n > 0;
    struct device d = {.name = span_trim(oauth_arg(c, "name")),
                       .scope = DEVICE_MAIL | (reads ? DEVICE_READ_ONLY : 0)};
    struct person p;

    if (!is_in(c, &p)) {
        return;
    }
    enum err e = ERR_OK;

    if (!device_name_is_valid(d.name)) {
        refuse(c, "A device needs a name of up to 64 letters", "name");
    } else if (has_password(c, &p)) {
        e = add_device(c, &p, &d);
    }
    if (e == ERR_EXISTS) {
        refuse(c, "There is a device of this name; give this one another", "name");
    } else if (e == ERR_LIMIT) {
        refuse(c, "There are as many devices as there may be", "name");
    } else if (e != ERR_OK) {
        oauth_trouble(c, e);
        return;
    }
    put_all(c, &p);
}

// ---- the second factor --------------------------------------------------------------------------

static void put_secret(struct oauth_call *c, const struct person *p, struct span secret)
{
    struct buf text, uri;

    buf_init_secret(&text, 64);
    buf_init_secret(&uri, 4096);
    totp_secret_text(&text, secret);
    totp_uri(&uri, secret, p->account.name, oauth_arg(c, "server"));
    oauth_put(c, "secret", buf_span(&text));
    oauth_put(c, "uri", buf_span(&uri));
    buf_finish(&text);
    buf_finish(&uri);
}

void oauth_account_factor(struct oauth_call *c)
{
    unsigned char secret[TOTP_SECRET_BYTES];
    struct actor by = actor_of(c);
    struct person p;

    if (!is_in(c, &p)) {
        return;
    }
    if (has_password(c, &p)) {
        totp_secret_make(secret);
        enum err e = totp_row_begin(c->oauth->options.store, p.account.id, &by, secret);

        if (e == ERR_OK) {
            put_secret(c, &p, span_of(secret, sizeof(secret)));
        }
        OPENSSL_cleanse(secret, sizeof(secret));
        if (e == ERR_EXISTS) {
            refuse(c, "A second factor is on already", "password");
        } else if (e != ERR_OK) {
            oauth_trouble(c, e);
            return;
        }
    }
    put_all(c, &p);
}

static enum err confirm(struct oauth_call *c, const struct person *p,
                        const struct totp_attempt *attempt)
{
    unsigned char digests[RECOVERY_CODES][TOTP_ROW_DIGEST_BYTES];
    struct actor by = actor_of(c);
    struct buf codes;
    enum err e = ERR_OK;

    buf_init_secret(&codes, RECOVERY_BYTES);
    for (unsigned i = 0; i < RECOVERY_CODES && e == ERR_OK; i++) {
        char text[RECOVERY_TEXT_BYTES];

        e = recovery_code_make(text, digests[i]);
        buf_put(&codes, span_of(text, sizeof(text)));
        buf_put_byte(&codes, '\n');
        OPENSSL_cleanse(text, sizeof(text));
    }
    e = e == ERR_OK ? totp_row_confirm(c->oauth->options.store, p->account.id, &by, attempt,
                                       (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])digests,
                                       RECOVERY_CODES)
                    : e;
    if (e == ERR_OK) {
        oauth_put(c, "recovery", buf_span(&codes));
    }
    buf_finish(&codes);
    return e;
}

// The secret that waits was shown for a password, so its code is enough here.
void oauth_account_confirm(struct oauth_call *c)
{
    const struct keep_oauth_options *o = &c->oauth->options;
    struct second_factor_code typed;
    struct totp_attempt attempt;
    struct person p;

    if (!is_in(c, &p)) {
        return;
    }
    enum err e = second_factor_attempt(oauth_arg(c, "code"), clock_real_s(), &typed, &attempt)
                     ? confirm(c, &p, &attempt)
                     : ERR_DENIED;

    if (e == ERR_OK) {
        // This browser has shown it just now; others sign in anew, and so do mail programs.
        oauth_session_prove(c->oauth->sessions, oauth_arg(c, "session"));
        if (o->end_sessions) {
            o->end_sessions(o->arg, p.account.id, 0, SESSION_SECOND_FACTOR);
        }
    } else if (e == ERR_DENIED) {
        refuse(c,
               "The code is wrong. Wait for the next one; it must be of the entry that you "
               "scanned last",
               "code");
    } else if (e == ERR_EXISTS || e == ERR_NOT_FOUND) {
        refuse(c, "Nothing waits for a code; look at the page anew", "code");
    } else {
        oauth_trouble(c, e);
        return;
    }
    put_all(c, &p);
}
