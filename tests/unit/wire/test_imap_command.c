// SPDX-License-Identifier: Apache-2.0
#include "imap_rows.h"
#include "wire/imap/imap_mailbox.h"

static const struct imap_row frame_rows[] = {
    GOOD("a NOOP", "a NOOP "),
    GOOD("a noop", "a NOOP "),
    GOOD("A1.b]~ Logout", "A1.b]~ LOGOUT "),
    GOOD("a NOOP  ", "a NOOP "),
    GOOD("a capability", "a CAPABILITY "),
    GOOD("a CHECK", "a CHECK "),
    GOOD("a CLOSE", "a CLOSE "),
    GOOD("a IDLE", "a IDLE "),
    GOOD("a NAMESPACE", "a NAMESPACE "),
    GOOD("a STARTTLS", "a STARTTLS "),
    GOOD("a UNSELECT", "a UNSELECT "),
    GOOD("a EXPUNGE", "a EXPUNGE "),
    GOOD("a UID EXPUNGE 3,1:2", "a UID EXPUNGE  1:3"),
    BAD("", 0, "expected a tag and a space"),
    BAD("a", 0, "expected a tag and a space"),
    BAD(" NOOP", 0, "expected a tag and a space"),
    BAD("a+b NOOP", 0, "expected a tag and a space"),
    BAD("\x80 NOOP", 0, "expected a tag and a space"),
    BAD("a ", 2, "expected a command"),
    BAD("a  NOOP", 2, "expected a command"),
    BAD("a \"NOOP\"", 2, "expected a command"),
    BAD("a NOOP x", 7, "expected the end of the command"),
    BAD("a NOOP\"", 6, "expected the end of the command"),
    BAD("a UID", 5, "expected a space after UID"),
    BAD("a UID ", 6, "expected a command"),
    BAD("a UID EXPUNGE", 13, "expected a space and a sequence set"),
    BAD("a EXPUNGE 1", 10, "expected the end of the command"),
    FAULT(IMAP_FAULT_UNKNOWN, "a NOOPX", 2, "unknown command"),
    FAULT(IMAP_FAULT_UNKNOWN, "a XYZZY foo", 2, "unknown command"),
    FAULT(IMAP_FAULT_UNKNOWN, "a UID NOOP", 2, "this command has no UID form"),
    FAULT(IMAP_FAULT_UNKNOWN, "a UIDFETCH 1 FLAGS", 2, "unknown command"),
};

static void test_the_frame_of_commands(void **state)
{
    (void)state;
    CHECK_ROWS(frame_rows, .state = 0);
}

static const struct imap_row login_rows[] = {
    GOOD("a LOGIN joe secret", "a LOGIN 'joe''secret'"),
    GOOD("a LOGIN joe@example.org p]w+d", "a LOGIN 'joe@example.org''p]w+d'"),
    GOOD("a LOGIN \"j o e\" \"a\\\"b\\\\c\"", "a LOGIN 'j o e''a\"b\\5cc'"),
    GOOD("a LOGIN {3}\r\njoe {0+}\r\n", "a LOGIN 'joe'''"),
    GOOD("a LOGIN {5}\na\r\nb\" x", "a LOGIN 'a\\0d\\0ab\"''x'"),
    GOOD("a LOGIN \"\" \"\"", "a LOGIN ''''"),
    GOOD("a LOGIN \"\xc3\xa9\" x", "a LOGIN '\xc3\xa9''x'"),
    BAD("a LOGIN", 7, "expected a space after LOGIN"),
    BAD("a LOGIN ", 8, "expected a user name"),
    BAD("a LOGIN joe", 11, "expected a space after the user name"),
    BAD("a LOGIN joe ", 12, "expected a password"),
    BAD("a LOGIN joe  x", 12, "expected a password"),
    BAD("a LOGIN joe x y", 14, "expected the end of the command"),
    BAD("a LOGIN (joe) x", 8, "expected a user name"),
    BAD("a LOGIN \"joe x", 14, "expected a quote at the end of the quoted string"),
    BAD("a LOGIN \"jo\\e\" x", 12, "expected a quote or backslash after a backslash"),
    BAD("a LOGIN \"joe\\", 13, "expected a quote or backslash after a backslash"),
    BAD("a LOGIN \"jo\re\" x", 11, "a quoted string holds no NUL and no line end"),
    BAD("a LOGIN \"joe\"x y", 13, "expected a space after the user name"),
    BAD("a LOGIN {3}", 11, "expected a line end after the literal's announcement"),
    BAD("a LOGIN {x}\r\n", 9, "expected the literal's size in bytes"),
    BAD("a LOGIN {-1}\r\n", 9, "expected the literal's size in bytes"),
    BAD("a LOGIN {5-}\r\njoe", 10, "expected \"}\" after the literal's size"),
    BAD("a LOGIN {99999999999999999999}\r\n", 9, "expected the literal's size in bytes"),
    BAD("a LOGIN {9}\r\njoe x", 13, "the literal is cut short"),
    BAD("a LOGIN ~{3}\r\njoe x", 9, "expected a space after the user name"),
    BAD("a LOGIN {3}\r\njoe{1}\r\nx", 16, "expected a space after the user name"),
    BAD("a LOGIN joe\x80 x", 11, "expected a space after the user name"),
};

