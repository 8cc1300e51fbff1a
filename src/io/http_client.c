/*
 * HTTP requests over libcurl: the client, its requests and its end.
 *
 * Life of a request: http_send makes a call and posts a task, so that nothing is called back, and
 * libcurl is not entered, before it returned; the task hands the call to a pool (http_pool.c), or
 * to a cleartext HTTP/2 connection (http_h2c.c), or, when the request itself is wrong, ends it. A
 * call that is over or cancelled lies in `ended` until the last of our handlers has left the stack:
 * a library may be in the middle of it.
 *
 * Whatever may call back is between http_client_enter and http_client_leave. The leave that brings
 * the depth to zero frees what is in `ended`, then pools that were retired and are empty, and, when
 * http_client_free was called meanwhile, the client.
 *
 * Invariants: at depth 0, `ended` is empty; a call in `calls` has been told nothing final; nothing
 * in `ended` is ever called back.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "io/http_internal.h"

static void client_destroy(struct http_client *client)
{
    http_h2c_close(client);
    list_for_each_safe (node, &client->pools)
        http_pool_free(CONTAINER_OF(node, struct http_pool, node));
    loop_task_cancel(&client->start);
    loop_task_cancel(&client->thin);
    http_tls_set_unref(client->tls);
    http_proxy_set_free(client->proxy);
    mem_free(client->user_agent);
    mem_free(client);
    curl_global_cleanup();
}

void http_client_enter(struct http_client *client)
{
    client->depth++;
}

void http_client_leave(struct http_client *client)
{
    CHECK(client->depth > 0);
    if (--client->depth > 0)
        return;
    list_for_each_safe (call_node, &client->ended)
        http_call_free(CONTAINER_OF(call_node, struct http_call, node));
    list_for_each_safe (pool_node, &client->pools) {
        struct http_pool *pool = CONTAINER_OF(pool_node, struct http_pool, node);
        if (pool->retired && pool->call_count == 0)
            http_pool_free(pool);
    }
    http_h2c_sweep(client);
    if (client->freed)
        client_destroy(client);
}

/* The first call before number `limit` that waits to be started, or NULL. */
static struct http_call *next_to_start(const struct http_client *client, uint64_t limit)
{
    list_for_each (node, &client->calls) {
        struct http_call *call = CONTAINER_OF(node, struct http_call, node);
        if (!call->started && call->number < limit)
            return call;
    }
    return NULL;
}

/* Calls that a callback sends meanwhile wait for the next turn. */
static void start_calls(void *arg)
{
    struct http_client *client = arg;
    http_client_enter(client);
    uint64_t limit = client->call_number;
    for (struct http_call *call = next_to_start(client, limit); call != NULL;
         call = next_to_start(client, limit)) {
        call->started = true;
        if (call->refused.text[0] != '\0')
            http_call_finish(call, HTTP_CONNECT_FAILED, CURLE_URL_MALFORMAT);
        else if (call->h2c)
            http_h2c_start(call);
        else
            http_pool_start(call);
    }
    http_client_leave(client);
}

struct http_client *http_client_new(struct loop *loop, const struct logger *logger,
                                    const struct http_client_config *config, struct err *err)
{
    struct http_tls_set *tls = http_tls_set_new(&config->tls, err);
    struct http_proxy_set *proxy =
        tls == NULL ? NULL : http_proxy_set_new(config->proxy, config->proxy_url, logger, err);
    if (proxy == NULL) {
        http_tls_set_unref(tls);
        return NULL;
    }
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* counts its callers */
    struct http_client *client = mem_zalloc(sizeof(*client));
    client->loop = loop;
    client->logger = *logger;
    client->version = config->version;
    client->tls = tls;
    client->proxy = proxy;
    client->user_agent = config->user_agent.len == 0 ? NULL : str_dup(config->user_agent);
    client->connect_timeout_ms = config->connect_timeout_ms > 0 ? (long)config->connect_timeout_ms
                                                                : LIMIT_HTTP_CONNECT_TIMEOUT_MS;
    client->connections_max = (long)config->connections_max;
    list_init(&client->pools);
    list_init(&client->h2cs);
    list_init(&client->calls);
    list_init(&client->ended);
    loop_task_init(loop, &client->start, "http start", start_calls, client);
    loop_task_init(loop, &client->thin, "http thin", http_pool_thin, client);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    http_client_enter(client);
    list_for_each_safe (node, &client->calls)
        http_cancel(CONTAINER_OF(node, struct http_call, node));
    loop_task_cancel(&client->start);
    loop_task_cancel(&client->thin);
    client->freed = true;
    http_client_leave(client);
}

void http_client_drop_connections(struct http_client *client)
{
    http_client_enter(client);
    list_for_each (node, &client->pools)
        http_pool_retire(CONTAINER_OF(node, struct http_pool, node));
    http_h2c_drop(client);
    http_client_leave(client);
}

bool http_client_set_tls(struct http_client *client, const struct http_tls *tls, struct err *err)
{
    struct http_tls_set *set = http_tls_set_new(tls, err);
    if (set == NULL)
        return false;
    http_tls_set_unref(client->tls);
    client->tls = set;
    http_client_drop_connections(client);
    return true;
}

struct http_call *http_send(struct http_client *client, const struct http_request *request)
{
    CHECK(!client->freed);
    struct http_call *call = http_call_new(client, request);
    call->number = client->call_number++;
    list_append(&client->calls, &call->node);
    loop_task_post(&client->start);
    return call;
}
