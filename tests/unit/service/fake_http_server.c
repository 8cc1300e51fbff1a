#include "fake_http_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SERVERS_MAX = 8, ADDRESS_MAX = 128 };

struct http_server {
    struct http_server_config config;
    char address[ADDRESS_MAX];
};

static struct http_server *servers[SERVERS_MAX];
static const char *refused;
static size_t opened;

void fake_http_server_refuse(const char *address)
{
    refused = address;
}

size_t fake_http_server_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < SERVERS_MAX; i++)
        count += servers[i] != NULL;
    return count;
}

size_t fake_http_server_opened(void)
{
    return opened;
}

static struct http_server **find(const char *address)
{
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (servers[i] != NULL && strcmp(servers[i]->address, address) == 0)
            return &servers[i];
    return NULL;
}

struct http_server *http_server_new(struct loop *loop, const struct http_server_config *config, struct err *err)
{
    (void)loop;
    struct http_server *s = mem_zalloc(sizeof *s);
    s->config = *config;
    (void)snprintf(s->address, sizeof s->address, "%.*s:%u", STR_ARG(config->host), config->port);
    if (find(s->address) != NULL || (refused != NULL && strcmp(refused, s->address) == 0)) {
        err_set_code(err, EADDRINUSE, "cannot listen on %s: Address already in use", s->address);
        mem_free(s);
        return NULL;
    }
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (servers[i] == NULL) {
            opened++;
            servers[i] = s;
            return s;
        }
    CHECK(false);
    return NULL;
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    *find(s->address) = NULL;
    mem_free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->config.port;
}

bool fake_http_server_get(const char *address, const char *path, struct http_reply *reply)
{
    struct http_server **s = find(address);
    if (s == NULL)
        return false;
    *reply = (struct http_reply){.status = 200};
    buf_init(&reply->body, 1 << 20);
    (*s)->config.handle((*s)->config.arg, str_from(path), reply);
    return true;
}
