/*
 * Switches over HTTP, for tests. No token is asked for: the program listens on loopback.
 *
 *   GET, POST, DELETE /_sim/faults[/ID]    fault rules, see fault.c; POST answers {"id":N}
 *   GET, POST, DELETE /_sim/rules[/ID]     who may what: {"allow":bool,"user":..,"verb":..,
 *                                          "resource":..,"namespace":..,"name":..}
 *   POST /_sim/users         {"name":..,"groups":"a,b","token":..}: adds, or gives another token;
 *                            the old one is 401 from then on
 *   GET, DELETE /_sim/requests[?last=N]    what was asked; DELETE starts counting anew
 *   POST /_sim/compact       older resourceVersions give 410 from now on
 *   POST /_sim/drop_watches  {"how":"end|cut|error|stall","user":..,"resource":..}
 *   POST /_sim/freeze        {"for_ms":N}: nothing is answered or executed until then, or until
 *   POST /_sim/unfreeze
 *   POST /_sim/restart       {"down_ms":N}: all connections are cut, the objects stay, the windows
 *                            of watches are lost
 *   POST /_sim/rollback      {"resource_version":N}: objects and counter as they were then, all
 *                            connections cut
 *   POST /_sim/generate      {"spec":"pods=1000,seed=7"}: the cluster of --generate
 *   POST /_sim/churn?rate=N  changes of that cluster a second from now on; 0: none
 *   GET  /_sim/state         resourceVersion, numbers of objects, frozen or not, changes so far
 *
 * An unknown member of a body is an error: a test that misspells a fault must not pass because of
 * it.
 */
#include "kubesim/sim.h"

#include "kubesim/generate.h"

static bool bad(struct kubesim_call *call, const char *text)
{
    return fail_bad_request(call, "%s", text);
}

/* The body as an object whose members are all named in `known` ("a b c"); empty counts as {}. NULL:
 * an answer was made. */
static const struct dom *control_body(struct kubesim_call *call, const char *known)
{
    struct err err;
    if (str_trim(call->request.body).len == 0)
        return dom_new(&call->arena, DOM_OBJECT);
    const struct dom *d = dom_parse(&call->arena, call->request.body, &err);
    if (d == NULL || d->type != DOM_OBJECT) {
        bad(call, d == NULL ? err.text : "the body must be a JSON object");
        return NULL;
    }
    for (const struct dom *m = d->first; m != NULL; m = m->next) {
        str rest = str_from(known), name;
        bool found = false;
        while (rest.len > 0 && !found) {
            str_cut(rest, ' ', &name, &rest);
            found = str_eq(name, m->key);
        }
        if (!found) {
            fail_bad_request(call, "there is no '%.*s' here, only: %s", STR_ARG(m->key), known);
            return NULL;
        }
    }
    return d;
}

static bool read_ms(struct kubesim_call *call, const struct dom *body, const char *name,
                    int64_t *ns)
{
    const struct dom *d = dom_getz(body, name);
    *ns = 0;
    if (d == NULL)
        return true;
    if (!dom_i64(d, ns) || *ns < 0 || *ns > INT64_C(1000000000))
        return fail_bad_request(call, "%s must be a whole number of milliseconds", name);
    *ns *= 1000000;
    return true;
}

static void answer_done(struct kubesim_call *call)
{
    answer_text(call, 200, "application/json", STR("{}\n"));
}

static void answer_id(struct kubesim_call *call, uint64_t id)
{
    struct buf b;
    buf_init(&b, 64);
    buf_printf(&b, "{\"id\":%" PRIu64 "}\n", id);
    answer_json(call, 201, &b);
    buf_deinit(&b);
}

/* The number behind /_sim/faults/; 0 if there is none. */
static uint64_t id_of_path(const struct kubesim_call *call)
{
    uint64_t id;
    return call->route.segment_count > 2 && str_to_u64(call->route.segments[2], &id) ? id : 0;
}

static void control_faults(struct kubesim_call *call)
{
    struct err err;
    uint64_t id;
    if (strcmp(call->request.method, "DELETE") == 0) {
        faults_clear(call->sim, id_of_path(call));
        answer_done(call);
    } else if (strcmp(call->request.method, "POST") != 0) {
        struct buf b;
        buf_init(&b, LIMIT_SIM_OUT_BYTES);
        faults_print(&b, call->sim);
        answer_json(call, 200, &b);
        buf_deinit(&b);
    } else if (kubesim_fault_add(call->sim, call->request.body, &id, &err)) {
        answer_id(call, id);
    } else {
        bad(call, err.text);
    }
}

