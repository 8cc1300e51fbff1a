/* Between sources.c, provider.c, merge.c and expand.c, not for others. */
#ifndef CONFIG_RESOLVE_H
#define CONFIG_RESOLVE_H

#include "config/config.h"

struct resolver {
    struct arena *arena;
    struct config_messages *messages;
    size_t node_count;     /* that references brought in, against LIMIT_CONFIG_NODES */
    size_t expanded_bytes; /* against LIMIT_CONFIG_EXPANDED_BYTES */
};

/* -- provider.c -- */
/* What a scheme knows under a name. */
struct retrieved {
    str source;    /* for places: file name, "env:NAME" */
    str text;      /* as it is there */
    bool is_unset; /* an environment variable that does not exist and has no default */
};
/* "scheme:opaque": a letter and at least one of letters, digits, + . - before the colon. */
bool location_split(str location, str *scheme, str *opaque);
bool scheme_is_known(str scheme);
/* Text in the arena; err without place. */
NODISCARD bool provider_retrieve(struct resolver *r, str scheme, str opaque, struct retrieved *out, struct err *err);
/* The text as YAML; what is not YAML or a string is a string: the text itself. `hint`: why it is not YAML, or empty. */
struct node *provider_value(struct resolver *r, const struct retrieved *from, struct err *hint);

/* -- merge.c -- */
/* Keys with "::" become nested maps, in maps in maps too (not within lists). False with an error if that gets too deep. */
NODISCARD bool merge_split_keys(struct resolver *r, struct node *map, struct err *err);
/* Maps key by key, everything else replaced. Takes `from` apart. */
void merge_into(struct node *into, struct node *from);
size_t node_tree_count(const struct node *n);
uint32_t node_tree_depth(const struct node *n);

/* -- expand.c -- */
/* Every ${...} in every value, then $$ to $. False after an error was added. */
NODISCARD bool expand_all(struct resolver *r, struct node *root);

#endif
