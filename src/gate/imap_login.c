// SPDX-License-Identifier: Apache-2.0
#include "gate/imap_login.h"

#include <openssl/crypto.h>

#include "base/encode.h"
#include "wire/imap/imap_command.h"
#include "wire/imap/imap_framer.h"
#include "wire/imap/imap_write.h"
#include "wire/sasl/sasl.h"

#include "base/banned.h"

#define ARENA_BYTES (256u << 10)

struct imap_dialogue {
    struct imap_framer_limits limits;
    struct imap_framer framer;
    struct arena arena; // of the command; kept over an AUTHENTICATE's lines
    struct buf tag;     // of the command that asked keep, or of the AUTHENTICATE
    struct buf client_id;
    struct sasl_dialogue sasl;
    bool in_sasl; // the next line is a SASL response
    bool is_over; // the client said LOGOUT or was told BYE
    unsigned bad;
};

static struct imap_dialogue *login_of(struct client *c)
{
    return client_state(c);
}

static void reply(struct client *c, struct span tag, enum imap_condition condition,
                  const char *code, const char *text)
{
    imap_write_status_line(client_output(c), tag, condition, span_from_str(code),
                           span_from_str(text));
}

static void put_capabilities(struct client *c, struct buf *out)
{
    buf_put_str(out, "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE");
    if (client_can_start_tls(c)) {
        buf_put_str(out, " STARTTLS");
    }
    buf_put_str(out, client_is_private(c) ? " AUTH=PLAIN" : " LOGINDISABLED");
}

static void bye(struct client *c, const char *text)
{
    reply(c, SPAN(""), IMAP_BYE, "", text);
    login_of(c)->is_over = true;
    client_close(c);
}

// A client that breaks the grammar is told what was expected, a bounded number of times.
static void count_bad(struct client *c)
{
    if (++login_of(c)->bad >=
        conf_value_count(client_settings(c), SETTING_LOGIN_BAD_COMMANDS_MAX)) {
        bye(c, "Too many commands that are not IMAP");
    }
}

// ---- passwords ----------------------------------------------------------------------------------

static bool refuse_in_clear(struct client *c, struct span tag)
{
    if (client_is_private(c)) {
        return false;
    }
    reply(c, tag, IMAP_NO, "PRIVACYREQUIRED",
          "Passwords are not taken in the clear; use TLS (port 993) or STARTTLS");
    return true;
}

static void ask(struct client *c, const char *mechanism, struct span authzid, struct span user,
                struct span password)
{
    struct imap_dialogue *l = login_of(c);
    struct client_question q = {
        .mechanism = mechanism,
        .authzid = authzid,
        .user = user,
        .password = password,
        .tag = buf_span(&l->tag),
        .client_id = buf_span(&l->client_id),
    };

    client_ask(c, &q);
}

static void tag_keep(struct client *c, struct span tag)
{
    struct imap_dialogue *l = login_of(c);

    buf_clear(&l->tag);
    buf_put(&l->tag, tag);
}

static void do_login(struct client *c, const struct imap_command *cmd)
{
    if (!refuse_in_clear(c, cmd->tag)) {
        tag_keep(c, cmd->tag);
        ask(c, "LOGIN", SPAN(""), cmd->login.user, cmd->login.password);
    }
}

static void sasl_end(struct client *c, const char *why)
{
    struct imap_dialogue *l = login_of(c);

    l->in_sasl = false;
    reply(c, buf_span(&l->tag), IMAP_BAD, "", why);
    count_bad(c);
}

static void sasl_go_on(struct client *c, const struct span *response)
{
    struct imap_dialogue *l = login_of(c);
    struct sasl_credentials credentials;
    struct span challenge;

    switch (sasl_step(&l->sasl, response, &challenge, &credentials)) {
    case SASL_CHALLENGE:
        l->in_sasl = true;
        buf_put_str(client_output(c), "+ ");
        base64_encode(client_output(c), challenge);
        buf_put_str(client_output(c), "\r\n");
        break;
    case SASL_COMPLETE:
        l->in_sasl = false;
        ask(c, sasl_mechanism_name(l->sasl.mechanism), credentials.authzid, credentials.authcid,
            credentials.password);
        sasl_wipe(&credentials);
        break;
    case SASL_MALFORMED:
        sasl_end(c, "The SASL message is malformed");
        break;
    }
}

static void sasl_response(struct client *c, struct span base64, bool is_initial)
{
    struct buf plain;

    buf_init(&plain, SASL_MESSAGE_BYTES_MAX);
    if (sasl_decode(base64, is_initial, &plain) == ERR_OK) {
        struct span response = buf_span(&plain);

        sasl_go_on(c, &response);
    } else {
        sasl_end(c, "The SASL message is not base64");
    }
    if (plain.p) {
        OPENSSL_cleanse(plain.p, plain.cap);
    }
    buf_finish(&plain);
}

