#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/ask.h"
#include "bin/commands.h"
#include "bin/offline.h"
#include "bin/progress.h"
#include "model/peer_id.h"
#include "role/cluster_pin_json.h"
#include "role/deny.h"
#include "store/state.h"
#include "json/json_writer.h"

/*
 * The pins of an owner, or of all, as ipfs-cluster-service has them in `state export` and `state
 * import`; as there, no server has the store open meanwhile.
 */

#define OWNER "admin" /* whose key `pinfold up` makes, and the other commands use */
#define CHUNK ((size_t)64 << 10)

/* NULL: it is none, and that was said. */
static const char *owner_of(const struct invocation *in)
{
	const char *owner = is_given(in, "owner") ? given(in, "owner") : OWNER;

	if (owner_valid(slice_str(owner)))
		return owner;
	usage_error(in, "--owner: at most %d printable characters without a space", OWNER_MAX);
	return NULL;
}

static bool system_failed(const char *name, struct err *err)
{
	return err_set(err, errno == ENOSPC ? ERR_NO_SPACE : ERR_UNAVAILABLE, "%s: %s", name,
		       strerror(errno));
}

static enum exit_code open_failed(const struct err *err, const char *remedy)
{
	offline_failed(err);
	if (err->code == ERR_UNAVAILABLE)
		fprintf(stderr, "%s\n", remedy);
	return EXIT_FAILED;
}

/* ---- export ------------------------------------------------------------------------------- */

struct export
{
	const char *name; /* of the file */
	int fd;
	struct buf out;
	struct arena *mem; /* emptied for each pin */
	uint64_t pins, cut;
	bool owners; /* each line tells its owner */
	struct progress progress;
	struct err *err;
	bool ok;
};

