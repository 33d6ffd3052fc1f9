// SPDX-License-Identifier: Apache-2.0
//
// Prints what mime/ makes of messages, one JSON object a line, for the comparison with other
// readers (mime_compare.py): mime-dump FILE... With --summary first, the bytes of their summaries.
#include <fcntl.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/utf8.h"
#include "mime/mime_address.h"
#include "mime/mime_charset.h"
#include "mime/mime_date.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_msgid.h"
#include "mime/mime_param.h"
#include "mime/mime_reader.h"
#include "mime/mime_subject.h"
#include "mime/mime_summary.h"
#include "mime/mime_text.h"
#include "mime/mime_word.h"

#include "base/banned.h"

#define FILE_MAX (256u << 20)

// Bytes as JSON text: malformed UTF-8 is replaced.
static json_t *text(struct span s)
{
    struct buf b;

    buf_init(&b, s.n * 3 + 1);
    utf8_sanitize(&b, s);
    json_t *j = json_stringn(b.n ? b.p : "", b.n);

    buf_finish(&b);
    return j;
}

static json_t *lower(struct span s)
{
    char *p = malloc(s.n + 1);

    for (size_t i = 0; i < s.n; i++) {
        p[i] = byte_lower(s.p[i]);
    }
    json_t *j = text(span_of(p, s.n));

    free(p);
    return j;
}

static json_t *hash(struct span s)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct buf hex;

    SHA256((const unsigned char *)(s.n ? s.p : ""), s.n, digest);
    buf_init(&hex, 64);
    hex_encode(&hex, span_of(digest, 8));
    json_t *j = text(buf_span(&hex));

    buf_finish(&hex);
    return j;
}

// Blanks at line ends left out: what is the same but for them is told apart from what is not.
static json_t *trimmed_hash(struct span s)
{
    struct buf b;

    buf_init(&b, s.n + 1);
    while (s.n) {
        size_t at = span_find_byte(s, '\n');
        struct span line = span_first(s, at);

        while (line.n && byte_is_space(line.p[line.n - 1])) {
            line.n--;
        }
        buf_put(&b, line);
        if (at < s.n) {
            buf_put_byte(&b, '\n');
        }
        s = span_skip(s, at + 1);
    }
    json_t *j = hash(buf_span(&b));

    buf_finish(&b);
    return j;
}

static json_t *header_text(struct span header, struct span name)
{
    struct span body = mime_header_get(header, name);
    struct buf b;

    if (!body.p) {
        return json_null();
    }
    buf_init(&b, FILE_MAX);
    mime_header_text(&b, body);
    json_t *j = text(buf_span(&b));

    buf_finish(&b);
    return j;
}

static void add_addresses(json_t *list, struct span body)
{
    struct mime_address_reader r;
    struct mime_address a;

    mime_address_begin(&r, body);
    while (mime_address_next(&r, &a)) {
        struct buf name;
        json_t *j = json_array();

        buf_init(&name, FILE_MAX);
        mime_word_decode(&name, a.name);
        json_array_append_new(j, json_integer(a.kind));
        json_array_append_new(j, text(buf_span(&name)));
        json_array_append_new(j, text(a.local));
        json_array_append_new(j, text(a.domain));
        json_array_append_new(list, j);
        buf_finish(&name);
    }
    mime_address_finish(&r);
}

static json_t *addresses(struct span header, struct span name)
{
    json_t *list = json_array();
    struct mime_field f;

    while (mime_header_find(&header, name, &f)) {
        add_addresses(list, f.body);
    }
    return list;
}

static json_t *ids(struct span header, struct span name)
{
    json_t *list = json_array();
    struct span rest = mime_header_get(header, name), id;

    while (mime_msgid_next(&rest, &id)) {
        json_array_append_new(list, text(id));
    }
    return list;
}

static json_t *date(struct span header)
{
    struct mime_date d;

    if (!mime_date_parse(mime_header_get(header, SPAN("Date")), &d)) {
        return json_null();
    }
    return json_pack("[I,i,b]", (json_int_t)d.unix_seconds, d.zone_minutes, d.has_zone);
}

static json_t *fields(struct span header)
{
    json_t *list = json_array();
    struct mime_field f;

    while (mime_header_next(&header, &f)) {
        if (f.name.n) {
            json_array_append_new(list, lower(f.name));
        }
    }
    return list;
}

static void add_message(json_t *j, struct span header)
{
    json_object_set_new(j, "subject", header_text(header, SPAN("Subject")));
    json_object_set_new(j, "from", addresses(header, SPAN("From")));
    json_object_set_new(j, "to", addresses(header, SPAN("To")));
    json_object_set_new(j, "cc", addresses(header, SPAN("Cc")));
    json_object_set_new(j, "date", date(header));
    json_object_set_new(j, "message_id", ids(header, SPAN("Message-ID")));
    json_object_set_new(j, "references", ids(header, SPAN("References")));
}

