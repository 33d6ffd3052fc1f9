// SPDX-License-Identifier: Apache-2.0
//
// The tables of the language: extensions, tagged arguments, commands and tests, and which goes with
// which. Adding an extension is adding rows here, and a handler.
#ifndef SIEVE_SIEVE_TABLE_INTERNAL_H
#define SIEVE_SIEVE_TABLE_INTERNAL_H

#include "base/span.h"

// A bit each, in the order of sieve_extensions[].
enum sieve_ext {
    EXT_FILEINTO,
    EXT_REJECT,
    EXT_EREJECT,
    EXT_ENVELOPE,
    EXT_ENVELOPE_DSN,
    EXT_ENCODED_CHARACTER,
    EXT_VARIABLES,
    EXT_VACATION,
    EXT_VACATION_SECONDS,
    EXT_RELATIONAL,
    EXT_COPY,
    EXT_SUBADDRESS,
    EXT_BODY,
    EXT_DATE,
    EXT_INDEX,
    EXT_IMAP4FLAGS,
    EXT_MAILBOX,
    EXT_MBOXMETADATA,
    EXT_SERVERMETADATA,
    EXT_SPECIAL_USE,
    EXT_MAILBOXID,
    EXT_FCC,
    EXT_EDITHEADER,
    EXT_DUPLICATE,
    EXT_INCLUDE,
    EXT_REGEX,
    EXT_ENOTIFY,
    EXT_SPAMTEST,
    EXT_SPAMTESTPLUS,
    EXT_VIRUSTEST,
    EXT_ENVIRONMENT,
    EXT_FOREVERYPART,
    EXT_MIME,
    EXT_EXTRACTTEXT,
    EXT_REPLACE,
    EXT_ENCLOSE,
    EXT_IHAVE,
    EXT_REDIRECT_DSN,
    EXT_IMAPSIEVE,
    EXT_COMPARATOR_OCTET,
    EXT_COMPARATOR_CASEMAP,
    EXT_COMPARATOR_NUMERIC,
    EXT_COMPARATOR_UNICODE,
    EXT_COUNT
};

#define EXT_BIT(e) ((uint64_t)1 << (e))
// These may be used without `require` (RFC 5228 section 2.7.3).
#define EXT_ALWAYS (EXT_BIT(EXT_COMPARATOR_OCTET) | EXT_BIT(EXT_COMPARATOR_CASEMAP))

extern const char *const sieve_extensions[EXT_COUNT];

// The extension's number, or EXT_COUNT. Case counts.
enum sieve_ext sieve_extension_find(struct span name);

enum sieve_value { VALUE_NONE, VALUE_STRING, VALUE_LIST, VALUE_NUMBER };

// Only one tag of a group may be given.
enum sieve_group {
    GROUP_NONE, // the tag excludes only itself
    GROUP_MATCH,
    GROUP_PART,
    GROUP_SIZE,
    GROUP_PERIOD,
    GROUP_TRANSFORM,
    GROUP_ZONE,
    GROUP_LOCATION,
    GROUP_MIME,
    GROUP_CASE,
    GROUP_FIRST,
    GROUP_QUOTE,
    GROUP_UNIQUE,
    GROUP_MAILBOX,
};

