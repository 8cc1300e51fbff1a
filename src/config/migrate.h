/*
 * The end of `singleton_receiver_creator`, a receiver that held one receiver inside it and ran that while it held a Lease. Its work is
 * done by a leader elector extension that the inner receiver names. A configuration that still has it is rewritten by the same rules
 * in two places: in memory when it is loaded, and in the text of its file by `baton migrate`.
 */
#ifndef CONFIG_MIGRATE_H
#define CONFIG_MIGRATE_H

#include "config/config.h"

#define MIGRATE_OLD_TYPE "singleton_receiver_creator"

/* Rewrites a resolved configuration. One warning shows the new YAML and how to get it written. What cannot be carried over is an
 * error, and then that receiver stays where it is. */
void migrate_tree(struct arena *a, struct node *root, struct config_messages *m);

enum migrate_result {
    MIGRATE_NOTHING, /* there is none of it: *out holds the text as it is */
    MIGRATE_DONE,
    MIGRATE_PARTLY,  /* something was left out; warnings say what */
    MIGRATE_FAILED,  /* *out is empty; errors say why */
};
/* The text of one file, rewritten into the arena. All that has nothing to do with it keeps its bytes. `source` names it in messages. */
NODISCARD enum migrate_result migrate_text(struct arena *a, str source, str text, struct config_messages *m, str *out);

#endif
