/*
 * fuzz_target.h -- what every fuzz target is made of.
 *
 * A target defines LLVMFuzzerTestOneInput(), gives the bytes to a decoder, and
 * asserts what must hold for whatever was accepted: at least that encoding it
 * and decoding that again gives the same.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
