/*
 * store_mem.h -- the tables in memory, for tests and simulations.
 *
 * `struct store_mem` is the data, which any number of handles share: closing a
 * handle leaves the data, so an instance may die and another go on.  Thread-safe.
 *
 * Serial (store_mem_new): what the RocksDB back end promises, always durable.
 *
 * Loose (store_mem_new_loose): as bad as a CQL cluster may be (design rule R8).  No
 * lock(); the writes of a batch land one by one; of two writes of a row (or of a
 * group) the one with the higher version counts, whichever came last, deletions
 * included, whose marks are kept; writes without a version get the handle's clock, in
 * microseconds.  Compare and set stays linearizable, as a lightweight transaction is.
 * What happens to a call is asked of `fate`.
 */
#pragma once

#include "base/clock.h"
#include "store/store_ops.h"

struct store_mem;

enum store_mem_call { STORE_MEM_WRITE, STORE_MEM_READ, STORE_MEM_SWAP, STORE_MEM_DROP };

enum store_mem_fate {
	FATE_LAND,         /* takes effect */
	FATE_LAND_UNKNOWN, /* takes effect, but is reported as ERR_TIMEOUT */
	FATE_LATE,         /* ERR_TIMEOUT now; lands by store_mem_land_late() (else as LOST) */
	FATE_LOST,         /* ERR_TIMEOUT, and never takes effect */
	FATE_FAIL,         /* ERR_UNAVAILABLE, and never takes effect */
	FATE_KILLED,       /* ERR_CANCELED, and never takes effect */
};

struct store_mem_loose {
	/* Asked before every single write, read, swap and drop, with no lock held: it may
	 * also let other instances run first.  Of anything but a STORE_MEM_WRITE only the
	 * table of `write` is set.
	 * LATE is for writes and drops alone.  NULL: everything lands. */
	enum store_mem_fate (*fate)(void *ctx, void *instance, enum store_mem_call call,
				    const struct store_write *write);
	/* Called after each of them.  NULL: nothing. */
	void (*after)(void *ctx, void *instance);
	void *ctx;
};

struct store_mem *store_mem_new(void);
/* Copies *knobs; NULL: everything lands. */
struct store_mem *store_mem_new_loose(const struct store_mem_loose *knobs);
void store_mem_free(struct store_mem *mem); /* NULL is fine; all handles are closed */
DEFINE_CLEANUP(struct store_mem, store_mem_free)

/* A handle, for store_open(); its close() leaves the data.  `clock` dates writes
 * without a version in loose mode (NULL in serial mode is fine); `instance` is handed
 * to `fate`. */
struct store_backend *store_mem_attach(struct store_mem *mem, struct clock *clock, int64_t skew_us,
				       void *instance);

/* Late writes that wait, and the landing of the i-th of them; those behind it move up. */
size_t store_mem_late(struct store_mem *mem);
void store_mem_land_late(struct store_mem *mem, size_t i);
