// SPDX-License-Identifier: Apache-2.0
#include "session_driver.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/memory/memory.h"
#include "store/append.h"
#include "store/directory.h"

#define INPUT_MAX   (1u << 20)
#define OUTPUT_SOFT (64u << 10)
#define OUTPUT_MAX  (8u << 20)

static const struct actor admin = {.kind = ACTOR_ADMIN};

// ---- the world ----------------------------------------------------------------------------------

static void add_message(struct driver_world *w, mailbox_id inbox, unsigned i)
{
    struct append_item item = {.internal_date = 1600000000 + i};
    struct append_result result;
    char text[300];
    int n = snprintf(text, sizeof(text),
                     "From: \"a%u\" <a@x.example>\r\nSubject: s%u =?UTF-8?Q?=C3=BC?=\r\n"
                     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
                     "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n",
                     i, i);

    ASSERT(!incoming_begin(w->store, &item.message));
    ASSERT(!incoming_write(item.message, span_of(text, (size_t)n)));
    ASSERT(!incoming_finish(item.message));
    ASSERT(!store_append(w->store, w->account, &admin, inbox, &item, 1, &result));
    incoming_destroy(item.message);
}

void driver_world_open(struct driver_world *w, unsigned messages)
{
    struct imap_server_options options;
    struct store_options store_options;
    const struct mailbox *inbox;
    mailbox_id id;
    struct view *v;

    imap_server_options_default(&options);
    store_options_default(&store_options);
    if (w->changes_keep) {
        store_options.changes_keep = w->changes_keep;
    }
    ASSERT(!engine_memory_open(&w->engine));
    ASSERT(!store_open(w->engine, &store_options, &w->store));
    ASSERT(!directory_domain_add(w->store, &admin, SPAN("x.example")));
    ASSERT(
        !directory_account_add(w->store, &admin, SPAN("u@x.example"), SPAN(""), true, &w->account));
    ASSERT(!imap_server_create(w->store, &options, &w->server));
    ASSERT(!view_open(w->store, w->account, &v));
    ASSERT(!view_mailbox_by_name(v, SPAN("INBOX"), &inbox));
    id = inbox->id;
    view_close(v);
    for (unsigned i = 1; i <= messages; i++) {
        add_message(w, id, i);
    }
}

void driver_world_close(struct driver_world *w)
{
    imap_server_destroy(w->server);
    store_close(w->store);
    engine_close(w->engine);
}

// ---- session_io ---------------------------------------------------------------------------------

static enum err io_read(void *arg)
{
    struct driver *d = arg;

    if (d->shown == d->in.n) {
        return d->is_gone ? ERR_EOF : ERR_AGAIN;
    }
    // In pieces, as a network does.
    size_t piece = 1 + (d->in.n - d->shown) / 2;

    d->shown += piece > 4096 ? 4096 : piece;
    return ERR_OK;
}

static struct span io_input(void *arg)
{
    struct driver *d = arg;

    return span_of(d->in.p, d->shown);
}

static void io_consume(void *arg, size_t n)
{
    struct driver *d = arg;

    ASSERT(n <= d->shown);
    buf_consume(&d->in, n);
    d->shown -= n;
}

static struct buf *io_output(void *arg)
{
    struct driver *d = arg;

    return &d->out;
}

static void take_output(struct driver *d)
{
    d->out_most = d->out.n > d->out_most ? d->out.n : d->out_most;
    if (!d->is_stuck) {
        buf_put(&d->heard, buf_span(&d->out));
        buf_clear(&d->out);
    }
}

static bool io_output_full(void *arg)
{
    struct driver *d = arg;

    if (d->out.n >= OUTPUT_SOFT) {
        take_output(d);
    }
    return d->out.n >= OUTPUT_SOFT;
}

static void io_wake(void *arg)
{
    struct driver *d = arg;

    d->wakes++;
}

static const struct session_io io = {
    io_read, io_input, io_consume, io_output, io_output_full, io_wake, NULL, NULL,
};

// ---- the client ---------------------------------------------------------------------------------

