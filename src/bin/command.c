#include "bin/command.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "bin/nearest.h"

static const struct command_option client_options[] = {
	{ "server", "URL", "The server; else PINFOLD_SERVER, else the one of the data directory." },
	{ "key", "KEY",
	  "API key; else PINFOLD_KEY, else DIR/admin.key, for the server of DIR alone." },
	{ "key-file", "FILE", "The same, from the first line of a file." },
	{ "owner", "NAME", "Act for this owner, with the admin key." },
	{ "ca", "FILE", "Certificates to trust, PEM; else PINFOLD_CA, else the system's." },
	{ "request-timeout", "DURATION", "A call fails if it takes longer; 60s. 0s: never." },
	{ "data", "DIR", "The data directory of a server on this machine." },
	{ "config", "FILE", "The configuration file." },
};
static const struct command_option json_options[] = {
	{ "json", NULL, "Print JSON, one document a line, for programs." },
};
static const struct command_option config_options[] = {
	{ "config", "FILE", "The configuration file; else PINFOLD_CONFIG, else DIR/config.json." },
};

static const struct {
	enum command_takes bit;
	const struct command_option *options;
	size_t n;
} shared[] = {
	{ TAKES_JSON, json_options, ARRAY_LEN(json_options) },
	{ TAKES_CLIENT, client_options, ARRAY_LEN(client_options) },
	{ TAKES_CONFIG, config_options, ARRAY_LEN(config_options) },
};

const struct command_option *command_option_at(const struct command *command, size_t i)
{
	size_t own = 0;

	while (own < OPTIONS_MAX && command->options[own].name)
		own++;
	if (i < own)
		return &command->options[i];
	i -= own;
	for (size_t s = 0; s < ARRAY_LEN(shared); s++) {
		if (!(command->takes & shared[s].bit))
			continue;
		if (i < shared[s].n)
			return &shared[s].options[i];
		i -= shared[s].n;
	}
	return NULL;
}

const char *given(const struct invocation *in, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < in->n_given; i++)
		if (!strcmp(in->given[i].name, name))
			value = in->given[i].value;
	return value;
}

bool is_given(const struct invocation *in, const char *name)
{
	for (size_t i = 0; i < in->n_given; i++)
		if (!strcmp(in->given[i].name, name))
			return true;
	return false;
}

struct texts given_all(const struct invocation *in, const char *name)
{
	const char **items;
	size_t max = 0;
	struct texts out = { 0 };

	for (size_t i = 0; i < in->n_given; i++)
		for (const char *p = in->given[i].value; p; max++)
			p = (p = strchr(p, ',')) ? p + 1 : NULL;
	items = arena_new_array(in->mem, const char *, max + 1);
	for (size_t i = 0; i < in->n_given; i++) {
		const char *p = in->given[i].value;

		if (strcmp(in->given[i].name, name) != 0)
			continue;
		for (; *p; p += strcspn(p, ","), p += *p == ',') {
			size_t n = strcspn(p, ",");

			if (n)
				items[out.n++] =
					(const char *)arena_copy(in->mem, SLICE_OF(p, n)).ptr;
		}
	}
	out.items = items;
	return out;
}

enum exit_code usage_error(const struct invocation *in, const char *fmt, ...)
{
	va_list ap;

	fputs("pinfold: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (in->command)
		fprintf(stderr, "\nTry: pinfold %s --help\n", in->command->words);
	else
		fputs("\nTry: pinfold help\n", stderr);
	return EXIT_USAGE;
}

enum exit_code failed(const struct err *err)
{
	fprintf(stderr, "pinfold: %s\n", err->text);
	return err->code == ERR_UNAVAILABLE ? EXIT_UNREACHABLE : EXIT_FAILED;
}

bool command_config(const struct invocation *in, struct buf *problems, struct config_result *out,
		    struct err *err)
{
	struct config_flag *flags = arena_new_array(in->mem, struct config_flag, in->n_flags + 1);
	struct config_input input = { .file = given(in, "config"), .env = in->env, .flags = flags };