static void rules_print(struct buf *b, const struct kubesim *sim)
{
    buf_byte(b, '[');
    for (const struct sim_rule *r = sim->rules; r != NULL; r = r->next) {
        const char *const texts[][2] = {{"user", r->user},
                                        {"verb", r->verb},
                                        {"resource", r->resource},
                                        {"namespace", r->namespace},
                                        {"name", r->name}};
        buf_printf(b, "%s{\"id\":%" PRIu64 ",\"allow\":%s", r == sim->rules ? "" : ",", r->id,
                   r->allow ? "true" : "false");
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            buf_printf(b, ",\"%s\":", texts[i][0]);
            buf_json_string(b, str_from(texts[i][1]));
        }
        buf_byte(b, '}');
    }
    buf_text(b, "]\n");
}

static void control_rules(struct kubesim_call *call)
{
    struct kubesim *sim = call->sim;
    if (strcmp(call->request.method, "DELETE") == 0) {
        rules_clear(sim, id_of_path(call));
        answer_done(call);
        return;
    }
    if (strcmp(call->request.method, "POST") != 0) {
        struct buf b;
        buf_init(&b, LIMIT_SIM_OUT_BYTES);
        rules_print(&b, sim);
        answer_json(call, 200, &b);
        buf_deinit(&b);
        return;
    }
    const struct dom *body = control_body(call, "allow user verb resource namespace name");
    if (body == NULL)
        return;
    const struct dom *allow = dom_getz(body, "allow");
    const str parts[5] = {dom_text(body, "user"), dom_text(body, "verb"),
                          dom_text(body, "resource"), dom_text(body, "namespace"),
                          dom_text(body, "name")};
    size_t existing = 0;
    for (const struct sim_rule *r = sim->rules; r != NULL; r = r->next)
        existing++;
    if (allow == NULL || (allow->type != DOM_TRUE && allow->type != DOM_FALSE)) {
        bad(call, "allow must be true or false");
    } else if (existing >= LIMIT_SIM_RULES) {
        bad(call, "too many rules");
    } else {
        rule_add(sim, allow->type == DOM_TRUE, parts);
        answer_id(call, sim->next_rule_id - 1);
    }
}

static void control_users(struct kubesim_call *call)
{
    const struct dom *body = control_body(call, "name groups token");
    if (body == NULL)
        return;
    str name = dom_text(body, "name"), token = dom_text(body, "token");
    if (name.len == 0 || token.len == 0)
        bad(call, "name and token must be set");
    else if (!kubesim_user_set(call->sim, name, dom_text(body, "groups"), token))
        bad(call, "too many users");
    else
        answer_done(call);
}

static void control_requests(struct kubesim_call *call)
{
    struct buf b;
    str text;
    uint64_t last = 1000;
    if (strcmp(call->request.method, "DELETE") == 0) {
        journal_reset(&call->sim->journal);
        answer_done(call);
        return;
    }
    if (query_get(&call->query, "last", &text) && !str_to_u64(text, &last)) {
        bad(call, "last must be a number");
        return;
    }
    buf_init(&b, LIMIT_SIM_OUT_BYTES);
    journal_print(&b, call->sim, last);
    answer_json(call, 200, &b);
    buf_deinit(&b);
}

static void control_drop_watches(struct kubesim_call *call)
{
    static const char *const names[] = {"end", "cut", "error", "stall"};
    const struct dom *body = control_body(call, "how user resource");
    size_t how = 0;
    if (body == NULL)
        return;
    str text = dom_text(body, "how");
    while (text.len > 0 && how < COUNT_OF(names) && !str_eqz(text, names[how]))
        how++;
    if (how == COUNT_OF(names)) {
        bad(call, "how must be end, cut, error or stall");
        return;
    }
    size_t count = kubesim_drop_watches(call->sim, (enum kubesim_drop)how, dom_text(body, "user"),
                                        dom_text(body, "resource"));
    struct buf b;
    buf_init(&b, 64);
    buf_printf(&b, "{\"dropped\":%zu}\n", count);
    answer_json(call, 200, &b);
    buf_deinit(&b);
}

