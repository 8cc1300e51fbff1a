/*
 * Custom resources: metadata as every kind has it, status.state, and of each entry of
 * status.conditions type, status and reason. Everything else is skipped where it lies.
 *
 * Life of a decode: the draft collects conditions in the scratch arena -> sealing makes atoms of
 * their texts, for states, types and reasons repeat from object to object -> an object of some 100
 * bytes plus its name plus 12 bytes a condition.
 *
 * What is wrong with a status is kept as flags and counts: whether that is worth a line is not the
 * codec's affair. A key that comes twice counts as the last one of them.
 *
 * Specification: kyma_receivers 1.3.
 */
#include "receivers/kymastats/codec.h"

#include "kube/object_draft.h"

struct draft_condition {
    struct draft_condition *next;
    str type, status, reason;
};
struct custom_draft {
    struct draft draft;
    struct custom_resource read; /* all but the object and the texts */
    str state;
    struct draft_condition *first, **end;
    uint32_t condition_count;
};

static void forget_conditions(struct custom_draft *c)
{
    c->first = NULL;
    c->end = &c->first;
    c->condition_count = 0;
    c->read.has_conditions = false;
    c->read.fault_count = 0;
}

static void init(struct draft *d)
{
    forget_conditions((struct custom_draft *)d);
}

/* A text, or else a value of another type, which is skipped. */
static bool read_text(struct custom_draft *c, struct json *j, str *out)
{
    return json_get_string(j, c->draft.scratch, out);
}

/* False with the fault; the entry is behind the reader in any case. */
static bool read_condition(struct custom_draft *c, struct json *j, struct draft_condition *out,
                           enum condition_fault *fault)
{
    bool has_type = false, has_status = false, has_reason = false;
    str key;
    *fault = CONDITION_NO_MAP;
    if (!draft_json_object(j))
        return false;
    while (json_key(j, &key)) {
        if (str_eqz(key, "type"))
            has_type = read_text(c, j, &out->type);
        else if (str_eqz(key, "status"))
            has_status = read_text(c, j, &out->status);
        else if (str_eqz(key, "reason"))
            has_reason = read_text(c, j, &out->reason);
        else
            json_skip(j);
    }
    *fault = !has_type     ? CONDITION_NO_TYPE
             : !has_status ? CONDITION_NO_STATUS
                           : CONDITION_NO_REASON;
    return has_type && has_status && has_reason;
}

static void note_fault(struct custom_resource *r, enum condition_fault fault, uint32_t index)
{
    if (r->fault_count == 0) {
        r->fault = (uint8_t)fault;
        r->fault_index = (uint16_t)(index < UINT16_MAX ? index : UINT16_MAX);
    }
    r->fault_count = (uint16_t)(r->fault_count + (r->fault_count < UINT16_MAX));
}

static void read_conditions(struct custom_draft *c, struct json *j)
{
    forget_conditions(c);
    if (!draft_json_array(j))
        return;
    c->read.has_conditions = true;
    for (uint32_t index = 0; json_item(j); index++) {
        struct draft_condition one = {0};
        enum condition_fault fault;
        if (!read_condition(c, j, &one, &fault)) {
            note_fault(&c->read, fault, index);
            continue;
        }
        struct draft_condition *kept = draft_entry(&c->draft, &c->condition_count, sizeof *kept);
        if (kept == NULL)
            continue;
        *kept = one;
        *c->end = kept;
        c->end = &kept->next;
    }
}

static void read_json(struct draft *d, str part, struct json *j)
{
    struct custom_draft *c = (struct custom_draft *)d;
    str key;
    if (!str_eqz(part, "status")) {
        json_skip(j);
        return;
    }
    forget_conditions(c);
    c->read.has_state = false;
    c->read.has_status = draft_json_object(j);
    if (!c->read.has_status)
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "state"))
            c->read.has_state = read_text(c, j, &c->state);
        else if (str_eqz(key, "conditions"))
            read_conditions(c, j);
        else
            json_skip(j);
    }
}

static void read_pb(struct draft *d, struct pb *p)
{
    (void)d;
    pb_skip(p); /* never asked for */
}

static struct object *seal(struct draft *d)
{
    struct custom_draft *c = (struct custom_draft *)d;
    size_t conditions_bytes = c->condition_count * sizeof(struct custom_condition);
    block_begin(d, sizeof c->read + conditions_bytes);
    struct custom_resource *r = block_at(d, 0);
    *r = c->read;
    r->condition_count = (uint16_t)c->condition_count;
    r->state = c->read.has_state ? block_atom(d, c->state) : 0;
    struct custom_condition *out = (struct custom_condition *)(r + 1);
    for (const struct draft_condition *i = c->first; i != NULL; i = i->next)
        *out++ = (struct custom_condition){block_atom(d, i->type), block_atom(d, i->status),
                                           block_atom(d, i->reason)};
    return block_finish(d);
}

static void release(struct object_pool *pool, const struct object *o)
{
    const struct custom_resource *r = custom_resource_of(o);
    const struct custom_condition *conditions = custom_conditions(r);
    atoms_unref(pool->atoms, r->state);
    for (uint16_t i = 0; i < r->condition_count; i++) {
        atoms_unref(pool->atoms, conditions[i].type);
        atoms_unref(pool->atoms, conditions[i].status);
        atoms_unref(pool->atoms, conditions[i].reason);
    }
}

static const struct kind_codec custom_kind = {
    .codec = {"custom resource", false, 0, kind_decode, release},
    .kind = KIND_COUNT,
    .draft_bytes = sizeof(struct custom_draft),
    .init = init,
    .read_pb = read_pb,
    .read_json = read_json,
    .seal = seal,
};
const struct object_codec *const custom_resource_codec = &custom_kind.codec;
