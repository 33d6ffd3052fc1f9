// SPDX-License-Identifier: Apache-2.0
//
// The messages between supervisor, gate, keep and courier: structs and their bytes. The fields
// are declared in message_table.h. A frame is
//     u32 length of what follows | u8 version | u8 type | u16 descriptors that come with it |
//     fields
// all little-endian; a text is u32 length and bytes. Decoding checks every length, wants every byte
// used and leaves spans into the frame. Pure; any thread.
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define IPC_VERSION         12
#define IPC_HEADER_BYTES    8
#define IPC_FRAME_BYTES_MAX (1u << 20) // header included
#define IPC_FDS_MAX         128        // descriptors with one message
#define IPC_STAY            UINT32_MAX // uid, gid: no change

// The children of the supervisor. A number is a bit in START's `links`.
enum ipc_process { IPC_KEEP, IPC_GATE, IPC_COURIER, IPC_PROCESSES };

const char *ipc_process_name(enum ipc_process p); // "keep"; static

enum ipc_protocol {
    IPC_IMAP = 1,
    IPC_POP3 = 2,
    IPC_MANAGESIEVE = 3,
    IPC_SUBMISSION = 4,
    IPC_SMTP = 5,
    IPC_LMTP = 6,
    IPC_HTTP = 7,
    IPC_ADMIN = 8, // HTTP for administrators
};

// What the pair of an API frame is for.
enum ipc_api_kind {
    IPC_API_METRICS = 0, // only the command "metrics"; nobody has to be logged in
    IPC_API_ADMIN = 1,   // an operation of admin/; for whoever the ticket was given to
    IPC_API_OAUTH = 2,   // our own authorization server: only the command "oauth"
    IPC_API_SCIM = 3,    // an identity provider: only the command "scim"
};

// Is a domain ours?
enum ipc_domain {
    IPC_DOMAIN_OURS = 0, // or another name of one
    IPC_DOMAIN_OTHER = 1,
    IPC_DOMAIN_UNKNOWN = 2, // could not be looked up now
};

// Where an address is, as far as is known.
enum ipc_place {
    IPC_PLACE_KNOWN = 1,
    IPC_PLACE_NONE,        // the file does not say
    IPC_PLACE_UNAVAILABLE, // there is no file, or it cannot be read
};
#define IPC_PLACE_SOUTH 9000  // hundredths of a degree that make a latitude no less than 0
#define IPC_PLACE_WEST  18000 // and a longitude

enum ipc_alert_outcome { IPC_ALERT_TAKEN = 1, IPC_ALERT_NOT_TAKEN }; // 2: to be sent again
#define IPC_MAIL_ALL UINT32_MAX                                      // MAIL_ANSWER's recipient

enum ipc_auth {
    IPC_AUTH_OK = 0,
    IPC_AUTH_BAD = 1,         // no such user or wrong password, never said which
    IPC_AUTH_UNAVAILABLE = 2, // could not be checked now
    IPC_AUTH_TOO_MANY = 3,    // too many connections or too many failures
};

// How the recipient of a relayed message fared; in the order of the queue's outcomes.
enum ipc_relay_outcome {
    IPC_RELAY_DELIVERED,
    IPC_RELAY_DEFERRED, // this recipient: try again later
    IPC_RELAY_FAILED,   // for good
    IPC_RELAY_UNTRIED,  // nobody could be asked: the destination's fault, not the recipient's
};

// The policy under which TLS was spoken with another server (RFC 8460 section 4.4).
enum ipc_tls_policy { IPC_TLS_NO_POLICY, IPC_TLS_TLSA, IPC_TLS_STS };

// What became of it (RFC 8460 section 4.3, in its order).
enum ipc_tls_result {
    IPC_TLS_NONE, // nothing: the server was not reached. Never sent
    IPC_TLS_GOOD,
    IPC_TLS_STARTTLS_NOT_SUPPORTED,
    IPC_TLS_CERTIFICATE_HOST_MISMATCH,
    IPC_TLS_CERTIFICATE_EXPIRED,
    IPC_TLS_CERTIFICATE_NOT_TRUSTED,
    IPC_TLS_VALIDATION_FAILURE,
    IPC_TLS_TLSA_INVALID,
    IPC_TLS_DNSSEC_INVALID,
    IPC_TLS_DANE_REQUIRED,
    IPC_TLS_STS_POLICY_FETCH_ERROR,
    IPC_TLS_STS_POLICY_INVALID,
    IPC_TLS_STS_WEBPKI_INVALID,
    IPC_TLS_RESULTS,
};

