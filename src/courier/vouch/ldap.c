// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/ldap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "courier/vouch/ldap_link.h"
#include "courier/vouch/ldap_text.h"

#include "base/banned.h"

#define FILTER_BYTES_MAX  16384
#define SETTING_BYTES_MAX 4096
#define GROUPS_BYTES_MAX  60000
#define PASSWORD_FILE_MAX 8192
#define ONE_TOO_MANY      2 // entries asked for: more than one is none
#define GROUPS_MAX        1000
#define VALUE_BYTES_MAX   1000

enum { ATTRIBUTE_MAIL, ATTRIBUTE_NAME, ATTRIBUTE_GROUP, ATTRIBUTE_QUOTA, ATTRIBUTES };
// Texts of the settings.
enum { TEXT_BASE, TEXT_FILTER, TEXT_TEMPLATE, TEXT_GROUP_FILTER, TEXT_GROUP_BASE, TEXTS };

struct ldap_authority {
    struct ldap_links *links;
    struct buf texts[TEXTS], attributes[ATTRIBUTES]; // with a NUL
    int64_t timeout_ms;
};

// One question.
struct asking {
    struct ldap_authority *l;
    const struct vouch_question *q;
    struct arena *arena;
    struct vouch_answer *out;
    const char *dn; // of the entry; in the arena
};

static const char *text_of(const struct asking *a, unsigned which)
{
    return a->l->texts[which].p;
}

static void say(struct asking *a, enum ipc_vouch result, const char *what, const char *more)
{
    a->out->result = result;
    snprintf(a->out->words, sizeof(a->out->words), "%s%s%s", what, more && *more ? ": " : "",
             more ? more : "");
}

// ---- the entry ----------------------------------------------------------------------------------

static bool has_mail(struct asking *a, LDAP *ld, LDAPMessage *entry, const char *attribute)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    bool found = false;

    for (size_t i = 0; values && values[i] && !found; i++) {
        found = ldap_mail_is(span_of(values[i]->bv_val, values[i]->bv_len), a->q->name);
    }
    ldap_value_free_len(values);
    return found;
}

static bool is_clean(struct span v)
{
    for (size_t k = 0; k < v.n; k++) {
        if ((unsigned char)v.p[k] < 0x20 || v.p[k] == 0x7f) {
            return false;
        }
    }
    return v.n > 0;
}

// One more line. False: there is no room for it.
static bool line_put(struct buf *lines, struct span v)
{
    if (!is_clean(v)) {
        return true; // nobody's name
    }
    if (lines->n + v.n + 1 > lines->max) {
        return false;
    }
    buf_put_str(lines, lines->n ? "\n" : "");
    buf_put(lines, v);
    return !lines->failed;
}

// The first value of an attribute; empty: it has none that could be shown.
static struct span value_of(struct asking *a, LDAP *ld, LDAPMessage *entry, unsigned which)
{
    const char *attribute = a->l->attributes[which].p;
    struct berval **values = *attribute ? ldap_get_values_len(ld, entry, attribute) : NULL;
    struct span first = SPAN("");

    if (values && values[0]) {
        first = span_first(span_of(values[0]->bv_val, values[0]->bv_len), VALUE_BYTES_MAX);
        first = is_clean(first) ? arena_dup(a->arena, first) : SPAN("");
    }
    ldap_value_free_len(values);
    return first.p ? first : SPAN("");
}

static void take_groups(struct asking *a, const struct buf *lines, bool are_all)
{
    struct span copy = arena_dup(a->arena, buf_span(lines));

    a->out->groups = copy.p ? copy : SPAN("");
    a->out->knows_groups = are_all && copy.p;
    if (!are_all) {
        log_warn("directory: %s is in more groups than are looked at, so roles stay as they are; "
                 "let ldap_group_filter find only those that ldap_roles names",
                 log_text(a->q->name).s);
    }
}

static void take_group_values(struct asking *a, LDAP *ld, LDAPMessage *entry)
{
    const char *attribute = a->l->attributes[ATTRIBUTE_GROUP].p;
    struct berval **values = *attribute ? ldap_get_values_len(ld, entry, attribute) : NULL;
    bool are_all = true;
    struct buf lines;

    buf_init(&lines, GROUPS_BYTES_MAX);
    for (size_t i = 0; values && values[i] && are_all; i++) {
        are_all = i < GROUPS_MAX && line_put(&lines, span_of(values[i]->bv_val, values[i]->bv_len));
    }
    ldap_value_free_len(values);
    take_groups(a, &lines, are_all);
    a->out->knows_groups &= *attribute != '\0';
    buf_finish(&lines);
}

