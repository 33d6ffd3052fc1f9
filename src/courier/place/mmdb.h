// SPDX-License-Identifier: Apache-2.0
//
// Reads a MaxMind DB file, format version 2 (maxmind.github.io/MaxMind-DB): in which country an
// address is, and about where. Read in small pieces through a function, not mapped: a file that is
// cut while it is used gives an error, not a signal. Whatever the file says, a lookup looks at a
// bounded number of values, and nothing outside of the file is read. One thread at a time.
#ifndef COURIER_PLACE_MMDB_H
#define COURIER_PLACE_MMDB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define MMDB_NAME_BYTES_MAX 64
#define MMDB_TYPE_BYTES_MAX 64

struct mmdb_source {
    // Exactly `n` bytes from `offset` on. ERR_IO, ERR_EOF.
    enum err (*read)(void *arg, uint64_t offset, size_t n, char *out);
    void *arg;
    uint64_t size; // of the file
};

struct mmdb {
    struct mmdb_source source;
    uint32_t nodes;
    unsigned record_bits, ip_version;
    uint64_t data, data_end;        // the data section
    uint32_t four;                  // the record that IPv4 addresses begin at
    int64_t built;                  // seconds since 1970; 0: not said
    char type[MMDB_TYPE_BYTES_MAX]; // "GeoLite2-City"; empty: not said
};

struct mmdb_place {
    char country[3];                // ISO 3166-1, "FR"; empty: not said
    char name[MMDB_NAME_BYTES_MAX]; // "France"; empty: not said. UTF-8 without controls
    bool has_position;
    int32_t latitude, longitude; // hundredths of a degree
    uint32_t radius_km;          // within which it is, probably
};

// `source` is copied. ERR_INVALID: it is no such file; ERR_UNSUPPORTED: another version of it;
// ERR_CORRUPT: it is damaged; what reading gives.
enum err mmdb_open(const struct mmdb_source *source, struct mmdb *out);
// An address of 4 or 16 bytes in network order. ERR_NOT_FOUND: the file does not know it, or has no
// country for it; ERR_CORRUPT; what reading gives.
enum err mmdb_find(const struct mmdb *m, bool is_six, const unsigned char *address,
                   struct mmdb_place *out);

#endif
