// SPDX-License-Identifier: Apache-2.0
//
// DKIM: the RFCs' own example messages, canonical forms, what is refused and why, signing.
#include "../test.h"
#include "base/encode.h"
#include "senderauth/auth_message_internal.h"
#include "senderauth/dkim.h"
#include "senderauth/dkim_internal.h"
#include "zone.h"

#define NOW 1700000000

static struct zone *zone;
static struct arena arena;
static struct dkim_private_key *rsa, *ed;

static int setup(void **state)
{
    (void)state;
    zone = malloc(sizeof(*zone));
    zone_init(zone);
    arena_init(&arena, 64 << 20);
    assert_ok(dkim_key_generate(DKIM_RSA_SHA256, 2048, &rsa));
    assert_ok(dkim_key_generate(DKIM_ED25519_SHA256, 0, &ed));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    zone_finish(zone);
    free(zone);
    arena_finish(&arena);
    dkim_key_destroy(rsa);
    dkim_key_destroy(ed);
    return 0;
}

static void publish(const char *name, const struct dkim_private_key *key)
{
    struct buf b;

    buf_init(&b, 4096);
    assert_ok(dkim_key_put_record(&b, key));
    zone_add(zone, span_from_str(name), SPAN("TXT"), buf_span(&b), 0);
    buf_finish(&b);
}

static struct auth_message *read_pieces(struct span bytes, size_t piece, bool will_sign)
{
    struct auth_message *m = NULL;

    assert_ok(auth_message_create(will_sign, &m));
    for (; bytes.n; bytes = span_skip(bytes, piece)) {
        assert_ok(auth_message_feed(m, span_first(bytes, piece)));
    }
    assert_ok(auth_message_finish(m));
    return m;
}

// Verifies in pieces of several sizes: the same result each time. Returns the number of signatures.
static size_t verify(struct span message, struct dkim_result **out)
{
    struct resolver r = zone_resolver(zone);
    static const size_t pieces[] = {1, 2, 7, 100000};
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        struct auth_message *m = read_pieces(message, pieces[i], false);
        struct dkim_result *got = NULL;
        size_t count = 0;

        assert_ok(dkim_verify(m, &r, NOW, &arena, &got, &count));
        assert_true(i == 0 || count == n);
        for (size_t k = 0; i && k < n; k++) {
            assert_int_equal(got[k].status, (*out)[k].status);
        }
        n = count;
        *out = got;
        auth_message_destroy(m);
    }
    return n;
}

static enum dkim_status verify_one(struct span message)
{
    struct dkim_result *r = NULL;

    assert_int_equal(verify(message, &r), 1);
    assert_true(r->words.n > 10 && r->words.p[r->words.n - 1] == '.');
    return r->status;
}

// The signature fields of both keys and the message after them.
static struct span sign(struct span message, const struct dkim_private_key *key,
                        const char *selector)
{
    struct auth_message *m = read_pieces(message, 13, true);
    struct dkim_signer s = {.domain = SPAN("example.org"),
                            .selector = span_from_str(selector),
                            .key = key,
                            .now_s = NOW};
    struct buf out;

    buf_init(&out, 64 << 20);
    assert_ok(dkim_sign(m, &s, &out));
    buf_put(&out, message);
    auth_message_destroy(m);
    struct span copy = arena_dup(&arena, buf_span(&out));

    buf_finish(&out);
    return copy;
}

#define PLAIN                                                                                      \
    "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\n"                     \
    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@example.org>\r\n\r\nHi.\r\n"

