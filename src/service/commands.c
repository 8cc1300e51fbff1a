/*
 * `baton [command] [flags]`.
 *
 * Life of a command line: flags and words are collected (a flag may stand before or behind the
 * command), the first word is the command, each flag must be one that the command knows; then the
 * command does its work, or the sources are handed to the caller, who runs. Output is made as a
 * whole and written once; a stdout that takes none of it is an error.
 *
 * Specification: collector_host 1.1.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/nearest.h"
#include "service/command_lease.h"
#include "service/command_migrate.h"
#include "service/commands.h"
#include "service/feature_gates.h"
#include "service/settings_internal.h"
#include "wire/text.h"

enum command {
    RUN = 1,
    VALIDATE = 2,
    PRINT_CONFIG = 4,
    COMPONENTS = 8,
    FEATUREGATE = 16,
    MIGRATE = 32,
    LEASE = 64,
    HELP = 128
};
enum {
    ANY_COMMAND = RUN | VALIDATE | PRINT_CONFIG | COMPONENTS | FEATUREGATE | MIGRATE | LEASE | HELP,
    LOADING = RUN | VALIDATE | PRINT_CONFIG | LEASE /* what reads a configuration */
};

static const struct {
    const char *name;
    enum command command;
    size_t args_max;
} commands[] = {
    {"validate", VALIDATE, 0},
    {"print-config", PRINT_CONFIG, 0},
    {"print-initial-config", PRINT_CONFIG, 0}, /* its older name */
    {"components", COMPONENTS, 0},
    {"featuregate", FEATUREGATE, 1},
    {"migrate", MIGRATE, SIZE_MAX},
    {"lease", LEASE, 1},
    {"help", HELP, 1},
};

enum flag {
    CONFIG,
    SET,
    FEATURE_GATES,
    VERSION,
    SHOW_HELP,
    MODE,
    FORMAT,
    DO_VALIDATE,
    IN_PLACE,
    DIFF,
    WATCH,
    OUTPUT,
    LEASE_NAME,
    LEASE_NAMESPACE,
    KUBECONFIG,
    CONTEXT,
    TIMEOUT
};
static const struct {
    const char *name;
    enum flag flag;
    unsigned commands;
    enum { NO_VALUE, MAY_HAVE_VALUE, NEEDS_VALUE } value;
    char short_name; /* or 0 */
} flags[] = {
    {"config", CONFIG, LOADING, NEEDS_VALUE, 0},
    {"set", SET, LOADING, NEEDS_VALUE, 0},
    {"feature-gates", FEATURE_GATES, LOADING, NEEDS_VALUE, 0},
    {"version", VERSION, RUN, NO_VALUE, 'v'},
    {"help", SHOW_HELP, ANY_COMMAND, NO_VALUE, 'h'},
    {"mode", MODE, PRINT_CONFIG, NEEDS_VALUE, 0},
    {"format", FORMAT, PRINT_CONFIG, NEEDS_VALUE, 0},
    {"validate", DO_VALIDATE, PRINT_CONFIG, MAY_HAVE_VALUE, 0},
    {"in-place", IN_PLACE, MIGRATE, NO_VALUE, 0},
    {"diff", DIFF, MIGRATE, NO_VALUE, 0},
    {"watch", WATCH, LEASE, NO_VALUE, 0},
    {"output", OUTPUT, LEASE, NEEDS_VALUE, 0},
    {"name", LEASE_NAME, LEASE, NEEDS_VALUE, 0},
    {"namespace", LEASE_NAMESPACE, LEASE, NEEDS_VALUE, 0},
    {"kubeconfig", KUBECONFIG, LEASE, NEEDS_VALUE, 0},
    {"context", CONTEXT, LEASE, NEEDS_VALUE, 0},
    {"timeout", TIMEOUT, LEASE, NEEDS_VALUE, 0},
};

#define LEASE_TIMEOUT_NS INT64_C(60000000000)

