// SPDX-License-Identifier: Apache-2.0
//
// CAPABILITY, ENABLE (RFC 5161), ID (RFC 2971), NAMESPACE (RFC 2342), NOOP, CHECK, LOGOUT: what
// does not touch mail.
#include "keep/imap/imap_context.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/imap_updates.h"

#include "base/banned.h"

// Only what fully works is here; docs/protocol/imap.md has a line for each.
static const char capabilities[] =
    "IMAP4rev1 IMAP4rev2 LITERAL+ IDLE NAMESPACE ID CHILDREN UNSELECT UIDPLUS MOVE ENABLE "
    "LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE ESEARCH SEARCHRES WITHIN "
    "MULTIAPPEND BINARY CONDSTORE QRESYNC UTF8=ACCEPT OBJECTID SAVEDATE PREVIEW "
    "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE ACL RIGHTS=texk LIST-MYRIGHTS REPLACE "
    "SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS PARTIAL "
    "I18NLEVEL=2 LANGUAGE NOTIFY UIDONLY INPROGRESS CONTEXT=SEARCH CONTEXT=SORT "
    "MULTISEARCH CATENATE URLAUTH URL-PARTIAL METADATA LIST-METADATA FILTERS";

bool imap_capability_at(size_t i, struct span *out)
{
    struct span rest = span_from_str(capabilities);

    for (size_t k = 0; rest.n; k++) {
        *out = span_split(&rest, ' ');
        if (k == i) {
            return true;
        }
    }
    return false;
}

void imap_write_capabilities(struct imap_session *s)
{
    struct span name;

    for (size_t i = 0; imap_capability_at(i, &name); i++) {
        if (!s->is_without || !imap_without_has(&s->without, i)) {
            buf_put(s->out, name);
            buf_put_byte(s->out, ' ');
        }
    }
    OUT(s, "APPENDLIMIT=");
    buf_put_u64(s->out, s->options.append_bytes_max);
    if (s->options.messages_max) {
        OUT(s, " MESSAGELIMIT=");
        buf_put_u64(s->out, s->options.messages_max);
    }
    if (imap_compress_is_offered(s)) {
        OUT(s, " COMPRESS=DEFLATE");
    }
}

enum imap_step imap_run_capability(struct imap_session *s)
{
    OUT(s, "* CAPABILITY ");
    imap_write_capabilities(s);
    OUT(s, "\r\n");
    return imap_answer_ok(s, "CAPABILITY completed");
}

// Told of once, when the first command that implies it is given (RFC 7162 section 3.1.2.2).
void imap_condstore_enable(struct imap_session *s)
{
    s->enabled |= IMAP_ENABLE_CONDSTORE;
    if (s->selected && !s->selected->condstore) {
        s->selected->condstore = true;
        OUT(s, "* OK [HIGHESTMODSEQ ");
        buf_put_u64(s->out, imap_updates_modseq(s));
        OUT(s, "] MODSEQ will be told\r\n");
    }
}

enum imap_step imap_run_enable(struct imap_session *s)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {IMAP_ENABLE_CONDSTORE, " CONDSTORE"},     {IMAP_ENABLE_QRESYNC, " QRESYNC"},
        {IMAP_ENABLE_UTF8_ACCEPT, " UTF8=ACCEPT"}, {IMAP_ENABLE_IMAP4REV2, " IMAP4rev2"},
        {IMAP_ENABLE_UIDONLY, " UIDONLY"},
    };
    uint32_t fresh = s->command.enable & ~s->enabled;

    // RFC 5161 section 3.1 lets a server refuse what changes the meaning of a selected mailbox.
    OUT(s, "* ENABLED");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (fresh & names[i].bit) {
            buf_put_str(s->out, names[i].name);
        }
    }
    OUT(s, "\r\n");
    s->enabled |= fresh;
    if (fresh & (IMAP_ENABLE_CONDSTORE | IMAP_ENABLE_QRESYNC)) {
        imap_condstore_enable(s);
    }
    if (fresh & IMAP_ENABLE_UIDONLY) {
        imap_contexts_end_numbers(s);
    }
    return imap_answer_ok(s, "ENABLE completed");
}

// ---- ID -----------------------------------------------------------------------------------------

static void client_add(struct imap_session *s, struct span text)
{
    for (size_t i = 0; i < text.n && s->client_n < sizeof(s->client); i++) {
        char c = text.p[i];

        s->client[s->client_n++] = c < 32 || c > 126 ? '?' : c;
    }
}

void imap_client_set(struct imap_session *s, const struct imap_id *id)
{
    static const char *const wanted[] = {"name", "version"};

    s->client_n = 0;
    for (size_t w = 0; w < sizeof(wanted) / sizeof(*wanted); w++) {
        for (size_t i = 0; i < id->n; i++) {
            if (!id->pairs[i].value.n ||
                !span_eq_nocase(id->pairs[i].name, span_from_str(wanted[w]))) {
                continue;
            }
            if (s->client_n) {
                client_add(s, SPAN(" "));
            }
            client_add(s, id->pairs[i].value);
        }
        if (!s->client_n) {
            return; // a version without a name says nothing
        }
    }
}

void imap_client_from_list(struct imap_session *s, struct span list)
{
    struct arena arena;
    struct imap_parse_options options = {.state = 0};
    struct imap_parse_error error;
    struct imap_command command;
    struct buf text;

    if (!list.n) {
        return;
    }
    arena_init(&arena, IMAP_ARENA_BYTES);
    buf_init(&text, list.n + 16);
    buf_put_str(&text, "x ID ");
    buf_put(&text, list);
    if (!imap_parse(buf_span(&text), &arena, &options, &command, &error) && command.id == IMAP_ID) {
        imap_client_set(s, &command.identity);
    }
    buf_finish(&text);
    arena_finish(&arena);
}

enum imap_step imap_run_id(struct imap_session *s)
{
    imap_client_set(s, &s->command.identity);
    if (imap_without_refresh(s)) {
        OUT(s, "* CAPABILITY ");
        imap_write_capabilities(s);
        OUT(s, "\r\n");
    }
    OUT(s, "* ID (\"name\" \"Mailkeep\" \"version\" \"" MAILKEEP_VERSION "\")\r\n");
    return imap_answer_ok(s, "ID completed");
}

// ---- the rest -----------------------------------------------------------------------------------

enum imap_step imap_run_namespace(struct imap_session *s)
{
    const char separator[] = {s->options.separator, '\0'};

    OUT(s, "* NAMESPACE ((\"\" ");
    imap_write_string(s->out, span_from_str(separator), false);
    OUT(s, ")) ((");
    imap_write_string(s->out, imap_name_shown(s, SPAN(IMAP_OTHERS "/")), false);
    buf_put_byte(s->out, ' ');
    imap_write_string(s->out, span_from_str(separator), false);
    OUT(s, ")) NIL\r\n");
    return imap_answer_ok(s, "NAMESPACE completed");
}

enum imap_step imap_run_noop(struct imap_session *s)
{
    return imap_answer_ok(s, s->command.id == IMAP_CHECK ? "CHECK completed" : "NOOP completed");
}

enum imap_step imap_run_logout(struct imap_session *s)
{
    OUT(s, "* BYE See you later\r\n");
    imap_write_status_line(s->out, s->command.tag, IMAP_OK, (struct span){0},
                           SPAN("LOGOUT completed"));
    return STEP_CLOSE;
}
