/*
 * `k8s_leader_elector` (also written `leaderelector`, `leader_elector`): makes one Lease's election
 * available to receivers, which name this extension by their own key of one of these names.
 *
 * Life: create takes a reference on the process's elector of that Lease (made if it is the first)
 * -> start campaigns -> receivers join and leave, the service sees to that -> quiesce gives the
 * reference up: the last one releases the Lease and waits for that -> stop.
 *
 * Invariants
 *  - the reference is given up exactly once; whoever gives it up without a stop (a graph that was
 *    never started) holds the service until the elector is gone.
 *  - everything that can be wrong with the settings is said when they are read; create can fail
 * only by its surroundings (credentials, namespace, another extension on the same Lease).
 *
 * Specification: leader_election 1.1 (keys, defaults), 4.2 (relations of the durations), 8 number
 * 11 and 15. Differs: which of name or namespace is missing is said; the namespace has defaults; a
 * fraction in lease_duration is rounded up, with a warning, instead of being cut off.
 */
#include "extensions/extensions.h"

#include "base/limits.h"
#include "election/elector.h"
#include "io/file.h"
#include "wire/grpc.h"
#include "wire/text.h"

#define SECOND INT64_C(1000000000)
enum { NAME_MAX_BYTES = 253 /* Kubernetes: a DNS subdomain */ };

enum { OUTAGE_STOP, OUTAGE_KEEP };
enum { COMPAT_NONE, COMPAT_SINGLETON_RECEIVER_CREATOR };
enum { AFTER_CRASH_SKIP, AFTER_CRASH_REPEAT };

struct fencing_config {
    str resource_attribute, scope_attribute, header;
    bool has_resource_attribute, has_scope_attribute, has_header; /* they were written */
};

struct leader_elector_config {
    int auth_type;
    str context;
    str lease_name, lease_namespace;
    str identity;
    /* They were written: then texts may not be empty, and the others must have an effect. */
    bool has_lease_namespace, has_identity, has_container_name, has_ready_endpoint;
    bool has_crowd, has_handover_wait_ns;
    int64_t lease_duration_ns, renew_deadline_ns, retry_period_ns;
    int64_t safety_margin_ns, request_timeout_ns;
    bool release_on_shutdown;
    int standby;
    bool crowd;
    int64_t handover_wait_ns;
    int on_api_outage;
    int dead_holder_check;
    str container_name, termination_message_path;
    int compat_metrics;
    int after_crash;
    bool fencing_on;
    struct fencing_config fencing;
    str ready_endpoint;
};

struct leader_elector {
    const struct leader_elector_config *config;
    struct elector_options options;
    struct elector *elector; /* NULL after it was given up */
    bool releasing;          /* given up, and not gone yet */
    bool stop_asked;         /* stopped while releasing */
};

/* ---- life ---- */

static bool elector_config_of(const void *from, struct elector_config *config, struct err *err)
{
    const struct leader_elector_config *c = from;
    *config = (struct elector_config){
        .kube = {.auth = (enum kube_auth)c->auth_type, .context = c->context},
        .lease_name = c->lease_name,
        .lease_namespace = c->lease_namespace,
        .identity = c->identity,
        .lease_duration_ns = c->lease_duration_ns,
        .renew_deadline_ns = c->renew_deadline_ns,
        .retry_period_ns = c->retry_period_ns,
        .safety_margin_ns = c->safety_margin_ns,
        .request_timeout_ns = c->request_timeout_ns,
        .release_on_shutdown = c->release_on_shutdown,
        .standby = (enum standby)c->standby,
        .crowd = c->crowd,
        .keep_on_outage = c->on_api_outage == OUTAGE_KEEP,
        .handover_wait_ns = c->handover_wait_ns,
        .dead_holder_check = (enum dead_holder_check)c->dead_holder_check,
        .container_name = c->container_name,
        .termination_message_path = c->termination_message_path,
    };
    str namespace;
    if (config->lease_namespace.len == 0 && env_get("POD_NAMESPACE", &namespace) &&
        namespace.len > 0) {
        if (!dns_label_check(namespace, err))
            return err_wrap(err, "lease_namespace is not set, and the environment variable "
                                 "POD_NAMESPACE is no namespace");
        config->lease_namespace = namespace;
    }
    return true;
}

static bool get_elector(struct extension *x, struct elector **elector, struct err *err)
{
    const struct leader_elector *l = x->base.state;
    struct elector_config config;
    if (!elector_config_of(l->config, &config, err))
        return false;
    *elector = elector_get(service_electors(x->base.service), &config,
                           service_generation(x->base.service), err);
    return *elector != NULL;
}

