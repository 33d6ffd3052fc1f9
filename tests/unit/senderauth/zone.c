// SPDX-License-Identifier: Apache-2.0
#include "zone.h"

#include <arpa/inet.h>

#include "../test.h"
#include "base/buf.h"

void zone_init(struct zone *z)
{
    memset(z, 0, sizeof(*z));
    arena_init(&z->arena, 64 << 20);
}

void zone_finish(struct zone *z)
{
    arena_finish(&z->arena);
}

void zone_clear(struct zone *z)
{
    zone_finish(z);
    zone_init(z);
}

static enum dns_type type_of(struct span type)
{
    static const struct {
        const char *name;
        enum dns_type type;
    } rows[] = {{"TXT", DNS_TXT}, {"A", DNS_A},     {"AAAA", DNS_AAAA},
                {"MX", DNS_MX},   {"PTR", DNS_PTR}, {"TLSA", DNS_TLSA}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (span_eq(type, span_from_str(rows[i].name))) {
            return rows[i].type;
        }
    }
    return 0;
}

static struct span address_bytes(struct zone *z, struct span value, int family)
{
    char text[64] = "", bytes[16];

    memcpy(text, value.p, value.n < sizeof(text) - 1 ? value.n : sizeof(text) - 1);
    assert_int_equal(inet_pton(family, text, bytes), 1);
    return arena_dup(&z->arena, span_of(bytes, family == AF_INET ? 4 : 16));
}

static struct span without_dot(struct span name)
{
    name.n -= name.n && name.p[name.n - 1] == '.';
    return name;
}

void zone_add(struct zone *z, struct span name, struct span type, struct span value,
              unsigned preference)
{
    assert_true(z->n < ZONE_LINES_MAX);
    struct zone_line *l = &z->lines[z->n++];

    l->name = arena_dup(&z->arena, without_dot(name));
    l->type = type_of(type);
    l->record.preference = (uint16_t)preference;
    if (l->type == DNS_A || l->type == DNS_AAAA) {
        l->record.data = address_bytes(z, value, l->type == DNS_A ? AF_INET : AF_INET6);
    } else if (l->type == DNS_TXT) {
        l->record.data = arena_dup(&z->arena, value);
    } else {
        l->record.data = arena_dup(&z->arena, without_dot(value));
    }
}

void zone_txt(struct zone *z, const char *name, const char *value)
{
    zone_add(z, span_from_str(name), SPAN("TXT"), span_from_str(value), 0);
}

void zone_timeout(struct zone *z, struct span name)
{
    assert_true(z->n < ZONE_LINES_MAX);
    z->lines[z->n].name = arena_dup(&z->arena, without_dot(name));
    z->lines[z->n++].is_timeout = true;
}

static void look_up(struct zone *z, struct span name, enum dns_type type, int depth,
                    struct dns_answer *a)
{
    struct dns_record *list = arena_zalloc(&z->arena, z->n + 1, sizeof(*list));
    bool is_known = false, is_timeout = false;

    *a = (struct dns_answer){.status = DNS_NXDOMAIN, .records = list};
    for (size_t i = 0; i < z->n; i++) {
        const struct zone_line *l = &z->lines[i];

        if (!span_eq_nocase(l->name, name)) {
            continue;
        }
        is_known = true;
        is_timeout |= l->is_timeout;
        if (!l->is_timeout && l->type == type) {
            list[a->n++] = l->record;
        } else if (!l->is_timeout && l->type == 0) {
            if (depth == 0) {
                a->status = DNS_TEMPFAIL; // a loop
                return;
            }
            look_up(z, l->record.data, type, depth - 1, a);
            return;
        }
    }
    a->status = a->n ? DNS_OK : is_timeout ? DNS_TEMPFAIL : is_known ? DNS_NODATA : DNS_NXDOMAIN;
}

static enum err zone_ask(void *context, struct span name, enum dns_type type,
                         const struct dns_answer **out)
{
    struct zone *z = context;
    struct dns_answer *a = arena_zalloc(&z->arena, 1, sizeof(*a));

    z->asked++;
    look_up(z, name, type, 8, a);
    *out = a;
    return ERR_OK;
}

struct resolver zone_resolver(struct zone *z)
{
    return (struct resolver){zone_ask, z};
}

bool zone_feed(struct zone *z, struct dns_memo *m)
{
    struct dns_question q;
    bool any = false;

    while (dns_memo_next(m, &q)) {
        const struct dns_answer *a = NULL;

        assert_ok(zone_ask(z, q.name, q.type, &a));
        assert_ok(dns_memo_answer(m, q.name, q.type, a));
        any = true;
    }
    return any;
}

struct span zone_read_file(const char *name, char **out_memory)
{
    char path[4096];
    const char *folder = getenv("MK_TEST_DATA");

    snprintf(path, sizeof(path), "%s/senderauth/%s", folder ? folder : "tests/data", name);
    FILE *f = fopen(path, "rb");

    if (!f) {
        print_error("no %s\n", path);
        fail();
        abort();
    }
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);

    rewind(f);
    *out_memory = malloc(n + 1);
    assert_int_equal(fread(*out_memory, 1, n, f), n);
    fclose(f);
    return span_of(*out_memory, n);
}

static struct span unescape(struct arena *arena, struct span s)
{
    char *p = arena_alloc(arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 3 < s.n) {
            p[n++] = (char)(byte_hex(s.p[i + 2]) << 4 | byte_hex(s.p[i + 3]));
            i += 3;
        } else {
            p[n++] = s.p[i];
        }
    }
    return span_of(p, n);
}

size_t zone_fields(struct arena *arena, struct span line, struct span *fields, size_t max)
{
    size_t n = 0;
    bool more = true;

    while (more && n < max) {
        more = span_find_byte(line, '\t') < line.n;
        fields[n++] = unescape(arena, span_split(&line, '\t'));
    }
    for (size_t i = n; i < max; i++) {
        fields[i] = SPAN("");
    }
    return n;
}

bool zone_take_line(struct zone *z, const struct span *fields, size_t n)
{
    uint64_t preference = 0;

    if (span_eq(fields[0], SPAN("timeout"))) {
        zone_timeout(z, fields[1]);
        return true;
    }
    if (!span_eq(fields[0], SPAN("zone"))) {
        return false;
    }
    if (n > 4) {
        assert_true(span_to_u64(fields[4], 65535, &preference));
    }
    zone_add(z, fields[1], fields[2], fields[3], (unsigned)preference);
    return true;
}
