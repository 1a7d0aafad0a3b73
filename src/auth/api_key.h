/*
 * api_key.h -- API keys as text, and what is kept of them.
 *
 *	pinfold_live_0123456789ab_<43 characters of secret>_<6 of checksum>
 *
 * The prefix lets scanners of leaked secrets find keys, the id (12 base62 characters,
 * public) is what the store looks up, the secret has 256 bits, and the checksum (CRC-32 of
 * everything before it, in base62) tells a mistyped key without asking the store.
 *
 * Kept is HMAC-SHA256(pepper, secret) and never the secret.  With 256 random bits
 * there is nothing to guess, so no slow hash is needed.  The pepper is the store's own: a
 * hash says nothing about the same secret elsewhere.  It is kept in the same store (table
 * settings), so who has a copy of the whole store has both.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"
#include "base/slice.h"

#define API_KEY_ID_LEN     12
#define API_KEY_SECRET_LEN 43
#define API_KEY_HASH_LEN   32
#define API_KEY_PEPPER_LEN 32
#define API_KEY_TEXT_LEN   76 /* of a live key */
#define API_KEY_TEXT_MAX   (API_KEY_TEXT_LEN + 1)

enum key_scope { /* bits; the numbers are kept on disk */
		 SCOPE_READ = 1,
		 SCOPE_WRITE = 2,
		 SCOPE_ADMIN = 4,
		 SCOPE_METRICS = 8,
};

/* May a key with `scopes` do what takes `wanted`?  Write includes read, admin all.  Metrics are of
 * the whole service and of no owner, so nothing of a tenant's includes them. */
bool key_scope_allows(unsigned scopes, enum key_scope wanted);

/* "read", "write", "admin", "metrics": the most that `scopes` has; static storage. */
const char *key_scope_name(unsigned scopes);
bool key_scope_parse(struct slice text, enum key_scope *out);

struct api_key_text {
	char text[API_KEY_TEXT_MAX]; /* the whole key */
	struct slice id, secret;     /* point into it, or into what was parsed */
};

/* A new random key; `id` NULL makes a new id too, else it gets a new secret. */
void api_key_make(struct rand *rand, const struct slice *id, struct api_key_text *out);

/* Splits `text` and checks its form and checksum; *id and *secret point into it. */
bool api_key_parse(struct slice text, struct slice *id, struct slice *secret);

/* HMAC-SHA256(pepper, secret). */
void api_key_hash(const uint8_t pepper[API_KEY_PEPPER_LEN], struct slice secret,
		  uint8_t out[API_KEY_HASH_LEN]);

/* Takes as long wherever the bytes differ. */
bool api_key_hash_eq(const uint8_t a[API_KEY_HASH_LEN], const uint8_t b[API_KEY_HASH_LEN]);
