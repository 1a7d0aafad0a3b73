#include <string.h>

#include "base/metrics.h"
#include "bin/commands.h"

static enum exit_code print(const struct buf *out)
{
	fwrite(out->ptr, 1, out->len, stdout);
	return EXIT_DONE;
}

enum exit_code cmd_help(struct invocation *in)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const char *words = in->n_args ? in->args[0] : "";

	bool group = false;
	size_t n;

	if (in->n_args == 2)
		words = arena_printf(in->mem, "%s %s", in->args[0], in->args[1]);
	n = strlen(words);
	for (size_t i = 0; i < n_commands; i++) {
		if (!strcmp(commands[i].words, words)) {
			help_command(&out, &commands[i]);
			return print(&out);
		}
		group = group ||
			(!strncmp(commands[i].words, words, n) && commands[i].words[n] == ' ');
	}
	if (*words && !group)
		return unknown_command(in->mem, words);
	help_overview(&out, words);
	return print(&out);
}

enum exit_code cmd_version(struct invocation *in)
{
	printf(is_given(in, "json") ? "{\"version\":\"%s\"}\n" : "pinfold %s\n", PINFOLD_VERSION);
	return EXIT_DONE;
}

enum exit_code cmd_completion(struct invocation *in)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	if (!help_completion(&out, in->args[0]))
		return usage_error(in, "completion is for bash, zsh or fish, not for \"%s\"",
				   in->args[0]);
	return print(&out);
}

enum exit_code cmd_doc(struct invocation *in)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	if (!strcmp(in->args[0], "man"))
		help_man(&out);
	else if (!strcmp(in->args[0], "metrics"))
		metrics_doc(&out);
	else if (!strcmp(in->args[0], "config"))
		config_doc(&out);
	else
		return usage_error(in, "there is man, metrics and config, not \"%s\"", in->args[0]);
	return print(&out);
}
