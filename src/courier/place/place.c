// SPDX-License-Identifier: Apache-2.0
#include "courier/place/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ip_network.h"
#include "base/log.h"

#include "base/banned.h"

static enum err read_file(void *arg, uint64_t offset, size_t n, char *out)
{
    const struct places *p = arg;
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(p->fd, out + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) { // the file was cut since
            return got < 0 ? ERR_IO : ERR_EOF;
        }
        done += (size_t)got;
    }
    return ERR_OK;
}

void places_init(struct places *p)
{
    *p = (struct places){.fd = -1};
}

void places_close(struct places *p)
{
    if (p->fd >= 0) {
        close(p->fd);
    }
    places_init(p);
}

static void log_use(const struct mmdb *db)
{
    char day[16] = "?";
    struct tm tm;
    time_t built = (time_t)db->built;

    if (built && gmtime_r(&built, &tm)) {
        strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    }
    log_info("sign-ins get a country from geo_database: %s, made on %s",
             log_text(span_from_str(db->type)).s, day);
}

void places_take(struct places *p, int fd)
{
    struct mmdb_source source = {.read = read_file, .arg = p};
    struct stat st;

    places_close(p);
    if (fd < 0) {
        return;
    }
    p->fd = fd;
    enum err e = fstat(fd, &st) == 0 && st.st_size > 0 ? ERR_OK : ERR_INVALID;

    source.size = e == ERR_OK ? (uint64_t)st.st_size : 0;
    e = e == ERR_OK ? mmdb_open(&source, &p->db) : e;
    if (e == ERR_OK) {
        log_use(&p->db);
        return;
    }
    log_error("the file of geo_database cannot be used: %s. Sign-ins are written down without a "
              "country until a good file is there and Mailkeep is reloaded",
              e == ERR_INVALID       ? "it is no MaxMind DB file"
              : e == ERR_UNSUPPORTED ? "its format is of another version than 2"
              : e == ERR_CORRUPT     ? "it is damaged"
                                     : err_name(e));
    places_close(p);
}

static enum err find(struct places *p, struct span address, struct mmdb_place *out)
{
    struct network n;

    if (p->fd < 0) {
        return ERR_UNAVAILABLE;
    }
    return network_parse(address, &n) == ERR_OK ? mmdb_find(&p->db, n.is_six, n.b, out)
                                                : ERR_NOT_FOUND;
}

void places_answer(struct places *p, const struct ipc_place_ask *ask, struct mmdb_place *place,
                   struct ipc_place_answer *out)
{
    enum err e = find(p, ask->address, place);

    *out = (struct ipc_place_answer){.id = ask->id, .result = IPC_PLACE_NONE};
    if (e == ERR_OK) {
        out->result = IPC_PLACE_KNOWN;
        out->country = span_from_str(place->country);
        out->name = span_from_str(place->name);
        out->has_position = place->has_position;
        out->latitude = (uint32_t)(place->latitude + IPC_PLACE_SOUTH);
        out->longitude = (uint32_t)(place->longitude + IPC_PLACE_WEST);
        out->radius_km = place->radius_km;
    } else if (e != ERR_NOT_FOUND) {
        out->result = IPC_PLACE_UNAVAILABLE;
        if (e != ERR_UNAVAILABLE && !p->was_damage_told) {
            p->was_damage_told = true;
            log_error("the file of geo_database is damaged (%s), or was changed where it lies "
                      "instead of replaced: some sign-ins are without a country. Put a good file "
                      "there, by renaming it, and reload Mailkeep",
                      err_name(e));
        }
    }
}
