// SPDX-License-Identifier: Apache-2.0
//
// An item of ldap_roles, taken apart: the name of a group (RFC 4514), a role, and domains. Pure.
#ifndef CONF_CONF_LDAP_H
#define CONF_CONF_LDAP_H

#include <stdbool.h>

#include "base/span.h"

struct conf_ldap_role {
    struct span group, role; // parts of the item
    struct span domains;     // with blanks between them; empty: all
};

// False: it is none. `config check` has said so.
bool conf_ldap_role_read(struct span item, struct conf_ldap_role *out);
// The next of the domains; false: there is none.
bool conf_ldap_role_domain(struct span *domains, struct span *out);

#endif
