// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_content_internal.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_param.h"

#include "base/banned.h"

#define LANGUAGES_MAX 64

// The bodies of the fields that describe a part, still folded; the first of each name.
struct fields {
    struct span type, encoding, id, description, disposition, language, location, md5;
};

void mime_content_default(bool in_digest, struct mime_part *part)
{
    part->kind = in_digest ? MIME_MESSAGE : MIME_TEXT;
    part->type = in_digest ? SPAN("message") : SPAN("text");
    part->subtype = in_digest ? SPAN("rfc822") : SPAN("plain");
}

void mime_content_opaque(struct mime_part *part)
{
    part->kind = MIME_LEAF;
    part->is_opaque = true;
    part->type = SPAN("application");
    part->subtype = SPAN("octet-stream");
    part->params = (struct mime_params){0};
}

static struct fields find_fields(struct span header)
{
    struct fields all = {0};
    const struct {
        struct span name;
        struct span *body;
    } wanted[] = {
        {{"Content-Type", 12}, &all.type},
        {{"Content-Transfer-Encoding", 25}, &all.encoding},
        {{"Content-ID", 10}, &all.id},
        {{"Content-Description", 19}, &all.description},
        {{"Content-Disposition", 19}, &all.disposition},
        {{"Content-Language", 16}, &all.language},
        {{"Content-Location", 16}, &all.location},
        {{"Content-MD5", 11}, &all.md5},
    };
    struct mime_field f;

    while (mime_header_next(&header, &f)) {
        if (!span_starts_nocase(f.name, SPAN("Content-"))) {
            continue;
        }
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            if (!wanted[i].body->p && span_eq_nocase(f.name, wanted[i].name)) {
                *wanted[i].body = f.body;
            }
        }
    }
    return all;
}