	memcpy(flags, in->flags, in->n_flags * sizeof(*flags));
	input.n_flags = in->n_flags;
	if ((in->command->takes & TAKES_CLIENT) && given(in, "data"))
		flags[input.n_flags++] =
			(struct config_flag){ .row = &option_rows[0], .value = given(in, "data") };
	*out = (struct config_result){ .problems = problems };
	return config_load(&input, in->mem, out, err);
}

/* ---- which command ------------------------------------------------------------------- */

/* Does `words` begin with the first `n` of argv?  Sets *whole if that is all of it. */
static bool begins(const char *words, char **argv, size_t n, bool *whole)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(argv[i]);

		if (i > 0 && *words++ != ' ')
			return false;
		if (strncmp(words, argv[i], len) != 0 || (words[len] && words[len] != ' '))
			return false;
		words += len;
	}
	*whole = !*words;
	return true;
}

/* Takes the words of a command off the front; NULL: *prefix words are the start of some. */
static const struct command *find_command(int argc, char **argv, int *used, int *prefix)
{
	*prefix = 0;
	for (int n = argc < 2 ? argc : 2; n > 0; n--) {
		for (size_t i = 0; i < n_commands; i++) {
			bool whole;

			if (!begins(commands[i].words, argv, (size_t)n, &whole))
				continue;
			if (whole) {
				*used = n;
				return &commands[i];
			}
			*prefix = n > *prefix ? n : *prefix;
		}
	}
	return NULL;
}

enum exit_code unknown_command(struct arena *mem, const char *words)
{
	const char **names = arena_new_array(mem, const char *, n_commands);
	size_t first = strcspn(words, " ");
	const char *near;
	bool group = false;

	for (size_t i = 0; i < n_commands; i++) {
		names[i] = commands[i].words;
		group = group || (words[first] && !strncmp(names[i], words, first + 1));
	}
	near = nearest(words, names, n_commands);
	if (*words == '-')
		fprintf(stderr, "pinfold: options stand behind the command, not before it\n");
	else
		fprintf(stderr, "pinfold: there is no command \"%s\"%s%s%s\n", words,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	fprintf(stderr, group ? "Try: pinfold %.*s --help\n" : "Try: pinfold help\n", (int)first,
		words);
	return EXIT_USAGE;
}

/* ---- its options --------------------------------------------------------------------- */

struct known { /* what a value of getopt_long() stands for */
	const char *name;
	const struct option_row *row; /* NULL: a command's option */
	bool from_file;
};

struct parse {
	struct invocation *in;
	struct option *options; /* of getopt_long() */
	struct known *known;
	size_t n;
	struct given_option *given;
	struct config_flag *flags;
};

static void add_option(struct parse *p, const char *name, bool takes_arg, struct known known)
{
	p->options[p->n] = (struct option){ name, takes_arg ? required_argument : no_argument, NULL,
					    (int)p->n + 256 };
	known.name = name;
	p->known[p->n++] = known;
}

static void add_options(struct parse *p, const struct command *command)
{
	const struct command_option *o;

	for (size_t i = 0; (o = command_option_at(command, i)); i++)
		add_option(p, o->name, o->arg, (struct known){ 0 });
	add_option(p, "help", false, (struct known){ 0 });
	if (!(command->takes & TAKES_CONFIG))
		return;
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];
		char *name = option_flag(row, p->in->mem) + 2;

		add_option(p, name, true, (struct known){ .row = row });
		if (row->secret)
			add_option(p, arena_printf(p->in->mem, "%s-file", name), true,
				   (struct known){ .row = row, .from_file = true });
	}
}

static enum exit_code bad_option(struct parse *p, const char *word, int what)
{
	const char **names = arena_new_array(p->in->mem, const char *, p->n);
	size_t n = strcspn(word, "=");
	const char *near;

