// SPDX-License-Identifier: Apache-2.0
//
// Sender authentication from the command line, for comparing it with other implementations. Zones
// are files as in tests/data/senderauth; a signed message is written beside its file as FILE.out.
//
//   keygen rsa|ed25519 BITS FILE      a new key; prints its DNS record
//   sign DOMAIN SELECTOR KEY FILE...
//   verify ZONE NOW FILE...           one line for each file: the status of each signature
//   seal ZONE DOMAIN SELECTOR KEY FILE...
//   chain ZONE FILE...                one line for each file: the status of the chain
//   spf ZONE QUESTIONS                one line for each question: ip, HELO, MAIL FROM
#include "../unit/senderauth/zone.h"
#include "../unit/test.h"
#include "senderauth/arc.h"
#include "senderauth/spf.h"

static struct zone zone;

static struct span read_file(const char *path, char **out)
{
    FILE *f = fopen(path, "rb");

    if (!f) {
        perror(path);
        exit(2);
    }
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);

    rewind(f);
    *out = malloc(n + 1);
    if (!*out || fread(*out, 1, n, f) != n) {
        exit(2);
    }
    fclose(f);
    return span_of(*out, n);
}

static void write_out(const char *path, struct span head, struct span message)
{
    char name[4096];

    snprintf(name, sizeof(name), "%s.out", path);
    FILE *f = fopen(name, "wb");

    if (!f || fwrite(head.p, 1, head.n, f) != head.n ||
        fwrite(message.p, 1, message.n, f) != message.n || fclose(f)) {
        perror(name);
        exit(2);
    }
}

static void read_zone(const char *path)
{
    char *memory = NULL;
    struct span rest = read_file(path, &memory), fields[6];

    zone_init(&zone);
    while (rest.n) {
        struct span line = span_split(&rest, '\n');

        zone_take_line(&zone, fields, zone_fields(&zone.arena, line, fields, 6));
    }
    free(memory);
}

static struct auth_message *read_message(struct span bytes, bool will_sign)
{
    struct auth_message *m = NULL;

    if (auth_message_create(will_sign, &m) != ERR_OK || auth_message_feed(m, bytes) != ERR_OK ||
        auth_message_finish(m) != ERR_OK) {
        exit(2);
    }
    return m;
}

static struct dkim_private_key *read_key(const char *path)
{
    struct dkim_private_key *key = NULL;
    char *memory = NULL;

    if (dkim_key_from_pem(read_file(path, &memory), &key) != ERR_OK) {
        exit(2);
    }
    free(memory);
    return key;
}

static int keygen(char **a)
{
    struct dkim_private_key *key = NULL;
    struct buf b;
    enum dkim_algorithm kind = strcmp(a[0], "rsa") ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256;
    FILE *f = fopen(a[2], "wb");

    buf_init(&b, 1 << 20);
    if (!f || dkim_key_generate(kind, (unsigned)strtoul(a[1], NULL, 10), &key) != ERR_OK ||
        dkim_key_put_pem(&b, key) != ERR_OK || fwrite(b.p, 1, b.n, f) != b.n || fclose(f)) {
        return 2;
    }
    buf_clear(&b);
    if (dkim_key_put_record(&b, key) != ERR_OK) {
        return 2;
    }
    printf("%.*s\n", SPAN_ARG(buf_span(&b)));
    buf_finish(&b);
    dkim_key_destroy(key);
    return 0;
}

static void sign_one(const char *path, const struct dkim_signer *s, bool is_arc)
{
    char *memory = NULL;
    struct span bytes = read_file(path, &memory);
    struct auth_message *m = read_message(bytes, true);
    struct resolver r = zone_resolver(&zone);
    struct arc_result chain = {0};
    struct arena arena;
    struct buf out;
    enum err e;

    arena_init(&arena, 8 << 20);
    buf_init(&out, 4 << 20);
    if (is_arc) {
        e = arc_verify(m, &r, &arena, &chain);
        if (e == ERR_OK) {
            e = arc_seal(m, s, chain.status, SPAN("mx.example.net; spf=pass smtp.mailfrom=a@b.c"),
                         &out);
        }
    } else {
        e = dkim_sign(m, s, &out);
    }
    if (e != ERR_OK) {
        fprintf(stderr, "%s: %s\n", path, err_name(e));
        exit(2);
    }
    write_out(path, buf_span(&out), bytes);
    buf_finish(&out);
    arena_finish(&arena);
    auth_message_destroy(m);
    free(memory);
}

static int sign(char **a, bool is_arc)
{
    struct dkim_private_key *key = read_key(a[2]);
    struct dkim_signer s = {.domain = span_from_str(a[0]), .selector = span_from_str(a[1])};

    s.key = key;
    s.now_s = 1700000000;
    for (a += 3; *a; a++) {
        sign_one(*a, &s, is_arc);
    }
    dkim_key_destroy(key);
    return 0;
}

static void verify_one(const char *path, int64_t now, bool is_arc)
{
    char *memory = NULL;
    struct auth_message *m = read_message(read_file(path, &memory), false);
    struct resolver r = zone_resolver(&zone);
    struct dkim_result *results = NULL;
    struct arc_result chain = {0};
    struct arena arena;
    size_t n = 0;

    arena_init(&arena, 8 << 20);
    if (is_arc) {
        if (arc_verify(m, &r, &arena, &chain) != ERR_OK) {
            exit(2);
        }
        printf("%s\n", arc_status_name(chain.status));
    } else {
        if (dkim_verify(m, &r, now, &arena, &results, &n) != ERR_OK) {
            exit(2);
        }
        for (size_t i = 0; i < n; i++) {
            printf("%s%s", i ? " " : "", dkim_status_name(results[i].status));
        }
        printf("\n");
    }
    arena_finish(&arena);
    auth_message_destroy(m);
    free(memory);
}

static int spf(char **a)
{
    char *memory = NULL;
    struct span rest = read_file(a[1], &memory);
    struct resolver r = zone_resolver(&zone);

    while (rest.n) {
        struct span line = span_split(&rest, '\n');
        struct span ip = span_split(&line, '\t'), helo = span_split(&line, '\t');
        struct spf_question q = {.helo = helo, .unix_seconds = 1700000000};
        struct spf_result result;
        struct arena arena;

        q.local = span_split(&line, '@');
        q.domain = line;
        arena_init(&arena, 8 << 20);
        if (ip_address_parse(ip, &q.ip) != ERR_OK || spf_check(&q, &r, &arena, &result) != ERR_OK) {
            return 2;
        }
        printf("%s\n", spf_status_name(result.status));
        arena_finish(&arena);
    }
    free(memory);
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 3 ? argv[1] : "";

    if (!strcmp(command, "keygen")) {
        return keygen(argv + 2);
    }
    if (!strcmp(command, "sign") && argc > 5) {
        return sign(argv + 2, false);
    }
    if (*command == 0) {
        fprintf(stderr, "see the head of senderauth_tool.c\n");
        return 2;
    }
    read_zone(argv[2]);
    if (!strcmp(command, "seal") && argc > 6) {
        return sign(argv + 3, true);
    }
    if (!strcmp(command, "spf")) {
        return spf(argv + 2);
    }
    bool is_arc = !strcmp(command, "chain");

    for (int i = is_arc ? 3 : 4; i < argc; i++) {
        verify_one(argv[i], strtoll(argv[3], NULL, 10), is_arc);
    }
    return 0;
}
