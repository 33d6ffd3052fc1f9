// SPDX-License-Identifier: Apache-2.0
//
// The contract suite on the engine in memory.
#include "contract.h"
#include "engine/memory/memory.h"

static struct engine *open_memory(void)
{
    struct engine *e;

    return engine_memory_open(&e) == ERR_OK ? e : NULL;
}

const struct contract_engine contract = {
    .open = open_memory,
    .close = engine_close,
    .load = 2000,
};

int main(void)
{
    return contract_run();
}
