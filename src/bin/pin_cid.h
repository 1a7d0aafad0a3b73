/* pin_cid.h -- the CIDs of a made-up load: pin n of a seed always has the same one. */
#pragma once

#include <stdint.h>

#define PIN_CID_LEN  36
#define PIN_CID_TEXT 59 /* base32 of those, and the 'b' */

/* CIDv1, raw, SHA-256 of nothing in particular. */
void pin_cid(uint64_t seed, uint64_t pin, uint8_t out[PIN_CID_LEN]);
/* "b...", and a zero byte. */
void pin_cid_text(const uint8_t cid[PIN_CID_LEN], char out[PIN_CID_TEXT + 1]);
