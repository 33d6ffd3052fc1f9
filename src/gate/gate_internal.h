// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the gate share: the configuration of the moment, the conversations with keep
// and the courier, the workers. Functions here may be called on any thread unless said otherwise;
// none blocks.
#ifndef GATE_GATE_INTERNAL_H
#define GATE_GATE_INTERNAL_H

#include <stdatomic.h>

#include "base/host_name.h"
#include "base/lock.h"
#include "conf/settings.h"
#include "gate/limits.h"
#include "gate/rates.h"
#include "gate/service.h"
#include "ipc/channel.h"
#include "net/address.h"
#include "net/network.h"
#include "net/tls.h"

#define GATE_WORKERS_MAX 64

struct gate_worker;

// Settings and certificate as they were when a connection came; counted, never changed.
struct gate_config {
    atomic_uint refs;
    struct settings *settings;
    struct network_list relays, lmtp, fronts, renamers; // from the settings
    // By protocol, for ALPN and tickets are each protocol's own; NULL: no certificate, so no TLS.
    struct tls_context *tls[SERVICE_PROTOCOLS_MAX];
};
struct gate_config *gate_config_ref(struct gate_config *c);
void gate_config_unref(struct gate_config *c); // NULL is allowed
// From c->settings, once.
void gate_config_read_networks(struct gate_config *c);

struct gate {
    struct lock lock; // of the members down to the empty line
    struct gate_config *config;
    struct channel *keep;    // NULL while keep is away
    struct channel *courier; // the same

    struct limits limits[LIMITS__COUNT];
    struct rates connects, messages; // of strangers on listen_smtp
    struct loop *loop;               // of the main thread: listeners, supervisor, keep, courier
    struct gate_worker *workers[GATE_WORKERS_MAX];
    unsigned worker_count;
    char host[HOST_NAME_BYTES]; // our name among other servers
    atomic_uint connections;    // held by the workers
    atomic_bool is_stopping;
};

struct gate_config *gate_config_now(struct gate *g); // one reference, the caller's

// What is counted over all connections. At the start, and at the end when none is left.
void gate_counts_init(struct gate *g);
void gate_counts_finish(struct gate *g);

// Sends frames to keep. ERR_UNAVAILABLE while keep is away. The descriptor (-1: none) stays the
// caller's.
enum err gate_keep_send(struct gate *g, struct span frames, int fd);
// The same to the courier.
enum err gate_courier_send(struct gate *g, struct span frames, int fd);

#endif