static const struct imap_row authenticate_rows[] = {
    GOOD("a AUTHENTICATE PLAIN", "a AUTHENTICATE 'PLAIN'"),
    GOOD("a AUTHENTICATE PLAIN =", "a AUTHENTICATE 'PLAIN' '='"),
    GOOD("a AUTHENTICATE SCRAM-SHA-256 AHg+/w==", "a AUTHENTICATE 'SCRAM-SHA-256' 'AHg+/w=='"),
    BAD("a AUTHENTICATE", 14, "expected a space after AUTHENTICATE"),
    BAD("a AUTHENTICATE ", 15, "expected a mechanism"),
    BAD("a AUTHENTICATE PLAIN \"x\"", 21, "expected the initial response in base64"),
    BAD("a AUTHENTICATE PLAIN AB CD", 24, "expected the end of the command"),
};

static void test_login_and_authenticate(void **state)
{
    (void)state;
    CHECK_ROWS(login_rows, .state = IMAP_STATE_NOT_AUTHENTICATED);
    CHECK_ROWS(authenticate_rows, .state = IMAP_STATE_NOT_AUTHENTICATED);
}

static const struct imap_row notify_rows[] = {
    GOOD("a NOTIFY NONE", "a NOTIFY NONE"),
    GOOD("a notify set (personal none)", "a NOTIFY SET (3 0)"),
    GOOD("a NOTIFY SET STATUS (SELECTED-DELAYED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (TO)]) "
         "MessageExpunge FlagChange)) (subtree Lists (MessageNew MessageExpunge MailboxName))",
         "a NOTIFY SET STATUS (1 7 UID BODY[HEADER.FIELDS (TO)]) (5'Lists' 13)"),
    GOOD("a NOTIFY SET (mailboxes (a \"b c\" {1}\r\nd) (SubscriptionChange)) (inboxes "
         "(MailboxMetadataChange ServerMetadataChange))",
         "a NOTIFY SET (6'a''b c''d' 20) (2 c0)"),
    GOOD("a NOTIFY SET (subscribed (Comet MessageExpunge messagenew AnnotationChange))",
         "a NOTIFY SET (4 10b)"),
    GOOD("a NOTIFY SET (selected (MessageNew ALL MessageExpunge))",
         "a NOTIFY SET (0 103)"), // an event of the future, not items
    BAD("a NOTIFY", 8, "expected a space and SET or NONE"),
    BAD("a NOTIFY ALL", 9, "expected SET or NONE"),
    BAD("a NOTIFY SET", 12, "expected a space and event groups"),
    BAD("a NOTIFY SET STATUS", 19, "expected a space and event groups"),
    BAD("a NOTIFY SET personal", 13, "expected \"(\" and an event group"),
    BAD("a NOTIFY SET (all (MessageNew))", 14, "expected mailboxes such as SELECTED or PERSONAL"),
    BAD("a NOTIFY SET (subtree (MessageNew))", 34, "expected a space and the events"),
    BAD("a NOTIFY SET (personal)", 22, "expected a space and the events"),
    BAD("a NOTIFY SET (personal MessageNew)", 23, "expected \"(\" and events, or NONE"),
    BAD("a NOTIFY SET (personal ())", 24, "expected an event such as MessageNew"),
    BAD("a NOTIFY SET (personal (MessageNew))", 23,
        "events of messages need both MessageNew and MessageExpunge"),
    BAD("a NOTIFY SET (personal (MessageNew (UID) MessageExpunge))", 34,
        "items to fetch go with the selected mailbox only"),
    BAD("a NOTIFY SET (selected (MailboxName))", 24,
        "only events of messages go with the selected mailbox"),
    BAD("a NOTIFY SET (selected NONE) (selected NONE)", 29,
        "the selected mailbox may stand once only"),
    BAD("a NOTIFY SET (personal NONE", 27, "expected \")\" after the events"),
    BAD("a NOTIFY SET (personal NONE) x", 29, "expected the end of the command"),
};

static void test_notify(void **state)
{
    (void)state;
    CHECK_ROWS(notify_rows, .state = IMAP_STATE_AUTHENTICATED);
}

