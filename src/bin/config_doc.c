#include <string.h>

#include "bin/config.h"
#include "bin/option_value.h"

static const char intro[] =
	"# Configuration\n"
	"\n"
	"Printed from the program's own table by `pinfold config doc`; a test compares.\n"
	"\n"
	"Every option can be set in the configuration file, in the environment and by a flag of\n"
	"`pinfold up`. A flag wins over the environment, that over the file, that over the "
	"default.\n"
	"\n"
	"| where | how |\n"
	"|---|---|\n"
	"| file | `{ \"worker\": { \"stall_timeout\": \"2m\" } }` in `--config FILE`, else "
	"`PINFOLD_CONFIG`, else `config.json` in the data directory |\n"
	"| environment | `PINFOLD_WORKER_STALL_TIMEOUT=2m` |\n"
	"| flag | `--worker-stall-timeout 2m` |\n"
	"\n"
	"Sizes are written 1048576, 512KiB, 1.5GiB, 2GB; durations 500ms, 90s, 1h30m, 7d. In\n"
	"environment and flags the items of a list are separated by commas, and the flag of a "
	"list\n"
	"may be repeated. A secret is not taken from a flag; with `_file` (`_FILE`, `-file`) "
	"behind its\n"
	"name it is read from a file. Nothing shows it.\n"
	"\n"
	"`pinfold config check` reads all of it and names every mistake; `pinfold config show` "
	"prints\n"
	"each value and where it came from.\n";

static void put_group(struct buf *out, const char *name, size_t n)
{
	if (n == 0)
		buf_add_str(out, "\n## The program\n");
	else
		buf_printf(out, "\n## %.*s\n", (int)n, name);
	buf_add_str(out, "\n| option | default | allowed | what it does |\n|---|---|---|---|\n");
}

void config_doc(struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *group = "?";
	size_t n_group = SIZE_MAX;

	buf_add_str(out, intro);
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];
		size_t n = strchr(row->name, '.') ? strcspn(row->name, ".") : 0;

		if (n != n_group || strncmp(row->name, group, n) != 0)
			put_group(out, row->name, n);
		group = row->name;
		n_group = n;
		buf_printf(out, "| `%s`%s | %s%s%s | %s | %s |\n", row->name,
			   row->secret ? " (secret)" : "", *row->def ? "`" : "",
			   *row->def ? row->def : "none", *row->def ? "`" : "",
			   option_allowed(row, mem), row->help);
	}
}
