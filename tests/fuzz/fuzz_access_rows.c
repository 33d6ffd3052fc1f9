// SPDX-License-Identifier: Apache-2.0
//
// Rows about who gets in as they may stand on a disk (devices, sign-ins, second factors, lists of
// rights), what readers have seen, what the rules were, what people type as an app password or a
// code, and what mail programs call themselves before anybody has signed in. The first byte says
// what is read.
#include <stdio.h>
#include <string.h>

#include "auth/app_password.h"
#include "auth/totp.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "keep/login/signin_log.h"
#include "store/access/device.h"
#include "store/access/scram_salt.h"
#include "store/access/totp_row.h"
#include "store/directory/factor_policy.h"
#include "store/directory/role.h"
#include "store/rules_internal.h"
#include "store/seen/seen.h"
#include "store/share/group.h"

static void device(struct span input)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct device d;

    if (input.n < 4) {
        return;
    }
    char key[5] = "d";

    memcpy(key + 1, input.p, 4);
    if (device_decode(span_of(key, 5), span_skip(input, 4), networks, &d) != ERR_OK) {
        return;
    }
    CHECK(d.id > 0 && device_name_is_valid(d.name) && d.secret.n == DEVICE_DIGEST_BYTES);
    CHECK((d.scope & ~(unsigned)DEVICE_SCOPES) == 0 && (d.scope & (DEVICE_MAIL | DEVICE_WEB)));
    CHECK((d.state == DEVICE_BLOCKED) == (d.blocked != 0));
    for (size_t i = 0; i < d.network_count; i++) {
        CHECK(device_network_is_valid(d.networks[i]));
    }
}

static void signin(struct span input)
{
    size_t n = input.n ? (unsigned char)input.p[0] : 0;
    struct span key = span_first(span_skip(input, 1), n);
    struct signin s;

    if (signin_decode(key, span_skip(input, 1 + n), &s) == ERR_OK) {
        CHECK(s.first <= s.last && s.last / 86400 == s.first / 86400 && s.count + s.failures > 0);
        CHECK(s.network.n <= SIGNIN_NETWORK_BYTES_MAX && s.client.n <= SIGNIN_CLIENT_BYTES_MAX);
    }
}

static void scram(struct span input)
{
    struct scram_salt s;

    if (scram_salt_decode(input, &s) == ERR_OK) {
        CHECK(s.iterations >= SCRAM_ROUNDS_MIN && s.iterations <= SCRAM_ROUNDS_MAX);
    }
}

static void typed(struct span input)
{
    char one[APP_PASSWORD_CHARS], two[APP_PASSWORD_CHARS];

    if (app_password_read(input, one)) {
        CHECK(app_password_read(span_of(one, sizeof(one)), two));
        CHECK(memcmp(one, two, sizeof(one)) == 0);
    }
}

static void nothing(void *arg, bool is_urgent)
{
    (void)arg;
    (void)is_urgent;
}

// Nobody's name has a NUL; the rest is what the mail program says.
static void client(struct span input)
{
    static struct signin_log *l;
    struct signin_log_options o = {.wake = nothing, .default_domain = SPAN("x.example")};

    CHECK(l || signin_log_create(&o, &l) == ERR_OK);
    struct span remote = span_split(&input, '\0');
    struct signin_event e = {
        .account = 1, .service = SIGNIN_IMAP, .remote = span_first(remote, 64), .client_id = input};

    signin_log_note(l, &e);
    e.account = 0;
    e.has_failed = true;
    e.name = input;
    signin_log_note(l, &e);
    static unsigned count;

    if (++count % 1000 == 0) { // it keeps what is told until somebody writes it
        signin_log_destroy(l);
        l = NULL;
    }
}

static void second_factor(struct span input)
{
    struct totp_row r;

    if (totp_row_decode(SPAN("y"), input, &r) != ERR_OK) {
        return;
    }
    CHECK(r.state == TOTP_PENDING || r.state == TOTP_ON);
    CHECK((r.state == TOTP_ON) == (r.on_since != 0));
    CHECK(r.code_count <= TOTP_ROW_CODES_MAX && (r.state == TOTP_ON || r.code_count == 0));
    for (unsigned i = 0; i < r.code_count; i++) {
        CHECK(r.codes[i].used >= 0);
    }
}

