/*
 * Generated clusters.
 *
 * Life of one: kubesim_generate reads how many objects of each kind there are to be ("pods=100000",
 * the rest in proportion), puts them all into the tables, and from then on they are objects like
 * others: they can be listed, watched, patched, deleted. Each exists as a few numbers and is printed
 * from the template of its kind and variant whenever somebody asks for it.
 *
 * Where things are: deployment d has replica set d and pods d*k to d*k+k-1, all in namespace d mod
 * the number of namespaces; pod n runs on node n mod the number of nodes.
 *
 * Invariant: what a place is filled with depends on seed and numbers only, so two simulators with
 * the same seed serve the same cluster.
 */
#include "kubesim/generate.h"

#include "kubesim/sim.h"

/* -- values -- */

uint64_t gen_hash(uint64_t seed, uint64_t a, uint64_t b)
{
    /* splitmix64's finisher, once for each input */
    uint64_t inputs[] = {seed, a, b}, x = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        x = (x ^ inputs[i]) + UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
    }
    return x;
}

static void put_digits(char *out, size_t width, uint32_t n)
{
    while (width-- > 0) {
        out[width] = (char)('0' + n % 10);
        n /= 10;
    }
}

static void put_hex(char *out, size_t width, uint64_t seed, uint64_t what)
{
    for (size_t i = 0; i < width;) {
        uint64_t bits = gen_hash(seed, what, i);
        for (size_t j = 0; j < 16 && i < width; j++, i++, bits >>= 4)
            out[i] = "0123456789abcdef"[bits & 15];
    }
}

static void put_letters(char *out, size_t width, uint64_t bits)
{
    for (size_t i = 0; i < width; i++, bits /= 27)
        out[i] = "bcdfghjklmnpqrstvwxz2456789"[bits % 27];
}

static void put_uid(char *out, uint64_t seed, enum gen_kind kind, uint64_t number)
{
    char hex[32];
    put_hex(hex, sizeof hex, seed ^ ((uint64_t)kind << 56), number);
    memcpy(out, hex, 8);
    memcpy(out + 9, hex + 8, 4);
    memcpy(out + 14, hex + 12, 4);
    memcpy(out + 19, hex + 16, 4);
    memcpy(out + 24, hex + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[14] = '4'; /* version and variant of a random UUID */
    out[19] = "89ab"[hex[0] & 3];
}

/* "10.1xx.1xx.1xx": always 14 characters */
static void put_address(char *out, char net, uint32_t n)
{
    memcpy(out, "10.100.100.100", 14);
    out[3] = net;
    put_digits(out + 4, 2, net == '2' ? n / 10000 % 50 : n / 10000);
    put_digits(out + 8, 2, n / 100);
    put_digits(out + 12, 2, n);
}

static uint64_t own(const struct sim_values *v)
{
    return v->number + ((uint64_t)v->incarnation << 32);
}

static void put_choice(char *out, const char *const choices[4], uint64_t seed,
                       const struct sim_values *v)
{
    const char *text = choices[gen_hash(seed, v->parent, 7) & 3];
    memcpy(out, text, strlen(text));
}

static size_t width_of(char letter)
{
    static const struct {
        char letter;
        uint8_t width;
    } letters[] = {
        {'n', 5},  {'p', 5},  {'k', 5},  {'s', 4},  {'x', 5},  {'t', 10}, {'u', 36}, {'o', 36},
        {'i', 14}, {'h', 14}, {'e', 14}, {'f', 14}, {'g', 14}, {'A', 64}, {'B', 64}, {'C', 64},
        {'D', 64}, {'c', 4},  {'d', 4},  {'m', 5},  {'w', 5},  {'z', 2},
    };
    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        if (letters[i].letter == letter)
            return letters[i].width;
    }
    return 0;
}

