// SPDX-License-Identifier: Apache-2.0
//
// APPEND (RFC 9051 section 6.3.12) with MULTIAPPEND (RFC 3502), UTF8 (RFC 6855), literal8 (RFC
// 3516), CATENATE (RFC 4469) and APPENDUID; REPLACE and UID REPLACE (RFC 8508). The messages stream
// from the connection, and from other messages, into the store; nothing is visible before all of
// them have come and one commit has placed them.
//
// A command's text comes in pieces, each up to a literal or to the end. What a piece says is done
// in this order: a message begins, URLs are copied, the literal is taken; or the message is whole
// without one, and the piece goes on.
//
// A NUL is taken in a plain literal too, where RFC 9051 section 4.3.1 has none: clients send the
// mail they have, and a refusal would leave it behind at a move from another server.
//
// What is wrong is found as early as possible. At a literal that waits for our continuation the
// command is then answered at once; else its bytes come anyway and are thrown away first.

#include <stdlib.h>

#include "keep/imap/imap_limit.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/message/imap_source.h"
#include "store/append.h"
#include "store/quota.h"

#include "base/banned.h"

#define MESSAGES_MAX   1000
#define TEXT_BYTES_MAX (1u << 20) // of the text between the messages
#define BYTES_A_STEP   (1u << 20)
#define PIECE_BYTES    (64u << 10)
// Of other messages, in one command: in units of the largest message.
#define COPIED_MESSAGES_MAX 4

struct append_state {
    enum { AT_MESSAGE, IN_URL, AT_LITERAL, IN_LITERAL, AFTER_LITERAL } at, after_urls;
    struct imap_append_message message; // what the text says now
    struct imap_append_message head;    // flags and date of the message being made
    bool has_literal;                   // the text ends with the announcement of one
    uint64_t left;                      // of that literal
    bool sync;

    size_t url; // the next of message.urls
    struct imap_url_source source;
    bool has_source;
    struct buf url_text;     // of a URL that comes as a literal
    struct span url_literal; // the same, whole
    uint64_t copied;         // from other messages

    account_id account;
    mailbox_id mailbox;
    uint32_t rights;
    struct append_replaced replaced; // REPLACE: what goes; uid 0: nothing
    struct append_item *items;       // malloc
    size_t n, cap;
    struct incoming *incoming;
    uint64_t bytes;         // of all messages, as far as they are known
    uint64_t message_bytes; // of the one being made
    size_t text_bytes;

    bool is_refused; // then `refusal` is the answer, when the bytes have been taken
    struct imap_result refusal;
    bool is_fault; // the parser's refusal
    struct imap_parse_error fault;
};

static void append_cleanup(void *state)
{
    struct append_state *a = state;

    if (a->has_source) {
        imap_source_close(&a->source);
    }
    buf_finish(&a->url_text);
    incoming_destroy(a->incoming);
    for (size_t i = 0; i < a->n; i++) {
        incoming_destroy(a->items[i].message);
    }
    free(a->items);
}

static struct append_state *begin(struct imap_session *s)
{
    struct append_state *a = imap_state(s, sizeof(*a));

    if (a) {
        s->cleanup = append_cleanup;
        a->message = s->command.append.first;
        buf_init(&a->url_text, IMAP_URL_BYTES_MAX);
    }
    return a;
}

bool imap_append_begin(struct imap_session *s, const struct imap_frame *frame,
                       const struct imap_parse_error *error)
{
    struct append_state *a = begin(s);

    if (!a) {
        return false;
    }
    a->has_literal = true;
    a->left = frame->literal_bytes;
    a->sync = frame->sync;
    if (error) {
        s->command = (struct imap_command){.id = IMAP_APPEND, .tag = error->tag};
        a->is_refused = a->is_fault = true;
        a->fault = *error;
    }
    return true;
}

// ---- refusing -----------------------------------------------------------------------------------

// Takes the answer that imap_answer_... has set as the one to give in the end.
static void refuse(struct imap_session *s, struct append_state *a, enum imap_step answered)
{
    (void)answered;
    a->is_refused = true;
    a->refusal = s->result;
    incoming_destroy(a->incoming);
    a->incoming = NULL;
}