static const struct imap_row mailbox_rows[] = {
    GOOD("a DELETE foo", "a DELETE 'foo'"),
    GOOD("a SUBSCRIBE \"a b/c\"", "a SUBSCRIBE 'a b/c'"),
    GOOD("a UNSUBSCRIBE {3}\r\nx*y", "a UNSUBSCRIBE 'x*y'"),
    GOOD("a DELETE iNbOx", "a DELETE 'INBOX'"),
    GOOD("a DELETE inbox/Foo", "a DELETE 'INBOX/Foo'"),
    GOOD("a DELETE inboxes", "a DELETE 'inboxes'"),
    GOOD("a DELETE &2D3eAA-", "a DELETE '\xf0\x9f\x98\x80'"),
    GOOD("a DELETE ~peter/mail/&U,BTFw-/&ZeVnLIqe-",
         "a DELETE '~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e'"),
    GOOD("a DELETE Tom&-Jerry", "a DELETE 'Tom&Jerry'"),
    GOOD("a DELETE e&AwE-", "a DELETE '\xc3\xa9'"), // NFC: one name for both spellings
    GOOD("a RENAME a b", "a RENAME 'a''b'"),
    GOOD("a RENAME a b/c/", "a RENAME 'a''b/c'"),
    GOOD("a CREATE foo", "a CREATE 'foo' ()"),
    GOOD("a CREATE foo/bar/", "a CREATE 'foo/bar' ()"),
    GOOD("a CREATE foo (USE (\\Sent \\junk))", "a CREATE 'foo' (\\Junk \\Sent)"),
    GOOD("a CREATE foo (use ())", "a CREATE 'foo' ()"),
    GOOD("a GETQUOTAROOT inbox", "a GETQUOTAROOT 'INBOX'"),
    GOOD("a GETQUOTA \"\"", "a GETQUOTA ''"),
    GOOD("a SETQUOTA \"\" (STORAGE 512 MESSAGE 9223372036854775807)",
         "a SETQUOTA '' 'STORAGE'=512 'MESSAGE'=9223372036854775807"),
    GOOD("a SETQUOTA r ()", "a SETQUOTA 'r'"),
    GOOD("a STATUS blurdybloop (UIDNEXT MESSAGES)", "a STATUS 'blurdybloop' 5"),
    GOOD("a STATUS x (messages recent uidnext uidvalidity unseen deleted size highestmodseq "
         "mailboxid appendlimit deleted-storage)",
         "a STATUS 'x' 7ff"),
    BAD("a DELETE", 8, "expected a space and a mailbox name"),
    BAD("a DELETE ", 9, "expected a mailbox name"),
    BAD("a DELETE a b", 11, "expected the end of the command"),
    BAD("a DELETE a*", 10, "expected the end of the command"),
    BAD("a RENAME a", 10, "expected a space after the mailbox name"),
    BAD("a CREATE foo bar", 13, "expected \"(\" before the parameters of CREATE"),
    BAD("a CREATE foo (", 14, "expected USE"),
    BAD("a CREATE foo (USED (\\Sent))", 14, "expected USE"),
    BAD("a CREATE foo (USE)", 17, "expected a space after USE"),
    BAD("a CREATE foo (USE (Sent))", 19, "expected a special use such as \\Sent"),
    BAD("a CREATE foo (USE (\\Sent)", 25, "expected \")\" after the parameters of CREATE"),
    FAULT(IMAP_FAULT_CANNOT, "a CREATE foo (USE (\\Seen))", 19, "there is no such special use"),
    BAD("a STATUS x", 10, "expected a space after the mailbox name"),
    BAD("a STATUS x ()", 12, "expected a status item such as MESSAGES"),
    BAD("a STATUS x MESSAGES", 11, "expected \"(\" before the status items"),
    BAD("a STATUS x (MESSAGES FOO)", 21, "expected a status item such as MESSAGES"),
    BAD("a STATUS x (MESSAGES", 20, "expected a space or \")\" after the status item"),
    BAD("a SETQUOTA r (STORAGE -1)", 22, "expected a number"),
    BAD("a SETQUOTA r (STORAGE 9223372036854775808)", 22, "expected a number"),
    // Names that cannot be (I-05).
    FAULT(IMAP_FAULT_CANNOT, "a DELETE \"\"", 9, "the mailbox name is empty"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE a//b", 9, "a mailbox name has no empty level"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE /a", 9, "a mailbox name has no empty level"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE a/", 9, "a mailbox name has no empty level"),
    FAULT(IMAP_FAULT_CANNOT, "a CREATE a//", 9, "a mailbox name has no empty level"),
    FAULT(IMAP_FAULT_CANNOT, "a CREATE /", 9, "a mailbox name has no empty level"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE ../x", 9, "a mailbox name has no level \".\" or \"..\""),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE a/./x", 9, "a mailbox name has no level \".\" or \"..\""),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE \"a\tb\"", 9,
          "the mailbox name is not valid modified UTF-7"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE &AAA-", 9, "the mailbox name is not valid modified UTF-7"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE &2AA-", 9, "the mailbox name is not valid modified UTF-7"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE &AC8-", 9, "the mailbox name is not valid modified UTF-7"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE &", 9, "the mailbox name is not valid modified UTF-7"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE \"\xc3\xa9\"", 9,
          "the mailbox name is not valid modified UTF-7"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE &AIU-", 9, "a mailbox name has no control characters"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE &ICg-", 9, "a mailbox name has no control characters"),
};

