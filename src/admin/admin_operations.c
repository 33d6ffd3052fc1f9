// SPDX-License-Identifier: Apache-2.0
//
// Every operation of operation_table.h, and what it takes to be allowed: the right, and over what.
// There is no other place where this is decided; docs/roles.md shows the same table to people.
#include "admin/admin_internal.h"

#include "base/banned.h"

// All of it must be said: a row without a right does not compile.
#define OPERATION(name, run, rights, on, arg, method, path, fields, kind)                          \
    {name, run, {rights, on, arg}},

const struct admin_operation admin_operations[] = {
#include "admin/table/operation_table.h"
    {0},
};
#define OPERATIONS (sizeof(admin_operations) / sizeof(admin_operations[0]))

const char *const *admin_names(void)
{
    // Filled the same way by whoever comes first.
    static const char *names[OPERATIONS];

    for (size_t i = 0; i < OPERATIONS; i++) {
        names[i] = admin_operations[i].name;
    }
    return names;
}
