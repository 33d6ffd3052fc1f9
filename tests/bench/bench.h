// SPDX-License-Identifier: Apache-2.0
//
// The load generator's parts: messages, processes, connections, swarms of connections, and output.
// A client of its own: it shares no code with the server. One thread.
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- options (mailbench.c) ----
struct options {
    const char *label, *host, *user, *password, *box, *pid_command, *restart_command, *only;
    const char *domain;                         // of SMTP recipients, with its @
    const char *from;                           // the address SMTP comes from
    const char *hold_command, *release_command; // of a queue
    int port, connections, first_user, users, watchers, trials, batch, range, settle_ms;
    long count, size;
    double seconds;
    int smtp_port, sink_port, recipients, slow, notify, boxes;
    bool drop_caches, lmtp, tls;
};
extern struct options opt;

// ---- messages (bench_message.c) ----
// Message `i` of the fixed, endless list of messages: the same bytes on every run. CRLF ends.
struct text {
    char *p;
    size_t n, cap;
};
void text_add(struct text *t, const void *p, size_t n);
void text_print(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void message_make(struct text *t, long i, long size);
// What message i holds, to know the right answer of a search beforehand.
#define SUBJECT_RUN 8 // messages in a row that share a subject word
unsigned message_subject(long i);
unsigned message_sender(long i);
bool message_marked(long i, unsigned *which);
void message_date(long i, char out[static 40]); // as IMAP writes it
long message_time(long i);                      // seconds since 1970
uint64_t hash_bytes(uint64_t h, const void *p, size_t n);
#define HASH_START 0xcbf29ce484222325u

// ---- processes (bench_process.c): the server and everything below it ----
double server_cpu(void);    // seconds; negative: unknown
double server_memory(void); // bytes, proportional share; negative: unknown
double client_cpu(void);
double now(void);

// ---- connections (bench_conn.c) ----
enum status { ST_OK, ST_NO, ST_BAD, ST_LOST, ST_OPEN };
struct counters {
    unsigned long long bytes, literal_bytes;
    long fetches, exists, expunges, vanished, hits, literals, envelopes, structures, words;
    uint64_t literal_hash;
};
struct conn {
    int fd;
    struct ssl_st *tls; // NULL: in the clear
    unsigned serial;
    char tag[16];
    char *buf;
    size_t start, end, cap;
    unsigned long long literal_left;
    bool inside_line, going_on; // between the pieces of one answer; "+" was seen
    bool greeting;              // the next line is the server's greeting
    enum status status;
    char last[600]; // the tagged line
    char notes[8192];
    size_t notes_n; // untagged OK lines and STATUS, for response codes
    struct counters seen;
    bool hash_literals;
    const char *word; // counted in every line when set
    bool can_multiappend, can_literal_plus;
    void *owner;
};
struct conn *conn_open(int user); // connected, greeted, logged in, CAPABILITY read; or exits
struct conn *conn_try(int user);  // NULL when it fails
struct conn *conn_start(void);    // only connected: open until the greeting is here
void conn_close(struct conn *c);  // LOGOUT and free
void conn_free(struct conn *c);
void conn_begin(struct conn *c, struct text *out); // starts a command: writes its tag into `out`
void conn_send(struct conn *c, const void *p, size_t n);
int conn_read(struct conn *c, bool wait); // reads what is there; -1: lost
enum status conn_wait(struct conn *c);    // until the tagged answer, or "+"
enum status conn_command(struct conn *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Like conn_command, but a refusal ends the program.
void conn_must(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A number behind a word in the notes ("UIDVALIDITY "), or -1.
long conn_note(struct conn *c, const char *word);
// Begins IDLE; a refusal ends the program.
void conn_idle(struct conn *c);
void append_command(struct conn *c, struct text *out, const char *box, const char *flags,
                    const struct text *message);
enum status conn_append(struct conn *c, const char *box, const struct text *message);
// Loads messages first..first+n-1 with their dates.
void load_messages(struct conn *c, const char *box, long first, long n);

// ---- swarms (bench_swarm.c): many connections, one command each at a time ----
struct swarm {
    struct conn **conns;
    int n;
    // Starts the next command on connection k, false: this one is done.
    bool (*next)(struct swarm *s, int k);
    // Its answer is here.
    void (*done)(struct swarm *s, int k, double seconds);
    double *begun;
    bool *fresh; // set by next: conns[k] is another connection now
    void *arg;
};
void swarm_run(struct swarm *s);

// ---- output (bench_output.c) ----
struct row {
    double t0, client0, server0;
};
struct row row_begin(void);
struct samples {
    double *v;
    long n, cap;
};
void sample(struct samples *s, double v);
double percentile(struct samples *s, double p);
// Prints a row, or the reason why it does not count. `wrong` NULL: the answers were right.
void row_end(const struct row *r, const char *name, const char *unit, double value,
             struct samples *latency, const char *wrong);
void row_value(const char *name, const char *unit, double value);
const char *wrong_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern int rows_wrong;

// ---- mail by SMTP (bench_smtp.c) ----
void smtp_give_all(void); // --count messages over --connections, until all are accepted

// ---- what is measured ----
void measure_append(void);
void measure_login(void);
void measure_mixed(void);
void measure_big(void);
void measure_idle(void);
void measure_crowd(void);
void measure_notify(void);
void measure_smtp(void);
void measure_drain(void);

#endif
