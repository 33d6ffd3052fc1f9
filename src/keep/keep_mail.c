// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_mail.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"
#include "keep/outbound/outbound.h"

#include "base/banned.h"

#define OUTBOUND_THREADS  8
#define PASSWORD_FILE_MAX 8192

static enum err read_password(struct span path, char out[4097])
{
    struct buf text;
    enum err e;

    if (!path.n) {
        return ERR_OK;
    }
    buf_init(&text, PASSWORD_FILE_MAX);
    e = file_read_whole(AT_FDCWD, path.p, &text);
    struct span rest = buf_span(&text), line = span_trim(span_split(&rest, '\n'));

    if (e == ERR_OK && (line.n == 0 || line.n > 4096)) {
        e = ERR_INVALID;
    }
    if (e == ERR_OK) {
        memcpy(out, line.p, line.n);
        out[line.n] = '\0';
    } else {
        log_error("relay_password_file %s cannot be used: %s", log_text(path).s, err_name(e));
    }
    if (text.p) {
        explicit_bzero(text.p, text.n);
    }
    buf_finish(&text);
    return e;
}

enum err keep_mail_prepare(const struct settings *s, struct keep_mail *m)
{
    host_name(conf_value_text(s, SETTING_SERVER_NAME), conf_value_text(s, SETTING_DEFAULT_DOMAIN),
              m->server);
    return read_password(conf_value_text(s, SETTING_RELAY_PASSWORD_FILE), m->relay_password);
}

static uint32_t seconds(const struct settings *s, enum setting_id id)
{
    return (uint32_t)(conf_value_ms(s, id) / 1000);
}

static enum err open_queue(const struct settings *s, struct store *store, struct keep_mail *m)
{
    struct queue_options o;

    queue_options_default(&o);
    o.jobs_max = (unsigned)conf_value_count(s, SETTING_RELAY_CONNECTIONS_MAX);
    o.destination_jobs_max = (unsigned)conf_value_count(s, SETTING_DESTINATION_MAX);
    o.delay_notice_s = seconds(s, SETTING_DELAY_NOTICE);
    o.retry_first_s = seconds(s, SETTING_RETRY_FIRST);
    o.retry_max_s = seconds(s, SETTING_RETRY_MAX);
    return queue_open(store_engine(store), &o, &m->queue);
}

static enum err open_delivery(const struct settings *s, struct store *store, struct keep_mail *m)
{
    struct delivery_options o = {.server = span_from_str(m->server),
                                 .separators = conf_value_text(s, SETTING_ADDRESS_SEPARATORS),
                                 .expire_s = seconds(s, SETTING_QUEUE_EXPIRE),
                                 .hierarchy =
                                     *conf_value_choice_text(s, SETTING_HIERARCHY_SEPARATOR).p,
                                 .duplicates_s = seconds(s, SETTING_DUPLICATES_KNOWN)};

    return delivery_create(store, m->queue, &o, &m->delivery);
}

static enum err open_outbound(const struct settings *s, struct store *store, struct loop *loop,
                              struct keep_mail *m)
{
    struct outbound_options o = {
        .loop = loop,
        .engine = store_engine(store),
        .queue = m->queue,
        .delivery = m->delivery,
        .server = span_from_str(m->server),
        .threads = OUTBOUND_THREADS,
        .jobs_max = (unsigned)conf_value_count(s, SETTING_RELAY_CONNECTIONS_MAX),
        .route = {.host = conf_value_text(s, SETTING_RELAY_HOST)},
    };

    if (o.route.host.n) {
        o.route.user = conf_value_text(s, SETTING_RELAY_USER);
        o.route.password = span_from_str(m->relay_password);
        o.route.port = (uint16_t)conf_value_count(s, SETTING_RELAY_HOST_PORT);
        o.route.tls = (uint8_t)conf_value_choice(s, SETTING_RELAY_HOST_TLS); // enum ipc_relay_tls
    }
    return outbound_create(&o, &m->outbound);
}

enum err keep_mail_open(const struct settings *s, struct store *store, struct loop *loop,
                        struct keep_mail *m)
{
    enum err e = open_queue(s, store, m);

    e = e == ERR_OK ? open_delivery(s, store, m) : e;
    e = e == ERR_OK ? open_outbound(s, store, loop, m) : e;
    explicit_bzero(m->relay_password, sizeof(m->relay_password));
    if (e != ERR_OK) {
        log_error("the queue of outgoing mail cannot be opened: %s", err_name(e));
    }
    return e;
}

void keep_mail_close(struct keep_mail *m, int64_t timeout_ms)
{
    outbound_destroy(m->outbound, timeout_ms);
    delivery_destroy(m->delivery);
    queue_close(m->queue);
    *m = (struct keep_mail){.queue = NULL};
}
