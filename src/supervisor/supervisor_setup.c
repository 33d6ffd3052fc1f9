// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor does before it starts anybody, with the rights it was started with.
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ipc/data_lock.h"
#include "net/listener.h"
#include "net/tls.h"
#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

#define PEM_BYTES_MAX (200u << 10)
#define UID_NOBODY    65534
#define LOCK_WAIT_MS  3000

static void raise_fd_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

// ---- users --------------------------------------------------------------------------------------

static bool find_user(struct span name, uint32_t *uid, uint32_t *gid)
{
    struct passwd *pw = getpwnam(name.p); // a setting's text has a NUL behind it

    if (!pw) {
        return false;
    }
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    return true;
}

// Those that own nothing become the user of the setting, or nobody.
static void choose_plain_user(struct process *p, struct span user)
{
    p->uid = p->gid = IPC_STAY;
    if (geteuid() == 0 && !find_user(user, &p->uid, &p->gid)) {
        p->uid = p->gid = UID_NOBODY;
        log_warn("there is no user %.*s: the %s runs as nobody; `useradd --system %.*s` would be "
                 "better",
                 SPAN_ARG(user), p->name, SPAN_ARG(user));
    }
}

// Started as root, keep becomes `user`. Without that user it becomes the owner of the data
// directory; when that is root, it stays root, but without capabilities and inside the sandbox.
static void choose_users(struct supervisor *s)
{
    struct process *keep = &s->processes[IPC_KEEP];
    struct span user = conf_value_text(s->settings, SETTING_USER);
    struct stat st;

    choose_plain_user(&s->processes[IPC_GATE], conf_value_text(s->settings, SETTING_GATE_USER));
    choose_plain_user(&s->processes[IPC_COURIER],
                      conf_value_text(s->settings, SETTING_COURIER_USER));
    keep->uid = keep->gid = IPC_STAY;
    if (geteuid() != 0) {
        return; // all run as whoever started us
    }
    if (!find_user(user, &keep->uid, &keep->gid)) {
        if (stat(conf_value_text(s->settings, SETTING_DATA_DIR).p, &st) == 0 && st.st_uid != 0) {
            keep->uid = st.st_uid;
            keep->gid = st.st_gid;
            log_warn("there is no user %.*s: keep runs as user %u, who owns the data directory",
                     SPAN_ARG(user), keep->uid);
        } else {
            log_warn("there is no user %.*s: keep runs as root without root's powers; "
                     "`useradd --system %.*s` would be better",
                     SPAN_ARG(user), SPAN_ARG(user));
        }
    }
}

// ---- data directory -----------------------------------------------------------------------------

static enum err make_data_dir(struct supervisor *s, const char *dir)
{
    const struct process *keep = &s->processes[IPC_KEEP];
    struct stat st;

    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        log_error("cannot make the data directory %s: %s; make its parent, or set data_dir",
                  log_text(span_from_str(dir)).s, err_name(err_from_errno(errno)));
        return ERR_DENIED;
    }
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        log_error("the data directory %s is no directory", log_text(span_from_str(dir)).s);
        return ERR_INVALID;
    }
    uid_t owner = keep->uid == IPC_STAY ? geteuid() : keep->uid;

    if (st.st_uid != owner && geteuid() == 0 && st.st_uid == 0 && st.st_nlink == 2 &&
        chown(dir, owner, keep->gid) == 0) {
        st.st_uid = owner; // fresh: made by us or by whoever prepared it
    }
    if (st.st_uid != owner) {
        log_error("the data directory %s belongs to user %u, but keep runs as user %u; "
                  "chown -R it, or change `user`",
                  log_text(span_from_str(dir)).s, st.st_uid, owner);
        return ERR_DENIED;
    }
    if ((st.st_mode & 077) && chmod(dir, 0700) == 0) {
        log_warn("the data directory %s could be read by others; it is 0700 now",
                 log_text(span_from_str(dir)).s);
    }
    return ERR_OK;
}

static enum err lock_data_dir(struct supervisor *s, const char *dir)
{
    const struct process *keep = &s->processes[IPC_KEEP];
    int pid = 0;
    enum err e = data_lock_take(dir, LOCK_WAIT_MS, &s->lock_fd, &pid);

    if (e == ERR_EXISTS) {
        log_error("another server or command uses %s (process %d): stop it first",
                  log_text(span_from_str(dir)).s, pid);
    } else if (e != ERR_OK) {
        log_error("cannot lock the data directory %s: %s", log_text(span_from_str(dir)).s,
                  err_name(e));
    } else if (keep->uid != IPC_STAY && fchown(s->lock_fd, keep->uid, keep->gid) < 0) {
        log_warn("cannot give the lock file to user %u", keep->uid);
    }
    return e;
}

