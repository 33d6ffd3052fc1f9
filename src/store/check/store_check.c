// SPDX-License-Identifier: Apache-2.0
//
// Recounts everything. An account is checked in one view or, with repair, in one edit; what was
// found is told when that is over, so that an edit that had to start again tells nothing twice.
#include "store/check/store_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/check/check_internal.h"

#include "base/banned.h"

#define LINES_BYTES_MAX (1u << 20) // of one account; the rest is counted
#define LINE_BYTES_MAX  512
#define TEXT(span)      log_text(span).s

void check_problem(struct check *c, bool can_repair, const char *fmt, ...)
{
    char line[LINE_BYTES_MAX];
    bool repaired = can_repair && c->ed;
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);

    va_end(args);
    c->problems++;
    c->totals->differences++;
    c->totals->repaired += repaired;
    if (n < 0 || c->lines.n + LINE_BYTES_MAX + 2 > LINES_BYTES_MAX) {
        c->lines_left_out++;
        return;
    }
    buf_put_byte(&c->lines, repaired ? '+' : '-');
    buf_put_str(&c->lines, line);
    buf_put_byte(&c->lines, '\0');
}

// ---- one account --------------------------------------------------------------------------------

static void header_number(struct check *c, const char *what, uint64_t *kept, uint64_t counted)
{
    if (*kept != counted) {
        check_problem(c, true, "%s: %llu, counted %llu", what, (unsigned long long)*kept,
                      (unsigned long long)counted);
        *kept = counted;
    }
}

static void header_above(struct check *c, const char *what, uint64_t *next, uint64_t used)
{
    if (*next <= used) {
        check_problem(c, true, "%s is %llu, but %llu is in use", what, (unsigned long long)*next,
                      (unsigned long long)used);
        *next = used + 1;
    }
}

static void check_header(struct check *c)
{
    struct header h = c->v->header;
    uint64_t mailboxes = h.mailboxes, next_mailbox = h.next_mailbox,
             validity = (uint64_t)h.uid_validity_max + 1, next_device = h.next_device;

    header_number(c, "bytes used", &h.bytes, c->counted.bytes);
    header_number(c, "messages used", &h.messages, c->counted.messages);
    header_number(c, "mailboxes", &mailboxes, c->counted.mailboxes);
    header_number(c, "restorable messages", &h.expunged, c->counted.expunged);
    header_number(c, "restorable bytes", &h.expunged_bytes, c->counted.expunged_bytes);
    header_number(c, "entries of metadata", &h.metadata, c->counted.metadata);
    header_number(c, "bytes of metadata", &h.metadata_bytes, c->counted.metadata_bytes);
    header_above(c, "the next mailbox id", &next_mailbox, c->mailbox_max);
    header_above(c, "the next message id", &h.next_message, c->message_max);
    header_above(c, "the next UIDVALIDITY", &validity, c->uid_validity_max);
    header_above(c, "the next device id", &next_device, c->device_max);
    if (h.known_since > c->v->version) {
        check_problem(c, false, "the change log is known since %llu, the account is at %llu",
                      (unsigned long long)h.known_since, (unsigned long long)c->v->version);
    }
    if (!c->ed) {
        return;
    }
    // What check_mailboxes made counts on top.
    struct header *to = &c->ed->header;

    to->bytes = h.bytes;
    to->messages = h.messages;
    to->expunged = h.expunged;
    to->expunged_bytes = h.expunged_bytes;
    to->metadata = h.metadata;
    to->metadata_bytes = h.metadata_bytes;
    to->next_message = h.next_message;
    to->next_device = (uint32_t)next_device;
    if (to->next_mailbox < next_mailbox) {
        to->next_mailbox = (mailbox_id)next_mailbox;
    }
    if (to->uid_validity_max < validity - 1) {
        to->uid_validity_max = (uint32_t)(validity - 1);
    }
}

static enum err check_account_record(struct check *c)
{
    struct key k = key_plain(KEY_ACCOUNT);
    struct account_record a;
    struct span value;

    if (c->account == 0) {
        return ERR_OK;
    }
    enum err e = view_get(c->v, &k, &value);

    if (e == ERR_NOT_FOUND || (e == ERR_OK && account_decode(value, &a) != ERR_OK)) {
        check_problem(c, false, "the account's record is missing or cannot be read");
        e = ERR_OK;
    }
    return e;
}

