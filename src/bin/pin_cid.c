#include "bin/pin_cid.h"

#include <assert.h>
#include <string.h>

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void pin_cid(uint64_t seed, uint64_t pin, uint8_t out[PIN_CID_LEN])
{
	memcpy(out, (uint8_t[]){ 0x01, 0x55, 0x12, 0x20 }, 4);
	for (unsigned k = 0; k < 4; k++) {
		uint64_t word = mix(mix(seed) + UINT64_C(0x9e3779b97f4a7c15) * (4 * pin + k));

		memcpy(out + 4 + 8 * k, &word, 8);
	}
}

void pin_cid_text(const uint8_t cid[PIN_CID_LEN], char out[PIN_CID_TEXT + 1])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned bits = 0, have = 0, n = 0;

	out[n++] = 'b';
	for (unsigned i = 0; i < PIN_CID_LEN; i++) {
		bits = bits << 8 | cid[i];
		for (have += 8; have >= 5; have -= 5)
			out[n++] = digits[bits >> (have - 5) & 31];
	}
	out[n++] = digits[bits << (5 - have) & 31];
	out[n] = '\0';
	assert(n == PIN_CID_TEXT);
}
