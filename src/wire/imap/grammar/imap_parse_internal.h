// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the IMAP parser share: a cursor over the text of one command and the tokens of
// RFC 9051 section 9. Only files of this folder include this.
//
// Every function returns ERR_OK with the cursor behind what it took, or an error with the cursor's
// error filled in; TRY passes that on.
#ifndef WIRE_IMAP_GRAMMAR_IMAP_PARSE_INTERNAL_H
#define WIRE_IMAP_GRAMMAR_IMAP_PARSE_INTERNAL_H

#include "wire/imap/imap_class_internal.h"
#include "wire/imap/imap_command.h"

#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err try_ = (call);                                                                    \
        if (try_) {                                                                                \
            return try_;                                                                           \
        }                                                                                          \
    } while (0)

#define IMAP_NUMBER_MAX ((uint64_t)INT64_MAX) // number64 and mod-sequence values

struct imap_cursor {
    struct span text;
    size_t at;
    struct arena *arena;
    struct imap_parse_error *error;
    bool utf8;       // quoted strings must be UTF-8 (RFC 6855 section 3)
    bool utf8_names; // mailbox names are UTF-8, not modified UTF-7
    bool uid_only;   // message numbers are refused
    char separator;
};

// At the front of `text`, with `error` cleared.
void imap_cursor_begin(struct imap_cursor *c, struct span text, struct arena *arena,
                       const struct imap_parse_options *options, struct imap_parse_error *error);

// A row of a table of words; `value` is what the reader makes of it.
struct imap_word {
    const char *name;
    uint32_t value;
};

// An array in the arena that grows; `max` elements at most.
struct imap_list_builder {
    void *items;
    size_t n, cap, max, item_bytes;
};

// ---- failing ------------------------------------------------------------------------------------

// Says what was expected at the cursor (IMAP_FAULT_SYNTAX) and returns ERR_INVALID.
enum err imap_expected(struct imap_cursor *c, const char *expected);
// The same for another fault; ERR_LIMIT for IMAP_FAULT_LIMIT, else ERR_INVALID.
enum err imap_fail(struct imap_cursor *c, enum imap_fault fault, size_t position, const char *why);
// The arena is full.
enum err imap_fail_memory(struct imap_cursor *c);

// ---- looking ------------------------------------------------------------------------------------

static inline bool imap_at_end(const struct imap_cursor *c)
{
    return c->at == c->text.n;
}

// The byte at the cursor, or NUL at the end (a NUL in the text is nowhere valid).
static inline char imap_peek(const struct imap_cursor *c)
{
    return imap_at_end(c) ? '\0' : c->text.p[c->at];
}

// What is at the cursor starts with this, in any case.
bool imap_looking_at(const struct imap_cursor *c, struct span what);

// ---- taking -------------------------------------------------------------------------------------

// One byte if it is there.
bool imap_take(struct imap_cursor *c, char byte);
// A whole word in any case, if it is there and no atom character follows.
bool imap_take_word(struct imap_cursor *c, struct span word);
enum err imap_take_byte(struct imap_cursor *c, char byte, const char *expected);
enum err imap_take_space(struct imap_cursor *c, const char *expected);
// Spaces at the end are borne.
enum err imap_take_end(struct imap_cursor *c);

// Between elements of a parenthesised list: a space (*out_end false), or ")".
enum err imap_take_next_or_close(struct imap_cursor *c, const char *expected, bool *out_end);

enum err imap_take_atom(struct imap_cursor *c, const char *expected, struct span *out);
// An atom out of a table that ends with a NULL name.
enum err imap_take_table_word(struct imap_cursor *c, const struct imap_word *table,
                              const char *expected, uint32_t *out);
// Digits, at most `max`; `min` is 0 or 1.
enum err imap_take_number(struct imap_cursor *c, uint64_t min, uint64_t max, const char *expected,
                          uint64_t *out);
