// SPDX-License-Identifier: Apache-2.0
//
// Questions to the DNS, answered by libunbound in threads of its own: validated with DNSSEC by us,
// cached, a bounded number at a time. Whether an answer is secure is never taken from somebody
// else's word (the AD bit), only from signatures checked here.
//
// When the servers that we ask do not pass signatures on, nothing could be validated and nothing
// would be answered. With LOOKUP_DNSSEC_AUTO that is found out at the start and again every hour;
// as long as it is so, answers come without validation (and none is secure), and the log says it.
#ifndef COURIER_DNS_LOOKUP_H
#define COURIER_DNS_LOOKUP_H

#include "courier/dns/lookup_record.h"
#include "ipc/message.h"
#include "net/loop.h"

enum lookup_dnssec { LOOKUP_DNSSEC_AUTO, LOOKUP_DNSSEC_REQUIRED, LOOKUP_DNSSEC_OFF };

struct lookup_options {
    // Servers to ask: "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53"; the one word "root": our
    // own recursion from the root. None: those of /etc/resolv.conf.
    const struct span *servers;
    size_t server_n;
    const char *trust_anchor; // file of DNSKEY or DS records (a zone file)
    enum lookup_dnssec dnssec;
    unsigned open_max;  // questions at a time; more are answered IPC_DNS_TEMPORARY at once
    int64_t timeout_ms; // for one question
};

struct lookup_answer {
    enum ipc_dns_status status;
    bool secure;
    uint32_t ttl_s;
    struct buf records;   // plain form; empty unless IPC_DNS_OK
    struct buf canonical; // the name at the end of CNAMEs; empty: there were none
};
void lookup_answer_finish(struct lookup_answer *a);

struct lookup;

// Reads the files it needs: before the sandbox. ERR_INVALID (logged): a server or the anchor.
enum err lookup_create(const struct lookup_options *o, struct lookup **out);
// Starts threads, so inside the sandbox. Answers are worked off on the loop.
enum err lookup_start(struct lookup *k, struct loop *l);
// Every open question is answered IPC_DNS_TEMPORARY, later ones too. Any thread.
void lookup_stop(struct lookup *k);
// On the loop's thread, when nobody asks any more. NULL is allowed.
void lookup_destroy(struct lookup *k);

// Asks and waits; not on the loop's thread. The name is without final dot; U-labels are not known
// here. Always fills *out, to be given to lookup_answer_finish.
void lookup_ask(struct lookup *k, struct span name, uint16_t type, struct lookup_answer *out);

// Asks; `done` is called on the loop's thread, maybe before this returns, and may take over the
// answer's buffers. On the loop's thread.
typedef void lookup_done_fn(void *arg, struct lookup_answer *a);
void lookup_ask_later(struct lookup *k, struct span name, uint16_t type, lookup_done_fn *done,
                      void *arg);

#endif
