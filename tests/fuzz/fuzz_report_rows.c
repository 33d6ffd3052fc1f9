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
    struct span value = span_skip(span_of(data, n), 1);
    uint64_t number;

    switch (n ? data[0] % 4 : 4) {
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
    default:
        break;
    }
    return 0;
}
