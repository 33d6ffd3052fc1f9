// SPDX-License-Identifier: Apache-2.0
//
// mailkeep import: reads mail from files and hands it to the server (or to the store), message by
// message. What the account has already is asked for by hash before its bytes are sent; see
// admin/transfer/admin_import.c for the other side of the conversation.
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "cli/cli_commands.h"
#include "cli/cli_link.h"
#include "cli/cli_text.h"
#include "mailfile/mail_role.h"
#include "mailfile/mail_source.h"

#include "base/banned.h"

#define MAPS_MAX       64
#define NAME_BYTES_MAX 4096
#define PATHS_SHOWED   3 // of each kind of skipped things

struct map_rule {
    struct span from, to;
};

struct import {
    struct cli *cli;
    struct cli_link *link;
    struct mail_source *source;
    struct spool *spool;
    const char *account, *path, *mailbox;
    struct map_rule maps[MAPS_MAX];
    size_t map_count;
    bool is_dry, plain_names, verbose;
    enum mail_format format;

    uint64_t skipped[MAIL_SKIP__COUNT];
    uint64_t mailboxes, created, found, refused, refused_mailboxes;
    uint64_t weight_done, weight_total;
    int code; // not CLI_OK: it was explained, end
};

// ---- options ------------------------------------------------------------------------------------

static const struct {
    const char *name;
    enum mail_format format;
} formats[] = {
    {"auto", MAIL_FORMAT_AUTO},       {"mbox", MAIL_FORMAT_MBOX},
    {"mboxrd", MAIL_FORMAT_MBOX},     {"mboxcl", MAIL_FORMAT_MBOX},
    {"mboxo", MAIL_FORMAT_MBOXO},     {"mboxcl2", MAIL_FORMAT_MBOXCL2},
    {"maildir", MAIL_FORMAT_MAILDIR}, {"eml", MAIL_FORMAT_EML},
};

static int take_format(struct import *m, const char *text)
{
    if (!text) {
        return CLI_OK;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, text) == 0) {
            m->format = formats[i].format;
            return CLI_OK;
        }
    }
    return cli_fail(m->cli, CLI_USAGE,
                    "there is no format \"%s\"; there are auto, maildir, mbox, mboxo, mboxrd, "
                    "mboxcl, mboxcl2 and eml",
                    text);
}

static int take_maps(struct import *m, int *argc, char **argv)
{
    const char *text;

    while ((text = cli_option(argc, argv, "--map"))) {
        struct span to = span_from_str(text), from = span_split(&to, '=');

        if (from.n == 0 || to.n == 0) {
            return cli_fail(m->cli, CLI_USAGE, "--map %s: give it as OLD=NEW", text);
        }
        if (m->map_count == MAPS_MAX) {
            return cli_fail(m->cli, CLI_USAGE, "at most %d mailboxes can be mapped", MAPS_MAX);
        }
        m->maps[m->map_count++] = (struct map_rule){from, to};
    }
    return CLI_OK;
}

// ---- where a folder goes ------------------------------------------------------------------------

static bool is_or_below(struct span name, struct span parent)
{
    return span_starts(name, parent) && (name.n == parent.n || name.p[parent.n] == '/');
}

// Appends the mailbox for a folder of the source. `*out_role` is what it is for when its name says
// so and nobody said otherwise.
static void mailbox_for(const struct import *m, struct span name, size_t folders, struct buf *out,
                        struct span *out_role)
{
    *out_role = SPAN("");
    for (size_t i = 0; i < m->map_count; i++) {
        if (is_or_below(name, m->maps[i].from)) {
            buf_put(out, m->maps[i].to);
            buf_put(out, span_skip(name, m->maps[i].from.n));
            return;
        }
    }
    if (!m->mailbox) {
        *out_role = m->plain_names ? SPAN("") : mail_role_of_name(name);
        buf_put(out, out_role->n > 0 ? *out_role : name);
        return;
    }
    buf_put_str(out, m->mailbox);
    if (folders > 1 && !span_eq(name, SPAN("INBOX"))) {
        buf_put_byte(out, '/');
        buf_put(out, name);
    }
}

