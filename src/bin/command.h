/*
 * command.h -- the commands of the program, as a table.
 *
 * command_table.c has a row for each: its words, arguments, options, help and function.
 * `pinfold help`, `--help`, man/pinfold.1 and the shell completions are printed from it.
 *
 * A command gets its options parsed and its arguments counted; it prints results on
 * stdout, everything else on stderr, and returns one of the exit codes.
 */
#pragma once

#include <stdio.h>

#include "bin/config.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* it was tried and did not work; stderr says why */
	EXIT_USAGE = 2,       /* the command line or the configuration is wrong */
	EXIT_UNREACHABLE = 3, /* no server answered */
};

/* Words in lower case with | between are all that may be given: shells complete them. */
struct command_option {
	const char *name; /* without -- */
	const char *arg;  /* NULL: takes none */
	const char *help;
};

enum command_takes {                        /* options of several commands, bits */
		     TAKES_CLIENT = 1 << 0, /* server, key, owner, data, config */
		     TAKES_JSON = 1 << 1,
		     TAKES_CONFIG = 1 << 2, /* every option of the configuration, and config */
};

struct invocation;

#define OPTIONS_MAX 16

struct command {
	const char *words; /* "pin add" */
	const char *args;  /* as shown: "CID...", "bash|zsh|fish" */
	const char *help;  /* one line */
	const char *more;  /* a paragraph, or NULL */
	enum exit_code (*run)(struct invocation *in);
	unsigned min_args, max_args;
	unsigned takes;                             /* enum command_takes */
	struct command_option options[OPTIONS_MAX]; /* ends with name NULL */
};

extern const struct command commands[];
extern const size_t n_commands;

struct given_option {
	const char *name, *value; /* value NULL: takes none */
};

struct invocation { /* one run; lives in `mem` */
	struct arena *mem;
	const struct command *command;
	const char *const *args;
	size_t n_args;
	const struct given_option *given; /* of the command's own and shared options */
	size_t n_given;
	const struct config_flag *flags; /* of the configuration's options */
	size_t n_flags;
	const char *const *env;
};

/* The value of an option, the last one if repeated; NULL if it was not given. */
const char *given(const struct invocation *in, const char *name);
bool is_given(const struct invocation *in, const char *name);

/* Every value of an option that may be repeated; items separated by commas count singly. */
struct texts given_all(const struct invocation *in, const char *name);

/* Parses the command line and runs what it says. */
enum exit_code command_main(int argc, char **argv, const char *const *env);

/* Says on stderr what is wrong with the command line and where help is; EXIT_USAGE. */
enum exit_code usage_error(const struct invocation *in, const char *fmt, ...) PRINTF(2, 3);

/* Says on stderr that there is no command of these words, and which one comes near;
 * EXIT_USAGE. */
enum exit_code unknown_command(struct arena *mem, const char *words);

/* Says on stderr what failed; EXIT_FAILED, or EXIT_USAGE if it was ERR_INVALID and `usage`. */
enum exit_code failed(const struct err *err);

/* The options of commands[i] and those it shares, one after the other; NULL behind the last.
 * Options of the configuration are not among them. */
const struct command_option *command_option_at(const struct command *command, size_t i);

/* Appends the help of all commands, of those that begin with `words`, or of one. */
void help_overview(struct buf *out, const char *words);
void help_command(struct buf *out, const struct command *command);

/* Appends man/pinfold.1 in roff. */
void help_man(struct buf *out);

/* Appends a completion script for "bash", "zsh" or "fish"; false: no such shell. */
bool help_completion(struct buf *out, const char *shell);

/* The configuration as this invocation sees it: file, environment, flags. */
bool command_config(const struct invocation *in, struct buf *problems, struct config_result *out,
		    struct err *err) MUST_CHECK;