static const char help_text[] =
    "baton, an OpenTelemetry-compatible collector for whole-cluster telemetry\n"
    "\n"
    "Usage:\n"
    "  baton --config=LOCATION [--config=LOCATION ...] [--set=KEY=VALUE ...]\n"
    "  baton COMMAND [flags]\n"
    "\n"
    "Commands:\n"
    "  validate               Check the configuration and end; silent when it is good\n"
    "  print-config           Print the configuration in force, defaults included\n"
    "  components             List the components that can be configured\n"
    "  featuregate [ID]       List feature gates, or show one\n"
    "  migrate FILE...        Rewrite files that still have singleton_receiver_creator\n"
    "  lease status           Show who leads, who stands by, and what the leader has noted\n"
    "  lease yield            Ask the leader to hand over, and say who leads then\n"
    "  help                   This text\n"
    "\n"
    "Flags (validate, print-config and lease know the first three as well):\n"
    "  --config LOCATION      A file, file:PATH, env:NAME or yaml:TEXT; may repeat, later ones "
    "win\n"
    "  --set KEY=VALUE        One setting, over all files; dots separate keys: "
    "processors.batch.timeout=2s\n"
    "  --feature-gates LIST   Gates of the Go collector, a,-b: known ones are accepted; those without "
    "effect are said\n"
    "  -v, --version          Print the version\n"
    "  -h, --help             This text\n"
    "\n"
    "Flags of print-config:\n"
    "  --mode MODE            redacted (default) or unredacted, which shows secrets\n"
    "  --format FORMAT        yaml (default) or json\n"
    "  --validate=false       Print even if the configuration breaks a rule\n"
    "\n"
    "Flags of migrate (without them the new text of one FILE goes to stdout):\n"
    "  --in-place             Write the files themselves\n"
    "  --diff                 Show what changes; with --in-place, what was changed\n"
    "\n"
    "Flags of lease (the Leases of --config, or the one of --name):\n"
    "  --name NAME            This Lease; no configuration is needed\n"
    "  --namespace NAMESPACE  Its namespace; otherwise that of the credentials\n"
    "  --kubeconfig FILE      Credentials, instead of the configuration's or $KUBECONFIG's\n"
    "  --context NAME         Another context of the kubeconfig than the current one\n"
    "  --output FORMAT        table (default) or json\n"
    "  --watch                status: go on with a line for each change\n"
    "  --timeout DURATION     yield: how long to wait for the next leader (default 60s)\n"
    "\n"
    "Examples:\n"
    "  baton lease status --name=telemetry-cluster --namespace=kyma-system --watch\n"
    "  baton --config=base.yaml --config=site.yaml --set=service.telemetry.logs.level=debug\n"
    "\n"
    "Signals: SIGTERM and SIGINT stop in order (Leases are released first), SIGHUP reads the "
    "configuration again, SIGUSR1 hands over what this replica leads.\n"
    "Exit status: 0, or 1 after an error, which is printed to stderr. Of lease also 3: nobody leads; "
    "4: nobody took over.\n";

struct request {
    const struct components *components;
    struct arena *arena;
    enum command command;
    struct config_source *sources;
    size_t source_count;
    const char **words; /* the command and its arguments */
    size_t word_count;
    size_t flag_index[64]; /* into flags: all that were given, to see if the command knows them */
    size_t flag_count;
    bool help, version, validate, in_place, diff;
    struct buf notices; /* of feature gates */
    str feature_gates;  /* all that were given, one after the other */
    str mode, format;
    struct lease_request lease;
    str lease_output;
};

/* ---- output ---- */

static bool write_out(const struct buf *b)
{
    bool ok = b->len == 0 || fwrite(b->data, 1, b->len, stdout) == b->len;
    if (fflush(stdout) != 0 || !ok || b->overflow) {
        fputs("Error: cannot write to stdout\n", stderr);
        return false;
    }
    return true;
}

static int write_text(const char *text)
{
    struct buf b;
    buf_init(&b, MIB);
    buf_text(&b, text);
    bool ok = write_out(&b);
    buf_deinit(&b);
    return ok ? 0 : 1;
}

static void print_messages(const struct settings *s, bool show_errors)
{
    struct buf b;
    buf_init(&b, 4 * MIB);
    for (const struct config_message *m = s->messages.first; m != NULL; m = m->next) {
        struct config_message alone = *m;
        alone.next = NULL;
        const struct config_messages one = {.first = &alone, .last = &alone};
        if (!m->is_error)
            buf_text(&b, "Warning: ");
        config_messages_print(&b, &one, false, true);
    }
    if (show_errors) {
        buf_text(&b, "Error: invalid configuration:\n");
        config_messages_print(&b, &s->messages, true, false);
    }
    fwrite(b.data == NULL ? "" : b.data, 1, b.len, stderr);
    buf_deinit(&b);
}

