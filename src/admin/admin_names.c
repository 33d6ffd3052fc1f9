// SPDX-License-Identifier: Apache-2.0
//
// Names as people type them: an address in its one spelling, and the nearest one there is when it
// is not there.
#include "admin/admin_internal.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 254
#define NEAR_STEPS     3      // as many slips of the finger are forgiven
#define NAMES_LOOKED   100000 // names compared before giving up on a suggestion

unsigned admin_distance(struct span a, struct span b, unsigned max)
{
    unsigned before[NAME_BYTES_MAX + 1], last[NAME_BYTES_MAX + 1], now[NAME_BYTES_MAX + 1];
    size_t gap = a.n > b.n ? a.n - b.n : b.n - a.n;

    if (gap > max || a.n > NAME_BYTES_MAX || b.n > NAME_BYTES_MAX) {
        return max + 1;
    }
    for (size_t j = 0; j <= b.n; j++) {
        last[j] = (unsigned)j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a.n; i++) {
        unsigned best = now[0] = (unsigned)i;

        for (size_t j = 1; j <= b.n; j++) {
            char x = byte_lower(a.p[i - 1]), y = byte_lower(b.p[j - 1]);
            unsigned d = last[j - 1] + (x != y);

            d = last[j] + 1 < d ? last[j] + 1 : d;
            d = now[j - 1] + 1 < d ? now[j - 1] + 1 : d;
            if (i > 1 && j > 1 && x == byte_lower(b.p[j - 2]) && byte_lower(a.p[i - 2]) == y &&
                before[j - 2] + 1 < d) {
                d = before[j - 2] + 1;
            }
            now[j] = d;
            best = d < best ? d : best;
        }
        if (best > max) {
            return max + 1;
        }
        memcpy(before, last, sizeof(before));
        memcpy(last, now, sizeof(last));
    }
    return last[b.n] > max ? max + 1 : last[b.n];
}

// Keeps the name nearest to `wanted` of those it is shown.
struct nearest {
    struct span wanted;
    char name[NAME_BYTES_MAX];
    size_t name_n;
    unsigned distance, looked;
};

static bool nearest_look(struct nearest *n, struct span name)
{
    unsigned d = admin_distance(n->wanted, name, NEAR_STEPS);

    // A short name has to be nearer: three slips make any three letters.
    if (d < n->distance && d * 2 < n->wanted.n) {
        n->distance = d;
        n->name_n = name.n;
        memcpy(n->name, name.p, name.n);
    }
    return ++n->looked < NAMES_LOOKED;
}

static bool nearest_account(void *arg, const struct account *account)
{
    return nearest_look(arg, account->name);
}

static bool nearest_domain(void *arg, struct span domain, uint64_t accounts)
{
    (void)accounts;
    return nearest_look(arg, domain);
}

// ---- domains ------------------------------------------------------------------------------------

struct only_domain {
    struct arena *arena;
    struct span domain;
    unsigned count;
};

static bool count_domain(void *arg, struct span domain, uint64_t accounts)
{
    struct only_domain *o = arg;

    (void)accounts;
    if (++o->count == 1) {
        o->domain = arena_dup(o->arena, domain);
    }
    return o->count < 2;
}

struct span admin_only_domain(struct admin_call *c)
{
    struct only_domain o = {.arena = &c->arena};

    if (c->admin->default_domain.n > 0) {
        return c->admin->default_domain;
    }
    if (directory_domain_list(c->admin->store, count_domain, &o) != ERR_OK || o.count != 1) {
        return (struct span){"", 0};
    }
    return o.domain;
}

enum err admin_address(struct admin_call *c, const char *name, struct span *out)
{
    struct span given = admin_text(c, name);
    const char *reason = "it is empty";

    if (given.n == 0) {
        return admin_fail(c, ERR_INVALID, "Which account? Give an address, like anna@example.org.");
    }
    enum err e = directory_name_check(&c->arena, given, admin_only_domain(c), out, &reason);

    if (e == ERR_INVALID) {
        return admin_fail(c, e, "\"%.*s\" cannot be an address: %s.", SPAN_ARG(given),
                          reason ? reason : "it breaks the rules for addresses");
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Looking up the address");
}

// ---- accounts -----------------------------------------------------------------------------------

enum err admin_no_account(struct admin_call *c, struct span name)
{
    struct nearest n = {.wanted = name, .distance = NEAR_STEPS + 1};

    directory_account_list(c->admin->store, (struct span){"", 0}, nearest_account, &n);
    if (n.name_n > 0) {
        return admin_fail(c, ERR_NOT_FOUND, "There is no account \"%.*s\". Did you mean \"%.*s\"?",
                          SPAN_ARG(name), (int)n.name_n, n.name);
    }
    struct nearest d = {.wanted = span_skip(name, span_find_byte(name, '@') + 1),
                        .distance = NEAR_STEPS + 1};

    directory_domain_list(c->admin->store, nearest_domain, &d);
    if (d.name_n > 0 && d.distance > 0) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "There is no account \"%.*s\". Did you mean the domain \"%.*s\"?",
                          SPAN_ARG(name), (int)d.name_n, d.name);
    }
    return admin_fail(c, ERR_NOT_FOUND,
                      "There is no account \"%.*s\". All accounts: mailkeep account list",
                      SPAN_ARG(name));
}

enum err admin_account(struct admin_call *c, struct account *out)
{
    struct span name;
    enum err e = admin_address(c, "account", &name);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_account_by_name(c->admin->store, name, &c->arena, out);
    if (e == ERR_NOT_FOUND) {
        return admin_no_account(c, name);
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Looking up the account");
}

enum err admin_no_mailbox(struct admin_call *c, struct view *v, struct span name)
{
    struct nearest n = {.wanted = name, .distance = NEAR_STEPS + 1};
    const struct mailbox *const *boxes;
    size_t count;

    if (view_mailboxes(v, &boxes, &count) == ERR_OK) {
        for (size_t i = 0; i < count; i++) {
            nearest_look(&n, boxes[i]->name);
        }
    }
    if (n.name_n > 0) {
        return admin_fail(c, ERR_NOT_FOUND,
                          "There is no mailbox \"%.*s\" in this account. Did you mean \"%.*s\"?",
                          SPAN_ARG(name), (int)n.name_n, n.name);
    }
    return admin_fail(c, ERR_NOT_FOUND,
                      "There is no mailbox \"%.*s\" in this account. All of them: mailkeep mailbox "
                      "list",
                      SPAN_ARG(name));
}