// ---- certificates -------------------------------------------------------------------------------

static enum err certificate_wrong(struct setup_certificate *c, const struct settings *settings,
                                  enum setting_id about, const char *why)
{
    c->about = about;
    snprintf(c->problem, sizeof(c->problem), "%s = %s: %s", setting_row(about)->name,
             log_text(conf_value_text(settings, about)).s, why);
    return ERR_INVALID;
}

// ERR_LIMIT: larger than any certificate.
static enum err read_pem(const char *path, struct buf *out)
{
    int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC); // follows links, as ACME clients make
    enum err e = fd < 0 ? err_from_errno(errno) : ERR_OK;

    buf_clear(out);
    while (e == ERR_OK) {
        char *at = buf_reserve(out, 4096);
        ssize_t n = at ? read(fd, at, 4096) : -1;

        if (n == 0) {
            return ERR_OK;
        }
        e = !at ? ERR_LIMIT : n > 0 ? ERR_OK : err_from_errno(errno);
        out->n += n > 0 ? (size_t)n : 0;
    }
    return e;
}

static bool both_exist(const char *cert, const char *key)
{
    return access(cert, F_OK) == 0 && access(key, F_OK) == 0;
}

static enum err check_pair(const struct settings *settings, struct span cert, struct span key,
                           struct setup_certificate *out)
{
    char problem[TLS_PROBLEM_BYTES], why[TLS_PROBLEM_BYTES + sizeof(struct log_text) + 16];
    struct tls_context *t;
    enum err e = tls_context_create(cert, key, "imap", problem, &t);

    if (e != ERR_OK) {
        snprintf(why, sizeof(why), "%s (tls_key = %s)", problem,
                 log_text(conf_value_text(settings, SETTING_TLS_KEY)).s);
        certificate_wrong(out, settings, SETTING_TLS_CERT, why);
        return e;
    }
    out->begins = tls_context_begins(t);
    out->expires = tls_context_expires(t);
    tls_context_unref(t);
    return ERR_OK;
}

static bool is_loopback(struct span text)
{
    struct address a;

    return address_parse(text, &a) == ERR_OK && address_is_loopback(&a);
}

// Whoever administers over a network has to do so over TLS.
static bool admin_needs_tls(const struct settings *settings)
{
    for (size_t i = 0; i < conf_value_list_size(settings, SETTING_LISTEN_ADMIN); i++) {
        if (!is_loopback(conf_value_list_item(settings, SETTING_LISTEN_ADMIN, i))) {
            return true;
        }
    }
    return false;
}

enum err setup_read_certificate(const struct settings *settings, struct buf *cert, struct buf *key,
                                struct setup_certificate *out)
{
    const char *cert_path = conf_value_text(settings, SETTING_TLS_CERT).p;
    const char *key_path = conf_value_text(settings, SETTING_TLS_KEY).p;

    out->problem[0] = '\0';
    if (!both_exist(cert_path, key_path) &&
        conf_value_list_size(settings, SETTING_LISTEN_IMAPS) == 0 &&
        conf_value_list_size(settings, SETTING_LISTEN_POP3S) == 0 &&
        conf_value_list_size(settings, SETTING_LISTEN_SUBMISSIONS) == 0 &&
        conf_value_list_size(settings, SETTING_LISTEN_HTTPS) == 0 && !admin_needs_tls(settings) &&
        conf_value_line(settings, SETTING_TLS_CERT) == 0) {
        return ERR_NOT_FOUND;
    }
    enum err e = read_pem(cert_path, cert);

    if (e != ERR_OK) {
        return certificate_wrong(out, settings, SETTING_TLS_CERT, err_name(e));
    }
    e = read_pem(key_path, key);
    if (e != ERR_OK) {
        return certificate_wrong(out, settings, SETTING_TLS_KEY, err_name(e));
    }
    return check_pair(settings, buf_span(cert), buf_span(key), out);
}

struct setup_time setup_time_text(int64_t seconds)
{
    struct setup_time out = {""};
    time_t t = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&t, &tm)) {
        strftime(out.s, sizeof(out.s), "%Y-%m-%d %H:%M UTC", &tm);
    }
    return out;
}

bool setup_certificate_is_current(const struct settings *settings, struct setup_certificate *c)
{
    int64_t now = clock_real_s();
    char why[100];

    if (now >= c->begins && now < c->expires) {
        return true;
    }
    if (now < c->begins) {
        snprintf(why, sizeof(why), "the certificate is not valid before %s",
                 setup_time_text(c->begins).s);
    } else {
        snprintf(why, sizeof(why), "the certificate expired on %s", setup_time_text(c->expires).s);
    }
    certificate_wrong(c, settings, SETTING_TLS_CERT, why);
    return false;
}

