/*
 * store_bench -- what the store on disk can do on this machine.
 *
 *	store_bench [DIR [PINS]]
 *
 * Makes a store in DIR (a temporary one unless given) with PINS pins (100,000), each the
 * rows that a create writes, in bulk; then more by 1 and by 64 threads that wait for each
 * to be durable, for ten seconds; then reads, and ends without closing and starts again.
 * A plain append + fdatasync beside it says what the disk can do.  One JSON line a figure.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "lib/temp_dir.h"
#include "store/rocksdb/store_rocksdb.h"

#define THREADS   64
#define DURABLE_S 10
#define OWNERS    100
#define BATCH     100
#define READS     50000
#define SCAN_ROWS 2000000

struct bench {
	struct store_backend *b;
	struct clock clock;
	_Atomic uint32_t next; /* number of the next pin */
	_Atomic bool stop;
	uint32_t pins;
};

static void die(const char *what)
{
	fprintf(stderr, "store_bench: %s\n", what);
	exit(EXIT_FAILURE);
}

/* `goal` 0: none; `most`: it is an upper bound. */
static void report(const char *metric, double value, const char *unit, double goal, bool most)
{
	printf("{\"bench\":\"store\",\"metric\":\"%s\",\"value\":%.1f,\"unit\":\"%s\"", metric,
	       value, unit);
	if (goal > 0)
		printf(",\"goal\":%.1f,\"met\":%s}\n", goal,
		       (most ? value <= goal : value >= goal) ? "true" : "false");
	else
		printf(",\"goal\":null,\"met\":null}\n");
	fflush(stdout);
}

static double seconds(struct bench *bench)
{
	return (double)clock_mono_us(&bench->clock) / 1e6;
}

