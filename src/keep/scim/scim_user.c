// SPDX-License-Identifier: Apache-2.0
//
// Accounts as users (RFC 7643 section 4.1): the id is the account's number, which is never given
// twice; the version is a digest of the resource, so that it changes with whoever changed it.
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/encode.h"
#include "keep/scim/scim_internal.h"

#include "base/banned.h"

#define VERSION_DIGEST_BYTES 8

account_id scim_user_id(struct span text)
{
    uint64_t id = 0;

    // In its one spelling only.
    return text.n > 0 && text.p[0] != '0' && span_to_u64(text, INT64_MAX, &id) ? id : 0;
}

// Whoever was resumed by hand is there again.
bool scim_user_is_deleted(const struct scim_user *u)
{
    return u->said.is_deleted && u->account.state == ACCOUNT_SUSPENDED;
}

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

enum err scim_user_load_any(struct scim_call *c, account_id id, struct scim_user *out)
{
    struct scim_user u;
    enum err e =
        id ? directory_account_by_id(c->admin.store, id, &c->arena, &u.account) : ERR_NOT_FOUND;

    if (e == ERR_OK && !scim_token_has_domain(&c->token, domain_of(u.account.name))) {
        e = ERR_NOT_FOUND;
    }
    e = e == ERR_OK ? provisioned_get(c->admin.store, id, &c->arena, &u.said) : e;
    if (e == ERR_OK) {
        *out = u;
    }
    return e;
}

enum err scim_user_load(struct scim_call *c, account_id id, struct scim_user *out)
{
    enum err e = scim_user_load_any(c, id, out);

    return e == ERR_OK && scim_user_is_deleted(out) ? ERR_NOT_FOUND : e;
}

enum err scim_user_arg(struct scim_call *c, struct scim_user *out)
{
    return scim_user_load(c, scim_user_id(scim_arg(c, "id")), out);
}

struct span scim_join_name(struct scim_call *c, struct span given, struct span family)
{
    struct buf b;

    buf_init(&b, 2 * PROVISIONED_TEXT_MAX + 8);
    buf_put(&b, given);
    buf_put_str(&b, given.n > 0 && family.n > 0 ? " " : "");
    buf_put(&b, family);
    struct span out = arena_dup(&c->arena, b.n > 0 ? buf_span(&b) : SPAN(""));

    buf_finish(&b);
    return out;
}

// ---- in JSON ------------------------------------------------------------------------------------

static json_t *text_json(struct span s)
{
    return json_stringn(s.n > 0 ? s.p : "", s.n);
}

static void put_text(json_t *into, const char *name, struct span s)
{
    if (s.n > 0) {
        json_object_set_new(into, name, text_json(s));
    }
}

static void put_time(json_t *into, const char *name, int64_t seconds)
{
    time_t t = (time_t)seconds;
    char text[40];
    struct tm tm;

    if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
        json_object_set_new(into, name, json_string(text));
    }
}

static json_t *emails_json(const struct scim_user *u)
{
    json_t *list = json_array();

    json_array_append_new(list, json_pack("{s:o, s:s, s:b}", "value", text_json(u->account.name),
                                          "type", "work", "primary", true));
    for (size_t i = 0; i < u->said.alias_count; i++) {
        json_array_append_new(
            list, json_pack("{s:o, s:s}", "value", text_json(u->said.aliases[i]), "type", "other"));
    }
    return list;
}

static json_t *name_json(const struct scim_user *u)
{
    json_t *name = json_object();

    put_text(name, "formatted", u->account.display_name);
    put_text(name, "familyName", u->said.family);
    put_text(name, "givenName", u->said.given);
    if (json_object_size(name) == 0) {
        json_decref(name);
        return NULL;
    }
    return name;
}

// Of all but where it is, which depends on how one asks.
static bool make_version(const json_t *j, char out[SCIM_VERSION_BYTES])
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct buf hex;

    if (!text || EVP_Digest(text, strlen(text), digest, &n, EVP_sha256(), NULL) != 1) {
        free(text);
        return false;
    }
    buf_init(&hex, 2 * VERSION_DIGEST_BYTES);
    hex_encode(&hex, span_of(digest, VERSION_DIGEST_BYTES));
    snprintf(out, SCIM_VERSION_BYTES, "W/\"%.*s\"", SPAN_ARG(buf_span(&hex)));
    buf_finish(&hex);
    free(text);
    return true;
}