// Keys that no version of this program has written.
static enum err check_unknown_keys(struct check *c)
{
    char known[] = "HVADIPREZGYBeOFTMNKabnskumtxcfgijwdlyopqhrzvCS";
    struct scan *scan;
    struct span key, value;
    char next = 0;
    enum err e = ERR_OK;

    do { // from kind to kind, not through all keys
        struct span from = span_of(&next, 1);

        e = scan_open(c->v->snapshot, c->account, from, SPAN(""), false, &scan);
        if (e != ERR_OK) {
            return e;
        }
        e = scan_next(scan, &key, &value);
        if (e == ERR_OK) {
            bool directory = key.n && strchr("VADIPREZGYBeOFTMNK", key.p[0]);

            if (!key.n || !strchr(known, key.p[0]) || (directory && c->account != 0)) {
                check_problem(c, false, "there is a key of an unknown kind (byte %d)",
                              key.n ? (unsigned char)key.p[0] : -1);
            }
            next = (char)((unsigned char)(key.n ? key.p[0] : 0) + 1);
        }
        scan_close(scan);
    } while (e == ERR_OK && next != 0);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_all_of(struct check *c)
{
    enum err e = check_account_record(c);

    e = e != ERR_OK ? e : check_unknown_keys(c);
    e = e != ERR_OK ? e : check_mailboxes(c);
    e = e != ERR_OK ? e : check_placements(c);
    e = e != ERR_OK ? e : check_messages(c);
    e = e != ERR_OK ? e : check_threads(c);
    e = e != ERR_OK ? e : check_log(c);
    e = e != ERR_OK ? e : check_rules(c);
    e = e != ERR_OK ? e : check_signins(c);
    e = e != ERR_OK ? e : check_shares(c);
    e = e != ERR_OK ? e : check_metadata(c);
    e = e != ERR_OK ? e : check_seen(c);
    if (e == ERR_OK) {
        check_header(c);
    }
    return e == ERR_OK && c->failed ? ERR_NOMEM : e;
}

// ---- the directory ------------------------------------------------------------------------------

struct lost_domain {
    struct lost_domain *next;
    struct span name;
    uint64_t accounts;
};

struct directory_pass {
    struct check *c;
    struct id_list ids; // of accounts that are there
    struct lost_domain *lost;
    uint64_t accounts;
    account_id max;
};

// Counts an account whose domain has no record.
static enum err note_domain(struct directory_pass *p, struct span address)
{
    struct span name = span_skip(address, span_find_byte(address, '@') + 1), value;
    struct key k = key_text(KEY_DOMAIN, name);
    struct lost_domain *l = p->lost;
    enum err e = view_get(p->c->v, &k, &value);

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    while (l && !span_eq(l->name, name)) {
        l = l->next;
    }
    if (!l) {
        l = arena_zalloc(&p->c->v->arena, 1, sizeof(*l));
        if (!l || !(l->name = arena_dup(&p->c->v->arena, name)).p) {
            return ERR_NOMEM;
        }
        l->next = p->lost;
        p->lost = l;
    }
    l->accounts++;
    return ERR_OK;
}

// When a domain was added is lost with its record; now is as good a time as any.
static enum err check_lost_domains(struct directory_pass *p)
{
    struct check *c = p->c;
    enum err e = ERR_OK;

    for (const struct lost_domain *l = p->lost; l && e == ERR_OK; l = l->next) {
        check_problem(c, true, "domain \"%s\" has %llu accounts and no record", TEXT(l->name),
                      (unsigned long long)l->accounts);
        if (c->ed) {
            struct domain_record r = {.created = edit_now_s(c->ed), .accounts = l->accounts};
            struct key k = key_text(KEY_DOMAIN, l->name);
            char room[DOMAIN_RECORD_BYTES_MAX];

            e = edit_put(c->ed, &k, domain_encode(&r, room));
        }
    }
    return e;
}

static enum err check_entry(void *arg, struct span key, struct span value)
{
    struct directory_pass *p = arg;
    struct entry_record entry;
    account_id id, found = 0;
    struct span other;
    enum err e;

    if (!key_read_u64(key, &id) || entry_decode(value, &entry) != ERR_OK) {
        check_problem(p->c, false, "an entry of the list of accounts cannot be read");
        return ERR_OK;
    }
    p->max = id > p->max ? id : p->max;
    struct key pending = key_u64(KEY_PENDING, id), name = key_text(KEY_ADDRESS, entry.address);