static void take_quota(struct asking *a, struct span text)
{
    if (text.n && ldap_quota_read(text, &a->out->quota) != ERR_OK) {
        log_warn("directory: the quota of %s is not understood, and stays as it is: %s",
                 log_text(a->q->name).s, log_text(text).s);
    }
}

// False: the entry is not theirs.
static bool take_attributes(struct asking *a, LDAP *ld, LDAPMessage *entry)
{
    const char *mail = a->l->attributes[ATTRIBUTE_MAIL].p;

    if (*mail && !has_mail(a, ld, entry, mail)) {
        say(a, IPC_VOUCH_NO, "the entry that was found does not have this address in", mail);
        return false;
    }
    a->out->display_name = value_of(a, ld, entry, ATTRIBUTE_NAME);
    take_quota(a, value_of(a, ld, entry, ATTRIBUTE_QUOTA));
    if (!*text_of(a, TEXT_GROUP_FILTER)) {
        take_group_values(a, ld, entry);
    }
    return true;
}

static void take_entry(struct asking *a, LDAP *ld, LDAPMessage *entry)
{
    char *dn = ldap_get_dn(ld, entry);
    struct span copy = dn && *dn ? arena_dup(a->arena, span_of(dn, strlen(dn) + 1)) : SPAN("");

    ldap_memfree(dn);
    if (!copy.n || !copy.p) { // a bind as nobody would always be let in
        say(a, IPC_VOUCH_UNAVAILABLE, "the directory gave an entry without a name", NULL);
        return;
    }
    a->dn = copy.p;
    if (take_attributes(a, ld, entry)) {
        say(a, IPC_VOUCH_YES, "found", a->dn);
    }
}

static void take_result(struct asking *a, LDAP *ld, int code, LDAPMessage *result)
{
    int n = result ? ldap_count_entries(ld, result) : 0;

    if (n > 1 || code == LDAP_SIZELIMIT_EXCEEDED) {
        say(a, IPC_VOUCH_NO, "the filter fits more than one entry", NULL);
        log_warn("directory: ldap_filter fits more than one entry for %s, who is not let in",
                 log_text(a->q->name).s);
    } else if (code != LDAP_SUCCESS) {
        say(a, IPC_VOUCH_UNAVAILABLE, "the directory could not be searched", ldap_err2string(code));
        log_warn("directory: people cannot be looked up: %s", ldap_err2string(code));
    } else if (n == 0) {
        say(a, IPC_VOUCH_NO, "the filter fits no entry", NULL);
    } else {
        take_entry(a, ld, ldap_first_entry(ld, result));
    }
}

// ---- asking -------------------------------------------------------------------------------------

static struct timeval left_of(const struct asking *a)
{
    int64_t left = a->q->until_ms - clock_monotonic_ms();

    left = left < a->l->timeout_ms ? left : a->l->timeout_ms;
    left = left > 1 ? left : 1;
    return (struct timeval){.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
}

// The server has gone, or does not answer: says nothing of the question.
static bool is_link_lost(int code)
{
    return code == LDAP_SERVER_DOWN || code == LDAP_TIMEOUT || code == LDAP_CONNECT_ERROR ||
           code == LDAP_UNAVAILABLE || code == LDAP_BUSY || code == LDAP_LOCAL_ERROR ||
           code == LDAP_DECODING_ERROR || code == LDAP_ENCODING_ERROR;
}

typedef int step_fn(struct asking *a, struct ldap_link *k, void *arg, LDAPMessage **out);

// Over a link that waited, or a new one. One that waited may turn out to have ended when it is
// used: then there is the next, and a new one at last. A result, when there is one, is to be freed
// before the link is given back; `*out_link` is NULL when there was no link.
static int run(struct asking *a, enum ldap_use use, step_fn *step, void *arg,
               struct ldap_link **out_link, LDAPMessage **out)
{
    char words[512] = "";
    int code = LDAP_SERVER_DOWN;