static bool leader_elector_create(struct extension *x, const void *config, struct err *err)
{
    struct leader_elector *l = mem_zalloc(sizeof *l);
    l->config = config;
    l->options = (struct elector_options){
        .repeats_after_crash = l->config->after_crash == AFTER_CRASH_REPEAT,
        .fencing_resource = l->config->fencing.resource_attribute,
        .fencing_scope = l->config->fencing.scope_attribute,
        .fencing_header = l->config->fencing.header,
        .ready_endpoint = l->config->ready_endpoint,
    };
    x->base.state = l;
    if (get_elector(x, &l->elector, err))
        return true;
    mem_free(l);
    x->base.state = NULL;
    return false;
}

static void on_reinstated(void *arg)
{
    service_release(arg);
}

static void leader_elector_reinstate(struct extension *x)
{
    struct err err;
    struct elector *again;
    if (!get_elector(x, &again, &err)) {
        log_warn(&x->base.logger, "The elector could not be given its former settings back",
                 F_ERR(&err));
        return;
    }
    service_hold(x->base.service);
    elector_unref(again, on_reinstated, x->base.service);
}

static bool leader_elector_start(struct extension *x, struct err *err)
{
    (void)err;
    const struct leader_elector *l = x->base.state;
    elector_start(l->elector);
    return true;
}

static struct elector *leader_elector_elector(struct extension *x)
{
    const struct leader_elector *l = x->base.state;
    return l->elector;
}

static const struct elector_options *leader_elector_options(const struct extension *x)
{
    const struct leader_elector *l = x->base.state;
    return &l->options;
}

static bool leader_elector_has_old_metrics(const struct extension *x)
{
    const struct leader_elector *l = x->base.state;
    return l->config->compat_metrics == COMPAT_SINGLETON_RECEIVER_CREATOR;
}

static void on_released(void *arg)
{
    struct extension *x = arg;
    struct leader_elector *l = x->base.state;
    l->releasing = false;
    extension_quiesced(x);
    if (l->stop_asked)
        extension_stopped(x);
}

static void leader_elector_quiesce(struct extension *x)
{
    struct leader_elector *l = x->base.state;
    struct elector *e = l->elector;
    CHECK(e != NULL);
    l->elector = NULL;
    l->releasing = true;
    elector_unref(e, on_released, x);
}

static void leader_elector_stop(struct extension *x)
{
    struct leader_elector *l = x->base.state;
    l->stop_asked = true;
    if (!l->releasing)
        extension_stopped(x);
}

static void on_gone(void *arg)
{
    service_release(arg);
}

static void leader_elector_destroy(struct extension *x)
{
    struct leader_elector *l = x->base.state;
    CHECK(!l->releasing);
    if (l->elector != NULL) { /* never started */
        service_hold(x->base.service);
        elector_unref(l->elector, on_gone, x->base.service);
    }
    mem_free(l);
    x->base.state = NULL;
}

/* ---- configuration ---- */

static void leader_elector_defaults(void *config)
{
    struct leader_elector_config *c = config;
    c->auth_type = KUBE_AUTH_SERVICE_ACCOUNT;
    c->lease_duration_ns = 15 * SECOND;
    c->renew_deadline_ns = 10 * SECOND;
    c->retry_period_ns = 2 * SECOND;
    c->safety_margin_ns = SECOND;
    c->release_on_shutdown = true;
    c->standby = STANDBY_AUTO;
    c->handover_wait_ns = 5 * SECOND;
    c->dead_holder_check = DEAD_HOLDER_AUTO;
    c->termination_message_path = STR("/dev/termination-log"); /* the default of Kubernetes */
}