static void do_authenticate(struct client *c, const struct imap_command *cmd)
{
    struct imap_dialogue *l = login_of(c);
    enum sasl_mechanism mechanism;

    if (refuse_in_clear(c, cmd->tag)) {
        return;
    }
    if (sasl_mechanism_from_name(cmd->authenticate.mechanism, &mechanism) != ERR_OK) {
        reply(c, cmd->tag, IMAP_NO, "CANNOT", "No such mechanism; PLAIN is there");
        return;
    }
    tag_keep(c, cmd->tag);
    sasl_begin(&l->sasl, mechanism, &l->arena);
    if (cmd->authenticate.has_initial) {
        sasl_response(c, cmd->authenticate.initial, true);
    } else {
        sasl_go_on(c, NULL);
    }
}

static void sasl_line(struct client *c, struct span line)
{
    if (span_eq(line, SPAN("*"))) {
        sasl_end(c, "AUTHENTICATE was cancelled");
    } else {
        sasl_response(c, line, false);
    }
}

// ---- the other commands -------------------------------------------------------------------------

static void do_capability(struct client *c, const struct imap_command *cmd)
{
    struct buf *out = client_output(c);

    buf_put_str(out, "* CAPABILITY ");
    put_capabilities(c, out);
    buf_put_str(out, "\r\n");
    reply(c, cmd->tag, IMAP_OK, "", "CAPABILITY done");
}

static void do_noop(struct client *c, const struct imap_command *cmd)
{
    reply(c, cmd->tag, IMAP_OK, "", "NOOP done");
}

static void do_logout(struct client *c, const struct imap_command *cmd)
{
    reply(c, SPAN(""), IMAP_BYE, "", "Goodbye");
    reply(c, cmd->tag, IMAP_OK, "", "LOGOUT done");
    login_of(c)->is_over = true;
    client_close(c);
}

static void put_id_string(struct buf *out, struct span value)
{
    if (value.p) {
        imap_write_string(out, value, false);
    } else {
        buf_put_str(out, "NIL");
    }
}

// What the client says of itself goes along to keep (RFC 2971); our version is nobody's business
// before login.
static void do_id(struct client *c, const struct imap_command *cmd)
{
    struct imap_dialogue *l = login_of(c);

    buf_clear(&l->client_id);
    for (size_t i = 0; i < cmd->identity.n; i++) {
        buf_put_byte(&l->client_id, i ? ' ' : '(');
        put_id_string(&l->client_id, cmd->identity.pairs[i].name);
        buf_put_byte(&l->client_id, ' ');
        put_id_string(&l->client_id, cmd->identity.pairs[i].value);
    }
    if (cmd->identity.n) {
        buf_put_byte(&l->client_id, ')');
    }
    if (l->client_id.failed) {
        buf_clear(&l->client_id);
    }
    buf_put_str(client_output(c), "* ID (\"name\" \"Mailkeep\")\r\n");
    reply(c, cmd->tag, IMAP_OK, "", "ID done");
}

static void do_starttls(struct client *c, const struct imap_command *cmd)
{
    if (client_has_tls(c)) {
        reply(c, cmd->tag, IMAP_BAD, "", "TLS is on already");
        count_bad(c);
    } else if (!client_can_start_tls(c)) {
        reply(c, cmd->tag, IMAP_BAD, "", "The server has no certificate; TLS cannot be started");
    } else {
        reply(c, cmd->tag, IMAP_OK, "", "Begin TLS now");
        client_start_tls(c);
        login_of(c)->is_over = true; // nothing that follows in the clear is looked at
    }
}

static const struct {
    enum imap_command_id id;
    void (*run)(struct client *c, const struct imap_command *cmd);
} commands[] = {
    {IMAP_CAPABILITY, do_capability},
    {IMAP_NOOP, do_noop},
    {IMAP_LOGOUT, do_logout},
    {IMAP_ID, do_id},
    {IMAP_STARTTLS, do_starttls},
    {IMAP_LOGIN, do_login},
    {IMAP_AUTHENTICATE, do_authenticate},
};

// A web browser, or something that makes one speak to this port for it.
static bool is_http(struct span text)
{
    static const char *const verbs[] = {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT "};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (span_starts(text, span_from_str(verbs[i])) && span_find(text, SPAN("HTTP/")) < text.n) {
            return true;
        }
    }
    return false;
}