enum err imap_take_string(struct imap_cursor *c, const char *expected, struct span *out);
enum err imap_take_nstring(struct imap_cursor *c, const char *expected, struct span *out);
enum err imap_take_astring(struct imap_cursor *c, const char *expected, struct span *out);
// nstring or literal8 (RFC 3516 section 3), which may hold any bytes; p NULL: NIL.
enum err imap_take_nstring8(struct imap_cursor *c, const char *expected, struct span *out);
enum err imap_take_seqset(struct imap_cursor *c, struct imap_seqset *out);
// Refuses message numbers that begin at `from` once UIDONLY is enabled.
enum err imap_check_numbers(struct imap_cursor *c, size_t from);

// A mailbox name to its canonical form. `creating`: one separator at its end is taken off.
enum err imap_take_mailbox(struct imap_cursor *c, bool creating, struct span *out);
// A LIST reference (astring) or pattern (list-mailbox) to UTF-8.
enum err imap_take_pattern(struct imap_cursor *c, bool pattern, struct span *out);

// "(\Seen $Junk)"; with `bare` the parentheses may be left out (STORE).
enum err imap_take_flags(struct imap_cursor *c, bool bare, struct imap_flags *out);

// ---- lists --------------------------------------------------------------------------------------

void imap_list_begin(struct imap_list_builder *l, size_t item_bytes, size_t max);
// Room for one more at the end, cleared; `too_many` is said when there are `max`.
enum err imap_list_add(struct imap_cursor *c, struct imap_list_builder *l, const char *too_many,
                       void **out_item);

// ---- the arguments of commands ------------------------------------------------------------------

// Each starts at the space after the command's name, and leaves the end of the text to imap_parse.
typedef enum err imap_arguments_fn(struct imap_cursor *c, struct imap_command *out);

imap_arguments_fn imap_parse_acl, imap_parse_append, imap_parse_authenticate,
    imap_parse_cancelupdate, imap_parse_comparator, imap_parse_compress, imap_parse_copy,
    imap_parse_create, imap_parse_enable, imap_parse_esearch, imap_parse_expunge, imap_parse_fetch,
    imap_parse_genurlauth, imap_parse_getmetadata, imap_parse_getquota, imap_parse_id,
    imap_parse_language, imap_parse_list, imap_parse_login, imap_parse_mailbox, imap_parse_none,
    imap_parse_notify, imap_parse_rename, imap_parse_replace, imap_parse_resetkey,
    imap_parse_search, imap_parse_select, imap_parse_setmetadata, imap_parse_setquota,
    imap_parse_sort, imap_parse_status, imap_parse_store, imap_parse_thread, imap_parse_urlfetch;

// "(MAXSIZE 1024 DEPTH 1) (/shared/comment /private/comment)", the first part if it is there.
enum err imap_take_metadata(struct imap_cursor *c, struct imap_metadata_get *out);

// "RETURN (MIN PARTIAL 1:10) " if it is there, and the space after it.
enum err imap_take_search_returns(struct imap_cursor *c, struct imap_search *out);
// Return options, charset and keys: all of SEARCH behind its name.
enum err imap_take_search(struct imap_cursor *c, struct imap_search *out);
// The keys of a SEARCH to the command's end.
enum err imap_take_search_keys(struct imap_cursor *c, struct imap_search *out);
// "1:100" or "-1:-100" (RFC 9394 section 4).
enum err imap_take_partial(struct imap_cursor *c, struct imap_partial *out);

// "(UID FLAGS)", one item or a macro.
enum err imap_take_fetch_items(struct imap_cursor *c, const struct imap_fetch_item **out,
                               size_t *out_n);

// A section of FETCH BODY[...], from after "[" to and with "]"; without `words` numbers only.
enum err imap_take_section(struct imap_cursor *c, bool words, struct imap_section *out);

// "(MESSAGES UIDNEXT)" to a mask of enum imap_status_item.
enum err imap_take_status_items(struct imap_cursor *c, uint32_t *out);

extern const struct imap_word imap_status_items[];

#endif