enum ipc_relay_tls {
    IPC_RELAY_TLS_OPPORTUNISTIC = 0, // to an MX: DANE and MTA-STS decide before that
    IPC_RELAY_TLS_REQUIRED = 1,      // STARTTLS and a certificate that is checked
    IPC_RELAY_TLS_IMPLICIT = 2,      // TLS from the first byte, certificate checked
};

// What filters want done with a message; the gravest counts.
enum ipc_filter_action {
    IPC_FILTER_ACCEPT,
    IPC_FILTER_JUNK,
    IPC_FILTER_TEMPORARY,
    IPC_FILTER_REJECT,
    IPC_FILTER_AWAY, // one could not be asked: the settings say what then
};

// What VOUCH_ASK asks.
enum ipc_vouch_kind {
    IPC_VOUCH_TOKEN = 1,       // whose token is this, and is it good?
    IPC_VOUCH_PASSWORD = 2,    // is this their password?
    IPC_VOUCH_STILL_THERE = 3, // is there such a person, and may they come in?
};

enum ipc_vouch {
    IPC_VOUCH_YES = 0,
    IPC_VOUCH_NO = 1,
    IPC_VOUCH_UNAVAILABLE = 2, // nobody can say now: never to be taken for a no
};

enum ipc_dns_status {
    IPC_DNS_OK = 0,
    IPC_DNS_NO_NAME = 1, // the name does not exist (NXDOMAIN)
    IPC_DNS_NO_DATA = 2, // it exists, without records of this type
    IPC_DNS_TEMPORARY = 3,
    IPC_DNS_BOGUS = 4, // signed, and the signature does not hold: never to be used
};

// What RELOAD_ITEM tells.
enum ipc_reload_kind {
    IPC_RELOAD_CHANGE,      // this setting has another value from now on
    IPC_RELOAD_RESTART,     // this one would, after a restart; `was` stays in use
    IPC_RELOAD_PROBLEM,     // why nothing has changed
    IPC_RELOAD_CERTIFICATE, // what is served
    IPC_RELOAD_PROCESS,     // how a process took it
    IPC_RELOAD_WARNING,
};

enum ipc_reload_state {
    IPC_RELOAD_USES_NEW,
    IPC_RELOAD_USES_OLD, // text: why, or empty: because another could not use the new ones
    IPC_RELOAD_SILENT,   // has not answered in time: nobody knows
    IPC_RELOAD_STARTING, // did not run, or died: gets what is in force with its next start
};

enum ipc_reload_result {
    IPC_RELOAD_DONE,
    // Nothing has changed:
    IPC_RELOAD_BAD_SETTINGS,
    IPC_RELOAD_BAD_CERTIFICATE,
    IPC_RELOAD_REFUSED, // a process could not use them; the others went back
    // The new ones are in force, but not every process has said that it uses them.
    IPC_RELOAD_LATE,
    IPC_RELOAD_FAILED, // the supervisor could not do it, for want of memory; nothing has changed
};

enum ipc_type {
#define MESSAGE(ID, number, name, rows) IPC_##ID = number,
#include "ipc/message_table.h"
#undef MESSAGE
};

#define U8(f)        uint8_t f;
#define U16(f)       uint16_t f;
#define U32(f)       uint32_t f;
#define U64(f)       uint64_t f;
#define TEXT(f, max) struct span f;
#define MESSAGE(ID, number, name, rows)                                                            \
    struct ipc_##name {                                                                            \
        rows                                                                                       \
    };                                                                                             \
    /* Appends a whole frame; ERR_LIMIT (nothing appended) when a text is too long. */             \
    enum err ipc_##name##_encode(const struct ipc_##name *m, unsigned fds, struct buf *out);       \
    /* From the fields of a frame; ERR_INVALID. */                                                 \
    enum err ipc_##name##_decode(struct span fields, struct ipc_##name *out);
#include "ipc/message_table.h"
#undef MESSAGE
#undef U8
#undef U16
#undef U32
#undef U64
#undef TEXT

struct ipc_frame {
    enum ipc_type type;
    unsigned fds;       // descriptors that come with it
    struct span fields; // for the decoders above
    size_t bytes;       // of the whole frame
};

// Looks at the start of `bytes`. ERR_AGAIN: not all there yet; ERR_INVALID: not our protocol, or
// another version of it: end the conversation.
enum err ipc_frame_next(struct span bytes, struct ipc_frame *out);

#endif
