// SPDX-License-Identifier: Apache-2.0
//
// The tests that look at header fields: header, address, exists, and their forms for MIME parts
// (RFC 5228 section 5, RFC 5260 section 6, RFC 5703 section 4).
#include "mime/mime_address.h"
#include "mime/mime_param.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

struct walk {
    struct run *r;
    const struct sieve_call *call;
    bool (*take)(void *context, const struct mime_field *field);
    void *context;
    uint64_t index; // which occurrence is wanted, from 1; 0: all
    uint64_t seen;
};

// The fields of the names in one block, name by name. True when `take` wants no more.
static bool walk_block(struct walk *w, struct span block, struct sieve_strings names)
{
    for (size_t i = 0; i < names.n; i++) {
        struct span rest = block;
        struct mime_field f;

        if (!sieve_spend(w->r, 20 + block.n / 4)) {
            return true;
        }
        while (mime_header_find(&rest, names.list[i], &f)) {
            w->seen++;
            if ((w->index == 0 || w->index == w->seen) && w->take(w->context, &f)) {
                return true;
            }
        }
    }
    return false;
}

static bool take_none(void *context, const struct mime_field *field)
{
    (void)context;
    (void)field;
    return false;
}

static void walk_indexed(struct walk *w, struct span block, struct sieve_strings names)
{
    bool is_last = sieve_call_tag(w->call, TAG_LAST) != NULL;

    if (is_last) {
        struct walk count = *w;

        count.take = take_none;
        count.index = 0;
        walk_block(&count, block, names);
        if (w->index > count.seen) {
            return;
        }
        w->index = count.seen - w->index + 1;
    }
    walk_block(w, block, names);
}

void sieve_fields(struct run *r, const struct sieve_call *call, struct sieve_strings names,
                  bool (*take)(void *context, const struct mime_field *field), void *context)
{
    const struct sieve_arg *index = sieve_call_tag(call, TAG_INDEX);
    struct walk w = {.r = r, .call = call, .take = take, .context = context};
    struct loop *loop = sieve_loop(r);

    w.index = index ? index->number : 0;
    if (!sieve_call_tag(call, TAG_MIME)) {
        walk_indexed(&w, r->mail->version.header, names);
        return;
    }
    struct mail *mail = loop ? loop->mail : r->mail;
    const struct mime_message *m = sieve_mail_mime(r, mail);

    if (!m) {
        return;
    }
    const struct mime_part *top = loop ? loop->part : &m->parts[0];

    for (const struct mime_part *p = top; p && sieve_is_on(r);
         p = sieve_mail_next_part(top, p, false)) {
        w.seen = 0;
        w.index = index ? index->number : 0;
        // Each part's header is a block of its own.
        struct span block = sieve_mail_part_header(mail, p);

        if (sieve_call_tag(call, TAG_LAST)) {
            walk_indexed(&w, block, names);
        } else if (walk_block(&w, block, names)) {
            return;
        }
        if (!sieve_call_tag(call, TAG_ANYCHILD)) {
            return;
        }
    }
}

static bool take_header(void *context, const struct mime_field *field)
{
    struct matcher *m = context;
    struct buf text;

    buf_init(&text, field->body.n * 4 + 64);
    if (sieve_spend(m->r, 30 + field->body.n * 2)) {
        mime_header_text(&text, field->body);
    }
    if (text.failed) {
        m->r->error = ERR_NOMEM;
    }
    bool is_done = sieve_match_value(m, buf_span(&text));

    buf_finish(&text);
    return is_done;
}

// "type/subtype" of a Content-Type, or the token of a Content-Disposition, as :type and so on ask.
static struct span mime_value(const struct sieve_call *call, const struct mime_field *field,
                              struct span value)
{
    bool is_type = span_eq_nocase(field->name, SPAN("Content-Type"));
    size_t slash = span_find_byte(value, '/');

    if (!is_type && !span_eq_nocase(field->name, SPAN("Content-Disposition"))) {
        return SPAN("");
    }
    if (sieve_call_tag(call, TAG_SUBTYPE)) {
        return is_type ? span_skip(value, slash + 1) : SPAN("");
    }
    return is_type && sieve_call_tag(call, TAG_TYPE) ? span_first(value, slash) : value;
}

static bool match_params(struct matcher *m, struct mime_params params)
{
    struct sieve_strings names = sieve_expand_list(m->r, sieve_call_tag(m->call, TAG_PARAM));

    for (size_t i = 0; i < names.n && sieve_is_on(m->r); i++) {
        struct buf text;

        buf_init(&text, 256 * 1024);
        bool is_done = mime_param_decode(&text, params, names.list[i]) &&
                       sieve_match_value(m, buf_span(&text));

        buf_finish(&text);
        if (is_done) {
            return true;
        }
    }
    return false;
}

static bool take_mime(void *context, const struct mime_field *field)
{
    struct matcher *m = context;
    struct mime_params params;
    struct span value;

    if (!sieve_spend(m->r, field->body.n) ||
        mime_param_parse(&m->r->scratch, field->body, &value, &params) != ERR_OK) {
        sieve_fail_memory(m->r);
        return true;
    }
    if (sieve_call_tag(m->call, TAG_PARAM)) {
        return match_params(m, params);
    }
    bool is_parsed = value.p && value.n;

    if (m->call->match == MATCH_COUNT && !is_parsed) {
        return false;
    }
    return sieve_match_value(m,
                             is_parsed ? mime_value(m->call, field, span_trim(value)) : SPAN(""));
}