static void test_commands_with_mailboxes(void **state)
{
    (void)state;
    CHECK_ROWS(mailbox_rows, .state = IMAP_STATE_AUTHENTICATED);
}

static const struct imap_row utf8_rows[] = {
    GOOD("a DELETE \"\xc3\xa9\"", "a DELETE '\xc3\xa9'"),
    GOOD("a DELETE \"e\xcc\x81\"", "a DELETE '\xc3\xa9'"),
    GOOD("a DELETE &AC8-", "a DELETE '&AC8-'"), // "&" stands for itself
    FAULT(IMAP_FAULT_CANNOT, "a DELETE {1}\r\n\xc3", 9, "the mailbox name is not valid UTF-8"),
    FAULT(IMAP_FAULT_CANNOT, "a DELETE {1}\r\n\x01", 9, "a mailbox name has no control characters"),
    BAD("a DELETE \xc3\xa9", 9, "expected a mailbox name"),
};

static void test_names_after_enable(void **state)
{
    static const struct imap_row quoted[] = {
        BAD("a DELETE \"\xc3\"", 10, "expected valid UTF-8 in the quoted string")};

    (void)state;
    CHECK_ROWS(utf8_rows, .rev2 = true);
    CHECK_ROWS(utf8_rows, .utf8 = true);
    CHECK_ROWS(quoted, .utf8 = true);
}

// A name of `levels` levels of `bytes` bytes, in LIST's and DELETE's command.
static enum err parse_name(const char *command, size_t levels, size_t bytes,
                           struct imap_parse_error *error)
{
    struct buf text;
    struct arena arena;
    struct imap_command cmd;

    buf_init(&text, 1 << 20);
    arena_init(&arena, IMAP_ARENA_BYTES);
    buf_put_str(&text, command);
    for (size_t i = 0; i < levels * (bytes + 1) - 1; i++) {
        buf_put_byte(&text, i % (bytes + 1) == bytes ? '/' : 'x');
    }
    enum err e =
        imap_parse(buf_span(&text), &arena, &(struct imap_parse_options){.state = 0}, &cmd, error);

    arena_finish(&arena);
    buf_finish(&text);
    return e;
}

static void test_limits_of_names(void **state)
{
    struct imap_parse_error error;

    (void)state;
    assert_ok(parse_name("a CREATE ", 1, 255, &error));
    assert_err(parse_name("a CREATE ", 1, 256, &error), ERR_LIMIT);
    assert_span(span_from_str(error.expected), "a level of the mailbox name is over 255 bytes");
    assert_int_equal(error.fault, IMAP_FAULT_LIMIT);
    assert_ok(parse_name("a CREATE ", 64, 15, &error));
    assert_err(parse_name("a CREATE ", 65, 10, &error), ERR_LIMIT);
    assert_span(span_from_str(error.expected), "the mailbox name has over 64 levels");
    assert_ok(parse_name("a CREATE ", 41, 24, &error)); // 41 * 25 - 1 is 1024
    assert_err(parse_name("a CREATE ", 4, 256, &error), ERR_LIMIT);
    assert_span(span_from_str(error.expected), "the mailbox name is over 1024 bytes");
    assert_ok(parse_name("a LIST \"\" ", 1000, 3, &error));
}

