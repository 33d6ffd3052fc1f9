// SPDX-License-Identifier: Apache-2.0
//
// Where networks are, from files like MaxMind's, whole and damaged (L59). The files are made by
// tests/support/mmdb.py; tests/e2e/test_e2e_places.py holds them against MaxMind's own reader.
#include <arpa/inet.h>

#include "../test.h"
#include "base/utf8.h"
#include "courier/place/mmdb.h"
#include "courier/place/place.h"

#define FILE_MAX 65536

struct bytes {
    unsigned char p[FILE_MAX];
    size_t n;
    uint64_t reads;
};

static enum err read_bytes(void *arg, uint64_t offset, size_t n, char *out)
{
    struct bytes *b = arg;

    b->reads++;
    if (offset > b->n || n > b->n - offset) {
        return ERR_EOF;
    }
    memcpy(out, b->p + offset, n);
    return ERR_OK;
}

static int open_file(const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/mmdb/%s.mmdb", getenv("MK_TEST_DATA"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static struct bytes *load(const char *name)
{
    struct bytes *b = calloc(1, sizeof(*b));
    int fd = open_file(name);
    ssize_t n = read(fd, b->p, sizeof(b->p));

    assert_true(n > 0 && (size_t)n < sizeof(b->p));
    b->n = (size_t)n;
    close(fd);
    return b;
}

static enum err open_bytes(struct bytes *b, struct mmdb *out)
{
    const struct mmdb_source s = {.read = read_bytes, .arg = b, .size = b->n};

    return mmdb_open(&s, out);
}

static enum err find(const struct mmdb *m, const char *address, struct mmdb_place *out)
{
    unsigned char b[16];
    bool is_six = strchr(address, ':') != NULL;

    assert_int_equal(inet_pton(is_six ? AF_INET6 : AF_INET, address, b), 1);
    return mmdb_find(m, is_six, b, out);
}

struct expected {
    const char *address, *country, *name; // country NULL: not known
    bool has_position;
    int latitude, longitude;
    unsigned radius;
};

static const struct expected all[] = {
    {"2.1.2.3", "FR", "France", true, 4885, 235, 20},
    {"2.31.255.255", "FR", "France", true, 4885, 235, 20},
    {"2.32.0.0", NULL, NULL, false, 0, 0, 0},
    {"177.255.255.255", "BR", "Brazil", true, -2355, -4663, 50},
    {"178.0.0.0", NULL, NULL, false, 0, 0, 0},
    {"81.2.69.191", "GB", "United Kingdom", true, 5151, -9, 10},
    {"81.2.69.192", "IE", "Ireland", true, 5334, -626, 100}, // no radius is said
    {"81.2.69.208", "GB", "United Kingdom", true, 5151, -9, 10},
    {"1.0.0.7", "AU", "Australia", false, 0, 0, 0}, // by whom it is registered
    {"9.9.9.9", NULL, NULL, false, 0, 0, 0},        // only a continent
    {"45.0.0.1", NULL, NULL, false, 0, 0, 0},       // no code of a country
    {"45.0.1.1", "DE", "", false, 0, 0, 0},         // a name with a line end
    {"45.0.3.1", "DE", "Germany", true, 5250, 1340, 20100},
};
static const struct expected six[] = {
    {"2a01:c000::1", "FR", "France", true, 4885, 235, 20},
    {"2a01:ffff:ffff::1", "FR", "France", true, 4885, 235, 20},
    {"201:203::", NULL, NULL, false, 0, 0, 0}, // whose first bits are those of 2.1.2.3
    {"2a02::1", NULL, NULL, false, 0, 0, 0},
    {"2804:ffff::", "BR", "Brazil", true, -2355, -4663, 50},
    {"::2.1.2.3", "FR", "France", true, 4885, 235, 20}, // where IPv4 lies in the file
};

static void check(const struct mmdb *m, const struct expected *x)
{
    struct mmdb_place p = {.country = "?"};
    enum err e = find(m, x->address, &p);

    if (!x->country) {
        assert_err(e, ERR_NOT_FOUND);
        return;
    }
    assert_ok(e);
    assert_string_equal(p.country, x->country);
    assert_string_equal(p.name, x->name);
    assert_int_equal(p.has_position, x->has_position);
    if (x->has_position) {
        assert_int_equal(p.latitude, x->latitude);
        assert_int_equal(p.longitude, x->longitude);
        assert_int_equal(p.radius_km, x->radius);
    }
}

static void finds(void **state)
{
    static const char *const names[] = {"city24", "city28", "far", "other", "four", "city32"};

    (void)state;
    for (size_t f = 0; f < 6; f++) {
        struct bytes *b = load(names[f]);
        struct mmdb m;
        struct mmdb_place p;

        assert_ok(open_bytes(b, &m));
        assert_string_equal(m.type, f == 3 ? "Test-Other" : "Test-City");
        assert_int_equal(m.built, f == 3 ? 0 : 1750000000);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
            check(&m, &all[i]);
        }
        for (size_t i = 0; i < sizeof(six) / sizeof(six[0]); i++) {
            if (f != 4) {
                check(&m, &six[i]);
            } else {
                assert_err(find(&m, six[i].address, &p), ERR_NOT_FOUND);
            }
        }
        // A name is cut at a whole character; what is no number or no longitude is no position.
        assert_ok(find(&m, "45.0.2.1", &p));
        assert_true(utf8_is_valid(span_from_str(p.name)) && strlen(p.name) == 62);
        assert_false(p.has_position);
        b->reads = 0;
        assert_ok(find(&m, "2.1.2.3", &p));
        assert_true(b->reads < 200);
        free(b);
    }
}

