#include <ctype.h>
#include <string.h>

#include "bin/command.h"

#define HELP_COLUMN 34

static void put_padded(struct buf *out, const char *left, const char *right)
{
	buf_printf(out, "  %-*s", HELP_COLUMN - 2, left);
	if (strlen(left) > HELP_COLUMN - 4)
		buf_printf(out, "\n%*s", HELP_COLUMN, "");
	buf_printf(out, "%s\n", right);
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* How the group of a command is headed: by its first word, or as the program's own. */
static size_t first_word(const char *words)
{
	return strchr(words, ' ') ? strcspn(words, " ") : 0;
}

void help_overview(struct buf *out, const char *words)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *before = "";
	size_t n_before = 0;

	buf_add_str(out, "Usage: pinfold COMMAND [ARGUMENTS] [OPTIONS]\n\n");
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];
		size_t n = first_word(c->words);

		if (!starts_with(c->words, words))
			continue;
		if (i > 0 && (n != n_before || strncmp(c->words, before, n) != 0) && !*words)
			buf_add_byte(out, '\n');
		before = c->words;
		n_before = n;
		put_padded(out, arena_printf(mem, "%s %s", c->words, c->args), c->help);
	}
	buf_add_str(out, "\npinfold COMMAND --help tells more.\n"
			 "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server reached.\n");
}

/* A command on the store takes every option, but only these change what it does. */
static bool concerns(const struct command *c, const struct option_row *option)
{
	return !starts_with(c->words, "store ") || strcmp(option->name, "data") == 0 ||
	       starts_with(option->name, "store.");
}

void help_command(struct buf *out, const struct command *c)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct command_option *o;

	buf_printf(out, "Usage: pinfold %s%s%s [OPTIONS]\n\n%s\n", c->words, *c->args ? " " : "",
		   c->args, c->help);
	if (c->more)
		buf_printf(out, "\n%s\n", c->more);
	for (size_t i = 0; (o = command_option_at(c, i)); i++) {
		if (i == 0)
			buf_add_str(out, "\nOptions:\n");
		put_padded(out,
			   arena_printf(mem, "--%s%s%s", o->name, o->arg ? " " : "",
					o->arg ? o->arg : ""),
			   o->help);
	}
	if (!(c->takes & TAKES_CONFIG))
		return;
	buf_add_str(out, "\nOptions of the configuration (pinfold config doc tells more):\n");
	for (size_t i = 0; i < n_option_rows; i++)
		if (concerns(c, &option_rows[i]))
			put_padded(out,
				   arena_printf(mem, "%s%s", option_flag(&option_rows[i], mem),
						option_rows[i].secret ? "-file FILE" : " VALUE"),
				   option_rows[i].help);
}

/* ---- the manual page -------------------------------------------------------------------- */

/* Text for roff: a backslash, a hyphen and a dot at the start mean something there. */
static void put_roff(struct buf *out, const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			buf_add_str(out, "\\&");
		if (*text == '\\')
			buf_add_str(out, "\\e");
		else if (*text == '-')
			buf_add_str(out, "\\-");
		else
			buf_add_byte(out, (uint8_t)*text);
		start = *text == '\n';
	}
}

static void man_option(struct buf *out, const char *name, const char *arg, const char *help)
{
	buf_add_str(out, ".TP\n\\fB\\-\\-");
	put_roff(out, name);
	buf_add_str(out, "\\fR");
	if (arg)
		buf_printf(out, " \\fI%s\\fR", arg);
	buf_add_byte(out, '\n');
	put_roff(out, help);
	buf_add_byte(out, '\n');
}

static void man_command(struct buf *out, const struct command *c)
{
	buf_add_str(out, ".SS \"");
	put_roff(out, c->words);
	if (*c->args) {
		buf_add_byte(out, ' ');
		put_roff(out, c->args);
	}
	buf_add_str(out, "\"\n");
	put_roff(out, c->help);
	buf_add_byte(out, '\n');
	if (c->more) {
		buf_add_str(out, ".PP\n");
		put_roff(out, c->more);
		buf_add_byte(out, '\n');
	}
	for (size_t i = 0; i < OPTIONS_MAX && c->options[i].name; i++)
		man_option(out, c->options[i].name, c->options[i].arg, c->options[i].help);
}

