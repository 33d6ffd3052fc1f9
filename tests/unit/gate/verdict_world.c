// SPDX-License-Identifier: Apache-2.0
#include "verdict_world.h"

#include "conf/conf.h"

struct world *w;

// ---- the courier --------------------------------------------------------------------------------

static void put_answer(struct buf *out, enum dns_type type, const struct dns_answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct span data = a->records[i].data;
        size_t n = data.n + (type == DNS_MX ? 2 : 0);

        buf_put_byte(out, (char)n);
        buf_put_byte(out, (char)(n >> 8));
        if (type == DNS_MX) {
            buf_put_byte(out, (char)a->records[i].preference);
            buf_put_byte(out, (char)(a->records[i].preference >> 8));
        }
        buf_put(out, data);
    }
}

static uint8_t status_of(enum dns_status s)
{
    return s == DNS_OK         ? IPC_DNS_OK
           : s == DNS_NXDOMAIN ? IPC_DNS_NO_NAME
           : s == DNS_NODATA   ? IPC_DNS_NO_DATA
                               : IPC_DNS_TEMPORARY;
}

static void answer_all(struct loop_task *t)
{
    struct resolver r = zone_resolver(&w->zone);

    (void)t;
    w->is_posted = false;
    if (w->courier == COURIER_DIES) {
        dns_desk_lost(w->desk);
        return;
    }
    while (w->answered_n < w->asked_n) {
        unsigned i = w->answered_n++;
        const struct dns_answer *a = NULL;
        struct buf records;

        buf_init(&records, 1 << 20);
        assert_ok(r.ask(r.context, span_from_str(w->asked[i].name), w->asked[i].type, &a));
        put_answer(&records, w->asked[i].type, a);
        struct ipc_dns_answer m = {
            .id = w->asked[i].id, .status = status_of(a->status), .records = buf_span(&records)};

        dns_desk_answer(w->desk, &m);
        buf_finish(&records);
    }
}

static enum err play_courier(void *arg, struct span bytes, int fd)
{
    struct ipc_frame frame;
    struct ipc_dns_ask m;

    (void)arg;
    if (w->courier == COURIER_AWAY) {
        return ERR_UNAVAILABLE;
    }
    assert_ok(ipc_frame_next(bytes, &frame));
    if (frame.type == IPC_FILTER) {
        if (w->filter) {
            courier_filter_take(w->filter, dup(fd));
        }
        return ERR_OK;
    }
    assert_int_equal(fd, -1);
    assert_ok(ipc_dns_ask_decode(frame.fields, &m));
    assert_true(w->asked_n < ASKED_MAX);
    w->asked[w->asked_n].id = m.id;
    w->asked[w->asked_n].type = (enum dns_type)m.type;
    snprintf(w->asked[w->asked_n++].name, 256, "%.*s", SPAN_ARG(m.name));
    if (w->courier != COURIER_SLEEPS && !w->is_posted) {
        w->is_posted = true;
        w->answer_task.run = answer_all;
        loop_post(w->loop, &w->answer_task);
    }
    return ERR_OK;
}

// ---- the world ----------------------------------------------------------------------------------

int world_setup(void **state)
{
    (void)state;
    w = calloc(1, sizeof(*w));
    assert_non_null(w);
    zone_init(&w->zone);
    arena_init(&w->arena, 64 << 20);
    buf_init(&w->out, 4 << 20);
    buf_init(&w->report, 65536);
    assert_ok(loop_create(&w->loop));
    struct dns_desk_options o = {.loop = w->loop,
                                 .id_step = 64,
                                 .send = play_courier,
                                 .open_max = 100,
                                 .waiting_max = 100,
                                 .timeout_ms = 60000};

    assert_ok(dns_desk_create(&o, &w->desk));
    zone_txt(&w->zone, "bounce.example.org", "v=spf1 ip4:192.0.2.0/28 -all");
    zone_txt(&w->zone, "lists.example", "v=spf1 ip4:203.0.113.9 -all");
    zone_txt(&w->zone, "mail.example.org", "v=spf1 a -all");
    zone_add(&w->zone, SPAN("mail.example.org"), SPAN("A"), SPAN("192.0.2.1"), 0);
    zone_add(&w->zone, SPAN("1.2.0.192.in-addr.arpa"), SPAN("PTR"), SPAN("mail.example.org"), 0);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    verdict_destroy(w->verdict);
    courier_filter_destroy(w->filter);
    dns_desk_destroy(w->desk);
    loop_destroy(w->loop);
    settings_unref(w->settings);
    zone_finish(&w->zone);
    arena_finish(&w->arena);
    buf_finish(&w->out);
    buf_finish(&w->report);
    free(w);
    return 0;
}

static void copy(char *to, size_t size, struct span s)
{
    assert_true(s.n < size);
    snprintf(to, size, "%.*s", SPAN_ARG(s));
    to[s.n] = '\0';
}

static void on_done(void *arg, const struct verdict_result *r)
{
    assert_ptr_equal(arg, w);
    assert_false(w->is_done);
    w->is_done = true;
    w->action = r->action;
    w->code = r->code;
    copy(w->enhanced, sizeof(w->enhanced), r->enhanced);
    copy(w->text, sizeof(w->text), r->text);
    copy(w->lines, sizeof(w->lines), r->lines);
    copy(w->words, sizeof(w->words), r->words);
    buf_clear(&w->report);
    buf_put(&w->report, r->report);
    verdict_destroy(w->verdict); // as the gate may
    w->verdict = NULL;
    loop_stop(w->loop);
}

void begin(const char *conf, const char *ip, const char *sender, bool is_checked)
{
    struct conf_report report;
    struct address client;
    char text[64];
    static const struct span recipients[] = {{"b@example.net", 13}, {"c@example.net", 13}};

    settings_unref(w->settings);
    assert_ok(conf_parse(span_from_str(conf), &report, &w->settings));
    snprintf(text, sizeof(text), "%s:1025", ip);
    assert_ok(address_parse(span_from_str(text), &client));
    struct verdict_options o = {.settings = w->settings,
                                .loop = w->loop,
                                .desk = w->desk,
                                .is_checked = is_checked,
                                .server_name = SPAN("mx.example.net"),
                                .client = &client,
                                .helo = SPAN("mail.example.org"),
                                .sender = span_from_str(sender),
                                .recipients = recipients,
                                .recipient_count = 2,
                                .done = on_done,
                                .arg = w};

    w->is_done = false;
    buf_clear(&w->out);
    assert_ok(verdict_begin(&o, &w->verdict));
}

void finish(struct span message)
{
    assert_ok(verdict_feed(w->verdict, message, &w->out));
    assert_ok(verdict_finish(w->verdict, &w->out));
    assert_false(w->is_done);
    loop_run(w->loop);
    assert_true(w->is_done);
}

void check(const char *conf, const char *ip, const char *sender, struct span message)
{
    begin(conf, ip, sender, true);
    finish(message);
}

void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        print_error("no \"%s\" in \"%s\"\n", part, text);
        fail();
    }
}
