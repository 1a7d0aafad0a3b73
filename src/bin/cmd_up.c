/* cmd_up.c -- `pinfold up`: the whole server in one process, until it is told to stop. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/dir.h"
#include "base/log.h"
#include "bin/commands.h"
#include "bin/find_kubo.h"
#include "bin/offline.h"
#include "bin/server.h"
#include "bin/server_file.h"

/* Connections, Kubo calls and the store's files need more than the usual 1,024. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			log_warn("open files stay limited to their default: %s", strerror(errno));
	}
}

static bool choose_kubo(struct invocation *in, struct config *config, struct err *err)
{
	struct found_kubo found;

	if (config->n_kubo > 0)
		return true;
	if (!find_kubo(getenv("IPFS_PATH"), getenv("HOME"), in->mem, &found, err))
		return false;
	config->kubo = arena_new_of(in->mem, struct config_kubo);
	config->kubo[0] = config->added_kubo;
	config->kubo[0].url = found.url;
	config->n_kubo = 1;
	log_info("no Kubo node is configured: trying %s (%s).  Start one with `ipfs daemon`, or "
		 "name "
		 "one with --kubo URL",
		 found.url, found.from);
	return true;
}

/* Blocks the signals that end or reload, in all threads that will be started. */
static sigset_t take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return set;
}

static void serve(struct server *server, const sigset_t *signals)
{
	int sig;

	while (sigwait(signals, &sig) == 0 && sig == SIGHUP) {
		struct err err = { 0 };

		if (server_reload(server, &err))
			log_info("certificates read again");
		else
			log_err(LOG_ERROR, &err, "reload");
	}
	log_info("stopping: requests in work may finish");
	if (!server_drain(server))
		log_warn("requests were cut: they took longer than http.drain_timeout");
}

/* False: another server has the data directory, and its admin.key, or may have it.  Where files
 * cannot be locked *lock is -1, and commands need to be told where the server is: no reason not to
 * serve. */
static bool take_data(const struct config *config, int *lock, struct err *err)
{
	if (!dir_make(config->data))
		return err_set(err, errno == EACCES ? ERR_DENIED : ERR_INVALID,
			       "data directory %s: %s; choose another with --data", config->data,
			       strerror(errno));
	if (!server_file_lock(config->data, lock, err))
		return false;
	if (*lock < 0)
		log_warn("%s: files cannot be locked there, so commands must be told where the "
			 "server is, and a second server is not noticed",
			 config->data);
	return true;
}

static void tell_commands(const struct server *server, const struct config *config, int lock,
			  struct arena *mem)
{
	const char *cert = config->tls.cert_file; /* its links may lead elsewhere after a renewal */
	char store[PATH_MAX] = "";
	struct server_file file = { callable_url(server_url(server), mem), store,
				    *cert ? dir_absolute(cert, mem) : "" };
	struct err err;

	if (config->store.kind != STORE_MEM && !realpath(store_path(config, mem), store))
		*store = '\0';
	if (lock >= 0 && !server_file_write(lock, &file, &err))
		log_err(LOG_WARN, &err, "tell commands where the server is");
}

/* A store in use or a port that is taken is no server that cannot be reached. */
static enum exit_code start_failed(const struct err *err)
{
	fprintf(stderr, "pinfold: %s\n", err->text);
	return EXIT_FAILED;
}

enum exit_code cmd_up(struct invocation *in)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	struct config_result result;
	struct server *server;
	struct err err = { 0 };
	sigset_t signals;
	int lock = -1;

	if (!command_config(in, &problems, &result, &err)) {
		fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&problems)));
		return EXIT_USAGE;
	}
	log_setup((enum log_level)result.config.log.level,
		  (enum log_format)result.config.log.format);
	signals = take_signals();
	raise_file_limit();
	if (!choose_kubo(in, &result.config, &err) || !take_data(&result.config, &lock, &err))
		return start_failed(&err);
	if (!server_start(&result.config, &server, &err)) {
		server_file_remove(result.config.data, lock);
		return start_failed(&err);
	}
	log_info("pinfold %s serves %s, data in %s", PINFOLD_VERSION, server_url(server),
		 result.config.data);
	tell_commands(server, &result.config, lock, in->mem);
	serve(server, &signals);
	server_free(server);
	server_file_remove(result.config.data, lock);
	log_info("stopped");
	return EXIT_DONE;
}
