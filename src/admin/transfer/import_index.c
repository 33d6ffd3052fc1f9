// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <stdlib.h>

#include "admin/transfer/import_index_internal.h"

#include "base/banned.h"

#define KEY_BYTES       16 // of the hash: enough to tell all mail there is apart
#define READ_BYTES      (256u << 10)
#define SLOTS_MAX       (1u << 28)
#define PLACEMENTS_STEP 4096

// A message of the mailbox, by size; its hash is worked out when it matters.
struct placed {
    uint32_t bytes;
    bool is_hashed;
    body_id body;
};

struct slot {
    unsigned char key[KEY_BYTES];
    uint32_t have, seen;
    bool is_used;
};

struct import_index {
    struct store *store;
    account_id account;
    struct placed *placed; // in order of size
    size_t placed_count, placed_cap;
    struct slot *slots; // open addressing; a power of two of them
    size_t slot_count, slot_used;
};

void import_index_destroy(struct import_index *x)
{
    if (x) {
        free(x->placed);
        free(x->slots);
        free(x);
    }
}

enum err import_index_create_empty(struct import_index **out)
{
    struct import_index *x = calloc(1, sizeof(*x));

    if (!x) {
        return ERR_NOMEM;
    }
    x->slot_count = 1024;
    x->slots = calloc(x->slot_count, sizeof(*x->slots));
    if (!x->slots) {
        import_index_destroy(x);
        return ERR_NOMEM;
    }
    *out = x;
    return ERR_OK;
}

static int placed_compare(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static enum err placed_add(struct import_index *x, const struct placement *p)
{
    if (x->placed_count == x->placed_cap) {
        size_t cap = x->placed_cap ? x->placed_cap * 2 : PLACEMENTS_STEP;
        struct placed *items = realloc(x->placed, cap * sizeof(*items));

        if (!items) {
            return ERR_NOMEM;
        }
        x->placed = items;
        x->placed_cap = cap;
    }
    x->placed[x->placed_count++] = (struct placed){.bytes = p->bytes, .body = p->body};
    return ERR_OK;
}

static enum err list_placements(struct import_index *x, mailbox_id mailbox)
{
    struct placement_scan *scan;
    struct placement p;
    struct view *v;
    enum err e = view_open(x->store, x->account, &v);

    if (e != ERR_OK) {
        return e;
    }
    e = placement_scan_open(v, mailbox, 1, UINT32_MAX, 0, &scan);
    if (e == ERR_OK) {
        while ((e = placement_next(scan, &p)) == ERR_OK && (e = placed_add(x, &p)) == ERR_OK) {
        }
        placement_scan_close(scan);
    }
    view_close(v);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err import_index_create(struct store *s, account_id account, mailbox_id mailbox,
                             struct import_index **out)
{
    struct import_index *x;
    enum err e = import_index_create_empty(&x);

    if (e != ERR_OK) {
        return e;
    }
    x->store = s;
    x->account = account;
    e = list_placements(x, mailbox);
    if (e != ERR_OK) {
        import_index_destroy(x);
        return e;
    }
    if (x->placed_count > 1) {
        qsort(x->placed, x->placed_count, sizeof(x->placed[0]), placed_compare);
    }
    *out = x;
    return ERR_OK;
}

uint64_t import_index_messages(const struct import_index *x)
{
    return x->placed_count;
}

void import_index_restart(struct import_index *x)
{
    for (size_t i = 0; i < x->slot_count; i++) {
        x->slots[i].seen = 0;
    }
}

// ---- the table of hashes ------------------------------------------------------------------------

// The key's slot, or the free one where it belongs. The hash is its own hash value: whoever can
// choose SHA-256 collisions in it has better things to do.
static struct slot *slot_find(struct slot *slots, size_t count, const unsigned char *key)
{
    uint64_t at;

    memcpy(&at, key, sizeof(at));
    for (;; at++) {
        struct slot *s = &slots[at & (count - 1)];

        if (!s->is_used || memcmp(s->key, key, KEY_BYTES) == 0) {
            return s;
        }
    }
}

static enum err slots_grow(struct import_index *x)
{
    size_t count = x->slot_count * 2;
    struct slot *slots = count <= SLOTS_MAX ? calloc(count, sizeof(*slots)) : NULL;

    if (!slots) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < x->slot_count; i++) {
        if (x->slots[i].is_used) {
            *slot_find(slots, count, x->slots[i].key) = x->slots[i];
        }
    }
    free(x->slots);
    x->slots = slots;
    x->slot_count = count;
    return ERR_OK;
}

static enum err slot_get(struct import_index *x, const unsigned char *key, struct slot **out)
{
    struct slot *s = slot_find(x->slots, x->slot_count, key);

    if (!s->is_used) {
        if (x->slot_used * 4 >= x->slot_count * 3) {
            enum err e = slots_grow(x);

            if (e != ERR_OK) {
                return e;
            }
            s = slot_find(x->slots, x->slot_count, key);
        }
        memcpy(s->key, key, KEY_BYTES);
        s->is_used = true;
        x->slot_used++;
    }
    *out = s;
    return ERR_OK;
}

// ---- hashing what is there ----------------------------------------------------------------------

static enum err hash_body(struct snapshot *s, body_id body, EVP_MD_CTX *md, struct buf *piece,
                          unsigned char out[IMPORT_HASH_BYTES])
{
    enum err e = EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_NOMEM;
    unsigned n = IMPORT_HASH_BYTES;

    for (uint64_t at = 0; e == ERR_OK; at += READ_BYTES) {
        buf_clear(piece);
        e = body_read(s, body, at, READ_BYTES, piece);
        if (e == ERR_OK && EVP_DigestUpdate(md, piece->p, piece->n) != 1) {
            e = ERR_NOMEM;
        }
        if (e == ERR_OK && piece->n < READ_BYTES) {
            return EVP_DigestFinal_ex(md, out, &n) == 1 ? ERR_OK : ERR_NOMEM;
        }
    }
    return e;
}

static enum err hash_placed(struct import_index *x, struct snapshot *s, struct placed *p,
                            EVP_MD_CTX *md, struct buf *piece)
{
    unsigned char hash[IMPORT_HASH_BYTES];
    struct slot *slot;
    enum err e = hash_body(s, p->body, md, piece, hash);

    p->is_hashed = true;
    // Expunged since, or damaged: then it is not there, and the copy that comes is welcome.
    if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
        return ERR_OK;
    }
    if (e == ERR_OK) {
        e = slot_get(x, hash, &slot);
    }
    if (e == ERR_OK) {
        slot->have++;
    }
    return e;
}

