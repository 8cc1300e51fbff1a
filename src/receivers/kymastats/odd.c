/*
 * What is said of objects whose status is not as expected.
 *
 * It is said at a tick, so that only the replica that leads speaks, and not of the moment between
 * the creation of an object and its first status. Each version of an object is spoken of once:
 * versions of a resource grow, and everything up to the version of the watch is in its store, so
 * that one number a stream remembers what was looked at. At most LIMIT_ODD_WARNINGS lines a tick;
 * the others are counted in one more.
 *
 * Specification: kyma_receivers 1.3.
 */
#include "base/limits.h"
#include "receivers/kymastats/kymastats.h"

void odd_begin(struct odd_walk *walk, const struct kyma_stream *s)
{
    if (!str_to_u64(watch_resource_version(s->watch), &walk->to))
        walk->to = 0;
    walk->from = s->told_version;
    if (walk->to < walk->from) /* the server's version went back: all objects are read anew */
        walk->from = 0;
}

void odd_end(struct odd_walk *walk, struct kyma_stream *s)
{
    /* Without a version nothing was looked at: a list is being taken over, or there is none. */
    if (walk->to != 0)
        s->told_version = walk->to;
}

static bool may_warn(struct odd_walk *walk)
{
    if (walk->line_count == LIMIT_ODD_WARNINGS) {
        walk->unsaid_count++;
        return false;
    }
    walk->line_count++;
    return true;
}

static const char *fault_text(enum condition_fault fault)
{
    static const char *const texts[] = {
        [CONDITION_NO_MAP] = "it is no map",
        [CONDITION_NO_TYPE] = "its type is missing or no text",
        [CONDITION_NO_STATUS] = "its status is missing or no text",
        [CONDITION_NO_REASON] = "its reason is missing or no text",
    };
    return texts[fault];
}

void odd_look(struct odd_walk *walk, const struct kyma_stream *s, const struct object *o)
{
    const struct custom_resource *r = custom_resource_of(o);
    bool is_fine = r->has_state && r->has_conditions && r->fault_count == 0;
    if (is_fine || o->resource_version <= walk->from || o->resource_version > walk->to)
        return;
    const struct logger *logger = &s->owner->receiver->base.logger;
    const struct log_field name = F_STR("name", object_name(o)),
                           kind = F_STR("kind", s->resource->resource),
                           namespace = F_STR("namespace",
                                             atoms_text(s->owner->emit.pool->atoms, o->namespace));
    if (!r->has_status) {
        if (may_warn(walk))
            log_warn(logger, "A resource without a status, or with one that is no map, is left out",
                     kind, namespace, name);
        return;
    }
    if (!r->has_state)
        log_debug(logger, "A resource has no status.state, or one that is no text", kind, namespace,
                  name);
    if (!r->has_conditions)
        log_debug(logger, "A resource has no status.conditions, or they are no list", kind,
                  namespace, name);
    if (r->fault_count > 0 && may_warn(walk))
        log_warn(logger, "Conditions of a resource are left out", kind, namespace, name,
                 F_INT("count", r->fault_count), F_INT("first", r->fault_index),
                 F_CSTR("reason", fault_text((enum condition_fault)r->fault)));
}

void odd_sum_up(const struct odd_walk *walk, const struct kymastats *k)
{
    if (walk->unsaid_count > 0)
        log_warn(&k->receiver->base.logger,
                 "More resources have no status, or conditions that are left out",
                 F_INT("count", walk->unsaid_count));
}