static void check_names(const struct leader_elector_config *c, struct config_check *check)
{
    enum { LEASE_NAME_MAX = NAME_MAX_BYTES - (sizeof ELECTOR_STANDBY_SUFFIX - 1) };
    struct err err;
    if (c->lease_name.len == 0)
        config_problem(
            check, "lease_name",
            "lease_name is missing: set it to the name of the Lease that all replicas share");
    else if (!dns_subdomain_check(c->lease_name, &err))
        config_problem(check, "lease_name",
                       "lease_name must be the name of a Kubernetes object: %s", err.text);
    else if (c->lease_name.len > LEASE_NAME_MAX)
        config_problem(check, "lease_name",
                       "lease_name has %zu characters; %d is the most, so that %s can be appended "
                       "for the standby's Lease",
                       c->lease_name.len, LEASE_NAME_MAX, ELECTOR_STANDBY_SUFFIX);
    /* Empty is a default, but only if nobody wrote it: ${env:X} of an unset variable must not pick
     * another namespace. */
    if (c->lease_namespace.len == 0 && c->has_lease_namespace)
        config_problem(check, "lease_namespace",
                       "lease_namespace is empty: set it, or leave it out to use POD_NAMESPACE or "
                       "the credentials' namespace");
    else if (c->lease_namespace.len > 0 && !dns_label_check(c->lease_namespace, &err))
        config_problem(check, "lease_namespace",
                       "lease_namespace must be the name of a namespace: %s", err.text);
    if (c->identity.len == 0 && c->has_identity)
        config_problem(check, "identity",
                       "identity is empty: set it, or leave it out to use the pod's name and uid");
    else if (c->identity.len > LIMIT_IDENTITY_BYTES || !str_is_utf8(c->identity))
        config_problem(check, "identity", "identity must be UTF-8 of at most %d bytes",
                       LIMIT_IDENTITY_BYTES);
}

static void check_ready_endpoint(const struct leader_elector_config *c, struct config_check *check)
{
    struct err err;
    struct endpoint parsed;
    if (c->ready_endpoint.len == 0 && c->has_ready_endpoint)
        config_problem(check, "ready_endpoint",
                       "ready_endpoint is empty: give host:port, or leave it out to serve none");
    else if (c->ready_endpoint.len > 0 && !endpoint_parse(c->ready_endpoint, &parsed, &err))
        config_problem(check, "ready_endpoint", "%s", err.text);
}

/* True if it is positive. */
static bool check_positive(struct config_check *check, const char *key, int64_t ns)
{
    if (ns <= 0)
        config_problem(check, key, "%s must be greater than zero", key);
    return ns > 0;
}

static void check_durations(struct leader_elector_config *c, struct config_check *check)
{
    bool ok = check_positive(check, "lease_duration", c->lease_duration_ns);
    ok = check_positive(check, "renew_deadline", c->renew_deadline_ns) && ok;
    ok = check_positive(check, "retry_period", c->retry_period_ns) && ok;
    if (c->safety_margin_ns < 0)
        config_problem(check, "safety_margin", "safety_margin must not be negative");
    if (!ok || c->safety_margin_ns < 0)
        return;
    if (c->lease_duration_ns > LIMIT_LEASE_DURATION_S * SECOND) {
        config_problem(check, "lease_duration", "lease_duration must be at most %" PRId64 "h",
                       (int64_t)LIMIT_LEASE_DURATION_S / 3600);
        return;
    }
    int64_t fraction_ns = c->lease_duration_ns % SECOND;
    if (fraction_ns != 0) {
        c->lease_duration_ns += SECOND - fraction_ns;
        config_caution(check, "lease_duration",
                       "a Lease counts whole seconds: lease_duration is rounded up to %" PRId64 "s",
                       c->lease_duration_ns / SECOND);
    }
    if (c->lease_duration_ns <= c->renew_deadline_ns)
        config_problem(check, "lease_duration",
                       "lease_duration must be greater than renew_deadline");
    if ((__int128)c->renew_deadline_ns * 5 <= (__int128)c->retry_period_ns * 6)
        config_problem(check, "renew_deadline",
                       "renew_deadline must be greater than 1.2 times retry_period");
    if (c->safety_margin_ns >= c->lease_duration_ns ||
        c->lease_duration_ns - c->safety_margin_ns <= c->retry_period_ns)
        config_problem(check, "safety_margin",
                       "lease_duration less safety_margin must be greater than retry_period, or no "
                       "renewal comes in time");
    if (c->request_timeout_ns < 0)
        config_problem(check, "request_timeout", "request_timeout must not be negative");
    else if (c->request_timeout_ns > c->renew_deadline_ns)
        config_problem(check, "request_timeout",
                       "request_timeout must not be greater than renew_deadline");
}

static void check_standby(const struct leader_elector_config *c, struct config_check *check)
{
    if (c->standby != STANDBY_AUTO && c->has_crowd)
        config_caution(check, "crowd", "crowd has an effect only with standby: auto");
    if (c->standby != STANDBY_AUTO && c->has_handover_wait_ns)
        config_caution(check, "handover_wait",
                       "handover_wait has an effect only with standby: auto");
    if (c->handover_wait_ns < 0)
        config_problem(check, "handover_wait", "handover_wait must not be negative");
    else if (c->handover_wait_ns > LIMIT_HANDOVER_WAIT_S * SECOND)
        config_problem(check, "handover_wait",
                       "handover_wait must be at most %ds: a stop takes so much longer, and must "
                       "end within terminationGracePeriodSeconds",
                       LIMIT_HANDOVER_WAIT_S);
}

