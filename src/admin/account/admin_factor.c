// SPDX-License-Identifier: Apache-2.0
//
// domain second-factor, role second-factor: who must have one.
#include "admin/admin_internal.h"
#include "store/directory/factor_policy.h"

#include "base/banned.h"

// With the argument "required" it is set; without, it is told.
static enum err run(struct admin_call *c, const char *kind, struct span name, struct span what)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    const json_t *wanted = json_object_get(c->args, "required");
    bool is_required = json_is_true(wanted);
    enum err e = wanted ? factor_policy_set(c->admin->store, &by, what, is_required)
                        : factor_policy_get(c->admin->store, what, &is_required);

    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e, "There is no %s %.*s. To see those there are: mailkeep %s list",
                          kind, SPAN_ARG(name), kind);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Saying who must have a second factor");
    }
    c->outcome->result =
        json_pack("{s:o, s:b}", kind, admin_json_text(name), "required", is_required);
    return ERR_OK;
}

enum err admin_domain_factor(struct admin_call *c)
{
    struct span name;
    enum err e = admin_domain(c, "domain", &name);
    char *what = e == ERR_OK ? arena_alloc(&c->arena, name.n + 1) : NULL;

    if (!what) {
        return e == ERR_OK ? admin_fail_store(c, ERR_NOMEM, "Saying it") : e;
    }
    what[0] = '@';
    memcpy(what + 1, name.p, name.n);
    return run(c, "domain", name, span_of(what, name.n + 1));
}

enum err admin_role_factor(struct admin_call *c)
{
    struct span name = admin_text(c, "role");

    return run(c, "role", name, name);
}