static const char man_head[] =
	".TH PINFOLD 1 \"\" \"pinfold " PINFOLD_VERSION "\" \"User Commands\"\n"
	".SH NAME\npinfold \\- keeps IPFS content pinned\n"
	".SH SYNOPSIS\n.B pinfold\n\\fICOMMAND\\fR [\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n"
	".SH DESCRIPTION\n"
	"One program: the server (\\fBpinfold up\\fR), what its operator does, and what its users "
	"do.\nWhat is asked for is printed on stdout, everything else on stderr.\n"
	"Tables are cut to the width of a terminal; with \\fB\\-\\-json\\fR programs get JSON.\n"
	".SH COMMANDS\n";

static const char man_config[] =
	".SH CONFIGURATION\n"
	"The options of \\fBpinfold up\\fR may stand in a JSON file, in the environment and on the "
	"command\nline, later ones winning: \\fBpinfold config doc\\fR tells more.\n";

static const char man_tail[] =
	".SH EXIT STATUS\n"
	".TP\n0\nDone.\n.TP\n1\nIt was tried and failed; stderr says why.\n"
	".TP\n2\nThe command line or the configuration is wrong.\n"
	".TP\n3\nNo server could be reached.\n"
	".SH ENVIRONMENT\n"
	".TP\n\\fBPINFOLD_SERVER\\fR\nThe server to talk to.\n"
	".TP\n\\fBPINFOLD_KEY\\fR\nThe API key.\n"
	".TP\n\\fBPINFOLD_OWNER\\fR\nThe owner to act for, with the admin key.\n"
	".TP\n\\fBPINFOLD_CA\\fR\nCertificates to trust, in PEM.\n"
	".TP\n\\fBPINFOLD_CONFIG\\fR\nThe configuration file.\n"
	".TP\n\\fBNO_COLOR\\fR\nIf set, tables have no colours.\n"
	".SH FILES\n"
	".TP\n\\fIDIR\\fR/admin.key\nThe admin key, made by the first start in the data "
	"directory.\n"
	".TP\n\\fIDIR\\fR/server.json\nWhere the server with this data directory listens, for the "
	"other commands; what it has locked while it runs.\n"
	".TP\n\\fIDIR\\fR/config.json\nThe configuration file, if none is named.\n";

void help_man(struct buf *out)
{
	static const struct command shares = { .takes = TAKES_JSON | TAKES_CLIENT };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct command_option *o;

	buf_add_str(out, man_head);
	for (size_t i = 0; i < n_commands; i++)
		man_command(out, &commands[i]);
	buf_add_str(out, ".SH OPTIONS OF COMMANDS THAT TALK TO A SERVER\n");
	for (size_t i = 0; (o = command_option_at(&shares, i)); i++)
		man_option(out, o->name, o->arg, o->help);
	buf_add_str(out, man_config);
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];
		const char *flag = option_flag(row, mem) + 2;

		if (row->secret)
			man_option(out, arena_printf(mem, "%s-file", flag), "FILE", row->help);
		else
			man_option(out, flag, "VALUE", row->help);
	}
	buf_add_str(out, man_tail);
}

/* ---- completion --------------------------------------------------------------------------- */

/* The words that may stand first, or second behind `first`. */
static void put_words(struct buf *out, const char *first, const char *sep)
{
	const char *before = "";
	size_t n_before = 0, n_first = strlen(first);
	bool some = false;

	for (size_t i = 0; i < n_commands; i++) {
		const char *w = commands[i].words;
		size_t n;

		if (n_first && (strncmp(w, first, n_first) != 0 || w[n_first] != ' '))
			continue;
		w += n_first ? n_first + 1 : 0;
		n = strcspn(w, " ");
		if (n == n_before && !strncmp(w, before, n))
			continue;
		buf_printf(out, "%s%.*s", some ? sep : "", (int)n, w);
		before = w;
		n_before = n;
		some = true;
	}
}