static void control_freeze(struct kubesim_call *call)
{
    int64_t for_ns = 0;
    const struct dom *body = control_body(call, "for_ms");
    if (body == NULL || !read_ms(call, body, "for_ms", &for_ns))
        return;
    struct kubesim *sim = call->sim;
    kubesim_freeze(sim, true);
    if (for_ns > 0) {
        int64_t until_ns = sim_now(sim) + for_ns;
        sim->frozen_until_ns = until_ns;
        sim_wake_at(sim, until_ns);
    }
    answer_done(call);
}

static void control_unfreeze(struct kubesim_call *call)
{
    kubesim_freeze(call->sim, false);
    answer_done(call);
}

static void control_compact(struct kubesim_call *call)
{
    kubesim_compact(call->sim);
    answer_done(call);
}

static void control_restart(struct kubesim_call *call)
{
    int64_t down_ns;
    const struct dom *body = control_body(call, "down_ms");
    if (body == NULL || !read_ms(call, body, "down_ms", &down_ns))
        return;
    kubesim_restart(call->sim, down_ns);
    answer_done(call);
}

static void control_rollback(struct kubesim_call *call)
{
    struct err err;
    int64_t version;
    const struct dom *body = control_body(call, "resource_version");
    if (body == NULL)
        return;
    if (!dom_i64(dom_getz(body, "resource_version"), &version) || version < 1)
        bad(call, "resource_version must be a number");
    else if (!kubesim_rollback(call->sim, (uint64_t)version, &err))
        bad(call, err.text);
    else
        answer_done(call);
}

static void control_state(struct kubesim_call *call)
{
    const struct kubesim *sim = call->sim;
    struct buf b;
    buf_init(&b, 1 * MIB);
    buf_printf(&b, "{\"resource_version\":%" PRIu64 ",\"frozen\":%s,\"objects\":{",
               sim->resource_version, sim->frozen ? "true" : "false");
    for (size_t i = 0; i < sim->table_count; i++)
        buf_printf(&b, "%s\"%s\":%zu", i == 0 ? "" : ",", sim->tables[i]->kind->plural,
                   sim->tables[i]->count);
    buf_byte(&b, '}');
    if (sim->generator != NULL)
        buf_printf(&b,
                   ",\"churn\":{\"rate\":%" PRIu32 ",\"created\":%" PRIu64 ",\"modified\":%" PRIu64
                   ",\"deleted\":%" PRIu64 "}",
                   sim->generator->churn_rate, sim->generator->created, sim->generator->modified,
                   sim->generator->deleted);
    buf_text(&b, "}\n");
    answer_json(call, 200, &b);
    buf_deinit(&b);
}

static void control_generate(struct kubesim_call *call)
{
    struct err err;
    const struct dom *body = control_body(call, "spec");
    if (body == NULL)
        return;
    if (kubesim_generate(call->sim, dom_text(body, "spec"), &err))
        answer_done(call);
    else
        bad(call, err.text);
}

static void control_churn(struct kubesim_call *call)
{
    struct err err;
    str text = STR_NONE;
    uint64_t rate;
    if (!query_get(&call->query, "rate", &text) || !str_to_u64(text, &rate) ||
        rate > LIMIT_SIM_CHURN_PER_S)
        fail_bad_request(call, "rate must be a number up to %d", LIMIT_SIM_CHURN_PER_S);
    else if (kubesim_churn(call->sim, (uint32_t)rate, &err))
        answer_done(call);
    else
        bad(call, err.text);
}

void control_execute(struct kubesim_call *call)
{
    static const struct {
        const char *name, *methods;
        void (*run)(struct kubesim_call *call);
    } switches[] = {
        {"faults", "GET,POST,DELETE", control_faults},
        {"rules", "GET,POST,DELETE", control_rules},
        {"users", "POST", control_users},
        {"requests", "GET,DELETE", control_requests},
        {"compact", "POST", control_compact},
        {"drop_watches", "POST", control_drop_watches},
        {"freeze", "POST", control_freeze},
        {"unfreeze", "POST", control_unfreeze},
        {"restart", "POST", control_restart},
        {"rollback", "POST", control_rollback},
        {"generate", "POST", control_generate},
        {"churn", "POST", control_churn},
        {"state", "GET", control_state},
    };
    str name = call->route.segment_count > 1 ? call->route.segments[1] : STR_NONE;
    for (size_t i = 0; i < COUNT_OF(switches); i++) {
        if (!str_eqz(name, switches[i].name))
            continue;
        if (name_in_list(switches[i].methods, str_from(call->request.method)))
            switches[i].run(call);
        else
            fail_method(call);
        return;
    }
    fail_no_such_resource(call);
}