static void test_sign_and_verify(void **state)
{
    static const char *const bodies[] = {
        "",       "\r\n",   "\r\n\r\n\r\n", "a", " \t \r\n", "a b\tc  \r\n\r\n", "a\r\n \r\n\t\r\n",
        "a\rb\r", "\r\r\n", "x\n\ny\n"};
    char text[600];

    (void)state;
    publish("rsa._domainkey.example.org", rsa);
    publish("ed._domainkey.example.org", ed);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct dkim_result *r = NULL;

        snprintf(text, sizeof(text), "%s%s", "From: ann@example.org\r\nSubject: \xc3\xa9\r\n\r\n",
                 bodies[i]);
        struct span both = sign(sign(span_from_str(text), rsa, "rsa"), ed, "ed");

        assert_int_equal(verify(both, &r), 2);
        assert_int_equal(r[0].status, DKIM_PASS);
        assert_int_equal(r[1].status, DKIM_PASS);
        assert_int_equal(r[0].algorithm, DKIM_ED25519_SHA256);
        assert_int_equal(r[1].key_bits, 2048);
        assert_false(r[0].is_partial);
        assert_int_equal(r[1].signature.n, 8);
        assert_span(domain_name_span(&r[1].domain), "example.org");
    }
}

static struct span replace(struct span s, const char *from, const char *to)
{
    struct buf b;
    size_t at = span_find(s, span_from_str(from));

    assert_true(at < s.n);
    buf_init(&b, 64 << 20);
    buf_put(&b, span_first(s, at));
    buf_put_str(&b, to);
    buf_put(&b, span_skip(s, at + strlen(from)));
    struct span copy = arena_dup(&arena, buf_span(&b));

    buf_finish(&b);
    return copy;
}

static void test_changes_are_seen(void **state)
{
    static const struct {
        const char *from, *to;
        enum dkim_status want;
        const char *words;
    } rows[] = {
        {"Hi.", "Hi,", DKIM_FAIL, "was changed on the way"},
        {"Subject: hello", "Subject: hallo", DKIM_FAIL, "the head of the message"},
        {"Subject: hello", "SUBJECT:   hello", DKIM_PASS, "is good"},
        {"From: Ann", "Cc: eve@example.com\r\nFrom: Ann", DKIM_FAIL, "the head of the message"},
        {"From: Ann", "From: eve@example.com\r\nFrom: Ann", DKIM_FAIL, "the head"},
        {"From: Ann", "Content-Type: text/html\r\nFrom: Ann", DKIM_FAIL, "the head"},
        {"From: Ann", "X-Other: 1\r\nFrom: Ann", DKIM_PASS, "is good"},
        {"d=example.org", "d=example.com", DKIM_PERMERROR, "was not found"},
        {"a=rsa-sha256", "a=rsa-sha1", DKIM_FAIL, "SHA-1"},
        {"a=rsa-sha256", "a=rsa-sha512", DKIM_NEUTRAL, "not known here"},
        {"a=rsa-sha256", "a=ed25519-sha256", DKIM_PERMERROR, "of another kind"},
        {"v=1;", "v=2;", DKIM_NEUTRAL, "unknown version"},
        {"h=From:From", "h=Fron:Fron", DKIM_NEUTRAL, "does not cover the sender"},
        {"s=rsa", "s=gone", DKIM_PERMERROR, "was not found"},
        {"s=rsa", "s=slow", DKIM_TEMPERROR, "could not be looked up"},
        {"s=rsa", "s=revoked", DKIM_PERMERROR, "withdrawn"},
        {"s=rsa", "s=other", DKIM_PERMERROR, "of another kind"},
        {"s=rsa", "s=web", DKIM_PERMERROR, "not meant for mail"},
        {"s=rsa", "s=junk", DKIM_PERMERROR, "cannot be read"},
        {"s=rsa", "s=v2", DKIM_PERMERROR, "unknown version"},
        {"s=rsa", "s=sha1", DKIM_PERMERROR, "not used any more"},
        {"s=rsa", "s=r s", DKIM_NEUTRAL, "names no key"},
        {"t=1700000000", "t=1700000000; x=1699999999", DKIM_NEUTRAL, "expires before"},
        {"t=1700000000", "t=1600000000; x=1600000001", DKIM_FAIL, "has expired"},
        {"t=1700000000", "t=1700090000", DKIM_FAIL, "in the future"},
        {"t=1700000000", "t=17x", DKIM_NEUTRAL, "no date"},
        {"t=1700000000", "i=ann@example.net", DKIM_NEUTRAL, "outside its domain"},
        {"t=1700000000", "i=ann@notexample.org", DKIM_NEUTRAL, "outside its domain"},
        {"c=relaxed/relaxed", "c=relaxed/odd", DKIM_NEUTRAL, "unknown way"},
        {"bh=", "bh=!", DKIM_NEUTRAL, "no hash"},
        {"b=", "b=A", DKIM_NEUTRAL, "empty or damaged"},
        {"t=1700000000", "q=dns/srv", DKIM_NEUTRAL, "unknown place"},
    };
    struct span good = sign(SPAN(PLAIN), rsa, "rsa");

    (void)state;
    zone_timeout(zone, SPAN("slow._domainkey.example.org"));
    zone_txt(zone, "revoked._domainkey.example.org", "v=DKIM1; p=");
    zone_txt(zone, "other._domainkey.example.org", "v=DKIM1; k=ed25519; p=AAAA");
    zone_txt(zone, "web._domainkey.example.org", "v=DKIM1; s=web; p=AAAA");
    zone_txt(zone, "junk._domainkey.example.org", "hello");
    zone_txt(zone, "v2._domainkey.example.org", "v=DKIM2; p=AAAA");
    zone_txt(zone, "sha1._domainkey.example.org", "v=DKIM1; h=sha1; p=AAAA");
    assert_int_equal(verify_one(good), DKIM_PASS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_result *r = NULL;
        struct span changed = replace(good, rows[i].from, rows[i].to);

        assert_int_equal(verify(changed, &r), 1);
        if (r->status != rows[i].want ||
            span_find(r->words, span_from_str(rows[i].words)) == r->words.n) {
            print_error("row %zu (%s): %s: %.*s\n", i, rows[i].to, dkim_status_name(r->status),
                        SPAN_ARG(r->words));
            fail();
        }
    }
}

