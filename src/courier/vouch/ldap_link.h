// SPDX-License-Identifier: Apache-2.0
//
// Connections to the servers of a directory: opened at the addresses that our own DNS gives, with
// TLS before anything is said, and kept for the next question. Blocks, never longer than the time
// it is given. Any number of threads, each with links of its own.
#ifndef COURIER_VOUCH_LDAP_LINK_H
#define COURIER_VOUCH_LDAP_LINK_H

#include <ldap.h>

#include "base/list.h"
#include "base/lock.h"
#include "courier/dns/lookup_host.h"

#define LDAP_SERVERS_MAX    8
#define LDAP_SERVER_BYTES   256
#define LDAP_LINKS_KEPT_MAX 64

// What a link is for. One that people are bound on is bound anew for each of them, and nothing is
// asked on it but what its entry says of the one who has just been bound.
enum ldap_use { LDAP_FOR_SEARCH, LDAP_FOR_PEOPLE, LDAP_USES };

struct ldap_link {
    struct list entry; // among those that wait
    LDAP *ld;
    enum ldap_use use;
    unsigned server;
    bool is_fresh; // never used before: what goes wrong on it is the server's
};

struct ldap_links_options {
    struct lookup *lookup;
    const struct span *servers; // "ldaps://host:port"
    size_t server_n;
    bool start_tls;                     // with ldap://
    const char *ca_file;                // empty: the system's
    struct span bind_dn, bind_password; // whom to be on links for searches; empty: nobody
    int64_t timeout_ms;                 // for each step
};

struct ldap_links;
// Reads files and sets up the library: before the sandbox, once in a process. Copies all but the
// lookup. ERR_INVALID (logged): a server, or the file of certificates.
enum err ldap_links_create(const struct ldap_links_options *o, struct ldap_links **out);
void ldap_links_destroy(struct ldap_links *l); // NULL is allowed

// One that waits, or a new one: to the first server that can be reached. ERR_UNAVAILABLE, with
// words about the last one that was tried; ERR_TIMEOUT.
enum err ldap_links_get(struct ldap_links *l, enum ldap_use use, int64_t until_ms,
                        struct ldap_link **out, char *words, size_t words_size);
// It is good for another question.
void ldap_links_put(struct ldap_links *l, struct ldap_link *k);
// It is not.
void ldap_link_close(struct ldap_link *k);

#endif