static void fill(const struct sim_values *v, uint64_t seed, char letter, char *out, size_t width)
{
    static const char *const cpu_requests[4] = {"100m", "150m", "200m", "250m"};
    static const char *const cpu_limits[4] = {"500m", "600m", "750m", "900m"};
    static const char *const memory_requests[4] = {"128Mi", "192Mi", "256Mi", "320Mi"};
    static const char *const memory_limits[4] = {"384Mi", "512Mi", "640Mi", "768Mi"};
    switch (letter) {
    case 'n': /* own number */
        put_digits(out, width, v->number);
        break;
    case 'p': /* number of the owner */
        put_digits(out, width, v->parent);
        break;
    case 'k': /* number of the node */
        put_digits(out, width, v->node);
        break;
    case 's': /* number of the namespace */
        put_digits(out, width, v->space);
        break;
    case 'x': /* end of a pod's name */
        put_letters(out, width, gen_hash(seed, own(v), 1));
        break;
    case 't': /* pod-template-hash */
        put_letters(out, width, gen_hash(seed, v->parent, 2));
        break;
    case 'u': /* own uid */
        put_uid(out, seed, v->kind, own(v));
        break;
    case 'o': /* uid of the owner */
        put_uid(out, seed, v->owner, v->parent);
        break;
    case 'i': /* own address */
        put_address(out, '1', v->number);
        break;
    case 'h': /* address of the node */
        put_address(out, '2', v->node);
        break;
    case 'e': /* addresses behind a service */
    case 'f':
    case 'g':
        put_address(out, '1', v->parent * 10 + (uint32_t)(letter - 'e'));
        break;
    case 'A': /* containers */
    case 'B':
        put_hex(out, width, seed + (uint64_t)letter, own(v));
        break;
    case 'C': /* images */
    case 'D':
        put_hex(out, width, seed + (uint64_t)letter, v->parent);
        break;
    case 'c':
        put_choice(out, cpu_requests, seed, v);
        break;
    case 'd':
        put_choice(out, cpu_limits, seed, v);
        break;
    case 'm':
        put_choice(out, memory_requests, seed, v);
        break;
    case 'w':
        put_choice(out, memory_limits, seed, v);
        break;
    case 'z': /* zone */
        put_digits(out, width, 1 + v->node % 3);
        break;
    default:
        break;
    }
}

size_t gen_fill(const struct sim_values *values, uint64_t seed, char letter, char *out)
{
    size_t width = width_of(letter);
    if (out != NULL && width > 0)
        fill(values, seed, letter, out, width);
    return width;
}

/* -- objects -- */

static struct sim_template *make_template(const struct generator *g, enum gen_kind kind,
                                          uint32_t variant)
{
    const struct gen_source *source = &gen_sources[kind];
    const struct sim_kind *k = g->tables[kind]->kind;
    struct arena a;
    struct err err;
    arena_init(&a, 64 * KIB);
    struct dom *tree = dom_parse(&a, str_from(source->json), &err);
    struct sim_schema_report report = {.arena = &a, .collect = true};
    CHECK(tree != NULL);
    if (source->vary != NULL)
        source->vary(&a, tree, variant);
    /* The schema takes managedFields away, as from a request. */
    struct dom *managed = dom_getz(dom_getz(tree, "metadata"), "managedFields");
    managed = managed == NULL ? NULL : dom_copy(&a, managed);
    tree = schema_apply(k, tree, &report);
    CHECK(!report.failed && report.strange_count == 0);
    if (managed != NULL)
        dom_set(dom_getz(tree, "metadata"), STR("managedFields"), managed);
    struct sim_template *t = template_new(k, tree, gen_fill, g->seed);
    arena_deinit(&a);
    return t;
}