static void code(struct span input)
{
    struct span secret = span_first(input, TOTP_SECRET_BYTES);
    unsigned char digest[32];
    uint32_t typed, right;
    uint64_t step;
    char shown[TOTP_DIGITS + 1];

    input = span_skip(input, secret.n);
    (void)recovery_code_read(input, digest);
    if (!totp_read(input, &typed)) {
        return;
    }
    CHECK(typed < 1000000);
    snprintf(shown, sizeof(shown), "%06u", typed);
    CHECK(totp_read(span_of(shown, TOTP_DIGITS), &right) && right == typed);
    if (totp_find(secret, typed, (int64_t)typed * 1000, TOTP_WINDOW, 0, &step) == ERR_OK) {
        CHECK(hotp_code(secret, step, TOTP_DIGITS, &right) == ERR_OK && right == typed);
        CHECK(totp_find(secret, typed, (int64_t)typed * 1000, TOTP_WINDOW, step, &step) ==
              ERR_NOT_FOUND);
    }
}

static void policy(struct span input)
{
    size_t n = input.n ? (unsigned char)input.p[0] : 0;
    struct span key = span_first(span_skip(input, 1), n), what;

    if (key.n && factor_policy_decode(key, span_skip(input, 1 + n), &what) == ERR_OK) {
        CHECK(what.n == key.n - 1 && (what.p[0] == '@' || role_name_is_good(what)));
    }
}

static void acl(struct span input)
{
    char letters[ACL_RIGHTS_BYTES_MAX];
    struct arena arena;
    struct acl list;

    arena_init(&arena, 1u << 20);
    if (acl_decode(input, &arena, &list) == ERR_OK) {
        CHECK(list.n > 0 && list.n <= ACL_ENTRIES_MAX);
        for (size_t i = 0; i < list.n; i++) {
            const struct acl_entry *e = &list.entries[i];
            uint32_t again;

            CHECK((e->given | e->taken) && !((e->given | e->taken) & ~(uint32_t)ACL_ALL));
            CHECK((e->who.kind != ACL_ANYONE) == (e->who.id != 0));
            CHECK(acl_rights_parse(acl_rights_format(e->given, letters), &again) == ERR_OK);
            CHECK((again & e->given) == e->given);
        }
        static const uint64_t ids[] = {3, 7};
        struct acl_groups groups = {.ids = ids, .n = 2}, cut = {.is_cut = true};
        uint32_t known = acl_rights(&list, 7, true, &groups);

        CHECK(!(known & ~(uint32_t)ACL_ALL));
        CHECK(!(acl_rights(&list, 7, true, &cut) & ~(uint32_t)ACL_ALL));
    }
    arena_finish(&arena);
}

// What the rules were before a change, for the undo.
static void past(struct span input)
{
    char key[11] = "r";
    struct rules_past p;

    if (input.n < 10) {
        return;
    }
    memcpy(key + 1, input.p, 10);
    if (rules_past_decode(span_of(key, sizeof(key)), span_skip(input, 10), &p) == ERR_OK) {
        CHECK((p.part == RULES_SCRIPT) == (p.name.n > 0) && p.name.n <= SCRIPT_NAME_BYTES_MAX);
        CHECK(p.has || p.value.n == 0);
        CHECK(rules_part_key(p.part, p.name).n > 0);
    }
}

// A row of what a reader has seen: what can be read is written as the same again.
static void seen(struct span input)
{
    size_t n = input.n ? (unsigned char)input.p[0] : 0;
    struct span key = span_first(span_skip(input, 1), n);
    unsigned char bits[SEEN_BLOCK_BYTES] = {0};
    char room[SEEN_ROW_BYTES_MAX];
    struct seen_row row, again;
    mailbox_id mailbox;
    account_id who;
    uint32_t block;

    if (seen_key_read(key, &mailbox, &who, &block)) {
        struct key k = seen_key(mailbox, who, block);

        CHECK(span_eq(key_span(&k), key));
    }
    if (seen_row_decode(span_skip(input, 1 + n), &row) != ERR_OK) {
        return;
    }
    CHECK(row.since && row.first + row.bits.n <= SEEN_BLOCK_BYTES);
    if (row.bits.n) {
        memcpy(bits + row.first, row.bits.p, row.bits.n);
    }
    CHECK(seen_row_decode(seen_row_encode(row.since, bits, room), &again) == ERR_OK);
    CHECK(again.since == row.since && again.bits.n <= row.bits.n);
    for (size_t i = 0; i < again.bits.n; i++) {
        CHECK(bits[again.first + i] == (unsigned char)again.bits.p[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct span) = {
        device, signin, typed, client, second_factor, code, scram, policy, acl, past, seen};

    if (size > 0) {
        readers[data[0] % 11](span_of(data + 1, size - 1));
    }
    return 0;
}
