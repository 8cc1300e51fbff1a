/*
 * The fencing token on data: a backend, or a gateway in front of it, that keeps the highest token it has seen of a Lease can refuse
 * what a former leader sends late, whatever held that one up.
 *
 * Life of a token: the elector makes it when a term begins -> each batch of a gated receiver gets it here, behind the gate, before
 * anybody else sees the batch: as an attribute of each resource or scope, or as a header that the exporter's requests carry -> it
 * stays as it is with the batch, and with its requests through all retries.
 *
 * An attribute of that name that was there already is replaced: what fences must not be what a cluster's objects say of themselves.
 */
#include "service/service_internal.h"

/* A copy in the batch's arena: the list may be shared by many resources. */
static void put(struct batch *b, struct attributes *to, str key, str token)
{
    struct attribute *items = ARENA_ARRAY(&b->arena, struct attribute, to->count + 1);
    size_t at = 0;
    for (size_t i = 0; i < to->count; i++)
        if (!str_eq(to->items[i].key, key))
            items[at++] = to->items[i];
    items[at++] = (struct attribute){.key = key, .value = VALUE_OF_STR(token)};
    *to = (struct attributes){.items = items, .count = at};
}

void fencing_stamp(const struct receiver_node *n, struct batch *b)
{
    const struct elector_options *o = n->options;
    if (o == NULL || n->elector == NULL ||
        o->fencing_resource.len + o->fencing_scope.len + o->fencing_header.len == 0)
        return;
    str token = arena_str(&b->arena, elector_fencing_token(n->elector));
    str resource_key = arena_str(&b->arena, o->fencing_resource);
    str scope_key = arena_str(&b->arena, o->fencing_scope);
    for (struct resource *r = b->resources; r != NULL; r = r->next) {
        if (resource_key.len > 0)
            put(b, &r->attributes, resource_key, token);
        for (struct scope *s = r->scopes; s != NULL && scope_key.len > 0; s = s->next)
            put(b, &s->attributes, scope_key, token);
    }
    b->origin.fencing_header = o->fencing_header;
    b->origin.fencing_token = token;
}
