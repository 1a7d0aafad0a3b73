#include "bus/local/bus_local.h"

#include <pthread.h>

#include "base/alloc.h"
#include "bus/bus_ops.h"

struct message {
	struct message *next;
	struct bus_msg msg;
	uint8_t bytes[]; /* what msg's slices point to */
};

struct queue {
	struct queue *next;
	enum bus_topic topic;
	uint32_t peer_no;
	struct message *first, **end;
	size_t n;
	bool overflowed;
	void (*notify)(void *ctx);
	void *ctx;
};

struct bus_local {
	struct bus base;
	struct bus_local_options options;
	pthread_mutex_t lock;
	struct queue *queues; /* few: topics plus peers */
	struct bus_counters counters;
};

static struct bus_local *downcast(struct bus *bus)
{
	return CONTAINER_OF(bus, struct bus_local, base);
}

static struct queue *find_queue(struct bus_local *b, enum bus_topic topic, uint32_t peer_no)
{
	uint32_t key = topic == BUS_PIN_ASSIGN ? peer_no : 0;
	struct queue *q;

	for (q = b->queues; q; q = q->next)
		if (q->topic == topic && q->peer_no == key)
			return q;
	q = xcalloc(1, sizeof(*q));
	*q = (struct queue){
		.next = b->queues, .topic = topic, .peer_no = key, .overflowed = true
	};
	q->end = &q->first;
	b->queues = q;
	return q;
}

static void put_slice(struct slice *s, uint8_t **at)
{
	if (s->len > 0)
		memcpy(*at, s->ptr, s->len);
	s->ptr = *at;
	*at += s->len;
}

static struct message *message_new(const struct bus_msg *msg)
{
	size_t list = msg->origins.n * sizeof(struct slice);
	size_t n = list + msg->cid.len + msg->owner.len + msg->copy.error.len;
	struct message *m;
	uint8_t *at;

	for (size_t i = 0; i < msg->origins.n; i++)
		n += msg->origins.at[i].len;
	m = xmalloc(sizeof(*m) + n);
	m->next = NULL;
	m->msg = *msg;
	at = m->bytes;
	if (msg->origins.n > 0) {
		memcpy(at, msg->origins.at, list);
		m->msg.origins.at = (struct slice *)(void *)at;
		at += list;
	}
	put_slice(&m->msg.cid, &at);
	put_slice(&m->msg.owner, &at);
	put_slice(&m->msg.copy.error, &at);
	for (size_t i = 0; i < msg->origins.n; i++)
		put_slice(&m->msg.origins.at[i], &at);
	return m;
}

static bool local_publish(struct bus *bus, const struct bus_msg *msgs, size_t n,
			  struct err *err UNUSED)
{
	struct bus_local *b = downcast(bus);
	struct queue *last = NULL;

	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < n; i++) {
		struct queue *q = find_queue(b, msgs[i].topic, msgs[i].peer_no);
		struct message *m;

		if (q->n >= b->options.queue_max) {
			q->overflowed = true;
			b->counters.dropped[q->topic]++;
			continue;
		}
		m = message_new(&msgs[i]);
		*q->end = m;
		q->end = &m->next;
		q->n++;
		b->counters.published[q->topic]++;
		if (q->notify && q != last)
			q->notify(q->ctx);
		last = q;
	}
	pthread_mutex_unlock(&b->lock);
	for (size_t i = 0; b->options.published && i < n; i++)
		b->options.published(b->options.ctx, &msgs[i]);
	return true;
}

static bool local_subscribe(struct bus *bus, enum bus_topic topic, uint32_t peer_no,
			    void (*notify)(void *ctx), void *ctx, struct err *err UNUSED)
{
	struct bus_local *b = downcast(bus);
	struct queue *q;

	pthread_mutex_lock(&b->lock);
	q = find_queue(b, topic, peer_no);
	q->notify = notify;
	q->ctx = ctx;
	pthread_mutex_unlock(&b->lock);
	return true;
}

static struct message *take_first(struct queue *q)
{
	struct message *m = q->first;

	if (!m)
		return NULL;
	q->first = m->next;
	if (!q->first)
		q->end = &q->first;
	q->n--;
	return m;
}

static bool local_take(struct bus *bus, enum bus_topic topic, uint32_t peer_no, size_t max,
		       bus_handler *handler, void *ctx, size_t *n, struct err *err UNUSED)
{
	struct bus_local *b = downcast(bus);
	struct queue *q;
	struct message *m;

	*n = 0;
	pthread_mutex_lock(&b->lock);
	q = find_queue(b, topic, peer_no);
	while (*n < max && (m = take_first(q))) {
		pthread_mutex_unlock(&b->lock);
		handler(ctx, &m->msg);
		xfree(m);
		(*n)++;
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return true;
}

static bool local_overflowed(struct bus *bus, enum bus_topic topic, uint32_t peer_no)
{
	struct bus_local *b = downcast(bus);
	struct queue *q;
	bool was;

	pthread_mutex_lock(&b->lock);
	q = find_queue(b, topic, peer_no);
	was = q->overflowed;
	q->overflowed = false;
	pthread_mutex_unlock(&b->lock);
	return was;
}

static size_t local_room(struct bus *bus, enum bus_topic topic, uint32_t peer_no)
{
	struct bus_local *b = downcast(bus);
	size_t n;

	pthread_mutex_lock(&b->lock);
	n = find_queue(b, topic, peer_no)->n;
	pthread_mutex_unlock(&b->lock);
	return n < b->options.queue_max ? b->options.queue_max - n : 0;
}

static void local_counters(struct bus *bus, struct bus_counters *out)
{
	struct bus_local *b = downcast(bus);

	pthread_mutex_lock(&b->lock);
	*out = b->counters;
	for (struct queue *q = b->queues; q; q = q->next)
		out->waiting[q->topic] += q->n;
	pthread_mutex_unlock(&b->lock);
}

static void free_messages(struct message *m)
{
	while (m) {
		struct message *next = m->next;

		xfree(m);
		m = next;
	}
}

static void local_close(struct bus *bus)
{
	struct bus_local *b = downcast(bus);

	for (struct queue *q = b->queues, *next; q; q = next) {
		next = q->next;
		free_messages(q->first);
		xfree(q);
	}
	pthread_mutex_destroy(&b->lock);
	xfree(b);
}

static const struct bus_ops local_ops = {
	.name = "local",
	.close = local_close,
	.publish = local_publish,
	.subscribe = local_subscribe,
	.take = local_take,
	.overflowed = local_overflowed,
	.room = local_room,
	.counters = local_counters,
};

struct bus *bus_local_new(const struct bus_local_options *options)
{
	struct bus_local *b = xcalloc(1, sizeof(*b));

	b->base.ops = &local_ops;
	b->options = *options;
	pthread_mutex_init(&b->lock, NULL);
	return &b->base;
}
