/*
 * The elector and a holder that died: what other replicas need in order to see our end (the incarnation in our container's termination
 * message), and the claim as soon as theirs is proven. What counts as proof is in holder_pod.c.
 */
#include <errno.h>

#include "election/elector_internal.h"
#include "io/file.h"

/* Before the first claim: whoever holds the Lease has its mark in the message, if it can have one at all. */
static void leave_mark(struct elector *e)
{
    str pod_name, pod_uid;
    if (e->mark_left || e->termination_message_path[0] == '\0' ||
        !holder_identity_split(e->identity, &pod_name, &pod_uid))
        return;
    e->mark_left = true;
    struct err err;
    struct buf line;
    buf_init(&line, 256);
    buf_printf(&line, HOLDER_MESSAGE_MARK " %.*s\n", STR_ARG(e->incarnation));
    if (!file_append(e->termination_message_path, buf_view(&line), &err) && err.code != ENOENT)
        log_info(&e->logger,
                 "The termination message cannot be written: after a crash of this replica the "
                 "others may have to wait until the Lease expires",
                 F_ERR(&err));
    buf_deinit(&line);
}

static void on_proven(void *arg, uint64_t version, enum proof proof)
{
    struct elector *e = arg;
    int64_t now_ns = loop_boot_ns(e->loop);
    int64_t left_ns = e->machine.promised_ns - now_ns;
    if (version != e->current_version || e->machine.state != ELECTION_FOLLOWING || left_ns <= 0)
        return;
    log_info(&e->logger, "The holder's container has terminated: claiming at once",
             F_STR("holder", e->current.holder),
             F_CSTR("proof", proof == PROOF_MESSAGE ? "termination message" : "container status"),
             F_DOUBLE("expires_in_s", (double)left_ns / 1e9));
    e->dead_holders++;
    elector_prove(e, e->current.uid, e->current.resource_version);
}

bool elector_dead_is_configured(const struct elector *e, const struct elector_config *config)
{
    return e->dead_check == config->dead_holder_check && e->container_name != NULL &&
           str_eq(str_from(e->container_name), config->container_name) &&
           str_eq(str_from(e->termination_message_path), config->termination_message_path);
}

void elector_dead_configure(struct elector *e, const struct elector_config *config)
{
    if (e->main != NULL || elector_dead_is_configured(e, config))
        return; /* whoever stands by in vain costs nobody a tick: its Lease may expire */
    mem_free(e->container_name);
    mem_free(e->termination_message_path);
    e->dead_check = config->dead_holder_check;
    e->container_name = str_dup(config->container_name);
    e->termination_message_path = str_dup(config->termination_message_path);
    if (!e->started)
        return;
    elector_dead_end(e);
    elector_dead_begin(e);
    elector_dead_follow(e);
}

void elector_dead_begin(struct elector *e)
{
    CHECK(e->dead == NULL);
    if (e->dead_check == DEAD_HOLDER_OFF)
        return;
    leave_mark(e);
    e->dead = dead_holder_new(&(struct dead_holder_config){
        .loop = e->loop,
        .logger = &e->logger,
        .client = e->client->kube,
        .namespace = e->namespace,
        .demanded = e->dead_check == DEAD_HOLDER_ON,
        .container_name = str_from(e->container_name),
        .on_proven = on_proven,
        .arg = e,
    });
}

void elector_dead_follow(struct elector *e)
{
    if (e->dead == NULL || e->machine.state == ELECTION_CLAIMING)
        return; /* the answer to the claim decides */
    bool waits = e->machine.state == ELECTION_FOLLOWING && e->machine.mode == MODE_CAMPAIGN &&
                 e->current_present;
    dead_holder_follow(e->dead, waits ? &e->current : NULL);
}

void elector_dead_end(struct elector *e)
{
    dead_holder_free(e->dead);
    e->dead = NULL;
}