static bool flush(struct export *x)
{
	size_t done = 0;

	while (x->ok && done < x->out.len) {
		ssize_t n = write(x->fd, x->out.ptr + done, x->out.len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			x->ok = system_failed(x->name, x->err);
	}
	x->out.len = 0;
	progress_show(&x->progress, x->pins, 0, -1);
	return x->ok;
}

static bool on_pin(void *ctx, const struct request *request)
{
	struct export *x = ctx;
	struct slice owner = x->owners ? request->create->owner : (struct slice){ NULL, 0 };
	struct cluster_pin pin;

	arena_reset(x->mem);
	pin = cluster_pin_of(request, x->mem);
	x->cut += !cluster_pin_json_write(&pin, owner, &x->out);
	x->pins++;
	return x->out.len < CHUNK || flush(x);
}

static bool export_to(struct store *store, const char *owner, struct export *x, struct err *err)
{
	bool ok;

	x->err = err;
	x->ok = true;
	x->mem = arena_new();
	progress_start(&x->progress);
	ok = state_list(store, x->owners ? (struct slice){ NULL, 0 } : slice_str(owner), on_pin, x,
			err) &&
	     x->ok && flush(x);
	progress_clear(&x->progress);
	buf_free(&x->out);
	arena_free(x->mem);
	return ok;
}

/* A file that is there is whole: what failed is taken away. */
static bool export_to_file(struct store *store, const char *owner, struct export *x,
			   struct err *err)
{
	bool ok;

	x->fd = open(x->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (x->fd < 0)
		return system_failed(x->name, err);
	ok = export_to(store, owner, x, err) &&
	     (fsync(x->fd) == 0 || errno == EINVAL || system_failed(x->name, err));
	if (close(x->fd) < 0 && ok)
		ok = system_failed(x->name, err);
	if (!ok)
		unlink(x->name);
	return ok;
}

enum exit_code cmd_store_export(struct invocation *in)
{
	CLEANUP(offline_close) struct offline o = { 0 };
	struct export x = { .name = in->n_args ? in->args[0] : "stdout", .fd = STDOUT_FILENO };
	const char *path = offline_path(in, &o), *owner = owner_of(in);
	struct err err;

	if (!path || !owner)
		return EXIT_USAGE;
	x.owners = is_given(in, "all-owners");
	if (x.owners && is_given(in, "owner"))
		return usage_error(in, "--owner and --all-owners exclude each other");
	if (!offline_open(path, OFFLINE_READ, &o, &err))
		return open_failed(&err,
				   "A server that must not stop can make a backup: export that, "
				   "with --store-rocksdb-path.");
	if (!(in->n_args ? export_to_file : export_to)(o.store, owner, &x, &err))
		return offline_failed(&err);
	fprintf(stderr, "%" PRIu64 " pins of %s written in %.1f s\n", x.pins,
		x.owners ? "all owners" : owner, progress_seconds(&x.progress));
	if (x.cut)
		fprintf(stderr, "%" PRIu64 " of them hold what the format has no word for\n",
			x.cut);
	return EXIT_DONE;
}

/* ---- import ------------------------------------------------------------------------------- */

struct overrides { /* of every pin that is read */
	bool replicas;
	int32_t rf_min, rf_max;
	struct slice_list allocations; /* binary peer ids; none: each pin's own */
};

struct import {
	const char *owner; /* of every pin; NULL: of those that name one their own, else OWNER */
	struct overrides overrides;
	const char *name; /* of the file */
	int fd;
	uint64_t bytes, total; /* read; 0: nobody knows */
	struct buf in;
	struct cluster_pin_lines lines;
	struct store *store;
	struct state_batch *batch;
	uint64_t taken, refused, denied; /* of `refused`: on the deny list */
	bool told;                       /* of the pin that is being added */
	struct err why;
	struct progress progress;
};

static void on_told(void *ctx, struct slice cid UNUSED, bool taken, const struct err *err)
{
	struct import *m = ctx;

	m->told = !taken;
	m->why = *err;
}

static void refuse(struct import *m, const struct err *why)
{
	m->refused++;
	progress_clear(&m->progress);
	fprintf(stderr, "line %" PRIu64 ": %s\n", m->lines.line, why->text);
}

static void override(const struct overrides *with, struct cluster_pin *pin)
{
	if (with->replicas) {
		pin->rf_min = with->rf_min;
		pin->rf_max = with->rf_max;
	}
	if (with->allocations.n > 0)
		pin->allocations = with->allocations;
}

/* *denied: it is on the deny list, and that was told.  A CID that is none the batch refuses. */
static bool check_denied(struct import *m, struct slice bytes, struct arena *mem, bool *denied,
			 struct err *err)
{
	const struct deny *entry = NULL;
	struct err why;
	struct cid cid;

	*denied = false;
	if (!cid_decode(bytes, &cid, &why))
		return true;
	if (!deny_find(m->store, &cid, mem, &entry, err))
		return false;
	*denied = entry != NULL;
	if (!entry)
		return true;
	err_set(&why, ERR_DENIED, "this content is on the deny list%s%.*s",
		entry->reason.len > 0 ? ": " : "", SLICE_FMT(entry->reason));
	m->denied++;
	refuse(m, &why);
	return true;
}

/* False if the store fails. */
static bool take_pin(struct import *m, struct slice text, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf bytes = { 0 };
	struct cluster_pin pin;
	struct slice owner;
	struct err why;
	bool denied;

	if (!cluster_pin_json_read(text, mem, &pin, &owner, &why)) {
		refuse(m, &why);
		return true;
	}
	if (!check_denied(m, pin.cid, mem, &denied, err))
		return false;
	if (denied)
		return true;
	if (m->owner || !owner.ptr)
		owner = slice_str(m->owner ? m->owner : OWNER);
	state_batch_of_owner(m->batch, owner);
	override(&m->overrides, &pin);
	cluster_pin_encode(&pin, &bytes);
	m->told = false;
	if (!state_batch_add(m->batch, pin.cid, buf_slice(&bytes), err))
		return false;
	if (m->told)
		refuse(m, &m->why);
	else
		m->taken++;
	return true;
}

static bool take_pins(struct import *m, bool end, struct err *err)
{
	struct slice rest = buf_slice(&m->in), text;

	while (cluster_pin_lines_next(&m->lines, &rest, end, &text))
		if (!take_pin(m, text, err))
			return false;
	buf_drop(&m->in, m->in.len - rest.len);
	if (m->in.len <= CLUSTER_PIN_JSON_MAX)
		return true;
	return err_set(err, ERR_INVALID, "line %" PRIu64 ": a pin of more than 1 MiB",
		       m->lines.passed + 1);
}

static bool import_from(struct import *m, struct err *err)
{
	ssize_t n;

	do {
		n = read(m->fd, buf_reserve(&m->in, CHUNK), CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return system_failed(m->name, err);
		m->in.len += (size_t)n;
		m->bytes += (size_t)n;
		if (!take_pins(m, n == 0, err))
			return false;
		progress_show(&m->progress, m->taken, m->refused,
			      m->total ? (double)m->bytes / (double)m->total : -1);
	} while (n != 0);
	return true;
}

/* What was read before a failure is kept: repeating it changes nothing.  Pins that were refused
 * have been told. */
static bool import_all(struct import *m, struct store *store, struct err *err)
{
	struct state_batch_options options = { .tell = on_told, .ctx = m };
	struct err second, *why;
	struct stat st;
	bool ok, kept;

	m->store = store;
	m->batch = state_batch_new(store, slice_str(OWNER), &options);
	if (fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode))
		m->total = (uint64_t)st.st_size;
	progress_start(&m->progress);
	ok = import_from(m, err);
	why = ok ? err : &second;
	kept = state_batch_commit(m->batch, why) || why->code == ERR_INVALID;
	progress_clear(&m->progress);
	buf_free(&m->in);
	return ok && kept;
}

static void print_counts(const struct import *m, bool json)
{
	const struct state_counts counts = state_batch_counts(m->batch);
	CLEANUP(buf_free) struct buf out = { 0 };
	struct json_writer w = json_writer(&out);

	fprintf(stderr,
		"%" PRIu64 " pins read in %.1f s: %" PRIu64 " written, %" PRIu64
		" were there already, %" PRIu64 " refused, %" PRIu64
		" of those as they are on the deny list\n",
		m->taken + m->refused, progress_seconds(&m->progress), counts.changed,
		counts.unchanged, m->refused, m->denied);
	if (!json)
		return;
	json_begin_object(&w);
	json_key_u64(&w, "written", counts.changed);
	json_key_u64(&w, "unchanged", counts.unchanged);
	json_key_u64(&w, "refused", m->refused);
	json_key_u64(&w, "denied", m->denied);
	json_end_object(&w);
	printf("%.*s\n", SLICE_FMT(buf_slice(&out)));
}

static enum exit_code import_into(struct import *m, struct invocation *in, const char *path,
				  int64_t expiring_us)
{
	CLEANUP(offline_close) struct offline o = { .expiring_us = expiring_us };
	struct err err;
	bool ok;

	if (!offline_open(path, OFFLINE_CREATE, &o, &err))
		return open_failed(&err, "Stop the server, import, and start it again.");
	ok = import_all(m, o.store, &err);
	print_counts(m, is_given(in, "json"));
	state_batch_free(m->batch);
	if (!ok)
		return offline_failed(&err);
	return m->refused ? EXIT_FAILED : EXIT_DONE;
}

static enum exit_code read_replicas(const struct invocation *in, struct overrides *out)
{
	static const struct ask_member members[] = { { "replicas", "replicas", ASK_REPLICAS } };
	json_t *body = json_object(), *value;
	enum exit_code code = ask_build(in, members, ARRAY_LEN(members), body);

	value = json_object_get(body, "replicas");
	out->replicas = value;
	out->rf_min = out->rf_max = (int32_t)json_integer_value(value);
	if (json_is_object(value)) {
		out->rf_min = (int32_t)json_integer_value(json_object_get(value, "min"));
		out->rf_max = (int32_t)json_integer_value(json_object_get(value, "max"));
	}
	json_decref(body);
	return code;
}

static enum exit_code read_peers(const struct invocation *in, struct overrides *out)
{
	struct texts texts = given_all(in, "peer");
	struct peer_id id;
	struct err err;

	out->allocations.at = arena_new_array(in->mem, struct slice, texts.n + 1);
	for (size_t i = 0; i < texts.n; i++) {
		if (!peer_id_parse(slice_str(texts.items[i]), &id, &err))
			return usage_error(in, "--peer: %s", err.text);
		out->allocations.at[out->allocations.n++] = arena_copy(in->mem, peer_id_slice(&id));
	}
	return EXIT_DONE;
}

enum exit_code cmd_store_import(struct invocation *in)
{
	struct import m = { .name = in->n_args ? in->args[0] : "stdin", .fd = STDIN_FILENO };
	struct offline like = { 0 };
	const char *path = offline_path(in, &like), *owner = owner_of(in);
	enum exit_code code;
	struct err err;

	if (!path || !owner)
		return EXIT_USAGE;
	m.owner = is_given(in, "owner") ? owner : NULL;
	code = read_replicas(in, &m.overrides);
	if (!code)
		code = read_peers(in, &m.overrides);
	if (code)
		return code;
	if (in->n_args && (m.fd = open(m.name, O_RDONLY | O_CLOEXEC)) < 0) {
		system_failed(m.name, &err);
		return offline_failed(&err);
	}
	code = import_into(&m, in, path, like.expiring_us);
	if (in->n_args)
		close(m.fd);
	return code;
}
