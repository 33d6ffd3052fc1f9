// SPDX-License-Identifier: Apache-2.0
//
// The courier with a DNS of its own: a signed zone served by nsd on a loopback port (skipped by
// name where nsd and ldns are not installed). MX, DANE, MTA-STS, and answers that are forged.
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../test.h"
#include "fake_mx.h"
#include "ipc/message.h"

#define ZONE "dane.example.net"

static char dir[] = "/tmp/mk-courier-XXXXXX", anchor[128];
static pid_t nsd;
static uint16_t dns_port;
static struct fake_mx mx, web;
static struct test_courier courier, strict;
static bool missing;
static int sandboxed_status;

// ---- the servers --------------------------------------------------------------------------------

static void script_mx(struct fake_talk *t)
{
    be_good(t, t->mx->kind == 0 ? "STARTTLS" : "");
}

static void script_web(struct fake_talk *t)
{
    static const char policy[] = "version: STSv1\r\nmode: enforce\r\nmx: *." ZONE "\r\n"
                                 "max_age: 86400\r\n";
    char head[200];

    if (!start_tls(t)) {
        return;
    }
    while (hear(t) && t->line[0]) {
    }
    if (t->mx->kind == 1) {
        say(t, "HTTP/1.1 302 Found\r\nLocation: /.well-known/other\r\nContent-Length: 0\r\n");
        return;
    }
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n",
             sizeof(policy) - 1);
    say(t, head);
    say_raw(t, policy, sizeof(policy) - 1);
    SSL_shutdown(t->ssl);
}

// A port that neither UDP nor TCP uses. It is free for us only until somebody else takes it.
static uint16_t free_port(void)
{
    for (int i = 0; i < 100; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET};
        socklen_t n = sizeof(sa);
        int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);

        sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(udp, (struct sockaddr *)&sa, sizeof(sa)), 0);
        getsockname(udp, (struct sockaddr *)&sa, &n);
        bool both = bind(tcp, (struct sockaddr *)&sa, sizeof(sa)) == 0;

        close(udp);
        close(tcp);
        if (both) {
            return ntohs(sa.sin_port);
        }
    }
    fail_msg("no port is free for UDP and TCP");
    return 0;
}

