// SPDX-License-Identifier: Apache-2.0
//
// Every key and value of the store, as bytes and as structs. docs/format/store.md describes them;
// chunks of placements are in chunk_internal.h. Pure; any thread. Only store/ includes this.
//
// Decoding gives ERR_CORRUPT for bytes that are no such value and ERR_UNSUPPORTED for a version
// this program does not know; spans then point into the value. Encoding writes into `room`, which
// must hold the size named with the struct, and cannot fail.
#ifndef STORE_SCHEMA_INTERNAL_H
#define STORE_SCHEMA_INTERNAL_H

#include "base/bytes.h"
#include "base/pack.h"
#include "order/sort_keys.h"
#include "store/change.h"
#include "store/directory.h"

#define SCHEMA_VERSION        1
#define CHANGE_VERSION_DEVICE 2 // of an entry of the change log that names a device's id

#define NAME_BYTES_MAX        1024
#define NAME_LEVEL_BYTES_MAX  255
#define NAME_LEVELS_MAX       64
#define ADDRESS_BYTES_MAX     254
#define DOMAIN_BYTES_MAX      253
#define DEVICE_BYTES_MAX      64
#define ORIGIN_BYTES_MAX      128
#define THREAD_KEYS_MAX       20

// ---- keys ---------------------------------------------------------------------------------------

enum key_kind {
    KEY_HEADER = 'H',
    KEY_ACCOUNT = 'a',
    KEY_MAILBOX = 'b',
    KEY_NAME = 'n',
    KEY_SUBSCRIPTION = 's',
    KEY_KEYWORDS = 'k',
    KEY_CHUNK = 'u',
    KEY_MESSAGE = 'm',
    KEY_THREAD = 't',
    KEY_EXPUNGED = 'x',
    KEY_CHANGE = 'c',
    KEY_FORWARD = 'f',
    KEY_SCRIPT = 'i',
    KEY_SCRIPT_ACTIVE = 'j',
    KEY_REMEMBERED = 'w',
    KEY_RULES_PAST = 'r',
    KEY_DEVICE = 'd',
    KEY_SIGNIN = 'l',
    KEY_TOTP = 'y',
    KEY_TOKENS = 'o',
    KEY_SCRAM = 'p',
    KEY_ACL = 'g',
    KEY_PROVISIONED = 'q',
    KEY_HANDED_OVER = 'h',
    KEY_URL_KEY = 'z',
    KEY_METADATA = 'v',
    KEY_IMAP_WITHOUT = 'C',
    KEY_SEEN = 'S',
    // in account 0
    KEY_SCHEMA = 'V',
    KEY_DOMAIN = 'D',
    KEY_ADDRESS = 'A',
    KEY_ACCOUNT_ID = 'I',
    KEY_PENDING = 'P',
    KEY_ALIAS = 'R',
    KEY_DOMAIN_ALIAS = 'E',
    KEY_SECRET = 'Z',
    KEY_SIGNING = 'G',
    KEY_RELAY = 'Y',
    KEY_ROLES_OF = 'B',
    KEY_ROLE = 'e',
    KEY_FACTOR_POLICY = 'F',
    KEY_OAUTH_CLIENT = 'O',
    KEY_SCIM_TOKEN = 'T',
    KEY_MEMBER = 'M', // by itself: there is one for each address of each alias
    KEY_GROUP = 'N',
    KEY_GROUP_ID = 'K',
};

struct key {
    size_t n;
    char p[264];
};
static inline struct span key_span(const struct key *k)
{
    return span_of(k->p, k->n);
}
struct key key_plain(enum key_kind kind); // H, a, p, q, y, C, V, M; also the start of a kind
struct key key_u32(enum key_kind kind, uint32_t n); // b, k, g, and the start of a mailbox's u
struct key key_u64(enum key_kind kind,
                   uint64_t n); // m, t, I, P, B, K, and the start of an entry's c
struct key key_name(enum key_kind kind, struct span name); // n, s
struct key key_text(enum key_kind kind, struct span text); // D, A: at most 255 bytes
struct key key_chunk(mailbox_id mailbox, uint32_t uid);
struct key key_expunged(int64_t when, message_id message);
struct key key_change(modseq number, uint16_t part);
struct key key_past(modseq number, uint16_t n);
// The first key after all keys that start with this one.
struct key key_after(const struct key *k);

bool key_read_u32(struct span key, uint32_t *out);
bool key_read_u64(struct span key, uint64_t *out);
bool key_read_chunk(struct span key, mailbox_id *out_mailbox, uint32_t *out_uid);
bool key_read_expunged(struct span key, int64_t *out_when, message_id *out_message);
bool key_read_change(struct span key, modseq *out_number, uint16_t *out_part);
bool key_read_past(struct span key, modseq *out_number);