enum sieve_tag {
    TAG_NONE,
    TAG_COMPARATOR,
    TAG_IS,
    TAG_CONTAINS,
    TAG_MATCHES,
    TAG_REGEX,
    TAG_COUNT,
    TAG_VALUE,
    TAG_LOCALPART,
    TAG_DOMAIN,
    TAG_ALL,
    TAG_USER,
    TAG_DETAIL,
    TAG_OVER,
    TAG_UNDER,
    TAG_COPY,
    TAG_FLAGS,
    TAG_CREATE,
    TAG_SPECIALUSE,
    TAG_MAILBOXID,
    TAG_DAYS,
    TAG_SECONDS,
    TAG_SUBJECT,
    TAG_FROM,
    TAG_ADDRESSES,
    TAG_MIME_ENTITY,
    TAG_HANDLE,
    TAG_FCC,
    TAG_RAW,
    TAG_TEXT,
    TAG_CONTENT,
    TAG_ZONE,
    TAG_ORIGINALZONE,
    TAG_INDEX,
    TAG_LAST,
    TAG_EDIT_INDEX,
    TAG_EDIT_LAST,
    TAG_ONCE,
    TAG_OPTIONAL,
    TAG_PERSONAL,
    TAG_GLOBAL,
    TAG_NAME,
    TAG_MIME,
    TAG_ANYCHILD,
    TAG_TYPE,
    TAG_SUBTYPE,
    TAG_CONTENTTYPE,
    TAG_PARAM,
    TAG_FIRST,
    TAG_HEADERS,
    TAG_LOWER,
    TAG_UPPER,
    TAG_LOWERFIRST,
    TAG_UPPERFIRST,
    TAG_QUOTEWILDCARD,
    TAG_QUOTEREGEX,
    TAG_ENCODEURL,
    TAG_LENGTH,
    TAG_IMPORTANCE,
    TAG_OPTIONS,
    TAG_MESSAGE,
    TAG_PERCENT,
    TAG_HEADER,
    TAG_UNIQUEID,
    TAG_UNIQUE_SECONDS,
    TAG_NOTIFY,
    TAG_RET,
    TAG_ADD_LAST,
    TAG__COUNT
};

struct sieve_tag_row {
    const char *name; // without the colon
    uint64_t needs;   // bits of extensions, one of which is needed; 0: comes with the command
    enum sieve_value value;
    enum sieve_group group;
};

extern const struct sieve_tag_row sieve_tags[TAG__COUNT];

enum sieve_id {
    ID_REQUIRE,
    ID_IF,
    ID_ELSIF,
    ID_ELSE,
    ID_STOP,
    ID_INCLUDE,
    ID_RETURN,
    ID_GLOBAL,
    ID_FOREVERYPART,
    ID_BREAK,
    ID_ERROR,
    // actions
    ID_KEEP,
    ID_DISCARD,
    ID_FILEINTO,
    ID_REDIRECT,
    ID_REJECT,
    ID_EREJECT,
    ID_SET,
    ID_VACATION,
    ID_SETFLAG,
    ID_ADDFLAG,
    ID_REMOVEFLAG,
    ID_ADDHEADER,
    ID_DELETEHEADER,
    ID_NOTIFY,
    ID_EXTRACTTEXT,
    ID_REPLACE,
    ID_ENCLOSE,
    // tests
    ID_NOT,
    ID_ALLOF,
    ID_ANYOF,
    ID_TRUE,
    ID_FALSE,
    ID_IHAVE,
    ID_ADDRESS,
    ID_ENVELOPE,
    ID_EXISTS,
    ID_HEADER,
    ID_SIZE,
    ID_BODY,
    ID_DATE,
    ID_CURRENTDATE,
    ID_HASFLAG,
    ID_STRING,
    ID_MAILBOXEXISTS,
    ID_MAILBOXIDEXISTS,
    ID_SPECIALUSE_EXISTS,
    ID_METADATA,
    ID_METADATAEXISTS,
    ID_SERVERMETADATA,
    ID_SERVERMETADATAEXISTS,
    ID_DUPLICATE,
    ID_ENVIRONMENT,
    ID_SPAMTEST,
    ID_VIRUSTEST,
    ID_VALID_NOTIFY_METHOD,
    ID_NOTIFY_METHOD_CAPABILITY,
    ID__COUNT
};

#define SIEVE_TAGS_MAX 17
#define SIEVE_ARGS_MAX 4

// `args` describes the positional arguments: 's' a string, 'S' a list, 'n' a number; 'c' and 'C'
// the same without variables in it, 'v' the name of a variable. '?' before one: it may be left out.
struct sieve_spec {
    const char *name;
    enum sieve_id id;
    uint64_t needs; // bits of extensions, one of which is needed; 0: always there
    const char *args;
    uint8_t tags[SIEVE_TAGS_MAX]; // enum sieve_tag, up to the first 0 or the end
};

// By name, case ignored; NULL when there is none.
const struct sieve_spec *sieve_command_find(struct span name);
const struct sieve_spec *sieve_test_find(struct span name);

#endif