    if ((entry.state != ENTRY_THERE) != (view_get(p->c->v, &pending, &other) == ERR_OK)) {
        check_problem(p->c, false, "account %llu: half made or half removed",
                      (unsigned long long)id);
    }
    if (entry.state == ENTRY_REMOVING) {
        return ERR_OK;
    }
    p->accounts++;
    if (entry.state == ENTRY_THERE) {
        id_list_add(&p->ids, id, &p->c->failed);
    }
    e = note_domain(p, entry.address);
    if (e != ERR_OK) {
        return e;
    }
    if (view_get(p->c->v, &name, &other) != ERR_OK || account_id_decode(other, &found) != ERR_OK ||
        found != id) {
        char room[ACCOUNT_ID_BYTES];

        check_problem(p->c, found == 0, "account %llu is not found by its name \"%s\"",
                      (unsigned long long)id, TEXT(entry.address));
        if (p->c->ed && found == 0) {
            return edit_put(p->c->ed, &name, account_id_encode(id, room));
        }
    }
    return ERR_OK;
}

static enum err check_address(void *arg, struct span key, struct span value)
{
    struct directory_pass *p = arg;
    struct entry_record entry;
    struct span found;
    account_id id;
    bool right = account_id_decode(value, &id) == ERR_OK;

    if (right) {
        struct key k = key_u64(KEY_ACCOUNT_ID, id);

        right = view_get(p->c->v, &k, &found) == ERR_OK && entry_decode(found, &entry) == ERR_OK &&
                span_eq(entry.address, span_skip(key, 1));
    }
    if (right) {
        return ERR_OK;
    }
    check_problem(p->c, true, "the name \"%s\" leads to no account of that name",
                  TEXT(span_skip(key, 1)));
    return p->c->ed ? batch_delete(p->c->ed->batch, key) : ERR_OK;
}

struct domain_pass {
    struct directory_pass *p;
    struct span domain;
    uint64_t accounts;
};

static enum err count_in_domain(void *arg, struct span key, struct span value)
{
    struct domain_pass *d = arg;
    struct entry_record entry;

    (void)key;
    if (entry_decode(value, &entry) == ERR_OK && entry.state != ENTRY_REMOVING) {
        size_t at = span_find_byte(entry.address, '@');

        d->accounts += span_eq(span_skip(entry.address, at + 1), d->domain);
    }
    return ERR_OK;
}

// Accounts of a domain are counted by walking all entries: domains are few.
static enum err check_domain(void *arg, struct span key, struct span value)
{
    struct directory_pass *p = arg;
    struct domain_pass d = {.p = p, .domain = span_skip(key, 1)};
    struct key prefix = key_plain(KEY_ACCOUNT_ID);
    struct domain_record r;
    char room[DOMAIN_RECORD_BYTES_MAX];

    if (domain_decode(value, &r) != ERR_OK) {
        check_problem(p->c, false, "the record of domain \"%s\" cannot be read", TEXT(d.domain));
        return ERR_OK;
    }
    enum err e = view_each(p->c->v, &prefix, count_in_domain, &d);

    if (e != ERR_OK || d.accounts == r.accounts) {
        return e;
    }
    check_problem(p->c, true, "domain \"%s\" has %llu accounts, counted %llu", TEXT(d.domain),
                  (unsigned long long)r.accounts, (unsigned long long)d.accounts);
    r.accounts = d.accounts;
    return p->c->ed ? batch_put(p->c->ed->batch, key, domain_encode(&r, room)) : ERR_OK;
}

static enum err check_directory(struct check *c)
{
    struct directory_pass p = {.c = c};
    struct key entries = key_plain(KEY_ACCOUNT_ID), names = key_plain(KEY_ADDRESS),
               domains = key_plain(KEY_DOMAIN), header = key_plain(KEY_HEADER);
    struct span value;
    enum err e = view_each(c->v, &entries, check_entry, &p);

    e = e != ERR_OK ? e : view_each(c->v, &names, check_address, &p);
    e = e != ERR_OK ? e : view_each(c->v, &domains, check_domain, &p);
    e = e != ERR_OK ? e : check_lost_domains(&p);
    e = e != ERR_OK ? e : check_routes(c);
    e = e != ERR_OK ? e : check_roles(c);
    for (size_t i = 0; i < p.ids.n && e == ERR_OK; i++) {
        e = snapshot_get(c->v->snapshot, p.ids.p[i], key_span(&header), &value);
        if (e == ERR_NOT_FOUND) {
            check_problem(c, false, "account %llu has no data", (unsigned long long)p.ids.p[i]);
            e = ERR_OK;
        }
    }
    free(p.ids.p);
    if (e == ERR_OK) {
        struct header h = c->v->header;

        header_number(c, "accounts", &h.accounts, p.accounts);
        header_above(c, "the next account id", &h.next_account, p.max);
        if (c->ed) {
            c->ed->header.accounts = h.accounts;
            c->ed->header.next_account = h.next_account;
        }
    }
    return e;
}

// ---- running it ---------------------------------------------------------------------------------

static enum err check_run(struct check *c)
{
    struct check_totals before = *c->totals;
    enum err e;

