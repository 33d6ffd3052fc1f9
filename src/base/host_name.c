// SPDX-License-Identifier: Apache-2.0
#include "base/host_name.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

#include "base/banned.h"

#define HOSTS_BYTES_MAX (1u << 20)

// The next word of a line, or empty.
static struct span next_word(struct span *rest)
{
    size_t n = 0;

    *rest = span_trim(*rest);
    while (n < rest->n && !byte_is_space(rest->p[n])) {
        n++;
    }
    struct span word = span_first(*rest, n);

    *rest = span_skip(*rest, n);
    return word;
}

static bool has_domain(struct span name)
{
    size_t dot = span_find_byte(name, '.');

    return dot > 0 && dot + 1 < name.n;
}

struct span host_name_in_hosts(struct span text, struct span name)
{
    while (text.n) {
        struct span line = span_split(&text, '\n'), full = SPAN(""), word;
        bool is_ours = false;

        line = span_first(line, span_find_byte(line, '#'));
        next_word(&line); // the address
        while ((word = next_word(&line)).n) {
            is_ours |= span_eq_nocase(word, name);
            full = !full.n && has_domain(word) ? word : full;
        }
        if (is_ours && full.n) {
            return full;
        }
    }
    return SPAN("");
}

static void put_name(struct span name, struct span domain, char out[HOST_NAME_BYTES])
{
    int n = snprintf(out, HOST_NAME_BYTES, "%.*s%s%.*s", SPAN_ARG(name), domain.n ? "." : "",
                     SPAN_ARG(domain));

    for (int i = 0; i < n && out[i]; i++) {
        out[i] = byte_lower(out[i]);
    }
}

static void look_in_hosts(const char *name, struct span domain, char out[HOST_NAME_BYTES])
{
    struct buf hosts;

    buf_init(&hosts, HOSTS_BYTES_MAX);
    struct span full = file_read_whole(AT_FDCWD, "/etc/hosts", &hosts) == ERR_OK
                           ? host_name_in_hosts(buf_span(&hosts), span_from_str(name))
                           : SPAN("");

    if (full.n) {
        put_name(full, SPAN(""), out);
    } else {
        put_name(span_from_str(name), domain, out);
    }
    buf_finish(&hosts);
}

void host_name(struct span wanted, struct span domain, char out[HOST_NAME_BYTES])
{
    char name[HOST_NAME_BYTES] = "";

    if (wanted.n) {
        put_name(wanted, SPAN(""), out);
        return;
    }
    if (gethostname(name, sizeof(name) - 1) < 0 || !name[0]) {
        memcpy(name, "localhost", sizeof("localhost"));
    }
    if (has_domain(span_from_str(name))) {
        put_name(span_from_str(name), SPAN(""), out);
    } else {
        look_in_hosts(name, domain, out);
    }
}