static void put_flags(struct buf *out, const struct command *c)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct command_option *o;

	buf_add_str(out, "--help");
	for (size_t i = 0; (o = command_option_at(c, i)); i++)
		buf_printf(out, " --%s", o->name);
	for (size_t i = 0; (c->takes & TAKES_CONFIG) && i < n_option_rows; i++)
		buf_printf(out, " %s%s", option_flag(&option_rows[i], mem),
			   option_rows[i].secret ? "-file" : "");
}

/* Every first word that has second ones, once. */
static size_t group_at(size_t i)
{
	size_t n = first_word(commands[i].words);

	if (n && i > 0 && first_word(commands[i - 1].words) == n &&
	    !strncmp(commands[i].words, commands[i - 1].words, n))
		return 0;
	return n;
}

/* "a|b" is all that may be given: "a b"; NULL: many things may. */
static const char *choices(const char *arg, struct arena *mem)
{
	char *out;

	if (!arg || !strchr(arg, '|') || strpbrk(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZ "))
		return NULL;
	out = arena_printf(mem, "%s", arg);
	for (char *p = out; (p = strchr(p, '|'));)
		*p = ' ';
	return out;
}

/* The same of an option of the configuration. */
static const char *row_choices(const struct option_row *row, struct arena *mem)
{
	const char *out = "";

	if (row->type == OPTION_BOOL)
		return "true false";
	if (row->type != OPTION_ENUM)
		return NULL;
	for (size_t i = 0; row->names[i]; i++)
		out = arena_printf(mem, "%s%s%s", out, i ? " " : "", row->names[i]);
	return out;
}

static void put_bash_choice(struct buf *out, const char *flag, const char *words)
{
	if (words)
		buf_printf(out, "\t%s) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n",
			   flag, words);
}

/* What may stand behind an option. */
static void put_bash_choices(struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	buf_add_str(out, "\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n");
	for (size_t i = 0; i < n_commands; i++)
		for (const struct command_option *o = commands[i].options; o->name; o++)
			put_bash_choice(out, arena_printf(mem, "--%s", o->name),
					choices(o->arg, mem));
	for (size_t i = 0; i < n_option_rows; i++)
		put_bash_choice(out, option_flag(&option_rows[i], mem),
				row_choices(&option_rows[i], mem));
	buf_add_str(out, "\tesac\n");
}

static void put_bash(struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	buf_add_str(out, "# bash completion of pinfold: source <(pinfold completion bash)\n"
			 "_pinfold() {\n"
			 "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n");
	put_bash_choices(out);
	buf_add_str(out, "\tif [[ $COMP_CWORD == 1 ]]; then\n\t\twords=\"");
	put_words(out, "", " ");
	buf_add_str(out, "\"\n\telif [[ $cur == -* ]]; then\n"
			 "\t\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
	for (size_t i = 0; i < n_commands; i++) {
		buf_printf(out, "\t\t\"%s%s\"*) words=\"", commands[i].words,
			   strchr(commands[i].words, ' ') ? "" : " ");
		put_flags(out, &commands[i]);
		buf_add_str(out, "\" ;;\n");
	}
	buf_add_str(out, "\t\tesac\n\telif [[ $COMP_CWORD == 2 ]]; then\n"
			 "\t\tcase \"${COMP_WORDS[1]}\" in\n");
	for (size_t i = 0; i < n_commands; i++) {
		const char *literal = choices(commands[i].args, mem);
		size_t n = group_at(i);

		if (literal)
			buf_printf(out, "\t\t%s) words=\"%s\" ;;\n", commands[i].words, literal);
		if (!n)
			continue;
		buf_printf(out, "\t\t%.*s) words=\"", (int)n, commands[i].words);
		put_words(out, arena_printf(mem, "%.*s", (int)n, commands[i].words), " ");
		buf_add_str(out, "\" ;;\n");
	}
	buf_add_str(out, "\t\tesac\n\tfi\n"
			 "\tlocal IFS=$' \\t\\n'\n"
			 "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
			 "\tIFS=$'\\n'\n"
			 "\t[[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
			 "}\ncomplete -o filenames -F _pinfold pinfold\n");
}

/* zsh runs bash completions, with this line before. */
static void put_zsh(struct buf *out)
{
	buf_add_str(out,
		    "#compdef pinfold\n# zsh completion: source <(pinfold completion zsh)\n"
		    "whence compdef >/dev/null || { autoload -U +X compinit && compinit -i; }\n"
		    "autoload -U +X bashcompinit && bashcompinit\n");
	put_bash(out);
}

static void put_fish_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, (uint8_t)*text);
	}
}