static void refuse_err(struct imap_session *s, struct append_state *a, enum err e)
{
    refuse(s, a,
           e == ERR_NOT_FOUND ? imap_answer_no_mailbox(s, true)
           : e == ERR_LIMIT   ? imap_answer_no(s, "TOOBIG", "The message is larger than allowed")
                              : imap_answer_err(s, e));
}

// The code says the URL (RFC 4469 section 4.1); what may not stand there is written as in a URL.
static void refuse_url(struct imap_session *s, struct append_state *a, struct span url)
{
    struct buf code;

    buf_init(&code, 3 * IMAP_URL_BYTES_MAX + 16);
    buf_put_str(&code, "BADURL ");
    for (size_t i = 0; i < url.n; i++) {
        if (byte_is_ctl(url.p[i]) || url.p[i] == ']' || (unsigned char)url.p[i] > 126) {
            buf_printf(&code, "%%%02X", (unsigned char)url.p[i]);
        } else {
            buf_put_byte(&code, url.p[i]);
        }
    }
    struct span text = code.failed ? SPAN("BADURL /") : arena_dup(&s->arena, buf_span(&code));

    buf_finish(&code);
    refuse(s, a, imap_answer(s, IMAP_NO, text, SPAN("There is no such message or part")));
}

static enum imap_step answer_refusal(struct imap_session *s, struct append_state *a)
{
    if (a->is_fault) {
        s->result = (struct imap_result){
            .condition = a->fault.fault <= IMAP_FAULT_STATE ? IMAP_BAD : IMAP_NO,
            .code = a->fault.fault == IMAP_FAULT_UID_REQUIRED ? SPAN("UIDREQUIRED")
                    : a->fault.fault == IMAP_FAULT_CANNOT     ? SPAN("CANNOT")
                    : a->fault.fault == IMAP_FAULT_LIMIT      ? SPAN("LIMIT")
                                                              : (struct span){0},
            .text = imap_text(s, "%s (at byte %zu)", a->fault.expected, a->fault.position),
        };
        return STEP_DONE;
    }
    s->result = a->refusal;
    return STEP_DONE;
}

// ---- before a message ---------------------------------------------------------------------------

static enum err check_quota(struct view *v, uint64_t bytes, uint64_t messages)
{
    struct quota q;
    enum err e = view_quota(v, &q);

    if (e) {
        return e;
    }
    bool over =
        (q.bytes_max != UINT64_MAX && (q.bytes > q.bytes_max || bytes > q.bytes_max - q.bytes)) ||
        (q.messages_max != UINT64_MAX &&
         (q.messages > q.messages_max || messages > q.messages_max - q.messages));

    return over ? ERR_QUOTA : ERR_OK;
}

static enum err check_target(struct imap_session *s, struct append_state *a, const char **out_why)
{
    struct imap_place p;
    enum err e = imap_place_open(s, s->command.append.mailbox, ACL_INSERT, false, &p, out_why);

    if (e) {
        return e;
    }
    a->account = p.account;
    a->mailbox = p.mailbox->id;
    a->rights = p.rights;
    // What REPLACE takes out makes room: only the commit can tell.
    e = a->replaced.uid ? ERR_OK : check_quota(p.view, a->bytes, a->n + 1);
    imap_place_close(&p);
    return e;
}

#define RIGHTS_TO_REPLACE (ACL_DELETE_MESSAGE | ACL_EXPUNGE)

// REPLACE (RFC 8508): which message goes. False: it was refused.
static bool find_replaced(struct imap_session *s, struct append_state *a)
{
    struct imap_selected *sel = s->selected;
    struct uid_set uids;

    if (sel->is_read_only) {
        refuse(s, a, imap_answer_no(s, "READ-ONLY", "The mailbox was opened for reading only"));
        return false;
    }
    if ((sel->rights & RIGHTS_TO_REPLACE) != RIGHTS_TO_REPLACE) {
        refuse(s, a, imap_place_refuse(s, ERR_DENIED, "", false));
        return false;
    }
    enum err e =
        imap_selected_uids(sel, &s->command.append.replaced, s->command.uid, &s->arena, &uids);

    if (e == ERR_INVALID) {
        refuse(s, a, imap_answer_bad(s, "There is no message of that number"));
    } else if (e) {
        refuse_err(s, a, e);
    } else if (!uids.count) {
        refuse(s, a, imap_answer_no(s, "EXPUNGEISSUED", "The message to be replaced is not there"));
    } else {
        a->replaced = (struct append_replaced){sel->mailbox, uids.ranges[0].first};
    }
    return !a->is_refused;
}

