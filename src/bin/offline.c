#include "bin/offline.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/dir.h"
#include "store/rocksdb/store_rocksdb.h"

bool offline_make_parent(const char *path, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *parent = dirname(arena_printf(mem, "%s", path));

	return dir_make(parent) ||
	       err_set(err, errno == EACCES ? ERR_DENIED : ERR_INVALID,
		       "cannot make the directory %s: %s", parent, strerror(errno));
}

bool offline_open(const char *path, enum offline_use use, struct offline *out, struct err *err)
{
	struct store_rocksdb_options where = { .path = path,
					       .create = use == OFFLINE_CREATE,
					       .read_only = use == OFFLINE_READ };
	struct store_options options = { .clock = &out->clock,
					 .rand = &out->rand,
					 .expiring_us = out->expiring_us };
	struct store_backend *backend;

	clock_init_system(&out->clock);
	rand_init_system(&out->rand);
	if (use == OFFLINE_CREATE && !offline_make_parent(path, err))
		return false;
	return store_rocksdb_open(&where, &backend, err) &&
	       store_open(backend, &options, &out->store, err);
}

void offline_close(struct offline *offline)
{
	store_close(offline->store);
}

const char *store_path(const struct config *config, struct arena *mem)
{
	if (*config->store.rocksdb_path)
		return config->store.rocksdb_path;
	return arena_printf(mem, "%s/store", config->data);
}

const char *offline_path(struct invocation *in, struct offline *out)
{
	struct config_result result;
	struct err err;

	if (!command_config(in, NULL, &result, &err)) {
		fprintf(stderr, "pinfold: %s\n", err.text);
		return NULL;
	}
	out->expiring_us = result.config.ttl.scan_us;
	return store_path(&result.config, in->mem);
}

enum exit_code offline_failed(const struct err *err)
{
	fprintf(stderr, "pinfold: %s\n", err->text);
	return EXIT_FAILED;
}