// ---- saying what was left out -------------------------------------------------------------------

static void on_skip(void *arg, enum mail_skip why, struct span path)
{
    struct import *m = arg;
    char copy[1024], plain[1024];

    m->skipped[why]++;
    if (m->cli->json || m->cli->quiet || (!m->verbose && m->skipped[why] > PATHS_SHOWED)) {
        return;
    }
    snprintf(copy, sizeof(copy), "%.*s", SPAN_ARG(span_first(path, sizeof(copy) - 1)));
    cli_progress_end(m->cli);
    fprintf(stderr, "skipped %s: %s\n", cli_plain(copy, plain, sizeof(plain)), mail_skip_text(why));
    if (!m->verbose && m->skipped[why] == PATHS_SHOWED) {
        fprintf(stderr, "(others of this kind are only counted; --verbose names all)\n");
    }
}

static void say_refused(struct import *m, const char *what, const char *why)
{
    char plain[1024];

    if (!m->cli->json && (m->verbose || m->refused + m->refused_mailboxes <= PATHS_SHOWED)) {
        cli_progress_end(m->cli);
        fprintf(stderr, "not imported: %s: %s\n", cli_plain(what, plain, sizeof(plain)), why);
    }
}

static void note_problems(struct import *m, const json_t *item)
{
    const json_t *problems = json_object_get(item, "problems");
    char what[100];

    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *p = json_array_get(problems, i);

        m->refused++;
        snprintf(what, sizeof(what), "a message of %llu bytes (SHA-256 %.16s...)",
                 (unsigned long long)cli_get_number(p, "bytes"), cli_get_text(p, "hash"));
        say_refused(m, what, cli_get_text(p, "problem"));
    }
}

// ---- the conversation ---------------------------------------------------------------------------

// The answer to what was just sent; NULL: the other side has ended, m->code says how.
static const json_t *answer(struct import *m)
{
    struct cli_link_event event;

    cli_link_next(m->link, &event);
    if (event.kind == CLI_LINK_ITEM) {
        return event.json;
    }
    m->code = event.kind == CLI_LINK_FAILED
                  ? event.code
                  : cli_fail(m->cli, CLI_FAILED, "the server ended the import early");
    return NULL;
}

static bool begin_mailbox(struct import *m, const struct mail_folder *f, size_t folders)
{
    struct span role;
    struct buf name;
    char text[NAME_BYTES_MAX + 1];

    buf_init(&name, NAME_BYTES_MAX);
    mailbox_for(m, f->mailbox, folders, &name, &role);
    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buf_span(&name)));
    buf_finish(&name);
    cli_link_send_item(m->link, json_pack("{s:s, s:s, s:s%, s:b}", "op", "mailbox", "name", text,
                                          "role", role.p, role.n, "subscribed", f->is_subscribed));
    const json_t *j = answer(m);

    if (!j) {
        return false;
    }
    if (json_object_get(j, "refused")) {
        m->refused_mailboxes++;
        say_refused(m, text, cli_get_text(j, "refused"));
        return false;
    }
    m->mailboxes++;
    m->created += json_is_true(json_object_get(j, "created"));
    return true;
}

static json_t *message_json(struct import *m, const struct mail_item *item)
{
    unsigned char hash[SPOOL_HASH_BYTES];
    json_t *keywords = json_array();
    struct buf hex;

    buf_init(&hex, SPOOL_HASH_BYTES * 2);
    spool_hash(m->spool, hash);
    hex_encode(&hex, span_of(hash, sizeof(hash)));
    for (size_t i = 0; i < item->meta.keyword_count; i++) {
        json_array_append_new(keywords,
                              json_stringn(item->meta.keywords[i].p, item->meta.keywords[i].n));
    }
    json_t *j = json_pack("{s:s, s:I, s:s%, s:i, s:o, s:i}", "op", "message", "bytes",
                          (json_int_t)spool_bytes(m->spool), "hash", hex.p, hex.n, "flags",
                          (int)item->meta.flags, "keywords", keywords, "zone",
                          (int)item->meta.zone_minutes);

    if (j && item->meta.has_date) {
        json_object_set_new(j, "date", json_integer((json_int_t)item->meta.date));
    }
    buf_finish(&hex);
    return j;
}