// Wrong ones are refused, and stop the start: else nobody who signs in by a certificate could, or
// one that is revoked could, and the reason would stand nowhere.
enum err setup_read_client_authorities(const struct settings *settings, struct buf *pem,
                                       struct setup_certificate *out)
{
    struct span ca = conf_value_text(settings, SETTING_TLS_CLIENT_CA);
    struct span crl = conf_value_text(settings, SETTING_TLS_CLIENT_CRL);
    char problem[TLS_PROBLEM_BYTES] = "";
    struct buf lists;

    out->problem[0] = '\0';
    buf_clear(pem);
    if (!ca.n) {
        return crl.n ? certificate_wrong(out, settings, SETTING_TLS_CLIENT_CRL,
                                         "there is no tls_client_ca whose certificates it is about")
                     : ERR_OK;
    }
    enum err e = read_pem(ca.p, pem);

    e = e == ERR_OK ? tls_client_authorities_check(buf_span(pem), SPAN(""), problem) : e;
    if (e != ERR_OK) {
        return certificate_wrong(out, settings, SETTING_TLS_CLIENT_CA,
                                 problem[0] ? problem : err_name(e));
    }
    if (!crl.n) {
        return ERR_OK;
    }
    buf_init(&lists, PEM_BYTES_MAX);
    e = read_pem(crl.p, &lists);
    e = e == ERR_OK ? tls_client_authorities_check(buf_span(pem), buf_span(&lists), problem) : e;
    buf_put_str(pem, "\n");
    buf_put(pem, buf_span(&lists));
    buf_finish(&lists);
    e = e == ERR_OK ? buf_result(pem) : e;
    if (e != ERR_OK) {
        return certificate_wrong(out, settings, SETTING_TLS_CLIENT_CRL,
                                 problem[0] ? problem : err_name(e));
    }
    if (problem[0]) {
        log_warn("tls_client_crl = %s: %s", log_text(crl).s, problem);
    }
    return ERR_OK;
}

static enum err take_client_authorities(struct supervisor *s)
{
    struct setup_certificate c;
    enum err e = setup_read_client_authorities(s->settings, &s->client_ca_pem, &c);

    if (e != ERR_OK) {
        log_error("%s", c.problem);
    }
    return e;
}

// For the start. One that is not valid now is served all the same: most clients ask their user.
static enum err take_certificate(struct supervisor *s)
{
    struct setup_certificate c;
    enum err e = setup_read_certificate(s->settings, &s->cert_pem, &s->key_pem, &c);

    if (e == ERR_NOT_FOUND) {
        log_warn("no certificate: STARTTLS is not offered");
        return ERR_OK;
    }
    if (e != ERR_OK) {
        log_error("%s", c.problem);
        log_error("without certificate and key there is no TLS: put the files there, set tls_cert "
                  "and tls_key, or start once with `mailkeep serve --self-signed`");
        return e;
    }
    if (!setup_certificate_is_current(s->settings, &c)) {
        log_warn("%s", c.problem);
    }
    return ERR_OK;
}

static enum err write_new(const char *path, struct span contents, mode_t mode)
{
    int fd CLEANUP_FD = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = file_write_at(fd, contents.p, contents.n, 0);

    return e == ERR_OK ? file_sync(fd) : e;
}

// The directories above a file, as far as they are missing.
static void make_parents(const char *path)
{
    char dir[4096];
    size_t n = strlen(path);

    for (size_t i = 1; i < n && i < sizeof(dir); i++) {
        if (path[i] == '/') {
            memcpy(dir, path, i);
            dir[i] = '\0';
            mkdir(dir, 0755);
        }
    }
}

static enum err make_self_signed(const struct settings *settings)
{
    const char *cert_path = conf_value_text(settings, SETTING_TLS_CERT).p;
    const char *key_path = conf_value_text(settings, SETTING_TLS_KEY).p;
    char host[256] = "", names[512];
    struct buf cert, key;

    if (access(cert_path, F_OK) == 0 || access(key_path, F_OK) == 0) {
        return ERR_OK; // never replaces anything
    }
    gethostname(host, sizeof(host) - 1);
    snprintf(names, sizeof(names), "%s%slocalhost,127.0.0.1,::1", host, host[0] ? "," : "");
    buf_init(&cert, PEM_BYTES_MAX);
    buf_init(&key, PEM_BYTES_MAX);
    enum err e = tls_self_signed(span_from_str(names), &cert, &key);

