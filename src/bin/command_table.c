#include "bin/commands.h"

#define MANY      4000000000u
#define TO_SERVER .takes = TAKES_CLIENT | TAKES_JSON

/* Options of pin add and pin update. */
#define PIN_NAME                                                           \
	{                                                                  \
		"name", "NAME", "A name for people, up to 255 characters." \
	}
#define PIN_TAG                                         \
	{                                               \
		"tag", "TAG", "A tag; may be repeated." \
	}
#define PIN_META                                                           \
	{                                                                  \
		"meta", "NAME=VALUE", "Data of your own; may be repeated." \
	}
#define PIN_REPLICAS                                                       \
	{                                                                  \
		"replicas", "N", "Copies: 2, a range such as 2-3, or all." \
	}
#define PIN_ZONE                                                                \
	{                                                                       \
		"zone", "ZONE", "A zone where copies may lie; may be repeated." \
	}
#define PIN_PEER_TAG                                                                  \
	{                                                                             \
		"peer-tag", "TAG", "Only nodes with that tag; repeated: all of them." \
	}
#define PIN_PRIORITY                                                            \
	{                                                                       \
		"priority", "N", "From -100 to 100, higher first; 0 is normal." \
	}
#define PIN_TTL                                                     \
	{                                                           \
		"ttl", "DURATION", "Keep it for so long: 12h, 30d." \
	}
#define PIN_EXPIRES                                                                      \
	{                                                                                \
		"expires", "TIME", "Keep it until then: 2027-01-31T12:00:00Z, or never." \
	}
