// SPDX-License-Identifier: Apache-2.0
//
// Commands whose arguments are a name or two, a list of words, or nothing.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

// RFC 2971 section 3.3.
#define ID_NAME_BYTES_MAX  30
#define ID_VALUE_BYTES_MAX 1024
#define QUOTA_LIMITS_MAX   16

enum err imap_parse_none(struct imap_cursor *c, struct imap_command *out)
{
    (void)c;
    (void)out;
    return ERR_OK;
}

enum err imap_parse_login(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space after LOGIN"));
    TRY(imap_take_astring(c, "expected a user name", &out->login.user));
    TRY(imap_take_space(c, "expected a space after the user name"));
    return imap_take_astring(c, "expected a password", &out->login.password);
}

static bool is_base64_char(char b)
{
    return byte_is_alnum(b) || b == '+' || b == '/' || b == '=';
}

enum err imap_parse_authenticate(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space after AUTHENTICATE"));
    TRY(imap_take_atom(c, "expected a mechanism", &out->authenticate.mechanism));
    size_t from = c->at + 1;

    if (!imap_take(c, ' ') || imap_at_end(c)) {
        return ERR_OK;
    }
    while (!imap_at_end(c) && is_base64_char(c->text.p[c->at])) {
        c->at++;
    }
    if (c->at == from) {
        return imap_expected(c, "expected the initial response in base64");
    }
    out->authenticate.has_initial = true;
    out->authenticate.initial = span_of(c->text.p + from, c->at - from);
    return ERR_OK;
}

enum err imap_parse_mailbox(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    return imap_take_mailbox(c, false, &out->mailbox);
}

enum err imap_parse_rename(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    TRY(imap_take_mailbox(c, false, &out->rename.from));
    TRY(imap_take_space(c, "expected a space after the mailbox name"));
    return imap_take_mailbox(c, true, &out->rename.to);
}

static enum err take_special_uses(struct imap_cursor *c, uint32_t *out)
{
    bool end = imap_take(c, ')');

    while (!end) {
        size_t from = c->at;
        struct span name;
        uint32_t bit;

        TRY(imap_take_byte(c, '\\', "expected a special use such as \\Sent"));
        TRY(imap_take_atom(c, "expected a special use such as \\Sent", &name));
        if (!imap_special_use_from_name(span_of(c->text.p + from, c->at - from), &bit)) {
            return imap_fail(c, IMAP_FAULT_CANNOT, from, "there is no such special use");
        }
        *out |= bit;
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the special use", &end));
    }
    return ERR_OK;
}

// RFC 6154 section 3.
enum err imap_parse_create(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    TRY(imap_take_mailbox(c, true, &out->create.mailbox));
    if (!imap_take(c, ' ') || imap_at_end(c)) {
        return ERR_OK;
    }
    TRY(imap_take_byte(c, '(', "expected \"(\" before the parameters of CREATE"));
    if (!imap_take_word(c, SPAN("USE"))) {
        return imap_expected(c, "expected USE");
    }
    TRY(imap_take_space(c, "expected a space after USE"));
    TRY(imap_take_byte(c, '(', "expected \"(\" after USE"));
    TRY(take_special_uses(c, &out->create.special_use));
    return imap_take_byte(c, ')', "expected \")\" after the parameters of CREATE");
}

enum err imap_parse_copy(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a sequence set"));
    TRY(imap_take_seqset(c, &out->copy.set));
    TRY(imap_take_space(c, "expected a space after the sequence set"));
    return imap_take_mailbox(c, false, &out->copy.mailbox);
}

enum err imap_parse_expunge(struct imap_cursor *c, struct imap_command *out)
{
    if (!out->uid) {
        return ERR_OK;
    }
    TRY(imap_take_space(c, "expected a space and a sequence set"));
    return imap_take_seqset(c, &out->expunge);
}