// Whatever is asked of a damaged file, an answer comes, and what it says is in its bounds.
static void ask_all(struct bytes *b)
{
    struct mmdb m;
    struct mmdb_place p;

    b->reads = 0;
    if (open_bytes(b, &m) != ERR_OK) {
        return;
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (find(&m, all[i].address, &p) == ERR_OK) {
            assert_int_equal(strlen(p.country), 2);
            assert_true(utf8_is_valid(span_from_str(p.name)));
            assert_true(!p.has_position || (p.latitude >= -9000 && p.latitude <= 9000 &&
                                            p.longitude >= -18000 && p.longitude <= 18000));
        }
    }
    assert_true(b->reads < 200000); // loops of pointers, maps of millions
}

static void damaged(void **state)
{
    static const char *const names[] = {"city24", "city28", "four"};

    (void)state;
    for (size_t f = 0; f < 3; f++) {
        struct bytes *whole = load(names[f]), *b = malloc(sizeof(*b));
        uint32_t random = 12345;

        for (size_t n = 0; n < whole->n; n++) { // cut
            *b = *whole;
            b->n = n;
            ask_all(b);
        }
        for (size_t i = 0; i < whole->n; i++) { // a byte changed
            for (unsigned bit = 0; bit < 8; bit += i & 1 ? 2 : 1) {
                *b = *whole;
                b->p[i] ^= (unsigned char)(1u << bit);
                ask_all(b);
            }
        }
        for (size_t i = 0; i < 2000; i++) { // many
            *b = *whole;
            for (size_t j = 0; j < 20; j++) {
                random = random * 1664525 + 1013904223;
                b->p[random % b->n] = (unsigned char)(random >> 24);
            }
            ask_all(b);
        }
        free(b);
        free(whole);
    }
}

static void none(void **state)
{
    struct bytes *b = calloc(1, sizeof(*b));
    struct mmdb m;

    (void)state;
    assert_err(open_bytes(b, &m), ERR_INVALID);
    memset(b->p, 0x1f, b->n = 5000);
    assert_err(open_bytes(b, &m), ERR_INVALID);
    free(b);
    b = load("city24");
    for (size_t i = 0; i + 27 < b->n; i++) { // version 3
        if (memcmp(b->p + i, "binary_format_major_version", 27) == 0) {
            assert_int_equal(b->p[i + 28], 2);
            b->p[i + 28] = 3;
        }
    }
    assert_err(open_bytes(b, &m), ERR_UNSUPPORTED);
    free(b);
}

// A record of 28 bits that needs its highest four, in a file that is mostly holes.
static const unsigned char meta[] = "\xab\xcd\xefMaxMind.com\xe4\x5b"
                                    "binary_format_major_version\xa1\x02\x4anode_count\xc1\x01"
                                    "\x4brecord_size\xa1\x1c\x4aip_version\xa1\x04";