const struct command commands[] = {
	{ "up", "", "Run the whole server in this process until it is told to stop.",
	  "Ready when GET /readyz answers 200. The admin key lies in DIR/admin.key. SIGTERM and "
	  "SIGINT let requests in work finish, SIGHUP reads the TLS certificate again.",
	  cmd_up, .takes = TAKES_CONFIG },

	{ "pin add", "CID... | -", "Ask for content to be kept.",
	  "With - every line of stdin is a CID or a JSON object as POST /v1/bulk/create takes it; "
	  "the "
	  "options then are defaults for lines that say nothing else. A progress bar shows on a "
	  "terminal, refused lines go to stderr with their number.",
	  cmd_pin_add, 1, MANY, TO_SERVER,
	  .options = { PIN_NAME,
		       PIN_TAG,
		       PIN_META,
		       PIN_REPLICAS,
		       PIN_ZONE,
		       PIN_PEER_TAG,
		       PIN_PRIORITY,
		       PIN_TTL,
		       PIN_EXPIRES,
		       { "origin", "MULTIADDR", "A node that has the content; may be repeated." },
		       { "peer", "PEERID", "A node to prefer; may be repeated." },
		       { "mode", "recursive|direct", "Direct: the one block alone." },
		       { "wait", NULL, "Return when all are pinned, or failed; not with -." },
		       { "timeout", "DURATION", "With --wait: for all together." },
		       { "verbose", NULL, "With -: print id and CID of every pin." } } },
	{ "pin ls", "", "List pins, newest first.", NULL, cmd_pin_ls, TO_SERVER,
	  .options = { { "cid", "CID", "Only of this content; may be repeated." },
		       { "status", "queued|pinning|pinned|failed|expiring",
			 "Only with this status; may be repeated." },
		       { "name", "NAME", "Only with this name; see --match." },
		       { "match", "exact|iexact|partial|ipartial", "How --name is meant; exact." },
		       { "tag", "TAG", "Only with this tag; repeated: with all of them." },
		       { "before", "TIME", "Only created before." },
		       { "after", "TIME", "Only created after." },
		       { "expires-before", "TIME|DURATION",
			 "Only kept no longer than until then: 2027-01-31T12:00:00Z, 7d." },
		       { "peer", "PEER",
			 "Only with a copy on this node, there or on its way; not what is to leave "
			 "it." },
		       { "all-owners", NULL,
			 "Everybody's, with --peer or --expires-before; admin. By CID, or the "
			 "first to expire first." },
		       { "limit", "N", "This many at most; 100 if not given." },
		       { "all", NULL, "All of them." } } },
	{ "pin get", "ID|CID...", "Show a pin and each of its copies.", NULL, cmd_pin_get, 1, MANY,
	  TO_SERVER },
	{ "pin wait", "ID|CID...", "Return when each is pinned or has failed.",
	  "One after the other; the exit code is 1 if any has failed or is not done in time.",
	  cmd_pin_wait, 1, MANY, TO_SERVER,
	  .options = { { "timeout", "DURATION", "No longer than this, for all together." } } },
	{ "pin update", "ID|CID...", "Change what is kept of a pin, how long and how often.",
	  "Tags, zones, tags of nodes and metadata are replaced as a whole.", cmd_pin_update, 1,
	  MANY, TO_SERVER,
	  .options = { PIN_NAME, PIN_TAG, PIN_META, PIN_REPLICAS, PIN_ZONE, PIN_PEER_TAG,
		       PIN_PRIORITY, PIN_TTL, PIN_EXPIRES } },
	{ "pin retry", "ID|CID...", "Try failed copies again at once.", NULL, cmd_pin_retry, 1,
	  MANY, TO_SERVER },
	{ "pin rm", "ID|CID...", "Keep it no longer.",
	  "The copies go with the last request of any owner for the content.", cmd_pin_rm, 1, MANY,
	  TO_SERVER },

	{ "peer ls", "", "List the nodes, their state and their space.", NULL, cmd_peer_ls,
	  TO_SERVER },
	{ "peer add", "URL|PEERID", "Add a node, or take a removed one back.", NULL, cmd_peer_add,
	  1, 1, TO_SERVER,
	  .options = { { "name", "NAME", "A name for people." },
		       { "zone", "ZONE", "Where it stands; copies are spread over zones." },
		       { "tag", "TAG", "A tag; may be repeated." } } },
	{ "peer set", "PEER...", "Change name, zone or tags of a node.", NULL, cmd_peer_set, 1,
	  MANY, TO_SERVER,
	  .options = { { "name", "NAME", "A name for people." },
		       { "zone", "ZONE", "Where it stands; copies are spread over zones." },
		       { "tag", "TAG", "A tag; repeated: the whole set." } } },
	{ "peer drain", "PEER...", "Move all copies away from a node.",
	  "`pin ls --peer PEER --all-owners` tells whose pins it is still needed for.",
	  cmd_peer_drain, 1, MANY, TO_SERVER },
	{ "peer pause", "PEER...", "Give a node nothing new, and move nothing.", NULL,
	  cmd_peer_pause, 1, MANY, TO_SERVER },
	{ "peer resume", "PEER...", "Back to work.", NULL, cmd_peer_resume, 1, MANY, TO_SERVER },
	{ "peer gc", "PEER...", "Remove what no pin holds from a node.",
	  "Its fetches end first and nothing is begun until it is done. One node at a time.",
	  cmd_peer_gc, 1, MANY, TO_SERVER },
	{ "peer rm", "PEER...", "Remove a node that holds nothing.", NULL, cmd_peer_rm, 1, MANY,
	  TO_SERVER,
	  .options = { { "lost", NULL,
			 "It is lost: make its copies elsewhere at once, without grace." } } },

	{ "key create", "", "Make an API key and print it.",
	  "The key is shown this once. --owner NAME makes it for another owner.", cmd_key_create,
	  TO_SERVER,
	  .options = { { "scope", "read|write|admin|metrics",
			 "Write includes read, admin all; metrics is for /metrics alone; write." },
		       { "name", "NAME", "A name for people." },
		       { "ttl", "DURATION", "Good for so long: 12h, 30d." },
		       { "expires", "TIME", "Good until then, or never." } } },
	{ "key ls", "", "List API keys.", NULL, cmd_key_ls, TO_SERVER },
	{ "key rotate", "ID", "Give an API key a new secret and print it.", NULL, cmd_key_rotate, 1,
	  1, TO_SERVER,
	  .options = { { "overlap", "DURATION", "The old one stays good for so long; 24h." } } },
	{ "key revoke", "ID...", "Make API keys useless.", NULL, cmd_key_revoke, 1, MANY,
	  TO_SERVER },

	{ "owner ls", "", "List owners with settings of their own.", NULL, cmd_owner_ls,
	  TO_SERVER },
	{ "owner show", "NAME...", "Show the settings of an owner.", NULL, cmd_owner_show, 1, MANY,
	  TO_SERVER },
	{ "owner set", "NAME...", "Set defaults and limits of an owner.",
	  "Defaults, such as zones and peer tags, are used where a request is silent: its owner "
	  "may ask for anything else, so they are no bounds. 0 of a limit means none, and "
	  "default, for limits and --replicas, what the server's configuration has for all "
	  "owners.",
	  cmd_owner_set, 1, MANY, TO_SERVER,
	  .options = { { "replicas", "N", "Copies: 2, a range such as 2-3, or all." },
		       { "ttl", "DURATION", "How long pins are kept; 0s: for ever." },
		       { "max-ttl", "DURATION", "The longest that may be asked for; 0s: any." },
		       { "zone", "ZONE", "A zone where copies may lie; repeated: the whole set." },
		       { "peer-tag", "TAG", "Only nodes with that tag; repeated: the whole set." },
		       { "priority", "N", "From -100 to 100." },
		       { "max-pins", "N", "Pins at most." },
		       { "max-bytes", "SIZE", "Size at most, soft: 100GiB." },
		       { "max-requests", "N", "Requests a second." },
		       { "max-fetches", "N",
			 "Fetches at once; of this and owner.concurrent_fetches the smaller "
			 "holds." },
		       { "disabled", "true|false", "Whether everything is refused." } } },

	{ "deny add", "CID|DIGEST...", "Forbid content.",
	  "It is not fetched any more, whenever it was asked for; its pins show as failed. Copies "
	  "that are pinned already stay until their pins are removed: to remove what is paid for "
	  "is "
	  "an act of its own. DIGEST is the SHA-256 of a multihash in hex: it names content "
	  "without "
	  "telling which.",
	  cmd_deny_add, 1, MANY, TO_SERVER,
	  .options = { { "reason", "TEXT", "Why, for those who look." } } },
	{ "deny ls", "", "List what is forbidden.", NULL, cmd_deny_ls, TO_SERVER },
	{ "deny rm", "CID|DIGEST...", "Allow content again.",
	  "What is still asked for is fetched by itself.", cmd_deny_rm, 1, MANY, TO_SERVER },

	{ "store check", "", "Prove that every row of the store agrees with the others.",
	  "A server that has the directory open does it itself. Fails if anything is wrong and was "
	  "not "
	  "mended.",
	  cmd_store_check, .takes = TAKES_CONFIG | TAKES_JSON,
	  .options = { { "repair", NULL, "Mend what can be derived again." } } },
	{ "store backup", "DIR", "Copy the store into a new directory, which is a store too.",
	  "A server that has the directory open does it itself, without a pause.", cmd_store_backup,
	  1, 1, .takes = TAKES_CONFIG | TAKES_JSON },
	{ "store restore", "DIR", "Make the store from a backup, where there is none.",
	  "The backup is read as a whole first.", cmd_store_restore, 1, 1,
	  .takes = TAKES_CONFIG | TAKES_JSON },

	{ "store export", "[FILE]", "Write pins as ipfs-cluster does, for its import or ours.",
	  "A line of JSON a pin, with every field of ipfs-cluster's pin, to stdout or a new file. "
	  "Of several pins of an owner for a CID the newest; tags, zones and priority have no "
	  "place "
	  "in it. With --all-owners each line also has a member owner, which ipfs-cluster passes "
	  "over. No server may have the store open.",
	  cmd_store_export, .max_args = 1, .takes = TAKES_CONFIG,
	  .options = { { "owner", "NAME", "Whose pins; admin." },
		       { "all-owners", NULL, "Everybody's pins." } } },
	{ "store import", "[FILE]",
	  "Read what ipfs-cluster-service state export or store export wrote.",
	  "From stdin if there is no file; the output of ipfs-cluster-ctl --enc=json pin ls as "
	  "well. A pin replaces the one that was imported for its CID before, what is there "
	  "already "
	  "stays as it is, so an import can be repeated. Refused pins go to stderr with their "
	  "line. "
	  "No server may have the store open; a store is made where there is none.",
	  cmd_store_import, .max_args = 1, .takes = TAKES_CONFIG | TAKES_JSON,
	  .options = { { "owner", "NAME",
			 "Whose all of them become; else as a line says, or admin." },
		       { "replicas", "N",
			 "Instead of what pins say: 2, a range such as 2-3, or all." },
		       { "peer", "PEERID", "A node to prefer, instead; may be repeated." } } },

	{ "config check", "", "Read the whole configuration and name every mistake.", NULL,
	  cmd_config_check, .takes = TAKES_CONFIG | TAKES_JSON },
	{ "config show", "", "Print every option, its value and where it came from.",
	  "Secrets are not shown.", cmd_config_show, .takes = TAKES_CONFIG | TAKES_JSON },
	{ "config doc", "", "Print the description of every option.", NULL, cmd_config_doc },

	{ "status", "", "Tell whether the server is well, who asks, and what is held.", NULL,
	  cmd_status, TO_SERVER },
	{ "drift", "", "List copies that are not as they should be.",
	  "With --foreign pins on the nodes that nobody asked for here, read from the nodes "
	  "themselves. "
	  "They are never removed; their owner does that, by `ipfs pin rm` on the node.",
	  cmd_drift, TO_SERVER,
	  .options = { { "limit", "N", "This many at most; 100 if not given; not with --foreign." },
		       { "foreign", NULL, "Pins that nobody asked for, all of them." },
		       { "peer", "PEER", "With --foreign: of this node alone." } } },
	{ "rebalance", "", "Move copies to where a fresh placement would put them.", NULL,
	  cmd_rebalance, TO_SERVER,
	  .options = { { "dry-run", NULL, "Only count what would be moved." },
		       { "force", NULL, "Without the guard against too many unpins at once." } } },
	{ "bench", "", "Put a server under load and print what it did, beside the goals.",
	  "Makes pins of content that does not exist (bulk and POST), reads them one by one and as "
	  "a "
	  "list, and removes them again; nodes try to fetch it meanwhile. With --self a server of "
	  "its "
	  "own, without a node, on an empty store that goes away afterwards. Plain HTTP alone.",
	  cmd_bench, TO_SERVER,
	  .options = { { "self", NULL, "Measure a server of its own instead." },
		       { "pins", "N", "Pins of the bulk measurement; 20000." },
		       { "seconds", "N", "For each of the others; 5." },
		       { "connections", "N", "At once; 64." } } },
	{ "completion", "bash|zsh|fish", "Print the completion script for a shell.", NULL,
	  cmd_completion, 1, 1 },
	{ "doc", "man|metrics|config", "Print the manual page or a list as docs/ holds it.", NULL,
	  cmd_doc, 1, 1 },
	{ "help", "[COMMAND]", "Print what a command does and takes.", NULL, cmd_help,
	  .max_args = 2 },
	{ "version", "", "Print the version.", NULL, cmd_version, .takes = TAKES_JSON },
};
const size_t n_commands = ARRAY_LEN(commands);
