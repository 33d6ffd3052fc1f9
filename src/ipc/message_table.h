// SPDX-License-Identifier: Apache-2.0
//
// Every message between the processes, declared once: the structs, the encoders, the decoders and
// the fuzz target are made from these rows. Included several times; no guard.
//
// MESSAGE(ID, number, struct_name, fields)   fields: U8(f) U16(f) U32(f) U64(f) TEXT(f, max_bytes)
// A number is never used for something else; a change of fields raises IPC_VERSION.
// clang-format off

// ---- supervisor and its children ----------------------------------------------------------------

// To a child, first of all. Descriptors: a link to each process named in `links`, lowest first;
// then, for the gate, the listening sockets in the order of `listeners` (words as in
// gate/service.c: "imaps");
// for keep the lock file.
MESSAGE(START, 1, start,
    U32(uid) U32(gid)             // to become; 0xffffffff: stay
    U8(links)                     // bit n: there is a link to enum ipc_process n
    TEXT(settings, 262144)        // as conf_parse reads it
    TEXT(listeners, 1024)
    TEXT(cert_pem, 262144) TEXT(key_pem, 65536) // gate only; else empty
    TEXT(client_ca_pem, 262144))  // the same; authorities for clients and their revocation lists
// From a child: it serves.
MESSAGE(READY, 2, ready, U32(pid))
// To a child: new settings and certificate; the old ones stay when they cannot be used.
MESSAGE(RELOAD, 3, reload,
    U64(number)                   // of the reload, or of its undoing; comes back in RELOADED
    TEXT(settings, 262144) TEXT(cert_pem, 262144) TEXT(key_pem, 65536)
    TEXT(client_ca_pem, 262144))
MESSAGE(RELOADED, 4, reloaded, U64(number) U8(ok) TEXT(text, 1024))
// To a child: finish what was acknowledged, say goodbye, end.
MESSAGE(STOP, 5, stop, U32(timeout_ms))
// To a child: are you alive? And the answer.
MESSAGE(PING, 6, ping, U64(number))
MESSAGE(STATUS, 7, status, U64(number) U64(connections) U64(logins) U64(failures))
// To a child: a peer has been started anew; the descriptor is the new link to it.
MESSAGE(LINK, 8, link, U8(peer)) // enum ipc_process
// From keep: somebody wants settings and certificate read again and to hear how it went. A reload
// that begins after this came answers it, and all questions with lower numbers.
MESSAGE(RELOAD_ASK, 9, reload_ask, U64(number))
// To keep when such a reload is over: what there is to say, one thing a message, then the end.
MESSAGE(RELOAD_ITEM, 10, reload_item,
    U64(number)                   // the highest that is answered
    U8(kind)                      // enum ipc_reload_kind
    U8(state)                     // PROCESS: enum ipc_reload_state; CERTIFICATE: 1 when it is new
    U32(line) U32(column)         // PROBLEM: from 1; 0 when it is about the whole file
    TEXT(name, 4096)              // of the setting, the process, the file
    TEXT(was, 1024) TEXT(now, 1024) // values as in the file; CERTIFICATE: now is its last day
    TEXT(text, 1024))             // a sentence
MESSAGE(RELOAD_END, 11, reload_end,
    U64(number)                   // as in the items
    U8(result)                    // enum ipc_reload_result
    TEXT(file, 4096))             // that was read; empty: there is none, which is allowed
// From the courier, which makes no Unix socket itself, with one descriptor: one end of a socket
// pair. Connect to the socket of this filter; the answer comes over that pair, with the connected
// descriptor when `problem` is 0. Where to is read in the settings: the courier can name no path.
MESSAGE(CONNECT, 12, connect, U8(filter)) // its place in the list `filters`, from 0
MESSAGE(CONNECTED, 13, connected, U32(problem)) // an errno; EAGAIN: its queue is full, try again
// To the courier, after START and with each reload: the file that says where networks are
// (setting geo_database), with its descriptor; without one it is not there, or cannot be opened.
MESSAGE(PLACES, 14, places, U8(is_set)) // 0: the settings name none