// A signature with its parts chosen by hand; the default is what dkim_sign writes.
static struct span sign_raw(const char *tags, struct span message, bool is_relaxed, uint64_t limit,
                            const struct dkim_private_key *key)
{
    struct auth_message *m = NULL;
    struct dkim_signature s = {.is_header_relaxed = is_relaxed, .headers = SPAN("From:Subject")};
    uint8_t digest[AUTH_DIGEST_BYTES];
    struct buf text;

    assert_ok(auth_message_create(true, &m));
    assert_ok(auth_body_want(m, is_relaxed, limit));
    assert_ok(auth_message_feed(m, message));
    assert_ok(auth_message_finish(m));
    buf_init(&text, 64 << 20);
    buf_printf(&text, "DKIM-Signature: v=1; %s; d=example.org; h=From:Subject; bh=", tags);
    base64_encode(&text, span_of(auth_body_get(m, is_relaxed, limit)->digest, AUTH_DIGEST_BYTES));
    buf_put_str(&text, "; b=");
    s.field = dkim_field_of(buf_span(&text));
    assert_ok(dkim_hash_header(m, &s, digest));
    assert_ok(dkim_digest_sign(key, digest, &text));
    buf_put_str(&text, "\r\n");
    buf_put(&text, message);
    struct span copy = arena_dup(&arena, buf_span(&text));

    buf_finish(&text);
    auth_message_destroy(m);
    return copy;
}

