// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_mail.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "keep/inbound/inbound.h"
#include "keep/keep_reports.h"
#include "keep/keep_trail.h"
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
    o.trail = m->trail;
    return queue_open(store_engine(store), &o, &m->queue);
}

static enum err open_delivery(const struct settings *s, struct store *store, struct keep_mail *m)
{
    struct delivery_options o = {.server = span_from_str(m->server),
                                 .separators = conf_value_text(s, SETTING_ADDRESS_SEPARATORS),
                                 .expire_s = seconds(s, SETTING_QUEUE_EXPIRE),
                                 .hierarchy =
                                     *conf_value_choice_text(s, SETTING_HIERARCHY_SEPARATOR).p,
                                 .duplicates_s = seconds(s, SETTING_DUPLICATES_KNOWN),
                                 .trail = m->trail,
                                 .report_address = conf_value_text(s, SETTING_REPORT_ADDRESS),
                                 .reports = m->reports};

    return delivery_create(store, m->queue, &o, &m->delivery);
}

static enum err open_outbound(const struct settings *s, struct store *store, struct loop *loop,
                              struct keep_mail *m)
{
    struct outbound_options o = {
        .loop = loop,
        .engine = store_engine(store),
        .store = store,
        .queue = m->queue,
        .delivery = m->delivery,
        .trail = m->trail,
        .server = span_from_str(m->server),
        .tells_tls = conf_value_bool(s, SETTING_TLS_REPORTS),
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
    enum err e = trail_open(store_engine(store), &m->trail);

    if (e == ERR_OK) {
        e = keep_trail_start(m->trail, conf_value_ms(s, SETTING_TRACE_KEEP), &m->trail_upkeep);
    }
    e = e == ERR_OK ? reports_open(store_engine(store), m->trail, &m->reports) : e;
    if (e == ERR_OK) {
        e = keep_reports_start(m->reports, conf_value_ms(s, SETTING_REPORTS_KEEP),
                               &m->report_reader);
    }
    e = e == ERR_OK ? open_queue(s, store, m) : e;
    e = e == ERR_OK ? open_delivery(s, store, m) : e;
    e = e == ERR_OK ? open_outbound(s, store, loop, m) : e;
    explicit_bzero(m->relay_password, sizeof(m->relay_password));
    if (e != ERR_OK) {
        log_error("the queue of outgoing mail cannot be opened: %s", err_name(e));
    }
    return e;
}

// ---- mail that comes in -------------------------------------------------------------------------

static struct inbound_limits inbound_limits_of(const struct settings *s)
{
    return (struct inbound_limits){
        .message_bytes_max = conf_value_bytes(s, SETTING_MESSAGE_MAX),
        .recipients_per_hour =
            (uint32_t)conf_value_count(s, SETTING_SUBMISSION_RECIPIENTS_PER_HOUR),
        .undo_ms = conf_value_ms(s, SETTING_UNDO_SEND),
        .check_from = conf_value_bool(s, SETTING_SUBMISSION_CHECK_FROM),
        .copy_in_sent = conf_value_bool(s, SETTING_SUBMISSION_COPY_IN_SENT),
    };
}

enum err keep_mail_open_inbound(const struct settings *s, struct store *store,
                                struct keep_sessions *sessions, struct keep_mail *m)
{
    struct inbound_limits limits = inbound_limits_of(s);
    struct span domain = conf_value_text(s, SETTING_DEFAULT_DOMAIN);
    int fd CLEANUP_FD = -1;
    struct buf dir;

    buf_init(&dir, 8192);
    buf_printf(&dir, "%s/tmp", conf_value_text(s, SETTING_DATA_DIR).p);
    buf_put_byte(&dir, '\0');
    struct inbound_options o = {
        .store = store,
        .delivery = m->delivery,
        .trail = m->trail,
        .sessions = sessions,
        .server = span_from_str(m->server),
        .separators = conf_value_text(s, SETTING_ADDRESS_SEPARATORS),
        .default_domain = domain.n ? domain : span_from_str(m->server),
        .dir = span_from_str(dir.p),
        .threads = (unsigned)conf_value_count(s, SETTING_DELIVERY_THREADS),
        // The gate counts; a reload may allow more, but never more than the row does.
        .connections_max = (unsigned)setting_row(SETTING_GATE_CONNECTIONS_MAX)->max,
    };
    enum err e = file_open_dir(AT_FDCWD, dir.p, true, &fd);

    e = e == ERR_OK ? inbound_create(&o, &limits, &m->inbound) : e;
    buf_finish(&dir);
    return e;
}

void keep_mail_apply(const struct settings *s, struct keep_mail *m)
{
    struct inbound_limits limits = inbound_limits_of(s);

    inbound_set_limits(m->inbound, &limits);
    keep_trail_set(m->trail_upkeep, conf_value_ms(s, SETTING_TRACE_KEEP));
    keep_reports_set(m->report_reader, conf_value_ms(s, SETTING_REPORTS_KEEP));
}

void keep_mail_stop_inbound(struct keep_mail *m, int64_t timeout_ms)
{
    if (m->inbound) {
        inbound_stop(m->inbound, timeout_ms);
    }
}

void keep_mail_close(struct keep_mail *m, int64_t timeout_ms)
{
    inbound_destroy(m->inbound);
    outbound_destroy(m->outbound, timeout_ms);
    delivery_destroy(m->delivery);
    queue_close(m->queue);
    keep_reports_stop(m->report_reader);
    reports_close(m->reports);
    keep_trail_stop(m->trail_upkeep);
    trail_close(m->trail);
    *m = (struct keep_mail){.queue = NULL};
}
