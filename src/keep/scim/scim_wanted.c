// SPDX-License-Identifier: Apache-2.0
//
// What a user's resource asks for, held to what an account can be. What it says besides is left
// out: docs/protocol/scim.md lists the attributes that are kept.
#include "auth/password.h"
#include "keep/scim/scim_internal.h"

#include "base/banned.h"

static enum err refuse(struct scim_call *c, const char *name, const char *words)
{
    return scim_fail(&c->error, 400, "invalidValue", "\"%s\" %s.", name, words);
}

// ---- texts --------------------------------------------------------------------------------------

// A text; null and nothing are an empty one.
static enum err read_text(struct scim_call *c, const json_t *object, const char *name,
                          struct span *out)
{
    const json_t *v = scim_member(object, span_from_str(name));

    *out = SPAN("");
    if (!v || json_is_null(v)) {
        return ERR_OK;
    }
    if (!json_is_string(v)) {
        return refuse(c, name, "must be a text");
    }
    *out = span_of(json_string_value(v), json_string_length(v));
    return provisioned_text_is_valid(*out)
               ? ERR_OK
               : refuse(c, name, "must be one line of at most 255 bytes");
}

// "True" is said where true is meant.
static enum err read_active(struct scim_call *c, const json_t *resource, bool before, bool *out)
{
    const json_t *v = scim_member(resource, SPAN("active"));
    struct span s = span_of(json_string_value(v), json_string_length(v));

    if (!v || json_is_null(v)) {
        *out = before;
    } else if (json_is_true(v) || span_eq_nocase(s, SPAN("true"))) {
        *out = true;
    } else if (json_is_false(v) || span_eq_nocase(s, SPAN("false"))) {
        *out = false;
    } else {
        return refuse(c, "active", "must be true or false");
    }
    return ERR_OK;
}

// What people call them: what was changed of the three ways to say it counts.
static enum err read_name(struct scim_call *c, const json_t *resource,
                          const struct scim_user *before, struct scim_wanted *w)
{
    const json_t *name = scim_member(resource, SPAN("name"));
    struct span display, formatted, was = before->account.display_name;
    struct span joined = scim_join_name(c, before->said.given, before->said.family);

    if (name && !json_is_null(name) && !json_is_object(name)) {
        return refuse(c, "name", "must be an object");
    }
    enum err e = read_text(c, resource, "displayName", &display);

    e = e == ERR_OK ? read_text(c, name, "formatted", &formatted) : e;
    e = e == ERR_OK ? read_text(c, name, "givenName", &w->given) : e;
    e = e == ERR_OK ? read_text(c, name, "familyName", &w->family) : e;
    if (e != ERR_OK) {
        return e;
    }
    bool is_other =
        !span_eq(w->given, before->said.given) || !span_eq(w->family, before->said.family);

    w->display = display;
    if (display.n > 0 && !span_eq(display, was)) {
        return ERR_OK;
    }
    if (formatted.n > 0 && !span_eq(formatted, was)) {
        w->display = formatted;
    } else if (is_other && (display.n == 0 || span_eq(was, joined))) {
        w->display = scim_join_name(c, w->given, w->family);
    }
    if (!w->display.p || !joined.p) {
        return ERR_NOMEM;
    }
    return w->display.n <= DISPLAY_NAME_BYTES_MAX
               ? ERR_OK
               : refuse(c, "displayName", "must be one line of at most 255 bytes");
}

// ---- addresses ----------------------------------------------------------------------------------

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

static enum err read_address(struct scim_call *c, const json_t *resource, struct scim_wanted *w)
{
    const char *reason = NULL;
    struct span given;
    enum err e = read_text(c, resource, "userName", &given);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_name_check(&c->arena, given, SPAN(""), &w->address, &reason);
    if (e == ERR_INVALID) {
        return scim_fail(&c->error, 400, "invalidValue",
                         "\"userName\" must be the mail address of the account: %s.",
                         reason ? reason : "it breaks the rules for addresses");
    }
    if (e == ERR_OK && !scim_token_has_domain(&c->token, domain_of(w->address))) {
        return scim_fail(&c->error, 403, NULL,
                         "This token is not for the domain of \"userName\": mailkeep scim-token "
                         "list says which it is for.");
    }
    return e;
}

// Of one of the emails; empty: it says none.
static struct span email_text(const json_t *item)
{
    const json_t *v = json_is_object(item) ? scim_member(item, SPAN("value")) : item;

    return span_of(json_string_value(v), json_string_length(v));
}

static bool holds(const struct span *list, size_t n, struct span what)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(list[i], what)) {
            return true;
        }
    }
    return false;
}

// Those of other domains are somebody's private ones, and none of ours.
static enum err read_aliases(struct scim_call *c, const json_t *resource,
                             const struct scim_user *before, struct scim_wanted *w)
{
    const json_t *emails = scim_member(resource, SPAN("emails"));
    struct span *list = arena_zalloc(&c->arena, PROVISIONED_ALIASES_MAX, sizeof(*list)), folded;
    size_t n = 0;

    if (!list) {
        return ERR_NOMEM;
    }
    if (emails && !json_is_null(emails) && !json_is_array(emails)) {
        return refuse(c, "emails", "must be a list");
    }
    for (size_t i = 0; i < json_array_size(emails); i++) {
        struct span text = email_text(json_array_get(emails, i));

        if (text.n == 0) {
            continue;
        }
        enum err e = directory_name_check(&c->arena, text, SPAN(""), &folded, NULL);

        if (e != ERR_OK) {
            return e == ERR_INVALID ? refuse(c, "emails", "must be mail addresses") : e;
        }
        if (span_eq(folded, w->address) || span_eq(folded, before->account.name) ||
            !scim_token_has_domain(&c->token, domain_of(folded)) || holds(list, n, folded)) {
            continue;
        }
        if (n == PROVISIONED_ALIASES_MAX) {
            return refuse(c, "emails", "has too many addresses");
        }
        list[n++] = folded;
    }
    w->aliases = list;
    w->alias_count = n;
    return ERR_OK;
}

// ---- all ----------------------------------------------------------------------------------------

static enum err read_password(struct scim_call *c, const json_t *resource, struct scim_wanted *w)
{
    const json_t *v = scim_member(resource, SPAN("password"));

    w->password = (struct span){NULL, 0};
    if (!v || json_is_null(v)) {
        return ERR_OK;
    }
    if (!json_is_string(v)) {
        return refuse(c, "password", "must be a text");
    }
    w->password = span_of(json_string_value(v), json_string_length(v));
    const char *weak = password_weakness(w->password, w->address);

    return weak ? scim_fail(&c->error, 400, "invalidValue", "This password is refused: %s.", weak)
                : ERR_OK;
}

enum err scim_wanted_read(struct scim_call *c, const json_t *resource,
                          const struct scim_user *before, struct scim_wanted *out)
{
    bool is_new = before->account.id == 0;
    enum err e = read_address(c, resource, out);

    e = e == ERR_OK ? read_name(c, resource, before, out) : e;
    e = e == ERR_OK ? read_text(c, resource, "externalId", &out->external_id) : e;
    e = e == ERR_OK ? read_active(c, resource, is_new || before->account.state == ACCOUNT_ACTIVE,
                                  &out->is_active)
                    : e;
    e = e == ERR_OK ? read_aliases(c, resource, before, out) : e;
    return e == ERR_OK ? read_password(c, resource, out) : e;
}
