/*
 * verdicts.c -- what our decoders make of many inputs, one a line.
 *
 *	verdicts cid|multiaddr
 *	in   "t <hex of a text>" or "b <hex of bytes>"
 *	out  "- <why>" or "+ <hex of the bytes> <hex of the canonical text>"
 */
#include <stdio.h>
#include <stdlib.h>

#include "model/cid.h"
#include "model/multiaddr.h"

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

int main(int argc, char **argv)
{
	bool multiaddr = argc == 2 && slice_eq_str(slice_str(argv[1]), "multiaddr");
	uint8_t input[8192];
	char *line = NULL;
	struct err err;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 2) {
		struct slice given = SLICE_OF(input, unhex(line + 2, input, sizeof(input)));

		if (!(multiaddr ? judge_multiaddr : judge_cid)(line[0], given, &err))
			printf("- %s\n", err.text);
	}
	free(line);
	return 0;
}
