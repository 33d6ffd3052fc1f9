// SPDX-License-Identifier: Apache-2.0
#include "wire/pop3/pop3_command.h"

#include "base/utf8.h"

#include "base/banned.h"

enum arguments { NONE, TEXT, OPTIONAL_TEXT, MECHANISM, NUMBER, OPTIONAL_NUMBER, NUMBER_AND_LINES };

static const struct {
    const char *name;
    enum arguments arguments;
    unsigned states;
} rows[POP3_COMMAND__COUNT] = {
    [POP3_USER] = {"USER", TEXT, POP3_STATE_AUTHORIZATION},
    [POP3_PASS] = {"PASS", TEXT, POP3_STATE_AUTHORIZATION},
    [POP3_AUTH] = {"AUTH", MECHANISM, POP3_STATE_AUTHORIZATION},
    [POP3_STLS] = {"STLS", NONE, POP3_STATE_AUTHORIZATION},
    [POP3_CAPA] = {"CAPA", NONE, POP3_STATE_AUTHORIZATION | POP3_STATE_TRANSACTION},
    [POP3_UTF8] = {"UTF8", NONE, POP3_STATE_AUTHORIZATION},
    [POP3_LANG] = {"LANG", OPTIONAL_TEXT, POP3_STATE_AUTHORIZATION | POP3_STATE_TRANSACTION},
    [POP3_STAT] = {"STAT", NONE, POP3_STATE_TRANSACTION},
    [POP3_LIST] = {"LIST", OPTIONAL_NUMBER, POP3_STATE_TRANSACTION},
    [POP3_UIDL] = {"UIDL", OPTIONAL_NUMBER, POP3_STATE_TRANSACTION},
    [POP3_RETR] = {"RETR", NUMBER, POP3_STATE_TRANSACTION},
    [POP3_TOP] = {"TOP", NUMBER_AND_LINES, POP3_STATE_TRANSACTION},
    [POP3_DELE] = {"DELE", NUMBER, POP3_STATE_TRANSACTION},
    [POP3_NOOP] = {"NOOP", NONE, POP3_STATE_TRANSACTION},
    [POP3_RSET] = {"RSET", NONE, POP3_STATE_TRANSACTION},
    [POP3_QUIT] = {"QUIT", NONE, POP3_STATE_AUTHORIZATION | POP3_STATE_TRANSACTION},
};

const char *pop3_command_name(enum pop3_command_id id)
{
    return id < POP3_COMMAND__COUNT ? rows[id].name : "?";
}

unsigned pop3_command_states(enum pop3_command_id id)
{
    return id < POP3_COMMAND__COUNT ? rows[id].states : 0;
}