static void check_outage(const struct leader_elector_config *c, struct config_check *check)
{
    if (c->on_api_outage == OUTAGE_KEEP)
        config_caution(check, "on_api_outage",
                       "on_api_outage: keep lets a leader that cannot reach the API server go on: "
                       "if others can reach it, two replicas emit the same data; use it only "
                       "where duplicates do no harm");
}

static void check_dead_holder(const struct leader_elector_config *c, struct config_check *check)
{
    struct err err;
    if (c->container_name.len == 0 && c->has_container_name)
        config_problem(check, "container_name",
                       "container_name is empty: set it to the collector's container, or leave it "
                       "out if all containers of its pod end together");
    else if (c->container_name.len > 0 && !dns_label_check(c->container_name, &err))
        config_problem(check, "container_name",
                       "container_name must be the name of a container: %s", err.text);
    if (c->termination_message_path.len > 0 && c->termination_message_path.data[0] != '/')
        config_problem(check, "termination_message_path",
                       "termination_message_path must begin with \"/\": it is the "
                       "terminationMessagePath of the collector's container");
    if (c->dead_holder_check == DEAD_HOLDER_OFF && c->container_name.len > 0)
        config_caution(check, "container_name",
                       "container_name has no effect with dead_holder_check: false");
}

static void leader_elector_check(void *config, struct config_check *check)
{
    struct leader_elector_config *c = config;
    if (c->auth_type == KUBE_AUTH_TLS)
        config_problem(
            check, "auth_type",
            "invalid authType for kubernetes: tls: use serviceAccount, kubeConfig or none");
    if (c->context.len > 0 && c->auth_type != KUBE_AUTH_KUBECONFIG)
        config_caution(check, "context", "context has an effect only with auth_type: kubeConfig");
    check_names(c, check);
    check_ready_endpoint(c, check);
    check_durations(c, check);
    check_standby(c, check);
    check_outage(c, check);
    check_dead_holder(c, check);
}

/* OTLP takes any key; what cannot be read on a screen or written in a query is a slip. */
static void check_attribute(struct config_check *check, const char *key, str name, bool given)
{
    if (name.len == 0) {
        if (given)
            config_problem(check, key, "%s is empty: give the name of an attribute", key);
        return;
    }
    bool ok = name.len <= LIMIT_FENCING_NAME_BYTES && str_is_utf8(name);
    for (size_t i = 0; i < name.len; i++)
        ok = ok && (unsigned char)name.data[i] > ' ' && name.data[i] != 0x7f;
    if (!ok)
        config_problem(check, key,
                       "%s must be UTF-8 of at most %d bytes without spaces and control "
                       "characters, such as lease.fencing_token",
                       key, LIMIT_FENCING_NAME_BYTES);
}

static void check_header(struct config_check *check, str name, bool given)
{
    if (name.len == 0) {
        if (given)
            config_problem(check, "header", "header is empty: give the name of a header");
    } else if (name.len > LIMIT_FENCING_NAME_BYTES || !grpc_is_metadata_name(name)) {
        config_problem(check, "header",
                       "\"%.*s\" is not a header name: letters, digits, '-', '_' and '.' are "
                       "allowed, at most %d",
                       STR_ARG(name), LIMIT_FENCING_NAME_BYTES);
    } else if (grpc_is_reserved_name(name)) {
        config_problem(check, "header",
                       "\"%.*s\" is a header of gRPC or HTTP itself: choose another name, such "
                       "as x-fencing-token",
                       STR_ARG(name));
    } else if (grpc_is_binary_name(name)) {
        config_problem(check, "header",
                       "\"%.*s\" ends in -bin, and gRPC takes the values of such headers for "
                       "bytes: choose a name without that",
                       STR_ARG(name));
    }
}

static void fencing_check(void *config, struct config_check *check)
{
    const struct fencing_config *c = config;
    if (!c->has_resource_attribute && !c->has_scope_attribute && !c->has_header)
        config_problem(check, NULL,
                       "fencing says nowhere where the token is to be: give resource_attribute, "
                       "scope_attribute or header");
    check_attribute(check, "resource_attribute", c->resource_attribute, c->has_resource_attribute);
    check_attribute(check, "scope_attribute", c->scope_attribute, c->has_scope_attribute);
    check_header(check, c->header, c->has_header);
}

