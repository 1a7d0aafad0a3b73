/* formats_doc.c -- prints the listing of tables in docs/formats.md from the schema. */
#include <stdio.h>

#include "store/schema.h"

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

int main(void)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_schema *schema = table_schema((enum table)t);

		printf("\n### %s\n\n| tag | column | kind |\n|---|---|---|\n", schema->name);
		for (unsigned i = 0; i < schema->n_columns; i++)
			print_column(schema, &schema->columns[i]);
	}
	return 0;
}