    c->placed = c->hashes = (struct id_list){0};
    c->mailboxes = NULL;
    c->mailbox_count = 0;
    c->mailbox_max = 0;
    c->message_max = 0;
    c->uid_validity_max = 0;
    c->problems = 0;
    c->lines_left_out = 0;
    c->counted = (struct header){0};
    buf_clear(&c->lines);
    e = check_all_of(c);
    e = e == ERR_OK && c->account == 0 ? check_directory(c) : e;
    free(c->placed.p);
    free(c->hashes.p);
    c->totals->accounts++;
    if (e != ERR_OK) {
        *c->totals = before;
    }
    return e;
}

struct repair_args {
    struct check *c;
    struct check_totals before;
};

static enum err repair_edit(struct edit *ed, void *arg)
{
    struct repair_args *a = arg;
    struct check *c = a->c;
    struct change note = {.kind = CHANGE_REPAIRED};
    char words[64];

    *c->totals = a->before;
    c->ed = ed;
    c->v = &ed->view;
    enum err e = check_run(c);
    uint64_t repaired = c->totals->repaired - a->before.repaired;

    if (e != ERR_OK || repaired == 0) {
        return e;
    }
    int n = snprintf(words, sizeof(words), "%llu differences", (unsigned long long)repaired);

    note.after = span_of(words, (size_t)n);
    return change_put(ed, &note);
}

static void tell(const struct check *c, check_fn *fn, void *arg)
{
    struct span rest = buf_span(&c->lines);
    char more[64];

    while (rest.n) {
        struct span line = span_split(&rest, '\0');

        fn(arg, c->account, line.p + 1, line.p[0] == '+');
    }
    if (c->lines_left_out) {
        snprintf(more, sizeof(more), "and %zu more differences", c->lines_left_out);
        fn(arg, c->account, more, false);
    }
    fn(arg, c->account, NULL, false);
}

static enum err check_one(struct store *s, account_id account, const struct check_options *o,
                          check_fn *fn, void *arg, struct check_totals *totals)
{
    struct actor by = {.kind = ACTOR_SYSTEM, .device = SPAN("check")};
    struct check c = {.account = account, .read_bodies = o->read_bodies, .totals = totals};
    struct view v;
    enum err e;

    buf_init(&c.lines, LINES_BYTES_MAX);
    if (o->repair) {
        struct repair_args a = {.c = &c, .before = *totals};

        e = store_edit(s, account, &by, repair_edit, &a, NULL);
    } else {
        e = view_begin(&v, s, account);
        if (e == ERR_OK) {
            c.v = &v;
            e = check_run(&c);
            view_end(&v);
        }
    }
    if (e == ERR_OK) {
        tell(&c, fn, arg);
    } else if (e == ERR_CORRUPT || e == ERR_UNSUPPORTED) {
        totals->differences++;
        fn(arg, account, "the account's header cannot be read", false);
        e = ERR_OK;
    }
    buf_finish(&c.lines);
    return e;
}

// ---- bodies of all accounts ---------------------------------------------------------------------

struct bodies_pass {
    struct snapshot *snapshot;
    struct id_list accounts, bodies;
    bool failed;
};

static enum err collect_ids(struct bodies_pass *p)
{
    struct key prefix = key_plain(KEY_ACCOUNT_ID), to = key_after(&prefix);
    struct scan *scan;
    struct span key, value;
    account_id id;
    enum err e = scan_open(p->snapshot, 0, key_span(&prefix), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        if (key_read_u64(key, &id)) {
            id_list_add(&p->accounts, id, &p->failed);
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err collect_bodies(struct bodies_pass *p, account_id account)
{
    struct key prefix = key_plain(KEY_MESSAGE), to = key_after(&prefix);
    struct scan *scan;
    struct span key, value;
    struct message_record m;
    enum err e = scan_open(p->snapshot, account, key_span(&prefix), key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        if (message_decode(value, &m) == ERR_OK) {
            id_list_add(&p->bodies, m.body, &p->failed);
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void add_body(void *to, body_id id)
{
    struct bodies_pass *p = to;

    id_list_add(&p->bodies, id, &p->failed);
}

// Uses as the messages have them against uses as the engine has them.
static enum err compare_bodies(struct bodies_pass *p, check_fn *fn, void *arg,
                               struct check_totals *totals)
{
    size_t at = 0;

    id_list_sort(&p->bodies);
    while (at < p->bodies.n) {
        body_id id = p->bodies.p[at];
        uint64_t uses = id_list_count(&p->bodies, &at, id);
        struct body_info info;
        char line[160];
        enum err e = body_info(p->snapshot, id, &info);

        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        totals->bodies++;
        if (e == ERR_OK && info.uses != uses) { // missing ones were told with their message
            totals->differences++;
            snprintf(line, sizeof(line), "body %llu has %u uses, counted %llu",
                     (unsigned long long)id, info.uses, (unsigned long long)uses);
            fn(arg, 0, line, false);
        }
    }
    return ERR_OK;
}

static enum err check_bodies(struct store *s, const struct check_options *o, check_fn *fn,
                             void *arg, struct check_totals *totals)
{
    struct bodies_pass p = {0};
    struct engine_status before, after;
    char line[160];

    engine_status(s->engine, &before);
    enum err e = snapshot_open(s->engine, &p.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = collect_ids(&p);
    for (size_t i = 0; i < p.accounts.n && e == ERR_OK; i++) {
        e = collect_bodies(&p, p.accounts.p[i]);
    }
    if (e == ERR_OK && o->other_bodies) {
        e = o->other_bodies(p.snapshot, add_body, &p);
    }
    e = e == ERR_OK && p.failed ? ERR_NOMEM : e;
    uint64_t known = totals->bodies;

    e = e != ERR_OK ? e : compare_bodies(&p, fn, arg, totals);
    known = totals->bodies - known;
    engine_status(s->engine, &after);
    // Only what nobody changed meanwhile can be compared.
    if (e == ERR_OK && before.commits == after.commits && after.bodies > known) {
        totals->differences++;
        snprintf(line, sizeof(line), "%llu bodies belong to no message",
                 (unsigned long long)(after.bodies - known));
        fn(arg, 0, line, false);
    }
    snapshot_close(p.snapshot);
    free(p.accounts.p);
    free(p.bodies.p);
    return e;
}

// ---- below the accounts -------------------------------------------------------------------------

struct engine_pass {
    check_fn *fn;
    void *arg;
    struct check_totals *totals;
};

static void on_engine_problem(void *arg, struct span line, bool repaired)
{
    struct engine_pass *p = arg;
    char text[512];

    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(line));
    p->totals->differences++;
    p->totals->repaired += repaired;
    p->fn(p->arg, 0, text, repaired);
}

// The bodies themselves were read with the messages that have them, which says whose they are.
static enum err check_engine(struct store *s, const struct check_options *o, check_fn *fn,
                             void *arg, struct check_totals *totals)
{
    const struct engine_verify_options how = {.read_files = o->read_bodies, .repair = o->repair};
    struct engine_pass p = {.fn = fn, .arg = arg, .totals = totals};
    struct engine_report report;

    return engine_verify(s->engine, &how, on_engine_problem, &p, &report);
}

enum err store_check(struct store *s, const struct check_options *o, check_fn *fn, void *arg,
                     struct check_totals *out)
{
    struct check_totals totals = {0};
    struct bodies_pass ids = {0};
    enum err e = ERR_OK;

    if (o->only_set) {
        e = check_one(s, o->only, o, fn, arg, &totals);
    } else {
        e = check_one(s, 0, o, fn, arg, &totals);
        e = e != ERR_OK ? e : snapshot_open(s->engine, &ids.snapshot);
        e = e != ERR_OK ? e : collect_ids(&ids);
        snapshot_close(ids.snapshot);
        for (size_t i = 0; i < ids.accounts.n && e == ERR_OK; i++) {
            e = check_one(s, ids.accounts.p[i], o, fn, arg, &totals);
            e = e == ERR_NOT_FOUND ? ERR_OK : e; // being made, or just removed
        }
        e = e != ERR_OK ? e : check_bodies(s, o, fn, arg, &totals);
        e = e != ERR_OK ? e : check_engine(s, o, fn, arg, &totals);
        free(ids.accounts.p);
    }
    if (e == ERR_OK) {
        *out = totals;
    }
    return e;
}
