// SPDX-License-Identifier: Apache-2.0
//
// SELECT and EXAMINE with the parameters of RFC 7162 sections 3.1.8 and 3.2.5, and STATUS.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

// A set in which "*" and "$" have no meaning: what the client knew.
static enum err take_known_set(struct imap_cursor *c, struct imap_seqset *out)
{
    size_t from = c->at;

    TRY(imap_take_seqset(c, out));
    if (out->star_from || out->saved) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "\"*\" and \"$\" are not allowed here");
    }
    return ERR_OK;
}

// "(1,3:5 10,12:14)"
static enum err take_seq_match(struct imap_cursor *c, struct imap_qresync *q)
{
    size_t from = c->at;

    TRY(imap_check_numbers(c, from));
    TRY(imap_take_byte(c, '(', "expected \"(\" before the sequence match data"));
    TRY(take_known_set(c, &q->match_seqs));
    TRY(imap_take_space(c, "expected a space after the message numbers"));
    TRY(take_known_set(c, &q->match_uids));
    if (imap_seqset_count(&q->match_seqs) != imap_seqset_count(&q->match_uids)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                         "expected as many message numbers as UIDs to match");
    }
    return imap_take_byte(c, ')', "expected \")\" after the sequence match data");
}

static enum err take_qresync(struct imap_cursor *c, struct imap_qresync *q)
{
    uint64_t validity;

    TRY(imap_take_space(c, "expected a space after QRESYNC"));
    TRY(imap_take_byte(c, '(', "expected \"(\" after QRESYNC"));
    TRY(imap_take_number(c, 1, UINT32_MAX, "expected a UIDVALIDITY", &validity));
    q->uidvalidity = (uint32_t)validity;
    TRY(imap_take_space(c, "expected a space after the UIDVALIDITY"));
    TRY(imap_take_number(c, 0, IMAP_NUMBER_MAX, "expected a mod-sequence", &q->modseq));
    bool more = imap_take(c, ' ');

    if (more && imap_peek(c) != '(') {
        TRY(take_known_set(c, &q->known_uids));
        more = imap_take(c, ' ');
    }
    if (more) {
        TRY(take_seq_match(c, q));
    }
    return imap_take_byte(c, ')', "expected \")\" after the parameters of QRESYNC");
}

static enum err take_select_parameter(struct imap_cursor *c, struct imap_select *s)
{
    if (imap_take_word(c, SPAN("CONDSTORE"))) {
        s->condstore = true;
        return ERR_OK;
    }
    if (!s->has_qresync && imap_take_word(c, SPAN("QRESYNC"))) {
        s->has_qresync = true;
        return take_qresync(c, &s->qresync);
    }
    return imap_expected(c, "expected CONDSTORE or QRESYNC");
}

enum err imap_parse_select(struct imap_cursor *c, struct imap_command *out)
{
    bool end = false;

    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    TRY(imap_take_mailbox(c, false, &out->select.mailbox));
    if (!imap_take(c, ' ') || imap_at_end(c)) {
        return ERR_OK;
    }
    TRY(imap_take_byte(c, '(', "expected \"(\" before the parameters of SELECT"));
    while (!end) {
        TRY(take_select_parameter(c, &out->select));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the parameter", &end));
    }
    return ERR_OK;
}

const struct imap_word imap_status_items[] = {
    {"MESSAGES", IMAP_STATUS_MESSAGES},
    {"RECENT", IMAP_STATUS_RECENT},
    {"UIDNEXT", IMAP_STATUS_UIDNEXT},
    {"UIDVALIDITY", IMAP_STATUS_UIDVALIDITY},
    {"UNSEEN", IMAP_STATUS_UNSEEN},
    {"DELETED", IMAP_STATUS_DELETED},
    {"SIZE", IMAP_STATUS_SIZE},
    {"HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ},
    {"MAILBOXID", IMAP_STATUS_MAILBOXID},
    {"APPENDLIMIT", IMAP_STATUS_APPENDLIMIT},
    {"DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE},
    {NULL, 0},
};

enum err imap_take_status_items(struct imap_cursor *c, uint32_t *out)
{
    bool end = false;

    TRY(imap_take_byte(c, '(', "expected \"(\" before the status items"));
    while (!end) {
        uint32_t bit;

        TRY(imap_take_table_word(c, imap_status_items, "expected a status item such as MESSAGES",
                                 &bit));
        *out |= bit;
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the status item", &end));
    }
    return ERR_OK;
}

enum err imap_parse_status(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and a mailbox name"));
    TRY(imap_take_mailbox(c, false, &out->status.mailbox));
    TRY(imap_take_space(c, "expected a space after the mailbox name"));
    return imap_take_status_items(c, &out->status.items);
}