static void write_zone(void)
{
    char path[100], digest[65] = "";
    FILE *f;

    for (int i = 0; i < 32; i++) {
        snprintf(digest + 2 * i, 3, "%02x", test_spki[i]);
    }
    snprintf(path, sizeof(path), "%s/zone", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("$ORIGIN " ZONE ".\n$TTL 60\n"
          "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
          "good MX 10 mx\nmx A 127.0.0.1\n"
          "bad MX 10 wrong\nwrong A 127.0.0.1\n"
          "odd MX 10 unusable\nunusable A 127.0.0.1\n"
          "plain MX 10 none\nnone A 127.0.0.1\nhost A 127.0.0.1\n"
          "null MX 0 .\nloop MX 10 out.example.org.\n"
          "both MX 10 out.example.org.\nboth MX 5 none\n"
          "forged MX 10 fake\nfake A 192.0.2.77\n"
          "empty MX 10 nowhere\n"
          "sts MX 10 stsmx\nstsmx A 127.0.0.1\n_mta-sts.sts TXT \"v=STSv1; id=1;\"\n"
          "mta-sts.sts A 127.0.0.1\n"
          "away MX 10 a.deeper\na.deeper A 127.0.0.1\n_mta-sts.away TXT \"v=STSv1; id=2;\"\n"
          "mta-sts.away A 127.0.0.1\n"
          "red MX 10 stsmx\n_mta-sts.red TXT \"v=STSv1; id=3;\"\nmta-sts.red A 127.0.0.1\n",
          f);
    fprintf(f, "_%u._tcp.mx TLSA 3 1 1 %s\n", mx.port, digest);
    fprintf(f, "_%u._tcp.wrong TLSA 3 1 1 %064d\n", mx.port, 0);
    fprintf(f, "_%u._tcp.unusable TLSA 0 1 1 %s\n", mx.port, digest);
    fclose(f);
}

static void write_conf(void)
{
    char path[100];

    snprintf(path, sizeof(path), "%s/conf", dir);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fprintf(f,
            "server:\n server-count: 1\n ip-address: 127.0.0.1\n port: %u\n username: \"\"\n"
            " zonesdir: \"%s\"\n database: \"\"\n pidfile: \"%s/pid\"\n xfrdfile: \"%s/xfrd\"\n"
            " zonelistfile: \"%s/list\"\n logfile: \"%s/log\"\n"
            "remote-control:\n control-enable: no\n"
            "zone:\n name: " ZONE "\n zonefile: zone.signed\n",
            dns_port, dir, dir, dir, dir, dir);
    fclose(f);
}

// Signs the zone, and then changes an address behind the signatures' back.
static bool sign_zone(void)
{
    char command[1000];

    snprintf(command, sizeof(command),
             "cd %s && K=$(ldns-keygen -k -a ECDSAP256SHA256 " ZONE " 2>/dev/null) && "
             "ldns-signzone zone $K 2>log.sign && cp $K.key anchor && "
             "sed -i 's/192\\.0\\.2\\.77/127.0.0.1/' zone.signed",
             dir);
    return system(command) == 0;
}

// Asks for the SOA of the zone by UDP, with a tenth of a second of patience.
static bool has_zone(uint16_t port)
{
    static const char question[] = "\x4d\x4b\0\0\0\1\0\0\0\0\0\0"
                                   "\4dane\7example\3net\0\0\6\0\1";
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_usec = 100000};
    uint8_t answer[512];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    bool has = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
               send(fd, question, sizeof(question) - 1, 0) == sizeof(question) - 1 &&
               recv(fd, answer, sizeof(answer), 0) > 12 && answer[7] > 0; // has an answer

    close(fd);
    return has;
}

// Waits until nsd serves: a resolver that asked too early would call the server dead for a while.
static bool nsd_serves(void)
{
    for (int i = 0; i < 600; i++) {
        if (waitpid(nsd, NULL, WNOHANG) != 0) {
            return false;
        }
        if (has_zone(dns_port)) {
            return true;
        }
        usleep(50000);
    }
    kill(nsd, SIGKILL);
    waitpid(nsd, NULL, 0);
    return false;
}

// Somebody may take the port before nsd does: then another is tried.
static bool start_nsd(void)
{
    char path[100], command[200], program[] = "nsd", debug[] = "-d", flag[] = "-c";
    char *argv[] = {program, debug, flag, path, NULL};

    snprintf(path, sizeof(path), "%s/conf", dir);
    for (int i = 0; i < 5; i++) {
        dns_port = free_port();
        write_conf();
        if (posix_spawnp(&nsd, "/usr/sbin/nsd", NULL, NULL, argv, environ) != 0) {
            return false;
        }
        if (nsd_serves()) {
            return true;
        }
    }
    snprintf(command, sizeof(command), "cat %s/log >&2", dir);
    return system(command) == -1; // always false: what nsd said is all that is left to say
}

struct sandboxed {
    pid_t pid;
    int options_fd; // the child waits here for the ports
};

struct ports {
    uint16_t dns, mx, web;
};

// Names, connections, TLS and a policy over HTTPS, all from inside the courier's sandbox.
static int sandboxed_main(const struct ports *p)
{
    struct test_courier c;
    struct test_mail good = {.destination = "good." ZONE}, sts = {.destination = "sts." ZONE};
    char server[40];

    snprintf(server, sizeof(server), "127.0.0.1:%u", p->dns);
    snprintf(anchor, sizeof(anchor), "%s/anchor", dir);
    struct test_courier_options o = {
        .dns = server, .anchor = anchor, .port = p->mx, .sts_port = p->web, .sandboxed = true};

    test_courier_start(&c, &o);
    test_send(&c, &good);
    test_send(&c, &sts);
    return !strstr(good.tls, "checked by DANE") + 2 * !strstr(sts.tls, "MTA-STS");
}