static double cpu_us(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* ---- one pin ------------------------------------------------------------------------------ */

struct pin {
	uint32_t bucket;
	uint8_t cid[36];
	char owner[16], name[32];
	struct ulid id;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct pin make_pin(uint32_t i)
{
	struct pin p = { .cid = { 0x01, 0x55, 0x12, 0x20 } };

	for (unsigned k = 0; k < 4; k++) {
		uint64_t word = mix(UINT64_C(0x9e3779b97f4a7c15) * (4 * (uint64_t)i + k + 1));

		memcpy(p.cid + 4 + 8 * k, &word, 8);
		p.bucket = (uint32_t)(word >> (64 - BUCKET_BITS));
	}
	snprintf(p.owner, sizeof(p.owner), "owner-%u", i % OWNERS);
	snprintf(p.name, sizeof(p.name), "name of pin %u", i);
	for (unsigned k = 0; k < 4; k++)
		p.id.bytes[4 + k] = (uint8_t)(i >> (24 - 8 * k));
	memcpy(p.id.bytes + 8, p.cid + 4, 8);
	return p;
}

#define WRITES_A_PIN 7

struct pin_rows {
	struct fact_row create, revision;
	struct copy_row copy;
	struct owner_pin listed;
	struct tag_pin named;
	struct wake wake;
	struct owner_total total;
};

static void make_writes(const struct pin *p, struct pin_rows *r, struct store_write *w)
{
	struct slice cid = SLICE_OF(p->cid, sizeof(p->cid)), owner = slice_str(p->owner);
	int64_t now = INT64_C(1795392000000000);

	*r = (struct pin_rows){
		.create = { p->bucket,
			    0,
			    { .cid = cid,
			      .owner = owner,
			      .request_id = p->id,
			      .created_at = now,
			      .mode = PIN_RECURSIVE } },
		.copy = { p->bucket, cid, { .peer_no = 1, .gen = (uint64_t)now, .desired = true } },
		.listed = { .owner = owner,
			    .period = 20780,
			    .request_id = p->id,
			    .cid = cid,
			    .created_at = now,
			    .rev = (uint64_t)now,
			    .rf_min = 1,
			    .rf_max = 1,
			    .name = slice_str(p->name) },
		.named = { .owner = owner,
			   .tag = slice_str(p->name),
			   .period = 20780,
			   .request_id = p->id,
			   .cid = cid },
		.wake = { .due_at = now, .cid = cid, .cause = WAKE_REQUEST },
		.total = { .owner = owner, .pins = 1 },
	};
	r->revision = r->create;
	r->revision.fact.rev = (uint64_t)now;
	r->revision.fact.kind = FACT_REVISION;
	r->revision.fact.name = slice_str(p->name);
	w[0] = (struct store_write){ .table = TABLE_PINS_BY_CID, .row = &r->create };
	w[1] = (struct store_write){ .table = TABLE_PINS_BY_CID, .row = &r->revision };
	w[2] = (struct store_write){ .table = TABLE_PLACEMENTS_BY_CID,
				     .group = GROUP_DESIRED,
				     .row = &r->copy };
	w[3] = (struct store_write){ .table = TABLE_OWNER_PINS, .row = &r->listed };
	w[4] = (struct store_write){ .table = TABLE_TAGS_INDEX, .row = &r->named };
	w[5] = (struct store_write){ .table = TABLE_WAKE, .row = &r->wake };
	w[6] = (struct store_write){ .table = TABLE_OWNER_TOTALS,
				     .kind = WRITE_ADD,
				     .row = &r->total };
}

/* ---- writing ------------------------------------------------------------------------------ */

struct durable {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done;
};

static void on_durable(void *ctx, const struct err *err)
{
	struct durable *d = ctx;

	if (err)
		die(err->text);
	pthread_mutex_lock(&d->mutex);
	d->done = true;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->mutex);
}

static void *create_and_wait(void *ctx)
{
	struct bench *bench = ctx;
	struct store_backend *b = bench->b;
	struct store_write w[WRITES_A_PIN];
	struct pin_rows rows;
	struct err err;

	while (!atomic_load(&bench->stop)) {
		struct durable d = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
		struct pin pin = make_pin(atomic_fetch_add(&bench->next, 1));

		make_writes(&pin, &rows, w);
		if (!b->ops->write(b, w, WRITES_A_PIN, &err))
			die(err.text);
		b->ops->when_durable(b, b->ops->mark(b), on_durable, &d);
		pthread_mutex_lock(&d.mutex);
		while (!d.done)
			pthread_cond_wait(&d.changed, &d.mutex);
		pthread_mutex_unlock(&d.mutex);
	}
	return NULL;
}

static void bench_durable(struct bench *bench, unsigned threads, double baseline)
{
	struct store_counters before, after;
	pthread_t ids[THREADS];
	char metric[64];
	uint32_t first = atomic_load(&bench->next);
	double from = seconds(bench), cpu = cpu_us(), rate;

	bench->b->ops->counters(bench->b, &before);
	atomic_store(&bench->stop, false);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, create_and_wait, bench) != 0)
			die("no thread");
	sleep(DURABLE_S);
	atomic_store(&bench->stop, true);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	rate = (atomic_load(&bench->next) - first) / (seconds(bench) - from);
	bench->b->ops->counters(bench->b, &after);
	snprintf(metric, sizeof(metric), "durable creates, %u waiting threads", threads);
	report(metric, rate, "1/s", threads > 1 ? 10000 : baseline / 2, false);
	report("CPU of each", (cpu_us() - cpu) / (atomic_load(&bench->next) - first), "us", 0,
	       true);
	report("syncs meanwhile", (double)(after.syncs - before.syncs), "", 0, false);
}

static void fill(struct bench *bench)
{
	static struct pin pins[BATCH];
	static struct pin_rows rows[BATCH];
	static struct store_write w[BATCH * WRITES_A_PIN];
	uint32_t first = atomic_load(&bench->next), i = first;
	double from = seconds(bench);
	struct err err;

	while (i < bench->pins) {
		for (unsigned k = 0; k < BATCH; k++, i++) {
			pins[k] = make_pin(i);
			make_writes(&pins[k], &rows[k], &w[k * WRITES_A_PIN]);
		}
		if (!bench->b->ops->write(bench->b, w, BATCH * WRITES_A_PIN, &err))
			die(err.text);
	}
	atomic_store(&bench->next, i);
	if (i > first)
		report("creates in batches of 100, not synced",
		       (i - first) / (seconds(bench) - from), "1/s", 25000, false);
}