static void test_forms_and_lengths(void **state)
{
    struct span message =
        SPAN("From:  a@example.org\r\nSubject: x  y\r\n\r\nline  one \r\ntwo\r\n");
    struct dkim_result *r = NULL;
    const char *plain = "a=rsa-sha256; s=rsa; c=simple/simple";

    (void)state;
    struct span simple = sign_raw(plain, message, false, UINT64_MAX, rsa);

    assert_int_equal(verify_one(simple), DKIM_PASS);
    assert_int_equal(verify_one(replace(simple, "one ", "one")), DKIM_FAIL);
    assert_int_equal(verify_one(replace(simple, "Subject: x  y", "Subject: x y")), DKIM_FAIL);
    struct span none = sign_raw("a=rsa-sha256; s=rsa", message, false, UINT64_MAX, rsa);

    assert_int_equal(verify_one(none), DKIM_PASS); // simple/simple is the default
    struct span all = sign_raw("a=rsa-sha256; s=rsa; c=simple; l=17", message, false, 17, rsa);

    assert_int_equal(verify(all, &r), 1);
    assert_int_equal(r->status, DKIM_PASS);
    assert_false(r->is_partial);
    struct span part = sign_raw("a=rsa-sha256; s=rsa; c=simple; l=5", message, false, 5, rsa);

    assert_int_equal(verify(part, &r), 1);
    assert_int_equal(r->status, DKIM_PASS);
    assert_true(r->is_partial);
    struct span more = sign_raw("a=rsa-sha256; s=rsa; c=simple; l=18", message, false, 18, rsa);

    assert_int_equal(verify_one(more), DKIM_FAIL); // claims more than there is
    struct span zero = sign_raw("a=rsa-sha256; s=rsa; c=simple; l=0", message, false, 0, rsa);

    assert_int_equal(verify(zero, &r), 1);
    assert_true(r->status == DKIM_PASS && r->is_partial);
}

static struct dkim_private_key *raw_rsa(unsigned bits)
{
    struct dkim_private_key *key = NULL;
    EVP_PKEY **inside;

    assert_ok(dkim_key_generate(DKIM_RSA_SHA256, 1024, &key));
    inside = (EVP_PKEY **)(void *)key; // its first member
    EVP_PKEY_free(*inside);
    *inside = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    assert_non_null(*inside);
    return key;
}

static void test_key_sizes(void **state)
{
    static const struct {
        unsigned bits;
        enum dkim_status want;
    } rows[] = {{512, DKIM_FAIL},  {768, DKIM_FAIL},  {1016, DKIM_FAIL},
                {1024, DKIM_PASS}, {3072, DKIM_PASS}, {4096, DKIM_PASS}};
    char name[64], tags[64];
    struct dkim_private_key *none = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dkim_private_key *key = raw_rsa(rows[i].bits);

        snprintf(name, sizeof(name), "k%u._domainkey.example.org", rows[i].bits);
        snprintf(tags, sizeof(tags), "a=rsa-sha256; c=relaxed; s=k%u", rows[i].bits);
        publish(name, key);
        struct span m = sign_raw(tags, SPAN(PLAIN), true, UINT64_MAX, key);
        enum dkim_status got = verify_one(replace(m, "c=relaxed", "c=relaxed"));

        // The body was hashed in the relaxed form, "c=relaxed" says simple for the body: the same
        // here.
        assert_int_equal(got, rows[i].want);
        dkim_key_destroy(key);
    }
    assert_err(dkim_key_generate(DKIM_RSA_SHA256, 1023, &none), ERR_LIMIT);
    assert_err(dkim_key_generate(DKIM_RSA_SHA256, 8192, &none), ERR_LIMIT);
    assert_err(dkim_key_generate(DKIM_RSA_SHA1, 2048, &none), ERR_UNSUPPORTED);
}