static bool is_token_byte(char c)
{
    return (unsigned char)c > 32 && (unsigned char)c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct span take_token(struct span *s)
{
    size_t n = 0;

    *s = span_trim(*s);
    while (n < s->n && is_token_byte(s->p[n])) {
        n++;
    }
    struct span token = span_first(*s, n);

    *s = span_skip(*s, n);
    return token;
}

static void set_kind(struct mime_part *part)
{
    bool is_message = span_eq_nocase(part->type, SPAN("message"));

    part->kind = MIME_LEAF;
    if (span_eq_nocase(part->type, SPAN("text"))) {
        part->kind = MIME_TEXT;
    } else if (span_eq_nocase(part->type, SPAN("multipart"))) {
        part->kind = MIME_MULTIPART;
    } else if (is_message && (span_eq_nocase(part->subtype, SPAN("rfc822")) ||
                              span_eq_nocase(part->subtype, SPAN("global")))) {
        part->kind = MIME_MESSAGE;
    }
}

// A broken Content-Type leaves the default (RFC 2045 5.2); "multipart" alone is read as mixed.
static enum err read_type(struct arena *arena, struct span body, bool in_digest,
                          struct mime_part *part)
{
    struct span value, type, subtype = {0};
    enum err e = mime_param_parse(arena, body, &value, &part->params);

    if (e != ERR_OK) {
        return e;
    }
    type = take_token(&value);
    value = span_trim(value);
    if (value.n && value.p[0] == '/') {
        value = span_skip(value, 1);
        subtype = take_token(&value);
    }
    if (type.n && subtype.n == 0 && span_eq_nocase(type, SPAN("multipart"))) {
        subtype = SPAN("mixed");
    }
    if (type.n && subtype.n) {
        part->type = type;
        part->subtype = subtype;
        set_kind(part);
    } else {
        mime_content_default(in_digest, part);
    }
    return ERR_OK;
}

static enum err read_disposition(struct arena *arena, struct span body, struct mime_part *part)
{
    struct span value;
    enum err e = mime_param_parse(arena, body, &value, &part->disposition_params);

    if (e == ERR_OK && value.p) {
        part->disposition = take_token(&value);
        part->is_attachment = span_eq_nocase(part->disposition, SPAN("attachment"));
        if (part->disposition.n == 0) {
            part->disposition = (struct span){0};
        }
    }
    if (!part->disposition.p) {
        part->disposition_params = (struct mime_params){0};
    }
    return e;
}

// "en, de (comment)": tokens between commas.
static enum err read_languages(struct arena *arena, struct span body, struct mime_part *part)
{
    struct span *list = arena_zalloc(arena, LANGUAGES_MAX, sizeof(*list));

    part->languages = list;
    while (list && body.n && part->language_count < LANGUAGES_MAX) {
        struct span item = span_split(&body, ',');
        struct span word = take_token(&item);

        if (word.n) {
            list[part->language_count] = arena_dup(arena, word);
            if (!list[part->language_count++].p) {
                return ERR_NOMEM;
            }
        }
    }
    return list ? ERR_OK : ERR_NOMEM;
}

// Unfolded into the arena; p stays NULL when the field is missing or empty.
static enum err read_string(struct arena *arena, struct span body, struct span *out)
{
    struct buf b;

    if (span_trim(body).n == 0) {
        return ERR_OK;
    }
    buf_init(&b, body.n + 1);
    mime_header_unfold(&b, body);
    *out = b.failed ? (struct span){0} : arena_dup(arena, buf_span(&b));
    buf_finish(&b);
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err mime_content_read(struct arena *arena, struct span header, bool in_digest,
                           struct mime_part *part)
{
    struct fields f = find_fields(header);
    enum err e = ERR_OK;

    mime_content_default(in_digest, part);
    if (f.type.p) {
        e = read_type(arena, f.type, in_digest, part);
    }
    if (e == ERR_OK && f.disposition.p) {
        e = read_disposition(arena, f.disposition, part);
    }
    if (e == ERR_OK && f.language.p) {
        e = read_languages(arena, f.language, part);
    }
    const struct {
        struct span from, *to;
    } strings[] = {{f.encoding, &part->encoding_name},
                   {f.id, &part->id},
                   {f.description, &part->description},
                   {f.location, &part->location},
                   {f.md5, &part->md5}};

    for (size_t i = 0; e == ERR_OK && i < sizeof(strings) / sizeof(strings[0]); i++) {
        e = read_string(arena, strings[i].from, strings[i].to);
    }
    part->encoding = mime_encoding_parse(part->encoding_name);
    return e;
}

static bool is_envelope_field(struct span name)
{
    static const struct span names[] = {
        {"Date", 4}, {"Subject", 7}, {"From", 4}, {"Sender", 6},       {"Reply-To", 8},
        {"To", 2},   {"Cc", 2},      {"Bcc", 3},  {"In-Reply-To", 11}, {"Message-ID", 10},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_eq_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

enum err mime_content_keep_envelope(struct arena *arena, struct span header, struct mime_part *part)
{
    struct mime_field f;
    struct buf lines;

    buf_init(&lines, header.n + 1);
    while (mime_header_next(&header, &f)) {
        if (is_envelope_field(f.name)) {
            buf_put(&lines, f.line);
        }
    }
    part->header = lines.failed ? (struct span){0} : arena_dup(arena, buf_span(&lines));
    buf_finish(&lines);
    return part->header.p ? ERR_OK : ERR_NOMEM;
}

static enum err copy_params(struct arena *arena, struct mime_params *params)
{
    struct mime_param *list = arena_zalloc(arena, params->n, sizeof(*list));

    if (!list) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < params->n; i++) {
        list[i].name = arena_dup(arena, params->list[i].name);
        list[i].value = arena_dup(arena, params->list[i].value);
        if (!list[i].name.p || !list[i].value.p) {
            return ERR_NOMEM;
        }
    }
    params->list = list;
    return ERR_OK;
}

static enum err copy_languages(struct arena *arena, struct mime_part *part)
{
    struct span *list = arena_zalloc(arena, part->language_count, sizeof(*list));

    for (size_t i = 0; list && i < part->language_count; i++) {
        list[i] = arena_dup(arena, part->languages[i]);
        if (!list[i].p) {
            return ERR_NOMEM;
        }
    }
    part->languages = list;
    return list ? ERR_OK : ERR_NOMEM;
}

enum err mime_content_copy(struct arena *arena, struct mime_part *part)
{
    struct span *all[] = {&part->type,        &part->subtype,  &part->encoding_name,
                          &part->id,          &part->md5,      &part->description,
                          &part->disposition, &part->location, &part->header};
    enum err e = ERR_OK;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i]->p) {
            *all[i] = arena_dup(arena, *all[i]);
            e = all[i]->p ? e : ERR_NOMEM;
        }
    }
    if (e == ERR_OK && part->params.n) {
        e = copy_params(arena, &part->params);
    }
    if (e == ERR_OK && part->disposition_params.n) {
        e = copy_params(arena, &part->disposition_params);
    }
    if (e == ERR_OK && part->language_count) {
        e = copy_languages(arena, part);
    }
    return e;
}