static void open_message(struct imap_session *s, struct append_state *a)
{
    const char *why = "";
    bool is_replace = s->command.id == IMAP_REPLACE;

    if (s->device.is_read_only) {
        refuse(s, a, imap_answer_no(s, "NOPERM", session_read_only_text(&s->device)));
        return;
    }
    if (is_replace && a->n) {
        refuse(s, a, imap_answer_bad(s, "REPLACE takes one message"));
        return;
    }
    if (is_replace && !find_replaced(s, a)) {
        return;
    }
    if (s->options.messages_max && a->n == s->options.messages_max) {
        refuse(s, a, imap_limit_refuse(s)); // all or none (RFC 9738 section 3.1)
        return;
    }
    if (a->n == MESSAGES_MAX) {
        refuse(s, a, imap_answer_no(s, "LIMIT", "Too many messages in one APPEND"));
        return;
    }
    enum err e = check_target(s, a, &why);

    if (e) {
        refuse(s, a, imap_place_refuse(s, e, why, true));
        return;
    }
    if (is_replace && a->account != s->selected->account) {
        refuse(s, a, imap_answer_no(s, "CANNOT", "The other mailbox is somebody else's"));
        return;
    }
    e = incoming_begin(s->server->store, &a->incoming);
    if (e) {
        refuse_err(s, a, e);
    }
}

// So many bytes more are to come: is there room for them?
static void expect_bytes(struct imap_session *s, struct append_state *a, uint64_t bytes)
{
    const char *why = "";

    if (bytes > s->options.append_bytes_max - a->message_bytes) {
        refuse_err(s, a, ERR_LIMIT);
        return;
    }
    a->message_bytes += bytes;
    a->bytes += bytes;
    enum err e = a->head.is_catenate ? check_target(s, a, &why) : ERR_OK;

    if (e) {
        refuse(s, a, imap_place_refuse(s, e, why, true));
    }
}

static enum imap_step at_message(struct imap_session *s, struct append_state *a)
{
    if (!a->is_refused && !a->message.is_continued) {
        a->head = a->message;
        a->message_bytes = 0;
        // What is known of its size goes into the first look at the quota.
        a->bytes += a->message.is_catenate ? 0 : a->left;
        open_message(s, a);
        a->bytes -= a->message.is_catenate ? 0 : a->left;
    }
    a->url = 0;
    a->at = IN_URL;
    a->after_urls = AT_LITERAL;
    return STEP_MORE;
}

// ---- parts that are URLs ------------------------------------------------------------------------

// Only what names a message of this session's server without saying which server (RFC 4469 section
// 3): an absolute path, and nothing that is for others to use.
static bool is_usable(const struct imap_url *url)
{
    return !url->has_server && url->uid && !url->access && !url->has_expire;
}

static void open_url(struct imap_session *s, struct append_state *a, struct span text)
{
    const struct imap_who who = imap_place_who(s);
    struct imap_place p;
    struct imap_url url;
    const char *why;
    enum err e = imap_url_parse(text, &s->arena, &url, &why);

    if (e == ERR_INVALID || e == ERR_LIMIT || (!e && !is_usable(&url))) {
        refuse_url(s, a, text);
        return;
    }
    e = e ? e : imap_source_place(s, &who, &url, &p);
    if (!e) {
        e = imap_source_open(&p, &url, &a->source);
        a->has_source = true;
        imap_place_close(&p);
    }
    if (e == ERR_NOT_FOUND) {
        refuse_url(s, a, text);
    } else if (e) {
        refuse_err(s, a, e);
    } else {
        a->copied += a->source.left;
        expect_bytes(s, a, a->source.left);
    }
    if (!a->is_refused && a->copied / COPIED_MESSAGES_MAX > s->options.append_bytes_max) {
        refuse(s, a, imap_answer_no(s, "LIMIT", "Too much is copied in one APPEND"));
    }
}

