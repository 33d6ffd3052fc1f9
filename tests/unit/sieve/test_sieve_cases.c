// SPDX-License-Identifier: Apache-2.0
//
// The table of scripts in tests/data/sieve: each case has a script, a message and what must come of
// them. The format, line by line:
//   %% case NAME         begins a case
//   %% env KEY=VALUE     the world around it (see set_env); may repeat
//   %% file WHERE NAME   a script that can be included, "personal" or "global"; text follows
//   %% script            text follows
//   %% message           text follows; a case without one takes that of the case before
//   %% want              text follows, up to the next "%%"
#include <dirent.h>

#include "../test.h"
#include "sieve_driver.h"

struct test_case {
    struct span name, script, want;
    struct world world;
    bool shows_message, is_traced, has_script;
    uint64_t steps;
};

static struct buf message; // with CRLF
static unsigned case_n, failed_n;

static void read_file(const char *path, struct buf *out)
{
    char piece[4096];
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
        buf_put(out, span_of(piece, n));
    }
    fclose(f);
    assert_ok(buf_result(out));
}

static struct span word_after(struct span line, const char *start)
{
    return span_trim(span_skip(line, strlen(start)));
}

static void add(struct span *list, size_t *n, struct span value)
{
    assert_true(*n < WORLD_MAX);
    list[(*n)++] = value;
}

static void add_pair(struct world_pair *list, size_t *n, struct span pair)
{
    struct span name = span_split(&pair, '=');

    assert_true(*n < WORLD_MAX);
    list[(*n)++] = (struct world_pair){name, pair};
}

static bool set_text(struct sieve_env *env, struct span key, struct span value)
{
    const struct {
        const char *key;
        struct span *to;
    } texts[] = {
        {"from", &env->envelope_from}, {"to", &env->envelope_to}, {"orcpt", &env->dsn_orcpt},
        {"notify", &env->dsn_notify},  {"ret", &env->dsn_ret},    {"envid", &env->dsn_envid},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (span_eq(key, span_from_str(texts[i].key))) {
            *texts[i].to = value.n ? value : SPAN("");
            return true;
        }
    }
    return false;
}

static void set_env(struct test_case *t, struct span pair)
{
    struct world *w = &t->world;
    struct span whole = pair, key = span_split(&pair, '=');
    uint64_t n = 0;

    span_to_u64(pair, INT64_MAX, &n);
    if (set_text(&w->env, key, pair)) {
        return;
    } else if (span_eq(key, SPAN("now"))) {
        w->env.now = (int64_t)n;
    } else if (span_eq(key, SPAN("zone"))) {
        w->env.zone_minutes = (int)n;
    } else if (span_eq(key, SPAN("mailbox"))) {
        add(w->mailboxes, &w->mailbox_n, pair);
    } else if (span_eq(key, SPAN("id"))) {
        add(w->ids, &w->id_n, pair);
    } else if (span_eq(key, SPAN("address"))) {
        add(w->addresses, &w->address_n, pair);
    } else if (span_eq(key, SPAN("use"))) {
        add_pair(w->uses, &w->use_n, pair);
    } else if (span_eq(key, SPAN("meta"))) {
        add_pair(w->metadata, &w->metadata_n, pair);
    } else if (span_eq(key, SPAN("item"))) {
        add_pair(w->items, &w->item_n, pair);
    } else if (span_eq(key, SPAN("seen"))) {
        w->is_seen = true;
    } else if (span_eq(key, SPAN("spam"))) {
        w->env.spam = (struct sieve_verdict){true, (unsigned)n};
    } else if (span_eq(key, SPAN("virus"))) {
        w->env.virus = (struct sieve_verdict){true, (unsigned)n};
    } else if (span_eq(key, SPAN("steps"))) {
        t->steps = n;
    } else if (span_eq(key, SPAN("show"))) {
        t->shows_message = true;
    } else if (span_eq(key, SPAN("trace"))) {
        t->is_traced = true;
    } else {
        print_error("no such key: %.*s\n", SPAN_ARG(whole));
        fail();
    }
}

static void run_case(struct test_case *t, const char *file)
{
    struct buf out, trace;

    buf_init(&out, 1 << 20);
    buf_init(&trace, 1 << 20);
    t->world.trace = t->is_traced ? &trace : NULL;
    t->world.env.message = buf_span(&message);
    enum err e = world_run(&t->world, t->script, t->steps, t->shows_message, &out);

    assert_true(e == ERR_OK || e == ERR_INVALID);
    buf_put(&trace, buf_span(&out));
    struct span got = span_trim(buf_span(&trace)), want = span_trim(t->want);

    case_n++;
    if (!span_eq(got, want)) {
        failed_n++;
        fprintf(stderr, "%s: case %.*s\n--- got\n%.*s\n--- want\n%.*s\n---\n", file,
                SPAN_ARG(t->name), SPAN_ARG(got), SPAN_ARG(want));
    }
    buf_finish(&trace);
    buf_finish(&out);
}

static void set_message(struct span text)
{
    buf_clear(&message);
    while (text.n) {
        buf_put(&message, span_split(&text, '\n'));
        buf_put_str(&message, "\r\n");
    }
}

static void take_section(struct test_case *t, struct span head, struct span text, const char *file)
{
    if (span_starts(head, SPAN("case"))) {
        *t = (struct test_case){.name = word_after(head, "case"), .steps = SIEVE_STEPS_DEFAULT};
        world_init(&t->world);
    } else if (span_starts(head, SPAN("env"))) {
        set_env(t, word_after(head, "env"));
    } else if (span_starts(head, SPAN("file"))) {
        assert_true(t->world.script_n < WORLD_MAX);
        t->world.scripts[t->world.script_n++] = (struct world_pair){word_after(head, "file"), text};
    } else if (span_eq(head, SPAN("script"))) {
        t->script = text;
        t->has_script = true;
    } else if (span_eq(head, SPAN("message"))) {
        set_message(text);
    } else if (span_eq(head, SPAN("want"))) {
        assert_true(t->has_script);
        t->want = text;
        run_case(t, file);
    } else {
        print_error("%s: no such section: %.*s\n", file, SPAN_ARG(head));
        fail();
    }
}

static void run_file(const char *folder, const char *name)
{
    char path[1024];
    struct buf text;
    struct test_case t;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    buf_init(&text, 4 << 20);
    read_file(path, &text);
    struct span rest = buf_span(&text);

    rest = span_skip(rest, span_find(rest, SPAN("%% ")));
    while (rest.n) {
        struct span head = span_trim(span_skip(span_split(&rest, '\n'), 3));
        size_t end = span_starts(rest, SPAN("%% ")) ? 0 : span_find(rest, SPAN("\n%% "));
        struct span body = span_first(rest, end ? end + 1 : 0);

        rest = span_skip(rest, body.n);
        take_section(&t, head, body, name);
    }
    buf_finish(&text);
}

static void test_all(void **state)
{
    char folder[512];
    const char *data = getenv("MK_TEST_DATA");
    const struct dirent *entry;
    unsigned files = 0;

    (void)state;
    assert_non_null(data);
    snprintf(folder, sizeof(folder), "%s/sieve", data);
    buf_init(&message, 1 << 20);
    DIR *dir = opendir(folder);

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".cases")) {
            run_file(folder, entry->d_name);
            files++;
        }
    }
    closedir(dir);
    buf_finish(&message);
    assert_true(files > 0 && case_n > files);
    assert_int_equal(failed_n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
