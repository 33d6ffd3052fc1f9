// SPDX-License-Identifier: Apache-2.0
#include "courier/filter/rspamd_answer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "base/banned.h"

#define HEADERS_MAX 50
#define VALUES_MAX  20 // of one header

static struct span text_of(const json_t *v)
{
    return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v))
                             : (struct span){NULL, 0};
}

// ---- the action ---------------------------------------------------------------------------------

static const struct {
    const char *name;
    enum ipc_filter_action action;
    bool is_spam, has_subject;
} actions[] = {
    {"no action", IPC_FILTER_ACCEPT, false, false},
    {"greylist", IPC_FILTER_ACCEPT, false, false}, // a mark; when it is time to wait: soft reject
    {"add header", IPC_FILTER_JUNK, true, false},
    {"rewrite subject", IPC_FILTER_ACCEPT, true, true},
    {"soft reject", IPC_FILTER_TEMPORARY, false, false},
    {"reject", IPC_FILTER_REJECT, true, false},
    {"quarantine", IPC_FILTER_JUNK, true, false},
    {"discard", IPC_FILTER_JUNK, true, false}, // mail that was accepted does not vanish
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

static size_t find_action(struct span name)
{
    size_t i = 0;

    while (i < ACTIONS && !span_eq(name, span_from_str(actions[i].name))) {
        i++;
    }
    return i;
}

static double number(const json_t *v)
{
    double d = json_is_number(v) ? json_number_value(v) : 0;

    return isfinite(d) && fabs(d) < 1e6 ? d : 0;
}

static void add_score(const json_t *root, bool is_spam, struct filter_result *out)
{
    char text[64];

    snprintf(text, sizeof(text), "%.2f / %.2f", number(json_object_get(root, "score")),
             number(json_object_get(root, "required_score")));
    filter_result_add(out, SPAN("X-Spam-Score"), span_from_str(text));
    if (is_spam) {
        filter_result_add(out, SPAN("X-Spam"), SPAN("Yes"));
    }
}

// ---- fields -------------------------------------------------------------------------------------

// A text, {"value": text, "order": n}, or a list of these.
static void add_values(struct filter_result *out, const char *name, const json_t *v)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    for (size_t i = 0; i < n && i < VALUES_MAX; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        struct span text = text_of(json_is_object(one) ? json_object_get(one, "value") : one);

        if (text.p) {
            filter_result_add(out, span_from_str(name), text);
        }
    }
}

static void add_fields(json_t *list, struct filter_result *out)
{
    const char *name;
    json_t *v;
    unsigned n = 0;

    json_object_foreach(list, name, v)
    {
        if (n++ == HEADERS_MAX) {
            break;
        }
        add_values(out, name, v);
    }
}

static enum err read_object(json_t *root, const struct filter *f, struct filter_result *out)
{
    struct span name = text_of(json_object_get(root, "action"));
    size_t i = find_action(name);
    char words[96];

    if (i == ACTIONS) {
        return ERR_INVALID;
    }
    const json_t *messages = json_object_get(root, "messages");
    struct span subject = text_of(json_object_get(root, "subject"));

    filter_result_set(out, actions[i].action, text_of(json_object_get(messages, "smtp_message")));
    if (actions[i].has_subject && subject.n) {
        filter_result_subject(out, subject);
    }
    add_score(root, actions[i].is_spam, out);
    add_fields(json_object_get(json_object_get(root, "milter"), "add_headers"), out);
    snprintf(words, sizeof(words), "%s (%.2f of %.2f)", actions[i].name,
             number(json_object_get(root, "score")),
             number(json_object_get(root, "required_score")));
    filter_result_say(out, f, span_from_str(words));
    return ERR_OK;
}

enum err rspamd_answer_read(struct span json, const struct filter *f, struct filter_result *out)
{
    json_t *root = json.n ? json_loadb(json.p, json.n, 0, NULL) : NULL;
    enum err e = json_is_object(root) ? read_object(root, f, out) : ERR_INVALID;

    json_decref(root);
    return e;
}