static enum err copy_some(struct append_state *a, struct view *v, struct buf *piece)
{
    for (size_t taken = 0; a->source.left && taken < BYTES_A_STEP; taken += piece->n) {
        buf_clear(piece);
        enum err e = imap_source_read(&a->source, v, PIECE_BYTES, piece);

        e = e ? e : incoming_write(a->incoming, buf_span(piece));
        if (e) {
            return e;
        }
    }
    return ERR_OK;
}

static void copy_url(struct imap_session *s, struct append_state *a, struct span text)
{
    struct buf piece;
    struct view *v;
    enum err e = imap_view_open(s, a->source.account, &v);

    if (!e) {
        buf_init(&piece, PIECE_BYTES);
        e = copy_some(a, v, &piece);
        buf_finish(&piece);
        view_close(v);
    }
    if (e == ERR_NOT_FOUND) {
        refuse_url(s, a, text); // it went meanwhile
    } else if (e) {
        refuse_err(s, a, e);
    }
}

static enum imap_step in_url(struct imap_session *s, struct append_state *a)
{
    if (!a->is_refused && a->url < a->message.url_n) {
        struct span text = a->message.urls[a->url];

        if (!a->has_source) {
            open_url(s, a, text);
        }
        if (!a->is_refused) {
            copy_url(s, a, text);
        }
        if (a->has_source && (a->is_refused || !a->source.left)) {
            imap_source_close(&a->source);
            a->has_source = false;
            a->url++;
        }
        return STEP_MORE;
    }
    a->at = a->after_urls;
    return STEP_MORE;
}

// ---- literals -----------------------------------------------------------------------------------

static enum err keep_message(struct append_state *a)
{
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 4;
        struct append_item *items = realloc(a->items, cap * sizeof(*items));

        if (!items) {
            return ERR_NOMEM;
        }
        a->items = items;
        a->cap = cap;
    }
    enum err e = incoming_finish(a->incoming);

    if (!e) {
        a->items[a->n++] = (struct append_item){
            .message = a->incoming,
            .flags = imap_flags_to_store(a->head.flags.bits) & imap_flags_allowed(a->rights),
            .keywords = a->head.flags.keywords,
            .keyword_count = a->rights & ACL_WRITE ? a->head.flags.n : 0,
            .internal_date = a->head.has_date ? a->head.date.seconds : INT64_MIN,
            .zone_minutes = a->head.has_date ? a->head.date.zone_minutes : 0,
        };
        a->incoming = NULL;
    }
    return e;
}

static void close_message(struct imap_session *s, struct append_state *a)
{
    if (!a->message_bytes) {
        refuse(s, a, imap_answer_no(s, "CANNOT", "A message has at least one byte"));
        return;
    }
    enum err e = keep_message(a);

    if (e) {
        refuse_err(s, a, e);
    }
}

static void expect_literal(struct imap_session *s, struct append_state *a)
{
    if (!a->has_literal) {
        refuse(s, a, imap_answer_bad(s, "Expected a literal"));
    } else if (a->message.next == IMAP_APPEND_URL) {
        buf_clear(&a->url_text);
        if (a->left > IMAP_URL_BYTES_MAX) {
            refuse(s, a, imap_answer_no(s, "LIMIT", "The URL is too long"));
        }
    } else if (a->message.next == IMAP_APPEND_MESSAGE && !a->left) {
        refuse(s, a, imap_answer_no(s, "CANNOT", "A message has at least one byte"));
    } else {
        expect_bytes(s, a, a->left);
    }
}

static enum imap_step text_next(struct imap_session *s, struct append_state *a, struct span text);