static json_t *part_json(struct span file, const struct mime_part *p)
{
    json_t *j = json_object();
    struct span body = span_first(span_skip(file, p->body_offset), p->body_size);
    struct buf b;

    buf_init(&b, FILE_MAX);
    json_object_set_new(j, "type", lower(p->type));
    json_object_set_new(j, "subtype", lower(p->subtype));
    json_object_set_new(j, "encoding", json_integer(p->encoding));
    json_object_set_new(
        j, "header", json_pack("[I,I]", (json_int_t)p->header_offset, (json_int_t)p->header_size));
    json_object_set_new(j, "body",
                        json_pack("[I,I]", (json_int_t)p->body_offset, (json_int_t)p->body_size));
    json_object_set_new(j, "lines", json_integer(p->body_lines));
    json_object_set_new(j, "synthetic", json_boolean(p->is_synthetic));
    json_object_set_new(j, "disposition", p->disposition.p ? lower(p->disposition) : json_null());
    json_object_set_new(j, "filename",
                        mime_param_filename(&b, p) ? text(buf_span(&b)) : json_null());
    buf_clear(&b);
    mime_param_decode(&b, p->params, SPAN("charset"));
    json_object_set_new(j, "charset", lower(buf_span(&b)));
    buf_clear(&b);
    if (p->child_count == 0) {
        mime_decode(&b, p->encoding, body);
        json_object_set_new(j, "decoded_size", json_integer((json_int_t)b.n));
        json_object_set_new(j, "decoded", hash(buf_span(&b)));
        json_object_set_new(j, "trimmed", trimmed_hash(buf_span(&b)));
    }
    if (p->is_message_root && p->depth) {
        add_message(j, p->header);
    }
    buf_finish(&b);
    return j;
}

static json_t *tree(struct span file, const struct mime_part *p)
{
    json_t *j = part_json(file, p);

    if (p->child_count) {
        json_t *children = json_array();

        for (uint32_t i = 0; i < p->child_count; i++) {
            json_array_append_new(children, tree(file, &p->children[i]));
        }
        json_object_set_new(j, "parts", children);
    }
    return j;
}

static void add_summary(json_t *j, const struct mime_message *m)
{
    struct buf b;
    struct mime_summary s;
    struct span piece;

    buf_init(&b, 2 * MIME_SUMMARY_BYTES_MAX);
    if (mime_summary_build(&b, m) == ERR_OK && mime_summary_open(buf_span(&b), &s) == ERR_OK) {
        json_object_set_new(j, "summary_size", json_integer((json_int_t)b.n));
        if (mime_summary_envelope(&s, &piece) == ERR_OK) {
            json_object_set_new(j, "envelope", text(piece));
        }
        if (mime_summary_bodystructure(&s, &piece) == ERR_OK) {
            json_object_set_new(j, "bodystructure", text(piece));
        }
        if (mime_summary_preview(&s, &piece) == ERR_OK) {
            json_object_set_new(j, "preview", text(piece));
        }
    }
    buf_finish(&b);
}

static void write_summary(const struct mime_message *m)
{
    struct buf b;

    buf_init(&b, 2 * MIME_SUMMARY_BYTES_MAX);
    if (mime_summary_build(&b, m) == ERR_OK) {
        fwrite(b.p, 1, b.n, stdout);
    }
    buf_finish(&b);
}

static void write_json(const char *path, struct span file, const struct mime_message *m)
{
    json_t *j = json_object();

    json_object_set_new(j, "file", json_string(path));
    json_object_set_new(j, "size", json_integer((json_int_t)m->size));
    json_object_set_new(j, "fields", fields(m->parts[0].header));
    add_message(j, m->parts[0].header);
    json_object_set_new(j, "tree", tree(file, &m->parts[0]));
    add_summary(j, m);
    json_dumpf(j, stdout, JSON_COMPACT | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(j);
}

static int dump(const char *path, bool is_summary)
{
    struct buf file;
    struct arena arena;
    struct mime_message m;

    buf_init(&file, FILE_MAX);
    if (file_read_whole(AT_FDCWD, path, &file) != ERR_OK) {
        fprintf(stderr, "mime-dump: cannot read %s\n", path);
        return 1;
    }
    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    enum err e = mime_read(buf_span(&file), NULL, &arena, &m);

    if (e != ERR_OK) {
        fprintf(stderr, "mime-dump: %s: %s\n", path, err_name(e));
        return 1;
    }
    if (is_summary) {
        write_summary(&m);
    } else {
        write_json(path, buf_span(&file), &m);
    }
    arena_finish(&arena);
    buf_finish(&file);
    return 0;
}
int main(int argc, char **argv)
{
    int failed = 0;

    mime_charset_preload();
    bool is_summary = argc > 1 && strcmp(argv[1], "--summary") == 0;

    for (int i = 1 + is_summary; i < argc; i++) {
        failed |= dump(argv[i], is_summary);
    }
    return failed;
}