// A process of its own, made while this one has no other thread: a sanitizer allows a child
// threads only then.
static void sandboxed_start(struct sandboxed *s)
{
    struct ports p;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        close(fds[1]);
        _exit(read(fds[0], &p, sizeof(p)) == sizeof(p) ? sandboxed_main(&p) : 4);
    }
    close(fds[0]);
    s->options_fd = fds[1];
}

// Lets it go on and returns its wait status.
static int sandboxed_finish(const struct sandboxed *s, const struct ports *p)
{
    int status;

    assert_int_equal(write(s->options_fd, p, sizeof(*p)), sizeof(*p));
    close(s->options_fd);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    return status;
}

static int setup(void **state)
{
    char server[40];
    struct sandboxed sandboxed;

    (void)state;
    missing = access("/usr/sbin/nsd", X_OK) != 0 || system("ldns-keygen -v >/dev/null 2>&1") != 0;
    if (missing) {
        return 0;
    }
    test_certificate_make("mx." ZONE ",stsmx." ZONE ",mta-sts.sts." ZONE ",mta-sts.away." ZONE
                          ",mta-sts.red." ZONE);
    assert_non_null(mkdtemp(dir));
    sandboxed_start(&sandboxed);
    fake_mx_start(&mx, script_mx, 0);
    fake_mx_start(&web, script_web, 0);
    write_zone();
    if (!sign_zone() || !start_nsd()) {
        return -1;
    }
    snprintf(anchor, sizeof(anchor), "%s/anchor", dir);
    snprintf(server, sizeof(server), "127.0.0.1:%u", dns_port);
    struct test_courier_options o = {
        .dns = server, .anchor = anchor, .port = mx.port, .sts_port = web.port};

    sandboxed_status = sandboxed_finish(
        &sandboxed, &(struct ports){.dns = dns_port, .mx = mx.port, .web = web.port});
    atomic_store(&web.connections, 0);
    test_courier_start(&courier, &o);
    o.forbid_private = true;
    test_courier_start(&strict, &o);
    return 0;
}