    *out_link = NULL;
    *out = NULL;
    for (;;) {
        struct ldap_link *k;

        if (atomic_load(a->q->is_stopping) ||
            ldap_links_get(a->l->links, use, a->q->until_ms, &k, words, sizeof(words)) != ERR_OK) {
            say(a, IPC_VOUCH_UNAVAILABLE, "no server of the directory can be used", words);
            return code;
        }
        bool is_fresh = k->is_fresh;

        code = step(a, k, arg, out);
        if (!is_link_lost(code)) {
            *out_link = k;
            return code;
        }
        ldap_msgfree(*out);
        *out = NULL;
        ldap_link_close(k);
        if (is_fresh) {
            say(a, IPC_VOUCH_UNAVAILABLE, "the directory does not answer", ldap_err2string(code));
            log_warn("directory: no answer: %s", ldap_err2string(code));
            return code;
        }
    }
}

// The attributes that are wanted, ended by NULL; their number.
static size_t wanted_of(const struct asking *a, char *wanted[ATTRIBUTES + 2])
{
    static char none[] = LDAP_NO_ATTRS;
    size_t n = 0;

    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        if (*a->l->attributes[i].p) {
            wanted[n++] = a->l->attributes[i].p;
        }
    }
    wanted[n] = n ? NULL : none;
    wanted[n + 1] = NULL;
    return n;
}

static int search_step(struct asking *a, struct ldap_link *k, void *arg, LDAPMessage **out)
{
    char *wanted[ATTRIBUTES + 2];
    struct timeval tv = left_of(a);
    const char *filter = arg;

    wanted_of(a, wanted);
    return ldap_search_ext_s(k->ld, text_of(a, TEXT_BASE), LDAP_SCOPE_SUBTREE, filter, wanted, 0,
                             NULL, NULL, &tv, ONE_TOO_MANY, out);
}

static void search(struct asking *a)
{
    struct ldap_link *k;
    LDAPMessage *result;
    struct buf filter;

    buf_init(&filter, FILTER_BYTES_MAX);
    enum err e = ldap_filter_put(&filter, span_from_str(text_of(a, TEXT_FILTER)), a->q->name);

    buf_put_byte(&filter, '\0');
    if (e != ERR_OK || filter.failed) {
        say(a, IPC_VOUCH_NO, "this is no address that could be looked up", NULL);
    } else {
        int code = run(a, LDAP_FOR_SEARCH, search_step, filter.p, &k, &result);

        if (k) {
            take_result(a, k->ld, code, result);
            ldap_msgfree(result);
            ldap_links_put(a->l->links, k);
        }
    }
    buf_finish(&filter);
}

// ---- groups that are looked up ------------------------------------------------------------------

static int groups_step(struct asking *a, struct ldap_link *k, void *arg, LDAPMessage **out)
{
    char none[] = LDAP_NO_ATTRS, *wanted[] = {none, NULL};
    const char *base = text_of(a, TEXT_GROUP_BASE), *filter = arg;
    struct timeval tv = left_of(a);

    return ldap_search_ext_s(k->ld, *base ? base : text_of(a, TEXT_BASE), LDAP_SCOPE_SUBTREE,
                             filter, wanted, 0, NULL, NULL, &tv, GROUPS_MAX + 1, out);
}

static void take_group_entries(struct asking *a, LDAP *ld, int code, LDAPMessage *result)
{
    bool are_all = code == LDAP_SUCCESS;
    struct buf lines;

    if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) {
        log_warn("directory: groups cannot be looked up, and roles stay as they are: %s",
                 ldap_err2string(code));
        return;
    }
    buf_init(&lines, GROUPS_BYTES_MAX);
    for (LDAPMessage *m = ldap_first_entry(ld, result); m && are_all; m = ldap_next_entry(ld, m)) {
        char *dn = ldap_get_dn(ld, m);

        are_all = dn && line_put(&lines, span_from_str(dn));
        ldap_memfree(dn);
    }
    take_groups(a, &lines, are_all);
    buf_finish(&lines);
}

// What goes wrong here keeps nobody out: then it is not known in which groups they are.
static void search_groups(struct asking *a)
{
    struct vouch_answer kept = *a->out;
    struct ldap_link *k;
    LDAPMessage *result;
    struct buf filter;

    buf_init(&filter, FILTER_BYTES_MAX);
    enum err e = ldap_group_filter_put(&filter, span_from_str(text_of(a, TEXT_GROUP_FILTER)),
                                       a->q->name, span_from_str(a->dn));

    buf_put_byte(&filter, '\0');
    if (e == ERR_OK && !filter.failed) {
        int code = run(a, LDAP_FOR_SEARCH, groups_step, filter.p, &k, &result);

        *a->out = kept; // a link that was lost has left its words there
        if (k) {
            take_group_entries(a, k->ld, code, result);
            ldap_msgfree(result);
            ldap_links_put(a->l->links, k);
        }
    }
    buf_finish(&filter);
}

