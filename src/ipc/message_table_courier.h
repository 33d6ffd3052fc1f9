// SPDX-License-Identifier: Apache-2.0
//
// The courier's part of message_table.h, which includes it at its end; no guard.
// clang-format off

// ---- keep and courier ---------------------------------------------------------------------------

// Keep to courier over the link, with one descriptor: one end of a socket pair. Everything about
// one transaction goes over that pair, in frames like these: keep sends RELAY_JOB, a RELAY_RCPT for
// each recipient, then RELAY_BODY until the last; the courier sends a RELAY_RESULT for each
// recipient, in any order, then RELAY_END, and closes. Keep sends without waiting for an answer;
// results may come before all of the body was taken, and then the rest is not wanted. When either
// side closes early nothing more comes: recipients without a result were not delivered, as far as
// is known.
MESSAGE(RELAY, 60, relay, U64(id))
MESSAGE(RELAY_JOB, 61, relay_job,
    U64(id)                       // of the message, for the log
    TEXT(destination, 255)        // a domain, or "[192.0.2.1]"
    TEXT(route_host, 255)         // empty: by MX of the destination; else this host, or address
    U16(route_port)               // 0: 25, and 465 for implicit TLS
    U8(route_tls)                 // enum ipc_relay_tls
    TEXT(route_user, 1024) TEXT(route_password, 4096) // both empty: no AUTH
    TEXT(helo, 255)               // our name
    TEXT(sender, 1024)            // empty: the null path
    U32(flags)                    // enum queue_message_flag
    U64(bytes)                    // of the message as sent, header lines that go before included
    TEXT(envid, 100)              // decoded; empty: none
    U32(recipients))              // 1 to 1000
MESSAGE(RELAY_RCPT, 62, relay_rcpt,
    TEXT(address, 1024)
    TEXT(orcpt, 1024)             // decoded, "rfc822;anna@example.org"; empty: none
    U8(notify))                   // enum queue_notify
MESSAGE(RELAY_BODY, 63, relay_body, U8(last) TEXT(bytes, 65536))
MESSAGE(RELAY_RESULT, 64, relay_result,
    U32(recipient)                // its place in the job, from 0
    U8(outcome)                   // enum ipc_relay_outcome
    TEXT(host, 320)               // who said so: "mx.example.org [192.0.2.1]"; may be empty
    TEXT(reply, 512))             // one clean line: "550 5.1.1 No such user", or our words
// Before RELAY_END, one for each conversation that was begun with an MX, or came to nothing because
// of TLS: for reports (RFC 8460).
MESSAGE(RELAY_SESSION, 66, relay_session,
    TEXT(domain, 255)             // the destination, in A-labels
    U8(policy)                    // enum ipc_tls_policy
    TEXT(policy_text, 2000)       // its lines, with a LF between them; may be empty
    U8(result)                    // enum ipc_tls_result
    TEXT(host, 255)               // the MX; empty: it is about the domain
    TEXT(address, 64)             // its address, and ours; empty: none was connected to
    TEXT(source, 64)
    TEXT(reason, 255))            // words about a failure; may be empty
MESSAGE(RELAY_END, 65, relay_end,
    TEXT(tls, 255)                // what protected it: "TLSv1.3, certificate checked by DANE"
    TEXT(problem, 512))           // why the destination could not be reached; empty: it was

// ---- keep and courier: who is this --------------------------------------------------------------

// Does a directory (LDAP) or an issuer of tokens know this person? Any number may be open, as far
// as keep allows; the answers come in any order, and later than `timeout_ms` nobody waits for one.
MESSAGE(VOUCH_ASK, 85, vouch_ask,
    U64(id)                       // chosen by keep; comes back in the answer
    U8(kind)                      // enum ipc_vouch_kind
    U32(timeout_ms)
    TEXT(name, 1024)              // the address of the account; with a token what the client says
    TEXT(secret, 8192)            // token or password; empty: none is asked about
    TEXT(remote, 64))             // of the client, without port
MESSAGE(VOUCH_ANSWER, 86, vouch_answer,
    U64(id)
    U8(result)                    // enum ipc_vouch
    // With IPC_VOUCH_YES:
    TEXT(name, 1024)              // the address the authority knows them by; empty: as asked
    TEXT(display_name, 1024)      // empty: not known
    U64(valid_until_ms)           // since 1970; 0: not said
    U64(quota)                    // bytes; 0: not said; 2^64 - 1: no limit
    TEXT(groups, 65536)           // one a line, as the authority calls them
    U8(knows_groups)              // 1: these are all; 0: it could not be said
    // In any case, for the log and the administrator, never for the client:
    TEXT(words, 1024))