// ---- gate and keep ------------------------------------------------------------------------------

// Gate to keep: may this one come in?
MESSAGE(AUTH_REQUEST, 20, auth_request,
    U64(conversation)             // chosen by the gate; comes back in the result
    U8(protocol)                  // enum ipc_protocol
    U8(tls) U16(local_port)
    TEXT(mechanism, 32)           // "PLAIN", "LOGIN"; "LOGIN" also for the command
    TEXT(authzid, 1024)
    TEXT(user, 1024)              // empty only with OAUTHBEARER: the token says it alone
    TEXT(password, 8192)          // with OAUTHBEARER and XOAUTH2 the token
    TEXT(remote, 64)              // address without port
    TEXT(response, 4096)          // with SCRAM the client's first message; with EXTERNAL the
                                  // SHA-256 of its certificate; there is no password then
    TEXT(binding, 64))            // the channel's bytes of the kind that it names; or empty
// Keep to gate. The ticket is good once, for a short time, on this link.
MESSAGE(AUTH_RESULT, 21, auth_result,
    U64(conversation)
    U8(result)                    // enum ipc_auth
    TEXT(text, 512)               // for the client, may start with a response code; with a yes to
                                  // SCRAM the server's last message
    TEXT(ticket, 64))
// Keep to gate, in the place of a result: say this to the client. The exchange is open until the
// response, for a minute at most.
MESSAGE(AUTH_CHALLENGE, 25, auth_challenge,
    U64(conversation)
    TEXT(bytes, 512))
// Gate to keep: what the client said to that. An AUTH_RESULT answers it, unless it has given up.
MESSAGE(AUTH_RESPONSE, 26, auth_response,
    U64(conversation)
    U8(is_given_up)               // the client has gone, or wants no more
    TEXT(bytes, 4096))
// Gate to keep with one descriptor: the session is yours. Keep writes the answer to `tag`.
MESSAGE(HANDOFF, 22, handoff,
    TEXT(ticket, 64)
    U8(protocol) U8(tls) U16(local_port)
    TEXT(tag, 256)                // of the command that logged in
    TEXT(remote, 64) U16(remote_port)
    TEXT(tls_text, 96)            // "TLSv1.3 TLS_AES_256_GCM_SHA384"
    TEXT(client_id, 4096)         // the list of the client's ID command as sent, or empty
    TEXT(last, 512)               // of a mechanism, to go with the OK (ManageSieve only); or empty
    TEXT(input, 131072))          // bytes after the command, not yet looked at
// Gate to keep: is this domain one of ours?
MESSAGE(DOMAIN_REQUEST, 23, domain_request,
    U64(conversation)             // as AUTH_REQUEST's
    TEXT(domain, 256))
MESSAGE(DOMAIN_RESULT, 24, domain_result,
    U64(conversation)
    U8(result))                   // enum ipc_domain

// ---- gate and keep: mail that comes in ----------------------------------------------------------

// Gate to keep over the link, with one descriptor: one end of a socket pair. The mail of one SMTP
// or LMTP connection goes over that pair in frames like these, any number of transactions one after
// the other: the gate sends MAIL_FROM, a MAIL_RCPT for each recipient, MAIL_DATA until all is sent,
// and MAIL_END; or MAIL_RESET at any point before that. It may send on without waiting for answers.
// Keep sends MAIL_ANSWERs in this order: one to MAIL_FROM, one to each MAIL_RCPT, and to MAIL_END
// one for each accepted recipient (LMTP) or one for all (the others). An answer of 2xx to MAIL_END
// says that the message is durable. Either side closes at its end; without an answer to MAIL_END
// nobody knows, and the client has to try again.
MESSAGE(MAIL, 30, mail,
    U8(protocol)                  // enum ipc_protocol: SMTP, SUBMISSION or LMTP
    U8(is_trusted)                // the settings let this address send to other servers
    U8(tls) U16(local_port) U16(remote_port)
    TEXT(remote, 64)              // address without port
    TEXT(tls_text, 96)            // "TLSv1.3 TLS_AES_256_GCM_SHA384"
    TEXT(ticket, 64))             // of the login by AUTH; empty: nobody has logged in
