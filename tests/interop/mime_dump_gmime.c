// SPDX-License-Identifier: Apache-2.0
//
// What GMime makes of messages, one JSON object a line, with the keys of mime-dump that can be
// compared. Built only where GMime is installed: mime-dump-gmime FILE...
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <gmime/gmime.h>
#pragma GCC diagnostic pop
#include <jansson.h>
#include <stdio.h>

static json_t *text(const char *s)
{
    if (!s) {
        return json_null();
    }
    char *good = g_utf8_make_valid(s, -1);
    json_t *j = json_string(good);

    g_free(good);
    return j;
}

static json_t *lower(const char *s)
{
    if (!s) {
        return json_null();
    }
    char *low = g_ascii_strdown(s, -1);
    json_t *j = text(low);

    g_free(low);
    return j;
}

static void add_address(json_t *list, int kind, const char *name, const char *address)
{
    const char *at = address ? strrchr(address, '@') : NULL;
    char *local = address ? g_strndup(address, at ? (gsize)(at - address) : strlen(address)) : NULL;
    json_t *j = json_array();

    json_array_append_new(j, json_integer(kind));
    json_array_append_new(j, name ? text(name) : json_string(""));
    json_array_append_new(j, local ? text(local) : json_string(""));
    json_array_append_new(j, at ? text(at + 1) : json_string(""));
    json_array_append_new(list, j);
    g_free(local);
}

static void add_list(json_t *list, InternetAddressList *addresses)
{
    for (int i = 0; addresses && i < internet_address_list_length(addresses); i++) {
        InternetAddress *a = internet_address_list_get_address(addresses, i);
        const char *name = internet_address_get_name(a);

        if (INTERNET_ADDRESS_IS_GROUP(a)) {
            add_address(list, 1, name, NULL);
            add_list(list, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(a)));
            add_address(list, 2, NULL, NULL);
        } else {
            add_address(list, 0, name,
                        internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a)));
        }
    }
}

static json_t *addresses(GMimeMessage *m, GMimeAddressType type)
{
    json_t *list = json_array();

    add_list(list, g_mime_message_get_addresses(m, type));
    return list;
}

static json_t *part_json(GMimeObject *part)
{
    GMimeContentType *type = g_mime_object_get_content_type(part);
    json_t *j = json_object();

    json_object_set_new(j, "type", lower(g_mime_content_type_get_media_type(type)));
    json_object_set_new(j, "subtype", lower(g_mime_content_type_get_media_subtype(type)));
    json_object_set_new(j, "disposition", lower(g_mime_object_get_disposition(part)));
    return j;
}

static char *hash(const unsigned char *bytes, size_t n)
{
    char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, n);

    sum[16] = '\0';
    return sum;
}

// As in mime-dump: without blanks at line ends.
static json_t *trimmed_hash(const GByteArray *in)
{
    GByteArray *out = g_byte_array_new();

    for (guint i = 0; i <= in->len; i++) {
        if (i == in->len || in->data[i] == '\n') {
            while (out->len && strchr(" \t\r", out->data[out->len - 1])) {
                g_byte_array_set_size(out, out->len - 1);
            }
        }
        if (i < in->len) {
            g_byte_array_append(out, in->data + i, 1);
        }
    }
    char *sum = hash(out->data, out->len);
    json_t *j = json_string(sum);

    g_free(sum);
    g_byte_array_unref(out);
    return j;
}

static void add_content(json_t *j, GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream *memory = g_mime_stream_mem_new();

    if (content) {
        g_mime_data_wrapper_write_to_stream(content, memory);
    }
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));
    char *sum = hash(bytes->data, bytes->len);

    json_object_set_new(j, "decoded", json_string(sum));
    json_object_set_new(j, "trimmed", trimmed_hash(bytes));
    json_object_set_new(j, "decoded_size", json_integer((json_int_t)bytes->len));
    json_object_set_new(j, "filename", text(g_mime_part_get_filename(part)));
    g_free(sum);
    g_object_unref(memory);
}

static json_t *tree(GMimeObject *part)
{
    json_t *j = part_json(part), *parts = json_array();

    if (GMIME_IS_MULTIPART(part)) {
        GMimeMultipart *multi = GMIME_MULTIPART(part);

        for (int i = 0; i < g_mime_multipart_get_count(multi); i++) {
            json_array_append_new(parts, tree(g_mime_multipart_get_part(multi, i)));
        }
    } else if (GMIME_IS_MESSAGE_PART(part)) {
        GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(part));

        if (inner && g_mime_message_get_mime_part(inner)) {
            json_array_append_new(parts, tree(g_mime_message_get_mime_part(inner)));
        }
    } else if (GMIME_IS_PART(part)) {
        add_content(j, GMIME_PART(part));
    }
    if (json_array_size(parts)) {
        json_object_set(j, "parts", parts);
    }
    json_decref(parts);
    return j;
}

static json_t *date(GMimeMessage *m)
{
    GDateTime *d = g_mime_message_get_date(m);

    return d ? json_pack("[I,i,b]", (json_int_t)g_date_time_to_unix(d),
                         (int)(g_date_time_get_utc_offset(d) / 60000000), 1)
             : json_null();
}

static json_t *fields(GMimeObject *m)
{
    GMimeHeaderList *headers = g_mime_object_get_header_list(m);
    json_t *list = json_array();

    for (int i = 0; i < g_mime_header_list_get_count(headers); i++) {
        json_array_append_new(
            list, lower(g_mime_header_get_name(g_mime_header_list_get_header_at(headers, i))));
    }
    return list;
}

static void dump(const char *path)
{
    json_t *j = json_object();
    GMimeStream *stream = g_mime_stream_file_open(path, "rb", NULL);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *m = g_mime_parser_construct_message(parser, NULL);

    json_object_set_new(j, "file", json_string(path));
    if (m) {
        json_object_set_new(j, "subject", text(g_mime_message_get_subject(m)));
        json_object_set_new(j, "from", addresses(m, GMIME_ADDRESS_TYPE_FROM));
        json_object_set_new(j, "to", addresses(m, GMIME_ADDRESS_TYPE_TO));
        json_object_set_new(j, "cc", addresses(m, GMIME_ADDRESS_TYPE_CC));
        json_object_set_new(j, "date", date(m));
        json_object_set_new(j, "fields", fields(GMIME_OBJECT(m)));
        json_object_set_new(j, "tree", tree(g_mime_message_get_mime_part(m)));
        g_object_unref(m);
    }
    json_dumpf(j, stdout, JSON_COMPACT | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(j);
    g_object_unref(parser);
    g_object_unref(stream);
}

int main(int argc, char **argv)
{
    g_mime_init();
    for (int i = 1; i < argc; i++) {
        dump(argv[i]);
    }
    g_mime_shutdown();
    return 0;
}