static void put_fish_option(struct buf *out, const char *when, const char *name, const char *words,
			    bool takes_arg, const char *help)
{
	buf_printf(out, "complete -c pinfold -n '%s' -l %s", when, name);
	if (words)
		buf_printf(out, " -x -a '%s'", words);
	else if (takes_arg)
		buf_add_str(out, " -r");
	buf_add_str(out, " -d '");
	put_fish_text(out, help);
	buf_add_str(out, "'\n");
}

static void put_fish_options(struct buf *out, const struct command *c, const char *when)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct command_option *o;

	for (size_t i = 0; (o = command_option_at(c, i)); i++)
		put_fish_option(out, when, o->name, choices(o->arg, mem), o->arg, o->help);
}

/* Options of the configuration, once for all groups where a command takes them. */
static void put_fish_config(struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *when = "__fish_seen_subcommand_from";

	for (size_t i = 0; i < n_commands; i++) {
		const char *words = commands[i].words;
		const char *group = arena_printf(mem, " %.*s", (int)strcspn(words, " "), words);

		if ((commands[i].takes & TAKES_CONFIG) && !strstr(when, group))
			when = arena_printf(mem, "%s%s", when, group);
	}
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];
		const char *name = arena_printf(mem, "%s%s", option_flag(row, mem) + 2,
						row->secret ? "-file" : "");

		put_fish_option(out, when, name, row_choices(row, mem), true, row->help);
	}
}

/* The second words of a group, "add ls get". */
static const char *siblings(const struct command *c, struct arena *mem)
{
	CLEANUP(buf_free) struct buf words = { 0 };

	put_words(&words, arena_printf(mem, "%.*s", (int)first_word(c->words), c->words), " ");
	return (const char *)arena_copy(mem, buf_slice(&words)).ptr;
}

static void put_fish(struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	buf_add_str(out, "# fish completion of pinfold: pinfold completion fish | source\n");
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];
		size_t n = first_word(c->words);
		const char *when;

		if (group_at(i))
			buf_printf(out,
				   "complete -c pinfold -f -n __fish_use_subcommand -a '%.*s'\n",
				   (int)n, c->words);
		if (n)
			buf_printf(
				out,
				"complete -c pinfold -f -n '__fish_seen_subcommand_from %.*s; and "
				"not __fish_seen_subcommand_from %s' -a '%s' -d '",
				(int)n, c->words, siblings(c, mem), c->words + n + 1);
		else
			buf_printf(out,
				   "complete -c pinfold -f -n __fish_use_subcommand -a '%s' -d '",
				   c->words);
		put_fish_text(out, c->help);
		buf_add_str(out, "'\n");
		when = n ? arena_printf(mem,
					"__fish_seen_subcommand_from %.*s; and "
					"__fish_seen_subcommand_from %s",
					(int)n, c->words, c->words + n + 1)
			 : arena_printf(mem, "__fish_seen_subcommand_from %s", c->words);
		if (choices(c->args, mem))
			buf_printf(out, "complete -c pinfold -f -n '%s' -a '%s'\n", when,
				   choices(c->args, mem));
		put_fish_options(out, c, when);
	}
	put_fish_config(out);
}

bool help_completion(struct buf *out, const char *shell)
{
	static const struct {
		const char *shell;
		void (*put)(struct buf *out);
	} shells[] = { { "bash", put_bash }, { "zsh", put_zsh }, { "fish", put_fish } };

	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (!strcmp(shells[i].shell, shell)) {
			shells[i].put(out);
			return true;
		}
	}
	return false;
}
