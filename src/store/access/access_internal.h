// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/access/ do for each other within one edit.
#ifndef STORE_ACCESS_INTERNAL_H
#define STORE_ACCESS_INTERNAL_H

#include "store/access/device.h"
#include "store/store_internal.h"

// device.c: name, scope, time and networks are such as may be.
bool device_is_valid(const struct device *d);
// `networks` has room for DEVICE_NETWORKS_MAX; spans point into the snapshot.
enum err device_edit_find(struct edit *ed, uint32_t id, struct span *networks, struct device *out);
// As device_add; sets id, state and created.
enum err device_edit_add(struct edit *ed, struct device *d);
enum err device_edit_put(struct edit *ed, const struct device *d);
enum err device_edit_block(struct edit *ed, uint32_t id);
// With its tokens.
enum err device_edit_remove(struct edit *ed, uint32_t id);
// Writes a line about it into the change log.
enum err device_edit_note(struct edit *ed, uint32_t id, const char *words, struct span name);

// oauth_family.c: the tokens of a device that goes.
enum err oauth_edit_forget(struct edit *ed, uint32_t device);

#endif
