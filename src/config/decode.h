/* Between decode.c (blocks) and decode_value.c (values), not for others. */
#ifndef CONFIG_DECODE_H
#define CONFIG_DECODE_H

#include "config/config.h"

struct decoder {
    struct arena *arena;
    struct config_messages *messages;
};

/* "path::key", or the key if the path is empty. */
str path_join(struct arena *a, str path, str key);
str path_index(struct arena *a, str path, size_t index);
/* For "got ...": "nil", "string", "list". */
const char *node_kind_name(const struct node *n);
bool decode_check_list(struct decoder *d, const struct node *n, str path);
void decode_not_a_map(struct decoder *d, const struct node *n, str path);
/* Any field whose value holds no block. `n` is not a plain null. */
void decode_value(struct decoder *d, const struct config_field *f, const struct node *n, str path, void *member);

#endif
