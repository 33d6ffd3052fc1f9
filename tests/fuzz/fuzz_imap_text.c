// SPDX-License-Identifier: Apache-2.0
//
// The text forms of IMAP, each read and written back: what was accepted has one spelling.
#include "fuzz.h"
#include "wire/imap/imap_date.h"
#include "wire/imap/imap_mailbox.h"
#include "wire/imap/imap_seqset.h"
#include "wire/imap/imap_utf7.h"
#include "wire/imap/imap_write.h"

static void utf7_is_one_spelling(struct span in)
{
    struct buf a, b;

    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    if (imap_utf7_decode(&a, in) == ERR_OK) {
        CHECK(imap_utf7_encode(&b, buf_span(&a)) == ERR_OK && span_eq(buf_span(&b), in));
    }
    buf_clear(&a);
    buf_clear(&b);
    if (imap_utf7_encode(&a, in) == ERR_OK) {
        CHECK(imap_utf7_decode(&b, buf_span(&a)) == ERR_OK && span_eq(buf_span(&b), in));
    }
    buf_finish(&a);
    buf_finish(&b);
}

static void seqset_reads_back(struct span in, struct arena *arena)
{
    struct imap_seqset set, again;
    struct buf text, text_again;
    size_t position = 0;

    if (imap_seqset_parse(in, arena, &set, &position)) {
        CHECK(position <= in.n);
        return;
    }
    buf_init(&text, 1 << 22);
    buf_init(&text_again, 1 << 22);
    imap_seqset_write(&text, &set);
    CHECK(imap_seqset_parse(buf_span(&text), arena, &again, &position) == ERR_OK);
    imap_seqset_write(&text_again, &again);
    CHECK(span_eq(buf_span(&text), buf_span(&text_again)));
    for (size_t i = 0; i < set.n; i++) {
        CHECK(set.ranges[i].first >= 1 && set.ranges[i].first <= set.ranges[i].last);
        CHECK(i == 0 || set.ranges[i - 1].last + 1 < set.ranges[i].first);
    }
    for (uint32_t max = 0; max < 12; max++) {
        CHECK(imap_seqset_resolve(&set, max, arena, &again) == ERR_OK && !again.star_from);
        for (uint32_t id = 1; id < 14; id++) {
            CHECK(imap_seqset_contains(&set, max, id) == imap_seqset_contains(&again, 0, id));
        }
    }
    buf_finish(&text);
    buf_finish(&text_again);
}

static void dates_read_back(struct span in)
{
    struct imap_date_time t, u;
    int32_t days, days_again;
    struct buf b;

    buf_init(&b, 100);
    if (imap_date_parse(in, &days) == ERR_OK) {
        imap_date_write(&b, days);
        CHECK(imap_date_parse(buf_span(&b), &days_again) == ERR_OK && days == days_again);
    }
    buf_clear(&b);
    if (imap_date_time_parse(in, &t) == ERR_OK) {
        imap_date_time_write(&b, t);
        CHECK(imap_date_time_parse(buf_span(&b), &u) == ERR_OK);
        // A leap second at the end of the last year there is moves out of the calendar.
        CHECK((t.seconds == u.seconds || t.seconds > 253402214400) &&
              t.zone_minutes == u.zone_minutes);
    }
    buf_finish(&b);
}

// A name that was accepted is the same name after being written, sent and parsed.
static void names_read_back(struct span in, bool utf8, struct arena *arena)
{
    const struct imap_parse_options options = {.rev2 = utf8};
    struct imap_parse_error error;
    struct imap_command cmd;
    struct span name;
    const char *why = NULL;
    struct buf b;

    if (imap_mailbox_from_wire(in, utf8, '/', arena, &name, &why)) {
        CHECK(why);
        return;
    }
    CHECK(imap_mailbox_check(name, '/', &why) == ERR_OK);
    buf_init(&b, 1 << 20);
    buf_put_str(&b, "a DELETE ");
    imap_write_mailbox(&b, name, utf8);
    CHECK(imap_parse(buf_span(&b), arena, &options, &cmd, &error) == ERR_OK);
    CHECK(span_eq(name, cmd.mailbox));
    buf_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of(data, n);
    struct arena arena;

    if (n > 65536) {
        return 0;
    }
    arena_init(&arena, 8 << 20);
    utf7_is_one_spelling(in);
    seqset_reads_back(in, &arena);
    dates_read_back(in);
    names_read_back(in, false, &arena);
    names_read_back(in, true, &arena);
    arena_finish(&arena);
    return 0;
}
