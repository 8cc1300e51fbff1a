/* Custom resources, cut down to who they are and what their status says. */
#ifndef RECEIVERS_KYMASTATS_CODEC_H
#define RECEIVERS_KYMASTATS_CODEC_H

#include "kube/object.h"

/* One entry of status.conditions in which all three are texts. */
struct custom_condition {
    atom type, status, reason;
};
/* Why an entry of status.conditions is left out. */
enum condition_fault { CONDITION_NO_MAP, CONDITION_NO_TYPE, CONDITION_NO_STATUS, CONDITION_NO_REASON };
struct custom_resource {
    struct object object;
    bool has_status;        /* it is there and a map; else nothing of the rest is */
    bool has_state;         /* status.state is a text, which may be empty */
    bool has_conditions;    /* status.conditions is a list */
    uint8_t fault;          /* enum condition_fault of the first entry that is left out */
    uint16_t fault_index;   /* its place in status.conditions */
    uint16_t fault_count;   /* of entries that are left out; stays at 65535 */
    uint16_t condition_count;
    atom state;
};
static inline const struct custom_resource *custom_resource_of(const struct object *o)
{
    return (const struct custom_resource *)o;
}

/* Of its conditions those without a fault, in their order, the first LIMIT_OBJECT_ENTRIES of them; they stand behind the structure. */
static inline const struct custom_condition *custom_conditions(const struct custom_resource *r)
{
    return (const struct custom_condition *)(r + 1);
}

/* JSON only. */
extern const struct object_codec *const custom_resource_codec;

#endif
