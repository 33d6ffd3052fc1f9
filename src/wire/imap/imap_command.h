// SPDX-License-Identifier: Apache-2.0
//
// An IMAP command from bytes to structs: RFC 3501 and RFC 9051 with the extensions listed in
// docs/protocol/imap.md. Opens nothing and knows no mailbox; the gate uses it before login, keep
// after. Everything lives in the arena or points into the text given, so both must outlive the
// command. The parser does not recurse. Pure; any thread.
#ifndef WIRE_IMAP_IMAP_COMMAND_H
#define WIRE_IMAP_IMAP_COMMAND_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/imap/imap_append.h"
#include "wire/imap/imap_fault.h"
#include "wire/imap/imap_fetch.h"
#include "wire/imap/imap_flag.h"
#include "wire/imap/imap_list.h"
#include "wire/imap/imap_notify.h"
#include "wire/imap/imap_search.h"
#include "wire/imap/imap_seqset.h"
#include "wire/imap/imap_url.h"

#define IMAP_DEPTH_MAX      100        // parentheses anywhere but in SEARCH
#define IMAP_ID_PAIRS_MAX   30         // RFC 2971 section 3.3
#define IMAP_LIST_NAMES_MAX 1000       // patterns of one LIST
#define IMAP_ARENA_BYTES    (4u << 20) // enough for any command within the framer's limits

// Login states, as a mask.
#define IMAP_STATE_NOT_AUTHENTICATED 1u
#define IMAP_STATE_AUTHENTICATED     2u
#define IMAP_STATE_SELECTED          4u

enum imap_command_id {
    IMAP_APPEND,
    IMAP_AUTHENTICATE,
    IMAP_CANCELUPDATE,
    IMAP_CAPABILITY,
    IMAP_CHECK,
    IMAP_CLOSE,
    IMAP_COMPARATOR,
    IMAP_COMPRESS,
    IMAP_COPY,
    IMAP_CREATE,
    IMAP_DELETE,
    IMAP_DELETEACL,
    IMAP_ENABLE,
    IMAP_ESEARCH,
    IMAP_EXAMINE,
    IMAP_EXPUNGE,
    IMAP_FETCH,
    IMAP_GENURLAUTH,
    IMAP_GETACL,
    IMAP_GETMETADATA,
    IMAP_GETQUOTA,
    IMAP_GETQUOTAROOT,
    IMAP_ID,
    IMAP_IDLE,
    IMAP_LANGUAGE,
    IMAP_LIST,
    IMAP_LISTRIGHTS,
    IMAP_LOGIN,
    IMAP_LOGOUT,
    IMAP_LSUB,
    IMAP_MOVE,
    IMAP_MYRIGHTS,
    IMAP_NAMESPACE,
    IMAP_NOOP,
    IMAP_NOTIFY,
    IMAP_RENAME,
    IMAP_REPLACE,
    IMAP_RESETKEY,
    IMAP_SEARCH,
    IMAP_SELECT,
    IMAP_SETACL,
    IMAP_SETMETADATA,
    IMAP_SETQUOTA,
    IMAP_SORT,
    IMAP_STARTTLS,
    IMAP_STATUS,
    IMAP_STORE,
    IMAP_SUBSCRIBE,
    IMAP_THREAD,
    IMAP_UNSELECT,
    IMAP_UNSUBSCRIBE,
    IMAP_URLFETCH,
    IMAP_COMMAND__COUNT
};

struct imap_login {
    struct span user, password; // raw bytes; auth normalises and judges them
};

struct imap_authenticate {
    struct span mechanism;
    bool has_initial;
    struct span initial; // SASL-IR: base64 as sent; "=" stands for an empty response
};

struct imap_create {
    struct span mailbox; // a separator at its end was taken off
    uint32_t special_use;
};

struct imap_rename {
    struct span from, to;
};

enum imap_store_action {
    IMAP_STORE_SET,
    IMAP_STORE_ADD,
    IMAP_STORE_REMOVE,
};

struct imap_store {
    struct imap_seqset set;
    enum imap_store_action action;
    bool silent;
    bool has_unchangedsince;
    uint64_t unchangedsince;
    struct imap_flags flags;
};