    if (e == ERR_OK) {
        make_parents(cert_path);
        make_parents(key_path);
        e = write_new(key_path, buf_span(&key), 0600);
    }
    if (e == ERR_OK) {
        e = write_new(cert_path, buf_span(&cert), 0644);
    }
    if (e == ERR_OK) {
        log_info("made a self-signed certificate for %s: %s", names,
                 log_text(span_from_str(cert_path)).s);
    } else {
        log_error("cannot make a self-signed certificate at %s: %s",
                  log_text(span_from_str(cert_path)).s, err_name(e));
    }
    if (key.p) {
        explicit_bzero(key.p, key.n);
    }
    buf_finish(&cert);
    buf_finish(&key);
    return e;
}

// ---- listening sockets --------------------------------------------------------------------------

// Notes a socket that was opened, or says why it was not.
static enum err listener_opened(struct supervisor *s, struct span text, const char *service,
                                enum err e)
{
    ASSERT(s->listen_n < LISTENERS_MAX); // the rows of the lists say how many there can be
    if (e == ERR_OK) {
        s->listen_n++;
        buf_printf(&s->listeners, "%s%s", s->listeners.n ? " " : "", service);
        log_info("listening on %.*s (%s)", SPAN_ARG(text), service);
        return ERR_OK;
    }
    log_error("cannot listen on %.*s (%s): %s", SPAN_ARG(text), service,
              e == ERR_EXISTS   ? "another program does already"
              : e == ERR_DENIED ? "not allowed; ports below 1024 need root or CAP_NET_BIND_SERVICE"
                                : "this machine has no such address, or no network");
    return e;
}

static enum err open_listener(struct supervisor *s, struct span text, const char *service)
{
    struct address a;
    enum err e = address_parse(text, &a);

    if (e == ERR_OK) {
        e = listener_socket(&a, &s->listen_fds[s->listen_n]);
    }
    return listener_opened(s, text, service, e);
}

static enum err open_lmtp_socket(struct supervisor *s)
{
    struct span path = conf_value_text(s->settings, SETTING_LMTP_SOCKET);

    if (!path.n) {
        return ERR_OK;
    }
    enum err e = listener_unix_socket(path, &s->listen_fds[s->listen_n]);

    return listener_opened(s, path, "lmtp", e);
}

static enum err open_listeners(struct supervisor *s)
{
    static const struct {
        enum setting_id id;
        const char *service;
    } lists[] = {{SETTING_LISTEN_IMAP, "imap"},
                 {SETTING_LISTEN_IMAPS, "imaps"},
                 {SETTING_LISTEN_POP3, "pop3"},
                 {SETTING_LISTEN_POP3S, "pop3s"},
                 {SETTING_LISTEN_SIEVE, "sieve"},
                 {SETTING_LISTEN_SMTP, "smtp"},
                 {SETTING_LISTEN_SUBMISSION, "submission"},
                 {SETTING_LISTEN_SUBMISSIONS, "submissions"},
                 {SETTING_LISTEN_LMTP, "lmtp"},
                 {SETTING_LISTEN_HTTPS, "https"},
                 {SETTING_LISTEN_HTTP, "http"},
                 {SETTING_LISTEN_ADMIN, NULL}};
    enum err e = ERR_OK;

    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        size_t n = conf_value_list_size(s->settings, lists[l].id);

        for (size_t i = 0; i < n && e == ERR_OK; i++) {
            struct span text = conf_value_list_item(s->settings, lists[l].id, i);

            e = open_listener(s, text,
                              lists[l].service    ? lists[l].service
                              : is_loopback(text) ? "admin"
                                                  : "admins");
        }
    }
    return e == ERR_OK ? open_lmtp_socket(s) : e;
}

// ---- all of it ----------------------------------------------------------------------------------

enum err setup_all(struct supervisor *s)
{
    const char *dir = conf_value_text(s->settings, SETTING_DATA_DIR).p;

    buf_init(&s->listeners, 1024);
    buf_init(&s->cert_pem, PEM_BYTES_MAX);
    buf_init(&s->client_ca_pem, PEM_BYTES_MAX);
    buf_init(&s->key_pem, PEM_BYTES_MAX);
    raise_fd_limit();
    choose_users(s);
    enum err e = make_data_dir(s, dir);

    if (e == ERR_OK) {
        e = lock_data_dir(s, dir);
    }
    if (e == ERR_OK && s->options.self_signed) {
        e = make_self_signed(s->settings);
    }
    if (e == ERR_OK) {
        e = take_certificate(s);
        e = e == ERR_OK ? take_client_authorities(s) : e;
    }
    return e == ERR_OK ? open_listeners(s) : e;
}

void setup_finish(struct supervisor *s)
{
    for (unsigned i = 0; i < s->listen_n; i++) {
        close(s->listen_fds[i]);
    }
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    if (s->key_pem.p) {
        explicit_bzero(s->key_pem.p, s->key_pem.n);
    }
    buf_finish(&s->listeners);
    buf_finish(&s->cert_pem);
    buf_finish(&s->client_ca_pem);
    buf_finish(&s->key_pem);
}