static const struct imap_row select_rows[] = {
    GOOD("a SELECT inbox", "a SELECT 'INBOX'"),
    GOOD("a EXAMINE x", "a EXAMINE 'x'"),
    GOOD("a SELECT x (CONDSTORE)", "a SELECT 'x' condstore"),
    GOOD("a SELECT x (QRESYNC (67890007 20050715194045000))",
         "a SELECT 'x' qresync 67890007 20050715194045000   "),
    GOOD("a SELECT x (QRESYNC (1 2 41,43:211,214:541))",
         "a SELECT 'x' qresync 1 2 41,43:211,214:541  "),
    GOOD("a SELECT x (QRESYNC (1 2 1:9 (3:4,7 10,20,30)) CONDSTORE)",
         "a SELECT 'x' condstore qresync 1 2 1:9 3:4,7 10,20,30"),
    GOOD("a SELECT x (QRESYNC (1 2 (3 4)))", "a SELECT 'x' qresync 1 2  3 4"),
    BAD("a SELECT x CONDSTORE", 11, "expected \"(\" before the parameters of SELECT"),
    BAD("a SELECT x ()", 12, "expected CONDSTORE or QRESYNC"),
    BAD("a SELECT x (FOO)", 12, "expected CONDSTORE or QRESYNC"),
    BAD("a SELECT x (QRESYNC (1 2) QRESYNC (1 2))", 26, "expected CONDSTORE or QRESYNC"),
    BAD("a SELECT x (QRESYNC (0 2))", 21, "expected a UIDVALIDITY"),
    BAD("a SELECT x (QRESYNC (4294967296 2))", 21, "expected a UIDVALIDITY"),
    GOOD("a SELECT x (QRESYNC (1 0))", "a SELECT 'x' qresync 1 0   "),
    BAD("a SELECT x (QRESYNC (1 9223372036854775808))", 23, "expected a mod-sequence"),
    BAD("a SELECT x (QRESYNC (1))", 22, "expected a space after the UIDVALIDITY"),
    BAD("a SELECT x (QRESYNC (1 2 3:*))", 25, "\"*\" and \"$\" are not allowed here"),
    BAD("a SELECT x (QRESYNC (1 2 $))", 25, "\"*\" and \"$\" are not allowed here"),
    BAD("a SELECT x (QRESYNC (1 2 1:9 (1:2 3)))", 29,
        "expected as many message numbers as UIDs to match"),
    BAD("a SELECT x (QRESYNC (1 2 1:9 (1:2)))", 33, "expected a space after the message numbers"),
    BAD("a SELECT x (QRESYNC (1 2 1:9 x))", 29, "expected \"(\" before the sequence match data"),
};

static const struct imap_row list_rows[] = {
    GOOD("a LIST \"\" *", "a LIST ext=0 sel=0 ret=0 status=0 '' '*'"),
    GOOD("a LIST \"\" \"\"", "a LIST ext=0 sel=0 ret=0 status=0 '' ''"),
    GOOD("a LIST ~/Mail/ %", "a LIST ext=0 sel=0 ret=0 status=0 '~/Mail/' '%'"),
    GOOD("a LIST \"\" a%b*c]", "a LIST ext=0 sel=0 ret=0 status=0 '' 'a%b*c]'"),
    GOOD("a LIST \"\" \"&AOk-*\"", "a LIST ext=0 sel=0 ret=0 status=0 '' '\xc3\xa9*'"),
    GOOD("a LSUB \"\" {1}\r\n*", "a LSUB ext=0 sel=0 ret=0 status=0 '' '*'"),
    GOOD("a LIST () \"\" *", "a LIST ext=1 sel=0 ret=0 status=0 '' '*'"),
    GOOD("a LIST (SUBSCRIBED REMOTE RECURSIVEMATCH SPECIAL-USE) \"\" *",
         "a LIST ext=1 sel=f ret=0 status=0 '' '*'"),
    GOOD("a LIST \"\" (INBOX \"Drafts\" Sent/%)",
         "a LIST ext=1 sel=0 ret=0 status=0 '' 'INBOX' 'Drafts' 'Sent/%'"),
    GOOD("a LIST \"\" % RETURN ()", "a LIST ext=1 sel=0 ret=0 status=0 '' '%'"),
    GOOD("a LIST \"\" % RETURN (subscribed CHILDREN SPECIAL-USE STATUS (MESSAGES UNSEEN))",
         "a LIST ext=1 sel=0 ret=f status=11 '' '%'"),
    BAD("a LIST", 6, "expected a space and a reference name"),
    BAD("a LIST \"\"", 9, "expected a space after the reference name"),
    BAD("a LIST \"\" ", 10, "expected a mailbox name or pattern"),
    BAD("a LIST % *", 7, "expected a reference name"),
    BAD("a LIST (FOO) \"\" *", 8, "expected a selection option such as SUBSCRIBED"),
    BAD("a LIST (RECURSIVEMATCH) \"\" *", 7, "RECURSIVEMATCH needs another selection option"),
    BAD("a LIST (REMOTE RECURSIVEMATCH) \"\" *", 7,
        "RECURSIVEMATCH needs another selection option"),
    BAD("a LIST \"\" ()", 11, "expected a mailbox name or pattern"),
    BAD("a LIST \"\" (a b", 14, "expected a space or \")\" after the pattern"),
    BAD("a LIST \"\" * FOO", 12, "expected RETURN or the end of the command"),
    BAD("a LIST \"\" * RETURN", 18, "expected a space after RETURN"),
    BAD("a LIST \"\" * RETURN (FOO)", 20, "expected a return option such as CHILDREN"),
    BAD("a LIST \"\" * RETURN (STATUS)", 26, "expected a space after STATUS"),
    BAD("a LSUB (SUBSCRIBED) \"\" *", 7, "expected a reference name"),
    BAD("a LSUB \"\" (a b)", 10, "expected a mailbox name or pattern"),
    BAD("a LSUB \"\" * RETURN ()", 12, "expected the end of the command"),
    FAULT(IMAP_FAULT_CANNOT, "a LIST \"\" &*", 10, "the mailbox name is not valid modified UTF-7"),
};