void driver_open(struct driver *d, struct driver_world *w)
{
    struct session_start start = {.account = w->account,
                                  .user = SPAN("u@x.example"),
                                  .remote = SPAN("::1"),
                                  .client_id = SPAN("(\"name\" \"driver\")"),
                                  .tag = SPAN("login")};

    *d = (struct driver){.world = w};
    buf_init(&d->in, INPUT_MAX * 64);
    buf_init(&d->out, OUTPUT_MAX);
    buf_init(&d->heard, 1u << 30);
    ASSERT(!imap_session_protocol.create(w->server, &start, &io, d, &d->session));
    driver_run(d);
}

void driver_close(struct driver *d)
{
    imap_session_protocol.destroy(d->session);
    buf_finish(&d->in);
    buf_finish(&d->out);
    buf_finish(&d->heard);
}

void driver_run(struct driver *d)
{
    do {
        if (d->wait.closed) {
            return;
        }
        imap_session_protocol.run(d->session, d->stop, &d->wait);
        take_output(d);
    } while (!d->wait.closed && !d->wait.input && d->out.n < OUTPUT_SOFT);
}

void driver_send(struct driver *d, struct span bytes)
{
    buf_put(&d->in, bytes);
    driver_run(d);
}

struct span driver_heard(struct driver *d, struct buf *copy)
{
    buf_clear(copy);
    buf_put(copy, buf_span(&d->heard));
    buf_clear(&d->heard);
    return buf_span(copy);
}

// ---- well-formed --------------------------------------------------------------------------------

// At a "{" that ends a line: skips the literal. False when it is none or is cut.
static bool skip_literal(struct span text, size_t *at)
{
    size_t end = *at + 1;
    uint64_t n;

    while (end < text.n && byte_is_digit(text.p[end])) {
        end++;
    }
    if (end + 2 >= text.n || text.p[end] != '}' || text.p[end + 1] != '\r' ||
        text.p[end + 2] != '\n' ||
        !span_to_u64(span_of(text.p + *at + 1, end - *at - 1), UINT32_MAX, &n) ||
        n > text.n - end - 3) {
        return false;
    }
    *at = end + 3 + (size_t)n;
    return true;
}

static bool skip_quoted(struct span text, size_t *at)
{
    size_t i = *at + 1;

    while (i < text.n && text.p[i] != '"') {
        if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0') {
            return false;
        }
        i += text.p[i] == '\\' ? 2 : 1;
    }
    *at = i + 1;
    return i < text.n;
}

// Status text is free; so is what stands after "+".
static bool is_free_text(struct span line)
{
    static const char *const words[] = {"OK ", "NO ", "BAD ", "BYE ", "PREAUTH "};
    struct span rest = span_skip(line, span_find_byte(line, ' ') + 1);

    if (line.n && line.p[0] == '+') {
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (span_starts(rest, span_from_str(words[i]))) {
            return true;
        }
    }
    return false;
}

static bool skip_free_line(struct span text, size_t *at)
{
    size_t end = *at + span_find_byte(span_skip(text, *at), '\n');

    if (end >= text.n || end == *at || text.p[end - 1] != '\r') {
        return false;
    }
    for (size_t i = *at; i + 1 < end; i++) {
        if (text.p[i] == '\r' || text.p[i] == '\0') {
            return false;
        }
    }
    *at = end + 1;
    return true;
}

static bool skip_data_line(struct span text, size_t *at)
{
    size_t depth = 0;

    while (*at < text.n) {
        char c = text.p[*at];

        if (c == '"' ? !skip_quoted(text, at) : c == '{' ? !skip_literal(text, at) : false) {
            return false;
        }
        if (c == '"' || c == '{') {
            continue;
        }
        if (c == '\r') {
            bool good = !depth && *at + 1 < text.n && text.p[*at + 1] == '\n';

            *at += 2;
            return good;
        }
        if (c == '\n' || c == '\0' || (c == ')' && !depth)) {
            return false;
        }
        depth += c == '(';
        depth -= c == ')';
        ++*at;
    }
    return false;
}

bool driver_is_well_formed(struct span text, size_t *out_at)
{
    size_t at = 0;

    while (at < text.n) {
        *out_at = at;
        bool good = is_free_text(span_skip(text, at)) ? skip_free_line(text, &at)
                                                      : skip_data_line(text, &at);

        if (!good) {
            return false;
        }
    }
    return true;
}
