// SPDX-License-Identifier: Apache-2.0
//
// The directory as an authority for passwords: looks somebody up with the rights of a service
// account, then binds as the entry that was found; or, with a template for the entry's name, binds
// at once. A person whom the filter does not find, or finds twice, is a no; a directory that cannot
// be asked is never one.
#ifndef COURIER_VOUCH_LDAP_H
#define COURIER_VOUCH_LDAP_H

#include "courier/dns/lookup.h"
#include "courier/vouch/vouch.h"

struct ldap_options {
    struct lookup *lookup;
    const struct span *servers; // in the order in which to try them
    size_t server_n;
    bool start_tls;
    const char *ca_file; // empty: the system's
    const char *bind_password_file;
    struct span bind_dn, base, filter;
    struct span bind_template; // not empty: nobody is looked up
    struct span mail_attribute, name_attribute, group_attribute, quota_attribute; // empty: not
                                                                                  // looked at
    struct span group_filter; // not empty: groups are looked up, and no attribute names them
    struct span group_base;
    int64_t timeout_ms; // for each step
};

struct ldap_authority;
// Reads files: before the sandbox. Copies all but the lookup. ERR_INVALID (logged).
enum err ldap_authority_create(const struct ldap_options *o, struct ldap_authority **out);
void ldap_authority_destroy(struct ldap_authority *l); // when nobody asks any more; NULL is allowed

// For struct vouch_authority, with the ldap_authority as `arg`.
void ldap_authority_answer(void *arg, const struct vouch_question *q, struct arena *a,
                           struct vouch_answer *out);

#endif
