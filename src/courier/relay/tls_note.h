// SPDX-License-Identifier: Apache-2.0
//
// What became of TLS with the hosts of one transaction, in the words of RFC 8460 section 4.3, for
// keep to report. Pure; one thread.
#ifndef COURIER_RELAY_TLS_NOTE_H
#define COURIER_RELAY_TLS_NOTE_H

#include "courier/relay/hop_route.h"

#define TLS_NOTES_MAX    8 // of one transaction; more sessions are not told
#define TLS_POLICY_BYTES 2000

struct tls_note {
    enum ipc_tls_policy policy;
    enum ipc_tls_result result;
    char host[256], address[64], source[64]; // of the other server; ours
    char text[TLS_POLICY_BYTES + 1];         // the policy, a line for each part
    char reason[256];
};
struct tls_notes {
    struct tls_note all[TLS_NOTES_MAX];
    size_t n;
};

// A conversation that was begun with a host, or came to nothing because of TLS. Others
// (IPC_TLS_NONE: it was not reached) are not noted.
void tls_note_session(struct tls_notes *notes, const struct hop_route *r,
                      const struct hop_target *t, const struct hop_target_facts *f,
                      const struct hop *h);
// A host that was passed over before that.
void tls_note_host(struct tls_notes *notes, const struct hop_route *r, const struct hop_target *t,
                   const struct hop_target_facts *f, enum ipc_tls_result result,
                   const char *reason);
// The domain's MTA-STS policy could not be had.
void tls_note_policy(struct tls_notes *notes, const struct hop_route *r);

#endif
