// SPDX-License-Identifier: Apache-2.0
#include "store/placement/carry_internal.h"

#include "base/banned.h"

static enum err keywords_of(const struct placement *p, const struct span *names, size_t count,
                            struct arena *a, struct carried *out)
{
    struct keyword_set set;
    struct span *list;
    size_t n = 0;

    keyword_set_of(p, &set);
    list = arena_zalloc(a, 64 + set.count, sizeof(*list));
    if (!list) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < 64 && i < count; i++) {
        if (set.low & 1ull << i) {
            list[n++] = arena_dup(a, names[i]);
        }
    }
    for (unsigned i = 0; i < set.count; i++) {
        if (set.more[i] < count) {
            list[n++] = arena_dup(a, names[set.more[i]]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!list[i].p) {
            return ERR_NOMEM;
        }
    }
    out->keywords = list;
    out->keyword_count = n;
    return ERR_OK;
}

enum err carry_take(struct view *v, const struct placement *p, const struct span *names,
                    size_t count, bool with_keywords, struct arena *a, struct carried *out)
{
    struct carried c = {.placement = *p};
    enum err e = view_message_record(v, p->message, &c.message);

    if (e == ERR_OK && c.message.sort_keys.n) { // it lives in the view
        c.message.sort_keys = arena_dup(a, c.message.sort_keys);
        e = c.message.sort_keys.p ? ERR_OK : ERR_NOMEM;
    }
    if (e == ERR_OK && with_keywords && (p->keywords || p->more_keyword_count)) {
        e = keywords_of(p, names, count, a, &c);
    }
    c.placement.keywords = 0;
    c.placement.more_keyword_count = 0;
    c.placement.more_keywords = NULL;
    if (e == ERR_OK) {
        *out = c;
    }
    return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

enum err carry_put(struct edit *ed, const struct carried *c, message_id *out)
{
    struct message_record m = {.body = c->message.body,
                               .bytes = c->message.bytes,
                               .sent = c->message.sent,
                               .placements = 1,
                               .sort_keys = c->message.sort_keys,
                               .thread_key_count = c->message.thread_key_count};

    *out = ed->header.next_message++;
    memcpy(m.thread_keys, c->message.thread_keys, sizeof(m.thread_keys));
    enum err e = edit_thread_join(ed, *out, &m);

    e = e == ERR_OK ? edit_put_message(ed, *out, &m) : e;
    return e == ERR_OK ? batch_use_body(ed->batch, m.body) : e;
}
