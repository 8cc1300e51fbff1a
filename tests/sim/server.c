/*
 * The API server: kubesim's core with the world's clock and randomness, and the hands of people who edit the Lease.
 */
#include "world.h"

#include <stdio.h>

#include "base/limits.h"
#include "election/note.h"
#include "kube/lease.h"

#define FOREIGN_HOLDER "another-program"
#define LEASE_PATH "/apis/coordination.k8s.io/v1/namespaces/default/leases"

static int64_t wall_ns(void *arg)
{
    const struct world *w = arg;
    return EPOCH_NS + w->now_ns;
}

static int64_t steady_ns(void *arg)
{
    const struct world *w = arg;
    return w->now_ns;
}

static void random_bytes(void *arg, void *out, size_t size)
{
    struct world *w = arg;
    unsigned char *at = out;
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)chance_next(&w->server_chance);
}

static void connections_cut(void *arg, int64_t down_ns)
{
    struct world *w = arg;
    w->server_down_until_ns = w->now_ns + down_ns;
}

static void on_tick(void *arg)
{
    struct world *w = arg;
    int64_t next_ns = kubesim_tick(w->server);
    if (next_ns != INT64_MAX)
        world_at(w, &w->server_tick, next_ns);
}

void server_kick(struct world *w)
{
    int64_t next_ns = kubesim_tick(w->server);
    if (next_ns == INT64_MAX)
        world_cancel(w, &w->server_tick);
    else if (!event_is_set(&w->server_tick) || w->server_tick.at_ns != next_ns)
        world_at(w, &w->server_tick, next_ns);
}

void server_new(struct world *w)
{
    const struct kubesim_config config = {
        .wall_ns = wall_ns,
        .now_ns = steady_ns,
        .random = random_bytes,
        .connections_cut = connections_cut,
        .arg = w,
        .hash_key = {w->hash_key[0], w->hash_key[1]},
    };
    w->server = kubesim_new(&config);
    CHECK(kubesim_user_set(w->server, STR("admin"), STR("system:masters"), STR("admin")));
    for (int i = 0; i < USERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "slot-%d", i);
        CHECK(kubesim_user_set(w->server, str_from(name), STR_NONE, str_from(name)));
    }
    event_init(&w->server_tick, on_tick, w);
    server_kick(w);
}

/* -- hands -- */

bool server_frozen(const struct world *w)
{
    return w->server_is_frozen;
}

int server_ask(struct world *w, const char *method, const char *path, str body, struct buf *answer)
{
    const struct kubesim_request request = {
        .method = method,
        .path = str_from(path),
        .authorization = STR("Bearer admin"),
        .content_type = STR("application/json"),
        .accept = STR("application/json"),
        .body = body,
    };
    struct kubesim_call *call = kubesim_call_start(w->server, &request, NULL, NULL);
    const struct kubesim_head *head = kubesim_call_head(call);
    int status = head == NULL ? 0 : head->status;
    buf_clear(answer);
    for (bool more = head != NULL; more;) {
        size_t len;
        char *room = buf_reserve(answer, 4 * KIB);
        CHECK(room != NULL);
        more = kubesim_call_read(call, room, 4 * KIB, &len) == KUBESIM_DATA;
        buf_commit(answer, len);
    }
    kubesim_call_free(call);
    server_kick(w);
    return status;
}

static int ask(struct world *w, const char *method, const char *name, str body, struct buf *answer)
{
    char path[256];
    snprintf(path, sizeof path, LEASE_PATH "/%s", name);
    return server_ask(w, method, path, body, answer);
}

static bool read_lease(struct world *w, const char *name, struct lease *lease)
{
    struct buf answer;
    struct err err;
    buf_init(&answer, MIB);
    bool found = ask(w, "GET", name, STR_NONE, &answer) == 200;
    if (found)
        CHECK(lease_parse(lease, buf_view(&answer), &err));
    buf_deinit(&answer);
    return found;
}

static void copy(char *to, size_t size, str from)
{
    snprintf(to, size, "%.*s", STR_ARG(from));
}

void server_lease(struct world *w, const char *name, struct lease_now *out)
{
    struct lease lease;
    lease_init(&lease);
    *out = (struct lease_now){.exists = read_lease(w, name, &lease)};
    if (out->exists) {
        copy(out->holder, sizeof out->holder, lease.holder);
        copy(out->uid, sizeof out->uid, lease.uid);
        copy(out->version, sizeof out->version, lease.resource_version);
        out->transitions = lease.transitions;
    }
    lease_deinit(&lease);
}

static void edit(struct lease *lease, enum hand what, int64_t now_ns)
{
    switch (what) {
    case HAND_FOREIGN: /* a leader of another program */
        lease->holder = STR(FOREIGN_HOLDER);
        lease->transitions++;
        lease->acquire_ns = lease->renew_ns = now_ns;
        break;
    case HAND_TWIN: /* another program under our name, which keeps annotations it does not know */
        lease->renew_ns = now_ns;
        break;
    case HAND_FOREIGN_RENEW:
        lease->renew_ns = now_ns;
        break;
    case HAND_FOREIGN_RELEASE:
        lease->holder = STR_NONE;
        lease->duration_s = 1;
        lease->renew_ns = now_ns;
        break;
    case HAND_CLEAR:
        lease->holder = STR_NONE;
        break;
    case HAND_SHORTEN:
        lease->duration_s = 1;
        break;
    case HAND_YIELD: { /* as `baton lease yield` */
        char term[160];
        snprintf(term, sizeof term, "%.*s/%" PRId32, STR_ARG(lease->uid), lease->transitions);
        lease_annotation_set(lease, STR(YIELD_ANNOTATION), str_from(term));
        break;
    }
    case HAND_DELETE:
        break;
    }
}

bool server_hand(struct world *w, enum hand what)
{
    struct lease lease;
    struct buf text, answer;
    lease_init(&lease);
    buf_init(&text, LIMIT_LEASE_BYTES);
    buf_init(&answer, MIB);
    bool done = read_lease(w, "the-lease", &lease) && lease.holder.len > 0;
    if (what == HAND_FOREIGN_RENEW || what == HAND_FOREIGN_RELEASE)
        done = done && str_eqz(lease.holder, FOREIGN_HOLDER);
    if (what ==
        HAND_CLEAR) /* with a duration of 1 s that is the form of a release, which means what it says */
        done = done && lease.duration_s != 1;
    if (done && what == HAND_DELETE) {
        done = ask(w, "DELETE", "the-lease", STR_NONE, &answer) == 200;
    } else if (done) {
        edit(&lease, what, (EPOCH_NS + w->now_ns) / 1000 * 1000);
        lease_print(&text, &lease);
        done = ask(w, "PUT", "the-lease", buf_view(&text), &answer) == 200;
    }
    lease_deinit(&lease);
    buf_deinit(&text);
    buf_deinit(&answer);
    return done;
}