static bool to_link(void *arg, struct span bytes)
{
    cli_link_send_data(arg, bytes);
    return true;
}

static void send_message(struct import *m, const struct mail_item *item)
{
    m->found++;
    cli_link_send_item(m->link, message_json(m, item));
    const json_t *j = answer(m);

    if (!j) {
        return;
    }
    note_problems(m, j);
    if (json_is_true(json_object_get(j, "want")) && !m->is_dry &&
        spool_send(m->spool, (struct mail_sink){to_link, m->link}) != ERR_OK) {
        m->code = cli_fail(m->cli, CLI_FAILED,
                           "the temporary file of a large message cannot be "
                           "read back; is the disk of $TMPDIR in order?");
    }
}

static void import_folder(struct import *m, size_t i, const struct mail_folder *folders, size_t n)
{
    struct mail_item item;
    enum err e;

    if (!begin_mailbox(m, &folders[i], n)) {
        return;
    }
    e = mail_source_begin(m->source, i);
    while (e == ERR_OK && m->code == CLI_OK) {
        e = mail_source_next(m->source, m->spool, &item);
        if (e == ERR_OK) {
            send_message(m, &item);
            cli_progress(m->cli, m->weight_done + item.done, m->weight_total, "");
        }
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND && m->code == CLI_OK) {
        m->code =
            e == ERR_NOSPACE
                ? cli_fail(m->cli, CLI_FAILED,
                           "there is no room for large messages in the temporary folder; "
                           "set TMPDIR to one with room")
                : cli_fail(m->cli, CLI_FAILED, "%s: reading failed (%s)", m->path, err_name(e));
    }
}

// ---- the end ------------------------------------------------------------------------------------

static json_t *skipped_json(const struct import *m)
{
    json_t *j = json_object();

    for (int i = 0; i < MAIL_SKIP__COUNT; i++) {
        if (m->skipped[i] > 0) {
            json_object_set_new(j, mail_skip_text((enum mail_skip)i),
                                json_integer((json_int_t)m->skipped[i]));
        }
    }
    return j;
}

static void print_result(const struct import *m, const json_t *r)
{
    unsigned long long added = cli_get_number(r, "added"), there = cli_get_number(r, "there");

    printf("%s %llu message%s into %llu mailbox%s of %s (%llu %s).",
           m->is_dry ? "Would import" : "Imported", added, added == 1 ? "" : "s",
           (unsigned long long)m->mailboxes, m->mailboxes == 1 ? "" : "es", m->account,
           (unsigned long long)m->created, m->is_dry ? "to be made" : "new");
    if (there > 0) {
        printf(" %llu %s there already.", there, there == 1 ? "was" : "were");
    }
    putchar('\n');
    if (cli_get_number(r, "refused") > 0) {
        printf("Not imported: %llu that the server refused.\n",
               (unsigned long long)cli_get_number(r, "refused"));
    }
    if (cli_get_number(r, "keywords_dropped") > 0) {
        printf("Labels left out of %llu messages: a mailbox can have so many and no more.\n",
               (unsigned long long)cli_get_number(r, "keywords_dropped"));
    }
    for (int i = 0; i < MAIL_SKIP__COUNT; i++) {
        if (m->skipped[i] > 0) {
            printf("Skipped: %llu %s.\n", (unsigned long long)m->skipped[i],
                   mail_skip_text((enum mail_skip)i));
        }
    }
}

// Mail that should have come along and did not.
static bool is_incomplete(const struct import *m, const json_t *r)
{
    return m->skipped[MAIL_SKIP_UNREADABLE] > 0 || m->skipped[MAIL_SKIP_TOO_LARGE] > 0 ||
           m->skipped[MAIL_SKIP_TOO_DEEP] > 0 || m->skipped[MAIL_SKIP_BAD_NAME] > 0 ||
           m->refused_mailboxes > 0 || cli_get_number(r, "refused") > 0;
}

