// SPDX-License-Identifier: Apache-2.0
#include "imap_rows.h"

static const struct imap_row search_rows[] = {
    GOOD("a SEARCH ALL", "a SEARCH and(all)"),
    GOOD("a UID SEARCH all ", "a UID SEARCH and(all)"),
    GOOD("a SEARCH 2:4,7 UID 1:* $ *", "a SEARCH and(set 2:4,7 uid 1:* set $ set *)"),
    GOOD("a SEARCH ANSWERED DELETED DRAFT FLAGGED RECENT SEEN",
         "a SEARCH and(flag \\Answered flag \\Deleted flag \\Draft flag \\Flagged flag \\Recent "
         "flag \\Seen)"),
    GOOD("a SEARCH UNANSWERED undeleted UNDRAFT UNFLAGGED OLD UNSEEN",
         "a SEARCH and(!flag \\Answered !flag \\Deleted !flag \\Draft !flag \\Flagged "
         "!flag \\Recent !flag \\Seen)"),
    GOOD("a SEARCH NEW NOT NEW",
         "a SEARCH and(and(flag \\Recent !flag \\Seen) !and(flag \\Recent !flag \\Seen))"),
    GOOD("a SEARCH KEYWORD $Junk UNKEYWORD x NOT UNKEYWORD y",
         "a SEARCH and(keyword'$Junk' !keyword'x' keyword'y')"),
    GOOD("a SEARCH KEYWORD \\Seen", "a SEARCH and(flag \\Seen)"),
    GOOD("a SEARCH FROM Smith TO \"a b\" CC {2}\r\nx( BCC x BODY x TEXT x SUBJECT \"\"",
         "a SEARCH and(from'Smith' to'a b' cc'x(' bcc'x' body'x' text'x' subject'')"),
    GOOD("a SEARCH HEADER Message-ID \"<a@b>\" HEADER x \"\"",
         "a SEARCH and(header'Message-ID''<a@b>' header'x''')"),
    GOOD("a SEARCH BEFORE 1-Feb-1994 ON \"01-feb-1994\" SINCE 31-DEC-9999",
         "a SEARCH and(before 1-Feb-1994 on 1-Feb-1994 since 31-Dec-9999)"),
    GOOD("a SEARCH SENTBEFORE 1-Feb-1994 SENTON 1-Feb-1994 SENTSINCE 1-Feb-1994",
         "a SEARCH and(sentbefore 1-Feb-1994 senton 1-Feb-1994 sentsince 1-Feb-1994)"),
    GOOD("a SEARCH SAVEDBEFORE 1-Feb-1994 SAVEDON 1-Feb-1994 SAVEDSINCE 1-Feb-1994 "
         "SAVEDATESUPPORTED",
         "a SEARCH and(savedbefore 1-Feb-1994 savedon 1-Feb-1994 savedsince 1-Feb-1994 "
         "savedatesupported)"),
    GOOD("a SEARCH LARGER 0 SMALLER 9223372036854775807 OLDER 1 YOUNGER 4294967295",
         "a SEARCH and(larger 0 smaller 9223372036854775807 older 1 younger 4294967295)"),
    GOOD("a SEARCH MODSEQ 620162338", "a SEARCH and(modseq 620162338) uses-modseq"),
    // ESEARCH (RFC 7377).
    GOOD("a ESEARCH ALL", "a UID ESEARCH and(all)"),
    GOOD("a UID ESEARCH RETURN (COUNT) 1:100", "a UID ESEARCH return=8 and(set 1:100)"),
    GOOD("a ESEARCH IN (selected) UNSEEN", "a UID ESEARCH selected and(!flag \\Seen)"),
    GOOD("a esearch in (MAILBOXES folder1 subtree \"folder2\") return (min) charset utf-8 1",
         "a UID ESEARCH mailboxes'folder1' subtree'folder2' return=1 charset 'utf-8' and(set 1)"),
    GOOD("a ESEARCH IN (subtree-one (a {1}\r\nb inbox) inboxes personal subscribed) NOT (1 2)",
         "a UID ESEARCH subtree-one'a''b''INBOX' inboxes personal subscribed and(!and(set 1 set "
         "2))"),
    BAD("a ESEARCH", 9, "expected a space and a search key"),
    BAD("a ESEARCH IN", 12, "expected a space after IN"),
    BAD("a ESEARCH IN selected ALL", 13, "expected \"(\" after IN"),
    BAD("a ESEARCH IN () ALL", 14, "expected a source such as personal or subtree"),
    BAD("a ESEARCH IN (selected-delayed) ALL", 14, "expected a source such as personal or subtree"),
    BAD("a ESEARCH IN (mailboxes) ALL", 23, "expected a space and a mailbox name"),
    BAD("a ESEARCH IN (subtree ()) ALL", 23, "expected a mailbox name"),
    BAD("a ESEARCH IN (subtree (a b) ALL", 28, "expected a source such as personal or subtree"),
    BAD("a ESEARCH IN (personal (x y)) ALL", 23, "there are no options for the scope of a search"),
    BAD("a ESEARCH IN (personal)", 23, "expected a space after the sources"),
    BAD("a ESEARCH IN (personal) ", 24, "expected a search key such as UNSEEN"),
    GOOD("a SEARCH UIDAFTER 25000 NOT UIDBEFORE 4294967295",
         "a SEARCH and(uidafter 25000 !uidbefore 4294967295)"),
    BAD("a SEARCH UIDAFTER 0", 18, "expected a UID"),
    BAD("a SEARCH UIDBEFORE 4294967296", 19, "expected a UID"),
    GOOD("a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
         "a SEARCH and(modseq 620162338) uses-modseq"),
    GOOD("a SEARCH EMAILID M6d99ac3275bb4e THREADID T1",
         "a SEARCH and(emailid'M6d99ac3275bb4e' threadid'T1')"),
    // The tree.
    GOOD("a SEARCH NOT SEEN", "a SEARCH and(!flag \\Seen)"),
    GOOD("a SEARCH NOT NOT SEEN", "a SEARCH and(flag \\Seen)"),
    GOOD("a SEARCH NOT UNSEEN", "a SEARCH and(flag \\Seen)"),
    GOOD("a SEARCH OR SEEN 1 2", "a SEARCH and(or(flag \\Seen set 1) set 2)"),
    GOOD("a SEARCH OR 1 OR 2 OR 3 4", "a SEARCH and(or(set 1 set 2 set 3 set 4))"),
    GOOD("a SEARCH OR OR 1 2 3 4", "a SEARCH and(or(set 1 set 2 set 3) set 4)"),
    GOOD("a SEARCH OR NOT OR 1 2 3", "a SEARCH and(or(!or(set 1 set 2) set 3))"),
    GOOD("a SEARCH (1 2) 3", "a SEARCH and(and(set 1 set 2) set 3)"),
    GOOD("a SEARCH ((1))", "a SEARCH and(and(and(set 1)))"),
    GOOD("a SEARCH NOT (1 NOT 2)", "a SEARCH and(!and(set 1 !set 2))"),
    GOOD("a SEARCH OR (1 2) (3 OR 4 5) 6",
         "a SEARCH and(or(and(set 1 set 2) and(set 3 or(set 4 set 5))) set 6)"),
    GOOD("a SEARCH OR (1) 2", "a SEARCH and(or(and(set 1) set 2))"),
    // Options.
    GOOD("a SEARCH RETURN () 1", "a SEARCH return=4 and(set 1)"),
    GOOD("a SEARCH RETURN (MIN max COUNT) 1", "a SEARCH return=b and(set 1)"),
    GOOD("a SEARCH RETURN (ALL SAVE) CHARSET utf-8 TEXT {4}\r\n\xd0\xb1\xd0\xb0",
         "a SEARCH return=14 charset 'utf-8' and(text'\xd0\xb1\xd0\xb0')"),
    GOOD("a SEARCH CHARSET \"UTF-8\" ALL", "a SEARCH charset 'UTF-8' and(all)"),
    BAD("a SEARCH", 8, "expected a space and a search key"),
    BAD("a SEARCH ", 9, "expected a search key such as UNSEEN"),
    BAD("a SEARCH FOO", 9, "unknown search key"),
    BAD("a SEARCH ALL FOO", 13, "unknown search key"),
    BAD("a SEARCH ALLX", 9, "unknown search key"),
    BAD("a SEARCH ALL)", 12, "expected the end of the command"),
    BAD("a SEARCH ()", 10, "expected a search key such as UNSEEN"),
    BAD("a SEARCH (ALL", 13, "expected a space or \")\" after the search key"),
    BAD("a SEARCH (ALL ", 14, "expected a search key such as UNSEEN"),
    BAD("a SEARCH NOT", 12, "expected a space after NOT"),
    BAD("a SEARCH NOT ", 13, "expected a search key such as UNSEEN"),
    BAD("a SEARCH OR", 11, "expected a space after OR"),
    BAD("a SEARCH OR ALL", 15, "expected a space and another operand of OR"),
    BAD("a SEARCH (OR ALL) ALL", 16, "expected a space and another operand of OR"),
    BAD("a SEARCH FROM", 13, "expected a space after the search key"),
    BAD("a SEARCH FROM ", 14, "expected a text to search for"),
    BAD("a SEARCH HEADER x", 17, "expected a space after the field's name"),
    BAD("a SEARCH ON 30-Feb-1994", 12, "expected a date such as 1-Feb-1994"),
    BAD("a SEARCH ON yesterday", 12, "expected a date such as 1-Feb-1994"),
    BAD("a SEARCH LARGER -1", 16, "expected a number"),
    BAD("a SEARCH LARGER 9223372036854775808", 16, "expected a number"),
    BAD("a SEARCH OLDER 0", 15, "expected a number of seconds"),
    BAD("a SEARCH OLDER 4294967296", 15, "expected a number of seconds"),
    BAD("a SEARCH UID x", 13, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a SEARCH 1:x", 11, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a SEARCH 1,,2", 11, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a SEARCH KEYWORD \\Foo", 17, "there is no such system flag"),
    BAD("a SEARCH MODSEQ \"/flags/x\" some 5", 27, "expected priv, shared or all"),
    BAD("a SEARCH RETURN MIN ALL", 16, "expected \"(\" after RETURN"),
    BAD("a SEARCH RETURN (FOO) ALL", 17,
        "expected MIN, MAX, ALL, COUNT, PARTIAL, SAVE, UPDATE or CONTEXT"),
    BAD("a SEARCH RETURN (MIN)", 21, "expected a space after the return options"),
    BAD("a SEARCH CHARSET", 16, "expected a space after CHARSET"),
    BAD("a SEARCH CHARSET x", 18, "expected a space after the charset"),
};

static const struct imap_row sort_rows[] = {
    GOOD("a SORT (DATE) UTF-8 ALL", "a SORT 2 charset 'UTF-8' and(all)"),
    GOOD("a uid sort (subject reverse date) \"us-ascii\" 1 SEEN",
         "a UID SORT 7 -2 charset 'us-ascii' and(set 1 flag \\Seen)"),
    GOOD("a SORT (ARRIVAL CC DISPLAYFROM DISPLAYTO FROM SIZE TO) x ALL",
         "a SORT 0 1 3 4 5 6 8 charset 'x' and(all)"),
    GOOD("a SORT (REVERSE SIZE SIZE REVERSE SIZE) x ALL", "a SORT -6 charset 'x' and(all)"),
    GOOD("a SORT RETURN () (DATE) x 1", "a SORT 2 return=4 charset 'x' and(set 1)"),
    GOOD("a SORT RETURN (PARTIAL 1:5 COUNT) (DATE) x 1",
         "a SORT 2 return=28 partial 1:5 charset 'x' and(set 1)"),
    GOOD("a SEARCH RETURN (PARTIAL -4294967295:-1) 1",
         "a SEARCH return=20 partial -4294967295:1 and(set 1)"),
    GOOD("a SEARCH RETURN (UPDATE CONTEXT) 1", "a SEARCH return=c0 and(set 1)"),
    GOOD("a SEARCH RETURN (UPDATE (UID BODY.PEEK[HEADER.FIELDS (TO FROM)]) COUNT) 1",
         "a SEARCH return=88 items=2 and(set 1)"),
    GOOD("a SORT RETURN (COUNT UPDATE (FLAGS)) (DATE) UTF-8 1",
         "a SORT 2 return=88 items=1 charset 'UTF-8' and(set 1)"),
    BAD("a SEARCH RETURN (UPDATE ()) 1", 25, "expected a FETCH item such as FLAGS"),
    BAD("a SEARCH RETURN (UPDATE FLAGS) 1", 24,
        "expected MIN, MAX, ALL, COUNT, PARTIAL, SAVE, UPDATE or CONTEXT"),
    BAD("a SEARCH RETURN (UPDATE (FLAGS) (UID)) 1", 32,
        "expected MIN, MAX, ALL, COUNT, PARTIAL, SAVE, UPDATE or CONTEXT"),
    BAD("a SEARCH RETURN (COUNT (FLAGS)) 1", 23,
        "expected MIN, MAX, ALL, COUNT, PARTIAL, SAVE, UPDATE or CONTEXT"),
    GOOD("a THREAD REFERENCES UTF-8 SUBJECT {1}\r\nx",
         "a THREAD 1 charset 'UTF-8' and(subject'x')"),
    GOOD("a UID THREAD orderedsubject UTF-8 ALL", "a UID THREAD 0 charset 'UTF-8' and(all)"),
    GOOD("a THREAD REFS UTF-8 ALL", "a THREAD 2 charset 'UTF-8' and(all)"),
    GOOD("a CANCELUPDATE \"b1\" \"b2\"", "a CANCELUPDATE 'b1''b2'"),
    GOOD("a COMPARATOR", "a COMPARATOR "),
    GOOD("a COMPARATOR \"cz;*\" i;basic", "a COMPARATOR 'cz;*''i;basic'"),
    GOOD("a LANGUAGE de en-GB", "a LANGUAGE 'de''en-GB'"),
    BAD("a SORT", 6, "expected a space and sort criteria"),
    BAD("a SORT DATE UTF-8 ALL", 7, "expected \"(\" and sort criteria"),
    BAD("a SORT () UTF-8 ALL", 8, "expected a sort criterion such as DATE"),
    BAD("a SORT (REVERSE) UTF-8 ALL", 15, "expected a space after REVERSE"),
    BAD("a SORT (REVERSE REVERSE DATE) UTF-8 ALL", 16, "expected a sort criterion such as DATE"),
    BAD("a SORT (DATE) UTF-8", 19, "expected a space and a search key"),
    BAD("a SORT (DATE) ALL", 17, "expected a space and a search key"),
    BAD("a SORT (DATE)", 13, "expected a space and a charset"),
    BAD("a SEARCH RETURN (PARTIAL) 1", 24, "expected a space after PARTIAL"),
    BAD("a SEARCH RETURN (PARTIAL 0:1) 1", 25,
        "expected a range of results such as 1:100 or -1:-100"),
    BAD("a SEARCH RETURN (PARTIAL 1) 1", 26, "expected \":\" and the end of the range"),
    BAD("a SEARCH RETURN (PARTIAL 1:*) 1", 27,
        "expected a range of results such as 1:100 or -1:-100"),
    BAD("a SEARCH RETURN (PARTIAL -1:5) 1", 28,
        "expected a range of results such as 1:100 or -1:-100"),
    BAD("a SEARCH RETURN (PARTIAL 1:-5) 1", 27,
        "expected a range of results such as 1:100 or -1:-100"),
    BAD("a SEARCH RETURN (ALL PARTIAL 1:2) 1", 21, "only one PARTIAL or ALL is allowed"),
    BAD("a SEARCH RETURN (PARTIAL 1:2 ALL) 1", 29, "only one PARTIAL or ALL is allowed"),
    BAD("a SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) 1", 29, "only one PARTIAL or ALL is allowed"),
    BAD("a THREAD", 8, "expected a space and a threading algorithm"),
    BAD("a THREAD JWZ UTF-8 ALL", 9, "expected ORDEREDSUBJECT, REFERENCES or REFS"),
    BAD("a THREAD REFS ALL", 17, "expected a space and a search key"),
    BAD("a CANCELUPDATE", 14, "expected the tag of a command, in quotes"),
    BAD("a CANCELUPDATE b1", 15, "expected the tag of a command, in quotes"),
};

static void test_sort(void **state)
{
    (void)state;
    CHECK_ROWS(sort_rows, .state = IMAP_STATE_SELECTED);
}

static void test_search(void **state)
{
    static const struct imap_row utf8[] = {
        BAD("a SEARCH CHARSET UTF-8 ALL", 9, "CHARSET is not allowed once UTF8=ACCEPT is enabled"),
        GOOD("a SEARCH TEXT \"\xd0\xb1\"", "a SEARCH and(text'\xd0\xb1')"),
    };

    (void)state;
    CHECK_ROWS(search_rows, .state = IMAP_STATE_SELECTED);
    CHECK_ROWS(utf8, .utf8 = true);
}

struct many {
    enum err e;
    const char *why;
    size_t nodes, memory;
};

static struct many search_many(const char *head, const char *piece, size_t n, const char *tail)
{
    struct buf text;
    struct arena arena;
    struct imap_command cmd;
    struct imap_parse_error error = {.expected = ""};

    buf_init(&text, 64 << 20);
    arena_init(&arena, IMAP_ARENA_BYTES);
    buf_put_str(&text, "a SEARCH ");
    buf_put_str(&text, head);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&text, piece);
    }
    buf_put_str(&text, tail);
    enum err e =
        imap_parse(buf_span(&text), &arena, &(struct imap_parse_options){.state = 0}, &cmd, &error);
    struct many result = {e, error.expected, e ? 0 : cmd.search.n, arena.used};

    arena_finish(&arena);
    buf_finish(&text);
    return result;
}