/* ---- commands ---- */

static int validate(const struct request *r)
{
    struct settings *s = settings_load(r->components, r->sources, r->source_count);
    bool ok = s->messages.error_count == 0;
    print_messages(s, !ok);
    settings_free(s);
    return ok ? 0 : 1;
}

static int print_config(const struct request *r)
{
    bool unredacted = str_eq_nocase(r->mode, STR("unredacted")),
         json = str_eq_nocase(r->format, STR("json"));
    if (!unredacted && !str_eq_nocase(r->mode, STR("redacted"))) {
        fprintf(stderr, "Error: invalid mode \"%.*s\": modes are: redacted, unredacted\n",
                STR_ARG(r->mode));
        return 1;
    }
    if (!json && !str_eq_nocase(r->format, STR("yaml"))) {
        fprintf(stderr, "Error: unrecognized print format: %.*s (formats: yaml, json)\n",
                STR_ARG(r->format));
        return 1;
    }
    struct settings *s = settings_load(r->components, r->sources, r->source_count);
    const struct config_messages *m = &s->messages;
    bool ok = m->error_count == 0 || (!r->validate && m->error_count == m->rule_error_count);
    print_messages(s, !ok);
    if (ok) {
        struct buf b;
        buf_init(&b, 64 * MIB);
        settings_print(&b, s, json, !unredacted);
        ok = write_out(&b);
        buf_deinit(&b);
    }
    settings_free(s);
    return ok ? 0 : 1;
}

static struct node *new_node(struct arena *a, enum node_kind kind, const char *text)
{
    struct node *n = ARENA_NEW(a, struct node);
    n->kind = kind;
    n->quoted = true;
    n->text = str_from(text);
    return n;
}

static struct node *append(struct node *parent, const char *key, struct node *child)
{
    child->key = str_from(key);
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
    return child;
}

static const char *stability_of(struct arena *a, const struct type_info *info, bool supported)
{
    if (!supported || info->stability == NULL)
        return "Undefined";
    char *text = arena_cstr(a, str_from(info->stability));
    if (text[0] >= 'a' && text[0] <= 'z')
        text[0] = (char)(text[0] - 'a' + 'A');
    return text;
}

static void add_type(struct arena *a, struct node *list, enum component_kind kind,
                     const struct type_info *info)
{
    struct node *item = append(list, NULL, new_node(a, NODE_MAP, NULL));
    append(item, "name", new_node(a, NODE_STRING, info->name));
    if (info->aliases != NULL && info->aliases[0] != NULL) {
        struct node *aliases = append(item, "aliases", new_node(a, NODE_LIST, NULL));
        for (size_t i = 0; info->aliases[i] != NULL; i++)
            append(aliases, NULL, new_node(a, NODE_STRING, info->aliases[i]));
    }
    struct node *stability = append(item, "stability", new_node(a, NODE_MAP, NULL));
    if (kind == COMPONENT_EXTENSION) {
        append(stability, "extension", new_node(a, NODE_STRING, stability_of(a, info, true)));
        return;
    }
    static const enum signal signals[] = {SIGNAL_LOGS, SIGNAL_METRICS, SIGNAL_TRACES};
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        append(stability, signal_name(signals[i]),
               new_node(a, NODE_STRING, stability_of(a, info, (info->signals & signals[i]) != 0)));
}

static int list_components(const struct request *r)
{
    static const char *const schemes[] = {"env", "file", "yaml"};
    struct arena *a = r->arena;
    struct node *root = new_node(a, NODE_MAP, NULL);
    struct node *build = append(root, "buildinfo", new_node(a, NODE_MAP, NULL));
    append(build, "command", new_node(a, NODE_STRING, "baton"));
    append(
        build, "description",
        new_node(a, NODE_STRING, "OpenTelemetry-compatible collector for whole-cluster telemetry"));
    append(build, "version", new_node(a, NODE_STRING, BATON_VERSION));
    for (enum component_kind kind = COMPONENT_RECEIVER; kind <= COMPONENT_EXTENSION; kind++) {
        struct type_info info;
        if (kind == COMPONENT_EXTENSION)
            append(root, "connectors", new_node(a, NODE_LIST, NULL));
        struct node *list = append(root, kind_section(kind), new_node(a, NODE_LIST, NULL));
        for (size_t i = 0; type_at(r->components, kind, i, &info); i++)
            add_type(a, list, kind, &info);
    }
    struct node *providers = append(root, "providers", new_node(a, NODE_LIST, NULL));
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        append(append(providers, NULL, new_node(a, NODE_MAP, NULL)), "scheme",
               new_node(a, NODE_STRING, schemes[i]));
    struct buf b;
    buf_init(&b, MIB);
    yaml_print(&b, root);
    bool ok = write_out(&b);
    buf_deinit(&b);
    return ok ? 0 : 1;
}