// ---- passwords ----------------------------------------------------------------------------------

static int bind_step(struct asking *a, struct ldap_link *k, void *arg, LDAPMessage **out)
{
    struct berval *secret = arg;

    (void)out;
    return ldap_sasl_bind_s(k->ld, a->dn, LDAP_SASL_SIMPLE, secret, NULL, NULL, NULL);
}

static void take_bind(struct asking *a, int code)
{
    switch (code) {
    case LDAP_SUCCESS:
        say(a, IPC_VOUCH_YES, "the password is right for", a->dn);
        return;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:   // the entry has no password
    case LDAP_UNWILLING_TO_PERFORM: // the account is locked
    case LDAP_INSUFFICIENT_ACCESS:  // or may not sign in
    case LDAP_CONSTRAINT_VIOLATION: // too many wrong passwords there
    case LDAP_NO_SUCH_OBJECT:       // gone since it was found
        say(a, IPC_VOUCH_NO, "the directory does not take the password", ldap_err2string(code));
        return;
    default:
        say(a, IPC_VOUCH_UNAVAILABLE, "the directory could not check the password",
            ldap_err2string(code));
        log_warn("directory: a password could not be checked: %s", ldap_err2string(code));
    }
}

// An entry was found: is it theirs?
static void check_password(struct asking *a)
{
    struct berval secret = {.bv_len = a->q->secret.n, .bv_val = (char *)(uintptr_t)a->q->secret.p};
    struct ldap_link *k;
    LDAPMessage *ignored;
    int code = run(a, LDAP_FOR_PEOPLE, bind_step, &secret, &k, &ignored);

    if (k) {
        take_bind(a, code);
        ldap_links_put(a->l->links, k);
    }
}

// ---- without a search ---------------------------------------------------------------------------

// On a link where they have just been bound: what their own entry says. Where they may not read it,
// nothing is known of them but that the password was right.
static void read_own(struct asking *a, struct ldap_link *k)
{
    char *wanted[ATTRIBUTES + 2];
    struct timeval tv = left_of(a);
    LDAPMessage *result = NULL;

    if (wanted_of(a, wanted) == 0) {
        return;
    }
    int code = ldap_search_ext_s(k->ld, a->dn, LDAP_SCOPE_BASE, "(objectClass=*)", wanted, 0, NULL,
                                 NULL, &tv, 1, &result);
    LDAPMessage *entry = code == LDAP_SUCCESS ? ldap_first_entry(k->ld, result) : NULL;

    if (entry) {
        take_attributes(a, k->ld, entry);
    } else if (*a->l->attributes[ATTRIBUTE_MAIL].p) {
        say(a, is_link_lost(code) ? IPC_VOUCH_UNAVAILABLE : IPC_VOUCH_NO,
            "people may not read their own entries, and ldap_mail_attribute takes that",
            code == LDAP_SUCCESS ? NULL : ldap_err2string(code));
    }
    ldap_msgfree(result);
}

static void answer_by_template(struct asking *a)
{
    struct berval secret = {.bv_len = a->q->secret.n, .bv_val = (char *)(uintptr_t)a->q->secret.p};
    struct ldap_link *k;
    LDAPMessage *ignored;
    struct buf dn;

    if (a->q->kind != IPC_VOUCH_PASSWORD) {
        say(a, IPC_VOUCH_UNAVAILABLE, "with ldap_bind_template nobody can be looked up", NULL);
        return;
    }
    buf_init(&dn, FILTER_BYTES_MAX);
    enum err e = ldap_dn_put(&dn, span_from_str(text_of(a, TEXT_TEMPLATE)), a->q->name);

    buf_put_byte(&dn, '\0');
    if (e != ERR_OK || dn.failed) {
        say(a, IPC_VOUCH_NO, "this is no address that could have an entry", NULL);
    } else {
        a->dn = dn.p;
        int code = run(a, LDAP_FOR_PEOPLE, bind_step, &secret, &k, &ignored);

        if (k) {
            take_bind(a, code);
            if (a->out->result == IPC_VOUCH_YES) {
                read_own(a, k);
            }
            ldap_links_put(a->l->links, k);
        }
    }
    buf_finish(&dn);
}