static const unsigned char leaf[] = "\xe1\x47"
                                    "country\xe1\x48iso_code\x42"
                                    "CH";
#define FAR 0x1234567u

static enum err read_holes(void *arg, uint64_t offset, size_t n, char *out)
{
    const struct mmdb_source *s = arg;
    // left and right: 1 node + 16 + FAR
    static const unsigned char tree[7] = {0x23, 0x45, 0x78, 0x10, 0x00, 0x00, 0x01};
    const struct {
        uint64_t at;
        const unsigned char *p;
        size_t n;
    } parts[] = {{0, tree, 7},
                 {7 + 16 + FAR, leaf, sizeof(leaf) - 1},
                 {s->size - (sizeof(meta) - 1), meta, sizeof(meta) - 1}};

    memset(out, 0, n);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < parts[i].n; j++) {
            if (parts[i].at + j >= offset && parts[i].at + j < offset + n) {
                out[parts[i].at + j - offset] = (char)parts[i].p[j];
            }
        }
    }
    return offset + n <= s->size ? ERR_OK : ERR_EOF;
}

static void high_bits(void **state)
{
    struct mmdb_source s = {.read = read_holes, .size = FAR + 1000};
    struct mmdb m;
    struct mmdb_place p;

    (void)state;
    s.arg = &s;
    assert_ok(mmdb_open(&s, &m));
    assert_int_equal(m.record_bits, 28);
    assert_ok(find(&m, "1.2.3.4", &p));
    assert_string_equal(p.country, "CH");
    assert_string_equal(p.name, "");
    assert_err(find(&m, "200.2.3.4", &p), ERR_NOT_FOUND); // the right one: nothing
}

// ---- the courier's answers ----------------------------------------------------------------------

static struct ipc_place_answer ask(struct places *p, const char *address, struct mmdb_place *place)
{
    const struct ipc_place_ask q = {.id = 7, .address = span_from_str(address)};
    struct ipc_place_answer a;

    places_answer(p, &q, place, &a);
    assert_int_equal(a.id, 7);
    return a;
}

static void answers(void **state)
{
    struct places p;
    struct mmdb_place place;
    char cut[] = "/tmp/mk-mmdb-XXXXXX";
    struct bytes *b = load("city24");

    (void)state;
    places_init(&p);
    assert_int_equal(ask(&p, "2.1.2.0", &place).result, IPC_PLACE_UNAVAILABLE);
    places_take(&p, open_file("city28"));
    struct ipc_place_answer a = ask(&p, "177.1.2.0", &place);

    assert_int_equal(a.result, IPC_PLACE_KNOWN);
    assert_span(a.country, "BR");
    assert_span(a.name, "Brazil");
    assert_int_equal(a.latitude, 9000 - 2355);
    assert_int_equal(a.longitude, 18000 - 4663);
    assert_int_equal(ask(&p, "2804:1::", &place).result, IPC_PLACE_KNOWN);
    assert_int_equal(ask(&p, "8.8.8.0", &place).result, IPC_PLACE_NONE);
    assert_int_equal(ask(&p, "somewhere", &place).result, IPC_PLACE_NONE);
    // Another file, which is cut while it is in use; then none.
    int fd = mkstemp(cut);

    assert_int_equal(write(fd, b->p, b->n), b->n);
    places_take(&p, fd);
    assert_int_equal(ask(&p, "177.1.2.0", &place).result, IPC_PLACE_KNOWN);
    assert_int_equal(ftruncate(fd, 100), 0);
    assert_int_equal(ask(&p, "177.1.2.0", &place).result, IPC_PLACE_UNAVAILABLE);
    unlink(cut);
    places_take(&p, open("/dev/null", O_RDONLY | O_CLOEXEC));
    assert_int_equal(ask(&p, "177.1.2.0", &place).result, IPC_PLACE_UNAVAILABLE);
    places_take(&p, -1);
    assert_int_equal(ask(&p, "177.1.2.0", &place).result, IPC_PLACE_UNAVAILABLE);
    places_close(&p);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),     cmocka_unit_test(damaged), cmocka_unit_test(none),
        cmocka_unit_test(high_bits), cmocka_unit_test(answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