MESSAGE(MAIL_FROM, 31, mail_from,
    TEXT(helo, 255)               // what the client calls itself
    TEXT(sender, 1024)            // empty: the null path
    TEXT(envid, 100)              // decoded; empty: none
    U32(flags)                    // enum queue_message_flag
    U64(bytes)                    // as announced with SIZE; 0: not said
    U64(hold_until_ms))           // since 1970 (RFC 4865); 0: at once
MESSAGE(MAIL_RCPT, 32, mail_rcpt,
    TEXT(address, 1024)           // without source route
    TEXT(orcpt, 1024)             // decoded; empty: none
    U8(notify))                   // enum queue_notify
// The message as it is to be stored: dots undone, CRLF line ends.
MESSAGE(MAIL_DATA, 33, mail_data, TEXT(bytes, 65536))
MESSAGE(MAIL_END, 34, mail_end,
    U8(is_suspect)                // to Junk instead of INBOX
    TEXT(prefix, 65536)           // header lines that go in front: Received, Authentication-Results
    TEXT(verdict, 1024))          // what the checks found, in words, for the change log
// With a code: the gate has refused the message, for the trail of mail.
MESSAGE(MAIL_RESET, 35, mail_reset,
    U16(code)                     // 550, 451 ...; 0: it came to nothing
    TEXT(enhanced, 16)            // the same: "5.7.1"
    TEXT(text, 512)               // what the client was told
    TEXT(verdict, 1024))          // what the checks found, in words
// Gate to keep, right before the MAIL_END or MAIL_RESET of a message from a domain that wants DMARC
// reports: what to report (RFC 7489 appendix C).
MESSAGE(MAIL_DMARC, 37, mail_dmarc,
    TEXT(domain, 253)             // where its record was found
    TEXT(header_from, 253) TEXT(envelope_from, 253) // domains
    U8(policy) U8(subdomain_policy) // 0 none, 1 quarantine, 2 reject
    U8(percent)
    U8(strict)                    // bit 0: alignment of DKIM, bit 1: of SPF
    U8(disposition)               // what was done, as policies are numbered
    U8(aligned)                   // bit 0: by DKIM, bit 1: by SPF
    TEXT(reason, 64)              // why less was done: "mailing_list"; empty: it was not less
    TEXT(checks, 1000))           // a line for each: method, result, domain, selector or scope,
                                  // with a tab between them
MESSAGE(MAIL_ANSWER, 36, mail_answer,
    U32(recipient)                // its place among the MAIL_RCPTs, from 0; IPC_MAIL_ALL: to
                                  // MAIL_FROM, or to all of them
    U16(code)                     // 250, 450, 550 ...
    TEXT(enhanced, 16)            // "5.1.1"
    TEXT(text, 512))              // one clean line

// ---- gate and keep: administration --------------------------------------------------------------

// Gate to keep over the link, with one descriptor: one end of a socket pair. One command of the
// control protocol (ipc/control_frame.h) goes over that pair, the gate being the client: a frame
// REQUEST, what belongs to it, then what comes of it, and keep closes. When the gate closes before,
// the command ends.
MESSAGE(API, 90, api,
    U8(kind)                      // enum ipc_api_kind
    TEXT(ticket, 64)              // of the login by AUTH; empty: nobody has logged in
    TEXT(remote, 64))             // address without port; may be empty

// ---- with the courier ---------------------------------------------------------------------------

#include "ipc/message_table_courier.h"