// All URLs of the text have been copied.
static enum imap_step at_literal(struct imap_session *s, struct append_state *a)
{
    if (!a->is_refused && a->message.next == IMAP_APPEND_WHOLE) {
        close_message(s, a);
        if (!a->is_refused) {
            return text_next(s, a, a->message.rest);
        }
    }
    if (!a->is_refused) {
        expect_literal(s, a);
    }
    if (a->is_refused && !a->has_literal) {
        return answer_refusal(s, a);
    }
    if (a->is_refused && a->sync) {
        imap_framer_refuse(&s->framer);
        return answer_refusal(s, a);
    }
    if (a->sync) {
        OUT(s, "+ OK\r\n");
    }
    a->at = IN_LITERAL;
    return STEP_MORE;
}

static void take_bytes(struct imap_session *s, struct append_state *a, struct span bytes)
{
    if (a->is_refused) {
        return;
    }
    if (a->message.next == IMAP_APPEND_URL) {
        buf_put(&a->url_text, bytes);
        return;
    }
    enum err e = incoming_write(a->incoming, bytes);

    if (e) {
        refuse_err(s, a, e);
    }
}

// The literal has come.
static void literal_done(struct imap_session *s, struct append_state *a)
{
    a->at = AFTER_LITERAL;
    if (a->is_refused || a->message.next == IMAP_APPEND_TEXT) {
        return;
    }
    if (a->message.next == IMAP_APPEND_MESSAGE) {
        close_message(s, a);
        return;
    }
    a->url_literal = arena_dup(&s->arena, buf_span(&a->url_text));
    if (a->url_text.failed || !a->url_literal.p) {
        refuse_err(s, a, ERR_NOMEM);
        return;
    }
    a->message.urls = &a->url_literal;
    a->message.url_n = 1;
    a->url = 0;
    a->at = IN_URL;
    a->after_urls = AFTER_LITERAL;
}

static enum imap_step in_literal(struct imap_session *s, struct append_state *a)
{
    size_t taken = 0;

    while (a->left) {
        struct span bytes;

        if (taken >= BYTES_A_STEP) {
            return STEP_MORE;
        }
        enum err e = imap_input_bytes(s, a->left, &bytes);

        if (e) {
            return e == ERR_AGAIN ? STEP_INPUT : STEP_CLOSE;
        }
        take_bytes(s, a, bytes);
        a->left -= bytes.n;
        taken += bytes.n;
        imap_input_consume(s, bytes.n);
    }
    imap_framer_literal_done(&s->framer);
    literal_done(s, a);
    return STEP_MORE;
}

// ---- the text
// -------------------------------------------------------------------------------------

static struct span appenduid(struct imap_session *s, const struct append_result *r, size_t n)
{
    if (n == 1) {
        return imap_text(s, "APPENDUID %u %u", r->uid_validity, r->first_uid);
    }
    return imap_text(s, "APPENDUID %u %u:%u", r->uid_validity, r->first_uid,
                     r->first_uid + (uint32_t)n - 1);
}

// The new UID goes before what is told of the old one (RFC 8508 section 4.3).
static enum imap_step replace(struct imap_session *s, struct append_state *a)
{
    struct actor by = imap_actor_in(s, a->account);
    struct append_result result;
    bool missing;
    enum err e = store_replace(s->server->store, a->account, &by, a->mailbox, a->items,
                               &a->replaced, &result, &missing);

    if (e == ERR_NOT_FOUND && missing) {
        return imap_answer_no(s, "EXPUNGEISSUED", "The message to be replaced is gone");
    }
    if (e) {
        return e == ERR_NOT_FOUND ? imap_answer_no_mailbox(s, true) : imap_answer_err(s, e);
    }
    imap_write_status_line(s->out, (struct span){0}, IMAP_OK, appenduid(s, &result, 1),
                           SPAN("The new message is there"));
    struct span code = {0};

    if (s->selected->condstore) {
        code = imap_text(s, "HIGHESTMODSEQ %llu", (unsigned long long)result.version);
    }
    return imap_answer(s, IMAP_OK, code, SPAN("REPLACE completed"));
}

static enum imap_step commit(struct imap_session *s, struct append_state *a)
{
    struct actor by = imap_actor_in(s, a->account);
    struct append_result result;

