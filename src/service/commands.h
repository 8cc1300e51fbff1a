/*
 * The command line: everything that `baton` does except to run. Flags and exit codes as the OpenTelemetry Collector has them:
 * 0 when all is well, 1 with "Error: ..." on stderr for anything else; `lease` has more (command_lease.h).
 */
#ifndef SERVICE_COMMANDS_H
#define SERVICE_COMMANDS_H

#include "service/settings.h"

enum command_action { COMMAND_RUN, COMMAND_DONE };
struct command_line {
    enum command_action action;
    int exit_status;               /* COMMAND_DONE */
    struct config_source *sources; /* COMMAND_RUN: at least one; views into argv */
    size_t source_count;
    str feature_gates;             /* all that were given, "a,-b"; in the arena */
};
/* Parses argv; carries out validate, components, print-config, featuregate, help and --version itself, printing to stdout and
 * stderr (COMMAND_DONE), or says COMMAND_RUN with the sources. */
void command_line_parse(int argc, char **argv, const struct components *components, struct arena *arena,
                        struct command_line *out);

#endif