static int finish(struct import *m)
{
    struct cli_link_event event;

    cli_link_send_item(m->link, json_pack("{s:s}", "op", "end"));
    const json_t *j = answer(m);

    if (!j) {
        return m->code;
    }
    note_problems(m, j);
    cli_link_next(m->link, &event);
    cli_progress_end(m->cli);
    if (event.kind != CLI_LINK_RESULT) {
        return event.kind == CLI_LINK_FAILED ? event.code : CLI_FAILED;
    }
    if (m->cli->json) {
        json_t *r = json_copy(event.json);

        json_object_set_new(r, "account", json_string(m->account));
        json_object_set_new(r, "found", json_integer((json_int_t)m->found));
        json_object_set_new(r, "mailboxes", json_integer((json_int_t)m->mailboxes));
        json_object_set_new(r, "mailboxes_created", json_integer((json_int_t)m->created));
        json_object_set_new(r, "mailboxes_refused", json_integer((json_int_t)m->refused_mailboxes));
        json_object_set_new(r, "skipped", skipped_json(m));
        json_object_set_new(r, "dry_run", json_boolean(m->is_dry));
        cli_print_json(r);
    } else if (!m->cli->quiet || is_incomplete(m, event.json)) {
        print_result(m, event.json);
    }
    return is_incomplete(m, event.json) ? CLI_FAILED : CLI_OK;
}

static int run(struct import *m)
{
    const struct mail_folder *folders;
    size_t n = mail_source_folders(m->source, &folders);
    int code = cli_link_open(m->cli, "import",
                             json_pack("{s:s, s:b}", "account", m->account, "dry_run", m->is_dry),
                             &m->link);

    if (code != CLI_OK) {
        return code;
    }
    if (spool_create(conf_value_bytes(m->cli->settings, SETTING_MESSAGE_MAX), &m->spool) !=
        ERR_OK) {
        return cli_fail(m->cli, CLI_FAILED, "there is not enough memory");
    }
    for (size_t i = 0; i < n; i++) {
        m->weight_total += folders[i].weight;
    }
    if (!m->cli->json && !m->cli->quiet) {
        fprintf(stderr, "Found: %s, %zu mailbox%s.\n", mail_source_kind(m->source), n,
                n == 1 ? "" : "es");
    }
    for (size_t i = 0; i < n && m->code == CLI_OK; i++) {
        import_folder(m, i, folders, n);
        m->weight_done += folders[i].weight;
    }
    return m->code == CLI_OK ? finish(m) : m->code;
}

int cli_import(struct cli *c, int argc, char **argv)
{
    struct import m = {.cli = c};
    const char *reason;
    int code = take_format(&m, cli_option(&argc, argv, "--format"));

    m.mailbox = cli_option(&argc, argv, "--mailbox");
    m.is_dry = cli_flag(&argc, argv, "--dry-run");
    m.plain_names = cli_flag(&argc, argv, "--keep-names");
    m.verbose = cli_flag(&argc, argv, "--verbose");
    if (code == CLI_OK) {
        code = take_maps(&m, &argc, argv);
    }
    if (code == CLI_OK) {
        code = cli_words_check(c, &argc, argv, 2, 2);
    }
    if (code != CLI_OK) {
        return code;
    }
    m.account = argv[1];
    m.path = argv[2];
    struct mail_source_options o = {.format = m.format, .skipped = on_skip, .arg = &m};
    enum err e = mail_source_open(m.path, &o, &m.source, &reason);

    if (e != ERR_OK) {
        return cli_fail(c, e == ERR_NOT_FOUND ? CLI_NOT_FOUND : CLI_FAILED, "%s: %s", m.path,
                        reason);
    }
    code = run(&m);
    cli_link_close(m.link);
    spool_destroy(m.spool);
    mail_source_close(m.source);
    return code;
}