static void run_command(struct client *c, struct span text)
{
    struct imap_dialogue *l = login_of(c);
    struct imap_parse_options options = {.state = IMAP_STATE_NOT_AUTHENTICATED};
    struct imap_command cmd;
    struct imap_parse_error error;

    if (is_http(text)) {
        bye(c, "This is a mail server");
        return;
    }
    arena_reset(&l->arena);
    if (imap_parse(text, &l->arena, &options, &cmd, &error) != ERR_OK) {
        imap_write_parse_error(client_output(c), &error);
        count_bad(c);
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].id == cmd.id) {
            commands[i].run(c, &cmd);
            return;
        }
    }
    reply(c, cmd.tag, IMAP_BAD, "", "Log in first");
    count_bad(c);
}

// ---- frames -------------------------------------------------------------------------------------

static void literal_too_big(struct client *c, const struct imap_frame *f)
{
    struct span tag = imap_peek_tag(client_input(c));

    if (f->sync) {
        reply(c, tag, IMAP_NO, "TOOBIG", "A literal before login may have 4 KB");
        count_bad(c);
    } else {
        bye(c, "A literal before login may have 4 KB");
    }
}

// One frame; false when more input is needed or the dialogue is over for now.
static bool take_frame(struct client *c)
{
    struct imap_dialogue *l = login_of(c);
    struct imap_frame f;

    if (l->in_sasl) {
        imap_framer_line(&l->framer, client_input(c), IMAP_AUTH_LINE_BYTES_MAX, &f);
    } else {
        imap_framer_next(&l->framer, client_input(c), &f);
    }
    switch (f.kind) {
    case IMAP_FRAME_MORE:
        return false;
    case IMAP_FRAME_CONTINUE:
        buf_put_str(client_output(c), "+ OK\r\n");
        return true;
    case IMAP_FRAME_COMMAND:
        run_command(c, f.text);
        break;
    case IMAP_FRAME_LINE:
        sasl_line(c, f.text);
        break;
    case IMAP_FRAME_LITERAL_TOO_BIG:
        literal_too_big(c, &f);
        break;
    case IMAP_FRAME_BAD_LINE:
        reply(c, imap_peek_tag(f.text), IMAP_BAD, "", "A line has a NUL or a bare CR in it");
        l->in_sasl = false;
        count_bad(c);
        break;
    default:
        bye(c, "The line is too long");
        break;
    }
    client_consume(c, f.bytes);
    return true;
}

static void login_input(struct client *c)
{
    struct imap_dialogue *l = login_of(c);

    while (!l->is_over && client_may_go_on(c) && take_frame(c)) {
    }
}

// ---- start, end, answers ------------------------------------------------------------------------

static void login_start(struct client *c)
{
    struct imap_dialogue *l = login_of(c);
    struct buf code;

    l->limits = imap_framer_limits_before_login;
    l->limits.line_bytes = (uint32_t)conf_value_bytes(client_settings(c), SETTING_LOGIN_LINE_MAX);
    l->limits.literal_bytes =
        (uint32_t)conf_value_bytes(client_settings(c), SETTING_LOGIN_LITERAL_MAX);
    l->limits.nonsync_bytes = l->limits.literal_bytes;
    imap_framer_init(&l->framer, &l->limits);
    arena_init(&l->arena, ARENA_BYTES);
    buf_init(&l->tag, 256);
    buf_init(&l->client_id, 4096);
    buf_init(&code, 512);
    buf_put_str(&code, "CAPABILITY ");
    put_capabilities(c, &code);
    imap_write_status_line(client_output(c), SPAN(""), IMAP_OK, buf_span(&code),
                           SPAN("Mailkeep is ready"));
    buf_finish(&code);
}

static void login_finish(struct client *c)
{
    struct imap_dialogue *l = login_of(c);

    arena_finish(&l->arena);
    buf_finish(&l->tag);
    buf_finish(&l->client_id);
}

static void login_refused(struct client *c, enum ipc_auth why, struct span text, bool too_often)
{
    struct span tag = buf_span(&login_of(c)->tag);
    struct buf *out = client_output(c);

    switch (why) {
    case IPC_AUTH_BAD:
        reply(c, tag, IMAP_NO, "AUTHENTICATIONFAILED", "The name or the password is wrong");
        break;
    case IPC_AUTH_TOO_MANY:
        imap_write_status_line(out, tag, IMAP_NO, SPAN("LIMIT"),
                               text.n ? text : SPAN("Too many connections; try again later"));
        break;
    default:
        imap_write_status_line(out, tag, IMAP_NO, SPAN("UNAVAILABLE"),
                               text.n ? text : SPAN("Logins cannot be checked now; try again"));
        break;
    }
    if (too_often) {
        bye(c, "Too many failed logins");
    }
}

static void login_goodbye(struct client *c, const char *text)
{
    bye(c, text);
}

const struct client_protocol imap_login_protocol = {
    .state_bytes = sizeof(struct imap_dialogue),
    .ipc_protocol = IPC_IMAP,
    .start = login_start,
    .finish = login_finish,
    .input = login_input,
    .refused = login_refused,
    .goodbye = login_goodbye,
};