// A number taken off the front of *rest, and spaces behind it.
static bool take_number(struct span *rest, uint32_t min, uint32_t *out)
{
    struct span word = span_split(rest, ' ');
    uint64_t v;

    while (rest->n && rest->p[0] == ' ') {
        *rest = span_skip(*rest, 1);
    }
    if (!span_to_u64(word, UINT32_MAX, &v) || v < min) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

static const char *read_mechanism(struct span rest, struct pop3_command *out)
{
    if (rest.n) {
        out->text = span_split(&rest, ' ');
        out->initial = rest.n ? rest : (struct span){NULL, 0};
    }
    return span_find_byte(rest, ' ') == rest.n && (!out->text.p || out->text.n)
               ? NULL
               : "expected a mechanism and perhaps one response";
}

static const char *read_numbers(enum arguments kind, struct span rest, struct pop3_command *out)
{
    if (kind == OPTIONAL_NUMBER && rest.n == 0) {
        return NULL;
    }
    if (!take_number(&rest, 1, &out->number)) {
        return "expected the number of a message";
    }
    if (kind == NUMBER_AND_LINES && !take_number(&rest, 0, &out->lines)) {
        return "expected a number of lines";
    }
    return rest.n ? "expected the end of the command" : NULL;
}

static const char *read_arguments(enum arguments kind, struct span rest, struct pop3_command *out)
{
    switch (kind) {
    case NONE:
        return rest.n ? "expected the end of the command" : NULL;
    case TEXT:
    case OPTIONAL_TEXT:
        out->text = rest.n ? rest : (struct span){NULL, 0};
        return kind == TEXT && rest.n == 0 ? "expected an argument" : NULL;
    case MECHANISM:
        return read_mechanism(rest, out);
    default:
        return read_numbers(kind, rest, out);
    }
}

enum err pop3_parse(struct span line, struct pop3_command *out, const char **out_why)
{
    struct pop3_command got = {.id = POP3_USER};
    struct span rest = line, name = span_split(&rest, ' ');
    size_t i = 0;

    while (i < POP3_COMMAND__COUNT && !span_eq_nocase(name, span_from_str(rows[i].name))) {
        i++;
    }
    if (i == POP3_COMMAND__COUNT) {
        *out_why = span_eq_nocase(name, SPAN("APOP")) ? "APOP is not done here, use AUTH or STLS"
                                                      : "unknown command";
        return ERR_UNSUPPORTED;
    }
    got.id = (enum pop3_command_id)i;
    // A password may end in a space; elsewhere one does no harm.
    while (got.id != POP3_PASS && rest.n && rest.p[rest.n - 1] == ' ') {
        rest.n--;
    }
    const char *why = read_arguments(rows[i].arguments, rest, &got);

    if (!why && span_find_byte(rest, '\0') < rest.n) {
        why = "a NUL byte in the command";
    }
    if (why) {
        *out_why = why;
        return ERR_INVALID;
    }
    *out = got;
    return ERR_OK;
}

// ---- responses ----------------------------------------------------------------------------------

static void put_text(struct buf *out, size_t start, struct span text, bool utf8)
{
    uint32_t c;

    while (text.n) {
        struct span before = text;
        bool shown = utf8_next(&text, &c) && c >= 0x20 && c != 0x7f && (c < 0x80 || utf8) &&
                     (c < 0x80 || c > 0x9f);
        size_t n = shown ? before.n - text.n : 1;

        if (out->n - start + n > POP3_RESPONSE_BYTES_MAX - 2) {
            break;
        }
        buf_put(out, shown ? span_first(before, n) : SPAN("?"));
    }
    buf_put(out, SPAN("\r\n"));
}

void pop3_ok_put(struct buf *out, struct span text, bool utf8)
{
    size_t start = out->n;

    buf_put_str(out, text.n ? "+OK " : "+OK");
    put_text(out, start, text, utf8);
}

void pop3_err_put(struct buf *out, const char *code, struct span text, bool utf8)
{
    size_t start = out->n;

    buf_put_str(out, "-ERR ");
    if (code) {
        buf_printf(out, "[%s] ", code);
    }
    put_text(out, start, text, utf8);
}

// ---- TOP ----------------------------------------------------------------------------------------

void pop3_top_begin(struct pop3_top *t, uint32_t lines)
{
    *t = (struct pop3_top){.lines = lines};
}

// The part of a line in `part` has come; `ended`: its LF, too.
static void count_line(struct pop3_top *t, struct span part, bool ended)
{
    bool empty = !t->in_line && (part.n == 0 || (part.n == 1 && part.p[0] == '\r'));

    if (!ended) {
        t->cr_only = empty && part.n == 1;
        t->in_line = t->in_line || part.n > 0;
        return;
    }
    empty = empty || (t->cr_only && part.n == 0);
    t->in_line = t->cr_only = false;
    if (t->in_body) {
        t->lines--;
    } else {
        t->in_body = empty;
    }
    t->done = t->in_body && t->lines == 0;
}

struct span pop3_top_take(struct pop3_top *t, struct span piece)
{
    size_t at = 0;

    while (at < piece.n && !t->done) {
        struct span rest = span_skip(piece, at);
        size_t lf = span_find_byte(rest, '\n');

        count_line(t, span_first(rest, lf), lf < rest.n);
        at += lf + (lf < rest.n);
    }
    return span_first(piece, at);
}
