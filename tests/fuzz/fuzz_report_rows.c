// SPDX-License-Identifier: Apache-2.0
//
// Rows of reports as they may stand on a disk: read, written again, and read as the same. The first
// byte says what is read.
#include <string.h>

#include "fuzz.h"
#include "report/report_schema_internal.h"

static void same_texts(const struct span *a, const struct span *b)
{
    for (unsigned i = 0; i < REPORT_TEXTS; i++) {
        CHECK(span_eq(a[i], b[i]));
    }
}

static void letter(struct span value, char *room)
{
    struct report_letter a, b;

    if (report_letter_decode(value, &a) == ERR_OK) {
        CHECK(report_letter_decode(report_letter_encode(&a, room), &b) == ERR_OK);
        CHECK(a.body == b.body && a.attempts == b.attempts && span_eq(a.sender, b.sender) &&
              span_eq(a.recipient, b.recipient));
    }
}

static void report(struct span value, char *room)
{
    struct report a, b;

    if (report_decode(value, &a) == ERR_OK) {
        CHECK(report_decode(report_encode(&a, room), &b) == ERR_OK);
        CHECK(a.kind == b.kind && a.good == b.good && a.bad == b.bad && a.rows == b.rows &&
              a.begin_s == b.begin_s && report_hash(&a) == report_hash(&b));
        same_texts(a.texts, b.texts);
    }
}

// The key's domain is cut off the front at the first zero byte.
static void seen(struct span value, char *room)
{
    struct span domain = span_split(&value, '\0'), key, again, found;
    struct report_seen a, b;
    enum report_kind kind;
    uint64_t mail;
    uint32_t day;

    if (domain.n && domain.n <= REPORT_DOMAIN_BYTES_MAX &&
        report_seen_decode(value, &a) == ERR_OK) {
        a.domain = domain;
        CHECK(report_seen_row(&a, 86400000001ull, room, &key, &again));
        CHECK(report_seen_decode(again, &b) == ERR_OK && a.aligned == b.aligned);
        CHECK(span_eq(a.checks, b.checks) && span_eq(a.source, b.source));
        CHECK(report_seen_key_read(key, &kind, &day, &found, &mail) && day == 1 &&
              mail == 86400000001ull);
        CHECK(span_eq(found, domain));
    }
}

static void session(struct span value, char *room)
{
    struct report_session a, b;
    struct span key, again;

    if (report_session_decode(value, &a) == ERR_OK) {
        a.domain = SPAN("example.org");
        CHECK(report_session_row(&a, 5, room, &key, &again));
        CHECK(report_session_decode(again, &b) == ERR_OK && a.result == b.result);
        CHECK(span_eq(a.policy_text, b.policy_text) && span_eq(a.reason, b.reason));
        CHECK(a.result > 0 && report_session_result(a.result));
    }
}

static void row(struct span value, char *room)
{
    struct report_row a, b;

    if (report_row_decode(value, &a) == ERR_OK) {
        CHECK(report_row_decode(report_row_encode(&a, room), &b) == ERR_OK);
        CHECK(a.count == b.count && a.disposition == b.disposition && a.is_good == b.is_good);
        same_texts(a.texts, b.texts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char room[REPORT_VALUE_BYTES_MAX];
    struct span value = span_skip(span_of(data, n), 1), domain;
    enum report_kind kind;
    uint64_t number;
    uint32_t day;

    report_seen_key_read(span_of(data, n), &kind, &day, &domain, &number);

    switch (n ? data[0] % 7 : 7) {
    case 0:
        letter(value, room);
        break;
    case 1:
        report(value, room);
        break;
    case 2:
        row(value, room);
        break;
    case 3:
        report_known_decode(value, &number);
        break;
    case 4:
        seen(value, room);
        break;
    case 5:
        report_sent_decode(value, &number);
        report_sent_key_read(value);
        break;
    case 6:
        session(value, room);
        break;
    default:
        break;
    }
    return 0;
}
