/* random_row_test.h -- rows of any table with random columns, for property tests. */
#pragma once

#include "base/rand.h"
#include "store/kv/format.h"

/* Short, of few different bytes, so that prefixes and equal ones are common. */
static inline struct slice random_bytes(struct rand *rand, struct arena *mem)
{
	static const uint8_t alphabet[] = { 0x00, 0x01, 0x02, 'a', 'b', 0xfe, 0xff };
	size_t n = rand_below(rand, 5);
	uint8_t *p = arena_alloc(mem, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = alphabet[rand_below(rand, sizeof(alphabet))];
	return SLICE_OF(p, n);
}

static inline uint64_t random_number(struct rand *rand)
{
	uint64_t x = rand_u64(rand) >> rand_below(rand, 64);

	switch (rand_below(rand, 4)) {
	case 0:
		return 0;
	case 1:
		return ~x;
	default:
		return x;
	}
}

static inline struct slice_list random_list(struct rand *rand, struct arena *mem)
{
	struct slice_list list = { .n = rand_below(rand, 4) };

	list.at = arena_new_array(mem, struct slice, list.n);
	for (size_t i = 0; i < list.n; i++)
		list.at[i] = random_bytes(rand, mem);
	return list;
}

static inline struct pair_list random_map(struct rand *rand, struct arena *mem)
{
	size_t n = rand_below(rand, 4);
	struct pair_list map = { .at = arena_new_array(mem, struct pair, n) };

	for (size_t i = 0; i < n; i++) {
		struct pair p = { random_bytes(rand, mem), random_bytes(rand, mem) };

		if (map.n == 0 || slice_cmp(map.at[map.n - 1].key, p.key) < 0)
			map.at[map.n++] = p;
	}
	return map;
}

static inline void random_column(const struct column *c, struct rand *rand, struct arena *mem,
				 uint8_t *at)
{
	uint64_t number = random_number(rand);
	struct ulid ulid = { { 0 } };
	bool flag = number & 1;

	switch (c->kind) {
	case COLUMN_BOOL:
		memcpy(at, &flag, sizeof(flag));
		break;
	case COLUMN_U8:
		*at = (uint8_t)(c->max ? number % (c->max + 1u) : number);
		break;
	case COLUMN_U16:
		memcpy(at, &(uint16_t){ (uint16_t)number }, 2);
		break;
	case COLUMN_U32:
	case COLUMN_I32:
		memcpy(at, &(uint32_t){ (uint32_t)number }, 4);
		break;
	case COLUMN_U64:
	case COLUMN_I64:
		memcpy(at, &number, 8);
		break;
	case COLUMN_ULID:
		if (number != 0)
			rand_fill(rand, &ulid.bytes[14], 2);
		memcpy(at, &ulid, sizeof(ulid));
		break;
	case COLUMN_BYTES:
	case COLUMN_TEXT:
		*(struct slice *)(void *)at = random_bytes(rand, mem);
		break;
	case COLUMN_LIST:
		*(struct slice_list *)(void *)at = random_list(rand, mem);
		break;
	case COLUMN_MAP:
		*(struct pair_list *)(void *)at = random_map(rand, mem);
		break;
	}
}

/* Lies in `mem`, bytes included. */
static inline void *random_row(enum table table, struct rand *rand, struct arena *mem)
{
	const struct table_schema *schema = table_schema(table);
	uint8_t *row = arena_alloc(mem, schema->row_size);

	for (unsigned i = 0; i < schema->n_columns; i++)
		random_column(&schema->columns[i], rand, mem, row + schema->columns[i].offset);
	return row;
}
