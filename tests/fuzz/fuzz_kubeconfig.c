/* kubeconfig files: what comes out of an accepted one can be put into URLs and headers. */
#include "kube/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drop_line(void *arg, str line)
{
    (void)arg;
    (void)line;
}

static int64_t no_clock(void *arg)
{
    (void)arg;
    return 0;
}

static void check_line(str s)
{
    for (size_t i = 0; i < s.len; i++)
        CHECK((unsigned char)s.data[i] >= 0x20 && s.data[i] != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logger logger = {.log = log_new(&(struct log_config){
                                .level = LOG_WARN, .sink = drop_line, .wall_ns = no_clock})};
    struct kube_access *a = mem_zalloc(sizeof *a);
    struct err err = {0};
    arena_init(&a->arena, 1024);
    a->auth = KUBE_AUTH_KUBECONFIG;
    str text = str_make((const char *)data, size);
    if (kubeconfig_load_text(a, STR("kubeconfig"), STR("/dir"), text, STR_NONE, &logger, &err)) {
        check_line(a->server);
        check_line(a->token);
        CHECK(str_starts_with(a->server, a->is_https ? STR("https://") : STR("http://")));
        CHECK(a->is_https || (a->token.len == 0 && a->exec == NULL && !a->has_basic));
        for (size_t i = 0; i < a->impersonation_count; i++)
            check_line(a->impersonation[i]);
    } else {
        CHECK(err.text[0] != '\0');
    }
    kube_access_free(a);
    log_free(logger.log);
    return 0;
}
