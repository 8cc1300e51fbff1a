/* baton: an OpenTelemetry-Collector-compatible collector with leader election. */
#include "components.h"
#include "io/file.h"
#include "service/commands.h"
#include "service/service.h"

int main(int argc, char **argv)
{
    struct arena arena;
    struct command_line line;
    standard_files_open();
    mem_setup();
    arena_init(&arena, 4096);
    command_line_parse(argc, argv, &baton_components, &arena, &line);
    int exit_status = line.exit_status;
    if (line.action == COMMAND_RUN)
        exit_status =
            service_run(&baton_components, line.sources, line.source_count, line.feature_gates);
    arena_deinit(&arena);
    return exit_status;
}
