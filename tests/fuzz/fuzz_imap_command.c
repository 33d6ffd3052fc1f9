// SPDX-License-Identifier: Apache-2.0
//
// A connection's bytes through the framer and the parser. The first byte chooses the limits, the
// modes and how the rest is cut. What comes out must be the same in one piece and in many.
#include "../unit/wire/imap_dump.h"
#include "fuzz.h"
#include "wire/imap/imap_framer.h"
#include "wire/imap/imap_write.h"

#define MODE_UTF8     1u
#define MODE_REV2     2u
#define MODE_LOGIN    4u // limits of before the login
#define MODE_LINES    8u // raw lines, as within AUTHENTICATE
#define MODE_SELECTED 16u
#define MODE_UIDONLY  32u

static const struct imap_framer_limits small_limits = {
    .line_bytes = 2000,
    .literal_bytes = 200,
    .nonsync_bytes = 100,
    .message_bytes = 300,
    .stream_append = true,
};

struct session {
    struct imap_framer framer;
    struct imap_parse_options options;
    struct imap_append_message message; // the last of an APPEND
    struct buf in, transcript;
    struct arena arena;
    uint64_t message_left;
    bool lines, in_message, closed;
};

static void session_init(struct session *s, unsigned mode)
{
    *s = (struct session){.lines = mode & MODE_LINES};
    s->options.utf8 = mode & MODE_UTF8;
    s->options.rev2 = mode & MODE_REV2;
    s->options.uid_only = mode & MODE_UIDONLY;
    s->options.state = mode & MODE_SELECTED ? IMAP_STATE_SELECTED : 0;
    imap_framer_init(&s->framer,
                     mode & MODE_LOGIN ? &imap_framer_limits_before_login : &small_limits);
    buf_init(&s->in, 1 << 22);
    buf_init(&s->transcript, 1 << 24);
    arena_init(&s->arena, IMAP_ARENA_BYTES);
}

static void session_finish(struct session *s)
{
    buf_finish(&s->in);
    buf_finish(&s->transcript);
    arena_finish(&s->arena);
}

// The answer to a refused command is exactly one line.
static void say_error(struct session *s, const struct imap_parse_error *error, size_t text_bytes)
{
    struct buf line;

    CHECK(error->position <= text_bytes && error->expected[0]);
    buf_init(&line, 1 << 20);
    imap_write_parse_error(&line, error);
    CHECK(!line.failed && span_find_byte(buf_span(&line), '\n') == line.n - 1);
    CHECK(span_find_byte(buf_span(&line), '\r') == line.n - 2);
    buf_put(&s->transcript, buf_span(&line));
    buf_finish(&line);
}

static void parse_next_head(struct session *s, const struct imap_frame *f, struct span text)
{
    struct imap_parse_error error;
    struct imap_append_message message;
    bool end = false;

    while (!end) {
        if (imap_parse_append_next(text, &s->arena, &s->options, &s->message, &end, &message,
                                   &error)) {
            say_error(s, &error, f->text.n);
            return;
        }
        if (end) {
            CHECK(f->kind != IMAP_FRAME_APPEND_NEXT && f->kind != IMAP_FRAME_APPEND_HEAD);
            return;
        }
        imap_dump_append(&s->transcript, &message);
        s->message = message;
        if (message.next != IMAP_APPEND_WHOLE) {
            CHECK(f->kind == IMAP_FRAME_APPEND_NEXT || f->kind == IMAP_FRAME_APPEND_HEAD);
            CHECK(message.bytes == f->literal_bytes && message.sync == f->sync);
            CHECK(message.literal8 == f->literal8);
            return;
        }
        CHECK(message.rest.n < text.n);
        text = message.rest;
    }
}

// Every subtree ends within the one around it, and only AND and OR have children.
static void check_tree(const struct imap_search *search)
{
    size_t ends[IMAP_SEARCH_DEPTH_MAX + 3] = {search->n}, depth = 1;

    CHECK(search->n >= 2 && search->nodes[0].size == search->n);
    for (size_t i = 0; i < search->n; i++) {
        const struct imap_search_node *n = &search->nodes[i];
        bool inner = n->key == IMAP_SEARCH_AND || n->key == IMAP_SEARCH_OR;

        while (ends[depth - 1] == i) {
            depth--;
        }
        CHECK(n->size >= 1 && i + n->size <= ends[depth - 1]);
        CHECK(inner ? n->size >= (n->key == IMAP_SEARCH_OR ? 3u : 2u) : n->size == 1);
        CHECK(depth <= IMAP_SEARCH_DEPTH_MAX + 1);
        ends[depth++] = i + n->size;
    }
}

