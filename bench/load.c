/*
 * load -- a bounded load on a Pinfold server of this machine, and what came of it: bin/load.h
 * by command line.
 *
 *	load post --port N --keys FILE [--connections 64] [--seconds 20] [--count N] [--pid PID]
 *	load bulk --port N --keys FILE --count N [--connections 1] ...
 *	load get|cid --port N --keys FILE --ids FILE ...
 *	load list --port N --keys FILE [--path PATH] [--header "Name: value"]
 *	load drop --port N --keys FILE --ids FILE --count N ...
 *
 * FILE of --keys has one API key a line: the owners.  CIDs follow from --seed and a pin's
 * number alone, or --cids FILE has one a line.  --ids FILE holds the request id of each pin
 * (26 bytes each), written by post and bulk, read by get, cid and drop.
 *
 * Writes one JSON object to stdout: done, failed, seconds, rate, p50_us, p99_us, max_us,
 * first_byte_us, bytes, and with --pid the microseconds of CPU the server took.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attr.h"
#include "load_options.h"

#define OWNERS_MAX 1000
#define KEY_MAX    128

void die(const char *why)
{
	fprintf(stderr, "load: %s\n", why);
	exit(EXIT_FAILURE);
}

static enum load_mode mode_of(const char *name)
{
	for (int i = 0; i < LOAD_MODES; i++)
		if (strcmp(name, load_mode_name((enum load_mode)i)) == 0)
			return (enum load_mode)i;
	die("say what to do: post, bulk, get, cid, list or drop");
}

static size_t read_keys(const char *path, char keys[OWNERS_MAX][KEY_MAX],
			const char *out[OWNERS_MAX])
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (!f)
		die("cannot read the keys");
	while (n < OWNERS_MAX && fgets(keys[n], KEY_MAX, f)) {
		keys[n][strcspn(keys[n], "\r\n")] = '\0';
		out[n] = keys[n];
		n += *keys[n] != '\0';
	}
	fclose(f);
	if (n == 0)
		die("no keys");
	return n;
}

static void map_ids(const struct options *o, struct load_options *to)
{
	bool make = to->mode == LOAD_POST || to->mode == LOAD_BULK;
	int fd = open(o->ids, make ? O_RDWR | O_CREAT : O_RDWR, 0600);
	uint64_t want = o->count ? o->first + o->count : 1000 * 1000;
	off_t size;

	if (fd < 0)
		die("cannot open the ids");
	size = lseek(fd, 0, SEEK_END);
	if (make && size < (off_t)(want * LOAD_ID_LEN)) {
		size = (off_t)(want * LOAD_ID_LEN);
		if (ftruncate(fd, size) != 0)
			die("cannot grow the ids");
	}
	to->n_ids = (uint64_t)size / LOAD_ID_LEN;
	to->ids = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (to->ids == MAP_FAILED)
		die("cannot map the ids");
	close(fd);
}

/* User and system time of all threads of a process, in us; steps are 10 ms. */
static double process_cpu_us(uint64_t pid)
{
	char path[64], text[1024], *at;
	unsigned long user = 0, system = 0;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
	f = fopen(path, "r");
	if (!f)
		die("no such process");
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &system) != 2)
		die("/proc/PID/stat is not as expected");
	return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static void report(const struct load_result *r, double cpu)
{
	printf("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"rate\":%.1f,"
	       "\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64 ",\"max_us\":%" PRIu64
	       ",\"first_byte_us\":%" PRId64 ",\"bytes\":%" PRIu64 ",\"cpu_us\":%.0f}\n",
	       r->done, r->failed, r->seconds, r->seconds > 0 ? (double)r->done / r->seconds : 0,
	       histogram_us(&r->took, 0.5), histogram_us(&r->took, 0.99), histogram_us(&r->took, 1),
	       r->first_byte_us, r->bytes, cpu);
}

int main(int argc, char **argv)
{
	static char keys[OWNERS_MAX][KEY_MAX];
	const char *key_of[OWNERS_MAX];
	struct options o = options_read(argc, argv);
	struct load_options to = {
		.mode = mode_of(o.mode),
		.keys = key_of,
		.connections = o.connections,
		.seconds = o.seconds,
		.count = o.count,
		.first = o.first,
		.block = o.block,
		.seed = o.seed,
		.path = o.path,
		.more = "",
	};
	struct load_result result;
	char header[1024] = "", port[24];
	struct err err = { 0 };
	double cpu;

	to.n_keys = read_keys(o.keys, keys, key_of);
	if (*o.header)
		snprintf(header, sizeof(header), "%s\r\n", o.header);
	to.header = header;
	snprintf(port, sizeof(port), "%" PRIu64, o.port);
	if (o.ids)
		map_ids(&o, &to);
	if (o.cids && !(to.cids = fopen(o.cids, "r")))
		die("cannot read the CIDs");
	cpu = o.pid ? process_cpu_us(o.pid) : 0;
	if (!load_resolve("127.0.0.1", port, &to, &err) || !load_run(&to, &result, &err))
		die(err.text);
	if (result.failed > 0)
		fprintf(stderr, "load: the first refusal: %s\n", result.refusal);
	report(&result, o.pid ? process_cpu_us(o.pid) - cpu : 0);
	if (to.cids)
		fclose(to.cids);
	return EXIT_SUCCESS;
}