	for (size_t i = 0; i < p->n; i++) {
		names[i] = arena_printf(p->in->mem, "--%s", p->options[i].name);
		if (what == ':' && !strncmp(names[i], word, n))
			return usage_error(p->in, "%s wants a value", word);
	}
	word = (const char *)arena_copy(p->in->mem, SLICE_OF(word, n)).ptr;
	near = nearest(word, names, p->n);
	if (near && !strcmp(near, word))
		return usage_error(p->in, "%s takes no value", word);
	return usage_error(p->in, "there is no option %s%s%s%s", word,
			   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void take_option(struct parse *p, const struct known *known, const char *value)
{
	if (known->row)
		p->flags[p->in->n_flags++] =
			(struct config_flag){ known->row, value, known->from_file };
	else
		p->given[p->in->n_given++] = (struct given_option){ known->name, value };
}

static bool exact(const char *word, const char *name)
{
	size_t n = strcspn(word + 2, "=");

	return strlen(name) == n && !strncmp(word + 2, name, n);
}

static const struct given_option help_option = { "help", NULL };

/* argv[0] is the last word of the command. */
static bool parse_options(struct parse *p, int argc, char **argv, enum exit_code *code)
{
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", p->options, NULL)) != -1) {
		const char *word = argv[optind - 1];
		const struct known *known;

		if (c == 'h') {
			p->in->given = &help_option;
			p->in->n_given = 1;
			return true;
		}
		if (c == '?' && optopt > 0 && optopt <= UCHAR_MAX) {
			*code = usage_error(p->in, "there is no option -%c; options begin with --",
					    optopt);
			return false;
		}
		if (c == '?' || c == ':') {
			*code = bad_option(p, word, c);
			return false;
		}
		known = &p->known[c - 256];
		if (p->options[c - 256].has_arg && word == optarg)
			word = argv[optind - 2];
		if (!exact(word, known->name)) { /* getopt would take --ow for --owner */
			*code = bad_option(p, word, '?');
			return false;
		}
		take_option(p, known, optarg);
	}
	p->in->args = (const char *const *)argv + optind;
	p->in->n_args = (size_t)(argc - optind);
	return true;
}

static enum exit_code run_command(struct invocation *in, int argc, char **argv)
{
	const struct command *command = in->command;
	size_t max = 64 + 2 * n_option_rows;
	struct parse p = { .in = in };
	enum exit_code code;

	p.options = arena_new_array(in->mem, struct option, max);
	p.known = arena_new_array(in->mem, struct known, max);
	p.given = arena_new_array(in->mem, struct given_option, (size_t)argc + 1);
	p.flags = arena_new_array(in->mem, struct config_flag, (size_t)argc + 1);
	in->given = p.given;
	in->flags = p.flags;
	add_options(&p, command);
	assert(p.n < max);
	if (!parse_options(&p, argc, argv, &code))
		return code;
	if (is_given(in, "help")) {
		CLEANUP(buf_free) struct buf out = { 0 };

		help_command(&out, command);
		fwrite(out.ptr, 1, out.len, stdout);
		return EXIT_DONE;
	}
	if (in->n_args < command->min_args)
		return usage_error(in, "%s wants %s", command->words, command->args);
	if (in->n_args > command->max_args)
		return usage_error(in, "%s does not want \"%s\"", command->words,
				   in->args[command->max_args]);
	return command->run(in);
}

/* Asked for it goes to stdout, instead of a command to stderr. */
static enum exit_code overview(const char *words, bool asked)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	help_overview(&out, words);
	fwrite(out.ptr, 1, out.len, asked ? stdout : stderr);
	return asked ? EXIT_DONE : EXIT_USAGE;
}

static bool asks_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static enum exit_code run_any(int argc, char **argv, const char *const *env)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct invocation in = { .mem = mem, .env = env };
	int used = 0, prefix;

	argc--;
	argv++;
	if (argc > 0 && !strcmp(argv[0], "--version"))
		argv[0] += 2;
	if (argc == 0 || asks_help(argv[0]))
		return overview("", argc > 0);
	in.command = find_command(argc, argv, &used, &prefix);
	if (in.command)
		return run_command(&in, argc - used + 1, argv + used - 1);
	if (argc == prefix || (prefix == 1 && asks_help(argv[1])))
		return overview(argv[0], argc > prefix);
	return unknown_command(mem, argc > 1 && prefix > 0
					    ? arena_printf(mem, "%s %s", argv[0], argv[1])
					    : argv[0]);
}

/* What could not be printed was not done. */
enum exit_code command_main(int argc, char **argv, const char *const *env)
{
	enum exit_code code;

	/* Left alone jansson goes on with what it has when a text cannot grow: it would pass cut.
	 */
	json_set_alloc_funcs(xmalloc, xfree);
	code = run_any(argc, argv, env);
	errno = 0; /* of an earlier failure nobody knows the reason any more */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "pinfold: stdout: %s\n",
		errno ? strerror(errno) : "not all could be written");
	return code ? code : EXIT_FAILED;
}
