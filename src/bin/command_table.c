#include "bin/commands.h"

const struct command commands[] = {
	{ "config check", "", "Read the whole configuration and name every mistake.", NULL,
	  cmd_config_check, .takes = TAKES_CONFIG },
	{ "config show", "", "Print every option, its value and where it came from.",
	  "Secrets are not shown.", cmd_config_show, .takes = TAKES_CONFIG | TAKES_JSON },
	{ "config doc", "", "Print the description of every option.", NULL, cmd_config_doc },

	{ "completion", "SHELL", "Print the completion script for bash, zsh or fish.", NULL,
	  cmd_completion, .min_args = 1, .max_args = 1 },
	{ "doc", "man|metrics|config", "Print the manual page or a list as docs/ holds it.", NULL,
	  cmd_doc, .min_args = 1, .max_args = 1 },
	{ "help", "[COMMAND]", "Print what a command does and takes.", NULL, cmd_help,
	  .max_args = 2 },
	{ "version", "", "Print the version.", NULL, cmd_version, .takes = TAKES_JSON },
};
const size_t n_commands = ARRAY_LEN(commands);
