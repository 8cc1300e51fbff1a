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
#include "wire/text.h"

#define SECOND INT64_C(1000000000)
enum { NAME_MAX_BYTES = 253 /* Kubernetes: a DNS subdomain */ };

enum { OUTAGE_STOP, OUTAGE_KEEP };
enum { COMPAT_NONE, COMPAT_SINGLETON_RECEIVER_CREATOR };

struct leader_elector_config {
    int auth_type;
    str context;
    str lease_name, lease_namespace;
    str identity;
    int64_t lease_duration_ns, renew_deadline_ns, retry_period_ns;
    int64_t safety_margin_ns, request_timeout_ns;
    bool release_on_shutdown;
    int standby;
    bool crowd;
    int64_t handover_wait_ns;
    int on_api_outage;
    int compat_metrics;
};

struct leader_elector {
    const struct leader_elector_config *config;
    struct elector *elector; /* NULL after it was given up */
    bool releasing;          /* given up, and not gone yet */
    bool stop_asked;         /* stopped while releasing */
};

/* ---- life ---- */

static bool get_elector(struct extension *x, struct elector **elector, struct err *err)
{
    const struct leader_elector *l = x->base.state;
    const struct leader_elector_config *c = l->config;
    struct elector_config config = {
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
    };
    str namespace;
    if (config.lease_namespace.len == 0 && env_get("POD_NAMESPACE", &namespace) &&
        namespace.len > 0) {
        if (!dns_label_check(namespace, err))
            return err_wrap(err, "lease_namespace is not set, and the environment variable "
                                 "POD_NAMESPACE is no namespace");
        config.lease_namespace = namespace;
    }
    *elector = elector_get(service_electors(x->base.service), &config,
                           service_generation(x->base.service), err);
    return *elector != NULL;
}

static bool leader_elector_create(struct extension *x, const void *config, struct err *err)
{
    struct leader_elector *l = mem_zalloc(sizeof *l);
    l->config = config;
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
    if (c->lease_namespace.len == 0 && config_given(check, "lease_namespace"))
        config_problem(check, "lease_namespace",
                       "lease_namespace is empty: set it, or leave it out to use POD_NAMESPACE or "
                       "the credentials' namespace");
    else if (c->lease_namespace.len > 0 && !dns_label_check(c->lease_namespace, &err))
        config_problem(check, "lease_namespace",
                       "lease_namespace must be the name of a namespace: %s", err.text);
    if (c->identity.len == 0 && config_given(check, "identity"))
        config_problem(check, "identity",
                       "identity is empty: set it, or leave it out to use the pod's name and uid");
    else if (c->identity.len > LIMIT_IDENTITY_BYTES || !str_is_utf8(c->identity))
        config_problem(check, "identity", "identity must be UTF-8 of at most %d bytes",
                       LIMIT_IDENTITY_BYTES);
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
    static const char *const keys[] = {"crowd", "handover_wait"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (c->standby != STANDBY_AUTO && config_given(check, keys[i]))
            config_caution(check, keys[i], "%s has an effect only with standby: auto", keys[i]);
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
    check_durations(c, check);
    check_standby(c, check);
    check_outage(c, check);
}

static const char *const compat_metrics_names[] = {"none", "singleton_receiver_creator", NULL};
static const char *const outage_names[] = {"stop", "keep", NULL};
static const char *const standby_names[] = {"cold", "warm", "auto", NULL}; /* as the enum */

#define FIELD(name, kind, member)                                                                  \
    {                                                                                              \
        .key = name, .type = kind, .offset = offsetof(struct leader_elector_config, member)        \
    }
static const struct config_field fields[] = {
    {.key = "auth_type",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, auth_type),
     .choices = kube_auth_names},
    FIELD("context", CONFIG_STR, context),
    FIELD("lease_name", CONFIG_STR, lease_name),
    FIELD("lease_namespace", CONFIG_STR, lease_namespace),
    FIELD("lease_duration", CONFIG_DURATION, lease_duration_ns),
    FIELD("renew_deadline", CONFIG_DURATION, renew_deadline_ns),
    FIELD("retry_period", CONFIG_DURATION, retry_period_ns),
    FIELD("identity", CONFIG_STR, identity),
    FIELD("safety_margin", CONFIG_DURATION, safety_margin_ns),
    FIELD("request_timeout", CONFIG_DURATION, request_timeout_ns),
    FIELD("release_on_shutdown", CONFIG_BOOL, release_on_shutdown),
    {.key = "standby",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, standby),
     .choices = standby_names},
    FIELD("crowd", CONFIG_BOOL, crowd),
    {.key = "on_api_outage",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, on_api_outage),
     .choices = outage_names},
    FIELD("handover_wait", CONFIG_DURATION, handover_wait_ns),
    {.key = "compat_metrics",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct leader_elector_config, compat_metrics),
     .choices = compat_metrics_names},
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
    .has_old_metrics = leader_elector_has_old_metrics,
    .quiesce = leader_elector_quiesce,
    .reinstate = leader_elector_reinstate,
    .stop = leader_elector_stop,
    .destroy = leader_elector_destroy,
};