// Takes the version byte: ERR_CORRUPT when empty, ERR_UNSUPPORTED.
static inline enum err unpack_version(struct span *s)
{
    return unpack_version_of(s, SCHEMA_VERSION);
}

// ---- values -------------------------------------------------------------------------------------

struct header {
    uint64_t bytes, messages;         // used
    uint64_t bytes_max, messages_max; // UINT64_MAX: none
    mailbox_id next_mailbox;
    message_id next_message;
    uint32_t uid_validity_max; // the highest ever given
    modseq known_since;        // change log entries above are all there
    uint32_t mailboxes;
    uint64_t expunged, expunged_bytes; // restorable
    account_id next_account;           // account 0 only
    uint64_t accounts;                 // account 0 only
    uint32_t next_device;
    uint64_t metadata, metadata_bytes; // entries; see metadata/metadata.h
};
#define HEADER_BYTES_MAX 192
struct span header_encode(const struct header *h, char *room);
enum err header_decode(struct span value, struct header *out);

struct account_record {
    enum account_state state;
    int64_t created;
    struct span display_name, password_hash;
    struct account_suspension suspension; // of a suspended one
};
#define ACCOUNT_BYTES_MAX 2048
#define HASH_BYTES_MAX    1024
struct span account_encode(const struct account_record *a, char *room);
enum err account_decode(struct span value, struct account_record *out);

struct mailbox_record {
    struct mailbox is;
    modseq gone_modseq;    // of the newest message that left
    uint32_t tail;         // uid in the key of the last chunk, 0: none
    modseq created_modseq; // what HIGHESTMODSEQ cannot be below
};
#define MAILBOX_BYTES_MAX (NAME_BYTES_MAX + 128)
struct span mailbox_encode(const struct mailbox_record *m, char *room);
enum err mailbox_decode(mailbox_id id, struct span value, struct mailbox_record *out);

struct message_record {
    body_id body;
    thread_id thread;
    uint64_t bytes;
    int64_t sent;
    uint32_t placements;
    uint32_t thread_key_count;
    uint64_t thread_keys[THREAD_KEYS_MAX];
    struct span sort_keys; // packed (sort_keys.h); empty in records of before there were any
    // with placements 0:
    int64_t expunged_at;
    mailbox_id from;
    struct span from_name;
    uint16_t flags;
    int64_t internal_date;
    int16_t zone_minutes;
    size_t keyword_count;
    const struct span *keywords; // for encoding
    struct span keywords_packed; // from decoding: keyword_count strings, see unpack_str
};
#define MESSAGE_BYTES_MAX                                                                          \
    (128 + 8 * THREAD_KEYS_MAX + NAME_BYTES_MAX + SORT_KEYS_BYTES_MAX +                            \
     KEYWORDS_PER_MESSAGE_MAX * (KEYWORD_BYTES_MAX + 2))
struct span message_encode(const struct message_record *m, char *room);
enum err message_decode(struct span value, struct message_record *out);

struct thread_record {
    thread_id thread;
    uint64_t uses;
};
#define THREAD_BYTES_MAX 24
struct span thread_encode(const struct thread_record *t, char *room);
enum err thread_decode(struct span value, struct thread_record *out);

#define MAILBOX_ID_BYTES 5
struct span mailbox_id_encode(mailbox_id id, char *room); // n
enum err mailbox_id_decode(struct span value, mailbox_id *out);
#define ACCOUNT_ID_BYTES 9
struct span account_id_encode(account_id id, char *room); // A
enum err account_id_decode(struct span value, account_id *out);

enum entry_state { ENTRY_THERE = 1, ENTRY_MAKING, ENTRY_REMOVING };
struct entry_record { // I
    enum entry_state state;
    bool standard_mailboxes;
    struct span address;
};
#define ENTRY_BYTES_MAX (ADDRESS_BYTES_MAX + 32)
struct span entry_encode(const struct entry_record *r, char *room);
enum err entry_decode(struct span value, struct entry_record *out);

struct domain_record {
    int64_t created;
    uint64_t accounts;
};
#define DOMAIN_RECORD_BYTES_MAX 32
struct span domain_encode(const struct domain_record *d, char *room);
enum err domain_decode(struct span value, struct domain_record *out);

// s: the name.
#define STR_BYTES_MAX (NAME_BYTES_MAX + 8)
struct span str_encode(struct span s, char *room);
enum err str_decode(struct span value, size_t max, struct span *out);

#endif