// A public key of 8192 bits is refused before it costs anything; so is a b= of a megabyte.
static void test_too_large(void **state)
{
    struct buf der, b;
    struct dkim_result *r = NULL;
    struct span good = sign(SPAN(PLAIN), rsa, "rsa");

    (void)state;
    buf_init(&der, 4096);
    buf_init(&b, 4 << 20);
    // RSAPublicKey { 8192 bits of ones, 65537 }
    buf_put(&der, span_of("\x30\x82\x04\x0a\x02\x82\x04\x01\x00", 9));
    for (int i = 0; i < 1024; i++) {
        buf_put_byte(&der, (char)0xff);
    }
    buf_put(&der, span_of("\x02\x03\x01\x00\x01", 5));
    buf_put_str(&b, "v=DKIM1; p=");
    base64_encode(&b, buf_span(&der));
    zone_add(zone, SPAN("huge._domainkey.example.org"), SPAN("TXT"), buf_span(&b), 0);
    assert_int_equal(verify_one(replace(good, "s=rsa", "s=huge")), DKIM_POLICY);
    buf_clear(&b);
    buf_put_str(&b, "b=");
    for (int i = 0; i < 900000; i++) {
        buf_put_byte(&b, 'A');
    }
    buf_put_byte(&b, 0);
    assert_int_equal(verify(replace(good, "b=", b.p), &r), 1);
    assert_int_equal(r->status, DKIM_POLICY);
    buf_finish(&der);
    buf_finish(&b);
}

static void test_many_signatures(void **state)
{
    struct span good = sign(SPAN(PLAIN), rsa, "rsa");
    struct span field = span_first(good, good.n - strlen(PLAIN));
    struct dkim_result *r = NULL;
    struct buf b;

    (void)state;
    buf_init(&b, 4 << 20);
    for (int i = 0; i < 1000; i++) {
        buf_put(&b, field);
    }
    buf_put_str(&b, PLAIN);
    zone->asked = 0;
    assert_int_equal(verify(buf_span(&b), &r), DKIM_SIGNATURES_MAX);
    assert_true(zone->asked <= 4 * DKIM_SIGNATURES_MAX);
    for (int i = 0; i < DKIM_SIGNATURES_MAX; i++) {
        assert_int_equal(r[i].status, DKIM_PASS);
    }
    buf_finish(&b);
}

// RFC 8463 appendix A: its keys, its message, its two signatures.
static void test_rfc8463_example(void **state)
{
    static const char message[] =
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
        " subject : date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
        " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
        " date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
        " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
        " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
        "From: Joe SixPack <joe@football.example.com>\r\n"
        "To: Suzie Q <suzie@shopping.example.net>\r\n"
        "Subject: Is dinner ready?\r\n"
        "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
        "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    struct dkim_result *r = NULL;

    (void)state;
    zone_txt(zone, "brisbane._domainkey.football.example.com",
             "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    zone_txt(zone, "test._domainkey.football.example.com",
             "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
             "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL"
             "6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
    assert_int_equal(verify(span_from_str(message), &r), 2);
    assert_int_equal(r[0].status, DKIM_PASS);
    assert_int_equal(r[1].status, DKIM_PASS);
    assert_span(r[0].identity, "@football.example.com");
}

static void test_keys_there_and_back(void **state)
{
    const struct dkim_private_key *keys[] = {rsa, ed};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct dkim_private_key *again = NULL;
        struct buf pem, a, b;

        buf_init(&pem, 1 << 16);
        buf_init(&a, 1 << 16);
        buf_init(&b, 1 << 16);
        assert_ok(dkim_key_put_pem(&pem, keys[i]));
        assert_ok(dkim_key_from_pem(buf_span(&pem), &again));
        assert_ok(dkim_key_put_record(&a, keys[i]));
        assert_ok(dkim_key_put_record(&b, again));
        assert_true(span_eq(buf_span(&a), buf_span(&b)));
        buf_clear(&a);
        assert_ok(dkim_key_put_zone_line(&a, again, SPAN("s1"), SPAN("example.org")));
        assert_true(
            span_starts(buf_span(&a), SPAN("s1._domainkey.example.org. IN TXT ( \"v=DKIM1;")));
        dkim_key_destroy(again);
        buf_finish(&pem);
        buf_finish(&a);
        buf_finish(&b);
    }
    struct dkim_private_key *none = NULL;

    assert_err(dkim_key_from_pem(SPAN("hello"), &none), ERR_INVALID);
    assert_err(dkim_key_from_pem(SPAN(""), &none), ERR_INVALID);
}

