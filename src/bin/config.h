/*
 * config.h -- every setting of the program, read once at the start.
 *
 * One table (config_table.c) has a row for each option: name, type, default, range,
 * help, and the member of struct config it fills.  From it come the configuration file,
 * the environment, the flags, `config check`, `config show` and docs/configuration.md, so a
 * new option is one member here and one row there.
 *
 *	option        worker.stall_timeout
 *	file (JSON)   { "worker": { "stall_timeout": "2m" } }
 *	environment   PINFOLD_WORKER_STALL_TIMEOUT=2m
 *	flag          --worker-stall-timeout 2m
 *
 * A flag wins over the environment, that over the file, that over the default; a list is
 * replaced as a whole.  In environment and flags items of a list are separated by commas,
 * and a flag may be repeated.  Sizes are 1048576, 512KiB, 1.5GiB, 2GB; durations 90s, 1h30m
 * (model/duration.h).
 *
 * A secret is never taken from a flag (other users see command lines) and never shown; it
 * may also be named by the option with _file behind it, as the path of a file that holds it.
 *
 * Parsed into plain values: nobody looks an option up by name at run time.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "kubo/kubo.h"

struct texts {
	const char *const *items;
	size_t n;
};

struct config_kubo { /* one node; the peer's number comes from its peer id */
	const char *url;
	enum kubo_auth auth;
	const char *secret;  /* NULL without auth */
	const char *ca_file; /* NULL: the system's authorities */
	const char *zone;    /* "" if none */
	struct texts tags;
};

enum store_kind { STORE_ROCKSDB, STORE_MEM };
enum adopted_pins { ADOPTED_KEEP, ADOPTED_TAKE };

struct config {             /* durations in us, sizes in bytes; "" is a text that is not set */
	const char *data;   /* directory */
	const char *listen; /* HOST:PORT */
	struct config_kubo *kubo;
	size_t n_kubo;
	struct config_kubo added_kubo; /* what worker.kubo_... says of nodes that are added later */
	struct {
		const char *cert_file, *key_file;
	} tls;
	struct {
		int level, format; /* enum log_level, enum log_format */
	} log;
	struct {
		int kind;                 /* enum store_kind */
		const char *rocksdb_path; /* "": `data`/store */
		uint64_t rocksdb_cache, rocksdb_write_buffer;
	} store;
	struct {
		int64_t queue_max;
	} bus;
	struct {
		int64_t loops, workers, backlog;
		uint64_t max_head, max_body, max_buffered, max_pipelined;
		int64_t max_connections, max_per_address, max_queued;
		uint64_t min_rate; /* bytes a second */
		int64_t head_us, body_us, idle_us, write_us, queue_us;
		int64_t drain_us;
	} http;
	struct {
		int64_t rf_min, rf_max;
		int64_t quota_pins; /* 0: no limit; so are the next */
		uint64_t quota_bytes;
		int64_t requests_per_second, concurrent_fetches;
	} owner; /* of owners that have nothing else set */
	struct {
		int64_t poll_us, sweep_us, pace_us, batch;
		int64_t republish_us, recheck_us, forget_us, peers_refresh_us;
		uint64_t keep_free;
		int64_t guard_permille, guard_min, guard_window_us;
	} planner;
	struct {
		int64_t scan_us;
	} ttl;
	struct {
		int64_t suspect_us, down_us, grace_us;
	} peer;
	struct {
		int64_t max_fetches, max_patient, patience_us, stall_us;
		int64_t retry_min_us, retry_max_us, unpin_grace_us;
		int64_t heartbeat_us, heartbeat_timeout_us, report_us, compare_us, journal_max;
		int64_t gc_percent, gc_pause_us;
		int adopted_pins;         /* enum adopted_pins */
		const char *kubo_auth;    /* of nodes that name none; "" = none */
		const char *kubo_ca_file; /* likewise */
	} worker;
	struct {
		struct texts allow; /* networks of tenants' origins, beside the public ones */
	} origins;
};

enum option_type {
	OPTION_BOOL,
	OPTION_INT,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_TEXT,
	OPTION_PATH, /* ~/ at its start is the home directory */
	OPTION_ENUM,
	OPTION_LIST, /* of texts */
	OPTION_KUBO, /* of nodes: URLs, or in the file also objects */
};

struct option_row {
	const char *name;
	enum option_type type;
	size_t offset;
	const char *def;          /* as one would write it in the environment */
	const char *lo, *hi;      /* of INT, SIZE, DURATION; inclusive */
	const char *const *names; /* of ENUM, in the order of its values; ends with NULL */
	bool secret;
	/* What else must hold of a TEXT, or each item of a LIST that is not empty; sets *what to
	 * what is allowed. */
	bool (*check)(const char *text, const char **what);
	const char *help;
};

extern const struct option_row option_rows[];
extern const size_t n_option_rows;

/* PINFOLD_WORKER_STALL_TIMEOUT, --worker-stall-timeout. */
char *option_env(const struct option_row *row, struct arena *mem);
char *option_flag(const struct option_row *row, struct arena *mem);

enum config_source { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };

struct config_flag { /* in the order given */
	const struct option_row *row;
	const char *value;
	bool from_file; /* --x-file: the value is a path */
};

struct config_input {
	const char *file;       /* NULL: PINFOLD_CONFIG, else config.json in the data directory
				 * if it is there */
	const char *const *env; /* as environ; NULL: none */
	const struct config_flag *flags;
	size_t n_flags;
};

struct config_origin {
	enum config_source source;
	const char *place; /* "PINFOLD_LISTEN", "--listen", the file's path; "" of a default */
	const char *text;  /* as it was written */
};

struct config_result {
	struct config config;
	const char *file;              /* the configuration file that was read; NULL: none */
	struct config_origin *origins; /* one for each option */
	struct buf *problems;          /* set by the caller, may be NULL: a line for each */
};

/* Reads and validates everything.  On failure *err is the first problem and names option,
 * value, source and what is allowed; `problems` gets all. */
bool config_load(const struct config_input *in, struct arena *mem, struct config_result *out,
		 struct err *err) MUST_CHECK;

/* Variables of the environment that look like options but are none, a line each. */
void config_strangers(const char *const *env, struct buf *out);

/* Appends docs/configuration.md. */
void config_doc(struct buf *out);
