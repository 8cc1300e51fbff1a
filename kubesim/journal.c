/*
 * Which requests there were: the last ones one by one, all of them as counters by verb, resource
 * and user. Tests ask for it at /_sim/requests, to see for example that a client watches instead of
 * polling.
 *
 * Life of an entry: opened when a request has been understood, closed with status and duration when
 * its answer is made; a ring drops the oldest. Requests to /_sim itself are not entered.
 */
#include "kubesim/sim.h"

#include "wire/text.h"

enum { CAP_START = 64 };

void sim_journal_init(struct journal *j)
{
    *j = (struct journal){.next_id = 1, .first_id = 1, .cap = CAP_START};
    j->entries = mem_zalloc(j->cap * sizeof j->entries[0]);
}

static void grow(struct journal *j)
{
    size_t cap = j->cap * 2 < LIMIT_SIM_REQUEST_LOG ? j->cap * 2 : LIMIT_SIM_REQUEST_LOG;
    struct journal_entry *entries = mem_zalloc(cap * sizeof entries[0]);
    for (size_t i = 0; i < j->cap; i++) {
        if (j->entries[i].id != 0)
            entries[j->entries[i].id % cap] = j->entries[i];
    }
    mem_free(j->entries);
    j->entries = entries;
    j->cap = cap;
}

static void entry_clear(struct journal_entry *e)
{
    char *const texts[] = {e->method,   e->path,      e->query, e->user,
                           e->resource, e->namespace, e->name};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        mem_free(texts[i]);
    *e = (struct journal_entry){0};
}

static void counts_clear(struct journal *j)
{
    for (size_t i = 0; i < j->count_count; i++) {
        mem_free(j->counts[i].resource);
        mem_free(j->counts[i].user);
    }
    j->count_count = 0;
}

void journal_reset(struct journal *j)
{
    j->first_id = j->next_id;
    counts_clear(j);
}

void sim_journal_deinit(struct journal *j)
{
    for (size_t i = 0; i < j->cap; i++)
        entry_clear(&j->entries[i]);
    counts_clear(j);
    mem_free(j->entries);
    mem_free(j->counts);
}

static void count(struct journal *j, const char *verb, str resource, str user)
{
    for (size_t i = 0; i < j->count_count; i++) {
        struct journal_count *c = &j->counts[i];
        if (strcmp(c->verb, verb) == 0 && str_eqz(resource, c->resource) &&
            str_eqz(user, c->user)) {
            c->count++;
            return;
        }
    }
    if (j->count_count >= LIMIT_SIM_COUNTERS)
        return;
    if (j->count_count == j->count_cap) {
        j->count_cap = j->count_cap == 0 ? 16 : j->count_cap * 2;
        j->counts = mem_realloc(j->counts, j->count_cap * sizeof j->counts[0]);
    }
    j->counts[j->count_count++] = (struct journal_count){verb, str_dup(resource), str_dup(user), 1};
}

void sim_journal_open(struct kubesim_call *call)
{
    struct journal *j = &call->sim->journal;
    const struct attributes *what = &call->attributes;
    const struct kubesim_config *c = &call->sim->config;
    uint64_t id = j->next_id++;
    if (id > j->cap && j->cap < LIMIT_SIM_REQUEST_LOG)
        grow(j);
    struct journal_entry *e = &j->entries[id % j->cap];
    entry_clear(e);
    *e = (struct journal_entry){.id = id,
                                .wall_ns = c->wall_ns(c->arg),
                                .duration_ns = -1,
                                .method = str_dup(str_from(call->request.method)),
                                .path = str_dup(call->request.path),
                                .query = str_dup(call->request.query),
                                .user = str_dup(call->identity.user),
                                .resource = str_dup(what->resource),
                                .namespace = str_dup(what->namespace),
                                .name = str_dup(what->name),
                                .verb = what->verb};
    call->journal_id = id;
    count(j, what->verb, what->resource, call->identity.user);
}

void sim_journal_close(struct kubesim_call *call)
{
    struct journal *j = &call->sim->journal;
    struct journal_entry *e = &j->entries[call->journal_id % j->cap];
    if (e->id != call->journal_id)
        return; /* pushed out by newer ones */
    e->status = call->phase == CALL_HUNG ? 0 : call->head.status;
    e->duration_ns = sim_now(call->sim) - call->started_ns;
    e->fault = call->fault == NULL ? 0 : call->fault->id;
}

static void print_text(struct buf *b, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    buf_printf(b, ",\"%s\":", name);
    buf_json_string(b, str_from(value));
}

static void print_entry(struct buf *b, const struct journal_entry *e)
{
    buf_printf(b, "{\"id\":%" PRIu64 ",\"time\":\"", e->id);
    rfc3339_print(b, e->wall_ns, 6);
    buf_printf(b, "\",\"verb\":\"%s\",\"status\":%d", e->verb, e->status);
    if (e->duration_ns >= 0)
        buf_printf(b, ",\"duration_us\":%" PRId64, e->duration_ns / 1000);
    if (e->fault != 0)
        buf_printf(b, ",\"fault\":%" PRIu64, e->fault);
    print_text(b, "user", e->user);
    print_text(b, "resource", e->resource);
    print_text(b, "namespace", e->namespace);
    print_text(b, "name", e->name);
    print_text(b, "method", e->method);
    print_text(b, "path", e->path);
    print_text(b, "query", e->query);
    buf_byte(b, '}');
}

static size_t print_watches(struct buf *b, const struct kubesim *sim)
{
    size_t open = 0;
    buf_text(b, "\"watches\":[");
    list_for_each (node, &sim->calls) {
        const struct kubesim_call *call = CONTAINER_OF(node, struct kubesim_call, node);
        if (call->watch == NULL || call->watch->over)
            continue;
        buf_text(b, open++ == 0 ? "{\"user\":" : ",{\"user\":");
        buf_json_string(b, call->identity.user);
        buf_text(b, ",\"resource\":");
        buf_json_string(b, call->attributes.resource);
        buf_text(b, ",\"namespace\":");
        buf_json_string(b, call->attributes.namespace);
        buf_text(b, ",\"name\":");
        buf_json_string(b, call->attributes.name);
        buf_printf(b, ",\"request\":%" PRIu64 "}", call->journal_id);
    }
    buf_byte(b, ']');
    return open;
}

void journal_print(struct buf *b, const struct kubesim *sim, uint64_t last)
{
    const struct journal *j = &sim->journal;
    uint64_t first = j->first_id;
    buf_printf(b, "{\"total\":%" PRIu64 ",\"resource_version\":%" PRIu64 ",\"counters\":[",
               j->next_id - j->first_id, sim->resource_version);
    for (size_t i = 0; i < j->count_count; i++) {
        const struct journal_count *c = &j->counts[i];
        buf_printf(b, "%s{\"verb\":\"%s\",\"resource\":", i == 0 ? "" : ",", c->verb);
        buf_json_string(b, str_from(c->resource));
        buf_text(b, ",\"user\":");
        buf_json_string(b, str_from(c->user));
        buf_printf(b, ",\"count\":%" PRIu64 "}", c->count);
    }
    buf_text(b, "],");
    size_t open = print_watches(b, sim);
    buf_printf(b, ",\"open_watches\":%zu,\"requests\":[", open);
    if (last > j->cap)
        last = j->cap;
    if (j->next_id - first > last)
        first = j->next_id - last;
    for (uint64_t id = first; id < j->next_id; id++) {
        buf_text(b, id == first ? "" : ",");
        print_entry(b, &j->entries[id % j->cap]);
    }
    buf_text(b, "]}\n");
}
