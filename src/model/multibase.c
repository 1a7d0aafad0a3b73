#include "model/multibase.h"

#include <assert.h>

#include "model/excerpt.h"

struct radix {
	char base;
	const char *name;
	unsigned bits; /* per digit; 0: the bytes are one big number */
	const char *digits;
};

static const struct radix radices[] = {
	{ 'b', "base32", 5, "abcdefghijklmnopqrstuvwxyz234567" },
	{ 'z', "base58btc", 0, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz" },
	{ 'k', "base36", 0, "0123456789abcdefghijklmnopqrstuvwxyz" },
	{ 'f', "base16", 4, "0123456789abcdef" },
	{ 'B', "base32upper", 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" },
	{ 'K', "base36upper", 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
	{ 'F', "base16upper", 4, "0123456789ABCDEF" },
	{ 'v', "base32hex", 5, "0123456789abcdefghijklmnopqrstuv" },
	{ 'V', "base32hexupper", 5, "0123456789ABCDEFGHIJKLMNOPQRSTUV" },
	{ 'm', "base64", 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" },
	{ 'u', "base64url", 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" },
};

static const struct radix *radix_find(char base)
{
	for (size_t i = 0; i < sizeof(radices) / sizeof(radices[0]); i++)
		if (radices[i].base == base)
			return &radices[i];
	return NULL;
}

bool multibase_known(char base)
{
	return radix_find(base) != NULL;
}

/* The value of each byte as a digit; 0xff: it is none. */
struct digit_values {
	uint8_t of[256];
};

static void digit_values_fill(struct digit_values *values, const struct radix *radix)
{
	memset(values->of, 0xff, sizeof(values->of));
	for (size_t i = 0; radix->digits[i]; i++)
		values->of[(uint8_t)radix->digits[i]] = (uint8_t)i;
}

static bool bits_decode(const struct radix *radix, struct slice values, uint8_t *out, size_t *len,
			struct err *err)
{
	uint32_t acc = 0;
	unsigned held = 0;
	size_t n = 0;

	if (values.len * radix->bits / 8 > MULTIBASE_BYTES_MAX)
		return err_set(err, ERR_INVALID, "%s text stands for more than %d bytes",
			       radix->name, MULTIBASE_BYTES_MAX);
	for (size_t i = 0; i < values.len; i++) {
		acc = acc << radix->bits | values.ptr[i];
		held += radix->bits;
		if (held >= 8) {
			held -= 8;
			out[n++] = (uint8_t)(acc >> held);
		}
	}
	if (held >= radix->bits)
		return err_set(err, ERR_INVALID,
			       "%s text cannot have %zu digits: it was cut, or something was added",
			       radix->name, values.len);
	if (acc & ((1U << held) - 1))
		return err_set(err, ERR_INVALID, "the last %s digit has bits that say nothing",
			       radix->name);
	*len = n;
	return true;
}

static size_t bits_encode(const struct radix *radix, struct slice bytes, char *out)
{
	uint32_t acc = 0, mask = (1U << radix->bits) - 1;
	unsigned held = 0;
	size_t n = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		acc = acc << 8 | bytes.ptr[i];
		for (held += 8; held >= radix->bits; held -= radix->bits)
			out[n++] = radix->digits[acc >> (held - radix->bits) & mask];
	}
	if (held > 0)
		out[n++] = radix->digits[acc << (radix->bits - held) & mask];
	return n;
}

/* Big numbers: limbs of 32 bits, the lowest first; GROUP digits are moved at a
 * time, because 58^GROUP is the largest power that fits a limb. */
#define GROUP 5
#define LIMBS (MULTIBASE_BYTES_MAX / 4)

struct number {
	size_t n;
	uint32_t limb[LIMBS];
};

static bool number_multiply_add(struct number *x, uint32_t factor, uint32_t addend)
{
	uint64_t carry = addend;

	for (size_t i = 0; i < x->n; i++) {
		carry += (uint64_t)x->limb[i] * factor;
		x->limb[i] = (uint32_t)carry;
		carry >>= 32;
	}
	if (carry == 0)
		return true;
	if (x->n == LIMBS)
		return false;
	x->limb[x->n++] = (uint32_t)carry;
	return true;
}

/* Divides *x and returns the rest. */
static uint32_t number_divide(struct number *x, uint32_t divisor)
{
	uint64_t rest = 0;

	for (size_t i = x->n; i-- > 0;) {
		rest = rest << 32 | x->limb[i];
		x->limb[i] = (uint32_t)(rest / divisor);
		rest %= divisor;
	}
	while (x->n > 0 && x->limb[x->n - 1] == 0)
		x->n--;
	return (uint32_t)rest;
}

static size_t number_bytes(const struct number *x)
{
	size_t n = x->n * 4;

	while (n > 0 && (uint8_t)(x->limb[(n - 1) / 4] >> ((n - 1) % 4 * 8)) == 0)
		n--;
	return n;
}

static bool number_decode(const struct radix *radix, struct slice values, uint8_t *out, size_t *len,
			  struct err *err)
{
	uint32_t size = (uint32_t)strlen(radix->digits);
	struct number x = { 0 };
	size_t zeros = 0, n;
	bool fits = true;

	while (zeros < values.len && values.ptr[zeros] == 0)
		zeros++;
	for (size_t i = zeros; i < values.len && fits;) {
		uint32_t factor = 1, addend = 0;

		for (int k = 0; k < GROUP && i < values.len; k++, i++) {
			factor *= size;
			addend = addend * size + values.ptr[i];
		}
		fits = number_multiply_add(&x, factor, addend);
	}
	n = number_bytes(&x);
	if (!fits || zeros + n > MULTIBASE_BYTES_MAX)
		return err_set(err, ERR_INVALID, "%s text stands for more than %d bytes",
			       radix->name, MULTIBASE_BYTES_MAX);
	memset(out, 0, zeros);
	for (size_t i = 0; i < n; i++)
		out[zeros + n - 1 - i] = (uint8_t)(x.limb[i / 4] >> (i % 4 * 8));
	*len = zeros + n;
	return true;
}

static size_t number_encode(const struct radix *radix, struct slice bytes, char *out)
{
	uint32_t size = (uint32_t)strlen(radix->digits), group_size = 1;
	char reversed[MULTIBASE_DIGITS_MAX];
	struct number x = { 0 };
	size_t zeros = 0, n = 0;

	while (zeros < bytes.len && bytes.ptr[zeros] == 0)
		zeros++;
	x.n = (bytes.len - zeros + 3) / 4;
	for (size_t i = 0; i < bytes.len - zeros; i++)
		x.limb[i / 4] |= (uint32_t)bytes.ptr[bytes.len - 1 - i] << (i % 4 * 8);
	for (int k = 0; k < GROUP; k++)
		group_size *= size;
	while (x.n > 0) {
		uint32_t group = number_divide(&x, group_size);

		for (int k = 0; k < GROUP && (x.n > 0 || group > 0); k++, group /= size)
			reversed[n++] = radix->digits[group % size];
	}
	memset(out, radix->digits[0], zeros);
	for (size_t i = 0; i < n; i++)
		out[zeros + i] = reversed[n - 1 - i];
	return zeros + n;
}

bool multibase_decode_digits(char base, struct slice digits, uint8_t out[MULTIBASE_BYTES_MAX],
			     size_t *len, struct err *err)
{
	const struct radix *radix = radix_find(base);
	uint8_t values[MULTIBASE_DIGITS_MAX];
	struct digit_values value;

	if (!radix)
		return err_set(err, ERR_INVALID,
			       "multibase \"%s\" is not one of b B z k K f F v V m u",
			       excerpt(SLICE_OF(&base, 1)).text);
	if (digits.len > MULTIBASE_DIGITS_MAX)
		return err_set(err, ERR_INVALID, "%zu characters; at most %d can be decoded",
			       digits.len, MULTIBASE_DIGITS_MAX);
	digit_values_fill(&value, radix);
	for (size_t i = 0; i < digits.len; i++) {
		values[i] = value.of[digits.ptr[i]];
		if (values[i] == 0xff)
			return err_set(err, ERR_INVALID, "\"%s\" is not a %s digit",
				       excerpt(SLICE_OF(digits.ptr + i, 1)).text, radix->name);
	}
	if (radix->bits > 0)
		return bits_decode(radix, SLICE_OF(values, digits.len), out, len, err);
	return number_decode(radix, SLICE_OF(values, digits.len), out, len, err);
}

size_t multibase_encode_digits(char base, struct slice bytes, char out[MULTIBASE_DIGITS_MAX + 1])
{
	const struct radix *radix = radix_find(base);
	size_t n;

	assert(radix && bytes.len <= MULTIBASE_BYTES_MAX);
	n = radix->bits > 0 ? bits_encode(radix, bytes, out) : number_encode(radix, bytes, out);
	out[n] = '\0';
	return n;
}

bool multibase_decode(struct slice text, uint8_t out[MULTIBASE_BYTES_MAX], size_t *len,
		      struct err *err)
{
	if (text.len == 0)
		return err_set(err, ERR_INVALID, "empty");
	return multibase_decode_digits((char)text.ptr[0], SLICE_OF(text.ptr + 1, text.len - 1), out,
				       len, err);
}

size_t multibase_encode(char base, struct slice bytes, char out[MULTIBASE_TEXT_MAX])
{
	out[0] = base;
	return 1 + multibase_encode_digits(base, bytes, out + 1);
}