// ---- keep and courier: alerts -------------------------------------------------------------------

// An alert for the administrator's webhook, and what became of it. One is open at a time; the
// courier gone means that nobody knows, and it is sent again: the receiver can tell by the id in
// the body.
MESSAGE(ALERT_POST, 95, alert_post,
    U64(id)                       // chosen by keep
    TEXT(signature, 160)          // "t=1800000000,v1=" and 64 hexadecimal digits
    TEXT(body, 32768))            // JSON
MESSAGE(ALERT_RESULT, 96, alert_result,
    U64(id)
    U8(outcome)                   // enum ipc_alert_outcome
    TEXT(words, 512))             // why not, for the log

// ---- keep and courier: where networks are ------------------------------------------------------

// One is open at a time.
MESSAGE(PLACE_ASK, 97, place_ask,
    U64(id)                       // chosen by keep; comes back in the answer
    TEXT(address, 64))            // the first of a network: "192.0.2.0"
MESSAGE(PLACE_ANSWER, 98, place_answer,
    U64(id)
    U8(result)                    // enum ipc_place
    TEXT(country, 2)              // ISO 3166-1; empty: not known
    TEXT(name, 64)                // in English
    U8(has_position)
    U32(latitude) U32(longitude)  // hundredths of a degree, from IPC_PLACE_SOUTH and _WEST on
    U32(radius_km))

// ---- gate and courier: filters ------------------------------------------------------------------

// Gate to courier over the link, with one descriptor: one end of a socket pair. One message and
// what the filters of the settings (milters, rspamd) say of it go over that pair: the gate sends
// FILTER_BEGIN, a FILTER_RCPT for each recipient, FILTER_DATA until all is sent, and FILTER_END.
// The courier sends FILTER_TAKEN as it takes bytes, so that the gate never has many on their way,
// and one FILTER_RESULT, maybe before the end. Either side closes when it is through; when the
// courier closes without a result the filters are away.
MESSAGE(FILTER, 75, filter, U64(id))
MESSAGE(FILTER_BEGIN, 76, filter_begin,
    TEXT(server_name, 255)        // ours
    TEXT(remote, 64)              // the client's address without port
    U16(remote_port)
    TEXT(helo, 255)
    TEXT(sender, 1024))           // empty: the null path
MESSAGE(FILTER_RCPT, 77, filter_rcpt, TEXT(address, 1024))
MESSAGE(FILTER_DATA, 78, filter_data, TEXT(bytes, 65536))
MESSAGE(FILTER_END, 79, filter_end, U8(reason)) // 0
MESSAGE(FILTER_TAKEN, 80, filter_taken, U64(bytes)) // of FILTER_DATA, since the beginning
MESSAGE(FILTER_RESULT, 81, filter_result,
    U8(action)                    // enum ipc_filter_action
    U16(code)                     // REJECT, TEMPORARY: 550, 451 ...; else 0
    TEXT(enhanced, 16)            // the same: "5.7.1"
    TEXT(text, 400)               // the same: one clean line
    TEXT(lines, 16384)            // header fields to add, with CRLF
    U8(has_subject)               // the message gets another Subject:
    TEXT(subject, 4096)           // one line, as it stands in a header
    TEXT(words, 512))             // for the log: who said what

// ---- gate or keep, and courier ------------------------------------------------------------------

// A question to the DNS; any number may be open, the answers come in any order.
MESSAGE(DNS_ASK, 70, dns_ask,
    U64(id)                       // chosen by who asks
    U16(type)                     // as in the DNS: 1 A, 15 MX, 16 TXT, 28 AAAA, 52 TLSA
    TEXT(name, 255))              // U-labels or A-labels, without the final dot
// The records one after the other, each u16 length and data:
//   A, AAAA     4 or 16 bytes
//   MX          u16 preference, name (empty: null MX, RFC 7505)
//   TXT         all its strings joined
//   CNAME, PTR  name
//   others      as in the DNS
// Integers are little-endian; a name is text in lower case without the final dot, a byte that is no
// letter, digit, "-" or "_" as \DDD.
MESSAGE(DNS_ANSWER, 71, dns_answer,
    U64(id)
    U8(status)                    // enum ipc_dns_status
    U8(secure)                    // 1: validated with DNSSEC, by us
    U32(ttl)                      // seconds
    TEXT(records, 131072))
