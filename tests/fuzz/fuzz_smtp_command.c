// SPDX-License-Identifier: Apache-2.0
//
// SMTP command lines. The first byte is a mask of options. What was understood is written back and
// must be understood as the same.
#include "fuzz.h"
#include "wire/line.h"
#include "wire/smtp/smtp_command.h"

static void check_no_controls(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        CHECK(!byte_is_ctl(s.p[i]));
    }
}

static void check_domain(const struct smtp_domain *d)
{
    check_no_controls(d->text);
    CHECK(d->text.n <= SMTP_DOMAIN_BYTES_MAX);
}

static void check_canonical(const struct smtp_address *a, struct arena *arena)
{
    struct smtp_address c, again;

    if (smtp_address_canonical(a, arena, &c) == ERR_OK) {
        CHECK(smtp_address_canonical(&c, arena, &again) == ERR_OK);
        CHECK(span_eq(c.local, again.local));
        CHECK(span_eq(c.domain.text, again.domain.text));
    }
}

static void check_address(const struct smtp_address *a, struct arena *arena)
{
    struct smtp_address again;
    struct buf b;
    size_t bytes;
    const char *why;

    check_no_controls(a->local);
    check_domain(&a->domain);
    CHECK(a->local.n <= SMTP_LOCAL_BYTES_MAX);
    buf_init(&b, 4096);
    buf_put_byte(&b, '<');
    CHECK(smtp_address_put(&b, a) == ERR_OK);
    buf_put_byte(&b, '>');
    CHECK(smtp_path_parse(buf_span(&b), arena, &again, &bytes, &why) == ERR_OK);
    CHECK(bytes == b.n && span_eq(again.local, a->local));
    CHECK(span_eq(again.domain.text, a->domain.text) && again.domain.kind == a->domain.kind);
    buf_finish(&b);
    check_canonical(a, arena);
}

static void check_command(const struct smtp_command *cmd, struct arena *arena)
{
    switch (cmd->id) {
    case SMTP_HELO:
    case SMTP_EHLO:
    case SMTP_LHLO:
        check_domain(&cmd->helo.domain);
        break;
    case SMTP_MAIL:
        check_address(&cmd->mail.from, arena);
        check_no_controls(cmd->mail.envid);
        if (cmd->mail.has_auth) {
            check_address(&cmd->mail.auth, arena);
        }
        break;
    case SMTP_RCPT:
        CHECK(cmd->rcpt.to.local.n > 0);
        check_address(&cmd->rcpt.to, arena);
        check_no_controls(cmd->rcpt.orcpt);
        break;
    case SMTP_XCLIENT:
        for (size_t i = 0; i < SMTP_XCLIENT__COUNT; i++) {
            check_no_controls(cmd->xclient.values[i]);
        }
        break;
    default:
        break;
    }
}

static void parse_line(struct span line, unsigned char options)
{
    struct smtp_command cmd;
    struct smtp_parse_error error = {.code = 0};
    struct arena arena;
    struct smtp_parse_options o = {
        .offers = options & 1 ? 0xffffffffu : 0, .utf8 = options & 2, .lmtp = options & 4};

    arena_init(&arena, 1 << 20);
    if (smtp_parse(line, &arena, &o, &cmd, &error) == ERR_OK) {
        check_command(&cmd, &arena);
    } else {
        CHECK(error.code >= 400 && error.code < 560 && error.why && error.position <= line.n);
        CHECK(error.enhanced[0] - '0' == (int)error.code / 100);
    }
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct line_reader reader = {.at = 0};
    struct span rest, line;
    size_t bytes;

    if (n < 1) {
        return 0;
    }
    rest = span_of(data + 1, n - 1);
    parse_line(rest, data[0]); // whatever the line reader would have refused
    while (line_next(&reader, rest, SMTP_LINE_BYTES, &line, &bytes) == LINE_WHOLE) {
        parse_line(line, data[0]);
        rest = span_skip(rest, bytes);
    }
    return 0;
}