// Every message of that size gets into the table.
static enum err hash_size(struct import_index *x, size_t first, uint32_t bytes)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    struct view *v = NULL;
    struct buf piece;
    enum err e = md ? view_open(x->store, x->account, &v) : ERR_NOMEM;

    buf_init(&piece, READ_BYTES);
    for (size_t i = first; e == ERR_OK && i < x->placed_count && x->placed[i].bytes == bytes; i++) {
        if (!x->placed[i].is_hashed) {
            e = hash_placed(x, view_snapshot(v), &x->placed[i], md, &piece);
        }
    }
    buf_finish(&piece);
    view_close(v);
    EVP_MD_CTX_free(md);
    return e;
}

enum err import_index_want(struct import_index *x, uint64_t bytes,
                           const unsigned char hash[IMPORT_HASH_BYTES], bool *out_wanted)
{
    size_t low = 0, high = x->placed_count;
    struct slot *slot;
    enum err e = ERR_OK;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (x->placed[middle].bytes < bytes) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // All of a size are hashed together, so the first one tells.
    if (low < x->placed_count && x->placed[low].bytes == bytes && !x->placed[low].is_hashed) {
        e = hash_size(x, low, (uint32_t)bytes);
    }
    if (e == ERR_OK) {
        e = slot_get(x, hash, &slot);
    }
    if (e == ERR_OK) {
        slot->seen++;
        *out_wanted = slot->seen > slot->have;
        slot->have += *out_wanted;
    }
    return e;
}

void import_index_forget(struct import_index *x, const unsigned char hash[IMPORT_HASH_BYTES])
{
    struct slot *s = slot_find(x->slots, x->slot_count, hash);

    if (s->is_used && s->have > 0) {
        s->have--;
    }
}