static struct sim_values values_of(const struct generator *g, enum gen_kind kind, uint32_t number)
{
    struct sim_values v = {.kind = (uint8_t)kind,
                           .owner = (uint8_t)gen_sources[kind].owner,
                           .number = number,
                           .parent = number};
    uint32_t deployments = g->counts[GEN_DEPLOYMENT], jobs = g->counts[GEN_CRON_JOB];
    if (kind == GEN_POD) {
        v.parent = number / g->pods_for_deployment;
        v.incarnation = g->pods[number].incarnation;
        v.variant = g->pods[number].variant;
    } else if (kind == GEN_DEPLOYMENT || kind == GEN_REPLICA_SET) {
        v.variant = g->desired[number] * GEN_REPLICAS + gen_available(g, number);
    } else if ((kind == GEN_SERVICE || kind == GEN_ENDPOINT_SLICE || kind == GEN_HPA) &&
               deployments > 0) {
        v.parent = number % deployments;
    } else if (kind == GEN_JOB && jobs > 0) {
        v.parent = number % jobs;
    }
    if (kind == GEN_NODE)
        v.node = number;
    else if (g->counts[GEN_NODE] > 0)
        v.node = number % g->counts[GEN_NODE];
    if (kind == GEN_NAMESPACE)
        v.space = number;
    else if (g->counts[GEN_NAMESPACE] > 0)
        v.space = v.parent % g->counts[GEN_NAMESPACE];
    return v;
}

struct sim_object *gen_object(struct generator *g, enum gen_kind kind, uint32_t number,
                              uint64_t resource_version)
{
    struct sim_values v = values_of(g, kind, number);
    uint32_t id[2] = {(uint32_t)kind, v.variant};
    struct sim_template *t = map_get(&g->templates, str_make((const char *)id, sizeof id));
    if (t == NULL) {
        t = make_template(g, kind, v.variant);
        memcpy(t->id, id, sizeof id);
        map_put(&g->templates, str_make((const char *)t->id, sizeof t->id), t);
    }
    return sim_object_new_generated(t, &v, resource_version);
}

uint32_t gen_available(const struct generator *g, uint32_t number)
{
    uint32_t available = 0;
    const struct gen_pod *pods = &g->pods[number * g->pods_for_deployment];
    for (uint32_t i = 0; i < g->pods_for_deployment; i++) {
        unsigned state = pods[i].variant / GEN_RESTARTS;
        available += pods[i].alive && (state == POD_RUNNING || state == POD_OOM_KILLED);
    }
    return available;
}

void generator_free(struct generator *g)
{
    size_t pos = 0;
    str key;
    void *t;
    if (g == NULL)
        return;
    while (map_next(&g->templates, &pos, &key, &t))
        template_free(t);
    map_deinit(&g->templates);
    mem_free(g->pods);
    mem_free(g->desired);
    mem_free(g->waiting);
    mem_free(g);
}

/* -- how many -- */

static bool read_number(struct generator *g, bool given[GEN_KINDS], str name, str value,
                        struct err *err)
{
    uint64_t n;
    if (!str_to_u64(value, &n))
        return err_set(err, "generate: %.*s: '%.*s' is not a number", STR_ARG(name),
                       STR_ARG(value));
    if (str_eqz(name, "seed")) {
        g->seed = n;
        return true;
    }
    for (size_t kind = 0; kind < GEN_KINDS; kind++) {
        if (!str_eqz(name, g->tables[kind]->kind->plural))
            continue;
        if (n > LIMIT_SIM_GENERATED)
            return err_set(err, "generate: %.*s: at most %d", STR_ARG(name), LIMIT_SIM_GENERATED);
        g->counts[kind] = (uint32_t)n;
        return given[kind] = true;
    }
    return err_set(err, "generate: there is no '%.*s', only seed and plurals of kinds as pods=1000",
                   STR_ARG(name));
}

