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
// then, for the gate, the listening sockets in the order of `listeners` (words "imap" or "imaps");
// for keep the lock file.
MESSAGE(START, 1, start,
    U32(uid) U32(gid)             // to become; 0xffffffff: stay
    U8(links)                     // bit n: there is a link to enum ipc_process n
    TEXT(settings, 262144)        // as conf_parse reads it
    TEXT(listeners, 1024)
    TEXT(cert_pem, 262144) TEXT(key_pem, 65536)) // gate only; else empty
// From a child: it serves.
MESSAGE(READY, 2, ready, U32(pid))
// To a child: new settings and certificate; the old ones stay when they cannot be used.
MESSAGE(RELOAD, 3, reload,
    TEXT(settings, 262144) TEXT(cert_pem, 262144) TEXT(key_pem, 65536))
MESSAGE(RELOADED, 4, reloaded, U8(ok) TEXT(text, 1024))
// To a child: finish what was acknowledged, say goodbye, end.
MESSAGE(STOP, 5, stop, U32(timeout_ms))
// To a child: are you alive? And the answer.
MESSAGE(PING, 6, ping, U64(number))
MESSAGE(STATUS, 7, status, U64(number) U64(connections) U64(logins) U64(failures))
// To a child: a peer has been started anew; the descriptor is the new link to it.
MESSAGE(LINK, 8, link, U8(peer)) // enum ipc_process

// ---- gate and keep ------------------------------------------------------------------------------

// Gate to keep: may this one come in?
MESSAGE(AUTH_REQUEST, 20, auth_request,
    U64(conversation)             // chosen by the gate; comes back in the result
    U8(protocol)                  // enum ipc_protocol
    U8(tls) U16(local_port)
    TEXT(mechanism, 32)           // "PLAIN", "LOGIN"; "LOGIN" also for the command
    TEXT(authzid, 1024) TEXT(user, 1024) TEXT(password, 4096)
    TEXT(remote, 64))             // address without port
// Keep to gate. The ticket is good once, for a short time, on this link.
MESSAGE(AUTH_RESULT, 21, auth_result,
    U64(conversation)
    U8(result)                    // enum ipc_auth
    TEXT(text, 512)               // for the client, may start with a response code
    TEXT(ticket, 64))
// Gate to keep with one descriptor: the session is yours. Keep writes the answer to `tag`.
MESSAGE(HANDOFF, 22, handoff,
    TEXT(ticket, 64)
    U8(protocol) U8(tls) U16(local_port)
    TEXT(tag, 256)                // of the command that logged in
    TEXT(remote, 64) U16(remote_port)
    TEXT(tls_text, 96)            // "TLSv1.3 TLS_AES_256_GCM_SHA384"
    TEXT(client_id, 4096)         // the list of the client's ID command as sent, or empty
    TEXT(input, 131072))          // bytes after the command, not yet looked at
