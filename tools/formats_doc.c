/*
 * formats_doc.c -- what docs/formats.md is checked against.
 *
 *	formats_doc        the listing of tables, from the schema
 *	formats_doc row    key and value of the row that the page takes apart, in hex, a line each
 */
#include <stdio.h>
#include <string.h>

#include "store/kv/format.h"

static void print_column(const struct table_schema *schema, const struct column *c)
{
	if (c->role != ROLE_VALUE)
		printf("| key%s | %s | %s |\n", column_descends(c) ? " desc" : "", c->name,
		       column_kind_name(c->kind));
	else if (schema->n_groups > 1)
		printf("| %u, group %u | %s | %s |\n", c->tag, c->group, c->name,
		       column_kind_name(c->kind));
	else
		printf("| %u | %s | %s |\n", c->tag, c->name, column_kind_name(c->kind));
}

static void print_tables(void)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_schema *schema = table_schema((enum table)t);

		printf("\n### %s\n\n| tag | column | kind |\n|---|---|---|\n", schema->name);
		for (unsigned i = 0; i < schema->n_columns; i++)
			print_column(schema, &schema->columns[i]);
	}
}

static void print_hex(struct buf *bytes)
{
	for (size_t i = 0; i < bytes->len; i++)
		printf("%02x", bytes->ptr[i]);
	putchar('\n');
	buf_free(bytes);
}

/* A value of each kind: a ULID, numbers of all sizes and signs, texts, a list, a map. */
static void print_row(void)
{
	static const uint8_t cid[] = { 0x01, 0x55, 0x12, 0x04, 0xca, 0xfe, 0x00, 0x01 };
	struct slice tags[] = { SLICE_LIT("a"), SLICE_LIT("bc") };
	struct pair meta[] = { { SLICE_LIT("k"), SLICE_LIT("v1") } };
	const struct owner_pin row = {
		.owner = SLICE_LIT("al"),
		.period = 20780,
		.request_id = { { 0x01, 0xa2, 0x05, 0xb3, 0xd0, 0x00, 0x00, 0x40, 0x00, 0x01, 0x02,
				  0x03, 0x04, 0x05, 0x06, 0x07 } },
		.cid = SLICE_OF(cid, sizeof(cid)),
		.cid_base = 'b',
		.mode = PIN_RECURSIVE,
		.status = STATUS_PINNED,
		.created_at = INT64_C(1795392000000001),
		.rev = UINT64_C(1795392000000000),
		.name = SLICE_LIT("site"),
		.meta = { meta, 1 },
		.tags = { tags, 2 },
		.rf_min = REPLICAS_EVERYWHERE,
		.rf_max = REPLICAS_EVERYWHERE,
		.priority = 5,
		.size = 262144,
		.copies = 3,
		.changed_at = INT64_C(1795392060000000),
	};
	struct buf key = { 0 }, value = { 0 };

	format_key(TABLE_OWNER_PINS, &row, 0, &key);
	format_value(TABLE_OWNER_PINS, &row, 0, &value);
	print_hex(&key);
	print_hex(&value);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "row") == 0)
		print_row();
	else
		print_tables();
	return 0;
}