static int list_gates(const struct request *r)
{
    struct buf b;
    buf_init(&b, MIB);
    bool ok = true;
    if (r->word_count < 2)
        feature_gates_print(&b);
    else if (!(ok = feature_gate_print(&b, str_from(r->words[1]))))
        fprintf(stderr, "Error: feature \"%s\" not found\n", r->words[1]);
    ok = ok && write_out(&b);
    buf_deinit(&b);
    return ok ? 0 : 1;
}

static int migrate(const struct request *r)
{
    const struct migrate_request request = {.paths = r->words + 1,
                                            .path_count = r->word_count - 1,
                                            .in_place = r->in_place,
                                            .diff = r->diff};
    struct buf out, errors;
    buf_init(&out, 64 * MIB);
    buf_init(&errors, 64 * MIB);
    int exit_status = command_migrate(&request, &out, &errors);
    fwrite(errors.data == NULL ? "" : errors.data, 1, errors.len, stderr);
    if (!write_out(&out))
        exit_status = 1;
    buf_deinit(&out);
    buf_deinit(&errors);
    return exit_status;
}

static bool lease_out(void *arg, str text)
{
    (void)arg;
    return fwrite(text.data == NULL ? "" : text.data, 1, text.len, stdout) == text.len &&
           fflush(stdout) == 0;
}

static void lease_error(void *arg, str text)
{
    (void)arg;
    fwrite(text.data == NULL ? "" : text.data, 1, text.len, stderr);
}

static bool check_lease(const struct request *r, struct err *err)
{
    const struct lease_request *l = &r->lease;
    str verb = r->word_count < 2 ? STR_NONE : str_from(r->words[1]);
    if (!str_eqz(verb, "status") && !str_eqz(verb, "yield"))
        return err_set(err, "lease needs one of: status, yield");
    if (!str_eqz(r->lease_output, "table") && !str_eqz(r->lease_output, "json"))
        return err_set(err, "invalid argument \"%.*s\" for \"--output\" flag: table or json",
                       STR_ARG(r->lease_output));
    if (l->watch && str_eqz(verb, "yield"))
        return err_set(err, "--watch belongs to lease status");
    if ((r->source_count > 0) == (l->name.len > 0))
        return err_set(err,
                       r->source_count > 0
                           ? "give --config or --name, not both: a configuration names its Leases"
                           : "which Lease? give --config=FILE, or --name and --namespace");
    return true;
}

static int lease(struct request *r)
{
    static const struct lease_output output = {.out = lease_out, .error = lease_error};
    struct err err;
    if (!check_lease(r, &err)) {
        fprintf(stderr, "Error: %s\nRun 'baton --help' for usage.\n", err.text);
        return LEASE_EXIT_ERROR;
    }
    struct lease_request request = r->lease;
    request.yield = strcmp(r->words[1], "yield") == 0;
    request.json = str_eqz(r->lease_output, "json");
    struct settings *s = NULL;
    if (r->source_count > 0) {
        s = settings_load(r->components, r->sources, r->source_count);
        if (s->messages.error_count > 0) {
            print_messages(s, true);
            settings_free(s);
            return LEASE_EXIT_ERROR;
        }
    }
    request.settings = s;
    int exit_status = command_lease(&request, &output);
    if (s != NULL)
        settings_free(s);
    return exit_status;
}

/* ---- parsing ---- */

