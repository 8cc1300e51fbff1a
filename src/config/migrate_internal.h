/* Between the migrate_*.c files, not for others. */
#ifndef CONFIG_MIGRATE_INTERNAL_H
#define CONFIG_MIGRATE_INTERNAL_H

#include "config/migrate.h"

enum lease_setting {
    SETTING_AUTH_TYPE,
    SETTING_CONTEXT,
    SETTING_LEASE_NAME,
    SETTING_LEASE_NAMESPACE,
    SETTING_LEASE_DURATION,
    SETTING_RENEW_DEADLINE,
    SETTING_RETRY_PERIOD,
    SETTING_COUNT,
};
extern const char *const lease_setting_keys[SETTING_COUNT];

/* One Lease becomes one extension. */
struct old_lease {
    str extension_id;
    const struct node *settings[SETTING_COUNT]; /* NULL: not written. Those of the first receiver on this Lease */
    bool used;                                  /* by a receiver of a pipeline: goes into service.extensions */
    struct place place;                         /* of the first receiver on it */
};
struct old_singleton {
    struct node *node;  /* as member of `receivers` */
    str id, name;       /* "singleton_receiver_creator/x", "x" */
    struct place place; /* of the id */
    struct node *child; /* member of `receiver`; NULL: an error was said */
    str child_id, new_id;
    struct old_lease *lease;
    bool owns_lease; /* is the first one on it */
    bool used;
};
/* An item of a pipeline's list of receivers. */
struct old_reference {
    struct node *item;
    const struct node *pipeline;
    const struct old_singleton *singleton;
};
struct migration {
    struct arena *arena;
    struct config_messages *messages;
    struct node *root;
    struct old_singleton *singletons;
    size_t singleton_count;
    struct old_lease *leases;
    size_t lease_count;
    struct old_reference *references;
    size_t reference_count;
    size_t lost_count;  /* settings that were left out, each with a warning */
};

/* migrate_plan.c: what is to be done, by the rules; nothing is changed. */
void migration_plan(struct migration *p, struct arena *a, struct node *root, struct config_messages *m);
bool id_is_old(struct arena *a, str text, str *canonical);
bool node_is_reference(const struct node *n);
/* migrate_tree.c: does it, in the tree. */
void migration_apply(const struct migration *p);
/* migrate_show.c */
/* The parts that change, as YAML, each line behind `indent` spaces; without the receivers' own settings, which may be secrets. */
void migration_show(struct buf *b, const struct migration *p, int indent);
/* Warnings about what changes for others: labels of own metrics, permissions. */
void migration_advise(const struct migration *p);
/* A text as a YAML scalar of one line: plain where every reader reads that, else in double quotes (JSON's way if `json`). */
void scalar_print(struct buf *b, str text, bool json);

#endif
