/*
 * The rest of io/ for processes in the simulation: an environment of their own, no files, no other programs, no servers. Log lines
 * go to the trace.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>

#include "io/file.h"
#include "io/http_server.h"
#include "io/log_writer.h"
#include "io/process_usage.h"
#include "io/spawn.h"

/* The one world of this process of ours; handlers find out from it whose environment they ask for. */
static struct world *the_world;

void process_set_world(struct world *w)
{
    the_world = w;
}

bool env_get(const char *name, str *value)
{
    const struct replica *r = the_world->current;
    if (strcmp(name, "KUBERNETES_SERVICE_HOST") == 0)
        *value = STR("10.0.0.1");
    else if (strcmp(name, "KUBERNETES_SERVICE_PORT") == 0)
        *value = STR("443");
    else if (r != NULL && strcmp(name, "POD_NAME") == 0)
        *value = str_from(r->pod_name);
    else if (r != NULL && strcmp(name, "POD_UID") == 0)
        *value = str_from(r->pod_uid);
    else
        return false;
    return true;
}

str host_name(char *buffer, size_t size)
{
    const struct replica *r = the_world->current;
    int len = snprintf(buffer, size, "host-%d", r == NULL ? 0 : r->slot);
    return str_make(buffer, (size_t)len);
}

/* Names live in pods: another living process of the same pod would have to hold it. A slot has one process at a time, and the
 * kernel frees the name with the process. */
bool abstract_socket_claim(str name, int *fd)
{
    (void)name;
    *fd = -1;
    return true;
}

bool file_read(const char *path, struct buf *out, struct err *err)
{
    (void)out;
    return err_set_code(err, ENOENT, "%s: no such file", path);
}

bool file_replace(const char *path, str text, struct err *err)
{
    (void)text;
    return err_set_code(err, EROFS, "%s: read-only file system", path);
}

bool file_append(const char *path, str text, struct err *err)
{
    (void)text;
    return err_set_code(err, ENOENT, "%s: no such file", path);
}

uint64_t file_stamp(const char *path)
{
    (void)path;
    return 0;
}

uint64_t cgroup_memory_limit(void)
{
    return 0;
}

uint64_t cgroup_memory_limit_at(const char *self_path, const char *mount_path)
{
    (void)self_path, (void)mount_path;
    return 0;
}

void standard_files_open(void)
{
}

void process_usage_read(struct process_usage *usage)
{
    *usage = (struct process_usage){0};
}

struct http_server *http_server_new(struct loop *loop, const struct http_server_config *config,
                                    struct err *err)
{
    (void)loop, (void)config;
    err_set_code(err, EADDRNOTAVAIL, "no addresses in the simulation");
    return NULL;
}

void http_server_free(struct http_server *s)
{
    CHECK(s == NULL);
}

uint16_t http_server_port(const struct http_server *s)
{
    (void)s;
    return 0;
}

struct spawn_call *spawn_run(struct loop *loop, char *const args[], char *const env[],
                             int64_t timeout_ms,
                             void (*done)(void *arg, const struct spawn_result *result), void *arg)
{
    (void)loop, (void)env, (void)timeout_ms, (void)done, (void)arg;
    CHECK(args == NULL); /* a process of the simulation runs no other programs */
    return NULL;
}

void spawn_cancel(struct spawn_call *call)
{
    CHECK(call == NULL);
}

struct log_writer *log_writer_new(const char *path, struct err *err)
{
    err_set(err, "%s: no such file", path);
    return NULL;
}

void log_writer_free(struct log_writer *w, int64_t wait_ms)
{
    (void)wait_ms;
    CHECK(w == NULL);
}

void log_writer_write(void *writer, str line)
{
    (void)writer, (void)line;
}

bool log_writer_flush(struct log_writer *w, int64_t wait_ms)
{
    (void)w, (void)wait_ms;
    return true;
}

uint64_t log_writer_dropped(const struct log_writer *w)
{
    (void)w;
    return 0;
}