// t=s in the key: i= must be in d= itself. t=y is only handed on.
static void test_key_flags(void **state)
{
    struct buf b;
    struct dkim_result *r = NULL;
    const char *tags = "a=ed25519-sha256; c=relaxed; s=strict; i=@sub.example.org";

    (void)state;
    buf_init(&b, 4096);
    assert_ok(dkim_key_put_record(&b, ed));
    buf_put_str(&b, "; t=y:s");
    zone_add(zone, SPAN("strict._domainkey.example.org"), SPAN("TXT"), buf_span(&b), 0);
    buf_finish(&b);
    assert_int_equal(verify(sign_raw(tags, SPAN(PLAIN), true, UINT64_MAX, ed), &r), 1);
    assert_int_equal(r->status, DKIM_PERMERROR);
    assert_true(span_find(r->words, SPAN("a domain below its own")) < r->words.n);
    tags = "a=ed25519-sha256; c=relaxed; s=strict; i=x@example.org";
    assert_int_equal(verify(sign_raw(tags, SPAN(PLAIN), true, UINT64_MAX, ed), &r), 1);
    assert_true(r->status == DKIM_PASS && r->is_testing);
}

// Hashes are zero before the end: a signature of zeros must not match them.
static void test_not_finished(void **state)
{
    struct resolver r = zone_resolver(zone);
    struct auth_message *m = NULL;
    struct dkim_result *list = NULL;
    size_t n = 0;

    (void)state;
    assert_ok(auth_message_create(false, &m));
    assert_ok(auth_message_feed(m, SPAN(PLAIN)));
    assert_err(dkim_verify(m, &r, NOW, &arena, &list, &n), ERR_INVALID);
    auth_message_destroy(m);
}

static void test_too_large_header(void **state)
{
    struct resolver r = zone_resolver(zone);
    struct auth_message *m = NULL;
    struct dkim_result *list = NULL;
    size_t n = 0;
    enum err e = ERR_OK;

    (void)state;
    assert_ok(auth_message_create(true, &m));
    for (int i = 0; i < 70000 && e == ERR_OK; i++) {
        e = auth_message_feed(m, SPAN("Subject: hello\r\n"));
    }
    assert_err(e, ERR_LIMIT);
    assert_err(auth_message_finish(m), ERR_LIMIT);
    assert_err(dkim_verify(m, &r, NOW, &arena, &list, &n), ERR_LIMIT);
    auth_message_destroy(m);
}

static void test_oversigned_list(void **state)
{
    struct span s =
        sign(SPAN("From: a@b.c\r\nTo: x\r\nTo: y\r\nReferences: <1@x>\r\n\r\n"), ed, "ed");
    struct buf squeezed;

    (void)state;
    buf_init(&squeezed, 65536);
    tag_put_squeezed(&squeezed, span_first(s, span_find(s, SPAN("\r\nFrom:"))));
    struct span got = buf_span(&squeezed);

    assert_true(span_find(got, SPAN("h=From:From:To:To:To:Cc:Subject:Date:Message-ID:Reply-To:"
                                    "Content-Type:Content-Transfer-Encoding:MIME-Version:"
                                    "References;")) < got.n);
    assert_true(span_find(got, SPAN(";l=")) == got.n);
    buf_finish(&squeezed);
    for (struct span rest = s; rest.n;) {
        assert_true(span_split(&rest, '\n').n <= 79);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_and_verify),   cmocka_unit_test(test_changes_are_seen),
        cmocka_unit_test(test_forms_and_lengths), cmocka_unit_test(test_key_sizes),
        cmocka_unit_test(test_too_large),         cmocka_unit_test(test_many_signatures),
        cmocka_unit_test(test_rfc8463_example),   cmocka_unit_test(test_keys_there_and_back),
        cmocka_unit_test(test_oversigned_list),   cmocka_unit_test(test_not_finished),
        cmocka_unit_test(test_too_large_header),  cmocka_unit_test(test_key_flags),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
