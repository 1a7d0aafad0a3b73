/*
 * verdicts.c -- what our decoders make of many inputs, one a line.
 *
 *	verdicts cid|multiaddr|cluster_pin|peer_id|ulid|time|duration
 *	in   "t <hex of a text>" or "b <hex of bytes>"
 *	out  "- <why>" or "+ <hex of the bytes> <hex of the canonical text>"; of a pin the bytes are
 *	     those it is encoded to again, and the text is its fields; of a span of time the bytes
 *	     are its microseconds, big-endian, and so they are of a point in time, since 1970
 */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/cid.h"
#include "model/cluster_pin.h"
#include "model/duration.h"
#include "model/multiaddr.h"
#include "model/peer_id.h"
#include "model/time_text.h"
#include "model/ulid.h"

static size_t unhex(const char *digits, uint8_t *out, size_t cap)
{
	size_t n = 0;

	for (unsigned byte; n < cap && sscanf(digits + 2 * n, "%2x", &byte) == 1; n++)
		out[n] = (uint8_t)byte;
	return n;
}

static void print_hex(struct slice bytes)
{
	putchar(' ');
	for (size_t i = 0; i < bytes.len; i++)
		printf("%02x", bytes.ptr[i]);
}

static void accept(struct slice bytes, struct slice text)
{
	putchar('+');
	print_hex(bytes);
	print_hex(text);
	putchar('\n');
}

static bool judge_cid(char kind, struct slice input, struct err *err)
{
	char base = 'b', text[CID_TEXT_MAX];
	struct cid cid;

	if (!(kind == 'b' ? cid_decode(input, &cid, err) : cid_parse(input, &cid, &base, err)))
		return false;
	cid_text(&cid, base, text);
	accept(cid_slice(&cid), slice_str(text));
	return true;
}

static bool judge_multiaddr(char kind, struct slice input, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct multiaddr addr;

	if (!(kind == 'b' ? multiaddr_decode : multiaddr_parse)(input, &addr, err))
		return false;
	accept(multiaddr_slice(&addr), multiaddr_text(&addr, mem));
	return true;
}

static void add_hex(struct buf *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		buf_printf(out, "%02x", bytes.ptr[i]);
}

static void add_hex_list(struct buf *out, struct slice_list list)
{
	for (size_t i = 0; i < list.n; i++) {
		add_hex(out, list.at[i]);
		buf_add_byte(out, ',');
	}
}

static void add_pin(struct buf *out, const struct cluster_pin *p)
{
	add_hex(out, p->cid);
	buf_printf(out, " %d ", p->type);
	add_hex_list(out, p->allocations);
	buf_printf(out, " %d ", p->max_depth);
	add_hex(out, p->reference);
	buf_printf(out, " %d %d ", p->rf_min, p->rf_max);
	add_hex(out, p->name);
	buf_printf(out, " %" PRIu64 " ", p->shard_size);
	for (size_t i = 0; i < p->metadata.n; i++) {
		add_hex(out, p->metadata.at[i].key);
		buf_add_byte(out, ':');
		add_hex(out, p->metadata.at[i].value);
		buf_add_byte(out, ',');
	}
	buf_add_byte(out, ' ');
	add_hex(out, p->pin_update);
	buf_printf(out, " %" PRIu64 " ", p->expire_at);
	add_hex_list(out, p->origins);
	buf_printf(out, " %" PRIu64, p->timestamp);
}

static bool judge_cluster_pin(char kind UNUSED, struct slice input, struct err *err)
{
	CLEANUP(buf_free) struct buf bytes = { 0 }, text = { 0 };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cluster_pin pin;

	if (!cluster_pin_decode(input, mem, &pin, err))
		return false;
	cluster_pin_encode(&pin, &bytes);
	add_pin(&text, &pin);
	accept(buf_slice(&bytes), buf_slice(&text));
	return true;
}

static bool judge_peer_id(char kind, struct slice input, struct err *err)
{
	char text[PEER_ID_TEXT_MAX];
	struct peer_id id;

	if (!(kind == 'b' ? peer_id_decode : peer_id_parse)(input, &id, err))
		return false;
	peer_id_text(&id, text);
	accept(peer_id_slice(&id), slice_str(text));
	return true;
}

/* The text tells the time in it, too. */
static bool judge_ulid(char kind UNUSED, struct slice input, struct err *err)
{
	char text[ULID_TEXT_MAX + 24];
	struct ulid ulid;

	if (!ulid_parse(input, &ulid, err))
		return false;
	ulid_text(&ulid, text);
	snprintf(text + ULID_TEXT_LEN, 24, " %" PRId64, ulid_ms(&ulid));
	accept(SLICE_OF(ulid.bytes, sizeof(ulid.bytes)), slice_str(text));
	return true;
}

static void accept_us(int64_t us, const char *text)
{
	uint64_t bytes = htobe64((uint64_t)us);

	accept(SLICE_OF(&bytes, sizeof(bytes)), slice_str(text));
}

static bool judge_time(char kind UNUSED, struct slice input, struct err *err)
{
	char text[TIME_TEXT_MAX];
	int64_t us;

	if (!time_text_parse(input, &us, err))
		return false;
	time_text_us(us, text);
	accept_us(us, text);
	return true;
}

static bool judge_duration(char kind UNUSED, struct slice input, struct err *err)
{
	char text[DURATION_TEXT_MAX];
	int64_t us;

	if (!duration_parse(input, &us, err))
		return false;
	duration_text(us, text);
	accept_us(us, text);
	return true;
}

static const struct {
	const char *what;
	bool (*judge)(char kind, struct slice input, struct err *err);
} judges[] = {
	{ "cid", judge_cid },
	{ "multiaddr", judge_multiaddr },
	{ "cluster_pin", judge_cluster_pin },
	{ "peer_id", judge_peer_id },
	{ "ulid", judge_ulid },
	{ "time", judge_time },
	{ "duration", judge_duration },
};

int main(int argc, char **argv)
{
	size_t what = 0;
	uint8_t input[8192];
	char *line = NULL;
	struct err err;
	size_t cap = 0;

	while (argc != 2 || strcmp(argv[1], judges[what].what) != 0)
		if (++what == sizeof(judges) / sizeof(*judges))
			return 2;
	while (getline(&line, &cap, stdin) > 2) {
		struct slice given = SLICE_OF(input, unhex(line + 2, input, sizeof(input)));

		if (!judges[what].judge(line[0], given, &err))
			printf("- %s\n", err.text);
	}
	free(line);
	return 0;
}