static void answer_by_search(struct asking *a)
{
    search(a);
    if (a->out->result == IPC_VOUCH_YES && a->q->kind == IPC_VOUCH_PASSWORD) {
        check_password(a);
    }
    if (a->out->result == IPC_VOUCH_YES && *text_of(a, TEXT_GROUP_FILTER)) {
        search_groups(a);
    }
}

void ldap_authority_answer(void *arg, const struct vouch_question *q, struct arena *arena,
                           struct vouch_answer *out)
{
    struct asking a = {.l = arg, .q = q, .arena = arena, .out = out};

    // A simple bind with a name and no password is let in as nobody (RFC 4513 section 5.1.2).
    if (q->kind == IPC_VOUCH_PASSWORD && q->secret.n == 0) {
        say(&a, IPC_VOUCH_NO, "an empty password is never right", NULL);
        return;
    }
    if (*text_of(&a, TEXT_TEMPLATE)) {
        answer_by_template(&a);
    } else {
        answer_by_search(&a);
    }
    if (out->result != IPC_VOUCH_YES) {
        out->display_name = out->groups = SPAN("");
        out->quota = 0;
        out->knows_groups = false;
    }
}

// ---- start and end ------------------------------------------------------------------------------

static enum err read_password(const char *path, struct buf *out)
{
    struct buf text;

    buf_init(&text, PASSWORD_FILE_MAX);
    enum err e = file_read_whole(AT_FDCWD, path, &text);
    struct span rest = buf_span(&text), line = span_trim(span_split(&rest, '\n'));

    e = e == ERR_OK && line.n == 0 ? ERR_INVALID : e;
    if (e == ERR_OK) {
        buf_put(out, line);
    } else {
        log_error("ldap_bind_password_file %s cannot be used: %s", path, err_name(e));
    }
    if (text.p) {
        explicit_bzero(text.p, text.n);
    }
    buf_finish(&text);
    return e;
}

static void copy_text(struct buf *to, struct span text)
{
    buf_init(to, SETTING_BYTES_MAX);
    buf_put(to, text);
    buf_put_byte(to, '\0');
}

static enum err open_links(struct ldap_authority *l, const struct ldap_options *o)
{
    struct ldap_links_options links = {.lookup = o->lookup,
                                       .servers = o->servers,
                                       .server_n = o->server_n,
                                       .start_tls = o->start_tls,
                                       .ca_file = o->ca_file,
                                       .bind_dn = o->bind_dn,
                                       .timeout_ms = o->timeout_ms};
    struct buf password;

    buf_init(&password, PASSWORD_FILE_MAX);
    enum err e = o->bind_dn.n ? read_password(o->bind_password_file, &password) : ERR_OK;

    links.bind_password = buf_span(&password);
    e = e == ERR_OK ? ldap_links_create(&links, &l->links) : e;
    if (password.p) {
        explicit_bzero(password.p, password.n);
    }
    buf_finish(&password);
    return e;
}

enum err ldap_authority_create(const struct ldap_options *o, struct ldap_authority **out)
{
    struct ldap_authority *l = calloc(1, sizeof(*l));

    if (!l) {
        return ERR_NOMEM;
    }
    l->timeout_ms = o->timeout_ms;
    copy_text(&l->texts[TEXT_BASE], o->base);
    copy_text(&l->texts[TEXT_FILTER], o->filter);
    copy_text(&l->texts[TEXT_TEMPLATE], o->bind_template);
    copy_text(&l->texts[TEXT_GROUP_FILTER], o->group_filter);
    copy_text(&l->texts[TEXT_GROUP_BASE], o->group_base);
    copy_text(&l->attributes[ATTRIBUTE_MAIL], o->mail_attribute);
    copy_text(&l->attributes[ATTRIBUTE_NAME], o->name_attribute);
    copy_text(&l->attributes[ATTRIBUTE_GROUP], o->group_attribute);
    copy_text(&l->attributes[ATTRIBUTE_QUOTA], o->quota_attribute);
    bool failed = false;

    for (unsigned i = 0; i < TEXTS; i++) {
        failed |= l->texts[i].failed;
    }
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        failed |= l->attributes[i].failed;
    }
    enum err e = failed ? ERR_NOMEM : open_links(l, o);

    if (e != ERR_OK) {
        ldap_authority_destroy(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void ldap_authority_destroy(struct ldap_authority *l)
{
    if (!l) {
        return;
    }
    ldap_links_destroy(l->links);
    for (unsigned i = 0; i < TEXTS; i++) {
        buf_finish(&l->texts[i]);
    }
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        buf_finish(&l->attributes[i]);
    }
    free(l);
}
