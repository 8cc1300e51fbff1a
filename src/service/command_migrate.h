/* `baton migrate`: files that still have singleton_receiver_creator, written anew. */
#ifndef SERVICE_COMMAND_MIGRATE_H
#define SERVICE_COMMAND_MIGRATE_H

#include "config/migrate.h"

struct migrate_request {
    const char *const *paths;
    size_t path_count;
    bool in_place; /* else the new text of one file goes to *out */
    bool diff;     /* a unified diff of each file goes there */
};
/* What stdout and stderr get is appended to `out` and `errors`. The exit status: 1 if anything could not be carried over, read or
 * written. */
int command_migrate(const struct migrate_request *request, struct buf *out, struct buf *errors);

#endif
