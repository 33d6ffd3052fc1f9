// SPDX-License-Identifier: Apache-2.0
//
// A10f. The header of a message that a user sends: whatever is in it, what leaves has one From,
// Date and Message-ID, no Bcc, and nobody named as who sends it but who does. Lines are looked at
// here without the server's reader of headers.
#include "base/log.h"
#include "engine/memory/memory.h"
#include "fuzz.h"
#include "keep/inbound/submission.h"
#include "mime/mime_address.h"
#include "mime/mime_header.h"
#include "store/directory.h"
#include "store/route.h"

#define INPUT_BYTES_MAX 65536

static struct store *store;
static account_id account;

static void open_store(void)
{
    static const struct actor admin = {.kind = ACTOR_ADMIN};
    struct span sales[] = {SPAN("u@x.example")};
    struct store_options options;
    struct engine *engine;

    store_options_default(&options);
    CHECK(!engine_memory_open(&engine));
    CHECK(!store_open(engine, &options, &store));
    CHECK(!directory_domain_add(store, &admin, SPAN("x.example")));
    CHECK(!directory_account_add(store, &admin, SPAN("u@x.example"), SPAN(""), true, &account));
    CHECK(!directory_account_add(store, &admin, SPAN("v@x.example"), SPAN(""), true,
                                 &(account_id){0}));
    CHECK(!route_alias_set(store, &admin, SPAN("sales@x.example"), sales, 1));
}

// How many lines begin with this name, blanks allowed before the colon.
static unsigned count_lines(struct span text, struct span name)
{
    unsigned n = 0;

    while (text.n) {
        struct span line = span_first(text, span_find(text, SPAN("\r\n")));
        struct span rest = span_skip(line, name.n);

        if (span_starts_nocase(line, name)) {
            while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '\t')) {
                rest = span_skip(rest, 1);
            }
            n += rest.n && rest.p[0] == ':';
        }
        text = span_skip(text, line.n + 2);
    }
    return n;
}

// Every address of a field that says who has sent it is one that the user may use.
static void check_named(struct span body)
{
    struct mime_address *list;
    struct arena arena;
    size_t n, authors = 0;

    arena_init(&arena, 1u << 22);
    CHECK(!mime_address_list(&arena, body, 100, &list, &n));
    for (size_t i = 0; i < n; i++) {
        if (list[i].kind == MIME_MAILBOX) {
            authors++;
            CHECK(span_eq_nocase(list[i].domain, SPAN("x.example")));
            CHECK(span_starts_nocase(list[i].local, SPAN("u")) ||
                  span_starts_nocase(list[i].local, SPAN("sales")));
            CHECK(!span_starts_nocase(list[i].local, SPAN("v")));
        }
    }
    CHECK(authors > 0);
    arena_finish(&arena);
}

static void check_authors(struct span text)
{
    static const struct span names[] = {
        {"From", 4}, {"Sender", 6}, {"Resent-From", 11}, {"Resent-Sender", 13}};
    struct mime_field f;

    while (mime_header_next(&text, &f)) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (span_eq_nocase(f.name, names[i])) {
                check_named(f.body);
            }
        }
    }
}

static void check_left(struct span header, const struct submission *s, struct span lines,
                       bool check_from)
{
    struct buf left;
    size_t at = 0;

    buf_init(&left, 1u << 20);
    CHECK(lines.n == 0 || span_ends(lines, SPAN("\r\n")));
    buf_put(&left, lines);
    for (size_t i = 0; i < s->cut_count; i++) {
        size_t from = s->cuts[i].from, bytes = s->cuts[i].bytes;

        CHECK(from >= at && bytes > 0 && bytes <= header.n - from);
        CHECK(span_starts_nocase(span_skip(header, from), SPAN("Bcc")) ||
              span_starts_nocase(span_skip(header, from), SPAN("Resent-Bcc")));
        buf_put(&left, span_first(span_skip(header, at), from - at));
        at = from + bytes;
    }
    buf_put(&left, span_skip(header, at));
    struct span text = buf_span(&left);

    CHECK(count_lines(text, SPAN("Bcc")) == 0 && count_lines(text, SPAN("Resent-Bcc")) == 0);
    CHECK(count_lines(text, SPAN("From")) == 1);
    CHECK(count_lines(text, SPAN("Sender")) <= 1);
    CHECK(count_lines(text, SPAN("Date")) == 1);
    CHECK(count_lines(text, SPAN("Message-ID")) == 1);
    if (check_from) {
        check_authors(text);
    }
    buf_finish(&left);
}

// As it comes from the gate: CR LF line ends, and the first empty line is the end.
static void make_header(struct span in, struct buf *out)
{
    while (in.n) {
        struct span line = span_first(in, span_find_byte(in, '\n'));

        if (!line.n) {
            break;
        }
        for (size_t i = 0; i < line.n; i++) {
            if (line.p[i] != '\r' && line.p[i] != '\0') {
                buf_put(out, span_of(line.p + i, 1));
            }
        }
        buf_put_str(out, "\r\n");
        in = span_skip(in, line.n + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct submission s = {.cut_count = 0};
    const char *why = NULL;
    struct buf header, lines;

    if (n < 1 || n > INPUT_BYTES_MAX) {
        return 0;
    }
    if (!store) {
        log_set_level(LOG_ERROR);
        open_store();
    }
    const struct submission_facts f = {.store = store,
                                       .separators = SPAN("+"),
                                       .server = SPAN("mail.x.example"),
                                       .account = account,
                                       .user = SPAN("u@x.example"),
                                       .check_from = data[0] & 1,
                                       .now_ms = 1700000000000};

    buf_init(&header, 2 * INPUT_BYTES_MAX);
    buf_init(&lines, 4096);
    make_header(span_of(data + 1, n - 1), &header);
    struct span text = buf_span(&header);
    // The header ends at an empty line, and what only looks like one (blanks) is a continuation.
    enum err e = submission_prepare(&f, text, &lines, &s, &why);

    CHECK(e == ERR_OK || e == ERR_DENIED || (e == ERR_INVALID && why));
    if (e == ERR_OK && span_find(text, SPAN("\r\n\r\n")) == text.n &&
        !span_starts(text, SPAN("\r\n"))) {
        check_left(text, &s, buf_span(&lines), f.check_from);
    }
    buf_finish(&header);
    buf_finish(&lines);
    return 0;
}
