/*
 * The sending queue of network exporters: batches become encoded, compressed requests that wait in memory, bounded in requests
 * and in bytes, and are sent by a number of consumers with timeout and retry. Behaviour and keys: the collector's exporterhelper
 * (sending_queue, retry_on_failure, timeout). Queue size counts until a request has ended, not until it is taken out.
 *
 * Life of a batch: queue_consume -> cut into requests (one each turn of the loop) -> packed (in a pool thread if large) -> sent,
 * perhaps several times -> the worst outcome of its requests is the batch's outcome.
 */
#ifndef SERVICE_QUEUE_H
#define SERVICE_QUEUE_H

#include "base/list.h"
#include "config/config.h"
#include "service/component.h"

struct retry_config {
    bool enabled;
    int64_t initial_interval_ns, max_interval_ns, max_elapsed_ns; /* max_elapsed_ns 0: for ever */
    double multiplier, randomization_factor;
};
enum queue_sizer { QUEUE_REQUESTS, QUEUE_ITEMS, QUEUE_BYTES };
struct queue_batch_config {
    int64_t flush_timeout_ns, min_size, max_size;
    int sizer;
    const struct node *partition;
};
struct queue_config {
    bool enabled;
    int64_t num_consumers, queue_size, max_bytes; /* max_bytes 0: min(64 MiB, a quarter of the cgroup's limit) */
    int sizer;
    bool block_on_overflow, wait_for_result, batch_enabled;
    str storage;
    struct queue_batch_config batch;
};
extern const struct config_schema retry_config_schema, queue_config_schema;

/* What a transport says of one attempt. */
enum send_verdict { SEND_OK, SEND_RETRY, SEND_NEVER };
struct send_result {
    enum send_verdict verdict;
    bool again_now;           /* SEND_RETRY: worth another try at once; granted one time for each request */
    int64_t throttle_ns;      /* the backend asks to wait so long; 0: nothing said */
    int64_t rejected_count;   /* partial success */
    str message;              /* of a partial success or warning; may be empty */
    struct err err;           /* unless SEND_OK */
};

/* One request; the transport may use `transport` for its own state of the attempt under way. */
struct send_request {
    struct list link;
    struct queue *queue;
    void *arg;                /* the transport's */
    enum signal signal;
    struct buf payload;       /* ready for the wire */
    size_t item_count;
    size_t encoded_bytes;     /* before packing */
    void *transport;
    char *fencing_line;       /* "name: value" of a header that goes with it, the name in lower case; NULL: none */

    /* the queue's */
    struct pending_batch *pending;
    int64_t interval_ns, give_up_ns;
    struct loop_timer timer;
    int state;
    bool repeated; /* once was tried again at once */
};

struct queue_transport {
    /* Makes of `encoded`, which is prefix_bytes of anything and then OTLP, what goes over the wire, into `out`, which is empty. It may
     * give encoded's memory to `out`. Runs in any thread, `arg` is read only then. False: the request is lost. */
    bool (*pack)(const void *arg, struct buf *encoded, struct buf *out, struct err *err);
    /* Begins an attempt; queue_sent ends it, later. */
    void (*send)(void *arg, struct send_request *request);
    /* Ends the attempt under way without queue_sent. */
    void (*cancel)(void *arg, struct send_request *request);
    void *arg;
    size_t request_max;       /* encoded bytes of one request */
    size_t prefix_bytes;      /* room that pack wants in front of them */
    size_t pack_here_max;     /* up to so many bytes, packing takes less time than a trip through the thread pool, or none */
};

struct queue_stats {
    /* Items by outcome. sent: acknowledged (rejected by a partial success included); failed: the backend will never take them;
     * dropped: given up here; refused: never enqueued, for lack of room. */
    uint64_t sent_items, failed_items, refused_items, dropped_items;
    uint64_t rejected_items; /* by partial successes */
    uint64_t sent_by_signal[SIGNAL_COUNT], failed_by_signal[SIGNAL_COUNT], refused_by_signal[SIGNAL_COUNT]; /* failed: dropped included */
    uint64_t requests_sent, retries; /* attempts; those that were not the first */
    /* Now in the queue: requests; their payloads; items, also those that are not cut into requests yet; decoded batches. */
    size_t request_count, byte_count, item_count, decoded_bytes;
};

struct queue;
/* `e` is the exporter whose room and outcomes this queue handles. Configurations are copied. */
struct queue *queue_new(struct exporter *e, const struct queue_config *queue, const struct retry_config *retry,
                        const struct queue_transport *transport);
void queue_free(struct queue *q); /* after it has stopped, or if it never took anything */
void queue_consume(struct queue *q, struct batch *take_batch);
/* Should a receiver that can wait hand over another batch now? When it turns true again exporter_room is called. */
bool queue_has_room(const struct queue *q);
void queue_sent(struct send_request *request, const struct send_result *result);
/* Tries everything left, what waits for a retry included, again and again until `deadline_ns`, then drops; then exporter_stopped. */
void queue_stop(struct queue *q, int64_t deadline_ns);
const struct queue_stats *queue_statistics(const struct queue *q);
/* The same as an exporter's hook gives it. */
void queue_exporter_statistics(const struct queue *q, struct exporter_stats *stats);

#endif