static void parse_command(struct session *s, const struct imap_frame *f)
{
    struct imap_parse_error error;
    struct imap_command cmd;

    if (imap_parse(f->text, &s->arena, &s->options, &cmd, &error)) {
        say_error(s, &error, f->text.n);
        return;
    }
    imap_dump_command(&s->transcript, &cmd);
    CHECK(!s->options.state || (imap_command_states(cmd.id) & s->options.state));
    if (cmd.id == IMAP_SEARCH) {
        check_tree(&cmd.search);
    } else if (cmd.id == IMAP_ESEARCH) {
        CHECK(cmd.uid);
        check_tree(&cmd.multi.search);
    }
    if (f->kind == IMAP_FRAME_APPEND_HEAD) {
        CHECK(cmd.id == IMAP_APPEND || cmd.id == IMAP_REPLACE);
        s->message = cmd.append.first;
        CHECK(s->message.next == IMAP_APPEND_WHOLE || s->message.bytes == f->literal_bytes);
    }
    if ((cmd.id == IMAP_APPEND || cmd.id == IMAP_REPLACE) &&
        cmd.append.first.next == IMAP_APPEND_WHOLE) {
        s->message = cmd.append.first;
        parse_next_head(s, f, cmd.append.first.rest);
    }
}

static void take_frame(struct session *s, const struct imap_frame *f)
{
    buf_printf(&s->transcript, "\n%d %llu %d: ", (int)f->kind, (unsigned long long)f->literal_bytes,
               f->sync);
    switch (f->kind) {
    case IMAP_FRAME_COMMAND:
    case IMAP_FRAME_BAD_LINE:
        parse_command(s, f);
        break;
    case IMAP_FRAME_APPEND_HEAD:
        s->message = (struct imap_append_message){.utf8 = false};
        parse_command(s, f);
        break;
    case IMAP_FRAME_APPEND_NEXT:
    case IMAP_FRAME_APPEND_END:
        parse_next_head(s, f, f->text);
        break;
    default:
        buf_put(&s->transcript, f->text);
        break;
    }
    arena_reset(&s->arena);
}

static bool take_message(struct session *s)
{
    size_t n = s->in.n < s->message_left ? s->in.n : (size_t)s->message_left;

    buf_consume(&s->in, n);
    s->message_left -= n;
    if (s->message_left) {
        return false;
    }
    s->in_message = false;
    imap_framer_literal_done(&s->framer);
    return true;
}

static bool run_one(struct session *s)
{
    struct imap_frame f;

    if (s->in_message && !take_message(s)) {
        return false;
    }
    if (s->lines) {
        imap_framer_line(&s->framer, buf_span(&s->in), 100, &f);
    } else {
        imap_framer_next(&s->framer, buf_span(&s->in), &f);
    }
    if (f.kind == IMAP_FRAME_MORE) {
        return false;
    }
    CHECK(f.bytes <= s->in.n);
    take_frame(s, &f);
    s->closed = f.kind == IMAP_FRAME_TOO_LONG || (f.kind == IMAP_FRAME_LITERAL_TOO_BIG && !f.sync);
    if (f.kind == IMAP_FRAME_APPEND_HEAD || f.kind == IMAP_FRAME_APPEND_NEXT) {
        s->in_message = true;
        s->message_left = f.literal_bytes;
    }
    if (f.kind != IMAP_FRAME_CONTINUE) {
        CHECK(s->closed || f.bytes > 0);
        buf_consume(&s->in, f.bytes);
    }
    return !s->closed;
}

static void feed(struct session *s, struct span bytes)
{
    if (!s->closed) {
        buf_put(&s->in, bytes);
        while (run_one(s)) {
        }
    }
}

// In pieces of 1 .. 16 bytes that follow from `seed`.
static void feed_cut(struct session *s, struct span bytes, uint32_t seed)
{
    while (bytes.n) {
        size_t n;

        seed = seed * 1664525 + 1013904223;
        n = 1 + (seed >> 24) % 16;
        feed(s, span_first(bytes, n));
        bytes = span_skip(bytes, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct session whole, cut;

    if (n < 1) {
        return 0;
    }
    struct span bytes = span_of(data + 1, n - 1);

    session_init(&whole, data[0]);
    session_init(&cut, data[0]);
    feed(&whole, bytes);
    feed_cut(&cut, bytes, data[0] / 32 + (uint32_t)n);
    CHECK(span_eq(buf_span(&whole.transcript), buf_span(&cut.transcript)));
    session_finish(&whole);
    session_finish(&cut);
    return 0;
}