/* "; did you mean --config?" for a word like config. */
static str guess_flag(struct request *r, str word)
{
    str names[COUNT_OF(flags)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        names[count++] = str_from(flags[i].name);
    str nearest = nearest_word(word, names, count);
    return nearest.len == 0 ? STR("")
                            : arena_printf(r->arena, "; did you mean --%.*s?", STR_ARG(nearest));
}

static bool parse_bool(const char *value, bool *out)
{
    static const char *const words[][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                           {"1", "t", "T", "true", "TRUE", "True"}};
    for (size_t on = 0; on < 2; on++) {
        for (size_t i = 0; i < COUNT_OF(words[on]); i++) {
            if (strcmp(value, words[on][i]) == 0) {
                *out = on == 1;
                return true;
            }
        }
    }
    return false;
}

static bool add_source(struct request *r, const char *value, bool is_set, struct err *err)
{
    if (is_set && strchr(value, '=') == NULL)
        return err_set(err, "invalid argument \"%s\" for \"--set\" flag: missing equal sign",
                       value);
    r->sources[r->source_count++] =
        (struct config_source){.location = str_from(value), .is_set = is_set};
    return true;
}

static bool apply_lease_flag(struct request *r, enum flag flag, const char *value, struct err *err)
{
    struct lease_request *l = &r->lease;
    switch (flag) {
    case WATCH:
        l->watch = true;
        return true;
    case OUTPUT:
        r->lease_output = str_from(value);
        return true;
    case LEASE_NAME:
        l->name = str_from(value);
        return true;
    case LEASE_NAMESPACE:
        l->namespace = str_from(value);
        return true;
    case KUBECONFIG:
        l->kubeconfig = str_from(value);
        return true;
    case CONTEXT:
        l->context = str_from(value);
        return true;
    default:
        break;
    }
    CHECK(flag == TIMEOUT);
    if (!duration_parse(str_from(value), &l->timeout_ns, err))
        return err_wrap(err, "invalid argument \"%s\" for \"--timeout\" flag", value);
    return l->timeout_ns > 0 ||
           err_set(err, "invalid argument \"%s\" for \"--timeout\" flag: must be positive", value);
}

/* `value` NULL: none was given. */
static bool apply_flag(struct request *r, size_t index, const char *value, struct err *err)
{
    if (r->flag_count < COUNT_OF(r->flag_index)) /* more than that are repetitions */
        r->flag_index[r->flag_count++] = index;
    switch (flags[index].flag) {
    case CONFIG:
    case SET:
        return add_source(r, value, flags[index].flag == SET, err);
    case FEATURE_GATES:
        if (!feature_gates_parse(str_from(value), r->arena, &r->notices, err))
            return err_wrap(err, "invalid argument \"%s\" for \"--feature-gates\" flag", value);
        r->feature_gates = arena_printf(r->arena, "%.*s%s%s", STR_ARG(r->feature_gates),
                                        r->feature_gates.len > 0 ? "," : "", value);
        return true;
    case VERSION:
        r->version = true;
        return true;
    case SHOW_HELP:
        r->help = true;
        return true;
    case MODE:
        r->mode = str_from(value);
        return true;
    case FORMAT:
        r->format = str_from(value);
        return true;
    case IN_PLACE:
        r->in_place = true;
        return true;
    case DIFF:
        r->diff = true;
        return true;
    case DO_VALIDATE:
        r->validate = true;
        if (value != NULL && !parse_bool(value, &r->validate))
            return err_set(
                err, "invalid argument \"%s\" for \"--validate\" flag: write true or false", value);
        return true;
    default:
        return apply_lease_flag(r, flags[index].flag, value, err);
    }
}

/* "--name", "--name=value", "--name value"; *i moves on if the value was the next argument. */
static bool parse_long(struct request *r, int argc, char **argv, int *i, struct err *err)
{
    str name, rest;
    bool has_value = str_cut(str_from(argv[*i] + 2), '=', &name, &rest);
    const char *value = has_value ? rest.data : NULL;
    for (size_t k = 0; k < COUNT_OF(flags); k++) {
        if (!str_eqz(name, flags[k].name))
            continue;
        if (flags[k].value == NEEDS_VALUE && value == NULL) {
            if (*i + 1 >= argc)
                return err_set(err, "flag needs an argument: --%s", flags[k].name);
            value = argv[++*i];
        }
        if (flags[k].value == NO_VALUE && value != NULL)
            return err_set(err, "--%s takes no argument", flags[k].name);
        return apply_flag(r, k, value, err);
    }
    str guess = guess_flag(r, name);
    return err_set(err, "unknown flag: --%.*s%.*s", STR_ARG(name), STR_ARG(guess));
}

static bool parse_short(struct request *r, const char *arg, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (flags[i].short_name != 0 && arg[1] == flags[i].short_name && arg[2] == '\0')
            return apply_flag(r, i, NULL, err);
    str name, rest;
    str_cut(str_from(arg + 1), '=', &name, &rest);
    str guess = guess_flag(r, name);
    return err_set(err, "unknown shorthand flag: '%c' in %.*s%.*s", arg[1], (int)name.len + 1, arg,
                   STR_ARG(guess));
}

static bool add_word(struct request *r, const char *word)
{
    r->words[r->word_count++] = word;
    return true;
}

static bool parse_arguments(struct request *r, int argc, char **argv, struct err *err)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        bool ok;
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0')
            ok = add_word(r, argv[i]);
        else if (argv[i][1] == '-')
            ok = parse_long(r, argc, argv, &i, err);
        else
            ok = parse_short(r, argv[i], err);
        if (!ok)
            return false;
    }
    return true;
}

