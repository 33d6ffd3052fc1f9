// SPDX-License-Identifier: Apache-2.0
//
// What the files of keep/inbound/ share: inbound.c (connections, who they belong to),
// inbound_mail.c (envelopes and content), inbound_end.c (delivering), and what only submitted mail
// needs: submission.c, sender_right.c, send_rate.c.
#ifndef KEEP_INBOUND_INBOUND_INTERNAL_H
#define KEEP_INBOUND_INBOUND_INTERNAL_H

#include <stdatomic.h>

#include "base/lock.h"
#include "keep/inbound/inbound.h"
#include "keep/inbound/send_rate.h"
#include "mailfile/spool.h"
#include "net/task_conn.h"
#include "report/report_seen.h"

#define INBOUND_MEMORY_BYTES (256u << 10) // of one message; more goes to the disk

struct inbound {
    struct inbound_options options; // its texts are those below
    char server[256], separators[16], default_domain[256], dir[4097];
    struct conn_pool *pool;
    struct send_rate *rate;
    struct lock lock; // LOCK_LEAF: limits
    struct inbound_limits limits;
};

// An answer as it goes to the gate; static texts.
struct mail_reply {
    unsigned code;
    const char *enhanced, *text;
};

// From a MAIL_FROM to the end of its message.
struct mail_transaction {
    struct arena arena; // the envelope's texts
    struct inbound_limits limits;
    struct delivery_envelope env;        // without recipients
    struct delivery_recipient *accepted; // malloc
    uint32_t *places;                    // malloc; theirs among all that were named
    size_t count, cap;
    uint32_t named;           // recipients, accepted or not
    uint64_t announced;       // bytes; 0: not said
    struct spool *spool;      // NULL: nothing has come yet
    enum err content;         // of spooling
    struct report_seen *seen; // what its sender's domain is to be told; or NULL
};

enum mail_state {
    MAIL_STATE_IDLE,
    MAIL_STATE_ENVELOPE,
    MAIL_STATE_CONTENT,
    MAIL_STATE_REFUSED, // MAIL_FROM was; what was sent behind it comes to nothing
};

struct mail_session {
    struct inbound *in;
    struct task_conn *conn; // while it runs
    uint8_t protocol;       // enum ipc_protocol
    bool is_trusted;
    char remote[65];
    char tls[97]; // "TLSv1.3 ..."; empty: in the clear
    struct keep_link_login login;
    char user[321];                         // the account's address
    char device[DEVICE_NAME_BYTES_MAX + 1]; // the name of its device, or empty
    struct keep_session *counted;           // or NULL
    const struct mail_reply *closed;        // nothing is taken, for this reason; or NULL
    atomic_bool is_ending;                  // an administrator ends it
    enum mail_state state;
    struct mail_transaction t;
};

// ---- inbound_mail.c -----------------------------------------------------------------------------

// Takes one frame. ERR_INVALID: the gate has broken the rules. Blocks on the disk.
enum err mail_take(struct mail_session *s, const struct ipc_frame *f);
// Nothing of a transaction is left.
void mail_reset(struct mail_session *s);
enum err mail_answer(struct mail_session *s, uint32_t recipient, const struct mail_reply *r);

// ---- inbound_trail.c ----------------------------------------------------------------------------

struct mail_refusal {
    unsigned code;
    struct span enhanced, text, verdict;
};
struct span mail_how(const struct mail_session *s); // static
// Notes that these recipients' mail (with count 0: whatever would have come) is refused.
void mail_refused(struct mail_session *s, const struct delivery_recipient *to, size_t count,
                  const struct mail_refusal *why);
static inline struct mail_refusal mail_refusal_of(const struct mail_reply *r)
{
    return (struct mail_refusal){r->code, span_from_str(r->enhanced), span_from_str(r->text),
                                 SPAN("")};
}

// ---- inbound_end.c ------------------------------------------------------------------------------

enum err mail_end(struct mail_session *s, const struct ipc_mail_end *m);

#endif
