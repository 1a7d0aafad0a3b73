/*
 * cid_verdicts.c -- what model/cid.h makes of many inputs, one a line.
 *
 *	in   "t <hex of a text>" or "b <hex of bytes>"
 *	out  "- <why>" or "+ <hex of the bytes> <hex of the text in the same base>"
 */
#include <stdio.h>
#include <stdlib.h>

#include "model/cid.h"

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

static void judge(char kind, struct slice input)
{
	char base = 'b', text[CID_TEXT_MAX];
	struct cid cid;
	struct err err;

	if (!(kind == 'b' ? cid_decode(input, &cid, &err) : cid_parse(input, &cid, &base, &err))) {
		printf("- %s\n", err.text);
		return;
	}
	cid_text(&cid, base, text);
	putchar('+');
	print_hex(cid_slice(&cid));
	print_hex(slice_str(text));
	putchar('\n');
}

int main(void)
{
	uint8_t input[4096];
	char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 2)
		judge(line[0], SLICE_OF(input, unhex(line + 2, input, sizeof(input))));
	free(line);
	return 0;
}