    if (a->is_refused) {
        return answer_refusal(s, a);
    }
    if (a->replaced.uid) {
        return replace(s, a);
    }
    enum err e =
        store_append(s->server->store, a->account, &by, a->mailbox, a->items, a->n, &result);

    if (e) {
        return e == ERR_NOT_FOUND ? imap_answer_no_mailbox(s, true) : imap_answer_err(s, e);
    }
    return imap_answer(s, IMAP_OK, appenduid(s, &result, a->n), SPAN("APPEND completed"));
}

// "SP message", the next part of one, or the end of the command; `text` lives as long as the
// command.
static enum imap_step text_next(struct imap_session *s, struct append_state *a, struct span text)
{
    struct imap_parse_options options;
    struct imap_append_message previous = a->message;
    bool is_end = false;

    a->at = AT_MESSAGE;
    imap_parse_options_of(s, &options);
    if (imap_parse_append_next(text, &s->arena, &options, &previous, &is_end, &a->message,
                               &a->fault)) {
        a->is_refused = a->is_fault = true;
    } else if (is_end && a->has_literal) {
        refuse(s, a, imap_answer_bad(s, "Expected the end of the command"));
    }
    return is_end && !a->is_refused ? commit(s, a) : STEP_MORE;
}

// What follows a refusal is not looked at: it is of any number, and each would take memory.
static enum imap_step take_text(struct imap_session *s, struct append_state *a,
                                const struct imap_frame *f)
{
    struct span text = {0};

    a->text_bytes += f->text.n;
    if (!a->is_refused && a->text_bytes > TEXT_BYTES_MAX) {
        refuse(s, a, imap_answer_no(s, "LIMIT", "Too many flags in one APPEND"));
    }
    if (!a->is_refused) {
        text = arena_dup(&s->arena, f->text);
        if (!text.p) {
            refuse(s, a, imap_answer_err(s, ERR_NOMEM));
        }
    }
    imap_input_consume(s, f->bytes);
    a->has_literal = f->kind == IMAP_FRAME_APPEND_NEXT;
    a->left = f->literal_bytes;
    a->sync = f->sync;
    a->at = AT_LITERAL;
    return a->is_refused ? STEP_MORE : text_next(s, a, text);
}

static enum imap_step after_literal(struct imap_session *s, struct append_state *a)
{
    struct imap_frame f;
    enum err e = imap_input_frame(s, 0, &f);

    if (e) {
        return e == ERR_AGAIN ? STEP_INPUT : STEP_CLOSE;
    }
    switch (f.kind) {
    case IMAP_FRAME_APPEND_NEXT:
    case IMAP_FRAME_APPEND_END:
        return take_text(s, a, &f);
    case IMAP_FRAME_BAD_LINE:
        imap_input_consume(s, f.bytes);
        return a->is_refused ? answer_refusal(s, a)
                             : imap_answer_bad(s, "A command holds no NUL and no bare CR");
    case IMAP_FRAME_LITERAL_TOO_BIG:
        if (f.sync) {
            imap_input_consume(s, f.bytes);
            return imap_answer_no(s, "TOOBIG", "The message is larger than allowed");
        }
        OUT(s, "* BYE [TOOBIG] The message is larger than allowed\r\n");
        return STEP_CLOSE;
    default:
        OUT(s, "* BYE The command line is too long\r\n");
        return STEP_CLOSE;
    }
}

// Everything is in the text: CATENATE with URLs only.
static enum imap_step begin_without_literal(struct imap_session *s)
{
    if (s->command.append.first.next != IMAP_APPEND_WHOLE) {
        return imap_answer_bad(s, "Expected a literal");
    }
    return begin(s) ? STEP_MORE : imap_answer_err(s, ERR_NOMEM);
}

enum imap_step imap_run_append(struct imap_session *s)
{
    struct append_state *a = s->state;

    if (!a) {
        return begin_without_literal(s);
    }
    switch (a->at) {
    case AT_MESSAGE:
        return at_message(s, a);
    case IN_URL:
        return in_url(s, a);
    case AT_LITERAL:
        return at_literal(s, a);
    case IN_LITERAL:
        return in_literal(s, a);
    default:
        return after_literal(s, a);
    }
}
