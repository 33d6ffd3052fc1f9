// SPDX-License-Identifier: Apache-2.0
//
// Mail that the gate hands over: keep's side over a store, and the gate's side, which the test
// plays over a socket pair.
#ifndef TESTS_UNIT_KEEP_INBOUND_WORLD_H
#define TESTS_UNIT_KEEP_INBOUND_WORLD_H

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "../store/support.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/random.h"
#include "keep/inbound/inbound.h"
#include "keep/inbound/send_rate.h"
#include "keep/inbound/sender_right.h"
#include "keep/inbound/submission.h"
#include "store/route.h"
#include "store/rules.h"

#define MESSAGE_MAX      (1u << 20)
#define EXPECT(fd, want) assert_string_equal(answer(fd), want)

void open_inbound(void);
void close_inbound(void);
account_id account(const char *name);
int setup(void **state);
int teardown(void **state);
int connect_as(unsigned protocol, bool trusted, const struct keep_link_login *login);
int connect_smtp(void);
struct keep_link_login login_of(const char *name);
int connect_user(const char *name);
void put_from_with(const char *sender, uint64_t bytes, uint64_t hold_ms);
void put_from(const char *sender);
void put_rcpt(const char *address);
void put_data(struct span bytes);
void put_end(void);
void put_reset(void);
void put_message(const char *sender, const char *to, const char *text);
// False: the other side has gone.
bool send_bytes(int fd, struct span bytes);
void send_stream(int fd);
// The next answer as "place code enhanced"; "end" when the other side has closed.
const char *answer(int fd);
uint32_t messages(const char *name);
// The newest body that is stored.
struct span newest(void);
bool has(struct span text, const char *what);
uint64_t queued(void);
extern struct bench *const b;
extern struct queue *queue;
extern struct trail *trail;
extern struct reports *reports;
extern struct keep_sessions *sessions;
extern struct inbound *inbound;
extern char dir[];
extern struct inbound_limits limits;
extern const char *const small; // a message
extern struct buf stream;       // of frames, not sent yet
extern struct buf answers;      // read, not taken yet
extern const struct keep_link_login nobody;

#endif
