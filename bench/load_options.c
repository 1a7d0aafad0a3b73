#include "load_options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/attr.h"

static void read_option(struct options *o, int which, const char *value)
{
	const struct {
		int name;
		const char **text;
		uint64_t *number;
	} all[] = {
		{ 'k', &o->keys, NULL },        { 'i', &o->ids, NULL },
		{ 'C', &o->cids, NULL },        { 'u', &o->path, NULL },
		{ 'h', &o->header, NULL },      { 'p', NULL, &o->port },
		{ 'n', NULL, &o->count },       { 'f', NULL, &o->first },
		{ 'b', NULL, &o->block },       { 'S', NULL, &o->seed },
		{ 'P', NULL, &o->pid },         { 's', NULL, &o->seconds },
		{ 'c', NULL, &o->connections },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].name != which)
			continue;
		if (all[i].text)
			*all[i].text = value;
		else
			*all[i].number = strtoull(value, NULL, 10);
		return;
	}
	die("see the head of load.c");
}

struct options options_read(int argc, char **argv)
{
	static const struct option known[] = {
		{ "port", 1, NULL, 'p' },    { "keys", 1, NULL, 'k' },
		{ "ids", 1, NULL, 'i' },     { "connections", 1, NULL, 'c' },
		{ "seconds", 1, NULL, 's' }, { "count", 1, NULL, 'n' },
		{ "first", 1, NULL, 'f' },   { "block", 1, NULL, 'b' },
		{ "seed", 1, NULL, 'S' },    { "pid", 1, NULL, 'P' },
		{ "path", 1, NULL, 'u' },    { "header", 1, NULL, 'h' },
		{ "cids", 1, NULL, 'C' },    { 0 },
	};
	struct options o = { .connections = 1, .path = "/v1/pins", .header = "", .seed = 1 };
	int c;

	if (argc < 2)
		die("say what to do: post, bulk, get, cid, list or drop");
	o.mode = argv[1];
	for (optind = 2; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		read_option(&o, c, optarg);
	if (o.port == 0 || !o.keys || o.connections == 0)
		die("--port and --keys are needed");
	return o;
}
