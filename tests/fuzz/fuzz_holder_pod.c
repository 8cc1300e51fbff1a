/* Any text as the pod of a Lease's holder: what is read lies within what was kept of it, and no proof comes without a uid that fits. */
#include "base/limits.h"
#include "election/holder_pod.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(str s)
{
    for (size_t i = 0; i < s.len; i++)
        CHECK(s.data[i] >= 0 || s.data[i] < 0); /* a read outside is what the sanitizer looks for */
}

static void touch_end(const struct container_end *end)
{
    touch(end->container_id);
    touch(end->reason);
    touch(end->message);
    CHECK(end->finished_ns >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct holder_pod pod;
    struct err err;
    char *exact = mem_alloc(size);
    memcpy(exact, data, size);
    holder_pod_init(&pod);
    bool ok = holder_pod_read(&pod, str_make(exact, size), &err);
    struct dead_proof fits, other;
    dead_proof_init(&fits, ok ? pod.uid : STR("0"), STR_NONE);
    dead_proof_init(&other, STR("no such uid"), STR_NONE);
    dead_proof_see_lease(&fits, 1, STR("00112233445566778899aabbccddeeff"), 1);
    dead_proof_see_lease(&other, 1, STR("00112233445566778899aabbccddeeff"), 1);
    CHECK(dead_proof_see_pod(&fits, str_make(exact, size), &err) == ok);
    CHECK(dead_proof_see_pod(&other, str_make(exact, size), &err) == ok);
    mem_free(exact); /* nothing may point into it */
    size_t count = 0;
    for (const struct holder_name *n = pod.names; n != NULL; n = n->next, count++)
        touch(n->name);
    for (const struct holder_container *c = pod.containers; c != NULL; c = c->next, count++) {
        touch(c->name);
        touch_end(&c->now);
        touch_end(&c->last);
    }
    touch(pod.name);
    touch(pod.uid);
    enum proof proof = dead_proof_judge(&fits);
    CHECK(proof == PROOF_NONE || (ok && pod.containers != NULL));
    CHECK(proof != PROOF_ORDER || pod.names != NULL);
    CHECK(dead_proof_judge(&other) == PROOF_NONE || str_eqz(pod.uid, "no such uid"));
    dead_proof_deinit(&fits);
    dead_proof_deinit(&other);
    holder_pod_deinit(&pod);
    return 0;
}