static void test_select_and_list(void **state)
{
    (void)state;
    CHECK_ROWS(select_rows, .state = IMAP_STATE_SELECTED);
    CHECK_ROWS(list_rows, .state = IMAP_STATE_AUTHENTICATED);
}

static const struct imap_row id_rows[] = {
    GOOD("a ID NIL", "a ID "),
    GOOD("a ID ()", "a ID "),
    GOOD("a ID (\"name\" \"x\" \"version\" NIL)", "a ID 'name'='x' 'version'=NIL"),
    GOOD("a ENABLE CONDSTORE", "a ENABLE 1"),
    GOOD("a ENABLE X-FOO qresync utf8=accept imap4rev2", "a ENABLE e"),
    GOOD("a ENABLE uidonly", "a ENABLE 10"),
    BAD("a ID", 4, "expected a space and a list of fields or NIL"),
    BAD("a ID NILS", 5, "expected \"(\" or NIL"),
    BAD("a ID (name \"x\")", 6, "expected a field name as a string"),
    BAD("a ID (\"name\")", 12, "expected a space after the field name"),
    BAD("a ID (\"name\" x)", 13, "expected a value as a string or NIL"),
    FAULT(IMAP_FAULT_LIMIT, "a ID (\"1234567890123456789012345678901\" NIL)", 6,
          "a field of ID has a name over 30 or a value over 1024 bytes"),
    BAD("a ENABLE", 8, "expected a space and a capability"),
    BAD("a ENABLE (x)", 9, "expected a capability"),
};

static void test_id_and_enable(void **state)
{
    struct buf text;
    struct arena arena;
    struct imap_command cmd;
    struct imap_parse_error error;

    (void)state;
    CHECK_ROWS(id_rows, .state = IMAP_STATE_AUTHENTICATED);
    buf_init(&text, 4096);
    arena_init(&arena, IMAP_ARENA_BYTES);
    buf_put_str(&text, "a ID (\"k\" \"v\"");
    for (int i = 0; i < 30; i++) {
        buf_put_str(&text, " \"k\" \"v\"");
    }
    buf_put_byte(&text, ')');
    assert_err(
        imap_parse(buf_span(&text), &arena, &(struct imap_parse_options){.state = 0}, &cmd, &error),
        ERR_LIMIT);
    assert_span(span_from_str(error.expected), "ID has over 30 fields");
    arena_finish(&arena);
    buf_finish(&text);
}