static bool read_counts(struct generator *g, str spec, struct err *err)
{
    bool given[GEN_KINDS] = {false};
    while (spec.len > 0) {
        str pair, name, value;
        str_cut(spec, ',', &pair, &spec);
        str_cut(str_trim(pair), '=', &name, &value);
        if (!read_number(g, given, name, value, err))
            return false;
    }
    uint32_t pods = g->counts[GEN_POD];
    for (size_t kind = 0; kind < GEN_KINDS; kind++) {
        uint32_t each = gen_sources[kind].pods_for_each;
        if (!given[kind])
            g->counts[kind] = (pods + each - 1) / each;
    }
    if (g->counts[GEN_NAMESPACE] > 9999 || g->counts[GEN_DEPLOYMENT] > 99999 ||
        g->counts[GEN_NODE] > 99999)
        return err_set(err, "generate: at most 9999 namespaces, 99999 deployments and nodes");
    if (pods > 0 && (g->counts[GEN_DEPLOYMENT] == 0 || g->counts[GEN_NODE] == 0))
        return err_set(err, "generate: pods need deployments and nodes");
    if (pods / GEN_REPLICAS >= g->counts[GEN_DEPLOYMENT] && pods > 0)
        return err_set(err, "generate: more deployments are needed for so many pods");
    if (g->counts[GEN_NAMESPACE] == 0)
        return err_set(err, "generate: there must be namespaces");
    /* Each deployment has one replica set. */
    g->counts[GEN_REPLICA_SET] = g->counts[GEN_DEPLOYMENT];
    return true;
}

/* Most pods run; one in a hundred each crashes, waits, is not ready, was killed. */
static uint16_t first_variant(const struct generator *g, uint32_t number)
{
    static const enum gen_pod_state rare[] = {POD_NOT_READY, POD_CRASHING, POD_CREATING,
                                              POD_OOM_KILLED};
    uint64_t bits = gen_hash(g->seed, number, 3), restarts = bits >> 32;
    size_t hundredth = bits % 100;
    if (hundredth >= COUNT_OF(rare))
        return (uint16_t)(POD_RUNNING * GEN_RESTARTS + restarts % 4);
    if (rare[hundredth] == POD_CREATING)
        return POD_CREATING * GEN_RESTARTS;
    return (uint16_t)(rare[hundredth] * GEN_RESTARTS + 1 + restarts % (GEN_RESTARTS - 1));
}

static void first_state(struct generator *g)
{
    uint32_t pods = g->counts[GEN_POD], deployments = g->counts[GEN_DEPLOYMENT];
    uint32_t each = deployments == 0 ? 0 : (pods + deployments - 1) / deployments;
    g->pods_for_deployment = each;
    g->random = g->seed;
    g->pods = mem_zalloc(((size_t)each * deployments + 1) * sizeof g->pods[0]);
    g->desired = mem_zalloc((deployments + 1) * sizeof g->desired[0]);
    for (uint32_t n = 0; n < pods; n++) {
        g->pods[n] = (struct gen_pod){.variant = first_variant(g, n), .alive = true};
        g->desired[n / each]++;
    }
}

static void make_objects(struct kubesim *sim, enum gen_kind kind)
{
    struct generator *g = sim->generator;
    struct sim_table *t = g->tables[kind];
    for (uint32_t n = 0; n < g->counts[kind]; n++) {
        struct sim_object *o = gen_object(g, kind, n, sim->resource_version + 1);
        if (table_get(t, o->key) == NULL) {
            sim->resource_version++;
            table_put(t, o, sim_now(sim));
            watches_notify(t);
        }
        sim_object_unref(o);
    }
}

bool kubesim_generate(struct kubesim *sim, str spec, struct err *err)
{
    if (sim->generator != NULL)
        return err_set(err, "generate: this simulator has generated its cluster already");
    struct generator *g = mem_zalloc(sizeof *g);
    g->seed = 1;
    map_init(&g->templates, sim->config.hash_key);
    for (size_t kind = 0; kind < GEN_KINDS; kind++)
        g->tables[kind] = sim_table_of_kind(sim, gen_sources[kind].kind);
    if (!read_counts(g, spec, err)) {
        generator_free(g);
        return false;
    }
    sim->generator = g;
    first_state(g);
    for (size_t i = 0; i < sim->table_count; i++)
        table_widen(sim->tables[i], LIMIT_SIM_GENERATED_WINDOW_EVENTS);
    for (int kind = 0; kind < GEN_KINDS; kind++)
        make_objects(sim, (enum gen_kind)kind);
    return true;
}