bool sieve_test_header(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings names = sieve_expand_list(r, &call->args[0]);
    struct matcher m;
    bool is_mime = false;

    for (uint32_t i = 0; i < call->tag_n; i++) {
        is_mime |= sieve_tags[call->tags[i].tag].group == GROUP_MIME;
    }
    sieve_match_begin(&m, r, call, &call->args[1]);
    sieve_fields(r, call, names, is_mime ? take_mime : take_header, &m);
    return sieve_match_end(&m);
}

struct finding {
    bool is_found;
};

static bool take_any(void *context, const struct mime_field *field)
{
    struct finding *f = context;

    (void)field;
    f->is_found = true;
    return true;
}

bool sieve_test_exists(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings names = sieve_expand_list(r, &call->args[0]);

    for (size_t i = 0; i < names.n; i++) {
        struct finding f = {false};

        sieve_fields(r, call, (struct sieve_strings){&names.list[i], 1}, take_any, &f);
        NOTE(r, "the field \"%.*s\" is %s", SHOWN(names.list[i]),
             f.is_found ? "there" : "not there");
        if (!f.is_found || !sieve_is_on(r)) {
            return false;
        }
    }
    return true;
}

// The part of an address that the test asks for; false when it has no such part.
static bool address_part(const struct matcher *m, struct span local, struct span domain,
                         struct buf *out)
{
    char separator = m->r->env->address_separator ? m->r->env->address_separator : '+';
    size_t at = span_find_byte(local, separator);

    switch (m->call->part) {
    case PART_ALL:
        mime_address_put(out, local, domain);
        return true;
    case PART_LOCALPART:
        buf_put(out, local);
        return true;
    case PART_DOMAIN:
        buf_put(out, domain);
        return true;
    case PART_USER:
        buf_put(out, span_first(local, at));
        return true;
    case PART_DETAIL:
        buf_put(out, span_skip(local, at + 1));
        return at < local.n;
    }
    return false;
}

static bool match_address(struct matcher *m, struct span local, struct span domain)
{
    struct buf text;

    buf_init(&text, (local.n + domain.n) * 2 + 16);
    bool is_done = address_part(m, local, domain, &text) && sieve_match_value(m, buf_span(&text));

    buf_finish(&text);
    return is_done;
}

// A group counts as its members.
static bool take_address(void *context, const struct mime_field *field)
{
    struct matcher *m = context;
    struct mime_address_reader reader;
    struct mime_address a;
    bool is_done = false;

    if (!sieve_spend(m->r, field->body.n * 2)) {
        return true;
    }
    mime_address_begin(&reader, field->body);
    while (!is_done && mime_address_next(&reader, &a)) {
        bool is_whole = a.kind == MIME_MAILBOX && a.local.n && a.domain.n;

        // What is no address can only be compared as a whole.
        if (is_whole || (a.kind == MIME_MAILBOX && m->call->part == PART_ALL)) {
            is_done = match_address(m, a.local, a.domain);
        }
    }
    if (reader.scratch.failed) {
        m->r->error = ERR_NOMEM;
    }
    mime_address_finish(&reader);
    return is_done;
}

// The names that hold addresses: what variables made of a name cannot be checked before.
static struct sieve_strings only_addresses(struct run *r, const struct sieve_call *call,
                                           struct sieve_strings names)
{
    struct span *list = arena_zalloc(&r->scratch, names.n, sizeof(*list));
    size_t n = 0;

    if (!list) {
        sieve_fail_memory(r);
        return (struct sieve_strings){NULL, 0};
    }
    for (size_t i = 0; i < names.n; i++) {
        if (sieve_call_tag(call, TAG_MIME) || sieve_field_has_addresses(names.list[i])) {
            list[n++] = names.list[i];
        }
    }
    return (struct sieve_strings){list, n};
}

bool sieve_test_address(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings names = sieve_expand_list(r, &call->args[0]);
    struct matcher m;

    names = only_addresses(r, call, names);
    sieve_match_begin(&m, r, call, &call->args[1]);
    sieve_fields(r, call, names, take_address, &m);
    return sieve_match_end(&m);
}

// One value of the envelope; p NULL: it is not known.
static void match_envelope(struct matcher *m, struct span name)
{
    const struct sieve_env *env = m->r->env;
    bool is_from = span_eq_nocase(name, SPAN("from"));

    if (is_from || span_eq_nocase(name, SPAN("to"))) {
        struct span address = is_from ? env->envelope_from : env->envelope_to;
        struct mime_field f = {.name = name, .body = address};

        if (address.p && address.n == 0) {
            sieve_match_value(m, SPAN("")); // "<>"
        } else if (address.p) {
            take_address(m, &f);
        }
        return;
    }
    struct span value = span_eq_nocase(name, SPAN("orcpt"))   ? env->dsn_orcpt
                        : span_eq_nocase(name, SPAN("ret"))   ? env->dsn_ret
                        : span_eq_nocase(name, SPAN("envid")) ? env->dsn_envid
                                                              : (struct span){NULL, 0};

    if (value.p) {
        sieve_match_value(m, value);
    }
    if (span_eq_nocase(name, SPAN("notify")) && env->dsn_notify.p) {
        struct span rest = env->dsn_notify;

        while (rest.n) {
            sieve_match_value(m, span_trim(span_split(&rest, ',')));
        }
    }
}

bool sieve_test_envelope(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings names = sieve_expand_list(r, &call->args[0]);
    struct matcher m;

    sieve_match_begin(&m, r, call, &call->args[1]);
    for (size_t i = 0; i < names.n && sieve_is_on(r) && !m.hit; i++) {
        match_envelope(&m, names.list[i]);
    }
    return sieve_match_end(&m);
}