static bool find_command(struct request *r, struct err *err)
{
    r->command = RUN;
    if (r->word_count == 0)
        return true;
    str names[COUNT_OF(commands)];
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        names[i] = str_from(commands[i].name);
        if (strcmp(r->words[0], commands[i].name) != 0)
            continue;
        r->command = commands[i].command;
        if (r->word_count - 1 > commands[i].args_max)
            return err_set(err, "%s accepts at most %zu argument(s), received %zu",
                           commands[i].name, commands[i].args_max, r->word_count - 1);
        return true;
    }
    str nearest = nearest_word(str_from(r->words[0]), names, COUNT_OF(names));
    if (nearest.len > 0)
        return err_set(err, "unknown command \"%s\" for \"baton\"; did you mean \"%.*s\"?",
                       r->words[0], STR_ARG(nearest));
    return err_set(err, "unknown command \"%s\" for \"baton\"", r->words[0]);
}

static bool check_flags(const struct request *r, struct err *err)
{
    for (size_t i = 0; i < r->flag_count; i++)
        if ((flags[r->flag_index[i]].commands & r->command) == 0)
            return err_set(err, "unknown flag: --%s (of %s)", flags[r->flag_index[i]].name,
                           r->word_count > 0 ? r->words[0] : "running; it belongs to a command");
    return true;
}

static int carry_out(struct request *r, enum command_action *action)
{
    bool needs_sources = (r->command & (RUN | VALIDATE | PRINT_CONFIG)) != 0;
    if (r->help || r->command == HELP)
        return write_text(help_text);
    if (r->version)
        return write_text("baton version " BATON_VERSION "\n");
    if (needs_sources && r->source_count == 0) {
        fputs("Error: at least one config flag must be provided (--config=FILE)\n", stderr);
        return 1;
    }
    fwrite(r->notices.data == NULL ? "" : r->notices.data, 1, r->notices.len, stderr);
    switch (r->command) {
    case VALIDATE:
        return validate(r);
    case PRINT_CONFIG:
        return print_config(r);
    case COMPONENTS:
        return list_components(r);
    case FEATUREGATE:
        return list_gates(r);
    case MIGRATE:
        return migrate(r);
    case LEASE:
        return lease(r);
    case RUN:
    case HELP:
        break;
    }
    *action = COMMAND_RUN;
    return 0;
}

void command_line_parse(int argc, char **argv, const struct components *components,
                        struct arena *arena, struct command_line *out)
{
    struct err err;
    struct request r = {.components = components,
                        .arena = arena,
                        .validate = true,
                        .mode = STR("redacted"),
                        .format = STR("yaml"),
                        .lease = {.timeout_ns = LEASE_TIMEOUT_NS},
                        .lease_output = STR("table")};
    *out = (struct command_line){.action = COMMAND_DONE, .exit_status = 1};
    buf_init(&r.notices, 64 * KIB);
    r.sources = ARENA_ARRAY(arena, struct config_source, (size_t)argc);
    r.words = ARENA_ARRAY(arena, const char *, (size_t)argc);
    if (parse_arguments(&r, argc, argv, &err) && find_command(&r, &err) && check_flags(&r, &err))
        out->exit_status = carry_out(&r, &out->action);
    else
        fprintf(stderr, "Error: %s\nRun 'baton --help' for usage.\n", err.text);
    buf_deinit(&r.notices);
    out->sources = r.sources;
    out->source_count = r.source_count;
    out->feature_gates = r.feature_gates;
}