enum err imap_parse_enable(struct imap_cursor *c, struct imap_command *out)
{
    static const struct imap_word names[] = {
        {"CONDSTORE", IMAP_ENABLE_CONDSTORE},     {"QRESYNC", IMAP_ENABLE_QRESYNC},
        {"UTF8=ACCEPT", IMAP_ENABLE_UTF8_ACCEPT}, {"IMAP4REV2", IMAP_ENABLE_IMAP4REV2},
        {"UIDONLY", IMAP_ENABLE_UIDONLY},
    };

    TRY(imap_take_space(c, "expected a space and a capability"));
    do {
        struct span name;

        TRY(imap_take_atom(c, "expected a capability", &name));
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (span_eq_nocase(span_from_str(names[i].name), name)) {
                out->enable |= names[i].value;
            }
        }
    } while (imap_take(c, ' ') && !imap_at_end(c));
    return ERR_OK;
}

static enum err take_id_pair(struct imap_cursor *c, struct imap_list_builder *pairs)
{
    size_t from = c->at;
    struct imap_pair pair;
    void *item;

    TRY(imap_take_string(c, "expected a field name as a string", &pair.name));
    TRY(imap_take_space(c, "expected a space after the field name"));
    TRY(imap_take_nstring(c, "expected a value as a string or NIL", &pair.value));
    if (pair.name.n > ID_NAME_BYTES_MAX || pair.value.n > ID_VALUE_BYTES_MAX) {
        return imap_fail(c, IMAP_FAULT_LIMIT, from,
                         "a field of ID has a name over 30 or a value over 1024 bytes");
    }
    TRY(imap_list_add(c, pairs, "ID has over 30 fields", &item));
    *(struct imap_pair *)item = pair;
    return ERR_OK;
}

enum err imap_parse_id(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_list_builder pairs;
    bool end;

    TRY(imap_take_space(c, "expected a space and a list of fields or NIL"));
    if (imap_take_word(c, SPAN("NIL"))) {
        return ERR_OK;
    }
    imap_list_begin(&pairs, sizeof(struct imap_pair), IMAP_ID_PAIRS_MAX);
    TRY(imap_take_byte(c, '(', "expected \"(\" or NIL"));
    end = imap_take(c, ')');
    while (!end) {
        TRY(take_id_pair(c, &pairs));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the value", &end));
    }
    out->identity = (struct imap_id){.pairs = pairs.items, .n = pairs.n};
    return ERR_OK;
}

enum err imap_parse_getquota(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a quota root"));
    return imap_take_astring(c, "expected a quota root", &out->root);
}

// RFC 9208 section 4.1.4.
enum err imap_parse_setquota(struct imap_cursor *c, struct imap_command *out)
{
    struct imap_list_builder limits;
    bool end;

    imap_list_begin(&limits, sizeof(struct imap_quota_limit), QUOTA_LIMITS_MAX);
    TRY(imap_take_space(c, "expected a space and a quota root"));
    TRY(imap_take_astring(c, "expected a quota root", &out->setquota.root));
    TRY(imap_take_space(c, "expected a space after the quota root"));
    TRY(imap_take_byte(c, '(', "expected \"(\" before the limits"));
    end = imap_take(c, ')');
    while (!end) {
        struct imap_quota_limit *limit;
        void *item;

        TRY(imap_list_add(c, &limits, "there are over 16 limits", &item));
        limit = item;
        TRY(imap_take_atom(c, "expected a resource such as STORAGE", &limit->resource));
        TRY(imap_take_space(c, "expected a space after the resource"));
        TRY(imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected a number", &limit->limit));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the limit", &end));
    }
    out->setquota.limits = limits.items;
    out->setquota.n = limits.n;
    return ERR_OK;
}

enum err imap_parse_acl(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    TRY(imap_take_mailbox(c, false, &out->acl.mailbox));
    TRY(imap_take_space(c, "expected a space after the mailbox name"));
    TRY(imap_take_astring(c, "expected an identifier such as a mail address",
                          &out->acl.identifier));
    if (out->id != IMAP_SETACL) {
        return ERR_OK;
    }
    TRY(imap_take_space(c, "expected a space after the identifier"));
    return imap_take_astring(c, "expected rights such as lrs", &out->acl.rights);
}
