#include "rocksdb_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fixture_setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	temp_dir_make(f->root);
	snprintf(f->dir, sizeof(f->dir), "%s/store", f->root);
	snprintf(f->copy, sizeof(f->copy), "%s/copy", f->root);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	if (f->b)
		f->b->ops->close(f->b);
	temp_dir_remove(f->root);
	test_free(f);
	return 0;
}

/* ---- a store --------------------------------------------------------------------------- */

bool open_at(struct fixture *f, const char *path, bool create)
{
	struct store_rocksdb_options options = { .path = path,
						 .create = create,
						 .cache_bytes = 1 << 20 };

	return store_rocksdb_open(&options, &f->b, &f->err);
}

void must_open(struct fixture *f, const char *path, bool create)
{
	if (!open_at(f, path, create))
		fail_msg("%s", f->err.text);
}

void shut(struct fixture *f)
{
	f->b->ops->close(f->b);
	f->b = NULL;
}

bool put(struct store_backend *b, uint32_t i, struct err *err)
{
	char value[64];
	int n = snprintf(value, sizeof(value), "value %u of a row that fills a little", i);
	struct job_cursor row = { .job = SLICE_LIT("job"),
				  .part = i,
				  .position = SLICE_OF(value, (size_t)n),
				  .epoch = i };
	struct store_write w = { .table = TABLE_JOB_CURSOR, .row = &row };

	return b->ops->write(b, &w, 1, err);
}

void on_durable(void *ctx, const struct err *err)
{
	struct outcome *o = ctx;

	pthread_mutex_lock(&o->mutex);
	o->done = true;
	o->ok = !err;
	if (err)
		o->err = *err;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->mutex);
}

bool sync_store(struct store_backend *b, struct err *err)
{
	struct outcome o = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

	b->ops->when_durable(b, b->ops->mark(b), on_durable, &o);
	pthread_mutex_lock(&o.mutex);
	while (!o.done)
		pthread_cond_wait(&o.changed, &o.mutex);
	pthread_mutex_unlock(&o.mutex);
	if (!o.ok)
		*err = o.err;
	return o.ok;
}

static bool check_row(void *ctx, const void *row)
{
	const struct job_cursor *c = row;
	uint32_t *next = ctx;
	char value[64];

	snprintf(value, sizeof(value), "value %u of a row that fills a little", c->part);
	if (c->part != *next || c->epoch != c->part || !slice_eq_str(c->position, value))
		return false;
	++*next;
	return true;
}

uint32_t good_rows(struct fixture *f)
{
	struct store_query q = { .table = TABLE_JOB_CURSOR };
	uint32_t n = 0;

	return f->b->ops->read(f->b, &q, check_row, &n, &f->err) ? n : UINT32_MAX;
}

void fill(struct fixture *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		assert_true(put(f->b, i, &f->err));
	assert_true(sync_store(f->b, &f->err));
}

/* ---- directories ------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

void sort_files(struct files *files)
{
	qsort(files->at, files->n, sizeof(files->at[0]), by_name);
}

void read_dir(const char *path, struct files *out)
{
	DIR *d = opendir(path);
	struct dirent *e;

	assert_non_null(d);
	*out = (struct files){ .n = 0 };
	while ((e = readdir(d))) {
		struct file *file = &out->at[out->n];
		char name[512];
		struct stat st;
		FILE *in;

		if (e->d_name[0] == '.')
			continue;
		snprintf(file->name, sizeof(file->name), "%.63s", e->d_name);
		snprintf(name, sizeof(name), "%s/%s", path, file->name);
		in = fopen(name, "rb");
		assert_non_null(in);
		assert_int_equal(fstat(fileno(in), &st), 0);
		file->bytes.len = fread(buf_reserve(&file->bytes, (size_t)st.st_size + 1), 1,
					(size_t)st.st_size, in);
		fclose(in);
		out->n++;
	}
	closedir(d);
	sort_files(out);
}

void write_file(const char *path, const char *name, struct slice bytes)
{
	char full[512];
	FILE *out;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	out = fopen(full, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, out), bytes.len);
	fclose(out);
}

void write_dir(const char *path, const struct files *files)
{
	temp_dir_remove(path);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < files->n; i++)
		write_file(path, files->at[i].name, buf_slice(&files->at[i].bytes));
}

void free_files(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		buf_free(&files->at[i].bytes);
}

bool same_files(const char *path, const struct files *wanted)
{
	struct files now;
	bool same;

	read_dir(path, &now);
	same = now.n == wanted->n;
	for (size_t i = 0; same && i < now.n; i++)
		same = strcmp(now.at[i].name, wanted->at[i].name) == 0 &&
		       slice_eq(buf_slice(&now.at[i].bytes), buf_slice(&wanted->at[i].bytes));
	free_files(&now);
	return same;
}

bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && strcmp(name + n - m, suffix) == 0;
}

struct file *find_file(struct files *files, const char *part)
{
	for (size_t i = files->n; i-- > 0;) /* the newest of its kind */
		if (strstr(files->at[i].name, part))
			return &files->at[i];
	fail_msg("no %s", part);
	return NULL;
}

void make_killed_store(struct fixture *f, struct files *out)
{
	must_open(f, f->dir, true);
	fill(f, 0, ROWS / 2);
	assert_true(f->b->ops->verify(f->b, NULL, NULL, &f->err)); /* flushes */
	fill(f, ROWS / 2, ROWS);
	read_dir(f->dir, out); /* while it is open */
	shut(f);
}