static const struct imap_row append_rows[] = {
    GOOD("a APPEND x {310}", "a APPEND 'x' () 310"),
    GOOD("a APPEND x {310+}", "a APPEND 'x' () 310+"),
    GOOD("a APPEND x (\\Seen $Junk) {0}", "a APPEND 'x' (\\Seen $Junk) 0"),
    GOOD("a APPEND x \"17-Jul-1996 02:44:25 -0700\" {5}",
         "a APPEND 'x' () 17-Jul-1996 02:44:25 -0700 5"),
    GOOD("a APPEND {3}\r\nfoo () \" 7-Jul-1996 02:44:25 +0000\" ~{5}",
         "a APPEND 'foo' ()  7-Jul-1996 02:44:25 +0000 5 literal8"),
    GOOD("a APPEND x UTF8 (~{5+}", "a APPEND 'x' () 5+ literal8 utf8"),
    GOOD("a APPEND x {18446744073709551614}", "a APPEND 'x' () 18446744073709551614"),
    BAD("a APPEND x", 10, "expected a space before the message"),
    BAD("a APPEND x ", 11, "expected the message as a literal"),
    BAD("a APPEND x foo {3}", 11, "expected the message as a literal"),
    BAD("a APPEND x (\\Recent) {3}", 12,
        "expected \\Seen, \\Answered, \\Flagged, \\Deleted, \\Draft or a keyword"),
    BAD("a APPEND x (\\Seen){3}", 18, "expected a space after the flags"),
    BAD("a APPEND x \"17-Jul-1996\" {3}", 11,
        "expected a date such as \"17-Jul-1996 02:44:25 -0700\""),
    BAD("a APPEND x \"31-Feb-1996 02:44:25 -0700\" {3}", 11,
        "expected a date such as \"17-Jul-1996 02:44:25 -0700\""),
    BAD("a APPEND x UTF8 ({5}", 17, "expected a literal8 in UTF8 (...)"),
    BAD("a APPEND x UTF8 ~{5}", 16, "expected \"(\" after UTF8"),
    BAD("a APPEND x {5-}", 13, "expected \"}\" after the literal's size"),
    BAD("a APPEND x {3}\r\nabc", 14, "expected the literal's bytes next"),
    GOOD("a APPEND x (\\Seen) CATENATE (URL /a/;UID=1 URL \"b c\" TEXT {5}",
         "a APPEND 'x' (\\Seen) catenate('/a/;UID=1''b c' text 5"),
    GOOD("a APPEND x CATENATE (URL {5+}", "a APPEND 'x' () catenate( url 5+"),
    GOOD("a APPEND x CATENATE (UTF8 (~{5}", "a APPEND 'x' () catenate( text 5 literal8 utf8"),
    GOOD("a APPEND x CATENATE (URL y) (\\Seen) {5}",
         "a APPEND 'x' () catenate('y') rest ' (\\5cSeen) {5}'"),
    BAD("a APPEND x CATENATE ()", 21, "expected TEXT or URL"),
    BAD("a APPEND x CATENATE (URL y", 26, "expected a space or \")\" after the URL"),
    BAD("a APPEND x CATENATE (TEXT \"y\")", 26, "expected the text as a literal"),
    BAD("a APPEND x CATENATE (URL ~{5}", 26, "expected a space or \")\" after the URL"),
    BAD("a APPEND x \"foo", 15, "expected a quote at the end of the quoted string"),
};

static void test_append(void **state)
{
    (void)state;
    CHECK_ROWS(append_rows, .state = IMAP_STATE_AUTHENTICATED);
}