static double bench_baseline(struct bench *bench, const char *dir)
{
	char path[TEMP_DIR_MAX + 16], block[512] = { 0 };
	double from = seconds(bench), rate;
	unsigned n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s.append", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	for (; seconds(bench) - from < 3; n++)
		if (write(fd, block, sizeof(block)) < 0 || fdatasync(fd) < 0)
			die(path);
	rate = n / (seconds(bench) - from);
	close(fd);
	unlink(path);
	report("append of 512 bytes + fdatasync", rate, "1/s", 0, false);
	return rate;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool count_row(void *ctx, const void *row)
{
	(void)row;
	return ++*(uint64_t *)ctx < SCAN_ROWS;
}

static void query(struct bench *bench, enum table table, const void *equal, unsigned n,
		  uint64_t *rows)
{
	struct store_query q = { .table = table, .equal = equal, .n_equal = n };
	struct err err;

	if (!bench->b->ops->read(bench->b, &q, count_row, rows, &err))
		die(err.text);
}

static void bench_reads(struct bench *bench)
{
	static const struct {
		const char *metric;
		enum table table;
		unsigned n;
	} kinds[] = {
		{ "all facts of a CID", TABLE_PINS_BY_CID, 3 },
		{ "all copies of a CID", TABLE_PLACEMENTS_BY_CID, 2 },
		{ "a request by its id", TABLE_OWNER_PINS, 4 },
	};

	for (unsigned k = 0; k < 6; k++) { /* every kind twice: the first finds cold caches */
		double from = seconds(bench);
		char metric[64];
		uint64_t found = 0;

		for (uint32_t i = 0; i < READS; i++) {
			struct pin p = make_pin((uint32_t)(mix(i) % atomic_load(&bench->next)));
			struct store_write w[WRITES_A_PIN];
			struct pin_rows rows;

			make_writes(&p, &rows, w);
			query(bench, kinds[k % 3].table,
			      k % 3 == 0 ? w[0].row : (k % 3 == 1 ? w[2].row : w[3].row),
			      kinds[k % 3].n, &found);
		}
		if (found < READS)
			die("rows are missing");
		snprintf(metric, sizeof(metric), "%s%s", kinds[k % 3].metric,
			 k < 3 ? ", first time" : "");
		report(metric, (seconds(bench) - from) / READS * 1e6, "us", k < 3 ? 0 : 10, true);
	}
}

static void bench_scans(struct bench *bench)
{
	static const enum table tables[] = { TABLE_PINS_BY_CID, TABLE_OWNER_PINS };

	for (unsigned k = 0; k < 2; k++) {
		double from = seconds(bench);
		char metric[64];
		uint64_t rows = 0;

		query(bench, tables[k], NULL, 0, &rows);
		snprintf(metric, sizeof(metric), "rows of %s scanned",
			 table_schema(tables[k])->name);
		report(metric, (double)rows / (seconds(bench) - from), "1/s", 300000, false);
	}
}

static void report_memory(const char *metric, double goal)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		die("no statm");
	fclose(f);
	report(metric, (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20), "MiB", goal,
	       true);
}

/* How long a start takes that finds what a kill left behind. */
static void bench_start(const char *dir)
{
	struct store_rocksdb_options options = { .path = dir, .create = true };
	struct bench second = { .b = NULL };
	struct err err;
	double from;

	clock_init_system(&second.clock);
	from = seconds(&second);
	if (!store_rocksdb_open(&options, &second.b, &err))
		die(err.text);
	report("start", (seconds(&second) - from) * 1e3, "ms", 2000, true);
	report_memory("resident memory after the start", 0);
	second.b->ops->close(second.b);
}

static void run(const char *dir, uint32_t pins)
{
	struct store_rocksdb_options options = { .path = dir, .create = true };
	struct bench bench = { .pins = pins };
	struct err err;
	double baseline;

	clock_init_system(&bench.clock);
	if (!store_rocksdb_open(&options, &bench.b, &err))
		die(err.text);
	report_memory("resident memory, idle", 32);
	baseline = bench_baseline(&bench, dir);
	fill(&bench);
	bench_durable(&bench, 1, baseline);
	bench_durable(&bench, THREADS, baseline);
	report("pins in the store", atomic_load(&bench.next), "", 0, false);
	bench_reads(&bench);
	bench_scans(&bench);
	report_memory("resident memory, under load", 400);
	_exit(0); /* as a kill would: nothing is closed */
}

int main(int argc, char **argv)
{
	char dir[TEMP_DIR_MAX];
	int status;
	pid_t child;

	if (argc > 1)
		snprintf(dir, sizeof(dir), "%s", argv[1]);
	else
		temp_dir_make(dir);
	child = fork();
	if (child == 0)
		run(dir, argc > 2 ? (uint32_t)atol(argv[2]) : 100000);
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
		die("the first life failed");
	bench_start(dir);
	if (argc < 2)
		temp_dir_remove(dir);
	return 0;
}