static json_t *location_json(const struct scim_call *c, account_id id)
{
    char text[400];

    snprintf(text, sizeof(text), "%.*s/Users/%llu", SPAN_ARG(span_first(scim_arg(c, "base"), 300)),
             (unsigned long long)id);
    return json_string(text);
}

json_t *scim_user_json(struct scim_call *c, const struct scim_user *u,
                       char version[SCIM_VERSION_BYTES])
{
    const struct account *a = &u->account;
    json_t *meta = json_pack("{s:s}", "resourceType", "User");
    json_t *j = json_pack("{s:[s]}", "schemas", SCIM_URN_USER), *name = name_json(u);
    char id[24], own[SCIM_VERSION_BYTES] = "";

    snprintf(id, sizeof(id), "%llu", (unsigned long long)a->id);
    json_object_set_new(j, "id", json_string(id));
    put_text(j, "externalId", u->said.external_id);
    put_text(j, "userName", a->name);
    if (name) {
        json_object_set_new(j, "name", name);
    }
    put_text(j, "displayName", a->display_name);
    json_object_set_new(j, "active", json_boolean(a->state == ACCOUNT_ACTIVE));
    json_object_set_new(j, "emails", emails_json(u));
    put_time(meta, "created", a->created);
    put_time(meta, "lastModified", u->said.changed > a->created ? u->said.changed : a->created);
    if (!j || !meta || json_object_set_new(j, "meta", meta) != 0 || !make_version(j, own)) {
        json_decref(j);
        return NULL;
    }
    json_object_set_new(meta, "location", location_json(c, a->id));
    json_object_set_new(meta, "version", json_string(own));
    if (version) {
        memcpy(version, own, SCIM_VERSION_BYTES);
    }
    return j;
}

enum err scim_answer_user(struct scim_call *c, unsigned status, account_id id)
{
    struct scim_user u;
    enum err e = scim_user_load(c, id, &u);
    json_t *j = e == ERR_OK ? scim_user_json(c, &u, c->version) : NULL;
    char location[40];

    if (e != ERR_OK || !j) {
        return e == ERR_OK ? ERR_NOMEM : e;
    }
    snprintf(location, sizeof(location), "/Users/%llu", (unsigned long long)id);
    c->location = arena_dup(&c->arena, span_from_str(location));
    c->status = status;
    scim_project(j, scim_arg_json(c, "attributes"), scim_arg_json(c, "excluded"));
    e = scim_put_json(c, j);
    json_decref(j);
    return c->location.p ? e : ERR_NOMEM;
}

// ---- conditions (RFC 7644 section 3.14) ---------------------------------------------------------

static struct span strong(struct span tag)
{
    return span_starts(tag, SPAN("W/")) ? span_skip(tag, 2) : tag;
}

// Weakly (RFC 9110 section 8.8.3.2): all versions here are weak, and that is how they are meant.
static bool is_among(struct span list, const char *version)
{
    while (list.n > 0) {
        struct span one = span_trim(span_split(&list, ','));

        if (span_eq(one, SPAN("*")) || span_eq(strong(one), strong(span_from_str(version)))) {
            return true;
        }
    }
    return false;
}

enum err scim_check_match(struct scim_call *c, const char *version)
{
    struct span list = scim_arg(c, "if_match"), none = scim_arg(c, "if_none_match");

    if ((list.n > 0 && !is_among(list, version)) || (none.n > 0 && is_among(none, version))) {
        return scim_fail(&c->error, 412, NULL,
                         "The user has changed meanwhile: fetch it again and decide anew.");
    }
    return ERR_OK;
}

enum err scim_get(struct scim_call *c)
{
    struct span none = scim_arg(c, "if_none_match");
    struct scim_user u;
    enum err e = scim_user_arg(c, &u);

    e = e == ERR_OK ? scim_answer_user(c, 200, u.account.id) : e;
    if (e == ERR_OK && none.n > 0 && is_among(none, c->version)) {
        c->status = 304;
        buf_clear(&c->body);
    }
    return e;
}