#define FENCING_FIELD(name, member)                                                                \
    {                                                                                              \
        .key = name, .type = CONFIG_STR, .offset = offsetof(struct fencing_config, member),        \
        .means_written = true, .flag_offset = offsetof(struct fencing_config, has_##member)        \
    }
static const struct config_field fencing_fields[] = {
    FENCING_FIELD("resource_attribute", resource_attribute),
    FENCING_FIELD("scope_attribute", scope_attribute),
    FENCING_FIELD("header", header),
};
static const struct config_schema fencing_schema = {
    .name = "fencing",
    .size = sizeof(struct fencing_config),
    .fields = fencing_fields,
    .field_count = COUNT_OF(fencing_fields),
    .check = fencing_check,
};

static const char *const after_crash_names[] = {"skip", "repeat", NULL};
static const char *const compat_metrics_names[] = {"none", "singleton_receiver_creator", NULL};
static const char *const outage_names[] = {"stop", "keep", NULL};
static const char *const dead_holder_names[] = {"auto", "true", "false", NULL}; /* as the enum */
static const char *const standby_names[] = {"cold", "warm", "auto", NULL};      /* the same */

#define FIELD(name, kind, member)                                                                  \
    {                                                                                              \
        .key = name, .type = kind, .offset = offsetof(struct leader_elector_config, member)        \
    }
#define FIELD_IF_WRITTEN(name, kind, member)                                                       \
    {                                                                                              \
        .key = name, .type = kind, .offset = offsetof(struct leader_elector_config, member),       \
        .means_written = true, .flag_offset = offsetof(struct leader_elector_config, has_##member) \
    }
static const struct config_field fields[] = {
    {.key = "auth_type",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, auth_type),
     .choices = kube_auth_names},
    FIELD("context", CONFIG_STR, context),
    FIELD("lease_name", CONFIG_STR, lease_name),
    FIELD_IF_WRITTEN("lease_namespace", CONFIG_STR, lease_namespace),
    FIELD("lease_duration", CONFIG_DURATION, lease_duration_ns),
    FIELD("renew_deadline", CONFIG_DURATION, renew_deadline_ns),
    FIELD("retry_period", CONFIG_DURATION, retry_period_ns),
    FIELD_IF_WRITTEN("identity", CONFIG_STR, identity),
    FIELD("safety_margin", CONFIG_DURATION, safety_margin_ns),
    FIELD("request_timeout", CONFIG_DURATION, request_timeout_ns),
    FIELD("release_on_shutdown", CONFIG_BOOL, release_on_shutdown),
    {.key = "standby",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, standby),
     .choices = standby_names},
    FIELD_IF_WRITTEN("crowd", CONFIG_BOOL, crowd),
    {.key = "on_api_outage",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, on_api_outage),
     .choices = outage_names},
    FIELD_IF_WRITTEN("handover_wait", CONFIG_DURATION, handover_wait_ns),
    {.key = "dead_holder_check",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, dead_holder_check),
     .choices = dead_holder_names},
    FIELD_IF_WRITTEN("container_name", CONFIG_STR, container_name),
    FIELD("termination_message_path", CONFIG_STR, termination_message_path),
    {.key = "compat_metrics",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, compat_metrics),
     .choices = compat_metrics_names},
    {.key = "after_crash",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, after_crash),
     .choices = after_crash_names},
    {.key = "fencing",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct leader_elector_config, fencing),
     .block = &fencing_schema,
     .optional = OPTIONAL_NONE,
     .flag_offset = offsetof(struct leader_elector_config, fencing_on)},
    FIELD_IF_WRITTEN("ready_endpoint", CONFIG_STR, ready_endpoint),
};
static const struct config_schema schema = {
    .name = "k8s_leader_elector",
    .size = sizeof(struct leader_elector_config),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .defaults = leader_elector_defaults,
    .check = leader_elector_check,
};

static const char *const aliases[] = {"leaderelector", "leader_elector", NULL};

const struct extension_type leader_elector_extension = {
    .name = "k8s_leader_elector",
    .aliases = aliases,
    .stability = "alpha",
    .schema = &schema,
    .create = leader_elector_create,
    .start = leader_elector_start,
    .elector = leader_elector_elector,
    .options = leader_elector_options,
    .lease = elector_config_of,
    .has_old_metrics = leader_elector_has_old_metrics,
    .quiesce = leader_elector_quiesce,
    .reinstate = leader_elector_reinstate,
    .stop = leader_elector_stop,
    .destroy = leader_elector_destroy,
};