static int teardown(void **state)
{
    char command[100];

    (void)state;
    if (missing) {
        return 0;
    }
    test_courier_stop(&courier);
    test_courier_stop(&strict);
    kill(nsd, SIGTERM);
    waitpid(nsd, NULL, 0);
    fake_mx_stop(&mx);
    fake_mx_stop(&web);
    test_certificate_remove();
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

#define NEEDS_NSD                                                                                  \
    do {                                                                                           \
        (void)state;                                                                               \
        if (missing) {                                                                             \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

// ---- answers ------------------------------------------------------------------------------------

// N03: forged answers are bogus, what nobody signed is not secure, whatever anybody says.
static void test_answers(void **state)
{
    static const struct {
        const char *name;
        uint16_t type;
        enum ipc_dns_status status;
        bool secure;
    } cases[] = {
        {"mx." ZONE, DNS_A, IPC_DNS_OK, true},
        {"mx." ZONE, DNS_AAAA, IPC_DNS_NO_DATA, true},
        {"absent." ZONE, DNS_A, IPC_DNS_NO_NAME, true},
        {"fake." ZONE, DNS_A, IPC_DNS_BOGUS, false},
        {"other.example.com", DNS_A, IPC_DNS_TEMPORARY, false},
        {"a..b", DNS_A, IPC_DNS_NO_NAME, false},
        {"", DNS_A, IPC_DNS_NO_NAME, false},
    };
    struct lookup_answer a;

    NEEDS_NSD;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lookup_ask(courier.lookup, span_from_str(cases[i].name), cases[i].type, &a);
        if (a.status != cases[i].status || a.secure != cases[i].secure) {
            print_error("%s: status %d, secure %d\n", cases[i].name, a.status, a.secure);
            fail();
        }
        lookup_answer_finish(&a);
    }
}

// ---- mail ---------------------------------------------------------------------------------------

static void mail_to(struct test_courier *c, const char *domain, struct test_mail *m)
{
    char destination[100];

    snprintf(destination, sizeof(destination), "%s." ZONE, domain);
    m->destination = destination;
    test_send(c, m);
    m->destination = NULL;
    assert_true(m->ended);
}

static void expect(struct test_courier *c, const char *domain, int outcome, const char *words,
                   const char *tls)
{
    struct test_mail m = {.sender = NULL};

    mail_to(c, domain, &m);
    if (m.outcome[0] != outcome || !strstr(m.reply[0], words) || !strstr(m.tls, tls)) {
        print_error("%s: %d \"%s\", TLS \"%s\"\n", domain, m.outcome[0], m.reply[0], m.tls);
        fail();
    }
}

// N10: null MX, ourselves, addresses that are not public, none at all.
static void test_mx(void **state)
{
    NEEDS_NSD;
    expect(&courier, "null", IPC_RELAY_FAILED, "5.1.10", "");
    expect(&courier, "loop", IPC_RELAY_FAILED, "5.4.6", "");
    expect(&courier, "both", IPC_RELAY_DELIVERED, "250", "certificate not checked");
    expect(&courier, "host", IPC_RELAY_DELIVERED, "250", "certificate not checked");
    expect(&courier, "absent", IPC_RELAY_FAILED, "5.1.2", "");
    expect(&courier, "empty", IPC_RELAY_UNTRIED, "4.4.4", "");
    expect(&courier, "forged", IPC_RELAY_UNTRIED, "forged", "");
    expect(&strict, "plain", IPC_RELAY_FAILED, "5.4.4", "");
}

// T11: no STARTTLS, a wrong TLSA, one that cannot be used.
static void test_dane(void **state)
{
    NEEDS_NSD;
    expect(&courier, "good", IPC_RELAY_DELIVERED, "250", "certificate checked by DANE");
    expect(&courier, "bad", IPC_RELAY_UNTRIED, "certificate", "");
    expect(&courier, "odd", IPC_RELAY_DELIVERED, "250", "certificate not checked");
    expect(&courier, "plain", IPC_RELAY_DELIVERED, "250", "certificate not checked");
    mx.kind = 1; // without STARTTLS
    expect(&courier, "good", IPC_RELAY_UNTRIED, "DANE demands", "");
    expect(&courier, "odd", IPC_RELAY_UNTRIED, "DANE demands", "");
    expect(&courier, "plain", IPC_RELAY_DELIVERED, "250", "");
    mx.kind = 0;
}

// T11: a redirect, a host the policy does not know, no STARTTLS.
// E14
static void test_mta_sts(void **state)
{
    NEEDS_NSD;
    struct test_mail m = {.sender = NULL};

    web.kind = 1; // a redirect, which is not followed: no policy
    mail_to(&courier, "red", &m);
    assert_int_equal(m.outcome[0], IPC_RELAY_DELIVERED);
    assert_null(strstr(m.tls, "MTA-STS"));
    assert_int_equal(atomic_load(&web.connections), 1);
    web.kind = 0;
    expect(&courier, "sts", IPC_RELAY_DELIVERED, "250", "checked as demanded by MTA-STS");
    expect(&courier, "away", IPC_RELAY_UNTRIED, "does not know this host", "");
    mx.kind = 1; // without STARTTLS
    expect(&courier, "sts", IPC_RELAY_UNTRIED, "MTA-STS demands", "");
    mx.kind = 0;
    assert_int_equal(atomic_load(&web.connections), 3); // the second time it was remembered
}

static void test_all_of_it_in_the_sandbox(void **state)
{
    NEEDS_NSD;
    assert_int_equal(sandboxed_status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it_in_the_sandbox),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_mx),
        cmocka_unit_test(test_dane),
        cmocka_unit_test(test_mta_sts),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
