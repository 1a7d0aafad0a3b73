/*
 * siphash.h -- SipHash-2-4: short inputs to 64 bits that nobody without the key can predict.
 *
 * Own code, because OpenSSL's EVP_MAC takes ten times as long for the 34 bytes of a
 * multihash.  Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", with the
 * test vectors of its appendix.  Pure.
 */
#pragma once

#include "base/slice.h"

#define SIPHASH_KEY_LEN 16

/* The hash of `bytes` as one number. */
uint64_t siphash24(const uint8_t key[SIPHASH_KEY_LEN], struct slice bytes);
