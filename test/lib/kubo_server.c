#include "lib/kubo_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "base/buf.h"

void kubo_server_start(struct kubo_server *server, const char *program, const char *option,
		       const char *value)
{
	char *argv[] = { (char *)program, (char *)option, (char *)value, NULL };
	int in[2], out[2];
	ssize_t n;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		for (unsigned i = 0; i < 2; i++) {
			close(in[i]);
			close(out[i]);
		}
		execv(program, argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server->input = in[1];
	n = read(out[0], server->url, sizeof(server->url) - 1);
	if (n <= 1)
		fail_msg("%s does not start", program);
	server->url[n - 1] = 0;
	close(out[0]);
}

void kubo_server_stop(struct kubo_server *server)
{
	int status;

	close(server->input);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_int_equal(status, 0);
}

static size_t take(char *bytes, size_t one, size_t n, void *ctx)
{
	buf_add(ctx, bytes, one * n);
	return one * n;
}

void kubo_server_order(const struct kubo_server *server, const char *order, char *out, size_t size)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf body = { 0 };
	CURL *easy = curl_easy_init();
	char url[600];
	long status = 0;

	snprintf(url, sizeof(url), "%s/fake/%s", server->url, order);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
	assert_int_equal(curl_easy_perform(easy), CURLE_OK);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	if (status != 200)
		fail_msg("%s: %ld", order, status);
	if (out)
		snprintf(out, size, "%.*s", SLICE_FMT(buf_slice(&body)));
}