struct imap_copy { // and MOVE
    struct imap_seqset set;
    struct span mailbox;
};

enum imap_enable {
    IMAP_ENABLE_CONDSTORE = 1u << 0,
    IMAP_ENABLE_QRESYNC = 1u << 1,
    IMAP_ENABLE_UTF8_ACCEPT = 1u << 2,
    IMAP_ENABLE_IMAP4REV2 = 1u << 3,
    IMAP_ENABLE_UIDONLY = 1u << 4,
};

struct imap_id {
    const struct imap_pair *pairs; // n 0: NIL or ()
    size_t n;
};

struct imap_quota_limit {
    struct span resource;
    uint64_t limit;
};

struct imap_setquota {
    struct span root;
    const struct imap_quota_limit *limits;
    size_t n;
};

// RFC 4314 section 3, as written, a "+" or "-" in front of the rights too.
struct imap_acl {
    struct span mailbox, identifier, rights;
};

#define IMAP_WORDS_MAX 100 // arguments of CANCELUPDATE, COMPARATOR and LANGUAGE
struct imap_words {
    const struct span *words;
    size_t n;
};

// RESETKEY (RFC 4467 section 7): without a mailbox all keys.
struct imap_resetkey {
    bool has_mailbox;
    struct span mailbox;
    struct imap_words mechanisms;
};

struct imap_command {
    struct span tag;
    enum imap_command_id id;
    bool uid; // UID FETCH, UID EXPUNGE ...
    union {
        struct imap_login login;
        struct imap_authenticate authenticate;
        struct span mailbox; // DELETE, SUBSCRIBE, UNSUBSCRIBE, GETQUOTAROOT, GETACL, MYRIGHTS
        struct span root;    // GETQUOTA
        struct imap_create create;
        struct imap_rename rename;
        struct imap_select select; // and EXAMINE
        struct imap_list list;     // and LSUB
        struct imap_status status;
        struct imap_append append; // and REPLACE
        struct imap_fetch fetch;
        struct imap_store store;
        struct imap_notify_request notify;
        struct imap_copy copy; // and MOVE
        struct imap_search search;
        struct imap_multi multi; // ESEARCH
        struct imap_sort sort;
        struct imap_thread thread;
        struct imap_urls urls; // GENURLAUTH, URLFETCH
        struct imap_resetkey resetkey;
        struct imap_words words;    // CANCELUPDATE, COMPARATOR, LANGUAGE
        struct imap_seqset expunge; // UID EXPUNGE
        uint32_t enable;            // enum imap_enable; unknown names are left out (RFC 5161)
        struct imap_id identity;
        struct imap_setquota setquota;
        struct imap_acl acl; // SETACL; DELETEACL and LISTRIGHTS without rights
        struct imap_metadata_get getmetadata;
        struct imap_metadata_set setmetadata;
    };
};

struct imap_parse_options {
    bool utf8;      // UTF8=ACCEPT is enabled
    bool rev2;      // IMAP4rev2 is enabled
    bool uid_only;  // UIDONLY is: message numbers are refused (RFC 9586 section 3)
    char separator; // of mailbox levels; 0 means '/'
    unsigned state; // one IMAP_STATE_ bit: other commands are refused; 0: not checked
};

// `text`: what the framer gave for IMAP_FRAME_COMMAND or IMAP_FRAME_APPEND_HEAD. ERR_OK sets *out;
// ERR_INVALID, ERR_DENIED (state) or ERR_LIMIT set *error. ERR_NOMEM (as ERR_LIMIT, with *error
// set) when the arena is full.
enum err imap_parse(struct span text, struct arena *arena, const struct imap_parse_options *options,
                    struct imap_command *out, struct imap_parse_error *error);

// The tag at the front of a text that the framer could not finish; empty when there is none.
struct span imap_peek_tag(struct span text);

const char *imap_command_name(enum imap_command_id id); // "FETCH"; never NULL
unsigned imap_command_states(enum imap_command_id id);  // it is allowed in: IMAP_STATE_ bits

#endif