static void test_depth_and_number_of_keys(void **state)
{
    static const char deep[] = "SEARCH is nested over 50 deep";
    static const char many_keys[] = "SEARCH has over 4096 keys";
    static const struct {
        const char *head, *piece, *tail;
        size_t n;
        enum err want;
        const char *because;
    } rows[] = {
        {"", "(", "ALL))))))))))))))))))))))))))))))))))))))))))))))))))", 49, ERR_INVALID,
         "expected the end of the command"},
        {"", "(", "ALL)))))))))))))))))))))))))))))))))))))))))))))))))", 49, ERR_OK, ""},
        {"", "(", "ALL", 50, ERR_LIMIT, deep},
        {"", "(", "ALL", 1000000, ERR_LIMIT, deep},
        {"", "NOT ", "ALL", 1000000, ERR_OK, ""},
        {"", "NOT OR 1 ", "ALL", 49, ERR_OK, ""},
        {"", "NOT OR 1 ", "ALL", 50, ERR_LIMIT, deep},
        {"", "OR NOT ", "ALL", 1000000, ERR_LIMIT, deep},
        {"", "OR 1 ", "ALL", 4000, ERR_OK, ""},
        {"", "OR ", "1", 1000000, ERR_INVALID, "expected a space and another operand of OR"},
        {"", "OR 1 ", "ALL", 5000, ERR_LIMIT, many_keys},
        {"", "ALL ", "ALL", 4094, ERR_OK, ""},
        {"", "ALL ", "ALL", 4095, ERR_LIMIT, many_keys},
        {"", "(1) ", "ALL", 1000, ERR_OK, ""},
        {"", "HEADER a b ", "ALL", 4000, ERR_OK, ""},
        {"", "UID 1 ", "ALL", 4000, ERR_OK, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct many r = search_many(rows[i].head, rows[i].piece, rows[i].n, rows[i].tail);

        if (r.e != rows[i].want || !span_eq(span_from_str(r.why), span_from_str(rows[i].because)) ||
            r.memory > (1u << 20)) {
            fail_msg("row %zu: %s, %s, %zu bytes", i, err_name(r.e), r.why, r.memory);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_depth_and_number_of_keys),
    };

    return cmocka_run_group_tests_name("imap_search", tests, NULL, NULL);
}
