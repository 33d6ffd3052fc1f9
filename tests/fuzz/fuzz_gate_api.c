// SPDX-License-Identifier: Apache-2.0
//
// A request to /admin/api as any stranger may send it, and keep's answers to it, which are whatever
// the other half of the input says. Nothing goes to keep that is not a frame of the control
// protocol with JSON of the operation's fields; what goes out is whole responses, and JSON where it
// says so.
#include <jansson.h>

#include "../unit/gate/dialogue_driver.h"
#include "admin/table/operation.h"
#include "base/bytes.h"
#include "fuzz.h"
#include "gate/http/http.h"
#include "ipc/control_frame.h"

#define STEPS_MAX  100
#define ROUNDS_MAX 20

// The request that keep is sent: an operation that exists, and only its own fields.
static void check_request(struct span text)
{
    json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL), *args, *v;
    const char *name = json_string_value(json_object_get(j, "command")), *key;
    const struct operation *o = NULL;

    CHECK(name);
    if (strcmp(name, "metrics") == 0) {
        json_decref(j);
        return;
    }
    for (size_t i = 0; (o = operation_at(i)) && strcmp(o->name, name) != 0; i++) {
    }
    CHECK(o);
    args = json_object_get(j, "args");
    CHECK(json_is_object(args));
    json_object_foreach(args, key, v)
    {
        struct operation_field f;
        char in_path[80];

        snprintf(in_path, sizeof(in_path), "{%s}", key);
        CHECK(strstr(o->path, in_path) ? json_is_string(v)
                                       : operation_field_find(o, span_from_str(key), &f));
    }
    json_decref(j);
}

static void check_frames(struct span out, bool *is_asked)
{
    while (out.n > 0) {
        CHECK(out.n >= 5);
        size_t n = get_le32(out.p);

        CHECK(n >= 1 && n <= out.n - 4);
        unsigned kind = (unsigned char)out.p[4];
        struct span payload = span_of(out.p + 5, n - 1);

        CHECK(*is_asked ? kind == CONTROL_CHUNK || kind == CONTROL_END : kind == CONTROL_REQUEST);
        if (kind == CONTROL_REQUEST) {
            check_request(payload);
        } else if (kind == CONTROL_CHUNK) {
            CHECK(payload.n >= 5 && get_le32(payload.p + 1) == payload.n - 5);
            CHECK(payload.p[0] == 'I' || payload.p[0] == 'D');
        }
        *is_asked = true;
        out = span_skip(out, 4 + n);
    }
}

// What the first response is, as far as it is one with a length.
static void check_said(struct span said)
{
    struct span head = span_first(said, span_find(said, SPAN("\r\n\r\n")));
    size_t at = span_find(head, SPAN("\r\nContent-Length: "));
    uint64_t n = 0;

    if (said.n == 0 || span_starts(said, SPAN("HTTP/1.1 100 "))) {
        return;
    }
    CHECK(span_starts(said, SPAN("HTTP/1.1 ")));
    if (at == head.n || span_find(head, SPAN("problem+json")) == head.n) {
        return;
    }
    struct span line = span_skip(head, at + 18);

    CHECK(span_to_u64(span_first(line, span_find_byte(line, '\r')), 100000, &n));
    struct span body = span_first(span_skip(said, head.n + 4), (size_t)n);

    if (body.n == n && n > 0) { // not to HEAD
        json_t *j = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);

        CHECK(json_is_object(j) && json_is_string(json_object_get(j, "title")));
        json_decref(j);
    }
}

// What has been said to keep; to another one when an answer ended what the first was asked, and the
// next request was there already.
static void keep_hears(struct driver *r, bool *is_asked)
{
    if (!r->d.pair.is_wanted || r->d.pair.is_spent) {
        r->d.pair.is_open = r->d.pair.is_spent = *is_asked = false;
    }
    check_frames(buf_span(&r->d.pair.out), is_asked);
    buf_clear(&r->d.pair.out);
}

static void keep_speaks(struct driver *r, struct span *keep, bool *is_asked)
{
    keep_hears(r, is_asked);
    if (!r->d.pair.is_open) {
        r->d.pair.is_open = true;
        dialogue_pair_moved(&r->d);
    }
    if (keep->n == 0) {
        dialogue_pair_lost(&r->d);
    } else {
        struct span piece = span_first(*keep, (unsigned char)keep->p[0] + 1u);

        buf_put(&r->d.pair.in, piece);
        *keep = span_skip(*keep, piece.n);
        dialogue_pair_moved(&r->d);
    }
    keep_hears(r, is_asked);
}

static void go_on(struct driver *r, struct span in, struct span keep, size_t piece)
{
    bool is_asked = false;

    for (int i = 0; i < STEPS_MAX && r->d.step != DIALOGUE_CLOSE && r->d.step != DIALOGUE_DROP;
         i++) {
        if (r->d.step == DIALOGUE_ASK) {
            CHECK(r->d.question.password.n > 0 || r->d.question.user.n > 0);
            if (in.n % 7 == 6) {
                dialogue_refused(&r->d, (enum dialogue_refusal)(in.n % 3), SPAN(""));
            } else {
                dialogue_accepted(&r->d, SPAN("ticket"));
            }
        } else if (r->d.step == DIALOGUE_ASK_DOMAIN) {
            dialogue_domain_known(&r->d, DIALOGUE_DOMAIN_OURS);
        } else if (r->d.pair.is_wanted && (r->d.step == DIALOGUE_WAIT || i % 2)) {
            keep_speaks(r, &keep, &is_asked);
        } else if (r->d.step == DIALOGUE_READ) {
            size_t taken = driver_send(r, in, piece);

            in = span_skip(in, taken);
            if (taken == 0 && !r->d.pair.is_wanted) {
                return;
            }
        }
        CHECK(!r->d.out.failed && !r->d.pair.out.failed);
    }
}

// The client's bytes, a NUL, and keep's.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct driver r;
    struct span in = span_of(data, n), keep = in;

    in = span_split(&keep, '\0');
    driver_open(&r, &http_admin_protocol, "");
    r.d.host = SPAN("mail.example.org");
    r.d.is_loopback = true;
    go_on(&r, in, keep, n % 5);
    check_said(driver_hear(&r));
    driver_close(&r);
    return 0;
}