static void test_append_next(void **state)
{
    static const struct {
        const char *in;
        enum { PLAIN = 0, UTF8 = 1, PART, PART_UTF8, WHOLE } after;
        const char *want; // dump, "" for the end, NULL for a refusal
        const char *because;
    } rows[] = {
        {"", PLAIN, "", NULL},
        {" ", PLAIN, "", NULL},
        {")", UTF8, "", NULL},
        {" {3}", PLAIN, "() 3", NULL},
        {" (\\Seen) {3+}", PLAIN, "(\\Seen) 3+", NULL},
        {") () \"17-Jul-1996 02:44:25 -0700\" UTF8 (~{3}", UTF8,
         "() 17-Jul-1996 02:44:25 -0700 3 literal8 utf8", NULL},
        {"", UTF8, NULL, "expected \")\" after the message"},
        {")", PLAIN, NULL, "expected a space before the message"},
        {"x", PLAIN, NULL, "expected a space before the message"},
        {" x", PLAIN, NULL, "expected the message as a literal"},
        {")", PART, "() more() rest ''", NULL},
        {") {3}", PART, "() more() rest ' {3}'", NULL},
        {" TEXT {3}", PART, "() more( text 3", NULL},
        {" URL a URL b)", PART, "() more('a''b') rest ''", NULL},
        {" URL a TEXT {3}", PART, "() more('a' text 3", NULL},
        {")) (\\Seen) {3}", PART_UTF8, "() more() rest ' (\\5cSeen) {3}'", NULL},
        {")", PART_UTF8, NULL, "expected a space or \")\" after the part"},
        {" {3}", WHOLE, "() 3", NULL},
        {"", WHOLE, "", NULL},
        {"", PART, NULL, "expected a space or \")\" after the part"},
        {" (\\Seen) TEXT {3}", PART, NULL, "expected TEXT or URL"},
        {")x", WHOLE, NULL, "expected a space before the message"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct imap_append_message message,
            previous = {.utf8 = rows[i].after == UTF8 || rows[i].after == PART_UTF8,
                        .is_catenate = rows[i].after >= PART,
                        .next = rows[i].after < PART     ? IMAP_APPEND_MESSAGE
                                : rows[i].after == WHOLE ? IMAP_APPEND_WHOLE
                                                         : IMAP_APPEND_TEXT};
        struct imap_parse_error error;
        struct buf got;
        bool end = false;

        arena_init(&arena, 65536);
        buf_init(&got, 4096);
        enum err e = imap_parse_append_next(span_from_str(rows[i].in), &arena,
                                            &(struct imap_parse_options){.state = 0}, &previous,
                                            &end, &message, &error);
        if (e) {
            buf_put_str(&got, error.expected);
        } else if (!end) {
            imap_dump_append(&got, &message);
        }
        assert_span(buf_span(&got), rows[i].want ? rows[i].want : rows[i].because);
        assert_int_equal(e != ERR_OK, rows[i].want == NULL);
        buf_finish(&got);
        arena_finish(&arena);
    }
}

static void test_states(void **state)
{
    static const struct imap_row before[] = {
        FAULT(IMAP_FAULT_STATE, "a SELECT x", 8, "this command needs a login first"),
        // Nothing of the arguments is read.
        FAULT(IMAP_FAULT_STATE, "a FETCH ((((", 7, "this command needs a login first"),
        GOOD("a ID NIL", "a ID "),
    };
    static const struct imap_row after[] = {
        FAULT(IMAP_FAULT_STATE, "a LOGIN a b", 7, "this command is for before the login only"),
        FAULT(IMAP_FAULT_STATE, "a STARTTLS", 10, "this command is for before the login only"),
        FAULT(IMAP_FAULT_STATE, "a FETCH 1 FLAGS", 7, "this command needs a selected mailbox"),
        FAULT(IMAP_FAULT_STATE, "a CLOSE", 7, "this command needs a selected mailbox"),
    };

    (void)state;
    CHECK_ROWS(before, .state = IMAP_STATE_NOT_AUTHENTICATED);
    CHECK_ROWS(after, .state = IMAP_STATE_AUTHENTICATED);
    for (int id = 0; id < IMAP_COMMAND__COUNT; id++) {
        assert_non_null(imap_command_name((enum imap_command_id)id));
        assert_true(imap_command_states((enum imap_command_id)id) != 0);
    }
}

// RFC 9586: each place in which a message number can stand.
static void test_uids_only(void **state)
{
    static const char why[] = "message numbers are not allowed once UIDONLY is enabled";
    static const struct imap_row rows[] = {
        // Nothing of the arguments is read.
        FAULT(IMAP_FAULT_UID_REQUIRED, "a FETCH ((((", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a STORE 1 +FLAGS (x)", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a COPY 1 x", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a MOVE 1 x", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a SEARCH ALL", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a SORT (DATE) UTF-8 ALL", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a THREAD REFS UTF-8 ALL", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a REPLACE 1 x {1+}", 2, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a UID SEARCH SEEN 1:3", 18, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a UID SEARCH NOT *", 17, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a UID SEARCH OR SEEN (UID 1 $)", 28, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a SELECT x (QRESYNC (1 2 (1 1)))", 25, why),
        FAULT(IMAP_FAULT_UID_REQUIRED, "a SELECT x (QRESYNC (1 2 1:9 (1 1)))", 29, why),
        GOOD("a UID SEARCH UID 1:*,$", "a UID SEARCH and(uid 1:*,$)"),
        GOOD("a EXPUNGE", "a EXPUNGE "),
    };

    (void)state;
    CHECK_ROWS(rows, .uid_only = true, .state = IMAP_STATE_SELECTED);
}

static void test_the_tag_of_broken_commands(void **state)
{
    (void)state;
    assert_span(imap_peek_tag(SPAN("a1 FETCH 1 (")), "a1");
    assert_span(imap_peek_tag(SPAN("a1")), "");
    assert_span(imap_peek_tag(SPAN("a+ x")), "");
    assert_span(imap_peek_tag(SPAN("* x")), "");
    assert_span(imap_peek_tag(SPAN("")), "");
}

// A command that needs more than the arena may hold is refused, not half done.
static void test_a_full_arena(void **state)
{
    struct arena arena;
    struct imap_command cmd = {.id = IMAP_COMMAND__COUNT};
    struct imap_parse_error error;
    static const char *const commands[] = {
        "a DELETE foo",  "a FETCH 1 FLAGS",   "a SEARCH ALL",
        "a LIST \"\" *", "a STORE 1 FLAGS x", "a LOGIN \"\\\"\" x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        arena_init(&arena, 0);
        assert_err(imap_parse(span_from_str(commands[i]), &arena,
                              &(struct imap_parse_options){.state = 0}, &cmd, &error),
                   ERR_NOMEM);
        assert_int_equal(error.fault, IMAP_FAULT_LIMIT);
        assert_int_equal(cmd.id, IMAP_COMMAND__COUNT);
        arena_finish(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_frame_of_commands),
        cmocka_unit_test(test_login_and_authenticate),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_commands_with_mailboxes),
        cmocka_unit_test(test_names_after_enable),
        cmocka_unit_test(test_limits_of_names),
        cmocka_unit_test(test_select_and_list),
        cmocka_unit_test(test_id_and_enable),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_append_next),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_uids_only),
        cmocka_unit_test(test_the_tag_of_broken_commands),
        cmocka_unit_test(test_a_full_arena),
    };

    return cmocka_run_group_tests_name("imap_command", tests, NULL, NULL);
}
