// SPDX-License-Identifier: Apache-2.0
//
// A SEARCH program (RFC 9051 section 6.4.4, RFC 4731, 5032, 5182, 7162, 8474, 8514) as imap_parse
// gives it: a tree laid out flat in prefix order, so that a reader walks an array. Filled only by
// the parser; read by keep and search.
//
// nodes[0] is an AND over everything. The children of a node at index i start at i + 1; the next
// sibling of the node at i is at i + nodes[i].size. NOT has no node of its own: `negated` turns any
// node round. OR has two children or more.
#ifndef WIRE_IMAP_IMAP_SEARCH_H
#define WIRE_IMAP_IMAP_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "wire/imap/imap_seqset.h"

#define IMAP_SEARCH_DEPTH_MAX 50
#define IMAP_SEARCH_KEYS_MAX  4096

enum imap_search_key {
    IMAP_SEARCH_AND,
    IMAP_SEARCH_OR,
    IMAP_SEARCH_ALL,
    IMAP_SEARCH_SET,     // set: message sequence numbers
    IMAP_SEARCH_UID,     // set
    IMAP_SEARCH_FLAG,    // flag: one bit of enum imap_system_flag (NEW is \Recent and not \Seen)
    IMAP_SEARCH_KEYWORD, // text
    IMAP_SEARCH_BCC,     // text, as the five below
    IMAP_SEARCH_CC,
    IMAP_SEARCH_FROM,
    IMAP_SEARCH_SUBJECT,
    IMAP_SEARCH_TO,
    IMAP_SEARCH_BODY,
    IMAP_SEARCH_TEXT,
    IMAP_SEARCH_HEADER, // header; an empty text asks whether the field is there
    IMAP_SEARCH_BEFORE, // day: INTERNALDATE's date is earlier
    IMAP_SEARCH_ON,
    IMAP_SEARCH_SINCE,
    IMAP_SEARCH_SENTBEFORE, // day: the Date field
    IMAP_SEARCH_SENTON,
    IMAP_SEARCH_SENTSINCE,
    IMAP_SEARCH_SAVEDBEFORE, // day: SAVEDATE
    IMAP_SEARCH_SAVEDON,
    IMAP_SEARCH_SAVEDSINCE,
    IMAP_SEARCH_SAVEDATESUPPORTED,
    IMAP_SEARCH_LARGER, // number: bytes
    IMAP_SEARCH_SMALLER,
    IMAP_SEARCH_OLDER, // number: seconds before now, at least 1
    IMAP_SEARCH_YOUNGER,
    IMAP_SEARCH_MODSEQ,   // number
    IMAP_SEARCH_UIDAFTER, // number: a UID (RFC 9738 section 3.2)
    IMAP_SEARCH_UIDBEFORE,
    IMAP_SEARCH_EMAILID,  // text
    IMAP_SEARCH_THREADID, // text
    IMAP_SEARCH_FILTER,   // text: the name of a filter (RFC 5466) still to be put in
};

struct imap_search_header {
    struct span field, text;
};

struct imap_search_node {
    enum imap_search_key key;
    bool negated;
    uint32_t size; // nodes of this subtree, this one counted
    union {
        uint32_t flag;
        int32_t day; // since 1970-01-01
        uint64_t number;
        struct span text; // in the charset of the command
        const struct imap_search_header *header;
        const struct imap_seqset *set;
    };
};

enum imap_search_return {
    IMAP_SEARCH_RETURN_MIN = 1u << 0,
    IMAP_SEARCH_RETURN_MAX = 1u << 1,
    IMAP_SEARCH_RETURN_ALL = 1u << 2,
    IMAP_SEARCH_RETURN_COUNT = 1u << 3,
    IMAP_SEARCH_RETURN_SAVE = 1u << 4,
    IMAP_SEARCH_RETURN_PARTIAL = 1u << 5, // RFC 9394, RFC 5267
    IMAP_SEARCH_RETURN_CONTEXT = 1u << 6, // RFC 5267: a hint
    IMAP_SEARCH_RETURN_UPDATE = 1u << 7,
};

// A range of results, counted from 1 (RFC 9394 section 4), as it was written: 500:400 is 400:500.
struct imap_partial {
    uint32_t first, last;
    bool from_end; // -1:-100: counted from the last backwards
};

struct imap_fetch_item; // imap_fetch.h
struct imap_search {
    bool extended;       // RETURN was given: answer with ESEARCH
    uint32_t returns;    // enum imap_search_return; "RETURN ()" is ALL
    struct span charset; // empty: none named (US-ASCII, or UTF-8 in rev2)
    const struct imap_search_node *nodes;
    size_t n;          // at least 2
    bool uses_filters; // FILTER keys are among them
    bool uses_modseq;  // a MODSEQ key occurs: say MODSEQ in the answer (RFC 7162 section 3.1.5)
    struct imap_partial partial; // with IMAP_SEARCH_RETURN_PARTIAL
    // Of messages that come, with IMAP_SEARCH_RETURN_UPDATE (RFC 5465 section 7).
    const struct imap_fetch_item *items;
    size_t item_n;
};

// ESEARCH (RFC 7377): which mailboxes are searched.
#define IMAP_SOURCES_MAX      100
#define IMAP_SOURCE_NAMES_MAX 1000 // of one source

enum imap_source_kind {
    IMAP_SOURCE_SELECTED,
    IMAP_SOURCE_INBOXES,
    IMAP_SOURCE_PERSONAL,
    IMAP_SOURCE_SUBSCRIBED,
    IMAP_SOURCE_SUBTREE, // names, as the two below
    IMAP_SOURCE_SUBTREE_ONE,
    IMAP_SOURCE_MAILBOXES,
};

struct imap_source {
    enum imap_source_kind kind;
    const struct span *names; // canonical
    size_t n;
};

struct imap_multi {
    struct imap_search search;
    const struct imap_source *sources; // n 0: none given, the selected mailbox
    size_t n;
};
struct arena;
struct imap_parse_options;
struct imap_parse_error;
// Search keys alone, as a filter has them (search-criteria of RFC 5466 section 4); text and arena
// must outlive `out`. Errors as imap_parse (imap_command.h).
enum err imap_parse_search_keys(struct span text, struct arena *arena,
                                const struct imap_parse_options *options, struct imap_search *out,
                                struct imap_parse_error *error);

// SORT (RFC 5256, RFC 5957).
#define IMAP_SORT_KEYS_MAX 32

enum imap_sort_key {
    IMAP_SORT_ARRIVAL,
    IMAP_SORT_CC,
    IMAP_SORT_DATE,
    IMAP_SORT_DISPLAYFROM,
    IMAP_SORT_DISPLAYTO,
    IMAP_SORT_FROM,
    IMAP_SORT_SIZE,
    IMAP_SORT_SUBJECT,
    IMAP_SORT_TO,
};

struct imap_sort_criterion {
    enum imap_sort_key key;
    bool reverse;
};

struct imap_sort {
    struct imap_search search;
    const struct imap_sort_criterion *criteria; // at least one; of each key only the first
    size_t n;
};

// THREAD (RFC 5256, and REFS of draft-ietf-morg-inthread).
enum imap_thread_algorithm {
    IMAP_THREAD_ORDEREDSUBJECT,
    IMAP_THREAD_REFERENCES,
    IMAP_THREAD_REFS,
};

struct imap_thread {
    struct imap_search search;
    enum imap_thread_algorithm algorithm;
};

#endif
