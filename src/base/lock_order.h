// SPDX-License-Identifier: Apache-2.0
//
// Every mutex of the program, in the order in which they may be taken: a thread that holds one may
// only take those further down. Checked at run time in builds with MK_LOCK_WITNESS (all test
// builds). A new lock gets a line here first.
#ifndef BASE_LOCK_ORDER_H
#define BASE_LOCK_ORDER_H

enum lock_rank {
    LOCK_SUPERVISOR = 10,
    LOCK_GATE = 15,             // gate: settings, certificate, the conversation with keep
    LOCK_PROVISION = 18,        // keep: one change by an identity provider at a time
    LOCK_SESSIONS = 20,         // keep: the table of sessions
    LOCK_SESSION = 30,          // keep: one session's state shared between loop and worker
    LOCK_OUTBOUND = 35,         // keep: the queue's thread, the conversation with the courier
    LOCK_VOUCH = 37,            // keep: questions about people that the courier has not answered
    LOCK_AUTH = 40,             // auth: cache of verified passwords, running hashes
    LOCK_STORE_ACCOUNTS = 50,   // store: table of open accounts
    LOCK_STORE_ACCOUNT = 60,    // store: one account's writer
    LOCK_QUEUE_SHARD = 62,      // queue: one shard's writer; commits with it
    LOCK_STORE_CACHE = 65,      // store: one account's cached mailbox list
    LOCK_STORE_WATCH = 70,      // store: the watchers of accounts
    LOCK_QUEUE = 75,            // queue: destinations, and what is being tried
    LOCK_ENGINE_COMPACT = 80,   // engine: one compaction at a time
    LOCK_ENGINE_QUEUE = 90,     // engine: commits waiting for the committer
    LOCK_ENGINE_STATE = 100,    // engine: memory tables and snapshot list
    LOCK_ENGINE_SEGMENTS = 110, // engine: table of segment files
    LOCK_NET_WORKERS = 120,     // net: the worker pool's queue
    LOCK_NET_LOOP = 130,        // net: tasks posted to a loop
    LOCK_LEAF = 200,            // takes nothing else while held
};

#endif
